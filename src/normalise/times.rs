//! Dates of an offer: read, ordered, never invented.

use super::input::Input;
use super::record::Record;
use crate::model::{Field, Offer};
use jiff::{SignedDuration, Timestamp, civil::Date};

/// Sources run ahead of the clock by time zones, not by more.
const AHEAD: SignedDuration = SignedDuration::from_hours(36);

pub fn times(input: &Input<'_>, first_seen: Timestamp, offer: &mut Offer, record: &mut Record) {
    offer.published = timestamp(input, Field::Published, "/published", record);
    offer.updated = timestamp(input, Field::Updated, "/updated", record);
    offer.expires = timestamp(input, Field::Expires, "/expires", record);
    if let Some(raw) = input.raw(Field::Starts) {
        offer.starts = day(raw.value());
        match offer.starts {
            Some(_) => record.mapped("/starts", raw, "date.field", 0.98),
            None => record.find("date.unreadable", "starts", raw.source_text()),
        }
    }
    for problem in &input.draft.problems {
        let rule = match problem.rule.as_str() {
            "map.date_unreadable" => "date.unreadable",
            "map.date_never" => "date.never",
            _ => continue,
        };
        record.find(rule, &problem.field, &problem.value);
    }
    if offer.published.is_none() {
        record.find("date.absent", "published", "");
    }
    if let (Some(published), Some(updated)) = (offer.published, offer.updated)
        && updated < published
    {
        record.find("date.order", "updated", &format!("{updated} < {published}"));
    }
    if let (Some(published), Some(expires)) = (offer.published, offer.expires)
        && expires < published
    {
        record.find("date.order", "expires", &format!("{expires} < {published}"));
    }
    if let Some(published) = offer.published
        && published.duration_since(first_seen) > AHEAD
    {
        record.find("date.order", "published", &published.to_string());
    }
    if let Some(expires) = offer.expires
        && expires < first_seen
    {
        record.find("date.expired", "expires", &expires.to_string());
    }
}

/// The day of a date or time in ISO form.
pub fn day(text: &str) -> Option<Date> {
    let text = text.trim();
    text.parse()
        .ok()
        .or_else(|| text.get(..10).and_then(|day| day.parse().ok()))
}

fn timestamp(
    input: &Input<'_>,
    field: Field,
    pointer: &str,
    record: &mut Record,
) -> Option<Timestamp> {
    let raw = input.raw(field)?;
    let value = raw.value().trim();
    let read = value.parse::<Timestamp>().ok().or_else(|| {
        // A bare day stands for its beginning in UTC.
        value
            .parse::<Date>()
            .ok()
            .and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok())
            .map(|zoned| zoned.timestamp())
    });
    match read {
        Some(_) => record.mapped(pointer, raw, "date.field", 0.99),
        None => record.find(
            "date.unreadable",
            pointer.trim_start_matches('/'),
            raw.source_text(),
        ),
    }
    read
}
