//! Place: from whatever a source says to communes, or honestly less.

mod gazetteer;
mod parse;

pub use gazetteer::{Commune, Department, Gazetteer, gazetteer};

use super::record::{Record, TITLE};
use crate::model::{Draft, Field, Place, PlacePrecision, Raw};
use gazetteer::Id;
use parse::Said;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Kilometres between a commune's centre and coordinates above which the two contradict.
const FAR_KM: f64 = 30.0;

/// Inhabitants from which a town, or a city, is meant before a village of its name.
const TOWN: u32 = 3_000;
const CITY: u32 = 10_000;

/// The fields of one place.
type Fields = BTreeMap<Field, Raw>;

/// The places of a draft: its `places`, or the one in its fields; a text that names several
/// ("Toulouse OU Auch") gives several.
pub fn places(draft: &Draft, record: &mut Record) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let sources: Vec<&Fields> = if draft.places.is_empty() {
        vec![&draft.fields]
    } else {
        draft.places.iter().collect()
    };
    for fields in sources {
        for part in split(fields) {
            let mut notes = Record::default();
            let index = places.len();
            if let Some(place) = resolve(&part, index, &mut notes)
                && !places.iter().any(|known| same(known, &place))
            {
                places.push(place);
                record.provenance.append(&mut notes.provenance);
            }
            for finding in notes.findings {
                if !record.findings.contains(&finding) {
                    record.findings.push(finding);
                }
            }
        }
    }
    if places.is_empty() {
        record.find("place.absent", "places", "");
    }
    places
}

/// What a town that a title alone names is worth.
const IN_TITLE: f64 = 0.8;

/// The town after a dash, a comma, "à" or in brackets of a title, where no field says a place: one
/// with a code, or one that is no village whose name may be a word.
pub fn in_title(title: &str, record: &mut Record) -> Option<Place> {
    let mut parts: Vec<&str> = Vec::new();
    for mark in [" - ", " – ", ", ", " | ", " à "] {
        parts.extend(title.split(mark).skip(1));
    }
    let inner = title
        .rsplit_once('(')
        .map(|(_, rest)| rest.trim_end().trim_end_matches(')'));
    let part = parts.into_iter().rev().chain(inner).find(|part| {
        let coded = part.contains(|c: char| c.is_ascii_digit());
        part.chars().count() <= 60
            && commune_of(part).is_some_and(|commune| coded || commune.population >= TOWN)
    })?;
    let mut fields = Fields::new();
    fields.insert(Field::Place, Raw::new(part.trim(), TITLE));
    let mut notes = Record::default();
    let place = resolve(&fields, 0, &mut notes)?;
    for note in notes.provenance.values_mut() {
        note.confidence = note.confidence.min(IN_TITLE);
    }
    record.provenance.append(&mut notes.provenance);
    record
        .findings
        .retain(|finding| finding.rule != "place.absent");
    Some(place)
}

fn same(one: &Place, other: &Place) -> bool {
    match (&one.insee, &other.insee) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// One map a place where the text names several communes and no code says which.
fn split(fields: &Fields) -> Vec<Cow<'_, Fields>> {
    let coded =
        fields.contains_key(&Field::PlaceInsee) || fields.contains_key(&Field::PlacePostalCode);
    for field in [Field::Place, Field::PlaceCity] {
        let Some(raw) = fields.get(&field) else {
            continue;
        };
        let texts: Vec<String> = if raw.values.len() > 1 {
            raw.values.clone()
        } else if coded {
            continue;
        } else {
            parse::alternatives(raw.value())
        };
        if texts.len() > 1 {
            return texts
                .into_iter()
                .take(20)
                .map(|text| {
                    let mut part: Fields = fields
                        .iter()
                        .filter(|(field, _)| is_place(**field))
                        .map(|(field, raw)| (*field, raw.clone()))
                        .collect();
                    part.insert(
                        field,
                        Raw {
                            values: vec![text],
                            raw: Some(raw.source_text().to_owned()),
                            ..raw.clone()
                        },
                    );
                    // One point cannot be in several towns.
                    for point in [Field::PlaceLat, Field::PlaceLon, Field::PlaceGeo] {
                        part.remove(&point);
                    }
                    Cow::Owned(part)
                })
                .collect();
        }
    }
    vec![Cow::Borrowed(fields)]
}

/// The fields that say where: all that a place is made of.
fn is_place(field: Field) -> bool {
    (Field::Place..=Field::PlaceGeo).contains(&field)
}

/// How a commune was found.
struct Found<'a> {
    id: Id,
    rule: &'static str,
    confidence: f64,
    raw: &'a Raw,
}

fn resolve(fields: &Fields, index: usize, record: &mut Record) -> Option<Place> {
    let gazetteer = gazetteer();
    let text = |field: Field| {
        fields
            .get(&field)
            .map(Raw::value)
            .map(str::trim)
            .filter(|value| !value.is_empty() && !matches!(*value, "NA" | "N/A" | "-" | "null"))
    };
    // What the free texts say, code fields first.
    let mut said = Said::default();
    for field in [Field::Place, Field::PlaceCity, Field::PlaceAddress] {
        if let Some(value) = text(field) {
            said.merge(parse::place(value));
        }
    }
    if let Some(code) = text(Field::PlacePostalCode).and_then(parse::postal_code) {
        said.postal_code = Some(code);
    }
    for field in [Field::PlaceDepartment, Field::PlaceRegion] {
        if let Some(value) = text(field) {
            said.merge(parse::area(value));
        }
    }
    if let Some(country) = text(Field::PlaceCountry) {
        said.country = parse::country(country).or(said.country);
    }
    let point = point(fields, record);
    let pointer = |name: &str| format!("/places/{index}/{name}");
    let main = [
        Field::PlaceInsee,
        Field::Place,
        Field::PlaceCity,
        Field::PlacePostalCode,
        Field::PlaceAddress,
        Field::PlaceDepartment,
        Field::PlaceRegion,
        Field::PlaceCountry,
        Field::PlaceGeo,
        Field::PlaceLat,
    ]
    .into_iter()
    .find_map(|field| fields.get(&field))?;

    let abroad = said.country.clone().filter(|country| country != "FR");
    let found = if abroad.is_some() {
        None
    } else {
        commune(fields, &said, point, main)
    };
    let mut place = Place::default();
    if let Some(found) = found {
        let commune = gazetteer.commune(found.id);
        place.insee = Some(commune.insee.clone());
        place.name = Some(commune.name.clone());
        place.department = Some(commune.department.clone());
        place.precision = PlacePrecision::Commune;
        place.postal_code = said
            .postal_code
            .clone()
            .filter(|code| {
                commune.postal_codes.contains(code) || code.get(..2) == commune.insee.get(..2)
            })
            .or_else(|| match commune.postal_codes.as_slice() {
                [only] if !only.is_empty() => Some(only.clone()),
                _ => None,
            });
        for name in ["insee", "name", "department"] {
            record.mapped(&pointer(name), found.raw, found.rule, found.confidence);
        }
        if place.postal_code.is_some() {
            let raw = fields.get(&Field::PlacePostalCode).unwrap_or(found.raw);
            record.mapped(&pointer("postal_code"), raw, found.rule, found.confidence);
        }
        if let Some((lat, lon, given)) = point {
            let far = commune
                .at
                .map_or(0.0, |(c_lat, c_lon)| distance_km(lat, lon, c_lat, c_lon));
            if far > FAR_KM {
                record.find("place.coordinates_far", "places", &format!("{far:.0} km"));
            } else {
                place.lat = Some(lat);
                place.lon = Some(lon);
                place.precision = PlacePrecision::Address;
                record.mapped(&pointer("lat"), given, "place.coordinates", 0.95);
                record.mapped(&pointer("lon"), given, "place.coordinates", 0.95);
            }
        }
        if place.lat.is_none()
            && let Some((lat, lon)) = commune.at
        {
            place.lat = Some(lat);
            place.lon = Some(lon);
            record.mapped(&pointer("lat"), found.raw, "place.commune_centre", 0.9);
            record.mapped(&pointer("lon"), found.raw, "place.commune_centre", 0.9);
        }
        return Some(place);
    }

    // No commune: what is known instead, and a stated reason.
    if let Some(country) = abroad {
        place.country = Some(country);
        place.name = said.city.clone().or_else(|| said.country_name.clone());
        place.precision = if said.city.is_some() {
            PlacePrecision::Commune
        } else {
            PlacePrecision::Country
        };
        record.find("place.abroad", "places", main.source_text());
    } else if let Some(department) = said
        .department
        .as_deref()
        .and_then(|code| gazetteer.department(code))
        .or_else(|| {
            said.postal_code
                .as_deref()
                .and_then(|code| gazetteer.department_of_postal_code(code))
        })
    {
        place.department = Some(department.code.clone());
        place.name = Some(department.name.clone());
        place.postal_code = said
            .postal_code
            .clone()
            .filter(|code| !gazetteer.postal_code(code).is_empty());
        place.precision = PlacePrecision::Department;
        record.mapped(&pointer("department"), main, "place.department", 0.95);
        record.find(
            if said.city.is_some() {
                "place.commune_unknown"
            } else {
                "place.department_only"
            },
            "places",
            main.source_text(),
        );
    } else if let Some(region) = said.region.clone() {
        place.name = Some(region);
        place.precision = PlacePrecision::Region;
        record.find("place.region_only", "places", main.source_text());
    } else if said.country.as_deref() == Some("FR") && said.city.is_none() {
        place.name = Some("France".to_owned());
        place.precision = PlacePrecision::Country;
        record.find("place.country_only", "places", main.source_text());
    } else {
        place.name = said
            .city
            .clone()
            .or_else(|| Some(super::text::line(main.value())));
        place.precision = PlacePrecision::Unknown;
        record.find("place.commune_unknown", "places", main.source_text());
    }
    if let Some((lat, lon, given)) = point {
        place.lat = Some(lat);
        place.lon = Some(lon);
        record.mapped(&pointer("lat"), given, "place.coordinates", 0.8);
        record.mapped(&pointer("lon"), given, "place.coordinates", 0.8);
    }
    record.mapped(&pointer("name"), main, "place.area", 0.9);
    Some(place)
}

/// The one municipal district of Paris, Lyon or Marseille that has a postal code beside its city.
fn district(city: Id, in_postal_code: &[Id]) -> Option<Id> {
    let gazetteer = gazetteer();
    let of = match gazetteer.commune(city).insee.as_str() {
        "75056" => "751",
        "69123" => "6938",
        "13055" => "132",
        _ => return None,
    };
    let mut districts = in_postal_code
        .iter()
        .copied()
        .filter(|&id| gazetteer.commune(id).insee.starts_with(of));
    match (districts.next(), districts.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

fn commune<'a>(
    fields: &'a Fields,
    said: &Said,
    point: Option<(f64, f64, &'a Raw)>,
    main: &'a Raw,
) -> Option<Found<'a>> {
    let gazetteer = gazetteer();
    if let Some(raw) = fields.get(&Field::PlaceInsee)
        && let Some(id) = gazetteer.insee(&raw.value().trim().to_ascii_uppercase())
    {
        return Some(Found {
            id,
            rule: "place.insee",
            confidence: 1.0,
            raw,
        });
    }
    let in_postal_code = said
        .postal_code
        .as_deref()
        .map_or(&[][..], |code| gazetteer.postal_code(code));
    let department = said.department.clone().or_else(|| {
        said.postal_code
            .as_deref()
            .and_then(|code| gazetteer.department_of_postal_code(code))
            .map(|department| department.code.clone())
    });
    if let Some(city) = &said.city {
        let named = gazetteer.name(city);
        // "69003 LYON": the code is that of one district of the city named.
        if let Some(&city) = named.iter().find(|id| in_postal_code.contains(id))
            && let Some(id) = district(city, in_postal_code)
        {
            return Some(Found {
                id,
                rule: "place.postal_code_of_district",
                confidence: 0.97,
                raw: main,
            });
        }
        // Code and name agree.
        if let Some(&id) = named.iter().find(|id| in_postal_code.contains(id)) {
            return Some(Found {
                id,
                rule: "place.postal_code_and_name",
                confidence: 0.99,
                raw: main,
            });
        }
        // "Luxeuil" for Luxeuil-les-Bains: the beginning of one name in that postal code.
        let folded = super::fold::key(city);
        let begins: Vec<Id> = in_postal_code
            .iter()
            .copied()
            .filter(|&id| {
                gazetteer::names(&gazetteer.commune(id).name)
                    .iter()
                    .any(|name| words_begin(name, &folded) || words_begin(&folded, name))
            })
            .collect();
        if let [id] = begins[..] {
            return Some(Found {
                id,
                rule: "place.postal_code_and_short_name",
                confidence: 0.95,
                raw: main,
            });
        }
        let in_department: Vec<Id> = named
            .iter()
            .copied()
            .filter(|&id| {
                department
                    .as_deref()
                    .is_none_or(|code| gazetteer.commune(id).department == code)
            })
            .collect();
        if department.is_some() {
            // The largest of namesakes in one département; CEDEX codes come this way.
            // "ANGERS" with the code of a suburb: the nearer one to the coordinates is meant.
            if let (Some(&id), Some((lat, lon, raw))) = (in_department.first(), point)
                && !in_postal_code.is_empty()
                && let Some((near, far)) = gazetteer.nearest(lat, lon, in_postal_code, FAR_KM)
                && let Some((at_lat, at_lon)) = gazetteer.commune(id).at
                && far < distance_km(lat, lon, at_lat, at_lon)
            {
                return Some(Found {
                    id: near,
                    rule: "place.postal_code_and_coordinates",
                    confidence: 0.85,
                    raw,
                });
            }
            if let Some(&id) = in_department.first() {
                let confidence = if in_department.len() == 1 { 0.97 } else { 0.8 };
                return Some(Found {
                    id,
                    rule: "place.department_and_name",
                    confidence,
                    raw: main,
                });
            }
            if let Some(code) = department.as_deref()
                && let Some(id) = parse::begins_in_department(code, &folded)
            {
                return Some(Found {
                    id,
                    rule: "place.department_and_short_name",
                    confidence: 0.85,
                    raw: main,
                });
            }
        } else if let Some((lat, lon, _)) = point
            && let Some((id, _)) = (!named.is_empty())
                .then(|| gazetteer.nearest(lat, lon, named, FAR_KM))
                .flatten()
        {
            return Some(Found {
                id,
                rule: "place.name_and_coordinates",
                confidence: 0.97,
                raw: main,
            });
        } else if let [id] = named[..] {
            return Some(Found {
                id,
                rule: "place.unique_name",
                confidence: 0.9,
                raw: main,
            });
        } else if let [first, second, ..] = named[..] {
            // Namesakes: a city that dwarfs all others is meant, flagged by its confidence.
            let (first_size, second_size) = (
                gazetteer.commune(first).population,
                gazetteer.commune(second).population,
            );
            if first_size >= TOWN && first_size >= 10 * second_size {
                return Some(Found {
                    id: first,
                    rule: "place.largest_of_name",
                    confidence: if first_size >= CITY { 0.85 } else { 0.75 },
                    raw: main,
                });
            }
            return None;
        }
    }
    let in_code = match in_postal_code {
        [_, _, ..] => in_postal_code
            .iter()
            .find_map(|&city| district(city, in_postal_code)),
        _ => in_postal_code.first().copied(),
    };
    if let Some(id) = in_code {
        let confidence = if said.city.is_some() { 0.7 } else { 0.95 };
        return Some(Found {
            id,
            rule: "place.postal_code",
            confidence,
            raw: main,
        });
    }
    // Districts share no code with their city; the postal code of one names it.
    if !in_postal_code.is_empty()
        && let Some((lat, lon, raw)) = point
        && let Some((id, _)) = gazetteer.nearest(lat, lon, in_postal_code, FAR_KM)
    {
        return Some(Found {
            id,
            rule: "place.postal_code_and_coordinates",
            confidence: 0.85,
            raw,
        });
    }
    if let Some((lat, lon, raw)) = point
        && said.city.is_none()
        && !said.names_only_an_area()
        && let Some((id, _)) = gazetteer.nearest(lat, lon, &[], 8.0)
    {
        return Some(Found {
            id,
            rule: "place.coordinates",
            confidence: 0.7,
            raw,
        });
    }
    None
}

/// The commune of a short text such as "70000 Vesoul", where it is certain.
pub fn commune_of(text: &str) -> Option<&'static Commune> {
    let mut fields = Fields::new();
    fields.insert(Field::Place, Raw::new(text, ""));
    let raw = fields.get(&Field::Place)?;
    commune(&fields, &parse::place(text), None, raw)
        .filter(|found| found.confidence >= 0.85)
        .map(|found| gazetteer().commune(found.id))
}

/// Whether `text` is `start` or goes on with another word after it.
fn words_begin(text: &str, start: &str) -> bool {
    start.len() >= 4
        && text
            .strip_prefix(start)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// The coordinates of a place, put right when swapped; `None` for zero, nonsense or half of them.
fn point<'a>(fields: &'a Fields, record: &mut Record) -> Option<(f64, f64, &'a Raw)> {
    let number = |text: &str| text.trim().replace(',', ".").parse::<f64>().ok();
    let (lat, lon, raw) = if let (Some(lat), Some(lon)) =
        (fields.get(&Field::PlaceLat), fields.get(&Field::PlaceLon))
    {
        (number(lat.value())?, number(lon.value())?, lat)
    } else {
        let raw = fields.get(&Field::PlaceGeo)?;
        let (lat, lon) = raw.value().split_once([',', ';', ' '])?;
        (
            number(lat)?,
            number(lon.trim_start_matches([',', ';']))?,
            raw,
        )
    };
    if !lat.is_finite() || !lon.is_finite() || (lat == 0.0 && lon == 0.0) {
        return None;
    }
    if french(lat, lon) {
        return Some((lat, lon, raw));
    }
    if french(lon, lat) {
        record.find(
            "place.coordinates_swapped",
            "places",
            &format!("{lat}, {lon}"),
        );
        return Some((lon, lat, raw));
    }
    ((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon)).then_some((lat, lon, raw))
}

/// Whether a point lies in metropolitan France or in one of its overseas boxes.
fn french(lat: f64, lon: f64) -> bool {
    const BOXES: [(f64, f64, f64, f64); 6] = [
        (41.2, 51.3, -5.3, 9.7),
        (14.2, 18.2, -63.3, -60.7),
        (2.0, 6.0, -54.7, -51.5),
        (-21.5, -20.8, 55.1, 55.9),
        (-13.1, -12.5, 44.9, 45.4),
        (46.6, 47.2, -56.5, -56.0),
    ];
    BOXES.iter().any(|&(south, north, west, east)| {
        (south..=north).contains(&lat) && (west..=east).contains(&lon)
    })
}

/// Great-circle distance in kilometres.
pub fn distance_km(lat: f64, lon: f64, other_lat: f64, other_lon: f64) -> f64 {
    const EARTH_KM: f64 = 6371.0;
    let (phi, other_phi) = (lat.to_radians(), other_lat.to_radians());
    let half_lat = ((other_lat - lat).to_radians() / 2.0).sin();
    let half_lon = ((other_lon - lon).to_radians() / 2.0).sin();
    let chord = half_lat * half_lat + phi.cos() * other_phi.cos() * half_lon * half_lon;
    2.0 * EARTH_KM * chord.clamp(0.0, 1.0).sqrt().asin()
}

#[cfg(test)]
mod tests;
