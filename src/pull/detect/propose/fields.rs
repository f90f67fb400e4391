//! The names that fields of a posting go by, in the order in which they claim a path.

use super::looks::Looks;
use std::sync::LazyLock;

/// A field of a posting, the names it goes by (folded), and what its values look like.
pub(super) struct Known {
    pub field: &'static str,
    pub names: Vec<&'static str>,
    pub looks: Looks,
}

/// In order of claim: a path that one field takes is not another's.
pub(super) static FIELDS: LazyLock<Vec<Known>> = LazyLock::new(|| {
    let table = include_str!("fields.txt").lines();
    table.filter_map(known).collect()
});

/// One line of the table; none for a comment.
fn known(line: &'static str) -> Option<Known> {
    let mut words = line.split_whitespace();
    let field = words.next().filter(|word| !word.starts_with('#'))?;
    let looks = words.next().and_then(Looks::named)?;
    let names = words.collect();
    Some(Known {
        field,
        names,
        looks,
    })
}

/// What an offer is called; beside it a name says what of the offer it is: `refposte`, `jobid`.
const NOUNS: [&str; 11] = [
    "offre", "annonce", "emploi", "poste", "fiche", "offer", "vacancy", "posting", "position",
    "job", "advert",
];

/// What is left of a folded name without the word for an offer in it, and without what links the
/// two: `ref` of `refposte`, `idde` and `id` of `iddeposte`.
pub(super) fn of_an_offer(name: &str) -> Vec<&str> {
    let mut rests = Vec::new();
    for noun in NOUNS {
        if let Some(rest) = name.strip_suffix(noun) {
            rests.push(rest);
            let links = ["del", "de", "du", "d", "l"];
            rests.extend(links.iter().filter_map(|link| rest.strip_suffix(link)));
        }
        rests.extend(name.strip_prefix(noun));
    }
    rests
}

/// Last steps of a path that say nothing of their own.
pub(super) const GENERIC: [&str; 9] = [
    "name", "label", "libelle", "nom", "value", "text", "id", "code", "title",
];

/// Texts that stand beside a description and belong to it.
pub(super) const TEXTS: [&str; 18] = [
    "mission",
    "missions",
    "profil",
    "profile",
    "profilrecherche",
    "profildurecherche",
    "requirements",
    "qualifications",
    "exigences",
    "competences",
    "activites",
    "responsabilites",
    "responsibilities",
    "taches",
    "conditions",
    "avantages",
    "benefits",
    "descriptionprofil",
];

/// Fields that values alone may tell, in the order in which they claim what is left.
pub(super) const OPENERS: &[(&str, Looks)] = &[
    ("url", Looks::Link),
    ("apply_email", Looks::Email),
    ("occupation_code", Looks::Rome),
    ("title", Looks::Words),
    ("contract", Looks::Form),
    ("place_postal_code", Looks::PostalCode),
    ("published", Looks::Date),
    ("pay", Looks::Pay),
    ("description", Looks::Long),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Field;

    #[test]
    fn the_table_is_read_whole() {
        let lines = include_str!("fields.txt").lines();
        let lines = lines.filter(|line| !line.starts_with('#') && !line.is_empty());
        assert_eq!(lines.count(), FIELDS.len());
        for known in FIELDS.iter() {
            assert!(!known.names.is_empty(), "{}", known.field);
            let field: Result<Field, _> = serde_json::from_value(known.field.into());
            assert!(field.is_ok(), "{}", known.field);
            for name in &known.names {
                let plain = name
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
                assert!(plain, "{name}");
            }
        }
    }

    #[test]
    fn a_name_loses_the_word_for_an_offer() {
        for (name, rest) in [
            ("refposte", "ref"),
            ("referenceannonce", "reference"),
            ("numerodeloffre", "numero"),
            ("idduposte", "id"),
            ("codeposte", "code"),
            ("jobcode", "code"),
            ("postingid", "id"),
        ] {
            assert!(of_an_offer(name).contains(&rest), "{name}");
        }
        assert!(of_an_offer("ville").is_empty());
    }
}
