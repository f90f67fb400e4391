//! Every payload of the corpus that a preset covers: counted, mapped, and compared with snapshots
//! that a person read against the source. Texts and people stay out of the snapshots.

use super::{connector, pull};
use crate::model::{Draft, Field};
use crate::store::SnapshotKind;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// The corpus, or `None` where there is none.
fn corpus(path: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("PASSERELLE_CORPUS") else {
        eprintln!("skipped: PASSERELLE_CORPUS is not set");
        return None;
    };
    Some(PathBuf::from(root).join(path))
}

/// A preset that reads `file` instead of its service.
fn file_connector(preset: &str, with: &str, file: &std::path::Path, more: &str) -> String {
    format!(
        "name = \"corpus\"\nuse = \"{preset}\"\nwith = {{ {with} }}\n\
         [source]\nurl = {:?}\n[source.auth]\nkind = \"none\"\n[source.paging]\nkind = \"none\"\n{more}",
        file.display().to_string()
    )
}

fn is_private(field: Field) -> bool {
    matches!(
        field,
        Field::Description
            | Field::EmployerDescription
            | Field::ContactName
            | Field::ContactEmail
            | Field::ContactPhone
            | Field::ApplyEmail
            | Field::PayComment
    )
}

fn brief(draft: &Draft) -> Value {
    let shown = |fields: &std::collections::BTreeMap<Field, crate::model::Raw>| {
        let map: Map<String, Value> = fields
            .iter()
            .map(|(field, raw)| {
                let name = crate::pull::mapping::field_name(*field);
                let text = raw.values.join(" | ");
                let value = if is_private(*field) {
                    format!(
                        "{} characters, {}",
                        text.chars().count(),
                        &blake3::hash(text.as_bytes()).to_hex()[..8]
                    )
                } else {
                    text.chars().take(120).collect()
                };
                (name, Value::String(value))
            })
            .collect();
        Value::Object(map)
    };
    let mut out = shown(&draft.fields);
    if !draft.places.is_empty() {
        out["places"] = draft.places.iter().map(shown).collect();
    }
    if !draft.problems.is_empty() {
        out["problems"] = json!(draft.problems);
    }
    out
}

/// Pulls `path` through `preset`; the number of distinct records and the briefs of their drafts.
async fn briefs(
    preset: &str,
    with: &str,
    path: &str,
    more: &str,
) -> Option<(SnapshotKind, usize, Vec<Value>)> {
    let file = corpus(path)?;
    let connector = connector(&file_connector(preset, with, &file, more));
    let (mut basket, end) = pull(&connector).await;
    assert_eq!(end.error, None, "{path}");
    // Talentsoft's payload has one of its offers twice.
    let mut references = std::collections::HashSet::new();
    let records = &mut basket.records;
    records.retain(|record| references.insert(connector.reference(record)));
    assert!(basket.broken.is_empty(), "{path}: {:?}", basket.broken);
    let drafts = basket
        .records
        .iter()
        .map(|record| match connector.map(record) {
            Ok(draft) => brief(&draft),
            Err(problems) => json!({ "rejected": problems }),
        })
        .collect();
    Some((end.snapshot, basket.records.len(), drafts))
}

macro_rules! payload {
    ($name:ident, $preset:literal, $with:literal, $path:literal, $count:literal $(, $more:literal)?) => {
        #[tokio::test]
        async fn $name() {
            let more = concat!("" $(, $more)?);
            let Some((kind, count, drafts)) = briefs($preset, $with, $path, more).await else { return };
            assert_eq!(kind, SnapshotKind::Complete);
            assert_eq!(count, $count);
            assert!(drafts.iter().all(|d| d.get("rejected").is_none() && d.get("problems").is_none()));
            // At most six of them: the count is checked above.
            let shown: Vec<Value> = drafts.into_iter().take(6).collect();
            insta::assert_json_snapshot!(stringify!($name), shown);
        }
    };
}

payload!(
    apec,
    "apec",
    "base_url = \"x\"",
    "partner-feeds/apec.xml",
    5
);
payload!(
    cleverconnect,
    "cleverconnect",
    "base_url = \"x\"",
    "partner-feeds/clever-connect.xml",
    3
);
payload!(
    hellowork,
    "hellowork",
    "base_url = \"x\"",
    "partner-feeds/hello-work.xml",
    5
);
payload!(
    talentsoft,
    "talentsoft",
    "base_url = \"https://x.example\", client_id = \"x\", client_secret = { env = \"SECRET\" }",
    "partner-feeds/france-travail-cegid.json",
    // Four, one of them twice.
    3
);
payload!(
    digitalrecruiters,
    "digitalrecruiters-export",
    "token = { env = \"SECRET\" }",
    "partner-feeds/decathlon.json",
    3,
    // The fixture was shortened to 3 of the 27 offers that it declares.
    "[records]\ntotal = \"none\"\n"
);
payload!(
    smartrecruiters,
    "smartrecruiters",
    "tenant = \"x\"",
    "ats/smartrecruiters.json",
    1,
    "[source.detail]\nenabled = false\n"
);
payload!(
    teamtailor,
    "teamtailor",
    "token = { env = \"SECRET\" }",
    "ats/teamtailor/jobs.json",
    2
);
payload!(
    recruitee,
    "recruitee",
    "tenant = \"x\"",
    "ats/recruitee.json",
    2
);
payload!(
    france_travail,
    "france-travail",
    "client_id = \"x\", client_secret = { env = \"SECRET\" }, departments = [\"70\"]",
    "france-travail/search_response_150.json",
    150
);
