//! Secrets by reference: a connector names an environment variable or a file, never the value.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Where `{ env = … }` and `{ file = … }` are looked up.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Values that stand in for the environment: tests and the demo.
    fixed: Option<Arc<BTreeMap<String, String>>>,
}

/// A secret that a connector names and that is not there.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    #[error("environment variable {name} is not set: set it for this process")]
    Env { name: String },
    #[error("the secret file {path} cannot be read: create it, readable by this process only")]
    File {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the secret file {path} is empty: write the secret into it")]
    Empty { path: String },
}

impl Secrets {
    /// The process environment and the file system.
    pub fn from_process() -> Self {
        Self::default()
    }

    /// Fixed values in place of the environment.
    pub fn fixed<K: Into<String>, V: Into<String>>(
        values: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        Self {
            fixed: Some(Arc::new(
                values
                    .into_iter()
                    .map(|(k, v)| (k.into(), v.into()))
                    .collect(),
            )),
        }
    }

    /// The value of environment variable `name`.
    ///
    /// # Errors
    /// It is not set, or is empty.
    pub fn env(&self, name: &str) -> Result<String, SecretError> {
        let found = match &self.fixed {
            Some(values) => values.get(name).cloned(),
            None => std::env::var(name).ok(),
        };
        found
            .filter(|value| !value.is_empty())
            .ok_or_else(|| SecretError::Env {
                name: name.to_owned(),
            })
    }

    /// The content of `path` without the line end at its end.
    ///
    /// # Errors
    /// It cannot be read, or is empty.
    pub fn file(&self, path: &str) -> Result<String, SecretError> {
        let text = std::fs::read_to_string(path).map_err(|source| SecretError::File {
            path: path.to_owned(),
            source,
        })?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(SecretError::Empty {
                path: path.to_owned(),
            });
        }
        Ok(text.to_owned())
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(…)")
    }
}
