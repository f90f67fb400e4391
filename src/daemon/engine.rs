//! What a hub does with its pipeline: runs of connectors, stages, reload, a whole `sync`.

use super::Hub;
use super::files::{self, Files};
use super::room::Room;
use super::watched::Watched;
use crate::admin::mandates;
use crate::model::{ConnectorName, Network, Stage};
use crate::pull::connector::Connector;
use crate::pull::run::{Live, Map, Outcome};
use crate::stages::{self, CurrentFiles, Drained, Pipeline, Rules};
use crate::store::{Run, SnapshotKind};
use anyhow::Context as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Connectors that one process pulls at the same time.
pub const AT_ONCE: usize = 4;

/// Who watches runs: progress lines, metrics.
pub trait Observer: Send + Sync {
    fn started(&self, _connector: &ConnectorName) {}
    fn records(&self, _connector: &ConnectorName, _records: u64) {}
    fn ended(&self, _run: &Run) {}
}

/// Nobody watches.
pub struct Unwatched;

impl Observer for Unwatched {}

/// The files as the stages take them.
pub(super) fn of_stages(files: &Files) -> stages::Files {
    stages::Files {
        network: Arc::clone(&files.network),
        maps: files
            .connectors
            .iter()
            .map(|(name, connector)| {
                let map: Arc<dyn Map> = connector.clone();
                (name.clone(), map)
            })
            .collect(),
    }
}

impl Hub {
    /// The same hub as the stages see it.
    pub fn work(&self) -> stages::Hub {
        stages::Hub {
            store: Arc::clone(&self.store),
            bus: Arc::clone(&self.bus),
            clock: self.clock.clone(),
            files: self.stage_files.clone(),
            rules: Rules::default(),
        }
    }

    /// The workers of `stages`.
    pub fn pipeline(&self, stages: &[Stage]) -> Pipeline {
        Pipeline::new(self.work(), stages)
    }

    /// Asks for whatever changed files make of stored postings. Gives how many are made again.
    ///
    /// # Errors
    /// The store's.
    pub async fn follow_files(&self) -> anyhow::Result<u64> {
        let files = self.files();
        let torn = files::errors(&files).next().is_some();
        let now = self.clock.now();
        for change in mandates::record(&*self.store, &files.network, torn, now).await? {
            tracing::info!(
                member = %change.member,
                channel = change.channel.0,
                from = ?change.from,
                to = ?change.to,
                "mandate changed"
            );
        }
        Ok(stages::follow_files(&self.work(), &files.network_digest, &files.digests).await?)
    }

    /// Asks about the live offers of a connector whose file is gone, or closes them once a person
    /// has released that.
    ///
    /// # Errors
    /// The store's.
    pub async fn retire(&self, name: &ConnectorName) -> anyhow::Result<bool> {
        let source = Arc::new(crate::pull::removed::Removed::new(name.clone()));
        let run = crate::pull::run::run(&*self.store, source, &self.clock, "removed").await;
        self.bus.wake(Stage::Normalise);
        Ok(matches!(run?, Outcome::Ran(_)))
    }

    /// A connector as it is run here.
    fn source(
        &self,
        connector: &Arc<Connector>,
        observer: &Arc<dyn Observer>,
        forget_validators: bool,
        room: Room,
    ) -> Arc<Watched> {
        let watcher = Arc::clone(observer);
        Arc::new(Watched {
            inner: Arc::new(Live {
                connector: Arc::clone(connector),
                env: self.env.clone(),
            }),
            on_records: Arc::new(move |name, count| watcher.records(name, count)),
            forget_validators,
            room,
        })
    }

    /// Carries through a run of `connector` that was cut while it was being applied. `false` while
    /// another worker has it.
    ///
    /// # Errors
    /// The store's, or no room in the outbox.
    pub async fn resume(&self, connector: &Arc<Connector>) -> anyhow::Result<bool> {
        let unwatched: Arc<dyn Observer> = Arc::new(Unwatched);
        let source = self.source(connector, &unwatched, false, self.room());
        let resumed = crate::pull::run::resume(&*self.store, source, &self.clock).await;
        self.bus.wake(Stage::Normalise);
        Ok(resumed?)
    }

    /// Runs `connector` once and counts the run. `None` while another worker runs it.
    ///
    /// # Errors
    /// The store's, or no room in the outbox; what goes wrong at the source is in the run.
    pub(super) async fn pull(
        &self,
        connector: &Arc<Connector>,
        trigger: &str,
        observer: &Arc<dyn Observer>,
        room: Room,
    ) -> anyhow::Result<Option<Run>> {
        let name = &connector.name;
        observer.started(name);
        let digest = self.files().digests.get(name).cloned();
        let key = format!("read.connector.{name}");
        let read_before = self.store.meta(&key).await?;
        let source = self.source(connector, observer, read_before != digest, room);
        let outcome = crate::pull::run::run(&*self.store, source, &self.clock, trigger).await;
        // Also after an error: part of the run may have been applied.
        self.bus.wake(Stage::Normalise);
        let report = match outcome? {
            Outcome::Busy => return Ok(None),
            Outcome::Ran(report) => report,
        };
        if let Some(digest) = digest
            && read_before.as_ref() != Some(&digest)
            && report.snapshot != SnapshotKind::Failed
        {
            self.store.set_meta(&key, &digest).await?;
        }
        let runs = self.store.runs(Some(name), 1).await?;
        let run = runs
            .into_iter()
            .next()
            .with_context(|| format!("the run of {name} left no row in the run log"))?;
        super::metrics::count_run(&run);
        observer.ended(&run);
        Ok(Some(run))
    }

    /// The room that is left for what pulls cause.
    pub(super) fn room(&self) -> Room {
        Room::new(Arc::clone(&self.store), self.rabbit.clone())
    }

    /// Runs `wanted`, a few at a time, and drains the stages. For the process that has the pipeline
    /// and no daemon's loops.
    ///
    /// # Errors
    /// The store's. A connector whose run could not be carried through does not stop the others;
    /// the first such error is given at the end.
    pub async fn sync_here(
        self: &Arc<Self>,
        wanted: &[ConnectorName],
        observer: &Arc<dyn Observer>,
        limit: Duration,
    ) -> anyhow::Result<Drained> {
        self.follow_files().await?;
        let files = self.files();
        let permits = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
        let room = self.room().within(limit);
        let mut runs = JoinSet::new();
        for name in wanted {
            let Some(connector) = files.connectors.get(name) else {
                continue;
            };
            let (hub, connector) = (Arc::clone(self), Arc::clone(connector));
            let (observer, permits) = (Arc::clone(observer), Arc::clone(&permits));
            let room = room.clone();
            runs.spawn(async move {
                let _permit = permits.acquire_owned().await?;
                hub.pull(&connector, "sync", &observer, room).await
            });
        }
        let mut failed = None;
        while let Some(ended) = runs.join_next().await {
            if let Err(error) = ended.map_err(anyhow::Error::from).and_then(|run| run) {
                failed.get_or_insert(error);
            }
        }
        stages::sweep(&self.work(), self.clock.now()).await?;
        let drained = self.pipeline(&Stage::ALL).drain(limit).await;
        match failed {
            Some(error) => Err(error),
            None => Ok(drained),
        }
    }

    /// Reads connector and member files again; what changed reaches stored postings. Gives whether
    /// anything did.
    ///
    /// # Errors
    /// The store's.
    pub async fn reload(&self) -> anyhow::Result<bool> {
        let old = self.files();
        let fresh = files::load(self.settings(), &old);
        if fresh.network_digest == old.network_digest
            && fresh.digests == old.digests
            && fresh.problems == old.problems
        {
            return Ok(false);
        }
        for problem in &fresh.problems {
            tracing::warn!("{}", problem.english());
        }
        self.put_files(fresh);
        let again = self.follow_files().await?;
        tracing::info!(postings = again, "connector or member files have changed");
        Ok(true)
    }

    pub(super) fn put_files(&self, files: Files) {
        self.stage_files.set(of_stages(&files));
        let network: Arc<Network> = Arc::clone(&files.network);
        self.files.send_replace(Arc::new(files));
        self.network.send_replace(network);
    }

    pub(super) fn stage_files(files: &Files) -> CurrentFiles {
        CurrentFiles::new(of_stages(files))
    }
}
