//! Why nothing could be read, in words that hold no key.

use super::address::AllowRuleError;
use std::io;
use std::time::Duration;
use url::Url;

/// Why nothing could be read. Names the address without its query, which may hold a key.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("`{url}` is no address that can be fetched: {why}")]
    Address { url: String, why: String },
    #[error(
        "{url}: {address} is a private address; list it in [fetch] allow_hosts if that is meant"
    )]
    Private { url: String, address: String },
    #[error("{url}: the name cannot be resolved")]
    Resolve {
        url: String,
        #[source]
        source: io::Error,
    },
    #[error("{url}: no answer")]
    Transport {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{url}: no answer within {} s", .after.as_secs())]
    TimedOut { url: String, after: Duration },
    #[error("{url}: answered HTTP {status}{}", excerpt(.text))]
    Status {
        url: String,
        status: u16,
        /// Start of the answer's text.
        text: String,
        retry_after: Option<Duration>,
    },
    #[error("{url}: must be left alone, {why}; ask the site for leave, or for a feed")]
    Robots { url: String, why: String },
    #[error("{url}: redirected more than {limit} times")]
    Redirects { url: String, limit: u32 },
    #[error("{url}: {why}")]
    Connection { url: String, why: String },
    #[error("{url}: {why}")]
    Refused { url: String, why: String },
    #[error("{url}: the body broke off")]
    Body {
        url: String,
        #[source]
        source: io::Error,
    },
    #[error("the file {path} cannot be read")]
    File {
        path: String,
        #[source]
        source: io::Error,
    },
    #[error("the HTTP client cannot be set up")]
    Setup(#[source] reqwest::Error),
    #[error(transparent)]
    Allow(#[from] AllowRuleError),
}

fn excerpt(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}

impl FetchError {
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 429 | 500 | 502 | 503 | 504),
            Self::Transport { .. }
            | Self::Resolve { .. }
            | Self::Connection { .. }
            | Self::TimedOut { .. } => true,
            _ => false,
        }
    }

    /// The error and its causes in one line.
    pub fn chain(&self) -> String {
        chain_of(self)
    }
}

/// A short, printable start of an error page: tags dropped, blanks folded.
pub(super) fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::new();
    let mut inside = false;
    for c in text.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                out.push(' ');
            }
            _ if inside => {}
            c if c.is_whitespace() || c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    let words: Vec<&str> = out.split_whitespace().collect();
    words.join(" ").chars().take(160).collect()
}

/// A URL as it may be shown: without user, password and query.
pub(crate) fn public_url(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut parsed) => {
            let _ = parsed.set_username("");
            let _ = parsed.set_password(None);
            let had_query = parsed.query().is_some();
            parsed.set_query(None);
            parsed.set_fragment(None);
            if had_query {
                format!("{parsed}?…")
            } else {
                parsed.to_string()
            }
        }
        Err(_) => url.split('?').next().unwrap_or_default().to_owned(),
    }
}

/// An error and its causes in one line.
pub(super) fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_their_keys() {
        assert_eq!(
            public_url("https://user:pass@rh.example/flux?key=secret#x"),
            "https://rh.example/flux?…"
        );
        assert_eq!(public_url("offres.csv"), "offres.csv");
    }
}
