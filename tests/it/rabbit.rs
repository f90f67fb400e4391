//! The bus on a real RabbitMQ: what the broker does to it, and what never gets lost by that.

use crate::services::{BROKER, Broker, broker};
use crate::store_contract::backend::Backend;
use futures::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use passerelle::bus::rabbit::{
    BusHealth, PUBLIC, RabbitBus, RabbitConfig, retry_queue, work_queue,
};
use passerelle::bus::{Bus, Delivery, LADDER, Verdict};
use passerelle::model::{
    Clock, Event, EventKind, PostingId, Revision, Stage, TombstoneReason, VacancyId, VacancyStatus,
};
use passerelle::store::SqliteStore;
use passerelle::store::{ChangeWrite, DynStore, Inbox, PublicCommit, VacancyWrite};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_secs(30);

struct Rig {
    store: DynStore,
    bus: Arc<RabbitBus>,
    cancel: CancellationToken,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

fn clock() -> Clock {
    #[allow(
        clippy::disallowed_methods,
        reason = "the bus runs on the machine's clock"
    )]
    Clock::new(jiff::Timestamp::now)
}

fn config(broker: &Broker) -> RabbitConfig {
    RabbitConfig {
        addresses: vec![broker.url.clone()],
        confirm_timeout: Duration::from_secs(5),
        ..Default::default()
    }
}

async fn rig(broker: &Broker) -> Rig {
    rig_over(broker, Arc::new(SqliteStore::temporary().unwrap())).await
}

async fn rig_over(broker: &Broker, store: DynStore) -> Rig {
    let cancel = CancellationToken::new();
    let bus = RabbitBus::start(
        config(broker),
        store.clone(),
        clock(),
        &Stage::ALL,
        cancel.clone(),
    )
    .await
    .unwrap();
    Rig { store, bus, cancel }
}

fn events(count: usize) -> Vec<Event> {
    (0..count)
        .map(|n| {
            let key = PostingId::new(&"test".into(), &n.to_string());
            let revision = Revision {
                observation: 1,
                rules: 1,
            };
            Event::new(
                EventKind::PostingPulled,
                key,
                revision,
                jiff::Timestamp::UNIX_EPOCH,
            )
        })
        .collect()
}

impl Rig {
    async fn send(&self, events: Vec<Event>) {
        self.store.enqueue(events).await.unwrap();
        self.bus.wake(Stage::Normalise);
    }

    /// What the store says the moment it holds; panics after `SOON`.
    async fn until_idle(&self) {
        let began = Instant::now();
        while !self.bus.idle().await.unwrap() {
            assert!(began.elapsed() < SOON * 2, "the bus does not come to rest");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn receive(&self, max: usize) -> Vec<Delivery> {
        self.bus.receive(Stage::Normalise, max, SOON).await.unwrap()
    }

    async fn end(&self, batch: Vec<Delivery>, verdict: Verdict) {
        let ended = batch
            .into_iter()
            .map(|delivery| (delivery, verdict.clone()))
            .collect();
        self.bus.settle(Stage::Normalise, ended).await.unwrap();
    }
}

async fn channel(broker: &Broker) -> (Connection, Channel) {
    let connection = Connection::connect(&broker.url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

async fn depth(channel: &Channel, queue: &str) -> u32 {
    let passive = QueueDeclareOptions {
        passive: true,
        ..Default::default()
    };
    let queue = channel
        .queue_declare(queue.into(), passive, FieldTable::default())
        .await
        .unwrap();
    queue.message_count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_outbox_holds_is_delivered_once_and_leaves_with_the_commit() {
    let _shared = BROKER.read().await;
    let Some(broker) = broker("delivered") else {
        return;
    };
    let rig = rig(&broker).await;
    let sent = events(1000);
    rig.send(sent.clone()).await;
    let mut seen = BTreeSet::new();
    while seen.len() < sent.len() {
        let batch = rig.receive(300).await;
        assert!(!batch.is_empty(), "{} of {} came", seen.len(), sent.len());
        for delivery in &batch {
            assert!(
                seen.insert(delivery.event.id),
                "delivered twice without a fault"
            );
            assert_eq!(delivery.attempt, 0);
        }
        // Until the stage has settled them the rows are still there: the broker's disk may die.
        assert!(rig.store.outbox_depth().await.unwrap().events >= batch.len() as u64);
        rig.end(batch, Verdict::Done).await;
    }
    assert_eq!(seen, sent.iter().map(|event| event.id).collect());
    rig.until_idle().await;
    assert_eq!(
        depth(&channel(&broker).await.1, &work_queue(Stage::Normalise)).await,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_message_climbs_the_ladder_with_its_attempt_counted() {
    let _shared = BROKER.read().await;
    let Some(broker) = broker("ladder") else {
        return;
    };
    let rig = rig(&broker).await;
    rig.send(events(1)).await;
    let batch = rig.receive(10).await;
    rig.end(batch, Verdict::Retry("the store is away".into()))
        .await;
    let (_connection, channel) = channel(&broker).await;
    assert_eq!(
        depth(&channel, &retry_queue(Stage::Normalise, LADDER[0])).await,
        1
    );
    assert!(
        !rig.bus.idle().await.unwrap(),
        "a message on the ladder is not done"
    );
    let batch = rig.receive(10).await;
    assert_eq!(batch.len(), 1, "it comes back after ten seconds");
    assert_eq!(batch[0].attempt, 1);
    rig.end(batch, Verdict::Park("no use".into())).await;
    rig.until_idle().await;
    let parked = rig.store.parked().await.unwrap();
    assert_eq!(parked.len(), 1);
    assert_eq!(parked[0].error, "no use");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_parked_with_its_bytes() {
    let _shared = BROKER.read().await;
    let Some(broker) = broker("undecodable") else {
        return;
    };
    let rig = rig(&broker).await;
    let (_connection, channel) = channel(&broker).await;
    let bodies: [&[u8]; 2] = [
        b"\xff\x00 not json",
        br#"{"type":"fr.passerelle.posting.pulled.v9"}"#,
    ];
    for body in bodies {
        channel
            .basic_publish(
                "passerelle.events".into(),
                "posting.pulled".into(),
                BasicPublishOptions::default(),
                body,
                BasicProperties::default().with_delivery_mode(2),
            )
            .await
            .unwrap();
    }
    let began = Instant::now();
    while rig.store.parked().await.unwrap().len() < 2 {
        assert!(began.elapsed() < SOON, "not parked");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let kept: BTreeSet<Vec<u8>> = rig
        .store
        .parked()
        .await
        .unwrap()
        .into_iter()
        .map(|parked| parked.body)
        .collect();
    assert_eq!(kept, bodies.iter().map(|body| body.to_vec()).collect());
}

/// A hundred megabytes that are no event: the broker refuses them (4.x), or they are parked whole; what
/// comes after them goes its way.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_a_hundred_megabytes_harms_no_other() {
    let _shared = BROKER.read().await;
    let Some(broker) = broker("huge") else {
        return;
    };
    let rig = rig(&broker).await;
    let (_connection, channel) = channel(&broker).await;
    channel.confirm_select(Default::default()).await.unwrap();
    let huge = vec![b'x'; 100 << 20];
    let sent = channel
        .basic_publish(
            "passerelle.events".into(),
            "posting.pulled".into(),
            BasicPublishOptions::default(),
            &huge,
            BasicProperties::default().with_delivery_mode(2),
        )
        .await;
    let taken = match sent {
        Ok(confirm) => matches!(confirm.await, Ok(Confirmation::Ack(None))),
        Err(_) => false,
    };
    let wanted: BTreeSet<_> = events(50).iter().map(|event| event.key.clone()).collect();
    rig.send(events(50)).await;
    let mut came = BTreeSet::new();
    while came != wanted {
        let batch = rig.receive(50).await;
        assert!(!batch.is_empty(), "{} came", came.len());
        came.extend(batch.iter().map(|delivery| delivery.event.key.clone()));
        rig.end(batch, Verdict::Done).await;
    }
    rig.until_idle().await;
    let began = Instant::now();
    while rig.store.parked().await.unwrap().len() < usize::from(taken) {
        assert!(began.elapsed() < SOON * 2, "not parked");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for parked in rig.store.parked().await.unwrap() {
        assert!(parked.body == huge, "{} bytes", parked.body.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_deleted_while_running_is_declared_again() {
    let _shared = BROKER.read().await;
    let Some(broker) = broker("unbound") else {
        return;
    };
    let rig = rig(&broker).await;
    let (_connection, channel) = channel(&broker).await;
    channel
        .queue_unbind(
            work_queue(Stage::Normalise).as_str().into(),
            "passerelle.events".into(),
            "posting.pulled".into(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    rig.send(events(5)).await;
    let mut came = 0;
    while came < 5 {
        let batch = rig.receive(10).await;
        assert!(
            !batch.is_empty(),
            "returned messages stay in the outbox and go again"
        );
        came += batch.len();
        rig.end(batch, Verdict::Done).await;
    }
    rig.until_idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_when_the_broker_is_killed() {
    let _alone = BROKER.write().await;
    let Some(broker) = broker("killed") else {
        return;
    };
    let rig = rig(&broker).await;
    let sent = events(4000);
    rig.send(sent.clone()).await;
    let mut done = BTreeSet::new();
    let began = Instant::now();
    let mut killed = false;
    while done.len() < sent.len() {
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "{} of {}",
            done.len(),
            sent.len()
        );
        if !killed && done.len() > 500 {
            killed = true;
            broker.kill();
            broker.start();
        }
        let batch = rig
            .bus
            .receive(Stage::Normalise, 200, Duration::from_secs(1))
            .await
            .unwrap();
        done.extend(batch.iter().map(|delivery| delivery.event.id));
        rig.end(batch, Verdict::Done).await;
    }
    assert!(killed);
    assert_eq!(done, sent.iter().map(|event| event.id).collect());
    // Redelivered copies are settled too; then the bus rests.
    while !rig.bus.idle().await.unwrap() {
        let batch = rig
            .bus
            .receive(Stage::Normalise, 200, Duration::from_millis(200))
            .await
            .unwrap();
        rig.end(batch, Verdict::Done).await;
    }
    assert_eq!(rig.bus.health(), BusHealth::Ready);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_at_start_are_named_and_end_the_start() {
    let _shared = BROKER.read().await;
    let Some(broker) = broker("refusals") else {
        return;
    };
    let store: DynStore = Arc::new(SqliteStore::temporary().unwrap());
    let start = async |address: String| {
        let config = RabbitConfig {
            addresses: vec![address],
            ..Default::default()
        };
        let cancel = CancellationToken::new();
        let started = RabbitBus::start(config, store.clone(), clock(), &Stage::ALL, cancel.clone());
        let error = tokio::time::timeout(SOON, started)
            .await
            .unwrap()
            .err()
            .unwrap();
        cancel.cancel();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    };
    let wrong_password = broker.url.replace("guest:guest", "guest:wrong");
    let message = start(wrong_password).await;
    assert!(
        message.contains("check the user, the password"),
        "{message}"
    );
    let message = start(format!("{}/no_such_vhost", broker.base)).await;
    assert!(message.contains("virtual host"), "{message}");
    let (_connection, channel) = channel(&broker).await;
    channel
        .queue_declare(
            work_queue(Stage::Dedupe).as_str().into(),
            QueueDeclareOptions {
                durable: true,
                ..Default::default()
            },
            FieldTable::default(),
        )
        .await
        .unwrap();
    let message = start(broker.url.clone()).await;
    assert!(
        message.contains("delete_queue passerelle.dedupe"),
        "{message}"
    );
}

/// 403: the user may do nothing but use what is there.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_declare_is_told_what_to_allow() {
    let _shared = BROKER.read().await;
    let Some(broker) = broker("forbidden") else {
        return;
    };
    let user = format!("reader_{}", std::process::id());
    let config = RabbitConfig {
        addresses: vec![broker.user_without_rights(&user)],
        ..Default::default()
    };
    let store: DynStore = Arc::new(SqliteStore::temporary().unwrap());
    let cancel = CancellationToken::new();
    let started = RabbitBus::start(config, store, clock(), &Stage::ALL, cancel.clone());
    let started = tokio::time::timeout(SOON * 2, started).await.unwrap();
    let error = started.err().unwrap();
    cancel.cancel();
    broker.control(&["delete_user", &user]);
    let mut causes = error.to_string();
    let mut next = std::error::Error::source(&error);
    while let Some(cause) = next {
        causes = format!("{causes}: {cause}");
        next = cause.source();
    }
    assert!(causes.contains("set_permissions"), "{causes}");
    assert!(causes.contains("ACCESS"), "{causes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_broker_is_waited_for() {
    let store: DynStore = Arc::new(SqliteStore::temporary().unwrap());
    // Nothing listens on a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let config = RabbitConfig {
        addresses: vec![format!("amqp://guest:guest@127.0.0.1:{port}/%2f")],
        ..Default::default()
    };
    let cancel = CancellationToken::new();
    let starting = tokio::spawn(RabbitBus::start(
        config,
        store,
        clock(),
        &[Stage::Normalise],
        cancel.clone(),
    ));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(!starting.is_finished(), "it waits");
    cancel.cancel();
    assert!(
        tokio::time::timeout(SOON, starting)
            .await
            .unwrap()
            .unwrap()
            .is_ok()
    );
}

/// Publishes a vacancy, or its closing.
async fn publish(store: &DynStore, id: VacancyId, body: Option<&'static str>) {
    let at = jiff::Timestamp::UNIX_EPOCH;
    let delete = body.is_none().then_some(TombstoneReason::Filled);
    let commit = PublicCommit {
        vacancies: vec![VacancyWrite {
            id,
            status: match body {
                Some(_) => VacancyStatus::Live,
                None => VacancyStatus::Closed {
                    at,
                    reason: TombstoneReason::Filled,
                },
            },
            vacancy: None,
            body: body.map(|text| text.as_bytes().into()),
            provenance: None,
            change: Some(ChangeWrite {
                at,
                delete,
                into: None,
            }),
        }],
        ..Default::default()
    };
    let inbox = Inbox {
        stage: Stage::Dedupe,
        messages: Vec::new(),
        at,
    };
    let tx = store.lock_public().await.unwrap();
    tx.commit(commit, &inbox).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn public_events_reach_a_subscriber_in_order_and_need_none() {
    let _shared = BROKER.read().await;
    let Some(broker) = broker("public") else {
        return;
    };
    let rig = rig(&broker).await;
    let ids: Vec<VacancyId> = (0..3)
        .map(|n| PostingId::new(&"test".into(), &format!("v{n}")).vacancy())
        .collect();
    let publish = async |id, body| publish(&rig.store, id, body).await;
    // Nobody listens yet: the event is published all the same.
    publish(ids[0], Some(r#"{"title":"Aide-soignant"}"#)).await;
    let sink = tokio::spawn(rig.bus.public_sink().run(rig.cancel.clone()));
    let began = Instant::now();
    while rig.store.cursor("amqp:passerelle.public").await.unwrap() < 1 {
        assert!(began.elapsed() < SOON, "the sink waits for a subscriber");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (_connection, channel) = channel(&broker).await;
    channel
        .queue_declare(
            "site".into(),
            QueueDeclareOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    channel
        .queue_bind(
            "site".into(),
            PUBLIC.into(),
            "vacancy.*".into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    publish(ids[1], Some(r#"{"title":"Infirmier"}"#)).await;
    publish(ids[2], None).await;
    let mut consumer = channel
        .basic_consume(
            "site".into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let delivery = tokio::time::timeout(SOON, consumer.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        delivery.ack(BasicAckOptions::default()).await.unwrap();
        seen.push(serde_json::from_slice::<serde_json::Value>(&delivery.data).unwrap());
    }
    assert_eq!(seen[0]["type"], "fr.passerelle.vacancy.upserted.v1");
    assert_eq!(seen[0]["data"]["title"], "Infirmier");
    assert_eq!(seen[1]["type"], "fr.passerelle.vacancy.deleted.v1");
    assert_eq!(seen[1]["data"]["reason"], "filled");
    assert!(seen[0]["sequence"].as_str() < seen[1]["sequence"].as_str());
    rig.cancel.cancel();
    sink.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_alarm_blocks_and_loses_nothing() {
    let _alone = BROKER.write().await;
    let Some(broker) = broker("alarm") else {
        return;
    };
    let rig = rig(&broker).await;
    broker.control(&["set_vm_memory_high_watermark", "0.00001"]);
    let sent = events(300);
    rig.send(sent.clone()).await;
    let began = Instant::now();
    while rig.bus.health() != BusHealth::Blocked {
        assert!(began.elapsed() < SOON, "the alarm shows in the health");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Longer than a confirm may take: what waits is neither given up nor sent again beside itself.
    tokio::time::sleep(config(&broker).confirm_timeout + Duration::from_secs(4)).await;
    assert_eq!(rig.bus.health(), BusHealth::Blocked, "the session lives on");
    broker.control(&["set_vm_memory_high_watermark", "absolute", "2GB"]);
    let (mut done, mut deliveries) = (BTreeSet::new(), 0);
    while done.len() < sent.len() {
        assert!(
            began.elapsed() < SOON * 4,
            "{} of {}",
            done.len(),
            sent.len()
        );
        let batch = rig
            .bus
            .receive(Stage::Normalise, 200, Duration::from_secs(1))
            .await
            .unwrap();
        deliveries += batch.len();
        done.extend(batch.iter().map(|delivery| delivery.event.id));
        rig.end(batch, Verdict::Done).await;
    }
    rig.until_idle().await;
    assert_eq!(deliveries, sent.len(), "some came twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_deleted_while_running_is_declared_and_consumed_again() {
    let _shared = BROKER.read().await;
    let Some(broker) = broker("deleted") else {
        return;
    };
    let rig = rig(&broker).await;
    let (_connection, channel) = channel(&broker).await;
    channel
        .queue_delete(
            work_queue(Stage::Normalise).as_str().into(),
            Default::default(),
        )
        .await
        .unwrap();
    rig.send(events(3)).await;
    let mut came = BTreeSet::new();
    while came.len() < 3 {
        let batch = rig.receive(10).await;
        assert!(!batch.is_empty());
        came.extend(batch.iter().map(|delivery| delivery.event.id));
        rig.end(batch, Verdict::Done).await;
    }
}

/// A bound queue of a downstream site.
async fn subscriber(channel: &Channel) -> lapin::Consumer {
    let (queue, keys) = ("site", "vacancy.*");
    let declared = channel.queue_declare(
        queue.into(),
        QueueDeclareOptions::default(),
        FieldTable::default(),
    );
    declared.await.unwrap();
    let bound = channel.queue_bind(
        queue.into(),
        PUBLIC.into(),
        keys.into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.unwrap();
    let consumer = channel.basic_consume(
        queue.into(),
        "".into(),
        BasicConsumeOptions {
            no_ack: true,
            ..Default::default()
        },
        FieldTable::default(),
    );
    consumer.await.unwrap()
}

async fn next_id(consumer: &mut lapin::Consumer) -> String {
    let delivery = tokio::time::timeout(SOON * 2, consumer.next()).await;
    let delivery = delivery.unwrap().unwrap().unwrap();
    let id = delivery.properties.message_id().as_ref();
    id.unwrap().to_string()
}

/// The session that holds the right to publish is lost, and nothing else is: the sink stops, another
/// process may publish, and takes up where the first one was.
#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_loses_its_right_stops_and_takes_it_again() {
    let _shared = BROKER.read().await;
    let (Some(broker), Some(backend)) = (broker("right"), Backend::postgres("right").await) else {
        return;
    };
    let rig = rig_over(&broker, backend.open().await).await;
    let other = backend.open().await;
    let (_connection, channel) = channel(&broker).await;
    let mut site = subscriber(&channel).await;
    let sink = tokio::spawn(rig.bus.public_sink().run(rig.cancel.clone()));
    let ids: Vec<VacancyId> = (0..3)
        .map(|n| PostingId::new(&"test".into(), &format!("r{n}")).vacancy())
        .collect();
    publish(&other, ids[0], Some(r#"{"title":"un"}"#)).await;
    assert_eq!(next_id(&mut site).await, format!("{}-1", ids[0]));

    // Another process has the right once the sink's session is cut: the sink pauses before it asks.
    let turn = passerelle::model::ConnectorName("amqp:passerelle.public".to_owned());
    let began = Instant::now();
    let taken = loop {
        assert!(began.elapsed() < SOON * 2, "the right is never lost");
        backend
            .order(
                "SET application_name = 'test'; \
                 SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE application_name = current_schema()",
            )
            .await;
        if let Ok(Some(taken)) = other.lock_connector(&turn).await {
            break taken;
        }
    };
    while publish_tried(&other, ids[1]).await.is_err() {
        assert!(began.elapsed() < SOON * 2, "the store stays away");
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    let cursor = other.cursor("amqp:passerelle.public").await.unwrap();
    assert_eq!(cursor, 1, "it publishes without the right");
    drop(taken);
    assert_eq!(next_id(&mut site).await, format!("{}-2", ids[1]));
    publish(&other, ids[2], Some(r#"{"title":"trois"}"#)).await;
    assert_eq!(next_id(&mut site).await, format!("{}-3", ids[2]));
    rig.cancel.cancel();
    sink.await.unwrap();
}

/// Sessions of the pool may have been cut too.
async fn publish_tried(
    store: &DynStore,
    id: VacancyId,
) -> Result<(), passerelle::store::StoreError> {
    store.head().await?;
    publish(store, id, Some(r#"{"title":"deux"}"#)).await;
    Ok(())
}

/// A broker set up anew, or one that has lost its disk: its queues are not there any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_has_lost_everything_gets_it_again_at_once() {
    let _shared = BROKER.read().await;
    let Some(broker) = broker("reset") else {
        return;
    };
    let rig = rig(&broker).await;
    let sent = events(6);
    rig.send(sent.clone()).await;
    let mut received = Vec::new();
    while received.len() < sent.len() {
        received.extend(rig.receive(10).await);
    }
    // Some wait in the ladder, some are in hand, one is done.
    let retried = received.split_off(4);
    rig.end(retried, Verdict::Retry("a lock".into())).await;
    let done = received.remove(0);
    let done_id = done.event.id;
    rig.end(vec![done], Verdict::Done).await;
    broker.reset();
    let mut wanted: BTreeSet<_> = sent.iter().map(|event| event.id).collect();
    wanted.remove(&done_id);
    let mut came = BTreeSet::new();
    let began = Instant::now();
    while came.len() < wanted.len() {
        assert!(began.elapsed() < SOON * 4, "{} came", came.len());
        let wait = Duration::from_millis(200);
        let batch = rig.bus.receive(Stage::Normalise, 10, wait).await.unwrap();
        came.extend(batch.iter().map(|delivery| delivery.event.id));
        rig.end(batch, Verdict::Done).await;
    }
    assert_eq!(came, wanted);
    rig.until_idle().await;
}

/// The store is away when a message is to be tried again: however often that is said, one copy climbs.
#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_the_store_cannot_write_puts_no_copy_into_the_ladder() {
    let _shared = BROKER.read().await;
    let (Some(broker), Some(backend)) = (broker("once"), Backend::postgres("once").await) else {
        return;
    };
    let rig = rig_over(&broker, backend.open().await).await;
    rig.send(events(1)).await;
    let batch = rig.receive(10).await;
    let ended: Vec<_> = batch
        .into_iter()
        .map(|delivery| (delivery, Verdict::Retry("a lock".into())))
        .collect();
    let (_connection, channel) = channel(&broker).await;
    let ladder = retry_queue(Stage::Normalise, LADDER[0]);
    backend.order("ALTER TABLE outbox RENAME TO away").await;
    for _ in 0..3 {
        let settled = rig.bus.settle(Stage::Normalise, ended.clone()).await;
        assert!(settled.is_err());
    }
    assert_eq!(depth(&channel, &ladder).await, 0);
    backend.order("ALTER TABLE away RENAME TO outbox").await;
    rig.bus.settle(Stage::Normalise, ended).await.unwrap();
    assert_eq!(depth(&channel, &ladder).await, 1);
}

/// The process stops: what no worker has begun goes to others at once, what one has in hand is finished.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stops_gives_back_what_it_has_not_begun() {
    let _shared = BROKER.read().await;
    let Some(broker) = broker("drain") else {
        return;
    };
    let rig = rig(&broker).await;
    let sent = events(10);
    rig.send(sent.clone()).await;
    let in_hand = rig.receive(1).await;
    assert_eq!(in_hand.len(), 1);
    rig.bus.rest();
    // Started once the first takes no more, so that all that it had can only have come back.
    let other = rig_over(&broker, rig.store.clone()).await;
    let mut came = BTreeSet::new();
    let began = Instant::now();
    while came.len() < sent.len() - 1 {
        assert!(began.elapsed() < SOON * 2, "{} came", came.len());
        let batch = other.receive(10).await;
        assert!(batch.iter().all(|delivery| delivery.attempt == 0));
        came.extend(batch.iter().map(|delivery| delivery.event.id));
        other.end(batch, Verdict::Done).await;
    }
    assert!(rig.receive(10).await.is_empty(), "it takes nothing more");
    came.insert(in_hand[0].event.id);
    rig.end(in_hand, Verdict::Done).await;
    rig.bus.close().await;
    assert_eq!(came, sent.iter().map(|event| event.id).collect());
    other.until_idle().await;
    let (_connection, channel) = channel(&broker).await;
    assert_eq!(depth(&channel, &work_queue(Stage::Normalise)).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_in_the_ladder_outlive_the_broker() {
    let _alone = BROKER.write().await;
    let Some(broker) = broker("waiting") else {
        return;
    };
    let rig = rig(&broker).await;
    let sent = events(20);
    rig.send(sent.clone()).await;
    let mut received = Vec::new();
    while received.len() < sent.len() {
        received.extend(rig.receive(50).await);
    }
    rig.end(received, Verdict::Retry("a lock".into())).await;
    {
        let (_connection, channel) = channel(&broker).await;
        let waiting = retry_queue(Stage::Normalise, LADDER[0]);
        assert_eq!(depth(&channel, &waiting).await, 20);
    }
    broker.kill();
    broker.start();
    let mut came = BTreeSet::new();
    let began = Instant::now();
    while came.len() < sent.len() {
        assert!(began.elapsed() < SOON * 6, "{} came", came.len());
        let wait = Duration::from_secs(1);
        let batch = rig.bus.receive(Stage::Normalise, 50, wait).await.unwrap();
        // An acknowledgement may have died with the broker: then the first copy comes too.
        let retried = batch.iter().filter(|delivery| delivery.attempt == 1);
        came.extend(retried.map(|delivery| delivery.event.id));
        rig.end(batch, Verdict::Done).await;
    }
    assert_eq!(came, sent.iter().map(|event| event.id).collect());
    rig.until_idle().await;
}
