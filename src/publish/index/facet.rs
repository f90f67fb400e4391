//! Counts of the matches by value.

use crate::model::Vacancy;
use crate::publish::labels;
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    Family,
    Contract,
    Time,
    Department,
    Member,
}

/// Value → number of vacancies.
pub type Tally = BTreeMap<String, usize>;

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facets {
    pub family: Tally,
    pub contract: Tally,
    pub time: Tally,
    pub department: Tally,
    pub member: Tally,
}

impl Facets {
    /// Counts `vacancy` in every dimension that no other dimension's filter excludes it from.
    pub(super) fn count(&mut self, vacancy: &Vacancy, failed: &[Dimension]) {
        let counts = |dimension| failed.iter().all(|f| *f == dimension);
        let offer = &vacancy.offer;
        let add = |dimension, tally: &mut Tally, value: Option<String>| {
            if counts(dimension)
                && let Some(value) = value
            {
                *tally.entry(value).or_default() += 1;
            }
        };
        add(
            Dimension::Family,
            &mut self.family,
            offer
                .occupation
                .as_ref()
                .and_then(|o| o.family)
                .map(|f| labels::code(&f)),
        );
        add(
            Dimension::Contract,
            &mut self.contract,
            offer
                .contract
                .as_ref()
                .and_then(|c| c.form)
                .map(|f| labels::code(&f)),
        );
        add(
            Dimension::Time,
            &mut self.time,
            offer
                .working_time
                .as_ref()
                .and_then(|w| w.time)
                .map(|t| labels::code(&t)),
        );
        add(
            Dimension::Member,
            &mut self.member,
            vacancy.member.as_ref().map(|m| m.0.clone()),
        );
        let mut departments: Vec<&String> = offer
            .places
            .iter()
            .filter_map(|p| p.department.as_ref())
            .collect();
        departments.sort_unstable();
        departments.dedup();
        for department in departments {
            add(
                Dimension::Department,
                &mut self.department,
                Some(department.clone()),
            );
        }
    }
}
