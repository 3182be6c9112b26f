//! `feedspine rejects` and `feedspine rejects retry`, through the real binary.

use feedspine::core::Json;

use crate::site::{Reply, Site};
use crate::stories::lines_that_pass_later;
use crate::support::{User, at, list, members, number, text};

/// Two items, the second without what the key is made of.
fn api() -> Site {
    Site::start(|_| Reply::ok(r#"[{"id": "1", "slug": "one"}, {"slug": "two"}]"#))
}

/// A user with a feed of that site that was collected once.
fn reader(site: &Site, more: &[&str]) -> User {
    collected(User::new(), site, more)
}

fn collected(user: User, site: &Site, more: &[&str]) -> User {
    let words = ["add", &site.url("/items"), "--name", "api", "--allow-private", "--adapter", "json", "-o", "key=id"];
    let ran = user.run(&words);
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = user.run(&[&["collect", "--json"], more].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(number(&ran.json(), "counts.rejected"), 1);
    user
}

#[test]
fn what_is_still_no_item_is_told_with_todays_reason_and_changes_nothing() {
    let site = api();
    let user = reader(&site, &[]);
    let retried = user.ask(&["rejects", "retry"]);
    assert_eq!(members(&retried), "counts items");
    assert_eq!(
        members(at(&retried, "items.0")),
        "code excerpt feed fetch key namespace now ordinal outcome reason recorded_at"
    );
    assert_eq!(members(at(&retried, "items.0.now")), "hint key reason");
    assert_eq!((text(&retried, "items.0.outcome"), number(&retried, "items.0.ordinal")), ("rejected", 1));
    assert_eq!(number(&retried, "counts.rejected"), 1);
    let ran = user.run(&["rejects", "retry", "api", "--code", "key"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("key.missing: the item has no id"), "{ran:?}");
    assert!(ran.stderr.contains("0 of 1 reject stored"), "{ran:?}");
    assert_eq!(number(&user.ask(&["feed", "show", "api"]), "ledger.observations"), 1);
    assert_eq!(list(&user.ask(&["rejects", "api"]), "items").len(), 1);
    assert_eq!(user.run(&["rejects", "retry", "nobody"]).code, 5);
    let none = user.run(&["rejects", "retry", "--code", "field"]);
    assert_eq!((none.code, none.stdout.as_str()), (0, ""), "{none:?}");
    assert!(none.stderr.contains("nothing was rejected"), "{none:?}");
}

#[test]
fn without_the_bodies_the_next_step_is_told() {
    let site = api();
    let user = User::new();
    user.file(".config/feedspine/config.toml", "[captures]\nkeep = \"none\"\n");
    let user = collected(user, &site, &[]);
    let ran = user.run(&["rejects", "retry"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("no_body"), "{ran:?}");
    assert!(ran.stderr.contains("hint: `feedspine collect api` reads what is there now"), "{ran:?}");
}

#[test]
fn nothing_is_kept_where_the_configuration_says_so() {
    let user = User::new();
    let site = api();
    user.file(".config/feedspine/config.toml", "[captures]\nkeep = \"none\"\n");
    user.run(&["add", &site.url("/"), "--name", "api", "--allow-private", "--adapter", "json", "-o", "key=id"]);
    assert_eq!(number(&user.ask(&["collect"]), "counts.rejected"), 1);
    assert_eq!(number(&user.ask(&["captures"]), "bodies"), 0);
    let setting = user.ask(&["config", "show"]);
    let kept = |item: &&Json| text(item, "key") == "captures.keep";
    assert_eq!(text(list(&setting, "items").iter().find(kept).unwrap(), "value"), "none");
    assert_eq!(text(&user.ask(&["rejects", "retry"]), "items.0.outcome"), "no_body");
}

#[test]
fn lines_that_were_handed_over_pass_later_and_else_are_to_be_handed_over_again() {
    lines_that_pass_later(&User::new());
    let user = User::new();
    user.file(".config/feedspine/config.toml", "[captures]\nkeep = \"none\"\n");
    user.run(&["add", "push:orders", "-o", "key=number"]);
    let lines = user.file("lines.jsonl", "{\"number\": 1}\n{\"n\": 2}\n");
    assert_eq!(user.run(&["ingest", "orders", lines.to_str().unwrap()]).code, 0);
    let ran = user.run(&["rejects", "retry"]);
    assert!(ran.stderr.contains("`feedspine ingest orders FILE`"), "{ran:?}");
}
