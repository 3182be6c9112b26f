//! The files that a store is made of: nothing else is written in their place, and none of them is read as an export.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use feedspine::OpError;

use crate::stores::Found;

/// What SQLite and DuckDB add to the name of a file for their logs, and what they add nothing to.
const ENDINGS: [&str; 5] = ["", "-wal", "-shm", "-journal", ".wal"];

/// The files of one store.
#[derive(Debug)]
pub(crate) struct OwnFiles {
    shown: String,
    files: Vec<PathBuf>,
    bodies: Option<PathBuf>,
}

impl OwnFiles {
    /// Those of a store, whether they are there or not: its file, that of its feeds, their logs, and its bodies.
    pub(crate) fn of(found: &Found) -> Self {
        let feeds = found.feeds.as_ref().map(|feeds| &feeds.path);
        let mut files = Vec::new();
        for file in found.file.iter().chain(feeds) {
            files.extend(ENDINGS.iter().map(|ending| with_ending(file, ending)));
            // Logs lie beside the file itself, by whichever link it was named.
            if let Ok(itself) = fs::canonicalize(file) {
                files.extend(ENDINGS.iter().map(|ending| with_ending(&itself, ending)));
            }
        }
        Self { shown: found.shown.clone(), files, bodies: found.bodies.clone() }
    }

    /// Whether a path leads to one of them.
    pub(crate) fn hold(&self, path: &Path) -> bool {
        self.files.iter().any(|own| same_file(own, path))
            || self.bodies.as_ref().is_some_and(|bodies| same_file(bodies, path) || lies_in(bodies, path))
    }

    /// Refuses to write something else there.
    pub(crate) fn refuse_to_write(&self, target: &Path) -> Result<(), OpError> {
        if !self.hold(target) {
            return Ok(());
        }
        let message = format!("{} is a file of the store {} itself", target.display(), self.shown);
        Err(OpError::usage("export.own_store", message).with_hint("nothing was written; name another file"))
    }

    /// Refuses to fill the store with what it is made of.
    pub(crate) fn refuse_to_read(&self, source: &Path) -> Result<(), OpError> {
        if !self.hold(source) {
            return Ok(());
        }
        let message = format!("{} is a file of the store {} itself", source.display(), self.shown);
        let hint = "name a file that `feedspine export` or `db backup` wrote, and by --db another store to fill";
        Err(OpError::usage("import.own_store", message).with_hint(hint))
    }
}

/// Whether both lead to one file: by device and inode where they are there, else by their name in one directory.
pub(crate) fn same_file(one: &Path, other: &Path) -> bool {
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        (Err(_), Err(_)) => place_of(one).is_some_and(|place| place_of(other) == Some(place)),
        _ => false,
    }
}

/// The path of a file that need not be there, by the directory itself that it is in.
fn place_of(path: &Path) -> Option<PathBuf> {
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(fs::canonicalize(directory).ok()?.join(path.file_name()?))
}

/// Whether a path, or what it leads to, is somewhere in a folder.
fn lies_in(folder: &Path, path: &Path) -> bool {
    let Ok(folder) = fs::canonicalize(folder) else { return false };
    [place_of(path), fs::canonicalize(path).ok()].iter().flatten().any(|place| place.starts_with(&folder))
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut path = OsString::from(file);
    path.push(ending);
    path.into()
}
