//! What a profile made of an offer, kept while neither changes: a closing then costs its files no more
//! than putting together what is left.

use super::{context::Bench, ledger::Sent, preflight::PreflightItem};
use crate::{
    model::{Network, Vacancy, VacancyId},
    publish::mandate,
};
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Expressions may ask for the age of an offer: all is made anew that often.
const FRESH: SignedDuration = SignedDuration::from_secs(60);
/// Bytes of pieces that are kept of one profile; the offers beyond are made each time.
const ROOM: usize = 8 << 20;
/// Bytes of what is kept of an offer besides its pieces, about.
const LEAST: usize = 1 << 10;

/// What a profile makes of one offer.
#[derive(Debug)]
pub struct Offer {
    /// Without notices: they tell of what was sent before.
    pub item: PreflightItem,
    /// Its items of the document, as they stand in it; none where it is blocked. Where the profile
    /// tells movements, as of an offer that is new.
    pub pieces: Vec<String>,
    /// Where the profile tells movements: as of an offer that the board has.
    pub again: Vec<String>,
    /// The newest date that it names.
    pub updated: Option<Timestamp>,
    /// The fields that the board will not change once it has them.
    pub fixed: Sent,
}

/// What was made of offers, by profile.
#[derive(Debug, Default)]
pub struct Memos(Mutex<HashMap<String, Memo>>);

/// What one profile made.
#[derive(Clone, Debug)]
pub struct Memo(Arc<Made>);

#[derive(Debug)]
struct Made {
    profile: blake3::Hash,
    network: Arc<Network>,
    mandates: u64,
    begun: Timestamp,
    offers: Mutex<Offers>,
}

#[derive(Debug, Default)]
struct Offers {
    known: HashMap<VacancyId, (Arc<Vacancy>, Arc<Offer>)>,
    used: usize,
}

impl Memos {
    /// What was made with just this profile, these files and mandates, not long ago.
    pub fn of(&self, bench: &Bench<'_>, network: &Arc<Network>) -> Memo {
        let text = serde_json::to_vec(bench.profile).unwrap_or_default();
        let profile = blake3::hash(&text);
        let mandates = mandate::fingerprint(network, bench.now);
        let mut memos = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = memos.get(&bench.profile.name).filter(|memo| {
            let age = bench.now.duration_since(memo.0.begun);
            memo.0.profile == profile
                && Arc::ptr_eq(&memo.0.network, network)
                && memo.0.mandates == mandates
                && (SignedDuration::ZERO..FRESH).contains(&age)
        });
        if let Some(memo) = known {
            return memo.clone();
        }
        let memo = Memo(Arc::new(Made {
            profile,
            network: Arc::clone(network),
            mandates,
            begun: bench.now,
            offers: Mutex::default(),
        }));
        memos.insert(bench.profile.name.clone(), memo.clone());
        memo
    }
}

impl Memo {
    /// What was made of this very reading of the vacancy, or what `make` makes now.
    pub fn offer(&self, vacancy: &Arc<Vacancy>, make: impl FnOnce() -> Offer) -> Arc<Offer> {
        let offers = || self.0.offers.lock().unwrap_or_else(PoisonError::into_inner);
        let found = |offers: &Offers| {
            let (of, offer) = offers.known.get(&vacancy.id)?;
            Arc::ptr_eq(of, vacancy).then(|| Arc::clone(offer))
        };
        if let Some(offer) = found(&offers()) {
            return offer;
        }
        let offer = Arc::new(make());
        let mut offers = offers();
        let pieces = offer.pieces.iter().chain(&offer.again);
        let size = LEAST + pieces.map(String::len).sum::<usize>();
        if offers.used + size <= ROOM {
            // The bytes of one that this replaces go on counting: it is not for long.
            offers.used += size;
            let kept = (Arc::clone(vacancy), Arc::clone(&offer));
            offers.known.insert(vacancy.id, kept);
        }
        offer
    }
}
