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
//! ignored with its reason.

mod check;
mod noise;
mod script;
pub mod state;
pub mod storage;

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
