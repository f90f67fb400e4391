//! Text as dedupe sees it: folded words, stems and three-word shingles.
//!
//! Hashes made here are stored as blocking keys: their definition is fixed for life of a rules
//! version, so nothing of `std::hash` is used.

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

/// Hashes of three stems in a row, in the order of the text.
pub fn shingles(words: &Words) -> Vec<u32> {
    let mut window = [0_u64; 3];
    let mut seen = 0;
    let mut shingles = Vec::with_capacity(words.len());
    for word in words.iter().filter(|w| w.len() > 1) {
        window = [window[1], window[2], stem(word)];
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
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                count += 1;
                i += 1;
                j += 1;
            }
        }
    }
    count
}

/// The smallest hashes of a set, each with its rarity; two sketches are comparable below the
/// smaller limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sketch {
    /// Sorted.
    pub values: Vec<u32>,
    /// Rarity of each, in bits.
    pub rarities: Vec<u8>,
    /// The largest hash that it would hold.
    pub limit: u32,
}

impl Sketch {
    /// Of `values` the `keep` smallest.
    pub fn of(values: Vec<u32>, keep: usize, rarity: impl Fn(u32) -> u8) -> Self {
        let mut values = distinct(values);
        let mut limit = u32::MAX;
        if values.len() > keep {
            values.truncate(keep);
            limit = values.last().copied().unwrap_or(limit);
        }
        values.shrink_to_fit();
        Self {
            rarities: values.iter().map(|v| rarity(*v)).collect(),
            values,
            limit,
        }
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
