//! The simulated world: three sources that come and go, and what they show at the moment.

use crate::support::feeds::{Answer, Feeds};
use crate::support::hub::Hub;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// SplitMix64: small, and the same on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}

#[derive(Debug)]
pub struct Source {
    pub name: &'static str,
    pub path: &'static str,
    pub member: Option<&'static str>,
}

/// Two employers, and a board that copies some of their ads.
pub const SOURCES: [Source; 3] = [
    Source {
        name: "residence",
        path: "/residence.json",
        member: Some("residence"),
    },
    Source {
        name: "clinique",
        path: "/clinique.json",
        member: Some("clinique"),
    },
    Source {
        name: "tableau",
        path: "/tableau.json",
        member: None,
    },
];

const TITLES: [&str; 8] = [
    "Infirmier",
    "Aide-soignant",
    "Psychologue",
    "Ergothérapeute",
    "Cuisinier",
    "Médecin coordonnateur",
    "Masseur-kinésithérapeute",
    "Secrétaire médicale",
];
const TOWNS: [(&str, &str); 5] = [
    ("70000", "Vesoul"),
    ("70200", "Lure"),
    ("70100", "Gray"),
    ("70300", "Luxeuil-les-Bains"),
    ("70400", "Héricourt"),
];
const SERVICES: [&str; 5] = [
    "gériatrie",
    "urgences",
    "pédiatrie",
    "cardiologie",
    "unité protégée",
];

/// What every source shows now, by source and reference.
#[derive(Default)]
pub struct World {
    pub shown: BTreeMap<&'static str, BTreeMap<String, Value>>,
    /// What a source shows no more and the hub still waits for: a guard would doubt more than three.
    pub absent: BTreeMap<&'static str, usize>,
    made: u64,
}

impl World {
    /// Enough offers that no guard doubts a step: at most three go at a time.
    pub fn new(random: &mut Random) -> Self {
        let mut world = Self::default();
        for source in &SOURCES[..2] {
            for _ in 0..8 {
                world.add(source.name, random);
            }
        }
        while world.records("tableau").len() < 6 {
            world.copy(random);
        }
        world
    }

    pub fn records(&self, source: &str) -> Vec<Value> {
        let shown = self.shown.get(source).into_iter().flatten();
        shown.map(|(_, record)| record.clone()).collect()
    }

    pub fn answer(&self, source: &str) -> Answer {
        Answer::json(&json!({ "jobs": self.records(source) }))
    }

    pub fn serve(&self, feeds: &Feeds) {
        for source in &SOURCES {
            feeds.set(source.path, self.answer(source.name));
        }
    }

    /// A new opening at an employer.
    pub fn add(&mut self, source: &'static str, random: &mut Random) {
        self.made += 1;
        let n = self.made;
        let (title, service) = (*random.pick(&TITLES), *random.pick(&SERVICES));
        let (zip, town) = *random.pick(&TOWNS);
        let record = json!({
            "ref": format!("{source}-{n:04}"),
            "title": format!("{title} en {service} (H/F)"),
            "company": if source == "residence" { "Résidence des Essais" } else { "Clinique des Essais" },
            "city": town,
            "zip": zip,
            "contract": if random.below(3) == 0 { "CDD" } else { "CDI" },
            "date": format!("2026-10-{:02}T08:00:00Z", 1 + random.below(28)),
            "url": format!("https://{source}.example/offres/{n}"),
            "text": text(n, title, service, 0),
        });
        let shown = self.shown.entry(source).or_default();
        shown.insert(format!("{source}-{n:04}"), record);
    }

    /// The board copies an ad that an employer shows: its link, another title, a shorter text.
    pub fn copy(&mut self, random: &mut Random) {
        let source = if random.below(2) == 0 {
            "residence"
        } else {
            "clinique"
        };
        let own: Vec<Value> = self.records(source);
        if own.is_empty() {
            return;
        }
        let mut record = random.pick(&own).clone();
        let reference = format!("T-{}", record["ref"].as_str().unwrap_or_default());
        record["ref"] = json!(reference);
        record["title"] = json!(format!(
            "URGENT - {}",
            record["title"].as_str().unwrap_or_default()
        ));
        let shown = self.shown.entry("tableau").or_default();
        shown.entry(reference).or_insert(record);
    }

    /// One thing that happens.
    pub fn happen(&mut self, random: &mut Random) {
        let source = SOURCES[random.below(3) as usize].name;
        match (random.below(4), source) {
            (0 | 1, "tableau") => self.copy(random),
            (0 | 1, employer) => self.add(employer, random),
            (2, _) => self.close(source, random),
            _ => self.change(source, random),
        }
    }

    fn close(&mut self, source: &'static str, random: &mut Random) {
        let shown = self.shown.entry(source).or_default();
        let absent = self.absent.entry(source).or_default();
        if shown.len() > 5 && *absent < 3 {
            *absent += 1;
            let references: Vec<String> = shown.keys().cloned().collect();
            shown.remove(random.pick(&references));
        }
    }

    fn change(&mut self, source: &'static str, random: &mut Random) {
        let shown = self.shown.entry(source).or_default();
        let references: Vec<String> = shown.keys().cloned().collect();
        if references.is_empty() {
            return;
        }
        if let Some(record) = shown.get_mut(random.pick(&references)) {
            let more = format!(
                "<p>Précision n° {} : logement possible.</p>",
                random.below(1000)
            );
            let text = format!("{}{more}", record["text"].as_str().unwrap_or_default());
            record["text"] = json!(text);
        }
    }
}

fn text(n: u64, title: &str, service: &str, version: u64) -> String {
    let mut random = Random(n * 1000 + version);
    let words = [
        "équipe",
        "projet",
        "accueil",
        "soins",
        "planning",
        "roulement",
        "formation",
        "tutorat",
        "reprise",
        "ancienneté",
        "parking",
        "restauration",
        "mobilité",
        "écoute",
        "rigueur",
        "autonomie",
        "parcours",
        "famille",
        "qualité",
        "transmission",
        "résident",
        "patient",
    ];
    let mut text = format!("<p>Annonce synthétique n° {n} : {title}, {service}.</p><p>");
    for _ in 0..60 {
        text += words[random.below(words.len() as u64) as usize];
        text += &random.below(90).to_string();
        text.push(' ');
    }
    text + "</p>"
}

/// Settings, members and connectors of a hub that reads these sources.
pub fn write_files(hub: &Hub, feeds: &Feeds) {
    for source in &SOURCES {
        let url = feeds.url(source.path);
        let member = source
            .member
            .map_or_else(String::new, |m| format!("member = \"{m}\"\n"));
        hub.connector(
            source.name,
            &format!(
                r#"name = "{}"
{member}
[source]
kind = "json"
url = "{url}"

[records]
path = "jobs"

[fields]
reference = "ref"
title = "title"
employer_name = "company"
description = "text"
place_city = "city"
place_postal_code = "zip"
contract = {{ path = "contract", values = "contract" }}
published = {{ path = "date", format = "iso" }}
apply_url = "url"

[values.contract]
"CDI" = "cdi"
"CDD" = "cdd"
"#,
                source.name
            ),
        );
        if let Some(member) = source.member {
            let name = if member == "residence" {
                "Résidence des Essais"
            } else {
                "Clinique des Essais"
            };
            hub.member(member, &format!("id = \"{member}\"\nname = \"{name}\"\n"));
        }
    }
}
