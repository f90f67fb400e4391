//! Three nodes of one RabbitMQ cluster under load: one dies, and once it is back another stops.

use crate::rabbit::rig::{clock, event, temporary};
use crate::services::Nodes;
use passerelle::bus::rabbit::{RabbitBus, RabbitConfig};
use passerelle::bus::{Bus, Verdict};
use passerelle::model::{Event, MessageId, Stage};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// What one worker sees go by.
#[derive(Default)]
struct Seen {
    done: BTreeSet<MessageId>,
    /// Deliveries of what was done already: allowed, and counted.
    again: u64,
    last: Option<Instant>,
    /// Longest time without a delivery since this was set back.
    pause: Duration,
}

impl Seen {
    async fn work(&mut self, bus: &RabbitBus) {
        let moment = Duration::from_millis(100);
        let batch = bus.receive(Stage::Normalise, 200, moment).await.unwrap();
        if batch.is_empty() {
            return;
        }
        if let Some(last) = self.last {
            self.pause = self.pause.max(last.elapsed());
        }
        for delivery in &batch {
            self.again += u64::from(!self.done.insert(delivery.event.id));
        }
        let ended = batch.into_iter().map(|d| (d, Verdict::Done)).collect();
        bus.settle(Stage::Normalise, ended).await.unwrap();
        self.last = Some(Instant::now());
    }

    /// Works until so many more events are done.
    async fn more(&mut self, bus: &RabbitBus, count: usize) {
        let (began, wanted) = (Instant::now(), self.done.len() + count);
        while self.done.len() < wanted {
            assert!(began.elapsed() < Duration::from_secs(120), "nothing flows");
            self.work(bus).await;
        }
    }

    /// Works while `order` is carried out, and then until events flow again; gives the longest
    /// pause.
    async fn during(&mut self, bus: &RabbitBus, order: impl FnOnce() + Send + 'static) -> Duration {
        self.pause = Duration::ZERO;
        let order = tokio::task::spawn_blocking(order);
        while !order.is_finished() {
            self.work(bus).await;
        }
        order.await.unwrap();
        self.more(bus, 500).await;
        self.pause
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_may_stop_and_once_it_is_back_another() {
    let Some(nodes) = Nodes::start("nodes") else {
        return;
    };
    let nodes = Arc::new(nodes);
    let store = temporary();
    let config = RabbitConfig {
        addresses: nodes.addresses.split(',').map(str::to_owned).collect(),
        ..RabbitConfig::default()
    };
    let cancel = CancellationToken::new();
    let bus = RabbitBus::start(config, store.clone(), clock(), &Stage::ALL, cancel.clone());
    let bus = bus.await.unwrap();

    // The load: it does not wait for anybody.
    let over = Arc::new(AtomicBool::new(false));
    let load = {
        let (store, bus, over) = (store.clone(), bus.clone(), over.clone());
        tokio::spawn(async move {
            let mut sent = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                let from = sent.len();
                let events: Vec<Event> = (from..from + 20).map(event).collect();
                sent.extend(events.iter().map(|event| event.id));
                store.enqueue(events).await.unwrap();
                bus.wake(Stage::Normalise);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            sent
        })
    };
    let mut seen = Seen::default();
    seen.more(&bus, 1000).await;
    // The first address is the one that the hub is connected to, then the second.
    for (node, stop) in [(1, "kill-rabbit"), (2, "stop-rabbit")] {
        let at = nodes.clone();
        let stopped = seen.during(&bus, move || at.order(stop, node)).await;
        let at = nodes.clone();
        let back = seen
            .during(&bus, move || at.order("start-rabbit", node))
            .await;
        eprintln!(
            "{stop} {node}: nothing flowed for {stopped:.1?}; as it came back, for {back:.1?}"
        );
    }
    over.store(true, Ordering::Relaxed);
    let sent = load.await.unwrap();
    let began = Instant::now();
    while !bus.idle().await.unwrap() {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "events are left"
        );
        seen.work(&bus).await;
    }
    assert!(seen.done == sent, "{} of {}", seen.done.len(), sent.len());
    eprintln!("{} events, {} delivered again", sent.len(), seen.again);
    cancel.cancel();
}
