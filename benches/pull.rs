//! One large feed, from the socket to the store.
//!
//! `cargo bench --bench pull [-- RECORDS]` (a million by default, 1 KB each) serves a feed of XML on
//! loopback, made while it is sent, and pulls it into a store of SQLite in a process of its own:
//! first all new, then all known. It prints records a second and the peak of that process's memory.
//! Then it reads the same offers as JSON, XML and CSV from memory, beside a plain parse of the same
//! bytes with the same library: the ratio is the cost of the connector language.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

use passerelle::fetch::{FetchSettings, Fetcher};
use passerelle::model::Clock;
use passerelle::pull::connector::file::Kind;
use passerelle::pull::connector::{Catalogue, Connector, load};
use passerelle::pull::run::{Live, Outcome, run};
use passerelle::pull::source::parse::{Item, Plan, Wholeness, parse};
use passerelle::pull::source::{Secrets, SourceEnv};
use passerelle::store::{SqliteOptions, SqliteStore};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes of a record of XML.
const WIDTH: usize = 1000;
/// Records that are read from memory.
const IN_MEMORY: usize = 50_000;

const FIELDS: &str = r#"
reference = "id"
title = "title"
description = "text"
apply_url = "url"
contract = { path = "contract", values = "contract" }
place_city = "city"
place_postal_code = "postcode"
published = "date"
[values.contract]
"CDI" = "cdi"
"CDD" = "cdd"
"#;

struct Offer {
    values: [(&'static str, String); 8],
}

fn offer(n: usize) -> Offer {
    const TRADES: [&str; 4] = ["Aide-soignant", "Infirmière", "Cuisinier", "Médecin"];
    const TOWNS: [(&str, &str); 3] = [("70000", "Vesoul"), ("70200", "Lure"), ("70100", "Gray")];
    let (postcode, town) = TOWNS[n % TOWNS.len()];
    let mut text = format!("Poste numéro {n}. ");
    while text.len() < 620 {
        text += "Vous rejoignez une équipe de soins et travaillez en roulement. ";
    }
    Offer {
        values: [
            ("id", format!("R{n:09}")),
            ("title", format!("{} {n:09}", TRADES[n % TRADES.len()])),
            ("text", text),
            ("url", format!("https://rh.example/offres/{n:09}")),
            (
                "contract",
                if n.is_multiple_of(3) { "CDD" } else { "CDI" }.to_owned(),
            ),
            ("city", town.to_owned()),
            ("postcode", postcode.to_owned()),
            ("date", "2026-11-02".to_owned()),
        ],
    }
}

/// One record of exactly [`WIDTH`] bytes, so that the length of a feed is known before it is made.
fn xml(n: usize) -> String {
    let mut out = String::with_capacity(WIDTH);
    out.push_str("<job>");
    for (name, value) in offer(n).values {
        write!(out, "<{name}>{value}</{name}>").unwrap();
    }
    let room = WIDTH - out.len() - "<pad></pad></job>".len();
    write!(out, "<pad>{}</pad></job>", "x".repeat(room)).unwrap();
    out
}

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><jobs>";

/// Answers one request with a feed of `records`; `note` is a comment at its end.
fn serve(stream: TcpStream, records: usize, note: &str) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let tail = format!("</jobs><!-- {note} -->");
    let length = HEAD.len() + records * WIDTH + tail.len();
    let mut out = BufWriter::with_capacity(1 << 16, stream);
    write!(
        out,
        "HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{HEAD}"
    )?;
    for n in 0..records {
        out.write_all(xml(n).as_bytes())?;
    }
    out.write_all(tail.as_bytes())?;
    out.flush()
}

fn connector(kind: &str, url: &str) -> Connector {
    let path = match kind {
        "csv" => "",
        "xml" => "path = \"jobs.job\"",
        _ => "path = \"jobs\"",
    };
    let text = format!(
        "name = \"bench\"\n[source]\nkind = \"{kind}\"\nurl = \"{url}\"\n[records]\n{path}\n\
         [limits]\ndownload_mb = 8192\nbody_mb = 8192\nseconds = 36000\n[fields]{FIELDS}"
    );
    let loaded = load(&text, "bench.toml", &Catalogue::embedded());
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    loaded
        .connector
        .unwrap_or_else(|| panic!("{}", problems.join("\n")))
}

/// A line of `/proc/self/status`, in kilobytes.
fn memory(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let digits = line.and_then(|rest| rest.trim_matches([':', ' ', '\t']).split(' ').next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The process that is measured: one run.
fn pull(url: &str, folder: &Path) {
    let start = memory("VmRSS");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let store = SqliteStore::open(folder.join("bench.db"), &SqliteOptions::default()).unwrap();
    let live = Live {
        connector: Arc::new(connector("xml", url)),
        env: SourceEnv {
            fetcher: Fetcher::new(FetchSettings {
                allow_hosts: vec!["127.0.0.1".to_owned()],
                ..FetchSettings::default()
            })
            .unwrap(),
            clock: Clock::fixed(jiff::Timestamp::UNIX_EPOCH),
            secrets: Secrets::from_process(),
        },
    };
    let clock = live.env.clock.clone();
    let began = Instant::now();
    let outcome = runtime.block_on(run(&store, Arc::new(live), &clock, "bench"));
    let Outcome::Ran(report) = outcome.unwrap() else {
        panic!("somebody else runs it");
    };
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "  {:?}, {} pulled, {} new, {} unchanged: {:.0} records/s; peak {:.1} MB, {:.1} MB before",
        report.snapshot,
        report.counts.pulled,
        report.counts.new,
        report.counts.unchanged,
        report.counts.pulled as f64 / seconds,
        memory("VmHWM") as f64 / 1024.0,
        start as f64 / 1024.0,
    );
}

/// The connection of `child`, unless it died before it made one.
fn accept(listener: &TcpListener, child: &mut Child) -> TcpStream {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                return stream;
            }
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
        assert!(child.try_wait().unwrap().is_none(), "it did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Serves the feed twice, to a process for each.
fn pull_twice(records: usize) {
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/jobs.xml", listener.local_addr().unwrap());
    println!(
        "pull of {records} records, {} MB of XML",
        records * WIDTH / 1_000_000
    );
    for note in ["all new", "all known"] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--child", &url])
            .arg(folder.path())
            .spawn()
            .unwrap();
        serve(accept(&listener, &mut child), records, note).unwrap();
        assert!(child.wait().unwrap().success());
    }
}

fn records_per_second(records: usize, work: impl Fn() -> usize) -> f64 {
    let best = (0..3).map(|_| {
        let began = Instant::now();
        assert_eq!(work(), records);
        began.elapsed().as_secs_f64()
    });
    records as f64 / best.fold(f64::MAX, f64::min)
}

/// Parses and maps.
fn by_language(kind: Kind, connector: &Connector, path: &[&str], bytes: &[u8]) -> usize {
    let plan = Plan {
        kind,
        paths: vec![path.iter().map(|key| (*key).to_owned()).collect()],
        csv: connector.source.csv.clone(),
        html: connector.source.html.clone(),
        encoding: None,
        record_bytes: 4 << 20,
        recall: None,
    };
    let mut mapped = 0;
    let end = parse(bytes, &plan, &|_| true, &mut |item| {
        if let Item::Record(record) = item {
            mapped += usize::from(connector.map(&record.tree).is_ok());
        }
        true
    });
    assert_eq!(end.wholeness, Wholeness::Whole);
    mapped
}

fn plain_json(bytes: &[u8]) -> usize {
    let tree: Value = serde_json::from_slice(bytes).unwrap();
    tree["jobs"].as_array().unwrap().len()
}

/// Elements and their texts, as owned maps.
fn plain_xml(bytes: &[u8]) -> usize {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_reader(bytes);
    let mut buffer = Vec::new();
    let mut records: Vec<BTreeMap<String, String>> = Vec::new();
    let mut name = String::new();
    loop {
        match reader.read_event_into(&mut buffer).unwrap() {
            Event::Eof => return records.len(),
            Event::Start(start) => {
                name = start.name().as_ref().to_owned();
                if name == "job" {
                    records.push(BTreeMap::new());
                }
            }
            Event::Text(text) => {
                let text = text.xml10_content().into_owned();
                if let Some(record) = records.last_mut() {
                    record.insert(std::mem::take(&mut name), text);
                }
            }
            _ => {}
        }
        buffer.clear();
    }
}

/// Rows as owned maps.
fn plain_csv(bytes: &[u8]) -> usize {
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(bytes);
    let header = reader.headers().unwrap().clone();
    let rows: Vec<BTreeMap<String, String>> = reader
        .records()
        .map(|row| {
            let row = row.unwrap();
            let pairs = header.iter().zip(row.iter());
            pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
        })
        .collect();
    rows.len()
}

/// Name, kind, keys of the records, bytes, and a plain parse of them.
type Format<'a> = (&'a str, Kind, &'a [&'a str], &'a [u8], fn(&[u8]) -> usize);

fn cost_of_the_language(records: usize) {
    let json: Vec<Value> = (0..records)
        .map(|n| {
            let pairs = offer(n).values.into_iter();
            Value::Object(pairs.map(|(k, v)| (k.to_owned(), v.into())).collect())
        })
        .collect();
    let json = serde_json::to_vec(&serde_json::json!({ "jobs": json })).unwrap();
    let mut xml_bytes = HEAD.as_bytes().to_vec();
    for n in 0..records {
        xml_bytes.extend_from_slice(xml(n).as_bytes());
    }
    xml_bytes.extend_from_slice(b"</jobs>");
    let mut csv = csv::WriterBuilder::new()
        .delimiter(b';')
        .from_writer(Vec::new());
    csv.write_record(offer(0).values.iter().map(|(name, _)| name))
        .unwrap();
    for n in 0..records {
        csv.write_record(offer(n).values.iter().map(|(_, value)| value))
            .unwrap();
    }
    let csv = csv.into_inner().unwrap();

    println!("reading {records} records from memory, records/s");
    let formats: [Format<'_>; 3] = [
        ("json", Kind::Json, &["jobs"], &json, plain_json),
        ("xml", Kind::Xml, &["jobs", "job"], &xml_bytes, plain_xml),
        ("csv", Kind::Csv, &[], &csv, plain_csv),
    ];
    for (name, kind, path, bytes, plain) in formats {
        let connector = connector(name, "https://rh.example/jobs");
        let ours = records_per_second(records, || by_language(kind, &connector, path, bytes));
        let plain = records_per_second(records, || plain(bytes));
        println!(
            "  {name:<5} {ours:>9.0} mapped, {plain:>9.0} plain: ratio {:.2}",
            plain / ours
        );
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, url, folder] = arguments.as_slice()
        && flag == "--child"
    {
        return pull(url, Path::new(folder));
    }
    let records = arguments.iter().find_map(|argument| argument.parse().ok());
    let records = records.unwrap_or(1_000_000);
    pull_twice(records);
    cost_of_the_language(records.min(IN_MEMORY));
}
