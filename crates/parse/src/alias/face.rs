//! [`Face`]: a record as it is compared with others.

use feedspine_core::{Json, Record, Timestamp};

use super::alternate::Alternate;
use crate::html::plain_text;

/// What of a record is compared.
#[derive(Debug, Clone)]
pub struct Face {
    pub(super) first_seen: Timestamp,
    pub(super) id: Option<String>,
    /// Of its key, its id and its link those that are addresses, each once.
    pub(super) addresses: Vec<Alternate>,
    /// White space folded, in small letters.
    pub(super) title: Option<String>,
    pub(super) published: Option<Timestamp>,
    content: Json,
}

impl Face {
    /// That of a record.
    pub fn of(record: &Record) -> Self {
        let content = record.content.to_json();
        let text = |name: &str| content.get(name).and_then(Json::as_str).map(str::trim).filter(|text| !text.is_empty());
        let mut addresses: Vec<Alternate> = Vec::new();
        for text in [Some(record.key.key()), text("id"), text("link")].into_iter().flatten() {
            addresses.extend(Alternate::of(text).filter(|address| !addresses.contains(address)));
        }
        let title = text("title").map(|title| title.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase());
        Self {
            first_seen: record.first_seen,
            id: text("id").map(str::to_owned),
            addresses,
            title,
            published: record.published,
            content,
        }
    }

    /// What keys of the same item at other hosts hold as well; `None` for a record without an address that says enough.
    pub fn path(&self) -> Option<String> {
        self.addresses.iter().find_map(Alternate::beyond_host)
    }

    /// The longest of its texts, without markup.
    pub(super) fn text(&self) -> String {
        let contents = match self.content.get("content") {
            Some(Json::Array(contents)) => contents.iter().filter_map(|text| text.get("value")?.as_str()).collect(),
            _ => Vec::new(),
        };
        let texts = contents.into_iter().chain(self.content.get("summary").and_then(Json::as_str));
        texts.max_by_key(|text| text.len()).map(plain_text).unwrap_or_default()
    }
}
