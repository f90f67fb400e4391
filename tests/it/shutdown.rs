//! Signals: the first lets work in flight end, the second quits; either way the next start goes on.

use crate::store_contract::backend::Backend;
use crate::support::feeds::{Answer, Feeds};
use crate::support::hub::{Hub, Served};
use passerelle::model::ConnectorName;
use passerelle::store::{RunStatus, Store};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SLOW: &str = "/slow.json";

/// A daemon whose only source answers once its gate is open.
struct Slow {
    hub: Hub,
    feeds: Feeds,
    shut: Arc<AtomicBool>,
}

impl Slow {
    fn new() -> Self {
        let (hub, feeds) = (Hub::new(), Feeds::start());
        let text = format!(
            "name = \"slow\"\nschedule = \"0 0 1 1 *\"\n[source]\nkind = \"json\"\nurl = \"{}\"\n\
             [records]\npath = \"jobs\"\n[fields]\nreference = \"ref\"\ntitle = \"ref\"\n",
            feeds.url(SLOW)
        );
        hub.connector("slow", &text);
        let shut = Arc::new(AtomicBool::new(true));
        let gate = shut.clone();
        feeds.route(SLOW, move |_| {
            while gate.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(10));
            }
            Answer::json(&json!({ "jobs": [{ "ref": "Infirmier de nuit" }] }))
        });
        Self { hub, feeds, shut }
    }

    /// A daemon in the middle of its run.
    async fn running(&self) -> Served {
        let daemon = self.hub.serve();
        let began = Instant::now();
        while self.feeds.asked(SLOW).is_empty() {
            assert!(
                began.elapsed() < Duration::from_secs(120),
                "nothing was pulled"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        daemon
    }

    fn open(&self) {
        self.shut.store(false, Ordering::SeqCst);
    }

    async fn status(&self) -> RunStatus {
        let slow = ConnectorName::from("slow");
        self.hub.store().runs(Some(&slow), 1).await.unwrap()[0].status
    }

    /// Whatever was cut off, the next `sync` makes good.
    async fn made_good(&self) {
        self.open();
        self.hub.sync();
        assert_eq!(self.hub.published().await.len(), 1);
    }
}

/// Waits until a daemon wants no more work.
async fn until_it_refuses(daemon: &Served) {
    let began = Instant::now();
    let client = crate::support::hub::client();
    loop {
        let ready = client.get(format!("{}/readyz", daemon.base)).send().await;
        if !ready.is_ok_and(|ready| ready.status().is_success()) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it stays ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_under_way_is_finished_after_the_first_signal() {
    let slow = Slow::new();
    let mut daemon = slow.running().await;
    daemon.signal("TERM");
    until_it_refuses(&daemon).await;
    slow.open();
    assert_eq!(daemon.ended().code(), Some(0));
    assert_eq!(slow.status().await, RunStatus::Applied);
    assert_eq!(slow.feeds.asked(SLOW).len(), 1);
    slow.made_good().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_quits() {
    let slow = Slow::new();
    let mut daemon = slow.running().await;
    daemon.signal("INT");
    until_it_refuses(&daemon).await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(1));
    assert_ne!(slow.status().await, RunStatus::Applied);
    slow.made_good().await;
}

/// The source never answers: the grace ends, and with it the process.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_end_within_the_grace_is_given_up() {
    let slow = Slow::new();
    let mut daemon = slow.running().await;
    daemon.signal("TERM");
    assert_eq!(daemon.ended().code(), Some(1));
    assert_ne!(slow.status().await, RunStatus::Applied);
    slow.made_good().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_waits_for_its_broker_can_be_stopped() {
    let Some(Backend::Postgres(schema)) = Backend::postgres("stopped").await else {
        return;
    };
    let hub = Hub::new();
    let mut daemon = hub
        .command(&["run"])
        .env("PASSERELLE__STORE__URL", schema.url())
        .env("PASSERELLE__BUS__URL", "amqp://guest:guest@127.0.0.1:9/%2f")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(daemon.stderr.take().unwrap()).lines();
    let waits = said.any(|line| line.is_ok_and(|line| line.contains("waiting for the broker")));
    assert!(waits, "it ended: {:?}", daemon.wait());
    std::thread::spawn(move || said.for_each(drop));
    let pid = daemon.id().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(told.unwrap().success());
    assert_eq!(daemon.wait().unwrap().code(), Some(0));
}
