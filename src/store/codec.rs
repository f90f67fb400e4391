//! How values become columns, the same in every backend: instants, enumerations, wide bodies.

use crate::model::{Became, CloseReason, PostingState, Revision, Turn};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use std::cell::RefCell;

/// A stored value that cannot be read back: the row was damaged or written by something else.
#[derive(Debug, thiserror::Error)]
#[error("{column} cannot be read: {why}")]
pub(super) struct Unreadable {
    pub column: &'static str,
    pub why: String,
}

pub(super) type Result<T> = std::result::Result<T, Unreadable>;

/// The fastest: what a higher one saves in bytes costs twice the processor time.
const LEVEL: i32 = 1;
/// No body that the hub stores comes near this; a frame that claims more is damaged.
const MAX_BODY: u64 = 256 * 1024 * 1024;

/// Instants are kept to the microsecond, on every backend.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

pub(super) fn instant(column: &'static str, micros: i64) -> Result<Timestamp> {
    Timestamp::from_microsecond(micros).map_err(|error| Unreadable {
        column,
        why: error.to_string(),
    })
}

/// JSON for columns; the types of the store's rows always have a JSON form.
pub(super) fn json<T: Serialize>(column: &'static str, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Unreadable {
        column,
        why: error.to_string(),
    })
}

pub(super) fn from_json<T: DeserializeOwned>(column: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| Unreadable {
        column,
        why: error.to_string(),
    })
}

pub(super) fn from_json_bytes<T: DeserializeOwned>(
    column: &'static str,
    bytes: &[u8],
) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Unreadable {
        column,
        why: error.to_string(),
    })
}

/// A row of the outbox as it stands: the form of an [`crate::model::Event`], whatever it says.
pub(super) struct RawEvent<'a> {
    pub id: uuid::Uuid,
    pub kind: &'a str,
    pub key: &'a str,
    pub observation: i64,
    pub rules: i64,
    pub payload: &'a str,
    /// Microseconds.
    pub time: i64,
}

impl RawEvent<'_> {
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let time = match Timestamp::from_microsecond(self.time) {
            Ok(at) => serde_json::json!(at),
            Err(_) => serde_json::json!(self.time),
        };
        let mut event = serde_json::json!({
            "id": self.id, "kind": self.kind, "key": self.key,
            "revision": { "observation": self.observation, "rules": self.rules },
            "time": time,
        });
        if !self.payload.is_empty() {
            event["payload"] = serde_json::json!(self.payload);
        }
        json("parked.body", &event).map(String::into_bytes)
    }
}

/// A plain enumeration as its JSON name without quotes.
pub(super) fn name<T: Serialize>(column: &'static str, value: &T) -> Result<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => Ok(text),
        Ok(other) => Err(Unreadable {
            column,
            why: format!("{other} is no name"),
        }),
        Err(error) => Err(Unreadable {
            column,
            why: error.to_string(),
        }),
    }
}

pub(super) fn from_name<T: DeserializeOwned>(column: &'static str, text: &str) -> Result<T> {
    T::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(text)).map_err(
        |error| Unreadable {
            column,
            why: error.to_string(),
        },
    )
}

/// A wide body of JSON, compressed.
pub(super) fn packed_json<T: Serialize>(column: &'static str, value: &T) -> Result<Vec<u8>> {
    let bytes = serde_json::to_vec(value).map_err(|error| Unreadable {
        column,
        why: error.to_string(),
    })?;
    pack(column, &bytes)
}

pub(super) fn from_packed_json<T: DeserializeOwned>(
    column: &'static str,
    frame: &[u8],
) -> Result<T> {
    from_json_bytes(column, &unpack(column, frame)?)
}

pub(super) fn pack(column: &'static str, bytes: &[u8]) -> Result<Vec<u8>> {
    thread_local! {
        static PACKER: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    }
    PACKER.with_borrow_mut(|slot| {
        let packed = match slot {
            Some(packer) => packer.compress(bytes),
            None => zstd::bulk::Compressor::new(LEVEL)
                .and_then(|packer| slot.insert(packer).compress(bytes)),
        };
        packed.map_err(|error| Unreadable {
            column,
            why: error.to_string(),
        })
    })
}

pub(super) fn unpack(column: &'static str, frame: &[u8]) -> Result<Vec<u8>> {
    thread_local! {
        static UNPACKER: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
    }
    let size = match zstd::zstd_safe::get_frame_content_size(frame) {
        Ok(Some(size)) if size <= MAX_BODY => usize::try_from(size).unwrap_or(usize::MAX),
        _ => {
            return Err(Unreadable {
                column,
                why: "not a frame of this store".into(),
            });
        }
    };
    UNPACKER.with_borrow_mut(|slot| {
        let unpacked = match slot {
            Some(unpacker) => unpacker.decompress(frame, size),
            None => zstd::bulk::Decompressor::new()
                .and_then(|unpacker| slot.insert(unpacker).decompress(frame, size)),
        };
        unpacked.map_err(|error| Unreadable {
            column,
            why: error.to_string(),
        })
    })
}

/// `observation` and `rules` columns, absent together.
pub(super) fn revision(
    column: &'static str,
    observation: Option<i64>,
    rules: Option<i64>,
) -> Result<Option<Revision>> {
    let (Some(observation), Some(rules)) = (observation, rules) else {
        return Ok(None);
    };
    let unreadable = |_| Unreadable {
        column,
        why: format!("revision {observation}.{rules} is out of range"),
    };
    Ok(Some(Revision {
        observation: u64::try_from(observation).map_err(unreadable)?,
        rules: u32::try_from(rules).map_err(unreadable)?,
    }))
}

/// Counters fit: nothing here grows past 2⁶³.
pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn uint(column: &'static str, value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| Unreadable {
        column,
        why: format!("{value} is negative"),
    })
}

pub(super) fn closed(
    at: Option<i64>,
    reason: Option<&str>,
) -> Result<Option<(Timestamp, CloseReason)>> {
    match (at, reason) {
        (Some(at), Some(reason)) => Ok(Some((
            instant("posting.closed_at", at)?,
            from_name("posting.close_reason", reason)?,
        ))),
        _ => Ok(None),
    }
}

/// Both columns of a closing.
pub(super) fn closed_columns(state: &PostingState) -> Result<(Option<i64>, Option<String>)> {
    match &state.closed {
        Some((at, reason)) => Ok((
            Some(micros(*at)),
            Some(name("posting.close_reason", reason)?),
        )),
        None => Ok((None, None)),
    }
}

/// The columns of a turn: what it became, and the reason.
pub(super) fn turn_columns(became: Became) -> Result<(&'static str, String)> {
    Ok(match became {
        Became::Closed(reason) => ("closed", name("turn.reason", &reason)?),
        Became::Live(reason) => ("live", name("turn.reason", &reason)?),
    })
}

/// A turn of its columns.
pub(super) fn turn(observation: i64, at: i64, became: &str, reason: &str) -> Result<Turn> {
    Ok(Turn {
        observation: uint("turn.observation", observation)?,
        at: instant("turn.at", at)?,
        became: match became {
            "closed" => Became::Closed(from_name("turn.reason", reason)?),
            _ => Became::Live(from_name("turn.reason", reason)?),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Stage, TombstoneReason};
    use proptest::prelude::*;

    #[test]
    fn names_are_plain_words() {
        assert_eq!(name("x", &Stage::Dedupe).unwrap(), "dedupe");
        assert_eq!(
            from_name::<TombstoneReason>("x", "filled").unwrap(),
            TombstoneReason::Filled
        );
        assert!(from_name::<Stage>("x", "sleep").is_err());
        assert!(name("x", &3).is_err());
    }

    #[test]
    fn damaged_frames_are_refused() {
        let frame = pack("x", b"some text, some text, some text").unwrap();
        assert!(unpack("x", &frame[..frame.len() - 3]).is_err());
        assert!(unpack("x", b"not a frame").is_err());
        assert!(unpack("x", b"").is_err());
    }

    proptest! {
        #[test]
        fn bodies_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
            prop_assert_eq!(unpack("x", &pack("x", &bytes).unwrap()).unwrap(), bytes);
        }

        #[test]
        fn instants_come_back(at in -377_705_023_201_000_000i64..=253_402_207_200_999_999) {
            prop_assert_eq!(micros(instant("x", at).unwrap()), at);
        }
    }
}
