//! Hints between processes: `NOTIFY` says that something was written, `LISTEN` hears it at once.
//!
//! **Invariant:** nothing rests on a hint. It may be lost with its connection, or come for nothing;
//! whoever waits for one looks at the tables by himself after a while.
//!
//! Only rare commits notify, and those that hold the hub-wide lock anyway: the server lets commits
//! that notify pass one at a time.

use super::tls::Tls;
use crate::store::{Hint, Hints};
use deadpool_postgres::GenericClient;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;
use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, Config};

/// Wait before a lost connection is opened again.
const PAUSE: Duration = Duration::from_secs(5);

/// The channel of this schema's hub; a channel is the whole database's.
const CHANNEL: &str = "'passerelle ' || current_schema()";

type Senders = HashMap<Hint, watch::Sender<u64>>;

/// The ears of one process, opened when somebody first wants to hear.
pub(super) struct Listener {
    config: Config,
    tls: Tls,
    heard: OnceLock<HashMap<Hint, watch::Receiver<u64>>>,
}

/// Says, with the transaction that is under way, that `what` was written.
pub(super) async fn say(c: &impl GenericClient, what: Hint) -> super::failure::Result<()> {
    let order = format!("SELECT pg_notify({CHANNEL}, $1)");
    c.execute(order.as_str(), &[&what.name()]).await?;
    Ok(())
}

impl Listener {
    pub fn new(config: Config, tls: Tls) -> Self {
        Self {
            config,
            tls,
            heard: OnceLock::new(),
        }
    }

    pub fn hints(&self, of: Hint) -> Hints {
        let heard = self.heard.get_or_init(|| {
            let senders: Senders = Hint::ALL
                .into_iter()
                .map(|hint| (hint, watch::channel(0).0))
                .collect();
            let heard = senders.iter().map(|(h, s)| (*h, s.subscribe())).collect();
            tokio::spawn(listen(self.config.clone(), self.tls.clone(), senders));
            heard
        });
        heard
            .get(&of)
            .cloned()
            .map_or_else(Hints::none, Hints::from)
    }
}

/// Listens until nobody wants to hear any more.
async fn listen(config: Config, tls: Tls, senders: Senders) {
    loop {
        let ended = tokio::select! {
            ended = session(&config, &tls, &senders) => ended,
            () = unwanted(&senders) => return,
        };
        tracing::debug!(
            ?ended,
            "hints come late for a while: the connection that hears them ended"
        );
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = unwanted(&senders) => return,
        }
    }
}

async fn unwanted(senders: &Senders) {
    for sender in senders.values() {
        sender.closed().await;
    }
}

async fn session(
    config: &Config,
    tls: &Tls,
    senders: &Senders,
) -> Result<(), tokio_postgres::Error> {
    let (client, mut connection) = config.connect(tls.clone()).await?;
    let (send, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let driver = tokio::spawn(async move {
        loop {
            match std::future::poll_fn(|cx| connection.poll_message(cx)).await {
                Some(Ok(AsyncMessage::Notification(said))) => {
                    if send.send(said.payload().to_owned()).is_err() {
                        return Ok(());
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            }
        }
    });
    let driver = tokio_util::task::AbortOnDropHandle::new(driver);
    // The name must stand in the order: no parameter can.
    let naming = format!("SELECT quote_ident({CHANNEL})");
    let channel: String = client.query_one(&naming, &[]).await?.try_get(0)?;
    client.batch_execute(&format!("LISTEN {channel}")).await?;
    // What was said while nobody listened.
    senders.values().for_each(bump);
    while let Some(payload) = heard.recv().await {
        let hint = Hint::ALL.into_iter().find(|hint| hint.name() == payload);
        hint.and_then(|hint| senders.get(&hint))
            .into_iter()
            .for_each(bump);
    }
    driver.await.unwrap_or(Ok(()))
}

fn bump(sender: &watch::Sender<u64>) {
    sender.send_modify(|count| *count += 1);
}
