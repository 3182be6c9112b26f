//! [`Verifier`]: whether the rows of a store are what they can be, told from the rows alone.

mod feeds;
mod records;

use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::hash::{DefaultHasher, Hash, Hasher};

use self::feeds::FeedCheck;
use self::records::Records;
use super::{FeedRow, ObservationRow, PointRow, RecordRow, RejectRow, Row, SpanRow, StandingRow, ToldRow};
use crate::ingest::{Standing, StoredVersion};
use crate::{ChangeKind, Event, FeedId, FetchId, KeyHashSet, Layer, Origin, Quarantined, RecordId, Round, VersionNo};

/// Reads the rows of an export in their order and notes what cannot be: content that its hash denies, versions with gaps
/// or without their change, sightings of rounds that never were, rows that are fewer or more than others count, rows out
/// of order.
///
/// It keeps some 300 bytes for each record, and 100 for each version, observation and ended span.
#[derive(Debug, Default)]
pub struct Verifier {
    faults: Vec<String>,
    rows: u64,
    place: Option<Place>,
    feeds: HashMap<FeedId, FeedCheck>,
    records: Records,
    keys: KeyHashSet,
    ended: HashMap<(RecordId, FeedId), Round>,
    /// Where feeds showed records by points.
    pointed: HashSet<(RecordId, FeedId)>,
    last_version: Option<(RecordId, Layer, VersionNo)>,
    told: KeyHashSet,
}

/// Where a row stands in the order of an export.
type Place = (u8, Vec<u8>);

impl Verifier {
    /// Before the first row.
    pub fn new() -> Self {
        Self::default()
    }

    /// Looks at the next row.
    pub fn take(&mut self, row: &Row) {
        self.rows += 1;
        self.check_order(row);
        match row {
            Row::Feed(row) => self.feed(row),
            Row::Observation(row) => self.observation(row),
            Row::Reject(row) => self.reject(row),
            Row::Record(row) => self.record(row),
            Row::Version(stored) => self.version(stored),
            Row::Span(row) => self.span(row),
            Row::Point(row) => self.point(row),
            Row::Standing(row) => self.standing(row),
            Row::Told(row) => self.told(row),
            Row::Event(event) => self.event(event),
        }
    }

    /// What was found so far and not taken yet, one sentence each.
    pub fn faults(&mut self) -> Vec<String> {
        std::mem::take(&mut self.faults)
    }

    /// How many rows were looked at.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// After the last row: what only the whole can tell.
    pub fn finish(&mut self) -> Vec<String> {
        let mut feeds: Vec<_> = self.feeds.iter().collect();
        feeds.sort_unstable_by_key(|(id, _)| **id);
        let deleted = self.records.deleted();
        let mut found = Vec::new();
        for (id, feed) in feeds {
            found.extend(feed.finish(deleted).into_iter().map(|problem| format!("feed {id}: {problem}")));
        }
        // What has a standing was taken away when that was read.
        let mut loose: Vec<_> = self.ended.keys().copied().chain(self.pointed.iter().copied()).collect();
        loose.sort_unstable();
        loose.dedup();
        let standing =
            |(record, feed)| format!("record {record} was seen in feed {feed}, and how it stands there is not");
        found.extend(loose.into_iter().map(standing));
        found.extend(self.records.finish(|feed, fetch| self.feeds.get(&feed)?.observed_at(fetch)));
        self.faults.extend(found);
        self.faults()
    }

    fn fault(&mut self, what: impl Display, problem: impl Display) {
        self.faults.push(format!("{what}: {problem}"));
    }

    fn check_order(&mut self, row: &Row) {
        let place = place_of(row);
        if let Some(before) = &self.place {
            let keyed = !place.1.is_empty();
            if place < *before || (keyed && place == *before) {
                let number = self.rows;
                self.fault(format!("row {number}"), "it is out of order, or there twice");
            }
        }
        self.place = Some(place);
    }

    fn feed(&mut self, row: &FeedRow) {
        let check = FeedCheck::new(row);
        if let Some(rule) = check.rule() {
            self.records.manifest_rule(rule);
        }
        self.feeds.insert(row.feed, check);
    }

    fn observation(&mut self, row: &ObservationRow) {
        let seen = &row.ledger.observation;
        let name = format!("observation {} of feed {}", seen.fetch, seen.feed);
        let Some(feed) = self.feeds.get_mut(&seen.feed) else { return self.fault(name, "the feed is not there") };
        for problem in feed.observation(row) {
            self.fault(&name, problem);
        }
    }

    /// The feed, when it has that observation; else that is a fault.
    fn observed(&mut self, feed: FeedId, fetch: FetchId, what: &str) -> Option<&mut FeedCheck> {
        if !self.feeds.get(&feed).is_some_and(|feed| feed.has(fetch)) {
            self.fault(format!("{what} of feed {feed}"), format!("{fetch} is no observation of that feed"));
            return None;
        }
        self.feeds.get_mut(&feed)
    }

    fn reject(&mut self, row: &RejectRow) {
        let Quarantined { fetch, recorded_at, .. } = row.quarantined;
        let Some(feed) = self.observed(row.feed, fetch, "a reject") else { return };
        feed.reject(row);
        if let Some(problem) = feed.recorded(fetch, recorded_at) {
            self.fault(format!("a reject of feed {}", row.feed), problem);
        }
    }

    fn record(&mut self, row: &RecordRow) {
        if !self.keys.insert(row.key.hash()) {
            self.fault(format!("record {}", row.id), format!("another record has its key {} too", row.key));
        }
        self.records.record(row);
    }

    fn version(&mut self, stored: &StoredVersion) {
        let version = &stored.version;
        let name = format!("{} version {} of record {}", version.layer, version.number, version.record);
        if !self.records.has(version.record) {
            return self.fault(name, "the record is not there");
        }
        let right = match self.last_version {
            Some((record, layer, number)) if (record, layer) == (version.record, version.layer) => number.next(),
            _ => VersionNo::FIRST,
        };
        self.last_version = Some((version.record, version.layer, version.number));
        if version.number != right {
            self.fault(&name, format!("version {right} is missing"));
        }
        for problem in self.records.version(stored) {
            self.fault(&name, problem);
        }
        let Some(Origin { feed, fetch }) = version.origin else { return };
        let late = self.observed(feed, fetch, &name).and_then(|feed| feed.recorded(fetch, version.recorded_at));
        if let Some(problem) = late {
            self.fault(&name, problem);
        }
    }

    fn span(&mut self, row: &SpanRow) {
        let name = format!("the span of record {} in feed {} since round {}", row.record, row.feed, row.since.get());
        if !self.records.has(row.record) {
            self.fault(&name, "the record is not there");
        }
        if row.since > row.until {
            self.fault(&name, "it ends before it begins");
        } else if let Some(feed) = self.had_round(&name, row.feed, row.until) {
            feed.span(row.since, Some(row.until));
        }
        self.records.showed(row.record, row.version);
        let before = self.ended.insert((row.record, row.feed), row.until);
        if before.is_some_and(|until| until >= row.since) {
            self.fault(&name, "it overlaps the one before it");
        }
    }

    /// The feed, when it had that round; else that is a fault.
    fn had_round(&mut self, name: &str, feed: FeedId, round: Round) -> Option<&mut FeedCheck> {
        match self.feeds.get(&feed).map(|feed| feed.had(round)) {
            None => self.fault(name, "the feed is not there"),
            Some(false) => self.fault(name, format!("the feed never had round {}", round.get())),
            Some(true) => {}
        }
        self.feeds.get_mut(&feed).filter(|feed| feed.had(round))
    }

    fn point(&mut self, row: &PointRow) {
        let name = format!("the sighting of record {} by {}", row.record, row.fetch);
        if !self.records.has(row.record) {
            self.fault(&name, "the record is not there");
        }
        if let Some(problem) = self.records.pointed(row.record, row.shown, row.fetch) {
            self.fault(&name, problem);
        }
        if let Some(feed) = self.observed(row.feed, row.fetch, &name) {
            feed.point(row.fetch);
        }
        self.pointed.insert((row.record, row.feed));
    }

    fn standing(&mut self, row: &StandingRow) {
        let name = format!("the standing of record {} in feed {}", row.record, row.feed);
        if !self.records.has(row.record) {
            self.fault(&name, "the record is not there");
        }
        let ended = self.ended.remove(&(row.record, row.feed));
        self.pointed.remove(&(row.record, row.feed));
        let present = match &row.standing {
            Standing::Open(present) => present,
            Standing::Left(absent) => {
                if absent.shown.is_some_and(|shown| !self.records.has_bronze(row.record, shown)) {
                    self.fault(&name, "the version shown is not there");
                }
                return;
            }
        };
        if !self.records.has_bronze(row.record, present.version) {
            self.fault(&name, "the version shown is not there");
        }
        let rule = self.feeds.get(&row.feed).and_then(FeedCheck::rule);
        if let Some(problem) = self.records.shown(row.record, present.shown, rule) {
            self.fault(&name, problem);
        }
        if present.record != row.record {
            self.fault(&name, format!("its open span names record {}", present.record));
        }
        if ended.is_some_and(|until| until >= present.since) {
            self.fault(&name, "its open span overlaps one that ended");
        }
        if let Some(feed) = self.had_round(&name, row.feed, present.since) {
            feed.span(present.since, None);
        }
    }

    fn told(&mut self, row: &ToldRow) {
        if row.first && !self.told.insert(row.key_hash) {
            self.fault("a told sighting", "two of one key say that they were the first");
        }
    }

    fn event(&mut self, event: &Event) {
        if let Some(problem) = self.records.event(event) {
            let record = event.subject.as_ref().map(|subject| subject.record.to_string()).unwrap_or_default();
            self.fault(format!("a change of record {record}"), problem);
        }
        if (event.kind == ChangeKind::Withdrawn) != event.witness.is_some() {
            self.fault("a change", format!("it is {} and names a witness, or the other way", event.kind));
        }
        let (Some(id), Some(fetch)) = (event.feed, event.fetch) else { return };
        let Some(feed) = self.observed(id, fetch, "a change") else { return };
        feed.event(fetch, event);
        if let Some(problem) = feed.recorded(fetch, event.recorded_at) {
            self.fault(format!("a change of feed {id}"), problem);
        }
    }
}

/// A mark of something: those of many, xored, tell whether two sets of them are the same, in whatever order they come.
fn mark(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// The place of a row: its kind, and what rows of that kind are ordered by; nothing for those whose order only the store
/// knows.
fn place_of(row: &Row) -> Place {
    let joined = |keys: &[&[u8]]| keys.concat();
    match row {
        Row::Feed(row) => (0, joined(&[row.feed.as_bytes()])),
        Row::Observation(_) => (1, Vec::new()),
        Row::Reject(_) => (2, Vec::new()),
        Row::Record(row) => (3, joined(&[row.id.as_bytes()])),
        Row::Version(stored) => {
            let version = &stored.version;
            let number = version.number.get().to_be_bytes();
            (4, joined(&[version.record.as_bytes(), &[version.layer.rank()], &number]))
        }
        Row::Span(row) => (5, joined(&[row.record.as_bytes(), row.feed.as_bytes(), &row.since.get().to_be_bytes()])),
        Row::Point(row) => (6, joined(&[row.record.as_bytes(), row.feed.as_bytes(), row.fetch.as_bytes()])),
        Row::Standing(row) => (7, joined(&[row.record.as_bytes(), row.feed.as_bytes()])),
        Row::Told(row) => (8, joined(&[row.key_hash.as_bytes(), row.feed.as_bytes(), row.fetch.as_bytes()])),
        Row::Event(_) => (9, Vec::new()),
    }
}
