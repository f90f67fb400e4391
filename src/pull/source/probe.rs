//! Asking the page of an offer whether the offer is still there.

use super::SourceEnv;
use crate::fetch::{FetchError, Limits, Request};
use crate::pull::connector::Connector;
use crate::pull::connector::file::Probe;
use crate::pull::run::Page;
use futures::StreamExt;
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// Pages asked at a time.
const AT_ONCE: usize = 4;

/// What the pages of `records` say, in their order.
pub async fn probe(connector: &Connector, env: &SourceEnv, records: &[Value]) -> Vec<Page> {
    let Some(probe) = &connector.probe else {
        return vec![Page::Silent; records.len()];
    };
    // Addresses first: nothing of the records is held while the pages are asked.
    let addresses: Vec<Option<String>> = records
        .iter()
        .map(|record| address(connector, probe, record))
        .collect();
    futures::stream::iter(addresses)
        .map(|address| async move {
            match address {
                Some(url) => ask(connector, env, probe, url).await,
                None => Page::Silent,
            }
        })
        .buffered(AT_ONCE)
        .collect()
        .await
}

fn address(connector: &Connector, probe: &Probe, record: &Value) -> Option<String> {
    let link = connector.mapping().render(&probe.url, record).ok()?;
    let link = link.trim();
    if link.is_empty() {
        return None;
    }
    let url = match Url::parse(connector.source.url.as_str()) {
        Ok(base) => base.join(link).ok()?,
        Err(_) => Url::parse(link).ok()?,
    };
    matches!(url.scheme(), "http" | "https").then(|| url.to_string())
}

async fn ask(connector: &Connector, env: &SourceEnv, probe: &Probe, url: String) -> Page {
    let request = Request {
        headers: vec![("accept".to_owned(), "text/html, */*;q=0.5".to_owned())],
        rate: connector.source.rate,
        limits: Some(Limits {
            total: Duration::from_secs(60),
            ..connector.fetch_limits()
        }),
        robots: true,
        ..Request::get(url)
    };
    match env.fetcher.open(&request).await {
        Ok(answer) if probe.gone.contains(&answer.status) => Page::Gone,
        Ok(_) => Page::There,
        Err(FetchError::Status { status, .. }) if probe.gone.contains(&status) => Page::Gone,
        Err(error) => {
            tracing::debug!(connector = %connector.name, error = error.chain(), "the page of an offer says nothing");
            Page::Silent
        }
    }
}
