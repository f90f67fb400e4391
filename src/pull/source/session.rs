//! One reading of one source: requests with their credentials, answers as streams of records.

use super::auth::Credential;
use super::outlet::Outlet;
use super::parse::{self, Item, ParseEnd, Plan, Wholeness};
use super::since::{dated, since};
use super::text::charset;
use super::{SourceEnv, SourceRecord};
use crate::fetch::{Body, FetchError, Fetcher, Method, Request};
use crate::model::Clock;
use crate::pull::connector::Connector;
use crate::pull::connector::file::{Carrier, DetailKind, HttpMethod, Kind, Pick, QueryValue, SFTP};
use crate::store::ConnectorState;
use serde_json::Value;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use url::Url;

/// Records that travel together from the parsing thread.
const PARCEL: usize = 64;

/// A source that is being read.
pub struct Session<'a> {
    pub connector: &'a Connector,
    pub clock: Clock,
    fetcher: Fetcher,
    env: &'a SourceEnv,
    credential: Credential,
    /// The address with its secrets in place; never shown.
    url: String,
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
    hidden: Vec<String>,
    /// Since when changes are asked for, in a run that is no full pass.
    since: Option<String>,
    requests: u64,
    bytes: u64,
}

/// What one request adds to the connector's own.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// Another address than the source's: a next link, a detail.
    pub url: Option<String>,
    /// Query parameters that are set anew.
    pub query: Vec<(String, String)>,
    /// Keys of the JSON body that are set anew.
    pub body: Vec<(String, Value)>,
    pub etag: Option<String>,
    pub last_modified: Option<String>,
}

/// A page that was read to its end, such as it is.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub url: String,
    pub wholeness: Wholeness,
    pub envelope: Value,
    /// Records of the page, and those that no page had before.
    pub items: u64,
    pub new: u64,
    /// blake3 of the body.
    pub hash: String,
}

impl Page {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

impl<'a> Session<'a> {
    /// # Errors
    /// A secret that is not there.
    pub fn new(
        connector: &'a Connector,
        env: &'a SourceEnv,
        before: &ConnectorState,
    ) -> Result<Self, String> {
        let source = &connector.source;
        let credential = Credential::new(source.auth.clone());
        let mut hidden = Vec::new();
        let mut query = Vec::new();
        let mut resolve = |text: &crate::pull::connector::Text| {
            let value = text
                .resolve(&env.secrets)
                .map_err(|error| error.to_string())?;
            if text.has_secret() && value != text.as_str() {
                for (kind, name) in text.references() {
                    let secret = match kind {
                        "env" => env.secrets.env(name).ok(),
                        _ => env.secrets.file(name).ok(),
                    };
                    hidden.extend(secret.filter(|s| s.len() > 3));
                }
            }
            Ok::<String, String>(value)
        };
        let now = env.clock.now();
        let url = dated(
            &resolve(&source.url)?,
            &now.to_zoned(connector.zone.clone()),
        )
        .map_err(|error| format!("the date in the address cannot be written: {error}"))?;
        let mut headers = Vec::new();
        for (name, value) in &source.headers {
            headers.push((name.clone(), resolve(value)?));
        }
        for (name, value) in &source.query {
            match value {
                QueryValue::One(text) => query.push((name.clone(), resolve(text)?)),
                QueryValue::Many(texts) => {
                    for text in texts {
                        query.push((name.clone(), resolve(text)?));
                    }
                }
            }
        }
        for text in credential.texts() {
            resolve(text)?;
        }
        Ok(Self {
            connector,
            clock: env.clock.clone(),
            fetcher: env.fetcher.clone(),
            env,
            credential,
            url,
            headers,
            query,
            hidden,
            since: since(connector, before, now),
            requests: 0,
            bytes: 0,
        })
    }

    /// Whether the run asks for changes only.
    pub fn is_incremental(&self) -> bool {
        self.since.is_some()
    }

    pub fn requests(&self) -> u64 {
        self.requests
    }

    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn add_bytes(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// `text` without the session's secrets.
    pub fn redacted(&self, text: &str) -> String {
        self.hidden.iter().fold(text.to_owned(), |text, secret| {
            text.replace(secret.as_str(), "…")
        })
    }

    /// Whether the source is a file or standard input.
    pub fn is_local(&self) -> bool {
        !self.url.contains("://") || self.url.starts_with("file:")
    }

    /// The address of the source, as a base of relative links.
    pub fn absolute(&self, link: &str) -> Result<String, String> {
        let base = Url::parse(&self.url).map_err(|error| error.to_string())?;
        base.join(link)
            .map(|url| url.to_string())
            .map_err(|error| format!("`{link}` is no address: {error}"))
    }

    /// The request of `ask`. Headers, credentials and the source's query go to the source's own
    /// origin only; a next link brings its own query.
    pub async fn request(&mut self, ask: &Ask) -> Result<Request, String> {
        let source = &self.connector.source;
        let own_page = ask.url.is_none();
        let address = ask.url.clone().unwrap_or_else(|| self.url.clone());
        let limits = Some(self.connector.fetch_limits());
        if self.is_local() {
            return Ok(Request {
                url: address,
                limits,
                last_written: source.pick == Pick::Modified,
                ..Request::default()
            });
        }
        if address.starts_with(SFTP) {
            return Ok(Request {
                url: address,
                limits,
                rate: source.rate,
                last_written: source.pick == Pick::Modified,
                ssh: self.credential.ssh(&self.env.secrets)?,
                ..Request::default()
            });
        }
        let mut url = Url::parse(&address)
            .map_err(|error| format!("the address of the source cannot be read: {error}"))?;
        let home = Url::parse(&self.url)
            .map_err(|error| format!("the address of the source cannot be read: {error}"))?;
        let at_home = url.origin() == home.origin();
        let mut headers = Vec::new();
        let mut query: Vec<(String, String)> = Vec::new();
        if own_page {
            query.clone_from(&self.query);
        }
        if at_home {
            headers.clone_from(&self.headers);
            let added = self
                .credential
                .add(&self.fetcher, &self.env.secrets, &mut self.requests)
                .await?;
            headers.extend(added.headers);
            query.extend(added.query);
        }
        let mut more = ask.body.clone();
        if let (Some(since), Some(value), true) = (&source.since, &self.since, own_page) {
            match since.carrier {
                Carrier::Query => query.push((since.param.clone(), value.clone())),
                Carrier::Body => more.push((since.param.clone(), value.clone().into())),
            }
        }
        for (name, value) in &ask.query {
            query.retain(|(known, _)| known != name);
            query.push((name.clone(), value.clone()));
        }
        set_query(&mut url, &query);
        let mut body = None;
        let mut method = Method::Get;
        if source.method == HttpMethod::Post && own_page {
            method = Method::Post;
            let mut json = source
                .body
                .clone()
                .unwrap_or_else(|| Value::Object(serde_json::Map::new()));
            if let Value::Object(map) = &mut json {
                map.extend(more);
            }
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
            body = Some(json.to_string().into_bytes());
        }
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("accept"))
        {
            headers.push(("accept".to_owned(), accept(source.kind).to_owned()));
        }
        Ok(Request {
            method,
            url: url.to_string(),
            headers,
            body,
            etag: ask.etag.clone(),
            last_modified: ask.last_modified.clone(),
            rate: source.rate,
            busy_wait: Some(Duration::from_secs(60)),
            limits,
            accept: source.empty_status.clone(),
            robots: self.reads_pages(own_page),
            ..Request::default()
        })
    }

    /// Whether what is asked for is a page for people: a list of HTML, or the offers behind a list.
    fn reads_pages(&self, own_page: bool) -> bool {
        let source = &self.connector.source;
        let detail = source.detail.as_ref();
        source.kind == Kind::Html
            || (!own_page && detail.is_some_and(|detail| detail.kind != DetailKind::Auto))
    }

    /// Sends `ask`; a token that the service refuses is renewed once.
    pub async fn open(&mut self, ask: &Ask) -> Result<Body, String> {
        Ok(match self.try_open(ask).await? {
            Ok(body) => body,
            Err(error) => return Err(error.chain()),
        })
    }

    /// As [`Session::open`], with the error of the fetch kept apart from those before it.
    pub async fn try_open(&mut self, ask: &Ask) -> Result<Result<Body, FetchError>, String> {
        let request = self.request(ask).await?;
        self.requests += 1;
        let first = self.fetcher.open(&request).await;
        if matches!(&first, Err(error) if error.status() == Some(401)) && self.credential.forget() {
            let request = self.request(ask).await?;
            self.requests += 1;
            return Ok(self.fetcher.open(&request).await);
        }
        Ok(first)
    }

    /// A request that another task sends; counted here.
    pub async fn prepared(&mut self, ask: &Ask) -> Result<(Fetcher, Request), String> {
        let request = self.request(ask).await?;
        self.requests += 1;
        Ok((self.fetcher.clone(), request))
    }

    /// Reads one page into `outlet`.
    ///
    /// # Errors
    /// No answer that could be read at all.
    pub async fn page(&mut self, ask: &Ask, outlet: &mut Outlet<'_>) -> Result<Page, String> {
        let body = self.open(ask).await?;
        self.read_page(body, outlet).await
    }

    pub async fn read_page(&mut self, body: Body, outlet: &mut Outlet<'_>) -> Result<Page, String> {
        let mut page = Page {
            status: body.status,
            headers: body.headers.clone(),
            url: body.url.clone(),
            wholeness: Wholeness::Whole,
            envelope: Value::Null,
            items: 0,
            new: 0,
            hash: String::new(),
        };
        let empty = matches!(body.status, 204 | 304)
            || (body.status >= 300 && self.connector.source.empty_status.contains(&body.status));
        if empty {
            return Ok(page);
        }
        let seen_before = outlet.seen();
        let plan = Plan {
            kind: self.connector.source.kind,
            paths: self.connector.record_paths.clone(),
            csv: self.connector.source.csv.clone(),
            html: self.connector.source.html.clone(),
            encoding: self.connector.source.encoding.clone().or_else(|| {
                body.header("content-type")
                    .and_then(charset)
                    .map(str::to_owned)
            }),
            record_bytes: usize::try_from(self.connector.limits.record_kb << 10)
                .unwrap_or(usize::MAX),
            recall: outlet.recall(),
        };
        let (sender, mut receiver) = mpsc::channel::<Vec<Item>>(4);
        let connector = Arc::new(self.connector.clone());
        let parsing =
            tokio::task::spawn_blocking(move || parse_body(body, &plan, &connector, &sender));
        let mut held = Vec::new();
        while let Some(items) = receiver.recv().await {
            page.items += items.len() as u64;
            if self.connector.relationships {
                held.extend(items);
                continue;
            }
            for item in items {
                outlet.put(item, self).await?;
            }
        }
        let (end, hash, bytes) = parsing
            .await
            .map_err(|error| format!("{}: the parser died: {error}", page.url))?;
        self.bytes += bytes;
        if self.connector.relationships {
            let included = Included::new(&end.envelope);
            for item in held {
                let item = match item {
                    Item::Record(record) => Item::Record(included.resolve(record.tree).into()),
                    other => other,
                };
                outlet.put(item, self).await?;
            }
        }
        page.wholeness = end.wholeness;
        page.envelope = end.envelope;
        page.hash = hash;
        page.new = outlet.seen() - seen_before;
        Ok(page)
    }
}

/// Parses on the blocking thread that this runs on; the hash is of the whole body.
fn parse_body(
    body: Body,
    plan: &Plan,
    connector: &Connector,
    sender: &mpsc::Sender<Vec<Item>>,
) -> (ParseEnd, String, u64) {
    let mut hashing = Hashing {
        inner: body.reader,
        hash: blake3::Hasher::new(),
        bytes: 0,
    };
    let mut parcel = Vec::with_capacity(PARCEL);
    let is_record = |value: &Value| connector.map(value).is_ok();
    let mut end = parse::parse(&mut hashing, plan, &is_record, &mut |item| {
        parcel.push(item);
        parcel.len() < PARCEL
            || sender
                .blocking_send(std::mem::replace(&mut parcel, Vec::with_capacity(PARCEL)))
                .is_ok()
    });
    if !parcel.is_empty() {
        let _ = sender.blocking_send(parcel);
    }
    // What follows the end of the document (a cut checksum of its compression) counts too.
    if end.wholeness == Wholeness::Whole
        && let Err(error) = io::copy(&mut hashing, &mut io::sink())
    {
        end.wholeness = Wholeness::Cut(error.to_string());
    }
    (
        end,
        hashing.hash.finalize().to_hex().to_string(),
        hashing.bytes,
    )
}

struct Hashing<R> {
    inner: R,
    hash: blake3::Hasher,
    bytes: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.hash.update(&buffer[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}

fn accept(kind: Kind) -> &'static str {
    match kind {
        Kind::Json => "application/json, */*;q=0.5",
        Kind::Xml | Kind::Rss | Kind::Atom => "application/xml, text/xml, */*;q=0.5",
        Kind::Csv => "text/csv, */*;q=0.5",
        Kind::Html => "text/html, */*;q=0.5",
        Kind::Xlsx | Kind::Ods | Kind::Zips => "*/*",
    }
}

/// Sets parameters anew, keeps the others of the address.
fn set_query(url: &mut Url, query: &[(String, String)]) {
    if query.is_empty() {
        return;
    }
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| !query.iter().any(|(known, _)| known == name))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(kept)
        .extend_pairs(query);
}

/// JSON:API: the objects that records refer to.
pub(super) struct Included<'v>(std::collections::HashMap<(&'v str, &'v str), &'v Value>);

impl<'v> Included<'v> {
    pub(super) fn new(envelope: &'v Value) -> Self {
        let list = envelope.get("included").and_then(Value::as_array);
        Self(
            list.into_iter()
                .flatten()
                .filter_map(|object| {
                    let kind = object.get("type")?.as_str()?;
                    Some(((kind, object.get("id")?.as_str()?), object))
                })
                .collect(),
        )
    }

    /// The record with the objects behind its relationships in place of their ids.
    pub(super) fn resolve(&self, mut record: Value) -> Value {
        let relations = record
            .get_mut("relationships")
            .and_then(Value::as_object_mut);
        for relation in relations.into_iter().flat_map(|map| map.values_mut()) {
            match relation.get_mut("data") {
                Some(Value::Array(items)) => {
                    for item in items {
                        self.replace(item);
                    }
                }
                Some(item) => self.replace(item),
                None => {}
            }
        }
        record
    }

    fn replace(&self, item: &mut Value) {
        let found = item.get("type").and_then(Value::as_str).and_then(|kind| {
            self.0
                .get(&(kind, item.get("id").and_then(Value::as_str)?))
                .copied()
        });
        if let Some(object) = found {
            *item = object.clone();
        }
    }
}

/// A record that could not be read, cut for storage.
pub fn broken(reference: Option<String>, raw: &str, why: String) -> SourceRecord {
    let mut end = raw.len().min(4096);
    while !raw.is_char_boundary(end) {
        end -= 1;
    }
    SourceRecord::Broken {
        reference,
        raw: raw[..end].to_owned(),
        why,
    }
}
