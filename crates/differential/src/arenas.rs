//! The arenas of the built-in backends.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use feedspine_core::{Result, StorageBackend, StorageError};
use feedspine_postgres::PostgresStore;
use feedspine_sqlite::SqliteStore;
use feedspine_testkit::storage::StorageProvider;
use tempfile::TempDir;
use tokio_postgres::NoTls;

use crate::contestant::{Arena, Provided};

/// Memory that looks like a disk: what is tested here is what stores say, not whether the disk has it.
const MEMORY_DISK: &str = "/dev/shm";

/// SQLite, in a new file for each sequence.
pub fn sqlite() -> Box<dyn Arena> {
    Box::new(Provided::new("sqlite", Sqlite))
}

struct Sqlite;

fn directory() -> Result<TempDir> {
    let made = if Path::new(MEMORY_DISK).is_dir() { TempDir::new_in(MEMORY_DISK) } else { TempDir::new() };
    made.map_err(|error| StorageError::internal("no room for a store").with_source(error))
}

#[async_trait]
impl StorageProvider for Sqlite {
    type Place = TempDir;

    async fn place(&self) -> Result<TempDir> {
        directory()
    }

    async fn open(&self, place: &TempDir) -> Result<Arc<dyn StorageBackend>> {
        Ok(Arc::new(SqliteStore::new(place.path().join("store.db"))))
    }
}

/// DuckDB, in a new file for each sequence.
#[cfg(feature = "duckdb")]
pub fn duckdb() -> Box<dyn Arena> {
    Box::new(Provided::new("duckdb", DuckDb).that_is_dear())
}

#[cfg(feature = "duckdb")]
struct DuckDb;

#[cfg(feature = "duckdb")]
#[async_trait]
impl StorageProvider for DuckDb {
    type Place = TempDir;

    async fn place(&self) -> Result<TempDir> {
        directory()
    }

    async fn open(&self, place: &TempDir) -> Result<Arc<dyn StorageBackend>> {
        Ok(Arc::new(feedspine_duckdb::DuckDbStore::new(place.path().join("store.duckdb"))))
    }
}

/// PostgreSQL, in a schema that is emptied for each sequence and dropped with this value.
#[derive(Debug)]
pub struct PostgresArena {
    server: String,
    schema: String,
}

impl PostgresArena {
    /// A schema of its own on the server at that address, which has no settings of its own.
    pub fn new(server: &str) -> Self {
        let schema = format!("contest_{:016x}", RandomState::new().hash_one(0));
        Self { server: server.to_owned(), schema }
    }

    async fn execute(&self, statements: &str) -> Result<()> {
        let failed = |error| StorageError::unavailable("the arena cannot be emptied").with_source(error);
        let (client, connection) = tokio_postgres::connect(&self.server, NoTls).await.map_err(failed)?;
        let connection = tokio::spawn(connection);
        let done = client.batch_execute(statements).await.map_err(failed);
        drop(client);
        let _ended = connection.await;
        done
    }
}

#[async_trait]
impl Arena for PostgresArena {
    fn name(&self) -> &'static str {
        "postgres"
    }

    /// Empties all tables but those that say what the schema is: far quicker than to make them anew.
    async fn clear(&self) -> Result<()> {
        let empty = format!(
            "DO $$ DECLARE tables text; BEGIN
                SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') INTO tables
                    FROM pg_tables WHERE schemaname = '{}' AND tablename NOT IN ('store', 'epochs');
                IF tables IS NOT NULL THEN EXECUTE 'TRUNCATE ' || tables; END IF;
            END $$",
            self.schema
        );
        self.execute(&empty).await
    }

    async fn open(&self) -> Result<Arc<dyn StorageBackend>> {
        let url = format!("{}?schema={}&pool_size=2", self.server, self.schema);
        Ok(Arc::new(PostgresStore::from_url(&url)?))
    }

    /// Each question is planned anew. To read what changed after every step takes twice as long as to make the changes.
    fn is_dear(&self) -> bool {
        true
    }
}

impl Drop for PostgresArena {
    fn drop(&mut self) {
        let statement = format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema);
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
            // A schema that stays is in a private server that ends soon.
            let _ = runtime.block_on(self.execute(&statement));
        }
    }
}
