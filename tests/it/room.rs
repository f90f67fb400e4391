//! A broker that goes away while a source is pulled: what the run finds is written as far as the outbox
//! has room, and no further.

use crate::services::{BROKER, broker};
use crate::store_contract::backend::Backend;
use crate::support::feeds::{Answer, Feeds};
use crate::support::hub::{Hub, Served};
use crate::support::offers;
use passerelle::model::ConnectorName;
use passerelle::store::{DynStore, RunStatus};
use std::time::{Duration, Instant};

/// Waits until it holds; only what is broken takes longer.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(120), "{what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn ats() -> ConnectorName {
    "ats".into()
}

async fn known(store: &DynStore) -> usize {
    store.posting_states(&ats()).await.unwrap().len()
}

async fn newest(store: &DynStore) -> Option<RunStatus> {
    let runs = store.runs(Some(&ats()), 1).await.unwrap();
    runs.first().map(|run| run.status)
}

async fn says(daemon: &Served) -> String {
    daemon.get("/readyz").await.text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_under_way_stops_where_the_outbox_is_full_and_goes_on_where_it_is_not() {
    let _shared = BROKER.read().await;
    let (Some(backend), Some(broker)) = (Backend::postgres("room").await, broker("room")) else {
        return;
    };
    let Backend::Postgres(schema) = &backend else {
        return;
    };
    let store = backend.open().await;
    let (proxy, bus) = broker.through_a_proxy();
    let (mut hub, feeds) = (Hub::new(), Feeds::start());
    hub.envs = vec![
        ("PASSERELLE__STORE__URL".into(), schema.url()),
        ("PASSERELLE__BUS__URL".into(), bus),
    ];
    hub.member("essai", offers::MEMBER);
    hub.connector("ats", &offers::json_connector("ats", &feeds.url("/jobs")));
    feeds.set("/jobs", Answer::json(&offers::json(&offers::some(1200))));
    let mut daemon = hub.serve();
    let ready = async || says(&daemon).await.contains("\"ready\"");
    until("it is not ready", ready).await;
    proxy.go_down();
    let away = async || says(&daemon).await.contains("no connection");
    until("the broker is still there", away).await;

    // Room for one batch of three.
    let fill = "INSERT INTO outbox (id, stage, kind, key, observation, rules, payload, time) \
         SELECT gen_random_uuid(), 'publish', 'fr.passerelle.vacancy.changed.v1', \
         gen_random_uuid()::text, 1, 1, '', 0 FROM generate_series(1, 99600)";
    schema.order(fill).await;
    let now = hub.clock.parse().unwrap();
    store.request_runs(&[ats()], now).await.unwrap();
    until("nothing is taken", async || known(&store).await > 0).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(known(&store).await, 500);
    assert_eq!(store.outbox_depth().await.unwrap().events, 100_100);
    assert_eq!(newest(&store).await, Some(RunStatus::Applying));
    let said = says(&daemon).await;
    assert!(said.contains("pulls wait"), "{said}");

    // A little room, a little more.
    let less = "DELETE FROM outbox WHERE seq IN \
         (SELECT seq FROM outbox WHERE stage = 'publish' LIMIT 200)";
    schema.order(less).await;
    until("it does not go on", async || known(&store).await > 500).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(known(&store).await, 1000);
    assert_eq!(newest(&store).await, Some(RunStatus::Applying));

    // Waiting keeps no process from ending, and the next one goes on unasked.
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(0));
    assert_eq!(known(&store).await, 1000);
    assert_eq!(newest(&store).await, Some(RunStatus::Applying));
    let rest = "DELETE FROM outbox WHERE stage = 'publish'";
    schema.order(rest).await;
    proxy.come_up();
    let _daemon = hub.serve();
    let whole =
        async || known(&store).await == 1200 && newest(&store).await == Some(RunStatus::Applied);
    until("the rest is not taken", whole).await;
    let states = store.posting_states(&ats()).await.unwrap();
    assert!(states.iter().all(|state| state.is_live()));
}
