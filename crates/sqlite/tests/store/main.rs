//! What is SQLite's own: refusals, the file, the writer. The contract is checked in `conformance.rs`.
#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod answers;
mod care;
mod deletes;
mod disk;
mod durable;
mod epoch;
mod file;
mod growth;
mod kill;
mod soak;
mod support;
mod upgrades;
mod verify;
mod writer;
