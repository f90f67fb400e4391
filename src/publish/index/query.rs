//! What is searched, in what order, and where a page begins.

use super::facet::Dimension;
use crate::model::{ContractForm, Family, MemberId, Time, Vacancy, VacancyId};
use jiff::Timestamp;

/// A circle around a point (WGS 84 degrees).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    pub centre: (f64, f64),
    pub km: f64,
}

/// What a vacancy must satisfy: all of the fields, any of the values of one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    pub q: String,
    pub members: Vec<MemberId>,
    pub families: Vec<Family>,
    pub romes: Vec<String>,
    pub contracts: Vec<ContractForm>,
    pub times: Vec<Time>,
    pub departments: Vec<String>,
    /// INSEE codes.
    pub communes: Vec<String>,
    pub area: Option<Area>,
    /// Départements of an area asked for by name: no facet, unlike `departments`.
    pub areas: Vec<String>,
    /// Content changed at or after.
    pub since: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Newest first.
    Published,
    /// Last changed first.
    Updated,
    Title,
    Relevance,
    /// Nearest first.
    Distance,
}

/// The sort key of one vacancy; ascending for every order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Number(i64),
    Text(String),
}

/// A position in a sorted list: stable while vacancies come and go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    pub key: Key,
    pub id: VacancyId,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    pub filter: Filter,
    pub sort: Sort,
    /// The last vacancy of the page before.
    pub after: Option<Mark>,
    /// Vacancies left out before the page: for pages by number.
    pub skip: usize,
    pub limit: usize,
}

impl Filter {
    /// The dimensions whose filter `vacancy` does not pass.
    pub(super) fn failed_dimensions(&self, vacancy: &Vacancy) -> Vec<Dimension> {
        let offer = &vacancy.offer;
        let mut failed = Vec::new();
        let mut check = |dimension, wanted: bool, passes: bool| {
            if wanted && !passes {
                failed.push(dimension);
            }
        };
        check(
            Dimension::Member,
            !self.members.is_empty(),
            vacancy
                .member
                .as_ref()
                .is_some_and(|m| self.members.contains(m)),
        );
        let family = offer.occupation.as_ref().and_then(|o| o.family);
        check(
            Dimension::Family,
            !self.families.is_empty(),
            family.is_some_and(|f| self.families.contains(&f)),
        );
        let form = offer.contract.as_ref().and_then(|c| c.form);
        check(
            Dimension::Contract,
            !self.contracts.is_empty(),
            form.is_some_and(|f| self.contracts.contains(&f)),
        );
        let time = offer.working_time.as_ref().and_then(|w| w.time);
        check(
            Dimension::Time,
            !self.times.is_empty(),
            time.is_some_and(|t| self.times.contains(&t)),
        );
        check(
            Dimension::Department,
            !self.departments.is_empty(),
            offer.places.iter().any(|place| {
                place
                    .department
                    .as_ref()
                    .is_some_and(|d| self.departments.contains(d))
            }),
        );
        failed
    }
}

/// Whether `own` is the commune `wanted`, or a district of it (Paris, Lyon, Marseille).
pub(super) fn same_commune(own: &str, wanted: &str) -> bool {
    own == wanted
        || match wanted {
            "75056" => own.starts_with("751"),
            "69123" => own.starts_with("6938"),
            "13055" => own.starts_with("132"),
            _ => false,
        }
}
