//! A feed's open spans, packed in chunks that fill a quarter of a page each (see `feedspine_sql::manifest`).

use feedspine_core::KeyHash;
use feedspine_sql::manifest::{self, ENTRY};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::bind::bind;
use crate::error::Outcome;
use crate::rows::{Columns, corrupt};
use crate::session::Session;
use crate::writes::Writes;

/// The most entries of a chunk: four full ones just fill a page of 8 KiB, and the server moves none out of its row.
const CHUNK: usize = 19;

/// The open spans of one feed.
pub(crate) type OpenSpans = manifest::OpenSpans<CHUNK>;

/// Reads the open spans of a feed.
pub(crate) async fn load(session: &Session, feed: Uuid) -> Outcome<OpenSpans> {
    let found = session.query("SELECT chunk, entries FROM manifests WHERE feed = $1", &bind![feed]).await?;
    read(&found)
}

/// The same, or none if the feed's header holds that digest, made under that rule: then nobody will look at them.
pub(crate) async fn load_unless(session: &Session, feed: Uuid, settled: Option<(&[u8], &str)>) -> Outcome<OpenSpans> {
    let Some((digest, rule)) = settled else { return load(session, feed).await };
    let statement = "SELECT chunk, entries FROM manifests WHERE feed = $1
                     AND NOT EXISTS (SELECT 1 FROM feeds WHERE id = $1 AND digest = $2 AND rule = $3)";
    read(&session.query(statement, &bind![feed, digest, rule]).await?)
}

/// Only the chunks that may hold these keys: for taking some out.
pub(crate) async fn load_around(session: &Session, feed: Uuid, key_hashes: &[KeyHash]) -> Outcome<OpenSpans> {
    let keys: Vec<&[u8]> = key_hashes.iter().map(|key_hash| key_hash.as_bytes().as_slice()).collect();
    // A chunk is in the order of its keys, with which its entries begin.
    let statement = format!(
        "SELECT chunk, entries FROM manifests WHERE feed = $1 AND EXISTS (
             SELECT 1 FROM unnest($2) AS t (key_hash)
             WHERE key_hash BETWEEN substr(entries, 1, 32) AND substr(entries, length(entries) - {}, 32))",
        ENTRY - 1
    );
    read(&session.query(&statement, &bind![feed, keys]).await?)
}

fn read(found: &[Row]) -> Outcome<OpenSpans> {
    let read = |row| {
        let mut columns = Columns::of(row);
        Ok((columns.take::<i32>()?.cast_unsigned(), columns.take::<&[u8]>()?))
    };
    let chunks = found.iter().map(read).collect::<Outcome<Vec<(u32, &[u8])>>>()?;
    OpenSpans::read(chunks).ok_or_else(|| corrupt("a manifest's entries"))
}

/// Writes the chunks that were touched.
pub(crate) fn store<'a>(writes: &mut Writes<'a>, feed: Uuid, spans: &'a OpenSpans) {
    let emptied: Vec<i32> = spans.emptied().iter().map(|number| number.cast_signed()).collect();
    if !emptied.is_empty() {
        let forget = "DELETE FROM manifests WHERE feed = $1 AND chunk = ANY($2)";
        writes.add(forget, bind![feed, emptied]);
    }
    let (numbers, entries): (Vec<i32>, Vec<&[u8]>) =
        spans.touched().map(|(number, entries)| (number.cast_signed(), entries)).unzip();
    if numbers.is_empty() {
        return;
    }
    let keep = "INSERT INTO manifests (feed, chunk, entries) SELECT $1, unnest($2), unnest($3)
                ON CONFLICT (feed, chunk) DO UPDATE SET entries = excluded.entries";
    writes.add(keep, bind![feed, numbers, entries]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_full_chunks_fill_one_page_and_stay_in_it() {
        // A row's header, the feed, the number, the length of the bytes; then rows are aligned to 8 bytes.
        let row = |entries: usize| (24 + 16 + 4 + 4 + entries * ENTRY).next_multiple_of(8);
        let (page_header, item_pointer, page) = (24, 4, 8_192);
        assert!(page_header + 4 * (row(CHUNK) + item_pointer) <= page);
        assert!(page_header + 4 * (row(CHUNK + 1) + item_pointer) > page);
        // TOAST_TUPLE_THRESHOLD of pages of 8 KiB.
        assert!(row(CHUNK) <= 2_032);
    }
}
