//! The quarantine, tried again: bodies that were kept are read by today's parser and today's policy.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::num::NonZeroUsize;

use feedspine_core::ingest::KEY_COLLISION;
use feedspine_core::{
    Candidate, Feed, FeedCursor, FeedName, FetchId, Json, NaturalKey, Outcome, PageRequest, Quarantined, Reject,
    Timestamp,
};

use super::again::{Reading, losers, read_again};
use super::held::{Held, Judgement, Records, judge};
use super::json::array;
use super::rejects::has_code;
use super::unfinished::refuse_unfinished_import;
use super::{Ending, OpError, ToJson};
use crate::Engine;
use crate::adapters::Adapter;
use crate::archive::{BodyName, KeptBody};
use crate::collect::{ReadAgain, store_again};
use crate::ledger::{Again, Cause};

/// So many rejects are tried together: what stands in memory of them, of however many there are.
const AT_ONCE: usize = 10_000;
/// So many are told one by one, unless it is said otherwise.
const TOLD: NonZeroUsize = NonZeroUsize::new(1_000).expect("it is not 0");

/// Rejects that are to be tried again.
#[derive(Debug, Clone)]
pub struct RetryRejects {
    /// Those of this feed; else of all that were not removed.
    pub feed: Option<FeedName>,
    /// Those of this code, or of one that begins with it and a dot.
    pub code: Option<String>,
    /// At most so many are told one by one, the first; all are tried and counted.
    pub limit: NonZeroUsize,
}

impl Default for RetryRejects {
    /// All rejects, of which a thousand are told one by one.
    fn default() -> Self {
        Self { feed: None, code: None, limit: TOLD }
    }
}

/// What became of rejects.
#[derive(Debug, Clone, Default)]
pub struct RetriedRejects {
    /// The first of them each by itself, those of a feed in the order in which they were quarantined.
    pub items: Vec<RetriedReject>,
    /// How many ended how, by the word.
    pub counts: BTreeMap<&'static str, u64>,
    /// The next steps.
    pub hints: BTreeSet<String>,
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
    /// It passes, and its record churns: it says what 25 versions before it say, and was counted, not kept.
    HeldBack(NaturalKey),
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
            Self::HeldBack(_) => "held_back",
            Self::Gone => "gone",
            Self::NoBody(_) => "no_body",
            Self::NotStored(_) => "failed",
        }
    }

    /// The key that it has now, where it passes.
    pub const fn key(&self) -> Option<&NaturalKey> {
        match self {
            Self::Taken { key, .. } | Self::Held(key) | Self::Overtaken(key) | Self::HeldBack(key) => Some(key),
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
            Self::HeldBack(_) => {
                "its record churns: it says what versions before it say, of which one a day is kept".to_owned()
            }
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
    pub fn count(&self, word: &str) -> u64 {
        self.counts.get(word).copied().unwrap_or_default()
    }

    /// How many there were.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// How a command that reports this ends: failed, when something passes and could not be stored.
    pub fn ending(&self) -> Ending {
        if self.count("failed") > 0 { Ending::Failed } else { Ending::Done }
    }

    fn take(&mut self, further: Vec<RetriedReject>, limit: NonZeroUsize) {
        for item in further {
            *self.counts.entry(item.fate.as_str()).or_default() += 1;
            self.hints.extend(item.fate.hint().map(str::to_owned));
            if self.items.len() < limit.get() {
                self.items.push(item);
            }
        }
    }
}

impl ToJson for RetriedRejects {
    fn to_json(&self) -> Json {
        let counts = Json::object(self.counts.iter().map(|(word, count)| (*word, (*count).into())));
        Json::object([("items", array(&self.items)), ("counts", counts)])
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
        let mut retried = RetriedRejects::default();
        for feed in feeds {
            let mut retry = None;
            let mut gathered = Vec::new();
            let mut page = PageRequest::first(feedspine_core::MAX_PAGE);
            loop {
                let read = self.storage().rejects_page(feed.id, &page).await?;
                let wanted = |found: &Quarantined| has_code(&found.reject.code, request.code.as_deref());
                gathered.extend(read.items.into_iter().filter(wanted));
                page.after = read.next;
                let ends = page.after.is_none();
                if !gathered.is_empty() && (ends || gathered.len() >= AT_ONCE) {
                    let retry = match &mut retry {
                        Some(retry) => retry,
                        none => none.insert(Retry::of(self, &feed)?),
                    };
                    for of_fetch in by_fetch(std::mem::take(&mut gathered)) {
                        retried.take(retry.fetch(of_fetch).await?, request.limit);
                    }
                }
                if ends {
                    break;
                }
            }
        }
        Ok(retried)
    }
}

/// The rejects of each fetch, in the order in which they were quarantined. Those of one fetch come together: a fetch whose
/// parts were committed between those of another is no other fetch.
fn by_fetch(rejects: Vec<Quarantined>) -> Vec<Vec<Quarantined>> {
    let mut fetches: Vec<Vec<Quarantined>> = Vec::new();
    let mut places: HashMap<FetchId, usize> = HashMap::new();
    for reject in rejects {
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
    records: Records<'a>,
}

/// What a body says of an item now.
enum Now {
    Passes(Candidate),
    Rejected(Reject),
}

impl<'a> Retry<'a> {
    fn of(engine: &'a Engine, feed: &'a Feed) -> Result<Self, OpError> {
        let adapter = Adapter::of(feed)?;
        let records = Records::new(engine.storage(), feed.id, adapter.identity().hash_rule.clone());
        Ok(Self { engine, feed, adapter, records })
    }

    /// Tries the rejects of one fetch, of one of its bodies after the other.
    async fn fetch(&mut self, rejects: Vec<Quarantined>) -> Result<Vec<RetriedReject>, OpError> {
        let fetch = rejects[0].fetch;
        let kept = match self.engine.archive().bodies(self.feed.id, fetch).await {
            Ok(kept) => kept,
            Err(error) => return Ok(self.all(rejects, &Fate::NoBody(error))),
        };
        let mut of_bodies: BTreeMap<Option<u32>, Vec<Quarantined>> = BTreeMap::new();
        for reject in rejects {
            // The last body that begins no later is the one in which it stood, if that one is kept.
            let behind = kept.partition_point(|first| *first <= reject.reject.ordinal);
            let first = behind.checked_sub(1).map(|place| kept[place]);
            of_bodies.entry(first).or_default().push(reject);
        }
        let mut retried = Vec::new();
        for (first, rejects) in of_bodies {
            let body = match first {
                Some(first_ordinal) => {
                    let name = BodyName { feed: self.feed.id, fetch, first_ordinal };
                    self.engine.archive().body(name).await
                }
                None => Ok(None),
            };
            retried.extend(match body {
                Ok(Some(body)) => self.body(fetch, body, rejects).await?,
                Ok(None) => self.all(rejects, &Fate::NoBody(self.not_kept())),
                Err(error) => self.all(rejects, &Fate::NoBody(error)),
            });
        }
        Ok(retried)
    }

    /// Tries the rejects that stood in one body, or behind it in one that is not kept.
    async fn body(
        &mut self,
        fetch: FetchId,
        body: KeptBody,
        rejects: Vec<Quarantined>,
    ) -> Result<Vec<RetriedReject>, OpError> {
        let (observed_at, last) = (body.observed_at, body.last_ordinal);
        let (rejects, elsewhere): (Vec<_>, Vec<_>) =
            rejects.into_iter().partition(|quarantined| quarantined.reject.ordinal <= last);
        let mut retried = self.all(elsewhere, &Fate::NoBody(self.not_kept()));
        // Read before it is decided what passes: what is stored of the feed meanwhile supersedes that.
        let cursor = self.records.fence().await?.cursor;
        let mut now = match self.read(body, &rejects).await {
            Ok(now) => now,
            Err(error) => {
                retried.extend(self.all(rejects, &Fate::NoBody(error)));
                return Ok(retried);
            }
        };
        let mut tried = Vec::with_capacity(rejects.len());
        let mut passing: Vec<Reading> = Vec::new();
        // The places of those that had the key then that they have now.
        let mut had_key: HashSet<u32> = HashSet::new();
        let moment = (fetch, observed_at);
        for quarantined in rejects {
            let reject = &quarantined.reject;
            let fate = match now.remove(&reject.ordinal) {
                None if self.adapter.keeps_lines() => Some(Fate::NoBody(self.not_kept())),
                None => Some(Fate::Gone),
                Some(Now::Rejected(now)) => Some(Fate::Rejected { code: now.code, reason: now.reason }),
                // The store chose between two items: reading them again chooses no other.
                Some(Now::Passes(item)) if reject.code == KEY_COLLISION && reject.key.as_ref() == Some(&item.key) => {
                    Some(collision(&item.key))
                }
                Some(Now::Passes(item)) => {
                    let hash = self.adapter.identity().hash_rule.hash(&item.content);
                    if reject.key.as_ref() == Some(&item.key) {
                        had_key.insert(item.ordinal);
                    }
                    let reading = Reading { item, hash };
                    let fate = self.judge(&reading, moment, &had_key).await?;
                    if fate.is_none() {
                        passing.push(reading);
                    }
                    fate
                }
            };
            tried.push((quarantined, fate));
        }
        let (chosen, mut fates) = self.choose(passing).await?;
        // Other feeds, and calls, write the same records without this feed's cursor: by what is held right now.
        self.records.forget(chosen.iter().map(|reading| &reading.item.key));
        let mut items = Vec::with_capacity(chosen.len());
        for reading in chosen {
            match self.judge(&reading, moment, &had_key).await? {
                None => items.push(reading.item),
                Some(fate) => drop(fates.insert(reading.item.ordinal, fate)),
            }
        }
        fates.extend(self.take(moment, cursor, items).await);
        retried.extend(tried.into_iter().map(|(quarantined, fate)| {
            let fate = fate.or_else(|| fates.remove(&quarantined.reject.ordinal));
            self.retried(quarantined, fate.expect("what passes was handed to the store"))
        }));
        Ok(retried)
    }

    /// What an item that passes ends as without being handed to the store; `None` when it is to be stored.
    async fn judge(
        &mut self,
        Reading { item, hash }: &Reading,
        (fetch, observed_at): (FetchId, Timestamp),
        had_key: &HashSet<u32>,
    ) -> Result<Option<Fate>, OpError> {
        let content = (*hash, self.adapter.identity().hash_rule.gist(&item.content));
        let held = self.records.held(&item.key).await?;
        let key = || item.key.clone();
        Ok(match judge(content, (fetch, observed_at, had_key.contains(&item.ordinal)), held) {
            Judgement::Take => None,
            Judgement::Held => Some(Fate::Held(key())),
            Judgement::Collides => Some(collision(&item.key)),
            Judgement::Overtaken => Some(Fate::Overtaken(key())),
            Judgement::HeldBack => Some(Fate::HeldBack(key())),
        })
    }

    /// What a body says now of the items that are wanted, by their places.
    async fn read(&self, body: KeptBody, wanted: &[Quarantined]) -> Result<BTreeMap<u32, Now>, OpError> {
        let wanted: HashSet<u32> = wanted.iter().map(|quarantined| quarantined.reject.ordinal).collect();
        let (candidates, rejects) = read_again(self.engine, self.feed, body).await?;
        let passes = candidates.into_iter().map(|item| (item.ordinal, Now::Passes(item)));
        let rejected = rejects.into_iter().map(|reject| (reject.ordinal, Now::Rejected(reject)));
        Ok(passes.chain(rejected).filter(|(ordinal, _)| wanted.contains(ordinal)).collect())
    }

    /// Of items that have one key and differ, the one that a store would choose. It is chosen here: what the store rejects
    /// is quarantined, and the quarantine stays as it is.
    async fn choose(&mut self, passing: Vec<Reading>) -> Result<(Vec<Reading>, HashMap<u32, Fate>), OpError> {
        let losers = losers(&passing, &mut self.records, Held::shown_last).await?;
        let (mut chosen, mut fates) = (Vec::with_capacity(passing.len()), HashMap::new());
        for reading in passing {
            let Reading { item, .. } = &reading;
            if losers.contains(&item.ordinal) {
                fates.insert(item.ordinal, collision(&item.key));
            } else {
                chosen.push(reading);
            }
        }
        Ok((chosen, fates))
    }

    /// Stores what passes; what became of each, by its place.
    async fn take(
        &mut self,
        (of, observed_at): (FetchId, Timestamp),
        cursor: Option<FeedCursor>,
        items: Vec<Candidate>,
    ) -> HashMap<u32, Fate> {
        if items.is_empty() {
            return HashMap::new();
        }
        let mut items = items;
        items.sort_by_key(|item| item.ordinal);
        let mut places: Vec<(u32, NaturalKey, bool)> = Vec::with_capacity(items.len());
        for item in &items {
            let rule = &self.adapter.identity().hash_rule;
            let content = (rule.hash(&item.content), rule.gist(&item.content));
            let held = self.records.held(&item.key).await;
            places.push((item.ordinal, item.key.clone(), held.is_ok_and(|held| held.says(content))));
        }
        let again = Again { cause: Cause::Rejects, of };
        let read = ReadAgain { again, observed_at, cursor, items };
        let hash_rule = &self.adapter.identity().hash_rule;
        let (report, outcomes) = store_again(self.engine, self.feed, hash_rule, read).await;
        let keys = places.iter().map(|(_, key, _)| key);
        if outcomes.len() == places.len() {
            self.records.stored(keys);
        } else {
            self.records.forget(keys);
        }
        let mut outcomes = outcomes.into_iter();
        let error = report.error.unwrap_or_else(|| {
            OpError::failed("rejects.not_stored", "another fetch of this feed was committed first")
                .with_hint("run the same command again")
        });
        let fate = |(place, key, is_minor)| match outcomes.next() {
            Some(Outcome::Unchanged) if is_minor => (place, Fate::HeldBack(key)),
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
        let what = if self.adapter.keeps_lines() { "line" } else { "body" };
        let message = format!("its {what} was not kept, or had to make room for later ones");
        let hint = match &self.adapter {
            Adapter::Push(_) => format!("hand the lines over again: `feedspine ingest {name} FILE`"),
            _ => format!("`feedspine collect {name}` reads what is there now"),
        };
        OpError::failed("rejects.no_body", message).with_hint(hint)
    }
}

fn collision(key: &NaturalKey) -> Fate {
    Fate::Rejected { code: KEY_COLLISION.to_owned(), reason: collides(key) }
}

fn collides(key: &NaturalKey) -> String {
    format!("another item of this fetch has the key {:?} and other content", key.key())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_are_tried_fetch_by_fetch_in_the_order_in_which_they_came() {
        let reject = |fetch: u128, ordinal: u32| Quarantined {
            fetch: FetchId::from_u128(fetch),
            recorded_at: Timestamp::UNIX_EPOCH,
            reject: Reject {
                ordinal,
                key: None,
                code: "key.missing".to_owned(),
                reason: String::new(),
                excerpt: String::new(),
            },
        };
        let order = by_fetch(vec![reject(7, 0), reject(2, 0), reject(7, 1)]).into_iter().map(|of_fetch| {
            of_fetch.iter().map(|reject| (reject.fetch.as_bytes()[15], reject.reject.ordinal)).collect::<Vec<_>>()
        });
        assert_eq!(order.collect::<Vec<_>>(), [vec![(7, 0), (7, 1)], vec![(2, 0)]]);
    }
}
