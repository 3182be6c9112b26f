//! [`Engine`]: a store, a control plane and settings; its operations are in [`crate::ops`].

use std::path::Path;
use std::sync::Arc;

use feedspine_core::{Feed, FetchId, Joint, StateStore, StorageBackend, Timestamp};
use tokio::sync::{Mutex, MutexGuard, Notify, Semaphore, SemaphorePermit};
use uuid::Uuid;

use crate::archive::{Archive, TakenOver};
use crate::fetch::{Fetcher, Reach};
use crate::websub::{Allowances, Tokens};
use crate::{OpError, Settings};

/// How many KiB of documents are read and stored at once, all feeds together; a larger one is read alone. While a
/// document is read it costs about ten times its size (six of 9 MB at once took 574 MB).
const READ_AT_ONCE: u32 = 32 * 1024;
/// What hubs tell of one feed is stored one after the other; of so many groups of feeds at once.
const TOLD_AT_ONCE: usize = 64;

/// What operations are asked of. Cheap to clone; all clones are one engine and share its host limits.
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    storage: Arc<dyn StorageBackend>,
    state: Arc<dyn StateStore>,
    archive: Archive,
    fetcher: Fetcher,
    reading: Semaphore,
    settings: Settings,
    tokens: Tokens,
    allowances: Allowances,
    hubs_changed: Notify,
    told: Vec<Mutex<()>>,
}

impl Engine {
    /// Opens the stores, creating or migrating them, and stands an engine on them. They may be one and the same.
    ///
    /// # Errors
    /// `Failed`, with the store's own message, when one of them cannot be opened; `Usage` for settings that cannot work.
    pub async fn open(
        storage: Arc<dyn StorageBackend>,
        state: Arc<dyn StateStore>,
        settings: Settings,
    ) -> Result<Self, OpError> {
        let fetcher = Fetcher::new(&settings)?;
        storage.initialize().await?;
        state.prepare().await?;
        let reading = Semaphore::new(READ_AT_ONCE as usize);
        let archive = Archive::of(Arc::clone(&state));
        let (tokens, allowances, hubs_changed) = (Tokens::default(), Allowances::default(), Notify::new());
        let told = (0..TOLD_AT_ONCE).map(|_| Mutex::default()).collect();
        let inner =
            Inner { storage, state, archive, fetcher, reading, settings, tokens, allowances, hubs_changed, told };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Lets go of the store.
    ///
    /// # Errors
    /// `Failed`, when what was begun cannot be finished.
    pub async fn close(&self) -> Result<(), OpError> {
        let closed = self.storage().close().await;
        // It is let go of whatever became of the other.
        let released = self.state().release().await;
        Ok(closed.and(released)?)
    }

    /// The store of what is captured.
    pub fn storage(&self) -> &dyn StorageBackend {
        &*self.inner.storage
    }

    /// The control plane.
    pub fn state(&self) -> &dyn StateStore {
        &*self.inner.state
    }

    /// Backend and control plane where they are one store that does to both at once what touches both.
    pub(crate) fn joint(&self) -> Option<&dyn Joint> {
        let is_one = std::ptr::addr_eq(Arc::as_ptr(&self.inner.storage), Arc::as_ptr(&self.inner.state));
        self.state().joint().filter(|_| is_one)
    }

    /// How this engine behaves.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Where the bodies are kept that fetches bring.
    pub(crate) fn archive(&self) -> &Archive {
        &self.inner.archive
    }

    /// Takes the bodies into the store that an earlier program kept in a folder beside it. Each file goes once its body is
    /// kept, and the folder with the last; where there is no folder, nothing is done.
    ///
    /// # Errors
    /// The folder cannot be read. What the store says.
    pub async fn take_over_bodies(&self, folder: &Path) -> Result<TakenOver, OpError> {
        self.archive().take_over(folder).await
    }

    /// Which feed a callback is for.
    pub(crate) fn tokens(&self) -> &Tokens {
        &self.inner.tokens
    }

    /// How much hubs may tell.
    pub(crate) fn allowances(&self) -> &Allowances {
        &self.inner.allowances
    }

    /// A document named other hubs than before.
    pub(crate) fn hubs_changed(&self) -> &Notify {
        &self.inner.hubs_changed
    }

    /// Waits until nothing else that a hub told of a feed is being stored.
    pub(crate) async fn told_in_turn(&self, feed: &Feed) -> MutexGuard<'_, ()> {
        let place = feed.id.as_bytes().iter().map(|byte| usize::from(*byte)).sum::<usize>() % TOLD_AT_ONCE;
        self.inner.told[place].lock().await
    }

    /// The only way out.
    pub(crate) fn fetcher(&self) -> &Fetcher {
        &self.inner.fetcher
    }

    /// How far a fetch may reach, given whether its feed, or whoever asks, allows private addresses.
    pub(crate) fn reach(&self, allow_private: bool) -> Reach {
        if allow_private || self.inner.settings.allow_private { Reach::Anywhere } else { Reach::Public }
    }

    /// Waits until there is room to read and store a document of at most so many bytes; it is taken until this is dropped.
    pub(crate) async fn room_for(&self, bytes: u64) -> SemaphorePermit<'_> {
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(READ_AT_ONCE).clamp(1, READ_AT_ONCE);
        self.inner.reading.acquire_many(kib).await.expect("the semaphore is never closed")
    }

    /// The time now, by the engine's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.inner.settings.clock.now()
    }

    /// An id for a fetch that begins now: a `UUIDv7`.
    pub(crate) fn new_fetch_id(&self) -> FetchId {
        FetchId::new(self.new_uuid(self.now()))
    }

    /// A `UUIDv7` of that time.
    pub(crate) fn new_uuid(&self, at: Timestamp) -> Uuid {
        let millis = u64::try_from(at.as_micros().max(0) / 1_000).expect("a time since 1970");
        let random: [u8; 16] = self.settings().chance.draw().to_be_bytes();
        let (random, _) = random.split_first_chunk().expect("16 bytes begin with 10");
        uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use feedspine_core::MemoryStore;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn documents_that_are_large_together_are_read_one_after_the_other() {
        let store = Arc::new(MemoryStore::new());
        let engine = Engine::open(store.clone(), store, Settings::default()).await.unwrap();
        let mib = |number: u64| number * 1024 * 1024;
        let patience = Duration::from_secs(1);
        let large = engine.room_for(mib(20)).await;
        let small = timeout(patience, engine.room_for(mib(1))).await.unwrap();
        assert!(timeout(patience, engine.room_for(mib(20))).await.is_err());
        drop(large);
        assert!(timeout(patience, engine.room_for(mib(20))).await.is_ok());
        drop(small);
        assert!(timeout(patience, engine.room_for(u64::MAX)).await.is_ok());
    }
}
