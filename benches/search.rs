//! The search of one serving node over many vacancies, through the API itself.
//!
//! `cargo bench --bench search -- [VACANCIES]` (a million by default) makes synthetic vacancies,
//! builds the index in a temporary folder and prints: how long that took, the index's size, how long
//! a restart takes, the memory that the process has of its own, and for several questions median and
//! 99th percentile while two threads ask without a pause.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

use async_trait::async_trait;
use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use jiff::Timestamp;
use passerelle::{
    model::{Clock, Network, PostingId, Vacancy, VacancyId, canonical_json},
    normalise::gazetteer,
    publish::{Profiles, PublicState, Publish, PublishSettings, router},
    store::{Change, ChangeOp, PublicVacancy, Result, StoredVacancy},
};
use serde_json::json;
use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tower::ServiceExt as _;

const THREADS: usize = 2;
const QUESTIONS: usize = 200;

/// Title, its canonical form, ROME code, family.
const TRADES: &[(&str, &str, &str, &str)] = &[
    (
        "IDE de nuit",
        "Infirmier / Infirmière (IDE)",
        "J1506",
        "nursing",
    ),
    (
        "Infirmier en cardiologie",
        "Infirmier / Infirmière (IDE)",
        "J1506",
        "nursing",
    ),
    (
        "Infirmière de bloc opératoire",
        "Infirmier / Infirmière de bloc opératoire (IBODE)",
        "J1504",
        "nursing",
    ),
    (
        "Aide-soignante en EHPAD",
        "Aide-soignant / Aide-soignante (AS)",
        "J1501",
        "care",
    ),
    (
        "AS de nuit en SSR",
        "Aide-soignant / Aide-soignante (AS)",
        "J1501",
        "care",
    ),
    ("Auxiliaire de vie", "Auxiliaire de vie", "K1302", "care"),
    (
        "Masseur-kinésithérapeute",
        "Masseur-kinésithérapeute",
        "J1404",
        "rehabilitation",
    ),
    (
        "Ergothérapeute en SMR",
        "Ergothérapeute",
        "J1403",
        "rehabilitation",
    ),
    ("Médecin gériatre", "Médecin gériatre", "J1102", "medical"),
    (
        "Manipulateur radio",
        "Manipulateur / Manipulatrice en électroradiologie médicale",
        "J1306",
        "technical",
    ),
    (
        "Éducateur spécialisé en IME",
        "Éducateur spécialisé / Éducatrice spécialisée",
        "K1207",
        "social",
    ),
    ("Cadre de santé", "Cadre de santé", "J1502", "management"),
    (
        "Agent des services hospitaliers",
        "Agent / Agente des services hospitaliers (ASH)",
        "J1301",
        "support",
    ),
];

const WORDS: &[&str] = &[
    "soins",
    "équipe",
    "patients",
    "service",
    "accompagnement",
    "projet",
    "établissement",
    "pluridisciplinaire",
    "résidents",
    "qualité",
    "planning",
    "transmissions",
    "prise",
    "charge",
    "formation",
    "hospitalier",
    "gériatrie",
    "urgences",
    "chirurgie",
    "médecine",
    "pédiatrie",
    "rééducation",
    "autonomie",
    "famille",
    "écoute",
    "bienveillance",
    "protocole",
    "hygiène",
    "surveillance",
    "traitements",
    "évaluation",
    "dossier",
    "informatisé",
    "roulement",
    "week-end",
    "reprise",
    "ancienneté",
    "prime",
    "Ségur",
    "restauration",
    "logement",
    "mutuelle",
    "crèche",
    "stationnement",
    "tutorat",
    "intégration",
    "diplôme",
    "expérience",
    "débutant",
    "accepté",
    "mission",
    "poste",
    "unité",
    "lits",
    "places",
    "cardiologie",
    "neurologie",
    "oncologie",
    "néphrologie",
    "dialyse",
    "psychiatrie",
    "addictologie",
    "domicile",
    "tournée",
    "véhicule",
];

struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// The vacancy of change number `seq`: 3 KB, half of it text, in one of the country's communes,
/// where many people live rather than where few do.
fn vacancy(seq: u64) -> Vacancy {
    let mut rng = Rng(seq.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    rng.below(2);
    let (title, canonical, rome, family) = *rng.of(TRADES);
    let places = gazetteer();
    let department = rng.of(places.departments());
    let mut communes = places.in_department(&department.code).iter();
    let one = rng.below(communes.len().max(1));
    let two = rng.below(communes.len().max(1));
    let mut commune = |n: usize| {
        communes
            .clone()
            .nth(n)
            .or(communes.next())
            .map(|id| places.commune(*id))
    };
    let commune = [commune(one), commune(two)]
        .into_iter()
        .flatten()
        .max_by_key(|c| c.population);
    let text: Vec<String> = (0..220)
        .map(|n| match n % 11 {
            // Names and numbers of their own, as advertisements have.
            0 => format!("ref{}", rng.below(400_000)),
            _ => (*rng.of(WORDS)).to_owned(),
        })
        .collect();
    let text = text.join(" ");
    let forms = ["cdi", "cdi", "cdd", "interim", "vacation"];
    let day = 1 + rng.below(28);
    let published = format!("2026-{:02}-{day:02}T08:00:00Z", 1 + rng.below(11));
    serde_json::from_value(json!({
        "id": uuid::Uuid::from_u128(u128::from(seq) << 64 | 0x8000_0000_0000_0000),
        "member": format!("membre-{}", rng.below(300)),
        "title": title,
        "title_canonical": canonical,
        "occupation": { "rome": rome, "rome_v3": rome, "family": family },
        "employer": { "name": format!("Centre hospitalier {}", rng.of(WORDS)) },
        "places": commune.map(|c| json!({
            "insee": c.insee, "name": c.name, "department": c.department,
            "postal_code": c.postal_codes.first(), "lat": c.at.map(|at| at.0), "lon": c.at.map(|at| at.1),
            "precision": "commune",
        })).into_iter().collect::<Vec<_>>(),
        "contract": { "form": rng.of(&forms) },
        "working_time": { "time": rng.of(&["full", "part"]), "shifts": [rng.of(&["day", "night", "12h"])] },
        "description": { "html": format!("<p>{text}</p>"), "text": text },
        "published": published,
        "updated": published,
        "visibility": "public",
    }))
    .unwrap()
}

/// Public state that is made when it is read.
struct Synthetic {
    vacancies: u64,
    meta: Mutex<HashMap<String, String>>,
}

#[async_trait]
impl PublicState for Synthetic {
    async fn head(&self) -> Result<u64> {
        Ok(self.vacancies)
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<Change>> {
        let end = self.vacancies.min(after + limit as u64);
        Ok((after + 1..=end)
            .map(|seq| {
                let vacancy = vacancy(seq);
                Change {
                    seq,
                    id: vacancy.id,
                    changed_at: Timestamp::UNIX_EPOCH,
                    op: ChangeOp::Upsert {
                        body: canonical_json(&vacancy).unwrap().into(),
                    },
                }
            })
            .collect())
    }

    async fn snapshot(&self) -> Result<(u64, Vec<PublicVacancy>)> {
        Ok((self.vacancies, Vec::new()))
    }

    async fn vacancy(&self, _: VacancyId) -> Result<Option<StoredVacancy>> {
        Ok(None)
    }

    async fn erased(&self) -> Result<BTreeSet<PostingId>> {
        Ok(BTreeSet::new())
    }

    async fn cursor(&self, _: &str) -> Result<u64> {
        Ok(0)
    }

    async fn set_cursor(&self, _: &str, _: u64) -> Result<()> {
        Ok(())
    }

    async fn advance_cursor(&self, _: &str, _: u64, _: u64) -> Result<bool> {
        Ok(true)
    }

    async fn meta(&self, key: &str) -> Result<Option<String>> {
        Ok(self.meta.lock().unwrap().get(key).cloned())
    }

    async fn notes(&self, _: &str) -> Result<Vec<(String, String)>> {
        Ok(Vec::new())
    }

    async fn write_notes(&self, notes: Vec<(String, Option<String>)>) -> Result<()> {
        let mut meta = self.meta.lock().unwrap();
        meta.extend(notes.into_iter().filter_map(|(k, v)| v.map(|v| (k, v))));
        Ok(())
    }
}

fn publishing(store: &Arc<Synthetic>, folder: &Path) -> Publish {
    let settings = PublishSettings {
        index: Some(folder.to_owned()),
        ..PublishSettings::default()
    };
    let (_, network) = watch::channel(Arc::new(Network::default()));
    Publish::with_profiles(
        store.clone(),
        network,
        Clock::fixed(Timestamp::UNIX_EPOCH),
        settings,
        Profiles::embedded(),
    )
}

async fn ask(publish: &Publish, path: &str) -> usize {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router(publish.clone()).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
    answer["total"].as_u64().unwrap() as usize
}

/// A question of that kind, around another town each time.
fn question(kind: &str, n: usize) -> String {
    const TOWNS: [&str; 8] = [
        "70550", "25056", "35238", "31555", "59350", "75056", "33063", "67482",
    ];
    const TEXTS: [&str; 6] = [
        "ide+nuit",
        "aide+soignante",
        "kine",
        "infirmere+bloc",
        "cadre+de+sante",
        "infirmier+dialyse",
    ];
    let (town, text) = (TOWNS[n % 8], TEXTS[n % 6]);
    match kind {
        "text, radius, facets" => format!("q={text}&commune={town}&radius_km=50&facets=true"),
        "text, facets" => format!("q={text}&facets=true"),
        "radius, facets" => format!("commune={town}&radius_km=50&facets=true&family=nursing"),
        "facets alone" => "facets=true&contract=cdi".into(),
        _ => format!("q={text}&commune={town}&radius_km=30&sort=distance"),
    }
}

fn memory(field: &str) -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    line.map_or_else(
        || "not known".into(),
        |rest| rest.trim_start_matches(':').trim().to_owned(),
    )
}

fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => size(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

fn main() {
    let given = std::env::args().skip(1).find_map(|arg| arg.parse().ok());
    let vacancies = given.unwrap_or(1_000_000);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(vacancies));
}

async fn run(vacancies: u64) {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Synthetic {
        vacancies,
        meta: Mutex::default(),
    });
    let begun = Instant::now();
    store
        .changes(0, 1000.min(vacancies as usize))
        .await
        .unwrap();
    let making = begun.elapsed() * (vacancies / 1000).max(1) as u32;

    let publish = publishing(&store, folder.path());
    let begun = Instant::now();
    publish.refresh().await.unwrap();
    println!("vacancies          {vacancies}");
    println!(
        "build              {:.1?} (making them, beside it: {making:.1?})",
        begun.elapsed()
    );
    println!(
        "index size         {:.1} MB",
        size(folder.path()) as f64 / 1e6
    );
    println!("memory after build {} of its own", memory("RssAnon"));
    drop(publish);
    // What the process before had open ends with its last thread.
    tokio::time::sleep(Duration::from_secs(1)).await;

    let publish = publishing(&store, folder.path());
    let begun = Instant::now();
    publish.refresh().await.unwrap();
    println!(
        "restart            {:.1?} (checksums of every file)",
        begun.elapsed()
    );

    println!(
        "{:24}{:>10}{:>10}{:>12}",
        "question", "median", "p99", "matches"
    );
    for kind in [
        "text, radius, facets",
        "text, radius, distance",
        "radius, facets",
        "text, facets",
        "facets alone",
    ] {
        let askers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let publish = publish.clone();
                tokio::spawn(async move {
                    let mut times = Vec::new();
                    let mut matches = 0;
                    for n in 0..QUESTIONS {
                        let query = question(kind, n * THREADS + thread);
                        let begun = Instant::now();
                        matches += ask(&publish, &format!("/api/v1/vacancies?{query}")).await;
                        times.push(begun.elapsed());
                    }
                    (times, matches)
                })
            })
            .collect();
        let (mut times, mut matches) = (Vec::new(), 0);
        for asker in askers {
            let (own, found) = asker.await.unwrap();
            times.extend(own);
            matches += found;
        }
        times.sort_unstable();
        let at = |share: f64| times[(times.len() as f64 * share) as usize];
        println!(
            "{kind:24}{:>10.1?}{:>10.1?}{:>12}",
            at(0.5),
            at(0.99),
            matches / times.len()
        );
    }
    println!(
        "memory under load  {} of its own, {} in all",
        memory("RssAnon"),
        memory("VmRSS")
    );
}
