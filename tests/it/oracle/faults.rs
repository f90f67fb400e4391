//! What happens to a hub while it works, drawn from a seed and counted by kind.

use super::world::{Random, SOURCES, Source, World};
use super::{Servers, Subject};
use crate::services::Broker;
use crate::support::feeds::{Answer, Feeds, Sent};
use futures::StreamExt;
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use passerelle::bus::LADDER;
use passerelle::model::{Event, EventKind, PostingId, Revision};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Points at which the program can be told to die; the last two over a broker alone.
const JOINTS: [&str; 8] = [
    "pull.planned",
    "pull.batch",
    "pull.finished",
    "normalise.committed",
    "dedupe.committed",
    "publish.committed",
    "settle.stored",
    "settle.published",
];

/// Faults injected so far, by whether the hub was a cluster and by kind.
pub static INJECTED: Mutex<BTreeMap<(bool, &str), u64>> = Mutex::new(BTreeMap::new());

pub fn count(clustered: bool, kind: &'static str) {
    let mut injected = INJECTED.lock().unwrap();
    *injected.entry((clustered, kind)).or_default() += 1;
}

/// What one `sync` suffers.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    Kill(u64),
    Joint(&'static str, u64),
    BadFeed(&'static Source, u64),
    Replay,
    TwoAtATime,
    /// By a machine whose clock is so many hours wrong, ended with kill -9 after so many milliseconds:
    /// what it has leased and sent is dated by that clock.
    WrongClock(i64, u64),
    /// So many pages of the store are left.
    FullDisk(u64),
    /// Events that were worked on long ago come again, each twice and in any order.
    Late(u64),
    CutDatabase(u64),
    RestartDatabase(u64),
    CutBroker(u64),
    KillBroker(u64),
    HalfOpen(u64),
    MemoryAlarm(u64),
}

/// Restarts that a schedule has left.
pub struct Restarts {
    pub broker: u32,
    pub database: u32,
}

impl Fault {
    pub fn draw(random: &mut Random, clustered: bool, left: &mut Restarts) -> Self {
        let soon = 50 + random.below(500);
        let early = 20 + random.below(600);
        match random.below(if clustered { 17 } else { 9 }) {
            0 | 1 => Self::Kill(early),
            2 => {
                let joints = if clustered { 8 } else { 6 };
                Self::Joint(JOINTS[random.below(joints) as usize], 1 + random.below(3))
            }
            3 => Self::BadFeed(random.pick(&SOURCES), random.below(6)),
            4 => Self::Replay,
            5 => Self::TwoAtATime,
            6 => Self::Late(random.next()),
            7 => Self::WrongClock(*random.pick(&[-30, -3, 3, 10, 300]), early),
            8 if !clustered => Self::FullDisk(random.below(40)),
            8 | 16 => Self::CutDatabase(soon),
            9 if left.database > 0 => {
                left.database -= 1;
                Self::RestartDatabase(soon)
            }
            10 if left.broker > 0 => {
                left.broker -= 1;
                Self::KillBroker(soon)
            }
            11 | 12 => Self::HalfOpen(soon),
            13 => Self::MemoryAlarm(soon),
            14 => Self::Late(random.next()),
            _ => Self::CutBroker(soon),
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Kill(_) => "kill -9",
            Self::Joint(..) => "death at a joint",
            Self::BadFeed(..) => "bad feed",
            Self::Replay => "replay",
            Self::TwoAtATime => "two at a time",
            Self::WrongClock(..) => "wrong clock of a machine",
            Self::FullDisk(_) => "full disk",
            Self::Late(_) => "duplicate and reordered deliveries",
            Self::CutDatabase(_) => "cut database sessions",
            Self::RestartDatabase(_) => "restart of the database",
            Self::CutBroker(_) => "cut broker connections",
            Self::KillBroker(_) => "kill -9 of the broker",
            Self::HalfOpen(_) => "half-open broker connections",
            Self::MemoryAlarm(_) => "memory alarm",
        }
    }
}

/// One `sync` that something happens to; how it ends is of no interest.
pub async fn suffer(
    fault: Fault,
    subject: &Subject,
    feeds: &Feeds,
    world: &World,
    known: &[PostingId],
) {
    count(subject.cluster.is_some(), fault.kind());
    let order: &[&str] = match fault {
        Fault::Replay => &["replay"],
        // It waits for room as long as it may.
        Fault::FullDisk(_) => &["sync", "--json", "--timeout", "1s"],
        _ => &["sync", "--json", "--timeout", "20s"],
    };
    let command = || {
        let mut command = subject.hub.command(order);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let mut first = command();
    match fault {
        Fault::Joint(joint, passes) => {
            first.env("PASSERELLE_FAULT", format!("{joint}:{passes}"));
        }
        Fault::BadFeed(source, kind) => {
            feeds.set(source.path, bad_answer(kind, &world.records(source.name)));
        }
        Fault::WrongClock(hours, _) => {
            first.env("PASSERELLE_SKEW", (hours * 3600).to_string());
        }
        Fault::FullDisk(left) => {
            let file = std::fs::metadata(subject.hub.path("data/passerelle.db"));
            let pages = file.map_or(0, |file| file.len() / 4096) + left;
            first.env("PASSERELLE_LIMIT", format!("store.pages:{pages}"));
        }
        _ => {}
    }
    let mut children = vec![first.spawn().unwrap()];
    let after = |ms| tokio::time::sleep(Duration::from_millis(ms));
    match (fault, &subject.cluster) {
        (Fault::Kill(ms) | Fault::WrongClock(_, ms), _) => {
            after(ms).await;
            let _ = children[0].kill();
        }
        (Fault::TwoAtATime, _) => children.push(command().spawn().unwrap()),
        (Fault::Late(seed), _) => deliver_late(subject, known, &mut Random(seed)).await,
        (Fault::CutDatabase(ms), Some(servers)) => {
            after(ms).await;
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                       WHERE application_name = current_schema() AND pid <> pg_backend_pid()";
            servers.schema().order(cut).await;
        }
        (Fault::RestartDatabase(ms), Some(servers)) => {
            after(ms).await;
            servers.database.restart();
        }
        (Fault::CutBroker(ms), Some(servers)) => {
            after(ms).await;
            servers.broker.cut();
        }
        (Fault::KillBroker(ms), Some(servers)) => {
            after(ms).await;
            servers.broker.kill();
            servers.broker.start();
        }
        (Fault::HalfOpen(ms), Some(servers)) => {
            after(ms).await;
            servers.proxy.fall_silent();
        }
        (Fault::MemoryAlarm(ms), Some(servers)) => {
            after(ms).await;
            let watermark = "set_vm_memory_high_watermark";
            servers.broker.control(&[watermark, "0.00001"]);
            after(1000).await;
            servers.broker.control(&[watermark, "absolute", "2GB"]);
        }
        _ => {}
    }
    for child in &mut children {
        wait(child).await;
    }
    if let Fault::BadFeed(source, _) = fault {
        feeds.set(source.path, world.answer(source.name));
    }
}

async fn wait(child: &mut Child) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "a command did not end");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An answer that proves nothing.
pub fn bad_answer(kind: u64, records: &[Value]) -> Answer {
    let whole = json!({ "jobs": records }).to_string();
    match kind {
        // No 5xx: those are tried again for a while, which other tests see to.
        0 => Answer::new(403, "text/html", "<h1>Accès refusé</h1>"),
        1 => Answer::new(200, "text/html", "<html><body>Connexion</body></html>"),
        2 => Answer::json(&json!({ "jobs": [] })),
        3 => Answer::new(
            200,
            "application/json",
            &whole.as_bytes()[..whole.len() / 2],
        ),
        4 => Answer::new(200, "application/json", whole.clone()).sent(Sent::Cut(whole.len() / 3)),
        _ => Answer::json(&json!({ "jobs": &records[..1] })),
    }
}

/// Old news: the first observation of every posting that was ever seen, each twice and in any order,
/// as new events; and, over a broker, copies of all messages that ever were, under their own ids.
async fn deliver_late(subject: &Subject, known: &[PostingId], random: &mut Random) {
    if known.is_empty() {
        return;
    }
    let first = Revision {
        observation: 1,
        rules: 0,
    };
    let time = subject.hub.clock.parse().unwrap();
    let kinds = [EventKind::PostingPulled, EventKind::PostingNormalised];
    let twice = known.iter().flat_map(|id| [*id, *id]);
    let mut late: Vec<Event> = twice
        .flat_map(|id| kinds.map(|kind| Event::new(kind, id, first, time)))
        .collect();
    shuffle(&mut late, random);
    // The store may be busy or away at this very moment: then nothing comes late.
    if let Some(store) = subject.try_store().await {
        let _ = store.enqueue(late).await;
    }
    if let Some(servers) = &subject.cluster {
        let _ = servers
            .tap
            .lock()
            .await
            .again(&servers.broker, random)
            .await;
    }
}

fn shuffle<T>(items: &mut [T], random: &mut Random) {
    for at in (1..items.len()).rev() {
        items.swap(at, random.below(at as u64 + 1) as usize);
    }
}

/// A queue that gets a copy of every message between the stages.
#[derive(Default)]
pub struct Tap {
    seen: Vec<(String, BasicProperties, Vec<u8>)>,
}

const TAP: &str = "oracle.tap";
const EVENTS: &str = "passerelle.events";

impl Tap {
    /// Before the first message is published.
    pub async fn open(broker: &Broker) {
        let (_connection, channel) = connect(broker).await.unwrap();
        passerelle::bus::rabbit::declare(&channel, &LADDER)
            .await
            .unwrap();
        let options = QueueDeclareOptions {
            durable: true,
            ..Default::default()
        };
        let none = FieldTable::default;
        channel
            .queue_declare(TAP.into(), options, none())
            .await
            .unwrap();
        let options = QueueBindOptions::default();
        channel
            .queue_bind(TAP.into(), EVENTS.into(), "#".into(), options, none())
            .await
            .unwrap();
    }

    /// Everything that ever went by goes by again, twice and in any order.
    async fn again(&mut self, broker: &Broker, random: &mut Random) -> lapin::Result<()> {
        let (_connection, channel) = connect(broker).await?;
        let options = BasicConsumeOptions {
            no_ack: true,
            ..Default::default()
        };
        let mut consumer = channel
            .basic_consume(TAP.into(), "".into(), options, FieldTable::default())
            .await?;
        let moment = Duration::from_millis(200);
        while let Ok(Some(delivery)) = tokio::time::timeout(moment, consumer.next()).await {
            let delivery = delivery?;
            let key = delivery.routing_key.to_string();
            self.seen.push((key, delivery.properties, delivery.data));
        }
        // Those copies are not to be tapped in their turn.
        channel
            .queue_unbind(TAP.into(), EVENTS.into(), "#".into(), FieldTable::default())
            .await?;
        let mut copies: Vec<_> = self.seen.iter().chain(&self.seen).collect();
        shuffle(&mut copies, random);
        for (key, properties, data) in copies {
            let options = BasicPublishOptions::default();
            channel
                .basic_publish(
                    EVENTS.into(),
                    key.as_str().into(),
                    options,
                    data,
                    properties.clone(),
                )
                .await?;
        }
        let options = QueueBindOptions::default();
        channel
            .queue_bind(
                TAP.into(),
                EVENTS.into(),
                "#".into(),
                options,
                FieldTable::default(),
            )
            .await?;
        Ok(())
    }
}

async fn connect(broker: &Broker) -> lapin::Result<(Connection, Channel)> {
    let connection = Connection::connect(&broker.url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

impl Servers {
    pub fn schema(&self) -> &crate::store_contract::backend::Schema {
        match &self.backend {
            crate::store_contract::backend::Backend::Postgres(schema) => schema,
            crate::store_contract::backend::Backend::Sqlite(_) => unreachable!("a cluster"),
        }
    }
}
