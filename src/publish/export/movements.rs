//! Files that say of each offer what becomes of it at the board: new, changed, or gone since the
//! last deposit.
//!
//! The ids of what was deposited are noted by whoever says that it was ([`Publish::deposited`]);
//! looking at a file deposits nothing. The file is whole all the same: what it does not name is
//! withdrawn, so that an offer which did not change is told as one that may have.

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
    /// Without offers that are not told of this time.
    pub fn without<'i>(&self, ids: impl Iterator<Item = &'i VacancyId>) -> Self {
        let mut left = self.clone();
        for id in ids {
            left.0.remove(&id.to_string());
        }
        left
    }

    /// With offers that stay as they were told.
    pub fn with<'i>(mut self, ids: impl Iterator<Item = &'i VacancyId>) -> Self {
        self.0.extend(ids.map(ToString::to_string));
        self
    }
}

/// The lines with their movements, those of offers that are gone, and what the board then has.
pub struct Moved {
    pub lines: Vec<Value>,
    pub gone: Vec<Value>,
    pub deposit: Deposit,
}

/// Compares the ready offers with the last deposit.
pub fn moved(movements: &Movements, ready: Vec<Value>, before: &Deposit) -> Moved {
    let word = |word: &str, context: Value| {
        let movement = Value::from(Serde(json!({ "movement": word })));
        merge_maps([movement, context])
    };
    let mut deposit = Deposit::default();
    let mut lines = Vec::with_capacity(ready.len());
    for context in ready {
        let id = context.get_attr("id").map(|id| id.to_string());
        let id = id.unwrap_or_default();
        let movement = match before.0.contains(&id) {
            true => &movements.modify,
            false => &movements.create,
        };
        deposit.0.insert(id);
        lines.push(word(movement, context));
    }
    let gone = before.0.difference(&deposit.0);
    let gone = gone
        .map(|id| word(&movements.delete, Value::from(Serde(json!({ "id": id })))))
        .collect();
    Moved {
        lines,
        gone,
        deposit,
    }
}

fn note(file: &str) -> String {
    format!("export.deposit/{file}")
}

impl Publish {
    /// What the board was given of `file` last.
    pub(super) async fn last_deposit(&self, file: &str) -> Result<Deposit, PublishError> {
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
