//! Typed identifiers: no bare `Uuid` or `String` crosses a function.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// Namespace of every posting id; fixed for life, since public ids derive from it.
const POSTINGS: Uuid = Uuid::from_u128(0x7a1c_5f0e_52d4_5b8e_9d43_70f6_0b8e_7001);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> { Uuid::parse_str(text).map(Self) }
        }
    };
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(pub String);
        impl $name {
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }
        impl From<&str> for $name {
            fn from(text: &str) -> Self { Self(text.to_owned()) }
        }
        impl From<String> for $name {
            fn from(text: String) -> Self { Self(text) }
        }
    };
}

uuid_id!(
    /// One ad as one source shows it: UUIDv5 of (connector, reference).
    PostingId
);
uuid_id!(
    /// A public vacancy: the id of its founder among its postings.
    VacancyId
);
uuid_id!(
    /// One message on the bus; equal to its outbox row and stable over resends.
    MessageId
);
text_id!(
    /// The `name` of a connector file: its identity, fixed for life.
    ConnectorName
);
text_id!(
    /// The `id` of a member file.
    MemberId
);

/// One execution of a connector, numbered by the store.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct RunId(pub i64);

/// A hold, numbered by the store.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct HoldId(pub i64);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for HoldId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PostingId {
    /// The id of the posting that `connector` shows under `reference`. NUL separates the two, so
    /// that no pair of names can collide with another.
    pub fn new(connector: &ConnectorName, reference: &str) -> Self {
        let mut key = Vec::with_capacity(connector.0.len() + reference.len() + 1);
        key.extend_from_slice(connector.0.as_bytes());
        key.push(0);
        key.extend_from_slice(reference.as_bytes());
        Self(Uuid::new_v5(&POSTINGS, &key))
    }

    /// The vacancy that this posting founds, or resolves to.
    pub fn vacancy(self) -> VacancyId {
        VacancyId(self.0)
    }
}
