//! What documents show of a feed's rule, and when that is told.

use feedspine_parse::LearnedRule;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000).unwrap()
}

/// A document of so many items by their ids, each looking like its place.
fn reading(keys: &[u32], missing: u32, clashing: u32) -> Reading {
    let traces = (0..).zip(keys).map(|(look, key)| Trace { look, key: *key }).collect();
    let items = u32::try_from(keys.len()).unwrap();
    Reading { rule: KeyRule::Id, learned: None, items, missing, clashing, traces }
}

fn learned() -> LearnedRule {
    LearnedRule { rule: KeyRule::Id, items: 20, fits: vec![RuleFit { rule: KeyRule::Id, missing: 1, clashing: 0 }] }
}

#[test]
fn a_document_in_which_more_than_one_in_twenty_has_no_key_of_its_own_is_told_of() {
    for (items, missing, clashing, told) in
        [(20, 1, 0, false), (20, 1, 1, true), (20, 0, 2, true), (1, 0, 0, false), (1, 1, 0, true), (100, 2, 3, false)]
    {
        let keys: Vec<u32> = (0..items).collect();
        let evidence = Evidence::after(None, reading(&keys, missing, clashing), at(1));
        let warning = evidence.last.as_ref().unwrap().warning("news");
        assert_eq!(warning.is_some(), told, "{items} {missing} {clashing}");
        assert_eq!(evidence.degraded.is_some(), told, "{items} {missing} {clashing}");
    }
}

#[test]
fn items_that_come_back_under_another_key_are_told_of() {
    let first = Evidence::after(None, reading(&[1, 2, 3], 0, 0), at(1));
    assert_eq!(first.degraded, None);
    let same = Evidence::after(Some(first.clone()), reading(&[1, 2, 3, 4], 0, 0), at(2));
    assert_eq!((same.last.as_ref().unwrap().compared, &same.degraded), (3, &None));
    let other = Evidence::after(Some(first), reading(&[5, 6, 7], 0, 0), at(2));
    let warning = other.last.as_ref().unwrap().warning("news").unwrap();
    assert!(warning.starts_with("feed.unstable_keys: 3 of 3 items came back under another id"), "{warning}");
    assert!(warning.contains("feed set news key=RULE"), "{warning}");
    assert_eq!(other.degraded.unwrap().documents, 1);
}

#[test]
fn what_was_degraded_stays_told_when_keys_are_good_again() {
    let bad = Evidence::after(None, reading(&[1, 2], 2, 0), at(1));
    let worse = Evidence::after(Some(bad), reading(&[1, 2], 2, 0), at(2));
    let good = Evidence::after(Some(worse), reading(&[1, 2], 0, 0), at(3));
    let degraded = good.degraded.unwrap();
    assert_eq!((degraded.since, degraded.documents, degraded.last.at), (at(1), 2, at(2)));
    assert_eq!(good.last.unwrap().at, at(3));
}

#[test]
fn an_empty_document_forgets_nothing_and_a_rekeyed_feed_is_not_compared() {
    let first = Evidence::after(None, Reading { learned: Some(learned()), ..reading(&[1, 2], 0, 0) }, at(1));
    let empty = Evidence::after(Some(first.clone()), reading(&[], 0, 0), at(2));
    assert_eq!(empty, first);
    let rekeyed = Evidence::after(Some(first.rekeyed()), reading(&[8, 9], 0, 0), at(3));
    assert_eq!((rekeyed.last.unwrap().compared, rekeyed.degraded), (0, None));
    assert_eq!(rekeyed.learned.unwrap().at, at(1));
}

#[test]
fn it_is_read_back_from_the_cursor_and_not_compared_across_parsers() {
    let bad = Evidence::after(None, Reading { learned: Some(learned()), ..reading(&[1, 2, 3], 3, 0) }, at(1));
    let evidence = Evidence::after(Some(bad), reading(&[1, 2, u32::MAX], 0, 0), at(2));
    let cursor = Json::object([(Evidence::MEMBER, evidence.to_json())]);
    assert_eq!(Evidence::in_cursor(&cursor), Some(evidence.clone()));
    assert_eq!(Evidence::in_cursor(&Json::Null), None);
    let Json::Object(mut members) = evidence.to_json() else { panic!("it is an object") };
    members.insert("parser".into(), 0_u64.into());
    let other = Evidence::in_cursor(&Json::object([(Evidence::MEMBER, Json::Object(members))])).unwrap();
    assert_eq!((other.traces.len(), other.last), (0, evidence.last));
}
