//! Feeds that are elsewhere from now on.

use crate::site::{Reply, Site};
use crate::support::{User, list, members, rss, text};

#[test]
fn a_feed_that_is_set_elsewhere_keeps_what_it_has_and_is_shown_with_where_it_was() {
    let site = Site::start(|_| Reply::ok(rss(&[("1", "one")])));
    let user = User::new();
    user.add("news", &site.url("/old?token=abc"));
    user.add("other", &site.url("/new"));
    user.ask(&["collect"]);
    let set = user.ask(&["feed", "set", "news", "--url", &site.url("/new")]);
    assert_eq!(members(&set), "due_now feed linked outcome warnings");
    assert_eq!((text(&set, "outcome"), text(&set, "linked.0")), ("moved", "other"));
    let shown = user.ask(&["feed", "show", "news"]);
    assert_eq!((text(&shown, "feed.address"), text(&shown, "linked.0")), (&*site.url("/new"), "other"));
    assert_eq!((text(&shown, "formerly.0.why"), text(&shown, "feed.namespace")), ("operator", "news"));
    for words in [&["feed", "show", "news"][..], &["explain", "news"]] {
        let told = user.run(words).stdout;
        assert!(told.contains("formerly") && told.contains("/old") && !told.contains("abc"), "{told}");
    }
    let told = user.ask(&["feed", "show", "news"]).to_string();
    assert!(!told.contains("abc"), "{told}");
    assert_eq!(list(&user.ask(&["list"]), "items").len(), 2);
    let ran = user.run(&["feed", "set", "news", "--url", "push:orders"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert_eq!(user.run(&["feed", "set", "news", "follow_moves=false"]).code, 0);
    let told = user.ask(&["feed", "show", "news"]).to_string();
    assert!(told.contains(r#""requests":{"follow_moves":false}"#), "{told}");
    assert_eq!(user.run(&["feed", "set", "news", "follow_moves=perhaps"]).code, 2);
}
