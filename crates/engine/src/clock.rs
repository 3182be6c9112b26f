//! [`Clock`] and [`Chance`]: where the engine gets the time that is written down, and what nobody can foresee.

use std::fmt::Debug;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use feedspine_core::Timestamp;

/// Tells the time that is stored. Waiting and time limits go by the machine's own monotonic clock.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
        };
        Timestamp::UNIX_EPOCH.saturating_add_micros(micros)
    }
}

/// Gives the random part of ids, which is also what spreads feeds in time.
pub trait Chance: Debug + Send + Sync + 'static {
    /// A number that is like no other.
    fn draw(&self) -> u128;
}

/// The machine's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn draw(&self) -> u128 {
        uuid::Uuid::new_v4().as_u128()
    }
}

/// A clock that stands still until it is told: for tests and the demo.
#[derive(Debug)]
pub struct SimulatedClock {
    micros: AtomicI64,
}

impl SimulatedClock {
    /// Stands at `now`.
    pub const fn at(now: Timestamp) -> Self {
        Self { micros: AtomicI64::new(now.as_micros()) }
    }

    /// Goes on by `by`.
    pub fn advance(&self, by: Duration) {
        self.micros.fetch_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH.saturating_add_micros(self.micros.load(Ordering::SeqCst))
    }
}
