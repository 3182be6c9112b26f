//! Compacting: DuckDB gives a file's free room back only at its end, so everything is copied into a new file, which then
//! takes the place of the old one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use duckdb::Connection;
use feedspine_core::{Compaction, StorageError};

use crate::connect::{Claimed, directory_of};
use crate::error::{Outcome, of_files};
use crate::rows::{self, no_values};
use crate::{import, schema};

/// The names of the two files while both are attached.
const OLD: &str = "feedspine_old";
const NEW: &str = "feedspine_new";

/// Compacts the file that no process has open. Until the new file is whole and on the disk the old one stays as it is.
pub(crate) fn compact(path: &Path) -> Outcome<Compaction> {
    // A link stays what it is: the file that it leads to is replaced.
    let path = &path.canonicalize().map_err(|error| of_files(path, error))?;
    let bytes_before = bytes_on_disk(path);
    let conn = Claimed::beside(path)?;
    settle(&conn, path)?;
    let new = beside(path, ".compacting");
    // Left behind by a process that was killed.
    remove(&new);
    let done = replace(&conn, path, &new);
    remove(&new);
    done?;
    Ok(Compaction { bytes_before, bytes_after: bytes_on_disk(path) })
}

/// The file and its log.
pub(crate) fn bytes_on_disk(path: &Path) -> u64 {
    let length = |file: &Path| fs::metadata(file).map_or(0, |metadata| metadata.len());
    length(path) + length(&log_of(path))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name: OsString = path.into();
    name.push(ending);
    name.into()
}

fn log_of(path: &Path) -> PathBuf {
    beside(path, ".wal")
}

fn remove(file: &Path) {
    // What is not there is removed already.
    fs::remove_file(file).ok();
    fs::remove_file(log_of(file)).ok();
}

/// Moves the log into the file.
fn settle(conn: &Connection, path: &Path) -> Outcome<()> {
    attach(conn, path, OLD, "")?;
    conn.execute_batch(&format!("USE {OLD}"))?;
    schema::known(conn)?;
    import::refuse_unfinished(conn)?;
    conn.execute_batch(&format!("CHECKPOINT {OLD}; USE memory; DETACH {OLD}"))?;
    Ok(())
}

/// Copies the file, compares the copy with it, and puts the copy in its place.
fn replace(conn: &Connection, path: &Path, new: &Path) -> Outcome<()> {
    // Read-only, so that nobody else can write to it until it is replaced, and no log of it is left to be found beside the
    // new file.
    attach(conn, path, OLD, " (READ_ONLY)")?;
    if log_of(path).exists() {
        let error = StorageError::unavailable("another process has written to the store meanwhile");
        return Err(error.with_hint("stop it, then try again").into());
    }
    attach(conn, new, NEW, "")?;
    conn.execute_batch(&format!("COPY FROM DATABASE {OLD} TO {NEW}; DETACH {NEW}"))?;
    attach(conn, new, NEW, " (READ_ONLY)")?;
    if contents(conn, OLD)? != contents(conn, NEW)? {
        return Err(
            StorageError::internal("the copy does not hold what the store holds: the store was left as it is").into()
        );
    }
    let of_new = |error| of_files(new, error);
    let settled = File::open(new).and_then(|file| {
        file.set_permissions(fs::metadata(path)?.permissions())?;
        file.sync_all()
    });
    settled.map_err(of_new)?;
    fs::rename(new, path).map_err(of_new)?;
    let directory = directory_of(path);
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(|error| of_files(directory, error))?;
    conn.execute_batch(&format!("DETACH {NEW}; DETACH {OLD}"))?;
    Ok(())
}

/// The statement takes no placeholders.
fn attach(conn: &Connection, file: &Path, name: &str, how: &str) -> Outcome<()> {
    let text = file.to_str().ok_or_else(|| {
        let message = format!("{}: DuckDB attaches no file whose name is not UTF-8", file.display());
        StorageError::unsupported(message).with_hint("give the file another name")
    })?;
    let quoted = text.replace('\'', "''");
    Ok(conn.execute_batch(&format!("ATTACH '{quoted}' AS {name}{how}"))?)
}

/// What a database is made of, and how many rows each table has, with a sum over all values.
fn contents(conn: &Connection, database: &str) -> Outcome<Vec<(String, Option<String>)>> {
    let mut contents: Vec<(String, Option<String>)> = schema::shape(conn, database)?.into_iter().collect();
    let tables =
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE NOT internal AND database_name = ? ORDER BY ALL";
    let quoted = |name: String| name.replace('"', "\"\"");
    for (schema, table) in rows::all(conn, tables, &[&database], |columns| Ok((columns.take()?, columns.take()?)))? {
        let named = format!("{database}.\"{}\".\"{}\"", quoted(schema), quoted(table));
        let sql = format!("SELECT concat(count(*), ' ', sum(hash(t)::HUGEINT)) FROM {named} t");
        contents.push((named[database.len()..].to_owned(), rows::first(conn, &sql, no_values(), rows::value)?));
    }
    Ok(contents)
}
