//! Feeds for readers and partner sites: Atom with tombstones, RSS, JSON Feed, sitemap, robots.
//!
//! Each takes the filters of `/api/v1/vacancies`, so that a member's site takes its part.

mod atom;
mod json;
mod rss;
mod site;

use super::{
    Publish,
    api::{Params, filter},
    index::{Doc, Search, Sort},
    respond::Document,
};
use axum::{
    Router,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
    routing::get,
};
use std::sync::Arc;

/// Entries of a feed: by default, and at most.
const LIMIT: usize = 200;
const MOST: usize = 1000;

pub fn routes() -> Router<Publish> {
    Router::new()
        .route("/feeds/atom.xml", get(atom_feed))
        .route("/feeds/rss.xml", get(rss_feed))
        .route("/feeds/jobs.json", get(json_feed))
        .route("/sitemap.xml", get(site::sitemap))
        .route("/sitemap-{file}", get(site::sitemap_part))
        .route("/robots.txt", get(site::robots))
}

/// What a feed is rendered from.
struct Feed {
    publish: Publish,
    /// Last changed first.
    entries: Vec<Arc<Doc>>,
    /// Path and query of this feed.
    path: String,
    /// The member, where the feed is of one alone.
    member: Option<String>,
}

impl Feed {
    fn title(&self) -> String {
        let name = &self.publish.settings().territory;
        match &self.member {
            Some(member) => format!("{member} – offres d’emploi – {name}"),
            None => format!("Offres d’emploi – {name}"),
        }
    }

    fn url(&self) -> String {
        self.publish.settings().url(&self.path)
    }

    /// The newest change in it; the epoch for an empty feed, which has no other date.
    fn updated(&self) -> jiff::Timestamp {
        self.entries
            .iter()
            .filter_map(|doc| doc.updated())
            .max()
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    fn page(&self, doc: &Doc) -> String {
        self.publish
            .settings()
            .url(&super::portal::offer_path(&doc.vacancy))
    }
}

async fn gather(publish: &Publish, path: &str, query: Option<&str>) -> Result<Feed, Response> {
    let mut params = Params::new(query);
    let filter = filter(&mut params);
    let limit = params.whole("limit", 1, MOST, LIMIT);
    params.finish().map_err(IntoResponse::into_response)?;
    let member = match filter.members.as_slice() {
        [id] => publish.network().member(id).map(|m| m.name.clone()),
        _ => None,
    };
    let search = Search {
        filter,
        sort: Sort::Updated,
        after: None,
        skip: 0,
        limit,
        facets: &[],
    };
    let page = publish
        .search(search)
        .await
        .map_err(IntoResponse::into_response)?;
    Ok(Feed {
        publish: publish.clone(),
        entries: page.hits,
        path: match query.filter(|q| !q.is_empty()) {
            Some(query) => format!("{path}?{query}"),
            None => path.into(),
        },
        member,
    })
}

async fn atom_feed(
    State(publish): State<Publish>,
    RawQuery(query): RawQuery,
) -> Result<Document, Response> {
    let feed = gather(&publish, "/feeds/atom.xml", query.as_deref()).await?;
    Ok(atom::render(&feed))
}

async fn rss_feed(
    State(publish): State<Publish>,
    RawQuery(query): RawQuery,
) -> Result<Document, Response> {
    let feed = gather(&publish, "/feeds/rss.xml", query.as_deref()).await?;
    Ok(rss::render(&feed))
}

async fn json_feed(
    State(publish): State<Publish>,
    RawQuery(query): RawQuery,
) -> Result<Document, Response> {
    let feed = gather(&publish, "/feeds/jobs.json", query.as_deref()).await?;
    Ok(json::render(&feed))
}

/// The offer's text for a feed: one paragraph of facts, then the description.
fn content(doc: &Doc) -> String {
    let vacancy = &doc.vacancy;
    let mut facts: Vec<String> = Vec::new();
    facts.extend(super::labels::employer(vacancy).map(str::to_owned));
    facts.extend(super::labels::place(vacancy));
    let o = &vacancy.offer;
    facts.extend(
        o.contract
            .as_ref()
            .and_then(|c| c.form)
            .map(|f| super::labels::contract(f).to_owned()),
    );
    facts.extend(
        o.working_time
            .as_ref()
            .and_then(super::labels::working_time),
    );
    facts.extend(o.pay.as_ref().and_then(super::labels::pay));
    let description = o
        .description
        .as_ref()
        .map(|d| super::portal::safe_html(&d.html))
        .unwrap_or_default();
    let mut html = String::from("<p>");
    super::export::escape(&mut html, &facts.join(" · "));
    html.push_str("</p>");
    html.push_str(&description);
    html
}
