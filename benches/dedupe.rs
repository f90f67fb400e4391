//! The pure part of deduplication: one posting after the other into a hub that already holds many.
//!
//! `cargo bench --bench dedupe -- 10000 100000` (hub sizes; 1,000,000 needs about 5 GB). Postings
//! are synthetic: a third copy one that is there, shortened; the rest are new. An employer has five
//! in the mean, whatever the size; `--employers 20000` fixes their number instead, so that a larger
//! hub is a denser one too.

use jiff::Timestamp;
use passerelle::dedupe::{Features, KEY_CAP, compare_features, derive};
use passerelle::model::{
    ConnectorName, Contract, ContractForm, Description, Edge, Employer, Network, Occupation, Offer,
    Outcome, Place, PlacePrecision, Posting, PostingId, PostingState, ProvenanceMap, Revision,
    StoredPosting,
};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hint::black_box;
use std::time::Instant;

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

fn posting(
    dice: &mut Dice,
    n: usize,
    employers: usize,
    copied: Option<&StoredPosting>,
) -> StoredPosting {
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
            let establishment = dice.roll(employers);
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

/// What a worker of the pure part keeps: features, keys and what may join, by position. The words
/// of a verdict are for the store.
#[derive(Default)]
struct Hub {
    features: Vec<Features>,
    /// The only posting of a key; or, with the highest bit set, which of `shared` has its postings.
    blocks: HashMap<u64, u32>,
    shared: Vec<Vec<u32>>,
    /// Of each posting that has any, its neighbours and the weight of the pair.
    near: HashMap<u32, Vec<(u32, i32)>>,
    /// Pairs that share a key, and those of them that are a question or more.
    pairs: [usize; 2],
}

const SHARED: u32 = 1 << 31;

impl Hub {
    /// Takes one posting in and compares it.
    fn add(&mut self, postings: &[StoredPosting], at: usize) {
        let features = Features::of(&postings[at].posting);
        let mut candidates = Vec::new();
        for key in features.keys() {
            let block = match self.blocks.entry(key) {
                Entry::Vacant(entry) => {
                    entry.insert(at as u32);
                    continue;
                }
                Entry::Occupied(entry) => entry.into_mut(),
            };
            if *block & SHARED == 0 {
                let first = std::mem::replace(block, SHARED | self.shared.len() as u32);
                self.shared.push(vec![first]);
            }
            let block = &mut self.shared[(*block & !SHARED) as usize];
            if block.len() < KEY_CAP {
                candidates.extend_from_slice(block);
            }
            block.push(at as u32);
        }
        candidates.sort_unstable();
        candidates.dedup();
        for other in candidates {
            let edge = compare_features(&features, &self.features[other as usize]);
            self.pairs[0] += 1;
            self.pairs[1] += usize::from(edge.is_some());
            if let Some(edge) = edge.filter(|edge| edge.outcome == Outcome::Same) {
                let weight = edge.weight as i32;
                for (one, other) in [(at as u32, other), (other, at as u32)] {
                    self.near.entry(one).or_default().push((other, weight));
                }
            }
        }
        self.features.push(features);
    }

    /// Clusters what hangs together with one posting: which postings that are.
    fn cluster(&self, postings: &[StoredPosting], at: usize) -> Vec<u32> {
        let mut component = vec![at as u32];
        let mut edges = Vec::new();
        let mut next = 0;
        while let Some(of) = component.get(next).copied() {
            for (other, weight) in self.near.get(&of).into_iter().flatten() {
                let known = component.iter().position(|known| known == other);
                if known.is_none() {
                    component.push(*other);
                }
                // From its other end it was taken already.
                if known.is_none_or(|known| known > next) {
                    let [a, b] = [of, *other].map(|i| postings[i as usize].state.id);
                    edges.push(Edge {
                        a: a.min(b),
                        b: a.max(b),
                        outcome: Outcome::Same,
                        weight: i64::from(*weight),
                        evidence: Vec::new(),
                    });
                }
            }
            next += 1;
        }
        let members: Vec<&StoredPosting> =
            component.iter().map(|i| &postings[*i as usize]).collect();
        let read = |id: PostingId| {
            let mut members = component.iter();
            let at = members.find(|i| postings[**i as usize].state.id == id)?;
            Some(&self.features[*at as usize])
        };
        black_box(derive(
            &members,
            &read,
            &edges,
            &[],
            &Network::default(),
            Timestamp::UNIX_EPOCH,
            0,
        ));
        component
    }
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    line.and_then(|l| l.trim().split(' ').next()?.parse().ok())
        .unwrap_or(0)
}

fn main() {
    let mut fixed = None;
    let mut sizes: Vec<usize> = Vec::new();
    let mut args = std::env::args();
    while let Some(arg) = args.next() {
        if arg == "--employers" {
            fixed = args.next().and_then(|count| count.parse().ok());
        } else {
            sizes.extend(arg.parse::<usize>().ok());
        }
    }
    if sizes.is_empty() {
        sizes = vec![10_000];
    }
    const EVENTS: usize = 2_000;
    for size in sizes {
        let mut dice = Dice(7);
        let employers = fixed.unwrap_or(size / 5);
        let mut postings: Vec<StoredPosting> = Vec::with_capacity(size + EVENTS);
        for n in 0..size + EVENTS {
            let copied = (n > 0 && dice.roll(3) == 0).then(|| dice.roll(n));
            let made = posting(&mut dice, n, employers, copied.map(|i| &postings[i]));
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
        for at in 0..size {
            if !done[at] {
                let component = hub.cluster(&postings, at);
                component.iter().for_each(|one| done[*one as usize] = true);
            }
        }
        let rebuilt = loading.elapsed();
        let mut times: Vec<u128> = Vec::with_capacity(EVENTS);
        let mut largest = 0;
        let before = hub.pairs;
        for at in size..size + EVENTS {
            let event = Instant::now();
            hub.add(&postings, at);
            let component = hub.cluster(&postings, at);
            largest = largest.max(component.len());
            times.push(event.elapsed().as_micros());
        }
        let rate = EVENTS as f64 / (times.iter().sum::<u128>() as f64 / 1e6);
        times.sort_unstable();
        let pairs: [f64; 2] =
            std::array::from_fn(|i| (hub.pairs[i] - before[i]) as f64 / EVENTS as f64);
        println!(
            "hub {size} of {employers} employers: {rate:.0} events/s, median {} us, p99 {} us, {:.0} pairs \
             compared and {:.1} kept an event, largest component {largest}; rebuilt in {:.1} s; index {:.2} kB a posting",
            times[EVENTS / 2],
            times[EVENTS * 99 / 100],
            pairs[0],
            pairs[1],
            rebuilt.as_secs_f64(),
            index_kb as f64 / size as f64,
        );
    }
}
