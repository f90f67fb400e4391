//! What a member file may not say.

use crate::model::{Mandate, Member};
use crate::pull::said::Said;

/// What the words of a member file get wrong: (key, what, remedy).
pub(super) fn faults(member: &Member) -> Vec<(String, Said, Said)> {
    let mut faults = Vec::new();
    let mut fault = |key: &str, message: (String, String), remedy: (&str, &str)| {
        faults.push((key.to_owned(), message.into(), remedy.into()));
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if member.id.is_empty() || !member.id.chars().all(plain) {
        let id = &member.id;
        let message = (
            format!("`{id}` n'est pas un identifiant"),
            format!("`{id}` is no id"),
        );
        fault(
            "id",
            message,
            (
                "minuscules sans accent, chiffres et traits d'union",
                "use lower-case letters, digits and hyphens",
            ),
        );
    }
    if member.name.trim().is_empty() {
        fault(
            "name",
            ("le nom est vide".to_owned(), "the name is empty".to_owned()),
            (
                "écrivez le nom que les candidats connaissent",
                "write the name that candidates know",
            ),
        );
    }
    let sites = &member.establishments;
    let sirets = member.siret.iter().map(|s| ("siret", s));
    let site_sirets = sites.iter().flat_map(|e| &e.siret);
    for (key, siret) in sirets.chain(site_sirets.map(|s| ("establishments.siret", s))) {
        if siret.len() != 14 || !siret.bytes().all(|b| b.is_ascii_digit()) {
            fault(
                key,
                (
                    format!("`{siret}` n'est pas un SIRET"),
                    format!("`{siret}` is no SIRET"),
                ),
                (
                    "écrivez ses 14 chiffres sans espaces",
                    "write its 14 digits without spaces",
                ),
            );
        }
    }
    let finess = member.finess.iter().map(|s| ("finess", s));
    let site_finess = sites.iter().flat_map(|e| &e.finess);
    for (key, number) in finess.chain(site_finess.map(|s| ("establishments.finess", s))) {
        if number.len() != 9 || !number.bytes().all(|b| b.is_ascii_alphanumeric()) {
            fault(
                key,
                (
                    format!("`{number}` n'est pas un numéro FINESS"),
                    format!("`{number}` is no FINESS number"),
                ),
                ("écrivez ses 9 caractères", "write its 9 characters"),
            );
        }
    }
    let company = member.linkedin.company_id.as_deref();
    if company.is_some_and(|id| id.is_empty() || !id.bytes().all(|b| b.is_ascii_digit())) {
        let remedy = (
            "écrivez le nombre qui se lit dans l'adresse d'administration de la page",
            "write the number in the address of the page's administration",
        );
        fault(
            "linkedin.company_id",
            (
                "l'identifiant de la page n'est pas un nombre".to_owned(),
                "the company id is no number".to_owned(),
            ),
            remedy,
        );
    }
    let address = |text: &str| {
        let parts = text.split_once('@');
        parts.is_some_and(|(name, host)| !name.is_empty() && host.contains('.'))
            && !text.contains(char::is_whitespace)
    };
    if let Some(email) = member.poster_email.as_deref().filter(|e| !address(e)) {
        let remedy = (
            "écrivez l'adresse sous laquelle les offres de la page sont publiées",
            "write the address under which the page's offers are posted",
        );
        fault(
            "poster_email",
            (
                format!("`{email}` n'est pas une adresse électronique"),
                format!("`{email}` is no e-mail address"),
            ),
            remedy,
        );
    }
    for role in &member.privacy.role_addresses {
        if !address(role) {
            let remedy = (
                "écrivez une adresse, ou *@domaine",
                "write an address, or *@domain",
            );
            fault(
                "privacy.role_addresses",
                (
                    format!("`{role}` n'est pas une adresse électronique"),
                    format!("`{role}` is no e-mail address"),
                ),
                remedy,
            );
        }
    }
    for (channel, mandate) in &member.mandates {
        let known = channel.0.chars().all(|c| plain(c) || c == '_') && !channel.0.is_empty();
        if !known || matches!(mandate, Mandate::Until(_)) && mandate.ends().is_none() {
            let key = format!("mandates.{}", channel.0);
            let remedy = (
                "écrivez `portal` ou le nom d'un profil d'export, et une vraie date",
                "use `portal` or the name of an export profile, and a real date",
            );
            fault(
                &key,
                (
                    "ce mandat ne peut pas être lu".to_owned(),
                    "this mandate cannot be read".to_owned(),
                ),
                remedy,
            );
        }
    }
    faults
}
