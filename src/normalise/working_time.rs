//! Working time: full or part, hours a week, share of a full time, shifts, weekends.

use super::fold::{fold, pattern};
use super::input::{Input, cents, decimal};
use super::phrases::{self, Topic};
use super::record::{Record, TEXT, TITLE};
use crate::model::{Field, Shift, Time, WorkingTime};
use regex::Regex;
use std::sync::LazyLock;

/// Hours a week of a full time in France.
const FULL_TIME_HOURS: f64 = 35.0;

/// A weekly figure at the start of a label: "35H", "17H30/semaine", "37,5 heures".
static LABEL_HOURS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(r"\b(\d{1,2})(?:[.,](\d{1,2}))?\s*h(?:\s?(\d{2})\b|(?:eures?|rs?)?\b)")
});
/// Hours a week in running text: the unit must be named, or the words "temps plein" before.
static TEXT_HOURS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"\b(\d{1,2})(?:[.,](\d{1,2}))?\s*h(?:\s?(\d{2})\b|(?:eures?|rs?)?\b)\.?\s*(?:/\s*s(?:em\w*)?\b|(?:par|la|a la|de travail par) semaine|semaine|(?:de travail )?hebdo\w*|annualisees?)",
    )
});
/// The words that announce weekly hours, then the figure; what follows must not make it a time of day.
static TEXT_HOURS_AFTER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?:temps (?:plein|partiel|complet|de travail)|duree (?:hebdomadaire|du travail|de travail)|\bbase(?: de)?|horaires?|volume horaire|contrat(?: de)?|cd[id](?: de)?)[^.\n0-9]{0,25}(\d{2})(?:[.,](\d{1,2}))?\s*h(?:\s?(\d{2})\b|(?:eures?|rs?)?\b)",
    )
});
static MONTHLY_HOURS: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"\b(\d{2,3})(?:[.,](\d{1,2}))?\s*h(?:eures?)?\s*(?:/|par)\s*mois"));
/// "80 %", "0,80 ETP", "quotité 50 %", "temps partiel à 80%".
static SHARE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?:temps (?:partiel|non complet|plein|complet)|quotite|poste|cdi|cdd|etp|emploi|contrat)[^.\n0-9%]{0,20}(\d{2,3})\s*%|\b(\d{2,3})\s*%\s*(?:etp|equivalent temps plein|d'un temps plein|temps partiel|du temps)|\b([01](?:[.,]\d{1,2})?)\s*(?:etp|equivalents? temps plein)|\betp\s*:?\s*([01][.,]\d{1,2})",
    )
});
static WEEKEND_EVERY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?:1|un|une) (?:week-?\s?ends?|we|dimanche|samedi)s?\s?(?:travaille )?(?:sur|/) ?(2|3|4|5|6|deux|trois|quatre|cinq|six)\b",
    )
});
/// "de 21h à 7h", "6h45-18h45": times of the clock.
static CLOCK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"\b([01]?\d|2[0-4])\s?h(?:eures?)?\s?([0-5]\d)?\s?(?:-|/|a|>|jusqu'a)\s?([01]?\d|2[0-4])\s?h(?:eures?)?\s?([0-5]\d)?\b",
    )
});

pub fn working_time(input: &Input<'_>, record: &mut Record) -> Option<WorkingTime> {
    let mut out = WorkingTime::default();
    hours(input, &mut out, record);
    share(input, &mut out, record);
    time(input, &mut out, record);
    shifts(input, &mut out, record);
    weekends(input, &mut out, record);
    (out != WorkingTime::default()).then_some(out)
}

/// What a label's digits mean.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hours {
    Sure(f64),
    /// "32H50": 32 h 50 min, or 32.5 h.
    Doubtful,
}

/// The reading of "17H30", "37,5 h", "32H50".
fn read_hours(whole: &str, decimals: Option<&str>, minutes: Option<&str>) -> Option<Hours> {
    let whole: f64 = whole.parse().ok()?;
    let value = match (decimals, minutes) {
        (Some(decimals), _) => {
            let scale = if decimals.len() == 1 { 10.0 } else { 100.0 };
            whole + decimals.parse::<f64>().ok()? / scale
        }
        (None, Some(minutes)) => {
            let minutes: f64 = minutes.parse().ok()?;
            // 25, 50 and 75 are what hundredths of an hour look like.
            if minutes >= 60.0 {
                whole + minutes / 100.0
            } else if matches!(minutes as u32, 25 | 50) {
                return Some(Hours::Doubtful);
            } else {
                whole + minutes / 60.0
            }
        }
        (None, None) => whole,
    };
    (1.0..=60.0)
        .contains(&value)
        .then_some(Hours::Sure(cents(value)))
}

fn hours_in(
    regex: &LazyLock<Option<Regex>>,
    folded: &str,
) -> Option<(Hours, std::ops::Range<usize>)> {
    let regex = regex.as_ref()?;
    regex.captures_iter(folded).find_map(|found| {
        let group = |index| {
            found
                .get(index)
                .map(|group: regex::Match<'_>| group.as_str())
        };
        let hours = read_hours(group(1)?, group(2), group(3))?;
        Some((hours, found.get(0)?.range()))
    })
}

fn hours(input: &Input<'_>, out: &mut WorkingTime, record: &mut Record) {
    let pointer = "/working_time/hours_week";
    for field in [Field::Hours, Field::WorkingTime, Field::ContractDuration] {
        let Some(raw) = input.raw(field).filter(|raw| !raw.mapped) else {
            continue;
        };
        for value in &raw.values {
            let folded = fold(value);
            if field == Field::Hours
                && let Some(number) =
                    decimal(&folded).filter(|number| (1.0..=60.0).contains(number))
            {
                out.hours_week = Some(cents(number));
                record.mapped(pointer, raw, "working_time.number", 0.97);
                return;
            }
            if let Some(monthly) = monthly(&folded) {
                out.hours_week = Some(monthly);
                record.mapped(pointer, raw, "working_time.monthly_hours", 0.9);
                return;
            }
            match hours_in(&LABEL_HOURS, &folded) {
                // "en 12h", "7h/19h": a shift's length or its times, not the week's hours.
                Some((Hours::Sure(hours), range)) if of_a_day(&folded, &range, hours) => {}
                Some((Hours::Sure(hours), _)) => {
                    out.hours_week = Some(hours);
                    record.mapped(pointer, raw, "working_time.label", 0.98);
                    return;
                }
                Some((Hours::Doubtful, _)) => {
                    record.find("working_time.hours_doubtful", "working_time", value.trim());
                    return;
                }
                None => {}
            }
        }
    }
    for (source, folded, confidence) in [
        (TITLE, input.title_folded.as_str(), 0.93),
        (TEXT, input.text_folded.as_str(), 0.85),
    ] {
        let found = if source == TITLE {
            title_hours(folded)
        } else {
            weekly_in_text(folded)
        };
        match found {
            Some((Hours::Sure(hours), range)) if hours >= 3.0 => {
                let raw = if source == TITLE {
                    input.title.as_str()
                } else {
                    input.excerpt(range)
                };
                out.hours_week = Some(hours);
                record.set(
                    pointer,
                    source,
                    raw,
                    "working_time.stated_in_text",
                    confidence,
                );
                return;
            }
            Some((Hours::Doubtful, range)) => {
                let raw = folded.get(range).unwrap_or_default();
                record.find("working_time.hours_doubtful", "working_time", raw);
                return;
            }
            _ => {}
        }
    }
}

/// Whether hours are those of a day: "en 12h", "7h/19h", "12h/jour", "de 8h à 16h".
fn of_a_day(folded: &str, range: &std::ops::Range<usize>, hours: f64) -> bool {
    let before = folded.get(..range.start).unwrap_or_default().trim_end();
    let after = folded.get(range.end..).unwrap_or_default().trim_start();
    let next = after.trim_start_matches(['/', '-', '–', 'a', ' ']);
    let digits = next.bytes().take_while(u8::is_ascii_digit).count();
    let second: Option<f64> = next.get(..digits).and_then(|number| number.parse().ok());
    let of_clock = next
        .get(digits..)
        .is_some_and(|rest| rest.trim_start().starts_with('h'));
    let times = next.len() < after.len()
        && of_clock
        && second.is_some_and(|second| hours <= 14.0 || second < hours);
    // "en 12h", "nuit 10h", "amplitude de 12h"
    let last = before.strip_suffix(" de").unwrap_or(before);
    let last = last.rsplit([' ', '-', '(']).next().unwrap_or(last);
    let shift = hours <= 13.0
        && (matches!(
            last,
            "en" | "nuit"
                | "nuits"
                | "jour"
                | "jours"
                | "amplitude"
                | "poste"
                | "postes"
                | "journee"
                | "journees"
        ))
        && !after.starts_with("par semaine")
        && !after.starts_with("/s");
    times || shift || after.starts_with("/jour") || after.starts_with("par jour")
}

/// A title's "35h" or "24h/semaine"; twelve hours or fewer are a shift, and "24h/24" an opening time.
fn title_hours(folded: &str) -> Option<(Hours, std::ops::Range<usize>)> {
    let (hours, range) = hours_in(&LABEL_HOURS, folded)?;
    let shift = matches!(hours, Hours::Sure(value) if value <= 13.0);
    let after = folded.get(range.end..).unwrap_or_default().trim_start();
    (!shift && !after.starts_with("/24") && !after.starts_with("/jour") && !after.starts_with('-'))
        .then_some((hours, range))
}

fn weekly_in_text(folded: &str) -> Option<(Hours, std::ops::Range<usize>)> {
    // The unit ends every form, and most texts have none.
    let named = ["sem", "hebdo", "annualis"]
        .iter()
        .any(|word| folded.contains(word))
        || folded
            .match_indices('/')
            .any(|(at, _)| folded[at + 1..].trim_start().starts_with('s'));
    let regex = TEXT_HOURS.as_ref()?;
    let mut candidates = named
        .then(|| regex.captures_iter(folded))
        .into_iter()
        .flatten();
    let weekly = candidates.find_map(|found| {
        let whole = found.get(0)?;
        let said = whole.as_str();
        let weekly = said.contains("sem")
            || said.contains("hebdo")
            || said.contains("/s")
            || said.contains("annualis");
        let group = |index| {
            found
                .get(index)
                .map(|group: regex::Match<'_>| group.as_str())
        };
        weekly.then(|| {
            read_hours(group(1)?, group(2), group(3)).map(|hours| (hours, whole.range()))
        })?
    });
    weekly
        .or_else(|| {
            let found = TEXT_HOURS_AFTER
                .as_ref()?
                .captures_iter(folded)
                .find_map(|found| {
                    let whole = found.get(0)?;
                    let after = folded.get(whole.end()..).unwrap_or_default().trim_start();
                    let of_day = after.starts_with(['-', '/', '–', 'a'])
                        && !after.starts_with("an")
                        || after.starts_with(|c: char| c.is_ascii_digit());
                    let group = |index| {
                        found
                            .get(index)
                            .map(|group: regex::Match<'_>| group.as_str())
                    };
                    let hours = read_hours(group(1)?, group(2), group(3))?;
                    let weekly =
                        matches!(hours, Hours::Sure(value) if (15.0..=48.0).contains(&value));
                    (weekly && !of_day).then(|| (hours, whole.range()))
                })?;
            Some(found)
        })
        .or_else(|| {
            let found = MONTHLY_HOURS.as_ref()?.find(folded)?;
            Some((Hours::Sure(monthly(found.as_str())?), found.range()))
        })
}

/// Hours a week of "151,67 h par mois".
fn monthly(folded: &str) -> Option<f64> {
    let found = MONTHLY_HOURS.as_ref()?.captures(folded)?;
    let decimals = found.get(2).map_or("0", |group| group.as_str());
    let month: f64 = format!("{}.{decimals}", found.get(1)?.as_str())
        .parse()
        .ok()?;
    let week = month * 12.0 / 52.0;
    (1.0..=60.0).contains(&week).then(|| cents(week))
}

fn share(input: &Input<'_>, out: &mut WorkingTime, record: &mut Record) {
    let pointer = "/working_time/fte";
    if let Some(raw) = input.raw(Field::Fte) {
        let folded = fold(raw.value());
        let number = decimal(folded.trim_end_matches('%').trim())
            .or_else(|| share_in(&folded).map(|(share, _)| share));
        if let Some(number) = number {
            let share = if number > 1.5 { number / 100.0 } else { number };
            if share > 0.0 && share <= 1.0 {
                out.fte = Some(cents(share));
                record.mapped(pointer, raw, "working_time.fte", 0.97);
                return;
            }
        }
    }
    for field in [Field::Hours, Field::WorkingTime] {
        if let Some(raw) = input.raw(field).filter(|raw| !raw.mapped)
            && let Some((share, _)) = {
                let folded = fold(raw.value());
                share_in(&folded).or_else(|| title_percent(&folded))
            }
        {
            out.fte = Some(share);
            record.mapped(pointer, raw, "working_time.fte_in_label", 0.95);
            return;
        }
    }
    if let Some((share, _)) =
        share_in(&input.title_folded).or_else(|| title_percent(&input.title_folded))
    {
        out.fte = Some(share);
        record.set(
            pointer,
            TITLE,
            &input.title,
            "working_time.fte_in_title",
            0.93,
        );
    } else if let Some((share, range)) = share_in(&input.text_folded) {
        out.fte = Some(share);
        record.set(
            pointer,
            TEXT,
            input.excerpt(range),
            "working_time.fte_in_text",
            0.8,
        );
    }
}

/// A bare percentage in a title is the working time: nothing else there is counted so.
fn title_percent(folded: &str) -> Option<(f64, std::ops::Range<usize>)> {
    let at = folded.find('%')?;
    // "50% Tournon - 50% Romans": shares of the post, not of a full time.
    if folded[at + 1..].contains('%') {
        return None;
    }
    let before = folded[..at].trim_end();
    let start = before.len() - before.bytes().rev().take_while(u8::is_ascii_digit).count();
    let share: f64 = before[start..].parse().ok()?;
    (10.0..=100.0)
        .contains(&share)
        .then(|| (cents(share / 100.0), start..at))
}

fn share_in(folded: &str) -> Option<(f64, std::ops::Range<usize>)> {
    // Every form of it holds one of these; most texts hold none.
    let spoken = folded.contains('%')
        || ["etp", "equivalent"]
            .iter()
            .any(|word| folded.contains(word));
    if !spoken || folded.contains("mi-temps therapeutique") {
        return None;
    }
    let found = SHARE.as_ref()?.captures(folded)?;
    let range = found.get(0)?.range();
    let percent = found.get(1).or_else(|| found.get(2));
    let share = match percent {
        Some(percent) => percent.as_str().parse::<f64>().ok()? / 100.0,
        None => decimal(found.get(3).or_else(|| found.get(4))?.as_str())?,
    };
    (0.1..=1.0).contains(&share).then(|| (cents(share), range))
}

fn time(input: &Input<'_>, out: &mut WorkingTime, record: &mut Record) {
    let pointer = "/working_time/time";
    if let Some(raw) = input.raw(Field::WorkingTime) {
        let said = raw
            .values
            .iter()
            .find_map(|value| label_time(value, raw.mapped));
        if let Some(time) = said {
            out.time = Some(time);
            record.mapped(pointer, raw, "working_time.time", 0.98);
        }
    }
    if out.time.is_none()
        && let Some(raw) = input.raw(Field::Hours)
        && let Some(time) = raw.values.iter().find_map(|value| label_time(value, false))
    {
        out.time = Some(time);
        record.mapped(pointer, raw, "working_time.time_in_label", 0.97);
    }
    if out.time.is_none()
        && let Some(raw) = input.raw(Field::Contract).filter(|raw| !raw.mapped)
        && let Some(time) = raw.values.iter().find_map(|value| label_time(value, false))
    {
        out.time = Some(time);
        record.mapped(pointer, raw, "working_time.time_in_contract", 0.95);
    }
    if let Some(time) = out.time {
        let part = out.fte.is_some_and(|fte| fte < 0.95)
            || out.hours_week.is_some_and(|hours| hours < 30.0);
        let full = out.hours_week.is_some_and(|hours| hours >= FULL_TIME_HOURS)
            && out.fte.is_none_or(|fte| fte >= 1.0);
        if (time == Time::Full && part) || (time == Time::Part && full) {
            let hours = out.hours_week.map_or_else(
                || format!("{} %", out.fte.unwrap_or(1.0) * 100.0),
                |hours| format!("{hours} h"),
            );
            record.find("working_time.contradiction", "working_time", &hours);
        }
        return;
    }
    let computed = match (out.hours_week, out.fte) {
        (Some(hours), _) if hours >= FULL_TIME_HOURS => Some(Time::Full),
        (Some(hours), _) if hours <= 34.0 => Some(Time::Part),
        (_, Some(fte)) => Some(if fte >= 1.0 { Time::Full } else { Time::Part }),
        _ => None,
    };
    if let Some(time) = computed {
        out.time = Some(time);
        record.set(pointer, TEXT, "", "working_time.from_hours", 0.9);
        return;
    }
    let said = |hits: Vec<&phrases::Hit>| -> Option<Time> {
        let mut times: Vec<&str> = hits
            .iter()
            .map(|hit| hit.phrase.value.as_str())
            .filter(|value| *value != "weekend")
            .collect();
        times.sort_unstable();
        times.dedup();
        match times[..] {
            ["full"] => Some(Time::Full),
            ["part"] => Some(Time::Part),
            _ => None,
        }
    };
    if let Some(time) = said(input.title_hits(Topic::Time).collect()) {
        out.time = Some(time);
        record.set(pointer, TITLE, &input.title, "working_time.title", 0.95);
    } else if let Some(time) = said(input.text_hits(Topic::Time).collect()) {
        out.time = Some(time);
        record.set(pointer, TEXT, "", "working_time.text", 0.8);
    }
}

fn label_time(value: &str, mapped: bool) -> Option<Time> {
    match value {
        "full" if mapped => return Some(Time::Full),
        "part" if mapped => return Some(Time::Part),
        _ => {}
    }
    let folded = fold(value.trim());
    let found = phrases::find(&folded)
        .into_iter()
        .filter(|hit| hit.phrase.topic == Topic::Time)
        .find_map(|hit| match hit.phrase.value.as_str() {
            "full" => Some(Time::Full),
            "part" => Some(Time::Part),
            _ => None,
        });
    found.or(match folded.as_str() {
        "full_time" | "fulltime" | "plein" | "complet" | "true" | "full" => Some(Time::Full),
        "part_time" | "parttime" | "partiel" | "false" | "part" => Some(Time::Part),
        _ if folded.contains("fulltime") || folded.contains("full_time") => Some(Time::Full),
        _ if folded.contains("parttime") || folded.contains("part_time") => Some(Time::Part),
        _ => None,
    })
}

fn shifts(input: &Input<'_>, out: &mut WorkingTime, record: &mut Record) {
    let pointer = "/working_time/shifts";
    let mut add = |value: &str| {
        let shift: Option<Shift> =
            serde_json::from_value(serde_json::Value::String(value.to_owned())).ok();
        if let Some(shift) = shift
            && !out.shifts.contains(&shift)
        {
            out.shifts.push(shift);
        }
    };
    let mut source = None;
    for field in [Field::Shifts, Field::Hours, Field::WorkingTime] {
        for raw in input.raw(field).into_iter() {
            for value in &raw.values {
                for hit in phrases::find(&fold(value)) {
                    if hit.phrase.topic == Topic::Shift && !hit.negated {
                        add(&hit.phrase.value);
                        source.get_or_insert(raw);
                    }
                }
            }
        }
    }
    let mut said: Vec<&str> = Vec::new();
    for hit in input
        .title_hits(Topic::Shift)
        .chain(input.text_hits(Topic::Shift))
    {
        // One word of the text that may mean something else does not count by itself.
        if matches!(hit.phrase.phrase.as_str(), "nuit" | "nuits")
            && !input.title_folded.contains("nuit")
        {
            continue;
        }
        add(&hit.phrase.value);
        said.push(&hit.phrase.phrase);
    }
    for raw in [Field::Shifts, Field::Hours, Field::WorkingTime]
        .into_iter()
        .filter_map(|field| input.raw(field))
    {
        for shift in raw.values.iter().flat_map(|value| by_clock(&fold(value))) {
            add(shift);
            source.get_or_insert(raw);
        }
    }
    for shift in by_clock(&input.text_folded) {
        if !said.contains(&shift) {
            add(shift);
            said.push(shift);
        }
    }
    out.shifts.sort_unstable();
    if let Some(raw) = source {
        record.mapped(pointer, raw, "working_time.shifts", 0.9);
    } else if !out.shifts.is_empty() {
        record.set(
            pointer,
            TEXT,
            &said.join(" | "),
            "working_time.shifts_in_text",
            0.8,
        );
    }
}

/// The shifts that times of the clock make: a night, and twelve hours in either direction.
fn by_clock(folded: &str) -> Vec<&'static str> {
    let mut out = Vec::new();
    for found in CLOCK.iter().flat_map(|regex| regex.captures_iter(folded)) {
        let number = |at: usize| -> u32 {
            let group = found.get(at).map_or("0", |group| group.as_str());
            group.parse().unwrap_or_default()
        };
        let (from, to) = (number(1) * 60 + number(2), number(3) * 60 + number(4));
        let length = (to + 24 * 60 - from % (24 * 60)) % (24 * 60);
        // From the evening to the morning, and no opening "24h/24".
        if from >= 18 * 60 && (4 * 60..=9 * 60 + 30).contains(&to) && length >= 7 * 60 {
            out.push("night");
        }
        if (11 * 60 + 30..=12 * 60 + 30).contains(&length) {
            out.push("12h");
        }
    }
    out.sort_unstable();
    out.dedup();
    out
}

fn weekends(input: &Input<'_>, out: &mut WorkingTime, record: &mut Record) {
    let labels: Vec<String> = [Field::Shifts, Field::Hours, Field::WorkingTime]
        .iter()
        .filter_map(|field| input.raw(*field))
        .flat_map(|raw| raw.values.iter().map(|value| fold(value)))
        .collect();
    let texts = labels
        .iter()
        .map(String::as_str)
        .chain([input.text_folded.as_str()]);
    for folded in texts {
        if let Some(found) = WEEKEND_EVERY
            .as_ref()
            .and_then(|regex| regex.captures(folded))
        {
            out.weekends = Some(true);
            out.weekend_every = found.get(1).and_then(|group| match group.as_str() {
                "deux" => Some(2),
                "trois" => Some(3),
                "quatre" => Some(4),
                "cinq" => Some(5),
                "six" => Some(6),
                digit => digit.parse().ok(),
            });
            let raw = found.get(0).map_or("", |whole| whole.as_str());
            for name in ["weekends", "weekend_every"] {
                record.set(
                    &format!("/working_time/{name}"),
                    TEXT,
                    raw,
                    "working_time.weekend_ratio",
                    0.95,
                );
            }
            return;
        }
    }
    let in_labels: Vec<bool> = labels
        .iter()
        .flat_map(|folded| phrases::find(folded))
        .filter(|hit| hit.phrase.value == "weekend")
        .map(|hit| hit.negated)
        .collect();
    let in_label = in_labels.contains(&false);
    let in_text = input
        .hits
        .iter()
        .filter(|hit| hit.phrase.value == "weekend")
        .map(|hit| hit.negated)
        .collect::<Vec<_>>();
    // "hors week-end", "pas de week-end": told, and free.
    if in_label || in_text.contains(&false) {
        out.weekends = Some(true);
        record.set(
            "/working_time/weekends",
            TEXT,
            "week-end",
            "working_time.weekend_named",
            if in_label { 0.95 } else { 0.75 },
        );
    } else if in_text.contains(&true) || in_labels.contains(&true) {
        out.weekends = Some(false);
        record.set(
            "/working_time/weekends",
            TEXT,
            "week-end",
            "working_time.weekend_denied",
            0.8,
        );
    } else if labels
        .iter()
        .map(String::as_str)
        .chain([input.text_folded.as_str()])
        .any(|folded| folded.contains("du lundi au vendredi"))
    {
        out.weekends = Some(false);
        record.set(
            "/working_time/weekends",
            TEXT,
            "du lundi au vendredi",
            "working_time.weekdays",
            0.8,
        );
    }
}
