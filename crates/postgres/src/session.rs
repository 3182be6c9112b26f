//! [`Session`]: one connection for the time of one transaction.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool::managed::Object;
use feedspine_core::transfer::import_unfinished;
use futures_util::FutureExt;
use futures_util::future;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::bind::Param;
use crate::connection::Connector;
use crate::error::{Fault, Outcome};
use crate::import::IS_UNFINISHED;

/// Two pieces of work of one session, their statements under way at once; if both fail, the failure that is the cause.
pub(crate) fn both<'a, A: Send + 'a, B: Send + 'a>(
    one: impl Future<Output = Outcome<A>> + Send + 'a,
    other: impl Future<Output = Outcome<B>> + Send + 'a,
) -> impl Future<Output = Outcome<(A, B)>> + Send + 'a {
    // On the heap: a dozen of these become one, and a task's stack is small.
    let joined = future::join(one.boxed(), other.boxed());
    // Both are heard out: what fails second may be heard first.
    joined.map(|outcomes| match outcomes {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(fault), Err(cause)) if fault.is_echo() => Err(cause),
        (Err(fault), _) | (_, Err(fault)) => Err(fault),
    })
}

/// Whether a session minds that an import is unfinished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sees {
    /// It is refused then: it is to see or change what a store holds.
    Whole,
    /// It is of the control plane or of the import, or asks for itself.
    All,
}

/// One connection for the time of one transaction.
///
/// It begins together with its first statement, in one round trip; a question that is one statement needs none. A connection goes back to the pool only after its
/// transaction has ended, or with its end on the way; one whose session is dropped in between is closed, and the server
/// rolls back.
pub(crate) struct Session {
    /// `None` once it has gone.
    connection: Option<Object<Connector>>,
    prologue: String,
    sees: Sees,
    /// Its statements stay on the server, if the connection keeps any.
    keeps: bool,
    begun: AtomicBool,
    /// Statements whose answer nobody has waited for to the end.
    unheard: AtomicUsize,
}

impl Session {
    pub(crate) fn new(connection: Object<Connector>, prologue: String, sees: Sees) -> Self {
        let (begun, unheard) = (AtomicBool::new(false), AtomicUsize::new(0));
        Self { connection: Some(connection), prologue, sees, keeps: true, begun, unheard }
    }

    /// The same for work that is done once, or asks the same words for other columns.
    pub(crate) fn keeping_nothing(mut self) -> Self {
        self.keeps = false;
        self
    }

    fn connection(&self) -> &Object<Connector> {
        self.connection.as_ref().expect("a session has its connection until it ends")
    }

    /// Runs a statement. Several may be under way at once, if it does not matter which of them runs first.
    pub(crate) async fn query(&self, statement: &str, values: &[Param<'_>]) -> Outcome<Vec<Row>> {
        let connection = self.connection();
        self.unheard.fetch_add(1, Ordering::Relaxed);
        let ask = self.ask(statement, values).boxed();
        let (begun, whole, rows) = if self.begun.swap(true, Ordering::Relaxed) {
            (Ok(()), Ok(()), ask.await)
        } else {
            future::join3(connection.batch_execute(&self.prologue).boxed(), self.is_whole().boxed(), ask).await
        };
        self.unheard.fetch_sub(1, Ordering::Relaxed);
        begun?;
        match (whole, rows) {
            // A statement that cannot be prepared fails before the other is run.
            (Err(fault), Err(cause)) if fault.is_echo() => Err(cause.into()),
            (Err(fault), _) => Err(fault),
            (Ok(()), rows) => Ok(rows?),
        }
    }

    /// Refuses what is to see the contents of a store that only a part of an import is in.
    async fn is_whole(&self) -> Outcome<()> {
        if self.sees == Sees::All {
            return Ok(());
        }
        let statement = format!("SELECT {IS_UNFINISHED}");
        let rows = self.ask(&statement, &[]).await?;
        let is_unfinished: bool = rows.first().map_or(Ok(false), |row| row.try_get(0))?;
        if is_unfinished { Err(import_unfinished().into()) } else { Ok(()) }
    }

    async fn ask(&self, statement: &str, values: &[Param<'_>]) -> Result<Vec<Row>, tokio_postgres::Error> {
        let connection = self.connection();
        let kept = if self.keeps { connection.kept(statement, values).await? } else { None };
        if let Some(kept) = kept {
            let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|(value, _)| &**value as _).collect();
            return connection.query(&kept, &values).await;
        }
        let values: Vec<_> = values.iter().map(|(value, kind)| (&**value as _, kind.clone())).collect();
        connection.query_typed(statement, &values).await
    }

    /// Runs a statement that gives one row at most.
    pub(crate) async fn query_opt(&self, statement: &str, values: &[Param<'_>]) -> Outcome<Option<Row>> {
        Ok(self.query(statement, values).await?.into_iter().next())
    }

    /// Runs the one statement of a question that gives one row at most, whose first column is an id. Where the
    /// connection has its settings that is one round trip: a statement is a transaction by itself.
    pub(crate) async fn query_alone(&self, statement: &str, values: &[Param<'_>]) -> Outcome<Option<Row>> {
        if self.begun.load(Ordering::Relaxed) || !self.connection().has_settings() {
            return self.query_opt(statement, values).await;
        }
        // In one snapshot with it: an import could end between what is read of it and a look for it.
        let statement =
            format!("SELECT found.*, {IS_UNFINISHED} FROM (SELECT) AS always LEFT JOIN ({statement}) AS found ON true");
        self.unheard.fetch_add(1, Ordering::Relaxed);
        let rows = self.ask(&statement, values).await;
        self.unheard.fetch_sub(1, Ordering::Relaxed);
        let Some(row) = rows?.into_iter().next() else { return Ok(None) };
        if self.sees == Sees::Whole && row.try_get(row.len() - 1)? {
            return Err(import_unfinished().into());
        }
        let is_there = row.try_get::<_, Option<uuid::Uuid>>(0)?.is_some();
        Ok(Some(row).filter(|_| is_there))
    }

    /// Runs a statement that gives nothing.
    pub(crate) async fn execute(&self, statement: &str, values: &[Param<'_>]) -> Outcome<()> {
        self.query(statement, values).await.map(drop)
    }

    /// Runs statements that hold no values.
    pub(crate) async fn batch(&self, statements: &str) -> Outcome<()> {
        let connection = self.connection();
        if !self.begun.swap(true, Ordering::Relaxed) {
            connection.batch_execute(&self.prologue).await?;
        }
        Ok(connection.batch_execute(statements).await?)
    }

    /// Commits, and waits for the answer for so long at most.
    pub(crate) async fn commit(mut self, patience: Duration) -> Outcome<()> {
        if !*self.begun.get_mut() {
            return Ok(());
        }
        match tokio::time::timeout(patience, self.connection().batch_execute("COMMIT")).await {
            Ok(Ok(())) => {
                drop(self.connection.take());
                Ok(())
            }
            Ok(Err(error)) if Fault::denies_commit(&error) => Err(Fault::Postgres(error)),
            Ok(Err(error)) => Err(Fault::Unanswered(Some(error))),
            Err(_) => Err(Fault::Unanswered(None)),
        }
    }

    /// Ends without a trace. The connection goes back with the ROLLBACK on its way, ahead of whatever comes next.
    pub(crate) fn end(mut self) {
        if *self.unheard.get_mut() > 0 {
            // Whoever came next would wait for what nobody wants any more.
            return;
        }
        if *self.begun.get_mut() {
            // Sent at the first poll; nobody waits for the answer.
            let _ = self.connection().batch_execute("ROLLBACK").now_or_never();
        }
        drop(self.connection.take());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && (*self.begun.get_mut() || *self.unheard.get_mut() > 0)
        {
            // Half-way: out of the pool, and closed.
            drop(Object::take(connection));
        }
    }
}
