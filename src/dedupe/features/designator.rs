//! By what a title tells a unit, a post or a lot from the next one: "unité 2", "IDE B", "1er étage".

use crate::dedupe::text::{self, Words, distinct};

/// Words that a number or a letter follows which names one of several.
const NUMBERED: [&str; 22] = [
    "unite",
    "service",
    "poste",
    "lot",
    "etage",
    "niveau",
    "secteur",
    "pavillon",
    "batiment",
    "equipe",
    "aile",
    "site",
    "pole",
    "groupe",
    "zone",
    "bloc",
    "section",
    "ligne",
    "categorie",
    "n",
    "no",
    "numero",
];

/// One run of letters and digits, with the characters around it.
struct Token<'t> {
    text: &'t str,
    before: &'t str,
    after: &'t str,
}

impl<'t> Token<'t> {
    fn all(title: &'t str) -> Vec<Self> {
        let mut tokens = Vec::new();
        let mut rest = 0;
        while let Some(from) = title[rest..].find(char::is_alphanumeric) {
            let start = rest + from;
            let run = &title[start..];
            let end = start
                + run
                    .find(|c: char| !c.is_alphanumeric())
                    .unwrap_or(run.len());
            tokens.push(Self {
                text: &title[start..end],
                before: &title[..start],
                after: &title[end..],
            });
            rest = end;
        }
        tokens
    }

    /// "2", "02" or "2e" as "2"; no share, no part of an amount or of a date.
    fn number(&self) -> Option<&'t str> {
        let digits = self.text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, ordinal) = self.text.split_at(digits);
        let ordinal = ordinal.to_lowercase();
        let plain = matches!(
            ordinal.as_str(),
            "" | "e" | "er" | "ere" | "ère" | "eme" | "ème" | "nd" | "nde"
        );
        let joined = |c: char| matches!(c, '.' | ',' | '/');
        let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        let mut after = self.after.trim_start().chars();
        let amount = match after.next() {
            Some('%' | '€') => true,
            Some('h' | 'H') => is_hours(after.as_str()),
            Some(c) if joined(c) => digit(after.next()),
            _ => false,
        };
        let mut before = self.before.chars().rev();
        let counted = match before.next() {
            Some(c) if joined(c) => digit(before.next()),
            _ => self.before.trim_end().ends_with(['x', 'X', '×']),
        };
        let number = number.trim_start_matches('0');
        (plain && (1..=3).contains(&digits) && !amount && !counted && !number.is_empty())
            .then_some(number)
    }

    /// A capital that stands alone, or a Roman number.
    fn letter(&self) -> Option<&'t str> {
        let roman = (2..=4).contains(&self.text.len())
            && self.text.bytes().all(|b| matches!(b, b'I' | b'V' | b'X'));
        let single = self.text.len() == 1
            && self.text.bytes().all(|b| b.is_ascii_uppercase())
            && !self.after.starts_with(['\'', '’']);
        (roman || single).then_some(self.text)
    }

    /// "H/F", "M/W/D", "X".
    fn is_gender(&self) -> bool {
        let letters = |c: &str| c.chars().all(|c| "HFMWXDhfmwxd".contains(c));
        let beside =
            self.before.trim_end().ends_with('/') || self.after.trim_start().starts_with('/');
        letters(self.text)
            && match self.text.len() {
                1 => beside || !matches!(self.text, "D" | "d"),
                2 => self.text.eq_ignore_ascii_case("hf") || self.text.eq_ignore_ascii_case("fh"),
                _ => false,
            }
    }
}

/// Whether an "h" before this says hours: "12 h", "12 heures"; not "2 H/F", "2 hôpital".
fn is_hours(rest: &str) -> bool {
    if rest.starts_with("eure") {
        return true;
    }
    let mark = rest.trim_start().strip_prefix(['/', '-', '|', ',', '.']);
    let gender = mark.is_some_and(|rest| rest.trim_start().starts_with(['f', 'F']));
    !gender && !rest.starts_with(char::is_alphabetic)
}

/// What a title counts its post by, as hashes, and whether that is just a number in brackets at its
/// end. A number of a département of the offer is none.
pub(super) fn designators(title: &str, departments: &[u64]) -> (Vec<u64>, bool) {
    let tokens = Token::all(title);
    let mut found = Vec::new();
    let mut bracketed = false;
    let mut add = |value: &str| {
        let value = text::hash(value.as_bytes());
        if !departments.contains(&value) {
            found.push(value);
        }
    };
    let names = |token: &Token<'_>| {
        let words = Words::of(token.text);
        words.len() == 1 && words.get(0).is_some_and(|w| NUMBERED.contains(&w))
    };
    for pair in tokens.windows(2) {
        let (one, next) = (&pair[0], &pair[1]);
        if names(one) {
            let letter = next.letter().filter(|letter| {
                // "SERVICE A DOMICILE"
                let last = next.after.trim_start().chars().next();
                !next.is_gender() && (*letter != "A" || !last.is_some_and(char::is_alphanumeric))
            });
            if let Some(value) = next.number().or(letter) {
                add(value);
            }
        } else if names(next) && !one.text.bytes().all(|b| b.is_ascii_digit()) {
            // "2e étage", not "2 postes".
            one.number().into_iter().for_each(&mut add);
        }
    }
    if let Some(last) = tokens.iter().rev().find(|token| !token.is_gender()) {
        let apart = last.before.ends_with([' ', '(', '\u{a0}']) && !last.before.ends_with("x ");
        let letter = last
            .letter()
            .filter(|_| last.before.ends_with([' ', '\u{a0}']));
        // Nothing but who may apply comes after it.
        let rest = last
            .after
            .chars()
            .all(|c| !c.is_alphanumeric() || "HFMWXDhfmwxd".contains(c));
        if let (true, Some(value)) = (apart && rest, last.number().or(letter)) {
            add(value);
            bracketed = last.before.ends_with('(');
        }
    }
    let found = distinct(found);
    let alone = found.len() == 1;
    (found, bracketed && alone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_counts_its_post_or_does_not() {
        let of = |title: &str| designators(title, &[text::hash(b"70")]).0;
        for (one, other) in [
            ("IDE unité 1", "IDE unité 2 (H/F)"),
            ("IDE Unité A", "IDE unité B"),
            ("Infirmier H/F - Lot n° 01", "Infirmier H/F - Lot n° 2"),
            ("ASH 1er étage", "ASH 2ème étage"),
            ("AS poste 1 H/F", "AS poste 2 H/F"),
            ("AS B", "AS C (H/F)"),
            ("Cadre de santé pôle II", "Cadre de santé pôle III"),
            ("IDE (1)", "IDE (2)"),
        ] {
            assert!(!of(one).is_empty(), "{one}");
            assert!(!of(other).is_empty(), "{other}");
            assert_ne!(of(one), of(other), "{one} | {other}");
        }
        assert_eq!(of("IDE unité 01"), of("Infirmier, unité 1 (H/F)"));
        assert_eq!(of("Étage 2, aile B"), of("Aile B 2e étage"));
        assert_eq!(of("AS poste 2 H/F"), of("AS poste 2 - H / F"));
        let bracketed = |title: &str| designators(title, &[]).1;
        assert!(bracketed("IDE (6)") && bracketed("IDE (6) H/F"));
        assert!(!bracketed("IDE 6") && !bracketed("IDE unité 2 (6)") && !bracketed("IDE"));
        for plain in [
            "Infirmier H/F",
            "INFIRMIER(E) D.E.",
            "Infirmier (m/w/d)",
            "Aide-soignant F/H/X",
            "AIDE-SOIGNANT.E",
            "IDE 80 %",
            "IDE 0,8 ETP",
            "IDE à 0.8",
            "2 postes d'infirmier",
            "6 × IDE de nuit",
            "IDE de nuit x 6",
            "Infirmier Vesoul (70)",
            "Poste H/F",
            "SERVICE A DOMICILE",
            "Unité d'hébergement",
            "UNITE D'HEBERGEMENT",
            "Vacations du 12/03",
            "IDE 12h",
            "IDE 12 h",
            "IDE de nuit, poste 12 heures",
            "IDE 12 H (H/F)",
            "Réf. 4512",
            "",
            "É",
        ] {
            assert!(of(plain).is_empty(), "{plain}");
        }
    }
}
