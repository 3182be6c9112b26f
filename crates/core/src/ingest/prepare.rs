//! What can be said of a batch before its store is asked, and of a feed's header before its items are.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::{
    Candidate, Counts, Coverage, CursorStep, FeedCursor, IngestBatch, IngestReport, KEY_COLLISION, Outcome, WritePlan,
};
use crate::json::Json;
use crate::{
    Content, ContentHash, FetchId, HashRuleId, KeyHash, KeyHashMap, Result, Round, StorageError, Timestamp, VersionNo,
};

/// SHA-256 over what a batch says, its own times left out: a batch that is submitted again has the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchDigest(pub [u8; 32]);

/// SHA-256 over the keys and hashes of a document in key order: documents that show the same have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ManifestDigest(pub [u8; 32]);

/// A batch, checked, its items grouped by key.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(super) batch: IngestBatch,
    pub(super) digest: BatchDigest,
    /// One for each distinct key, ascending by hash: writers that touch the same keys touch them in the same order.
    pub(super) entries: Vec<Entry>,
    /// Indexes into `entries`, in the order of the document.
    pub(super) document: Vec<usize>,
    pub(super) rule: HashRuleId,
    /// `None` where the cursor stays.
    next_cursor: Option<Content>,
    manifest_digest: Option<ManifestDigest>,
}

/// The items of one key.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key_hash: KeyHash,
    pub(super) first: Contender,
    /// Other items of that key whose content differs from the first's and from one another's.
    pub(super) rivals: Vec<Contender>,
}

/// An item that may stand for its key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contender {
    /// Index into the batch's items.
    pub(super) item: usize,
    /// Its hash under the batch's rule.
    pub(super) hash: ContentHash,
}

impl Entry {
    pub(super) fn contenders(&self) -> impl Iterator<Item = Contender> + '_ {
        std::iter::once(self.first).chain(self.rivals.iter().copied())
    }

    /// Takes a further item of the key. Of items with one hash, which differ at most in what no version is made of, one
    /// stands for all, whatever the order of the document. `places` are those of the rivals by their hashes, once they are
    /// more than a few: a key may be that of every item.
    fn take(&mut self, further: Contender, items: &[Candidate], places: &mut HashMap<ContentHash, usize>) {
        let held = if self.first.hash == further.hash {
            Some(&mut self.first)
        } else if self.rivals.len() < FEW_RIVALS {
            self.rivals.iter_mut().find(|held| held.hash == further.hash)
        } else {
            if places.is_empty() {
                places.extend(self.rivals.iter().enumerate().map(|(place, rival)| (rival.hash, place)));
            }
            places.get(&further.hash).map(|place| &mut self.rivals[*place])
        };
        match held {
            Some(held) if stands_before(&items[further.item], &items[held.item]) => *held = further,
            Some(_) => {}
            None => {
                if !places.is_empty() {
                    places.insert(further.hash, self.rivals.len());
                }
                self.rivals.push(further);
            }
        }
    }
}

/// Whether an item stands for another of the same key and hash: the latest updated, else the latest published, else the
/// smaller content, else the earlier key rule. Of two that are equal in all neither does.
fn stands_before(item: &Candidate, other: &Candidate) -> bool {
    let dates = (item.updated, item.published).cmp(&(other.updated, other.published));
    let contents = || other.content.as_str().cmp(item.content.as_str());
    dates.then_with(contents).then_with(|| other.key_rule.cmp(&item.key_rule)).is_gt()
}

/// So many rivals are looked through one by one.
const FEW_RIVALS: usize = 8;

/// What a store keeps of a feed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FeedState {
    /// The cursor's revision; 0 when it was never set.
    pub revision: u64,
    /// The cursor: as text, which is what most who load it hand on.
    pub cursor: Option<Content>,
    /// The last round.
    pub round: Option<Round>,
    /// What the feed was last known to hold.
    pub manifest: Option<Manifest>,
}

/// What a feed was last known to hold, in brief; the items are its open spans.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Manifest {
    /// The fetch of the last Snapshot.
    pub told_by: FetchId,
    /// Its round.
    pub told_in: Round,
    /// `None` when the open spans are not just what that document showed.
    pub digest: Option<ManifestDigest>,
    /// How many spans are open.
    pub size: u64,
    /// The rule under which the open spans' hashes were made.
    pub hash_rule: HashRuleId,
}

impl FeedState {
    /// Notes that an open span was taken away by a delete: the next full document has to be looked at item by item.
    pub fn lose_span(&mut self) {
        if let Some(manifest) = &mut self.manifest {
            manifest.digest = None;
            manifest.size -= 1;
        }
    }

    /// What [`crate::StorageBackend::cursor`] answers.
    ///
    /// # Errors
    /// `Corrupt`: what was stored of the cursor is no JSON.
    pub fn to_cursor(&self) -> Result<Option<FeedCursor>> {
        let Some(text) = &self.cursor else { return Ok(None) };
        let value = Json::parse(text.as_str()).map_err(|error| {
            StorageError::corrupt("the store holds what cannot be: a feed's cursor").with_source(error)
        })?;
        let manifest = self.manifest.as_ref().map(|manifest| manifest.told_by);
        Ok(Some(FeedCursor { revision: self.revision, value, manifest }))
    }
}

/// What the store must know of the feed and the fetch before anything else.
#[derive(Debug, Clone, Default)]
pub struct Header {
    /// The feed; the default when it was never ingested into.
    pub feed: FeedState,
    /// This very part, when it was committed before.
    pub committed: Option<Committed>,
    /// What earlier parts said of this fetch; `None` when this is the first.
    pub begun: Option<Begun>,
    /// For an Unchanged batch: the round of the fetch that it names, when that is an observation of this feed.
    pub of_round: Option<Round>,
    /// Whether the ledger of fetches, where it lies in the same store, has the fetch as interrupted.
    pub interrupted: bool,
}

/// A fetch of which parts were committed.
#[derive(Debug, Clone, Copy)]
pub struct Begun {
    /// When they said the feed was read.
    pub observed_at: Timestamp,
    /// What they covered.
    pub coverage: Coverage,
    /// The last part is among them.
    pub ended: bool,
}

/// A part that was committed before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Committed {
    /// The digest of the batch that was committed.
    pub digest: BatchDigest,
    /// The round it got.
    pub round: Option<Round>,
    /// The revision after it.
    pub revision: u64,
    /// What was counted.
    pub counts: Counts,
    /// [`WritePlan::retold`] of it.
    pub retold: Vec<u32>,
}

/// What is to be done after a look at the header.
#[derive(Debug)]
pub enum Begin {
    /// The part was committed before: load what it made and answer with [`Prepared::replay`].
    Replay(Committed),
    /// Nothing about the items has changed: write this, load nothing.
    Settled(Box<WritePlan>),
    /// Load the open spans, then what [`Prepared::unsettled`] asks for.
    Judge,
}

impl Prepared {
    /// Checks a batch and groups its items by key.
    ///
    /// # Errors
    /// `Invalid`: an Unchanged batch with items or in parts, ordinals that do not ascend, a cursor nested too deep.
    pub fn new(batch: IngestBatch) -> Result<Self> {
        check(&batch)?;
        let keyed: Vec<(KeyHash, Contender)> = batch
            .items
            .iter()
            .enumerate()
            .map(|(item, candidate)| {
                (candidate.key.hash(), Contender { item, hash: batch.hash_rule.hash(&candidate.content) })
            })
            .collect();
        let next_cursor = match &batch.step {
            CursorStep::Keep => None,
            CursorStep::Advance { next, .. } => Some(Content::new(next)),
        };
        let digest = digest_of(&batch, &keyed);
        let mut entries: Vec<Entry> = Vec::with_capacity(keyed.len());
        let mut places = HashMap::new();
        for (key_hash, contender) in by_key(&keyed).map(|item| keyed[item]) {
            if let Some(entry) = entries.last_mut().filter(|entry| entry.key_hash == key_hash) {
                entry.take(contender, &batch.items, &mut places);
            } else {
                places.clear();
                entries.push(Entry { key_hash, first: contender, rivals: Vec::new() });
            }
        }
        let mut first_of = vec![None; keyed.len()];
        for (at, entry) in entries.iter().enumerate() {
            first_of[entry.first.item] = Some(at);
        }
        let document = first_of.into_iter().flatten().collect();
        let manifest_digest = manifest_digest_of(&batch, &entries);
        Ok(Self { rule: batch.hash_rule.id(), batch, next_cursor, digest, entries, document, manifest_digest })
    }

    /// The batch.
    pub fn batch(&self) -> &IngestBatch {
        &self.batch
    }

    /// The batch's digest, to be kept with the observation.
    pub fn digest(&self) -> BatchDigest {
        self.digest
    }

    /// The item at that index of the batch.
    pub fn item(&self, index: usize) -> &Candidate {
        &self.batch.items[index]
    }

    /// Decides what can be decided by the feed's header alone.
    ///
    /// # Errors
    /// `Invalid`: the part was committed with another digest; it follows the last; parts that disagree on when the feed
    /// was read or on what they cover; an Unchanged batch and no manifest. `Conflict`: the cursor moved on, or would be moved by
    /// a fetch that was marked interrupted; an Unchanged batch that names a manifest of the past.
    pub fn begin(&self, header: &Header) -> Result<Begin> {
        let batch = &self.batch;
        if let Some(committed) = &header.committed {
            if committed.digest == self.digest {
                return Ok(Begin::Replay(committed.clone()));
            }
            return Err(StorageError::invalid(format!(
                "part {} of fetch {} was committed with other content",
                batch.part.index, batch.fetch
            )));
        }
        if let Some(begun) = &header.begun {
            self.check_part(begun)?;
        }
        let advances = matches!(batch.step, CursorStep::Advance { .. });
        if advances && header.interrupted {
            return Err(StorageError::conflict(format!(
                "fetch {} was given up: another process fetches feed {} now",
                batch.fetch, batch.feed
            )));
        }
        if let CursorStep::Advance { expected, .. } = &batch.step
            && *expected != header.feed.revision
        {
            return Err(StorageError::conflict(format!(
                "feed {} is at revision {}, not {expected}: another fetch was committed first",
                batch.feed, header.feed.revision
            )));
        }
        match batch.coverage {
            Coverage::Unchanged { of } => self.settle_unchanged(header, of),
            Coverage::Snapshot { complete: true }
                if header.feed.manifest.as_ref().is_some_and(|held| self.shows(held)) =>
            {
                let outcomes = self.outcomes(|_| Outcome::Unchanged);
                let seen = self.entries.len() as u64;
                let repeated = (batch.items.len() - self.entries.len()) as u64;
                let counts = Counts { seen, unchanged: seen, repeated, ..Counts::default() };
                Ok(Begin::Settled(Box::new(self.one_row(header, counts, outcomes, true))))
            }
            _ => Ok(Begin::Judge),
        }
    }

    fn check_part(&self, begun: &Begun) -> Result<()> {
        let batch = &self.batch;
        let wrong = if begun.ended {
            "has had its last part"
        } else if begun.observed_at != batch.observed_at {
            "has parts that differ in observed_at"
        } else if std::mem::discriminant(&begun.coverage) != std::mem::discriminant(&batch.coverage) {
            "has parts that differ in what they cover"
        } else {
            return Ok(());
        };
        Err(StorageError::invalid(format!("fetch {} {wrong} (part {})", batch.fetch, batch.part.index)))
    }

    /// Rebuilds the answer to a part that was committed before.
    ///
    /// `made` are the versions that this part appended; `collided` the ordinals that it quarantined as
    /// [`KEY_COLLISION`].
    pub fn replay(&self, committed: &Committed, made: &KeyHashMap<VersionNo>, collided: &[u32]) -> IngestReport {
        let outcomes = self.outcomes(|entry| match made.get(&entry.key_hash) {
            Some(&version) if version == VersionNo::FIRST => Outcome::New { version },
            Some(&version) => Outcome::Changed { version },
            None => Outcome::Unchanged,
        });
        let (collided, retold) = (ordinals(collided), ordinals(&committed.retold));
        let outcomes = outcomes.into_iter().zip(&self.batch.items).map(|(outcome, item)| match item.ordinal {
            ordinal if collided.contains(&ordinal) => Outcome::Collided,
            ordinal if retold.contains(&ordinal) => Outcome::Repeated,
            _ => outcome,
        });
        IngestReport {
            round: committed.round,
            revision: committed.revision,
            counts: committed.counts,
            outcomes: outcomes.collect(),
            replayed: true,
        }
    }

    /// One outcome for each item: that of its entry for the first contender and its rivals, repeated for the rest.
    fn outcomes(&self, of: impl Fn(&Entry) -> Outcome) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Repeated; self.batch.items.len()];
        for entry in &self.entries {
            for contender in entry.contenders() {
                outcomes[contender.item] = of(entry);
            }
        }
        outcomes
    }

    fn settle_unchanged(&self, header: &Header, of: FetchId) -> Result<Begin> {
        let Some(manifest) = &header.feed.manifest else {
            return Err(StorageError::invalid(format!(
                "feed {} has no manifest that could be unchanged",
                self.batch.feed
            )));
        };
        if header.of_round.is_none_or(|round| round < manifest.told_in) {
            return Err(StorageError::conflict(format!(
                "fetch {of} does not name what feed {} holds now",
                self.batch.feed
            )));
        }
        let counts = Counts { seen: manifest.size, unchanged: manifest.size, ..Counts::default() };
        Ok(Begin::Settled(Box::new(self.one_row(header, counts, Vec::new(), false))))
    }

    /// Whether the batch is a document that shows just what the feed was last known to hold.
    pub fn shows(&self, manifest: &Manifest) -> bool {
        manifest.hash_rule == self.rule && manifest.digest.is_some() && manifest.digest == self.manifest_digest
    }

    /// The plan that writes one ledger row and nothing else.
    fn one_row(&self, header: &Header, counts: Counts, outcomes: Vec<Outcome>, retold: bool) -> WritePlan {
        let mut feed = header.feed.clone();
        let round = self.step(&mut feed);
        let revision = feed.revision;
        if retold && let Some(manifest) = &mut feed.manifest {
            // A Snapshot that shows the same begins a chain of its own: an Unchanged batch may name it.
            manifest.told_by = self.batch.fetch;
            manifest.told_in = round;
        }
        WritePlan {
            feed,
            report: IngestReport { round: Some(round), revision, counts, outcomes, replayed: false },
            ..WritePlan::default()
        }
    }

    /// Moves the feed one round on, and its cursor as the batch says.
    pub(super) fn step(&self, feed: &mut FeedState) -> Round {
        let round = feed.round.map_or(Round::FIRST, Round::next);
        feed.round = Some(round);
        self.step_cursor(feed);
        round
    }

    pub(super) fn step_cursor(&self, feed: &mut FeedState) {
        if let Some(next) = &self.next_cursor {
            feed.revision += 1;
            feed.cursor = Some(next.clone());
        }
    }

    /// What [`Manifest::digest`] will be; `None` when the batch does not show all that the feed holds.
    pub fn manifest_digest(&self) -> Option<ManifestDigest> {
        self.manifest_digest
    }
}

fn ordinals(all: &[u32]) -> HashSet<u32> {
    all.iter().copied().collect()
}

fn check(batch: &IngestBatch) -> Result<()> {
    let unchanged = matches!(batch.coverage, Coverage::Unchanged { .. });
    if unchanged && !(batch.items.is_empty() && batch.rejects.is_empty()) {
        return Err(StorageError::invalid("an Unchanged batch holds no items and no rejects"));
    }
    if unchanged && (!batch.part.last || batch.part.index != 0) {
        return Err(StorageError::invalid("an Unchanged batch comes in one part"));
    }
    if !batch.items.is_sorted_by(|a, b| a.ordinal < b.ordinal) {
        return Err(StorageError::invalid("the items' ordinals must ascend"));
    }
    if matches!(&batch.step, CursorStep::Advance { next, .. } if !next.fits()) {
        return Err(StorageError::invalid("the cursor is nested too deep to be read back"));
    }
    if let Some(reject) = batch.rejects.iter().find(|reject| reject.code == KEY_COLLISION) {
        return Err(StorageError::invalid(format!("{KEY_COLLISION} is the store's to say (item {})", reject.ordinal)));
    }
    Ok(())
}

/// The items by key, those of one key in the order of the document. Sorted by the first bytes of the hashes, which hardly
/// ever are the same: a fifth of what would have to be moved about.
fn by_key(keyed: &[(KeyHash, Contender)]) -> impl Iterator<Item = usize> + use<> {
    let head = |key_hash: &KeyHash| {
        let (head, _) = key_hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
        u64::from_be_bytes(*head)
    };
    let mut order: Vec<(u64, usize)> =
        keyed.iter().enumerate().map(|(item, (key_hash, _))| (head(key_hash), item)).collect();
    order.sort_unstable_by(|(a, item), (b, other)| {
        a.cmp(b).then_with(|| keyed[*item].0.cmp(&keyed[*other].0)).then_with(|| item.cmp(other))
    });
    order.into_iter().map(|(_, item)| item)
}

fn digest_of(batch: &IngestBatch, keyed: &[(KeyHash, Contender)]) -> BatchDigest {
    let mut sha = Sha256::new();
    sha.update(format!("{:?} {} {:?}", batch.coverage, batch.part.last, batch.hash_rule.id()));
    // As it always was: stores hold digests of batches that may be submitted again.
    sha.update(format!("{:?}", batch.step));
    let date = |date: Option<Timestamp>| date.map_or(i64::MIN, Timestamp::as_micros).to_be_bytes();
    for ((key_hash, _), item) in keyed.iter().zip(&batch.items) {
        let mut said = [0; 84];
        said[..32].copy_from_slice(key_hash.as_bytes());
        said[32..64].copy_from_slice(item.content.hash().as_bytes());
        said[64..68].copy_from_slice(&item.ordinal.to_be_bytes());
        said[68..76].copy_from_slice(&date(item.published));
        said[76..].copy_from_slice(&date(item.updated));
        sha.update(said);
    }
    for reject in &batch.rejects {
        sha.update(format!("{reject:?}"));
    }
    BatchDigest(sha.finalize().into())
}

/// Only a complete document that came in one part, without rejects and collisions, shows what its digest says.
fn manifest_digest_of(batch: &IngestBatch, entries: &[Entry]) -> Option<ManifestDigest> {
    let whole = batch.part.index == 0 && batch.part.last && batch.coverage == Coverage::Snapshot { complete: true };
    if !whole || !batch.rejects.is_empty() || entries.iter().any(|entry| !entry.rivals.is_empty()) {
        return None;
    }
    let mut sha = Sha256::new();
    for entry in entries {
        sha.update(entry.key_hash.as_bytes());
        sha.update(entry.first.hash.as_bytes());
    }
    Some(ManifestDigest(sha.finalize().into()))
}
