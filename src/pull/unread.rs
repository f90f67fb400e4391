//! Why a source could not be read, for an admin: what the readers say for logs, told in French.

use super::said::Said;
use regex::Regex;
use std::sync::LazyLock;

/// What a reader says, and what it means; the first that fits.
const MEANT: &[(&str, &str)] = &[
    (
        r"answered HTTP (404|410)",
        "cette adresse n'existe pas, ou plus (HTTP $1) ; vérifiez-la dans un navigateur",
    ),
    (
        r"answered HTTP (401|403|407)",
        "l'accès est refusé (HTTP $1) ; vérifiez la clef, ou demandez l'accès au fournisseur",
    ),
    (
        r"answered HTTP 429",
        "le site demande de patienter (HTTP 429) ; réessayez plus tard, ou donnez une `rate` plus basse sous [source]",
    ),
    (
        r"answered HTTP (5\d\d)",
        "le site est en panne (HTTP $1) ; réessayez plus tard",
    ),
    (
        r"answered HTTP (\d+)",
        "le site refuse la demande (HTTP $1) ; vérifiez l'adresse et les paramètres",
    ),
    (
        r"the name cannot be resolved",
        "aucun site ne porte ce nom (DNS) ; vérifiez l'adresse",
    ),
    (
        r"(\S+) is a private address",
        "$1 est une adresse privée, que le service ne lit pas ; si c'est voulu, ajoutez-la à allow_hosts sous [fetch] dans les réglages",
    ),
    (
        r"no answer within (\d+) s|no whole answer within (\d+) s",
        "pas de réponse en $1$2 s ; réessayez plus tard, ou vérifiez l'adresse",
    ),
    (
        r"(?i)no answer: .*(certificate|tls|handshake|corrupt message)",
        "la connexion chiffrée est refusée, ou le certificat du site n'est pas valable ; demandez au fournisseur de le corriger",
    ),
    (
        r"(?i)no answer: .*(connection refused|unreachable)",
        "rien ne répond à cette adresse ; vérifiez le nom et le port",
    ),
    (
        r"no answer",
        "le site ne répond pas ; réessayez plus tard, ou vérifiez l'adresse",
    ),
    (
        r"redirected more than (\d+) times",
        "l'adresse renvoie plus de $1 fois vers une autre ; donnez celle où la chaîne s'arrête",
    ),
    (
        r"must be left alone",
        "le site demande aux robots de ne pas lire ces pages (robots.txt) ; demandez-lui son accord, ou un flux",
    ),
    (
        r"is no address that can be fetched",
        "ce n'est pas une adresse qui se lit ; elle commence par https://, http:// ou sftp://",
    ),
    (
        r"the file (\S+) cannot be read",
        "le fichier $1 ne peut pas être lu ; vérifiez son chemin et ses droits",
    ),
    (
        r"broke off|ends within|ends too early|is not closed|has no line end|are declared|declares \d+ records",
        "la réponse s'est coupée avant la fin ; rien ne se ferme, recommencez",
    ),
    (
        r"the document is <(html|HTML)>|at byte \d+: ",
        "la réponse n'est pas du format attendu (page d'accueil, de connexion ou d'erreur ?) ; ouvrez l'adresse dans un navigateur",
    ),
    (
        r"the document is <(\S+)> and has nothing at (\S+)",
        "le document est <$1> et n'a rien à $2 ; vérifiez `path` sous [records]",
    ),
    (
        r"nothing on the page matches (\S+)",
        "rien sur la page ne répond à $1 ; vérifiez `select` sous [source.html]",
    ),
    (
        r"repeats what earlier pages had",
        "une page répète les précédentes ; vérifiez [source.paging]",
    ),
];

static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let compiled = MEANT.iter().map(|(said, french)| {
        let rule = Regex::new(said);
        debug_assert!(rule.is_ok(), "{said} is no expression");
        Some((rule.ok()?, *french))
    });
    compiled.flatten().collect()
});

/// The reason `english` in both languages; one that is not among the usual stays as it is, after a
/// French word that says so.
pub fn said(english: &str) -> Said {
    let french = RULES.iter().find_map(|(rule, french)| {
        let found = rule.captures(english)?;
        let mut out = String::new();
        found.expand(french, &mut out);
        Some(out)
    });
    let french = french.unwrap_or_else(|| "la source ne peut pas être lue".to_owned());
    (french, english).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::FetchError;
    use std::io;
    use std::time::Duration;

    #[test]
    fn every_way_to_fail_is_told_in_french() {
        assert_eq!(RULES.len(), MEANT.len());
        let url = || "https://rh.example/flux".to_owned();
        let status = |status| FetchError::Status {
            url: url(),
            status,
            text: "<h1>Erreur</h1>".into(),
            retry_after: None,
        };
        let (limit, after) = (5, Duration::from_secs(30));
        let source = || io::Error::other("x");
        for (error, wanted) in [
            (status(404), "n'existe pas, ou plus (HTTP 404)"),
            (status(403), "l'accès est refusé (HTTP 403)"),
            (status(429), "de patienter"),
            (status(503), "en panne (HTTP 503)"),
            (status(418), "refuse la demande (HTTP 418)"),
            (
                FetchError::Resolve {
                    url: url(),
                    source: source(),
                },
                "(DNS)",
            ),
            (
                FetchError::TimedOut { url: url(), after },
                "pas de réponse en 30 s",
            ),
            (
                FetchError::Private {
                    url: url(),
                    address: "10.0.0.7".into(),
                },
                "10.0.0.7 est une adresse privée",
            ),
            (
                FetchError::Redirects { url: url(), limit },
                "renvoie plus de 5 fois",
            ),
            (
                FetchError::Robots {
                    url: url(),
                    why: "x".into(),
                },
                "robots.txt",
            ),
            (
                FetchError::Address {
                    url: "x:".into(),
                    why: "x".into(),
                },
                "une adresse qui se lit",
            ),
            (
                FetchError::Body {
                    url: url(),
                    source: source(),
                },
                "s'est coupée",
            ),
            (
                FetchError::File {
                    path: "/offres.csv".into(),
                    source: source(),
                },
                "le fichier /offres.csv ne peut pas être lu",
            ),
        ] {
            let said = said(&error.chain());
            assert!(said.fr.contains(wanted), "{wanted}: {said:?}");
            assert_eq!(said.en, error.chain());
        }
        for (english, wanted) in [
            (
                "https://rh.example/flux: no answer: error sending request: invalid peer certificate: Expired",
                "le certificat du site",
            ),
            (
                "https://rh.example/flux: no answer: tcp connect error: Connection refused (os error 111)",
                "rien ne répond",
            ),
            (
                "https://rh.example/flux: at byte 0: no JSON",
                "du format attendu",
            ),
            (
                "https://rh.example/flux: the document is <jobs> and has nothing at `source.job`",
                "<jobs> et n'a rien à `source.job`",
            ),
            ("a thing that nobody foresaw", "ne peut pas être lue"),
        ] {
            assert!(said(english).fr.contains(wanted), "{english}");
        }
    }
}
