//! The live vacancies, read once for all exports that are made of the same state.

use super::{Publish, PublishError};
use crate::model::Vacancy;
use std::sync::{Arc, Mutex, Weak};

/// What was read last, for as long as somebody still uses it.
#[derive(Default)]
pub struct LastRead(Mutex<Option<(u64, Weak<Vec<Vacancy>>)>>);

impl Publish {
    /// Every live vacancy, by id. Whoever makes several documents keeps the answer meanwhile: it is
    /// then read and parsed once.
    pub(super) async fn live(&self) -> Result<Arc<Vec<Vacancy>>, PublishError> {
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
            live.iter()
                .filter_map(|public| {
                    let read = serde_json::from_slice::<Vacancy>(&public.body);
                    let unread = |error: &serde_json::Error| {
                        tracing::warn!(vacancy = %public.id, %error, "vacancy cannot be exported");
                    };
                    read.inspect_err(unread).ok()
                })
                .collect::<Vec<_>>()
        };
        let parsed = tokio::task::spawn_blocking(parse).await;
        let read = Arc::new(parsed.map_err(|error| PublishError::Index(error.into()))?);
        *held() = Some((head, Arc::downgrade(&read)));
        Ok(read)
    }
}
