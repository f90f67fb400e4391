//! A response body as a capped, decompressed byte stream for a parser on a blocking thread.

use super::FetchError;
use bytes::{Buf, Bytes};
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Caps of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes on the wire.
    pub wire_bytes: u64,
    /// Bytes after decompression.
    pub body_bytes: u64,
    /// Decompressed bytes for one byte on the wire, once 8 MB have come out.
    pub ratio: u64,
    pub redirects: u32,
    /// The whole request, body included.
    pub total: Duration,
    /// Between two pieces of the body, and until the headers have come.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wire_bytes: 1 << 30,
            body_bytes: 4 << 30,
            ratio: 150,
            redirects: 5,
            total: Duration::from_secs(900),
            idle: Duration::from_secs(30),
        }
    }
}

/// Output below which the ratio is not looked at.
const RATIO_FREE: u64 = 8 << 20;

/// What an opened source answers: status, headers, and the body yet to be read.
#[derive(Debug)]
pub struct Body {
    /// 200 for a file.
    pub status: u16,
    /// Lower-case names; repeated headers joined by `, `.
    pub headers: Vec<(String, String)>,
    /// Where it came from in the end, redirects followed, without credentials.
    pub url: String,
    pub reader: BodyReader,
}

impl Body {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The whole body, at most `cap` bytes of it. For small answers (tokens, error texts).
    ///
    /// # Errors
    /// The transfer or the decompression failed.
    pub async fn bytes(self, cap: u64) -> Result<Vec<u8>, FetchError> {
        let url = self.url.clone();
        let mut reader = self.reader.take(cap);
        let joined = tokio::task::spawn_blocking(move || {
            let mut out = Vec::new();
            reader.read_to_end(&mut out).map(|_| out)
        })
        .await;
        match joined {
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(source)) => Err(FetchError::Body { url, source }),
            Err(_) => Err(FetchError::Body {
                url,
                source: io::Error::other("the reading thread died"),
            }),
        }
    }
}

/// Reads on a blocking thread what a task fetches; decompresses by declared and by sniffed coding.
pub struct BodyReader {
    inner: Box<dyn Read + Send>,
    out: u64,
    wire: Arc<AtomicU64>,
    limits: Limits,
}

impl std::fmt::Debug for BodyReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BodyReader")
            .field("out", &self.out)
            .finish()
    }
}

impl BodyReader {
    /// `codings` is the Content-Encoding header; a gzip body that nobody declared is found by its
    /// first bytes.
    pub(super) fn from_channel(
        pieces: mpsc::Receiver<io::Result<Bytes>>,
        codings: &str,
        limits: Limits,
    ) -> Self {
        let wire = Arc::new(AtomicU64::new(0));
        let raw = Pieces {
            pieces,
            current: Bytes::new(),
            ended: false,
            wire: Arc::clone(&wire),
            cap: limits.wire_bytes,
        };
        let mut inner: Box<dyn Read + Send> = Box::new(raw);
        for coding in codings.split(',').rev().map(str::trim) {
            inner = match coding.to_ascii_lowercase().as_str() {
                // Servers that declare gzip and send plain text exist: the sniffing sorts it out.
                "gzip" | "x-gzip" | "zstd" => Box::new(Sniffed::new(inner)),
                "br" => Box::new(brotli_decompressor::Decompressor::new(inner, 64 * 1024)),
                "deflate" => Box::new(Deflated::new(inner)),
                _ => inner,
            };
        }
        Self {
            inner: Box::new(Sniffed::new(inner)),
            out: 0,
            wire,
            limits,
        }
    }

    /// A body that is already there.
    pub fn from_bytes(bytes: impl Into<Bytes>, limits: Limits) -> Self {
        let bytes: Bytes = bytes.into();
        let wire = Arc::new(AtomicU64::new(bytes.len() as u64));
        Self {
            inner: Box::new(Sniffed::new(Box::new(bytes.reader()))),
            out: 0,
            wire,
            limits,
        }
    }

    /// A file on disk, or standard input.
    pub fn from_reader(reader: impl Read + Send + 'static, limits: Limits) -> Self {
        let wire = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            inner: reader,
            wire: Arc::clone(&wire),
            cap: limits.wire_bytes,
        };
        Self {
            inner: Box::new(Sniffed::new(Box::new(counted))),
            out: 0,
            wire,
            limits,
        }
    }
}

impl Read for BodyReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.out += n as u64;
        if self.out > self.limits.body_bytes {
            return Err(io::Error::other(format!(
                "more than {} bytes after decompression (limits.body)",
                self.limits.body_bytes
            )));
        }
        let wire = self.wire.load(Ordering::Relaxed).max(1);
        if self.out > RATIO_FREE && self.out / wire > self.limits.ratio {
            return Err(io::Error::other(format!(
                "it decompresses to more than {} times its size: taken for a decompression bomb",
                self.limits.ratio
            )));
        }
        Ok(n)
    }
}

fn over_wire(cap: u64) -> io::Error {
    io::Error::other(format!(
        "more than {cap} bytes on the wire (limits.download)"
    ))
}

struct Counted<R> {
    inner: R,
    wire: Arc<AtomicU64>,
    cap: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        if self.wire.fetch_add(n as u64, Ordering::Relaxed) + n as u64 > self.cap {
            return Err(over_wire(self.cap));
        }
        Ok(n)
    }
}

/// The pieces that the fetching task sends. A channel that closes without its end mark is an
/// error: a task that died must not look like the end of a document.
struct Pieces {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
    ended: bool,
    wire: Arc<AtomicU64>,
    cap: u64,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            if self.ended {
                return Ok(0);
            }
            match self.pieces.blocking_recv() {
                // The empty piece is the end mark.
                Some(Ok(piece)) if piece.is_empty() => self.ended = true,
                Some(Ok(piece)) => self.current = piece,
                Some(Err(error)) => return Err(error),
                None => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "the transfer was given up",
                    ));
                }
            }
        }
        let n = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..n]);
        if self.wire.fetch_add(n as u64, Ordering::Relaxed) + n as u64 > self.cap {
            return Err(over_wire(self.cap));
        }
        Ok(n)
    }
}

/// Decides by the first bytes, once: gzip, zstd, or as it is.
struct Sniffed {
    state: SniffState,
}

enum SniffState {
    Fresh(Option<Box<dyn Read + Send>>),
    Plain(BufReader<Box<dyn Read + Send>>),
    Gzip(Box<flate2::bufread::MultiGzDecoder<BufReader<Box<dyn Read + Send>>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, BufReader<Box<dyn Read + Send>>>>),
}

impl Sniffed {
    fn new(inner: Box<dyn Read + Send>) -> Self {
        Self {
            state: SniffState::Fresh(Some(inner)),
        }
    }
}

impl Read for Sniffed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let SniffState::Fresh(inner) = &mut self.state {
            let Some(inner) = inner.take() else {
                return Ok(0);
            };
            let mut start = Start::new(inner)?;
            let head = std::mem::take(&mut start.head);
            let magic = head.clone();
            let chained: Box<dyn Read + Send> =
                Box::new(Read::chain(io::Cursor::new(head), start.inner));
            let buffered = BufReader::with_capacity(64 * 1024, chained);
            self.state = if magic.starts_with(&[0x1f, 0x8b, 0x08]) {
                SniffState::Gzip(Box::new(flate2::bufread::MultiGzDecoder::new(buffered)))
            } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
                SniffState::Zstd(Box::new(zstd::stream::read::Decoder::with_buffer(
                    buffered,
                )?))
            } else {
                SniffState::Plain(buffered)
            };
        }
        match &mut self.state {
            SniffState::Plain(reader) => reader.read(buffer),
            SniffState::Gzip(reader) => reader.read(buffer),
            SniffState::Zstd(reader) => reader.read(buffer),
            SniffState::Fresh(_) => Ok(0),
        }
    }
}

/// A reader with its first four bytes taken off.
struct Start {
    head: Vec<u8>,
    inner: Box<dyn Read + Send>,
}

impl Start {
    fn new(mut inner: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut head = Vec::with_capacity(4);
        inner.by_ref().take(4).read_to_end(&mut head)?;
        Ok(Self { head, inner })
    }
}

/// `deflate` means zlib by the standard and raw deflate on some servers.
struct Deflated {
    inner: Option<Box<dyn Read + Send>>,
    decoder: Option<Box<dyn Read + Send>>,
}

impl Deflated {
    fn new(inner: Box<dyn Read + Send>) -> Self {
        Self {
            inner: Some(inner),
            decoder: None,
        }
    }
}

impl Read for Deflated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(inner) = self.inner.take() {
            let mut buffered = BufReader::new(inner);
            let first = buffered.fill_buf()?.first().copied();
            self.decoder = Some(if first.is_some_and(|b| b & 0x0f == 8) {
                Box::new(flate2::bufread::ZlibDecoder::new(buffered))
            } else {
                Box::new(flate2::bufread::DeflateDecoder::new(buffered))
            });
        }
        self.decoder.as_mut().map_or(Ok(0), |d| d.read(buffer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).expect("in memory");
        out.finish().expect("in memory")
    }

    fn read(bytes: Vec<u8>, codings: &str, limits: Limits) -> io::Result<Vec<u8>> {
        let (sender, receiver) = mpsc::channel(4);
        std::thread::spawn(move || {
            for piece in bytes.chunks(1000) {
                if sender
                    .blocking_send(Ok(Bytes::copy_from_slice(piece)))
                    .is_err()
                {
                    return;
                }
            }
            let _ = sender.blocking_send(Ok(Bytes::new()));
        });
        let mut out = Vec::new();
        BodyReader::from_channel(receiver, codings, limits).read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn codings_are_undone_declared_or_not() {
        let text = b"<offres><offre/></offres>".to_vec();
        let limits = Limits::default();
        assert_eq!(read(text.clone(), "", limits).expect("plain"), text);
        assert_eq!(read(gzip(&text), "gzip", limits).expect("declared"), text);
        assert_eq!(read(gzip(&text), "", limits).expect("sniffed"), text);
        assert_eq!(
            read(text.clone(), "gzip", limits).expect("declared but plain"),
            text
        );
        assert_eq!(
            read(gzip(&gzip(&text)), "gzip", limits).expect("twice"),
            text
        );
        let zstd = zstd::encode_all(&text[..], 1).expect("in memory");
        assert_eq!(read(zstd, "zstd", limits).expect("zstd"), text);
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&text).expect("in memory");
        assert_eq!(
            read(zlib.finish().expect("in memory"), "deflate", limits).expect("zlib"),
            text
        );
    }

    #[test]
    fn a_cut_gzip_is_an_error() {
        let text: Vec<u8> = (0..20_000u32).flat_map(u32::to_le_bytes).collect();
        let whole = gzip(&text);
        for cut in [1, 5, 100, whole.len() / 2, whole.len() - 1] {
            let got = read(whole[..cut].to_vec(), "gzip", Limits::default());
            // Below four bytes nothing tells gzip from text; the parser refuses that.
            assert!(cut < 4 || got.is_err(), "{cut}");
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        // As tight as it goes: a fast compressor of some libraries makes no bomb of blanks.
        let mut best = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        best.write_all(&vec![b' '; 64 << 20]).expect("in memory");
        let bomb = best.finish().expect("in memory");
        let error = read(bomb, "gzip", Limits::default())
            .map(|bytes| bytes.len())
            .expect_err("a bomb");
        assert!(error.to_string().contains("bomb"), "{error}");
    }

    #[test]
    fn caps_hold() {
        let limits = Limits {
            wire_bytes: 1500,
            ..Limits::default()
        };
        assert!(read(vec![b'x'; 4000], "", limits).is_err());
        let limits = Limits {
            body_bytes: 1500,
            ..Limits::default()
        };
        assert!(read(vec![b'x'; 4000], "", limits).is_err());
    }

    #[test]
    fn a_transfer_that_dies_is_no_end() {
        let (sender, receiver) = mpsc::channel(4);
        sender
            .blocking_send(Ok(Bytes::from_static(b"[]")))
            .expect("room");
        drop(sender);
        let mut out = Vec::new();
        assert!(
            BodyReader::from_channel(receiver, "", Limits::default())
                .read_to_end(&mut out)
                .is_err()
        );
    }
}
