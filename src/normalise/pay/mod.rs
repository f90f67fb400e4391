//! Pay: what the source says, checked against what is possible. Net is never made gross.

mod amount;
mod scale;
#[cfg(test)]
mod tests;

use super::fold::fold;
use super::input::{Input, cents};
use super::phrases::{self, Topic};
use super::record::{Record, TEXT, cut};
use super::text::line;
use crate::model::{ContractForm, Field, Pay, Period, Raw, Time, WorkingTime};
use amount::Said;

/// Below the net minimum of an hour in any recent year.
const LEAST_HOUR: f64 = 7.0;
/// Monthly hours of a legal full time.
const MONTH_HOURS: f64 = 151.67;

pub fn pay(
    input: &Input<'_>,
    form: Option<ContractForm>,
    time: Option<&WorkingTime>,
    record: &mut Record,
) -> Option<Pay> {
    let mut pay = Pay::default();
    structured(input, &mut pay, record);
    labels(input, &mut pay, record);
    let by_field = pay.min.is_some() || pay.max.is_some();
    if !by_field {
        from_text(input, &mut pay, record);
    }
    check(&mut pay, record);
    if by_field {
        contradiction(input, &pay, record);
    }
    basis(input, &mut pay, record);
    scale::scale(input, &mut pay, record);
    benefits(input, &mut pay, record);
    let learner = matches!(
        form,
        Some(
            ContractForm::Apprenticeship
                | ContractForm::Professionalisation
                | ContractForm::Internship
        )
    );
    equivalents(&mut pay, time, learner, record);
    if pay.min.is_none() && pay.max.is_none() {
        // A practice or a takeover has an income, no pay.
        let paid = !matches!(form, Some(ContractForm::Liberal | ContractForm::Takeover));
        match &pay.basis {
            Some(basis) => record.find("pay.basis_only", "pay", basis),
            None if paid => record.find("pay.absent", "pay", ""),
            None => {}
        }
    }
    (pay != Pay::default()).then_some(pay)
}

/// Separate fields for bounds and period.
fn structured(input: &Input<'_>, pay: &mut Pay, record: &mut Record) {
    let amount = |raw: &Raw| {
        let folded = fold(raw.value());
        let thousands = folded.trim_end_matches(['€', ' ']).ends_with('k');
        let digits = folded.trim_matches(|c: char| !c.is_ascii_digit());
        amount::number(digits).map(|value| if thousands { value * 1000.0 } else { value })
    };
    let min = input.raw(Field::PayMin);
    let max = input.raw(Field::PayMax);
    pay.min = min.and_then(amount);
    pay.max = max.and_then(amount);
    if let (Some(low), Some(high)) = (pay.min, pay.max)
        && low > high
    {
        record.find("pay.inverted", "pay", &format!("{low} / {high}"));
        (pay.min, pay.max) = (Some(high), Some(low));
    }
    if pay.min.is_none() && pay.max.is_none() {
        return;
    }
    for (value, raw, pointer) in [(pay.min, min, "/pay/min"), (pay.max, max, "/pay/max")] {
        if let (Some(_), Some(raw)) = (value, raw) {
            record.mapped(pointer, raw, "pay.field", 0.98);
        }
    }
    if let Some(raw) = input.raw(Field::PayPeriod) {
        let period =
            if raw.mapped { token(raw.value()) } else { None }.or_else(|| period_word(raw.value()));
        if let Some(period) = period {
            pay.period = Some(period);
            record.mapped("/pay/period", raw, "pay.period_field", 0.98);
        }
    }
    if let Some(raw) = input.raw(Field::PayGross) {
        let folded = fold(raw.value());
        pay.gross = match folded.as_str() {
            "gross" | "brut" | "true" => Some(true),
            "net" | "false" => Some(false),
            _ => None,
        };
        if pay.gross.is_some() {
            record.mapped("/pay/gross", raw, "pay.gross_field", 0.98);
        }
    }
    currency(input, pay, record);
}

fn currency(input: &Input<'_>, pay: &mut Pay, record: &mut Record) {
    if let Some(raw) = input.raw(Field::PayCurrency) {
        let code = raw.value().trim().to_ascii_uppercase();
        let code = match code.as_str() {
            "€" | "EURO" | "EUROS" => "EUR".to_owned(),
            "$" => "USD".to_owned(),
            "£" => "GBP".to_owned(),
            _ => code,
        };
        if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            pay.currency = Some(code);
            record.mapped("/pay/currency", raw, "pay.currency_field", 0.99);
            return;
        }
    }
    if pay.currency.is_none() && (pay.min.is_some() || pay.max.is_some()) {
        pay.currency = Some("EUR".to_owned());
        record.set(
            "/pay/currency",
            "connector",
            "",
            "pay.currency_of_country",
            0.9,
        );
    }
}

fn token(token: &str) -> Option<Period> {
    serde_json::from_value(serde_json::Value::String(token.to_owned())).ok()
}

/// Words and codes of periods in structured feeds.
fn period_word(text: &str) -> Option<Period> {
    let folded = fold(text.trim());
    match folded.as_str() {
        "h" | "hour" | "hr" | "hourly" | "horaire" | "per-hour-wage" => Some(Period::Hour),
        "j" | "d" | "day" | "daily" => Some(Period::Day),
        "w" | "week" | "weekly" => Some(Period::Week),
        "m" | "month" | "monthly" | "mensuel" | "mois" => Some(Period::Month),
        "y" | "a" | "an" | "year" | "yearly" | "annual" | "per-year-salary" | "annuel" => {
            Some(Period::Year)
        }
        _ => amount::period(&folded),
    }
}

/// The pay label, its comment, in that order.
fn labels(input: &Input<'_>, pay: &mut Pay, record: &mut Record) {
    for (field, confidence) in [(Field::Pay, 0.97), (Field::PayComment, 0.9)] {
        let Some(raw) = input.raw(field) else {
            continue;
        };
        for value in &raw.values {
            let folded = fold(&line(value));
            let Some(said) = amount::label(&folded) else {
                continue;
            };
            let has_amount = said.min.is_some() || said.max.is_some();
            if has_amount && pay.min.is_none() && pay.max.is_none() {
                let stated_period = said.period.is_some();
                apply(
                    &said,
                    pay,
                    &raw.path,
                    raw.source_text(),
                    "pay.label",
                    confidence,
                    record,
                );
                if pay.period.is_none()
                    && !stated_period
                    && let Some(raw) = input.raw(Field::PayPeriod)
                    && let Some(period) = token(raw.value()).or_else(|| period_word(raw.value()))
                {
                    pay.period = Some(period);
                    record.mapped("/pay/period", raw, "pay.period_field", 0.98);
                }
            } else if has_amount && field == Field::PayComment {
                continue;
            }
            if pay.months.is_none() && said.months.is_some() {
                pay.months = said.months;
                record.mapped("/pay/months", raw, "pay.months", 0.97);
            }
            if pay.gross.is_none() && (has_amount || pay.min.is_some()) && said.gross.is_some() {
                pay.gross = said.gross;
                record.mapped("/pay/gross", raw, "pay.gross", 0.95);
            }
        }
    }
}

fn from_text(input: &Input<'_>, pay: &mut Pay, record: &mut Record) {
    if let Some(said) = amount::in_text(&input.text_folded) {
        let raw = input.excerpt(said.range.clone()).to_owned();
        apply(&said, pay, TEXT, &raw, "pay.text", 0.8, record);
        if said.months.is_some() {
            pay.months = said.months;
            record.set("/pay/months", TEXT, &raw, "pay.text_months", 0.8);
        }
    }
}

/// Amounts this far apart are not two roundings of one.
const APART: f64 = 1.1;

/// Tells where the description states another pay than the source's fields: bounds that do not
/// meet, in the same period and both gross or both net.
fn contradiction(input: &Input<'_>, pay: &Pay, record: &mut Record) {
    let Some(said) = amount::in_text(&input.text_folded) else {
        return;
    };
    let yearly = |period: Option<Period>| match period? {
        Period::Year => Some(1.0),
        Period::Month => Some(12.0),
        // Hours and days would need the working time, which is another doubt.
        _ => None,
    };
    let scale = if said.period == pay.period && said.period.is_some() {
        Some((1.0, 1.0))
    } else {
        yearly(pay.period).zip(yearly(said.period))
    };
    let Some((field, text)) = scale else { return };
    // A fixed part beside a variable one is no other pay than their sum.
    let near = super::fold::excerpt(
        &input.text_folded,
        said.range.start.saturating_sub(60)..said.range.end + 60,
    );
    if ["fixe", "variable", "commission"]
        .iter()
        .any(|word| near.contains(word))
    {
        return;
    }
    let other_tax = pay
        .gross
        .zip(said.gross)
        .is_some_and(|(one, other)| one != other)
        || (pay.gross != Some(false) && said.gross == Some(false));
    if other_tax || record.has("pay.implausible", "pay") || said.currency == Some("CHF") {
        return;
    }
    let least = |min: Option<f64>, scale: f64| min.map_or(0.0, |min| min * scale);
    let most = |max: Option<f64>, scale: f64| max.map_or(f64::MAX, |max| max * scale);
    let apart = least(pay.min, field) > most(said.max, text) * APART
        || least(said.min, text) > most(pay.max, field) * APART;
    if apart
        && said.period.is_some_and(|period| {
            [said.min, said.max]
                .into_iter()
                .flatten()
                .all(|value| possible(period, value))
        })
    {
        let bounds = |min: Option<f64>, max: Option<f64>| match (min, max) {
            (Some(min), Some(max)) if min < max => format!("{min} à {max}"),
            (min, max) => min.or(max).unwrap_or_default().to_string(),
        };
        let words = input.excerpt(said.range.clone());
        let value = format!("{} / {}", bounds(pay.min, pay.max), line(words));
        record.find("pay.contradiction", "pay", &value);
    }
}

fn apply(
    said: &Said,
    pay: &mut Pay,
    source: &str,
    raw: &str,
    rule: &str,
    confidence: f64,
    record: &mut Record,
) {
    if said.inverted {
        record.find("pay.inverted", "pay", raw);
    }
    pay.min = said.min;
    pay.max = said.max;
    for (value, pointer) in [(said.min, "/pay/min"), (said.max, "/pay/max")] {
        if value.is_some() {
            record.set(pointer, source, raw, rule, confidence);
        }
    }
    pay.period = said.period;
    if said.period.is_some() {
        record.set("/pay/period", source, raw, rule, confidence);
    }
    if said.gross.is_some() {
        pay.gross = said.gross;
        record.set("/pay/gross", source, raw, rule, confidence);
    }
    pay.currency = Some(said.currency.unwrap_or("EUR").to_owned());
    let sure = if said.currency.is_some() { 0.99 } else { 0.9 };
    record.set("/pay/currency", source, raw, "pay.currency", sure);
}

/// The amounts that a period can have, in euros: below and above it is another period or an error.
fn possible(period: Period, value: f64) -> bool {
    let range = match period {
        Period::Hour => 7.0..=150.0,
        Period::Day => 40.0..=2_000.0,
        Period::Week => 50.0..=5_000.0,
        Period::Month => 300.0..=15_000.0,
        Period::Year => 5_000.0..=350_000.0,
    };
    range.contains(&value)
}

/// The periods that ads use for such an amount; narrower than [`possible`], so that one remains.
fn plausible(value: f64) -> Option<Period> {
    match value {
        value if (8.0..=100.0).contains(&value) => Some(Period::Hour),
        value if (700.0..=12_000.0).contains(&value) => Some(Period::Month),
        value if (15_000.0..=350_000.0).contains(&value) => Some(Period::Year),
        _ => None,
    }
}

fn check(pay: &mut Pay, record: &mut Record) {
    let Some(value) = pay.min.or(pay.max) else {
        return;
    };
    let top = pay.max.unwrap_or(value);
    let both = |period: Period| possible(period, value) && possible(period, top);
    let shown = match pay.max {
        Some(max) if max != value => format!("{value} à {max}"),
        _ => value.to_string(),
    };
    match pay.period {
        Some(period) if both(period) => {}
        Some(_) => match plausible(value).filter(|period| plausible(top) == Some(*period)) {
            Some(period) => {
                pay.period = Some(period);
                record.find("pay.period_corrected", "pay", &shown);
                if let Some(note) = record.provenance.get_mut("/pay/period") {
                    note.rule = "pay.period_corrected".to_owned();
                    note.confidence = 0.85;
                }
            }
            None => {
                record.find("pay.implausible", "pay", &shown);
                for pointer in ["/pay/min", "/pay/max", "/pay/period"] {
                    if let Some(note) = record.provenance.get_mut(pointer) {
                        note.confidence = 0.5;
                    }
                }
            }
        },
        None => {
            if let Some(period) = plausible(value).filter(|period| plausible(top) == Some(*period))
            {
                pay.period = Some(period);
                record.set(
                    "/pay/period",
                    "connector",
                    &shown,
                    "pay.period_by_amount",
                    0.85,
                );
            } else {
                record.find("pay.implausible", "pay", &shown);
            }
        }
    }
}

/// What says least of all that pay can rest on: it stands back behind a scale or an agreement.
const VAGUE: [&str; 3] = ["selon profil", "à négocier", "reprise d'ancienneté"];

fn basis(input: &Input<'_>, pay: &mut Pay, record: &mut Record) {
    for field in [Field::Pay, Field::PayComment] {
        if let Some(raw) = input.raw(field) {
            for value in &raw.values {
                let folded = fold(value);
                let hits = phrases::find(&folded);
                let named = |vague: bool| {
                    let of =
                        |topic: Topic| hits.iter().filter(move |hit| hit.phrase.topic == topic);
                    of(Topic::Agreement)
                        .chain(of(Topic::Basis))
                        .map(|hit| &hit.phrase.value)
                        .find(|value| VAGUE.contains(&value.as_str()) == vague)
                        .cloned()
                };
                let found = named(false).or_else(|| {
                    ["grille", "indiciaire", "convention", "coef", "statutaire"]
                        .iter()
                        .any(|word| folded.contains(word))
                        .then(|| "grille".to_owned())
                });
                let found = found.or_else(|| named(true));
                if let Some(found) = found {
                    pay.basis = Some(found);
                    record.mapped("/pay/basis", raw, "pay.basis", 0.95);
                    return;
                }
            }
        }
    }
    let named = |vague: bool| {
        input
            .text_hits(Topic::Agreement)
            .chain(input.text_hits(Topic::Basis))
            .find(|hit| VAGUE.contains(&hit.phrase.value.as_str()) == vague)
    };
    let found = named(false).or_else(|| named(true));
    if let Some(hit) = found {
        pay.basis = Some(hit.phrase.value.clone());
        record.set(
            "/pay/basis",
            TEXT,
            input.excerpt(hit.range.clone()),
            "pay.basis_in_text",
            0.8,
        );
    }
}

/// The longest label of a benefit, in characters.
const BENEFIT_LIMIT: usize = 80;

fn benefits(input: &Input<'_>, pay: &mut Pay, record: &mut Record) {
    let add = |benefit: String, list: &mut Vec<String>| {
        if !benefit.is_empty() && !list.contains(&benefit) && list.len() < 30 {
            list.push(benefit);
        }
    };
    if let Some(raw) = input.raw(Field::Benefits) {
        for value in &raw.values {
            for part in value.split("~$~~@~") {
                let part = line(part);
                let part = part.trim_matches(|c: char| !c.is_alphanumeric()).to_owned();
                if matches!(fold(&part).as_str(), "" | "autre" | "autres" | "ce") {
                    continue;
                }
                let known = phrases::find(&fold(&part))
                    .into_iter()
                    .find(|hit| hit.phrase.topic == Topic::Benefit)
                    .map(|hit| hit.phrase.value.clone());
                let label = known.unwrap_or_else(|| cut(&part, BENEFIT_LIMIT).to_owned());
                add(label, &mut pay.benefits);
            }
        }
        if !pay.benefits.is_empty() {
            record.mapped("/pay/benefits", raw, "pay.benefits", 0.97);
        }
    }
    for field in [Field::Pay, Field::PayComment] {
        if let Some(raw) = input.raw(field) {
            for value in &raw.values {
                for hit in phrases::find(&fold(value)) {
                    if hit.phrase.topic == Topic::Benefit && !hit.negated {
                        add(hit.phrase.value.clone(), &mut pay.benefits);
                    }
                }
            }
        }
    }
    let mut read = false;
    for hit in input.text_hits(Topic::Benefit) {
        add(hit.phrase.value.clone(), &mut pay.benefits);
        read = true;
    }
    if read && !record.provenance.contains_key("/pay/benefits") {
        record.set("/pay/benefits", TEXT, "", "pay.benefits_in_text", 0.8);
    }
}

/// Monthly and hourly equivalents. A year has 12 months whatever the number of payments; hours are
/// those of the post, or 151.67 a month for a full time.
fn equivalents(pay: &mut Pay, time: Option<&WorkingTime>, learner: bool, record: &mut Record) {
    let Some(period) = pay.period else {
        return;
    };
    if pay.currency.as_deref() != Some("EUR") {
        return;
    }
    if record
        .provenance
        .get("/pay/min")
        .or_else(|| record.provenance.get("/pay/max"))
        .is_none_or(|note| note.confidence < 0.7)
    {
        return;
    }
    let month_hours = match time {
        Some(WorkingTime {
            hours_week: Some(hours),
            ..
        }) => Some(hours * 52.0 / 12.0),
        Some(WorkingTime {
            time: Some(Time::Full),
            ..
        }) => Some(MONTH_HOURS),
        _ => None,
    };
    let monthly = |value: f64| match period {
        Period::Year => Some(value / 12.0),
        Period::Month => Some(value),
        Period::Hour => month_hours.map(|hours| value * hours),
        Period::Week => Some(value * 52.0 / 12.0),
        Period::Day => None,
    };
    let hourly = |value: f64| match period {
        Period::Hour => Some(value),
        _ => monthly(value)
            .zip(month_hours)
            .map(|(month, hours)| month / hours),
    };
    // Far below the least that the law allows for the hours stated: a digit or a period is wrong.
    // Who learns is paid a part of it.
    let least = pay.min.or(pay.max).and_then(hourly);
    if least.is_some_and(|least| least < LEAST_HOUR) && !learner {
        record.find(
            "pay.implausible",
            "pay",
            &pay.min.or(pay.max).unwrap_or_default().to_string(),
        );
        for pointer in ["/pay/min", "/pay/max", "/pay/period"] {
            if let Some(note) = record.provenance.get_mut(pointer) {
                note.confidence = note.confidence.min(0.6);
            }
        }
        return;
    }
    pay.monthly_min = pay.min.and_then(monthly).map(cents);
    pay.monthly_max = pay.max.and_then(monthly).map(cents);
    pay.hourly_min = pay.min.and_then(hourly).map(cents);
    pay.hourly_max = pay.max.and_then(hourly).map(cents);
    // The rule in figures, so that a reader can follow it.
    let hours = cents(month_hours.unwrap_or_default());
    let to_month = match period {
        Period::Year => "par an / 12".to_owned(),
        Period::Month => "par mois".to_owned(),
        Period::Week => "par semaine × 52 / 12".to_owned(),
        Period::Hour => format!("par heure × {hours} h par mois"),
        Period::Day => String::new(),
    };
    let to_hour = match period {
        Period::Hour => "par heure".to_owned(),
        _ => format!("{to_month} / {hours} h par mois"),
    };
    for (value, from, pointer, rule, how) in [
        (
            pay.monthly_min,
            pay.min,
            "/pay/monthly_min",
            "pay.monthly_equivalent",
            &to_month,
        ),
        (
            pay.monthly_max,
            pay.max,
            "/pay/monthly_max",
            "pay.monthly_equivalent",
            &to_month,
        ),
        (
            pay.hourly_min,
            pay.min,
            "/pay/hourly_min",
            "pay.hourly_equivalent",
            &to_hour,
        ),
        (
            pay.hourly_max,
            pay.max,
            "/pay/hourly_max",
            "pay.hourly_equivalent",
            &to_hour,
        ),
    ] {
        if value.is_some() {
            let raw = format!("{} {how}", from.unwrap_or_default());
            record.set(pointer, "computed", &raw, rule, 0.9);
        }
    }
}
