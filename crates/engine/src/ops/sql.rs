//! Questions in the SQL of a store that has one.

use std::num::NonZeroUsize;

use feedspine_core::{Json, SqlAnswer};

use super::{OpError, ToJson};
use crate::Engine;

/// A question in SQL.
#[derive(Debug, Clone)]
pub struct AskInSql {
    /// One `SELECT` over the backend's views.
    pub question: String,
    /// How many rows at most.
    pub limit: NonZeroUsize,
}

impl Engine {
    /// Asks the store a question in its own SQL.
    ///
    /// # Errors
    /// `Usage` where the backend has no SQL to offer, and for what is not a question.
    pub async fn sql(&self, request: &AskInSql) -> Result<SqlAnswer, OpError> {
        let Some(sql) = self.storage().sql() else {
            let message = format!("a {} store answers no SQL", self.storage().info().name);
            return Err(OpError::usage("sql.unsupported", message)
                .with_hint("copy it into a duckdb: store, or use `feedspine list --where`"));
        };
        Ok(sql.ask_sql(&request.question, request.limit).await?)
    }
}

/// `{"columns": […], "rows": [[…], …], "more": …}`
impl ToJson for SqlAnswer {
    fn to_json(&self) -> Json {
        Json::object([
            ("columns", Json::Array(self.columns.iter().map(|name| Json::from(name.as_str())).collect())),
            ("rows", Json::Array(self.rows.iter().cloned().map(Json::Array).collect())),
            ("more", self.more.into()),
        ])
    }
}
