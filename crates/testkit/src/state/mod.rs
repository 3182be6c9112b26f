//! Checks of [`StateStore`], the control plane's contract: feeds, what became of each fetch, who fetches what when, and the
//! bytes that fetches brought.

mod captures;
mod feeds;
mod fence;
mod fetches;
mod joint;
mod leases;
mod schedules;
mod slots;
mod subject;

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use feedspine_core::{Result, StateStore, StorageBackend};
use libtest_mimic::Trial;

use crate::{Check, Failure, Verdict};
pub(crate) use captures::{against, capture, plain};
pub use subject::Subject;
pub(crate) use subject::{a_feed, detail, intent, schedule};

/// How the kit gets state stores to check; see [`crate::storage::StorageProvider`] for what a place is.
#[async_trait]
pub trait StateProvider: Send + Sync + 'static {
    /// What names one store.
    type Place: Send + Sync + 'static;

    /// Makes room for a store that no other check sees. It holds nothing yet.
    async fn place(&self) -> Result<Self::Place>;

    /// Opens the store at that place; the kit calls `prepare`.
    async fn open(&self, place: &Self::Place) -> Result<Arc<dyn StateStore>>;

    /// Opens what is captured in the store at that place, where one store is both; the kit calls `initialize`.
    async fn storage(&self, place: &Self::Place) -> Result<Option<Arc<dyn StorageBackend>>> {
        let _ = place;
        Ok(None)
    }

    /// Whether a store that is opened again at its place finds there what was acknowledged before.
    fn is_durable(&self) -> bool;
}

const GROUPS: [&[Check<Subject>]; 8] = [
    feeds::CHECKS,
    fetches::CHECKS,
    schedules::CHECKS,
    leases::CHECKS,
    slots::CHECKS,
    fence::CHECKS,
    joint::CHECKS,
    captures::CHECKS,
];

/// All checks, group by group.
pub fn checks() -> impl Iterator<Item = &'static Check<Subject>> {
    GROUPS.into_iter().flatten()
}

/// Runs all checks as named trials, with the arguments of the command line.
pub fn main<P: StateProvider>(provider: P) -> ExitCode {
    crate::run(trials(provider))
}

/// One trial for each check, to be run alone or together with those of [`crate::storage`].
pub fn trials<P: StateProvider>(provider: P) -> Vec<Trial> {
    let provider = Arc::new(provider);
    let trial = |check: &'static Check<Subject>| {
        let provider = Arc::clone(&provider);
        check.trial(move || Box::pin(Subject::fresh(provider)))
    };
    checks().map(trial).collect()
}

/// Runs the check of that full name against a fresh store, and gives its verdict.
///
/// # Errors
/// The check did not pass, or there is none of that name.
pub fn judge<P: StateProvider>(provider: P, name: &str) -> Verdict {
    let Some(check) = checks().find(|check| check.full_name() == name) else {
        return Err(Failure::broken(format!("no check is called {name}")));
    };
    crate::check::runtime().block_on(async { check.judge(Subject::fresh(Arc::new(provider)).await?).await })
}
