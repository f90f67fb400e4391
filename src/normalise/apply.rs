//! How to apply: a public link, or a role address where the member allows it.

use super::input::Input;
use super::links;
use super::privacy;
use super::record::Record;
use crate::model::{Apply, Field, Member, Origin, Partner};

/// The application route. An address that is a person's is never given.
pub fn apply(input: &Input<'_>, member: Option<&Member>, record: &mut Record) -> Option<Apply> {
    let mut apply = Apply::default();
    for field in [Field::ApplyUrl, Field::ApplyEmail] {
        let Some(raw) = input.raw(field) else {
            continue;
        };
        for value in &raw.values {
            if apply.url.is_none()
                && let Some(url) = links::public(value).or_else(|| links::first_in(value))
            {
                apply.url = Some(url);
                let sure = if field == Field::ApplyUrl { 0.99 } else { 0.9 };
                record.mapped("/apply/url", raw, "apply.link", sure);
            }
        }
        if field == Field::ApplyUrl
            && apply.url.is_none()
            && privacy::addresses(raw.value()).is_empty()
        {
            record.find("apply.url_refused", "apply", &privacy::shown(raw.value()));
        }
    }
    for field in [Field::ApplyEmail, Field::ContactEmail, Field::ApplyUrl] {
        let Some(raw) = input.raw(field) else {
            continue;
        };
        let allowed = privacy::addresses(raw.value())
            .into_iter()
            .find(|address| privacy::role_allowed(address, member));
        if let Some(address) = allowed {
            record.set(
                "/apply/email",
                &raw.path,
                &address,
                "apply.role_address",
                0.97,
            );
            apply.email = Some(address);
            break;
        }
    }
    // The ad's own page is where one applies when nothing else is said.
    if apply == Apply::default()
        && let Some(raw) = input.raw(Field::Url)
        && let Some(url) = links::public(raw.value())
    {
        apply.url = Some(url);
        record.mapped("/apply/url", raw, "apply.page", 0.85);
    }
    if apply == Apply::default() {
        let phone = input.raw(Field::ContactPhone).is_some() || privacy::has_phone(input.text);
        record.find(
            if phone {
                "apply.phone_only"
            } else {
                "apply.absent"
            },
            "apply",
            "",
        );
    }
    (apply != Apply::default()).then_some(apply)
}

pub fn origin(input: &Input<'_>, record: &mut Record) -> Option<Origin> {
    let mut origin = Origin::default();
    if let Some(raw) = input.raw(Field::Url) {
        origin.url = links::public(raw.value());
        if origin.url.is_some() {
            record.mapped("/origin/url", raw, "origin.page", 0.99);
        }
    }
    let names = input
        .raw(Field::PartnerNames)
        .map_or(&[][..], |raw| &raw.values);
    let urls = input
        .raw(Field::PartnerUrls)
        .map_or(&[][..], |raw| &raw.values);
    for index in 0..names.len().max(urls.len()).min(20) {
        let partner = Partner {
            name: names
                .get(index)
                .map(|name| super::text::line(name))
                .filter(|name| !name.is_empty()),
            url: urls.get(index).and_then(|url| links::public(url)),
        };
        if partner != Partner::default() {
            origin.partners.push(partner);
        }
    }
    if let Some(raw) = input
        .raw(Field::PartnerUrls)
        .or_else(|| input.raw(Field::PartnerNames))
        && !origin.partners.is_empty()
    {
        record.mapped("/origin/partners", raw, "origin.partners", 0.99);
    }
    (origin != Origin::default()).then_some(origin)
}
