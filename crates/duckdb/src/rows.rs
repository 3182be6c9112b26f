//! Values as they are bound, appended and read back.

use std::fmt::{self, Write};
use std::str::FromStr;

use duckdb::types::{FromSql, TimeUnit, ToSql, ToSqlOutput, Value, ValueRef};
use duckdb::{Appender, Connection, Row};
use feedspine_core::ingest::{Shown, StoredVersion};
use feedspine_core::{
    Content, ContentHash, Counts, FeedId, FetchId, HashRuleId, KeyHash, KeyRule, Layer, Lineage, Namespace, NaturalKey,
    Origin, RecordId, Round, Timestamp, Version, VersionNo,
};

use crate::error::{Outcome, corrupt};

// Statements are prepared anew each time. DuckDB 1.5.6 folds what a table's statistics say into a plan, and a prepared
// statement that is run again keeps to it: `SELECT max(seq)` goes on to answer what it answered first, and `WHERE x = 'b'`
// finds nothing for ever when no `b` was there at first.

/// The values of a statement, in the order of its placeholders.
pub(crate) type Values<'a> = &'a [&'a dyn ToSql];

/// A statement without placeholders.
pub(crate) fn no_values() -> Values<'static> {
    &[]
}

/// An instant as it is bound and appended.
pub(crate) fn instant(at: Timestamp) -> Value {
    Value::Timestamp(TimeUnit::Microsecond, at.as_micros())
}

/// An instant that may be missing.
pub(crate) fn optional_instant(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, instant)
}

/// An id that may be missing.
pub(crate) fn optional_id(id: Option<impl ToString>) -> Value {
    id.map_or(Value::Null, |id| Value::Text(id.to_string()))
}

/// Some ids or hashes. As text of a statement it is the condition on the column before it, with one placeholder; that is
/// bound to the same value, as one text: the driver binds no lists.
#[derive(Debug, Clone)]
pub(crate) struct Among {
    condition: &'static str,
    text: String,
}

impl Among {
    /// These ids, of which there must be one at least.
    pub(crate) fn ids<T: ToString>(ids: impl IntoIterator<Item = T>) -> Self {
        let text = ids.into_iter().map(|id| id.to_string()).collect::<Vec<_>>().join(",");
        let (one, some) = ("= CAST(? AS UUID)", "IN (SELECT CAST(unnest(string_split(?, ',')) AS UUID))");
        Self { condition: if text.contains(',') { some } else { one }, text }
    }

    /// These hashes, of which there must be one at least.
    pub(crate) fn hashes<'a>(hashes: impl IntoIterator<Item = &'a KeyHash>) -> Self {
        let mut text = String::new();
        for hash in hashes {
            if !text.is_empty() {
                text.push(',');
            }
            push_hexadecimal(&mut text, hash.as_bytes());
        }
        // To compare is a third of the work of a join, and most questions are about one key.
        let (one, some) = ("= unhex(?)", "IN (SELECT unhex(unnest(string_split(?, ','))))");
        Self { condition: if text.contains(',') { some } else { one }, text }
    }
}

impl fmt::Display for Among {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.condition)
    }
}

impl ToSql for Among {
    fn to_sql(&self) -> duckdb::Result<ToSqlOutput<'_>> {
        self.text.to_sql()
    }
}

/// Appends the hexadecimal digits of bytes.
pub(crate) fn push_hexadecimal(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes all");
    }
}

/// All rows of a statement.
pub(crate) fn all<T>(
    conn: &Connection,
    sql: &str,
    values: Values<'_>,
    mut read: impl FnMut(&mut Columns<'_>) -> Outcome<T>,
) -> Outcome<Vec<T>> {
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(&mut Columns { row, next: 0 })?);
    }
    Ok(found)
}

/// The first row of a statement.
pub(crate) fn first<T>(
    conn: &Connection,
    sql: &str,
    values: Values<'_>,
    read: impl FnOnce(&mut Columns<'_>) -> Outcome<T>,
) -> Outcome<Option<T>> {
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query(values)?;
    rows.next()?.map(|row| read(&mut Columns { row, next: 0 })).transpose()
}

/// Whether a statement has a row.
pub(crate) fn any(conn: &Connection, sql: &str, values: Values<'_>) -> Outcome<bool> {
    Ok(first(conn, sql, values, |_| Ok(()))?.is_some())
}

/// Runs a statement that answers no rows.
pub(crate) fn execute(conn: &Connection, sql: &str, values: Values<'_>) -> Outcome<()> {
    conn.prepare(sql)?.execute(values)?;
    Ok(())
}

/// Appends rows to the table `_table`, as part of the transaction under way.
pub(crate) fn append<R>(
    conn: &Connection,
    table: &str,
    rows: impl IntoIterator<Item = R>,
    write: impl Fn(&mut Appender<'_>, R) -> duckdb::Result<()>,
) -> Outcome<()> {
    let mut rows = rows.into_iter().peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    let mut appender = conn.appender(&format!("_{table}"))?;
    for row in rows {
        write(&mut appender, row)?;
    }
    Ok(appender.flush()?)
}

/// A row, read column by column from the left.
pub(crate) struct Columns<'a> {
    row: &'a Row<'a>,
    next: usize,
}

impl<'a> Columns<'a> {
    fn value(&mut self) -> Outcome<ValueRef<'a>> {
        let value = self.row.get_ref(self.next)?;
        self.next += 1;
        Ok(value)
    }

    pub(crate) fn take<T: FromSql>(&mut self) -> Outcome<T> {
        let value = self.row.get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    /// Text that may be null.
    pub(crate) fn text(&mut self) -> Outcome<Option<&'a str>> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            value => value.as_str().map(Some).map_err(|_| corrupt("text that is none")),
        }
    }

    /// Text that is a word or an id, and may be null.
    pub(crate) fn optional<T: FromStr>(&mut self) -> Outcome<Option<T>> {
        let Some(text) = self.text()? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| corrupt(&format!("the word {text:?}")))
    }

    /// Text that is a word or an id.
    pub(crate) fn word<T: FromStr>(&mut self) -> Outcome<T> {
        self.optional()?.ok_or_else(|| corrupt("null where a word must be"))
    }

    pub(crate) fn key_hash(&mut self) -> Outcome<KeyHash> {
        self.digest().map(KeyHash::from_bytes)
    }

    pub(crate) fn optional_key_hash(&mut self) -> Outcome<Option<KeyHash>> {
        Ok(self.optional_digest()?.map(KeyHash::from_bytes))
    }

    fn digest(&mut self) -> Outcome<[u8; 32]> {
        self.optional_digest()?.ok_or_else(|| corrupt("null where a hash must be"))
    }

    fn optional_digest(&mut self) -> Outcome<Option<[u8; 32]>> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Blob(bytes) => bytes.try_into().map(Some).map_err(|_| corrupt("a hash of another length")),
            _ => Err(corrupt("a hash that is no bytes")),
        }
    }

    pub(crate) fn key(&mut self) -> Outcome<NaturalKey> {
        self.optional_key()?.ok_or_else(|| corrupt("null where a key must be"))
    }

    /// Two columns that may be null: namespace and key.
    pub(crate) fn optional_key(&mut self) -> Outcome<Option<NaturalKey>> {
        let (namespace, key) = (self.text()?, self.text()?);
        let (Some(namespace), Some(key)) = (namespace, key) else { return Ok(None) };
        let namespace = Namespace::new(namespace).map_err(|_| corrupt("a namespace"))?;
        NaturalKey::new(namespace, key).map(Some).map_err(|_| corrupt("a natural key"))
    }

    pub(crate) fn instant(&mut self) -> Outcome<Timestamp> {
        self.optional_instant()?.ok_or_else(|| corrupt("null where an instant must be"))
    }

    pub(crate) fn optional_instant(&mut self) -> Outcome<Option<Timestamp>> {
        match self.value()? {
            ValueRef::Null => Ok(None),
            ValueRef::Timestamp(unit, count) => {
                Timestamp::from_micros(unit.to_micros(count)).map(Some).map_err(|_| corrupt("an instant"))
            }
            _ => Err(corrupt("an instant that is none")),
        }
    }

    pub(crate) fn layer(&mut self) -> Outcome<Layer> {
        self.optional_layer()?.ok_or_else(|| corrupt("null where a layer must be"))
    }

    pub(crate) fn optional_layer(&mut self) -> Outcome<Option<Layer>> {
        let Some(rank) = self.take::<Option<u8>>()? else { return Ok(None) };
        Layer::from_rank(rank).map(Some).ok_or_else(|| corrupt("a layer's rank"))
    }

    pub(crate) fn version(&mut self) -> Outcome<VersionNo> {
        self.optional_version()?.ok_or_else(|| corrupt("a version's number"))
    }

    pub(crate) fn optional_version(&mut self) -> Outcome<Option<VersionNo>> {
        Ok(self.take::<Option<u32>>()?.and_then(VersionNo::new))
    }

    pub(crate) fn round(&mut self) -> Outcome<Round> {
        self.optional_round()?.ok_or_else(|| corrupt("a round"))
    }

    pub(crate) fn optional_round(&mut self) -> Outcome<Option<Round>> {
        Ok(self.take::<Option<u64>>()?.and_then(Round::new))
    }

    /// A version and its hash.
    pub(crate) fn shown(&mut self) -> Outcome<Shown> {
        Ok(Shown { version: self.version()?, hash: ContentHash::from_bytes(self.digest()?) })
    }

    /// The columns [`COUNTS`].
    pub(crate) fn counts(&mut self) -> Outcome<Counts> {
        Ok(Counts {
            seen: self.take()?,
            new: self.take()?,
            changed: self.take()?,
            unchanged: self.take()?,
            rejected: self.take()?,
            repeated: self.take()?,
            withdrawn: self.take()?,
            scrolled_off: self.take()?,
            returned: self.take()?,
            gaps: self.take()?,
            held_back: self.take()?,
        })
    }

    fn lineage(&mut self) -> Outcome<Option<Lineage>> {
        let (layer, version) = (self.optional_layer()?, self.optional_version()?);
        let (hash, deleted) = (self.optional_digest()?, self.take::<Option<bool>>()?);
        let (Some(layer), Some(version), Some(hash)) = (layer, version, hash) else { return Ok(None) };
        let source_deleted = deleted.unwrap_or_default();
        Ok(Some(Lineage { layer, version, hash: ContentHash::from_bytes(hash), source_deleted }))
    }
}

/// Reads one column.
pub(crate) fn value<T: FromSql>(columns: &mut Columns<'_>) -> Outcome<T> {
    columns.take()
}

/// Reads a word or an id.
pub(crate) fn word<T: FromStr>(columns: &mut Columns<'_>) -> Outcome<T> {
    columns.word()
}

/// Reads a key's hash.
pub(crate) fn key_hash(columns: &mut Columns<'_>) -> Outcome<KeyHash> {
    columns.key_hash()
}

/// Reads the JSON document of one of core's rows.
pub(crate) fn document<T: serde::de::DeserializeOwned>(columns: &mut Columns<'_>) -> Outcome<T> {
    let text = columns.text()?.unwrap_or_default();
    serde_json::from_str(text).map_err(|_| corrupt(std::any::type_name::<T>()))
}

/// Reads the columns of [`VERSION`].
pub(crate) fn held_version(columns: &mut Columns<'_>) -> Outcome<HeldVersion> {
    let record: RecordId = columns.word()?;
    let (key, key_rule, first_seen) = (columns.key()?, columns.word()?, columns.instant()?);
    let (layer, number) = (columns.layer()?, columns.version()?);
    let hash = ContentHash::from_bytes(columns.digest()?);
    let hash_rule = HashRuleId::from_stored(columns.text()?.unwrap_or_default());
    let content = Content::from_canonical(columns.text()?.ok_or_else(|| corrupt("a version without content"))?);
    let metadata = columns.text()?.filter(|text| *text != "{}").map_or_else(Content::empty, Content::from_canonical);
    let (published, updated, recorded_at) =
        (columns.optional_instant()?, columns.optional_instant()?, columns.instant()?);
    let origin: (Option<FeedId>, Option<FetchId>) = (columns.optional()?, columns.optional()?);
    let origin = origin.0.zip(origin.1).map(|(feed, fetch)| Origin { feed, fetch });
    let derived_from = columns.lineage()?;
    let version = Version {
        record,
        layer,
        number,
        content,
        hash_rule,
        metadata,
        published,
        updated,
        recorded_at,
        origin,
        derived_from,
    };
    Ok(HeldVersion { key, key_rule, first_seen, stored: StoredVersion { version, hash } })
}

/// The columns of counts.
pub(crate) const COUNTS: &str =
    "seen, new, changed, unchanged, rejected, repeated, withdrawn, scrolled_off, returned, gaps, held_back";

/// The columns of a version, in the order that [`Columns::held_version`] takes them.
pub(crate) const VERSION: &str =
    "record, namespace, key, key_rule, first_seen, layer, number, hash, hash_rule, content,
    metadata, published, updated, recorded_at, feed, fetch_id, from_layer, from_version, from_hash, from_deleted";

/// A row of `versions`: a version, and what never changes of its record.
#[derive(Debug, Clone)]
pub(crate) struct HeldVersion {
    pub(crate) key: NaturalKey,
    pub(crate) key_rule: KeyRule,
    pub(crate) first_seen: Timestamp,
    pub(crate) stored: StoredVersion,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_listed_as_hexadecimal_digits() {
        let hashes = [KeyHash::from_bytes([0xab; 32]), KeyHash::from_bytes([1; 32])];
        let (both, one) = (Among::hashes(&hashes), Among::hashes(&hashes[..1]));
        assert_eq!(both.text, format!("{},{}", "ab".repeat(32), "01".repeat(32)));
        assert_eq!((both.to_string().as_str(), one.to_string().as_str()), (both.condition, "= unhex(?)"));
    }
}
