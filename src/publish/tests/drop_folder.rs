use super::export::mixed;
use crate::publish::testing::{publishing, publishing_of_members, vacancy};

#[tokio::test]
async fn the_drop_folder_holds_whole_files_only() {
    let shop = mixed();
    let publish = publishing(&shop);
    let folder = tempfile::tempdir().unwrap();
    let mut sink = crate::publish::DropFolder::new(publish.clone(), folder.path());
    sink.write_all().await.unwrap();
    let file = folder.path().join("linkedin.xml");
    let before = std::fs::read(&file).unwrap();
    assert_eq!(
        before,
        publish.export("linkedin", None).await.unwrap().bytes
    );
    shop.close(
        vacancy(1, "", |_| {}).id,
        crate::model::TombstoneReason::Filled,
        None,
    );
    sink.write_all().await.unwrap();
    assert_ne!(std::fs::read(&file).unwrap(), before);
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("linkedin") || name.starts_with('.'))
        .collect();
    assert_eq!(names, ["linkedin.xml"]);
}

#[tokio::test]
async fn a_change_costs_the_files_of_its_member_alone() {
    let shop = mixed();
    let publish = publishing_of_members(&shop, |member| {
        let own = crate::model::Channel("indeed".into());
        member.mandates.insert(own, crate::model::Mandate::Always);
    });
    let folder = tempfile::tempdir().unwrap();
    let mut sink = crate::publish::DropFolder::new(publish, folder.path());
    sink.step(true).await.unwrap();
    let [all, theirs, other] = [
        "indeed.xml",
        "indeed/ch-exemple.xml",
        "indeed/aide-domicile.xml",
    ]
    .map(|file| folder.path().join(file));
    let closed = vacancy(1, "", |_| {}).id;
    let shows = |file: &std::path::Path| {
        let text = std::fs::read_to_string(file).unwrap();
        text.contains(&closed.to_string())
    };
    assert!(shows(&all) && shows(&theirs) && !shows(&other));
    // Where nothing is to be told, nothing is looked at: not even that a file was taken away.
    std::fs::remove_file(&other).unwrap();
    shop.close(closed, crate::model::TombstoneReason::Filled, None);
    assert!(sink.step(false).await.unwrap().0);
    assert!(!shows(&all) && !shows(&theirs) && !other.exists());
    // One goes and another comes: as many as before, and not the same.
    shop.close(
        vacancy(3, "", |_| {}).id,
        crate::model::TombstoneReason::Filled,
        None,
    );
    let next = vacancy(9, "aide-domicile", |_| {});
    shop.publish(&next);
    sink.step(false).await.unwrap();
    let text = std::fs::read_to_string(&other).unwrap();
    assert!(text.contains(&next.id.to_string()));
    std::fs::remove_file(&theirs).unwrap();
    sink.step(true).await.unwrap();
    assert!(theirs.exists());
}
