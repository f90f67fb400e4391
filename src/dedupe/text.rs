//! Text as dedupe sees it: folded words, stems and three-word shingles.
//!
//! Hashes made here are stored as blocking keys: their definition is fixed for life of a rules
//! version, so nothing of `std::hash` is used.

use super::statistics::Table;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// A hasher for tables whose keys are hashes made here, which are spread already.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = mix(self.0 ^ hash(bytes));
    }

    fn write_u32(&mut self, value: u32) {
        // The map looks at the highest bits, too.
        self.0 = u64::from(value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

pub type ByHash<K, V> = HashMap<K, V, BuildHasherDefault<Spread>>;
pub type Hashes = HashSet<u64, BuildHasherDefault<Spread>>;

/// FNV-1a over bytes, then a finaliser: cheap, stable, well spread.
pub fn hash(bytes: &[u8]) -> u64 {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        state = (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    mix(state)
}

/// The finaliser of SplitMix64.
pub fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// One hash of several, in order.
pub fn combine(parts: &[u64]) -> u64 {
    parts.iter().fold(0x9e37_79b9_7f4a_7c15, |state, part| {
        mix(state.rotate_left(23) ^ part)
    })
}

/// Words of a text: lower case, without accents, split where a board lost a line break
/// (`existantesPre`), with the sentence that each belongs to.
#[derive(Clone, Debug, Default)]
pub struct Words {
    buffer: String,
    spans: Vec<(u32, u32)>,
    sentences: Vec<u32>,
}

impl Words {
    pub fn of(text: &str) -> Self {
        let mut words = Self {
            buffer: String::with_capacity(text.len()),
            spans: Vec::with_capacity(text.len() / 6),
            sentences: Vec::with_capacity(text.len() / 6),
        };
        let mut start = 0;
        let mut sentence = 0;
        let mut previous_lower = false;
        for c in text.chars() {
            // Most are plain letters, which need no table.
            if c.is_ascii_lowercase() {
                words.buffer.push(c);
                previous_lower = true;
                continue;
            }
            let letter = fold(c);
            let glued = previous_lower && c.is_uppercase();
            if letter.is_empty() || glued {
                words.close(&mut start, sentence);
            }
            if glued || matches!(c, '\n' | '.' | ';' | '!' | '?' | '•' | '*') {
                sentence += 1;
            }
            words.buffer.push_str(letter);
            previous_lower = c.is_lowercase();
        }
        words.close(&mut start, sentence);
        words
    }

    fn close(&mut self, start: &mut usize, sentence: u32) {
        let end = self.buffer.len();
        if end > *start {
            self.spans.push((*start as u32, end as u32));
            self.sentences.push(sentence);
        }
        *start = end;
    }

    pub fn len(&self) -> usize {
        self.spans.len()
    }

    pub fn get(&self, at: usize) -> Option<&str> {
        let (start, end) = *self.spans.get(at)?;
        self.buffer.get(start as usize..end as usize)
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// Number of the sentence of word `at`; grows along the text.
    pub fn sentence(&self, at: usize) -> u32 {
        self.sentences.get(at).copied().unwrap_or(0)
    }
}

/// A character as its folded letters; empty for what separates words.
fn fold(c: char) -> &'static str {
    const ASCII: &str = "0123456789abcdefghijklmnopqrstuvwxyz";
    let at = match c {
        '0'..='9' => c as usize - '0' as usize,
        'a'..='z' => c as usize - 'a' as usize + 10,
        'A'..='Z' => c as usize - 'A' as usize + 10,
        'à' | 'â' | 'ä' | 'á' | 'ã' | 'å' | 'À' | 'Â' | 'Ä' | 'Á' | 'Ã' | 'Å' => 10,
        'ç' | 'Ç' => 12,
        'é' | 'è' | 'ê' | 'ë' | 'É' | 'È' | 'Ê' | 'Ë' => 14,
        'î' | 'ï' | 'í' | 'ì' | 'Î' | 'Ï' | 'Í' | 'Ì' => 18,
        'ñ' | 'Ñ' => 23,
        'ô' | 'ö' | 'ó' | 'ò' | 'õ' | 'Ô' | 'Ö' | 'Ó' | 'Ò' | 'Õ' => 24,
        'û' | 'ü' | 'ù' | 'ú' | 'Û' | 'Ü' | 'Ù' | 'Ú' => 30,
        'ÿ' | 'Ÿ' | 'ý' | 'Ý' => 34,
        'œ' | 'Œ' => return "oe",
        'æ' | 'Æ' => return "ae",
        // A combining accent belongs to the letter before it and says nothing more.
        _ => return "",
    };
    ASCII.get(at..=at).unwrap_or("")
}

/// The stem of a folded word: conjugation, gender and number fall away, and a few verbs that
/// syndication exchanges for one another become one.
pub fn stem(word: &str) -> u64 {
    let cut = word
        .get(..6)
        .unwrap_or_else(|| word.trim_end_matches(['s', 'x', 'e']));
    let cut = match cut {
        "garant" | "veille" => "assure",
        "effect" => "realis",
        "concou" | "contri" | "prendr" | "prend" => "partic",
        "suivre" | "suivi" => "gerer",
        "organi" => "planif",
        "poste" | "post" => "emploi",
        "unite" | "unit" => "servic",
        "conduir" | "condui" => "animer",
        other => other,
    };
    hash(cut.as_bytes())
}

/// A word as texts are compared by it: cut where conjugation begins, exchanged verbs as one, in
/// half a hash.
pub fn word_key(word: &str) -> u32 {
    if word.len() > 5
        && matches!(
            word.get(..6),
            Some(
                "garant"
                    | "effect"
                    | "concou"
                    | "contri"
                    | "prendr"
                    | "assure"
                    | "realis"
                    | "partic"
            )
        )
    {
        return (stem(word) >> 32) as u32;
    }
    let cut = match word {
        "unite" | "service" => "service",
        "poste" | "emploi" => "emploi",
        other => other.get(..7).unwrap_or(other),
    };
    (hash(cut.as_bytes()) >> 32) as u32
}

/// Hashes of three stems in a row, in the order of the text; `stems` are those of its words.
pub fn shingles(words: &Words, stems: &[u64]) -> Vec<u32> {
    let mut window = [0_u64; 3];
    let mut seen = 0;
    let mut shingles = Vec::with_capacity(words.len());
    for (_, stem) in words.iter().zip(stems).filter(|(w, _)| w.len() > 1) {
        window = [window[1], window[2], *stem];
        seen += 1;
        if seen >= 3 {
            shingles.push((combine(&window) >> 32) as u32);
        }
    }
    shingles
}

/// Sorted, distinct.
pub fn distinct<T: Ord>(mut values: Vec<T>) -> Vec<T> {
    values.sort_unstable();
    values.dedup();
    values
}

/// How many values two sorted, distinct slices share.
pub fn shared<T: Ord>(a: &[T], b: &[T]) -> usize {
    let (mut i, mut j, mut count) = (0, 0, 0);
    // Without a branch on the values: which of two hashes is larger, nobody foresees.
    while i < a.len() && j < b.len() {
        let (x, y) = (&a[i], &b[j]);
        count += usize::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    count
}

/// The smallest hashes of a set; two sketches are comparable below the smaller limit. What the
/// statistics snapshot knows is held by its number there, half as wide as a hash.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sketch {
    /// What the snapshot does not know, sorted.
    pub rare: Box<[u32]>,
    /// Numbers of what it knows, sorted; they sort as the hashes do.
    pub known: Box<[u16]>,
    /// Bits of rarity of all that is known, added up once.
    pub bits: u32,
    /// The largest hash that it would hold.
    pub limit: u32,
}

impl Sketch {
    /// Of `values` the `keep` smallest.
    pub fn of(values: Vec<u32>, keep: usize, table: &Table) -> Self {
        let mut values = distinct(values);
        let mut limit = u32::MAX;
        if values.len() > keep {
            values.truncate(keep);
            limit = values.last().copied().unwrap_or(limit);
        }
        let mut known = Vec::new();
        values.retain(|value| {
            let number = table.number(*value);
            known.extend(number);
            number.is_none()
        });
        Self {
            rare: values.into_boxed_slice(),
            bits: table.bits(&known),
            known: known.into_boxed_slice(),
            limit,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rare.is_empty() && self.known.is_empty()
    }

    /// The `count` smallest hashes of all.
    pub fn smallest(&self, count: usize, table: &Table) -> Vec<u32> {
        let known = self.known.iter().take(count).map(|n| table.hash(*n));
        let rare = self.rare.iter().take(count).copied();
        let mut smallest = distinct(known.chain(rare).collect());
        smallest.truncate(count);
        smallest
    }

    /// Whether it holds the value, which may have been left out of a long text's.
    pub fn holds(&self, value: u32, table: &Table) -> bool {
        match table.number(value) {
            Some(number) => self.known.binary_search(&number).is_ok(),
            None => self.rare.binary_search(&value).is_ok(),
        }
    }

    /// What it holds up to `limit`: what the snapshot does not know, numbers of what it knows, and
    /// the bits of these.
    pub fn below(&self, limit: u32, table: &Table) -> (&[u32], &[u16], u32) {
        if limit >= self.limit {
            return (&self.rare, &self.known, self.bits);
        }
        let rare = self.rare.partition_point(|value| *value <= limit);
        let known = self.known.partition_point(|n| table.hash(*n) <= limit);
        let known = &self.known[..known];
        (&self.rare[..rare], known, table.bits(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Words::of(text).iter().map(str::to_owned).collect()
    }

    #[test]
    fn words_are_folded_and_unglued() {
        assert_eq!(
            words("L'équipe de l'EHPAD — Œuvre existantesPré-requis"),
            [
                "l",
                "equipe",
                "de",
                "l",
                "ehpad",
                "oeuvre",
                "existantes",
                "pre",
                "requis"
            ]
        );
        assert_eq!(words(""), Vec::<String>::new());
        assert_eq!(words("19h-7h 80 %"), ["19h", "7h", "80"]);
    }

    #[test]
    fn stems_survive_gender_and_conjugation() {
        assert_eq!(stem("infirmier"), stem("infirmiere"));
        assert_eq!(stem("accueillir"), stem("accueille"));
        assert_eq!(stem("assurer"), stem("garantir"));
        assert_ne!(stem("cardiologie"), stem("orthopedie"));
    }
}
