//! DuckDB's errors as ours: the kind says what to do next.

use std::io;
use std::path::Path;

use feedspine_core::{ErrorKind, StorageError};

/// What goes wrong inside: DuckDB's own error, or one that is said already.
#[derive(Debug)]
pub(crate) enum Fault {
    Duck(duckdb::Error),
    Storage(StorageError),
}

/// What the functions of this crate return.
pub(crate) type Outcome<T> = std::result::Result<T, Fault>;

impl From<duckdb::Error> for Fault {
    fn from(error: duckdb::Error) -> Self {
        Self::Duck(error)
    }
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl Fault {
    /// The error as callers see it.
    pub(crate) fn into_error(self) -> StorageError {
        let error = match self {
            Self::Storage(error) => return error,
            Self::Duck(error) => error,
        };
        let text = error.to_string();
        let (kind, hint) = judge(&error, &text);
        // The first line says it; the rest points into a statement of ours.
        let message = format!("duckdb: {}", text.lines().next().unwrap_or_default());
        let wrapped = StorageError::new(kind, message).with_source(error);
        if hint.is_empty() { wrapped } else { wrapped.with_hint(hint) }
    }
}

/// What is stored is not what this program wrote.
pub(crate) fn corrupt(what: &str) -> Fault {
    StorageError::corrupt(format!("the store holds what cannot be: {what}"))
        .with_hint("restore the file from a backup")
        .into()
}

/// What the system says of a file.
pub(crate) fn of_files(file: &Path, error: io::Error) -> Fault {
    let (kind, hint) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::Full, "make room on the disk, then try again")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::NotFound => {
            (ErrorKind::Denied, "check that the file and its directory may be written")
        }
        _ => (ErrorKind::Unavailable, "look what is wrong with the disk, then try again"),
    };
    StorageError::new(kind, format!("{}: {error}", file.display())).with_hint(hint).with_source(error).into()
}

/// What DuckDB's messages say (version 1.5.6; its C interface gives no codes), and what to do about it. The first that
/// is found counts.
const MEANINGS: [(&str, ErrorKind, &str); 15] = [
    (
        "Could not set lock on file",
        ErrorKind::Unavailable,
        "one process at a time uses a DuckDB file: stop the other, or use sqlite: or postgres: to share a store",
    ),
    ("No space left on device", ErrorKind::Full, "make room on the disk, then try again"),
    ("database has been invalidated", ErrorKind::Unavailable, "close the store and initialize it again"),
    ("Permission denied", ErrorKind::Denied, "check that the file and its directory may be written"),
    ("Read-only file system", ErrorKind::Denied, "check that the file and its directory may be written"),
    ("No such file or directory", ErrorKind::Denied, "check that the directory is there and may be written"),
    ("Is a directory", ErrorKind::Denied, "name a file, not a directory"),
    ("not a valid DuckDB database file", ErrorKind::Corrupt, "name another file, or restore this one from a backup"),
    ("database file with version number", ErrorKind::Unsupported, "use the program that wrote it, or a newer one"),
    ("Corrupt database file", ErrorKind::Corrupt, "restore the file from a backup"),
    ("Could not read enough bytes from file", ErrorKind::Corrupt, "restore the file from a backup"),
    ("checksum", ErrorKind::Corrupt, "restore the file from a backup"),
    ("Serialization Error", ErrorKind::Corrupt, "restore the file from a backup"),
    ("Out of Memory Error", ErrorKind::Unavailable, "give the process more memory, or ask for less at once"),
    ("IO Error", ErrorKind::Unavailable, ""),
];

fn judge(error: &duckdb::Error, text: &str) -> (ErrorKind, &'static str) {
    use duckdb::Error as E;
    match error {
        E::DuckDBFailure(..) => {
            let found = MEANINGS.iter().find(|(said, ..)| text.contains(said));
            found.map_or((ErrorKind::Internal, ""), |(_, kind, hint)| (*kind, hint))
        }
        E::FromSqlConversionFailure(..)
        | E::IntegralValueOutOfRange(..)
        | E::UnsignedIntegralValueOutOfRange(..)
        | E::Utf8Error(_)
        | E::InvalidColumnType(..)
        | E::QueryReturnedNoRows => (ErrorKind::Corrupt, "restore the file from a backup"),
        _ => (ErrorKind::Internal, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(text: &str) -> Fault {
        Fault::Duck(duckdb::Error::DuckDBFailure(duckdb::ffi::Error::new(1), Some(text.to_owned())))
    }

    #[test]
    fn every_failure_has_the_kind_that_says_what_to_do() {
        let table = [
            ("IO Error: Could not set lock on file \"x\": Conflicting lock is held", ErrorKind::Unavailable),
            ("IO Error: Could not write file \"x\": No space left on device", ErrorKind::Full),
            ("IO Error: Cannot open file \"x\": Permission denied", ErrorKind::Denied),
            ("IO Error: Cannot open file \"/a/x\": No such file or directory", ErrorKind::Denied),
            ("IO Error: The file \"x\" exists, but it is not a valid DuckDB database file!", ErrorKind::Corrupt),
            ("IO Error: Could not read from file", ErrorKind::Unavailable),
            (
                "FATAL Error: Failed: database has been invalidated because of a previous fatal error",
                ErrorKind::Unavailable,
            ),
            ("Binder Error: no such column", ErrorKind::Internal),
        ];
        for (text, kind) in table {
            assert_eq!(failure(text).into_error().kind(), kind, "{text}");
        }
        assert_eq!(Fault::from(duckdb::Error::QueryReturnedNoRows).into_error().kind(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_message_is_one_line() {
        let error = failure("Binder Error: no\n\nLINE 1: select").into_error();
        assert_eq!(error.to_string(), "duckdb: Binder Error: no");
    }
}
