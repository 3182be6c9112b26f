//! [`Contestant`]: one backend in the contest, with its two handles.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use feedspine_core::{
    Applied, Change, ErrorKind, MemoryStore, NaturalKey, PageRequest, Query, Record, Result, Selection, Seq,
    StorageBackend, StorageError,
};
use feedspine_testkit::storage::StorageProvider;
use feedspine_testkit::storage::calls::{Holdings, Scope};

use crate::operation::{Farewell, Hand, Question};

/// Where one backend keeps its store: opens handles on it, and empties it for the next sequence.
#[async_trait]
pub trait Arena: Send + Sync {
    /// What the backend is called.
    fn name(&self) -> &'static str;

    /// Empties the store. No handle is open.
    async fn clear(&self) -> Result<()>;

    /// A further handle, not yet initialised.
    async fn open(&self) -> Result<Arc<dyn StorageBackend>>;

    /// Whether it takes long to read what a store holds.
    fn is_dear(&self) -> bool {
        false
    }
}

/// The arena of any provider of the kit: a new place for each sequence.
pub struct Provided<P: StorageProvider> {
    name: &'static str,
    provider: P,
    is_dear: bool,
    place: tokio::sync::Mutex<Option<P::Place>>,
}

impl<P: StorageProvider> Provided<P> {
    /// An arena of that provider's places.
    pub fn new(name: &'static str, provider: P) -> Self {
        Self { name, provider, is_dear: false, place: tokio::sync::Mutex::new(None) }
    }

    /// The same, of a store that takes long to read.
    #[must_use]
    pub fn that_is_dear(self) -> Self {
        Self { is_dear: true, ..self }
    }
}

#[async_trait]
impl<P: StorageProvider> Arena for Provided<P> {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn clear(&self) -> Result<()> {
        *self.place.lock().await = Some(self.provider.place().await?);
        Ok(())
    }

    async fn open(&self) -> Result<Arc<dyn StorageBackend>> {
        let place = self.place.lock().await;
        self.provider.open(place.as_ref().expect("a sequence begins with an empty store")).await
    }

    fn is_dear(&self) -> bool {
        self.is_dear
    }
}

/// The reference: the memory backend, whose one value is its place.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) store: MemoryStore,
    pub(crate) walk: Walk,
}

impl Reference {
    pub(crate) async fn new() -> Result<Self> {
        let store = MemoryStore::new();
        store.initialize().await?;
        Ok(Self { store, walk: Walk::default() })
    }
}

/// The answer to a question, page by page, while the store goes on.
#[derive(Debug, Default)]
pub(crate) struct Walk(Option<Query>);

/// A page as far as stores have to agree on it, and how many rows there are in all.
#[derive(Debug, PartialEq)]
pub(crate) enum Seen {
    Page {
        rows: Vec<Record>,
        more: bool,
        count: u64,
    },
    Refused(ErrorKind, Applied),
    /// No question was asked, or its answer has ended.
    Nothing,
}

impl Walk {
    pub(crate) fn ask(&mut self, question: &Question) {
        let selection = Selection { layer: question.layer, filter: question.filter.clone() };
        let page = PageRequest::first(question.size);
        self.0 = Some(Query { selection, order: question.order.clone(), page });
    }

    pub(crate) async fn next(&mut self, store: &dyn StorageBackend) -> Seen {
        let Some(mut query) = self.0.take() else { return Seen::Nothing };
        let refused = |error: StorageError| Seen::Refused(error.kind(), error.applied());
        let count = match store.count(&query.selection).await {
            Ok(count) => count,
            Err(error) => return refused(error),
        };
        match store.query_page(&query).await {
            Ok(page) => {
                let more = page.next.is_some();
                query.page.after = page.next;
                self.0 = Some(query).filter(|_| more);
                Seen::Page { rows: page.items, more, count }
            }
            Err(error) => refused(error),
        }
    }
}

/// One backend in the contest.
pub(crate) struct Contestant<'a> {
    arena: &'a dyn Arena,
    /// The handles; the second of a store for one process is its first.
    first: Option<Arc<dyn StorageBackend>>,
    second: Option<Arc<dyn StorageBackend>>,
    for_one_process: bool,
    pub(crate) walk: Walk,
    pub(crate) log: Followed,
    /// What the reference held when this store was compared with it last.
    pub(crate) held: Holdings,
    /// Keys that calls named since.
    pub(crate) named: Vec<NaturalKey>,
}

/// How far a store's change log was read, and the reference's to compare with it.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    pub(crate) after: Seq,
    pub(crate) reference: Seq,
}

impl Followed {
    pub(crate) fn advance(&mut self, found: &[Change], right: &[Change]) {
        for (position, changes) in [(&mut self.after, found), (&mut self.reference, right)] {
            if let Some(last) = changes.last() {
                *position = last.seq.clone();
            }
        }
    }
}

impl fmt::Debug for Contestant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Contestant").field(&self.arena.name()).finish()
    }
}

async fn opened(arena: &dyn Arena) -> Result<Arc<dyn StorageBackend>> {
    let store = arena.open().await?;
    store.initialize().await?;
    Ok(store)
}

impl<'a> Contestant<'a> {
    pub(crate) async fn new(arena: &'a dyn Arena) -> Result<Self> {
        arena.clear().await?;
        let first = opened(arena).await?;
        Ok(Self {
            arena,
            for_one_process: !first.info().capabilities.multi_process,
            first: Some(first),
            second: None,
            walk: Walk::default(),
            log: Followed::default(),
            held: Holdings::default(),
            named: Vec::new(),
        })
    }

    pub(crate) fn is_dear(&self) -> bool {
        self.arena.is_dear()
    }

    /// What has to be looked at: what changed since the last look, and what was named since.
    pub(crate) fn changed(&self, right: &Holdings) -> Scope {
        let mut changed = right.changed_since(&self.held);
        let named = self.named.iter().filter(|key| !changed.keys.contains(key)).cloned().collect::<BTreeSet<_>>();
        changed.keys.extend(named);
        changed.keys.sort();
        changed
    }

    pub(crate) fn name(&self) -> &'static str {
        self.arena.name()
    }

    fn place(&mut self, hand: Hand) -> &mut Option<Arc<dyn StorageBackend>> {
        match hand {
            Hand::Second if !self.for_one_process => &mut self.second,
            _ => &mut self.first,
        }
    }

    pub(crate) async fn hand(&mut self, hand: Hand) -> Result<Arc<dyn StorageBackend>> {
        let arena = self.arena;
        let place = self.place(hand);
        match place {
            Some(held) => Ok(Arc::clone(held)),
            None => Ok(Arc::clone(place.insert(opened(arena).await?))),
        }
    }

    pub(crate) async fn reopen(&mut self, hand: Hand, farewell: Farewell) -> Result<()> {
        self.hand(hand).await?;
        let old = self.place(hand).take();
        match (farewell, old) {
            (Farewell::Close, Some(old)) => old.close().await?,
            // A store for one process lets go before it is opened again, the others after it.
            (Farewell::Drop, Some(old)) if !self.for_one_process => {
                self.hand(hand).await?;
                drop(old);
            }
            _ => {}
        }
        self.hand(hand).await.map(drop)
    }

    pub(crate) async fn close(self) -> Result<()> {
        for handle in [self.first, self.second].into_iter().flatten() {
            handle.close().await?;
        }
        Ok(())
    }
}
