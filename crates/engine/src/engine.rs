//! [`Engine`]: a store, a control plane and settings; its operations are in [`crate::ops`].

use std::sync::Arc;

use feedspine_core::{FetchId, StateStore, StorageBackend, Timestamp};
use uuid::Uuid;

use crate::fetch::Fetcher;
use crate::{OpError, Settings};

/// What operations are asked of. Cheap to clone; all clones are one engine and share its host limits.
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    storage: Arc<dyn StorageBackend>,
    state: Arc<dyn StateStore>,
    fetcher: Fetcher,
    settings: Settings,
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
        Ok(Self { inner: Arc::new(Inner { storage, state, fetcher, settings }) })
    }

    /// Lets go of the store.
    ///
    /// # Errors
    /// `Failed`, when what was begun cannot be finished.
    pub async fn close(&self) -> Result<(), OpError> {
        Ok(self.storage().close().await?)
    }

    /// The store of what is captured.
    pub fn storage(&self) -> &dyn StorageBackend {
        &*self.inner.storage
    }

    /// The control plane.
    pub fn state(&self) -> &dyn StateStore {
        &*self.inner.state
    }

    /// How this engine behaves.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// The only way out.
    pub(crate) fn fetcher(&self) -> &Fetcher {
        &self.inner.fetcher
    }

    /// The time now, by the engine's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.inner.settings.clock.now()
    }

    /// An id for a fetch that begins now: a `UUIDv7`.
    pub(crate) fn new_fetch_id(&self) -> FetchId {
        FetchId::new(new_uuid(self.now()))
    }
}

/// A `UUIDv7` of that time.
pub(crate) fn new_uuid(at: Timestamp) -> Uuid {
    let micros = at.as_micros().max(0).cast_unsigned();
    let nanos = u32::try_from(micros % 1_000_000 * 1_000).expect("less than a second");
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, micros / 1_000_000, nanos))
}
