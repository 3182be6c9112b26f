//! The quarantine, tried again: bodies that were kept are read by today's parser and today's policy.

use std::collections::{BTreeMap, HashMap};

use feedspine_core::ingest::KEY_COLLISION;
use feedspine_core::{
    Candidate, ContentHash, Feed, FeedName, FetchId, HashRule, Json, Layer, NaturalKey, Outcome, PageRequest,
    Quarantined, RecordRef, Reject, Timestamp, VersionNo,
};

use super::json::array;
use super::unfinished::refuse_unfinished_import;
use super::{Ending, OpError, ToJson};
use crate::Engine;
use crate::adapters::Adapter;
use crate::archive::KeptBody;
use crate::collect::document::reading;
use crate::collect::{Retried, store_retried};

/// Rejects that are to be tried again.
#[derive(Debug, Clone, Default)]
pub struct RetryRejects {
    /// Those of this feed; else of all that were not removed.
    pub feed: Option<FeedName>,
    /// Those of this code, or of one that begins with it and a dot.
    pub code: Option<String>,
}

/// What became of rejects, each by itself.
#[derive(Debug, Clone)]
pub struct RetriedRejects {
    /// The rejects, those of a feed in the order in which they were quarantined.
    pub items: Vec<RetriedReject>,
}

/// What became of a reject.
#[derive(Debug, Clone)]
pub struct RetriedReject {
    /// The feed.
    pub feed: FeedName,
    /// What was rejected, and why.
    pub quarantined: Quarantined,
    /// What became of it.
    pub fate: Fate,
}

/// What becomes of a reject that is tried again.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It passes, and was stored.
    Taken {
        /// Its key.
        key: NaturalKey,
        /// What the store made of it.
        outcome: Outcome,
    },
    /// It passes, and was stored before: by an earlier retry, or from the same document.
    Held(NaturalKey),
    /// It passes, and its record holds what was read later: an older content would not be the current one.
    Overtaken(NaturalKey),
    /// It is still rejected: by this code, for this reason.
    Rejected {
        /// The code.
        code: String,
        /// The reason.
        reason: String,
    },
    /// The body is read otherwise now: there is no item at its place.
    Gone,
    /// The body was not kept, is kept no more, or cannot be read.
    NoBody(OpError),
    /// It passes, and could not be stored.
    NotStored(OpError),
}

impl Fate {
    /// The word used in JSON and on the command line.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Taken { outcome: Outcome::New { .. }, .. } => "new",
            Self::Taken { outcome: Outcome::Changed { .. }, .. } => "changed",
            Self::Taken { outcome: Outcome::Unchanged | Outcome::Repeated, .. } => "unchanged",
            Self::Taken { outcome: Outcome::Collided, .. } | Self::Rejected { .. } => "rejected",
            Self::Held(_) => "held",
            Self::Overtaken(_) => "overtaken",
            Self::Gone => "gone",
            Self::NoBody(_) => "no_body",
            Self::NotStored(_) => "failed",
        }
    }

    /// The key that it has now, where it passes.
    pub const fn key(&self) -> Option<&NaturalKey> {
        match self {
            Self::Taken { key, .. } | Self::Held(key) | Self::Overtaken(key) => Some(key),
            _ => None,
        }
    }

    /// Why it was not taken, in a sentence.
    pub fn reason(&self) -> Option<String> {
        Some(match self {
            Self::Taken { outcome: Outcome::Collided, key } => collides(key),
            Self::Taken { .. } => return None,
            Self::Held(_) => "it was stored before".to_owned(),
            Self::Overtaken(_) => "its record holds what was read later".to_owned(),
            Self::Rejected { code, reason } => format!("{code}: {reason}"),
            Self::Gone => "the body is read otherwise now: no item is at its place".to_owned(),
            Self::NoBody(error) | Self::NotStored(error) => error.to_string(),
        })
    }

    /// The next step, when there is one.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::NoBody(error) | Self::NotStored(error) => error.hint(),
            _ => None,
        }
    }
}

impl RetriedRejects {
    /// How many ended so.
    pub fn count(&self, word: &str) -> usize {
        self.items.iter().filter(|item| item.fate.as_str() == word).count()
    }

    /// How a command that reports this ends: failed, when something passes and could not be stored.
    pub fn ending(&self) -> Ending {
        let failed = self.items.iter().any(|item| matches!(item.fate, Fate::NotStored(_)));
        if failed { Ending::Failed } else { Ending::Done }
    }
}

impl ToJson for RetriedRejects {
    fn to_json(&self) -> Json {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for item in &self.items {
            *counts.entry(item.fate.as_str().to_owned()).or_default() += 1;
        }
        let counts = counts.into_iter().map(|(word, count)| (word, count.into())).collect();
        Json::object([("items", array(&self.items)), ("counts", Json::Object(counts))])
    }
}

/// As a reject, with `outcome`, and `now`: its key, or why it was not taken.
impl ToJson for RetriedReject {
    fn to_json(&self) -> Json {
        let mut json = self.quarantined.to_json();
        let now = Json::object([
            ("key", self.fate.key().map(NaturalKey::key).into()),
            ("reason", self.fate.reason().into()),
            ("hint", self.fate.hint().into()),
        ]);
        if let Json::Object(members) = &mut json {
            members.insert("feed".to_owned(), self.feed.as_str().into());
            members.insert("outcome".to_owned(), self.fate.as_str().into());
            members.insert("now".to_owned(), now);
        }
        json
    }
}

impl Engine {
    /// Reads the bodies again that items were rejected from, by today's parser and by what is chosen for the feed today,
    /// and stores what passes now: as a fetch of its own at the time of the one that brought it, which says nothing of
    /// other items. The same again changes nothing. The quarantine stays as it is.
    ///
    /// # Errors
    /// `NotFound`: there is no such feed. `Usage`: its settings cannot be read. `Failed`: an import into the store is
    /// unfinished. What stands in one reject's way is told of it.
    pub async fn retry_rejects(&self, request: &RetryRejects) -> Result<RetriedRejects, OpError> {
        refuse_unfinished_import(self.storage()).await?;
        let feeds = match &request.feed {
            Some(name) => vec![self.named(name).await?],
            None => self.feeds().await?.items,
        };
        let mut items = Vec::new();
        for feed in feeds {
            let (newest_first, _) = self.last_rejects(&feed, usize::MAX, request.code.as_deref()).await?;
            if newest_first.is_empty() {
                continue;
            }
            let retry = Retry { engine: self, adapter: Adapter::of(&feed)?, feed: &feed };
            for of_fetch in by_fetch(newest_first) {
                items.extend(retry.fetch(of_fetch).await?);
            }
        }
        Ok(RetriedRejects { items })
    }
}

/// The rejects of each fetch, in the order in which they were quarantined. Those of one fetch come together: a fetch whose
/// parts were committed between those of another is no other fetch.
fn by_fetch(newest_first: Vec<Quarantined>) -> Vec<Vec<Quarantined>> {
    let mut fetches: Vec<Vec<Quarantined>> = Vec::new();
    let mut places: HashMap<FetchId, usize> = HashMap::new();
    for reject in newest_first.into_iter().rev() {
        let place = *places.entry(reject.fetch).or_insert_with(|| {
            fetches.push(Vec::new());
            fetches.len() - 1
        });
        fetches[place].push(reject);
    }
    fetches
}

/// A retry of one feed's rejects.
struct Retry<'a> {
    engine: &'a Engine,
    feed: &'a Feed,
    adapter: Adapter,
}

/// What a body says of an item now.
enum Now {
    Passes(Candidate),
    Rejected(Reject),
}

impl Retry<'_> {
    /// Tries the rejects of one fetch.
    async fn fetch(&self, rejects: Vec<Quarantined>) -> Result<Vec<RetriedReject>, OpError> {
        let fetch = rejects[0].fetch;
        let bodies = match self.engine.archive().bodies(self.feed.id, fetch).await {
            Ok(bodies) if bodies.is_empty() => return Ok(self.all(rejects, &Fate::NoBody(self.not_kept()))),
            Ok(bodies) => bodies,
            Err(error) => return Ok(self.all(rejects, &Fate::NoBody(error))),
        };
        let observed_at = bodies[0].observed_at;
        let mut now = match self.read(bodies).await {
            Ok(now) => now,
            Err(error) => return Ok(self.all(rejects, &Fate::NoBody(error))),
        };
        let mut tried = Vec::with_capacity(rejects.len());
        let mut passing = Vec::new();
        for quarantined in rejects {
            let reject = &quarantined.reject;
            let fate = match now.remove(&reject.ordinal) {
                None => Some(Fate::Gone),
                Some(Now::Rejected(now)) => Some(Fate::Rejected { code: now.code, reason: now.reason }),
                // The store chose between two items: reading them again chooses no other.
                Some(Now::Passes(item)) if reject.code == KEY_COLLISION && reject.key.as_ref() == Some(&item.key) => {
                    Some(Fate::Rejected { code: KEY_COLLISION.to_owned(), reason: collides(&item.key) })
                }
                Some(Now::Passes(item)) => match self.judge(&item, observed_at).await? {
                    Judgement::Take => {
                        passing.push(item);
                        None
                    }
                    Judgement::Held => Some(Fate::Held(item.key)),
                    Judgement::Overtaken => Some(Fate::Overtaken(item.key)),
                },
            };
            tried.push((quarantined, fate));
        }
        let mut taken = self.take(fetch, observed_at, passing).await;
        let retried = tried.into_iter().map(|(quarantined, fate)| {
            let fate = fate.or_else(|| taken.remove(&quarantined.reject.ordinal));
            self.retried(quarantined, fate.expect("what passes was handed to the store"))
        });
        Ok(retried.collect())
    }

    /// What the bodies say now, by the items' places. Those of pages that are kept no more are missing.
    async fn read(&self, bodies: Vec<KeptBody>) -> Result<BTreeMap<u32, Now>, OpError> {
        let bytes = bodies.iter().map(|body| body.bytes.len() as u64).max().unwrap_or(0);
        let _room = self.engine.room_for(bytes).await;
        let mut now = BTreeMap::new();
        for body in bodies {
            let (adapter, feed) = (Adapter::of(self.feed)?, self.feed.clone());
            let read = move || adapter.read_again(&feed, &body);
            let patience = self.engine.settings().limits.parse;
            let (candidates, rejects) = reading(&self.feed.address, patience, read).await?;
            now.extend(candidates.into_iter().map(|item| (item.ordinal, Now::Passes(item))));
            now.extend(rejects.into_iter().map(|reject| (reject.ordinal, Now::Rejected(reject))));
        }
        Ok(now)
    }

    /// What is to be done with an item that passes.
    async fn judge(&self, item: &Candidate, observed_at: Timestamp) -> Result<Judgement, OpError> {
        let wanted = [RecordRef::key(item.key.clone()).at(Layer::Bronze)];
        let Some(record) = self.engine.storage().get_many(&wanted).await?.pop().flatten() else {
            return Ok(Judgement::Take);
        };
        let hash_rule = &self.adapter.identity().hash_rule;
        let mut held = Held { versions: Vec::new(), shown_then: Vec::new() };
        let mut origins = HashMap::new();
        let mut page = PageRequest::first(feedspine_core::MAX_PAGE);
        loop {
            let read = self.engine.storage().versions_page(record.id, Layer::Bronze, &page).await?;
            for version in read.items {
                if let Some(origin) = version.origin {
                    origins.insert(origin.fetch, held.versions.len());
                }
                let hash = hash_rule.hash(&version.content);
                held.versions.push(HeldVersion { number: version.number, hash, read_at: version.recorded_at });
            }
            match read.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        let mut page = PageRequest::first(feedspine_core::MAX_PAGE);
        loop {
            let read = self.engine.storage().sightings_page(&item.key, &page).await?;
            for sighting in read.items {
                if let Some(place) = origins.get(&sighting.fetch) {
                    held.versions[*place].read_at = sighting.observed_at;
                }
                if sighting.feed == self.feed.id && sighting.observed_at == observed_at {
                    held.shown_then.extend(sighting.version);
                }
            }
            match read.next {
                Some(next) => page.after = Some(next),
                None => return Ok(judge(hash_rule, item, observed_at, &held)),
            }
        }
    }

    /// Stores what passes; what became of each, by its place.
    async fn take(&self, of: FetchId, observed_at: Timestamp, items: Vec<Candidate>) -> HashMap<u32, Fate> {
        if items.is_empty() {
            return HashMap::new();
        }
        let mut items = items;
        items.sort_by_key(|item| item.ordinal);
        let places: Vec<(u32, NaturalKey)> = items.iter().map(|item| (item.ordinal, item.key.clone())).collect();
        let retried = Retried { of, observed_at, items };
        let hash_rule = &self.adapter.identity().hash_rule;
        let (report, outcomes) = store_retried(self.engine, self.feed, hash_rule, retried).await;
        let mut outcomes = outcomes.into_iter();
        let error = report.error.unwrap_or_else(|| {
            OpError::failed("rejects.not_stored", "another fetch of this feed was committed first")
                .with_hint("run the same command again")
        });
        let fate = |(place, key)| match outcomes.next() {
            Some(outcome) => (place, Fate::Taken { key, outcome }),
            None => (place, Fate::NotStored(error.clone())),
        };
        places.into_iter().map(fate).collect()
    }

    fn all(&self, rejects: Vec<Quarantined>, fate: &Fate) -> Vec<RetriedReject> {
        rejects.into_iter().map(|quarantined| self.retried(quarantined, fate.clone())).collect()
    }

    fn retried(&self, quarantined: Quarantined, fate: Fate) -> RetriedReject {
        RetriedReject { feed: self.feed.name.clone(), quarantined, fate }
    }

    /// Why nothing is there to be read again.
    fn not_kept(&self) -> OpError {
        let name = &self.feed.name;
        let (message, hint) = match &self.adapter {
            Adapter::Push(_) => (
                "lines that are handed over are not kept".to_owned(),
                format!("hand the lines over again: `feedspine ingest {name} FILE`"),
            ),
            adapter if adapter.keeps_bodies() => (
                "its body was not kept, or had to make room for later ones".to_owned(),
                format!("`feedspine collect {name}` reads what is there now"),
            ),
            _ => (
                "bodies are kept of feeds, JSON and lists, not of what this adapter reads".to_owned(),
                format!("`feedspine collect {name}` reads what is there now"),
            ),
        };
        OpError::failed("rejects.no_body", message).with_hint(hint)
    }
}

/// What is to be done with an item that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    Take,
    /// It was shown then already.
    Held,
    /// What was read later is current.
    Overtaken,
}

/// What is held of an item's record.
struct Held {
    /// Its bronze versions, in order.
    versions: Vec<HeldVersion>,
    /// The versions that the feed showed when the item was rejected.
    shown_then: Vec<VersionNo>,
}

struct HeldVersion {
    number: VersionNo,
    hash: ContentHash,
    /// When it was read from a feed; when it was recorded, if it was written by a call.
    read_at: Timestamp,
}

/// An item that was seen at that time: not again what was stored of it before, and never an older content on top of what
/// was read later.
fn judge(hash_rule: &HashRule, item: &Candidate, observed_at: Timestamp, held: &Held) -> Judgement {
    let hash = hash_rule.hash(&item.content);
    let same = |number: &VersionNo| held.versions.iter().any(|held| held.number == *number && held.hash == hash);
    if held.shown_then.iter().any(same) {
        return Judgement::Held;
    }
    match held.versions.last() {
        Some(current) if current.hash != hash && current.read_at > observed_at => Judgement::Overtaken,
        _ => Judgement::Take,
    }
}

fn collides(key: &NaturalKey) -> String {
    format!("another item of this fetch has the key {:?} and other content", key.key())
}

#[cfg(test)]
mod tests {
    use feedspine_core::{Content, KeyRule, Namespace};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH.saturating_add_micros(seconds * 1_000_000)
    }

    fn content(title: &str) -> Content {
        Content::new(&Json::object([("title", title.into())]))
    }

    fn item(title: &str) -> Candidate {
        Candidate {
            key: NaturalKey::new(Namespace::new("a").unwrap(), "1").unwrap(),
            key_rule: KeyRule::Id,
            ordinal: 0,
            content: content(title),
            published: None,
            updated: None,
        }
    }

    fn version(number: u32, title: &str, read_at: i64) -> HeldVersion {
        let number = VersionNo::new(number).unwrap();
        HeldVersion { number, hash: content(title).hash(), read_at: at(read_at) }
    }

    #[test]
    fn an_item_that_was_rejected_at_10_is_taken_unless_it_was_shown_then_or_other_content_was_read_later() {
        let first = || version(1, "a", 5);
        for (held, shown_then, wanted) in [
            (vec![], vec![], Judgement::Take),
            // An older version, with and without a span that went on by a reject that had a key.
            (vec![first()], vec![], Judgement::Take),
            (vec![first()], vec![1], Judgement::Take),
            // The same, shown then: by an earlier retry. Later versions do not matter.
            (vec![version(1, "b", 10)], vec![1], Judgement::Held),
            (vec![first(), version(2, "b", 10)], vec![1, 2], Judgement::Held),
            (vec![version(1, "b", 10), version(2, "c", 20)], vec![1], Judgement::Held),
            // The same, read later: it was there earlier than was known.
            (vec![version(1, "b", 20)], vec![], Judgement::Take),
            (vec![version(1, "c", 20)], vec![], Judgement::Overtaken),
            (vec![version(1, "b", 5), version(2, "c", 20)], vec![], Judgement::Overtaken),
        ] {
            let told = format!("{:?} {shown_then:?}", held.iter().map(|held| held.read_at).collect::<Vec<_>>());
            let shown_then = shown_then.into_iter().map(|number| VersionNo::new(number).unwrap()).collect();
            let held = Held { versions: held, shown_then };
            assert_eq!(judge(&HashRule::whole(), &item("b"), at(10), &held), wanted, "{told}");
        }
    }

    #[test]
    fn rejects_are_tried_fetch_by_fetch_in_the_order_in_which_they_came() {
        let reject = |fetch: u128, ordinal: u32| Quarantined {
            fetch: FetchId::from_u128(fetch),
            recorded_at: at(1),
            reject: Reject {
                ordinal,
                key: None,
                code: "key.missing".to_owned(),
                reason: String::new(),
                excerpt: String::new(),
            },
        };
        let newest_first = vec![reject(7, 1), reject(2, 0), reject(7, 0)];
        let order = by_fetch(newest_first).into_iter().map(|of_fetch| {
            of_fetch.iter().map(|reject| (reject.fetch.as_bytes()[15], reject.reject.ordinal)).collect::<Vec<_>>()
        });
        assert_eq!(order.collect::<Vec<_>>(), [vec![(7, 0), (7, 1)], vec![(2, 0)]]);
    }
}
