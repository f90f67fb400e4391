//! From the ready offers to the document.

use super::{
    ExportError,
    context::Bench,
    profile::{FieldLine, Frame},
    tree::{self, Node},
};
use crate::model::MemberId;
use minijinja::Value;

/// The whole document, in memory: it is whole or it is not there.
///
/// # Errors
/// An expression fails, or a cell cannot be written.
pub fn document(
    bench: &Bench<'_>,
    ready: &[Value],
    member: Option<&MemberId>,
) -> Result<Vec<u8>, ExportError> {
    let profile = bench.profile;
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
            for offer in ready {
                node(bench, item, &profile.fields, offer)?.xml(&mut out, depth, *cdata);
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
        } => csv(bench, ready, *delimiter, *bom, *formulas_disarmed),
        Frame::Json { list } => {
            let items = ready
                .iter()
                .map(|offer| Ok(node(bench, "", &profile.fields, offer)?.json()))
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
            for offer in ready {
                let line = node(bench, "", &profile.fields, offer)?.json();
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

fn csv(
    bench: &Bench<'_>,
    ready: &[Value],
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
    let lines = &bench.profile.fields;
    writer
        .write_record(lines.iter().map(|line| &line.path))
        .map_err(failed)?;
    for offer in ready {
        let mut row = Vec::with_capacity(lines.len());
        for line in lines {
            let cell = bench
                .value(line, offer)?
                .map(|value| tree::text(&fitted(line, value)))
                .unwrap_or_default()
                .replace('\0', "");
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
