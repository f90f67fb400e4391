//! Atom (RFC 4287) with tombstones (RFC 6721).

use super::{Feed, content};
use crate::publish::{export::escape, index::Tombstone, labels, respond::Document};
use jiff::{SignedDuration, Timestamp};
use std::fmt::Write as _;

const TYPE: &str = "application/atom+xml; charset=utf-8";
/// Tombstones of a feed are at most that much older than the newest.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(24 * 90);

pub fn render(feed: &Feed) -> Document {
    let tombstones = match feed.first {
        true => tombstones(feed),
        false => Vec::new(),
    };
    let settings = feed.publish.settings();
    let updated = tombstones
        .iter()
        .map(|gone| gone.at)
        .chain([feed.updated()])
        .max()
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let mut out = String::from(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\" xmlns:at=\"http://purl.org/atompub/tombstones/1.0\" xml:lang=\"fr\">\n",
    );
    let element = |out: &mut String, indent: &str, name: &str, text: &str| {
        out.push_str(indent);
        let _ = write!(out, "<{name}>");
        escape(out, text);
        let _ = writeln!(out, "</{}>", name.split(' ').next().unwrap_or(name));
    };
    let link = |out: &mut String, indent: &str, rel: &str, kind: &str, href: &str| {
        let _ = write!(out, "{indent}<link rel=\"{rel}\" type=\"{kind}\" href=\"");
        escape(out, href);
        out.push_str("\"/>\n");
    };
    element(&mut out, "  ", "id", &feed.url());
    element(&mut out, "  ", "title", &feed.title());
    element(&mut out, "  ", "updated", &updated.to_string());
    out.push_str("  <author>");
    element(&mut out, "", "name", &settings.territory);
    out.truncate(out.trim_end().len());
    out.push_str("</author>\n");
    if let Some(notice) = &settings.synthetic {
        element(&mut out, "  ", "subtitle", notice);
    }
    let kind = "application/atom+xml";
    link(&mut out, "  ", "self", kind, &feed.own_url());
    link(&mut out, "  ", "alternate", "text/html", &settings.url("/"));
    if !feed.first {
        link(&mut out, "  ", "first", kind, &feed.url());
    }
    if let Some(next) = feed.next_url() {
        link(&mut out, "  ", "next", kind, &next);
    }
    for doc in &feed.entries {
        let o = &doc.vacancy.offer;
        out.push_str("  <entry>\n");
        element(&mut out, "    ", "id", &format!("urn:uuid:{}", doc.id()));
        element(&mut out, "    ", "title", &labels::title(&doc.vacancy));
        let at = doc.updated().unwrap_or(Timestamp::UNIX_EPOCH);
        element(&mut out, "    ", "updated", &at.to_string());
        if let Some(at) = o.published {
            element(&mut out, "    ", "published", &at.to_string());
        }
        if let Some(name) = labels::employer(&doc.vacancy) {
            out.push_str("    <author>");
            element(&mut out, "", "name", name);
            out.truncate(out.trim_end().len());
            out.push_str("</author>\n");
        }
        link(&mut out, "    ", "alternate", "text/html", &feed.offer(doc));
        for (scheme, term, label) in categories(doc) {
            let _ = write!(out, "    <category scheme=\"");
            escape(&mut out, &settings.url(&format!("/api/#{scheme}")));
            let _ = write!(out, "\" term=\"");
            escape(&mut out, &term);
            let _ = write!(out, "\" label=\"");
            escape(&mut out, label);
            out.push_str("\"/>\n");
        }
        element(&mut out, "    ", "content type=\"html\"", &content(doc));
        out.push_str("  </entry>\n");
    }
    for Tombstone { id, at } in tombstones {
        let _ = writeln!(
            out,
            "  <at:deleted-entry ref=\"urn:uuid:{id}\" when=\"{at}\"/>"
        );
    }
    out.push_str("</feed>\n");
    Document::new(TYPE, out)
}

fn categories(doc: &super::Doc) -> Vec<(&'static str, String, &'static str)> {
    let o = &doc.vacancy.offer;
    let mut list = Vec::new();
    if let Some(family) = o.occupation.as_ref().and_then(|x| x.family) {
        list.push(("family", labels::code(&family), labels::family(family)));
    }
    if let Some(form) = o.contract.as_ref().and_then(|c| c.form) {
        list.push(("contract", labels::code(&form), labels::contract(form)));
    }
    list
}

/// The newest tombstones, the latest first. What a closed offer was is no longer known here, so a
/// filtered feed has those of all offers: a reader ignores the ids that it never had.
fn tombstones(feed: &Feed) -> Vec<Tombstone> {
    let mut found: Vec<Tombstone> = feed.publish.tombstones();
    found.reverse();
    let newest = found.iter().map(|gone| gone.at).max();
    found.retain(|gone| newest.is_some_and(|newest| newest.duration_since(gone.at) <= REMEMBERED));
    found
}
