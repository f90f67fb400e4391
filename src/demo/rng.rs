//! A small seeded generator: the demo must say the same on every machine, for ever.

/// SplitMix64. Not for secrets.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A stream of its own for each `key`: adding an opening disturbs no other.
    pub fn of(key: &str) -> Self {
        let hash = blake3::hash(key.as_bytes());
        let mut seed = [0; 8];
        seed.copy_from_slice(&hash.as_bytes()[..8]);
        Self(u64::from_le_bytes(seed))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or(0)
    }

    /// `count` items of `from`, in their own order.
    pub fn some<'a, T>(&mut self, from: &'a [T], count: usize) -> Vec<&'a T> {
        let mut left = count.min(from.len());
        let mut chosen = Vec::with_capacity(left);
        for (index, item) in from.iter().enumerate() {
            if self.below(from.len() - index) < left {
                chosen.push(item);
                left -= 1;
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_fixed_for_life() {
        let mut rng = Rng::of("demo");
        let first = (rng.below(1000), rng.below(1000), rng.below(1000));
        let mut again = Rng::of("demo");
        assert_eq!(
            first,
            (again.below(1000), again.below(1000), again.below(1000))
        );
    }

    #[test]
    fn some_keeps_order_and_count() {
        let items: Vec<u32> = (0..9).collect();
        for seed in 0..50 {
            let chosen = Rng::of(&seed.to_string()).some(&items, 4);
            assert_eq!(chosen.len(), 4);
            assert!(chosen.is_sorted());
        }
    }
}
