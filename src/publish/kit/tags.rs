//! Hashtags: what the job is called, where it is, whose network it is.

use crate::{
    model::{PlacePrecision, Vacancy},
    publish::{labels, territory},
};

/// More look like noise.
const MOST: usize = 8;
/// A longer one is no word any more.
const LONGEST: usize = 40;

/// `#SaintLoupSurSemouse` of "Saint-Loup-sur-Semouse"; none where nothing is left to show.
pub fn tag(text: &str) -> Option<String> {
    let words = text
        .split(|c: char| !c.is_alphanumeric())
        // "d'équipe": the elided word is no word of a tag.
        .filter(|word| !matches!(*word, "" | "d" | "l" | "D" | "L"));
    let mut tag = String::from("#");
    for word in words {
        let mut letters = word.chars();
        tag.extend(letters.next().into_iter().flat_map(char::to_uppercase));
        tag.push_str(letters.as_str());
    }
    let letters = tag.chars().skip(1);
    // A number alone is no hashtag.
    let speaks = letters.clone().any(|c| !c.is_numeric());
    (speaks && letters.count() <= LONGEST).then_some(tag)
}

/// The names of the occupation: "Infirmier / Infirmière (IDE)" → `#Infirmier #Infirmière #IDE`.
fn of_occupation(vacancy: &Vacancy) -> Vec<String> {
    let offer = &vacancy.offer;
    let title = offer.title_canonical.as_deref().unwrap_or_default();
    let (names, short) = match title.split_once('(') {
        Some((names, rest)) => (names, rest.split(')').next()),
        None => (title, None),
    };
    let mut tags: Vec<String> = names.split('/').filter_map(tag).collect();
    tags.extend(short.and_then(tag));
    if tags.is_empty() {
        let family = offer.occupation.as_ref().and_then(|o| o.family);
        tags.extend(family.map(labels::family).and_then(tag));
    }
    tags
}

fn of_place(vacancy: &Vacancy) -> Vec<String> {
    let Some(place) = vacancy.offer.places.first() else {
        return Vec::new();
    };
    let exact = matches!(
        place.precision,
        PlacePrecision::Address | PlacePrecision::Commune
    );
    let town = place.name.as_deref().filter(|_| exact);
    let department = place.department.as_deref().and_then(territory::department);
    town.into_iter().chain(department).filter_map(tag).collect()
}

/// The hashtags of one offer, the network's own last.
pub fn of_offer(vacancy: &Vacancy, own: &[String]) -> Vec<String> {
    let all = of_occupation(vacancy).into_iter().chain(of_place(vacancy));
    finished(all, own)
}

/// The most frequent ones of several offers: occupations, then places.
pub fn of_offers<'v>(
    vacancies: impl Iterator<Item = &'v Vacancy> + Clone,
    own: &[String],
) -> Vec<String> {
    let frequent = |of: fn(&Vacancy) -> Vec<String>, most: usize| {
        let mut counts: Vec<(String, usize)> = Vec::new();
        for tag in vacancies.clone().filter_map(|v| of(v).into_iter().next()) {
            match counts.iter_mut().find(|(known, _)| *known == tag) {
                Some((_, count)) => *count += 1,
                None => counts.push((tag, 1)),
            }
        }
        counts.sort_by(|(a, n), (b, m)| m.cmp(n).then_with(|| a.cmp(b)));
        counts
            .into_iter()
            .map(|(tag, _)| tag)
            .take(most)
            .collect::<Vec<_>>()
    };
    let occupations = frequent(of_occupation, 3);
    finished(occupations.into_iter().chain(frequent(of_place, 3)), own)
}

/// Each once, whatever its capitals, and no more than a post bears.
fn finished(tags: impl Iterator<Item = String>, own: &[String]) -> Vec<String> {
    let own = own
        .iter()
        .filter_map(|text| tag(text.trim_start_matches('#')));
    let own: Vec<String> = own.chain(["#Emploi".into()]).take(MOST).collect();
    let mut kept: Vec<String> = Vec::new();
    let room = MOST - own.len();
    let mut keep = |tag: String, most: usize| {
        let known = kept
            .iter()
            .any(|other| other.to_lowercase() == tag.to_lowercase());
        if !known && kept.len() < most {
            kept.push(tag);
        }
    };
    tags.for_each(|tag| keep(tag, room));
    own.into_iter().for_each(|tag| keep(tag, MOST));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::testing::vacancy;

    #[test]
    fn tags_are_one_word() {
        for (text, expected) in [
            ("Saint-Loup-sur-Semouse", Some("#SaintLoupSurSemouse")),
            ("Haute-Saône", Some("#HauteSaône")),
            ("Agent d'entretien", Some("#AgentEntretien")),
            ("IDE", Some("#IDE")),
            ("70", None),
            ("santé 70", Some("#Santé70")),
            ("(F/H)", Some("#FH")),
            ("–", None),
        ] {
            assert_eq!(tag(text).as_deref(), expected, "{text}");
        }
        assert_eq!(tag(&"mot ".repeat(20)), None);
    }

    #[test]
    fn an_offer_is_tagged_by_what_and_where() {
        let own = ["Santé70".to_owned(), "#emploi".to_owned()];
        assert_eq!(
            of_offer(&vacancy(1, "ch-exemple", |_| {}), &own),
            [
                "#Infirmier",
                "#Infirmière",
                "#IDE",
                "#Vesoul",
                "#HauteSaône",
                "#Santé70",
                "#Emploi"
            ]
        );
        let bare = vacancy(2, "ch-exemple", |v| {
            v["title_canonical"] = serde_json::Value::Null;
            v["places"] = serde_json::json!([]);
        });
        assert_eq!(of_offer(&bare, &[]), ["#SoinsInfirmiers", "#Emploi"]);
    }
}
