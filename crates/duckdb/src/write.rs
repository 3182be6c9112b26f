//! Writes that are not captures: put, delete, told sightings.

use std::collections::{HashMap, HashSet};

use duckdb::{Connection, params};
use feedspine_core::ingest::{FeedState, Standing};
use feedspine_core::{
    ChangeKind, Event, FeedId, FetchId, KeyHash, KeyRule, Layer, Lineage, NaturalKey, Put, RecordId, RecordName,
    RecordRef, RecordWrite, Round, Sighting, Subject, Timestamp, VersionNo,
};

use crate::apply::{self, Fixed, Span};
use crate::error::Outcome;
use crate::ingest::{read_absent, read_present};
use crate::rows::{self, Among, Columns, HeldVersion, instant};
use crate::{ledger, query, sightings};

/// Writes versions, all or none: what is there is read at once, and what is new is appended at once.
pub(crate) fn put_many(conn: &Connection, writes: Vec<RecordWrite>) -> Outcome<Vec<VersionNo>> {
    let ids: Vec<RecordId> = writes.iter().map(|write| write.id).collect();
    let keys: Vec<KeyHash> = writes.iter().map(|write| write.key.hash()).collect();
    let mut puts = Puts::default();
    for held in query::current(conn, &ids, &keys)? {
        puts.note(&held, None);
    }
    let numbers = writes.into_iter().map(|write| puts.put(write)).collect::<Outcome<Vec<VersionNo>>>()?;
    apply::append_versions(conn, &puts.versions, |_| false)?;
    for (record, layer, number, source) in &puts.rederived {
        rows::execute(
            conn,
            "UPDATE _versions SET from_layer = ?, from_version = ?, from_hash = ?, from_deleted = ?
             WHERE record = ? AND layer = ? AND number = ?",
            &[
                &source.layer.rank(),
                &source.version.get(),
                &source.hash.as_bytes().as_slice(),
                &source.source_deleted,
                &record.to_string(),
                &layer.rank(),
                &number.get(),
            ],
        )?;
    }
    let grown: HashSet<RecordId> = puts.versions.iter().map(|held| held.stored.version.record).collect();
    apply::mark_current(conn, &grown.into_iter().collect::<Vec<_>>())?;
    apply::append_changes(conn, &puts.events)?;
    Ok(numbers)
}

/// What a call has put so far, and what it found.
#[derive(Debug, Default)]
struct Puts {
    keys: HashMap<RecordId, KeyHash>,
    ids: HashMap<KeyHash, RecordId>,
    fixed: HashMap<RecordId, Fixed>,
    /// The current version of each layer, and where among `versions` it is when this call appended it.
    current: HashMap<(RecordId, Layer), (HeldVersion, Option<usize>)>,
    versions: Vec<HeldVersion>,
    rederived: Vec<(RecordId, Layer, VersionNo, Lineage)>,
    events: Vec<Event>,
}

impl Puts {
    fn note(&mut self, held: &HeldVersion, place: Option<usize>) {
        let (record, key_hash) = (held.stored.version.record, held.key.hash());
        self.keys.insert(record, key_hash);
        self.ids.insert(key_hash, record);
        self.fixed.insert(record, Fixed { key_rule: held.key_rule, first_seen: held.first_seen });
        self.current.insert((record, held.stored.version.layer), (held.clone(), place));
    }

    fn put(&mut self, write: RecordWrite) -> Outcome<VersionNo> {
        let (id, key, layer) = (write.id, write.key.clone(), write.layer);
        write.check_names(self.keys.get(&id).copied(), self.ids.get(&key.hash()).copied())?;
        let known = self.fixed.get(&id).cloned();
        let Fixed { key_rule, first_seen } =
            known.clone().unwrap_or(Fixed { key_rule: KeyRule::Given, first_seen: write.recorded_at });
        let current = self.current.get(&(id, layer)).map(|(held, _)| &held.stored.version);
        match write.judge(current, known.is_some()) {
            Put::Same(number) => Ok(number),
            Put::Rederived(number, source) => {
                self.rederive(id, layer, number, source);
                Ok(number)
            }
            Put::Append(stored, event) => {
                let number = stored.version.number;
                let held = HeldVersion { key, key_rule, first_seen, stored: *stored };
                self.note(&held, Some(self.versions.len()));
                self.versions.push(held);
                self.events.push(event);
                Ok(number)
            }
        }
    }

    fn rederive(&mut self, id: RecordId, layer: Layer, number: VersionNo, source: Lineage) {
        let Some((held, place)) = self.current.get_mut(&(id, layer)) else { return };
        held.stored.version.derived_from = Some(source.clone());
        match place {
            Some(place) => self.versions[*place].stored.version.derived_from = Some(source),
            None => self.rederived.push((id, layer, number, source)),
        }
    }
}

/// Deletes a record, or a layer of it; false where there is none.
pub(crate) fn delete(conn: &Connection, doomed: &RecordRef, at: Timestamp) -> Outcome<bool> {
    let Some((record, key)) = find(conn, &doomed.name)? else { return Ok(false) };
    let id = &record.to_string();
    let mut version = None;
    match doomed.layer {
        None => rows::execute(conn, "DELETE FROM _versions WHERE record = ?", &[id])?,
        Some(layer) => {
            let rank = &layer.rank();
            let last = "SELECT max(number) FROM _versions WHERE record = ? AND layer = ?";
            version =
                rows::first(conn, last, &[id, rank], rows::value::<Option<u32>>)?.flatten().and_then(VersionNo::new);
            if version.is_none() {
                return Ok(false);
            }
            rows::execute(conn, "DELETE FROM _versions WHERE record = ? AND layer = ?", &[id, rank])?;
            let orphans = "UPDATE _versions SET from_deleted = TRUE WHERE record = ? AND from_layer = ?";
            rows::execute(conn, orphans, &[id, rank])?;
        }
    }
    if rows::any(conn, "SELECT 1 FROM _versions WHERE record = ? LIMIT 1", &[id])? {
        apply::mark_current(conn, &[record])?;
        if doomed.layer == Some(Layer::Bronze) {
            forget_shown(conn, &key)?;
        }
    } else {
        forget(conn, &key)?;
    }
    let subject = Subject { record, key, layer: doomed.layer, version };
    apply::append_changes(conn, &[Event::by_call(ChangeKind::Deleted, subject, at)])?;
    Ok(true)
}

fn find(conn: &Connection, name: &RecordName) -> Outcome<Option<(RecordId, NaturalKey)>> {
    let sql = |column: &str| format!("SELECT record, namespace, key FROM _versions WHERE is_top AND {column} = ?");
    let read = |columns: &mut Columns<'_>| Ok((columns.word()?, columns.key()?));
    match name {
        RecordName::Id(id) => rows::first(conn, &sql("record"), &[&id.to_string()], read),
        RecordName::Key(key) => rows::first(conn, &sql("key_hash"), &[&key.hash().as_bytes().as_slice()], read),
    }
}

/// Removes every trace of a record but the change log.
fn forget(conn: &Connection, key: &NaturalKey) -> Outcome<()> {
    for (feed, _, standing) in standings_of(conn, key)? {
        if matches!(standing, Standing::Open(_)) {
            lose_span(conn, feed)?;
        }
    }
    let hash = key.hash();
    for table in ["standings", "spans", "points", "told"] {
        let sql = format!("DELETE FROM _{table} WHERE key_hash = ?");
        rows::execute(conn, &sql, &[&hash.as_bytes().as_slice()])?;
    }
    Ok(())
}

/// The versions that feeds have shown are gone: their spans end, and the next document that lists the item captures it
/// anew. Sightings stay.
fn forget_shown(conn: &Connection, key: &NaturalKey) -> Outcome<()> {
    let key_hash = key.hash();
    for (feed, record, standing) in standings_of(conn, key)? {
        if let Standing::Open(present) = &standing {
            let until = lose_span(conn, feed)?.unwrap_or(present.since);
            let (since, version) = (present.since, present.version);
            apply::append_spans(conn, [Span { key_hash, feed, record, since, until, version }])?;
        }
        apply::put_standings(conn, feed, &[(key_hash, record, standing.without_versions())])?;
    }
    Ok(())
}

/// How a key stands with each feed that has shown it, with its record.
fn standings_of(conn: &Connection, key: &NaturalKey) -> Outcome<Vec<(FeedId, RecordId, Standing)>> {
    let sql = format!("SELECT {STANDING} FROM _standings WHERE key_hash = ?");
    rows::all(conn, &sql, &[&key.hash().as_bytes().as_slice()], read_standing)
}

/// The columns of a standing, in the order that [`read_standing`] takes them.
pub(crate) const STANDING: &str =
    "feed, record, shown, left_as, is_open, record, version, since, shown, shown_hash, age";

pub(crate) fn read_standing(columns: &mut Columns<'_>) -> Outcome<(FeedId, RecordId, Standing)> {
    let (feed, record, absent) = (columns.word()?, columns.word()?, read_absent(columns)?);
    let standing = if columns.take()? { Standing::Open(read_present(columns)?) } else { Standing::Left(absent) };
    Ok((feed, record, standing))
}

/// Tells a feed that it has lost an open span, and says which its last round was.
fn lose_span(conn: &Connection, feed: FeedId) -> Outcome<Option<Round>> {
    let mut state = ledger::feed(conn, feed)?.unwrap_or_else(FeedState::default);
    state.lose_span();
    ledger::put_feed(conn, feed, &state)?;
    Ok(state.round)
}

/// Records sightings told by a call; true for those whose key no feed had ever sighted.
pub(crate) fn observe_many(conn: &Connection, seen: &[Sighting]) -> Outcome<Vec<bool>> {
    if seen.is_empty() {
        return Ok(Vec::new());
    }
    let hashes: Vec<KeyHash> = seen.iter().map(|sighting| sighting.key.hash()).collect();
    let list = &Among::hashes(&hashes);
    let sql = format!("SELECT key_hash, feed, fetch_id, first FROM _told WHERE key_hash {list}");
    let told = rows::all(conn, &sql, &[list], |columns| {
        Ok(((columns.key_hash()?, columns.word()?, columns.word()?), columns.take()?))
    })?;
    let mut told: HashMap<(KeyHash, FeedId, FetchId), bool> = told.into_iter().collect();
    let sql = format!("SELECT DISTINCT key_hash FROM _standings WHERE key_hash {list}");
    let standing = rows::all(conn, &sql, &[list], rows::key_hash)?;
    let mut sighted: HashSet<KeyHash> = told.keys().map(|(hash, ..)| *hash).chain(standing).collect();
    let captured = sightings::captured_among(conn, list, seen.iter().map(|sighting| sighting.fetch))?;

    let mut answers = Vec::with_capacity(seen.len());
    let mut rows_told = Vec::new();
    for (sighting, hash) in seen.iter().zip(hashes) {
        let place = (hash, sighting.feed, sighting.fetch);
        let answer = match told.get(&place) {
            Some(answer) => *answer,
            None if captured.contains(&place) => false,
            None => {
                let first = sighted.insert(hash);
                told.insert(place, first);
                rows_told.push((hash, sighting, first));
                first
            }
        };
        answers.push(answer);
    }
    rows::append(conn, "told", rows_told, |to, (hash, sighting, first)| {
        to.append_row(params![
            hash.as_bytes().as_slice(),
            sighting.key.namespace().as_str(),
            sighting.key.key(),
            sighting.feed.to_string(),
            sighting.fetch.to_string(),
            instant(sighting.observed_at),
            first
        ])
    })?;
    Ok(answers)
}
