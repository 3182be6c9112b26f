//! redb's errors as ours: the kind says what to do next, redb's own error is the source.

use std::io;

use feedspine_core::{ErrorKind, StorageError};

/// Wraps an error of redb's. Nothing was written: a transaction that fails is dropped, which undoes it.
pub(crate) fn fault(error: impl Into<redb::Error>) -> StorageError {
    let error = error.into();
    let (kind, hint) = judge(&error);
    let wrapped = StorageError::new(kind, format!("redb: {error}")).with_source(error);
    match hint {
        Some(hint) => wrapped.with_hint(hint),
        None => wrapped,
    }
}

/// What the caller can do about it.
fn judge(error: &redb::Error) -> (ErrorKind, Option<&'static str>) {
    use io::ErrorKind as Io;
    use redb::Error as E;
    const RESTORE: Option<&str> = Some("restore the file from a backup, or name another file");
    match error {
        E::DatabaseAlreadyOpen | E::LockProtocolMismatch => {
            (ErrorKind::Unavailable, Some("another program holds the file in another way: stop it, then try again"))
        }
        E::PreviousIo => (ErrorKind::Unavailable, Some("close the store and initialize it again")),
        E::Corrupted(_) | E::TableTypeMismatch { .. } | E::TableDoesNotExist(_) => (ErrorKind::Corrupt, RESTORE),
        E::UpgradeRequired(_) | E::Unsupported => (ErrorKind::Unsupported, None),
        E::Io(error) => match error.kind() {
            Io::StorageFull | Io::QuotaExceeded => (ErrorKind::Full, Some("make room on the disk, then try again")),
            Io::InvalidData | Io::UnexpectedEof => (ErrorKind::Corrupt, RESTORE),
            Io::PermissionDenied | Io::ReadOnlyFilesystem | Io::NotFound | Io::NotADirectory | Io::IsADirectory => {
                (ErrorKind::Denied, Some("check that the file and its directory may be written"))
            }
            _ => (ErrorKind::Unavailable, None),
        },
        E::Backend(_) => (ErrorKind::Unavailable, None),
        _ => (ErrorKind::Internal, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_the_kind_that_says_what_to_do() {
        let io = |kind: io::ErrorKind| redb::Error::Io(kind.into());
        let table = [
            (redb::Error::DatabaseAlreadyOpen, ErrorKind::Unavailable),
            (redb::Error::Corrupted("page 7".into()), ErrorKind::Corrupt),
            (io(io::ErrorKind::StorageFull), ErrorKind::Full),
            (io(io::ErrorKind::PermissionDenied), ErrorKind::Denied),
            (io(io::ErrorKind::InvalidData), ErrorKind::Corrupt),
            (io(io::ErrorKind::TimedOut), ErrorKind::Unavailable),
            (redb::Error::TransactionPoisoned, ErrorKind::Internal),
        ];
        for (error, kind) in table {
            let name = error.to_string();
            assert_eq!(fault(error).kind(), kind, "{name}");
        }
    }
}
