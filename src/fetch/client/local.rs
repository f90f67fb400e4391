//! Local files behind the same door: a path, a `file:` URL, the newest of a pattern.

use super::Fetcher;
use crate::fetch::body::{Body, BodyReader};
use crate::fetch::{FetchError, Request};
use std::io;
use std::path::PathBuf;
use std::time::SystemTime;
use url::Url;

impl Fetcher {
    /// The path of a `file:` URL, or of something that is no URL at all.
    pub(super) fn local_path(&self, url: &str) -> Option<PathBuf> {
        let path = if let Some(rest) = url.strip_prefix("file:") {
            match Url::parse(url).ok().and_then(|url| url.to_file_path().ok()) {
                Some(path) if rest.starts_with("//") || rest.starts_with('/') => path,
                _ => PathBuf::from(rest),
            }
        } else if url.contains("://") {
            return None;
        } else {
            PathBuf::from(url)
        };
        Some(match &self.inner.settings.base_folder {
            Some(base) if path.is_relative() => base.join(path),
            _ => path,
        })
    }

    pub(super) async fn open_file(
        &self,
        path: PathBuf,
        request: &Request,
    ) -> Result<Body, FetchError> {
        let limits = request.limits.unwrap_or_default();
        let shown = path.display().to_string();
        let refuse = |source: io::Error| FetchError::File {
            path: shown.clone(),
            source,
        };
        if path.as_os_str() == "-" {
            return Ok(Body {
                status: 200,
                headers: Vec::new(),
                url: "standard input".to_owned(),
                reader: BodyReader::from_reader(io::stdin(), limits),
            });
        }
        let path = newest(path, request.last_written).map_err(refuse)?;
        let shown = path.display().to_string();
        let file = tokio::fs::File::open(&path).await.map_err(refuse)?;
        let meta = file.metadata().await.map_err(refuse)?;
        if meta.is_dir() {
            return Err(refuse(io::Error::from(io::ErrorKind::IsADirectory)));
        }
        Ok(Body {
            status: 200,
            headers: vec![("content-length".to_owned(), meta.len().to_string())],
            url: shown.clone(),
            reader: BodyReader::from_reader(file.into_std().await, limits),
        })
    }
}

/// Of the files that a pattern with `*` in its file name matches, the last by name, or the one that
/// was written last; a path without one is itself. The file of the day may not be there yet: then
/// yesterday's is the last.
fn newest(path: PathBuf, last_written: bool) -> io::Result<PathBuf> {
    let pattern = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    if !pattern.contains('*') {
        return Ok(path);
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
    let mut files: Vec<(Option<SystemTime>, String)> = Vec::new();
    for entry in std::fs::read_dir(folder.unwrap_or_else(|| std::path::Path::new(".")))? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let written = match last_written {
            true => Some(entry.metadata()?.modified()?),
            false => None,
        };
        files.push((written, name));
    }
    last_of(files, pattern)
        .map(|name| path.with_file_name(name))
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no file matches the pattern"))
}

/// Whether the file name at the end of `path` stands for several.
pub(super) fn is_pattern(path: &str) -> bool {
    path.rsplit('/')
        .next()
        .is_some_and(|name| name.contains('*'))
}

/// The last of the files that `pattern` matches, by when it was written where that is told, and by
/// its name.
pub(super) fn last_of<W: Ord>(
    files: impl IntoIterator<Item = (W, String)>,
    pattern: &str,
) -> Option<String> {
    files
        .into_iter()
        .filter(|(_, name)| matches_pattern(name, pattern))
        .max()
        .map(|(_, name)| name)
}

/// Whether `name` has the parts of `pattern` between its stars, in order.
fn matches_pattern(name: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    for (index, part) in parts.iter().enumerate() {
        if index + 1 == parts.len() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_the_last_file() {
        for (name, pattern, expected) in [
            ("offres-2026-11-02.csv", "offres-*.csv", true),
            ("offres-2026-11-02.csv.tmp", "offres-*.csv", false),
            ("offres.csv", "offres*.csv", true),
            ("a", "*", true),
            ("abc", "a*b*c", true),
            ("ac", "a*b*c", false),
        ] {
            assert_eq!(matches_pattern(name, pattern), expected, "{name} {pattern}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        for day in ["01", "03", "02"] {
            std::fs::write(folder.path().join(format!("offres-{day}.csv")), day).expect("written");
        }
        let pattern = folder.path().join("offres-*.csv");
        let found = newest(pattern.clone(), false).expect("a file");
        assert!(found.ends_with("offres-03.csv"));
        let older = std::fs::File::open(folder.path().join("offres-03.csv")).expect("a file");
        older.set_modified(SystemTime::UNIX_EPOCH).expect("set");
        let found = newest(pattern, true).expect("a file");
        assert!(!found.ends_with("offres-03.csv"), "{}", found.display());
        assert!(newest(folder.path().join("autres-*.csv"), true).is_err());
    }
}
