//! Internal events as CloudEvents 1.0 in structured JSON mode: the form on the wire.

use crate::model::{Event, EventKind, MessageId, Revision};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `content_type` of every message of ours.
pub const CONTENT_TYPE: &str = "application/cloudevents+json; charset=utf-8";
/// `source` of the events between the stages.
pub const SOURCE: &str = "/passerelle";

/// Bytes of a body that is read. Events are thin, a hundredth of this: what is larger is no event of ours,
/// and is not taken apart in the memory of a worker that holds a thousand others.
const LARGEST: usize = 64 << 10;

#[derive(Serialize, Deserialize)]
struct Envelope {
    specversion: String,
    id: MessageId,
    source: String,
    #[serde(rename = "type")]
    kind: EventKind,
    subject: String,
    time: Timestamp,
    datacontenttype: String,
    data: Data,
}

#[derive(Serialize, Deserialize)]
struct Data {
    observation: u64,
    rules: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    payload: String,
}

/// The message body of `event`.
pub fn encode(event: &Event) -> Vec<u8> {
    let envelope = Envelope {
        specversion: "1.0".into(),
        id: event.id,
        source: SOURCE.into(),
        kind: event.kind,
        subject: event.key.clone(),
        time: event.time,
        datacontenttype: "application/json".into(),
        data: Data {
            observation: event.revision.observation,
            rules: event.revision.rules,
            payload: event.payload.clone(),
        },
    };
    // Strings, numbers and dates only: serialising them cannot fail.
    serde_json::to_vec(&envelope).unwrap_or_default()
}

/// The event of a parked message: as the store keeps events, or with the bytes that came from the
/// broker, which this program may know although the one that parked them did not.
///
/// # Errors
/// Neither of the two; the error is that of the store's form.
pub fn decode_parked(body: &[u8]) -> Result<Event, serde_json::Error> {
    serde_json::from_slice(body).or_else(|error| decode(body).map_err(|_| error))
}

/// The event of a message body.
///
/// # Errors
/// Not a CloudEvent of ours, or of a newer major version, or too large for one: its bytes are then parked
/// as they are.
pub fn decode(body: &[u8]) -> Result<Event, serde_json::Error> {
    if body.len() > LARGEST {
        let why = format!("{} bytes, where an event has {LARGEST} at most", body.len());
        return Err(serde::de::Error::custom(why));
    }
    let envelope: Envelope = serde_json::from_slice(body)?;
    Ok(Event {
        id: envelope.id,
        kind: envelope.kind,
        key: envelope.subject,
        revision: Revision {
            observation: envelope.data.observation,
            rules: envelope.data.rules,
        },
        payload: envelope.data.payload,
        time: envelope.time,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Event {
        let mut event = Event::new(
            EventKind::PostingPulled,
            "0b8e7001-0000-5000-8000-000000000000",
            Revision {
                observation: 3,
                rules: 1,
            },
            Timestamp::UNIX_EPOCH,
        );
        event.payload = "ab".repeat(32);
        event
    }

    #[test]
    fn an_event_survives_the_wire() {
        let event = event();
        assert_eq!(decode(&encode(&event)).unwrap(), event);
        // Parked, it is read in either form.
        assert_eq!(decode_parked(&encode(&event)).unwrap(), event);
        let stored = serde_json::to_vec(&event).unwrap();
        assert_eq!(decode_parked(&stored).unwrap(), event);
        assert!(decode_parked(b"\xff").is_err());
    }

    #[test]
    fn what_a_newer_minor_version_adds_is_passed_over() {
        let event = event();
        let body = String::from_utf8(encode(&event)).unwrap();
        let newer = body
            .replace(r#""data":{"#, r#""data":{"later":[1],"#)
            .replacen('{', r#"{"traceparent":"00-1","#, 1);
        assert_ne!(newer, body);
        assert_eq!(decode(newer.as_bytes()).unwrap(), event);
    }

    #[test]
    fn what_is_too_large_for_an_event_is_not_decoded() {
        let mut event = event();
        event.payload = "a".repeat(LARGEST);
        let error = decode(&encode(&event)).unwrap_err().to_string();
        assert!(error.contains("65536 at most"), "{error}");
        event.payload.truncate(LARGEST / 2);
        assert_eq!(decode(&encode(&event)).unwrap(), event);
    }

    #[test]
    fn a_newer_major_version_is_not_decoded() {
        let body = String::from_utf8(encode(&event()))
            .unwrap()
            .replace(".v1", ".v2");
        assert!(decode(body.as_bytes()).is_err());
    }
}
