//! Tables: CSV, TSV and relatives, over HTTP or in a file that may be far larger than memory.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use feedspine_core::{Candidate, ContentHash, Json, Namespace, Reject};
use feedspine_parse::{
    Header, ItemKey, ItemRules, Scrap, TableError, TableForm, TablePage, TableReader, Warning, is_encoding,
    read_row_again,
};
use sha2::{Digest, Sha256};

use super::asking::Asking;
use super::documents::{Document, Documents, Got};
use super::identity::{Identity, Naming};
use super::options::Options;
use super::{Cost, Covers, End, Ground, Page, Pages, Then, Told, scraps_body};
use crate::collect::cursor::{Memory, Source};
use crate::collect::document::reading;
use crate::fetch::{FetchFailure, Validators};
use crate::{Address, Limits, OpError};

/// Rows of one page, and bytes: what stands in memory of a table, some ten times over.
const PAGE: (usize, usize) = (5_000, 1024 * 1024);
/// A table of more bytes or lines says nothing of rows that it does not list, unless it is said otherwise: what a feed holds
/// is kept in memory while it is compared, some 850 bytes for each row.
const MOST_BYTES: u64 = 64 * 1024 * 1024;
const MOST_LINES: u64 = 100_000;
/// How long the bytes of a file may take to be read through.
const HASHING: Duration = Duration::from_mins(10);

/// The options of this adapter.
#[derive(Debug)]
pub(crate) struct Table {
    pub(super) identity: Identity,
    rules: ItemRules,
    form: TableForm,
    asking: Asking,
    covers: Option<Covers>,
}

impl Table {
    pub(super) fn read(options: &mut Options, namespace: &Namespace) -> Result<Self, OpError> {
        let identity = Identity::read(options, Naming::Columns)?;
        let rules = identity.item_rules(namespace, options)?;
        let form = table_form(options)?;
        let (asking, covers) = (Asking::read(options)?, options.coverage()?);
        Ok(Self { identity, rules, form, asking, covers })
    }

    /// Reads a row again that was rejected.
    pub(super) fn read_again(&self, scrap: &Scrap) -> Option<Result<Candidate, Reject>> {
        read_row_again(&self.form, &self.rules, scrap)
    }
}

/// Reads the options of how a table is written.
pub(super) fn table_form(options: &mut Options) -> Result<TableForm, OpError> {
    let delimiter = options.read("delimiter", "is tab or one character of ASCII", |text| match text.as_bytes() {
        b"tab" => Some(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Some(*byte),
        _ => None,
    })?;
    let columns = options.texts("column")?;
    let header = if columns.is_empty() { Header::FirstRow } else { Header::Given(columns) };
    let meaning = "names an encoding, such as latin1 or utf-16le";
    let encoding = options.read("encoding", meaning, |label| is_encoding(label).then(|| label.to_owned()))?;
    Ok(TableForm { delimiter, header, encoding })
}

/// Reads a table's beginning, and sees that it has what keys are made of, and that nobody asks for a column whose name
/// several have.
pub(super) fn open_table(form: &TableForm, rules: &ItemRules, bytes: Bytes) -> Result<Reader, TableError> {
    let reader = TableReader::begin(bytes, form)?;
    let key: &[_] = if let ItemKey::Places(places) = &rules.key { places } else { &[] };
    let asked_for = key.iter().chain(rules.members.iter().map(|(_, column)| column)).map(ToString::to_string);
    if let Some(doubled) = asked_for.into_iter().find(|name| reader.is_doubled(name)) {
        let found = format!("several columns are called {doubled:?}: which of them is meant nobody knows");
        return Err(TableError::Header { line: 1, found });
    }
    if let ItemKey::Places(places) = &rules.key {
        let has = |name: &str| {
            let made = rules.members.iter().any(|(made, _)| made == name);
            made || reader.columns().iter().any(|column| column == name)
        };
        if let Some(missing) = places.iter().map(ToString::to_string).find(|name| !has(name)) {
            let found = format!("there is no column {missing:?}, only {}", reader.columns().join(", "));
            return Err(TableError::Header { line: 1, found });
        }
    }
    Ok(reader)
}

/// Whoever waits for a page lends what it reads from.
pub(super) type Bytes = Box<dyn Read + Send + Sync>;
pub(super) type Reader = TableReader<Bytes>;

/// One fetch under way.
pub(super) struct TablePages<'a> {
    table: &'a Table,
    documents: Documents<'a>,
    /// Known once the table is found.
    covers: Covers,
    stage: Stage,
    /// What was odd about the coding of the body.
    warning: Option<Warning>,
}

enum Stage {
    Begin,
    Rows(Box<(Reader, Memory)>),
    Done,
}

/// How much a table holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    bytes: u64,
    line_feeds: u64,
    returns: u64,
}

impl Size {
    fn add(&mut self, piece: &[u8]) {
        let count = |wanted: u8| piece.split(|byte| *byte == wanted).count() as u64 - 1;
        self.bytes += piece.len() as u64;
        self.line_feeds += count(b'\n');
        self.returns += count(b'\r');
    }

    /// What a table of this size says of other rows, where nobody said it. It has no more rows than line ends.
    fn covers(self) -> Covers {
        let is_large = self.bytes > MOST_BYTES || self.line_feeds.max(self.returns) > MOST_LINES;
        if is_large { Covers::Some } else { Covers::All }
    }
}

/// A table that was found, not read yet.
struct Found {
    bytes: Bytes,
    memory: Memory,
    cost: Cost,
    warning: Option<Warning>,
}

impl<'a> TablePages<'a> {
    pub(super) fn begin(table: &'a Table, ground: Ground<'a>) -> Result<Self, OpError> {
        let documents = Documents { asked: table.asking.resolve()?, ground, most_bytes: None };
        let covers = table.covers.unwrap_or(Covers::All);
        Ok(Self { table, documents, covers, stage: Stage::Begin, warning: None })
    }

    /// The last fetch and what it said of other rows, when the same bytes would say the same now.
    fn held(&self) -> Option<(&Memory, Covers)> {
        let ground = &self.documents.ground;
        let memory = ground.memory.as_ref()?;
        let said = memory.state.get("covers")?;
        let covers = [Covers::All, Covers::Some].into_iter().find(|covers| *said == covers.as_str().into())?;
        let is_so_now = self.table.covers.is_none_or(|wanted| wanted == covers);
        let known = covers == Covers::Some || ground.manifest.is_some();
        (is_so_now && known).then_some((memory, covers))
    }

    async fn find(&mut self) -> Result<Result<Found, Told<'a>>, FetchFailure> {
        match self.documents.ground.address.clone() {
            Address::File(path) => Ok(self.find_file(path).await?),
            Address::Http(mut url) => {
                self.documents.asked.complete(&mut url);
                let held = self.held();
                match self.documents.get(&Address::Http(url), held.map(|(memory, _)| memory)).await? {
                    Got::Same { cost, memory } => {
                        self.covers = held.map_or(self.covers, |(_, covers)| covers);
                        Ok(Err(Told::Same { cost, memory }))
                    }
                    Got::Document(Document { bytes, hash, source, validators, cost, warning, .. }) => {
                        let mut size = Size::default();
                        size.add(&bytes);
                        let memory = self.settle(size, source, validators, hash);
                        Ok(Ok(Found { bytes: Box::new(Cursor::new(bytes)), memory, cost, warning }))
                    }
                }
            }
            other => Err(OpError::usage("adapter.address", format!("{other} is no table")).into()),
        }
    }

    async fn find_file(&mut self, path: PathBuf) -> Result<Result<Found, Told<'a>>, OpError> {
        let shown = path.display().to_string();
        let (hash, size, file) = reading(&shown, HASHING, move || opened(&path)).await?;
        let cost = Cost { http_status: None, wire_bytes: size.bytes, body_bytes: size.bytes };
        let source = Source { url: None, content_type: None };
        let same = self.held().filter(|(held, _)| held.body == hash && held.source == source);
        if let Some((held, covers)) = same {
            let memory = Memory { read_at: self.documents.ground.observed_at, ..held.clone() };
            self.covers = covers;
            return Ok(Err(Told::Same { cost, memory }));
        }
        let memory = self.settle(size, source, None, hash);
        Ok(Ok(Found { bytes: Box::new(file), memory, cost, warning: None }))
    }

    /// Settles what a table that was found says of other rows, and what is remembered of it.
    fn settle(&mut self, size: Size, source: Source, validators: Option<Validators>, body: ContentHash) -> Memory {
        self.covers = self.table.covers.unwrap_or_else(|| size.covers());
        let state = Json::object([("covers", self.covers.as_str().into())]);
        Memory { validators, body, source, read_at: self.documents.ground.observed_at, state }
    }

    async fn rows(&self, mut reader: Reader) -> Result<(TablePage, Reader), OpError> {
        let rules = self.table.rules.clone();
        let address = self.documents.ground.address.to_string();
        let shown = address.clone();
        let Limits { parse, .. } = self.documents.ground.engine.settings().limits;
        let read = move || {
            let page = reader.read_rows(&rules, PAGE.0, PAGE.1).map_err(|error| unreadable(&shown, error))?;
            Ok((page, reader))
        };
        reading(&address, parse, read).await
    }
}

#[async_trait]
impl<'a> Pages<'a> for TablePages<'a> {
    fn covers(&self) -> Covers {
        self.covers
    }

    async fn next(&mut self) -> Result<Told<'a>, FetchFailure> {
        let (reader, memory, mut cost) = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Rows(rows) => (rows.0, rows.1, Cost::default()),
            Stage::Begin => match self.find().await? {
                Err(same) => return Ok(same),
                Ok(Found { bytes, memory, cost, warning }) => {
                    self.warning = warning;
                    let begun = open_table(&self.table.form, &self.table.rules, bytes);
                    let failed = |error| unreadable(&self.documents.ground.address.to_string(), error);
                    let Cost { http_status, wire_bytes, .. } = cost;
                    let reader =
                        begun.map_err(|error| FetchFailure { error: failed(error), http_status, wire_bytes })?;
                    (reader, memory, cost)
                }
            },
            Stage::Done => return Err(OpError::failed("internal.pages", "there is no further page").into()),
        };
        let room = self.documents.ground.engine.room_for(PAGE.1 as u64).await;
        let read = self.rows(reader).await;
        let (page, mut reader) = read.map_err(|error| FetchFailure {
            error,
            http_status: cost.http_status,
            wire_bytes: std::mem::take(&mut cost.wire_bytes),
        })?;
        let then = if page.last {
            let warnings = self.warning.take().into_iter().chain(reader.take_warnings()).collect();
            Then::End(Box::new(End { complete: true, memory, warnings }))
        } else {
            self.stage = Stage::Rows(Box::new((reader, memory)));
            Then::More
        };
        let TablePage { candidates, rejects, scraps, .. } = page;
        let body = scraps_body(&scraps);
        Ok(Told::Page(Page { candidates, rejects, body, cost, then, room: Some(room) }))
    }
}

/// A regular file, with the hash and the size of what it holds.
fn opened(path: &Path) -> Result<(ContentHash, Size, File), OpError> {
    let failed = |error: std::io::Error| {
        OpError::failed("file.unreadable", format!("cannot read {}: {error}", path.display()))
            .with_hint("check that the file is there and may be read")
            .with_source(error)
    };
    if !std::fs::metadata(path).map_err(failed)?.is_file() {
        return Err(OpError::failed("file.not_regular", format!("{} is not a regular file", path.display()))
            .with_hint("give the path of a table"));
    }
    let mut file = File::open(path).map_err(failed)?;
    let (mut sha, mut size, mut piece) = (Sha256::new(), Size::default(), vec![0; 64 * 1024]);
    loop {
        let read = file.read(&mut piece).map_err(failed)?;
        if read == 0 {
            break;
        }
        sha.update(&piece[..read]);
        size.add(&piece[..read]);
    }
    // What is read later may be another content: then its hash is not this one, and it is read again next time.
    Ok((ContentHash::from_bytes(sha.finalize().into()), size, File::open(path).map_err(failed)?))
}

fn unreadable(address: &str, error: TableError) -> OpError {
    OpError::failed(error.code(), format!("{address}: {error}")).with_hint(error.hint()).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_many_lines_or_bytes_says_nothing_of_other_rows() {
        let of = |bytes, line_feeds, returns| Size { bytes, line_feeds, returns }.covers();
        assert_eq!(of(MOST_BYTES, MOST_LINES, MOST_LINES), Covers::All);
        for large in [of(MOST_BYTES + 1, 1, 1), of(1, MOST_LINES + 1, 0), of(1, 0, MOST_LINES + 1)] {
            assert_eq!(large, Covers::Some);
        }
        let mut size = Size::default();
        for piece in ["a\r", "\nb", "\n"] {
            size.add(piece.as_bytes());
        }
        assert_eq!(size, Size { bytes: 5, line_feeds: 2, returns: 1 });
    }
}
