//! The filters and functions of export expressions.

use crate::publish::{labels, territory, text};
use jiff::{Timestamp, civil::Date};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};

/// Steps that one expression may take: data never loops for long.
const FUEL: u64 = 50_000;

/// The environment of all export expressions: no templates, no I/O; time is given.
pub fn environment(now: Timestamp) -> Environment<'static> {
    let mut env = Environment::new();
    env.add_filter("age_days", move |at: &Value| age_days(at, now));
    env.set_undefined_behavior(UndefinedBehavior::Chainable);
    env.set_fuel(Some(FUEL));
    env.add_filter("rfc822", |at: &Value| moment(at, |at| Some(rfc822(at))));
    env.add_filter("date", |at: &Value, form: &str| day(at, form));
    env.add_filter("iso", |at: &Value| {
        moment(at, |at| {
            Some(
                at.to_zoned(labels::paris())
                    .strftime("%Y-%m-%dT%H:%M:%S%:z")
                    .to_string(),
            )
        })
    });
    env.add_filter("fixed", |number: &Value, digits: usize| {
        f64::try_from(number.clone())
            .map(|number| Value::from(format!("{number:.*}", digits.min(6))))
            .unwrap_or_default()
    });
    env.add_filter("comma", |text: &Value| match text.as_str() {
        Some(text) => Value::from(text.replace('.', ",")),
        None => Value::UNDEFINED,
    });
    env.add_filter("region", |code: &Value| {
        code.as_str()
            .and_then(territory::region)
            .map(Value::from)
            .unwrap_or_default()
    });
    env.add_filter("department_name", |code: &Value| {
        code.as_str()
            .and_then(territory::department)
            .map(Value::from)
            .unwrap_or_default()
    });
    // For cells of one line, without the column mark of pipe-separated files.
    env.add_filter("one_line", |text: &Value| {
        let text = text.as_str()?;
        let words: Vec<&str> = text
            .split(|c: char| c.is_whitespace() || c == '|')
            .filter(|w| !w.is_empty())
            .collect();
        Some(words.join(" "))
    });
    // "Vesoul, Bourgogne-Franche-Comté, France"
    env.add_filter("location", |place: &Value| {
        let part = |name: &str| place.get_attr(name).ok().filter(|v| !is_absent(v));
        let name = part("name")?.to_string();
        let region = part("department")
            .and_then(|code| territory::region(code.as_str()?))
            .filter(|region| *region != name);
        let country = part("country").map_or("France".to_owned(), |c| match c.as_str() {
            Some("FR") | None => "France".into(),
            Some(other) => other.to_owned(),
        });
        let mut parts = vec![name];
        parts.extend(region.map(str::to_owned));
        if !parts.contains(&country) {
            parts.push(country);
        }
        Some(parts.join(", "))
    });
    env.add_filter("slug", |value: &Value| value.as_str().map(text::slug));
    // `["a", absent, "b"]|present` → `["a", "b"]`
    env.add_filter("present", |list: &Value| -> Result<Value, Error> {
        Ok(list.try_iter()?.filter(|item| !is_absent(item)).collect())
    });
    env
}

/// Whether a value counts as not said.
pub fn is_absent(value: &Value) -> bool {
    value.is_undefined()
        || value.is_none()
        || value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// `Tue, 24 Nov 2026 00:10:00 +0000`: RFC 822 with a year of four digits.
pub fn rfc822(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// Whole days between an instant and now; absent stays absent.
fn age_days(at: &Value, now: Timestamp) -> Result<Value, Error> {
    if is_absent(at) {
        return Ok(Value::UNDEFINED);
    }
    at.as_str()
        .and_then(|text| text.parse::<Timestamp>().ok())
        .map(|at| Value::from(now.duration_since(at).as_hours() / 24))
        .ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("{at} is no instant")))
}

fn moment(value: &Value, write: impl Fn(Timestamp) -> Option<String>) -> Result<Value, Error> {
    if is_absent(value) {
        return Ok(Value::UNDEFINED);
    }
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .and_then(write)
        .map(Value::from)
        .ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidOperation,
                format!("{value} is no instant"),
            )
        })
}

/// A day or an instant by the calendar of Paris, in the form given (`%d/%m/%Y`).
fn day(value: &Value, form: &str) -> Result<Value, Error> {
    let bad = |why: &str| Error::new(ErrorKind::InvalidOperation, format!("{value} {why}"));
    let Some(text) = value.as_str().filter(|text| !text.trim().is_empty()) else {
        return Ok(Value::UNDEFINED);
    };
    let zoned = match text.parse::<Timestamp>() {
        Ok(at) => at.to_zoned(labels::paris()),
        Err(_) => text
            .parse::<Date>()
            .ok()
            .and_then(|date| date.to_zoned(labels::paris()).ok())
            .ok_or_else(|| bad("is no date"))?,
    };
    jiff::fmt::strtime::format(form, &zoned)
        .map(Value::from)
        .map_err(|_| bad("cannot be written in that form"))
}
