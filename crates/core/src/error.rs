//! [`StorageError`]: few kinds, named by what to do next.

use std::error::Error;
use std::fmt;

/// What the caller can do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request can never work as it stands: correct it.
    Invalid,
    /// This backend cannot do that: ask for something else.
    Unsupported,
    /// Somebody else was first: load again, decide again.
    Conflict,
    /// The store cannot be reached or is busy: try later.
    Unavailable,
    /// The store refuses us: permissions, credentials, a read-only file.
    Denied,
    /// What is stored cannot be read as ours: stop, verify, restore.
    Corrupt,
    /// No room is left: make room, then try again.
    Full,
    /// The backend was closed, or never initialised.
    Closed,
    /// A fault of ours: report it.
    Internal,
}

/// Whether a failed write may have happened all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Applied {
    /// It certainly did not happen.
    No,
    /// The answer was lost: ask the store (submitting the same batch again is safe).
    Unknown,
}

/// A failure of a storage backend. The driver's own error is its source.
#[derive(Debug)]
pub struct StorageError {
    kind: ErrorKind,
    applied: Applied,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What storage calls return.
pub type Result<T, E = StorageError> = std::result::Result<T, E>;

macro_rules! constructor {
    ($(#[$doc:meta])* $name:ident, $kind:ident) => {
        $(#[$doc])*
        pub fn $name(message: impl Into<String>) -> Self {
            Self::new(ErrorKind::$kind, message)
        }
    };
}

impl StorageError {
    /// An error of that kind whose write certainly did not happen.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, applied: Applied::No, message: message.into(), hint: None, source: None }
    }

    constructor!(
        /// The request can never work as it stands.
        invalid, Invalid
    );
    constructor!(
        /// This backend cannot do that.
        unsupported, Unsupported
    );
    constructor!(
        /// Somebody else was first.
        conflict, Conflict
    );
    constructor!(
        /// The backend is closed.
        closed, Closed
    );
    constructor!(
        /// What is stored cannot be read as ours.
        corrupt, Corrupt
    );
    constructor!(
        /// The store cannot be reached or is busy.
        unavailable, Unavailable
    );
    constructor!(
        /// A fault of ours.
        internal, Internal
    );

    /// Adds the next step.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the driver's error.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Says whether the write may have happened.
    #[must_use]
    pub fn with_applied(mut self, applied: Applied) -> Self {
        self.applied = applied;
        self
    }

    /// What to do next.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Whether the failed write may have happened.
    pub fn applied(&self) -> Applied {
        self.applied
    }

    /// The next step, when there is one.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for StorageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
