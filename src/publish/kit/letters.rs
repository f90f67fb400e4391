//! The card's letters: how wide a text is, where its lines break, and the picture at the end.
//!
//! **Invariants:** only the letters that are part of the program are used, so that a card is the
//! same on every machine; a card reads no file and no address.

use anyhow::{Context as _, ensure};
use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{self, ImageHrefResolver, Node, Tree, fontdb},
};
use serde::Serialize;
use std::{fmt::Write as _, sync::Arc};
use unicode_normalization::UnicodeNormalization as _;

/// What LinkedIn shows a shared page with.
pub const WIDTH: u32 = 1200;
pub const HEIGHT: u32 = 627;
const FAMILY: &str = "Open Sans";
/// From one line to the next, in sizes.
const LEADING: f32 = 1.15;
/// Characters that are looked at; a card has no room for as many.
const MOST: usize = 600;

static FONTS: [&[u8]; 2] = [
    include_bytes!("../../../connectors/kit/fonts/OpenSans-Regular.ttf"),
    include_bytes!("../../../connectors/kit/fonts/OpenSans-Bold.ttf"),
];

/// Fonts, and how SVG is read.
pub struct TypeSetter(usvg::Options<'static>);

/// A text in its lines.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fitted {
    pub lines: Vec<String>,
    pub size: f32,
    /// Of the widest line, and of all lines together.
    pub width: f32,
    pub height: f32,
    /// Nothing was left out.
    pub whole: bool,
}

/// The box for a text.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub width: f32,
    pub height: f32,
    /// The largest and the smallest size.
    pub from: f32,
    pub to: f32,
    pub lines: usize,
    pub bold: bool,
}

impl TypeSetter {
    pub fn new() -> Self {
        let mut fonts = fontdb::Database::new();
        for font in FONTS {
            fonts.load_font_data(font.to_vec());
        }
        fonts.set_sans_serif_family(FAMILY);
        fonts.set_serif_family(FAMILY);
        Self(usvg::Options {
            font_family: FAMILY.into(),
            fontdb: Arc::new(fonts),
            image_href_resolver: ImageHrefResolver {
                resolve_data: ImageHrefResolver::default_data_resolver(),
                // A path or an address: nothing is read from the disk.
                resolve_string: Box::new(|_, _| None),
            },
            ..usvg::Options::default()
        })
    }

    /// `text` as these letters can show it.
    pub fn printable(text: &str) -> String {
        text.nfc()
            .map(|c| match c {
                '\u{202f}' | '\u{2007}' => '\u{a0}',
                '\u{2192}' | '\u{2190}' => '-',
                '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}' => ' ',
                c => c,
            })
            .filter(|c| drawable(*c))
            .take(MOST)
            .collect()
    }

    /// `text` in the largest size of which it fits the frame; in the smallest, what does not fit is
    /// left out and marked by "…".
    pub fn fit(&self, text: &str, frame: Frame) -> Fitted {
        let text = Self::printable(text);
        let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
        let measured = self.widths(&words, frame.bold);
        let mut pieces: Vec<(&str, f32)> = words.into_iter().zip(measured).collect();
        let space = self.space(frame.bold);
        let mut size = frame.from;
        loop {
            let last = size <= frame.to;
            let room = frame.width / size;
            let count = ((frame.height / (size * LEADING)) as usize).clamp(1, frame.lines.max(1));
            let broken = last && pieces.iter().any(|(_, width)| *width > room);
            if broken {
                pieces = self.broken(&pieces, room, frame.bold);
            }
            let widest = pieces.iter().map(|(_, w)| *w).fold(0.0, f32::max);
            let lines = broken_into(&pieces, room, space);
            if last || (lines.len() <= count && widest <= room) {
                return self.set(lines, &pieces, size, count, frame);
            }
            size = (size - 2.0).max(frame.to);
        }
    }

    fn set(
        &self,
        lines: Vec<(usize, usize)>,
        pieces: &[(&str, f32)],
        size: f32,
        count: usize,
        frame: Frame,
    ) -> Fitted {
        let joined = |(from, to): &(usize, usize)| -> String {
            let words: Vec<&str> = pieces[*from..*to].iter().map(|(word, _)| *word).collect();
            words.join(" ")
        };
        let whole = lines.len() <= count;
        let mut texts: Vec<String> = lines.iter().take(count).map(joined).collect();
        if !whole && let Some(last) = texts.last_mut() {
            // Word by word, then letter by letter, until the mark has room.
            while !last.is_empty() {
                let tried = format!("{}…", last.trim_end_matches([' ', ',', '–', '-', '·', '/']));
                if self.width(&tried, frame.bold) * size <= frame.width {
                    *last = tried;
                    break;
                }
                match last.rfind(' ') {
                    Some(at) => last.truncate(at),
                    None => drop(last.pop()),
                }
            }
        }
        let refs: Vec<&str> = texts.iter().map(String::as_str).collect();
        let width = self
            .widths(&refs, frame.bold)
            .into_iter()
            .fold(0.0, f32::max);
        Fitted {
            width: width * size,
            height: texts.len() as f32 * size * LEADING,
            lines: texts,
            size,
            whole,
        }
    }

    /// Words that are wider than a line by themselves, in pieces that are not.
    fn broken<'t>(&self, pieces: &[(&'t str, f32)], room: f32, bold: bool) -> Vec<(&'t str, f32)> {
        let mut parts = Vec::new();
        for (word, width) in pieces {
            if *width <= room {
                parts.push((*word, *width));
                continue;
            }
            let letters: Vec<&str> = word
                .char_indices()
                .map(|(at, c)| &word[at..at + c.len_utf8()])
                .collect();
            let widths = self.widths(&letters, bold);
            let (mut start, mut at, mut sum) = (0, 0, 0.0);
            for (letter, width) in letters.iter().zip(widths) {
                if sum + width > room * 0.98 && at > start {
                    parts.push((&word[start..at], sum));
                    (start, sum) = (at, 0.0);
                }
                at += letter.len();
                sum += width;
            }
            parts.push((&word[start..at], sum));
        }
        parts
    }

    /// The width of a text of size 1.
    pub fn width(&self, text: &str, bold: bool) -> f32 {
        self.widths(&[text], bold).first().copied().unwrap_or(0.0)
    }

    fn space(&self, bold: bool) -> f32 {
        self.width("n\u{a0}n", bold) - self.width("nn", bold)
    }

    /// The widths of several texts of size 1, as they will be drawn.
    fn widths(&self, texts: &[&str], bold: bool) -> Vec<f32> {
        const SIZE: f32 = 100.0;
        let weight = if bold { 700 } else { 400 };
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\" font-family=\"{FAMILY}\" font-size=\"{SIZE}\" font-weight=\"{weight}\" xml:space=\"preserve\">"
        );
        for (number, text) in texts.iter().enumerate() {
            // Writing to a string cannot fail.
            let _ = write!(svg, "<text id=\"t{number}\">");
            crate::publish::export::escape(&mut svg, text);
            svg.push_str("</text>");
        }
        svg.push_str("</svg>");
        let tree = match Tree::from_str(&svg, &self.0) {
            Ok(tree) => tree,
            Err(error) => {
                tracing::error!(%error, "letters cannot be measured");
                return vec![1.0; texts.len()];
            }
        };
        (0..texts.len())
            .map(|number| match tree.node_by_id(&format!("t{number}")) {
                Some(Node::Text(text)) => text.bounding_box().width() / SIZE,
                _ => 0.0,
            })
            .collect()
    }

    /// Reads an SVG document.
    ///
    /// # Errors
    /// It is none.
    pub fn read(&self, svg: &str) -> anyhow::Result<Tree> {
        Tree::from_str(svg, &self.0).context("it is no SVG document")
    }

    /// Width over height of a picture, given as bytes and as a `data:` address; none where it cannot
    /// be drawn.
    pub fn ratio(&self, bytes: &[u8], href: &str) -> Option<f32> {
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"64\" height=\"64\"><image id=\"i\" width=\"64\" height=\"64\" href=\"{href}\"/></svg>"
        );
        let tree = Tree::from_str(&svg, &self.0).ok()?;
        let mut picture = Pixmap::new(64, 64)?;
        resvg::render(&tree, Transform::identity(), &mut picture.as_mut());
        if picture.data().iter().all(|byte| *byte == 0) {
            return None;
        }
        let size = match tree.node_by_id("i") {
            Some(Node::Image(image)) => image.size(),
            _ => Tree::from_data(bytes, &self.0).ok()?.size(),
        };
        let ratio = size.width() / size.height();
        (0.05..20.0).contains(&ratio).then_some(ratio)
    }

    /// The PNG of a card.
    ///
    /// # Errors
    /// It is no SVG document, or not of the size of a card.
    pub fn png(&self, svg: &str) -> anyhow::Result<Vec<u8>> {
        let tree = self.read(svg)?;
        let size = tree.size().to_int_size();
        ensure!(
            (size.width(), size.height()) == (WIDTH, HEIGHT),
            "a card is {WIDTH} × {HEIGHT}, not {} × {}",
            size.width(),
            size.height()
        );
        let mut picture = Pixmap::new(WIDTH, HEIGHT).context("no memory for a card")?;
        resvg::render(&tree, Transform::identity(), &mut picture.as_mut());
        picture.encode_png().context("a card cannot be written")
    }
}

/// The lines, as ranges of pieces.
fn broken_into(pieces: &[(&str, f32)], room: f32, space: f32) -> Vec<(usize, usize)> {
    let mut lines = Vec::new();
    let (mut start, mut width) = (0, 0.0);
    for (number, (_, own)) in pieces.iter().enumerate() {
        if number > start && width + space + own > room {
            lines.push((start, number));
            (start, width) = (number, *own);
        } else {
            width += if number > start { space + own } else { *own };
        }
    }
    if start < pieces.len() {
        lines.push((start, pieces.len()));
    }
    lines
}

/// Whether the letters have this one: what the font files were reduced to.
fn drawable(c: char) -> bool {
    matches!(c,
        ' '..='~' | '\u{a0}'..='\u{17f}' | '\u{192}' | '\u{2010}'..='\u{2015}' | '\u{2018}'..='\u{201e}'
        | '\u{2020}'..='\u{2022}' | '…' | '‰' | '‹' | '›' | '€' | '™' | '−' | '≤' | '≥')
        && c != '\u{ad}'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: f32, lines: usize) -> Frame {
        Frame {
            width,
            height: 1000.0,
            from: 60.0,
            to: 20.0,
            lines,
            bold: true,
        }
    }

    #[test]
    fn widths_are_those_of_the_letters() {
        let set = TypeSetter::new();
        let (thin, wide) = (set.width("iiii", false), set.width("mmmm", false));
        assert!(thin > 0.8 && wide > 3.0 * thin, "{thin} {wide}");
        assert!(set.width("Vesoul", true) > set.width("Vesoul", false));
        assert_eq!(set.width("", true), 0.0);
        let space = set.space(false);
        assert!((0.2..0.4).contains(&space), "{space}");
    }

    #[test]
    fn every_letter_that_is_let_through_can_be_drawn() {
        let set = TypeSetter::new();
        let fonts = set.0.fontdb.clone();
        assert_eq!(fonts.faces().count(), 2);
        for c in (' '..='\u{ffff}').filter(|c| drawable(*c)) {
            // A letter without a glyph has no width, or another font would be sought in vain.
            for bold in [false, true] {
                assert!(
                    set.width(&format!("n{c}n"), bold) > set.width("nn", bold),
                    "{c:?}"
                );
            }
        }
        assert_eq!(
            TypeSetter::printable("e\u{301}\u{202f}€ 🙂\u{0}中\n→x"),
            "é\u{a0}€   -x".replace("   ", "  ")
        );
    }

    #[test]
    fn texts_fill_the_box_and_never_leave_it() {
        let set = TypeSetter::new();
        let short = set.fit("Infirmier (F/H)", frame(1000.0, 3));
        assert_eq!(
            (short.lines.len(), short.size, short.whole),
            (1, 60.0, true)
        );
        let long = "Infirmier coordinateur / Infirmière coordinatrice de secteur de psychiatrie infanto-juvénile";
        let fitted = set.fit(long, frame(600.0, 3));
        assert!(fitted.whole && fitted.lines.len() <= 3 && fitted.size < 60.0);
        assert_eq!(fitted.lines.join(" "), long);
        let cut = set.fit(&long.repeat(6), frame(500.0, 2));
        assert!(!cut.whole && cut.lines.len() == 2 && cut.lines[1].ends_with('…'));
        let word = set.fit(&"Anticonstitutionnellement".repeat(9), frame(400.0, 3));
        assert_eq!(word.lines.len(), 3);
        for one in [short, fitted, cut, word] {
            assert!(one.width <= 1000.0 && one.width > 0.0);
            for line in &one.lines {
                assert!(set.width(line, true) * one.size <= 1000.5, "{line}");
            }
        }
        assert_eq!(set.fit("", frame(100.0, 1)).lines, Vec::<String>::new());
    }

    #[test]
    fn a_card_reads_no_file() {
        let set = TypeSetter::new();
        let tree = set.read(
            "<svg xmlns='http://www.w3.org/2000/svg' width='10' height='10'><image href='/etc/passwd' width='5' height='5'/></svg>",
        );
        assert!(!tree.unwrap().root().has_children());
        assert!(
            set.png("<svg xmlns='http://www.w3.org/2000/svg' width='10' height='10'/>")
                .is_err()
        );
    }
}
