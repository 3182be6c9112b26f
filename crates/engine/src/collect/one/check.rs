//! The weekly check of a server's 304s.

use feedspine_core::{ContentHash, Timestamp};

use super::Journey;
use crate::collect::document;
use crate::collect::honesty::{Checked, Lies};
use crate::fetch::{Received, Request, Validators};

/// What a feed was asked without, to see whether the server would have answered it truly.
pub(super) struct Doubt<'a> {
    /// As the feed was asked.
    pub(super) request: Request<'a>,
    /// What the server told of the document that is held.
    pub(super) validators: Validators,
    /// The hash of that document's bytes.
    pub(super) held: ContentHash,
}

impl Journey<'_> {
    /// Notes what a document shows of the server's 304s; a warning when they are lies. Of another document the server is
    /// asked once more; no answer is no proof, and neither is a body that cannot be decoded.
    pub(super) async fn check(&mut self, doubt: Doubt<'_>, received: &Received, at: Timestamp) -> Option<String> {
        let checked =
            if self.hash_of(received).await? == doubt.held { Checked::Same } else { self.ask(&doubt).await? };
        self.checked = Some(checked);
        self.lies = Lies::after(self.lies.take(), checked, at);
        self.lies.as_ref().filter(|_| checked == Checked::Stale).map(Lies::warning)
    }

    /// Decoded for this alone: nobody waits for a server with a document in the room that all feeds are read in.
    async fn hash_of(&self, received: &Received) -> Option<ContentHash> {
        let limits = self.engine.settings().limits;
        let most_bytes = received.coding.most_decoded(received.wire.len() as u64, &limits);
        let _room = self.engine.room_for(most_bytes).await;
        document::hash(received.clone(), &self.feed.address, limits).await.ok()
    }

    /// Asks with what was told of the document that is held; `None` when there is no answer.
    async fn ask(&mut self, doubt: &Doubt<'_>) -> Option<Checked> {
        let request = Request { validators: Some(&doubt.validators), ..doubt.request };
        let answer = self.engine.fetcher().fetch(request).await;
        self.figures.wire_bytes += match &answer {
            Ok(fetched) => fetched.body.as_ref().map_or(0, |body| body.wire.len() as u64),
            Err(failure) => failure.wire_bytes,
        };
        Some(if answer.ok()?.body.is_none() { Checked::Stale } else { Checked::Changed })
    }
}
