//! Opaque identifiers. Core never makes a random one: ids come in as arguments or follow from what is captured.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{KeyHash, Timestamp};

/// The text is not a UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a UUID: {0}")]
pub struct IdError(String);

macro_rules! uuid_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID.
            pub const fn new(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// The 16 bytes, most significant first; their order is the order of ids.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// Wraps 16 bytes, most significant first.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// An id made from a number, for tests and examples.
            pub const fn from_u128(number: u128) -> Self {
                Self(Uuid::from_u128(number))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self).map_err(|_| IdError(text.to_owned()))
            }
        }
    };
}

uuid_newtype! {
    /// A feed, as storage knows it: immutable and opaque. Its name, address and schedule are the control plane's.
    FeedId
}

uuid_newtype! {
    /// One attempt to read a feed: a UUIDv7 made before the request goes out, and the observation's id once committed.
    FetchId
}

uuid_newtype! {
    /// A record's id: given once, never changed, never given again.
    RecordId
}

impl RecordId {
    /// The id of a record that `fetch` is the first to capture.
    ///
    /// Shaped like a UUIDv7: the milliseconds of `first_seen`, then bits of SHA-256 over the fetch and the key. So ids
    /// order by first capture, every backend gives the same one, and a key captured again after a delete gets another.
    pub fn derive(fetch: FetchId, key: &KeyHash, first_seen: Timestamp) -> Self {
        let millis = first_seen.as_micros().div_euclid(1_000).max(0).cast_unsigned().to_be_bytes();
        let digest = Sha256::new().chain_update(fetch.as_bytes()).chain_update(key.as_bytes()).finalize();
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&millis[2..]);
        bytes[6..].copy_from_slice(&digest[..10]);
        bytes[6] = bytes[6] & 0x0F | 0x70;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        Self(Uuid::from_bytes(bytes))
    }
}
