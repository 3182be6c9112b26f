//! [`Captures`]: the bodies that are kept of a feed, fetch by fetch.

use std::collections::VecDeque;
use std::num::NonZeroUsize;

use feedspine_core::FeedId;

use crate::archive::BodyName;
use crate::{Engine, OpError};

/// So many bodies are listed at once.
const LISTED: NonZeroUsize = NonZeroUsize::new(1_000).expect("it is not 0");

/// A walk through them, the oldest fetch first.
pub(in crate::ops) struct Captures<'a> {
    engine: &'a Engine,
    feed: FeedId,
    listed: VecDeque<BodyName>,
    last: Option<BodyName>,
    ended: bool,
}

impl<'a> Captures<'a> {
    pub(in crate::ops) fn of(engine: &'a Engine, feed: FeedId) -> Self {
        Self { engine, feed, listed: VecDeque::new(), last: None, ended: false }
    }

    /// The bodies of the next fetch, at least one; `None` after the last.
    pub(in crate::ops) async fn next_fetch(&mut self) -> Result<Option<Vec<BodyName>>, OpError> {
        let mut bodies: Vec<BodyName> = Vec::new();
        loop {
            while let Some(name) =
                self.listed.pop_front_if(|name| bodies.last().is_none_or(|it| it.fetch == name.fetch))
            {
                bodies.push(name);
            }
            if !self.listed.is_empty() || self.ended {
                return Ok(Some(bodies).filter(|bodies| !bodies.is_empty()));
            }
            let further = self.engine.archive().captures(self.feed, self.last, LISTED).await?;
            self.ended = further.is_empty();
            self.last = further.last().copied().or(self.last);
            self.listed.extend(further);
        }
    }
}
