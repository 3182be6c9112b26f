//! The command line on a DuckDB store: `cargo xtask test --duckdb` runs this.

#[expect(dead_code, reason = "shared with the tests of the ordinary binary")]
#[path = "cli/site.rs"]
mod site;
#[path = "cli/stories.rs"]
mod stories;
#[path = "cli/support.rs"]
#[expect(dead_code, reason = "shared with the tests of the ordinary binary, which use more of it")]
mod support;

use std::path::Path;

use feedspine::core::Json;
use support::{Ran, User};

const FEED: &str = "<rss version=\"2.0\"><channel><title>T</title>\
    <item><guid isPermaLink=\"false\">1</guid><title>One</title></item>\
    <item><guid isPermaLink=\"false\">2</guid><title>Two</title></item></channel></rss>";

/// Written by DuckDB's own `COPY (SELECT '1' AS key, 5::UTINYINT AS stars UNION ALL SELECT '2', 3) TO …`.
const STARS: &[u8] = include_bytes!("fixtures/stars.parquet");

/// A user with a feed of two items in `store.duckdb`.
fn user() -> User {
    let user = User::new();
    let file = user.file("feed.xml", FEED);
    ask(&user, &["add", file.to_str().expect("UTF-8"), "--name", "news"]);
    ask(&user, &["collect"]);
    user
}

/// Runs a command on that store, which has to work.
fn ask(user: &User, words: &[&str]) -> Ran {
    let ran = user.run(&[words, &["--db", "duckdb:store.duckdb"]].concat());
    assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
    ran
}

fn rows(answer: &Ran) -> String {
    answer.json().get("rows").map(Json::to_canonical).unwrap_or_default()
}

#[test]
fn a_feed_is_collected_into_a_duckdb_file_and_asked_in_sql() {
    let user = user();
    let listed = ask(&user, &["list", "--json"]).json();
    assert!(matches!(listed.get("items"), Some(Json::Array(items)) if items.len() == 2), "{listed}");
    let asked = ask(&user, &["sql", "SELECT key, content->>'$.title' AS title FROM records ORDER BY key"]);
    assert_eq!(asked.stdout, "key  title\n1    One\n2    Two\n");
    let figures = ask(&user, &["sql", "--json", "SELECT kind, count(*) FROM changes GROUP BY kind"]);
    assert_eq!(rows(&figures), r#"[["new",2]]"#);
    let refused = user.run(&["sql", "DELETE FROM _versions", "--db", "duckdb:store.duckdb"]);
    assert_eq!(refused.code, 2, "{refused:?}");
}

#[test]
fn records_are_joined_with_parquet_files_and_columns_of_equal_names_are_numbered() {
    let user = user();
    user.file("lake/a/stars.parquet", STARS);
    user.file("lake/b/stars.parquet", STARS);
    let sql = "SELECT s.key, stars, r.key FROM 'lake/a/stars.parquet' s JOIN records r ON r.key = s.key ORDER BY ALL";
    assert_eq!(ask(&user, &["sql", sql]).stdout, "key  stars  key_1\n1    5      1\n2    3      2\n");
    let joined = ask(&user, &["sql", "--json", sql]);
    assert_eq!(joined.json().get("columns").map(Json::to_canonical).as_deref(), Some(r#"["key","stars","key_1"]"#));
    assert_eq!(rows(&joined), r#"[["1",5,"1"],["2",3,"2"]]"#);
    let every_column = ask(&user, &["sql", "--json", "SELECT * FROM records r JOIN versions v ON v.record = r.id"]);
    assert!(matches!(every_column.json().get("rows"), Some(Json::Array(rows)) if rows.len() == 2), "{every_column:?}");
    let globbed = ask(&user, &["sql", "--json", "SELECT count(*), sum(stars) FROM 'lake/*/*.parquet'"]);
    assert_eq!(rows(&globbed), "[[4,16]]");
    let missing = user.run(&["sql", "SELECT * FROM 'none.parquet'", "--db", "duckdb:store.duckdb"]);
    assert!(missing.code == 2 && missing.stderr.contains("none.parquet"), "{missing:?}");
}

#[test]
fn the_question_of_the_guide_tells_how_far_lists_of_filings_lag_behind_one_another() {
    let user = User::new();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate is two folders below the top");
    let guide = std::fs::read_to_string(top.join("docs/guides/adapters.md")).expect("the guide is there");
    let begin = guide.find("    SELECT key, feed").expect("the guide has the question");
    let sql: String = guide[begin..].lines().take_while(|line| !line.is_empty()).collect();
    for (name, file, list) in
        [("current", "current.xml", "list=current"), ("index", "master.20261124.idx", "list=index")]
    {
        let file = top.join("examples/feeds/edgar").join(file);
        ask(&user, &["add", file.to_str().expect("UTF-8"), "--name", name, "--adapter", "edgar", "-o", list]);
        ask(&user, &["collect", name]);
    }
    let answer = ask(&user, &["sql", "--json", &sql]).json();
    let Some(Json::Array(rows)) = answer.get("rows") else { panic!("{answer}") };
    let cell = |row: usize, column: usize| match &rows[row] {
        Json::Array(cells) => &cells[column],
        other => panic!("{other}"),
    };
    let keys: Vec<&str> = (0..rows.len()).map(|row| cell(row, 0).as_str().expect("a key")).collect();
    let twice = ["0009000007-26-000012", "0009000009-26-000041"];
    assert_eq!(keys, [twice[0], twice[0], "0009000008-26-000003", twice[1], twice[1]], "{answer}");
    let behind = |row: usize| cell(row, 3).to_canonical().parse::<f64>().expect("a number of seconds");
    assert!(behind(1) > behind(0) && behind(4) > behind(3), "{answer}");
}

/// A user whose configuration names a file of DuckDB.
fn user_of_duckdb() -> User {
    let user = User::new();
    let url = format!("duckdb:{}", user.home().join("store.duckdb").display());
    user.file(".config/feedspine/config.toml", format!("db = {url:?}\n"));
    user
}

#[test]
fn four_lists_of_edgar_give_one_record_a_filing() {
    stories::filings_of_four_lists(&user_of_duckdb());
}

#[test]
fn other_keys_are_given_when_that_is_said() {
    stories::other_keys(&user_of_duckdb());
}

#[test]
fn lines_that_were_rejected_pass_later() {
    stories::lines_that_pass_later(&user_of_duckdb());
}

#[test]
fn a_store_is_told_checked_verified_compacted_and_copied() {
    let user = user();
    let told = ask(&user, &["db", "info"]).stdout;
    assert!(told.contains("duckdb") && told.contains("_versions"), "{told}");
    assert!(ask(&user, &["db", "check"]).stdout.ends_with("sound\n"));
    let compacted = ask(&user, &["db", "compact", "--json"]).json();
    let bytes = |name: &str| compacted.get(name).map(Json::to_canonical).and_then(|text| text.parse::<u64>().ok());
    assert!(bytes("bytes_after") <= bytes("bytes_before") && bytes("bytes_after") > Some(0), "{compacted}");
    ask(&user, &["db", "verify"]);
    let copied = user.run(&["db", "copy", "duckdb:store.duckdb", "sqlite:copy.db"]);
    assert_eq!(copied.code, 0, "{copied:?}");
    let listed = user.run(&["list", "--json", "--db", "sqlite:copy.db"]).json();
    assert!(matches!(listed.get("items"), Some(Json::Array(items)) if items.len() == 2), "{listed}");
}

#[test]
fn what_is_wrong_with_a_file_is_told_by_its_name_and_left_as_it_is() {
    let user = user();
    let whole = std::fs::read(user.home().join("store.duckdb")).expect("the store is there");
    let cut = &whole[..whole.len() / 3];
    let flipped: Vec<u8> =
        whole.iter().enumerate().map(|(place, byte)| if place == 300_000 { !byte } else { *byte }).collect();
    for (what, held) in
        [("cut", cut), ("flipped", &flipped), ("text", "not a database at all ".repeat(9_999).as_bytes())]
    {
        let name = format!("{what}.duckdb");
        let file = user.file(&name, held);
        let checked = user.run(&["db", "check", "--db", &format!("duckdb:{name}")]);
        assert!(checked.code == 1, "{what}: {checked:?}");
        let said = format!("{}{}", checked.stdout, checked.stderr);
        assert!(said.contains(&name) || said.contains("fault"), "{what}: {checked:?}");
        assert!(!said.contains("panicked"), "{what}: {checked:?}");
        assert!(std::fs::read(&file).expect("it is there") == held, "{what}: the file was changed");
    }
    let missing = user.run(&["db", "check", "--db", "duckdb:none/none.duckdb"]);
    assert!(missing.code != 0 && missing.stderr.contains("none.duckdb"), "{missing:?}");
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
