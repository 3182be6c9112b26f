//! Connections, and the words that each transaction begins with.

use std::fmt;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool as Connections, RecyclingMethod, Runtime};
use feedspine_core::StorageError;
use tokio_postgres::NoTls;
use uuid::Uuid;

use crate::error::Outcome;
use crate::locks::{LockNames, Locks};
use crate::session::Session;
use crate::settings::{Settings, Statements, Transport};
use crate::tls::Verified;

/// How long one statement may wait for a lock; the call goes on trying until its own time is up.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server keeps a transaction that nobody goes on with: a client that is gone holds no lock for longer.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// An unanswered COMMIT is asked after for a minute.
const SWEEP: &str = "DELETE FROM receipts WHERE token IN (SELECT token FROM receipts
    WHERE made_at < now() - interval '1 hour' ORDER BY made_at LIMIT 2 FOR UPDATE SKIP LOCKED);";

/// The connections of one store.
pub(crate) struct Pool {
    connections: Connections,
    statements: Statements,
    pub(crate) names: LockNames,
    reading: String,
    writing: String,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("status", &self.connections.status()).finish_non_exhaustive()
    }
}

impl Pool {
    /// Makes a pool; connects to nothing yet.
    pub(crate) fn new(settings: &Settings) -> Result<Self, StorageError> {
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match &settings.transport {
            Transport::Plain => Manager::from_config(settings.config.clone(), NoTls, manager_config),
            Transport::Verified { roots } => {
                Manager::from_config(settings.config.clone(), Verified::new(roots.as_deref())?, manager_config)
            }
        };
        let connections = Connections::builder(manager)
            .max_size(settings.pool_size)
            .wait_timeout(Some(settings.acquire))
            .create_timeout(settings.config.get_connect_timeout().copied())
            .recycle_timeout(Some(settings.acquire))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| StorageError::internal("the connection pool cannot be made").with_source(error))?;
        // Every setting ends with its transaction: a connection may be another one at the next (PgBouncer).
        let common = format!(
            "SET LOCAL search_path TO {}, pg_temp;SET LOCAL statement_timeout = {};
             SET LOCAL idle_in_transaction_session_timeout = {};SET LOCAL jit = off;",
            settings.schema.as_str(),
            settings.statement.as_millis(),
            IDLE_TIMEOUT.as_millis(),
        );
        let reading = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;{common}");
        // Writers look rows up by keys, whatever the planner thinks of the tables' sizes. What is acknowledged is on
        // disk: a server that would answer earlier is told not to.
        let writing = format!(
            "BEGIN ISOLATION LEVEL READ COMMITTED;{common}SET LOCAL lock_timeout = {};SET LOCAL enable_seqscan = off;
             SET LOCAL enable_hashjoin = off;SET LOCAL enable_mergejoin = off;
             SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') = 'off';",
            LOCK_TIMEOUT.as_millis(),
        );
        Ok(Self {
            connections,
            statements: settings.statements,
            names: LockNames::new(settings.schema.clone()),
            reading,
            writing,
        })
    }

    /// A session that only reads, in one snapshot.
    pub(crate) async fn reading(&self) -> Outcome<Session> {
        Ok(Session::new(self.connections.get().await?, self.reading.clone(), self.statements))
    }

    /// A session that writes once it holds these locks, leaving a receipt of that number if one is given.
    pub(crate) async fn writing(&self, locks: &Locks, receipt: Option<Uuid>) -> Outcome<Session> {
        // 32 hexadecimal digits made here. Whoever leaves one takes two away that nobody will ask for any more.
        let leave = |receipt: Uuid| format!("INSERT INTO receipts (token) VALUES ('{receipt}');{SWEEP}");
        let prologue = [self.writing.clone(), locks.statements(), receipt.map(leave).unwrap_or_default()].concat();
        Ok(Session::new(self.connections.get().await?, prologue, self.statements))
    }

    /// A session that may change the schema, alone in the store.
    pub(crate) async fn migrating(&self) -> Outcome<Session> {
        // A large store takes its time; nobody else can use it meanwhile anyway.
        let prologue = format!(
            "{}SET LOCAL statement_timeout = 0;SELECT pg_advisory_xact_lock({});",
            self.writing,
            self.names.store()
        );
        Ok(Session::new(self.connections.get().await?, prologue, self.statements))
    }

    /// A session for the care of the store, which is never committed: what it makes to compare with is gone with it.
    pub(crate) async fn caring(&self) -> Outcome<Session> {
        // A check reads everything: only a lock may not be waited for without end.
        let prologue = format!(
            "{}SET LOCAL statement_timeout = 0;SET LOCAL idle_in_transaction_session_timeout = 0;",
            self.writing.replace("SET LOCAL enable_seqscan = off;", "")
        );
        Ok(Session::new(self.connections.get().await?, prologue, self.statements))
    }

    /// A session that reads everything, in one snapshot, for as long as it takes.
    pub(crate) async fn exporting(&self) -> Outcome<Session> {
        let prologue = format!(
            "{}SET LOCAL statement_timeout = 0;SET LOCAL idle_in_transaction_session_timeout = 0;",
            self.reading
        );
        Ok(Session::new(self.connections.get().await?, prologue, Statements::Unnamed))
    }

    /// A connection for what may not be part of a transaction.
    pub(crate) async fn connection(&self) -> Outcome<Object> {
        Ok(self.connections.get().await?)
    }

    /// Lets go of all connections as they become free.
    pub(crate) fn close(&self) {
        self.connections.close();
    }
}
