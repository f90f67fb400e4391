//! The demo's own loopback server: it answers as the members' systems and France Travail would
//! (tokens, pages, totals, entity tags), and lets a person change the network under `/demo`.

mod control;
mod job_systems;
mod search;

use super::world::{Story, World};
use crate::model::Clock;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What every service of the demo asks for: user names, keys and secrets are no secrets here.
pub const CLIENT: &str = "passerelle-demo";
pub const SECRET: &str = "synthetic";

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("the demo's server cannot listen on the loopback address")]
    Listen(#[source] std::io::Error),
    #[error("the demo's story {} cannot be {doing}", path.display())]
    Story {
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// A running server; it stops when this is dropped.
pub struct Server {
    pub address: SocketAddr,
    world: Shared,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts on a loopback port: the one of the last time if `story` remembers it and it is free.
    ///
    /// # Errors
    /// No port, or a story that cannot be read or written.
    pub async fn start(clock: Clock, story: Option<&Path>) -> Result<Self, ServerError> {
        let kept = story.map(Kept::read).transpose()?.flatten();
        let port = kept.as_ref().map_or(0, |kept| kept.port);
        let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .await
                .map_err(ServerError::Listen)?,
        };
        let address = listener.local_addr().map_err(ServerError::Listen)?;
        let began = clock.now();
        let world = World::new(kept.map_or(
            Story {
                began,
                changes: Vec::new(),
            },
            |kept| kept.story,
        ));
        let shared = Shared(Arc::new(Inner {
            world: Mutex::new(world),
            clock,
            base: format!("http://{address}"),
            port: address.port(),
            story: story.map(Path::to_owned),
        }));
        shared.keep(&shared.world())?;
        let router = router(shared.clone());
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "the demo's server stopped");
            }
        });
        Ok(Self {
            address,
            world: shared,
            task,
        })
    }

    /// `http://127.0.0.1:PORT`
    pub fn base(&self) -> &str {
        &self.world.0.base
    }

    /// The network as it stands: what tests compare with.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.world()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn router(shared: Shared) -> Router {
    Router::new()
        .merge(control::routes())
        .merge(job_systems::routes())
        .merge(search::routes())
        .with_state(shared)
}

/// What the handlers share.
#[derive(Clone)]
struct Shared(Arc<Inner>);

struct Inner {
    world: Mutex<World>,
    clock: Clock,
    base: String,
    port: u16,
    story: Option<PathBuf>,
}

/// The story on disk, with the port, so that a restarted demo looks the same.
#[derive(serde::Serialize, serde::Deserialize)]
struct Kept {
    port: u16,
    #[serde(flatten)]
    story: Story,
}

impl Kept {
    fn read(path: &Path) -> Result<Option<Self>, ServerError> {
        let failed = |source| ServerError::Story {
            doing: "read",
            path: path.to_owned(),
            source,
        };
        match std::fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| failed(error.into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }
}

impl Shared {
    fn world(&self) -> MutexGuard<'_, World> {
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, world: &World) -> Result<(), ServerError> {
        let Some(path) = &self.0.story else {
            return Ok(());
        };
        let kept = Kept {
            port: self.0.port,
            story: world.story().clone(),
        };
        serde_json::to_vec_pretty(&kept)
            .map_err(std::io::Error::from)
            .and_then(|bytes| std::fs::write(path, bytes))
            .map_err(|source| ServerError::Story {
                doing: "written",
                path: path.clone(),
                source,
            })
    }
}

/// A document with its entity tag, or 304 where the client has it.
fn document(headers: &HeaderMap, kind: &'static str, bytes: Vec<u8>) -> Response {
    let tag = format!("\"{}\"", &blake3::hash(&bytes).to_hex()[..20]);
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value == tag);
    if known {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
    }
    (
        [(header::CONTENT_TYPE, kind.to_owned()), (header::ETAG, tag)],
        Body::from(bytes),
    )
        .into_response()
}

/// Whether the request carries `expected` as its `Authorization`.
fn authorised(headers: &HeaderMap, expected: &str) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value == expected)
}

/// The token that a client gets for its credentials, the same for every run.
fn token(service: &str) -> String {
    blake3::hash(format!("{service}/{CLIENT}/{SECRET}").as_bytes()).to_hex()[..32].to_owned()
}

#[cfg(test)]
mod tests;
