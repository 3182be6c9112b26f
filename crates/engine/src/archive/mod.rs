//! [`Archive`]: the bodies that fetches brought, kept so that they can be read again.
//!
//! A body is kept before its items are stored: no item is there whose body is not, unless it could not be kept, which is
//! a warning. What is kept is bounded for each feed, the oldest fetches going first.

mod folder;
mod packed;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use feedspine_core::{FeedId, FetchId, Timestamp};

use crate::OpError;

/// Where the bodies are kept that fetches brought.
#[derive(Debug, Clone)]
pub struct Archive {
    place: Place,
    most_bytes: u64,
}

#[derive(Debug, Clone)]
enum Place {
    Nowhere,
    Memory(Arc<Mutex<BTreeMap<BodyName, Vec<u8>>>>),
    Folder(PathBuf),
}

/// Which body it is: of a fetch that came in pages there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BodyName {
    pub(crate) feed: FeedId,
    pub(crate) fetch: FetchId,
    /// The ordinal of its first item.
    pub(crate) first_ordinal: u32,
}

/// A body, and what is needed to read it again as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptBody {
    /// The ordinal of its first item.
    pub(crate) first_ordinal: u32,
    /// That of its last one, when it was read first: what lies behind stood in another body.
    pub(crate) last_ordinal: u32,
    /// When the feed was read.
    pub(crate) observed_at: Timestamp,
    /// The URL that answered; `None` for a file.
    pub(crate) url: Option<String>,
    pub(crate) content_type: Option<String>,
    /// As received, without its content coding.
    pub(crate) bytes: Vec<u8>,
}

/// What came of keeping a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeping {
    Kept,
    /// It is larger than what is kept for a feed; packed it has so many bytes.
    TooLarge(u64),
    /// Nothing is kept.
    Off,
}

impl Default for Archive {
    /// One that keeps nothing.
    fn default() -> Self {
        Self::nowhere()
    }
}

impl Archive {
    /// How many bytes are kept for each feed unless it is said otherwise, packed.
    pub const MOST_BYTES: u64 = 64 * 1024 * 1024;

    /// Keeps nothing: what was fetched cannot be read again.
    pub fn nowhere() -> Self {
        Self { place: Place::Nowhere, most_bytes: 0 }
    }

    /// Keeps bodies as long as it, or a clone of it, is there.
    pub fn in_memory() -> Self {
        Self { place: Place::Memory(Arc::default()), most_bytes: Self::MOST_BYTES }
    }

    /// Keeps bodies in a folder, which is made when there is something to keep.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { place: Place::Folder(folder.into()), most_bytes: Self::MOST_BYTES }
    }

    /// Keeps at most so many bytes for each feed, packed; 0 keeps nothing more. What is kept already is still read.
    #[must_use]
    pub fn with_most_bytes(mut self, most_bytes: u64) -> Self {
        self.most_bytes = most_bytes;
        self
    }

    /// The folder, where there is one.
    pub fn folder(&self) -> Option<&Path> {
        match &self.place {
            Place::Folder(folder) => Some(folder),
            Place::Nowhere | Place::Memory(_) => None,
        }
    }

    /// Keeps a body, on the disk when this is answered, and lets go of the oldest of its feed when there are too many.
    pub(crate) async fn keep(&self, feed: FeedId, fetch: FetchId, body: KeptBody) -> Result<Keeping, OpError> {
        if matches!(self.place, Place::Nowhere) || self.most_bytes == 0 {
            return Ok(Keeping::Off);
        }
        let (place, most) = (self.place.clone(), self.most_bytes);
        let name = BodyName { feed, fetch, first_ordinal: body.first_ordinal };
        blocking(move || {
            let packed =
                packed::pack(&body).map_err(|error| OpError::failed("archive.unwritten", error.to_string()))?;
            let size = packed.len() as u64;
            if size > most {
                return Ok(Keeping::TooLarge(size));
            }
            match place {
                Place::Memory(held) => {
                    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
                    held.insert(name, packed);
                    let of_feed = held.iter().filter(|(held, _)| held.feed == feed);
                    let sizes: Vec<_> = of_feed.map(|(name, packed)| (*name, packed.len() as u64)).collect();
                    for doomed in beyond(&sizes, most, &name) {
                        held.remove(&doomed);
                    }
                }
                Place::Folder(root) => folder::write(&root, name, &packed, most)?,
                Place::Nowhere => {}
            }
            Ok(Keeping::Kept)
        })
        .await
    }

    /// Which bodies are kept of a feed behind one of them, the oldest fetch first and at most so many: all of them are
    /// walked through page by page.
    #[cfg_attr(not(test), expect(dead_code, reason = "replay walks through them"))]
    pub(crate) async fn captures(
        &self,
        feed: FeedId,
        after: Option<BodyName>,
        most: NonZeroUsize,
    ) -> Result<Vec<BodyName>, OpError> {
        let place = self.place.clone();
        blocking(move || match place {
            Place::Nowhere => Ok(Vec::new()),
            Place::Memory(held) => {
                let held = held.lock().unwrap_or_else(PoisonError::into_inner);
                let first = BodyName { feed, fetch: FetchId::from_u128(0), first_ordinal: 0 };
                let begin = after.map_or(Bound::Included(first), Bound::Excluded);
                let of_feed = held.range((begin, Bound::Unbounded)).take_while(|(name, _)| name.feed == feed);
                Ok(of_feed.map(|(name, _)| *name).take(most.get()).collect())
            }
            Place::Folder(root) => {
                let mut names = folder::names(&root, feed)?;
                names.retain(|name| Some(*name) > after);
                names.truncate(most.get());
                Ok(names)
            }
        })
        .await
    }

    /// Which bodies are kept of a fetch, by the ordinals of their first items, ascending.
    pub(crate) async fn bodies(&self, feed: FeedId, fetch: FetchId) -> Result<Vec<u32>, OpError> {
        let place = self.place.clone();
        blocking(move || match place {
            Place::Nowhere => Ok(Vec::new()),
            Place::Memory(held) => {
                let held = held.lock().unwrap_or_else(PoisonError::into_inner);
                let of_fetch = held.keys().filter(|name| name.feed == feed && name.fetch == fetch);
                Ok(of_fetch.map(|name| name.first_ordinal).collect())
            }
            Place::Folder(root) => {
                let names = folder::names(&root, feed)?;
                let of_fetch = names.iter().filter(|name| name.fetch == fetch);
                Ok(of_fetch.map(|name| name.first_ordinal).collect())
            }
        })
        .await
    }

    /// One of them: they are unpacked one at a time. `None` when it is kept no more.
    pub(crate) async fn body(&self, name: BodyName) -> Result<Option<KeptBody>, OpError> {
        let place = self.place.clone();
        blocking(move || {
            let packed = match place {
                Place::Nowhere => None,
                Place::Memory(held) => {
                    let held = held.lock().unwrap_or_else(PoisonError::into_inner);
                    held.get(&name).map(|packed| (name.fetch.to_string(), packed.clone()))
                }
                Place::Folder(root) => folder::read(&root, name)?,
            };
            let Some((place, packed)) = packed else { return Ok(None) };
            packed::unpack(&packed).map(Some).ok_or_else(|| damaged(&place))
        })
        .await
    }
}

/// What has to go so that no more than `most` bytes are left, the oldest first; never `kept`.
fn beyond<N: PartialEq + Clone>(sizes: &[(N, u64)], most: u64, kept: &N) -> Vec<N> {
    let mut left: u64 = sizes.iter().map(|(_, size)| size).sum();
    let mut doomed = Vec::new();
    for (name, size) in sizes.iter().filter(|(name, _)| name != kept) {
        if left <= most {
            break;
        }
        left -= size;
        doomed.push(name.clone());
    }
    doomed
}

fn damaged(place: &str) -> OpError {
    OpError::failed("archive.damaged", format!("the body that is kept at {place} is damaged"))
        .with_hint("remove it: what was stored of it stays, and is not read again")
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, OpError> + Send + 'static) -> Result<T, OpError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(OpError::failed("internal.panic", format!("the archive broke off: {error}"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> KeptBody {
        KeptBody {
            first_ordinal: 0,
            last_ordinal: 9,
            observed_at: Timestamp::UNIX_EPOCH,
            url: Some("https://a.example/x?y=ü".to_owned()),
            content_type: None,
            bytes: text.as_bytes().to_vec(),
        }
    }

    /// Text that packs to about its size.
    fn noise(seed: u64, bytes: usize) -> String {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
        };
        (0..bytes).map(|_| next()).collect()
    }

    /// All that is kept of a fetch.
    async fn bodies(archive: &Archive, feed: FeedId, fetch: FetchId) -> Result<Vec<KeptBody>, OpError> {
        let mut bodies = Vec::new();
        for first_ordinal in archive.bodies(feed, fetch).await? {
            bodies.extend(archive.body(BodyName { feed, fetch, first_ordinal }).await?);
        }
        Ok(bodies)
    }

    fn id(number: u128) -> (FeedId, FetchId) {
        (FeedId::from_u128(1), FetchId::from_u128(number))
    }

    #[tokio::test]
    async fn a_body_is_read_back_as_it_was_wherever_it_is_kept() {
        let home = tempfile::tempdir().unwrap();
        for archive in [Archive::in_memory(), Archive::in_folder(home.path().join("new"))] {
            let (feed, fetch) = id(7);
            let second = KeptBody { first_ordinal: 300, content_type: Some("text/xml".to_owned()), ..body("two") };
            let third = KeptBody { first_ordinal: 4_000, url: None, ..body("three") };
            for body in [&third, &second, &body("one")] {
                assert_eq!(archive.keep(feed, fetch, body.clone()).await.unwrap(), Keeping::Kept);
            }
            assert_eq!(archive.bodies(feed, fetch).await.unwrap(), [0, 300, 4_000]);
            assert_eq!(bodies(&archive, feed, fetch).await.unwrap(), [body("one"), second, third]);
            assert!(archive.bodies(feed, id(8).1).await.unwrap().is_empty());
            assert!(archive.bodies(FeedId::from_u128(2), fetch).await.unwrap().is_empty());
            let missing = BodyName { feed, fetch, first_ordinal: 7 };
            assert_eq!(archive.body(missing).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn the_bodies_of_a_feed_are_listed_page_by_page_the_oldest_fetch_first() {
        let home = tempfile::tempdir().unwrap();
        for archive in [Archive::in_memory(), Archive::in_folder(home.path())] {
            let (feed, other) = (FeedId::from_u128(2), FeedId::from_u128(3));
            let name = |fetch, first_ordinal| BodyName { feed, fetch: FetchId::from_u128(fetch), first_ordinal };
            let kept = [name(3, 0), name(3, 12), name(5, 0), name(11, 0), name(11, 1_000)];
            for BodyName { fetch, first_ordinal, .. } in kept.iter().rev().copied() {
                archive.keep(feed, fetch, KeptBody { first_ordinal, ..body("x") }).await.unwrap();
                archive.keep(FeedId::from_u128(1), fetch, KeptBody { first_ordinal, ..body("x") }).await.unwrap();
                archive.keep(other, fetch, KeptBody { first_ordinal, ..body("x") }).await.unwrap();
            }
            let (mut pages, mut after) = (Vec::new(), None);
            loop {
                let page = archive.captures(feed, after, NonZeroUsize::new(2).unwrap()).await.unwrap();
                after = page.last().copied().or(after);
                let ends = page.is_empty();
                pages.push(page);
                if ends {
                    break;
                }
            }
            assert_eq!(pages, [&kept[..2], &kept[2..4], &kept[4..], &[]]);
            assert!(archive.captures(FeedId::from_u128(4), None, NonZeroUsize::MIN).await.unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn nobody_else_may_read_what_is_kept() {
        use std::os::unix::fs::PermissionsExt;

        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("x.db.bodies");
        let (feed, fetch) = id(1);
        Archive::in_folder(&root).keep(feed, fetch, body("some text")).await.unwrap();
        let folder = root.join(feed.to_string());
        let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
        let modes = [root, folder, file].map(|path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777);
        assert_eq!(modes, [0o700, 0o700, 0o600]);
    }

    #[tokio::test]
    async fn the_oldest_bodies_of_a_feed_go_when_there_are_too_many() {
        let home = tempfile::tempdir().unwrap();
        for archive in [Archive::in_memory(), Archive::in_folder(home.path())] {
            let archive = archive.with_most_bytes(10_000);
            for number in 1..=3 {
                let (feed, fetch) = id(number);
                archive.keep(feed, fetch, body(&noise(7, 4_500))).await.unwrap();
                archive.keep(FeedId::from_u128(2), fetch, body("of another feed")).await.unwrap();
            }
            let mut held = Vec::new();
            for number in 1..=3 {
                held.push(archive.bodies(id(number).0, id(number).1).await.unwrap().len());
                assert_eq!(archive.bodies(FeedId::from_u128(2), id(number).1).await.unwrap().len(), 1);
            }
            assert_eq!(held, [0, 1, 1]);
            let large = archive.keep(id(4).0, id(4).1, body(&noise(8, 40_000))).await.unwrap();
            assert!(matches!(large, Keeping::TooLarge(_)), "{large:?}");
        }
    }

    #[tokio::test]
    async fn an_archive_that_keeps_nothing_says_so() {
        let home = tempfile::tempdir().unwrap();
        for archive in [Archive::nowhere(), Archive::in_folder(home.path()).with_most_bytes(0)] {
            assert_eq!(archive.keep(id(1).0, id(1).1, body("x")).await.unwrap(), Keeping::Off);
            assert!(archive.bodies(id(1).0, id(1).1).await.unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn a_damaged_body_is_an_error_that_names_its_file() {
        let home = tempfile::tempdir().unwrap();
        let archive = Archive::in_folder(home.path());
        let (feed, fetch) = id(1);
        archive.keep(feed, fetch, body("some text")).await.unwrap();
        let folder = std::fs::read_dir(home.path()).unwrap().next().unwrap().unwrap().path();
        let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
        let whole = std::fs::read(&file).unwrap();
        for damaged in [&whole[..whole.len() - 1], &b"no header"[..], &[]] {
            std::fs::write(&file, damaged).unwrap();
            let error = bodies(&archive, feed, fetch).await.unwrap_err();
            assert_eq!(error.code(), "archive.damaged");
            assert!(error.message().contains(file.to_str().unwrap()), "{error}");
        }
    }
}
