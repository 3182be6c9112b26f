//! [`Trace`]: the requests that one fetch took, as they went out, and what the last answer says of its own lasting.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use feedspine_core::Timestamp;
use reqwest::header::{self, HeaderMap, HeaderName};
use tokio::time::{Instant, sleep_until};

use super::Tenure;

/// So many requests of one fetch are remembered one by one; further ones are counted.
const REMEMBERED: usize = 100;
/// What is kept of an answer's header: how long it may be kept, and when to ask again.
const LASTING: [HeaderName; 5] =
    [header::CACHE_CONTROL, header::EXPIRES, header::DATE, header::AGE, header::RETRY_AFTER];

/// What one fetch asked for, and until when it may ask.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    traced: Mutex<Traced>,
    /// That of its host, where processes share the work.
    tenure: Option<Arc<Tenure>>,
}

/// What a fetch asked for, when it has ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traced {
    /// The requests, in the order in which they went out.
    pub(crate) asked: Vec<Asked>,
    /// How many there were in all.
    pub(crate) requests: u64,
    /// Of the last answer's header, what says how long it lasts.
    pub(crate) lasting: HeaderMap,
}

/// A request that went out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) host: String,
    pub(crate) at: Timestamp,
    /// `None` when there was no answer.
    pub(crate) http_status: Option<u16>,
}

impl Trace {
    /// That of a fetch under a lease.
    pub(crate) fn under(tenure: Arc<Tenure>) -> Self {
        Self { tenure: Some(tenure), ..Self::default() }
    }

    /// Whether the lease is over under which it was begun: another process may ask the host now.
    pub(super) fn is_over(&self) -> bool {
        self.tenure.as_ref().is_some_and(|tenure| tenure.ends() <= Instant::now())
    }

    /// A request goes out to that host.
    pub(super) fn asks(&self, host: &str, at: Timestamp) {
        let mut traced = self.lock();
        traced.requests += 1;
        if traced.asked.len() < REMEMBERED {
            traced.asked.push(Asked { host: host.to_owned(), at, http_status: None });
        }
    }

    /// The last one is answered.
    pub(super) fn answered(&self, http_status: u16, headers: &HeaderMap) {
        let mut traced = self.lock();
        let lasting = headers.iter().filter(|(name, _)| LASTING.contains(name));
        traced.lasting = lasting.map(|(name, value)| (name.clone(), value.clone())).collect();
        let remembered = usize::try_from(traced.requests).is_ok_and(|requests| requests == traced.asked.len());
        if let Some(last) = traced.asked.last_mut().filter(|_| remembered) {
            last.http_status = Some(http_status);
        }
    }

    /// The last request went to nobody.
    pub(super) fn withdraw(&self) {
        let mut traced = self.lock();
        if usize::try_from(traced.requests).is_ok_and(|requests| requests == traced.asked.len()) {
            traced.asked.pop();
        }
        traced.requests = traced.requests.saturating_sub(1);
    }

    /// Until the lease is over, however often it is prolonged; for ever without one.
    pub(super) async fn lapse(&self) {
        let Some(tenure) = &self.tenure else { return std::future::pending().await };
        while !self.is_over() {
            sleep_until(tenure.ends()).await;
        }
    }

    /// What was asked for until now.
    pub(crate) fn traced(&self) -> Traced {
        self.lock().clone()
    }

    /// No holder can panic half-way.
    fn lock(&self) -> MutexGuard<'_, Traced> {
        self.traced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn requests_are_told_in_their_order_and_those_beyond_the_bound_are_counted() {
        let trace = Trace::default();
        let headers = HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"))]);
        let none = HeaderMap::new();
        for number in 0..150_u16 {
            trace.asks("a.example", Timestamp::UNIX_EPOCH);
            if number % 2 == 0 {
                trace.answered(200 + number, if number == 148 { &headers } else { &none });
            }
        }
        let traced = trace.traced();
        assert_eq!((traced.requests, traced.asked.len()), (150, REMEMBERED));
        assert_eq!(traced.asked[98].http_status, Some(298));
        assert_eq!(traced.asked[99].http_status, None);
        assert_eq!(traced.lasting, headers);
        trace.withdraw();
        assert_eq!((trace.traced().requests, trace.traced().asked.len()), (149, REMEMBERED));
    }

    #[test]
    fn a_request_that_went_to_nobody_is_none() {
        let trace = Trace::default();
        for host in ["a.example", "b.example"] {
            trace.asks(host, Timestamp::UNIX_EPOCH);
        }
        trace.withdraw();
        let traced = trace.traced();
        assert_eq!((traced.requests, traced.asked.len(), traced.asked[0].host.as_str()), (1, 1, "a.example"));
    }
}
