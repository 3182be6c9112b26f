//! `feedspine sql`: a question in the SQL of a store that has one.

use feedspine::core::{Json, SqlAnswer};
use feedspine::ops::AskInSql;
use feedspine::{Ending, OpError};

use super::Context;
use super::words::SHORT;
use crate::arguments;
use crate::printer::{Line, Set, Style, Table, excerpt};
use crate::stores::Wanted;

pub(super) async fn run(arguments: arguments::Sql, context: Context<'_>) -> Result<Ending, OpError> {
    let request = AskInSql { question: arguments.question, limit: arguments.limit };
    let answer = context.with_engine(Wanted::Existing, async |engine| engine.sql(&request).await).await?;
    context.printer.answer(&answer, || answered(&answer, context.printer.width()));
    if answer.more {
        let more = format!("there are more rows than {}: --limit N", request.limit);
        context.printer.note(Line::of(Style::Faint, more));
    }
    Ok(Ending::Done)
}

fn answered(answer: &SqlAnswer, width: Option<usize>) -> Vec<Line> {
    let columns: Vec<(String, Set)> = answer.columns.iter().map(|name| (name.clone(), Set::Flexible)).collect();
    let mut table = Table::new(&columns);
    for row in &answer.rows {
        table.row(row.iter().map(|value| Line::from(in_brief(value, width))));
    }
    table.lines(width)
}

/// Text as it is, and nothing for null, as programs that read tables expect; on a terminal no more than fits.
fn in_brief(value: &Json, width: Option<usize>) -> String {
    let text = match value {
        Json::Null => return String::new(),
        Json::String(text) => text.clone(),
        other => other.to_canonical(),
    };
    if width.is_some() { excerpt(&text, SHORT) } else { text }
}
