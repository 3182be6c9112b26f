//! Bodies as files: a folder for each feed, in it `FETCH-ORDINAL.body`, so that names sort by time.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use feedspine_core::{FeedId, FetchId};

use super::{BodyName, beyond};
use crate::OpError;

const WHOLE: &str = ".body";
/// A body that is being written, or whose writer was killed: it goes with the oldest ones.
const PART: &str = ".part";

/// Writes a body to the disk, then lets go of the feed's oldest. Nobody else may read it, as nobody else may read the
/// store that its items are in.
pub(super) fn write(root: &Path, name: BodyName, packed: &[u8], most: u64) -> Result<(), OpError> {
    let folder = root.join(name.feed.to_string());
    let stem = stem_of(name);
    put(&folder, &stem, packed).map_err(|error| failed("archive.unwritten", "keep a body in", &folder, error))?;
    // One that cannot be removed now is removed another time.
    let sizes = sizes(&folder).unwrap_or_default();
    for doomed in beyond(&sizes, most, &(stem + WHOLE)) {
        fs::remove_file(folder.join(doomed)).ok();
    }
    Ok(())
}

fn put(folder: &Path, stem: &str, packed: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let (part, whole) = (folder.join(format!("{stem}{PART}")), folder.join(format!("{stem}{WHOLE}")));
    // What a killed writer left is begun anew.
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(packed)?;
    file.sync_all()?;
    fs::rename(&part, &whole)?;
    File::open(folder)?.sync_all()
}

/// The files of a feed with their sizes, the oldest fetch first.
fn sizes(folder: &Path) -> io::Result<Vec<(String, u64)>> {
    let mut sizes = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().into_string()
            && [WHOLE, PART].iter().any(|ending| name.ends_with(ending))
        {
            // What another process removes meanwhile takes no room.
            sizes.push((name, entry.metadata().map_or(0, |metadata| metadata.len())));
        }
    }
    sizes.sort();
    Ok(sizes)
}

/// Which bodies are kept of a feed, ascending.
pub(super) fn names(root: &Path, feed: FeedId) -> Result<Vec<BodyName>, OpError> {
    let folder = root.join(feed.to_string());
    let files = match sizes(&folder) {
        Ok(files) => files,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("archive.unreadable", "read", &folder, error)),
    };
    let name_of = |file: &str| {
        let (fetch, first_ordinal) = file.strip_suffix(WHOLE)?.rsplit_once('-')?;
        Some(BodyName { feed, fetch: fetch.parse::<FetchId>().ok()?, first_ordinal: first_ordinal.parse().ok()? })
    };
    Ok(files.iter().filter_map(|(file, _)| name_of(file)).collect())
}

/// One of them, with its path; `None` when it has gone.
pub(super) fn read(root: &Path, name: BodyName) -> Result<Option<(String, Vec<u8>)>, OpError> {
    let path: PathBuf = root.join(name.feed.to_string()).join(stem_of(name) + WHOLE);
    match fs::read(&path) {
        Ok(packed) => Ok(Some((path.display().to_string(), packed))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("archive.unreadable", "read", &path, error)),
    }
}

fn stem_of(name: BodyName) -> String {
    format!("{}-{:010}", name.fetch, name.first_ordinal)
}

fn failed(code: &'static str, what: &str, path: &Path, error: io::Error) -> OpError {
    OpError::failed(code, format!("cannot {what} {}: {error}", path.display()))
        .with_hint("check that the folder may be written, and that there is room")
        .with_source(error)
}
