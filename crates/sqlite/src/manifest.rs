//! A feed's open spans, packed: the one thing that every document is compared with.
//!
//! They are kept in the order of their key hashes, in chunks that fill half a page each. A document of a hundred items
//! reads three or four rows instead of a hundred, and an edit rewrites one.

use feedspine_core::ingest::{Present, Shown};
use feedspine_core::{ContentHash, KeyHash, KeyHashMap, RecordId};
use rusqlite::Connection;

use crate::error::Outcome;
use crate::rows::{self, corrupt};

/// Bytes of an entry: key hash 32, record id 16, version 4, since 8, shown version 4, shown hash 32, age 8. Numbers are
/// stored with the most significant byte first.
const ENTRY: usize = 104;
/// The most entries of a chunk: two full ones just fill a page of 8 KiB.
const CHUNK: usize = 39;
/// Bits of a chunk's row number that count the feed's chunks; the rest is the feed's number.
const CHUNK_BITS: u32 = 24;

type Entry = [u8; ENTRY];

/// Entries that share a row.
#[derive(Debug)]
struct Chunk {
    row: i64,
    entries: Vec<Entry>,
    touched: bool,
}

/// The open spans of one feed.
#[derive(Debug)]
pub(crate) struct OpenSpans {
    /// In the order of their keys; none is empty.
    chunks: Vec<Chunk>,
    /// Rows of chunks that became empty.
    emptied: Vec<i64>,
    next_row: i64,
    /// Rows that were there when it was loaded, the smallest last.
    taken: Vec<i64>,
}

impl OpenSpans {
    /// A feed without open spans.
    pub(crate) fn none(feed: i64) -> Self {
        Self { chunks: Vec::new(), emptied: Vec::new(), next_row: feed << CHUNK_BITS, taken: Vec::new() }
    }

    /// Reads the open spans of a feed.
    pub(crate) fn load(conn: &Connection, feed: i64) -> Outcome<Self> {
        let mut spans = Self::none(feed);
        let mut load = conn.prepare_cached("SELECT row, entries FROM manifests WHERE row >= ? AND row < ?")?;
        let mut found = load.query((feed << CHUNK_BITS, (feed + 1) << CHUNK_BITS))?;
        while let Some(row) = found.next()? {
            let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            let (entries, rest) = bytes.as_chunks::<ENTRY>();
            if entries.is_empty() || !rest.is_empty() {
                return Err(corrupt("a manifest's entries"));
            }
            let number = row.get(0)?;
            spans.chunks.push(Chunk { row: number, entries: entries.to_vec(), touched: false });
            spans.taken.push(number);
        }
        spans.taken.sort_unstable_by(|a, b| b.cmp(a));
        spans.chunks.sort_unstable_by_key(|chunk| key_of(&chunk.entries[0]));
        Ok(spans)
    }

    /// All of them, by key.
    pub(crate) fn to_map(&self) -> Outcome<KeyHashMap<Present>> {
        let mut present = KeyHashMap::default();
        present.reserve(self.chunks.iter().map(|chunk| chunk.entries.len()).sum());
        for entry in self.chunks.iter().flat_map(|chunk| &chunk.entries) {
            present.insert(KeyHash::from_bytes(key_of(entry)), decode(entry)?);
        }
        Ok(present)
    }

    /// Adds a span, or puts another in its place.
    pub(crate) fn set(&mut self, key_hash: &KeyHash, present: &Present) {
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
            Err(CHUNK) if last => return self.push(entry),
            Err(place) => chunk.entries.insert(place, entry),
        }
        chunk.touched = true;
        if chunk.entries.len() > CHUNK {
            self.split(at);
        }
    }

    fn push(&mut self, entry: Entry) {
        let row = self.new_row();
        self.chunks.push(Chunk { row, entries: vec![entry], touched: true });
    }

    /// Says what the feed showed last of a key that it holds.
    pub(crate) fn show(&mut self, key_hash: &KeyHash, shown: Shown) -> Outcome<()> {
        let (at, Ok(place)) = self.find(key_hash) else { return Err(corrupt("a span that is not open")) };
        let mut present = decode(&self.chunks[at].entries[place])?;
        present.shown = shown;
        self.set(key_hash, &present);
        Ok(())
    }

    /// Removes a span, if it is there.
    pub(crate) fn remove(&mut self, key_hash: &KeyHash) {
        let (at, found) = self.find(key_hash);
        if let Ok(place) = found {
            let chunk = &mut self.chunks[at];
            chunk.touched = true;
            chunk.entries.remove(place);
            if chunk.entries.is_empty() {
                self.emptied.push(self.chunks.remove(at).row);
            }
        }
    }

    /// Writes the chunks that were touched.
    pub(crate) fn store(&self, conn: &Connection) -> Outcome<()> {
        for row in &self.emptied {
            conn.prepare_cached("DELETE FROM manifests WHERE row = ?")?.execute([row])?;
        }
        for chunk in self.chunks.iter().filter(|chunk| chunk.touched) {
            conn.prepare_cached("INSERT OR REPLACE INTO manifests (row, entries) VALUES (?, ?)")?
                .execute((chunk.row, chunk.entries.as_flattened()))?;
        }
        Ok(())
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
        let row = self.new_row();
        let entries = self.chunks[at].entries.split_off(CHUNK / 2);
        self.chunks.insert(at + 1, Chunk { row, entries, touched: true });
    }

    /// The smallest number that is free, lest those of a feed run into the next one's.
    fn new_row(&mut self) -> i64 {
        while self.taken.last() == Some(&self.next_row) {
            self.taken.pop();
            self.next_row += 1;
        }
        self.next_row += 1;
        self.next_row - 1
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

fn decode(entry: &Entry) -> Outcome<Present> {
    let mut rest = entry.as_slice();
    take::<32>(&mut rest);
    Ok(Present {
        record: RecordId::from_bytes(take(&mut rest)),
        version: rows::version(u32::from_be_bytes(take(&mut rest)).into())?,
        since: rows::round(i64::from_be_bytes(take(&mut rest)))?,
        shown: Shown {
            version: rows::version(u32::from_be_bytes(take(&mut rest)).into())?,
            hash: ContentHash::from_bytes(take(&mut rest)),
        },
        age: rows::instant(i64::from_be_bytes(take(&mut rest)))?,
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (taken, after) = rest.split_first_chunk().expect("an entry has room for all its fields");
    *rest = after;
    *taken
}

#[cfg(test)]
mod tests {
    use feedspine_core::{Round, Timestamp, VersionNo};

    use super::*;

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

    fn store() -> Connection {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE manifests (row INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT").unwrap();
        conn
    }

    fn reloaded(conn: &Connection, spans: &OpenSpans) -> OpenSpans {
        spans.store(conn).unwrap();
        OpenSpans::load(conn, 7).unwrap()
    }

    #[test]
    fn what_is_set_shown_and_removed_reads_back() {
        let conn = store();
        let mut spans = OpenSpans::none(7);
        (0..500).for_each(|number| spans.set(&key(number), &span(number)));
        let mut spans = reloaded(&conn, &spans);
        (0..500).filter(|number| number % 3 == 0).for_each(|number| spans.remove(&key(number)));
        spans.show(&key(1), span(9).shown).unwrap();
        let spans = reloaded(&conn, &spans).to_map().unwrap();
        assert_eq!(spans.len(), 333);
        assert_eq!(spans[&key(1)], Present { shown: span(9).shown, ..span(1) });
        assert_eq!(spans[&key(499)], span(499));
        assert!(!spans.contains_key(&key(3)));
    }

    #[test]
    fn a_feed_that_holds_nothing_has_no_row_and_others_keep_theirs() {
        let conn = store();
        let mut other = OpenSpans::none(8);
        other.set(&key(1), &span(1));
        other.store(&conn).unwrap();
        let mut spans = OpenSpans::none(7);
        (0..200).for_each(|number| spans.set(&key(number), &span(number)));
        let mut spans = reloaded(&conn, &spans);
        (0..200).for_each(|number| spans.remove(&key(number)));
        assert!(reloaded(&conn, &spans).to_map().unwrap().is_empty());
        let rows: i64 = conn.query_row("SELECT count(*) FROM manifests", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1);
    }

    #[test]
    fn a_feed_that_shows_other_items_each_time_uses_the_same_rows_again() {
        let conn = store();
        let mut spans = OpenSpans::none(7);
        for round in 0..20 {
            (0..400).for_each(|number| spans.remove(&key(1_000 * round + number)));
            (0..400).for_each(|number| spans.set(&key(1_000 * (round + 1) + number), &span(number)));
            spans = reloaded(&conn, &spans);
        }
        assert_eq!(spans.to_map().unwrap().len(), 400);
        let last: i64 = conn.query_row("SELECT max(row) FROM manifests", [], |row| row.get(0)).unwrap();
        assert!(last - (7 << CHUNK_BITS) < 60, "{last}");
    }

    #[test]
    fn two_full_chunks_fill_one_page() {
        let (page, cell_pointer, cell_header, record_header) = (8_192 - 12, 2, 2 + 9, 5);
        let chunk = |entries: usize| entries * ENTRY + cell_pointer + cell_header + record_header;
        assert!(2 * chunk(CHUNK) <= page && 2 * chunk(CHUNK + 1) > page);
    }
}
