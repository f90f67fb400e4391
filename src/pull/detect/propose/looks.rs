//! What the values of a field look like, and in which form its dates are written.

use super::super::jobs::{is_form, is_trade};
use crate::pull::mapping::{DateFormat, parse_date};
use regex::Regex;
use std::sync::LazyLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Looks {
    Any,
    /// A line of words: no date, no link, no bare number.
    Words,
    Short,
    Long,
    Date,
    Link,
    Email,
    PostalCode,
    Number,
    /// A legal form, or a word or two.
    Form,
    Pay,
    /// `J1506`.
    Rome,
    /// Fourteen digits.
    Siret,
    /// Nine characters, digits but for Corsica.
    Finess,
    /// A flag or a word for a state.
    State,
}

impl Looks {
    /// By its name in the table of fields.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "any" => Self::Any,
            "words" => Self::Words,
            "short" => Self::Short,
            "long" => Self::Long,
            "date" => Self::Date,
            "link" => Self::Link,
            "email" => Self::Email,
            "postalcode" => Self::PostalCode,
            "number" => Self::Number,
            "form" => Self::Form,
            "pay" => Self::Pay,
            "rome" => Self::Rome,
            "siret" => Self::Siret,
            "finess" => Self::Finess,
            "state" => Self::State,
            _ => return None,
        })
    }

    /// Whether a value looks so.
    pub fn fits(self, value: &str) -> bool {
        let value = value.trim();
        let letters = value.chars().filter(|c| c.is_alphabetic()).count();
        let digits = value.bytes().filter(u8::is_ascii_digit).count();
        let length = value.chars().count();
        match self {
            Self::Any => true,
            Self::Words => {
                length <= 160
                    && letters >= 2
                    && !value.contains(['<', '@'])
                    && !is_link(value)
                    && !is_date(value)
            }
            Self::Short => length <= 160 && !value.contains('<'),
            Self::Long => length >= 20,
            Self::Date => is_date(value),
            Self::Link => is_link(value),
            Self::Email => matches(&EMAIL, value),
            Self::PostalCode => (4..=8).contains(&value.len()) && digits >= 4 && letters <= 2,
            Self::Number => digits > 0 && letters == 0 && value.len() <= 24,
            Self::Form => length <= 60 && letters >= 2 && !is_link(value),
            Self::Pay => digits > 0 && length <= 120 && !is_link(value) && !is_date(value),
            Self::Rome => matches(&ROME, value),
            Self::Siret => digits == 14 && letters == 0,
            Self::Finess => (8..=9).contains(&value.len()) && digits >= 7,
            Self::State => length <= 40 && !is_link(value) && !is_date(value),
        }
    }

    /// Whether a value looks so beyond doubt, whatever its field is called.
    pub fn tells(self, value: &str) -> bool {
        let value = value.trim();
        let length = value.chars().count();
        match self {
            Self::Words => self.fits(value) && is_trade(value),
            Self::Form => length <= 40 && is_form(value),
            Self::PostalCode => value.len() == 5 && value.bytes().all(|b| b.is_ascii_digit()),
            Self::Link => value.starts_with("http"),
            Self::Pay => length <= 120 && matches(&MONEY, value),
            Self::Long => length >= 120,
            Self::Date | Self::Email | Self::Rome | Self::Siret => self.fits(value),
            _ => false,
        }
    }
}

static EMAIL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[\w.+-]+@[\w-]+(\.[\w-]+)+$").ok());
static ROME: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[A-N]\d{4}$").ok());
static MONEY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\d\s*(€|k€|eur\b|euros?\b)|\bgrille\b|\bindiciaire\b|\bbrut\b|convention").ok()
});
static DATE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)^\d{4}[-/]\d{2}[-/]\d{2}|^\d{1,2}[/.-]\d{1,2}[/.-]\d{4}|^\w{3}, \d{1,2} \w{3} \d{4}|^1\d{9}(\d{3})?$|^20\d{2}[01]\d[0-3]\d$|^(le )?\d{1,2}(er)? \p{L}+ \d{4}",
    )
    .ok()
});

fn matches(pattern: &LazyLock<Option<Regex>>, value: &str) -> bool {
    pattern.as_ref().is_some_and(|regex| regex.is_match(value))
}

pub fn is_date(value: &str) -> bool {
    matches(&DATE, value)
}

fn is_link(value: &str) -> bool {
    value.starts_with("http://")
        || value.starts_with("https://")
        || (value.starts_with('/') && value.len() > 1 && !value.contains(' '))
}

/// Forms of dates, each a set that one source may use side by side.
const FORMS: [&[&str]; 12] = [
    &["iso"],
    &["rfc2822"],
    &["%d/%m/%Y"],
    &["%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%d/%m/%Y"],
    &["%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%d-%m-%Y"],
    &["%d.%m.%Y %H:%M", "%d.%m.%Y"],
    &["%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%Y/%m/%d"],
    &["epoch"],
    &["epoch_ms"],
    &["%Y%m%d"],
    &["french"],
    &["%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M", "%m/%d/%Y"],
];

/// The forms that read most of `values`; the day stands before the month unless it cannot.
pub fn date_formats(values: &[String]) -> Vec<&'static str> {
    let read = |forms: &[&str]| {
        let parsed: Vec<DateFormat> = forms.iter().filter_map(|form| form.parse().ok()).collect();
        values
            .iter()
            .filter(|value| parse_date(value, &parsed).is_some())
            .count()
    };
    // Ten digits are seconds, eight a day: both are numbers.
    let digits = values
        .iter()
        .all(|v| v.trim().bytes().all(|b| b.is_ascii_digit()));
    let longest = values.iter().map(|v| v.trim().len()).max().unwrap_or(0);
    let mut best: (usize, &[&str]) = (0, FORMS[0]);
    for forms in FORMS {
        let suits = match forms[0] {
            "epoch" => digits && longest <= 10,
            "epoch_ms" => digits && longest == 13,
            "%Y%m%d" => digits && longest == 8,
            _ => !digits,
        };
        if !suits {
            continue;
        }
        let count = read(forms);
        if count > best.0 {
            best = (count, forms);
        }
    }
    best.1.to_vec()
}

#[cfg(test)]
mod tests {
    use super::date_formats;

    #[test]
    fn dates_show_their_form() {
        for (values, expected) in [
            (vec!["2026-11-02", "2026-11-03T08:00:00Z"], "iso"),
            (vec!["02/11/2026", "03/11/2026"], "%d/%m/%Y"),
            (vec!["02/11/2026 08:30", "13/11/2026"], "%d/%m/%Y %H:%M:%S"),
            (vec!["11/22/2026", "11/02/2026"], "%m/%d/%Y %H:%M:%S"),
            (vec!["1793606400"], "epoch"),
            (vec!["1793606400000"], "epoch_ms"),
            (vec!["20261102"], "%Y%m%d"),
            (vec!["Le 2 novembre 2026"], "french"),
            (vec!["Mon, 02 Nov 2026 08:30:00 +0100"], "rfc2822"),
            (vec!["2026/11/02"], "%Y/%m/%d %H:%M:%S"),
        ] {
            let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
            assert_eq!(date_formats(&values)[0], expected, "{values:?}");
        }
    }
}
