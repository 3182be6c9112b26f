//! [`Check`]: one promise, by name, and what became of it.

use std::fmt::{self, Debug, Display};
use std::panic::Location;
use std::time::Duration;

use feedspine_core::StorageError;
use futures_util::future::BoxFuture;
use libtest_mimic::{Completion, Trial};

/// How long a check may take before it counts as stuck: some 100 times what the slowest takes on a laptop.
const STUCK_AFTER: Duration = Duration::from_mins(2);

/// What a check found.
pub type Verdict<T = ()> = Result<T, Failure>;

/// Why a check did not pass.
#[derive(Debug)]
pub enum Failure {
    /// The promise is broken: what was found, and where in the kit.
    Broken(String),
    /// The check cannot apply to this store, for this reason.
    DoesNotApply(String),
}

impl Failure {
    /// A broken promise, with the place in the kit that found it.
    #[track_caller]
    pub fn broken(found: impl Display) -> Self {
        let place = Location::caller();
        Self::Broken(format!("{found}\n  found at {}:{}", place.file(), place.line()))
    }

    /// The reason why a check cannot apply.
    pub fn does_not_apply(reason: impl Into<String>) -> Self {
        Self::DoesNotApply(reason.into())
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(found) => f.write_str(found),
            Self::DoesNotApply(reason) => write!(f, "does not apply: {reason}"),
        }
    }
}

/// A call that had to work and did not.
impl From<StorageError> for Failure {
    #[track_caller]
    fn from(error: StorageError) -> Self {
        Self::broken(format!("the call failed with {:?} (applied: {:?}): {error}", error.kind(), error.applied()))
    }
}

/// One promise of a contract as something that can fail. `S` is what the check is given: a fresh store.
#[derive(Debug)]
pub struct Check<S: 'static> {
    /// The part of the contract.
    pub group: &'static str,
    /// The promise in a few words, as it is shown: `a_new_item_becomes_a_record`.
    pub name: &'static str,
    /// What it proves: one of the promises that the crate's page lists, such as `P4`, or a rule by its name, such as
    /// `Versions`.
    pub rule: &'static str,
    /// The promise in a sentence.
    pub promise: &'static str,
    pub(crate) run: fn(S) -> BoxFuture<'static, Verdict>,
}

impl<S: 'static> Check<S> {
    /// The name by which test runners show and select it.
    pub fn full_name(&self) -> String {
        format!("{}::{}", self.group, self.name)
    }

    /// Runs it to its verdict, or until it is stuck.
    pub(crate) async fn judge(&self, subject: S) -> Verdict {
        let verdict = tokio::time::timeout(STUCK_AFTER, (self.run)(subject)).await;
        verdict.unwrap_or_else(|_| Err(Failure::broken(format!("stuck: no verdict after {STUCK_AFTER:?}"))))
    }

    /// The trial that shows it; `fresh` makes the store that it runs against.
    pub(crate) fn trial(
        &'static self,
        fresh: impl FnOnce() -> BoxFuture<'static, Verdict<S>> + Send + 'static,
    ) -> Trial {
        Trial::ignorable_test(self.full_name(), move || {
            let verdict = runtime().block_on(async move { self.judge(fresh().await?).await });
            match verdict {
                Ok(()) => Ok(Completion::Completed),
                Err(Failure::DoesNotApply(reason)) => Ok(Completion::ignored_with(reason)),
                Err(Failure::Broken(found)) => Err(format!("{}\n  {found}", self.promise).into()),
            }
        })
    }
}

/// Two workers, so that what a check spawns really runs at once.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    let builder = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    builder.expect("this machine can start two threads")
}

/// Makes a group's table of checks: `name: "rule", "promise";` for each `async fn name(S) -> Verdict` beside it.
macro_rules! checks {
    ($subject:ty, $group:literal: $($name:ident: $rule:literal, $promise:literal;)+) => {
        pub(crate) const CHECKS: &[crate::Check<$subject>] = &[$(crate::Check {
            group: $group,
            name: stringify!($name),
            rule: $rule,
            promise: $promise,
            run: |subject| Box::pin($name(subject)),
        }),+];
    };
}

/// Fails the check with a message unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(crate::Failure::broken(format!($($message)+)));
        }
    };
}

/// Fails the check unless both are equal: what was found, what is right, and of what.
macro_rules! ensure_eq {
    ($found:expr, $right:expr, $($of:tt)+) => {
        match (&$found, &$right) {
            (found, right) => {
                if *found != *right {
                    let of = format!($($of)+);
                    return Err(crate::Failure::broken(format!("{of}\n  found: {found:?}\n  right: {right:?}")));
                }
            }
        }
    };
}

pub(crate) use {checks, ensure, ensure_eq};

/// The error of a call that had to fail with that kind and certainly not happen.
#[track_caller]
pub(crate) fn refused<T: Debug>(
    answer: feedspine_core::Result<T>,
    kind: feedspine_core::ErrorKind,
) -> Verdict<StorageError> {
    match answer {
        Err(error) if error.kind() != kind => {
            Err(Failure::broken(format!("the call failed with {:?}, not {kind:?}: {error}", error.kind())))
        }
        Err(error) if error.applied() != feedspine_core::Applied::No => {
            Err(Failure::broken(format!("a refused call says that it may have happened: {error}")))
        }
        Err(error) => Ok(error),
        Ok(answer) => Err(Failure::broken(format!("the call worked, but had to fail with {kind:?}: {answer:?}"))),
    }
}
