//! The reference of the connector language and a page for each preset, made from the schema and
//! from the presets themselves, so that they cannot drift.

use super::file::{Evidence, Semantics};
use super::load::schema;
use super::{Catalogue, Connector, describe, preset};
use crate::model::Field;
use crate::pull::mapping::field_name;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write;

/// `docs/connector-reference.md`.
pub fn reference() -> String {
    let root = schema();
    let mut out = String::from(
        "# Reference of connector files\n\nGenerated from the schema (`passerelle schema connector`). A connector file is TOML; a preset is\none, too, with `[preset]` and `[parameters]`. Paths, templates and value tables are explained at\ntheir fields.\n",
    );
    let mut seen = BTreeSet::new();
    table("A connector file", "", root, root, &mut seen, &mut out);
    if let Some(rule) = root.pointer("/$defs/FieldRule") {
        let title = "`[fields.FIELD]`, a field with more to say than a path";
        table(title, "fields.FIELD", rule, root, &mut seen, &mut out);
    }
    out
}

/// The schema behind a reference.
fn resolve<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let target = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| root.pointer(reference.strip_prefix('#')?));
    match target {
        Some(found) => found,
        // An optional value is the value or null.
        None => schema
            .get("anyOf")
            .and_then(Value::as_array)
            .filter(|forms| forms.iter().any(|form| form["type"] == "null"))
            .and_then(|forms| forms.iter().find(|form| form["type"] != "null"))
            .map_or(schema, |form| resolve(root, form)),
    }
}

fn text(schema: &Value) -> String {
    let text = schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

fn default_of(schema: &Value) -> String {
    match schema.get("default") {
        None | Some(Value::Null) => String::new(),
        Some(Value::Array(items)) if items.is_empty() => String::new(),
        Some(Value::Object(_)) => String::new(),
        Some(Value::String(text)) if text.is_empty() => String::new(),
        Some(other) => format!(" Default `{other}`."),
    }
}

/// A table of keys, and after it those of the tables in it.
fn table(
    title: &str,
    path: &str,
    schema: &Value,
    root: &Value,
    seen: &mut BTreeSet<String>,
    out: &mut String,
) {
    let Some(keys) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    if !seen.insert(title.to_owned()) {
        return;
    }
    let _ = write!(out, "\n## {title}\n\n");
    let about = text(schema);
    if !path.is_empty() && !about.is_empty() {
        let _ = write!(out, "{about}\n\n");
    }
    out.push_str("| key | meaning |\n|---|---|\n");
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut inner = Vec::new();
    for (key, value) in keys {
        if key == "kind" && value.get("const").is_some() {
            continue;
        }
        let target = resolve(root, value);
        let mut meaning = text(value);
        if meaning.is_empty() {
            meaning = text(target);
        }
        // What is said of every field says nothing of this one.
        if path.starts_with("fields") && meaning == text(&root["$defs"]["FieldSpec"]) {
            meaning.clear();
        }
        let literals = literals(root, target);
        if !literals.is_empty() {
            let _ = write!(meaning, " One of {}.", literals.join(", "));
        }
        meaning += &default_of(value);
        let need = if required.contains(&key.as_str()) {
            " (required)"
        } else {
            ""
        };
        let _ = writeln!(out, "| `{key}`{need} | {} |", meaning.trim());
        let next = if path.is_empty() {
            key.clone()
        } else {
            format!("{path}.{key}")
        };
        inner.push((next, target));
    }
    for (next, target) in inner {
        table(&format!("`[{next}]`"), &next, target, root, seen, out);
        for form in target
            .get("oneOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let form = resolve(root, form);
            if let Some(kind) = form
                .pointer("/properties/kind/const")
                .and_then(Value::as_str)
            {
                let title = format!("`[{next}]` with kind = \"{kind}\"");
                table(&title, &next, form, root, seen, out);
            }
        }
    }
}

/// The words of an enumeration with what they mean.
fn literals(root: &Value, schema: &Value) -> Vec<String> {
    let mut out: Vec<String> = schema
        .get("enum")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|word| format!("`{word}`"))
        .collect();
    for form in schema
        .get("oneOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let form = resolve(root, form);
        if let Some(word) = form.get("const").and_then(Value::as_str) {
            let about = text(form);
            let about = about.trim_end_matches('.');
            out.push(match about.is_empty() {
                true => format!("`{word}`"),
                false => format!("`{word}` ({about})"),
            });
        } else {
            out.extend(
                form.get("enum")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(|word| format!("`{word}`")),
            );
        }
    }
    out
}

/// `docs/presets/NAME.md`, in French: it is for the admin.
pub fn preset_page(name: &str, catalogue: &Catalogue) -> Option<String> {
    let file = describe(name, catalogue)?;
    let info = file.info?;
    let (_, source) = catalogue.get(name)?;
    let mut out = format!("# {}\n\n{}\n\n", info.title, info.doc);
    out.push_str(match info.evidence {
        Evidence::Payload => "Essayé sur de vraies réponses du service.\n",
        Evidence::Documented => "Écrit d'après la documentation du service ou du format.\n",
        Evidence::SecondHand => {
            "Connu de seconde main seulement : regardez l'aperçu avec attention avant de vous y fier.\n"
        }
    });
    let _ = write!(
        out,
        "\n```toml\nname = \"ma-structure\"\nmember = \"ma-structure\"\nschedule = \"*/15 * * * *\"\nuse = \"{name}\"\n\n[with]\n"
    );
    for (key, parameter) in &file.parameters {
        if parameter.required || parameter.default.is_none() || parameter.default == Some("".into())
        {
            let example = parameter.example.clone().unwrap_or_else(|| "\"…\"".into());
            let is_value = example.starts_with(['"', '[', '{']);
            let value = if is_value {
                example
            } else {
                format!("{example:?}")
            };
            let comment = if parameter.required { "" } else { "# " };
            let _ = writeln!(out, "{comment}{key} = {value}");
        }
    }
    out.push_str("```\n\n| paramètre | ce que c'est |\n|---|---|\n");
    for (key, parameter) in &file.parameters {
        let need = match (&parameter.default, parameter.required) {
            (_, true) => " (obligatoire)".to_owned(),
            (Some(Value::String(text)), _) if text.is_empty() => String::new(),
            (Some(value), _) => format!(" Par défaut `{value}`."),
            (None, false) => String::new(),
        };
        let _ = writeln!(
            out,
            "| `{key}` | {}.{need} |",
            parameter.doc.trim_end_matches('.')
        );
    }
    if let Some(connector) = preset(name, catalogue).and_then(|loaded| loaded.connector) {
        habits(&connector, &mut out);
    }
    // What the preset's author says of the service stands above it.
    let notes: Vec<&str> = source
        .lines()
        .take_while(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim())
        .collect();
    let _ = write!(out, "\nNote (in English): {}\n", notes.join(" "));
    Some(out)
}

/// How offers of the source come and go, and what is read of each.
fn habits(connector: &Connector, out: &mut String) {
    let fields: BTreeSet<Field> = connector.mapping().fields().collect();
    out.push_str("\n## Comment une offre se ferme\n\n");
    out.push_str(match connector.semantics {
        Semantics::Snapshot => {
            "- La source montre tout ce qui est ouvert : une offre absente de deux lectures complètes, à une\n  heure d'écart au moins, se ferme.\n"
        }
        Semantics::Window => {
            "- La source ne montre que les plus récentes : l'absence ne ferme rien.\n"
        }
    });
    if fields.contains(&Field::Status) {
        out.push_str(
            "- Elle dit l'état de chaque offre : une offre dite close se ferme aussitôt.\n",
        );
    }
    if fields.contains(&Field::Expires) {
        out.push_str("- Elle donne une date de fin, qui ferme l'offre à son terme.\n");
    }
    if connector.probe.is_some() {
        out.push_str(
            "- La page d'une offre qui manque est demandée : introuvable (404, 410), l'offre se ferme.\n",
        );
    }
    if connector.guards.dead_looks_empty {
        out.push_str(
            "- Un compte inconnu y répond comme un compte sans offre : une liste vide ne ferme rien.\n",
        );
    }
    if fields.contains(&Field::Visibility) {
        out.push_str(
            "- Une offre réservée au personnel reste interne : elle n'est jamais publiée.\n",
        );
    }
    if connector.source.since.is_some() {
        out.push_str(
            "- Entre deux lectures entières, seules les offres changées sont demandées.\n",
        );
    }
    out.push_str("\n## Ce qui est lu\n\n");
    let names: Vec<String> = fields
        .iter()
        .map(|field| format!("`{}`", field_name(*field)))
        .collect();
    let _ = writeln!(out, "{}.", names.join(", "));
    if connector.source.detail.is_some() {
        out.push_str("\nLa page ou la fiche de chaque offre est lue aussi.\n");
    }
    if connector.source.one.is_some() {
        out.push_str(
            "\nUn webhook qui nomme une offre (`offer` sous `[push]`) la fait relire seule.\n",
        );
    }
    if let Some(rate) = connector.source.rate {
        let _ = writeln!(out, "\nAu plus {rate} requêtes par seconde.");
    }
}

/// `docs/presets/README.md`.
pub fn preset_index(catalogue: &Catalogue) -> String {
    let mut out = String::from(
        "# Préréglages\n\nUn préréglage connaît un logiciel ou un format : il reste à dire l'adresse et la structure.\n`passerelle connectors detect ADRESSE` trouve le bon.\n\n| préréglage | source | connu par |\n|---|---|---|\n",
    );
    for name in catalogue.names() {
        let Some(info) = describe(name, catalogue).and_then(|file| file.info) else {
            continue;
        };
        let known = match info.evidence {
            Evidence::Payload => "réponses réelles",
            Evidence::Documented => "documentation",
            Evidence::SecondHand => "seconde main",
        };
        let _ = writeln!(out, "| [`{name}`]({name}.md) | {} | {known} |", info.title);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// `PASSERELLE_UPDATE_DOCS=1 cargo test --lib connector::docs` writes them anew.
    #[test]
    fn the_pages_are_what_the_presets_and_types_say() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let catalogue = Catalogue::embedded();
        let mut pages = vec![
            ("connector-reference.md".to_owned(), reference()),
            ("presets/README.md".to_owned(), preset_index(&catalogue)),
        ];
        for name in catalogue.names() {
            let page = preset_page(name, &catalogue).expect("a preset describes itself");
            pages.push((format!("presets/{name}.md"), page));
        }
        for (name, page) in pages {
            let path = root.join(&name);
            if std::env::var_os("PASSERELLE_UPDATE_DOCS").is_some() {
                std::fs::create_dir_all(root.join("presets")).expect("a folder");
                std::fs::write(&path, &page).expect("written");
            }
            let stored = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                stored == page,
                "docs/{name} has drifted: run with PASSERELLE_UPDATE_DOCS=1"
            );
        }
    }
}
