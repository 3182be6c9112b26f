//! Which records are taken for one item, and how sure that is.

use feedspine_core::{Content, KeyRule, Layer, NaturalKey, Record, RecordId, VersionNo};

use super::*;

/// A record captured in that second.
fn face(second: i64, key: &str, content: &str) -> Face {
    let content = Content::parse(content).unwrap();
    let json = content.to_json();
    let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000).unwrap();
    let published = json.get("published").and_then(|date| date.as_str()).map(|date| date.parse().unwrap());
    let record = Record {
        id: RecordId::from_u128(1),
        key: NaturalKey::new("news".parse().unwrap(), key).unwrap(),
        key_rule: KeyRule::Id,
        layer: Layer::Bronze,
        version: VersionNo::FIRST,
        published,
        updated: None,
        first_seen: at(second),
        recorded_at: at(second),
        content,
        metadata: Content::empty(),
        derived_from: None,
    };
    Face::of(&record)
}

fn judged(one: &Face, others: &[Face]) -> Vec<(usize, u8, String)> {
    let told = |(place, alias): (usize, Alias)| {
        let reasons: Vec<&str> = alias.reasons.iter().map(AliasReason::as_str).collect();
        (place, alias.score, reasons.join(" "))
    };
    aliases(one, others).into_iter().map(told).collect()
}

#[test]
fn what_two_records_share_says_how_likely_they_are_one_item() {
    let one = face(
        1,
        "http://a.org/2026/tides",
        r#"{"title":"Tides","published":"2026-11-24T12:00:00Z","link":"http://a.org/2026/tides"}"#,
    );
    for (key, content, found) in [
        ("https://a.org/2026/tides", r#"{"title":"TIDES"}"#, Some((95, "address title"))),
        ("https://a.org/2026/tides?utm_source=x", r#"{"title":"Other"}"#, Some((60, "address"))),
        ("https://b.org/2026/tides", r#"{"title":"Tides"}"#, Some((85, "path title"))),
        ("https://b.org/2026/tides", r#"{"title":"Other"}"#, None),
        ("41", r#"{"title":"Tides","published":"2026-11-24T12:00:00Z"}"#, Some((85, "title published"))),
        (
            "41",
            r#"{"title":"Tides","published":"2026-11-24T12:00:00Z","link":"http://a.org/moons"}"#,
            Some((60, "title published")),
        ),
        ("41", r#"{"title":"Tides"}"#, None),
        ("41", r#"{"published":"2026-11-24T12:00:00Z"}"#, None),
        ("https://a.org/moons", r#"{"title":"Moons"}"#, None),
    ] {
        let expected: Vec<_> = found.into_iter().map(|(score, reasons)| (0, score, reasons.to_owned())).collect();
        assert_eq!(judged(&one, &[face(2, key, content)]), expected, "{key} {content}");
    }
}

#[test]
fn the_same_id_under_another_key_is_the_item_before_its_feed_was_keyed_otherwise() {
    let one = face(1, "41", r#"{"id":"41","title":"a"}"#);
    let other = face(2, "http://a.org/x", r#"{"id":"41","title":"b","link":"http://a.org/x"}"#);
    assert_eq!(judged(&one, &[other]), [(0, 95, "id".to_owned())]);
}

#[test]
fn what_items_of_one_document_share_tells_nothing() {
    let item = |second, key: &str| face(second, key, r#"{"id":"same","title":"News","link":"http://a.org/home"}"#);
    assert_eq!(judged(&item(1, "a"), &[item(1, "b"), item(2, "c")]), Vec::new());
    // Nor when it is two others that were captured together.
    assert_eq!(judged(&item(1, "a"), &[item(2, "b"), item(2, "c")]), Vec::new());
    assert_eq!(judged(&item(1, "a"), &[item(2, "b"), item(3, "c")]).len(), 2);
}

#[test]
fn texts_are_compared_only_where_something_else_is_shared() {
    let text = (0..80).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ");
    let of = |second, key: &str, title: &str, more: &str| {
        face(second, key, &format!(r#"{{"title":"{title}","summary":"<p>{text} {more}</p>"}}"#))
    };
    let one = of(1, "a", "Tides", "");
    let found = judged(&one, &[of(2, "b", "Tides", "and one more"), of(3, "c", "Moons", "")]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].0, found[0].2.as_str()), (0, "title text"));
    assert!(found[0].1 > 80, "{found:?}");
}

#[test]
fn reasons_are_told_in_words() {
    for (reason, words) in [
        (AliasReason::Address(Vec::new()), "the same address"),
        (AliasReason::Address(vec!["scheme", "www"]), "the same address but for scheme, www"),
        (AliasReason::Path, "the same path at another host"),
        (AliasReason::Text(87), "a text that is 87 % alike"),
    ] {
        assert_eq!(reason.to_string(), words);
    }
}
