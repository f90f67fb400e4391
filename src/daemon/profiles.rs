//! The operator's export profiles, followed while the program runs.

use crate::publish::Profiles;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

type Texts = BTreeMap<PathBuf, String>;

/// The folder of the profiles, and what its files said last.
pub struct ProfileFiles {
    folder: PathBuf,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// As the files stand; nothing before the first look.
    texts: Option<Texts>,
    /// Of each file, the last text that is a profile.
    good: Texts,
    /// Whether there was no folder.
    unsure: bool,
}

impl ProfileFiles {
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            seen: Mutex::default(),
        }
    }

    /// The profiles, where a file is another than at the last look. A file that is wrong now leaves
    /// its profile as it was, which is logged once; one that is gone takes its profile along.
    pub fn follow(&self) -> Option<Profiles> {
        let texts = match read(&self.folder) {
            Ok(texts) => texts,
            Err(error) => {
                tracing::warn!(folder = %self.folder.display(), %error, "export profiles cannot be read");
                return None;
            }
        };
        let mut seen = self.seen.lock().unwrap_or_else(|e| e.into_inner());
        let unsure = texts.is_none();
        if unsure && !seen.good.is_empty() {
            // A disk that is not mounted takes no profile away: its files would be emptied.
            tracing::warn!(folder = %self.folder.display(), "the export profiles are gone; those that are known stay");
            return None;
        }
        let texts = texts.unwrap_or_default();
        if seen.texts.as_ref() == Some(&texts) && seen.unsure == unsure {
            return None;
        }
        let mut good = Texts::new();
        for (path, text) in &texts {
            let own = [(path.display().to_string(), text.clone())];
            match Profiles::embedded().with(own) {
                Ok(_) => {
                    good.insert(path.clone(), text.clone());
                }
                Err(error) => {
                    tracing::warn!("export profile refused, the last good one stays: {error}");
                    let last = seen.good.get(path).cloned();
                    good.extend(last.map(|text| (path.clone(), text)));
                }
            }
        }
        let files = good
            .iter()
            .map(|(path, text)| (path.display().to_string(), text.clone()));
        let profiles = Profiles::embedded().with(files);
        *seen = Seen {
            texts: Some(texts),
            good,
            unsure,
        };
        // Each was read alone a moment ago.
        let mut profiles = profiles.ok()?;
        profiles.unsure = unsure;
        Some(profiles)
    }
}

/// `None` where there is no folder.
fn read(folder: &Path) -> std::io::Result<Option<Texts>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut texts = Texts::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            let text = std::fs::read_to_string(&path)?;
            texts.insert(path, text);
        }
    }
    Ok(Some(texts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edited_profile_is_felt_and_a_wrong_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let files = ProfileFiles::new(folder.path().join("exports"));
        let own = |title: &str| {
            format!(
                "name = \"annonces\"\ntitle = {title:?}\ndocument = {{ format = \"json\", list = \"a\" }}\n\
                 fields = [{{ path = \"titre\", value = \"title\", required = true }}]\n"
            )
        };
        let title = |profiles: &Profiles| profiles.get("annonces").map(|p| p.title.clone());
        // No folder yet: only what the program brings along.
        let profiles = files.follow().unwrap();
        assert!(title(&profiles).is_none() && profiles.unsure);
        assert!(files.follow().is_none(), "nothing is another");
        std::fs::create_dir(&files.folder).unwrap();
        let path = files.folder.join("annonces.toml");
        std::fs::write(&path, own("Un")).unwrap();
        assert_eq!(title(&files.follow().unwrap()).unwrap(), "Un");
        std::fs::write(&path, own("Deux").replace("fields", "felds")).unwrap();
        let other = files.folder.join("linkedin.toml");
        std::fs::write(&other, own("Trois").replace("annonces", "autre")).unwrap();
        let profiles = files.follow().unwrap();
        assert_eq!(title(&profiles).unwrap(), "Un", "the last good one");
        assert!(profiles.get("autre").is_some(), "the others go on");
        assert!(files.follow().is_none());
        std::fs::write(&path, own("Deux")).unwrap();
        let profiles = files.follow().unwrap();
        assert_eq!(title(&profiles).unwrap(), "Deux");
        assert!(!profiles.unsure);
        // A folder that is gone takes none along; a file that is gone does.
        let away = folder.path().join("away");
        std::fs::rename(&files.folder, &away).unwrap();
        assert!(files.follow().is_none());
        std::fs::rename(&away, &files.folder).unwrap();
        assert!(files.follow().is_none());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(title(&files.follow().unwrap()), None);
    }
}
