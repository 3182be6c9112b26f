//! Feeds: added, renamed, paused, removed; names unique among those not removed.

use feedspine_core::{ErrorKind, Feed, FeedStatus, KeyRule, Namespace};

use super::Subject;
use super::subject::{a_feed, named};
use crate::check::{checks, ensure_eq, refused};
use crate::script::{at, content, feed};
use crate::{Failure, Verdict};

checks! { Subject, "feeds":
    a_fresh_store_has_none: "Control plane", "A fresh store has no feeds and no fetches.";
    an_added_feed_is_read_back: "Control plane", "Every field of a feed is read back as it was given.";
    feeds_are_listed_by_name_and_id: "Control plane", "Feeds come by the bytes of their names, then by id, removed ones included.";
    a_known_id_is_a_conflict: "Control plane", "Adding a known id is Conflict, whatever its name and status.";
    a_taken_name_is_a_conflict: "Control plane", "Adding a name that a feed has that was not removed is Conflict.";
    names_are_not_folded: "Keys", "Names that differ in case or form are different names.";
    an_update_replaces_what_may_change: "Control plane", "Name, address, status, permission and settings are replaced.";
    namespace_key_rule_and_time_of_adding_stay: "Control plane", "No update changes the namespace, the key rule and the time a feed was added.";
    a_key_rule_is_settled_once: "Keys", "The first key rule that is settled stays, and later callers are told it.";
    one_of_many_key_rules_is_settled: "P3", "Of many key rules settled at once, one stays and all callers are told it.";
    settling_for_an_unknown_feed_is_invalid: "Control plane", "Settling the key rule of an id that was never added is Invalid.";
    a_feed_that_changed_meanwhile_is_not_replaced: "Control plane", "A feed whose name, address, status, permission or settings are not as the caller holds them is left as it is, and the caller told so.";
    what_no_change_replaces_is_not_compared: "Control plane", "A feed is replaced whatever its key rule became since the caller read it.";
    one_of_many_changes_of_a_feed_is_made: "P3", "Of many changes made at once of what all hold alike, one is made, and its caller alone is told so.";
    updating_an_unknown_feed_is_invalid: "Control plane", "An update of an id that was never added is Invalid and adds nothing.";
    renaming_to_a_taken_name_is_a_conflict: "Control plane", "A rename to another feed's name is Conflict and changes nothing.";
    a_removed_feed_frees_its_name: "Control plane", "The name of a removed feed may be added again; both are listed.";
    a_removed_feed_comes_back_under_a_free_name_only: "Control plane", "Making a removed feed active under a taken name is Conflict.";
    a_paused_feed_keeps_its_name: "Control plane", "Pausing frees no name, and the feed is found by it.";
    one_of_many_adds_of_a_name_wins: "P3", "Of many feeds added at once under one name, one is added.";
    preparing_again_changes_nothing: "Lifecycle", "Prepare may be called again, and by several at once.";
    feeds_outlive_the_process: "P1", "Feeds are there when the store is opened again.";
}

async fn a_fresh_store_has_none(store: Subject) -> Verdict {
    ensure_eq!(store.feeds().await?, [], "feeds");
    ensure_eq!(store.feed_named(&named("a")).await?, None, "a feed of a name never added");
    ensure_eq!(store.statuses(1).await?, [], "fetches of a feed never added");
    Ok(())
}

fn every_field() -> Feed {
    Feed {
        address: "/path with blanks/\u{1F4F0}/'quoted'.xml".to_owned(),
        namespace: Namespace::new("a space apart").expect("a namespace"),
        status: FeedStatus::Paused,
        key_rule: Some(KeyRule::LinkDate),
        allow_private: true,
        settings: content(r#"{"n":12345678901234567890.5,"nul":"\u0000","tags":["a"]}"#),
        added_at: at(0).saturating_add_micros(123_456),
        ..a_feed(1, "\u{e9}t\u{e9}-2026:%_")
    }
}

async fn an_added_feed_is_read_back(store: Subject) -> Verdict {
    for given in [every_field(), a_feed(2, "plain")] {
        store.add_feed(&given).await?;
        ensure_eq!(store.feed_named(&given.name).await?, Some(given), "the feed");
    }
    for (number, rule) in (3..).zip([KeyRule::Id, KeyRule::Link, KeyRule::LinkDate, KeyRule::Content, KeyRule::Given]) {
        let given = Feed { key_rule: Some(rule), ..a_feed(number, rule.as_str()) };
        store.add_feed(&given).await?;
        ensure_eq!(store.feed_named(&given.name).await?, Some(given), "the feed");
    }
    Ok(())
}

async fn feeds_are_listed_by_name_and_id(store: Subject) -> Verdict {
    let removed = |number, name| Feed { status: FeedStatus::Removed, ..a_feed(number, name) };
    let right =
        [a_feed(7, "B"), removed(2, "a"), a_feed(5, "a"), a_feed(3, "b"), a_feed(1, "\u{e9}"), a_feed(4, "\u{1F4F0}")];
    let mut given = right.clone();
    given.reverse();
    for feed in &given {
        store.add_feed(feed).await?;
    }
    ensure_eq!(store.feeds().await?, right, "feeds");
    Ok(())
}

async fn a_known_id_is_a_conflict(store: Subject) -> Verdict {
    store.add_feed(&a_feed(1, "a")).await?;
    refused(store.add_feed(&a_feed(1, "b")).await, ErrorKind::Conflict)?;
    store.update_feed(&Feed { status: FeedStatus::Removed, ..a_feed(1, "a") }).await?;
    refused(store.add_feed(&a_feed(1, "a")).await, ErrorKind::Conflict)?;
    ensure_eq!(store.feeds().await?.len(), 1, "feeds");
    Ok(())
}

async fn a_taken_name_is_a_conflict(store: Subject) -> Verdict {
    store.add_feed(&a_feed(1, "a")).await?;
    let error = refused(store.add_feed(&a_feed(2, "a")).await, ErrorKind::Conflict)?;
    crate::check::ensure!(error.hint().is_some(), "no next step is named: {error}");
    ensure_eq!(store.feeds().await?, [a_feed(1, "a")], "feeds");
    Ok(())
}

async fn names_are_not_folded(store: Subject) -> Verdict {
    let names = ["News", "news", "NEWS", "caf\u{e9}", "cafe\u{301}"];
    for (number, name) in (1..).zip(names) {
        store.add_feed(&a_feed(number, name)).await?;
    }
    for (number, name) in (1..).zip(names) {
        ensure_eq!(store.feed_named(&named(name)).await?.map(|feed| feed.id), Some(feed(number)), "the feed {name}");
    }
    Ok(())
}

async fn an_update_replaces_what_may_change(store: Subject) -> Verdict {
    let given = every_field();
    store.add_feed(&a_feed(2, "other")).await?;
    store.add_feed(&a_feed(1, "old")).await?;
    store.update_feed(&given).await?;
    let fixed = a_feed(1, "old");
    let right = Feed { namespace: fixed.namespace, key_rule: fixed.key_rule, added_at: fixed.added_at, ..given };
    ensure_eq!(store.feed_named(&right.name).await?, Some(right), "the feed");
    ensure_eq!(store.feed_named(&named("old")).await?, None, "a feed of the old name");
    store.update_feed(&a_feed(1, "old")).await?;
    ensure_eq!(store.feed_named(&named("old")).await?, Some(a_feed(1, "old")), "the feed updated back");
    ensure_eq!(store.feed_named(&named("other")).await?, Some(a_feed(2, "other")), "the other feed");
    Ok(())
}

async fn namespace_key_rule_and_time_of_adding_stay(store: Subject) -> Verdict {
    let given = Feed { key_rule: Some(KeyRule::Id), ..a_feed(1, "a") };
    store.add_feed(&given).await?;
    let namespace = Namespace::new("another").expect("a namespace");
    for key_rule in [None, Some(KeyRule::Link)] {
        store.update_feed(&Feed { namespace: namespace.clone(), key_rule, added_at: at(999), ..given.clone() }).await?;
        ensure_eq!(store.feeds().await?, std::slice::from_ref(&given), "feeds");
    }
    Ok(())
}

async fn a_feed_that_changed_meanwhile_is_not_replaced(store: Subject) -> Verdict {
    let held = a_feed(1, "a");
    let others = [
        Feed { name: named("b"), ..held.clone() },
        Feed { address: "https://example.org/b".to_owned(), ..held.clone() },
        Feed { status: FeedStatus::Paused, ..held.clone() },
        Feed { allow_private: true, ..held.clone() },
        Feed { settings: content(r#"{"tags":["b"]}"#), ..held.clone() },
    ];
    let wanted = Feed { address: "https://example.org/wanted".to_owned(), ..held.clone() };
    store.add_feed(&held).await?;
    for other in others {
        ensure_eq!(store.replace_feed(&held, &other).await?, true, "replaced, as it is held");
        ensure_eq!(store.replace_feed(&held, &wanted).await?, false, "replaced, as it was before");
        ensure_eq!(store.feeds().await?, std::slice::from_ref(&other), "feeds");
        ensure_eq!(store.replace_feed(&other, &held).await?, true, "replaced, as it became");
    }
    ensure_eq!(store.feeds().await?, [held], "feeds");
    Ok(())
}

async fn what_no_change_replaces_is_not_compared(store: Subject) -> Verdict {
    let held = a_feed(1, "a");
    store.add_feed(&held).await?;
    store.settle_key_rule(feed(1), KeyRule::Id).await?;
    let paused = Feed { status: FeedStatus::Paused, ..held.clone() };
    ensure_eq!(store.replace_feed(&held, &paused).await?, true, "replaced");
    ensure_eq!(store.feeds().await?, [Feed { key_rule: Some(KeyRule::Id), ..paused }], "feeds");
    Ok(())
}

async fn one_of_many_changes_of_a_feed_is_made(store: Subject) -> Verdict {
    let held = a_feed(1, "a");
    store.add_feed(&held).await?;
    let changing: Vec<_> = (1..=12)
        .map(|number| {
            let (store, held) = (store.handle(), held.clone());
            let changed = Feed { address: format!("https://example.org/{number}"), ..held.clone() };
            tokio::spawn(async move { store.replace_feed(&held, &changed).await.map(|made| made.then_some(changed)) })
        })
        .collect();
    let mut made = Vec::new();
    for task in changing {
        made.extend(task.await.map_err(Failure::broken)??);
    }
    ensure_eq!(made.len(), 1, "changes that were made");
    ensure_eq!(store.feeds().await?, made, "feeds");
    Ok(())
}

async fn a_key_rule_is_settled_once(store: Subject) -> Verdict {
    store.add_feed(&a_feed(1, "a")).await?;
    store.add_feed(&a_feed(2, "b")).await?;
    for rule in [KeyRule::LinkDate, KeyRule::Id] {
        ensure_eq!(store.settle_key_rule(feed(1), rule).await?, KeyRule::LinkDate, "the rule in force");
    }
    let settled = Feed { key_rule: Some(KeyRule::LinkDate), ..a_feed(1, "a") };
    ensure_eq!(store.feeds().await?, [settled, a_feed(2, "b")], "feeds");
    Ok(())
}

async fn one_of_many_key_rules_is_settled(store: Subject) -> Verdict {
    store.add_feed(&a_feed(1, "a")).await?;
    let rules = [KeyRule::Id, KeyRule::Link, KeyRule::LinkDate, KeyRule::Content].repeat(3);
    let settling: Vec<_> = rules
        .into_iter()
        .map(|rule| {
            let store = store.handle();
            tokio::spawn(async move { store.settle_key_rule(feed(1), rule).await })
        })
        .collect();
    let mut told = std::collections::BTreeSet::new();
    for task in settling {
        told.insert(task.await.map_err(Failure::broken)??.as_str());
    }
    let held = store.feeds().await?.pop().and_then(|feed| feed.key_rule);
    ensure_eq!(
        told.into_iter().collect::<Vec<_>>(),
        held.map(KeyRule::as_str).into_iter().collect::<Vec<_>>(),
        "rules"
    );
    Ok(())
}

async fn settling_for_an_unknown_feed_is_invalid(store: Subject) -> Verdict {
    refused(store.settle_key_rule(feed(1), KeyRule::Id).await, ErrorKind::Invalid)?;
    ensure_eq!(store.feeds().await?, [], "feeds");
    Ok(())
}

async fn updating_an_unknown_feed_is_invalid(store: Subject) -> Verdict {
    refused(store.update_feed(&a_feed(1, "a")).await, ErrorKind::Invalid)?;
    ensure_eq!(store.feeds().await?, [], "feeds");
    Ok(())
}

async fn renaming_to_a_taken_name_is_a_conflict(store: Subject) -> Verdict {
    store.add_feed(&a_feed(1, "a")).await?;
    store.add_feed(&a_feed(2, "b")).await?;
    let renamed = Feed { name: named("a"), address: "elsewhere".to_owned(), ..a_feed(2, "b") };
    refused(store.update_feed(&renamed).await, ErrorKind::Conflict)?;
    ensure_eq!(store.feeds().await?, [a_feed(1, "a"), a_feed(2, "b")], "feeds");
    Ok(())
}

async fn a_removed_feed_frees_its_name(store: Subject) -> Verdict {
    let removed = Feed { status: FeedStatus::Removed, ..a_feed(1, "a") };
    store.add_feed(&a_feed(1, "a")).await?;
    store.update_feed(&removed).await?;
    ensure_eq!(store.feed_named(&named("a")).await?, None, "a feed of the freed name");
    store.add_feed(&a_feed(2, "a")).await?;
    ensure_eq!(store.feed_named(&named("a")).await?, Some(a_feed(2, "a")), "the feed of that name");
    ensure_eq!(store.feeds().await?, [removed, a_feed(2, "a")], "feeds");
    Ok(())
}

async fn a_removed_feed_comes_back_under_a_free_name_only(store: Subject) -> Verdict {
    store.add_feed(&Feed { status: FeedStatus::Removed, ..a_feed(1, "a") }).await?;
    store.add_feed(&a_feed(2, "a")).await?;
    refused(store.update_feed(&a_feed(1, "a")).await, ErrorKind::Conflict)?;
    refused(store.update_feed(&Feed { status: FeedStatus::Paused, ..a_feed(1, "a") }).await, ErrorKind::Conflict)?;
    let renamed = Feed { name: named("b"), ..a_feed(1, "a") };
    store.update_feed(&renamed).await?;
    ensure_eq!(store.feed_named(&named("b")).await?, Some(renamed), "the feed under another name");
    Ok(())
}

async fn a_paused_feed_keeps_its_name(store: Subject) -> Verdict {
    let paused = Feed { status: FeedStatus::Paused, ..a_feed(1, "a") };
    store.add_feed(&a_feed(1, "a")).await?;
    store.update_feed(&paused).await?;
    refused(store.add_feed(&a_feed(2, "a")).await, ErrorKind::Conflict)?;
    ensure_eq!(store.feed_named(&named("a")).await?, Some(paused), "the feed");
    Ok(())
}

async fn one_of_many_adds_of_a_name_wins(store: Subject) -> Verdict {
    let adding: Vec<_> = (1..=12)
        .map(|number| {
            let store = store.handle();
            tokio::spawn(async move { store.add_feed(&a_feed(number, "a")).await })
        })
        .collect();
    let mut added = 0;
    for adding in adding {
        match adding.await.map_err(Failure::broken)? {
            Ok(()) => added += 1,
            error => drop(refused(error, ErrorKind::Conflict)?),
        }
    }
    ensure_eq!((added, store.feeds().await?.len()), (1, 1), "adds that worked, and feeds");
    Ok(())
}

async fn preparing_again_changes_nothing(store: Subject) -> Verdict {
    store.add_feed(&a_feed(1, "a")).await?;
    let preparing: Vec<_> = (0..4)
        .map(|_| {
            let store = store.handle();
            tokio::spawn(async move { store.prepare().await })
        })
        .collect();
    for preparing in preparing {
        preparing.await.map_err(Failure::broken)??;
    }
    ensure_eq!(store.feeds().await?, [a_feed(1, "a")], "feeds");
    Ok(())
}

async fn feeds_outlive_the_process(store: Subject) -> Verdict {
    let (given, removed) = (every_field(), Feed { status: FeedStatus::Removed, ..a_feed(2, "gone") });
    store.add_feed(&given).await?;
    store.add_feed(&removed).await?;
    let store = store.reopened().await?;
    ensure_eq!(store.feeds().await?, [removed, given], "feeds");
    Ok(())
}
