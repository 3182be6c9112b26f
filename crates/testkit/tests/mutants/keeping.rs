//! Faults of stores that forget, or do not let go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use feedspine_core::MemoryStore;
use feedspine_testkit::storage::faulty::{Faulty, Place};

use crate::mutants;

mutants! {
    close_is_not_heard: NeverCloses => "lifecycle::a_closed_store_says_closed";
    what_was_acknowledged_is_gone_after_reopening: Forgets::new(1) => "durability::what_was_acknowledged_is_there_after_reopening";
    only_close_makes_it_durable: Forgets::new(1) => "durability::a_store_dropped_without_close_loses_nothing";
    a_second_handle_has_a_store_of_its_own: Forgets::new(1) => "concurrency::a_second_handle_sees_what_the_first_acknowledged";
}

#[derive(Debug, Clone)]
struct NeverCloses;

#[async_trait]
impl Faulty for NeverCloses {
    fn closes(&self) -> bool {
        false
    }
}

/// After so many openings of its places, a handle finds an empty store.
#[derive(Debug, Clone)]
struct Forgets {
    left: Arc<AtomicUsize>,
}

impl Forgets {
    fn new(openings: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(openings)) }
    }
}

#[async_trait]
impl Faulty for Forgets {
    fn opened(&self, place: &Place) -> Place {
        let left = self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1));
        if left.is_ok() { Arc::clone(place) } else { Arc::new(MemoryStore::new()) }
    }
}
