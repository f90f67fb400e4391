//! People stay private (law 6): names, mail addresses and telephone numbers in public text.
//!
//! Masks stand where the data stood, so a reader sees that something was taken out. Role addresses
//! (`recrutement@…`) stay where the member's file allows them.

use super::fold::{fold, fold_into, key};
use super::tables::Fnv;
use super::text::{Document, line};
use crate::model::{Draft, Field, Member};
use regex::Regex;
use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::ops::Range;
use std::sync::LazyLock;

pub const MAIL_MASK: &str = "[e-mail masqué]";
pub const PHONE_MASK: &str = "[téléphone masqué]";
pub const NAME_MASK: &str = "[nom masqué]";

static MAIL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)[\p{L}\p{N}][\p{L}\p{N}._%+'-]*(?:[@＠][\p{L}\p{N}][\p{L}\p{N}.-]*|(?:\s[@＠]\s|\s?[(\[{]\s?(?:at|arobase|@)\s?[)\]}]\s?|\sarobase\s)[\p{L}\p{N}][\p{L}\p{N}-]*(?:(?:\.|\s?[(\[{]\s?(?:point|dot|\.)\s?[)\]}]\s?|\s(?:point|dot)\s)[\p{L}\p{N}-]+)+)",
    )
    .ok()
});
static PHONE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?:\+|00)[ \t\n\u{a0}\u{202f}]?[0-9]{2,3}(?:[ \t\n\u{a0}\u{202f}.()/-]{0,3}[0-9]){7,11}|0[ \u{a0}]?[1-9](?:(?:[ \t\n\u{a0}\u{202f}.\-/_]{0,3}[0-9]{2}){4}|[0-9]{2}[ \u{a0}.-][0-9]{3}[ \u{a0}.-][0-9]{3}|[ \u{a0}.-][0-9]{3}[ \u{a0}.-][0-9]{3}[ \u{a0}.-][0-9]{2}|[ \u{a0}.-][0-9]{2}[ \u{a0}.-][0-9]{3}[ \u{a0}.-][0-9]{3})",
    )
    .ok()
});
/// A person's page: an address of the person all the same.
static PROFILE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:https?://)?(?:[a-z]{2,3}\.)?linkedin\.com/in/[^\s<>\x22]+").ok()
});
/// A form of address before a name. "M" needs its point; "Me" and "Maître" are too often words.
static CIVILITY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"((?:(?:M|Mr|MR|MM|Mme|MME|Mlle|MLLE|Dr|DR|Pr)\.?|M\.|Mrs?\.?|Mmes?|Mesdames|Messieurs|Monsieur|MONSIEUR|Madame|MADAME|Mademoiselle|Docteure?|DOCTEUR|Professeure?)(?:\s?/\s?(?:Mme|Mr|M\.|Madame|Monsieur))?)[\s\u{a0}]+").ok()
});

/// Words that follow a form of address and are no name.
const TITLES: &str = " sante le la les l directeur directrice president presidente responsable maire drh rh chef cheffe cadre secretaire docteur docteure professeur professeure medecin monsieur madame ou et en a au aux conseiller conseillere inspecteur recruteur recruteuse coordinateur coordinatrice gouverneur prefet administrateur administratrice candidat tout toute votre notre junior senior ";
/// Words before a name that make it that of a place or an institution.
const INSTITUTIONS: &str = " rue avenue av boulevard bd place allee allees chemin impasse quai cours square route esplanade passage hopital hopitaux clinique polyclinique centre residence residences ehpad ephad maison fondation institut college lycee ecole groupe pole site association ch chu chr gh foyer ime esat mas fam ssr usld cabinet pharmacie laboratoire creche villa domaine espace stade gymnase association parc pavillon unite saint sainte st ste epsm cmp cmpp mecs itep sessad batiment bat aile etage hotel chateau arret tour amphitheatre ";

static FIRST_NAMES: LazyLock<HashSet<&'static str, BuildHasherDefault<Fnv>>> =
    LazyLock::new(|| {
        include_str!("data/first_names.txt")
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

/// What is known of the people and rules of one draft.
#[derive(Debug, Default)]
pub struct Masker<'a> {
    member: Option<&'a Member>,
    /// Folded names of contacts that the source gives in a field, longest first.
    names: Vec<String>,
}

/// How much was masked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masked {
    pub mails: usize,
    pub phones: usize,
    pub names: usize,
}

impl Masked {
    pub fn total(self) -> usize {
        self.mails + self.phones + self.names
    }

    /// "2 e-mails, 1 téléphone, 1 nom"
    pub fn words(self) -> String {
        [
            (self.mails, "e-mail"),
            (self.phones, "téléphone"),
            (self.names, "nom"),
        ]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}{}", if *count > 1 { "s" } else { "" }))
        .collect::<Vec<_>>()
        .join(", ")
    }
}

impl<'a> Masker<'a> {
    pub fn new(draft: &Draft, member: Option<&'a Member>) -> Self {
        let employer = draft
            .value(Field::EmployerName)
            .map(key)
            .unwrap_or_default();
        let mut names = Vec::new();
        if let Some(raw) = draft.get(Field::ContactName) {
            for value in &raw.values {
                for name in contact_names(&line(value)) {
                    // A contact that is the employer itself is nobody.
                    if !employer.is_empty()
                        && (employer.contains(&name) || name.contains(&employer))
                    {
                        continue;
                    }
                    names.push(name);
                }
            }
        }
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        names.dedup();
        Self { member, names }
    }

    /// Masks a whole document, block by block, whatever tags stand in between.
    pub fn document(&self, document: &mut Document) -> Masked {
        let mut masked = Masked::default();
        for block in &mut document.blocks {
            let text = block.text();
            let edits = self.edits(&text, &mut masked);
            if !edits.is_empty() {
                block.replace(&edits);
            }
            for run in &mut block.runs {
                if run
                    .href
                    .as_deref()
                    .is_some_and(|href| !addresses(href).is_empty())
                {
                    run.href = None;
                }
            }
        }
        masked
    }

    /// Masks one line.
    pub fn line(&self, text: &str, masked: &mut Masked) -> String {
        self.changed(text, masked)
            .unwrap_or_else(|| text.to_owned())
    }

    /// The masked line, where anything had to be masked.
    pub fn changed(&self, text: &str, masked: &mut Masked) -> Option<String> {
        let edits = self.edits(text, masked);
        if edits.is_empty() {
            return None;
        }
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for (range, mask) in edits {
            out.push_str(&text[at..range.start]);
            out.push_str(&mask);
            at = range.end;
        }
        out.push_str(&text[at..]);
        Some(out)
    }

    fn edits(&self, text: &str, masked: &mut Masked) -> Vec<(Range<usize>, String)> {
        let mut found: Vec<(Range<usize>, &str)> = Vec::new();
        if may_hold_mail(text) {
            for mail in MAIL.iter().flat_map(|regex| regex.find_iter(text)) {
                if !role_allowed(mail.as_str(), self.member) {
                    found.push((mail.range(), MAIL_MASK));
                }
            }
        }
        for phone in phones(text) {
            found.push((phone, PHONE_MASK));
        }
        if text.contains("/in/") {
            let profiles = PROFILE.iter().flat_map(|regex| regex.find_iter(text));
            found.extend(profiles.map(|found| (found.range(), NAME_MASK)));
        }
        for name in self.people(text) {
            found.push((name, NAME_MASK));
        }
        found.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let mut edits: Vec<(Range<usize>, String)> = Vec::new();
        for (range, mask) in found {
            if let Some((last, _)) = edits.last_mut()
                && range.start < last.end
            {
                // What overlaps goes under the same mask.
                last.end = last.end.max(range.end);
                continue;
            }
            match mask {
                MAIL_MASK => masked.mails += 1,
                PHONE_MASK => masked.phones += 1,
                _ => masked.names += 1,
            }
            edits.push((range, mask.to_owned()));
        }
        edits
    }

    fn people(&self, text: &str) -> Vec<Range<usize>> {
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
        if !self.names.is_empty() {
            let folded = fold(text);
            for name in &self.names {
                for (at, _) in folded.match_indices(name.as_str()) {
                    let free = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
                    if free(folded[..at].chars().next_back())
                        && free(folded[at + name.len()..].chars().next())
                    {
                        let start = super::fold::source_offset(text, at);
                        let end = super::fold::source_offset(text, at + name.len());
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
        } else if announced(&row[..range.start])
            && !row[range.end..]
                .trim_start()
                .starts_with(|c: char| c.is_alphabetic())
        {
            // "Votre contact : Thomas"
            found.push(range.clone());
        }
    }
    found
}

/// Whether what stands before a name announces one: "Contact : ", "Interlocutrice : ".
fn announced(before: &str) -> bool {
    before.trim_end().ends_with(':')
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
    for (range, word) in words(super::record::cut(text, 80)) {
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

/// Folded full and family names of a contact field ("GH70 - Mme Sophie Martin").
fn contact_names(value: &str) -> Vec<String> {
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

fn phones(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    // The shortest number has nine digits.
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    PHONE
        .iter()
        .filter(move |_| digits >= 9)
        .flat_map(move |regex| regex.find_iter(text))
        .filter(|found| {
            let next = text[found.end()..].chars().next();
            let number = found.as_str();
            let before = &text[..found.start()];
            match before.chars().next_back() {
                Some(c) if c.is_ascii_digit() => return false,
                // "REF0612345678" is no telephone; "Mme X06 12 34 56 78" ends with one.
                Some(c)
                    if c.is_alphabetic() && number.bytes().all(|byte| byte.is_ascii_digit()) =>
                {
                    return false;
                }
                _ => {}
            }
            if next.is_some_and(|c| c.is_ascii_digit()) {
                return false;
            }
            // "2025-0612345678" is a reference.
            let tail = before.as_bytes();
            if let [.., joined, b'-' | b'_'] = tail
                && joined.is_ascii_digit()
                && number.bytes().all(|byte| byte.is_ascii_digit())
            {
                return false;
            }
            if number.starts_with(['+']) || number.starts_with("00") {
                return true;
            }
            // A date and an hour ("01/09/2025 08") have groups of several lengths and signs.
            let groups: Vec<&str> = number
                .split(|c: char| !c.is_ascii_digit())
                .filter(|group| !group.is_empty())
                .collect();
            let slashes = number.matches('/').count();
            let year = groups.iter().skip(1).any(|group| {
                group.len() == 4 && (group.starts_with("19") || group.starts_with("20"))
            });
            let clear = groups.len() == 1 || groups.iter().all(|group| group.len() <= 3) || !year;
            clear
                && (slashes == 0 || slashes == groups.len() - 1)
                && !(groups.len() > 1 && groups.len() < 4 && slashes > 0)
        })
        .map(|found| found.range())
}

pub fn has_phone(text: &str) -> bool {
    text.contains(PHONE_MASK) || phones(text).next().is_some()
}

/// Whether a text has a sign of an address: "@", or "at" and the like in brackets.
fn may_hold_mail(text: &str) -> bool {
    text.contains(['@', '＠'])
        || text.contains("arobase")
        || (text.contains(['(', '[', '{'])
            && text.match_indices(['(', '[', '{']).any(|(at, _)| {
                let inside = text[at + 1..].trim_start().as_bytes();
                ["at", "arobase"].iter().any(|word| {
                    inside
                        .get(..word.len())
                        .is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
                })
            }))
}

/// The mail addresses in a text, in lower case, put together where they were spelt apart.
pub fn addresses(text: &str) -> Vec<String> {
    if !may_hold_mail(text) {
        return Vec::new();
    }
    MAIL.iter()
        .flat_map(|regex| regex.find_iter(text))
        .filter_map(|found| plain_address(found.as_str()))
        .collect()
}

fn plain_address(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let at = lower.find(['@', '＠', '(', '[', '{'])?;
    let local = lower[..at].trim();
    let domain =
        lower[at..].trim_start_matches(|c: char| !matches!(c, ')' | ']' | '}' | '@' | '＠'));
    let domain = domain
        .trim_start_matches(|c: char| !c.is_alphanumeric())
        .trim_end_matches('.');
    (!local.is_empty() && domain.contains('.') && !domain.contains(' '))
        .then(|| format!("{local}@{domain}"))
}

/// Words that a role's address is made of; a person's is not.
const ROLES: [&str; 30] = [
    "recrutement",
    "recrutements",
    "recruitment",
    "recrute",
    "recruteur",
    "rh",
    "drh",
    "grh",
    "srh",
    "emploi",
    "emplois",
    "job",
    "jobs",
    "candidature",
    "candidatures",
    "contact",
    "accueil",
    "info",
    "infos",
    "secretariat",
    "direction",
    "mobilite",
    "carriere",
    "carrieres",
    "talents",
    "ressourceshumaines",
    "ressources",
    "humaines",
    "personnel",
    "stages",
];

/// Whether the member lets this address be published: named as it is, or by `*@domain` when it is
/// a role's.
pub fn role_allowed(address: &str, member: Option<&Member>) -> bool {
    let (Some(member), Some(address)) = (member, plain_address(address)) else {
        return false;
    };
    let Some((local, domain)) = address.split_once('@') else {
        return false;
    };
    let is_role = fold(local)
        .split(|c: char| !c.is_alphanumeric())
        .any(|part| ROLES.contains(&part.trim_end_matches(|c: char| c.is_ascii_digit())));
    member.privacy.role_addresses.iter().any(|pattern| {
        let pattern = pattern.to_lowercase();
        match pattern.split_once('@') {
            Some(("*", wanted)) => wanted == domain && is_role,
            Some((wanted, "*" | "…")) => wanted == local,
            _ => pattern == address,
        }
    })
}

/// A value for a finding, with nobody in it.
pub fn shown(value: &str) -> String {
    Masker::default().line(&line(value), &mut Masked::default())
}

#[cfg(test)]
mod tests;
