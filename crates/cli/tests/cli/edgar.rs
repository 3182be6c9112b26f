//! The lists of EDGAR, collected from loopback by the real binary.

use std::path::{Path, PathBuf};

use feedspine::core::Timestamp;

use crate::site::{Reply, Site};
use crate::support::{Ran, User, at, list, number, text};

fn sample(name: &str) -> Vec<u8> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate is two folders below the top");
    let path: PathBuf = top.join("examples/feeds/edgar").join(name);
    std::fs::read(path).expect("the sample is there")
}

/// The samples where the SEC has such lists.
fn sec() -> Site {
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
fn run(user: &User, words: &[&str]) -> Ran {
    let agent = "Example Ltd ops@example.com";
    Ran::of(&user.command(words).env("FEEDSPINE_FETCH_USER_AGENT", agent).output().expect("the binary runs"))
}

#[test]
fn four_lists_give_one_record_a_filing_and_the_lag_between_them_is_in_its_sightings() {
    let (user, site) = (User::new(), sec());
    let lists = [
        ("current", "/cgi-bin/browse-edgar?action=getcurrent"),
        ("company", "/submissions/CIK0009000007.json"),
        ("daily", "/Archives/edgar/daily-index/2026/QTR4/"),
        ("quarter", "/Archives/edgar/full-index/2026/QTR4/master.idx"),
    ];
    for (name, path) in lists {
        let url = site.url(path);
        let added = run(&user, &["add", &url, "--name", name, "--adapter", "edgar", "--allow-private"]);
        assert!(added.code == 0 && added.stdout.contains("namespace sec"), "{added:?}");
        let collected = run(&user, &["collect", name]);
        assert_eq!(collected.code, 0, "{collected:?}");
    }
    let again = run(&user, &["collect"]);
    assert_eq!(again.code, 0, "{again:?}");
    let filings = user.ask(&["list", "--where", "namespace=sec"]);
    assert_eq!(list(&filings, "items").len(), 3);
    assert_eq!(list(&user.ask(&["list", "--where", r#"content.form="4""#]), "items").len(), 1);
    let seen = user.ask(&["sightings", "0009000009-26-000041"]);
    assert_eq!(number(&seen, "seen.count"), 7, "the daily index is read once, each other list twice");
    let first = |name: &str| -> Timestamp {
        let mut sightings = list(&seen, "items").iter();
        let first = sightings.find(|sighting| text(sighting, "feed") == name).unwrap();
        text(first, "observed_at").parse().unwrap()
    };
    let lags: Vec<i64> = lists.iter().map(|(name, _)| first(name).micros_since(first("current"))).collect();
    assert!(lags.is_sorted() && lags[0] == 0 && lags[3] > 0, "{lags:?}");
    let versions = user.ask(&["history", "0009000009-26-000041"]);
    let parties = at(&versions, "items.0.content.parties").to_canonical();
    assert_eq!(parties, r#"[{"cik":"0009000007","role":"issuer"},{"cik":"0009000009","role":"reporting"}]"#);
    assert_eq!(text(&versions, "items.1.content.details.primaryDocument"), "xslF345X05/form4.xml");
    assert_eq!(list(&versions, "items").len(), 2);
}

#[test]
fn who_does_not_say_who_asks_is_told_how_to() {
    let (user, site) = (User::new(), sec());
    let url = site.url("/submissions/CIK0009000007.json");
    assert_eq!(user.run(&["add", &url, "--name", "company", "--adapter", "edgar", "--allow-private"]).code, 0);
    let refused = user.run(&["collect"]);
    assert_eq!(refused.code, 3, "{refused:?}");
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("the SEC wants to know who asks") && said.contains("fetch.user_agent"), "{refused:?}");
    let unsure = user.run(&["add", &site.url("/filings"), "--adapter", "edgar"]);
    assert!(unsure.code == 2 && unsure.stderr.contains("current, daily, index or submissions"), "{unsure:?}");
    assert_eq!(run(&user, &["collect"]).code, 0);
}
