//! What search engines read: the sitemap, in parts where there are many offers, and robots.txt.

use super::{place, wanted};
use crate::publish::{
    Publish, PublishError,
    api::Params,
    consumers::Asking,
    export::escape,
    index::{Filter, Search, Sort},
    portal::{offer_path, path_of},
    respond::{Document, Problem},
};
use axum::{
    extract::{Path, RawQuery, State},
    response::{IntoResponse, Response},
};
use std::fmt::Write as _;

const TYPE: &str = "application/xml; charset=utf-8";
/// Addresses of one file; the protocol allows 50,000. Tests see parts with fewer.
const MOST: usize = if cfg!(test) { 100 } else { 40_000 };
const NAMESPACE: &str = "http://www.sitemaps.org/schemas/sitemap/0.9";
const HEADER: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

pub async fn sitemap(
    State(publish): State<Publish>,
    caller: Asking,
    RawQuery(query): RawQuery,
) -> Result<Document, Response> {
    let rows = rows(&publish, &caller, query.as_deref()).await?;
    if rows.len() <= MOST {
        return Ok(urls(&rows));
    }
    let mut out = format!("{HEADER}<sitemapindex xmlns=\"{NAMESPACE}\">\n");
    for (part, rows) in rows.chunks(MOST).enumerate() {
        let path = format!("/sitemap-{}.xml", part + 1);
        let url = publish.settings().url(&place(&path, query.as_deref()));
        out.push_str("  <sitemap><loc>");
        escape(&mut out, &url);
        out.push_str("</loc>");
        if let Some(at) = rows.iter().filter_map(|(_, at)| at.as_ref()).max() {
            let _ = write!(out, "<lastmod>{at}</lastmod>");
        }
        out.push_str("</sitemap>\n");
    }
    out.push_str("</sitemapindex>\n");
    Ok(Document::new(TYPE, out))
}

pub async fn sitemap_part(
    State(publish): State<Publish>,
    Path(file): Path<String>,
    caller: Asking,
    RawQuery(query): RawQuery,
) -> Result<Document, Response> {
    let missing = || Problem::not_found("there is no such sitemap").into_response();
    let part: usize = file
        .strip_suffix(".xml")
        .and_then(|number| number.parse().ok())
        .ok_or_else(missing)?;
    let rows = rows(&publish, &caller, query.as_deref()).await?;
    rows.chunks(MOST)
        .nth(part.wrapping_sub(1))
        .map(urls)
        .ok_or_else(missing)
}

type Row = (String, Option<jiff::Timestamp>);

/// What the parameters ask for.
async fn rows(
    publish: &Publish,
    caller: &Asking,
    query: Option<&str>,
) -> Result<Vec<Row>, Response> {
    let mut params = Params::new(query);
    let filter = wanted(&mut params, caller);
    params.finish().map_err(IntoResponse::into_response)?;
    let rows = match filter == Filter::default() {
        true => everything(publish).await,
        false => some(publish, filter).await,
    };
    rows.map_err(IntoResponse::into_response)
}

/// The pages of the offers that `filter` admits, by id, after those of the members it names.
async fn some(publish: &Publish, filter: Filter) -> Result<Vec<Row>, PublishError> {
    let settings = publish.settings();
    let members = publish.network();
    let members = filter
        .members
        .iter()
        .filter(|id| members.member(id).is_some());
    let mut all: Vec<Row> = members
        .map(|id| (settings.url(&format!("/structures/{id}")), None))
        .collect();
    let begin = all.len();
    let mut search = Search {
        filter,
        sort: Sort::Updated,
        after: None,
        skip: 0,
        limit: super::MOST,
        facets: &[],
    };
    loop {
        let page = publish.search(search.clone()).await?;
        let rows = page.hits.iter();
        all.extend(rows.map(|doc| (settings.url(&offer_path(&doc.vacancy)), doc.updated())));
        match page.next {
            Some(next) => search.after = Some(next),
            None => break,
        }
    }
    all[begin..].sort_unstable_by(|a, b| a.0.cmp(&b.0));
    // What changed between two pages may stand on both.
    all.dedup_by(|a, b| a.0 == b.0);
    Ok(all)
}

/// Every page of an offer by id, after the pages that are always there.
async fn everything(publish: &Publish) -> Result<Vec<Row>, PublishError> {
    let addresses = publish.addresses().await?;
    let settings = publish.settings();
    let mut all: Vec<Row> = vec![
        (settings.url("/"), None),
        (settings.url("/structures"), None),
    ];
    let network = publish.network();
    all.extend(
        network
            .members
            .keys()
            .map(|id| (settings.url(&format!("/structures/{id}")), None)),
    );
    all.extend(addresses.into_iter().map(|address| {
        let url = settings.url(&path_of(address.id, &address.slug));
        (url, address.updated)
    }));
    Ok(all)
}

fn urls(rows: &[Row]) -> Document {
    let mut out = format!("{HEADER}<urlset xmlns=\"{NAMESPACE}\">\n");
    for (url, updated) in rows {
        out.push_str("  <url><loc>");
        escape(&mut out, url);
        out.push_str("</loc>");
        if let Some(at) = updated {
            let _ = write!(out, "<lastmod>{at}</lastmod>");
        }
        out.push_str("</url>\n");
    }
    out.push_str("</urlset>\n");
    Document::new(TYPE, out)
}

pub async fn robots(State(publish): State<Publish>) -> Document {
    let sitemap = publish.settings().url("/sitemap.xml");
    // Synthetic offers must not end up in a search engine.
    let rules = if publish.settings().synthetic.is_some() {
        "Disallow: /\n"
    } else {
        "Disallow: /admin/\nDisallow: /api/\n"
    };
    Document::new(
        "text/plain; charset=utf-8",
        format!("User-agent: *\n{rules}\nSitemap: {sitemap}\n"),
    )
}
