//! What the binary does with identity, rejects and lists that overlap, whatever store its user has.

use std::path::{Path, PathBuf};

use feedspine::core::{Json, Timestamp};

use crate::site::{Reply, Site};
use crate::support::{Ran, User, at, list, members, number, text};

fn sample(name: &str) -> Vec<u8> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate is two folders below the top");
    let path: PathBuf = top.join("examples/feeds/edgar").join(name);
    std::fs::read(path).expect("the sample is there")
}

/// The samples where the SEC has such lists.
pub(crate) fn sec() -> Site {
    Site::start(|asked| match asked.path.as_str() {
        path if path.starts_with("/cgi-bin/browse-edgar?action=getcurrent") => Reply::ok(sample("current.xml")),
        "/Archives/edgar/daily-index/2026/QTR4/index.json" => Reply::ok(
            r#"{"directory":{"item":[{"name":"master.20261124.idx","last-modified":"11/24/2026 10:05:33 PM"}]}}"#,
        ),
        "/Archives/edgar/daily-index/2026/QTR4/master.20261124.idx"
        | "/Archives/edgar/full-index/2026/QTR4/master.idx" => Reply::ok(sample("master.20261124.idx")),
        "/submissions/CIK0009000007.json" => Reply::ok(sample("CIK0009000007.json")),
        _ => Reply::status(404),
    })
}

/// A user of whom the SEC may know.
pub(crate) fn run(user: &User, words: &[&str]) -> Ran {
    let agent = "Example Ltd ops@example.com";
    Ran::of(&user.command(words).env("FEEDSPINE_FETCH_USER_AGENT", agent).output().expect("the binary runs"))
}

/// Four lists give one record a filing, and the lag between them is in its sightings.
pub(crate) fn filings_of_four_lists(user: &User) {
    let site = sec();
    let lists = [
        ("current", "/cgi-bin/browse-edgar?action=getcurrent"),
        ("company", "/submissions/CIK0009000007.json"),
        ("daily", "/Archives/edgar/daily-index/2026/QTR4/"),
        ("quarter", "/Archives/edgar/full-index/2026/QTR4/master.idx"),
    ];
    for (name, path) in lists {
        let url = site.url(path);
        let added = run(user, &["add", &url, "--name", name, "--adapter", "edgar", "--allow-private"]);
        assert!(added.code == 0 && added.stdout.contains("namespace sec"), "{added:?}");
        let collected = run(user, &["collect", name]);
        assert_eq!(collected.code, 0, "{collected:?}");
    }
    let again = run(user, &["collect"]);
    assert_eq!(again.code, 0, "{again:?}");
    let filings = user.ask(&["list", "--where", "namespace=sec"]);
    assert_eq!(list(&filings, "items").len(), 3);
    assert_eq!(list(&user.ask(&["list", "--where", r#"content.form="4""#]), "items").len(), 1);
    let seen = user.ask(&["sightings", "0009000009-26-000041"]);
    assert_eq!(number(&seen, "seen.count"), 7, "the daily index is read once, each other list twice");
    let first = |name: &str| -> Timestamp {
        let mut sightings = list(&seen, "items").iter();
        let first = sightings.find(|sighting| text(sighting, "feed") == name).expect("each list was collected");
        text(first, "observed_at").parse().expect("it is an instant")
    };
    let lags: Vec<i64> = lists.iter().map(|(name, _)| first(name).micros_since(first("current"))).collect();
    assert!(lags.is_sorted() && lags[0] == 0 && lags[3] > 0, "{lags:?}");
    let versions = user.ask(&["history", "0009000009-26-000041"]);
    let parties = at(&versions, "items.0.content.parties").to_canonical();
    assert_eq!(parties, r#"[{"cik":"0009000007","role":"issuer"},{"cik":"0009000009","role":"reporting"}]"#);
    assert_eq!(text(&versions, "items.1.content.details.primaryDocument"), "xslF345X05/form4.xml");
    assert_eq!(list(&versions, "items").len(), 2);
}

/// Two items whose ids and links begin with that scheme.
pub(crate) fn document(scheme: &str) -> String {
    let item = |(day, name): (u8, &str)| {
        let address = format!("{scheme}://a.example/2026/{name}");
        format!(
            "<item><guid>{address}</guid><link>{address}</link><title>About {name}</title>\
             <pubDate>{day:02} Feb 2026 12:00:00 GMT</pubDate></item>"
        )
    };
    let items: String = [(2, "tides"), (1, "moons")].into_iter().map(item).collect();
    format!("<rss version=\"2.0\"><channel><title>Test</title>{items}</channel></rss>")
}

/// What other keys would do is said, and done only when that is said.
pub(crate) fn other_keys(user: &User) {
    let site = Site::start(|_| Reply::ok(document("http").replace("<guid>", "<guid>id-")));
    user.add("news", &site.url("/news.xml"));
    user.ask(&["collect"]);
    let before = user.ask(&["list", "--order", "key"]);
    let refused = user.run(&["feed", "set", "news", "key=link"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{refused:?}");
    for told in
        ["has 2 records", "its items get other keys", "hint: say --rekey", "nothing is changed, merged or deleted"]
    {
        assert!(refused.stderr.contains(told), "{told}: {refused:?}");
    }
    user.ask(&["collect"]);
    assert_eq!(user.ask(&["list", "--order", "key"]), before);
    let set = user.ask(&["feed", "set", "news", "key=link", "--rekey"]);
    assert_eq!(members(&set), "changed due_now feed kept outcome policy rhythm");
    assert_eq!((text(&set, "outcome"), number(&set, "kept"), text(&set, "policy.rule")), ("rekeyed", 2, "link"));
    assert_eq!(number(&user.ask(&["collect"]), "counts.new"), 2);
    let after = user.ask(&["list", "--order", "-key"]);
    let (held, all) = (list(&before, "items"), list(&after, "items"));
    assert_eq!(all.len(), 4);
    for record in held {
        assert!(all.contains(record), "{record} is not as it was");
    }
    let alias = user.ask(&["show", text(&held[0], "key")]);
    assert_eq!(at(&alias, "aliases.items.0.reasons.0"), &Json::from("id"));
    let told = user.run(&["feed", "set", "news", "volatile=comments"]);
    let expected = "news is set: keyed by link\nnews: volatile = comments\n";
    assert_eq!((told.code, told.stdout.as_str()), (0, expected), "{told:?}");
    let shown = user.run(&["feed", "show", "news"]).stdout;
    assert!(shown.contains("key rule    link, as you said"), "{shown}");
    for words in
        [&["feed", "set", "news"][..], &["feed", "set", "news", "kee=link"], &["feed", "set", "news", "namespace=x"]]
    {
        let ran = user.run(words);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains("hint: ") || ran.stderr.contains("Usage"), "{ran:?}");
    }
    assert_eq!(user.run(&["feed", "set", "nobody", "key=link"]).code, 5);
}

/// Lines that were rejected pass when the key is another, without being told again.
pub(crate) fn lines_that_pass_later(user: &User) {
    user.run(&["add", "push:orders", "-o", "key=number"]);
    let lines = user.file("lines.jsonl", "{\"number\":1}\n{\"n\":2}\n");
    let told = user.ask(&["ingest", "orders", lines.to_str().expect("UTF-8")]);
    assert_eq!((number(&told, "counts.new"), number(&told, "counts.rejected")), (1, 1));
    assert_eq!(text(&user.ask(&["rejects", "retry"]), "items.0.outcome"), "rejected");
    user.ask(&["feed", "set", "orders", "key=n", "--rekey"]);
    assert_eq!(text(&user.ask(&["rejects", "retry"]), "items.0.outcome"), "new");
    assert_eq!(text(&user.ask(&["rejects", "retry"]), "items.0.outcome"), "held");
    assert_eq!(list(&user.ask(&["list", "--where", "namespace=orders"]), "items").len(), 2);
}
