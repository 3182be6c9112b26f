//! Which key an item gets, and why.

use feedspine_core::ContentHash;

use super::*;
use crate::model::{Dated, FeedMeta, Format, Link};

fn item(ordinal: u32, id: &str, link: &str, title: &str) -> Item {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Item {
        ordinal,
        id: some(id),
        links: some(link).map(|href| Link { href: Some(href), ..Link::default() }).into_iter().collect(),
        title: some(title).map(|value| crate::model::Text { value, ..Default::default() }),
        ..Item::default()
    }
}

fn document(items: Vec<Item>) -> Document {
    Document {
        format: Format::Rss,
        feed: FeedMeta::default(),
        items,
        rejects: Vec::new(),
        encoding: "UTF-8",
        recovered: false,
        truncated: false,
        warnings: Vec::new(),
    }
}

fn namespace() -> Namespace {
    Namespace::new("news").unwrap()
}

#[test]
fn the_rule_is_the_first_that_tells_the_items_apart() {
    let dated = |mut item: Item, raw: &str| {
        item.published = Some(Dated { raw: raw.into(), at: None, zone_assumed: false });
        item
    };
    for (items, rule) in [
        (vec![item(0, "1", "http://a/1", "a"), item(1, "2", "http://a/1", "b")], KeyRule::Id),
        (vec![item(0, "1", "http://a/1", "a"), item(1, "1", "http://a/2", "b")], KeyRule::Link),
        (vec![item(0, "", "http://a/1", "a"), item(1, "2", "http://a/2", "b")], KeyRule::Link),
        (
            vec![dated(item(0, "", "http://a/1", "a"), "x"), dated(item(1, "", "http://a/1", "b"), "y")],
            KeyRule::LinkDate,
        ),
        (vec![item(0, "", "", "a"), item(1, "", "", "b")], KeyRule::Content),
    ] {
        assert_eq!(choose_rule(&document(items)), Some(rule));
    }
    assert_eq!(choose_rule(&document(Vec::new())), None);
}

#[test]
fn equal_items_may_share_an_id() {
    let items = vec![item(0, "1", "", "a"), item(1, "1", "", "a")];
    assert_eq!(choose_rule(&document(items)), Some(KeyRule::Id));
}

#[test]
fn the_rule_and_its_evidence_do_not_depend_on_the_order_of_the_items() {
    let mut items: Vec<Item> = (0..10).map(|n| item(n, "same", &format!("http://a/{n}"), "a")).collect();
    items[7] = item(7, "same", "http://a/6", "a");
    let learned = learn_rule(&document(items.clone())).unwrap();
    assert_eq!((learned.rule, learned.items), (KeyRule::Link, 10));
    let told: Vec<_> = learned.fits.iter().map(|fit| (fit.rule, fit.missing, fit.clashing)).collect();
    assert_eq!(told, [(KeyRule::Id, 0, 8), (KeyRule::Link, 0, 0), (KeyRule::LinkDate, 10, 0)]);
    for turn in 1..10 {
        items.rotate_left(turn);
        assert_eq!(learn_rule(&document(items.clone())), Some(learned.clone()));
    }
}

#[test]
fn an_item_is_known_again_by_what_no_other_of_its_document_looks_like() {
    let looks_of = |items: Vec<Item>| looks(&document(items));
    let one = looks_of(vec![item(0, "1", "http://a.org/x?token=1", "Tides"), item(1, "2", "http://a.org/y", "Moons")]);
    let two = looks_of(vec![item(0, "9", "https://b.org/x?token=2", "  Tides ")]);
    assert_eq!((one.len(), two.len(), one[0].hash), (2, 1, two[0].hash));
    let same = |ordinal| item(ordinal, &ordinal.to_string(), "http://a.org/home", "Same");
    assert!(looks_of(vec![same(0), same(1), item(2, "3", "http://a.org/x", "")]).is_empty());
}

#[test]
fn one_item_in_twenty_may_lack_an_id_and_falls_back_alone() {
    let mut items: Vec<Item> = (0..20).map(|n| item(n, &n.to_string(), "", "a")).collect();
    items[3] = item(3, "", "http://a/3", "a");
    items[4].id = Some("4".into());
    assert_eq!(choose_rule(&document(items.clone())), Some(KeyRule::Id));
    items.push(item(20, "", "", "no id and no link"));
    let identified = identify(document(items), &namespace(), KeyRule::Id);
    assert_eq!((identified.candidates[3].key.key(), identified.candidates[3].key_rule), ("http://a/3", KeyRule::Link));
    assert_eq!(identified.candidates[20].key_rule, KeyRule::Content);
    assert!(identified.candidates[20].key.key().starts_with("sha256:"));
    assert!(identified.complete);
}

#[test]
fn a_key_that_no_store_takes_is_refused_with_its_reason() {
    let long = "a".repeat(10_000);
    let document = document(vec![item(0, &long, "", "a"), item(1, "ok", "", "b")]);
    let rule = choose_rule(&document).unwrap();
    let identified = identify(document, &namespace(), rule);
    assert_eq!(identified.rejects.len(), 1);
    assert_eq!(identified.rejects[0].code, "key.too_long");
    assert_eq!(identified.candidates.len(), 1);
    assert!(!identified.complete);
}

#[test]
fn a_reject_whose_key_is_known_leaves_the_document_complete() {
    let mut document = document(vec![item(0, "1", "", "a")]);
    document.rejects.push(RejectedItem {
        ordinal: 1,
        id: Some("2".into()),
        link: None,
        code: "field.too_long",
        reason: "the title is too long".into(),
        excerpt: "<item>".into(),
    });
    let identified = identify(document, &namespace(), KeyRule::Id);
    assert!(identified.complete);
    assert_eq!(identified.rejects[0].key.as_ref().map(NaturalKey::key), Some("2"));
}

#[test]
fn a_reject_has_the_key_that_its_item_would_have_with_its_capitals_made_small() {
    let rejected = || RejectedItem {
        ordinal: 1,
        id: Some("ABC".into()),
        link: None,
        code: "field.too_long",
        reason: "the title is too long".into(),
        excerpt: "<item>".into(),
    };
    let mut document = document(vec![item(0, "ABD", "", "a")]);
    document.rejects.push(rejected());
    let identified = identify(document, &namespace(), KeyRule::Id);
    for (fold_case, keys) in [(true, ["abd", "abc"]), (false, ["ABD", "ABC"])] {
        let rekeyed = rekey(identified.clone(), &[], fold_case);
        let reject = rekeyed.rejects[0].key.as_ref().unwrap();
        assert_eq!(([rekeyed.candidates[0].key.key(), reject.key()], rekeyed.complete), (keys, true));
    }
    // Nobody knows what it has at a place of its content.
    let rekeyed = rekey(identified, &[JsonQuery::member("title")], false);
    assert_eq!((rekeyed.rejects[0].key.as_ref(), rekeyed.complete), (None, false));
}

#[test]
fn a_key_that_every_item_has_with_another_content_costs_no_more_than_others() {
    let began = std::time::Instant::now();
    let mut held = KeysHeld::default();
    for number in 0..100_000_u32 {
        held.add("a", ContentHash::of(&number.to_be_bytes()));
    }
    held.add("a", ContentHash::of(&7_u32.to_be_bytes()));
    held.add("b", ContentHash::of(b"b"));
    assert_eq!((held.clashing(), held.is_shared(&"a"), held.is_shared(&"b")), (99_999, true, false));
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

#[test]
fn the_place_in_the_document_is_no_part_of_the_content() {
    let moved = identify(document(vec![item(5, "1", "", "a")]), &namespace(), KeyRule::Id);
    let first = identify(document(vec![item(0, "1", "", "a")]), &namespace(), KeyRule::Id);
    assert_eq!(moved.candidates[0].content, first.candidates[0].content);
}
