//! Side by side with the Python original, feed-spine 0.3.0: the same candidates into memory, SQLite and PostgreSQL.

pub mod environment;
mod ours;
mod theirs;

use std::fmt;
use std::path::Path;

use feedspine_cluster::Cluster;
use feedspine_core::MemoryStore;
use feedspine_postgres::PostgresStore;
use feedspine_sqlite::SqliteStore;

use crate::candidates::{SNAPSHOT, Snapshot, all_new, shuffled};
use crate::table::{Goal, Row, median};
use environment::Environment;

/// The same candidates, three times.
const PASSES: [&str; 3] = ["new", "unchanged", "10 of 100 changed"];

/// The stores, and how many times the original's rate ours has to reach in each pass.
const STORES: [(&str, f64); 3] = [("memory", 40.0), ("sqlite", 100.0), ("postgres", 60.0)];

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Candidates of each of our passes, and of the original's into memory.
    pub candidates: usize,
    /// Candidates of each of the original's passes into SQLite and PostgreSQL, where it takes some 2 ms for each.
    pub peer_candidates: usize,
    /// How often everything is done.
    pub repetitions: usize,
}

/// What is found.
#[derive(Debug)]
pub struct Found {
    /// Rates and their ratios.
    pub rows: Vec<Row>,
    /// What each store holds in the end, and said of the second pass.
    pub holdings: Vec<Holding>,
}

/// What a store holds after all passes.
#[derive(Debug)]
pub struct Holding {
    store: String,
    candidates: usize,
    held: Held,
    /// How many candidates it took for changed in the pass that changed none.
    mistaken: u64,
}

/// Counts of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    records: u64,
    versions: u64,
    sightings: u64,
}

/// One store's run through all passes.
#[derive(Debug)]
struct Run {
    /// Candidates per second, for each pass.
    rates: [f64; PASSES.len()],
    held: Held,
    mistaken: u64,
}

/// What the passes bring.
struct Work {
    new: Vec<Snapshot>,
    changed: Vec<Snapshot>,
}

impl Work {
    fn of(candidates: usize) -> Self {
        let new = all_new(candidates, SNAPSHOT);
        let changed = shuffled(&new, SNAPSHOT / 10, 13);
        Self { new, changed }
    }

    fn passes(&self) -> [&[Snapshot]; PASSES.len()] {
        [&self.new, &self.new, &self.changed]
    }

    fn candidates(&self) -> usize {
        self.new.len() * SNAPSHOT
    }
}

/// Measures both in turn, store by store.
///
/// # Errors
/// What kept the original from being measured, in words for a person.
///
/// # Panics
/// When a store of ours refuses what it must take.
pub fn measure(environment: &Environment, extent: Extent, tell: &dyn Fn(&str)) -> Result<Found, String> {
    let (work, sample) = (Work::of(extent.candidates), Work::of(extent.peer_candidates));
    let mut found = Found { rows: Vec::new(), holdings: Vec::new() };
    for (store, least) in STORES {
        let theirs_work = if store == "memory" { &work } else { &sample };
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for repetition in 1..=extent.repetitions {
            let place = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
            let (their, our) = side_by_side(environment, store, theirs_work, &work, place.path())?;
            tell(&format!(
                "{store} {repetition}/{}: theirs {:.0}, ours {:.0} new candidates/s",
                extent.repetitions, their.rates[0], our.rates[0]
            ));
            theirs.push(their);
            ours.push(our);
        }
        found.rows.extend(rows(store, least, &theirs, &ours));
        found.holdings.extend(holding(&format!("{store}, feed-spine"), theirs_work, theirs.pop()));
        found.holdings.extend(holding(&format!("{store}, FeedSpine"), &work, ours.pop()));
    }
    Ok(found)
}

fn side_by_side(
    environment: &Environment,
    store: &str,
    theirs_work: &Work,
    work: &Work,
    place: &Path,
) -> Result<(Run, Run), String> {
    let file = |name: &str| place.join(name).display().to_string();
    let their_run = |location: &str| theirs::run(environment, store, location, theirs_work, place);
    Ok(match store {
        "memory" => (their_run("")?, ours::run(MemoryStore::new(), work)),
        "sqlite" => (their_run(&file("theirs.db"))?, ours::run(SqliteStore::new(file("ours.db")), work)),
        _ => {
            let server = Cluster::start()?;
            let store = PostgresStore::from_url(&server.url()).map_err(|error| error.to_string())?;
            (their_run(&server.url())?, ours::run(store, work))
        }
    })
}

fn rows(store: &str, least: f64, theirs: &[Run], ours: &[Run]) -> Vec<Row> {
    let of_pass = |(pass, name): (usize, &&str)| {
        let rates = |runs: &[Run]| runs.iter().map(|run| run.rates[pass]).collect::<Vec<f64>>();
        let (theirs, ours) = (rates(theirs), rates(ours));
        let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
        let row = |what, rate: &[f64], ratios, goal| Row { what, rate: median(rate), unit: "items/s", ratios, goal };
        [
            row(format!("{store}, {name}: feed-spine 0.3.0"), &theirs, Vec::new(), None),
            row(
                format!("{store}, {name}: FeedSpine"),
                &ours,
                vec![(median(&ratios), "feed-spine")],
                Some(Goal::Ratio(least)),
            ),
        ]
    };
    PASSES.iter().enumerate().flat_map(of_pass).collect()
}

fn holding(store: &str, work: &Work, run: Option<Run>) -> Option<Holding> {
    let Run { held, mistaken, .. } = run?;
    Some(Holding { store: store.to_owned(), candidates: work.candidates(), held, mistaken })
}

/// The head of the table of [`Holding`]s.
pub const HOLDINGS_HEAD: &str = "| store | candidates, three times | records | versions | sightings | taken for changed \
                                 when none was |\n|---|---:|---:|---:|---:|---:|";

/// A line of the Markdown table.
impl fmt::Display for Holding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, candidates, held: Held { records, versions, sightings }, mistaken } = self;
        write!(f, "| {store} | {candidates} | {records} | {versions} | {sightings} | {mistaken} |")
    }
}
