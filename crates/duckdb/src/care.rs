//! The care of a file: what stands there, how large it is, whether it is sound, making it smaller.

use std::path::Path;

use async_trait::async_trait;
use duckdb::Connection;
use feedspine_core::{Care, CheckReport, Compaction, Result, Standing, StorageError, StoreSize, TableSize};

use crate::connect::Claimed;
use crate::error::Outcome;
use crate::rows::{self, no_values};
use crate::schema::{self, Found};
use crate::store::DuckDbStore;
use crate::{check, compact, history, verify};

#[async_trait]
impl Care for DuckDbStore {
    async fn standing(&self) -> Result<Standing> {
        if !self.path().exists() {
            return Ok(Standing::Nothing);
        }
        self.cared_for(|conn, _| match schema::look(conn)? {
            Found::Nothing => Ok(Standing::Nothing),
            Found::Ours(schema_version) => Ok(Standing::Store { schema_version }),
            Found::Foreign => Err(schema::foreign().into()),
        })
        .await
    }

    async fn size(&self) -> Result<StoreSize> {
        self.cared_for(size).await
    }

    async fn check(&self) -> Result<CheckReport> {
        self.cared_for(|conn, _| check::check(conn)).await
    }

    async fn verify(&self) -> Result<Vec<String>> {
        self.cared_for(|conn, _| verify::verify(conn)).await
    }

    /// The store must not be open, in this process neither: the file is replaced.
    async fn compact(&self) -> Result<Compaction> {
        self.done(compact::compact).await
    }
}

impl DuckDbStore {
    /// Asks something of the file: on a connection of the open store, or else by opening it for reading, which fails while
    /// another process has it open.
    async fn cared_for<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection, &Path) -> Outcome<T> + Send + 'static,
    ) -> Result<T> {
        let open = self.session().and_then(|session| session.another()).ok();
        self.done(move |path| {
            let conn = match open {
                Some(conn) => conn,
                None => Claimed::open_for_care(path)?,
            };
            question(&conn, path)
        })
        .await
    }

    /// Does something with the file, on a thread that may block.
    async fn done<T: Send + 'static>(&self, work: impl FnOnce(&Path) -> Outcome<T> + Send + 'static) -> Result<T> {
        let path = self.path().to_owned();
        if !path.exists() {
            return Err(StorageError::invalid(format!("there is no store at {}", path.display())));
        }
        let done = tokio::task::spawn_blocking(move || work(&path)).await;
        let done = done.map_err(|error| StorageError::internal("the store's care panicked").with_source(error))?;
        done.map_err(|fault| self.named(fault))
    }
}

fn size(conn: &Connection, path: &Path) -> Outcome<StoreSize> {
    let free = "SELECT CAST(free_blocks * block_size AS UBIGINT) FROM pragma_database_size()";
    let names = rows::all(
        conn,
        "SELECT table_name FROM duckdb_tables() ORDER BY table_name",
        no_values(),
        rows::value::<String>,
    )?;
    let mut tables = Vec::with_capacity(names.len());
    for name in names {
        let rows = rows::first(conn, &format!("SELECT count(*) FROM \"{name}\""), no_values(), rows::value::<u64>)?;
        tables.push(TableSize { name, rows: rows.unwrap_or_default(), bytes: None });
    }
    let epoch = match schema::look(conn)? {
        Found::Ours(version) if version >= schema::FIRST_WITH_EPOCHS => Some(history::epoch(conn)?.into()),
        _ => None,
    };
    Ok(StoreSize {
        bytes: compact::bytes_on_disk(path),
        reclaimable_bytes: rows::first(conn, free, no_values(), rows::value::<u64>)?,
        epoch,
        tables,
    })
}
