//! What is searched, in what order, and where a page begins.

use super::{Dimension, schema};
use crate::{
    model::{
        ContractForm, Family, MemberId, Period, PublicStatus, Remote, Shift, Time, Vacancy,
        VacancyId,
    },
    publish::territory,
};
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
    pub statuses: Vec<PublicStatus>,
    pub times: Vec<Time>,
    pub shifts: Vec<Shift>,
    pub remotes: Vec<Remote>,
    pub pay_periods: Vec<Period>,
    /// Collective agreements: "CCN51".
    pub agreements: Vec<String>,
    pub departments: Vec<String>,
    /// INSEE codes.
    pub communes: Vec<String>,
    pub area: Option<Area>,
    /// Départements of an area asked for by name: no facet, unlike `departments`.
    pub areas: Vec<String>,
    /// Content changed at or after.
    pub since: Option<Timestamp>,
    /// All of that must hold too: what a consumer may see.
    pub within: Option<Box<Filter>>,
}

impl Filter {
    /// Whether `vacancy` satisfies everything but the words, which only the index knows.
    pub fn holds(&self, vacancy: &Vacancy) -> bool {
        let places = &vacancy.offer.places;
        fn any<'a>(wanted: &[String], mut own: impl Iterator<Item = &'a str>) -> bool {
            wanted.is_empty() || own.any(|own| wanted.iter().any(|word| word == own))
        }
        let occupation = vacancy.offer.occupation.iter();
        let romes = occupation.flat_map(|o| [&o.rome, &o.rome_v3]).flatten();
        let departments = places.iter().filter_map(|p| p.department.as_deref());
        let communes = places.iter().filter_map(|p| p.insee.as_deref());
        let communes = communes.flat_map(|own| [Some(own), schema::whole_city(own)]);
        let in_area = |area: Area| {
            let points = places.iter().filter_map(schema::point);
            points
                .into_iter()
                .any(|point| territory::distance(area.centre, point) <= area.km)
        };
        any(&self.romes, romes.map(String::as_str))
            && any(&self.areas, departments)
            && any(&self.communes, communes.flatten())
            && self.area.is_none_or(in_area)
            && self
                .since
                .is_none_or(|since| super::updated(vacancy).is_some_and(|at| at >= since))
            && Dimension::ALL.iter().all(|dimension| {
                let words = dimension.words(vacancy);
                any(&dimension.wanted(self), words.iter().map(String::as_str))
            })
            && self
                .within
                .as_ref()
                .is_none_or(|within| within.holds(vacancy))
    }
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
    /// What to count; each counts what would remain if its own dimension were not filtered.
    pub facets: &'static [Dimension],
}
