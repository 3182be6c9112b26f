//! The change log: one row for each call or part of a fetch, its events packed and numbered on from the row's number.

use std::num::NonZeroUsize;

use feedspine_core::{
    Change, ChangeKind, Event, FeedId, FetchId, KeyHashMap, Layer, NaturalKey, RecordId, Seq, Subject, Timestamp,
    VersionNo,
};
use rusqlite::{Connection, OptionalExtension};

use crate::error::Outcome;
use crate::history::limit;
use crate::rows::{self, corrupt};

/// Bytes of an event: kind 1, layer 1, version 4, record 8, witness 8; the most significant byte first. What is missing
/// is 0, a missing layer [`NO_LAYER`].
const ENTRY: usize = 22;
const NO_LAYER: u8 = u8::MAX;

/// An event as it is stored: records by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: ChangeKind,
    pub(crate) layer: Option<Layer>,
    pub(crate) version: Option<VersionNo>,
    pub(crate) record: Option<i64>,
    pub(crate) witness: Option<i64>,
}

impl Entry {
    /// An event, the record and witness that it names given by their numbers.
    pub(crate) fn of(event: &Event, record: Option<i64>, witness: Option<i64>) -> Self {
        let subject = event.subject.as_ref();
        let (layer, version) = (subject.and_then(|it| it.layer), subject.and_then(|it| it.version));
        Self { kind: event.kind, layer, version, record, witness }
    }

    fn encode(&self) -> [u8; ENTRY] {
        let mut entry = [0; ENTRY];
        entry[0] = self.kind as u8;
        entry[1] = self.layer.map_or(NO_LAYER, Layer::rank);
        entry[2..6].copy_from_slice(&self.version.map_or(0, VersionNo::get).to_be_bytes());
        entry[6..14].copy_from_slice(&self.record.unwrap_or(0).to_be_bytes());
        entry[14..].copy_from_slice(&self.witness.unwrap_or(0).to_be_bytes());
        entry
    }

    fn decode(entry: &[u8; ENTRY]) -> Outcome<Self> {
        let number = |at: usize| {
            let bytes: [u8; 8] = entry[at..at + 8].try_into().expect("eight bytes");
            Some(i64::from_be_bytes(bytes)).filter(|number| *number != 0)
        };
        let version = u32::from_be_bytes(entry[2..6].try_into().expect("four bytes"));
        Ok(Self {
            kind: ChangeKind::ALL.get(usize::from(entry[0])).copied().ok_or_else(|| corrupt("a change's kind"))?,
            layer: if entry[1] == NO_LAYER { None } else { Some(rows::layer(entry[1].into())?) },
            version: VersionNo::new(version),
            record: number(6),
            witness: number(14),
        })
    }
}

/// Appends events that happened together, and gives the number of the first.
pub(crate) fn append(
    conn: &Connection,
    entries: &[Entry],
    source: Option<(i64, i64)>,
    recorded_at: Timestamp,
) -> Outcome<Option<i64>> {
    if entries.is_empty() {
        return Ok(None);
    }
    let next = conn
        .prepare_cached("SELECT seq + length(events) / ? FROM changes ORDER BY seq DESC LIMIT 1")?
        .query_row([limit(ENTRY)], |row| row.get(0))
        .optional()?;
    let first = next.unwrap_or(1);
    replace(conn, first, entries, source, recorded_at)?;
    Ok(Some(first))
}

/// Writes the events that are numbered on from `first`, in place of those that stood there.
pub(crate) fn replace(
    conn: &Connection,
    first: i64,
    entries: &[Entry],
    source: Option<(i64, i64)>,
    recorded_at: Timestamp,
) -> Outcome<()> {
    let events: Vec<u8> = entries.iter().flat_map(Entry::encode).collect();
    let (feed, fetch) = source.unzip();
    conn.prepare_cached(
        "INSERT OR REPLACE INTO changes (seq, feed, fetch, recorded_at, events) VALUES (?, ?, ?, ?, ?)",
    )?
    .execute((first, feed, fetch, recorded_at.as_micros(), events))?;
    Ok(())
}

/// What [`last`] reads: the first number, feed and fetch, when it was recorded, the events.
pub(crate) type LastRow = (i64, Option<(i64, i64)>, Timestamp, Vec<Entry>);

/// The last row of the log.
pub(crate) fn last(conn: &Connection) -> Outcome<Option<LastRow>> {
    let mut load =
        conn.prepare_cached("SELECT seq, feed, fetch, recorded_at, events FROM changes ORDER BY seq DESC LIMIT 1")?;
    let mut found = load.query([])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let source = row.get::<_, Option<i64>>(1)?.zip(row.get(2)?);
    let entries = decode_all(row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?)?;
    Ok(Some((row.get(0)?, source, rows::instant(row.get(3)?)?, entries)))
}

fn decode_all(events: &[u8]) -> Outcome<Vec<Entry>> {
    let (entries, rest) = events.as_chunks::<ENTRY>();
    if !rest.is_empty() {
        return Err(corrupt("the change log's events"));
    }
    entries.iter().map(Entry::decode).collect()
}

/// The versions that the part whose first change has that number appended.
pub(crate) fn made(conn: &Connection, first: i64) -> Outcome<KeyHashMap<VersionNo>> {
    let mut load = conn.prepare_cached("SELECT events FROM changes WHERE seq = ?")?;
    let mut found = load.query([first])?;
    let row = found.next()?.ok_or_else(|| corrupt("a part without its changes"))?;
    let mut made = KeyHashMap::default();
    for entry in decode_all(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)? {
        if let (ChangeKind::New | ChangeKind::Changed, Some(record), Some(version)) =
            (entry.kind, entry.record, entry.version)
        {
            made.insert(name_of(conn, record)?.1.hash(), version);
        }
    }
    Ok(made)
}

/// Which line of its history the store's positions belong to.
pub(crate) fn epoch(conn: &Connection) -> Outcome<u32> {
    Ok(conn.prepare_cached("SELECT epoch FROM history")?.query_row([], |row| row.get(0))?)
}

/// Up to `most` changes after a position.
pub(crate) fn changes(conn: &Connection, after: &Seq, most: NonZeroUsize) -> Outcome<Vec<Change>> {
    let epoch = epoch(conn)?;
    let next = i64::try_from(after.number_in(epoch)?).unwrap_or(i64::MAX).saturating_add(1);
    // The row that holds the next one may begin before it.
    let mut load = conn.prepare_cached(
        "SELECT c.seq, f.id, t.id, c.recorded_at, c.events FROM changes c
         LEFT JOIN feeds f ON f.no = c.feed LEFT JOIN fetches t ON t.no = c.fetch
         WHERE c.seq >= ifnull((SELECT max(seq) FROM changes WHERE seq <= ?), 0) ORDER BY c.seq",
    )?;
    let mut found = load.query([next])?;
    let mut changes = Vec::new();
    while let Some(row) = found.next()? {
        let first: i64 = row.get(0)?;
        let feed = row.get::<_, Option<[u8; 16]>>(1)?.map(FeedId::from_bytes);
        let fetch = row.get::<_, Option<[u8; 16]>>(2)?.map(FetchId::from_bytes);
        let recorded_at = rows::instant(row.get(3)?)?;
        let entries = decode_all(row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?)?;
        for (number, entry) in (first..).zip(entries).filter(|(number, _)| *number >= next) {
            let event = event_of(conn, &entry, (feed, fetch), recorded_at)?;
            changes.push(Change { seq: Seq::in_epoch(epoch, number.cast_unsigned()), event });
            if changes.len() == most.get() {
                return Ok(changes);
            }
        }
    }
    Ok(changes)
}

/// The changes of one record, oldest first. Only its own are made of what is packed.
pub(crate) fn changes_of(conn: &Connection, record: RecordId) -> Outcome<Vec<Change>> {
    let mut find =
        conn.prepare_cached("SELECT no FROM records WHERE id = ?1 UNION ALL SELECT no FROM graves WHERE id = ?1")?;
    // Several where the same fetch made a record again that had been deleted: an id is made of the fetch and the key.
    let numbers = find.query_map([record.as_bytes()], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let is_of = |entry: &[u8; ENTRY]| numbers.iter().any(|number| entry[6..14] == number.to_be_bytes());
    let epoch = epoch(conn)?;
    let mut load = conn.prepare_cached(
        "SELECT c.seq, f.id, t.id, c.recorded_at, c.events FROM changes c
         LEFT JOIN feeds f ON f.no = c.feed LEFT JOIN fetches t ON t.no = c.fetch ORDER BY c.seq",
    )?;
    let mut found = load.query([])?;
    let mut changes = Vec::new();
    while let Some(row) = found.next()? {
        let (entries, _) = row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?.as_chunks::<ENTRY>();
        let first: i64 = row.get(0)?;
        for (at, entry) in (first..).zip(entries).filter(|(_, entry)| is_of(entry)) {
            let feed = row.get::<_, Option<[u8; 16]>>(1)?.map(FeedId::from_bytes);
            let fetch = row.get::<_, Option<[u8; 16]>>(2)?.map(FetchId::from_bytes);
            let event = event_of(conn, &Entry::decode(entry)?, (feed, fetch), rows::instant(row.get(3)?)?)?;
            changes.push(Change { seq: Seq::in_epoch(epoch, at.cast_unsigned()), event });
        }
    }
    Ok(changes)
}

/// Shows all events in their order.
pub(crate) fn for_each(conn: &Connection, mut show: impl FnMut(Event) -> Outcome<()>) -> Outcome<()> {
    let mut load = conn.prepare_cached(
        "SELECT f.id, t.id, c.recorded_at, c.events FROM changes c
         LEFT JOIN feeds f ON f.no = c.feed LEFT JOIN fetches t ON t.no = c.fetch ORDER BY c.seq",
    )?;
    let mut found = load.query([])?;
    while let Some(row) = found.next()? {
        let feed = row.get::<_, Option<[u8; 16]>>(0)?.map(FeedId::from_bytes);
        let fetch = row.get::<_, Option<[u8; 16]>>(1)?.map(FetchId::from_bytes);
        let recorded_at = rows::instant(row.get(2)?)?;
        for entry in decode_all(row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?)? {
            show(event_of(conn, &entry, (feed, fetch), recorded_at)?)?;
        }
    }
    Ok(())
}

fn event_of(
    conn: &Connection,
    entry: &Entry,
    (feed, fetch): (Option<FeedId>, Option<FetchId>),
    recorded_at: Timestamp,
) -> Outcome<Event> {
    let subject = match entry.record {
        None => None,
        Some(record) => {
            let (record, key) = name_of(conn, record)?;
            Some(Subject { record, key, layer: entry.layer, version: entry.version })
        }
    };
    let witness = entry.witness.map(|witness| name_of(conn, witness)).transpose()?.map(|(witness, _)| witness);
    Ok(Event { kind: entry.kind, subject, feed, fetch, witness, recorded_at })
}

/// A record's id and key, also when it was deleted.
fn name_of(conn: &Connection, record: i64) -> Outcome<(RecordId, NaturalKey)> {
    let mut load = conn.prepare_cached(
        "SELECT n.id, s.name, n.key FROM
         (SELECT id, space, key FROM records WHERE no = ?1 UNION ALL SELECT id, space, key FROM graves WHERE no = ?1) n
         JOIN spaces s ON s.no = n.space",
    )?;
    let mut found = load.query([record])?;
    let row = found.next()?.ok_or_else(|| corrupt("a change without its record"))?;
    Ok((RecordId::from_bytes(row.get(0)?), rows::key(row, 1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_reads_back() {
        for kind in ChangeKind::ALL {
            for layer in Layer::ALL.into_iter().map(Some).chain([None]) {
                let entry = Entry {
                    kind,
                    layer,
                    version: layer.and(VersionNo::new(70_000)),
                    record: Some(rows::LAST_RECORD),
                    witness: layer.map(|layer| i64::from(layer.rank()) + 1),
                };
                assert_eq!(Entry::decode(&entry.encode()).unwrap(), entry);
            }
        }
        assert!(Entry::decode(&[9; ENTRY]).is_err());
    }
}
