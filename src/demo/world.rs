//! The synthetic network as it stands: its openings, and what was done to them since the start.

use super::opening::Opening;
use super::tables::{Row, Tables, tables};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// Something that happened to the network after the demo began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Change {
    /// The post is filled: its member's own system no longer shows it. Copies elsewhere stay,
    /// unless `everywhere`.
    Close { reference: String, everywhere: bool },
    /// It is open again.
    Reopen { reference: String },
    /// The ad says something else.
    Edit {
        reference: String,
        title: Option<String>,
        at: Timestamp,
    },
    /// A new opening like the one given.
    Add { like: String, at: Timestamp },
}

/// The demo's day and its history: enough to make the same network again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// All dates count back from this instant's day.
    pub began: Timestamp,
    #[serde(default)]
    pub changes: Vec<Change>,
}

#[derive(Debug, thiserror::Error)]
#[error("the demo shows no offer {reference:?}: GET /demo lists them")]
pub struct Unknown {
    pub reference: String,
}

/// Every opening, in the order of the table; closed ones stay.
pub struct World {
    pub tables: &'static Tables,
    /// Midnight, French time, of the day on which the demo began.
    pub day: Timestamp,
    pub openings: Vec<Opening>,
    /// References whose copies at France Travail are gone too.
    pub silenced: Vec<String>,
    story: Story,
}

impl World {
    pub fn new(story: Story) -> Self {
        let tables = tables();
        let day = midnight(story.began);
        let mut openings = Vec::with_capacity(tables.openings.len());
        let mut member = "";
        let mut number = 1000;
        for row in &tables.openings {
            if row.member != member {
                member = &row.member;
                number = 1000;
            }
            number += 1;
            openings.push(Opening::new(tables, row, number, day));
        }
        let changes = story.changes.clone();
        let mut world = Self {
            tables,
            day,
            openings,
            silenced: Vec::new(),
            story: Story {
                changes: Vec::new(),
                ..story
            },
        };
        for change in changes {
            // A story of an older program may name what no longer exists: the rest still holds.
            let _ = world.apply(change);
        }
        world
    }

    pub fn story(&self) -> &Story {
        &self.story
    }

    /// Does `change`, and gives the reference of the offer that it concerns.
    ///
    /// # Errors
    /// No opening has that reference.
    pub fn apply(&mut self, change: Change) -> Result<String, Unknown> {
        let reference = match &change {
            Change::Close {
                reference,
                everywhere,
            } => {
                self.opening(reference)?.closed = true;
                if *everywhere {
                    self.silenced.push(reference.clone());
                }
                reference.clone()
            }
            Change::Reopen { reference } => {
                self.opening(reference)?.closed = false;
                self.silenced.retain(|silent| silent != reference);
                reference.clone()
            }
            Change::Edit {
                reference,
                title,
                at,
            } => {
                let opening = self.opening(reference)?;
                opening.updated = *at;
                match title {
                    Some(title) => opening.title.clone_from(title),
                    None => opening.pay = opening.pay.map(|amount| amount + 50),
                }
                reference.clone()
            }
            Change::Add { like, at } => {
                let model = self.opening(like)?;
                let row: &'static Row = tables()
                    .openings
                    .iter()
                    .find(|row| row.member == model.member && row.job == model.job_key)
                    .ok_or_else(|| Unknown {
                        reference: like.clone(),
                    })?;
                let (member, model) = (model.member, model.clone());
                let number = 1001
                    + self
                        .openings
                        .iter()
                        .filter(|opening| opening.member == member)
                        .count();
                let fresh = Opening::new(
                    self.tables,
                    row,
                    u32::try_from(number).unwrap_or(u32::MAX),
                    self.day,
                );
                let opening = Opening {
                    site: model.site,
                    site_key: model.site_key,
                    service: model.service,
                    title: model.title,
                    published: *at,
                    updated: *at,
                    echo: None,
                    internal: false,
                    brief: false,
                    closed: false,
                    ..fresh
                };
                let reference = opening.reference();
                self.openings.push(opening);
                reference
            }
        };
        self.story.changes.push(change);
        Ok(reference)
    }

    fn opening(&mut self, reference: &str) -> Result<&mut Opening, Unknown> {
        self.openings
            .iter_mut()
            .find(|opening| opening.reference() == reference)
            .ok_or_else(|| Unknown {
                reference: reference.to_owned(),
            })
    }

    /// The truth about the copies at France Travail: their number there, and the reference of the
    /// opening that each is a copy of; none for employers outside the network.
    pub fn copies(&self) -> Vec<(String, Option<String>)> {
        super::wire::france_travail::offers(self)
            .into_iter()
            .map(|listed| {
                let id = listed.offer["id"].as_str().unwrap_or_default();
                (id.to_owned(), listed.copy_of)
            })
            .collect()
    }

    /// What the own system of `member` shows, internal ones included.
    pub fn shown<'a>(&'a self, member: &'a str) -> impl Iterator<Item = &'a Opening> {
        self.openings
            .iter()
            .filter(move |opening| opening.member == member && !opening.closed)
    }
}

fn midnight(instant: Timestamp) -> Timestamp {
    let zone = paris();
    instant
        .to_zoned(zone)
        .start_of_day()
        .map_or(instant, |start| start.timestamp())
}

/// French time; UTC where the machine has no time-zone data.
pub fn paris() -> TimeZone {
    TimeZone::get("Europe/Paris").unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn world() -> World {
        World::new(Story {
            began: "2026-11-02T09:30:00Z".parse().unwrap(),
            changes: vec![],
        })
    }

    #[test]
    fn about_two_hundred_openings_with_references_of_their_own() {
        let world = world();
        assert!((180..=195).contains(&world.openings.len()));
        let references: BTreeSet<_> = world.openings.iter().map(Opening::reference).collect();
        assert_eq!(references.len(), world.openings.len());
        assert!(world.openings.iter().all(|o| o.published <= o.updated));
        assert!(world.openings.iter().all(|o| o.updated < world.day));
    }

    #[test]
    fn the_same_story_makes_the_same_network() {
        let mut world = world();
        let like = world.openings[3].reference();
        let at = "2026-11-03T08:00:00Z".parse().unwrap();
        let added = world.apply(Change::Add { like, at }).unwrap();
        let closed = world.openings[0].reference();
        let close = Change::Close {
            reference: closed.clone(),
            everywhere: false,
        };
        world.apply(close).unwrap();
        let again = World::new(world.story().clone());
        assert_eq!(again.openings.last().unwrap().reference(), added);
        assert!(again.openings[0].closed);
        assert_eq!(again.openings.len(), world.openings.len());
        assert!(
            again
                .shown("gh-monts-de-saone")
                .all(|o| o.reference() != closed)
        );
    }

    #[test]
    fn an_unknown_offer_is_named() {
        let change = Change::Reopen {
            reference: "nothing".into(),
        };
        let error = world().apply(change).unwrap_err();
        assert!(error.to_string().contains("nothing"));
    }
}
