//! What the care of a schema tells, and what it leaves alone.

#![expect(clippy::unwrap_used, reason = "a test without a harness: a panic is its failure")]

mod story;
mod support;

use std::future::Future;
use std::process::ExitCode;

use feedspine_core::transfer::{Transfer, Verifier};
use feedspine_core::{Care, ErrorKind, Standing, StorageBackend};
use feedspine_postgres::PostgresStore;
use libtest_mimic::{Arguments, Failed, Trial};
use story::{item, snapshot};
use support::{Place, Server};
use tokio_postgres::{Client, NoTls};

fn main() -> ExitCode {
    support::with_server("care", |server| {
        let trials = vec![
            trial(&server, "looking_creates_nothing", looking),
            trial(&server, "a_store_tells_its_version_and_how_much_it_holds_while_it_is_in_use", size),
            trial(&server, "what_is_not_as_it_was_made_is_told_apart_from_what_was_added", shape),
            trial(&server, "a_role_that_may_only_read_is_told_what_was_not_checked", little_rights),
            trial(&server, "compacting_loses_nothing", compacting),
            trial(&server, "compacting_takes_longer_than_a_statement_may", long_compacting),
            trial(&server, "what_was_altered_is_found", altered),
            trial(&server, "a_store_is_removed_and_nothing_else", destroying),
            trial(&server, "a_newer_schema_is_named_and_not_touched", newer),
        ];
        libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
    })
}

fn trial<F>(server: &Server, name: &str, test: fn(Place) -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    let server = server.clone();
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.map_err(Failed::from)?.block_on(test(server.place()));
        Ok(())
    })
}

fn store(place: &Place) -> PostgresStore {
    PostgresStore::from_url(place.url()).unwrap()
}

/// A store that took one document and is open.
async fn filled(place: &Place) -> PostgresStore {
    let store = store(place);
    store.initialize().await.unwrap();
    store.ingest(snapshot(1, vec![item("a", "x"), item("b", &"long ".repeat(10_000))])).await.unwrap();
    store
}

/// A connection beside the store's, which finds its tables.
async fn stranger(place: &Place) -> Client {
    let (client, connection) = tokio_postgres::connect(place.server(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("SET search_path TO {}", place.schema())).await.unwrap();
    client
}

/// What a verification says: of the rows, and of what they do not show.
async fn faults(store: &PostgresStore) -> Vec<String> {
    let (mut export, mut verifier) = (store.export().await.unwrap(), Verifier::new());
    loop {
        match export.next().await {
            Ok(rows) if rows.is_empty() => break,
            Ok(rows) => {
                for row in &rows {
                    verifier.take(row);
                }
            }
            Err(error) => return vec![error.to_string()],
        }
    }
    let mut found = verifier.finish();
    found.extend(store.verify().await.unwrap());
    found
}

async fn altered(place: Place) {
    let store = filled(&place).await;
    let client = stranger(&place).await;
    assert_eq!(faults(&store).await, Vec::<String>::new());
    let bit = |byte: u32| format!("set_byte(it, {byte}, get_byte(it, {byte}) # 1)");
    // Each is altered, found, and put back by the same statement.
    for (table, column, other, words) in [
        ("records", "key_hash", bit(31), "it is not found by its key"),
        ("records", "published", "CASE WHEN it IS NULL THEN 7 END".to_owned(), "it is listed by another date"),
        ("records", "first_seen", "it # 1".to_owned(), "it was first seen at"),
        ("versions", "hash", bit(31), "but was stored with"),
        ("versions", "recorded_at", "it # 1".to_owned(), "it was recorded at"),
        ("manifests", "entries", bit(31), "its manifest holds it under another key"),
        ("manifests", "entries", bit(95), "it shows version 1 with hash"),
        ("ledger", "new", "it # 1".to_owned(), "seen is not new + changed"),
        ("feeds", "observations", "it # 2".to_owned(), "it counts 3 rows of ledger, but there are 1"),
        ("feeds", "size", "it # 1".to_owned(), "the size of the manifest is 3, but there are 2"),
        ("changes", "recorded_at", "it # 1".to_owned(), "a change of feed"),
    ] {
        let place = other.replace("it", column);
        let alter = format!("UPDATE {table} SET {column} = {place}");
        client.batch_execute(&alter).await.unwrap();
        let found = faults(&store).await;
        assert!(found.iter().any(|fault| fault.contains(words)), "{table}.{column}: {found:?}");
        client.batch_execute(&alter).await.unwrap();
    }
    assert_eq!(faults(&store).await, Vec::<String>::new());
}

async fn looking(place: Place) {
    let store = store(&place);
    assert_eq!(store.standing().await.unwrap(), Standing::Nothing);
    assert_eq!(store.check().await.unwrap_err().kind(), ErrorKind::Invalid);
    let made = "SELECT count(*) FROM pg_namespace WHERE nspname = $1";
    let made: i64 = stranger(&place).await.query_one(made, &[&place.schema()]).await.unwrap().get(0);
    assert_eq!(made, 0);
    stranger(&place)
        .await
        .batch_execute(&format!("CREATE SCHEMA {0}; CREATE TABLE {0}.a ()", place.schema()))
        .await
        .unwrap();
    assert_eq!(store.standing().await.unwrap_err().kind(), ErrorKind::Corrupt);
}

async fn size(place: Place) {
    let store = filled(&place).await;
    let version = store.info().schema_version;
    assert_eq!(store.standing().await.unwrap(), Standing::Store { schema_version: version });
    let size = store.size().await.unwrap();
    let table = |name: &str| size.tables.iter().find(|table| table.name == name).unwrap();
    assert_eq!((table("records").rows, table("ledger").rows), (2, 1));
    assert!(size.epoch > Some(0), "{size:?}");
    assert!(table("versions").bytes.unwrap() > 8_192 && size.bytes > table("versions").bytes.unwrap(), "{size:?}");
    let report = store.check().await.unwrap();
    assert_eq!((report.faults, report.notes), (vec![], vec![]), "{:?}", report.examined);
    assert_eq!(report.examined.len(), 4, "the role of tests may use amcheck: {:?}", report.examined);
    let left = "SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'";
    let left: i64 = stranger(&place).await.query_one(left, &[]).await.unwrap().get(0);
    assert_eq!(left, 0, "a check leaves nothing behind");
}

async fn shape(place: Place) {
    let store = filled(&place).await;
    let changes = "DROP INDEX ledger_setbacks; CREATE INDEX mine ON records (published);
        ALTER TABLE records DROP CONSTRAINT records_key_hash_key; ALTER TABLE told ALTER first DROP NOT NULL;
        CREATE OR REPLACE VIEW all_spans AS SELECT record, feed, since, until, version FROM spans;
        CREATE VIEW of_mine AS SELECT 1 AS one";
    stranger(&place).await.batch_execute(changes).await.unwrap();
    let report = store.check().await.unwrap();
    for part in ["ledger_setbacks", "records_key_hash_key", "column told.first boolean NOT NULL", "view all_spans"] {
        assert!(report.faults.iter().any(|fault| fault.contains(part)), "{part}: {report:?}");
    }
    for part in ["index CREATE INDEX mine", "view of_mine"] {
        assert!(report.notes.iter().any(|note| note.contains(part)), "{part}: {report:?}");
    }
}

async fn little_rights(place: Place) {
    filled(&place).await;
    let role = format!("reader_of_{}", place.schema());
    let client = stranger(&place).await;
    let rights = format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA {0} TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA {0} TO {role}",
        place.schema()
    );
    client.batch_execute(&rights).await.unwrap();
    let url = place.url().replacen("//feedspine@", &format!("//{role}@"), 1);
    let report = PostgresStore::from_url(&url).unwrap().check().await.unwrap();
    assert_eq!(report.faults, Vec::<String>::new());
    assert!(report.notes.iter().any(|note| note.contains("amcheck is not there")), "{report:?}");
    client.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await.unwrap();
}

async fn compacting(place: Place) {
    let store = filled(&place).await;
    let compaction = store.compact().await.unwrap();
    assert!(compaction.bytes_before > 0 && compaction.bytes_after > 0, "{compaction:?}");
    let analysed = "SELECT count(*) FROM pg_stat_all_tables WHERE schemaname = $1 AND last_vacuum IS NULL";
    let missed: i64 = stranger(&place).await.query_one(analysed, &[&place.schema()]).await.unwrap().get(0);
    assert_eq!(missed, 0);
    assert_eq!(store.size().await.unwrap().tables.iter().find(|table| table.name == "records").unwrap().rows, 2);
}

async fn long_compacting(place: Place) {
    filled(&place).await.close().await.unwrap();
    let url = format!("{}&statement_timeout=1", place.url());
    let store = PostgresStore::from_url(&url).unwrap();
    store.initialize().await.unwrap();
    let other = stranger(&place).await;
    other.batch_execute("BEGIN; LOCK TABLE versions IN SHARE UPDATE EXCLUSIVE MODE").await.unwrap();
    let slow = other.batch_execute("SELECT pg_sleep(1.5); COMMIT");
    let (released, compacted) = tokio::join!(slow, store.compact());
    released.unwrap();
    assert!(compacted.unwrap().bytes_after > 0);
}

async fn newer(place: Place) {
    filled(&place).await.close().await.unwrap();
    stranger(&place).await.execute("UPDATE store SET version = 99", &[]).await.unwrap();
    let store = store(&place);
    assert_eq!(store.standing().await.unwrap(), Standing::Store { schema_version: 99 });
    assert_eq!(store.check().await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(store.compact().await.unwrap_err().kind(), ErrorKind::Unsupported);
}

async fn destroying(place: Place) {
    filled(&place).await.close().await.unwrap();
    let neighbour = format!("{}_neighbour", place.schema());
    let client = stranger(&place).await;
    client.batch_execute(&format!("CREATE SCHEMA {neighbour}; CREATE TABLE {neighbour}.a ()")).await.unwrap();
    store(&place).destroy().await.unwrap();
    assert_eq!(store(&place).standing().await.unwrap(), Standing::Nothing);
    store(&place).destroy().await.unwrap();
    let url = place.url().replacen(place.schema(), &neighbour, 1);
    let error = PostgresStore::from_url(&url).unwrap().destroy().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    client.batch_execute(&format!("DROP TABLE {neighbour}.a; DROP SCHEMA {neighbour}")).await.unwrap();
}
