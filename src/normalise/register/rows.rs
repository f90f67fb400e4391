//! One line of a published extract as an entry: FINESS (semicolons, sections or a header) and
//! Sirene (commas, a header).

use crate::model::{Register, RegisterEntry};
use crate::normalise::employer::{digits, finess_valid, siren_valid, siret_valid};
use crate::normalise::place::gazetteer;
use crate::normalise::text::line;
use std::collections::HashMap;

/// What one line gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    Entry(Box<RegisterEntry>),
    /// Of no use here: coordinates, closed, a private person, not to be disseminated.
    Skipped,
    /// Why it is refused.
    Bad(String),
}

/// The columns of `structureet` in an extract without header (cs1100502, cs1100507).
const SITES: [&str; 32] = [
    "section",
    "nofinesset",
    "nofinessej",
    "rs",
    "rslongue",
    "complrs",
    "compldistrib",
    "numvoie",
    "typvoie",
    "voie",
    "compvoie",
    "lieuditbp",
    "commune",
    "departement",
    "libdepartement",
    "ligneacheminement",
    "telephone",
    "telecopie",
    "categetab",
    "libcategetab",
    "categagretab",
    "libcategagretab",
    "siret",
    "codeape",
    "codemft",
    "libmft",
    "codesph",
    "libsph",
    "dateouv",
    "dateautor",
    "datemaj",
    "numuai",
];
/// The columns of `structureej` (cs1100501).
const ENTITIES: [&str; 23] = [
    "section",
    "nofiness",
    "rs",
    "rslongue",
    "complrs",
    "numvoie",
    "typvoie",
    "voie",
    "compvoie",
    "compldistrib",
    "lieuditbp",
    "commune",
    "ligneacheminement",
    "departement",
    "libdepartement",
    "telephone",
    "statutjuridique",
    "libstatutjuridique",
    "categetab",
    "libcategetab",
    "siren",
    "codeape",
    "datecrea",
];

/// How the lines of one file are read, found out from its first line.
#[derive(Clone, Debug)]
pub struct Layout {
    kind: Kind,
    separator: u8,
    columns: HashMap<String, usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// No header: the first cell of each line says what it is.
    Sections,
    Table(Register),
}

impl Layout {
    /// The layout of a file that begins with `first`, and whether that line is a header.
    ///
    /// # Errors
    /// In words: what was expected instead.
    pub fn of(first: &str) -> Result<(Self, bool), String> {
        let first = first.trim_start_matches('\u{feff}').trim_end();
        let section = first.split(';').next().unwrap_or_default();
        if matches!(section, "finess" | "structureet" | "structureej")
            && !first.contains("nofiness")
        {
            let layout = Self {
                kind: Kind::Sections,
                separator: b';',
                columns: HashMap::new(),
            };
            return Ok((layout, section == "finess"));
        }
        let separator = if first.contains(';') { b';' } else { b',' };
        let names = cells(first, separator).unwrap_or_default();
        let columns: HashMap<String, usize> = names
            .iter()
            .enumerate()
            .map(|(at, name)| (name.trim().to_lowercase(), at))
            .collect();
        let has = |name: &str| columns.contains_key(name);
        let register = if has("nofinesset") && has("rs") {
            Register::FinessSites
        } else if has("nofiness") && has("rs") {
            Register::FinessEntities
        } else if has("siret") && has("etatadministratifetablissement") {
            Register::SireneSites
        } else if has("siren") && has("denominationunitelegale") {
            Register::SireneUnits
        } else {
            return Err(
                "its first line is that of no known extract: FINESS (first line `finess;etalab;…`, \
                 or a header with nofinesset or nofiness), Sirene StockEtablissement or \
                 StockUniteLegale (CSV with its header)"
                    .to_owned(),
            );
        };
        let layout = Self {
            kind: Kind::Table(register),
            separator,
            columns,
        };
        Ok((layout, true))
    }

    /// What `line` says.
    pub fn row(&self, line: &str) -> Row {
        // FINESS quotes nothing, so that a quotation mark there is one of a name.
        let cells = match self.kind {
            Kind::Sections => line.split(';').map(str::to_owned).collect(),
            Kind::Table(_) => match cells(line, self.separator) {
                Some(cells) => cells,
                None => return Row::Bad("a quotation mark is not closed".to_owned()),
            },
        };
        match self.kind {
            Kind::Sections => {
                let fixed: &[&str] = match cells.first().map(String::as_str) {
                    Some("structureet") => &SITES,
                    Some("structureej") => &ENTITIES,
                    // Coordinates, equipment, activities.
                    Some(section) if !section.is_empty() => return Row::Skipped,
                    _ => return Row::Bad("it names no section".to_owned()),
                };
                if cells.len() < fixed.len() - 1 {
                    return Row::Bad(format!(
                        "it has {} cells, {} are expected",
                        cells.len(),
                        fixed.len()
                    ));
                }
                let get = |name: &str| {
                    let at = fixed.iter().position(|known| *known == name)?;
                    cell(cells.get(at)?)
                };
                if fixed.len() == SITES.len() {
                    finess_site(&get)
                } else {
                    finess_entity(&get)
                }
            }
            Kind::Table(register) => {
                if cells.len() != self.columns.len() {
                    return Row::Bad(format!(
                        "it has {} cells, its header {}",
                        cells.len(),
                        self.columns.len()
                    ));
                }
                let get = |name: &str| cell(cells.get(*self.columns.get(name)?)?);
                match register {
                    Register::FinessSites => finess_site(&get),
                    Register::FinessEntities => finess_entity(&get),
                    Register::SireneSites => sirene(&get, &SITES_OF_SIRENE),
                    Register::SireneUnits => sirene(&get, &UNITS_OF_SIRENE),
                }
            }
        }
    }
}

/// The cells of one line, quoted by `"`; `None` where a quotation does not end on the line.
fn cells(line: &str, separator: u8) -> Option<Vec<String>> {
    let mut cells = Vec::new();
    let mut rest = line;
    loop {
        let mut text = String::new();
        if let Some(quoted) = rest.strip_prefix('"') {
            let mut tail = quoted;
            loop {
                let end = tail.find('"')?;
                text.push_str(&tail[..end]);
                tail = &tail[end + 1..];
                match tail.strip_prefix('"') {
                    Some(more) => {
                        text.push('"');
                        tail = more;
                    }
                    None => break,
                }
            }
            rest = tail;
        }
        match rest.find(separator as char) {
            Some(end) => {
                text.push_str(&rest[..end]);
                rest = &rest[end + 1..];
                cells.push(text);
            }
            None => {
                text.push_str(rest);
                cells.push(text);
                return Some(cells);
            }
        }
    }
}

/// A cell on one line; `None` for an empty one and for what Sirene does not disseminate (`[ND]`).
fn cell(text: &str) -> Option<String> {
    let text: String = line(text).chars().take(200).collect();
    (!text.is_empty() && text != "[ND]").then_some(text)
}

type Get<'a> = &'a dyn Fn(&str) -> Option<String>;

/// FINESS has the département (9A to 9F overseas) and the commune's number in it apart.
fn finess_insee(get: Get<'_>) -> Option<String> {
    let commune = get("commune")?;
    let code = match (get("departement")?.as_str(), commune.len()) {
        (_, 5) => commune,
        (department, 3)
            if department.starts_with('9') && department.ends_with(char::is_alphabetic) =>
        {
            format!("97{commune}")
        }
        (department, 3) => format!("{department}{commune}"),
        _ => return None,
    };
    known_commune(&code)
}

/// The commune that a code means now: communes merge.
fn known_commune(code: &str) -> Option<String> {
    let gazetteer = gazetteer();
    let id = gazetteer.insee(code)?;
    Some(gazetteer.commune(id).insee.clone())
}

fn names(get: Get<'_>, columns: &[&str]) -> (String, Vec<String>) {
    let mut found: Vec<String> = Vec::new();
    for name in columns.iter().filter_map(|column| get(column)) {
        if !found.contains(&name) {
            found.push(name);
        }
    }
    if found.is_empty() {
        return (String::new(), found);
    }
    (found.remove(0), found)
}

fn finess_number(value: Option<String>) -> Result<String, Row> {
    let number = digits(&value.unwrap_or_default());
    if finess_valid(&number) {
        Ok(number)
    } else {
        Err(Row::Bad(format!("{number:?} is no FINESS number")))
    }
}

fn finess_site(get: Get<'_>) -> Row {
    let number = match finess_number(get("nofinesset")) {
        Ok(number) => number,
        Err(bad) => return bad,
    };
    let (name, other_names) = names(get, &["rslongue", "rs"]);
    if name.is_empty() {
        return Row::Bad(format!("{number} has no name (rs, rslongue)"));
    }
    Row::Entry(Box::new(RegisterEntry {
        register: Register::FinessSites,
        number,
        name,
        other_names,
        entity: get("nofinessej")
            .map(|number| digits(&number))
            .filter(|number| finess_valid(number)),
        sirene: get("siret")
            .map(|number| digits(&number))
            .filter(|number| siret_valid(number)),
        insee: finess_insee(get),
        category: get("libcategetab"),
    }))
}

fn finess_entity(get: Get<'_>) -> Row {
    let number = match finess_number(get("nofiness")) {
        Ok(number) => number,
        Err(bad) => return bad,
    };
    let (name, other_names) = names(get, &["rslongue", "rs"]);
    if name.is_empty() {
        return Row::Bad(format!("{number} has no name (rs, rslongue)"));
    }
    Row::Entry(Box::new(RegisterEntry {
        register: Register::FinessEntities,
        number,
        name,
        other_names,
        entity: None,
        sirene: get("siren")
            .map(|number| digits(&number))
            .filter(|number| siren_valid(number)),
        insee: finess_insee(get),
        category: get("libstatutjuridique"),
    }))
}

/// How the two extracts of Sirene name what both have.
struct Sirene {
    register: Register,
    number: &'static str,
    valid: fn(&str) -> bool,
    state: &'static str,
    diffusion: &'static str,
    names: &'static [&'static str],
    /// A unit without a name is a private person under their own; a site may have its unit's.
    must_be_named: bool,
    commune: Option<&'static str>,
    activity: &'static str,
}

const SITES_OF_SIRENE: Sirene = Sirene {
    register: Register::SireneSites,
    number: "siret",
    valid: siret_valid,
    state: "etatadministratifetablissement",
    diffusion: "statutdiffusionetablissement",
    names: &[
        "enseigne1etablissement",
        "enseigne2etablissement",
        "enseigne3etablissement",
        "denominationusuelleetablissement",
    ],
    must_be_named: false,
    commune: Some("codecommuneetablissement"),
    activity: "activiteprincipaleetablissement",
};
const UNITS_OF_SIRENE: Sirene = Sirene {
    register: Register::SireneUnits,
    number: "siren",
    valid: siren_valid,
    state: "etatadministratifunitelegale",
    diffusion: "statutdiffusionunitelegale",
    names: &[
        "denominationunitelegale",
        "denominationusuelle1unitelegale",
        "denominationusuelle2unitelegale",
        "denominationusuelle3unitelegale",
        "sigleunitelegale",
    ],
    must_be_named: true,
    commune: None,
    activity: "activiteprincipaleunitelegale",
};

fn sirene(get: Get<'_>, of: &Sirene) -> Row {
    let number = digits(&get(of.number).unwrap_or_default());
    if !(of.valid)(&number) {
        return Row::Bad(format!("{number:?} is no {}", of.number.to_uppercase()));
    }
    let (name, other_names) = names(get, of.names);
    if get(of.state).as_deref() != Some("A")
        || !disseminated(get(of.diffusion))
        || (of.must_be_named && name.is_empty())
    {
        return Row::Skipped;
    }
    // A site's number begins with its unit's.
    let entity = (number.len() > 9).then(|| number.get(..9).map(str::to_owned));
    Row::Entry(Box::new(RegisterEntry {
        register: of.register,
        name,
        other_names,
        entity: entity.flatten(),
        sirene: None,
        insee: of.commune.and_then(|column| known_commune(&get(column)?)),
        category: get(of.activity),
        number,
    }))
}

/// `O` is public, `P` in part (a person who objected); absent in filtered extracts.
fn disseminated(status: Option<String>) -> bool {
    status.is_none_or(|status| status == "O")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(row: Row) -> RegisterEntry {
        match row {
            Row::Entry(entry) => *entry,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn finess_without_header_is_read() {
        let (layout, header) = Layout::of("finess;etalab;96;2026-09-10").unwrap();
        assert!(header);
        let line = "structureet;700000011;700000208;EHPAD \"LES SAULES\";EHPAD RESIDENCE LES SAULES;;;12;R;DES LILAS;;;550;70;HAUTE-SAONE;70000 VESOUL;0300000000;;500;EHPAD;4401;Etab;;8710A;45;ARS;;;2001-01-01;2001-01-01;2026-01-01;";
        let site = entry(layout.row(line));
        assert_eq!(site.number, "700000011");
        assert_eq!(site.name, "EHPAD RESIDENCE LES SAULES");
        assert_eq!(site.other_names, ["EHPAD \"LES SAULES\""]);
        assert_eq!(site.insee.as_deref(), Some("70550"));
        assert_eq!(site.entity, None, "the key of 700000208 is wrong");
        assert_eq!(
            layout.row("geolocalisation;700000011;936000.1;6728000.2;2,ATLASANTE"),
            Row::Skipped
        );
        assert!(
            matches!(layout.row("structureet;700000011;x"), Row::Bad(why) if why.contains("cells"))
        );
        let wrong = line.replacen("700000011", "700000012", 1);
        assert!(matches!(layout.row(&wrong), Row::Bad(why) if why.contains("FINESS")));
    }

    #[test]
    fn overseas_communes_get_their_code() {
        let get = |name: &str| match name {
            "commune" => Some("105".to_owned()),
            "departement" => Some("9A".to_owned()),
            _ => None,
        };
        assert_eq!(finess_insee(&get).as_deref(), Some("97105"));
    }

    #[test]
    fn sirene_is_read_by_its_header() {
        let (layout, header) = Layout::of("siren,nic,siret,statutDiffusionEtablissement,codeCommuneEtablissement,etatAdministratifEtablissement,enseigne1Etablissement,denominationUsuelleEtablissement").unwrap();
        assert!(header);
        let site = entry(
            layout.row("732829320,00074,73282932000074,O,70550,A,\"SOINS, ET \"\"VIE\"\"\","),
        );
        assert_eq!(site.name, "SOINS, ET \"VIE\"");
        assert_eq!(site.entity.as_deref(), Some("732829320"));
        for skipped in [
            "732829320,00074,73282932000074,O,70550,F,X,",
            "732829320,00074,73282932000074,P,70550,A,X,",
        ] {
            assert_eq!(layout.row(skipped), Row::Skipped);
        }
        for bad in [
            "732829320,00074,73282932000075,O,70550,A,X,",
            "732829320,00074",
            "732829320,00074,\"73282932000074,O,70550,A,X,",
        ] {
            assert!(matches!(layout.row(bad), Row::Bad(_)), "{bad}");
        }
        let (units, _) = Layout::of("siren,statutDiffusionUniteLegale,etatAdministratifUniteLegale,nomUniteLegale,denominationUniteLegale,sigleUniteLegale").unwrap();
        let unit = entry(units.row("732829320,O,A,,CENTRE HOSPITALIER D'EXEMPLE,CHE"));
        assert_eq!(unit.other_names, ["CHE"]);
        assert_eq!(units.row("732829320,O,A,DUPONT,,"), Row::Skipped);
        assert!(Layout::of("a;b;c").is_err());
    }
}
