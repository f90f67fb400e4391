//! The document model and its two renderings.

use std::fmt::Write as _;

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Paragraph,
    /// 3 or 4: a description stands under the page's own headings.
    Heading(u8),
    /// `depth` begins at 1.
    Item {
        ordered: bool,
        depth: u8,
    },
}

/// A stretch of text in one style. Line breaks are `\n` in the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    pub text: String,
    pub strong: bool,
    pub em: bool,
    /// An absolute http or https address.
    pub href: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub kind: Kind,
    pub runs: Vec<Run>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    pub blocks: Vec<Block>,
    /// Whether something was cut for its length.
    pub cut: bool,
}

impl Block {
    pub fn text(&self) -> String {
        self.runs.iter().map(|run| run.text.as_str()).collect()
    }

    /// Replaces byte ranges of [`Block::text`] (sorted, disjoint), over the bounds of runs.
    pub fn replace(&mut self, edits: &[(std::ops::Range<usize>, String)]) {
        let mut start = 0;
        for run in &mut self.runs {
            let end = start + run.text.len();
            let mut out = String::with_capacity(run.text.len());
            let mut at = start;
            for (range, with) in edits {
                if range.end <= start || range.start >= end {
                    continue;
                }
                let from = range.start.max(start);
                out.push_str(&run.text[at - start..from - start]);
                if range.start >= start {
                    out.push_str(with);
                }
                at = range.end.min(end);
            }
            out.push_str(&run.text[at.min(end) - start..]);
            run.text = out;
            start = end;
        }
        self.settle();
    }

    /// Runs as a parser of their HTML would find them: neighbours of one style are one run, and the
    /// blank between two styles stands outside of them.
    fn settle(&mut self) {
        let mut settled: Vec<Run> = Vec::with_capacity(self.runs.len());
        for mut run in std::mem::take(&mut self.runs) {
            if run.text.is_empty() {
                continue;
            }
            if let Some(last) = settled.last_mut() {
                let styled = |run: &Run| run.strong || run.em || run.href.is_some();
                if last.strong == run.strong && last.em == run.em && last.href == run.href {
                    last.text.push_str(&run.text);
                    continue;
                }
                if styled(&run)
                    && !styled(last)
                    && let Some(blank) = run.text.chars().next().filter(|c| c.is_whitespace())
                {
                    run.text.drain(..blank.len_utf8());
                    if !last.text.ends_with(char::is_whitespace) {
                        last.text.push(blank);
                    }
                    if run.text.is_empty() {
                        continue;
                    }
                }
            }
            settled.push(run);
        }
        self.runs = settled;
    }
}

impl Document {
    /// Safe HTML of p, h3, h4, ul, ol, li, br, strong, em and a.
    pub fn html(&self) -> String {
        let mut out = String::new();
        // Open lists, outermost first; each holds one open item.
        let mut lists: Vec<bool> = Vec::new();
        for block in &self.blocks {
            match block.kind {
                Kind::Item { ordered, depth } => {
                    let depth = usize::from(depth.max(1)).min(lists.len() + 1);
                    while lists.len() > depth
                        || (lists.len() == depth && lists[depth - 1] != ordered)
                    {
                        close_list(&mut lists, &mut out);
                    }
                    if lists.len() == depth {
                        out.push_str("</li>");
                    } else {
                        out.push_str(if ordered { "<ol>" } else { "<ul>" });
                        lists.push(ordered);
                    }
                    out.push_str("<li>");
                    runs(&block.runs, &mut out);
                }
                Kind::Paragraph => {
                    close_lists(&mut lists, &mut out);
                    out.push_str("<p>");
                    runs(&block.runs, &mut out);
                    out.push_str("</p>");
                }
                Kind::Heading(level) => {
                    close_lists(&mut lists, &mut out);
                    let _ = write!(out, "<h{level}>");
                    runs(&block.runs, &mut out);
                    let _ = write!(out, "</h{level}>");
                }
            }
        }
        close_lists(&mut lists, &mut out);
        out
    }

    /// Plain text: blocks apart by an empty line, items of a list by a line each.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut before: Option<Kind> = None;
        let mut numbers: Vec<u32> = Vec::new();
        for block in &self.blocks {
            let tight = matches!(
                (before, block.kind),
                (Some(Kind::Item { .. }), Kind::Item { .. })
            );
            if before.is_some() {
                out.push_str(if tight { "\n" } else { "\n\n" });
            }
            if let Kind::Item { ordered, depth } = block.kind {
                let depth = usize::from(depth.max(1));
                if !tight {
                    numbers.clear();
                }
                numbers.resize(depth, 0);
                if let Some(number) = numbers.last_mut() {
                    *number += 1;
                    for _ in 1..depth {
                        out.push_str("  ");
                    }
                    if ordered {
                        let _ = write!(out, "{number}. ");
                    } else {
                        out.push_str("- ");
                    }
                }
            }
            for run in &block.runs {
                out.push_str(&run.text);
            }
            before = Some(block.kind);
        }
        out
    }

    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }
}

fn close_list(lists: &mut Vec<bool>, out: &mut String) {
    if let Some(ordered) = lists.pop() {
        out.push_str(if ordered { "</li></ol>" } else { "</li></ul>" });
    }
}

fn close_lists(lists: &mut Vec<bool>, out: &mut String) {
    while !lists.is_empty() {
        close_list(lists, out);
    }
}

fn runs(runs: &[Run], out: &mut String) {
    for run in runs {
        if let Some(href) = &run.href {
            out.push_str("<a href=\"");
            escape(href, out);
            out.push_str("\" rel=\"nofollow noopener noreferrer\">");
        }
        if run.strong {
            out.push_str("<strong>");
        }
        if run.em {
            out.push_str("<em>");
        }
        for (index, text) in run.text.split('\n').enumerate() {
            if index > 0 {
                out.push_str("<br>");
            }
            escape(text, out);
        }
        if run.em {
            out.push_str("</em>");
        }
        if run.strong {
            out.push_str("</strong>");
        }
        if run.href.is_some() {
            out.push_str("</a>");
        }
    }
}

fn escape(text: &str, out: &mut String) {
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let written = match byte {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        out.push_str(written);
        from = at + 1;
    }
    out.push_str(&text[from..]);
}
