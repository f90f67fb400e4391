//! Web addresses: which may be published, and in which form.

use url::Url;

/// Parameters that follow a reader and mean nothing to the page.
fn is_tracking(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("utm_")
        || name.starts_with("mtm_")
        || matches!(
            name.as_str(),
            "gclid" | "fbclid" | "msclkid" | "dclid" | "mc_cid" | "mc_eid" | "xtor" | "at_medium"
        )
}

/// The public form of an address: absolute http or https, no credentials, no campaign parameters,
/// nobody's mail address in it. `None` for everything else (`javascript:`, `mailto:`, relative).
pub fn public(raw: &str) -> Option<String> {
    let raw = raw.trim();
    if raw.len() > 2_000 || !has_web_scheme(raw) {
        return None;
    }
    let mut url = Url::parse(raw).ok()?;
    if !url.username().is_empty() || url.password().is_some() || url.host_str()?.is_empty() {
        return None;
    }
    let host = url.host_str()?;
    if !host.contains('.') && !host.contains(':') && host != "localhost" {
        return None;
    }
    if raw.contains('@') || raw.contains("%40") {
        return None;
    }
    // A recruiter's own page is a person's data, and no way to apply.
    if host.ends_with("linkedin.com") && url.path().starts_with("/in/") {
        return None;
    }
    if url.query().is_some_and(|query| query.contains('=')) {
        let kept: Vec<&str> = url
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !is_tracking(pair.split('=').next().unwrap_or_default()))
            .collect();
        let kept = kept.join("&");
        url.set_query((!kept.is_empty()).then_some(kept.as_str()));
    }
    // A backslash before a quote is an escape to careless readers, this one included.
    Some(String::from(url).replace('\\', "%5C"))
}

fn has_web_scheme(raw: &str) -> bool {
    let lower = raw.get(..8).unwrap_or(raw).to_ascii_lowercase();
    lower.starts_with("http://") || lower.starts_with("https://")
}

/// The first web address in a sentence ("Pour postuler, utiliser le lien suivant : https://…").
pub fn first_in(text: &str) -> Option<String> {
    let at = text.find("http://").or_else(|| text.find("https://"))?;
    let end = text[at..]
        .find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '|'))
        .map_or(text.len(), |length| at + length);
    public(text[at..end].trim_end_matches(['.', ',', ';', ')', '!', '?']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_web_addresses_are_public() {
        let cases = [
            (
                "https://emploi.example/1?utm_source=x&id=3",
                Some("https://emploi.example/1?id=3"),
            ),
            ("HTTPS://Emploi.example", Some("https://emploi.example/")),
            ("javascript:alert(1)", None),
            ("mailto:a@b.example", None),
            ("https://user:pass@emploi.example/", None),
            ("https://emploi.example/?to=a%40b.example", None),
            ("/offre/3", None),
        ];
        for (raw, wanted) in cases {
            assert_eq!(public(raw).as_deref(), wanted, "{raw}");
        }
        assert_eq!(
            first_in("Lien : https://emploi.example/a.").as_deref(),
            Some("https://emploi.example/a")
        );
    }
}
