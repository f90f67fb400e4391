//! Export profiles: what job boards and LinkedIn take, as data, with a preflight before sending.
//!
//! A profile is a file (`connectors/exports/*.toml`): the document's frame, one line a field, the
//! rules of the board with their remedies. **Invariants:** a document is whole or absent; it holds
//! exactly the offers that the preflight calls ready, and the same offers give the same bytes, but for
//! what a hold keeps in it; none of them has closed.

mod context;
mod guard;
mod html;
mod kept;
mod ledger;
mod memo;
mod movements;
mod names;
mod preflight;
mod profile;
mod render;
mod routes;
mod tree;
mod values;

pub use guard::{Decided, ExportHold, decide_export_hold, export_holds};
pub(super) use memo::Memos;
pub use preflight::{Blocker, Preflight, PreflightItem};
pub use profile::{Profile, ProfileError, Profiles};
pub(super) use routes::routes;
pub(super) use tree::escape;
pub(super) use values::rfc822;

use super::{Consumer, Publish, PublishError, live::Live};
use crate::model::{MemberId, Vacancy, VacancyId};
use bytes::Bytes;
use context::{Bench, Reader};
use guard::{Memory, Open};
use kept::{Kept, Piece};
use ledger::{Asked, Ledger, Sent};
use memo::Offer;
use movements::Deposit;
use preflight::Checked;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("there is no export profile {name:?}; known: {known}")]
    UnknownProfile { name: String, known: String },
    #[error("there is no member {0:?}")]
    UnknownMember(String),
    #[error("profile {profile}: field {field} cannot be computed for vacancy {vacancy}")]
    Field {
        profile: String,
        field: String,
        vacancy: String,
        #[source]
        source: minijinja::Error,
    },
    #[error(
        "the export {file} is held, and no last good one can be served: {why}; `passerelle holds release {file}` lets it through"
    )]
    Held { file: String, why: String },
    #[error("profile {profile}: the document cannot be written")]
    Write {
        profile: String,
        #[source]
        source: anyhow::Error,
    },
}

/// A rendered export.
#[derive(Clone, Debug)]
pub struct Export {
    pub bytes: Bytes,
    pub content_type: String,
    /// `linkedin.xml`, `linkedin/ch-exemple.xml`.
    pub file: String,
    /// Offers in the document.
    pub ready: usize,
    /// Offers that the preflight keeps out, for want of a mandate included.
    pub blocked: usize,
    /// The newest document is doubtful: this one still has what that would lose.
    pub held: Option<ExportHold>,
    /// What the board has once it was given this, where the profile tells movements.
    deposit: Option<Deposit>,
}

/// A document, and what is to be noted of it.
struct Made {
    export: Result<Export, ExportError>,
    /// What the guard knew, and what it knows now.
    memory: Option<(Memory, Memory)>,
    /// What the next one may need.
    kept: Option<Kept>,
    fixed: Vec<(VacancyId, Sent)>,
}

impl Export {
    /// Whether the document tells what became of each offer since the last deposit.
    pub fn tells_movements(&self) -> bool {
        self.deposit.is_some()
    }
}

impl Publish {
    /// The document of `profile`: of all members, or of one.
    ///
    /// # Errors
    /// Unknown profile or member, an unreadable store, or a profile whose expressions fail.
    pub async fn export(
        &self,
        profile: &str,
        member: Option<&MemberId>,
    ) -> Result<Export, PublishError> {
        let Subjects {
            profile,
            mut vacancies,
            live,
        } = self.subjects(profile, member).await?;
        let sent = Arc::new(self.ledger(&profile).await?);
        let file = profile.file(member);
        let deposited = self.last_deposit(&profile, &file).await?;
        let elsewhere = self.elsewhere(&profile, member, &vacancies);
        vacancies.retain(|vacancy| !elsewhere.contains(&vacancy.id));
        let asked = Asked::about(&vacancies, member.is_some(), elsewhere);
        let memory = self.memory(&profile, &file).await?;
        let this = self.clone();
        let member = member.cloned();
        let (rendering, before) = (profile.clone(), Arc::clone(&sent));
        let made = blocking(move || {
            let network = this.network();
            let reader = Reader::at(this.clock().now());
            let bench = Bench::new(&rendering, &network, this.settings(), &reader);
            let memo = live
                .is_remembered()
                .then(|| this.memos().of(&bench, &network));
            let checked = preflight::check(&bench, vacancies, &before, memo.as_ref())?;
            let unread = &live.unread;
            Ok(this.make(&bench, checked, unread, &deposited, memory, member.as_ref())?)
        })
        .await?;
        if let Some(kept) = made.kept {
            self.keep(&file, kept).await;
        }
        if let Some((before, after)) = &made.memory {
            self.learn(&profile, &file, before, after).await?;
        }
        let export = made.export?;
        if export.held.is_none() {
            self.remember(&profile, &sent, &asked, made.fixed).await;
        }
        Ok(export)
    }

    /// The document of what was checked; with what it would lose, where `memory` makes that doubtful.
    fn make(
        &self,
        bench: &Bench<'_>,
        checked: Checked,
        unread: &BTreeSet<VacancyId>,
        deposited: &Deposit,
        memory: Option<Memory>,
        member: Option<&MemberId>,
    ) -> Result<Made, ExportError> {
        let (profile, report) = (bench.profile, checked.report);
        let (file, mut limits) = (profile.file(member), self.limits(profile));
        let open = Open {
            report: &report,
            unread,
            network: bench.network,
        };
        let frame = profile.frame();
        let (mut held, mut stay) = (None, BTreeMap::new());
        let mut lacking = 0;
        let memory = memory.map(|before| {
            let lost = before.lost(&open);
            if before.is_unsure(&open, &lost) {
                limits = (0.0, 0);
            }
            let after = before.after(&open, lost.len(), limits, bench.now);
            held = after.hold.clone().filter(ExportHold::holds);
            if held.is_some() {
                stay = self.kept(&file).offers_of(&frame);
                stay.retain(|id, _| lost.contains(id));
                lacking = lost.len() - stay.len();
            }
            (before, after)
        });
        // A file without most of what it should still have would close it at the board.
        let unheld = |(before, _): &(Memory, Memory)| before.too_many(lacking, limits);
        let mut kept = None;
        let export = match &held {
            Some(hold) if memory.as_ref().is_some_and(unheld) => Err(ExportError::Held {
                why: hold.why(),
                file,
            }),
            _ => {
                let fresh = fresh(bench, &checked.ready, deposited, stay)?;
                let export = Export {
                    bytes: fresh.document(bench, member)?.into(),
                    content_type: profile.content_type().into(),
                    file,
                    ready: fresh.offers.len(),
                    blocked: report.blocked,
                    held,
                    deposit: fresh.deposit,
                };
                kept = memory.is_some().then_some(Kept {
                    frame,
                    offers: fresh.offers,
                });
                Ok(export)
            }
        };
        Ok(Made {
            export,
            memory,
            kept,
            fixed: checked.fixed,
        })
    }

    /// The document of `profile` without any offer: a board that reads it closes what it had of that
    /// file.
    ///
    /// # Errors
    /// As [`Publish::export`].
    pub(super) async fn emptied(
        &self,
        profile: &str,
        member: Option<&MemberId>,
    ) -> Result<String, PublishError> {
        let profile = self.profile(profile)?;
        let deposited = self.last_deposit(&profile, &profile.file(member)).await?;
        let (this, member) = (self.clone(), member.cloned());
        blocking(move || {
            let network = this.network();
            let reader = Reader::at(this.clock().now());
            let bench = Bench::new(&profile, &network, this.settings(), &reader);
            let fresh = fresh(&bench, &[], &deposited, BTreeMap::new())?;
            let document = fresh.document(&bench, member.as_ref())?;
            let text = String::from_utf8(document);
            Ok(text.map_err(|error| render::unwritable(&bench, error))?)
        })
        .await
    }

    /// As [`Publish::export`], of the offers that `consumer` may see. It is made of what the whole
    /// document is made of: while that one is held, there is none.
    ///
    /// # Errors
    /// As [`Publish::export`], and while the whole document is held.
    pub async fn export_for(
        &self,
        profile: &str,
        member: Option<&MemberId>,
        consumer: Arc<Consumer>,
    ) -> Result<Export, PublishError> {
        let whole = self.export(profile, member).await?;
        if let Some(hold) = &whole.held {
            let (file, why) = (whole.file.clone(), hold.why());
            return Err(ExportError::Held { file, why }.into());
        }
        let Subjects {
            profile,
            mut vacancies,
            live,
        } = self.subjects(profile, member).await?;
        let sent = self.ledger(&profile).await?;
        let elsewhere = self.elsewhere(&profile, member, &vacancies);
        let (this, member) = (self.clone(), member.cloned());
        blocking(move || {
            vacancies.retain(|own| !elsewhere.contains(&own.id) && consumer.admits(own));
            let network = this.network();
            let reader = Reader::at(this.clock().now());
            let bench = Bench::new(&profile, &network, this.settings(), &reader);
            let memo = live
                .is_remembered()
                .then(|| this.memos().of(&bench, &network));
            let checked = preflight::check(&bench, vacancies, &sent, memo.as_ref())?;
            // A part has no deposits of its own: all of it is new.
            let deposited = Deposit::default();
            let fresh = fresh(&bench, &checked.ready, &deposited, BTreeMap::new())?;
            let document = fresh.document(&bench, member.as_ref())?;
            Ok(Export {
                bytes: document.into(),
                ready: checked.report.ready,
                blocked: checked.report.blocked,
                ..whole
            })
        })
        .await
    }

    /// What `profile` would say of each offer: ready, or blocked and why.
    ///
    /// # Errors
    /// As [`Publish::export`].
    pub async fn preflight(
        &self,
        profile: &str,
        member: Option<&MemberId>,
    ) -> Result<Preflight, PublishError> {
        let Subjects {
            profile,
            vacancies,
            live,
        } = self.subjects(profile, member).await?;
        let sent = self.ledger(&profile).await?;
        let this = self.clone();
        blocking(move || {
            let network = this.network();
            let reader = Reader::at(this.clock().now());
            let bench = Bench::new(&profile, &network, this.settings(), &reader);
            let memo = live
                .is_remembered()
                .then(|| this.memos().of(&bench, &network));
            Ok(preflight::check(&bench, vacancies, &sent, memo.as_ref())?.report)
        })
        .await
    }

    /// What keeps each of `vacancies` out of `profile`, as the preflight says; nothing where there is
    /// no such profile.
    pub(in crate::publish) fn blocked(
        &self,
        profile: &str,
        vacancies: Vec<Arc<Vacancy>>,
    ) -> Result<BTreeMap<VacancyId, Vec<Blocker>>, ExportError> {
        let profiles = self.profiles();
        let Some(profile) = profiles.get(profile) else {
            return Ok(BTreeMap::new());
        };
        let network = self.network();
        let reader = Reader::at(self.clock().now());
        let bench = Bench::new(profile, &network, self.settings(), &reader);
        let report = preflight::check(&bench, vacancies, &Ledger::default(), None)?.report;
        let items = report.items.into_iter();
        Ok(items.map(|item| (item.id, item.blockers)).collect())
    }

    /// Of `vacancies`, those that go into another file of a profile whose board takes each offer in
    /// one feed only.
    fn elsewhere(
        &self,
        profile: &Profile,
        member: Option<&MemberId>,
        vacancies: &[Arc<Vacancy>],
    ) -> BTreeSet<VacancyId> {
        let network = self.network();
        let outside = vacancies.iter().filter(|vacancy| {
            let own = profile.has_own_feed(&network, vacancy.member.as_ref());
            profile.one_feed && own != member.is_some()
        });
        outside.map(|vacancy| vacancy.id).collect()
    }

    fn profile(&self, name: &str) -> Result<Profile, ExportError> {
        let profiles = self.profiles();
        profiles
            .get(name)
            .cloned()
            .ok_or_else(|| ExportError::UnknownProfile {
                name: name.into(),
                known: profiles.names().collect::<Vec<_>>().join(", "),
            })
    }

    /// The profile and the live vacancies that it is asked about, by id.
    async fn subjects(
        &self,
        name: &str,
        member: Option<&MemberId>,
    ) -> Result<Subjects, PublishError> {
        let profile = self.profile(name)?;
        if let Some(member) = member
            && self.network().member(member).is_none()
        {
            return Err(ExportError::UnknownMember(member.0.clone()).into());
        }
        let live = self.live().await?;
        let own = |vacancy: &&Arc<Vacancy>| member.is_none() || vacancy.member.as_ref() == member;
        let vacancies = live.vacancies.iter().filter(own).cloned().collect();
        Ok(Subjects {
            profile,
            vacancies,
            live,
        })
    }
}

/// What a profile is asked about.
struct Subjects {
    profile: Profile,
    vacancies: Vec<Arc<Vacancy>>,
    live: Arc<Live>,
}

/// What a document is made of.
struct Fresh {
    header: String,
    offers: BTreeMap<VacancyId, Piece>,
    /// What the board has, where the profile tells movements.
    before: Deposit,
    /// What tells it which offers are gone.
    parting: Vec<String>,
    deposit: Option<Deposit>,
}

impl Fresh {
    fn document(
        &self,
        bench: &Bench<'_>,
        member: Option<&MemberId>,
    ) -> Result<Vec<u8>, ExportError> {
        let own = self.offers.iter();
        let own = own.flat_map(|(id, piece)| piece.items(self.before.has(id)));
        let count = own.clone().count();
        let items: Vec<&str> = own.chain(&self.parting).map(String::as_str).collect();
        let updated = self.offers.values().filter_map(|piece| piece.updated).max();
        render::document(bench, &self.header, &items, updated, count, member)
    }
}

/// Puts the pieces of what is ready together, with those that `stay`.
fn fresh(
    bench: &Bench<'_>,
    ready: &[(Arc<Vacancy>, Arc<Offer>)],
    before: &Deposit,
    stay: BTreeMap<VacancyId, Piece>,
) -> Result<Fresh, ExportError> {
    let profile = bench.profile;
    let ready = ready.iter();
    let pieces = ready.map(|(vacancy, offer)| (vacancy.id, Piece::of(vacancy, offer)));
    let mut fresh = Fresh {
        header: render::header(bench)?,
        offers: pieces.chain(stay).collect(),
        before: before.clone(),
        parting: Vec::new(),
        deposit: None,
    };
    if let Some(movements) = &profile.movements {
        let deposit = Deposit::of(fresh.offers.keys());
        let gone = movements::gone(movements, before, &deposit);
        fresh.parting = render::pieces(bench, &profile.parting(), &gone)?;
        fresh.deposit = Some(deposit);
    }
    Ok(fresh)
}

/// Runs CPU work away from the runtime's own threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, PublishError> + Send + 'static,
) -> Result<T, PublishError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down: nobody waits for the answer.
            Err(error) => Err(PublishError::Index(error.into())),
        },
    }
}
