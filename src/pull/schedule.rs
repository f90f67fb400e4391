//! When a connector runs: five-field cron as everyone knows it, or a plain interval.
//!
//! ```text
//! 0 6 * * 1-5                  at 06:00 from Monday to Friday, French time
//! 30 */2 * * * America/Cayenne in a named zone, as the last word or as CRON_TZ=… in front
//! @hourly, @daily, @weekly, @monthly
//! every 15m                    s, m, h or d
//! ```
//!
//! The `cron` crate reads minutes, hours, days of the month and months. Weekdays are POSIX (0 and
//! 7 are Sunday), which that crate numbers otherwise; and, as in every cron, restricting both the
//! day of the month and the weekday means either. In spring, what falls into the gap runs at the
//! first instant after it; in autumn, a fixed time runs once, at its first occurrence, while
//! `*` or `*/n` hours go on through the repeated hour.

use super::said::Said;
use crate::model::ConnectorName;
use cron::TimeUnitSpec;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp, ToSpan};
use std::collections::BTreeSet;
use std::str::FromStr;

/// The zone of a schedule that names none.
const ZONE: &str = "Europe/Paris";
/// A schedule that finds no day in this many days never runs: 29 February is 8 years away at most.
const HORIZON_DAYS: i32 = 9 * 366;
/// Longest jitter; a tenth of the time between two runs where that is less.
const JITTER: SignedDuration = SignedDuration::from_mins(10);
/// Longest change of any zone's clocks.
const SHIFT: SignedDuration = SignedDuration::from_hours(3);
const MACROS: [(&str, &str); 7] = [
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// Why a schedule cannot be read, with what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no schedule: {}", why.en)]
pub struct ScheduleError {
    pub text: String,
    pub why: Said,
}

impl ScheduleError {
    /// For an admin.
    pub fn said(&self) -> Said {
        let french = format!("{:?} n'est pas un horaire : {}", self.text, self.why.fr);
        (french, self.to_string()).into()
    }
}

/// When to run. Compare with [`Schedule::next`].
#[derive(Clone, Debug)]
pub struct Schedule {
    kind: Kind,
    jitter: SignedDuration,
}

#[derive(Clone, Debug)]
enum Kind {
    Cron(Box<Cron>),
    Every(SignedDuration),
}

#[derive(Clone, Debug)]
struct Cron {
    minutes: Vec<i8>,
    hours: Vec<i8>,
    /// `*` or `*/n`: an interval, which repeats with the clock in autumn.
    hours_flow: bool,
    days: BTreeSet<u32>,
    any_day: bool,
    months: BTreeSet<u32>,
    /// 0 is Sunday.
    weekdays: BTreeSet<u32>,
    any_weekday: bool,
    zone: TimeZone,
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kind = read(text).map_err(|why| ScheduleError {
            text: text.to_owned(),
            why,
        })?;
        let jitter = SignedDuration::ZERO;
        Ok(Self { kind, jitter })
    }
}

impl Schedule {
    /// Shifts every run by the same few seconds or minutes, made of the connector's name alone, so
    /// that a hundred connectors do not all start at the full hour.
    #[must_use]
    pub fn with_jitter(mut self, connector: &ConnectorName) -> Self {
        let Some(period) = self.period() else {
            return self;
        };
        let most = (period / 10).min(JITTER);
        let hash = blake3::hash(connector.as_str().as_bytes());
        let dice = u64::from(u32::from_le_bytes(
            hash.as_bytes()[..4].try_into().unwrap_or_default(),
        ));
        let seconds = (u64::try_from(most.as_secs()).unwrap_or(0) * dice) >> 32;
        self.jitter = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(0));
        self
    }

    /// The first run after `after`; `None` only at the end of time.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let base = after.checked_sub(self.jitter).ok()?;
        self.kind.next(base)?.checked_add(self.jitter).ok()
    }

    /// Time between two runs, taken at a fixed date.
    fn period(&self) -> Option<SignedDuration> {
        let first = self.kind.next(Timestamp::UNIX_EPOCH)?;
        Some(self.kind.next(first)?.duration_since(first))
    }
}

impl Kind {
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(cron) => cron.next(after),
            Self::Every(step) => {
                let step = step.as_secs();
                let next = after.as_second().div_euclid(step).checked_add(1)?;
                Timestamp::from_second(next.checked_mul(step)?).ok()
            }
        }
    }
}

impl Cron {
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let from = self
            .zone
            .to_datetime(after)
            .checked_sub(Span::new().try_seconds(SHIFT.as_secs()).ok()?)
            .ok()?;
        let mut best: Option<(Timestamp, DateTime)> = None;
        for civil in self.civil_from(from) {
            if best.is_some_and(|(_, at)| civil.duration_since(at) > SHIFT) {
                break;
            }
            for instant in self.instants(civil) {
                if instant > after && best.is_none_or(|(sooner, _)| instant < sooner) {
                    best = Some((instant, civil));
                }
            }
        }
        best.map(|(instant, _)| instant)
    }

    /// Matching wall-clock times from `from` on.
    fn civil_from(&self, from: DateTime) -> impl Iterator<Item = DateTime> + '_ {
        let first = from.date();
        (0..HORIZON_DAYS)
            .map_while(move |n| first.checked_add(n.days()).ok())
            .filter(|day| self.on(*day))
            .flat_map(move |day| {
                let hours = self.hours.iter();
                hours.flat_map(move |hour| {
                    let minutes = self.minutes.iter();
                    minutes.map(move |minute| day.at(*hour, *minute, 0, 0))
                })
            })
            .filter(move |civil| *civil >= from)
    }

    fn on(&self, day: Date) -> bool {
        let date = self.days.contains(&u32::from(day.day().unsigned_abs()));
        let weekday = day.weekday().to_sunday_zero_offset().unsigned_abs();
        let weekday = self.weekdays.contains(&u32::from(weekday));
        let day_fits = match (self.any_day, self.any_weekday) {
            (false, false) => date || weekday,
            _ => date && weekday,
        };
        day_fits && self.months.contains(&u32::from(day.month().unsigned_abs()))
    }

    /// The instants at which a wall clock shows `civil`, or the end of the gap that it falls into.
    fn instants(&self, civil: DateTime) -> Vec<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_timestamp(civil);
        match ambiguous.offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(civil).ok(),
            AmbiguousOffset::Gap { before, .. } => {
                let beyond = before.to_timestamp(civil).ok();
                let beyond = beyond.and_then(|t| t.checked_add(1.second()).ok());
                beyond.and_then(|t| {
                    self.zone
                        .preceding(t)
                        .next()
                        .map(|change| change.timestamp())
                })
            }
            AmbiguousOffset::Fold { before, after } => {
                let instants = [before, after].map(|o| o.to_timestamp(civil).ok());
                let count = if self.hours_flow { 2 } else { 1 };
                return instants.into_iter().take(count).flatten().collect();
            }
        }
        .into_iter()
        .collect()
    }
}

fn read(text: &str) -> Result<Kind, Said> {
    let text = text.trim();
    if let Some(interval) = text.strip_prefix("every ") {
        return every(interval.trim()).map(Kind::Every);
    }
    let mut words: Vec<&str> = text.split_whitespace().collect();
    let mut zone = ZONE;
    let named = words.first().and_then(|word| {
        let name = word.strip_prefix("CRON_TZ=");
        name.or_else(|| word.strip_prefix("TZ="))
    });
    if let Some(name) = named {
        zone = name;
        words.remove(0);
    } else if words.len() > 1 && words.last().is_some_and(|last| is_zone(last)) {
        zone = words.pop().unwrap_or(ZONE);
    }
    let zone = TimeZone::get(zone).map_err(|_| {
        (
            format!("{zone:?} n'est pas un fuseau horaire ; écrivez son nom, comme Europe/Paris"),
            format!("{zone:?} is no time zone; write its IANA name, such as Europe/Paris"),
        )
    })?;
    let expanded = match words[..] {
        [one] if one.starts_with('@') => {
            let found = MACROS.iter().find(|(name, _)| *name == one);
            let found = found.ok_or_else(|| {
                (
                    format!(
                        "{one} n'est pas l'un de @hourly, @daily, @weekly, @monthly et @yearly"
                    ),
                    format!("{one} is none of @hourly, @daily, @weekly, @monthly and @yearly"),
                )
            })?;
            found.1.split(' ').collect()
        }
        _ => words,
    };
    let [minute, hour, day, month, weekday] = expanded[..] else {
        let count = expanded.len();
        let french = format!(
            "il faut cinq champs (minute, heure, jour du mois, mois, jour de la semaine), ou \
             \"every 15m\", ou @hourly ; il y en a {count}"
        );
        let english = format!(
            "five fields are expected (minute, hour, day of the month, month, weekday), or \
             \"every 15m\", or @hourly; {count} found"
        );
        return Err((french, english).into());
    };
    cron(zone, [minute, hour, day, month, weekday]).map(|cron| Kind::Cron(Box::new(cron)))
}

fn is_zone(word: &str) -> bool {
    let letters = word.starts_with(|c: char| c.is_ascii_alphabetic());
    letters && (word.contains('/') && !word.contains(',') && word.len() > 7 || word == "UTC")
}

fn every(interval: &str) -> Result<SignedDuration, Said> {
    let wrong = || {
        Said::from((
            "un intervalle est un nombre entier suivi de s, m, h ou d, de 366 jours au plus : \"every 15m\"",
            "an interval is a whole number and s, m, h or d, of at most 366 days: \"every 15m\"",
        ))
    };
    let unit = interval.chars().next_back().ok_or_else(wrong)?;
    let number = interval.strip_suffix(unit).unwrap_or_default().trim();
    let number: u32 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let seconds = i64::from(number) * seconds;
    if (1..=366 * 86_400).contains(&seconds) {
        Ok(SignedDuration::from_secs(seconds))
    } else {
        Err(wrong())
    }
}

fn cron(zone: TimeZone, fields: [&str; 5]) -> Result<Cron, Said> {
    let [minute, hour, day, month, weekday] = fields;
    let (minutes, hours, days, months) = (
        field(("la minute", "minute"), minute, 0, ("de 0 à 59", "0 to 59"))?,
        field(("l'heure", "hour"), hour, 1, ("de 0 à 23", "0 to 23"))?,
        field(
            ("le jour du mois", "day of the month"),
            day,
            2,
            ("de 1 à 31", "1 to 31"),
        )?,
        field(
            ("le mois", "month"),
            month,
            3,
            ("de 1 à 12, ou de JAN à DEC", "1 to 12, or JAN to DEC"),
        )?,
    );
    let narrow = |set: BTreeSet<u32>| set.into_iter().filter_map(|n| i8::try_from(n).ok());
    let cron = Cron {
        minutes: narrow(minutes).collect(),
        hours: narrow(hours).collect(),
        hours_flow: hour.starts_with('*'),
        any_day: matches!(day, "*" | "?"),
        days,
        months,
        weekdays: weekdays(weekday)?,
        any_weekday: matches!(weekday, "*" | "?"),
        zone,
    };
    // 31 June and the like.
    let first = jiff::civil::date(2000, 1, 1).at(0, 0, 0, 0);
    if cron.civil_from(first).next().is_none() {
        let french = format!("il n'y a pas de jour {day} au mois {month}");
        return Err((french, format!("there is no day {day} in month {month}")).into());
    }
    Ok(cron)
}

/// One field, read by the `cron` crate at its place in an otherwise open expression.
fn field(
    name: (&str, &str),
    text: &str,
    place: usize,
    range: (&str, &str),
) -> Result<BTreeSet<u32>, Said> {
    let wrong = || {
        let french = format!(
            "{} {text:?} n'est pas {} ; listes (1,15), plages (9-17) et pas (*/10) sont admis",
            name.0, range.0
        );
        let english = format!(
            "the {} {text:?} is not in {}; lists (1,15), ranges (9-17) and steps (*/10) are allowed",
            name.1, range.1
        );
        Said::from((french, english))
    };
    let mut fields = ["*"; 5];
    fields[place] = text;
    let expression = format!("0 {}", fields.join(" "));
    let schedule = cron::Schedule::from_str(&expression).map_err(|_| wrong())?;
    let set: BTreeSet<u32> = match place {
        0 => schedule.minutes().iter().collect(),
        1 => schedule.hours().iter().collect(),
        2 => schedule.days_of_month().iter().collect(),
        _ => schedule.months().iter().collect(),
    };
    if set.is_empty() {
        return Err(wrong());
    }
    Ok(set)
}

/// POSIX weekdays: numbers 0 to 7, 0 and 7 Sunday, or the first three letters of the English name.
fn weekdays(text: &str) -> Result<BTreeSet<u32>, Said> {
    let wrong = || {
        let french = format!(
            "le jour de la semaine {text:?} n'est pas de 0 à 7 (0 et 7 : dimanche, 1-5 : du lundi au \
             vendredi) ni de SUN à SAT"
        );
        let english = format!(
            "the weekday {text:?} is not in 0 to 7 (0 and 7 are Sunday, 1-5 is Monday to Friday) \
             or SUN to SAT"
        );
        Said::from((french, english))
    };
    let day = |word: &str| {
        let name = WEEKDAYS.iter().position(|n| n.eq_ignore_ascii_case(word));
        let number = name.and_then(|n| u32::try_from(n).ok());
        number
            .or_else(|| word.parse().ok())
            .filter(|n| *n <= 7)
            .ok_or_else(wrong)
    };
    let mut days = BTreeSet::new();
    for item in text.split(',') {
        let (range, step) = match item.split_once('/') {
            None => (item, None),
            Some((range, step)) => (range, Some(step.parse::<usize>().map_err(|_| wrong())?)),
        };
        let (first, last) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (0, 6),
            Some((first, last)) => (day(first)?, day(last)?),
            None if step.is_some() => (day(range)?, 6),
            None => (day(range)?, day(range)?),
        };
        // SUN at the end of a range is the seventh day: FRI-SUN.
        let last = if last == 0 && first > 0 { 7 } else { last };
        if first > last || step == Some(0) {
            return Err(wrong());
        }
        days.extend((first..=last).step_by(step.unwrap_or(1)).map(|d| d % 7));
    }
    Ok(days)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Zoned;
    use proptest::prelude::*;

    fn runs(schedule: &str, after: &str, count: usize) -> Vec<String> {
        let schedule: Schedule = schedule.parse().unwrap();
        let zone = match &schedule.kind {
            Kind::Cron(cron) => cron.zone.clone(),
            Kind::Every(_) => TimeZone::UTC,
        };
        let mut at = after.parse::<Timestamp>().unwrap();
        (0..count)
            .map(|_| {
                at = schedule.next(at).unwrap();
                at.to_zoned(zone.clone())
                    .strftime("%a %d/%m %H:%M%:z")
                    .to_string()
            })
            .collect()
    }

    #[test]
    fn weekdays_are_those_of_posix() {
        assert_eq!(
            runs("0 6 * * 1-5", "2026-11-20T12:00:00Z", 2),
            ["Mon 23/11 06:00+01:00", "Tue 24/11 06:00+01:00"]
        );
        for sunday in ["0 6 * * 0", "0 6 * * 7", "0 6 * * SUN", "0 6 * * sun"] {
            assert_eq!(
                runs(sunday, "2026-11-20T12:00:00Z", 1),
                ["Sun 22/11 06:00+01:00"]
            );
        }
        assert_eq!(
            runs("0 6 * * FRI-SUN", "2026-11-20T12:00:00Z", 3),
            [
                "Sat 21/11 06:00+01:00",
                "Sun 22/11 06:00+01:00",
                "Fri 27/11 06:00+01:00"
            ]
        );
    }

    #[test]
    fn day_of_month_or_weekday() {
        assert_eq!(
            runs("0 6 1,15 * 1", "2026-11-20T12:00:00Z", 3),
            [
                "Mon 23/11 06:00+01:00",
                "Mon 30/11 06:00+01:00",
                "Tue 01/12 06:00+01:00"
            ]
        );
    }

    #[test]
    fn the_spring_gap_runs_at_its_end() {
        assert_eq!(
            runs("30 2 * * *", "2026-03-28T12:00:00Z", 2),
            ["Sun 29/03 03:00+02:00", "Mon 30/03 02:30+02:00"]
        );
        assert_eq!(
            runs("*/30 * * * *", "2026-03-29T00:20:00Z", 4),
            [
                "Sun 29/03 01:30+01:00",
                "Sun 29/03 03:00+02:00",
                "Sun 29/03 03:30+02:00",
                "Sun 29/03 04:00+02:00"
            ]
        );
    }

    #[test]
    fn the_autumn_fold_runs_a_fixed_time_once() {
        assert_eq!(
            runs("30 2 * * *", "2026-10-24T12:00:00Z", 2),
            ["Sun 25/10 02:30+02:00", "Mon 26/10 02:30+01:00"]
        );
        assert_eq!(
            runs("30 * * * *", "2026-10-24T23:20:00Z", 4),
            [
                "Sun 25/10 01:30+02:00",
                "Sun 25/10 02:30+02:00",
                "Sun 25/10 02:30+01:00",
                "Sun 25/10 03:30+01:00"
            ]
        );
    }

    #[test]
    fn zones_macros_and_intervals() {
        let noon = "2026-11-20T12:00:00Z";
        let cayenne = ["Fri 20/11 10:00-03:00"];
        assert_eq!(runs("0 10 * * * America/Cayenne", noon, 1), cayenne);
        assert_eq!(runs("CRON_TZ=America/Cayenne 0 10 * * *", noon, 1), cayenne);
        assert_eq!(runs("@hourly", noon, 1), ["Fri 20/11 14:00+01:00"]);
        assert_eq!(runs("@daily UTC", noon, 1), ["Sat 21/11 00:00+00:00"]);
        assert_eq!(
            runs("every 15m", "2026-11-20T12:07:00Z", 2),
            ["Fri 20/11 12:15+00:00", "Fri 20/11 12:30+00:00"]
        );
        assert_eq!(runs("0 0 29 2 *", noon, 1), ["Tue 29/02 00:00+01:00"]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_field() {
        for (text, part) in [
            ("", "five fields"),
            ("0 6 * *", "five fields"),
            ("0 0 6 * * *", "five fields"),
            ("60 6 * * *", "minute"),
            ("0 24 * * *", "hour"),
            ("0 6 0 * *", "day of the month"),
            ("0 6 * 13 *", "month"),
            ("0 6 * * 8", "weekday"),
            ("0 6 * * 5-1", "weekday"),
            ("0 6 31 6 *", "no day 31"),
            ("0 6 * * * Europe/Vesoul", "time zone"),
            ("@reboot", "@hourly"),
            ("every 0m", "interval"),
            ("every day", "interval"),
            ("every 15é", "interval"),
        ] {
            let error = text.parse::<Schedule>().unwrap_err().to_string();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn jitter_is_the_names_alone_and_keeps_the_period() {
        let plain: Schedule = "0 * * * *".parse().unwrap();
        let noon: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let first = plain.clone().with_jitter(&"a".into()).next(noon).unwrap();
        assert_eq!(
            plain.clone().with_jitter(&"a".into()).next(noon).unwrap(),
            first
        );
        let second = plain.clone().with_jitter(&"a".into()).next(first).unwrap();
        assert_eq!(second.duration_since(first), SignedDuration::from_hours(1));
        let late = first.duration_since(plain.next(noon).unwrap());
        let early = first.duration_since(noon);
        assert!(late < SignedDuration::from_mins(6) || early < SignedDuration::from_mins(6));
        let spread: BTreeSet<Timestamp> = (0..100)
            .filter_map(|n| {
                plain
                    .clone()
                    .with_jitter(&format!("c{n}").into())
                    .next(noon)
            })
            .collect();
        assert!(spread.len() > 50);
    }

    fn field_text(low: u32, high: u32) -> impl Strategy<Value = String> {
        prop_oneof![
            3 => Just("*".to_owned()),
            3 => (low..=high).prop_map(|n| n.to_string()),
            2 => (low..=high, low..=high).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
            1 => (2u32..=7).prop_map(|n| format!("*/{n}")),
            2 => prop::collection::vec(low..=high, 1..4)
                .prop_map(|v| v.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        /// Where the clocks do not change, any cron agrees: here the `croner` crate.
        #[test]
        fn agrees_with_another_cron(
            fields in (
                field_text(0, 59), field_text(0, 23), field_text(1, 28), field_text(1, 12),
                field_text(0, 7),
            ),
            start in 1_600_000_000i64..2_000_000_000,
        ) {
            let (minute, hour, day, month, weekday) = fields;
            let text = format!("{minute} {hour} {day} {month} {weekday}");
            let ours: Schedule = format!("{text} UTC").parse().unwrap();
            let other: croner::Cron = text.parse().unwrap();
            let start = Timestamp::from_second(start).unwrap();
            let mut ours_at = start;
            let mut other_at: Zoned = start.to_zoned(TimeZone::UTC);
            for _ in 0..5 {
                ours_at = ours.next(ours_at).unwrap();
                other_at = other.find_next_occurrence(&other_at, false).unwrap();
                prop_assert_eq!(ours_at, other_at.timestamp(), "{}", text);
            }
        }
    }
}
