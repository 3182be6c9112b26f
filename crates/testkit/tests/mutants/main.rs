//! The kit, checked: a fault seeded into the memory backend turns the check named for it red, and only the fault does.

mod asking;
mod capturing;
mod keeping;
mod racing;
mod writing;

use feedspine_testkit::storage::faulty::{Faulty, Shared, Sound};
use feedspine_testkit::{Failure, storage};

/// Whether a fault is found by that check, and by no fault of the check's own.
fn turns_red<F: Faulty + Clone>(fault: &F, check: &str) {
    match storage::judge(Shared(Sound), check) {
        Ok(()) => {}
        Err(failure) => panic!("{check} fails without any fault: {failure}"),
    }
    match storage::judge(Shared(fault.clone()), check) {
        Err(Failure::Broken(_)) => {}
        Err(Failure::DoesNotApply(reason)) => panic!("{check} does not apply to {fault:?}: {reason}"),
        Ok(()) => panic!("{check} does not find {fault:?}"),
    }
}

/// One test for each mutant: its name, the fault, and the check that must turn red.
macro_rules! mutants {
    ($($name:ident: $fault:expr => $check:literal;)+) => {
        $(#[test]
        fn $name() {
            crate::turns_red(&$fault, $check);
        })+
    };
}
use mutants;

/// The sound store that mutants are made of passes every check: none is left out, not even those of durability.
#[test]
fn without_a_fault_every_check_passes() {
    for check in storage::checks() {
        if let Err(failure) = storage::judge(Shared(Sound), &check.full_name()) {
            panic!("{}: {failure}", check.full_name());
        }
    }
}

#[test]
fn every_check_has_a_name_and_a_promise_of_its_own() {
    let mut names: Vec<_> = storage::checks().map(feedspine_testkit::Check::full_name).collect();
    let count = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), count, "two checks have one name");
    for check in storage::checks() {
        assert!(check.promise.ends_with('.') && check.promise.len() > 20, "{}: {}", check.full_name(), check.promise);
    }
}

#[test]
fn a_name_that_no_check_has_is_an_error() {
    assert!(matches!(storage::judge(Shared(Sound), "ingest::nothing"), Err(Failure::Broken(_))));
}
