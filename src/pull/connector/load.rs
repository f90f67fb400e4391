//! From the text of a file to a [`Connector`]: preset, parameters, merge, checks.

use super::catalogue::Catalogue;
use super::check::{self, Breach};
use super::file::{Auth, ConnectorFile, Evidence, Kind, Paging, Parameter, Semantics, Source};
use super::problem::{FileProblem, Level};
use super::{Connector, Text};
use crate::model::{ConnectorName, Field, MemberId};
use crate::pull::mapping::{Mapping, Path};
use jiff::tz::TimeZone;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::LazyLock;
use toml::de::{DeTable, DeValue};

/// What came of a file: a connector unless a problem is an error.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    pub connector: Option<Connector>,
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
            problems: vec![FileProblem {
                level: Level::Error,
                file: shown,
                line: None,
                key: String::new(),
                message: format!("the file cannot be read: {error}"),
                remedy: "check its name and rights".to_owned(),
            }],
        },
    }
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
                message: format!("the name `{}` is taken by {other}", connector.name),
                remedy: "give each connector its own name".to_owned(),
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
    let mut tree = builder.tree(text, origin)?;
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
}

impl<'a> Builder<'a> {
    fn new(text: &'a str, file: &'a str, catalogue: &'a Catalogue) -> Self {
        Self {
            text,
            file,
            catalogue,
            preset: None,
            problems: Vec::new(),
        }
    }

    /// Adds a problem at `key`, with the line of the key where it stands: in the file, else in
    /// the preset.
    fn push(
        &mut self,
        level: Level,
        key: &[String],
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let here = line_of(self.text, key);
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

    fn error(&mut self, key: &str, message: impl Into<String>, remedy: impl Into<String>) {
        let key: Vec<String> = split_key(key);
        self.push(Level::Error, &key, message, remedy);
    }

    fn warning(&mut self, key: &str, message: impl Into<String>, remedy: impl Into<String>) {
        let key: Vec<String> = split_key(key);
        self.push(Level::Warning, &key, message, remedy);
    }

    fn build(mut self, mapping_only: bool) -> Loaded {
        let connector = self.connector(mapping_only);
        let failed = self.problems.iter().any(|p| p.level == Level::Error);
        Loaded {
            connector: connector.filter(|_| !failed),
            problems: self.problems,
        }
    }

    fn connector(&mut self, mapping_only: bool) -> Option<Connector> {
        let own = self.tree(self.text, self.file)?;
        let mut tree = own.clone();
        let preset_name = own.get("use").and_then(Value::as_str).map(str::to_owned);
        if let Some(name) = &preset_name {
            let Some((origin, text)) = self.catalogue.get(name) else {
                let known: Vec<String> = self.catalogue.names().map(str::to_owned).collect();
                let remedy = match check::nearest(name, &known) {
                    Some(meant) => format!("perhaps `{meant}` is meant"),
                    None => format!("known: {}", known.join(", ")),
                };
                self.error("use", format!("there is no preset `{name}`"), remedy);
                return None;
            };
            self.preset = Some((origin.to_owned(), text.to_owned()));
            let (origin, text) = (origin.to_owned(), text.to_owned());
            let base = self.tree(&text, &origin)?;
            tree = merge(base, own.clone());
        }
        self.substitute(&mut tree, mapping_only);
        for Breach {
            key,
            message,
            remedy,
        } in check::breaches(schema(), &tree)
        {
            self.push(Level::Error, &key, message, remedy);
        }
        if self.problems.iter().any(|p| p.level == Level::Error) {
            return None;
        }
        match serde_json::from_value::<ConnectorFile>(tree) {
            Ok(file) => self.compile(file, preset_name, mapping_only),
            Err(error) => {
                self.error("", format!("the file cannot be read: {error}"), "");
                None
            }
        }
    }

    /// The file's tree as JSON. All syntax errors are reported.
    fn tree(&mut self, text: &str, file: &str) -> Option<Value> {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            self.problems.push(FileProblem {
                level: Level::Error,
                file: file.to_owned(),
                line: error.span().map(|span| line_at(text, span.start)),
                key: String::new(),
                message: format!("this is no TOML: {}", error.message()),
                remedy: "check quotation marks, brackets and = signs".to_owned(),
            });
        }
        errors.is_empty().then(|| table_json(table.get_ref()))
    }

    /// Puts the parameters in place of `${name}`.
    fn substitute(&mut self, tree: &mut Value, mapping_only: bool) {
        let declared: BTreeMap<String, Parameter> = tree
            .get("parameters")
            .and_then(|p| serde_json::from_value(p.clone()).ok())
            .unwrap_or_default();
        let given = tree.get("with").cloned().unwrap_or_default();
        let mut values: BTreeMap<String, Value> = BTreeMap::new();
        let mut derived: Vec<(String, Value)> = Vec::new();
        for name in given.as_object().into_iter().flat_map(Map::keys) {
            if !declared.contains_key(name) {
                let known: Vec<String> = declared.keys().cloned().collect();
                let remedy = match check::nearest(name, &known) {
                    Some(meant) => format!("perhaps `{meant}` is meant"),
                    None if known.is_empty() => "`with` needs `use`".to_owned(),
                    None => format!("known: {}", known.join(", ")),
                };
                self.error(
                    &format!("with.{name}"),
                    format!("the preset has no parameter `{name}`"),
                    remedy,
                );
            }
        }
        for (name, parameter) in &declared {
            match given.get(name).or(parameter.default.as_ref()) {
                Some(value) => {
                    if parameter.secret {
                        self.check_secret(name, value, &given);
                    }
                    let inner = matches!(value, Value::String(text) if text.contains("${"));
                    if given.get(name).is_none() && inner {
                        derived.push((name.clone(), value.clone()));
                    } else {
                        values.insert(name.clone(), value.clone());
                    }
                }
                None if parameter.required && !mapping_only => {
                    let example = parameter
                        .example
                        .as_deref()
                        .map(|e| format!(", for example {e}"))
                        .unwrap_or_default();
                    self.error(
                        &format!("with.{name}"),
                        format!("the parameter `{name}` is missing: {}", parameter.doc),
                        format!("add `{name}` to `with`{example}"),
                    );
                }
                None => {}
            }
        }
        // Defaults that are made of other parameters.
        for (name, value) in derived {
            let text = fill_text(
                value.as_str().unwrap_or_default(),
                &values,
                &declared,
                &mut Vec::new(),
            );
            values.insert(name, Value::String(text));
        }
        if let Value::Object(map) = tree {
            map.remove("parameters");
            for (key, value) in map.iter_mut() {
                if key != "with" && key != "preset" {
                    let mut unknown = Vec::new();
                    fill(value, &values, &declared, &mut unknown);
                    for name in unknown {
                        self.error(
                            key,
                            format!("`${{{name}}}` is no parameter"),
                            "declare it under [parameters], or write ${env:NAME} for a secret",
                        );
                    }
                }
            }
            map.retain(|_, value| !value.is_null());
        }
    }

    /// A secret in clear is refused, unless the service is this very machine (tests, demos).
    fn check_secret(&mut self, name: &str, value: &Value, given: &Value) {
        let clear = match value {
            Value::String(text) => !Text::new(text.as_str()).has_secret(),
            Value::Object(_) => false,
            _ => true,
        };
        if !clear {
            return;
        }
        let local = ["base_url", "token_url", "url"]
            .iter()
            .any(|key| given.get(key).and_then(Value::as_str).is_some_and(is_local));
        let message = format!("the secret `{name}` stands in clear");
        let remedy = format!("write {name} = {{ env = \"NAME\" }} or {{ file = \"PATH\" }}");
        let level = if local { Level::Warning } else { Level::Error };
        self.push(
            level,
            &["with".to_owned(), name.to_owned()],
            message,
            remedy,
        );
    }

    fn compile(
        &mut self,
        file: ConnectorFile,
        preset: Option<String>,
        mapping_only: bool,
    ) -> Option<Connector> {
        let name = file.name.clone().unwrap_or_default();
        if name.is_empty() {
            self.error(
                "name",
                "the connector has no name",
                "add `name = \"…\"`; it is fixed for life",
            );
        } else if !name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            self.error(
                "name",
                format!("`{name}` is no name"),
                "lower-case letters, digits and hyphens only",
            );
        }
        if let Some(info) = &file.info
            && info.evidence == Evidence::SecondHand
            && !mapping_only
        {
            self.warning(
                "use",
                "this preset is known at second hand only and was not tried on a real payload",
                "look at `connectors preview` with care",
            );
        }
        let zone_name = file.zone.as_deref().unwrap_or("Europe/Paris");
        let zone = TimeZone::get(zone_name).unwrap_or_else(|_| {
            self.error(
                "zone",
                format!("`{zone_name}` is no time zone"),
                "a name such as Europe/Paris",
            );
            TimeZone::UTC
        });
        let pushed = file.push.as_ref().map(|_| Source::pushed());
        let Some(mut source) = file.source.or(pushed) else {
            self.error(
                "source",
                "`source` is missing",
                "add `use = \"PRESET\"`, a [source] with kind and url, or a [push]",
            );
            return None;
        };
        source.detail = source.detail.filter(|detail| detail.enabled);
        if let Some(push) = &file.push {
            self.check_push(push);
        }
        self.check_source(&source, mapping_only);
        let record_paths = self.record_paths(&source, &file.records.path);
        let total = file
            .records
            .total
            .as_deref()
            .and_then(|p| self.path("records.total", p));
        for field in [Field::Reference, Field::Title] {
            if !file.fields.fields.contains_key(&field) {
                let key = crate::pull::mapping::field_name(field);
                self.error(
                    &format!("fields.{key}"),
                    format!("`{key}` is missing: every posting needs one"),
                    format!("add `{key} = \"…\"` to [fields]"),
                );
            }
        }
        if file.guards.misses == 0 {
            self.error("guards.misses", "0 stands here, expected at least 1", "");
        }
        let semantics = file.records.semantics.unwrap_or(match source.kind {
            Kind::Rss | Kind::Atom => Semantics::Window,
            _ => Semantics::Snapshot,
        });
        let compiled = Mapping::compile(
            &file.fields,
            &file.values,
            &zone,
            file.records.keep.as_deref(),
        );
        let mapping = match compiled {
            Ok(mapping) => mapping,
            Err(errors) => {
                for error in errors {
                    self.push(Level::Error, &error.key, error.message, "");
                }
                return None;
            }
        };
        Some(Connector {
            name: ConnectorName(name),
            title: file
                .title
                .or(file.info.map(|i| i.title))
                .unwrap_or_default(),
            member: file.member.map(MemberId),
            schedule: file.schedule,
            guards: file.guards,
            preset,
            source,
            push: file.push,
            record_paths,
            total,
            semantics,
            relationships: file.records.relationships,
            limits: file.limits,
            mapping,
        })
    }

    fn path(&mut self, key: &str, text: &str) -> Option<Path> {
        text.parse()
            .map_err(|error| {
                self.error(
                    key,
                    format!("{error}"),
                    "see the path forms of the connector reference",
                )
            })
            .ok()
    }

    /// The key paths of the record list.
    fn record_paths(
        &mut self,
        source: &Source,
        given: &Option<super::file::OneOrMany>,
    ) -> Vec<Vec<String>> {
        let default = match source.kind {
            Kind::Rss => "rss.channel.item",
            Kind::Atom => "feed.entry",
            _ => ".",
        };
        let texts = given
            .as_ref()
            .map_or_else(|| vec![default.to_owned()], |p| p.as_slice().to_vec());
        if source.kind == Kind::Xml && given.is_none() {
            self.error(
                "records.path",
                "an XML source needs the path of its records",
                "for example `path = \"source.job\"`",
            );
        }
        let mut out = Vec::new();
        for text in texts {
            if let Some(path) = self.path("records.path", &text) {
                match path.keys() {
                    Some(keys) => out.push(keys.into_iter().map(str::to_owned).collect()),
                    None => self.error(
                        "records.path",
                        format!("`{text}` has more than keys"),
                        "write keys with dots only, and filter with `keep`",
                    ),
                }
            }
        }
        out
    }

    fn check_source(&mut self, source: &Source, mapping_only: bool) {
        let url = source.url.as_str();
        if !mapping_only {
            let plain = url.split("${").next().unwrap_or_default();
            if url.trim().is_empty() {
                self.error(
                    "source.url",
                    "the address is empty",
                    "add the address of the source",
                );
            } else if plain.contains("://")
                && url::Url::parse(&url.replace(['{', '}', '$'], "x")).is_err()
            {
                self.error(
                    "source.url",
                    format!("`{url}` is no address"),
                    "for example https://rh.example/offres.xml",
                );
            } else if url.starts_with("http://") && !is_local(url) {
                self.warning(
                    "source.url",
                    "the source is asked without encryption",
                    "use https if the service has it",
                );
            }
        }
        self.check_html(source);
        if let Some(encoding) = &source.encoding
            && encoding_rs::Encoding::for_label(encoding.as_bytes()).is_none()
        {
            self.error(
                "source.encoding",
                format!("`{encoding}` is no encoding"),
                "for example windows-1252",
            );
        }
        if let Some(delimiter) = &source.csv.delimiter
            && delimiter.len() != 1
        {
            self.error(
                "source.csv.delimiter",
                format!("`{delimiter}` is not one character"),
                "for example \";\"",
            );
        }
        if source
            .rate
            .is_some_and(|rate| !(rate.is_finite() && rate > 0.0))
        {
            self.error(
                "source.rate",
                "the rate must be above 0",
                "requests a second, for example 2.0",
            );
        }
        let paths: Vec<(&str, Option<&String>)> = match &source.paging {
            Paging::Page { pages, more, .. } => vec![
                ("source.paging.pages", pages.as_ref()),
                ("source.paging.more", more.as_ref()),
            ],
            Paging::NextLink { path } | Paging::Cursor { path, .. } => {
                vec![("source.paging.path", Some(path))]
            }
            Paging::FranceTravail {
                departments,
                origins,
                since,
                ..
            } => {
                if departments.is_empty() && !mapping_only {
                    self.error(
                        "with.departments",
                        "no département is listed",
                        "for example departments = [\"70\"]",
                    );
                }
                if origins.iter().any(|o| !matches!(o, 1 | 2)) {
                    self.error(
                        "with.origins",
                        "an origin is 1 (France Travail) or 2 (partners)",
                        "",
                    );
                }
                if let Some(since) = since
                    && since.parse::<jiff::civil::Date>().is_err()
                {
                    self.error(
                        "with.since",
                        format!("`{since}` is no date"),
                        "for example 2024-01-01",
                    );
                }
                Vec::new()
            }
            _ => Vec::new(),
        };
        for (key, path) in paths {
            if let Some(path) = path {
                self.path(key, path);
            }
        }
        if let Auth::Oauth2 { token_path, .. } = &source.auth {
            self.path("source.auth.token_path", token_path);
        }
        for text in [&source.url].into_iter().chain(source.headers.values()) {
            for (kind, name) in text.references() {
                if !matches!(kind, "env" | "file") {
                    self.error(
                        "source",
                        format!("`${{{kind}:{name}}}` is no reference"),
                        "write ${env:NAME} or ${file:PATH}",
                    );
                }
            }
        }
    }
}

impl Builder<'_> {
    fn check_push(&mut self, push: &super::file::Push) {
        let texts = [("key", &push.key), ("hmac", &push.hmac)];
        if texts.iter().all(|(_, text)| text.is_none()) {
            self.error(
                "push",
                "anyone could send offers: neither `key` nor `hmac` is set",
                "add key = { env = \"NAME\" } or hmac = { env = \"NAME\" }",
            );
        }
        for (name, text) in texts {
            if text.as_ref().is_some_and(|text| !text.has_secret()) {
                self.error(
                    &format!("push.{name}"),
                    "the secret stands in clear",
                    format!("write {name} = {{ env = \"NAME\" }} or {{ file = \"PATH\" }}"),
                );
            }
        }
    }

    fn check_html(&mut self, source: &Source) {
        let table = &source.html;
        if source.kind == Kind::Html && (table.select.is_empty() || table.values.is_empty()) {
            self.error(
                "source.html",
                "an HTML source needs `select` and `values`",
                "for example select = \"article.offre\" and values = { titre = \"h2\", lien = \"a@href\" }",
            );
        }
        let wrong: Vec<(String, String)> = [("select", &table.select)]
            .into_iter()
            .chain(table.empty.as_ref().map(|css| ("empty", css)))
            .map(|(key, css)| (format!("source.html.{key}"), css))
            .chain(
                table
                    .values
                    .iter()
                    .map(|(name, css)| (format!("source.html.values.{name}"), css)),
            )
            .chain(
                table
                    .page
                    .iter()
                    .map(|(name, css)| (format!("source.html.page.{name}"), css)),
            )
            .filter(|(_, css)| !css.is_empty() && !crate::pull::source::parse::is_html_find(css))
            .map(|(key, css)| (key, css.clone()))
            .collect();
        for (key, css) in wrong {
            self.error(
                &key,
                format!("`{css}` is no CSS selector"),
                "for example \"article.offre h2 a@href\"",
            );
        }
    }
}

fn split_key(key: &str) -> Vec<String> {
    key.split('.')
        .filter(|k| !k.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Whether an address is this machine.
fn is_local(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|url| match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    })
}

/// `over` on top of `base`: tables are merged, everything else is replaced.
fn merge(base: Value, over: Value) -> Value {
    match (base, over) {
        (Value::Object(mut base), Value::Object(over)) => {
            for (key, value) in over {
                let merged = match base.remove(&key) {
                    // Another kind of authentication or paging replaces the table as a whole, and
                    // a field's rule is one thing.
                    Some(known) if !changes_kind(&known, &value) && !is_rule(&known) => {
                        merge(known, value)
                    }
                    _ => value,
                };
                base.insert(key, merged);
            }
            Value::Object(base)
        }
        (_, over) => over,
    }
}

fn changes_kind(base: &Value, over: &Value) -> bool {
    over.get("kind")
        .is_some_and(|kind| base.get("kind") != Some(kind))
}

fn is_rule(value: &Value) -> bool {
    value.as_object().is_some_and(|map| {
        !map.contains_key("url")
            && !map.contains_key("each")
            && ["path", "template", "value"]
                .iter()
                .any(|key| map.contains_key(*key))
            && !map.contains_key("total")
            && !map.contains_key("kind")
            && !map.contains_key("semantics")
    })
}

/// Fills parameters in. A text that is nothing but an absent optional parameter vanishes with its
/// key.
fn fill(
    value: &mut Value,
    values: &BTreeMap<String, Value>,
    declared: &BTreeMap<String, Parameter>,
    unknown: &mut Vec<String>,
) {
    match value {
        Value::String(text) => {
            let whole = text
                .strip_prefix("${")
                .and_then(|rest| rest.strip_suffix('}'))
                .filter(|name| !name.contains(['$', ':', '}']));
            if let Some(name) = whole {
                match values.get(name) {
                    Some(given) => *value = given.clone(),
                    None if declared.contains_key(name) => {
                        *value = absent(&declared[name]);
                    }
                    None => unknown.push(name.to_owned()),
                }
                return;
            }
            *text = fill_text(text, values, declared, unknown);
        }
        Value::Array(items) => {
            for item in items.iter_mut() {
                fill(item, values, declared, unknown);
            }
            items.retain(|item| !item.is_null());
        }
        Value::Object(map) => {
            for item in map.values_mut() {
                fill(item, values, declared, unknown);
            }
            map.retain(|_, item| !item.is_null());
        }
        _ => {}
    }
}

/// What stands for a parameter that is not set: nothing for an optional one. A missing required
/// one is a problem of its own already and must not cause others.
fn absent(parameter: &Parameter) -> Value {
    let is_list = parameter
        .example
        .as_deref()
        .is_some_and(|e| e.starts_with('['));
    match (parameter.required, is_list) {
        (false, _) => Value::Null,
        (true, true) => Value::Array(Vec::new()),
        (true, false) => Value::String(String::new()),
    }
}

fn fill_text(
    text: &str,
    values: &BTreeMap<String, Value>,
    declared: &BTreeMap<String, Parameter>,
    unknown: &mut Vec<String>,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            out.push_str("${");
            rest = after;
            continue;
        };
        if name.contains(':') {
            out.push_str(&format!("${{{name}}}"));
        } else {
            match values.get(name) {
                Some(Value::String(value)) => out.push_str(value),
                Some(Value::Object(map)) => {
                    if let Some((kind, Value::String(target))) = map.iter().next() {
                        out.push_str(&format!("${{{kind}:{target}}}"));
                    }
                }
                Some(other) => out.push_str(&other.to_string()),
                None if declared.contains_key(name) => {}
                None => unknown.push(name.to_owned()),
            }
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

fn table_json(table: &DeTable<'_>) -> Value {
    Value::Object(
        table
            .iter()
            .map(|(key, value)| (key.get_ref().to_string(), value_json(value.get_ref())))
            .collect(),
    )
}

fn value_json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::String(number.to_string()), Value::from),
        DeValue::Float(number) => number
            .as_str()
            .parse::<f64>()
            .map_or(Value::Null, Value::from),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(date) => Value::String(date.to_string()),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|i| value_json(i.get_ref())).collect())
        }
        DeValue::Table(table) => table_json(table),
    }
}

/// The line of the key, or of the deepest table on the way to it (unless that is the file itself).
fn line_of(text: &str, key: &[String]) -> Option<usize> {
    let (root, _) = DeTable::parse_recoverable(text);
    let mut table = root.get_ref();
    let mut found = None;
    for name in key {
        let Some((key, value)) = table
            .iter()
            .find(|(k, _)| k.get_ref().as_ref() == name.as_str())
        else {
            break;
        };
        found = Some(line_at(text, key.span().start));
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    found
}

fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())]
        .iter()
        .filter(|b| **b == b'\n')
        .count()
        + 1
}
