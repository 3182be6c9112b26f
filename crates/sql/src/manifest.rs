//! A feed's open spans, packed: the one thing that every document is compared with.
//!
//! They are kept in the order of their key hashes, in chunks of a few entries, each a row of its store. A document of a
//! hundred items reads a handful of rows instead of a hundred, and an edit rewrites one.

use feedspine_core::ingest::{Present, Shown};
use feedspine_core::{ContentHash, KeyHash, KeyHashMap, RecordId, Round, Timestamp, VersionNo};

/// Bytes of an entry: key hash 32, record id 16, version 4, since 8, shown version 4, shown hash 32, age 8. Numbers are
/// stored with the most significant byte first.
pub const ENTRY: usize = 104;

type Entry = [u8; ENTRY];

/// Entries that share a row.
#[derive(Debug)]
struct Chunk {
    number: u32,
    entries: Vec<Entry>,
    touched: bool,
}

/// The open spans of one feed, in chunks of at most `CHUNK` entries.
#[derive(Debug, Default)]
pub struct OpenSpans<const CHUNK: usize> {
    /// In the order of their keys; none is empty.
    chunks: Vec<Chunk>,
    /// Chunks that became empty.
    emptied: Vec<u32>,
    next: u32,
    /// Numbers that were taken when it was read, the smallest last.
    taken: Vec<u32>,
}

impl<const CHUNK: usize> OpenSpans<CHUNK> {
    /// Reads the chunks of a feed, each a number and its bytes; `None` for other bytes than were stored.
    pub fn read<'a>(rows: impl IntoIterator<Item = (u32, &'a [u8])>) -> Option<Self> {
        let mut spans = Self::default();
        for (number, bytes) in rows {
            let (entries, rest) = bytes.as_chunks::<ENTRY>();
            if entries.is_empty() || !rest.is_empty() {
                return None;
            }
            spans.chunks.push(Chunk { number, entries: entries.to_vec(), touched: false });
            spans.taken.push(number);
        }
        spans.taken.sort_unstable_by(|a, b| b.cmp(a));
        spans.chunks.sort_unstable_by_key(|chunk| key_of(&chunk.entries[0]));
        Some(spans)
    }

    /// All of them, by key; `None` for numbers that cannot be.
    pub fn to_map(&self) -> Option<KeyHashMap<Present>> {
        let mut present = KeyHashMap::default();
        present.reserve(self.chunks.iter().map(|chunk| chunk.entries.len()).sum());
        for entry in self.chunks.iter().flat_map(|chunk| &chunk.entries) {
            present.insert(KeyHash::from_bytes(key_of(entry)), decode(entry)?);
        }
        Some(present)
    }

    /// Those of these keys that are open; `None` for numbers that cannot be.
    pub fn of<'k>(&self, keys: impl IntoIterator<Item = &'k KeyHash>) -> Option<KeyHashMap<Present>> {
        let mut present = KeyHashMap::default();
        for key_hash in keys {
            if let (at, Ok(place)) = self.find(key_hash) {
                present.insert(*key_hash, decode(&self.chunks[at].entries[place])?);
            }
        }
        Some(present)
    }

    /// Adds a span, or puts another in its place.
    pub fn set(&mut self, key_hash: &KeyHash, present: &Present) {
        let entry = encode(key_hash, present);
        if self.chunks.is_empty() {
            return self.push(entry);
        }
        let (at, place) = self.find(key_hash);
        let last = at + 1 == self.chunks.len();
        let chunk = &mut self.chunks[at];
        match place {
            Ok(place) => chunk.entries[place] = entry,
            // Keys that come in their order leave full chunks behind them.
            Err(place) if place == CHUNK && last => return self.push(entry),
            Err(place) => chunk.entries.insert(place, entry),
        }
        chunk.touched = true;
        if chunk.entries.len() > CHUNK {
            self.split(at);
        }
    }

    /// Says what the feed showed last of a key that it holds; false when it does not, or not in numbers that can be.
    #[must_use]
    pub fn show(&mut self, key_hash: &KeyHash, shown: Shown) -> bool {
        let (at, Ok(place)) = self.find(key_hash) else { return false };
        let Some(present) = decode(&self.chunks[at].entries[place]) else { return false };
        if present.shown != shown {
            self.set(key_hash, &Present { shown, ..present });
        }
        true
    }

    /// Removes a span, if it is there.
    pub fn remove(&mut self, key_hash: &KeyHash) {
        let (at, found) = self.find(key_hash);
        if let Ok(place) = found {
            let chunk = &mut self.chunks[at];
            chunk.touched = true;
            chunk.entries.remove(place);
            if chunk.entries.is_empty() {
                self.emptied.push(self.chunks.remove(at).number);
            }
        }
    }

    /// The numbers of chunks that became empty: their rows are to be deleted.
    pub fn emptied(&self) -> &[u32] {
        &self.emptied
    }

    /// The chunks that were touched, each its number and its bytes: their rows are to be written.
    pub fn touched(&self) -> impl Iterator<Item = (u32, &[u8])> {
        let touched = self.chunks.iter().filter(|chunk| chunk.touched);
        touched.map(|chunk| (chunk.number, chunk.entries.as_flattened()))
    }

    fn push(&mut self, entry: Entry) {
        let number = self.new_number();
        self.chunks.push(Chunk { number, entries: vec![entry], touched: true });
    }

    /// The chunk that holds the key, or would, and the place in it.
    fn find(&self, key_hash: &KeyHash) -> (usize, Result<usize, usize>) {
        let key = key_hash.as_bytes();
        let after = self.chunks.partition_point(|chunk| key_of(&chunk.entries[0]) <= *key);
        let at = after.saturating_sub(1);
        let place = self.chunks.get(at).map_or(Err(0), |chunk| chunk.entries.binary_search_by_key(key, key_of));
        (at, place)
    }

    fn split(&mut self, at: usize) {
        let number = self.new_number();
        let entries = self.chunks[at].entries.split_off(CHUNK / 2);
        self.chunks.insert(at + 1, Chunk { number, entries, touched: true });
    }

    /// The smallest that is free: a feed that shows other items each time uses the same rows again.
    fn new_number(&mut self) -> u32 {
        while self.taken.last() == Some(&self.next) {
            self.taken.pop();
            self.next += 1;
        }
        self.next += 1;
        self.next - 1
    }
}

fn key_of(entry: &Entry) -> [u8; 32] {
    let (key, _) = entry.split_first_chunk().expect("an entry begins with its key");
    *key
}

fn encode(key_hash: &KeyHash, present: &Present) -> Entry {
    let mut entry = [0; ENTRY];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        entry[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    };
    put(key_hash.as_bytes());
    put(present.record.as_bytes());
    put(&present.version.get().to_be_bytes());
    put(&present.since.get().to_be_bytes());
    put(&present.shown.version.get().to_be_bytes());
    put(present.shown.hash.as_bytes());
    put(&present.age.as_micros().to_be_bytes());
    entry
}

fn decode(entry: &Entry) -> Option<Present> {
    let mut rest = entry.as_slice();
    take::<32>(&mut rest);
    Some(Present {
        record: RecordId::from_bytes(take(&mut rest)),
        version: VersionNo::new(u32::from_be_bytes(take(&mut rest)))?,
        since: Round::new(u64::from_be_bytes(take(&mut rest)))?,
        shown: Shown {
            version: VersionNo::new(u32::from_be_bytes(take(&mut rest)))?,
            hash: ContentHash::from_bytes(take(&mut rest)),
        },
        age: Timestamp::from_micros(i64::from_be_bytes(take(&mut rest))).ok()?,
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (taken, after) = rest.split_first_chunk().expect("an entry has room for all its fields");
    *rest = after;
    *taken
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    type Spans = OpenSpans<7>;

    /// The rows of one feed, as a store keeps them.
    #[derive(Default)]
    struct Rows(BTreeMap<u32, Vec<u8>>);

    impl Rows {
        fn keep(&mut self, spans: &Spans) -> Spans {
            for number in spans.emptied() {
                self.0.remove(number);
            }
            self.0.extend(spans.touched().map(|(number, bytes)| (number, bytes.to_vec())));
            Spans::read(self.0.iter().map(|(number, bytes)| (*number, bytes.as_slice()))).unwrap()
        }
    }

    fn key(number: u64) -> KeyHash {
        let mut bytes = [0; 32];
        // Spread like the hashes that they stand for.
        bytes[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
        KeyHash::from_bytes(bytes)
    }

    fn span(number: u64) -> Present {
        Present {
            record: RecordId::from_u128(number.into()),
            version: VersionNo::new(2).unwrap(),
            since: Round::new(number + 1).unwrap(),
            shown: Shown { version: VersionNo::FIRST, hash: ContentHash::of(&number.to_be_bytes()) },
            age: Timestamp::from_micros(-1).unwrap(),
        }
    }

    #[test]
    fn what_is_set_shown_and_removed_reads_back() {
        let mut rows = Rows::default();
        let mut spans = Spans::default();
        (0..500).for_each(|number| spans.set(&key(number), &span(number)));
        let mut spans = rows.keep(&spans);
        (0..500).filter(|number| number % 3 == 0).for_each(|number| spans.remove(&key(number)));
        assert!(spans.show(&key(1), span(9).shown));
        assert!(!spans.show(&key(3), span(9).shown));
        let spans = rows.keep(&spans).to_map().unwrap();
        assert_eq!(spans.len(), 333);
        assert_eq!(spans[&key(1)], Present { shown: span(9).shown, ..span(1) });
        assert_eq!(spans[&key(499)], span(499));
        assert!(!spans.contains_key(&key(3)));
    }

    #[test]
    fn a_feed_that_holds_nothing_has_no_row() {
        let mut rows = Rows::default();
        let mut spans = Spans::default();
        (0..200).for_each(|number| spans.set(&key(number), &span(number)));
        let mut spans = rows.keep(&spans);
        (0..200).for_each(|number| spans.remove(&key(number)));
        assert!(rows.keep(&spans).to_map().unwrap().is_empty());
        assert!(rows.0.is_empty());
    }

    #[test]
    fn a_feed_that_shows_other_items_each_time_uses_the_same_rows_again() {
        let mut rows = Rows::default();
        let mut spans = Spans::default();
        for round in 0..20 {
            (0..400).for_each(|number| spans.remove(&key(1_000 * round + number)));
            (0..400).for_each(|number| spans.set(&key(1_000 * (round + 1) + number), &span(number)));
            spans = rows.keep(&spans);
        }
        assert_eq!(spans.to_map().unwrap().len(), 400);
        let last = rows.0.keys().last().unwrap();
        assert!(*last < 300, "{last}");
    }

    #[test]
    fn keys_that_come_in_their_order_fill_their_chunks() {
        let mut keys: Vec<KeyHash> = (0..70).map(key).collect();
        keys.sort_unstable();
        let mut spans = Spans::default();
        for key in &keys {
            spans.set(key, &span(1));
        }
        assert_eq!(spans.touched().count(), 10);
    }

    #[test]
    fn bytes_that_are_no_entries_are_refused() {
        assert!(Spans::read([(0, [].as_slice())]).is_none());
        assert!(Spans::read([(0, [1; ENTRY + 1].as_slice())]).is_none());
        // Version 0.
        assert!(Spans::read([(0, [0; ENTRY].as_slice())]).unwrap().to_map().is_none());
    }
}
