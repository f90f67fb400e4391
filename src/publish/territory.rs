//! Places as publishing needs them: names of areas, centres of communes, what candidates type.

use crate::normalise::{Commune, commune_of, distance_km, gazetteer, key};

/// The name of a département code.
pub fn department(code: &str) -> Option<&'static str> {
    gazetteer().department(code).map(|d| d.name.as_str())
}

/// The region of a département code.
pub fn region(code: &str) -> Option<&'static str> {
    gazetteer().department(code).map(|d| d.region.as_str())
}

/// Latitude and longitude of the middle of a commune.
pub fn centre(insee: &str) -> Option<(f64, f64)> {
    commune(insee)?.at
}

/// A commune by its INSEE code, former codes included.
pub fn commune(insee: &str) -> Option<&'static Commune> {
    gazetteer().insee(insee).map(|id| gazetteer().commune(id))
}

/// Kilometres between two points (WGS 84 degrees).
pub fn distance(a: (f64, f64), b: (f64, f64)) -> f64 {
    distance_km(a.0, a.1, b.0, b.1)
}

/// Where a candidate wants to work.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    Commune(&'static str),
    /// Département codes, of one or of a region.
    Departments(Vec<String>),
}

/// What `text` means as a place: a commune by name or postal code, a département by name or
/// number, a region. Of several communes of that name, one in `home` départements, then the most
/// populous.
pub fn wanted(text: &str, home: &[String]) -> Option<Wanted> {
    let text = text.trim();
    let places = gazetteer();
    if text.len() <= 3
        && let Some(department) = places.department(text)
    {
        return Some(Wanted::Departments(vec![department.code.clone()]));
    }
    let named = places.name(text);
    let among = if named.is_empty() {
        places.postal_code(text)
    } else {
        named
    };
    let commune = among
        .iter()
        .map(|id| places.commune(*id))
        .max_by_key(|commune| (home.contains(&commune.department), commune.population));
    if let Some(commune) = commune {
        return Some(Wanted::Commune(&commune.insee));
    }
    if let Some(department) = places.department_named(text) {
        return Some(Wanted::Departments(vec![department.code.clone()]));
    }
    if let Some(region) = places.region_named(text) {
        let of_region = places.departments().iter().filter(|d| d.region == region);
        return Some(Wanted::Departments(
            of_region.map(|d| d.code.clone()).collect(),
        ));
    }
    commune_of(text).map(|commune| Wanted::Commune(&commune.insee))
}

/// A commune as an API caller names it: INSEE code, or a name that only one commune has.
pub fn named(text: &str) -> Option<&'static str> {
    if let Some(commune) = commune(&text.to_uppercase()) {
        return Some(&commune.insee);
    }
    match gazetteer().name(text) {
        [id] => Some(&gazetteer().commune(*id).insee),
        several => {
            // "Besançon" is nobody's doubt: a namesake counts where it is not a small one.
            let mut by_size = several.iter().map(|id| gazetteer().commune(*id));
            let (first, second) = (by_size.next()?, by_size.next()?);
            (key(&first.name) == key(text) && first.population > 10 * second.population.max(1))
                .then_some(first.insee.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names_and_centres() {
        assert_eq!(department("70"), Some("Haute-Saône"));
        assert_eq!(region("2A"), Some("Corse"));
        let km = distance(centre("70550").unwrap(), centre("25056").unwrap());
        assert!((40.0..48.0).contains(&km), "{km}");
        assert_eq!(centre("99999"), None);
    }

    #[test]
    fn candidates_name_places_in_many_ways() {
        let home = ["70".to_owned()];
        let departments = |codes: &[&str]| {
            Some(Wanted::Departments(
                codes.iter().map(|c| (*c).to_owned()).collect(),
            ))
        };
        for text in ["Vesoul", "vesoul ", "70000", "70000 Vesoul", "Vesoul (70)"] {
            assert_eq!(
                wanted(text, &home),
                Some(Wanted::Commune("70550")),
                "{text}"
            );
        }
        assert_eq!(wanted("haute saone", &home), departments(&["70"]));
        assert_eq!(wanted("70", &home), departments(&["70"]));
        assert_eq!(wanted("Corse", &home), departments(&["2A", "2B"]));
        assert_eq!(wanted("nulle part du tout", &home), None);
        assert_eq!(named("Vesoul"), Some("70550"));
        assert_eq!(named("2a004"), Some("2A004"));
    }
}
