//! The whole of `normalise` on one core: synthetic offers of the usual kinds, and, where
//! `PASSERELLE_CORPUS` names the folder, every real offer of France Travail in it.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::Timestamp;
use passerelle::model::{ConnectorName, Draft, Field, Network, Raw};
use passerelle::normalise::{Context, normalise};
use std::hint::black_box;

const TEXT: &str = "Au sein d'un EHPAD de 80 lits, vous assurez les soins d'hygiène et de confort des résidents, \
en équipe pluridisciplinaire.\n\nMissions :\n- Accompagner les actes de la vie quotidienne\n- Transmettre les \
observations\n\nProfil : DEAS exigé, débutant accepté.\nPoste en 12h, un week-end sur deux. Salaire selon CCN51, \
2 050 € brut mensuel, reprise d'ancienneté.\nContact : Mme Claire Exemple, 03 84 00 00 00, emploi@ehpad.example";

/// Offers in the forms that sources use: plain text and HTML, with and without codes.
fn synthetic() -> Vec<Draft> {
    let titles = [
        "Aide-soignant (H/F)",
        "URGENT - IDE de nuit CDI 80% (F/H)",
        "Agent de maintenance - Vesoul (70)",
        "Éducateur·rice spécialisé·e H/F",
    ];
    let html = format!(
        "<p>{}</p><ul><li>a</li><li>b</li></ul>",
        TEXT.replace('\n', "<br>")
    );
    (0..200)
        .map(|index| {
            let mut draft = Draft {
                reference: format!("B{index}"),
                ..Draft::default()
            };
            let text = if index % 4 == 0 { html.as_str() } else { TEXT };
            for (field, value) in [
                (Field::Title, titles[index % titles.len()]),
                (Field::Description, text),
                (Field::Place, "70 - VESOUL"),
                (Field::Contract, "CDI"),
                (Field::Hours, "35H Travail en journée"),
                (
                    Field::Pay,
                    "Mensuel de 2050.0 Euros à 2300.0 Euros sur 12.0 mois",
                ),
                (Field::Published, "2026-11-02T08:00:00Z"),
            ] {
                draft.fields.insert(field, Raw::new(value, "bench"));
            }
            draft
        })
        .collect()
}

fn real() -> Vec<Draft> {
    let Some(folder) = std::env::var_os("PASSERELLE_CORPUS") else {
        return Vec::new();
    };
    let folder = std::path::Path::new(&folder).join("france-travail/offers");
    let mut drafts = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry
            .path()
            .extension()
            .is_none_or(|extension| extension != "jsonl")
        {
            continue;
        }
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        for offer in text
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        {
            let mut draft = Draft::default();
            for (field, path) in [
                (Field::Reference, "/id"),
                (Field::Title, "/intitule"),
                (Field::Description, "/description"),
                (Field::OccupationCode, "/romeCode"),
                (Field::OccupationLabel, "/appellationlibelle"),
                (Field::EmployerName, "/entreprise/nom"),
                (Field::Place, "/lieuTravail/libelle"),
                (Field::PlacePostalCode, "/lieuTravail/codePostal"),
                (Field::PlaceInsee, "/lieuTravail/commune"),
                (Field::Contract, "/typeContrat"),
                (Field::Hours, "/dureeTravailLibelle"),
                (Field::Pay, "/salaire/libelle"),
                (Field::Published, "/dateCreation"),
            ] {
                if let Some(value) = offer.pointer(path).and_then(|value| value.as_str()) {
                    draft.fields.insert(field, Raw::new(value, path));
                }
            }
            drafts.push(draft);
        }
    }
    drafts
}

fn bench(criterion: &mut Criterion) {
    let connector = ConnectorName::from("bench");
    let network = Network::default();
    let context = Context {
        connector: &connector,
        member: None,
        network: &network,
        first_seen: Timestamp::UNIX_EPOCH,
    };
    let mut group = criterion.benchmark_group("normalise");
    for (name, drafts) in [("synthetic", synthetic()), ("france_travail", real())] {
        if drafts.is_empty() {
            continue;
        }
        group.throughput(Throughput::Elements(drafts.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for draft in &drafts {
                    black_box(normalise(black_box(draft), &context));
                }
            });
        });
    }
    group.finish();

    // Where the time goes: each part of the real offers alone.
    let drafts = real();
    let mut group = criterion.benchmark_group("normalise_parts");
    for (name, fields) in [
        ("nothing", &[][..]),
        ("title", &[Field::Title]),
        (
            "occupation",
            &[Field::Title, Field::OccupationCode, Field::OccupationLabel],
        ),
        ("description", &[Field::Description]),
        ("employer", &[Field::EmployerName]),
        (
            "place",
            &[Field::Place, Field::PlacePostalCode, Field::PlaceInsee],
        ),
        ("contract_and_hours", &[Field::Contract, Field::Hours]),
        ("pay", &[Field::Pay]),
    ] {
        let parts: Vec<Draft> = drafts
            .iter()
            .map(|draft| {
                let mut part = draft.clone();
                part.fields.retain(|field, _| fields.contains(field));
                part
            })
            .collect();
        if parts.is_empty() {
            continue;
        }
        group.throughput(Throughput::Elements(parts.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for draft in &parts {
                    black_box(normalise(black_box(draft), &context));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
