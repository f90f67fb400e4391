//! Publishing with confirms: only `Ack(None)` is success, every wait has an end but that for the
//! end of an alarm, which the end of the process ends too.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionStatus};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Our own count of failed deliveries; the broker's counts differ between its versions.
pub const ATTEMPT_HEADER: &str = "x-passerelle-attempt";

/// One message to publish.
pub struct Outgoing {
    pub exchange: &'static str,
    pub routing_key: String,
    pub body: Vec<u8>,
    pub message_id: String,
    pub type_name: &'static str,
    pub attempt: u32,
    /// A message that no queue takes comes back.
    pub mandatory: bool,
}

/// What became of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    Confirmed,
    /// No queue is bound: the topology has a hole.
    Returned,
    /// The broker refused it: a full queue.
    Refused,
    /// Nobody knows: it may arrive still. Sent again under the same message id.
    Unknown(String),
}

/// What a publish does while the broker takes no messages (memory or disk alarm).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhileBlocked {
    /// It waits for the end of the alarm, however long, unless the process stops.
    Waits,
    /// It is given up after the time of a confirm.
    GivesUp,
}

/// How often a publish looks whether the broker has said that it is blocked.
const LOOK: Duration = Duration::from_secs(1);

/// No answer came, and it is not waited for any more.
struct GivenUp;

/// A channel in confirm mode.
pub struct Publisher {
    channel: Channel,
    connection: ConnectionStatus,
    window: usize,
    patience: Duration,
    /// Cancelled once the process stops: no alarm is waited out then.
    stopping: CancellationToken,
    /// Ends the session of this publisher, and no other.
    broken: CancellationToken,
}

impl Publisher {
    /// # Errors
    /// The channel cannot be opened or refuses confirm mode.
    pub async fn open(
        connection: &Connection,
        window: usize,
        patience: Duration,
        stopping: CancellationToken,
    ) -> lapin::Result<Self> {
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok(Self {
            channel,
            connection: connection.status().clone(),
            window: window.max(1),
            patience,
            stopping,
            broken: CancellationToken::new(),
        })
    }

    /// Says that something is wrong with the channels of this session.
    pub fn give_up(&self) {
        self.broken.cancel();
    }

    /// Comes back once somebody has said so.
    pub async fn given_up(&self) {
        self.broken.cancelled().await;
    }

    /// Whether the broker has said that it takes no messages.
    pub fn blocked(&self) -> bool {
        self.connection.blocked()
    }

    /// Messages that it hands over before it waits for their confirms.
    pub fn window(&self) -> usize {
        self.window
    }

    /// Publishes in order, at most a window unconfirmed at a time; one outcome a message. After a
    /// window with an unknown outcome nothing more is sent.
    pub async fn publish(&self, messages: &[Outgoing], blocked: WhileBlocked) -> Vec<Published> {
        let mut outcomes = Vec::with_capacity(messages.len());
        for window in messages.chunks(self.window) {
            if outcomes.iter().any(|o| matches!(o, Published::Unknown(_))) {
                let unsent = || Published::Unknown("not sent after another's failure".into());
                outcomes.resize_with(messages.len(), unsent);
                break;
            }
            let mut deadline = Instant::now() + self.patience;
            let mut confirms = Vec::with_capacity(window.len());
            for message in window {
                let options = BasicPublishOptions {
                    mandatory: message.mandatory,
                    ..Default::default()
                };
                // Under a memory alarm this call itself waits without end.
                let sending = self.channel.basic_publish(
                    message.exchange.into(),
                    message.routing_key.as_str().into(),
                    options,
                    &message.body,
                    properties(message),
                );
                let sent = self.in_time(&mut deadline, blocked, sending).await;
                confirms.push(match sent {
                    Ok(Ok(confirm)) => Ok(confirm),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(GivenUp) => {
                        Err("the broker takes no messages (alarm or stalled link)".into())
                    }
                });
            }
            for confirm in confirms {
                outcomes.push(match confirm {
                    Err(error) => Published::Unknown(error),
                    Ok(confirm) => match self.in_time(&mut deadline, blocked, confirm).await {
                        Ok(Ok(Confirmation::Ack(None))) => Published::Confirmed,
                        Ok(Ok(Confirmation::Ack(Some(_)))) => Published::Returned,
                        Ok(Ok(Confirmation::Nack(_))) => Published::Refused,
                        Ok(Ok(Confirmation::NotRequested)) => {
                            Published::Unknown("the channel is not in confirm mode".into())
                        }
                        Ok(Err(error)) => Published::Unknown(error.to_string()),
                        Err(GivenUp) => Published::Unknown("no confirm in time".into()),
                    },
                });
            }
        }
        outcomes
    }

    /// The deadline moves on while the broker says that it is blocked, where that is waited for.
    async fn in_time<F: Future>(
        &self,
        deadline: &mut Instant,
        blocked: WhileBlocked,
        answer: F,
    ) -> Result<F::Output, GivenUp> {
        tokio::pin!(answer);
        loop {
            let held_up = self.connection.blocked();
            tokio::select! {
                biased;
                answer = &mut answer => return Ok(answer),
                () = self.stopping.cancelled(), if held_up => return Err(GivenUp),
                () = sleep_until((*deadline).min(Instant::now() + LOOK)) => {}
            }
            if Instant::now() >= *deadline {
                if blocked == WhileBlocked::GivesUp || !self.connection.blocked() {
                    return Err(GivenUp);
                }
                *deadline = Instant::now() + self.patience;
            }
        }
    }
}

fn properties(message: &Outgoing) -> BasicProperties {
    let mut headers = FieldTable::default();
    let attempt = i32::try_from(message.attempt).unwrap_or(i32::MAX);
    headers.insert(ATTEMPT_HEADER.into(), AMQPValue::LongInt(attempt));
    BasicProperties::default()
        .with_delivery_mode(2)
        .with_content_type(ShortString::from(crate::bus::cloudevent::CONTENT_TYPE))
        .with_message_id(message.message_id.as_str().into())
        .with_type(message.type_name.into())
        .with_app_id("passerelle".into())
        .with_headers(headers)
}
