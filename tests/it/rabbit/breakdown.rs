//! Faults of the program in a worker, outside of what its stage does.

use super::rig::*;
use async_trait::async_trait;
use passerelle::bus::rabbit::{RabbitBus, RabbitConfig};
use passerelle::bus::{Bus, BusError, Delivery, Verdict};
use passerelle::model::{Event, EventKind, PostingId, Revision, Stage};
use passerelle::stages::{CurrentFiles, Hub, Pipeline, Rules};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The bus, which breaks down once: as it hands out messages, or as it is to end them.
struct Faulty {
    bus: Arc<RabbitBus>,
    receptions: AtomicU32,
    endings: AtomicU32,
}

fn holds(left: &AtomicU32) {
    let less = |n: u32| n.checked_sub(1);
    let broken = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
    assert!(broken.is_err(), "a fault of the program");
}

#[async_trait]
impl Bus for Faulty {
    async fn receive(
        &self,
        stage: Stage,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, BusError> {
        let received = self.bus.receive(stage, max, wait).await?;
        if !received.is_empty() {
            holds(&self.receptions);
        }
        Ok(received)
    }

    async fn settle(&self, stage: Stage, ended: Vec<(Delivery, Verdict)>) -> Result<(), BusError> {
        holds(&self.endings);
        self.bus.settle(stage, ended).await
    }

    fn wake(&self, stage: Stage) {
        self.bus.wake(stage);
    }

    async fn idle(&self) -> Result<bool, BusError> {
        self.bus.idle().await
    }

    fn renew(&self) {
        self.bus.renew();
    }
}

/// The broker waits half an hour for an acknowledgement before it says anything: nothing of a stage may
/// stand still for so long.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_broke_down_over_comes_again() {
    for (test, receptions, endings) in [("broke_receiving", 1, 0), ("broke_ending", 0, 1)] {
        let Some(turn) = shared(test).await else {
            return;
        };
        let config = RabbitConfig {
            ladder: vec![Duration::from_millis(1200)],
            ..turn.config()
        };
        let rig = Rig::start(config, temporary(), &[Stage::Publish]).await;
        let changed = |n: u32| {
            let vacancy = PostingId::new(&"test".into(), &n.to_string());
            let at = jiff::Timestamp::UNIX_EPOCH;
            Event::new(EventKind::VacancyChanged, vacancy, Revision::default(), at)
        };
        rig.send((0..20).map(changed).collect()).await;
        let hub = Hub {
            store: rig.store.clone(),
            bus: Arc::new(Faulty {
                bus: rig.bus.clone(),
                receptions: AtomicU32::new(receptions),
                endings: AtomicU32::new(endings),
            }),
            clock: clock(),
            files: CurrentFiles::default(),
            rules: Rules::default(),
        };
        let pipeline = Pipeline::new(hub, &[Stage::Publish]);
        let cancel = CancellationToken::new();
        let stop = cancel.clone();
        let running = tokio::spawn(async move { pipeline.run(stop).await });
        rig.until_idle().await;
        assert!(rig.store.parked().await.unwrap().is_empty());
        cancel.cancel();
        running.await.unwrap();
    }
}
