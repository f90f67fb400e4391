//! From the text of a file to a [`Connector`]: preset, parameters, merge, checks.

mod compile;
mod parameters;
mod sftp;
mod toml;

use self::toml::{line_of, merge, split_key};
use super::catalogue::Catalogue;
use super::check::{self, Breach};
use super::file::{ConnectorFile, Source};
use super::problem::{FileProblem, Level};
use super::{Connector, Text};
use crate::model::ConnectorName;
use crate::pull::said::Said;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::LazyLock;

/// What came of a file: a connector unless a problem is an error.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    pub connector: Option<Connector>,
    /// What could be read of a file that is refused, for the checks against other files.
    pub refused: Option<Connector>,
    pub problems: Vec<FileProblem>,
}

impl Loaded {
    pub fn errors(&self) -> impl Iterator<Item = &FileProblem> {
        self.problems.iter().filter(|p| p.level == Level::Error)
    }
}

/// Reads and checks one connector file.
pub fn load_file(path: &FilePath, catalogue: &Catalogue) -> Loaded {
    let shown = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let mut loaded = load(&text, &shown, catalogue);
            let folder = path.parent().unwrap_or_else(|| FilePath::new(""));
            if let Some(connector) = &mut loaded.connector {
                anchor(&mut connector.source, folder);
            }
            loaded
        }
        Err(error) => Loaded {
            connector: None,
            refused: None,
            problems: vec![FileProblem {
                level: Level::Error,
                file: shown,
                line: None,
                key: String::new(),
                message: unreadable(&error),
                remedy: NAME_AND_RIGHTS.into(),
            }],
        },
    }
}

/// What to do about a file that cannot be read.
pub const NAME_AND_RIGHTS: (&str, &str) = (
    "vérifiez son nom et ses droits d'accès",
    "check its name and rights",
);
/// What to do about two connectors of one name.
pub const OWN_NAME: (&str, &str) = (
    "donnez à chaque connecteur son propre nom",
    "give each connector its own name",
);

/// A file that cannot be read.
pub fn unreadable(error: &dyn std::fmt::Display) -> Said {
    let french = format!("le fichier ne peut pas être lu : {error}");
    (french, format!("the file cannot be read: {error}")).into()
}

/// A name that another file has.
pub fn taken(name: &ConnectorName, other: &str) -> Said {
    let french = format!("le nom `{name}` est déjà pris par {other}");
    (french, format!("the name `{name}` is taken by {other}")).into()
}

/// Every `*.toml` of a folder, sorted by file name. Names that occur twice are an error of both.
pub fn load_folder(folder: &FilePath, catalogue: &Catalogue) -> std::io::Result<Vec<Loaded>> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)?
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.is_file() && path.extension().is_some_and(|e| e == "toml"))
        .collect();
    paths.sort();
    let mut all: Vec<(String, Loaded)> = paths
        .iter()
        .map(|path| (path.display().to_string(), load_file(path, catalogue)))
        .collect();
    let mut first: BTreeMap<ConnectorName, String> = BTreeMap::new();
    for (file, loaded) in &mut all {
        let Some(connector) = &loaded.connector else {
            continue;
        };
        if let Some(other) = first.get(&connector.name) {
            loaded.problems.push(FileProblem {
                level: Level::Error,
                file: file.clone(),
                line: None,
                key: "name".to_owned(),
                message: taken(&connector.name, other),
                remedy: OWN_NAME.into(),
            });
            loaded.connector = None;
        } else {
            first.insert(connector.name.clone(), file.clone());
        }
    }
    Ok(all.into_iter().map(|(_, loaded)| loaded).collect())
}

/// A preset as a connector of its own name, its parameters left empty: for mapping only.
pub fn preset(name: &str, catalogue: &Catalogue) -> Option<Loaded> {
    catalogue.get(name)?;
    let text = format!("name = {name:?}\nuse = {name:?}\n");
    let builder = Builder::new(&text, "command line", catalogue);
    Some(builder.build(true))
}

/// What a preset says of itself: its description, parameters, and how it asks.
pub fn describe(name: &str, catalogue: &Catalogue) -> Option<ConnectorFile> {
    let (origin, text) = catalogue.get(name)?;
    let mut builder = Builder::new(text, origin, catalogue);
    let mut tree = builder.tree(text, origin);
    let map = tree.as_object_mut()?;
    // Parameters stand where other types belong; only these parts are asked for.
    map.retain(|key, _| matches!(key.as_str(), "preset" | "parameters"));
    serde_json::from_value(tree).ok()
}

/// Checks the text of a connector file and makes a connector of it.
pub fn load(text: &str, file: &str, catalogue: &Catalogue) -> Loaded {
    Builder::new(text, file, catalogue).build(false)
}

/// A relative path in `source.url` starts at the connector file.
fn anchor(source: &mut Source, folder: &FilePath) {
    let url = source.url.as_str();
    let rest = url.strip_prefix("file:").unwrap_or(url);
    let is_path = !url.contains("://")
        && rest != "-"
        && !rest.starts_with("${")
        && url != crate::pull::push::PUSH_ONLY;
    if is_path && FilePath::new(rest).is_relative() {
        source.url = Text::new(folder.join(rest).display().to_string());
    }
}

/// The schema of the language, made once.
pub fn schema() -> &'static Value {
    static SCHEMA: LazyLock<Value> =
        LazyLock::new(|| Value::from(schemars::schema_for!(ConnectorFile)));
    &SCHEMA
}

struct Builder<'a> {
    text: &'a str,
    file: &'a str,
    catalogue: &'a Catalogue,
    /// The preset's origin and text.
    preset: Option<(String, String)>,
    problems: Vec<FileProblem>,
    /// Keys of which a problem is told: what follows from it is not told as another.
    told: Vec<Vec<String>>,
    /// Lines that are no TOML.
    broken: Vec<usize>,
    /// Part of the file, or its preset, cannot be read: what is missing may stand there.
    torn: bool,
}

impl<'a> Builder<'a> {
    fn new(text: &'a str, file: &'a str, catalogue: &'a Catalogue) -> Self {
        Self {
            text,
            file,
            catalogue,
            preset: None,
            problems: Vec::new(),
            told: Vec::new(),
            broken: Vec::new(),
            torn: false,
        }
    }

    /// Adds a problem at `key`, with the line of the key where it stands: in the file, else in
    /// the preset. What follows from a problem that is told already is left out.
    fn push(
        &mut self,
        level: Level,
        key: &[String],
        message: impl Into<Said>,
        remedy: impl Into<Said>,
    ) {
        let here = line_of(self.text, key);
        if self.told.iter().any(|told| key.starts_with(told))
            || here.is_some_and(|line| self.broken.contains(&line))
        {
            return;
        }
        let there = match (&here, &self.preset) {
            (None, Some((origin, text))) => line_of(text, key).map(|line| (origin.clone(), line)),
            _ => None,
        };
        let (file, line) = match (here, there) {
            (Some(line), _) => (self.file.to_owned(), Some(line)),
            (None, Some((origin, line))) => (origin, Some(line)),
            (None, None) => (self.file.to_owned(), None),
        };
        self.problems.push(FileProblem {
            level,
            file,
            line,
            key: key.join("."),
            message: message.into(),
            remedy: remedy.into(),
        });
    }

    fn error(&mut self, key: &str, message: impl Into<Said>, remedy: impl Into<Said>) {
        let key: Vec<String> = split_key(key);
        self.push(Level::Error, &key, message, remedy);
    }

    /// An error about something that is not there.
    fn missing(&mut self, key: &str, message: impl Into<Said>, remedy: impl Into<Said>) {
        if !self.torn {
            self.error(key, message, remedy);
        }
    }

    fn warning(&mut self, key: &str, message: impl Into<Said>, remedy: impl Into<Said>) {
        let key: Vec<String> = split_key(key);
        self.push(Level::Warning, &key, message, remedy);
    }

    fn build(mut self, mapping_only: bool) -> Loaded {
        let connector = self.connector(mapping_only);
        let failed = self.problems.iter().any(|p| p.level == Level::Error);
        let (connector, refused) = if failed {
            (None, connector)
        } else {
            (connector, None)
        };
        Loaded {
            connector,
            refused,
            problems: self.problems,
        }
    }

    /// Every check is made on what can be read, whatever an earlier one found.
    fn connector(&mut self, mapping_only: bool) -> Option<Connector> {
        let mut tree = self.tree(self.text, self.file);
        let preset_name = tree.get("use").and_then(Value::as_str).map(str::to_owned);
        if let Some(name) = &preset_name {
            match self.catalogue.get(name) {
                Some((origin, text)) => {
                    self.preset = Some((origin.to_owned(), text.to_owned()));
                    tree = merge(self.tree(text, origin), tree);
                }
                None => self.unknown_preset(name, &mut tree),
            }
        }
        self.substitute(&mut tree, mapping_only);
        let mut breaches = check::breaches(schema(), &tree);
        for breach in &breaches {
            if !(breach.missing && self.torn) {
                let (message, remedy) = (breach.message.clone(), breach.remedy.clone());
                self.push(Level::Error, &breach.key, message, remedy);
            }
        }
        // What is wrong is taken out, so that the rest can be read and checked as well.
        while !breaches.is_empty() {
            let mut changed = false;
            for breach in breaches {
                changed |= self.take_out(&mut tree, breach);
            }
            if !changed {
                return None;
            }
            breaches = check::breaches(schema(), &tree);
        }
        match serde_json::from_value::<ConnectorFile>(tree) {
            Ok(file) => self.compile(file, preset_name, mapping_only),
            Err(error) => {
                self.error("", unreadable(&error), Said::default());
                None
            }
        }
    }

    fn unknown_preset(&mut self, name: &str, tree: &mut Value) {
        let known: Vec<String> = self.catalogue.names().map(str::to_owned).collect();
        let remedy = match check::nearest(name, &known) {
            Some(meant) => check::perhaps(meant),
            None => check::known_here(&known),
        };
        let message = (
            format!("il n'y a pas de préréglage `{name}`"),
            format!("there is no preset `{name}`"),
        );
        self.error("use", message, remedy);
        // Its parameters cannot be judged, and what is missing may come from it.
        self.torn = true;
        if let Some(map) = tree.as_object_mut() {
            map.remove("with");
        }
    }

    /// Takes the value of a breach out of the tree, or the table that lacks something. Whether
    /// anything changed.
    fn take_out(&mut self, tree: &mut Value, breach: Breach) -> bool {
        let Breach {
            mut key,
            missing,
            meant,
            ..
        } = breach;
        if let Some(meant) = meant {
            let mut other = key.clone();
            other.pop();
            other.push(meant);
            self.told.push(other);
        }
        // Without these two nothing of a source could be checked.
        let stand_in = match key.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["source", "kind"] => Some("json"),
            ["source", "url"] => Some("https://unknown.invalid/"),
            _ => None,
        };
        if let (Some(text), Some(Value::Object(source))) = (stand_in, tree.get_mut("source")) {
            self.told.push(key.clone());
            let name = key.pop().unwrap_or_default();
            source.insert(name, Value::String(text.to_owned()));
            return true;
        }
        if missing {
            key.pop();
        }
        let Some((name, tables)) = key.split_last() else {
            return false;
        };
        let mut at = &mut *tree;
        for (depth, table) in tables.iter().enumerate() {
            let Value::Object(map) = at else {
                return false;
            };
            if !map.get(table).is_some_and(Value::is_object) {
                // A list loses more than one place would: the whole of it goes.
                self.told.push(key[..=depth].to_vec());
                return map.remove(table).is_some();
            }
            at = &mut map[table];
        }
        let removed = at.as_object_mut().and_then(|map| map.remove(name));
        self.told.push(key);
        removed.is_some()
    }

    /// The file's tree as JSON, as far as it can be read. All syntax errors are reported.
    fn tree(&mut self, text: &str, file: &str) -> Value {
        let (tree, errors) = toml::read(text);
        for (line, message) in errors {
            self.torn = true;
            if file == self.file {
                self.broken.extend(line);
            }
            self.problems.push(FileProblem {
                level: Level::Error,
                file: file.to_owned(),
                line,
                key: String::new(),
                message: (
                    format!("cette ligne n'est pas du TOML : {message}"),
                    format!("this is no TOML: {message}"),
                )
                    .into(),
                remedy: (
                    "vérifiez les guillemets, les crochets et les signes =",
                    "check quotation marks, brackets and = signs",
                )
                    .into(),
            });
        }
        tree
    }
}
