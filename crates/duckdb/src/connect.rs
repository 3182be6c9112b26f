//! Opening a DuckDB file, once at a time.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use duckdb::{AccessMode, Config, Connection};
use feedspine_core::StorageError;

use crate::error::{Fault, Outcome, of_files};
use crate::schema;

/// The files that this process has open. DuckDB locks a file against other processes; a second open in the same one would
/// succeed, and each would overwrite what the other wrote (seen with DuckDB 1.5.6).
static OPEN: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// How much memory the cache of a file and the questions to it may take together.
const MEMORY: &str = "1GB";

/// A file that is open, until this is dropped.
#[derive(Debug)]
struct Claim(PathBuf);

impl Claim {
    fn of(path: &Path) -> Outcome<Self> {
        let place = place_of(path);
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if open.insert(place.clone()) {
            return Ok(Self(place));
        }
        let error = StorageError::unavailable(format!("{} is open in this process already", path.display()));
        Err(error.with_hint("use the store that has it open, or close that first").into())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// Makes an empty store beside the place, and puts it there whole: DuckDB begins a file with several writes, and what a
/// process leaves that is killed between them never opens again (seen with DuckDB 1.5.6).
fn make(path: &Path) -> Outcome<()> {
    let (directory, of_file) = (directory_of(path), |error| of_files(path, error));
    let beside = tempfile::Builder::new().prefix(".feedspine-").tempdir_in(directory).map_err(of_file)?;
    let new = beside.path().join(path.file_name().unwrap_or_default());
    migrated(&new)?.close().map_err(|(_, error)| Fault::from(error))?;
    File::open(&new).and_then(|file| file.sync_all()).map_err(of_file)?;
    match fs::hard_link(&new, path) {
        Ok(()) => File::open(directory).and_then(|directory| directory.sync_all()).map_err(of_file),
        // Made by another process meanwhile.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        // To rename it would replace what another process makes at this moment.
        Err(error) => {
            let message = format!("{}: the new store cannot be put in its place by a hard link", path.display());
            let hint = "choose a place on a file system that has hard links, then copy the file where it shall be";
            Err(StorageError::unsupported(message).with_hint(hint).with_source(error).into())
        }
    }
}

/// Opens a file as it is opened for writing.
fn migrated(path: &Path) -> Outcome<Connection> {
    // No code is loaded from elsewhere. A question that needs more memory writes to files beside the store.
    let config = Config::default().enable_autoload_extension(false)?.max_memory(MEMORY)?;
    let mut conn = Connection::open_with_flags(path, config)?;
    // The log is moved into the file when it is that long, and when the store is closed.
    conn.execute_batch("SET checkpoint_threshold = '64MB'; SET lock_configuration = true")?;
    let tx = conn.transaction()?;
    schema::migrate(&tx)?;
    tx.commit()?;
    Ok(conn)
}

/// The directory that a file lies in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// One name for each file, also before it is made.
fn place_of(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| {
        let name = path.file_name().unwrap_or_default();
        directory_of(path).canonicalize().map_or_else(|_| path.to_owned(), |parent| parent.join(name))
    })
}

/// A connection to a file that is claimed for as long as there is one.
#[derive(Debug)]
pub(crate) struct Claimed {
    // Let go of before the claim: fields are dropped in this order.
    conn: Connection,
    claim: Arc<Claim>,
}

impl Claimed {
    /// Opens the file, or makes it, and takes the steps to the newest schema.
    pub(crate) fn open(path: &Path) -> Outcome<Self> {
        let claim = Arc::new(Claim::of(path)?);
        if !path.exists() {
            make(path)?;
        }
        Ok(Self { conn: migrated(path)?, claim })
    }

    /// Opens a file that is there for reading alone.
    pub(crate) fn open_for_care(path: &Path) -> Outcome<Self> {
        let claim = Arc::new(Claim::of(path)?);
        let config = Config::default().enable_autoload_extension(false)?.access_mode(AccessMode::ReadOnly)?;
        Ok(Self { conn: Connection::open_with_flags(path, config)?, claim })
    }

    /// A connection to a database in memory, beside which the file, claimed, can be attached as another.
    pub(crate) fn beside(path: &Path) -> Outcome<Self> {
        let claim = Arc::new(Claim::of(path)?);
        let config = Config::default().enable_autoload_extension(false)?.max_memory(MEMORY)?;
        Ok(Self { conn: Connection::open_in_memory_with_flags(config)?, claim })
    }

    /// One more connection to the same file, which takes some microseconds.
    pub(crate) fn another(&self) -> Outcome<Self> {
        let conn = self.conn.try_clone()?;
        Ok(Self { conn, claim: Arc::clone(&self.claim) })
    }

    /// Closes the connection. The last one moves the log into the file.
    pub(crate) fn close(self) -> Outcome<()> {
        self.conn.close().map_err(|(_, error)| error.into())
    }
}

impl Deref for Claimed {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.conn
    }
}

impl DerefMut for Claimed {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.conn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_one_name_before_and_after_it_is_made() {
        let directory = tempfile::TempDir::new().unwrap();
        let (plain, crooked) = (directory.path().join("a"), directory.path().join(".").join("a"));
        let before = place_of(&plain);
        assert_eq!(place_of(&crooked), before);
        std::fs::write(&plain, "").unwrap();
        assert_eq!((place_of(&plain), place_of(&crooked)), (before.clone(), before));
    }
}
