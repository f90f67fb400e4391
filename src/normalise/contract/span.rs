//! How long a contract lasts that is given from one day to another: "du 1er juillet au 31 août 2026",
//! "01/09/2026 - 31/12/2026", "de septembre à décembre", "jusqu'au 31/12/2026".

use super::super::fold::pattern;
use super::super::input::cents;
use jiff::{ToSpan, Unit, civil::Date};
use regex::{Captures, Regex};
use std::ops::Range;
use std::sync::LazyLock;

const MONTHS: [&str; 12] = [
    "janvier",
    "fevrier",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "aout",
    "septembre",
    "octobre",
    "novembre",
    "decembre",
];
/// "1er septembre 2026", "01/09/26", "1er". Groups: day, month in figures, month in words, year.
const DAY: &str = r"(?:(?:lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche) )?(\d{1,2})(?:er)?(?:\s?[/.\-]\s?(\d{1,2})\b|\s(janvier|fevrier|mars|avril|mai|juin|juillet|aout|septembre|octobre|novembre|decembre)\b)?((?:\s?[/.\-]\s?|\s)20\d{2}\b|[/.\-]\d{2}\b)?";
/// Years of contracts that are neither false nor history.
const YEARS: std::ops::RangeInclusive<i16> = 2000..=2100;

/// "du … au …"
static FROM_TO: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(&format!(
        r"\b(?:du|entre le|a partir du|a compter du)\s{DAY}\s?(?:inclus )?(?:jusqu'au|au|et le)\s{DAY}"
    ))
});
/// Two whole dates with a sign between them.
static WHOLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(&format!(r"\b{DAY}\s?(?:-+>?|>|→|/|a|au|jusqu'au)\s?{DAY}")));
/// "2026-09-01 - 2026-12-31"
static ISO: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(r"\b(20\d{2}-\d{2}-\d{2})\s?(?:-|/|>|→|a|au)\s?(20\d{2}-\d{2}-\d{2})\b")
});
/// "de septembre 2026 à février 2027"
static BY_MONTH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let month = MONTHS.join("|");
    pattern(&format!(
        r"\b(?:de |d'|du mois de |du mois d')(?:debut )?({month})(?: (20\d{{2}}))? (?:a|jusqu'a|au mois de|jusqu'en|jusqu'au mois de) (?:la )?(?:fin )?({month})(?: (20\d{{2}}))?\b"
    ))
});
static UNTIL: LazyLock<Option<Regex>> = LazyLock::new(|| pattern(&format!(r"\bjusqu'au\s{DAY}")));

/// Part of a date: what was written of it.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    day: Option<i8>,
    month: Option<i8>,
    year: Option<i16>,
}

impl Said {
    /// The date in groups `from..from + 4` of [`DAY`].
    fn of(found: &Captures<'_>, from: usize) -> Option<Self> {
        let group = |at: usize| found.get(from + at).map(|group| group.as_str());
        let month = match (group(1), group(2)) {
            (Some(figures), _) => Some(figures.parse().ok()?),
            (_, Some(word)) => Some(month_named(word)?),
            _ => None,
        };
        let year = match group(3).map(|year| year.trim_start_matches(|c: char| !c.is_ascii_digit()))
        {
            Some(two) if two.len() == 2 => Some(2000 + two.parse::<i16>().ok()?),
            Some(four) => Some(four.parse().ok()?),
            None => None,
        };
        Some(Self {
            day: Some(group(0)?.parse().ok()?),
            month,
            year,
        })
    }

    fn date(self) -> Option<Date> {
        let year = self.year.filter(|year| YEARS.contains(year))?;
        Date::new(year, self.month?, self.day?).ok()
    }
}

fn month_named(word: &str) -> Option<i8> {
    let at = MONTHS.iter().position(|month| *month == word)?;
    i8::try_from(at + 1).ok()
}

/// Months from the one day to the other in a folded text, and where they stand. `starts` is the
/// contract's first day where a field gives it: "jusqu'au 31/12/2026" alone ends there.
pub fn months(folded: &str, starts: Option<Date>) -> Option<(f64, Range<usize>)> {
    all(folded, starts).into_iter().next()
}

/// As [`months`], only where the words before it, in the same clause, speak of a contract.
pub fn months_in_text(folded: &str, starts: Option<Date>) -> Option<(f64, Range<usize>)> {
    all(folded, starts).into_iter().find(|(_, range)| {
        let mut from = range.start.saturating_sub(70);
        while !folded.is_char_boundary(from) {
            from += 1;
        }
        let before = &folded[from..range.start];
        let clause = before.rsplit(['.', ';', '!']).next().unwrap_or(before);
        [
            "cdd", "contrat", "duree", "mission", "remplace", "interim", "stage", "vacation",
            "poste", "periode", "saison", "besoin", "dates",
        ]
        .iter()
        .any(|word| clause.contains(word))
    })
}

fn all(folded: &str, starts: Option<Date>) -> Vec<(f64, Range<usize>)> {
    // Every form holds one of these, and most texts none.
    if !["du ", "de ", "d'", "jusqu'au", "20", "/"]
        .iter()
        .any(|word| folded.contains(word))
        || !(folded.bytes().any(|byte| byte.is_ascii_digit()) || folded.contains(" a "))
    {
        return Vec::new();
    }
    let mut out = Vec::new();
    let mut add = |length: Option<f64>, range: Range<usize>| {
        if let Some(length) = length {
            out.push((length, range));
        }
    };
    for (regex, whole) in [(&FROM_TO, false), (&WHOLE, true)] {
        for found in regex.iter().flat_map(|regex| regex.captures_iter(folded)) {
            let (Some(all), Some(first), Some(last)) =
                (found.get(0), Said::of(&found, 1), Said::of(&found, 5))
            else {
                continue;
            };
            // A sign alone is too little between what may be anything.
            if !whole || (first.date().is_some() && last.date().is_some()) {
                add(between(first, last), all.range());
            }
        }
    }
    for found in ISO.iter().flat_map(|regex| regex.captures_iter(folded)) {
        if let (Some(all), Ok(first), Ok(last)) = (
            found.get(0),
            found[1].parse::<Date>(),
            found[2].parse::<Date>(),
        ) {
            add(length(first, last), all.range());
        }
    }
    for found in BY_MONTH
        .iter()
        .flat_map(|regex| regex.captures_iter(folded))
    {
        let year = |at: usize| found.get(at).and_then(|year| year.as_str().parse().ok());
        let first = Said {
            day: Some(1),
            month: month_named(&found[1]),
            year: year(2),
        };
        let last = Said {
            day: None,
            month: month_named(&found[3]),
            year: year(4),
        };
        if let Some(all) = found.get(0) {
            add(between(first, last), all.range());
        }
    }
    if let Some(starts) = starts {
        for found in UNTIL.iter().flat_map(|regex| regex.captures_iter(folded)) {
            let last = Said::of(&found, 1).and_then(Said::date);
            if let (Some(all), Some(last)) = (found.get(0), last) {
                add(length(starts, last), all.range());
            }
        }
    }
    out.sort_by_key(|(_, range)| range.start);
    out
}

/// The months between two dates of which one may leave out what the other says. Without any year,
/// any will do: the next one where the end stands earlier in it.
fn between(mut first: Said, mut last: Said) -> Option<f64> {
    first.month = first.month.or(last.month);
    let (from, to) = (first.month?, last.month?);
    let turns = (to, last.day.unwrap_or(31)) < (from, first.day?);
    let (one, other) = match (first.year, last.year) {
        (Some(one), Some(other)) => (one, other),
        (Some(one), None) => (one, one + i16::from(turns)),
        (None, Some(other)) => (other - i16::from(turns), other),
        (None, None) => (2025, 2025 + i16::from(turns)),
    };
    (first.year, last.year) = (Some(one), Some(other));
    if last.day.is_none() {
        last.day = Date::new(other, to, 1).ok().map(Date::days_in_month);
    }
    length(first.date()?, last.date()?)
}

/// From the first day to the last, both worked: whole months, and days as thirtieths.
fn length(first: Date, last: Date) -> Option<f64> {
    let end = last.checked_add(1.day()).ok()?;
    let span = first.until((Unit::Month, end)).ok()?;
    let months = f64::from(span.get_months()) + f64::from(span.get_days()) / 30.0;
    (months > 0.0 && months <= 120.0).then(|| cents(months))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalise::fold::fold;

    #[test]
    fn from_one_day_to_another() {
        for (text, wanted) in [
            ("CDD du 01/09/2025 au 31/12/2025", Some(4.0)),
            ("Du 1er juillet au 31 août 2026", Some(2.0)),
            ("du 1er au 31 août 2026", Some(1.0)),
            ("du 15 décembre 2025 au 14 mars 2026", Some(3.0)),
            ("du 15 décembre au 14 mars", Some(3.0)),
            ("du lundi 7 juillet au dimanche 20 juillet 2025", Some(0.47)),
            ("du 01/07 au 31/08", Some(2.0)),
            ("du 01/07 au 31/08 - 28 h", Some(2.0)),
            ("du 01.07.26 au 31.08.26", Some(2.0)),
            ("01/09/2025 - 28/02/2026", Some(6.0)),
            ("2026-09-01 / 2027-08-31", Some(12.0)),
            ("de septembre 2025 à février 2026", Some(6.0)),
            ("d'octobre à fin décembre", Some(3.0)),
            ("de novembre à février", Some(4.0)),
            ("entre le 1er juin et le 30 juin 2026", Some(1.0)),
            ("à compter du 2 mars 2026 jusqu'au 1er mai 2026", Some(2.0)),
            ("du lundi au vendredi, de 8h à 16h", None),
            ("du 31/02/2026 au 31/12/2026", None),
            ("du 01/09/2026 au 01/09/2025", None),
            ("du 1er au 5 de chaque mois", None),
            ("patients de 20 à 80 ans", None),
            ("de 8 - 10 résidents", None),
            ("jusqu'au 31/12/2026", None),
        ] {
            let found = months(&fold(text), None).map(|(months, _)| months);
            assert_eq!(found, wanted, "{text}");
        }
        let starts = Date::new(2026, 9, 1).ok();
        let found = months("cdd jusqu'au 31/12/2026", starts);
        assert_eq!(found.map(|(months, _)| months), Some(4.0));
    }

    #[test]
    fn in_a_text_a_contract_must_be_spoken_of() {
        for (text, wanted) in [
            ("Remplacement du 01/07/2026 au 31/08/2026.", Some(2.0)),
            ("Structure ouverte du 15 juin au 15 septembre.", None),
            (
                "Fermeture annuelle du 1er au 31 août 2026. Contrat du 1er septembre 2026 au 30 juin 2027",
                Some(10.0),
            ),
        ] {
            let found = months_in_text(&fold(text), None).map(|(months, _)| months);
            assert_eq!(found, wanted, "{text}");
        }
    }
}
