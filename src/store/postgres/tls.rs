//! TLS to the server: rustls, with the parameters of the address that libpq knows.
//!
//! | `sslmode` | the link |
//! |---|---|
//! | `disable`, `prefer`, none | in clear |
//! | `require`, `verify-ca`, `verify-full` | TLS; the certificate is checked, with the host's name |
//!
//! `sslrootcert` names a PEM file of the authorities to trust, instead of the system's; `sslcert` and
//! `sslkey` the client's own certificate and key. There is no mode that encrypts without checking.

use super::failure::{Failure, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::TlsConnector;

/// What the address says of TLS, taken out of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    wanted: bool,
    authorities: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

/// The address as the driver knows it, and what it does not know.
pub(super) fn take(url: &str) -> (String, Wishes) {
    let mut wishes = Wishes::default();
    let Some((address, query)) = url.split_once('?') else {
        return (url.to_owned(), wishes);
    };
    let mut kept = Vec::new();
    for parameter in query.split('&') {
        let decoded = url::form_urlencoded::parse(parameter.as_bytes()).next();
        let (name, value) = decoded.unwrap_or_default();
        let value = value.into_owned();
        match (name.as_ref(), value.as_str()) {
            ("sslmode", "require" | "verify-ca" | "verify-full") => {
                wishes.wanted = true;
                kept.push("sslmode=require");
            }
            ("sslrootcert", _) => wishes.authorities = Some(value),
            ("sslcert", _) => wishes.certificate = Some(value),
            ("sslkey", _) => wishes.key = Some(value),
            _ => kept.push(parameter),
        }
    }
    let mark = if kept.is_empty() { "" } else { "?" };
    (format!("{address}{mark}{}", kept.join("&")), wishes)
}

impl Wishes {
    pub fn wanted(&self) -> bool {
        self.wanted
    }
}

/// Makes links: in clear, or over TLS.
#[derive(Clone)]
pub(super) struct Tls {
    connector: Option<TlsConnector>,
    /// Who is trusted, in words.
    pub trusted: String,
}

impl Tls {
    pub fn new(wishes: &Wishes) -> Result<Self> {
        let trusted = match &wishes.authorities {
            Some(path) => format!("the authorities of {path} (sslrootcert)"),
            None => "the system's authorities (no sslrootcert is set)".to_owned(),
        };
        if !wishes.wanted {
            return Ok(Self {
                connector: None,
                trusted,
            });
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let refused = |error: &dyn std::fmt::Display| Failure::refused(error.to_string());
        let roots = roots(wishes.authorities.as_deref())?;
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| refused(&e))?
            .with_root_certificates(roots);
        let config = match (&wishes.certificate, &wishes.key) {
            (Some(certificate), Some(key)) => config
                .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
                .map_err(|e| refused(&e))?,
            (None, None) => config.with_no_client_auth(),
            _ => {
                let why = "a client's certificate needs both sslcert and sslkey";
                return Err(Failure::refused(why));
            }
        };
        Ok(Self {
            connector: Some(TlsConnector::from(Arc::new(config))),
            trusted,
        })
    }
}

fn roots(file: Option<&str>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let found = match file {
        Some(path) => certificates(path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let (added, _) = roots.add_parsable_certificates(found);
    if added == 0 {
        let whose = file.unwrap_or("the system");
        return Err(Failure::refused(format!(
            "no authority to trust in {whose}: name a PEM file in sslrootcert"
        )));
    }
    Ok(roots)
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| {
            Failure::refused(format!("{path} is no PEM file of certificates: {error}"))
        })
}

fn private_key(path: &str) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| Failure::refused(format!("{path} is no PEM file of a key: {error}")))
}

/// Why TLS said no, where `error` is that. No waiting mends a certificate.
pub(super) fn objection(error: &tokio_postgres::Error) -> Option<&rustls::Error> {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        if let Some(said) = cause.downcast_ref::<rustls::Error>() {
            return Some(said);
        }
        let inner = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        if let Some(said) = inner.and_then(|inner| inner.downcast_ref()) {
            return Some(said);
        }
        next = cause.source();
    }
    None
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
    type Stream = Stream<S>;
    type TlsConnect = One;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<One> {
        Ok(One {
            connector: self.connector.clone(),
            host: host.to_owned(),
        })
    }
}

/// One link in the making.
pub(super) struct One {
    connector: Option<TlsConnector>,
    host: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for One {
    type Stream = Stream<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move {
            // Never asked in clear: the driver's own mode says so.
            let connector = self.connector.ok_or(io::ErrorKind::Unsupported)?;
            let name = ServerName::try_from(self.host).map_err(io::Error::other)?;
            Ok(Stream(connector.connect(name, stream).await?))
        })
    }
}

/// A link under TLS.
pub(super) struct Stream<S>(tokio_rustls::client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Stream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        // The certificate is always checked, so that nobody sits in between.
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, into)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_driver_does_not_know_is_taken_out() {
        let url = "postgres://hub@db/hub?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem&connect_timeout=5";
        let (address, wishes) = take(url);
        assert_eq!(
            address,
            "postgres://hub@db/hub?sslmode=require&connect_timeout=5"
        );
        assert!(wishes.wanted && wishes.authorities.as_deref() == Some("/etc/ca.pem"));
        assert!(address.parse::<tokio_postgres::Config>().is_ok());
        let plain = "postgres://hub@db/hub";
        assert_eq!(take(plain), (plain.to_owned(), Wishes::default()));
    }
}
