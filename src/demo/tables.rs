//! The tables under `connectors/demo/data/`, embedded. Everything in them is invented.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What an ad of one occupation says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Masculine and feminine form.
    pub title: [String; 2],
    pub short: String,
    pub rome: String,
    pub rome_label: String,
    pub appellation: String,
    /// Gross euros a month.
    pub pay: [u32; 2],
    pub diploma: String,
    pub tasks: Vec<String>,
    pub profile: Vec<String>,
}

/// How one member writes, and where it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Voice {
    pub name: String,
    pub short: String,
    /// Host of its links, always under `.example`.
    pub host: String,
    /// Empty for the agency.
    pub agreement: String,
    /// NAF class and its label.
    pub naf: [String; 2],
    /// Of the team, the tasks, the profile and the conditions.
    pub headings: [String; 4],
    pub intro: String,
    pub closing: String,
    pub benefits: Vec<String>,
    pub sites: BTreeMap<String, Site>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    pub name: String,
    pub insee: String,
    pub postal: String,
    pub city: String,
    pub street: String,
    pub lat: f64,
    pub lon: f64,
}

/// A line of `openings.csv`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub member: String,
    pub job: String,
    pub site: String,
    pub service: String,
    pub contract: String,
    /// Per cent of full time.
    pub time: u32,
    pub shift: String,
    /// Published that many days before the demo's own day.
    pub days: i64,
    /// How France Travail copies it; empty for not at all.
    pub echo: String,
    pub flag: String,
}

pub struct Tables {
    pub jobs: BTreeMap<String, Job>,
    pub services: BTreeMap<String, String>,
    pub network: BTreeMap<String, Voice>,
    pub openings: Vec<Row>,
}

/// The tables, read once.
///
/// # Panics
/// Never with the embedded files: a test reads them all.
pub fn tables() -> &'static Tables {
    static TABLES: LazyLock<Tables> = LazyLock::new(|| {
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(b';')
            .from_reader(include_bytes!("../../connectors/demo/data/openings.csv").as_slice());
        Tables {
            jobs: toml::from_str(include_str!("../../connectors/demo/data/jobs.toml"))
                .expect("jobs.toml is a table of jobs"),
            services: toml::from_str(include_str!("../../connectors/demo/data/services.toml"))
                .expect("services.toml is a table of sentences"),
            network: toml::from_str(include_str!("../../connectors/demo/data/network.toml"))
                .expect("network.toml is a table of members"),
            openings: reader
                .deserialize()
                .collect::<Result<_, _>>()
                .expect("openings.csv is a table of openings"),
        }
    });
    &TABLES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_opening_names_what_exists() {
        let tables = tables();
        for row in &tables.openings {
            let voice = &tables.network[&row.member];
            assert!(tables.jobs.contains_key(&row.job), "{row:?}");
            assert!(voice.sites.contains_key(&row.site), "{row:?}");
            assert!(tables.services.contains_key(&row.service), "{row:?}");
        }
    }

    #[test]
    fn every_host_is_reserved_for_examples() {
        for (member, voice) in &tables().network {
            assert!(voice.host.ends_with(".example"), "{member}");
        }
    }
}
