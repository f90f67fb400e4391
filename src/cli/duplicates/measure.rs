//! `duplicates evaluate` and `fit`: labelled corpora in, figures and weights out.

use crate::cli::{Exit, out, table};
use crate::dedupe::evaluate::{self, Corpus, LabelledPair, Report, Source};
use crate::dedupe::{FitRecord, SCORECARD, Scorecard};
use crate::settings;
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub struct Evaluate {
    /// Labelled postings as JSON lines, plain or .xz; with --pairs France Travail objects
    file: PathBuf,
    /// Labelled pairs `id_a,id_b,label`: only POS, NEG and MULTISITE count
    #[arg(long, value_name = "CSV")]
    pairs: Option<PathBuf>,
    /// Write `rid,vacancy` lines: the clusters that the hub would publish
    #[arg(long, value_name = "OUT")]
    clusters: Option<PathBuf>,
    #[arg(long)]
    json: bool,
}

pub fn evaluate(args: &Evaluate) -> anyhow::Result<Exit> {
    let (corpus, pairs) = read(&args.file, args.pairs.as_deref())?;
    let report = evaluate::evaluate(&corpus, pairs.as_deref());
    if let Some(path) = &args.clusters {
        write_clusters(path, &report)
            .with_context(|| format!("cannot write the clusters to {}", path.display()))?;
    }
    if args.json {
        out::json(&report)?;
    } else {
        out::line(shown(&report))?;
    }
    Ok(Exit::Done)
}

fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("cannot open {}", path.display()))
}

/// A corpus with its truth, or with pairs of it that are labelled.
fn read(file: &Path, pairs: Option<&Path>) -> anyhow::Result<(Corpus, Option<Vec<LabelledPair>>)> {
    let wrong = || {
        let form = match pairs {
            Some(_) => "France Travail objects as JSON lines",
            None => "labelled postings as JSON lines (rid, vid, src, ext_id, …)",
        };
        format!(
            "{} is not read: expected {form}, plain or .xz",
            file.display()
        )
    };
    let input = open(file)?;
    let Some(path) = pairs else {
        let corpus = evaluate::labelled(input).with_context(wrong)?;
        if corpus.postings.is_empty() {
            bail!("{} holds no posting", file.display());
        }
        return Ok((corpus, None));
    };
    let corpus = evaluate::france_travail(input).with_context(wrong)?;
    let labelled = evaluate::pairs(open(path)?, &corpus).with_context(|| {
        format!(
            "{} is not read: expected id_a,id_b,label with ids of {}",
            path.display(),
            file.display()
        )
    })?;
    if labelled.is_empty() {
        bail!(
            "{} holds no pair labelled POS, NEG or MULTISITE",
            path.display()
        );
    }
    Ok((corpus, Some(labelled)))
}

fn write_clusters(path: &Path, report: &Report) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for (rid, vacancy) in &report.clusters {
        writeln!(file, "{rid},{vacancy}")?;
    }
    file.flush()?;
    Ok(())
}

/// The report as people read it.
fn shown(report: &Report) -> String {
    let row = |name: &str, figures: &evaluate::Figures| {
        let mut cells = vec![name.to_owned()];
        cells.extend(
            [figures.precision, figures.recall, figures.f1].map(|share| format!("{share:.4}")),
        );
        cells
    };
    let figures = table::table(
        &["", "precision", "recall", "f1"],
        vec![
            row("published, pairs", &report.pairwise),
            row("published, B-cubed", &report.bcubed),
            row(
                &format!("best, at {:.1} bits", report.best.threshold),
                &report.best.figures,
            ),
        ],
        &[1, 2, 3],
    );
    format!(
        "{figures}\n\n{} postings · {} vacancies found · {} true\n\
         with questions answered: recall {:.4}, asked about {:.1} % of the postings\n\
         candidates: recall {:.4}, {:.1} pairs a posting\n\
         best B-cubed F1 {:.4} · {:.1} s · {} MB at most",
        report.postings,
        report.vacancies_found,
        report.vacancies_true,
        report.with_ask.recall,
        report.ask_share * 100.0,
        report.candidates.recall,
        report.candidates.pairs_per_posting,
        report.best.bcubed_f1,
        report.seconds,
        report.peak_mb
    )
}

#[derive(Debug, clap::Args)]
pub struct Fit {
    /// Labelled postings as JSON lines, plain or .xz; may be given several times
    #[arg(long, value_name = "FILE", required_unless_present = "pairs")]
    labelled: Vec<PathBuf>,
    /// France Travail objects and labelled pairs of them; may be given several times
    #[arg(long, num_args = 2, value_names = ["OFFERS", "CSV"], action = clap::ArgAction::Append)]
    pairs: Vec<PathBuf>,
    /// How many times each pair of --pairs counts; given as often as --pairs, each for its own
    #[arg(long, default_value = "40", value_name = "TIMES")]
    times: Vec<f64>,
    /// The day to record [default: today]
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<jiff::civil::Date>,
    /// Where to write the table [default: standard output]
    #[arg(long, value_name = "TOML")]
    out: Option<PathBuf>,
}

pub fn fit(args: &Fit) -> anyhow::Result<Exit> {
    if let Some(times) = args.times.iter().find(|t| !(t.is_finite() && **t > 0.0)) {
        bail!("--times is {times}: expected a number above zero");
    }
    let (given, pairs) = (args.times.len(), args.pairs.len() / 2);
    if given > 1 && given != pairs {
        bail!(
            "--times is given {given} times and --pairs {pairs} times: expected one --times, or one each"
        );
    }
    let mut sources = Vec::new();
    let mut data = Vec::new();
    for file in &args.labelled {
        let (corpus, pairs) = read(file, None)?;
        data.push(format!(
            "{} ({} postings)",
            named(file),
            corpus.postings.len()
        ));
        let times = 1.0;
        sources.push(Source {
            corpus,
            pairs,
            times,
        });
    }
    let times = args.times.iter().cycle();
    for (both, times) in args.pairs.chunks_exact(2).zip(times) {
        let (offers, labels) = (&both[0], &both[1]);
        let (corpus, pairs) = read(offers, Some(labels))?;
        let count = pairs.as_ref().map_or(0, Vec::len);
        data.push(format!("{} ({count} pairs, {times} times)", named(labels)));
        let times = *times;
        sources.push(Source {
            corpus,
            pairs,
            times,
        });
    }
    let date = args.date.map_or_else(
        || settings::clock().map(|clock| clock.now().strftime("%Y-%m-%d").to_string()),
        |date| Ok(date.to_string()),
    )?;
    let mut file = evaluate::learn(
        &sources,
        SCORECARD.bands,
        FitRecord {
            data: data.join("; "),
            date,
            figures: BTreeMap::new(),
        },
    );
    // On what it was fitted, and said so: other data must judge it.
    let card = Scorecard::of(&file)?;
    for source in &sources {
        let report = evaluate::evaluate_by(&card, &source.corpus, source.pairs.as_deref());
        let name = if source.pairs.is_some() {
            "seen_pairs"
        } else {
            "seen_postings"
        };
        let published = &report.pairwise;
        let figures = format!(
            "published P {:.3} R {:.3} F1 {:.3}; best F1 {:.3}",
            published.precision, published.recall, published.f1, report.best.figures.f1
        );
        eprintln!("{name}: {figures}");
        file.fit.figures.insert(name.to_owned(), figures.into());
    }
    let text = toml::to_string(&file)?;
    match &args.out {
        Some(path) => std::fs::write(path, text)
            .with_context(|| format!("cannot write the table to {}", path.display()))?,
        None => out::line(text.trim_end())?,
    }
    Ok(Exit::Done)
}

fn named(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
