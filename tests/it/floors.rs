//! The floors of ARCHITECTURE.md: no import runs upwards, and modules of one floor make no circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Module → floor. A new top-level module must be given one.
const FLOORS: &[(&str, u8)] = &[
    ("fault", 1),
    ("model", 1),
    ("normalise", 2),
    ("dedupe", 2),
    ("store", 3),
    ("bus", 3),
    ("fetch", 3),
    ("pull", 4),
    ("stages", 4),
    ("publish", 4),
    ("admin", 4),
    ("settings", 5),
    ("telemetry", 5),
    ("demo", 5),
    ("daemon", 5),
    ("cli", 5),
];

/// What a module may use of its own floor.
const SIDEWAYS: &[(&str, &str)] = &[
    ("model", "fault"),
    // The embedded bus is the outbox of the store; a stage maps as the pull does.
    ("bus", "store"),
    ("stages", "pull"),
    ("daemon", "settings"),
    ("daemon", "telemetry"),
    ("daemon", "demo"),
    ("demo", "settings"),
    ("cli", "settings"),
    ("cli", "telemetry"),
    ("cli", "daemon"),
    ("cli", "demo"),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

/// The names after `crate::`, also those inside braces: `use crate::{model::X, store}`.
fn imports(line: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        if let Some(list) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            for c in list.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => names.push(std::mem::take(&mut name)),
                    _ if depth == 0 => name.push(c),
                    _ => {}
                }
            }
            names.push(name);
        } else {
            names.push(rest.to_owned());
        }
    }
    names
        .into_iter()
        .map(|name| {
            name.trim()
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect()
        })
        .filter(|name: &String| !name.is_empty())
        .collect()
}

#[test]
fn no_import_runs_upwards_and_none_makes_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let floors: BTreeMap<_, _> = FLOORS.iter().copied().collect();
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    let mut sideways: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let first = relative.components().next().unwrap();
        let module = Path::new(first.as_os_str())
            .file_stem()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        if module == "lib" || module == "main" {
            continue;
        }
        let Some(floor) = floors.get(module.as_str()) else {
            wrong.push(format!("src/{module} has no floor: add it to FLOORS"));
            continue;
        };
        let text = std::fs::read_to_string(&file).unwrap();
        // Tests may reach wherever they need to.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        if relative.to_string_lossy().contains("tests") {
            continue;
        }
        let joined = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join(" ");
        for used in imports(&joined) {
            if used == module {
                continue;
            }
            let Some(below) = floors.get(used.as_str()) else {
                continue;
            };
            let allowed = SIDEWAYS.contains(&(module.as_str(), used.as_str()));
            if below > floor || (below == floor && !allowed) {
                wrong.push(format!(
                    "src/{} (floor {floor}) uses crate::{used} (floor {below})",
                    relative.display()
                ));
            } else if below == floor {
                sideways.entry(module.clone()).or_default().insert(used);
            }
        }
    }
    for (module, used) in &sideways {
        for other in used {
            if sideways
                .get(other)
                .is_some_and(|back| back.contains(module))
            {
                wrong.push(format!("{module} and {other} use each other"));
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn imports_are_read_inside_braces_too() {
    assert_eq!(
        imports("use crate::{model::{A, B}, store::C, bus};"),
        ["model", "store", "bus"]
    );
    assert_eq!(imports("let x = crate::pull::run();"), ["pull"]);
}
