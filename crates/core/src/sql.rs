//! [`AskSql`]: questions in a backend's own SQL.

use std::num::NonZeroUsize;

use async_trait::async_trait;

use crate::{Json, Result};

/// What a question in SQL is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlAnswer {
    /// The names of the columns, in order.
    pub columns: Vec<String>,
    /// The rows, a value for each column; what JSON has no type for is text.
    pub rows: Vec<Vec<Json>>,
    /// There are more rows than were asked for.
    pub more: bool,
}

/// Questions in a backend's own SQL, over the views that it documents. A backend offers it by
/// [`StorageBackend::sql`](crate::StorageBackend::sql).
///
/// A question sees one state of the store and changes nothing, there or elsewhere; how that is made sure of the backend
/// says. It may read whatever the process may: it is for people who operate the store, not for strangers.
#[async_trait]
pub trait AskSql: Send + Sync {
    /// Asks one question; at most `most` rows are answered.
    ///
    /// # Errors
    /// `Invalid` for what is not one question or cannot be answered as it stands; the message says why.
    async fn ask_sql(&self, text: &str, most: NonZeroUsize) -> Result<SqlAnswer>;
}
