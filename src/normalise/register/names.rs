//! Names of employers: one writing to compare, another to show.

use super::super::fold::key;
use super::super::tables;
use std::sync::LazyLock;

#[derive(serde::Deserialize)]
struct Row {
    written: String,
    means: String,
}

/// Writings that are one, each with a space around: the longest first.
static SAME: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let mut rows: Vec<(String, String)> =
        tables::rows::<Row>(include_bytes!("../data/register_names.csv"))
            .into_iter()
            .map(|row| (format!(" {} ", row.written), format!(" {} ", row.means)))
            .collect();
    rows.sort_by_key(|(written, _)| std::cmp::Reverse(written.len()));
    rows
});

/// Words that a register and an ad leave out or write at will.
const SMALL: [&str; 14] = [
    "de", "du", "des", "d", "la", "le", "les", "l", "et", "a", "au", "aux", "en", "sur",
];

/// The form of a name that is compared: folded, abbreviations as one, small words left out.
pub fn name_key(name: &str) -> String {
    let mut text = format!(" {} ", key(name));
    for (written, means) in SAME.iter() {
        while text.contains(written.as_str()) {
            text = text.replace(written.as_str(), means);
        }
    }
    let words: Vec<&str> = text
        .split(' ')
        .filter(|word| !word.is_empty() && !SMALL.contains(word))
        .collect();
    words.join(" ")
}

/// Abbreviations that stay in capitals.
const CAPITALS: [&str; 62] = [
    "AAPEI", "ADAPEI", "ADMR", "AFTC", "AHFC", "AP", "APEI", "APF", "ASAD", "CAMSP", "CCAS", "CD",
    "CH", "CHI", "CHR", "CHRU", "CHS", "CHU", "CIAS", "CLCC", "CMP", "CMPP", "CRF", "CSAPA",
    "DITEP", "EAM", "EHPA", "EHPAD", "EPMS", "EPSM", "ESAT", "FAM", "GCS", "GCSMS", "GH", "GHT",
    "HAD", "HP", "IFAS", "IFSI", "IME", "IMPRO", "ITEP", "MAS", "MECS", "MR", "MSA", "PFR", "SA",
    "SAAD", "SAMSAH", "SARL", "SAS", "SAVS", "SESSAD", "SMR", "SPASAD", "SSIAD", "SSR", "UGECAM",
    "USLD", "VYV",
];

/// A name in capitals as people write it; any other as it stands.
pub fn written_out(name: &str) -> String {
    if name.chars().any(char::is_lowercase) {
        return name.to_owned();
    }
    let mut out = String::with_capacity(name.len());
    for (at, word) in name.split(' ').filter(|word| !word.is_empty()).enumerate() {
        if at > 0 {
            out.push(' ');
        }
        let small = SMALL.contains(&key(word).as_str());
        if CAPITALS.contains(&word.trim_matches(|c: char| !c.is_alphanumeric())) {
            out.push_str(word);
        } else if small && at > 0 {
            out.push_str(&word.to_lowercase());
        } else {
            capitalise(word, at > 0, &mut out);
        }
    }
    out
}

/// "SAINT-JEAN" is "Saint-Jean", "D'EXEMPLE" is "d'Exemple".
fn capitalise(word: &str, within: bool, out: &mut String) {
    let mut rest = word;
    if within
        && let Some((article, tail)) = word.split_once(['\'', '’'])
        && matches!(article, "D" | "L")
        && !tail.is_empty()
    {
        out.push_str(&article.to_lowercase());
        out.push('\'');
        rest = tail;
    }
    let mut start = true;
    for c in rest.chars() {
        if start {
            out.push(c);
        } else {
            out.extend(c.to_lowercase());
        }
        start = !c.is_alphanumeric();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writings_of_one_name_are_one() {
        for (a, b) in [
            ("CH DE VESOUL", "Centre Hospitalier Vesoul"),
            (
                "EHPAD RESIDENCE LES SAULES",
                "E.H.P.A.D. Rés les Saules"
                    .replace("E.H.P.A.D.", "EHPAD")
                    .as_str(),
            ),
            ("MAISON D'ACCUEIL SPECIALISEE L'ERABLE", "MAS L’Érable"),
            ("HOPITAL SAINT-JEAN", "Hôpital St Jean"),
        ] {
            assert_eq!(name_key(a), name_key(b), "{a} / {b}");
        }
        assert_ne!(name_key("CH VESOUL"), name_key("CH LURE"));
    }

    #[test]
    fn capitals_are_written_out() {
        assert_eq!(
            written_out("CH INTERCOMMUNAL DE LA HAUTE-SAONE"),
            "CH Intercommunal de la Haute-Saone"
        );
        assert_eq!(written_out("EHPAD L'ERABLE D'OR"), "EHPAD l'Erable d'Or");
        assert_eq!(written_out("Clinique du Parc"), "Clinique du Parc");
    }
}
