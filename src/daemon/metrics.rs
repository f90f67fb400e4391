//! `/metrics`: counters of this process, and gauges read from the store at each scrape.

use crate::model::Clock;
use crate::store::{DynStore, Run, SnapshotKind};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;

/// One recorder a process, whoever asks first.
fn handle() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // Another recorder may be there already in a host program: then this one stays local.
        drop(metrics::set_global_recorder(recorder));
        describe();
        handle
    })
}

fn describe() {
    use metrics::{describe_counter, describe_gauge};
    describe_counter!("passerelle_runs_total", "Runs by connector and snapshot");
    describe_counter!("passerelle_records_total", "Records read by connector");
    describe_counter!(
        "passerelle_events_total",
        "Events that this process ended, by stage and end"
    );
    describe_counter!(
        "passerelle_returned_messages_total",
        "Events that no queue of their stage took; they stay in the outbox and go again"
    );
    describe_gauge!("passerelle_live_postings", "Live postings by connector");
    describe_gauge!("passerelle_live_vacancies", "Live vacancies");
    describe_gauge!("passerelle_holds_open", "Holds that wait for a person");
    describe_gauge!("passerelle_parked_messages", "Parked messages");
    describe_gauge!("passerelle_outbox_events", "Events that wait for a stage");
    describe_gauge!(
        "passerelle_outbox_oldest_seconds",
        "Age of the oldest event that waits"
    );
    describe_gauge!("passerelle_change_head", "Newest change number");
}

/// Starts counting; to be called before the first run.
pub fn start() {
    handle();
}

/// Counts a run that has ended.
pub fn count_run(run: &Run) {
    let connector = run.connector.to_string();
    metrics::counter!(
        "passerelle_runs_total",
        "connector" => connector.clone(),
        "snapshot" => snapshot(run.snapshot)
    )
    .increment(1);
    metrics::counter!("passerelle_records_total", "connector" => connector)
        .increment(run.counts.pulled);
}

pub fn snapshot(kind: Option<SnapshotKind>) -> &'static str {
    match kind {
        Some(SnapshotKind::Complete) => "complete",
        Some(SnapshotKind::Partial) => "partial",
        Some(SnapshotKind::Unchanged) => "unchanged",
        Some(SnapshotKind::Empty) => "empty",
        Some(SnapshotKind::Failed) | None => "failed",
    }
}

/// The text of a scrape.
///
/// # Errors
/// The store cannot be read.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
pub async fn render(store: &DynStore, clock: &Clock) -> crate::store::Result<String> {
    let handle = handle();
    let statistics = store.statistics().await?;
    let depth = store.outbox_depth().await?;
    for (connector, live) in &statistics.live_postings {
        metrics::gauge!("passerelle_live_postings", "connector" => connector.to_string())
            .set(*live as f64);
    }
    metrics::gauge!("passerelle_live_vacancies").set(statistics.vacancies as f64);
    metrics::gauge!("passerelle_holds_open").set(statistics.holds as f64);
    metrics::gauge!("passerelle_parked_messages").set(statistics.parked as f64);
    metrics::gauge!("passerelle_outbox_events").set(depth.events as f64);
    let age = depth.oldest.map_or(0.0, |oldest| {
        clock.now().duration_since(oldest).as_secs_f64().max(0.0)
    });
    metrics::gauge!("passerelle_outbox_oldest_seconds").set(age);
    metrics::gauge!("passerelle_change_head").set(statistics.head as f64);
    handle.run_upkeep();
    Ok(handle.render())
}
