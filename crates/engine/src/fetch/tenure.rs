//! [`Tenure`]: until when this process may ask a host that it shares with others.

use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// How long a host's lease lasts, as far as this process knows. It goes by the machine's own clock, which also goes on while
/// the process is stopped: so one that stood still asks nobody any more.
#[derive(Debug)]
pub(crate) struct Tenure(Mutex<Instant>);

impl Tenure {
    pub(crate) fn until(until: Instant) -> Self {
        Self(Mutex::new(until))
    }

    /// The lease was prolonged.
    pub(crate) fn prolong(&self, until: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    pub(crate) fn ends(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
