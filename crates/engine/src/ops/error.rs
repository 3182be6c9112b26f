//! [`OpError`]: why an operation was not done, and [`Ending`]: how that is told to the world outside.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use feedspine_core::{ErrorKind, KeyError, StorageError};

use crate::AddressError;
use crate::shown::shown_text;

/// How a command ends; the number is its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Ending {
    /// Done.
    Done = 0,
    /// Not done.
    Failed = 1,
    /// The request or the configuration is wrong.
    Usage = 2,
    /// Some feeds failed; the others are collected.
    SomeFeedsFailed = 3,
    /// There is no such thing.
    NotFound = 5,
}

impl Ending {
    /// The exit code.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// What the caller can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpErrorKind {
    /// Correct the request.
    Usage,
    /// There is no such feed or record.
    NotFound,
    /// The message and the hint say what stood in the way.
    Failed,
}

impl OpErrorKind {
    /// How a command that was answered so ends.
    pub const fn ending(self) -> Ending {
        match self {
            Self::Usage => Ending::Usage,
            Self::NotFound => Ending::NotFound,
            Self::Failed => Ending::Failed,
        }
    }

    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::NotFound => "not_found",
            Self::Failed => "failed",
        }
    }
}

/// Why an operation, or one feed of it, was not done.
#[derive(Debug, Clone)]
pub struct OpError {
    kind: OpErrorKind,
    code: &'static str,
    message: String,
    hint: Option<String>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl OpError {
    /// An error with a stable code, such as `http.status`, and a sentence that names the thing. Secrets in addresses are
    /// left out of it, and of the hint: both are stored and shown.
    pub fn new(kind: OpErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, code, message: shown_text(&message.into()), hint: None, source: None }
    }

    /// The request is wrong.
    pub fn usage(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(OpErrorKind::Usage, code, message)
    }

    /// There is no such thing.
    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(OpErrorKind::NotFound, code, message)
    }

    /// Something stood in the way.
    pub fn failed(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(OpErrorKind::Failed, code, message)
    }

    /// Adds the next step.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(shown_text(&hint.into()));
        self
    }

    /// Adds what it comes from.
    #[must_use]
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What the caller can do about it.
    pub const fn kind(&self) -> OpErrorKind {
        self.kind
    }

    /// A stable word for programs, such as `http.status`.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What is wrong, in a sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The next step, when there is one.
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for OpError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<StorageError> for OpError {
    fn from(error: StorageError) -> Self {
        let (kind, code) = match error.kind() {
            ErrorKind::Invalid => (OpErrorKind::Usage, "storage.invalid"),
            ErrorKind::Unsupported => (OpErrorKind::Usage, "storage.unsupported"),
            ErrorKind::Conflict => (OpErrorKind::Failed, "storage.conflict"),
            ErrorKind::Unavailable => (OpErrorKind::Failed, "storage.unavailable"),
            ErrorKind::Denied => (OpErrorKind::Failed, "storage.denied"),
            ErrorKind::Corrupt => (OpErrorKind::Failed, "storage.corrupt"),
            ErrorKind::Full => (OpErrorKind::Failed, "storage.full"),
            ErrorKind::Closed => (OpErrorKind::Failed, "storage.closed"),
            ErrorKind::Internal => (OpErrorKind::Failed, "storage.internal"),
        };
        let hint = error.hint().map(str::to_owned);
        let failed = Self::new(kind, code, error.to_string()).with_source(error);
        Self { hint, ..failed }
    }
}

impl From<AddressError> for OpError {
    fn from(error: AddressError) -> Self {
        let code = match &error {
            AddressError::Scheme { .. } => "address.scheme",
            AddressError::Malformed { .. } => "address.malformed",
            AddressError::Credentials { .. } => "address.credentials",
        };
        Self::usage(code, error.to_string()).with_hint(error.hint())
    }
}

impl From<KeyError> for OpError {
    fn from(error: KeyError) -> Self {
        Self::usage("name.invalid", error.to_string())
    }
}
