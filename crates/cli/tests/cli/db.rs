//! The store as a whole: told, migrated, checked, compacted.

use std::fs;

use crate::support::{User, at, list, members, number, text};

#[test]
fn info_of_no_store_says_so_and_begins_none() {
    let user = User::new();
    let info = user.ask(&["db", "info", "--db", "sqlite:news.db"]);
    assert_eq!(members(&info), "backend capabilities newest_schema_version place schema_version size standing");
    assert_eq!((text(&info, "standing"), text(&info, "place")), ("nothing", "sqlite:news.db"));
    let told = user.run(&["db", "info", "--db", "sqlite:news.db"]);
    assert!(told.stdout.contains("no store yet") && told.stderr.contains("feedspine db migrate"), "{told:?}");
    for command in ["check", "compact"] {
        let ran = user.run(&["db", command, "--db", "sqlite:news.db"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "{ran:?}");
        assert!(ran.stderr.contains("news.db") && ran.stderr.contains("hint: "), "{ran:?}");
    }
    assert_eq!(fs::read_dir(user.home()).unwrap().count(), 0);
}

#[test]
fn migrate_begins_a_store_once_and_only_tells_in_a_dry_run() {
    let user = User::new();
    let newest = number(&user.ask(&["db", "info"]), "newest_schema_version");
    let dry = user.ask(&["db", "migrate", "--dry-run"]);
    assert_eq!(members(&dry), "dry_run from outcome to");
    assert_eq!((text(&dry, "outcome"), number(&dry, "to")), ("begun", newest));
    assert_eq!(text(&user.ask(&["db", "info"]), "standing"), "nothing");
    let told = user.run(&["db", "migrate"]);
    assert_eq!((told.code, told.stdout), (0, format!("begun: a store of schema version {newest}\n")));
    let again = user.ask(&["db", "migrate"]);
    assert_eq!((text(&again, "outcome"), number(&again, "from")), ("already", newest));
    assert!(user.run(&["db", "migrate", "--dry-run"]).stdout.starts_with("already at schema version"));
}

#[test]
fn a_store_is_told_checked_and_compacted() {
    let user = User::new();
    user.ask(&["add", "https://example.org/feed.xml"]);
    let info = user.ask(&["db", "info"]);
    assert_eq!(members(at(&info, "size")), "bytes epoch reclaimable_bytes tables");
    let feeds = list(&info, "size.tables").iter().find(|table| text(table, "name") == "control_feeds").unwrap();
    assert_eq!(number(feeds, "rows"), 1);
    let told = user.run(&["db", "info"]).stdout;
    assert!(told.contains("sqlite, ") || told.contains("sqlite\n"), "{told}");
    assert!(told.contains("control_feeds") && told.contains("KiB"), "{told}");
    let check = user.ask(&["db", "check"]);
    assert_eq!(members(&check), "examined faults notes sound");
    assert_eq!(at(&check, "sound").to_string(), "true");
    assert!(user.run(&["db", "check"]).stdout.ends_with("sound\n"));
    let compacted = user.ask(&["db", "compact"]);
    assert_eq!(members(&compacted), "bytes_after bytes_before dry_run");
    let dry = user.run(&["db", "compact", "--dry-run"]);
    assert!(dry.code == 0 && dry.stdout.contains("it would take about"), "{dry:?}");
}

#[test]
fn a_damaged_store_fails_its_check() {
    let user = User::new();
    user.ask(&["add", "https://example.org/feed.xml", "--db", "sqlite:news.db"]);
    let path = user.home().join("news.db");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 8_192;
    bytes[last..last + 32].fill(0xA5);
    fs::write(&path, bytes).unwrap();
    let ran = user.run(&["db", "check", "--db", "sqlite:news.db"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("fault: ") && ran.stdout.trim_end().ends_with(" found"), "{ran:?}");
    assert!(ran.stderr.contains("hint: ") && ran.stderr.contains("db restore FILE"), "{ran:?}");
    let path = user.file("diary.db", "dear diary, ".repeat(1_000));
    let ran = user.run(&["db", "check", "--db", &format!("sqlite:{}", path.display())]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("diary.db") && ran.stderr.contains("hint: "), "{ran:?}");
}

#[test]
fn a_backend_that_does_not_look_after_its_stores_says_so() {
    let user = User::new();
    let info = user.ask(&["db", "info", "--db", "memory:"]);
    assert_eq!((text(&info, "backend"), at(&info, "size").to_string()), ("memory", "null".to_owned()));
    let ran = user.run(&["db", "check", "--db", "memory:"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("memory") && ran.stderr.contains("hint: "), "{ran:?}");
    assert_eq!(text(&user.ask(&["db", "migrate", "--db", "memory:"]), "outcome"), "initialised");
}
