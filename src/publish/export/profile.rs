//! The language of `connectors/exports/*.toml`.

use super::{
    movements::Movements,
    names::{self, Around},
};
use crate::model::{MemberId, Network};
use minijinja::ErrorKind;
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// One output format. Expressions are minijinja expressions over the offer (see
/// `docs/exports.md` for the names that they may use).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Identity: name of the file, of the route and, unless `channel` says otherwise, of the
    /// mandate.
    pub name: String,
    /// As people read it.
    pub title: String,
    /// The mandate that a member must give; `portal` for what is public anyway.
    #[serde(default)]
    pub channel: Option<String>,
    /// Only offers from the employer's own sources.
    #[serde(default)]
    pub own_only: bool,
    /// Offers of no member may enter; needs `channel = "portal"`.
    #[serde(default)]
    pub strangers: bool,
    /// One item for each place of an offer, instead of one an offer.
    #[serde(default)]
    pub per_place: bool,
    /// HTML elements that the board accepts; none means plain text.
    #[serde(default)]
    pub html: Vec<String>,
    /// Texts within HTML without character references ("&", not "&amp;"), wherever that reads the
    /// same.
    #[serde(default)]
    pub plain_text: bool,
    /// The board takes each offer in one feed only: a member whose file names the profile in
    /// `own_feeds` is in its own file, every other member in the network's.
    #[serde(default)]
    pub one_feed: bool,
    /// The file tells what became of each offer since the last deposit.
    #[serde(default)]
    pub movements: Option<Movements>,
    /// Instead of the settings' `exports.max_drop` and `exports.min_drop`.
    #[serde(default)]
    pub max_drop: Option<f64>,
    #[serde(default)]
    pub min_drop: Option<usize>,
    pub document: Frame,
    #[serde(default)]
    pub head: Vec<FieldLine>,
    pub fields: Vec<FieldLine>,
    /// Rules over the whole offer.
    #[serde(default)]
    pub rules: Vec<RuleLine>,
    /// Value tables: `tables.NAME[value]` in expressions.
    #[serde(default)]
    pub tables: BTreeMap<String, BTreeMap<String, toml::Value>>,
}

/// What stands around the items.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "format", rename_all = "lowercase", deny_unknown_fields)]
pub enum Frame {
    Xml {
        root: String,
        item: String,
        /// An element between root and items.
        #[serde(default)]
        list: Option<String>,
        /// Texts as CDATA.
        #[serde(default)]
        cdata: bool,
    },
    Csv {
        #[serde(default = "comma")]
        delimiter: char,
        /// A byte order mark, which Excel needs to read UTF-8.
        #[serde(default)]
        bom: bool,
        /// Cells that a spreadsheet would take for a formula get an apostrophe.
        #[serde(default)]
        formulas_disarmed: bool,
    },
    /// An object with the head's fields and the items under `list`, or a bare array.
    Json {
        #[serde(default)]
        list: Option<String>,
    },
    /// One object a line.
    Jsonl {},
}

fn comma() -> char {
    ','
}

/// One line of the field table.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FieldLine {
    /// `title`, `salary/min`, `location/@id`; the column's name in CSV.
    pub path: String,
    /// Gives the value: text, number, flag, or a list (the element repeats).
    pub value: String,
    /// Must hold, or the field is left out.
    #[serde(default)]
    pub when: Option<String>,
    #[serde(default)]
    pub required: bool,
    /// Characters, without markup.
    #[serde(default)]
    pub min: Option<usize>,
    /// Characters, markup included.
    #[serde(default)]
    pub max: Option<usize>,
    /// Too long a value is cut at a word instead of blocking the offer.
    #[serde(default)]
    pub cut: bool,
    /// The board keeps the first value that it got under an id: another one later is, for the
    /// board, another offer. The preflight says so.
    #[serde(default)]
    pub fixed: bool,
    /// Regular expression for the whole value.
    #[serde(default)]
    pub pattern: Option<String>,
    /// Stable name for the preflight; by default `PATH.missing`, `PATH.short`, …
    #[serde(default)]
    pub rule: Option<String>,
    /// What to do when it blocks: for the member, in French.
    #[serde(default)]
    pub fr: Option<String>,
    /// The same in English.
    #[serde(default)]
    pub en: Option<String>,
}

/// A rule that blocks an offer when its expression holds.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuleLine {
    pub rule: String,
    pub field: String,
    pub blocks: String,
    /// The offending value.
    #[serde(default)]
    pub value: Option<String>,
    pub fr: String,
    pub en: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    #[error("{file} cannot be read")]
    Read {
        file: String,
        #[source]
        source: std::io::Error,
    },
    #[error("export profile {file} is not well-formed")]
    Toml {
        file: String,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("export profile {file}{}: {what}: {why}", line.map(|line| format!(", line {line}")).unwrap_or_default())]
    Invalid {
        file: String,
        line: Option<usize>,
        what: String,
        why: String,
    },
}

impl Profile {
    /// Reads and checks one profile file.
    ///
    /// # Errors
    /// Not TOML of this language, or an expression or pattern in it does not compile.
    pub fn parse(file: &str, text: &str) -> Result<Self, ProfileError> {
        let profile: Self = toml::from_str(text).map_err(|source| ProfileError::Toml {
            file: file.into(),
            source: Box::new(source),
        })?;
        let invalid = |what: String, why: String| ProfileError::Invalid {
            file: file.into(),
            // What is quoted stands in the file as it is, most often.
            line: what
                .split_once(' ')
                .and_then(|(_, quoted)| line_of(text, quoted)),
            what,
            why,
        };
        let name_is_plain = !profile.name.is_empty()
            && profile
                .name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
        if !name_is_plain {
            return Err(invalid(
                "name".into(),
                "lower-case letters, digits and hyphens only".into(),
            ));
        }
        if profile.strangers && profile.channel() != "portal" {
            return Err(invalid(
                "strangers".into(),
                "offers of no member have nobody to give another mandate than `portal`".into(),
            ));
        }
        if let Some(movements) = &profile.movements {
            if profile.per_place {
                return Err(invalid(
                    "movements".into(),
                    "they are told of offers: they do not go with `per_place`".into(),
                ));
            }
            let column = |name: &String| profile.fields.iter().any(|line| line.path == *name);
            if let Some(unknown) = movements.on_delete.iter().find(|name| !column(name)) {
                return Err(invalid(
                    format!("on_delete {unknown}"),
                    "no field has this path: name paths of [[fields]]".into(),
                ));
            }
        }
        let env = super::values::environment(jiff::Timestamp::UNIX_EPOCH);
        for (around, expression) in profile.expressions() {
            let compiled = env.compile_expression(expression);
            if let Ok(compiled) = &compiled {
                let mut names: Vec<String> =
                    compiled.undeclared_variables(true).into_iter().collect();
                names.sort();
                if let Some(name) = names.iter().find(|n| !names::known(&profile, around, n)) {
                    return Err(invalid(
                        format!("expression {expression}"),
                        format!(
                            "there is no {name:?}: docs/exports.md and schemas/vacancy.schema.json list the names"
                        ),
                    ));
                }
            }
            let tried = compiled.and_then(|compiled| compiled.eval(minijinja::context! {}));
            // Over an offer that says nothing, values may be missing; names may not be unknown.
            let fault = tried.err().filter(|error| {
                matches!(
                    error.kind(),
                    ErrorKind::SyntaxError
                        | ErrorKind::UnknownFilter
                        | ErrorKind::UnknownFunction
                        | ErrorKind::UnknownTest
                        | ErrorKind::UnknownMethod
                )
            });
            if let Some(error) = fault {
                return Err(invalid(
                    format!("expression {expression}"),
                    format!("{error}: see docs/exports.md"),
                ));
            }
        }
        for pattern in profile.fields.iter().filter_map(|f| f.pattern.as_ref()) {
            Regex::new(pattern)
                .map_err(|error| invalid(format!("pattern {pattern}"), error.to_string()))?;
        }
        Ok(profile)
    }

    /// Every expression of the file.
    fn expressions(&self) -> Vec<(Around, &String)> {
        let head = self.head.iter().map(|line| (Around::Head, line));
        let fields = self.fields.iter().map(|line| (Around::Item, line));
        let lines = head.chain(fields);
        let of_lines = lines.flat_map(|(around, line)| {
            let both = [Some(&line.value), line.when.as_ref()];
            both.into_iter().flatten().map(move |text| (around, text))
        });
        let of_rules = self.rules.iter().flat_map(|rule| {
            let both = [Some(&rule.blocks), rule.value.as_ref()];
            both.into_iter().flatten().map(|text| (Around::Item, text))
        });
        of_lines.chain(of_rules).collect()
    }

    /// Tells whether an item written before fits into a document of now: its form and columns.
    pub(super) fn frame(&self) -> String {
        let columns: Vec<&String> = self.fields.iter().map(|line| &line.path).collect();
        let text = serde_json::to_vec(&(&self.document, columns)).unwrap_or_default();
        blake3::hash(&text).to_hex().to_string()
    }

    /// The fields of a line that says that its offer is gone.
    pub fn parting(&self) -> Vec<FieldLine> {
        let kept = self.movements.as_ref().map(|m| &m.on_delete);
        let kept = |line: &&FieldLine| kept.is_some_and(|kept| kept.contains(&line.path));
        self.fields.iter().filter(kept).cloned().collect()
    }

    /// Whether a member gives its offers to this board in a file of its own.
    pub fn has_own_feed(&self, network: &Network, member: Option<&MemberId>) -> bool {
        let member = member.and_then(|id| network.member(id));
        member.is_some_and(|member| member.own_feeds.iter().any(|name| name.0 == self.name))
    }

    /// The mandate that it needs.
    pub fn channel(&self) -> &str {
        self.channel.as_deref().unwrap_or(&self.name)
    }

    pub fn extension(&self) -> &'static str {
        match self.document {
            Frame::Xml { .. } => "xml",
            Frame::Csv { .. } => "csv",
            Frame::Json { .. } => "json",
            Frame::Jsonl {} => "jsonl",
        }
    }

    pub fn content_type(&self) -> &'static str {
        match self.document {
            Frame::Xml { .. } => "application/xml; charset=utf-8",
            Frame::Csv { .. } => "text/csv; charset=utf-8",
            Frame::Json { .. } => "application/json",
            Frame::Jsonl {} => "application/x-ndjson",
        }
    }

    /// Its file below `/exports/`.
    pub fn file(&self, member: Option<&MemberId>) -> String {
        let (name, extension) = (&self.name, self.extension());
        match member {
            Some(member) => format!("{name}/{member}.{extension}"),
            None => format!("{name}.{extension}"),
        }
    }
}

/// The line of `text` on which `quoted` stands; none where it stands nowhere as it is.
fn line_of(text: &str, quoted: &str) -> Option<usize> {
    let at = text.find(quoted)?;
    Some(text[..at].matches('\n').count() + 1)
}

/// All known profiles by name; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Profiles {
    all: Arc<BTreeMap<String, Profile>>,
    /// Whether the operator's folder is not there, so that one may have profiles that are not here.
    pub unsure: bool,
}

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        /// The profiles that are part of the program.
        const SHIPPED: &[(&str, &str)] = &[$((
            concat!("connectors/exports/", $name, ".toml"),
            include_str!(concat!("../../../connectors/exports/", $name, ".toml")),
        )),*];
    };
}

shipped!(
    "adzuna",
    "careerjet",
    "csv",
    "france-travail",
    "hellowork",
    "indeed",
    "jobijoba",
    "jobrapido",
    "jooble",
    "jsonld",
    "linkedin",
    "talent",
);

impl Profiles {
    /// The profiles that the program brings along.
    pub fn embedded() -> Self {
        let mut profiles = BTreeMap::new();
        for (file, text) in SHIPPED {
            // A test parses every one of them; a broken build must not take the portal down.
            match Profile::parse(file, text) {
                Ok(profile) => {
                    profiles.insert(profile.name.clone(), profile);
                }
                Err(error) => tracing::error!(%error, "embedded export profile is broken"),
            }
        }
        Self {
            all: Arc::new(profiles),
            unsure: false,
        }
    }

    /// These profiles and the operator's own, which replace those of the same name.
    ///
    /// # Errors
    /// One of the files is not a profile.
    pub fn with(
        &self,
        files: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ProfileError> {
        let mut profiles = (*self.all).clone();
        for (file, text) in files {
            let profile = Profile::parse(&file, &text)?;
            profiles.insert(profile.name.clone(), profile);
        }
        Ok(Self {
            all: Arc::new(profiles),
            unsure: self.unsure,
        })
    }

    /// Whether both are one reading of the files.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.all, &other.all)
    }

    /// As [`Profiles::with`], every profile of `folder`; one that does not exist adds nothing, and
    /// leaves it unsure what there is.
    ///
    /// # Errors
    /// The folder or a file cannot be read, or is no profile.
    pub fn with_folder(&self, folder: &Path) -> Result<Self, ProfileError> {
        let fail = |path: &Path| {
            let file = path.display().to_string();
            move |source| ProfileError::Read { file, source }
        };
        if !folder.exists() {
            return Ok(Self {
                unsure: true,
                ..self.clone()
            });
        }
        let mut paths = std::fs::read_dir(folder)
            .and_then(|entries| {
                entries
                    .map(|entry| Ok(entry?.path()))
                    .collect::<std::io::Result<Vec<_>>>()
            })
            .map_err(fail(folder))?;
        paths.retain(|path| path.extension().is_some_and(|e| e == "toml"));
        paths.sort();
        let mut files = Vec::new();
        for path in paths {
            let text = std::fs::read_to_string(&path).map_err(fail(&path))?;
            files.push((path.display().to_string(), text));
        }
        self.with(files)
    }

    pub fn get(&self, name: &str) -> Option<&Profile> {
        self.all.get(name)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.all.keys().map(String::as_str)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.all.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_profile_is_sound() {
        for (file, text) in SHIPPED {
            let profile = Profile::parse(file, text).unwrap_or_else(|e| panic!("{e}"));
            assert!(file.ends_with(&format!("/{}.toml", profile.name)));
        }
        assert_eq!(Profiles::embedded().iter().count(), SHIPPED.len());
    }

    #[test]
    fn mistakes_are_named() {
        let base = r#"
            name = "x"
            title = "X"
            document = { format = "jsonl" }
            fields = [{ path = "a", value = "title" }]
        "#;
        assert!(Profile::parse("x", base).is_ok());
        for (from, to, says) in [
            ("value = \"title\"", "value = \"title |\"", "expression"),
            (
                "value = \"title\"",
                "value = \"title\", pattern = \"(\"",
                "pattern",
            ),
            ("name = \"x\"", "name = \"../x\"", "name"),
            (
                "title = \"X\"",
                "title = \"X\"\nstrangers = true",
                "strangers",
            ),
            ("title = \"X\"", "title = \"X\"\ncolour = 1", "well-formed"),
            (
                "value = \"title\"",
                "value = \"titel\"",
                "line 5: expression titel: there is no \"titel\"",
            ),
            (
                "value = \"title\"",
                "value = \"employer.nom\"",
                "\"employer.nom\"",
            ),
            (
                "value = \"title\"",
                "value = \"place.ville\"",
                "\"place.ville\"",
            ),
            (
                "value = \"title\"",
                "value = \"tables.kind[contract.form]\"",
                "\"tables.kind\"",
            ),
            (
                "value = \"title\"",
                "value = \"title\", when = \"count\"",
                "\"count\"",
            ),
            ("value = \"title\"", "value = \"movement\"", "\"movement\""),
            (
                "title = \"X\"",
                "title = \"X\"\nmovements = { create = \"C\", modify = \"M\", delete = \"S\", on_delete = [\"b\"] }",
                "on_delete b",
            ),
        ] {
            let error = Profile::parse("x", &base.replace(from, to)).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
