//! The live vacancies, read once for all exports that are made of the same state.

use super::{Publish, PublishError};
use crate::model::{MemberId, Vacancy, VacancyId};
use crate::store::PublicVacancy;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, Weak};

/// Offers that are remembered when nobody uses them; of more than these, none is.
const REMEMBERED: usize = 5_000;

/// What was read last, for as long as somebody still uses it; longer, if it is small.
#[derive(Default)]
pub struct LastRead(Mutex<Option<Read>>);

struct Read {
    head: u64,
    live: Reading,
}

enum Reading {
    Small(Arc<Live>),
    Large(Weak<Live>),
}

impl Reading {
    fn get(&self) -> Option<Arc<Live>> {
        match self {
            Self::Small(live) => Some(Arc::clone(live)),
            Self::Large(live) => live.upgrade(),
        }
    }
}

/// Every live vacancy, by id.
pub struct Live {
    pub vacancies: Vec<Arc<Vacancy>>,
    /// Live too, but this program cannot read them.
    pub unread: BTreeSet<VacancyId>,
    /// What tells whether a member's offers are those of before.
    pub own: BTreeMap<MemberId, Mark>,
    /// Of each vacancy, the number of the change that its body is of.
    numbers: Vec<u64>,
}

/// How many offers, and the number of the newest change to one of them: an offer that left makes
/// the first smaller, and whatever came or changed makes the second larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    offers: usize,
    newest: u64,
}

impl LastRead {
    /// The store is not the one that was read.
    pub fn forget(&self) {
        *self.0.lock().unwrap_or_else(|e| e.into_inner()) = None;
    }
}

impl Publish {
    /// Every live vacancy, by id. Whoever makes several documents keeps the answer meanwhile: it is
    /// then read and parsed once.
    pub(super) async fn live(&self) -> Result<Arc<Live>, PublishError> {
        let now = self.store().head().await?;
        let held = || self.last_read().0.lock().unwrap_or_else(|e| e.into_inner());
        let last = held()
            .as_ref()
            .and_then(|last| Some((last.head, last.live.get()?)));
        let before = match last {
            Some((head, known)) if head == now => return Ok(known),
            last => last.map(|(_, known)| known),
        };
        let (head, live) = self.store().snapshot().await?;
        let parsed = tokio::task::spawn_blocking(move || Live::parse(live, before.as_deref()));
        let parsed = parsed.await;
        let read = Arc::new(parsed.map_err(|error| PublishError::Index(error.into()))?);
        let live = match read.is_remembered() {
            true => Reading::Small(Arc::clone(&read)),
            false => Reading::Large(Arc::downgrade(&read)),
        };
        *held() = Some(Read { head, live });
        Ok(read)
    }
}

impl Live {
    /// Whether the very readings are remembered.
    pub fn is_remembered(&self) -> bool {
        self.vacancies.len() <= REMEMBERED
    }

    /// Reads bodies; those that `before` has are not read again.
    fn parse(live: Vec<PublicVacancy>, before: Option<&Self>) -> Self {
        let mut known: HashMap<u64, &Arc<Vacancy>> = HashMap::new();
        if let Some(before) = before {
            let numbers = before.numbers.iter().copied();
            known.extend(numbers.zip(&before.vacancies));
        }
        let mut read = Self {
            vacancies: Vec::with_capacity(live.len()),
            unread: BTreeSet::new(),
            own: BTreeMap::new(),
            numbers: Vec::with_capacity(live.len()),
        };
        for public in live {
            let same = known.get(&public.seq).filter(|v| v.id == public.id);
            let vacancy = match same {
                Some(vacancy) => Arc::clone(vacancy),
                None => match serde_json::from_slice::<Vacancy>(&public.body) {
                    Ok(vacancy) => Arc::new(vacancy),
                    Err(error) => {
                        tracing::warn!(vacancy = %public.id, %error, "vacancy cannot be exported");
                        read.unread.insert(public.id);
                        continue;
                    }
                },
            };
            if let Some(member) = &vacancy.member {
                let mark = read.own.entry(member.clone()).or_default();
                mark.offers += 1;
                mark.newest = mark.newest.max(public.seq);
            }
            read.vacancies.push(vacancy);
            read.numbers.push(public.seq);
        }
        read
    }
}
