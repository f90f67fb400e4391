//! One line a connector: live on a terminal, plain otherwise; always on standard error.

use crate::daemon::Observer;
use crate::model::ConnectorName;
use crate::store::Run;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

pub struct Progress {
    all: MultiProgress,
    bars: BTreeMap<ConnectorName, ProgressBar>,
    /// Plain lines instead of live ones.
    plain: bool,
    quiet: bool,
}

impl Progress {
    /// `quiet` shows nothing unless a person watches.
    pub fn new(connectors: &[ConnectorName], quiet: bool) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let all = MultiProgress::with_draw_target(if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        });
        let width = connectors
            .iter()
            .map(|name| name.as_str().chars().count())
            .max()
            .unwrap_or(0);
        let style =
            ProgressStyle::with_template(&format!("{{spinner}} {{prefix:{width}}}  {{msg}}"))
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bars = connectors
            .iter()
            .map(|name| {
                let bar = all.add(ProgressBar::new_spinner().with_style(style.clone()));
                bar.set_prefix(name.to_string());
                bar.set_message("waits");
                (name.clone(), bar)
            })
            .collect();
        Self {
            all,
            bars,
            plain: !terminal,
            quiet,
        }
    }

    /// Leaves the last lines in place.
    pub fn finish(&self) {
        for bar in self.bars.values() {
            if !bar.is_finished() {
                bar.abandon();
            }
        }
        self.all.set_move_cursor(false);
    }
}

impl Observer for Progress {
    fn started(&self, connector: &ConnectorName) {
        if let Some(bar) = self.bars.get(connector) {
            bar.set_message("reads");
            bar.enable_steady_tick(Duration::from_millis(120));
        }
    }

    fn records(&self, connector: &ConnectorName, records: u64) {
        if let Some(bar) = self.bars.get(connector) {
            bar.set_message(format!("{records} records"));
        }
    }

    fn ended(&self, run: &Run) {
        let counts = run.counts;
        let line = match &run.error {
            Some(error) => format!(
                "{}: {error}",
                crate::daemon::metrics::snapshot(run.snapshot)
            ),
            None => format!(
                "{}: {} pulled, {} new, {} changed, {} missing, {} held, {} rejected",
                crate::daemon::metrics::snapshot(run.snapshot),
                counts.pulled,
                counts.new,
                counts.changed,
                counts.missing,
                counts.held,
                counts.rejected
            ),
        };
        if self.plain && !self.quiet {
            eprintln!("{}: {line}", run.connector);
        }
        if let Some(bar) = self.bars.get(&run.connector) {
            bar.finish_with_message(line);
        }
    }
}
