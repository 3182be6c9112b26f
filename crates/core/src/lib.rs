//! FeedSpine's words, contracts and decisions.

pub mod time;

pub use time::Timestamp;
