//! [`JsonQuery`]: `JSONPath` (RFC 9535) over [`Json`], whose numbers are exact.
//!
//! Members have no order in [`Json`], so where the standard leaves their order open, ours is that of their names' bytes.

mod evaluate;
mod functions;
mod read;

use std::fmt;

use feedspine_core::{Json, JsonPath};

use functions::Function;

/// The most nodes that one query may look at: `$..*` over a page is a few thousand, `$..*..*` grows with its square.
const MOST_NODES: usize = 2_000_000;

/// A query for the nodes of a JSON value.
#[derive(Debug, Clone)]
pub struct JsonQuery {
    text: String,
    segments: Vec<Segment>,
}

/// Why a text is no query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a JSONPath: {text}: expected {wanted} at byte {offset}")]
pub struct JsonQueryError {
    /// What was given.
    pub text: String,
    /// What would have been right.
    pub wanted: &'static str,
    /// Where.
    pub offset: usize,
}

/// A query that looks at more nodes than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the query looks at more than {MOST_NODES} nodes")]
pub struct TooManyNodes;

#[derive(Debug, Clone)]
struct Segment {
    /// Of every descendant, and not of the node alone.
    descendant: bool,
    selectors: Vec<Selector>,
}

#[derive(Debug, Clone)]
enum Selector {
    Name(String),
    Wildcard,
    Index(i64),
    Slice { start: Option<i64>, end: Option<i64>, step: i64 },
    Filter(Condition),
}

#[derive(Debug, Clone)]
enum Condition {
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Not(Box<Condition>),
    /// At least one node is there.
    Exists(Inner),
    Holds(Function),
    Compare(Operand, Comparison, Operand),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// What gives at most one value.
#[derive(Debug, Clone)]
enum Operand {
    Literal(Json),
    Singular(Inner),
    Function(Box<Function>),
}

/// A query within a filter: from the root, or from the node that is judged.
#[derive(Debug, Clone)]
struct Inner {
    from_root: bool,
    segments: Vec<Segment>,
}

impl JsonQuery {
    /// Reads a query such as `$.data[?@.kind == 'post'].id`.
    ///
    /// # Errors
    /// It is not well-formed, or not well-typed (RFC 9535, section 2.4.3).
    pub fn parse(text: &str) -> Result<Self, JsonQueryError> {
        Ok(Self { text: text.to_owned(), segments: read::read(text)? })
    }

    /// Reads what people write for a place: a query that begins with `$`, else names with dots between, `data.items`.
    ///
    /// # Errors
    /// It is not well-formed.
    pub fn read_place(text: &str) -> Result<Self, JsonQueryError> {
        if text.starts_with('$') {
            return Self::parse(text);
        }
        let path = JsonPath::parse(text).map_err(|_| JsonQueryError {
            text: text.to_owned(),
            wanted: "names with dots between, none of them empty",
            offset: 0,
        })?;
        Ok(Self { text: text.to_owned(), segments: path.names().iter().map(|name| Segment::named(name)).collect() })
    }

    /// The query for the member of that very name, whatever it holds.
    pub fn member(name: &str) -> Self {
        Self { text: name.to_owned(), segments: vec![Segment::named(name)] }
    }

    /// The nodes, in the order of the standard.
    ///
    /// # Errors
    /// It would look at too many.
    pub fn select<'a>(&self, root: &'a Json) -> Result<Vec<&'a Json>, TooManyNodes> {
        evaluate::select(&self.segments, root, root)
    }

    /// The first node; `None` where there is none, or where the query looks at too many.
    pub fn first<'a>(&self, root: &'a Json) -> Option<&'a Json> {
        self.select(root).ok()?.first().copied()
    }

    /// The query without its last segment; `None` for `$`.
    pub fn parent(&self) -> Option<Self> {
        let (_, segments) = self.segments.split_last()?;
        Some(Self { text: self.text.clone(), segments: segments.to_vec() })
    }

    /// Whether it gives at most one node: names and indexes only.
    pub fn is_singular(&self) -> bool {
        is_singular(&self.segments)
    }

    /// Whether it is `$`, the value itself.
    pub fn is_root(&self) -> bool {
        self.segments.is_empty()
    }
}

/// As it was written.
impl fmt::Display for JsonQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Equal when written alike.
impl PartialEq for JsonQuery {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for JsonQuery {}

impl Segment {
    fn named(name: &str) -> Self {
        Self { descendant: false, selectors: vec![Selector::Name(name.to_owned())] }
    }
}

fn is_singular(segments: &[Segment]) -> bool {
    segments.iter().all(|segment| {
        !segment.descendant && matches!(segment.selectors.as_slice(), [Selector::Name(_) | Selector::Index(_)])
    })
}

#[cfg(test)]
mod tests;
