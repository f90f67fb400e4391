//! What the law says of the wording: findings with article and remedy, never a silent rewriting.

use super::fold::{fold, pattern};
use super::input::Input;
use super::phrases::Topic;
use super::record::Record;
use super::tables::{self, Map};
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

/// An upper limit of age: "moins de 35 ans", "entre 25 et 40 ans", "45 ans maximum", "âgé de 20 à 30
/// ans". Group 1 is the limit; what follows tells an age from years of experience.
static AGE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?:\bmoins de|\bpas plus de|\bau plus|\bjusqu'a|\bage(?:\(?e\)?)?s? (?:de )?(?:\d{2} (?:a|et) )?|\bentre \d{2} (?:ans )?et|\bde \d{2} a) ?(\d{2}) ans\b|\b(\d{2}) ans (?:maximum|maxi|max|au plus)\b",
    )
});

#[derive(serde::Deserialize)]
struct Gender {
    masculine: String,
    feminine: String,
}

/// Words of one gender: the pair that each is of, and whether it is its feminine.
static GENDERS: LazyLock<Map<String, (usize, bool)>> = LazyLock::new(|| {
    tables::rows::<Gender>(include_bytes!("data/genders.csv"))
        .into_iter()
        .enumerate()
        .flat_map(|(pair, row)| [(row.masculine, (pair, false)), (row.feminine, (pair, true))])
        .collect()
});

pub fn law(input: &Input<'_>, title: &Title, offer: &mut Offer, record: &mut Record) {
    if !title.marked && one_gender(&input.title_folded) {
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
    for (folded, source, field) in [
        (&input.title_folded, input.title.as_str(), "title"),
        (&input.text_folded, input.text, "description"),
    ] {
        if let Some(range) = upper_age(folded) {
            record.find("law.age", field, super::fold::excerpt(source, range));
        }
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

/// Whether a word of the title names one gender only; not where both forms or a neutral one stand.
fn one_gender(folded: &str) -> bool {
    if INCLUSIVE
        .as_ref()
        .is_some_and(|regex| regex.is_match(folded))
    {
        return false;
    }
    let words: Vec<&str> = folded
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| word.strip_suffix('s').unwrap_or(word))
        .collect();
    let singles = words.iter().map(|word| (*word).to_owned());
    let doubles = words.windows(2).map(|two| two.join(" "));
    // Pairs of which one stands there, with that one's gender; both make it neutral.
    let mut found: Vec<(usize, bool)> = Vec::new();
    for word in singles.chain(doubles) {
        if let Some(&(pair, feminine)) = GENDERS.get(&word) {
            found.push((pair, feminine));
        }
    }
    found.iter().any(|(pair, feminine)| {
        !found
            .iter()
            .any(|(other, gender)| other == pair && gender != feminine)
    })
}

/// The first words that set candidates an upper limit of age which no law allows.
fn upper_age(folded: &str) -> Option<std::ops::Range<usize>> {
    if !folded.contains(" ans") {
        return None;
    }
    AGE.as_ref()?.captures_iter(folded).find_map(|found| {
        let whole = found.get(0)?;
        let limit: u32 = found.get(1).or(found.get(2))?.as_str().parse().ok()?;
        let after = folded[whole.end()..].trim_start();
        // Years of service, of patients, of children; and the ages of retirement are no limit.
        let other = [
            "d'exp",
            "d'anc",
            "de prat",
            "de dip",
            "d'exist",
            "de recul",
            "de metier",
        ]
        .iter()
        .any(|word| after.starts_with(word));
        let before: String = folded[..whole.start()].chars().rev().take(60).collect();
        let before: String = before.chars().rev().collect();
        let clause = before
            .rsplit(['.', '\n', ';', '!'])
            .next()
            .unwrap_or(&before);
        let of_others = [
            "patient",
            "resident",
            "usager",
            "beneficiaire",
            "personnes agees",
            "adolescent",
            "enfants",
            "jeunes",
            "adultes",
            "accueil",
            "public",
            "accompagn",
            "depuis",
            "experience",
            "eleves",
            "prise en charge",
        ]
        .iter()
        .any(|word| clause.contains(word));
        let lawful = other || of_others || legal_age(folded, &whole.range());
        ((18..=62).contains(&limit) && !lawful).then(|| whole.range())
    })
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

#[cfg(test)]
mod tests {
    use super::super::tests::{draft, run};
    use crate::model::{Field, Severity};

    /// The rules of law that a title and a text break.
    fn broken(title: &str, text: &str) -> Vec<String> {
        let posting = run(&draft(&[
            (Field::Title, title),
            (Field::Description, text),
            (Field::Contract, "CDI"),
        ]));
        for finding in &posting.findings {
            for message in [&finding.message, &finding.message_en] {
                assert!(
                    !message.is_empty() && !message.contains("{value}"),
                    "{finding:?}"
                );
            }
            if finding.rule.starts_with("law.") {
                assert!(
                    finding.article.is_some() && finding.severity >= Severity::Warning,
                    "{finding:?}"
                );
            }
        }
        posting
            .findings
            .into_iter()
            .map(|finding| finding.rule)
            .filter(|rule| rule.starts_with("law."))
            .collect()
    }

    #[test]
    fn what_the_law_forbids_is_found() {
        for (title, text, rule) in [
            ("Infirmière", "", "law.gender"),
            ("Directeur d'EHPAD", "", "law.gender"),
            ("IDE F/H", "Vous avez moins de 35 ans.", "law.age"),
            ("IDE F/H", "Profil : entre 25 et 40 ans", "law.age"),
            ("IDE F/H", "Âge : 45 ans maximum", "law.age"),
            ("IDE F/H (moins de 40 ans)", "", "law.age"),
            (
                "IDE F/H",
                "Équipe jeune et dynamique cherche jeune diplômé",
                "law.youth",
            ),
            ("IDE F/H", "Très bonne présentation exigée", "law.ground"),
            (
                "IDE F/H",
                "Candidat non fumeur et célibataire",
                "law.ground",
            ),
            ("IDE F/H", "Vous devez habiter à proximité", "law.residence"),
            (
                "IDE F/H",
                "Des frais de dossier de 30 € sont demandés",
                "law.fee",
            ),
            (
                "Nurse F/H",
                "We are looking for a nurse who will be part of our team and work with you in the ward of the clinic",
                "law.language",
            ),
        ] {
            let found = broken(title, text);
            assert!(
                found.iter().any(|known| known == rule),
                "{title} / {text}: {found:?}"
            );
        }
    }

    #[test]
    fn words_of_the_table_are_folded_and_of_one_pair() {
        use super::super::fold::key;
        let rows = include_str!("data/genders.csv").lines();
        let rows = rows.filter(|line| !line.starts_with('#')).skip(1).count();
        assert_eq!(super::GENDERS.len(), 2 * rows, "a word stands twice");
        for word in super::GENDERS.keys() {
            assert_eq!(&key(word), word);
        }
    }

    #[test]
    fn what_it_allows_is_not() {
        for (title, text) in [
            ("Infirmier / Infirmière", ""),
            ("Infirmier(ère)", ""),
            ("Aide-soignant·e", ""),
            ("Sage-femme F/H", ""),
            ("Psychologue", ""),
            ("Infirmière H/F", ""),
            (
                "IDE F/H",
                "Expérience de moins de 20 ans d'expérience acceptée",
            ),
            (
                "IDE F/H",
                "Accueil de jeunes de 18 à 25 ans en situation de handicap",
            ),
            (
                "IDE F/H",
                "Vous accompagnez des patients âgés de 18 à 60 ans",
            ),
            (
                "IDE F/H",
                "Contrat d'apprentissage ouvert aux moins de 30 ans",
            ),
            ("IDE F/H", "CDD de 3 ans maximum"),
            ("IDE F/H", "Association créée il y a plus de 40 ans"),
            ("IDE F/H", "Poste ouvert aux personnes handicapées (RQTH)"),
        ] {
            let found = broken(title, text);
            assert!(found.is_empty(), "{title} / {text}: {found:?}");
        }
    }
}
