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
    type Place = ();

    async fn place(&self) -> Result<()> {
        Ok(())
    }

    async fn open(&self, (): &()) -> Result<Arc<dyn StateStore>> {
        Ok(Arc::new(MemoryStore::new()))
    }

    fn is_durable(&self) -> bool {
        false
    }
}

fn main() -> ExitCode {
    feedspine_testkit::run(storage::trials(Memory).into_iter().chain(state::trials(Memory)))
}
