//! A second request for each record, a few at a time.

use super::outlet::shown;
use super::session::{Ask, Session, broken};
use super::{Record, SourceRecord};
use crate::fetch::{Body, FetchError, Fetcher, Request};
use crate::pull::connector::file::{Detail, DetailKind};
use crate::pull::mapping::Path;
use futures::StreamExt;
use serde_json::Value;

/// Largest detail.
const DETAIL_BYTES: u64 = 16 << 20;

/// What became of one record's detail.
enum Fetched {
    /// It has none.
    Nothing,
    Merged(Value),
    Not(NotFound),
}

/// Why the page of one offer gave no record.
pub(super) enum NotFound {
    /// The offer is not there any more.
    Gone,
    /// The site's `robots.txt` says so.
    Forbidden(String),
    Failed(String),
}

impl NotFound {
    fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }
}

/// What became of a batch.
pub struct Details {
    pub records: Vec<SourceRecord>,
    /// Why the site wants its pages left alone.
    pub forbidden: Option<String>,
}

/// The records of `batch` with their details. One that is gone is left out; one whose detail
/// fails is handed over as broken, under its reference, so that it is not taken for missing.
pub async fn fetch(
    session: &mut Session<'_>,
    detail: &Detail,
    batch: Vec<SourceRecord>,
) -> Details {
    let mut prepared = Vec::with_capacity(batch.len());
    for record in batch {
        let asked = match &record {
            SourceRecord::Tree(Record { tree, .. }) => match address(session, detail, tree) {
                Ok(url) => {
                    let ask = Ask {
                        url: Some(url),
                        ..Ask::default()
                    };
                    Some(session.prepared(&ask).await)
                }
                Err(why) => Some(Err(why)),
            },
            SourceRecord::Known(_) | SourceRecord::Broken { .. } => None,
        };
        prepared.push((record, asked));
    }
    let connector = session.connector;
    let results: Vec<(SourceRecord, Fetched, u64)> = futures::stream::iter(prepared)
        .map(|(record, asked)| async move {
            let (SourceRecord::Tree(Record { tree, .. }), Some(asked)) = (&record, asked) else {
                return (record, Fetched::Nothing, 0);
            };
            let (fetched, bytes) = match asked {
                Ok((fetcher, request)) => one(&fetcher, &request, detail, tree).await,
                Err(why) => (Fetched::Not(NotFound::Failed(why)), 0),
            };
            (record, fetched, bytes)
        })
        .buffered(detail.concurrency.clamp(1, 32))
        .collect()
        .await;
    let mut details = Details {
        records: Vec::with_capacity(results.len()),
        forbidden: None,
    };
    for (record, fetched, bytes) in results {
        session.add_bytes(bytes);
        let why = match fetched {
            Fetched::Merged(merged) => {
                details.records.push(SourceRecord::Tree(merged.into()));
                continue;
            }
            // It went while the list was read.
            Fetched::Not(NotFound::Gone) => continue,
            Fetched::Nothing => {
                details.records.push(record);
                continue;
            }
            Fetched::Not(NotFound::Failed(why)) => why,
            Fetched::Not(NotFound::Forbidden(why)) => {
                details.forbidden.get_or_insert_with(|| why.clone());
                why
            }
        };
        if let SourceRecord::Tree(Record { tree, .. }) = &record {
            let reference = connector.reference(tree);
            let why = format!("its detail cannot be read: {why}");
            details.records.push(broken(reference, &shown(tree), why));
        }
    }
    details
}

fn address(session: &Session<'_>, detail: &Detail, record: &Value) -> Result<String, String> {
    let url = session
        .connector
        .mapping()
        .render(&detail.url, record)
        .map_err(|error| format!("the address cannot be made: {error}"))?;
    if session.is_local() {
        return Ok(url);
    }
    session.absolute(url.trim())
}

async fn one(
    fetcher: &Fetcher,
    request: &Request,
    detail: &Detail,
    record: &Value,
) -> (Fetched, u64) {
    let (tree, size) = document(fetcher.open(request).await, detail).await;
    let fetched = match tree.and_then(|tree| record_of(&tree, detail.path.as_deref())) {
        Ok(found) => Fetched::Merged(merge(record, found, detail.into.as_deref())),
        Err(why) => Fetched::Not(why),
    };
    (fetched, size)
}

/// The tree of an answer about one offer, and its size in bytes.
pub(super) async fn document(
    answer: Result<Body, FetchError>,
    detail: &Detail,
) -> (Result<Value, NotFound>, u64) {
    let answer = match answer {
        Ok(answer) if detail.gone.contains(&answer.status) => return (Err(NotFound::Gone), 0),
        Ok(answer) => answer,
        Err(FetchError::Status { status, .. }) if detail.gone.contains(&status) => {
            return (Err(NotFound::Gone), 0);
        }
        Err(error @ FetchError::Robots { .. }) => {
            return (Err(NotFound::Forbidden(error.chain())), 0);
        }
        Err(error) => return (Err(NotFound::failed(error.chain())), 0),
    };
    let bytes = match answer.bytes(DETAIL_BYTES).await {
        Ok(bytes) => bytes,
        Err(error) => return (Err(NotFound::failed(error.chain())), 0),
    };
    let size = bytes.len() as u64;
    let text = super::text::Decoding::default().text(&bytes).into_owned();
    let parsed: Result<Value, String> = match detail.kind {
        // A page without the markup is how a closed offer looks; it is not proved gone.
        DetailKind::JsonLd => {
            super::json_ld::posting(&text).ok_or_else(|| "the page has no JobPosting".to_owned())
        }
        DetailKind::Html => super::parse::html_values(&text, &detail.values)
            .ok_or_else(|| "the page has none of the values that `values` names".to_owned()),
        DetailKind::Auto if text.trim_start().starts_with('<') => {
            super::parse::xml_tree(text.trim_start().trim_start_matches('\u{feff}'))
        }
        DetailKind::Auto => serde_json::from_str(&text).map_err(|error| error.to_string()),
    };
    let tree = parsed.map_err(|why| NotFound::Failed(format!("it is no document: {why}")));
    (tree, size)
}

/// The record that stands at `path` of an answer.
pub(super) fn record_of(tree: &Value, path: Option<&str>) -> Result<Value, NotFound> {
    let found = match path.map(str::parse::<Path>) {
        Some(Ok(path)) => path.select(tree).into_iter().next(),
        _ => Some(tree),
    };
    let found = found.filter(|found| found.is_object()).cloned();
    found.ok_or_else(|| NotFound::failed("the answer holds no record"))
}

/// The list's record with its detail: under a key of its own, or key by key.
fn merge(record: &Value, found: Value, into: Option<&str>) -> Value {
    let mut merged = record.clone();
    if let Value::Object(map) = &mut merged {
        match (into, found) {
            (Some(key), found) => {
                map.insert(key.to_owned(), found);
            }
            (None, Value::Object(detail)) => map.extend(detail),
            (None, _) => {}
        }
    }
    merged
}
