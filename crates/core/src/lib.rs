//! FeedSpine's words, contracts and decisions, and the memory backend.
//!
//! Core decides and never looks at the world: no I/O, no SQL, no clock, no randomness. Time and ids are arguments.
//!
//! - Words: [`NaturalKey`], [`Content`], [`Record`], [`Version`], [`Sighting`], [`Change`], [`Timestamp`].
//! - Questions: [`Filter`], [`Query`], [`Page`].
//! - Contracts: [`StorageBackend`] (with [`StorageExt`] for every backend and the optional [`transfer::Transfer`]),
//!   [`StateStore`] and [`CaptureStore`].
//! - The decision of an ingest, written once: [`ingest::Prepared::plan`].

mod backend;
mod capture;
mod care;
mod change;
mod content;
mod error;
mod ext;
mod filter;
mod gist;
mod hexadecimal;
mod id;
pub mod ingest;
pub mod json;
mod key;
mod memory;
mod query;
mod record;
#[cfg(feature = "serde")]
mod serial;
mod sighting;
mod sql;
mod state;
pub mod time;
pub mod transfer;
mod write;

pub use backend::{BackendInfo, Capabilities, Quarantined, StorageBackend};
pub use capture::{
    Capture, CaptureFigures, CaptureName, CaptureStore, FeedCaptures, Forgotten, HeldBody, HeldCapture, PackedBody,
    Packing,
};
pub use care::{Care, CheckReport, Compaction, Standing, StoreSize, TableSize};
pub use change::{Change, ChangeKind, Event, Seq, Subject};
pub use content::{Content, ContentHash, HashRule, HashRuleId, JsonPath};
pub use error::{Applied, ErrorKind, Result, StorageError};
pub use ext::{StorageExt, records};
pub use filter::{Field, Filter, Test};
pub use id::{FeedId, FetchId, IdError, RecordId};
pub use ingest::{
    Candidate, Counts, Coverage, CursorStep, FeedCursor, IngestBatch, IngestReport, Observation, Outcome, Part, Reject,
};
pub use json::{Json, JsonError, Number};
pub use key::{
    FeedName, KeyError, KeyHash, KeyHashMap, KeyHashSet, KeyHasher, KeyRule, MAX_KEY_BYTES, Namespace, NaturalKey,
};
pub use memory::MemoryStore;
pub use query::{Cursor, Direction, MAX_PAGE, Order, Page, PageRequest, Query, Selection, sort_value};
pub use record::{Layer, Lineage, Origin, Record, RecordName, RecordRef, RecordWrite, Version, VersionNo};
pub use sighting::{Round, Seen, Sighting, SpanEnd};
pub use sql::{AskSql, SqlAnswer};
pub use state::{
    Conclude, Conclusion, Feed, FeedStatus, Fetch, FetchDetail, FetchIntent, FetchStatus, HolderId, Joint, Landing,
    Lease, LeaseRequest, LeaseToken, Outset, Reschedule, Schedule, Slot, StateStore,
};
pub use time::{Timestamp, TimestampError};
pub use write::Put;
