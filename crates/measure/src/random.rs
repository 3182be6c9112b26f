//! A small seeded generator: the same work on every run and machine.

/// Steele, Lea and Flood's `SplitMix64` (2014): tiny, fast and good enough to shuffle with.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator that gives the same numbers for the same seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).expect("a length fits 64 bits");
        usize::try_from(self.bits() % bound).expect("smaller than a length")
    }

    /// Puts a list into another order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last + 1));
        }
    }

    /// Prose of about `bytes` bytes, with a full stop now and then.
    pub fn prose(&mut self, bytes: usize) -> String {
        const WORDS: [&str; 24] = [
            "river", "ledger", "a", "the", "of", "harvest", "quiet", "signal", "copper", "and", "window", "report",
            "seven", "to", "winter", "market", "in", "bridge", "lantern", "under", "café", "naïve", "orbit", "measure",
        ];
        let mut text = String::with_capacity(bytes + 16);
        while text.len() < bytes {
            text.push_str(WORDS[self.below(WORDS.len())]);
            text.push_str(if self.below(12) == 0 { ". " } else { " " });
        }
        text.truncate(text.trim_end().len());
        text
    }
}
