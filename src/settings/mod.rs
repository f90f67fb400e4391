//! Floor 5: the settings file, overridable by the environment.
//!
//! `deploy/passerelle.toml` is the manual and the defaults at once: a test holds the two together.

mod clock;
mod load;
mod secret;
mod validate;

pub use clock::{ClockError, clock};
pub use load::{EXAMPLE, Loaded, SettingsError, SettingsProblem, load};
pub use secret::{Secret, redact_url};

pub use crate::pull::source::SecretError;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::path::PathBuf;

/// Everything that `passerelle.toml` may say. Each key can be overridden by
/// `PASSERELLE__SECTION__KEY`; relative paths in the file are relative to the file's folder, those
/// from the environment to the current one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    pub store: Store,
    pub bus: Bus,
    pub server: Server,
    pub paths: Paths,
    pub fetch: Fetch,
    pub alerts: Alerts,
    pub territory: Territory,
    pub exports: Exports,
    pub retention: Retention,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// `sqlite:PATH` (embedded, one process) or `postgres://…`. Default: `sqlite:passerelle.db` in
    /// the folder of `paths.data`.
    pub url: Option<Secret>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bus {
    /// `embedded`, or `amqp://…`, `amqps://…` (which ask for a PostgreSQL store). Several nodes of
    /// one cluster are separated by commas.
    pub url: Secret,
    /// Messages that one stage of one process holds at most without having settled them.
    pub prefetch: u16,
    /// PEM file of the authorities to trust for `amqps`, besides the system's.
    pub ca_file: Option<PathBuf>,
    /// PEM file of this client's certificate, for mutual TLS.
    pub client_certificate: Option<PathBuf>,
    /// PEM file of its private key.
    pub client_key: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address and port that the daemon listens on; port 0 picks a free one.
    pub listen: String,
    /// Address and port of `/healthz`, `/readyz` and `/metrics` alone, for a process without the role
    /// `serve`, or to keep them apart from what is public. Default: with the rest, on `listen`.
    pub health: Option<String>,
    /// The address under which the outside world reaches it, for the links in feeds and exports.
    /// Default: `http://` and `listen`.
    pub public_url: Option<String>,
    /// The key that administers webhooks and duplicates (`Authorization: Bearer KEY`), and the password
    /// of the pages under `/admin/`. Without it nobody administers them, and those pages are shown on this
    /// machine alone.
    pub admin_key: Option<Secret>,
    /// The key that seals the secrets of webhooks in the store. Default: `admin_key`.
    pub secrets_key: Option<Secret>,
    /// Requests to API, feeds and exports that one address may make in a window without a consumer's
    /// key; 0: as many as it likes.
    pub anonymous_requests: u32,
    /// Seconds of that window.
    pub anonymous_window_seconds: u32,
    /// Proxies (IP or CIDR) whose `X-Forwarded-For` is believed: the address is then the one that
    /// they name.
    #[serde(deserialize_with = "list")]
    pub trusted_proxies: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Paths {
    /// Folder of the connector files.
    pub connectors: PathBuf,
    /// Folder of the member files. Default: `members` beside the connectors' folder.
    pub members: Option<PathBuf>,
    /// Folder of the consumer files: who reads the API with a key. Default: `consumers` beside the
    /// connectors' folder.
    pub consumers: Option<PathBuf>,
    /// Folder of presets of your own; one named like a built-in one replaces it. Its folders
    /// `exports` and `kit` hold export profiles and templates of the LinkedIn kit.
    pub catalogue: Option<PathBuf>,
    /// Drop folder: every export is kept up to date here as a file, if set.
    pub exports: Option<PathBuf>,
    /// Folder of the embedded store, the search index and the lock.
    pub data: PathBuf,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fetch {
    /// Private addresses that fetching may reach: host, IP or CIDR, with an optional `:port`.
    #[serde(deserialize_with = "list")]
    pub allow_hosts: Vec<String>,
    /// Whom a source that is asked may turn to: an e-mail address or a page. It stands in the
    /// User-Agent of every request; `server.public_url` where it is not set.
    pub contact: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// Receives each alert as a JSON POST.
    pub webhook: Option<Secret>,
    /// Run by `sh -c` for each alert, with its JSON on standard input.
    pub command: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Territory {
    /// Shown as the portal's name.
    pub name: Option<String>,
    /// Département codes: "70", "2A", "971".
    #[serde(deserialize_with = "list")]
    pub departments: Vec<String>,
    /// Said on every page, in every feed and export: that the data are not real, for instance.
    pub notice: Option<String>,
    /// Logo on the cards of the LinkedIn kit: a PNG, JPEG or SVG file of at most one megabyte.
    pub logo: Option<PathBuf>,
    /// Ground of these cards, as `#rrggbb`. Texts on it are white or black, whichever can be read.
    pub background: Option<String>,
    /// Their second colour, as `#rrggbb`.
    pub accent: Option<String>,
    /// Hashtags of the network, put behind those of every post.
    #[serde(deserialize_with = "list")]
    pub hashtags: Vec<String>,
}

/// When an export waits for a person. A profile may say otherwise for itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Exports {
    /// The share of its offers that an export may lose in a day; 1 turns the guard off.
    pub max_drop: f64,
    /// So many it may lose, whatever share that is.
    pub min_drop: usize,
}

impl Default for Exports {
    fn default() -> Self {
        Self {
            max_drop: 0.3,
            min_drop: 10,
        }
    }
}

/// How long what is no longer needed is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Days that the run log is kept.
    pub runs_days: u32,
    /// Days that the text of a closed posting is kept.
    pub closed_days: u32,
}

impl Default for Bus {
    fn default() -> Self {
        Self {
            url: Secret::clear("embedded"),
            prefetch: 1000,
            ca_file: None,
            client_certificate: None,
            client_key: None,
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8070".into(),
            health: None,
            public_url: None,
            admin_key: None,
            secrets_key: None,
            anonymous_requests: 6000,
            anonymous_window_seconds: 60,
            trusted_proxies: vec!["127.0.0.1".into(), "::1".into()],
        }
    }
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            connectors: "connectors".into(),
            members: None,
            consumers: None,
            catalogue: None,
            exports: None,
            data: "passerelle-data".into(),
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            runs_days: 90,
            closed_days: 365,
        }
    }
}

/// A list, or one text with commas: the form that an environment variable can carry.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct List;
    impl<'de> serde::de::Visitor<'de> for List {
        type Value = Vec<String>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list of texts")
        }
        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect())
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(
            self,
            mut items: A,
        ) -> Result<Self::Value, A::Error> {
            let mut list = Vec::new();
            while let Some(item) = items.next_element()? {
                list.push(item);
            }
            Ok(list)
        }
    }
    deserializer.deserialize_any(List)
}

/// Where the store is, once the settings are resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    Sqlite(PathBuf),
    Postgres(String),
}

/// Which bus carries the events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BusUrl {
    Embedded,
    /// The addresses of the cluster's nodes.
    Amqp(Vec<String>),
}

impl Settings {
    /// The store, its secrets resolved.
    ///
    /// # Errors
    /// A secret that cannot be read, or a form that is none of the two.
    pub fn store_url(&self) -> Result<StoreUrl, SettingsProblem> {
        let Some(secret) = &self.store.url else {
            return Ok(StoreUrl::Sqlite(self.paths.data.join("passerelle.db")));
        };
        let url = secret
            .resolve()
            .map_err(|error| SettingsProblem::new("store.url", error))?;
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if !path.is_empty() {
                return Ok(StoreUrl::Sqlite(path.into()));
            }
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(StoreUrl::Postgres(url));
        }
        Err(SettingsProblem::new(
            "store.url",
            format!(
                "{:?} is no store: write \"sqlite:PATH\" or \"postgres://USER@HOST/DATABASE\"",
                redact_url(&url)
            ),
        ))
    }

    /// The bus, its secrets resolved.
    ///
    /// # Errors
    /// A secret that cannot be read, or a form that is none of the two.
    pub fn bus_url(&self) -> Result<BusUrl, SettingsProblem> {
        let url = self
            .bus
            .url
            .resolve()
            .map_err(|error| SettingsProblem::new("bus.url", error))?;
        if url == "embedded" {
            Ok(BusUrl::Embedded)
        } else if url.starts_with("amqp://") || url.starts_with("amqps://") {
            Ok(BusUrl::Amqp(
                url.split(',').map(|one| one.trim().to_owned()).collect(),
            ))
        } else {
            Err(SettingsProblem::new(
                "bus.url",
                format!(
                    "{:?} is no bus: write \"embedded\", \"amqp://…\" or \"amqps://…\"",
                    redact_url(&url)
                ),
            ))
        }
    }

    /// The folder of the member files.
    pub fn members(&self) -> PathBuf {
        if let Some(members) = &self.paths.members {
            return members.clone();
        }
        let beside = self.paths.connectors.with_file_name("members");
        let inside = self.paths.connectors.join("members");
        if !beside.is_dir() && inside.is_dir() {
            inside
        } else {
            beside
        }
    }

    /// The folder of the consumer files.
    pub fn consumers(&self) -> PathBuf {
        let beside = || self.paths.connectors.with_file_name("consumers");
        self.paths.consumers.clone().unwrap_or_else(beside)
    }

    /// The folder of the operator's export profiles, where there is a catalogue of theirs.
    pub fn export_profiles(&self) -> Option<PathBuf> {
        let own = self.paths.catalogue.as_deref();
        own.map(|own| own.join("exports"))
    }

    /// blake3 of the administration key, if there is one that can be read.
    pub fn admin_key(&self) -> Option<blake3::Hash> {
        let key = self.server.admin_key.as_ref()?.resolve().ok()?;
        Some(blake3::hash(key.trim().as_bytes()))
    }

    /// What seals the secrets of webhooks in the store, if there is a key that can be read.
    pub fn seal(&self) -> Option<crate::publish::Seal> {
        let server = &self.server;
        let key = server.secrets_key.as_ref().or(server.admin_key.as_ref())?;
        Some(crate::publish::Seal::new(&key.resolve().ok()?))
    }

    /// How often whoever reads without a key may ask.
    ///
    /// # Errors
    /// A proxy that is no address.
    pub fn anonymous(&self) -> Result<crate::publish::Anonymous, SettingsProblem> {
        let server = &self.server;
        let proxies = crate::fetch::AllowList::parse(&server.trusted_proxies);
        let proxies =
            proxies.map_err(|error| SettingsProblem::new("server.trusted_proxies", error))?;
        let quota = (server.anonymous_requests > 0).then_some(crate::publish::Quota {
            requests: server.anonymous_requests,
            seconds: server.anonymous_window_seconds,
        });
        Ok(crate::publish::Anonymous::new(quota, proxies))
    }

    /// Who asks: `Passerelle/0.1.0 (+https://offres.example)`.
    pub fn user_agent(&self) -> String {
        // A header has no letters beyond ASCII.
        let page = self.server.public_url.as_ref().filter(|url| url.is_ascii());
        let contact = self.fetch.contact.as_ref().or(page);
        let contact = contact.map_or("job-offer hub".to_owned(), |to| format!("+{to}"));
        format!("Passerelle/{} ({contact})", env!("CARGO_PKG_VERSION"))
    }

    /// The public address without a final slash; `bound` is what the server listens on.
    pub fn public_url(&self, bound: Option<std::net::SocketAddr>) -> String {
        match (&self.server.public_url, bound) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Some(address)) => format!("http://{address}"),
            (None, None) => format!("http://{}", self.server.listen),
        }
    }
}
