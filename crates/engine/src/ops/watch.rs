//! Watching: what is asked of the daemon, what it tells, what it answers when it is stopped.

use std::time::Duration;

use feedspine_core::{Counts, FeedName, HolderId, Json, Timestamp};

use super::{FeedReport, OpError, ToJson};

/// A daemon: feeds are fetched when they are due, until it is stopped.
#[derive(Debug, Clone)]
pub struct Watch {
    /// Who this is, among the daemons that share the store's work: no other running one may be called so.
    pub holder: HolderId,
    /// All feeds may be at private addresses, as long as it runs.
    pub allow_private: bool,
    /// For how long a host is leased. One whose daemon died is asked again after so long at most.
    pub lease: Duration,
    /// How long fetches that are under way may take to end after it is stopped.
    pub grace: Duration,
    /// How often it is asked which feeds are due.
    pub tick: Duration,
}

impl Watch {
    /// For how long a host is leased, unless it is said otherwise.
    pub const LEASE: Duration = Duration::from_secs(30);
    /// How long fetches may take to end, unless it is said otherwise.
    pub const GRACE: Duration = Duration::from_secs(10);

    /// One with these, and a tick of a second.
    pub fn new(holder: HolderId) -> Self {
        Self { holder, allow_private: false, lease: Self::LEASE, grace: Self::GRACE, tick: Duration::from_secs(1) }
    }
}

/// What is told while a daemon runs.
#[derive(Debug)]
pub enum WatchEvent<'a> {
    /// It has begun.
    Begun {
        /// How many feeds are active.
        feeds: usize,
    },
    /// A feed's fetch begins.
    Started {
        /// The feed.
        feed: &'a FeedName,
    },
    /// A feed is done.
    Ended {
        /// What came of it.
        report: &'a FeedReport,
    },
    /// Our own network is down: no feed is charged for it, and one is tried from time to time.
    NetworkDown,
    /// It is up again.
    NetworkUp,
    /// The store did not answer: it is asked again after a while.
    StoreFailed {
        /// Why.
        error: &'a OpError,
        /// After how long.
        retry_in: Duration,
    },
    /// It answers again.
    StoreAnswers,
    /// It begins no fetch any more, and waits for those under way.
    Stopping {
        /// How many there are.
        under_way: usize,
    },
}

/// What came of a daemon that was stopped.
#[derive(Debug, Clone, Default)]
pub struct WatchReport {
    /// How many fetches ended.
    pub fetches: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How many were still under way when the time to end was over: each is marked interrupted when its feed is next
    /// fetched.
    pub abandoned: u64,
    /// The sums of all counts.
    pub counts: Counts,
    /// When it began.
    pub began_at: Option<Timestamp>,
}

impl ToJson for WatchReport {
    fn to_json(&self) -> Json {
        Json::object([
            ("fetches", self.fetches.into()),
            ("failed", self.failed.into()),
            ("abandoned", self.abandoned.into()),
            ("counts", self.counts.to_json()),
            ("began_at", self.began_at.map(super::json::instant).into()),
        ])
    }
}
