//! Files as feeds.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::decode::Coding;
use super::{FetchFailure, Fetched, Received, Route, bytes};
use crate::OpError;

/// Reads a regular file of at most `limit` bytes. Pipes and devices are refused before they are opened: they could
/// block for ever.
pub(super) async fn read(path: &Path, limit: u64) -> Result<Fetched, FetchFailure> {
    let owned = path.to_path_buf();
    let read = tokio::task::spawn_blocking(move || read_regular(&owned, limit)).await;
    let read = read.map_err(|error| OpError::failed("file.unreadable", format!("reading was given up: {error}")))?;
    let shown = path.display();
    match read {
        Ok(FileRead::Whole(wire)) => {
            let body = Some(Received { wire, coding: Coding::Identity });
            Ok(Fetched {
                http_status: None,
                url: None,
                route: Route::Direct,
                validators: None,
                content_type: None,
                link: None,
                headers: Vec::new(),
                body,
            })
        }
        Ok(FileRead::NotRegular) => {
            let error = OpError::failed("file.not_regular", format!("{shown} is not a regular file"));
            Err(error.with_hint("give the path of a feed document").into())
        }
        Ok(FileRead::TooLarge) => {
            let error = OpError::failed("file.too_large", format!("{shown} is larger than {}", bytes(limit)));
            Err(error.with_hint("is it a feed?").into())
        }
        Err(error) => {
            let failed = OpError::failed("file.unreadable", format!("cannot read {shown}: {error}"));
            Err(failed.with_hint("check that the file is there and may be read").with_source(error).into())
        }
    }
}

/// What came of reading a file.
pub(super) enum FileRead {
    Whole(Vec<u8>),
    NotRegular,
    TooLarge,
}

/// Reads a regular file of at most `limit` bytes; may block.
pub(super) fn read_regular(path: &Path, limit: u64) -> io::Result<FileRead> {
    if !std::fs::metadata(path)?.is_file() {
        return Ok(FileRead::NotRegular);
    }
    let mut wire = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut wire)?;
    Ok(if wire.len() as u64 > limit { FileRead::TooLarge } else { FileRead::Whole(wire) })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn code_of(path: &Path, limit: u64) -> &'static str {
        read(path, limit).await.map_or_else(|failure| failure.error.code(), |_| "ok")
    }

    #[tokio::test]
    async fn reads_regular_files_within_the_limit_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("feed.xml");
        std::fs::write(&path, "0123456789").unwrap();
        assert_eq!(read(&path, 10).await.unwrap().body.unwrap().wire, b"0123456789");
        assert_eq!(code_of(&path, 9).await, "file.too_large");
        assert_eq!(code_of(folder.path(), 10).await, "file.not_regular");
        assert_eq!(code_of(Path::new("/dev/zero"), 10).await, "file.not_regular");
        assert_eq!(code_of(&folder.path().join("none"), 10).await, "file.unreadable");
    }

    #[tokio::test]
    async fn a_pipe_that_nobody_writes_to_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        assert_eq!(code_of(&path, 10).await, "file.not_regular");
    }
}
