//! From what a person types to a query: stems, names of the trade, unfinished words, typing errors.
//!
//! Scores are whole numbers made of where a word stands, never of how frequent it is: the order is
//! then the same on every node, whatever its index went through.

use super::schema::{Fields, is_word};
use crate::{
    normalise,
    publish::text::{abbreviated, is_stop, stem, tolerance, words},
};
use tantivy::{
    DocSet, Score, Searcher, TERMINATED, Term,
    query::{
        AllQuery, BooleanQuery, ConstScoreQuery, DisjunctionMaxQuery, EmptyQuery, EnableScoring,
        FuzzyTermQuery, Occur, Query, TermQuery,
    },
    schema::{Field, IndexRecordOption},
};

/// Words of a search that are looked at; more say nothing new.
const MOST_WORDS: usize = 16;
/// Words of the longest name of an occupation that is looked for.
const MOST_NAME: usize = 5;
/// What a word counts as it stands, unfinished, and through a typing error.
const EXACT: Score = 4.0;
const BEGUN: Score = 3.0;
const MISSPELT: Score = 2.0;
/// A word of at most that many letters that names an occupation is its abbreviation, and no other
/// word of the same letters: "as", "es", "me".
const ABBREVIATION: usize = 4;

/// The weights of the parts of an offer.
pub struct Words<'a> {
    searcher: &'a Searcher,
    parts: [(Field, Score); 4],
}

type Boxed = Box<dyn Query>;

impl<'a> Words<'a> {
    pub fn new(searcher: &'a Searcher, fields: &Fields) -> Self {
        Self {
            searcher,
            parts: [
                (fields.head, 12.0),
                (fields.place, 8.0),
                (fields.employer, 6.0),
                (fields.text, 1.0),
            ],
        }
    }

    /// One query for each thing that `q` asks for, all of which must hold; none when it says
    /// nothing.
    pub fn queries(&self, q: &str) -> tantivy::Result<Vec<Boxed>> {
        let asked: Vec<String> = words(q)
            .into_iter()
            .filter(|word| !is_stop(word))
            .take(MOST_WORDS)
            .collect();
        let read = asked.iter().map(|word| self.meant(word));
        let read: Vec<Option<String>> = read.collect::<tantivy::Result<_>>()?;
        let meant: Vec<String> = asked
            .iter()
            .zip(&read)
            .map(|(typed, meant)| meant.as_ref().unwrap_or(typed).clone())
            .collect();
        let last = |end: usize| end == meant.len();
        let mut queries = Vec::new();
        let mut at = 0;
        while at < meant.len() {
            let name = (1..=MOST_NAME.min(meant.len() - at))
                .rev()
                .find_map(|many| {
                    let phrase = meant[at..at + many].join(" ");
                    normalise::trade_names(&phrase).map(|names| (many, names))
                });
            let end = at + name.as_ref().map_or(1, |(many, _)| *many);
            let mut ways = vec![match name {
                Some((_, names)) => self.occupation(&meant[at..end], &names, last(end))?,
                None => self.word(&meant[at], last(end))?,
            }];
            if read[at..end].iter().any(Option::is_some) {
                // As it was typed, too: it may be a word of its own.
                ways.push(self.words(&asked[at..end], last(end))?);
            }
            queries.push(best(ways));
            at = end;
        }
        Ok(queries)
    }

    /// The word of the trade that was meant by one that is near it, where offers are named by that
    /// word and none by the one that was typed.
    fn meant(&self, word: &str) -> tantivy::Result<Option<String>> {
        let Some(meant) = normalise::spelt(word) else {
            return Ok(None);
        };
        let named = |word: &str| {
            let wanted = stem(word);
            let query = self.term(&wanted, &self.parts[..3]);
            Ok::<_, tantivy::TantivyError>(is_word(&wanted) && self.any(&[query])?)
        };
        Ok((!named(word)? && named(&meant)?).then_some(meant))
    }

    /// All of `typed`.
    fn words(&self, typed: &[String], last: bool) -> tantivy::Result<Boxed> {
        let each = typed.iter().enumerate();
        let each = each.map(|(i, word)| self.word(word, last && i + 1 == typed.len()));
        Ok(all(each.collect::<tantivy::Result<_>>()?))
    }

    /// An occupation by any of its names: as it was typed anywhere, by another name in the head.
    fn occupation(&self, typed: &[String], names: &[&str], last: bool) -> tantivy::Result<Boxed> {
        let [head, place, employer, _] = self.parts;
        let mut ways: Vec<Boxed> = match typed {
            [short] if short.chars().count() <= ABBREVIATION => {
                vec![self.term(&stem(short), &[head, place, employer])]
            }
            _ => vec![self.words(typed, last)?],
        };
        for name in names {
            let stems = words(name).into_iter().filter(|word| !is_stop(word));
            let in_head = stems.map(|word| self.term(&stem(&word), &[head])).collect();
            ways.push(constant(all(in_head), head.1 * EXACT));
        }
        Ok(best(ways))
    }

    /// One word: itself, what it abbreviates, and failing both, what may be meant by an unfinished
    /// word or a typing error. The last word of a search may be unfinished.
    fn word(&self, word: &str, last: bool) -> tantivy::Result<Boxed> {
        let wanted = stem(word);
        if !is_word(&wanted) {
            return Ok(Box::new(EmptyQuery));
        }
        let mut ways = vec![self.term(&wanted, &self.parts)];
        if let Some(long) = abbreviated(word) {
            // The words of an abbreviation mean it only together, and not in running text.
            let named = &self.parts[..3];
            let long = long.map(|part| self.term(&part, named)).collect();
            ways.push(constant(all(long), self.parts[0].1 * EXACT));
        }
        let mut found = self.any(&ways)?;
        if (last || !found) && word.chars().count() >= 3 {
            let begun = self.like(&wanted, 0, BEGUN);
            found = found || self.any(std::slice::from_ref(&begun))?;
            ways.push(begun);
        }
        let slips = tolerance(word);
        if !found && slips > 0 {
            ways.push(self.like(&wanted, slips, MISSPELT));
        }
        Ok(best(ways))
    }

    /// A stem in any of `parts`; what it weighs is the sum of those in which it stands.
    fn term(&self, stem: &str, parts: &[(Field, Score)]) -> Boxed {
        any(parts
            .iter()
            .map(|(field, weight)| {
                let term = Term::from_field_text(*field, stem);
                let query = TermQuery::new(term, IndexRecordOption::Basic);
                constant(Box::new(query), weight * EXACT)
            })
            .collect())
    }

    /// Stems that begin with `wanted`, or that differ from it by at most `slips` letters.
    fn like(&self, wanted: &str, slips: u8, quarters: Score) -> Boxed {
        any(self
            .parts
            .iter()
            .map(|(field, weight)| {
                let term = Term::from_field_text(*field, wanted);
                let query = match slips {
                    0 => FuzzyTermQuery::new_prefix(term, 0, true),
                    _ => FuzzyTermQuery::new(term, slips, true),
                };
                constant(Box::new(query), weight * quarters)
            })
            .collect())
    }

    /// Whether a live vacancy answers one of the queries. Deleted ones do not count: when they go
    /// depends on the node.
    fn any(&self, queries: &[Boxed]) -> tantivy::Result<bool> {
        for query in queries {
            let weight = query.weight(EnableScoring::disabled_from_searcher(self.searcher))?;
            for segment in self.searcher.segment_readers() {
                let mut docs = weight.scorer(segment, 1.0)?;
                let alive = segment.alive_bitset();
                while docs.doc() != TERMINATED {
                    if alive.is_none_or(|alive| alive.is_alive(docs.doc())) {
                        return Ok(true);
                    }
                    docs.advance();
                }
            }
        }
        Ok(false)
    }
}

fn constant(query: Boxed, score: Score) -> Boxed {
    Box::new(ConstScoreQuery::new(query, score))
}

/// All of `queries`, their scores added up.
pub fn all(mut queries: Vec<Boxed>) -> Boxed {
    match queries.len() {
        0 => Box::new(AllQuery),
        1 => queries.remove(0),
        _ => Box::new(BooleanQuery::new(
            queries.into_iter().map(|q| (Occur::Must, q)).collect(),
        )),
    }
}

fn any(queries: Vec<Boxed>) -> Boxed {
    Box::new(BooleanQuery::new(
        queries.into_iter().map(|q| (Occur::Should, q)).collect(),
    ))
}

/// Any of `ways`, with the score of the best.
fn best(mut ways: Vec<Boxed>) -> Boxed {
    match ways.len() {
        1 => ways.remove(0),
        _ => Box::new(DisjunctionMaxQuery::new(ways)),
    }
}
