//! What a free text says of a place: "70 - VESOUL", "Vesoul (70000)", "2A - Corse du Sud".

use super::super::fold::key;
use super::super::text::line;
use super::gazetteer::{Id, gazetteer, names};

/// The parts of a place that a text names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    pub city: Option<String>,
    pub postal_code: Option<String>,
    /// Code of the département.
    pub department: Option<String>,
    pub region: Option<String>,
    /// ISO 3166-1 alpha-2, `FR` included.
    pub country: Option<String>,
    pub country_name: Option<String>,
}

impl Said {
    /// Adds what `other` knows and this does not.
    pub fn merge(&mut self, other: Said) {
        self.city = self.city.take().or(other.city);
        self.postal_code = self.postal_code.take().or(other.postal_code);
        self.department = self.department.take().or(other.department);
        self.region = self.region.take().or(other.region);
        self.country = self.country.take().or(other.country);
        self.country_name = self.country_name.take().or(other.country_name);
    }

    /// Whether a département, region or country is named on purpose, and nothing smaller.
    pub fn names_only_an_area(&self) -> bool {
        self.city.is_none()
            && self.postal_code.is_none()
            && (self.department.is_some() || self.region.is_some() || self.country.is_some())
    }
}

/// A French postal code: five digits, of which a blank or a lost leading zero is forgiven.
pub fn postal_code(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    match digits.len() {
        5 if all_digits => Some(digits),
        4 if all_digits => Some(format!("0{digits}")),
        _ => None,
    }
}

/// The towns of "Toulouse OU Auch OU Foix" or "Vesoul / Lure"; one where it is one.
pub fn alternatives(text: &str) -> Vec<String> {
    let text = line(text);
    let known = |part: &String| {
        let city = place(part).city;
        city.is_some_and(|city| !gazetteer().name(&city).is_empty())
    };
    // "Vesoul, Lure et Gray": a comma parts towns where an "et" ends the list.
    let list = text.contains(" et ").then(|| text.replace(", ", " et "));
    for mark in [" OU ", " ou ", " / ", "; ", " | ", " et ", " ET "] {
        let whole = match (&list, mark) {
            (Some(list), " et ") => list,
            _ => &text,
        };
        let mut parts: Vec<String> = whole
            .split(mark)
            .map(|part| part.trim().to_owned())
            .collect();
        if parts.len() < 2 {
            continue;
        }
        // One town that is known makes a list of what such marks part; the known stand first.
        let loose = matches!(mark, " / " | "; " | " | ") && parts.iter().any(known);
        if loose || parts.iter().all(known) {
            parts.sort_by_key(|part| !known(part));
            return parts;
        }
    }
    vec![text]
}

/// A département or region, by code or name.
pub fn area(text: &str) -> Said {
    let text = line(text);
    let gazetteer = gazetteer();
    let mut said = Said::default();
    let (code, rest) = match text.split_once([' ', '-', '(']) {
        Some((code, rest)) => (code, rest.trim_matches([' ', '-', '(', ')'])),
        None => (text.as_str(), ""),
    };
    if let Some(department) = gazetteer
        .department(code)
        .or_else(|| gazetteer.department_named(&text))
        .or_else(|| gazetteer.department_named(rest))
        .or_else(|| parenthesised(&text).and_then(|inner| gazetteer.department(inner)))
    {
        said.department = Some(department.code.clone());
    } else if let Some(region) = gazetteer.region_named(&text) {
        said.region = Some(region.to_owned());
    } else if let Some(code) = postal_code(code) {
        said.postal_code = Some(code);
    }
    said
}

/// Reads one place. A word that is no known area is taken for a town's name.
pub fn place(text: &str) -> Said {
    let mut text = line(text);
    let mut said = Said::default();
    if text.is_empty() {
        return said;
    }
    let gazetteer = gazetteer();
    // "Département 70", "dépt. 70", "F-70000 Vesoul": what stands before a code.
    let folded = super::super::fold::fold(&text);
    for before in ["departement ", "dept. ", "dept ", "dpt ", "fr-", "f-"] {
        if let Some(rest) = folded.strip_prefix(before)
            && rest.starts_with(|c: char| c.is_ascii_digit())
        {
            let from = super::super::fold::source_offset(&text, folded.len() - rest.len());
            text.drain(..from);
            break;
        }
    }
    if let Some((code, name)) = foreign(&text) {
        said.country = Some(code);
        said.country_name = Some(name);
        return said;
    }
    // "Bâle (Suisse)", and the towns beyond the border that French ads name alone.
    if let Some((code, name)) = parenthesised(&text)
        .filter(|inner| inner.len() > 3)
        .and_then(foreign)
    {
        said.country = Some(code);
        said.country_name = Some(name);
        said.city = Some(outside(&text)).filter(|city| !city.is_empty());
        return said;
    }
    if let Some((code, _)) = BORDER
        .iter()
        .find(|(_, towns)| towns.contains(&key(&text).as_str()))
        && gazetteer.name(&text).is_empty()
    {
        said.country = Some((*code).to_owned());
        said.city = Some(text);
        return said;
    }
    if key(&text) == "france"
        || matches!(
            key(&text).as_str(),
            "france entiere" | "toute la france" | "fr" | "france metropolitaine"
        )
    {
        said.country = Some("FR".to_owned());
        return said;
    }
    if let Some(region) = gazetteer.region_named(&text)
        && gazetteer.department_named(&text).is_none()
        && gazetteer.name(&text).is_empty()
    {
        said.region = Some(region.to_owned());
        return said;
    }
    // "70 - VESOUL", "85 - Vendée", "69"
    if let Some((code, rest)) = leading_department(&text) {
        said.department = Some(code.clone());
        let rest = rest.trim();
        // "75 - Paris" is the town; every other département's name is the département.
        let is_area = rest.is_empty()
            || (code != "75"
                && gazetteer
                    .department_named(rest)
                    .is_some_and(|department| department.code == code));
        if !is_area {
            said.merge(town(rest));
        }
        return said;
    }
    if let Some(department) = gazetteer.department_named(&text)
        && gazetteer.name(&text).is_empty()
    {
        said.department = Some(department.code.clone());
        return said;
    }
    // "Vesoul, Bourgogne-Franche-Comté, France": towns first, then areas.
    // "Ronchamp - Haute-Saône": the area stands last, as after a comma.
    let text = match text.rsplit_once(" - ") {
        Some((before, last))
            if gazetteer.department_named(last).is_some()
                || gazetteer.region_named(last).is_some()
                || key(last) == "france" =>
        {
            format!("{before}, {last}")
        }
        _ => text,
    };
    if text.contains(',') {
        let mut parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let first = parts.next().unwrap_or_default();
        let mut rest: Vec<&str> = parts.collect();
        rest.push(first);
        for part in rest {
            if key(part) == "france" {
                said.country = said.country.take().or(Some("FR".to_owned()));
            } else if let Some((code, name)) = foreign(part) {
                said.country = Some(code);
                said.country_name = Some(name);
            } else if part != first && gazetteer.department_named(part).is_some() {
                // "La Réunion" is both, and a town has more of the narrower one.
                said.department = gazetteer.department_named(part).map(|d| d.code.clone());
            } else if part != first && gazetteer.region_named(part).is_some() {
                said.region = gazetteer.region_named(part).map(str::to_owned);
            } else {
                let mut named = town(part);
                // A street before the town: keep what is a commune.
                if named.postal_code.is_none()
                    && named
                        .city
                        .as_deref()
                        .is_some_and(|city| gazetteer.name(city).is_empty())
                    && said.city.is_some()
                {
                    named.city = None;
                }
                let before = said.city.take();
                said.merge(named);
                if said.city.is_none() {
                    said.city = before;
                }
            }
        }
        return said;
    }
    said.merge(town(&text));
    said
}

/// A town with an optional postal code or département: "Vesoul (70000)", "70000 Vesoul",
/// "Vesoul (70)", "Vesoul - 70", "Paris 12".
fn town(text: &str) -> Said {
    let gazetteer = gazetteer();
    let mut said = Said::default();
    let mut name = text.to_owned();
    if let Some(inner) = parenthesised(text) {
        if let Some(code) = postal_code(inner).filter(|_| inner.len() >= 5) {
            said.postal_code = Some(code);
            name = outside(text);
        } else if let Some(department) = gazetteer
            .department(inner)
            .or_else(|| gazetteer.department_named(inner))
        {
            said.department = Some(department.code.clone());
            name = outside(text);
        } else if !matches!(key(inner).as_str(), "le" | "la" | "les" | "l") {
            name = outside(text);
        }
    }
    let words: Vec<&str> = name.split_whitespace().collect();
    let mut kept: Vec<&str> = Vec::with_capacity(words.len());
    for (index, word) in words.iter().enumerate() {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        let last = index + 1 == words.len();
        let digits = bare.bytes().all(|byte| byte.is_ascii_digit());
        // "1000 Bourg-en-Bresse": a spreadsheet ate the nought.
        let code = match bare.len() {
            5 if digits => Some(bare.to_owned()),
            4 if digits && index == 0 && !last => {
                postal_code(bare).filter(|code| !gazetteer.postal_code(code).is_empty())
            }
            _ => None,
        };
        if let Some(code) = code {
            if said.postal_code.is_none() {
                said.postal_code = Some(code);
                // A street stood before where the town follows its code.
                if !last {
                    kept.clear();
                }
            }
            continue;
        }
        // "ST ETIENNE 42" is in the Loire; "Paris 12" is a district.
        if last
            && index > 0
            && bare.len() >= 2
            && bare.as_bytes()[0].is_ascii_digit()
            && said.postal_code.is_none()
            && gazetteer.name(&name).is_empty()
            && let Some(department) = gazetteer.department(bare)
            && gazetteer
                .name(&kept.join(" "))
                .iter()
                .any(|id| gazetteer.commune(*id).department == department.code)
        {
            said.department = Some(department.code.clone());
            continue;
        }
        if last
            && index > 0
            && (word.starts_with('-') || words[index - 1] == "-")
            && let Some(department) = gazetteer.department(bare)
        {
            said.department = Some(department.code.clone());
            continue;
        }
        kept.push(word);
    }
    let mut name = kept.join(" ");
    // "Secteur de Lure": the sector's town, unless a commune has that very name.
    if gazetteer.name(&name).is_empty() {
        let folded = super::super::fold::fold(&name);
        for sector in [
            "secteur de ",
            "secteur du ",
            "secteur d'",
            "secteur ",
            "bassin de ",
            "region de ",
            "pays de ",
            "agglomeration de ",
            "canton de ",
        ] {
            if folded.starts_with(sector) {
                let rest = super::super::fold::source_offset(&name, sector.len());
                if !gazetteer.name(&name[rest..]).is_empty() {
                    name.drain(..rest);
                }
                break;
            }
        }
    }
    // "Saint-Péray et ses alentours": the town is the point of departure.
    for around in [
        " et alentour",
        " et ses alentour",
        " et environ",
        " et ses environ",
        " et sa region",
        " et agglo",
        " et peripherie",
        " et communes",
    ] {
        let folded = super::super::fold::fold(&name);
        if let Some(at) = folded.find(around) {
            name.truncate(super::super::fold::source_offset(&name, at));
        }
    }
    let name = name
        .trim_matches(|c: char| !c.is_alphanumeric() && c != ')' && c != '(')
        .to_owned();
    if !name.is_empty() && !name.bytes().all(|byte| byte.is_ascii_digit()) {
        said.city = Some(name);
    }
    said
}

fn parenthesised(text: &str) -> Option<&str> {
    let open = text.rfind('(')?;
    let close = text[open..].find(')').map_or(text.len(), |at| open + at);
    Some(text[open + 1..close].trim())
}

fn outside(text: &str) -> String {
    match (text.rfind('('), text.rfind(')')) {
        (Some(open), Some(close)) if open < close => {
            format!("{} {}", text[..open].trim(), text[close + 1..].trim())
                .trim()
                .to_owned()
        }
        (Some(open), _) => text[..open].trim().to_owned(),
        _ => text.to_owned(),
    }
}

/// The département code at the start, with what follows its dash.
fn leading_department(text: &str) -> Option<(String, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric())
        .unwrap_or(text.len());
    let code = &text[..end];
    if !(2..=3).contains(&code.len()) || !code.as_bytes()[0].is_ascii_digit() {
        return None;
    }
    let department = gazetteer().department(code)?;
    let rest = text[end..].trim_start();
    let rest = match rest.chars().next() {
        None => "",
        Some('-' | '–' | '—' | ':' | '/') => {
            rest[rest.chars().next().map_or(0, char::len_utf8)..].trim_start()
        }
        Some(_) => return None,
    };
    Some((department.code.clone(), rest))
}

/// The one commune of a département whose name begins with `folded`.
pub fn begins_in_department(department: &str, folded: &str) -> Option<Id> {
    if folded.len() < 5 {
        return None;
    }
    let gazetteer = gazetteer();
    let mut found = None;
    for id in gazetteer.in_department(department) {
        if names(&gazetteer.commune(*id).name)
            .iter()
            .any(|name| super::words_begin(name, folded))
        {
            if found.is_some() {
                return None;
            }
            found = Some(*id);
        }
    }
    found
}

/// A country other than France: ISO code and French name. "Suisse (Frontalier)" is Switzerland.
fn foreign(text: &str) -> Option<(String, String)> {
    let folded = key(text);
    let bare = folded.strip_suffix(" frontalier").unwrap_or(&folded);
    COUNTRIES
        .iter()
        .find(|(_, _, names)| names.contains(&bare))
        .map(|(code, name, _)| ((*code).to_owned(), (*name).to_owned()))
}

/// The ISO code of a country by code or name; `FR` for France and its overseas codes.
pub fn country(text: &str) -> Option<String> {
    let folded = key(text);
    if matches!(
        folded.as_str(),
        "fr" | "fra" | "france" | "gp" | "mq" | "gf" | "re" | "yt" | "pm" | "250"
    ) {
        return Some("FR".to_owned());
    }
    if let Some((code, _)) = foreign(text) {
        return Some(code);
    }
    (text.trim().len() == 2 && text.trim().bytes().all(|byte| byte.is_ascii_alphabetic()))
        .then(|| text.trim().to_ascii_uppercase())
}

/// Towns beyond the border that no commune of France is named like, folded.
const BORDER: &[(&str, &[&str])] = &[
    (
        "CH",
        &[
            "geneve",
            "lausanne",
            "bale",
            "neuchatel",
            "la chaux de fonds",
            "le locle",
            "delemont",
            "porrentruy",
            "nyon",
            "montreux",
            "vevey",
            "yverdon les bains",
        ],
    ),
    (
        "DE",
        &[
            "sarrebruck",
            "kehl",
            "fribourg en brisgau",
            "offenbourg",
            "karlsruhe",
        ],
    ),
    (
        "LU",
        &[
            "esch sur alzette",
            "luxembourg ville",
            "differdange",
            "dudelange",
        ],
    ),
    (
        "BE",
        &[
            "tournai",
            "mouscron",
            "arlon",
            "namur",
            "charleroi",
            "courtrai",
            "bruxelles",
        ],
    ),
];

/// Countries that offers of French sources name: code, French name, folded names.
const COUNTRIES: &[(&str, &str, &[&str])] = &[
    (
        "CH",
        "Suisse",
        &["suisse", "switzerland", "schweiz", "ch", "che"],
    ),
    ("LU", "Luxembourg", &["luxembourg", "lu", "lux"]),
    (
        "BE",
        "Belgique",
        &["belgique", "belgium", "belgie", "be", "bel"],
    ),
    (
        "DE",
        "Allemagne",
        &["allemagne", "germany", "deutschland", "de", "deu"],
    ),
    ("IT", "Italie", &["italie", "italy", "italia", "it", "ita"]),
    (
        "ES",
        "Espagne",
        &["espagne", "spain", "espana", "es", "esp"],
    ),
    (
        "MC",
        "Monaco",
        &["monaco", "mc", "mco", "principaute de monaco"],
    ),
    ("AD", "Andorre", &["andorre", "andorra", "ad", "and"]),
    (
        "GB",
        "Royaume-Uni",
        &[
            "royaume uni",
            "united kingdom",
            "uk",
            "gb",
            "gbr",
            "angleterre",
            "england",
        ],
    ),
    (
        "NL",
        "Pays-Bas",
        &["pays bas", "netherlands", "nederland", "nl", "nld"],
    ),
    ("PT", "Portugal", &["portugal", "pt", "prt"]),
    ("IE", "Irlande", &["irlande", "ireland", "ie", "irl"]),
    (
        "US",
        "États-Unis",
        &["etats unis", "united states", "usa", "us"],
    ),
    ("CA", "Canada", &["canada", "ca", "can"]),
    ("MA", "Maroc", &["maroc", "morocco", "ma", "mar"]),
];
