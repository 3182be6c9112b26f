//! From the first feed to its removal, and nothing is kept anywhere but on the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use feedspine::core::Json;

use crate::server::Place;
use crate::site::{Reply, Site};
use crate::support::{Ran, User, list, number, rss, text};
use crate::user_of;

pub(crate) fn everything_is_kept_on_postgres_alone(place: &Place) {
    let user = user_of(place.url());
    let turn = Arc::new(AtomicUsize::new(0));
    let site = Site::start(move |_| match turn.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::ok(rss(&[("d", "Four"), ("c", "Three"), ("b", "Two"), ("a", "One")])),
        _ => Reply::ok(rss(&[("d", "Four"), ("b", "Two, edited"), ("a", "One")])),
    });
    user.add("news", &site.url("/news.xml"));
    assert_eq!(number(&user.ask(&["collect"]), "counts.new"), 4);
    let second = user.ask(&["collect"]);
    assert_eq!((number(&second, "counts.changed"), number(&second, "counts.withdrawn")), (2, 1));

    let keys = |page: &Json| list(page, "items").iter().map(|item| text(item, "key").to_owned()).collect::<Vec<_>>();
    let first = user.ask(&["list", "--order", "-key", "--limit", "3"]);
    let rest = user.ask(&["list", "--order", "-key", "--cursor", text(&first, "next")]);
    assert_eq!((keys(&first), keys(&rest)), (vec!["d".into(), "c".into(), "b".into()], vec!["a".into()]));
    assert_eq!(keys(&user.ask(&["list", "--where", "content.title~edited"])), ["b"]);
    let shown = user.ask(&["show", "b"]);
    assert_eq!((text(&shown, "record.content.title"), number(&shown, "seen.count")), ("Two, edited", 2));
    let history = user.ask(&["history", "b"]);
    let titles: Vec<&str> = list(&history, "items").iter().map(|version| text(version, "content.title")).collect();
    assert_eq!(titles, ["Two", "Two, edited"]);
    assert_eq!(list(&user.ask(&["sightings", "c"]), "items").len(), 1);

    let status = user.ask(&["status"]);
    assert_eq!((text(&status, "store.backend"), number(&status, "store.records")), ("postgres", 4));
    assert_eq!(text(&status, "feeds.0.last_fetch.detail.status"), "captured");
    assert_eq!(number(&user.ask(&["feed", "show", "news"]), "ledger.observations"), 2);
    assert_eq!(text(&user.ask(&["feed", "pause", "news"]), "status"), "paused");
    assert!(list(&user.ask(&["collect"]), "feeds").is_empty());
    assert_eq!(text(&user.ask(&["feed", "resume", "news"]), "status"), "active");
    assert_eq!(text(&user.ask(&["feed", "rename", "news", "old"]), "name"), "old");
    assert_eq!(text(&user.ask(&["feed", "rm", "old"]), "status"), "removed");
    assert!(list(&user.ask(&["feed", "list"]), "items").is_empty());
    assert_eq!(keys(&user.ask(&["list"])).len(), 4, "what was captured stays");

    let left: Vec<String> = std::fs::read_dir(user.home())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(left, [".config"], "nothing is kept beside the server");
}

pub(crate) fn a_store_is_named_in_every_way(place: &Place) {
    let user = User::new();
    let records = |ran: &Ran| {
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
        list(&ran.json(), "items").len()
    };
    let added = user.run(&["add", "https://example.org/feed.xml", "--db", place.url()]);
    assert_eq!(added.code, 0, "{added:?}");
    let flag = user.run(&["feed", "list", "--json", "--db", &place.url().replace("postgres:", "postgresql:")]);
    let variable = user.command(&["feed", "list", "--json"]).env("FEEDSPINE_DB", place.url()).output().unwrap();
    let file = user_of(place.url()).run(&["feed", "list", "--json"]);
    assert_eq!([flag, Ran::of(&variable), file].map(|ran| records(&ran)), [1, 1, 1]);
}
