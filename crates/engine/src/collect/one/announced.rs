//! What a hub told of a feed: a document of some of its items, as a fetch by itself that asks nobody.

use std::collections::HashSet;

use feedspine_core::{
    Feed, FetchId, FetchStatus, IngestBatch, MAX_PAGE, NaturalKey, Outcome, PageRequest, Part, StorageError, Timestamp,
};
use tokio::time::Instant;

use super::{Arrived, Basis, FeedReport, Journey, written_down};
use crate::adapters::{Adapter, RawBody};
use crate::collect::ahead::dates_ahead;
use crate::collect::cursor::{Source, remember};
use crate::collect::document::{self, Told, last_ordinal, told_warning};
use crate::collect::parts::parts;
use crate::fetch::{Coding, Received};
use crate::ledger::{HubTold, pushed_of};
use crate::policy::rule_in_force;
use crate::{Engine, OpError, shown_address};

/// A hub that tells of an item so soon after the feed was asked was late by little. Fifteen minutes, in microseconds.
const NEAR: i64 = 900_000_000;
/// Of so many items that were known it is looked up whether the hub was late.
const LOOKED_UP: usize = 100;

/// What a hub told.
#[derive(Debug)]
pub(crate) struct Announced {
    pub(crate) hub: String,
    pub(crate) received_at: Timestamp,
    pub(crate) content_type: Option<String>,
    pub(crate) coding: Coding,
    pub(crate) body: Vec<u8>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) enum Heard {
    /// It was stored, or failed to be read, which is written down.
    Stored(Box<FeedReport>),
    /// It holds no item, or is no feed's document.
    Nothing,
    /// A fetch of the feed is under way, which it would have ended.
    Busy,
}

/// What was read of it.
enum Read {
    Items(Box<document::Items>),
    Unreadable { error: OpError, body: Vec<u8> },
}

/// Stores the items of what a hub told.
///
/// The cursor stays, and nothing is said of other items: a hub tells what is new, not what the feed holds.
pub(crate) async fn announce(engine: &Engine, feed: &Feed, told: Announced) -> Result<Heard, OpError> {
    let started = Instant::now();
    let Adapter::Feed(identity) = Adapter::of(feed)? else { return Ok(Heard::Nothing) };
    // How items are told apart is learnt from a whole document.
    let Some(key_rule) = rule_in_force(feed) else { return Ok(Heard::Nothing) };
    let cursor = engine.storage().cursor(feed.id).await?;
    let url = cursor.and_then(|cursor| remember(&cursor, feed)?.source.url).unwrap_or_else(|| feed.address.clone());
    let source = Source { url: Some(url), content_type: told.content_type };
    let (wire_bytes, limits) = (told.body.len() as u64, engine.settings().limits);
    let _room = engine.room_for(told.coding.most_decoded(wire_bytes, &limits)).await;
    let task = document::Task {
        namespace: feed.namespace.clone(),
        key_rule: Some(key_rule),
        identity: identity.clone(),
        known: None,
        received: Received { wire: told.body, coding: told.coding },
        address: feed.address.clone(),
        source: source.clone(),
        limits,
    };
    let (body_bytes, read) = match document::read(task).await {
        Ok(read) => match read.told {
            Told::Known(_) => return Ok(Heard::Nothing),
            Told::Items(items) if items.candidates.is_empty() && items.rejects.is_empty() => return Ok(Heard::Nothing),
            Told::Items(items) => (read.body_bytes, Read::Items(items)),
            Told::Unreadable { error, .. } if is_no_feed(&error) => return Ok(Heard::Nothing),
            Told::Unreadable { error, body } => (read.body_bytes, Read::Unreadable { error, body }),
        },
        Err(error) => (0, Read::Unreadable { error, body: Vec::new() }),
    };
    // To begin is to interrupt what runs: reading it took a while.
    if engine.is_fetched(feed).await? {
        return Ok(Heard::Busy);
    }
    // To the millisecond, as the fetch's id has it: it was received before the fetch began.
    let observed_at = told.received_at.saturating_add_micros(-told.received_at.as_micros().rem_euclid(1_000));
    let hub = shown_address(&told.hub);
    let store = async |journey: &mut Journey<'_>| {
        journey.pushed = Some(HubTold { hub, new: 0, near_misses: 0 });
        journey.hash_rule = identity.hash_rule.clone();
        (journey.figures.wire_bytes, journey.figures.body_bytes) = (wire_bytes, body_bytes);
        let basis = Basis { revision: 0, observed_at };
        match read {
            Read::Items(items) => journey.store_announced(&basis, *items, source).await,
            Read::Unreadable { error, body: bytes } => {
                if !bytes.is_empty() {
                    let body = RawBody { first_ordinal: 0, last_ordinal: 0, source, headers: Vec::new(), bytes };
                    journey.keep(&basis, body).await;
                }
                Err(error)
            }
        }
    };
    Ok(Heard::Stored(Box::new(written_down(engine, feed, started, store).await)))
}

/// Whether a body is nothing that a feed's document could be: no more than a word that there is something.
fn is_no_feed(error: &OpError) -> bool {
    ["feed.empty", "feed.not_a_feed"].contains(&error.code())
}

impl Journey<'_> {
    async fn store_announced(
        &mut self,
        basis: &Basis,
        mut items: document::Items,
        source: Source,
    ) -> Result<Arrived, OpError> {
        let bytes = std::mem::take(&mut items.body);
        let last_ordinal = last_ordinal(&items.candidates, &items.rejects);
        let body = RawBody { first_ordinal: 0, last_ordinal, source, headers: Vec::new(), bytes };
        let mut warnings = items.warnings;
        warnings.extend(self.keep(basis, body).await);
        warnings.extend(dates_ahead(&items.candidates, basis.observed_at).as_ref().map(told_warning));
        let most = self.engine.storage().info().capabilities.max_batch.max(1);
        let mut rejects = items.rejects;
        let mut known = Vec::new();
        let mut rest = parts(items.candidates, most).into_iter().peekable();
        for index in 0.. {
            let Some(part) = rest.next() else { break };
            let last = rest.peek().is_none();
            let keys: Vec<NaturalKey> = part.iter().map(|item| item.key.clone()).collect();
            let rejects = if last { std::mem::take(&mut rejects) } else { Vec::new() };
            let batch = IngestBatch { part: Part { index, last }, items: part, rejects, ..self.batch(basis) };
            let Some(report) = self.submit_for_report(batch).await? else { return Ok(self.superseded()) };
            let is_known = |outcome: &Outcome| *outcome == Outcome::Unchanged;
            let found = keys.into_iter().zip(&report.outcomes).filter(|(_, outcome)| is_known(outcome));
            known.extend(found.map(|(key, _)| key).take(LOOKED_UP.saturating_sub(known.len())));
        }
        // It is stored: what cannot be counted is not.
        let near_misses = self.near_misses(&known, basis.observed_at).await.unwrap_or(0);
        if let Some(pushed) = &mut self.pushed {
            (pushed.new, pushed.near_misses) = (self.figures.counts.new, near_misses);
        }
        Ok(Arrived::with(FetchStatus::Captured, warnings))
    }

    /// How many of these items the feed was found to hold, by asking it, shortly before a hub first told of them.
    async fn near_misses(&self, known: &[NaturalKey], at: Timestamp) -> Result<u64, StorageError> {
        let storage = self.engine.storage();
        let seen = storage.seen_many(known).await?;
        let is_recent = |earliest: Timestamp| at.micros_since(earliest) < NEAR;
        let recent = known.iter().zip(seen).filter(|(_, seen)| seen.is_some_and(|seen| is_recent(seen.earliest)));
        let recent: Vec<&NaturalKey> = recent.map(|(key, _)| key).collect();
        if recent.is_empty() {
            return Ok(0);
        }
        let page = PageRequest::first(MAX_PAGE);
        let fetches = self.engine.state().fetches_page(self.feed.id, &page).await?.items;
        let pushes: HashSet<FetchId> =
            fetches.iter().filter(|fetch| pushed_of(fetch).is_some()).map(|fetch| fetch.intent.fetch).collect();
        let mut near_misses = 0;
        for key in recent {
            let sightings = storage.sightings_page(key, &page).await?.items;
            let mut before = sightings.iter().filter(|seen| seen.feed == self.feed.id && seen.fetch != self.fetch);
            let found = before.clone().next().is_some();
            near_misses += u64::from(found && !before.any(|seen| pushes.contains(&seen.fetch)));
        }
        Ok(near_misses)
    }
}
