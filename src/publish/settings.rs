//! What the operator decides about publishing.

use super::{Anonymous, Consumers, Seal, kit::Kit};
use crate::fetch::AllowList;
use std::{path::PathBuf, sync::Arc, time::Duration};

/// Settings of the publishing side; the assembly fills them from the settings file.
#[derive(Clone, Debug)]
pub struct PublishSettings {
    /// Where the portal is reached from outside, without a slash at the end.
    pub public_url: String,
    /// Name of the territory or network: title of the portal and publisher of the feeds.
    pub territory: String,
    /// Département codes of the territory, for the portal's filters.
    pub departments: Vec<String>,
    /// A sentence shown on every page and in every feed when the data are not real.
    pub synthetic: Option<String>,
    /// Address that candidates and members can write to; shown in the footer.
    pub contact: Option<String>,
    /// How stale the search index may be when a request comes. The delta feed is never stale.
    pub freshness: Duration,
    /// Words mixed into cursors, so that only this hub's own cursors are accepted. Every node of a
    /// hub needs the same; it protects no secret.
    pub cursor_key: String,
    /// blake3 of the key that administers webhooks and duplicates; without it nobody does.
    pub admin_key: Option<blake3::Hash>,
    /// Who reads the API with a key.
    pub consumers: Consumers,
    /// How often whoever reads without a key may ask.
    pub anonymous: Arc<Anonymous>,
    /// Seals webhooks' secrets in the store.
    pub seal: Option<Seal>,
    /// Folder of the last good exports; without one, an export that is held is not served.
    pub kept: Option<PathBuf>,
    /// An export waits for a person when it would lose more than this share of its offers, and more
    /// than this number; a share of 1 turns that off.
    pub export_max_drop: f64,
    pub export_min_drop: usize,
    /// Folder of the search index; without one it lives in memory.
    pub index: Option<PathBuf>,
    /// Streams of changes that are open at a time.
    pub streams: usize,
    /// Hosts of the operator's own network, which may be told without TLS: `fetch.allow_hosts`.
    pub own_hosts: Vec<String>,
    /// Templates, colours and logo of what is shared on LinkedIn.
    pub kit: Arc<Kit>,
}

impl Default for PublishSettings {
    fn default() -> Self {
        Self {
            public_url: "http://127.0.0.1:8070".into(),
            territory: "Passerelle".into(),
            departments: Vec::new(),
            synthetic: None,
            contact: None,
            freshness: Duration::from_millis(100),
            cursor_key: "passerelle".into(),
            admin_key: None,
            consumers: Consumers::default(),
            anonymous: Arc::new(Anonymous::new(None, AllowList::default())),
            seal: None,
            kept: None,
            export_max_drop: 0.3,
            export_min_drop: 10,
            index: None,
            streams: 100,
            own_hosts: Vec::new(),
            kit: Arc::default(),
        }
    }
}

impl PublishSettings {
    /// The absolute address of `path`, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.public_url.trim_end_matches('/'))
    }

    /// Host and port of the public address: the authority of `tag:` ids.
    pub fn authority(&self) -> &str {
        let rest = self
            .public_url
            .split_once("://")
            .map_or(self.public_url.as_str(), |(_, rest)| rest);
        rest.split(['/', '?', '#']).next().unwrap_or(rest)
    }
}
