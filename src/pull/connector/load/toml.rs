//! TOML as a JSON tree: read with its lines, and laid over a preset's.

use ::toml::de::{DeTable, DeValue};
use serde_json::Value;

/// What of `text` can be read, and each syntax error with its line.
pub fn read(text: &str) -> (Value, Vec<(Option<usize>, String)>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let errors = errors.iter().map(|error| {
        let line = error.span().map(|span| line_at(text, span.start));
        (line, error.message().to_owned())
    });
    (table_json(table.get_ref()), errors.collect())
}

pub fn split_key(key: &str) -> Vec<String> {
    key.split('.')
        .filter(|k| !k.is_empty())
        .map(str::to_owned)
        .collect()
}

/// `over` on top of `base`: tables are merged, everything else is replaced.
pub fn merge(base: Value, over: Value) -> Value {
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
pub fn line_of(text: &str, key: &[String]) -> Option<usize> {
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
