//! Questions in SQL: over the views, over Parquet, and never anything but questions.

use std::num::NonZeroUsize;

use duckdb::Connection;
use feedspine_core::{AskSql, ErrorKind, StorageBackend, StorageError};
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
async fn records_are_joined_with_a_parquet_file() {
    let place = TempDir::new().unwrap();
    let store = store(&place).await;
    let file = place.path().join("notes.parquet");
    let write = format!("COPY (SELECT 'a' AS key, 7::BIGINT AS stars) TO '{}'", file.display());
    Connection::open_in_memory().unwrap().execute_batch(&write).unwrap();
    let joined =
        format!("SELECT r.content->>'$.title', n.stars FROM records r JOIN '{}' n USING (key)", file.display());
    assert_eq!(asked(&store, &joined).await, [r#"["first",7]"#]);
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
