//! `connectors detect`: which source an address is, and the connector file for it.
//!
//! In this order: the address itself, the records behind it, the links of a page, the usual places
//! of a site; each guess is proved by reading it. What no preset knows gets a proposed mapping.
//! **Invariant:** *unknown* is an answer; nothing is named that its own bytes do not bear out.

mod address;
mod jobs;
mod propose;
mod shape;
#[cfg(test)]
mod tests;
mod write;

use super::connector::{Catalogue, describe, load};
use super::source::{self, RecordSink, SourceEnv, SourceRecord};
use crate::fetch::Request;
use crate::store::ConnectorState;
use address::{With, addressed, is_root, links_of};
use async_trait::async_trait;
use propose::Guess;
use serde::Serialize;
use serde_json::Value;
use url::Url;
use write::add_field;

/// Most that is read of an address.
const BODY: u64 = 32 << 20;
/// Records that prove a connector.
const PROOF: usize = 25;
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
                evidence: vec![format!(
                    "l'adresse est de celles de {name} (the address is one of {name})"
                )],
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
            Err(why) => self.evidence.push(unread(&why)),
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
            "{0} offres sur {1} ont les champs de {2} ({0} of {1} records have the fields of {2})",
            first.mapped, first.records, first.preset
        )];
        let mut file = file;
        for guess in shape::beyond(&first.preset, bytes, self.catalogue) {
            evidence.push(said(&guess));
            add_field(&mut file, &guess);
        }
        if let Some(second) = found.get(1) {
            evidence.push(format!(
                "sinon ce serait {0} (next would be {0})",
                second.preset
            ));
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
                    evidence: vec![format!("la page mène à {link} (the page leads there)")],
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
            evidence: vec![format!(
                "{sitemap} donne des pages d'offres marquées (it lists pages with a JobPosting)"
            )],
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
                        evidence: vec![format!(
                            "{root}{probe} répond comme {name} (it answers as {name} does)"
                        )],
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
            "aucun préréglage ne la connaît ; {0} enregistrements ressemblent à des offres, et leurs \
             champs suggèrent une correspondance à confirmer (no preset knows it; {0} records look \
             like offers, and their fields suggest a mapping: please confirm it)",
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
            self.evidence.extend(end.error.as_deref().map(unread));
            // The list proves itself where its details cannot be had from here.
            if connector.source.detail.take().is_none() {
                return 0;
            }
        }
    }
}

/// Why something could not be read, for people.
fn unread(english: &str) -> String {
    let said = super::unread::said(english);
    format!("{} ({})", said.fr, said.en)
}

/// A guess, for people.
fn said(guess: &Guess) -> String {
    format!(
        "{} ← {} ({:.0} %, par exemple « {} »)",
        guess.field,
        guess.paths.join(" + "),
        guess.confidence * 100.0,
        guess.example
    )
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
