//! Mail addresses, telephone numbers and profiles in a text, and which of them a member lets out.

use super::PHONE_MASK;
use crate::model::Member;
use crate::normalise::fold::fold;
use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

pub(super) static MAIL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)[\p{L}\p{N}][\p{L}\p{N}._%+'-]*(?:[@＠][\p{L}\p{N}][\p{L}\p{N}.-]*|(?:\s[@＠]\s|\s?[(\[{]\s?(?:at|arobase|@)\s?[)\]}]\s?|\sarobase\s|\s(?-i:AT)\s)[\p{L}\p{N}][\p{L}\p{N}-]*(?:(?:\.|\s?[(\[{]\s?(?:point|dot|\.)\s?[)\]}]\s?|\s(?:point|dot)\s)[\p{L}\p{N}-]+)+)",
    )
    .ok()
});
pub(super) static PHONE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?:\+|00)[ \t\n\u{a0}\u{202f}]?[0-9]{2,3}(?:[ \t\n\u{a0}\u{202f}.()/-]{0,3}[0-9]){7,11}|0[ \u{a0}]?[1-9](?:(?:[ \t\n\u{a0}\u{202f}.\-/_]{0,3}[0-9]{2}){4}|[0-9]{2}[ \u{a0}.-][0-9]{3}[ \u{a0}.-][0-9]{3}|[ \u{a0}.-][0-9]{3}[ \u{a0}.-][0-9]{3}[ \u{a0}.-][0-9]{2}|[ \u{a0}.-][0-9]{2}[ \u{a0}.-][0-9]{3}[ \u{a0}.-][0-9]{3})",
    )
    .ok()
});
/// A person's page: an address of the person all the same.
pub(super) static PROFILE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)(?:https?://)?(?:[a-z]{2,3}\.)?linkedin\.com/in/[^\s<>\x22]+").ok()
});

pub(super) fn phones(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    // The shortest number has nine digits.
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    PHONE
        .iter()
        .filter(move |_| digits >= 9)
        .flat_map(move |regex| regex.find_iter(text))
        .filter(|found| {
            let next = text[found.end()..].chars().next();
            let number = found.as_str();
            let before = &text[..found.start()];
            match before.chars().next_back() {
                Some(c) if c.is_ascii_digit() => return false,
                // "REF0612345678" is no telephone; "Mme X06 12 34 56 78" ends with one.
                Some(c)
                    if c.is_alphabetic() && number.bytes().all(|byte| byte.is_ascii_digit()) =>
                {
                    return false;
                }
                _ => {}
            }
            if next.is_some_and(|c| c.is_ascii_digit()) {
                return false;
            }
            // "2025-0612345678" is a reference.
            let tail = before.as_bytes();
            if let [.., joined, b'-' | b'_'] = tail
                && joined.is_ascii_digit()
                && number.bytes().all(|byte| byte.is_ascii_digit())
            {
                return false;
            }
            if number.starts_with(['+']) || number.starts_with("00") {
                return true;
            }
            // A date and an hour ("01/09/2025 08") have groups of several lengths and signs.
            let groups: Vec<&str> = number
                .split(|c: char| !c.is_ascii_digit())
                .filter(|group| !group.is_empty())
                .collect();
            let slashes = number.matches('/').count();
            let year = groups.iter().skip(1).any(|group| {
                group.len() == 4 && (group.starts_with("19") || group.starts_with("20"))
            });
            let clear = groups.len() == 1 || groups.iter().all(|group| group.len() <= 3) || !year;
            clear
                && (slashes == 0 || slashes == groups.len() - 1)
                && !(groups.len() > 1 && groups.len() < 4 && slashes > 0)
        })
        .map(|found| found.range())
}

pub fn has_phone(text: &str) -> bool {
    text.contains(PHONE_MASK) || phones(text).next().is_some()
}

/// Whether a text has a sign of an address: "@", or "at" and the like in brackets.
pub(super) fn may_hold_mail(text: &str) -> bool {
    text.contains(['@', '＠'])
        || text.contains("arobase")
        || text.contains(" AT ")
        || (text.contains(['(', '[', '{'])
            && text.match_indices(['(', '[', '{']).any(|(at, _)| {
                let inside = text[at + 1..].trim_start().as_bytes();
                ["at", "arobase"].iter().any(|word| {
                    inside
                        .get(..word.len())
                        .is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()))
                })
            }))
}

/// The mail addresses in a text, in lower case, put together where they were spelt apart.
pub fn addresses(text: &str) -> Vec<String> {
    if !may_hold_mail(text) {
        return Vec::new();
    }
    MAIL.iter()
        .flat_map(|regex| regex.find_iter(text))
        .filter_map(|found| plain_address(found.as_str()))
        .collect()
}

fn plain_address(text: &str) -> Option<String> {
    let lower = text.to_lowercase();
    let at = lower.find(['@', '＠', '(', '[', '{'])?;
    let local = lower[..at].trim();
    let domain =
        lower[at..].trim_start_matches(|c: char| !matches!(c, ')' | ']' | '}' | '@' | '＠'));
    let domain = domain
        .trim_start_matches(|c: char| !c.is_alphanumeric())
        .trim_end_matches('.');
    (!local.is_empty() && domain.contains('.') && !domain.contains(' '))
        .then(|| format!("{local}@{domain}"))
}

/// Words that a role's address is made of; a person's is not.
const ROLES: [&str; 30] = [
    "recrutement",
    "recrutements",
    "recruitment",
    "recrute",
    "recruteur",
    "rh",
    "drh",
    "grh",
    "srh",
    "emploi",
    "emplois",
    "job",
    "jobs",
    "candidature",
    "candidatures",
    "contact",
    "accueil",
    "info",
    "infos",
    "secretariat",
    "direction",
    "mobilite",
    "carriere",
    "carrieres",
    "talents",
    "ressourceshumaines",
    "ressources",
    "humaines",
    "personnel",
    "stages",
];

/// Whether the member lets this address be published: named as it is, or by `*@domain` when it is
/// a role's.
pub fn role_allowed(address: &str, member: Option<&Member>) -> bool {
    let (Some(member), Some(address)) = (member, plain_address(address)) else {
        return false;
    };
    let Some((local, domain)) = address.split_once('@') else {
        return false;
    };
    let is_role = fold(local)
        .split(|c: char| !c.is_alphanumeric())
        .any(|part| ROLES.contains(&part.trim_end_matches(|c: char| c.is_ascii_digit())));
    member.privacy.role_addresses.iter().any(|pattern| {
        let pattern = pattern.to_lowercase();
        match pattern.split_once('@') {
            Some(("*", wanted)) => wanted == domain && is_role,
            Some((wanted, "*" | "…")) => wanted == local,
            _ => pattern == address,
        }
    })
}
