//! [`Archive`]: the bodies that fetches brought, kept so that they can be read again.
//!
//! They are kept where feeds and fetches are ([`CaptureStore`]), each once, packed here. A body is kept with its items,
//! or before them: no item is there whose body is not, unless it could not be kept, which is a warning.

mod former;
mod keep;
mod packed;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

pub(crate) use feedspine_core::CaptureName as BodyName;
use feedspine_core::{
    Capture, CaptureStore, ContentHash, ErrorKind, FeedId, FetchId, HeldBody, PackedBody, PageRequest, StateStore,
    Timestamp,
};

use crate::OpError;
pub use keep::Keep;

/// The code of a body that is not what it was.
pub(crate) const DAMAGED: &str = "archive.damaged";

/// Where the bodies are kept that fetches brought.
#[derive(Debug)]
pub(crate) struct Archive {
    state: Arc<dyn StateStore>,
}

/// A body, and what is needed to read it again as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptBody {
    /// The ordinal of its first item.
    pub(crate) first_ordinal: u32,
    /// That of its last one, when it was read first: what lies behind stood in another body.
    pub(crate) last_ordinal: u32,
    /// When the feed was read.
    pub(crate) observed_at: Timestamp,
    /// The URL that answered; `None` for a file.
    pub(crate) url: Option<String>,
    pub(crate) content_type: Option<String>,
    /// `None` where nobody was asked by HTTP.
    pub(crate) http_status: Option<u16>,
    /// The fields of the answer's header that are kept.
    pub(crate) headers: Vec<(String, String)>,
    /// As received, without its content coding.
    pub(crate) bytes: Vec<u8>,
}

/// What came of keeping a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// It is kept under that name.
    Kept(ContentHash),
    /// It is larger than what is kept for a feed; packed it has so many bytes.
    TooLarge(u64),
    /// Nothing is kept.
    Off,
}

/// What came of packing a body.
#[derive(Debug)]
pub(crate) enum Packed {
    /// It can be kept.
    Ready(Box<ReadyBody>),
    /// It is larger than what is kept for a feed; packed it has so many bytes.
    TooLarge(u64),
    /// Nothing is kept.
    Off,
}

/// A body that is packed, and kept nowhere yet.
#[derive(Debug, Clone)]
pub(crate) struct ReadyBody {
    pub(crate) capture: Capture,
    pub(crate) packed: PackedBody,
    /// As it was received: what it was packed against may be forgotten until it is kept.
    pub(crate) bytes: Arc<Vec<u8>>,
}

/// Whether a feed's body may be packed against an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Past {
    /// Where there is one.
    Perhaps,
    /// There is none that would be worth a question: nothing was stored of the feed.
    None,
}

/// What became of a folder of bodies that an earlier program kept beside a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TakenOver {
    /// The bodies that are in the store now.
    pub bodies: u64,
    /// What could not be taken over and stays where it is, and why.
    pub left: Vec<String>,
}

impl Archive {
    /// That of a store of feeds and fetches.
    pub(crate) fn of(state: Arc<dyn StateStore>) -> Self {
        Self { state }
    }

    /// `None` where the store keeps none.
    pub(crate) fn store(&self) -> Option<&dyn CaptureStore> {
        self.state.captures()
    }

    /// Keeps a body, on the disk when this is answered.
    pub(crate) async fn keep(
        &self,
        keep: Keep,
        feed: FeedId,
        fetch: FetchId,
        body: KeptBody,
    ) -> Result<Keeping, OpError> {
        match self.pack(keep, feed, fetch, body, Past::Perhaps).await? {
            Packed::Ready(ready) => self.keep_packed(keep, *ready).await,
            Packed::TooLarge(bytes) => Ok(Keeping::TooLarge(bytes)),
            Packed::Off => Ok(Keeping::Off),
        }
    }

    /// Packs a body, which is kept nowhere yet.
    pub(crate) async fn pack(
        &self,
        keep: Keep,
        feed: FeedId,
        fetch: FetchId,
        body: KeptBody,
        past: Past,
    ) -> Result<Packed, OpError> {
        let Some(store) = self.store().filter(|_| keep != Keep::Nothing) else { return Ok(Packed::Off) };
        let KeptBody { first_ordinal, last_ordinal, observed_at, url, content_type, http_status, headers, bytes } =
            body;
        let base = match past {
            Past::Perhaps => store.newest_base(feed).await?,
            Past::None => None,
        };
        let bytes = Arc::new(bytes);
        let packed = packed_apart(Arc::clone(&bytes), base).await?;
        let size = packed.packed.len() as u64;
        if keep.excess(size) > 0 {
            return Ok(Packed::TooLarge(size));
        }
        let name = BodyName { feed, fetch, first_ordinal };
        let body = packed.hash;
        let capture = Capture { name, last_ordinal, observed_at, url, content_type, http_status, headers, body };
        Ok(Packed::Ready(Box::new(ReadyBody { capture, packed, bytes })))
    }

    /// Keeps a body that was packed, on the disk when this is answered.
    pub(crate) async fn keep_packed(&self, keep: Keep, ready: ReadyBody) -> Result<Keeping, OpError> {
        let Some(store) = self.store() else { return Ok(Keeping::Off) };
        let ReadyBody { capture, packed, bytes } = ready;
        let (hash, is_based) = (packed.hash, packed.packing.base().is_some());
        match store.keep(capture.clone(), packed).await {
            // What it was packed against was forgotten meanwhile: then it is packed by itself.
            Err(error) if is_based && error.kind() == ErrorKind::Conflict => {
                let alone = packed_apart(bytes, None).await?;
                let size = alone.packed.len() as u64;
                if keep.excess(size) > 0 {
                    return Ok(Keeping::TooLarge(size));
                }
                store.keep(capture, alone).await?;
                Ok(Keeping::Kept(hash))
            }
            answer => Ok(answer.map(|()| Keeping::Kept(hash))?),
        }
    }

    /// Which bodies are kept of a feed behind one of them, the oldest fetch first and at most so many: all of them are
    /// walked through page by page.
    pub(crate) async fn captures(
        &self,
        feed: FeedId,
        after: Option<BodyName>,
        most: NonZeroUsize,
    ) -> Result<Vec<BodyName>, OpError> {
        let Some(store) = self.store() else { return Ok(Vec::new()) };
        let page = PageRequest { after: after.map(BodyName::cursor), ..PageRequest::first(most.get()) };
        let found = store.captures_page(feed, &page).await?;
        Ok(found.items.into_iter().map(|held| held.capture.name).collect())
    }

    /// Which bodies are kept of a fetch, by the ordinals of their first items, ascending.
    pub(crate) async fn bodies(&self, feed: FeedId, fetch: FetchId) -> Result<Vec<u32>, OpError> {
        let Some(store) = self.store() else { return Ok(Vec::new()) };
        let captures = store.captures_of(feed, fetch).await?;
        Ok(captures.into_iter().map(|capture| capture.name.first_ordinal).collect())
    }

    /// One of them: they are unpacked one at a time. `None` when it is kept no more.
    pub(crate) async fn body(&self, name: BodyName) -> Result<Option<KeptBody>, OpError> {
        let Some(store) = self.store() else { return Ok(None) };
        let captures = store.captures_of(name.feed, name.fetch).await?;
        let Some(capture) = captures.into_iter().find(|capture| capture.name == name) else { return Ok(None) };
        let Some(held) = store.body(capture.body).await? else { return Ok(None) };
        let hash = capture.body;
        let bytes = blocking(move || packed::unpack(&held).ok_or_else(|| damaged(hash))).await?;
        let Capture { last_ordinal, observed_at, url, content_type, http_status, headers, .. } = capture;
        let first_ordinal = name.first_ordinal;
        Ok(Some(KeptBody { first_ordinal, last_ordinal, observed_at, url, content_type, http_status, headers, bytes }))
    }

    /// Takes over what an earlier program kept in a folder beside the store; each file goes once its body is kept.
    ///
    /// # Errors
    /// The folder cannot be read. What the store says.
    pub(crate) async fn take_over(&self, folder: &Path) -> Result<TakenOver, OpError> {
        let root = folder.to_owned();
        let found = blocking(move || former::bodies(&root).map_err(|error| unreadable(&root, &error))).await?;
        let mut taken = TakenOver::default();
        for former::FormerBody { path, name } in found {
            let file = path.clone();
            let body = blocking(move || {
                let packed = std::fs::read(&file).map_err(|error| unreadable(&file, &error))?;
                let body = former::unpack(&packed).filter(|body| body.first_ordinal == name.first_ordinal);
                body.ok_or_else(|| OpError::failed(DAMAGED, format!("{} is damaged", file.display())))
            });
            match body.await {
                Ok(body) => match self.keep(Keep::All, name.feed, name.fetch, body).await? {
                    Keeping::Kept(_) => taken.bodies += 1,
                    Keeping::Off | Keeping::TooLarge(_) => return Ok(taken),
                },
                // Another process may have taken it over meanwhile.
                Err(_) if !path.exists() => continue,
                Err(error) => {
                    taken.left.push(error.message().to_owned());
                    continue;
                }
            }
            blocking(move || Ok(std::fs::remove_file(&path).ok())).await?;
        }
        if taken.left.is_empty() {
            let root = folder.to_owned();
            blocking(move || {
                former::remove(&root);
                Ok(())
            })
            .await?;
        }
        Ok(taken)
    }
}

fn damaged(hash: ContentHash) -> OpError {
    OpError::failed(DAMAGED, format!("the body {hash} is damaged"))
        .with_hint("restore the store from a backup; what was stored of it stays, and is not read again")
}

fn unreadable(path: &Path, error: &std::io::Error) -> OpError {
    OpError::failed("archive.unreadable", format!("cannot read {}: {error}", path.display()))
        .with_hint("see that it may be read; what was kept in it stays there until then")
}

/// Packs where no other fetch waits for it.
async fn packed_apart(bytes: Arc<Vec<u8>>, base: Option<PackedBody>) -> Result<PackedBody, OpError> {
    blocking(move || {
        let base = base.map(|body| HeldBody { body, base: None });
        packed::pack(&bytes, ContentHash::of(&bytes), base.as_ref())
            .map_err(|error| OpError::failed("archive.unwritten", error.to_string()))
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, OpError> + Send + 'static) -> Result<T, OpError> {
    // Threads of the machine have no place in a simulated world.
    #[cfg(test)]
    if crate::simulation::is_here() {
        return work();
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(OpError::failed("internal.panic", format!("the archive broke off: {error}"))))
}

#[cfg(test)]
mod tests;
