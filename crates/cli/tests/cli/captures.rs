//! `feedspine captures`, through the real binary: what is kept of fetches, written, forgotten, taken over and along.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use feedspine::core::Json;

use crate::site::{Reply, Site};
use crate::support::{User, at, list, members, number, rss, text};

/// What the site serves at its n-th answer.
fn document(number: u64) -> String {
    let titles: Vec<String> = (0..30).map(|place| format!("an item that stays as it is, the {place}th")).collect();
    let mut items: Vec<(&str, &str)> = titles.iter().map(|title| (title.as_str(), title.as_str())).collect();
    let newest = format!("new at answer {number}");
    items[0] = (&newest, &newest);
    rss(&items)
}

fn site() -> Site {
    let answers = Arc::new(AtomicU64::new(0));
    Site::start(move |_| {
        let number = answers.fetch_add(1, Ordering::SeqCst);
        let reply = Reply::ok(document(number)).with("content-type", "application/rss+xml");
        reply.with("set-cookie", "who=secret").with("etag", format!("\"{number}\""))
    })
}

/// A user with a feed that was collected so often, each time with other bytes.
fn reader(site: &Site, times: usize) -> User {
    let user = User::new();
    user.add("news", &site.url("/feed"));
    for _ in 0..times {
        let ran = user.run(&["collect"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    user
}

fn fetches(user: &User) -> Vec<String> {
    let listed = user.ask(&["captures", "news"]);
    list(&listed, "captures").iter().map(|capture| text(capture, "fetch").to_owned()).collect()
}

#[test]
fn every_document_is_listed_and_written_as_it_was_received() {
    let site = site();
    let user = reader(&site, 3);
    let listed = user.ask(&["captures", "news"]);
    assert_eq!(
        members(at(&listed, "captures.0")),
        "body bytes content_type fetch first_ordinal headers http_status last_ordinal observed_at packed_bytes url"
    );
    assert_eq!(number(&listed, "total"), 3);
    assert_eq!(
        at(&listed, "captures.0.headers").to_string(),
        r#"[["content-type","application/rss+xml"],["etag","\"2\""]]"#
    );
    for (fetch, number) in fetches(&user).iter().zip([2, 1, 0]) {
        let ran = user.run(&["captures", "show", "news", fetch]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, document(number).as_str()), "{fetch}");
    }
    // What the ledger says of each fetch names its body.
    let runs = user.ask(&["runs"]);
    assert_eq!(text(&runs, "runs.0.captured.body"), text(&listed, "captures.0.body"));
    assert!(user.run(&["runs"]).stdout.contains(&text(&listed, "captures.0.body")[..12]));

    // They differ in one item: the later ones take little.
    let overview = user.ask(&["captures"]);
    assert_eq!((number(&overview, "feeds.0.captures"), text(&overview, "feeds.0.keep")), (3, "all"));
    let (first, later) = (number(&listed, "captures.2.packed_bytes"), number(&listed, "captures.1.packed_bytes"));
    assert!(later < first / 2, "{first} and then {later}");
    let ran = user.run(&["captures"]);
    assert!(ran.stdout.contains("news") && ran.stdout.contains("3 bodies in all"), "{ran:?}");
    assert!(user.run(&["captures", "news", "-n", "1"]).stderr.contains("2 captures before these"));
}

#[test]
fn what_is_not_kept_is_told_with_the_next_step() {
    let site = site();
    let user = reader(&site, 1);
    let unknown = "00000000-0000-0000-0000-000000000001";
    let ran = user.run(&["captures", "show", "news", unknown]);
    assert_eq!(ran.code, 5, "{ran:?}");
    assert!(ran.stderr.contains("hint: `feedspine captures news` lists what is kept"), "{ran:?}");
    assert_eq!(user.run(&["captures", "nobody"]).code, 5);
    assert_eq!(user.run(&["captures", "show", "news", "x"]).code, 2);
}

#[test]
fn what_the_configuration_does_not_keep_is_forgotten_the_oldest_first() {
    let site = site();
    let user = reader(&site, 4);
    let all = fetches(&user);
    let ran = user.run(&["captures", "prune"]);
    assert!(ran.code == 0 && ran.stderr.contains("nothing goes"), "{ran:?}");

    let keep = format!("{}B", number(&user.ask(&["captures"]), "feeds.0.packed_bytes") - 1);
    user.file(".config/feedspine/config.toml", format!("[feeds.news]\nkeep = \"{keep}\"\n"));
    assert_eq!(text(&user.ask(&["captures"]), "feeds.0.keep"), keep);
    let told = user.ask(&["captures", "prune", "--dry-run"]);
    assert_eq!(members(&told), "bodies captures dry_run feeds packed_bytes");
    let goes = number(&told, "captures");
    assert!(goes == 1 && *at(&told, "dry_run") == Json::Bool(true), "{told}");
    assert_eq!(fetches(&user), all);

    let went = user.ask(&["captures", "prune"]);
    assert_eq!((number(&went, "captures"), text(&went, "feeds.0.feed")), (goes, "news"));
    let left = fetches(&user);
    assert_eq!(left, all[..3]);
    for (fetch, number) in left.iter().zip([3, 2, 1]) {
        assert_eq!(user.run(&["captures", "show", "news", fetch]).stdout, document(number));
    }
    assert_eq!(number(&user.ask(&["captures", "prune", "news", "--older-than", "1"]), "captures"), 0);
}

#[test]
fn a_key_that_was_replaced_is_told_with_what_it_is_now() {
    let user = User::new();
    user.file(".config/feedspine/config.toml", "[rejects]\nkeep_mib = 64\n");
    let ran = user.run(&["status"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("it is captures.keep now") && ran.stderr.contains("keep = \"64MiB\""), "{ran:?}");
    let user = User::new();
    let output = user.command(&["status"]).env("FEEDSPINE_REJECTS_KEEP_MIB", "0").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let output = user.command(&["status"]).env("FEEDSPINE_FETCH_NETWORKS", "10.1.0.0/16").output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && told.contains("it is fetch.allow now"), "{output:?}");
    user.file(".config/feedspine/config.toml", "[fetch]\nnetworks = [\"10.1.0.0/16\"]\n");
    let ran = user.run(&["status"]);
    assert!(ran.code == 2 && ran.stderr.contains("it is fetch.allow now"), "{ran:?}");
    user.file(".config/feedspine/config.toml", "[captures]\nkeep = \"64 MB\"\n");
    let ran = user.run(&["status"]);
    assert!(ran.code == 2 && ran.stderr.contains("64MiB"), "{ran:?}");
}

/// A line of JSON, and `kept before` as a gzip file: as programs before this one kept a body.
const FORMER: &[u8] = b"{\"bytes\":11,\"content_type\":null,\"first_ordinal\":0,\"last_ordinal\":3,\
    \"observed_at\":\"2026-02-01T00:00:00Z\",\"url\":null}\n\x1f\x8b\x08\0\0\0\0\0\x02\xff\xcb\x4e\x2d\x28\x51\x48\x4a\
    \x4d\xcb\x2f\x4a\x05\0\x8a\xf6\x41\x51\x0b\0\0\0";

#[test]
fn what_an_earlier_feedspine_kept_beside_the_store_is_taken_over() {
    let site = site();
    let user = reader(&site, 1);
    let feed = text(&user.ask(&["feed", "show", "news"]), "feed.id").to_owned();
    let fetch = "019bfc00-0000-7000-8000-000000000001";
    let folder = format!(".local/share/feedspine/feedspine.db.bodies/{feed}");
    let file = user.file(&format!("{folder}/{fetch}-0000000000.body"), FORMER);
    let ran = user.run(&["captures", "show", "news", fetch]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "kept before"), "{ran:?}");
    assert!(ran.stderr.contains("took 1 body of earlier fetches"), "{ran:?}");
    assert!(!file.exists() && !user.home().join(".local/share/feedspine/feedspine.db.bodies").exists());
    assert_eq!(fetches(&user).len(), 2);

    let damaged = user.file(&format!("{folder}/{fetch}-0000000007.body"), &FORMER[..50]);
    let ran = user.run(&["captures", "news"]);
    assert!(ran.code == 0 && ran.stderr.contains(&format!("{} is damaged", damaged.display())), "{ran:?}");
    assert!(damaged.exists());
    fs::remove_file(damaged).unwrap();
    assert_eq!(user.run(&["captures", "news"]).stderr, "");
}

#[test]
fn a_copy_takes_captures_along_and_an_export_says_that_it_does_not() {
    let site = site();
    let user = reader(&site, 2);
    let ran = user.run(&["export", "all.jsonl"]);
    assert!(ran.code == 0 && ran.stderr.contains("2 captures left out"), "{ran:?}");
    let from = format!("sqlite:{}", user.home().join(".local/share/feedspine/feedspine.db").display());
    for _ in 0..2 {
        let ran = user.run(&["db", "copy", &from, "sqlite:copy.db"]);
        assert!(ran.code == 0 && ran.stderr.contains("copied too: 2 captures"), "{ran:?}");
    }
    for (fetch, number) in fetches(&user).iter().zip([1, 0]) {
        let ran = user.run(&["captures", "show", "news", fetch, "--db", "sqlite:copy.db"]);
        assert_eq!(ran.stdout, document(number), "{ran:?}");
    }
    assert_eq!(user.ask(&["captures", "--db", "sqlite:copy.db"]).to_string(), user.ask(&["captures"]).to_string());
}

#[test]
fn a_document_that_cannot_be_read_is_kept_as_evidence() {
    let site = Site::start(|_| Reply::ok("<html><body>The server is being looked after</body></html>"));
    let user = User::new();
    user.add("news", &site.url("/feed"));
    assert_eq!(user.run(&["collect"]).code, 3);
    let kept = fetches(&user);
    assert_eq!(kept.len(), 1);
    let ran = user.run(&["captures", "show", "news", &kept[0]]);
    assert!(ran.stdout.contains("being looked after"), "{ran:?}");
}
