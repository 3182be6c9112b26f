//! When a feed is fetched after a fetch: what was seen of it, put to the schedule.

use std::time::Duration;

use feedspine_core::{Content, Counts, Feed, FeedId, FetchId, FetchStatus, Schedule, Timestamp};

use crate::collect::host_of;
use crate::feed_settings::FeedSettings;
use crate::fetch::{Asked, LEASE_LOST, Link, Resting, Route, Traced};
use crate::moving::{Acquaintance, Arrival, Former, Pointing, Verdict, WhyLeft, judge, stays};
use crate::ops::{Alike, FeedReport, NextFetch};
use crate::requests::Moves;
use crate::schedule::{
    Answer, Bounds, Came, Failure, Hints, Host, Network, Others, Rest, Rhythm, RhythmChoice, Slowed, Standing, decide,
};
use crate::websub::Subscription;
use crate::{Engine, OpError};

/// A host of which a feed was answered within so long refuses not all of us.
const ANSWERED_LATELY: Duration = Duration::from_hours(1);

/// When a feed is fetched next, and where.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) schedule: Schedule,
    /// Where it is from now on, and why it leaves its address; `None` while it stays.
    pub(super) moves: Option<(String, WhyLeft)>,
    /// Where redirects led until now: what a move rests on.
    pointing: Option<Pointing>,
    told: NextFetch,
}

/// Where a document was.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    pub(super) url: String,
    pub(super) route: Route,
}

impl Answered {
    /// Whether the feed's document is where the feed is.
    pub(super) fn is_at(&self, address: &str) -> bool {
        stays(address, &self.url, self.route)
    }
}

/// What the next fetch of a feed is decided by, but for what this one brought.
#[derive(Debug)]
pub(super) struct Prospect {
    feed: FeedId,
    address: String,
    /// When this fetch ended.
    at: Timestamp,
    /// When it was to be made.
    due_at: Option<Timestamp>,
    standing: Standing,
    hints: Hints,
    /// Where its document was; `None` of what is no single document of the web.
    answered: Option<Answered>,
    host: Host,
    /// Until when a hub tells of new items; `None` where nobody listens to it any more.
    told_until: Option<Timestamp>,
    /// The same of a hub that proved that it does.
    relied_on_until: Option<Timestamp>,
    bounds: Bounds,
    rhythm: Rhythm,
    /// What its operator said of moves.
    moves: Moves,
    /// Where the feed was before.
    formerly: Vec<Former>,
}

/// What was seen of a fetch, whatever it brought.
pub(super) struct Seen<'a> {
    pub(super) traced: &'a Traced,
    /// What its document asks for when one was read.
    pub(super) asks: Option<&'a feedspine_parse::Schedule>,
    /// Where that was.
    pub(super) answered: Option<&'a Answered>,
    /// Why it failed.
    pub(super) error: Option<&'a OpError>,
    pub(super) http_status: Option<u16>,
}

impl Prospect {
    /// That of a feed as it is now; `before` is its schedule until now.
    pub(super) fn of(engine: &Engine, feed: &Feed, before: Option<&Schedule>, seen: &Seen<'_>) -> Self {
        let at = engine.now();
        let subscription = Subscription::of(feed);
        let standing = before.map(|before| Standing::from_json(&before.state.to_json())).unwrap_or_default();
        let hints = Hints::of_headers(&seen.traced.lasting, at);
        let hints = match seen.asks {
            Some(asks) => hints.with_document(asks),
            None => hints,
        };
        Self {
            feed: feed.id,
            address: feed.address.clone(),
            at,
            due_at: before.and_then(|before| before.due_at),
            hints,
            answered: seen.answered.cloned(),
            host: seen_of_host(engine, feed, &standing, at, seen),
            standing,
            told_until: engine.settings().websub_callback.as_ref().and_then(|_| subscription.told_until(at)),
            relied_on_until: subscription.relied_on_until(at),
            bounds: engine.settings().schedule,
            rhythm: RhythmChoice::of(feed).rhythm(),
            moves: Moves::of(feed),
            formerly: FeedSettings::of(feed).formerly(),
        }
    }

    /// Decides it. `None` of a fetch that another process has to make: its turn is as it was.
    pub(super) fn next(&self, report: &FeedReport) -> Option<Next> {
        if report.error.as_ref().is_some_and(|error| error.code() == LEASE_LOST) {
            return None;
        }
        let Self { feed, at, due_at, told_until, relied_on_until, .. } = self;
        let mut standing = self.standing.clone();
        let pointing = standing.pointing.clone();
        let moves = self.moved(&mut standing, report);
        let hints = self.hints.clone();
        let answer = Answer { at: *at, due_at: *due_at, came: came(report, *told_until), hints };
        // Nobody relies on a hub that did not tell of what was found just now.
        let told_until = told_until.and(*relied_on_until).filter(|_| report.counts.new == 0);
        let host = Host { told_until, ..self.host };
        let chance = report.fetch.as_ref().map_or(0, chance);
        let reasons = standing.reason.clone();
        let decision = decide(&self.rhythm, &self.bounds, standing, &answer, &host, chance);
        let alike = reasons.is_some_and(|before| before.is_like(&decision.reason));
        let alike = if alike { Alike::Yes } else { Alike::No };
        let told = NextFetch { at: decision.at, why: decision.reason.to_string(), alike };
        Some(Next { schedule: decision.schedule_of(*feed), moves, pointing, told })
    }

    /// Whether the feed moved for good: takes down what is known of it. An answer that brought no document says nothing of it.
    fn moved(&self, standing: &mut Standing, report: &FeedReport) -> Option<(String, WhyLeft)> {
        let arrived = [FetchStatus::Captured, FetchStatus::Unchanged].contains(&report.outcome);
        let Answered { url, route } = self.answered.as_ref().filter(|_| arrived)?;
        let arrival = Arrival {
            at: self.at,
            address: &self.address,
            answered: url,
            route: *route,
            known: report.counts.unchanged + report.counts.changed,
            feed: if standing.since.is_none() { Acquaintance::New } else { Acquaintance::Old },
            moves: self.moves,
            formerly: &self.formerly,
        };
        match judge(standing.pointing.take(), &arrival) {
            Verdict::Stays => None,
            Verdict::Points(pointing) => {
                standing.pointing = Some(pointing);
                None
            }
            Verdict::Moves(to, why) => Some((to, why)),
        }
    }
}

impl Next {
    /// Keeps what the move rests on, since it was not made: the next fetch decides again.
    pub(super) fn stays(&mut self) {
        let standing = Standing::from_json(&self.schedule.state.to_json());
        let standing = Standing { pointing: self.pointing.clone(), ..standing };
        self.schedule.state = Content::new(&standing.to_json());
    }

    /// What is told of it.
    pub(super) fn told(&self) -> NextFetch {
        self.told.clone()
    }
}

fn came(report: &FeedReport, told_until: Option<Timestamp>) -> Came {
    match (&report.error, report.outcome) {
        (Some(error), _) => Came::of_error(error.code(), report.http_status),
        (None, FetchStatus::Captured) => {
            let Counts { new, changed, gaps, .. } = report.counts;
            // What shares nothing with the document before was told of in between, where nothing of it is new.
            let gaps = if new == 0 && told_until.is_some() { 0 } else { gaps };
            Came::Captured { new, changed, gaps }
        }
        (None, FetchStatus::Unchanged) => Came::Unchanged,
        (None, _) => Came::GivenUp,
    }
}

/// What is known of the feed's host, this answer included.
fn seen_of_host(engine: &Engine, feed: &Feed, standing: &Standing, at: Timestamp, seen: &Seen<'_>) -> Host {
    let Some(host) = host_of(&feed.address) else { return Host::default() };
    let fetcher = engine.fetcher();
    let was_well = standing.since.is_some() && standing.failing.is_none();
    let failed = seen.error.map(|error| Came::of_error(error.code(), seen.http_status));
    let unreached = failed == Some(Came::Failed(Failure::Network));
    let link = match seen.traced.asked.last() {
        Some(Asked { http_status: Some(_), .. }) => fetcher.network().note(&host, true),
        Some(Asked { http_status: None, .. }) if was_well && unreached => fetcher.network().note(&host, false),
        _ => fetcher.network().link(),
    };
    let on = |wait: Duration| at.saturating_add_micros(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX));
    let rest =
        fetcher.rest_of(&host).map(|Resting { remaining, http_status }| Rest { until: on(remaining), http_status });
    let back = |ago: Duration| at.saturating_add_micros(-i64::try_from(ago.as_micros()).unwrap_or(i64::MAX));
    let slowed = fetcher.slowed(&host).map(|(doublings, ago)| Slowed { doublings, at: back(ago) });
    let others_succeed = fetcher.answers_others(&host, &feed.address, ANSWERED_LATELY);
    Host {
        others: if others_succeed { Others::Succeed } else { Others::Unknown },
        rest,
        slowed,
        network: if link == Link::Down { Network::Down } else { Network::Up },
        told_until: None,
    }
}

/// The random part of a fetch's id, a `UUIDv7`.
pub(crate) fn chance(fetch: &FetchId) -> u64 {
    let (_, random) = fetch.as_bytes().split_last_chunk().expect("an id has 16 bytes");
    // Its first two bits are those of the variant.
    u64::from_be_bytes(*random) << 2
}
