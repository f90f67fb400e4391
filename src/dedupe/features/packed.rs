//! Features as bytes, so that a store can keep them: reading a text again costs ten times as much.
//!
//! **Invariant:** bytes that other code or other tables made are never used: they begin with the
//! mark of what made them.

use super::Features;
use crate::dedupe::text::Sketch;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::sync::LazyLock;

/// The mark of this program's code and tables that have a part in features.
static MADE_BY: LazyLock<[u8; 8]> = LazyLock::new(|| {
    let parts: [&[u8]; 10] = [
        include_bytes!("../features.rs"),
        include_bytes!("packed.rs"),
        include_bytes!("said.rs"),
        include_bytes!("../text.rs"),
        include_bytes!("../links.rs"),
        include_bytes!("../tables.rs"),
        include_bytes!("../sources.toml"),
        include_bytes!("../facets.toml"),
        include_bytes!("../statistics.bin"),
        include_bytes!("../../model/offer.rs"),
    ];
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(blake3::hash(part).as_bytes());
    }
    let mut mark = [0; 8];
    mark.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    mark
});

impl Features {
    /// As bytes; empty for what cannot be written, which [`Features::unpack`] refuses.
    pub fn pack(&self) -> Vec<u8> {
        postcard::to_extend(self, MADE_BY.to_vec()).unwrap_or_default()
    }

    /// What [`Features::pack`] of this very program made of a posting; anything else is `None`, and
    /// the posting is read again.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(MADE_BY.as_slice())?;
        postcard::from_bytes(rest).ok()
    }

    /// Bytes of memory, near enough to limit what is remembered.
    pub fn weight(&self) -> usize {
        let wide = [
            &self.title_words,
            &self.employer_words,
            &self.communes,
            &self.districts,
            &self.departments,
            &self.service_words,
            &self.references,
            &self.links,
            &self.hosts,
            &self.sentences,
        ];
        let sketch = |sketch: &Sketch| sketch.values.len() * 5;
        size_of::<Self>()
            + wide.iter().map(|list| list.len() * 8).sum::<usize>()
            + (self.employer_names.len() + self.place_words.len()) * 4
            + self.hours.len() * 2
            + sketch(&self.shingles)
            + sketch(&self.words)
    }
}

/// Hashes are as likely large as small: fixed width is shorter than variable.
impl Serialize for Sketch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut bytes = Vec::with_capacity(4 + self.values.len() * 5);
        bytes.extend(self.limit.to_le_bytes());
        bytes.extend(self.values.iter().flat_map(|value| value.to_le_bytes()));
        bytes.extend(&self.rarities);
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Sketch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(deserializer)?;
        let short = || de::Error::custom("a sketch is cut");
        let (limit, rest) = bytes.split_first_chunk().ok_or_else(short)?;
        if rest.len() % 5 != 0 {
            return Err(short());
        }
        let (values, rarities) = rest.split_at(rest.len() / 5 * 4);
        let (values, _) = values.as_chunks();
        Ok(Self {
            values: values.iter().map(|v| u32::from_le_bytes(*v)).collect(),
            rarities: rarities.to_vec(),
            limit: u32::from_le_bytes(*limit),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedupe::tests::posting;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn features_come_back_and_nothing_else_is_taken_for_them(
            (title, text, requisition, own) in (".{0,60}", "\\PC{0,900}", "[A-Z0-9-]{0,12}", any::<bool>()),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut stored = posting("ats", "1", own, 3);
            let offer = &mut stored.posting.offer;
            offer.title = title;
            offer.requisition = Some(requisition);
            if let Some(description) = offer.description.as_mut() {
                description.text += &text;
            }
            let features = Features::of(&stored.posting);
            let bytes = features.pack();
            prop_assert!(features.weight() < 20_000);
            prop_assert_eq!(Features::unpack(&bytes[..cut.index(bytes.len())]), None);
            let mut other = bytes.clone();
            other[0] ^= 1;
            prop_assert_eq!(Features::unpack(&other), None, "made by other code");
            prop_assert_eq!(Features::unpack(&bytes), Some(features));
        }
    }
}
