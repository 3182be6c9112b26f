//! The SQLite backend against both contracts.

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use feedspine_core::{Result, StateStore, StorageBackend, StorageError};
use feedspine_sqlite::SqliteStore;
use feedspine_testkit::state::{self, StateProvider};
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

#[async_trait]
impl StateProvider for Sqlite {
    type Place = TempDir;

    async fn place(&self) -> Result<TempDir> {
        StorageProvider::place(self).await
    }

    async fn open(&self, place: &TempDir) -> Result<Arc<dyn StateStore>> {
        Ok(Arc::new(SqliteStore::new(place.path().join("store.db"))))
    }

    async fn storage(&self, place: &TempDir) -> Result<Option<Arc<dyn StorageBackend>>> {
        // A handle of its own, as another process has one.
        StorageProvider::open(self, place).await.map(Some)
    }

    fn is_durable(&self) -> bool {
        true
    }
}

fn main() -> ExitCode {
    feedspine_testkit::run(storage::trials(Sqlite).into_iter().chain(state::trials(Sqlite)))
}
