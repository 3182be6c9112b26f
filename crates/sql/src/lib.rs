//! [`Filter`], [`Order`] and keyset positions as SQL text with bound values.
//!
//! The text holds column names of a [`Dialect`] and placeholders, never a value: every value is bound. Each condition
//! has exactly two values, so that `NOT` means what [`Filter::matches`] means by it. Tests of JSON paths are the
//! dialect's: no store's own JSON function decides anything. [`wire`] hands them to core's own functions, [`push_needles`]
//! says what a document must hold before core is asked.

mod dialect;
mod filter;
pub mod manifest;
mod order;
mod paths;
pub mod wire;

pub use dialect::{Column, Dialect, PathRoot};
pub use filter::compile_filter;
pub use order::{compile_after, compile_order};
pub use paths::{is_path, names_a_path, push_needles, widened};

#[cfg(doc)]
use feedspine_core::{Filter, Order};

/// A value to be bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// SQL text under construction, with the values that its placeholders stand for, in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statement {
    text: String,
    values: Vec<Value>,
}

impl Statement {
    /// Begins with this text, which holds no value.
    pub fn new(text: &str) -> Self {
        Self { text: text.to_owned(), values: Vec::new() }
    }

    /// Appends text, which holds no value.
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Binds a value and appends its placeholder.
    pub fn bind<D: Dialect + ?Sized>(&mut self, dialect: &D, value: Value) {
        self.values.push(value);
        let placeholder = dialect.placeholder(self.values.len());
        self.text.push_str(&placeholder);
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The values, in the order of their placeholders.
    pub fn values(&self) -> &[Value] {
        &self.values
    }
}
