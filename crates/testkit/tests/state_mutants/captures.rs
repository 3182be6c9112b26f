//! Faults in what is kept of the bytes that fetches brought.

use async_trait::async_trait;
use feedspine_core::{
    Capture, CaptureFigures, CaptureName, CaptureStore, ContentHash, ErrorKind, FeedId, FetchId, Forgotten, HeldBody,
    HeldCapture, MemoryStore, PackedBody, Packing, Page, PageRequest, Result,
};

use super::{Faulty, Forgets, turns_red};

#[derive(Debug, Clone)]
struct DropsTheHeaders;

#[async_trait]
impl Faulty for DropsTheHeaders {
    async fn keep(&self, store: &MemoryStore, capture: Capture, body: PackedBody) -> Result<()> {
        store.keep(Capture { headers: Vec::new(), ..capture }, body).await
    }
}

#[test]
fn the_header_of_an_answer_is_lost() {
    turns_red(&DropsTheHeaders, "captures::a_capture_is_read_back");
}

#[derive(Debug, Clone)]
struct CutsBodies;

#[async_trait]
impl Faulty for CutsBodies {
    async fn body(&self, store: &MemoryStore, hash: ContentHash) -> Result<Option<HeldBody>> {
        let mut held = store.body(hash).await?;
        if let Some(held) = &mut held {
            held.body.packed.truncate(1_000);
        }
        Ok(held)
    }
}

#[test]
fn large_bodies_are_cut() {
    turns_red(&CutsBodies, "captures::a_capture_is_read_back");
}

#[derive(Debug, Clone)]
struct Backwards;

#[async_trait]
impl Faulty for Backwards {
    async fn captures_page(&self, store: &MemoryStore, feed: FeedId, page: &PageRequest) -> Result<Page<HeldCapture>> {
        let mut found = store.captures_page(feed, page).await?;
        found.items.reverse();
        Ok(found)
    }

    async fn captures_of(&self, store: &MemoryStore, feed: FeedId, fetch: FetchId) -> Result<Vec<Capture>> {
        let mut found = store.captures_of(feed, fetch).await?;
        found.reverse();
        Ok(found)
    }
}

#[test]
fn captures_come_in_another_order() {
    turns_red(&Backwards, "captures::captures_are_listed_by_fetch_and_ordinal");
    turns_red(&Backwards, "captures::captures_of_a_fetch_come_by_ordinal");
}

#[derive(Debug, Clone)]
struct AlwaysTheFirstPage;

#[async_trait]
impl Faulty for AlwaysTheFirstPage {
    async fn captures_page(&self, store: &MemoryStore, feed: FeedId, page: &PageRequest) -> Result<Page<HeldCapture>> {
        let found = store.captures_page(feed, page).await?;
        Ok(Page { next: None, ..found })
    }
}

#[test]
fn a_page_is_taken_for_the_last() {
    turns_red(&AlwaysTheFirstPage, "captures::captures_are_paged");
}

#[derive(Debug, Clone)]
struct TheLaterStands;

#[async_trait]
impl Faulty for TheLaterStands {
    async fn keep(&self, store: &MemoryStore, capture: Capture, body: PackedBody) -> Result<()> {
        store.forget(&[capture.name]).await?;
        store.keep(capture, body).await
    }
}

#[test]
fn a_capture_takes_the_place_of_another() {
    turns_red(&TheLaterStands, "captures::another_capture_of_the_same_name_is_a_conflict");
    turns_red(&TheLaterStands, "captures::the_same_capture_again_changes_nothing");
}

/// Tells each body as often as captures name it.
#[derive(Debug, Clone)]
struct KeepsEachByItself;

#[async_trait]
impl Faulty for KeepsEachByItself {
    async fn capture_figures(&self, store: &MemoryStore) -> Result<CaptureFigures> {
        let figures = store.capture_figures().await?;
        let bodies = figures.feeds.iter().map(|of_feed| of_feed.captures).sum();
        Ok(CaptureFigures { bodies, ..figures })
    }
}

#[test]
fn a_body_is_held_for_each_capture() {
    turns_red(&KeepsEachByItself, "captures::a_body_is_held_once");
    turns_red(&KeepsEachByItself, "captures::captures_are_kept_by_many_at_once");
    turns_red(&KeepsEachByItself, "captures::figures_are_counts_of_what_is_held");
}

#[derive(Debug, Clone)]
struct LeavesOutTheBase;

#[async_trait]
impl Faulty for LeavesOutTheBase {
    async fn body(&self, store: &MemoryStore, hash: ContentHash) -> Result<Option<HeldBody>> {
        Ok(store.body(hash).await?.map(|held| HeldBody { base: None, ..held }))
    }
}

#[test]
fn what_unpacks_a_body_is_left_out() {
    turns_red(&LeavesOutTheBase, "captures::a_body_comes_with_what_it_is_packed_against");
}

/// Takes whatever a body is packed against, by not looking.
#[derive(Debug, Clone)]
struct LooksAtNoBase;

#[async_trait]
impl Faulty for LooksAtNoBase {
    async fn keep(&self, store: &MemoryStore, capture: Capture, body: PackedBody) -> Result<()> {
        match store.keep(capture.clone(), body.clone()).await {
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Invalid) => {
                let body = PackedBody { packing: Packing::Zstd, hash: capture.body, ..body };
                store.keep(capture, body).await
            }
            answer => answer,
        }
    }
}

#[test]
fn a_body_is_kept_that_cannot_be_unpacked() {
    turns_red(&LooksAtNoBase, "captures::a_body_is_packed_against_what_is_held");
    turns_red(&LooksAtNoBase, "captures::a_capture_names_its_body");
}

/// Gives the last capture's body, whatever it is packed against.
#[derive(Debug, Clone)]
struct BasesOnTheLast;

#[async_trait]
impl Faulty for BasesOnTheLast {
    async fn newest_base(&self, store: &MemoryStore, feed: FeedId) -> Result<Option<PackedBody>> {
        let last = store.captures_page(feed, &PageRequest::first(100)).await?.items.pop();
        let Some(last) = last else { return Ok(None) };
        Ok(store.body(last.capture.body).await?.map(|held| held.body))
    }
}

#[test]
fn a_body_is_offered_that_is_packed_against_another() {
    turns_red(&BasesOnTheLast, "captures::the_newest_base_is_that_of_the_last_capture");
}

#[test]
fn captures_are_gone_after_reopening() {
    turns_red(&Forgets::default(), "captures::captures_outlive_the_process");
}

#[derive(Debug, Clone)]
struct ForgetsTheFirstOnly;

#[async_trait]
impl Faulty for ForgetsTheFirstOnly {
    async fn forget(&self, store: &MemoryStore, captures: &[CaptureName]) -> Result<Forgotten> {
        store.forget(&captures[..captures.len().min(1)]).await
    }
}

#[test]
fn captures_stay_that_were_to_be_forgotten() {
    turns_red(&ForgetsTheFirstOnly, "captures::forgotten_captures_are_gone");
    turns_red(&ForgetsTheFirstOnly, "captures::what_was_forgotten_may_be_kept_again");
}

/// Takes with a capture all others of its fetch and all that have its body, as if the body were gone.
#[derive(Debug, Clone)]
struct ForgetsWhatIsNeeded;

#[async_trait]
impl Faulty for ForgetsWhatIsNeeded {
    async fn forget(&self, store: &MemoryStore, captures: &[CaptureName]) -> Result<Forgotten> {
        let mut doomed = Vec::new();
        for of in store.capture_figures().await?.feeds {
            for held in store.captures_page(of.feed, &PageRequest::first(1_000)).await?.items {
                let base = store.body(held.capture.body).await?.and_then(|held| held.base).map(|base| base.hash);
                doomed.push((held.capture.name, held.capture.body, base));
            }
        }
        let asked = |name: &CaptureName| captures.contains(name);
        let bodies: Vec<ContentHash> =
            doomed.iter().filter(|(name, ..)| asked(name)).map(|(_, body, _)| *body).collect();
        let goes = |body: &ContentHash, base: &Option<ContentHash>| {
            bodies.contains(body) || base.is_some_and(|base| bodies.contains(&base))
        };
        let names: Vec<CaptureName> =
            doomed.iter().filter(|(_, body, base)| goes(body, base)).map(|(name, ..)| *name).collect();
        store.forget(&names).await
    }
}

#[test]
fn bodies_go_that_others_need() {
    turns_red(&ForgetsWhatIsNeeded, "captures::a_body_that_is_needed_stays");
    turns_red(&ForgetsWhatIsNeeded, "captures::nothing_is_forgotten_under_what_is_kept");
}
