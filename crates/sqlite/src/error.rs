//! SQLite's errors as ours: the kind says what to do next.

use std::sync::Arc;

use feedspine_core::{Applied, ErrorKind, StorageError};
use rusqlite::{ErrorCode, ffi};

/// What to do where a store is there and may only be read.
pub(crate) const WRITE_OR_COPY: &str = "let the file and its directory be written; or copy the file, and its -wal if there \
     is one, into a directory that may be written, and name the copy";

/// What goes wrong inside: SQLite's own error, or one that is said already.
#[derive(Debug)]
pub(crate) enum Fault {
    Sqlite(rusqlite::Error),
    Storage(StorageError),
}

/// What the functions of this crate return.
pub(crate) type Outcome<T> = std::result::Result<T, Fault>;

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl Fault {
    /// Another connection has its turn: to be asked again.
    pub(crate) fn is_busy(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::FileLockingProtocolFailed))
    }

    /// The error as callers see it.
    pub(crate) fn into_error(self) -> StorageError {
        match self {
            Self::Storage(error) => error,
            Self::Sqlite(error) => Failure::of(error).to_error(Applied::No),
        }
    }

    /// The error as several callers see it.
    pub(crate) fn into_failure(self) -> Failure {
        match self {
            Self::Storage(error) => Failure {
                kind: error.kind(),
                message: error.to_string(),
                hint: error.hint().map(str::to_owned),
                source: None,
            },
            Self::Sqlite(error) => Failure::of(error),
        }
    }
}

/// A failure that several calls share, such as that of the COMMIT that was to end them all.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    source: Option<Arc<rusqlite::Error>>,
}

impl Failure {
    pub(crate) fn of(error: rusqlite::Error) -> Self {
        let (kind, hint) = judge(&error);
        Self { kind, message: format!("sqlite: {error}"), hint: hint.map(str::to_owned), source: Some(Arc::new(error)) }
    }

    /// The failure of one of the calls.
    pub(crate) fn to_error(&self, applied: Applied) -> StorageError {
        let mut error = StorageError::new(self.kind, self.message.clone()).with_applied(applied);
        if let Some(hint) = &self.hint {
            error = error.with_hint(hint);
        }
        match &self.source {
            Some(source) => error.with_source(Arc::clone(source)),
            None => error,
        }
    }

    pub(crate) fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Another connection had its turn; nothing was begun.
    pub(crate) fn is_busy(&self) -> bool {
        self.source.as_ref().and_then(|error| error.sqlite_error_code()) == Some(ErrorCode::DatabaseBusy)
    }
}

/// What to do about an error of SQLite's.
fn judge(error: &rusqlite::Error) -> (ErrorKind, Option<&'static str>) {
    let Some(failure) = error.sqlite_error() else { return judge_without_code(error) };
    match failure.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            (ErrorKind::Unavailable, Some("another process is writing: try again"))
        }
        ErrorCode::DiskFull => (ErrorKind::Full, Some("make room on the disk, then try again")),
        // The -shm file could not grow, which is what a full disk looks like from there.
        ErrorCode::SystemIoFailure if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => {
            (ErrorKind::Full, Some("make room on the disk, then try again"))
        }
        ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory | ErrorCode::OperationInterrupted => {
            (ErrorKind::Unavailable, None)
        }
        ErrorCode::ReadOnly => (ErrorKind::Denied, Some(WRITE_OR_COPY)),
        ErrorCode::PermissionDenied | ErrorCode::CannotOpen | ErrorCode::AuthorizationForStatementDenied => {
            (ErrorKind::Denied, Some("check that the file and its directory may be written"))
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            (ErrorKind::Corrupt, Some("restore the file from a backup"))
        }
        ErrorCode::TooBig => (ErrorKind::Invalid, Some("SQLite holds values of up to 1 000 000 000 bytes")),
        _ => (ErrorKind::Internal, None),
    }
}

/// Errors of reading a row: what is stored is not what this program wrote.
fn judge_without_code(error: &rusqlite::Error) -> (ErrorKind, Option<&'static str>) {
    use rusqlite::Error as E;
    match error {
        E::FromSqlConversionFailure(..)
        | E::IntegralValueOutOfRange(..)
        | E::Utf8Error(..)
        | E::InvalidColumnType(..)
        | E::QueryReturnedNoRows => (ErrorKind::Corrupt, Some("restore the file from a backup")),
        _ => (ErrorKind::Internal, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn every_failure_has_the_kind_that_says_what_to_do() {
        let table = [
            (ffi::SQLITE_BUSY, ErrorKind::Unavailable),
            (ffi::SQLITE_BUSY_SNAPSHOT, ErrorKind::Unavailable),
            (ffi::SQLITE_LOCKED, ErrorKind::Unavailable),
            (ffi::SQLITE_FULL, ErrorKind::Full),
            (ffi::SQLITE_IOERR_SHMSIZE, ErrorKind::Full),
            (ffi::SQLITE_IOERR_FSYNC, ErrorKind::Unavailable),
            (ffi::SQLITE_CANTOPEN, ErrorKind::Denied),
            (ffi::SQLITE_READONLY, ErrorKind::Denied),
            (ffi::SQLITE_NOTADB, ErrorKind::Corrupt),
            (ffi::SQLITE_CORRUPT, ErrorKind::Corrupt),
            (ffi::SQLITE_TOOBIG, ErrorKind::Invalid),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, ErrorKind::Internal),
        ];
        for (code, kind) in table {
            let error = Fault::from(failure(code)).into_error();
            assert_eq!((error.kind(), error.applied()), (kind, Applied::No), "{code}");
        }
        assert_eq!(Failure::of(rusqlite::Error::QueryReturnedNoRows).kind(), ErrorKind::Corrupt);
    }
}
