//! Captures when a store is copied or exported.

use std::num::NonZeroUsize;

use super::CopyError;
use crate::archive::{Archive, Keeping};
use crate::ops::StoreCare;
use crate::{Keep, OpError};

/// So many are looked up at once.
const STEP: NonZeroUsize = NonZeroUsize::new(500).expect("it is not 0");

impl StoreCare {
    /// How many captures the store keeps; exports leave them out.
    ///
    /// # Errors
    /// What the store says.
    pub async fn captures(&self) -> Result<u64, OpError> {
        let Some(store) = self.state().captures() else { return Ok(0) };
        Ok(store.capture_figures().await?.feeds.iter().map(|of| of.captures).sum())
    }

    /// Copies all captures to another store, which may hold some of them: a copy that was interrupted goes on. Each body is
    /// unpacked, compared with its hash, and packed anew. How many captures there are.
    ///
    /// # Errors
    /// What either store says; `To` where the other keeps none.
    pub async fn copy_captures_to(&self, other: &Self) -> Result<u64, CopyError> {
        let (from, to) = (Archive::of(self.shared_state()), Archive::of(other.shared_state()));
        let Some(store) = from.store() else { return Ok(0) };
        let figures = store.capture_figures().await.map_err(|error| CopyError::From(error.into()))?;
        let mut copied = 0;
        for feed in figures.feeds.into_iter().map(|of| of.feed) {
            let mut after = None;
            loop {
                let names = from.captures(feed, after, STEP).await.map_err(CopyError::From)?;
                let Some(last) = names.last() else { break };
                after = Some(*last);
                for name in names {
                    // What is forgotten meanwhile is no part of the copy.
                    let Some(body) = from.body(name).await.map_err(CopyError::From)? else { continue };
                    match to.keep(Keep::All, feed, name.fetch, body).await.map_err(CopyError::To)? {
                        Keeping::Kept(_) => copied += 1,
                        Keeping::Off | Keeping::TooLarge(_) => return Err(CopyError::To(keeps_none())),
                    }
                }
            }
        }
        Ok(copied)
    }
}

fn keeps_none() -> OpError {
    OpError::failed("copy.captures", "it keeps no bytes that fetches brought, and the other store has some")
        .with_hint("all else is copied; the captures stay where they are")
}
