//! Captures when a store is copied, exported or verified.

use std::num::NonZeroUsize;
use std::vec;

use feedspine_core::FeedId;

use super::CopyError;
use crate::archive::{Archive, BodyName, DAMAGED, Keeping};
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
        let mut names = Names::of(&from).await.map_err(CopyError::From)?;
        let mut copied = 0;
        while let Some(name) = names.next().await.map_err(CopyError::From)? {
            // What is forgotten meanwhile is no part of the copy.
            let Some(body) = from.body(name).await.map_err(CopyError::From)? else { continue };
            match to.keep(Keep::All, name.feed, name.fetch, body).await.map_err(CopyError::To)? {
                Keeping::Kept(_) => copied += 1,
                Keeping::Off | Keeping::TooLarge(_) => return Err(CopyError::To(keeps_none())),
            }
        }
        Ok(copied)
    }

    /// Reads the bodies of all captures, and compares them with their hashes: what is wrong, a sentence each.
    pub(super) async fn damaged_captures(&self) -> Result<Vec<String>, OpError> {
        let archive = Archive::of(self.shared_state());
        let mut names = Names::of(&archive).await?;
        let mut faults = Vec::new();
        while let Some(name) = names.next().await? {
            match archive.body(name).await {
                Ok(_) => {}
                Err(error) if error.code() == DAMAGED => {
                    faults.push(format!("feed {}, fetch {}: {}", name.feed, name.fetch, error.message()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(faults)
    }
}

fn keeps_none() -> OpError {
    OpError::failed("copy.captures", "it keeps no bytes that fetches brought, and the other store has some")
        .with_hint("all else is copied; the captures stay where they are")
}

/// The captures of a store, feed by feed, looked up some at a time.
struct Names<'a> {
    archive: &'a Archive,
    feeds: vec::IntoIter<FeedId>,
    found: vec::IntoIter<BodyName>,
    /// The last one that was looked up, of the feed that is looked at.
    last: Option<BodyName>,
}

impl<'a> Names<'a> {
    async fn of(archive: &'a Archive) -> Result<Self, OpError> {
        let feeds = match archive.store() {
            Some(store) => store.capture_figures().await?.feeds,
            None => Vec::new(),
        };
        let feeds: Vec<FeedId> = feeds.into_iter().map(|of| of.feed).collect();
        Ok(Self { archive, feeds: feeds.into_iter(), found: Vec::new().into_iter(), last: None })
    }

    async fn next(&mut self) -> Result<Option<BodyName>, OpError> {
        loop {
            if let Some(name) = self.found.next() {
                return Ok(Some(name));
            }
            let feed = match self.last {
                Some(last) => Some(last.feed),
                None => self.feeds.next(),
            };
            let Some(feed) = feed else { return Ok(None) };
            let found = self.archive.captures(feed, self.last, STEP).await?;
            self.last = found.last().copied();
            self.found = found.into_iter();
        }
    }
}
