//! [`Dialect`]: what differs from one SQL store to the next.

use feedspine_core::{Field, JsonPath, Test};

use crate::{Statement, Value};

/// A stored field in SQL: its expression, and what its values are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// Text that compares by its bytes; never null.
    Text(String),
    /// A whole number; never null.
    Integer(String),
    /// Microseconds; may be null.
    Nullable(String),
    /// A 16-byte id that fields show as a UUID's text: the bytes, and the text.
    Id {
        /// The 16 bytes, which order as the text does.
        bytes: String,
        /// 32 lower-case hexadecimal digits with hyphens.
        text: String,
    },
}

/// Which of a record's two JSON documents a path goes into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathRoot {
    /// The content.
    Content,
    /// The metadata.
    Metadata,
}

/// What differs from one SQL store to the next.
pub trait Dialect {
    /// The placeholder of the value of that number, from 1.
    fn placeholder(&self, number: usize) -> String;

    /// A stored field that is not a path, as [`Field::check_stored`] lets through.
    fn column(&self, field: &Field) -> Column;

    /// Appends a whole number: where `part` first occurs in `text`, counted from 1; 0 when it does not.
    fn position(&self, statement: &mut Statement, text: &str, part: Value);

    /// Appends a condition: whether the expression equals one of the values, of which there is at least one.
    fn among(&self, statement: &mut Statement, expression: &str, values: Vec<Value>);

    /// Appends a condition that means exactly [`Test::passes`] on what the path finds.
    fn path_test(&self, statement: &mut Statement, root: PathRoot, path: &JsonPath, test: &Test);

    /// Appends bytes: the sort key of what the path finds, empty when it finds nothing.
    fn path_sort_key(&self, statement: &mut Statement, root: PathRoot, path: &JsonPath);
}
