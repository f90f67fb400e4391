//! What is worked out before a backend writes: compressing and hashing off its writing path.

use super::codec::{self, Result};
use super::{BodyDigest, NormalisedOutput, StagedRecord, StoreError, VacancyWrite};
use crate::model::{Event, EventKind, PostingId, RULES, Revision, VacancyId};
use bytes::Bytes;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Rejected records kept of one run; their number is in its counters.
pub(super) const REJECTS: i64 = 1000;
/// Bytes of a rejected record that are kept.
const REJECT_BYTES: usize = 4096;

/// Works out what `doing` writes, off the runtime's threads.
pub(super) async fn prepared<T: Send + 'static>(
    doing: &str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> super::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    let refused = |why: String| StoreError::Permanent {
        doing: doing.to_owned(),
        why,
    };
    done.map_err(|error| refused(error.to_string()))?
        .map_err(|error| refused(error.to_string()))
}

/// A staged record, its payload compressed where it was not stored at the time of looking.
pub(super) struct PackedRecord {
    pub record: StagedRecord,
    pub frame: Option<Vec<u8>>,
}

/// An output with its body compressed.
pub(super) struct PackedOutput {
    pub output: NormalisedOutput,
    pub body: Vec<u8>,
    /// Of the plain body: an equal one is not written again.
    pub digest: BodyDigest,
}

impl PackedOutput {
    pub fn new(output: NormalisedOutput) -> Result<Self> {
        let plain = codec::json("normalised.body", &output.posting)?;
        let mut digest = [0; 16];
        digest.copy_from_slice(&blake3::hash(plain.as_bytes()).as_bytes()[..16]);
        Ok(Self {
            body: codec::pack("normalised.body", plain.as_bytes())?,
            digest,
            output,
        })
    }

    pub fn key(&self) -> (PostingId, BodyDigest) {
        (self.output.posting.id, self.digest)
    }
}

/// A vacancy's columns.
pub(super) struct PackedVacancy {
    pub id: VacancyId,
    pub status: String,
    /// Absent where the body says the same.
    pub record: Option<Vec<u8>>,
    pub provenance: Option<Vec<u8>>,
    pub change: Option<PackedChange>,
}

pub(super) struct PackedChange {
    /// Microseconds.
    pub at: i64,
    /// `None` for a deletion.
    pub body: Option<Vec<u8>>,
    pub reason: Option<String>,
    pub merged: Option<VacancyId>,
}

impl PackedVacancy {
    pub fn new(write: &VacancyWrite) -> Result<Self> {
        let frame = |bytes: &Bytes| codec::pack("vacancy.body", bytes);
        let change = match &write.change {
            None => None,
            Some(change) => Some(PackedChange {
                at: codec::micros(change.at),
                body: match (&change.delete, &write.body) {
                    (Some(_), _) => None,
                    (None, Some(body)) => Some(frame(body)?),
                    (None, None) => {
                        return Err(codec::Unreadable {
                            column: "vacancy.body",
                            why: format!("{} cannot be published without one", write.id),
                        });
                    }
                },
                reason: change
                    .delete
                    .map(|reason| codec::name("change.reason", &reason))
                    .transpose()?,
                merged: change.into,
            }),
        };
        let published = change.as_ref().is_some_and(|change| change.body.is_some());
        let record = write.vacancy.as_ref().filter(|_| !published);
        Ok(Self {
            id: write.id,
            status: codec::json("vacancy.status", &write.status)?,
            record: record
                .map(|vacancy| codec::packed_json("vacancy.record", vacancy))
                .transpose()?,
            provenance: write.provenance.as_ref().map(frame).transpose()?,
            change,
        })
    }
}

/// [`PackedVacancy::new`] of each, on all cores where there is work for them.
pub(super) fn pack_vacancies(writes: &[VacancyWrite]) -> Result<Vec<PackedVacancy>> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let share = writes.len().div_ceil(cores).max(64);
    let pack = |part: &[VacancyWrite]| part.iter().map(PackedVacancy::new).collect::<Vec<_>>();
    let mut parts = writes.chunks(share);
    let first = parts.next().unwrap_or_default();
    std::thread::scope(|scope| {
        let others: Vec<_> = parts.map(|part| scope.spawn(move || pack(part))).collect();
        let mut packed = pack(first);
        for other in others {
            packed.extend(
                other
                    .join()
                    .unwrap_or_else(|p| std::panic::resume_unwind(p)),
            );
        }
        packed.into_iter().collect()
    })
}

/// What a look for candidates learnt of the blocking keys that it met.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    /// More postings than this make a key generic.
    pub cap: usize,
    /// Whether each key is generic now.
    pub generic: BTreeMap<i64, bool>,
}

impl Blocks {
    /// What has changed since the last derivation, which knew `known` as generic; `recounted` is
    /// newer than what was met. A key that crosses the limit, either way, proposes other pairs than
    /// before: all its postings have to be derived again, so that the order in which they came
    /// makes no difference.
    pub fn crossed(
        &self,
        known: &BTreeSet<i64>,
        recounted: &BTreeMap<i64, bool>,
    ) -> Vec<(i64, bool)> {
        let mut now = self.generic.clone();
        now.extend(recounted);
        now.into_iter()
            .filter(|(key, generic)| known.contains(key) != *generic)
            .collect()
    }
}

/// Asks for the derivation of `postings` anew.
pub(super) fn rechecks(postings: BTreeSet<PostingId>, at: Timestamp) -> Vec<Event> {
    let revision = Revision {
        observation: 0,
        rules: RULES,
    };
    postings
        .into_iter()
        .map(|id| Event::new(EventKind::VacancyRecheck, id, revision, at))
        .collect()
}

/// `ids` without repetitions, in their order.
pub(super) fn distinct(ids: &[PostingId]) -> impl Iterator<Item = PostingId> + '_ {
    let mut met = BTreeSet::new();
    ids.iter().copied().filter(move |id| met.insert(*id))
}

/// The head of a rejected record that is kept, cut between characters.
pub(super) fn cut(payload: &[u8]) -> String {
    let head = payload.get(..REJECT_BYTES).unwrap_or(payload);
    let text = String::from_utf8_lossy(head);
    // A character that the cut split shows as one replacement sign at the very end.
    if head.len() < payload.len() {
        text.trim_end_matches('\u{fffd}').to_owned()
    } else {
        text.into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn cutting_splits_no_character() {
        assert_eq!(cut("é".as_bytes()), "é");
        let long = "a".to_owned() + &"é".repeat(3000);
        assert_eq!(cut(long.as_bytes()), "a".to_owned() + &"é".repeat(2047));
    }
}
