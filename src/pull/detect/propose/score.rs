//! Which path is which field: by its name first, then by what its values say alone.

use super::fields::{FIELDS, GENERIC, Known, OPENERS, TEXTS, of_an_offer};
use super::looks::{Looks, date_formats};
use super::{Guess, quoted};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Share of the values that must look as the field does.
const MOST: f64 = 0.5;
/// … and where no name speaks for it.
const NEARLY_ALL: f64 = 0.7;

/// Values of each path, over all records.
type Leaves = BTreeMap<String, Vec<String>>;

/// The best path for each field.
pub fn guess(records: &[Value]) -> Vec<Guess> {
    let mut leaves = Leaves::new();
    for record in records {
        collect(record, "", 0, &mut leaves);
    }
    let mut taken = BTreeSet::new();
    let mut out: Vec<Guess> = Vec::new();
    for known in FIELDS.iter() {
        let best = leaves
            .iter()
            .filter(|(path, _)| !taken.contains(path.as_str()))
            .filter_map(|(path, values)| {
                Some((by_name(path, values, known, records.len())?, path, values))
            })
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)));
        if let Some((confidence, path, values)) = best {
            taken.insert(path.clone());
            out.extend(made(known.field, path, confidence, values));
        }
    }
    for (field, looks) in OPENERS {
        if out.iter().any(|guess| guess.field == *field) {
            continue;
        }
        let best = leaves
            .iter()
            .filter(|(path, _)| !taken.contains(path.as_str()))
            .filter_map(|(path, values)| {
                let share = share(values, |value| looks.tells(value));
                let filled = filled(values, records.len());
                (share >= NEARLY_ALL && filled >= MOST).then_some((share * filled, path, values))
            })
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(a.1)));
        if let Some((weight, path, values)) = best {
            taken.insert(path.clone());
            out.extend(made(field, path, 0.5 * weight, values));
        }
    }
    texts(&leaves, &mut taken, &mut out);
    town(&leaves, &taken, &mut out);
    out
}

/// Further texts of an ad belong to its description: mission and profile.
fn texts(leaves: &Leaves, taken: &mut BTreeSet<String>, out: &mut [Guess]) {
    let Some(description) = out.iter_mut().find(|g| g.field == "description") else {
        return;
    };
    for (path, values) in leaves {
        if !taken.contains(path)
            && TEXTS.contains(&last(path).as_str())
            && share(values, |value| Looks::Long.fits(value)) >= MOST
        {
            taken.insert(path.clone());
            description.paths.push(path.clone());
        }
    }
}

/// A place where nothing is named like one: names of communes.
fn town(leaves: &Leaves, taken: &BTreeSet<String>, out: &mut Vec<Guess>) {
    if out.iter().any(|g| g.field.starts_with("place")) {
        return;
    }
    let found = leaves.iter().find(|(path, values)| {
        !taken.contains(path.as_str())
            && share(values, |value| {
                value.chars().count() <= 45 && crate::normalise::commune_of(value).is_some()
            }) >= NEARLY_ALL
    });
    if let Some((path, values)) = found {
        out.extend(made("place", path, 0.45, values));
    }
}

/// A guess with what its values need; none where they mean nothing.
fn made(field: &'static str, path: &str, confidence: f64, values: &[String]) -> Option<Guess> {
    let is_date = FIELDS
        .iter()
        .any(|known| known.field == field && known.looks == Looks::Date);
    let states = match field {
        "status" => states(values, &ENDED, "open")?,
        "visibility" => states(values, &[(&INTERNAL, "internal")], "public")?,
        _ => Vec::new(),
    };
    let example = values.first()?.split_whitespace().collect::<Vec<_>>();
    Some(Guess {
        field,
        paths: vec![path.to_owned()],
        confidence: (confidence.clamp(0.05, 0.99) * 100.0).round() / 100.0,
        example: example.join(" ").chars().take(60).collect(),
        formats: if is_date {
            date_formats(values)
        } else {
            Vec::new()
        },
        values: states,
    })
}

const ENDED: [(&[&str], &str); 2] = [(&CLOSED, "closed"), (&WITHDRAWN, "withdrawn")];
const CLOSED: [&str; 11] = [
    "pourvu",
    "ferm",
    "clo",
    "archiv",
    "draft",
    "brouillon",
    "suspend",
    "expir",
    "filled",
    "inactiv",
    "termin",
];
const WITHDRAWN: [&str; 5] = ["annul", "cancel", "retir", "withdr", "depubli"];
const INTERNAL: [&str; 5] = ["intern", "priv", "confidentiel", "true", "oui"];

/// What each of a few values means; none where they are too many to be states.
fn states(
    values: &[String],
    meanings: &[(&[&str], &'static str)],
    other: &'static str,
) -> Option<Vec<(String, &'static str)>> {
    let distinct: BTreeSet<&String> = values.iter().collect();
    if distinct.len() > 8 {
        return None;
    }
    let meaning = |value: &str| {
        let folded = folded(value);
        let says = |words: &[&str]| words.iter().any(|word| folded.starts_with(word));
        let found = meanings.iter().find(|(words, _)| says(words));
        found.map_or(other, |(_, meaning)| *meaning)
    };
    let table = distinct
        .into_iter()
        .map(|value| (value.clone(), meaning(value)))
        .collect();
    Some(table)
}

fn collect(value: &Value, path: &str, depth: usize, leaves: &mut Leaves) {
    let mut put = |text: String| {
        if !text.trim().is_empty() {
            leaves.entry(path.to_owned()).or_default().push(text);
        }
    };
    match value {
        Value::String(text) => put(text.trim().to_owned()),
        Value::Number(number) => put(number.to_string()),
        Value::Bool(flag) => put(flag.to_string()),
        Value::Object(map) if depth < 4 => {
            for (key, inner) in map {
                let next = if path.is_empty() {
                    quoted(key)
                } else if key == "#text" {
                    path.to_owned()
                } else {
                    format!("{path}.{}", quoted(key))
                };
                collect(inner, &next, depth + 1, leaves);
            }
        }
        Value::Array(items) => {
            for item in items {
                collect(item, path, depth + 1, leaves);
            }
        }
        _ => {}
    }
}

/// Letters and digits alone, without accents: `Date de début` is `datededebut`.
fn folded(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    text.nfd()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase()
}

fn last(path: &str) -> String {
    folded(path.rsplit('.').next().unwrap_or_default())
}

fn share(values: &[String], test: impl Fn(&str) -> bool) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let share =
        values.iter().filter(|value| test(value)).count() as f64 / values.len().max(1) as f64;
    share
}

fn filled(values: &[String], records: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let filled = (values.len() as f64 / records.max(1) as f64).min(1.0);
    filled
}

/// How well a path's name and values speak for a field; none when they speak against it.
fn by_name(path: &str, values: &[String], known: &Known, records: usize) -> Option<f64> {
    let names = &known.names;
    let steps: Vec<&str> = path.split('.').collect();
    let last = last(path);
    // `place.city`, `company.name`: the step before says whose name it is.
    let before = steps.len().checked_sub(2).map(|at| folded(steps[at]));
    let rank = |name: &str| names.iter().position(|known| *known == name);
    #[expect(clippy::cast_precision_loss, reason = "short lists")]
    let by_rank = |at: usize| 0.95 - 0.4 * at as f64 / names.len().max(2) as f64;
    let is_generic = GENERIC.contains(&last.as_str());
    // Whose name it is: `company.name` is no title, though titles are called `name`.
    let of_another = is_generic
        && before.as_deref().is_some_and(|before| {
            FIELDS
                .iter()
                .any(|other| other.field != known.field && other.names.contains(&before))
        });
    // What another field is called exactly is that field's: `code_postal` is no key.
    let of_another = of_another
        || (!is_generic
            && rank(&last).is_none()
            && FIELDS
                .iter()
                .any(|other| other.names.contains(&last.as_str())));
    let name = if of_another {
        return None;
    } else if let Some(at) = rank(&last) {
        by_rank(at) - if steps.len() > 1 { 0.1 } else { 0.0 }
    } else if let Some(at) = before.as_deref().and_then(rank).filter(|_| is_generic) {
        by_rank(at) - 0.15
    } else if known.field == "reference" {
        let words = words(steps.last().copied().unwrap_or_default());
        let numbered = words
            .iter()
            .any(|word| matches!(word.as_str(), "num" | "no" | "n"));
        let at = words
            .iter()
            .find_map(|word| rank(word))
            .or(numbered.then_some(0))
            .or_else(|| of_an_offer(&last).into_iter().find_map(rank))?;
        by_rank(at) - 0.2
    } else {
        let at = names
            .iter()
            .position(|name| name.len() > 3 && last.contains(*name))?;
        by_rank(at) - 0.3
    };
    if known.field == "reference" {
        // A key of something within the record is not the record's.
        if steps.len() > 1 && before.as_deref().and_then(rank).is_none() {
            return None;
        }
        // A key is there for every record, and no two share one.
        let distinct: BTreeSet<&String> = values.iter().collect();
        if distinct.len() < values.len() || values.len() < records {
            return None;
        }
    }
    let fits = share(values, |value| known.looks.fits(value));
    if fits < MOST {
        return None;
    }
    // A name that several fields share is settled by the values.
    let told = share(values, |value| known.looks.tells(value));
    if VAGUE.contains(&last.as_str()) && known.looks == Looks::Form && told < MOST {
        return None;
    }
    Some(name * (0.55 + 0.15 * fits + 0.2 * filled(values, records) + 0.1 * told))
}

/// Names that say too little: only the values tell a contract from another `type`.
const VAGUE: [&str; 4] = ["type", "category", "categorie", "nature"];

/// `num_annonce` and `numAnnonce` as their words.
fn words(name: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    for c in name.chars() {
        if c.is_uppercase() || !c.is_alphanumeric() {
            out.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(last) = out.last_mut()
        {
            last.extend(c.to_lowercase());
        }
    }
    out
}
