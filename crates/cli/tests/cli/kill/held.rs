//! [`Held`]: all that a store holds, times and ids of fetches left out, so that two runs can be compared.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use feedspine::core::{
    Counts, Feed, FetchId, FetchStatus, Layer, NaturalKey, Page, PageRequest, Query, Record, Selection, StateStore,
    StorageBackend, StorageError, Version,
};
use feedspine_sqlite::SqliteStore;

/// One sighting: the feed, its round, the namespace and key, the version shown.
type Seen = (String, u64, String, Option<u32>);

/// What a store holds.
#[derive(Debug)]
pub(super) struct Held {
    /// By namespace and key: the record without its id and times, and its versions' hashes.
    records: BTreeMap<String, (String, Vec<String>)>,
    sightings: BTreeSet<Seen>,
    /// By feed: the counts of each round.
    ledger: BTreeMap<String, Vec<Counts>>,
    /// Fetches that nobody ended.
    running: usize,
}

impl Held {
    /// Opens a store and reads all of it.
    pub(super) fn of(path: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime can be made");
        runtime.block_on(read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// How many rounds all feeds had together.
    pub(super) fn rounds(&self) -> usize {
        self.ledger.values().map(Vec::len).sum()
    }

    /// Checks that what a row of the second collect's report says is held; false for rows that are no feed's.
    pub(super) fn holds(&self, row: &str) -> bool {
        let words: Vec<&str> = row.split_whitespace().collect();
        let Some(rounds) = self.ledger.get(words[0]) else { return false };
        assert!(["captured", "unchanged"].contains(&words[1]), "{row}");
        assert_eq!(rounds.len(), 2, "{row} was reported and is lost");
        let counts = &rounds[1];
        let held = [counts.new, counts.changed, counts.unchanged, counts.withdrawn, counts.rejected];
        let reported: Vec<u64> = words[2..7].iter().map(|word| word.parse().expect("a count is a number")).collect();
        assert_eq!(reported, held, "{row}");
        true
    }

    /// Checks that a run that was disturbed and then repeated ended as a calm one: a feed that was collected before the
    /// kill has one round more, in which nothing changed.
    pub(super) fn assert_ends_like(&self, calm: &Self) {
        assert_eq!(self.records, calm.records);
        assert_eq!(self.running, 0, "fetches are left running");
        for (feed, rounds) in &self.ledger {
            assert!((2..=3).contains(&rounds.len()), "{feed} has {} rounds", rounds.len());
            assert_eq!(rounds[..], calm.ledger[feed][..rounds.len()], "{feed}");
        }
        let reached = |(feed, round, ..): &&Seen| *round <= self.ledger[feed].len() as u64;
        let expected: BTreeSet<Seen> = calm.sightings.iter().filter(reached).cloned().collect();
        assert_eq!(self.sightings, expected);
    }
}

async fn read(path: &Path) -> Result<Held, StorageError> {
    let store = SqliteStore::new(path);
    store.initialize().await?;
    store.prepare().await?;
    let mut held = Held { records: BTreeMap::new(), sightings: BTreeSet::new(), ledger: BTreeMap::new(), running: 0 };
    let mut fetches: HashMap<FetchId, (String, u64)> = HashMap::new();
    for feed in store.feeds().await? {
        held.take_ledger(&store, &feed, &mut fetches).await?;
    }
    let query = |page| Query { selection: Selection::everything(), order: Vec::new(), page };
    for record in all(async |page| store.query_page(&query(page)).await).await? {
        let versions = all(async |page| store.versions_page(record.id, Layer::Bronze, &page).await).await?;
        held.take_sightings(&store, &record.key, &fetches).await?;
        held.records.insert(record.key.to_string(), (lasting(&record), versions.iter().map(hash).collect()));
    }
    store.close().await?;
    Ok(held)
}

impl Held {
    async fn take_ledger(
        &mut self,
        store: &SqliteStore,
        feed: &Feed,
        fetches: &mut HashMap<FetchId, (String, u64)>,
    ) -> Result<(), StorageError> {
        let observations = all(async |page| store.observations_page(feed.id, &page).await).await?;
        for observation in &observations {
            let round = observation.round.expect("every observation here has a round").get();
            fetches.insert(observation.fetch, (feed.name.to_string(), round));
        }
        self.ledger.insert(feed.name.to_string(), observations.iter().map(|observation| observation.counts).collect());
        for fetch in all(async |page| store.fetches_page(feed.id, &page).await).await? {
            self.running += usize::from(fetch.detail.is_none_or(|detail| detail.status == FetchStatus::Running));
        }
        Ok(())
    }

    async fn take_sightings(
        &mut self,
        store: &SqliteStore,
        key: &NaturalKey,
        fetches: &HashMap<FetchId, (String, u64)>,
    ) -> Result<(), StorageError> {
        for sighting in all(async |page| store.sightings_page(key, &page).await).await? {
            let (feed, round) = fetches[&sighting.fetch].clone();
            let version = sighting.version.map(feedspine::core::VersionNo::get);
            assert!(self.sightings.insert((feed, round, key.to_string(), version)), "a sighting is there twice");
        }
        Ok(())
    }
}

fn lasting(record: &Record) -> String {
    let Record { key_rule, layer, version, content, metadata, published, updated, .. } = record;
    format!("{key_rule:?} {layer} v{version} {} {metadata:?} {published:?} {updated:?}", content.hash())
}

fn hash(version: &Version) -> String {
    format!("v{} {}", version.number, version.content.hash())
}

/// All entries of a list, page by page.
async fn all<T>(page: impl AsyncFn(PageRequest) -> Result<Page<T>, StorageError>) -> Result<Vec<T>, StorageError> {
    let mut entries = Vec::new();
    let mut request = PageRequest::first(feedspine::core::MAX_PAGE);
    loop {
        let found = page(request.clone()).await?;
        entries.extend(found.items);
        match found.next {
            Some(next) => request.after = Some(next),
            None => return Ok(entries),
        }
    }
}
