//! The conformance kit from the command line.

use std::fs;

use crate::support::{User, at, list, members, number, text};

#[test]
fn the_kit_passes_on_memory_and_says_what_does_not_apply() {
    let user = User::new();
    let report = user.ask(&["storage", "check", "memory:", "--destroy-data", "--only", "::durability::"]);
    assert_eq!(members(&report), "checks failed ignored passed");
    assert_eq!(members(at(&report, "checks.0")), "name promise reason verdict");
    assert_eq!((number(&report, "failed"), number(&report, "ignored") > 3), (0, true), "{report}");
    let told = user.run(&["storage", "check", "memory:", "--destroy-data", "--only", "state::"]);
    assert_eq!(told.code, 0, "{told:?}");
    assert!(told.stdout.contains("ignored: state::") && told.stdout.contains(" passed, 0 failed, "), "{told:?}");
}

#[test]
fn the_kit_runs_in_files_beside_the_one_that_is_named_and_removes_them() {
    let user = User::new();
    user.ask(&["add", "https://example.org/feed.xml", "--db", "sqlite:news.db"]);
    let before = fs::read(user.home().join("news.db")).unwrap();
    for only in ["storage::lifecycle", "storage::durability", "state::fetches"] {
        let report = user.ask(&["storage", "check", "sqlite:news.db", "--destroy-data", "--only", only]);
        assert_eq!((number(&report, "failed"), number(&report, "passed") > 2), (0, true), "{report}");
        assert!(list(&report, "checks").iter().all(|check| text(check, "name").starts_with(only)), "{report}");
    }
    assert_eq!(fs::read(user.home().join("news.db")).unwrap(), before);
    assert_eq!(fs::read_dir(user.home()).unwrap().count(), 1, "only the store is left");
}

#[test]
fn nothing_is_checked_unless_data_may_be_destroyed() {
    let user = User::new();
    user.ask(&["add", "https://example.org/feed.xml", "--db", "sqlite:news.db"]);
    for (url, words) in [("sqlite:news.db", "where there is a store"), ("sqlite:other.db", "nobody said that it may")] {
        let ran = user.run(&["storage", "check", url]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
        assert!(ran.stderr.contains(words) && ran.stderr.contains("hint: say --destroy-data"), "{ran:?}");
    }
    let none = user.run(&["storage", "check", "memory:", "--destroy-data", "--only", "no such check"]);
    assert_eq!(none.code, 2, "{none:?}");
    let unknown = user.run(&["storage", "check", "mysql://x", "--destroy-data"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
}

#[test]
fn a_check_that_fails_is_told_with_its_promise_and_ends_with_1() {
    let user = User::new();
    user.file("plain", "text");
    let ran = user.run(&["storage", "check", "sqlite:plain/x.db", "--destroy-data", "--only", "durability"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("failed: storage::durability::") && ran.stdout.contains("plain/x.db"), "{ran:?}");
    assert!(ran.stdout.contains("0 passed, "), "{ran:?}");
}
