//! `[alerts]`: told once when something needs a person, and once when it is over.
//!
//! What was told is kept in the store, so that a restart repeats nothing; it is noted after the
//! telling, so that a crash between the two tells twice rather than never.

use crate::model::{Clock, ConnectorName};
use crate::settings::Secret;
use crate::store::DynStore;
use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;

/// How long a webhook or command may take.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Hold,
    SourceFailed,
    Parked,
}

/// One incident, as it stands now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    pub kind: Kind,
    /// Connector or stage.
    pub subject: String,
    /// One sentence for the operator.
    pub message: String,
    /// The command that looks into it.
    pub remedy: String,
}

/// What is sent: an incident, and whether it begins or ends.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Alert<'a> {
    pub status: Status,
    #[serde(flatten)]
    pub incident: &'a Incident,
    pub at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Raised,
    Resolved,
}

/// Incidents by identity: a hold that a later one replaces is the same incident.
pub type Incidents = BTreeMap<String, Incident>;

/// What to tell: what began since, then what is over, each with its key.
fn differences<'a>(
    told: &'a Incidents,
    now: &'a Incidents,
    at: Timestamp,
) -> Vec<(&'a str, Alert<'a>)> {
    let raised = now
        .iter()
        .filter(|(key, _)| !told.contains_key(*key))
        .map(|(key, incident)| (key, Status::Raised, incident));
    let resolved = told
        .iter()
        .filter(|(key, _)| !now.contains_key(*key))
        .map(|(key, incident)| (key, Status::Resolved, incident));
    raised
        .chain(resolved)
        .map(|(key, status, incident)| {
            let alert = Alert {
                status,
                incident,
                at,
            };
            (key.as_str(), alert)
        })
        .collect()
}

/// Everything that needs a person now.
async fn incidents(store: &DynStore, connectors: &[ConnectorName]) -> anyhow::Result<Incidents> {
    let mut found = Incidents::new();
    for hold in store.holds(true).await? {
        found.insert(
            format!("hold:{}", hold.connector),
            Incident {
                kind: Kind::Hold,
                subject: hold.connector.to_string(),
                message: hold.doubt.why,
                remedy: format!("passerelle holds show {}", hold.id),
            },
        );
    }
    for (file, hold) in crate::publish::export_holds(store, true).await? {
        found.insert(
            format!("export:{file}"),
            Incident {
                kind: Kind::Hold,
                message: hold.why(),
                remedy: format!("passerelle holds show {file}"),
                subject: file,
            },
        );
    }
    for connector in connectors {
        if let Some(error) = store.connector_state(connector).await?.error {
            found.insert(
                format!("source:{connector}"),
                Incident {
                    kind: Kind::SourceFailed,
                    subject: connector.to_string(),
                    message: error,
                    remedy: format!("passerelle connectors check {connector}"),
                },
            );
        }
    }
    for message in store.parked().await? {
        found.insert(
            format!("parked:{}", message.id),
            Incident {
                kind: Kind::Parked,
                subject: message.stage.name().to_owned(),
                message: message.error,
                remedy: format!("passerelle parked show {}", message.id),
            },
        );
    }
    Ok(found)
}

/// Where alerts go; each channel is told on its own, so that one that fails repeats nothing at the
/// other.
#[derive(Clone, Debug)]
enum Channel {
    Log,
    Webhook(String, reqwest::Client),
    Command(String),
}

impl Channel {
    /// Where what it was told is kept.
    fn key(&self) -> &'static str {
        match self {
            Self::Log => "alerts.told.log",
            Self::Webhook(..) => "alerts.told.webhook",
            Self::Command(_) => "alerts.told.command",
        }
    }

    async fn tell(&self, alert: &Alert<'_>) -> anyhow::Result<()> {
        let incident = alert.incident;
        match self {
            Self::Log => match alert.status {
                Status::Raised => tracing::warn!(
                    subject = incident.subject,
                    remedy = incident.remedy,
                    "{}",
                    incident.message
                ),
                Status::Resolved => {
                    tracing::info!(subject = incident.subject, "over: {}", incident.message);
                }
            },
            Self::Webhook(url, client) => post(client, url, serde_json::to_vec(alert)?).await?,
            Self::Command(command) => run(command, &serde_json::to_vec(alert)?).await?,
        }
        Ok(())
    }
}

/// The channels of this hub.
#[derive(Clone, Debug)]
pub struct Alerts(Vec<Channel>);

impl Alerts {
    /// # Errors
    /// A secret that cannot be read, or no TLS.
    pub fn new(webhook: Option<&Secret>, command: Option<&str>) -> anyhow::Result<Self> {
        let mut channels = vec![Channel::Log];
        if let Some(url) = webhook {
            let client = reqwest::Client::builder()
                .timeout(PATIENCE)
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .context("the alerts' HTTP client cannot start")?;
            channels.push(Channel::Webhook(url.resolve()?, client));
        }
        channels.extend(command.map(|command| Channel::Command(command.to_owned())));
        Ok(Self(channels))
    }

    /// One look: tells every channel what changed since its last, and remembers it. One process of the
    /// hub does so at a time: the others leave it to that one.
    ///
    /// # Errors
    /// The store cannot be read, or a channel could not be told; the next look tries again.
    pub async fn look(
        &self,
        store: &DynStore,
        connectors: &[ConnectorName],
        clock: &Clock,
    ) -> anyhow::Result<()> {
        // No connector may have this name: names have no slash.
        let right = store
            .lock_connector(&ConnectorName::from("/alerts"))
            .await?;
        let Some(_right) = right else {
            return Ok(());
        };
        let now = incidents(store, connectors).await?;
        let mut failed = None;
        for channel in &self.0 {
            if let Err(error) = catch_up(channel, store, &now, clock.now()).await {
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Tells `channel` one difference after the other, and notes each once it is told.
async fn catch_up(
    channel: &Channel,
    store: &DynStore,
    now: &Incidents,
    at: Timestamp,
) -> anyhow::Result<()> {
    let mut told: Incidents = match store.meta(channel.key()).await? {
        Some(text) => serde_json::from_str(&text).unwrap_or_default(),
        None => Incidents::new(),
    };
    let before = told.clone();
    let mut outcome = Ok(());
    for (key, alert) in differences(&before, now, at) {
        outcome = channel.tell(&alert).await;
        if outcome.is_err() {
            break;
        }
        match alert.status {
            Status::Raised => told.insert(key.to_owned(), alert.incident.clone()),
            Status::Resolved => told.remove(key),
        };
    }
    if told != before {
        store
            .set_meta(channel.key(), &serde_json::to_string(&told)?)
            .await?;
    }
    outcome
}

async fn post(client: &reqwest::Client, url: &str, body: Vec<u8>) -> anyhow::Result<()> {
    let response = client
        .post(url)
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        // The address may carry a token.
        .map_err(reqwest::Error::without_url)
        .context("alerts.webhook cannot be reached")?;
    if !response.status().is_success() {
        bail!("alerts.webhook answered {}", response.status());
    }
    Ok(())
}

/// Runs `command` with `body` on its standard input.
async fn run(command: &str, body: &[u8]) -> anyhow::Result<()> {
    let mut child = tokio::process::Command::new("sh")
        .arg("-c")
        .arg(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .context("alerts.command cannot start")?;
    if let Some(mut input) = child.stdin.take() {
        // A command that does not read its input is none the worse.
        drop(input.write_all(body).await);
    }
    let status = tokio::time::timeout(PATIENCE, child.wait())
        .await
        .context("alerts.command took longer than 15 s")??;
    if !status.success() {
        bail!("alerts.command ended with {status}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MessageId, Stage};
    use crate::store::{Parked, SqliteStore};

    fn incident(subject: &str) -> Incident {
        Incident {
            kind: Kind::Hold,
            subject: subject.into(),
            message: "40 of 50 offers are missing".into(),
            remedy: "passerelle holds show 1".into(),
        }
    }

    #[test]
    fn each_incident_is_told_when_it_begins_and_when_it_ends() {
        let at: Timestamp = "2026-11-02T08:00:00Z".parse().unwrap();
        let one = Incidents::from([("hold:a".into(), incident("a"))]);
        let other = Incidents::from([("hold:b".into(), incident("b"))]);
        assert!(differences(&one, &one, at).is_empty());
        let told: Vec<_> = differences(&one, &other, at)
            .iter()
            .map(|(_, alert)| (alert.status, alert.incident.subject.clone()))
            .collect();
        assert_eq!(
            told,
            [
                (Status::Raised, "b".to_owned()),
                (Status::Resolved, "a".to_owned())
            ]
        );
    }

    #[tokio::test]
    async fn two_processes_tell_an_incident_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("told.json");
        let command = format!("cat >> '{0}'; echo >> '{0}'", file.display());
        let store: DynStore = std::sync::Arc::new(SqliteStore::temporary().unwrap());
        let at: Timestamp = "2026-11-02T08:00:00Z".parse().unwrap();
        let parked = Parked {
            id: MessageId(uuid::Uuid::now_v7()),
            stage: Stage::Normalise,
            body: Vec::new(),
            error: "no event".into(),
            attempts: 0,
            at,
        };
        store.park(parked).await.unwrap();
        let (alerts, clock) = (Alerts::new(None, Some(&command)).unwrap(), Clock::fixed(at));
        let looks = [(); 2].map(|()| alerts.look(&store, &[], &clock));
        for look in futures::future::join_all(looks).await {
            look.unwrap();
        }
        let told = std::fs::read_to_string(&file).unwrap();
        assert_eq!(told.lines().count(), 1, "{told}");
        alerts.look(&store, &[], &clock).await.unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), told);
    }

    #[tokio::test]
    async fn a_command_receives_the_alert_on_its_standard_input() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("alert.json");
        run(&format!("cat > '{}'", file.display()), b"{\"a\":1}")
            .await
            .unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), "{\"a\":1}");
        assert!(run("exit 4", b"").await.is_err());
    }
}
