//! Query strings: every parameter is known, well-formed and said once, or the answer is a 400 that
//! names all that is wrong.

use crate::{
    model::{ContractForm, Family, MemberId, Period, PublicStatus, Remote, Shift, Time},
    publish::{
        index::{Area, Filter, Sort},
        respond::{ParameterError, Problem},
        territory,
    },
};
use jiff::{Timestamp, civil::Date};
use serde::de::DeserializeOwned;

/// Characters of a search at most.
pub const MOST_Q: usize = 200;
/// Values of one list parameter at most.
const MOST_VALUES: usize = 50;
const MOST_PAIRS: usize = 100;

/// The parameters of one request, taken one by one; what is left over is unknown.
#[derive(Debug, Default)]
pub struct Params {
    pairs: Vec<(String, String)>,
    errors: Vec<ParameterError>,
}

impl Params {
    pub fn new(query: Option<&str>) -> Self {
        let mut params = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if params.pairs.len() >= MOST_PAIRS {
                params.refuse("", "", "too many parameters");
                break;
            }
            if name.is_empty() && value.is_empty() {
                continue;
            }
            if [&name, &value]
                .iter()
                .any(|text| text.contains(['\u{fffd}', '\0']))
            {
                params.refuse(&name, &value, "not UTF-8 text without NUL");
                continue;
            }
            params.pairs.push((name.into_owned(), value.into_owned()));
        }
        params
    }

    pub fn refuse(&mut self, name: &str, value: &str, message: impl Into<String>) {
        self.errors.push(ParameterError::new(name, value, message));
    }

    /// The one value of `name`; an empty one counts as absent.
    pub fn one(&mut self, name: &str) -> Option<String> {
        self.given(name).filter(|value| !value.is_empty())
    }

    /// The one value of `name`, which may be empty.
    fn given(&mut self, name: &str) -> Option<String> {
        let values = self.take(name);
        if values.len() > 1 {
            self.refuse(name, &values.join("&"), "given more than once");
        }
        values.into_iter().next()
    }

    /// All values of `name`, repeated or separated by commas.
    pub fn list(&mut self, name: &str) -> Vec<String> {
        let values: Vec<String> = self
            .take(name)
            .iter()
            .flat_map(|value| value.split(','))
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
            .collect();
        if values.len() > MOST_VALUES {
            self.refuse(name, "", format!("more than {MOST_VALUES} values"));
        }
        values
    }

    /// The words of a vocabulary.
    pub fn words<T: DeserializeOwned>(&mut self, name: &str, known: &[&str]) -> Vec<T> {
        let mut words = Vec::new();
        for value in self.list(name) {
            match serde_json::from_value(serde_json::Value::String(value.clone())) {
                Ok(word) => words.push(word),
                Err(_) => self.refuse(name, &value, format!("not one of: {}", known.join(", "))),
            }
        }
        words
    }

    pub fn number(&mut self, name: &str, least: f64, most: f64) -> Option<f64> {
        let text = self.given(name)?;
        match text.parse::<f64>() {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            _ => {
                self.refuse(name, &text, format!("not a number from {least} to {most}"));
                None
            }
        }
    }

    pub fn whole(&mut self, name: &str, least: usize, most: usize, default: usize) -> usize {
        let Some(text) = self.given(name) else {
            return default;
        };
        match text.parse::<usize>() {
            Ok(number) if (least..=most).contains(&number) => number,
            _ => {
                self.refuse(
                    name,
                    &text,
                    format!("not a whole number from {least} to {most}"),
                );
                default
            }
        }
    }

    /// `true` or `false`; absent counts as `false`, empty is neither.
    pub fn flag(&mut self, name: &str) -> bool {
        match self.take(name).as_slice() {
            [] => false,
            [one] if one == "false" => false,
            [one] if one == "true" => true,
            other => {
                let value = other.join("&");
                self.refuse(name, &value, "not `true` or `false`, said once");
                false
            }
        }
    }

    /// A day or an instant.
    pub fn instant(&mut self, name: &str) -> Option<Timestamp> {
        let text = self.one(name)?;
        // In a query string, the plus of an offset reads as a space.
        let text = text.replace(' ', "+");
        let read = text.parse::<Timestamp>().ok().or_else(|| {
            let day: Date = text.parse().ok().filter(|_| text.len() == 10)?;
            let midnight = day.to_zoned(super::super::labels::paris()).ok()?;
            Some(midnight.timestamp())
        });
        if read.is_none() {
            self.refuse(
                name,
                &text,
                "neither a day (2026-11-02) nor an instant (2026-11-02T08:00:00Z)",
            );
        }
        read
    }

    fn take(&mut self, name: &str) -> Vec<String> {
        let mut values = Vec::new();
        self.pairs.retain_mut(|(own, value)| {
            let taken = own == name;
            if taken {
                values.push(std::mem::take(value));
            }
            !taken
        });
        values
    }

    /// Everything that was wrong, what nobody asked for included.
    pub fn finish(mut self) -> Result<(), Problem> {
        for (name, value) in std::mem::take(&mut self.pairs) {
            self.refuse(&name, &value, "unknown parameter");
        }
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Problem::bad_request(self.errors))
        }
    }

    /// For pages that people reach by links with anything behind them: what is wrong is ignored.
    pub fn forgive(self) {}
}

pub const FAMILIES: [&str; 9] = [
    "nursing",
    "care",
    "medical",
    "rehabilitation",
    "technical",
    "social",
    "management",
    "support",
    "other",
];
pub const CONTRACTS: [&str; 10] = [
    "cdi",
    "cdd",
    "interim",
    "vacation",
    "apprenticeship",
    "professionalisation",
    "internship",
    "liberal",
    "takeover",
    "other",
];

pub const STATUSES: [&str; 5] = [
    "titulaire",
    "stagiaire",
    "contractuel",
    "praticien_hospitalier",
    "vacataire",
];
pub const TIMES: [&str; 2] = ["full", "part"];
pub const SHIFTS: [&str; 6] = ["day", "night", "alternating", "12h", "on_call", "split"];
pub const REMOTES: [&str; 3] = ["none", "partial", "full"];
pub const PERIODS: [&str; 5] = ["hour", "day", "week", "month", "year"];

/// The filter parameters, shared by API, feeds and exports.
pub fn filter(params: &mut Params) -> Filter {
    let q = params.one("q").unwrap_or_default();
    if q.chars().count() > MOST_Q {
        params.refuse("q", &q, format!("longer than {MOST_Q} characters"));
    }
    let mut filter = Filter {
        q,
        members: params.list("member").into_iter().map(MemberId).collect(),
        families: params.words::<Family>("family", &FAMILIES),
        contracts: params.words::<ContractForm>("contract", &CONTRACTS),
        statuses: params.words::<PublicStatus>("status", &STATUSES),
        times: params.words::<Time>("time", &TIMES),
        shifts: params.words::<Shift>("shift", &SHIFTS),
        remotes: params.words::<Remote>("remote", &REMOTES),
        pay_periods: params.words::<Period>("pay_period", &PERIODS),
        agreements: params.list("agreement"),
        departments: params
            .list("department")
            .into_iter()
            .map(|code| code.to_uppercase())
            .collect(),
        since: params.instant("since"),
        ..Filter::default()
    };
    for code in params.list("rome") {
        let code = code.to_uppercase();
        let mut bytes = code.bytes();
        if bytes.next().is_some_and(|b| b.is_ascii_uppercase())
            && code.len() == 5
            && bytes.all(|b| b.is_ascii_digit())
        {
            filter.romes.push(code);
        } else {
            params.refuse("rome", &code, "not a ROME code such as J1506");
        }
    }
    for name in params.list("commune") {
        match territory::named(&name) {
            Some(insee) => filter.communes.push(insee.to_owned()),
            None => params.refuse(
                "commune",
                &name,
                "neither the INSEE code of a commune nor the name of one alone",
            ),
        }
    }
    if let Some(km) = params.number("radius_km", 0.0, 500.0) {
        match filter.communes.as_slice() {
            [code] => match territory::centre(code) {
                Some(centre) => {
                    filter.area = Some(Area { centre, km });
                    filter.communes.clear();
                }
                None => params.refuse("commune", code, "its position is not known"),
            },
            _ => params.refuse(
                "radius_km",
                &km.to_string(),
                "needs one `commune` to be its centre",
            ),
        }
    }
    filter
}

/// The order asked for; without one, by relevance where there are words, else the newest first.
pub fn sort(params: &mut Params, filter: &Filter) -> Sort {
    let natural = if filter.q.trim().is_empty() {
        Sort::Published
    } else {
        Sort::Relevance
    };
    let Some(text) = params.one("sort") else {
        return natural;
    };
    match text.as_str() {
        "published" => Sort::Published,
        "updated" => Sort::Updated,
        "title" => Sort::Title,
        "relevance" => natural,
        "distance" if filter.area.is_some() => Sort::Distance,
        "distance" => {
            params.refuse("sort", &text, "`distance` needs `commune` and `radius_km`");
            natural
        }
        _ => {
            params.refuse(
                "sort",
                &text,
                "not one of: published, updated, title, relevance, distance",
            );
            natural
        }
    }
}

/// Changes with anything that changes the answer's order or content.
pub fn fingerprint(filter: &Filter, sort: Sort) -> u64 {
    // Derived `Debug` spells every field: a new one cannot be forgotten here.
    let hash = blake3::hash(format!("{filter:?}{sort:?}").as_bytes());
    u64::from_be_bytes(hash.as_bytes()[..8].try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::index::vocabulary;

    #[test]
    fn every_vocabulary_can_be_filtered() {
        for (dimension, words) in vocabulary() {
            let name = dimension.name();
            let words: Vec<String> = words.into_iter().map(|(code, _)| code).collect();
            let query = format!("{name}={}", words.join(","));
            let mut params = Params::new(Some(&query));
            let filter = filter(&mut params);
            assert!(params.finish().is_ok(), "{query}");
            assert_ne!(filter, Filter::default(), "{query}");
        }
    }
}
