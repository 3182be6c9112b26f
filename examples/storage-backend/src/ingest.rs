//! Ingest: load, plan, apply. What is new, changed or gone is `plan`'s to say, never ours.

use feedspine_core::ingest::{
    Begin, Earlier, Header, IngestReport, Known, LedgerRow, Loaded, PartRow, Point, Prepared, Shown, Standing,
    WritePlan,
};
use feedspine_core::{Coverage, KeyHash, Layer, Quarantined, RecordId, Result, StorageError, VersionNo};
use redb::WriteTransaction;

use crate::query::versions_of;
use crate::schema::{
    CHANGES, FEEDS, FETCHES, Id, KEYS, LEDGER, PARTS, POINTS, POINTS_OF, PRESENT, RECORDS, REJECTS, ROUNDS, RecordRow,
    SPANS, STANDINGS, VERSIONS,
};
use crate::table::Reads;

/// One unit of work: the caller commits the transaction, or drops it when this fails.
pub(crate) fn ingest(tx: &WriteTransaction, prepared: &Prepared) -> Result<IngestReport> {
    let batch = prepared.batch();
    let (feed, fetch) = (*batch.feed.as_bytes(), *batch.fetch.as_bytes());
    let told = ledger_row(tx, feed, fetch)?;
    let part: Option<PartRow> = PARTS.get(tx, (feed, fetch, batch.part.index))?;
    let of_round = match batch.coverage {
        Coverage::Unchanged { of } => ledger_row(tx, feed, *of.as_bytes())?.and_then(|(_, row)| row.observation.round),
        _ => None,
    };
    let header = Header {
        feed: FEEDS.get(tx, feed)?.unwrap_or_default(),
        committed: part.as_ref().map(|part| part.committed.clone()),
        begun: told.as_ref().map(|(_, row)| row.begun()),
        of_round,
        // The ledger of fetches lies in another store.
        interrupted: false,
    };
    let mut loaded = Loaded::default();
    let plan = match (prepared.begin(&header)?, part) {
        (Begin::Replay(_), Some(part)) => return Ok(prepared.replay_part(&part)),
        (Begin::Settled(plan), _) => *plan,
        _ => {
            loaded = load(tx, prepared, &header)?;
            prepared.plan(&header, &loaded)
        }
    };
    apply(tx, prepared, &loaded, &plan)?;
    write_ledger(tx, prepared, told.as_ref(), &plan)?;
    Ok(plan.report)
}

/// What the ledger holds of a fetch, with its number.
pub(crate) fn ledger_row(tx: &impl Reads, feed: Id, fetch: Id) -> Result<Option<(u64, LedgerRow)>> {
    let Some(number) = FETCHES.get(tx, (feed, fetch))? else { return Ok(None) };
    Ok(LEDGER.get(tx, (feed, number))?.map(|row| (number, row)))
}

fn load(tx: &WriteTransaction, prepared: &Prepared, header: &Header) -> Result<Loaded> {
    let batch = prepared.batch();
    let (feed, fetch) = (*batch.feed.as_bytes(), *batch.fetch.as_bytes());
    let mut loaded = Loaded::default();
    let (closes, changes_rule) = (prepared.closes_document(), prepared.changes_rule(header));
    if closes || changes_rule {
        for ((_, hash), mut present) in PRESENT.range(tx, (feed, [0; 32])..=(feed, [255; 32]))? {
            if changes_rule {
                present.shown = shown(tx, prepared, present.record, present.shown)?;
            }
            loaded.present.insert(KeyHash::from_bytes(hash), present);
        }
    } else {
        for key_hash in prepared.key_hashes() {
            if let Some(present) = PRESENT.get(tx, (feed, *key_hash.as_bytes()))? {
                loaded.present.insert(*key_hash, present);
            }
        }
    }
    if header.begun.is_some() && closes {
        for ((.., hash), ()) in POINTS_OF.range(tx, (feed, fetch, [0; 32])..=(feed, fetch, [255; 32]))? {
            loaded.earlier.extend(earlier(tx, prepared, &KeyHash::from_bytes(hash))?);
        }
        for (_, part) in PARTS.range(tx, (feed, fetch, 0)..=(feed, fetch, u32::MAX))? {
            loaded.rejected.extend(part.rejected);
        }
    } else if header.begun.is_some() {
        for key_hash in prepared.key_hashes() {
            loaded.earlier.extend(earlier(tx, prepared, key_hash)?);
        }
    }
    for key_hash in prepared.unsettled(&loaded) {
        if let Some(known) = known(tx, prepared, &key_hash)? {
            loaded.known.insert(key_hash, known);
        }
    }
    for id in prepared.unnamed(&loaded) {
        loaded.keys.insert(id, record_row(tx, id)?.key);
    }
    Ok(loaded)
}

/// What an earlier part of this fetch has shown of a key.
fn earlier(tx: &WriteTransaction, prepared: &Prepared, key_hash: &KeyHash) -> Result<Option<(KeyHash, Earlier)>> {
    let (hash, batch) = (*key_hash.as_bytes(), prepared.batch());
    let (feed, fetch) = (*batch.feed.as_bytes(), *batch.fetch.as_bytes());
    let Some((Point { record, shown: noted, age, ordinal, .. }, _)) = POINTS.get(tx, (hash, feed, fetch))? else {
        return Ok(None);
    };
    let left = match STANDINGS.get(tx, (hash, feed))? {
        Some(Standing::Left(absent)) => absent.left,
        _ => None,
    };
    let shown = shown(tx, prepared, record, noted)?;
    Ok(Some((*key_hash, Earlier { record, shown, age, ordinal, left })))
}

fn known(tx: &WriteTransaction, prepared: &Prepared, key_hash: &KeyHash) -> Result<Option<Known>> {
    let Some(id) = KEYS.get(tx, *key_hash.as_bytes())? else { return Ok(None) };
    let first_seen = record_row(tx, id)?.first_seen;
    let versions = VERSIONS.range(tx, versions_of(*id.as_bytes(), Some(Layer::Bronze)))?;
    let versions: Vec<_> = versions.into_iter().map(|(_, stored)| stored).collect();
    let standing = STANDINGS.get(tx, (*key_hash.as_bytes(), *prepared.batch().feed.as_bytes()))?;
    Ok(Some(prepared.known(key_hash, (id, first_seen), &versions, standing.as_ref())))
}

fn record_row(tx: &WriteTransaction, id: RecordId) -> Result<RecordRow> {
    RECORDS.get(tx, *id.as_bytes())?.ok_or_else(|| StorageError::corrupt(format!("record {id} is missing")))
}

/// A version that was shown, its hash under the batch's rule; as it was noted when the version is gone.
fn shown(tx: &WriteTransaction, prepared: &Prepared, record: RecordId, noted: Shown) -> Result<Shown> {
    let stored = VERSIONS.get(tx, bronze(record, noted.version))?;
    Ok(stored.map_or(noted, |stored| prepared.shown(&stored)))
}

/// The key of a bronze version.
fn bronze(record: RecordId, number: VersionNo) -> ((Id, u8), u64) {
    ((*record.as_bytes(), Layer::Bronze.rank()), number.get().into())
}

/// Writes what the plan says: each list becomes rows of one table and of its index.
fn apply(tx: &WriteTransaction, prepared: &Prepared, loaded: &Loaded, plan: &WritePlan) -> Result<()> {
    let batch = prepared.batch();
    let (feed, fetch) = (*batch.feed.as_bytes(), *batch.fetch.as_bytes());
    for record in &plan.records {
        let item = prepared.item(record.item);
        let row = RecordRow { key: item.key.clone(), key_rule: item.key_rule, first_seen: batch.observed_at };
        RECORDS.put(tx, *record.id.as_bytes(), &row)?;
        KEYS.put(tx, *record.key_hash.as_bytes(), &record.id)?;
    }
    for version in &plan.versions {
        VERSIONS.put(tx, bronze(version.record, version.number), &prepared.stored(version))?;
    }
    for closed in &plan.closed {
        SPANS.put(tx, (*closed.key_hash.as_bytes(), feed, closed.since.get()), &(closed.until, closed.version))?;
    }
    for (key_hash, standing) in plan.standings(loaded) {
        stand(tx, feed, *key_hash.as_bytes(), &standing)?;
    }
    if plan.absorb_points {
        for ((.., hash), ()) in POINTS_OF.take_range(tx, (feed, fetch, [0; 32])..=(feed, fetch, [255; 32]))? {
            POINTS.take(tx, (hash, feed, fetch))?;
        }
    }
    for point in &plan.points {
        let hash = *point.key_hash.as_bytes();
        POINTS.put(tx, (hash, feed, fetch), &(point.clone(), batch.observed_at))?;
        POINTS_OF.put(tx, (feed, fetch, hash), &())?;
    }
    plan.events.iter().try_for_each(|event| CHANGES.append(tx, (), event).map(drop))
}

/// Keeps how a key stands with a feed, and the feed's open spans in step with it.
pub(crate) fn stand(tx: &WriteTransaction, feed: Id, hash: [u8; 32], standing: &Standing) -> Result<()> {
    if let Standing::Open(present) = standing {
        PRESENT.put(tx, (feed, hash), present)?;
    } else {
        PRESENT.take(tx, (feed, hash))?;
    }
    STANDINGS.put(tx, (hash, feed), standing)
}

fn write_ledger(
    tx: &WriteTransaction,
    prepared: &Prepared,
    told: Option<&(u64, LedgerRow)>,
    plan: &WritePlan,
) -> Result<()> {
    let batch = prepared.batch();
    let (feed, fetch) = (*batch.feed.as_bytes(), *batch.fetch.as_bytes());
    let row = prepared.ledger_row(told.map(|(_, row)| row), plan);
    match told {
        Some((number, _)) => LEDGER.put(tx, (feed, *number), &row)?,
        None => FETCHES.put(tx, (feed, fetch), &LEDGER.append(tx, feed, &row)?)?,
    }
    PARTS.put(tx, (feed, fetch, batch.part.index), &prepared.part_row(plan))?;
    if let Some(round) = plan.report.round {
        ROUNDS.put(tx, (feed, round.get()), &(batch.fetch, batch.observed_at))?;
    }
    for reject in &plan.rejects {
        let kept = Quarantined { fetch: batch.fetch, recorded_at: batch.recorded_at, reject: reject.clone() };
        REJECTS.append(tx, feed, &kept)?;
    }
    FEEDS.put(tx, feed, &plan.feed)
}
