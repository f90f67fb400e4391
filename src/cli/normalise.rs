//! `normalise --connector FILE_OR_NAME`: raw records in, postings out, line by line, in order.

use super::raw::{self, Reading};
use super::{Exit, load};
use crate::daemon::{Files, files};
use crate::pull::source::parse::mended_json;
use crate::settings;
use serde_json::{Value, json};
use std::io::{self, BufRead as _, BufWriter, Write as _};
use std::path::Path;
use std::thread;

/// Lines worked on at a time, shared out between the cores.
const BATCH: usize = 2000;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Connector file, name of a connector, or name of a preset
    #[arg(long, value_name = "FILE_OR_NAME")]
    connector: String,
}

pub fn run(config: Option<&Path>, args: &Args) -> anyhow::Result<Exit> {
    let loaded = load(config)?;
    let files = files::load(&loaded.settings, &Files::default());
    let (connector, problems) = raw::connector(&args.connector, &loaded.settings, &files)?;
    raw::say(&problems);
    let reading = Reading {
        network: raw::network_for(&files, &connector),
        connector,
        now: settings::clock()?.now(),
    };
    let mut output = BufWriter::new(io::stdout().lock());
    let mut input = io::stdin().lock();
    let mut lines: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut line = Vec::new();
        let ended = input.read_until(b'\n', &mut line)? == 0;
        if !line.trim_ascii().is_empty() {
            lines.push(line);
        }
        if lines.len() >= BATCH || (ended && !lines.is_empty()) {
            for answer in all(&reading, &lines) {
                output.write_all(answer.as_bytes())?;
                output.write_all(b"\n")?;
            }
            lines.clear();
        }
        if ended {
            break;
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// One answer for each line, in order.
fn all(reading: &Reading, lines: &[Vec<u8>]) -> Vec<String> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let share = lines.len().div_ceil(cores).max(1);
    thread::scope(|scope| {
        let parts: Vec<_> = lines
            .chunks(share)
            .map(|part| {
                scope.spawn(move || {
                    part.iter()
                        .map(|line| one(reading, line))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap_or_default())
            .collect()
    })
}

fn one(reading: &Reading, line: &[u8]) -> String {
    let rejected = |reference: Option<String>, problems: Vec<crate::model::Problem>| {
        let mut of = json!({ "problems": problems });
        if let Some(reference) = reference {
            of["reference"] = Value::String(reference);
        }
        json!({ "rejected": of }).to_string()
    };
    let text = String::from_utf8_lossy(line);
    // As in a feed: what careless writers break in JSON (halves of surrogate pairs) is mended.
    let read = serde_json::from_str(&text)
        .or_else(|error| serde_json::from_str(&mended_json(&text)).map_err(|_| error));
    let record: Value = match read {
        Ok(record) => record,
        Err(error) => {
            let why = format!("the line is no JSON record: {error}");
            return rejected(None, vec![raw::unreadable(text.trim(), why)]);
        }
    };
    match reading.posting(&record) {
        Ok((_, posting)) => serde_json::to_string(&posting)
            .unwrap_or_else(|error| rejected(None, vec![raw::unreadable("", error.to_string())])),
        Err(problems) => rejected(reading.connector.reference(&record), problems),
    }
}
