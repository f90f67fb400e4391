//! A value that may stand in the file, in a variable or in a file of its own; never shown.

use crate::pull::connector::reference_forms;
use crate::pull::source::{SecretError, Secrets};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// `"text"`, `{ env = "NAME" }` or `{ file = "PATH" }`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Source);

#[derive(Clone, PartialEq, Eq)]
enum Source {
    Clear(String),
    Env(String),
    File(String),
}

impl Secret {
    pub fn clear(text: impl Into<String>) -> Self {
        Self(Source::Clear(text.into()))
    }

    /// Whether it stands in the file itself.
    pub fn is_clear(&self) -> bool {
        matches!(self.0, Source::Clear(_))
    }

    /// The value, read now. A file's final line end is not part of it.
    ///
    /// # Errors
    /// The variable is not set, or the file is missing or empty.
    pub fn resolve(&self) -> Result<String, SecretError> {
        match &self.0 {
            Source::Clear(text) => Ok(text.clone()),
            Source::Env(name) => Secrets::from_process().env(name),
            Source::File(path) => Secrets::from_process().file(path),
        }
    }
}

/// `url` with its password replaced by `***`: what logs and errors may show.
pub fn redact_url(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(mut parsed) if parsed.password().is_some() => match parsed.set_password(Some("***")) {
            Ok(()) => parsed.to_string(),
            Err(()) => format!("{}://***", parsed.scheme()),
        },
        _ => url.to_owned(),
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Clear(text) => write!(f, "{:?}", redact_url(text)),
            Source::Env(name) => write!(f, "{{ env = {name:?} }}"),
            Source::File(path) => write!(f, "{{ file = {path:?} }}"),
        }
    }
}

/// What stands in the file; a value in clear is serialised as it is, for the drift test only.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        match &self.0 {
            Source::Clear(text) => serializer.serialize_str(&redact_url(text)),
            Source::Env(name) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("env", name)?;
                map.end()
            }
            Source::File(path) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry("file", path)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> de::Visitor<'de> for Form {
            type Value = Secret;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, { env = \"NAME\" } or { file = \"PATH\" }")
            }
            fn visit_str<E>(self, text: &str) -> Result<Secret, E> {
                Ok(Secret::clear(text))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
                let wrong = || {
                    de::Error::custom(
                        "a secret is a text, { env = \"NAME\" } or { file = \"PATH\" }",
                    )
                };
                let Some((key, value)) = map.next_entry::<String, String>()? else {
                    return Err(wrong());
                };
                if map.next_key::<String>()?.is_some() {
                    return Err(wrong());
                }
                match key.as_str() {
                    "env" => Ok(Secret(Source::Env(value))),
                    "file" => Ok(Secret(Source::File(value))),
                    _ => Err(wrong()),
                }
            }
        }
        deserializer.deserialize_any(Form)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A text, or where it stands: { env = \"NAME\" } or { file = \"PATH\" }.",
            "anyOf": reference_forms(&["string"]),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let secret = Secret::clear("postgres://hub:s3cret@db/passerelle");
        assert!(!format!("{secret:?}").contains("s3cret"));
        assert_eq!(
            redact_url("amqp://hub:s3cret@broker:5672/v"),
            "amqp://hub:***@broker:5672/v"
        );
    }

    #[test]
    fn a_file_gives_its_first_lines_without_the_line_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "abc\n").unwrap();
        let secret = Secret(Source::File(file.path().display().to_string()));
        assert_eq!(secret.resolve().unwrap(), "abc");
        std::fs::write(file.path(), "\n").unwrap();
        assert!(secret.resolve().is_err());
    }
}
