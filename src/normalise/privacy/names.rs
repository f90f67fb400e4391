//! Names of people in a text: after a form of address, beside a cue, or known from a field.

use super::addresses::PHONE;
use crate::normalise::fold::{fold, fold_into, key, source_offset};
use crate::normalise::record::cut;
use crate::normalise::tables::Fnv;
use regex::Regex;
use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::ops::Range;
use std::sync::LazyLock;

/// A form of address before a name. "M" needs its point; "Me" and "Maître" are too often words.
static CIVILITY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"((?:(?:M|Mr|MR|MM|Mme|MME|Mlle|MLLE|Dr|DR|Pr)\.?|M\.|Mrs?\.?|Mmes?|Mesdames|Messieurs|Monsieur|MONSIEUR|Madame|MADAME|Mademoiselle|Docteure?|DOCTEUR|Professeure?)(?:\s?/\s?(?:Mme|Mr|M\.|Madame|Monsieur))?)[\s\u{a0}]+").ok()
});

/// Words that follow a form of address and are no name.
const TITLES: &str = " sante le la les l directeur directrice president presidente responsable maire drh rh chef cheffe cadre secretaire docteur docteure professeur professeure medecin monsieur madame ou et en a au aux conseiller conseillere inspecteur recruteur recruteuse coordinateur coordinatrice gouverneur prefet administrateur administratrice candidat tout toute votre notre junior senior infirmier infirmiere aide soignant soignante auxiliaire educateur educatrice psychologue assistant assistante agent technicien technicienne pharmacien pharmacienne ";
/// Words before a name that make it that of a place or an institution.
const INSTITUTIONS: &str = " rue avenue av boulevard bd place allee allees chemin impasse quai cours square route esplanade passage hopital hopitaux clinique polyclinique centre residence residences ehpad ephad maison fondation institut college lycee ecole groupe pole site association ch chu chr gh foyer ime esat mas fam ssr usld cabinet pharmacie laboratoire creche villa domaine espace stade gymnase association parc pavillon unite saint sainte st ste epsm cmp cmpp mecs itep sessad batiment bat aile etage hotel chateau arret tour amphitheatre ";

static FIRST_NAMES: LazyLock<HashSet<&'static str, BuildHasherDefault<Fnv>>> =
    LazyLock::new(|| {
        include_str!("../data/first_names.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .flat_map(str::split_ascii_whitespace)
            .collect()
    });

/// Words, folded, that make a name in their line a contact's.
const CUES: [&str; 32] = [
    "contact",
    "contactez",
    "contacter",
    "aupres de",
    "attention de",
    "adresser",
    "adressee",
    "envoyer",
    "envoyez",
    "interlocut",
    "joindre",
    "appeler",
    "telephone",
    "tel.",
    "tel :",
    "mail",
    "renseignement",
    "responsable",
    "information",
    "postuler",
    "candidature",
    "cordialement",
    "bien a vous",
    "salutations",
    "recruteu",
    "de recrutement :",
    "suivi par",
    "referent",
    "cv ",
    "transmettre",
    "conseillere :",
    "conseiller :",
];

/// Where people are named in `text`; `known` are folded names of contacts, longest first.
pub fn people(text: &str, known: &[String]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if !text.contains(char::is_uppercase) {
        return found;
    }
    let mut at = 0;
    while let Some(civility) = CIVILITY
        .as_ref()
        .and_then(|regex| regex.captures_at(text, at))
    {
        let (Some(whole), Some(word)) = (civility.get(0), civility.get(1)) else {
            break;
        };
        at = whole.end();
        let glued = text[..word.start()]
            .chars()
            .next_back()
            .is_some_and(char::is_alphabetic);
        if glued {
            // "aMme / Mme Martin": the second form may stand free.
            at = word.start()
                + text[word.start()..]
                    .chars()
                    .next()
                    .map_or(1, char::len_utf8);
            continue;
        }
        if word.as_str() == "M" || after_institution(&text[..word.start()]) {
            continue;
        }
        if let Some(end) = name_end(&text[whole.end()..]) {
            let mut end = whole.end() + end;
            // "Mesdames Picard et Roy"
            if matches!(
                word.as_str(),
                "Mesdames" | "Messieurs" | "MM." | "MM" | "Mmes"
            ) && let Some(rest) = text[end..].strip_prefix(" et ")
                && let Some(second) = name_end(rest)
            {
                end = text.len() - rest.len() + second;
            }
            found.push(word.start()..end);
        }
    }
    if !known.is_empty() {
        let folded = fold(text);
        for name in known {
            for (at, _) in folded.match_indices(name.as_str()) {
                let free = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
                if free(folded[..at].chars().next_back())
                    && free(folded[at + name.len()..].chars().next())
                {
                    let start = source_offset(text, at);
                    let end = source_offset(text, at + name.len());
                    // A family name that is also a word counts only with its capital.
                    if text[start..].chars().next().is_some_and(char::is_uppercase) {
                        found.push(start..end);
                    }
                }
            }
        }
    }
    if !holds_first_name(text) {
        return found;
    }
    let mut from = 0;
    for row in text.split_inclusive(['\n', '.', ';']) {
        let range = from..from + row.len();
        from = range.end;
        let pairs = first_name_pairs(row);
        if !pairs.is_empty() && cue_near(text, &range) {
            found.extend(
                pairs
                    .into_iter()
                    .map(|pair| range.start + pair.start..range.start + pair.end),
            );
        }
    }
    found
}

/// Whether a line, or the one before it, speaks of contacts, or holds a mail or number.
fn cue_near(text: &str, range: &Range<usize>) -> bool {
    if !text[range.clone()].chars().any(char::is_uppercase) {
        return false;
    }
    let mut start = range.start.saturating_sub(60);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let mut end = (range.end + 60).min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let near = fold(&text[start..end]);
    CUES.iter().any(|cue| near.contains(cue))
        || near.contains('@')
        || PHONE.as_ref().is_some_and(|regex| regex.is_match(&near))
}

/// Whether a word that begins with a capital is, up to its hyphen, a known first name. Cheap, and
/// right for all but a few texts: only those are read word by word.
fn holds_first_name(text: &str) -> bool {
    let mut word = String::new();
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        if c.is_uppercase() && !before.is_alphabetic() {
            let rest = &text[at..];
            let end = rest
                .find(|c: char| !c.is_alphabetic())
                .unwrap_or(rest.len());
            word.clear();
            fold_into(&rest[..end], &mut word);
            if FIRST_NAMES.contains(word.as_str()) {
                return true;
            }
        }
        before = c;
    }
    false
}

/// "Sophie Martin", "Sophie MARTIN", "MARTIN Sophie": a first name beside a capitalised word.
fn first_name_pairs(row: &str) -> Vec<Range<usize>> {
    let words = words(row);
    let mut found = Vec::new();
    for index in 0..words.len() {
        let (range, word) = &words[index];
        if !is_capitalised(word) {
            continue;
        }
        let folded = fold(word);
        let first = folded.split('-').next().unwrap_or(&folded);
        if !is_capitalised(word)
            || !FIRST_NAMES.contains(first)
            || after_institution(&row[..range.start])
        {
            continue;
        }
        let beside = |other: Option<&(Range<usize>, &str)>| {
            other
                .filter(|(_, word)| {
                    let folded = fold(word);
                    is_capitalised(word)
                        && word.chars().count() > 1
                        && !TITLES.contains(&format!(" {folded} "))
                        && !INSTITUTIONS.contains(&format!(" {folded} "))
                })
                .map(|(range, _)| range.clone())
        };
        let next = words
            .get(index + 1)
            .filter(|(next, _)| row[range.end..next.start].trim().is_empty());
        let after = beside(next);
        let before = index
            .checked_sub(1)
            .and_then(|index| words.get(index))
            .filter(|(before, word)| {
                row[before.end..range.start].trim().is_empty()
                    && (word
                        .chars()
                        .all(|c| c.is_uppercase() || c == '-' || c == '\'')
                        || announced(&row[..before.start]))
            });
        if let Some(after) = after {
            // "Fatima El Amrani": a particle is not the whole name.
            let whole = is_particle(&fold(&row[after.clone()]))
                .then(|| name_end(&row[after.start..]))
                .flatten();
            found.push(range.start..whole.map_or(after.end, |end| after.start + end));
        } else if let Some(before) = beside(before) {
            found.push(before.start..range.end);
        } else if called(&row[..range.start])
            || (announced(&row[..range.start])
                && !row[range.end..]
                    .trim_start()
                    .starts_with(|c: char| c.is_alphabetic()))
        {
            // "Votre contact : Thomas", "Appelez Nathalie au …"
            found.push(range.clone());
        }
    }
    found
}

/// Whether what stands before a name announces one: "Contact : ", "Interlocutrice : ".
fn announced(before: &str) -> bool {
    before.trim_end().ends_with(':')
}

/// Whether the words just before a name ask to speak or write to its bearer: "Appelez Nathalie".
fn called(before: &str) -> bool {
    let mut from = before.len().saturating_sub(40);
    while !before.is_char_boundary(from) {
        from += 1;
    }
    let folded = fold(before[from..].trim_end());
    [
        "appelez",
        "appeler",
        "contactez",
        "contacter",
        "contactez-moi",
        "joindre",
        "aupres de",
        "demandez",
        "demander",
        "l'attention de",
        "parlez a",
        "ecrivez a",
        "ecrire a",
        "envoyer a",
        "envoyez a",
        "adresser a",
        "adressez a",
    ]
    .iter()
    .any(|words| {
        folded
            .strip_suffix(words)
            .is_some_and(|rest| !rest.ends_with(char::is_alphanumeric))
    })
}

fn words(row: &str) -> Vec<(Range<usize>, &str)> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in row.char_indices().chain([(row.len(), ' ')]) {
        let inside = c.is_alphabetic() || (start.is_some() && matches!(c, '-' | '\'' | '’'));
        match (start, inside) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                words.push((from..at, &row[from..at]));
                start = None;
            }
            _ => {}
        }
    }
    words
}

fn is_capitalised(word: &str) -> bool {
    word.chars().next().is_some_and(char::is_uppercase)
}

/// A word within a family name, folded.
fn is_particle(word: &str) -> bool {
    matches!(
        word,
        "de" | "du"
            | "des"
            | "la"
            | "le"
            | "d"
            | "van"
            | "von"
            | "der"
            | "el"
            | "ben"
            | "da"
            | "di"
            | "dos"
    )
}

/// Where the name at the start of `text` ends: up to four capitalised words and particles.
fn name_end(text: &str) -> Option<usize> {
    let mut end = None;
    let mut at = 0;
    let mut names = 0;
    for (range, word) in words(cut(text, 80)) {
        if range.start > at + 2
            || (at > 0
                && !text[at..range.start]
                    .chars()
                    .all(|c| c.is_whitespace() || c == '.'))
        {
            break;
        }
        let folded = fold(word);
        if at == 0 && TITLES.contains(&format!(" {folded} ")) {
            // "Madame LE BRETON", and not "Madame La Directrice".
            let family = is_capitalised(word)
                && is_particle(&folded)
                && words(&text[range.end..]).first().is_some_and(|(_, next)| {
                    is_capitalised(next) && !TITLES.contains(&format!(" {} ", fold(next)))
                });
            if !family {
                return None;
            }
        }
        if at == 0
            && !is_capitalised(word)
            && let Some((next, first)) = words(&text[range.end..]).first()
            && next.start <= 2
            && is_capitalised(first)
            && FIRST_NAMES.contains(fold(first).as_str())
        {
            // "Mme caron Lucie"
            return Some(range.end + next.end);
        }
        // "M. X" is anybody.
        if at == 0 && word.chars().nth(1).is_none() && text[range.end..].trim().is_empty() {
            return None;
        }
        if is_capitalised(word) {
            names += 1;
            end = Some(range.end);
        } else if !is_particle(&folded) {
            break;
        }
        at = range.end;
        if names == 4 {
            break;
        }
    }
    end
}

/// Whether one of the last three words makes what follows the name of a street or institution.
fn after_institution(before: &str) -> bool {
    let mut from = before.len().saturating_sub(48);
    while !before.is_char_boundary(from) {
        from += 1;
    }
    let folded = key(&before[from..]);
    folded
        .rsplit(' ')
        .take(3)
        .any(|word| INSTITUTIONS.contains(&format!(" {word} ")))
        && !before.trim_end().ends_with([':', '.', '\n', ',', ';'])
}

/// Whether a folded word names a kind of place or institution.
pub fn is_institution(word: &str) -> bool {
    INSTITUTIONS.contains(&format!(" {word} "))
}

/// Whether a folded word is a first name.
pub fn is_first_name(word: &str) -> bool {
    FIRST_NAMES.contains(word)
}

/// Folded full and family names of a contact field ("GH70 - Mme Sophie Martin").
pub fn contact_names(value: &str) -> Vec<String> {
    let person = match CIVILITY
        .as_ref()
        .and_then(|regex| regex.captures_iter(value).last())
    {
        Some(found) => &value[found.get(0).map_or(0, |whole| whole.end())..],
        None => value.rsplit(" - ").next().unwrap_or(value),
    };
    let parts: Vec<String> = words(person)
        .into_iter()
        .take(4)
        .map(|(_, word)| fold(word))
        .collect();
    let known = value.len() != person.len()
        || parts
            .first()
            .is_some_and(|first| FIRST_NAMES.contains(first.as_str()))
        || parts
            .last()
            .is_some_and(|last| FIRST_NAMES.contains(last.as_str()));
    if !known || parts.is_empty() {
        return Vec::new();
    }
    let mut names = vec![parts.join(" ")];
    if let [first, .., last] = parts.as_slice() {
        names.push(format!("{last} {first}"));
        names.push(last.clone());
        names.push(first.clone());
    }
    names.retain(|name| name.len() >= 3);
    names
}
