//! Everything as rows, and rows as everything: what copies, backups and `db verify` are made of. A backend may leave this
//! out; then it says so, and those commands say it too.

use feedspine_core::ingest::{Point, StoredVersion};
use feedspine_core::transfer::{
    Batches, FeedRow, ObservationRow, PointRow, Progress, RecordRow, RejectRow, Row, SpanRow, StandingRow, ToldRow,
    no_import, not_empty, unfounded,
};
use feedspine_core::{FeedId, FetchId, KeyHash, RecordId, Result, Round, Timestamp};
use redb::{ReadTransaction, WriteTransaction};

use crate::ingest::{ledger_row, stand};
use crate::query::{of_feeds, of_feeds_and_fetches};
use crate::schema::{
    self, CHANGES, FEEDS, FETCHES, Hash, IMPORTING, Id, KEYS, LEDGER, PARTS, POINTS, POINTS_OF, RECORDS, REJECTS,
    ROUNDS, SPANS, STANDINGS, TOLD, VERSIONS,
};

/// Gives all rows in their order, cut into batches; `send` says when nobody wants more.
pub(crate) fn export(tx: &ReadTransaction, send: &mut dyn FnMut(Vec<Row>) -> Result<()>) -> Result<()> {
    let mut cut = Batches::default();
    let mut put = |row: Row| cut.push(row).map_or(Ok(()), &mut *send);
    let feeds = FEEDS.range(tx, ..)?;
    for (feed, state) in &feeds {
        put(Row::Feed(FeedRow { feed: FeedId::from_bytes(*feed), state: state.clone() }))?;
    }
    for (feed, _) in &feeds {
        for row in LEDGER.scan(tx, (*feed, 0)..=(*feed, u64::MAX))? {
            let (_, ledger) = row?;
            let fetch = *ledger.observation.fetch.as_bytes();
            let parts = PARTS.range(tx, (*feed, fetch, 0)..=(*feed, fetch, u32::MAX))?;
            let parts = parts.into_iter().map(|((_, _, index), part)| (index, part));
            put(Row::Observation(ObservationRow::new(ledger, parts)))?;
        }
    }
    for row in REJECTS.scan(tx, ..)? {
        let ((feed, _), quarantined) = row?;
        put(Row::Reject(RejectRow { feed: FeedId::from_bytes(feed), quarantined }))?;
    }
    for row in RECORDS.scan(tx, ..)? {
        let (id, schema::RecordRow { key, key_rule, first_seen }) = row?;
        put(Row::Record(RecordRow { id: RecordId::from_bytes(id), key, key_rule, first_seen }))?;
    }
    for row in VERSIONS.scan(tx, ..)? {
        put(Row::Version(row?.1))?;
    }
    of_records(tx, &mut put, &spans)?;
    of_records(tx, &mut put, &points)?;
    of_records(tx, &mut put, &standings)?;
    for row in TOLD.scan(tx, ..)? {
        let ((hash, feed, fetch), (observed_at, first)) = row?;
        let (feed, fetch) = (FeedId::from_bytes(feed), FetchId::from_bytes(fetch));
        put(Row::Told(ToldRow { key_hash: KeyHash::from_bytes(hash), feed, fetch, observed_at, first }))?;
    }
    for row in CHANGES.scan(tx, ..)? {
        put(Row::Event(row?.1))?;
    }
    let rest = cut.take();
    if !rest.is_empty() {
        send(rest)?;
    }
    // The end is said: a reader that is gone must not look like one.
    send(Vec::new())
}

/// What lies by key, in the order of records.
type OfRecord = dyn Fn(&ReadTransaction, RecordId, Hash) -> Result<Vec<Row>>;

fn of_records(tx: &ReadTransaction, put: &mut dyn FnMut(Row) -> Result<()>, rows: &OfRecord) -> Result<()> {
    for record in RECORDS.scan(tx, ..)? {
        let (id, record) = record?;
        for row in rows(tx, RecordId::from_bytes(id), *record.key.hash().as_bytes())? {
            put(row)?;
        }
    }
    Ok(())
}

fn spans(tx: &ReadTransaction, record: RecordId, hash: Hash) -> Result<Vec<Row>> {
    let found = SPANS.range(tx, (hash, [0; 16], 0)..=(hash, [255; 16], u64::MAX))?;
    let row = |((_, feed, since), (until, version))| {
        let since = Round::new(since).expect("a span begins with a round");
        Row::Span(SpanRow { record, feed: FeedId::from_bytes(feed), since, until, version })
    };
    Ok(found.into_iter().map(row).collect())
}

fn points(tx: &ReadTransaction, record: RecordId, hash: Hash) -> Result<Vec<Row>> {
    let found = POINTS.range(tx, of_feeds_and_fetches(hash))?;
    let row = |((_, feed, fetch), (point, _)): (_, (Point, _))| {
        let (feed, fetch) = (FeedId::from_bytes(feed), FetchId::from_bytes(fetch));
        Row::Point(PointRow { record, feed, fetch, shown: point.shown, age: point.age, ordinal: point.ordinal })
    };
    Ok(found.into_iter().map(row).collect())
}

fn standings(tx: &ReadTransaction, record: RecordId, hash: Hash) -> Result<Vec<Row>> {
    let found = STANDINGS.range(tx, of_feeds(hash))?;
    let row = |((_, feed), standing)| Row::Standing(StandingRow { record, feed: FeedId::from_bytes(feed), standing });
    Ok(found.into_iter().map(row).collect())
}

/// Begins an import, or says how far one came.
pub(crate) fn begin(tx: &WriteTransaction) -> Result<Option<Progress>> {
    if let Some(progress) = IMPORTING.get(tx, ())? {
        return Ok(Some(progress));
    }
    let holds_data = FEEDS.last(tx, ..)?.is_some()
        || RECORDS.last(tx, ..)?.is_some()
        || TOLD.last(tx, ..)?.is_some()
        || CHANGES.last(tx, ..)?.is_some();
    if holds_data {
        return Err(not_empty());
    }
    IMPORTING.put(tx, (), &Progress::default())?;
    Ok(None)
}

/// Ends an import.
pub(crate) fn finish(tx: &WriteTransaction) -> Result<()> {
    IMPORTING.take(tx, ())?.map(drop).ok_or_else(no_import)
}

/// Writes rows that come next, and how far the import is with them.
pub(crate) fn import(tx: &WriteTransaction, rows: Vec<Row>, progress: Progress) -> Result<()> {
    IMPORTING.get(tx, ())?.ok_or_else(no_import)?.check_next(rows.len(), &progress)?;
    rows.into_iter().try_for_each(|row| import_row(tx, row))?;
    IMPORTING.put(tx, (), &progress)
}

fn import_row(tx: &WriteTransaction, row: Row) -> Result<()> {
    match row {
        Row::Feed(row) => FEEDS.put(tx, *row.feed.as_bytes(), &row.state),
        Row::Observation(row) => observation(tx, row),
        Row::Reject(row) => {
            let (feed, fetch) = (*row.feed.as_bytes(), row.quarantined.fetch);
            observed(tx, "reject", feed, fetch)?;
            REJECTS.append(tx, feed, &row.quarantined).map(drop)
        }
        Row::Record(row) => {
            let RecordRow { id, key, key_rule, first_seen } = row;
            KEYS.put(tx, *key.hash().as_bytes(), &id)?;
            RECORDS.put(tx, *id.as_bytes(), &schema::RecordRow { key, key_rule, first_seen })
        }
        Row::Version(row) => version(tx, &row),
        Row::Span(row) => {
            let hash = held(tx, "span", row.record)?;
            known(tx, "span", row.feed)?;
            SPANS.put(tx, (hash, *row.feed.as_bytes(), row.since.get()), &(row.until, row.version))
        }
        Row::Point(row) => point(tx, &row),
        Row::Standing(row) => {
            let hash = held(tx, "standing", row.record)?;
            known(tx, "standing", row.feed)?;
            stand(tx, *row.feed.as_bytes(), hash, &row.standing)
        }
        Row::Told(row) => {
            let key = (*row.key_hash.as_bytes(), *row.feed.as_bytes(), *row.fetch.as_bytes());
            TOLD.put(tx, key, &(row.observed_at, row.first))
        }
        Row::Event(event) => CHANGES.append(tx, (), &event).map(drop),
    }
}

fn observation(tx: &WriteTransaction, row: ObservationRow) -> Result<()> {
    let seen = &row.ledger.observation;
    let (feed, fetch) = (*seen.feed.as_bytes(), *seen.fetch.as_bytes());
    known(tx, "observation", seen.feed)?;
    FETCHES.put(tx, (feed, fetch), &LEDGER.append(tx, feed, &row.ledger)?)?;
    if let Some(round) = seen.round {
        ROUNDS.put(tx, (feed, round.get()), &(seen.fetch, seen.observed_at))?;
    }
    row.parts.into_iter().try_for_each(|(index, part)| PARTS.put(tx, (feed, fetch, index), &part))
}

fn version(tx: &WriteTransaction, stored: &StoredVersion) -> Result<()> {
    let version = &stored.version;
    held(tx, "version", version.record)?;
    VERSIONS.put(tx, ((*version.record.as_bytes(), version.layer.rank()), version.number.get().into()), stored)
}

fn point(tx: &WriteTransaction, row: &PointRow) -> Result<()> {
    let PointRow { record, feed, fetch, shown, age, ordinal } = *row;
    let hash = held(tx, "point", record)?;
    let (feed, fetch_id) = (*feed.as_bytes(), *fetch.as_bytes());
    let observed_at = observed(tx, "point", feed, fetch)?;
    let point = Point { record, key_hash: KeyHash::from_bytes(hash), shown, age, ordinal, present: false };
    POINTS.put(tx, (hash, feed, fetch_id), &(point, observed_at))?;
    POINTS_OF.put(tx, (feed, fetch_id, hash), &())
}

/// The key's hash of a record that came before.
fn held(tx: &WriteTransaction, row: &str, record: RecordId) -> Result<Hash> {
    let found = RECORDS.get(tx, *record.as_bytes())?.ok_or_else(|| unfounded(row, format!("record {record}")))?;
    Ok(*found.key.hash().as_bytes())
}

fn known(tx: &WriteTransaction, row: &str, feed: FeedId) -> Result<()> {
    FEEDS.get(tx, *feed.as_bytes())?.map(drop).ok_or_else(|| unfounded(row, format!("feed {feed}")))
}

/// When an observation that came before was made.
fn observed(tx: &WriteTransaction, row: &str, feed: Id, fetch: FetchId) -> Result<Timestamp> {
    let found = ledger_row(tx, feed, *fetch.as_bytes())?;
    found.map(|(_, row)| row.observation.observed_at).ok_or_else(|| unfounded(row, format!("fetch {fetch}")))
}
