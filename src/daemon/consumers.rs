//! Consumer files: who reads the API with a key, what of it, and how often.

use crate::publish::{Consumer, Consumers, Quota};
use crate::settings::Secret;
use anyhow::{Context as _, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

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

/// The folder of the consumer files, and what they said last.
pub struct ConsumerFiles {
    folder: PathBuf,
    consumers: Consumers,
    /// By file.
    known: Mutex<BTreeMap<PathBuf, Arc<Consumer>>>,
    /// The faults that the log has been told of.
    told: Mutex<String>,
}

impl ConsumerFiles {
    /// Every consumer of `folder`; none where there is no such folder.
    ///
    /// # Errors
    /// Everything that is wrong with the files, each with its name.
    pub fn load(folder: &Path) -> anyhow::Result<Self> {
        let files = Self {
            folder: folder.to_owned(),
            consumers: Consumers::default(),
            known: Mutex::default(),
            told: Mutex::default(),
        };
        files.reload()?;
        Ok(files)
    }

    /// What the routes look at; it follows the files.
    pub fn consumers(&self) -> Consumers {
        self.consumers.clone()
    }

    /// As [`ConsumerFiles::reload`]; what is wrong is logged, once.
    pub fn follow(&self) {
        let faults = match self.reload() {
            Ok(()) => String::new(),
            Err(error) => format!("{error:#}"),
        };
        let mut told = self.told.lock().unwrap_or_else(|e| e.into_inner());
        if *told != faults && !faults.is_empty() {
            tracing::warn!("consumers: {faults}");
        }
        *told = faults;
    }

    /// Reads the files again. A file that is wrong now leaves its consumer as it was; the key of a
    /// file that is gone is worth nothing any more.
    ///
    /// # Errors
    /// Everything that is wrong with the files, each with its name.
    pub fn reload(&self) -> anyhow::Result<()> {
        let mut known = self.known.lock().unwrap_or_else(|e| e.into_inner());
        let mut now: BTreeMap<PathBuf, Arc<Consumer>> = BTreeMap::new();
        let mut faults = Vec::new();
        for path in self.paths()? {
            let consumer = read(&path).and_then(|consumer| {
                for (other, own) in &now {
                    ensure!(
                        own.id != consumer.id,
                        "{} has the id {:?} too: give each its own",
                        other.display(),
                        own.id
                    );
                    ensure!(
                        !own.has_key_of(&consumer),
                        "{} has the same key: give each its own",
                        other.display()
                    );
                }
                Ok(Arc::new(consumer))
            });
            let consumer = match consumer {
                Ok(consumer) => Some(consumer),
                Err(error) => {
                    faults.push(format!("{}: {error:#}", path.display()));
                    known.get(&path).cloned()
                }
            };
            now.extend(consumer.map(|consumer| (path, consumer)));
        }
        if self.consumers.replace(now.values().cloned().collect()) {
            tracing::info!(consumers = now.len(), "consumers are read");
        }
        *known = now;
        ensure!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(())
    }

    fn paths(&self) -> anyhow::Result<Vec<PathBuf>> {
        let folder = &self.folder;
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("{} cannot be read", folder.display()));
            }
        };
        let mut paths = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<std::io::Result<Vec<_>>>()?;
        paths.retain(|path| path.extension().is_some_and(|e| e == "toml"));
        paths.sort();
        Ok(paths)
    }
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
        let load = |folder: &Path| ConsumerFiles::load(folder).map(|_| ());
        assert!(load(&folder.path().join("nowhere")).is_ok());
        let key = folder.path().join("key");
        std::fs::write(&key, "0123456789abcdef\n").unwrap();
        let other = folder.path().join("other");
        std::fs::write(&other, "fedcba9876543210\n").unwrap();
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
        write("e.toml", &format!("id = \"cpts\"\n{}", by(&other)));
        write("f.toml", &format!("id = \"f\"\n{}", by(&other)));
        let text = load(folder.path()).unwrap_err().to_string();
        for (file, says) in [
            ("a.toml", "stands elsewhere"),
            ("b.toml", "easily guessed"),
            ("c.toml", "famly"),
            ("d.toml", "at least 1"),
            ("good.toml", "e.toml has the id"),
            ("f.toml", "e.toml has the same key"),
        ] {
            assert!(
                text.lines()
                    .any(|line| line.contains(file) && line.contains(says)),
                "{file}: {text}"
            );
        }
        assert!(!text.contains("in-clear-in-the-file"));
    }
    #[test]
    fn files_are_followed_and_a_wrong_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, key: &str, filter: &str| {
            let secret = folder.path().join(format!("{name}.key"));
            std::fs::write(&secret, key).unwrap();
            let secret = secret.display().to_string();
            let text =
                format!("id = {name:?}\nkey = {{ file = {secret:?} }}\nfilter = {filter:?}\n");
            std::fs::write(folder.path().join(format!("{name}.toml")), text).unwrap();
        };
        write("a", "the-key-of-a-is-long", "department=70");
        let files = ConsumerFiles::load(folder.path()).unwrap();
        let seen = files.consumers();
        let part = |key: &str| seen.with_key(key).map(|consumer| consumer.part());
        let before = part("the-key-of-a-is-long").unwrap();
        write("b", "the-key-of-b-is-long", "");
        files.reload().unwrap();
        assert!(part("the-key-of-b-is-long").is_some());

        // What is wrong stays as it was, and nothing else waits for it.
        write("a", "the-key-of-a-is-long", "departement=70");
        std::fs::remove_file(folder.path().join("b.toml")).unwrap();
        let error = files.reload().unwrap_err().to_string();
        assert!(
            error.contains("a.toml") && error.contains("departement"),
            "{error}"
        );
        assert_eq!(part("the-key-of-a-is-long"), Some(before));
        assert!(part("the-key-of-b-is-long").is_none());

        write("a", "another-key-of-a-now", "department=25");
        files.reload().unwrap();
        assert!(part("the-key-of-a-is-long").is_none());
        assert_ne!(part("another-key-of-a-now").unwrap(), before);
    }
}
