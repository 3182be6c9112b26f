//! Advisory locks, held to the end of a transaction: which there are, and in which order they are taken.
//!
//! Every writer first takes the store, shared. Then it takes its namespaces, ascending, then feeds, ascending: always in
//! this order, so writers of ours never wait for each other in a circle. One that writes to very many namespaces takes
//! the store for itself instead, because the server has room for some thousands of locks only.

use feedspine_core::{FeedId, FetchId, Namespace};
use sha2::{Digest, Sha256};

use crate::settings::SchemaName;

/// More namespaces than this are locked by locking the store.
const MOST_NAMESPACES: usize = 64;

/// Numbers of locks: 63 bits of SHA-256 over the schema and what is locked. A collision costs a wait, never an answer.
#[derive(Debug, Clone)]
pub(crate) struct LockNames(SchemaName);

impl LockNames {
    pub(crate) fn new(schema: SchemaName) -> Self {
        Self(schema)
    }

    /// The whole store: shared by writers, taken alone by migrations.
    pub(crate) fn store(&self) -> i64 {
        self.number("store", &[])
    }

    pub(crate) fn namespace(&self, namespace: &Namespace) -> i64 {
        self.number("namespace", namespace.as_str().as_bytes())
    }

    pub(crate) fn feed(&self, feed: FeedId) -> i64 {
        self.number("feed", feed.as_bytes())
    }

    /// The control plane's feeds and their names.
    pub(crate) fn directory(&self) -> i64 {
        self.number("directory", &[])
    }

    /// The control plane's fetches of one feed.
    pub(crate) fn fetches(&self, feed: FeedId) -> i64 {
        self.number("fetches", feed.as_bytes())
    }

    /// What became of one fetch.
    pub(crate) fn fetch(&self, fetch: FetchId) -> i64 {
        self.number("fetch", fetch.as_bytes())
    }

    fn number(&self, class: &str, of: &[u8]) -> i64 {
        let mut sha = Sha256::new();
        for part in ["feedspine", self.0.as_str(), class] {
            sha.update(part);
            sha.update([0]);
        }
        let digest = sha.chain_update(of).finalize();
        let first = digest.first_chunk().copied().expect("a digest has 32 bytes");
        i64::from_be_bytes(first) & i64::MAX
    }
}

/// The locks that a transaction begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Locks {
    store: i64,
    whole_store: bool,
    /// Taken in this order.
    then: Vec<i64>,
}

impl Locks {
    /// Those of a write to these namespaces and then these feeds.
    pub(crate) fn of<'a>(
        names: &LockNames,
        namespaces: impl IntoIterator<Item = &'a Namespace>,
        feeds: impl IntoIterator<Item = FeedId>,
    ) -> Self {
        let ascending = |mut numbers: Vec<i64>| {
            numbers.sort_unstable();
            numbers.dedup();
            numbers
        };
        let namespaces = ascending(namespaces.into_iter().map(|namespace| names.namespace(namespace)).collect());
        let feeds = ascending(feeds.into_iter().map(|feed| names.feed(feed)).collect());
        let whole_store = namespaces.len() > MOST_NAMESPACES;
        let then = if whole_store { feeds } else { [namespaces, feeds].concat() };
        Self { store: names.store(), whole_store, then }
    }

    /// The store alone: no writer is beside this one.
    pub(crate) fn whole_store(names: &LockNames) -> Self {
        Self { store: names.store(), whole_store: true, then: Vec::new() }
    }

    /// Whether no writer is beside this one.
    pub(crate) fn hold_the_store(&self) -> bool {
        self.whole_store
    }

    /// The store alone, shared with all other writers: rows are locked as they come.
    pub(crate) fn beside_others(names: &LockNames) -> Self {
        Self { store: names.store(), whole_store: false, then: Vec::new() }
    }

    /// Just this one, beside the store.
    pub(crate) fn only(names: &LockNames, number: i64) -> Self {
        Self { store: names.store(), whole_store: false, then: vec![number] }
    }

    /// The statements that take them. They hold numbers made here, and no value of a caller's.
    pub(crate) fn statements(&self) -> String {
        let shared = if self.whole_store { "" } else { "_shared" };
        let store = format!("SELECT pg_advisory_xact_lock{shared}({});", self.store);
        let then = self.then.iter().map(|number| format!("SELECT pg_advisory_xact_lock({number});"));
        std::iter::once(store).chain(then).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespaces(names: &[&str]) -> Vec<Namespace> {
        names.iter().map(|name| Namespace::new(name).unwrap()).collect()
    }

    #[test]
    fn writers_of_the_same_namespaces_take_them_in_the_same_order() {
        let names = LockNames::new(SchemaName::new("feedspine").unwrap());
        let one = Locks::of(&names, &namespaces(&["b", "a", "c"]), [FeedId::from_u128(1)]);
        let other = Locks::of(&names, &namespaces(&["c", "b", "a", "a"]), [FeedId::from_u128(1)]);
        assert_eq!(one, other);
        assert_eq!(one.then.len(), 4);
    }

    #[test]
    fn very_many_namespaces_are_locked_at_once() {
        let names = LockNames::new(SchemaName::new("feedspine").unwrap());
        let many: Vec<String> = (0..100).map(|number| format!("n{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let locks = Locks::of(&names, &namespaces(&many), []);
        assert!(locks.whole_store && locks.then.is_empty());
        assert!(locks.statements().starts_with("SELECT pg_advisory_xact_lock("));
    }

    #[test]
    fn stores_in_one_database_do_not_share_locks() {
        let one = LockNames::new(SchemaName::new("one").unwrap());
        let two = LockNames::new(SchemaName::new("two").unwrap());
        assert_ne!(one.store(), two.store());
        assert_ne!(one.store(), one.directory());
    }
}
