//! The title without what is no part of it: F/H marks, references, towns, contract, hours, emoji.

use super::fold::{fold, key};
use super::text::line;
use regex::Regex;
use std::sync::LazyLock;

/// A cleaned title and what its noise said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Title {
    pub clean: String,
    /// Whether an F/H mark in any form was there.
    pub marked: bool,
    /// Whether more stood there than is kept.
    pub cut: bool,
}

/// The longest title kept, in characters.
const LIMIT: usize = 200;
/// Passes after the first; a title that still changes is kept as it is.
const PASSES: usize = 12;

/// "H/F", "(F-H)", "(m/w/d)", "H/F/X", "Homme / Femme".
static MARK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)[(\[]\s*(?:h\s*[/|.,&-]?\s*f|f\s*[/|.,&-]?\s*h|m\s*[/|.,&-]\s*[fw]|f\s*[/|.,&-]\s*m|w\s*/\s*m)(?:\s*[/|.,-]\s*(?:x|d|n|nb|i|\*))*\s*[)\]]|\b(?:h\s*[/|-]\s*f|f\s*[/|-]\s*h|m\s*/\s*[fw]|f\s*/\s*m)(?:\s*/\s*(?:x|d|n|nb)\b)*\b|\bhommes?\s*[/-]\s*femmes?\b|\bfemmes?\s*[/-]\s*hommes?\b",
    )
    .ok()
});
/// A lone "HF" or "H F" at the end.
static MARK_AT_END: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"\s[-–(]?\s*(?:HF|FH|H F|F H|h\.f\.?)\s*\)?$").ok());
/// What a title must hold for a pattern of [`NOISE`] to fit: reading nothing is fastest.
enum Sign {
    Digit,
    /// One of these words, in the folded title.
    Word(&'static [&'static str]),
}

static NOISE: LazyLock<Vec<(Sign, Regex)>> = LazyLock::new(|| {
    use Sign::{Digit, Word};
    [
        // References
        (Digit, r"(?i)[\[(]?\b(?:r[ée]f(?:[ée]rence)?s?|offre|poste|annonce)\s*(?:n[°o.]\s*)?[:.#°]?\s*[A-Z]{0,6}[-_/]?\d[\w./-]*\s*[\])]?"),
        (Digit, r"(?i)[\[(]\s*(?:n[°o]\s*)?[A-Z]{0,6}[-_]?\d{3,}[\w./-]*\s*[\])]"),
        (Digit, r"(?i)\bn°\s*\d[\w./-]*"),
        (Digit, r"#\s*\d+"),
        (Digit, r"\b[A-Z]{1,4}[-_]?\d{4,}\b"),
        (Digit, r"\b20\d{2}[-_/]\d{2,6}\b"),
        // Urgency and other calls
        (Word(&["urgent"]), r"(?i)[(\[]?\b(?:tr[èe]s\s+)?urgente?s?\b\s*!*[)\]]?"),
        (Word(&["offre", "recrut", "recherch"]), r"(?i)^\s*(?:offre d['’ ]emploi|recrutement|nous recherchons|nous recrutons|on recrute|recrutons|recherchons|recherche|recrute)\s*[:!-]*\s*(?:(?:un|une|des|plusieurs)(?:\(e\)|\.e)?\s+)?"),
        (Word(&["pourvoir", "disponible"]), r"(?i)\b(?:poste )?(?:[àa] pourvoir|disponible)(?: (?:rapidement|imm[ée]diatement|de suite|d[èe]s que possible|au plus vite))?\b"),
        (Word(&["poste d"]), r"(?i)\bposte d(?:e\s+|['’])"),
        // Contract and hours
        (Word(&["cd", "interim"]), r"(?i)[(\[]\s*(?:en\s+)?(?:CDI|CDD|CDII|int[ée]rim)\b[^)\]]*[)\]]"),
        (Digit, r"(?i)\b(?:en\s+)?(?:CDD|int[ée]rim|contrat)\s*(?:de|d'une dur[ée]e de|-|:)?\s*\d+\s*(?:mois|ans?|semaines?|jours?)(?:\s+renouvelables?)?\b"),
        (Word(&["cd"]), r"(?i)\b(?:en\s+)?(?:CDI|CDD|CDII)(?:\s*(?:/|ou|et|&)\s*(?:CDI|CDD|int[ée]rim|vacations?))*\b(?:\s+renouvelable\b)?"),
        (Digit, r"(?i)[(\[]?\b(?:en |cdd |contrat )?du\s+(?:(?:lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche)\s+)?\d{1,2}(?:er)?(?:\s?[/.-]\s?\d{1,2}|\s+(?:janvier|f[ée]vrier|mars|avril|mai|juin|juillet|ao[ûu]t|septembre|octobre|novembre|d[ée]cembre))?(?:\s?[/.-]?\s?20\d{2}|[/.-]\d{2})?\s+(?:inclus\s+)?(?:jusqu['’])?au\s+(?:(?:lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche)\s+)?\d{1,2}(?:er)?(?:\s?[/.-]\s?\d{1,2}|\s+(?:janvier|f[ée]vrier|mars|avril|mai|juin|juillet|ao[ûu]t|septembre|octobre|novembre|d[ée]cembre))(?:\s?[/.-]?\s?20\d{2}|[/.-]\d{2})?\b\s*[)\]]?"),
        (Word(&["temps"]), r"(?i)\b[àa]?\s*(?:temps[ -](?:plein|partiel|complet|non[ -]complet)|mi[ -]temps|plein temps)\b"),
        (Digit, r"(?i)\b[àa]?\s*\d{2,3}\s*%(?:\s*(?:etp|d['’]etp))?"),
        (Digit, r"(?i)\b[01](?:[.,]\d{1,2})\s*etp\b"),
        (Digit, r"(?i)\b\d{2}(?:[.,]\d{1,2})?\s*h(?:eures?)?(?:\d{2})?\s*(?:/\s*(?:semaine|sem|hebdo)|par semaine|hebdo(?:madaires?)?)\b"),
        (Digit, r"(?i)(?:^|[\s(-])(?:1[4-9]|[23]\d)\s?h(?:eures?)?(?:\d{2})?\b(?:\s*[)])?"),
    ]
    .into_iter()
    .filter_map(|(sign, pattern)| Some((sign, Regex::new(pattern).ok()?)))
    .collect()
});

/// How many the head of a title seeks: "6 × IDE de nuit". "2x8" is a shift, "3 x 8 h" too.
pub fn openings(title: &str) -> Option<u32> {
    let digits = title.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = title.split_at(digits);
    let rest = rest.trim_start().strip_prefix(['x', 'X', '×'])?;
    let named = rest.trim_start().starts_with(char::is_alphabetic);
    let number = number.parse().ok().filter(|n| (2..100).contains(n))?;
    (named && rest.starts_with(char::is_whitespace)).then_some(number)
}

/// The title of `source`; `drop` are names of places and employers that are no part of it.
///
/// A fixed point: cleaning a clean title changes nothing. What one pass takes away may bring other
/// noise together or to an end; every pass makes the title shorter, and the second is the last for
/// nearly all.
pub fn title(source: &str, drop: &[String]) -> Title {
    let mut title = pass(source, drop);
    for _ in 0..PASSES {
        let next = pass(&title.clean, drop);
        title.marked |= next.marked;
        title.cut |= next.cut;
        if next.clean == title.clean {
            break;
        }
        title.clean = next.clean;
    }
    title
}

fn pass(source: &str, drop: &[String]) -> Title {
    let whole = line(source);
    let mut text = super::record::cut(&whole, 2 * LIMIT).to_owned();
    let cut = text.len() < whole.len();
    let mut marked = false;
    for regex in [&MARK, &MARK_AT_END] {
        if let Some(regex) = regex.as_ref()
            && text.contains(['f', 'F'])
            && regex.is_match(&text)
        {
            // "Femme-homme de ménage" is the job itself.
            let is_job = |found: &regex::Captures<'_>| {
                found.get(0).is_some_and(|mark| {
                    let rest = text[mark.end()..].trim_start();
                    mark.as_str().len() > 8 && (rest.starts_with("de ") || rest.starts_with("d'"))
                })
            };
            marked = true;
            text = regex
                .replace_all(&text, |found: &regex::Captures<'_>| {
                    if is_job(found) {
                        found[0].to_owned()
                    } else {
                        " ".to_owned()
                    }
                })
                .into_owned();
        }
    }
    text = without_emoji(&text);
    let unmarked = tidy(&text);
    let folded = fold(&text);
    // Any script's digits: the patterns know them all.
    let digit = text.contains(char::is_numeric);
    for (sign, regex) in NOISE.iter() {
        let fits = match sign {
            Sign::Digit => digit,
            Sign::Word(words) => words.iter().any(|word| folded.contains(word)),
        };
        if !fits || !regex.is_match(&text) {
            continue;
        }
        let next = regex.replace_all(&text, |found: &regex::Captures<'_>| {
            found
                .get(0)
                .filter(|noise| tells_posts_apart(noise.as_str(), &text[noise.end()..]))
                .map_or(" ", |noise| noise.as_str())
                .to_owned()
        });
        if next.chars().filter(|c| c.is_alphabetic()).count() >= 2 {
            text = next.into_owned();
        }
    }
    let clean = without_names(&tidy(&text), drop);
    let clean = if clean.chars().filter(|c| c.is_alphabetic()).count() >= 2 {
        clean
    } else if unmarked.is_empty() {
        line(source)
    } else {
        unmarked
    };
    Title {
        cut: cut || clean.chars().nth(LIMIT).is_some(),
        clean: super::record::cut(&clean, LIMIT).trim_end().to_owned(),
        marked,
    }
}

/// Whether what looks like a reference tells one post or lot from the next: "poste 2", "n° 01".
fn tells_posts_apart(noise: &str, rest: &str) -> bool {
    let noise = noise.trim_matches(|c: char| !c.is_alphanumeric());
    let digits = noise.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (word, _) = noise.split_at(noise.len() - digits);
    let word = fold(word.trim_end_matches(|c: char| !c.is_alphabetic()));
    let named = matches!(word.as_str(), "n" | "poste" | "poste n" | "poste no");
    let rest = rest.trim_start();
    // "poste 80 %", "poste 12 h"
    let amount = rest.starts_with(['%', '€'])
        || rest
            .split(|c: char| !c.is_alphabetic())
            .next()
            .is_some_and(|next| {
                matches!(
                    fold(next).as_str(),
                    "h" | "heures" | "etp" | "euros" | "mois" | "ans" | "semaines" | "jours"
                )
            });
    named && (1..=2).contains(&digits) && !amount
}

/// Emoji, dingbats and other pictures are no words.
fn without_emoji(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\u{2190}'..='\u{21ff}'
            | '\u{2300}'..='\u{27bf}'
            | '\u{2b00}'..='\u{2bff}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{1f000}'..='\u{1faff}'
            | '\u{fffd}' => ' ',
            c => c,
        })
        .collect()
}

/// What brackets and signs leave when their content is gone.
const TIDY: [(&str, &str); 11] = [
    ("( ", "("),
    (" )", ")"),
    ("()", ""),
    ("[]", ""),
    ("- -", "-"),
    ("– –", "–"),
    ("| |", "|"),
    ("/ /", "/"),
    (" ,", ","),
    (", -", " -"),
    ("- ,", "-"),
];

fn single_blanks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

/// Empty brackets, doubled signs and signs at the ends go; blanks are single.
fn tidy(text: &str) -> String {
    let mut out = text.replace('_', " ");
    for _ in 0..3 {
        let mut next = single_blanks(&out);
        if next.contains(['(', '[', '-', '–', '|', '/', ',']) {
            for (from, to) in TIDY {
                if next.contains(from) {
                    next = next.replace(from, to);
                }
            }
        }
        if next == out {
            break;
        }
        out = next;
    }
    let ends = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '-' | '–'
                    | '—'
                    | '|'
                    | '/'
                    | ','
                    | ';'
                    | ':'
                    | '*'
                    | '!'
                    | '"'
                    | '«'
                    | '»'
                    | '·'
                    | '•'
                    | '+'
                    | '&'
                    | '='
                    | '>'
                    | '<'
                    | '~'
                    | '\''
            )
    };
    let mut out = out
        .trim_matches(ends)
        .trim_end_matches(['.', '(', '['])
        .trim_matches(ends)
        .to_owned();
    // "Infirmier en", "Aide-soignant à": what a removed contract or town leaves.
    while let Some((before, last)) = out.rsplit_once(' ') {
        // "Infirmier DE", "infirmier de": the state diploma.
        // "Infirmier unité A": one of several.
        let numbered = last == "A"
            && before.rsplit([' ', '-', '(']).next().is_some_and(|word| {
                matches!(
                    fold(word).as_str(),
                    "unite"
                        | "poste"
                        | "lot"
                        | "etage"
                        | "niveau"
                        | "secteur"
                        | "batiment"
                        | "pavillon"
                        | "pole"
                        | "equipe"
                        | "aile"
                        | "groupe"
                        | "zone"
                )
            });
        if last == "DE"
            || numbered
            || fold(before).ends_with("infirmier")
            || fold(before).ends_with("infirmiere")
            || !matches!(
                fold(last).as_str(),
                "en" | "a" | "de" | "sur" | "pour" | "et" | "ou" | "au" | "le" | "la"
            )
        {
            break;
        }
        out = before.trim_end_matches(ends).to_owned();
    }
    if out.matches('(').count() > out.matches(')').count() {
        match out.rfind('(') {
            Some(at) if out.len() - at < 3 => out.truncate(at),
            _ => out.push(')'),
        }
    } else if out.matches(')').count() > out.matches('(').count()
        && let Some(at) = out.rfind(')')
    {
        out.remove(at);
    }
    out.trim().to_owned()
}

/// Without the parts, between dashes, bars, commas or in brackets, that only name a place, a
/// département or the employer.
fn without_names(text: &str, drop: &[String]) -> String {
    let dropped = |part: &str| {
        let folded = key(part);
        let bare = ["a ", "sur ", "secteur ", "dept ", "departement "]
            .iter()
            .find_map(|before| folded.strip_prefix(before))
            .unwrap_or(&folded);
        if bare.is_empty() {
            return true;
        }
        let digits = bare.bytes().all(|byte| byte.is_ascii_digit());
        if digits
            && (bare.len() == 5
                || (bare.len() == 2 && super::place::gazetteer().department(bare).is_some()))
        {
            return true;
        }
        // "70000 Vesoul"
        let bare = match bare.split_once(' ') {
            Some((code, rest)) if code.len() == 5 && code.bytes().all(|b| b.is_ascii_digit()) => {
                rest
            }
            _ => bare,
        };
        drop.iter().any(|name| {
            bare == name
                || (name.len() >= 4
                    && bare.strip_prefix(name.as_str()).is_some_and(|rest| {
                        rest.trim().bytes().all(|b| b.is_ascii_digit() || b == b' ')
                    }))
        })
    };
    let mut text = text.to_owned();
    while let (Some(open), Some(close)) = (text.rfind('('), text.rfind(')')) {
        if open < close && close + 1 == text.len() && dropped(&text[open + 1..close]) {
            text.truncate(open);
            text = text.trim_end().to_owned();
        } else {
            break;
        }
    }
    for mark in [" - ", " – ", " | ", " / ", ", ", " : "] {
        while let Some((before, last)) = text.rsplit_once(mark) {
            if !dropped(last) || key(before).is_empty() {
                break;
            }
            text = before.trim_end().to_owned();
        }
        while let Some((first, after)) = text.split_once(mark) {
            if !dropped(first) || key(after).is_empty() {
                break;
            }
            text = after.trim_start().to_owned();
        }
    }
    // "Infirmier à Vesoul": the town after its preposition.
    for preposition in [" à ", " sur ", " A "] {
        if let Some((before, last)) = text.rsplit_once(preposition)
            && dropped(last)
            && !key(before).is_empty()
        {
            text = before.to_owned();
        }
    }
    // "Aide à domicile PRIVAS": the town at the very end, unless it names an institution.
    let folded = key(&text);
    for name in drop
        .iter()
        .filter(|name| name.len() >= 3 && !name.bytes().all(|byte| byte.is_ascii_digit()))
    {
        let Some(before) = folded
            .strip_suffix(name.as_str())
            .and_then(|before| before.strip_suffix(' '))
        else {
            continue;
        };
        let words = name.split(' ').count();
        let institution = before.split(' ').any(super::privacy::is_institution)
            || before.ends_with(" de")
            || before.ends_with(" d")
            || before.ends_with(" du");
        if !institution && before.len() >= 3 {
            let mut rest = text.as_str();
            for _ in 0..words {
                rest = rest
                    .trim_end()
                    .rsplit_once([' ', '-', '\''])
                    .map_or(rest, |(before, _)| before);
            }
            // Only where words and blanks agree one to one.
            if key(rest) == before {
                text = rest.to_owned();
            }
            break;
        }
    }
    tidy(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn noise_goes_and_words_stay() {
        let drop = [
            "vesoul".to_owned(),
            "haute saone".to_owned(),
            "clinique du lac".to_owned(),
        ];
        let cases = [
            ("Aide-soignant (H/F)", "Aide-soignant"),
            ("Infirmier F/H", "Infirmier"),
            ("\"Technicien d'élevage F-H\" (H/F)", "Technicien d'élevage"),
            ("Infirmier(ère) H/F/X - CDI - Vesoul (70)", "Infirmier(ère)"),
            ("🚨 URGENT !! IDE de nuit - CDD 6 mois (F/H)", "IDE de nuit"),
            ("AS/AMP/AES h/f 80%", "AS/AMP/AES"),
            ("Réf. 2024-118 Psychologue (m/w/d)", "Psychologue"),
            (
                "Cadre de santé - Cardiologie - 100% - Clinique du Lac",
                "Cadre de santé - Cardiologie",
            ),
            ("Auxiliaire de vie 35h à Vesoul", "Auxiliaire de vie"),
            ("Aide à domicile - 24H/semaine", "Aide à domicile"),
            (
                "Médecin généraliste (H/F) - 70000 Vesoul",
                "Médecin généraliste",
            ),
            ("Éducateur en CDI", "Éducateur"),
            ("H/F", "H/F"),
            ("AS poste 1 (H/F)", "AS poste 1"),
            ("Infirmier - Lot n° 01", "Infirmier - Lot n° 01"),
            ("IDE unité n°2", "IDE unité n°2"),
            ("IDE unité A H/F", "IDE unité A"),
            ("Infirmier n° 2024-118", "Infirmier"),
            ("Offre n° 12 Psychologue", "Psychologue"),
            ("IDE CDD du 01/07/2026 au 31/08/2026 (H/F)", "IDE"),
            ("Aide-soignant du 1er juillet au 31 août", "Aide-soignant"),
        ];
        for (source, wanted) in cases {
            assert_eq!(title(source, &drop).clean, wanted, "{source}");
        }
        assert!(title("IDE Homme/Femme", &[]).marked);
        assert!(!title("Infirmière", &[]).marked);
    }

    proptest! {
        #[test]
        fn cleaning_is_total(source in "\\PC{0,120}") {
            let first = title(&source, &[]);
            prop_assert!(first.clean.chars().count() <= LIMIT);
        }
    }
}
