//! What a start refuses, and what it waits for.

use super::rig::*;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use passerelle::bus::BusError;
use passerelle::bus::rabbit::{RabbitBus, RabbitConfig, work_queue};
use passerelle::model::Stage;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What a start at `address` is refused with, causes and all.
async fn refused(address: String) -> String {
    let config = RabbitConfig {
        addresses: vec![address],
        ..Default::default()
    };
    let cancel = CancellationToken::new();
    let started = RabbitBus::start(config, temporary(), clock(), &Stage::ALL, cancel.clone());
    let started = tokio::time::timeout(SOON * 2, started).await.unwrap();
    cancel.cancel();
    let error: BusError = started.err().unwrap();
    let mut causes = error.to_string();
    let mut next = std::error::Error::source(&error);
    while let Some(cause) = next {
        causes = format!("{causes}: {cause}");
        next = cause.source();
    }
    causes
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_at_start_are_named_and_end_the_start() {
    let Some(turn) = shared("refusals").await else {
        return;
    };
    let broker = &turn.broker;
    let said = refused(broker.url.replace("guest:guest", "guest:wrong")).await;
    assert!(said.contains("check the user, the password"), "{said}");
    let said = refused(format!("{}/no_such_vhost", broker.base)).await;
    assert!(said.contains("virtual host"), "{said}");

    let (_connection, channel) = turn.channel().await;
    let (queue, durable) = (work_queue(Stage::Dedupe), true);
    let options = QueueDeclareOptions {
        durable,
        ..Default::default()
    };
    let declared = channel.queue_declare(queue.as_str().into(), options, FieldTable::default());
    declared.await.unwrap();
    let said = refused(broker.url.clone()).await;
    assert!(said.contains("delete_queue passerelle.dedupe"), "{said}");
}

/// 403: the user may do nothing but use what is there.
#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_declare_is_told_what_to_allow() {
    let Some(turn) = shared("forbidden").await else {
        return;
    };
    let user = format!("reader_{}", std::process::id());
    let said = refused(turn.broker.user_without_rights(&user)).await;
    turn.broker.control(&["delete_user", &user]);
    assert!(said.contains("set_permissions"), "{said}");
    assert!(said.contains("ACCESS"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_broker_is_waited_for() {
    // Nothing listens on a port that was just given back.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let config = RabbitConfig {
        addresses: vec![format!("amqp://guest:guest@127.0.0.1:{port}/%2f")],
        ..Default::default()
    };
    let cancel = CancellationToken::new();
    let stages = &[Stage::Normalise];
    let starting = RabbitBus::start(config, temporary(), clock(), stages, cancel.clone());
    let starting = tokio::spawn(starting);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(!starting.is_finished(), "it waits");
    cancel.cancel();
    let ended = tokio::time::timeout(SOON, starting).await.unwrap();
    assert!(ended.unwrap().is_ok());
}
