//! Links as identities: what is left of an address when tracking is taken away.

use super::text;

/// Query parameters that name the offer; every other one is tracking or display.
const NAMING: [&str; 22] = [
    "id",
    "offreid",
    "offre",
    "offer",
    "offerid",
    "idoffre",
    "id_offre",
    "job",
    "jobid",
    "job_id",
    "jid",
    "jk",
    "gh_jid",
    "ref",
    "reference",
    "refoffre",
    "vacancy",
    "vacancyid",
    "annonce",
    "idannonce",
    "req",
    "reqid",
];

/// A link that may identify one offer: host without `www.`, path without its trailing slash, the
/// naming parameters sorted. `None` where nothing in it names an offer (a home page, a search, a
/// France Travail page, which every copy there has of its own).
pub fn canonical(link: &str) -> Option<String> {
    let url = url::Url::parse(link.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") {
        return None;
    }
    let host = url
        .host_str()?
        .trim_start_matches("www.")
        .to_ascii_lowercase();
    if ["francetravail.fr", "pole-emploi.fr"]
        .iter()
        .any(|own| host == *own || host.ends_with(&format!(".{own}")))
    {
        return None;
    }
    let path = url.path().trim_end_matches('/');
    let mut parameters: Vec<String> = url
        .query_pairs()
        .filter(|(name, value)| {
            !value.is_empty() && NAMING.contains(&name.to_ascii_lowercase().as_str())
        })
        .map(|(name, value)| format!("{}={value}", name.to_ascii_lowercase()))
        .collect();
    parameters.sort();
    parameters.dedup();
    // Something must name one offer: a digit in path or parameters, or a long slug.
    let named = path.bytes().any(|b| b.is_ascii_digit())
        || !parameters.is_empty()
        || path.rsplit('/').next().is_some_and(|slug| slug.len() >= 16);
    named.then(|| {
        let mut text = format!("{host}{path}");
        for parameter in parameters {
            text.push('&');
            text.push_str(&parameter);
        }
        text
    })
}

/// Identity and host of a link.
pub fn keys(link: &str) -> Option<(u64, u64)> {
    let canonical = canonical(link)?;
    let host = canonical.split('/').next().unwrap_or_default();
    Some((
        text::hash(canonical.as_bytes()),
        text::hash(host.as_bytes()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracking_falls_away_and_identity_stays() {
        let table = [
            (
                "https://www.jobs.example/offre/816871.php?utm_source=x&utm_medium=y",
                Some("jobs.example/offre/816871.php"),
            ),
            (
                "http://jobs.example/detail_offre?offreId=156&provenance=pe",
                Some("jobs.example/detail_offre&offreid=156"),
            ),
            (
                "https://jobs.example/detail?b=1&id=7&a=2",
                Some("jobs.example/detail&id=7"),
            ),
            ("https://jobs.example/", None),
            ("https://jobs.example/carrieres", None),
            (
                "https://candidat.francetravail.fr/offres/recherche/detail/0007895",
                None,
            ),
            ("mailto:rh@ch.example", None),
            ("Pour postuler, utiliser le lien", None),
        ];
        for (link, expected) in table {
            assert_eq!(canonical(link).as_deref(), expected, "{link}");
        }
    }
}
