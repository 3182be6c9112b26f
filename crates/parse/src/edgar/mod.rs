//! The lists in which the SEC publishes what is filed with it (EDGAR): the current filings as Atom, the daily and the
//! quarterly index, the submissions of a company as JSON.
//!
//! A filing is one accession number, whichever list shows it and however many lines of the list are about it: one for
//! each company or person that has to do with it. So a list is read as a whole before its filings are given.

mod current;
mod filing;
mod folder;
mod index;
mod submissions;
mod words;

use feedspine_core::{Candidate, Reject};

pub use current::{EdgarCurrent, EdgarEntries};
pub use folder::{EdgarDay, read_edgar_days};
pub use index::EdgarIndex;
pub use submissions::{EdgarArchive, EdgarCompany, EdgarSubmissions, read_edgar_submissions};

use crate::warning::Warning;

/// Filings of one list, each once.
#[derive(Debug, Clone, Default)]
pub struct EdgarPage {
    /// The filings, in the order of the list; those of an index newest first.
    pub candidates: Vec<Candidate>,
    /// What cannot be taken.
    pub rejects: Vec<Reject>,
    /// What was odd.
    pub warnings: Vec<Warning>,
}

#[cfg(test)]
mod tests;
