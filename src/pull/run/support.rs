//! A source that follows a script, and a clock that is moved by hand.

use crate::model::{
    Clock, ConnectorName, Draft, Field, PostingId, PostingState, Problem, Raw, Turn,
};
use crate::pull::connector::Guards;
use crate::pull::run::{Map, Outcome, Page, Report, RunError, Source, run};
use crate::pull::source::{ReadEnd, RecordSink, SourceRecord};
use crate::store::{ConnectorState, SnapshotKind, Store};
use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

/// One answer of the source.
#[derive(Clone, Debug)]
pub struct Shot {
    pub records: Vec<SourceRecord>,
    pub kind: SnapshotKind,
    pub error: Option<String>,
    pub etag: Option<String>,
}

impl Shot {
    pub fn complete(records: Vec<Value>) -> Self {
        Self {
            records: records
                .into_iter()
                .map(|tree| SourceRecord::Tree(tree.into()))
                .collect(),
            kind: SnapshotKind::Complete,
            error: None,
            etag: None,
        }
    }

    pub fn of(kind: SnapshotKind) -> Self {
        Self {
            kind,
            error: (kind == SnapshotKind::Failed).then(|| "HTTP 500".to_owned()),
            ..Self::complete(Vec::new())
        }
    }

    pub fn cut(records: Vec<Value>) -> Self {
        Self {
            kind: SnapshotKind::Partial,
            error: Some("cut off".to_owned()),
            ..Self::complete(records)
        }
    }

    pub fn etag(mut self, etag: &str) -> Self {
        self.etag = Some(etag.to_owned());
        self
    }
}

pub struct Scripted {
    pub name: ConnectorName,
    pub guards: Guards,
    pub next: Mutex<Shot>,
    /// The validator that the last read was given.
    pub given: Mutex<Option<String>>,
    /// Pages that a run may ask for, what they say (where nothing is said, the offer is there),
    /// and those that were asked for.
    pub probes: usize,
    pub pages: Mutex<BTreeMap<String, Page>>,
    pub asked: Mutex<Vec<String>>,
    /// Batches that there is room for.
    pub room: AtomicUsize,
}

impl Map for Scripted {
    fn map(&self, record: &Value) -> Result<Draft, Vec<Problem>> {
        let problem = |field: &str, rule: &str| Problem {
            field: field.to_owned(),
            rule: rule.to_owned(),
            value: String::new(),
            message: "missing".to_owned(),
        };
        let text = |key: &str| record.get(key).and_then(Value::as_str).map(str::to_owned);
        assert!(
            record.get("panic").is_none(),
            "a record that breaks the map"
        );
        let reference = text("ref").ok_or_else(|| vec![problem("reference", "field.missing")])?;
        text("title").ok_or_else(|| vec![problem("title", "field.missing")])?;
        let mut draft = Draft {
            reference,
            ..Draft::default()
        };
        for (key, field) in [
            ("title", Field::Title),
            ("text", Field::Description),
            ("status", Field::Status),
            ("city", Field::PlaceCity),
            ("url", Field::ApplyUrl),
            ("requisition", Field::Requisition),
            ("published", Field::Published),
            ("expires", Field::Expires),
            ("visibility", Field::Visibility),
            ("employer", Field::EmployerName),
        ] {
            if let Some(value) = text(key) {
                draft.fields.insert(field, Raw::new(value, key));
            }
        }
        Ok(draft)
    }

    fn reference(&self, record: &Value) -> Option<String> {
        record.get("ref")?.as_str().map(str::to_owned)
    }
}

#[async_trait]
impl Source for Scripted {
    fn name(&self) -> &ConnectorName {
        &self.name
    }

    fn guards(&self) -> &Guards {
        &self.guards
    }

    fn probes(&self) -> usize {
        self.probes
    }

    async fn probe(&self, records: &[Value]) -> Vec<Page> {
        let pages = self.pages.lock().unwrap();
        let references = records.iter().filter_map(|r| r["ref"].as_str());
        references
            .map(|reference| {
                self.asked.lock().unwrap().push(reference.to_owned());
                pages.get(reference).copied().unwrap_or(Page::There)
            })
            .collect()
    }

    async fn room(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        let left = self
            .room
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        left.is_ok()
    }

    async fn read(&self, before: &ConnectorState, sink: &mut dyn RecordSink) -> ReadEnd {
        *self.given.lock().unwrap() = before.etag.clone();
        let shot = self.next.lock().unwrap().clone();
        let mut end = ReadEnd {
            snapshot: shot.kind,
            error: shot.error,
            state: ConnectorState {
                etag: shot.etag,
                ..before.clone()
            },
            requests: 1,
            bytes: 0,
        };
        for part in shot.records.chunks(7) {
            if let Err(error) = sink.push(part.to_vec()).await {
                end.snapshot = SnapshotKind::Failed;
                end.error = Some(error.to_string());
            }
        }
        end
    }
}

/// A hub of one connector.
pub struct Bench {
    pub store: Arc<dyn Store>,
    pub source: Arc<Scripted>,
    pub now: Arc<AtomicI64>,
}

pub const START: i64 = 1_790_000_000;

impl Bench {
    pub fn new(store: Arc<dyn Store>, guards: Guards) -> Self {
        Self::named("ats", store, guards)
    }

    pub fn named(name: &str, store: Arc<dyn Store>, guards: Guards) -> Self {
        let source = Scripted {
            name: name.into(),
            guards,
            next: Mutex::new(Shot::complete(Vec::new())),
            given: Mutex::default(),
            probes: 0,
            pages: Mutex::default(),
            asked: Mutex::default(),
            room: AtomicUsize::new(usize::MAX),
        };
        Self {
            store,
            source: Arc::new(source),
            now: Arc::new(AtomicI64::new(START)),
        }
    }

    /// A hub whose source gives the pages of its offers.
    pub fn probing(store: Arc<dyn Store>, guards: Guards, most: usize) -> Self {
        let mut hub = Self::new(store, guards);
        let source = Arc::get_mut(&mut hub.source).expect("nobody else has it yet");
        source.probes = most;
        hub
    }

    pub fn clock(&self) -> Clock {
        let now = self.now.clone();
        Clock::new(move || Timestamp::from_second(now.load(Ordering::SeqCst)).unwrap())
    }

    pub fn pass(&self, time: SignedDuration) {
        self.now.fetch_add(time.as_secs(), Ordering::SeqCst);
    }

    pub async fn run(&self, shot: Shot) -> Report {
        *self.source.next.lock().unwrap() = shot;
        self.again().await
    }

    /// A run of the script as it stands.
    pub async fn again(&self) -> Report {
        match self.try_again().await {
            Ok(Outcome::Ran(report)) => report,
            other => panic!("{other:?}"),
        }
    }

    pub async fn try_again(&self) -> Result<Outcome, RunError> {
        run(&*self.store, self.source.clone(), &self.clock(), "sync").await
    }

    /// A run an hour after the one before.
    pub async fn hourly(&self, shot: Shot) -> Report {
        self.pass(SignedDuration::from_hours(1));
        self.run(shot).await
    }

    pub async fn states(&self) -> Vec<PostingState> {
        let states = self.store.posting_states(&self.source.name).await;
        let mut states = states.unwrap();
        states.sort_by(|a, b| a.reference.cmp(&b.reference));
        states
    }

    /// When a posting closed and came back.
    pub async fn turns(&self, id: PostingId) -> Vec<Turn> {
        self.store.trace(id).await.unwrap().unwrap().turns
    }

    /// References of live postings.
    pub async fn live(&self) -> Vec<String> {
        let states = self.states().await;
        let live = states.into_iter().filter(PostingState::is_live);
        live.map(|s| s.reference).collect()
    }
}

/// A future that dies at its `left`th poll, as a process would between two calls of the store.
pub struct Dies<F> {
    pub future: Pin<Box<F>>,
    pub left: usize,
}

impl<F: Future> Future for Dies<F> {
    type Output = bool;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        if self.left == 0 {
            return Poll::Ready(false);
        }
        self.left -= 1;
        self.future.as_mut().poll(cx).map(|_| true)
    }
}

/// An offer of the synthetic source.
pub fn offer(n: usize) -> Value {
    json!({
        "ref": format!("R{n:03}"),
        "title": format!("Aide-soignant {n}"),
        "text": format!("Poste synthétique numéro {n}"),
        "city": "Vesoul",
    })
}

pub fn offers(range: std::ops::Range<usize>) -> Vec<Value> {
    range.map(offer).collect()
}
