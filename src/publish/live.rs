//! The live vacancies, read once for all exports that are made of the same state.

use super::{Publish, PublishError};
use crate::model::{MemberId, Vacancy};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

/// What was read last, for as long as somebody still uses it.
#[derive(Default)]
pub struct LastRead(Mutex<Option<(u64, Weak<Live>)>>);

/// Every live vacancy, by id.
pub struct Live {
    pub vacancies: Vec<Vacancy>,
    /// What tells whether a member's offers are those of before.
    pub own: BTreeMap<MemberId, Mark>,
}

/// How many offers, and the number of the newest change to one of them: an offer that left makes
/// the first smaller, and whatever came or changed makes the second larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    offers: usize,
    newest: u64,
}

impl Publish {
    /// Every live vacancy, by id. Whoever makes several documents keeps the answer meanwhile: it is
    /// then read and parsed once.
    pub(super) async fn live(&self) -> Result<Arc<Live>, PublishError> {
        let now = self.store().head().await?;
        let held = || self.last_read().0.lock().unwrap_or_else(|e| e.into_inner());
        let known = held().as_ref().and_then(|(head, read)| {
            let read = read.upgrade()?;
            (*head == now).then_some(read)
        });
        if let Some(known) = known {
            return Ok(known);
        }
        let (head, live) = self.store().snapshot().await?;
        let parse = move || {
            let mut read = Live {
                vacancies: Vec::with_capacity(live.len()),
                own: BTreeMap::new(),
            };
            for public in live {
                match serde_json::from_slice::<Vacancy>(&public.body) {
                    Ok(vacancy) => {
                        if let Some(member) = &vacancy.member {
                            let mark = read.own.entry(member.clone()).or_default();
                            mark.offers += 1;
                            mark.newest = mark.newest.max(public.seq);
                        }
                        read.vacancies.push(vacancy);
                    }
                    Err(error) => {
                        tracing::warn!(vacancy = %public.id, %error, "vacancy cannot be exported");
                    }
                }
            }
            read
        };
        let parsed = tokio::task::spawn_blocking(parse).await;
        let read = Arc::new(parsed.map_err(|error| PublishError::Index(error.into()))?);
        *held() = Some((head, Arc::downgrade(&read)));
        Ok(read)
    }
}
