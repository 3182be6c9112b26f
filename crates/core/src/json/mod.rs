//! [`Json`]: JSON values with exact numbers and one canonical text, the only form that is hashed, stored and compared.
//!
//! The stores' own JSON functions never decide anything: they disagree about NUL, big numbers and equal keys.

mod number;
mod read;
mod sort_key;
mod write;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

pub use number::Number;
pub use write::CanonicalWriter;

/// Arrays and objects nested deeper than this are refused.
pub const MAX_DEPTH: usize = 64;

/// A JSON value. Members are kept sorted by the bytes of their names.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An exact decimal.
    Number(Number),
    /// Text; may hold any Unicode scalar value, NUL included.
    String(String),
    /// An ordered list.
    Array(Vec<Json>),
    /// Members by name.
    Object(BTreeMap<String, Json>),
}

/// Why a text is not JSON that we keep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Something else was expected at this byte; `ended` when the text stops there.
    #[error("not JSON: expected {wanted} at byte {offset}")]
    Syntax {
        /// What would have been right.
        wanted: &'static str,
        /// Byte offset into the text.
        offset: usize,
        /// The text ends here: it may be a cut document.
        ended: bool,
    },
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("JSON nested deeper than {MAX_DEPTH} at byte {offset}")]
    Depth {
        /// Byte offset into the text.
        offset: usize,
    },
    /// A `\u` escape that is half of a surrogate pair: no Unicode text can hold it.
    #[error("a lone surrogate escape at byte {offset}")]
    Surrogate {
        /// Byte offset into the text.
        offset: usize,
    },
}

impl Json {
    /// Reads one JSON document strictly. Of equal member names the last wins.
    ///
    /// # Errors
    /// Syntax, depth beyond [`MAX_DEPTH`], or a lone surrogate.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        read::read(text)
    }

    /// The canonical text: sorted members, no blanks, shortest escapes, canonical numbers.
    pub fn to_canonical(&self) -> String {
        let mut writer = CanonicalWriter::new();
        writer.value(self);
        writer.finish()
    }

    /// Whether it is nested no deeper than [`MAX_DEPTH`], so that its text can be read back.
    pub fn fits(&self) -> bool {
        self.fits_below(0)
    }

    fn fits_below(&self, depth: usize) -> bool {
        depth <= MAX_DEPTH
            && match self {
                Self::Array(elements) => elements.iter().all(|element| element.fits_below(depth + 1)),
                Self::Object(members) => members.values().all(|member| member.fits_below(depth + 1)),
                _ => true,
            }
    }

    /// The member of that name, when this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.get(name),
            _ => None,
        }
    }

    /// The text, when this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// An object of these members.
    pub fn object<N: Into<String>>(members: impl IntoIterator<Item = (N, Self)>) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// Bytes whose order is the order of the values, for stores that sort by a JSON path.
    pub fn sort_key(&self) -> Vec<u8> {
        sort_key::sort_key(self)
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Number(_) => 2,
            Self::String(_) => 3,
            Self::Array(_) => 4,
            Self::Object(_) => 5,
        }
    }
}

/// Null, booleans, numbers by value, strings by UTF-8 bytes, arrays and objects member by member.
impl Ord for Json {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::String(a), Self::String(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::Array(a), Self::Array(b)) => a.cmp(b),
            (Self::Object(a), Self::Object(b)) => a.cmp(b),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Json {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The canonical text.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_canonical())
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<i64> for Json {
    fn from(value: i64) -> Self {
        Self::Number(value.into())
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::Number(value.into())
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Json>> From<Vec<T>> for Json {
    fn from(values: Vec<T>) -> Self {
        Self::Array(values.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests;
