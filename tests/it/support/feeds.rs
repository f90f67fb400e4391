//! A loopback HTTP server whose answers are scripted down to the byte: it can stall, cut, lie about
//! lengths and types, and count what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How an answer's body leaves.
#[derive(Clone, Debug, PartialEq)]
pub enum Sent {
    Whole,
    /// The full length is declared, then the connection closes after so many bytes.
    Cut(usize),
    /// Chunked transfer that ends without its last chunk.
    CutChunked(usize),
    /// Chunked transfer in pieces of so many bytes: characters are torn apart.
    Pieces(usize),
    /// Nothing more comes after so many bytes, and the connection stays open.
    Stall(usize),
}

#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub sent: Sent,
    /// Answer 304 to a request that names this answer's `ETag`.
    pub conditional: bool,
}

impl Answer {
    pub fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".into(), kind.into())],
            body: body.into(),
            sent: Sent::Whole,
            conditional: false,
        }
    }

    pub fn json(value: &serde_json::Value) -> Self {
        Self::new(200, "application/json", value.to_string())
    }

    pub fn xml(text: impl Into<Vec<u8>>) -> Self {
        Self::new(200, "application/xml; charset=utf-8", text)
    }

    pub fn sent(mut self, sent: Sent) -> Self {
        self.sent = sent;
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With an `ETag` that is honoured.
    pub fn tagged(mut self, tag: &str) -> Self {
        self.conditional = true;
        self.header("ETag", tag)
    }
}

type Handler = Arc<dyn Fn(&Request) -> Answer + Send + Sync>;

/// What was asked.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// Without the query.
    pub path: String,
    pub query: BTreeMap<String, String>,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

#[derive(Default)]
struct State {
    routes: BTreeMap<String, Handler>,
    log: Vec<Request>,
}

/// The server; its threads end with the process.
pub struct Feeds {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Feeds {
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                std::thread::spawn(move || {
                    // A client that goes away is its own affair.
                    let _ = serve(stream, &state);
                });
            }
        });
        Self { address, state }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// From now on `path` answers this.
    pub fn set(&self, path: &str, answer: Answer) {
        self.route(path, move |_| answer.clone());
    }

    pub fn route(&self, path: &str, handler: impl Fn(&Request) -> Answer + Send + Sync + 'static) {
        let handler = Arc::new(handler);
        self.state
            .lock()
            .unwrap()
            .routes
            .insert(path.into(), handler);
    }

    /// Requests of `path` so far.
    pub fn asked(&self, path: &str) -> Vec<Request> {
        let state = self.state.lock().unwrap();
        state
            .log
            .iter()
            .filter(|r| r.path == path)
            .cloned()
            .collect()
    }
}

fn serve(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(request) = read(&mut reader)? {
        let handler = {
            let mut state = state.lock().unwrap();
            state.log.push(request.clone());
            state.routes.get(&request.path).cloned()
        };
        let answer = handler.map_or_else(
            || Answer::new(404, "text/plain", "no such feed"),
            |handler| handler(&request),
        );
        if !write(&mut writer, &request, &answer)? {
            break;
        }
    }
    Ok(())
}

fn read(reader: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or("").to_owned();
    let target = words.next().unwrap_or("/");
    let url = url::Url::parse("http://feed.example")
        .unwrap()
        .join(target)
        .unwrap();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    let length = headers.get("content-length").and_then(|n| n.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(Some(Request {
        method,
        path: url.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }))
}

/// Whether the connection may be used again.
fn write(out: &mut impl Write, request: &Request, answer: &Answer) -> std::io::Result<bool> {
    let tag = answer.headers.iter().find(|(name, _)| name == "ETag");
    if let (true, Some((_, tag)), Some(known)) = (
        answer.conditional,
        tag,
        request.headers.get("if-none-match"),
    ) && tag == known
    {
        write!(out, "HTTP/1.1 304 Not Modified\r\nETag: {tag}\r\n\r\n")?;
        return Ok(true);
    }
    let mut head = format!("HTTP/1.1 {} Scripted\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let chunked = matches!(answer.sent, Sent::CutChunked(_) | Sent::Pieces(_));
    if chunked {
        head.push_str("Transfer-Encoding: chunked\r\n\r\n");
    } else if answer.status == 204 || answer.status == 304 {
        head.push_str("\r\n");
    } else {
        head.push_str(&format!("Content-Length: {}\r\n\r\n", answer.body.len()));
    }
    out.write_all(head.as_bytes())?;
    let body = &answer.body;
    match answer.sent {
        Sent::Whole => out.write_all(body)?,
        Sent::Cut(at) => {
            out.write_all(&body[..at.min(body.len())])?;
            out.flush()?;
            return Ok(false);
        }
        Sent::CutChunked(at) => {
            let part = &body[..at.min(body.len())];
            write!(out, "{:x}\r\n", part.len())?;
            out.write_all(part)?;
            out.write_all(b"\r\n")?;
            out.flush()?;
            return Ok(false);
        }
        Sent::Pieces(size) => {
            for part in body.chunks(size.max(1)) {
                write!(out, "{:x}\r\n", part.len())?;
                out.write_all(part)?;
                out.write_all(b"\r\n")?;
                out.flush()?;
            }
            out.write_all(b"0\r\n\r\n")?;
        }
        Sent::Stall(at) => {
            out.write_all(&body[..at.min(body.len())])?;
            out.flush()?;
            std::thread::sleep(Duration::from_secs(600));
            return Ok(false);
        }
    }
    out.flush()?;
    Ok(true)
}
