//! Against a server in this process that can break its word.

use super::*;
use crate::fetch::{FetchSettings, SshLogin};
use russh::keys::{Algorithm, HashAlg, PrivateKey};
use russh::server::{Auth, ChannelOpenHandle, Msg, Session};
use russh::{Channel, ChannelId, MethodKind, MethodSet};
use russh_sftp::protocol::{Attrs, Data, FileAttributes, Handle, Name, OpenFlags, Status};
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;

/// What the server does.
#[derive(Clone, Debug)]
struct Script {
    /// Name, when it was written, content.
    files: Vec<(&'static str, u32, Vec<u8>)>,
    /// Asks for the password as a question instead of taking it.
    asks: bool,
    /// Bytes after which it hangs up.
    hangs_up: Option<u64>,
    /// Bytes after which nothing more comes.
    stalls: Option<u64>,
    /// Says another size when it is asked again.
    grows: bool,
    /// Declares so many bytes more than it has.
    lies: u64,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            files: vec![("offres.csv", 1, b"ref;titre\n1;Infirmier\n".to_vec())],
            asks: false,
            hangs_up: None,
            stalls: None,
            grows: false,
            lies: 0,
        }
    }
}

struct Server {
    address: SocketAddr,
    keys: Vec<PrivateKey>,
}

const PASSWORD: &str = "mot de passe";

async fn serve(script: Script) -> Server {
    let mut random = russh::keys::key::safe_rng();
    let keys: Vec<PrivateKey> = [
        Algorithm::Ed25519,
        Algorithm::Ecdsa {
            curve: russh::keys::EcdsaCurve::NistP256,
        },
    ]
    .into_iter()
    .map(|algorithm| PrivateKey::random(&mut random, algorithm).expect("a key"))
    .collect();
    let config = Arc::new(russh::server::Config {
        keys: keys.clone(),
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        ..russh::server::Config::default()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let guest = Guest {
                script: script.clone(),
                channel: None,
            };
            let config = Arc::clone(&config);
            tokio::spawn(async move {
                if let Ok(session) = russh::server::run_stream(config, stream, guest).await {
                    let _ = session.await;
                }
            });
        }
    });
    Server { address, keys }
}

struct Guest {
    script: Script,
    channel: Option<Channel<Msg>>,
}

impl russh::server::Handler for Guest {
    type Error = russh::Error;

    async fn auth_password(&mut self, _: &str, password: &str) -> Result<Auth, Self::Error> {
        Ok(match (self.script.asks, password) {
            (true, _) => Auth::Reject {
                proceed_with_methods: Some(MethodSet::from(
                    &[MethodKind::KeyboardInteractive] as &[MethodKind]
                )),
                partial_success: false,
            },
            (false, PASSWORD) => Auth::Accept,
            (false, _) => Auth::reject(),
        })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<russh::server::Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        Ok(match response {
            None => Auth::Partial {
                name: "".into(),
                instructions: "".into(),
                prompts: vec![("Mot de passe : ".into(), false)].into(),
            },
            Some(mut answers) => match answers.next() {
                Some(answer) if &*answer == PASSWORD.as_bytes() => Auth::Accept,
                _ => Auth::reject(),
            },
        })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        self.channel = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        _: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(channel) = self.channel.take() else {
            return Ok(());
        };
        session.channel_success(id)?;
        let files = Files {
            script: self.script.clone(),
            listed: false,
            asked: 0,
            connection: session.handle(),
        };
        russh_sftp::server::run(channel.into_stream(), files).await;
        Ok(())
    }
}

struct Files {
    script: Script,
    listed: bool,
    /// Times that the file was asked how large it is.
    asked: u32,
    connection: russh::server::Handle,
}

impl Files {
    fn file(&self, name: &str) -> Result<&(&'static str, u32, Vec<u8>), StatusCode> {
        let found = self
            .script
            .files
            .iter()
            .find(|f| format!("/depot/{}", f.0) == name);
        found.ok_or(StatusCode::NoSuchFile)
    }

    fn attributes(size: u64, mtime: u32) -> FileAttributes {
        let mut attributes = FileAttributes::empty();
        attributes.size = Some(size);
        attributes.mtime = Some(mtime);
        attributes.set_regular(true);
        attributes
    }
}

impl russh_sftp::server::Handler for Files {
    type Error = StatusCode;

    fn unimplemented(&self) -> Self::Error {
        StatusCode::OpUnsupported
    }

    async fn opendir(&mut self, id: u32, path: String) -> Result<Handle, Self::Error> {
        Ok(Handle { id, handle: path })
    }

    async fn readdir(&mut self, id: u32, _: String) -> Result<Name, Self::Error> {
        if std::mem::replace(&mut self.listed, true) {
            return Err(StatusCode::Eof);
        }
        let listed = |(name, mtime, bytes): &(&'static str, u32, Vec<u8>)| {
            let attributes = Self::attributes(bytes.len() as u64, *mtime);
            russh_sftp::protocol::File::new(*name, attributes)
        };
        let mut files: Vec<_> = self.script.files.iter().map(listed).collect();
        let mut folder = FileAttributes::empty();
        folder.set_dir(true);
        folder.permissions = folder.permissions.map(|mode| mode | 0o755);
        files.push(russh_sftp::protocol::File::new("offres-zzz.csv", folder));
        Ok(Name { id, files })
    }

    async fn open(
        &mut self,
        id: u32,
        name: String,
        _: OpenFlags,
        _: FileAttributes,
    ) -> Result<Handle, Self::Error> {
        self.file(&name)?;
        Ok(Handle { id, handle: name })
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Result<Attrs, Self::Error> {
        self.asked += 1;
        let (_, mtime, bytes) = self.file(&handle)?;
        let more = u64::from(self.script.grows && self.asked > 1);
        Ok(Attrs {
            id,
            attrs: Self::attributes(bytes.len() as u64 + self.script.lies + more, *mtime),
        })
    }

    async fn read(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        len: u32,
    ) -> Result<Data, Self::Error> {
        let reached = |limit: Option<u64>| limit.is_some_and(|limit| offset >= limit);
        if reached(self.script.hangs_up) {
            let reason = russh::Disconnect::ByApplication;
            let _ = self
                .connection
                .disconnect(reason, String::new(), String::new())
                .await;
            return Err(StatusCode::ConnectionLost);
        }
        if reached(self.script.stalls) {
            std::future::pending::<()>().await;
        }
        let (_, _, bytes) = self.file(&handle)?;
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(bytes.len());
        let end = bytes.len().min(start + len.min(30_000) as usize);
        if start == end {
            return Err(StatusCode::Eof);
        }
        Ok(Data {
            id,
            data: bytes[start..end].to_vec(),
        })
    }

    async fn close(&mut self, id: u32, _: String) -> Result<Status, Self::Error> {
        Ok(Status {
            id,
            status_code: StatusCode::Ok,
            error_message: String::new(),
            language_tag: String::new(),
        })
    }
}

impl Server {
    fn fingerprint(&self, key: usize) -> String {
        self.keys[key]
            .public_key()
            .fingerprint(HashAlg::Sha256)
            .to_string()
    }

    fn login(&self) -> SshLogin {
        SshLogin {
            user: "ch".to_owned(),
            password: Some(PASSWORD.to_owned()),
            host_keys: vec![self.fingerprint(0)],
            ..SshLogin::default()
        }
    }

    async fn fetch(
        &self,
        path: &str,
        login: SshLogin,
    ) -> Result<(String, io::Result<Vec<u8>>), FetchError> {
        self.fetch_as(path, login, false).await
    }

    async fn fetch_as(
        &self,
        path: &str,
        login: SshLogin,
        last_written: bool,
    ) -> Result<(String, io::Result<Vec<u8>>), FetchError> {
        let fetcher = Fetcher::new(FetchSettings {
            allow_hosts: vec!["127.0.0.1".to_owned()],
            retries: 0,
            ..FetchSettings::default()
        })
        .expect("settings");
        let body = fetcher
            .open(&self.request(path, login, last_written))
            .await?;
        let (url, mut reader) = (body.url, body.reader);
        let bytes = tokio::task::spawn_blocking(move || {
            let mut out = Vec::new();
            reader.read_to_end(&mut out).map(|_| out)
        });
        Ok((url, bytes.await.expect("a reader")))
    }

    fn request(&self, path: &str, login: SshLogin, last_written: bool) -> Request {
        Request {
            ssh: Some(login),
            last_written,
            limits: Some(Limits {
                idle: Duration::from_millis(1500),
                ..Limits::default()
            }),
            ..Request::get(format!("sftp://{}{path}", self.address))
        }
    }
}

#[tokio::test]
async fn a_file_comes_whole() {
    let bytes: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    let server = serve(Script {
        files: vec![("offres.bin", 1, bytes.clone())],
        ..Script::default()
    })
    .await;
    let (url, read) = server
        .fetch("/depot/offres.bin", server.login())
        .await
        .expect("opened");
    assert_eq!(url, format!("sftp://{}/depot/offres.bin", server.address));
    assert!(read.expect("whole") == bytes);
}

#[tokio::test]
async fn the_last_file_of_a_pattern() {
    let file = |name: &'static str, at| (name, at, name.as_bytes().to_vec());
    let server = serve(Script {
        files: vec![
            file("offres-2.csv", 9),
            file("offres-3.csv", 7),
            file("offres-1.csv", 8),
            file("autres-4.csv", 10),
            file("offres-4.csv.part", 11),
        ],
        ..Script::default()
    })
    .await;
    for (last_written, name) in [(false, "offres-3.csv"), (true, "offres-2.csv")] {
        let fetched = server.fetch_as("/depot/offres-*.csv", server.login(), last_written);
        let (url, read) = fetched.await.expect("opened");
        assert!(url.ends_with(name), "{url}");
        assert_eq!(read.expect("whole"), name.as_bytes());
    }
    let none = server.fetch("/depot/rien-*.csv", server.login()).await;
    let why = none.expect_err("no file").to_string();
    assert!(why.contains("matches `rien-*.csv`"), "{why}");
    let none = server.fetch("/depot/rien.csv", server.login()).await;
    let why = none.expect_err("no file").to_string();
    assert!(why.contains("there is no `/depot/rien.csv`"), "{why}");
}

#[tokio::test]
async fn a_stranger_is_told_nothing_and_named() {
    let server = serve(Script::default()).await;
    let unknown = SshLogin {
        host_keys: Vec::new(),
        ..server.login()
    };
    let why = server
        .fetch("/depot/offres.csv", unknown)
        .await
        .expect_err("a stranger");
    assert!(!why.is_transient());
    let paste = format!("host_key = \"{}\"", server.fingerprint(0));
    assert!(why.to_string().contains(&paste), "{why}");

    let other = serve(Script::default()).await;
    let changed = SshLogin {
        host_keys: vec![other.fingerprint(0)],
        ..server.login()
    };
    let why = server
        .fetch("/depot/offres.csv", changed)
        .await
        .expect_err("another");
    assert!(
        why.to_string().contains("another key than the known one"),
        "{why}"
    );
    // Every key that it has is shown.
    assert!(why.to_string().contains(&server.fingerprint(1)), "{why}");
}

#[tokio::test]
async fn any_of_a_servers_keys_may_be_the_known_one() {
    let server = serve(Script::default()).await;
    let public = server.keys[1].public_key().to_openssh().expect("a line");
    for host_key in [server.fingerprint(1), public] {
        let login = SshLogin {
            host_keys: vec![host_key],
            ..server.login()
        };
        let (_, read) = server
            .fetch("/depot/offres.csv", login)
            .await
            .expect("opened");
        assert!(read.is_ok());
    }
}

#[tokio::test]
async fn a_password_is_given_in_both_ways() {
    let server = serve(Script {
        asks: true,
        ..Script::default()
    })
    .await;
    let (_, read) = server
        .fetch("/depot/offres.csv", server.login())
        .await
        .expect("opened");
    assert!(read.is_ok());
    for asks in [false, true] {
        let server = serve(Script {
            asks,
            ..Script::default()
        })
        .await;
        let wrong = SshLogin {
            password: Some("faux".to_owned()),
            ..server.login()
        };
        let why = server
            .fetch("/depot/offres.csv", wrong)
            .await
            .expect_err("refused");
        assert!(!why.is_transient());
        let why = why.to_string();
        assert!(
            why.contains("refuses the login of `ch`") && !why.contains("faux"),
            "{why}"
        );
    }
}

#[tokio::test]
async fn what_breaks_off_is_never_whole() {
    let bytes = vec![b'x'; 400_000];
    let files = vec![("offres.csv", 1, bytes)];
    for (what, script) in [
        (
            "hangs up",
            Script {
                hangs_up: Some(100_000),
                ..Script::default()
            },
        ),
        (
            "stalls",
            Script {
                stalls: Some(100_000),
                ..Script::default()
            },
        ),
        (
            "is still written",
            Script {
                grows: true,
                ..Script::default()
            },
        ),
        (
            "is shorter than declared",
            Script {
                lies: 5,
                ..Script::default()
            },
        ),
    ] {
        let server = serve(Script {
            files: files.clone(),
            ..script
        })
        .await;
        let fetched = server.fetch("/depot/offres.csv", server.login()).await;
        let (_, read) = fetched.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(read.is_err(), "{what}");
    }
}

#[tokio::test]
async fn no_private_address_without_leave() {
    let server = serve(Script::default()).await;
    let fetcher = Fetcher::new(FetchSettings::default()).expect("settings");
    for host in [
        server.address.to_string(),
        format!("localhost:{}", server.address.port()),
    ] {
        let request = Request {
            url: format!("sftp://{host}/depot/offres.csv"),
            ..server.request("", server.login(), false)
        };
        let error = fetcher.open(&request).await.expect_err("private");
        assert!(matches!(error, FetchError::Private { .. }), "{error}");
    }
}
