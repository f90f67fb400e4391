//! The body on its way from a socket to a parser.

use bytes::Bytes;
use futures::{Stream, StreamExt};
use std::io;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// Moves the body piece by piece to the parser; the last piece is empty. A parser that has had
/// enough drops its end, which ends the transfer.
pub(super) async fn pump(
    pieces: impl Stream<Item = io::Result<Bytes>>,
    sender: mpsc::Sender<io::Result<Bytes>>,
    idle: Duration,
    deadline: Instant,
) {
    let mut pieces = std::pin::pin!(pieces);
    loop {
        let wait = deadline.min(Instant::now() + idle);
        let piece = match timeout_at(wait, pieces.next()).await {
            Ok(Some(Ok(piece))) if piece.is_empty() => continue,
            Ok(Some(piece)) => piece,
            Ok(None) => Ok(Bytes::new()),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                if Instant::now() >= deadline {
                    "the transfer took longer than the limit for the whole request"
                } else {
                    "the server stopped sending"
                },
            )),
        };
        let last = piece.as_ref().map_or(true, Bytes::is_empty);
        if sender.send(piece).await.is_err() || last {
            return;
        }
    }
}
