//! A feed that was cut, with every guard out of the way: only the proof of its end is left.

use super::live::Live;
use super::{Outcome, run};
use crate::model::{Clock, PostingState};
use crate::pull::connector::{Catalogue, load};
use crate::pull::source::tests::env;
use crate::store::{SnapshotKind, SqliteStore, Store};
use proptest::prelude::*;
use std::path::Path;
use std::sync::Arc;

/// One absence closes, whatever else is seen.
const GUARDS: &str = "[guards]\nmisses = 1\nmiss_gap = \"0s\"\nmax_drop = 1.0\nmin_drop = 1000\n";
const OFFERS: usize = 7;

fn feed(kind: &str, texts: &[String]) -> String {
    let offers = texts.iter().enumerate();
    match kind {
        "json" => {
            let offers = offers.map(|(n, text)| serde_json::json!({ "id": n, "titre": text }));
            serde_json::json!({ "offres": offers.collect::<Vec<_>>() }).to_string()
        }
        "xml" => {
            let offers = offers.map(|(n, text)| {
                let text = text.replace('&', "&amp;").replace('<', "&lt;");
                format!("<offre n=\"{n}\"><id>{n}</id><titre>{text}</titre></offre>")
            });
            format!("<offres>{}</offres>", offers.collect::<String>())
        }
        _ => {
            let rows = offers.map(|(n, text)| format!("{n};\"{}\"\n", text.replace('"', "\"\"")));
            format!("id;titre\n{}", rows.collect::<String>())
        }
    }
}

fn connector(kind: &str, path: &Path) -> Live {
    let records = match kind {
        "json" => "[records]\npath = \"offres\"\n",
        "xml" => "[records]\npath = \"offres.offre\"\n",
        _ => "csv = { delimiter = \";\" }\n",
    };
    let text = format!(
        "name = \"x\"\n[source]\nkind = \"{kind}\"\nurl = \"{}\"\n{records}{GUARDS}\
         [fields]\nreference = \"id\"\ntitle = \"titre\"\n",
        path.display()
    );
    let loaded = load(&text, "x.toml", &Catalogue::embedded());
    Live {
        connector: Arc::new(loaded.connector.expect("a connector")),
        env: env(),
    }
}

async fn live(store: &SqliteStore) -> usize {
    let states = store.posting_states(&"x".into()).await.unwrap();
    states.into_iter().filter(PostingState::is_live).count()
}

async fn pulled(store: &SqliteStore, source: &Live) -> SnapshotKind {
    let clock = Clock::fixed(jiff::Timestamp::UNIX_EPOCH);
    match run(store, Arc::new(source.clone()), &clock, "sync").await {
        Ok(Outcome::Ran(report)) => report.snapshot,
        other => panic!("{other:?}"),
    }
}

/// Whether nothing tells the part from a shorter file: a CSV that ends with a row.
fn ends_with_a_row(kind: &str, part: &[u8]) -> bool {
    kind == "csv"
        && part.ends_with(b"\n")
        && part
            .iter()
            .filter(|b| **b == b'"')
            .count()
            .is_multiple_of(2)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_feed_cut_anywhere_closes_nothing(
        kind in prop::sample::select(vec!["json", "xml", "csv"]),
        texts in prop::collection::vec("[ -~àé\n]{1,30}[a-z]", OFFERS),
        shares in prop::collection::vec(0.0f64..1.0, 4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("feed");
            let store = SqliteStore::temporary().unwrap();
            let source = connector(kind, &path);
            let whole = feed(kind, &texts).into_bytes();
            std::fs::write(&path, &whole).unwrap();
            assert_eq!(pulled(&store, &source).await, SnapshotKind::Complete);
            assert_eq!(live(&store).await, OFFERS);
            // The last byte, too.
            let cuts = shares.iter().map(|share| (whole.len() as f64 * share) as usize);
            for cut in cuts.chain([whole.len() - 1]) {
                let part = &whole[..cut];
                if ends_with_a_row(kind, part) {
                    continue;
                }
                std::fs::write(&path, part).unwrap();
                let kind = pulled(&store, &source).await;
                assert_ne!(kind, SnapshotKind::Complete, "cut at {cut}");
                assert_eq!(live(&store).await, OFFERS, "cut at {cut}");
            }
            // The same guards close what a whole feed lacks.
            std::fs::write(&path, feed(kind, &texts[..3])).unwrap();
            assert_eq!(pulled(&store, &source).await, SnapshotKind::Complete);
            assert_eq!(live(&store).await, 3);
        });
    }
}
