//! The store as a whole, on a server.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::execute;
use crate::server::Place;
use crate::site::{Reply, Site};
use crate::support::{at, list, members, number, rss, text};
use crate::user_of;

pub(crate) fn a_store_is_looked_after(place: &Place) {
    let user = user_of(place.url());
    for words in [&["list"][..], &["db", "check"], &["db", "compact"]] {
        let ran = user.run(words);
        assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "{ran:?}");
        assert!(ran.stderr.contains("there is no store at postgres://") && ran.stderr.contains("hint: "), "{ran:?}");
    }
    let info = user.ask(&["db", "info"]);
    assert_eq!((text(&info, "standing"), text(&info, "backend")), ("nothing", "postgres"));
    let dry = user.ask(&["db", "migrate", "--dry-run"]);
    assert_eq!(text(&dry, "outcome"), "begun");
    assert_eq!(text(&user.ask(&["db", "info"]), "standing"), "nothing");
    assert_eq!(text(&user.ask(&["db", "migrate"]), "outcome"), "begun");
    assert_eq!(text(&user.ask(&["db", "migrate"]), "outcome"), "already");
    user.ask(&["add", "https://example.org/feed.xml"]);
    let info = user.ask(&["db", "info"]);
    assert_eq!(members(at(&info, "size")), "bytes epoch reclaimable_bytes tables");
    let feeds = list(&info, "size.tables").iter().find(|table| text(table, "name") == "control_feeds").unwrap();
    assert_eq!(number(feeds, "rows"), 1);
    assert!(user.run(&["db", "info"]).stdout.contains("epoch"));
    assert_eq!(at(&user.ask(&["db", "check"]), "sound").to_string(), "true");
    assert_eq!(user.run(&["db", "compact", "--dry-run"]).code, 0);
    assert!(user.run(&["db", "compact"]).stdout.starts_with("compacted: "));
}

pub(crate) fn there_and_back(place: &Place) {
    let user = user_of("sqlite:local.db");
    let turn = AtomicUsize::new(0);
    let site = Site::start(move |_| match turn.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::ok(rss(&[("a", "One"), ("b", "Two"), ("c", "Three")])),
        _ => Reply::ok(rss(&[("a", "One"), ("c", "Three, edited"), ("c", "Three, otherwise")])),
    });
    user.add("news", &site.url("/feed"));
    user.ask(&["collect"]);
    user.ask(&["collect"]);
    let exported = |db: &str| -> Vec<String> {
        let told = user.run(&["export", "--db", db]).stdout;
        let rows =
            told.lines().filter(|line| !line.starts_with(r#"{"row":"header""#) && !line.starts_with(r#"{"row":"end""#));
        rows.map(str::to_owned).collect()
    };
    let copied = user.ask(&["db", "copy", "sqlite:local.db", place.url()]);
    assert_eq!(text(&copied, "outcome"), "written");
    assert_eq!(exported("sqlite:local.db"), exported(place.url()));
    assert_eq!(at(&user.ask(&["db", "verify", "--db", place.url()]), "sound").to_string(), "true");
    assert_eq!(user.run(&["db", "backup", "news.backup", "--db", place.url()]).code, 0);
    assert_eq!(user.run(&["db", "restore", "news.backup", "--db", "sqlite:back.db"]).code, 0);
    assert_eq!(exported("sqlite:local.db"), exported("sqlite:back.db"));
}

pub(crate) fn the_kit_runs(place: &Place) {
    let user = user_of("memory:");
    let report = user.ask(&["storage", "check", place.url(), "--destroy-data", "--only", "lifecycle::"]);
    assert_eq!((number(&report, "failed"), number(&report, "passed") > 3), (0, true), "{report}");
    let report = user.ask(&["storage", "check", place.url(), "--destroy-data", "--only", "state::feeds"]);
    assert_eq!((number(&report, "failed"), number(&report, "passed") > 3), (0, true), "{report}");
    // The server of tests is shared: what is looked for are schemas that begin with this one's name.
    let beside = format!("{}_check_", &place.schema()[..place.schema().len().min(36)]);
    let none = format!(
        "DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM pg_namespace WHERE starts_with(nspname, '{beside}')
                                            OR nspname = '{}'), 'a schema is left'; END $$",
        place.schema()
    );
    execute(place, &none);
}
