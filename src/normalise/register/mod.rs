//! Employers looked up in public registers (FINESS, Sirene), where an operator has loaded them.
//!
//! A pure step after normalisation: [`wanted`] says under which keys a posting's employer may stand,
//! the store gives what it has there, and [`identify`] fills what the posting leaves open. What the
//! source or the member's file says is never replaced.

mod names;
mod rows;

use super::place::gazetteer;
use super::privacy;
use super::record::{MEMBER, cut};
use crate::model::{Place, PlacePrecision, Posting, Provenance, Register, RegisterEntry};
use names::written_out;
use std::collections::BTreeMap;

pub(super) use names::name_key;
pub use rows::{Layout, Row};

/// Names and places of one posting that are looked up at most.
const LIMIT: usize = 8;

/// The keys under which `entry` is found.
pub fn entry_keys(entry: &RegisterEntry) -> Vec<String> {
    let number = &entry.number;
    let mut keys = match entry.register {
        Register::FinessSites | Register::FinessEntities => vec![format!("finess:{number}")],
        Register::SireneSites => vec![format!("siret:{number}")],
        Register::SireneUnits => vec![format!("siren:{number}")],
    };
    if let (Register::FinessSites, Some(siret)) = (entry.register, &entry.sirene) {
        keys.push(format!("siret:{siret}"));
    }
    if let (Register::SireneSites, Some(siren), Some(insee)) =
        (entry.register, &entry.entity, &entry.insee)
    {
        keys.push(format!("site:{siren}:{insee}"));
    }
    for name in std::iter::once(&entry.name).chain(&entry.other_names) {
        let name = name_key(name);
        let key = match entry.register {
            _ if name.len() < 3 => continue,
            Register::FinessSites | Register::SireneSites => match department(entry) {
                Some(department) => format!("name:{department}:{name}"),
                None => continue,
            },
            Register::SireneUnits => format!("unit:{name}"),
            // The sites of an entity are where people work.
            Register::FinessEntities => continue,
        };
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys
}

/// Département code of an entry's commune.
pub fn department(entry: &RegisterEntry) -> Option<&str> {
    let gazetteer = gazetteer();
    let id = gazetteer.insee(entry.insee.as_deref()?)?;
    Some(&gazetteer.commune(id).department)
}

/// The keys to look up for `posting`, given what was found so far: called again with the entries of
/// the first answer, it adds what these lead to.
pub fn wanted(posting: &Posting, found: &[RegisterEntry]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    let mut add = |key: String| {
        if !keys.contains(&key) {
            keys.push(key);
        }
    };
    let Some(employer) = &posting.offer.employer else {
        return keys;
    };
    let communes: Vec<&str> = insee_codes(posting).collect();
    // Whose numbers stand in an ad that names an agency alone is not known.
    if employer.intermediary.is_some() && employer.name.is_none() {
        return keys;
    }
    if let Some(siret) = &employer.siret {
        add(format!("siret:{siret}"));
        add(format!("siren:{}", siret.get(..9).unwrap_or_default()));
    }
    if let Some(finess) = &employer.finess {
        add(format!("finess:{finess}"));
    }
    let mut departments: Vec<&str> = Vec::new();
    for department in posting
        .offer
        .places
        .iter()
        .filter_map(|p| p.department.as_deref())
    {
        if !departments.contains(&department) && departments.len() < LIMIT {
            departments.push(department);
        }
    }
    for name in employer_names(posting) {
        for department in &departments {
            add(format!("name:{department}:{name}"));
        }
        if !communes.is_empty() {
            add(format!("unit:{name}"));
        }
    }
    for entry in found {
        match (entry.register, &entry.entity, &entry.sirene) {
            (Register::FinessSites, entity, siret) => {
                entity
                    .iter()
                    .for_each(|number| add(format!("finess:{number}")));
                siret.iter().for_each(|number| {
                    add(format!("siret:{number}"));
                });
            }
            (Register::SireneUnits, ..) => {
                for insee in &communes {
                    add(format!("site:{}:{insee}", entry.number));
                }
            }
            _ => {}
        }
    }
    keys
}

fn insee_codes(posting: &Posting) -> impl Iterator<Item = &str> {
    posting
        .offer
        .places
        .iter()
        .filter_map(|place| place.insee.as_deref())
        .take(LIMIT)
}

/// Folded names of the posting's employer, the narrower first.
fn employer_names(posting: &Posting) -> Vec<String> {
    let Some(employer) = &posting.offer.employer else {
        return Vec::new();
    };
    let names = employer.establishment.iter().chain(&employer.name);
    names
        .map(|name| name_key(name))
        .filter(|name| name.len() >= 3)
        .collect()
}

/// Fills what `posting` leaves open of its employer from `entries`, which may be those of other
/// postings too. Says whether anything changed.
pub fn identify(posting: &mut Posting, entries: &[RegisterEntry]) -> bool {
    let mut step = Step {
        entries,
        changed: false,
        posting,
    };
    if step
        .posting
        .offer
        .employer
        .as_ref()
        .is_none_or(|employer| employer.intermediary.is_some() && employer.name.is_none())
    {
        return false;
    }
    step.by_number();
    step.by_name();
    step.names();
    step.place();
    step.changed
}

struct Step<'a> {
    posting: &'a mut Posting,
    entries: &'a [RegisterEntry],
    changed: bool,
}

/// One entry of several equal ones, or none where they are not one.
fn only<'a>(mut entries: impl Iterator<Item = &'a RegisterEntry>) -> Option<&'a RegisterEntry> {
    let first = entries.next()?;
    entries
        .all(|other| other.number == first.number)
        .then_some(first)
}

impl<'a> Step<'a> {
    fn of(&self, register: Register) -> impl Iterator<Item = &'a RegisterEntry> + use<'a> {
        self.entries
            .iter()
            .filter(move |entry| entry.register == register)
    }

    fn number(&self, register: Register, number: &str) -> Option<&'a RegisterEntry> {
        self.of(register).find(|entry| entry.number == number)
    }

    fn siret(&self) -> Option<String> {
        self.posting.offer.employer.as_ref()?.siret.clone()
    }

    fn finess(&self) -> Option<String> {
        self.posting.offer.employer.as_ref()?.finess.clone()
    }

    /// Sets one field that is still open; `raw` is what of the register made it.
    fn set(&mut self, pointer: &str, value: &str, entry: &RegisterEntry, rule: &str, sure: f64) {
        let Some(employer) = &mut self.posting.offer.employer else {
            return;
        };
        let field = match pointer {
            "/employer/siret" => &mut employer.siret,
            "/employer/finess" => &mut employer.finess,
            "/employer/name" => &mut employer.name,
            _ => &mut employer.establishment,
        };
        if field.is_some() || value.is_empty() {
            return;
        }
        *field = Some(value.to_owned());
        self.note(pointer, entry, rule, sure);
    }

    fn note(&mut self, pointer: &str, entry: &RegisterEntry, rule: &str, sure: f64) {
        self.changed = true;
        let source = match entry.register {
            Register::FinessSites | Register::FinessEntities => "finess",
            Register::SireneSites | Register::SireneUnits => "sirene",
        };
        self.posting.provenance.insert(
            pointer.to_owned(),
            Provenance {
                source: source.to_owned(),
                raw: cut(
                    &privacy::shown(&format!("{} {}", entry.number, entry.name)),
                    200,
                )
                .to_owned(),
                rule: rule.to_owned(),
                confidence: sure,
            },
        );
    }

    /// One number leads to the other.
    fn by_number(&mut self) {
        if let Some(siret) = self.siret()
            && let Some(site) = only(
                self.of(Register::FinessSites)
                    .filter(|entry| entry.sirene.as_deref() == Some(&siret)),
            )
        {
            self.set(
                "/employer/finess",
                &site.number,
                site,
                "employer.register_number",
                0.95,
            );
        }
        if let Some(finess) = self.finess()
            && let Some(site) = self.number(Register::FinessSites, &finess)
            && let Some(siret) = &site.sirene
        {
            self.set(
                "/employer/siret",
                siret,
                site,
                "employer.register_number",
                0.95,
            );
        }
    }

    /// A name that one site alone has in the commune, or in the département where no commune is
    /// known.
    fn by_name(&mut self) {
        for name in employer_names(self.posting) {
            if self.finess().is_none()
                && let Some((site, rule, sure)) = self.named(Register::FinessSites, &name)
            {
                let contradicts = self.siret().is_some_and(|own| {
                    let other = site.sirene.as_deref();
                    other.is_some_and(|other| other.get(..9) != own.get(..9))
                });
                if !contradicts {
                    self.set("/employer/finess", &site.number, site, rule, sure);
                    if let Some(siret) = &site.sirene {
                        self.set("/employer/siret", siret, site, rule, sure - 0.02);
                    }
                }
            }
            if self.siret().is_none() {
                let site = self
                    .named(Register::SireneSites, &name)
                    .or_else(|| self.unit_site(&name));
                if let Some((site, rule, sure)) = site {
                    self.set("/employer/siret", &site.number, site, rule, sure - 0.05);
                }
            }
        }
    }

    fn named(
        &self,
        register: Register,
        name: &str,
    ) -> Option<(&'a RegisterEntry, &'static str, f64)> {
        let named = || {
            self.of(register).filter(|entry| {
                std::iter::once(&entry.name)
                    .chain(&entry.other_names)
                    .any(|known| name_key(known) == name)
            })
        };
        let communes: Vec<&str> = insee_codes(self.posting).collect();
        if !communes.is_empty() {
            let there = named().filter(|entry| {
                let insee = entry.insee.as_deref();
                insee.is_some_and(|insee| communes.contains(&insee))
            });
            return Some((only(there)?, "employer.register_name_in_commune", 0.92));
        }
        let places = &self.posting.offer.places;
        let there = named().filter(|entry| {
            let department = department(entry);
            department.is_some() && places.iter().any(|p| p.department.as_deref() == department)
        });
        Some((only(there)?, "employer.register_name_in_department", 0.75))
    }

    /// The one site, in the posting's communes, of the one unit of that name which has any there.
    fn unit_site(&self, name: &str) -> Option<(&'a RegisterEntry, &'static str, f64)> {
        let communes: Vec<&str> = insee_codes(self.posting).collect();
        let units: Vec<&str> = self
            .of(Register::SireneUnits)
            .filter(|unit| {
                std::iter::once(&unit.name)
                    .chain(&unit.other_names)
                    .any(|known| name_key(known) == name)
            })
            .map(|unit| unit.number.as_str())
            .collect();
        let sites = self.of(Register::SireneSites).filter(|site| {
            let of_unit = site
                .entity
                .as_deref()
                .is_some_and(|unit| units.contains(&unit));
            let there = site.insee.as_deref();
            of_unit && there.is_some_and(|insee| communes.contains(&insee))
        });
        Some((only(sites)?, "employer.register_unit_in_commune", 0.9))
    }

    /// Name and establishment of an employer that is known by its number.
    fn names(&mut self) {
        let site = self
            .finess()
            .and_then(|number| self.number(Register::FinessSites, &number))
            .or_else(|| {
                let siret = self.siret()?;
                self.number(Register::SireneSites, &siret)
            });
        let entity = self
            .finess()
            .and_then(|number| {
                let own = self.number(Register::FinessEntities, &number);
                own.or_else(|| self.number(Register::FinessEntities, site?.entity.as_deref()?))
            })
            .or_else(|| {
                let siret = self.siret()?;
                self.number(Register::SireneUnits, siret.get(..9)?)
            });
        if let Some(entry) = entity.or(site)
            && let Some(name) = presentable(&entry.name)
            && self
                .posting
                .offer
                .employer
                .as_ref()
                .is_some_and(|e| e.name.is_none())
        {
            self.set(
                "/employer/name",
                &name,
                entry,
                "employer.register_name",
                0.93,
            );
            self.posting
                .findings
                .retain(|f| f.rule != "employer.absent");
        }
        if let Some(site) = site
            && let Some(name) = presentable(&site.name)
            && !employer_names(self.posting).contains(&name_key(&name))
            // Another writing of a name that the source gives is no establishment of its own.
            && !site.other_names.iter().any(|n| employer_names(self.posting).contains(&name_key(n)))
        {
            let pointer = "/employer/establishment";
            self.set(pointer, &name, site, "employer.register_establishment", 0.9);
        }
    }

    /// The site's commune, where the source names a site by its number and no place at all.
    fn place(&mut self) {
        if !self.posting.offer.places.is_empty() {
            return;
        }
        let said = |posting: &Posting, pointer: &str| {
            let note = posting.provenance.get(pointer);
            note.is_some_and(|note| note.source != MEMBER && note.confidence >= 0.95)
        };
        let by_finess = self
            .finess()
            .filter(|_| said(self.posting, "/employer/finess"))
            .and_then(|number| self.number(Register::FinessSites, &number));
        let by_siret = || {
            let siret = self
                .siret()
                .filter(|_| said(self.posting, "/employer/siret"))?;
            self.number(Register::SireneSites, &siret)
        };
        let Some(site) = by_finess.or_else(by_siret) else {
            return;
        };
        let gazetteer = gazetteer();
        let Some(id) = site.insee.as_deref().and_then(|code| gazetteer.insee(code)) else {
            return;
        };
        let commune = gazetteer.commune(id);
        let place = Place {
            insee: Some(commune.insee.clone()),
            postal_code: match commune.postal_codes.as_slice() {
                [only] => Some(only.clone()),
                _ => None,
            },
            name: Some(commune.name.clone()),
            department: Some(commune.department.clone()),
            lat: commune.at.map(|at| at.0),
            lon: commune.at.map(|at| at.1),
            country: None,
            precision: PlacePrecision::Commune,
        };
        let fields: BTreeMap<&str, bool> = BTreeMap::from([
            ("insee", true),
            ("postal_code", place.postal_code.is_some()),
            ("name", true),
            ("department", true),
            ("lat", place.lat.is_some()),
            ("lon", place.lon.is_some()),
            ("precision", true),
        ]);
        self.posting.offer.places.push(place);
        self.posting
            .findings
            .retain(|finding| finding.rule != "place.absent");
        for (field, _) in fields.into_iter().filter(|(_, set)| *set) {
            self.note(&format!("/places/0/{field}"), site, "place.register", 0.8);
        }
    }
}

/// A register's name as people write it; `None` where it holds a person's.
fn presentable(name: &str) -> Option<String> {
    let name = written_out(name);
    (!name.is_empty() && !privacy::shown(&name).contains(privacy::NAME_MASK)).then_some(name)
}

#[cfg(test)]
mod tests;
