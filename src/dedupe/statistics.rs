//! The statistics snapshot: how common words and shingles are in ads of the trade.
//!
//! What everybody writes proves nothing; the snapshot says what everybody writes. It is data with
//! a number, the same for every posting until an operator adopts another.

use super::text::{self, ByHash, Words, distinct};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::LazyLock;

/// First bytes of a snapshot file, with the version of its form.
const MAGIC: &[u8; 8] = b"PASSTAT1";
/// Rarity of what the snapshot does not list, in bits.
pub const RARE: u8 = 12;
/// Entries of a list at most: each has a number of two bytes.
const MOST: usize = 1 << 16;

/// Words and shingles, each list with its rarities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    pub words: Table,
    pub shingles: Table,
}

/// What is commoner than [`RARE`], each under a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Hashes by number; sorted, so that numbers sort as hashes do.
    hashes: Vec<u32>,
    /// Rarities in bits by number: apart, since every comparison reads many of them.
    rarities: Vec<u8>,
    numbers: ByHash<u32, u16>,
}

impl Table {
    fn of(listed: impl Iterator<Item = (u32, u8)>) -> Result<Self, Damaged> {
        let listed: Vec<(u32, u8)> = distinct(listed.filter(|(_, bits)| *bits < RARE).collect());
        let numbers = listed.iter().enumerate();
        let numbers = numbers
            .map(|(number, (hash, _))| Some((*hash, u16::try_from(number).ok()?)))
            .collect::<Option<_>>()
            .ok_or(Damaged("more than 65,536 entries in a list"))?;
        let (hashes, rarities) = listed.into_iter().unzip();
        Ok(Self {
            hashes,
            rarities,
            numbers,
        })
    }

    /// The number of what is listed; `None` for what is as rare as can be.
    pub fn number(&self, hash: u32) -> Option<u16> {
        self.numbers.get(&hash).copied()
    }

    /// Bits of what has this number.
    pub fn rarity(&self, number: u16) -> u8 {
        self.rarities
            .get(usize::from(number))
            .copied()
            .unwrap_or(RARE)
    }

    /// Bits of all these.
    pub fn bits(&self, numbers: &[u16]) -> u32 {
        numbers.iter().map(|n| u32::from(self.rarity(*n))).sum()
    }

    /// The hash of what has this number.
    pub fn hash(&self, number: u16) -> u32 {
        self.hashes.get(usize::from(number)).copied().unwrap_or(0)
    }
}

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the statistics snapshot is damaged: {0}")]
pub struct Damaged(&'static str);

impl Statistics {
    /// Reads a snapshot: magic, two counts, then two tables of (hash, rarity), little-endian.
    ///
    /// # Errors
    /// It is none, or it is cut.
    pub fn read(bytes: &[u8]) -> Result<Self, Damaged> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(Damaged("another form"))?;
        let number = |at: usize| -> Option<u32> {
            Some(u32::from_le_bytes(rest.get(at..at + 4)?.try_into().ok()?))
        };
        let words = number(0).ok_or(Damaged("no counts"))? as usize;
        let shingles = number(4).ok_or(Damaged("no counts"))? as usize;
        let table = |start: usize, count: usize| {
            (0..count)
                .map(|i| {
                    let at = start + i * 5;
                    Some((number(at)?, *rest.get(at + 4)?))
                })
                .collect::<Option<Vec<(u32, u8)>>>()
                .ok_or(Damaged("cut off"))
                .and_then(|listed| Table::of(listed.into_iter()))
        };
        Ok(Self {
            words: table(8, words)?,
            shingles: table(8 + words * 5, shingles)?,
        })
    }

    /// The snapshot of a set of ads, as bytes: what at least `least` of them contain, the commonest
    /// where it is more than a list holds. A function of the set.
    pub fn take<'a>(texts: impl Iterator<Item = &'a str>, least: u32) -> Vec<u8> {
        let (mut words, mut shingles) = (HashMap::new(), HashMap::new());
        let mut ads = 0_u32;
        for text in texts {
            ads += 1;
            let read = Words::of(text);
            for word in distinct(read.iter().map(text::word_key).collect()) {
                *words.entry(word).or_default() += 1;
            }
            let stems: Vec<u64> = read.iter().map(text::stem).collect();
            for shingle in distinct(text::shingles(&read, &stems)) {
                *shingles.entry(shingle).or_default() += 1;
            }
        }
        let (words, shingles) = (
            rarities(&words, ads, least),
            rarities(&shingles, ads, least),
        );
        let mut bytes = MAGIC.to_vec();
        bytes.extend((words.len() as u32).to_le_bytes());
        bytes.extend((shingles.len() as u32).to_le_bytes());
        for (hash, rarity) in words.into_iter().chain(shingles) {
            bytes.extend(hash.to_le_bytes());
            bytes.push(rarity);
        }
        bytes
    }
}

fn rarities(counts: &HashMap<u32, u32>, ads: u32, least: u32) -> Vec<(u32, u8)> {
    let bits = |count: u32| (f64::from(ads) / f64::from(count)).log2().round() as u8;
    let mut common: Vec<(u32, u32)> = counts
        .iter()
        .map(|(hash, count)| (*count, *hash))
        .filter(|(count, _)| *count >= least && bits(*count) < RARE)
        .collect();
    common.sort_unstable_by_key(|(count, hash)| (Reverse(*count), *hash));
    common.truncate(MOST);
    let mut listed: Vec<(u32, u8)> = common
        .into_iter()
        .map(|(count, hash)| (hash, bits(count)))
        .collect();
    listed.sort_unstable();
    listed
}

/// The shipped snapshot.
pub static STATISTICS: LazyLock<Statistics> =
    LazyLock::new(
        || match Statistics::read(include_bytes!("statistics.bin")) {
            Ok(statistics) => statistics,
            Err(error) => panic!("the compiled-in snapshot statistics.bin: {error}"),
        },
    );

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_read_as_it_was_taken() {
        let ads = [
            "soins de nuit en EHPAD",
            "soins de jour en EHPAD",
            "cuisine",
        ];
        let bytes = Statistics::take(ads.into_iter(), 2);
        let read = Statistics::read(&bytes).unwrap();
        let rarity = |statistics: &Statistics, word: &str| {
            let words = &statistics.words;
            let number = words.number(text::word_key(word))?;
            assert_eq!(words.hash(number), text::word_key(word));
            Some(words.rarity(number))
        };
        assert_eq!(rarity(&read, "ehpad"), Some(1));
        assert_eq!(rarity(&read, "cuisine"), None);
        assert!(Statistics::read(&bytes[..bytes.len() - 1]).is_err());
        assert!(rarity(&STATISTICS, "vous").is_some_and(|bits| bits < 2));
    }

    /// Ads of many boards together have more words than a list has numbers.
    #[test]
    fn a_snapshot_of_more_than_it_holds_keeps_the_commonest() {
        // Words are told apart by their beginning.
        let word = |n: usize| format!("m{n:x}");
        let many: Vec<String> = (0..MOST + 5000).map(word).collect();
        let many = many.join(" ");
        let common = [word(7), word(MOST + 4999)];
        let few = common.join(" ");
        let ads = [many.as_str(), many.as_str(), few.as_str()];
        let read = Statistics::read(&Statistics::take(ads.into_iter(), 2)).unwrap();
        assert_eq!(read.words.hashes.len(), MOST);
        assert_eq!(read.shingles.hashes.len(), MOST);
        for word in &common {
            let number = read.words.number(text::word_key(word));
            assert_eq!(number.map(|n| read.words.rarity(n)), Some(0), "{word}");
        }
        // Nor is what is as rare as can be written down for nothing.
        let once: Vec<String> = (0..5000).map(word).collect();
        let bytes = Statistics::take(once.iter().map(String::as_str), 1);
        assert_eq!(bytes.len(), MAGIC.len() + 8);
    }
}
