//! [`ParseError`]: why a body gave no document at all.

/// Why a body is not a document. Each kind has a stable [`code`](ParseError::code).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// No bytes, only white space, or a prologue with nothing after it.
    #[error("the body is empty: {found}")]
    Empty {
        /// What there was.
        found: &'static str,
    },
    /// Something else than a feed.
    #[error("not a feed: {found}")]
    NotAFeed {
        /// What it is, as far as can be seen.
        found: String,
    },
    /// JSON that is no JSON Feed.
    #[error("JSON, but no feed: {found}")]
    JsonNotAFeed {
        /// What it is.
        found: &'static str,
    },
    /// The bytes are in an encoding that is not read.
    #[error("the text cannot be decoded: {found}")]
    Encoding {
        /// Which encoding was found or named.
        found: String,
    },
    /// Elements nested too deep.
    #[error("XML nested deeper than {limit} elements at byte {offset} of the text")]
    XmlDepth {
        /// The most that is read.
        limit: usize,
        /// Byte offset into the decoded text.
        offset: usize,
    },
    /// XML that no recovery makes sense of.
    #[error("not XML that can be read: {found} at byte {offset} of the text")]
    XmlSyntax {
        /// What stands there.
        found: &'static str,
        /// Byte offset into the decoded text.
        offset: usize,
    },
    /// JSON that is none.
    #[error("{found}")]
    JsonSyntax {
        /// What was expected, and where.
        found: String,
    },
    /// JSON nested too deep.
    #[error("JSON nested deeper than {limit} at byte {offset} of the text")]
    JsonDepth {
        /// The most that is read.
        limit: usize,
        /// Byte offset into the decoded text.
        offset: usize,
    },
    /// JSON that ends in the middle.
    #[error("the document ends in the middle")]
    JsonTruncated,
    /// Where the items should be there is no list of them.
    #[error("the path {path} leads to {found}")]
    ItemsPath {
        /// The path.
        path: String,
        /// Where it leads.
        found: String,
    },
    /// Something else than the list that it was said to be.
    #[error("not a {wanted}: {found}")]
    NotAList {
        /// What it should be.
        wanted: &'static str,
        /// What it is, as far as can be seen.
        found: String,
    },
    /// More items than one document may hold.
    #[error("the document holds more than {limit} items")]
    TooManyItems {
        /// The most that is read.
        limit: usize,
    },
}

impl ParseError {
    /// A word for stores, JSON and tests, which never changes.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty { .. } => "feed.empty",
            Self::NotAFeed { .. } | Self::JsonNotAFeed { .. } => "feed.not_a_feed",
            Self::Encoding { .. } => "encoding",
            Self::XmlDepth { .. } => "xml.depth",
            Self::XmlSyntax { .. } => "xml.syntax",
            Self::JsonSyntax { .. } => "json.syntax",
            Self::JsonDepth { .. } => "json.depth",
            Self::JsonTruncated => "json.truncated",
            Self::ItemsPath { .. } => "adapter.items_path",
            Self::NotAList { .. } => "adapter.document",
            Self::TooManyItems { .. } => "feed.too_many_items",
        }
    }

    /// What to do next, where there is something.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotAFeed { .. } => {
                Some("give the address of the feed itself; a page often names it in <link rel=\"alternate\">")
            }
            Self::JsonNotAFeed { .. } => {
                Some("`--adapter json` reads it: its options say where the items are and what their keys are")
            }
            Self::Empty { .. } => Some("the server may be at fault; try again later"),
            Self::JsonTruncated => Some("nothing was stored of it; collect again"),
            Self::ItemsPath { .. } => Some("look at the document: the option `items` says where its list of items is"),
            Self::NotAList { .. } => Some("look at the document: another adapter may read it"),
            Self::Encoding { .. } => Some("ask the publisher for UTF-8"),
            _ => None,
        }
    }
}
