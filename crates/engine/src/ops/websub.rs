//! Subscriptions: what hubs tell of feeds, as it is kept and as it is listed.

use std::ops::ControlFlow;

use feedspine_core::{Feed, FeedName, FeedStatus, Json, MAX_PAGE, PageRequest, Timestamp};

use super::json::{array, instant};
use super::{OpError, ToJson};
use crate::websub::{SetbackKind, Step, Subscription, Tally, Wish, tally, wish};
use crate::{Engine, shown_address};

/// Feeds that name hubs, by name.
#[derive(Debug, Clone)]
pub struct SubscriptionList {
    /// The feeds.
    pub feeds: Vec<FeedSubscription>,
    /// Whether it is configured where hubs reach us: else none is asked.
    pub reachable: bool,
}

/// A feed that names hubs, or that one tells of.
#[derive(Debug, Clone)]
pub struct FeedSubscription {
    /// The feed.
    pub feed: FeedName,
    /// The hub that was asked, else the first one that is named, without secrets.
    pub hub: Option<String>,
    /// How that stands.
    pub state: SubscriptionState,
    /// Until when the hub tells of new items; `None` when it does not.
    pub until: Option<Timestamp>,
    /// When a hub is asked again, after one said no or could not be asked.
    pub again_at: Option<Timestamp>,
    /// Why it said no, or could not be asked.
    pub why: Option<String>,
    /// How many deliveries it did not sign.
    pub forged: u64,
    /// How many brought the very bytes of one before.
    pub repeated: u64,
    /// What it told of within the last seven days, and what it did not.
    pub tally: Tally,
}

/// How a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscriptionState {
    /// A hub is named, and none was asked.
    Noticed,
    /// It is not to be asked: the feed is paused, or its operator wants no hub.
    Unwanted,
    /// It was asked, and has not come back to it.
    Asked,
    /// It tells of new items.
    Verified,
    /// It was asked to tell no more.
    Leaving,
    /// It said no.
    Denied,
    /// It could not be asked.
    Failed,
}

impl SubscriptionState {
    /// The word used in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Noticed => "noticed",
            Self::Unwanted => "unwanted",
            Self::Asked => "asked",
            Self::Verified => "verified",
            Self::Leaving => "leaving",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }

    fn of(held: &Subscription, wish: Wish<'_>, now: Timestamp) -> Self {
        if let Some(agreement) = &held.agreement {
            let leaves = agreement.farewells > 0 || held.step(wish, now) == Step::Forget;
            return match (held.told_until(now), leaves) {
                (Some(_), true) => Self::Leaving,
                (Some(_), false) => Self::Verified,
                (None, _) => Self::Asked,
            };
        }
        match (wish, held.setback.as_ref().map(|setback| setback.kind)) {
            (Wish::No, _) => Self::Unwanted,
            (_, Some(SetbackKind::Denied)) => Self::Denied,
            (_, Some(SetbackKind::Failed)) => Self::Failed,
            (_, None) => Self::Noticed,
        }
    }
}

impl ToJson for SubscriptionList {
    fn to_json(&self) -> Json {
        Json::object([("feeds", array(&self.feeds)), ("reachable", Json::Bool(self.reachable))])
    }
}

impl ToJson for FeedSubscription {
    fn to_json(&self) -> Json {
        Json::object([
            ("feed", self.feed.as_str().into()),
            ("hub", self.hub.as_deref().into()),
            ("state", self.state.as_str().into()),
            ("until", self.until.map(instant).into()),
            ("again_at", self.again_at.map(instant).into()),
            ("why", self.why.as_deref().into()),
            ("forged", self.forged.into()),
            ("repeated", self.repeated.into()),
            ("tally", self.tally.to_json()),
        ])
    }
}

impl Engine {
    /// The feeds that name hubs, or one of them, and how their subscriptions stand.
    ///
    /// # Errors
    /// `NotFound`: there is no such feed. What the control plane's store says.
    pub async fn subscriptions(&self, feed: Option<&FeedName>) -> Result<SubscriptionList, OpError> {
        let feeds = match feed {
            Some(name) => vec![self.named(name).await?],
            None => self.state().feeds().await?,
        };
        let mut found = Vec::new();
        for feed in feeds {
            let held = Subscription::of(&feed);
            let shown = feed.status != FeedStatus::Removed || held.agreement.is_some();
            if shown && !held.is_nothing() {
                found.push(self.subscription_of(&feed, &held).await?);
            }
        }
        Ok(SubscriptionList { feeds: found, reachable: self.settings().websub_callback.is_some() })
    }

    async fn subscription_of(&self, feed: &Feed, held: &Subscription) -> Result<FeedSubscription, OpError> {
        let now = self.now();
        let callback = self.settings().websub_callback.as_ref().map(ToString::to_string);
        let hub = held.agreement.as_ref().map(|agreement| &agreement.hub).or(held.noticed.hubs.first());
        Ok(FeedSubscription {
            feed: feed.name.clone(),
            hub: hub.map(|hub| shown_address(hub)),
            state: SubscriptionState::of(held, wish(feed, callback.as_deref()), now),
            until: held.told_until(now),
            again_at: held.setback.as_ref().map(|setback| setback.again_at).filter(|at| *at > now),
            why: held.setback.as_ref().map(|setback| setback.why.clone()),
            forged: held.agreement.as_ref().map_or(0, |agreement| agreement.forged),
            repeated: held.agreement.as_ref().map_or(0, |agreement| agreement.repeated),
            tally: self.tally_of(feed, now).await?,
        })
    }

    async fn tally_of(&self, feed: &Feed, now: Timestamp) -> Result<Tally, OpError> {
        let mut counted = Tally::default();
        let mut page = PageRequest::first(MAX_PAGE);
        loop {
            let read = self.state().fetches_page(feed.id, &page).await?;
            if tally(&mut counted, &read.items, now) == ControlFlow::Break(()) {
                return Ok(counted);
            }
            match read.next {
                Some(next) => page.after = Some(next),
                None => return Ok(counted),
            }
        }
    }
}
