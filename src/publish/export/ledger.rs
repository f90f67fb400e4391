//! What a board was given and will not change: for LinkedIn, the title of a job id.
//!
//! Kept as notes of the store, one an offer and profile, from the first export that held the offer
//! to the first that no longer does. Rendering does not depend on it: the same offers give the same
//! bytes, and the preflight tells what the board makes of them.

use super::{ExportError, context::Bench, preflight::Blocker, profile::Profile, tree};
use crate::{
    model::{Vacancy, VacancyId},
    publish::{Publish, PublishError},
};
use minijinja::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Path → value, of the fields that are fixed.
pub type Sent = BTreeMap<String, String>;
/// What a board has of each offer.
pub type Ledger = BTreeMap<VacancyId, Sent>;

fn prefix(profile: &Profile) -> String {
    format!("export.sent/{}/", profile.name)
}

/// The fixed fields of a ready offer as they go out now.
pub fn of(bench: &Bench<'_>, context: &Value) -> Result<Sent, ExportError> {
    let mut sent = Sent::new();
    for line in bench.profile.fields.iter().filter(|line| line.fixed) {
        if let Some(value) = bench.value(line, context)? {
            sent.insert(line.path.clone(), tree::text(&value));
        }
    }
    Ok(sent)
}

/// What to tell of an offer of which the board has `before`, and that would go out as `now`.
pub fn notices(profile: &Profile, before: &Sent, now: &Sent) -> Vec<Blocker> {
    let board = &profile.title;
    before
        .iter()
        .filter_map(|(path, old)| {
            let new = now.get(path).filter(|new| *new != old)?;
            Some(Blocker {
                rule: format!("{path}.changed"),
                field: path.clone(),
                value: format!("{old} → {new}").chars().take(200).collect(),
                fr: format!(
                    "« {path} » a changé depuis l’envoi à {board}, qui garde « {old} » : une autre valeur est pour lui une nouvelle offre, sous un nouvel identifiant. Rétablissez l’ancienne, ou fermez l’offre et publiez-la comme une nouvelle."
                ),
                en: format!(
                    "{path:?} has changed since {board} got the offer, and {board} keeps {old:?}: another value is a new job id for it. Restore the old one, or close the offer and publish it as a new one."
                ),
            })
        })
        .collect()
}

impl Publish {
    /// What the board of `profile` was given.
    pub(super) async fn ledger(&self, profile: &Profile) -> Result<Ledger, PublishError> {
        if !profile.fields.iter().any(|line| line.fixed) {
            return Ok(Ledger::new());
        }
        let prefix = prefix(profile);
        let notes = self.store().notes(&prefix).await?;
        Ok(notes
            .into_iter()
            .filter_map(|(key, value)| {
                let id = key.strip_prefix(&prefix)?.parse().ok()?;
                Some((id, serde_json::from_str(&value).ok()?))
            })
            .collect())
    }

    /// Remembers what an export over `asked` gave away, and forgets what it no longer holds.
    pub(super) async fn remember(
        &self,
        profile: &Profile,
        before: &Ledger,
        asked: &Asked,
        fixed: Vec<(VacancyId, Sent)>,
    ) {
        let prefix = prefix(profile);
        let key = |id: &VacancyId| format!("{prefix}{id}");
        let ready: BTreeSet<VacancyId> = fixed.iter().map(|(id, _)| *id).collect();
        let mut notes: Vec<(String, Option<String>)> = before
            .keys()
            .filter(|id| !ready.contains(id) && asked.covers(id))
            .map(|id| (key(id), None))
            .collect();
        notes.extend(fixed.iter().filter_map(|(id, sent)| {
            let new = !before.contains_key(id);
            new.then(|| (key(id), serde_json::to_string(sent).ok()))
        }));
        if notes.is_empty() {
            return;
        }
        // The export itself is whole: it is not refused for want of a note.
        if let Err(error) = self.store().write_notes(notes).await {
            tracing::warn!(profile = profile.name, %error, "what the board was given is not noted");
        }
    }
}

/// Which offers an export was asked about.
pub enum Asked {
    /// All but those that go into another file.
    AllBut(BTreeSet<VacancyId>),
    These(BTreeSet<VacancyId>),
}

impl Asked {
    pub fn about(
        vacancies: &[Arc<Vacancy>],
        one_member: bool,
        elsewhere: BTreeSet<VacancyId>,
    ) -> Self {
        if one_member {
            Self::These(vacancies.iter().map(|v| v.id).collect())
        } else {
            Self::AllBut(elsewhere)
        }
    }

    fn covers(&self, id: &VacancyId) -> bool {
        match self {
            Self::AllBut(others) => !others.contains(id),
            Self::These(ids) => ids.contains(id),
        }
    }
}
