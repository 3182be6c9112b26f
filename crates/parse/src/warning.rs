//! [`Warning`]: what was odd about a document, gathered so that a broken one cannot flood its report.

/// Something odd that was read all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What, in one word that never changes, such as `date.unreadable`.
    pub code: &'static str,
    /// How often.
    pub count: u32,
    /// The first of them, in a sentence.
    pub first: String,
}

/// Gathers warnings by code.
#[derive(Debug, Default)]
pub(crate) struct Warnings(Vec<Warning>);

impl Warnings {
    /// Counts one; the sentence is made only for the first of its code.
    pub(crate) fn add(&mut self, code: &'static str, sentence: impl FnOnce() -> String) {
        self.add_many(code, 1, sentence);
    }

    /// Counts several at once; none adds nothing.
    pub(crate) fn add_many(&mut self, code: &'static str, count: u32, sentence: impl FnOnce() -> String) {
        if count == 0 {
            return;
        }
        match self.0.iter_mut().find(|warning| warning.code == code) {
            Some(warning) => warning.count = warning.count.saturating_add(count),
            None => self.0.push(Warning { code, count, first: sentence() }),
        }
    }

    /// Those gathered, in the order of their first.
    pub(crate) fn into_vec(self) -> Vec<Warning> {
        self.0
    }
}
