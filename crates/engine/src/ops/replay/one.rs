//! One feed's bodies, read again one after the other.

use std::collections::{HashMap, HashSet};

use feedspine_core::ingest::{KEY_COLLISION, Observation};
use feedspine_core::{
    Candidate, ContentHash, Feed, FeedCursor, Fetch, FetchId, FetchStatus, KeyHash, MAX_PAGE, NaturalKey, PageRequest,
    Reject, VersionNo,
};

use super::captures::Captures;
use super::compare::{Moment, Verdict, compare};
use super::lost::{Lost, Survey};
use super::{Difference, Differences, FeedReplayed, Replay, ReplayKind, Replayed};
use crate::adapters::Adapter;
use crate::archive::BodyName;
use crate::collect::{ReadAgain, store_again};
use crate::ledger::{Again, Cause, again_of};
use crate::ops::again::{Reading, losers, read_again};
use crate::ops::fields::{FieldChange, field_changes};
use crate::ops::held::{Pretended, Records};
use crate::{Engine, OpError};

/// A replay of one feed.
pub(super) struct FeedReplay<'a> {
    engine: &'a Engine,
    feed: &'a Feed,
    request: &'a Replay,
    adapter: Adapter,
    records: Records<'a>,
    /// The keys that items had which fetches rejected.
    rejected: HashMap<FetchId, Vec<KeyHash>>,
    /// The fetches that stored again what an earlier one had brought line by line, by that one.
    again: HashMap<FetchId, Vec<FetchId>>,
    /// What was counted already of what is not stored: it stands in many bodies.
    counted: HashSet<(ReplayKind, KeyHash, Option<VersionNo>)>,
    /// The fetches of which something is kept.
    kept: HashSet<FetchId>,
    told: FeedReplayed,
    replayed: &'a mut Replayed,
}

/// What a body says now.
struct Read {
    last_ordinal: u32,
    items: Vec<Reading>,
    rejects: Vec<Reject>,
}

/// An item with what it is.
struct Judged {
    item: Candidate,
    hash: ContentHash,
    kind: ReplayKind,
    version: Option<VersionNo>,
    note: Option<String>,
}

impl<'a> FeedReplay<'a> {
    /// Replays a feed; what came of it. Differences are told to the whole.
    pub(super) async fn run(
        engine: &'a Engine,
        feed: &'a Feed,
        request: &'a Replay,
        replayed: &'a mut Replayed,
    ) -> FeedReplayed {
        let told = FeedReplayed::of(feed.name.clone());
        let adapter = match Adapter::of(feed) {
            Ok(adapter) => adapter,
            Err(error) => return FeedReplayed { error: Some(error), ..told },
        };
        let records = Records::new(engine.storage(), feed.id, adapter.identity().hash_rule.clone());
        let (rejected, again) = (HashMap::new(), HashMap::new());
        let (counted, kept) = (HashSet::new(), HashSet::new());
        let mut replay =
            Self { engine, feed, request, adapter, records, rejected, again, counted, kept, told, replayed };
        if let Err(error) = replay.bodies().await {
            replay.told.error = Some(error);
        }
        replay.told
    }

    async fn bodies(&mut self) -> Result<(), OpError> {
        self.read_rejected().await?;
        let mut captures = Captures::of(self.engine, self.feed.id);
        while let Some(bodies) = captures.next_fetch().await? {
            self.fetch(bodies).await?;
        }
        self.count_not_kept().await
    }

    /// Notes under which keys items were rejected. Of two items of one key the store took one.
    async fn read_rejected(&mut self) -> Result<(), OpError> {
        let mut page = PageRequest::first(MAX_PAGE);
        loop {
            let read = self.engine.storage().rejects_page(self.feed.id, &page).await?;
            for quarantined in read.items.into_iter().filter(|quarantined| quarantined.reject.code != KEY_COLLISION) {
                if let Some(key) = &quarantined.reject.key {
                    self.rejected.entry(quarantined.fetch).or_default().push(key.hash());
                }
            }
            page.after = read.next;
            if page.after.is_none() {
                return Ok(());
            }
        }
    }

    /// Notes which fetches stored again what others had brought.
    async fn read_again_by(&mut self) -> Result<(), OpError> {
        self.again.clear();
        let mut page = PageRequest::first(MAX_PAGE);
        loop {
            let read = self.engine.state().fetches_page(self.feed.id, &page).await?;
            for fetch in &read.items {
                if let Some(again) = again_of(fetch) {
                    self.again.entry(again.of).or_default().push(fetch.intent.fetch);
                }
            }
            page.after = read.next;
            if page.after.is_none() {
                return Ok(());
            }
        }
    }

    /// Counts the fetches that stored something and of which nothing is kept.
    async fn count_not_kept(&mut self) -> Result<(), OpError> {
        let mut page = PageRequest::first(MAX_PAGE);
        loop {
            let read = self.engine.state().fetches_page(self.feed.id, &page).await?;
            let brought = |fetch: &&Fetch| {
                let began = fetch.intent.started_at;
                let status = fetch.detail.as_ref().map(|detail| detail.status);
                status == Some(FetchStatus::Captured)
                    && again_of(fetch).is_none()
                    && self.request.since.is_none_or(|since| began >= since)
                    && !self.kept.contains(&fetch.intent.fetch)
            };
            self.told.not_kept += read.items.iter().filter(brought).count() as u64;
            page.after = read.next;
            if page.after.is_none() {
                return Ok(());
            }
        }
    }

    /// The bodies of one fetch.
    async fn fetch(&mut self, mut bodies: Vec<BodyName>) -> Result<(), OpError> {
        let fetch = bodies[0].fetch;
        self.kept.insert(fetch);
        // Of a fetch that was superseded nothing was stored: another one told the same.
        let Some(observed) = self.engine.storage().observation(self.feed.id, fetch).await? else { return Ok(()) };
        let moment = Moment { fetch, at: observed.observed_at };
        if self.request.since.is_some_and(|since| moment.at < since) {
            return Ok(());
        }
        // Nor of the pages behind the one with which it failed.
        let stored = observed.counts.seen + observed.counts.repeated;
        bodies.retain(|body| body.first_ordinal == 0 || u64::from(body.first_ordinal) < stored);
        let mut surveyed = None;
        for body in &bodies {
            // Before anything is judged of the body: what is stored of the feed from now on supersedes that.
            let fence = self.records.fence().await?;
            if fence.moved && self.adapter.keeps_lines() {
                self.read_again_by().await?;
            }
            let (lost, only) = match surveyed.take().filter(|_| !fence.moved) {
                Some(lost) => (lost, None),
                None => self.survey(&bodies, &observed, moment).await?,
            };
            let read = match only {
                Some(read) => Some(read),
                None => self.read(*body).await?,
            };
            if let Some(read) = read {
                self.told.bodies += 1;
                self.body(read, moment, &lost, fence.cursor).await?;
            } else {
                self.told.unread += 1;
            }
            surveyed = Some(lost);
        }
        Ok(())
    }

    /// Looks through all bodies of a fetch for what it showed and is read no more. With it comes what the body says, where
    /// it is the only one: of several one is in memory at a time, and they are read anew.
    async fn survey(
        &mut self,
        bodies: &[BodyName],
        observed: &Observation,
        moment: Moment,
    ) -> Result<(Lost, Option<Read>), OpError> {
        let of_lines = self.adapter.keeps_lines();
        let mut survey = if of_lines {
            // Nothing was stored by itself of the lines that are kept.
            let stored_by = self.again.get(&moment.fetch).cloned().unwrap_or_default();
            Survey { stored_by, ..Survey::default() }
        } else {
            let keys = self.rejected.get(&moment.fetch).into_iter().flatten().copied().collect();
            Survey { keys, stored_by: vec![moment.fetch], ..Survey::default() }
        };
        let (mut until, mut only) = (Some(0), None);
        for body in bodies {
            let read = self.read(*body).await?;
            if let Some(read) = &read {
                self.look_through(read, moment, &mut survey).await?;
            }
            let follows = |until: &u32| *until == body.first_ordinal && read.is_some();
            let last = read.as_ref().map_or(0, |read| read.last_ordinal);
            until = until.filter(follows).map(|_| last.saturating_add(1));
            only = read.filter(|_| bodies.len() == 1);
        }
        let brought = observed.counts.seen + observed.counts.repeated;
        let lost = if of_lines || until.is_some_and(|until| u64::from(until) >= brought) {
            self.lost(moment, &survey).await?
        } else {
            Lost::default()
        };
        Ok((lost, only))
    }

    /// What a body says now; `None`, and why is noted, when it cannot be read.
    async fn read(&mut self, name: BodyName) -> Result<Option<Read>, OpError> {
        let body = match self.engine.archive().body(name).await {
            Ok(Some(body)) => body,
            Ok(None) => return Ok(None),
            Err(error) => {
                self.told.error.get_or_insert(error);
                return Ok(None);
            }
        };
        let last_ordinal = body.last_ordinal;
        match read_again(self.engine, self.feed, body).await {
            Ok((candidates, rejects)) => {
                let rule = &self.adapter.identity().hash_rule;
                let reading = |item: Candidate| Reading { hash: rule.hash(&item.content), item };
                Ok(Some(Read { last_ordinal, items: candidates.into_iter().map(reading).collect(), rejects }))
            }
            Err(error) => {
                self.told.error.get_or_insert(error);
                Ok(None)
            }
        }
    }

    async fn look_through(&mut self, read: &Read, moment: Moment, survey: &mut Survey) -> Result<(), OpError> {
        for Reading { item, hash } in &read.items {
            let is_new = survey.keys.insert(item.key.hash());
            if is_new {
                let times = self.records.held(&item.key).await?.times_shown_by(&survey.stored_by, moment.at);
                survey.stored += times;
                if times == 0 {
                    *survey.others.entry(*hash).or_default() += 1;
                }
            }
        }
        Ok(())
    }

    fn was_rejected(&self, fetch: FetchId, key: &KeyHash) -> bool {
        self.rejected.get(&fetch).is_some_and(|keys| keys.contains(key))
    }

    /// What was stored of the fetch and is read no more.
    async fn lost(&mut self, moment: Moment, survey: &Survey) -> Result<Lost, OpError> {
        let storage = self.engine.storage();
        let mut stored = 0;
        for fetch in &survey.stored_by {
            let observed = storage.observation(self.feed.id, *fetch).await?;
            stored += observed.map_or(0, |Observation { counts, .. }| counts.new + counts.changed + counts.unchanged);
        }
        let count = stored.saturating_sub(survey.stored);
        let lost = Lost::of(storage, &mut self.records, self.feed, moment, (survey, count)).await?;
        if self.adapter.keeps_lines() {
            // Its line may have made room for others: nothing says that it is no item any more.
            return Ok(lost);
        }
        for item in &lost.items {
            if self.counted.insert((ReplayKind::Lost, item.key.hash(), Some(item.version))) {
                self.told.count(ReplayKind::Lost);
                let note = Some("it is no item any more; its record stays".to_owned());
                self.tell(ReplayKind::Lost, &item.key, moment, (Some(item.version), note), Vec::new());
            }
        }
        Ok(lost)
    }

    /// Judges what a body says, stores what is to be stored, and tells what differs.
    async fn body(
        &mut self,
        read: Read,
        moment: Moment,
        lost: &Lost,
        cursor: Option<FeedCursor>,
    ) -> Result<(), OpError> {
        for _ in &read.rejects {
            self.told.count(ReplayKind::Rejected);
        }
        let is_stored = |judged: &Judged| judged.kind.is_stored();
        let judged = self.judge(read.items, moment, lost).await?;
        let (mut stored, mut others): (Vec<_>, Vec<_>) = judged.into_iter().partition(is_stored);
        if self.request.differences == Differences::Applied {
            // Other feeds, and calls, write the same records without this feed's cursor: by what is held right now.
            self.records.forget(stored.iter().map(|judged| &judged.item.key));
            let items = stored.into_iter().map(|Judged { item, hash, .. }| Reading { item, hash }).collect();
            let (still, no_more) = self.judge(items, moment, lost).await?.into_iter().partition(is_stored);
            stored = still;
            others.extend::<Vec<_>>(no_more);
        }
        let mut told = Vec::new();
        for judged in &others {
            let Judged { item, kind, version, .. } = judged;
            if *kind == ReplayKind::Same {
                self.told.count(ReplayKind::Same);
            } else if self.counted.insert((*kind, item.key.hash(), *version)) {
                self.told.count(*kind);
                told.push(judged);
            }
        }
        // What changes is found out before it is changed.
        let most = self.request.limit.get().saturating_sub(self.replayed.items.len());
        let mut differences = Vec::new();
        for judged in stored.iter().filter(|judged| judged.kind != ReplayKind::Sighted).chain(told).take(most) {
            let fields = self.fields(judged).await?;
            let note = judged.note.clone();
            differences.push((judged.kind, judged.item.key.clone(), (judged.version, note), fields));
        }
        let tells_more = differences.len() < most;
        self.store(&stored, moment, cursor, tells_more).await?;
        for judged in &stored {
            self.told.count(judged.kind);
        }
        for (kind, key, said, fields) in differences {
            self.tell(kind, &key, moment, said, fields);
        }
        Ok(())
    }

    /// What each item is; of several with one key, one is judged.
    async fn judge(&mut self, items: Vec<Reading>, moment: Moment, lost: &Lost) -> Result<Vec<Judged>, OpError> {
        // The one that the fetch showed goes before others.
        let losers = losers(&items, &mut self.records, |held| {
            let standing = held.standing(moment.fetch, moment.at, false);
            standing.map_or_else(|| held.shown_last(), |standing| held.hash_of(standing.in_force))
        })
        .await?;
        let mut keys = HashSet::with_capacity(items.len());
        let mut judged = Vec::with_capacity(items.len());
        for Reading { item, hash } in items {
            if losers.contains(&item.ordinal) {
                let note = Some("another item of the same body has its key".to_owned());
                judged.push(Judged { item, hash, kind: ReplayKind::Collides, version: None, note });
                continue;
            }
            if !keys.insert(item.key.hash()) {
                continue;
            }
            let was_rejected = self.was_rejected(moment.fetch, &item.key.hash());
            let gist = self.adapter.identity().hash_rule.gist(&item.content);
            let held = self.records.held(&item.key).await?;
            let (kind, version, note) = match compare((hash, gist), moment, was_rejected, held) {
                Verdict::Same => (ReplayKind::Same, None, None),
                Verdict::Correct(version) => (ReplayKind::Changed, Some(version), None),
                Verdict::HeldBack(version) => (ReplayKind::HeldBack, Some(version), None),
                Verdict::Older(version) => {
                    let note = held.current().map(|current| format!("version {current} is current"));
                    (ReplayKind::Older, Some(version), note)
                }
                Verdict::Deleted => {
                    (ReplayKind::Doubtful, None, Some("the version that it showed was deleted".to_owned()))
                }
                Verdict::Overtaken => {
                    (ReplayKind::Overtaken, None, Some("its record holds what was read later".to_owned()))
                }
                Verdict::Found => match lost.by_content.get(&hash) {
                    Some(key) => (ReplayKind::Rekeyed, None, Some(format!("its record keeps the key {:?}", key.key()))),
                    None if lost.count == Some(0) && held.is_held(hash) => (ReplayKind::Sighted, None, None),
                    None if lost.count == Some(0) => (ReplayKind::Found, None, None),
                    None => {
                        let note = match lost.count {
                            Some(_) => "items that the fetch stored are missing now: it may be one of them",
                            None => "not all that the fetch brought can be read: it may be stored under another key",
                        };
                        (ReplayKind::Doubtful, None, Some(note.to_owned()))
                    }
                },
            };
            judged.push(Judged { item, hash, kind, version, note });
        }
        Ok(judged)
    }

    /// What changes against the version that stands for what the fetch showed.
    async fn fields(&mut self, judged: &Judged) -> Result<Vec<FieldChange>, OpError> {
        let Some(version) = judged.version else { return Ok(Vec::new()) };
        let before = self.records.content(&judged.item.key, version).await?;
        Ok(before.map(|before| field_changes(&before, &judged.item.content)).unwrap_or_default())
    }

    /// Stores what is to be stored of one body; or holds it as if it were. `tells_more`: whether differences of later bodies
    /// will be told one by one.
    async fn store(
        &mut self,
        stored: &[Judged],
        moment: Moment,
        cursor: Option<FeedCursor>,
        tells_more: bool,
    ) -> Result<(), OpError> {
        if stored.is_empty() {
            return Ok(());
        }
        let rule = self.adapter.identity().hash_rule.clone();
        if self.request.differences == Differences::Shown {
            for Judged { item, hash, kind, .. } in stored {
                let pretended = Pretended { at: moment.at, hash: *hash, gist: rule.gist(&item.content) };
                // What is sighted is held already.
                let content = (tells_more && *kind != ReplayKind::Sighted).then(|| item.content.clone());
                self.records.pretend(&item.key, pretended, content).await?;
            }
            return Ok(());
        }
        let again = Again { cause: Cause::Parser, of: moment.fetch };
        let mut items: Vec<Candidate> = stored.iter().map(|judged| judged.item.clone()).collect();
        items.sort_by_key(|item| item.ordinal);
        let read = ReadAgain { again, observed_at: moment.at, cursor, items };
        let (report, outcomes) = store_again(self.engine, self.feed, &rule, read).await;
        self.told.stored_by.extend(report.fetch.filter(|_| !outcomes.is_empty()));
        if outcomes.len() == stored.len() {
            self.records.stored(stored.iter().map(|judged| &judged.item.key));
            return Ok(());
        }
        Err(report.error.unwrap_or_else(|| {
            OpError::failed("replay.superseded", format!("another fetch of {} was committed first", self.feed.name))
                .with_hint("run the same command again: what is stored stays")
        }))
    }

    fn tell(
        &mut self,
        kind: ReplayKind,
        key: &NaturalKey,
        moment: Moment,
        (version, note): (Option<VersionNo>, Option<String>),
        fields: Vec<FieldChange>,
    ) {
        let (feed, key) = (self.feed.name.clone(), key.clone());
        let (fetch, observed_at) = (moment.fetch, moment.at);
        let difference = Difference { feed, fetch, observed_at, kind, key, version, fields, note };
        self.replayed.tell(difference, self.request.limit);
    }
}
