//! `feedspine health` and `gaps`: what is told of feeds that fail, and of what may have been missed.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::site::{Reply, Site};
use crate::support::{User, list, number, rss, text};

#[test]
fn health_tells_feeds_apart_and_gaps_have_their_bounds() {
    let asked = AtomicUsize::new(0);
    let site = Site::start(move |request| match request.path.as_str() {
        "/jumps" => match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::ok(rss(&[("a", "A"), ("b", "B")])),
            _ => Reply::ok(rss(&[("y", "Y"), ("z", "Z"), ("x", "X")])),
        },
        "/well" => Reply::ok(rss(&[("a", "A")])),
        _ => Reply::status(404),
    });
    let user = User::new();
    for name in ["gone", "jumps", "well"] {
        user.add(name, &site.url(&format!("/{name}")));
    }
    user.add("new", &site.url("/new"));
    assert_eq!(list(&user.ask(&["gaps"]), "gaps").len(), 0);
    for _ in 0..2 {
        let code = user.run(&["collect", "gone", "jumps", "well"]).code;
        assert_eq!(code, 3, "one of them fails");
    }

    let health = user.ask(&["health"]);
    let told: Vec<_> = (0..4)
        .map(|place| {
            let of = |member: &str| text(&health, &format!("feeds.{place}.{member}"));
            (of("feed"), of("light"), of("freshness"))
        })
        .collect();
    let expected = [
        ("gone", "amber", "failing"),
        ("jumps", "amber", "fresh"),
        ("new", "green", "unknown"),
        ("well", "green", "fresh"),
    ];
    assert_eq!(told, expected);
    assert_eq!(text(&health, "feeds.1.reasons.0.code"), "gap");
    assert_eq!((number(&health, "counts.amber"), number(&health, "counts.green")), (2, 2));

    let shown = user.run(&["health"]);
    assert!(shown.stdout.starts_with("4 feeds: 0 red, 2 amber, 2 green"), "{}", shown.stdout);
    assert!(shown.stdout.contains("nothing is there; it never answered"), "{}", shown.stdout);
    assert!(!shown.stdout.contains("well"), "{}", shown.stdout);
    assert!(user.run(&["health", "--all"]).stdout.contains("well"));

    let gaps = user.ask(&["gaps", "jumps"]);
    assert_eq!((list(&gaps, "gaps").len(), number(&gaps, "gaps.0.items")), (1, 3));
    let (from, to) = (text(&gaps, "gaps.0.from"), text(&gaps, "gaps.0.to"));
    assert!(from < to, "{from} {to}");
    let why = text(&health, "feeds.1.reasons.0.words");
    assert!(why.starts_with("items may have been missed between "), "{why}");
}
