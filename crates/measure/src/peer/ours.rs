//! Our side: the same candidates, and what is held of them in the end.

use std::sync::Arc;

use feedspine_core::{Layer, NaturalKey, StorageBackend, StorageExt};
use futures_util::TryStreamExt;

use super::{Held, PASSES, Run, Work};
use crate::ingest::{ingest, rate_of};

/// Runs all passes into a fresh store, which is opened, closed and opened again first.
pub(super) fn run(store: impl StorageBackend, work: &Work) -> Run {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("threads").block_on(passes(Arc::new(store), work))
}

async fn passes(store: Arc<dyn StorageBackend>, work: &Work) -> Run {
    store.initialize().await.expect("a fresh store opens");
    let (mut rates, mut held_after) = ([0.0; PASSES.len()], Vec::new());
    for ((round, snapshots), rate) in (0..).zip(work.passes()).zip(&mut rates) {
        *rate = rate_of(work.candidates(), ingest(&store, snapshots, round).await);
        held_after.push(held(&store).await);
    }
    store.close().await.expect("the store closes");
    let mistaken = held_after[1].versions - held_after[0].versions;
    Run { rates, held: held_after[2], mistaken }
}

async fn held(store: &Arc<dyn StorageBackend>) -> Held {
    let all = store.query(Some(Layer::Bronze), None, None, None, 0);
    // Versions are numbered without gaps.
    let held = all.map_ok(|record| (record.key, u64::from(record.version.get()))).try_collect::<Vec<_>>().await;
    let (keys, versions): (Vec<NaturalKey>, Vec<u64>) = held.expect("a page is read").into_iter().unzip();
    let mut sightings = 0;
    for keys in keys.chunks(1_000) {
        let seen = store.seen_many(keys).await.expect("sightings are counted");
        sightings += seen.iter().flatten().map(|seen| seen.count).sum::<u64>();
    }
    Held { records: keys.len() as u64, versions: versions.iter().sum(), sightings }
}
