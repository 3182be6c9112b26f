//! The weekly check of a server's 304s.

use feedspine_core::Timestamp;

use super::Journey;
use crate::collect::honesty::{Checked, Lies};
use crate::fetch::{Request, Validators};

/// What a feed was asked without, to see whether the server would have answered it truly.
pub(super) struct Doubt<'a> {
    /// As the feed was asked.
    pub(super) request: Request<'a>,
    /// What the server told of the document that is held.
    pub(super) validators: Validators,
}

/// Whether a document has the bytes of the one that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bytes {
    Same,
    Others,
}

impl Journey<'_> {
    /// Notes what a document shows of the server's 304s; a warning when they are lies. Of another document the server is
    /// asked once more; no answer is no proof.
    pub(super) async fn check(&mut self, doubt: Doubt<'_>, bytes: Bytes, at: Timestamp) -> Option<String> {
        let checked = match bytes {
            Bytes::Same => Checked::Same,
            Bytes::Others => {
                let request = Request { validators: Some(&doubt.validators), ..doubt.request };
                let again = self.engine.fetcher().fetch(request).await.ok()?;
                if again.body.is_none() { Checked::Stale } else { Checked::Changed }
            }
        };
        self.checked = Some(checked);
        self.lies = Lies::after(self.lies.take(), checked, at);
        self.lies.as_ref().filter(|_| checked == Checked::Stale).map(Lies::warning)
    }
}
