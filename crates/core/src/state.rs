//! [`StateStore`]: the control plane's own contract: feeds, and what became of each fetch.

use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{
    Capture, CaptureName, CaptureStore, Content, Counts, FeedCursor, FeedId, FeedName, FetchId, IngestBatch,
    IngestReport, KeyRule, Namespace, PackedBody, Page, PageRequest, Result, StorageError, Timestamp,
};

/// Whether a feed is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeedStatus {
    /// Polled.
    Active,
    /// Kept, not polled, until it is resumed.
    Paused,
    /// Never polled again; its name is free. What it captured stays.
    Removed,
}

impl FeedStatus {
    /// The word used in stores and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Removed => "removed",
        }
    }
}

impl FromStr for FeedStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Active, Self::Paused, Self::Removed];
        all.into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| format!("no feed status is called {text:?}"))
    }
}

/// A source we poll.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Feed {
    /// What storage knows of it.
    pub id: FeedId,
    /// What people call it.
    pub name: FeedName,
    /// Where it is: a URL or an absolute path.
    pub address: String,
    /// The space of its keys: fixed when it was added, whatever it is called later.
    pub namespace: Namespace,
    /// Whether it is polled.
    pub status: FeedStatus,
    /// Where its keys are taken from; `None` until its first document that holds items.
    pub key_rule: Option<KeyRule>,
    /// The operator allows it to be at a private address.
    pub allow_private: bool,
    /// What the operator chose for it: an object that only the engine reads.
    pub settings: Content,
    /// When it was added.
    pub added_at: Timestamp,
}

impl Feed {
    /// Whether nothing that may change of a feed has changed since it was `held` so.
    pub fn is_still(&self, held: &Self) -> bool {
        self.id == held.id
            && self.name == held.name
            && self.address == held.address
            && self.status == held.status
            && self.allow_private == held.allow_private
            && self.settings == held.settings
    }
}

/// A fetch that is about to begin: written down before the request goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FetchIntent {
    /// The fetch.
    pub fetch: FetchId,
    /// The feed.
    pub feed: FeedId,
    /// When it began.
    pub started_at: Timestamp,
    /// The address asked.
    pub address: String,
}

/// The turn of a feed that a daemon fetches: what [`StateStore::begin_fetch`] holds against the store, so that each is filled
/// once, however many daemons there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The lease under which it is fetched.
    pub lease: LeaseToken,
    /// When the feed was due, as its schedule says.
    pub due_at: Timestamp,
}

impl Slot {
    /// The error of a fetch that would fill it a second time.
    pub fn filled(&self, feed: FeedId) -> StorageError {
        let host = &self.lease.host;
        StorageError::conflict(format!(
            "feed {feed} is no longer ours to fetch: {host} changed hands, or it was fetched"
        ))
    }
}

/// When a feed is to be fetched next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Schedule {
    /// The feed.
    pub feed: FeedId,
    /// When it is due; `None` while it is not fetched by itself.
    pub due_at: Option<Timestamp>,
    /// What the next decision is made from, and why this one was made: an object that only the engine reads.
    pub state: Content,
}

/// A change of a feed's schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reschedule {
    /// When it is due as far as is known; `None` when it has no schedule, or one by which it is not fetched.
    pub held: Option<Timestamp>,
    /// When it is due from now on.
    pub schedule: Schedule,
}

/// Which daemon: a name that no other running one has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HolderId(pub String);

/// A host that a daemon wants to ask, or goes on asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRequest {
    /// Who asks.
    pub holder: HolderId,
    /// The hosts, each once.
    pub hosts: Vec<String>,
    /// The time now. A store with a clock of its own that all daemons share goes by that one.
    pub now: Timestamp,
    /// For how long, in microseconds.
    pub micros: i64,
}

impl LeaseRequest {
    /// The lease of a host that is granted where `held` is what the store has of it; `None` while somebody else holds it.
    pub fn grant(&self, host: &str, held: Option<&Lease>) -> Option<Lease> {
        let holder = held.and_then(|lease| lease.holder.as_ref());
        let token = match held {
            None => 1,
            Some(lease) if holder == Some(&self.holder) => lease.token.token,
            Some(lease) if holder.is_none() || lease.until <= self.now => lease.token.token + 1,
            Some(_) => return None,
        };
        let token = LeaseToken { host: host.to_owned(), token };
        Some(Lease { token, holder: Some(self.holder.clone()), until: self.now.saturating_add_micros(self.micros) })
    }
}

/// A lease that was granted, as long as nobody else has been granted a later one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseToken {
    /// The host.
    pub host: String,
    /// 1 at first; goes up by one each time that the host changes hands, also from nobody's.
    pub token: u64,
}

/// A host's lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The host and the token.
    pub token: LeaseToken,
    /// Who holds it; `None` when it was given back.
    pub holder: Option<HolderId>,
    /// Until when.
    pub until: Timestamp,
}

/// How a fetch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FetchStatus {
    /// Begun, and no answer yet.
    Running,
    /// A body was parsed and committed.
    Captured,
    /// A 304, or the same bytes.
    Unchanged,
    /// It failed; nothing was stored, or some parts of many.
    Failed,
    /// Another fetch of the feed was committed first; nothing was stored, or some parts of many.
    Superseded,
    /// The process ended before the fetch did.
    Interrupted,
}

impl FetchStatus {
    /// The word used in stores and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Captured => "captured",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
            Self::Interrupted => "interrupted",
        }
    }
}

impl FromStr for FetchStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Running, Self::Captured, Self::Unchanged, Self::Failed, Self::Superseded, Self::Interrupted];
        all.into_iter().find(|s| s.as_str() == text).ok_or_else(|| format!("no fetch status is called {text:?}"))
    }
}

/// What came of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FetchDetail {
    /// How it ended.
    pub status: FetchStatus,
    /// When it ended.
    pub finished_at: Timestamp,
    /// The HTTP status of the last answer; `None` for files and when there was no answer.
    pub http_status: Option<u16>,
    /// Bytes received, before decoding.
    pub wire_bytes: u64,
    /// Bytes after decoding.
    pub body_bytes: u64,
    /// Milliseconds from the request to the commit.
    pub duration_ms: u64,
    /// For a failure: its code, such as `http.status`.
    pub code: Option<String>,
    /// For a failure: what is wrong. For a success: warnings, if there are any.
    pub reason: Option<String>,
    /// What else is written down of it, such as how many requests it took and when the feed is fetched next, and why: an
    /// object that only the engine reads.
    #[cfg_attr(feature = "serde", serde(default = "Content::empty"))]
    pub notes: Content,
}

impl FetchDetail {
    /// That of a fetch whose process ended before it did.
    pub fn interrupted(found_at: Timestamp) -> Self {
        Self {
            status: FetchStatus::Interrupted,
            finished_at: found_at,
            http_status: None,
            wire_bytes: 0,
            body_bytes: 0,
            duration_ms: 0,
            code: None,
            reason: None,
            notes: Content::empty(),
        }
    }
}

/// A fetch: its intent, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Fetch {
    /// What was begun.
    pub intent: FetchIntent,
    /// What came of it; `None` while it runs.
    pub detail: Option<FetchDetail>,
}

/// Keeps what the control plane must not forget. Every call is one unit of work.
///
/// A custom backend may implement storage alone: the engine then keeps its state in a local SQLite file.
#[async_trait]
pub trait StateStore: Debug + Send + Sync + 'static {
    /// Creates or migrates the store. May be called again.
    async fn prepare(&self) -> Result<()>;

    /// Lets go of the store: one that lies in files may be moved then. May be called again; [`StateStore::prepare`] opens it
    /// anew. A store that is closed as a backend has nothing left to do.
    async fn release(&self) -> Result<()> {
        Ok(())
    }

    /// Adds a feed.
    ///
    /// # Errors
    /// `Conflict` when its id is known, or its name belongs to a feed that was not removed.
    async fn add_feed(&self, feed: &Feed) -> Result<()>;

    /// Replaces the feed with that id, its namespace, its key rule and the time it was added excepted, where it
    /// [is still](Feed::is_still) as the caller holds it: nobody is overwritten who changed it meanwhile. Answers whether it
    /// was replaced.
    ///
    /// # Errors
    /// `Invalid` when the id is unknown; `Conflict` when the feed is as it is held, and the name belongs to another one.
    async fn replace_feed(&self, held: &Feed, feed: &Feed) -> Result<bool>;

    /// Settles where a feed's keys are taken from, unless that is settled already; answers the rule in force. It never
    /// changes again.
    ///
    /// # Errors
    /// `Invalid` when the id is unknown.
    async fn settle_key_rule(&self, feed: FeedId, rule: KeyRule) -> Result<KeyRule>;

    /// All feeds, the removed ones included, by name and then by id.
    async fn feeds(&self) -> Result<Vec<Feed>>;

    /// The feed of that name that was not removed.
    async fn feed_named(&self, name: &FeedName) -> Result<Option<Feed>>;

    /// Writes down that a fetch begins. Fetches of the same feed that are still running are marked interrupted: their
    /// process died, or will say otherwise by [`StateStore::finish_fetch`].
    ///
    /// A fetch that was marked so commits nothing: where captures lie in the same store, an ingest of it is a `Conflict`, so
    /// that a process that stood still cannot commit late.
    ///
    /// # Errors
    /// `Conflict` when the fetch is known; when it is to fill a slot and the host's lease has another token, or the feed's
    /// schedule another time: then somebody else has filled it, or will.
    async fn begin_fetch(&self, intent: &FetchIntent, slot: Option<&Slot>) -> Result<()>;

    /// Writes down what came of a fetch, and when its feed is fetched next, in one unit of work. Of a fetch that was marked
    /// interrupted the schedule stays as it is: whoever marked it decides.
    ///
    /// # Errors
    /// `Invalid` when the fetch is unknown.
    async fn finish_fetch(&self, fetch: FetchId, detail: &FetchDetail, schedule: Option<&Schedule>) -> Result<()>;

    /// The fetches of a feed, newest first.
    async fn fetches_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Fetch>>;

    /// The fetches of all feeds, by descending id: the ids of an engine ascend with the time.
    async fn all_fetches_page(&self, page: &PageRequest) -> Result<Page<Fetch>>;

    /// When feeds are fetched next, of all that were ever scheduled, by feed.
    async fn schedules(&self) -> Result<Vec<Schedule>>;

    /// The same of one feed; `None` when it was never scheduled.
    async fn schedule_of(&self, feed: FeedId) -> Result<Option<Schedule>>;

    /// At most so many of the feeds that are due by then, the longest overdue first, then by feed. Feeds that are not active
    /// are left out.
    async fn due(&self, by: Timestamp, limit: NonZeroUsize) -> Result<Vec<Schedule>>;

    /// Writes down when feeds are fetched next, whatever was written before.
    ///
    /// # Errors
    /// `Invalid` when a feed is unknown; then none is written.
    async fn set_schedules(&self, schedules: &[Schedule]) -> Result<()>;

    /// Writes down when feeds are fetched next, each named once, and only where it is still due as the caller knows it: nobody
    /// is overtaken who fetched it meanwhile. Answers for each whether it was written.
    ///
    /// # Errors
    /// `Invalid` when a feed is unknown; then none is written.
    async fn reschedule(&self, changes: &[Reschedule]) -> Result<Vec<bool>>;

    /// Grants the hosts that nobody holds, whose lease ran out, or that the same holder has: those get their lease prolonged
    /// and keep their token. Answers the leases granted, by host; a host that somebody else holds is left out.
    ///
    /// Where a host changes hands its token goes up, and fetches that still run under an earlier one are marked interrupted,
    /// at the time by which the lease was granted.
    async fn lease_hosts(&self, request: &LeaseRequest) -> Result<Vec<Lease>>;

    /// Gives hosts back, where that holder has them; their tokens stay.
    async fn release_hosts(&self, holder: &HolderId, hosts: &[String]) -> Result<()>;

    /// All hosts that were ever leased, by name.
    async fn leases(&self) -> Result<Vec<Lease>>;

    /// Where the bytes are kept that fetches brought; `None` where they are not.
    fn captures(&self) -> Option<&dyn CaptureStore> {
        None
    }

    /// What a store that is the backend as well does to both in one unit of work; `None` where that takes several.
    fn joint(&self) -> Option<&dyn Joint> {
        None
    }
}

/// What is known of a feed as its fetch begins, all of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outset {
    /// The feed.
    pub feed: Feed,
    /// Its cursor.
    pub cursor: Option<FeedCursor>,
    /// What the fetch counted that told the cursor's manifest; `None` without a manifest.
    pub told: Option<Counts>,
    /// When it was to be fetched; `None` before it was ever scheduled.
    pub schedule: Option<Schedule>,
}

/// The two ends of a fetch, of a store that is backend and control plane in one: each is one unit of work. That is half the
/// waits for the disk, and leaves no moment in between at which a process can end, or somebody else come.
#[async_trait]
pub trait Joint: Send + Sync {
    /// Begins to fetch a feed that is polled: as [`StateStore::begin_fetch`] at the address that the feed has, and answers what
    /// is known of it. `None`, and nothing is written, when the feed is not active, or unknown.
    ///
    /// # Errors
    /// Those of `begin_fetch`, and of [`cursor`](crate::StorageBackend::cursor).
    async fn begin_turn(
        &self,
        feed: FeedId,
        fetch: FetchId,
        started_at: Timestamp,
        slot: Option<&Slot>,
    ) -> Result<Option<Outset>>;

    /// As [`StateStore::settle_key_rule`], [`CaptureStore::keep`], [`ingest`](crate::StorageBackend::ingest) and
    /// [`StateStore::finish_fetch`], as far as there is something for each: all, or none of them. A batch that was taken before
    /// is answered again, and its fetch ended anew.
    ///
    /// `conclude` is asked within the unit of work what to write down of the end, given what the batch did; again where the unit
    /// is carried out again. It neither waits nor asks a store.
    ///
    /// # Errors
    /// Those of each, and `Conflict` when the feed has another key rule; then nothing is written. Where several are refused, what
    /// comes first of these is told: the batch, the key rule, the body, the end.
    async fn land(&self, landing: Landing, conclude: Conclude) -> Result<IngestReport>;
}

/// What a fetch brought last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landing {
    /// What is stored of it.
    pub batch: IngestBatch,
    /// The key rule that the feed's first items chose; `None` where none was chosen.
    pub key_rule: Option<KeyRule>,
    /// The bytes that the batch was read from; `None` where they are not kept, or are already.
    pub capture: Option<(Capture, PackedBody)>,
}

impl Landing {
    /// A batch and nothing else.
    pub const fn of(batch: IngestBatch) -> Self {
        Self { batch, key_rule: None, capture: None }
    }

    /// Whether the body is one that can be kept as that capture, and a capture of the batch's fetch.
    ///
    /// # Errors
    /// Those of [`Capture::check`]; `Invalid` when it is of another fetch.
    pub fn check(&self) -> Result<()> {
        let Some((capture, body)) = &self.capture else { return Ok(()) };
        let CaptureName { feed, fetch, .. } = capture.name;
        if (feed, fetch) != (self.batch.feed, self.batch.fetch) {
            return Err(StorageError::invalid(format!("the body is of fetch {fetch}, not of {}", self.batch.fetch)));
        }
        capture.check(body)
    }

    /// Whether the rule that was chosen is the one that the feed has now.
    ///
    /// # Errors
    /// `Conflict` when it is not.
    pub fn check_key_rule(feed: FeedId, chosen: KeyRule, held: KeyRule) -> Result<()> {
        if chosen == held {
            return Ok(());
        }
        let (chosen, held) = (chosen.as_str(), held.as_str());
        Err(StorageError::conflict(format!("feed {feed} is keyed by {held}, not by {chosen}")))
    }
}

/// What is written down of a fetch's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conclusion {
    /// What came of it.
    pub detail: FetchDetail,
    /// When its feed is fetched next; `None` leaves that as it is.
    pub schedule: Option<Schedule>,
}

/// What is written down of a fetch's end, by what its last batch did.
pub type Conclude = Arc<dyn Fn(&IngestReport) -> Conclusion + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_granted_when_it_is_free_or_ran_out_or_is_ones_own() {
        let at = |micros| Timestamp::UNIX_EPOCH.saturating_add_micros(micros);
        let held = |holder: Option<&str>, until| Lease {
            token: LeaseToken { host: "one".to_owned(), token: 7 },
            holder: holder.map(|name| HolderId(name.to_owned())),
            until: at(until),
        };
        let request = LeaseRequest { holder: HolderId("a".to_owned()), hosts: Vec::new(), now: at(100), micros: 10 };
        let table = [
            (None, Some(1)),
            (Some(held(None, 200)), Some(8)),
            (Some(held(None, 50)), Some(8)),
            (Some(held(Some("a"), 200)), Some(7)),
            (Some(held(Some("a"), 50)), Some(7)),
            (Some(held(Some("b"), 101)), None),
            (Some(held(Some("b"), 100)), Some(8)),
            (Some(held(Some("b"), 99)), Some(8)),
        ];
        for (held, token) in table {
            let granted = request.grant("one", held.as_ref());
            assert_eq!(granted.as_ref().map(|lease| lease.token.token), token, "{held:?}");
            let (holder, until) = (Some(request.holder.clone()), at(110));
            assert!(granted.is_none_or(|lease| lease.holder == holder && lease.until == until), "{held:?}");
        }
    }
}
