//! What hubs ask of a callback, and tell it.

use std::time::Duration;

use feedspine_core::{Content, ContentHash, Feed, FeedStatus, PageRequest, Schedule};
use tokio::time::{Instant, sleep};
use url::form_urlencoded;

use super::{Subscription, signature};
use crate::collect::{Announced, Heard, announce};
use crate::fetch::Coding;
use crate::ops::{FeedReport, refuse_unfinished_import};
use crate::schedule::{Failure, Standing, pinged};
use crate::{Engine, OpError};

/// For how long a delivery waits for a fetch of the feed that is under way: to begin beside it would be to interrupt it.
const PATIENCE: Duration = Duration::from_secs(8);
const LOOKED_AGAIN: Duration = Duration::from_millis(100);
/// A fetch that runs for longer is somebody's who died: ten minutes, in microseconds.
const RUNS: i64 = 600_000_000;

/// What is answered to a hub that wants to know whether we meant it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HubAnswer {
    /// We did: this is to be given back to it, as it stands.
    Challenge(String),
    /// It says no, which was taken down.
    Noted,
    /// We did not, or the callback is nobody's.
    Unknown,
}

/// What a hub tells.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    /// `X-Hub-Signature`.
    pub signature: Option<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// The body, as it was sent.
    pub body: Vec<u8>,
}

/// What came of it.
#[derive(Debug, Clone)]
pub enum Delivered {
    /// It was read and stored, or failed to be read, which is written down.
    Taken(Box<FeedReport>),
    /// The hub told the very same before: nothing was stored.
    Repeated,
    /// It holds no item: the feed is asked soon.
    Pinged,
    /// The hub did not sign it: it was not looked at.
    Forged,
    /// Too much was told of the feed within a minute: it was not looked at, and is to be told again later.
    TooMuch,
    /// A fetch of the feed is under way: nothing was stored, and it is to be told again later.
    Busy,
    /// The callback is nobody's, or nobody's any more.
    Gone,
}

impl Engine {
    /// Answers a hub that verifies a request of ours, or denies it (W3C WebSub sections 5.2 and 5.3). `query` is that of the
    /// request, as it stands.
    ///
    /// # Errors
    /// What the control plane's store says: the hub is to ask again.
    pub async fn hub_asks(&self, token: &str, query: &str) -> Result<HubAnswer, OpError> {
        let Some((feed, held)) = self.feed_of_token(token).await? else { return Ok(HubAnswer::Unknown) };
        let value = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
        };
        let mode = value("hub.mode").unwrap_or_default();
        let topic = value("hub.topic").unwrap_or_default();
        let (challenge, reason) = (value("hub.challenge").filter(|text| !text.is_empty()), value("hub.reason"));
        let lease_seconds = value("hub.lease_seconds").and_then(|seconds| seconds.trim().parse().ok());
        let is_denial = mode == "denied";
        if !is_denial && challenge.is_none() {
            return Ok(HubAnswer::Unknown);
        }
        let now = self.now();
        let changed = self.change_subscription(&feed, |held| {
            if is_denial {
                held.denied(&topic, reason.as_deref(), now)
            } else {
                held.verify(&mode, &topic, lease_seconds, now)
            }
        });
        let Some(after) = changed.await? else { return Ok(HubAnswer::Unknown) };
        self.polled_again(&feed, &held, &after).await?;
        Ok(if is_denial { HubAnswer::Noted } else { challenge.map_or(HubAnswer::Unknown, HubAnswer::Challenge) })
    }

    /// Whether a callback is one that a hub may tell something at: to be asked before what it tells is received.
    ///
    /// # Errors
    /// What the control plane's store says: the hub is to try again.
    pub async fn is_told_by_hub(&self, token: &str) -> Result<bool, OpError> {
        Ok(self.feed_of_token(token).await?.is_some_and(|(feed, held)| is_told(&feed, &held)))
    }

    /// Takes what a hub tells (sections 7 and 8): what it signed with our secret is read by the feed's rules and stored as a
    /// fetch of its own, which says nothing of other items. What holds no item makes the feed due, once a minute at most.
    ///
    /// # Errors
    /// It could not be stored: the hub is to try again.
    pub async fn hub_tells(&self, token: &str, delivery: Delivery) -> Result<Delivered, OpError> {
        let Some((feed, held)) = self.feed_of_token(token).await?.filter(|(feed, held)| is_told(feed, held)) else {
            return Ok(Delivered::Gone);
        };
        let Some(agreement) = held.agreement else { return Ok(Delivered::Gone) };
        if !self.allowances().take(feed.id, delivery.body.len() as u64, Instant::now()) {
            return Ok(Delivered::TooMuch);
        }
        let signed = delivery.signature.as_deref();
        if !signed.is_some_and(|signed| signature::fits(&agreement.secret, signed, &delivery.body)) {
            tracing::warn!(feed = feed.name.as_str(), "something was told at a callback that its hub did not sign");
            self.change_subscription(&feed, |held| Some(held.forged())).await?;
            return Ok(Delivered::Forged);
        }
        refuse_unfinished_import(self.storage()).await?;
        let hash = short_hash(&delivery.body);
        let Ok(coding) = Coding::read(delivery.content_encoding.as_deref().unwrap_or_default()) else {
            self.ping(&feed).await?;
            return Ok(Delivered::Pinged);
        };
        let _turn = self.told_in_turn(&feed).await;
        if self.is_repeated(&feed, &hash).await? {
            return Ok(Delivered::Repeated);
        }
        if self.is_still_fetched(&feed).await? {
            return Ok(Delivered::Busy);
        }
        let announced = Announced {
            hub: agreement.hub,
            received_at: self.now(),
            content_type: delivery.content_type,
            coding,
            body: delivery.body,
        };
        let report = match announce(self, &feed, announced).await? {
            Heard::Stored(report) => report,
            Heard::Busy => return Ok(Delivered::Busy),
            Heard::Nothing => {
                self.ping(&feed).await?;
                return Ok(Delivered::Pinged);
            }
        };
        match &report.error {
            Some(error) if Failure::of(error.code(), None) == Failure::Store => Err(error.clone()),
            Some(_) => {
                self.ping(&feed).await?;
                Ok(Delivered::Taken(report))
            }
            None => {
                self.note_told(&feed, &hash, &report).await;
                if report.counts.new > 0 {
                    self.note_new(&feed).await;
                }
                Ok(Delivered::Taken(report))
            }
        }
    }

    /// Whether the hub told the very same before; it is counted.
    async fn is_repeated(&self, feed: &Feed, hash: &str) -> Result<bool, OpError> {
        let changed = self.change_subscription(feed, |held| {
            let is_known =
                held.agreement.as_ref().is_some_and(|agreement| agreement.told.iter().any(|told| told == hash));
            is_known.then(|| held.repeated())
        });
        Ok(changed.await?.is_some())
    }

    /// Takes down what was told. It is stored whether or not that can be.
    async fn note_told(&self, feed: &Feed, hash: &str, report: &FeedReport) {
        let counts = report.counts;
        let noted = self.change_subscription(feed, |held| Some(held.told(hash, counts.new, counts.changed))).await;
        if let Err(error) = noted {
            tracing::warn!(feed = feed.name.as_str(), %error, "it is not taken down what a hub told");
        }
    }

    /// Takes down that something new came; the feed is due as it was. It is stored whether or not that can be.
    async fn note_new(&self, feed: &Feed) {
        let noted = self.change_schedule(feed.id, |held| {
            let mut standing = Standing::from_json(&held.state.to_json());
            standing.brought_new(self.now());
            Some(Schedule { state: Content::new(&standing.to_json()), ..held.clone() })
        });
        if let Err(error) = noted.await {
            tracing::warn!(feed = feed.name.as_str(), %error, "it is not taken down that a feed brought something new");
        }
    }

    /// Makes a feed due of which something new is known to be there.
    async fn ping(&self, feed: &Feed) -> Result<(), OpError> {
        let newest = self.state().fetches_page(feed.id, &PageRequest::first(1)).await?.items.pop();
        let began = newest.map(|fetch| fetch.intent.started_at);
        let sooner = |held: &Schedule| {
            let standing = Standing::from_json(&held.state.to_json());
            let decision = pinged(held.due_at, standing, began, self.now())?;
            Some(decision.schedule_of(feed.id))
        };
        self.change_schedule(feed.id, sooner).await.map(drop)
    }

    /// Waits for a fetch of the feed that is under way, be it another process's; whether it still is.
    async fn is_still_fetched(&self, feed: &Feed) -> Result<bool, OpError> {
        let deadline = Instant::now() + PATIENCE;
        while self.is_fetched(feed).await? {
            if Instant::now() >= deadline {
                return Ok(true);
            }
            sleep(LOOKED_AGAIN).await;
        }
        Ok(false)
    }

    /// Whether a fetch of the feed is under way.
    pub(crate) async fn is_fetched(&self, feed: &Feed) -> Result<bool, OpError> {
        let newest = self.state().fetches_page(feed.id, &PageRequest::first(1)).await?.items.pop();
        let runs = |started_at| self.now().micros_since(started_at) < RUNS;
        Ok(newest.is_some_and(|fetch| fetch.detail.is_none() && runs(fetch.intent.started_at)))
    }
}

/// What a body is known again by: 128 bits, in hexadecimal digits.
fn short_hash(body: &[u8]) -> String {
    let mut digits = ContentHash::of(body).to_string();
    digits.truncate(32);
    digits
}

fn is_told(feed: &Feed, held: &Subscription) -> bool {
    let granted = held.agreement.as_ref().is_some_and(|agreement| agreement.lease.is_some());
    feed.status == FeedStatus::Active && granted
}
