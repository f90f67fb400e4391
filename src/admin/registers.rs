//! Loading public registers of employers (FINESS, Sirene) from their published CSV files.
//!
//! Files are read line by line on a thread of their own, and handed to the store in batches: memory
//! stays bounded, whatever the size of the file. A bad line is counted and told, the others go on.
//! What is in use is replaced once all files are through, or not at all.

use crate::model::{Clock, Register, RegisterState};
use crate::normalise::register::{Layout, Row, department, entry_keys};
use crate::store::{KeyedEntry, Store, StoreError};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use tokio::sync::mpsc;

/// Entries handed over at a time; four such batches may wait.
const BATCH: usize = 1000;
/// A longer line is refused, and skipped without being kept.
const LINE: usize = 64 * 1024;
/// Refused lines that are told one by one, a file.
const TOLD: usize = 20;

/// A file to load, with the name under which it is spoken of.
pub struct Source {
    pub name: String,
    pub reader: Box<dyn Read + Send>,
}

/// What is asked of a load.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Only what lies in these départements; empty for all. Legal entities have no place of work
    /// and are always kept.
    pub departments: Vec<String>,
    /// Lets a load replace one that had more than twice as many entries.
    pub smaller: bool,
}

/// What became of one file's lines.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    pub file: String,
    pub lines: u64,
    pub kept: u64,
    /// Closed, private, elsewhere, or of no use here.
    pub skipped: u64,
    pub rejected: u64,
    /// The first refused lines: number and reason.
    pub problems: Vec<(u64, String)>,
}

/// Why nothing was replaced.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{file}: {why}")]
    File { file: String, why: String },
    #[error(
        "no line of the files could be kept ({rejected} refused, {skipped} skipped): what was \
         loaded before stays. Check the files and --departments"
    )]
    Nothing { rejected: u64, skipped: u64 },
    #[error(
        "{register}: {now} entries would replace {before}: is the file cut? What was loaded \
         before stays; --smaller replaces it all the same"
    )]
    Shrunk {
        register: &'static str,
        before: u64,
        now: u64,
    },
    #[error("the registers could not be stored")]
    Store(#[from] StoreError),
}

/// Loads `sources` and replaces each register that they hold.
///
/// # Errors
/// A file that is no extract or cannot be read, a load that looks cut, or the store's: then what
/// was loaded before stays.
pub async fn load(
    store: &dyn Store,
    clock: &Clock,
    sources: Vec<Source>,
    wish: &Wish,
) -> Result<(Vec<Report>, Vec<RegisterState>), LoadError> {
    let mut loads: BTreeMap<Register, (u64, u64)> = BTreeMap::new();
    let loaded = fill(store, clock, sources, wish, &mut loads).await;
    let checked = match loaded {
        Ok(reports) => check(store, &loads, &reports, wish).await.map(|()| reports),
        Err(error) => Err(error),
    };
    let reports = match checked {
        Ok(reports) => reports,
        Err(error) => {
            for (load, _) in loads.values() {
                store.abandon_register(*load).await?;
            }
            return Err(error);
        }
    };
    let mut states = Vec::new();
    for (load, _) in loads.values() {
        states.push(store.finish_register(*load, clock.now()).await?);
    }
    Ok((reports, states))
}

async fn fill(
    store: &dyn Store,
    clock: &Clock,
    sources: Vec<Source>,
    wish: &Wish,
    loads: &mut BTreeMap<Register, (u64, u64)>,
) -> Result<Vec<Report>, LoadError> {
    let mut reports = Vec::new();
    for Source { name, reader } in sources {
        let (send, mut receive) = mpsc::channel(4);
        let (file, departments) = (name.clone(), wish.departments.clone());
        let reading = tokio::task::spawn_blocking(move || read(&file, reader, &departments, &send));
        while let Some((register, batch)) = receive.recv().await {
            let batch: Vec<KeyedEntry> = batch;
            let load = match loads.get(&register) {
                Some((load, _)) => *load,
                None => {
                    let load = store.begin_register(register, clock.now()).await?;
                    loads.insert(register, (load, 0));
                    load
                }
            };
            if let Some((_, count)) = loads.get_mut(&register) {
                *count += batch.len() as u64;
            }
            store.add_to_register(load, batch).await?;
        }
        let report = reading.await.unwrap_or_else(|error| Err(error.to_string()));
        reports.push(report.map_err(|why| LoadError::File { file: name, why })?);
    }
    Ok(reports)
}

/// Whether what was read may replace what is in use.
async fn check(
    store: &dyn Store,
    loads: &BTreeMap<Register, (u64, u64)>,
    reports: &[Report],
    wish: &Wish,
) -> Result<(), LoadError> {
    if loads.is_empty() {
        return Err(LoadError::Nothing {
            rejected: reports.iter().map(|report| report.rejected).sum(),
            skipped: reports.iter().map(|report| report.skipped).sum(),
        });
    }
    for state in store.registers().await? {
        if let Some((_, now)) = loads.get(&state.register)
            && now.saturating_mul(2) < state.entries
            && !wish.smaller
        {
            return Err(LoadError::Shrunk {
                register: state.register.name(),
                before: state.entries,
                now: *now,
            });
        }
    }
    Ok(())
}

type Batch = (Register, Vec<KeyedEntry>);

/// Reads one file to its end; the receiver's going away ends it too.
fn read(
    file: &str,
    reader: Box<dyn Read + Send>,
    departments: &[String],
    send: &mpsc::Sender<Batch>,
) -> Result<Report, String> {
    let mut lines = Lines {
        reader: BufReader::with_capacity(256 * 1024, reader),
        bytes: Vec::new(),
    };
    let mut report = Report {
        file: file.to_owned(),
        ..Report::default()
    };
    let mut layout: Option<Layout> = None;
    let mut batches: BTreeMap<Register, Vec<KeyedEntry>> = BTreeMap::new();
    while let Some(line) = lines.next().map_err(|error| error.to_string())? {
        report.lines += 1;
        let number = report.lines;
        let row = match (line, &layout) {
            (None, None) => return Err("its first line has no end: is it a CSV file?".to_owned()),
            (None, Some(_)) => Row::Bad(format!("it is longer than {LINE} bytes")),
            (Some(line), None) => {
                let (found, header) = Layout::of(&line)?;
                let row = if header {
                    Row::Skipped
                } else {
                    found.row(&line)
                };
                layout = Some(found);
                if header {
                    continue;
                }
                row
            }
            (Some(line), Some(_)) if line.trim().is_empty() => continue,
            (Some(line), Some(layout)) => layout.row(&line),
        };
        match row {
            Row::Skipped => report.skipped += 1,
            Row::Bad(why) => {
                report.rejected += 1;
                if report.problems.len() < TOLD {
                    report.problems.push((number, why));
                }
            }
            Row::Entry(entry) => {
                let site = matches!(
                    entry.register,
                    Register::FinessSites | Register::SireneSites
                );
                let inside = |code: &str| departments.iter().any(|wanted| wanted == code);
                if site && !departments.is_empty() && !department(&entry).is_some_and(inside) {
                    report.skipped += 1;
                    continue;
                }
                report.kept += 1;
                let register = entry.register;
                let batch = batches.entry(register).or_default();
                batch.push(KeyedEntry {
                    keys: entry_keys(&entry),
                    entry: *entry,
                });
                if batch.len() >= BATCH {
                    let full = std::mem::take(batch);
                    if send.blocking_send((register, full)).is_err() {
                        return Ok(report);
                    }
                }
            }
        }
    }
    if layout.is_none() {
        return Err("it is empty".to_owned());
    }
    for batch in batches {
        if !batch.1.is_empty() && send.blocking_send(batch).is_err() {
            break;
        }
    }
    Ok(report)
}

/// Lines of bounded length, UTF-8 or Windows-1252 (FINESS was published in both).
struct Lines<R> {
    reader: R,
    bytes: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    /// The next line; `Some(None)` stands for one that is too long.
    fn next(&mut self) -> io::Result<Option<Option<String>>> {
        self.bytes.clear();
        let mut long = false;
        loop {
            let read = (&mut self.reader)
                .take(LINE as u64)
                .read_until(b'\n', &mut self.bytes)?;
            if read == 0 && !long {
                return Ok(None);
            }
            if read < LINE || self.bytes.ends_with(b"\n") {
                break;
            }
            long = true;
            self.bytes.clear();
        }
        if long {
            return Ok(Some(None));
        }
        let text = match std::str::from_utf8(&self.bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => encoding_rs::WINDOWS_1252.decode(&self.bytes).0.into_owned(),
        };
        Ok(Some(Some(text.trim_end_matches(['\r', '\n']).to_owned())))
    }
}

#[cfg(test)]
mod tests;
