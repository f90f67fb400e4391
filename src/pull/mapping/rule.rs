//! One field's rule: where its value stands and what is done with it.

use super::date::{self, DateFormat};
use super::path::Path;
use super::{Lazy, field_name};
use crate::model::{Field, Problem, Raw};
use crate::pull::connector::file::{FieldRule, FieldSpec, ValuesRef};
use crate::pull::said::Said;
use jiff::tz::TimeZone;
use minijinja::Environment;
use regex::Regex;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A compiled field rule.
#[derive(Clone, Debug)]
pub struct Rule {
    source: From,
    join: Option<String>,
    split: Option<String>,
    extract: Option<Regex>,
    unescape: u8,
    formats: Vec<DateFormat>,
    zone: TimeZone,
    table: Option<Arc<Table>>,
    known_only: bool,
    default: Option<String>,
    list: bool,
    /// As the file writes it: the `path` of what it finds.
    text: String,
}

#[derive(Clone, Debug)]
enum From {
    Paths(Vec<Path>),
    /// Name of a compiled template.
    Template(String),
    Constant(String),
}

/// A value table with folded keys.
#[derive(Debug)]
struct Table {
    known: HashMap<String, String>,
    other: Option<String>,
}

/// Key within the rule, and what is wrong there.
pub type RuleProblem = (Option<&'static str>, Said);

impl Rule {
    /// Compiles the rule of `field`; templates go into `env` under `name`.
    pub(super) fn compile(
        field: Field,
        name: &str,
        spec: &FieldSpec,
        tables: &BTreeMap<String, BTreeMap<String, String>>,
        zone: &TimeZone,
        env: &mut Environment<'static>,
    ) -> Result<Self, Vec<RuleProblem>> {
        let mut problems = Vec::new();
        let rule = match spec {
            FieldSpec::Path(path) => FieldRule {
                path: Some(crate::pull::connector::file::OneOrMany::One(path.clone())),
                ..FieldRule::default()
            },
            FieldSpec::Paths(paths) => FieldRule {
                path: Some(crate::pull::connector::file::OneOrMany::Many(paths.clone())),
                ..FieldRule::default()
            },
            FieldSpec::Rule(rule) => (**rule).clone(),
        };
        let mut text = String::new();
        let source = match (&rule.path, &rule.template, &rule.value) {
            (Some(paths), None, None) => {
                let mut parsed = Vec::new();
                for path in paths.as_slice() {
                    match path.parse::<Path>() {
                        Ok(path) => parsed.push(path),
                        Err(error) => problems.push((None, error.said())),
                    }
                }
                if parsed.is_empty() && problems.is_empty() {
                    problems.push((
                        None,
                        (
                            "la liste des chemins est vide",
                            "the list of paths is empty",
                        )
                            .into(),
                    ));
                }
                text = paths.as_slice().join(" | ");
                From::Paths(parsed)
            }
            (None, Some(template), None) => {
                if let Err(error) = env.add_template_owned(name.to_owned(), template.clone()) {
                    problems.push((
                        Some("template"),
                        (
                            format!("le modèle ne peut pas être lu : {error}"),
                            format!("the template cannot be read: {error}"),
                        )
                            .into(),
                    ));
                }
                text.clone_from(template);
                From::Template(name.to_owned())
            }
            (None, None, Some(value)) => {
                text.push_str("connector");
                From::Constant(value.clone())
            }
            (None, None, None) if rule.default.is_some() => {
                text.push_str("connector");
                From::Paths(Vec::new())
            }
            _ => {
                problems.push((
                    None,
                    (
                        "il faut un seul des trois mots `path`, `template` et `value`",
                        "exactly one of `path`, `template` and `value` is expected",
                    )
                        .into(),
                ));
                From::Paths(Vec::new())
            }
        };
        let mut formats = Vec::new();
        for format in rule.format.iter().flat_map(|f| f.as_slice()) {
            match format.parse() {
                Ok(format) if is_date(field) => formats.push(format),
                Ok(_) => problems.push((
                    Some("format"),
                    (format!("`{}` n'est pas une date : seuls published, updated, expires et starts ont une forme", field_name(field)), format!("`{}` is no date: only published, updated, expires and starts have a format", field_name(field))).into(),
                )),
                Err(error) => problems.push((Some("format"), error)),
            }
        }
        let zone = match &rule.zone {
            None => zone.clone(),
            Some(name) => TimeZone::get(name).unwrap_or_else(|_| {
                problems.push((
                    Some("zone"),
                    (format!("`{name}` n'est pas un fuseau horaire : il faut un nom comme Europe/Paris"), format!("`{name}` is no time zone: expected a name such as Europe/Paris")).into(),
                ));
                zone.clone()
            }),
        };
        let extract = rule.extract.as_ref().and_then(|pattern| {
            Regex::new(pattern)
                .map_err(|error| {
                    problems.push((
                        Some("extract"),
                        (
                            format!("l'expression ne peut pas être lue : {error}"),
                            format!("the expression cannot be read: {error}"),
                        )
                            .into(),
                    ))
                })
                .ok()
        });
        let table = match &rule.values {
            None => None,
            Some(ValuesRef::Table(table)) => Some(Arc::new(Table::new(table))),
            Some(ValuesRef::Name(name)) => match tables.get(name) {
                Some(table) => Some(Arc::new(Table::new(table))),
                None => {
                    problems.push((
                        Some("values"),
                        (
                            format!("il n'y a pas de table [values.{name}]"),
                            format!("there is no table [values.{name}]"),
                        )
                            .into(),
                    ));
                    None
                }
            },
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            source,
            join: rule.join,
            split: rule.split,
            extract,
            unescape: rule.unescape,
            formats,
            zone,
            table,
            known_only: rule.known_only,
            default: rule.default,
            list: is_list(field),
            text,
        })
    }

    /// The paths of the rule, as the file has them.
    pub fn path_text(&self) -> &str {
        &self.text
    }

    /// The key of a rule that is one plain path: what an unknown record is told apart by.
    pub fn paths(&self) -> &[Path] {
        match &self.source {
            From::Paths(paths) => paths,
            _ => &[],
        }
    }

    /// The value of the field in `record`, if there is one.
    pub(super) fn apply(
        &self,
        field: Field,
        record: &Value,
        lazy: &mut Lazy<'_>,
        problems: &mut Vec<Problem>,
    ) -> Option<Raw> {
        let (mut values, path) = self.read(field, record, lazy, problems);
        for value in &mut values {
            for _ in 0..self.unescape {
                *value = unescape(value);
            }
        }
        if let (Some(pattern), From::Template(_) | From::Constant(_)) =
            (&self.extract, &self.source)
        {
            values = values
                .iter()
                .filter_map(|value| extract(pattern, value))
                .collect();
        }
        if let Some(separator) = &self.split {
            values = values
                .iter()
                .flat_map(|value| value.split(separator.as_str()))
                .map(|part| part.trim().to_owned())
                .collect();
        }
        for value in &mut values {
            if value.bytes().any(is_stray) {
                value.retain(|c| u8::try_from(c).map_or(true, |b| !is_stray(b)));
                *value = value.trim().to_owned();
            }
        }
        values.retain(|value| !value.is_empty());
        let written = values.join("|");
        let mut mapped = false;
        if let Some(table) = &self.table {
            (values, mapped) = table.apply(values, self.known_only, self.list);
        }
        if is_date(field) {
            values = self.dates(field, values, problems);
        }
        if !self.list {
            values.truncate(1);
        }
        if values.is_empty() {
            let default = self.default.clone()?;
            return Some(Raw {
                raw: (!written.is_empty()).then_some(written),
                mapped: self.table.is_some(),
                ..Raw::new(default, "connector")
            });
        }
        let raw = (values.join("|") != written).then_some(written);
        Some(Raw {
            values,
            raw,
            path: path.to_owned(),
            mapped,
        })
    }

    fn read(
        &self,
        field: Field,
        record: &Value,
        lazy: &mut Lazy<'_>,
        problems: &mut Vec<Problem>,
    ) -> (Vec<String>, &str) {
        match &self.source {
            From::Constant(value) => (vec![value.clone()], &self.text),
            From::Template(name) => match lazy.render(name) {
                Ok(text) => (vec![text.trim().to_owned()], &self.text),
                Err(error) => {
                    problems.push(problem(
                        field,
                        "map.template_failed",
                        "",
                        &format!("the template failed: {error}"),
                    ));
                    (Vec::new(), &self.text)
                }
            },
            From::Paths(paths) => match &self.join {
                Some(separator) => {
                    let mut all: Vec<String> = Vec::new();
                    for text in paths.iter().flat_map(|path| path.texts(record)) {
                        if !all.contains(&text) {
                            all.push(text);
                        }
                    }
                    (vec![self.extracted(all).join(separator)], &self.text)
                }
                None => paths
                    .iter()
                    .map(|path| (self.extracted(path.texts(record)), path.as_str()))
                    .find(|(texts, _)| !texts.is_empty())
                    .unwrap_or_default(),
            },
        }
    }

    /// With `extract`, a path counts only for what the expression finds in it.
    fn extracted(&self, texts: Vec<String>) -> Vec<String> {
        match &self.extract {
            None => texts,
            Some(pattern) => texts
                .iter()
                .filter_map(|text| extract(pattern, text))
                .collect(),
        }
    }

    fn dates(&self, field: Field, values: Vec<String>, problems: &mut Vec<Problem>) -> Vec<String> {
        let mut out = Vec::new();
        for value in values {
            let Some(moment) = date::parse(&value, &self.formats) else {
                problems.push(problem(
                    field,
                    "map.date_unreadable",
                    &value,
                    "no date in the declared format: add its format to the field's `format`, or ask the source to mend it",
                ));
                continue;
            };
            if moment.is_never() {
                problems.push(problem(
                    field,
                    "map.date_never",
                    &value,
                    "so far ahead that it means \"no date\": the field is left empty",
                ));
                continue;
            }
            if field == Field::Starts {
                out.push(moment.day(&self.zone).to_string());
            } else {
                let end = field == Field::Expires;
                out.extend(
                    moment
                        .instant(&self.zone, end)
                        .map(|instant| instant.to_string()),
                );
            }
        }
        out
    }
}

/// Control characters that no text means: NUL, form feeds, escapes.
fn is_stray(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')
}

fn problem(field: Field, rule: &str, value: &str, message: &str) -> Problem {
    Problem {
        field: field_name(field),
        rule: rule.to_owned(),
        value: value.chars().take(200).collect(),
        message: message.to_owned(),
    }
}

impl Table {
    fn new(table: &BTreeMap<String, String>) -> Self {
        Self {
            known: table
                .iter()
                .filter(|(key, _)| *key != "*")
                .map(|(key, value)| (fold(key), value.clone()))
                .collect(),
            other: table.get("*").cloned(),
        }
    }

    /// The values through the table, and whether it knew all that is left. Of several values of a
    /// field that holds one, those that the table knows come first.
    fn apply(&self, values: Vec<String>, known_only: bool, list: bool) -> (Vec<String>, bool) {
        let mut known = Vec::new();
        let mut unknown = Vec::new();
        let mut found = false;
        for value in values {
            match self.known.get(&fold(&value)).or(self.other.as_ref()) {
                Some(mapped) => {
                    found = true;
                    if !mapped.is_empty() && !known.contains(mapped) {
                        known.push(mapped.clone());
                    }
                }
                None => unknown.push(value),
            }
        }
        if known_only || (found && !list) {
            unknown.clear();
        }
        let all_known = unknown.is_empty();
        known.append(&mut unknown);
        (known, all_known)
    }
}

/// Keys of value tables: case, blanks and the two apostrophes do not count.
fn fold(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace('’', "'").to_lowercase()
}

fn extract(pattern: &Regex, text: &str) -> Option<String> {
    let found = pattern.captures(text)?;
    let group = found.iter().skip(1).flatten().next().or(found.get(0))?;
    Some(group.as_str().trim().to_owned())
}

/// Undoes one layer of HTML escapes.
fn unescape(text: &str) -> String {
    match quick_xml::escape::unescape_with(text, crate::pull::source::html_entity) {
        Ok(plain) => plain.into_owned(),
        Err(_) => text
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&nbsp;", "\u{a0}")
            .replace("&amp;", "&"),
    }
}

/// Fields that keep all values; the others keep the first.
fn is_list(field: Field) -> bool {
    matches!(
        field,
        Field::Benefits
            | Field::Diplomas
            | Field::PartnerNames
            | Field::PartnerUrls
            | Field::PublicStatus
            | Field::Shifts
    )
}

fn is_date(field: Field) -> bool {
    matches!(
        field,
        Field::Published | Field::Updated | Field::Expires | Field::Starts
    )
}
