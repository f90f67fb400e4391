//! Signals: the first lets work in flight end, the second quits; either way the next start goes on.

use crate::store_contract::backend::Backend;
use crate::support::feeds::{Answer, Feeds};
use crate::support::hub::{Hub, Served};
use passerelle::model::ConnectorName;
use passerelle::store::{RunStatus, Store};
use serde_json::json;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStderr, Command, Stdio};
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

/// A daemon over servers that need not be there, and what it says.
struct Waiting {
    daemon: Child,
    said: Lines<BufReader<ChildStderr>>,
    _hub: Hub,
}

impl Waiting {
    fn start(store: &str, bus: &str) -> Self {
        let hub = Hub::new();
        let mut daemon = hub
            .command(&["run"])
            .env("PASSERELLE__STORE__URL", store)
            .env("PASSERELLE__BUS__URL", bus)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(daemon.stderr.take().unwrap()).lines();
        Self {
            daemon,
            said,
            _hub: hub,
        }
    }

    /// Reads on until it has said `words`.
    fn says(&mut self, words: &str) {
        let mut lines = self.said.by_ref().map_while(Result::ok);
        let said = lines.any(|line| line.contains(words));
        assert!(said, "it ended: {:?}", self.daemon.wait());
    }

    /// Ends in good order when it is told to.
    fn stops(mut self) {
        std::thread::spawn(move || self.said.for_each(drop));
        let pid = self.daemon.id().to_string();
        let told = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(told.unwrap().success());
        assert_eq!(self.daemon.wait().unwrap().code(), Some(0));
    }
}

const NOBODY: &str = "amqp://guest:guest@127.0.0.1:9/%2f";

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_waits_for_its_broker_can_be_stopped() {
    let Some(Backend::Postgres(schema)) = Backend::postgres("stopped").await else {
        return;
    };
    let mut daemon = Waiting::start(&schema.url(), NOBODY);
    daemon.says("waiting for the broker");
    daemon.stops();
}

#[test]
fn a_daemon_that_waits_for_its_database_can_be_stopped() {
    let mut daemon = Waiting::start("postgres://nobody@127.0.0.1:9/nothing", NOBODY);
    daemon.says("waiting for the database");
    daemon.stops();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_waits_for_its_database_goes_on_once_it_comes() {
    let _shared = crate::services::BROKER.read().await;
    let (Some(database), Some(broker)) = (
        crate::services::Database::start("late"),
        crate::services::broker("late"),
    ) else {
        return;
    };
    database.kill();
    let mut daemon = Waiting::start(&database.url, &broker.url);
    daemon.says("waiting for the database");
    database.come_back();
    daemon.says("\"running\"");
    daemon.stops();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_in_one_folder_is_refused_and_harms_nothing() {
    let slow = Slow::new();
    slow.open();
    let daemon = slow.running().await;
    let second = slow.hub.run(&["run"]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains(&daemon.pid().to_string()), "{said}");
    assert!(daemon.get("/readyz").await.status().is_success());
    drop(daemon);
    slow.made_good().await;
}

#[test]
fn an_embedded_hub_has_no_processes_of_some_roles() {
    let hub = Hub::new();
    let refused = hub.run(&["run", "--roles", "pull,normalise"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("leave --roles out"), "{said}");
    assert!(!hub.path("data/passerelle.db").exists());
}

/// A process that serves nobody still says how it is, to whoever starts and stops it.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_any_role_tells_its_health() {
    let _shared = crate::services::BROKER.read().await;
    let (Some(Backend::Postgres(schema)), Some(broker)) = (
        Backend::postgres("health").await,
        crate::services::broker("health"),
    ) else {
        return;
    };
    let mut hub = Hub::new();
    hub.envs = vec![
        ("PASSERELLE__STORE__URL".into(), schema.url()),
        ("PASSERELLE__BUS__URL".into(), broker.url.clone()),
    ];
    let mut worker = hub.serve_health(&["run", "--roles", "normalise"]);
    let began = Instant::now();
    while !worker.get("/readyz").await.status().is_success() {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it stays unready"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(worker.text("/metrics").await.contains("passerelle_"));
    assert_eq!(worker.get("/api/v1/vacancies").await.status(), 404);
    worker.signal("TERM");
    assert_eq!(worker.ended().code(), Some(0));
}
