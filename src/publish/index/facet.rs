//! The canonical vocabularies as dimensions: what may be filtered and is counted by value.

use super::Filter;
use crate::{model::Vacancy, publish::labels};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dimension {
    Family,
    Contract,
    Status,
    Time,
    Shift,
    Remote,
    PayPeriod,
    Agreement,
    Department,
    Member,
}

impl Dimension {
    pub const ALL: [Self; 10] = [
        Self::Family,
        Self::Contract,
        Self::Status,
        Self::Time,
        Self::Shift,
        Self::Remote,
        Self::PayPeriod,
        Self::Agreement,
        Self::Department,
        Self::Member,
    ];

    /// As the API's parameters and facets call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Family => "family",
            Self::Contract => "contract",
            Self::Status => "status",
            Self::Time => "time",
            Self::Shift => "shift",
            Self::Remote => "remote",
            Self::PayPeriod => "pay_period",
            Self::Agreement => "agreement",
            Self::Department => "department",
            Self::Member => "member",
        }
    }

    /// The words of `vacancy`, each once.
    pub(super) fn words(self, vacancy: &Vacancy) -> Vec<String> {
        let offer = &vacancy.offer;
        let contract = offer.contract.as_ref();
        let working_time = offer.working_time.as_ref();
        let mut words: Vec<String> = match self {
            Self::Family => {
                let occupation = offer.occupation.as_ref();
                codes(occupation.and_then(|o| o.family))
            }
            Self::Contract => codes(contract.and_then(|c| c.form)),
            Self::Status => codes(contract.iter().flat_map(|c| &c.public_status)),
            Self::Time => codes(working_time.and_then(|w| w.time)),
            Self::Shift => codes(working_time.iter().flat_map(|w| &w.shifts)),
            Self::Remote => codes(offer.remote),
            Self::PayPeriod => codes(offer.pay.as_ref().and_then(|p| p.period)),
            Self::Agreement => {
                let employer = offer.employer.as_ref();
                employer
                    .and_then(|e| e.agreement.clone())
                    .into_iter()
                    .collect()
            }
            Self::Department => {
                let places = offer.places.iter();
                places.filter_map(|p| p.department.clone()).collect()
            }
            Self::Member => vacancy.member.iter().map(|m| m.0.clone()).collect(),
        };
        words.sort_unstable();
        words.dedup();
        words
    }

    /// The words that `filter` asks for; none where it asks for nothing.
    pub(super) fn wanted(self, filter: &Filter) -> Vec<String> {
        match self {
            Self::Family => codes(&filter.families),
            Self::Contract => codes(&filter.contracts),
            Self::Status => codes(&filter.statuses),
            Self::Time => codes(&filter.times),
            Self::Shift => codes(&filter.shifts),
            Self::Remote => codes(&filter.remotes),
            Self::PayPeriod => codes(&filter.pay_periods),
            Self::Agreement => filter.agreements.clone(),
            Self::Department => filter.departments.clone(),
            Self::Member => filter.members.iter().map(|m| m.0.clone()).collect(),
        }
    }
}

fn codes<T: Serialize>(words: impl IntoIterator<Item = T>) -> Vec<String> {
    words.into_iter().map(|word| labels::code(&word)).collect()
}

/// Value → number of vacancies.
pub type Tally = BTreeMap<String, usize>;

/// The tallies of the dimensions that were asked for, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facets(BTreeMap<&'static str, Tally>);

impl Facets {
    pub fn of(&self, dimension: Dimension) -> &Tally {
        static NONE: Tally = Tally::new();
        self.0.get(dimension.name()).unwrap_or(&NONE)
    }

    pub(super) fn tally(&mut self, dimension: Dimension) -> &mut Tally {
        self.0.entry(dimension.name()).or_default()
    }
}
