//! Presets against real payloads of their services: as many records as the payload has, mapped as
//! a person read them. The payloads stay in the corpus; the snapshots hold no texts of ads.

use async_trait::async_trait;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use passerelle::fetch::{FetchSettings, Fetcher};
use passerelle::model::{Clock, Draft, Field};
use passerelle::pull::connector::Catalogue;
use passerelle::pull::connector::{Connector, load};
use passerelle::pull::source::{RecordSink, Secrets, SourceEnv, SourceRecord, read};
use passerelle::store::{ConnectorState, SnapshotKind};
use std::path::PathBuf;

/// preset · payload · its parameters besides `base_url` · records in the payload, counted by hand (the
/// one of Personio stands there twice, letter for letter).
const PAYLOADS: &[(&str, &str, &str, usize)] = &[
    ("lever", "ats/lever.json", "site = 'x'", 2),
    ("lever", "ats/boardwatch/lever_normal.json", "site = 'x'", 6),
    (
        "greenhouse",
        "ats/boardwatch/greenhouse_normal.json",
        "board = 'x'",
        5,
    ),
    ("ashby", "ats/ashby_nabla.json", "board = 'x'", 23),
    ("ashby", "ats/ashby.json", "board = 'x'", 2),
    ("personio", "ats/personio.xml", "account = 'x'", 1),
    ("workable", "ats/workable.json", "account = 'x'", 2),
    (
        "welcomekit",
        "ats/welcome-to-the-jungle/external_jobs_list_documented.json",
        "organization = 'x'\ntoken = { env = 'PASSERELLE_TEST_TOKEN' }",
        1,
    ),
    (
        "welcomekit-embed",
        "ats/welcome-to-the-jungle/embed_documented.json",
        "organization = 'x'",
        1,
    ),
    ("teamtailor-public", "ats/teamtailor.json", "", 2),
    ("pass", "partner-feeds/pass.rss", "", 7),
    ("leboncoin", "partner-feeds/leboncoin.csv", "", 2),
    ("talentsoft-xml", "partner-feeds/edf.xml", "", 3),
];

#[derive(Default)]
struct Records(Vec<SourceRecord>);

#[async_trait]
impl RecordSink for Records {
    async fn push(&mut self, records: Vec<SourceRecord>) -> anyhow::Result<()> {
        for record in records {
            // The payload of Personio has one of its offers twice.
            if !self.0.contains(&record) {
                self.0.push(record);
            }
        }
        Ok(())
    }
}

/// A server that answers every address with `body`, once a connection asks.
async fn serve(body: Vec<u8>, kind: &'static str) -> String {
    let app = Router::new().fallback(move || {
        let body = body.clone();
        async move { ([(CONTENT_TYPE, kind)], body) }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}")
}

fn connector(preset: &str, base: &str, with: &str) -> Connector {
    let text = format!("name = 'test'\nuse = '{preset}'\n[with]\nbase_url = '{base}'\n{with}\n");
    let loaded = load(&text, "test.toml", &Catalogue::embedded());
    let problems: Vec<_> = loaded.errors().collect();
    assert!(problems.is_empty(), "{preset}: {problems:?}");
    loaded.connector.unwrap()
}

/// One line a field: `field = value`, texts of ads and people left out.
fn shown(draft: &Draft, base: &str) -> String {
    let hidden = [
        Field::Description,
        Field::EmployerDescription,
        Field::ContactName,
        Field::ContactEmail,
        Field::ContactPhone,
        Field::ApplyEmail,
    ];
    let mut out = format!("{}\n", draft.reference);
    let mut line = |name: String, values: &[String]| {
        let joined = values.join(" | ").replace(base, "http://SERVER");
        let cut: String = joined.chars().take(120).collect();
        out += &format!("  {name} = {cut}\n");
    };
    for (field, raw) in &draft.fields {
        let name = format!("{field:?}");
        if hidden.contains(field) {
            line(
                name,
                &[format!("({} characters)", raw.value().chars().count())],
            );
        } else {
            line(name, &raw.values);
        }
    }
    for place in &draft.places {
        for (field, raw) in place {
            line(format!("place.{field:?}"), &raw.values);
        }
    }
    for problem in &draft.problems {
        line(
            format!("PROBLEM {}", problem.field),
            std::slice::from_ref(&problem.message),
        );
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_of_the_corpus_are_mapped_whole() {
    let Some(corpus) = std::env::var_os("PASSERELLE_CORPUS").map(PathBuf::from) else {
        eprintln!("skipped: PASSERELLE_CORPUS is not set");
        return;
    };
    let env = SourceEnv {
        fetcher: Fetcher::new(FetchSettings {
            allow_hosts: vec!["127.0.0.1".into()],
            ..Default::default()
        })
        .unwrap(),
        clock: Clock::fixed("2026-11-22T10:00:00Z".parse().unwrap()),
        secrets: Secrets::fixed([("PASSERELLE_TEST_TOKEN", "t")]),
    };
    let mut wrong = Vec::new();
    for &(preset, payload, with, expected) in PAYLOADS {
        let body = std::fs::read(corpus.join(payload)).unwrap();
        let kind = match payload.rsplit('.').next() {
            Some("json") => "application/json",
            Some("csv") => "text/csv",
            _ => "application/xml",
        };
        let base = serve(body, kind).await;
        let connector = connector(preset, &base, with);
        let mut records = Records::default();
        let end = read(&connector, &ConnectorState::default(), &env, &mut records).await;
        assert!(
            !matches!(end.snapshot, SnapshotKind::Failed | SnapshotKind::Empty),
            "{payload}: {:?} {:?}",
            end.snapshot,
            end.error
        );
        let mut text = String::new();
        for record in &records.0 {
            match record {
                SourceRecord::Known(known) => panic!("nothing is known yet: {known:?}"),
                SourceRecord::Tree(record) => match connector.map(&record.tree) {
                    Ok(draft) => text += &shown(&draft, &base),
                    Err(problems) => text += &format!("REJECTED {problems:?}\n"),
                },
                SourceRecord::Broken { why, .. } => text += &format!("BROKEN {why}\n"),
            }
        }
        let name = format!("{preset} {}", payload.replace('/', " "));
        insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => "snapshots/presets" }, {
            insta::assert_snapshot!(name, text);
        });
        if records.0.len() != expected {
            wrong.push(format!(
                "{payload}: {} records, not {expected}",
                records.0.len()
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
