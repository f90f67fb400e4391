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

/// Abbreviation → the words that it stands for. Upper case in an ad, any case in a search.
const ABBREVIATIONS: &[(&str, &str)] = &[
    ("ade", "ambulancier"),
    ("aes", "accompagnant educatif social"),
    ("afgsu", "gestes soins urgence"),
    ("amp", "aide medico psychologique"),
    ("ap", "auxiliaire puericulture"),
    ("ars", "agence regionale sante"),
    ("as", "aide soignant"),
    ("asd", "aide soignant domicile"),
    ("ase", "aide sociale enfance"),
    ("asg", "assistant soins gerontologie"),
    ("ash", "agent service hospitalier"),
    ("ashq", "agent service hospitalier"),
    ("ass", "assistant service social"),
    ("avs", "auxiliaire vie sociale"),
    ("cds", "cadre sante"),
    ("cesf", "conseiller economie sociale familiale"),
    ("ch", "centre hospitalier"),
    ("chu", "centre hospitalier universitaire"),
    ("cmp", "centre medico psychologique"),
    ("deas", "aide soignant"),
    ("eje", "educateur jeunes enfants"),
    ("ergo", "ergotherapeute"),
    ("es", "educateur specialise"),
    ("fam", "foyer accueil medicalise"),
    ("had", "hospitalisation domicile"),
    ("iade", "infirmier anesthesiste"),
    ("ibode", "infirmier bloc operatoire"),
    ("ide", "infirmier"),
    ("idec", "infirmier coordinateur"),
    ("idel", "infirmier liberal"),
    ("ime", "institut medico educatif"),
    ("inf", "infirmier"),
    ("ipa", "infirmier pratique avancee"),
    ("isp", "infirmier psychiatrie"),
    ("kine", "kinesitherapeute"),
    ("mas", "maison accueil specialisee"),
    ("me", "moniteur educateur"),
    ("mer", "manipulateur electroradiologie"),
    ("merm", "manipulateur electroradiologie"),
    ("mk", "masseur kinesitherapeute"),
    ("mkde", "masseur kinesitherapeute"),
    ("psychomot", "psychomotricien"),
    ("pui", "pharmacie"),
    ("sf", "sage femme"),
    ("smr", "soins medicaux readaptation"),
    ("ssiad", "soins infirmiers domicile"),
    ("ssr", "soins suite readaptation"),
    ("tisf", "technicien intervention sociale familiale"),
    ("tlm", "technicien laboratoire"),
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
    match word.strip_suffix("aux") {
        Some(root) if root.len() >= 2 && !root.ends_with('e') => format!("{root}al"),
        _ => crate::normalise::stem(word),
    }
}

/// Whether `a` and `b` are at most `limit` insertions, deletions, replacements or swaps apart.
pub fn within(a: &str, b: &str, limit: usize) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > limit {
        return false;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (above[j] + 1)
                .min(row[j - 1] + 1)
                .min(above[j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        if row.iter().min().is_some_and(|least| *least > limit) {
            return false;
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()] <= limit
}

/// How many typing errors a word of that length may hold.
pub fn tolerance(word: &str) -> usize {
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
    }

    #[test]
    fn ads_spell_their_abbreviations_out() {
        let terms = index_terms("IDE de nuit (H/F), tu as le choix", true);
        assert!(terms.contains(&"infirmier".to_owned()));
        assert!(!terms.contains(&"soignant".to_owned()), "{terms:?}");
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

    #[test]
    fn typing_errors_are_counted() {
        assert!(within("infirmer", "infirmier", 1));
        assert!(within("infrimier", "infirmier", 1));
        assert!(!within("kine", "cadre", 1));
        assert!(within("", "", 0));
    }
}
