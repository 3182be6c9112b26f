//! [`Table`]: a redb table whose rows are JSON documents of one type.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};

use feedspine_core::{Page, PageRequest, Result, StorageError};
use redb::{Key, ReadTransaction, ReadableTable, TableDefinition, TableHandle, Value, WriteTransaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::fault;

/// A key that is its own borrowed form: numbers, byte arrays and tuples of them.
pub(crate) trait RowKey: Key + for<'a> Value<SelfType<'a> = Self> + Copy + 'static {}

impl<K: Key + for<'a> Value<SelfType<'a> = K> + Copy + 'static> RowKey for K {}

type Definition<K> = TableDefinition<'static, K, &'static [u8]>;

/// Both kinds of transactions, for what only reads.
pub(crate) trait Reads {
    /// The table as this transaction sees it.
    fn open<K: RowKey>(&self, table: Definition<K>) -> Result<impl ReadableTable<K, &'static [u8]>>;
}

impl Reads for ReadTransaction {
    fn open<K: RowKey>(&self, table: Definition<K>) -> Result<impl ReadableTable<K, &'static [u8]>> {
        self.open_table(table).map_err(fault)
    }
}

impl Reads for WriteTransaction {
    fn open<K: RowKey>(&self, table: Definition<K>) -> Result<impl ReadableTable<K, &'static [u8]>> {
        self.open_table(table).map_err(fault)
    }
}

/// A table of `R`, ordered by `K`.
pub(crate) struct Table<K: RowKey, R> {
    definition: Definition<K>,
    row: PhantomData<fn() -> R>,
}

/// Rows that are read one at a time.
pub(crate) type Scan<K, R> = Box<dyn Iterator<Item = Result<(K, R)>>>;

impl<K: RowKey, R: Serialize + DeserializeOwned> Table<K, R> {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { definition: TableDefinition::new(name), row: PhantomData }
    }

    pub(crate) fn create(&self, tx: &WriteTransaction) -> Result<()> {
        tx.open_table(self.definition).map(drop).map_err(fault)
    }

    pub(crate) fn get(&self, tx: &impl Reads, key: K) -> Result<Option<R>> {
        let rows = tx.open(self.definition)?;
        let found = rows.get(key).map_err(fault)?;
        found.map(|row| read(row.value())).transpose()
    }

    /// The rows in that range of keys, ascending.
    pub(crate) fn range(&self, tx: &impl Reads, keys: impl RangeBounds<K>) -> Result<Vec<(K, R)>> {
        let rows = tx.open(self.definition)?;
        let mut found = Vec::new();
        for row in rows.range(keys).map_err(fault)? {
            let (key, row) = row.map_err(fault)?;
            found.push((key.value(), read(row.value())?));
        }
        Ok(found)
    }

    /// The last row in that range of keys.
    pub(crate) fn last(&self, tx: &impl Reads, keys: impl RangeBounds<K>) -> Result<Option<(K, R)>> {
        let rows = tx.open(self.definition)?;
        let Some(last) = rows.range(keys).map_err(fault)?.next_back() else { return Ok(None) };
        let (key, row) = last.map_err(fault)?;
        Ok(Some((key.value(), read(row.value())?)))
    }

    /// The rows in that range of keys, one at a time, from a snapshot that later writes do not touch.
    pub(crate) fn scan(&self, tx: &ReadTransaction, keys: impl RangeBounds<K>) -> Result<Scan<K, R>> {
        let rows = tx.open_table(self.definition).map_err(fault)?.range(keys).map_err(fault)?;
        Ok(Box::new(rows.map(|row| {
            let (key, row) = row.map_err(fault)?;
            Ok((key.value(), read(row.value())?))
        })))
    }

    pub(crate) fn put(&self, tx: &WriteTransaction, key: K, row: &R) -> Result<()> {
        let bytes = serde_json::to_vec(row)
            .map_err(|error| StorageError::internal("a row has no JSON form").with_source(error))?;
        tx.open_table(self.definition).map_err(fault)?.insert(key, bytes.as_slice()).map_err(fault)?;
        Ok(())
    }

    /// Removes a row and gives it.
    pub(crate) fn take(&self, tx: &WriteTransaction, key: K) -> Result<Option<R>> {
        let mut rows = tx.open_table(self.definition).map_err(fault)?;
        let taken = rows.remove(key).map_err(fault)?;
        taken.map(|row| read(row.value())).transpose()
    }

    /// Removes the rows in that range of keys and gives them, ascending.
    pub(crate) fn take_range(&self, tx: &WriteTransaction, keys: impl RangeBounds<K>) -> Result<Vec<(K, R)>> {
        let rows = self.range(tx, keys)?;
        for (key, _) in &rows {
            self.take(tx, *key)?;
        }
        Ok(rows)
    }
}

/// Lists: one for each `L`, numbered from 1.
impl<L: RowKey + Debug, R: Serialize + DeserializeOwned + 'static> Table<(L, u64), R>
where
    (L, u64): RowKey,
{
    pub(crate) fn append(&self, tx: &WriteTransaction, list: L, row: &R) -> Result<u64> {
        let number = self.last(tx, (list, 0)..=(list, u64::MAX))?.map_or(1, |((_, last), _)| last + 1);
        self.put(tx, (list, number), row)?;
        Ok(number)
    }

    /// The entries after that number.
    pub(crate) fn after(&self, tx: &ReadTransaction, list: L, number: u64) -> Result<Scan<u64, R>> {
        let rows = self.scan(tx, (Bound::Excluded((list, number)), Bound::Included((list, u64::MAX))))?;
        Ok(Box::new(rows.map(|row| row.map(|((_, number), row)| (number, row)))))
    }

    pub(crate) fn page(&self, tx: &ReadTransaction, list: L, page: &PageRequest) -> Result<Page<R>> {
        let of = format!("{} {list:?}", self.definition.name());
        page.cut_numbered(&of, |number| self.after(tx, list, number))
    }
}

fn read<R: DeserializeOwned>(bytes: &[u8]) -> Result<R> {
    serde_json::from_slice(bytes).map_err(|error| {
        let what = std::any::type_name::<R>();
        StorageError::corrupt(format!("a row cannot be read as {what}")).with_source(error)
    })
}
