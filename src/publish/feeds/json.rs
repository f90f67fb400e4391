//! JSON Feed 1.1; the vacancy itself travels in the extension `_passerelle`.

use super::{Feed, content};
use crate::publish::{labels, respond::Document};
use serde_json::{Value, json};

const TYPE: &str = "application/feed+json";

pub fn render(feed: &Feed) -> Document {
    let settings = feed.publish.settings();
    let items: Vec<Value> = feed
        .entries
        .iter()
        .map(|doc| {
            let o = &doc.vacancy.offer;
            let mut item = json!({
                "id": format!("urn:uuid:{}", doc.id()),
                "url": feed.offer(doc),
                "title": labels::title(&doc.vacancy),
                "content_html": content(doc),
                "language": o.language.as_deref().unwrap_or("fr"),
                "_passerelle": {
                    "vacancy": serde_json::from_slice::<Value>(&doc.body).unwrap_or_default(),
                },
            });
            if let Some(summary) = o.description.as_ref().and_then(|d| d.summary.clone()) {
                item["summary"] = summary.into();
            }
            if let Some(at) = o.published {
                item["date_published"] = at.to_string().into();
            }
            if let Some(at) = doc.updated() {
                item["date_modified"] = at.to_string().into();
            }
            if let Some(name) = labels::employer(&doc.vacancy) {
                item["authors"] = json!([{ "name": name }]);
            }
            let tags: Vec<&str> = [
                o.occupation
                    .as_ref()
                    .and_then(|x| x.family)
                    .map(labels::family),
                o.contract
                    .as_ref()
                    .and_then(|c| c.form)
                    .map(labels::contract),
            ]
            .into_iter()
            .flatten()
            .collect();
            if !tags.is_empty() {
                item["tags"] = tags.into();
            }
            item
        })
        .collect();
    let mut document = json!({
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title(),
        "home_page_url": settings.url("/"),
        "feed_url": feed.own_url(),
        "language": "fr",
        "authors": [{ "name": settings.territory, "url": settings.url("/") }],
        "items": items,
    });
    if let Some(next) = feed.next_url() {
        document["next_url"] = next.into();
    }
    if let Some(notice) = &settings.synthetic {
        document["description"] = notice.clone().into();
    }
    Document::new(TYPE, document.to_string())
}
