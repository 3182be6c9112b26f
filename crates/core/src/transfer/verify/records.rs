//! What a record's rows say of one another: its versions, what feeds showed of them, and the changes that were logged.

use std::collections::{HashMap, HashSet};

use super::mark;
use crate::ingest::{Shown, StoredVersion};
use crate::transfer::RecordRow;
use crate::{
    ChangeKind, Content, ContentHash, Event, FeedId, FetchId, HashRuleId, KeyHash, Layer, RecordId, Timestamp,
    VersionNo,
};

/// What is known of all records so far.
#[derive(Debug, Default)]
pub(super) struct Records {
    held: HashMap<RecordId, Timeline>,
    /// Rules that versions or manifests are hashed under, by number.
    rules: Vec<HashRuleId>,
    /// Those of manifests.
    of_manifests: HashSet<u32>,
    /// The hashes of bronze versions under rules of manifests that are not their own.
    other_hashes: HashMap<(RecordId, VersionNo, u32), ContentHash>,
    logged: HashMap<RecordId, Logged>,
    /// Versions that are shown and not there: they may have been deleted.
    unfounded: Vec<(RecordId, String)>,
    /// Records of which something was deleted.
    touched: HashSet<RecordId>,
    deleted: u64,
}

/// What is known of a record so far.
#[derive(Debug)]
struct Timeline {
    key_hash: KeyHash,
    first_seen: Timestamp,
    layers: Layers,
    bronze: Vec<Bronze>,
}

/// Versions, by the rank of their layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Layers {
    counted: [u32; 3],
    /// Of the number, the fetch and the time of each.
    marks: [u64; 3],
}

/// What the change log tells of a record.
#[derive(Debug, Default)]
struct Logged {
    /// Since it, or that layer, was last deleted.
    layers: Layers,
    /// The feed and fetch that captured it first; `None` when a call wrote it.
    born: Option<(FeedId, FetchId)>,
}

impl Layers {
    fn add(&mut self, layer: Layer, number: Option<VersionNo>, by: Option<FetchId>, at: Timestamp) -> u32 {
        let rank = usize::from(layer.rank());
        self.counted[rank] += 1;
        self.marks[rank] ^= mark((number, by, at.as_micros()));
        self.counted[rank]
    }

    fn clear(&mut self, layer: Layer) {
        let rank = usize::from(layer.rank());
        (self.counted[rank], self.marks[rank]) = (0, 0);
    }
}

/// A bronze version.
#[derive(Debug)]
struct Bronze {
    hash: ContentHash,
    rule: u32,
    /// The fetch that appended it.
    by: Option<FetchId>,
}

impl Records {
    /// Notes a rule that open spans are hashed under.
    pub(super) fn manifest_rule(&mut self, rule: &HashRuleId) {
        let number = self.rule(rule);
        self.of_manifests.insert(number);
    }

    pub(super) fn record(&mut self, row: &RecordRow) {
        let RecordRow { id, key, first_seen, .. } = row;
        let (key_hash, first_seen) = (key.hash(), *first_seen);
        self.held.insert(*id, Timeline { key_hash, first_seen, layers: Layers::default(), bronze: Vec::new() });
    }

    pub(super) fn has(&self, id: RecordId) -> bool {
        self.held.contains_key(&id)
    }

    /// How many deletes were logged, of whole records and of layers.
    pub(super) fn deleted(&self) -> u64 {
        self.deleted
    }

    /// Takes the next version of a record that is there; what is wrong with its texts.
    pub(super) fn version(&mut self, stored: &StoredVersion) -> Vec<String> {
        let version = &stored.version;
        let rule = self.rule(&version.hash_rule);
        let (problems, content) = content_problems(stored);
        if version.layer == Layer::Bronze
            && let Some(content) = content
        {
            for other in self.of_manifests.iter().filter(|other| **other != rule) {
                if let Some(hash) = self.rules[*other as usize].rule().map(|rule| rule.hash(&content)) {
                    self.other_hashes.insert((version.record, version.number, *other), hash);
                }
            }
        }
        let Some(record) = self.held.get_mut(&version.record) else { return problems };
        let by = version.origin.as_ref().map(|origin| origin.fetch);
        record.layers.add(version.layer, Some(version.number), by, version.recorded_at);
        if version.layer == Layer::Bronze {
            record.bronze.push(Bronze { hash: stored.hash, rule, by });
        }
        problems
    }

    /// What is wrong with what a feed showed last of a record, hashed under the feed's rule.
    pub(super) fn shown(&self, record: RecordId, shown: Shown, rule: Option<&HashRuleId>) -> Option<String> {
        let Some(version) = self.bronze(record, shown.version) else { return Some(missing(shown.version)) };
        let rule = rule.and_then(|rule| self.rules.iter().position(|known| known == rule));
        let rule = u32::try_from(rule?).ok()?;
        let right =
            if version.rule == rule { version.hash } else { *self.other_hashes.get(&(record, shown.version, rule))? };
        (right != shown.hash).then(|| differs(shown, right))
    }

    /// What is wrong with what a point shows. Under which rule its hash was made is known where its fetch made the
    /// version.
    pub(super) fn pointed(&mut self, record: RecordId, shown: Shown, fetch: FetchId) -> Option<String> {
        self.showed(record, shown.version);
        let version = self.bronze(record, shown.version).filter(|version| version.by == Some(fetch))?;
        (version.hash != shown.hash).then(|| differs(shown, version.hash))
    }

    /// A feed showed that version of the record once.
    pub(super) fn showed(&mut self, record: RecordId, version: VersionNo) {
        if self.has(record) && !self.has_bronze(record, version) {
            self.unfounded.push((record, missing(version)));
        }
    }

    /// Whether a record has that bronze version.
    pub(super) fn has_bronze(&self, record: RecordId, number: VersionNo) -> bool {
        self.bronze(record, number).is_some()
    }

    fn bronze(&self, record: RecordId, number: VersionNo) -> Option<&Bronze> {
        self.held.get(&record)?.bronze.get(usize::try_from(number.get() - 1).ok()?)
    }

    /// Takes the next change; what is wrong with the version that it names.
    pub(super) fn event(&mut self, event: &Event) -> Option<String> {
        let subject = event.subject.as_ref()?;
        if event.kind == ChangeKind::Deleted {
            self.deleted += 1;
            self.touched.insert(subject.record);
            match (subject.layer, self.logged.get_mut(&subject.record)) {
                (Some(layer), Some(logged)) => logged.layers.clear(layer),
                (None, _) => drop(self.logged.remove(&subject.record)),
                (Some(_), None) => {}
            }
            return None;
        }
        if !matches!(event.kind, ChangeKind::New | ChangeKind::Changed | ChangeKind::Promoted) {
            if let Some(version) = subject.version {
                self.showed(subject.record, version);
            }
            let captured = subject.layer == Some(Layer::Bronze);
            return (!captured).then(|| format!("it is {} and not of bronze", event.kind));
        }
        let layer = subject.layer?;
        let logged = self.logged.entry(subject.record).or_default();
        if logged.layers == Layers::default() {
            logged.born = event.feed.zip(event.fetch);
        }
        let right = logged.layers.add(layer, subject.version, event.fetch, event.recorded_at);
        let told = subject.version.map_or(0, VersionNo::get);
        (told != right).then(|| format!("it names {layer} version {told}, and {right} comes next"))
    }

    /// After the last row: what only the whole can tell. `observed_at` is when an observation read its feed.
    pub(super) fn finish(&self, observed_at: impl Fn(FeedId, FetchId) -> Option<Timestamp>) -> Vec<String> {
        let mut ids: Vec<RecordId> = self.held.keys().chain(self.logged.keys()).copied().collect();
        ids.sort_unstable();
        ids.dedup();
        let mut found = Vec::new();
        for id in ids {
            let (held, logged) = (self.held.get(&id), self.logged.get(&id));
            let there = held.map(|record| record.layers).unwrap_or_default();
            if held.is_some() && there.counted == [0; 3] {
                found.push(format!("record {id} has no version"));
            }
            let told = logged.map(|logged| logged.layers).unwrap_or_default();
            for (rank, layer) in Layer::ALL.into_iter().enumerate() {
                let (held, logged) = (there.counted[rank], told.counted[rank]);
                if held != logged {
                    found.push(format!("record {id} has {held} {layer} versions, but the change log has {logged}"));
                } else if there.marks[rank] != told.marks[rank] {
                    let problem = "are of other fetches or times than the change log tells";
                    found.push(format!("the {layer} versions of record {id} {problem}"));
                }
            }
            if let Some(problem) = held.and_then(|held| held.birth(id, logged?.born?, &observed_at)) {
                found.push(format!("record {id}: {problem}"));
            }
        }
        let told = self.unfounded.iter().filter(|(id, _)| !self.touched.contains(id));
        found.extend(told.map(|(id, problem)| format!("a sighting of record {id}: {problem}")));
        found
    }

    /// The number of a rule.
    fn rule(&mut self, rule: &HashRuleId) -> u32 {
        let known = self.rules.iter().position(|known| known == rule);
        let at = known.unwrap_or_else(|| {
            self.rules.push(rule.clone());
            self.rules.len() - 1
        });
        u32::try_from(at).expect("there are a few rules")
    }
}

impl Timeline {
    /// What is wrong with the id and the time of a record that a fetch captured.
    fn birth(
        &self,
        id: RecordId,
        (feed, fetch): (FeedId, FetchId),
        observed_at: impl Fn(FeedId, FetchId) -> Option<Timestamp>,
    ) -> Option<String> {
        let right = observed_at(feed, fetch)?;
        if self.first_seen != right {
            return Some(format!("it was first seen at {}, but captured by {fetch} at {right}", self.first_seen));
        }
        let derived = RecordId::derive(fetch, &self.key_hash, right);
        (derived != id).then(|| format!("what {fetch} captured by its key has the id {derived}"))
    }
}

fn missing(version: VersionNo) -> String {
    format!("version {version}, which it shows, is not there")
}

fn differs(shown: Shown, right: ContentHash) -> String {
    format!("it shows version {} with hash {}, but that has {right}", shown.version, shown.hash)
}

/// What is wrong with a version's texts: a store gives them as they were stored, and their hashes beside them. And its
/// content, as it was read.
fn content_problems(stored: &StoredVersion) -> (Vec<String>, Option<Content>) {
    let version = &stored.version;
    let mut problems = Vec::new();
    let read = Content::parse(version.content.as_str());
    match &read {
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
            let under_rule = version.hash_rule.rule().map(|rule| rule.hash(read));
            if under_rule.is_none_or(|hash| hash != stored.hash) {
                problems.push("the hash that decides is not that of its content under its rule".to_owned());
            }
        }
        Err(error) => problems.push(format!("its content is not JSON that we keep: {error}")),
    }
    if Content::parse(version.metadata.as_str()).map_or(true, |read| read.as_str() != version.metadata.as_str()) {
        problems.push("its metadata is not canonical JSON".to_owned());
    }
    (problems, read.ok())
}
