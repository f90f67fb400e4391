//! The merged vacancy: each field from the posting that ranks first for it, with its provenance.
//!
//! **Invariants:** an own source before any aggregator; the employer never from an intermediary;
//! the text whole from one posting; the result a function of the set of postings.

use super::features::reference;
use super::tables::{SOURCES, Trust};
use super::text::Words;
use crate::model::{
    ConnectorName, Contract, ContractForm, Employer, Offer, Openings, Pay, PlacePrecision,
    Provenance, ProvenanceMap, SourceRef, StoredPosting, Vacancy, VacancyId, Visibility,
};
use jiff::Timestamp;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// When a posting was first public anywhere that it tells of: its own date, unless a later one
/// was put in its place after it had been seen.
pub fn first_published(posting: &StoredPosting) -> Timestamp {
    let seen = posting.state.first_seen;
    posting
        .posting
        .offer
        .published
        .map_or(seen, |published| published.min(seen))
}

/// The founder of a vacancy is the least posting in this order.
pub fn founder_order(posting: &StoredPosting) -> (bool, Timestamp, &str, &str) {
    (
        !posting.posting.is_own(),
        first_published(posting),
        posting.state.connector.as_str(),
        &posting.state.reference,
    )
}

/// The vacancy `id` as `live` postings describe it; `all` its postings in founder order.
pub fn merge(
    id: VacancyId,
    live: &[&StoredPosting],
    all: &[&StoredPosting],
) -> (Vacancy, ProvenanceMap) {
    let mut merger = Merger {
        live: live.iter().map(|p| Candidate::of(p)).collect(),
        provenance: ProvenanceMap::new(),
    };
    // Ranks beyond a field's own completeness; a stable base for every choice below.
    merger.live.sort_by_key(|c| c.rank());
    let mut offer = merger.offer();
    offer.published = first_publication(all);
    offer.updated = live
        .iter()
        .filter_map(|p| p.posting.offer.updated.max(p.posting.offer.published))
        .max();
    let member = merger
        .live
        .iter()
        .find_map(|c| c.stored.posting.member.clone())
        .or_else(|| all.iter().find_map(|p| p.posting.member.clone()))
        .or_else(|| offer.employer.as_ref().and_then(|e| e.member.clone()));
    let mut sources: Vec<&StoredPosting> = live.to_vec();
    sources.sort_by_key(|p| (!p.posting.is_own(), &p.state.connector, &p.state.reference));
    let vacancy = Vacancy {
        id,
        member,
        offer,
        sources: sources.into_iter().map(source).collect(),
    };
    (vacancy, merger.provenance)
}

fn source(stored: &StoredPosting) -> SourceRef {
    let offer = &stored.posting.offer;
    let page = offer.origin.as_ref().and_then(|o| o.url.clone());
    SourceRef {
        posting: stored.state.id,
        connector: stored.state.connector.clone(),
        reference: stored.state.reference.clone(),
        url: page.or_else(|| offer.apply.as_ref().and_then(|a| a.url.clone())),
        own: stored.posting.is_own(),
    }
}

/// The first publication of the opening: by the employer where it says, else by anybody.
fn first_publication(all: &[&StoredPosting]) -> Option<Timestamp> {
    let earliest = |own: bool| {
        all.iter()
            .filter(|p| p.posting.is_own() == own)
            .filter_map(|p| p.posting.offer.published)
            .min()
    };
    earliest(true).or_else(|| earliest(false))
}

struct Candidate<'a> {
    stored: &'a StoredPosting,
    trust: Trust,
}

impl<'a> Candidate<'a> {
    fn of(stored: &'a StoredPosting) -> Self {
        let posting = &stored.posting;
        let partners = posting.offer.origin.iter().flat_map(|o| &o.partners);
        let trust = SOURCES.trust(
            posting.is_own(),
            posting.connector.as_str(),
            partners.filter_map(|p| p.name.as_deref()),
        );
        Self { stored, trust }
    }

    fn offer(&self) -> &'a Offer {
        &self.stored.posting.offer
    }

    fn rank(&self) -> (bool, Reverse<Option<Timestamp>>, &'a str, &'a str) {
        let offer = self.offer();
        (
            !self.stored.posting.is_own(),
            Reverse(offer.updated.max(offer.published)),
            self.stored.state.connector.as_str(),
            &self.stored.state.reference,
        )
    }

    /// The employer, where this posting may speak of it.
    fn employer(&self) -> Option<&'a Employer> {
        let employer = self.offer().employer.as_ref()?;
        let name = employer.name.as_deref()?;
        let stands_between = employer.intermediary.as_deref() == Some(name)
            || (!self.stored.posting.is_own() && SOURCES.is_agency(&Words::of(name)));
        (!stands_between && self.trust.employer > 0).then_some(employer)
    }
}

struct Merger<'a> {
    /// In the order of [`Candidate::rank`].
    live: Vec<Candidate<'a>>,
    provenance: ProvenanceMap,
}

impl<'a> Merger<'a> {
    /// The posting with the most complete value; 0 is none. Own sources first, ties by rank.
    fn best(&self, completeness: impl Fn(&Candidate<'a>) -> u64) -> Option<usize> {
        (0..self.live.len())
            .map(|at| (at, completeness(&self.live[at])))
            .filter(|(_, score)| *score > 0)
            .max_by_key(|(at, score)| {
                (self.live[*at].stored.posting.is_own(), *score, Reverse(*at))
            })
            .map(|(at, _)| at)
    }

    /// Takes the value of `field` from the best posting, with its provenance under `pointer`.
    fn take<T: Clone + 'a>(
        &mut self,
        pointer: &str,
        completeness: impl Fn(&Candidate<'a>) -> u64,
        field: impl Fn(&'a Offer) -> Option<&'a T>,
    ) -> Option<T> {
        let best = self.best(|c| {
            if field(c.offer()).is_some() {
                completeness(c)
            } else {
                0
            }
        })?;
        self.note(best, pointer);
        field(self.live[best].offer()).cloned()
    }

    /// Fills one part of a group from the next posting that has it and `agrees`.
    fn fill<T: Clone + 'a>(
        &mut self,
        slot: &mut Option<T>,
        pointer: &str,
        field: impl Fn(&Candidate<'a>) -> Option<&'a T>,
    ) {
        if slot.is_some() {
            return;
        }
        if let Some(at) = (0..self.live.len()).find(|at| field(&self.live[*at]).is_some()) {
            self.note(at, pointer);
            *slot = field(&self.live[at]).cloned();
        }
    }

    /// Copies the provenance of `pointer` and of everything below it.
    fn note(&mut self, at: usize, pointer: &str) {
        let stored = self.live[at].stored;
        let origin = format!("{}/{}", stored.state.connector, stored.state.reference);
        let mut noted = false;
        for (path, why) in &stored.posting.provenance {
            let below = path
                .strip_prefix(pointer)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            if below {
                noted = true;
                self.provenance.insert(
                    path.clone(),
                    Provenance {
                        source: format!("{origin}: {}", why.source),
                        ..why.clone()
                    },
                );
            }
        }
        if !noted {
            self.provenance.insert(
                pointer.to_owned(),
                Provenance {
                    source: origin,
                    raw: String::new(),
                    rule: "merge.ranked".to_owned(),
                    confidence: 0.9,
                },
            );
        }
    }

    fn offer(&mut self) -> Offer {
        let title = self.best(|c| {
            if c.offer().title.is_empty() {
                0
            } else {
                1 + u64::from(c.trust.title)
            }
        });
        if let Some(at) = title {
            self.note(at, "/title");
            self.note(at, "/title_canonical");
        }
        let titled = title.map(|at| self.live[at].offer());
        Offer {
            title: titled.map(|o| o.title.clone()).unwrap_or_default(),
            title_canonical: titled.and_then(|o| o.title_canonical.clone()),
            occupation: self.occupation(),
            employer: self.employer(),
            places: self.places(),
            contract: self.contract(),
            working_time: self.working_time(),
            pay: self.pay(),
            remote: self.take("/remote", |_| 1, |o| o.remote.as_ref()),
            itinerant: self.take("/itinerant", |_| 1, |o| o.itinerant.as_ref()),
            description: self.take(
                "/description",
                |c| text_worth(c.offer()),
                |o| o.description.as_ref(),
            ),
            diplomas: self
                .take(
                    "/diplomas",
                    |_| 1,
                    |o| (!o.diplomas.is_empty()).then_some(&o.diplomas),
                )
                .unwrap_or_default(),
            experience: self.take("/experience", |_| 1, |o| o.experience.as_ref()),
            service: self.take("/service", |_| 1, |o| o.service.as_ref()),
            requisition: self.take("/requisition", |_| 1, |o| o.requisition.as_ref()),
            openings: self.openings(),
            published: None,
            updated: None,
            expires: self.take("/expires", |_| 1, |o| o.expires.as_ref()),
            starts: self.take("/starts", |_| 1, |o| o.starts.as_ref()),
            apply: self.take(
                "/apply",
                |c| 1 + u64::from(c.offer().apply.as_ref().is_some_and(|a| a.url.is_some())),
                |o| o.apply.as_ref(),
            ),
            origin: self.take("/origin", |_| 1, |o| o.origin.as_ref()),
            language: self.take("/language", |_| 1, |o| o.language.as_ref()),
            visibility: Visibility::Public,
        }
    }

    fn occupation(&mut self) -> Option<crate::model::Occupation> {
        let mut occupation = self.take(
            "/occupation",
            |c| {
                c.offer().occupation.as_ref().map_or(0, |o| {
                    1 + 4 * u64::from(o.rome.is_some()) + 2 * u64::from(o.rome_v3.is_some())
                })
            },
            |o| o.occupation.as_ref(),
        )?;
        if occupation.rome.is_none() && occupation.rome_v3.is_none() {
            let of = |c: &Candidate<'a>| c.offer().occupation.as_ref();
            self.fill(&mut occupation.rome, "/occupation/rome", |c| {
                of(c)?.rome.as_ref()
            });
            self.fill(&mut occupation.rome_v3, "/occupation/rome_v3", |c| {
                of(c)?.rome_v3.as_ref()
            });
            self.fill(&mut occupation.family, "/occupation/family", |c| {
                of(c)?.family.as_ref()
            });
            self.fill(&mut occupation.regulated, "/occupation/regulated", |c| {
                of(c)?.regulated.as_ref()
            });
        }
        Some(occupation)
    }

    /// How many are sought: what the best source says, or as many as the requisitions that one
    /// employer's source has open side by side seek, where that is more. Requisitions that all say
    /// the same number beyond one repeat the whole call's. One is what an aggregator writes that was
    /// not told.
    fn openings(&mut self) -> Option<Openings> {
        let stated = self.take(
            "/openings",
            |c| 1 + u64::from(c.trust.openings >= 2 || c.offer().openings > Some(1)),
            |o| o.openings.as_ref(),
        );
        let mut open: BTreeMap<&ConnectorName, BTreeMap<u64, (&str, Openings)>> = BTreeMap::new();
        for candidate in self.live.iter().filter(|c| c.stored.posting.is_own()) {
            if let Some(requisition) = candidate.offer().requisition.as_deref() {
                let requisition = requisition.trim();
                // However it is written; too short for that, as it is written.
                let key = match reference(requisition) {
                    0 => super::text::hash(requisition.as_bytes()),
                    key => key,
                };
                let of = open.entry(&candidate.stored.state.connector).or_default();
                let (written, seeks) = of.entry(key).or_insert((requisition, 1));
                *written = requisition.min(*written);
                *seeks = candidate.offer().openings.unwrap_or(1).max(*seeks);
            }
        }
        let counted = open.into_iter().filter(|(_, of)| of.len() > 1);
        let counted = counted.map(|(source, of)| {
            let said: Vec<Openings> = of.values().map(|(_, seeks)| *seeks).collect();
            let repeated = said[0] > 1 && said.iter().all(|seeks| *seeks == said[0]);
            let count = if repeated {
                said[0].max(said.len() as Openings)
            } else {
                said.iter().sum()
            };
            (count, source, of)
        });
        let Some((count, source, of)) = counted.max_by_key(|(count, ..)| *count) else {
            return stated;
        };
        if Some(count) <= stated {
            return stated;
        }
        let mut requisitions: Vec<String> = of
            .into_values()
            .map(|(written, seeks)| format!("{written} ({seeks})"))
            .collect();
        requisitions.sort_unstable();
        let counted = Provenance {
            source: source.to_string(),
            raw: requisitions.join(", "),
            rule: "merge.requisitions".to_owned(),
            confidence: 0.8,
        };
        self.provenance.insert("/openings".to_owned(), counted);
        Some(count)
    }

    /// From the best source that is no intermediary; where only intermediaries speak, their name
    /// as such.
    fn employer(&mut self) -> Option<Employer> {
        let best = self.best(|c| {
            c.employer().map_or(0, |e| {
                1 + u64::from(c.trust.employer)
                    + 8 * u64::from(e.siret.is_some())
                    + 4 * u64::from(e.finess.is_some())
                    + 16 * u64::from(e.member.is_some())
            })
        });
        let Some(best) = best else {
            let between = self.best(|c| {
                u64::from(
                    c.offer()
                        .employer
                        .as_ref()
                        .is_some_and(|e| e.intermediary.is_some() || e.name.is_some()),
                )
            })?;
            self.note(between, "/employer/intermediary");
            let employer = self.live[between].offer().employer.as_ref()?;
            return Some(Employer {
                intermediary: employer
                    .intermediary
                    .clone()
                    .or_else(|| employer.name.clone()),
                ..Employer::default()
            });
        };
        self.note(best, "/employer");
        let mut employer = self.live[best].employer()?.clone();
        let own = self.live[best].stored.posting.is_own();
        if !own {
            employer.intermediary = None;
        }
        self.fill(&mut employer.siret, "/employer/siret", |c| {
            c.employer()?.siret.as_ref()
        });
        self.fill(&mut employer.finess, "/employer/finess", |c| {
            c.employer()?.finess.as_ref()
        });
        self.fill(&mut employer.member, "/employer/member", |c| {
            c.employer()?.member.as_ref()
        });
        self.fill(&mut employer.agreement, "/employer/agreement", |c| {
            c.employer()?.agreement.as_ref()
        });
        Some(employer)
    }

    /// The most precise of whom geocoding is believed; all places of that one posting.
    fn places(&mut self) -> Vec<crate::model::Place> {
        self.take(
            "/places",
            |c| {
                let precision = c.offer().places.iter().map(|p| match p.precision {
                    PlacePrecision::Address => 6,
                    PlacePrecision::Commune => 5,
                    PlacePrecision::Department => 4,
                    PlacePrecision::Region => 3,
                    PlacePrecision::Country => 2,
                    PlacePrecision::Unknown => 1,
                });
                precision.max().unwrap_or(0) + 10 * u64::from(c.trust.place)
            },
            |o| (!o.places.is_empty()).then_some(&o.places),
        )
        .unwrap_or_default()
    }

    fn contract(&mut self) -> Option<Contract> {
        let mut contract = self.take(
            "/contract",
            |c| {
                c.offer().contract.as_ref().map_or(0, |k| {
                    1 + 4 * u64::from(k.form.is_some_and(|f| f != ContractForm::Other))
                        + u64::from(k.duration_months.is_some())
                        + 8 * u64::from(c.trust.contract)
                })
            },
            |o| o.contract.as_ref(),
        )?;
        let form = contract.form;
        self.fill(
            &mut contract.duration_months,
            "/contract/duration_months",
            |c| {
                let other = c.offer().contract.as_ref().filter(|k| k.form == form)?;
                other.duration_months.as_ref()
            },
        );
        Some(contract)
    }

    fn working_time(&mut self) -> Option<crate::model::WorkingTime> {
        let mut time = self.take(
            "/working_time",
            |c| {
                c.offer().working_time.as_ref().map_or(0, |t| {
                    1 + u64::from(t.time.is_some())
                        + u64::from(t.hours_week.is_some())
                        + u64::from(t.fte.is_some())
                        + u64::from(!t.shifts.is_empty())
                })
            },
            |o| o.working_time.as_ref(),
        )?;
        let kind = time.time;
        let of = |c: &Candidate<'a>| {
            let other = c.offer().working_time.as_ref()?;
            (kind.is_none() || other.time == kind).then_some(other)
        };
        self.fill(&mut time.hours_week, "/working_time/hours_week", |c| {
            of(c)?.hours_week.as_ref()
        });
        self.fill(&mut time.time, "/working_time/time", |c| {
            of(c)?.time.as_ref()
        });
        Some(time)
    }

    /// Amounts whole from one posting: bounds of two sources are no range.
    fn pay(&mut self) -> Option<Pay> {
        let has_amount = |p: &Pay| p.min.is_some() || p.max.is_some();
        let mut pay = self.take(
            "/pay",
            |c| {
                c.offer()
                    .pay
                    .as_ref()
                    .map_or(0, |p| 1 + 2 * u64::from(has_amount(p)))
            },
            |o| o.pay.as_ref(),
        )?;
        if !has_amount(&pay) {
            let donor = self
                .live
                .iter()
                .position(|c| c.offer().pay.as_ref().is_some_and(has_amount));
            if let Some(at) = donor
                && let Some(amounts) = self.live[at].offer().pay.clone()
            {
                self.note(at, "/pay");
                pay = Pay {
                    basis: pay.basis.or(amounts.basis),
                    scale: pay.scale.or(amounts.scale),
                    benefits: pay.benefits,
                    ..amounts
                };
            }
        }
        Some(pay)
    }
}

/// The longest text that was not cut off.
fn text_worth(offer: &Offer) -> u64 {
    let Some(description) = &offer.description else {
        return 0;
    };
    let text = description.text.trim_end();
    let length = text.chars().count() as u64;
    let whole = text.ends_with(['.', '!', '?', ')', '…', '»']) || length < 400;
    1 + if whole { length } else { length / 2 }
}
