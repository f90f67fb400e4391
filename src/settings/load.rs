//! Finding, reading and checking the settings: all problems at once, each with its key.

use super::{Settings, validate};
use config::{Config, ConfigError, Environment, File, FileFormat, Value, ValueKind};
use std::fmt;
use std::path::{Path, PathBuf};

/// The annotated example, which says the defaults.
pub const EXAMPLE: &str = include_str!("../../deploy/passerelle.toml");

/// Where the settings are looked for without `--config`.
const PLACES: [&str; 2] = ["passerelle.toml", "/etc/passerelle/passerelle.toml"];

/// Keys whose value is a path, relative to the file that says it.
const PATH_KEYS: [(&str, &str); 7] = [
    ("paths", "connectors"),
    ("paths", "members"),
    ("paths", "catalogue"),
    ("paths", "exports"),
    ("paths", "consumers"),
    ("paths", "data"),
    ("territory", "logo"),
];

/// Settings, and the file that they came from, if any.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    pub settings: Settings,
    pub file: Option<PathBuf>,
    /// Legal, but probably not meant.
    pub warnings: Vec<SettingsProblem>,
}

/// One thing wrong with the settings: the key, what is wrong, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsProblem {
    /// `section.key`; empty when the file as a whole cannot be read.
    pub key: String,
    pub message: String,
}

impl SettingsProblem {
    pub fn new(key: impl Into<String>, message: impl fmt::Display) -> Self {
        Self {
            key: key.into(),
            message: message.to_string(),
        }
    }
}

impl fmt::Display for SettingsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.key, self.message)
        }
    }
}

impl std::error::Error for SettingsProblem {}

/// Everything that is wrong with the settings.
#[derive(Debug)]
pub struct SettingsError {
    pub file: Option<PathBuf>,
    pub problems: Vec<SettingsProblem>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "the settings in {} are wrong:", file.display())?,
            None => f.write_str("the settings are wrong:")?,
        }
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}

/// The settings of `file`, else of the first of the usual places, else the defaults; the
/// environment goes over them.
///
/// # Errors
/// All problems at once: a file that cannot be read, unknown keys, values of another type, values
/// that contradict each other.
pub fn load(file: Option<&Path>) -> Result<Loaded, SettingsError> {
    let file = file.map(Path::to_owned).or_else(|| {
        PLACES
            .iter()
            .map(PathBuf::from)
            .find(|place| place.is_file())
    });
    let text = match &file {
        None => String::new(),
        Some(path) => std::fs::read_to_string(path).map_err(|error| SettingsError {
            file: Some(path.clone()),
            problems: vec![SettingsProblem::new(
                "",
                format!("it cannot be read: {error}"),
            )],
        })?,
    };
    let environment = Environment::with_prefix("PASSERELLE")
        .prefix_separator("__")
        .separator("__");
    from_parts(&text, file, environment)
}

fn from_parts(
    text: &str,
    file: Option<PathBuf>,
    environment: Environment,
) -> Result<Loaded, SettingsError> {
    let fail = |error: ConfigError| SettingsError {
        file: file.clone(),
        problems: vec![SettingsProblem::new("", error)],
    };
    // The default folders are the file's neighbours too.
    let paths = Settings::default().paths;
    let mut of_file = Config::builder()
        .set_default(
            "paths.connectors",
            paths.connectors.to_string_lossy().as_ref(),
        )
        .and_then(|builder| {
            builder.set_default("paths.data", paths.data.to_string_lossy().as_ref())
        })
        .map_err(fail)?
        .add_source(File::from_str(text, FileFormat::Toml))
        .build()
        .map_err(fail)?;
    if let Some(folder) = file.as_deref().and_then(Path::parent) {
        anchor(&mut of_file.cache, folder);
    }
    let merged = Config::builder()
        .add_source(of_file)
        .add_source(environment)
        .build()
        .map_err(fail)?;
    let (settings, mut problems) = read(merged.cache);
    let mut warnings = Vec::new();
    validate::check(&settings, &mut problems, &mut warnings);
    problems.sort_by(|a, b| a.key.cmp(&b.key));
    if problems.is_empty() {
        Ok(Loaded {
            settings,
            file,
            warnings,
        })
    } else {
        Err(SettingsError { file, problems })
    }
}

/// Makes relative paths absolute from `folder`, the settings file's.
fn anchor(root: &mut Value, folder: &Path) {
    if folder.as_os_str().is_empty() {
        return;
    }
    let join = |text: &str| folder.join(text).to_string_lossy().into_owned();
    let ValueKind::Table(sections) = &mut root.kind else {
        return;
    };
    for (section, key) in PATH_KEYS {
        if let Some(ValueKind::Table(keys)) = sections.get_mut(section).map(|s| &mut s.kind)
            && let Some(ValueKind::String(path)) = keys.get_mut(key).map(|v| &mut v.kind)
        {
            *path = join(path);
        }
    }
    for section in sections.values_mut() {
        let ValueKind::Table(keys) = &mut section.kind else {
            continue;
        };
        for value in keys.values_mut() {
            match &mut value.kind {
                // `{ file = "PATH" }` of a secret.
                ValueKind::Table(form) => {
                    if let Some(ValueKind::String(path)) = form.get_mut("file").map(|v| &mut v.kind)
                    {
                        *path = join(path);
                    }
                }
                ValueKind::String(url) => {
                    if let Some(path) = url.strip_prefix("sqlite:") {
                        *url = format!("sqlite:{}", join(path.strip_prefix("//").unwrap_or(path)));
                    }
                }
                _ => {}
            }
        }
    }
}

/// Reads the tree; whatever is wrong is noted, taken out, and the rest is read again, so that one
/// wrong key does not hide the next.
fn read(mut tree: Value) -> (Settings, Vec<SettingsProblem>) {
    let mut problems = Vec::new();
    loop {
        let error = match serde_path_to_error::deserialize::<_, Settings>(tree.clone()) {
            Ok(settings) => return (settings, problems),
            Err(error) => error,
        };
        let path: Vec<String> = error
            .path()
            .iter()
            .map(|segment| segment.to_string())
            .collect();
        let message = plain(error.inner());
        let (key, removed) = remove(&mut tree, &path, &message);
        problems.push(SettingsProblem::new(
            key,
            message.replacen("unknown field", "unknown key", 1),
        ));
        if !removed {
            return (Settings::default(), problems);
        }
    }
}

/// The error without the key and origin that `config` adds.
fn plain(error: &ConfigError) -> String {
    match error {
        ConfigError::At { error, .. } => plain(error),
        ConfigError::Type {
            unexpected,
            expected,
            ..
        } => format!("{unexpected} stands where {expected} is expected"),
        other => other.to_string(),
    }
}

/// Takes the offending entry out of `tree`; gives its key, and whether there was one to take out.
fn remove(tree: &mut Value, path: &[String], message: &str) -> (String, bool) {
    let mut path = path.to_vec();
    // Where the reader stops at the table itself, the message names the unknown key.
    let unknown = message
        .strip_prefix("unknown field `")
        .and_then(|rest| rest.split('`').next());
    if let Some(unknown) = unknown
        && path.last().is_none_or(|last| last != unknown)
    {
        path.push(unknown.to_owned());
    }
    let key = path.join(".");
    let mut node = tree;
    let Some((last, parents)) = path.split_last() else {
        return (key, false);
    };
    for (depth, segment) in parents.iter().enumerate() {
        let ValueKind::Table(table) = &mut node.kind else {
            return (key, false);
        };
        // Inside a list, the whole list goes.
        let whole = !matches!(
            table.get(segment).map(|value| &value.kind),
            Some(ValueKind::Table(_))
        );
        if whole {
            let removed = table.remove(segment).is_some();
            return (path[..=depth].join("."), removed);
        }
        match table.get_mut(segment) {
            Some(next) => node = next,
            None => return (key, false),
        }
    }
    let ValueKind::Table(table) = &mut node.kind else {
        return (key, false);
    };
    let removed = table.remove(last).is_some();
    (key, removed)
}

#[cfg(test)]
mod tests;
