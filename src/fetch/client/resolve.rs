//! Which addresses a host stands for, and which of them may be reached.

use super::Fetcher;
use crate::fetch::FetchError;
use crate::fetch::error::public_url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::timeout;
use url::{Host, Url};

/// Checked addresses of each host: the client connects to these and resolves nothing itself.
#[derive(Clone, Default)]
pub(super) struct Pins(pub(super) Arc<Mutex<HashMap<String, Vec<SocketAddr>>>>);

impl Resolve for Pins {
    fn resolve(&self, name: Name) -> Resolving {
        let found = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name.as_str())
            .cloned();
        Box::pin(async move {
            match found {
                Some(addresses) => Ok(Box::new(addresses.into_iter()) as Addrs),
                None => Err("the address was not checked".into()),
            }
        })
    }
}

/// A host whose addresses were checked.
pub(super) struct Checked {
    pub host: String,
    /// Those that may be reached.
    pub addresses: Vec<SocketAddr>,
    /// Whether the settings name the host.
    pub own: bool,
}

impl Fetcher {
    /// As [`Fetcher::addresses`], for HTTP: the client then connects to what was checked.
    pub(super) async fn check(&self, url: &Url) -> Result<(String, bool), FetchError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::Address {
                url: public_url(url.as_str()),
                why: "only http, https and sftp are fetched".to_owned(),
            });
        }
        let port = url.port_or_known_default().unwrap_or(80);
        let checked = self.addresses(url, port).await?;
        self.inner
            .pins
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(checked.host.clone(), checked.addresses);
        Ok((checked.host, checked.own))
    }

    /// Resolves the host and refuses addresses that are not allowed.
    pub(super) async fn addresses(&self, url: &Url, port: u16) -> Result<Checked, FetchError> {
        let refuse = |why: &str| FetchError::Address {
            url: public_url(url.as_str()),
            why: why.to_owned(),
        };
        let name = match url.host() {
            None => return Err(refuse("it has no host")),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(Host::Domain(name)) => name.to_owned(),
        };
        // Only HTTP's addresses come as such: those of other schemes are names yet.
        let all: Vec<SocketAddr> = match name.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => {
                let resolved = timeout(
                    self.inner.settings.connect_timeout,
                    tokio::net::lookup_host((name.as_str(), port)),
                )
                .await
                .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
                .map_err(|source| FetchError::Resolve {
                    url: public_url(url.as_str()),
                    source,
                })?;
                resolved.collect()
            }
        };
        let allow = &self.inner.allow;
        let good: Vec<SocketAddr> = all
            .iter()
            .copied()
            .filter(|a| allow.allows(&name, a.ip(), port))
            .collect();
        if good.is_empty() {
            return Err(match all.first() {
                Some(address) => FetchError::Private {
                    url: public_url(url.as_str()),
                    address: address.ip().to_string(),
                },
                None => refuse("the name has no address"),
            });
        }
        let own = good.iter().any(|a| allow.names(&name, a.ip(), port));
        Ok(Checked {
            host: name,
            addresses: good,
            own,
        })
    }
}
