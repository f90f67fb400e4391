//! A filled post: the member's own system drops it while its copy at France Travail lives on. After
//! the misses it is gone everywhere (law 2).

use crate::twice::demo_hub;
use passerelle::demo::Echo;
use passerelle::store::{ChangeOp, Store};

#[tokio::test(flavor = "multi_thread")]
async fn a_filled_post_is_gone_everywhere_though_a_copy_lives_on() {
    let (hub, demo) = demo_hub().await;
    hub.sync();
    // One of a member that LinkedIn shows, with a copy that carries its link.
    let (reference, url) = {
        let world = demo.server.world();
        let opening = world
            .openings
            .iter()
            .find(|one| {
                one.member == "fondation-claire-fontaine" && one.echo == Some(Echo::Partner)
            })
            .unwrap();
        (opening.reference(), opening.url())
    };
    let vacancies = hub.vacancies().await;
    let vacancy = vacancies
        .iter()
        .find(|one| one.to_string().contains(&url))
        .expect("it is published");
    let id = vacancy["id"].as_str().unwrap().to_owned();
    let sources = hub.lines(&["trace", &id, "--json"]);
    let sources = serde_json::to_string(&sources).unwrap();
    assert!(
        sources.contains("france-travail"),
        "the copy is one with it: {sources}"
    );
    let linkedin = String::from_utf8(hub.export("linkedin")).unwrap();
    assert!(linkedin.contains(&id));

    let close = format!("{}/demo/close/{reference}", demo.server.base());
    let answer = crate::support::hub::client().post(close).send().await;
    assert!(answer.unwrap().status().is_success());
    let first = hub.sync();
    assert_eq!(first.count("claire-fontaine", "missing"), 1);
    assert_eq!(
        first.count("claire-fontaine", "closed"),
        0,
        "one miss proves nothing"
    );
    assert!(
        hub.vacancies()
            .await
            .iter()
            .any(|one| one["id"] == id.as_str())
    );
    let second = hub.sync();
    assert_eq!(second.count("claire-fontaine", "closed"), 1);
    assert_eq!(second.json["vacancies"]["closed"], 1);

    assert!(
        !hub.vacancies()
            .await
            .iter()
            .any(|one| one["id"] == id.as_str())
    );
    let changes = hub.changes().await;
    let last = changes.last().unwrap();
    assert_eq!(last.id.to_string(), id);
    assert!(matches!(last.op, ChangeOp::Delete { .. }));
    let linkedin = String::from_utf8(hub.export("linkedin")).unwrap();
    assert!(!linkedin.contains(&id));
    // The copy itself is still listed by the aggregator, and another run does not revive the post.
    let third = hub.sync();
    assert_eq!(third.json["vacancies"]["new"], 0);
    let head = hub.store().head().await.unwrap();
    assert_eq!(head, last.seq);

    let served = hub.serve();
    let page = served.follow(&format!("/offres/{id}")).await;
    assert_eq!(page.status(), 410, "{}", page.url());
    let api = served.get(&format!("/api/v1/vacancies/{id}")).await;
    assert!(matches!(api.status().as_u16(), 404 | 410));
    assert!(!served.text("/exports/linkedin.xml").await.contains(&id));

    // The member opens it again: it is back, under the same id.
    drop(served);
    let reopen = format!("{}/demo/reopen/{reference}", demo.server.base());
    let answer = crate::support::hub::client().post(reopen).send().await;
    assert!(answer.unwrap().status().is_success());
    hub.sync();
    assert!(
        hub.vacancies()
            .await
            .iter()
            .any(|one| one["id"] == id.as_str())
    );
}
