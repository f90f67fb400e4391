//! Parsers that stream records out of a document and prove that the document was whole.
//!
//! Each one cuts the byte stream into records first and reads each record on its own, so that a
//! broken record is one record's problem, and memory holds one record at a time.
//! **Invariant:** [`Wholeness::Whole`] is said only of a document whose end was seen: cutting one
//! anywhere gives something else.

mod csv;
mod html;
mod json;
mod sheet;
mod window;
mod xml;
mod zips;

pub use self::html::{is_valid as is_html_find, values as html_find, values_of as html_values};
pub use self::json::mended as mended_json;
pub use self::xml::tree as xml_tree;

use super::text::{Decoding, Plain};
use crate::pull::connector::file::{CsvTable, HtmlTable, Kind};
use crate::pull::recall::{Digest, Known, Recall, digest};
use serde_json::Value;
use std::io::{self, Read};
use std::sync::Arc;
use window::Window;

/// What a parser hands over, one by one.
#[derive(Debug)]
pub enum Item {
    Record(Record),
    /// One that [`Plan::recall`] knows.
    Known(Arc<Known>),
    /// Raw text cut at 4 kB, and why it could not be read.
    Broken {
        raw: String,
        why: String,
    },
}

/// A record's tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub tree: Value,
    /// What it can be recalled by, where it stands in the document by itself.
    pub digest: Option<Digest>,
}

impl From<Value> for Record {
    fn from(tree: Value) -> Self {
        Self { tree, digest: None }
    }
}

/// What the end of the document proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wholeness {
    Whole,
    /// It broke off, or could not be read on.
    Cut(String),
    /// It is no document of this kind, or has no list of records.
    Alien(String),
}

/// How a parse ended.
#[derive(Debug)]
pub struct ParseEnd {
    pub wholeness: Wholeness,
    /// The document without its records: totals, links to the next page. Large parts are left out.
    pub envelope: Value,
    /// Items that were handed over.
    pub items: u64,
}

/// What to read.
#[derive(Clone, Debug)]
pub struct Plan {
    pub kind: Kind,
    /// Keys that lead to the list of records, alternatives in order; an empty one is the root.
    pub paths: Vec<Vec<String>>,
    pub csv: CsvTable,
    pub html: HtmlTable,
    /// What the connector pins or the transport declares.
    pub encoding: Option<String>,
    /// Largest record, in bytes.
    pub record_bytes: usize,
    /// Records that need not be read again.
    pub recall: Option<Arc<Recall>>,
}

impl Plan {
    /// The digest of a record's bytes, and what is known by it.
    fn recalled(&self, decoding: Decoding, bytes: &[u8]) -> (Option<Digest>, Option<Arc<Known>>) {
        let Some(recall) = &self.recall else {
            return (None, None);
        };
        let digest = digest(decoding.name(), bytes);
        (Some(digest), recall.get(&digest).cloned())
    }
}

/// Takes items; `false` ends the parse.
pub type Take<'t> = dyn FnMut(Item) -> bool + 't;

/// Whether a single object that stands where a list was expected is a record.
pub type IsRecord<'t> = dyn Fn(&Value) -> bool + 't;

/// Reads one document to its end. Never panics, whatever the bytes.
pub fn parse(
    input: impl Read,
    plan: &Plan,
    is_record: &IsRecord<'_>,
    take: &mut Take<'_>,
) -> ParseEnd {
    if matches!(plan.kind, Kind::Xlsx | Kind::Ods) {
        return sheet::parse(input, plan, take);
    }
    let decoding = plan
        .encoding
        .as_deref()
        .and_then(Decoding::named)
        .unwrap_or_default();
    if plan.kind == Kind::Html {
        return html::parse(Plain::new(input), plan, decoding, take);
    }
    if plan.kind == Kind::Zips {
        let mut window = Window::new(input);
        return zips::parse(&mut window, plan, decoding, is_record, take);
    }
    let mut window = Window::new(Plain::new(input));
    let mut end = match plan.kind {
        Kind::Json => json::parse(&mut window, plan, decoding, is_record, take),
        Kind::Xml | Kind::Rss | Kind::Atom => xml::parse(&mut window, plan, decoding, take),
        _ => csv::parse(&mut window, plan, decoding, take),
    };
    // A parse that stops early must not call the document whole.
    if end.wholeness == Wholeness::Whole && window.failed() {
        end.wholeness = Wholeness::Cut("the transfer broke off".to_owned());
    }
    end
}

/// Why a scan stopped.
#[derive(Debug)]
enum Stop {
    /// The bytes ended or the transfer broke.
    Cut(String),
    /// The bytes are not what they should be.
    Bad(String),
    /// The taker has had enough.
    Enough,
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Cut(error.to_string())
    }
}

impl Stop {
    fn wholeness(self, at: u64, items: u64) -> Wholeness {
        match self {
            Self::Cut(why) => Wholeness::Cut(format!("it broke off after {at} bytes: {why}")),
            Self::Bad(why) if items == 0 => Wholeness::Alien(format!("at byte {at}: {why}")),
            Self::Bad(why) => Wholeness::Cut(format!("it cannot be read on at byte {at}: {why}")),
            Self::Enough => Wholeness::Cut("the reading was stopped".to_owned()),
        }
    }
}

/// The start of a broken record, for people.
fn excerpt(decoding: Decoding, bytes: &[u8]) -> String {
    decoding.text(&bytes[..bytes.len().min(4096)]).into_owned()
}

/// Depth beyond which a tree is refused.
const MAX_DEPTH: usize = 100;

/// Parts of the envelope that are kept.
const ENVELOPE_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests;
