//! The memory backend against the contract.

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use feedspine_core::{MemoryStore, Result, StorageBackend};
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

fn main() -> ExitCode {
    storage::main(Memory)
}
