//! CSV by streams: the delimiter is found out, quoted cells may hold line ends, and the end of the
//! file is looked at as closely as a format without an end mark allows.

use super::window::{Kept, Window};
use super::{Decoding, Item, ParseEnd, Plan, Stop, Take, Wholeness, excerpt};
use serde_json::{Map, Value};
use std::io::Read;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

pub fn parse<R: Read>(
    window: &mut Window<R>,
    plan: &Plan,
    decoding: Decoding,
    take: &mut Take<'_>,
) -> ParseEnd {
    let mut items = 0;
    let result = rows(window, plan, decoding, take, &mut items);
    let wholeness = match result {
        Ok(()) => Wholeness::Whole,
        Err(stop) => stop.wholeness(window.offset(), items),
    };
    ParseEnd {
        wholeness,
        envelope: Value::Object(Map::new()),
        items,
    }
}

fn rows<R: Read>(
    window: &mut Window<R>,
    plan: &Plan,
    decoding: Decoding,
    take: &mut Take<'_>,
    items: &mut u64,
) -> Result<(), Stop> {
    let head = window.at_least(64 * 1024)?;
    let solid = head.iter().copied().find(|b| !b.is_ascii_whitespace());
    match solid {
        None => return Ok(()),
        Some(b'<') => {
            return Err(Stop::Bad(
                "an HTML or XML page stands where CSV was expected".to_owned(),
            ));
        }
        Some(b'{' | b'[') => {
            return Err(Stop::Bad("JSON stands where CSV was expected".to_owned()));
        }
        Some(_) => {}
    }
    let pinned = plan.csv.delimiter.as_ref().and_then(|d| d.bytes().next());
    let delimiter = pinned.unwrap_or_else(|| sniff(head));
    let mut names: Vec<String> = plan.csv.columns.clone();
    let must_end = plan.csv.final_newline.unwrap_or(true);
    let mut row = Kept::default();
    let mut number = 0u64;
    loop {
        row.clear();
        let end = read_row(window, delimiter, plan.record_bytes, &mut row)?;
        if end == RowEnd::Nothing {
            return if names.is_empty() {
                Err(Stop::Bad("the file has no header line".to_owned()))
            } else {
                Ok(())
            };
        }
        number += 1;
        if row.bytes.iter().all(|b| b.is_ascii_whitespace() || *b == 0) {
            if end == RowEnd::File {
                return Ok(());
            }
            continue;
        }
        let cells = split(&decoding.text(&row.bytes), delimiter);
        // A quotation mark too many has run on into other rows: it costs its own line only.
        if !row.is_over(plan.record_bytes)
            && memchr::memchr(b'\n', &row.bytes).is_some()
            && (end == RowEnd::Quote || cells.len() > names.len() || is_torn(&row.bytes, delimiter))
            && let Some(line) = own_line(&row.bytes, end, delimiter, names.len())
        {
            if end != RowEnd::Quote {
                window.unread(b"\n");
            }
            window.unread(&row.bytes[line + 1..]);
            *items += 1;
            if !take(Item::Broken {
                raw: excerpt(decoding, &row.bytes[..line]),
                why: format!("row {number} has a quotation mark that is not closed"),
            }) {
                return Err(Stop::Enough);
            }
            continue;
        }
        if end == RowEnd::Quote {
            return Err(Stop::Cut(format!("row {number} ends within a quoted cell")));
        }
        if names.is_empty() {
            if end == RowEnd::File && must_end {
                return Err(Stop::Cut("the header line has no line end".to_owned()));
            }
            names = header(cells, plan.csv.fold_header);
            continue;
        }
        // A row that may be half a row is not handed over: it would change a known offer.
        if end == RowEnd::File && must_end {
            return Err(Stop::Cut(
                "the last row has no line end, so that it cannot be told from a cut (source.csv.final_newline = false accepts it)".to_owned(),
            ));
        }
        let extra = cells
            .iter()
            .skip(names.len())
            .any(|cell| !cell.trim().is_empty());
        let item = if row.is_over(plan.record_bytes) {
            Item::Broken {
                raw: excerpt(decoding, &row.bytes),
                why: format!(
                    "row {number} has {} bytes, more than limits.record_kb allows",
                    row.len
                ),
            }
        } else if extra {
            Item::Broken {
                raw: excerpt(decoding, &row.bytes),
                why: format!(
                    "row {number} has {} cells, the header has {}",
                    cells.len(),
                    names.len()
                ),
            }
        } else if end == RowEnd::File && cells.len() < names.len() {
            return Err(Stop::Cut(format!(
                "the last row has {} cells of {}",
                cells.len(),
                names.len()
            )));
        } else {
            Item::Record(record(&names, cells).into())
        };
        *items += 1;
        if !take(item) {
            return Err(Stop::Enough);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RowEnd {
    Line,
    File,
    /// The file ended within quotation marks.
    Quote,
    /// There was no further row.
    Nothing,
}

/// The bytes of one row, without its line end.
fn read_row<R: Read>(
    window: &mut Window<R>,
    delimiter: u8,
    cap: usize,
    out: &mut Kept,
) -> Result<RowEnd, Stop> {
    let mut quoted = false;
    let mut cell_start = true;
    // Within quotes a quotation mark may be doubled: what it is shows at the next byte.
    let mut maybe_closed = false;
    let mut any = false;
    loop {
        let chunk = window.chunk()?;
        if chunk.is_empty() {
            return Ok(if !any {
                RowEnd::Nothing
            } else if quoted && !maybe_closed {
                RowEnd::Quote
            } else {
                RowEnd::File
            });
        }
        any = true;
        let mut end = None;
        let mut i = 0;
        while i < chunk.len() {
            let byte = chunk[i];
            if maybe_closed {
                maybe_closed = false;
                if byte != b'"' {
                    quoted = false;
                } else {
                    i += 1;
                    continue;
                }
            }
            if quoted {
                match memchr::memchr(b'"', &chunk[i..]) {
                    Some(n) => {
                        i += n + 1;
                        maybe_closed = true;
                    }
                    None => i = chunk.len(),
                }
                continue;
            }
            match byte {
                b'\n' => {
                    end = Some(i);
                    break;
                }
                b'"' if cell_start => {
                    quoted = true;
                    cell_start = false;
                }
                b if b == delimiter => cell_start = true,
                b' ' if cell_start => {}
                _ => cell_start = false,
            }
            i += 1;
        }
        let n = end.unwrap_or(chunk.len());
        out.push(&chunk[..n], cap);
        window.advance(end.map_or(n, |n| n + 1));
        if end.is_some() {
            if out.bytes.last() == Some(&b'\r') {
                out.bytes.pop();
            }
            return Ok(RowEnd::Line);
        }
    }
}

/// Whether a closing quotation mark is followed by a letter: it opened a cell of another row.
fn is_torn(row: &[u8], delimiter: u8) -> bool {
    let mut quoted = false;
    let mut cell_start = true;
    for (at, byte) in row.iter().enumerate() {
        if quoted {
            quoted = *byte != b'"';
            let next = row.get(at + 1);
            if !quoted && next.is_some_and(|n| n.is_ascii_alphanumeric() || !n.is_ascii()) {
                return true;
            }
        } else {
            quoted = *byte == b'"' && (cell_start || row[at - 1] == b'"');
            cell_start = *byte == delimiter || *byte == b'\n' || (cell_start && *byte == b' ');
        }
    }
    false
}

/// The end of the first line of a row, if the line after it has as many cells as there are
/// columns: then the row is several, held together by a stray quotation mark.
fn own_line(row: &[u8], row_end: RowEnd, delimiter: u8, columns: usize) -> Option<usize> {
    if columns < 3 {
        return None;
    }
    let end = memchr::memchr(b'\n', row)?;
    let rest = &row[end + 1..];
    let next = match memchr::memchr(b'\n', rest) {
        Some(n) => &rest[..n],
        None if row_end == RowEnd::Line => rest,
        None => return None,
    };
    // As many as the header has, in a line that stands by itself.
    let whole = next.iter().filter(|b| **b == b'"').count() % 2 == 0;
    (whole && split(&String::from_utf8_lossy(next), delimiter).len() == columns).then_some(end)
}

/// The cells of a row.
fn split(row: &str, delimiter: u8) -> Vec<String> {
    let delimiter = char::from(delimiter);
    let mut cells = Vec::new();
    let mut rest = row;
    loop {
        let trimmed = rest.trim_start_matches(' ');
        if let Some(inside) = trimmed.strip_prefix('"') {
            let (cell, after) = quoted_cell(inside);
            // Anything between the closing mark and the delimiter belongs to the cell.
            let end = after.find(delimiter).unwrap_or(after.len());
            cells.push(format!("{cell}{}", after[..end].trim_end()));
            match after[end..].strip_prefix(delimiter) {
                Some(next) => rest = next,
                None => return cells,
            }
        } else {
            match rest.split_once(delimiter) {
                Some((cell, next)) => {
                    cells.push(cell.to_owned());
                    rest = next;
                }
                None => {
                    cells.push(rest.to_owned());
                    return cells;
                }
            }
        }
    }
}

fn quoted_cell(text: &str) -> (String, &str) {
    let mut cell = String::new();
    let mut rest = text;
    loop {
        match rest.split_once('"') {
            None => {
                cell.push_str(rest);
                return (cell, "");
            }
            Some((before, after)) => {
                cell.push_str(before);
                match after.strip_prefix('"') {
                    Some(next) => {
                        cell.push('"');
                        rest = next;
                    }
                    None => return (cell, after),
                }
            }
        }
    }
}

/// Column names; an empty or repeated one gets a number.
pub fn header(cells: Vec<String>, folded: bool) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for (index, cell) in cells.into_iter().enumerate() {
        let plain = if folded {
            fold(&cell)
        } else {
            cell.trim().to_owned()
        };
        let mut name = if plain.is_empty() {
            format!("column_{}", index + 1)
        } else {
            plain
        };
        let mut copy = 2;
        while names.contains(&name) {
            name = format!(
                "{}_{copy}",
                name.trim_end_matches(&format!("_{}", copy - 1))
            );
            copy += 1;
        }
        names.push(name);
    }
    names
}

/// `Date de début` → `date_de_debut`.
fn fold(name: &str) -> String {
    let mut out = String::new();
    for c in name
        .nfd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
    {
        if c.is_alphanumeric() {
            out.push(c);
        } else if !out.ends_with('_') && !out.is_empty() {
            out.push('_');
        }
    }
    out.trim_end_matches('_').to_owned()
}

/// The cells under their columns' names; empty ones are left out.
pub fn record(names: &[String], cells: Vec<String>) -> Value {
    let map: Map<String, Value> = names
        .iter()
        .zip(cells)
        .filter(|(_, cell)| !cell.trim().is_empty())
        .map(|(name, cell)| (name.clone(), Value::String(cell.trim().to_owned())))
        .collect();
    Value::Object(map)
}

/// The character that splits the header line into most cells, quotes respected.
fn sniff(head: &[u8]) -> u8 {
    let mut counts = [(b';', 0usize), (b',', 0), (b'\t', 0), (b'|', 0)];
    let mut quoted = false;
    for byte in head
        .iter()
        .skip_while(|b| b.is_ascii_whitespace() && **b != b'\t')
    {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' if !quoted => break,
            b if !quoted => {
                if let Some((_, count)) = counts.iter_mut().find(|(d, _)| d == b) {
                    *count += 1;
                }
            }
            _ => {}
        }
    }
    counts
        .iter()
        .rev()
        .max_by_key(|(_, count)| *count)
        .map_or(b';', |(d, _)| *d)
}
