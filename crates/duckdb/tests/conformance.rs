//! The DuckDB backend against the storage contract.

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use feedspine_core::{Result, StorageBackend, StorageError};
use feedspine_duckdb::DuckDbStore;
use feedspine_testkit::storage::{self, StorageProvider};
use tempfile::TempDir;

struct DuckDb;

#[async_trait]
impl StorageProvider for DuckDb {
    type Place = TempDir;

    async fn place(&self) -> Result<TempDir> {
        TempDir::new().map_err(|error| StorageError::internal("no room for a store").with_source(error))
    }

    async fn open(&self, place: &TempDir) -> Result<Arc<dyn StorageBackend>> {
        Ok(Arc::new(DuckDbStore::new(place.path().join("store.duckdb"))))
    }
}

fn main() -> ExitCode {
    storage::main(DuckDb)
}
