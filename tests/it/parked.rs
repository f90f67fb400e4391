//! Parked messages through the command line, over both stores.

use crate::services::{BROKER, Broker, broker};
use crate::store_contract::backend::Backend;
use crate::store_contract::fixtures::at;
use crate::support::hub::Hub;
use passerelle::model::{Event, EventKind, MessageId, PostingId, Revision, Stage};
use passerelle::store::{DynStore, Parked, SqliteOptions, SqliteStore};
use std::process::Output;
use std::sync::Arc;

/// A hub, its store, and what both stand on.
type Subject = (Hub, DynStore, Option<(Backend, Broker)>);

async fn embedded() -> Subject {
    let hub = Hub::new();
    let path = hub.path("data/passerelle.db");
    let store = SqliteStore::open(path, &SqliteOptions::default()).unwrap();
    (hub, Arc::new(store), None)
}

async fn clustered() -> Option<Subject> {
    let broker = broker("parked")?;
    let backend = Backend::postgres("parked").await?;
    let Backend::Postgres(schema) = &backend else {
        return None;
    };
    let mut hub = Hub::new();
    hub.envs = vec![
        ("PASSERELLE__STORE__URL".into(), schema.url()),
        ("PASSERELLE__BUS__URL".into(), broker.url.clone()),
    ];
    Some((hub, backend.open().await, Some((backend, broker))))
}

fn text(output: &Output) -> (bool, String) {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8_lossy(&both).into_owned();
    (output.status.success(), text)
}

async fn is_listed_shown_edited_retried_and_discarded(subject: Subject) {
    let (hub, store, _servers) = subject;
    let event = |n: u32| {
        let key = PostingId::new(&"source".into(), &n.to_string());
        Event::new(EventKind::PostingPulled, key, Revision::default(), at(0))
    };
    let park = async |id: MessageId, body: Vec<u8>| {
        let parked = Parked {
            id,
            stage: Stage::Normalise,
            body,
            error: "le calcul s'est arrêté".into(),
            attempts: 5,
            at: at(1),
        };
        store.park(parked).await.unwrap();
    };
    let (whole, broken, unwanted) = (event(1), event(2), event(3));
    park(whole.id, serde_json::to_vec(&whole).unwrap()).await;
    park(broken.id, b"\xff not an event".to_vec()).await;
    park(unwanted.id, serde_json::to_vec(&unwanted).unwrap()).await;
    // As the broker brought it to a program that did not know its version yet.
    let newer = event(6);
    park(newer.id, passerelle::bus::cloudevent::encode(&newer)).await;
    let [a, b, c] = [&whole, &broken, &unwanted].map(|event| event.id.to_string());

    let listed = hub.lines(&["parked", "list", "--json"]);
    assert_eq!(listed.len(), 4);
    let line = listed.iter().find(|line| line["id"] == b.as_str()).unwrap();
    assert_eq!(line["stage"], "normalise");
    assert_eq!(line["attempts"], 5);
    let body = line["body"].as_str().unwrap();
    assert!(line["event"].is_null() && body.contains("not an event"));
    let (ok, shown) = text(&hub.run(&["parked", "show", &a]));
    assert!(ok && shown.contains("le calcul s'est arrêté"), "{shown}");

    // A reason is asked for, and it is known afterwards who said it.
    let (ok, why) = text(&hub.run(&["parked", "discard", &c]));
    assert!(!ok && why.contains("--why"), "{why}");
    let discard = ["parked", "discard", &c, "--why", "doublon", "--by", "agnès"];
    let (ok, said) = text(&hub.run(&discard));
    assert!(ok, "{said}");
    let (ok, _) = text(&hub.run(&["parked", "discard", &c, "--why", "encore"]));
    assert!(!ok, "it is not parked any more");

    // All that can go, goes; what cannot is named, and stays.
    let (ok, said) = text(&hub.run(&["parked", "retry", "all"]));
    assert!(!ok && said.contains(&b), "{said}");
    assert!(said.contains("2 messages"), "{said}");
    assert_eq!(store.outbox_depth().await.unwrap().events, 2);
    assert_eq!(store.parked().await.unwrap().len(), 1);

    // As it should have been: of the same stage, and under its own id.
    let mut other = event(4);
    other.kind = EventKind::VacancyChanged;
    hub.write("edited.json", &serde_json::to_string(&other).unwrap());
    let retry = ["parked", "retry", &b, "--edited", "edited.json"];
    let (ok, why) = text(&hub.run(&retry));
    assert!(!ok && why.contains("stage publish"), "{why}");
    let edited = event(5);
    hub.write("edited.json", &serde_json::to_string(&edited).unwrap());
    let (ok, said) = text(&hub.run(&retry));
    assert!(ok, "{said}");
    assert!(store.parked().await.unwrap().is_empty());
    assert_eq!(store.outbox_depth().await.unwrap().events, 3);

    // Both go their way: of postings that nobody has nothing comes.
    hub.sync();
    assert_eq!(store.outbox_depth().await.unwrap().events, 0);
    assert!(store.parked().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_one_machine_is_decided_about() {
    is_listed_shown_edited_retried_and_discarded(embedded().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_cluster_is_decided_about() {
    let _shared = BROKER.read().await;
    if let Some(subject) = clustered().await {
        is_listed_shown_edited_retried_and_discarded(subject).await;
    }
}
