//! A feed that was cut, with every guard out of the way: only the proof of its end is left.

use super::live::Live;
use super::{Outcome, run};
use crate::model::{Clock, PostingState};
use crate::pull::connector::{Catalogue, Connector, load};
use crate::pull::source::tests::env;
use crate::store::{SnapshotKind, SqliteStore, Store};
use axum::Router;
use axum::extract::{Path as Segment, State};
use axum::response::Html;
use axum::routing::get;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// One absence closes, whatever else is seen.
const GUARDS: &str = "[guards]\nmisses = 1\nmiss_gap = \"0s\"\nmax_drop = 1.0\nmin_drop = 1000\n";
const OFFERS: usize = 7;

/// Documents of one file.
const KINDS: [&str; 10] = [
    "json", "lines", "spread", "xml", "rss", "atom", "csv", "xlsx", "ods", "html",
];

fn escaped(text: &str) -> String {
    quick_xml::escape::escape(text).into_owned()
}

fn feed(kind: &str, texts: &[String]) -> Vec<u8> {
    let offers = || texts.iter().enumerate();
    let each = |write: &dyn Fn(usize, &str) -> String| -> String {
        offers().map(|(n, text)| write(n, text)).collect()
    };
    match kind {
        "json" => {
            let offers: Vec<_> = offers()
                .map(|(n, text)| json!({ "id": n, "titre": text }))
                .collect();
            json!({ "offres": offers }).to_string()
        }
        "lines" => each(&|n, text| format!("{}\n", json!({ "id": n, "titre": text }))),
        "spread" => each(&|n, text| format!("{:#}\n", json!({ "id": n, "titre": text }))),
        "xml" => format!(
            "<offres>{}</offres>",
            each(&|n, text| format!(
                "<offre n=\"{n}\"><id>{n}</id><titre>{}</titre></offre>",
                escaped(text)
            ))
        ),
        "rss" => format!(
            "<rss version=\"2.0\"><channel><title>Offres</title>{}</channel></rss>",
            each(&|n, text| format!("<item><id>{n}</id><titre><![CDATA[{text}]]></titre></item>"))
        ),
        "atom" => format!(
            "<feed xmlns=\"http://www.w3.org/2005/Atom\">{}</feed>",
            each(&|n, text| format!(
                "<entry><id>{n}</id><titre type=\"text\">{}</titre></entry>",
                escaped(text)
            ))
        ),
        "html" => format!(
            "<!doctype html>\n<html><body><ul>{}</ul></body></html>\n",
            each(&|n, text| format!("<li data-id=\"{n}\"><b>{}</b></li>", escaped(text)))
        ),
        "xlsx" | "ods" => return workbook(kind, texts),
        _ => format!(
            "id;titre\n{}",
            each(&|n, text| format!("{n};\"{}\"\n", text.replace('"', "\"\"")))
        ),
    }
    .into_bytes()
}

/// The least that a workbook consists of.
fn workbook(kind: &str, texts: &[String]) -> Vec<u8> {
    let mut rows = String::new();
    let header = ("id".to_owned(), "titre".to_owned());
    let offers = texts
        .iter()
        .enumerate()
        .map(|(n, text)| (n.to_string(), escaped(text)));
    for (at, (id, title)) in std::iter::once(header).chain(offers).enumerate() {
        let row = at + 1;
        if kind == "ods" {
            write!(
                rows,
                "<table:table-row><table:table-cell office:value-type=\"string\"><text:p>{id}</text:p></table:table-cell>\
                 <table:table-cell office:value-type=\"string\"><text:p>{title}</text:p></table:table-cell></table:table-row>"
            )
        } else {
            write!(
                rows,
                "<row r=\"{row}\"><c r=\"A{row}\" t=\"inlineStr\"><is><t>{id}</t></is></c>\
                 <c r=\"B{row}\" t=\"inlineStr\"><is><t>{title}</t></is></c></row>"
            )
        }
        .expect("in memory");
    }
    let office = "http://schemas.openxmlformats.org";
    let open = "urn:oasis:names:tc:opendocument:xmlns";
    let parts: Vec<(&str, String)> = if kind == "ods" {
        vec![
            (
                "mimetype",
                "application/vnd.oasis.opendocument.spreadsheet".to_owned(),
            ),
            (
                "META-INF/manifest.xml",
                format!(
                    "<manifest:manifest xmlns:manifest=\"{open}:manifest:1.0\"><manifest:file-entry \
                     manifest:full-path=\"content.xml\" manifest:media-type=\"text/xml\"/></manifest:manifest>"
                ),
            ),
            (
                "content.xml",
                format!(
                    "<office:document-content xmlns:office=\"{open}:office:1.0\" xmlns:table=\"{open}:table:1.0\" \
                     xmlns:text=\"{open}:text:1.0\"><office:body><office:spreadsheet><table:table table:name=\"Offres\">\
                     {rows}</table:table></office:spreadsheet></office:body></office:document-content>"
                ),
            ),
        ]
    } else {
        vec![
            (
                "_rels/.rels",
                format!(
                    "<Relationships xmlns=\"{office}/package/2006/relationships\"><Relationship Id=\"r1\" \
                     Type=\"{office}/officeDocument/2006/relationships/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
                ),
            ),
            (
                "xl/workbook.xml",
                format!(
                    "<workbook xmlns=\"{office}/spreadsheetml/2006/main\" xmlns:r=\"{office}/officeDocument/2006/relationships\">\
                     <sheets><sheet name=\"Offres\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
                ),
            ),
            (
                "xl/_rels/workbook.xml.rels",
                format!(
                    "<Relationships xmlns=\"{office}/package/2006/relationships\"><Relationship Id=\"r1\" \
                     Type=\"{office}/officeDocument/2006/relationships/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>"
                ),
            ),
            (
                "xl/worksheets/sheet1.xml",
                format!(
                    "<worksheet xmlns=\"{office}/spreadsheetml/2006/main\"><sheetData>{rows}</sheetData></worksheet>"
                ),
            ),
        ]
    };
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        let options = zip::write::SimpleFileOptions::default();
        writer.start_file(name, options).expect("in memory");
        writer.write_all(text.as_bytes()).expect("in memory");
    }
    writer.finish().expect("in memory").into_inner()
}

fn connector(kind: &str, path: &Path) -> Live {
    let (kind, more) = match kind {
        "json" => ("json", "[records]\npath = \"offres\"\n"),
        "lines" | "spread" => ("json", ""),
        "xml" => ("xml", "[records]\npath = \"offres.offre\"\n"),
        "rss" | "atom" => (kind, "[records]\nsemantics = \"snapshot\"\n"),
        "html" => (
            kind,
            "[source.html]\nselect = \"li\"\nvalues = { id = \"@data-id\", titre = \"b\" }\n",
        ),
        "csv" => (kind, "csv = { delimiter = \";\" }\n"),
        _ => (kind, ""),
    };
    let text = format!(
        "name = \"x\"\n[source]\nkind = \"{kind}\"\nurl = \"{}\"\n{more}{GUARDS}\
         [fields]\nreference = \"id\"\ntitle = {{ path = [\"titre.#text\", \"titre\"] }}\n",
        path.display()
    );
    live_of(&text)
}

fn live_of(text: &str) -> Live {
    let loaded = load(text, "x.toml", &Catalogue::embedded());
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    let connector: Option<Connector> = loaded.connector;
    Live {
        connector: Arc::new(connector.unwrap_or_else(|| panic!("{}", problems.join("\n")))),
        env: env(),
    }
}

async fn live(store: &SqliteStore) -> usize {
    let states = store.posting_states(&"x".into()).await.unwrap();
    states.into_iter().filter(PostingState::is_live).count()
}

async fn pulled(store: &SqliteStore, source: &Live) -> SnapshotKind {
    let clock = Clock::fixed(jiff::Timestamp::UNIX_EPOCH);
    match run(store, Arc::new(source.clone()), &clock, "sync").await {
        Ok(Outcome::Ran(report)) => report.snapshot,
        other => panic!("{other:?}"),
    }
}

/// Whether nothing tells the part from a shorter file: rows that end with one of them.
fn ends_with_a_row(kind: &str, part: &[u8]) -> bool {
    let quotes = || part.iter().filter(|b| **b == b'"').count();
    match kind {
        "csv" => part.ends_with(b"\n") && quotes().is_multiple_of(2),
        "lines" => part.ends_with(b"\n"),
        "spread" => part.ends_with(b"}\n"),
        _ => false,
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn a_feed_cut_anywhere_closes_nothing(
        kind in prop::sample::select(KINDS.to_vec()),
        texts in prop::collection::vec("[ -~àé\n]{1,30}[a-z]", OFFERS),
        shares in prop::collection::vec(0.0f64..1.0, 4),
    ) {
        runtime().block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("feed");
            let store = SqliteStore::temporary().unwrap();
            let source = connector(kind, &path);
            let whole = feed(kind, &texts);
            std::fs::write(&path, &whole).unwrap();
            assert_eq!(pulled(&store, &source).await, SnapshotKind::Complete, "{kind}");
            assert_eq!(live(&store).await, OFFERS, "{kind}");
            // The last byte, too, where more than a blank ends with it.
            let solid = whole.trim_ascii_end().len();
            let last = match kind {
                "csv" | "lines" | "spread" => whole.len() - 1,
                _ => solid - 1,
            };
            let cuts = shares.iter().map(|share| (solid as f64 * share) as usize);
            // Where a row has ended, and its line not: rarely hit by chance.
            let row = match kind {
                "lines" | "spread" => memchr::memmem::find(&whole, b"}\n").map(|n| n + 1),
                _ => None,
            };
            for cut in cuts.chain(row).chain([last]) {
                let part = &whole[..cut];
                if ends_with_a_row(kind, part) {
                    continue;
                }
                std::fs::write(&path, part).unwrap();
                let snapshot = pulled(&store, &source).await;
                assert_ne!(snapshot, SnapshotKind::Complete, "{kind} cut at {cut}");
                assert_eq!(live(&store).await, OFFERS, "{kind} cut at {cut}");
            }
            // The same guards close what a whole feed lacks.
            std::fs::write(&path, feed(kind, &texts[..3])).unwrap();
            assert_eq!(pulled(&store, &source).await, SnapshotKind::Complete, "{kind}");
            assert_eq!(live(&store).await, 3, "{kind}");
        });
    }

    /// The list of a careers site, or any of its pages.
    #[test]
    fn a_careers_page_cut_anywhere_closes_nothing(
        cuts in prop::collection::vec((0usize..4, 0.0f64..1.0), 3),
    ) {
        runtime().block_on(async {
            let site = Site::default();
            let router = Router::new()
                .route("/sitemap.xml", get(Site::map))
                .route("/offre/{n}", get(Site::page))
                .with_state(site.clone());
            let base = crate::pull::source::tests::services::serve(router).await;
            *site.base.lock().unwrap() = base.clone();
            let source = live_of(&format!(
                "name = \"x\"\nuse = \"careers-jsonld\"\n\
                 with = {{ base_url = \"{base}/sitemap.xml\", rate = 10000 }}\n{GUARDS}"
            ));
            let store = SqliteStore::temporary().unwrap();
            assert_eq!(pulled(&store, &source).await, SnapshotKind::Complete);
            assert_eq!(live(&store).await, 3);
            for (document, share) in cuts {
                *site.cut.lock().unwrap() = BTreeMap::from([(document, share)]);
                pulled(&store, &source).await;
                assert_eq!(live(&store).await, 3, "{document} cut at {share}");
            }
        });
    }
}

/// A careers site of three offers: document 0 is its sitemap, the others are its pages.
#[derive(Clone, Default)]
struct Site {
    base: Arc<Mutex<String>>,
    cut: Arc<Mutex<BTreeMap<usize, f64>>>,
}

impl Site {
    fn part(&self, document: usize, whole: String) -> String {
        match self.cut.lock().unwrap().get(&document) {
            Some(share) => whole[..(whole.len() as f64 * share) as usize].to_owned(),
            None => whole,
        }
    }

    async fn map(State(site): State<Self>) -> String {
        let base = site.base.lock().unwrap().clone();
        let pages: String = (1..4)
            .map(|n| format!("<url><loc>{base}/offre/{n}</loc></url>"))
            .collect();
        site.part(0, format!("<urlset>{pages}</urlset>"))
    }

    async fn page(State(site): State<Self>, Segment(n): Segment<usize>) -> Html<String> {
        let job = json!({ "@type": "JobPosting", "title": format!("IDE {n}"), "datePosted": "2026-11-01" });
        Html(site.part(
            n,
            format!(
                "<html><head><script type=\"application/ld+json\">{job}</script></head></html>"
            ),
        ))
    }
}
