//! From the ready offers to the document.

use super::{
    ExportError,
    context::Bench,
    profile::{FieldLine, Frame},
    tree::{self, Node},
};
use crate::model::MemberId;
use jiff::Timestamp;
use minijinja::Value;

/// Writes each of `offers` with `lines`.
///
/// # Errors
/// An expression fails, or a cell cannot be written.
pub fn pieces(
    bench: &Bench<'_>,
    lines: &[FieldLine],
    offers: &[Value],
) -> Result<Vec<String>, ExportError> {
    let write = |offer: &Value| match &bench.profile.document {
        Frame::Xml {
            item, list, cdata, ..
        } => {
            let mut out = String::new();
            let depth = 1 + usize::from(list.is_some());
            node(bench, item, lines, offer)?.xml(&mut out, depth, *cdata);
            Ok(out)
        }
        Frame::Csv {
            delimiter,
            formulas_disarmed,
            ..
        } => {
            let cells = cells(bench, lines, offer, *formulas_disarmed)?;
            record(bench, *delimiter, cells.into_iter())
        }
        Frame::Json { .. } | Frame::Jsonl {} => {
            Ok(node(bench, "", lines, offer)?.json().to_string())
        }
    };
    offers.iter().map(write).collect()
}

/// Of a table: the line that names its columns.
///
/// # Errors
/// It cannot be written.
pub fn header(bench: &Bench<'_>) -> Result<String, ExportError> {
    let profile = bench.profile;
    let columns = profile.fields.iter().map(|line| line.path.clone());
    match profile.document {
        Frame::Csv { delimiter, .. } => record(bench, delimiter, columns),
        _ => Ok(String::new()),
    }
}

/// The whole document, in memory: it is whole or it is not there. `updated` is the newest date of
/// its offers, and `count` how many of its items are one.
///
/// # Errors
/// An expression fails, or a piece is none of this format.
pub fn document(
    bench: &Bench<'_>,
    header: &str,
    items: &[&str],
    updated: Option<Timestamp>,
    count: usize,
    member: Option<&MemberId>,
) -> Result<Vec<u8>, ExportError> {
    let profile = bench.profile;
    let member = member.and_then(|id| bench.network.member(id));
    let head = bench.head_context(updated, count, member);
    let text = || items.concat();
    match &profile.document {
        Frame::Xml {
            root, list, cdata, ..
        } => {
            let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
            if let Some(notice) = &bench.settings.synthetic {
                out.push_str(&format!(
                    "<!-- {} -->\n",
                    tree::legal(notice).replace("--", "- -")
                ));
            }
            let frame = node(bench, root, &profile.head, &head)?;
            let mut opening = String::new();
            frame.xml(&mut opening, 0, *cdata);
            let closing = format!("</{root}>\n");
            // The frame is written once, with the items before its end.
            match opening.strip_suffix(&closing) {
                Some(opening) => out.push_str(opening),
                None => out.push_str(&format!("<{root}>\n")),
            }
            match list {
                Some(list) => out.push_str(&format!("  <{list}>\n{}  </{list}>\n", text())),
                None => out.push_str(&text()),
            }
            out.push_str(&closing);
            Ok(out.into_bytes())
        }
        Frame::Csv { bom, .. } => {
            let bom = if *bom { "\u{feff}" } else { "" };
            Ok(format!("{bom}{header}{}", text()).into_bytes())
        }
        Frame::Json { list } => {
            let items = items.iter().map(|item| serde_json::from_str(item));
            let items: Vec<serde_json::Value> = items
                .collect::<Result<_, _>>()
                .map_err(|error| unwritable(bench, error))?;
            let document = match list {
                None => serde_json::Value::Array(items),
                Some(list) => {
                    let mut document = node(bench, "", &profile.head, &head)?.json();
                    document[list] = serde_json::Value::Array(items);
                    document
                }
            };
            Ok(format!("{document:#}\n").into_bytes())
        }
        Frame::Jsonl {} => {
            let lines = items.iter().flat_map(|line| [line, "\n"]);
            Ok(lines.collect::<String>().into_bytes())
        }
    }
}

/// A document that is none.
pub fn unwritable(bench: &Bench<'_>, source: impl Into<anyhow::Error>) -> ExportError {
    ExportError::Write {
        profile: bench.profile.name.clone(),
        source: source.into(),
    }
}

fn node(
    bench: &Bench<'_>,
    name: &str,
    lines: &[FieldLine],
    context: &Value,
) -> Result<Node, ExportError> {
    let mut node = Node::new(name);
    for line in lines {
        if let Some(value) = bench.value(line, context)? {
            node.put(&line.path, fitted(line, value));
        }
    }
    Ok(node)
}

/// The value cut at a word where the line says so.
fn fitted(line: &FieldLine, value: Value) -> Value {
    let (Some(max), true, Some(text)) = (line.max, line.cut, value.as_str()) else {
        return value;
    };
    if text.chars().count() <= max {
        return value;
    }
    let head: String = text.chars().take(max.saturating_sub(1)).collect();
    let whole = head.rfind(char::is_whitespace).unwrap_or(head.len());
    Value::from(format!("{}…", head[..whole].trim_end()))
}

/// One line of a table.
fn record(
    bench: &Bench<'_>,
    delimiter: char,
    cells: impl Iterator<Item = String>,
) -> Result<String, ExportError> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(u8::try_from(delimiter).unwrap_or(b','))
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let failed = |error: csv::Error| unwritable(bench, error);
    writer.write_record(cells).map_err(failed)?;
    let written = writer.into_inner();
    let bytes = written.map_err(|error| unwritable(bench, anyhow::anyhow!("{error}")))?;
    String::from_utf8(bytes).map_err(|error| unwritable(bench, error))
}

/// The cells of one offer: those of `lines`, and the other columns empty.
fn cells(
    bench: &Bench<'_>,
    lines: &[FieldLine],
    offer: &Value,
    disarmed: bool,
) -> Result<Vec<String>, ExportError> {
    let columns = bench.profile.fields.iter();
    let cell = |line: &FieldLine| {
        let said = lines.iter().any(|own| own.path == line.path);
        let value = match said {
            true => bench.value(line, offer)?,
            false => None,
        };
        let cell = value
            .map(|value| tree::legal(&tree::text(&fitted(line, value))))
            .unwrap_or_default();
        Ok(match cell.as_bytes().first() {
            Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r') if disarmed => format!("'{cell}"),
            _ => cell,
        })
    };
    columns.map(cell).collect()
}
