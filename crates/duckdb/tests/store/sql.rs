//! Questions in SQL: over the views, over Parquet, and never anything but questions.

use std::num::NonZeroUsize;

use duckdb::Connection;
use feedspine_core::{AskSql, ErrorKind, Json, StorageBackend, StorageError};
use feedspine_duckdb::DuckDbStore;
use tempfile::TempDir;

use crate::support::{asked, item, key, open, snapshot};

async fn store(place: &TempDir) -> DuckDbStore {
    let store = open(&place.path().join("store.duckdb")).await.expect("a store with two documents");
    store
        .ingest(snapshot(1, vec![item(0, "b", "second"), item(1, "a", "first")]))
        .await
        .expect("a store with two documents");
    store
        .ingest(snapshot(2, vec![item(0, "b", "edited"), item(1, "a", "first")]))
        .await
        .expect("a store with two documents");
    store
}

async fn refused(store: &DuckDbStore, sql: &str) -> StorageError {
    store.ask_sql(sql, NonZeroUsize::MAX).await.expect_err(sql)
}

#[tokio::test]
async fn the_views_tell_what_the_contract_tells() {
    let place = TempDir::new().unwrap();
    let store = store(&place).await;
    let records = "SELECT key, version, content->>'$.title', first_seen FROM records ORDER BY key";
    assert_eq!(
        asked(&store, records).await,
        [r#"["a",1,"first","1970-01-24 03:33:21"]"#, r#"["b",2,"edited","1970-01-24 03:33:21"]"#]
    );
    let versions = "SELECT version, is_current, content FROM versions WHERE key = 'b' ORDER BY version";
    assert_eq!(asked(&store, versions).await, [r#"[1,false,{"title":"second"}]"#, r#"[2,true,{"title":"edited"}]"#]);
    let sightings = "SELECT key, count(*), max(version) FROM sightings GROUP BY key ORDER BY key";
    assert_eq!(asked(&store, sightings).await, [r#"["a",2,1]"#, r#"["b",2,2]"#]);
    let observations = "SELECT round, coverage, new, changed, unchanged FROM observations ORDER BY round";
    assert_eq!(asked(&store, observations).await, [r#"[1,"snapshot",2,0,0]"#, r#"[2,"snapshot",0,1,1]"#]);
    assert_eq!(
        asked(&store, "SELECT seq, kind, key, layer FROM changes ORDER BY seq").await,
        [r#"[1,"new","b","bronze"]"#, r#"[2,"new","a","bronze"]"#, r#"[3,"changed","b","bronze"]"#]
    );
    assert_eq!(asked(&store, "SELECT count(*) FROM rejects").await, ["[0]"]);
    let answer = store.ask_sql("SELECT key, 1 AS one FROM records", NonZeroUsize::MIN).await.unwrap();
    assert_eq!((answer.columns, answer.rows.len(), answer.more), (vec!["key".into(), "one".into()], 1, true));
    assert_eq!(asked(&store, "SELECT 1 WHERE false; -- nothing").await, [""; 0]);
}

#[tokio::test]
async fn columns_of_equal_names_are_numbered_from_the_second_on() {
    let place = TempDir::new().unwrap();
    let store = store(&place).await;
    let columns = async |sql: &str| store.ask_sql(sql, NonZeroUsize::MIN).await.expect(sql).columns;
    assert_eq!(columns("SELECT 1 AS a, 2 AS b, 3 AS a, 4 AS A").await, ["a", "b", "a_1", "A_2"]);
    let joined = "SELECT * FROM records r JOIN versions v ON v.record = r.id AND v.version = r.version ORDER BY r.key";
    let names = columns(joined).await;
    assert!(names.iter().filter(|name| name.starts_with("key")).eq(["key", "key_rule", "key_1"]), "{names:?}");
    let found = format!("SELECT key, key_1, content_1->>'$.title' FROM ({joined}) ORDER BY key DESC");
    assert_eq!(asked(&store, &found).await, [r#"["b","b","edited"]"#, r#"["a","a","first"]"#]);
}

#[tokio::test]
async fn rows_come_in_the_order_that_was_asked_for() {
    let place = TempDir::new().unwrap();
    let store = store(&place).await;
    let asked = asked(&store, "SELECT n FROM range(5000) t(n) ORDER BY n % 7, -n").await;
    let mut right: Vec<i64> = (0..5_000).collect();
    right.sort_by_key(|n| (n % 7, -n));
    assert!(asked.iter().map(String::as_str).eq(right.iter().map(|n| format!("[{n}]")).collect::<Vec<_>>()));
    let answer =
        store.ask_sql("SELECT n FROM range(5000) t(n) ORDER BY -n", NonZeroUsize::new(2).unwrap()).await.unwrap();
    assert_eq!((answer.rows, answer.more), (vec![vec![Json::from(4_999_i64)], vec![Json::from(4_998_i64)]], true));
}

/// Writes a Parquet file by DuckDB's own COPY.
fn parquet(place: &TempDir, name: &str, rows: &str) -> String {
    let file = place.path().join(name);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let write = format!("COPY ({rows}) TO '{}' (FORMAT parquet)", file.display());
    Connection::open_in_memory().unwrap().execute_batch(&write).unwrap();
    file.display().to_string()
}

#[tokio::test]
async fn records_are_joined_with_a_parquet_file() {
    let place = TempDir::new().unwrap();
    let store = store(&place).await;
    let file = parquet(&place, "notes.parquet", "SELECT 'a' AS key, 7::BIGINT AS stars");
    let joined = format!("SELECT r.content->>'$.title', n.stars FROM records r JOIN '{file}' n USING (key)");
    assert_eq!(asked(&store, &joined).await, [r#"["first",7]"#]);
}

#[tokio::test]
async fn parquet_files_are_asked_by_name_by_list_and_by_pattern() {
    let place = TempDir::new().unwrap();
    let store = store(&place).await;
    let rows = |day: u32| {
        format!(
            "SELECT DATE '2026-11-01' + {day} AS day, 9007199254740993 + {day} AS n, NULL::VARCHAR AS nothing, [1, {day}] AS l"
        )
    };
    let files: Vec<String> =
        (0..3).map(|day| parquet(&place, &format!("lake/year=2026/{day}.parquet"), &rows(day))).collect();
    assert_eq!(
        asked(&store, &format!("SELECT day, n, nothing, l, year FROM '{}'", files[1])).await,
        [r#"["2026-11-02",9007199254740994,null,[1,1],2026]"#]
    );
    let place = place.path().join("lake").display().to_string();
    for from in [
        format!("'{place}/year=2026/*.parquet'"),
        format!("'{place}/**/*.parquet'"),
        format!("read_parquet(['{}', '{}', '{}'])", files[0], files[1], files[2]),
        format!("parquet_scan('{place}/*/*.parquet', hive_partitioning = true)"),
    ] {
        let sql = format!("SELECT count(*), sum(n), max(day) FROM {from}");
        assert_eq!(asked(&store, &sql).await, [r#"[3,27021597764222982,"2026-11-03"]"#], "{from}");
    }
    let partitioned =
        format!("SELECT DISTINCT year, filename IS NULL FROM read_parquet('{place}/*/*.parquet', filename = true)");
    assert_eq!(asked(&store, &partitioned).await, ["[2026,false]"]);
    let missing = refused(&store, &format!("SELECT * FROM '{place}/none/*.parquet'")).await;
    assert_eq!(missing.kind(), ErrorKind::Invalid, "{missing}");
    let text = format!("{place}/text.parquet");
    std::fs::write(&text, "no Parquet at all, but a text that is long enough").unwrap();
    let damaged = refused(&store, &format!("SELECT * FROM '{text}'")).await;
    assert!(matches!(damaged.kind(), ErrorKind::Invalid) && damaged.to_string().contains("text.parquet"), "{damaged}");
}

#[tokio::test]
async fn what_is_not_one_question_is_refused_and_does_nothing() {
    let place = TempDir::new().unwrap();
    let store = store(&place).await;
    let out = place.path().join("out.parquet");
    let copy = format!("COPY (SELECT 1) TO '{}'", out.display());
    for sql in [
        copy.as_str(),
        &format!("SELECT 1; {copy}"),
        &format!("SELECT 1) TO '{}'; SELECT (2", out.display()),
        "DELETE FROM _versions",
        "INSERT INTO _meta VALUES (2)",
        "DROP VIEW records",
        "ATTACH ':memory:' AS other",
        "INSTALL httpfs",
        "SET memory_limit = '2GB'",
        "SELECT 1; SELECT 2",
        &format!(
            "SELECT * FROM enable_logging('QueryLog', storage='file', storage_config={{'path':'{}'}})",
            out.display()
        ),
        "SELECT * FROM (SELECT * FROM Enable_Profiling())",
        "WITH a AS (FROM checkpoint()) SELECT * FROM a",
        "SELECT (SELECT count(*) FROM truncate_duckdb_logs())",
        "SELECT key, write_log('x', log_type := 'QueryLog') FROM records",
        "",
        "SELECT no_such_column FROM records",
        "SELECT 1/",
    ] {
        let error = refused(&store, sql).await;
        assert_eq!(error.kind(), ErrorKind::Invalid, "{sql}: {error}");
        assert!(error.hint().is_some(), "{sql}: {error}");
    }
    assert!(!out.exists());
    assert_eq!(asked(&store, "SELECT sum(n) FROM range(3) t(n), unnest([1]) u(m)").await, ["[3]"]);
    assert_eq!(asked(&store, "SELECT count(*) FROM versions").await, ["[3]"]);
    let sightings = store.seen_many(&[key("a")]).await.unwrap();
    assert_eq!(sightings[0].as_ref().map(|seen| seen.count), Some(2));
}

#[tokio::test]
async fn numbers_and_texts_are_answered_exactly() {
    let place = TempDir::new().unwrap();
    let store = store(&place).await;
    let sql = "SELECT 170141183460469231731687303715884105727::HUGEINT, 0.1::DECIMAL(3,1), NULL, 'a\"b', [1, 2], true,
               9007199254740993, DATE '2026-01-02', {'a': {'b': 'c'}}";
    assert_eq!(
        asked(&store, sql).await,
        [
            r#"[170141183460469231731687303715884105727,0.1,null,"a\"b",[1,2],true,9007199254740993,"2026-01-02",{"a":{"b":"c"}}]"#
        ]
    );
}
