//! The daemon's process: its loops, its server, its orderly end.

use super::alerts::Alerts;
use super::consumers::ConsumerFiles;
use super::profiles::ProfileFiles;
use super::{Hub, Role, Roles, duplicates, health, pulling, server, shutdown};
use crate::bus::Bus;
use crate::fetch::{FetchSettings, Fetcher};
use crate::model::ConnectorName;
use crate::publish::{self, DropFolder, Webhooks};
use crate::stages;
use crate::store::StoreError;
use anyhow::Context as _;
use axum::Router;
use futures::FutureExt as _;
use jiff::ToSpan as _;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::MissedTickBehavior;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What only time causes is looked for this often: a closing is published within the minute.
const SWEEP: Duration = Duration::from_secs(10);
const ALERTS: Duration = Duration::from_secs(2);
/// How often the files' folders are looked at.
const RELOAD: Duration = Duration::from_secs(5);
/// How often a process asks whether webhooks are its own affair.
const WEBHOOKS: Duration = Duration::from_secs(5);
const PRUNE: Duration = Duration::from_secs(3600);

/// A process that is running.
pub struct Process {
    /// Where it listens, if it serves.
    pub address: Option<SocketAddr>,
    /// Where it tells its health besides, in any role.
    pub health: Option<SocketAddr>,
    tracker: TaskTracker,
    stop: CancellationToken,
    bus: Arc<dyn Bus>,
}

impl Process {
    /// Waits until the process is told to stop, then for its work in flight. Gives whether all of
    /// it ended in time.
    pub async fn wait(self) -> bool {
        self.stop.cancelled().await;
        shutdown::wait(&self.tracker, &*self.bus).await
    }
}

/// Starts what `roles` say; `stop` ends it.
///
/// # Errors
/// The address is taken, or a part cannot start.
pub async fn start(
    hub: Arc<Hub>,
    roles: &Roles,
    stop: CancellationToken,
) -> anyhow::Result<Process> {
    let tracker = TaskTracker::new();
    let bus = Arc::clone(&hub.bus);
    let health = match &hub.settings().server.health {
        Some(listen) => {
            let (listener, address) = bind("server.health", listen).await?;
            let router = health::router(telling(&hub, &stop));
            let (tracker, stop) = (tracker.clone(), stop.clone());
            tracker.spawn(server::serve(listener, router, tracker.clone(), stop));
            Some(address)
        }
        None => None,
    };
    let address = if roles.has(Role::Serve) {
        Some(serve(&hub, &tracker, &stop).await?)
    } else {
        None
    };
    if roles.has(Role::Pull) {
        hub.follow_files().await?;
        keep(&tracker, &stop, "pull", {
            let (hub, stop) = (Arc::clone(&hub), stop.clone());
            move || pulling::pull(Arc::clone(&hub), stop.clone())
        });
        every(
            &tracker,
            &stop,
            SWEEP,
            "sweep",
            Arc::clone(&hub),
            |hub| async move {
                stages::sweep(&hub.work(), hub.clock.now()).await?;
                Ok(())
            },
        );
        every(
            &tracker,
            &stop,
            PRUNE,
            "prune",
            Arc::clone(&hub),
            |hub| async move {
                prune(&hub).await?;
                Ok(())
            },
        );
        let settings = hub.settings();
        let alerts = Alerts::new(
            settings.alerts.webhook.as_ref(),
            settings.alerts.command.as_deref(),
        )?;
        let alerts = Arc::new(alerts);
        every(
            &tracker,
            &stop,
            ALERTS,
            "alerts",
            Arc::clone(&hub),
            move |hub| {
                let alerts = Arc::clone(&alerts);
                async move {
                    let files = hub.files();
                    let names: Vec<_> = files.connectors.keys().cloned().collect();
                    alerts.look(&hub.store, &names, &hub.clock).await
                }
            },
        );
    }
    if roles.has(Role::Publish)
        && let Some(rabbit) = &hub.rabbit
    {
        let (rabbit, stopping) = (Arc::clone(rabbit), stop.clone());
        keep(&tracker, &stop, "public feed", move || {
            rabbit.public_sink().run(stopping.clone())
        });
    }
    if roles.has(Role::Publish) {
        keep(&tracker, &stop, "webhooks", {
            let (hub, stop) = (Arc::clone(&hub), stop.clone());
            move || webhooks(Arc::clone(&hub), address, stop.clone())
        });
    }
    let own = roles.stages();
    if !own.is_empty() {
        let pipeline = hub.pipeline(&own);
        let stop = stop.clone();
        // Each of its workers begins anew by itself.
        tracker.spawn(async move { pipeline.run(stop).await });
    }
    every(&tracker, &stop, RELOAD, "reload", hub, |hub| async move {
        hub.reload().await?;
        Ok(())
    });
    Ok(Process {
        address,
        health,
        tracker,
        stop,
        bus,
    })
}

async fn bind(setting: &str, listen: &str) -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("{setting}: {listen} cannot be listened on"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// What this process tells of its health.
fn telling(hub: &Hub, stop: &CancellationToken) -> health::Health {
    health::Health {
        store: Arc::clone(&hub.store),
        clock: hub.clock.clone(),
        rabbit: hub.rabbit.clone(),
        room: hub.room(),
        stop: stop.clone(),
    }
}

/// Between a breakdown and the new beginning.
const MENDED: Duration = Duration::from_secs(2);

/// Does `work`, which ends with `stop`. A panic in it, or where it is set up, is a fault of the program
/// that must not leave a part of the hub standing still in silence: it begins anew.
fn keep<F, W>(tracker: &TaskTracker, stop: &CancellationToken, name: &'static str, work: F)
where
    F: Fn() -> W + Send + Sync + 'static,
    W: Future<Output = ()> + Send,
{
    let stop = stop.clone();
    tracker.spawn(async move {
        let begun = || AssertUnwindSafe(async { work().await }).catch_unwind();
        while begun().await.is_err() {
            tracing::error!(work = name, "it broke down; it begins anew");
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(MENDED) => {}
            }
        }
    });
}

/// Does `work` at once and then every `period`, until `stop`. What fails is logged when it begins
/// to fail and tried again.
fn every<F, W>(
    tracker: &TaskTracker,
    stop: &CancellationToken,
    period: Duration,
    name: &'static str,
    hub: Arc<Hub>,
    work: F,
) where
    F: Fn(Arc<Hub>) -> W + Send + Sync + 'static,
    W: Future<Output = anyhow::Result<()>> + Send,
{
    let stop = stop.clone();
    tracker.spawn(async move {
        let mut tick = tokio::time::interval(period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failing = 0_u32;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            let doing = AssertUnwindSafe(async { work(Arc::clone(&hub)).await });
            let done = doing.catch_unwind().await;
            match done.unwrap_or_else(|_| Err(anyhow::anyhow!("it broke down"))) {
                Ok(()) => failing = 0,
                Err(error) => {
                    if failing == 0 {
                        tracing::warn!(
                            work = name,
                            error = format!("{error:#}"),
                            "will be tried again"
                        );
                    }
                    failing = failing.saturating_add(1);
                    // Twice, four times … as patient, up to a minute.
                    let pause = period * 2_u32.saturating_pow(failing.min(6));
                    let pause = pause.min(Duration::from_secs(60));
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(pause) => {}
                    }
                }
            }
        }
    });
}

/// Binds the address and serves until the process stops.
async fn serve(
    hub: &Arc<Hub>,
    tracker: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<SocketAddr> {
    let (listener, address) = bind("server.listen", &hub.settings().server.listen).await?;
    let consumers = ConsumerFiles::load(&hub.settings().consumers())?;
    let publish = hub.serving(address, consumers.consumers())?;
    if let Some(folder) = hub.settings().export_profiles() {
        let (files, publish) = (Arc::new(ProfileFiles::new(folder)), publish.clone());
        every(
            tracker,
            stop,
            RELOAD,
            "profiles",
            Arc::clone(hub),
            move |_| {
                let (files, publish) = (Arc::clone(&files), publish.clone());
                async move {
                    if let Some(profiles) = files.follow() {
                        publish.use_profiles(profiles);
                    }
                    Ok(())
                }
            },
        );
    }
    let consumers = Arc::new(consumers);
    every(
        tracker,
        stop,
        RELOAD,
        "consumers",
        Arc::clone(hub),
        move |_| {
            let consumers = Arc::clone(&consumers);
            async move {
                consumers.follow();
                Ok(())
            }
        },
    );
    let health = telling(hub, stop);
    let router: Router = publish::router_with(publish.clone(), duplicates::routes(Arc::clone(hub)))
        .merge(health::router(health))
        .merge(super::ingest::router(Arc::clone(hub)));
    {
        let (publish, stopping) = (publish.clone(), stop.clone());
        keep(tracker, stop, "index", move || {
            let (publish, stop) = (publish.clone(), stopping.clone());
            async move { publish.follow(stop).await }
        });
    }
    if let Some(folder) = &hub.settings().paths.exports {
        let (folder, stopping) = (folder.clone(), stop.clone());
        keep(tracker, stop, "drop folder", move || {
            DropFolder::new(publish.clone(), &folder).follow(stopping.clone())
        });
    }
    tracker.spawn(server::serve(
        listener,
        router,
        tracker.clone(),
        stop.clone(),
    ));
    Ok(address)
}

/// Delivers webhooks, in one process of the hub at a time.
async fn webhooks(hub: Arc<Hub>, address: Option<SocketAddr>, stop: CancellationToken) {
    let fetcher = Fetcher::new(FetchSettings {
        allow_hosts: hub.settings().fetch.allow_hosts.clone(),
        user_agent: hub.settings().user_agent(),
        // The schedule of webhooks is their own.
        retries: 0,
        ..FetchSettings::default()
    });
    let fetcher = match fetcher {
        Ok(fetcher) => fetcher,
        Err(error) => {
            tracing::error!(%error, "webhooks cannot be delivered");
            return;
        }
    };
    // No connector may have this name: names have no slash.
    let name = ConnectorName::from("/webhooks");
    while !stop.is_cancelled() {
        match hub.store.lock_connector(&name).await {
            Ok(Some(right)) => {
                let publish = match hub.publish(address) {
                    Ok(publish) => publish,
                    Err(error) => {
                        tracing::error!(
                            error = format!("{error:#}"),
                            "webhooks cannot be delivered"
                        );
                        return;
                    }
                };
                let turn = stop.child_token();
                let delivering = Webhooks::new(publish, fetcher.clone()).follow(turn.clone());
                tokio::pin!(delivering);
                let lost = right.lost();
                tokio::select! {
                    () = &mut delivering => {}
                    // Another process may deliver now: each courier stops after its message.
                    () = lost.cancelled() => {
                        tracing::warn!("the right to deliver webhooks was lost; it is taken again");
                        turn.cancel();
                        delivering.await;
                    }
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "webhooks wait for the store"),
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(WEBHOOKS) => {}
        }
    }
}

/// Drops what retention no longer asks for.
async fn prune(hub: &Hub) -> Result<u64, StoreError> {
    let retention = &hub.settings().retention;
    let now = hub.clock.now();
    let days_ago = |days: u32| now - (i64::from(days) * 24).hours();
    hub.store
        .prune(
            days_ago(retention.runs_days),
            days_ago(retention.closed_days),
        )
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn what_breaks_down_begins_anew() {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let begun = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&begun);
        keep(&tracker, &stop, "test", move || {
            let begun = counted.fetch_add(1, Ordering::SeqCst) + 1;
            async move { assert!(begun > 2, "a fault of the program") }
        });
        tracker.close();
        tracker.wait().await;
        assert_eq!(begun.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn what_breaks_down_as_it_is_set_up_begins_anew() {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let begun = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&begun);
        keep(&tracker, &stop, "test", move || {
            let begun = counted.fetch_add(1, Ordering::SeqCst) + 1;
            assert!(begun > 1, "a fault of the program");
            async {}
        });
        tracker.close();
        tracker.wait().await;
        assert_eq!(begun.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn what_breaks_down_keeps_no_stop_waiting() {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        keep(&tracker, &stop, "test", || async { panic!("always") });
        stop.cancel();
        tracker.close();
        tracker.wait().await;
    }
}
