//! How to reach the broker.

use crate::bus::{BusError, LADDER};
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::uri::AMQPUri;
use std::path::PathBuf;
use std::time::Duration;

/// Connection settings; addresses may carry credentials, so `Debug` leaves them out.
#[derive(Clone)]
pub struct RabbitConfig {
    /// `amqp://user:password@host:port/vhost` or `amqps://…`; tried in turn.
    pub addresses: Vec<String>,
    /// PEM file of the authorities to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM files of the client's certificate and key, for mutual TLS.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Unacknowledged messages a stage holds at most.
    pub prefetch: u16,
    /// Unconfirmed messages at most.
    pub window: usize,
    pub confirm_timeout: Duration,
    pub heartbeat: Duration,
    /// A confirmed event that nobody has ended after this time, and of whose stage the broker has no
    /// message left, is sent again: the broker has lost it, though it keeps its queues.
    pub lost_after: Duration,
    /// Waits before the 1st, 2nd, … retry: a queue a stage and step, whose names say them.
    pub ladder: Vec<Duration>,
    /// Shown in the broker's list of connections.
    pub name: String,
}

impl Default for RabbitConfig {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            ca_file: None,
            client_certificate: None,
            prefetch: 1000,
            window: 256,
            confirm_timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(15),
            lost_after: Duration::from_secs(600),
            ladder: LADDER.to_vec(),
            name: "passerelle".to_owned(),
        }
    }
}

impl std::fmt::Debug for RabbitConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let hosts: Vec<String> = self.addresses.iter().map(|a| place(a)).collect();
        f.debug_struct("RabbitConfig")
            .field("addresses", &hosts)
            .finish_non_exhaustive()
    }
}

/// Host, port and virtual host of an address: what may be shown.
pub(super) fn place(address: &str) -> String {
    match address.parse::<AMQPUri>() {
        Ok(uri) => format!(
            "{}:{}/{}",
            uri.authority.host,
            uri.authority.port,
            if uri.vhost == "/" { "" } else { &uri.vhost }
        ),
        Err(_) => "an address that cannot be read".to_owned(),
    }
}

fn refused(doing: String, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> BusError {
    BusError {
        doing,
        source: why.into(),
    }
}

impl RabbitConfig {
    /// # Errors
    /// No address, or one that is no AMQP URI.
    pub fn validate(&self) -> Result<(), BusError> {
        if self.addresses.is_empty() {
            return Err(refused(
                "find the broker".into(),
                "bus.url names no address; expected amqp://user:password@host:5672/vhost",
            ));
        }
        for address in &self.addresses {
            self.uri(address)?;
        }
        self.tls().map(drop)
    }

    /// The address with heartbeat and time-out set where it names none.
    pub(super) fn uri(&self, address: &str) -> Result<AMQPUri, BusError> {
        let mut uri: AMQPUri = address.parse().map_err(|why: String| {
            refused(
                "read bus.url (expected amqp://user:password@host:5672/vhost)".into(),
                why,
            )
        })?;
        let seconds = u16::try_from(self.heartbeat.as_secs()).unwrap_or(15);
        uri.query.heartbeat.get_or_insert(seconds);
        uri.query.connection_timeout.get_or_insert(10_000);
        Ok(uri)
    }

    /// Who is trusted under TLS and who we say we are, in words.
    pub(super) fn trusted(&self) -> String {
        let trusted = match &self.ca_file {
            Some(path) => format!(
                "checked against the system's authorities and bus.ca_file {}",
                path.display()
            ),
            None => "checked against the system's authorities: bus.ca_file is not set".to_owned(),
        };
        match &self.client_certificate {
            Some((path, _)) => format!("{trusted}; with bus.client_certificate {}", path.display()),
            None => format!("{trusted}; without bus.client_certificate"),
        }
    }

    pub(super) fn tls(&self) -> Result<OwnedTLSConfig, BusError> {
        let read = |path: &PathBuf| {
            std::fs::read(path)
                .map_err(|source| refused(format!("read the PEM file {}", path.display()), source))
        };
        let cert_chain = match &self.ca_file {
            Some(path) => Some(String::from_utf8(read(path)?).map_err(|source| {
                refused(format!("read {} as PEM text", path.display()), source)
            })?),
            None => None,
        };
        let identity = match &self.client_certificate {
            Some((certificate, key)) => Some(OwnedIdentity::PKCS8 {
                pem: read(certificate)?,
                key: read(key)?,
            }),
            None => None,
        };
        Ok(OwnedTLSConfig {
            identity,
            cert_chain,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_never_shown() {
        let config = RabbitConfig {
            addresses: vec!["amqp://hub:s3cret@broker.example:5673/territory".into()],
            ..Default::default()
        };
        let shown = format!("{config:?}");
        assert!(shown.contains("broker.example:5673/territory") && !shown.contains("s3cret"));
    }

    #[test]
    fn an_address_of_another_kind_is_refused() {
        let config = RabbitConfig {
            addresses: vec!["http://broker.example".into()],
            ..Default::default()
        };
        assert!(config.validate().is_err());
    }
}
