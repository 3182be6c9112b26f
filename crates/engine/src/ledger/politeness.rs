//! [`Politeness`]: from the ledger, how each host was asked.
//!
//! It counts what is written down: not what a fetch asked whose process died, nor what discovery and diagnosis ask. Of a fetch
//! of more than a hundred requests the further ones are counted, and have no part in the rates.

use std::collections::{BTreeMap, HashMap};

use feedspine_core::{FeedId, Fetch, FetchStatus};

use super::{asked_by, requests_of};
use crate::collect::host_of;

const SECOND: i64 = 1_000_000;
/// Timers go by milliseconds: two requests that are meant to be a second apart may be so much closer.
const TICK: i64 = 5_000;

/// How a host was asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostFigures {
    /// Requests that went out.
    pub requests: u64,
    /// Those that were answered 304.
    pub not_modified: u64,
    /// Those that were answered with an error, 4xx or 5xx.
    pub refused: u64,
    /// Those that were not answered.
    pub unanswered: u64,
    /// Bytes received from fetches that ended at this host.
    pub wire_bytes: u64,
    /// Bytes that 304s saved: each counts what the last body of its feed had.
    pub saved_bytes: u64,
    /// The most requests within one second.
    pub most_per_second: u64,
    /// The most requests within one minute.
    pub most_per_minute: u64,
    /// The shortest time between the starts of two requests, in microseconds; `None` of fewer than two.
    pub shortest_gap_us: Option<u64>,
}

/// Counts fetches, the newest first.
#[derive(Debug, Default)]
pub(crate) struct Politeness {
    hosts: BTreeMap<String, Counted>,
    /// 304s of a feed whose last body is still to come, with the hosts that saved it.
    saving: HashMap<FeedId, Vec<String>>,
}

#[derive(Debug, Default)]
struct Counted {
    figures: HostFigures,
    /// When requests began, in microseconds.
    starts: Vec<i64>,
}

impl Politeness {
    /// Counts a fetch that is older than those before it, or of another feed.
    pub(crate) fn count(&mut self, fetch: &Fetch) {
        let asked = asked_by(fetch);
        for asked in &asked {
            let counted = self.hosts.entry(asked.host.clone()).or_default();
            counted.starts.push(asked.at.as_micros());
            let figures = &mut counted.figures;
            figures.requests += 1;
            match asked.http_status {
                None => figures.unanswered += 1,
                Some(304) => figures.not_modified += 1,
                Some(400..) => figures.refused += 1,
                Some(_) => {}
            }
        }
        if let Some(own) = host_of(&fetch.intent.address) {
            let unlisted = requests_of(fetch).saturating_sub(asked.len() as u64);
            if unlisted > 0 {
                self.hosts.entry(own).or_default().figures.requests += unlisted;
            }
        }
        let (Some(last), Some(detail)) = (asked.last(), &fetch.detail) else { return };
        let feed = fetch.intent.feed;
        if detail.http_status == Some(304) {
            self.saving.entry(feed).or_default().push(last.host.clone());
            return;
        }
        if let Some(counted) = self.hosts.get_mut(&last.host) {
            counted.figures.wire_bytes += detail.wire_bytes;
        }
        if matches!(detail.status, FetchStatus::Captured | FetchStatus::Unchanged) {
            self.save(feed, detail.wire_bytes);
        }
    }

    /// Whether bodies are still to come that 304s saved.
    pub(crate) fn saves(&self) -> bool {
        !self.saving.is_empty()
    }

    /// Looks at a fetch that is older than those that are counted: only for how large its body was.
    pub(crate) fn look_back(&mut self, fetch: &Fetch) {
        let Some(detail) = &fetch.detail else { return };
        if detail.http_status != Some(304) && matches!(detail.status, FetchStatus::Captured | FetchStatus::Unchanged) {
            self.save(fetch.intent.feed, detail.wire_bytes);
        }
    }

    fn save(&mut self, feed: FeedId, bytes: u64) {
        for host in self.saving.remove(&feed).unwrap_or_default() {
            if let Some(counted) = self.hosts.get_mut(&host) {
                counted.figures.saved_bytes += bytes;
            }
        }
    }

    /// The figures, by host.
    pub(crate) fn finish(self) -> BTreeMap<String, HostFigures> {
        self.hosts.into_iter().map(|(host, counted)| (host, counted.finish())).collect()
    }
}

impl Counted {
    fn finish(mut self) -> HostFigures {
        self.starts.sort_unstable();
        let gaps = self.starts.windows(2).map(|pair| pair[1].abs_diff(pair[0]));
        HostFigures {
            most_per_second: most_within(&self.starts, SECOND - TICK),
            most_per_minute: most_within(&self.starts, 60 * SECOND - TICK),
            shortest_gap_us: gaps.min(),
            ..self.figures
        }
    }
}

/// The most of these ascending times that lie within a span which is open at its end.
fn most_within(times: &[i64], span: i64) -> u64 {
    let mut most = 0;
    let mut first = 0;
    for (last, time) in times.iter().enumerate() {
        while time - times[first] >= span {
            first += 1;
        }
        most = most.max(last - first + 1);
    }
    most as u64
}

#[cfg(test)]
mod tests {
    use feedspine_core::{FetchDetail, FetchId, FetchIntent, Timestamp};

    use super::*;
    use crate::fetch::{Asked, Traced};
    use crate::ledger::{Account, notes};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_micros(millis * 1_000).unwrap()
    }

    fn fetch(feed: u128, millis: i64, status: FetchStatus, http_status: u16, wire_bytes: u64) -> Fetch {
        let asked = vec![Asked { host: "a.example".into(), at: at(millis), http_status: Some(http_status) }];
        let traced = Traced { requests: 1, asked, ..Traced::default() };
        let http_status = Some(http_status);
        let (fetch, feed) = (FetchId::from_u128(millis.unsigned_abs().into()), feedspine_core::FeedId::from_u128(feed));
        let intent = FetchIntent { fetch, feed, started_at: at(millis), address: "http://a.example/".into() };
        let detail = FetchDetail {
            status,
            http_status,
            wire_bytes,
            notes: notes(&intent, &Account::of(&traced)),
            ..FetchDetail::interrupted(at(millis + 10))
        };
        Fetch { intent, detail: Some(detail) }
    }

    #[test]
    fn what_304s_saved_and_the_highest_rate_are_counted_from_the_ledger() {
        let mut politeness = Politeness::default();
        politeness.count(&fetch(1, 90_000, FetchStatus::Failed, 503, 20));
        politeness.count(&fetch(1, 62_000, FetchStatus::Unchanged, 304, 0));
        politeness.count(&fetch(2, 61_900, FetchStatus::Unchanged, 304, 0));
        politeness.count(&fetch(1, 61_200, FetchStatus::Unchanged, 304, 0));
        politeness.count(&fetch(1, 1_000, FetchStatus::Captured, 200, 500));
        assert!(politeness.saves());
        politeness.look_back(&fetch(2, 900, FetchStatus::Captured, 200, 70));
        assert!(!politeness.saves());
        let figures = politeness.finish().remove("a.example").unwrap();
        let expected = HostFigures {
            requests: 5,
            not_modified: 3,
            refused: 1,
            unanswered: 0,
            wire_bytes: 520,
            saved_bytes: 1_070,
            most_per_second: 3,
            most_per_minute: 4,
            shortest_gap_us: Some(100_000),
        };
        assert_eq!(figures, expected);
    }

    #[test]
    fn times_a_span_apart_are_not_within_it() {
        assert_eq!(most_within(&[], 10), 0);
        assert_eq!(most_within(&[0, 10, 20], 10), 1);
        assert_eq!(most_within(&[0, 9, 18, 19], 10), 2);
        assert_eq!(most_within(&[5, 5, 5], 1), 3);
    }
}
