//! Folders: files as items, lines and rows in files, and inboxes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use feedspine::Engine;
use feedspine::core::{Feed, FetchStatus, Json};
use feedspine::ops::{AdapterChoice, AddFeed, FeedReport};

use crate::support::{add_with, code, collect, engine, start};

async fn folder_feed(engine: &Engine, folder: &Path, options: &[&str]) -> Feed {
    add_with(engine, folder.to_str().unwrap(), "files", options).await
}

fn counts(report: &FeedReport) -> [u64; 4] {
    [report.counts.new, report.counts.changed, report.counts.unchanged, report.counts.rejected]
}

async fn content(engine: &Engine, key: &str) -> Json {
    engine.show(key, None).await.unwrap().record.content.to_json()
}

async fn reasons(engine: &Engine, feed: &Feed) -> Vec<(String, String)> {
    let rejects = engine.feed(&feed.name).await.unwrap().rejects.into_iter();
    let mut reasons: Vec<_> = rejects.map(|found| (found.reject.code, found.reject.reason)).collect();
    reasons.sort();
    reasons
}

/// Sets when a file was last changed, by the clock of the test.
fn date(path: &Path, seconds_ago: u64) {
    let at = SystemTime::UNIX_EPOCH + Duration::from_micros(start().as_micros().cast_unsigned());
    fs::File::options().write(true).open(path).unwrap().set_modified(at - Duration::from_secs(seconds_ago)).unwrap();
}

#[tokio::test]
async fn each_file_is_a_record_of_what_it_holds() {
    let (engine, folder) = (engine().await, tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name);
    fs::write(path("note.txt"), "hello\n").unwrap();
    fs::write(path("image.png"), b"\x89PNG\r\n\x1a\n\0\0").unwrap();
    fs::write(path("long.log"), "x".repeat(70_000)).unwrap();
    date(&path("note.txt"), 60);
    let feed = folder_feed(&engine, folder.path(), &[]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), counts(&report)), ("ok", [3, 0, 0, 0]), "{report:?}");
    assert_eq!(
        content(&engine, "note.txt").await.to_canonical(),
        r#"{"media_type":"text/plain","modified":"2026-11-24T11:59:00Z","name":"note.txt","path":"note.txt","sha256":"5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03","size":6,"text":"hello\n"}"#
    );
    let updated = engine.show("note.txt", None).await.unwrap().record.updated;
    assert_eq!(updated.unwrap().to_string(), "2026-11-24T11:59:00Z");
    let image = content(&engine, "image.png").await;
    assert_eq!((image.get("media_type").and_then(Json::as_str), image.get("text")), (Some("image/png"), None));
    assert_eq!(content(&engine, "long.log").await.get("text"), None);

    // Another date is no news; other words are.
    date(&path("note.txt"), 30);
    fs::write(path("image.png"), "now a text").unwrap();
    fs::remove_file(path("long.log")).unwrap();
    let report = collect(&engine, &feed).await;
    assert_eq!(counts(&report), [0, 1, 1, 0], "{report:?}");
    assert_eq!(engine.show("note.txt", None).await.unwrap().record.version.get(), 1);
    assert_eq!(report.counts.withdrawn + report.counts.scrolled_off, 1);
}

#[tokio::test]
async fn what_cannot_be_read_is_named_and_costs_itself_only() {
    let (engine, folder) = (engine().await, tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name);
    fs::write(path("good"), "x").unwrap();
    fs::write(path("b\u{fffd}d"), "x").unwrap();
    {
        use std::os::unix::ffi::OsStrExt;
        fs::write(folder.path().join(std::ffi::OsStr::from_bytes(b"bad\xFF")), "x").unwrap();
    }
    symlink(path("good"), path("link")).unwrap();
    let feed = folder_feed(&engine, folder.path(), &[]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), counts(&report)), ("ok", [2, 0, 0, 2]), "{report:?}");
    let found = reasons(&engine, &feed).await;
    assert_eq!(found[0], ("file.name".into(), "bad\u{fffd}: its name is not in UTF-8: rename it".into()));
    assert!(found[1].0 == "file.symlink" && found[1].1.contains("links=follow"), "{found:?}");

    // A file that opens and does not read.
    symlink("/proc/self/mem", path("broken")).unwrap();
    let pattern = folder.path().join("[bgl]*[dkn]");
    let follows = folder_feed(&engine, &pattern, &["links=follow", "key=path", "key=sha256"]).await;
    let report = collect(&engine, &follows).await;
    assert_eq!((code(&report), counts(&report)), ("ok", [3, 0, 0, 1]), "{report:?}");
    let found = reasons(&engine, &follows).await;
    assert!(found[0].0 == "file.unreadable" && found[0].1.starts_with("broken: it cannot be read"), "{found:?}");
}

#[tokio::test]
async fn lines_and_rows_of_many_files_are_one_feed() {
    let (engine, folder) = (engine().await, tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("2026/11")).unwrap();
    fs::write(path("a.jsonl"), "{\"id\":1}\nno\n{\"id\":2}\n").unwrap();
    fs::write(path("2026/11/b.jsonl"), "{\"id\":2}\n{\"id\":3}").unwrap();
    fs::write(path("empty.jsonl"), "").unwrap();
    fs::write(path("c.csv"), "id;t\n4;x\n5\n").unwrap();
    fs::write(path("d.csv"), "id,t\n6,\"open\n").unwrap();
    fs::write(path("e.csv"), "").unwrap();
    fs::write(path("f.csv"), "id,t\n7,y\n").unwrap();
    let lines = folder_feed(&engine, folder.path(), &["each=line", "match=**/*.jsonl"]).await;
    let report = collect(&engine, &lines).await;
    assert_eq!((code(&report), counts(&report), report.counts.repeated), ("ok", [3, 0, 0, 1], 1), "{report:?}");
    assert!(reasons(&engine, &lines).await[0].1.starts_with("a.jsonl, line 2: "));
    let rows = folder_feed(&engine, &folder.path().join("*.csv"), &["each=row", "key=id"]).await;
    let report = collect(&engine, &rows).await;
    assert_eq!((code(&report), counts(&report)), ("ok", [2, 0, 0, 2]), "{report:?}");
    let found = reasons(&engine, &rows).await;
    assert_eq!(found[0].1, "d.csv, line 2: a quote is opened and not closed; nothing behind it is read");
    assert_eq!(found[1].1, "c.csv, line 3: 1 fields for 2 columns");
    // A line more is an item more; the rest stays as it is.
    fs::write(path("a.jsonl"), "{\"id\":1}\n{\"id\":2}\n{\"id\":8}\n").unwrap();
    let report = collect(&engine, &lines).await;
    assert_eq!((counts(&report), report.counts.withdrawn), ([1, 0, 3, 0], 0), "{report:?}");
}

#[tokio::test]
async fn an_inbox_is_taken_once_and_put_away() {
    let (engine, folder) = (engine().await, tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name);
    for (name, text, seconds_ago) in [
        ("a.jsonl", "{\"id\":1}\n", 60),
        ("half.jsonl", "{\"id\":9}\nno\n", 60),
        ("bad.jsonl", "no\n", 60),
        ("late.jsonl", "{\"id\":2}\n", 4),
        (".c.jsonl", "{\"id\":3}\n", 60),
    ] {
        fs::write(path(name), text).unwrap();
        date(&path(name), seconds_ago);
    }
    let feed = folder_feed(&engine, folder.path(), &["each=line", "inbox=true"]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), counts(&report)), ("ok", [2, 0, 0, 2]), "{report:?}");
    assert!(report.warnings.iter().any(|warning| warning.starts_with("inbox.not_quiet")), "{report:?}");
    let there = |names: &[&str]| names.iter().map(|name| path(name).exists()).collect::<Vec<_>>();
    assert_eq!(there(&["a.jsonl", "done/a.jsonl", "bad.jsonl", "failed/bad.jsonl"]), [false, true, false, true]);
    assert_eq!(there(&["half.jsonl", "failed/half.jsonl"]), [false, true], "what could be read of it is stored");
    assert_eq!(there(&["late.jsonl", ".c.jsonl"]), [true, true]);

    // Of one name again, now that the other has been left alone for long enough.
    date(&path("late.jsonl"), 5);
    fs::write(path("a.jsonl"), "{\"id\":1}\n").unwrap();
    date(&path("a.jsonl"), 60);
    let report = collect(&engine, &feed).await;
    assert_eq!(counts(&report), [1, 0, 1, 0], "{report:?}");
    assert_eq!(there(&["done/a.jsonl", "done/a.jsonl.2", "done/late.jsonl"]), [true, true, true]);
    assert_eq!(collect(&engine, &feed).await.outcome, FetchStatus::Unchanged);
    // What is put away has not left.
    assert_eq!(report.counts.withdrawn + report.counts.scrolled_off, 0);
}

#[tokio::test]
async fn a_file_that_could_not_be_put_away_is_taken_again_and_doubles_nothing() {
    let (engine, folder) = (engine().await, tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name);
    fs::write(path("a.jsonl"), "{\"id\":1}\n{\"id\":2}\n").unwrap();
    // As after a crash between the commit and the move: the file is stored, and where it was.
    fs::write(path("done"), "in the way").unwrap();
    let feed = folder_feed(&engine, folder.path(), &["each=line", "inbox=true", "quiet_s=0", "match=*.jsonl"]).await;
    for expected in [[2, 0, 0, 0], [0, 0, 2, 0]] {
        let report = collect(&engine, &feed).await;
        assert_eq!((code(&report), counts(&report)), ("ok", expected), "{report:?}");
        assert!(report.warnings[0].starts_with("inbox.not_moved: a.jsonl is stored"), "{report:?}");
    }
    fs::remove_file(path("done")).unwrap();
    assert_eq!(counts(&collect(&engine, &feed).await), [0, 0, 2, 0]);
    assert!(path("done/a.jsonl").exists());
}

#[tokio::test]
async fn a_folder_that_is_gone_tells_nothing_of_its_files() {
    let (engine, folder) = (engine().await, tempfile::tempdir().unwrap());
    let inner = folder.path().join("in");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("a"), "x").unwrap();
    let feed = folder_feed(&engine, &inner, &[]).await;
    collect(&engine, &feed).await;
    fs::rename(&inner, folder.path().join("away")).unwrap();
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), report.counts.scrolled_off), ("files.folder", 0));
    for (address, expected) in [("none", "files.folder"), ("away/a", "files.folder")] {
        let adapter = AdapterChoice::new(Some("files"), []).unwrap();
        let address = folder.path().join(address).to_str().unwrap().to_owned();
        let refused = engine.add(AddFeed { adapter, ..AddFeed::new(address) }).await.unwrap_err();
        assert_eq!(refused.code(), expected);
    }
}

#[tokio::test]
async fn files_of_a_folder_that_cannot_be_read_are_not_said_to_have_left() {
    let (engine, folder, other) = (engine().await, tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = |name: &str| folder.path().join(name);
    fs::write(path("a.txt"), "x").unwrap();
    fs::write(other.path().join("b.txt"), "x").unwrap();
    symlink(other.path(), path("sub")).unwrap();
    for pattern in ["match=**/*.txt", "match=**/*"] {
        let feed = folder_feed(&engine, folder.path(), &["links=follow", pattern]).await;
        assert_eq!(counts(&collect(&engine, &feed).await), [2, 0, 0, 0]);
        // A link to itself cannot be read by anybody.
        fs::remove_file(path("sub")).unwrap();
        symlink(path("sub"), path("sub")).unwrap();
        let report = collect(&engine, &feed).await;
        assert_eq!((counts(&report), report.counts.scrolled_off), ([0, 0, 1, 1], 0), "{report:?}");
        assert!(reasons(&engine, &feed).await[0].1.starts_with("sub: it cannot be read"));
        fs::remove_file(path("sub")).unwrap();
        symlink(other.path(), path("sub")).unwrap();
        engine.remove(&feed.name).await.unwrap();
    }
}

#[tokio::test]
async fn ten_thousand_files_are_a_feed() {
    let (engine, folder) = (engine().await, tempfile::tempdir().unwrap());
    for number in 0..10_000 {
        fs::write(folder.path().join(format!("{number:05}.txt")), number.to_string()).unwrap();
    }
    let feed = folder_feed(&engine, folder.path(), &[]).await;
    assert_eq!(counts(&collect(&engine, &feed).await), [10_000, 0, 0, 0]);
    fs::remove_file(folder.path().join("00007.txt")).unwrap();
    fs::write(folder.path().join("00008.txt"), "other").unwrap();
    let report = collect(&engine, &feed).await;
    assert_eq!((counts(&report), report.counts.withdrawn + report.counts.scrolled_off), ([0, 1, 9_998, 0], 1));
}
