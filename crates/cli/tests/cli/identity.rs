//! What tells a feed's items apart: shown with its evidence, said in the configuration, on `add` and by `feed set`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use feedspine::core::Json;

use crate::site::{Reply, Site};
use crate::stories::{document, other_keys};
use crate::support::{User, at, list, members, number, text};

/// A site that moved to https after it was asked once.
fn moved() -> Site {
    let turn = Arc::new(AtomicUsize::new(0));
    Site::start(move |_| Reply::ok(document(if turn.fetch_add(1, Ordering::SeqCst) == 0 { "http" } else { "https" })))
}

#[test]
fn unstable_ids_are_told_by_collect_by_feed_show_and_by_show() {
    let (site, user) = (moved(), User::new());
    user.add("news", &site.url("/news.xml"));
    user.ask(&["collect"]);
    let shown = user.run(&["feed", "show", "news"]).stdout;
    assert!(shown.contains("key rule    id, learned 2") && shown.contains(" from 2 items"), "{shown}");
    assert!(shown.contains("last items  2 items, all told apart") && !shown.contains("degraded"), "{shown}");
    let report = user.ask(&["collect"]);
    assert!(text(&report, "feeds.0.warnings.0").starts_with("feed.unstable_keys: 2 of 2 items"), "{report}");
    let shown = user.run(&["feed", "show", "news"]).stdout;
    assert!(shown.contains("degraded    keys are unstable in 1 document since"), "{shown}");
    let policy = user.ask(&["feed", "show", "news"]);
    let policy = at(&policy, "policy");
    assert_eq!(members(policy), "configured_otherwise degraded last learned options origin rule");
    assert_eq!((text(policy, "rule"), text(policy, "origin")), ("id", "learned"));
    assert_eq!(members(at(policy, "learned")), "at fits items rule");
    assert_eq!(members(at(policy, "last")), "at clashing compared items missing rule unstable");
    assert_eq!(number(policy, "degraded.last.unstable"), 2);

    let record = user.ask(&["show", "http://a.example/2026/tides"]);
    assert_eq!(members(at(&record, "aliases.items.0")), "id key namespace reasons score words");
    assert_eq!(text(&record, "aliases.items.0.key"), "https://a.example/2026/tides");
    assert_eq!(number(&record, "aliases.items.0.score"), 95);
    let told = user.run(&["show", "http://a.example/2026/tides"]).stdout;
    let expected = "alias       https://a.example/2026/tides  95 %: the same address but for scheme, the same title, the same date";
    assert!(told.contains(expected), "{told}");
    assert_eq!(list(&user.ask(&["list"]), "items").len(), 4, "nothing is merged");
}

#[test]
fn feed_set_says_what_other_keys_would_do_and_does_it_only_when_told_to() {
    other_keys(&User::new());
}

#[test]
fn the_configuration_says_what_tells_the_items_of_a_feed_apart() {
    let site = Site::start(|_| Reply::ok(document("http").replace("<guid>", "<guid>ID-")));
    let user = User::new();
    let config = |text: &str| drop(user.file(".config/feedspine/config.toml", text));
    config(
        "[feeds.news]\nkey = [\"title\", \"id\"]\nfold_case = true\nnamespace = \"shared\"\nvolatile = [\"comments\"]\n",
    );
    let settings = user.ask(&["config", "show"]);
    let of_feed = |setting: &&Json| text(setting, "key").starts_with("feeds.news.");
    let said: Vec<&Json> = list(&settings, "items").iter().filter(of_feed).collect();
    assert_eq!(said.len(), 4, "{settings}");
    assert_eq!(at(said[0], "env"), &Json::Null);
    user.add("news", &site.url("/news.xml"));
    assert_eq!(at(&user.ask(&["collect"]), "feeds.0.warnings"), &Json::Array(Vec::new()));
    let records = user.ask(&["list", "--order", "key", "--where", "namespace=shared"]);
    assert_eq!(text(&records, "items.0.key"), r#"["about moons","id-http://a.example/2026/moons"]"#);

    config("[feeds.news]\nkey = \"link\"\n");
    let report = user.ask(&["collect"]);
    let warning = text(&report, "feeds.0.warnings.0");
    assert!(
        warning.contains("key is title, id, configured is link") && warning.contains("--as-configured"),
        "{warning}"
    );
    assert_eq!(list(&user.ask(&["list"]), "items").len(), 2, "an edit of the file re-keys nothing");
    let shown = user.run(&["feed", "show", "news"]).stdout;
    assert!(shown.contains("configured  key is title, id, configured is link"), "{shown}");
    assert_eq!(user.run(&["feed", "set", "news", "--as-configured"]).code, 2);
    let set = user.ask(&["feed", "set", "news", "--as-configured", "--rekey"]);
    assert_eq!(text(&set, "outcome"), "rekeyed");
    assert_eq!(number(&user.ask(&["collect"]), "counts.new"), 2);

    config("[feeds.news]\nkey = 3\n");
    let ran = user.run(&["feed", "list"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("feeds.\"news\"") && ran.stderr.contains("hint: "), "{ran:?}");
}
