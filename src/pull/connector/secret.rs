//! Texts that may hold secrets by reference.

use crate::pull::source::{SecretError, Secrets};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::fmt;

/// A text in which `${env:NAME}` and `${file:PATH}` stand for secrets. In a file it is a string,
/// or `{ env = "NAME" }`, or `{ file = "PATH" }`.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(String);

#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    Plain(String),
    Reference(Reference),
    Number(serde_json::Number),
    Flag(bool),
}

/// A secret by reference.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Reference {
    Env(String),
    File(String),
}

impl Text {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As the file has it, secrets as their references: fit to be shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the text holds a reference.
    pub fn has_secret(&self) -> bool {
        self.0.contains("${env:") || self.0.contains("${file:")
    }

    /// The references in the text, as (kind, name).
    pub fn references(&self) -> Vec<(&str, &str)> {
        let mut out = Vec::new();
        let mut rest = self.0.as_str();
        while let Some((_, after)) = rest.split_once("${") {
            let Some((inside, tail)) = after.split_once('}') else {
                break;
            };
            if let Some((kind, name)) = inside.split_once(':') {
                out.push((kind, name));
            }
            rest = tail;
        }
        out
    }

    /// The text with its secrets in place. Never logged, never stored.
    ///
    /// # Errors
    /// A secret that is not there.
    pub fn resolve(&self, secrets: &Secrets) -> Result<String, SecretError> {
        let mut out = String::with_capacity(self.0.len());
        let mut rest = self.0.as_str();
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let Some((inside, tail)) = after.split_once('}') else {
                out.push_str("${");
                rest = after;
                continue;
            };
            match inside.split_once(':') {
                Some(("env", name)) => out.push_str(&secrets.env(name)?),
                Some(("file", path)) => out.push_str(&secrets.file(path)?),
                _ => {
                    out.push_str("${");
                    out.push_str(inside);
                    out.push('}');
                }
            }
            rest = tail;
        }
        out.push_str(rest);
        Ok(out)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Form::deserialize(deserializer)? {
            Form::Plain(text) => text,
            Form::Reference(Reference::Env(name)) => format!("${{env:{name}}}"),
            Form::Reference(Reference::File(path)) => format!("${{file:{path}}}"),
            Form::Number(number) => number.to_string(),
            Form::Flag(flag) => flag.to_string(),
        }))
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text; a secret by reference as { env = \"NAME\" } or { file = \"PATH\" }, or within the text as ${env:NAME} or ${file:PATH}.",
            "anyOf": reference_forms(&["string", "number", "boolean"]),
        })
    }
}

/// The schemas of a value that stands there plainly, or by reference.
pub fn reference_forms(plain: &[&str]) -> Vec<Value> {
    let plain = match plain {
        [one] => json!(one),
        many => json!(many),
    };
    let reference = |key: &str| {
        json!({
            "type": "object",
            "properties": { key: { "type": "string" } },
            "required": [key],
            "additionalProperties": false
        })
    };
    vec![
        json!({ "type": plain }),
        reference("env"),
        reference("file"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_put_in_place_and_never_shown() {
        let secrets = Secrets::fixed([("KEY", "s3cret")]);
        let text: Text = serde_json::from_str(r#"{"env":"KEY"}"#).expect("a reference");
        assert_eq!(text.resolve(&secrets).expect("there"), "s3cret");
        assert_eq!(text.as_str(), "${env:KEY}");
        let url = Text::new("https://x.example/feed/${env:KEY}/json");
        assert_eq!(
            url.resolve(&secrets).expect("there"),
            "https://x.example/feed/s3cret/json"
        );
        assert_eq!(url.references(), vec![("env", "KEY")]);
        assert!(Text::new("${env:NONE}").resolve(&secrets).is_err());
        assert_eq!(Text::new("${").resolve(&secrets).expect("text"), "${");
    }
}
