//! How the source knows us.

use super::Secrets;
use crate::fetch::{Fetcher, Method, Request, SshLogin};
use crate::pull::connector::Text;
use crate::pull::connector::file::{Auth, Credentials};
use crate::pull::mapping::Path;
use base64::Engine as _;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Largest answer of a token server.
const TOKEN_BYTES: u64 = 64 * 1024;

/// The credentials of a session, with the token that is in use.
pub struct Credential {
    auth: Auth,
    token: Option<(String, Instant)>,
}

/// What authentication adds to a request.
#[derive(Default)]
pub struct Added {
    pub headers: Vec<(String, String)>,
    pub query: Vec<(String, String)>,
}

impl Credential {
    pub fn new(auth: Auth) -> Self {
        Self { auth, token: None }
    }

    /// The texts that may hold secrets.
    pub fn texts(&self) -> Vec<&Text> {
        match &self.auth {
            Auth::None => Vec::new(),
            Auth::Header { value, .. } | Auth::Query { value, .. } => vec![value],
            Auth::Basic { user, password } => vec![user, password],
            Auth::Bearer { token } => vec![token],
            Auth::Oauth2 {
                client_id,
                client_secret,
                params,
                ..
            } => [client_id, client_secret]
                .into_iter()
                .chain(params.values())
                .collect(),
            Auth::Ssh {
                user,
                password,
                key,
                passphrase,
                ..
            } => std::iter::once(user)
                .chain([password, key, passphrase].into_iter().flatten())
                .collect(),
        }
    }

    /// The login at an SSH server.
    ///
    /// # Errors
    /// A secret is missing.
    pub fn ssh(&self, secrets: &Secrets) -> Result<Option<SshLogin>, String> {
        let Auth::Ssh {
            user,
            password,
            key,
            passphrase,
            host_key,
        } = &self.auth
        else {
            return Ok(None);
        };
        let text = |text: &Text| text.resolve(secrets).map_err(|error| error.to_string());
        let maybe = |some: &Option<Text>| some.as_ref().map(text).transpose();
        Ok(Some(SshLogin {
            user: text(user)?,
            password: maybe(password)?,
            key: maybe(key)?,
            passphrase: maybe(passphrase)?,
            host_keys: host_key
                .iter()
                .flat_map(|keys| keys.as_slice())
                .cloned()
                .collect(),
        }))
    }

    /// Forgets the token: the service refused it.
    pub fn forget(&mut self) -> bool {
        self.token.take().is_some()
    }

    /// What to add to the next request. A token that is about to expire is renewed first.
    ///
    /// # Errors
    /// A secret is missing, or the token server refuses.
    pub async fn add(
        &mut self,
        fetcher: &Fetcher,
        secrets: &Secrets,
        requests: &mut u64,
    ) -> Result<Added, String> {
        let text = |text: &Text| text.resolve(secrets).map_err(|error| error.to_string());
        let mut added = Added::default();
        match &self.auth {
            // An SSH server is no place for headers.
            Auth::None | Auth::Ssh { .. } => {}
            Auth::Header { name, value } => added.headers.push((name.clone(), text(value)?)),
            Auth::Query { name, value } => added.query.push((name.clone(), text(value)?)),
            Auth::Basic { user, password } => {
                let pair = format!("{}:{}", text(user)?, text(password)?);
                added.headers.push(basic(&pair));
            }
            Auth::Bearer { token } => added.headers.push((
                "authorization".to_owned(),
                format!("Bearer {}", text(token)?),
            )),
            Auth::Oauth2 { .. } => {
                let valid = self
                    .token
                    .as_ref()
                    .filter(|(_, until)| *until > Instant::now());
                let token = match valid {
                    Some((token, _)) => token.clone(),
                    None => {
                        let (token, until) = self.fetch_token(fetcher, secrets, requests).await?;
                        self.token = Some((token.clone(), until));
                        token
                    }
                };
                added
                    .headers
                    .push(("authorization".to_owned(), format!("Bearer {token}")));
            }
        }
        Ok(added)
    }

    async fn fetch_token(
        &self,
        fetcher: &Fetcher,
        secrets: &Secrets,
        requests: &mut u64,
    ) -> Result<(String, Instant), String> {
        let Auth::Oauth2 {
            token_url,
            client_id,
            client_secret,
            scope,
            params,
            credentials,
            token_path,
        } = &self.auth
        else {
            return Err("no token is needed".to_owned());
        };
        let text = |text: &Text| text.resolve(secrets).map_err(|error| error.to_string());
        let (id, secret) = (text(client_id)?, text(client_secret)?);
        let mut form: BTreeMap<&str, String> = BTreeMap::new();
        form.insert("grant_type", "client_credentials".to_owned());
        let mut headers = vec![
            (
                "content-type".to_owned(),
                "application/x-www-form-urlencoded".to_owned(),
            ),
            ("accept".to_owned(), "application/json".to_owned()),
        ];
        match credentials {
            Credentials::Body => {
                form.insert("client_id", id);
                form.insert("client_secret", secret);
            }
            Credentials::Header => headers.push(basic(&format!("{id}:{secret}"))),
        }
        if let Some(scope) = scope {
            form.insert("scope", scope.clone());
        }
        for (name, value) in params {
            form.insert(name, text(value)?);
        }
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&form)
            .finish();
        let request = Request {
            method: Method::Post,
            url: text(token_url)?,
            headers,
            body: Some(body.into_bytes()),
            ..Request::default()
        };
        *requests += 1;
        let asked = Instant::now();
        let answer = fetcher
            .open(&request)
            .await
            .map_err(|error| format!("no token: {}", error.chain()))?;
        let url = answer.url.clone();
        let bytes = answer
            .bytes(TOKEN_BYTES)
            .await
            .map_err(|error| format!("no token: {}", error.chain()))?;
        let answer: serde_json::Value = serde_json::from_slice(&bytes)
            .map_err(|_| format!("no token: {url} did not answer JSON"))?;
        let token = token_path
            .parse::<Path>()
            .ok()
            .and_then(|path| path.text(&answer))
            .ok_or_else(|| {
                format!("no token: the answer of {url} has nothing at `{token_path}`")
            })?;
        let seconds = answer
            .get("expires_in")
            .and_then(|v| v.as_u64().or_else(|| v.as_str()?.parse().ok()))
            .unwrap_or(300);
        // Renewed a minute early, or at half of a short life.
        let life = Duration::from_secs(seconds.saturating_sub(60).max(seconds / 2));
        Ok((token, asked + life))
    }
}

fn basic(pair: &str) -> (String, String) {
    let coded = base64::engine::general_purpose::STANDARD.encode(pair);
    ("authorization".to_owned(), format!("Basic {coded}"))
}
