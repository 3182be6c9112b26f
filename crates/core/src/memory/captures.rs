//! Captures and their bodies.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;

use async_trait::async_trait;

use super::MemoryStore;
use crate::{
    Capture, CaptureFigures, CaptureName, CaptureStore, ContentHash, FeedCaptures, FeedId, FetchId, Forgotten,
    HeldBody, HeldCapture, PackedBody, Page, PageRequest, Result,
};

/// What is kept of what fetches brought.
#[derive(Debug, Default)]
pub(super) struct Captures {
    rows: BTreeMap<CaptureName, Capture>,
    bodies: HashMap<ContentHash, PackedBody>,
}

#[async_trait]
impl CaptureStore for MemoryStore {
    async fn keep(&self, capture: Capture, body: PackedBody) -> Result<()> {
        capture.check(&body)?;
        self.control()?.captures.keep(capture, body)
    }

    async fn captures_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<HeldCapture>> {
        let tables = self.control()?;
        let captures = &tables.captures;
        let before = CaptureName::before(feed, page)?;
        let behind = captures.rows.range(of_feed(feed)).filter(|(name, _)| before.is_none_or(|before| **name > before));
        let held = |(_, capture): (_, &Capture)| {
            let body = &captures.bodies[&capture.body];
            HeldCapture { capture: capture.clone(), bytes: body.length, packed_bytes: body.packed.len() as u64 }
        };
        Ok(HeldCapture::cut(page, behind.take(page.size() + 1).map(held).collect()))
    }

    async fn captures_of(&self, feed: FeedId, fetch: FetchId) -> Result<Vec<Capture>> {
        let name = |first_ordinal| CaptureName { feed, fetch, first_ordinal };
        let tables = self.control()?;
        Ok(tables.captures.rows.range(name(0)..=name(u32::MAX)).map(|(_, capture)| capture.clone()).collect())
    }

    async fn body(&self, hash: ContentHash) -> Result<Option<HeldBody>> {
        let bodies = &self.control()?.captures.bodies;
        let held = |body: &PackedBody| HeldBody {
            body: body.clone(),
            base: body.packing.base().and_then(|base| bodies.get(&base)).cloned(),
        };
        Ok(bodies.get(&hash).map(held))
    }

    async fn newest_base(&self, feed: FeedId) -> Result<Option<PackedBody>> {
        let tables = self.control()?;
        let captures = &tables.captures;
        let newest = captures.rows.range(of_feed(feed)).next_back().map(|(_, capture)| &captures.bodies[&capture.body]);
        Ok(newest.map(|body| body.packing.base().map_or(body, |base| &captures.bodies[&base]).clone()))
    }

    async fn capture_figures(&self) -> Result<CaptureFigures> {
        Ok(self.control()?.captures.figures())
    }

    async fn forget(&self, captures: &[CaptureName]) -> Result<Forgotten> {
        Ok(self.control()?.captures.forget(captures))
    }
}

fn of_feed(feed: FeedId) -> RangeInclusive<CaptureName> {
    let first = CaptureName { feed, fetch: FetchId::from_bytes([0; 16]), first_ordinal: 0 };
    let last = CaptureName { feed, fetch: FetchId::from_bytes([0xFF; 16]), first_ordinal: u32::MAX };
    first..=last
}

impl Captures {
    /// Whether a capture can be kept.
    pub(super) fn check(&self, capture: &Capture, body: &PackedBody) -> Result<()> {
        if let Some(held) = self.rows.get(&capture.name) {
            return capture.check_same(held);
        }
        if self.bodies.contains_key(&body.hash) {
            return Ok(());
        }
        let base = body.packing.base().and_then(|base| self.bodies.get(&base));
        body.packing.check_base(base.map(|base| base.packing))
    }

    pub(super) fn keep(&mut self, capture: Capture, body: PackedBody) -> Result<()> {
        self.check(&capture, &body)?;
        self.bodies.entry(body.hash).or_insert(body);
        self.rows.entry(capture.name).or_insert(capture);
        Ok(())
    }

    fn figures(&self) -> CaptureFigures {
        let mut of_feeds: BTreeMap<FeedId, (u64, BTreeSet<ContentHash>)> = BTreeMap::new();
        for (name, capture) in &self.rows {
            let (captures, bodies) = of_feeds.entry(name.feed).or_default();
            *captures += 1;
            bodies.insert(capture.body);
        }
        let feeds = of_feeds.into_iter().map(|(feed, (captures, named))| FeedCaptures {
            feed,
            captures,
            bodies: named.len() as u64,
            bytes: named.iter().map(|hash| self.bodies[hash].length).sum(),
            packed_bytes: named.iter().map(|hash| self.bodies[hash].packed.len() as u64).sum(),
        });
        CaptureFigures {
            feeds: feeds.collect(),
            bodies: self.bodies.len() as u64,
            packed_bytes: self.bodies.values().map(|body| body.packed.len() as u64).sum(),
        }
    }

    fn forget(&mut self, captures: &[CaptureName]) -> Forgotten {
        let mut forgotten = Forgotten::default();
        let mut loose = BTreeSet::new();
        for name in captures {
            if let Some(capture) = self.rows.remove(name) {
                forgotten.captures += 1;
                loose.insert(capture.body);
                loose.extend(self.bodies[&capture.body].packing.base());
            }
        }
        // What is packed against another goes first: that one may be needed by nothing else.
        for _ in 0..2 {
            let named = self.rows.values().map(|capture| capture.body);
            let needed: BTreeSet<_> =
                named.chain(self.bodies.values().filter_map(|body| body.packing.base())).collect();
            for body in loose.difference(&needed).filter_map(|hash| self.bodies.remove(hash)) {
                forgotten.bodies += 1;
                forgotten.packed_bytes += body.packed.len() as u64;
            }
        }
        forgotten
    }
}
