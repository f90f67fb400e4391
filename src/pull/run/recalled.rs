//! A source read with what is remembered of it comes to the same as one read in full.

use super::{Live, Outcome, Report, run};
use crate::fetch::{FetchSettings, Fetcher};
use crate::model::{Clock, PostingState};
use crate::pull::connector::{Catalogue, Connector, load};
use crate::pull::source::{Secrets, SourceEnv};
use crate::store::{ConnectorState, DynStore, SqliteStore};
use jiff::Timestamp;
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// What a document says of one offer.
#[derive(Clone, Debug)]
enum Said {
    Nothing,
    /// At a version, `closed` or not.
    Offer(u8, bool),
    /// The same twice, in two versions.
    Twice(u8, u8),
    NoTitle,
}

fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        1 => Just(Said::Nothing),
        6 => (0u8..2, prop::bool::weighted(0.1)).prop_map(|(version, closed)| Said::Offer(version, closed)),
        1 => (0u8..2, 0u8..2).prop_map(|(one, other)| Said::Twice(one, other)),
        1 => Just(Said::NoTitle),
    ]
}

fn records(document: &[Said]) -> Vec<(usize, String, &'static str)> {
    let of = |n: usize, version: u8| (n, format!("Infirmier {n} é {version}"), "open");
    let each = document.iter().enumerate();
    each.flat_map(|(n, said)| match said {
        Said::Nothing => Vec::new(),
        Said::Offer(version, false) => vec![of(n, *version)],
        Said::Offer(version, true) => vec![(n, of(n, *version).1, "closed")],
        Said::Twice(one, other) => vec![of(n, *one), of(n, *other)],
        Said::NoTitle => vec![(n, String::new(), "open")],
    })
    .collect()
}

fn json(document: &[Said]) -> String {
    let records = records(document).into_iter().map(|(n, title, status)| {
        format!(r#"{{"id": "r{n}", "title": "{title}", "status": "{status}"}}"#)
    });
    let records = records.collect::<Vec<_>>().join(",\n");
    format!("{{\"jobs\": [{records}]}}")
}

fn xml(document: &[Said]) -> String {
    let records = records(document).into_iter().map(|(n, title, status)| {
        format!("<job><id>r{n}</id><title>{title}</title><status>{status}</status></job>")
    });
    let records = records.collect::<Vec<_>>().join("\n");
    format!("<?xml version=\"1.0\"?><jobs>{records}</jobs>")
}

fn connector(kind: &str, path: &str, file: &Path) -> Arc<Connector> {
    let text = format!(
        "name = \"ats\"\n[source]\nkind = \"{kind}\"\nurl = \"file:{}\"\n[records]\npath = \"{path}\"\n\
         [fields]\nreference = \"id\"\ntitle = \"title\"\nstatus = \"status\"\n",
        file.display()
    );
    let loaded = load(&text, "ats.toml", &Catalogue::embedded());
    Arc::new(
        loaded
            .connector
            .unwrap_or_else(|| panic!("{:?}", loaded.problems)),
    )
}

struct Side {
    store: DynStore,
    now: Arc<AtomicI64>,
    env: SourceEnv,
}

impl Side {
    fn new() -> Self {
        let now = Arc::new(AtomicI64::new(1_790_000_000));
        let clock = {
            let now = Arc::clone(&now);
            Clock::new(move || Timestamp::from_second(now.load(Ordering::SeqCst)).unwrap())
        };
        Self {
            store: Arc::new(SqliteStore::temporary().unwrap()),
            now,
            env: SourceEnv {
                fetcher: Fetcher::new(FetchSettings::default()).unwrap(),
                clock,
                secrets: Secrets::default(),
            },
        }
    }

    async fn pull(&self, connector: Arc<Connector>) -> (Report, Vec<PostingState>, ConnectorState) {
        let (clock, name) = (self.env.clock.clone(), connector.name.clone());
        let env = self.env.clone();
        let live = Arc::new(Live { connector, env });
        let Outcome::Ran(report) = run(&*self.store, live, &clock, "sync").await.unwrap() else {
            panic!("nobody else runs it");
        };
        self.now.fetch_add(7200, Ordering::SeqCst);
        let states = self.store.posting_states(&name).await.unwrap();
        let state = self.store.connector_state(&name).await.unwrap();
        (report, states, state)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn recalling_changes_nothing(
        documents in prop::collection::vec(prop::collection::vec(said(), 12), 2..6),
        as_xml: bool,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("feed");
        let (kind, path) = if as_xml { ("xml", "jobs.job") } else { ("json", "jobs") };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (whole, recalling) = (Side::new(), Side::new());
            let same = connector(kind, path, &file);
            for document in &documents {
                let text = if as_xml { xml(document) } else { json(document) };
                std::fs::write(&file, text).unwrap();
                let fresh = connector(kind, path, &file);
                prop_assert_eq!(whole.pull(fresh).await, recalling.pull(same.clone()).await);
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn what_was_shown_before_is_recalled_and_comes_back_after_it_closed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("feed");
    let (side, connector) = (Side::new(), connector("json", "jobs", &file));
    let all: Vec<Said> = (0..12).map(|_| Said::Offer(0, false)).collect();
    let known = |states: &[PostingState]| {
        let live = states.iter().filter(|s| s.is_live());
        let live = live
            .map(|s| (s.reference.clone(), s.hash.clone()))
            .collect();
        connector.memory.holding(&live).len()
    };
    std::fs::write(&file, json(&all)).unwrap();
    let (_, states, _) = side.pull(connector.clone()).await;
    assert_eq!(known(&states), 12);
    let mut less = all.clone();
    less[3] = Said::Offer(0, true);
    std::fs::write(&file, json(&less)).unwrap();
    let (report, states, _) = side.pull(connector.clone()).await;
    assert_eq!((report.counts.unchanged, report.counts.changed), (11, 1));
    assert_eq!(known(&states), 11, "a closed offer is read anew");
    std::fs::write(&file, json(&all)).unwrap();
    let (report, states, _) = side.pull(connector.clone()).await;
    assert_eq!((report.counts.unchanged, report.counts.changed), (11, 1));
    assert!(states.iter().all(PostingState::is_live));
}
