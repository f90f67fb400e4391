//! Publishing tails the `changes` table; events only say that there is something to read.

use super::{Exceptions, Failure, Hub, Worker};
use crate::model::{Event, Stage};
use async_trait::async_trait;
use tokio::sync::watch;

pub(super) struct Publish {
    hub: Hub,
    head: watch::Sender<u64>,
}

impl Publish {
    pub fn new(hub: Hub, head: watch::Sender<u64>) -> Self {
        Self { hub, head }
    }
}

#[async_trait]
impl Worker for Publish {
    fn stage(&self) -> Stage {
        Stage::Publish
    }

    async fn work(&self, _: &[Event]) -> Result<Exceptions, Failure> {
        let newest = self.hub.store.head().await?;
        self.head.send_if_modified(|head| {
            let newer = newest > *head;
            *head = newest.max(*head);
            newer
        });
        Ok(Exceptions::new())
    }
}
