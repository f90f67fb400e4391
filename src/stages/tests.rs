//! The stages over the embedded store and bus, with a plain form of normalise.

use super::{CurrentFiles, Files, Hub, Pipeline, Rules, Swept, difference, replay, sweep};
use crate::admin::decisions;
use crate::bus::EmbeddedBus;
use crate::model::{
    Apply, Channel, ConnectorName, DecisionKind, Description, Draft, Employer, Field, Mandate,
    Member, Network, Offer, Place, PlacePrecision, Posting, PostingId, Stage, TombstoneReason,
    VacancyId, VacancyStatus,
};
use crate::normalise::Context;
use crate::pull::connector::Guards;
use crate::pull::run::support::{Bench, Shot};
use crate::pull::run::{Map, Source};
use crate::store::{Change, ChangeOp, DynStore, SqliteOptions, SqliteStore};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

mod components;
mod crowds;

/// Enough of normalise for the stages: the real one has its own tests.
fn plain(draft: &Draft, context: &Context<'_>) -> Posting {
    let text = |field| draft.value(field).map(str::to_owned);
    assert_ne!(draft.value(Field::Title), Some("breaks the rules"));
    let place = text(Field::PlaceCity).map(|name| Place {
        insee: Some(format!("{:05}", 70_000 + name.len())),
        name: Some(name),
        department: Some("70".to_owned()),
        precision: PlacePrecision::Commune,
        ..Place::default()
    });
    let description = text(Field::Description).map(|text| Description {
        html: format!("<p>{text}</p>"),
        text,
        summary: None,
        sections: Vec::new(),
    });
    Posting {
        id: PostingId::new(context.connector, &draft.reference),
        connector: context.connector.clone(),
        reference: draft.reference.clone(),
        member: context.member.cloned(),
        offer: Offer {
            title: text(Field::Title).unwrap_or_default(),
            employer: Some(Employer {
                name: text(Field::EmployerName),
                ..Employer::default()
            }),
            places: place.into_iter().collect(),
            description,
            requisition: text(Field::Requisition),
            published: draft
                .value(Field::Published)
                .and_then(|t| t.parse().ok())
                .or(Some(context.first_seen)),
            expires: draft.value(Field::Expires).and_then(|t| t.parse().ok()),
            apply: text(Field::ApplyUrl).map(|url| Apply {
                url: Some(url),
                email: None,
            }),
            ..Offer::default()
        },
        findings: Vec::new(),
        contacts: Vec::new(),
        provenance: BTreeMap::new(),
    }
}

/// A member's own source, a board that copies it, and the stages.
struct World {
    own: Bench,
    board: Bench,
    hub: Hub,
    pipeline: Pipeline,
}

impl World {
    fn new() -> Self {
        Self::over(Arc::new(SqliteStore::temporary().unwrap()))
    }

    fn over(store: DynStore) -> Self {
        let own = Bench::named("ats", store.clone(), Guards::default());
        let board = Bench {
            now: own.now.clone(),
            ..Bench::named("board", store.clone(), Guards::default())
        };
        let network = Network {
            connectors: BTreeMap::from([
                ("ats".into(), Some("tilleuls".into())),
                ("board".into(), None),
            ]),
            ..Network::default()
        };
        let maps = [&own, &board].map(|bench| {
            let map: Arc<dyn Map> = bench.source.clone();
            (bench.source.name().clone(), map)
        });
        let clock = own.clock();
        let hub = Hub {
            bus: Arc::new(EmbeddedBus::new(store.clone(), clock.clone())),
            store,
            clock,
            files: CurrentFiles::new(Files {
                network: Arc::new(network),
                maps: maps.into_iter().collect(),
            }),
            rules: Rules {
                normalise: plain,
                ..Rules::default()
            },
        };
        let pipeline = Pipeline::new(hub.clone(), &Stage::ALL);
        Self {
            own,
            board,
            hub,
            pipeline,
        }
    }

    async fn drain(&self) {
        let drained = self.pipeline.drain(Duration::from_secs(20)).await;
        assert!(drained.idle, "{drained:?}");
    }

    async fn own(&self, records: Vec<Value>) {
        self.own.hourly(Shot::complete(records)).await;
        self.drain().await;
    }

    async fn board(&self, records: Vec<Value>) {
        self.board.hourly(Shot::complete(records)).await;
        self.drain().await;
    }

    async fn sweep(&self) -> Swept {
        let swept = sweep(&self.hub, self.hub.clock.now()).await;
        swept.unwrap()
    }

    async fn changes(&self) -> Vec<Change> {
        self.hub.store.changes(0, 1000).await.unwrap()
    }

    /// Ids of what is public, sorted.
    async fn live(&self) -> Vec<VacancyId> {
        let (_, live) = self.hub.store.snapshot().await.unwrap();
        live.into_iter().map(|v| v.id).collect()
    }

    async fn bodies(&self) -> Vec<String> {
        let (_, live) = self.hub.store.snapshot().await.unwrap();
        let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
        live.iter().map(|v| text(&v.body)).collect()
    }
}

const TEXTS: [&str; 4] = [
    "La résidence recrute une personne pour l'accompagnement des aînés dans les gestes simples de \
     chaque journée, au sein d'une équipe stable et d'un bâtiment neuf entouré d'un grand jardin.",
    "Le bloc opératoire de la clinique cherche un renfort en instrumentation pour quatre salles \
     d'orthopédie et d'urologie, avec des astreintes réparties sur l'année entière du service.",
    "Le service de comptabilité du siège suit les factures de douze établissements et prépare la \
     clôture mensuelle avec le contrôle de gestion, sur un logiciel en cours de remplacement.",
    "La cuisine centrale livre neuf cents repas chaque midi ; le poste comprend la préparation \
     froide, le contrôle des températures et la tournée vers les foyers de la vallée voisine.",
];
const TITLES: [&str; 4] = [
    "Aide-soignant",
    "Infirmier de bloc",
    "Comptable",
    "Cuisinier",
];

fn own(n: usize) -> Value {
    json!({
        "ref": format!("R{n}"),
        "title": TITLES[n],
        "text": TEXTS[n],
        "city": "Vesoul",
        "employer": "Résidence Les Tilleuls",
        "url": format!("https://ats.tilleuls.example/job/{n}?id=10{n}"),
    })
}

fn copy(n: usize) -> Value {
    let mut copy = own(n);
    copy["ref"] = json!(format!("B{n}"));
    copy
}

fn id(connector: &str, reference: &str) -> VacancyId {
    PostingId::new(&connector.into(), reference).vacancy()
}

fn deleted(changes: &[Change], id: VacancyId) -> Option<(TombstoneReason, Option<VacancyId>)> {
    let change = changes.iter().find(|c| c.id == id)?;
    match change.op {
        ChangeOp::Delete { reason, into } => Some((reason, into)),
        ChangeOp::Upsert { .. } => None,
    }
}

#[tokio::test]
async fn copies_become_one_vacancy_under_the_own_id() {
    let world = World::new();
    world.own((0..4).map(own).collect()).await;
    world.board((0..4).map(copy).collect()).await;
    let mut expected: Vec<_> = (0..4).map(|n| id("ats", &format!("R{n}"))).collect();
    expected.sort();
    assert_eq!(world.live().await, expected);
    assert_eq!(
        *world.pipeline.head().borrow(),
        world.hub.store.head().await.unwrap()
    );
}

#[tokio::test]
async fn an_aggregators_id_gives_way_with_a_tombstone() {
    let world = World::new();
    world.board(vec![copy(0)]).await;
    assert_eq!(world.live().await, [id("board", "B0")]);
    world.own(vec![own(0)]).await;
    assert_eq!(world.live().await, [id("ats", "R0")]);
    let merged = (TombstoneReason::Merged, Some(id("ats", "R0")));
    assert_eq!(
        deleted(&world.changes().await, id("board", "B0")),
        Some(merged)
    );
    let found = world.hub.store.vacancy(id("board", "B0")).await.unwrap();
    let into = found.map(|v| (v.id, v.status));
    assert!(
        matches!(&into, Some((at, VacancyStatus::Live)) if *at == id("ats", "R0"))
            || matches!(&into, Some((_, VacancyStatus::Merged { into })) if *into == id("ats", "R0")),
        "{into:?}"
    );
}

#[tokio::test]
async fn closing_follows_authority() {
    let world = World::new();
    world.own((0..4).map(own).collect()).await;
    world.board((0..4).map(copy).collect()).await;
    world.own((1..4).map(own).collect()).await;
    assert_eq!(world.live().await.len(), 4, "one miss");
    world.own((1..4).map(own).collect()).await;
    assert_eq!(
        world.live().await.len(),
        3,
        "the copy does not keep it open"
    );
    let filled = Some((TombstoneReason::Filled, None));
    assert_eq!(deleted(&world.changes().await, id("ats", "R0")), filled);
    world.board((0..4).map(copy).collect()).await;
    assert_eq!(world.live().await.len(), 3);
    // The employer shows it again, under another reference: the vacancy is the same.
    let mut again = own(0);
    again["ref"] = json!("R9");
    let records = std::iter::once(again).chain((1..4).map(own));
    world.own(records.collect()).await;
    assert!(world.live().await.contains(&id("ats", "R0")));
    assert_eq!(world.live().await.len(), 4);
}

#[tokio::test]
async fn what_does_not_change_writes_no_change() {
    let world = World::new();
    world.own((0..4).map(own).collect()).await;
    let head = world.hub.store.head().await.unwrap();
    let bodies = world.bodies().await;
    assert_eq!(replay(&world.hub, None).await.unwrap(), 4);
    world.drain().await;
    assert_eq!(world.hub.store.head().await.unwrap(), head);
    assert_eq!(world.bodies().await, bodies);
    let mut changed = own(0);
    changed["title"] = json!("Aide-soignante de nuit");
    let records = std::iter::once(changed).chain((1..4).map(own));
    world.own(records.collect()).await;
    assert_eq!(world.hub.store.head().await.unwrap(), head + 1);
}

#[tokio::test]
async fn a_replay_is_shown_before_it_is_applied() {
    let world = World::new();
    world.own((0..4).map(own).collect()).await;
    let same = difference(&world.hub, None).await.unwrap();
    assert_eq!((same.postings, same.changed, same.kept), (4, 0, 0));
    let mut hub = world.hub.clone();
    hub.rules.normalise = |draft, context| {
        let mut posting = plain(draft, context);
        posting.offer.openings = Some(7);
        posting
    };
    let other = difference(&hub, None).await.unwrap();
    assert_eq!((other.postings, other.changed), (4, 4));
    let change = &other.fields["/openings"];
    assert_eq!((other.fields.len(), change.count), (1, 4));
    assert_eq!(change.examples[0].to, json!(7));
    // Nothing was written by looking.
    assert_eq!(difference(&world.hub, None).await.unwrap(), same);
}

#[tokio::test]
async fn the_order_of_arrival_makes_no_difference() {
    let one = World::new();
    one.own
        .hourly(Shot::complete((0..4).map(own).collect()))
        .await;
    one.board
        .run(Shot::complete((0..4).map(copy).collect()))
        .await;
    one.drain().await;
    let other = World::new();
    other.own.pass(SignedDuration::from_hours(1));
    for n in [3, 1, 0, 2] {
        other.board.run(Shot::cut(vec![copy(n)])).await;
        other.drain().await;
        other.own.run(Shot::cut(vec![own(n)])).await;
        other.drain().await;
    }
    assert_eq!(one.bodies().await, other.bodies().await);
}

#[tokio::test]
async fn a_person_hides_shows_joins_and_parts() {
    let world = World::new();
    world.own((0..4).map(own).collect()).await;
    world.board((0..2).map(copy).collect()).await;
    let now = || world.hub.clock.now();
    let (r0, b0) = (id("ats", "R0"), id("board", "B0"));
    let decide = |kind, object| {
        let hub = world.hub.clone();
        world.own.pass(SignedDuration::from_secs(1));
        async move {
            let decided =
                decisions::decide(&*hub.store, kind, r0, object, "agnes", "", hub.clock.now());
            decided.await.unwrap();
        }
    };
    decide(DecisionKind::Hide, None).await;
    world.drain().await;
    let hidden = Some((TombstoneReason::Hidden, None));
    assert_eq!(deleted(&world.changes().await, r0), hidden);
    decide(DecisionKind::Show, None).await;
    world.drain().await;
    assert!(world.live().await.contains(&r0));
    decide(DecisionKind::Different, Some(b0)).await;
    world.drain().await;
    assert_eq!(world.live().await.len(), 5, "parted");
    decide(DecisionKind::Same, Some(b0)).await;
    world.drain().await;
    assert_eq!(world.live().await.len(), 4, "joined again");
    let strange = id("ats", "nobody");
    let unknown = decisions::decide(
        &*world.hub.store,
        DecisionKind::Hide,
        strange,
        None,
        "a",
        "",
        now(),
    );
    assert!(unknown.await.is_err());
}

#[tokio::test]
async fn an_offer_closes_on_its_own_date() {
    let world = World::new();
    let mut dated = own(0);
    let date = world.hub.clock.now() + SignedDuration::from_hours(30);
    dated["expires"] = json!(date.to_string());
    world.own(vec![dated, own(1)]).await;
    world.own.pass(SignedDuration::from_hours(28));
    assert_eq!(world.sweep().await, Swept::default());
    world.own.pass(SignedDuration::from_hours(48));
    assert_eq!(world.sweep().await.expired, 1);
    world.drain().await;
    let expired = Some((TombstoneReason::Expired, None));
    assert_eq!(deleted(&world.changes().await, id("ats", "R0")), expired);
    let vacancy = world.hub.store.vacancy(id("ats", "R0")).await;
    let vacancy = vacancy.unwrap().unwrap();
    let reason = TombstoneReason::Expired;
    assert_eq!(vacancy.status, VacancyStatus::Closed { at: date, reason });
    assert_eq!(world.sweep().await, Swept::default());
}

#[tokio::test]
async fn a_mandate_ends_on_its_day() {
    let world = World::new();
    let mut network = Network::clone(&world.hub.files.get().network);
    let last_day = world.hub.clock.now().to_zoned(TimeZone::UTC).date();
    let portal = (Channel("portal".to_owned()), Mandate::Until(last_day));
    let member = Member {
        id: "tilleuls".to_owned(),
        name: "Les Tilleuls".to_owned(),
        mandates: BTreeMap::from([portal]),
        ..Member::default()
    };
    network.members.insert(member.member_id(), member);
    world.hub.files.set(Files {
        network: Arc::new(network),
        ..(*world.hub.files.get()).clone()
    });
    world.own((0..2).map(own).collect()).await;
    assert_eq!(world.live().await.len(), 2);
    world.own.pass(SignedDuration::from_hours(48));
    assert_eq!(world.sweep().await.rechecked, 2);
    world.drain().await;
    assert!(world.live().await.is_empty());
    assert_eq!(world.sweep().await, Swept::default());
    // It was a wrong clock that said so.
    world.own.pass(SignedDuration::from_hours(-48));
    assert_eq!(world.sweep().await.rechecked, 2);
    world.drain().await;
    assert_eq!(world.live().await.len(), 2);
    assert_eq!(world.sweep().await, Swept::default());
}

#[tokio::test]
async fn a_posting_that_breaks_the_rules_stops_no_other() {
    let world = World::new();
    let mut bad = own(2);
    bad["title"] = json!("breaks the rules");
    world
        .own
        .run(Shot::complete(vec![own(0), own(1), bad, own(3)]))
        .await;
    let drained = world.pipeline.drain(Duration::from_secs(2)).await;
    assert!(!drained.idle, "the bad one waits for its retry");
    assert_eq!(world.live().await.len(), 3);
    let stage = Stage::Normalise;
    let later: Timestamp = world.hub.clock.now() + SignedDuration::from_hours(1);
    let waiting = world
        .hub
        .store
        .lease_outbox(stage, 10, later, later)
        .await
        .unwrap();
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].attempt, 1);
}

#[tokio::test]
async fn a_posting_of_a_connector_that_is_gone_parks_and_closes_nothing() {
    let world = World::new();
    world.own(vec![own(0)]).await;
    let mut files = (*world.hub.files.get()).clone();
    files.maps.remove(&ConnectorName::from("ats"));
    world.hub.files.set(files);
    replay(&world.hub, None).await.unwrap();
    world.own.run(Shot::complete(vec![own(0), own(1)])).await;
    world.drain().await;
    assert_eq!(
        world.live().await,
        [id("ats", "R0")],
        "its stored form is kept"
    );
    let parked = world.hub.store.parked().await.unwrap();
    assert_eq!(parked.len(), 1);
    assert!(
        parked[0].error.contains("no connector ats"),
        "{}",
        parked[0].error
    );
}

#[tokio::test]
async fn a_crash_between_any_two_steps_changes_nothing() {
    use crate::pull::run::support::Dies;
    let story = |world: &World| {
        let all: Vec<Value> = (0..4).map(own).collect();
        let copies: Vec<Value> = (0..4).map(copy).collect();
        let (own, board) = (world.own.source.clone(), world.board.source.clone());
        *own.next.lock().unwrap() = Shot::complete(all);
        *board.next.lock().unwrap() = Shot::complete(copies);
    };
    let whole = World::new();
    story(&whole);
    whole.own.again().await;
    whole.board.again().await;
    whole.drain().await;
    let bodies = whole.bodies().await;
    assert_eq!(bodies.len(), 4);
    for polls in (1..60).step_by(3) {
        let folder = tempfile::tempdir().unwrap();
        let open = || -> DynStore {
            let path = folder.path().join("passerelle.db");
            Arc::new(SqliteStore::open(path, &SqliteOptions::default()).unwrap())
        };
        let world = World::over(open());
        story(&world);
        world.own.again().await;
        world.board.again().await;
        let drained = Dies {
            future: Box::pin(world.pipeline.drain(Duration::from_secs(20))),
            left: polls,
        };
        drained.await;
        // A new process: what was leased is free again.
        drop(world);
        let world = World::over(open());
        world.drain().await;
        assert_eq!(world.bodies().await, bodies, "died at poll {polls}");
    }
}
