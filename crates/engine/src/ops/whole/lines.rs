//! The file format: JSON lines, each an object whose first member `row` says what it is.
//!
//! A header names the format; then come the feeds of the control plane (`control_feed`), when they are fetched next
//! (`schedule`), their fetches (`fetch`), the rows of the storage, and a line that ends it: counts, and the SHA-256 of every
//! byte before that line. Files of format 1 have no schedules.

use std::io::{self, Write};

use feedspine_core::transfer::Row;
use feedspine_core::{Feed, Fetch, Schedule};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Contents, Piece};
use crate::ops::OpError;

/// The format that this program writes, and the newest that it reads.
pub(super) const FORMAT: u32 = 2;

/// The longest line that is written and read, in bytes: 2 GiB. Stores keep no content that is much longer than 1 GB, and a
/// fetch of a million items takes some 100 MB; what unpacks to more was made to fill memories.
pub(super) const LONGEST_LINE: u64 = 2 << 30;

/// Lines that are no rows of the storage.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "row", rename_all = "snake_case")]
pub(super) enum Own {
    /// The first.
    Header(Header),
    /// A feed of the control plane.
    ControlFeed(Feed),
    /// When a feed is fetched next.
    Schedule(Schedule),
    /// A fetch of the control plane.
    Fetch(Fetch),
    /// The last.
    End(End),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    /// `export`
    pub(super) feedspine: String,
    pub(super) format: u32,
    /// The version of the program that wrote it, and the backend that it was read from: for people.
    program: String,
    backend: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct End {
    pub(super) feeds: u64,
    #[serde(default)]
    pub(super) schedules: u64,
    pub(super) fetches: u64,
    pub(super) rows: u64,
    /// In hexadecimal digits.
    pub(super) sha256: String,
}

/// The words that [`Own`] lines begin with.
const OWN: [&str; 5] = ["header", "control_feed", "schedule", "fetch", "end"];

/// A line as it is read.
#[derive(Debug)]
pub(super) enum Line {
    Own(Own),
    Row(Row),
}

/// Reads a line; an error says why it is none.
pub(super) fn read(line: &[u8]) -> Result<Line, serde_json::Error> {
    let word = line.strip_prefix(b"{\"row\":\"").and_then(|rest| rest.split(|byte| *byte == b'"').next());
    if word.is_some_and(|word| OWN.iter().any(|own| own.as_bytes() == word)) {
        serde_json::from_slice(line).map(Line::Own)
    } else {
        serde_json::from_slice(line).map(Line::Row)
    }
}

/// Writes lines.
pub(super) struct LineWriter<'a> {
    to: &'a mut (dyn Write + Send),
    contents: Contents,
    digest: Sha256,
    longest: u64,
}

impl<'a> LineWriter<'a> {
    /// Writes the header.
    pub(super) fn begin(to: &'a mut (dyn Write + Send), backend: &str) -> Result<Self, OpError> {
        Self::begin_within(to, backend, LONGEST_LINE)
    }

    fn begin_within(to: &'a mut (dyn Write + Send), backend: &str, longest: u64) -> Result<Self, OpError> {
        let mut lines = Self { to, contents: Contents::default(), digest: Sha256::new(), longest };
        let header = Header {
            feedspine: "export".to_owned(),
            format: FORMAT,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            backend: backend.to_owned(),
        };
        lines.line(&Own::Header(header))?;
        Ok(lines)
    }

    pub(super) fn piece(&mut self, piece: &Piece) -> Result<(), OpError> {
        match piece {
            Piece::Feed(feed) => {
                self.contents.feeds += 1;
                self.line(&Own::ControlFeed(feed.clone()))
            }
            Piece::Schedules(schedules) => {
                self.contents.schedules += schedules.len() as u64;
                schedules.iter().try_for_each(|schedule| self.line(&Own::Schedule(schedule.clone())))
            }
            Piece::Fetches(fetches) => {
                self.contents.fetches += fetches.len() as u64;
                fetches.iter().try_for_each(|fetch| self.line(&Own::Fetch(fetch.clone())))
            }
            Piece::Rows(rows) => {
                self.contents.rows += rows.len() as u64;
                rows.iter().try_for_each(|row| self.line(row).map_err(|error| named(error, row)))
            }
        }
    }

    /// Writes the line that ends it.
    pub(super) fn end(mut self) -> Result<Contents, OpError> {
        let contents = self.contents;
        let sha256 = hexadecimal(&self.digest.clone().finalize());
        let Contents { feeds, schedules, fetches, rows } = contents;
        self.line(&Own::End(End { feeds, schedules, fetches, rows, sha256 }))?;
        self.to.flush().map_err(|error| unwritable(&error))?;
        Ok(contents)
    }

    fn line(&mut self, entry: &impl Serialize) -> Result<(), OpError> {
        let mut line = serde_json::to_vec(entry).expect("words and rows have a JSON form");
        line.push(b'\n');
        if line.len() as u64 > self.longest {
            let message = format!("it takes {} bytes as a line; the most is {}", line.len(), self.longest);
            return Err(
                OpError::failed("export.too_long", message).with_hint("nothing was left out: no file was written")
            );
        }
        self.digest.update(&line);
        self.to.write_all(&line).map_err(|error| unwritable(&error))
    }
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

/// An error about one row says which that is.
fn named(error: OpError, row: &Row) -> OpError {
    if error.code() != "export.too_long" {
        return error;
    }
    let name = match row {
        Row::Version(stored) => {
            let version = &stored.version;
            format!("{} version {} of record {}", version.layer, version.number, version.record)
        }
        Row::Observation(row) => format!("the observation {}", row.ledger.observation.fetch),
        Row::Feed(row) => format!("the feed {}", row.feed),
        Row::Reject(row) => format!("a reject of the fetch {}", row.quarantined.fetch),
        _ => "a row".to_owned(),
    };
    let message = format!("{name} cannot be exported: {}", error.message());
    let named = OpError::failed(error.code(), message);
    error.hint().map(str::to_owned).into_iter().fold(named, OpError::with_hint)
}

fn unwritable(error: &io::Error) -> OpError {
    OpError::failed("export.unwritable", format!("cannot write the export: {error}"))
}

#[cfg(test)]
mod tests {
    use feedspine_core::transfer::Transfer;
    use feedspine_core::{
        Content, Json, Layer, MemoryStore, Namespace, NaturalKey, RecordId, RecordWrite, StorageBackend, Timestamp,
    };

    use super::*;

    #[tokio::test]
    async fn a_row_that_no_import_would_read_is_named_and_not_written() {
        let store = MemoryStore::new();
        store.initialize().await.unwrap();
        let write = RecordWrite {
            id: RecordId::from_u128(7),
            key: NaturalKey::new(Namespace::new("large").unwrap(), "a").unwrap(),
            layer: Layer::Bronze,
            content: Content::new(&Json::object([("title", "x".repeat(2_000).into())])),
            metadata: Content::empty(),
            published: None,
            updated: None,
            recorded_at: Timestamp::UNIX_EPOCH,
            derived_from: None,
        };
        store.put_many(vec![write]).await.unwrap();
        let rows = store.export().await.unwrap().next().await.unwrap();
        let mut written = Vec::new();
        let refused = LineWriter::begin_within(&mut written, "memory", 2_000).unwrap().piece(&Piece::Rows(rows));
        let message = refused.unwrap_err().to_string();
        assert!(
            message.starts_with("bronze version 1 of record 00000000-0000-0000-0000-000000000007 cannot"),
            "{message}"
        );
        assert!(!String::from_utf8(written).unwrap().contains("xxx"));
    }
}
