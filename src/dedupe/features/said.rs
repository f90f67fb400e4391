//! What an ad says in its text alone: references, duration, hours, pay, start, time.

use crate::dedupe::text::{self, Words, distinct};

/// A reference without case and separators; 0 when it is too poor to identify anything.
pub(in crate::dedupe) fn reference(text: &str) -> u64 {
    let squeezed: String = text
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .collect();
    if squeezed.len() < 3 || squeezed.bytes().all(|b| b == b'0') {
        0
    } else {
        text::hash(squeezed.as_bytes())
    }
}

/// What looks like a reference: a run of letters, digits and separators that follows "référence",
/// or that mixes letters with at least four digits.
pub(super) fn references(body: &str) -> Vec<u64> {
    let mut found = Vec::new();
    let mut announced = 0;
    for run in body.split(|c: char| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '/'))) {
        let run = run.trim_matches(['-', '_', '/']);
        if run.is_empty() {
            continue;
        }
        let digits = run.bytes().filter(u8::is_ascii_digit).count();
        let letters = run.bytes().any(|b| b.is_ascii_uppercase());
        let plain = run.is_ascii() && (4..=32).contains(&run.len());
        if plain && (digits >= 3 && announced > 0 || digits >= 4 && letters) {
            found.push(reference(run));
        }
        let mut letters = run.chars();
        let head = [letters.next(), letters.next(), letters.next()];
        if let [
            Some('r' | 'R'),
            Some('e' | 'E' | 'é' | 'É'),
            Some('f' | 'F'),
        ] = head
        {
            let word = Words::of(run);
            if matches!(word.get(0), Some("ref" | "reference" | "references")) {
                announced = 4;
                continue;
            }
        }
        announced = i32::max(announced - 1, 0);
    }
    let mut found = distinct(found);
    found.truncate(16);
    found
}

/// "CDD de 8 mois", "mission de 6 mois": a number of months near the word of a contract.
pub(super) fn duration_in(words: &Words) -> Option<u32> {
    let mut contract = None;
    for (at, word) in words.iter().enumerate() {
        match word {
            "cdd" | "contrat" | "mission" | "vacation" | "mis" | "interim" | "duree" => {
                contract = Some(at)
            }
            "mois" => {
                let number = at.checked_sub(1).and_then(|i| words.get(i))?.parse::<u32>();
                let near = contract.is_some_and(|c| at - c <= 4);
                if near
                    && let Ok(number) = number
                    && (1..=60).contains(&number)
                {
                    return Some(number * 10);
                }
            }
            _ => {}
        }
    }
    None
}

/// "19h-7h", "7h30", "en 12 heures": minutes of the day, lengths beyond them.
pub(super) fn hours_in(words: &Words) -> Vec<u64> {
    let mut found = Vec::new();
    let mut previous = "";
    for word in words.iter() {
        if matches!(word, "heures" | "heure") {
            if let Ok(length @ 6..=24) = previous.parse::<u64>() {
                found.push(10_000 + length);
            }
        } else if word.starts_with(|c: char| c.is_ascii_digit())
            && let Some((hours, minutes)) = word.split_once('h')
            && let Ok(hours @ 0..=24) = hours.parse::<u64>()
            && let Ok(minutes @ 0..60) = if minutes.is_empty() {
                Ok(0)
            } else {
                minutes.parse::<u64>()
            }
        {
            found.push(hours * 60 + minutes);
        }
        previous = word;
    }
    found
}

/// A monthly amount announced as pay.
pub(super) fn pay_in(words: &Words) -> Option<(i64, i64)> {
    let mut announced = None;
    for (at, word) in words.iter().enumerate() {
        if matches!(word, "salaire" | "remuneration") {
            announced = Some(at);
        } else if announced.is_some_and(|a| at - a <= 6)
            && let Ok(amount) = word.parse::<i64>()
            && (1_000..20_000).contains(&amount)
        {
            return Some((amount, amount));
        }
    }
    None
}

/// What follows "prise de poste": "dès que possible", "le 1er septembre".
pub(super) fn start_in(words: &Words) -> u64 {
    for at in 0..words.len().saturating_sub(3) {
        if words.get(at) == Some("prise")
            && matches!(
                words.get(at + 2),
                Some("poste" | "fonction" | "fonctions" | "emploi")
            )
        {
            let sentence = words.sentence(at);
            let said: Vec<u64> = (at + 3..at + 7)
                .filter(|i| words.sentence(*i) == sentence)
                .filter_map(|i| words.get(i))
                .filter(|w| {
                    !matches!(
                        *w,
                        "le" | "au" | "a" | "en" | "du" | "partir" | "prevue" | "souhaitee"
                    )
                })
                .take(2)
                .map(|w| text::hash(w.as_bytes()))
                .collect();
            if !said.is_empty() {
                return text::combine(&said);
            }
        }
    }
    0
}

/// Part time or full time as the text says, and the share in per cent.
pub(super) fn time_in(words: &Words) -> (Option<bool>, Option<u32>) {
    let mut last = ("", "");
    let mut part = None;
    for (at, word) in words.iter().enumerate() {
        let found = match (last.1, word) {
            ("temps", "partiel") | ("mi", "temps") => Some(true),
            ("temps", "plein" | "complet") => Some(false),
            _ => None,
        };
        if let Some(found) = found {
            if part == Some(!found) {
                // Both: the text leaves it open.
                return (None, None);
            }
            part = Some(found);
            if found
                && let Some(Ok(share)) = words.get(at + 1).map(str::parse::<u32>)
                && (10..100).contains(&share)
            {
                return (part, Some(share));
            }
        }
        last = (last.1, word);
    }
    (part, None)
}
