//! Publishing with confirms: only `Ack(None)` is success, every wait has an end.

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

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

/// A channel in confirm mode.
pub struct Publisher {
    channel: Channel,
    window: usize,
    patience: Duration,
}

impl Publisher {
    /// # Errors
    /// The channel cannot be opened or refuses confirm mode.
    pub async fn open(
        connection: &Connection,
        window: usize,
        patience: Duration,
    ) -> lapin::Result<Self> {
        let channel = connection.create_channel().await?;
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await?;
        Ok(Self {
            channel,
            window: window.max(1),
            patience,
        })
    }

    /// Publishes in order, at most a window unconfirmed at a time; one outcome a message.
    pub async fn publish(&self, messages: &[Outgoing]) -> Vec<Published> {
        let mut outcomes = Vec::with_capacity(messages.len());
        for window in messages.chunks(self.window) {
            let deadline = Instant::now() + self.patience;
            let mut confirms = Vec::with_capacity(window.len());
            for message in window {
                let options = BasicPublishOptions {
                    mandatory: message.mandatory,
                    ..Default::default()
                };
                // Under a memory alarm this call itself waits without end.
                let sent = timeout_at(
                    deadline,
                    self.channel.basic_publish(
                        message.exchange.into(),
                        message.routing_key.as_str().into(),
                        options,
                        &message.body,
                        properties(message),
                    ),
                )
                .await;
                confirms.push(match sent {
                    Ok(Ok(confirm)) => Ok(confirm),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err("the broker takes no messages (alarm or stalled link)".into()),
                });
            }
            for confirm in confirms {
                outcomes.push(match confirm {
                    Err(error) => Published::Unknown(error),
                    Ok(confirm) => match timeout_at(deadline, confirm).await {
                        Ok(Ok(Confirmation::Ack(None))) => Published::Confirmed,
                        Ok(Ok(Confirmation::Ack(Some(_)))) => Published::Returned,
                        Ok(Ok(Confirmation::Nack(_))) => Published::Refused,
                        Ok(Ok(Confirmation::NotRequested)) => {
                            Published::Unknown("the channel is not in confirm mode".into())
                        }
                        Ok(Err(error)) => Published::Unknown(error.to_string()),
                        Err(_) => Published::Unknown("no confirm in time".into()),
                    },
                });
            }
        }
        outcomes
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
