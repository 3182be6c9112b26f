//! Where somebody new may stumble: what is told then, and how it ends.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::process::Stdio;

use feedspine::core::Json;

use crate::site::{Reply, Site};
use crate::support::{Ran, User, at, list, members, number, rss, text};

/// Checks the exit code and what is told.
fn refused(ran: &Ran, code: i32, parts: &[&str]) {
    assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{ran:?}");
    for part in parts {
        assert!(ran.stderr.contains(part), "{part}: {ran:?}");
    }
}

#[test]
fn json_that_is_no_feed_is_added_by_nobody_and_says_how_it_is_read() {
    let user = User::new();
    let site = Site::start(|asked| match asked.path.as_str() {
        "/list" => Reply::ok(r#"[{"id": 1}]"#).with("Content-Type", "application/json"),
        "/object" => Reply::ok(r#"{"data": [{"id": 1}]}"#),
        // What would be guessed of a page.
        _ => Reply::ok(rss(&[("a", "One")])),
    });
    for path in ["/list", "/object"] {
        let ran = user.run(&["add", &site.url(path), "--allow-private"]);
        refused(&ran, 1, &["JSON, but no feed", "hint: `--adapter json`"]);
    }
    assert!(list(&user.ask(&["feed", "list"]), "items").is_empty());
}

#[test]
fn a_path_that_leads_nowhere_is_told_as_a_path_and_a_host_as_a_host() {
    let user = User::new();
    refused(&user.run(&["add", "nope"]), 5, &["there is no file", "hint: check the path;"]);
    refused(&user.run(&["add", "example.org/feed"]), 5, &["say https://example.org/feed"]);
    refused(&user.run(&["add", "feed.xml"]), 5, &["hint: check the path;"]);
    refused(&user.run(&["add", "push:a b"]), 2, &["say push:NAME"]);
    refused(&user.run(&["add", "command:"]), 2, &["say 'command:PROGRAM ARGUMENTS'"]);
    user.file("empty.opml", " ");
    user.file("page.html", "<!doctype html><html><p>Hello</html>");
    for file in ["empty.opml", "page.html"] {
        let ran = user.run(&["opml", "import", file]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(!ran.stderr.contains("server") && !ran.stderr.contains("<link"), "{ran:?}");
        assert!(ran.stderr.contains("OPML"), "{ran:?}");
    }
    let ran = user.run(&["diagnose", "page.html"]);
    assert!(!ran.stderr.contains("<link") && ran.stderr.contains("hint: give the path of a feed document"), "{ran:?}");
}

#[test]
fn a_missing_file_is_no_such_thing_whatever_it_was_for() {
    let user = User::new();
    assert_eq!(user.run(&["add", "push:orders"]).code, 0);
    for words in [
        &["add", "none.xml"][..],
        &["add", "none", "--adapter", "files"],
        &["diagnose", "none.xml"],
        &["ingest", "orders", "none.jsonl"],
        &["opml", "import", "none.opml"],
        &["import", "none.jsonl"],
        &["db", "restore", "none.backup"],
        &["status", "--config", "none.toml"],
        &["list", "--db", "sqlite:none.db"],
    ] {
        let ran = user.run(words);
        refused(&ran, 5, &["error: ", "none", "\nhint: "]);
    }
}

#[test]
fn a_store_of_a_newer_feedspine_ends_every_command_alike() {
    const USER_VERSION: u64 = 60;
    let user = User::new();
    assert_eq!(user.run(&["add", "https://example.org/feed", "--db", "sqlite:x.db"]).code, 0);
    let file = fs::OpenOptions::new().write(true).open(user.home().join("x.db")).unwrap();
    file.write_all_at(&999_u32.to_be_bytes(), USER_VERSION).unwrap();
    for words in [&["list"][..], &["status"], &["collect"], &["db", "migrate"], &["db", "verify"], &["export"]] {
        let ran = user.run(&[words, &["--db", "sqlite:x.db"]].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{words:?}: {ran:?}");
        assert!(ran.stderr.contains("999") && ran.stderr.contains("newer feedspine"), "{words:?}: {ran:?}");
    }
}

#[test]
fn a_folder_is_no_store_and_a_file_in_it_is_proposed() {
    let user = User::new();
    fs::create_dir(user.home().join("data")).unwrap();
    for words in [&["status"][..], &["add", "https://example.org/feed"], &["db", "info"]] {
        let ran = user.run(&[words, &["--db", "sqlite:data"]].concat());
        refused(&ran, 2, &["data is a folder", "sqlite:data/feedspine.db"]);
    }
}

#[test]
fn an_import_from_stdin_speaks_of_stdin() {
    let user = User::new();
    for words in [&["import"][..], &["import", "-"]] {
        let ran = user.run(words);
        refused(&ran, 2, &["what stands on stdin was not written by `feedspine export`"]);
        assert!(!ran.stderr.contains("feedspine-import-"), "{ran:?}");
    }
}

#[test]
fn a_private_address_is_refused_before_it_is_a_feed() {
    let user = User::new();
    let ran = user.run(&["add", "http://127.0.0.1:1/feed.xml"]);
    refused(&ran, 1, &["127.0.0.1 is a private address", "--allow-private"]);
    assert!(list(&user.ask(&["feed", "list"]), "items").is_empty());
}

#[test]
fn secrets_in_addresses_are_not_shown() {
    let user = User::new();
    let url = "https://example.org/feed.xml?token=s3cret&page=1";
    for words in [
        &["add", url, "--as-is"][..],
        &["add", "command:tap --api-key s3cret --all", "--name", "tap"],
        &["feed", "list"],
        &["feed", "show", "example.org"],
        &["feed", "show", "tap"],
        &["status"],
    ] {
        for json in [&[][..], &["--json"]] {
            let ran = user.run(&[words, json].concat());
            assert_eq!(ran.code, 0, "{ran:?}");
            assert!(!ran.stdout.contains("s3cret") && !ran.stderr.contains("s3cret"), "{words:?}: {ran:?}");
        }
    }
    let shown = user.run(&["feed", "list"]).stdout;
    assert!(shown.contains("?token=***&page=1") && shown.contains("--api-key *** --all"), "{shown}");
    // Other readers need the address as it is.
    assert!(user.run(&["opml", "export"]).stdout.contains("token=s3cret"));
}

#[test]
fn secrets_in_addresses_are_not_shown_of_what_went_wrong_either() {
    let user = User::new();
    let site = Site::start(|asked| match asked.path.as_str() {
        path if path.starts_with("/moved") => {
            Reply { status: 302, ..Reply::ok("") }.with("Location", "/feed?accessToken=s3cret")
        }
        path if path.starts_with("/feed") => Reply::ok(rss(&[("a", "One")])),
        path if path.starts_with("/page") => Reply::ok("<p>nothing here"),
        _ => Reply::status(404),
    });
    let address = |path: &str| site.url(&format!("{path}?token=s3cret&page=1"));
    for (name, path) in [("gone", "/gone"), ("page", "/page"), ("moved", "/moved")] {
        let words = ["add", &address(path), "--name", name, "--as-is", "--allow-private"];
        assert_eq!(user.run(&words).code, 0);
    }
    let (gone, page, moved) = (address("/gone"), address("/page"), address("/moved"));
    for words in [
        &["collect"][..],
        &["feed", "show", "gone"],
        &["feed", "show", "page"],
        &["status"],
        &["diagnose", &gone, "--allow-private"],
        &["diagnose", &page, "--allow-private"],
        &["diagnose", &moved, "--allow-private"],
        &["diagnose", &gone, "--allow-private", "--adapter", "json"],
        &["add", &address("/none"), "--allow-private"],
        &["add", "https://example.org:99/f?token=s3cret", "--as-is"],
    ] {
        for more in [&[][..], &["--json"], &["-v"]] {
            let ran = user.run(&[words, more].concat());
            assert!(!ran.stdout.contains("s3cret") && !ran.stderr.contains("s3cret"), "{words:?}: {ran:?}");
        }
    }
    let shown = user.run(&["diagnose", &moved, "--allow-private"]).stdout;
    assert!(shown.contains("/moved?token=***&page=1") && shown.contains("/feed?accessToken=***"), "{shown}");
    let shown = user.ask(&["feed", "show", "gone"]);
    assert!(text(&shown, "fetches.0.detail.reason").contains("?token=***&page=1 answered 404"), "{shown}");
}

/// A user whose feed was collected twice; then `c` was withdrawn.
fn reader(second: &'static [(&'static str, &'static str)]) -> User {
    let user = User::new();
    let turn = std::sync::atomic::AtomicUsize::new(0);
    let site = Site::start(move |_| match turn.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => Reply::ok(rss(&[("d", "Four"), ("c", "Three"), ("b", "Two"), ("a", "One")])),
        _ => Reply::ok(rss(second)),
    });
    user.add("news", &site.url("/news.xml"));
    user.ask(&["collect"]);
    user
}

#[test]
fn a_withdrawal_is_told_wherever_the_record_is_shown() {
    let user = reader(&[("e", "Five"), ("d", "Four"), ("b", "Two"), ("a", "One")]);
    let ran = user.run(&["collect"]);
    assert!(ran.stdout.lines().next().unwrap().contains("scrolled_off"), "{ran:?}");
    for command in ["show", "history", "sightings"] {
        let told = user.run(&[command, "c"]);
        assert!(told.stdout.contains("withdrawn from news, "), "{told:?}");
        let json = user.ask(&[command, "c"]);
        assert_eq!(members(at(&json, "departures.0")), "feed fetch kind recorded_at witness");
        assert_eq!((text(&json, "departures.0.kind"), text(&json, "departures.0.feed")), ("withdrawn", "news"));
        assert!(list(&user.ask(&[command, "a"]), "departures").is_empty());
    }
}

#[test]
fn a_gap_is_told_in_words() {
    let user = reader(&[("z", "Other"), ("y", "Else")]);
    let ran = user.run(&["collect"]);
    assert!(ran.stderr.contains("warning: news: gap: the document shares no item"), "{ran:?}");
}

#[test]
fn what_was_left_for_the_next_time_is_told_without_asking() {
    let user = User::new();
    user.file("inbox/a.json", "{}");
    let inbox = user.home().join("inbox");
    let words = ["add", inbox.to_str().unwrap(), "--adapter", "files", "-o", "inbox=true", "-o", "quiet_s=3600"];
    assert_eq!(user.run(&words).code, 0);
    let ran = user.run(&["collect"]);
    assert!(ran.stderr.contains("inbox.not_quiet"), "{ran:?}");
}

#[test]
fn diagnose_reads_as_the_feed_does_or_as_it_is_told() {
    let user = User::new();
    let site = Site::start(|asked| match asked.path.as_str() {
        "/rss" => Reply::ok(rss(&[("a", "Same"), ("b", "same")])),
        _ => Reply::ok(r#"{"data": [{"id": 1, "slug": "one"}, {"id": 2}]}"#),
    });
    let (rss, api) = (site.url("/rss"), site.url("/api"));
    let as_told = ["diagnose", &api, "--allow-private", "--adapter", "json", "-o", "items=data", "-o", "key=slug"];
    let told = user.ask(&as_told);
    assert_eq!(members(at(&told, "page")), "adapter body_bytes http_status more warnings wire_bytes");
    assert_eq!((text(&told, "items.0.key"), text(&told, "items.1.code")), ("one", "key.missing"));
    assert_eq!((number(&told, "would_store.new"), number(&told, "would_store.rejected")), (1, 1));
    user.run(&["add", &api, "--name", "api", "--allow-private", "--adapter", "json", "-o", "items=data"]);
    user.ask(&["collect"]);
    let told = user.ask(&["diagnose", &api]);
    assert_eq!((text(&told, "feed"), number(&told, "would_store.unchanged")), ("api", 2));
    assert!(user.run(&["diagnose", &api]).stdout.contains("read by"));
    let add = ["add", &rss, "--name", "rss", "--allow-private", "--as-is", "-o", "key=title", "-o", "fold_case=true"];
    assert_eq!(user.run(&add).code, 0);
    let told = user.ask(&["diagnose", &rss]);
    // Which of the two stands does not hang on their order; the other one collides with it.
    let outcomes = ["items.0.outcome", "items.1.outcome"].map(|item| text(&told, item));
    assert!(outcomes == ["new", "rejected"] || outcomes == ["rejected", "new"], "{told}");
    assert_eq!((text(&told, "items.0.key"), number(&told, "would_store.rejected")), ("same", 1));
    let ran = user.run(&["diagnose", &rss, "--adapter", "jsn"]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn an_ingest_that_is_interrupted_answers_json_as_well() {
    let user = User::new();
    assert_eq!(user.run(&["add", "push:orders"]).code, 0);
    let mut command = user.command(&["ingest", "orders", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"{\"id\": \"1\"}\n{\"id\": \"2\"}\n").unwrap();
    let wait_for = |count| {
        while number(&user.ask(&["feed", "show", "orders"]), "ledger.counts.new") < count {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    };
    wait_for(2);
    // Whoever has stored the third has reported the second.
    stdin.write_all(b"{\"id\": \"3\"}\n").unwrap();
    wait_for(3);
    let signal = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signal.success());
    let ran = Ran::of(&child.wait_with_output().unwrap());
    drop(stdin);
    assert_eq!(ran.code, 130, "{ran:?}");
    let answer = ran.json();
    assert_eq!(members(&answer), "counts feed interrupted lines");
    let lines = number(&answer, "lines");
    assert!([2, 3].contains(&lines) && number(&answer, "counts.new") == lines, "{answer}");
    assert_eq!(at(&answer, "interrupted"), &Json::from(true));
}
