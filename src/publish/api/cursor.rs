//! Opaque cursors: sealed, and bound to the question that they continue.

use crate::{
    model::VacancyId,
    publish::{
        consumers::Part,
        index::{Key, Mark},
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

const SEAL: usize = 12;
const PAGE: u8 = b'p';
const CHANGES: u8 = b'c';

/// Why a cursor was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not one of ours: cut, altered or invented.
    Forged,
    /// Ours, but for another filter or order.
    OtherQuestion,
}

impl Refused {
    pub fn message(self) -> &'static str {
        match self {
            Self::Forged => "this is no cursor of this hub: use `next_cursor` as it was given",
            Self::OtherQuestion => {
                "this cursor belongs to another filter or order: repeat the parameters of the first page, or begin without a cursor"
            }
        }
    }
}

/// Makes and reads the cursors of one hub.
pub struct Codec {
    key: [u8; 32],
}

impl Codec {
    pub fn new(words: &str) -> Self {
        Self {
            key: blake3::derive_key("passerelle cursor 2026-11", words.as_bytes()),
        }
    }

    /// The cursor of the page after `mark`, for the question with this fingerprint.
    pub fn page(&self, question: u64, mark: &Mark) -> String {
        let mut bytes = vec![PAGE];
        bytes.extend(question.to_be_bytes());
        bytes.extend(mark.id.0.as_bytes());
        match &mark.key {
            Key::Number(number) => {
                bytes.push(b'n');
                bytes.extend(number.to_be_bytes());
            }
            Key::Text(text) => {
                bytes.push(b't');
                bytes.extend(text.as_bytes());
            }
        }
        self.seal(bytes)
    }

    pub fn read_page(&self, text: &str, question: u64) -> Result<Mark, Refused> {
        let bytes = self.open(text)?;
        let [PAGE, rest @ ..] = bytes.as_slice() else {
            return Err(Refused::Forged);
        };
        let (asked, rest) = rest.split_first_chunk::<8>().ok_or(Refused::Forged)?;
        let (id, rest) = rest.split_first_chunk::<16>().ok_or(Refused::Forged)?;
        if u64::from_be_bytes(*asked) != question {
            return Err(Refused::OtherQuestion);
        }
        let key = match rest {
            [b'n', number @ ..] => Key::Number(i64::from_be_bytes(
                number.try_into().map_err(|_| Refused::Forged)?,
            )),
            [b't', text @ ..] => {
                Key::Text(String::from_utf8(text.to_vec()).map_err(|_| Refused::Forged)?)
            }
            _ => return Err(Refused::Forged),
        };
        Ok(Mark {
            key,
            id: VacancyId(Uuid::from_bytes(*id)),
        })
    }

    /// The cursor behind change number `seq`, for a reader of `part` of the offers.
    pub fn changes(&self, seq: u64, part: Part) -> String {
        let mut bytes = vec![CHANGES];
        bytes.extend(seq.to_be_bytes());
        if part != Part::WHOLE {
            bytes.extend(part.0.to_be_bytes());
        }
        self.seal(bytes)
    }

    /// The number behind which a reader goes on, and the part of the offers that it read until there.
    pub fn read_changes(&self, text: &str) -> Result<(u64, Part), Refused> {
        let bytes = self.open(text)?;
        let rest = match bytes.as_slice() {
            [CHANGES, rest @ ..] => rest,
            [PAGE, ..] => return Err(Refused::OtherQuestion),
            _ => return Err(Refused::Forged),
        };
        let number = |bytes: &[u8]| bytes.try_into().map(u64::from_be_bytes);
        let (seq, part) = rest.split_at_checked(8).ok_or(Refused::Forged)?;
        let part = match part {
            [] => Ok(Part::WHOLE),
            part => number(part).map(Part),
        };
        let seq = number(seq).map_err(|_| Refused::Forged)?;
        Ok((seq, part.map_err(|_| Refused::Forged)?))
    }

    fn seal(&self, mut bytes: Vec<u8>) -> String {
        let seal = blake3::keyed_hash(&self.key, &bytes);
        bytes.extend(&seal.as_bytes()[..SEAL]);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn open(&self, text: &str) -> Result<Vec<u8>, Refused> {
        let mut bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Refused::Forged)?;
        let at = bytes.len().checked_sub(SEAL).ok_or(Refused::Forged)?;
        let seal = bytes.split_off(at);
        // Equality of blake3 hashes is checked in constant time; of a prefix it need not be, since
        // a cursor guards nothing but its own integrity.
        if blake3::keyed_hash(&self.key, &bytes).as_bytes()[..SEAL] == seal {
            Ok(bytes)
        } else {
            Err(Refused::Forged)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mark() -> impl Strategy<Value = Mark> {
        let key = prop_oneof![
            any::<i64>().prop_map(Key::Number),
            any::<String>().prop_map(Key::Text)
        ];
        (key, any::<u128>()).prop_map(|(key, id)| Mark {
            key,
            id: VacancyId(Uuid::from_u128(id)),
        })
    }

    proptest! {
        #[test]
        fn a_cursor_comes_back(question: u64, mark in mark()) {
            let codec = Codec::new("here");
            let text = codec.page(question, &mark);
            prop_assert_eq!(codec.read_page(&text, question), Ok(mark));
            prop_assert_eq!(codec.read_page(&text, question ^ 1), Err(Refused::OtherQuestion));
            prop_assert_eq!(codec.read_changes(&text), Err(Refused::OtherQuestion));
            prop_assert_eq!(Codec::new("there").read_page(&text, question), Err(Refused::Forged));
        }

        #[test]
        fn whatever_else_is_refused(text in ".{0,80}", seq: u64, part: u64, at: usize, flip in 1u8..) {
            let codec = Codec::new("here");
            prop_assert_eq!(codec.read_changes(&text), Err(Refused::Forged));
            let good = codec.changes(seq, Part(part));
            prop_assert_eq!(codec.read_changes(&good), Ok((seq, Part(part))));
            let mut bytes = URL_SAFE_NO_PAD.decode(&good).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            prop_assert_eq!(codec.read_changes(&URL_SAFE_NO_PAD.encode(bytes)), Err(Refused::Forged));
        }
    }
}
