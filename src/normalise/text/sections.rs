//! The parts that ads mark with a heading: tasks, profile, benefits, employer, how to apply.

use super::super::fold::key;
use super::super::record::cut;
use super::super::tables;
use super::{Block, Document, Kind};
use crate::model::{Section, SectionKind};
use std::sync::LazyLock;

/// The longest heading shown, in characters.
const HEADING: usize = 80;
/// Sections of one ad that are told at most.
const MOST: usize = 30;

#[derive(serde::Deserialize)]
struct Row {
    section: SectionKind,
    words: String,
}

/// First words of headings, folded, the longest first.
static MARKS: LazyLock<Vec<Row>> = LazyLock::new(|| {
    let mut rows: Vec<Row> = tables::rows(include_bytes!("../data/sections.csv"));
    rows.sort_by_key(|row| std::cmp::Reverse(row.words.len()));
    rows
});

/// The marked sections, in the order of the text. A text without marks has none.
pub fn sections(document: &Document) -> Vec<Section> {
    document
        .blocks
        .iter()
        .flat_map(marks)
        .take(MOST)
        .map(|(_, kind, line)| Section {
            kind,
            heading: cut(line.trim(), HEADING).to_owned(),
        })
        .collect()
}

/// Of each block whether it tells of the employer, where that is marked.
pub fn of_employer(document: &Document) -> Vec<bool> {
    let mut within = false;
    let mut out = Vec::with_capacity(document.blocks.len());
    for block in &document.blocks {
        let marks = marks(block);
        if let Some((0, kind, _)) = marks.first() {
            within = *kind == SectionKind::Employer;
        }
        out.push(within);
        if let Some((_, kind, _)) = marks.last() {
            within = *kind == SectionKind::Employer;
        }
    }
    out
}

/// The lines of a block that are headings of a section, with their number in it.
fn marks(block: &Block) -> Vec<(usize, SectionKind, String)> {
    let is_heading = matches!(block.kind, Kind::Heading(_));
    let strong = block.runs.iter().all(|run| run.strong);
    let length: usize = block.runs.iter().map(|run| run.text.len()).sum();
    // A long paragraph without a line's end has no heading in it.
    if length >= LINE && !is_heading && !block.runs.iter().any(|run| run.text.contains('\n')) {
        return Vec::new();
    }
    let text = block.text();
    text.split('\n')
        .enumerate()
        .filter(|(_, line)| {
            is_heading
                || (line.len() < LINE
                    && (strong
                        || line.trim_end().ends_with(':')
                        || !line.contains(char::is_lowercase)))
        })
        .filter_map(|(number, line)| Some((number, kind_of(&key(line))?, line.to_owned())))
        .collect()
}

/// The longest line that is a heading by its form alone, in bytes.
const LINE: usize = 60;

fn kind_of(heading: &str) -> Option<SectionKind> {
    MARKS
        .iter()
        .find(|row| {
            heading
                .strip_prefix(row.words.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })
        .map(|row| row.section)
}
