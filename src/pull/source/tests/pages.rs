//! Pages that were made for people.

use super::services::serve;
use super::{Basket, connector, env, pull};
use crate::pull::source::read;
use crate::store::{ConnectorState, SnapshotKind};
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Html;
use axum::routing::get;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[tokio::test]
async fn a_careers_site_is_read_through_its_sitemap() {
    let router = Router::new()
        .route("/sitemap.xml", get(|headers: HeaderMap| async move {
            let host = headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
            format!("<urlset><url><loc>http://{host}/offre/1</loc><lastmod>2026-11-02</lastmod></url>\
                     <url><loc>http://{host}/contact</loc></url><url><loc>http://{host}/offre/2</loc></url></urlset>")
        }))
        .route("/offre/1", get(|| async {
            Html("<html><script type='application/ld+json'>{\"@type\":\"JobPosting\",\"title\":\"Infirmier H/F\",\
             \"datePosted\":\"2026-11-01\",\"employmentType\":[\"FULL_TIME\"],\"jobLocation\":{\"address\":{\"postalCode\":\"NA\",\"addressLocality\":\"Vesoul\"}}}</script></html>")
        }))
        .route("/offre/2", get(|| async { StatusCode::GONE }));
    let base = serve(router).await;
    let connector = connector(&format!(
        "name = \"x\"\nuse = \"careers-jsonld\"\nwith = {{ base_url = \"{base}/sitemap.xml\", rate = 100 }}\n"
    ));
    let (basket, end) = pull(&connector).await;
    assert_eq!((end.snapshot, end.error), (SnapshotKind::Complete, None));
    assert_eq!((basket.records.len(), basket.broken.len()), (1, 0));
    let draft = connector.map(&basket.records[0]).expect("a draft");
    assert_eq!(
        draft.value(crate::model::Field::Title),
        Some("Infirmier H/F")
    );
    assert_eq!(draft.value(crate::model::Field::WorkingTime), Some("full"));
    assert_eq!(draft.places.len(), 1);
    assert_eq!(draft.places[0].len(), 1);
}

const LIST: &str = "<!doctype html><html><body>\
    <article><h2>Infirmier</h2><a href='/offres/1'>Voir</a></article></body></html>";

fn html_list(base: &str) -> String {
    format!(
        "name = \"x\"\n[source]\nkind = \"html\"\nurl = \"{base}/offres\"\nrate = 100\n\
         [source.html]\nselect = \"article\"\nvalues = {{ titre = \"h2\", lien = \"a@href\" }}\n\
         [fields]\nreference = \"lien\"\ntitle = \"titre\"\n"
    )
}

/// The pages that a site forbids are not asked for, and the run says who forbids them.
#[tokio::test]
async fn robots_txt_is_asked_once_and_heeded() {
    let asked = Arc::new(AtomicU64::new(0));
    let (robots, pages) = (asked.clone(), asked.clone());
    let router = Router::new()
        .route(
            "/robots.txt",
            get(move || async move {
                robots.fetch_add(1, Ordering::SeqCst);
                "User-agent: *\nDisallow: /offres"
            }),
        )
        .route(
            "/offres",
            get(move || async move {
                pages.fetch_add(100, Ordering::SeqCst);
                Html(LIST)
            }),
        )
        .route(
            "/sitemap.xml",
            get(|headers: HeaderMap| async move {
                let host = headers.get(header::HOST).and_then(|v| v.to_str().ok());
                let host = host.unwrap_or_default();
                format!("<urlset><url><loc>http://{host}/offres?1</loc></url></urlset>")
            }),
        );
    let base = serve(router).await;
    let env = env();
    let list = connector(&html_list(&base));
    for _ in 0..2 {
        let mut basket = Basket::default();
        let end = read(&list, &ConnectorState::default(), &env, &mut basket).await;
        assert_eq!(end.snapshot, SnapshotKind::Failed);
        let error = end.error.unwrap_or_default();
        assert!(
            error.contains("robots.txt says `Disallow: /offres`"),
            "{error}"
        );
    }
    let site = connector(&format!(
        "name = \"x\"\nuse = \"careers-jsonld\"\nwith = {{ base_url = \"{base}/sitemap.xml\", rate = 100 }}\n"
    ));
    let mut basket = Basket::default();
    let end = read(&site, &ConnectorState::default(), &env, &mut basket).await;
    assert_eq!(end.snapshot, SnapshotKind::Partial);
    assert!(end.error.is_some_and(|error| error.contains("robots.txt")));
    assert_eq!((basket.records.len(), basket.broken.len()), (0, 1));
    assert_eq!(asked.load(Ordering::SeqCst), 1, "one file, no page");
}

/// Without a file all is allowed; a site that cannot say forbids all; redirects are heeded too.
#[tokio::test]
async fn a_site_without_robots_txt_forbids_nothing_and_a_broken_one_everything() {
    let open = Router::new().route("/offres", get(|| async { Html(LIST) }));
    let (basket, end) = pull(&connector(&html_list(&serve(open.clone()).await))).await;
    assert_eq!((end.snapshot, end.error), (SnapshotKind::Complete, None));
    assert_eq!(basket.records.len(), 1);

    let broken = open.clone().route(
        "/robots.txt",
        get(|| async { StatusCode::SERVICE_UNAVAILABLE }),
    );
    let (_, end) = pull(&connector(&html_list(&serve(broken).await))).await;
    assert_eq!(end.snapshot, SnapshotKind::Failed);
    let error = end.error.unwrap_or_default();
    assert!(error.contains("robots.txt cannot be read"), "{error}");

    let closed = Router::new()
        .route(
            "/robots.txt",
            get(|| async { "User-agent: *\nDisallow: /" }),
        )
        .route("/offres", get(|| async { Html(LIST) }));
    let closed = serve(closed).await;
    let elsewhere = Router::new().route(
        "/offres",
        get(move || async move { axum::response::Redirect::to(&format!("{closed}/offres")) }),
    );
    let (_, end) = pull(&connector(&html_list(&serve(elsewhere).await))).await;
    assert_eq!(end.snapshot, SnapshotKind::Failed);
    assert!(end.error.is_some_and(|error| error.contains("Disallow: /")));
}

/// Only the statuses that say so are a page that is gone.
#[tokio::test]
async fn pages_say_whether_their_offers_are_there() {
    let router = Router::new()
        .route("/offres/1", get(|| async { Html(LIST) }))
        .route("/offres/2", get(|| async { StatusCode::GONE }))
        .route("/offres/3", get(|| async { StatusCode::FORBIDDEN }))
        .route(
            "/offres/4",
            get(|| async { StatusCode::INTERNAL_SERVER_ERROR }),
        );
    let base = serve(router).await;
    let text = html_list(&base) + "[probe]\nurl = \"{{ lien }}\"\n";
    let links = [
        "/offres/1",
        "/offres/2",
        "/offres/3",
        "/offres/4",
        "/offres/5",
        "",
        "mailto:a@b",
    ];
    let records = links.map(|link| serde_json::json!({ "titre": "a", "lien": link }));
    let pages = crate::pull::source::probe(&connector(&text), &env(), &records).await;
    use crate::pull::run::Page::{Gone, Silent, There};
    assert_eq!(pages, [There, Gone, Silent, Silent, Gone, Silent, Silent]);
}

#[tokio::test]
async fn an_offset_within_a_longer_parameter_walks_the_pages() {
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&asked);
    let router = axum::Router::new().fallback(move |request: axum::extract::Request| {
        let seen = std::sync::Arc::clone(&seen);
        async move {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let finder = url::form_urlencoded::parse(query.as_bytes())
                .find(|(name, _)| name == "finder")
                .map(|(_, value)| value.into_owned())
                .unwrap_or_default();
            let offset: usize = finder
                .rsplit_once("offset=")
                .and_then(|(_, n)| n.parse().ok())
                .unwrap_or(99);
            seen.lock().expect("a list").push(finder);
            let jobs: Vec<_> = (offset..5)
                .take(2)
                .map(|n| serde_json::json!({ "id": n, "title": "Offre" }))
                .collect();
            axum::Json(serde_json::json!({ "total": 5, "jobs": jobs }))
        }
    });
    let base = super::services::serve(router).await;
    let file = format!(
        "name = \"x\"\n[source]\nkind = \"json\"\nurl = \"{base}\"\n[source.paging]\nkind = \"offset\"\nparam = \"finder\"\n\
         form = \"find;limit=2,offset={{}}\"\nsize = 2\n[records]\npath = \"jobs\"\ntotal = \"total\"\n[fields]\nreference = \"id\"\ntitle = \"title\"\n"
    );
    let (basket, end) = super::pull(&super::connector(&file)).await;
    assert_eq!(
        (end.error, end.snapshot),
        (None, crate::store::SnapshotKind::Complete)
    );
    assert_eq!(basket.records.len(), 5);
    let asked = asked.lock().expect("a list");
    assert_eq!(
        *asked,
        [0, 2, 4].map(|n| format!("find;limit=2,offset={n}"))
    );
}
