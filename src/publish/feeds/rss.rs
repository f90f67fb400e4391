//! RSS 2.0, for readers that know nothing better.

use super::{Feed, content};
use crate::publish::{
    export::{escape, rfc822},
    labels,
    respond::Document,
};
use std::fmt::Write as _;

const TYPE: &str = "application/rss+xml; charset=utf-8";

pub fn render(feed: &Feed) -> Document {
    let settings = feed.publish.settings();
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\" xmlns:atom=\"http://www.w3.org/2005/Atom\">\n<channel>\n",
    );
    let element = |out: &mut String, name: &str, text: &str| {
        let _ = write!(out, "<{name}>");
        escape(out, text);
        let _ = writeln!(out, "</{}>", name.split(' ').next().unwrap_or(name));
    };
    element(&mut out, "title", &feed.title());
    element(&mut out, "link", &settings.url("/"));
    element(
        &mut out,
        "description",
        settings
            .synthetic
            .as_deref()
            .unwrap_or("Offres d’emploi de la santé et du médico-social"),
    );
    element(&mut out, "language", "fr");
    element(&mut out, "lastBuildDate", &rfc822(feed.updated()));
    let links = [("self", Some(feed.own_url())), ("next", feed.next_url())];
    for (rel, url) in links {
        if let Some(url) = url {
            let _ = write!(
                out,
                "<atom:link rel=\"{rel}\" type=\"application/rss+xml\" href=\""
            );
            escape(&mut out, &url);
            out.push_str("\"/>\n");
        }
    }
    for doc in &feed.entries {
        let o = &doc.vacancy.offer;
        out.push_str("<item>\n");
        element(&mut out, "title", &labels::title(&doc.vacancy));
        element(&mut out, "link", &feed.offer(doc));
        element(
            &mut out,
            "guid isPermaLink=\"false\"",
            &format!("urn:uuid:{}", doc.id()),
        );
        if let Some(at) = o.published.or(o.updated) {
            element(&mut out, "pubDate", &rfc822(at));
        }
        element(&mut out, "description", &content(doc));
        out.push_str("</item>\n");
    }
    out.push_str("</channel>\n</rss>\n");
    Document::new(TYPE, out)
}
