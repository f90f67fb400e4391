//! `connectors detect`: which source an address is, and the connector file for it.
//!
//! In this order: the address itself, the records behind it, the links of a page, the usual places
//! of a site; each guess is proved by reading it. What no preset knows gets a proposed mapping.
//! **Invariant:** *unknown* is an answer; nothing is named that its own bytes do not bear out.

mod jobs;
mod propose;
mod shape;
#[cfg(test)]
mod tests;

use super::connector::file::{Auth, ConnectorFile, DetailKind, Paging};
use super::connector::{Catalogue, describe, load, preset};
use super::source::{self, RecordSink, SourceEnv, SourceRecord};
use crate::fetch::Request;
use crate::store::ConnectorState;
use async_trait::async_trait;
use propose::{Guess, Proposal};
use regex::Regex;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write;
use url::Url;

/// Most that is read of an address.
const BODY: u64 = 32 << 20;
/// Records that prove a connector.
const PROOF: usize = 25;
/// First parts of a host that are a vendor's own, not a customer's.
const VENDORS: [&str; 10] = [
    "www", "api", "app", "docs", "help", "support", "embed", "trial", "blog", "static",
];

/// What the file is to say besides.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub name: String,
    pub member: Option<String>,
    pub schedule: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct Detection {
    /// Name of the preset, `proposed` for a mapping to confirm, or `unknown`.
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// 0 to 1.
    pub confidence: f64,
    /// Whether offers were read through the file below.
    pub proven: bool,
    /// Offers that were read as a proof, at most 25.
    pub records: usize,
    /// Why, for people.
    pub evidence: Vec<String>,
    /// The connector file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Finds out what is behind `url`. Never fails: what could not be read is evidence.
pub async fn detect(
    url: &str,
    wanted: &Wanted,
    catalogue: &Catalogue,
    env: &SourceEnv,
) -> Detection {
    let mut seeker = Seeker {
        wanted,
        catalogue,
        env,
        evidence: Vec::new(),
    };
    let (mut best, mut open) = (None, None);
    seeker.by_address(url, &mut best, &mut open).await;
    if best.is_none() {
        seeker.by_body(url, &mut best, &mut open).await;
    }
    let mut found = best.or(open).unwrap_or_else(|| Detection {
        id: "unknown".to_owned(),
        preset: None,
        confidence: 0.0,
        proven: false,
        records: 0,
        evidence: Vec::new(),
        file: None,
    });
    let mut evidence = seeker.evidence;
    evidence.append(&mut found.evidence);
    found.evidence = evidence;
    found
}

struct Seeker<'a> {
    wanted: &'a Wanted,
    catalogue: &'a Catalogue,
    env: &'a SourceEnv,
    evidence: Vec<String>,
}

/// Parameters that an address gives.
type With = BTreeMap<String, String>;

impl Seeker<'_> {
    /// Presets whose addresses look like `url`; the first that proves itself is `best`, the first
    /// that cannot (its key is missing) stays `open`.
    async fn by_address(
        &mut self,
        url: &str,
        best: &mut Option<Detection>,
        open: &mut Option<Detection>,
    ) {
        for (name, with) in addressed(url, self.catalogue) {
            let file = self.with_preset(&name, &with);
            let records = self.prove(&file).await;
            let detection = Detection {
                id: name.clone(),
                preset: Some(name.clone()),
                confidence: if records > 0 { 0.99 } else { 0.6 },
                proven: records > 0,
                records,
                evidence: vec![format!("the address is one of {name}")],
                file: Some(file),
            };
            if records > 0 {
                *best = Some(detection);
                return;
            }
            // On the vendor's own host the address says enough; elsewhere it may be chance.
            let own_host = !with.contains_key("base_url") || self.is_default_host(&name, &with);
            if own_host {
                open.get_or_insert(detection);
            }
        }
    }

    fn is_default_host(&self, name: &str, with: &With) -> bool {
        let host = |text: &str| Url::parse(text).ok()?.host_str().map(str::to_owned);
        let default = describe(name, self.catalogue)
            .and_then(|file| file.parameters.get("base_url")?.default.clone());
        let default = default.as_ref().and_then(Value::as_str).and_then(host);
        default.is_some() && default == with.get("base_url").and_then(|base| host(base))
    }

    async fn by_body(
        &mut self,
        url: &str,
        best: &mut Option<Detection>,
        open: &mut Option<Detection>,
    ) {
        match self.fetch(url).await {
            Err(why) => self.evidence.push(why),
            Ok(bytes) if shape::format(&bytes) != shape::Format::Html => {
                *best = self.by_shape(url, &bytes).await;
                if best.is_none() && open.is_none() {
                    *best = self.proposed(url, &bytes).await;
                }
                if best.is_some() || !bytes.is_empty() && !is_root(url) {
                    return;
                }
            }
            Ok(bytes) => {
                let page = source::text_of(&bytes);
                self.by_links(url, &page, best, open).await;
                if best.is_none() && open.is_none() {
                    *best = self.marked_pages(url, &page).await;
                }
                if best.is_none() && open.is_none() {
                    *best = self.by_page(url, &bytes).await;
                }
            }
        }
        if best.is_none() && open.is_none() && is_root(url) {
            self.by_probes(url, best).await;
        }
    }

    /// The preset whose records these are.
    async fn by_shape(&mut self, url: &str, bytes: &[u8]) -> Option<Detection> {
        let found = shape::matches(bytes, self.catalogue);
        let first = found.first()?;
        let rival = found.get(1).map_or(0.0, |second| second.score);
        let confidence = (1.0 - 0.5 * rival / first.score.max(0.1)).clamp(0.5, 0.97);
        let file = self.at_address(&first.preset, url);
        let records = self.prove(&file).await;
        let mut evidence = vec![format!(
            "{} of {} records have the fields of {}",
            first.mapped, first.records, first.preset
        )];
        let mut file = file;
        for guess in shape::beyond(&first.preset, bytes, self.catalogue) {
            evidence.push(said(&guess));
            add_field(&mut file, &guess);
        }
        if let Some(second) = found.get(1) {
            evidence.push(format!("next would be {}", second.preset));
        }
        Some(Detection {
            id: first.preset.clone(),
            preset: Some(first.preset.clone()),
            confidence: (confidence * 100.0).round() / 100.0,
            proven: records > 0,
            records,
            evidence,
            file: Some(file),
        })
    }

    /// What a page links to: a board of a vendor, or a feed.
    async fn by_links(
        &mut self,
        url: &str,
        page: &str,
        best: &mut Option<Detection>,
        open: &mut Option<Detection>,
    ) {
        let (feeds, links) = links_of(page, url);
        let mut tried = Vec::new();
        for link in links {
            for (name, with) in addressed(&link, self.catalogue) {
                if with.contains_key("base_url") && !self.is_default_host(&name, &with) {
                    continue;
                }
                if tried.contains(&(name.clone(), with.clone())) || tried.len() >= 4 {
                    continue;
                }
                tried.push((name.clone(), with.clone()));
                let file = self.with_preset(&name, &with);
                let records = self.prove(&file).await;
                let detection = Detection {
                    id: name.clone(),
                    preset: Some(name.clone()),
                    confidence: if records > 0 { 0.95 } else { 0.5 },
                    proven: records > 0,
                    records,
                    evidence: vec![format!("the page leads to {link}")],
                    file: Some(file),
                };
                if records > 0 {
                    *best = Some(detection);
                    return;
                }
                open.get_or_insert(detection);
            }
        }
        for feed in feeds.into_iter().take(4) {
            if let Ok(bytes) = self.fetch(&feed).await
                && let Some(detection) = self.by_shape(&feed, &bytes).await
                && detection.proven
            {
                *best = Some(detection);
                return;
            }
        }
    }

    /// A site that marks its offers for search engines, found by its sitemap.
    async fn marked_pages(&mut self, url: &str, page: &str) -> Option<Detection> {
        let marked = source::json_ld_posting(page).is_some();
        let sitemap = Url::parse(url).ok()?.join("/sitemap.xml").ok()?;
        let bytes = self.fetch(sitemap.as_str()).await.ok()?;
        let text = source::text_of(&bytes);
        let pages: Vec<&str> = text
            .split("<loc>")
            .skip(1)
            .filter_map(|rest| rest.split("</loc>").next())
            .map(str::trim)
            .collect();
        // The part of the address that the pages of offers share.
        let words = [
            "/offre",
            "/job",
            "/emploi",
            "/recrutement/",
            "/poste",
            "/annonce",
            "/career",
            "/vacanc",
        ];
        let pattern = words.into_iter().find(|word| {
            pages.iter().filter(|page| page.contains(word)).count() > usize::from(!marked)
        })?;
        let with = With::from([
            ("base_url".to_owned(), sitemap.to_string()),
            ("pattern".to_owned(), pattern.to_owned()),
        ]);
        let file = self.with_preset("careers-jsonld", &with);
        let records = self.prove(&file).await;
        (records > 0).then(|| Detection {
            id: "careers-jsonld".to_owned(),
            preset: Some("careers-jsonld".to_owned()),
            confidence: 0.9,
            proven: true,
            records,
            evidence: vec![format!("{sitemap} lists pages with a JobPosting")],
            file: Some(file),
        })
    }

    /// The usual places below the root of a site.
    async fn by_probes(&mut self, url: &str, best: &mut Option<Detection>) {
        let Ok(base) = Url::parse(url) else { return };
        let root = base.as_str().trim_end_matches('/').to_owned();
        for name in self
            .catalogue
            .names()
            .map(str::to_owned)
            .collect::<Vec<_>>()
        {
            let detect = describe(&name, self.catalogue).and_then(|file| file.info?.detect);
            for probe in detect.map(|d| d.probes).unwrap_or_default() {
                let Ok(bytes) = self.fetch(&format!("{root}{probe}")).await else {
                    continue;
                };
                let first = shape::matches(&bytes, self.catalogue).into_iter().next();
                // The feeds of one vendor are plain RSS at an address that no other uses.
                let is_own = first.is_some_and(|found| {
                    found.preset == name || (found.preset == "rss" && probe.contains(".ashx"))
                });
                if !is_own {
                    continue;
                }
                let with = With::from([("base_url".to_owned(), root.clone())]);
                let file = self.with_preset(&name, &with);
                let records = self.prove(&file).await;
                if records > 0 {
                    *best = Some(Detection {
                        id: name.clone(),
                        preset: Some(name.clone()),
                        confidence: 0.95,
                        proven: true,
                        records,
                        evidence: vec![format!("{root}{probe} answers as {name} does")],
                        file: Some(file),
                    });
                    return;
                }
            }
        }
    }

    /// A page whose own elements are the list: a service that is read so, or a proposal.
    async fn by_page(&mut self, url: &str, bytes: &[u8]) -> Option<Detection> {
        match self.by_shape(url, bytes).await {
            Some(found) => Some(found),
            None => self.proposed(url, bytes).await,
        }
    }

    /// A mapping for a feed that no preset knows.
    async fn proposed(&mut self, url: &str, bytes: &[u8]) -> Option<Detection> {
        let proposal = propose::propose(bytes)?;
        let file = self.with_mapping(url, &proposal);
        let records = self.prove(&file).await;
        let mut evidence = vec![format!(
            "no preset knows it; {} records look like offers, and their fields suggest a mapping: please confirm it",
            proposal.count
        )];
        evidence.extend(proposal.guesses.iter().map(said));
        Some(Detection {
            id: "proposed".to_owned(),
            preset: None,
            confidence: (proposal.confidence() * 80.0).round() / 100.0,
            proven: records > 0,
            records,
            evidence,
            file: Some(file),
        })
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>, String> {
        let request = Request {
            headers: vec![("accept".to_owned(), "*/*".to_owned())],
            ..Request::get(url)
        };
        let body = self
            .env
            .fetcher
            .open(&request)
            .await
            .map_err(|error| error.chain())?;
        body.bytes(BODY).await.map_err(|error| error.chain())
    }

    /// How many offers the connector file reads, up to [`PROOF`].
    async fn prove(&mut self, file: &str) -> usize {
        let loaded = load(file, "the detected connector", self.catalogue);
        let Some(mut connector) = loaded.connector else {
            let wrong: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
            self.evidence.push(wrong.join("; "));
            return 0;
        };
        loop {
            let mut sink = Proof(Vec::new());
            let state = ConnectorState::default();
            let end = source::read(&connector, &state, self.env, &mut sink).await;
            let mapped = sink.0.iter().filter(|r| connector.map(r).is_ok()).count();
            if mapped > 0 {
                return mapped;
            }
            self.evidence.extend(end.error);
            // The list proves itself where its details cannot be had from here.
            if connector.source.detail.take().is_none() {
                return 0;
            }
        }
    }

    fn head(&self) -> String {
        let mut out = format!("name = {:?}\n", self.wanted.name);
        if let Some(member) = &self.wanted.member {
            let _ = writeln!(out, "member = {member:?}");
        }
        if let Some(schedule) = &self.wanted.schedule {
            let _ = writeln!(out, "schedule = {schedule:?}");
        }
        out
    }

    /// A file with a preset and the parameters that its address gave.
    fn with_preset(&self, name: &str, with: &With) -> String {
        let mut out = self.head();
        let _ = writeln!(out, "use = {name:?}\n\n[with]");
        self.parameters(name, with, &mut out);
        out
    }

    fn parameters(&self, name: &str, with: &With, out: &mut String) {
        let Some(file) = describe(name, self.catalogue) else {
            return;
        };
        for (key, parameter) in &file.parameters {
            let default = parameter.default.as_ref().and_then(Value::as_str);
            match with.get(key) {
                Some(value) if default == Some(value) => {}
                // A secret does not stand in a file, not even one that an address gave away.
                Some(_) if parameter.secret => secret(key, out),
                Some(value) => {
                    let _ = writeln!(out, "{key} = {value:?}");
                }
                None if parameter.secret && parameter.required => secret(key, out),
                None if parameter.required => {
                    let example = parameter
                        .example
                        .clone()
                        .unwrap_or_else(|| "\"\"".to_owned());
                    let _ = writeln!(out, "# À compléter : {}", parameter.doc);
                    let is_value = example.starts_with(['"', '[', '{']);
                    let value = if is_value {
                        example
                    } else {
                        format!("{example:?}")
                    };
                    let _ = writeln!(out, "{key} = {value}");
                }
                None => {}
            }
        }
    }

    /// A file with a preset that reads just this address.
    fn at_address(&self, name: &str, url: &str) -> String {
        if let Some((_, with)) = addressed(url, self.catalogue)
            .into_iter()
            .find(|(found, _)| found == name)
        {
            return self.with_preset(name, &with);
        }
        let Some(connector) = preset(name, self.catalogue).and_then(|loaded| loaded.connector)
        else {
            return String::new();
        };
        let text = self.catalogue.get(name).map_or("", |(_, text)| text);
        if text.contains("\nurl = \"${base_url}\"\n") {
            let with = With::from([("base_url".to_owned(), url.to_owned())]);
            return self.with_preset(name, &with);
        }
        let mut out = self.with_preset(name, &With::new());
        let _ = writeln!(out, "\n[source]\nurl = {url:?}");
        if connector.source.method != super::connector::file::HttpMethod::Get {
            out.push_str("method = \"GET\"\n");
        }
        if !matches!(connector.source.auth, Auth::None) {
            out.push_str("\n[source.auth]\nkind = \"none\"\n");
        }
        if !matches!(connector.source.paging, Paging::None) {
            out.push_str("\n[source.paging]\nkind = \"none\"\n");
        }
        if let Some(detail) = &connector.source.detail
            && detail.kind == DetailKind::Auto
        {
            out.push_str("\n[source.detail]\nenabled = false\n");
        }
        out
    }

    fn with_mapping(&self, url: &str, proposal: &Proposal) -> String {
        let mut out = self.head();
        let _ = writeln!(out, "\n[source]\nkind = {:?}\nurl = {url:?}", proposal.kind);
        if proposal.kind == "csv" || proposal.kind == "xlsx" {
            out.push_str("\n[source.csv]\nfold_header = true\n");
        }
        if let Some(html) = &proposal.html {
            let _ = writeln!(out, "\n[source.html]\nselect = {:?}", html.select);
            let values: Vec<String> = html
                .values
                .iter()
                .map(|(name, find)| format!("{name} = {find:?}"))
                .collect();
            let _ = writeln!(out, "values = {{ {} }}", values.join(", "));
            if let Some(next) = &html.next {
                let _ = writeln!(out, "page = {{ next = {next:?} }}");
                out.push_str("\n[source.paging]\nkind = \"next_link\"\npath = \"next\"\n");
            }
        }
        if let Some(path) = &proposal.records {
            let _ = writeln!(out, "\n[records]\npath = {path:?}");
        }
        let _ = writeln!(out, "\n{CONFIRM}\n[fields]");
        for guess in &proposal.guesses {
            let _ = writeln!(out, "{}", guess.line());
        }
        out
    }
}

/// What stands above fields that were guessed.
const CONFIRM: &str = "# À confirmer avec `passerelle connectors preview`.";

/// A guess, for people.
fn said(guess: &Guess) -> String {
    format!(
        "{} ← {} ({:.0} %, for example “{}”)",
        guess.field,
        guess.paths.join(" + "),
        guess.confidence * 100.0,
        guess.example
    )
}

/// A field beyond those of the file's preset.
fn add_field(file: &mut String, guess: &Guess) {
    if !file.contains(CONFIRM) {
        let _ = writeln!(file, "\n{CONFIRM}\n[fields]");
    }
    let _ = writeln!(file, "{}", guess.line());
}

fn secret(key: &str, out: &mut String) {
    let name = key.to_ascii_uppercase();
    let _ = writeln!(out, "{key} = {{ env = \"PASSERELLE_{name}\" }}");
}

/// Presets whose addresses look like `url`, with the parameters it gives.
fn addressed(url: &str, catalogue: &Catalogue) -> Vec<(String, With)> {
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

fn is_root(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| {
        let path = url.path().trim_end_matches('/');
        url.query().is_none() && path.matches('/').count() <= 1 && !path.contains('.')
    })
}

/// The feeds that a page declares, and the other addresses in it.
fn links_of(page: &str, base: &str) -> (Vec<String>, Vec<String>) {
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

/// Keeps the first records and then ends the reading.
struct Proof(Vec<Value>);

#[async_trait]
impl RecordSink for Proof {
    async fn push(&mut self, records: Vec<SourceRecord>) -> anyhow::Result<()> {
        for record in records {
            if let SourceRecord::Tree(record) = record {
                self.0.push(record.tree);
            }
        }
        anyhow::ensure!(self.0.len() < PROOF, "enough was read");
        Ok(())
    }
}
