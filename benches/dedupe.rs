//! The pure part of deduplication: one posting after the other into a hub that already holds many.
//!
//! `cargo bench --bench dedupe -- 10000 100000` (hub sizes; 1,000,000 needs about 4 GB). Postings
//! are synthetic: a third copy one that is there, shortened; the rest are new.

use jiff::Timestamp;
use passerelle::dedupe::{Features, KEY_CAP, compare_features, derive};
use passerelle::model::{
    ConnectorName, Contract, ContractForm, Description, Edge, Employer, Network, Occupation, Offer,
    Outcome, Place, PlacePrecision, Posting, PostingId, PostingState, ProvenanceMap, Revision,
    StoredPosting,
};
use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A small generator: the bench must not depend on another.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

const TRADES: [(&str, &str); 6] = [
    ("Infirmier DE H/F", "J1506"),
    ("Aide-soignant H/F", "J1501"),
    ("Kinésithérapeute H/F", "J1404"),
    ("Psychologue H/F", "K1104"),
    ("Agent de service hospitalier H/F", "J1301"),
    ("Cadre de santé H/F", "J1502"),
];
const VERBS: [&str; 12] = [
    "Assurer",
    "Coordonner",
    "Préparer",
    "Surveiller",
    "Accompagner",
    "Évaluer",
    "Transmettre",
    "Organiser",
    "Participer à",
    "Veiller à",
    "Contribuer à",
    "Mettre en œuvre",
];
const THINGS: [&str; 24] = [
    "les soins d'hygiène",
    "le projet personnalisé",
    "la traçabilité des actes",
    "les admissions",
    "la distribution des repas",
    "l'accueil des familles",
    "les transmissions ciblées",
    "la prévention des chutes",
    "les pansements complexes",
    "l'éducation thérapeutique",
    "la tenue du dossier",
    "les bilans d'entrée",
    "la démarche qualité",
    "les sorties",
    "la formation des stagiaires",
    "le circuit du médicament",
    "l'entretien du matériel",
    "les réunions d'équipe",
    "la bientraitance",
    "les commandes",
    "la rééducation",
    "les ateliers collectifs",
    "le lien avec la ville",
    "la gestion des risques",
];

fn text(dice: &mut Dice, establishment: usize) -> String {
    let mut text = format!("L'établissement n° {establishment} recrute au sein de ses équipes.\n");
    for _ in 0..14 {
        let verb = VERBS[dice.roll(VERBS.len())];
        let (one, other) = (
            THINGS[dice.roll(THINGS.len())],
            THINGS[dice.roll(THINGS.len())],
        );
        text.push_str(&format!(
            "- {verb} {one} avec {other} du secteur {};\n",
            dice.roll(4_000)
        ));
    }
    text
}

fn posting(dice: &mut Dice, n: usize, copied: Option<&StoredPosting>) -> StoredPosting {
    let connector = ConnectorName(format!("source-{}", dice.roll(300)));
    let reference = n.to_string();
    let id = PostingId::new(&connector, &reference);
    let offer = match copied {
        Some(other) => {
            let mut offer = other.posting.offer.clone();
            if let Some(description) = offer.description.as_mut() {
                let keep = description.text.len() * (60 + dice.roll(40)) / 100;
                let cut = (0..=keep)
                    .rev()
                    .find(|i| description.text.is_char_boundary(*i));
                description.text.truncate(cut.unwrap_or(0));
            }
            offer
        }
        None => {
            let establishment = dice.roll(20_000);
            let (title, rome) = TRADES[dice.roll(TRADES.len())];
            let department = establishment % 96;
            Offer {
                title: title.to_owned(),
                occupation: Some(Occupation {
                    rome_v3: Some(rome.to_owned()),
                    ..Occupation::default()
                }),
                employer: Some(Employer {
                    name: Some(format!("Établissement {establishment}")),
                    ..Employer::default()
                }),
                places: vec![Place {
                    insee: Some(format!("{department:02}{:03}", establishment % 500)),
                    department: Some(format!("{department:02}")),
                    precision: PlacePrecision::Commune,
                    ..Place::default()
                }],
                contract: Some(Contract {
                    form: Some(ContractForm::Cdi),
                    ..Contract::default()
                }),
                description: Some(Description {
                    html: String::new(),
                    text: text(dice, establishment),
                    summary: None,
                    sections: Vec::new(),
                }),
                ..Offer::default()
            }
        }
    };
    StoredPosting {
        state: PostingState {
            id,
            connector: connector.clone(),
            reference: reference.clone(),
            hash: String::new(),
            observation: 1,
            first_seen: Timestamp::UNIX_EPOCH,
            closed: None,
            misses: 0,
            last_miss: None,
        },
        posting: Posting {
            id,
            connector,
            reference,
            member: None,
            offer,
            findings: Vec::new(),
            contacts: Vec::new(),
            provenance: ProvenanceMap::new(),
        },
        made_from: Revision::default(),
        deduped: None,
    }
}

/// What a worker of the pure part keeps: features, keys and verdicts, by position. The words of a
/// verdict are for the store.
#[derive(Default)]
struct Hub {
    features: Vec<Features>,
    blocks: HashMap<u64, Vec<u32>>,
    edges: Vec<Edge>,
    /// Of each posting, its neighbours and the edges that lead to them.
    near: HashMap<u32, Vec<(u32, u32)>>,
}

impl Hub {
    /// Takes one posting in and compares it.
    fn add(&mut self, postings: &[StoredPosting], at: usize) {
        let features = Features::of(&postings[at].posting);
        let mut candidates = Vec::new();
        for key in features.keys() {
            let block = self.blocks.entry(key).or_default();
            if block.len() < KEY_CAP {
                candidates.extend_from_slice(block);
            }
            block.push(at as u32);
        }
        candidates.sort_unstable();
        candidates.dedup();
        for other in candidates {
            let edge = compare_features(&features, &self.features[other as usize]);
            if let Some(edge) = edge.filter(|edge| edge.outcome == Outcome::Same) {
                let number = self.edges.len() as u32;
                self.edges.push(Edge {
                    evidence: Vec::new(),
                    ..edge
                });
                let both = [(at as u32, other), (other, at as u32)];
                for (one, other) in both {
                    self.near.entry(one).or_default().push((other, number));
                }
            }
        }
        self.features.push(features);
    }

    /// Clusters what hangs together with one posting: which postings that are, and how long it took
    /// to copy them, which is no part of the work: a store gives them.
    fn cluster(&self, postings: &[StoredPosting], at: usize) -> (Vec<u32>, Duration) {
        let mut component = vec![at as u32];
        let mut edges = Vec::new();
        let mut next = 0;
        while let Some(of) = component.get(next).copied() {
            for (other, number) in self.near.get(&of).into_iter().flatten() {
                match component.iter().position(|known| known == other) {
                    // From its other end it was taken already.
                    Some(known) if known < next => {}
                    known => {
                        edges.push(self.edges[*number as usize].clone());
                        if known.is_none() {
                            component.push(*other);
                        }
                    }
                }
            }
            next += 1;
        }
        let copying = Instant::now();
        let members: Vec<StoredPosting> = component
            .iter()
            .map(|i| postings[*i as usize].clone())
            .collect();
        let copying = copying.elapsed();
        black_box(derive(
            &members,
            &edges,
            &[],
            &Network::default(),
            Timestamp::UNIX_EPOCH,
            0,
        ));
        (component, copying)
    }
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().split(' ').next()?.parse().ok())
        .unwrap_or(0)
}

fn main() {
    let mut sizes: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    if sizes.is_empty() {
        sizes = vec![10_000];
    }
    const EVENTS: usize = 2_000;
    for size in sizes {
        let mut dice = Dice(7);
        let mut postings: Vec<StoredPosting> = Vec::with_capacity(size + EVENTS);
        for n in 0..size + EVENTS {
            let copied = (n > 0 && dice.roll(3) == 0).then(|| dice.roll(n));
            let made = posting(&mut dice, n, copied.map(|i| &postings[i]));
            postings.push(made);
        }
        let before = resident_kb();
        let mut hub = Hub::default();
        let loading = Instant::now();
        for at in 0..size {
            hub.add(&postings, at);
        }
        let index_kb = resident_kb().saturating_sub(before);
        let mut done = vec![false; size];
        let mut copying = Duration::ZERO;
        for at in 0..size {
            if !done[at] {
                let (component, copied) = hub.cluster(&postings, at);
                component.iter().for_each(|one| done[*one as usize] = true);
                copying += copied;
            }
        }
        let rebuilt = loading.elapsed().saturating_sub(copying);
        let mut times: Vec<u128> = Vec::with_capacity(EVENTS);
        let mut largest = 0;
        for at in size..size + EVENTS {
            let event = Instant::now();
            hub.add(&postings, at);
            let (component, copying) = hub.cluster(&postings, at);
            largest = largest.max(component.len());
            times.push(event.elapsed().saturating_sub(copying).as_micros());
        }
        let rate = EVENTS as f64 / (times.iter().sum::<u128>() as f64 / 1e6);
        times.sort_unstable();
        println!(
            "hub {size}: {rate:.0} events/s, median {} us, p99 {} us, largest component {largest}; \
             rebuilt in {:.1} s; index {:.2} kB a posting",
            times[EVENTS / 2],
            times[EVENTS * 99 / 100],
            rebuilt.as_secs_f64(),
            index_kb as f64 / size as f64,
        );
    }
}
