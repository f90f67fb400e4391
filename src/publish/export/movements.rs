//! Files that say of each offer what becomes of it at the board: new, changed, or gone since the
//! last deposit.
//!
//! The ids of what was deposited are noted by whoever says that it was ([`Publish::deposited`]);
//! looking at a file deposits nothing. The file is whole all the same: what it does not name is
//! withdrawn, so that an offer which did not change is told as one that may have.

use super::profile::Profile;
use crate::{
    model::VacancyId,
    publish::{Publish, PublishError},
};
use minijinja::{
    Value,
    value::{Serde, merge_maps},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeSet;

/// How a board is told, as data of the profile.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Movements {
    /// The word for a line that was not in the last deposit, for one that was in it, and for one
    /// that no longer is: what the expression `movement` gives.
    pub create: String,
    pub modify: String,
    pub delete: String,
    /// The fields of a line that says that its offer is gone.
    pub on_delete: Vec<String>,
}

/// The ids of what a board was given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deposit(BTreeSet<String>);

impl Deposit {
    pub fn of<'i>(ids: impl Iterator<Item = &'i VacancyId>) -> Self {
        Self(ids.map(ToString::to_string).collect())
    }

    pub fn has(&self, id: &VacancyId) -> bool {
        !self.0.is_empty() && self.0.contains(&id.to_string())
    }
}

/// The names of an offer, and what becomes of it at the board.
pub fn told(word: &str, offer: &Value) -> Value {
    let movement = Value::from(Serde(json!({ "movement": word })));
    merge_maps([movement, offer.clone()])
}

/// The names of each offer of the last deposit that is not in this one.
pub fn gone(movements: &Movements, before: &Deposit, now: &Deposit) -> Vec<Value> {
    let gone = before.0.difference(&now.0);
    let names = |id: &String| Value::from(Serde(json!({ "id": id })));
    gone.map(|id| told(&movements.delete, &names(id))).collect()
}

fn note(file: &str) -> String {
    format!("export.deposit/{file}")
}

impl Publish {
    /// What the board was given of `file` last; nothing where `profile` tells no movements.
    pub(super) async fn last_deposit(
        &self,
        profile: &Profile,
        file: &str,
    ) -> Result<Deposit, PublishError> {
        if profile.movements.is_none() {
            return Ok(Deposit::default());
        }
        let text = self.store().meta(&note(file)).await?;
        Ok(text
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default())
    }

    /// Notes that the board has been given `export`: the next one tells what became of it.
    ///
    /// # Errors
    /// The store's; the same file may then be told again, which changes nothing at the board.
    pub async fn deposited(&self, export: &super::Export) -> Result<(), PublishError> {
        let Some(deposit) = &export.deposit else {
            return Ok(());
        };
        let text = serde_json::to_string(deposit).map_err(|e| PublishError::Index(e.into()))?;
        let notes = vec![(note(&export.file), Some(text))];
        Ok(self.store().write_notes(notes).await?)
    }
}
