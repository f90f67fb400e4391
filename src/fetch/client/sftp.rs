//! Files of an SFTP server behind the same door: one by its path, or the newest of a pattern.

use super::local::{is_pattern, last_of};
use super::ssh::{self, Doorman, Refusal};
use super::{Fetcher, transfer};
use crate::fetch::body::{Body, BodyReader, Limits};
use crate::fetch::error::public_url;
use crate::fetch::{FetchError, Request};
use bytes::Bytes;
use futures::Stream;
use percent_encoding::percent_decode_str;
use russh::client::Handle;
use russh_sftp::client::fs::{File, Metadata};
use russh_sftp::client::{Config, SftpSession, error::Error as SftpError};
use russh_sftp::protocol::StatusCode;
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use url::Url;

/// Port of a URL that names none.
const PORT: u16 = 22;

/// Bytes that are handed to the parser at a time.
const PIECE: usize = 64 * 1024;

impl Fetcher {
    /// Opens the file of an `sftp:` URL. A path that starts with `/~/` starts at the folder of the
    /// login; `*` in the file name stands for anything.
    pub(super) async fn open_sftp(
        &self,
        url: &Url,
        request: &Request,
        limits: Limits,
        deadline: Instant,
    ) -> Result<Body, FetchError> {
        let port = url.port().unwrap_or(PORT);
        let host = self.addresses(url, port).await?;
        let Some(login) = &request.ssh else {
            return Err(FetchError::Address {
                url: public_url(url.as_str()),
                why: "SFTP needs a login: [source.auth] kind = \"ssh\"".to_owned(),
            });
        };
        let rate = match request.rate {
            Some(rate) => rate,
            None if host.own => 0.0,
            None => self.inner.settings.rate,
        };
        self.inner.pace.turn(&host.host, rate).await;
        let visit = Visit {
            url,
            idle: limits.idle,
            deadline,
        };
        let connect = ssh::connect(&host.addresses, login, self.inner.settings.connect_timeout);
        let connection = match visit.soon(connect).await? {
            Ok(connection) => connection,
            Err(Refusal::Transport(why)) => return Err(visit.broken(why)),
            Err(Refusal::Final(why)) => return Err(visit.refused(why)),
        };
        let sftp = visit.subsystem(&connection, limits.idle).await?;
        let path = remote_path(url);
        let path = match is_pattern(&path) {
            true => visit.last_file(&sftp, &path, request.last_written).await?,
            false => path,
        };
        let file = visit.asked(&path, sftp.open(path.as_str())).await?;
        let before = visit.asked(&path, file.metadata()).await?;
        if before.is_dir() {
            return Err(visit.refused(format!(
                "`{path}` is a folder: add the name of a file, or a pattern such as offres-*.csv"
            )));
        }
        let mut headers = Vec::new();
        if let Some(size) = before.size {
            headers.push(("content-length".to_owned(), size.to_string()));
        }
        let mut shown = url.clone();
        shown.set_path(&path);
        let (sender, pieces) = mpsc::channel(8);
        let download = Download {
            file,
            before,
            read: 0,
            _sftp: sftp,
            _connection: connection,
        };
        tokio::spawn(transfer::pump(
            download.pieces(),
            sender,
            limits.idle,
            deadline,
        ));
        Ok(Body {
            status: 200,
            headers,
            url: public_url(shown.as_str()),
            reader: BodyReader::from_channel(pieces, "", limits),
        })
    }
}

/// The path that the server is asked for.
fn remote_path(url: &Url) -> String {
    let path = percent_decode_str(url.path()).decode_utf8_lossy();
    match path.strip_prefix("/~/") {
        Some(rest) => rest.to_owned(),
        None => path.into_owned(),
    }
}

/// One call at a server, and how long it may take.
struct Visit<'a> {
    url: &'a Url,
    idle: Duration,
    deadline: Instant,
}

impl Visit<'_> {
    fn broken(&self, why: String) -> FetchError {
        FetchError::Connection {
            url: public_url(self.url.as_str()),
            why,
        }
    }

    fn refused(&self, why: String) -> FetchError {
        FetchError::Refused {
            url: public_url(self.url.as_str()),
            why,
        }
    }

    async fn soon<T>(&self, work: impl Future<Output = T>) -> Result<T, FetchError> {
        let wait = self.deadline.min(Instant::now() + self.idle);
        timeout_at(wait, work)
            .await
            .map_err(|_| FetchError::TimedOut {
                url: public_url(self.url.as_str()),
                after: self.idle,
            })
    }

    async fn subsystem(
        &self,
        connection: &Handle<Doorman>,
        idle: Duration,
    ) -> Result<SftpSession, FetchError> {
        let opened = self.soon(connection.channel_open_session()).await?;
        let channel = opened.map_err(|error| self.broken(error.to_string()))?;
        let asked = self.soon(channel.request_subsystem(true, "sftp")).await?;
        asked.map_err(|error| self.broken(error.to_string()))?;
        let config = Config {
            request_timeout_secs: idle.as_secs().max(1),
            ..Config::default()
        };
        let session = SftpSession::new_with_config(channel.into_stream(), config);
        self.soon(session).await?.map_err(|error| {
            self.refused(format!(
                "the server lets `{}` in and has no SFTP for it: {error}",
                self.url.host_str().unwrap_or_default()
            ))
        })
    }

    /// An answer about `path`.
    async fn asked<T>(
        &self,
        path: &str,
        question: impl Future<Output = Result<T, SftpError>>,
    ) -> Result<T, FetchError> {
        self.soon(question).await?.map_err(|error| match &error {
            SftpError::Status(status) => self.refused(match status.status_code {
                StatusCode::NoSuchFile => format!("there is no `{path}`"),
                StatusCode::PermissionDenied => {
                    format!("the login may not read `{path}`")
                }
                _ => format!("`{path}`: {error}"),
            }),
            _ => self.broken(format!("`{path}`: {error}")),
        })
    }

    /// Of the files that the pattern `path` matches the last by name, or the one written last.
    async fn last_file(
        &self,
        sftp: &SftpSession,
        path: &str,
        last_written: bool,
    ) -> Result<String, FetchError> {
        let (folder, pattern) = path.rsplit_once('/').unwrap_or((".", path));
        let folder = if folder.is_empty() { "/" } else { folder };
        let entries = self.asked(folder, sftp.read_dir(folder)).await?;
        let files = entries
            .filter(|entry| !entry.metadata().is_dir())
            .map(|entry| {
                let written = last_written.then(|| entry.metadata().mtime.unwrap_or(0));
                (written, entry.file_name())
            });
        match last_of(files, pattern) {
            Some(name) => Ok(match path.rsplit_once('/') {
                Some((folder, _)) => format!("{folder}/{name}"),
                None => name,
            }),
            None => Err(self.refused(format!(
                "no file in `{folder}` matches `{pattern}`: the file of the day may not be there yet"
            ))),
        }
    }
}

/// A file on its way, with what it travels over.
struct Download {
    file: File,
    /// What it was when it was opened.
    before: Metadata,
    read: u64,
    _sftp: SftpSession,
    _connection: Handle<Doorman>,
}

impl Download {
    fn pieces(self) -> impl Stream<Item = io::Result<Bytes>> {
        futures::stream::unfold(Some(self), |state| async {
            let mut download = state?;
            let mut buffer = Vec::with_capacity(PIECE);
            match (&mut download.file)
                .take(PIECE as u64)
                .read_buf(&mut buffer)
                .await
            {
                Ok(0) => match download.is_whole().await {
                    Ok(()) => None,
                    Err(why) => {
                        Some((Err(io::Error::new(io::ErrorKind::UnexpectedEof, why)), None))
                    }
                },
                Ok(n) => {
                    download.read += n as u64;
                    Some((Ok(Bytes::from(buffer)), Some(download)))
                }
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    /// A file that somebody still writes must not pass for a whole one.
    async fn is_whole(&self) -> Result<(), String> {
        if let Some(size) = self.before.size
            && size != self.read
        {
            return Err(format!(
                "the file has {size} bytes, {} of them came",
                self.read
            ));
        }
        let now = self.file.metadata().await.map_err(|e| e.to_string())?;
        if (now.size, now.mtime) != (self.before.size, self.before.mtime) {
            return Err("the file was written to while it was read".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
