//! Applies a plan, and appends the rows that other writes make too.

use duckdb::types::Value;
use duckdb::{Connection, params};
use feedspine_core::ingest::{Loaded, Point, Prepared, Standing, WritePlan};
use feedspine_core::{
    Event, FeedId, FetchId, KeyHash, KeyHashMap, KeyRule, Layer, Quarantined, RecordId, Round, SpanEnd, Timestamp,
    VersionNo,
};

use crate::error::{Outcome, corrupt};
use crate::ledger;
use crate::rows::{self, Among, HeldVersion, instant, optional_id, optional_instant};

/// What never changes of a record.
#[derive(Debug, Clone)]
pub(crate) struct Fixed {
    pub(crate) key_rule: KeyRule,
    pub(crate) first_seen: Timestamp,
}

/// Writes what the plan says. `fixed` is what is known of the records that the plan adds versions to.
pub(crate) fn apply(
    conn: &Connection,
    prepared: &Prepared,
    loaded: &Loaded,
    fixed: &KeyHashMap<Fixed>,
    plan: &WritePlan,
) -> Outcome<()> {
    let batch = prepared.batch();
    let made: KeyHashMap<RecordId> = plan.records.iter().map(|record| (record.key_hash, record.id)).collect();
    let mut versions = Vec::with_capacity(plan.versions.len());
    let mut grown = Vec::new();
    for version in &plan.versions {
        let item = prepared.item(version.item);
        let key_hash = item.key.hash();
        let Fixed { key_rule, first_seen } = match fixed.get(&key_hash) {
            Some(fixed) => {
                grown.push(version.record);
                fixed.clone()
            }
            None => Fixed { key_rule: item.key_rule, first_seen: batch.observed_at },
        };
        versions.push(HeldVersion { key: item.key.clone(), key_rule, first_seen, stored: prepared.stored(version) });
    }
    append_versions(conn, &versions, |version| made.contains_key(&version.key.hash()))?;
    mark_current(conn, &grown)?;
    append_spans(
        conn,
        plan.closed.iter().map(|closed| Span {
            key_hash: closed.key_hash,
            feed: batch.feed,
            record: closed.record,
            since: closed.since,
            until: closed.until,
            version: closed.version,
        }),
    )?;
    put_standings(conn, batch.feed, &standings(loaded, &made, plan)?)?;
    if plan.absorb_points {
        let absorb = "DELETE FROM _points WHERE feed = ? AND fetch_id = ?";
        rows::execute(conn, absorb, &[&batch.feed.to_string(), &batch.fetch.to_string()])?;
    }
    append_points(conn, plan.points.iter().map(|point| (batch.feed, batch.fetch, batch.observed_at, point)))?;
    append_changes(conn, &plan.events)?;
    let rejects = plan.rejects.iter().cloned();
    let entries: Vec<Quarantined> =
        rejects.map(|reject| Quarantined { fetch: batch.fetch, recorded_at: batch.recorded_at, reject }).collect();
    ledger::quarantine(conn, batch.feed, &entries)
}

/// How the keys of a plan stand with the feed afterwards, each with its record.
fn standings(
    loaded: &Loaded,
    made: &KeyHashMap<RecordId>,
    plan: &WritePlan,
) -> Outcome<Vec<(KeyHash, RecordId, Standing)>> {
    let mut records: KeyHashMap<RecordId> = made.clone();
    records.extend(plan.closed.iter().map(|closed| (closed.key_hash, closed.record)));
    records.extend(plan.opened.iter().map(|opened| (opened.key_hash, opened.record)));
    records.extend(plan.points.iter().map(|point| (point.key_hash, point.record)));
    let record_of = |key_hash: &KeyHash, standing: &Standing| match standing {
        Standing::Open(present) => Some(present.record),
        Standing::Left(_) => {
            records.get(key_hash).copied().or_else(|| loaded.known.get(key_hash).map(|known| known.record))
        }
    };
    let standings = plan.standings(loaded).into_iter().map(|(key_hash, standing)| {
        let record = record_of(&key_hash, &standing).ok_or_else(|| corrupt("a standing without a record"))?;
        Ok((key_hash, record, standing))
    });
    standings.collect()
}

/// Appends versions. `alone` says that a version is the first of its record: then it stands for it.
pub(crate) fn append_versions(
    conn: &Connection,
    versions: &[HeldVersion],
    alone: impl Fn(&HeldVersion) -> bool,
) -> Outcome<()> {
    rows::append(conn, "versions", versions, |to, held| {
        let HeldVersion { key, key_rule, first_seen, stored } = held;
        let version = &stored.version;
        let source = version.derived_from.as_ref();
        let first = alone(held);
        to.append_row(params![
            version.record.to_string(),
            key.hash().as_bytes().as_slice(),
            key.namespace().as_str(),
            key.key(),
            key_rule.as_str(),
            instant(*first_seen),
            version.layer.rank(),
            version.number.get(),
            first,
            first,
            stored.hash.as_bytes().as_slice(),
            version.hash_rule.as_str(),
            version.content.as_str(),
            version.metadata.as_str(),
            optional_instant(version.published),
            optional_instant(version.updated),
            instant(version.recorded_at),
            optional_id(version.origin.map(|origin| origin.feed)),
            optional_id(version.origin.map(|origin| origin.fetch)),
            source.map(|source| source.layer.rank()),
            source.map(|source| source.version.get()),
            source.map(|source| source.hash.as_bytes().as_slice()),
            source.map(|source| source.source_deleted)
        ])
    })
}

/// Marks anew which versions of these records are current, and which stand for them.
pub(crate) fn mark_current(conn: &Connection, records: &[RecordId]) -> Outcome<()> {
    if records.is_empty() {
        return Ok(());
    }
    let records = Among::ids(records);
    rows::execute(conn, &format!("{MARK} WHERE record {records} {MARK_ALL}"), &[&records])
}

/// The same for all records.
pub(crate) fn mark_all_current(conn: &Connection) -> Outcome<()> {
    rows::execute(conn, &format!("{MARK} {MARK_ALL}"), rows::no_values())
}

const MARK: &str = "UPDATE _versions AS v
    SET is_current = v.number = last.number, is_top = v.number = last.number AND v.layer = last.top
    FROM (SELECT record, layer, max(number) AS number, max(layer) OVER (PARTITION BY record) AS top
          FROM _versions";
const MARK_ALL: &str = "GROUP BY record, layer) AS last WHERE v.record = last.record AND v.layer = last.layer";

/// A span that ended.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) key_hash: KeyHash,
    pub(crate) feed: FeedId,
    pub(crate) record: RecordId,
    pub(crate) since: Round,
    pub(crate) until: Round,
    pub(crate) version: VersionNo,
}

pub(crate) fn append_spans(conn: &Connection, spans: impl IntoIterator<Item = Span>) -> Outcome<()> {
    rows::append(conn, "spans", spans, |to, span| {
        to.append_row(params![
            span.key_hash.as_bytes().as_slice(),
            span.feed.to_string(),
            span.record.to_string(),
            span.since.get(),
            span.until.get(),
            span.version.get()
        ])
    })
}

/// Keeps how keys stand with a feed, in the place of how they stood.
pub(crate) fn put_standings(
    conn: &Connection,
    feed: FeedId,
    standings: &[(KeyHash, RecordId, Standing)],
) -> Outcome<()> {
    if standings.is_empty() {
        return Ok(());
    }
    let hashes = Among::hashes(standings.iter().map(|(key_hash, ..)| key_hash));
    let replaced = format!("DELETE FROM _standings WHERE feed = ? AND key_hash {hashes}");
    rows::execute(conn, &replaced, &[&feed.to_string(), &hashes])?;
    append_standings(conn, standings.iter().map(|(key_hash, record, standing)| (*key_hash, feed, *record, standing)))
}

pub(crate) fn append_standings<'a>(
    conn: &Connection,
    standings: impl IntoIterator<Item = (KeyHash, FeedId, RecordId, &'a Standing)>,
) -> Outcome<()> {
    rows::append(conn, "standings", standings, |to, (key_hash, feed, record, standing)| {
        let (feed, record) = (feed.to_string(), record.to_string());
        match standing {
            Standing::Open(present) => to.append_row(params![
                key_hash.as_bytes().as_slice(),
                feed,
                record,
                true,
                present.version.get(),
                present.since.get(),
                present.shown.version.get(),
                present.shown.hash.as_bytes().as_slice(),
                instant(present.age),
                Value::Null
            ]),
            Standing::Left(absent) => to.append_row(params![
                key_hash.as_bytes().as_slice(),
                feed,
                record,
                false,
                Value::Null,
                Value::Null,
                absent.shown.map(VersionNo::get),
                Value::Null,
                Value::Null,
                absent.left.map(SpanEnd::as_str)
            ]),
        }
    })
}

pub(crate) fn append_points<'a>(
    conn: &Connection,
    points: impl IntoIterator<Item = (FeedId, FetchId, Timestamp, &'a Point)>,
) -> Outcome<()> {
    rows::append(conn, "points", points, |to, (feed, fetch, observed_at, point)| {
        to.append_row(params![
            point.key_hash.as_bytes().as_slice(),
            feed.to_string(),
            fetch.to_string(),
            point.record.to_string(),
            point.shown.version.get(),
            point.shown.hash.as_bytes().as_slice(),
            instant(point.age),
            point.ordinal,
            instant(observed_at)
        ])
    })
}

/// Appends to the change log, numbered from 1.
pub(crate) fn append_changes(conn: &Connection, events: &[Event]) -> Outcome<()> {
    if events.is_empty() {
        return Ok(());
    }
    let last = rows::first(conn, "SELECT coalesce(max(seq), 0) FROM _changes", rows::no_values(), |columns| {
        columns.take::<u64>()
    })?;
    rows::append(conn, "changes", (last.unwrap_or_default() + 1..).zip(events), |to, (seq, event)| {
        let subject = event.subject.as_ref();
        to.append_row(params![
            seq,
            event.kind.as_str(),
            optional_id(subject.map(|subject| subject.record)),
            subject.map(|subject| subject.key.namespace().as_str()),
            subject.map(|subject| subject.key.key()),
            subject.and_then(|subject| subject.layer).map(Layer::rank),
            subject.and_then(|subject| subject.version).map(VersionNo::get),
            optional_id(event.feed),
            optional_id(event.fetch),
            optional_id(event.witness),
            instant(event.recorded_at)
        ])
    })
}
