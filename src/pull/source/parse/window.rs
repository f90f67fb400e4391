//! A window that moves over a byte stream.

use std::io::{self, Read};

const CHUNK: usize = 64 * 1024;

/// Bytes of the stream that are at hand, and where the reading stands among them.
pub struct Window<R> {
    inner: R,
    bytes: Vec<u8>,
    at: usize,
    ended: bool,
    failed: bool,
    /// Bytes that have left the window.
    before: u64,
}

impl<R: Read> Window<R> {
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            bytes: Vec::new(),
            at: 0,
            ended: false,
            failed: false,
            before: 0,
        }
    }

    /// Offset in the stream.
    pub fn offset(&self) -> u64 {
        self.before + self.at as u64
    }

    /// Whether the stream ended by an error.
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// What is at hand; never empty but at the end of the stream.
    pub fn chunk(&mut self) -> io::Result<&[u8]> {
        if self.at == self.bytes.len() {
            self.fill()?;
        }
        Ok(&self.bytes[self.at..])
    }

    /// At least `n` bytes, or all that are left.
    pub fn at_least(&mut self, n: usize) -> io::Result<&[u8]> {
        while self.bytes.len() - self.at < n && !self.ended {
            self.fill()?;
        }
        Ok(&self.bytes[self.at..])
    }

    pub fn advance(&mut self, n: usize) {
        self.at = (self.at + n).min(self.bytes.len());
    }

    /// Puts bytes back in front of what is at hand.
    pub fn unread(&mut self, bytes: &[u8]) {
        if self.bytes[..self.at].ends_with(bytes) {
            self.at -= bytes.len();
            return;
        }
        self.before = (self.before + self.at as u64).saturating_sub(bytes.len() as u64);
        self.bytes.splice(..self.at, bytes.iter().copied());
        self.at = 0;
    }

    pub fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.chunk()?.first().copied())
    }

    /// The next byte that is no blank; it stays.
    pub fn peek_solid(&mut self) -> io::Result<Option<u8>> {
        loop {
            let chunk = self.chunk()?;
            if chunk.is_empty() {
                return Ok(None);
            }
            match chunk.iter().position(|b| !b.is_ascii_whitespace()) {
                Some(n) => {
                    self.advance(n);
                    return self.peek();
                }
                None => {
                    let n = chunk.len();
                    self.advance(n);
                }
            }
        }
    }

    /// Reads on; what was consumed leaves the window.
    fn fill(&mut self) -> io::Result<()> {
        if self.ended {
            return Ok(());
        }
        if self.at > 0 {
            self.before += self.at as u64;
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        let len = self.bytes.len();
        self.bytes.resize(len + CHUNK, 0);
        let read = loop {
            match self.inner.read(&mut self.bytes[len..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        match read {
            Ok(n) => {
                self.bytes.truncate(len + n);
                self.ended = n == 0;
                Ok(())
            }
            Err(error) => {
                self.bytes.truncate(len);
                self.ended = true;
                self.failed = true;
                Err(error)
            }
        }
    }
}

/// Bytes of one record: kept up to a cap, counted beyond it.
#[derive(Debug, Default)]
pub struct Kept {
    pub bytes: Vec<u8>,
    pub len: usize,
}

impl Kept {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.len = 0;
        // One huge record must not keep its memory for the rest of the run.
        self.bytes.shrink_to(1 << 20);
    }

    pub fn push(&mut self, piece: &[u8], cap: usize) {
        self.len += piece.len();
        if self.len <= cap {
            self.bytes.extend_from_slice(piece);
        } else {
            let room = cap.saturating_sub(self.bytes.len());
            self.bytes
                .extend_from_slice(&piece[..piece.len().min(room)]);
        }
    }

    pub fn is_over(&self, cap: usize) -> bool {
        self.len > cap
    }
}
