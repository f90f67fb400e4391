//! Opening a hub of several processes: PostgreSQL and RabbitMQ.

use super::hub::Access;
use crate::bus::rabbit::{RabbitBus, RabbitConfig};
use crate::bus::{Bus, EmbeddedBus};
use crate::model::{Clock, ConnectorName, Stage};
use crate::settings::Settings;
use crate::store::{DynStore, Guard, PostgresOptions, PostgresStore};
use anyhow::{Context as _, bail};
use jiff::SignedDuration;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Processes of one hub that are told apart.
const SLOTS: usize = 64;
/// Between two tries to reach a database that is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);
/// Before a process asks again for a place that it has lost.
const REAPPEAR: Duration = Duration::from_secs(2);

/// What one process has of the cluster.
pub struct Opened {
    pub store: DynStore,
    pub bus: Arc<dyn Bus>,
    /// The bus itself, where this process works on the pipeline.
    pub rabbit: Option<Arc<RabbitBus>>,
    /// Says to others that a process of the pipeline is running; ends with its connection.
    pub presence: Option<Presence>,
}

/// One's place among the processes of the hub, taken again when it is lost.
pub struct Presence(
    #[allow(dead_code, reason = "it ends when it is dropped")] AbortOnDropHandle<()>,
);

/// Opens store and bus for a process that works on `stages`.
///
/// # Errors
/// The database or the broker refuses for good. A broker that is away is waited for; so is a database,
/// by a daemon.
pub async fn open(
    settings: &Settings,
    store_url: &str,
    addresses: Vec<String>,
    access: Access,
    stages: &[Stage],
) -> anyhow::Result<Opened> {
    let store = match access {
        Access::Pipeline => patient_store(store_url).await?,
        _ => store(store_url, access != Access::Beside).await?,
    };
    let (current, known) = store.migrate(false).await?;
    if current < known {
        bail!(
            "the store has schema {current}, this program wants {known}: run `passerelle migrate`"
        );
    }
    let clock = machine_clock();
    let works = match access {
        Access::Beside => false,
        Access::Pipeline => true,
        Access::PipelineIfFree => !is_anyone_there(&store).await?,
    };
    if !works {
        // Waiting and waking is all that is asked of it here: the daemons' relays publish.
        let bus = Arc::new(EmbeddedBus::new(Arc::clone(&store), clock));
        return Ok(Opened {
            store,
            bus,
            rabbit: None,
            presence: None,
        });
    }
    let presence = Presence::keep(Arc::clone(&store)).await?;
    let bus = &settings.bus;
    let config = RabbitConfig {
        addresses,
        ca_file: bus.ca_file.clone(),
        client_certificate: bus.client_certificate.clone().zip(bus.client_key.clone()),
        prefetch: bus.prefetch,
        ..RabbitConfig::default()
    };
    let cancel = CancellationToken::new();
    let rabbit = RabbitBus::start(config, Arc::clone(&store), clock, stages, cancel)
        .await
        .context("bus.url")?;
    Ok(Opened {
        store,
        bus: Arc::clone(&rabbit) as Arc<dyn Bus>,
        rabbit: Some(rabbit),
        presence: Some(presence),
    })
}

/// The store of a cluster.
///
/// # Errors
/// It cannot be opened.
pub async fn store(url: &str, migrate: bool) -> anyhow::Result<DynStore> {
    let options = PostgresOptions {
        migrate,
        ..PostgresOptions::default()
    };
    Ok(Arc::new(PostgresStore::open(url, &options).await?))
}

/// The store of a daemon: a database that is away is waited for, and that is said.
async fn patient_store(url: &str) -> anyhow::Result<DynStore> {
    let options = PostgresOptions {
        migrate: true,
        ..PostgresOptions::default()
    };
    let mut pause = Duration::from_secs(1);
    loop {
        match PostgresStore::open(url, &options).await {
            Ok(store) => return Ok(Arc::new(store)),
            Err(error) if error.is_transient() => {
                let why = crate::telemetry::chain(&error);
                tracing::warn!(
                    why,
                    pause_ms = pause.as_millis(),
                    "waiting for the database"
                );
            }
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Leases and retries are about machines, not about the world: the bus of a cluster never runs on
/// a clock that a test holds still.
fn machine_clock() -> Clock {
    #[allow(
        clippy::disallowed_methods,
        reason = "bus time is no input of what is published"
    )]
    skewed(Clock::new(jiff::Timestamp::now))
}

/// A clock of the bus, which a test may have set wrong.
pub(super) fn skewed(clock: Clock) -> Clock {
    match crate::fault::skew() {
        0 => clock,
        seconds => Clock::new(move || clock.now() + SignedDuration::from_secs(seconds)),
    }
}

fn slot(number: usize) -> ConnectorName {
    ConnectorName(format!("process:{number}"))
}

impl Presence {
    async fn keep(store: DynStore) -> anyhow::Result<Self> {
        let mut place = present(&store).await?;
        let keeping = tokio::spawn(async move {
            loop {
                place.lost().cancelled().await;
                drop(place);
                place = loop {
                    match present(&store).await {
                        Ok(place) => break place,
                        Err(error) => {
                            tracing::warn!(
                                error = format!("{error:#}"),
                                "others do not see this process yet"
                            );
                            tokio::time::sleep(REAPPEAR).await;
                        }
                    }
                };
            }
        });
        Ok(Self(AbortOnDropHandle::new(keeping)))
    }
}

/// Takes the first free place among the processes of the hub.
async fn present(store: &DynStore) -> anyhow::Result<Guard> {
    for number in 0..SLOTS {
        if let Some(guard) = store.lock_connector(&slot(number)).await? {
            return Ok(guard);
        }
    }
    bail!("{SLOTS} processes of this hub are running already: stop some of them")
}

async fn is_anyone_there(store: &DynStore) -> anyhow::Result<bool> {
    for number in 0..SLOTS {
        if store.lock_connector(&slot(number)).await?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}
