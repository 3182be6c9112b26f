//! [`Places`]: how many deliveries of hubs are under way.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// So many deliveries are received and stored at once. Each is as large as a document may be, and no stranger's is received at
/// all.
const MOST: usize = 16;

/// The callbacks at which something is being told.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<HashSet<String>>);

/// Leave to tell something at a callback; the place is free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    token: String,
}

impl Places {
    /// A place for what is told at that callback; `None` while something else is told there, or too much is told at all.
    pub(crate) fn take(self: &Arc<Self>, token: &str) -> Option<Place> {
        let mut under_way = self.lock();
        if under_way.len() >= MOST || !under_way.insert(token.to_owned()) {
            return None;
        }
        Some(Place { places: Arc::clone(self), token: token.to_owned() })
    }

    /// No holder can panic half-way.
    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.lock().remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_delivery_of_a_feed_is_under_way_and_so_many_in_all() {
        let places = Arc::<Places>::default();
        let one = places.take("a").unwrap();
        assert!(places.take("a").is_none());
        drop(one);
        let mut held: Vec<Place> = (0..MOST).filter_map(|number| places.take(&number.to_string())).collect();
        assert_eq!(held.len(), MOST);
        assert!(places.take("a").is_none());
        held.pop();
        assert!(places.take("a").is_some());
    }
}
