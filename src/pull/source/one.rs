//! One offer by itself, at the address that `[source.one]` gives it.

use super::detail::{self, NotFound, document, record_of};
use super::session::{Ask, Included, Session};
use super::{ReadEnd, Record, RecordSink, SourceEnv, SourceRecord};
use crate::pull::connector::Connector;
use crate::pull::connector::file::{Detail, DetailKind, One};
use crate::store::{ConnectorState, SnapshotKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use std::time::Duration;

/// What stands for itself within an address.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// Whoever names an offer waits for the answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Reads the offers of these references, and nothing else: a partial snapshot, of which absence
/// means nothing. Failed where one of them cannot be had; then nothing is handed over.
pub async fn read_named(
    connector: &Connector,
    references: &[String],
    before: &ConnectorState,
    env: &SourceEnv,
    sink: &mut dyn RecordSink,
) -> ReadEnd {
    let mut end = ReadEnd {
        snapshot: SnapshotKind::Failed,
        error: None,
        // What a full pass remembers is its own.
        state: before.clone(),
        requests: 0,
        bytes: 0,
    };
    let mut session = match Session::new(connector, env, before) {
        Ok(session) => session,
        Err(why) => {
            end.error = Some(why);
            return end;
        }
    };
    let reading = tokio::time::timeout(PATIENCE, records(&mut session, references)).await;
    let handed = match reading {
        Ok(Ok(records)) => sink
            .push(records)
            .await
            .map_err(|error| format!("{error:#}")),
        Ok(Err(why)) => Err(session.redacted(&why)),
        Err(_) => Err(format!("no whole answer within {} s", PATIENCE.as_secs())),
    };
    match handed {
        Ok(()) => end.snapshot = SnapshotKind::Partial,
        Err(why) => end.error = Some(why),
    }
    (end.requests, end.bytes) = (session.requests(), session.bytes());
    end
}

async fn records(
    session: &mut Session<'_>,
    references: &[String],
) -> Result<Vec<SourceRecord>, String> {
    let connector = session.connector;
    let one = connector.source.one.as_ref();
    let one = one.ok_or("[source.one] does not say where an offer stands by itself")?;
    let mut found = Vec::with_capacity(references.len());
    for reference in references {
        let record = record(session, one, reference)
            .await
            .map_err(|why| format!("offer {reference}: {why}"))?;
        found.push(SourceRecord::Tree(Record::from(record)));
    }
    if let Some(detail) = &connector.source.detail {
        found = detail::fetch(session, detail, found).await.records;
    }
    for record in &found {
        if let SourceRecord::Broken { reference, why, .. } = record {
            let reference = reference.as_deref().unwrap_or("?");
            return Err(format!("offer {reference}: {why}"));
        }
    }
    if found.len() < references.len() {
        return Err("an offer went while it was read".to_owned());
    }
    Ok(found)
}

async fn record(session: &mut Session<'_>, one: &One, reference: &str) -> Result<Value, String> {
    let connector = session.connector;
    // The reference comes from outside: it names an offer and leads nowhere else.
    if reference.chars().all(|c| c == '.') {
        return Err("this is no reference".to_owned());
    }
    let encoded = utf8_percent_encode(reference, PLAIN).to_string();
    let url = connector
        .mapping()
        .render(&one.url, &json!({ "reference": encoded }))
        .map_err(|error| format!("the address cannot be made: {error}"))?;
    let ask = Ask {
        url: Some(session.absolute(url.trim())?),
        ..Ask::default()
    };
    let answer = session.try_open(&ask).await?;
    let (tree, bytes) = document(answer, &as_detail(one)).await;
    session.add_bytes(bytes);
    let found = tree.and_then(|tree| {
        let found = record_of(&tree, one.path.as_deref())?;
        Ok(match connector.relationships {
            true => Included::new(&tree).resolve(found),
            false => found,
        })
    });
    let found = match found {
        Ok(found) => found,
        Err(NotFound::Gone) => return Err("it is not there any more".to_owned()),
        Err(NotFound::Forbidden(why) | NotFound::Failed(why)) => return Err(why),
    };
    match connector.reference(&found) {
        Some(shown) if shown == reference => {}
        Some(shown) => return Err(format!("the answer is about offer {shown}")),
        None => return Err("the answer has no reference where the list has it".to_owned()),
    }
    if !connector.mapping().keeps(&found) {
        return Err("it is not among those that [records] keep holds".to_owned());
    }
    Ok(found)
}

/// The same as the detail of a record.
fn as_detail(one: &One) -> Detail {
    Detail {
        enabled: true,
        url: one.url.clone(),
        kind: DetailKind::Auto,
        path: one.path.clone(),
        values: std::collections::BTreeMap::new(),
        into: None,
        concurrency: 1,
        gone: vec![404, 410],
    }
}
