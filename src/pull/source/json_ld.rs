//! schema.org JobPosting in the JSON-LD of a careers page.

use scraper::{Html, Selector};
use serde_json::Value;

/// Depth to which `@graph` and lists are searched.
const DEPTH: usize = 8;

/// The first JobPosting of a page.
pub fn posting(page: &str) -> Option<Value> {
    let document = Html::parse_document(page);
    let scripts = Selector::parse("script").ok()?;
    document
        .select(&scripts)
        .filter(|script| {
            script
                .value()
                .attr("type")
                .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/ld+json"))
        })
        .find_map(|script| {
            let text: String = script.text().collect();
            find(&read(&text)?, DEPTH)
        })
}

/// JSON-LD as pages write it: with comments around it and raw line ends in its strings.
fn read(text: &str) -> Option<Value> {
    let text = text
        .trim()
        .trim_start_matches("<!--")
        .trim_start_matches("//<![CDATA[")
        .trim_end_matches("-->")
        .trim_end_matches("//]]>")
        .trim()
        .trim_end_matches(';');
    serde_json::from_str(text)
        .ok()
        .or_else(|| serde_json::from_str(&super::parse::mended_json(text)).ok())
}

fn find(value: &Value, depth: usize) -> Option<Value> {
    if depth == 0 {
        return None;
    }
    match value {
        Value::Array(items) => items.iter().find_map(|item| find(item, depth - 1)),
        Value::Object(map) => {
            let is_posting = match map.get("@type") {
                Some(Value::String(kind)) => is_job(kind),
                Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).any(is_job),
                _ => false,
            };
            if is_posting {
                return Some(value.clone());
            }
            ["@graph", "mainEntity", "itemListElement", "item"]
                .iter()
                .find_map(|key| find(map.get(*key)?, depth - 1))
        }
        _ => None,
    }
}

fn is_job(kind: &str) -> bool {
    kind.rsplit(['/', ':']).next() == Some("JobPosting")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_markup_is_found_as_pages_write_it() {
        for page in [
            r#"<script type="application/ld+json">{"@type":"JobPosting","title":"IDE"}</script>"#,
            "<script type='application/ld+json'>\n[{\"@type\":\"Organization\"},{\"@type\":[\"JobPosting\"],\"title\":\"IDE\"}]</script>",
            r#"<script type="application/LD+JSON"><!--{"@graph":[{"@type":"http://schema.org/JobPosting","title":"IDE"}]};--></script>"#,
            "<script>var a = 1</script><script type=\"application/ld+json\">{\"@type\":\"JobPosting\",\"title\":\"IDE\",\"description\":\"a\nb\"}</script>",
        ] {
            let found = posting(page).expect("a posting");
            assert_eq!(found["title"], "IDE", "{page}");
        }
        assert!(
            posting("<script type=\"application/ld+json\">{\"@type\":\"WebSite\"}</script>")
                .is_none()
        );
        assert!(posting("plain text").is_none());
    }
}
