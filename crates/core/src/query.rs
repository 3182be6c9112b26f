//! Questions about records: selection, order and keyset pages.

use std::cmp::Ordering;
use std::num::NonZeroUsize;

use sha2::{Digest, Sha256};

use crate::json::Json;
use crate::{Field, Filter, Layer, NaturalKey, Record, RecordId, Sighting, StorageError, hexadecimal};

/// The largest page that is given; asking for more gives this many.
pub const MAX_PAGE: usize = 1_000;

/// Which rows a question is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selection {
    /// `None`: one row for each record, its highest layer.
    pub layer: Option<Layer>,
    /// The condition.
    pub filter: Filter,
}

impl Selection {
    /// One row for each record.
    pub const fn everything() -> Self {
        Self { layer: None, filter: Filter::everything() }
    }
}

/// Which way an order goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Smallest first; missing, then null, come first.
    Ascending,
    /// Greatest first.
    Descending,
}

/// One term of an order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Order {
    /// By what.
    pub field: Field,
    /// Which way.
    pub direction: Direction,
}

impl Order {
    /// Reads `field` or `-field`, which descends.
    ///
    /// # Errors
    /// `Invalid` for an unknown field.
    pub fn parse(text: &str) -> Result<Self, StorageError> {
        let (name, direction) = match text.strip_prefix('-') {
            Some(name) => (name, Direction::Descending),
            None => (text, Direction::Ascending),
        };
        Ok(Self { field: Field::parse(name)?, direction })
    }
}

/// A page of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Which rows.
    pub selection: Selection,
    /// In which order; the record id, ascending, always ends it, so that the order is total.
    pub order: Vec<Order>,
    /// From where, and how many.
    pub page: PageRequest,
}

/// How much of a list is wanted, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// At most so many, and never more than [`MAX_PAGE`].
    pub limit: NonZeroUsize,
    /// After this position; `None` begins.
    pub after: Option<Cursor>,
}

impl PageRequest {
    /// The first `limit` entries.
    ///
    /// # Panics
    /// When `limit` is zero.
    pub fn first(limit: usize) -> Self {
        Self { limit: NonZeroUsize::new(limit).expect("a page holds at least one entry"), after: None }
    }

    /// The most entries that the page may hold.
    pub fn size(&self) -> usize {
        self.limit.get().min(MAX_PAGE)
    }

    /// Cuts this page from a list whose entries come with their places, which ascend; read no further than needed.
    ///
    /// `of` describes the list: its cursors are bound to it.
    ///
    /// # Errors
    /// `Invalid`: a cursor of another list. What reading the list fails with.
    pub fn cut<T>(
        &self,
        of: &str,
        entries: impl IntoIterator<Item = Result<(Vec<Json>, T), StorageError>>,
    ) -> Result<Page<T>, StorageError> {
        let after = self.after.as_ref().map(|cursor| cursor.position(of)).transpose()?;
        let mut page = Page { items: Vec::new(), next: None };
        let mut last = Vec::new();
        for entry in entries {
            let (place, entry) = entry?;
            if after.as_ref().is_some_and(|after| place <= *after) {
                continue;
            }
            if page.items.len() == self.size() {
                page.next = Some(Cursor::new(of, &last));
                break;
            }
            page.items.push(entry);
            last = place;
        }
        Ok(page)
    }

    /// Cuts this page from a list whose entries are numbered from 1 on; `read_after` reads those beyond a number.
    ///
    /// # Errors
    /// As [`PageRequest::cut`].
    pub fn cut_numbered<T, L>(
        &self,
        of: &str,
        read_after: impl FnOnce(u64) -> Result<L, StorageError>,
    ) -> Result<Page<T>, StorageError>
    where
        L: IntoIterator<Item = Result<(u64, T), StorageError>>,
    {
        let position = self.after.as_ref().map(|cursor| cursor.position(of)).transpose()?;
        let after = match position.as_deref() {
            None => 0,
            Some([number]) => number.to_canonical().parse().unwrap_or(u64::MAX),
            Some(_) => return Err(StorageError::invalid("the cursor does not fit the list")),
        };
        let entries = read_after(after)?.into_iter();
        self.cut(of, entries.map(|entry| entry.map(|(number, entry)| (vec![Json::from(number)], entry))))
    }

    /// Cuts this page from all sightings of a key, which may come in any order.
    ///
    /// # Errors
    /// `Invalid`: a cursor of another list.
    pub fn cut_sightings(&self, key: &NaturalKey, mut all: Vec<Sighting>) -> Result<Page<Sighting>, StorageError> {
        all.sort_by_key(|sighting| (sighting.observed_at, sighting.feed, sighting.fetch));
        let placed = all.into_iter().map(|sighting| {
            let at = Json::from(sighting.observed_at.as_micros());
            Ok((vec![at, sighting.feed.to_string().into(), sighting.fetch.to_string().into()], sighting))
        });
        self.cut(&format!("sightings {key:?}"), placed)
    }
}

/// A page, and where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries, in order.
    pub items: Vec<T>,
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// The same page of something made from each entry.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(make).collect(), next: self.next }
    }
}

/// An opaque position in one particular list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor(String);

impl Cursor {
    /// A position made of sort values, bound to the list that `of` describes.
    pub fn new(of: &str, position: &[Json]) -> Self {
        let body = Json::Array([Json::from(fingerprint(of))].into_iter().chain(position.iter().cloned()).collect());
        Self(hexadecimal::encode(body.to_canonical().as_bytes()))
    }

    /// The sort values, when this position belongs to the list that `of` describes.
    ///
    /// # Errors
    /// `Invalid`: not a cursor, or one of another list.
    pub fn position(&self, of: &str) -> Result<Vec<Json>, StorageError> {
        let read = || {
            let body = String::from_utf8(hexadecimal::decode(&self.0)?).ok()?;
            let Json::Array(mut values) = Json::parse(&body).ok()? else { return None };
            (!values.is_empty()).then(|| (values.remove(0), values))
        };
        let (made_for, values) = read().ok_or_else(|| {
            StorageError::invalid(format!("not a cursor: {:?}", self.0))
                .with_hint("give the `next` of an earlier list, or leave the cursor out")
        })?;
        if made_for != Json::from(fingerprint(of)) {
            return Err(StorageError::invalid("the cursor belongs to another question")
                .with_hint("repeat the filters and the order it was given for, or leave the cursor out"));
        }
        Ok(values)
    }

    /// Wraps text that a caller got from an earlier page.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text to hand out.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn fingerprint(of: &str) -> String {
    hexadecimal::encode(&Sha256::digest(of.as_bytes())[..6])
}

impl Query {
    /// Everything in that selection, ordered by id (that is, by first capture).
    pub fn new(selection: Selection, limit: usize) -> Self {
        Self { selection, order: Vec::new(), page: PageRequest::first(limit) }
    }

    /// Whether every field is one that stores keep.
    ///
    /// # Errors
    /// `Unsupported`, naming the first that is not.
    pub fn check(&self) -> Result<(), StorageError> {
        self.selection.filter.check()?;
        self.order.iter().try_for_each(|order| order.field.check_stored())
    }

    /// The sort values after which this page begins: one for each term of the order, then the id.
    ///
    /// # Errors
    /// `Invalid`: not a cursor of this query.
    pub fn position(&self) -> Result<Option<Vec<Json>>, StorageError> {
        let Some(cursor) = &self.page.after else { return Ok(None) };
        let values = cursor.position(&self.identity())?;
        if values.len() == self.order.len() + 1 {
            Ok(Some(values))
        } else {
            Err(StorageError::invalid("the cursor does not fit the order"))
        }
    }

    /// For a query without an order of its own: the id after which this page begins.
    ///
    /// # Errors
    /// `Invalid`: not a cursor of this query.
    pub fn after_id(&self) -> Result<Option<RecordId>, StorageError> {
        let position = self.position()?.filter(|_| self.order.is_empty());
        let id = position.as_deref().map(|place| place.first().and_then(Json::as_str).and_then(|id| id.parse().ok()));
        id.map(|id| id.ok_or_else(|| StorageError::invalid("the cursor holds no id"))).transpose()
    }

    /// The position after `record`.
    pub fn cursor_after(&self, record: &Record) -> Cursor {
        Cursor::new(&self.identity(), &self.place(record))
    }

    /// Cuts this page from the rows of the selection's layer: filters, sorts and counts off.
    ///
    /// For stores that have no query language of their own. Rows may come in any order, unless the query has none:
    /// then they have to ascend by id, and are read no further than needed. Holds two pages at most.
    ///
    /// # Errors
    /// Those of [`Query::check`] and [`Query::position`]. What reading the rows fails with.
    pub fn cut(
        &self,
        rows: impl IntoIterator<Item = Result<Record, StorageError>>,
    ) -> Result<Page<Record>, StorageError> {
        self.check()?;
        let after = self.position()?;
        let wanted = self.page.size() + 1;
        let mut best: Vec<(Vec<Json>, Record)> = Vec::new();
        for record in rows {
            let record = record?;
            if !self.selection.filter.matches(&record) {
                continue;
            }
            let place = self.place(&record);
            if after.as_ref().is_some_and(|after| self.compare(&place, after).is_le()) {
                continue;
            }
            best.push((place, record));
            if self.order.is_empty() && best.len() == wanted {
                break;
            }
            if best.len() == 2 * wanted {
                self.keep_first(&mut best, wanted);
            }
        }
        self.keep_first(&mut best, wanted);
        let more = best.len() == wanted;
        best.truncate(self.page.size());
        let items: Vec<Record> = best.into_iter().map(|(_, record)| record).collect();
        let next = items.last().filter(|_| more).map(|last| self.cursor_after(last));
        Ok(Page { items, next })
    }

    fn keep_first(&self, rows: &mut Vec<(Vec<Json>, Record)>, wanted: usize) {
        rows.sort_by(|(a, _), (b, _)| self.compare(a, b));
        rows.truncate(wanted);
    }

    /// The values that place a record in this order.
    fn place(&self, record: &Record) -> Vec<Json> {
        let terms = self.order.iter().map(|order| sort_value(&order.field, record));
        terms.chain([Json::from(record.id.to_string())]).collect()
    }

    fn compare(&self, a: &[Json], b: &[Json]) -> Ordering {
        let directions = self.order.iter().map(|order| order.direction).chain([Direction::Ascending]);
        let terms = a.iter().zip(b).zip(directions).map(|((a, b), direction)| match direction {
            Direction::Ascending => a.cmp(b),
            Direction::Descending => b.cmp(a),
        });
        terms.fold(Ordering::Equal, Ordering::then)
    }

    fn identity(&self) -> String {
        format!("records {:?} {:?}", self.selection, self.order)
    }
}

/// The value that a record sorts by: as [`Field::value`], but a JSON path as the hexadecimal of its sort key.
///
/// A missing path is the empty text, which sorts before the key of null.
pub fn sort_value(field: &Field, record: &Record) -> Json {
    let value = field.value(record);
    match field {
        Field::Content(_) | Field::Metadata(_) => {
            Json::from(hexadecimal::encode(&value.map(|value| value.sort_key()).unwrap_or_default()))
        }
        _ => value.unwrap_or(Json::Null),
    }
}

#[cfg(test)]
mod tests;
