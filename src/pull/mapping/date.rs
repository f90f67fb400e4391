//! Dates as sources write them, to one form. What a format does not settle is refused, not guessed.

use crate::pull::said::Said;
use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::str::FromStr;

/// A declared form of dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DateFormat {
    /// ISO 8601 and RFC 3339 in their usual clothes: `2026-11-02`, `2026-11-02 08:30:00`,
    /// `2026-11-02T08:30:00.123+01:00`, `2026-11-02 08:30:00 UTC`.
    Iso,
    /// `Mon, 02 Nov 2026 08:30:00 +0100`.
    Rfc2822,
    /// Seconds since 1970.
    Epoch,
    /// Milliseconds since 1970.
    EpochMs,
    /// French prose: `Le 09 Novembre 2015 à 13h26`.
    French,
    /// A pattern of `strftime` directives: `%d/%m/%Y %H:%M:%S`.
    Pattern(String),
}

impl FromStr for DateFormat {
    type Err = Said;

    fn from_str(text: &str) -> Result<Self, Said> {
        Ok(match text {
            "iso" => Self::Iso,
            "rfc2822" => Self::Rfc2822,
            "epoch" => Self::Epoch,
            "epoch_ms" => Self::EpochMs,
            "french" => Self::French,
            _ if text.contains('%') => {
                // A pattern that cannot even print a date has a bad directive.
                let sample = Date::constant(2026, 11, 2).to_datetime(Time::constant(8, 30, 0, 0));
                strtime::format(text.replace("%z", "").replace("%Z", ""), sample).map_err(
                    |error| {
                        (
                            format!("`{text}` n'est pas une forme de date : {error}"),
                            format!("`{text}` is no date pattern: {error}"),
                        )
                    },
                )?;
                Self::Pattern(text.to_owned())
            }
            _ => {
                let french = format!(
                    "`{text}` n'est pas une forme de date : il faut iso, rfc2822, epoch, epoch_ms, french, ou un motif comme %d/%m/%Y"
                );
                let english = format!(
                    "`{text}` is no date format: expected iso, rfc2822, epoch, epoch_ms, french, or a pattern such as %d/%m/%Y"
                );
                return Err((french, english).into());
            }
        })
    }
}

/// What a text says, before the zone is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Instant(Timestamp),
    /// A wall-clock time without a zone.
    Local(DateTime),
    Day(Date),
}

impl Moment {
    /// The instant, read in `zone`. A day without time is that day at midnight UTC, so that it
    /// stays the same day in Europe; `end` takes the last second of the day in `zone` instead.
    pub fn instant(self, zone: &TimeZone, end: bool) -> Option<Timestamp> {
        match self {
            Self::Instant(instant) => Some(instant),
            Self::Local(local) => zone.to_timestamp(local).ok(),
            Self::Day(day) if end => zone.to_timestamp(day.at(23, 59, 59, 0)).ok(),
            Self::Day(day) => TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok(),
        }
    }

    /// The day, as seen in `zone`.
    pub fn day(self, zone: &TimeZone) -> Date {
        match self {
            Self::Instant(instant) => zone.to_datetime(instant).date(),
            Self::Local(local) => local.date(),
            Self::Day(day) => day,
        }
    }

    /// "Never": the year 9999 and its neighbours stand for no date at all.
    pub fn is_never(self) -> bool {
        match self {
            Self::Instant(instant) => TimeZone::UTC.to_datetime(instant).year() >= 2900,
            Self::Local(local) => local.year() >= 2900,
            Self::Day(day) => day.year() >= 2900,
        }
    }
}

/// Reads `text` by the first of `formats` that fits; none means ISO only.
pub fn parse(text: &str, formats: &[DateFormat]) -> Option<Moment> {
    let text = text.trim();
    if formats.is_empty() {
        return iso(text);
    }
    formats.iter().find_map(|format| match format {
        DateFormat::Iso => iso(text),
        DateFormat::Rfc2822 => jiff::fmt::rfc2822::DateTimeParser::new()
            .relaxed_weekday(true)
            .parse_timestamp(text)
            .ok()
            .map(Moment::Instant),
        DateFormat::Epoch => epoch(text, 1000),
        DateFormat::EpochMs => epoch(text, 1),
        DateFormat::French => french(text),
        DateFormat::Pattern(pattern) => by_pattern(text, pattern),
    })
}

fn by_pattern(text: &str, pattern: &str) -> Option<Moment> {
    let parts = strtime::parse(pattern, text).ok()?;
    if parts.offset().is_some() {
        return parts.to_timestamp().ok().map(Moment::Instant);
    }
    if parts.hour().is_some() {
        return parts.to_datetime().ok().map(Moment::Local);
    }
    parts.to_date().ok().map(Moment::Day)
}

fn iso(text: &str) -> Option<Moment> {
    let bytes = text.as_bytes();
    // The year first and dashes between: `20261102` and `02/11/2026` need a declared format.
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let day: Date = text.get(..10)?.parse().ok()?;
    let rest = text.get(10..)?;
    if rest.is_empty() {
        return Some(Moment::Day(day));
    }
    let rest = rest.strip_prefix(['T', 't', ' '])?.trim();
    let (clock, zone) = split_zone(rest);
    let time: Time = clock.parse().ok()?;
    let local = day.to_datetime(time);
    match zone {
        None => Some(Moment::Local(local)),
        Some(seconds) => {
            let utc = TimeZone::UTC.to_timestamp(local).ok()?;
            utc.checked_sub(SignedDuration::from_secs(seconds))
                .ok()
                .map(Moment::Instant)
        }
    }
}

/// The clock and the offset in seconds, if one is written.
fn split_zone(text: &str) -> (&str, Option<i64>) {
    for name in ["UTC", "GMT", "Z", "z"] {
        if let Some(clock) = text.strip_suffix(name) {
            return (clock.trim_end(), Some(0));
        }
    }
    let Some(at) = text.rfind(['+', '-']) else {
        return (text, None);
    };
    let (clock, offset) = text.split_at(at);
    let digits: String = offset[1..].chars().filter(|c| *c != ':').collect();
    let seconds = match (digits.len(), digits.parse::<i64>()) {
        (2, Ok(hours)) => hours * 3600,
        (4, Ok(both)) => both / 100 * 3600 + both % 100 * 60,
        // Not an offset: the clock then fails to parse, and the date is refused.
        _ => return (text, None),
    };
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    (clock.trim_end(), Some(sign * seconds))
}

fn epoch(text: &str, scale: i64) -> Option<Moment> {
    let whole = text.split('.').next()?;
    let ms = whole.parse::<i64>().ok()?.checked_mul(scale)?;
    // Seconds declared as milliseconds would say 1970, the reverse year 50000: neither is a date
    // of a job offer.
    let year = 365 * 86_400_000;
    (20 * year..200 * year)
        .contains(&ms)
        .then(|| Timestamp::from_millisecond(ms).ok())
        .flatten()
        .map(Moment::Instant)
}

const MONTHS: [(&str, i8); 12] = [
    ("janv", 1),
    ("f", 2),
    ("mars", 3),
    ("avr", 4),
    ("mai", 5),
    ("juin", 6),
    ("juil", 7),
    ("ao", 8),
    ("sept", 9),
    ("oct", 10),
    ("nov", 11),
    ("d", 12),
];

fn french(text: &str) -> Option<Moment> {
    let lower = text.to_lowercase();
    let mut words = lower
        .split(|c: char| c.is_whitespace() || c == ',')
        .filter(|w| !w.is_empty() && *w != "le" && *w != "à")
        .skip_while(|w| !w.starts_with(|c: char| c.is_ascii_digit()));
    let day: i8 = words.next()?.trim_end_matches("er").parse().ok()?;
    let name = words.next()?;
    let month = MONTHS
        .iter()
        .find(|(start, _)| name.starts_with(start))
        .map(|(_, month)| *month)?;
    let date = Date::new(words.next()?.parse().ok()?, month, day).ok()?;
    match words.next() {
        None => Some(Moment::Day(date)),
        Some(clock) => {
            let (hour, minute) = clock.split_once(['h', ':'])?;
            let minute = if minute.is_empty() { "0" } else { minute };
            let time = Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()?;
            Some(Moment::Local(date.to_datetime(time)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paris() -> TimeZone {
        TimeZone::get("Europe/Paris").expect("bundled")
    }

    fn read(text: &str, formats: &[&str]) -> Option<String> {
        let formats: Vec<DateFormat> = formats
            .iter()
            .map(|f| f.parse().expect("a format"))
            .collect();
        Some(parse(text, &formats)?.instant(&paris(), false)?.to_string())
    }

    #[test]
    fn the_forms_of_the_field() {
        for (text, formats, expected) in [
            ("2025-08-21T10:04:14.000Z", vec![], "2025-08-21T10:04:14Z"),
            ("2025-10-03T09:42:16.9", vec![], "2025-10-03T07:42:16.9Z"),
            ("2026-08-05 09:41:37 UTC", vec![], "2026-08-05T09:41:37Z"),
            ("2026-02-04T09:26:20+01:00", vec![], "2026-02-04T08:26:20Z"),
            ("2026-02-04T09:26:20+0100", vec![], "2026-02-04T08:26:20Z"),
            ("2026-11-02", vec![], "2026-11-02T00:00:00Z"),
            (
                "28/02/2021",
                vec!["%d/%m/%Y %H:%M", "%d/%m/%Y"],
                "2021-02-28T00:00:00Z",
            ),
            (
                "02/01/2021 05:01",
                vec!["%d/%m/%Y %H:%M", "%d/%m/%Y"],
                "2021-01-02T04:01:00Z",
            ),
            ("20260101", vec!["%Y%m%d"], "2026-01-01T00:00:00Z"),
            (
                "22-05-2025 00:11:19",
                vec!["%d-%m-%Y %H:%M:%S"],
                "2025-05-21T22:11:19Z",
            ),
            (
                "Mon, 02 Nov 2026 08:30:00 +0100",
                vec!["rfc2822"],
                "2026-11-02T07:30:00Z",
            ),
            ("1760000000", vec!["epoch"], "2025-10-09T08:53:20Z"),
            (
                "1760000000123",
                vec!["epoch_ms"],
                "2025-10-09T08:53:20.123Z",
            ),
            (
                "Le 09 Novembre 2015 à 13h26",
                vec!["french"],
                "2015-11-09T12:26:00Z",
            ),
            ("1er août 2026", vec!["french"], "2026-08-01T00:00:00Z"),
        ] {
            assert_eq!(read(text, &formats).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_declared_is_refused() {
        for (text, formats) in [
            ("2026-02-30", vec![]),
            ("01/02/2026", vec![]),
            ("20260102", vec![]),
            ("1760000000", vec![]),
            ("1760000000", vec!["epoch_ms"]),
            ("1760000000123", vec!["epoch"]),
            ("30/02/2026", vec!["%d/%m/%Y"]),
            ("2026-13-01", vec!["iso"]),
            ("2026-11-02T25:00:00Z", vec![]),
            ("hier", vec!["french"]),
            ("", vec![]),
            ("2026-11-02é", vec![]),
        ] {
            assert_eq!(read(text, &formats), None, "{text}");
        }
    }

    #[test]
    fn the_end_of_a_day_and_never() {
        let day = parse("2026-11-30", &[]).expect("a day");
        assert_eq!(
            day.instant(&paris(), true)
                .map(|t| t.to_string())
                .as_deref(),
            Some("2026-11-30T22:59:59Z")
        );
        assert!(parse("9999-12-31", &[]).expect("a day").is_never());
    }

    proptest::proptest! {
        #[test]
        fn reading_never_panics(text in ".{0,40}") {
            for format in ["iso", "rfc2822", "epoch", "epoch_ms", "french", "%d/%m/%Y"] {
                let format: DateFormat = format.parse().expect("a format");
                if let Some(moment) = parse(&text, &[format]) {
                    let _ = moment.instant(&TimeZone::UTC, true);
                }
            }
        }
    }
}
