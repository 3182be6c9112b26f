//! The plan: what one batch writes.

use super::leaving::{self, Evidence, Listed};
use super::loaded::returns;
use super::prepare::Entry;
use super::version::{is_held_back, judge, winner};
use super::{
    Candidate, Coverage, Earlier, FeedState, Header, IngestReport, KEY_COLLISION, Known, Loaded, Manifest, Outcome,
    Prepared, Present, Reject, Shown,
};
use crate::{
    ChangeKind, ContentHash, Event, KeyHash, KeyHashMap, KeyHashSet, Layer, NaturalKey, RecordId, Round, SpanEnd,
    Subject, Timestamp, VersionNo,
};

/// A point sighting.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Point {
    /// The record.
    pub record: RecordId,
    /// Its key's hash.
    pub key_hash: KeyHash,
    /// The version and hash it showed.
    pub shown: Shown,
    /// Published, else first seen.
    pub age: Timestamp,
    /// Its place in the document.
    pub ordinal: u32,
    /// The feed holds an open span of the record: a note for whoever applies the plan.
    pub present: bool,
}

/// A record to be made for an item of the batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Its id.
    pub id: RecordId,
    /// Its key's hash.
    pub key_hash: KeyHash,
    /// The item, by index into the batch.
    pub item: usize,
}

/// A bronze version to be appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// The record, which may be one of [`WritePlan::records`].
    pub record: RecordId,
    /// Its key's hash.
    pub key_hash: KeyHash,
    /// Its number.
    pub number: VersionNo,
    /// Its hash under the batch's rule.
    pub hash: ContentHash,
    /// The item that holds the content, by index into the batch.
    pub item: usize,
}

/// A span that begins with this round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSpan {
    /// The record.
    pub record: RecordId,
    /// Its key's hash.
    pub key_hash: KeyHash,
    /// The version it shows, and its hash.
    pub shown: Shown,
    /// Its first round.
    pub since: Round,
    /// Published, else first seen.
    pub age: Timestamp,
}

impl OpenSpan {
    /// The span as it is kept while it is open.
    pub fn to_present(&self) -> Present {
        let Self { record, shown, since, age, .. } = *self;
        Present { record, version: shown.version, since, shown, age }
    }
}

/// A span that ended with the round before this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedSpan {
    /// The record.
    pub record: RecordId,
    /// Its key's hash.
    pub key_hash: KeyHash,
    /// The version it showed.
    pub version: VersionNo,
    /// What the feed showed last of the record, which a later sight is compared with.
    pub shown: Shown,
    /// Its first round.
    pub since: Round,
    /// Its last round.
    pub until: Round,
    /// Why it ended.
    pub end: SpanEnd,
}

/// Everything that one batch writes. Apply the lists in their order here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WritePlan {
    /// Records to make.
    pub records: Vec<NewRecord>,
    /// Versions to append; each becomes its record's current bronze version.
    pub versions: Vec<NewVersion>,
    /// Open spans to end. Unless the end is `Changed`, what the feed showed last has to be kept for its return.
    pub closed: Vec<ClosedSpan>,
    /// Spans to open.
    pub opened: Vec<OpenSpan>,
    /// Open spans that go on, and what the feed showed last of them, hashed under the batch's rule.
    pub rehashed: Vec<(KeyHash, Shown)>,
    /// Point sightings to write; what the feed showed last changes with each.
    pub points: Vec<Point>,
    /// The points of this fetch's earlier parts are covered by spans now: remove them.
    pub absorb_points: bool,
    /// Events for the change log, in order.
    pub events: Vec<Event>,
    /// Rejects to quarantine: the batch's own and the collisions.
    pub rejects: Vec<Reject>,
    /// The ordinals of items that an earlier part of this fetch had told alike: to be kept with the part, for its replay.
    pub retold: Vec<u32>,
    /// The feed as it is after the commit.
    pub feed: FeedState,
    /// The answer.
    pub report: IngestReport,
}

/// What was decided about one key of the batch.
struct Verdict {
    key_hash: KeyHash,
    item: usize,
    record: RecordId,
    shown: Shown,
    age: Timestamp,
    ordinal: u32,
}

impl Prepared {
    /// Whether this is the last part of a Snapshot, which ends and opens spans: then the plan looks at all that the feed
    /// holds and at all that earlier parts have told. Else it looks at the batch's own keys, so that a document in many
    /// parts costs no more than its items.
    pub fn closes_document(&self) -> bool {
        self.batch.part.last && matches!(self.batch.coverage, Coverage::Snapshot { .. })
    }

    /// The batch's own keys, each once, ascending.
    pub fn key_hashes(&self) -> impl Iterator<Item = &KeyHash> {
        self.entries.iter().map(|entry| &entry.key_hash)
    }

    /// The keys of which the store must load what it [`Known`]s, ascending: those that neither an open span nor an earlier
    /// part settles.
    pub fn unsettled(&self, loaded: &Loaded) -> Vec<KeyHash> {
        let settled = |entry: &Entry| {
            if let Some(earlier) = loaded.earlier.get(&entry.key_hash) {
                // Of what differs nobody knows yet whether it was held back.
                return entry.contenders().all(|contender| contender.hash == earlier.shown.hash);
            }
            let present = loaded.present.get(&entry.key_hash);
            entry.rivals.is_empty() && present.is_some_and(|present| present.shown.hash == entry.first.hash)
        };
        self.entries.iter().filter(|entry| !settled(entry)).map(|entry| entry.key_hash).collect()
    }

    /// The records whose keys the events of this batch will name although no item of it does: load [`Loaded::keys`] for
    /// them.
    pub fn unnamed(&self, loaded: &Loaded) -> Vec<RecordId> {
        if !self.closes_document() {
            return Vec::new();
        }
        // Of what earlier parts told only a return is logged now.
        let told = loaded.earlier.values().filter(|told| told.returns()).map(|told| told.record);
        let listed = self.entries.iter().filter(|entry| loaded.present.contains_key(&entry.key_hash)).count();
        if listed == loaded.present.len() {
            // The usual document: nothing has left.
            return told.collect();
        }
        let here = |key_hash: &KeyHash| self.entries.binary_search_by_key(key_hash, |entry| entry.key_hash).is_ok();
        let gone = |key_hash: &KeyHash| !here(key_hash) && !loaded.earlier.contains_key(key_hash);
        let left = loaded.present.iter().filter(|(key_hash, _)| gone(key_hash)).map(|(_, present)| present.record);
        left.chain(told).collect()
    }

    /// The key that has that hash, when an item of the batch has it.
    pub fn key_of(&self, key_hash: &KeyHash) -> Option<&NaturalKey> {
        let at = self.entries.binary_search_by_key(key_hash, |entry| entry.key_hash).ok()?;
        Some(&self.batch.items[self.entries[at].first.item].key)
    }

    /// The hashes that an item of that key has under the batch's rule: what [`Known::matching`] is to be loaded for.
    pub fn hashes_of(&self, key_hash: &KeyHash) -> Vec<ContentHash> {
        let found = self.entries.binary_search_by_key(key_hash, |entry| entry.key_hash).ok();
        found.map(|at| self.entries[at].contenders().map(|contender| contender.hash).collect()).unwrap_or_default()
    }

    /// Decides what the batch writes.
    pub fn plan(&self, header: &Header, loaded: &Loaded) -> WritePlan {
        Planner { prepared: self, header, loaded, plan: WritePlan::default(), verdicts: Vec::new() }.run()
    }
}

struct Planner<'a> {
    prepared: &'a Prepared,
    header: &'a Header,
    loaded: &'a Loaded,
    plan: WritePlan,
    verdicts: Vec<Verdict>,
}

impl Planner<'_> {
    fn run(mut self) -> WritePlan {
        let batch = &self.prepared.batch;
        self.plan.feed = self.header.feed.clone();
        self.plan.rejects.clone_from(&batch.rejects);
        self.plan.report.outcomes = vec![Outcome::Repeated; batch.items.len()];
        // In the order of the document, so that events and versions tell the story as it was published.
        for entry in &self.prepared.document {
            self.decide(&self.prepared.entries[*entry]);
        }
        // Of several items with one key it may be a later one that stands for it.
        self.verdicts.sort_by_key(|verdict| verdict.item);
        self.plan.records.sort_by_key(|record| record.item);
        self.plan.versions.sort_by_key(|version| version.item);
        match batch.coverage {
            Coverage::Snapshot { complete } if self.prepared.closes_document() => self.close_document(complete),
            _ => self.add_points(),
        }
        self.finish()
    }

    /// Judges the items of one key.
    fn decide(&mut self, entry: &Entry) {
        let batch = &self.prepared.batch;
        let present = self.loaded.present.get(&entry.key_hash);
        let known = self.loaded.known.get(&entry.key_hash);
        if let Some(earlier) = self.loaded.earlier.get(&entry.key_hash) {
            // An earlier part of this fetch has told this key: its word stands.
            for contender in entry.contenders() {
                let item = &batch.items[contender.item];
                if contender.hash == earlier.shown.hash || self.was_held_back(earlier, known, item) {
                    self.plan.retold.push(item.ordinal);
                } else {
                    self.collide(contender.item);
                }
            }
            return;
        }
        let shown = present.map(|present| present.shown).or_else(|| known.and_then(|known| known.shown));
        let winner = winner(entry, &batch.items, shown);
        for loser in entry.contenders().filter(|contender| contender.item != winner.item) {
            self.collide(loser.item);
        }
        let item = &batch.items[winner.item];
        let judged = judge(winner.hash, shown, known);
        if judged.append
            && let Some((known, current)) = known.and_then(|known| Some((known, known.current?)))
            && is_held_back(&batch.hash_rule, &item.content, known.churning)
        {
            return self.hold_back(entry, winner.item, known, current);
        }
        let record = present.map(|present| present.record).or_else(|| known.map(|known| known.record));
        let (id, event) = match record {
            Some(id) if judged.version == VersionNo::FIRST => (id, ChangeKind::New),
            Some(id) => (id, ChangeKind::Changed),
            None => {
                let id = RecordId::derive(batch.fetch, &entry.key_hash, batch.observed_at);
                self.plan.records.push(NewRecord { id, key_hash: entry.key_hash, item: winner.item });
                (id, ChangeKind::New)
            }
        };
        let version = judged.version;
        self.plan.report.outcomes[winner.item] = match (judged.append, event) {
            (false, _) => Outcome::Unchanged,
            (true, ChangeKind::New) => Outcome::New { version },
            (true, _) => Outcome::Changed { version },
        };
        if judged.append {
            let hash = winner.hash;
            let (key_hash, item) = (entry.key_hash, winner.item);
            self.plan.versions.push(NewVersion { record: id, key_hash, number: version, hash, item });
        }
        let first_seen = present.map(|present| present.age).or_else(|| known.map(|known| known.first_seen));
        let age = item.published.or(first_seen).unwrap_or(batch.observed_at);
        self.verdicts.push(Verdict {
            key_hash: entry.key_hash,
            item: winner.item,
            record: id,
            shown: Shown { version, hash: winner.hash },
            age,
            ordinal: item.ordinal,
        });
    }

    /// The record churns: what is seen is its current version, and what differs is counted. The standing keeps that
    /// version's own hash, and the manifest no digest, so that the same bytes are judged again when a day is over.
    fn hold_back(&mut self, entry: &Entry, item: usize, known: &Known, current: Shown) {
        let candidate = &self.prepared.batch.items[item];
        self.plan.report.outcomes[item] = Outcome::Unchanged;
        self.plan.report.counts.held_back += 1;
        let first_seen = self.loaded.present.get(&entry.key_hash).map_or(known.first_seen, |present| present.age);
        self.verdicts.push(Verdict {
            key_hash: entry.key_hash,
            item,
            record: known.record,
            shown: current,
            age: candidate.published.unwrap_or(first_seen),
            ordinal: candidate.ordinal,
        });
    }

    /// Whether an item says what an earlier part may have held back. That part left no more than the version it shows for
    /// it, so each content that would be held back now is taken for the one that was; not what a part of this fetch kept.
    fn was_held_back(&self, earlier: &Earlier, known: Option<&Known>, item: &Candidate) -> bool {
        let batch = &self.prepared.batch;
        let Some(known) = known.filter(|known| known.current.is_some_and(|it| it.version == earlier.shown.version))
        else {
            return false;
        };
        let churning = known.churning.filter(|churning| churning.told_by != batch.fetch);
        is_held_back(&batch.hash_rule, &item.content, churning)
    }

    fn collide(&mut self, item: usize) {
        let candidate = &self.prepared.batch.items[item];
        self.plan.report.outcomes[item] = Outcome::Collided;
        self.plan.rejects.push(Reject {
            ordinal: candidate.ordinal,
            key: Some(candidate.key.clone()),
            code: KEY_COLLISION.to_owned(),
            reason: format!("another item of this fetch has the key {:?} and other content", candidate.key.key()),
            excerpt: candidate.content.as_str().chars().take(256).collect(),
        });
    }

    /// Delta, or a part that is not the last: what was seen is a point each; nothing is said of other items.
    fn add_points(&mut self) {
        self.keep_to_one_rule();
        for verdict in std::mem::take(&mut self.verdicts) {
            self.note_version(&verdict);
            let present = self.loaded.present.get(&verdict.key_hash);
            if present.is_some_and(|present| present.shown != verdict.shown)
                && let Some(manifest) = &mut self.plan.feed.manifest
            {
                // The open spans are no longer just what the last document showed.
                manifest.digest = None;
            }
            self.plan.points.push(Point {
                record: verdict.record,
                key_hash: verdict.key_hash,
                shown: verdict.shown,
                age: verdict.age,
                ordinal: verdict.ordinal,
                present: present.is_some(),
            });
        }
        if self.prepared.batch.part.last {
            self.prepared.step_cursor(&mut self.plan.feed);
        }
    }

    /// The hashes of a feed's open spans are all made under one rule, which the manifest names.
    fn keep_to_one_rule(&mut self) {
        let Some(manifest) = &mut self.plan.feed.manifest else { return };
        if manifest.hash_rule != self.prepared.rule {
            manifest.hash_rule = self.prepared.rule.clone();
            manifest.digest = None;
            self.plan.rehashed.extend(self.loaded.present.iter().map(|(key_hash, present)| (*key_hash, present.shown)));
        }
    }

    /// The last part of a Snapshot: spans go on, open and end.
    fn close_document(&mut self, complete: bool) {
        let prepared = self.prepared;
        let mut verdicts = std::mem::take(&mut self.verdicts);
        let told_here = verdicts.len();
        verdicts.extend(self.loaded.earlier.iter().map(|(key_hash, told)| Verdict {
            key_hash: *key_hash,
            item: usize::MAX,
            record: told.record,
            shown: told.shown,
            age: told.age,
            ordinal: told.ordinal,
        }));
        // What earlier parts told comes in no order of its own.
        verdicts[told_here..].sort_by_key(|verdict| verdict.ordinal);
        let last_round = self.plan.feed.round;
        let round = prepared.step(&mut self.plan.feed);
        let rehash = self.plan.feed.manifest.as_ref().is_some_and(|manifest| manifest.hash_rule != prepared.rule);
        let gap_at = self.plan.events.len();

        let mut still_listed = Vec::new();
        for verdict in &verdicts {
            if verdict.item != usize::MAX {
                self.note_version(verdict);
            }
            match self.loaded.present.get(&verdict.key_hash) {
                Some(present) => {
                    still_listed.push(Listed { record: present.record, age: present.age });
                    self.go_on(verdict, present, round, last_round, rehash);
                }
                None => self.enter(verdict, round),
            }
        }

        let mut ages: Vec<(u32, Timestamp)> = verdicts.iter().map(|verdict| (verdict.ordinal, verdict.age)).collect();
        ages.sort_unstable_by_key(|(ordinal, _)| *ordinal);
        let ages: Vec<Timestamp> = ages.into_iter().map(|(_, age)| age).collect();
        let entered = (verdicts.len() - still_listed.len()) as u64;
        let mut leavers: Vec<(&KeyHash, &Present)> = Vec::new();
        let unlisted = unlisted(&self.loaded.present, &verdicts, still_listed.len());
        let rejected = if unlisted.is_empty() { KeyHashSet::default() } else { self.rejected() };
        for (key_hash, present) in unlisted {
            if rejected.contains(key_hash) {
                // A reject with a key counts as present, so it may be a witness too.
                still_listed.push(Listed { record: present.record, age: present.age });
                if rehash {
                    self.plan.rehashed.push((*key_hash, present.shown));
                }
            } else {
                leavers.push((key_hash, present));
            }
        }
        let evidence = Evidence { complete, ages: &ages, listed: &still_listed };
        self.end_spans(&leavers, &evidence, last_round);
        if !leavers.is_empty() && still_listed.is_empty() && !ages.is_empty() {
            self.plan.report.counts.gaps = 1;
            let event = self.event(ChangeKind::Gap, None, None);
            self.plan.events.insert(gap_at, event);
        }

        let kept_open = (self.loaded.present.len() - leavers.len()) as u64;
        // Rejects and items left out would make the digest promise more than the document showed.
        let digest = prepared.manifest_digest().filter(|_| self.plan.report.counts.held_back == 0);
        self.plan.feed.manifest = Some(Manifest {
            told_by: prepared.batch.fetch,
            told_in: round,
            digest,
            size: kept_open + entered,
            hash_rule: prepared.rule.clone(),
        });
        self.plan.absorb_points = !self.loaded.earlier.is_empty();
        self.plan.report.round = Some(round);
    }

    /// The keys of rejects of this part and of earlier ones.
    fn rejected(&self) -> KeyHashSet {
        let here = self.prepared.batch.rejects.iter().filter_map(|reject| Some(reject.key.as_ref()?.hash()));
        here.chain(self.loaded.rejected.iter().copied()).collect()
    }

    fn go_on(&mut self, verdict: &Verdict, present: &Present, round: Round, last_round: Option<Round>, rehash: bool) {
        if present.version != verdict.shown.version {
            self.close(&verdict.key_hash, present, last_round, SpanEnd::Changed);
            self.open(verdict, round);
        } else if rehash || present.shown != verdict.shown {
            self.plan.rehashed.push((verdict.key_hash, verdict.shown));
        }
    }

    fn enter(&mut self, verdict: &Verdict, round: Round) {
        let left = match self.loaded.earlier.get(&verdict.key_hash) {
            Some(told) => told.left,
            None => self.loaded.known.get(&verdict.key_hash).and_then(|known| known.left),
        };
        if returns(left) {
            self.plan.report.counts.returned += 1;
            let key = self.key_of(verdict);
            let event = self.event(ChangeKind::Returned, key.map(|key| subject(verdict, key)), None);
            self.plan.events.push(event);
        }
        self.open(verdict, round);
    }

    fn end_spans(&mut self, leavers: &[(&KeyHash, &Present)], evidence: &Evidence<'_>, last_round: Option<Round>) {
        let silent = leaving::tells_nothing(evidence);
        let oldest = leaving::oldest(evidence.listed);
        for (key_hash, present) in leavers {
            let (end, witness) = if silent { (SpanEnd::Unknown, None) } else { leaving::reason(present.age, oldest) };
            self.close(key_hash, present, last_round, end);
            let kind = match end {
                SpanEnd::Withdrawn => {
                    self.plan.report.counts.withdrawn += 1;
                    ChangeKind::Withdrawn
                }
                SpanEnd::ScrolledOff => {
                    self.plan.report.counts.scrolled_off += 1;
                    ChangeKind::ScrolledOff
                }
                SpanEnd::Changed | SpanEnd::Unknown => continue,
            };
            let subject = self.loaded.keys.get(&present.record).map(|key| Subject {
                record: present.record,
                key: key.clone(),
                layer: Some(Layer::Bronze),
                version: Some(present.version),
            });
            let event = self.event(kind, subject, witness);
            self.plan.events.push(event);
        }
    }

    fn close(&mut self, key_hash: &KeyHash, present: &Present, last_round: Option<Round>, end: SpanEnd) {
        self.plan.closed.push(ClosedSpan {
            record: present.record,
            key_hash: *key_hash,
            version: present.version,
            shown: present.shown,
            since: present.since,
            until: last_round.unwrap_or(present.since),
            end,
        });
    }

    fn open(&mut self, verdict: &Verdict, round: Round) {
        self.plan.opened.push(OpenSpan {
            record: verdict.record,
            key_hash: verdict.key_hash,
            shown: verdict.shown,
            since: round,
            age: verdict.age,
        });
    }

    /// Logs `new` or `changed` when this item appended a version.
    fn note_version(&mut self, verdict: &Verdict) {
        let kind = match self.plan.report.outcomes[verdict.item] {
            Outcome::New { .. } => ChangeKind::New,
            Outcome::Changed { .. } => ChangeKind::Changed,
            _ => return,
        };
        let key = self.key_of(verdict);
        let event = self.event(kind, key.map(|key| subject(verdict, key)), None);
        self.plan.events.push(event);
    }

    fn key_of(&self, verdict: &Verdict) -> Option<NaturalKey> {
        let item = self.prepared.batch.items.get(verdict.item);
        item.map(|item| item.key.clone()).or_else(|| self.loaded.keys.get(&verdict.record).cloned())
    }

    fn event(&self, kind: ChangeKind, subject: Option<Subject>, witness: Option<RecordId>) -> Event {
        let batch = &self.prepared.batch;
        Event {
            kind,
            subject,
            feed: Some(batch.feed),
            fetch: Some(batch.fetch),
            witness,
            recorded_at: batch.recorded_at,
        }
    }

    fn finish(mut self) -> WritePlan {
        let mut told = self.plan.report.counts;
        for outcome in &self.plan.report.outcomes {
            match outcome {
                Outcome::New { .. } => told.new += 1,
                Outcome::Changed { .. } => told.changed += 1,
                Outcome::Unchanged => told.unchanged += 1,
                Outcome::Repeated => told.repeated += 1,
                Outcome::Collided => {}
            }
        }
        told.rejected = self.plan.rejects.len() as u64;
        told.seen = told.new + told.changed + told.unchanged + told.rejected;
        self.plan.report.counts = told;
        self.plan.report.revision = self.plan.feed.revision;
        self.plan
    }
}

/// The open spans whose keys the document does not list, in the order of the keys; it lists `listed` of the others.
fn unlisted<'a>(
    present: &'a KeyHashMap<Present>,
    verdicts: &[Verdict],
    listed: usize,
) -> Vec<(&'a KeyHash, &'a Present)> {
    if listed == present.len() {
        return Vec::new();
    }
    let here: KeyHashSet = verdicts.iter().map(|verdict| verdict.key_hash).collect();
    let mut unlisted: Vec<_> = present.iter().filter(|(key_hash, _)| !here.contains(key_hash)).collect();
    unlisted.sort_unstable_by_key(|(key_hash, _)| **key_hash);
    unlisted
}

fn subject(verdict: &Verdict, key: NaturalKey) -> Subject {
    Subject { record: verdict.record, key, layer: Some(Layer::Bronze), version: Some(verdict.shown.version) }
}
