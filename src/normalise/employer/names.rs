//! The network's members under any of their names and numbers.

use super::super::fold::{key, stem};
use super::super::occupation::is_word_of_titles;
use super::super::place::gazetteer;
use super::super::privacy::is_first_name;
use super::super::register::name_key;
use super::numbers::digits;
use crate::model::{MemberId, Network};
use aho_corasick::{AhoCorasick, MatchKind};
use std::collections::HashMap;

/// The names and numbers of a network's members, folded; made once a network.
#[derive(Debug, Default)]
pub struct Names {
    /// By [`forms`] of the name.
    by_name: HashMap<String, Known>,
    pub by_number: HashMap<String, Known>,
    /// Names that may be looked for in running text, with what they stand for.
    in_text: Option<AhoCorasick>,
    text_names: Vec<(String, Known)>,
    /// Names of one word, as they are written with capitals: "GHMS", "Eliad", "ELIAD".
    with_capitals: Option<AhoCorasick>,
    words: Vec<(String, Known)>,
}

/// The shortest name of one word that a text is searched for, in characters.
const LEAST_WORD: usize = 4;

/// A member, and the establishment of it that a name or number is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub member: MemberId,
    pub establishment: Option<String>,
}

impl Names {
    pub fn of(network: &Network) -> Self {
        let mut names = Self::default();
        for (id, member) in &network.members {
            let own = Known {
                member: id.clone(),
                establishment: None,
            };
            for name in std::iter::once(&member.name).chain(&member.aliases) {
                names.name(name, &own);
            }
            for number in member.siret.iter().chain(&member.finess) {
                names.by_number.insert(digits(number), own.clone());
            }
            for establishment in &member.establishments {
                let known = Known {
                    member: id.clone(),
                    establishment: Some(establishment.name.clone()),
                };
                for name in std::iter::once(&establishment.name).chain(&establishment.aliases) {
                    names.name(name, &known);
                }
                for number in establishment.siret.iter().chain(&establishment.finess) {
                    names.by_number.insert(digits(number), known.clone());
                }
            }
        }
        names.in_text = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(names.text_names.iter().map(|(name, _)| name.as_str()))
            .ok();
        names.with_capitals = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(names.words.iter().map(|(word, _)| word.as_str()))
            .ok();
        names
    }

    fn name(&mut self, name: &str, known: &Known) {
        let folded = key(name);
        if folded.is_empty() {
            return;
        }
        for form in forms(name) {
            self.by_name.entry(form).or_insert_with(|| known.clone());
        }
        // A name of one word is a word of the language too often, unless it has a digit: "Préférence".
        let telling = folded.contains(' ') || folded.bytes().any(|byte| byte.is_ascii_digit());
        if telling && folded.len() >= 4 {
            self.text_names.push((folded, known.clone()));
        } else if !folded.contains(' ')
            && folded.len() >= LEAST_WORD
            && name.starts_with(char::is_uppercase)
            && !is_ordinary(&folded)
        {
            // Capitals lose their accents in ads.
            let plain = folded.to_uppercase();
            for word in [name.to_owned(), name.to_uppercase(), plain] {
                if !self.words.iter().any(|(other, _)| *other == word) {
                    self.words.push((word, known.clone()));
                }
            }
        }
    }

    /// Whether there is anything to look for in a text.
    pub fn is_empty(&self) -> bool {
        self.text_names.is_empty() && self.words.is_empty()
    }

    /// The one member that a text names, in whatever writing; none where it names two.
    pub fn in_text(&self, text: &str) -> Option<(&str, &Known)> {
        let in_words = self.all_in_words(&key(text));
        one(in_words.into_iter().chain(self.all_with_capitals(text)))
    }

    /// Names of one word with their capitals, not where any word would have one.
    fn all_with_capitals(&self, text: &str) -> Vec<(&str, &Known)> {
        let free = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        self.with_capitals
            .iter()
            .flat_map(|automaton| automaton.find_iter(text))
            .filter(|hit| {
                let before = &text[..hit.start()];
                let shouted = !text[hit.range()].contains(char::is_lowercase);
                let last = before.trim_end_matches([' ', '\u{a0}']).chars().next_back();
                let begins = last
                    .is_none_or(|c| !c.is_alphanumeric() && !matches!(c, ',' | '\'' | '’' | '('));
                free(before.chars().next_back())
                    && free(text[hit.end()..].chars().next())
                    && (shouted || !begins)
            })
            .map(|hit| {
                let (word, known) = &self.words[hit.pattern().as_usize()];
                (word.as_str(), known)
            })
            .collect()
    }

    /// The member that `name` is, exactly or with more words around ("GH70 - site de Lure").
    pub fn find(&self, name: &str) -> Option<(&Known, &'static str, f64)> {
        if let Some(known) = forms(name).find_map(|form| self.by_name.get(&form)) {
            return Some((known, "employer.name", 0.97));
        }
        let (_, known) = self.in_words(&key(name))?;
        Some((known, "employer.name_within", 0.9))
    }

    /// The one member named in folded text; none where two members are.
    fn in_words(&self, folded: &str) -> Option<(&str, &Known)> {
        one(self.all_in_words(folded).into_iter())
    }

    fn all_in_words(&self, folded: &str) -> Vec<(&str, &Known)> {
        let bytes = folded.as_bytes();
        let free = |at: Option<&u8>| at.is_none_or(|byte| *byte == b' ');
        self.in_text
            .iter()
            .flat_map(|automaton| automaton.find_iter(folded))
            .filter(|hit| {
                free(hit.start().checked_sub(1).and_then(|at| bytes.get(at)))
                    && free(bytes.get(hit.end()))
            })
            .map(|hit| {
                let (name, known) = &self.text_names[hit.pattern().as_usize()];
                (name.as_str(), known)
            })
            .collect()
    }
}

/// The one member of all that was found, by its establishment before its own name; none where two
/// members are named.
fn one<'a>(hits: impl Iterator<Item = (&'a str, &'a Known)>) -> Option<(&'a str, &'a Known)> {
    let mut found: Option<(&str, &Known)> = None;
    for (name, known) in hits {
        match found {
            Some((_, other)) if other.member != known.member => return None,
            Some((_, other)) if other.establishment.is_some() => {}
            _ => found = Some((name, known)),
        }
    }
    found
}

/// The forms under which a whole name is known: folded; as registers shorten it, small words left
/// out ("ASS HYGIENE SOCIALE"); and, of an acronym, without its points and blanks ("G.H. 70").
fn forms(name: &str) -> impl Iterator<Item = String> {
    let folded = key(name);
    let joined = folded.replace(' ', "");
    let acronym = joined.len() <= ACRONYM && (joined.len() >= LEAST_WORD || folded == joined);
    let short = Some(name_key(name)).filter(|short| short.len() >= LEAST_WORD);
    [Some(folded), short, acronym.then_some(joined)]
        .into_iter()
        .flatten()
        .filter(|form| !form.is_empty())
}

/// The longest name that is compared without its blanks, in characters.
const ACRONYM: usize = 8;

/// Whether a folded word is one of the language, a town or a first name: it may begin a sentence.
fn is_ordinary(word: &str) -> bool {
    is_word_of_titles(&stem(word))
        || !gazetteer().folded_name(word).is_empty()
        || is_first_name(word)
}
