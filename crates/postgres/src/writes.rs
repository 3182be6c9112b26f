//! [`Writes`]: what a unit of work writes, gathered and sent as few statements.
//!
//! A statement costs the server and this program some 20 us each before it does anything: what does not depend on one
//! another goes as the common table expressions of one.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::bind::Param;
use crate::error::Outcome;
use crate::session::Session;

/// Statements that go together at most: a document needs 14, and the protocol counts a statement's values in 16 bits.
const MOST_TOGETHER: usize = 16;

/// Statements that write, each with its values.
#[derive(Default)]
pub(crate) struct Writes<'a> {
    done: Vec<Together<'a>>,
    last: Together<'a>,
}

/// Statements that see nothing of one another and touch no row of one another.
#[derive(Default)]
struct Together<'a> {
    statements: Vec<Cow<'static, str>>,
    /// Of all of them.
    values: Vec<Param<'a>>,
    /// How many values those before each have.
    before: Vec<usize>,
}

impl<'a> Writes<'a> {
    /// Adds a statement, whose placeholders begin with `$1`.
    pub(crate) fn add(&mut self, statement: impl Into<Cow<'static, str>>, values: impl IntoIterator<Item = Param<'a>>) {
        if self.last.statements.len() == MOST_TOGETHER {
            self.then();
        }
        self.last.before.push(self.last.values.len());
        self.last.statements.push(statement.into());
        self.last.values.extend(values);
    }

    /// What follows comes after all that was added before, and sees it.
    pub(crate) fn then(&mut self) {
        if !self.last.statements.is_empty() {
            self.done.push(std::mem::take(&mut self.last));
        }
    }

    /// Does it.
    pub(crate) async fn run(mut self, session: &Session) -> Outcome<()> {
        self.then();
        for together in &self.done {
            session.execute(&together.text(), &together.values).await?;
        }
        Ok(())
    }
}

impl Together<'_> {
    /// One statement that does them all.
    fn text(&self) -> Cow<'_, str> {
        let [most @ .., last] = self.statements.as_slice() else { return "".into() };
        if most.is_empty() {
            return Cow::Borrowed(last);
        }
        let length: usize = self.statements.iter().map(|statement| statement.len() + 16).sum();
        let mut text = String::with_capacity(length);
        for (number, (statement, before)) in most.iter().zip(&self.before).enumerate() {
            let open = if number == 0 { "WITH" } else { "," };
            let _ = write!(text, "{open} w{number} AS (");
            renumber(statement, *before, &mut text);
            text.push(')');
        }
        text.push(' ');
        renumber(last, self.before[most.len()], &mut text);
        Cow::Owned(text)
    }
}

/// The statement with that much added to the number of each placeholder.
fn renumber(statement: &str, before: usize, text: &mut String) {
    let mut rest = statement;
    while let Some((head, tail)) = rest.split_once('$') {
        let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
        let (number, after) = tail.split_at(digits);
        let number: usize = number.parse().expect("a dollar sign begins a placeholder");
        text.push_str(head);
        let _ = write!(text, "${}", number + before);
        rest = after;
    }
    text.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bind::bind;

    #[test]
    fn what_goes_together_is_one_statement_with_its_own_numbers() {
        let mut writes = Writes::default();
        writes.add("INSERT INTO a VALUES ($1, $2, $1)", bind![1_i64, 2_i64]);
        writes.add("DELETE FROM b", bind![]);
        writes.add("UPDATE c SET d = $1 WHERE e = $11", (0..11_i64).map(crate::bind::bound));
        assert_eq!(
            writes.last.text(),
            "WITH w0 AS (INSERT INTO a VALUES ($1, $2, $1)), w1 AS (DELETE FROM b) UPDATE c SET d = $3 WHERE e = $13"
        );
        assert_eq!(writes.last.values.len(), 13);
    }

    #[test]
    fn very_many_statements_are_sent_some_at_a_time() {
        let mut writes = Writes::default();
        for number in 0..6_000_i64 {
            writes.add("INSERT INTO a VALUES ($1)", bind![number]);
        }
        writes.then();
        assert_eq!(writes.done.len(), 375);
        let texts: std::collections::BTreeSet<_> = writes.done.iter().map(Together::text).collect();
        assert_eq!(texts.len(), 1, "the server keeps one statement for all of them");
    }

    #[test]
    fn what_comes_after_is_a_statement_of_its_own() {
        let mut writes = Writes::default();
        writes.then();
        writes.add("DELETE FROM a WHERE b = $1", bind![1_i64]);
        writes.then();
        writes.add("DELETE FROM c WHERE d = $1", bind![1_i64]);
        writes.then();
        let texts: Vec<_> = writes.done.iter().map(Together::text).collect();
        assert_eq!(texts, ["DELETE FROM a WHERE b = $1", "DELETE FROM c WHERE d = $1"]);
    }
}
