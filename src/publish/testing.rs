//! A small public state in memory, and synthetic offers, for the tests of publishing.

use super::{PublicState, Publish, PublishSettings, export::Profiles};
use crate::{
    model::{
        Clock, Network, PostingId, TombstoneReason, Vacancy, VacancyId, VacancyStatus,
        canonical_json,
    },
    store::{Change, ChangeOp, PublicVacancy, Result as StoreResult, StoredVacancy},
};
use async_trait::async_trait;
use jiff::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};
use tokio::sync::{oneshot, watch};

/// Public state as a store would show it.
#[derive(Default)]
pub struct Shop {
    rows: Mutex<BTreeMap<VacancyId, Change>>,
    status: Mutex<BTreeMap<VacancyId, VacancyStatus>>,
    /// Posting or former id → vacancy.
    pub aliases: Mutex<BTreeMap<VacancyId, VacancyId>>,
    seq: Mutex<u64>,
    pub meta: Mutex<BTreeMap<String, String>>,
    cursors: Mutex<BTreeMap<String, u64>>,
    pub erased: Mutex<BTreeSet<PostingId>>,
    /// Where the next reading of everything stops.
    gate: Mutex<Option<Gate>>,
}

/// Told once something is read, and what it then waits for.
type Gate = (oneshot::Sender<()>, oneshot::Receiver<()>);

pub fn now() -> Timestamp {
    "2026-11-22T09:00:00Z".parse().unwrap()
}

impl Shop {
    fn next(&self) -> u64 {
        let mut seq = self.seq.lock().unwrap();
        *seq += 1;
        *seq
    }

    pub fn publish(&self, vacancy: &Vacancy) {
        let body = canonical_json(vacancy).unwrap().into();
        self.put(vacancy.id, ChangeOp::Upsert { body }, VacancyStatus::Live);
    }

    pub fn close(&self, id: VacancyId, reason: TombstoneReason, into: Option<VacancyId>) {
        let status = match into {
            Some(into) => VacancyStatus::Merged { into },
            None => VacancyStatus::Closed { at: now(), reason },
        };
        self.put(id, ChangeOp::Delete { reason, into }, status);
    }

    /// As an erasure of all that describes it leaves it.
    pub fn erase(&self, vacancy: &Vacancy) {
        let postings = vacancy.sources.iter().map(|source| source.posting);
        self.erased.lock().unwrap().extend(postings);
        self.close(vacancy.id, TombstoneReason::Erased, None);
    }

    /// The next snapshot is read at once and given only when the second end says so; the first tells
    /// that it was read.
    pub fn halt(&self) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let ((reached, read), (go, going)) = (oneshot::channel(), oneshot::channel());
        *self.gate.lock().unwrap() = Some((reached, going));
        (read, go)
    }

    fn read(&self) -> (u64, Vec<PublicVacancy>) {
        let rows = self.rows.lock().unwrap();
        let live = rows.values().filter_map(|row| match &row.op {
            ChangeOp::Upsert { body } => Some(PublicVacancy {
                id: row.id,
                seq: row.seq,
                changed_at: row.changed_at,
                body: body.clone(),
            }),
            ChangeOp::Delete { .. } => None,
        });
        (*self.seq.lock().unwrap(), live.collect())
    }

    fn put(&self, id: VacancyId, op: ChangeOp, status: VacancyStatus) {
        let change = Change {
            seq: self.next(),
            id,
            changed_at: now(),
            op,
        };
        self.rows.lock().unwrap().insert(id, change);
        self.status.lock().unwrap().insert(id, status);
    }
}

#[async_trait]
impl PublicState for Shop {
    async fn head(&self) -> StoreResult<u64> {
        Ok(*self.seq.lock().unwrap())
    }

    async fn changes(&self, after: u64, limit: usize) -> StoreResult<Vec<Change>> {
        let mut rows: Vec<_> = self.rows.lock().unwrap().values().cloned().collect();
        rows.retain(|row| row.seq > after);
        rows.sort_by_key(|row| row.seq);
        rows.truncate(limit);
        Ok(rows)
    }

    async fn snapshot(&self) -> StoreResult<(u64, Vec<PublicVacancy>)> {
        let read = self.read();
        let gate = self.gate.lock().unwrap().take();
        if let Some((reached, going)) = gate {
            let _ = reached.send(());
            let _ = going.await;
        }
        Ok(read)
    }

    async fn vacancy(&self, id: VacancyId) -> StoreResult<Option<StoredVacancy>> {
        let id = *self.aliases.lock().unwrap().get(&id).unwrap_or(&id);
        let rows = self.rows.lock().unwrap();
        Ok(rows.get(&id).map(|row| StoredVacancy {
            id,
            status: self.status.lock().unwrap()[&id].clone(),
            vacancy: None,
            body: match &row.op {
                ChangeOp::Upsert { body } => Some(body.clone()),
                ChangeOp::Delete { .. } => None,
            },
            provenance: None,
            seq: row.seq,
            changed_at: Some(row.changed_at),
            postings: Vec::new(),
        }))
    }

    async fn erased(&self) -> StoreResult<BTreeSet<PostingId>> {
        Ok(self.erased.lock().unwrap().clone())
    }

    async fn cursor(&self, sink: &str) -> StoreResult<u64> {
        Ok(self.cursors.lock().unwrap().get(sink).copied().unwrap_or(0))
    }

    async fn set_cursor(&self, sink: &str, seq: u64) -> StoreResult<()> {
        self.cursors.lock().unwrap().insert(sink.into(), seq);
        Ok(())
    }

    async fn advance_cursor(&self, sink: &str, from: u64, to: u64) -> StoreResult<bool> {
        let mut cursors = self.cursors.lock().unwrap();
        let at = cursors.entry(sink.into()).or_default();
        let moved = *at == from;
        if moved {
            *at = to;
        }
        Ok(moved)
    }

    async fn meta(&self, key: &str) -> StoreResult<Option<String>> {
        Ok(self.meta.lock().unwrap().get(key).cloned())
    }

    async fn notes(&self, prefix: &str) -> StoreResult<Vec<(String, String)>> {
        let meta = self.meta.lock().unwrap();
        let notes = meta.iter().filter(|(key, _)| key.starts_with(prefix));
        Ok(notes.map(|(k, v)| (k.clone(), v.clone())).collect())
    }

    async fn write_notes(&self, notes: Vec<(String, Option<String>)>) -> StoreResult<()> {
        let mut meta = self.meta.lock().unwrap();
        for (key, value) in notes {
            match value {
                Some(value) => meta.insert(key, value),
                None => meta.remove(&key),
            };
        }
        Ok(())
    }
}

/// A synthetic vacancy: number `n` of the member `member`, changed by `edit`.
pub fn vacancy(n: u128, member: &str, edit: impl FnOnce(&mut serde_json::Value)) -> Vacancy {
    let id = uuid::Uuid::from_u128(0x7000_0000_0000_5000_8000_0000_0000_0000 + n);
    let mut value = serde_json::json!({
        "id": id,
        "member": member,
        "title": "Infirmier de nuit (F/H)",
        "title_canonical": "Infirmier / Infirmière (IDE)",
        "occupation": { "rome": "J1506", "rome_v3": "J1506", "family": "nursing", "regulated": true },
        "employer": { "name": "Centre hospitalier fictif", "member": member },
        "places": [{
            "insee": "70550", "postal_code": "70000", "name": "Vesoul", "department": "70",
            "lat": 47.6198, "lon": 6.1545, "precision": "commune",
        }],
        "contract": { "form": "cdi" },
        "working_time": { "time": "full", "shifts": ["night"] },
        "pay": { "min": 2300.0, "max": 2600.0, "currency": "EUR", "period": "month", "gross": true },
        "description": {
            "html": "<h3>Missions</h3><p>Vous assurez les soins d’un service de médecine de trente lits, la nuit, en binôme avec un aide-soignant & un cadre d’astreinte.</p><ul><li>Surveillance</li><li>Transmissions</li></ul>",
            "text": "Missions\n\nVous assurez les soins d’un service de médecine de trente lits, la nuit, en binôme avec un aide-soignant & un cadre d’astreinte.\n\n- Surveillance\n- Transmissions",
            "summary": "Vous assurez les soins d’un service de médecine de trente lits, la nuit.",
        },
        "published": "2026-11-02T08:00:00Z",
        "updated": "2026-11-12T08:00:00Z",
        "apply": { "url": format!("https://recrutement.exemple.example/offres/{n}") },
        "visibility": "public",
        "sources": [{
            "posting": id, "connector": "ch-exemple-ats", "reference": n.to_string(), "own": true,
        }],
    });
    edit(&mut value);
    serde_json::from_value(value).unwrap()
}

/// Two members; the first may go to LinkedIn.
pub fn network() -> Network {
    let member = |toml: &str| toml::from_str::<crate::model::Member>(toml).unwrap();
    let members = [
        member(
            r#"
            id = "ch-exemple"
            name = "Centre hospitalier fictif"
            kind = "hôpital"
            website = "https://www.ch.exemple.example/"
            poster_email = "recrutement@ch.exemple.example"
            linkedin = { company_id = "123456" }
            mandates = { linkedin = true }
            "#,
        ),
        member(
            r#"
            id = "aide-domicile"
            name = "Aide à domicile fictive"
            "#,
        ),
    ];
    Network {
        members: members.into_iter().map(|m| (m.member_id(), m)).collect(),
        ..Network::default()
    }
}

/// Publishing over `shop`, with the network above and a clock that stands still.
pub fn publishing(shop: &Arc<Shop>) -> Publish {
    publishing_with(shop, |_| {})
}

/// The network above, with a first member that gives every mandate there is a profile for.
pub fn all_channels() -> Network {
    let mut network = network();
    for member in network
        .members
        .values_mut()
        .filter(|m| m.id == "ch-exemple")
    {
        member.siret = vec!["26700000000012".into()];
        for name in Profiles::embedded().names() {
            member.mandates.insert(
                crate::model::Channel(name.into()),
                crate::model::Mandate::Always,
            );
        }
    }
    network
}

/// Publishing of that network.
pub fn publishing_all_channels(shop: &Arc<Shop>) -> Publish {
    publishing_of(shop, all_channels(), |_| {})
}

/// As [`publishing`], after the first member has withdrawn its mandate for LinkedIn.
pub fn publishing_of_member_without_mandate(shop: &Arc<Shop>, kept: &std::path::Path) -> Publish {
    let mut network = network();
    for member in network.members.values_mut() {
        member.mandates.clear();
    }
    publishing_of(shop, network, |settings| {
        settings.kept = Some(kept.to_owned());
        settings.export_max_drop = 0.3;
        settings.export_min_drop = 1;
    })
}

/// As [`publishing`], with members' files changed by `edit`.
pub fn publishing_of_members(
    shop: &Arc<Shop>,
    edit: impl Fn(&mut crate::model::Member),
) -> Publish {
    let mut network = network();
    network.members.values_mut().for_each(edit);
    publishing_of(shop, network, |_| {})
}

pub fn publishing_with(shop: &Arc<Shop>, edit: impl FnOnce(&mut PublishSettings)) -> Publish {
    publishing_of(shop, network(), edit)
}

/// As [`publishing`], with what tells it of other files.
pub fn publishing_changing(shop: &Arc<Shop>) -> (watch::Sender<Arc<Network>>, Publish) {
    publishing_watching(shop, network(), |_| {})
}

pub fn publishing_of(
    shop: &Arc<Shop>,
    network: Network,
    edit: impl FnOnce(&mut PublishSettings),
) -> Publish {
    // The sender may go: the receiver keeps the last value.
    publishing_watching(shop, network, edit).1
}

pub fn publishing_watching(
    shop: &Arc<Shop>,
    network: Network,
    edit: impl FnOnce(&mut PublishSettings),
) -> (watch::Sender<Arc<Network>>, Publish) {
    let mut settings = PublishSettings {
        public_url: "https://emploi.territoire.example".into(),
        territory: "Territoire fictif".into(),
        freshness: std::time::Duration::ZERO,
        ..PublishSettings::default()
    };
    edit(&mut settings);
    let (files, network) = watch::channel(Arc::new(network));
    let publish = Publish::with_profiles(
        shop.clone(),
        network,
        Clock::fixed(now()),
        settings,
        Profiles::embedded(),
    );
    (files, publish)
}
