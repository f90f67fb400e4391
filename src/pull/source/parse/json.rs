//! JSON by streams: the list of records is found by its keys and taken apart element by element.

mod scan;

pub use scan::mended;

use super::window::{Kept, Window};
use super::{
    Decoding, ENVELOPE_BYTES, IsRecord, Item, ParseEnd, Plan, Record, Stop, Take, Wholeness,
    excerpt,
};
use scan::{Ended, line, scan};
use serde_json::{Map, Value};
use std::io::Read;

/// Largest list that is written as an object with a key for each record.
const KEYED_BYTES: usize = 32 << 20;

pub fn parse<R: Read>(
    window: &mut Window<R>,
    plan: &Plan,
    decoding: Decoding,
    is_record: &IsRecord<'_>,
    take: &mut Take<'_>,
) -> ParseEnd {
    let mut parser = Parser {
        window,
        plan,
        cap: plan.record_bytes,
        decoding,
        is_record,
        take,
        items: 0,
        found: false,
        broken_list: None,
        record: Kept::default(),
        rows_end: plan.csv.final_newline.unwrap_or(true),
    };
    let mut envelope = Map::new();
    let paths: Vec<&[String]> = plan.paths.iter().map(Vec::as_slice).collect();
    let result = parser.document(&paths, &mut envelope);
    let (items, found, broken) = (parser.items, parser.found, parser.broken_list.take());
    let wholeness = match result {
        Err(stop) => stop.wholeness(window.offset(), items),
        Ok(()) => match broken {
            Some(why) => Wholeness::Alien(why),
            None if found || envelope.is_empty() => Wholeness::Whole,
            None => Wholeness::Alien(missing_list(&plan.paths, &envelope)),
        },
    };
    ParseEnd {
        wholeness,
        envelope: Value::Object(envelope),
        items,
    }
}

fn missing_list(paths: &[Vec<String>], envelope: &Map<String, Value>) -> String {
    let wanted: Vec<String> = paths.iter().map(|p| p.join(".")).collect();
    let keys: Vec<&str> = envelope.keys().take(8).map(String::as_str).collect();
    format!(
        "the answer has no list at `{}`, only: {}",
        wanted.join("` or `"),
        keys.join(", ")
    )
}

struct Parser<'p, 't, R> {
    window: &'p mut Window<R>,
    plan: &'p Plan,
    cap: usize,
    decoding: Decoding,
    is_record: &'p IsRecord<'p>,
    take: &'p mut Take<'t>,
    items: u64,
    /// Whether the list of records was there, empty or not.
    found: bool,
    /// Why what stands at the place of the list is none.
    broken_list: Option<String>,
    record: Kept,
    rows_end: bool,
}

impl<R: Read> Parser<'_, '_, R> {
    fn document(
        &mut self,
        paths: &[&[String]],
        envelope: &mut Map<String, Value>,
    ) -> Result<(), Stop> {
        let Some(first) = self.window.peek_solid()? else {
            // Nothing at all: an empty source, not a broken one.
            return Ok(());
        };
        match first {
            b'[' => {
                // An array where an object with the list was expected is the list itself.
                if paths.iter().all(|p| p.is_empty()) || !self.leads_through_array(paths)? {
                    self.found = true;
                    self.elements()?;
                } else {
                    self.walk(paths, envelope)?;
                }
            }
            b'{' if paths.iter().any(|p| p.is_empty()) => {
                return self.lines_or_one(paths, envelope);
            }
            b'{' => self.walk(paths, envelope)?,
            b'<' => {
                return Err(Stop::Bad(
                    "an HTML or XML page stands where JSON was expected".to_owned(),
                ));
            }
            _ => {
                return Err(Stop::Bad(format!(
                    "{} stands where JSON was expected",
                    self.words()
                )));
            }
        }
        match self.window.peek_solid()? {
            None => Ok(()),
            // Records one a line where one document was expected.
            Some(b'{') if first == b'{' && !self.found && self.is_own(envelope) => {
                self.found = true;
                let record = Value::Object(std::mem::take(envelope));
                self.give(Item::Record(record.into()))?;
                self.lines(false)
            }
            Some(_) => Err(Stop::Bad(
                "something follows the end of the document".to_owned(),
            )),
        }
    }

    fn is_own(&self, envelope: &Map<String, Value>) -> bool {
        (self.is_record)(&Value::Object(envelope.clone()))
    }

    /// The first words of a text that is no JSON.
    fn words(&mut self) -> String {
        let bytes = self.window.at_least(60).unwrap_or_default();
        let text = self
            .decoding
            .text(&bytes[..bytes.len().min(60)])
            .into_owned();
        format!(
            "the text `{}`",
            text.lines().next().unwrap_or_default().trim()
        )
    }

    /// An array at the root is the list, unless its objects lead further by the path's first key.
    fn leads_through_array(&mut self, paths: &[&[String]]) -> Result<bool, Stop> {
        let head = self.window.at_least(512)?;
        let text = self
            .decoding
            .text(&head[..head.len().min(512)])
            .into_owned();
        let inner = text.trim_start().trim_start_matches('[').trim_start();
        let Some(object) = inner.strip_prefix('{') else {
            return Ok(false);
        };
        Ok(paths
            .iter()
            .filter_map(|p| p.first())
            .any(|key| object.trim_start().starts_with(&format!("\"{key}\""))))
    }

    /// A single object, or objects one a line.
    fn lines_or_one(
        &mut self,
        paths: &[&[String]],
        envelope: &mut Map<String, Value>,
    ) -> Result<(), Stop> {
        self.record.clear();
        let start = self.window.offset();
        scan(self.window, &mut self.record, self.cap.max(KEYED_BYTES))?;
        let ended = self.window.peek()?.is_some();
        if self.window.peek_solid()?.is_none() {
            let Some(value) = self.read_record() else {
                return self.emit_record(start);
            };
            // The whole document is at hand: another of the paths may lead to the list.
            for path in paths.iter().filter(|p| !p.is_empty()) {
                if let Some(list) = path.iter().try_fold(&value, |at, key| at.get(key)) {
                    for record in list.as_array().into_iter().flatten() {
                        self.give(Item::Record(record.clone().into()))?;
                    }
                    self.found = true;
                    if let Value::Object(map) = envelope_of(value.clone(), path) {
                        *envelope = map;
                    }
                    return Ok(());
                }
            }
            if (self.is_record)(&value) {
                self.found = true;
                self.give(Item::Record(value.into()))?;
                return self.rows_ended(ended);
            } else if let Value::Object(map) = value {
                *envelope = map;
            }
            return Ok(());
        }
        self.found = true;
        let spread = memchr::memchr(b'\n', &self.record.bytes).is_some();
        self.emit_record(start)?;
        self.lines(spread)
    }

    /// Rows are whole when the last of them has its line end: without it, nothing tells one row, or
    /// all of them, from the beginning of a longer file.
    fn rows_ended(&self, ended: bool) -> Result<(), Stop> {
        if self.rows_end && !ended {
            return Err(Stop::Cut(
                "the last line has no line end, so that it cannot be told from a cut (source.csv.final_newline = false accepts it)".to_owned(),
            ));
        }
        Ok(())
    }

    /// The records that follow the first: one a line, or each over several lines.
    fn lines(&mut self, spread: bool) -> Result<(), Stop> {
        let mut last_ended = true;
        loop {
            match self.window.peek_solid()? {
                None => break,
                Some(b',' | 0) => {
                    self.window.advance(1);
                    continue;
                }
                Some(_) => {}
            }
            self.record.clear();
            let start = self.window.offset();
            if spread {
                scan(self.window, &mut self.record, self.cap)?;
                last_ended = self.window.peek()?.is_some();
            } else {
                last_ended = line(self.window, &mut self.record, self.cap)?;
                let solid = self.record.bytes.trim_ascii_end();
                let end = solid.strip_suffix(b",").unwrap_or(solid).len();
                self.record.bytes.truncate(end);
            }
            self.emit_record(start)?;
        }
        self.rows_ended(last_ended)
    }

    /// Goes on at a value that is no record yet: `paths` lead from here to the list.
    fn walk(&mut self, paths: &[&[String]], envelope: &mut Map<String, Value>) -> Result<(), Stop> {
        match self.solid()? {
            b'[' => {
                // A list on the way: each of its members leads on.
                self.window.advance(1);
                loop {
                    match self.solid()? {
                        b']' => {
                            self.window.advance(1);
                            return Ok(());
                        }
                        b',' => self.window.advance(1),
                        // Totals may stand beside the list in such a member.
                        _ => self.walk(paths, envelope)?,
                    }
                }
            }
            b'{' => self.window.advance(1),
            _ => {
                self.record.clear();
                scan(self.window, &mut self.record, ENVELOPE_BYTES)?;
                return Ok(());
            }
        }
        let mut first = true;
        loop {
            match self.solid()? {
                b'}' => {
                    self.window.advance(1);
                    return Ok(());
                }
                b',' if !first => self.window.advance(1),
                b'"' if first => {}
                _ => return Err(Stop::Bad("a comma or a key is missing".to_owned())),
            }
            if self.solid()? != b'"' {
                return Err(Stop::Bad("a key is missing".to_owned()));
            }
            first = false;
            self.record.clear();
            scan(self.window, &mut self.record, 4096)?;
            let key: String = serde_json::from_slice(&self.record.bytes)
                .map_err(|_| Stop::Bad("a key cannot be read".to_owned()))?;
            if self.solid()? != b':' {
                return Err(Stop::Bad("a colon is missing".to_owned()));
            }
            self.window.advance(1);
            let next: Vec<&[String]> = paths
                .iter()
                .filter_map(|path| path.split_first())
                .filter(|(head, _)| **head == key)
                .map(|(_, tail)| tail)
                .collect();
            if next.iter().any(|path| path.is_empty()) {
                self.list(&key)?;
            } else if next.is_empty() {
                self.record.clear();
                self.solid()?;
                scan(self.window, &mut self.record, ENVELOPE_BYTES)?;
                if !self.record.is_over(ENVELOPE_BYTES)
                    && let Some(value) = self.read_record()
                {
                    envelope.insert(key, value);
                }
            } else {
                let mut inner = Map::new();
                self.walk(&next, &mut inner)?;
                envelope.insert(key, Value::Object(inner));
            }
        }
    }

    /// What stands where the list is expected.
    fn list(&mut self, key: &str) -> Result<(), Stop> {
        match self.solid()? {
            b'[' => {
                self.found = true;
                self.elements()
            }
            b'{' => {
                self.record.clear();
                let start = self.window.offset();
                scan(self.window, &mut self.record, self.cap.max(KEYED_BYTES))?;
                match self.read_record() {
                    Some(value) if (self.is_record)(&value) => {
                        self.found = true;
                        self.give(Item::Record(value.into()))
                    }
                    Some(Value::Object(map)) if map.is_empty() => {
                        self.found = true;
                        Ok(())
                    }
                    // A list with gaps becomes an object in some languages: {"0": {…}, "2": {…}}.
                    Some(Value::Object(map)) if map.values().any(|v| (self.is_record)(v)) => {
                        self.found = true;
                        map.into_values()
                            .filter(|value| !value.is_null())
                            .try_for_each(|value| self.keyed(value))
                    }
                    Some(_) => {
                        self.broken_list = Some(format!(
                            "`{key}` is an object at byte {start}, no list of records"
                        ));
                        Ok(())
                    }
                    None => self.emit_record(start),
                }
            }
            _ => {
                self.record.clear();
                scan(self.window, &mut self.record, 4096)?;
                if self.record.bytes == b"null" {
                    self.found = true;
                } else {
                    self.broken_list = Some(format!("`{key}` is no list"));
                }
                Ok(())
            }
        }
    }

    /// A record of a list that is written as an object.
    fn keyed(&mut self, value: Value) -> Result<(), Stop> {
        if value.is_object() {
            return self.give(Item::Record(value.into()));
        }
        let raw = value.to_string();
        self.give(Item::Broken {
            raw: excerpt(self.decoding, raw.as_bytes()),
            why: "a member of the list is no object".to_owned(),
        })
    }

    /// The members of the list whose bracket is next.
    fn elements(&mut self) -> Result<(), Stop> {
        self.window.advance(1);
        let mut after_value = false;
        loop {
            match self.solid()? {
                b']' => {
                    self.window.advance(1);
                    return Ok(());
                }
                b',' => {
                    self.window.advance(1);
                    after_value = false;
                }
                // A bracket too many after a record, NUL bytes as padding: nothing is lost by them.
                b'}' | b':' | 0 => self.window.advance(1),
                byte if after_value && byte != b'{' => {
                    return Err(Stop::Bad("a comma is missing between records".to_owned()));
                }
                _ => {
                    self.record.clear();
                    let start = self.window.offset();
                    let ended = scan(self.window, &mut self.record, self.cap)?;
                    self.emit_record(start)?;
                    after_value = ended == Ended::Here;
                }
            }
        }
    }

    /// Hands over what `record` holds.
    fn emit_record(&mut self, start: u64) -> Result<(), Stop> {
        let item = if self.record.is_over(self.cap) {
            Item::Broken {
                raw: excerpt(self.decoding, &self.record.bytes),
                why: format!(
                    "the record at byte {start} has {} bytes, more than limits.record_kb allows",
                    self.record.len
                ),
            }
        } else {
            let (digest, known) = self.plan.recalled(self.decoding, &self.record.bytes);
            if let Some(known) = known {
                return self.give(Item::Known(known));
            }
            match self.read_record() {
                Some(tree @ Value::Object(_)) => Item::Record(Record { tree, digest }),
                Some(_) => Item::Broken {
                    raw: excerpt(self.decoding, &self.record.bytes),
                    why: format!("the record at byte {start} is no object"),
                },
                None => Item::Broken {
                    raw: excerpt(self.decoding, &self.record.bytes),
                    why: format!("the record at byte {start} is no JSON"),
                },
            }
        };
        self.give(item)
    }

    fn give(&mut self, item: Item) -> Result<(), Stop> {
        self.items += 1;
        if (self.take)(item) {
            Ok(())
        } else {
            Err(Stop::Enough)
        }
    }

    fn read_record(&self) -> Option<Value> {
        let text = self.decoding.text(&self.record.bytes);
        serde_json::from_str(&text)
            .ok()
            .or_else(|| serde_json::from_str(&mended(&text)).ok())
    }

    fn solid(&mut self) -> Result<u8, Stop> {
        self.window
            .peek_solid()?
            .ok_or_else(|| Stop::Cut("the document ends too early".to_owned()))
    }
}

/// A document without the list at `path`.
fn envelope_of(mut document: Value, path: &[String]) -> Value {
    let mut at = &mut document;
    for (depth, key) in path.iter().enumerate() {
        let Value::Object(map) = at else {
            return document;
        };
        if depth + 1 == path.len() {
            map.remove(key);
            return document;
        }
        match map.get_mut(key) {
            Some(next) => at = next,
            None => return document,
        }
    }
    document
}
