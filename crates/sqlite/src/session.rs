//! A job's view of the write connection, and the numbers that stand for long names.

use std::collections::HashMap;

use feedspine_core::transfer::import_unfinished;
use feedspine_core::{FeedId, FetchId, HashRuleId, Namespace, RecordId, StorageError};
use rusqlite::{Connection, OptionalExtension};

use crate::error::Outcome;
use crate::import;
use crate::rows::{LAST_RECORD, corrupt};
use crate::schema;
use crate::versions::FIRST_APPENDED;

/// Numbers given earlier, and what was seen of the schema. Rows that give numbers are never deleted, so what was committed
/// once stays true, also when another process writes.
#[derive(Debug, Default)]
pub(crate) struct Names {
    spaces: HashMap<Namespace, i64>,
    rules: HashMap<HashRuleId, i64>,
    feeds: HashMap<FeedId, i64>,
    admission: Admission,
}

/// What a connection knows of the schema, which another process may have changed meanwhile: it began or ended an import,
/// whose mark is a table, or is a newer program that took further steps. Neither comes to be without the schema's own
/// version growing, which is one number of the file's header.
#[derive(Debug, Default)]
pub(crate) struct Admission {
    /// That version when it was last looked, and whether an import was unfinished.
    known: Option<(i64, bool)>,
}

impl Admission {
    /// Refuses a schema that this program does not know, and what has to wait for the end of an import. Asks in the
    /// transaction that the connection is in.
    pub(crate) fn admit(&mut self, conn: &Connection, concern: Concern) -> Outcome<()> {
        let version = conn.prepare_cached("PRAGMA schema_version")?.query_row([], |row| row.get(0))?;
        let unfinished = match self.known {
            Some((known, unfinished)) if known == version => unfinished,
            _ => {
                schema::check_version(schema::version(conn)?)?;
                import::is_unfinished(conn)?
            }
        };
        self.known = Some((version, unfinished));
        if unfinished && concern == Concern::Data { Err(import_unfinished().into()) } else { Ok(()) }
    }
}

/// What a unit of work or a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Concern {
    /// What was captured: refused while an import is not finished.
    Data,
    /// The control plane, or the import itself.
    Control,
}

impl Names {
    /// Forgets all: some may have been given by work that was taken back.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }
}

/// What one job works with.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    pub(crate) conn: &'a Connection,
    names: &'a mut Names,
    next: &'a mut NextNumbers,
    schema_changed: bool,
}

/// The next numbers of a transaction, once asked for: another process may have given some since the last one.
#[derive(Debug, Default)]
pub(crate) struct NextNumbers {
    record: Option<i64>,
    content: Option<i64>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(conn: &'a Connection, names: &'a mut Names, next: &'a mut NextNumbers) -> Self {
        Self { conn, names, next, schema_changed: false }
    }

    /// Runs statements that make or drop tables and indexes. SQLite counts no row as changed by them.
    pub(crate) fn change_schema(&mut self, sql: &str) -> Outcome<()> {
        self.schema_changed = true;
        Ok(self.conn.execute_batch(sql)?)
    }

    /// Whether the job began to make or drop tables or indexes.
    pub(crate) fn has_changed_schema(&self) -> bool {
        self.schema_changed
    }

    /// Refuses work on a schema that is not known, and what has to wait for the end of an import.
    pub(crate) fn admit(&mut self, concern: Concern) -> Outcome<()> {
        self.names.admission.admit(self.conn, concern)
    }

    /// The namespace's number; gives it one when it is new.
    pub(crate) fn space(&mut self, namespace: &Namespace) -> Outcome<i64> {
        if let Some(number) = self.names.spaces.get(namespace) {
            return Ok(*number);
        }
        let number = match find_space(self.conn, namespace)? {
            Some(number) => number,
            None => self.conn.prepare_cached("INSERT INTO spaces (name) VALUES (?)")?.insert([namespace.as_str()])?,
        };
        self.names.spaces.insert(namespace.clone(), number);
        Ok(number)
    }

    /// The hash rule's number; gives it one when it is new.
    pub(crate) fn rule(&mut self, rule: &HashRuleId) -> Outcome<i64> {
        if let Some(number) = self.names.rules.get(rule) {
            return Ok(*number);
        }
        let found = self
            .conn
            .prepare_cached("SELECT no FROM rules WHERE id = ?")?
            .query_row([rule.as_str()], |row| row.get(0))
            .optional()?;
        let number = match found {
            Some(number) => number,
            None => self.conn.prepare_cached("INSERT INTO rules (id) VALUES (?)")?.insert([rule.as_str()])?,
        };
        self.names.rules.insert(rule.clone(), number);
        Ok(number)
    }

    /// The feed's number; makes its row when it is new.
    pub(crate) fn feed(&mut self, feed: FeedId) -> Outcome<i64> {
        if let Some(number) = self.names.feeds.get(&feed) {
            return Ok(*number);
        }
        let number = match find_feed(self.conn, feed)? {
            Some(number) => number,
            None => self.conn.prepare_cached("INSERT INTO feeds (id) VALUES (?)")?.insert([feed.as_bytes()])?,
        };
        self.names.feeds.insert(feed, number);
        Ok(number)
    }

    /// The fetch's number; makes its row when it is new.
    pub(crate) fn fetch(&mut self, fetch: FetchId) -> Outcome<i64> {
        match find_fetch(self.conn, fetch)? {
            Some(number) => Ok(number),
            None => Ok(self.conn.prepare_cached("INSERT INTO fetches (id) VALUES (?)")?.insert([fetch.as_bytes()])?),
        }
    }

    /// A number that no record has or had.
    pub(crate) fn new_record_number(&mut self) -> Outcome<i64> {
        let number = match self.next.record {
            Some(number) => number,
            None => self
                .conn
                .prepare_cached(
                    "SELECT max(ifnull((SELECT max(no) FROM records), 0), ifnull((SELECT max(no) FROM graves), 0)) + 1",
                )?
                .query_row([], |row| row.get(0))?,
        };
        if number > LAST_RECORD {
            return Err(
                StorageError::unsupported(format!("a store cannot have more than {LAST_RECORD} records")).into()
            );
        }
        self.next.record = Some(number + 1);
        Ok(number)
    }

    /// A number behind those of all contents, for one that is not its record's own.
    pub(crate) fn new_content_number(&mut self) -> Outcome<i64> {
        let number = match self.next.content {
            Some(number) => number,
            None => self
                .conn
                .prepare_cached("SELECT max(ifnull(max(no), 0) + 1, ?) FROM contents")?
                .query_row([FIRST_APPENDED], |row| row.get(0))?,
        };
        self.next.content = Some(number + 1);
        Ok(number)
    }

    /// The number of a record that exists.
    pub(crate) fn record(&self, id: RecordId) -> Outcome<i64> {
        find_record(self.conn, id)?.ok_or_else(|| corrupt("a record's id that no row has"))
    }
}

/// The namespace's number, when it has one.
pub(crate) fn find_space(conn: &Connection, namespace: &Namespace) -> Outcome<Option<i64>> {
    let mut find = conn.prepare_cached("SELECT no FROM spaces WHERE name = ?")?;
    Ok(find.query_row([namespace.as_str()], |row| row.get(0)).optional()?)
}

/// The feed's number, when it has one.
pub(crate) fn find_feed(conn: &Connection, feed: FeedId) -> Outcome<Option<i64>> {
    let mut find = conn.prepare_cached("SELECT no FROM feeds WHERE id = ?")?;
    Ok(find.query_row([feed.as_bytes()], |row| row.get(0)).optional()?)
}

/// The fetch's number, when it has one.
pub(crate) fn find_fetch(conn: &Connection, fetch: FetchId) -> Outcome<Option<i64>> {
    let mut find = conn.prepare_cached("SELECT no FROM fetches WHERE id = ?")?;
    Ok(find.query_row([fetch.as_bytes()], |row| row.get(0)).optional()?)
}

/// The record's number, when it is held.
pub(crate) fn find_record(conn: &Connection, id: RecordId) -> Outcome<Option<i64>> {
    let mut find = conn.prepare_cached("SELECT no FROM records WHERE id = ?")?;
    Ok(find.query_row([id.as_bytes()], |row| row.get(0)).optional()?)
}

/// The number of the record that holds that key.
pub(crate) fn find_key(conn: &Connection, key: &feedspine_core::NaturalKey) -> Outcome<Option<i64>> {
    let Some(space) = find_space(conn, key.namespace())? else { return Ok(None) };
    let mut find = conn.prepare_cached("SELECT record FROM keys WHERE space = ? AND hash = ?")?;
    Ok(find.query_row((space, key.hash().as_bytes()), |row| row.get(0)).optional()?)
}
