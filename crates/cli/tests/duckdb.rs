//! The command line on a DuckDB store: `cargo xtask test --duckdb` runs this.

#[path = "cli/support.rs"]
#[expect(dead_code, reason = "shared with the tests of the ordinary binary, which use more of it")]
mod support;

use feedspine::core::Json;
use support::User;

const FEED: &str = "<rss version=\"2.0\"><channel><title>T</title>\
    <item><guid isPermaLink=\"false\">1</guid><title>One</title></item>\
    <item><guid isPermaLink=\"false\">2</guid><title>Two</title></item></channel></rss>";

#[test]
fn a_feed_is_collected_into_a_duckdb_file_and_asked_in_sql() {
    let user = User::new();
    let file = user.file("feed.xml", FEED);
    let db = format!("duckdb:{}", user.home().join("store.duckdb").display());
    let run = |words: &[&str]| {
        let ran = user.run(&[words, &["--db", &db]].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        ran
    };
    run(&["add", file.to_str().expect("UTF-8"), "--name", "news"]);
    run(&["collect"]);
    let listed = run(&["list", "--json"]).json();
    assert!(matches!(listed.get("items"), Some(Json::Array(items)) if items.len() == 2), "{listed}");
    let asked = run(&["sql", "SELECT key, content->>'$.title' AS title FROM records ORDER BY key"]);
    assert_eq!(asked.stdout, "key  title\n1    One\n2    Two\n");
    let figures = run(&["sql", "--json", "SELECT kind, count(*) FROM changes GROUP BY kind"]).json();
    assert_eq!(figures.get("rows").map(Json::to_canonical).as_deref(), Some(r#"[["new",2]]"#));
    let refused = user.run(&["sql", "DELETE FROM _versions", "--db", &db]);
    assert_eq!(refused.code, 2, "{refused:?}");
}

#[test]
fn a_store_without_sql_says_so() {
    let user = User::new();
    let file = user.file("feed.xml", FEED);
    user.run(&["add", file.to_str().expect("UTF-8")]);
    let refused = user.run(&["sql", "SELECT 1"]);
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("sqlite"), "{refused:?}");
}
