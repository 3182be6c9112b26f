//! The care of a file: what stands there, how large it is, whether it is sound, making it smaller.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use feedspine_core::transfer::import_unfinished;
use feedspine_core::{Care, CheckReport, Compaction, Result, Standing, StorageError, StoreSize, TableSize};
use rusqlite::Connection;

use crate::changes;
use crate::connect;
use crate::error::{Fault, Outcome};
use crate::import;
use crate::schema::{self, Found};
use crate::store::SqliteStore;
use crate::verify;

/// The most faults that are told: one damaged page makes thousands.
const MOST_FAULTS: u32 = 100;

#[async_trait]
impl Care for SqliteStore {
    async fn standing(&self) -> Result<Standing> {
        if !self.path().exists() {
            return Ok(Standing::Nothing);
        }
        self.cared_for(|conn, _| {
            let found = schema::look(&conn.transaction()?)?;
            match found {
                Found::Nothing => Ok(Standing::Nothing),
                Found::Ours(schema_version) => Ok(Standing::Store { schema_version }),
                Found::Foreign => Err(schema::foreign().into()),
            }
        })
        .await
    }

    async fn size(&self) -> Result<StoreSize> {
        self.cared_for(|conn, path| {
            let version = version(conn)?;
            size(conn, path, version)
        })
        .await
    }

    async fn check(&self) -> Result<CheckReport> {
        self.cared_for(|conn, _| {
            let version = version(conn)?;
            schema::check_version(version)?;
            check(conn, version)
        })
        .await
    }

    async fn verify(&self) -> Result<Vec<String>> {
        self.cared_for(|conn, _| {
            schema::check_version(version(conn)?)?;
            verify::verify(conn)
        })
        .await
    }

    async fn compact(&self) -> Result<Compaction> {
        self.cared_for(|conn, path| {
            schema::check_version(version(conn)?)?;
            import::refuse_unfinished(conn)?;
            let bytes_before = bytes_on_disk(path);
            conn.pragma_update(None, "synchronous", "full")?;
            conn.execute_batch("VACUUM")?;
            conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            Ok(Compaction { bytes_before, bytes_after: bytes_on_disk(path) })
        })
        .await
    }
}

impl SqliteStore {
    /// Does something with a connection of its own, on a thread that may block.
    async fn cared_for<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection, &Path) -> Outcome<T> + Send + 'static,
    ) -> Result<T> {
        let (path, busy): (PathBuf, _) = (self.path().to_owned(), self.settings.busy);
        if !path.exists() {
            return Err(StorageError::invalid(format!("there is no store at {}", path.display())));
        }
        let done = tokio::task::spawn_blocking(move || {
            let mut conn = connect::open_for_care(&path, busy)?;
            work(&mut conn, &path)
        });
        let done =
            done.await.map_err(|error| StorageError::internal("the store's care panicked").with_source(error))?;
        done.map_err(|fault| self.named(fault))
    }
}

/// The schema version of a store of ours.
fn version(conn: &mut Connection) -> Outcome<u32> {
    match schema::look(&conn.transaction()?)? {
        Found::Ours(version) => Ok(version),
        Found::Nothing => Err(StorageError::invalid("the file holds no store yet").into()),
        Found::Foreign => Err(schema::foreign().into()),
    }
}

fn size(conn: &Connection, path: &Path, version: u32) -> Outcome<StoreSize> {
    let number = |query: &str| conn.query_row(query, [], |row| row.get(0)).map(i64::cast_unsigned);
    let free = number("PRAGMA freelist_count")? * number("PRAGMA page_size")?;
    let names =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1";
    let names: Vec<String> = conn.prepare(names)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut tables = Vec::with_capacity(names.len());
    for name in names {
        let quoted = name.replace('"', "\"\"");
        let rows = number(&format!("SELECT count(*) FROM \"{quoted}\""))?;
        tables.push(TableSize { name, rows, bytes: None });
    }
    let bytes = bytes_on_disk(path);
    let epoch = if version < schema::FIRST_WITH_EPOCHS { None } else { Some(u64::from(changes::epoch(conn)?)) };
    Ok(StoreSize { bytes, reclaimable_bytes: Some(free + log_bytes(path)), epoch, tables })
}

/// The file and its log. The `-shm` file is memory that processes share.
fn bytes_on_disk(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len()) + log_bytes(path)
}

fn log_bytes(path: &Path) -> u64 {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).map_or(0, |file| file.len())
}

fn check(conn: &Connection, version: u32) -> Outcome<CheckReport> {
    let mut report = CheckReport::default();
    report.examined.push("every page of the file, every row and every index (PRAGMA integrity_check)".to_owned());
    let Some(faults) = report.unless_corrupt(integrity(conn).map_err(Fault::into_error))? else { return Ok(report) };
    report.faults.extend(faults);
    let Some(mut found) = report.unless_corrupt(shape(conn).map_err(Fault::into_error))? else { return Ok(report) };
    report.examined.push(format!("the tables, indexes and views of schema version {version}"));
    for (name, definition) in shape(&schema::pattern(version)?)? {
        match found.remove(&name) {
            None => report.faults.push(format!("the {name} is missing")),
            Some(other) if other != definition => report.faults.push(format!("the {name} is not as feedspine made it")),
            Some(_) => {}
        }
    }
    if import::is_unfinished(conn)? {
        let error = import_unfinished();
        report.notes.push(format!("{error}: {}", error.hint().unwrap_or_default()));
        found.retain(|name, _| !import::OF_IMPORTS.contains(&name.as_str()));
    }
    report.notes.extend(found.into_keys().map(|name| format!("the {name} is not feedspine's")));
    Ok(report)
}

/// What SQLite finds wrong, as far as it can go on looking.
fn integrity(conn: &Connection) -> Outcome<Vec<String>> {
    let mut look = conn.prepare(&format!("PRAGMA integrity_check({MOST_FAULTS})"))?;
    let found: Vec<String> = look.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(found.into_iter().filter(|fault| fault != "ok").collect())
}

/// Every table, index and view with its definition. Indexes that SQLite makes by itself have none.
fn shape(conn: &Connection) -> Outcome<BTreeMap<String, Option<String>>> {
    let mut parts =
        conn.prepare("SELECT type || ' ' || name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_stat%'")?;
    Ok(parts.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
}
