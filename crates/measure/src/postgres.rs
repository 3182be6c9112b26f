//! The PostgreSQL store against a bare multi-row upsert, on a private server that waits for its disk.

use std::sync::Arc;

use feedspine_cluster::{Cluster, Disk};
use feedspine_core::StorageBackend;
use feedspine_postgres::PostgresStore;

use crate::bare_postgres::BarePostgres;
use crate::candidates::{Snapshot, all_new, shuffled};
use crate::ingest::{hand_over, rate_of};
use crate::table::{Goal, Row, median, median_ratio};

/// Items in a batch: a common feed document, and a large one.
const BATCHES: [usize; 2] = [100, 1_000];
/// The batch that the goals are for: one of a hundred costs more for its transaction and questions than for its rows.
const JUDGED: usize = 1_000;
/// Writers of the row about many.
const WRITERS: usize = 4;

/// Rates of one repetition, in items per second.
#[derive(Debug, Clone, Copy, Default)]
struct Rates {
    bare: f64,
    new: f64,
    identical: f64,
    edited: f64,
    writers: f64,
}

/// The rows about PostgreSQL; `candidates` in each pass, `repetitions` of everything.
///
/// # Panics
/// When there is no server, or when a store refuses what it must take: a measurement of failures is none.
pub fn rows(candidates: usize, repetitions: usize, tell: &dyn Fn(&str)) -> Vec<Row> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    BATCHES
        .iter()
        .flat_map(|batch| {
            let work = Work::of(candidates, *batch);
            let mut rates = Vec::new();
            for repetition in 1..=repetitions {
                let cluster = Cluster::start_on(Disk::Awaited).expect("a private PostgreSQL server");
                let figures = runtime.block_on(pass(&cluster, &work));
                tell(&format!(
                    "PostgreSQL {repetition}/{repetitions}, {batch} items a batch: bare {:.0} items/s, new {:.0}, \
                     identical {:.0}, shuffled {:.0}, {WRITERS} writers {:.0}",
                    figures.bare, figures.new, figures.identical, figures.edited, figures.writers
                ));
                rates.push(figures);
            }
            table(*batch, &rates)
        })
        .collect()
}

/// The candidates, and what becomes of them.
#[derive(Debug)]
struct Work {
    new: Vec<Snapshot>,
    edited: Vec<Snapshot>,
}

impl Work {
    fn of(candidates: usize, batch: usize) -> Self {
        let new = all_new(candidates, batch);
        let edited = shuffled(&new, batch / 100, 11);
        Self { new, edited }
    }

    fn items(&self) -> usize {
        self.new.iter().map(|snapshot| snapshot.items.len()).sum()
    }
}

async fn pass(cluster: &Cluster, work: &Work) -> Rates {
    let rate = |took| rate_of(work.items(), took);
    let bare = BarePostgres::open(&cluster.url()).await;
    let began = std::time::Instant::now();
    bare.upsert(&work.new).await;
    let bare = rate(began.elapsed());
    let store = open(&format!("{}?schema=one", cluster.url())).await;
    let new = rate(hand_over(&store, &work.new, 0, 1).await);
    let identical = rate(hand_over(&store, &work.new, 1, 1).await);
    let edited = rate(hand_over(&store, &work.edited, 2, 1).await);
    store.close().await.expect("the store closes");
    let store = open(&format!("{}?schema=many", cluster.url())).await;
    let writers = rate(hand_over(&store, &work.new, 0, WRITERS).await);
    store.close().await.expect("the store closes");
    Rates { bare, new, identical, edited, writers }
}

async fn open(url: &str) -> Arc<dyn StorageBackend> {
    let store = PostgresStore::from_url(url).expect("a good address");
    store.initialize().await.expect("a fresh schema");
    Arc::new(store)
}

fn table(batch: usize, rates: &[Rates]) -> Vec<Row> {
    let of = |figure: fn(&Rates) -> f64| rates.iter().map(figure).collect::<Vec<f64>>();
    let (bare, new) = (of(|rates| rates.bare), of(|rates| rates.new));
    let row = |what: &str, rate: &[f64], ratios, goal| Row {
        what: format!("PostgreSQL, {what}, {batch} items a batch"),
        rate: median(rate),
        unit: "items/s",
        ratios,
        goal,
    };
    let (identical, edited, writers) =
        (of(|rates| rates.identical), of(|rates| rates.edited), of(|rates| rates.writers));
    let goal = |ratio| (batch == JUDGED).then_some(Goal::Ratio(ratio));
    let against_bare = |ours: &[f64]| vec![(median_ratio(ours, &bare), "bare upsert of new rows")];
    vec![
        row("bare upsert", &bare, Vec::new(), None),
        row("new, one writer", &new, against_bare(&new), goal(0.6)),
        row("identical manifest", &identical, against_bare(&identical), None),
        row("shuffled, 1 of 100 edited", &edited, against_bare(&edited), goal(2.5)),
        row("new, 4 writers", &writers, vec![(median_ratio(&writers, &new), "one writer")], Some(Goal::Ratio(1.25))),
    ]
}
