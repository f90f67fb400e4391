//! From the postings of a component to its vacancies: who is together, who founds, what is open.

use super::cluster::{self, Pairs, Thresholds};
use super::crowd::{self, Step};
use super::features::Features;
use super::merge;
use super::ruling::Ruling;
use super::scorecard::SCORECARD;
use super::{Derived, signals};
use crate::model::{
    CloseReason, Decision, Edge, MemberId, Network, PostingId, StoredPosting, TombstoneReason,
    VacancyStatus, Visibility,
};
use jiff::{SignedDuration, Timestamp};
use std::borrow::Cow;
use std::cell::OnceCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// An own posting that closed at most this long after another of its source appeared was
/// replaced by it: sources show the new one a few days before the old one goes.
const REPLACED_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Features that are at hand; what is not is read of the posting when it is wanted.
pub type Read<'a> = &'a dyn Fn(PostingId) -> Option<&'a Features>;

/// Nothing is at hand.
pub fn unread<'a>(_: PostingId) -> Option<&'a Features> {
    None
}

/// A component on the table.
pub struct Component<'a> {
    /// By id.
    postings: Vec<&'a StoredPosting>,
    features: Vec<OnceCell<Cow<'a, Features>>>,
    read: Read<'a>,
    edges: BTreeMap<(usize, usize), i64>,
    ruling: Ruling,
    joined: BTreeSet<(usize, usize)>,
    parted: BTreeSet<(usize, usize)>,
    thresholds: Thresholds,
}

impl<'a> Component<'a> {
    pub fn new(
        postings: &[&'a StoredPosting],
        read: Read<'a>,
        edges: &[Edge],
        decisions: &[Decision],
        step: Step,
    ) -> Self {
        let mut sorted = postings.to_vec();
        sorted.sort_by_key(|p| p.state.id);
        sorted.dedup_by_key(|p| p.state.id);
        let number: HashMap<PostingId, usize> = sorted
            .iter()
            .enumerate()
            .map(|(i, p)| (p.state.id, i))
            .collect();
        let ruling = Ruling::of(decisions);
        let pair = |a: &PostingId, b: &PostingId| {
            let (a, b) = (*number.get(a)?, *number.get(b)?);
            (a != b).then_some((a.min(b), a.max(b)))
        };
        let numbered = |set: &BTreeSet<(PostingId, PostingId)>| {
            set.iter().filter_map(|(a, b)| pair(a, b)).collect()
        };
        let mut component = Self {
            features: sorted.iter().map(|_| OnceCell::new()).collect(),
            read,
            joined: numbered(&ruling.joined),
            parted: numbered(&ruling.parted),
            edges: BTreeMap::new(),
            postings: sorted,
            thresholds: match step {
                0 => SCORECARD.bands.into(),
                _ => Thresholds::plain(SCORECARD.bands.contested),
            },
            ruling,
        };
        component.edges = edges
            .iter()
            .filter_map(|e| Some((pair(&e.a, &e.b)?, e.weight)))
            // In a crowd only what ties there is looked at.
            .filter(|((a, b), weight)| {
                step == 0
                    || crowd::tie(*weight, component.postings[*a], component.postings[*b]) > step
            })
            .map(|((a, b), weight)| ((a, b), weight + component.replaced(a, b)))
            .collect();
        component
    }

    fn features(&self, at: usize) -> &Features {
        self.features[at].get_or_init(|| {
            let posting = &self.postings[at].posting;
            (self.read)(posting.id).map_or_else(|| Cow::Owned(Features::of(posting)), Cow::Borrowed)
        })
    }

    /// The weight of a pair that no key brought together.
    fn weigh(&self, a: usize, b: usize) -> i64 {
        super::compare::weight(self.features(a), self.features(b)) + self.replaced(a, b)
    }

    fn replaced(&self, a: usize, b: usize) -> i64 {
        if !one_after_the_other(self.postings[a], self.postings[b]) {
            return 0;
        }
        SCORECARD.apart_bonus(&signals::read(self.features(a), self.features(b)))
    }

    fn clusters(&self, among: &[usize]) -> Vec<Vec<usize>> {
        let place: HashMap<usize, usize> =
            among.iter().enumerate().map(|(i, of)| (*of, i)).collect();
        let inside = |(a, b): &(usize, usize)| Some((*place.get(a)?, *place.get(b)?));
        let weigh = |a: usize, b: usize| self.weigh(among[a], among[b]);
        let pairs = Pairs {
            n: among.len(),
            edges: self
                .edges
                .iter()
                .filter_map(|(pair, weight)| Some((inside(pair)?, *weight)))
                .collect(),
            weigh: &weigh,
            different: SCORECARD.bands.ask,
            joined: self.joined.iter().filter_map(inside).collect(),
            parted: self.parted.iter().filter_map(inside).collect(),
        };
        cluster::partition(&pairs, self.thresholds)
            .into_iter()
            .map(|c| c.into_iter().map(|i| among[i]).collect())
            .collect()
    }

    fn closed(&self, at: usize) -> Option<(Timestamp, CloseReason)> {
        let posting = self.postings[at];
        match self.ruling.erased.get(&posting.state.id) {
            Some(erased) => Some((*erased, CloseReason::Erased)),
            None => posting.state.closed,
        }
    }

    /// When the employer's own postings of a group had all closed, and why; `None` while one is
    /// live or where there is none.
    fn authority_closed(&self, group: &[usize]) -> Option<(Timestamp, CloseReason)> {
        let own = group
            .iter()
            .filter(|at| self.postings[**at].posting.is_own());
        self.all_closed(own)
    }

    /// The last closing of these, `None` while one is live or where there is none.
    fn all_closed<'b>(
        &self,
        group: impl Iterator<Item = &'b usize>,
    ) -> Option<(Timestamp, CloseReason)> {
        let closings: Option<Vec<_>> = group.map(|at| self.closed(*at)).collect();
        closings?.into_iter().max_by_key(|c| closing_order(*c))
    }

    /// Law 2: aggregator postings that first appeared after the employer's closing found
    /// vacancies of their own, unless a person says that they belong.
    fn split_late(&self, group: Vec<usize>) -> Vec<Vec<usize>> {
        let Some((closed_at, _)) = self.authority_closed(&group) else {
            return vec![group];
        };
        let bound = self.bound_to_own(&group);
        let (late, stay): (Vec<usize>, Vec<usize>) = group.into_iter().partition(|at| {
            !self.postings[*at].posting.is_own()
                && !bound.contains(at)
                && merge::first_published(self.postings[*at]) > closed_at
        });
        let mut groups = vec![stay];
        if !late.is_empty() {
            groups.extend(self.clusters(&late));
        }
        groups
    }

    /// Postings that people's *same* decisions tie, directly or through others, to an own one.
    fn bound_to_own(&self, group: &[usize]) -> BTreeSet<usize> {
        let mut bound: BTreeSet<usize> = group
            .iter()
            .copied()
            .filter(|at| self.postings[*at].posting.is_own())
            .collect();
        loop {
            let before = bound.len();
            for (a, b) in &self.joined {
                if bound.contains(a) || bound.contains(b) {
                    bound.insert(*a);
                    bound.insert(*b);
                }
            }
            if bound.len() == before {
                return bound;
            }
        }
    }

    fn vacancy(&self, group: &[usize], network: &Network, now: Timestamp) -> Derived {
        let members = self.by_founding(group);
        let closed = self.group_closed(group);
        let contributors: Vec<&StoredPosting> = group
            .iter()
            .filter(|at| {
                let own = self.closed(**at);
                match (closed, own) {
                    (_, Some((_, CloseReason::Erased))) => false,
                    (None, own) => own.is_none(),
                    // The last live state: what was still open when it closed.
                    (Some((at, _)), own) => own.is_none_or(|(until, _)| until >= at),
                }
            })
            .map(|at| self.postings[*at])
            .collect();
        let id = members
            .first()
            .map_or(PostingId(uuid::Uuid::nil()), |p| p.state.id)
            .vacancy();
        let (vacancy, provenance) = merge::merge(id, &contributors, &members);
        let status = match closed {
            Some((at, reason)) => VacancyStatus::Closed {
                at,
                reason: tombstone(reason),
            },
            None if self.is_private(
                &contributors,
                group,
                vacancy.member.as_ref(),
                network,
                now,
            ) =>
            {
                VacancyStatus::Private
            }
            None => VacancyStatus::Live,
        };
        let mut postings: Vec<PostingId> = members.iter().map(|p| p.state.id).collect();
        postings.sort_unstable();
        Derived {
            id,
            postings,
            status,
            vacancy,
            provenance,
        }
    }

    /// The postings of a group, its founder first. What a person accepted as a re-key ranks with
    /// the posting whose reference it took over, and after it: the public id stays.
    fn by_founding(&self, group: &[usize]) -> Vec<&'a StoredPosting> {
        let within: HashMap<PostingId, usize> = group
            .iter()
            .map(|at| (self.postings[*at].state.id, *at))
            .collect();
        let mut ranked: Vec<(&StoredPosting, usize, usize)> = group
            .iter()
            .map(|at| {
                let (mut first, mut renamed) = (*at, 0);
                while let Some(old) = self
                    .ruling
                    .rekeyed
                    .get(&self.postings[first].state.id)
                    .and_then(|old| within.get(old))
                    .filter(|_| renamed < group.len())
                {
                    (first, renamed) = (*old, renamed + 1);
                }
                (self.postings[first], renamed, *at)
            })
            .collect();
        ranked.sort_by(|a, b| {
            let key =
                |of: &(&'a StoredPosting, usize, usize)| (merge::founder_order(of.0), of.1, of.2);
            key(a).cmp(&key(b))
        });
        ranked.iter().map(|(_, _, at)| self.postings[*at]).collect()
    }

    /// Closing follows authority; without an own posting, the last live one decides.
    fn group_closed(&self, group: &[usize]) -> Option<(Timestamp, CloseReason)> {
        let has_own = group.iter().any(|at| self.postings[*at].posting.is_own());
        if has_own {
            return self.authority_closed(group);
        }
        self.all_closed(group.iter())
    }

    fn is_private(
        &self,
        live: &[&StoredPosting],
        group: &[usize],
        member: Option<&MemberId>,
        network: &Network,
        now: Timestamp,
    ) -> bool {
        let has_own = live.iter().any(|p| p.posting.is_own());
        let internal = live.iter().any(|p| {
            (p.posting.is_own() || !has_own) && p.posting.offer.visibility == Visibility::Internal
        });
        let hidden = group
            .iter()
            .any(|at| self.ruling.hidden.contains(&self.postings[*at].state.id));
        let refused = member
            .and_then(|m| network.member(m))
            .is_some_and(|m| !m.mandate("portal").allows(now));
        internal || hidden || refused
    }
}

/// Orders closings: the latest, then a fixed order of reasons.
fn closing_order((at, reason): (Timestamp, CloseReason)) -> (Timestamp, Reverse<u8>) {
    (at, Reverse(reason_rank(reason)))
}

fn reason_rank(reason: CloseReason) -> u8 {
    match reason {
        CloseReason::Erased => 0,
        CloseReason::Withdrawn => 1,
        CloseReason::Explicit => 2,
        CloseReason::Expired => 3,
        CloseReason::Gone => 4,
        CloseReason::Absent => 5,
    }
}

/// What the public is told.
fn tombstone(reason: CloseReason) -> TombstoneReason {
    match reason {
        CloseReason::Absent | CloseReason::Explicit | CloseReason::Gone => TombstoneReason::Filled,
        CloseReason::Expired => TombstoneReason::Expired,
        CloseReason::Withdrawn => TombstoneReason::Withdrawn,
        CloseReason::Erased => TombstoneReason::Erased,
    }
}

/// Whether two postings of one own source stood one after the other: open side by side speaks
/// against one vacancy, one after the other does not.
fn one_after_the_other(p: &StoredPosting, q: &StoredPosting) -> bool {
    if p.state.connector != q.state.connector || !p.posting.is_own() {
        return false;
    }
    let gone = |old: &StoredPosting, new: &StoredPosting| {
        let closed = old.state.closed;
        // What the first run already showed beside it is another opening, not its successor.
        old.state.first_seen < new.state.first_seen
            && closed.is_some_and(|(at, _)| at <= new.state.first_seen + REPLACED_WITHIN)
    };
    gone(p, q) || gone(q, p)
}

/// What a verdict of this weight comes to, with the states of its two postings as they are.
pub fn bond(weight: i64, p: &StoredPosting, q: &StoredPosting) -> i64 {
    let bands = SCORECARD.bands;
    let settled = weight >= bands.contested || weight + SCORECARD.most_apart_bonus() < bands.rival;
    if settled || !one_after_the_other(p, q) {
        return weight;
    }
    let (p, q) = (Features::of(&p.posting), Features::of(&q.posting));
    weight + SCORECARD.apart_bonus(&signals::read(&p, &q))
}

/// The vacancies of a component's postings. `step` says how little counts there, since it is part
/// of a crowd; 0 elsewhere.
pub fn derive<'a>(
    postings: &[&'a StoredPosting],
    read: Read<'a>,
    edges: &[Edge],
    decisions: &[Decision],
    network: &Network,
    now: Timestamp,
    step: Step,
) -> Vec<Derived> {
    let component = Component::new(postings, read, edges, decisions, step);
    let all: Vec<usize> = (0..component.postings.len()).collect();
    let mut derived: Vec<Derived> = component
        .clusters(&all)
        .into_iter()
        .flat_map(|group| component.split_late(group))
        .filter(|group| !group.is_empty())
        .map(|group| component.vacancy(&group, network, now))
        .collect();
    derived.sort_by_key(|d| d.id);
    derived
}
