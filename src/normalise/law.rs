//! What the law says of the wording: findings with article and remedy, never a silent rewriting.

use super::fold::{fold, pattern};
use super::input::Input;
use super::phrases::Topic;
use super::record::Record;
use super::text;
use super::title::Title;
use crate::model::{Field, Offer};
use regex::Regex;
use std::sync::LazyLock;

/// Inclusive endings: "(e)", "·ère", "/trice", ".ne".
static INCLUSIVE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"[a-z](?:\(|[./·•-])-?(?:e|iere|ere|ne|ienne|rice|trice|euse|te|le|ve|ive|se|es|re)s?\b",
    )
});

/// Titles of one gender, masculine and feminine, folded. Epicene titles are absent; "sage-femme"
/// and "femme de chambre" have no masculine in use, so they ask for an F/H mark.
const GENDERED: [(&str, &str); 40] = [
    ("infirmier", "infirmiere"),
    ("soignant", "soignante"),
    ("educateur", "educatrice"),
    ("moniteur", "monitrice"),
    ("animateur", "animatrice"),
    ("directeur", "directrice"),
    ("assistant", "assistante"),
    ("technicien", "technicienne"),
    ("pharmacien", "pharmacienne"),
    ("chirurgien", "chirurgienne"),
    ("dieteticien", "dieteticienne"),
    ("psychomotricien", "psychomotricienne"),
    ("preparateur", "preparatrice"),
    ("manipulateur", "manipulatrice"),
    ("ambulancier", "ambulanciere"),
    ("brancardier", "brancardiere"),
    ("agent", "agente"),
    ("conseiller", "conseillere"),
    ("coordinateur", "coordinatrice"),
    ("coordonnateur", "coordonnatrice"),
    ("accompagnant", "accompagnante"),
    ("cuisinier", "cuisiniere"),
    ("employe", "employee"),
    ("chef", "cheffe"),
    ("veilleur", "veilleuse"),
    ("surveillant", "surveillante"),
    ("mediateur", "mediatrice"),
    ("intervenant", "intervenante"),
    ("masseur", "masseuse"),
    ("opticien", "opticienne"),
    ("puericulteur", "puericultrice"),
    ("gouvernant", "gouvernante"),
    ("conducteur", "conductrice"),
    ("formateur", "formatrice"),
    ("charge", "chargee"),
    ("gestionnaire homme", "gestionnaire femme"),
    ("homme", "femme"),
    ("aide-soignant", "aide-soignante"),
    ("auxiliaire masculin", "auxiliaire feminine"),
    ("lingere homme", "lingere"),
];

pub fn law(input: &Input<'_>, title: &Title, offer: &mut Offer, record: &mut Record) {
    if !title.marked
        && let Some(word) = one_gender(&input.title_folded)
    {
        let _ = word;
        record.find("law.gender", "title", &title.clean);
    }
    for hit in input.text_hits(Topic::Law) {
        // One finding a rule: a text that repeats itself is not read again and again.
        if record.has(&hit.phrase.value, "description") {
            continue;
        }
        // An age that the law itself sets (apprenticeship, insertion) is lawful.
        if hit.phrase.value == "law.age" && legal_age(&input.text_folded, &hit.range) {
            continue;
        }
        let words = input.excerpt(hit.range.clone()).to_owned();
        record.find(&hit.phrase.value, "description", &words);
    }
    for hit in input.title_hits(Topic::Law) {
        record.find(&hit.phrase.value, "title", &hit.phrase.phrase);
    }
    let declared = input
        .raw(Field::Language)
        .map(|raw| (raw, fold(raw.value())))
        .and_then(|(raw, code)| code.get(..2).map(|code| (raw, code.to_owned())))
        .filter(|(_, code)| code.bytes().all(|byte| byte.is_ascii_lowercase()));
    if let Some((language, sure)) = text::language(&input.text_folded) {
        offer.language = Some(language.to_owned());
        record.set("/language", super::record::TEXT, "", "language.words", sure);
        if language != "fr" && sure >= 0.9 {
            record.find("law.language", "language", language);
        }
    } else if let Some((raw, code)) = declared {
        record.mapped("/language", raw, "language.field", 0.9);
        offer.language = Some(code);
    }
}

/// The word of a title that names one gender only; `None` where both forms or a neutral one stand.
fn one_gender(folded: &str) -> Option<&str> {
    if INCLUSIVE
        .as_ref()
        .is_some_and(|regex| regex.is_match(folded))
    {
        return None;
    }
    let words: Vec<&str> = folded
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let has = |wanted: &str| {
        words
            .iter()
            .any(|word| *word == wanted || word.strip_suffix('s') == Some(wanted))
    };
    GENDERED.iter().find_map(
        |(masculine, feminine)| match (has(masculine), has(feminine)) {
            (true, false) => Some(*masculine),
            (false, true) => Some(*feminine),
            _ => None,
        },
    )
}

/// Whether the words around an age speak of apprenticeship, insertion contracts or civic service.
fn legal_age(folded: &str, range: &std::ops::Range<usize>) -> bool {
    let mut from = range.start.saturating_sub(160);
    while !folded.is_char_boundary(from) {
        from += 1;
    }
    let mut to = (range.end + 160).min(folded.len());
    while !folded.is_char_boundary(to) {
        to -= 1;
    }
    let near = &folded[from..to];
    [
        "apprenti",
        "alternance",
        "professionnalisation",
        "service civique",
        "contrat d'engagement",
        "enfant",
        "mineur",
        "contrat unique",
        "cui",
        "emploi franc",
        "jeunes de",
    ]
    .iter()
    .any(|word| near.contains(word))
}
