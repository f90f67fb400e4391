//! Agencies and boards: they stand between, and are never the employer.

use super::super::fold::key;
use super::super::tables;
use std::sync::LazyLock;

#[derive(serde::Deserialize)]
struct Row {
    name: String,
}

/// Known names, folded.
static INTERMEDIARIES: LazyLock<Vec<String>> = LazyLock::new(|| {
    tables::rows::<Row>(include_bytes!("../data/intermediaries.csv"))
        .into_iter()
        .map(|row| row.name)
        .collect()
});

/// Whether a name is an agency's or a board's, or says so itself.
pub fn is_intermediary(name: &str) -> bool {
    let folded = key(name);
    INTERMEDIARIES.iter().any(|known| {
        folded
            .strip_prefix(known.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    }) || folded
        .split(' ')
        .any(|word| matches!(word, "interim" | "interimaire" | "interimaires" | "ett"))
        || folded.contains("travail temporaire")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_table_is_folded() {
        assert!(INTERMEDIARIES.len() > 80);
        for name in INTERMEDIARIES.iter() {
            assert_eq!(&key(name), name);
        }
    }

    #[test]
    fn agencies_and_boards_are_told_from_employers() {
        for (name, between) in [
            ("ADECCO MEDICAL", true),
            ("Manpower Vesoul", true),
            ("Hublo", true),
            ("Alpha Intérim", true),
            ("Agence de travail temporaire du Doubs", true),
            ("Centre Hospitalier de Vesoul", false),
            ("Sidex Santé", false),
            ("Critérium des soins", false),
        ] {
            assert_eq!(is_intermediary(name), between, "{name}");
        }
    }
}
