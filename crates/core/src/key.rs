//! What makes an item that item: the natural key within its namespace.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::hexadecimal;

/// The longest key and the longest namespace, in bytes.
pub const MAX_KEY_BYTES: usize = 2_048;
/// The longest feed name, in bytes.
pub(crate) const MAX_NAME_BYTES: usize = 128;

/// Why a text cannot be a key, a namespace or a feed name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing is left after trimming ASCII white space.
    #[error("{what} is empty")]
    Empty {
        /// Key, namespace or feed name.
        what: &'static str,
    },
    /// Longer than the limit.
    #[error("{what} is {bytes} bytes long; the limit is {limit}")]
    TooLong {
        /// Key, namespace or feed name.
        what: &'static str,
        /// Its length after trimming.
        bytes: usize,
        /// The most that is taken.
        limit: usize,
    },
    /// Holds a character that no store could keep or no shell could pass.
    #[error("{what} holds {found}, which is not allowed")]
    Forbidden {
        /// Key, namespace or feed name.
        what: &'static str,
        /// The character, escaped.
        found: String,
    },
}

fn checked(what: &'static str, text: &str, limit: usize, forbidden: fn(char) -> bool) -> Result<Arc<str>, KeyError> {
    let trimmed = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
    if trimmed.is_empty() {
        return Err(KeyError::Empty { what });
    }
    if trimmed.len() > limit {
        return Err(KeyError::TooLong { what, bytes: trimmed.len(), limit });
    }
    match trimmed.chars().find(|c| forbidden(*c)) {
        Some(found) => Err(KeyError::Forbidden { what, found: format!("{found:?}") }),
        None => Ok(trimmed.into()),
    }
}

/// The space in which keys are unique. Feeds that share a namespace share records.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Namespace(Arc<str>);

impl Namespace {
    /// Trims ASCII white space; 1 to 2 048 bytes, no control characters.
    ///
    /// # Errors
    /// Empty, too long, or a control character.
    pub fn new(text: &str) -> Result<Self, KeyError> {
        checked("namespace", text, MAX_KEY_BYTES, char::is_control).map(Self)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `(namespace, key)`: two items are the same item if and only if these are equal byte for byte.
///
/// Opaque UTF-8 after trimming ASCII white space: no case folding, no Unicode normalisation, no URL rewriting.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NaturalKey {
    namespace: Namespace,
    key: Arc<str>,
}

impl NaturalKey {
    /// Trims ASCII white space round `key`; 1 to 2 048 bytes, no NUL.
    ///
    /// # Errors
    /// Empty, too long, or NUL.
    pub fn new(namespace: Namespace, key: &str) -> Result<Self, KeyError> {
        checked("key", key, MAX_KEY_BYTES, |c| c == '\0').map(|key| Self { namespace, key })
    }

    /// The namespace.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The key within the namespace.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// SHA-256 over the namespace's length, the namespace and the key.
    pub fn hash(&self) -> KeyHash {
        let namespace = self.namespace.0.as_bytes();
        let length = u32::try_from(namespace.len()).expect("a namespace is at most 2 048 bytes");
        let digest = Sha256::new()
            .chain_update(length.to_be_bytes())
            .chain_update(namespace)
            .chain_update(self.key.as_bytes())
            .finalize();
        KeyHash(digest.into())
    }
}

/// `namespace key`, with a blank between: for messages, not for parsing.
impl fmt::Display for NaturalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.namespace, self.key)
    }
}

impl fmt::Debug for NaturalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.namespace.0, self.key)
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for Namespace {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// SHA-256 of a natural key: a fixed width for indexes, whatever the key's length.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyHash([u8; 32]);

/// Its first eight bytes are as good a hash as any.
impl Hash for KeyHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let (first, _) = self.0.split_first_chunk().expect("32 bytes begin with 8");
        state.write_u64(u64::from_le_bytes(*first));
    }
}

/// Takes a [`KeyHash`] for what it is: hashed already.
#[derive(Debug, Clone, Default)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 ^= number;
    }
}

/// What is known by key.
pub type KeyHashMap<V> = HashMap<KeyHash, V, BuildHasherDefault<KeyHasher>>;
/// Keys without order.
pub type KeyHashSet = HashSet<KeyHash, BuildHasherDefault<KeyHasher>>;

impl KeyHash {
    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Wraps 32 bytes read back from a store.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal::encode(&self.0))
    }
}

/// A feed's name: what people type. Renaming a feed changes nothing that is stored of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedName(Arc<str>);

impl FeedName {
    /// Trims ASCII white space; 1 to 128 bytes, no control characters, no white space, no leading `-`.
    ///
    /// # Errors
    /// Empty, too long, or a forbidden character.
    pub fn new(text: &str) -> Result<Self, KeyError> {
        let name = checked("feed name", text, MAX_NAME_BYTES, |c| c.is_control() || c.is_whitespace())?;
        if name.starts_with('-') {
            return Err(KeyError::Forbidden { what: "feed name", found: "a leading '-'".into() });
        }
        Ok(Self(name))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FeedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FeedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl FromStr for FeedName {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// Which part of an item its key was taken from; chosen per feed at its first document that holds items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyRule {
    /// The id the publisher gave (`guid`, `atom:id`, JSON Feed `id`).
    Id,
    /// The item's link.
    Link,
    /// The link and the published date as written.
    LinkDate,
    /// SHA-256 of the item's content.
    Content,
    /// Given by whoever called, not taken from a document.
    Given,
}

impl KeyRule {
    /// The word used in stores, JSON and configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Link => "link",
            Self::LinkDate => "link+date",
            Self::Content => "content",
            Self::Given => "given",
        }
    }
}

impl FromStr for KeyRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Id, Self::Link, Self::LinkDate, Self::Content, Self::Given];
        all.into_iter().find(|rule| rule.as_str() == text).ok_or_else(|| format!("no key rule is called {text:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Result<NaturalKey, KeyError> {
        NaturalKey::new(Namespace::new("news").unwrap(), text)
    }

    #[test]
    fn trims_ascii_space_only() {
        assert_eq!(key(" a\t\r\n").unwrap(), key("a").unwrap());
        assert_ne!(key("\u{a0}a").unwrap(), key("a").unwrap());
    }

    #[test]
    fn folds_nothing() {
        for (a, b) in [("ABC", "abc"), ("caf\u{e9}", "cafe\u{301}"), ("\u{130}", "i\u{307}")] {
            assert_ne!(key(a).unwrap(), key(b).unwrap());
        }
    }

    #[test]
    fn refuses_empty_long_and_nul() {
        assert!(matches!(key(" \n"), Err(KeyError::Empty { .. })));
        assert!(matches!(key(&"a".repeat(2_049)), Err(KeyError::TooLong { bytes: 2_049, .. })));
        assert!(matches!(key("a\0b"), Err(KeyError::Forbidden { .. })));
        assert!(key(&"a".repeat(2_048)).is_ok());
    }

    #[test]
    fn namespace_and_key_do_not_run_together() {
        let joined = NaturalKey::new(Namespace::new("newsa").unwrap(), "b").unwrap();
        assert_ne!(joined.hash(), key("ab").unwrap().hash());
    }
}
