//! Ingest: the decision is pure and written once; each backend loads, plans, applies and commits.
//!
//! 1. [`Prepared::new`] checks a batch and groups its items by key. It needs no store and runs beside the writer.
//! 2. [`Prepared::begin`] looks at the feed's [`Header`]: a replay, a conflict, settled already, or to be judged.
//! 3. [`Prepared::unsettled`] names the keys that the manifest does not settle; the backend loads what it knows of them.
//! 4. [`Prepared::plan`] says what to write. [`Prepared::stored`], [`Prepared::ledger_row`], [`Prepared::part_row`] and
//!    [`WritePlan::standings`] make rows of it.

mod batch;
mod leaving;
mod loaded;
mod plan;
mod prepare;
mod rows;
mod standing;
mod version;

pub use batch::{
    Candidate, Counts, Coverage, CursorStep, FeedCursor, IngestBatch, IngestReport, Observation, Outcome, Part, Reject,
};
pub use loaded::{Earlier, Loaded, Shown};
pub use plan::{ClosedSpan, NewRecord, NewVersion, OpenSpan, Point, WritePlan};
pub use prepare::{BatchDigest, Begin, Begun, Committed, FeedState, Header, Manifest, ManifestDigest, Prepared};
pub use rows::{LedgerRow, PartRow, StoredVersion};
pub use standing::{Absent, Standing};
pub use version::{CHURN, Churning, Known, MOST_CHURNING, Present, Recent, may_churn, prevailing};

/// The reject code of an item whose key another item of the same fetch has, with other content.
pub const KEY_COLLISION: &str = "key.collision";

#[cfg(test)]
mod tests;
