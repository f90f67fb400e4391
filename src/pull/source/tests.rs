//! Reading as a whole: real payloads through their presets, and services on loopback.

mod corpus;
pub mod fixtures;
mod france_travail;
mod language;
mod pages;
pub mod services;
mod variants;
mod windows;

use super::*;
use crate::fetch::FetchSettings;
use crate::pull::connector::{Catalogue, Connector, load};
use jiff::Timestamp;
use serde_json::Value;
use std::time::Duration;

/// Keeps everything.
#[derive(Default)]
pub struct Basket {
    pub records: Vec<Value>,
    pub broken: Vec<(Option<String>, String)>,
}

#[async_trait]
impl RecordSink for Basket {
    async fn push(&mut self, records: Vec<SourceRecord>) -> anyhow::Result<()> {
        for record in records {
            match record {
                SourceRecord::Tree(record) => self.records.push(record.tree),
                SourceRecord::Known(known) => panic!("{known:?}"),
                SourceRecord::Broken { reference, why, .. } => self.broken.push((reference, why)),
            }
        }
        Ok(())
    }
}

pub fn env() -> SourceEnv {
    SourceEnv {
        fetcher: Fetcher::new(FetchSettings {
            allow_hosts: vec!["127.0.0.1".to_owned()],
            backoff: Duration::from_millis(1),
            retries: 2,
            ..FetchSettings::default()
        })
        .expect("a fetcher"),
        clock: Clock::fixed(Timestamp::constant(1_790_000_000, 0)),
        secrets: Secrets::fixed([("ID", "the-id"), ("SECRET", "the-secret")]),
    }
}

pub fn connector(text: &str) -> Connector {
    let loaded = load(text, "test.toml", &Catalogue::embedded());
    let shown: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    loaded
        .connector
        .unwrap_or_else(|| panic!("{}", shown.join("\n")))
}

pub async fn pull(connector: &Connector) -> (Basket, ReadEnd) {
    pull_after(connector, &ConnectorState::default()).await
}

pub async fn pull_after(connector: &Connector, before: &ConnectorState) -> (Basket, ReadEnd) {
    let mut basket = Basket::default();
    let end = read(connector, before, &env(), &mut basket).await;
    (basket, end)
}
