//! Ending well: the first signal lets work in flight finish, the second quits.

use crate::bus::Bus;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// How long work in flight may take after the first signal; init systems wait longer.
pub const GRACE: Duration = Duration::from_secs(25);

/// A token that the first SIGTERM or SIGINT cancels; the second ends the process at once, which
/// the store survives as it survives a crash.
///
/// # Errors
/// The handlers cannot be installed.
pub fn on_signal() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let child = token.clone();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        next(&mut terminate, &mut interrupt).await;
        tracing::info!("stopping: work in flight has 25 s, a second signal quits");
        child.cancel();
        next(&mut terminate, &mut interrupt).await;
        tracing::warn!("quitting at once");
        std::process::exit(1);
    });
    Ok(token)
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Takes no more messages, waits for the tasks of `tracker` and for what they have sent, all of it at
/// most [`GRACE`]. Gives whether all ended.
pub async fn wait(tracker: &TaskTracker, bus: &dyn Bus) -> bool {
    bus.rest();
    tracker.close();
    let leaving = async {
        tracker.wait().await;
        bus.close().await;
    };
    let ended = tokio::time::timeout(GRACE, leaving).await.is_ok();
    if !ended {
        tracing::warn!(tasks = tracker.len(), "some work did not end in time");
    }
    ended
}
