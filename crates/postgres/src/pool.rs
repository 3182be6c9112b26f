//! Connections, and the words that each transaction begins with.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Object, Pool as Connections};
use feedspine_core::StorageError;
use uuid::Uuid;

use crate::connection::{Connection, Connector};
use crate::error::Outcome;
use crate::locks::{LockNames, Locks};
use crate::session::{Sees, Session};
use crate::settings::Settings;

/// How long one statement may wait for a lock; the call goes on trying until its own time is up.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server keeps a transaction that nobody goes on with: a client that is gone holds no lock for longer.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

const READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;";
const WRITING: &str = "BEGIN ISOLATION LEVEL READ COMMITTED;";

/// Writers look rows up by keys, whatever the planner thinks of the tables' sizes, and plans are made without a look at
/// the values: with a look, whole arrays of contents were copied.
const BY_KEYS: &str = "SET LOCAL enable_seqscan = off;SET LOCAL enable_hashjoin = off;
    SET LOCAL enable_mergejoin = off;SET LOCAL plan_cache_mode = force_generic_plan;";

/// Long values are compressed by LZ4 where the server has it: the events of a large document took twice as long by the
/// server's own method.
const COMPRESSED: &str = "SELECT set_config('default_toast_compression', 'lz4', false) FROM pg_settings
    WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals);";

/// For what reads everything.
const ENDLESS: &str = "SET LOCAL statement_timeout = 0;SET LOCAL idle_in_transaction_session_timeout = 0;";

/// An unanswered COMMIT is asked after for a minute.
const SWEEP: &str = "DELETE FROM receipts WHERE token IN (SELECT token FROM receipts
    WHERE made_at < now() - interval '1 hour' ORDER BY made_at LIMIT 2 FOR UPDATE SKIP LOCKED);";

/// The connections of one store.
pub(crate) struct Pool {
    connections: Connections<Connector>,
    pub(crate) names: LockNames,
    /// What a transaction that writes, or else only reads, has to set where no setting may outlive it.
    writing: String,
    reading: String,
}

/// A pool, and what is to be done with its sessions.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) pool: Arc<Pool>,
    pub(crate) sees: Sees,
}

impl Deref for Access {
    type Target = Pool;

    fn deref(&self) -> &Pool {
        &self.pool
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("status", &self.connections.status()).finish_non_exhaustive()
    }
}

impl Pool {
    /// Makes a pool; connects to nothing yet.
    pub(crate) fn new(settings: &Settings) -> Result<Self, StorageError> {
        let set = |scope: &str| {
            format!(
                "SET {scope} search_path TO {}, pg_temp;SET {scope} statement_timeout = {};
                 SET {scope} idle_in_transaction_session_timeout = {};SET {scope} lock_timeout = {};
                 SET {scope} jit = off;",
                settings.schema.as_str(),
                settings.statement.as_millis(),
                IDLE_TIMEOUT.as_millis(),
                LOCK_TIMEOUT.as_millis(),
            )
        };
        let connector = Connector::new(settings, [set("SESSION"), durable("false"), COMPRESSED.to_owned()].concat())?;
        let connections = Connections::builder(connector)
            .max_size(settings.pool_size)
            .wait_timeout(Some(settings.acquire))
            .create_timeout(settings.config.get_connect_timeout().copied())
            .recycle_timeout(Some(settings.acquire))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StorageError::internal("the connection pool cannot be made").with_source(error))?;
        // Every setting ends with its transaction: a connection may be another one at the next (PgBouncer).
        let (reading, writing) = (set("LOCAL"), [set("LOCAL"), durable("true")].concat());
        Ok(Self { connections, names: LockNames::new(settings.schema.clone()), writing, reading })
    }

    /// A session whose transaction begins with these words, and goes on with those settings unless they are made.
    async fn session(&self, mode: &str, settings: &str, then: &str, sees: Sees) -> Outcome<Session> {
        let connection = self.connections.get().await?;
        let settings = if connection.has_settings() { "" } else { settings };
        let prologue = [mode, settings, then].concat();
        Ok(Session::new(connection, prologue, sees))
    }

    /// A session that only reads, in one snapshot.
    pub(crate) async fn reading(&self, sees: Sees) -> Outcome<Session> {
        self.session(READING, &self.reading, "", sees).await
    }

    /// A session that writes once it holds these locks, leaving a receipt of that number if one is given.
    pub(crate) async fn writing(&self, locks: &Locks, receipt: Option<Uuid>, sees: Sees) -> Outcome<Session> {
        // 32 hexadecimal digits made here. Whoever leaves one takes two away that nobody will ask for any more.
        let leave = |receipt: Uuid| format!("INSERT INTO receipts (token) VALUES ('{receipt}');{SWEEP}");
        let then = [BY_KEYS, &locks.statements(), &receipt.map(leave).unwrap_or_default()].concat();
        self.session(WRITING, &self.writing, &then, sees).await
    }

    /// A session that may change the schema, alone in the store.
    pub(crate) async fn migrating(&self) -> Outcome<Session> {
        // A large store takes its time; nobody else can use it meanwhile anyway.
        let then =
            format!("{BY_KEYS}SET LOCAL statement_timeout = 0;SELECT pg_advisory_xact_lock({});", self.names.store());
        Ok(self.session(WRITING, &self.writing, &then, Sees::All).await?.keeping_nothing())
    }

    /// A session for the care of the store, which is never committed: what it makes to compare with is gone with it.
    pub(crate) async fn caring(&self) -> Outcome<Session> {
        // A check reads everything: only a lock may not be waited for without end.
        Ok(self.session(WRITING, &self.writing, ENDLESS, Sees::All).await?.keeping_nothing())
    }

    /// A session that reads everything, in one snapshot, for as long as it takes.
    pub(crate) async fn exporting(&self) -> Outcome<Session> {
        Ok(self.session(READING, &self.reading, ENDLESS, Sees::Whole).await?.keeping_nothing())
    }

    /// A connection for what may not be part of a transaction, and takes its time. It is closed afterwards.
    pub(crate) async fn apart(&self) -> Outcome<Connection> {
        let connection = Object::take(self.connections.get().await?);
        if connection.has_settings() {
            connection.batch_execute("SET statement_timeout = 0;SET lock_timeout = 0").await?;
        }
        Ok(connection)
    }

    /// Lets go of all connections as they become free.
    pub(crate) fn close(&self) {
        self.connections.close();
    }
}

/// What is acknowledged is on disk: a server that would answer earlier is told not to, for a transaction or for good. Any
/// other answer is held fast too, so that no later change of the server's settings is followed.
fn durable(local: &str) -> String {
    let set = "current_setting('synchronous_commit')";
    format!("SELECT set_config('synchronous_commit', CASE {set} WHEN 'off' THEN 'on' ELSE {set} END, {local});")
}

#[cfg(test)]
mod tests {
    use feedspine_cluster::Cluster;
    use tokio_postgres::NoTls;

    use super::*;

    /// A pool at that port of the cluster, and what the server says of the connection after a question.
    async fn asked(cluster: &Cluster, port: u16, wish: &str, question: &str) -> String {
        let url = format!("{}?pool_size=1{wish}", cluster.url_at(port));
        let pool = Pool::new(&Settings::from_url(&url).unwrap()).unwrap();
        for _ in 0..2 {
            let session = pool.reading(Sees::All).await.unwrap();
            session.query("SELECT 1", &[]).await.unwrap();
            session.end();
        }
        let session = pool.reading(Sees::All).await.unwrap();
        let answer = session.query(question, &[]).await.unwrap()[0].get(0);
        session.end();
        answer
    }

    #[tokio::test]
    async fn statements_are_kept_where_nothing_stands_between() {
        if !feedspine_cluster::has_server() || !feedspine_cluster::has_pooler() {
            return feedspine_cluster::skip("PostgreSQL's server or PgBouncer is not installed");
        }
        let cluster = Cluster::start().unwrap();
        let pooler = cluster.pooler().unwrap();
        // That of the question itself is one of them.
        let kept = "SELECT count(*)::text FROM pg_prepared_statements";
        assert_eq!(asked(&cluster, pooler.port(), "", kept).await, "0");
        assert_eq!(asked(&cluster, cluster.port(), "", kept).await, "2");
        assert_eq!(asked(&cluster, cluster.port(), "&prepared=on", kept).await, "2");
        assert_eq!(asked(&cluster, cluster.port(), "&prepared=off", kept).await, "0");
    }

    #[tokio::test]
    async fn every_transaction_has_its_limits_of_time() {
        if !feedspine_cluster::has_server() || !feedspine_cluster::has_pooler() {
            return feedspine_cluster::skip("PostgreSQL's server or PgBouncer is not installed");
        }
        let cluster = Cluster::start().unwrap();
        let pooler = cluster.pooler().unwrap();
        let limits = "SELECT concat_ws(' ', current_setting('idle_in_transaction_session_timeout'),
            current_setting('statement_timeout'), current_setting('lock_timeout'))";
        for port in [pooler.port(), cluster.port()] {
            assert_eq!(asked(&cluster, port, "", limits).await, "30s 30s 10s");
            assert_eq!(asked(&cluster, port, "&statement_timeout=7", limits).await, "30s 7s 10s");
            let settings = Settings::from_url(&format!("{}?pool_size=1", cluster.url_at(port))).unwrap();
            let pool = Pool::new(&settings).unwrap();
            let session = pool.writing(&Locks::whole_store(&pool.names), None, Sees::All).await.unwrap();
            let answer: String = session.query(limits, &[]).await.unwrap()[0].get(0);
            session.end();
            assert_eq!(answer, "30s 30s 10s", "of one that writes");
        }
    }

    #[tokio::test]
    async fn no_later_setting_of_the_server_lets_it_answer_early() {
        if !feedspine_cluster::has_server() {
            return feedspine_cluster::skip("PostgreSQL's server is not installed");
        }
        let cluster = Cluster::start().unwrap();
        let settings = Settings::from_url(&format!("{}?pool_size=1", cluster.url())).unwrap();
        let pool = Pool::new(&settings).unwrap();
        let shown = async || {
            let session = pool.reading(Sees::All).await.unwrap();
            let rows = session.query("SHOW synchronous_commit", &[]).await.unwrap();
            session.end();
            rows[0].get::<_, String>(0)
        };
        assert_eq!(shown().await, "on");
        let change = "ALTER SYSTEM SET synchronous_commit = off";
        let stranger = async || {
            let (client, connection) = tokio_postgres::connect(&cluster.url(), NoTls).await.unwrap();
            tokio::spawn(connection);
            client
        };
        stranger().await.batch_execute(change).await.unwrap();
        stranger().await.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        // The server reads its settings in its own time.
        let is_off = async || {
            let row = stranger().await.query_one("SHOW synchronous_commit", &[]).await.unwrap();
            row.get::<_, &str>(0) == "off"
        };
        while !is_off().await {}
        assert_eq!(shown().await, "on");
    }
}
