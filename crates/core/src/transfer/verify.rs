//! [`Verifier`]: whether the rows of a store are what they can be, told from the rows alone.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;

use super::{FeedRow, ObservationRow, PointRow, RecordRow, Row, SpanRow, StandingRow, ToldRow};
use crate::ingest::{FeedState, Standing, StoredVersion};
use crate::{
    ChangeKind, Content, Counts, Coverage, Event, FeedId, FetchId, KeyHashSet, Layer, RecordId, Round, VersionNo,
};

/// Reads the rows of an export in their order and notes what cannot be: content that its hash denies, versions with gaps,
/// sightings of rounds that never were, counts that the change log denies, rows out of order.
///
/// It keeps some 100 bytes for each record, observation and ended span.
#[derive(Debug, Default)]
pub struct Verifier {
    faults: Vec<String>,
    rows: u64,
    place: Option<Place>,
    feeds: HashMap<FeedId, FeedCheck>,
    records: HashMap<RecordId, Timeline>,
    keys: KeyHashSet,
    ended: HashMap<(RecordId, FeedId), Round>,
    last_version: Option<(RecordId, Layer, VersionNo)>,
    told: KeyHashSet,
}

/// Where a row stands in the order of an export.
type Place = (u8, Vec<u8>);

/// What is known of a record so far.
#[derive(Debug, Default)]
struct Timeline {
    versions: u32,
    /// The current bronze version.
    bronze: Option<VersionNo>,
}

/// What is known of a feed so far.
#[derive(Debug)]
struct FeedCheck {
    state: FeedState,
    rounds: Option<Round>,
    fetches: HashSet<FetchId>,
    told: HashSet<FetchId>,
    open: u64,
    counted: Counts,
    logged: Counts,
}

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
            Row::Reject(row) => self.observed(row.feed, row.quarantined.fetch, "a reject"),
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
        let mut found = Vec::new();
        for (id, feed) in feeds {
            let mut expect = |of: &str, right: u64, counted: u64| {
                if right != counted {
                    found.push(format!("feed {id}: {of} is {right}, but there are {counted}"));
                }
            };
            let round = |round: Option<Round>| round.map_or(0, Round::get);
            expect("the last round", round(feed.state.round), round(feed.rounds));
            let size = feed.state.manifest.as_ref().map_or(0, |manifest| manifest.size);
            expect("the size of the manifest", size, feed.open);
            let (counted, logged) = (&feed.counted, &feed.logged);
            expect("the ledger's count of new items", counted.new, logged.new);
            expect("the ledger's count of changed items", counted.changed, logged.changed);
            expect("the ledger's count of withdrawn items", counted.withdrawn, logged.withdrawn);
            expect("the ledger's count of items scrolled off", counted.scrolled_off, logged.scrolled_off);
            expect("the ledger's count of returned items", counted.returned, logged.returned);
            expect("the ledger's count of gaps", counted.gaps, logged.gaps);
        }
        let mut bare: Vec<_> =
            self.records.iter().filter(|(_, record)| record.versions == 0).map(|(id, _)| *id).collect();
        bare.sort_unstable();
        found.extend(bare.into_iter().map(|id| format!("record {id} has no version")));
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
        let check = FeedCheck {
            state: row.state.clone(),
            rounds: None,
            fetches: HashSet::new(),
            told: HashSet::new(),
            open: 0,
            counted: Counts::default(),
            logged: Counts::default(),
        };
        self.feeds.insert(row.feed, check);
    }

    fn observation(&mut self, row: &ObservationRow) {
        let seen = &row.ledger.observation;
        let name = format!("observation {} of feed {}", seen.fetch, seen.feed);
        let Some(feed) = self.feeds.get_mut(&seen.feed) else { return self.fault(name, "the feed is not there") };
        let mut problems = Vec::new();
        if !feed.fetches.insert(seen.fetch) {
            problems.push("it is there twice".to_owned());
        }
        if let Some(round) = seen.round {
            let right = feed.rounds.map_or(Round::FIRST, Round::next);
            if round != right {
                problems.push(format!("its round is {}, not {}", round.get(), right.get()));
            }
            feed.rounds = Some(round);
            feed.told.insert(seen.fetch);
        }
        match seen.coverage {
            Coverage::Unchanged { of } if !feed.told.contains(&of) => {
                problems.push(format!("it repeats {of}, which is no earlier observation"));
            }
            _ => {}
        }
        let mut sum = Counts::default();
        for (_, part) in &row.parts {
            sum += part.committed.counts;
        }
        let counts = seen.counts;
        if sum != counts {
            problems.push("its counts are not the sum of its parts'".to_owned());
        }
        if counts.seen != counts.new + counts.changed + counts.unchanged + counts.rejected {
            problems.push("seen is not new + changed + unchanged + rejected".to_owned());
        }
        feed.counted += counts;
        for problem in problems {
            self.fault(&name, problem);
        }
    }

    fn observed(&mut self, feed: FeedId, fetch: FetchId, what: &str) {
        if !self.feeds.get(&feed).is_some_and(|feed| feed.fetches.contains(&fetch)) {
            self.fault(format!("{what} of feed {feed}"), format!("{fetch} is no observation of that feed"));
        }
    }

    fn record(&mut self, row: &RecordRow) {
        if !self.keys.insert(row.key.hash()) {
            self.fault(format!("record {}", row.id), format!("another record has its key {} too", row.key));
        }
        self.records.insert(row.id, Timeline::default());
    }

    fn version(&mut self, stored: &StoredVersion) {
        let version = &stored.version;
        let name = format!("{} version {} of record {}", version.layer, version.number, version.record);
        let Some(record) = self.records.get_mut(&version.record) else {
            return self.fault(name, "the record is not there");
        };
        record.versions += 1;
        if version.layer == Layer::Bronze {
            record.bronze = Some(version.number);
        }
        let right = match self.last_version {
            Some((record, layer, number)) if (record, layer) == (version.record, version.layer) => number.next(),
            _ => VersionNo::FIRST,
        };
        self.last_version = Some((version.record, version.layer, version.number));
        if version.number != right {
            self.fault(&name, format!("version {right} is missing"));
        }
        for problem in content_problems(stored) {
            self.fault(&name, problem);
        }
        if let Some(origin) = &version.origin {
            self.observed(origin.feed, origin.fetch, &name);
        }
    }

    fn span(&mut self, row: &SpanRow) {
        let name = format!("the span of record {} in feed {} since round {}", row.record, row.feed, row.since.get());
        if !self.records.contains_key(&row.record) {
            self.fault(&name, "the record is not there");
        }
        self.had_round(&name, row.feed, row.until);
        if row.since > row.until {
            self.fault(&name, "it ends before it begins");
        }
        let before = self.ended.insert((row.record, row.feed), row.until);
        if before.is_some_and(|until| until >= row.since) {
            self.fault(&name, "it overlaps the one before it");
        }
    }

    fn had_round(&mut self, name: &str, feed: FeedId, round: Round) {
        match self.feeds.get(&feed) {
            None => self.fault(name, "the feed is not there"),
            Some(feed) if feed.rounds.is_none_or(|last| last < round) => {
                self.fault(name, format!("the feed never had round {}", round.get()));
            }
            Some(_) => {}
        }
    }

    fn point(&mut self, row: &PointRow) {
        let name = format!("the sighting of record {}", row.record);
        if !self.records.contains_key(&row.record) {
            self.fault(&name, "the record is not there");
        }
        self.observed(row.feed, row.fetch, &name);
    }

    fn standing(&mut self, row: &StandingRow) {
        let name = format!("the standing of record {} in feed {}", row.record, row.feed);
        let shown = match &row.standing {
            Standing::Open(present) => Some(present.shown.version.max(present.version)),
            Standing::Left(absent) => absent.shown,
        };
        match self.records.get(&row.record) {
            None => self.fault(&name, "the record is not there"),
            Some(record) if shown.is_some() && shown > record.bronze => {
                self.fault(&name, "the version shown is not there");
            }
            Some(_) => {}
        }
        let Standing::Open(present) = &row.standing else { return };
        self.had_round(&name, row.feed, present.since);
        if present.record != row.record {
            self.fault(&name, format!("its open span names record {}", present.record));
        }
        if self.ended.get(&(row.record, row.feed)).is_some_and(|until| *until >= present.since) {
            self.fault(&name, "its open span overlaps one that ended");
        }
        if let Some(feed) = self.feeds.get_mut(&row.feed) {
            feed.open += 1;
        }
    }

    fn told(&mut self, row: &ToldRow) {
        if row.first && !self.told.insert(row.key_hash) {
            self.fault("a told sighting", "two of one key say that they were the first");
        }
    }

    fn event(&mut self, event: &Event) {
        let (Some(feed), Some(fetch)) = (event.feed, event.fetch) else { return };
        self.observed(feed, fetch, "a change");
        let Some(feed) = self.feeds.get_mut(&feed) else { return };
        let logged = &mut feed.logged;
        let count = match event.kind {
            ChangeKind::New => &mut logged.new,
            ChangeKind::Changed => &mut logged.changed,
            ChangeKind::Withdrawn => &mut logged.withdrawn,
            ChangeKind::ScrolledOff => &mut logged.scrolled_off,
            ChangeKind::Returned => &mut logged.returned,
            ChangeKind::Gap => &mut logged.gaps,
            ChangeKind::Promoted | ChangeKind::Deleted => return,
        };
        *count += 1;
    }
}

/// What is wrong with a version's texts: a store gives them as they were stored, and their hashes beside them.
fn content_problems(stored: &StoredVersion) -> Vec<String> {
    let version = &stored.version;
    let mut problems = Vec::new();
    match Content::parse(version.content.as_str()) {
        Ok(read) if read.as_str() != version.content.as_str() => {
            problems.push("its content is not canonical".to_owned());
        }
        Ok(read) if read.hash() != version.content.hash() => {
            problems.push(format!(
                "its content has hash {}, but was stored with {}",
                read.hash(),
                version.content.hash()
            ));
        }
        Ok(read) => {
            let under_rule = version.hash_rule.rule().map(|rule| rule.hash(&read));
            if under_rule.is_none_or(|hash| hash != stored.hash) {
                problems.push("the hash that decides is not that of its content under its rule".to_owned());
            }
        }
        Err(error) => problems.push(format!("its content is not JSON that we keep: {error}")),
    }
    if Content::parse(version.metadata.as_str()).map_or(true, |read| read.as_str() != version.metadata.as_str()) {
        problems.push("its metadata is not canonical JSON".to_owned());
    }
    problems
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
