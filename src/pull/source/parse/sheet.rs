//! Workbooks (XLSX, XLS, ODS): the rows of one sheet, as a CSV of its cells would have them.
//!
//! A workbook is an archive whose directory stands at its end: one that was cut does not open.

use super::csv;
use super::{Item, ParseEnd, Plan, Take, Wholeness};
use calamine::{Data, Range, Reader};
use serde_json::{Map, Value};
use std::io::{Cursor, Read};

/// Largest workbook, in bytes as it travels.
const WORKBOOK: u64 = 64 << 20;
/// Most that the parts of a workbook may unpack to.
const UNPACKED: u64 = 512 << 20;
/// Rows above the header line that are looked through for it.
const TITLES: usize = 20;

pub fn parse(input: impl Read, plan: &Plan, take: &mut Take<'_>) -> ParseEnd {
    let mut items = 0;
    let wholeness = match sheet(input, plan) {
        Ok(None) => Wholeness::Whole,
        Ok(Some(range)) => rows(&range, plan, take, &mut items),
        Err(wholeness) => wholeness,
    };
    ParseEnd {
        wholeness,
        envelope: Value::Object(Map::new()),
        items,
    }
}

/// The cells of the sheet that is wanted; none when there is nothing at all.
fn sheet(input: impl Read, plan: &Plan) -> Result<Option<Range<Data>>, Wholeness> {
    let mut bytes = Vec::new();
    input
        .take(WORKBOOK + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Wholeness::Cut(format!("the transfer broke off: {error}")))?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.len() as u64 > WORKBOOK {
        return Err(Wholeness::Cut(format!(
            "the workbook is larger than {} MB",
            WORKBOOK >> 20
        )));
    }
    if !bytes.starts_with(b"PK") && !bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return Err(Wholeness::Alien(
            "no workbook stands where one was expected".to_owned(),
        ));
    }
    if unpacked(&bytes) > UNPACKED {
        return Err(Wholeness::Alien(format!(
            "the workbook unpacks to more than {} MB",
            UNPACKED >> 20
        )));
    }
    let unreadable = |error: &dyn std::fmt::Display| {
        Wholeness::Cut(format!("the workbook cannot be opened: {error}"))
    };
    let mut book =
        calamine::open_workbook_auto_from_rs(Cursor::new(bytes)).map_err(|e| unreadable(&e))?;
    let names = book.sheet_names();
    let name = match &plan.csv.sheet {
        Some(wanted) => names
            .iter()
            .find(|name| name.trim().eq_ignore_ascii_case(wanted.trim()))
            .ok_or_else(|| {
                Wholeness::Alien(format!(
                    "the workbook has no sheet `{wanted}`, only: {}",
                    names.join(", ")
                ))
            })?,
        None => names
            .first()
            .ok_or_else(|| Wholeness::Alien("the workbook has no sheet".to_owned()))?,
    };
    book.worksheet_range(name)
        .map(Some)
        .map_err(|error| unreadable(&error))
}

/// What the directory of an archive says that its parts unpack to.
fn unpacked(bytes: &[u8]) -> u64 {
    memchr::memmem::find_iter(bytes, b"PK\x01\x02")
        .filter_map(|at| bytes.get(at + 24..at + 28)?.try_into().ok())
        .map(|size| u64::from(u32::from_le_bytes(size)))
        .sum()
}

fn rows(range: &Range<Data>, plan: &Plan, take: &mut Take<'_>, items: &mut u64) -> Wholeness {
    let mut names = plan.csv.columns.clone();
    for (index, row) in range.rows().enumerate() {
        let cells: Vec<String> = row.iter().map(text).collect();
        let filled = cells.iter().filter(|cell| !cell.is_empty()).count();
        if filled == 0 {
            continue;
        }
        if names.is_empty() {
            // A title and a date above the table have a line with one cell each.
            if filled >= 2 || index >= TITLES {
                names = csv::header(cells, plan.csv.fold_header);
            }
            continue;
        }
        *items += 1;
        if !take(Item::Record(csv::record(&names, cells).into())) {
            return Wholeness::Cut("the reading was stopped".to_owned());
        }
    }
    if names.is_empty() && !range.is_empty() {
        return Wholeness::Alien("the sheet has no header line".to_owned());
    }
    Wholeness::Whole
}

/// A cell as text: whole numbers without a fraction, dates in ISO 8601.
fn text(cell: &Data) -> String {
    match cell {
        Data::Empty | Data::Error(_) => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => {
            text.trim().to_owned()
        }
        Data::Bool(flag) => flag.to_string(),
        Data::Int(number) => number.to_string(),
        Data::Float(number) => number.to_string(),
        Data::DateTime(moment) if moment.is_duration() => moment.as_f64().to_string(),
        Data::DateTime(moment) => {
            let (year, month, day, hour, minute, second, _) = moment.to_ymd_hms_milli();
            if (hour, minute, second) == (0, 0, 0) {
                format!("{year:04}-{month:02}-{day:02}")
            } else {
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
            }
        }
    }
}
