//! People stay private (law 6): names, mail addresses and telephone numbers in public text.
//!
//! Masks stand where the data stood, so a reader sees that something was taken out. Role addresses
//! (`recrutement@…`) stay where the member's file allows them.

mod addresses;
mod names;

pub use addresses::{addresses, has_phone, role_allowed};
pub use names::{is_first_name, is_institution};

use super::fold::key;
use super::text::{Document, line};
use crate::model::{Contact, ContactKind, Draft, Field, Member};
use addresses::{MAIL, PROFILE, may_hold_mail, phones};
use names::{contact_names, people};
use std::ops::Range;

pub const MAIL_MASK: &str = "[e-mail masqué]";
pub const PHONE_MASK: &str = "[téléphone masqué]";
pub const NAME_MASK: &str = "[nom masqué]";

/// What is known of the people and rules of one draft.
#[derive(Debug, Default)]
pub struct Masker<'a> {
    member: Option<&'a Member>,
    /// Folded names of contacts that the source gives in a field, longest first.
    names: Vec<String>,
}

/// Contacts of one ad that are kept at most.
const CONTACTS: usize = 20;

fn kind_of(mask: &str) -> ContactKind {
    match mask {
        MAIL_MASK => ContactKind::Email,
        PHONE_MASK => ContactKind::Phone,
        _ => ContactKind::Name,
    }
}

/// Everything of people that the draft's fields give or that was masked in its texts.
pub fn contacts(draft: &Draft, masked: Masked) -> Vec<Contact> {
    let mut all = Masked::default();
    for (field, kind, name) in [
        (Field::ContactName, ContactKind::Name, "contact_name"),
        (Field::ContactEmail, ContactKind::Email, "contact_email"),
        (Field::ContactPhone, ContactKind::Phone, "contact_phone"),
    ] {
        for value in draft.get(field).iter().flat_map(|raw| &raw.values) {
            let value: String = value.chars().take(200).collect();
            all.keep(kind, &value, name);
        }
    }
    for contact in masked.kept {
        all.keep(contact.kind, &contact.value, &contact.field);
    }
    all.kept
}

/// How much was masked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masked {
    pub mails: usize,
    pub phones: usize,
    pub names: usize,
    /// What stood under the masks, for the member alone.
    pub kept: Vec<Contact>,
}

impl Masked {
    pub fn total(&self) -> usize {
        self.mails + self.phones + self.names
    }

    fn keep(&mut self, kind: ContactKind, value: &str, field: &str) {
        let value = line(value);
        let known = self
            .kept
            .iter()
            .any(|kept| kept.kind == kind && kept.value == value);
        if !known && !value.is_empty() && self.kept.len() < CONTACTS {
            self.kept.push(Contact {
                kind,
                value,
                field: field.to_owned(),
            });
        }
    }

    /// "2 e-mails, 1 téléphone, 1 nom"
    pub fn words(&self) -> String {
        [
            (self.mails, "e-mail"),
            (self.phones, "téléphone"),
            (self.names, "nom"),
        ]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}{}", if *count > 1 { "s" } else { "" }))
        .collect::<Vec<_>>()
        .join(", ")
    }
}

impl<'a> Masker<'a> {
    pub fn new(draft: &Draft, member: Option<&'a Member>) -> Self {
        let employer = draft
            .value(Field::EmployerName)
            .map(key)
            .unwrap_or_default();
        let mut names = Vec::new();
        if let Some(raw) = draft.get(Field::ContactName) {
            for value in &raw.values {
                for name in contact_names(&line(value)) {
                    // A contact that is the employer itself is nobody.
                    if !employer.is_empty()
                        && (employer.contains(&name) || name.contains(&employer))
                    {
                        continue;
                    }
                    names.push(name);
                }
            }
        }
        names.sort_by_key(|name| std::cmp::Reverse(name.len()));
        names.dedup();
        Self { member, names }
    }

    /// Masks a whole document, block by block, whatever tags stand in between.
    pub fn document(&self, document: &mut Document) -> Masked {
        let mut masked = Masked::default();
        for block in &mut document.blocks {
            let text = block.text();
            let edits = self.edits(&text, &mut masked);
            if !edits.is_empty() {
                block.replace(&edits);
            }
            for run in &mut block.runs {
                if run
                    .href
                    .as_deref()
                    .is_some_and(|href| !addresses(href).is_empty())
                {
                    run.href = None;
                }
            }
        }
        masked
    }

    /// Masks one line.
    pub fn line(&self, text: &str, masked: &mut Masked) -> String {
        self.changed(text, masked)
            .unwrap_or_else(|| text.to_owned())
    }

    /// The masked line, where anything had to be masked.
    pub fn changed(&self, text: &str, masked: &mut Masked) -> Option<String> {
        let edits = self.edits(text, masked);
        if edits.is_empty() {
            return None;
        }
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for (range, mask) in edits {
            out.push_str(&text[at..range.start]);
            out.push_str(&mask);
            at = range.end;
        }
        out.push_str(&text[at..]);
        Some(out)
    }

    fn edits(&self, text: &str, masked: &mut Masked) -> Vec<(Range<usize>, String)> {
        let mut found: Vec<(Range<usize>, &str)> = Vec::new();
        if may_hold_mail(text) {
            for mail in MAIL.iter().flat_map(|regex| regex.find_iter(text)) {
                if !role_allowed(mail.as_str(), self.member) {
                    found.push((mail.range(), MAIL_MASK));
                }
            }
        }
        for phone in phones(text) {
            found.push((phone, PHONE_MASK));
        }
        if text.contains("/in/") {
            let profiles = PROFILE.iter().flat_map(|regex| regex.find_iter(text));
            found.extend(profiles.map(|found| (found.range(), NAME_MASK)));
        }
        for name in people(text, &self.names) {
            found.push((name, NAME_MASK));
        }
        found.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
        let mut edits: Vec<(Range<usize>, String)> = Vec::new();
        for (range, mask) in found {
            if let Some((last, _)) = edits.last_mut()
                && range.start < last.end
            {
                // What overlaps goes under the same mask.
                last.end = last.end.max(range.end);
                continue;
            }
            match mask {
                MAIL_MASK => masked.mails += 1,
                PHONE_MASK => masked.phones += 1,
                _ => masked.names += 1,
            }
            edits.push((range, mask.to_owned()));
        }
        for (range, mask) in &edits {
            masked.keep(kind_of(mask), &text[range.clone()], "text");
        }
        edits
    }
}

/// A value for a finding, with nobody in it.
pub fn shown(value: &str) -> String {
    Masker::default().line(&line(value), &mut Masked::default())
}

#[cfg(test)]
mod tests;
