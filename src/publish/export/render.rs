//! From the ready offers to the document.

use super::{
    ExportError,
    context::Bench,
    profile::{FieldLine, Frame},
    tree::{self, Node},
};
use crate::model::MemberId;
use minijinja::Value;

/// The whole document, in memory: it is whole or it is not there. `gone` are offers that the board
/// is told to take down.
///
/// # Errors
/// An expression fails, or a cell cannot be written.
pub fn document(
    bench: &Bench<'_>,
    ready: &[Value],
    gone: &[Value],
    member: Option<&MemberId>,
) -> Result<Vec<u8>, ExportError> {
    let profile = bench.profile;
    let parting = profile.parting();
    let items = || {
        let ready = ready.iter().map(|offer| (&profile.fields, offer));
        ready.chain(gone.iter().map(|offer| (&parting, offer)))
    };
    let member = member.and_then(|id| bench.network.member(id));
    let head = bench.head_context(ready, ready.len(), member);
    match &profile.document {
        Frame::Xml {
            root,
            item,
            list,
            cdata,
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
            let depth = 1 + usize::from(list.is_some());
            if let Some(list) = list {
                out.push_str(&format!("  <{list}>\n"));
            }
            for (lines, offer) in items() {
                node(bench, item, lines, offer)?.xml(&mut out, depth, *cdata);
            }
            if let Some(list) = list {
                out.push_str(&format!("  </{list}>\n"));
            }
            out.push_str(&closing);
            Ok(out.into_bytes())
        }
        Frame::Csv {
            delimiter,
            bom,
            formulas_disarmed,
        } => csv(bench, items(), *delimiter, *bom, *formulas_disarmed),
        Frame::Json { list } => {
            let items = items()
                .map(|(lines, offer)| Ok(node(bench, "", lines, offer)?.json()))
                .collect::<Result<Vec<_>, ExportError>>()?;
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
            let mut out = String::new();
            for (lines, offer) in items() {
                let line = node(bench, "", lines, offer)?.json();
                out.push_str(&format!("{line}\n"));
            }
            Ok(out.into_bytes())
        }
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

fn csv<'l>(
    bench: &Bench<'_>,
    items: impl Iterator<Item = (&'l Vec<FieldLine>, &'l Value)>,
    delimiter: char,
    bom: bool,
    disarmed: bool,
) -> Result<Vec<u8>, ExportError> {
    let failed = |source: csv::Error| ExportError::Write {
        profile: bench.profile.name.clone(),
        source: source.into(),
    };
    let mut writer = csv::WriterBuilder::new()
        .delimiter(u8::try_from(delimiter).unwrap_or(b','))
        .terminator(csv::Terminator::CRLF)
        .from_writer(if bom {
            vec![0xef, 0xbb, 0xbf]
        } else {
            Vec::new()
        });
    let columns = &bench.profile.fields;
    writer
        .write_record(columns.iter().map(|line| &line.path))
        .map_err(failed)?;
    for (lines, offer) in items {
        let mut row = Vec::with_capacity(columns.len());
        for line in columns {
            let said = lines.iter().any(|own| own.path == line.path);
            let value = match said {
                true => bench.value(line, offer)?,
                false => None,
            };
            let cell = value
                .map(|value| tree::legal(&tree::text(&fitted(line, value))))
                .unwrap_or_default();
            row.push(match cell.as_bytes().first() {
                Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r') if disarmed => format!("'{cell}"),
                _ => cell,
            });
        }
        writer.write_record(&row).map_err(failed)?;
    }
    writer.into_inner().map_err(|error| ExportError::Write {
        profile: bench.profile.name.clone(),
        source: anyhow::anyhow!("{error}"),
    })
}
