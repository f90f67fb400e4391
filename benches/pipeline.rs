//! The whole embedded pipeline, from the bytes of a file to published vacancies.
//!
//! `cargo bench --bench pipeline [-- POSTINGS]` prints, in one run on one disk: raw upserts a second
//! (a row of 3 KB and an outbox row, batches of 100, as a yardstick), postings a second through all
//! stages, the same once every posting has changed, and unchanged postings a second of a sweep.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

use passerelle::bus::EmbeddedBus;
use passerelle::fetch::{FetchSettings, Fetcher};
use passerelle::model::{Clock, Network, Stage};
use passerelle::pull::connector::{Catalogue, Connector, load};
use passerelle::pull::run::{Live, Map, Outcome, Report, run};
use passerelle::pull::source::{Secrets, SourceEnv};
use passerelle::stages::{CurrentFiles, Files, Hub, Pipeline, Rules};
use passerelle::store::{DynStore, SqliteOptions, SqliteStore};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const TRADES: [&str; 16] = [
    "Aide-soignant",
    "Infirmier",
    "Agent de service hospitalier",
    "Éducateur spécialisé",
    "Moniteur-éducateur",
    "Accompagnant éducatif et social",
    "Psychologue",
    "Ergothérapeute",
    "Masseur-kinésithérapeute",
    "Cadre de santé",
    "Médecin gériatre",
    "Secrétaire médicale",
    "Cuisinier",
    "Technicien de maintenance",
    "Auxiliaire de vie",
    "Orthophoniste",
];
const SERVICES: [&str; 12] = [
    "cardiologie",
    "urgences",
    "gériatrie",
    "pédiatrie",
    "psychiatrie",
    "réanimation",
    "oncologie",
    "néphrologie",
    "soins palliatifs",
    "bloc opératoire",
    "maternité",
    "rééducation",
];
const TOWNS: [(&str, &str); 48] = [
    ("70000", "Vesoul"),
    ("70200", "Lure"),
    ("70100", "Gray"),
    ("25000", "Besançon"),
    ("90000", "Belfort"),
    ("39000", "Lons-le-Saunier"),
    ("21000", "Dijon"),
    ("71000", "Mâcon"),
    ("58000", "Nevers"),
    ("89000", "Auxerre"),
    ("54000", "Nancy"),
    ("57000", "Metz"),
    ("55000", "Bar-le-Duc"),
    ("88000", "Épinal"),
    ("67000", "Strasbourg"),
    ("68000", "Colmar"),
    ("51000", "Reims"),
    ("10000", "Troyes"),
    ("52000", "Chaumont"),
    ("08000", "Charleville-Mézières"),
    ("59000", "Lille"),
    ("62000", "Arras"),
    ("80000", "Amiens"),
    ("60000", "Beauvais"),
    ("02000", "Laon"),
    ("76000", "Rouen"),
    ("27000", "Évreux"),
    ("14000", "Caen"),
    ("50000", "Saint-Lô"),
    ("61000", "Alençon"),
    ("35000", "Rennes"),
    ("22000", "Saint-Brieuc"),
    ("29000", "Quimper"),
    ("56000", "Vannes"),
    ("44000", "Nantes"),
    ("49000", "Angers"),
    ("53000", "Laval"),
    ("72000", "Le Mans"),
    ("85000", "La Roche-sur-Yon"),
    ("45000", "Orléans"),
    ("37000", "Tours"),
    ("41000", "Blois"),
    ("33000", "Bordeaux"),
    ("31000", "Toulouse"),
    ("34000", "Montpellier"),
    ("38000", "Grenoble"),
    ("63000", "Clermont-Ferrand"),
    ("87000", "Limoges"),
];

/// A seeded row of numbers.
struct Dice(u64);

impl Dice {
    fn of(parts: &[usize]) -> Self {
        let seed = parts
            .iter()
            .fold(0x9e37_79b9_7f4a_7c15, |state: u64, part| {
                (state ^ *part as u64)
                    .wrapping_mul(0xbf58_476d_1ce4_e5b9)
                    .rotate_left(31)
            });
        Self(seed)
    }

    fn next(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }

    /// A word of the bench's language: as in a real one, a few are everywhere and most are rare.
    fn word(&mut self) -> String {
        const VOCABULARY: f64 = 20_000.0;
        let share = self.next(1 << 20) as f64 / f64::from(1 << 20);
        let rank = VOCABULARY.powf(share) as usize;
        // Three to five syllables, spread so that neighbours in rank look nothing alike.
        let mut code = rank.wrapping_mul(7_919) % 1_000_003;
        let mut word = String::new();
        for _ in 0..3 + rank % 3 {
            word.push(char::from(b"bcdfglmnprstv"[code % 13]));
            code /= 13;
            word.push(char::from(b"aeiou"[code % 5]));
            code = code / 5 + rank;
        }
        word
    }

    fn sentence(&mut self) -> String {
        let words: Vec<String> = (0..10 + self.next(8)).map(|_| self.word()).collect();
        words.join(" ") + ". "
    }
}

/// A synthetic offer of about 3 KB, fifty of them an employer: what the employer says in all its
/// ads, missions out of the stock of the trade, and its own words.
fn offer(n: usize, version: usize) -> Value {
    let (code, town) = TOWNS[n / 50 % TOWNS.len()];
    let (trade, service) = (n % TRADES.len(), n / 3 % SERVICES.len());
    let mut text = format!("<p>Poste {n} en {}.</p><p>", SERVICES[service]);
    let mut dice = Dice::of(&[1, n / 50]);
    text.extend((0..6).map(|_| dice.sentence()));
    text += "</p><p>Vos missions :</p><ul>";
    let mut dice = Dice::of(&[2, n]);
    for _ in 0..8 {
        let mission = Dice::of(&[3, trade, dice.next(60)]).sentence();
        text += &format!("<li>{mission}</li>");
    }
    text += "</ul><p>";
    let mut dice = Dice::of(&[4, n, version]);
    text.extend((0..14).map(|_| dice.sentence()));
    text += "</p>";
    json!({
        "id": format!("OFF-{n:06}"),
        "title": format!("{} {} H/F", TRADES[trade], SERVICES[service]),
        "company": format!("Établissement synthétique n° {}", n / 50),
        "city": town,
        "zip": code,
        "contract": if n.is_multiple_of(3) { "CDD" } else { "CDI" },
        "salary": "Mensuel de 1900.0 Euros à 2300.0 Euros sur 12.0 mois",
        "date": "2026-11-02T08:00:00Z",
        "url": format!("https://carrieres.groupe.example/offre/{n}?id={n}"),
        "text": text,
    })
}

fn write(path: &Path, count: usize, version: usize, touch: usize) -> u64 {
    let offers: Vec<Value> = (0..count)
        .map(|n| offer(n, if n < touch { version + 1 } else { version }))
        .collect();
    let bytes = serde_json::to_vec(&json!({ "jobs": offers })).unwrap();
    std::fs::write(path, &bytes).unwrap();
    bytes.len() as u64
}

fn connector(feed: &Path) -> Connector {
    let text = format!(
        r#"
name = "bench"
[source]
kind = "json"
url = "file:{}"
[records]
path = "jobs"
[fields]
reference = "id"
title = "title"
employer_name = "company"
place_city = "city"
place_postal_code = "zip"
contract = "contract"
pay = "salary"
published = {{ path = "date", format = "iso" }}
apply_url = "url"
description = "text"
"#,
        feed.display()
    );
    let loaded = load(&text, "bench.toml", &Catalogue::embedded());
    let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
    loaded.connector.unwrap_or_else(|| panic!("{problems:#?}"))
}

/// Rows a second of the plainest store: what this disk allows.
fn raw_upserts(folder: &Path, count: usize) -> f64 {
    let c = rusqlite::Connection::open(folder.join("raw.db")).unwrap();
    c.pragma_update(None, "journal_mode", "WAL").unwrap();
    c.pragma_update(None, "synchronous", "FULL").unwrap();
    c.execute_batch(
        "CREATE TABLE offer (id INTEGER PRIMARY KEY, body BLOB);
         CREATE TABLE outbox (n INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB);",
    )
    .unwrap();
    let (body, event) = (vec![b'x'; 3000], vec![b'e'; 300]);
    let begun = Instant::now();
    for batch in 0..count / 100 {
        c.execute_batch("BEGIN IMMEDIATE").unwrap();
        for n in 0..100 {
            let id = (batch * 100 + n) as i64;
            let upsert = "INSERT INTO offer VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = excluded.body";
            c.prepare_cached(upsert)
                .unwrap()
                .execute((id, &body))
                .unwrap();
            let put = "INSERT INTO outbox (body) VALUES (?1)";
            c.prepare_cached(put).unwrap().execute([&event]).unwrap();
        }
        c.execute_batch("COMMIT").unwrap();
    }
    count as f64 / begun.elapsed().as_secs_f64()
}

async fn pull(hub: &Hub, live: &Arc<Live>) -> Report {
    match run(&*hub.store, live.clone(), &hub.clock, "sync").await {
        Ok(Outcome::Ran(report)) => report,
        other => panic!("{other:?}"),
    }
}

/// Pulls and drains; prints postings a second of each step and of all.
async fn pass(name: &str, hub: &Hub, pipeline: &Pipeline, live: &Arc<Live>, count: usize) {
    let begun = Instant::now();
    let report = pull(hub, live).await;
    let pulled = begun.elapsed();
    assert!(report.error.is_none(), "{report:?}");
    let drained = pipeline.drain(Duration::from_secs(600)).await;
    let all = begun.elapsed();
    assert!(drained.idle, "{drained:?}");
    let rate = |time: Duration| count as f64 / time.as_secs_f64();
    println!(
        "{name:<10} {:>9.0} postings/s   pull alone {:>9.0}/s, stages {:>9.0}/s   {:?}",
        rate(all),
        rate(pulled),
        rate(all - pulled),
        report.counts
    );
}

fn main() {
    let count = std::env::args().skip(1).find_map(|a| a.parse().ok());
    let count: usize = count.unwrap_or(10_000);
    let folder = tempfile::tempdir().unwrap();
    let feed = folder.path().join("feed.json");
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    println!("{count} postings, {} bytes", write(&feed, count, 1, 0));
    println!(
        "raw        {:>9.0} upserts/s",
        raw_upserts(folder.path(), count)
    );
    let now = Arc::new(AtomicI64::new(1_790_000_000));
    let clock = {
        let now = now.clone();
        Clock::new(move || jiff::Timestamp::from_second(now.load(Ordering::SeqCst)).unwrap())
    };
    let store: DynStore = Arc::new(
        SqliteStore::open(folder.path().join("hub.db"), &SqliteOptions::default()).unwrap(),
    );
    let connector = Arc::new(connector(&feed));
    let map: Arc<dyn Map> = connector.clone();
    let network = Network {
        connectors: BTreeMap::from([(connector.name.clone(), None)]),
        ..Network::default()
    };
    let hub = Hub {
        bus: Arc::new(EmbeddedBus::new(store.clone(), clock.clone())),
        store,
        clock: clock.clone(),
        files: CurrentFiles::new(Files {
            network: Arc::new(network),
            maps: BTreeMap::from([(connector.name.clone(), map)]),
        }),
        rules: Rules::default(),
    };
    let env = SourceEnv {
        fetcher: Fetcher::new(FetchSettings::default()).unwrap(),
        clock,
        secrets: Secrets::default(),
    };
    let live = Arc::new(Live { connector, env });
    runtime.block_on(async {
        let pipeline = Pipeline::new(hub.clone(), &Stage::ALL);
        pass("new", &hub, &pipeline, &live, count).await;
        now.fetch_add(7200, Ordering::SeqCst);
        write(&feed, count, 2, 0);
        pass("changed", &hub, &pipeline, &live, count).await;
        now.fetch_add(7200, Ordering::SeqCst);
        write(&feed, count, 2, 1);
        pass("unchanged", &hub, &pipeline, &live, count).await;
        let statistics = hub.store.statistics().await.unwrap();
        println!("{} vacancies from {count} postings", statistics.vacancies);
    });
}
