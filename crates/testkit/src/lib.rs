//! The conformance kit: what every FeedSpine contract promises, as named checks that a backend passes or fails.
//!
//! A backend, built in or yours, brings a [`storage::StorageProvider`] and a test without harness:
//!
//! ```no_run
//! use std::process::ExitCode;
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use feedspine_core::{MemoryStore, Result, StorageBackend};
//! use feedspine_testkit::storage::{self, StorageProvider};
//!
//! struct Memory;
//!
//! #[async_trait]
//! impl StorageProvider for Memory {
//!     type Place = ();
//!
//!     async fn place(&self) -> Result<()> {
//!         Ok(())
//!     }
//!
//!     async fn open(&self, (): &()) -> Result<Arc<dyn StorageBackend>> {
//!         Ok(Arc::new(MemoryStore::new()))
//!     }
//! }
//!
//! fn main() -> ExitCode {
//!     storage::main(Memory)
//! }
//! ```
//!
//! Every check runs against a fresh store and is shown by its name, `group::sentence`. One that cannot apply is shown as
//! ignored with its reason. [`storage::checks`] and [`state::checks`] list them all with what each proves.
//!
//! # Promises
//!
//! - P1 What was acknowledged is durable.
//! - P2 A report equals the store: each of its counts is a count of rows.
//! - P3 One record for each natural key, whoever writes at once.
//! - P4 The versions of a record at a layer are 1 to n without gaps; A, B, A is three, the same again adds none.
//! - P5 Each (key, feed, fetch) is one sighting; a batch that comes again adds nothing.
//! - P6 Items, versions, sightings, changes and the cursor commit together or not at all.
//! - P7 After a crash a feed goes on as if nothing had happened, one fetch marked interrupted.
//! - P8 A bad item, a bad batch, a bad feed costs itself only.
//! - P9 All backends give the same answers in the same order, and the same kinds of errors.
//! - P10 What goes in comes out: bytes, numbers, text, instants.
//! - P11 Nothing is deleted unless someone asked for it.

mod check;
mod noise;
pub mod reference;
mod script;
pub mod state;
pub mod storage;
pub mod upgrade;

use std::process::ExitCode;

pub use check::{Check, Failure, Verdict};
pub use libtest_mimic::Trial;

/// Runs trials, with the arguments of the command line: names to select, `--list`, `--exact`, …
///
/// For a store that fulfils both contracts: the trials of [`storage`] and of [`state`] in one test.
pub fn run(trials: impl IntoIterator<Item = Trial>) -> ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    libtest_mimic::run(&arguments, trials.into_iter().collect()).exit_code()
}
