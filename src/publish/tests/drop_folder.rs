//! The drop folder, one look after the other.

use super::export::mixed;
use super::guard::{Bench, jobs, offer};
use crate::model::{Network, TombstoneReason};
use crate::publish::testing::{
    Shop, all_channels, publishing, publishing_of_members, publishing_watching, vacancy,
};
use crate::publish::{DropFolder, Profiles, Publish};
use std::{path::Path, sync::Arc};

fn text(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap()
}

#[tokio::test]
async fn the_drop_folder_holds_whole_files_only() {
    let shop = mixed();
    let publish = publishing(&shop);
    let folder = tempfile::tempdir().unwrap();
    let mut sink = DropFolder::new(publish.clone(), folder.path());
    sink.write_all().await.unwrap();
    let file = folder.path().join("linkedin.xml");
    let before = std::fs::read(&file).unwrap();
    assert_eq!(
        before,
        publish.export("linkedin", None).await.unwrap().bytes
    );
    shop.close(vacancy(1, "", |_| {}).id, TombstoneReason::Filled, None);
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
    let mut sink = DropFolder::new(publish, folder.path());
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
    shop.close(closed, TombstoneReason::Filled, None);
    assert!(sink.step(false).await.unwrap().0);
    assert!(!shows(&all) && !shows(&theirs) && !other.exists());
    // One goes and another comes: as many as before, and not the same.
    shop.close(vacancy(3, "", |_| {}).id, TombstoneReason::Filled, None);
    let next = vacancy(9, "aide-domicile", |_| {});
    shop.publish(&next);
    sink.step(false).await.unwrap();
    let text = std::fs::read_to_string(&other).unwrap();
    assert!(text.contains(&next.id.to_string()));
    std::fs::remove_file(&theirs).unwrap();
    sink.step(true).await.unwrap();
    assert!(theirs.exists());
}

/// What a hold keeps stays in the file of the drop folder too, and what is filled leaves it at once. A
/// node that has not what should stay has no file: that closes nothing.
#[tokio::test]
async fn a_held_file_keeps_what_is_open_and_nothing_that_is_filled() {
    let bench = Bench::new().await;
    let [own, other, kept] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let mut sink = DropFolder::new(bench.publish.clone(), own.path());
    let mut late = DropFolder::new(bench.node(kept.path()), other.path());
    let file = "linkedin.xml";
    let mut look = async |jobs_then: usize| {
        sink.step(false).await.unwrap();
        let text = text(own.path(), file);
        assert_eq!(jobs(&text), jobs_then);
        text
    };
    look(20).await;
    bench.refuse(1..=10);
    look(20).await;
    for (n, left) in [(1, 19), (11, 18)] {
        bench.close(n..=n, TombstoneReason::Filled);
        let text = look(left).await;
        assert!(!text.contains(&offer(n).id.to_string()));
    }
    bench.shop.erase(&offer(2));
    let left = look(17).await;
    assert!(!left.contains(&offer(2).id.to_string()));
    // Of one that lives on, a posting was erased: with the kept piece it leaves the file, too.
    let copy = crate::model::PostingId(offer(3).id.0);
    bench.shop.erased.lock().unwrap().insert(copy);
    bench.publish.forget_erased().await.unwrap();
    bench.shop.publish(&offer(30));
    let left = look(17).await;
    assert!(!left.contains(&offer(3).id.to_string()));
    std::fs::write(other.path().join(file), "<source/>").unwrap();
    late.step(true).await.unwrap();
    assert!(!other.path().join(file).exists());
    assert!(bench.decide(true).await);
    sink.step(true).await.unwrap();
    late.step(true).await.unwrap();
    for folder in [&own, &other] {
        assert_eq!(jobs(&text(folder.path(), file)), 10);
    }
}

/// A hub with a profile of its own and a member that gives every mandate, and what changes its files.
fn changing(shop: &Arc<Shop>) -> (tokio::sync::watch::Sender<Arc<Network>>, Publish, Profiles) {
    let own = r#"
        name = "annonces"
        title = "Annonces"
        channel = "portal"
        document = { format = "json", list = "annonces" }
        fields = [{ path = "titre", value = "title", required = true }]
    "#;
    let own = [("annonces.toml".to_owned(), own.to_owned())];
    let profiles = Profiles::embedded().with(own).unwrap();
    let (files, publish) = publishing_watching(shop, all_channels(), |_| {});
    publish.use_profiles(profiles.clone());
    (files, publish, profiles)
}

/// The file of a member or a profile that is gone is emptied, in this process or the next; nothing else
/// in the folder is touched.
#[tokio::test]
async fn what_nobody_makes_any_more_holds_no_offer() {
    let shop = Arc::new(Shop::default());
    (1..=3).for_each(|n| shop.publish(&offer(n)));
    let (files, publish, profiles) = changing(&shop);
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let others = ["notes.txt", "indeed/voisin.xml", "annonce.json"];
    std::fs::create_dir(at.join("indeed")).unwrap();
    for other in others {
        std::fs::write(at.join(other), other).unwrap();
    }
    let member = Some("ch-exemple".into());
    let given = publish.export("france-travail", member.as_ref()).await;
    publish.deposited(&given.unwrap()).await.unwrap();
    let mut sink = DropFolder::new(publish.clone(), at);
    sink.step(true).await.unwrap();
    assert_eq!(
        text(at, "indeed/ch-exemple.xml").matches("<job>").count(),
        3
    );
    assert!(text(at, "annonces/ch-exemple.json").contains("Infirmier"));
    assert!(text(at, "annonces.json").contains("Infirmier"));

    // The member's file is deleted: each board reads that it has no offers any more.
    let whole = files.borrow().clone();
    let mut without = (*whole).clone();
    without.members.retain(|id, _| id.0 != "ch-exemple");
    files.send_replace(Arc::new(without));
    sink.step(false).await.unwrap();
    let left = text(at, "indeed/ch-exemple.xml");
    assert!(
        left.contains("<source>") && !left.contains("<job>"),
        "{left}"
    );
    let left: serde_json::Value =
        serde_json::from_str(&text(at, "annonces/ch-exemple.json")).unwrap();
    assert_eq!(left, serde_json::json!({ "annonces": [] }));
    let left = text(at, "france-travail/ch-exemple.csv");
    assert!(
        left.lines().count() == 4 && !left.contains("Infirmier"),
        "{left}"
    );
    assert_eq!(left.matches("|S|").count(), 3, "what was deposited is gone");

    // It comes back, and with it what it has.
    files.send_replace(whole);
    sink.step(false).await.unwrap();
    assert_eq!(
        text(at, "indeed/ch-exemple.xml").matches("<job>").count(),
        3
    );

    // The profile goes while no process runs.
    publish.use_profiles(Profiles::embedded());
    let mut next = DropFolder::new(publish.clone(), at);
    next.step(false).await.unwrap();
    for file in ["annonces.json", "annonces/ch-exemple.json"] {
        let left: serde_json::Value = serde_json::from_str(&text(at, file)).unwrap();
        assert_eq!(left, serde_json::json!({ "annonces": [] }), "{file}");
    }
    // What a person takes away stays away.
    std::fs::remove_file(at.join("annonces.json")).unwrap();
    next.step(true).await.unwrap();
    assert!(!at.join("annonces.json").exists());
    publish.use_profiles(profiles);
    next.step(false).await.unwrap();
    assert!(text(at, "annonces.json").contains("Infirmier"));
    for other in others {
        assert_eq!(text(at, other), other);
    }
}

/// Nobody is taken for gone while a file cannot be read that may be its own.
#[tokio::test]
async fn a_file_that_cannot_be_read_empties_none() {
    let shop = Arc::new(Shop::default());
    shop.publish(&offer(1));
    let (files, publish, _) = changing(&shop);
    let folder = tempfile::tempdir().unwrap();
    let mut sink = DropFolder::new(publish.clone(), folder.path());
    sink.step(true).await.unwrap();
    let own = ["indeed/ch-exemple.xml", "annonces/ch-exemple.json"];
    let before = own.map(|file| text(folder.path(), file));
    let mut unsure = (*files.borrow().clone()).clone();
    unsure.members.retain(|id, _| id.0 != "ch-exemple");
    unsure.unsure = true;
    files.send_replace(Arc::new(unsure));
    sink.step(false).await.unwrap();
    assert_eq!(own.map(|file| text(folder.path(), file)), before);
    // That a profile is gone is sure all the same.
    publish.use_profiles(Profiles::embedded());
    sink.step(false).await.unwrap();
    assert_eq!(text(folder.path(), own[0]), before[0]);
    assert!(!text(folder.path(), own[1]).contains("Infirmier"));
    // What has closed stays in none; without the member's file nobody can say what is left.
    shop.close(offer(1).id, TombstoneReason::Filled, None);
    sink.step(true).await.unwrap();
    assert!(!folder.path().join(own[0]).exists());
}

/// A disk that is not mounted says nothing of the profiles that lie on it.
#[tokio::test]
async fn profiles_that_are_away_have_their_files_left_alone() {
    let shop = Arc::new(Shop::default());
    shop.publish(&offer(1));
    let (_files, publish, _) = changing(&shop);
    let folder = tempfile::tempdir().unwrap();
    let mut sink = DropFolder::new(publish.clone(), folder.path());
    sink.step(true).await.unwrap();
    let own = "annonces/ch-exemple.json";
    let before = text(folder.path(), own);
    let away = folder.path().join("nowhere");
    publish.use_profiles(Profiles::embedded().with_folder(&away).unwrap());
    sink.step(false).await.unwrap();
    assert_eq!(text(folder.path(), own), before);
}

/// A writer that was killed leaves a part of a file, which may tell of what was erased since.
#[tokio::test]
async fn what_a_killed_writer_left_is_cleared() {
    let publish = publishing(&mixed());
    let folder = tempfile::tempdir().unwrap();
    DropFolder::new(publish.clone(), folder.path())
        .write_all()
        .await
        .unwrap();
    let left = [
        ".export-Ab3dEf",
        "csv/.export-Ab3dEf",
        "tiers/.export-Ab3dEf",
    ];
    let left = left.map(|file| folder.path().join(file));
    for file in &left {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "half").unwrap();
    }
    let mut next = DropFolder::new(publish, folder.path());
    next.write_all().await.unwrap();
    assert_eq!(left.map(|file| file.exists()), [false, false, true]);
}
