//! `sync` twice in a row: the second time nothing happens, and every output stays as it was.

use crate::support::hub::{Hub, NOW, client};
use passerelle::demo;
use passerelle::model::Clock;

/// The demo's network in a hub's folder; it is served for as long as the second value lives.
pub async fn demo_hub() -> (Hub, demo::Demo) {
    let hub = Hub::new();
    let clock = Clock::fixed(NOW.parse().unwrap());
    let demo = demo::start(clock, &hub.path("")).await.unwrap();
    // The demo's own settings, with a public address that does not depend on a port.
    let settings = std::fs::read_to_string(hub.path("passerelle.toml")).unwrap();
    let more = "\n[server]\nlisten = \"127.0.0.1:0\"\npublic_url = \"https://hub.example\"\n";
    hub.write("passerelle.toml", &format!("{settings}{more}"));
    (hub, demo)
}

/// Changes of each kind at the sources: filled posts, changed ads, a new one.
pub async fn happen(demo: &demo::Demo) {
    let references = |member: &str| {
        let world = demo.server.world();
        let of_member = world.openings.iter().filter(|one| one.member == member);
        of_member.map(|one| one.reference()).collect::<Vec<_>>()
    };
    let centre = references("fondation-claire-fontaine");
    let clinic = references("clinique-de-la-colline");
    for path in [
        format!("close/{}", centre[0]),
        format!("close/{}", clinic[3]),
        format!("change/{}", centre[7]),
        format!("change/{}?title=Ergoth%C3%A9rapeute%20F/H", clinic[8]),
        format!("add/{}", centre[2]),
    ] {
        let url = format!("{}/demo/{path}", demo.server.base());
        let answer = client().post(url).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_changes_the_second_time() {
    let (hub, demo) = demo_hub().await;
    let first = hub.sync();
    let (bodies, changes) = (hub.published().await, hub.changes().await);
    let linkedin = hub.export("linkedin");
    assert!(!bodies.is_empty());

    let second = hub.sync();
    for line in second.json["connectors"].as_array().unwrap() {
        for counter in ["new", "changed", "missing", "closed", "held"] {
            assert_eq!(line[counter], 0, "{counter} of {line}");
        }
    }
    for counter in ["new", "changed", "closed"] {
        assert_eq!(second.json["vacancies"][counter], 0, "{counter}");
    }
    assert_eq!(
        first.json["vacancies"]["live"],
        second.json["vacancies"]["live"]
    );
    assert!(bodies == hub.published().await);
    assert_eq!(changes, hub.changes().await);
    assert!(linkedin == hub.export("linkedin"));
    drop(demo);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_demos_publish_the_same_bytes() {
    let mut outputs = Vec::new();
    for _ in 0..2 {
        let (hub, demo) = demo_hub().await;
        hub.sync();
        outputs.push((hub.published().await, hub.export("linkedin")));
        drop(demo);
    }
    assert!(
        outputs[0] == outputs[1],
        "the same clock gives the same bytes"
    );
}
