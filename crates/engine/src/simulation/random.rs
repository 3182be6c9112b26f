//! [`Random`]: numbers that follow from a seed (`SplitMix64`).

use std::ops::Range;
use std::sync::Mutex;

use crate::Chance;

#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.number() % (range.end - range.start)
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.within(0..length as u64)).expect("an index")
    }

    pub(super) fn one_in(&mut self, times: u64) -> bool {
        self.within(0..times) == 0
    }
}

/// The random part of a daemon's ids.
#[derive(Debug)]
pub(super) struct Seeded(Mutex<Random>);

impl Seeded {
    pub(super) fn new(seed: u64) -> Self {
        Self(Mutex::new(Random::new(seed)))
    }
}

impl Chance for Seeded {
    fn draw(&self) -> u128 {
        let mut random = self.0.lock().expect("nobody panics in between");
        u128::from(random.number()) << 64 | u128::from(random.number())
    }
}
