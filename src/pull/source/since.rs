//! The day of a run in an address, and the instant since which changes are asked for.

use crate::pull::connector::Connector;
use crate::store::ConnectorState;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

/// `text` with each `{%…}` in it written for `now`.
///
/// # Errors
/// Letters that strftime does not know.
pub fn dated(text: &str, now: &Zoned) -> Result<String, jiff::Error> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{%") {
        let Some(length) = rest[start..].find('}') else {
            break;
        };
        out.push_str(&rest[..start]);
        let format = &rest[start + 1..start + length];
        out.push_str(&jiff::fmt::strtime::format(format, now)?);
        rest = &rest[start + length + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// What a run that starts `now` puts into the parameter of `[source.since]`; `None` makes it a full
/// pass: the first, one whose time has come, and one that a hold waits for.
pub fn since(connector: &Connector, before: &ConnectorState, now: Timestamp) -> Option<String> {
    let since = connector.source.since.as_ref()?;
    let last: Timestamp = before.watermark.as_ref()?.parse().ok()?;
    let full = before.last_complete?;
    if before.absences_held || now.duration_since(full) >= since.full_every || now < full {
        return None;
    }
    let from = last.checked_sub(since.overlap).ok()?;
    jiff::fmt::strtime::format(&since.format, &from.to_zoned(TimeZone::UTC)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_of_a_run_stands_in_an_address() {
        let now: Zoned = "2026-11-02T00:30:00+01:00[Europe/Paris]"
            .parse()
            .expect("an instant");
        for (text, expected) in [
            ("offres.csv", "offres.csv"),
            ("offres-{%Y-%m-%d}.csv", "offres-2026-11-02.csv"),
            ("{%Y}/{%m}/x-{%d}*.xml", "2026/11/x-02*.xml"),
            ("{%Y", "{%Y"),
            ("{a}%20{%H}h", "{a}%2000h"),
        ] {
            assert_eq!(dated(text, &now).expect("a text"), expected);
        }
        assert!(dated("{%!}", &now).is_err());
    }
}
