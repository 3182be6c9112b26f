//! Imports that were begun and not finished, as seen by whoever writes feeds.

use feedspine_core::{FeedId, StorageBackend};

use super::OpError;

/// Refuses while an import is unfinished: it goes on from what it wrote of the control plane, and from nothing else. The
/// control plane itself stays open, for the import.
pub(crate) async fn refuse_unfinished_import(storage: &dyn StorageBackend) -> Result<(), OpError> {
    // Whatever is asked is refused then; nobody's cursor is the least to ask for.
    storage.cursor(FeedId::from_u128(0)).await?;
    Ok(())
}
