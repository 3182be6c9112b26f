//! Writes that are not captures: put, delete, told sightings.

use feedspine_core::ingest::Standing;
use feedspine_core::{
    ChangeKind, Event, KeyRule, Layer, Put, RecordId, RecordRef, RecordWrite, Result, Round, Sighting, Subject,
    Timestamp, VersionNo,
};
use redb::WriteTransaction;

use crate::ingest::stand;
use crate::query::{find, of_feeds, of_feeds_and_fetches, sightings, versions_of};
use crate::schema::{
    CHANGES, FEEDS, FETCHES, Hash, Id, KEYS, POINTS, POINTS_OF, PRESENT, RECORDS, RecordRow, SPANS, STANDINGS, TOLD,
    VERSIONS,
};

/// One version, or none when nothing differs. What fails undoes the transaction, and so all writes beside it.
pub(crate) fn put(tx: &WriteTransaction, write: RecordWrite) -> Result<VersionNo> {
    let (id, hash) = (*write.id.as_bytes(), *write.key.hash().as_bytes());
    let row = RECORDS.get(tx, id)?;
    write.check_names(row.as_ref().map(|row| row.key.hash()), KEYS.get(tx, hash)?)?;
    if row.is_none() {
        let first_seen = write.recorded_at;
        RECORDS.put(tx, id, &RecordRow { key: write.key.clone(), key_rule: KeyRule::Given, first_seen })?;
        KEYS.put(tx, hash, &write.id)?;
    }
    let current = VERSIONS.last(tx, versions_of(id, Some(write.layer)))?;
    match write.judge(current.as_ref().map(|(_, stored)| &stored.version), row.is_some()) {
        Put::Same(number) => Ok(number),
        Put::Rederived(number, lineage) => {
            if let Some((key, mut stored)) = current {
                stored.version.derived_from = Some(lineage);
                VERSIONS.put(tx, key, &stored)?;
            }
            Ok(number)
        }
        Put::Append(stored, event) => {
            let number = stored.version.number;
            VERSIONS.put(tx, ((id, stored.version.layer.rank()), number.get().into()), &stored)?;
            CHANGES.append(tx, (), &event)?;
            Ok(number)
        }
    }
}

/// A record, or a layer of it; false where there is none.
pub(crate) fn delete(tx: &WriteTransaction, doomed: &RecordRef, at: Timestamp) -> Result<bool> {
    let Some((record, row)) = find(tx, &doomed.name)? else { return Ok(false) };
    let id = *record.as_bytes();
    let gone = VERSIONS.take_range(tx, versions_of(id, doomed.layer))?;
    let version = match (doomed.layer, gone.last()) {
        (None, _) => None,
        (Some(_), Some((_, last))) => Some(last.version.number),
        (Some(_), None) => return Ok(false),
    };
    let rest = VERSIONS.range(tx, versions_of(id, None))?;
    let is_last = rest.is_empty();
    for (key, mut stored) in rest {
        if let Some(source) = stored.version.derived_from.as_mut().filter(|source| Some(source.layer) == doomed.layer) {
            source.source_deleted = true;
            VERSIONS.put(tx, key, &stored)?;
        }
    }
    if is_last {
        forget(tx, record, *row.key.hash().as_bytes())?;
    } else if doomed.layer == Some(Layer::Bronze) {
        forget_shown(tx, *row.key.hash().as_bytes())?;
    }
    let subject = Subject { record, key: row.key, layer: doomed.layer, version };
    CHANGES.append(tx, (), &Event::by_call(ChangeKind::Deleted, subject, at))?;
    Ok(true)
}

/// Removes a record and every trace but the change log.
fn forget(tx: &WriteTransaction, record: RecordId, hash: Hash) -> Result<()> {
    RECORDS.take(tx, *record.as_bytes())?;
    KEYS.take(tx, hash)?;
    TOLD.take_range(tx, of_feeds_and_fetches(hash))?;
    SPANS.take_range(tx, (hash, [0; 16], 0)..=(hash, [255; 16], u64::MAX))?;
    for ((_, feed, fetch), _) in POINTS.take_range(tx, of_feeds_and_fetches(hash))? {
        POINTS_OF.take(tx, (feed, fetch, hash))?;
    }
    for ((_, feed), standing) in STANDINGS.take_range(tx, of_feeds(hash))? {
        if let Standing::Open(_) = standing {
            PRESENT.take(tx, (feed, hash))?;
            lose_span(tx, feed)?;
        }
    }
    Ok(())
}

/// The versions that feeds have shown are gone: their spans end, and the next document that lists the item captures it
/// anew. Sightings stay.
fn forget_shown(tx: &WriteTransaction, hash: Hash) -> Result<()> {
    for ((_, feed), standing) in STANDINGS.range(tx, of_feeds(hash))? {
        if let Standing::Open(present) = &standing {
            let until = lose_span(tx, feed)?.unwrap_or(present.since);
            SPANS.put(tx, (hash, feed, present.since.get()), &(until, present.version))?;
        }
        stand(tx, feed, hash, &standing.without_versions())?;
    }
    Ok(())
}

/// Tells a feed that it has lost an open span, and says which its last round was.
fn lose_span(tx: &WriteTransaction, feed: Id) -> Result<Option<Round>> {
    let mut state = FEEDS.get(tx, feed)?.unwrap_or_default();
    state.lose_span();
    FEEDS.put(tx, feed, &state)?;
    Ok(state.round)
}

/// A sighting told by a call; true when no feed had ever sighted that key.
pub(crate) fn observe(tx: &WriteTransaction, sighting: &Sighting) -> Result<bool> {
    let hash = *sighting.key.hash().as_bytes();
    let (feed, fetch) = (*sighting.feed.as_bytes(), *sighting.fetch.as_bytes());
    if let Some((_, answer)) = TOLD.get(tx, (hash, feed, fetch))? {
        return Ok(answer);
    }
    let same = |held: &Sighting| held.feed == sighting.feed && held.fetch == sighting.fetch;
    if FETCHES.get(tx, (feed, fetch))?.is_some() && sightings(tx, &sighting.key)?.iter().any(same) {
        return Ok(false);
    }
    let was_told = TOLD.last(tx, of_feeds_and_fetches(hash))?.is_some();
    let first = !was_told && STANDINGS.last(tx, of_feeds(hash))?.is_none();
    TOLD.put(tx, (hash, feed, fetch), &(sighting.observed_at, first))?;
    Ok(first)
}
