//! What an address says by itself, and where a page leads.

use crate::pull::connector::file::ConnectorFile;
use crate::pull::connector::{Catalogue, describe};
use regex::Regex;
use std::collections::BTreeMap;
use url::Url;

/// First parts of a host that are a vendor's own, not a customer's.
const VENDORS: [&str; 10] = [
    "www", "api", "app", "docs", "help", "support", "embed", "trial", "blog", "static",
];

/// Parameters that an address gives.
pub(super) type With = BTreeMap<String, String>;

/// Presets whose addresses look like `url`, with the parameters it gives.
pub(super) fn addressed(url: &str, catalogue: &Catalogue) -> Vec<(String, With)> {
    let mut out = Vec::new();
    for name in catalogue.names() {
        let Some(file) = describe(name, catalogue) else {
            continue;
        };
        if let Some(with) = parameters_of(url, &file) {
            out.push((name.to_owned(), with));
        }
    }
    // More parameters are a closer look.
    out.sort_by_key(|(_, with)| std::cmp::Reverse(with.len()));
    out
}

fn parameters_of(url: &str, file: &ConnectorFile) -> Option<With> {
    let detect = file.info.as_ref()?.detect.as_ref()?;
    detect.urls.iter().find_map(|pattern| {
        let pattern = Regex::new(pattern).ok()?;
        let found = pattern.captures(url)?;
        let with: With = pattern
            .capture_names()
            .flatten()
            .filter_map(|name| Some((name.to_owned(), found.name(name)?.as_str().to_owned())))
            .filter(|(name, _)| file.parameters.contains_key(name))
            .collect();
        let is_vendor = with
            .iter()
            .any(|(name, value)| name != "base_url" && VENDORS.contains(&value.as_str()));
        (!is_vendor).then_some(with)
    })
}

/// Whether an address may be that of a whole site.
pub(super) fn is_root(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        let path = url.path().trim_end_matches('/');
        url.query().is_none() && path.matches('/').count() <= 1 && !path.contains('.')
    })
}

/// The feeds that a page declares, and the other addresses in it.
pub(super) fn links_of(page: &str, base: &str) -> (Vec<String>, Vec<String>) {
    let document = scraper::Html::parse_document(page);
    let base = Url::parse(base).ok();
    let (mut feeds, mut links) = (Vec::new(), Vec::new());
    let Ok(all) = scraper::Selector::parse("[href], [src], [data-src]") else {
        return (feeds, links);
    };
    for element in document.select(&all) {
        let value = element.value();
        let Some(link) = ["href", "src", "data-src"]
            .into_iter()
            .find_map(|name| value.attr(name))
            .and_then(|link| base.as_ref()?.join(link).ok())
            .map(|link| link.to_string())
        else {
            continue;
        };
        let kind = value.attr("type").unwrap_or_default();
        let is_feed = value.name() == "link"
            && ["rss", "atom", "feed+json"]
                .iter()
                .any(|form| kind.contains(form));
        let list = if is_feed { &mut feeds } else { &mut links };
        if !list.contains(&link) {
            list.push(link);
        }
    }
    (feeds, links)
}
