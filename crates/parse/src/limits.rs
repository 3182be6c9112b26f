//! [`Limits`]: what one document may cost.

use crate::model::{Item, Text};

/// Bounds on one document. What exceeds them costs the item or the document, never the process.
///
/// The defaults are those of `reliability.md` and of the hostile cases: far beyond any real feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Elements nested in one another, and arrays and objects in an item.
    pub depth: usize,
    /// Attributes of one element; more are left out with a warning.
    pub attributes: usize,
    /// Items of one document; more refuse it.
    pub items: usize,
    /// Bytes of a title; more refuse the item.
    pub title_bytes: usize,
    /// Bytes of an address; a longer one is left out with a warning.
    pub address_bytes: usize,
    /// Bytes of all addresses of a document that were resolved against a base; further ones are kept as they stand. A
    /// long base makes much of little.
    pub resolved_bytes: usize,
    /// Bytes of any other text of an item; more refuse the item.
    pub text_bytes: usize,
    /// Links, authors, tags and extension elements of one item, each; more refuse the item. A feed keeps the first of its
    /// own.
    pub members: usize,
    /// Bytes of the beginning of an item that are kept when it is refused.
    pub excerpt_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 256,
            attributes: 256,
            items: 100_000,
            title_bytes: 64 * 1024,
            address_bytes: 8 * 1024,
            resolved_bytes: 32 * 1024 * 1024,
            text_bytes: 16 * 1024 * 1024,
            members: 10_000,
            excerpt_bytes: 512,
        }
    }
}

impl Limits {
    /// Why an item cannot be taken: a code and a sentence. `others` are its elements or members that are nobody's we know.
    pub(crate) fn fault(&self, item: &Item, others: usize) -> Option<(&'static str, String)> {
        let bytes = |text: &Option<Text>| text.as_ref().map_or(0, |text| text.value.len());
        let contents = item.contents.iter().map(|text| text.value.len()).sum();
        for (what, bytes, limit) in [
            ("title", bytes(&item.title), self.title_bytes),
            ("summary", bytes(&item.summary), self.text_bytes),
            ("content", contents, self.text_bytes),
        ] {
            if bytes > limit {
                return Some(("field.too_long", format!("the {what} is {bytes} bytes long; the limit is {limit}")));
            }
        }
        let (what, count) = self.too_many(item, others)?;
        Some(("field.too_many", format!("the item has {count} {what}; the limit is {}", self.members)))
    }

    /// Of what an item has more than it may, and how many.
    pub(crate) fn too_many(&self, item: &Item, others: usize) -> Option<(&'static str, usize)> {
        let counts = [
            ("links", item.links.len()),
            ("people", item.authors.len() + item.contributors.len()),
            ("tags", item.tags.len()),
            ("enclosures", item.enclosures.len()),
            ("contents", item.contents.len()),
            ("extensions", others),
        ];
        counts.into_iter().find(|(_, count)| *count > self.members)
    }
}
