//! The operator's folders, as the settings name them.

use crate::pull::connector::{Catalogue, FileProblem, Level};
use crate::pull::network::NetworkFiles;
use crate::settings::Settings;

pub type Files = NetworkFiles;

/// Reads the folders; `before` gives the last good form of files that are refused now.
pub fn load(settings: &Settings, before: &Files) -> Files {
    let (catalogue, problem) = match catalogue(settings) {
        Ok(catalogue) => (catalogue, None),
        Err(problem) => (Catalogue::embedded(), Some(problem)),
    };
    let mut files = before.reload(&settings.paths.connectors, &settings.members(), &catalogue);
    files.problems.extend(problem.map(|problem| *problem));
    files
}

/// Built-in presets, and the operator's over them.
///
/// # Errors
/// The operator's folder cannot be read.
pub fn catalogue(settings: &Settings) -> Result<Catalogue, Box<FileProblem>> {
    let Some(folder) = &settings.paths.catalogue else {
        return Ok(Catalogue::embedded());
    };
    Catalogue::with_folder(folder).map_err(|error| {
        Box::new(FileProblem {
            level: Level::Error,
            file: folder.display().to_string(),
            line: None,
            key: String::new(),
            message: {
                let why = crate::telemetry::chain(&error);
                let french = format!("le dossier des préréglages ne peut pas être lu : {why}");
                (french, why).into()
            },
            remedy: ("vérifiez paths.catalogue", "check paths.catalogue").into(),
        })
    })
}

/// Problems for which a file was refused.
pub fn errors(files: &Files) -> impl Iterator<Item = &FileProblem> {
    files.problems.iter().filter(|p| p.level == Level::Error)
}
