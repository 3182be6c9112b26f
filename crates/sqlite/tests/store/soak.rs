//! One store under load for a while: two handles, as of two processes, four writers, a follower and a reader.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use feedspine_core::ingest::{Candidate, Counts};
use feedspine_core::{
    Care, ChangeKind, Order, PageRequest, Query, RecordId, RecordRef, Selection, Seq, StorageBackend,
};
use feedspine_sqlite::SqliteStore;
use tempfile::TempDir;

use crate::support::{item, open, snapshot};

const WRITERS: u128 = 4;
const FEEDS_OF_A_WRITER: u128 = 10;
const ROUNDS: u32 = 500;
/// Rounds after which caches are filled.
const WARM: u32 = 50;
const LISTED: u32 = 25;
/// What the process may grow by once it has warmed up, in KiB.
const GROWTH_KIB: u64 = 64 * 1024;

/// A feed that gets two items a round, and edits some every twentieth; the keys are its own.
fn document(feed: u128, round: u32) -> Vec<Candidate> {
    let newest = 2 * round + LISTED;
    let title = |number: u32| if number % 7 == 3 { format!("edited before round {}", newest / 40) } else { "x".into() };
    (0..LISTED)
        .map(|ordinal| {
            let number = newest - ordinal;
            item(ordinal, &format!("{feed}-{number}"), &title(number))
        })
        .collect()
}

/// Adds up what was said of each batch.
async fn write(store: Arc<SqliteStore>, writer: u128, rounds: RangeInclusive<u32>) -> Counts {
    let mut sum = Counts::default();
    for round in rounds {
        for feed in writer * FEEDS_OF_A_WRITER..(writer + 1) * FEEDS_OF_A_WRITER {
            add(&mut sum, &store.ingest(snapshot(feed + 1, round, document(feed, round))).await.unwrap().counts);
        }
    }
    sum
}

fn add(sum: &mut Counts, counts: &Counts) {
    sum.seen += counts.seen;
    sum.new += counts.new;
    sum.changed += counts.changed;
    sum.withdrawn += counts.withdrawn;
    sum.scrolled_off += counts.scrolled_off;
}

/// What a follower keeps of the change log.
#[derive(Debug, Default, PartialEq)]
struct Told {
    kinds: BTreeMap<ChangeKind, u64>,
    digest: u64,
}

/// All changes, read as they come, until the writers are done and nothing is left.
async fn follow(store: Arc<SqliteStore>, done: Arc<AtomicBool>) -> Told {
    let (mut told, mut at) = (Told::default(), Seq::start());
    loop {
        let last_look = done.load(Ordering::Acquire);
        let found = store.changes(&at, NonZeroUsize::new(500).unwrap()).await.unwrap();
        match found.last() {
            Some(last) => at = last.seq.clone(),
            None if last_look => return told,
            None => tokio::task::yield_now().await,
        }
        for change in found {
            *told.kinds.entry(change.event.kind).or_default() += 1;
            let mut hasher = DefaultHasher::new();
            (told.digest, change.seq, format!("{:?}", change.event)).hash(&mut hasher);
            told.digest = hasher.finish();
        }
    }
}

/// Pages through all records, again and again, and looks some up; none is shown twice on the way.
async fn read(store: Arc<SqliteStore>, done: Arc<AtomicBool>) -> usize {
    let mut walks = 0;
    while !done.load(Ordering::Acquire) {
        let order = vec![Order::parse("id").unwrap()];
        let mut query = Query { selection: Selection::everything(), order, page: PageRequest::first(1_000) };
        let mut last: Option<RecordId> = None;
        loop {
            let page = store.query_page(&query).await.unwrap();
            for record in &page.items {
                assert!(last < Some(record.id), "{} was shown before", record.id);
                last = Some(record.id);
            }
            for record in page.items.iter().step_by(20) {
                let found = store.get_many(&[RecordRef::key(record.key.clone())]).await.unwrap();
                assert_eq!(found[0].as_ref().map(|found| found.id), Some(record.id));
            }
            if page.next.is_none() {
                break;
            }
            query.page.after = page.next;
        }
        walks += 1;
    }
    walks
}

/// The memory that this process holds, in KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: cargo xtask test --long"]
async fn two_handles_under_load_keep_every_count_and_do_not_grow() {
    let directory = TempDir::new().unwrap();
    let one = Arc::new(open(directory.path()).await);
    let other = Arc::new(open(directory.path()).await);
    let done = Arc::new(AtomicBool::new(false));
    let follower = tokio::spawn(follow(Arc::clone(&other), Arc::clone(&done)));
    let reader = tokio::spawn(read(Arc::clone(&one), Arc::clone(&done)));
    let (mut sum, mut warm) = (Counts::default(), 0);
    for rounds in [1..=WARM, WARM + 1..=ROUNDS] {
        warm = resident();
        let store = |writer| Arc::clone(if writer % 2 == 0 { &one } else { &other });
        let writers: Vec<_> =
            (0..WRITERS).map(|writer| tokio::spawn(write(store(writer), writer, rounds.clone()))).collect();
        for writer in writers {
            add(&mut sum, &writer.await.unwrap());
        }
    }
    let grown = resident().saturating_sub(warm);
    done.store(true, Ordering::Release);
    let (told, walks) = (follower.await.unwrap(), reader.await.unwrap());

    let feeds = u64::try_from(WRITERS * FEEDS_OF_A_WRITER).unwrap();
    assert_eq!(sum.seen, feeds * u64::from(ROUNDS) * u64::from(LISTED));
    assert_eq!(one.count(&Selection::everything()).await.unwrap(), sum.new);
    let kinds = [ChangeKind::New, ChangeKind::Changed, ChangeKind::Withdrawn, ChangeKind::ScrolledOff];
    let counted = kinds.map(|kind| told.kinds.get(&kind).copied().unwrap_or_default());
    assert_eq!(counted, [sum.new, sum.changed, sum.withdrawn, sum.scrolled_off]);
    assert!(sum.changed > 0 && sum.scrolled_off > 0 && walks > 0);
    assert_eq!(follow(Arc::clone(&one), done).await, told, "the log as it is told from its beginning");
    assert!(grown < GROWTH_KIB, "the process grew by {grown} KiB");
    assert_eq!(one.check().await.unwrap().faults, Vec::<String>::new());
    one.close().await.unwrap();
    other.close().await.unwrap();
}
