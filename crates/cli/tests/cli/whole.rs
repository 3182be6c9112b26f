//! All that a store holds: exported, imported, backed up, restored, copied, verified.

#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use feedspine::core::{
    Candidate, Content, Coverage, CursorStep, FeedId, FetchId, HashRule, IngestBatch, Json, KeyRule, Layer, Namespace,
    NaturalKey, Part, RecordId, RecordWrite, StorageBackend, Timestamp,
};
use feedspine_sqlite::SqliteStore;

use crate::site::{Reply, Site};
use crate::support::{Ran, User, at, list, members, number, rss, text};

/// A user whose default store holds two feeds, one of them removed, with edits, fetches that failed, and things taken
/// down.
fn reader() -> User {
    let user = User::new();
    let turn = Arc::new(AtomicUsize::new(0));
    let site = Site::start(move |asked| match (asked.path.as_str(), turn.fetch_add(1, Ordering::SeqCst)) {
        ("/gone", _) => Reply::status(404),
        (_, 0..=1) => Reply::ok(rss(&[("d", "Four"), ("c", "Three"), ("b", "Two"), ("a", "One")])),
        _ => Reply::ok(rss(&[("d", "Four"), ("b", "Two, edited\u{1F4F0}"), ("a", "One")])),
    });
    user.add("gone", &site.url("/gone"));
    user.add("news", &site.url("/news.xml"));
    for _ in 0..3 {
        user.run(&["collect"]);
    }
    user.ask(&["feed", "rm", "gone"]);
    user
}

/// What a store holds, as lines.
fn lines(user: &User, db: &[&str]) -> String {
    let ran = user.run(&[&["export"], db].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout
}

const OTHER: [&str; 2] = ["--db", "sqlite:other.db"];

#[test]
fn an_export_is_imported_without_loss() {
    let user = reader();
    let told = user.run(&["export"]);
    assert!(told.stderr.starts_with("exported: 2 feeds, 6 fetches, "), "{told:?}");
    let file = user.ask(&["export", "all.jsonl"]);
    assert_eq!(members(&file), "contents file");
    assert_eq!(fs::read_to_string(user.home().join("all.jsonl")).unwrap(), told.stdout);

    let written = user.ask(&["import", "all.jsonl", "--db", "sqlite:other.db"]);
    assert_eq!(members(&written), "contents outcome");
    assert_eq!(text(&written, "outcome"), "written");
    assert_eq!(at(&written, "contents"), at(&file, "contents"));
    assert_eq!(lines(&user, &OTHER), told.stdout);
    for words in [&["list", "--order", "key"][..], &["history", "b"], &["sightings", "a"], &["status"]] {
        let asked = |db: &[&str]| user.run(&[words, &["--json"], db].concat()).stdout;
        assert_eq!(asked(&[]), asked(&OTHER), "{words:?}");
    }
    assert_eq!(text(&user.ask(&["import", "all.jsonl", "--db", "sqlite:other.db"]), "outcome"), "already");

    // By a pipe, into a third one.
    let mut command = user.command(&["import", "--db", "sqlite:third.db"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(told.stdout.as_bytes()).unwrap();
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(lines(&user, &["--db", "sqlite:third.db"]), told.stdout);
}

#[test]
fn a_backup_is_restored_and_the_store_goes_on() {
    let user = reader();
    let before = lines(&user, &[]);
    let written = user.ask(&["db", "backup", "news.backup"]);
    assert_eq!(number(&written, "contents.feeds"), 2);
    let file = fs::metadata(user.home().join("news.backup")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
    assert!(file.len() < before.len() as u64 / 2, "it is compressed");
    let again = user.run(&["db", "backup", "news.backup"]);
    assert_eq!(again.code, 2, "{again:?}");
    assert!(again.stderr.contains("news.backup already") && again.stderr.contains("--replace"), "{again:?}");
    assert_eq!(user.ask(&["db", "backup", "news.backup", "--replace"]), written);

    assert_eq!(text(&user.ask(&["db", "restore", "news.backup", "--db", "sqlite:other.db"]), "outcome"), "written");
    assert_eq!(lines(&user, &OTHER), before);
    let verified = user.ask(&["db", "verify", "--db", "sqlite:other.db"]);
    assert_eq!(members(&verified), "faults more rows sound");
    assert_eq!((at(&verified, "sound").to_string(), number(&verified, "rows") > 20), ("true".to_owned(), true));
    assert!(user.run(&["db", "verify", "--db", "sqlite:other.db"]).stdout.starts_with("sound: "));
    // What it collects next is judged as if nothing had happened.
    let report = user.ask(&["collect", "--db", "sqlite:other.db"]);
    assert_eq!((number(&report, "counts.unchanged"), number(&report, "counts.new")), (3, 0));
    let refused = user.run(&["db", "restore", "news.backup", "--db", "sqlite:other.db"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("holds data already") && refused.stderr.contains("new store"), "{refused:?}");
    let left = fs::read_dir(user.home()).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with("part")
    });
    assert_eq!(left.count(), 0);
}

#[test]
fn what_is_no_export_of_ours_is_refused_before_anything_is_written() {
    let user = reader();
    let lines = lines(&user, &[]);
    user.ask(&["db", "backup", "whole"]);
    let packed = fs::read(user.home().join("whole")).unwrap();
    let flipped = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    let cut = lines.len() / 2;
    let whole_lines = lines[..cut].rfind('\n').unwrap() + 1;
    let title = lines.find("Four").unwrap();
    let first = lines.lines().next().unwrap();
    let newer = first.replace("\"format\":2", "\"format\":3,\"more\":{}");
    for (name, bytes, code, words) in [
        ("cut", lines.as_bytes()[..cut].to_vec(), 1, "is damaged: it breaks off"),
        ("cut-between-lines", lines.as_bytes()[..whole_lines].to_vec(), 1, "is damaged: it breaks off"),
        ("cut-packed", packed[..packed.len() / 2].to_vec(), 1, "is damaged: "),
        ("flipped", flipped(lines.as_bytes(), title), 1, "SHA-256"),
        ("flipped-packed", flipped(&packed, packed.len() / 2), 1, "is damaged: "),
        ("longer", format!("{lines}{{}}\n").into_bytes(), 1, "goes on after its end"),
        ("newer", lines.replace(first, &newer).into_bytes(), 2, "format 3"),
        ("diary", b"dear diary\n".to_vec(), 2, "was not written by"),
        ("one-long-line", vec![b'x'; 1 << 20], 2, "was not written by"),
        ("other", b"{\"row\":\"header\"}\n".to_vec(), 2, "was not written by"),
        ("empty", Vec::new(), 2, "was not written by"),
        ("database", fs::read(user.home().join(".local/share/feedspine/feedspine.db")).unwrap(), 2, "was not written"),
    ] {
        user.file(name, bytes);
        let ran = user.run(&["db", "restore", name, "--db", "sqlite:other.db"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{name}: {ran:?}");
        assert!(ran.stderr.contains(words) && ran.stderr.contains("hint: "), "{name}: {ran:?}");
        assert!(!ran.stderr.contains("other.db"), "{name}: the store is not at fault: {ran:?}");
        assert!(!user.home().join("other.db").exists(), "{name}: a store was begun");
    }
    let missing = user.run(&["import", "nowhere", "--db", "sqlite:other.db"]);
    assert_eq!(missing.code, 5, "{missing:?}");
}

/// A store of many records, made by the library.
fn many(path: &Path, count: u32) {
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let item = |ordinal: u32| Candidate {
        key: NaturalKey::new(Namespace::new("many").unwrap(), &format!("item-{ordinal}")).unwrap(),
        key_rule: KeyRule::Id,
        ordinal,
        content: Content::new(&Json::object([("title", format!("The title of item {ordinal}").into())])),
        published: Some(now),
        updated: None,
    };
    let batch = IngestBatch {
        feed: FeedId::from_u128(1),
        fetch: FetchId::from_u128(1),
        part: Part::ONLY,
        observed_at: now,
        recorded_at: now,
        coverage: Coverage::Snapshot { complete: true },
        hash_rule: HashRule::whole(),
        items: (0..count).map(item).collect(),
        rejects: Vec::new(),
        step: CursorStep::Keep,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::new(path);
        store.initialize().await.unwrap();
        store.ingest(batch).await.unwrap();
        store.close().await.unwrap();
    });
}

const COPY: [&str; 4] = ["db", "copy", "sqlite:from.db", "sqlite:to.db"];

/// Kills a copy when some batches of it are written, and many are not. One that is over before is made again.
fn kill_in_the_middle(user: &User) {
    for _ in 0..10 {
        let mut child = user.command(&COPY).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let log = user.home().join("to.db-wal");
        while child.try_wait().unwrap().is_none() && fs::metadata(&log).map_or(0, |log| log.len()) < 1 << 20 {
            std::thread::sleep(Duration::from_micros(200));
        }
        child.kill().unwrap();
        if !child.wait().unwrap().success() {
            return;
        }
        fs::remove_file(user.home().join("to.db")).unwrap();
    }
    panic!("it was always over before it could be killed");
}

#[test]
fn a_copy_that_was_killed_goes_on_and_ends_in_an_equal_store() {
    let user = User::new();
    many(&user.home().join("from.db"), 5_000);
    user.ask(&["add", "https://example.org/feed.xml", "--db", "sqlite:from.db"]);
    kill_in_the_middle(&user);
    let half = user.run(&["list", "--db", "sqlite:to.db"]);
    assert_eq!(half.code, 1, "{half:?}");
    assert!(half.stderr.contains("not finished") && half.stderr.contains("goes on where it stopped"), "{half:?}");

    let copied = user.ask(&COPY);
    assert_eq!(text(&copied, "outcome"), "resumed");
    let exported = |db: &str| lines(&user, &["--db", db]);
    assert_eq!(exported("sqlite:from.db"), exported("sqlite:to.db"));
    let told = user.run(&COPY).stdout;
    assert!(told.starts_with("the same was there already: sqlite:to.db  1 feed, 0 fetches, "), "{told}");
}

#[test]
fn a_copy_whose_source_changed_meanwhile_does_not_go_on() {
    let user = User::new();
    many(&user.home().join("from.db"), 5_000);
    kill_in_the_middle(&user);
    fs::remove_file(user.home().join("from.db")).unwrap();
    many(&user.home().join("from.db"), 10);
    let ran = user.run(&COPY);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("began to write") && ran.stderr.contains("new store"), "{ran:?}");
}

#[test]
fn a_store_is_copied_into_one_of_another_backend() {
    let user = reader();
    let from = format!("sqlite:{}", user.home().join(".local/share/feedspine/feedspine.db").display());
    let copied = user.run(&["db", "copy", &from, "memory:"]);
    assert_eq!(copied.code, 0, "{copied:?}");
    assert!(copied.stdout.starts_with("written and compared: memory:  2 feeds, 6 fetches, "), "{copied:?}");
    // Whichever store stands in the way is named, and the other is not.
    let diary = user.file("diary.db", "dear diary, ".repeat(1_000));
    let diary = format!("sqlite:{}", diary.display());
    for copy in [["db", "copy", &from, &diary], ["db", "copy", &diary, "sqlite:to.db"]] {
        let ran = user.run(&copy);
        assert_eq!(ran.code, 1, "{ran:?}");
        let error = ran.stderr.lines().next().unwrap();
        assert!(error.contains("diary.db") && !error.contains("feedspine.db") && !error.contains("to.db"), "{ran:?}");
    }
    user.ask(&["add", "https://example.org/feed.xml", "--db", "sqlite:held.db"]);
    let held = user.run(&["db", "copy", &from, "sqlite:held.db"]);
    assert!(held.stderr.starts_with("error: sqlite:held.db: the store holds data already"), "{held:?}");
    let into_it = user.run(&["db", "copy", "sqlite:held.db", "sqlite:/proc/no/to.db"]);
    assert!(into_it.stderr.contains("/proc/no/to.db") && !into_it.stderr.contains("held.db"), "{into_it:?}");
    let missing = user.run(&["db", "copy", "sqlite:typo.db", "sqlite:to.db"]);
    assert_eq!(missing.code, 5, "{missing:?}");
    assert!(!user.home().join("to.db").exists());
}

/// A content of 300 MB: longer than any line that a reader would take for one of a text file.
#[test]
#[ignore = "long: cargo xtask test --long"]
fn a_content_of_300_megabytes_is_exported_and_imported() {
    let user = User::new();
    put(&user.home().join("from.db"), &"x".repeat(300_000_000));
    user.ask(&["db", "backup", "large.backup", "--db", "sqlite:from.db"]);
    let restored = user.ask(&["db", "restore", "large.backup", "--db", "sqlite:to.db"]);
    assert_eq!(text(&restored, "outcome"), "written");
}

/// A store of one record that a call wrote.
fn put(path: &Path, title: &str) {
    let write = RecordWrite {
        id: RecordId::from_u128(1),
        key: NaturalKey::new(Namespace::new("large").unwrap(), "a").unwrap(),
        layer: Layer::Bronze,
        content: Content::new(&Json::object([("title", title.into())])),
        metadata: Content::empty(),
        published: None,
        updated: None,
        recorded_at: "2026-01-01T00:00:00Z".parse().unwrap(),
        derived_from: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::new(path);
        store.initialize().await.unwrap();
        store.put_many(vec![write]).await.unwrap();
        store.close().await.unwrap();
    });
}

#[test]
fn a_bit_flip_in_what_a_record_is_found_by_is_found_and_named() {
    let user = reader();
    let path = user.home().join(".local/share/feedspine/feedspine.db");
    let mut bytes = fs::read(&path).unwrap();
    let key = NaturalKey::new(Namespace::new("news").unwrap(), "b").unwrap();
    let hash = key.hash();
    let places: Vec<usize> =
        bytes.windows(32).enumerate().filter(|(_, window)| window == hash.as_bytes()).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at + 31] ^= 1;
    }
    fs::write(&path, bytes).unwrap();
    let ran = user.run(&["db", "verify"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("it is not found by its key") && ran.stdout.contains("under another key"), "{ran:?}");
}

#[test]
fn a_bit_flip_in_content_is_found_and_named() {
    let user = reader();
    let path = user.home().join(".local/share/feedspine/feedspine.db");
    let mut bytes = fs::read(&path).unwrap();
    let found = bytes.windows(11).position(|window| window == b"Two, edited").unwrap();
    bytes[found] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(user.run(&["db", "check"]).code, 0, "the file's own check cannot see that");
    let record = text(&user.ask(&["show", "b"]), "record.id").to_owned();
    let ran = user.run(&["db", "verify"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout.contains(&format!("fault: bronze version 2 of record {record}: its content has hash")),
        "{ran:?}"
    );
    let verified = Ran::of(&user.command(&["db", "verify", "--json"]).output().unwrap()).json();
    assert!(!list(&verified, "faults").is_empty());
}
