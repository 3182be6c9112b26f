//! Feeds: listing, showing, renaming, pausing, removing.

use feedspine_core::{
    Counts, Coverage, CursorStep, Feed, FeedCursor, FeedId, FeedName, FeedStatus, Fetch, HashRule, IngestBatch, Json,
    Observation, Page, PageRequest, Part, Quarantined, Reschedule, Schedule, StorageError, Timestamp,
};

use super::json::{array, instant};
use super::moving::shown_formerly;
use super::unfinished::refuse_unfinished_import;
use super::{OpError, ToJson};
use crate::Engine;
use crate::collect::host_of;
use crate::feed_settings::FeedSettings;
use crate::moving::Former;
use crate::policy::PolicyView;
use crate::schedule::{Cron, Interval, Pace, Rest, Rhythm, RhythmChoice, Standing, Subject, changed};
use crate::settings::HostRates;
use crate::shown::shown_cursor;
use crate::watch::first;

/// How many of a feed's last fetches are shown with it.
const FETCHES_SHOWN: usize = 10;
/// How many of the last items that could not be taken are shown with a feed.
const REJECTS_SHOWN: usize = 10;
/// How often the removal of a feed is tried again when a collect moves its cursor in between.
const REMOVAL_ATTEMPTS: usize = 5;

/// A feed with what is known of its polling.
#[derive(Debug, Clone)]
pub struct FeedView {
    /// The feed.
    pub feed: Feed,
    /// By what its items are told from each other, and how that goes.
    pub policy: PolicyView,
    /// When it is fetched.
    pub rhythm: Rhythm,
    /// Until when nobody asks its host, since it asked to be left alone; `None` while it may be asked.
    pub rest: Option<Rest>,
    /// Where it was before, the last one last.
    pub formerly: Vec<Former>,
    /// The other feeds that are where it is.
    pub linked: Vec<FeedName>,
    /// What is remembered for the next request; `None` before the first commit.
    pub cursor: Option<FeedCursor>,
    /// Its last fetches, newest first.
    pub fetches: Vec<Fetch>,
    /// Its ledger in figures.
    pub ledger: LedgerFigures,
    /// The last items that could not be taken, newest first, each with its reason.
    pub rejects: Vec<Quarantined>,
}

/// Sums over a feed's ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LedgerFigures {
    /// Committed fetches.
    pub observations: u64,
    /// Those among them that found nothing changed: a 304, the same bytes, or nothing new where that alone is asked for.
    pub unchanged: u64,
    /// When the first one read the feed.
    pub first: Option<Timestamp>,
    /// When the last one did.
    pub last: Option<Timestamp>,
    /// How many of what they found.
    pub counts: Counts,
}

impl ToJson for FeedView {
    fn to_json(&self) -> Json {
        let cursor = self
            .cursor
            .as_ref()
            .map(|cursor| Json::object([("revision", cursor.revision.into()), ("value", shown_cursor(&cursor.value))]));
        Json::object([
            ("feed", self.feed.to_json()),
            ("policy", self.policy.to_json()),
            ("cursor", cursor.into()),
            ("fetches", array(&self.fetches)),
            ("ledger", self.ledger.to_json()),
            ("rejects", array(&self.rejects)),
            ("rhythm", self.rhythm.to_json()),
            ("rest", self.rest.as_ref().map(ToJson::to_json).into()),
            ("formerly", shown_formerly(&self.feed)),
            ("linked", self.linked.iter().map(FeedName::as_str).collect::<Vec<_>>().into()),
        ])
    }
}

impl ToJson for Rhythm {
    fn to_json(&self) -> Json {
        Json::object([
            ("every", self.every.map(|every| Interval::nearest(every).to_string()).into()),
            ("cron", self.cron.as_ref().map(Cron::as_str).into()),
            ("adaptive", Json::Bool(self.cron.is_none() && self.pace == Pace::Adaptive)),
        ])
    }
}

impl ToJson for LedgerFigures {
    fn to_json(&self) -> Json {
        Json::object([
            ("observations", self.observations.into()),
            ("unchanged", self.unchanged.into()),
            ("first", self.first.map(instant).into()),
            ("last", self.last.map(instant).into()),
            ("counts", self.counts.to_json()),
        ])
    }
}

impl Engine {
    /// All feeds that were not removed, by name.
    ///
    /// # Errors
    /// What the control plane's store says.
    pub async fn feeds(&self) -> Result<Page<Feed>, OpError> {
        let mut items = self.state().feeds().await?;
        items.retain(|feed| feed.status != FeedStatus::Removed);
        Ok(Page { items, next: None })
    }

    /// A feed, its cursor, its last fetches, its ledger in figures and its last rejects.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn feed(&self, name: &FeedName) -> Result<FeedView, OpError> {
        let feed = self.named(name).await?;
        let cursor = self.storage().cursor(feed.id).await?;
        let fetches = self.state().fetches_page(feed.id, &PageRequest::first(FETCHES_SHOWN)).await?.items;
        let ledger = self.ledger_figures(&feed).await?;
        let (rejects, _) = self.last_rejects(&feed, REJECTS_SHOWN, None).await?;
        let policy = PolicyView::of(&feed, cursor.as_ref(), self.settings().declared.get(&feed.name));
        let rhythm = RhythmChoice::of(&feed).rhythm();
        let rest = self.rest_of(&feed).await?;
        let (formerly, linked) = (FeedSettings::of(&feed).formerly(), self.linked(&feed).await?);
        Ok(FeedView { feed, policy, rhythm, rest, formerly, linked, cursor, fetches, ledger, rejects })
    }

    /// Calls a feed something else. Its namespace, and so its records' keys, stay.
    ///
    /// # Errors
    /// `NotFound`; `Usage` when the new name is taken; `Failed` while an import into the store is unfinished.
    pub async fn rename(&self, name: &FeedName, to: FeedName) -> Result<Feed, OpError> {
        refuse_unfinished_import(self.storage()).await?;
        let feed = self.named(name).await?;
        self.change_feed(feed, |feed| Feed { name: to.clone(), ..feed.clone() }).await
    }

    /// Polls a feed no longer, until it is resumed.
    ///
    /// # Errors
    /// `NotFound`; `Failed` while an import into the store is unfinished.
    pub async fn pause(&self, name: &FeedName) -> Result<Feed, OpError> {
        self.set_status(self.named(name).await?, FeedStatus::Paused).await
    }

    /// Polls a feed again.
    ///
    /// # Errors
    /// `NotFound`; `Failed` while an import into the store is unfinished.
    pub async fn resume(&self, name: &FeedName) -> Result<Feed, OpError> {
        let feed = self.set_status(self.named(name).await?, FeedStatus::Active).await?;
        let held = self.state().schedule_of(feed.id).await?;
        if held.is_some_and(|held| held.due_at.is_none()) {
            // It said that it is gone: it is asked once more.
            self.state().reschedule(&[first(self, feed.id)]).await?;
        }
        Ok(feed)
    }

    /// Changes a feed's schedule, unless others change when it is due at the same time; whether there was something to change.
    pub(crate) async fn change_schedule(
        &self,
        feed: FeedId,
        change: impl FnOnce(&Schedule) -> Option<Schedule> + Send,
    ) -> Result<bool, OpError> {
        let Some(held) = self.state().schedule_of(feed).await? else { return Ok(false) };
        let Some(schedule) = change(&held) else { return Ok(false) };
        self.state().reschedule(&[Reschedule { held: held.due_at, schedule }]).await?;
        Ok(true)
    }

    /// Lets a daemon fetch a feed now that it would fetch later, and decide anew then, because that was changed of it; whether
    /// it is due now.
    pub(super) async fn fetch_soon(&self, feed: &Feed, what: Subject) -> Result<bool, OpError> {
        let anew = |held: &Schedule| {
            let standing = Standing::from_json(&held.state.to_json());
            Some(changed(what, held.due_at, standing, self.now())?.schedule_of(held.feed))
        };
        Ok(self.change_schedule(feed.id, anew).await? && feed.status == FeedStatus::Active)
    }

    /// Polls a feed never again and frees its name. Everything captured stays; what the feed held until now is no
    /// longer told to be there.
    ///
    /// # Errors
    /// `NotFound`; `Failed` while an import into the store is unfinished.
    pub async fn remove(&self, name: &FeedName) -> Result<Feed, OpError> {
        // Paused first: no collect that has not begun it yet opens its spans again, and whoever is interrupted here can
        // remove it again.
        let feed = self.pause(name).await?;
        self.end_open_spans(&feed, Json::Null).await?;
        self.set_status(feed, FeedStatus::Removed).await
    }

    pub(crate) async fn named(&self, name: &FeedName) -> Result<Feed, OpError> {
        self.state().feed_named(name).await?.ok_or_else(|| unknown_feed(name))
    }

    /// All feeds that are called so, the removed ones too: what fetches of them brought is kept.
    pub(crate) async fn ever_named(&self, name: &FeedName) -> Result<Vec<Feed>, OpError> {
        let mut feeds = self.state().feeds().await?;
        feeds.retain(|feed| feed.name == *name);
        if feeds.is_empty() {
            // Says that there is none.
            self.named(name).await?;
        }
        Ok(feeds)
    }

    /// A feed as it is now, whatever it is called.
    pub(crate) async fn as_it_is_now(&self, feed: &Feed) -> Result<Option<Feed>, StorageError> {
        let named = self.state().feed_named(&feed.name).await?.filter(|named| named.id == feed.id);
        match named {
            Some(named) => Ok(Some(named)),
            None => Ok(self.state().feeds().await?.into_iter().find(|held| held.id == feed.id)),
        }
    }

    /// Until when nobody asks a feed's host, since it asked to be left alone.
    pub(super) async fn rest_of(&self, feed: &Feed) -> Result<Option<Rest>, OpError> {
        let Some(host) = host_of(&feed.address) else { return Ok(None) };
        let rates = HostRates::of(self.settings());
        let mut rests = self.rests(&self.state().feeds().await?, &self.state().schedules().await?);
        Ok(rests.remove(rates.shared_by(&host).0).filter(|rest| rest.until > self.now()))
    }

    async fn set_status(&self, feed: Feed, status: FeedStatus) -> Result<Feed, OpError> {
        refuse_unfinished_import(self.storage()).await?;
        self.change_feed(feed, |feed| Feed { status, ..feed.clone() }).await
    }

    /// Commits a document that is empty and known to be incomplete: it ends every span as unknown, and leaves `next` of
    /// the cursor. A collect that is under way is superseded by it, be it the feed's first.
    pub(super) async fn end_open_spans(&self, feed: &Feed, next: Json) -> Result<(), OpError> {
        for attempt in 1.. {
            let expected = self.storage().cursor(feed.id).await?.map_or(0, |cursor| cursor.revision);
            let now = self.now();
            let batch = IngestBatch {
                feed: feed.id,
                fetch: self.new_fetch_id(),
                part: Part::ONLY,
                observed_at: now,
                recorded_at: now,
                coverage: Coverage::Snapshot { complete: false },
                hash_rule: HashRule::whole(),
                items: Vec::new(),
                rejects: Vec::new(),
                step: CursorStep::Advance { expected, next: next.clone() },
            };
            match self.storage().ingest(batch).await {
                Err(error) if attempt < REMOVAL_ATTEMPTS && moved_on(&error) => {}
                ended => return Ok(ended.map(drop)?),
            }
        }
        Ok(())
    }

    async fn ledger_figures(&self, feed: &Feed) -> Result<LedgerFigures, OpError> {
        let mut figures = LedgerFigures::default();
        let mut page = PageRequest::first(feedspine_core::MAX_PAGE);
        loop {
            let found = self.storage().observations_page(feed.id, &page).await?;
            for observation in &found.items {
                figures.observations += 1;
                figures.unchanged += u64::from(is_unchanged(observation));
                figures.first.get_or_insert(observation.observed_at);
                figures.last = figures.last.max(Some(observation.observed_at));
                figures.counts += observation.counts;
            }
            match found.next {
                Some(next) => page.after = Some(next),
                None => return Ok(figures),
            }
        }
    }
}

pub(super) fn unknown_feed(name: &FeedName) -> OpError {
    OpError::not_found("feed.unknown", format!("there is no feed named {name}"))
        .with_hint("`feedspine feed list` names them")
}

/// Whether the fetch was told as unchanged. Of a source that is asked for what is new alone, the ledger has it as a Delta
/// of nothing.
fn is_unchanged(observation: &Observation) -> bool {
    match observation.coverage {
        Coverage::Unchanged { .. } => true,
        Coverage::Delta => observation.counts.seen == 0,
        Coverage::Snapshot { .. } => false,
    }
}

fn moved_on(error: &StorageError) -> bool {
    error.kind() == feedspine_core::ErrorKind::Conflict
}
