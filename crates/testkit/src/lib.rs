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
pub mod storage;

pub use check::{Check, Failure, Verdict};
