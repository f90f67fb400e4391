//! Amounts of money as French ads write them: "2 100,50 €", "45 à 60K€", "Mensuel de 2100.0 Euros".

use super::super::fold::pattern;
use super::super::input::cents;
use crate::model::Period;
use aho_corasick::AhoCorasick;
use regex::Regex;
use std::sync::LazyLock;

/// What one text says of pay. Bounds are in the currency's unit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub currency: Option<&'static str>,
    pub period: Option<Period>,
    pub months: Option<f64>,
    pub gross: Option<bool>,
    /// Bytes of the folded text that hold the amounts.
    pub range: std::ops::Range<usize>,
    /// The bounds had to be exchanged.
    pub inverted: bool,
}

/// A number: groups of three by blanks or points, or plain, with decimals.
/// "¿" is what a narrow blank becomes in a bad export.
const NUMBER: &str = r"(\d{1,3}(?:[ .'¿]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d+)?)";

/// One amount or two; a currency sign must stand beside one of them.
static MONEY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let unit = r"\s?(k\b|k(?:€|e\b|eur)|mille)?\s?(€|euros?\b|eur\b|e\b|chf\b|francs suisses)?";
    pattern(&format!(
        r"(?:(€|eur|chf)\s?)?{NUMBER}{unit}(?:\s?(?:brute?s?|nets?|b\b)?(?:\s?(?:/ ?mois|mois|/ ?h(?:eure)?\b|mensuels?|par mois|annuels?|/ ?an|par an|par heure|de l'heure))?\s?(?:\s?(?:a|-|/|et|jusqu'a|au|to|\u{{fffd}}|ï¿½)\s?)(?:€\s?)?{NUMBER}{unit})?"
    ))
});
static MONTHS: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(?:sur|x|\*)\s*(\d{1,2}(?:[.,]\d+)?)\s*(?:mois|mensualites)?\b"));
/// "13,5 mois", "13e mois" in running text says the same.
static TEXT_MONTHS: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"\bsur (1[2-6](?:[.,]\d)?) mois"));

/// The first amounts in a short label of pay.
pub fn label(folded: &str) -> Option<Said> {
    let mut said = Said {
        months: months(folded),
        gross: gross(folded),
        period: period(folded),
        ..Said::default()
    };
    // The months must not be taken for an amount.
    let text = match MONTHS.as_ref().and_then(|regex| regex.find(folded)) {
        Some(found) => &folded[..found.start()],
        None => folded,
    };
    let bare = bare_number(text);
    let labelled = ["annuel", "mensuel", "horaire", "autre", "cachet", "de "]
        .iter()
        .any(|prefix| text.starts_with(prefix));
    if let Some(found) = money(text, labelled) {
        said.min = found.min;
        said.max = found.max;
        said.currency = found.currency;
        said.inverted = found.inverted;
        said.range = found.range;
        if said.period.is_none() && found.thousands {
            said.period = Some(Period::Year);
        }
    } else if let Some(number) = bare {
        said.min = Some(number);
        said.max = Some(number);
        said.range = 0..text.len();
    }
    bounds(folded, &mut said);
    Some(said)
}

/// The first amounts in running text that have a currency, and a period or "brut"/"net" near them.
pub fn in_text(folded: &str) -> Option<Said> {
    let regex = MONEY.as_ref()?;
    // Looking only around currency signs keeps a page without them free.
    let mut at = 0;
    while let Some(sign) = next_sign(folded, at) {
        let mut from = sign.saturating_sub(48).max(at);
        while !folded.is_char_boundary(from) {
            from += 1;
        }
        let line_start = folded[from..sign]
            .rfind('\n')
            .map_or(from, |end| from + end + 1);
        let mut to = (sign + 64).min(folded.len());
        while !folded.is_char_boundary(to) {
            to -= 1;
        }
        let window = &folded[line_start..to];
        for found in regex.captures_iter(window) {
            let Some(amounts) = amounts(&found, window) else {
                continue;
            };
            if amounts.currency.is_none() && !amounts.thousands {
                continue;
            }
            let whole = line_start + amounts.range.start..line_start + amounts.range.end;
            if whole.start > sign + 3 || whole.end + 3 < sign {
                continue;
            }
            let context = surroundings(folded, &whole);
            let before = near_before(folded, whole.start);
            let said_after = after_amount(&folded[whole.end..]);
            let period = said_after.or_else(|| period_before(before, context));
            let amounts = amounts.of_period(period);
            let gross = gross(context);
            let value = amounts.min.or(amounts.max).unwrap_or_default();
            let has = |text: &str, words: &[&str]| words.iter().any(|word| text.contains(word));
            const NAMES: [&str; 6] = [
                "salaire",
                "remuneration",
                "anciennete",
                "coef",
                "grille",
                "thb",
            ];
            let named = has(context, &NAMES);
            let pay_word = named
                || has(
                    context,
                    &["brut", "net ", "nets", "horaire", "taux", "paie"],
                );
            // "12 €/h", "36 K€/an": the unit alone says what it is.
            let by_unit = match said_after {
                Some(Period::Hour) => (9.0..=60.0).contains(&value),
                Some(Period::Year) => amounts.thousands && (15_000.0..=200_000.0).contains(&value),
                _ => false,
            };
            // Without a period only an amount that can be nothing but a month's or a year's pay, or
            // an hour's where the same clause speaks of pay.
            let whole_pay = value >= 1_000.0;
            let hour_pay = (9.0..=60.0).contains(&value) && has(before, &NAMES[..2]);
            let sized = !amounts.thousands
                || amounts.currency.is_some()
                || (named && (15_000.0..=200_000.0).contains(&value));
            let plausible = value >= 8.0 && sized;
            let other_thing = [
                "prime",
                "segur",
                "indemnite",
                "cheque",
                "cooptation",
                "parrainage",
                "ticket",
                "titres ",
                "titre rest",
                "titre-rest",
                "panier",
                "chiffre d'affaires",
                "ca de",
                "budget",
                "mutuelle",
                "km",
                "bonus",
                "kilomet",
                "millions",
                "cooptation",
                "jusqu'a 1",
                "apport",
                "investissement",
            ]
            .iter()
            .any(|word| {
                before.contains(word)
                    || in_bracket(folded, whole.start).contains(word)
                    || after_near(folded, whole.end).contains(word)
            });
            if plausible
                && !other_thing
                && (pay_word || by_unit)
                && (period.is_some()
                    || amounts.thousands
                    || (whole_pay && (named || gross.is_some()))
                    || hour_pay)
            {
                let mut said = Said {
                    min: amounts.min,
                    max: amounts.max,
                    currency: amounts.currency,
                    period: period.or(amounts.thousands.then_some(Period::Year)),
                    months: TEXT_MONTHS
                        .as_ref()
                        .and_then(|regex| regex.captures(context))
                        .and_then(|found| number(found.get(1)?.as_str())),
                    gross,
                    inverted: amounts.inverted,
                    range: whole.clone(),
                };
                bounds(before, &mut said);
                return Some(said);
            }
        }
        at = sign + 1;
        while !folded.is_char_boundary(at) {
            at += 1;
        }
    }
    None
}

/// Signs of money, and how many bytes into each the sign itself stands: "k€", "2200eur", "35-40k".
static SIGNS: LazyLock<Option<(AhoCorasick, Vec<usize>)>> = LazyLock::new(|| {
    let mut signs: Vec<(String, usize)> = ["k€", "€", "euro", " eur"]
        .iter()
        .map(|sign| ((*sign).to_owned(), 0))
        .collect();
    for digit in '0'..='9' {
        signs.push((format!("{digit}eur"), 1));
        signs.push((format!("{digit}k"), 1));
        signs.push((format!("{digit} k"), 2));
    }
    let (words, into): (Vec<String>, Vec<usize>) = signs.into_iter().unzip();
    Some((AhoCorasick::new(words).ok()?, into))
});

fn next_sign(folded: &str, from: usize) -> Option<usize> {
    let (signs, into) = SIGNS.as_ref()?;
    let found = signs.find(folded.get(from..)?)?;
    Some(from + found.start() + into[found.pattern().as_usize()])
}

fn slice(text: &str, mut from: usize, mut to: usize) -> &str {
    to = to.min(text.len());
    from = from.min(to);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    while to > from && !text.is_char_boundary(to) {
        to -= 1;
    }
    text.get(from..to).unwrap_or_default()
}

fn near_before(folded: &str, start: usize) -> &str {
    let before = slice(folded, start.saturating_sub(40), start);
    before
        .rsplit(['\n', '.', ';', '(', '+'])
        .next()
        .unwrap_or(before)
}

fn after_near(folded: &str, end: usize) -> &str {
    let after = slice(folded, end, end + 24);
    let clause = after
        .split(['\n', '.', ';', ',', '+', ')'])
        .next()
        .unwrap_or(after);
    // "2 500 euros brut hors Ségur": what is left out is not the amount.
    clause.split("hors ").next().unwrap_or(clause)
}

/// What an amount in brackets explains: "Ségur de la santé (190 euros net/mois)".
fn in_bracket(folded: &str, start: usize) -> &str {
    match slice(folded, start.saturating_sub(40), start).strip_suffix('(') {
        Some(before) => before
            .rsplit(['\n', '.', ';', '+'])
            .next()
            .unwrap_or(before),
        None => "",
    }
}

/// The period that stands before an amount: the last one of its clause, else the first around. A
/// week or a day around is that of the working time, not of the pay.
fn period_before(before: &str, context: &str) -> Option<Period> {
    last_period(before)
        .or_else(|| period(context))
        .filter(|period| !matches!(period, Period::Week | Period::Day))
        .or_else(|| {
            [
                ("mensuel", Period::Month),
                ("annuel", Period::Year),
                ("horaire", Period::Hour),
            ]
            .into_iter()
            .find(|(word, _)| context.contains(word))
            .map(|(_, period)| period)
        })
}

fn surroundings<'a>(folded: &'a str, range: &std::ops::Range<usize>) -> &'a str {
    let window = slice(folded, range.start.saturating_sub(70), range.end + 45);
    let inside = range.start - range.start.saturating_sub(70).min(range.start);
    let from = slice(window, 0, inside)
        .rfind("\n\n")
        .map_or(0, |at| at + 2);
    // "Salaire :" on a line of its own announces the amount under it.
    let from = if window[..from].trim_end().ends_with(':') {
        0
    } else {
        from
    };
    let to = window
        .get(inside.min(window.len())..)
        .and_then(|rest| rest.find('\n'))
        .map_or(window.len(), |at| inside + at);
    slice(window, from, to.max(from))
}

struct Amounts {
    min: Option<f64>,
    max: Option<f64>,
    currency: Option<&'static str>,
    thousands: bool,
    inverted: bool,
    /// The first number was written with a point or comma before three digits.
    spelt: bool,
    range: std::ops::Range<usize>,
}

impl Amounts {
    /// "15.084 €" an hour is fifteen euros, not fifteen thousand.
    fn of_period(mut self, period: Option<Period>) -> Self {
        let fits =
            |value: Option<f64>| value.is_none_or(|value| (8_000.0..100_000.0).contains(&value));
        if period == Some(Period::Hour)
            && !self.thousands
            && self.spelt
            && fits(self.min)
            && fits(self.max)
        {
            self.min = self.min.map(|value| cents(value / 1_000.0));
            self.max = self.max.map(|value| cents(value / 1_000.0));
        }
        self
    }
}

/// The first amounts of `text`; without a currency only where the label itself is about money.
fn money(text: &str, labelled: bool) -> Option<Amounts> {
    let regex = MONEY.as_ref()?;
    let mut found: Vec<Amounts> = regex
        .captures_iter(text)
        .filter_map(|found| amounts(&found, text))
        .collect();
    // An amount with a currency before one without, the largest wins over a bonus after it.
    let with_currency = found
        .iter()
        .position(|amounts| amounts.currency.is_some() || amounts.thousands);
    let beside = |amounts: &Amounts| {
        let after = text[amounts.range.end..].trim_start();
        after.starts_with("brut")
            || after.starts_with("net")
            || after.starts_with("/h")
            || after.starts_with("par ")
    };
    let index = with_currency
        .or_else(|| found.iter().position(beside))
        .or_else(|| {
            (labelled && !found.is_empty()).then_some(0).filter(|_| {
                text.starts_with("annuel")
                    || text.starts_with("mensuel")
                    || text.starts_with("horaire")
            })
        })?;
    Some(found.swap_remove(index))
}

fn amounts(found: &regex::Captures<'_>, whole_text: &str) -> Option<Amounts> {
    let group = |index: usize| found.get(index).map(|group| group.as_str());
    let whole = found.get(0)?;
    let first = number(group(2)?)?;
    let second = group(5).and_then(number);
    let k_first = group(3).is_some();
    let k_second = group(6).is_some();
    let sign = |text: Option<&str>| match text {
        Some(text) if text.starts_with("chf") || text.starts_with("francs") => Some("CHF"),
        Some(_) => Some("EUR"),
        None => None,
    };
    // "24 / 30 KE": the e belongs to the k.
    let k_sign = |text: Option<&str>| {
        text.filter(|text| text.len() > 1 && !text.starts_with("mil"))
            .map(|_| "EUR")
    };
    let currency = sign(group(7))
        .or(sign(group(4)))
        .or(sign(group(1)))
        .or(k_sign(group(6)))
        .or(k_sign(group(3)));
    let scale = |value: f64, own: bool, other: bool| {
        if own || (other && value < 1_000.0) {
            value * 1_000.0
        } else {
            value
        }
    };
    let min = scale(first, k_first, k_second);
    let max = second.map(|second| scale(second, k_second, k_first));
    // "11€88": the cents stand after the sign.
    let cents_after = (second.is_none() && min.fract() == 0.0 && whole.as_str().ends_with('€'))
        .then(|| {
            let after = whole_text.get(whole.end()..)?;
            let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            (digits == 2)
                .then(|| after[..2].parse::<f64>().ok())
                .flatten()
        })
        .flatten();
    let min = min + cents_after.unwrap_or_default() / 100.0;
    let (min, max, inverted) = match max {
        // "2 à 3 ans": an amount without a sign followed by one that is none.
        Some(max) if max < min => (max, min, true),
        Some(max) => (min, max, false),
        None => (min, min, false),
    };
    Some(Amounts {
        min: Some(cents(min)),
        max: Some(cents(max)),
        currency,
        thousands: k_first || k_second,
        inverted,
        spelt: group(2).is_some_and(|text| {
            text.rfind(['.', ','])
                .is_some_and(|at| text.len() - at == 4)
        }),
        range: whole.range(),
    })
}

/// A number with French or English separators: "2.486.62" has a decimal part after its last point.
pub fn number(text: &str) -> Option<f64> {
    let text: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '\'' | '¿'))
        .collect();
    let last = text.rfind(['.', ',']);
    let value: f64 = match last {
        Some(at) => {
            let decimals = text.len() - at - 1;
            let head: String = text[..at].chars().filter(char::is_ascii_digit).collect();
            // Three digits after the only separator are thousands.
            if decimals == 3 && !head.is_empty() && head.len() <= 3 && head != "0" {
                format!("{head}{}", &text[at + 1..]).parse().ok()?
            } else {
                format!("{head}.{}", &text[at + 1..]).parse().ok()?
            }
        }
        None => text.parse().ok()?,
    };
    (value.is_finite() && value > 0.0 && value < 10_000_000.0).then_some(value)
}

fn bare_number(text: &str) -> Option<f64> {
    let text = text.trim();
    (!text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || matches!(c, ' ' | '.' | ',')))
    .then(|| number(text))
    .flatten()
}

/// Words of periods, folded.
const PERIODS: [(&[&str], Period); 5] = [
    (
        &[
            "horaire",
            "/h",
            "/ h",
            "par heure",
            "de l'heure",
            "l'heure",
            "heure",
            "euros h ",
            "hourly",
            "de l'he",
            "brut h",
            "thb",
        ],
        Period::Hour,
    ),
    (
        &[
            "mensuel", "/mois", "/ mois", "par mois", "mois", "monthly", "mens.",
        ],
        Period::Month,
    ),
    (
        &[
            "annuel", "/an", "/ an", "par an", "l'annee", "annee", "annuelle", "yearly", "/year",
            "per year",
        ],
        Period::Year,
    ),
    (
        &[
            "journalier",
            "/jour",
            "/ jour",
            "par jour",
            "/j",
            "tjm",
            "la journee",
            "par journee",
        ],
        Period::Day,
    ),
    (&["hebdomadaire", "/semaine", "par semaine"], Period::Week),
];

/// Where each period is first, or last, named.
fn periods(
    folded: &str,
    at: impl Fn(&str, &str) -> Option<usize>,
) -> impl Iterator<Item = (usize, Period)> {
    PERIODS.iter().flat_map(move |(words, period)| {
        words
            .iter()
            .filter_map(|word| Some((at(folded, word)?, *period)))
            .collect::<Vec<_>>()
    })
}

/// The period that words near an amount name: the first of them.
pub fn period(folded: &str) -> Option<Period> {
    periods(folded, |text, word| text.find(word))
        .min_by_key(|(at, _)| *at)
        .map(|(_, period)| period)
}

/// The last period named.
fn last_period(folded: &str) -> Option<Period> {
    periods(folded, |text, word| text.rfind(word))
        .max_by_key(|(at, _)| *at)
        .map(|(_, period)| period)
}

/// The period named just after an amount: "/ heure", "brut par mois".
fn after_amount(after: &str) -> Option<Period> {
    let near = slice(after, 0, 28);
    let near = near.split(['\n', ';', '(', '+']).next().unwrap_or(near);
    // "12€h"
    if near.starts_with("h ") || near == "h" {
        return Some(Period::Hour);
    }
    period(near)
}

fn gross(folded: &str) -> Option<bool> {
    let word = |wanted: &str| {
        folded.match_indices(wanted).any(|(at, _)| {
            let before = folded[..at].chars().next_back();
            let after = folded[at + wanted.len()..].chars().next();
            before.is_none_or(|c| !c.is_alphabetic())
                && after.is_none_or(|c| !c.is_alphabetic() || matches!(c, 's' | 'e'))
        })
    };
    match (word("brut"), word("net")) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

fn months(folded: &str) -> Option<f64> {
    let found = MONTHS.as_ref()?.captures(folded)?;
    let months = number(found.get(1)?.as_str())?;
    (12.0..=16.0).contains(&months).then_some(months)
}

/// "à partir de", "jusqu'à": one bound only.
fn bounds(before: &str, said: &mut Said) {
    if said.min.is_none() || said.min != said.max {
        return;
    }
    let says = |words: &[&str]| words.iter().any(|word| before.contains(word));
    if says(&["a partir de", "des ", "minimum", "au moins", "mini "]) {
        said.max = None;
    } else if says(&["jusqu'a", "maximum", "au plus"]) {
        said.min = None;
    }
}
