//! What the operator decides about publishing.

use std::{path::PathBuf, time::Duration};

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
    /// blake3 of the key that administers webhooks; without it nobody does.
    pub admin_key: Option<blake3::Hash>,
    /// Folder of the search index; without one it lives in memory.
    pub index: Option<PathBuf>,
    /// Hosts of the operator's own network, which may be told without TLS: `fetch.allow_hosts`.
    pub own_hosts: Vec<String>,
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
            index: None,
            own_hosts: Vec::new(),
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
