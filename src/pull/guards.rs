//! Law 1: what a run may do with its difference, and what it must keep back for a person.
//!
//! **Invariant:** a guard holds only what it doubts.

use super::connector::Guards;
use super::diff::Diff;
use crate::model::PostingState;
use crate::store::{Doubt, Hold, Plan, SnapshotKind};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, HashMap};

/// A source with no more live postings than this may empty out without a person's word.
const SMALL: u64 = 3;
/// … after this many empty snapshots in a row,
const EMPTIES: usize = 3;
/// … that lie at least this far apart.
const EMPTY_SPAN: SignedDuration = SignedDuration::from_hours(24);
/// Fewer filled records than this, by its history, and a field's rate says nothing.
const MIN_FILLED: f64 = 3.0;
/// A partial snapshot of fewer records says nothing of fill rates.
const MIN_PARTIAL: u64 = 20;
/// Fewer equal texts than this are re-issues, not a re-key.
const MIN_REKEYED: u64 = 3;

/// How many of a run's open records have each field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    pub records: u64,
    pub filled: BTreeMap<String, u64>,
}

impl Fill {
    /// Per mille, by field; what no record has is absent.
    pub fn rates(&self) -> BTreeMap<String, u32> {
        let records = self.records.max(1);
        let rate = |n: u64| u32::try_from(n * 1000 / records).unwrap_or(1000);
        self.filled
            .iter()
            .map(|(field, n)| (field.clone(), rate(*n)))
            .collect()
    }

    /// Fields that fell under `ratio` of their former rate: (field, before, now), per mille.
    fn fallen(&self, before: &BTreeMap<String, u32>, ratio: f64) -> Vec<(String, u32, u32)> {
        let now = self.rates();
        before
            .iter()
            .filter_map(|(field, &was)| {
                let is = now.get(field).copied().unwrap_or(0);
                let expected = f64::from(was) * self.records as f64 / 1000.0;
                (expected >= MIN_FILLED && f64::from(is) < f64::from(was) * ratio)
                    .then(|| (field.clone(), was, is))
            })
            .collect()
    }

    /// The rates to remember: a fallen field keeps its former one, so that the fall is doubted
    /// until it ends or a person accepts it.
    pub fn remember(
        &self,
        before: &BTreeMap<String, u32>,
        ratio: f64,
        accepted: bool,
    ) -> BTreeMap<String, u32> {
        if self.records == 0 {
            return before.clone();
        }
        let mut rates = self.rates();
        if !accepted {
            for (field, was, _) in self.fallen(before, ratio) {
                rates.insert(field, was);
            }
        }
        rates
    }
}

/// What a run knows beyond its difference.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    pub kind: SnapshotKind,
    /// Start of the run.
    pub now: Timestamp,
    pub fill: &'a Fill,
    pub fill_before: &'a BTreeMap<String, u32>,
    /// Record counts of the last complete runs.
    pub history: &'a [u64],
    /// (old reference, new reference) with the same text; see [`rekey_pairs`].
    pub rekeyed: &'a [(String, String)],
    /// Rejected records of which not even the reference could be read.
    pub nameless: u64,
    /// Those of the last complete run that was applied.
    pub nameless_before: u64,
    /// Starts of the empty snapshots right before this run, newest first.
    pub empties: &'a [Timestamp],
    /// The connector's file is gone.
    pub removed: bool,
    /// The hold that a person released and no run has answered yet.
    pub released: Option<&'a Hold>,
}

/// What the run does.
#[derive(Clone, Debug, PartialEq)]
pub struct Ruling {
    pub apply_new: bool,
    pub apply_changed: bool,
    pub apply_closed: bool,
    pub apply_absences: bool,
    /// Absences close at once: a person released them.
    pub close_now: bool,
    /// Whether an absence that reaches the limit closes; an empty small source waits longer.
    pub may_close: bool,
    pub doubt: Option<Doubt>,
    /// The released hold that this run answers.
    pub answers: bool,
    /// The fall of fill rates was accepted by the release.
    pub fill_accepted: bool,
    /// Pairs of a re-key that the release accepted.
    pub rekey: Vec<(String, String)>,
}

/// Weighs a run's difference.
pub fn rule(diff: &Diff, evidence: &Evidence<'_>, guards: &Guards) -> Ruling {
    let kind = evidence.kind;
    let mut ruling = Ruling {
        apply_new: kind != SnapshotKind::Failed,
        apply_changed: kind != SnapshotKind::Failed,
        apply_closed: kind != SnapshotKind::Failed,
        apply_absences: matches!(
            kind,
            SnapshotKind::Complete | SnapshotKind::Empty | SnapshotKind::Unchanged
        ),
        close_now: false,
        may_close: kind != SnapshotKind::Empty
            || small_source_emptied(diff.live, evidence.empties, evidence.now),
        doubt: None,
        answers: false,
        fill_accepted: false,
        rekey: Vec::new(),
    };
    let mut doubts = Vec::new();
    for doubt in find(diff, evidence, guards) {
        match evidence
            .released
            .filter(|hold| covers(hold, &doubt, guards))
        {
            Some(_) => {
                ruling.answers = true;
                match doubt.guard.as_str() {
                    "fill" => ruling.fill_accepted = true,
                    "closings" => {}
                    "rekey" => {
                        ruling.rekey.clone_from(&doubt.rekey);
                        ruling.close_now = true;
                    }
                    _ => ruling.close_now = true,
                }
            }
            None => {
                match doubt.guard.as_str() {
                    "fill" => ruling.apply_changed = false,
                    "closings" => ruling.apply_closed = false,
                    "rekey" => {
                        ruling.apply_new = false;
                        ruling.apply_absences = false;
                    }
                    _ => ruling.apply_absences = false,
                }
                doubts.push(doubt);
            }
        }
    }
    // A release is used up by the next run that could have needed it, doubtful or not; a cut or
    // failed one could not.
    ruling.answers |= evidence.released.is_some() && ruling_absences_known(kind);
    ruling.close_now &= ruling.apply_absences;
    ruling.may_close |= ruling.close_now;
    ruling.doubt = join(doubts);
    ruling
}

fn ruling_absences_known(kind: SnapshotKind) -> bool {
    matches!(
        kind,
        SnapshotKind::Complete | SnapshotKind::Empty | SnapshotKind::Unchanged
    )
}

/// Every doubt of a run, whether or not a person has released it.
fn find(diff: &Diff, evidence: &Evidence<'_>, guards: &Guards) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let complete = evidence.kind == SnapshotKind::Complete;
    if complete && let Some(doubt) = rekey(diff, evidence) {
        doubts.push(doubt);
    } else if let Some(doubt) = empty(diff, evidence, guards) {
        doubts.push(doubt);
    } else if complete && let Some(doubt) = volume(diff, evidence, guards) {
        doubts.push(doubt);
    }
    if over_limit(diff.closed.count, diff.live, guards) {
        let mut doubt = doubt(
            "closings",
            format!(
                "the source, or the pages of its offers, close {} of {} live offers in one run",
                diff.closed.count, diff.live
            ),
        );
        doubt.closed = diff.closed.references();
        doubt.postings = diff.closed.count;
        doubts.push(doubt);
    }
    doubts.extend(fill(diff, evidence, guards));
    doubts
}

fn rekey(diff: &Diff, evidence: &Evidence<'_>) -> Option<Doubt> {
    let pairs = evidence.rekeyed;
    let suspects = rekey_suspected(diff);
    if !suspects || (pairs.len() as u64) < MIN_REKEYED || pairs.len() as u64 * 2 < diff.new.count {
        return None;
    }
    let mut doubt = doubt(
        "rekey",
        format!(
            "{} of {} offers have a new reference, and {} of them the text of an offer that is \
             missing: the source seems to have renumbered its offers",
            diff.new.count,
            diff.counts.pulled,
            pairs.len()
        ),
    );
    doubt.new = diff.new.references();
    doubt.missing = diff.missing.references();
    doubt.postings = diff.new.count + diff.missing.count;
    doubt.rekey = pairs.to_vec();
    Some(doubt)
}

/// Whether the numbers alone look like a re-key, so that comparing texts is worth the reading.
pub fn rekey_suspected(diff: &Diff) -> bool {
    let open = diff.counts.pulled - diff.counts.rejected;
    diff.new.count >= MIN_REKEYED
        && diff.missing.count >= MIN_REKEYED
        && diff.new.count * 2 > open
        // A pair takes one of each: more than twice as many new ones are no re-key.
        && diff.new.count <= diff.missing.count * 2
}

fn empty(diff: &Diff, evidence: &Evidence<'_>, guards: &Guards) -> Option<Doubt> {
    if diff.missing.count == 0 {
        return None;
    }
    if evidence.removed {
        let why = format!(
            "the file of this connector was removed: its {} live offers would close",
            diff.live
        );
        return Some(absences("removed", why, diff));
    }
    let why = match evidence.kind {
        SnapshotKind::Empty if guards.dead_looks_empty => format!(
            "the source shows no offer where {} were live, and an unknown or closed account of \
             this service looks just so",
            diff.live
        ),
        SnapshotKind::Empty if diff.live > SMALL => {
            format!("the source shows no offer where {} were live", diff.live)
        }
        // Records without a reference may be the very offers that seem to be missing: a person
        // says which, for neither a live offer may close nor a filled one stay (law 7). As many as
        // a source always sends hide none of what it showed beside them.
        SnapshotKind::Complete if evidence.nameless > evidence.nameless_before => {
            format!(
                "{} of {} records have no reference that could be read, and {} live offers are \
                 missing",
                evidence.nameless, diff.counts.pulled, diff.missing.count
            )
        }
        _ => return None,
    };
    Some(absences("empty", why, diff))
}

/// Complete runs before which their median says nothing.
const MIN_HISTORY: usize = 3;

fn volume(diff: &Diff, evidence: &Evidence<'_>, guards: &Guards) -> Option<Doubt> {
    let missing = diff.missing.count;
    let usual = median(evidence.history).filter(|_| evidence.history.len() >= MIN_HISTORY);
    if !over_limit(missing, diff.live, guards) {
        // A feed that is cut a little more each time stays below the limit of each run.
        let usual = usual?;
        let short = usual.saturating_sub(diff.counts.pulled);
        if missing == 0 || !over_limit(short, usual, guards) {
            return None;
        }
        let why = format!(
            "{} records, where the last complete runs had {usual}: {missing} live offers are missing",
            diff.counts.pulled
        );
        return Some(absences("volume", why, diff));
    }
    let mut why = format!(
        "{missing} of {} live offers are missing, over the limit of {:.0} % and {}",
        diff.live,
        guards.max_drop * 100.0,
        guards.min_drop
    );
    if let Some(median) = median(evidence.history) {
        why += &format!(
            "; {} records, where the last complete runs had {median}",
            diff.counts.pulled
        );
    }
    Some(absences("volume", why, diff))
}

fn fill(diff: &Diff, evidence: &Evidence<'_>, guards: &Guards) -> Option<Doubt> {
    let judged = match evidence.kind {
        SnapshotKind::Complete => true,
        SnapshotKind::Partial => evidence.fill.records >= MIN_PARTIAL,
        _ => false,
    };
    if !judged || diff.changed.count == 0 {
        return None;
    }
    let fallen = evidence
        .fill
        .fallen(evidence.fill_before, guards.min_fill_ratio);
    if fallen.is_empty() {
        return None;
    }
    let fields: Vec<String> = fallen
        .iter()
        .map(|(field, was, is)| {
            format!(
                "{field} from {:.1} % to {:.1} %",
                f64::from(*was) / 10.0,
                f64::from(*is) / 10.0
            )
        })
        .collect();
    let mut doubt = doubt(
        "fill",
        format!(
            "fewer offers than before have their fields: {}",
            fields.join(", ")
        ),
    );
    doubt.changed = diff.changed.references();
    doubt.postings = diff.changed.count;
    Some(doubt)
}

fn over_limit(count: u64, live: u64, guards: &Guards) -> bool {
    count > guards.min_drop && count as f64 > live as f64 * guards.max_drop
}

/// Whether this empty snapshot is the third in a row over at least a day, of a source so small
/// that it may really have nothing left.
fn small_source_emptied(live: u64, empties: &[Timestamp], now: Timestamp) -> bool {
    let first = empties.last().copied().unwrap_or(now);
    live <= SMALL && empties.len() + 1 >= EMPTIES && now.duration_since(first) >= EMPTY_SPAN
}

/// As [`Ruling::may_close`], for a plan that is being applied; `live` matters to an empty snapshot.
pub fn may_close(live: u64, plan: &Plan, empties: &[Timestamp], now: Timestamp) -> bool {
    plan.close_now
        || plan.snapshot != SnapshotKind::Empty
        || small_source_emptied(live, empties, now)
}

/// Whether a person's release of `hold` speaks for `doubt` as it is now: the same guard, and not
/// noticeably more than what the person saw.
fn covers(hold: &Hold, doubt: &Doubt, guards: &Guards) -> bool {
    let named = hold
        .doubt
        .guard
        .split('+')
        .any(|g| g == doubt.guard || (g == "rekey" && doubt.guard == "volume"));
    named && doubt.postings <= hold.doubt.postings.saturating_add(guards.min_drop)
}

fn absences(guard: &str, why: String, diff: &Diff) -> Doubt {
    let mut doubt = doubt(guard, why);
    doubt.missing = diff.missing.references();
    doubt.postings = diff.missing.count;
    doubt
}

fn doubt(guard: &str, why: String) -> Doubt {
    Doubt {
        guard: guard.to_owned(),
        why,
        new: Vec::new(),
        changed: Vec::new(),
        missing: Vec::new(),
        closed: Vec::new(),
        postings: 0,
        rekey: Vec::new(),
    }
}

/// One hold a connector: several doubts of one run are one, its guards joined by `+`.
fn join(doubts: Vec<Doubt>) -> Option<Doubt> {
    doubts.into_iter().reduce(|mut all, next| {
        all.guard = format!("{}+{}", all.guard, next.guard);
        all.why = format!("{}; {}", all.why, next.why);
        all.new.extend(next.new);
        all.changed.extend(next.changed);
        all.missing.extend(next.missing);
        all.closed.extend(next.closed);
        all.postings += next.postings;
        all.rekey.extend(next.rekey);
        all
    })
}

fn median(history: &[u64]) -> Option<u64> {
    let mut sorted = history.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied()
}

/// What becomes of a live posting that a meaningful snapshot lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// Too close to the last one to count.
    InsideGap,
    /// The number of misses from now on.
    Counted(u32),
    /// With the number of misses that proved it.
    Closes(u32),
}

/// One absence more of `state`, at the start of a run.
pub fn miss(state: &PostingState, now: Timestamp, guards: &Guards, ruling: &Closing) -> Miss {
    if ruling.now {
        return Miss::Closes(state.misses.saturating_add(1));
    }
    if let Some(last) = state.last_miss {
        let since = now.duration_since(last);
        // By a clock that has been set back since: the gap is measured anew, and proves nothing.
        if since < -guards.miss_gap {
            return Miss::Counted(state.misses);
        }
        if since < guards.miss_gap {
            return Miss::InsideGap;
        }
    }
    let misses = state.misses.saturating_add(1);
    if ruling.allowed && misses >= guards.misses.max(1) {
        Miss::Closes(misses)
    } else {
        Miss::Counted(misses)
    }
}

/// How a run treats absences that it applies.
#[derive(Clone, Copy, Debug)]
pub struct Closing {
    /// Close whatever the miss count: a person released the absences.
    pub now: bool,
    /// Whether reaching the limit closes.
    pub allowed: bool,
}

/// The text of a record without its reference: what tells a re-key from new offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Print {
    /// Title and description.
    pub text: u64,
    /// Place as the source writes it: pairs equal texts of several places.
    pub place: u64,
}

/// Pairs missing references with new ones of the same text: each at most once, the same place
/// before another, in order of reference.
pub fn rekey_pairs(missing: &[(String, Print)], new: &[(String, Print)]) -> Vec<(String, String)> {
    let mut left: Vec<&(String, Print)> = missing.iter().collect();
    left.sort_unstable();
    let mut right: Vec<&(String, Print)> = new.iter().collect();
    right.sort_unstable();
    let mut pairs = Vec::new();
    let by_text_and_place = |p: &Print| (p.text, Some(p.place));
    let by_text = |p: &Print| (p.text, None);
    for key in [
        &by_text_and_place as &dyn Fn(&Print) -> (u64, Option<u64>),
        &by_text,
    ] {
        let mut waiting: HashMap<_, Vec<&(String, Print)>> = HashMap::new();
        for item in right.iter().rev() {
            waiting.entry(key(&item.1)).or_default().push(item);
        }
        let mut taken: Vec<&str> = Vec::new();
        left.retain(
            |(old, print)| match waiting.get_mut(&key(print)).and_then(Vec::pop) {
                Some((fresh, _)) => {
                    taken.push(fresh);
                    pairs.push((old.clone(), fresh.clone()));
                    false
                }
                None => true,
            },
        );
        taken.sort_unstable();
        right.retain(|(fresh, _)| taken.binary_search(&fresh.as_str()).is_err());
    }
    pairs.sort_unstable();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ConnectorName, PostingId};

    /// A wrong clock timed an absence far ahead: it neither holds the closing up until then, nor closes
    /// by two absences that are no gap apart.
    #[test]
    fn a_clock_set_back_measures_the_gap_anew() {
        let guards = Guards::default();
        assert_eq!(guards.misses, 2);
        let now: Timestamp = "2026-11-02T08:00:00Z".parse().unwrap();
        let connector = ConnectorName::from("essai");
        let mut state = PostingState {
            id: PostingId::new(&connector, "A"),
            connector,
            reference: "A".into(),
            hash: String::new(),
            observation: 1,
            first_seen: now,
            closed: None,
            misses: 1,
            last_miss: Some(now + 24 * 365 * guards.miss_gap),
        };
        let rule = Closing {
            now: false,
            allowed: true,
        };
        let missed = |state: &PostingState, at| miss(state, at, &guards, &rule);
        assert_eq!(missed(&state, now), Miss::Counted(1));
        state.last_miss = Some(now);
        let soon = now + guards.miss_gap / 2;
        assert_eq!(missed(&state, soon), Miss::InsideGap);
        assert_eq!(missed(&state, now + guards.miss_gap), Miss::Closes(2));
        // Within the gap nothing is known of the clock.
        state.last_miss = Some(soon);
        assert_eq!(missed(&state, now), Miss::InsideGap);
    }
}
