//! The trail of mandates: whose offers could go where, from when to when, as the member files said.
//!
//! Files are edited by hand and leave no trace of their own; what the hub saw of them is noted here,
//! with the instant at which it took effect. The files alone decide, never this trail.

use crate::model::{Channel, Mandate, MemberId, Network};
use crate::store::{Store, StoreError};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the files said when they were last looked at.
const KNOWN: &str = "mandates.known";
/// One note a change: `mandates.log/NUMBER/INSTANT/MEMBER/CHANNEL`. The number keeps apart, and in
/// order, what one instant saw.
const LOG: &str = "mandates.log/";

/// One mandate that was given, changed or taken back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MandateChange {
    /// When the hub read it, which is when it took effect.
    pub at: Timestamp,
    pub member: MemberId,
    pub channel: Channel,
    /// `None` where the member was new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Mandate>,
    /// `None` where the member left the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Mandate>,
}

type Known = BTreeMap<MemberId, BTreeMap<Channel, Mandate>>;

/// Notes whatever `network` says otherwise than before, and gives it. With `torn`, some file could
/// not be read: who is missing then has not left.
///
/// # Errors
/// The store's.
pub async fn record(
    store: &dyn Store,
    network: &Network,
    torn: bool,
    now: Timestamp,
) -> Result<Vec<MandateChange>, StoreError> {
    let before: Known = match store.meta(KNOWN).await? {
        Some(text) => serde_json::from_str(&text).unwrap_or_default(),
        None => Known::new(),
    };
    let mut after: Known = network
        .members
        .iter()
        .map(|(id, member)| (id.clone(), said(member)))
        .collect();
    if torn {
        for (id, mandates) in &before {
            after.entry(id.clone()).or_insert_with(|| mandates.clone());
        }
    }
    let changes = difference(&before, &after, now);
    if changes.is_empty() {
        return Ok(changes);
    }
    let told = store.notes(LOG).await?.len();
    let mut notes: Vec<(String, Option<String>)> = changes
        .iter()
        .enumerate()
        .map(|(number, change)| {
            let number = told + number;
            let (at, member, channel) = (change.at, &change.member, &change.channel.0);
            let key = format!("{LOG}{number:08}/{at}/{member}/{channel}");
            (key, serde_json::to_string(change).ok())
        })
        .collect();
    notes.push((KNOWN.into(), serde_json::to_string(&after).ok()));
    store.write_notes(notes).await?;
    Ok(changes)
}

/// The changes of the trail, oldest first. Two processes that saw one edit noted it twice: the
/// second says nothing new and is left out.
///
/// # Errors
/// The store's.
pub async fn trail(store: &dyn Store) -> Result<Vec<MandateChange>, StoreError> {
    let notes = store.notes(LOG).await?;
    let mut changes: Vec<MandateChange> = notes
        .into_iter()
        .filter_map(|(_, text)| serde_json::from_str(&text).ok())
        .collect();
    let mut last: BTreeMap<(MemberId, Channel), Option<Mandate>> = BTreeMap::new();
    changes.retain(|change| {
        let key = (change.member.clone(), change.channel.clone());
        last.insert(key, change.to) != Some(change.to)
    });
    Ok(changes)
}

/// Every channel of a member's file; the portal always, since its default is not silence.
fn said(member: &crate::model::Member) -> BTreeMap<Channel, Mandate> {
    let portal = Channel("portal".into());
    let mut mandates = member.mandates.clone();
    mandates
        .entry(portal)
        .or_insert_with(|| member.mandate("portal"));
    mandates
}

fn difference(before: &Known, after: &Known, at: Timestamp) -> Vec<MandateChange> {
    let members: BTreeSet<&MemberId> = before.keys().chain(after.keys()).collect();
    let mut changes = Vec::new();
    for member in members {
        let (old, new) = (before.get(member), after.get(member));
        let channels: BTreeSet<&Channel> = old
            .into_iter()
            .chain(new)
            .flat_map(BTreeMap::keys)
            .collect();
        for channel in channels {
            // A channel that a file does not name is one that it does not allow.
            let of = |known: Option<&BTreeMap<Channel, Mandate>>| {
                known.map(|k| k.get(channel).copied().unwrap_or(Mandate::Never))
            };
            let (from, to) = (of(old), of(new));
            if from != to {
                changes.push(MandateChange {
                    at,
                    member: member.clone(),
                    channel: channel.clone(),
                    from,
                    to,
                });
            }
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Member;
    use crate::store::SqliteStore;

    fn network(files: &[&str]) -> Network {
        let members = files
            .iter()
            .map(|text| toml::from_str::<Member>(text).unwrap());
        Network {
            members: members.map(|m| (m.member_id(), m)).collect(),
            ..Network::default()
        }
    }

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + hour * 3600).unwrap()
    }

    /// "hour member channel from → to"
    fn told(changes: &[MandateChange]) -> Vec<String> {
        let word = |mandate: &Option<Mandate>| match mandate {
            None => "–".to_owned(),
            Some(mandate) => serde_json::to_string(mandate).unwrap(),
        };
        changes
            .iter()
            .map(|c| {
                format!(
                    "{} {} {} → {}",
                    c.member,
                    c.channel.0,
                    word(&c.from),
                    word(&c.to)
                )
            })
            .collect()
    }

    #[tokio::test]
    async fn every_edit_leaves_a_trace() {
        let store = SqliteStore::temporary().unwrap();
        let a = "id = \"a\"\nname = \"A\"\n";
        let steps = [
            (network(&[a]), false, vec!["a portal – → true"]),
            (network(&[a]), false, vec![]),
            (
                network(&[
                    &format!("{a}[mandates]\nlinkedin = true"),
                    "id = \"b\"\nname = \"B\"\n[mandates]\nportal = false",
                ]),
                false,
                vec!["a linkedin false → true", "b portal – → false"],
            ),
            (
                network(&[&format!("{a}[mandates]\nlinkedin = \"until 2027-06-30\"")]),
                true,
                vec!["a linkedin true → \"until 2027-06-30\""],
            ),
            (
                network(&[a]),
                false,
                vec![
                    "a linkedin \"until 2027-06-30\" → false",
                    "b portal false → –",
                ],
            ),
        ];
        let mut all = Vec::new();
        for (hour, (network, torn, expected)) in steps.into_iter().enumerate() {
            // Two edits within one instant are two.
            let now = at(hour as i64 / 2);
            let changes = record(&store, &network, torn, now).await.unwrap();
            assert_eq!(told(&changes), expected, "step {hour}");
            assert!(changes.iter().all(|change| change.at == now));
            all.extend(changes);
        }
        assert_eq!(trail(&store).await.unwrap(), all);
    }

    /// Two processes of a hub that read the same edit a moment apart.
    #[tokio::test]
    async fn one_edit_seen_twice_is_told_once() {
        let store = SqliteStore::temporary().unwrap();
        let given = network(&["id = \"a\"\nname = \"A\"\n[mandates]\nlinkedin = true"]);
        let before = store.meta(KNOWN).await.unwrap();
        record(&store, &given, false, at(0)).await.unwrap();
        store
            .write_notes(vec![(KNOWN.into(), before)])
            .await
            .unwrap();
        record(&store, &given, false, at(1)).await.unwrap();
        let trail = trail(&store).await.unwrap();
        assert_eq!(trail.len(), 2);
        assert!(trail.iter().all(|change| change.at == at(0)));
    }
}
