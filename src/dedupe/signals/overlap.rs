//! Two texts laid over each other, by the rarity of what they share.

use super::{containment, rare, resemblance, substitution};
use crate::dedupe::statistics::{RARE, Table};
use crate::dedupe::text::{Sketch, shared};

/// How much of two texts is the same.
#[derive(Default)]
pub(super) struct Overlap {
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
    /// Of two sketches by the `table` that knows their numbers.
    pub(super) fn of(a: &Sketch, b: &Sketch, table: &Table) -> Self {
        let limit = a.limit.min(b.limit);
        let (a_rare, a_known, a_bits) = a.below(limit, table);
        let (b_rare, b_known, b_bits) = b.below(limit, table);
        let rare = |count: usize| count as u32 * u32::from(RARE);
        let common_rare = in_both(a_rare, b_rare);
        let common_bits = known_by_both(a_known, b_known, table);
        Self {
            a: a_rare.len() + a_known.len(),
            b: b_rare.len() + b_known.len(),
            common_bits: rare(common_rare) + common_bits,
            a_bits: rare(a_rare.len()) + a_bits,
            b_bits: rare(b_rare.len()) + b_bits,
            common_rare,
            a_rare: a_rare.len(),
            b_rare: b_rare.len(),
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

/// How many values are compared with as many others at a time: a vector of the processor's.
const AT_ONCE: usize = 8;

/// How many values two sorted, distinct lists share.
fn in_both(mut a: &[u32], mut b: &[u32]) -> usize {
    let mut count = 0;
    while let (Some(x), Some(y)) = (a.first_chunk::<AT_ONCE>(), b.first_chunk::<AT_ONCE>()) {
        let mut hits = [0_u32; AT_ONCE];
        for y in y {
            for (hit, x) in hits.iter_mut().zip(x) {
                *hit |= u32::from(x == y);
            }
        }
        count += hits.iter().sum::<u32>() as usize;
        // What ends first has met all that it can meet.
        let (x, y) = (x[AT_ONCE - 1], y[AT_ONCE - 1]);
        a = &a[AT_ONCE * usize::from(x <= y)..];
        b = &b[AT_ONCE * usize::from(y <= x)..];
    }
    count + shared(a, b)
}

/// Bits of the numbers that two sorted, distinct lists share.
fn known_by_both(mut a: &[u16], mut b: &[u16], table: &Table) -> u32 {
    let mut bits = 0;
    while let (Some(x), Some(y)) = (a.first_chunk::<AT_ONCE>(), b.first_chunk::<AT_ONCE>()) {
        let mut hits = [0_u16; AT_ONCE];
        for y in y {
            for (hit, x) in hits.iter_mut().zip(x) {
                *hit |= u16::from(x == y);
            }
        }
        let found = hits.iter().zip(x);
        bits += found
            .map(|(hit, x)| u32::from(*hit) * u32::from(table.rarity(*x)))
            .sum::<u32>();
        let (x, y) = (x[AT_ONCE - 1], y[AT_ONCE - 1]);
        a = &a[AT_ONCE * usize::from(x <= y)..];
        b = &b[AT_ONCE * usize::from(y <= x)..];
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        let (x, y) = (a[i], b[j]);
        bits += u32::from(table.rarity(x)) * u32::from(x == y);
        i += usize::from(x <= y);
        j += usize::from(y <= x);
    }
    bits
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dedupe::statistics::STATISTICS;
    use crate::dedupe::text::distinct;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn lists_are_laid_over_each_other_value_by_value(
            a in prop::collection::vec(0..120_u16, 0..90),
            b in prop::collection::vec(0..120_u16, 0..90),
        ) {
            let (a, b) = (distinct(a), distinct(b));
            let of_b: BTreeSet<u16> = b.iter().copied().collect();
            let both: Vec<u16> = a.iter().copied().filter(|x| of_b.contains(x)).collect();
            let wide = |list: &[u16]| list.iter().map(|x| u32::from(*x)).collect::<Vec<_>>();
            prop_assert_eq!(in_both(&wide(&a), &wide(&b)), both.len());
            let table = &STATISTICS.words;
            prop_assert_eq!(known_by_both(&a, &b, table), table.bits(&both));
        }
    }
}
