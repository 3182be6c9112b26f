//! Why a feed is fetched when it is.

use feedspine_core::{Feed, FeedName, FeedStatus, Fetch, Json, PageRequest, Timestamp};

use super::json::instant;
use super::moving::{shown_formerly, shown_pointing};
use super::{Alike, NextFetch, OpError, ToJson};
use crate::Engine;
use crate::collect::{host_of, is_pushed, millis};
use crate::feed_settings::FeedSettings;
use crate::ledger::next_of;
use crate::schedule::{Rest, Rhythm, RhythmChoice, pointing_of, told_of};
use crate::settings::HostRates;
use crate::{Former, Pointing};

/// Why a feed is fetched when it is.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The feed.
    pub feed: Feed,
    /// When it is fetched next, and why then; `None` before anything was decided.
    pub next: Option<NextFetch>,
    /// What the operator says of when it is fetched, by which the next fetch decides.
    pub rhythm: Rhythm,
    /// Where permanent redirects lead, while that is not its address.
    pub pointing: Option<Pointing>,
    /// Where it was before, the last one last.
    pub formerly: Vec<Former>,
    /// Its last fetch.
    pub last: Option<Fetch>,
    /// What was decided at the end of its last fetches, newest first, each with when that was.
    pub decisions: Vec<(Timestamp, NextFetch)>,
    /// Under which name its host is leased and paced, whether it rests, and which daemon holds it, until when.
    pub host: Option<HostLease>,
}

/// Who may ask a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostLease {
    /// The host, or the domain whose hosts are asked as one.
    pub host: String,
    /// The least time between two requests as it is now, in milliseconds: longer than its rate has it while it says that it is
    /// asked too often.
    pub interval_ms: u64,
    /// Until when nobody asks it, since it asked to be left alone; `None` while it may be asked.
    pub rest: Option<Rest>,
    /// The daemon that holds it; `None` when none does.
    pub holder: Option<String>,
    /// Until when it holds it.
    pub until: Option<Timestamp>,
}

/// So many decisions are shown.
const DECISIONS: usize = 10;

/// `{"until": …, "http_status": 429}`
impl ToJson for Rest {
    fn to_json(&self) -> Json {
        Json::object([("until", instant(self.until)), ("http_status", self.http_status.map(u64::from).into())])
    }
}

impl ToJson for HostLease {
    fn to_json(&self) -> Json {
        Json::object([
            ("host", self.host.as_str().into()),
            ("interval_ms", self.interval_ms.into()),
            ("rest", self.rest.as_ref().map(ToJson::to_json).into()),
            ("holder", self.holder.as_deref().into()),
            ("until", self.until.map(instant).into()),
        ])
    }
}

impl ToJson for Explanation {
    fn to_json(&self) -> Json {
        let decision = |(at, next): &(Timestamp, NextFetch)| {
            Json::object([
                ("decided_at", instant(*at)),
                ("at", next.at.map(instant).into()),
                ("why", next.why.as_str().into()),
            ])
        };
        Json::object([
            ("feed", self.feed.to_json()),
            ("next", self.next.as_ref().map(ToJson::to_json).into()),
            ("rhythm", self.rhythm.to_json()),
            ("last", self.last.as_ref().map(ToJson::to_json).into()),
            ("decisions", Json::Array(self.decisions.iter().map(decision).collect())),
            ("host", self.host.as_ref().map(ToJson::to_json).into()),
            ("pointing", self.pointing.as_ref().map(shown_pointing).into()),
            ("formerly", shown_formerly(&self.feed)),
        ])
    }
}

impl Engine {
    /// Why a feed is fetched when it is: what was decided, from what, and who may ask its host.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn explain(&self, name: &FeedName) -> Result<Explanation, OpError> {
        let feed = self.named(name).await?;
        let schedule = self.state().schedule_of(feed.id).await?;
        let fetches = self.state().fetches_page(feed.id, &PageRequest::first(DECISIONS)).await?.items;
        let decision = |fetch: &Fetch| Some((fetch.detail.as_ref()?.finished_at, next_of(fetch)?));
        let decisions = fetches.iter().filter_map(decision).collect();
        let pointing = schedule.as_ref().and_then(|schedule| pointing_of(&schedule.state));
        let host = match host_of(&feed.address) {
            Some(host) => Some(self.lease_of(&host).await?),
            None => None,
        };
        let next = if feed.status == FeedStatus::Paused {
            Some(NextFetch {
                at: None,
                why: "it is paused; `feedspine feed resume` lets it be fetched".to_owned(),
                alike: Alike::No,
            })
        } else if is_pushed(&feed) {
            Some(NextFetch {
                at: None,
                why: "nobody is asked for it: its items are handed over by `ingest`".to_owned(),
                alike: Alike::No,
            })
        } else {
            let rest = host.as_ref().and_then(|host| host.rest);
            schedule.map(|schedule| next_of_due(schedule.due_at, told_of(&schedule.state), rest))
        };
        let (last, formerly) = (fetches.into_iter().next(), FeedSettings::of(&feed).formerly());
        let rhythm = RhythmChoice::of(&feed).rhythm();
        Ok(Explanation { feed, next, rhythm, pointing, formerly, last, decisions, host })
    }

    async fn lease_of(&self, host: &str) -> Result<HostLease, OpError> {
        let rates = HostRates::of(self.settings());
        let (shared_by, _) = rates.shared_by(host);
        let (feeds, schedules) = (self.state().feeds().await?, self.state().schedules().await?);
        self.leave_alone(&feeds, &schedules);
        let rest = self.rests(&feeds, &schedules).remove(shared_by).filter(|rest| rest.until > self.now());
        let lease = self.state().leases().await?.into_iter().find(|lease| lease.token.host == shared_by);
        let lease = lease.filter(|lease| lease.holder.is_some() && lease.until > self.now());
        Ok(HostLease {
            host: shared_by.to_owned(),
            interval_ms: millis(self.fetcher().interval_of(host)),
            rest,
            holder: lease.as_ref().and_then(|lease| Some(lease.holder.as_ref()?.0.clone())),
            until: lease.map(|lease| lease.until),
        })
    }
}

/// When a feed is fetched that is due then, for that reason: nobody asks a host that rests.
fn next_of_due(due_at: Option<Timestamp>, why: String, rest: Option<Rest>) -> NextFetch {
    match rest.filter(|rest| due_at.is_some_and(|due_at| due_at < rest.until)) {
        Some(rest) => {
            let why = format!("{why}; until then its host is left alone, {}", rest.why());
            NextFetch { at: Some(rest.until), why, alike: Alike::No }
        }
        None => NextFetch { at: due_at, why, alike: Alike::No },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_that_is_due_waits_for_the_end_of_its_hosts_rest() {
        let at = |seconds: i64| Timestamp::UNIX_EPOCH.saturating_add_micros(seconds * 1_000_000);
        let rest = |until, http_status| Some(Rest { until: at(until), http_status });
        for (due_at, rest, expected, why) in [
            (Some(10), None, Some(10), "so"),
            (Some(10), rest(9, Some(429)), Some(10), "so"),
            (Some(10), rest(99, Some(429)), Some(99), "so; until then its host is left alone, since it answered 429"),
            (Some(10), rest(99, None), Some(99), "so; until then its host is left alone, since it asked for that"),
            (None, rest(99, Some(429)), None, "so"),
        ] {
            let next = next_of_due(due_at.map(at), "so".to_owned(), rest);
            assert_eq!((next.at, next.why.as_str()), (expected.map(at), why), "{due_at:?} {rest:?}");
        }
    }
}
