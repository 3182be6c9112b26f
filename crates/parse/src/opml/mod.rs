//! OPML: lists of feeds, read in whatever state they are, and written.

mod read;
mod write;

pub use read::parse_opml;
pub use write::{OutlineToWrite, write_opml};

use crate::error::ParseError;
use crate::model::{Dated, Person};
use crate::warning::Warning;

/// The most feeds that one list may name. A list of more is no reader's subscriptions, but a way to set all its readers
/// on one victim (`CommaFeed`, GHSA-83jp-rww3-57rr).
pub const MOST_FEEDS: usize = 5_000;

/// A list of feeds, as it was published.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Opml {
    /// The version that it names, as it stands.
    pub version: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// When it was made.
    pub created: Option<Dated>,
    /// When it was last changed.
    pub modified: Option<Dated>,
    /// Whose it is; `ownerId` is the person's `uri`.
    pub owner: Person,
    /// The feeds that it names, in its order. One that stands in several places is one feed in several folders.
    pub feeds: Vec<ListedFeed>,
    /// Other lists that it refers to (`type="include"` and `type="link"`). Nothing follows them.
    pub lists: Vec<ListedPlace>,
    /// Sites that it names without a feed.
    pub sites: Vec<ListedPlace>,
    /// The WHATWG name of the encoding that was used, such as `UTF-8`.
    pub encoding: &'static str,
    /// It was not well-formed, or not in the encoding it names.
    pub recovered: bool,
    /// It ends in the middle: feeds may be missing at the end.
    pub truncated: bool,
    /// What was odd, one entry for each code.
    pub warnings: Vec<Warning>,
}

/// A feed of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListedFeed {
    /// Its address, as it stands. It may be anything: a file, a command of another program.
    pub address: String,
    /// What it is called there.
    pub title: Option<String>,
    /// The address of its site.
    pub site: Option<String>,
    /// The folders that it is in and the categories that it has: each a path of names, the outermost first.
    pub categories: Vec<Vec<String>>,
    /// The addresses of further entries of the same feed, as they stand.
    pub repeats: Vec<String>,
}

/// Something that a list refers to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListedPlace {
    /// Its address, as it stands.
    pub address: String,
    /// What it is called there.
    pub title: Option<String>,
}

/// Why a body is no list of feeds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpmlError {
    /// It cannot be read at all.
    #[error(transparent)]
    Unreadable(#[from] ParseError),
    /// It is something else.
    #[error("not OPML: {found}")]
    NotAList {
        /// What it is, as far as can be seen.
        found: String,
    },
    /// It names more than one list may.
    #[error("the list names more than {limit} {what}")]
    TooMany {
        /// Feeds, or entries of all kinds.
        what: &'static str,
        /// The most that are read.
        limit: usize,
    },
}

impl OpmlError {
    /// A word for stores, JSON and tests, which never changes.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(error) => error.code(),
            Self::NotAList { .. } => "opml.not_a_list",
            Self::TooMany { .. } => "opml.too_many",
        }
    }

    /// What to do next, where there is something.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreadable(error) => error.hint(),
            Self::NotAList { .. } => Some("other readers export their subscriptions as OPML"),
            Self::TooMany { .. } => Some("split it into several files"),
        }
    }
}

#[cfg(test)]
mod tests;
