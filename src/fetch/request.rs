//! What a request says, and how fetching behaves for the whole program.

use super::body::Limits;
use std::path::PathBuf;
use std::time::Duration;

/// How fetching behaves for the whole program; the `[fetch]` section.
#[derive(Clone, Debug)]
pub struct FetchSettings {
    /// Private hosts that may be reached: host, IP or CIDR, optional `:port`.
    pub allow_hosts: Vec<String>,
    /// Who asks, with an address to complain to.
    pub user_agent: String,
    /// Requests a second to one host, unless the connector says otherwise.
    pub rate: f64,
    /// Tries after the first one on 429, 5xx and transport errors.
    pub retries: u32,
    /// Wait before the first retry; doubled for each further one.
    pub backoff: Duration,
    /// Longest wait that a `Retry-After` is granted.
    pub max_wait: Duration,
    pub connect_timeout: Duration,
    /// Folder that relative file paths start from.
    pub base_folder: Option<PathBuf>,
}

impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            allow_hosts: Vec::new(),
            user_agent: format!("Passerelle/{} (job-offer hub)", env!("CARGO_PKG_VERSION")),
            rate: 5.0,
            retries: 3,
            backoff: Duration::from_millis(500),
            max_wait: Duration::from_secs(120),
            connect_timeout: Duration::from_secs(10),
            base_folder: None,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    #[default]
    Get,
    Post,
}

/// One request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: Method,
    /// `http:`, `https:`, `sftp:`, `file:`, or a path.
    pub url: String,
    pub headers: Vec<(String, String)>,
    /// Sent with POST, with the Content-Type among `headers`.
    pub body: Option<Vec<u8>>,
    /// Sent as If-None-Match and If-Modified-Since.
    pub etag: Option<String>,
    pub last_modified: Option<String>,
    /// Requests a second to this host; the program's default when `None`.
    pub rate: Option<f64>,
    /// Wait on a 429 without Retry-After; the usual back-off when `None`.
    pub busy_wait: Option<Duration>,
    pub limits: Option<Limits>,
    /// Statuses besides 2xx and 304 that are answers, not errors.
    pub accept: Vec<u16>,
    /// Of the files that a pattern matches the one that was written last, not the last by name.
    pub last_written: bool,
    /// Who asks an SFTP server, and how that server is known.
    pub ssh: Option<SshLogin>,
    /// A page that was made for people: the site's `robots.txt` is heeded, redirects included.
    pub robots: bool,
}

impl Request {
    pub fn get(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ..Self::default()
        }
    }
}

/// Who we are to an SSH server, and by which keys it is known to us.
#[derive(Clone, Default)]
pub struct SshLogin {
    pub user: String,
    pub password: Option<String>,
    /// Text of a private key of OpenSSH, PKCS#8 or PuTTY.
    pub key: Option<String>,
    /// What `key` is locked with.
    pub passphrase: Option<String>,
    /// Fingerprints (`SHA256:…`) or public keys (`ssh-ed25519 AAAA…`). Without one the server is a
    /// stranger, and nothing is sent to it.
    pub host_keys: Vec<String>,
}

impl std::fmt::Debug for SshLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SshLogin")
            .field("user", &self.user)
            .field("host_keys", &self.host_keys)
            .finish_non_exhaustive()
    }
}
