//! Which offers may go to which channel: the only place that decides it (law 6).
//!
//! Portal and API are decided when the vacancy is derived (a vacancy without that mandate never
//! becomes public); every other channel is decided here, at each rendering, by the clock.

use crate::model::{Mandate, Member, Network, Vacancy};
use jiff::Timestamp;

/// Why an offer may not go to a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody in the network can be asked: the offer belongs to no member.
    NoMember { employer: String },
    /// The member's file does not allow the channel.
    NoMandate { member: String },
    /// It did until that day.
    Ended { member: String, day: String },
    /// The offer is only known from intermediaries, and the channel wants the employer's own.
    AggregatorOnly,
}

/// Whether `vacancy` may go to `channel` now. With `own_only`, the offer must come from one of the
/// employer's own sources, unless the member gives the mandate `CHANNEL_aggregated` as well.
pub fn allows<'n>(
    network: &'n Network,
    vacancy: &Vacancy,
    channel: &str,
    own_only: bool,
    now: Timestamp,
) -> Result<&'n Member, Refusal> {
    let member = vacancy
        .member
        .as_ref()
        .and_then(|id| network.member(id))
        .ok_or_else(|| Refusal::NoMember {
            employer: named_employer(vacancy),
        })?;
    match member.mandate(channel) {
        mandate if mandate.allows(now) => {}
        Mandate::Until(day) => {
            return Err(Refusal::Ended {
                member: member.id.clone(),
                day: day.to_string(),
            });
        }
        Mandate::Always | Mandate::Never => {
            return Err(Refusal::NoMandate {
                member: member.id.clone(),
            });
        }
    }
    let own = vacancy.sources.iter().any(|source| source.own);
    if own_only && !own && !member.mandate(&format!("{channel}_aggregated")).allows(now) {
        return Err(Refusal::AggregatorOnly);
    }
    Ok(member)
}

/// Who the sources say is the employer; where they name nobody, which they are.
fn named_employer(vacancy: &Vacancy) -> String {
    let employer = vacancy.offer.employer.as_ref();
    employer.and_then(|e| e.name.clone()).unwrap_or_else(|| {
        let sources = vacancy.sources.iter().map(|s| s.connector.as_str());
        sources.collect::<Vec<_>>().join(", ")
    })
}

/// Changes when a mandate begins to hold or ends: a cache key.
pub fn fingerprint(network: &Network, now: Timestamp) -> u64 {
    let mut hash = blake3::Hasher::new();
    for member in network.members.values() {
        for (channel, mandate) in &member.mandates {
            if mandate.allows(now) {
                hash.update(member.id.as_bytes());
                hash.update(&[0]);
                hash.update(channel.0.as_bytes());
                hash.update(&[1]);
            }
        }
    }
    let bytes = *hash.finalize().as_bytes();
    u64::from_le_bytes(bytes[..8].try_into().unwrap_or_default())
}
