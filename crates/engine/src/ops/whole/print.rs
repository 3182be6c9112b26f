//! [`Print`]: by which two stores are told to hold the same.

use feedspine_core::transfer::{Progress, Row};
use feedspine_core::{Feed, Fetch, Schedule};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Contents, Piece};

/// The digests of a store's control plane and of its rows, as far as they were read.
#[derive(Debug, Clone, Default)]
pub(super) struct Print {
    contents: Contents,
    control: Sha256,
    rows: Sha256,
}

impl Print {
    pub(super) fn piece(&mut self, piece: &Piece) {
        match piece {
            Piece::Feed(feed) => self.feed(feed),
            Piece::Schedules(schedules) => schedules.iter().for_each(|schedule| self.schedule(schedule)),
            Piece::Fetches(fetches) => fetches.iter().for_each(|fetch| self.fetch(fetch)),
            Piece::Rows(rows) => rows.iter().for_each(|row| self.row(row)),
        }
    }

    pub(super) fn feed(&mut self, feed: &Feed) {
        self.contents.feeds += 1;
        add(&mut self.control, feed);
    }

    pub(super) fn schedule(&mut self, schedule: &Schedule) {
        self.contents.schedules += 1;
        add(&mut self.control, schedule);
    }

    pub(super) fn fetch(&mut self, fetch: &Fetch) {
        self.contents.fetches += 1;
        add(&mut self.control, fetch);
    }

    pub(super) fn row(&mut self, row: &Row) {
        self.contents.rows += 1;
        add(&mut self.rows, row);
    }

    pub(super) fn contents(&self) -> Contents {
        self.contents
    }

    /// How far the rows were read.
    pub(super) fn progress(&self) -> Progress {
        Progress { rows: self.contents.rows, digest: self.rows.clone().finalize().into() }
    }

    /// Whether both read the same.
    pub(super) fn equals(&self, other: &Self) -> bool {
        let control = |print: &Self| print.control.clone().finalize();
        self.contents == other.contents && control(self) == control(other) && self.progress() == other.progress()
    }
}

fn add(digest: &mut Sha256, entry: &impl Serialize) {
    digest.update(serde_json::to_vec(entry).expect("words and rows have a JSON form"));
    digest.update(b"\n");
}
