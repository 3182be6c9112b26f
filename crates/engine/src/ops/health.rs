//! How feeds are: red, amber or green, with reasons.

use std::collections::HashMap;

use feedspine_core::{Feed, FeedId, FeedName, FeedStatus, Json, Schedule, Timestamp};

use super::json::{array, instant};
use super::{Ending, OpError, ToJson};
use crate::Engine;
use crate::collect::{host_of, is_pushed};
use crate::health::{Asked, Found, Freshness, Known, Light, judge};
use crate::policy::Evidence;
use crate::schedule::{Rest, Standing};
use crate::settings::HostRates;

/// How feeds are.
#[derive(Debug, Clone)]
pub struct HealthReport {
    /// The feeds, the worst first, then by name.
    pub feeds: Vec<FeedHealth>,
}

/// How a feed is.
#[derive(Debug, Clone)]
pub struct FeedHealth {
    /// The feed.
    pub feed: FeedName,
    /// How it is, in a colour.
    pub light: Light,
    /// How fresh what is held of it is.
    pub freshness: Freshness,
    /// Why, the gravest first: a word and a sentence each. Empty when all is well.
    pub reasons: Vec<(&'static str, String)>,
    /// When a fetch succeeded last.
    pub answered_at: Option<Timestamp>,
    /// When a fetch last brought an item that had not been seen.
    pub last_new: Option<Timestamp>,
    /// When it is fetched next; `None` when it is not by itself.
    pub due_at: Option<Timestamp>,
}

impl HealthReport {
    /// How many feeds have that colour.
    pub fn count(&self, light: Light) -> usize {
        self.feeds.iter().filter(|feed| feed.light == light).count()
    }

    /// How a command that reports this ends: as one of which some feeds failed, when a feed is red.
    pub fn ending(&self) -> Ending {
        if self.count(Light::Red) > 0 { Ending::SomeFeedsFailed } else { Ending::Done }
    }
}

impl ToJson for HealthReport {
    fn to_json(&self) -> Json {
        let count = |light: Light| (light.as_str(), Json::from(self.count(light) as u64));
        let counts = Json::object([Light::Red, Light::Amber, Light::Green].map(count));
        Json::object([("counts", counts), ("feeds", array(&self.feeds))])
    }
}

impl ToJson for FeedHealth {
    fn to_json(&self) -> Json {
        let reason = |(code, words): &(&'static str, String)| {
            Json::object([("code", Json::from(*code)), ("words", words.as_str().into())])
        };
        Json::object([
            ("feed", self.feed.as_str().into()),
            ("light", self.light.as_str().into()),
            ("freshness", self.freshness.as_str().into()),
            ("reasons", Json::Array(self.reasons.iter().map(reason).collect())),
            ("answered_at", self.answered_at.map(instant).into()),
            ("last_new", self.last_new.map(instant).into()),
            ("due_at", self.due_at.map(instant).into()),
        ])
    }
}

impl Engine {
    /// How a feed is, or all that were not removed.
    ///
    /// # Errors
    /// `NotFound`: there is no such feed. What the stores say.
    pub async fn health(&self, feed: Option<&FeedName>) -> Result<HealthReport, OpError> {
        let feeds = match feed {
            Some(name) => vec![self.named(name).await?],
            None => self.feeds().await?.items,
        };
        let schedules = self.state().schedules().await?;
        let rests = self.rests(&self.state().feeds().await?, &schedules);
        let rates = HostRates::of(self.settings());
        let schedules: HashMap<FeedId, Schedule> =
            schedules.into_iter().map(|schedule| (schedule.feed, schedule)).collect();
        let mut found = Vec::with_capacity(feeds.len());
        for feed in feeds {
            let host = host_of(&feed.address);
            let rest = host.and_then(|host| rests.get(rates.shared_by(&host).0));
            found.push(self.health_of(&feed, schedules.get(&feed.id), rest).await?);
        }
        found.sort_by(|one, other| other.light.cmp(&one.light).then_with(|| one.feed.cmp(&other.feed)));
        Ok(HealthReport { feeds: found })
    }

    async fn health_of(
        &self,
        feed: &Feed,
        schedule: Option<&Schedule>,
        rest: Option<&Rest>,
    ) -> Result<FeedHealth, OpError> {
        let standing = schedule.map(|schedule| Standing::from_json(&schedule.state.to_json()));
        let cursor = self.storage().cursor(feed.id).await?;
        let evidence = cursor.as_ref().and_then(|cursor| Evidence::in_cursor(&cursor.value));
        let unstable_keys = evidence.and_then(|evidence| evidence.last?.warning(feed.name.as_str()));
        // While its host rests nobody fetches it, and nobody is late.
        let due_at = schedule.and_then(|schedule| schedule.due_at);
        let due_at = due_at.map(|due_at| rest.map_or(due_at, |rest| due_at.max(rest.until)));
        let asked = match feed.status {
            _ if is_pushed(feed) => Asked::Pushed,
            FeedStatus::Active => Asked::Yes,
            FeedStatus::Paused | FeedStatus::Removed => Asked::Paused,
        };
        let known = Known {
            now: self.now(),
            asked,
            added_at: feed.added_at,
            due_at,
            standing: standing.as_ref(),
            unstable_keys: unstable_keys.as_deref(),
        };
        let Found { light, freshness, reasons } = judge(&known);
        Ok(FeedHealth {
            feed: feed.name.clone(),
            light,
            freshness,
            reasons: reasons.iter().map(|reason| (reason.as_str(), reason.to_string())).collect(),
            answered_at: standing.as_ref().and_then(|standing| standing.answered_at),
            last_new: standing.as_ref().and_then(|standing| standing.last_new),
            due_at,
        })
    }
}
