//! The memory backend against both contracts.

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use feedspine_core::{MemoryStore, Result, StateStore, StorageBackend};
use feedspine_testkit::state::{self, StateProvider};
use feedspine_testkit::storage::{self, StorageProvider};

struct Memory;

#[async_trait]
impl StorageProvider for Memory {
    type Place = ();

    async fn place(&self) -> Result<()> {
        Ok(())
    }

    async fn open(&self, (): &()) -> Result<Arc<dyn StorageBackend>> {
        Ok(Arc::new(MemoryStore::new()))
    }
}

#[async_trait]
impl StateProvider for Memory {
    type Place = Arc<MemoryStore>;

    async fn place(&self) -> Result<Arc<MemoryStore>> {
        Ok(Arc::new(MemoryStore::new()))
    }

    async fn open(&self, place: &Arc<MemoryStore>) -> Result<Arc<dyn StateStore>> {
        Ok(Arc::clone(place) as Arc<dyn StateStore>)
    }

    async fn storage(&self, place: &Arc<MemoryStore>) -> Result<Option<Arc<dyn StorageBackend>>> {
        Ok(Some(Arc::clone(place) as Arc<dyn StorageBackend>))
    }

    fn is_durable(&self) -> bool {
        false
    }
}

fn main() -> ExitCode {
    feedspine_testkit::run(storage::trials(Memory).into_iter().chain(state::trials(Memory)))
}
