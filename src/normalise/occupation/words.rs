//! Titles as lists of stems: inclusive forms reduced, small words left out.

use super::super::fold::{fold, pattern, stem};
use regex::Regex;
use std::sync::LazyLock;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub stem: String,
    /// Which part of the title it stands in: parts end at " - ", commas, brackets and slashes.
    pub part: usize,
}

/// "infirmier.ère", "soignant(e)s", "éducateur·rice", "agent-e" on folded text.
static INCLUSIVE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"([a-z]{2,})(?:\s?\(-?|[./·•\-]-?|\s/\s?-)(?:e|iere|ere|re|ne|enne|ienne|rice|trice|ice|euse|se|te|le|lle|elle|ve|ive|teuse|es|eres|nes|rices|trices|euses)\b\)?(?:[.·\-]?s\b)?",
    )
});

/// Words that say nothing of the occupation.
const SMALL: &str = " d de du des en la le les l un une et ou a au aux pour dans sur avec par h f x m w the of and poste postes apprenti apprentis alternance alternant alternante contrat apprentissage stage stagiaire etat diplome diplomee diplomes jeune profil futur future cdi cdd interim vacation remplacant remplacante remplacement ";

/// The tokens of a title, at most 40.
pub fn tokens(title: &str) -> Vec<Token> {
    let folded = fold(title);
    let reduced = match INCLUSIVE.as_ref() {
        Some(regex) if folded.contains(['(', '.', '/', '·', '•', '-']) => {
            regex.replace_all(&folded, "$1").into_owned()
        }
        _ => folded,
    };
    let mut out: Vec<Token> = Vec::new();
    let mut part = 0;
    let mut word = String::new();
    let mut before = ' ';
    for c in reduced.chars().chain([' ']) {
        if c.is_alphanumeric() {
            word.push(c);
        } else {
            push(&mut word, part, &mut out);
            if matches!(c, ',' | '(' | ')' | '/' | '|' | ':' | ';' | '[')
                || (c == '-' && before == ' ')
            {
                part += 1;
            }
        }
        before = c;
        if out.len() >= 40 {
            break;
        }
    }
    out
}

/// Everyday short forms and what the labels write.
const SHORT: [(&str, &str); 12] = [
    ("auto", "automobile"),
    ("autos", "automobile"),
    ("pl", "poids-lourds"),
    ("resp", "responsable"),
    ("tech", "technicien"),
    ("dev", "developpeur"),
    ("java", "informatique"),
    ("php", "informatique"),
    ("info", "informatique"),
    ("compta", "comptable"),
    ("elec", "electricien"),
    ("meca", "mecanicien"),
];

fn push(word: &mut String, part: usize, out: &mut Vec<Token>) {
    if !word.is_empty() && !SMALL.contains(&format!(" {word} ")) {
        let word = SHORT
            .iter()
            .find(|(short, _)| short == word)
            .map_or(word.as_str(), |(_, long)| long);
        // "ase", "ide": what a short word loses may be all that it says.
        let stem = match stem(word) {
            short if short.len() < 3 && short.len() < word.len() => {
                word.trim_end_matches('s').to_owned()
            }
            stem => stem,
        };
        // "Infirmier / Infirmière", "Educateur Educatrice": one word in two genders.
        if out.last().is_none_or(|last| last.stem != stem) {
            out.push(Token { stem, part });
        }
    }
    word.clear();
}
