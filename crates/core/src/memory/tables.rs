//! What the memory backend holds.

use std::collections::{BTreeMap, HashMap};

use super::captures::Captures;
use crate::ingest::{Absent, Coverage, FeedState, LedgerRow, Observation, PartRow, Present, Shown, StoredVersion};
use crate::transfer::Progress;
use crate::{
    Event, Feed, FeedId, Fetch, FetchId, KeyHash, KeyHashMap, KeyRule, Layer, Lease, LeaseToken, NaturalKey,
    Quarantined, RecordId, Round, Schedule, Timestamp, VersionNo,
};

/// All tables. `open` is false before `initialize` and after `close`; what is held stays, so a store can be reopened.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) open: bool,
    /// How far an import came that was not finished.
    pub(super) importing: Option<Progress>,
    pub(super) feeds: HashMap<FeedId, FeedTable>,
    /// In the order of ids, which is the order of first capture. Boxed, since the tree is walked for every row: a node of
    /// rows would span thirty cache lines.
    pub(super) records: BTreeMap<RecordId, Box<RecordRow>>,
    pub(super) keys: KeyHashMap<RecordId>,
    /// Sightings told by a caller, with the answer given.
    pub(super) told: KeyHashMap<Vec<Told>>,
    pub(super) log: Vec<Event>,
    /// The control plane's rows.
    pub(super) control: BTreeMap<FeedId, Feed>,
    pub(super) fetches: Fetches,
    pub(super) schedules: BTreeMap<FeedId, Schedule>,
    /// By host.
    pub(super) leases: BTreeMap<String, Lease>,
    pub(super) captures: Captures,
}

/// Fetches, as they were begun.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    pub(super) rows: Vec<Fetch>,
    /// Where each stands.
    pub(super) places: BTreeMap<FetchId, usize>,
    pub(super) of_feed: HashMap<FeedId, Vec<usize>>,
    /// Those that run, each with the lease under which it was begun.
    pub(super) running: BTreeMap<usize, Option<LeaseToken>>,
}

/// A sighting told by a caller, and what it was answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Told {
    pub(super) feed: FeedId,
    pub(super) fetch: FetchId,
    pub(super) observed_at: Timestamp,
    pub(super) first: bool,
}

/// What is held of one feed.
#[derive(Debug, Default)]
pub(super) struct FeedTable {
    pub(super) state: FeedState,
    pub(super) present: KeyHashMap<Present>,
    pub(super) absent: KeyHashMap<Absent>,
    /// One entry for each observation, in the order of their first parts.
    pub(super) ledger: Vec<Entry>,
    pub(super) by_fetch: HashMap<FetchId, usize>,
    /// Round n is at n - 1: the ledger's index.
    pub(super) rounds: Vec<usize>,
    pub(super) quarantine: Vec<Quarantined>,
    /// The records that have a point sighting by a fetch, so that its last part need not look for them.
    pub(super) points_of: HashMap<FetchId, Vec<RecordId>>,
}

/// An observation and its parts.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) row: LedgerRow,
    pub(super) parts: HashMap<u32, PartRow>,
}

/// A record with its versions by layer, its closed spans and points.
#[derive(Debug)]
pub(super) struct RecordRow {
    pub(super) key: NaturalKey,
    pub(super) key_hash: KeyHash,
    pub(super) key_rule: KeyRule,
    pub(super) first_seen: Timestamp,
    pub(super) layers: [Vec<StoredVersion>; 3],
    pub(super) spans: Vec<Span>,
    pub(super) points: Vec<PointRow>,
}

/// A span that ended.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) feed: FeedId,
    pub(super) version: VersionNo,
    pub(super) since: Round,
    pub(super) until: Round,
}

/// A point sighting.
#[derive(Debug, Clone)]
pub(super) struct PointRow {
    pub(super) feed: FeedId,
    pub(super) fetch: FetchId,
    pub(super) shown: Shown,
    pub(super) age: Timestamp,
    pub(super) ordinal: u32,
}

/// Appends to one of the many lists that hold one or two rows for ever: room grows from one row on, not from four.
pub(super) fn push<T>(rows: &mut Vec<T>, row: T) {
    if rows.len() == rows.capacity() {
        rows.reserve_exact(rows.len().max(1));
    }
    rows.push(row);
}

impl RecordRow {
    /// A record without versions and sightings; `key_hash` is its key's.
    pub(super) fn new(key: NaturalKey, key_hash: KeyHash, key_rule: KeyRule, first_seen: Timestamp) -> Box<Self> {
        let (layers, spans, points) = Default::default();
        Box::new(Self { key, key_hash, key_rule, first_seen, layers, spans, points })
    }

    pub(super) fn layer(&self, layer: Layer) -> &Vec<StoredVersion> {
        &self.layers[usize::from(layer.rank())]
    }

    pub(super) fn layer_mut(&mut self, layer: Layer) -> &mut Vec<StoredVersion> {
        &mut self.layers[usize::from(layer.rank())]
    }

    /// The current version at that layer, or at the highest there is.
    pub(super) fn current(&self, layer: Option<Layer>) -> Option<&StoredVersion> {
        match layer {
            Some(layer) => self.layer(layer).last(),
            None => self.layers.iter().rev().find_map(|versions| versions.last()),
        }
    }
}

impl FeedTable {
    /// The observation that a round counts.
    pub(super) fn observation_of(&self, round: Round) -> &Observation {
        let index = usize::try_from(round.get() - 1).expect("rounds fit memory");
        &self.ledger[self.rounds[index]].row.observation
    }

    /// Whether that fetch is a Snapshot or Unchanged observation, and which round it got.
    pub(super) fn round_of(&self, fetch: FetchId) -> Option<Round> {
        let observation = &self.ledger[*self.by_fetch.get(&fetch)?].row.observation;
        observation.round.filter(|_| observation.coverage != Coverage::Delta)
    }
}
