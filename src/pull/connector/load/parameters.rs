//! The parameters of a preset: what `with` gives, put in place of `${name}`.

use super::Builder;
use super::compile::is_local;
use crate::pull::connector::Text;
use crate::pull::connector::check::{self, perhaps};
use crate::pull::connector::file::Parameter;
use crate::pull::connector::problem::Level;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

impl Builder<'_> {
    /// Puts the parameters in place of `${name}`.
    pub(super) fn substitute(&mut self, tree: &mut Value, mapping_only: bool) {
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
                    Some(meant) => perhaps(meant),
                    None if known.is_empty() => {
                        ("`with` ne va pas sans `use`", "`with` needs `use`").into()
                    }
                    None => check::known_here(&known),
                };
                self.error(
                    &format!("with.{name}"),
                    (
                        format!("le préréglage n'a pas de paramètre `{name}`"),
                        format!("the preset has no parameter `{name}`"),
                    ),
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
                        .map(|e| (format!(", par exemple {e}"), format!(", for example {e}")))
                        .unwrap_or_default();
                    self.missing(
                        &format!("with.{name}"),
                        (
                            format!("il manque le paramètre `{name}` : {}", parameter.doc),
                            format!("the parameter `{name}` is missing: {}", parameter.doc),
                        ),
                        (
                            format!("ajoutez `{name}` à `with`{}", example.0),
                            format!("add `{name}` to `with`{}", example.1),
                        ),
                    );
                }
                None => {}
            }
        }
        self.told.extend(unfilled(tree, &values, &declared));
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
                        self.missing(
                            key,
                            (format!("`${{{name}}}` n'est pas un paramètre"), format!("`${{{name}}}` is no parameter")),
                            ("déclarez-le sous [parameters], ou écrivez ${env:NOM} pour un secret", "declare it under [parameters], or write ${env:NAME} for a secret"),
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
        let message = (
            format!("le secret `{name}` est écrit en clair"),
            format!("the secret `{name}` stands in clear"),
        );
        let remedy = (
            format!("écrivez {name} = {{ env = \"NOM\" }} ou {{ file = \"CHEMIN\" }}"),
            format!("write {name} = {{ env = \"NAME\" }} or {{ file = \"PATH\" }}"),
        );
        let level = if local { Level::Warning } else { Level::Error };
        self.push(
            level,
            &["with".to_owned(), name.to_owned()],
            message,
            remedy,
        );
    }
}

/// Keys whose value rests on a parameter that is required and not set, or that there is not: what
/// is told of the parameter is not told of them.
fn unfilled(
    tree: &Value,
    values: &BTreeMap<String, Value>,
    declared: &BTreeMap<String, Parameter>,
) -> Vec<Vec<String>> {
    fn walk(
        value: &Value,
        key: &mut Vec<String>,
        lacks: &dyn Fn(&str) -> bool,
        out: &mut Vec<Vec<String>>,
    ) {
        match value {
            Value::String(text) if lacks(text) => out.push(key.clone()),
            Value::Object(map) => {
                for (name, inner) in map {
                    key.push(name.clone());
                    walk(inner, key, lacks, out);
                    key.pop();
                }
            }
            Value::Array(items) if items.iter().any(|i| i.as_str().is_some_and(lacks)) => {
                out.push(key.clone());
            }
            _ => {}
        }
    }
    let lacks = |text: &str| {
        text.split("${").skip(1).any(|rest| {
            let name = rest.split('}').next().unwrap_or_default();
            let optional = declared.get(name).is_some_and(|p| !p.required);
            !name.contains(':') && !values.contains_key(name) && !optional
        })
    };
    let mut out = Vec::new();
    for (name, part) in tree.as_object().into_iter().flatten() {
        if !matches!(name.as_str(), "with" | "preset" | "parameters") {
            walk(part, &mut vec![name.clone()], &lacks, &mut out);
        }
    }
    out
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
