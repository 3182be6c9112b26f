//! What an item is known again by when its key is another: title, date and the path of its address.

use std::collections::HashMap;

use feedspine_core::ContentHash;

use crate::alias::path_of;
use crate::model::{Document, Item};

/// An item by what it looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The item's place in the document.
    pub ordinal: u32,
    /// The first four bytes of SHA-256 over title, date as published, and path. Among some dozens of items no two meet
    /// by accident (32 x 32 / 2^32).
    pub hash: u32,
}

/// What the items look like that no other item of the document looks like, in the order of the document.
///
/// An item without a title and a date looks like nothing. The query of an address is left out: tokens stand there.
pub fn looks(document: &Document) -> Vec<Look> {
    let found: Vec<Look> =
        document.items.iter().filter_map(|item| Some(Look { ordinal: item.ordinal, hash: look_of(item)? })).collect();
    let mut times: HashMap<u32, usize> = HashMap::with_capacity(found.len());
    for look in &found {
        *times.entry(look.hash).or_default() += 1;
    }
    found.into_iter().filter(|look| times[&look.hash] == 1).collect()
}

fn look_of(item: &Item) -> Option<u32> {
    let mut words = item.title.iter().flat_map(|title| title.value.split_whitespace());
    let mut text = words.next().unwrap_or_default().to_owned();
    for word in words {
        text.push(' ');
        text.push_str(word);
    }
    let date = item.published.as_ref().or(item.updated.as_ref()).map(|date| date.raw.trim());
    if text.is_empty() && date.is_none() {
        return None;
    }
    // No line break is left in any of the three.
    text.push('\n');
    text.push_str(&date.unwrap_or_default().replace('\n', " "));
    text.push('\n');
    text.push_str(&item.link().and_then(path_of).unwrap_or_default());
    let hash = ContentHash::of(text.as_bytes());
    let (first, _) = hash.as_bytes().split_first_chunk().expect("32 bytes begin with 4");
    Some(u32::from_be_bytes(*first))
}
