//! Presets that no stored payload covers, each on a synthetic answer in its service's wire format:
//! as many offers, with the title, place, contract, date and link that the answer has.

use super::services::serve;
use super::{connector, pull};
use crate::model::{Draft, Field};
use axum::Router;
use axum::extract::Request;
use axum::http::header;
use std::path::PathBuf;

pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/presets")
}

/// preset · its parameters · part of the path of a detail request.
pub const PRESETS: &[(&str, &str, &str)] = &[
    ("atom", "base_url = \"BASE/offres.atom\"", ""),
    ("bamboohr", "base_url = \"BASE\"", "/detail"),
    ("beetween", "base_url = \"BASE\"", ""),
    (
        "digitalrecruiters-public",
        "base_url = \"BASE/public/v1\"\ndomain = \"emploi.agence.example\"",
        "/job-ads/",
    ),
    ("factorial", "base_url = \"BASE\"", "/job_posting/"),
    (
        "flatchr",
        "base_url = \"BASE\"\ncompany = \"clinique-des-pres\"",
        "",
    ),
    ("hellowork-buddi", "base_url = \"BASE/flux.xml\"", ""),
    ("hr-xml", "base_url = \"BASE/positions.xml\"", ""),
    ("icims", "base_url = \"BASE\"", "/orthophoniste/"),
    (
        "jobaffinity",
        "base_url = \"BASE\"\ntoken = { env = \"SECRET\" }",
        "",
    ),
    ("jobteaser", "base_url = \"BASE/flux.xml\"", ""),
    ("jooble", "base_url = \"BASE/flux.xml\"", ""),
    ("json-feed", "base_url = \"BASE/feed.json\"", ""),
    ("kelio", "base_url = \"BASE/flux.xml\"", ""),
    ("la-poste", "base_url = \"BASE/flux.xml\"", ""),
    ("linkedin-xml", "base_url = \"BASE/flux.xml\"", ""),
    ("nicoka", "base_url = \"BASE\"", ""),
    (
        "oracle-recruiting-cloud",
        "base_url = \"BASE\"",
        "RequisitionDetails",
    ),
    ("rss", "base_url = \"BASE/offres.rss\"", ""),
    ("successfactors", "base_url = \"BASE\"", ""),
    (
        "taleez",
        "base_url = \"BASE/0\"\ntoken = { env = \"SECRET\" }",
        "",
    ),
    ("talentplug", "base_url = \"BASE\"\nid = \"Qw3\"", ""),
    ("talentsoft-rss", "base_url = \"BASE\"", ""),
    ("teamtailor-rss", "base_url = \"BASE\"", ""),
    (
        "workable-api",
        "base_url = \"BASE\"\ntoken = { env = \"SECRET\" }",
        "",
    ),
    (
        "workable-v3",
        "base_url = \"BASE\"\naccount = \"clinique\"",
        "/v2/",
    ),
    (
        "workday",
        "base_url = \"BASE\"\ntenant = \"groupe\"\nsite = \"Carrieres\"",
        "/job/",
    ),
];

/// A replica of `preset`'s service: its fixture at every address, the detail where one is asked.
pub async fn replica(preset: &'static str, detail: &'static str) -> String {
    let read = |suffix: &str| {
        let name = ["json", "xml", "html"]
            .into_iter()
            .map(|ext| folder().join(format!("{preset}{suffix}.{ext}")))
            .find(|path| path.exists());
        name.map(|path| std::fs::read_to_string(path).expect("a fixture"))
    };
    let list = read("").unwrap_or_else(|| panic!("no fixture of {preset}"));
    let one = read(".detail").unwrap_or_default();
    serve(Router::new().fallback(move |request: Request| {
        let (list, one) = (list.clone(), one.clone());
        async move {
            let path = request.uri().path().to_owned();
            let host = request
                .headers()
                .get(header::HOST)
                .and_then(|host| host.to_str().ok())
                .unwrap_or_default()
                .to_owned();
            let is_detail = !detail.is_empty() && path.contains(detail);
            let text = if is_detail { one } else { list };
            let kind = match text.trim_start().as_bytes() {
                [b'{' | b'[', ..] => "application/json",
                _ if text.contains("<html") => "text/html",
                _ => "application/xml",
            };
            (
                [(header::CONTENT_TYPE, kind)],
                text.replace("BASE", &format!("http://{host}")),
            )
        }
    }))
    .await
}

fn line(draft: &Draft, base: &str) -> String {
    let place = draft
        .places
        .iter()
        .chain(std::iter::once(&draft.fields))
        .map(|map| {
            [
                Field::PlacePostalCode,
                Field::PlaceCity,
                Field::Place,
                Field::PlaceDepartment,
            ]
            .into_iter()
            .filter_map(|field| map.get(&field).map(|raw| raw.value().to_owned()))
            .collect::<Vec<_>>()
            .join(" ")
        })
        .filter(|place| !place.is_empty())
        .collect::<Vec<_>>()
        .join(" + ");
    let value = |field| draft.value(field).unwrap_or("–").to_owned();
    let day = |field| value(field).chars().take(10).collect::<String>();
    let problems: Vec<String> = draft
        .problems
        .iter()
        .map(|p| format!(" PROBLEM {} {:?} {}", p.field, p.value, p.message))
        .collect();
    format!(
        "  {} | {} | {place} | {} | {} | {} | {} characters | {}{}\n",
        draft.reference,
        value(Field::Title),
        value(Field::Contract),
        value(Field::WorkingTime),
        day(Field::Published),
        value(Field::Description).chars().count(),
        draft
            .value(Field::ApplyUrl)
            .or(draft.value(Field::ApplyEmail))
            .unwrap_or("–")
            .replace(base, "BASE"),
        problems.concat(),
    )
}

#[tokio::test]
async fn every_documented_preset_reads_its_service() {
    let mut out = String::new();
    for (preset, with, detail) in PRESETS {
        let base = replica(preset, detail).await;
        let with = with.replace("BASE", &base);
        let text = format!("name = \"x\"\nuse = \"{preset}\"\n[with]\n{with}\n");
        let connector = connector(&text);
        let (basket, end) = pull(&connector).await;
        assert_eq!(end.error, None, "{preset}");
        assert!(basket.broken.is_empty(), "{preset}: {:?}", basket.broken);
        out += &format!("{preset}: {:?}\n", end.snapshot);
        for record in &basket.records {
            match connector.map(record) {
                Ok(draft) => out += &line(&draft, &base),
                Err(problems) => out += &format!("  REJECTED {problems:?}\n"),
            }
        }
    }
    insta::assert_snapshot!(out);
}

#[tokio::test]
async fn a_list_of_html_is_read_by_selectors() {
    let page = |n: u32, next: &str| {
        format!(
            "<html><body><article class=\"offre\" data-id=\"{n}\"><h2><a href=\"/offres/{n}\">Offre {n}</a></h2><p class=\"ville\">Vesoul</p></article>{next}</body></html>"
        )
    };
    let (first, second) = (
        page(1, "<a rel=\"next\" href=\"/page/2\">2</a>"),
        page(2, ""),
    );
    let base = serve(
        Router::new()
            .route(
                "/page/2",
                axum::routing::get(move || async move { axum::response::Html(second) }),
            )
            .route(
                "/offres",
                axum::routing::get(move || async move { axum::response::Html(first) }),
            )
            .route(
                "/vide",
                axum::routing::get(|| async {
                    axum::response::Html("<html><p class=\"aucune\">Aucune offre</p></html>")
                }),
            )
            .route(
                "/connexion",
                axum::routing::get(|| async { axum::response::Html("<html><form></form></html>") }),
            ),
    )
    .await;
    let file = |path: &str| {
        format!(
            "name = \"x\"\n[source]\nkind = \"html\"\nurl = \"{base}{path}\"\n[source.html]\nselect = \"article.offre\"\n\
             values = {{ id = \"@data-id\", titre = \"h2 a\", lien = \"h2 a@href\", ville = \".ville\" }}\n\
             page = {{ next = \"a[rel=next]@href\" }}\nempty = \".aucune\"\n[source.paging]\nkind = \"next_link\"\npath = \"next\"\n\
             [fields]\nreference = \"id\"\ntitle = \"titre\"\nplace_city = \"ville\"\n"
        )
    };
    let (basket, end) = pull(&connector(&file("/offres"))).await;
    assert_eq!(
        (end.error, end.snapshot),
        (None, crate::store::SnapshotKind::Complete)
    );
    assert_eq!(basket.records.len(), 2);
    assert_eq!(basket.records[1]["lien"], "/offres/2");
    let (_, end) = pull(&connector(&file("/vide"))).await;
    assert_eq!(end.snapshot, crate::store::SnapshotKind::Empty);
    let (_, end) = pull(&connector(&file("/connexion"))).await;
    assert_eq!(end.snapshot, crate::store::SnapshotKind::Failed);
}

#[tokio::test]
async fn workbooks_of_both_offices_read_alike() {
    for name in ["xlsx.xlsx", "xlsx.ods"] {
        let file = folder().join(name);
        let text = format!(
            "name = \"x\"\nuse = \"xlsx\"\n[with]\nbase_url = {:?}\n",
            file.display().to_string()
        );
        let connector = connector(&text);
        let (basket, end) = pull(&connector).await;
        assert_eq!(end.error, None, "{name}");
        let lines: String = basket
            .records
            .iter()
            .map(|record| line(&connector.map(record).expect("an offer"), "http://no"))
            .collect();
        assert_eq!(
            lines,
            "  X-1 | Infirmier | 70000 Vesoul | cdi | – | 2026-11-02 | 1 characters | https://rh.tableau.example/x-1\n\
             \x20 2 | Aide-soignant | 70200 Lure | cdd | – | 2026-11-03 | 1 characters | https://rh.tableau.example/x-2\n",
            "{name}"
        );
        // A workbook that was cut does not open.
        let bytes = std::fs::read(&file).expect("a fixture");
        for cut in [10, bytes.len() / 2, bytes.len() - 30] {
            let part = tempfile::NamedTempFile::new().expect("a file");
            std::fs::write(part.path(), &bytes[..cut]).expect("written");
            let text = text.replace(
                &file.display().to_string(),
                &part.path().display().to_string(),
            );
            let (basket, end) = pull(&super::connector(&text)).await;
            assert!(
                basket.records.is_empty() && end.error.is_some(),
                "{name} cut at {cut}"
            );
        }
    }
}

#[tokio::test]
async fn an_export_of_archives_is_read_to_its_end() {
    let bytes = std::fs::read(folder().join("talentsoft-export.zips")).expect("a fixture");
    let export = move |axum::extract::RawQuery(query): axum::extract::RawQuery| {
        let first = query.unwrap_or_default().contains("offset=0");
        let bytes = if first { bytes.clone() } else { Vec::new() };
        async move { bytes }
    };
    let token = || async {
        axum::Json(serde_json::json!({
            "access_token": "jeton", "token_type": "bearer", "expires_in": 3600
        }))
    };
    let router = Router::new()
        .route("/api/token", axum::routing::post(token))
        .route("/api/exports/v1/vacancies", axum::routing::get(export));
    let base = serve(router).await;
    let connector = connector(&format!(
        "name = \"x\"\nuse = \"talentsoft-export\"\n[with]\nbase_url = \"{base}\"\nclient_id = \"x\"\nclient_secret = {{ env = \"SECRET\" }}\n"
    ));
    let (basket, end) = pull(&connector).await;
    assert_eq!(
        (end.error, end.snapshot),
        (None, crate::store::SnapshotKind::Complete)
    );
    let drafts: Vec<Draft> = basket
        .records
        .iter()
        .map(|record| connector.map(record).expect("an offer"))
        .collect();
    let lines: String = drafts.iter().map(|draft| line(draft, &base)).collect();
    assert_eq!(
        lines,
        "  2026-101 | Infirmier en réanimation | 70000 Vesoul | cdi | – | 2026-11-02 | 33 characters | –\n\
         \x20 2026-102 | Cadre de santé | 70200 Lure | cdi | – | 2026-11-02 | 17 characters | –\n"
    );
    // What a house writes for itself stays out: names of people who are replaced among it.
    assert!(!format!("{drafts:?}").contains("remplacée"));
    let seen = drafts.iter().map(|draft| draft.value(Field::Visibility));
    assert!(seen.eq([Some("public"), Some("internal")]));
}
