//! Two texts laid over each other, by the rarity of what they share.

use super::{containment, rare, resemblance, substitution};
use crate::dedupe::statistics::RARE;
use crate::dedupe::text::Sketch;

/// How much of two texts is the same.
#[derive(Default)]
pub(super) struct Overlap {
    common: usize,
    a: usize,
    b: usize,
    /// Bits of rarity in common, and on either side alone.
    common_bits: u32,
    a_bits: u32,
    b_bits: u32,
    /// Among what the snapshot does not know.
    common_rare: usize,
    a_rare: usize,
    b_rare: usize,
}

impl Overlap {
    pub(super) fn of(a: &Sketch, b: &Sketch) -> Self {
        let mut overlap = Self::default();
        let limit = a.limit.min(b.limit);
        let (mut i, mut j) = (0, 0);
        loop {
            let x = a.values.get(i).copied().filter(|v| *v <= limit);
            let y = b.values.get(j).copied().filter(|v| *v <= limit);
            let (in_a, in_b) = match (x, y) {
                (None, None) => return overlap,
                (Some(x), Some(y)) => (x <= y, y <= x),
                (x, _) => (x.is_some(), x.is_none()),
            };
            let bits = if in_a {
                a.rarities.get(i)
            } else {
                b.rarities.get(j)
            };
            let bits = bits.copied().unwrap_or(0);
            let rare = usize::from(bits >= RARE);
            let bits = u32::from(bits);
            if in_a {
                i += 1;
                overlap.a += 1;
                overlap.a_bits += bits;
                overlap.a_rare += rare;
            }
            if in_b {
                j += 1;
                overlap.b += 1;
                overlap.b_bits += bits;
                overlap.b_rare += rare;
            }
            if in_a && in_b {
                overlap.common += 1;
                overlap.common_bits += bits;
                overlap.common_rare += rare;
            }
        }
    }

    fn is_poor(&self) -> bool {
        self.a.min(self.b) < 12
    }

    pub(super) fn containment(&self) -> u8 {
        if self.is_poor() {
            return containment::empty;
        }
        step(self.common_bits as usize * 100 / self.a_bits.min(self.b_bits).max(1) as usize)
    }

    pub(super) fn resemblance(&self) -> u8 {
        if self.is_poor() {
            return resemblance::empty;
        }
        let all = self.a_bits + self.b_bits - self.common_bits;
        step(self.common_bits as usize * 100 / all.max(1) as usize)
    }

    /// Containment among what only few ads say.
    pub(super) fn rare(&self) -> u8 {
        let least = self.a_rare.min(self.b_rare);
        if least < 6 {
            return rare::empty;
        }
        step(self.common_rare * 100 / least)
    }

    /// Bits of rarity that only one side has, counted on the side that has less: a truncated or
    /// wrapped text has none on one side; a sibling that swaps its service or town has some on
    /// both.
    pub(super) fn substitution(&self) -> u8 {
        if self.is_poor() {
            return substitution::empty;
        }
        match self.a_bits.min(self.b_bits) - self.common_bits {
            0 => substitution::none,
            1..6 => substitution::s1,
            6..13 => substitution::s2,
            13..25 => substitution::s4,
            25..50 => substitution::s8,
            50..100 => substitution::s16,
            100..200 => substitution::s32,
            200..400 => substitution::s64,
            _ => substitution::s128,
        }
    }
}

/// Per cent → level of containment or resemblance.
fn step(share: usize) -> u8 {
    match share {
        0..90 => 1 + (share / 10) as u8,
        90..97 => 10,
        97..100 => 11,
        _ => 12,
    }
}
