//! Questions about records: selection, order and keyset pages.

use std::num::NonZeroUsize;

use sha2::{Digest, Sha256};

use crate::json::Json;
use crate::{Field, Filter, Layer, Record, StorageError, hexadecimal};

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
}

/// A page, and where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The entries, in order.
    pub items: Vec<T>,
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<Cursor>,
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

    /// The position after `record`.
    pub fn cursor_after(&self, record: &Record) -> Cursor {
        let terms = self.order.iter().map(|order| sort_value(&order.field, record));
        let position: Vec<Json> = terms.chain([Json::from(record.id.to_string())]).collect();
        Cursor::new(&self.identity(), &position)
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
