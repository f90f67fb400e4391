//! Whether records speak of jobs: what tells a list of offers from news, goods, events and places.

use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

/// Words of the legal form and of the working time, as feeds in French and English write them.
const FORMS: &str = r"cdi|cdd|int[ée]rim\w*|vacations?|alternance|apprenti\w*|professionnalisation|stage|stagiaire|temps (?:plein|partiel|complet)|full[-_ ]?time|part[-_ ]?time|permanent|fixed[-_ ]term|internship|freelance|lib[ée]ral|contractuel\w*|titulaire";

/// Names of trades: those of the sector first, then those that any employer looks for.
const TRADES: &str = r"infirmi\w+|aides?[- ]soignant\w*|aides? (?:[aà] domicile|m[ée]dico\w*)|auxiliaires? \w+|m[ée]decins?|chirurgien\w*|psychologues?|psychiatre\w*|[ée]ducat(?:eur|rice)s?\w*|kin[ée]\w*|sages?[- ]femmes?|manipulat(?:eur|rice)\w*|ergoth[ée]rapeute\w*|orthophoniste\w*|psychomotricien\w*|di[ée]t[ée]ticien\w*|pharmacien\w*|pr[ée]parat(?:eur|rice)s?|brancardier\w*|ambulanci\w+|biologiste|veilleu\w+|animat(?:eur|rice)s?|accompagnant\w*|moniteur\w*|surveillant\w*|puéricult\w*|cuisini\w+|agents?|technicien\w*|ing[ée]nieur\w*|secr[ée]taires?|assistant\w*|cadres?|responsables?|charg[ée]e?s? d\w*|direct(?:eur|rice)s?|coordinat\w+|conseill\w+|comptables?|gestionnaires?|employ[ée]\w*|ouvrier\w*|op[ée]rat(?:eur|rice)s?|chauffeurs?|conduct(?:eur|rice)s?|jardini\w+|enseignant\w*|formateur\w*|d[ée]veloppeu\w+|vendeu\w+|magasinier\w*|manutentionnaire\w*|facteur|nurses?|engineers?|developers?|managers?|accountants?|analysts?|consultants?|specialists?|officers?|teachers?|drivers?|recruiters?|designers?|architects?|administrators?|executives?|clerks?|technicians?|assistants?|interns?|leads?";

/// Parts of an address behind which offers stand.
const ADDRESSES: &str = r"offres?|jobs?|emplois?|postes?|careers?|carri[eè]res?|recrut\w*|vacanc\w+|annonces?|stellen?\w*|vacatures?|positions?|openings?|postings?|candidat\w*|apply|o/";

static MARK: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\b[hfmw] ?/ ?[fhmwd](?: ?/ ?[dxi])?\b|\(e\)|\b[a-zéè]{4,}\(?·e").ok()
});
static FORM: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"(?i)\b(?:{FORMS})\b")).ok());
static TRADE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(&format!(r"(?i)\b(?:{TRADES})\b")).ok());
static ADDRESS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(&format!(
        r"(?i)^(?:https?:)?//(?:jobs?|careers?|recrut\w*|emplois?|rh|carrieres?)[.-]|[/?&=._-](?:{ADDRESSES})"
    ))
    .ok()
});

fn says(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|regex| regex.is_match(text))
}

/// Whether a text is a legal form or a working time, or holds one.
pub fn is_form(text: &str) -> bool {
    says(&FORM, text)
}

/// Whether a text names a trade, or says that either sex may apply.
pub fn is_trade(text: &str) -> bool {
    says(&MARK, text) || says(&TRADE, text)
}

/// What one record says of itself.
#[derive(Default)]
struct Signs {
    /// "(H/F)": nothing but an offer says it of a name.
    mark: bool,
    form: bool,
    trade: bool,
    address: bool,
    /// A field is named after a contract, a pay, a job.
    named: bool,
}

impl Signs {
    fn read(&mut self, key: &str, value: &Value) {
        match value {
            Value::String(text) => self.text(key, text.trim()),
            Value::Array(items) => items.iter().for_each(|item| self.read(key, item)),
            Value::Object(map) => {
                for (name, inner) in map {
                    // Text beside attributes has its element's name.
                    let name = if name == "#text" { key } else { name };
                    self.read(name, inner);
                }
            }
            _ => self.name(key),
        }
    }

    fn name(&mut self, key: &str) {
        let key = key.to_ascii_lowercase();
        self.named |= [
            "contra",
            "salar",
            "salair",
            "remuner",
            "employment",
            "job",
            "vacanc",
            "requisition",
            "recrut",
            "poste",
        ]
        .iter()
        .any(|part| key.contains(part));
    }

    fn text(&mut self, key: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        self.name(key);
        let is_link = text.starts_with("http") || text.starts_with('/');
        if is_link {
            self.address |= says(&ADDRESS, text);
            return;
        }
        self.form |= is_form(text);
        if text.chars().count() <= 160 && is_title(key) {
            self.mark |= says(&MARK, text);
            self.trade |= says(&TRADE, text);
        }
    }

    fn are_of_a_job(&self) -> bool {
        let count = [self.form, self.trade, self.address, self.named]
            .into_iter()
            .filter(|said| *said)
            .count();
        self.mark || count >= 2
    }
}

/// Whether a key is one that titles have.
fn is_title(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    [
        "title", "titre", "intitul", "name", "nom", "label", "libel", "poste", "emploi", "metier",
        "text", "summary", "position", "fonction",
    ]
    .iter()
    .any(|part| key.contains(part))
}

/// Whether most of these records speak of jobs.
pub fn are_jobs(records: &[Value]) -> bool {
    let speaking = records
        .iter()
        .filter(|record| {
            let mut signs = Signs::default();
            signs.read("", record);
            signs.are_of_a_job()
        })
        .count();
    !records.is_empty() && speaking * 2 >= records.len()
}

#[cfg(test)]
mod tests {
    use super::are_jobs;
    use serde_json::json;

    #[test]
    fn offers_are_told_from_what_is_none() {
        for (record, expected) in [
            (
                json!({"title": "Infirmier de nuit", "link": "https://rh.example/offres/1"}),
                true,
            ),
            (json!({"titre": "Aide-soignant", "contrat": "CDI"}), true),
            (json!({"name": "Agent de bionettoyage (H/F)"}), true),
            (
                json!({"title": "Staff Engineer", "url": "https://x.example/jobs/4"}),
                true,
            ),
            (
                json!({"title": "La fête du village", "link": "https://x.example/actus/1"}),
                false,
            ),
            (
                json!({"title": "Épisode 4 : le métier d'infirmier", "link": "https://radio.example/ep/4"}),
                false,
            ),
            (
                json!({"name": "Chaise de cuisine", "price": 12, "url": "/produits/4"}),
                false,
            ),
            (
                json!({"summary": "Conseil d'administration", "dtstart": "2026-11-02"}),
                false,
            ),
            (
                json!({"nom": "EHPAD des Tilleuls", "type": "Etablissement", "commune": "Vesoul"}),
                false,
            ),
        ] {
            assert_eq!(
                are_jobs(std::slice::from_ref(&record)),
                expected,
                "{record}"
            );
        }
    }
}
