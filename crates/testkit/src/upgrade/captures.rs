//! The same for stores that keep no control plane: what is captured, alone.

use feedspine_core::{Result, StorageBackend};

use super::{Held, sample};
use crate::Verdict;

/// Writes a small store, as [`upgrade::write`](super::write) does.
///
/// # Errors
/// What a call fails with.
pub async fn write(store: &impl StorageBackend) -> Result<()> {
    sample::captures(store).await
}

/// All that the contract lets one read of such a store, as text.
///
/// # Errors
/// What reading fails with.
pub async fn dump(store: &impl StorageBackend) -> Verdict<String> {
    Held { captures: store, state: None }.dump().await
}

/// Finds what the dump says, and goes on, as [`upgrade::check`](super::check) does.
///
/// # Errors
/// What is not as it was, or does not go on.
pub async fn check(store: &impl StorageBackend, written: &str) -> Verdict {
    Held { captures: store, state: None }.check(written).await
}
