//! Labelled corpora as postings: the forms of `duplicates evaluate`.

use crate::model::{
    Apply, ConnectorName, Contract, ContractForm, Description, Employer, MemberId, Occupation,
    Offer, Openings, Origin, Partner, Pay, Place, PlacePrecision, Posting, PostingId,
    ProvenanceMap, Time, WorkingTime,
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};

/// Why a corpus cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    #[error("cannot read the corpus")]
    Read(#[from] std::io::Error),
    #[error("cannot decompress the corpus: {0}")]
    Xz(String),
    #[error("line {line} is not what a corpus line looks like")]
    Line {
        line: usize,
        #[source]
        source: serde_json::Error,
    },
    #[error("cannot read the pairs")]
    Pairs(#[from] csv::Error),
    #[error("the pairs name {id:?}, which is not in the corpus")]
    Unknown { id: String },
}

/// Postings with the names and truths that their file gives them.
#[derive(Debug, Default)]
pub struct Corpus {
    pub postings: Vec<Posting>,
    /// `rid`, or the offer's id.
    pub names: Vec<String>,
    /// The vacancy that each truly belongs to; empty for a corpus that is judged by pairs.
    pub truth: Vec<u64>,
}

/// Decompresses `.xz` by its magic bytes; anything else passes as it is.
///
/// # Errors
/// The reader fails or the archive is damaged.
pub fn plain(mut input: impl Read) -> Result<Vec<u8>, CorpusError> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes)?;
    if bytes.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
        let mut out = Vec::new();
        lzma_rs::xz_decompress(&mut bytes.as_slice(), &mut out)
            .map_err(|e| CorpusError::Xz(format!("{e:?}")))?;
        return Ok(out);
    }
    Ok(bytes)
}

fn lines<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<Vec<T>, CorpusError> {
    let mut items = Vec::new();
    for (at, line) in BufReader::new(bytes).lines().enumerate() {
        let line = line?;
        if !line.trim().is_empty() {
            let item = serde_json::from_str(&line);
            items.push(item.map_err(|source| CorpusError::Line {
                line: at + 1,
                source,
            })?);
        }
    }
    Ok(items)
}

#[derive(Deserialize)]
struct Row {
    rid: String,
    vid: Value,
    src: String,
    ext_id: String,
    title: Option<String>,
    employer: Option<String>,
    siret: Option<String>,
    commune: Option<String>,
    loc: Option<String>,
    dept: Option<String>,
    rome: Option<String>,
    contract: Option<String>,
    salary: Option<f64>,
    #[serde(rename = "ref")]
    requisition: Option<String>,
    url: Option<String>,
    date: Option<String>,
    end: Option<String>,
    desc: Option<String>,
}

/// Labelled postings, one JSON object a line, each `src` a connector: `ats:…` the own source of a
/// member, every other an aggregator.
///
/// # Errors
/// See [`CorpusError`].
pub fn labelled(input: impl Read) -> Result<Corpus, CorpusError> {
    let rows: Vec<Row> = lines(&plain(input)?)?;
    let mut corpus = Corpus::default();
    let mut truths: HashMap<String, u64> = HashMap::new();
    let mut seen: HashMap<(String, String), usize> = HashMap::new();
    for row in rows {
        let next = truths.len() as u64;
        let truth = *truths.entry(row.vid.to_string()).or_insert(next);
        // A reference that a source gives twice names two postings: the order tells them apart.
        let times = seen
            .entry((row.src.clone(), row.ext_id.clone()))
            .or_default();
        *times += 1;
        let reference = match *times {
            1 => row.ext_id.clone(),
            n => format!("{}#{n}", row.ext_id),
        };
        corpus.names.push(row.rid.clone());
        corpus.truth.push(truth);
        corpus.postings.push(posting(row, reference));
    }
    Ok(corpus)
}

fn posting(row: Row, reference: String) -> Posting {
    let (kind, name) = row.src.split_once(':').unwrap_or((row.src.as_str(), ""));
    let connector = ConnectorName(row.src.replace(':', "-"));
    let member = (kind == "ats").then(|| MemberId(name.to_owned()));
    let shown = row.loc.unwrap_or_default();
    let place = Place {
        precision: if row.commune.is_some() {
            PlacePrecision::Commune
        } else if row.dept.is_some() {
            PlacePrecision::Department
        } else {
            PlacePrecision::Unknown
        },
        name: Some(
            shown
                .split_once(" - ")
                .map_or(shown.as_str(), |(_, n)| n)
                .to_owned(),
        ),
        insee: row.commune,
        department: row.dept,
        ..Place::default()
    };
    let pay = row.salary.map(|amount| Pay {
        min: Some(amount),
        monthly_min: Some(amount),
        monthly_max: Some(amount),
        ..Pay::default()
    });
    Posting {
        id: PostingId::new(&connector, &reference),
        connector,
        reference,
        member,
        offer: Offer {
            title: row.title.unwrap_or_default(),
            occupation: row.rome.map(occupation),
            employer: (row.employer.is_some() || row.siret.is_some()).then(|| Employer {
                name: row.employer,
                siret: row.siret,
                ..Employer::default()
            }),
            places: if place.precision == PlacePrecision::Unknown {
                Vec::new()
            } else {
                vec![place]
            },
            contract: row.contract.as_deref().and_then(form).map(|form| Contract {
                form: Some(form),
                ..Contract::default()
            }),
            pay,
            description: row.desc.map(description),
            requisition: row.requisition,
            published: row.date.as_deref().and_then(day),
            expires: row.end.as_deref().and_then(day),
            apply: row.url.map(|url| Apply {
                url: Some(url),
                email: None,
            }),
            ..Offer::default()
        },
        findings: Vec::new(),
        contacts: Vec::new(),
        provenance: ProvenanceMap::new(),
    }
}

fn occupation(code: String) -> Occupation {
    Occupation {
        rome_v3: Some(code.clone()),
        rome: Some(code),
        ..Occupation::default()
    }
}

/// As normalisation would hand it on: character references read.
fn description(text: String) -> Description {
    Description {
        html: String::new(),
        text: if text.contains('&') {
            unescape(&text)
        } else {
            text
        },
        summary: None,
        sections: Vec::new(),
    }
}

/// The named references that boards leave in French texts, and the numbered ones.
fn unescape(text: &str) -> String {
    const NAMED: [(&str, char); 32] = [
        ("amp", '&'),
        ("lt", '<'),
        ("gt", '>'),
        ("quot", '"'),
        ("apos", '\''),
        ("nbsp", ' '),
        ("agrave", 'à'),
        ("acirc", 'â'),
        ("ccedil", 'ç'),
        ("eacute", 'é'),
        ("egrave", 'è'),
        ("ecirc", 'ê'),
        ("euml", 'ë'),
        ("icirc", 'î'),
        ("iuml", 'ï'),
        ("ocirc", 'ô'),
        ("ugrave", 'ù'),
        ("ucirc", 'û'),
        ("Agrave", 'À'),
        ("Eacute", 'É'),
        ("Egrave", 'È'),
        ("oelig", 'œ'),
        ("rsquo", '’'),
        ("lsquo", '‘'),
        ("ldquo", '“'),
        ("rdquo", '”'),
        ("laquo", '«'),
        ("raquo", '»'),
        ("ndash", '–'),
        ("mdash", '—'),
        ("hellip", '…'),
        ("euro", '€'),
    ];
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let known = after
            .split_once(';')
            .filter(|(name, _)| name.len() <= 8)
            .and_then(|(name, tail)| {
                let numbered = || {
                    let number = name.strip_prefix('#')?;
                    let code = match number.strip_prefix(['x', 'X']) {
                        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                        None => number.parse().ok()?,
                    };
                    char::from_u32(code)
                };
                let named = NAMED.iter().find(|(n, _)| *n == name).map(|(_, c)| *c);
                Some((named.or_else(numbered)?, tail))
            });
        match known {
            Some((c, tail)) => {
                out.push(c);
                rest = tail;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn day(text: &str) -> Option<Timestamp> {
    let date: Date = text.get(..10)?.parse().ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn form(text: &str) -> Option<ContractForm> {
    Some(match text {
        "CDI" | "Titulaire" | "DIN" => ContractForm::Cdi,
        "CDD" | "SAI" | "DDI" => ContractForm::Cdd,
        "MIS" => ContractForm::Interim,
        "Vacation" => ContractForm::Vacation,
        "LIB" => ContractForm::Liberal,
        _ => ContractForm::Other,
    })
}

/// France Travail's objects, one a line, as its connector would show them.
///
/// # Errors
/// See [`CorpusError`].
pub fn france_travail(input: impl Read) -> Result<Corpus, CorpusError> {
    let mut corpus = Corpus::default();
    for object in lines::<Value>(&plain(input)?)? {
        let (name, posting) = offer(&object);
        corpus.names.push(name);
        corpus.postings.push(posting);
    }
    Ok(corpus)
}

fn offer(object: &Value) -> (String, Posting) {
    let text = |path: &str| {
        object
            .pointer(path)
            .and_then(Value::as_str)
            .filter(|t| !t.is_empty())
            .map(str::to_owned)
    };
    let connector = ConnectorName::from("france-travail");
    let id = text("/id").unwrap_or_default();
    let created = text("/dateCreation");
    let reference = format!("{id} {}", created.as_deref().unwrap_or_default());
    let alternance = object.pointer("/alternance").and_then(Value::as_bool) == Some(true);
    let label = text("/typeContratLibelle").unwrap_or_default();
    let posting = Posting {
        id: PostingId::new(&connector, &reference),
        connector,
        reference,
        member: None,
        offer: Offer {
            title: text("/intitule").unwrap_or_default(),
            occupation: text("/romeCode").map(occupation),
            employer: text("/entreprise/nom").map(|name| Employer {
                name: Some(name),
                ..Employer::default()
            }),
            places: place(object),
            contract: text("/typeContrat")
                .as_deref()
                .and_then(form)
                .map(|form| Contract {
                    form: Some(if alternance {
                        ContractForm::Apprenticeship
                    } else {
                        form
                    }),
                    duration_months: months(&label),
                    ..Contract::default()
                }),
            working_time: text("/dureeTravailLibelleConverti").map(|time| WorkingTime {
                time: match time.as_str() {
                    "Temps plein" => Some(Time::Full),
                    "Temps partiel" => Some(Time::Part),
                    _ => None,
                },
                ..WorkingTime::default()
            }),
            pay: text("/salaire/libelle").as_deref().and_then(pay),
            description: text("/description").map(description),
            openings: object
                .pointer("/nombrePostes")
                .and_then(Value::as_u64)
                .map(|n| n as Openings),
            published: created.and_then(|c| c.parse().ok()),
            origin: Some(Origin {
                url: text("/origineOffre/urlOrigine"),
                partners: partners(object),
            }),
            ..Offer::default()
        },
        findings: Vec::new(),
        contacts: Vec::new(),
        provenance: ProvenanceMap::new(),
    };
    (id, posting)
}

fn partners(object: &Value) -> Vec<Partner> {
    let list = object
        .pointer("/origineOffre/partenaires")
        .and_then(Value::as_array);
    let text =
        |partner: &Value, key: &str| partner.get(key).and_then(Value::as_str).map(str::to_owned);
    list.into_iter()
        .flatten()
        .map(|partner| Partner {
            name: text(partner, "nom"),
            url: text(partner, "url"),
        })
        .collect()
}

fn place(object: &Value) -> Vec<Place> {
    let text = |key: &str| {
        let value = object.get("lieuTravail").and_then(|l| l.get(key));
        value.and_then(Value::as_str).map(str::to_owned)
    };
    let number = |key: &str| {
        object
            .get("lieuTravail")
            .and_then(|l| l.get(key))
            .and_then(Value::as_f64)
    };
    let label = text("libelle").unwrap_or_default();
    let Some((department, name)) = label.split_once(" - ") else {
        return Vec::new();
    };
    let insee = text("commune");
    vec![Place {
        precision: if insee.is_some() {
            PlacePrecision::Commune
        } else {
            PlacePrecision::Department
        },
        department: insee
            .as_deref()
            .and_then(|i| i.get(..if i.starts_with("97") { 3 } else { 2 }))
            .or(Some(department))
            .map(str::to_owned),
        name: Some(name.to_owned()),
        insee,
        postal_code: text("codePostal"),
        lat: number("latitude"),
        lon: number("longitude"),
        country: None,
    }]
}

/// "Contrat à durée déterminée - 6 Mois", "Mission intérimaire - 15 Jour(s)".
fn months(label: &str) -> Option<f64> {
    let (number, unit) = label.rsplit_once(" - ")?.1.split_once(' ')?;
    let number: f64 = number.parse().ok()?;
    match unit.get(..4)?.to_lowercase().as_str() {
        "mois" => Some(number),
        "jour" => Some(number / 30.0),
        "sema" => Some(number / 4.33),
        "an(s" => Some(number * 12.0),
        _ => None,
    }
}

/// "Annuel de 33000,00 Euros à 42000,00 Euros": enough of the grammar to compare two.
fn pay(label: &str) -> Option<Pay> {
    let factor = match label.split(' ').next()? {
        "Mensuel" => 1.0,
        "Annuel" => 1.0 / 12.0,
        "Horaire" => 151.67,
        _ => return None,
    };
    let amounts: Vec<f64> = label
        .split(' ')
        .filter_map(|w| w.replace(',', ".").parse().ok())
        .filter(|a: &f64| *a > 0.0)
        .map(|a| (a * factor).round())
        .collect();
    let low = amounts.first().copied()?;
    Some(Pay {
        monthly_min: Some(low),
        monthly_max: amounts.get(1).copied().filter(|a| *a >= low).or(Some(low)),
        ..Pay::default()
    })
}

/// A labelled pair of a `--pairs` file, as positions in the corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelledPair {
    pub a: usize,
    pub b: usize,
    pub same: bool,
}

/// Reads `id_a,id_b,label,…`: POS is the same vacancy, NEG and MULTISITE are not, anything else is
/// not to be scored.
///
/// # Errors
/// The file is no CSV, or names an id that the corpus does not have.
pub fn pairs(input: impl Read, corpus: &Corpus) -> Result<Vec<LabelledPair>, CorpusError> {
    let at: HashMap<&str, usize> = corpus
        .names
        .iter()
        .enumerate()
        .map(|(i, name)| (name.as_str(), i))
        .collect();
    let find = |id: &str| {
        at.get(id)
            .copied()
            .ok_or_else(|| CorpusError::Unknown { id: id.to_owned() })
    };
    let mut pairs = Vec::new();
    for record in csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(input)
        .records()
    {
        let record = record?;
        let field = |n: usize| record.get(n).unwrap_or_default().trim();
        let same = match field(2) {
            "POS" => true,
            "NEG" | "MULTISITE" => false,
            _ => continue,
        };
        pairs.push(LabelledPair {
            a: find(field(0))?,
            b: find(field(1))?,
            same,
        });
    }
    Ok(pairs)
}
