//! From a record's tree to a draft, by the connector's `[fields]`.
//!
//! **Invariants:** pure; total: a value that cannot be read is a problem of its field; templates
//! run on fuel.

mod date;
mod path;
mod rule;

pub use date::{DateFormat, Moment, parse as parse_date};
pub use path::{Path, PathError};
pub use rule::Rule;

use crate::model::{Draft, Field, Problem, Raw};
use crate::pull::connector::file::{FieldSpec, Fields};
use crate::pull::said::Said;
use jiff::tz::TimeZone;
use minijinja::{Environment, UndefinedBehavior};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Instructions that one template may run for one record.
const FUEL: u64 = 50_000;

/// Where the places stand, whether all of these count, and the rules within one.
#[derive(Clone)]
struct PlaceRules {
    lists: Vec<Path>,
    all: bool,
    rules: Vec<(Field, Rule)>,
}

/// A compiled field map.
#[derive(Clone)]
pub struct Mapping {
    rules: Vec<(Field, Rule)>,
    places: Option<PlaceRules>,
    keep: bool,
    env: Arc<Environment<'static>>,
}

/// Something in `[fields]` or `[values]` that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapError {
    /// Keys that lead to the place in the file.
    pub key: Vec<String>,
    pub message: Said,
}

/// The name under which the `keep` expression is compiled.
const KEEP: &str = "records.keep";

impl Mapping {
    /// Compiles a field map.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn compile(
        fields: &Fields,
        tables: &BTreeMap<String, BTreeMap<String, String>>,
        zone: &TimeZone,
        keep: Option<&str>,
    ) -> Result<Self, Vec<MapError>> {
        let mut env = Environment::new();
        env.set_fuel(Some(FUEL));
        env.set_undefined_behavior(UndefinedBehavior::Chainable);
        env.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        let mut errors = Vec::new();
        let mut compile = |prefix: &[&str], specs: &BTreeMap<Field, FieldSpec>| {
            let mut rules = Vec::new();
            for (field, spec) in specs {
                let name = field_name(*field);
                let mut key: Vec<String> = prefix.iter().map(|k| (*k).to_owned()).collect();
                key.push(name.clone());
                match Rule::compile(*field, &key.join("."), spec, tables, zone, &mut env) {
                    Ok(rule) => rules.push((*field, rule)),
                    Err(problems) => errors.extend(problems.into_iter().map(|(tail, message)| {
                        let mut key = key.clone();
                        key.extend(tail.map(str::to_owned));
                        MapError { key, message }
                    })),
                }
            }
            rules
        };
        let rules = compile(&["fields"], &fields.fields);
        let place_rules = fields
            .places
            .as_ref()
            .map(|places| (places, compile(&["fields", "places"], &places.fields)));
        let mut places = None;
        if let Some((table, rules)) = place_rules {
            let paths: Result<Vec<Path>, _> =
                table.each.as_slice().iter().map(|p| p.parse()).collect();
            match paths {
                Ok(lists) => {
                    places = Some(PlaceRules {
                        lists,
                        all: table.all,
                        rules,
                    });
                }
                Err(error) => errors.push(MapError {
                    key: vec!["fields".into(), "places".into(), "each".into()],
                    message: error.said(),
                }),
            }
        }
        if let Some(expression) = keep {
            let template = format!("{{% if {expression} %}}1{{% endif %}}");
            if let Err(error) = env.add_template_owned(KEEP, template) {
                errors.push(MapError {
                    key: vec!["records".into(), "keep".into()],
                    message: (
                        format!("`{expression}` n'est pas une expression : {error}"),
                        format!("`{expression}` is no expression: {error}"),
                    )
                        .into(),
                });
            }
        }
        if errors.is_empty() {
            Ok(Self {
                rules,
                places,
                keep: keep.is_some(),
                env: Arc::new(env),
            })
        } else {
            Err(errors)
        }
    }

    /// Whether `[records] keep` lets the record through. A filter that fails keeps it.
    pub fn keeps(&self, record: &Value) -> bool {
        !self.keep
            || self
                .env
                .get_template(KEEP)
                .and_then(|template| template.render(context(record)))
                .map_or(true, |text| text == "1")
    }

    /// The record's reference alone.
    pub fn reference(&self, record: &Value) -> Option<String> {
        let (_, rule) = self.rules.iter().find(|(f, _)| *f == Field::Reference)?;
        let mut problems = Vec::new();
        rule.apply(
            Field::Reference,
            record,
            &mut Lazy::new(&self.env, record),
            &mut problems,
        )
        .map(|raw| raw.value().to_owned())
    }

    /// The draft of one record.
    ///
    /// # Errors
    /// The record has no reference or no title: then everything that was wrong with it.
    pub fn map(&self, record: &Value) -> Result<Draft, Vec<Problem>> {
        let mut draft = Draft::default();
        let mut lazy = Lazy::new(&self.env, record);
        for (field, rule) in &self.rules {
            if let Some(raw) = rule.apply(*field, record, &mut lazy, &mut draft.problems) {
                draft.fields.insert(*field, raw);
            }
        }
        if let Some(places) = &self.places {
            let lists = places
                .lists
                .iter()
                .map(|path| path.select(record))
                .filter(|found| !found.is_empty());
            let most = if places.all { usize::MAX } else { 1 };
            for place in lists.take(most).flatten().flat_map(elements) {
                let mut lazy = Lazy::new(&self.env, place);
                let fields: BTreeMap<Field, Raw> = places
                    .rules
                    .iter()
                    .filter_map(|(field, rule)| {
                        Some((
                            *field,
                            rule.apply(*field, place, &mut lazy, &mut draft.problems)?,
                        ))
                    })
                    .collect();
                if !fields.is_empty() && !draft.places.contains(&fields) {
                    draft.places.push(fields);
                }
            }
        }
        draft.reference = draft.value(Field::Reference).unwrap_or_default().to_owned();
        let missing = [
            (Field::Reference, "map.reference_missing"),
            (Field::Title, "map.title_missing"),
        ];
        let mut refused = false;
        for (field, rule) in missing {
            if draft.value(field).is_none() {
                refused = true;
                let name = field_name(field);
                draft.problems.push(Problem {
                    message: format!(
                        "the record has no {name}: check [fields] {name}, or ask the source why it is empty"
                    ),
                    field: name,
                    rule: rule.to_owned(),
                    value: String::new(),
                });
            }
        }
        if refused {
            Err(draft.problems)
        } else {
            Ok(draft)
        }
    }

    /// The address of a record's detail.
    pub fn render(&self, template: &str, record: &Value) -> Result<String, minijinja::Error> {
        self.env.render_str(template, context(record))
    }

    /// The paths that `field` is read from, as the file has them.
    pub fn rule(&self, field: Field) -> Option<&Rule> {
        self.rules.iter().find(|(f, _)| *f == field).map(|(_, r)| r)
    }

    /// Every path that the map reads, place paths after the path of their list.
    pub fn paths(&self) -> Vec<String> {
        let mut out: Vec<String> = self
            .rules
            .iter()
            .flat_map(|(_, rule)| rule.paths())
            .map(|path| path.as_str().to_owned())
            .collect();
        if let Some(PlaceRules { lists, rules, .. }) = &self.places {
            for list in lists {
                for path in rules.iter().flat_map(|(_, rule)| rule.paths()) {
                    out.push(format!("{list}.{path}"));
                }
            }
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    /// The mapped fields, place fields included.
    pub fn fields(&self) -> impl Iterator<Item = Field> + '_ {
        let places = self.places.iter().flat_map(|places| &places.rules);
        self.rules.iter().chain(places).map(|(field, _)| *field)
    }
}

impl std::fmt::Debug for Mapping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mapping")
            .field("rules", &self.rules.len())
            .finish()
    }
}

/// The members of a list, or the thing itself.
fn elements(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(items) => Box::new(items.iter()),
        Value::Null => Box::new(std::iter::empty()),
        other => Box::new(std::iter::once(other)),
    }
}

/// The name of a field, as a connector file writes it.
pub fn field_name(field: Field) -> String {
    serde_json::to_value(field)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// What templates see: the record's keys, and the whole as `record`. Nulls are absent, so that
/// they print as nothing.
fn context(record: &Value) -> minijinja::Value {
    let whole = template_value(record);
    let mut names: BTreeMap<String, minijinja::Value> = BTreeMap::new();
    if let Value::Object(map) = record {
        names = map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), template_value(value)))
            .collect();
    }
    names.insert("record".to_owned(), whole);
    minijinja::Value::from(names)
}

fn template_value(value: &Value) -> minijinja::Value {
    match value {
        Value::Null => minijinja::Value::UNDEFINED,
        Value::Bool(flag) => minijinja::Value::from(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => minijinja::Value::from(whole),
            (None, Some(float)) => minijinja::Value::from(float),
            _ => minijinja::Value::from(number.to_string()),
        },
        Value::String(text) => minijinja::Value::from(text.as_str()),
        Value::Array(items) => items.iter().map(template_value).collect(),
        Value::Object(map) => minijinja::Value::from(
            map.iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), template_value(value)))
                .collect::<BTreeMap<String, minijinja::Value>>(),
        ),
    }
}

/// The template context of a record, made when the first template asks for it.
pub struct Lazy<'a> {
    env: &'a Environment<'static>,
    record: &'a Value,
    context: Option<minijinja::Value>,
}

impl<'a> Lazy<'a> {
    fn new(env: &'a Environment<'static>, record: &'a Value) -> Self {
        Self {
            env,
            record,
            context: None,
        }
    }

    /// Renders a compiled template over the record.
    fn render(&mut self, name: &str) -> Result<String, minijinja::Error> {
        let template = self.env.get_template(name)?;
        let context = self.context.get_or_insert_with(|| context(self.record));
        template.render(context.clone())
    }
}
