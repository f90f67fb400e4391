//! Consumer files: who reads the API with a key, what of it, and how often.

use crate::publish::{Consumer, Consumers, Quota};
use crate::settings::Secret;
use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;

/// `consumers/ID.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: String,
    /// For people alone.
    #[serde(default, rename = "name")]
    _name: Option<String>,
    /// `{ env = "NAME" }` or `{ file = "PATH" }`, never in clear.
    key: Secret,
    /// A filter as the API takes it.
    #[serde(default)]
    filter: String,
    /// Requests in one window; without it, as many as it likes.
    #[serde(default)]
    requests: Option<u32>,
    #[serde(default = "minute")]
    window_seconds: u32,
}

fn minute() -> u32 {
    60
}

/// Characters of a key, at least.
const LEAST: usize = 16;

/// Every consumer of `folder`; none where there is no such folder.
///
/// # Errors
/// Everything that is wrong with the files, each with its name.
pub fn load(folder: &Path) -> anyhow::Result<Consumers> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(Consumers::default());
        }
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be read", folder.display()));
        }
    };
    let mut paths = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    paths.sort();
    let mut consumers = Vec::new();
    let mut ids = BTreeSet::new();
    let mut faults = Vec::new();
    for path in paths {
        match read(&path) {
            Ok(consumer) if !ids.insert(consumer.id.clone()) => {
                faults.push(format!(
                    "{}: another file has the id {:?}: give each its own",
                    path.display(),
                    consumer.id
                ));
            }
            Ok(consumer) => consumers.push(consumer),
            Err(error) => faults.push(format!("{}: {error:#}", path.display())),
        }
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    Ok(Consumers::new(consumers))
}

fn read(path: &Path) -> anyhow::Result<Consumer> {
    let text = std::fs::read_to_string(path)?;
    let file: File = toml::from_str(&text)?;
    ensure!(
        !file.key.is_clear(),
        "key: a key stands elsewhere: write {{ env = \"NAME\" }} or {{ file = \"PATH\" }}"
    );
    let key = file.key.resolve().context("key")?;
    ensure!(
        key.trim().len() >= LEAST,
        "key: it is too easily guessed: use at least {LEAST} characters, such as `openssl rand -hex 24` gives"
    );
    let quota = match file.requests {
        None => None,
        Some(requests) => {
            ensure!(
                requests > 0 && (1..=86_400).contains(&file.window_seconds),
                "requests: write at least 1, in a window_seconds of 1 to 86400"
            );
            Some(Quota {
                requests,
                seconds: file.window_seconds,
            })
        }
    };
    Consumer::new(&file.id, &key, quota, &file.filter)
        .map_err(|fault| anyhow::anyhow!("filter: {fault}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_together_with_their_remedies() {
        let folder = tempfile::tempdir().unwrap();
        assert!(load(&folder.path().join("nowhere")).is_ok());
        let key = folder.path().join("key");
        std::fs::write(&key, "0123456789abcdef\n").unwrap();
        let short = folder.path().join("short");
        std::fs::write(&short, "abc\n").unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        let by = |path: &Path| format!("key = {{ file = {:?} }}\n", path.display().to_string());
        write(
            "good.toml",
            &format!(
                "id = \"cpts\"\n{}filter = \"department=70&family=nursing\"\nrequests = 600\n",
                by(&key)
            ),
        );
        assert!(load(folder.path()).is_ok());
        write("a.toml", "id = \"a\"\nkey = \"in-clear-in-the-file\"\n");
        write("b.toml", &format!("id = \"b\"\n{}", by(&short)));
        write(
            "c.toml",
            &format!("id = \"c\"\n{}filter = \"famly=nursing\"\n", by(&key)),
        );
        write("d.toml", &format!("id = \"d\"\n{}requests = 0\n", by(&key)));
        write("e.toml", &format!("id = \"cpts\"\n{}", by(&key)));
        let text = load(folder.path()).unwrap_err().to_string();
        for (file, says) in [
            ("a.toml", "stands elsewhere"),
            ("b.toml", "easily guessed"),
            ("c.toml", "famly"),
            ("d.toml", "at least 1"),
            ("good.toml", "another file"),
        ] {
            assert!(
                text.lines()
                    .any(|line| line.contains(file) && line.contains(says)),
                "{file}: {text}"
            );
        }
        assert!(!text.contains("in-clear-in-the-file"));
    }
}
