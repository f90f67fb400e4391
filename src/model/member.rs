//! Members of the network and what their files allow.

use super::{ConnectorName, MemberId};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// An employer structure of the network: one TOML file each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Identity, fixed for life: lower-case letters, digits and hyphens.
    pub id: String,
    pub name: String,
    /// Free label of the kind of structure: "hôpital", "EHPAD", "aide à domicile", "intérim".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Other names under which ads may show it.
    #[serde(default)]
    pub aliases: Vec<String>,
    #[serde(default)]
    pub siret: Vec<String>,
    #[serde(default)]
    pub finess: Vec<String>,
    #[serde(default)]
    pub establishments: Vec<Establishment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub website: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo: Option<String>,
    /// Collective agreement that applies by default: "CCN51", "FPH", …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<String>,
    /// Whether it is a temporary-work agency: named as such, never taken for the employer.
    #[serde(default)]
    pub agency: bool,
    #[serde(default)]
    pub linkedin: LinkedIn,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poster_email: Option<String>,
    #[serde(default)]
    pub privacy: Privacy,
    #[serde(default)]
    pub mandates: BTreeMap<Channel, Mandate>,
    /// Export profiles of which the member gives the board a file of its own
    /// (`/exports/linkedin/ID.xml`): its offers are then not in the network's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub own_feeds: Vec<Channel>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Establishment {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub siret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finess: Option<String>,
    /// INSEE code, or "70000 Vesoul".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commune: Option<String>,
    #[serde(default)]
    pub aliases: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkedIn {
    /// Numeric id of the company page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company_id: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Privacy {
    /// Addresses of a role (`recrutement@…`) that may be published; `*@domain` is allowed.
    #[serde(default)]
    pub role_addresses: Vec<String>,
}

/// Where offers may be shown: `portal` (portal and API together) or the name of an export profile.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Channel(pub String);

/// `true`, `false` or `"until 2027-06-30"` (that day included, French time).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mandate {
    Always,
    Never,
    Until(Date),
}

impl Mandate {
    /// The instant from which an `until` no longer holds.
    pub fn ends(self) -> Option<Timestamp> {
        match self {
            Self::Until(day) => {
                let paris = TimeZone::get("Europe/Paris").unwrap_or(TimeZone::UTC);
                day.tomorrow()
                    .ok()?
                    .to_zoned(paris)
                    .ok()
                    .map(|z| z.timestamp())
            }
            _ => None,
        }
    }

    pub fn allows(self, now: Timestamp) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Until(_) => self.ends().is_none_or(|end| now < end),
        }
    }
}

impl Serialize for Mandate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Always => serializer.serialize_bool(true),
            Self::Never => serializer.serialize_bool(false),
            Self::Until(day) => serializer.serialize_str(&format!("until {day}")),
        }
    }
}

impl<'de> Deserialize<'de> for Mandate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Flag(bool),
            Text(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Flag(true) => Ok(Self::Always),
            Form::Flag(false) => Ok(Self::Never),
            Form::Text(text) => text
                .strip_prefix("until ")
                .and_then(|day| day.trim().parse().ok())
                .map(Self::Until)
                .ok_or_else(|| {
                    D::Error::custom(format!(
                        "a mandate is true, false or \"until 2027-06-30\", not {text:?}"
                    ))
                }),
        }
    }
}

impl JsonSchema for Mandate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mandate".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "anyOf": [
                { "type": "boolean" },
                { "type": "string", "pattern": "^until \\d{4}-\\d{2}-\\d{2}$" }
            ]
        })
    }
}

impl Member {
    pub fn member_id(&self) -> MemberId {
        MemberId(self.id.clone())
    }

    /// The default mandate: portal and API yes, every other channel no.
    pub fn mandate(&self, channel: &str) -> Mandate {
        self.mandates
            .get(&Channel(channel.to_owned()))
            .copied()
            .unwrap_or(if channel == "portal" {
                Mandate::Always
            } else {
                Mandate::Never
            })
    }
}

/// What the files say about the territory's network; shared, read-only, replaced on reload.
#[derive(Clone, Debug, Default)]
pub struct Network {
    pub members: BTreeMap<MemberId, Member>,
    /// The member of each connector; `None` for an aggregator.
    pub connectors: BTreeMap<ConnectorName, Option<MemberId>>,
    /// A member's file cannot be read, and nobody knows whose it is: who is not among the members may
    /// still be one.
    pub unsure: bool,
    /// An index that a higher floor makes of the members, once (see [`Network::derived`]).
    pub memo: Memo,
}

/// A value computed once of what stands beside it. A clone starts empty, so that it may be changed.
#[derive(Default)]
pub struct Memo(OnceLock<Arc<dyn Any + Send + Sync>>);

impl Clone for Memo {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl std::fmt::Debug for Memo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memo")
    }
}

impl Network {
    /// The index that `make` computes of this network, computed on first use. A network is replaced
    /// on reload, never changed in place, so it cannot go stale. One type is remembered, the
    /// first; another is computed at each call.
    pub fn derived<T: Send + Sync + 'static>(&self, make: impl Fn(&Self) -> T) -> Arc<T> {
        let kept = self.memo.0.get_or_init(|| Arc::new(make(self)));
        Arc::clone(kept)
            .downcast::<T>()
            .unwrap_or_else(|_| Arc::new(make(self)))
    }

    pub fn member(&self, id: &MemberId) -> Option<&Member> {
        self.members.get(id)
    }
}
