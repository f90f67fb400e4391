//! `[fields]`: where the fields of a posting stand in a record.

use super::OneOrMany;
use crate::model::Field;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// `[fields]`: field of a posting = path, list of paths (the first that is not empty), or table.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "RawFields", into = "RawFields")]
pub struct Fields {
    pub fields: BTreeMap<Field, FieldSpec>,
    pub places: Option<Places>,
}

/// `[fields.places]`, for sources with several places a record: `each` is the path of the list of
/// places, the other keys are place fields, as paths within one place.
#[derive(Clone, Debug)]
pub struct Places {
    pub each: OneOrMany,
    /// Whether the places of all paths of `each` count, instead of those of the first that is there.
    pub all: bool,
    pub fields: BTreeMap<Field, FieldSpec>,
}

type RawFields = BTreeMap<String, Value>;

const PLACES: &str = "places";
const EACH: &str = "each";
const ALL: &str = "all";

/// The names that `[fields]` knows, as a file writes them, with their meaning.
pub fn field_names() -> Vec<(String, String)> {
    let schema = Value::from(schemars::schema_for!(Field));
    let mut out = Vec::new();
    let Some(variants) = schema.get("oneOf").and_then(Value::as_array) else {
        return out;
    };
    for variant in variants {
        let doc = variant.get("description").and_then(Value::as_str);
        let names = variant.get("const").into_iter().chain(
            variant
                .get("enum")
                .and_then(Value::as_array)
                .into_iter()
                .flatten(),
        );
        for name in names.filter_map(Value::as_str) {
            out.push((name.to_owned(), doc.unwrap_or_default().to_owned()));
        }
    }
    out
}

impl TryFrom<RawFields> for Fields {
    type Error = serde_json::Error;

    fn try_from(raw: RawFields) -> Result<Self, Self::Error> {
        let mut out = Self::default();
        for (key, value) in raw {
            if key == PLACES {
                let mut inner: RawFields = serde_json::from_value(value)?;
                let each = inner.remove(EACH).unwrap_or_default();
                let all = inner.remove(ALL).unwrap_or(Value::Bool(false));
                out.places = Some(Places {
                    each: serde_json::from_value(each)?,
                    all: serde_json::from_value(all)?,
                    fields: inner
                        .into_iter()
                        .map(field_entry)
                        .collect::<Result<_, _>>()?,
                });
            } else {
                let (field, spec) = field_entry((key, value))?;
                out.fields.insert(field, spec);
            }
        }
        Ok(out)
    }
}

fn field_entry((key, value): (String, Value)) -> Result<(Field, FieldSpec), serde_json::Error> {
    Ok((
        serde_json::from_value(Value::String(key))?,
        serde_json::from_value(value)?,
    ))
}

impl From<Fields> for RawFields {
    fn from(fields: Fields) -> Self {
        let entries = |map: BTreeMap<Field, FieldSpec>| -> RawFields {
            map.into_iter()
                .filter_map(|(field, spec)| {
                    let key = serde_json::to_value(field).ok()?;
                    Some((key.as_str()?.to_owned(), serde_json::to_value(spec).ok()?))
                })
                .collect()
        };
        let mut raw = entries(fields.fields);
        if let Some(places) = fields.places {
            let mut inner = entries(places.fields);
            inner.insert(
                EACH.to_owned(),
                serde_json::to_value(&places.each).unwrap_or_default(),
            );
            if places.all {
                inner.insert(ALL.to_owned(), Value::Bool(true));
            }
            raw.insert(PLACES.to_owned(), serde_json::json!(inner));
        }
        raw
    }
}

impl JsonSchema for Fields {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Fields".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let spec = Value::from(generator.subschema_for::<FieldSpec>());
        let each = Value::from(generator.subschema_for::<OneOrMany>());
        let mut fields = serde_json::Map::new();
        let mut places = serde_json::Map::new();
        for (name, doc) in field_names() {
            let mut entry = spec.clone();
            if !doc.is_empty() {
                entry["description"] = Value::String(doc);
            }
            if name.starts_with("place") {
                places.insert(name.clone(), entry.clone());
            }
            fields.insert(name, entry);
        }
        places.insert(EACH.to_owned(), each);
        places.insert(
            ALL.to_owned(),
            serde_json::json!({
                "description": "Whether the places of all paths of `each` count together, instead of those of the first that is there: a main place and further ones.",
                "type": "boolean",
                "default": false
            }),
        );
        fields.insert(
            PLACES.to_owned(),
            serde_json::json!({
                "description": "For sources with several places a record: `each` is the path of the list of places, the other keys are place fields, as paths within one place.",
                "type": "object",
                "properties": places,
                "required": [EACH],
                "additionalProperties": false
            }),
        );
        json_schema!({
            "description": "Field of a posting = path, list of paths (the first that is not empty), or table.",
            "type": "object",
            "properties": fields,
            "additionalProperties": false
        })
    }
}

/// Where a field's value stands.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum FieldSpec {
    /// A path.
    Path(String),
    /// Paths; the first that is not empty counts.
    Paths(Vec<String>),
    Rule(Box<FieldRule>),
}

/// A field with more to say than a path.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FieldRule {
    /// A path, or paths of which the first that is not empty counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<OneOrMany>,
    /// A minijinja template over the record: `{{ description }}{{ profile }}`. Names that are no
    /// identifiers are reached through `record["start-date"]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// A constant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// All values of all paths, joined by this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub join: Option<String>,
    /// Text that separates the values of a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// A regular expression: its first group, or the whole match, is the value; no match, no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extract: Option<String>,
    /// How many times HTML escapes are undone.
    #[serde(skip_serializing_if = "is_zero")]
    pub unescape: u8,
    /// Forms of a date, tried in order: `iso`, `rfc2822`, `epoch`, `epoch_ms`, `french`, or a
    /// pattern such as `%d/%m/%Y %H:%M`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<OneOrMany>,
    /// Time zone of a date without one; the connector's `zone` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Name of a value table, or the table itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<ValuesRef>,
    /// Drops values that the table does not know, instead of passing them on as they are.
    #[serde(skip_serializing_if = "is_false")]
    pub known_only: bool,
    /// Value when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

fn is_zero(n: &u8) -> bool {
    *n == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// A value table by name, or in place.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ValuesRef {
    Name(String),
    Table(BTreeMap<String, String>),
}
