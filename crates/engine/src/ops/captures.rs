//! What is kept of the bytes that fetches brought: how much, which, the bytes themselves, and what is forgotten of them.

use std::collections::VecDeque;
use std::num::NonZeroU32;

use feedspine_core::{
    Capture, CaptureName, CaptureStore, FeedCaptures, FeedId, FeedName, FetchId, Forgotten, HeldCapture, Json,
    MAX_PAGE, PageRequest,
};

use super::json::{array, instant};
use super::{DryRun, OpError, ToJson};
use crate::shown::shown_text;
use crate::{Engine, Keep};

/// So many captures are looked at, and forgotten, in one step: others get their turn between two.
const STEP: usize = 200;

/// How much is kept of all feeds.
#[derive(Debug, Clone)]
pub struct CaptureOverview {
    /// Of each feed that has captures, by name.
    pub feeds: Vec<KeptOfFeed>,
    /// The bodies of all, each once.
    pub bodies: u64,
    /// The bytes that they take.
    pub packed_bytes: u64,
}

/// How much is kept of a feed.
#[derive(Debug, Clone)]
pub struct KeptOfFeed {
    /// The feed.
    pub feed: FeedName,
    /// How long its bodies are kept.
    pub keep: Keep,
    /// How much there is.
    pub figures: FeedCaptures,
}

/// Which captures of a feed are listed.
#[derive(Debug, Clone)]
pub struct ListCaptures {
    /// The feed.
    pub feed: FeedName,
    /// At most so many, the newest.
    pub limit: usize,
}

/// Captures of a feed, the newest first.
#[derive(Debug, Clone)]
pub struct CaptureList {
    /// The captures.
    pub captures: Vec<HeldCapture>,
    /// How many there are of the feed.
    pub total: u64,
}

/// Which body is wanted.
#[derive(Debug, Clone)]
pub struct CaptureOf {
    /// The feed.
    pub feed: FeedName,
    /// The fetch.
    pub fetch: FetchId,
    /// The ordinal of the body's first item; the only body of the fetch, when `None`.
    pub first_ordinal: Option<u32>,
}

/// What is to be forgotten.
#[derive(Debug, Clone, Default)]
pub struct PruneCaptures {
    /// Of this feed; of all, when `None`.
    pub feed: Option<FeedName>,
    /// What is older than so many days; what the configuration does not keep, when `None`.
    pub older_than: Option<NonZeroU32>,
    /// Whether it is only told.
    pub dry_run: DryRun,
}

/// What was forgotten.
#[derive(Debug, Clone, Default)]
pub struct PrunedCaptures {
    /// How many captures of which feeds.
    pub feeds: Vec<(FeedName, u64)>,
    /// What went in all. Of a dry run the bodies are not known: what two captures share is counted once it goes.
    pub forgotten: Forgotten,
    /// Nothing was done, only told.
    pub dry_run: DryRun,
}

impl ToJson for CaptureOverview {
    fn to_json(&self) -> Json {
        Json::object([
            ("feeds", array(&self.feeds)),
            ("bodies", self.bodies.into()),
            ("packed_bytes", self.packed_bytes.into()),
        ])
    }
}

impl ToJson for KeptOfFeed {
    fn to_json(&self) -> Json {
        let FeedCaptures { captures, bodies, bytes, packed_bytes, .. } = self.figures;
        Json::object([
            ("feed", self.feed.as_str().into()),
            ("keep", self.keep.to_string().into()),
            ("captures", captures.into()),
            ("bodies", bodies.into()),
            ("bytes", bytes.into()),
            ("packed_bytes", packed_bytes.into()),
        ])
    }
}

impl ToJson for CaptureList {
    fn to_json(&self) -> Json {
        Json::object([("captures", array(&self.captures)), ("total", self.total.into())])
    }
}

impl ToJson for HeldCapture {
    fn to_json(&self) -> Json {
        let Capture { name, last_ordinal, observed_at, url, content_type, http_status, headers, body } = &self.capture;
        let header = |(name, value): &(String, String)| Json::from(vec![name.as_str(), value.as_str()]);
        Json::object([
            ("fetch", name.fetch.to_string().into()),
            ("first_ordinal", u64::from(name.first_ordinal).into()),
            ("last_ordinal", u64::from(*last_ordinal).into()),
            ("observed_at", instant(*observed_at)),
            ("url", url.as_deref().map(shown_text).into()),
            ("content_type", content_type.as_deref().into()),
            ("http_status", http_status.map(u64::from).into()),
            ("headers", Json::Array(headers.iter().map(header).collect())),
            ("body", body.to_string().into()),
            ("bytes", self.bytes.into()),
            ("packed_bytes", self.packed_bytes.into()),
        ])
    }
}

impl ToJson for PrunedCaptures {
    fn to_json(&self) -> Json {
        let of_feed = |(feed, captures): &(FeedName, u64)| {
            Json::object([("feed", feed.as_str().into()), ("captures", (*captures).into())])
        };
        let Forgotten { captures, bodies, packed_bytes } = self.forgotten;
        let is_known = self.dry_run == DryRun::No;
        Json::object([
            ("feeds", Json::Array(self.feeds.iter().map(of_feed).collect())),
            ("captures", captures.into()),
            ("bodies", is_known.then_some(bodies).into()),
            ("packed_bytes", packed_bytes.into()),
            ("dry_run", (!is_known).into()),
        ])
    }
}

impl Engine {
    /// How much is kept of the bytes that fetches brought.
    ///
    /// # Errors
    /// `Usage`: the store keeps none. What it says.
    pub async fn capture_overview(&self) -> Result<CaptureOverview, OpError> {
        let figures = self.captures_kept()?.capture_figures().await?;
        let names = self.names().await?;
        let of_feed = |figures: FeedCaptures| {
            let feed = names.get(&figures.feed)?.clone();
            Some(KeptOfFeed { keep: self.settings().keep_of(&feed), feed, figures })
        };
        let mut feeds: Vec<KeptOfFeed> = figures.feeds.into_iter().filter_map(of_feed).collect();
        feeds.sort_by(|one, other| one.feed.cmp(&other.feed));
        Ok(CaptureOverview { feeds, bodies: figures.bodies, packed_bytes: figures.packed_bytes })
    }

    /// The captures of a feed, the newest first.
    ///
    /// # Errors
    /// `NotFound`: there is no such feed. `Usage`: the store keeps none. What it says.
    pub async fn captures(&self, request: &ListCaptures) -> Result<CaptureList, OpError> {
        let store = self.captures_kept()?;
        let (mut captures, mut total) = (Vec::new(), 0);
        for feed in self.ever_named(&request.feed).await? {
            let mut newest = VecDeque::new();
            let mut page = PageRequest::first(MAX_PAGE);
            loop {
                let read = store.captures_page(feed.id, &page).await?;
                total += read.items.len() as u64;
                newest.extend(read.items);
                newest.drain(..newest.len().saturating_sub(request.limit));
                page.after = read.next;
                if page.after.is_none() {
                    break;
                }
            }
            captures.extend(newest);
        }
        // The ids of fetches ascend with the time.
        captures.sort_by_key(|held| (held.capture.name.fetch, held.capture.name.first_ordinal));
        captures.reverse();
        captures.truncate(request.limit);
        Ok(CaptureList { captures, total })
    }

    /// The bytes of a body, as they were received, without their content coding.
    ///
    /// # Errors
    /// `NotFound`: there is no such feed, or nothing is kept of that fetch. `Usage`: several bodies are kept of it, and
    /// none is named. `Failed`: it is damaged.
    pub async fn capture_bytes(&self, request: &CaptureOf) -> Result<Vec<u8>, OpError> {
        let feeds = self.ever_named(&request.feed).await?;
        let (mut feed, mut ordinals) = (feeds[0].id, Vec::new());
        for of in feeds {
            let found = self.archive().bodies(of.id, request.fetch).await?;
            if !found.is_empty() {
                (feed, ordinals) = (of.id, found);
            }
        }
        let not_kept = || {
            let message = format!("no such body is kept of the fetch {} of {}", request.fetch, request.feed);
            OpError::not_found("captures.not_kept", message)
                .with_hint(format!("`feedspine captures {}` lists what is kept", request.feed))
        };
        let first_ordinal = match (request.first_ordinal, ordinals.as_slice()) {
            (Some(ordinal), _) => ordinal,
            (None, [only]) => *only,
            (None, []) => return Err(not_kept()),
            (None, [first, ..]) => {
                let message = format!("the fetch {} has {} bodies", request.fetch, ordinals.len());
                return Err(OpError::usage("captures.several", message)
                    .with_hint(format!("name one by its first item, such as --item {first}")));
            }
        };
        let name = CaptureName { feed, fetch: request.fetch, first_ordinal };
        Ok(self.archive().body(name).await?.ok_or_else(not_kept)?.bytes)
    }

    /// Forgets for ever what the configuration does not keep, or what is older than is said: the oldest captures of each
    /// feed first, and the bodies that nothing needs then.
    ///
    /// # Errors
    /// `NotFound`: there is no such feed. `Usage`: the store keeps none. What it says; what was forgotten before is.
    pub async fn prune_captures(&self, request: &PruneCaptures) -> Result<PrunedCaptures, OpError> {
        let store = self.captures_kept()?;
        let only = match &request.feed {
            Some(name) => Some(self.ever_named(name).await?.iter().map(|feed| feed.id).collect::<Vec<_>>()),
            None => None,
        };
        let names = self.names().await?;
        let mut pruned = PrunedCaptures { dry_run: request.dry_run, ..PrunedCaptures::default() };
        loop {
            let before = pruned.forgotten.captures;
            let figures = store.capture_figures().await?;
            for of in figures.feeds.iter().filter(|of| only.as_ref().is_none_or(|only| only.contains(&of.feed))) {
                let Some(name) = names.get(&of.feed) else { continue };
                let keep = request.older_than.map_or_else(|| self.settings().keep_of(name), Keep::Days);
                let went = self.prune(store, (keep, of), &mut pruned).await?;
                if went > 0 {
                    match pruned.feeds.iter_mut().find(|(feed, _)| feed == name) {
                        Some((_, captures)) => *captures += went,
                        None => pruned.feeds.push((name.clone(), went)),
                    }
                }
            }
            // What went may have freed less than was reckoned, where others need the same bodies: then more has to go.
            if request.dry_run == DryRun::Yes || pruned.forgotten.captures == before {
                return Ok(pruned);
            }
        }
    }

    /// Forgets what is not kept of a feed, step by step; how many captures went.
    async fn prune(
        &self,
        store: &dyn CaptureStore,
        (keep, of): (Keep, &FeedCaptures),
        pruned: &mut PrunedCaptures,
    ) -> Result<u64, OpError> {
        let mut excess = keep.excess(of.packed_bytes);
        if keep == Keep::All || (matches!(keep, Keep::Bytes(_)) && excess == 0) {
            return Ok(0);
        }
        let (now, mut went) = (self.now(), 0);
        let mut page = PageRequest::first(STEP);
        loop {
            let read = store.captures_page(of.feed, &page).await?;
            if excess > 0 && pruned.dry_run == DryRun::No {
                // Looked at after the list: whoever forgets at the same time has made it less, and what is gone of the list is
                // passed over. So two together forget no more than one.
                excess = excess_of(store, keep, of.feed).await?;
            }
            let doomed = &read.items[..keep.doomed(now, excess, &read.items)];
            let bytes: u64 = doomed.iter().map(|held| held.packed_bytes).sum();
            if pruned.dry_run == DryRun::Yes {
                excess = excess.saturating_sub(bytes);
                went += doomed.len() as u64;
                pruned.forgotten.captures += doomed.len() as u64;
                pruned.forgotten.packed_bytes += bytes;
                page.after = read.next.clone();
            } else if !doomed.is_empty() {
                let names: Vec<CaptureName> = doomed.iter().map(|held| held.capture.name).collect();
                let Forgotten { captures, bodies, packed_bytes } = store.forget(&names).await?;
                went += captures;
                pruned.forgotten.captures += captures;
                pruned.forgotten.bodies += bodies;
                pruned.forgotten.packed_bytes += packed_bytes;
            }
            if doomed.len() < read.items.len() || read.next.is_none() {
                return Ok(went);
            }
        }
    }

    fn captures_kept(&self) -> Result<&dyn CaptureStore, OpError> {
        self.archive().store().ok_or_else(|| {
            OpError::usage("captures.none", "this store keeps no bytes that fetches brought")
                .with_hint("those of feedspine do: sqlite:, postgres:, and what lies beside a store of records alone")
        })
    }
}

/// By how many bytes a feed is above what is kept, now.
async fn excess_of(store: &dyn CaptureStore, keep: Keep, feed: FeedId) -> Result<u64, OpError> {
    let figures = store.capture_figures().await?;
    let of = figures.feeds.iter().find(|of| of.feed == feed);
    Ok(of.map_or(0, |of| keep.excess(of.packed_bytes)))
}
