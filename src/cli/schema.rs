//! `schema NAME`: the JSON Schemas of files and records, generated from the types.

use super::{Exit, out};
use crate::model;
use crate::pull::connector::file::ConnectorFile;
use crate::settings::Settings;
use clap::ValueEnum;
use schemars::{Schema, generate::SchemaSettings};

#[derive(Debug, clap::Args)]
pub struct Args {
    name: Name,
}

/// What there is a schema of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    Connector,
    Member,
    Settings,
    Posting,
    Vacancy,
    Event,
    /// AsyncAPI 3.1 of what other programs may read from the broker
    Asyncapi,
}

impl Name {
    /// Its file in `schemas/`.
    #[cfg(test)]
    fn file(self) -> String {
        let value = self.to_possible_value();
        let name = value.as_ref().map_or("", |v| v.get_name());
        match self {
            Self::Asyncapi => format!("{name}.json"),
            _ => format!("{name}.schema.json"),
        }
    }
}

pub fn run(args: &Args) -> anyhow::Result<Exit> {
    out::line(text(args.name)?.trim_end())?;
    Ok(Exit::Done)
}

/// The schema as it stands in `schemas/`.
///
/// # Errors
/// Never in practice: a schema is always JSON.
pub fn text(name: Name) -> serde_json::Result<String> {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    if name == Name::Asyncapi {
        let mut text = serde_json::to_string_pretty(&super::asyncapi::document())?;
        text.push('\n');
        return Ok(text);
    }
    let (mut schema, title): (Schema, &str) = match name {
        Name::Connector => (
            generator.root_schema_for::<ConnectorFile>(),
            "A connector file or preset",
        ),
        Name::Member => (
            generator.root_schema_for::<model::Member>(),
            "A member file",
        ),
        Name::Settings => (
            generator.root_schema_for::<Settings>(),
            "The settings, passerelle.toml",
        ),
        Name::Posting => (
            generator.root_schema_for::<model::Posting>(),
            "A normalised posting",
        ),
        Name::Vacancy => (
            generator.root_schema_for::<model::Vacancy>(),
            "A public vacancy",
        ),
        Name::Event => (
            generator.root_schema_for::<model::Event>(),
            "An internal event",
        ),
        Name::Asyncapi => unreachable!("answered above"),
    };
    schema.insert("title".into(), title.into());
    let mut text = serde_json::to_string_pretty(&schema)?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// `PASSERELLE_UPDATE_SCHEMAS=1 cargo test --lib cli::schema` writes them anew.
    #[test]
    fn the_files_in_schemas_are_what_the_types_say() {
        for name in Name::value_variants() {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("schemas")
                .join(name.file());
            let fresh = text(*name).unwrap();
            if std::env::var_os("PASSERELLE_UPDATE_SCHEMAS").is_some() {
                std::fs::write(&path, &fresh).unwrap();
            }
            let stored = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                stored == fresh,
                "{} has drifted from its type: run with PASSERELLE_UPDATE_SCHEMAS=1",
                path.display()
            );
        }
    }
}
