//! Where bodies were kept before stores kept them themselves: a folder beside the store's file, or under the user's data
//! directory for a store that is none. What is found there is taken over.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use feedspine::OpError;
use feedspine::core::ContentHash;

use crate::feeds_file::same_store;
use crate::places;

/// What is added to the name of a store's file.
const SUFFIX: &str = ".bodies";

/// The folder for the store that a URL names, which lies in a file of its own if that is told.
pub(crate) fn folder(url: &str, file: Option<&Path>) -> Result<PathBuf, OpError> {
    if let Some(file) = file {
        return Ok(beside(file));
    }
    let here = std::env::current_dir().unwrap_or_default();
    let name = ContentHash::of(same_store(url, &here).as_bytes()).to_string();
    Ok(places::data_dir()?.join("bodies").join(&name[..16]))
}

/// Beside the file itself, by whichever link it was named.
fn beside(file: &Path) -> PathBuf {
    let mut path: OsString = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned()).into();
    path.push(SUFFIX);
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_lie_beside_the_file_of_the_store_whatever_links_lead_there() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let (store, link) = (home.join("x.db"), home.join("link.db"));
        fs::write(&store, "").unwrap();
        std::os::unix::fs::symlink(&store, &link).unwrap();
        assert_eq!(folder("sqlite:link.db", Some(&link)).unwrap(), home.join("x.db.bodies"));
    }
}
