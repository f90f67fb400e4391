//! Floor 5: logs. Text where a person reads, JSON lines otherwise; always on standard error, since
//! standard output belongs to results.

use std::io::IsTerminal;
use tracing_subscriber::{EnvFilter, fmt};

/// Starts logging. `RUST_LOG` outranks `default`, such as `info` or `warn`. A second call does
/// nothing, so that tests may call it freely.
pub fn init(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    let terminal = std::io::stderr().is_terminal();
    let started = if terminal {
        builder.compact().try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
    drop(started);
}

/// `error` and its causes in one line, each once.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
