//! What makes an item that item, and what happens when two items of one document claim to be it.

use feedspine_core::{
    Candidate, ErrorKind, IngestBatch, KeyError, KeyRule, Namespace, NaturalKey, Outcome, RecordRef, Selection,
    StorageExt,
};

use super::Subject;
use crate::Verdict;
use crate::check::{checks, ensure, ensure_eq, refused};
use crate::script::{at, dated, feed, item, key, key_in, numbered, reject, snapshot, titled};

checks! { Subject, "keys":
    keys_come_back_byte_for_byte: "P10", "Every key is found by its own bytes and read back as it was.";
    keys_that_only_look_alike_are_different: "Keys", "No case folding, no Unicode normalisation, no rewriting.";
    the_longest_key_is_kept: "Keys", "Keys of 2 048 incompressible bytes are stored and told apart.";
    a_key_that_no_store_keeps_is_refused: "Keys", "Empty, longer than 2 048 bytes or with NUL is refused before any backend.";
    blanks_round_a_key_are_not_part_of_it: "Keys", "ASCII white space round a key is trimmed, other is kept.";
    equal_keys_of_two_namespaces_are_two_records: "P3", "The namespace is part of the key.";
    the_key_rule_of_a_record_stays: "Keys", "A record keeps the rule under which it was made.";
    the_same_item_twice_is_one: "Same key twice in one fetch", "Equal content under one key is one item; the rest is counted as repeated.";
    the_winner_does_not_depend_on_the_order: "Same key twice in one fetch", "Whatever the order of the document, the same content wins.";
    what_the_feed_showed_last_wins: "Same key twice in one fetch", "Among contents of one key, the one this feed showed last wins.";
    else_the_latest_wins: "Same key twice in one fetch", "Without one shown before, the latest updated, then published, wins.";
    else_the_smallest_hash_wins: "Same key twice in one fetch", "Without dates the smallest hash wins.";
    losers_are_quarantined: "Same key twice in one fetch", "A losing content is a key.collision reject and makes no version.";
    a_document_like_one_with_a_collision_is_looked_at: "Same key twice in one fetch",
        "Before and after a collision a document is judged item by item, whichever content it lists first.";
    a_collision_is_the_stores_to_say: "Same key twice in one fetch", "A caller's own key.collision reject is Invalid.";
}

/// Keys that tempt a store to fold, escape, cut or compare them wrongly.
const ODD: [&str; 18] = [
    "https://example.org/?a=1&b=%20#c",
    "a\nb\tc",
    "'; DROP TABLE record; --",
    "\"quoted\" \\ back\\slash",
    "100%_like*glob?[x]",
    "\u{1F469}\u{200D}\u{1F4BB}",
    "\u{202E}right to left",
    "\u{FEFF}byte order mark",
    "\u{1}control\u{7F}",
    "\u{10FFFF}",
    "null",
    "0",
    "00",
    "1.0",
    "1",
    "$1",
    "?1",
    "{\"json\":true}",
];

async fn keys_come_back_byte_for_byte(store: Subject) -> Verdict {
    let items = ODD.iter().map(|name| item(name, name)).collect();
    let report = store.take(snapshot(1, items)).await?;
    ensure_eq!(report.counts.new, ODD.len() as u64, "new");
    for name in ODD {
        let record = store.record(name).await?;
        ensure_eq!((record.key.key(), record.key.namespace().as_str()), (name, "news"), "the key");
        ensure_eq!(record.content, titled(name), "the content");
        ensure_eq!(store.get_sightings(&key(name)).await?[0].key, key(name), "the key of its sighting");
    }
    let logged: Vec<_> = store.story().await?.into_iter().map(|(_, name)| name).collect();
    ensure_eq!(logged, ODD, "the keys in the change log");
    let again = ODD.iter().map(|name| item(name, name)).collect();
    ensure_eq!(store.take(snapshot(2, again)).await?.counts.new, 0, "new in the same document again");
    Ok(())
}

async fn keys_that_only_look_alike_are_different(store: Subject) -> Verdict {
    let alike = [
        "ABC",
        "abc",
        "caf\u{e9}",
        "cafe\u{301}",
        "\u{130}",
        "i\u{307}",
        "stra\u{df}e",
        "strasse",
        "a b",
        "a  b",
        "a",
        "a\u{a0}",
    ];
    let report = store.take(snapshot(1, alike.iter().map(|name| item(name, name)).collect())).await?;
    ensure_eq!(report.counts.new, alike.len() as u64, "new");
    for name in alike {
        ensure_eq!(store.record(name).await?.content, titled(name), "the content of {name:?}");
    }
    Ok(())
}

async fn the_longest_key_is_kept(store: Subject) -> Verdict {
    let mut noise = crate::noise::Noise::seeded(1);
    let mut name: String = std::iter::repeat_with(|| noise.letter()).take(2_047).collect();
    name.push('1');
    let other = format!("{}2", &name[..2_047]);
    store.take(snapshot(1, vec![item(&name, "one"), item(&other, "two")])).await?;
    ensure_eq!(store.record(&name).await?.content, titled("one"), "the content of the first");
    ensure_eq!(store.record(&other).await?.content, titled("two"), "the content of the second");
    ensure_eq!(store.record(&name).await?.key.key(), name, "the key");
    Ok(())
}

async fn a_key_that_no_store_keeps_is_refused(_: Subject) -> Verdict {
    let space = || Namespace::new("news").expect("a namespace");
    let refused = |text: &str| NaturalKey::new(space(), text).err();
    ensure!(matches!(refused(" \t\r\n"), Some(KeyError::Empty { .. })), "blanks are taken for a key");
    ensure!(matches!(refused(&"k".repeat(10_000)), Some(KeyError::TooLong { .. })), "10 kB are taken for a key");
    ensure!(matches!(refused("a\0b"), Some(KeyError::Forbidden { .. })), "NUL is taken in a key");
    Ok(())
}

async fn blanks_round_a_key_are_not_part_of_it(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("\r\n a \t", "x")])).await?;
    ensure_eq!(store.record("a").await?.key.key(), "a", "the key");
    let report = store.take(snapshot(2, vec![item("a", "x"), item("\u{a0}a", "x")])).await?;
    ensure_eq!((report.counts.new, report.counts.unchanged), (1, 1), "new and unchanged");
    Ok(())
}

async fn equal_keys_of_two_namespaces_are_two_records(store: Subject) -> Verdict {
    let other = Candidate { key: key_in("other", "1"), ..item("1", "theirs") };
    store.take(snapshot(1, vec![item("1", "ours")])).await?;
    let report = store.take(IngestBatch { feed: feed(2), ..snapshot(2, numbered(0, vec![other])) }).await?;
    ensure_eq!(report.counts.new, 1, "new");
    let wanted = [key("1"), key_in("other", "1"), key_in("new", "s1")].map(RecordRef::key);
    let found = store.get_many(&wanted).await?.into_iter().map(|record| record.map(|record| record.content));
    ensure_eq!(found.collect::<Vec<_>>(), [Some(titled("ours")), Some(titled("theirs")), None], "the contents");
    ensure_eq!(store.get_sightings(&key("1")).await?.len(), 1, "sightings of one of them");
    Ok(())
}

async fn the_key_rule_of_a_record_stays(store: Subject) -> Verdict {
    let by_link = |title| Candidate { key_rule: KeyRule::Link, ..item("a", title) };
    store.take(snapshot(1, vec![by_link("x")])).await?;
    store.take(snapshot(2, vec![item("a", "y")])).await?;
    ensure_eq!(store.record("a").await?.key_rule, KeyRule::Link, "the key rule");
    Ok(())
}

async fn the_same_item_twice_is_one(store: Subject) -> Verdict {
    let report = store.take(snapshot(1, vec![item("a", "x"), item("b", "x"), item("a", "x"), item("a", "x")])).await?;
    ensure_eq!((report.counts.seen, report.counts.new, report.counts.repeated), (2, 2, 2), "seen, new, repeated");
    ensure_eq!(report.outcomes[2..], [Outcome::Repeated; 2], "the outcomes of the rest");
    ensure_eq!(store.sighted("a").await?.len(), 1, "sightings");
    let report = store.take(snapshot(2, vec![item("a", "x"), item("a", "x"), item("b", "x")])).await?;
    let counts = report.counts;
    ensure_eq!((counts.seen, counts.unchanged, counts.repeated), (2, 2, 1), "seen, unchanged, repeated of the same");
    ensure_eq!(store.quarantine(feed(1)).await?, [], "the quarantine");
    Ok(())
}

/// Ingests the items in each rotation, each into its own namespace and feed, and gives the titles that won.
async fn winners(store: &Subject, items: &[Candidate]) -> Verdict<Vec<String>> {
    let mut titles = Vec::new();
    for turn in 0..items.len() {
        let space = format!("turn {turn}");
        let mut items = items.to_vec();
        items.rotate_left(turn);
        for item in &mut items {
            item.key = key_in(&space, item.key.key());
        }
        let number = u32::try_from(turn + 10).expect("a few items");
        store.take(IngestBatch { feed: feed(turn as u128 + 10), ..snapshot(number, items) }).await?;
        let found = store.get_by_natural_key(&key_in(&space, "k")).await?;
        titles.extend(found.map(|record| super::subject::title_of(&record.content)));
    }
    Ok(titles)
}

async fn the_winner_does_not_depend_on_the_order(store: Subject) -> Verdict {
    let items = [dated("k", "x", 10), dated("k", "y", 30), dated("k", "z", 20), item("k", "w"), dated("k", "v", 30)];
    let titles = winners(&store, &items).await?;
    ensure_eq!(titles.len(), items.len(), "winners");
    ensure!(titles.iter().all(|title| *title == titles[0]), "the winner depends on the order: {titles:?}");
    Ok(())
}

async fn what_the_feed_showed_last_wins(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![dated("k", "old", 10)])).await?;
    for (number, items) in [(2, ["new", "old"]), (3, ["old", "new"])] {
        let items = items.map(|title| dated("k", title, if title == "new" { 99 } else { 10 }));
        let report = store.take(snapshot(number, items.to_vec())).await?;
        ensure_eq!((report.counts.changed, report.counts.unchanged, report.counts.rejected), (0, 1, 1), "the counts");
    }
    ensure_eq!(store.titles("k").await?, ["old"], "versions");
    Ok(())
}

async fn else_the_latest_wins(store: Subject) -> Verdict {
    let updated = |title, second| Candidate { updated: Some(at(second)), ..item("k", title) };
    let titles = winners(&store, &[dated("k", "early", 10), dated("k", "late", 30), dated("k", "middle", 20)]).await?;
    ensure_eq!(titles, ["late"; 3], "winners by published");
    let titles = winners(&store.another().await?, &[updated("early", 10), updated("late", 30)]).await?;
    ensure_eq!(titles, ["late"; 2], "winners by updated");
    let both = |title, published, second| Candidate { published: Some(at(published)), ..updated(title, second) };
    let titles =
        winners(&store.another().await?, &[both("published late", 90, 10), both("updated late", 1, 30)]).await?;
    ensure_eq!(titles, ["updated late"; 2], "winners by updated before published");
    Ok(())
}

async fn else_the_smallest_hash_wins(store: Subject) -> Verdict {
    let items = ["p", "q", "r", "s"].map(|title| item("k", title));
    let smallest = items.iter().min_by_key(|item| item.content.hash()).map(|item| item.content.clone());
    let right = smallest.map(|content| super::subject::title_of(&content)).unwrap_or_default();
    ensure_eq!(winners(&store, &items).await?, vec![right; 4], "winners");
    Ok(())
}

async fn losers_are_quarantined(store: Subject) -> Verdict {
    let items = vec![dated("k", "winner", 30), dated("k", "loser", 10), item("b", "x"), dated("k", "loser", 10)];
    let report = store.take(snapshot(1, items)).await?;
    let first = feedspine_core::VersionNo::FIRST;
    let right =
        [Outcome::New { version: first }, Outcome::Collided, Outcome::New { version: first }, Outcome::Repeated];
    ensure_eq!(report.outcomes, right, "the outcomes");
    let counts = report.counts;
    ensure_eq!((counts.seen, counts.new, counts.rejected, counts.repeated), (3, 2, 1, 1), "the counts");
    let kept = store.quarantine(feed(1)).await?;
    ensure_eq!(kept.len(), 1, "rejects");
    let reject = &kept[0].reject;
    ensure_eq!(
        (reject.code.as_str(), &reject.key, reject.ordinal),
        ("key.collision", &Some(key("k")), 1),
        "the reject"
    );
    ensure!(reject.excerpt.contains("loser"), "the excerpt does not show the item: {:?}", reject.excerpt);
    ensure_eq!(store.titles("k").await?, ["winner"], "versions");
    ensure_eq!(store.sighted("k").await?.len(), 1, "sightings");
    ensure_eq!(store.count(&Selection::everything()).await?, 2, "count of records");
    Ok(())
}

async fn a_document_like_one_with_a_collision_is_looked_at(store: Subject) -> Verdict {
    let documents = [
        (vec![dated("k", "early", 10)], 1, 0),
        (vec![dated("k", "early", 10), dated("k", "late", 30)], 0, 1),
        (vec![dated("k", "late", 30), dated("k", "early", 10)], 0, 1),
        (vec![dated("k", "late", 30)], 1, 0),
        (vec![dated("k", "later", 40), dated("k", "late", 30)], 0, 1),
        (vec![dated("k", "later", 40)], 1, 0),
    ];
    for (number, (items, made, rejected)) in (1..).zip(documents) {
        let counts = store.take(snapshot(number, items)).await?.counts;
        ensure_eq!(
            (counts.new + counts.changed, counts.rejected),
            (made, rejected),
            "made and rejected by fetch {number}"
        );
    }
    ensure_eq!(store.titles("k").await?, ["early", "late", "later"], "versions");
    Ok(())
}

async fn a_collision_is_the_stores_to_say(store: Subject) -> Verdict {
    let mut own = reject(0, Some("a"));
    feedspine_core::ingest::KEY_COLLISION.clone_into(&mut own.code);
    let batch = IngestBatch { rejects: vec![own], ..snapshot(1, vec![]) };
    refused(store.ingest(batch).await, ErrorKind::Invalid)?;
    ensure_eq!(store.quarantine(feed(1)).await?, [], "the quarantine");
    Ok(())
}
