//! The language of a text, by its commonest words: French, English, German, Spanish, Italian,
//! Portuguese, Dutch. Enough to tell a French ad from one that the law wants translated.

use super::super::tables::Map;
use std::sync::LazyLock;

/// Words that are frequent in one language and rare or absent in the others.
const WORDS: [(&str, &str); 7] = [
    (
        "fr",
        "le la les des du une et est dans pour vous nous avec sur par au aux votre vos ce cette qui \
         que notre nos ou sont etre plus sein poste assurer",
    ),
    (
        "en",
        "the of and to in for with you our your we are is be will that this have on as by from or \
         an at",
    ),
    (
        "de",
        "der die das und ist mit fur sie wir ein eine den dem auf zu im nicht werden oder bei",
    ),
    (
        "es",
        "el los las y con para por una del se que su nuestro como mas es trabajo",
    ),
    (
        "it",
        "il gli di che per con una del della nel sono alla dei delle anche lavoro",
    ),
    (
        "pt",
        "o os as e em para com uma do da no na que voce nosso trabalho",
    ),
    (
        "nl",
        "het een van en voor met je wij zijn op de te bij aan ons niet",
    ),
];
/// Each word with the set of its languages, as bits in the order of [`WORDS`].
static INDEX: LazyLock<Map<&'static str, u8>> = LazyLock::new(|| {
    let mut index = Map::default();
    for (bit, (_, words)) in WORDS.iter().enumerate() {
        for word in words.split_ascii_whitespace() {
            *index.entry(word).or_insert(0) |= 1 << bit;
        }
    }
    index
});

/// Words read; more changes nothing.
const READ: usize = 400;
/// Fewer words than this say nothing sure.
const LEAST: usize = 12;

/// ISO 639-1 of a folded text and how sure that is; `None` for too little text or no clear winner.
pub fn language(folded: &str) -> Option<(&'static str, f64)> {
    let mut counts = [0_u32; WORDS.len()];
    let mut total = 0_usize;
    let words = folded
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty());
    for word in words.take(READ) {
        total += 1;
        let languages = INDEX.get(word).copied().unwrap_or(0);
        for (bit, count) in counts.iter_mut().enumerate() {
            *count += u32::from(languages >> bit & 1);
        }
    }
    if total < LEAST {
        return None;
    }
    let (best, &most) = counts.iter().enumerate().max_by_key(|(_, count)| **count)?;
    let second = counts
        .iter()
        .enumerate()
        .filter(|(index, _)| *index != best)
        .map(|(_, count)| *count)
        .max()
        .unwrap_or(0);
    if most < 3 || most < second + second / 4 + 1 {
        return None;
    }
    let sure = if most >= 8 && most >= 2 * second {
        0.98
    } else {
        0.85
    };
    Some((WORDS[best].0, sure))
}
