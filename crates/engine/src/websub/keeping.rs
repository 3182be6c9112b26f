//! Keeping subscriptions: hubs are asked as it is decided. Whoever writes down first that one is asked asks it.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use feedspine_core::{Feed, FeedStatus, Schedule, Timestamp};
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, sleep};
use url::Url;
use url::form_urlencoded::Serializer;

use super::decide::ASKED_LEASE;
use super::{Agreement, Mode, Noticed, Secret, Step, Subscription, Wish, with_subscription};
use crate::adapters::{Adapter, AdapterChoice};
use crate::collect::host_of;
use crate::feed_settings::FeedSettings;
use crate::fetch::{Form, Plain};
use crate::schedule::{Standing, untold};
use crate::{Address, Engine, OpError, RequestChoice};

/// Feeds are looked through so often, and whenever a document named other hubs than before.
const LOOKED_THROUGH: Duration = Duration::from_secs(15);
/// So many hubs are asked at once.
const HUBS_AT_ONCE: usize = 16;
/// One hub is asked so often until all feeds are looked through again.
const OF_A_HUB: usize = 20;
/// After so long no further hub is asked until all feeds are looked through again, so that those that are slow delay no other.
const ASKED_FOR: Duration = Duration::from_mins(1);
/// How often a change is tried when others change the feed in between.
const ATTEMPTS: usize = 5;

impl Engine {
    /// Asks hubs for subscriptions, renews and ends them until `stop` is ready. It is meant to run beside
    /// [`Engine::watch`], where hubs reach a server that hands what they ask and tell to this engine, or to another one on the
    /// same store.
    pub async fn keep_subscriptions(&self, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        let keep = async {
            loop {
                if let Err(error) = self.take_steps().await {
                    tracing::warn!(%error, "subscriptions are not kept for now");
                }
                tokio::select! {
                    () = sleep(LOOKED_THROUGH) => {}
                    () = self.hubs_changed().notified() => {}
                }
            }
        };
        tokio::select! {
            biased;
            () = &mut stop => {}
            () = keep => {}
        }
    }

    /// Asks each hub what is to be asked of it now, the longest overdue first.
    pub(crate) async fn take_steps(&self) -> Result<(), OpError> {
        let callback = self.settings().websub_callback.as_ref().map(ToString::to_string);
        let now = self.now();
        let mut of_hubs: HashMap<String, Vec<Due>> = HashMap::new();
        for feed in self.state().feeds().await? {
            if !FeedSettings::has_subscription(&feed) {
                continue;
            }
            let subscription = Subscription::of(&feed);
            let step = subscription.step(wish(&feed, callback.as_deref()), now);
            if step == Step::Rest {
                continue;
            }
            let hub = subscription.agreement.as_ref().map(|agreement| &agreement.hub);
            let hub = hub.or(subscription.noticed.hubs.first()).and_then(|hub| host_of(hub)).unwrap_or_default();
            of_hubs.entry(hub).or_default().push(Due { since: subscription.due_since(now), feed, step });
        }
        let mut of_hubs: Vec<Vec<Due>> = of_hubs.into_values().collect();
        for steps in &mut of_hubs {
            steps.sort_by_key(|due| due.since);
            steps.truncate(OF_A_HUB);
        }
        of_hubs.sort_by_key(|steps| steps.first().map(|due| due.since));
        let begun = Instant::now();
        let of_hub = async |steps: Vec<Due>| {
            for Due { feed, step, .. } in steps {
                if begun.elapsed() >= ASKED_FOR {
                    return;
                }
                if let Err(error) = self.take_step(&feed, step).await {
                    tracing::warn!(feed = feed.name.as_str(), %error, "a subscription is not kept for now");
                }
            }
        };
        stream::iter(of_hubs).for_each_concurrent(HUBS_AT_ONCE, of_hub).await;
        Ok(())
    }

    async fn take_step(&self, feed: &Feed, step: Step) -> Result<(), OpError> {
        let (held, now) = (Subscription::of(feed), self.now());
        let callback = self.settings().websub_callback.as_ref().map(ToString::to_string).unwrap_or_default();
        let next = match step {
            Step::Rest => None,
            Step::Begin => held.begun(&callback, self.new_secret(), self.new_secret(), now),
            Step::Ask(mode) => Some(held.asking(mode, &callback, now)),
            Step::Unanswered => Some(held.failed("the hub did not come back to it", now)),
            Step::Forget => Some(held.forgotten()),
        };
        let Some(next) = next else { return Ok(()) };
        let asking = with_subscription(feed, &next);
        // Whoever changed it meanwhile goes before, and may be asking already.
        if !self.state().replace_feed(feed, &asking).await? {
            return Ok(());
        }
        let (Step::Begin | Step::Ask(_), Some(agreement)) = (step, &next.agreement) else {
            return self.polled_again(feed, &held, &next).await;
        };
        self.tokens().give(&agreement.token, &asking);
        let mode = if let Step::Ask(mode) = step { mode } else { Mode::Subscribe };
        let Err(error) = self.ask_hub(feed, agreement, mode).await else { return Ok(()) };
        let pending = agreement.pending;
        let failed = self.change_subscription(&asking, |now_held| {
            let is_ours = now_held.agreement.as_ref().is_some_and(|agreement| agreement.pending == pending);
            is_ours.then(|| now_held.failed(error.message(), self.now()))
        });
        match failed.await? {
            Some(failed) => self.polled_again(feed, &held, &failed).await,
            None => Ok(()),
        }
    }

    /// A feed that nobody tells of any more is asked as it was before.
    pub(super) async fn polled_again(
        &self,
        feed: &Feed,
        before: &Subscription,
        after: &Subscription,
    ) -> Result<(), OpError> {
        let now = self.now();
        let is_over = before.relied_on_until(now).is_some() && after.relied_on_until(now).is_none();
        if is_over && feed.status == FeedStatus::Active {
            let anew = |held: &Schedule| {
                let standing = Standing::from_json(&held.state.to_json());
                Some(untold(held.due_at, standing, now)?.schedule_of(held.feed))
            };
            self.change_schedule(feed.id, anew).await?;
        }
        Ok(())
    }

    /// Sends a hub a request of ours (section 5.1), by the same way as all others.
    async fn ask_hub(&self, feed: &Feed, agreement: &Agreement, mode: Mode) -> Result<(), OpError> {
        let unusable = |error: url::ParseError| OpError::failed("websub.hub", format!("{}: {error}", agreement.hub));
        let hub = Url::parse(&agreement.hub).map_err(unusable)?;
        // What is allowed of a feed's own host is not allowed of another one that its document names.
        let address: Address = feed.address.parse()?;
        let reach = self.reach(feed.allow_private && is_own(&address, &hub));
        let manner = RequestChoice::of(feed).manner(&address)?;
        // The secret goes by https alone (section 5.1), unless the operator has the feed at a network of his own.
        let may_be_read = mode == Mode::Unsubscribe || feed.allow_private;
        let plain = if may_be_read { Plain::Allowed } else { Plain::Refused };
        let mut form = Serializer::new(String::new());
        form.append_pair("hub.mode", mode.as_str()).append_pair("hub.topic", &agreement.topic);
        form.append_pair("hub.callback", &format!("{}/websub/{}", agreement.callback, agreement.token.as_str()));
        if mode == Mode::Subscribe {
            form.append_pair("hub.lease_seconds", &ASKED_LEASE.as_secs().to_string());
            form.append_pair("hub.secret", agreement.secret.as_str());
        }
        let (reach_elsewhere, fields) = (self.reach(false), form.finish());
        self.fetcher().post_form(&Form { to: hub, reach, reach_elsewhere, plain, manner: &manner, fields }).await
    }

    /// Changes what is kept of a feed's subscription, and anew from what it is then when others change the feed in between.
    /// `None` when there is nothing to change any more.
    pub(super) async fn change_subscription(
        &self,
        feed: &Feed,
        change: impl Fn(&Subscription) -> Option<Subscription> + Send,
    ) -> Result<Option<Subscription>, OpError> {
        for _ in 0..ATTEMPTS {
            let Some(held) = self.as_it_is_now(feed).await? else { return Ok(None) };
            let before = Subscription::of(&held);
            let Some(after) = change(&before) else { return Ok(None) };
            if after == before || self.state().replace_feed(&held, &with_subscription(&held, &after)).await? {
                return Ok(Some(after));
            }
        }
        let message = format!("{} was changed by others again and again", feed.name);
        Err(OpError::failed("feed.changed_meanwhile", message).with_hint("it is tried again"))
    }

    /// Takes down which hubs a feed's document names; a warning where that could not be.
    pub(crate) async fn notice_hubs(&self, feed: &Feed, noticed: Noticed) -> Option<String> {
        let held = Subscription::of(feed);
        if held.noticing(noticed.clone()) == held {
            return None;
        }
        let changed = self.change_subscription(feed, |held| Some(held.noticing(noticed.clone()))).await;
        self.hubs_changed().notify_one();
        changed.err().map(|error| format!("websub.unnoticed: the hubs of the feed were not taken down: {error}"))
    }

    /// Takes down that new items were found of which the feed's hub had not told; a warning where that could not be.
    pub(crate) async fn note_missed(&self, feed: &Feed) -> Option<String> {
        let changed = self.change_subscription(feed, |held| Some(held.missed())).await;
        changed
            .err()
            .map(|error| format!("websub.unnoticed: it was not taken down that the hub told too late: {error}"))
    }

    fn new_secret(&self) -> Secret {
        let chance = &self.settings().chance;
        Secret::drawn([chance.draw(), chance.draw()])
    }
}

/// A step that is to be taken.
struct Due {
    since: Timestamp,
    feed: Feed,
    step: Step,
}

/// Whether a hub is at the feed's own origin: the same scheme, host and port.
fn is_own(address: &Address, hub: &Url) -> bool {
    matches!(address, Address::Http(url) if url.origin() == hub.origin())
}

/// Whether a feed is to be told of by a hub.
pub(crate) fn wish<'a>(feed: &Feed, callback: Option<&'a str>) -> Wish<'a> {
    let is_document = AdapterChoice::of(feed).name() == Adapter::FEED;
    if feed.status != FeedStatus::Active || !is_document || !RequestChoice::of(feed).takes_hubs() {
        return Wish::No;
    }
    callback.map_or(Wish::Unreachable, |callback| Wish::Yes { callback })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_of_a_feed_is_allowed_of_a_hub_at_its_own_origin_alone() {
        let address: Address = "http://a.example:8080/feed".parse().unwrap();
        for (hub, own) in [
            ("http://a.example:8080/hub", true),
            ("http://a.example/hub", false),
            ("http://a.example:8081/hub", false),
            ("https://a.example:8080/hub", false),
            ("http://b.example:8080/hub", false),
        ] {
            assert_eq!(is_own(&address, &Url::parse(hub).unwrap()), own, "{hub}");
        }
    }
}
