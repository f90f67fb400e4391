//! Runs that ask for changes only, and files of the day.

use super::services::serve;
use super::{Basket, connector, env};
use crate::model::Clock;
use crate::pull::source::read;
use crate::store::{ConnectorState, SnapshotKind};
use axum::Router;
use axum::extract::RawQuery;
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::sync::{Arc, Mutex};

#[tokio::test]
async fn a_run_between_full_passes_asks_for_changes_and_misses_nothing() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = asked.clone();
    let router = Router::new().route(
        "/jobs",
        get(move |RawQuery(query): RawQuery| async move {
            let query = query.unwrap_or_default();
            let jobs = match query.contains("updated") {
                true => json!([]),
                false => json!([{ "id": 1, "title": "a" }]),
            };
            log.lock().expect("no panic").push(query);
            axum::Json(json!({ "jobs": jobs }))
        }),
    );
    let base = serve(router).await;
    let connector = connector(&format!(
        "name = \"x\"\n[records]\npath = \"jobs\"\n[fields]\nreference = \"id\"\ntitle = \"title\"\n\
         [source]\nkind = \"json\"\nurl = \"{base}/jobs\"\n\
         [source.since]\nparam = \"q\"\nformat = \"updated>%Y-%m-%dT%H:%M\"\noverlap = \"30m\"\nfull_every = \"20h\"\n"
    ));
    let start: Timestamp = "2026-11-02T08:00:00Z".parse().expect("an instant");
    let mut before = ConnectorState::default();
    let mut kinds = Vec::new();
    for hours in [0, 1, 12, 20, 21] {
        let mut env = env();
        let now = start + SignedDuration::from_hours(hours);
        env.clock = Clock::fixed(now);
        let mut basket = Basket::default();
        let end = read(&connector, &before, &env, &mut basket).await;
        assert_eq!(end.error, None);
        assert_eq!(end.state.watermark, Some(now.to_string()));
        before.watermark.clone_from(&end.state.watermark);
        if end.snapshot == SnapshotKind::Complete {
            before.last_complete = Some(now);
        }
        kinds.push(end.snapshot);
    }
    use SnapshotKind::{Complete, Partial};
    assert_eq!(kinds, [Complete, Partial, Partial, Complete, Partial]);
    let asked: Vec<String> = asked
        .lock()
        .expect("no panic")
        .iter()
        .map(|query| query.replace("%3E", ">").replace("%3A", ":"))
        .collect();
    assert_eq!(
        asked,
        [
            "",
            "q=updated>2026-11-02T07:30",
            "q=updated>2026-11-02T08:30",
            "",
            "q=updated>2026-11-03T03:30",
        ]
    );

    // A hold waits for a full pass.
    before.absences_held = true;
    let mut basket = Basket::default();
    let mut env = env();
    env.clock = Clock::fixed(start + SignedDuration::from_hours(22));
    let end = read(&connector, &before, &env, &mut basket).await;
    assert_eq!(end.snapshot, Complete);
}

#[tokio::test]
async fn the_file_of_the_day_is_read_and_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let row = |day: &str| format!("id;titre\n{day};Infirmier\n");
    for day in ["2026-09-20", "2026-09-21", "2026-09-22"] {
        let path = folder.path().join(format!("offres-{day}.csv"));
        std::fs::write(path, row(day)).expect("written");
    }
    let text = format!(
        "name = \"x\"\n[fields]\nreference = \"id\"\ntitle = \"titre\"\n[source]\nkind = \"csv\"\n\
         url = \"{}/offres-{{%Y-%m-%d}}.csv\"\n",
        folder.path().display()
    );
    let connector = connector(&text);
    let at = |now: &str| {
        let mut env = env();
        env.clock = Clock::fixed(now.parse().expect("an instant"));
        env
    };
    // Past midnight in Paris.
    let mut basket = Basket::default();
    let none = ConnectorState::default();
    let end = read(&connector, &none, &at("2026-09-20T22:30:00Z"), &mut basket).await;
    assert_eq!(end.snapshot, SnapshotKind::Complete);
    assert_eq!(basket.records[0]["id"], "2026-09-21");
    let end = read(&connector, &none, &at("2026-09-25T08:00:00Z"), &mut basket).await;
    assert_eq!(end.snapshot, SnapshotKind::Failed, "it has not come yet");
    let error = end.error.unwrap_or_default();
    assert!(error.contains("offres-2026-09-25.csv"), "{error}");
}
