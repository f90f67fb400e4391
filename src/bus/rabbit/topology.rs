//! Every exchange and queue of the hub, in one table: declared at start and after each
//! reconnection.
//!
//! The ladder is entered by our own confirmed publish: a message that a broker dead-letters in a
//! circle without a rejection is dropped in silence.

use crate::model::{EventKind, Stage};
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ErrorKind, ExchangeKind};
use std::time::Duration;

/// Events between the stages. Mandatory and an alternate exchange cancel each other: it has none.
pub const EVENTS: &str = "passerelle.events";
/// Vacancy events with full bodies, for whoever binds a queue.
pub const PUBLIC: &str = "passerelle.public";
/// Where the broker's own delivery limit leads.
const PARKING: &str = "passerelle.parking";
pub const PARKED: &str = "passerelle.parked";

/// Crash protection only: our own header counts the attempts.
const DELIVERY_LIMIT: i32 = 20;
/// Messages a queue takes before it refuses; the outbox keeps the rest.
const MAX_LENGTH: i32 = 200_000;

/// Asks for a queue without making one.
const PASSIVE: QueueDeclareOptions = QueueDeclareOptions {
    passive: true,
    durable: false,
    exclusive: false,
    auto_delete: false,
    nowait: false,
};

const KINDS: [EventKind; 5] = [
    EventKind::PostingPulled,
    EventKind::PostingNormalised,
    EventKind::PostingRecheck,
    EventKind::VacancyRecheck,
    EventKind::VacancyChanged,
];

/// The work queue of `stage`.
pub fn work_queue(stage: Stage) -> String {
    format!("passerelle.{}", stage.name())
}

/// The queue in which a message of `stage` waits for `wait` before its next try.
pub fn retry_queue(stage: Stage, wait: Duration) -> String {
    let millis = wait.as_millis();
    let span = match millis % 1000 {
        0 => format!("{}s", millis / 1000),
        _ => format!("{millis}ms"),
    };
    format!("passerelle.{}.retry.{span}", stage.name())
}

/// A queue as it is declared.
pub struct Queue {
    pub name: String,
    pub arguments: Vec<(&'static str, AMQPValue)>,
    pub bindings: Vec<(&'static str, &'static str)>,
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

fn quorum(extra: Vec<(&'static str, AMQPValue)>) -> Vec<(&'static str, AMQPValue)> {
    let mut arguments = vec![
        ("x-queue-type", text("quorum")),
        ("x-overflow", text("reject-publish")),
        ("x-max-length", AMQPValue::LongInt(MAX_LENGTH)),
    ];
    arguments.extend(extra);
    arguments
}

/// The whole table, with a retry queue a stage and step of `ladder`.
pub fn queues(ladder: &[Duration]) -> Vec<Queue> {
    let mut queues = vec![Queue {
        name: PARKED.to_owned(),
        arguments: quorum(vec![("x-delivery-limit", AMQPValue::LongInt(1_000_000))]),
        bindings: vec![(PARKING, "#")],
    }];
    for stage in Stage::ALL {
        queues.push(Queue {
            name: work_queue(stage),
            arguments: quorum(vec![
                ("x-delivery-limit", AMQPValue::LongInt(DELIVERY_LIMIT)),
                ("x-dead-letter-exchange", text(PARKING)),
                ("x-dead-letter-strategy", text("at-least-once")),
            ]),
            bindings: KINDS
                .into_iter()
                .filter(|kind| kind.stage() == stage)
                .map(|kind| (EVENTS, kind.routing_key()))
                .collect(),
        });
        for &wait in ladder {
            let millis = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
            queues.push(Queue {
                name: retry_queue(stage, wait),
                arguments: quorum(vec![
                    ("x-message-ttl", AMQPValue::LongInt(millis)),
                    ("x-dead-letter-exchange", text("")),
                    ("x-dead-letter-routing-key", text(&work_queue(stage))),
                    ("x-dead-letter-strategy", text("at-least-once")),
                ]),
                bindings: Vec::new(),
            });
        }
    }
    queues
}

/// Stages of which a queue is not there: what waited in it, if it ever was, is lost with it.
///
/// # Errors
/// The connection's.
pub async fn missing(connection: &Connection, ladder: &[Duration]) -> lapin::Result<Vec<Stage>> {
    let mut channel = connection.create_channel().await?;
    let mut missing = Vec::new();
    for stage in Stage::ALL {
        for name in names(stage, ladder) {
            let asked = channel.queue_declare(name.into(), PASSIVE, FieldTable::default());
            let Err(error) = asked.await else { continue };
            // The answer "no" closes the channel. Any other refusal is the declaration's to tell.
            channel = connection.create_channel().await?;
            if soft(&error) == Some(&AMQPSoftError::NOTFOUND) {
                missing.push(stage);
                break;
            }
        }
    }
    let _ = channel.close(200, "asked".into()).await;
    Ok(missing)
}

/// What a broker says of the queues of a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Messages that wait in them; those in a worker's hands are not among them.
    pub messages: u64,
    /// Who consumes its work queue, in whatever process.
    pub consumers: u32,
}

/// Asks for the queues of `stage`.
///
/// # Errors
/// The channel's, which is closed where a queue is not there.
pub async fn depth(channel: &Channel, stage: Stage, ladder: &[Duration]) -> lapin::Result<Depth> {
    let mut depth = Depth::default();
    for name in names(stage, ladder) {
        let asked = channel.queue_declare(name.into(), PASSIVE, FieldTable::default());
        let queue = asked.await?;
        depth.messages += u64::from(queue.message_count());
        // Nobody consumes a step of the ladder.
        depth.consumers += queue.consumer_count();
    }
    Ok(depth)
}

/// The queues of `stage`.
fn names(stage: Stage, ladder: &[Duration]) -> impl Iterator<Item = String> {
    let steps = ladder.iter().map(move |wait| retry_queue(stage, *wait));
    std::iter::once(work_queue(stage)).chain(steps)
}

/// What a broker said of one channel, where `error` is that.
fn soft(error: &lapin::Error) -> Option<&AMQPSoftError> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => match error.kind() {
            AMQPErrorKind::Soft(error) => Some(error),
            AMQPErrorKind::Hard(_) => None,
        },
        _ => None,
    }
}

/// A declaration that the broker refused.
#[derive(Debug, thiserror::Error)]
#[error("the broker refused to declare {what}; {remedy}")]
pub struct DeclareError {
    pub what: String,
    pub remedy: String,
    #[source]
    pub source: lapin::Error,
}

impl DeclareError {
    /// `otherwise` mends what is no matter of rights.
    fn new(what: String, otherwise: String, source: lapin::Error) -> Self {
        let remedy = match soft(&source) {
            Some(AMQPSoftError::ACCESSREFUSED) => {
                "its user needs more rights: `rabbitmqctl set_permissions --vhost VHOST USER '.*' '.*' '.*'`"
                    .into()
            }
            _ => otherwise,
        };
        Self {
            what,
            remedy,
            source,
        }
    }
}

/// Declares the table on `channel`. Declaring what is there already, with the same arguments,
/// changes nothing.
///
/// # Errors
/// The refusal, with the thing that was declared; the broker's text names the argument.
pub async fn declare(channel: &Channel, ladder: &[Duration]) -> Result<(), DeclareError> {
    for (name, kind) in [
        (EVENTS, ExchangeKind::Topic),
        (PUBLIC, ExchangeKind::Topic),
        (PARKING, ExchangeKind::Topic),
    ] {
        let options = ExchangeDeclareOptions {
            durable: true,
            ..Default::default()
        };
        channel
            .exchange_declare(name.into(), kind, options, FieldTable::default())
            .await
            .map_err(|source| {
                let other =
                    "delete it if another program made it, or use a virtual host of its own";
                DeclareError::new(format!("the exchange {name}"), other.into(), source)
            })?;
    }
    for queue in queues(ladder) {
        let mut arguments = FieldTable::default();
        for (key, value) in queue.arguments {
            arguments.insert(key.into(), value);
        }
        let options = QueueDeclareOptions {
            durable: true,
            ..Default::default()
        };
        let refused = |source| {
            let other = format!(
                "where it has other arguments, run `rabbitmqctl --vhost VHOST delete_queue {} --if-empty` \
                 and start again",
                queue.name
            );
            DeclareError::new(format!("the queue {}", queue.name), other, source)
        };
        channel
            .queue_declare(queue.name.as_str().into(), options, arguments)
            .await
            .map_err(refused)?;
        for (exchange, key) in queue.bindings {
            channel
                .queue_bind(
                    queue.name.as_str().into(),
                    exchange.into(),
                    key.into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                )
                .await
                .map_err(refused)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_what_the_docs_say() {
        let table: Vec<String> = queues(&crate::bus::LADDER)
            .into_iter()
            .map(|queue| {
                let arguments: Vec<String> = queue
                    .arguments
                    .iter()
                    .map(|(key, value)| match value {
                        AMQPValue::LongString(text) => format!("{key}={text}"),
                        AMQPValue::LongInt(number) => format!("{key}={number}"),
                        other => format!("{key}={other:?}"),
                    })
                    .collect();
                let bindings: Vec<String> = queue
                    .bindings
                    .iter()
                    .map(|(e, k)| format!("{e}/{k}"))
                    .collect();
                format!(
                    "{} [{}] <- {}",
                    queue.name,
                    arguments.join(" "),
                    bindings.join(" ")
                )
            })
            .collect();
        insta::assert_snapshot!(table.join("\n"));
    }
}
