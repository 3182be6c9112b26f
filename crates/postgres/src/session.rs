//! [`Session`]: one connection for the time of one transaction.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::Object;
use futures_util::FutureExt;
use futures_util::future;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use crate::bind::Param;
use crate::error::{Fault, Outcome};
use crate::settings::Statements;

/// Statements that a connection keeps at most: what writes and looks up needs some 60, each filter of a list is another.
const MOST_KEPT: usize = 500;

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

/// One connection for the time of one transaction.
///
/// It begins together with its first statement, in one round trip. A connection goes back to the pool only after its
/// transaction has ended, or with its end on the way; one whose session is dropped in between is closed, and the server
/// rolls back.
pub(crate) struct Session {
    /// `None` once it has gone.
    connection: Option<Object>,
    prologue: String,
    statements: Statements,
    begun: AtomicBool,
    /// Statements whose answer nobody has waited for to the end.
    unheard: AtomicUsize,
}

impl Session {
    pub(crate) fn new(connection: Object, prologue: String, statements: Statements) -> Self {
        let (begun, unheard) = (AtomicBool::new(false), AtomicUsize::new(0));
        Self { connection: Some(connection), prologue, statements, begun, unheard }
    }

    fn connection(&self) -> &Object {
        self.connection.as_ref().expect("a session has its connection until it ends")
    }

    /// Runs a statement. Several may be under way at once, if it does not matter which of them runs first.
    pub(crate) async fn query(&self, statement: &str, values: &[Param<'_>]) -> Outcome<Vec<Row>> {
        let connection = self.connection();
        self.unheard.fetch_add(1, Ordering::Relaxed);
        let ask = self.ask(statement, values).boxed();
        let (begun, rows) = if self.begun.swap(true, Ordering::Relaxed) {
            (Ok(()), ask.await)
        } else {
            future::join(connection.batch_execute(&self.prologue).boxed(), ask).await
        };
        self.unheard.fetch_sub(1, Ordering::Relaxed);
        begun?;
        Ok(rows?)
    }

    async fn ask(&self, statement: &str, values: &[Param<'_>]) -> Result<Vec<Row>, tokio_postgres::Error> {
        let connection = self.connection();
        if self.statements == Statements::Kept && connection.statement_cache.size() < MOST_KEPT {
            let kinds: Vec<Type> = values.iter().map(|(_, kind)| kind.clone()).collect();
            let kept = connection.prepare_typed_cached(statement, &kinds).await?;
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
            && *self.begun.get_mut()
        {
            // Half-way: out of the pool, and closed.
            drop(Object::take(connection));
        }
    }
}
