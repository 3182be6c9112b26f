//! Finding the feeds of a site: what a page names, what known sites have, where feeds usually are. Nothing is fetched.

mod page;
mod places;
mod words;

pub use page::{HtmlPage, read_page};
pub use places::{known_places, usual_places};
pub use words::looks_like_feed;

/// An address at which a feed may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedLink {
    /// The address, absolute, of the web, without a fragment.
    pub address: String,
    /// What it is called there.
    pub title: Option<String>,
    /// The media type that it is said to have, in lower case, without parameters.
    pub media_type: Option<String>,
    /// By what it was found.
    pub clue: Clue,
}

/// By what an address was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Clue {
    /// The page names it as its feed, in a `link` element.
    Link,
    /// The page leads to it, and it looks like a feed's.
    Anchor,
    /// The site is known to have feeds there.
    KnownSite,
    /// Many sites have their feed there.
    UsualPlace,
}

impl Clue {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Anchor => "anchor",
            Self::KnownSite => "known_site",
            Self::UsualPlace => "usual_place",
        }
    }

    /// Whether somebody who knows says so; else the address is a guess.
    pub const fn is_certain(self) -> bool {
        matches!(self, Self::Link | Self::KnownSite)
    }
}
