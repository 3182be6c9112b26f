//! A feed's open spans, packed in chunks that fill half a page each (see `feedspine_sql::manifest`).

use feedspine_core::ingest::{Present, Shown};
use feedspine_core::{KeyHash, KeyHashMap};
use feedspine_sql::manifest;
use rusqlite::Connection;

use crate::error::Outcome;
use crate::rows::corrupt;

/// The most entries of a chunk: two full ones just fill a page of 8 KiB.
const CHUNK: usize = 39;
/// Bits of a chunk's row number that count the feed's chunks; the rest is the feed's number.
const CHUNK_BITS: u32 = 24;

/// The open spans of one feed.
#[derive(Debug)]
pub(crate) struct OpenSpans {
    /// Row of the first chunk.
    first_row: i64,
    packed: manifest::OpenSpans<CHUNK>,
}

impl OpenSpans {
    /// A feed without open spans.
    pub(crate) fn none(feed: i64) -> Self {
        Self { first_row: feed << CHUNK_BITS, packed: manifest::OpenSpans::default() }
    }

    /// Reads the open spans of a feed.
    pub(crate) fn load(conn: &Connection, feed: i64) -> Outcome<Self> {
        let first_row = feed << CHUNK_BITS;
        let mut load = conn.prepare_cached("SELECT row - ?1, entries FROM manifests WHERE row >= ?1 AND row < ?2")?;
        let found = load.query_map((first_row, (feed + 1) << CHUNK_BITS), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let rows = found.collect::<rusqlite::Result<Vec<(u32, Vec<u8>)>>>()?;
        let packed = manifest::OpenSpans::read(rows.iter().map(|(number, bytes)| (*number, bytes.as_slice())));
        Ok(Self { first_row, packed: packed.ok_or_else(|| corrupt("a manifest's entries"))? })
    }

    /// All of them, by key.
    pub(crate) fn to_map(&self) -> Outcome<KeyHashMap<Present>> {
        self.packed.to_map().ok_or_else(|| corrupt("a manifest's numbers"))
    }

    /// Those of these keys that are open.
    pub(crate) fn of<'k>(&self, keys: impl IntoIterator<Item = &'k KeyHash>) -> Outcome<KeyHashMap<Present>> {
        self.packed.of(keys).ok_or_else(|| corrupt("a manifest's numbers"))
    }

    /// Adds a span, or puts another in its place.
    pub(crate) fn set(&mut self, key_hash: &KeyHash, present: &Present) {
        self.packed.set(key_hash, present);
    }

    /// Says what the feed showed last of a key that it holds.
    pub(crate) fn show(&mut self, key_hash: &KeyHash, shown: Shown) -> Outcome<()> {
        if self.packed.show(key_hash, shown) { Ok(()) } else { Err(corrupt("a span that is not open")) }
    }

    /// Removes a span, if it is there.
    pub(crate) fn remove(&mut self, key_hash: &KeyHash) {
        self.packed.remove(key_hash);
    }

    /// Writes the chunks that were touched.
    pub(crate) fn store(&self, conn: &Connection) -> Outcome<()> {
        for number in self.packed.emptied() {
            conn.prepare_cached("DELETE FROM manifests WHERE row = ?")?.execute([self.row(*number)])?;
        }
        for (number, bytes) in self.packed.touched() {
            conn.prepare_cached("INSERT OR REPLACE INTO manifests (row, entries) VALUES (?, ?)")?
                .execute((self.row(number), bytes))?;
        }
        Ok(())
    }

    fn row(&self, number: u32) -> i64 {
        self.first_row + i64::from(number)
    }
}

#[cfg(test)]
mod tests {
    use feedspine_core::{ContentHash, RecordId, Round, Timestamp, VersionNo};
    use feedspine_sql::manifest::ENTRY;

    use super::*;

    fn key(number: u64) -> KeyHash {
        let mut bytes = [0; 32];
        // Spread like the hashes that they stand for.
        bytes[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
        KeyHash::from_bytes(bytes)
    }

    fn span() -> Present {
        Present {
            record: RecordId::from_u128(1),
            version: VersionNo::FIRST,
            since: Round::FIRST,
            shown: Shown { version: VersionNo::FIRST, hash: ContentHash::of(b"{}") },
            age: Timestamp::MIN,
        }
    }

    #[test]
    fn a_feed_that_holds_nothing_has_no_row_and_others_keep_theirs() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE manifests (row INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT").unwrap();
        let mut other = OpenSpans::none(8);
        other.set(&key(1), &span());
        other.store(&conn).unwrap();
        let mut spans = OpenSpans::none(7);
        (0..200).for_each(|number| spans.set(&key(number), &span()));
        spans.store(&conn).unwrap();
        let mut spans = OpenSpans::load(&conn, 7).unwrap();
        assert_eq!(spans.to_map().unwrap().len(), 200);
        (0..200).for_each(|number| spans.remove(&key(number)));
        spans.store(&conn).unwrap();
        assert!(OpenSpans::load(&conn, 7).unwrap().to_map().unwrap().is_empty());
        let rows: i64 = conn.query_row("SELECT count(*) FROM manifests", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1);
    }

    #[test]
    fn two_full_chunks_fill_one_page() {
        let (page, cell_pointer, cell_header, record_header) = (8_192 - 12, 2, 2 + 9, 5);
        let chunk = |entries: usize| entries * ENTRY + cell_pointer + cell_header + record_header;
        assert!(2 * chunk(CHUNK) <= page && 2 * chunk(CHUNK + 1) > page);
    }
}
