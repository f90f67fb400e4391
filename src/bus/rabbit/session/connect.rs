//! The way to a broker: its addresses in turn, TLS, the login, and the topology.

use super::{NoSession, PATIENCE, Session};
use crate::bus::BusError;
use crate::bus::rabbit::config::place;
use crate::bus::rabbit::{Shared, topology};
use jiff::Timestamp;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::{Connection, ConnectionProperties, ErrorKind};
use std::time::Duration;

/// Connects once, trying each address in turn.
pub(super) async fn connect(shared: &Shared) -> Result<Session, NoSession> {
    let mut last = NoSession::Away("no address".to_owned());
    for address in &shared.config.addresses {
        match connect_to(shared, address).await {
            Ok(session) => return Ok(session),
            Err(why) => last = why,
        }
    }
    Err(last)
}

async fn connect_to(shared: &Shared, address: &str) -> Result<Session, NoSession> {
    let publishing = open(shared, address, "publish").await?;
    let consuming = open(shared, address, "consume").await?;
    let channel = publishing
        .create_channel()
        .await
        .map_err(|e| judge(address, e))?;
    let resent = tokio::time::timeout(PATIENCE, resend_lost(shared, &publishing));
    match resent.await {
        Ok(Ok(())) => {}
        Ok(Err(why)) => return Err(NoSession::Away(format!("{}: {why}", place(address)))),
        Err(_) => {
            let why = "it does not say which queues it has";
            return Err(NoSession::Away(format!("{}: {why}", place(address))));
        }
    }
    match tokio::time::timeout(PATIENCE, topology::declare(&channel, &shared.config.ladder)).await {
        Ok(Ok(())) => {}
        Ok(Err(refusal)) => {
            return Err(if is_refusal(&refusal.source) {
                NoSession::Refused(BusError {
                    doing: format!("declare its queues at {}", place(address)),
                    source: Box::new(refusal),
                })
            } else {
                NoSession::Away(format!("{}: {refusal}: {}", place(address), refusal.source))
            });
        }
        Err(_) => {
            return Err(NoSession::Away(format!(
                "{}: no answer to a declaration",
                place(address)
            )));
        }
    }
    // A channel in confirm mode is opened by the session; this one only declared.
    let _ = channel.close(200, "declared".into()).await;
    Ok(Session {
        publishing,
        consuming,
    })
}

/// Has everything sent again that was in queues which are not there: a broker set up anew, or one that
/// lost its disk. Before they are declared, so that a crash in between forgets nothing.
async fn resend_lost(shared: &Shared, connection: &Connection) -> Result<(), String> {
    let missing = topology::missing(connection, &shared.config.ladder);
    for stage in missing.await.map_err(|error| error.to_string())? {
        let ever = Timestamp::MIN..Timestamp::MAX;
        let resent = shared.store.resend_outbox(stage, ever).await;
        let resent = resent.map_err(|error| error.to_string())?;
        if resent > 0 {
            tracing::warn!(
                stage = stage.name(),
                events = resent,
                "the broker has lost queues of this stage: what was in them is sent again"
            );
        }
    }
    Ok(())
}

async fn open(shared: &Shared, address: &str, role: &str) -> Result<Connection, NoSession> {
    let uri = shared.config.uri(address).map_err(NoSession::Refused)?;
    let tls = shared.config.tls().map_err(NoSession::Refused)?;
    let properties = ConnectionProperties::default()
        .with_connection_name(format!("{} ({role})", shared.config.name).into());
    let runtime = lapin::runtime::default_runtime().map_err(|e| judge(address, e))?;
    let connecting = Connection::connect_uri_with_config(uri, properties, tls, runtime);
    match tokio::time::timeout(Duration::from_secs(30), connecting).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(match objection(&error) {
            Some(said) => NoSession::Refused(BusError {
                doing: format!(
                    "agree on TLS with {} ({})",
                    place(address),
                    shared.config.trusted()
                ),
                source: said.into(),
            }),
            None => judge(address, error),
        }),
        Err(_) => Err(NoSession::Away(format!(
            "{}: no answer in 30 s",
            place(address)
        ))),
    }
}

/// Why TLS said no, where `error` is that. No waiting mends a certificate.
fn objection(error: &lapin::Error) -> Option<String> {
    let ErrorKind::IOError(error) = error.kind() else {
        return None;
    };
    let said = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    Some(said.to_string())
}

/// Sorts an error of the broker into what waiting mends and what it does not.
fn judge(address: &str, error: lapin::Error) -> NoSession {
    if is_refusal(&error) {
        NoSession::Refused(BusError {
            doing: format!(
                "log in at {} (check the user, the password and the virtual host of bus.url)",
                place(address)
            ),
            source: Box::new(error),
        })
    } else {
        NoSession::Away(format!("{}: {error}", place(address)))
    }
}

fn is_refusal(error: &lapin::Error) -> bool {
    match error.kind() {
        ErrorKind::ProtocolError(error) => matches!(
            error.kind(),
            AMQPErrorKind::Soft(
                AMQPSoftError::ACCESSREFUSED
                    | AMQPSoftError::PRECONDITIONFAILED
                    | AMQPSoftError::RESOURCELOCKED
            ) | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED | AMQPHardError::INVALIDPATH)
        ),
        _ => false,
    }
}
