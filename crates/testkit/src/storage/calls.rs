//! [`Call`]: a write as a value, so that several stores can be told the same; [`Scope`]: all that they then say they hold.

use std::collections::BTreeMap;
use std::fmt::Debug;

use feedspine_core::transfer::Row;
use feedspine_core::{
    Applied, Change, ErrorKind, Event, FeedCursor, FeedId, IngestBatch, IngestReport, Layer, NaturalKey, Observation,
    Page, PageRequest, Quarantined, Record, RecordId, RecordRef, RecordWrite, Seen, Seq, Sighting, StorageBackend,
    StorageError, Timestamp, Version, VersionNo,
};

use crate::Verdict;
use crate::check::ensure;
use crate::script::PAGE;

/// A write of the contract, ready to be made.
#[derive(Debug, Clone)]
pub enum Call {
    /// `ingest`
    Ingest(Box<IngestBatch>),
    /// `put_many`
    Put(Vec<RecordWrite>),
    /// `delete_many`, recorded at that time.
    Delete(Vec<RecordRef>, Timestamp),
    /// `observe_many`
    Observe(Vec<Sighting>),
}

/// What came of a [`Call`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The batch was taken.
    Ingested(IngestReport),
    /// The versions that were written or held already.
    Put(Vec<VersionNo>),
    /// Which of the rows were there.
    Deleted(Vec<bool>),
    /// Which of the keys were seen for the first time.
    Observed(Vec<bool>),
    /// The call failed: texts may differ from store to store, these do not.
    Refused(ErrorKind, Applied),
}

impl Call {
    /// Makes the call.
    pub async fn make(&self, store: &dyn StorageBackend) -> Answer {
        let answer = match self.clone() {
            Self::Ingest(batch) => store.ingest(*batch).await.map(Answer::Ingested),
            Self::Put(writes) => store.put_many(writes).await.map(Answer::Put),
            Self::Delete(doomed, at) => store.delete_many(&doomed, at).await.map(Answer::Deleted),
            Self::Observe(seen) => store.observe_many(seen).await.map(Answer::Observed),
        };
        answer.unwrap_or_else(|error| Answer::refused(&error))
    }
}

impl Answer {
    /// A failure, as far as stores have to agree on it.
    pub fn refused(error: &StorageError) -> Self {
        Self::Refused(error.kind(), error.applied())
    }
}

/// The keys and feeds that some calls are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// All keys, those without a record too.
    pub keys: Vec<NaturalKey>,
    /// All feeds.
    pub feeds: Vec<FeedId>,
}

/// Everything that can be read of a store within a [`Scope`]; the change log is read with [`follow`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holdings {
    pub(crate) keys: Vec<OfKey>,
    pub(crate) feeds: Vec<OfFeed>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfKey {
    pub(crate) key: NaturalKey,
    /// One for each layer.
    pub(crate) rows: Vec<Option<Record>>,
    pub(crate) versions: Vec<Version>,
    pub(crate) sightings: Vec<Sighting>,
    pub(crate) seen: Option<Seen>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfFeed {
    pub(crate) feed: FeedId,
    pub(crate) cursor: Option<FeedCursor>,
    pub(crate) ledger: Vec<Observation>,
    pub(crate) quarantine: Vec<Quarantined>,
}

impl Scope {
    /// Reads everything. Holds for stores that fit in one page of each list.
    ///
    /// # Errors
    /// A question that failed, a list that is longer than a page, positions in the log that do not ascend.
    pub async fn read(&self, store: &dyn StorageBackend) -> Verdict<Holdings> {
        let page = PageRequest::first(PAGE);
        let wanted = |key: &NaturalKey| Layer::ALL.map(|layer| RecordRef::key(key.clone()).at(layer));
        let rows = store.get_many(&self.keys.iter().flat_map(wanted).collect::<Vec<_>>()).await?;
        let seen = store.seen_many(&self.keys).await?;
        ensure!(rows.len() == 3 * self.keys.len() && seen.len() == self.keys.len(), "not one answer for each question");
        let mut keys = Vec::new();
        for ((key, rows), seen) in self.keys.iter().zip(rows.chunks(Layer::ALL.len())).zip(seen) {
            let mut versions = Vec::new();
            for row in rows.iter().flatten() {
                versions.extend(whole(store.versions_page(row.id, row.layer, &page).await?)?);
            }
            let sightings = whole(store.sightings_page(key, &page).await?)?;
            keys.push(OfKey { key: key.clone(), rows: rows.to_vec(), versions, sightings, seen });
        }
        let mut feeds = Vec::new();
        for feed in self.feeds.iter().copied() {
            let cursor = store.cursor(feed).await?;
            let ledger = whole(store.observations_page(feed, &page).await?)?;
            let quarantine = whole(store.rejects_page(feed, &page).await?)?;
            feeds.push(OfFeed { feed, cursor, ledger, quarantine });
        }
        Ok(Holdings { keys, feeds })
    }
}

fn whole<T>(page: Page<T>) -> Verdict<Vec<T>> {
    ensure!(page.next.is_none(), "a list is longer than {PAGE}, or says so");
    Ok(page.items)
}

/// The whole change log.
pub(crate) async fn log(store: &dyn StorageBackend) -> Verdict<Vec<Change>> {
    follow(store, &Seq::start()).await
}

/// The changes after a position.
///
/// # Errors
/// A question that failed, positions that do not ascend.
pub async fn follow(store: &dyn StorageBackend, after: &Seq) -> Verdict<Vec<Change>> {
    let mut changes: Vec<Change> = Vec::new();
    loop {
        let after = changes.last().map_or(after, |last| &last.seq).clone();
        let found = store.changes(&after, PageRequest::first(PAGE).limit).await?;
        let ended = found.len() < PAGE;
        for change in found {
            let last = changes.last().map_or(&after, |last| &last.seq);
            ensure!(change.seq > *last, "positions do not ascend: {} follows {last}", change.seq);
            changes.push(change);
        }
        if ended {
            return Ok(changes);
        }
    }
}

/// What a store says happened to each of the records that these changes name, by record.
///
/// # Errors
/// A question that failed, an answer that does not end with what these changes say of the record: they are the last ones.
pub async fn happened(store: &dyn StorageBackend, changes: &[Change]) -> Verdict<Vec<(RecordId, Vec<Event>)>> {
    let mut named: BTreeMap<RecordId, Vec<&Change>> = BTreeMap::new();
    for change in changes {
        if let Some(subject) = &change.event.subject {
            named.entry(subject.record).or_default().push(change);
        }
    }
    let mut happened = Vec::new();
    for (record, last) in named {
        let found = store.changes_of(record).await?;
        let ends_so = found.len().checked_sub(last.len()).is_some_and(|rest| found[rest..].iter().eq(last));
        ensure!(ends_so, "what happened to {record} does not end as the log does: {found:#?}");
        happened.push((record, events(found)));
    }
    Ok(happened)
}

/// The first entry that is not as in `right`, and how: `None` when nothing differs.
pub fn first_difference<T: PartialEq + Debug>(what: &str, found: &[T], right: &[T]) -> Option<String> {
    let place = found.iter().zip(right).position(|(found, right)| found != right);
    let place = place.or_else(|| (found.len() != right.len()).then(|| found.len().min(right.len())))?;
    let (found, right) = (format!("{:#?}", found.get(place)), format!("{:#?}", right.get(place)));
    Some(format!("{what} differ at {place}\n{}", differing_lines(&found, &right)))
}

/// The lines between those that both texts begin and end with, and a few of the former.
fn differing_lines(found: &str, right: &str) -> String {
    const CONTEXT: usize = 6;
    let (found, right): (Vec<&str>, Vec<&str>) = (found.lines().collect(), right.lines().collect());
    let first = found.iter().zip(&right).take_while(|(found, right)| found == right).count();
    let left = found.len().min(right.len()) - first;
    let last =
        found.iter().rev().zip(right.iter().rev()).take(left).take_while(|(found, right)| found == right).count();
    let mut lines: Vec<String> =
        found[first.saturating_sub(CONTEXT)..first].iter().map(|line| format!("          {line}")).collect();
    lines.extend(found[first..found.len() - last].iter().map(|line| format!("  found:  {line}")));
    lines.extend(right[first..right.len() - last].iter().map(|line| format!("  right:  {line}")));
    lines.join("\n")
}

impl Holdings {
    /// The first thing that is not as in `right`.
    pub fn difference(&self, right: &Self) -> Option<String> {
        first_difference("keys", &self.keys, &right.keys)
            .or_else(|| first_difference("feeds", &self.feeds, &right.feeds))
    }

    /// The keys and feeds that are not as they were.
    #[must_use]
    pub fn changed_since(&self, before: &Self) -> Scope {
        let keys = self.keys.iter().filter(|now| !before.keys.contains(now)).map(|now| now.key.clone());
        let feeds = self.feeds.iter().filter(|now| !before.feeds.contains(now)).map(|now| now.feed);
        Scope { keys: keys.collect(), feeds: feeds.collect() }
    }

    /// What lies within a narrower scope.
    #[must_use]
    pub fn within(&self, scope: &Scope) -> Self {
        let keys = self.keys.iter().filter(|held| scope.keys.contains(&held.key));
        let feeds = self.feeds.iter().filter(|held| scope.feeds.contains(&held.feed));
        Self { keys: keys.cloned().collect(), feeds: feeds.cloned().collect() }
    }
}

/// The changes as events: positions are each store's own.
pub fn events(changes: Vec<Change>) -> Vec<Event> {
    changes.into_iter().map(|change| change.event).collect()
}

/// Everything that a store exports; `None` when it cannot.
///
/// # Errors
/// The export failed.
pub async fn exported(store: &dyn StorageBackend) -> Verdict<Option<Vec<Row>>> {
    let Some(transfer) = store.transfer() else { return Ok(None) };
    let (mut export, mut rows) = (transfer.export().await?, Vec::new());
    loop {
        let some = export.next().await?;
        if some.is_empty() {
            return Ok(Some(rows));
        }
        rows.extend(some);
    }
}
