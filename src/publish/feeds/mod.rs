//! Feeds for readers and partner sites: Atom with tombstones, RSS, JSON Feed, sitemap, robots.
//!
//! Each takes the filters of `/api/v1/vacancies`, so that a member's site takes its part; a consumer
//! with a key has its own filter besides. Feeds of many offers come in pages (RFC 5005, `next_url` of
//! JSON Feed), the last changed first.

mod atom;
mod json;
mod rss;
mod site;

use super::{
    Publish,
    api::{Params, filter, fingerprint},
    consumers::{Asking, Caller},
    index::{Doc, Filter, Search, Sort},
    respond::Document,
};
use axum::{
    Extension, Router,
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
    /// Path and query of this feed, and of this page of it.
    path: String,
    page: String,
    /// Path and query of the next page, if there is one.
    next: Option<String>,
    /// Whether it is the feed's first page.
    first: bool,
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

    /// Where the feed begins: its name, too.
    fn url(&self) -> String {
        self.publish.settings().url(&self.path)
    }

    /// Where this page is.
    fn own_url(&self) -> String {
        self.publish.settings().url(&self.page)
    }

    fn next_url(&self) -> Option<String> {
        let next = self.next.as_ref()?;
        Some(self.publish.settings().url(next))
    }

    /// The newest change in it; the epoch for an empty feed, which has no other date.
    fn updated(&self) -> jiff::Timestamp {
        self.entries
            .iter()
            .filter_map(|doc| doc.updated())
            .max()
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    fn offer(&self, doc: &Doc) -> String {
        self.publish
            .settings()
            .url(&super::portal::offer_path(&doc.vacancy))
    }
}

/// What the parameters ask for, within what the caller may see.
fn wanted(params: &mut Params, caller: &Asking) -> Filter {
    let mut filter = filter(params);
    if let Some(Extension(Caller(consumer))) = caller {
        consumer.narrow(&mut filter);
    }
    filter
}

/// `path` with `query`, without its parameter `cursor`.
fn place(path: &str, query: Option<&str>) -> String {
    let parts = query.unwrap_or_default().split('&');
    let kept = parts.filter(|part| !part.is_empty() && part.split('=').next() != Some("cursor"));
    let kept: Vec<&str> = kept.collect();
    match kept.is_empty() {
        true => path.to_owned(),
        false => format!("{path}?{}", kept.join("&")),
    }
}

/// `place`, from `cursor` on.
fn from(place: &str, cursor: &str) -> String {
    let joint = if place.contains('?') { '&' } else { '?' };
    format!("{place}{joint}cursor={cursor}")
}

async fn gather(
    publish: &Publish,
    path: &str,
    caller: &Asking,
    query: Option<&str>,
) -> Result<Feed, Response> {
    let mut params = Params::new(query);
    let filter = wanted(&mut params, caller);
    let limit = params.whole("limit", 1, MOST, LIMIT);
    let question = fingerprint(&filter, Sort::Updated);
    let cursor = params.one("cursor");
    let after = cursor.as_ref().and_then(|text| {
        let read = publish.codec().read_page(text, question);
        let refuse = |refused: super::api::Refused| {
            params.refuse("cursor", text, refused.message());
        };
        read.map_err(refuse).ok()
    });
    params.finish().map_err(IntoResponse::into_response)?;
    let member = match filter.members.as_slice() {
        [id] => publish.network().member(id).map(|m| m.name.clone()),
        _ => None,
    };
    let search = Search {
        filter,
        sort: Sort::Updated,
        after,
        skip: 0,
        limit,
        facets: &[],
    };
    let page = publish
        .search(search)
        .await
        .map_err(IntoResponse::into_response)?;
    let path = place(path, query);
    let next = page.next.as_ref();
    Ok(Feed {
        publish: publish.clone(),
        entries: page.hits,
        next: next.map(|mark| from(&path, &publish.codec().page(question, mark))),
        page: match &cursor {
            Some(cursor) => from(&path, cursor),
            None => path.clone(),
        },
        first: cursor.is_none(),
        path,
        member,
    })
}

async fn atom_feed(
    State(publish): State<Publish>,
    caller: Asking,
    RawQuery(query): RawQuery,
) -> Result<Document, Response> {
    let feed = gather(&publish, "/feeds/atom.xml", &caller, query.as_deref()).await?;
    Ok(atom::render(&feed))
}

async fn rss_feed(
    State(publish): State<Publish>,
    caller: Asking,
    RawQuery(query): RawQuery,
) -> Result<Document, Response> {
    let feed = gather(&publish, "/feeds/rss.xml", &caller, query.as_deref()).await?;
    Ok(rss::render(&feed))
}

async fn json_feed(
    State(publish): State<Publish>,
    caller: Asking,
    RawQuery(query): RawQuery,
) -> Result<Document, Response> {
    let feed = gather(&publish, "/feeds/jobs.json", &caller, query.as_deref()).await?;
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
