//! Connections: how a file is opened, looked at before it is written to, and set up.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use feedspine_core::{ErrorKind, StorageError};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use crate::error::{Fault, Outcome, WRITE_OR_COPY};
use crate::functions;
use crate::schema::{self, Found};

/// The oldest SQLite library that does not lose or corrupt a WAL file that two connections use (its WAL-reset bug,
/// <https://sqlite.org/wal.html#the_wal_reset_bug>).
const OLDEST_LIBRARY: i32 = 3_051_003;

/// Bytes of a page: 8 KiB hold eight items of 1 KiB. Filling a lean table at 1 000 rows a commit, 63 000 rows/s against
/// 53 000 with 4 KiB.
const PAGE_SIZE: i64 = 8_192;

/// Pages in the log after which a commit moves them into the file and the log begins anew: 32 MiB.
pub(crate) const LOG_PAGES: i64 = 4_000;

/// KiB of pages that the writer keeps: the working set of a group of polls. With the 2 MiB that SQLite keeps by itself the
/// pages of every poll were read anew; with 64 MiB the growth of the cache cost more than it saved.
const WRITER_CACHE_KIB: i64 = 16_384;

/// KiB of pages that each reader keeps until something is committed: the inner pages of the trees of a few million
/// records, so that on a store at rest a lookup reads its leaves alone.
const READER_CACHE_KIB: i64 = 16_384;

/// How long to wait before asking again for a turn that another connection has. SQLite's own way of waiting comes to ask
/// ten times a second: beside a process that writes all the time, which lets go for moments only, it would find none.
pub(crate) const TURN: Duration = Duration::from_millis(1);

/// Refuses an SQLite library that may lose what was committed.
pub(crate) fn check_library(version: i32) -> Result<(), StorageError> {
    if version >= OLDEST_LIBRARY {
        return Ok(());
    }
    let spelt = |version: i32| format!("{}.{}.{}", version / 1_000_000, version / 1_000 % 1_000, version % 1_000);
    let message =
        format!("SQLite {} may lose what was committed: {} or newer is needed", spelt(version), spelt(OLDEST_LIBRARY));
    Err(StorageError::unsupported(message).with_hint("build with the bundled SQLite"))
}

/// Makes or migrates the store at `path` and gives the connection that writes.
pub(crate) fn open_writer(path: &Path, busy: Duration) -> Outcome<Connection> {
    check_library(rusqlite::version_number())?;
    create(path).map_err(|error| denied(path, &error))?;
    let mut conn = open(path, busy)?;
    let found = schema::look(&conn.transaction()?)?;
    match found {
        Found::Foreign => return Err(schema::foreign().into()),
        Found::Ours(version) => schema::check_version(version)?,
        // A page's size is fixed with the first page.
        Found::Nothing => conn.pragma_update(None, "page_size", PAGE_SIZE)?,
    }
    use_log(&conn, busy)?;
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    conn.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    // Savepoints keep the pages that they may have to put back: in memory rather than in a file.
    conn.pragma_update(None, "temp_store", "memory")?;
    schema::migrate(&mut conn)?;
    Ok(conn)
}

/// Turns the write-ahead log on. SQLite does not wait for its turn to do that, so we do.
fn use_log(conn: &Connection, busy: Duration) -> Outcome<()> {
    let began = Instant::now();
    loop {
        match conn.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0)) {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => {
                let message = format!("the file system allows no write-ahead log: the journal stays {mode}");
                return Err(StorageError::unsupported(message).with_hint("use a local disk").into());
            }
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && began.elapsed() < busy => {
                std::thread::sleep(TURN);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A further connection to a store that was opened for writing before.
pub(crate) fn open_reader(path: &Path, busy: Duration) -> Outcome<Connection> {
    let conn = open(path, busy)?;
    conn.pragma_update(None, "query_only", true)?;
    conn.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    functions::register(&conn)?;
    Ok(conn)
}

/// A connection to a file that is there, for the care of it: nothing is created or migrated, and no table is needed.
pub(crate) fn open_for_care(path: &Path, busy: Duration) -> Outcome<Connection> {
    check_library(rusqlite::version_number())?;
    open(path, busy)
}

/// A further connection that moves the log into the file.
pub(crate) fn open_checkpointer(path: &Path, busy: Duration) -> Outcome<Connection> {
    let conn = open(path, busy)?;
    conn.pragma_update(None, "synchronous", "full")?;
    Ok(conn)
}

/// Has the connection wait for its turns, up to so long for each.
pub(crate) fn wait_for_turns(conn: &mut Connection, busy: Duration) -> rusqlite::Result<()> {
    let mut began = Instant::now();
    conn.busy_handler(Some(move |asked| {
        if asked == 0 {
            began = Instant::now();
        }
        let waits = began.elapsed() < busy;
        if waits {
            std::thread::sleep(TURN);
        }
        waits
    }))
}

/// Runs one of the few statements that frame all others.
pub(crate) fn execute(conn: &Connection, sql: &str) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute([]).map(drop)
}

fn open(path: &Path, busy: Duration) -> Outcome<Connection> {
    // No URI: a path is a path, whatever characters it holds.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags)?;
    wait_for_turns(&mut conn, busy)?;
    conn.set_prepared_statement_cache_capacity(96);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // Else statements are compiled again whenever a value is bound that the planner looked at, at each poll.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    Ok(conn)
}

/// Makes the file, and the directories above it, for the user alone.
fn create(path: &Path) -> std::io::Result<()> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

fn denied(path: &Path, error: &std::io::Error) -> Fault {
    let kind = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::Full,
        _ => ErrorKind::Denied,
    };
    StorageError::new(kind, format!("{} cannot be opened for writing: {error}", path.display()))
        .with_hint(if path.is_file() { WRITE_OR_COPY } else { "choose a file in a directory that may be written" })
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sqlite_that_may_lose_commits_is_refused() {
        assert!(check_library(rusqlite::version_number()).is_ok());
        let error = check_library(3_051_002).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.to_string(), "SQLite 3.51.2 may lose what was committed: 3.51.3 or newer is needed");
    }
}
