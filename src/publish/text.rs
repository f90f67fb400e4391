//! Words as the search compares them: folded, lightly stemmed, abbreviations of the trade spelt out.

pub use crate::normalise::fold;

/// Letters, digits and hyphens of `text` for an address: "Aide-soignant·e de nuit" →
/// `aide-soignant-e-de-nuit`. Never empty, at most 80 characters.
pub fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in fold(text).chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
        if out.len() >= 80 {
            break;
        }
    }
    let trimmed = out.trim_matches('-');
    if trimmed.is_empty() {
        "offre".into()
    } else {
        trimmed.into()
    }
}

/// Words that say nothing in a search.
const STOP: &[&str] = &[
    "a", "au", "aux", "avec", "ce", "ces", "chez", "d", "dans", "de", "des", "du", "e", "en", "et",
    "f", "h", "hf", "fh", "il", "l", "la", "le", "les", "m", "notre", "nos", "ou", "par", "pour",
    "s", "sa", "se", "ses", "son", "sur", "un", "une", "vos", "votre",
];

/// Abbreviation → the words that it stands for: places, services and diplomas; names of occupations
/// are the normaliser's. Upper case in an ad, any case in a search.
const ABBREVIATIONS: &[(&str, &str)] = &[
    ("ade", "ambulancier"),
    ("afgsu", "gestes soins urgence"),
    ("ap", "auxiliaire puericulture"),
    ("ars", "agence regionale sante"),
    ("ase", "aide sociale enfance"),
    ("ch", "centre hospitalier"),
    ("chu", "centre hospitalier universitaire"),
    ("cmp", "centre medico psychologique"),
    ("fam", "foyer accueil medicalise"),
    ("had", "hospitalisation domicile"),
    ("ime", "institut medico educatif"),
    ("inf", "infirmier"),
    ("mas", "maison accueil specialisee"),
    ("pui", "pharmacie"),
    ("smr", "soins medicaux readaptation"),
    ("ssiad", "soins infirmiers domicile"),
    ("ssr", "soins suite readaptation"),
    ("usld", "soins longue duree"),
];

/// The words that the folded `word` abbreviates.
pub fn abbreviated(word: &str) -> Option<impl Iterator<Item = String>> {
    ABBREVIATIONS
        .iter()
        .find(|(short, long)| *short == word && *long != word)
        .map(|(_, long)| long.split(' ').map(stem))
}

/// The folded words of `text`, numbers included, in order, repeated ones too.
pub fn words(text: &str) -> Vec<String> {
    fold(text)
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

pub fn is_stop(word: &str) -> bool {
    STOP.contains(&word)
}

/// The stems under which a text is found. `expand` adds what abbreviations in it stand for.
pub fn index_terms(text: &str, expand: bool) -> Vec<String> {
    let mut terms = Vec::new();
    for raw in text.split(|c: char| !c.is_alphanumeric()) {
        if raw.is_empty() {
            continue;
        }
        let word = fold(raw);
        // "AS" is a trade, "as" a form of "avoir": the ad's own capitals tell them apart.
        let shouted = raw.chars().count() > 1 && raw.chars().all(|c| !c.is_lowercase());
        if expand && (shouted || word.len() > 3) {
            terms.extend(abbreviated(&word).into_iter().flatten());
        }
        if !is_stop(&word) {
            terms.push(stem(&word));
        }
    }
    terms
}

/// What singular and plural, masculine and feminine of a folded word have in common.
pub fn stem(word: &str) -> String {
    // So short a word has no endings: it is an abbreviation, or says nothing.
    if word.len() <= 3 {
        return word.to_owned();
    }
    // A ward, not a woman doctor.
    if let "medecine" | "medecines" = word {
        return "medecine".into();
    }
    match word.strip_suffix("aux") {
        Some(root) if root.len() >= 2 && !root.ends_with('e') => format!("{root}al"),
        _ => crate::normalise::stem(word),
    }
}

/// How many typing errors a word of that length may hold.
pub fn tolerance(word: &str) -> u8 {
    match word.chars().count() {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gender_and_number_share_a_stem() {
        for (one, other) in [
            ("infirmier", "infirmieres"),
            ("soignant", "soignantes"),
            ("educateur", "educatrice"),
            ("hopital", "hopitaux"),
            ("psychomotricien", "psychomotriciennes"),
            ("diplome", "diplomee"),
            ("nuit", "nuits"),
            ("bureau", "bureaux"),
        ] {
            assert_eq!(stem(one), stem(other), "{one} / {other}");
        }
        assert_ne!(stem("cadre"), stem("cardio"));
        assert_ne!(stem("medecin"), stem("medecine"));
    }

    #[test]
    fn ads_spell_their_abbreviations_out() {
        let terms = index_terms("HAD de nuit (H/F), il had rien", true);
        assert!(terms.contains(&"domicil".to_owned()), "{terms:?}");
        let terms = index_terms("il had rien", true);
        assert!(!terms.contains(&"domicil".to_owned()), "{terms:?}");
        // What names an occupation stands in one table only.
        for (short, _) in ABBREVIATIONS {
            assert_eq!(crate::normalise::trade_names(short), None, "{short}");
        }
    }

    #[test]
    fn slugs_are_plain() {
        assert_eq!(
            slug("Aide-soignant·e de nuit (F/H) – Vesoul"),
            "aide-soignant-e-de-nuit-f-h-vesoul"
        );
        assert_eq!(slug("«»"), "offre");
        assert!(slug(&"é ".repeat(500)).len() <= 80);
    }
}
