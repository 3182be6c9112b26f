//! The bodies that a fetch brings are kept.

use super::{Basis, Journey};
use crate::adapters::RawBody;
use crate::archive::{Keep, Keeping, KeptBody, Packed, Past, ReadyBody};
use crate::collect::cursor::Source;

impl Journey<'_> {
    /// Keeps a body before its items are stored; what is to be told of it. A body that cannot be kept is in no item's way.
    pub(super) async fn keep(&mut self, basis: &Basis, body: RawBody) -> Option<String> {
        match self.pack(basis, body, Past::Perhaps).await {
            Ok(Some(ready)) => self.keep_packed(ready).await,
            Ok(None) => None,
            Err(why) => Some(why),
        }
    }

    /// Packs a body; `None` where none is kept, `Err` with what is to be told of one that cannot be.
    pub(super) async fn pack(&self, basis: &Basis, body: RawBody, past: Past) -> Result<Option<ReadyBody>, String> {
        let RawBody { first_ordinal, last_ordinal, source: Source { url, content_type }, headers, bytes } = body;
        let (observed_at, http_status) = (basis.observed_at, self.figures.http_status);
        let body =
            KeptBody { first_ordinal, last_ordinal, observed_at, url, content_type, http_status, headers, bytes };
        match self.engine.archive().pack(self.keeps(), self.feed.id, self.fetch, body, past).await {
            Ok(Packed::Ready(ready)) => Ok(Some(*ready)),
            Ok(Packed::Off) => Ok(None),
            Ok(Packed::TooLarge(bytes)) => Err(unkept(&too_large(bytes))),
            Err(error) => Err(unkept(&error.to_string())),
        }
    }

    pub(super) async fn keep_packed(&mut self, ready: ReadyBody) -> Option<String> {
        match self.engine.archive().keep_packed(self.keeps(), ready).await {
            Ok(Keeping::Kept(hash)) => {
                self.captured.add(hash);
                None
            }
            Ok(Keeping::Off) => None,
            Ok(Keeping::TooLarge(bytes)) => Some(unkept(&too_large(bytes))),
            Err(error) => Some(unkept(&error.to_string())),
        }
    }

    fn keeps(&self) -> Keep {
        self.engine.settings().keep_of(&self.feed.name)
    }
}

fn too_large(bytes: u64) -> String {
    format!("packed it has {bytes} bytes, more than are kept for a feed")
}

fn unkept(why: &str) -> String {
    format!("archive.unwritten: what was fetched cannot be read again: {why}")
}
