//! Tables: CSV, TSV and relatives, over HTTP or in a file that may be far larger than memory.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use feedspine_core::{ContentHash, Json, Namespace};
use feedspine_parse::{Header, ItemKey, ItemRules, TableError, TableForm, TablePage, TableReader, Warning};
use sha2::{Digest, Sha256};

use super::asking::Asking;
use super::documents::{Document, Documents, Got};
use super::identity::{Identity, Naming};
use super::options::Options;
use super::{Cost, Covers, End, Ground, Page, Pages, Then, Told};
use crate::collect::cursor::{Memory, Source};
use crate::collect::document::reading;
use crate::fetch::{FetchFailure, Validators};
use crate::{Address, Limits, OpError};

/// Rows of one page, and bytes: what stands in memory of a table, some ten times over.
const PAGE: (usize, usize) = (5_000, 1024 * 1024);
/// A file larger than this says nothing of rows that it does not list, unless it is said otherwise: what a feed holds is
/// kept in memory while it is compared, some 200 bytes for each row.
const LARGEST_SNAPSHOT: u64 = 64 * 1024 * 1024;
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
    Ok(TableForm { delimiter, header, encoding: options.text("encoding")? })
}

/// Reads a table's beginning, and sees that it has what keys are made of.
pub(super) fn open_table(form: &TableForm, rules: &ItemRules, bytes: Bytes) -> Result<Reader, TableError> {
    let reader = TableReader::begin(bytes, form)?;
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

/// A table that was found, not read yet.
struct Found {
    bytes: Bytes,
    memory: Memory,
    cost: Cost,
    warning: Option<Warning>,
}

impl<'a> TablePages<'a> {
    pub(super) fn begin(table: &'a Table, ground: Ground<'a>) -> Result<Self, OpError> {
        let asked = table.asking.resolve()?;
        let is_large = matches!(&ground.address, Address::File(path)
            if std::fs::metadata(path).is_ok_and(|found| found.len() > LARGEST_SNAPSHOT));
        let fallback = if is_large { Covers::Some } else { Covers::All };
        let covers = table.covers.unwrap_or(fallback);
        Ok(Self { table, documents: Documents { ground, asked }, covers, stage: Stage::Begin, warning: None })
    }

    /// The last fetch, when the same bytes would say the same now.
    fn held(&self) -> Option<&Memory> {
        let known = self.covers == Covers::Some || self.documents.ground.manifest.is_some();
        let memory = self.documents.ground.memory.as_ref().filter(|_| known);
        memory.filter(|memory| memory.state.get("covers") == Some(&self.covers.as_str().into()))
    }

    async fn find(&self) -> Result<Result<Found, Told<'a>>, FetchFailure> {
        match &self.documents.ground.address {
            Address::File(path) => Ok(self.find_file(path).await?),
            Address::Http(url) => {
                let mut url = url.clone();
                self.documents.asked.complete(&mut url);
                match self.documents.get(&Address::Http(url), self.held()).await? {
                    Got::Same { cost, memory } => Ok(Err(Told::Same { cost, memory })),
                    Got::Document(Document { bytes, hash, source, validators, cost, warning, .. }) => {
                        let memory = self.memory(source, validators, hash);
                        Ok(Ok(Found { bytes: Box::new(Cursor::new(bytes)), memory, cost, warning }))
                    }
                }
            }
            other => Err(OpError::usage("adapter.address", format!("{other} is no table")).into()),
        }
    }

    async fn find_file(&self, path: &Path) -> Result<Result<Found, Told<'a>>, OpError> {
        let (shown, owned) = (path.display().to_string(), path.to_path_buf());
        let (hash, length, file) = reading(&shown, HASHING, move || opened(&owned)).await?;
        let cost = Cost { http_status: None, wire_bytes: length, body_bytes: length };
        let memory = self.memory(Source { url: None, content_type: None }, None, hash);
        if self.held().is_some_and(|held| held.body == hash && held.source == memory.source) {
            return Ok(Err(Told::Same { cost, memory }));
        }
        Ok(Ok(Found { bytes: Box::new(file), memory, cost, warning: None }))
    }

    fn memory(&self, source: Source, validators: Option<Validators>, body: ContentHash) -> Memory {
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
        let TablePage { candidates, rejects, .. } = page;
        Ok(Told::Page(Page { candidates, rejects, body: None, cost, then, room: Some(room) }))
    }
}

/// A regular file, with the hash and the length of what it holds.
fn opened(path: &PathBuf) -> Result<(ContentHash, u64, File), OpError> {
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
    let (mut sha, mut length, mut piece) = (Sha256::new(), 0, vec![0; 64 * 1024]);
    loop {
        let read = file.read(&mut piece).map_err(failed)?;
        if read == 0 {
            break;
        }
        sha.update(&piece[..read]);
        length += read as u64;
    }
    // What is read later may be another content: then its hash is not this one, and it is read again next time.
    Ok((ContentHash::from_bytes(sha.finalize().into()), length, File::open(path).map_err(failed)?))
}

fn unreadable(address: &str, error: TableError) -> OpError {
    OpError::failed(error.code(), format!("{address}: {error}")).with_hint(error.hint()).with_source(error)
}
