//! What search engines read: the sitemap, in parts where there are many offers, and robots.txt.

use crate::publish::{
    Publish, PublishError,
    export::escape,
    portal::path_of,
    respond::{Document, Problem},
};
use axum::{
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use std::fmt::Write as _;

const TYPE: &str = "application/xml; charset=utf-8";
/// Addresses of one file; the protocol allows 50,000.
const MOST: usize = 40_000;
const NAMESPACE: &str = "http://www.sitemaps.org/schemas/sitemap/0.9";
const HEADER: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

pub async fn sitemap(State(publish): State<Publish>) -> Result<Document, Response> {
    let rows = rows(&publish).await.map_err(IntoResponse::into_response)?;
    if rows.len() <= MOST {
        return Ok(urls(&rows));
    }
    let mut out = format!("{HEADER}<sitemapindex xmlns=\"{NAMESPACE}\">\n");
    for (part, rows) in rows.chunks(MOST).enumerate() {
        let url = publish
            .settings()
            .url(&format!("/sitemap-{}.xml", part + 1));
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
) -> Result<Document, Response> {
    let missing = || Problem::not_found("there is no such sitemap").into_response();
    let part: usize = file
        .strip_suffix(".xml")
        .and_then(|number| number.parse().ok())
        .ok_or_else(missing)?;
    let rows = rows(&publish).await.map_err(IntoResponse::into_response)?;
    rows.chunks(MOST)
        .nth(part.wrapping_sub(1))
        .map(urls)
        .ok_or_else(missing)
}

type Row = (String, Option<jiff::Timestamp>);

/// Every page of an offer by id, after the pages that are always there.
async fn rows(publish: &Publish) -> Result<Vec<Row>, PublishError> {
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
