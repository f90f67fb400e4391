//! A hub as one process opens it: settings, clock, store, bus, files.

use super::cluster;
use super::files::{self, Files};
use crate::bus::rabbit::RabbitBus;
use crate::bus::{Bus, EmbeddedBus};
use crate::fetch::{FetchSettings, Fetcher};
use crate::model::{Clock, Network, Stage};
use crate::publish::{Consumers, Kit, KitOptions, Profiles, Publish, PublishSettings};
use crate::pull::source::{Secrets, SourceEnv};
use crate::settings::{self, BusUrl, Loaded, Settings, StoreUrl};
use crate::stages::CurrentFiles;
use crate::store::{DynStore, PipelineLock, SqliteOptions, SqliteStore, StoreError};
use anyhow::{Context as _, bail};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What a command wants of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads and decisions, beside whoever runs the pipeline.
    Beside,
    /// The pipeline; another process that has it is an error.
    Pipeline,
    /// The pipeline, unless another process has it.
    PipelineIfFree,
}

/// Everything that the commands and the daemon work with.
pub struct Hub {
    pub loaded: Loaded,
    pub clock: Clock,
    pub store: DynStore,
    pub bus: Arc<dyn Bus>,
    pub env: SourceEnv,
    pub(super) files: watch::Sender<Arc<Files>>,
    pub(super) network: watch::Sender<Arc<Network>>,
    /// The same files as the stages take them.
    pub(super) stage_files: CurrentFiles,
    /// The broker's side of the bus, where this process works on the pipeline of a cluster.
    pub rabbit: Option<Arc<RabbitBus>>,
    /// Held for as long as the hub where this process works on the pipeline.
    right: OnceLock<Right>,
}

/// What lets a process work on the pipeline; kept for its end alone.
enum Right {
    /// The only process of an embedded store.
    Alone(#[allow(dead_code, reason = "a lock ends when it is dropped")] PipelineLock),
    /// One of the processes of a cluster.
    Among(#[allow(dead_code, reason = "it ends when it is dropped")] cluster::Presence),
}

impl Hub {
    /// Opens what the settings name.
    ///
    /// # Errors
    /// A store or bus that cannot be opened, or a pipeline that another process runs.
    pub async fn open(loaded: Loaded, access: Access) -> anyhow::Result<Self> {
        Self::open_for(loaded, access, &Stage::ALL).await
    }

    /// As [`Hub::open`], for a process that works on `stages` alone.
    ///
    /// # Errors
    /// As [`Hub::open`].
    pub async fn open_for(
        loaded: Loaded,
        access: Access,
        stages: &[Stage],
    ) -> anyhow::Result<Self> {
        super::metrics::start();
        let clock = settings::clock()?;
        let settings = &loaded.settings;
        let mut rabbit = None;
        let (store, bus, right) = match (settings.store_url()?, settings.bus_url()?) {
            (StoreUrl::Sqlite(path), BusUrl::Embedded) => {
                let (store, bus, lock) = embedded(&path, access, &clock).await?;
                (store, bus, lock.map(Right::Alone))
            }
            (StoreUrl::Postgres(url), BusUrl::Amqp(addresses)) => {
                let opened = cluster::open(settings, &url, addresses, access, stages).await?;
                rabbit = opened.rabbit;
                (opened.store, opened.bus, opened.presence.map(Right::Among))
            }
            // The settings' own check says so with the remedy.
            _ => bail!("the store and the bus do not go together"),
        };
        let env = Self::source_env(settings)?;
        let files = Arc::new(files::load(settings, &Files::default()));
        let network = watch::Sender::new(Arc::clone(&files.network));
        Ok(Self {
            loaded,
            clock,
            store,
            bus,
            env,
            stage_files: Self::stage_files(&files),
            files: watch::Sender::new(files),
            network,
            rabbit,
            right: right.map_or_else(OnceLock::new, OnceLock::from),
        })
    }

    /// What reading sources takes.
    ///
    /// # Errors
    /// No TLS, or a wrong `PASSERELLE_CLOCK`.
    pub fn source_env(settings: &Settings) -> anyhow::Result<SourceEnv> {
        let fetcher = Fetcher::new(FetchSettings {
            allow_hosts: settings.fetch.allow_hosts.clone(),
            user_agent: settings.user_agent(),
            ..FetchSettings::default()
        })
        .context("fetching cannot start")?;
        Ok(SourceEnv {
            fetcher,
            clock: settings::clock()?,
            secrets: Secrets::from_process(),
        })
    }

    /// The store alone, as it stands: for `migrate`.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn open_store(settings: &Settings) -> anyhow::Result<DynStore> {
        match settings.store_url()? {
            StoreUrl::Sqlite(path) => sqlite(&path, false),
            StoreUrl::Postgres(url) => cluster::store(&url, false).await,
        }
    }

    pub fn settings(&self) -> &Settings {
        &self.loaded.settings
    }

    /// Connector and member files as they were read last.
    pub fn files(&self) -> Arc<Files> {
        self.files.borrow().clone()
    }

    /// The network, and what becomes of it on reload.
    pub fn network(&self) -> watch::Receiver<Arc<Network>> {
        self.network.subscribe()
    }

    /// Publishing, under the address `bound` where the settings name no public one.
    ///
    /// # Errors
    /// A catalogue that cannot be read; an export profile, logo or template of the operator that is
    /// wrong.
    pub fn publish(&self, bound: Option<SocketAddr>) -> anyhow::Result<Publish> {
        self.publishing(bound, Consumers::default())
    }

    fn publishing(
        &self,
        bound: Option<SocketAddr>,
        consumers: Consumers,
    ) -> anyhow::Result<Publish> {
        let settings = self.settings();
        let own = settings.paths.catalogue.as_deref();
        // A disk that is not mounted takes no profile away: its files would be emptied.
        if let Some(own) = own {
            std::fs::read_dir(own).with_context(|| {
                let own = own.display();
                format!("paths.catalogue: {own} cannot be read; mount or make the folder, or take the setting out")
            })?;
        }
        let profiles = match settings.export_profiles() {
            Some(own) => Profiles::embedded().with_folder(&own)?,
            None => Profiles::embedded(),
        };
        let kit = Kit::new(&KitOptions {
            background: settings.territory.background.clone(),
            accent: settings.territory.accent.clone(),
            logo: settings.territory.logo.clone(),
            hashtags: settings.territory.hashtags.clone(),
            folder: own.map(|own| own.join("kit")),
        })?;
        let defaults = PublishSettings::default();
        let territory = settings.territory.name.clone();
        let publishing = PublishSettings {
            public_url: settings.public_url(bound),
            territory: territory.unwrap_or_else(|| defaults.territory.clone()),
            departments: settings.territory.departments.clone(),
            synthetic: settings.territory.notice.clone(),
            admin_key: settings.admin_key(),
            seal: settings.seal(),
            kept: Some(settings.paths.data.join("exports")),
            export_max_drop: settings.exports.max_drop,
            export_min_drop: settings.exports.min_drop,
            own_hosts: settings.fetch.allow_hosts.clone(),
            consumers,
            // A wrong setting has ended the start.
            anonymous: settings
                .anonymous()
                .map(Arc::new)
                .unwrap_or(defaults.anonymous.clone()),
            // The other half is for whoever asks and goes.
            streams: super::server::connections() / 2,
            index: bound.map(|_| settings.paths.data.join("index")),
            kit: Arc::new(kit),
            ..defaults
        };
        Ok(Publish::with_profiles(
            Arc::new(Arc::clone(&self.store)),
            self.network(),
            self.clock.clone(),
            publishing,
            profiles,
        ))
    }

    /// As [`Hub::publish`], for the process that serves: with the consumers' keys.
    ///
    /// # Errors
    /// An export profile, logo or template that is wrong.
    pub fn serving(&self, bound: SocketAddr, consumers: Consumers) -> anyhow::Result<Publish> {
        self.publishing(Some(bound), consumers)
    }

    /// Whether this process runs the pipeline.
    pub fn has_pipeline(&self) -> bool {
        self.right.get().is_some()
    }

    /// Takes the pipeline of an embedded store when its holder has ended; whether it is here now.
    ///
    /// # Errors
    /// The lock's file cannot be read or written.
    pub fn take_over(&self) -> anyhow::Result<bool> {
        if let (false, StoreUrl::Sqlite(path)) = (self.has_pipeline(), self.settings().store_url()?)
        {
            match PipelineLock::acquire(&path) {
                Ok(lock) => drop(self.right.set(Right::Alone(lock))),
                Err(StoreError::Locked { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.has_pipeline())
    }
}

/// Longest wait for another process's migration.
const MIGRATION_PATIENCE: Duration = Duration::from_secs(5);

async fn embedded(
    path: &Path,
    access: Access,
    clock: &Clock,
) -> anyhow::Result<(DynStore, Arc<dyn Bus>, Option<PipelineLock>)> {
    let started = Instant::now();
    loop {
        let lock = match access {
            Access::Beside => None,
            _ => match PipelineLock::acquire(path) {
                Ok(lock) => Some(lock),
                Err(StoreError::Locked { .. }) if access == Access::PipelineIfFree => None,
                Err(error) => return Err(error.into()),
            },
        };
        // Beside another process the schema is that process's affair.
        let store = sqlite(path, lock.is_some() || !path.exists())?;
        let (current, known) = store.migrate(false).await?;
        if current >= known {
            let time = cluster::skewed(clock.clone());
            let bus = Arc::new(EmbeddedBus::new(Arc::clone(&store), time));
            return Ok((store, bus, lock));
        }
        // Whoever has the pipeline may have made the file this instant and be filling it.
        if lock.is_some() || started.elapsed() > MIGRATION_PATIENCE {
            bail!(
                "the store {} has schema {current}, this program wants {known}: run `passerelle migrate`",
                path.display()
            );
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn sqlite(path: &Path, migrate: bool) -> anyhow::Result<DynStore> {
    let options = SqliteOptions {
        migrate,
        max_pages: crate::fault::limit("store.pages"),
        ..SqliteOptions::default()
    };
    Ok(Arc::new(SqliteStore::open(path, &options)?))
}
