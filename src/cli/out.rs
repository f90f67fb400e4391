//! Standard output: a reader that goes away ends the command quietly.

use std::io::{self, Write};

/// Writes `text` and a line end.
///
/// # Errors
/// Standard output is closed or full.
pub fn line(text: impl AsRef<[u8]>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_ref())?;
    out.write_all(b"\n")
}

/// Writes `value` as one line of JSON.
///
/// # Errors
/// Standard output is closed or full.
pub fn json<T: serde::Serialize>(value: &T) -> io::Result<()> {
    let text = serde_json::to_vec(value).map_err(io::Error::other)?;
    line(text)
}

/// Whether the command ended because its reader did.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// An instant as people read it, to the second.
pub fn instant(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
