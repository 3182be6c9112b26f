//! [`FetchOutcome`]: how a fetch ended, as it is told.

use feedspine_core::{Fetch, FetchDetail, FetchStatus};

use crate::fetch::RESTING;

/// How a fetch ended, as it is told. Stores have no word for one that asked nobody because its host rests: they hold it as
/// failed, with the code of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchOutcome {
    /// As its status says.
    Ended(FetchStatus),
    /// Its host asked to be left alone, so nobody was asked: that is no failure.
    Resting,
}

impl FetchOutcome {
    /// That of a fetch of the ledger.
    pub fn of(fetch: &Fetch) -> Self {
        fetch.detail.as_ref().map_or(Self::Ended(FetchStatus::Running), Self::of_detail)
    }

    /// That of a fetch that ended.
    pub fn of_detail(detail: &FetchDetail) -> Self {
        Self::told(detail.status, detail.http_status, detail.code.as_deref())
    }

    pub(super) fn told(status: FetchStatus, http_status: Option<u16>, code: Option<&str>) -> Self {
        // Of several documents the first may have been answered.
        if http_status.is_none() && code == Some(RESTING) { Self::Resting } else { Self::Ended(status) }
    }

    /// The word used in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ended(status) => status.as_str(),
            Self::Resting => "resting",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fetch_whose_host_rested_is_told_as_resting_unless_it_was_answered_before() {
        for (status, http_status, code, told) in [
            (FetchStatus::Failed, None, Some(RESTING), "resting"),
            (FetchStatus::Failed, Some(200), Some(RESTING), "failed"),
            (FetchStatus::Failed, Some(429), Some("http.status"), "failed"),
            (FetchStatus::Failed, None, Some("net.connect"), "failed"),
            (FetchStatus::Unchanged, Some(304), None, "unchanged"),
            (FetchStatus::Interrupted, None, None, "interrupted"),
        ] {
            assert_eq!(FetchOutcome::told(status, http_status, code).as_str(), told, "{status:?} {code:?}");
        }
    }
}
