//! What is held of the records that items belong to: what a collect would find changed, what a fetch showed of them, and what
//! may be stored of an item that was rejected and passes now: nothing twice, and nothing older on top of what was read later.

mod pretence;

use std::collections::HashMap;

use feedspine_core::ingest::CHURN;
use feedspine_core::{
    Content, ContentHash, FeedCursor, FeedId, FetchId, HashRule, Layer, MAX_PAGE, NaturalKey, PageRequest, RecordId,
    RecordRef, StorageBackend, Timestamp, VersionNo,
};

use crate::OpError;
use pretence::Pretence;

pub(super) use pretence::Pretended;

/// So many versions and sightings are remembered, then all are forgotten: some 30 MB. A replay asks for those of a feed's
/// items at each body, and a feed that lists the same 100 items for a year has shown them a million times.
const MOST_REMEMBERED: usize = 1_000_000;

/// The records of items, each read once however many items are of it.
pub(super) struct Records<'a> {
    storage: &'a dyn StorageBackend,
    feed: FeedId,
    hash_rule: HashRule,
    held: HashMap<NaturalKey, Held>,
    /// How many versions and sightings of them there are.
    remembered: usize,
    /// The revision of the feed's cursor under which they were read, where that matters.
    revision: Option<u64>,
    /// What would have been stored by now, of those that are asked what would be.
    pretended: HashMap<NaturalKey, Pretence>,
}

/// The feed's cursor, before something is judged that is to be stored under it.
pub(super) struct Fence {
    /// Once something else was stored of the feed, what is stored under it is a Conflict.
    pub(super) cursor: Option<FeedCursor>,
    /// Whether something else was stored of the feed since the fence before; true of the first one.
    pub(super) moved: bool,
}

/// What is held of an item's record; nothing where there is none.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// `None` where there is none that is stored.
    record: Option<RecordId>,
    /// Its bronze versions, in order.
    versions: Vec<HeldVersion>,
    /// When this feed showed which, the oldest first.
    shown: Vec<ShownThen>,
}

#[derive(Debug)]
struct HeldVersion {
    number: VersionNo,
    hash: ContentHash,
    /// What it says, where a record with it as the current version may churn.
    gist: Option<ContentHash>,
    /// When it was read from a feed; when it was recorded, if it was written by a call.
    read_at: Timestamp,
    /// When a feed, whichever, showed it last.
    seen_last: Option<Timestamp>,
}

#[derive(Debug)]
struct ShownThen {
    at: Timestamp,
    by: FetchId,
    version: VersionNo,
}

/// What stands for an item that a fetch showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    /// The version that it showed.
    pub(super) shown: VersionNo,
    /// The one that corrects it, when the fetch, or one before it that showed that version, was read again since; else the
    /// same.
    pub(super) in_force: VersionNo,
}

/// What is to be done with an item that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    Take,
    /// It was shown then already.
    Held,
    /// Another item of the same document has its key, and was stored.
    Collides,
    /// Something else was read later.
    Overtaken,
    /// It was held back: the version that was shown then in its place says the same.
    HeldBack,
}

impl<'a> Records<'a> {
    pub(super) fn new(storage: &'a dyn StorageBackend, feed: FeedId, hash_rule: HashRule) -> Self {
        Self {
            storage,
            feed,
            hash_rule,
            held: HashMap::new(),
            remembered: 0,
            revision: None,
            pretended: HashMap::new(),
        }
    }

    /// Reads the feed's cursor. When it moved on, by something else than what was told to be stored, all is read anew.
    pub(super) async fn fence(&mut self) -> Result<Fence, OpError> {
        let cursor = self.storage.cursor(self.feed).await?;
        let revision = cursor.as_ref().map_or(0, |cursor| cursor.revision);
        let moved = self.revision.replace(revision) != Some(revision);
        if moved {
            self.forget_all();
        }
        Ok(Fence { cursor, moved })
    }

    /// What is held under a key.
    pub(super) async fn held(&mut self, key: &NaturalKey) -> Result<&Held, OpError> {
        if !self.held.contains_key(key) {
            let held = self.read(key).await?;
            let further = held.size();
            if self.remembered + further > MOST_REMEMBERED {
                self.forget_all();
            }
            self.remembered += further;
            self.held.insert(key.clone(), held);
        }
        Ok(&self.held[key])
    }

    fn forget_all(&mut self) {
        self.held.clear();
        self.remembered = 0;
    }

    /// One fetch of the feed stored all of that under the last fence: it is read anew, and the cursor is one revision on.
    pub(super) fn stored<'k>(&mut self, keys: impl Iterator<Item = &'k NaturalKey>) {
        self.forget(keys);
        self.revision = self.revision.map(|revision| revision + 1);
    }

    /// What is held under these keys is read anew: a call or another feed writes them without this feed's cursor.
    pub(super) fn forget<'k>(&mut self, keys: impl Iterator<Item = &'k NaturalKey>) {
        for key in keys {
            if let Some(held) = self.held.remove(key) {
                self.remembered -= held.size();
            }
        }
    }

    /// From now on it is as if this had been stored, as seen by this feed. `content`: where it may be told one day what
    /// changed against it.
    pub(super) async fn pretend(
        &mut self,
        key: &NaturalKey,
        pretended: Pretended,
        content: Option<Content>,
    ) -> Result<(), OpError> {
        self.held(key).await?;
        let pretence = self.pretended.entry(key.clone()).or_default();
        if let Some(held) = self.held.get_mut(key) {
            let before = held.size();
            pretence.take(pretended, held);
            self.remembered += held.size() - before;
        }
        if let Some(content) = content {
            pretence.keep(pretended.hash, content);
        }
        Ok(())
    }

    /// The content of a version of the record under a key.
    pub(super) async fn content(&mut self, key: &NaturalKey, number: VersionNo) -> Result<Option<Content>, OpError> {
        let held = self.held(key).await?;
        let (record, hash) = (held.record, held.hash_of(number));
        if let Some(record) = record
            && let Some(content) = self.stored_content(record, number).await?
        {
            return Ok(Some(content));
        }
        Ok(hash.and_then(|hash| self.pretended.get(key)?.content(hash).cloned()))
    }

    async fn stored_content(&self, record: RecordId, number: VersionNo) -> Result<Option<Content>, OpError> {
        let mut page = PageRequest::first(MAX_PAGE);
        loop {
            let read = self.storage.versions_page(record, Layer::Bronze, &page).await?;
            if let Some(version) = read.items.into_iter().find(|version| version.number == number) {
                return Ok(Some(version.content));
            }
            page.after = read.next;
            if page.after.is_none() {
                return Ok(None);
            }
        }
    }

    async fn read(&self, key: &NaturalKey) -> Result<Held, OpError> {
        let mut held = self.read_stored(key).await?;
        if let Some(pretence) = self.pretended.get(key) {
            pretence.apply(&mut held);
        }
        Ok(held)
    }

    async fn read_stored(&self, key: &NaturalKey) -> Result<Held, OpError> {
        let wanted = [RecordRef::key(key.clone()).at(Layer::Bronze)];
        let Some(record) = self.storage.get_many(&wanted).await?.pop().flatten() else {
            return Ok(Held::default());
        };
        let (versions, origins) = self.versions(record.id).await?;
        let mut held = Held { record: Some(record.id), versions, shown: Vec::new() };
        let mut page = PageRequest::first(MAX_PAGE);
        loop {
            let read = self.storage.sightings_page(key, &page).await?;
            for sighting in read.items {
                if let Some(place) = origins.get(&sighting.fetch) {
                    held.versions[*place].read_at = sighting.observed_at;
                }
                let Some(version) = sighting.version else { continue };
                if let Some(place) = held.place_of(version) {
                    // They come oldest first.
                    held.versions[place].seen_last = Some(sighting.observed_at);
                }
                if sighting.feed == self.feed {
                    held.shown.push(ShownThen { at: sighting.observed_at, by: sighting.fetch, version });
                }
            }
            match read.next {
                Some(next) => page.after = Some(next),
                None => return Ok(held),
            }
        }
    }

    /// The bronze versions, and which of them a fetch told, by its place.
    async fn versions(&self, record: RecordId) -> Result<(Vec<HeldVersion>, HashMap<FetchId, usize>), OpError> {
        let (mut versions, mut origins) = (Vec::new(), HashMap::new());
        let mut page = PageRequest::first(MAX_PAGE);
        loop {
            let read = self.storage.versions_page(record, Layer::Bronze, &page).await?;
            for version in read.items {
                if let Some(origin) = version.origin {
                    origins.insert(origin.fetch, versions.len());
                }
                let (number, hash) = (version.number, self.hash_rule.hash(&version.content));
                let gist = if number.get() < CHURN { None } else { self.hash_rule.gist(&version.content) };
                versions.push(HeldVersion { number, hash, gist, read_at: version.recorded_at, seen_last: None });
            }
            match read.next {
                Some(next) => page.after = Some(next),
                None => return Ok((versions, origins)),
            }
        }
    }
}

impl Held {
    /// How much is remembered of it.
    fn size(&self) -> usize {
        1 + self.versions.len() + self.shown.len()
    }

    /// The current version.
    pub(super) fn current(&self) -> Option<VersionNo> {
        self.versions.last().map(|version| version.number)
    }

    /// Whether it has a version of that content.
    pub(super) fn is_held(&self, hash: ContentHash) -> bool {
        self.versions.iter().any(|version| version.hash == hash)
    }

    /// How many of these fetches of this feed, all of one time, showed it.
    pub(super) fn times_shown_by(&self, fetches: &[FetchId], at: Timestamp) -> u64 {
        self.of_moment(at).iter().filter(|shown| fetches.contains(&shown.by)).count() as u64
    }

    /// What stands for it as a fetch showed it; `None` when that fetch did not show it. `had_key`: the fetch rejected an
    /// item of its key, which counted as seen with the version before.
    ///
    /// What was stored of one moment later than the rest corrects it, and what it corrects it corrects from then on: a
    /// span goes on with the version that it began with.
    pub(super) fn standing(&self, fetch: FetchId, at: Timestamp, had_key: bool) -> Option<Standing> {
        let told = |shown: &&ShownThen| !(had_key && shown.by == fetch);
        let shown = self.of_moment(at).iter().filter(told).map(|shown| shown.version).min()?;
        let mut until = self.shown.partition_point(|shown| shown.at <= at);
        if self.shown[..until].iter().all(|told| told.version <= shown) {
            return Some(Standing { shown, in_force: shown });
        }
        while let Some(last) = until.checked_sub(1).map(|place| &self.shown[place]) {
            let moment = self.of_moment(last.at);
            let latest = moment.iter().map(|shown| shown.version).max();
            if let Some(in_force) = latest.filter(|latest| *latest > shown)
                && moment.iter().any(|other| other.version == shown)
            {
                return Some(Standing { shown, in_force });
            }
            until -= moment.len();
        }
        Some(Standing { shown, in_force: shown })
    }

    fn of_moment(&self, at: Timestamp) -> &[ShownThen] {
        let begin = self.shown.partition_point(|shown| shown.at < at);
        let end = self.shown.partition_point(|shown| shown.at <= at);
        &self.shown[begin..end]
    }

    /// What this feed showed last.
    pub(super) fn shown_last(&self) -> Option<ContentHash> {
        self.shown.last().and_then(|shown| self.hash_of(shown.version))
    }

    /// Whether a collect of this feed would find content of that hash unchanged: it is what the feed showed last or what is
    /// current, or on the feed's first sight any version.
    pub(super) fn is_unchanged(&self, hash: ContentHash) -> bool {
        match self.shown_last() {
            Some(shown) => shown == hash || self.versions.last().is_some_and(|current| current.hash == hash),
            None => self.versions.iter().any(|version| version.hash == hash),
        }
    }

    /// Whether content of that hash is another, and says what the current version says, which may churn.
    pub(super) fn says(&self, (hash, gist): (ContentHash, Option<ContentHash>)) -> bool {
        let current = self.versions.last().and_then(|version| version.gist);
        !self.is_unchanged(hash) && gist.is_some() && gist == current
    }

    fn place_of(&self, number: VersionNo) -> Option<usize> {
        self.versions.binary_search_by_key(&number, |version| version.number).ok()
    }

    /// The hash of a version's content.
    pub(super) fn hash_of(&self, number: VersionNo) -> Option<ContentHash> {
        self.place_of(number).map(|place| self.versions[place].hash)
    }

    fn gist_of(&self, number: VersionNo) -> Option<ContentHash> {
        self.place_of(number).and_then(|place| self.versions[place].gist)
    }
}

/// Judges an item whose content has that hash and says that, and which a fetch showed at that time and rejected; `had_key`:
/// with the key that it has now, which counted as seen.
pub(super) fn judge(
    (hash, gist): (ContentHash, Option<ContentHash>),
    (fetch, observed_at, had_key): (FetchId, Timestamp, bool),
    held: &Held,
) -> Judgement {
    let begin = held.shown.partition_point(|shown| shown.at < observed_at);
    let then = held.shown[begin..].iter().take_while(|shown| shown.at == observed_at);
    let (mut collides, mut held_back) = (false, false);
    for shown in then {
        match held.hash_of(shown.version) {
            Some(stored) if stored == hash => return Judgement::Held,
            // What was stored of the same document: by an earlier retry, or at once from another item. But the fetch itself
            // may have seen no more than the reject's key.
            Some(_) if shown.by == fetch && had_key => {}
            Some(_) if gist.is_some() && held.gist_of(shown.version) == gist => held_back = true,
            Some(_) => collides = true,
            None => {}
        }
    }
    if collides {
        return Judgement::Collides;
    }
    if held_back {
        return Judgement::HeldBack;
    }
    let is_later = |version: &HeldVersion| version.seen_last.is_some_and(|at| at > observed_at);
    let other_seen_later = held.versions.iter().any(|version| version.hash != hash && is_later(version));
    match held.versions.last() {
        _ if other_seen_later => Judgement::Overtaken,
        Some(current) if current.hash != hash && current.read_at > observed_at => Judgement::Overtaken,
        _ => Judgement::Take,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const ORIGINAL: FetchId = FetchId::from_u128(10);

    pub(in crate::ops) fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH.saturating_add_micros(seconds * 1_000_000)
    }

    pub(in crate::ops) fn hash(title: &str) -> ContentHash {
        ContentHash::of(title.as_bytes())
    }

    /// A record: its versions, each with its content and when it was read, and when this feed showed which by what fetch.
    pub(in crate::ops) fn held(versions: &[(&str, i64)], shown: &[(i64, u128, u32)]) -> Held {
        let number = |number: u32| VersionNo::new(number).unwrap();
        let shown: Vec<ShownThen> = shown
            .iter()
            .map(|(seconds, by, version)| ShownThen {
                at: at(*seconds),
                by: FetchId::from_u128(*by),
                version: number(*version),
            })
            .collect();
        let version = |(place, (title, read_at)): (u32, &(&str, i64))| HeldVersion {
            number: number(place),
            hash: hash(title),
            gist: Some(hash("gist")).filter(|_| title.starts_with("minor")),
            read_at: at(*read_at),
            seen_last: shown.iter().filter(|shown| shown.version == number(place)).map(|shown| shown.at).max(),
        };
        Held { record: None, versions: (1..).zip(versions).map(version).collect(), shown }
    }

    #[test]
    fn what_was_read_again_of_a_moment_stands_for_it_and_for_what_went_on_as_it_was() {
        // Fetches 1, 2 and 3 showed version 1 at those times, fetch 4 showed version 2; the first and the third were read
        // again by fetches 11 and 13.
        let first = [(1, 1, 1), (2, 2, 1), (3, 3, 1), (4, 4, 2)];
        let again = [(1, 1, 1), (1, 11, 3), (2, 2, 1), (3, 3, 1), (3, 13, 4), (4, 4, 2)];
        for (shown, had_key, expected) in [
            (&first[..], false, [Some((1, 1)), Some((1, 1)), Some((1, 1)), Some((2, 2)), None]),
            (&again[..], false, [Some((1, 3)), Some((1, 3)), Some((1, 4)), Some((2, 2)), None]),
            // What a fetch rejected it did not show, but what was stored of it since it did.
            (&again[..], true, [Some((3, 3)), None, Some((4, 4)), None, None]),
        ] {
            let held = held(&[("a", 1), ("b", 4), ("c", 1), ("d", 3)], shown);
            for (fetch, expected) in (1..).zip(expected) {
                let standing = held.standing(FetchId::from_u128(fetch), at(i64::try_from(fetch).unwrap()), had_key);
                let told = standing.map(|standing| (standing.shown.get(), standing.in_force.get()));
                assert_eq!(told, expected, "fetch {fetch} of {shown:?}, {had_key}");
            }
        }
    }

    #[test]
    fn an_item_that_was_rejected_at_10_is_taken_unless_it_was_shown_then_or_other_content_was_read_later() {
        let first = ("a", 5);
        for (versions, shown, wanted) in [
            (&[][..], &[][..], Judgement::Take),
            // An older version, with and without a span that went on by a reject that had a key.
            (&[first], &[(5, 5, 1)], Judgement::Take),
            (&[first], &[(5, 5, 1), (10, 10, 1)], Judgement::Take),
            // The same, shown then: by an earlier retry. Later versions do not matter.
            (&[("b", 10)], &[(10, 11, 1)], Judgement::Held),
            (&[first, ("b", 10)], &[(5, 5, 1), (10, 10, 1), (10, 11, 2)], Judgement::Held),
            (&[("b", 10), ("c", 20)], &[(10, 11, 1), (20, 20, 2)], Judgement::Held),
            // Held back then, by an earlier retry.
            (&[("minor", 5)], &[(5, 5, 1), (10, 11, 1)], Judgement::HeldBack),
            // Another item of the document, stored by an earlier retry.
            (&[("c", 10)], &[(10, 11, 1)], Judgement::Collides),
            (&[first, ("c", 10)], &[(5, 5, 1), (10, 10, 1), (10, 11, 2)], Judgement::Collides),
            // The same, read later: it was there earlier than was known.
            (&[("b", 20)], &[(20, 20, 1)], Judgement::Take),
            (&[("c", 20)], &[(20, 20, 1)], Judgement::Overtaken),
            (&[("b", 5), ("c", 20)], &[(5, 5, 1), (20, 20, 2)], Judgement::Overtaken),
            // The older version was shown again later: it is what the feed shows.
            (&[first], &[(5, 5, 1), (20, 20, 1)], Judgement::Overtaken),
            (&[("c", 20), ("b", 30)], &[(20, 20, 1), (30, 30, 2)], Judgement::Overtaken),
            // Written by a call, and never shown.
            (&[("c", 20)], &[], Judgement::Overtaken),
        ] {
            let held = held(versions, shown);
            let content = (hash("b"), Some(hash("gist")));
            assert_eq!(judge(content, (ORIGINAL, at(10), true), &held), wanted, "{versions:?} {shown:?}");
        }
    }

    #[test]
    fn what_the_fetch_showed_of_a_key_that_the_reject_had_not_was_another_item() {
        let held = held(&[("a", 10)], &[(10, 10, 1)]);
        let content = (hash("b"), None);
        assert_eq!(judge(content, (ORIGINAL, at(10), true), &held), Judgement::Take);
        assert_eq!(judge(content, (ORIGINAL, at(10), false), &held), Judgement::Collides);
    }
}
