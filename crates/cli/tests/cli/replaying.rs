//! `feedspine replay`, through the real binary.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::site::{Reply, Site};
use crate::support::{User, at, list, members, number, text};

/// A user with a feed that was collected twice while its counter was no news, and is news now.
pub(crate) fn reader() -> (Site, User) {
    let turn = AtomicUsize::new(1);
    let site = Site::start(move |_| {
        let count = turn.fetch_add(1, Ordering::SeqCst).min(2);
        Reply::ok(format!(r#"[{{"id": "1", "title": "One", "n": {count}}}, {{"id": "2", "title": "Two"}}]"#))
    });
    let user = User::new();
    let words = ["add", &site.url("/items"), "--name", "api", "--allow-private", "--adapter", "json"];
    let ran = user.run(&[&words[..], &["-o", "key=id", "-o", "volatile=n"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(number(&user.ask(&["collect"]), "counts.new"), 2);
    assert_eq!(number(&user.ask(&["collect"]), "counts.changed"), 0);
    assert_eq!(user.run(&["feed", "set", "api", "volatile="]).code, 0);
    (site, user)
}

#[test]
fn a_difference_is_shown_then_stored_told_of_by_history_and_gone_with_the_next_replay() {
    let (_site, user) = reader();
    let shown = user.run(&["replay"]);
    assert_eq!(shown.code, 0, "{shown:?}");
    let lines: Vec<&str> = shown.stdout.lines().map(str::trim_end).collect();
    assert!(lines[0].starts_with("changed    1 v1  api, fetched 20"), "{shown:?}");
    assert_eq!(lines[1..], ["      n - 1", "      n + 2"], "{shown:?}");
    assert!(shown.stderr.contains("2 bodies read again: 1 changed, 3 same"), "{shown:?}");
    assert!(shown.stderr.contains("nothing was stored; `feedspine replay --apply` stores it"), "{shown:?}");
    assert_eq!(number(&user.ask(&["show", "1"]), "record.version"), 1);

    let applied = user.ask(&["replay", "api", "--apply"]);
    assert_eq!(members(&applied), "applied counts feeds items");
    assert_eq!(members(at(&applied, "items.0")), "feed fetch fields key kind namespace note observed_at version");
    assert_eq!(members(at(&applied, "feeds.0")), "bodies counts error feed not_kept stored_by unread");
    assert_eq!((text(&applied, "items.0.kind"), text(&applied, "items.0.fields.0.name")), ("changed", "n"));
    assert_eq!(list(&applied, "items").len(), 1);
    let record = user.ask(&["show", "1"]);
    assert_eq!((number(&record, "record.version"), number(&record, "record.content.n")), (2, 2));

    assert_eq!(text(&record, "again.cause"), "parser");
    let history = user.ask(&["history", "1"]);
    assert_eq!(text(&history, "items.1.again.cause"), "parser");
    assert_eq!(text(&history, "items.1.again.of"), text(&applied, "items.0.fetch"));
    let runs = user.ask(&["runs"]);
    assert_eq!(text(&runs, "runs.0.again.cause"), "parser");
    assert_eq!(text(&runs, "runs.0.fetch.fetch"), text(&applied, "feeds.0.stored_by.0"));
    let told = user.run(&["history", "1"]);
    let why = format!("parser, replay of fetch {}", text(&applied, "items.0.fetch"));
    assert!(told.stdout.contains(&why), "{told:?}");
    let told = user.run(&["show", "1"]);
    assert!(told.stdout.contains(&why), "{told:?}");

    let again = user.run(&["replay", "--apply"]);
    assert_eq!((again.code, again.stdout.as_str()), (0, ""), "{again:?}");
    assert!(again.stderr.contains("2 bodies read again: 4 same"), "{again:?}");
    let collected = user.ask(&["collect"]);
    assert_eq!((number(&collected, "counts.changed"), number(&collected, "counts.unchanged")), (0, 2));
    assert_eq!(number(&user.ask(&["show", "1"]), "record.version"), 2);
}

#[test]
fn what_cannot_be_replayed_is_said_with_the_next_step() {
    let (_site, user) = reader();
    assert_eq!(user.run(&["replay", "nobody"]).code, 5);
    let ran = user.run(&["replay", "--since", "yesterday"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("expected a time such as 7d"), "{ran:?}");
    assert!(user.run(&["replay", "--since", "2999-01-01"]).stderr.contains("0 bodies read again: no items"));
    let none = user.command(&["captures", "prune"]).env("FEEDSPINE_CAPTURES_KEEP", "1B").output().unwrap();
    assert!(none.status.success(), "{none:?}");
    let ran = user.run(&["replay"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("of 2 more fetches nothing is kept"), "{ran:?}");
}
