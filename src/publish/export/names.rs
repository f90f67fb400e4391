//! The names that an expression of a profile may use: a wrong one would say nothing of every offer,
//! for ever, and nobody would notice.

use super::profile::Profile;
use crate::model::Vacancy;
use serde_json::Value;
use std::sync::LazyLock;

/// The JSON Schema of a vacancy.
static VACANCY: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(schemars::schema_for!(Vacancy)).unwrap_or_default());

/// What stands beside an offer's own fields, and what is in it; nothing where it is a plain value.
const BESIDE: &[(&str, &[&str])] = &[
    ("title_plain", &[]),
    ("html", &[]),
    ("text", &[]),
    (
        "sections",
        &["tasks", "profile", "offer", "employer", "apply"],
    ),
    ("page", &[]),
    ("apply_url", &[]),
    ("pay_text", &[]),
    ("time_text", &[]),
    ("place_number", &[]),
    (
        "owner",
        &[
            "id",
            "name",
            "website",
            "logo",
            "agency",
            "siret",
            "company_id",
            "poster_email",
        ],
    ),
    ("hub", &["name", "url", "contact", "synthetic"]),
];
/// The same for `[[head]]`.
const HEAD: &[(&str, &[&str])] = &[
    ("updated", &[]),
    ("count", &[]),
    ("owner", &["id", "name", "website"]),
    ("hub", &["name", "url", "contact", "synthetic"]),
];

/// Where an expression stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    Head,
    Item,
}

/// Whether the dotted `name` is one that there is.
pub fn known(profile: &Profile, around: Around, name: &str) -> bool {
    let mut parts = name.split('.');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    if first == "tables" {
        return rest
            .first()
            .is_none_or(|table| profile.tables.contains_key(*table));
    }
    let beside = match around {
        Around::Head => HEAD,
        Around::Item => BESIDE,
    };
    if let Some((_, inner)) = beside.iter().find(|(name, _)| *name == first) {
        return rest.first().is_none_or(|name| inner.contains(name));
    }
    match (around, first) {
        (Around::Head, _) => false,
        (Around::Item, "movement") => profile.movements.is_some(),
        // Its object follows schema.org, not this program.
        (Around::Item, "job_posting") => true,
        (Around::Item, "place") => inside(&pointed("Place"), &rest),
        (Around::Item, _) => {
            let properties = VACANCY.get("properties").and_then(|p| p.get(first));
            properties.is_some_and(|property| inside(property, &rest))
        }
    }
}

fn pointed(name: &str) -> Value {
    serde_json::json!({ "$ref": format!("#/$defs/{name}") })
}

/// Whether a schema has the path.
fn inside(schema: &Value, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else {
        return true;
    };
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let name = target.rsplit('/').next().unwrap_or_default();
        let target = VACANCY.get("$defs").and_then(|defs| defs.get(name));
        return target.is_some_and(|target| inside(target, path));
    }
    for several in ["anyOf", "oneOf", "allOf"] {
        if let Some(Value::Array(options)) = schema.get(several) {
            return options.iter().any(|option| inside(option, path));
        }
    }
    if let Some(items) = schema.get("items") {
        // A position in a list.
        return first.parse::<usize>().is_ok() && inside(items, rest);
    }
    let property = schema.get("properties").and_then(|p| p.get(*first));
    property.is_some_and(|property| inside(property, rest))
}
