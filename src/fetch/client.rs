//! HTTP and SFTP with the guards of the module.

mod local;
mod resolve;
mod sftp;
mod ssh;
mod transfer;

pub use ssh::is_host_key;

use super::address::AllowList;
use super::body::{Body, BodyReader, Limits};
use super::error::{FetchError, chain_of, public_url, readable};
use super::pace::Pace;
use super::request::{FetchSettings, Method, Request};
use super::robots::{self, Robots};
use futures::StreamExt;
use reqwest::header::{HeaderName, HeaderValue};
use resolve::Pins;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use url::Url;

/// Fetches; cloning is cheap and shares pacing and connections.
#[derive(Clone)]
pub struct Fetcher {
    inner: Arc<Inner>,
}

struct Inner {
    client: reqwest::Client,
    allow: AllowList,
    pins: Pins,
    pace: Pace,
    robots: robots::Known,
    settings: FetchSettings,
}

impl std::fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher")
            .field("settings", &self.inner.settings)
            .finish()
    }
}

impl Fetcher {
    /// # Errors
    /// A rule of `allow_hosts` that cannot be read, or no TLS roots.
    pub fn new(settings: FetchSettings) -> Result<Self, FetchError> {
        // Fails only when a provider is installed already, which is what is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let pins = Pins::default();
        let client = reqwest::Client::builder()
            .user_agent(settings.user_agent.clone())
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(pins.clone())
            .no_proxy()
            .referer(false)
            .connect_timeout(settings.connect_timeout)
            .pool_idle_timeout(Duration::from_secs(20))
            .build()
            .map_err(FetchError::Setup)?;
        Ok(Self {
            inner: Arc::new(Inner {
                client,
                allow: AllowList::parse(&settings.allow_hosts)?,
                pins,
                pace: Pace::default(),
                robots: robots::Known::default(),
                settings,
            }),
        })
    }

    /// Sends `request`, following redirects and retrying what may heal. A 304 is an answer.
    ///
    /// # Errors
    /// See [`FetchError`]; a status outside 2xx that `request.accept` does not list is one.
    pub async fn open(&self, request: &Request) -> Result<Body, FetchError> {
        if let Some(path) = self.local_path(&request.url) {
            return self.open_file(path, request).await;
        }
        let settings = &self.inner.settings;
        let limits = request.limits.unwrap_or_default();
        let deadline = Instant::now() + limits.total;
        let mut attempt = 0;
        loop {
            let error = match self.once(request, limits, deadline).await {
                Ok(body) => return Ok(body),
                Err(error) => error,
            };
            if !error.is_transient() || attempt >= settings.retries {
                return Err(error);
            }
            let backoff = settings.backoff * 2u32.saturating_pow(attempt);
            let wait = match &error {
                FetchError::Status {
                    status,
                    retry_after,
                    ..
                } => match (retry_after, status) {
                    (Some(asked), _) if *asked > settings.max_wait => return Err(error),
                    (Some(asked), _) => *asked,
                    (None, 429) => request.busy_wait.unwrap_or(backoff),
                    (None, _) => backoff,
                },
                _ => backoff,
            };
            if Instant::now() + wait >= deadline {
                return Err(error);
            }
            tracing::debug!(url = %public_url(&request.url), attempt, wait_ms = wait.as_millis() as u64, error = %error, "retrying a request");
            if error.status() == Some(429)
                && let Ok(url) = Url::parse(&request.url)
                && let Some(host) = url.host_str()
            {
                self.inner.pace.hold(host, wait);
            }
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }

    /// Whether `url`'s host is one that the settings name: the operator's own network.
    pub fn is_own_host(&self, url: &str) -> bool {
        Url::parse(url).is_ok_and(|url| {
            let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
            let port = url.port_or_known_default().unwrap_or(0);
            let address = host.parse().unwrap_or(IpAddr::from([0, 0, 0, 0]));
            self.inner.allow.names(host, address, port)
        })
    }

    async fn once(
        &self,
        request: &Request,
        limits: Limits,
        deadline: Instant,
    ) -> Result<Body, FetchError> {
        let mut url = Url::parse(&request.url).map_err(|error| FetchError::Address {
            url: public_url(&request.url),
            why: error.to_string(),
        })?;
        if url.scheme() == "sftp" {
            return Box::pin(self.open_sftp(&url, request, limits, deadline)).await;
        }
        let first = url.clone();
        let mut method = request.method;
        let mut hops = 0;
        loop {
            if request.robots {
                self.heed_robots(&url).await?;
            }
            let response = self
                .send(request, method, &url, &first, limits, deadline)
                .await?;
            let status = response.status().as_u16();
            let location = matches!(status, 301 | 302 | 303 | 307 | 308)
                .then(|| response.headers().get("location"))
                .flatten()
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned);
            let Some(location) = location else {
                return self.answer(request, response, &url, limits, deadline).await;
            };
            hops += 1;
            if hops > limits.redirects {
                return Err(FetchError::Redirects {
                    url: public_url(first.as_str()),
                    limit: limits.redirects,
                });
            }
            let next = url.join(&location).map_err(|error| FetchError::Address {
                url: public_url(&location),
                why: error.to_string(),
            })?;
            if url.scheme() == "https" && next.scheme() == "http" {
                return Err(FetchError::Address {
                    url: public_url(next.as_str()),
                    why: format!("{} redirects from https to http", public_url(url.as_str())),
                });
            }
            if matches!(status, 301..=303) {
                method = Method::Get;
            }
            url = next;
        }
    }

    /// Refuses an address that its site's `robots.txt` forbids, or that cannot be asked for one.
    async fn heed_robots(&self, url: &Url) -> Result<(), FetchError> {
        let origin = url.origin().ascii_serialization();
        let robots = match self.inner.robots.get(&origin) {
            Some(known) => known,
            None => {
                let asked = self.ask_robots(&origin).await;
                self.inner.robots.put(origin, asked.clone());
                asked
            }
        };
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        match robots.forbids(path) {
            None => Ok(()),
            Some(why) => Err(FetchError::Robots {
                url: public_url(url.as_str()),
                why,
            }),
        }
    }

    async fn ask_robots(&self, origin: &str) -> Robots {
        let request = Request {
            limits: Some(Limits {
                total: Duration::from_secs(30),
                idle: Duration::from_secs(10),
                ..Limits::default()
            }),
            ..Request::get(format!("{origin}/robots.txt"))
        };
        // A site without the file, or one that keeps it to itself, forbids nothing.
        let answer = match Box::pin(self.open(&request)).await {
            Ok(answer) => answer.bytes(robots::MOST_BYTES).await,
            Err(error) if error.status().is_some_and(|s| (400..500).contains(&s)) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        match answer {
            Ok(bytes) => {
                let agent = &self.inner.settings.user_agent;
                let agent = agent.split(['/', ' ']).next().unwrap_or_default();
                Robots::parse(&String::from_utf8_lossy(&bytes), agent)
            }
            Err(error) => {
                Robots::Silent(format!("its robots.txt cannot be read ({})", error.chain()))
            }
        }
    }

    async fn send(
        &self,
        request: &Request,
        method: Method,
        url: &Url,
        first: &Url,
        limits: Limits,
        deadline: Instant,
    ) -> Result<reqwest::Response, FetchError> {
        let (host, own) = self.check(url).await?;
        let rate = match request.rate {
            Some(rate) => rate,
            // The operator's own network needs no politeness unless asked for.
            None if own => 0.0,
            None => self.inner.settings.rate,
        };
        self.inner.pace.turn(&host, rate).await;
        let mut builder = match method {
            Method::Get => self.inner.client.get(url.clone()),
            Method::Post => self.inner.client.post(url.clone()),
        };
        builder = builder.header("accept-encoding", "gzip, br, zstd");
        // No header of the connector may follow a redirect to another origin: any may be a key.
        let same_origin = url.origin() == first.origin();
        for (name, value) in &request.headers {
            if !same_origin && !name.eq_ignore_ascii_case("accept") {
                continue;
            }
            let parsed = HeaderName::try_from(name.as_str())
                .ok()
                .zip(HeaderValue::try_from(value.as_str()).ok());
            let Some((name, value)) = parsed else {
                return Err(FetchError::Address {
                    url: public_url(url.as_str()),
                    why: format!("the header {name} has an impossible name or value"),
                });
            };
            builder = builder.header(name, value);
        }
        if same_origin {
            if let Some(etag) = &request.etag {
                builder = builder.header("if-none-match", etag);
            }
            if let Some(date) = &request.last_modified {
                builder = builder.header("if-modified-since", date);
            }
            if method == Method::Post
                && let Some(body) = &request.body
            {
                builder = builder.body(body.clone());
            }
        }
        let wait = deadline.min(Instant::now() + limits.idle);
        match timeout_at(wait, builder.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(source)) => Err(FetchError::Transport {
                url: public_url(url.as_str()),
                source: source.without_url(),
            }),
            Err(_) => Err(FetchError::TimedOut {
                url: public_url(url.as_str()),
                after: limits.idle,
            }),
        }
    }

    async fn answer(
        &self,
        request: &Request,
        response: reqwest::Response,
        url: &Url,
        limits: Limits,
        deadline: Instant,
    ) -> Result<Body, FetchError> {
        let status = response.status().as_u16();
        let mut headers: Vec<(String, String)> = Vec::new();
        for (name, value) in response.headers() {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            match headers.iter_mut().find(|(key, _)| key == name.as_str()) {
                Some((_, known)) => *known = format!("{known}, {text}"),
                None => headers.push((name.as_str().to_owned(), text)),
            }
        }
        let find = |wanted: &str| {
            headers
                .iter()
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value.clone())
        };
        let codings = find("content-encoding").unwrap_or_default();
        let retry_after = find("retry-after").as_deref().and_then(parse_retry_after);
        let (sender, pieces) = mpsc::channel(8);
        let pieces_of_body = response.bytes_stream().map(|piece| {
            piece.map_err(|error| {
                io::Error::new(io::ErrorKind::UnexpectedEof, chain_of(&error.without_url()))
            })
        });
        tokio::spawn(transfer::pump(
            pieces_of_body,
            sender,
            limits.idle,
            deadline,
        ));
        let body = Body {
            status,
            headers,
            url: public_url(url.as_str()),
            reader: BodyReader::from_channel(pieces, &codings, limits),
        };
        if (200..300).contains(&status) || status == 304 || request.accept.contains(&status) {
            return Ok(body);
        }
        let url = body.url.clone();
        let text = body.bytes(2048).await.unwrap_or_default();
        Err(FetchError::Status {
            url,
            status,
            text: readable(&text),
            retry_after,
        })
    }
}

/// Seconds, or an HTTP date.
#[expect(
    clippy::disallowed_methods,
    reason = "a real server says when by the real clock"
)]
fn parse_retry_after(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(text)
        .ok()?;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let at = Duration::from_secs(u64::try_from(at.as_second()).unwrap_or(0));
    Some(at.saturating_sub(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_in_both_forms() {
        assert_eq!(parse_retry_after("120"), Some(Duration::from_secs(120)));
        assert_eq!(
            parse_retry_after("Mon, 02 Nov 2020 08:30:00 GMT"),
            Some(Duration::ZERO)
        );
        assert_eq!(parse_retry_after("soon"), None);
    }
}
