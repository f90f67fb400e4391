//! A session with an SSH server that is known by its key.

use crate::fetch::SshLogin;
use russh::client::{self, AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::keys::{
    Algorithm, HashAlg, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate, decode_secret_key,
};
use russh::{MethodKind, Preferred};
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Why there is no session.
#[derive(Debug)]
pub(super) enum Refusal {
    /// Trying again may help.
    Transport(String),
    /// It will not: the key of the server, or the login.
    Final(String),
}

/// Rounds of questions that a server may ask instead of taking the password.
const ROUNDS: usize = 5;

/// Connects to the first of `addresses` that answers and logs in. Nothing is sent before the server
/// has proved one of the keys of `login`.
pub(super) async fn connect(
    addresses: &[SocketAddr],
    login: &SshLogin,
    patience: Duration,
) -> Result<Handle<Doorman>, Refusal> {
    let mut algorithms: Vec<Algorithm> = Preferred::DEFAULT.key.to_vec();
    let mut shown: Vec<PublicKey> = Vec::new();
    // A server has keys of several kinds and shows the one that is asked for first: the pinned one
    // may be another.
    while !algorithms.is_empty() {
        let stream = reach(addresses, patience).await?;
        let seen = Arc::new(Mutex::new(None));
        let doorman = Doorman {
            trusted: login.host_keys.clone(),
            seen: Arc::clone(&seen),
        };
        let config = Arc::new(client::Config {
            preferred: Preferred {
                key: Cow::Owned(algorithms.clone()),
                ..Preferred::default()
            },
            nodelay: true,
            ..client::Config::default()
        });
        match client::connect_stream(config, stream, doorman).await {
            Ok(mut session) => {
                log_in(&mut session, login).await?;
                return Ok(session);
            }
            Err(russh::Error::UnknownKey) => {
                let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
                let Some(key) = seen else { break };
                algorithms.retain(|algorithm| !same_kind(algorithm, &key.algorithm()));
                shown.push(key);
            }
            Err(russh::Error::NoCommonAlgo { .. }) if !shown.is_empty() => break,
            Err(russh::Error::NoCommonAlgo { kind, theirs, .. }) => {
                return Err(Refusal::Final(format!(
                    "the server speaks no {kind:?} that is still thought safe (it offers {}): ask \
                     the service for a newer one",
                    theirs.join(", ")
                )));
            }
            Err(error) => return Err(Refusal::Transport(error.to_string())),
        }
    }
    Err(Refusal::Final(stranger(&shown, login)))
}

async fn reach(addresses: &[SocketAddr], patience: Duration) -> Result<TcpStream, Refusal> {
    let mut why = "the name has no address".to_owned();
    for address in addresses {
        match timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small questions and answers: waiting to fill a packet only costs time.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => why = error.to_string(),
            Err(_) => why = format!("no connection within {} s", patience.as_secs()),
        }
    }
    Err(Refusal::Transport(why))
}

fn same_kind(one: &Algorithm, other: &Algorithm) -> bool {
    match (one, other) {
        (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
        _ => one == other,
    }
}

/// What a server that is not known shows, fit to be pasted.
fn stranger(shown: &[PublicKey], login: &SshLogin) -> String {
    let keys: Vec<String> = shown
        .iter()
        .map(|key| format!("{} ({})", fingerprint(key), key.algorithm()))
        .collect();
    let keys = keys.join(", ");
    let first = shown.first().map(fingerprint).unwrap_or_default();
    if login.host_keys.is_empty() {
        format!(
            "the server is not known yet, so nothing was sent: it shows {keys}. Compare that with \
             what the service says of itself, then write host_key = \"{first}\" under [source.auth]"
        )
    } else {
        format!(
            "the server shows another key than the known one, so nothing was sent: {keys}. Ask the \
             service whether it changed its key; if it did, write host_key = \"{first}\" under \
             [source.auth]"
        )
    }
}

fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Whether `text` is a fingerprint, or a public key in a line, as [`SshLogin::host_keys`] wants.
pub fn is_host_key(text: &str) -> bool {
    text.trim()
        .parse::<russh::keys::ssh_key::Fingerprint>()
        .is_ok()
        || PublicKey::from_openssh(text.trim()).is_ok()
}

/// Lets in servers whose key is known.
pub(super) struct Doorman {
    trusted: Vec<String>,
    seen: Arc<Mutex<Option<PublicKey>>>,
}

impl client::Handler for Doorman {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let key = shown.public_key();
        let print = fingerprint(&key);
        let known = self.trusted.iter().any(|text| {
            let text = text.trim();
            text == print || PublicKey::from_openssh(text).is_ok_and(|k| fingerprint(&k) == print)
        });
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
        Ok(known)
    }
}

async fn log_in(session: &mut Handle<Doorman>, login: &SshLogin) -> Result<(), Refusal> {
    let lost = |error: russh::Error| Refusal::Transport(error.to_string());
    let user = login.user.as_str();
    let mut left = Vec::new();
    if let Some(text) = &login.key {
        let key = decode_secret_key(text, login.passphrase.as_deref()).map_err(|error| {
            Refusal::Final(format!(
                "the private key of [source.auth] cannot be read ({error}): expected a key of \
                 OpenSSH, PKCS#8 or PuTTY, and its `passphrase` if it has one"
            ))
        })?;
        let hash = match key.algorithm() {
            Algorithm::Rsa { .. } => session.best_supported_rsa_hash().await.map_err(lost)?,
            _ => None,
        };
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash.unwrap_or(Some(HashAlg::Sha256)));
        match session
            .authenticate_publickey(user, key)
            .await
            .map_err(lost)?
        {
            AuthResult::Success => return Ok(()),
            AuthResult::Failure {
                remaining_methods, ..
            } => left = remaining_methods.iter().copied().collect(),
        }
    }
    if let Some(password) = &login.password {
        match session
            .authenticate_password(user, password)
            .await
            .map_err(lost)?
        {
            AuthResult::Success => return Ok(()),
            AuthResult::Failure {
                remaining_methods, ..
            } => left = remaining_methods.iter().copied().collect(),
        }
        if left.contains(&MethodKind::KeyboardInteractive)
            && answers(session, user, password).await.map_err(lost)?
        {
            return Ok(());
        }
    }
    let methods: Vec<String> = left.iter().map(|m| <&str>::from(m).to_owned()).collect();
    Err(Refusal::Final(format!(
        "the server refuses the login of `{user}`{}: see `user`, `password` and `key` of \
         [source.auth]",
        match methods.is_empty() {
            true => String::new(),
            false => format!(" (it would still take: {})", methods.join(", ")),
        }
    )))
}

/// Servers that ask for the password as a question among others.
async fn answers(
    session: &mut Handle<Doorman>,
    user: &str,
    password: &str,
) -> Result<bool, russh::Error> {
    let mut asked = session
        .authenticate_keyboard_interactive_start(user, None)
        .await?;
    for _ in 0..ROUNDS {
        match asked {
            KeyboardInteractiveAuthResponse::Success => return Ok(true),
            KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                let answers = vec![password.to_owned(); prompts.len()];
                asked = session
                    .authenticate_keyboard_interactive_respond(answers)
                    .await?;
            }
        }
    }
    Ok(false)
}
