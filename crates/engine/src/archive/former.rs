//! Bodies that stores before schema 6 (`SQLite`) and 9 (`PostgreSQL`) kept beside them: a folder for each feed, in it
//! `FETCH-ORDINAL.body`. Each is a line of JSON that says how it is read, and the body itself, packed by gzip.

use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use feedspine_core::{FeedId, FetchId, Json};
use flate2::bufread::GzDecoder;

use super::{BodyName, KeptBody};

/// A file that holds a body.
#[derive(Debug)]
pub(super) struct FormerBody {
    pub(super) path: PathBuf,
    pub(super) name: BodyName,
}

/// The bodies in such a folder, the oldest of each feed first; none where there is no folder.
pub(super) fn bodies(root: &Path) -> io::Result<Vec<FormerBody>> {
    let mut found = Vec::new();
    for folder in entries(root)? {
        let feed = folder.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<FeedId>().ok());
        let Some(feed) = feed.filter(|_| folder.is_dir()) else { continue };
        for path in entries(&folder)? {
            found.extend(name_of(feed, &path).map(|name| FormerBody { path, name }));
        }
    }
    found.sort_by_key(|body| body.name);
    Ok(found)
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn name_of(feed: FeedId, path: &Path) -> Option<BodyName> {
    let (fetch, ordinal) = path.file_name()?.to_str()?.strip_suffix(".body")?.rsplit_once('-')?;
    Some(BodyName { feed, fetch: fetch.parse::<FetchId>().ok()?, first_ordinal: ordinal.parse().ok()? })
}

/// Removes what is left of the folder once its bodies are gone: what writers that were killed left behind, and itself.
pub(super) fn remove(root: &Path) {
    for folder in entries(root).unwrap_or_default() {
        for path in entries(&folder).unwrap_or_default() {
            if path.extension().is_some_and(|extension| extension == "part") {
                fs::remove_file(path).ok();
            }
        }
        // One that holds something else stays.
        fs::remove_dir(folder).ok();
    }
    fs::remove_dir(root).ok();
}

/// The body; `None` when it is not as it was written. It is never larger than its header says.
pub(super) fn unpack(packed: &[u8]) -> Option<KeptBody> {
    let end = packed.iter().position(|byte| *byte == b'\n')?;
    let header = Json::parse(std::str::from_utf8(&packed[..end]).ok()?).ok()?;
    let number = |name| header.get(name).and_then(|value| value.to_string().parse::<u64>().ok());
    let text = |name| header.get(name).and_then(Json::as_str).map(str::to_owned);
    let length = number("bytes")?;
    let mut bytes = Vec::new();
    GzDecoder::new(&packed[end + 1..]).take(length + 1).read_to_end(&mut bytes).ok()?;
    if bytes.len() as u64 != length {
        return None;
    }
    let ordinal = |name| number(name).and_then(|number| u32::try_from(number).ok());
    Some(KeptBody {
        first_ordinal: ordinal("first_ordinal")?,
        // One that was kept before this was written down reaches as far as the next.
        last_ordinal: ordinal("last_ordinal").unwrap_or(u32::MAX),
        observed_at: text("observed_at")?.parse().ok()?,
        url: text("url"),
        content_type: text("content_type"),
        http_status: None,
        headers: Vec::new(),
        bytes,
    })
}
