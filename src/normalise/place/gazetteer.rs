//! Communes, départements and regions of France, indexed once for every way an ad names them.

use super::super::fold::key;
use super::super::tables::{self, Map};
use std::sync::LazyLock;

#[derive(Clone, Debug)]
pub struct Commune {
    pub insee: String,
    pub name: String,
    pub department: String,
    pub postal_codes: Vec<String>,
    pub population: u32,
    /// WGS 84 degrees of the centre, where known.
    pub at: Option<(f64, f64)>,
}

#[derive(Clone, Debug, serde::Deserialize)]
pub struct Department {
    pub code: String,
    pub name: String,
    pub region: String,
}

/// Index into [`Gazetteer::communes`].
pub type Id = u32;

#[derive(Debug, Default)]
pub struct Gazetteer {
    communes: Vec<Commune>,
    by_insee: Map<String, Id>,
    by_postal_code: Map<String, Vec<Id>>,
    by_department: Map<String, Vec<Id>>,
    /// By folded name; most populous first.
    by_name: Map<String, Vec<Id>>,
    departments: Vec<Department>,
    department_by_code: Map<String, usize>,
    department_by_name: Map<String, usize>,
    /// Folded name → name.
    regions: Map<String, String>,
}

#[derive(serde::Deserialize)]
struct CommuneRow {
    insee: String,
    name: String,
    postal_codes: String,
    department: String,
    population: Option<u32>,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

#[derive(serde::Deserialize)]
struct FormerRow {
    insee: String,
    name: String,
    now: String,
}

static GAZETTEER: LazyLock<Gazetteer> = LazyLock::new(Gazetteer::load);

/// The compiled-in gazetteer.
pub fn gazetteer() -> &'static Gazetteer {
    &GAZETTEER
}

impl Gazetteer {
    fn load() -> Self {
        let mut this = Self::default();
        let communes = tables::inflate(include_bytes!("../data/communes.csv.zst"));
        for row in tables::rows::<CommuneRow>(&communes) {
            let commune = Commune {
                postal_codes: row.postal_codes.split('|').map(str::to_owned).collect(),
                at: row.latitude.zip(row.longitude),
                population: row.population.unwrap_or(0),
                insee: row.insee,
                name: row.name,
                department: row.department,
            };
            let Ok(id) = Id::try_from(this.communes.len()) else {
                break;
            };
            for code in &commune.postal_codes {
                this.by_postal_code
                    .entry(code.clone())
                    .or_default()
                    .push(id);
            }
            this.by_insee.insert(commune.insee.clone(), id);
            this.by_department
                .entry(commune.department.clone())
                .or_default()
                .push(id);
            for name in names(&commune.name) {
                this.by_name.entry(name).or_default().push(id);
            }
            this.communes.push(commune);
        }
        let former = tables::inflate(include_bytes!("../data/former_communes.csv.zst"));
        for row in tables::rows::<FormerRow>(&former) {
            let Some(&id) = this.by_insee.get(&row.now) else {
                continue;
            };
            this.by_insee.entry(row.insee).or_insert(id);
            for name in names(&row.name) {
                let ids = this.by_name.entry(name).or_default();
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
        }
        let communes = &this.communes;
        for ids in this.by_name.values_mut() {
            ids.sort_by_key(|&id| std::cmp::Reverse(communes[id as usize].population));
        }
        for (index, row) in tables::rows::<Department>(include_bytes!("../data/departments.csv"))
            .into_iter()
            .enumerate()
        {
            this.regions.insert(key(&row.region), row.region.clone());
            this.department_by_name.insert(key(&row.name), index);
            this.department_by_code.insert(row.code.clone(), index);
            this.departments.push(row);
        }
        for (also, name) in REGION_NAMES {
            this.regions.insert((*also).to_owned(), (*name).to_owned());
        }
        for (also, code) in DEPARTMENT_NAMES {
            if let Some(&index) = this.department_by_code.get(*code) {
                this.department_by_name.insert((*also).to_owned(), index);
            }
        }
        this
    }

    pub fn commune(&self, id: Id) -> &Commune {
        &self.communes[id as usize]
    }

    /// By INSEE code, former codes included. District codes of Paris, Lyon and Marseille stay.
    pub fn insee(&self, code: &str) -> Option<Id> {
        self.by_insee.get(code).copied()
    }

    pub fn postal_code(&self, code: &str) -> &[Id] {
        self.by_postal_code.get(code).map_or(&[], Vec::as_slice)
    }

    /// By name in any spelling; most populous first.
    pub fn name(&self, name: &str) -> &[Id] {
        names(name)
            .into_iter()
            .find_map(|form| self.by_name.get(&form))
            .map_or(&[], Vec::as_slice)
    }

    /// By an already folded name, as it stands.
    pub fn folded_name(&self, name: &str) -> &[Id] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    pub fn in_department(&self, code: &str) -> &[Id] {
        self.by_department.get(code).map_or(&[], Vec::as_slice)
    }

    /// By code, with or without a leading zero ("1" is "01").
    pub fn department(&self, code: &str) -> Option<&Department> {
        let code = code.trim().to_ascii_uppercase();
        self.department_by_code
            .get(&code)
            .or_else(|| self.department_by_code.get(&format!("0{code}")))
            .map(|&index| &self.departments[index])
    }

    /// By name; "Vienne (Haute)" is Haute-Vienne.
    pub fn department_named(&self, name: &str) -> Option<&Department> {
        let folded = key(name);
        let turned = folded
            .rsplit_once(' ')
            .map(|(before, last)| format!("{last} {before}"));
        self.department_by_name
            .get(&folded)
            .or_else(|| turned.and_then(|name| self.department_by_name.get(&name)))
            .map(|&index| &self.departments[index])
    }

    pub fn region_named(&self, name: &str) -> Option<&str> {
        let folded = key(name);
        let bare = folded
            .strip_prefix("region ")
            .map_or(folded.as_str(), |rest| rest);
        self.regions.get(bare).map(String::as_str)
    }

    pub fn departments(&self) -> &[Department] {
        &self.departments
    }

    /// The département of a postal code; Corsica and overseas by their own rules.
    pub fn department_of_postal_code(&self, code: &str) -> Option<&Department> {
        if let Some(&id) = self.postal_code(code).first() {
            return self.department(&self.commune(id).department);
        }
        let prefix = match code.get(..2)? {
            "20" if code >= "20200" => "2B",
            "20" => "2A",
            "97" | "98" => code.get(..3)?,
            two => two,
        };
        self.department(prefix)
    }

    /// The commune whose centre is nearest, within `limit` km, among those of `ids`, or among all.
    pub fn nearest(&self, lat: f64, lon: f64, ids: &[Id], limit: f64) -> Option<(Id, f64)> {
        let mut best: Option<(Id, f64)> = None;
        let mut look = |id: Id| {
            if let Some((there_lat, there_lon)) = self.communes[id as usize].at
                && (there_lat - lat).abs() < limit / 110.0
            {
                let far = super::distance_km(lat, lon, there_lat, there_lon);
                if far <= limit && best.is_none_or(|(_, known)| far < known) {
                    best = Some((id, far));
                }
            }
        };
        if ids.is_empty() {
            (0..u32::try_from(self.communes.len()).unwrap_or(0)).for_each(&mut look);
        } else {
            ids.iter().copied().for_each(&mut look);
        }
        best
    }
}

/// Former and short names of regions.
const REGION_NAMES: &[(&str, &str)] = &[
    ("idf", "Île-de-France"),
    ("paca", "Provence-Alpes-Côte d'Azur"),
    ("bfc", "Bourgogne-Franche-Comté"),
    ("franche comte", "Bourgogne-Franche-Comté"),
    ("bourgogne", "Bourgogne-Franche-Comté"),
    ("alsace", "Grand Est"),
    ("lorraine", "Grand Est"),
    ("champagne ardenne", "Grand Est"),
    ("rhone alpes", "Auvergne-Rhône-Alpes"),
    ("auvergne", "Auvergne-Rhône-Alpes"),
    ("aquitaine", "Nouvelle-Aquitaine"),
    ("limousin", "Nouvelle-Aquitaine"),
    ("poitou charentes", "Nouvelle-Aquitaine"),
    ("midi pyrenees", "Occitanie"),
    ("languedoc roussillon", "Occitanie"),
    ("nord pas de calais", "Hauts-de-France"),
    ("picardie", "Hauts-de-France"),
    ("haute normandie", "Normandie"),
    ("basse normandie", "Normandie"),
    ("centre", "Centre-Val de Loire"),
    ("reunion", "La Réunion"),
];

/// Other names of départements.
const DEPARTMENT_NAMES: &[(&str, &str)] = &[
    ("territoire de belfort", "90"),
    ("belfort territoire de", "90"),
    ("belfort", "90"),
    ("reunion", "974"),
    ("corse sud", "2A"),
    ("haute corse", "2B"),
    ("corse haute", "2B"),
    ("alpes haute provence", "04"),
    ("alpes de haute provence", "04"),
];

/// The folded forms under which a commune's name may stand, the fullest first.
pub fn names(name: &str) -> Vec<String> {
    let mut form = expand(name);
    if form.is_empty() {
        return Vec::new();
    }
    let mut forms = Vec::with_capacity(3);
    // Articles move about: "Le Creusot", "CREUSOT (LE)", "Creusot".
    for article in ["le ", "la ", "les ", "l "] {
        if let Some(bare) = form.strip_prefix(article) {
            let bare = bare.to_owned();
            forms.push(form);
            forms.push(bare);
            return forms;
        }
    }
    for article in [" le", " la", " les", " l"] {
        if let Some(bare) = form.strip_suffix(article)
            && name.trim_end().ends_with(')')
        {
            forms.push(format!("{} {bare}", article.trim_start()));
            form = bare.to_owned();
            break;
        }
    }
    forms.push(form);
    forms
}

/// Folded, abbreviations written out, CEDEX left out, districts as "paris 12".
fn expand(name: &str) -> String {
    let slashes = name.replace("s/", "sur ").replace("S/", "sur ");
    let folded = key(&slashes);
    let mut out = String::with_capacity(folded.len() + 8);
    for word in folded.split(' ') {
        let word = match word {
            "st" => "saint",
            "ste" => "sainte",
            "sts" => "saints",
            "stes" => "saintes",
            "cedex" => break,
            "arrondissement" => continue,
            "ste " => "sainte",
            "1er" | "1ere" => "1",
            _ => ordinal(word).unwrap_or(word),
        };
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word.trim_start_matches('0'));
    }
    out.trim_end().to_owned()
}

/// "12e", "3eme" → "12", "3".
fn ordinal(word: &str) -> Option<&str> {
    let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    (digits > 0 && matches!(&word[digits..], "e" | "eme" | "er" | "ere" | "ieme"))
        .then(|| &word[..digits])
}
