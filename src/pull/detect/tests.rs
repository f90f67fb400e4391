//! Each source is named rightly, from its replica and from its records alone; pages that are none
//! of them are *unknown*.

use super::{Detection, Wanted, detect};
use crate::pull::connector::Catalogue;
use crate::pull::source::tests::{env, fixtures, services::serve};
use axum::Router;
use axum::http::header;
use std::path::PathBuf;

async fn seek(url: &str) -> Detection {
    let wanted = Wanted {
        name: "essai".to_owned(),
        member: None,
        schedule: None,
    };
    detect(url, &wanted, &Catalogue::embedded(), &env()).await
}

/// Serves bytes at one neutral path; 404 elsewhere.
async fn neutral(bytes: Vec<u8>) -> String {
    let router = Router::new().route(
        "/data/42",
        axum::routing::any(move || {
            let bytes = bytes.clone();
            async move { ([(header::CONTENT_TYPE, "application/octet-stream")], bytes) }
        }),
    );
    format!("{}/data/42", serve(router).await)
}

#[tokio::test]
async fn payloads_of_the_corpus_are_named_by_their_records() {
    let Some(corpus) = std::env::var_os("PASSERELLE_CORPUS").map(PathBuf::from) else {
        eprintln!("skipped: PASSERELLE_CORPUS is not set");
        return;
    };
    let mut wrong = Vec::new();
    for (path, expected) in [
        ("ats/ashby.json", "ashby"),
        ("ats/ashby_nabla.json", "ashby"),
        ("ats/boardwatch/ashby_normal.json", "ashby"),
        ("ats/boardwatch/greenhouse_normal.json", "greenhouse"),
        ("ats/boardwatch/lever_normal.json", "lever"),
        ("ats/greenhouse.json", "greenhouse"),
        ("ats/lever.json", "lever"),
        ("ats/personio.xml", "personio"),
        ("ats/recruitee.json", "recruitee"),
        ("ats/smartrecruiters.json", "smartrecruiters"),
        ("ats/teamtailor.json", "teamtailor-public"),
        ("ats/teamtailor/jobs.json", "teamtailor"),
        (
            "ats/welcome-to-the-jungle/embed_documented.json",
            "welcomekit-embed",
        ),
        (
            "ats/welcome-to-the-jungle/external_jobs_list_documented.json",
            "welcomekit",
        ),
        ("ats/workable.json", "workable"),
        ("csv/talentsoft_export_50x56.csv", "proposed|csv|unknown"),
        ("france-travail/search_response_150.json", "france-travail"),
        ("hr-xml/PositionOpeningExample.xml", "hr-xml"),
        ("partner-feeds/apec.xml", "apec"),
        ("partner-feeds/clever-connect.xml", "cleverconnect"),
        ("partner-feeds/decathlon.json", "digitalrecruiters-export"),
        ("partner-feeds/edf.xml", "talentsoft-xml"),
        ("partner-feeds/france-travail-cegid.json", "talentsoft"),
        ("partner-feeds/hello-work.xml", "hellowork"),
        ("partner-feeds/leboncoin.csv", "leboncoin"),
        ("partner-feeds/pass.rss", "pass"),
    ] {
        let bytes = std::fs::read(corpus.join(path)).expect("a payload");
        let found = seek(&neutral(bytes).await).await;
        if !expected.split('|').any(|name| name == found.id) {
            wrong.push(format!(
                "{path}: {} not {expected}: {:?}",
                found.id, found.evidence
            ));
        } else if found.id == expected && !found.proven {
            wrong.push(format!(
                "{path}: not proven: {:?}\n{:?}",
                found.evidence, found.file
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where the replicas of the documented presets answer, as an admin would paste it.
const ADDRESSES: &[(&str, &str)] = &[
    ("bamboohr", "/careers/list"),
    ("beetween", "/api/job/list"),
    (
        "digitalrecruiters-public",
        "/public/v1/careers-site/job-ads?domainName=emploi.agence.example",
    ),
    ("flatchr", "/company/clinique-des-pres.json"),
    ("icims", "/jobs/search?ss=1&in_iframe=1"),
    ("jobaffinity", "/feed/abc/json"),
    ("nicoka", "/api/jobs/published"),
    (
        "oracle-recruiting-cloud",
        "/hcmRestApi/resources/latest/recruitingCEJobRequisitions",
    ),
    ("successfactors", "/sitemal.xml"),
    ("taleez", "/0/jobs"),
    ("talentplug", "/xml.aspx?jbID=Qw3"),
    ("talentsoft-rss", "/handlers/offerRss.ashx?LCID=1036"),
    ("teamtailor-rss", "/jobs.rss"),
    ("workable-v3", "/api/v3/accounts/clinique/jobs"),
    ("workday", "/wday/cxs/groupe/Carrieres/jobs"),
    ("atom", "/offres.atom"),
    ("hr-xml", "/positions.xml"),
    ("jooble", "/flux.xml"),
    ("json-feed", "/feed.json"),
    ("linkedin-xml", "/flux.xml"),
    ("rss", "/offres.rss"),
];

#[tokio::test]
async fn replicas_are_named_at_their_addresses() {
    let mut wrong = Vec::new();
    for (preset, path) in ADDRESSES {
        let detail = fixtures::PRESETS
            .iter()
            .find(|(name, ..)| name == preset)
            .map_or("", |(_, _, detail)| detail);
        let base = fixtures::replica(preset, detail).await;
        let found = seek(&format!("{base}{path}")).await;
        if found.id != *preset {
            wrong.push(format!(
                "{preset}: {} {:?}\n{:?}",
                found.id, found.evidence, found.file
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn pages_that_are_none_are_unknown() {
    for page in [
        "<html><body><h1>Bienvenue</h1><p>Nos services de soins.</p></body></html>",
        "<html><body><form action=\"/login\"><input name=\"user\"></form></body></html>",
        "<html><body><h1>404</h1></body></html>",
        "<html><head><script type=\"application/ld+json\">{\"@type\":\"Organization\",\"name\":\"CH\"}</script></head></html>",
        "{\"status\":\"ok\",\"version\":\"1.2\"}",
        "[{\"id\":1,\"name\":\"Chaise\",\"price\":12},{\"id\":2,\"name\":\"Table\",\"price\":80},{\"id\":3,\"name\":\"Lampe\",\"price\":8}]",
        "{\"items\":[{\"id\":\"a\",\"title\":\"Brève de presse\",\"url\":\"https://x.example/a\"},{\"id\":\"b\",\"title\":\"La fête du village\",\"url\":\"https://x.example/b\"}]}",
        "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><item><title>La fête du village</title><link>https://x.example/1</link><guid>1</guid></item><item><title>Marché de Noël</title><link>https://x.example/2</link><guid>2</guid></item></channel></rss>",
        "<?xml version=\"1.0\"?><catalog><book id=\"1\"><title>Contes</title><author>X</author></book><book id=\"2\"><title>Fables</title><author>Y</author></book></catalog>",
        "date;produit;montant\n2026-01-01;chaise;12\n2026-01-02;table;80\n",
        "Not Found",
        "",
    ] {
        let found = seek(&neutral(page.as_bytes().to_vec()).await).await;
        assert_eq!(found.id, "unknown", "{page}: {:?}", found.evidence);
        let router = Router::new().fallback(move || async move { axum::response::Html(page) });
        let found = seek(&serve(router).await).await;
        assert_eq!(
            found.id, "unknown",
            "{page} everywhere: {:?}",
            found.evidence
        );
    }
}

#[tokio::test]
async fn a_feed_that_nobody_knows_gets_a_mapping() {
    let json = r#"{"meta":{"n":2},"annonces":{"liste":[
      {"num_annonce":"A-1","intituleAnnonce":"Infirmier de nuit H/F","texteAnnonce":"Vous assurez les soins de nuit en EHPAD.","lieu":{"ville":"Vesoul","codePostal":"70000"},"typeContrat":"CDI","datePublication":"02/11/2026","lienCandidature":"https://rh.example/a-1"},
      {"num_annonce":"A-2","intituleAnnonce":"Aide-soignant H/F","texteAnnonce":"Vous accompagnez les résidents au quotidien.","lieu":{"ville":"Lure","codePostal":"70200"},"typeContrat":"CDD","datePublication":"03/11/2026","lienCandidature":"https://rh.example/a-2"}]}}"#;
    let found = seek(&neutral(json.as_bytes().to_vec()).await).await;
    assert_eq!(found.id, "proposed", "{:?}", found.evidence);
    assert!(found.proven, "{:?}", found.evidence);
    let file = found.file.unwrap_or_default();
    // The address has a port of its own in each run.
    let lines: Vec<&str> = file.lines().filter(|l| !l.starts_with("url = ")).collect();
    insta::assert_snapshot!(lines.join("\n"));
}
