//! The network's members under any of their names and numbers.

use super::super::fold::key;
use super::numbers::digits;
use crate::model::{MemberId, Network};
use aho_corasick::{AhoCorasick, MatchKind};
use std::collections::HashMap;

/// The names and numbers of a network's members, folded; made once a network.
#[derive(Debug, Default)]
pub struct Names {
    by_name: HashMap<String, Known>,
    pub by_number: HashMap<String, Known>,
    /// Names that may be looked for in running text, with what they stand for.
    in_text: Option<AhoCorasick>,
    pub text_names: Vec<(String, Known)>,
}

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
        names
    }

    fn name(&mut self, name: &str, known: &Known) {
        let folded = key(name);
        if folded.is_empty() {
            return;
        }
        self.by_name
            .entry(folded.clone())
            .or_insert_with(|| known.clone());
        // A short or one-word name is a word of the language too often, unless it has a digit.
        let telling = folded.contains(' ')
            || folded.len() >= 9
            || folded.bytes().any(|byte| byte.is_ascii_digit());
        if telling && folded.len() >= 4 {
            self.text_names.push((folded, known.clone()));
        }
    }

    /// The member that `name` is, exactly or with more words around ("GH70 - site de Lure").
    pub fn find(&self, name: &str) -> Option<(&Known, &'static str, f64)> {
        let folded = key(name);
        if let Some(known) = self.by_name.get(&folded) {
            return Some((known, "employer.name", 0.97));
        }
        let (_, known) = self.in_words(&folded)?;
        Some((known, "employer.name_within", 0.9))
    }

    /// The one member named in folded text; none where two members are.
    pub fn in_words(&self, folded: &str) -> Option<(&str, &Known)> {
        let bytes = folded.as_bytes();
        let mut found: Option<(&str, &Known)> = None;
        for hit in self.in_text.as_ref()?.find_iter(folded) {
            let free = |at: Option<&u8>| at.is_none_or(|byte| *byte == b' ');
            if !free(hit.start().checked_sub(1).and_then(|at| bytes.get(at)))
                || !free(bytes.get(hit.end()))
            {
                continue;
            }
            let (name, known) = &self.text_names[hit.pattern().as_usize()];
            match found {
                Some((_, other)) if other.member != known.member => return None,
                Some((_, other)) if other.establishment.is_some() => {}
                _ => found = Some((name, known)),
            }
        }
        found
    }
}
