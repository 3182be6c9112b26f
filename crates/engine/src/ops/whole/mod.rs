//! All that a store holds, data and control plane: exported, imported, copied, verified.
//!
//! One stream of *pieces* serves all: it is read from a store (`stored.rs`) or from a file of JSON lines (`lines.rs`), and
//! written to a file or into a store (`filled.rs`). Whatever was written is compared with what was read by a *print*, the
//! digests of both (`print.rs`).

mod captures;
mod files;
mod filled;
mod lines;
mod part;
mod print;
mod stored;

use std::io::Write;
use std::path::Path;

use async_trait::async_trait;
use feedspine_core::transfer::{Row, Transfer, Verifier};
use feedspine_core::{ErrorKind, Feed, Fetch, Json, Schedule};

use self::files::Reading;
use self::lines::LineWriter;

use self::stored::Stored;
use super::{Ending, OpError, StoreCare, ToJson};

pub use self::part::{Existing, Packing};
pub(super) use self::part::{Part, unwritable};

/// The most faults that are told of one store.
const MOST_FAULTS: usize = 1_000;

/// So many schedules are read and written together.
const SCHEDULES_AT_ONCE: usize = 1_000;

/// Some of what a store holds, in the order in which it is read and written: feeds, their schedules, then the fetches of
/// each, then rows. Leases are of the moment, and stay where they are.
#[derive(Debug)]
enum Piece {
    Feed(Feed),
    Schedules(Vec<Schedule>),
    /// Those of one feed, from the first.
    Fetches(Vec<Fetch>),
    Rows(Vec<Row>),
}

/// Where pieces come from.
#[async_trait]
trait Source: Send {
    /// The next piece; `None` after the last.
    async fn next(&mut self) -> Result<Option<Piece>, OpError>;
}

/// A source that remembers that it failed: whoever reads it hands its error on among others.
struct Watched<S> {
    source: S,
    failed: bool,
}

#[async_trait]
impl<S: Source> Source for Watched<S> {
    async fn next(&mut self) -> Result<Option<Piece>, OpError> {
        let next = self.source.next().await;
        self.failed |= next.is_err();
        next
    }
}

/// How much a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contents {
    /// Feeds of the control plane, removed ones included.
    pub feeds: u64,
    /// When feeds are fetched next, of those that were ever scheduled.
    pub schedules: u64,
    /// Fetches of the control plane.
    pub fetches: u64,
    /// Rows of the storage.
    pub rows: u64,
}

/// What came of writing a store's contents somewhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// What was done.
    pub outcome: WriteOutcome,
    /// How much was written, or was there.
    pub contents: Contents,
}

/// Why a copy was not made, and which of the two stores that is about.
#[derive(Debug, Clone)]
pub enum CopyError {
    /// The store that is read.
    From(OpError),
    /// The store that is filled.
    To(OpError),
}

/// What was done to write contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// All was written.
    Written,
    /// What an earlier run had left to do was written.
    Resumed,
    /// The same was there already.
    Already,
}

/// What the verification of a store found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many rows were looked at.
    pub rows: u64,
    /// What is wrong, a sentence each; of very many, the first.
    pub faults: Vec<String>,
    /// How many more there are.
    pub more: u64,
}

impl StoreCare {
    /// Writes all that the store holds as JSON lines. What is written to the store meanwhile does not show.
    ///
    /// # Errors
    /// `Usage` where the backend cannot; `Failed` where the store cannot be read or `to` not be written.
    pub async fn export(&self, to: &mut (dyn Write + Send)) -> Result<Contents, OpError> {
        let mut source = Stored::open(self).await?;
        let mut lines = LineWriter::begin(to, &self.storage().info().name)?;
        while let Some(piece) = source.next().await? {
            lines.piece(&piece)?;
        }
        lines.end()
    }

    /// The same into a file: it appears whole and safe on the disk, or not at all.
    ///
    /// # Errors
    /// Also `Usage` when there is a file of that name that is to be kept.
    pub async fn export_file(&self, file: &Path, packing: Packing, existing: Existing) -> Result<Contents, OpError> {
        let mut part = Part::begin(file, packing, existing)?;
        let contents = self.export(&mut part).await?;
        part.finish()?;
        Ok(contents)
    }

    /// Fills the store, which must be empty, with what a file of [`StoreCare::export_file`] holds. The file is read to
    /// its end and checked before anything is written, and what was written is compared with it. An import that was
    /// interrupted goes on when it is begun again.
    ///
    /// # Errors
    /// `Usage`: the file is no export, or a newer program's; the backend cannot. `Failed`: the file is damaged; the store
    /// holds something else.
    pub async fn import_file(&self, file: &Path) -> Result<Written, OpError> {
        let mut checked = Reading::open(file)?;
        while checked.next().await?.is_some() {}
        self.fill_from(&mut Reading::open(file)?).await
    }

    /// Fills another store, which must be empty, with all that this one holds, and compares both. A copy that was
    /// interrupted goes on when it is begun again.
    ///
    /// # Errors
    /// `Usage` where a backend cannot; `Failed`: a store cannot be read or written, the other holds something else, or
    /// this one has changed since a copy was interrupted.
    pub async fn copy_to(&self, other: &Self) -> Result<Written, CopyError> {
        let mut source = Watched { source: Stored::open(self).await.map_err(CopyError::From)?, failed: false };
        let filled = other.fill_from(&mut source).await;
        filled.map_err(|error| if source.failed { CopyError::From(error) } else { CopyError::To(error) })
    }

    /// Reads all that the store holds and checks it by itself: contents against their hashes, versions against the change
    /// log, what feeds showed against versions, sightings and rejects against the ledger; what the backend keeps
    /// twice for its own sake; and the bodies that fetches brought against their hashes.
    ///
    /// # Errors
    /// `Usage` where the backend cannot. What cannot be read is a fault.
    pub async fn verify(&self) -> Result<Verified, OpError> {
        self.open().await?;
        let mut export = self.transfer()?.export().await?;
        let mut examiner = Verifier::new();
        let mut verified = Verified { rows: 0, faults: Vec::new(), more: 0 };
        loop {
            match export.next().await {
                Ok(rows) if rows.is_empty() => {
                    verified.take(examiner.finish());
                    break;
                }
                Ok(rows) => {
                    for row in &rows {
                        examiner.take(row);
                    }
                    verified.take(examiner.faults());
                }
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    verified.take(examiner.faults());
                    verified.take(vec![format!("reading stopped after {} rows: {error}", examiner.rows())]);
                    break;
                }
                Err(error) => return Err(error.into()),
            }
        }
        verified.rows = examiner.rows();
        if let Some(care) = self.storage().care() {
            match care.verify().await {
                Ok(faults) => verified.take(faults),
                Err(error) if error.kind() == ErrorKind::Corrupt => verified.take(vec![error.to_string()]),
                Err(error) => return Err(error.into()),
            }
        }
        verified.take(self.damaged_captures().await?);
        Ok(verified)
    }

    /// Opens the store, beginning it where there is none.
    async fn open(&self) -> Result<(), OpError> {
        self.storage().initialize().await?;
        Ok(self.state().prepare().await?)
    }

    fn transfer(&self) -> Result<&dyn Transfer, OpError> {
        self.storage().transfer().ok_or_else(|| {
            let name = self.storage().info().name;
            OpError::usage("storage.no_transfer", format!("the backend {name} does not export and import its rows"))
                .with_hint("its own tools may back it up; a backend offers this by the contract Transfer")
        })
    }
}

impl Verified {
    fn take(&mut self, faults: Vec<String>) {
        let room = MOST_FAULTS - self.faults.len();
        self.more += faults.len().saturating_sub(room) as u64;
        self.faults.extend(faults.into_iter().take(room));
    }

    /// How a command that reports this ends.
    pub fn ending(&self) -> Ending {
        if self.faults.is_empty() { Ending::Done } else { Ending::Failed }
    }
}

impl WriteOutcome {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Resumed => "resumed",
            Self::Already => "already",
        }
    }
}

impl ToJson for Contents {
    fn to_json(&self) -> Json {
        Json::object([
            ("feeds", self.feeds.into()),
            ("schedules", self.schedules.into()),
            ("fetches", self.fetches.into()),
            ("rows", self.rows.into()),
        ])
    }
}

impl ToJson for Written {
    fn to_json(&self) -> Json {
        Json::object([("outcome", self.outcome.as_str().into()), ("contents", self.contents.to_json())])
    }
}

impl ToJson for Verified {
    fn to_json(&self) -> Json {
        Json::object([
            ("sound", self.faults.is_empty().into()),
            ("rows", self.rows.into()),
            ("faults", self.faults.clone().into()),
            ("more", self.more.into()),
        ])
    }
}
