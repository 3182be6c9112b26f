//! The redb backend against the contract.

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use feedspine_core::{Result, StorageBackend, StorageError};
use feedspine_example_redb::RedbStore;
use feedspine_testkit::storage::{self, StorageProvider};
use tempfile::TempDir;

struct Redb;

#[async_trait]
impl StorageProvider for Redb {
    type Place = TempDir;

    async fn place(&self) -> Result<TempDir> {
        TempDir::new().map_err(|error| StorageError::internal("no room for a store").with_source(error))
    }

    async fn open(&self, place: &TempDir) -> Result<Arc<dyn StorageBackend>> {
        Ok(Arc::new(RedbStore::new(place.path().join("store.redb"))))
    }
}

fn main() -> ExitCode {
    storage::main(Redb)
}
