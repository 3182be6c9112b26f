//! The SQLite backend against the contract.

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use feedspine_core::{Result, StorageBackend, StorageError};
use feedspine_sqlite::SqliteStore;
use feedspine_testkit::storage::{self, StorageProvider};
use tempfile::TempDir;

struct Sqlite;

#[async_trait]
impl StorageProvider for Sqlite {
    type Place = TempDir;

    async fn place(&self) -> Result<TempDir> {
        TempDir::new().map_err(|error| StorageError::internal("no room for a store").with_source(error))
    }

    async fn open(&self, place: &TempDir) -> Result<Arc<dyn StorageBackend>> {
        Ok(Arc::new(SqliteStore::new(place.path().join("store.db"))))
    }
}

fn main() -> ExitCode {
    storage::main(Sqlite)
}
