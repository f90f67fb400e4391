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
    let parts: [&[u8]; 13] = [
        include_bytes!("../features.rs"),
        include_bytes!("designator.rs"),
        include_bytes!("lists.rs"),
        include_bytes!("packed.rs"),
        include_bytes!("said.rs"),
        include_bytes!("../text.rs"),
        include_bytes!("../links.rs"),
        include_bytes!("../tables.rs"),
        include_bytes!("../sources.toml"),
        include_bytes!("../facets.toml"),
        include_bytes!("../statistics.rs"),
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
        let sketch = |sketch: &Sketch| sketch.rare.len() * 4 + sketch.known.len() * 2;
        size_of::<Self>() + self.lists.len() * 8 + sketch(&self.shingles) + sketch(&self.words)
    }
}

/// Hashes are as likely large as small: fixed width is shorter than variable.
impl Serialize for Sketch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let wide = self.rare.len() * 4 + self.known.len() * 2;
        let mut bytes = Vec::with_capacity(10 + wide);
        bytes.extend(self.limit.to_le_bytes());
        bytes.extend(self.bits.to_le_bytes());
        // No sketch has so many that this could be cut.
        bytes.extend((self.rare.len() as u16).to_le_bytes());
        bytes.extend(self.rare.iter().flat_map(|value| value.to_le_bytes()));
        bytes.extend(self.known.iter().flat_map(|number| number.to_le_bytes()));
        serializer.serialize_bytes(&bytes)
    }
}

impl<'de> Deserialize<'de> for Sketch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <&[u8]>::deserialize(deserializer)?;
        let short = || de::Error::custom("a sketch is cut");
        let (limit, rest) = bytes.split_first_chunk().ok_or_else(short)?;
        let (bits, rest) = rest.split_first_chunk().ok_or_else(short)?;
        let (count, rest) = rest.split_first_chunk().ok_or_else(short)?;
        let rare = usize::from(u16::from_le_bytes(*count)) * 4;
        let (rare, known) = rest.split_at_checked(rare).ok_or_else(short)?;
        let (rare, (known, odd)) = (rare.as_chunks().0, known.as_chunks());
        if !odd.is_empty() {
            return Err(short());
        }
        Ok(Self {
            rare: rare.iter().map(|v| u32::from_le_bytes(*v)).collect(),
            known: known.iter().map(|n| u16::from_le_bytes(*n)).collect(),
            bits: u32::from_le_bytes(*bits),
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
