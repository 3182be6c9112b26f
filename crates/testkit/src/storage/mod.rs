//! Checks of [`StorageBackend`] and of the seed's calls ([`StorageExt`]), in groups.
//!
//! [`StorageExt`]: feedspine_core::StorageExt

mod agreement;
pub mod calls;
mod changes;
mod churn;
mod concurrency;
mod durability;
mod errors;
pub mod faulty;
mod ingest;
mod keys;
mod layers;
mod leaving;
mod lifecycle;
mod model;
mod paging;
mod parts;
mod query;
mod records;
mod seed;
mod sightings;
mod stories;
mod subject;
mod transfer;
mod unchanged;
mod values;
mod versions;

use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use feedspine_core::{Result, StorageBackend};
use libtest_mimic::Trial;

use crate::{Check, Failure, Verdict};
pub use subject::Subject;

/// How the kit gets stores to check.
///
/// A *place* is whatever names one store, so that it can be opened again: a path, a database, `()` for a store that
/// lives in its value only. It is dropped when its check is over: that is where to clean up.
#[async_trait]
pub trait StorageProvider: Send + Sync + 'static {
    /// What names one store.
    type Place: Send + Sync + 'static;

    /// Makes room for a store that no other check sees. It holds nothing yet.
    async fn place(&self) -> Result<Self::Place>;

    /// Opens the store at that place; the kit calls `initialize`. A store that is durable is opened again at its
    /// place, and finds there what was acknowledged before; one that takes several processes is also opened beside itself.
    async fn open(&self, place: &Self::Place) -> Result<Arc<dyn StorageBackend>>;
}

const GROUPS: [&[Check<Subject>]; 22] = [
    lifecycle::CHECKS,
    ingest::CHECKS,
    parts::CHECKS,
    unchanged::CHECKS,
    sightings::CHECKS,
    versions::CHECKS,
    churn::CHECKS,
    leaving::CHECKS,
    keys::CHECKS,
    records::CHECKS,
    layers::CHECKS,
    values::CHECKS,
    query::CHECKS,
    paging::CHECKS,
    changes::CHECKS,
    seed::CHECKS,
    concurrency::CHECKS,
    errors::CHECKS,
    stories::CHECKS,
    agreement::CHECKS,
    transfer::CHECKS,
    durability::CHECKS,
];

/// All checks, group by group: what the reference of the contract is generated from.
pub fn checks() -> impl Iterator<Item = &'static Check<Subject>> {
    GROUPS.into_iter().flatten()
}

/// Runs all checks as named trials, with the arguments of the command line.
pub fn main<P: StorageProvider>(provider: P) -> ExitCode {
    crate::run(trials(provider))
}

/// One trial for each check, to be run alone or together with those of [`crate::state`].
pub fn trials<P: StorageProvider>(provider: P) -> Vec<Trial> {
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
pub fn judge<P: StorageProvider>(provider: P, name: &str) -> Verdict {
    let Some(check) = checks().find(|check| check.full_name() == name) else {
        return Err(Failure::broken(format!("no check is called {name}")));
    };
    crate::check::runtime().block_on(async { check.judge(Subject::fresh(Arc::new(provider)).await?).await })
}
