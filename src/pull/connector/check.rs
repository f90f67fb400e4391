//! Checks a file's tree against the schema of the language, and finds all that is wrong at once.
//!
//! A small validator for the part of JSON Schema that `schemars` writes for these types; its
//! messages are for the admin: what stands there, what was expected, what was perhaps meant.

use crate::pull::said::Said;
use serde_json::Value;

/// One breach: the keys that lead to it, what is wrong, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    pub key: Vec<String>,
    pub message: Said,
    pub remedy: Said,
    /// Nothing stands at `key`.
    pub missing: bool,
    /// The key beside it that an unknown one seems to mean.
    pub meant: Option<String>,
}

/// Every breach of `schema` in `value`.
pub fn breaches(schema: &Value, value: &Value) -> Vec<Breach> {
    let checker = Checker { root: schema };
    let mut out = Vec::new();
    checker.check(schema, value, &mut Vec::new(), &mut out);
    out
}

struct Checker<'s> {
    root: &'s Value,
}

impl<'s> Checker<'s> {
    fn resolve(&self, schema: &'s Value) -> &'s Value {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => reference
                .strip_prefix('#')
                .and_then(|pointer| self.root.pointer(pointer))
                .unwrap_or(schema),
            None => schema,
        }
    }

    fn check(
        &self,
        schema: &'s Value,
        value: &Value,
        key: &mut Vec<String>,
        out: &mut Vec<Breach>,
    ) {
        let schema = self.resolve(schema);
        for word in ["anyOf", "oneOf"] {
            if let Some(variants) = schema.get(word).and_then(Value::as_array) {
                self.check_variants(variants, value, key, out);
            }
        }
        if let Some(expected) = schema.get("const")
            && value != expected
        {
            out.push(wrong(
                key,
                value,
                format!("il faut {expected}"),
                format!("expected {expected}"),
            ));
            return;
        }
        if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
            && !allowed.contains(value)
        {
            out.push(not_among(key, value, &texts(allowed)));
            return;
        }
        if let Some(kinds) = schema.get("type") {
            let kinds = match kinds {
                Value::String(one) => vec![one.as_str()],
                Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
                _ => Vec::new(),
            };
            if !kinds.iter().any(|kind| is_kind(kind, value)) {
                let (french, english): (Vec<&str>, Vec<&str>) = kinds
                    .iter()
                    .filter(|k| **k != "null")
                    .map(|k| kind_name(k))
                    .unzip();
                let french = format!("il faut {}", french.join(" ou "));
                let english = format!("expected {}", english.join(" or "));
                out.push(wrong(key, value, french, english));
                return;
            }
        }
        self.check_range(schema, value, key, out);
        if let Some(items) = schema.get("items")
            && let Value::Array(members) = value
        {
            for (index, member) in members.iter().enumerate() {
                key.push(index.to_string());
                self.check(items, member, key, out);
                key.pop();
            }
        }
        if let Value::Object(map) = value {
            self.check_object(schema, map, key, out);
        }
    }

    fn check_range(&self, schema: &Value, value: &Value, key: &[String], out: &mut Vec<Breach>) {
        let Some(number) = value.as_f64() else { return };
        if let Some(min) = schema.get("minimum").and_then(Value::as_f64)
            && number < min
        {
            out.push(wrong(
                key,
                value,
                format!("il faut au moins {min}"),
                format!("expected at least {min}"),
            ));
        }
        if let Some(max) = schema.get("maximum").and_then(Value::as_f64)
            && number > max
        {
            out.push(wrong(
                key,
                value,
                format!("il faut au plus {max}"),
                format!("expected at most {max}"),
            ));
        }
    }

    fn check_object(
        &self,
        schema: &'s Value,
        map: &serde_json::Map<String, Value>,
        key: &mut Vec<String>,
        out: &mut Vec<Breach>,
    ) {
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, member) in map {
            key.push(name.clone());
            match properties.and_then(|p| p.get(name)) {
                Some(inner) => self.check(inner, member, key, out),
                None => match schema.get("additionalProperties") {
                    Some(Value::Bool(false)) => {
                        let known: Vec<String> = properties
                            .map(|p| p.keys().cloned().collect())
                            .unwrap_or_default();
                        out.push(unknown(key, name, &known));
                    }
                    Some(inner @ Value::Object(_)) => self.check(inner, member, key, out),
                    _ => {}
                },
            }
            key.pop();
        }
        for name in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            if let Some(name) = name.as_str()
                && !map.contains_key(name)
            {
                let mut missing = key.clone();
                missing.push(name.to_owned());
                out.push(Breach {
                    key: missing,
                    message: absent(name),
                    remedy: (format!("ajoutez `{name} = …`"), format!("add `{name} = …`")).into(),
                    missing: true,
                    meant: None,
                });
            }
        }
    }

    /// Of several forms the value must have one. A tagged table is checked against the variant of
    /// its tag; otherwise against the form that comes nearest.
    fn check_variants(
        &self,
        variants: &'s [Value],
        value: &Value,
        key: &mut Vec<String>,
        out: &mut Vec<Breach>,
    ) {
        let mut tags = Vec::new();
        let mut literals = Vec::new();
        let mut best: Option<Vec<Breach>> = None;
        for variant in variants {
            let variant = self.resolve(variant);
            if let Some(tag) = variant.pointer("/properties/kind/const") {
                tags.extend(tag.as_str().map(str::to_owned));
                if let Some(given) = value.get("kind")
                    && given != tag
                {
                    continue;
                }
            }
            if let Some(one) = variant.get("const").and_then(Value::as_str) {
                literals.push(one.to_owned());
            }
            if let Some(many) = variant.get("enum").and_then(Value::as_array) {
                literals.extend(texts(many));
            }
            let mut found = Vec::new();
            self.check(variant, value, key, &mut found);
            if found.is_empty() {
                return;
            }
            // A breach inside the value says more than "the whole is of another type".
            let depth = |list: &[Breach]| list.iter().map(|b| b.key.len()).min().unwrap_or(0);
            let nearer = best.as_ref().is_none_or(|known| {
                (depth(&found), std::cmp::Reverse(found.len()))
                    > (depth(known), std::cmp::Reverse(known.len()))
            });
            if nearer {
                best = Some(found);
            }
        }
        if !literals.is_empty() && value.is_string() {
            out.push(not_among(key, value, &literals));
        } else if let (false, Some(Value::String(_))) = (tags.is_empty(), value.get("kind"))
            && best.is_none()
        {
            let given = value.get("kind").cloned().unwrap_or_default();
            key.push("kind".to_owned());
            out.push(not_among(key, &given, &tags));
            key.pop();
        } else if !tags.is_empty() && value.is_object() && value.get("kind").is_none() {
            let mut missing = key.clone();
            missing.push("kind".to_owned());
            out.push(Breach {
                key: missing,
                message: absent("kind"),
                remedy: (
                    format!("au choix : {}", tags.join(", ")),
                    format!("one of {}", tags.join(", ")),
                )
                    .into(),
                missing: true,
                meant: None,
            });
        } else {
            out.extend(best.unwrap_or_default());
        }
    }
}

fn texts(values: &[Value]) -> Vec<String> {
    values
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn is_kind(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => true,
    }
}

/// In French and English.
fn kind_name(kind: &str) -> (&str, &str) {
    match kind {
        "boolean" => ("true (oui) ou false (non)", "true or false"),
        "object" => ("une table", "a table"),
        "array" => ("une liste", "a list"),
        "number" => ("un nombre", "a number"),
        "string" => ("un texte entre guillemets", "a text in quotation marks"),
        "integer" => ("un nombre entier", "a whole number"),
        other => (other, other),
    }
}

/// The word that is perhaps meant.
pub fn perhaps(meant: &str) -> Said {
    let french = format!("vouliez-vous dire `{meant}` ?");
    (french, format!("perhaps `{meant}` is meant")).into()
}

/// The words that are known.
pub fn known_here(known: &[String]) -> Said {
    let known = known.join(", ");
    let french = format!("connus ici : {known}");
    (french, format!("known here: {known}")).into()
}

fn absent(name: &str) -> Said {
    (
        format!("il manque `{name}`"),
        format!("`{name}` is missing"),
    )
        .into()
}

fn shown(value: &Value) -> Said {
    let cut = |text: String| text.chars().take(60).collect::<String>();
    match value {
        Value::Object(_) => ("une table", "a table").into(),
        Value::Array(_) => ("une liste", "a list").into(),
        other => (cut(other.to_string()), cut(other.to_string())).into(),
    }
}

fn wrong(key: &[String], value: &Value, french: String, english: String) -> Breach {
    let shown = shown(value);
    let french = format!("on lit {}, {french}", shown.fr);
    Breach {
        key: key.to_vec(),
        message: (french, format!("{} stands here, {english}", shown.en)).into(),
        remedy: Said::default(),
        missing: false,
        meant: None,
    }
}

fn not_among(key: &[String], value: &Value, allowed: &[String]) -> Breach {
    let meant = value.as_str().and_then(|text| nearest(text, allowed));
    let (shown, list) = (shown(value), allowed.join(", "));
    let french = format!(
        "{} n'est pas une valeur admise ; au choix : {list}",
        shown.fr
    );
    Breach {
        key: key.to_vec(),
        message: (french, format!("{} is not one of {list}", shown.en)).into(),
        remedy: meant.map(perhaps).unwrap_or_default(),
        missing: false,
        meant: None,
    }
}

fn unknown(key: &[String], name: &str, known: &[String]) -> Breach {
    let meant = nearest(name, known);
    let remedy = match meant {
        Some(meant) => perhaps(meant),
        None if known.len() <= 20 && !known.is_empty() => known_here(known),
        None => ("retirez-le", "remove it").into(),
    };
    Breach {
        key: key.to_vec(),
        message: (
            format!("`{name}` n'est pas connu ici"),
            format!("`{name}` is not known here"),
        )
            .into(),
        remedy,
        missing: false,
        meant: meant.map(str::to_owned),
    }
}

/// The known word that differs least, if by little.
pub fn nearest<'k>(word: &str, known: &'k [String]) -> Option<&'k str> {
    let limit = ((word.chars().count() + 1) / 3).max(1);
    known
        .iter()
        .map(|k| (distance(word, k), k.as_str()))
        .filter(|(d, k)| *d <= limit || k.starts_with(word) || word.starts_with(*k))
        .min()
        .map(|(_, k)| k)
}

/// Levenshtein distance of two short words.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let next = (diagonal + usize::from(ca != *cb))
                .min(row[j] + 1)
                .min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], next);
        }
    }
    row.last().copied().unwrap_or(0)
}
