//! What the kit cannot know of: files, processes, processes that are killed, questions in SQL, stores of earlier programs.
#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod care;
mod disk;
mod epoch;
mod file;
mod kill;
mod sql;
mod support;
mod upgrades;
