//! What is wrong with a connector file, and where.

use crate::pull::said::Said;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Legal but risky.
    Warning,
    /// The connector cannot run.
    Error,
}

/// One problem of a connector file.
/// As JSON its words stand as `message` and `message_en`, `remedy` and `remedy_en`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
    pub level: Level,
    /// The file, or `preset NAME`.
    pub file: String,
    /// Line of the key, from 1; absent when the key is missing altogether.
    pub line: Option<usize>,
    /// The key with its tables: `source.paging.kind`. Empty for the whole file.
    pub key: String,
    /// What is wrong, and what was expected.
    pub message: Said,
    /// What to do.
    pub remedy: Said,
}

impl FileProblem {
    /// `FILE:LINE: `
    fn place(&self) -> String {
        match self.line {
            Some(line) => format!("{}:{line}: ", self.file),
            None => format!("{}: ", self.file),
        }
    }

    /// One line in English, for logs and operators.
    pub fn english(&self) -> String {
        let level = match self.level {
            Level::Warning => "warning: ",
            Level::Error => "error: ",
        };
        let key = match self.key.as_str() {
            "" => String::new(),
            key => format!("{key}: "),
        };
        let (place, message) = (self.place(), &self.message.en);
        format!("{place}{level}{key}{message}{}", bracketed(&self.remedy.en))
    }
}

fn bracketed(remedy: &str) -> String {
    match remedy {
        "" => String::new(),
        remedy => format!(" ({remedy})"),
    }
}

/// In French, and under it in English.
impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Warning => "avertissement",
            Level::Error => "erreur",
        };
        write!(f, "{}{level} : ", self.place())?;
        if !self.key.is_empty() {
            write!(f, "{} : ", self.key)?;
        }
        let (message, remedy) = (&self.message, &self.remedy);
        writeln!(f, "{}{}", message.fr, bracketed(&remedy.fr))?;
        write!(f, "  {}{}", message.en, bracketed(&remedy.en))
    }
}

impl Serialize for FileProblem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("level", &self.level)?;
        map.serialize_entry("file", &self.file)?;
        if let Some(line) = self.line {
            map.serialize_entry("line", &line)?;
        }
        for (name, text) in [
            ("key", &self.key),
            ("message", &self.message.fr),
            ("message_en", &self.message.en),
            ("remedy", &self.remedy.fr),
            ("remedy_en", &self.remedy.en),
        ] {
            map.serialize_entry(name, text)?;
        }
        map.end()
    }
}
