//! PostgreSQL's errors as ours: the kind says what to do next.

use std::io;

use deadpool::managed::{PoolError, TimeoutType};
use feedspine_core::{Applied, ErrorKind, StorageError};
use tokio_postgres::error::SqlState;

/// What goes wrong inside: the server's or the driver's own error, or one that is said already.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Said already.
    Storage(StorageError),
    /// The server's or the driver's.
    Postgres(tokio_postgres::Error),
    /// The server's host does not answer.
    Unreached(io::Error),
    /// The call has no connection, or no time left.
    Late(StorageError),
    /// What was read before the locks were taken is not so any more: begin again.
    Outdated,
    /// The COMMIT was sent and not answered.
    Unanswered(Option<tokio_postgres::Error>),
}

/// What the functions of this crate return.
pub(crate) type Outcome<T> = std::result::Result<T, Fault>;

const TRUST: &str = "name the host as its certificate does, and the authority's PEM file with ?sslrootcert=PATH; \
                     sslmode=disable is for where nobody can listen";

const REACH: &str = "check that the server runs and that the address is right";

/// Whether another try may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// It cannot.
    Never,
    /// The transaction lost against another, and has a few more tries.
    Lost,
    /// The server is away or busy: until the call's time is up.
    Away,
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<PoolError<Fault>> for Fault {
    fn from(error: PoolError<Fault>) -> Self {
        match error {
            PoolError::Backend(fault) => fault,
            PoolError::Timeout(TimeoutType::Wait) => Self::Late(
                StorageError::unavailable("postgres: every connection is in use")
                    .with_hint("try again, or allow more with ?pool_size=N in the address"),
            ),
            PoolError::Closed => Self::Late(StorageError::closed("the store was closed")),
            PoolError::Timeout(_) | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
                Self::Late(StorageError::unavailable("postgres: no connection in time").with_hint(REACH))
            }
        }
    }
}

impl Fault {
    /// Whether another try may help, when nothing was committed.
    pub(crate) fn again(&self) -> Again {
        match self {
            Self::Storage(_) | Self::Late(_) => Again::Never,
            Self::Outdated => Again::Lost,
            Self::Unanswered(_) | Self::Unreached(_) => Again::Away,
            Self::Postgres(error) if is_tls(error) => Again::Never,
            Self::Postgres(error) => match error.code() {
                Some(code) if is_lost(code) => Again::Lost,
                Some(code) if is_away(code) || *code == SqlState::LOCK_NOT_AVAILABLE => Again::Away,
                None if is_connection(error) => Again::Away,
                _ => Again::Never,
            },
        }
    }

    /// Whether the schema may be the cause: it lacks what a statement names, or asks for more than one gives.
    pub(crate) fn is_of_schema(&self) -> bool {
        let Self::Postgres(error) = self else { return false };
        error.code().is_some_and(may_be_of_schema)
    }

    /// It only says that something before it in the transaction failed.
    pub(crate) fn is_echo(&self) -> bool {
        matches!(self, Self::Postgres(error) if error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION))
    }

    /// Whether the server said that a COMMIT certainly did not happen.
    pub(crate) fn denies_commit(error: &tokio_postgres::Error) -> bool {
        error.code().is_some_and(|code| !is_away(code))
    }

    /// The error as callers see it.
    pub(crate) fn into_error(self) -> StorageError {
        match self {
            Self::Storage(error) | Self::Late(error) => error,
            Self::Postgres(error) => explain(error),
            Self::Unreached(error) => {
                let message = format!("postgres: error connecting to server: {error}");
                StorageError::unavailable(message).with_hint(REACH).with_source(error)
            }
            Self::Outdated => {
                StorageError::unavailable("postgres: other writers were always first").with_hint("try again")
            }
            Self::Unanswered(error) => {
                let error = error.map_or_else(
                    || StorageError::unavailable("postgres: the commit was not answered in time"),
                    explain,
                );
                error.with_applied(Applied::Unknown)
            }
        }
    }
}

/// A deadlock, a serialisation failure, or a row that somebody without our locks was first to write.
fn is_lost(code: &SqlState) -> bool {
    [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::UNIQUE_VIOLATION].contains(code)
}

/// What the server says of tables that are not as a statement takes them, in class 42 (syntax, names, types) and 23 (a new
/// column without a default, a new constraint), and of a kept statement whose columns are others now.
fn may_be_of_schema(code: &SqlState) -> bool {
    let code = code.code();
    matches!(&code[..2], "42" | "23" | "0A") && code != "42501" || code == "3F000"
}

/// The server is stopping, starting, full of connections, or has given up this one.
fn is_away(code: &SqlState) -> bool {
    let states = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
        SqlState::TOO_MANY_CONNECTIONS,
        SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
    ];
    // Class 08: connection exceptions, PgBouncer's among them.
    code.code().starts_with("08") || states.contains(code)
}

/// The connection failed, rather than what was asked on it.
fn is_connection(error: &tokio_postgres::Error) -> bool {
    of_socket(error).is_some() || error.is_closed()
}

/// What the socket failed with.
fn of_socket(error: &tokio_postgres::Error) -> Option<&io::Error> {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(failure) = cause.downcast_ref() {
            return Some(failure);
        }
        source = cause.source();
    }
    None
}

/// The server and this program found no encrypted way to speak. The driver says so in words only.
fn is_tls(error: &tokio_postgres::Error) -> bool {
    // What was said wrongly is invalid data; all else that a socket tells of is a connection that broke.
    let was_heard = of_socket(error).is_none_or(|failure| failure.kind() == io::ErrorKind::InvalidData);
    was_heard && error.to_string().starts_with("error performing TLS handshake")
}

fn explain(error: tokio_postgres::Error) -> StorageError {
    if is_tls(&error) {
        let message = format!("postgres: {}", innermost(&error));
        return StorageError::new(ErrorKind::Denied, message).with_hint(TRUST).with_source(error);
    }
    let (kind, hint) = judge(error.code(), is_connection(&error));
    let message = match error.as_db_error() {
        Some(said) => format!("postgres: {} (SQLSTATE {})", said.message(), said.code().code()),
        None => format!("postgres: {}", innermost(&error)),
    };
    let told = StorageError::new(kind, message);
    match hint {
        Some(hint) => told.with_hint(hint).with_source(error),
        None => told.with_source(error),
    }
}

/// The driver wraps what happened in words like "db error" and "error connecting to server".
fn innermost(error: &tokio_postgres::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// What to do about a state of PostgreSQL's (appendix A of its manual), or about a failed connection.
fn judge(code: Option<&SqlState>, connection: bool) -> (ErrorKind, Option<&'static str>) {
    let Some(code) = code else {
        return if connection { (ErrorKind::Unavailable, Some(REACH)) } else { (ErrorKind::Internal, None) };
    };
    if is_away(code) || is_lost(code) {
        return (ErrorKind::Unavailable, Some("try again"));
    }
    let code = code.code();
    match (&code[..2], code) {
        (_, "57014") => (ErrorKind::Unavailable, Some("the statement took too long: ask for less, or try again")),
        (_, "55P03") => (ErrorKind::Unavailable, Some("another writer holds the namespace: try again")),
        (_, "53100") => (ErrorKind::Full, Some("make room on the server's disk, then try again")),
        ("28", _) | (_, "42501" | "25006") => {
            (ErrorKind::Denied, Some("check the role, its password and its rights on the schema"))
        }
        (_, "3D000") => (ErrorKind::Denied, Some("create the database first: feedspine makes schemas, not databases")),
        ("XX", "XX001" | "XX002") => (ErrorKind::Corrupt, Some("restore the database from a backup")),
        (_, "42P01" | "42703" | "3F000") => {
            (ErrorKind::Corrupt, Some("the schema is not as feedspine made it: restore it from a backup"))
        }
        ("54", _) => (ErrorKind::Invalid, Some("PostgreSQL holds values of up to 1 GB")),
        ("0A", _) => (ErrorKind::Unsupported, Some("feedspine needs PostgreSQL 13 or newer")),
        ("53" | "57" | "58", _) => (ErrorKind::Unavailable, Some("try again")),
        _ => (ErrorKind::Internal, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_the_kind_that_says_what_to_do() {
        let table = [
            ("40001", ErrorKind::Unavailable),
            ("40P01", ErrorKind::Unavailable),
            ("57P01", ErrorKind::Unavailable),
            ("08006", ErrorKind::Unavailable),
            ("53300", ErrorKind::Unavailable),
            ("57014", ErrorKind::Unavailable),
            ("55P03", ErrorKind::Unavailable),
            ("53100", ErrorKind::Full),
            ("28P01", ErrorKind::Denied),
            ("42501", ErrorKind::Denied),
            ("25006", ErrorKind::Denied),
            ("3D000", ErrorKind::Denied),
            ("XX001", ErrorKind::Corrupt),
            ("42P01", ErrorKind::Corrupt),
            ("54000", ErrorKind::Invalid),
            ("0A000", ErrorKind::Unsupported),
            ("22021", ErrorKind::Internal),
        ];
        for (code, kind) in table {
            assert_eq!(judge(Some(&SqlState::from_code(code)), false).0, kind, "{code}");
        }
        assert_eq!(judge(None, true).0, ErrorKind::Unavailable);
    }

    #[test]
    fn what_a_newer_schema_makes_of_our_statements_is_looked_into() {
        for code in ["42P01", "42703", "3F000", "0A000", "23502", "42804"] {
            assert!(may_be_of_schema(&SqlState::from_code(code)), "{code}");
        }
        for code in ["42501", "57014", "53100", "XX001", "40001"] {
            assert!(!may_be_of_schema(&SqlState::from_code(code)), "{code}");
        }
    }

    #[test]
    fn only_what_may_have_been_said_after_the_commit_leaves_it_open() {
        for code in ["57P01", "57P02", "08006"] {
            assert!(is_away(&SqlState::from_code(code)), "{code}");
        }
        for code in ["40001", "23505", "53100", "25P02"] {
            assert!(!is_away(&SqlState::from_code(code)), "{code}");
        }
    }

    #[test]
    fn an_unanswered_commit_is_unknown_and_all_else_did_not_happen() {
        assert_eq!(Fault::Unanswered(None).into_error().applied(), Applied::Unknown);
        assert_eq!(Fault::Outdated.into_error().applied(), Applied::No);
    }
}
