//! What only a real server shows: refusals, the order of transactions, values that arrays and SQL could trip over.

#![expect(clippy::unwrap_used, reason = "a test without a harness: a panic is its failure")]

mod story;
mod support;

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use feedspine_core::ingest::{Candidate, Coverage, IngestBatch, Reject};
use feedspine_core::transfer::{Progress, Transfer as _, import_unfinished};
use feedspine_core::{
    Applied, ChangeKind, ErrorKind, FeedId, Field, Filter, Order, PageRequest, Query, RecordRef, Selection, Seq,
    StateStore, StorageBackend, StorageExt, Test,
};
use feedspine_postgres::PostgresStore;
use libtest_mimic::{Arguments, Failed, Trial};
use story::{item, item_of, key, snapshot};
use support::{Place, Server};
use tokio_postgres::{Client, NoTls};

fn main() -> ExitCode {
    support::with_server("server", |server| {
        let trials = vec![
            trial(&server, "a_small_transaction_id_that_commits_late_is_not_skipped", late_commit),
            trial(&server, "whoever_commits_finds_its_changes_though_others_run", own_changes),
            trial(&server, "a_schema_of_another_program_is_refused", foreign_schema),
            trial(&server, "a_newer_schema_is_refused_and_left_alone", newer_schema),
            trial(&server, "a_store_that_is_migrated_while_it_is_open_asks_for_a_newer_program", newer_while_open),
            trial(&server, "a_role_without_rights_is_denied", no_rights),
            trial(&server, "a_database_that_is_not_there_is_denied", no_database),
            trial(&server, "a_server_that_is_not_there_is_unavailable_at_once", no_server),
            trial(&server, "a_store_that_came_to_another_cluster_goes_on_in_a_new_epoch", new_epoch),
            trial(&server, "positions_of_a_log_from_before_epochs_had_tokens_go_on_in_order", old_epochs),
            trial(&server, "a_store_refuses_the_positions_of_another_restored_from_the_same_backup", siblings),
            trial(&server, "a_restored_store_refuses_the_positions_of_the_one_before", new_history),
            trial(&server, "hostile_values_come_back_as_they_were", hostile_values),
            trial(&server, "calls_that_are_dropped_leave_no_transaction_behind", dropped_calls),
            trial(&server, "when_every_connection_is_in_use_the_store_is_unavailable", busy_pool),
            trial(&server, "a_deadlock_with_strangers_is_tried_again", deadlock),
            trial(
                &server,
                "a_handle_that_was_open_before_an_import_began_is_refused_until_its_end",
                open_before_import,
            ),
            trial(&server, "records_of_large_documents_are_deleted_together", many_deletes),
            trial(&server, "a_record_that_is_captured_while_its_delete_waits_is_deleted", delete_beside_capture),
            trial(&server, "a_record_that_very_many_feeds_have_shown_is_deleted", widely_shown),
            trial(&server, "what_only_core_can_judge_is_answered_however_many_steps_it_takes", many_steps)
                .with_ignored_flag(true),
            trial(&server, "items_that_another_feed_captured_first_are_no_new_ones", known_at_first_sight),
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

async fn opened(place: &Place) -> PostgresStore {
    let store = PostgresStore::from_url(place.url()).unwrap();
    store.initialize().await.unwrap();
    store
}

/// A connection beside the store's, which finds its tables.
async fn stranger(place: &Place) -> Client {
    let (client, connection) = tokio_postgres::connect(place.server(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&format!("SET search_path TO {}", place.schema())).await.unwrap();
    client
}

/// Items that were seen, without a word of others.
fn delta(number: u32, items: Vec<Candidate>) -> IngestBatch {
    IngestBatch { coverage: Coverage::Delta, ..snapshot(number, items) }
}

/// The keys of all changes after a position, and the position of the last.
async fn keys_after(store: &PostgresStore, after: &Seq) -> (Vec<String>, Seq) {
    let (mut keys, mut last) = (Vec::new(), after.clone());
    loop {
        let found = store.changes(&last, PageRequest::first(100).limit).await.unwrap();
        let Some(end) = found.last() else { return (keys, last) };
        last = end.seq.clone();
        keys.extend(found.iter().map(|change| change.event.subject.as_ref().unwrap().key.key().to_owned()));
    }
}

const LOG: &str = "INSERT INTO changes (epoch, first, size, recorded_at, kinds, records, namespaces, keys, layers,
                                        versions, witnesses)
    VALUES (1, $1, 1, 0, '{0}', ARRAY[gen_random_uuid()], '{news}', ARRAY[$2::text], '{0}', '{1}', '{NULL}')";

/// Followers wait for the oldest transaction of the whole server: whoever holds one open has it alone.
static OLDEST: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn late_commit(place: Place) {
    let _alone = OLDEST.lock().await;
    let store = opened(&place).await;
    let mut early = stranger(&place).await;
    store.ingest(snapshot(1, vec![item("before", "x")])).await.unwrap();
    let (found, position) = keys_after(&store, &Seq::start()).await;
    assert_eq!(found, ["before"]);

    // A transaction takes its id, and another with a greater one commits first.
    let transaction = early.transaction().await.unwrap();
    transaction.execute(LOG, &[&1, &"small id, small ordinal"]).await.unwrap();
    store.ingest(delta(2, vec![item("great id", "x")])).await.unwrap();
    assert_eq!(keys_after(&store, &position).await, (Vec::new(), position.clone()), "nothing is told out of order");
    // Nor of one record: who went on from the position of this entry would skip what commits after it.
    let record = store.get_by_natural_key(&key("great id")).await.unwrap().unwrap().id;
    assert_eq!(store.changes_of(record).await.unwrap(), []);

    // It commits late, with a large ordinal.
    transaction.execute(LOG, &[&1_000_000, &"small id, large ordinal"]).await.unwrap();
    transaction.commit().await.unwrap();
    let (found, end) = keys_after(&store, &position).await;
    assert_eq!(found, ["small id, small ordinal", "small id, large ordinal", "great id"]);
    assert!(end > position);
    assert_eq!(keys_after(&store, &end).await.0, Vec::<String>::new());
    let of_record = store.changes_of(record).await.unwrap();
    assert_eq!(of_record.iter().map(|change| &change.seq).collect::<Vec<_>>(), [&end]);
}

async fn own_changes(place: Place) {
    let _alone = OLDEST.lock().await;
    let store = opened(&place).await;
    let mut other = stranger(&place).await;
    let transaction = other.transaction().await.unwrap();
    transaction.execute("SELECT pg_current_xact_id()", &[]).await.unwrap();
    store.ingest(snapshot(1, vec![item("a", "x")])).await.unwrap();
    let record = store.get_by_natural_key(&key("a")).await.unwrap().unwrap().id;
    let start = Seq::start();
    let follow = keys_after(&store, &start);
    let of_record = store.changes_of(record);
    let commit = async {
        tokio::task::yield_now().await;
        transaction.commit().await.unwrap();
    };
    let ((found, _), of_record, ()) = tokio::join!(follow, of_record, commit);
    assert_eq!((found, of_record.unwrap().len()), (vec!["a".to_owned()], 1));
}

async fn foreign_schema(place: Place) {
    let client = stranger(&place).await;
    let schema = place.schema();
    client.batch_execute(&format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.store (id int)")).await.unwrap();
    let error = PostgresStore::from_url(place.url()).unwrap().initialize().await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Corrupt, Applied::No), "{error}");
    assert!(error.to_string().contains(schema) && error.hint().is_some(), "{error}");
    let tables = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1";
    let left: i64 = client.query_one(tables, &[&schema]).await.unwrap().get(0);
    assert_eq!(left, 1, "nothing was added");
}

async fn newer_schema(place: Place) {
    opened(&place).await.close().await.unwrap();
    let client = stranger(&place).await;
    client.execute("UPDATE store SET version = 99", &[]).await.unwrap();
    let error = PostgresStore::from_url(place.url()).unwrap().initialize().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("99"), "{error}");
    let version: i32 = client.query_one("SELECT version FROM store", &[]).await.unwrap().get(0);
    assert_eq!(version, 99);
}

async fn newer_while_open(place: Place) {
    let store = opened(&place).await;
    store.ingest(snapshot(1, vec![item("a", "x")])).await.unwrap();
    let client = stranger(&place).await;
    let everything = Selection::everything();
    // What a table is called, and a column that has to be given.
    let newer = "ALTER TABLE records RENAME TO entries; ALTER TABLE ledger ADD COLUMN cost int NOT NULL DEFAULT 0;
        ALTER TABLE ledger ALTER COLUMN cost DROP DEFAULT";
    client.batch_execute(newer).await.unwrap();
    client.execute("UPDATE store SET version = 99", &[]).await.unwrap();
    let read = store.count(&everything).await.unwrap_err();
    let written = store.ingest(snapshot(2, vec![])).await.unwrap_err();
    let mut export = store.export().await.unwrap();
    let exported = loop {
        match export.next().await {
            Ok(rows) => assert!(!rows.is_empty(), "the export ended well"),
            Err(error) => break error,
        }
    };
    for error in [read, written, exported] {
        assert_eq!((error.kind(), error.applied()), (ErrorKind::Unsupported, Applied::No), "{error}");
        assert!(error.to_string().contains("99"), "{error}");
        assert_eq!(error.hint(), Some("use a newer feedspine"), "{error}");
    }
    // The same in a store that nobody migrated is not as it should be.
    client.execute("UPDATE store SET version = 1", &[]).await.unwrap();
    let error = store.count(&everything).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("backup")), "{error}");
}

async fn no_rights(place: Place) {
    let client = stranger(&place).await;
    let role = format!("role_of_{}", place.schema());
    client.batch_execute(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();
    let url = place.url().replacen("//feedspine@", &format!("//{role}@"), 1);
    let store = PostgresStore::from_url(&url).unwrap();
    let error = store.initialize().await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Denied, Applied::No), "{error}");
    // One that may read a store that is there may not write to it.
    opened(&place).await.close().await.unwrap();
    let error = PostgresStore::from_url(&url).unwrap().initialize().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    client.batch_execute(&format!("DROP ROLE {role}")).await.unwrap();
}

async fn no_database(place: Place) {
    let url = place.url().replacen("/feedspine?", "/nowhere?", 1);
    let error = PostgresStore::from_url(&url).unwrap().initialize().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert!(error.to_string().contains("nowhere"), "{error}");
}

async fn no_server(_: Place) {
    // Nobody listens on a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://me:hidden@127.0.0.1:{port}/news");
    let error = PostgresStore::from_url(&url).unwrap().initialize().await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Unavailable, Applied::No), "{error}");
    assert!(error.hint().is_some() && !format!("{error:?}").contains("hidden"), "{error:?}");
}

async fn new_epoch(place: Place) {
    let store = opened(&place).await;
    store.ingest(snapshot(1, vec![item("before", "x")])).await.unwrap();
    let (_, position) = keys_after(&store, &Seq::start()).await;
    store.close().await.unwrap();

    // As after a restore into another cluster: the log speaks of transactions that this server will come to yet.
    let client = stranger(&place).await;
    client.execute("UPDATE store SET cluster = 'elsewhere'", &[]).await.unwrap();
    client.execute("UPDATE changes SET xid = '9000000000000000000'", &[]).await.unwrap();
    let store = opened(&place).await;
    store.ingest(delta(2, vec![item("after", "x")])).await.unwrap();
    assert_eq!(keys_after(&store, &Seq::start()).await.0, ["before", "after"]);
    let (found, end) = keys_after(&store, &position).await;
    assert_eq!(found.last().map(String::as_str), Some("after"));
    assert!(end > position);
}

/// Takes away what came after schema 5.
const TO_SCHEMA_5: &str = "DROP TABLE epochs; ALTER TABLE ledger DROP COLUMN held_back;
    ALTER TABLE parts DROP COLUMN held_back; DROP TABLE control_schedules, control_leases, captures, capture_bodies;
    ALTER TABLE fetches DROP COLUMN notes, DROP COLUMN lease_host, DROP COLUMN lease_token;
    UPDATE store SET version = 5";

/// Gives the log's epoch that number and takes its token away, as an older program left it.
async fn as_of_schema_5(client: &Client, epoch: i32) {
    for statement in ["UPDATE store SET epoch = $1", "UPDATE changes SET epoch = $1"] {
        client.execute(statement, &[&epoch]).await.unwrap();
    }
    client.batch_execute(TO_SCHEMA_5).await.unwrap();
}

async fn old_epochs(place: Place) {
    let store = opened(&place).await;
    store.ingest(snapshot(1, vec![item("a", "x")])).await.unwrap();
    store.close().await.unwrap();
    let client = stranger(&place).await;
    // The last turn of a line: whatever line an older program drew next, in half of all cases it sorted before this one.
    let line = (1 << 30) + (1 << 12) - 1;
    as_of_schema_5(&client, line).await;
    let store = opened(&place).await;
    let (_, first) = keys_after(&store, &Seq::start()).await;
    assert_eq!(first.as_bytes().len(), 16, "as it was given out before");
    // As after a failover, and another.
    let mut position = first.clone();
    for (number, name) in [(2, "b"), (3, "c")] {
        client.execute("UPDATE store SET cluster = 'elsewhere'", &[]).await.unwrap();
        let store = opened(&place).await;
        store.ingest(delta(number, vec![item(name, "x")])).await.unwrap();
        let (found, end) = keys_after(&store, &position).await;
        assert_eq!(found, [name]);
        assert!(end > position);
        position = end;
    }
    assert_eq!(keys_after(&store, &first).await.0, ["b", "c"]);
    assert_eq!(keys_after(&store, &Seq::start()).await.0, ["a", "b", "c"]);
    store.close().await.unwrap();

    // One that drew a smaller line goes on behind what is there.
    client.batch_execute(TO_SCHEMA_5).await.unwrap();
    client.execute("UPDATE store SET epoch = 7", &[]).await.unwrap();
    let store = opened(&place).await;
    store.ingest(delta(4, vec![item("d", "x")])).await.unwrap();
    assert_eq!(keys_after(&store, &Seq::start()).await.0, ["a", "b", "c", "d"]);
}

async fn siblings(place: Place) {
    let store = opened(&place).await;
    store.ingest(snapshot(1, vec![item("a", "x")])).await.unwrap();
    let (_, before) = keys_after(&store, &Seq::start()).await;
    store.close().await.unwrap();
    let client = stranger(&place).await;
    let restore = "UPDATE store SET cluster = 'of the backup'";
    client.execute(restore, &[]).await.unwrap();
    let one = opened(&place).await;
    one.ingest(delta(2, vec![item("of one", "x")])).await.unwrap();
    let (_, position) = keys_after(&one, &before).await;
    one.close().await.unwrap();

    // The backup again, into the same place.
    let back = "DELETE FROM changes WHERE epoch = (SELECT epoch FROM store);
        DELETE FROM epochs WHERE number = (SELECT epoch FROM store); UPDATE store SET epoch = epoch - 1";
    client.batch_execute(back).await.unwrap();
    client.execute(restore, &[]).await.unwrap();
    let other = opened(&place).await;
    other.ingest(delta(3, vec![item("of the other", "x")])).await.unwrap();
    let error = other.changes(&position, PageRequest::first(1).limit).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert_eq!(keys_after(&other, &before).await.0, ["of the other"], "what both have in common goes on");
}

async fn new_history(place: Place) {
    let store = opened(&place).await;
    store.ingest(snapshot(1, vec![item("a", "x"), item("b", "x")])).await.unwrap();
    let (_, position) = keys_after(&store, &Seq::start()).await;
    let mut export = store.export().await.unwrap();
    let mut rows = Vec::new();
    loop {
        let some = export.next().await.unwrap();
        if some.is_empty() {
            break;
        }
        rows.extend(some);
    }
    drop(export);
    store.close().await.unwrap();
    stranger(&place).await.batch_execute(&format!("DROP SCHEMA {} CASCADE", place.schema())).await.unwrap();

    let store = opened(&place).await;
    let client = stranger(&place).await;
    // As one that an older program made, whose positions name no token.
    client.execute("UPDATE epochs SET token = 0", &[]).await.unwrap();
    assert_eq!(store.begin_import().await.unwrap(), None);
    let tokens = client.query("SELECT token FROM epochs JOIN store ON number = epoch", &[]).await.unwrap();
    assert!(tokens.len() == 1 && tokens[0].get::<_, i64>(0) != 0, "an import begins a history of its own");
    let progress = Progress { rows: rows.len() as u64, ..Progress::default() };
    store.import(rows, progress).await.unwrap();
    store.finish_import().await.unwrap();
    let error = store.changes(&position, PageRequest::first(1).limit).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.to_string().contains("restored") && error.hint().is_some(), "{error}");
    let (found, end) = keys_after(&store, &Seq::start()).await;
    assert_eq!(found, ["a", "b"]);
    // Nothing is after it, and it is a position of this log all the same.
    assert_eq!(keys_after(&store, &end).await, (Vec::new(), end));
}

/// Texts that end arrays, strings, statements or lines elsewhere.
const HOSTILE: [&str; 12] = [
    "{}",
    "{\"a\",NULL}",
    "NULL",
    "\\",
    "\"",
    "'; DROP TABLE records; --",
    "$1",
    "a,b",
    "\u{1}\u{7f}",
    "\u{FEFF}\u{202E}",
    "\u{1F5DE}\u{10FFFF}",
    "e\u{301}",
];

async fn hostile_values(place: Place) {
    let store = opened(&place).await;
    let items: Vec<_> = HOSTILE
        .iter()
        .map(|text| item_of(text, &format!("{{{}:[{0},\"\\u0000\"]}}", feedspine_core::Json::from(*text))))
        .collect();
    let reject = |ordinal: u32| Reject {
        ordinal,
        key: None,
        code: "x\0y".to_owned(),
        reason: HOSTILE.concat(),
        excerpt: "\0".to_owned(),
    };
    let rejects: Vec<_> = (100..103).map(reject).collect();
    let mut batch = snapshot(1, items.clone());
    batch.rejects.clone_from(&rejects);
    let report = store.ingest(batch).await.unwrap();
    assert_eq!((report.counts.new, report.counts.rejected), (12, 3));
    for (text, item) in HOSTILE.iter().zip(&items) {
        let record = store.get_by_natural_key(&key(text)).await.unwrap().unwrap();
        assert_eq!((record.content, record.key), (item.content.clone(), key(text)));
        for test in
            [feedspine_core::Test::Equal((*text).into()), feedspine_core::Test::In(vec![(*text).into(), "\0".into()])]
        {
            let filter = Filter::Field(feedspine_core::Field::Key, test);
            assert_eq!(store.count(&Selection { layer: None, filter }).await.unwrap(), 1, "{text:?}");
        }
    }
    let kept = store.rejects_page(story::feed(), &PageRequest::first(10)).await.unwrap().items;
    assert_eq!(kept.into_iter().map(|kept| kept.reject).collect::<Vec<_>>(), rejects);
    let all = store.query_page(&Query::new(Selection::everything(), 100)).await.unwrap();
    assert_eq!(all.items.len(), 12);
    let kinds = store.changes(&Seq::start(), PageRequest::first(100).limit).await.unwrap();
    assert!(kinds.iter().all(|change| change.event.kind == ChangeKind::New) && kinds.len() == 12);
}

async fn dropped_calls(place: Place) {
    let store = opened(&place).await;
    for number in 1..=60 {
        let call = store.ingest(delta(number, vec![item("a", &number.to_string()), item("b", "x")]));
        // Dropped after so many microseconds: at the start, on its way, or after its end.
        let _ = tokio::time::timeout(Duration::from_micros(u64::from(number) * 150), call).await;
        let everything = Selection::everything();
        let question = store.count(&everything);
        let _ = tokio::time::timeout(Duration::from_micros(u64::from(number) * 20), question).await;
    }
    // Closing waits for what goes on by itself.
    store.close().await.unwrap();
    let client = stranger(&place).await;
    let store = opened(&place).await;
    let ledger = store.observations_page(story::feed(), &PageRequest::first(100)).await.unwrap().items;
    let taken: u64 = ledger.iter().map(|observation| observation.counts.new + observation.counts.changed).sum();
    let versions: i64 = client.query_one("SELECT count(*) FROM versions", &[]).await.unwrap().get(0);
    assert_eq!(i64::try_from(taken).unwrap(), versions, "every call happened wholly or not at all");
    let idle = "SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid
                JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE a.state LIKE 'idle in transaction%' AND n.nspname = $1";
    // The server ends the sessions of closed connections in its own time; one that is in the pool it would never end.
    let gone = async { while client.query_one(idle, &[&place.schema()]).await.unwrap().get::<_, i64>(0) > 0 {} };
    let gone = tokio::time::timeout(Duration::from_secs(20), gone).await;
    assert!(gone.is_ok(), "a session is left in the middle of a transaction");
}

async fn busy_pool(place: Place) {
    opened(&place).await.close().await.unwrap();
    let url = place.url().replacen("pool_size=4", "pool_size=1&acquire_timeout=1", 1);
    let store = std::sync::Arc::new(PostgresStore::from_url(&url).unwrap());
    store.initialize().await.unwrap();
    let mut client = stranger(&place).await;
    let transaction = client.transaction().await.unwrap();
    transaction.batch_execute("LOCK TABLE records").await.unwrap();
    let waiting = std::sync::Arc::clone(&store);
    let waiting = tokio::spawn(async move { waiting.count(&Selection::everything()).await });
    // The first call has the only connection once it waits for the lock.
    let held = "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
                WHERE NOT l.granted AND c.relname = 'records' AND c.relnamespace = $1::text::regnamespace";
    while transaction.query_one(held, &[&place.schema()]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    let error = store.cursor(story::feed()).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Unavailable, Applied::No), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("pool_size")), "{error}");
    transaction.rollback().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), 0);
    assert_eq!(store.cursor(story::feed()).await.unwrap(), None, "the connection is free again");
}

async fn deadlock(place: Place) {
    let store = std::sync::Arc::new(opened(&place).await);
    store.ingest(snapshot(1, vec![item("a", "x")])).await.unwrap();
    let mut client = stranger(&place).await;
    client.batch_execute("SET deadlock_timeout = '10s'").await.unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction.batch_execute("LOCK TABLE feeds IN EXCLUSIVE MODE").await.unwrap();
    let writing = std::sync::Arc::clone(&store);
    let writing = tokio::spawn(async move { writing.ingest(snapshot(2, vec![item("a", "y")])).await });
    let waits = "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
                 WHERE NOT l.granted AND c.relname = 'feeds' AND c.relnamespace = $1::text::regnamespace";
    while transaction.query_one(waits, &[&place.schema()]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::task::yield_now().await;
    }
    // The store's transaction has written versions and waits for feeds; now this one waits for versions. The store's
    // gives way, because this one is the more patient.
    transaction.batch_execute("LOCK TABLE versions IN EXCLUSIVE MODE").await.unwrap();
    transaction.rollback().await.unwrap();
    let report = writing.await.unwrap().unwrap();
    assert_eq!(report.counts.changed, 1);
    let record = store.get_by_natural_key(&key("a")).await.unwrap().unwrap();
    assert_eq!(record.version.get(), 2);
}

async fn many_deletes(place: Place) {
    let store = opened(&place).await;
    let names: Vec<String> = (0..200).map(|number| format!("item {number}")).collect();
    let document = || names.iter().map(|name| item(name, name)).collect::<Vec<_>>();
    store.ingest(snapshot(1, document())).await.unwrap();
    let doomed: Vec<RecordRef> = names.iter().step_by(2).map(|name| RecordRef::key(key(name))).collect();
    let at = snapshot(2, vec![]).recorded_at;
    assert!(store.delete_many(&doomed, at).await.unwrap().iter().all(|gone| *gone));
    assert_eq!(store.count(&Selection::everything()).await.unwrap(), 100);
    let counts = store.ingest(snapshot(2, document())).await.unwrap().counts;
    assert_eq!((counts.new, counts.unchanged, counts.gaps), (100, 100, 0));
    let counts = store.ingest(snapshot(3, document())).await.unwrap().counts;
    assert_eq!((counts.seen, counts.unchanged), (200, 200));
}

/// The lock of the whole store, by its number.
const STORE_LOCK: &str = r"SELECT ('x' || encode(substring(sha256(convert_to('feedspine', 'UTF8') || '\x00'::bytea
    || convert_to($1, 'UTF8') || '\x00'::bytea || convert_to('store', 'UTF8') || '\x00'::bytea) FROM 1 FOR 8), 'hex'))
    ::bit(64)::bigint & 9223372036854775807";

async fn delete_beside_capture(place: Place) {
    let store = std::sync::Arc::new(opened(&place).await);
    store.ingest(snapshot(1, vec![item("a", "x"), item("b", "x")])).await.unwrap();
    let id = store.get_by_natural_key(&key("b")).await.unwrap().unwrap().id;
    let client = stranger(&place).await;
    let number: i64 = client.query_one(STORE_LOCK, &[&place.schema()]).await.unwrap().get(0);
    let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND (classid::bigint << 32 | objid::bigint) = $1";
    // A record that is not found at first, and is under the locks: by its key, and by its id.
    let by_key = (
        RecordRef::key(key("a")),
        r"UPDATE records SET key_hash = key_hash || '\x00'::bytea WHERE key = 'a'".to_owned(),
        "UPDATE records SET key_hash = substring(key_hash FROM 1 FOR 32) WHERE key = 'a'".to_owned(),
    );
    let by_id = (
        RecordRef::id(id),
        "UPDATE records SET id = gen_random_uuid() WHERE key = 'b'".to_owned(),
        format!("UPDATE records SET id = '{id}' WHERE key = 'b'"),
    );
    for (doomed, hide, show) in [by_key, by_id] {
        client.batch_execute(&hide).await.unwrap();
        client.execute("SELECT pg_advisory_lock($1)", &[&number]).await.unwrap();
        let (deleting, named) = (std::sync::Arc::clone(&store), [doomed.clone()]);
        let at = snapshot(2, vec![]).recorded_at;
        let deleting = tokio::spawn(async move { deleting.delete_many(&named, at).await });
        while client.query_one(waits, &[&number]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
        client.batch_execute(&show).await.unwrap();
        client.execute("SELECT pg_advisory_unlock($1)", &[&number]).await.unwrap();
        assert_eq!(deleting.await.unwrap().unwrap(), [true], "{doomed:?}");
    }
    assert_eq!(store.count(&Selection::everything()).await.unwrap(), 0);
}

async fn widely_shown(place: Place) {
    let store = opened(&place).await;
    store.ingest(snapshot(1, vec![item("a", "x"), item("b", "x")])).await.unwrap();
    // More than the server has room to lock.
    let show = "INSERT INTO absent (record, feed, ended)
        SELECT id, gen_random_uuid(), 'unknown' FROM records, generate_series(1, 70000) WHERE key = 'a'";
    stranger(&place).await.batch_execute(show).await.unwrap();
    let at = snapshot(2, vec![]).recorded_at;
    assert_eq!(store.delete_many(&[RecordRef::key(key("a"))], at).await.unwrap(), [true]);
    assert_eq!(store.count(&Selection::everything()).await.unwrap(), 1);
}

/// More than half a minute, which is the time of a call.
async fn many_steps(place: Place) {
    let store = opened(&place).await;
    let names: Vec<String> = (0..1_001).map(|number| format!("item {number}")).collect();
    store.ingest(snapshot(1, names.iter().map(|name| item(name, name)).collect())).await.unwrap();
    // Each look at the records takes eleven seconds, and three are needed.
    let slow = "ALTER TABLE records RENAME TO quick_records; CREATE VIEW records AS
        WITH nap AS MATERIALIZED (SELECT 1 FROM pg_sleep(11)) SELECT r.* FROM quick_records r, nap";
    stranger(&place).await.batch_execute(slow).await.unwrap();
    let filter = Filter::Field(Field::parse("content.title").unwrap(), Test::Contains("item 7".to_owned()));
    let selection = Selection { layer: None, filter };
    let order = vec![Order::parse("-content.title").unwrap()];
    let query = Query { order, ..Query::new(Selection::everything(), 1) };
    let (count, page) = tokio::join!(store.count(&selection), store.query_page(&query));
    assert_eq!(count.unwrap(), 111);
    assert_eq!(page.unwrap().items[0].key, key("item 999"));
}

async fn known_at_first_sight(place: Place) {
    let store = opened(&place).await;
    store.ingest(snapshot(1, vec![item("a", "x"), item("b", "x")])).await.unwrap();
    let other = IngestBatch { feed: FeedId::from_u128(77), ..snapshot(2, vec![item("b", "x"), item("c", "x")]) };
    let counts = store.ingest(IngestBatch { step: snapshot(1, vec![]).step, ..other }).await.unwrap().counts;
    assert_eq!((counts.new, counts.unchanged), (1, 1));
    assert_eq!(store.count(&Selection::everything()).await.unwrap(), 3);
}

async fn open_before_import(place: Place) {
    let (importing, open_before) = (opened(&place).await, opened(&place).await);
    let transfer = importing.transfer().unwrap();
    assert_eq!(transfer.begin_import().await.unwrap(), None);
    let expected = import_unfinished().to_string();
    let written = open_before.ingest(snapshot(1, vec![item("a", "x")])).await;
    assert_eq!(written.unwrap_err().to_string(), expected);
    let read = open_before.count(&Selection::everything()).await;
    assert_eq!(read.unwrap_err().to_string(), expected);
    let deleted = open_before.delete_many(&[RecordRef::key(key("a"))], snapshot(1, vec![]).recorded_at).await;
    assert_eq!(deleted.unwrap_err().to_string(), expected);
    assert_eq!(open_before.feeds().await.unwrap(), []);
    transfer.finish_import().await.unwrap();
    assert_eq!(open_before.ingest(snapshot(1, vec![item("a", "x")])).await.unwrap().counts.new, 1);
}
