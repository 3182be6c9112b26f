//! [`CaptureStore`]: the contract of whoever keeps the bytes that fetches brought.
//!
//! A *capture* says that a fetch was answered with a *body*, and with what it is read again. A body is kept once, under the
//! hash of its bytes, however many captures name it. How bodies are packed is the caller's to decide and to undo: a store
//! sees packed bytes alone.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{ContentHash, Cursor, FeedId, FetchId, Json, Page, PageRequest, Result, StorageError, Timestamp};

/// How the bytes of a body are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// As a zstd frame (RFC 8878).
    Zstd,
    /// As a zstd frame whose dictionary is the bytes of that body, which is packed by itself: so two bodies are read at
    /// most.
    ZstdAgainst(ContentHash),
}

impl Packing {
    /// The word used in stores and JSON; that of the body it is packed against comes with it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Zstd => "zstd",
            Self::ZstdAgainst(_) => "zstd_against",
        }
    }

    /// That of a word and the body that came with it; `None` where they are none.
    pub fn from_parts(word: &str, base: Option<ContentHash>) -> Option<Self> {
        match (word, base) {
            ("plain", None) => Some(Self::Plain),
            ("zstd", None) => Some(Self::Zstd),
            ("zstd_against", Some(base)) => Some(Self::ZstdAgainst(base)),
            _ => None,
        }
    }

    /// The body without which it is not unpacked.
    pub const fn base(self) -> Option<ContentHash> {
        match self {
            Self::Plain | Self::Zstd => None,
            Self::ZstdAgainst(base) => Some(base),
        }
    }

    /// That the body it is packed against may be: `held` says how that one is packed, where it is held.
    ///
    /// # Errors
    /// `Conflict` where it is not held, or no longer; `Invalid` where it is packed against another itself.
    pub fn check_base(self, held: Option<Self>) -> Result<()> {
        let Some(base) = self.base() else { return Ok(()) };
        match held {
            None => Err(StorageError::conflict(format!("the body {base} that another is packed against is not held"))
                .with_hint("pack it by itself")),
            Some(Self::ZstdAgainst(_)) => {
                Err(StorageError::invalid(format!("the body {base} is packed against another itself")))
            }
            Some(Self::Plain | Self::Zstd) => Ok(()),
        }
    }
}

/// A body, packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedBody {
    /// SHA-256 of its bytes before they were packed: its name.
    pub hash: ContentHash,
    /// How many bytes these were.
    pub length: u64,
    /// How they are packed.
    pub packing: Packing,
    /// The packed bytes.
    pub packed: Vec<u8>,
}

/// A body as it is held, with what unpacks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBody {
    /// The body.
    pub body: PackedBody,
    /// The body that it is packed against, where there is one.
    pub base: Option<PackedBody>,
}

/// Which capture it is: a fetch that came in pages has several. They are ordered as they are declared here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CaptureName {
    /// The feed.
    pub feed: FeedId,
    /// The fetch.
    pub fetch: FetchId,
    /// The ordinal of the body's first item.
    pub first_ordinal: u32,
}

/// A body that a fetch was answered with, and what is needed to read it again as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Capture {
    /// Which one it is.
    pub name: CaptureName,
    /// The ordinal of the body's last item, when it was read first.
    pub last_ordinal: u32,
    /// When the feed was read.
    pub observed_at: Timestamp,
    /// The URL that answered; `None` for what was not asked for at one.
    pub url: Option<String>,
    /// The media type that was told.
    pub content_type: Option<String>,
    /// The HTTP status; `None` where nobody was asked by HTTP.
    pub http_status: Option<u16>,
    /// The fields of the answer's header that are kept, in their order.
    pub headers: Vec<(String, String)>,
    /// The hash of the body, decoded.
    pub body: ContentHash,
}

impl CaptureName {
    /// The name behind which a page of the feed's list begins; `None` for the first page.
    ///
    /// # Errors
    /// `Invalid`: a cursor of another list.
    pub fn before(feed: FeedId, page: &PageRequest) -> Result<Option<Self>> {
        let Some(cursor) = &page.after else { return Ok(None) };
        let position = cursor.position(&list_of(feed))?;
        let name = match position.as_slice() {
            [Json::String(fetch), Json::Number(ordinal)] => fetch.parse().ok().zip(ordinal.as_i64()),
            _ => None,
        };
        let name =
            name.and_then(|(fetch, ordinal)| Some(Self { feed, fetch, first_ordinal: ordinal.try_into().ok()? }));
        name.map(Some).ok_or_else(|| StorageError::invalid("the cursor does not fit the list"))
    }

    /// The cursor behind it in its feed's list.
    pub fn cursor(self) -> Cursor {
        let position = [Json::from(self.fetch.to_string()), u64::from(self.first_ordinal).into()];
        Cursor::new(&list_of(self.feed), &position)
    }
}

fn list_of(feed: FeedId) -> String {
    format!("captures {feed}")
}

impl Capture {
    /// The fields of the header as one text, canonical JSON, for stores that keep them so; `None` where there are none.
    pub fn headers_as_text(&self) -> Option<String> {
        let field = |(name, value): &(String, String)| Json::Array(vec![name.as_str().into(), value.as_str().into()]);
        let fields: Vec<Json> = self.headers.iter().map(field).collect();
        (!fields.is_empty()).then(|| Json::Array(fields).to_canonical())
    }

    /// The fields of that text; `None` where it is none of [`Capture::headers_as_text`].
    pub fn headers_of_text(text: Option<&str>) -> Option<Vec<(String, String)>> {
        let Some(text) = text else { return Some(Vec::new()) };
        let Json::Array(fields) = Json::parse(text).ok()? else { return None };
        let field = |field: Json| match field {
            Json::Array(pair) => {
                let [Json::String(name), Json::String(value)] = pair.as_slice() else { return None };
                Some((name.clone(), value.clone()))
            }
            _ => None,
        };
        fields.into_iter().map(field).collect()
    }

    /// That a body is the one that this capture names, and not packed against itself.
    ///
    /// # Errors
    /// `Invalid` where it is not.
    pub fn check(&self, body: &PackedBody) -> Result<()> {
        if self.body != body.hash {
            let message = format!("the capture names the body {}, and comes with {}", self.body, body.hash);
            return Err(StorageError::invalid(message));
        }
        if body.packing.base() == Some(body.hash) {
            return Err(StorageError::invalid(format!("the body {} is packed against itself", body.hash)));
        }
        Ok(())
    }

    /// That a capture which is held under the same name is this one.
    ///
    /// # Errors
    /// `Conflict` where it is another.
    pub fn check_same(&self, held: &Self) -> Result<()> {
        if self == held {
            return Ok(());
        }
        let CaptureName { fetch, first_ordinal, .. } = self.name;
        let message = format!("another capture of the fetch {fetch} is held at the ordinal {first_ordinal}");
        Err(StorageError::conflict(message))
    }
}

/// A capture in a list, with the size of its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldCapture {
    /// The capture.
    pub capture: Capture,
    /// The bytes of its body before it was packed.
    pub bytes: u64,
    /// The bytes that it takes.
    pub packed_bytes: u64,
}

impl HeldCapture {
    /// The page of a feed's list that begins with these; there is a next one where there is one more than it holds.
    pub fn cut(page: &PageRequest, mut found: Vec<Self>) -> Page<Self> {
        let more = found.len() > page.size();
        found.truncate(page.size());
        let next = found.last().filter(|_| more).map(|last| last.capture.name.cursor());
        Page { items: found, next }
    }
}

/// How much is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CaptureFigures {
    /// Of each feed that has captures, by feed.
    pub feeds: Vec<FeedCaptures>,
    /// The bodies of all feeds, each once.
    pub bodies: u64,
    /// The bytes that they take, packed.
    pub packed_bytes: u64,
}

/// How much is kept of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedCaptures {
    /// The feed.
    pub feed: FeedId,
    /// Its captures.
    pub captures: u64,
    /// The bodies that they name, each once.
    pub bodies: u64,
    /// The bytes of these before they were packed.
    pub bytes: u64,
    /// The bytes that they take.
    pub packed_bytes: u64,
}

/// What went when captures were forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// The captures.
    pub captures: u64,
    /// The bodies that nothing needs any more.
    pub bodies: u64,
    /// The bytes that these took.
    pub packed_bytes: u64,
}

/// Keeps captures: the bytes that fetches brought, until somebody asks to forget them. Every call is one unit of work.
///
/// A store of feeds and fetches offers it by [`StateStore::captures`](crate::StateStore::captures), and needs no other
/// opening than its own.
#[async_trait]
pub trait CaptureStore: Debug + Send + Sync {
    /// Keeps a capture and its body. One that is held already, in all that it says, stays as it is; so does a body that is
    /// held already, however it is packed.
    ///
    /// # Errors
    /// `Invalid` for a body that is not the one which the capture names, or is packed against what is not packed by itself.
    /// `Conflict` where another capture has that name, or the body that it is packed against is not held.
    async fn keep(&self, capture: Capture, body: PackedBody) -> Result<()>;

    /// The captures of a feed, by fetch and then by first ordinal: the ids of an engine ascend with the time.
    async fn captures_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<HeldCapture>>;

    /// Those of one of its fetches, by first ordinal.
    async fn captures_of(&self, feed: FeedId, fetch: FetchId) -> Result<Vec<Capture>>;

    /// The body of that hash, and what it is packed against; `None` where it is not held.
    async fn body(&self, hash: ContentHash) -> Result<Option<HeldBody>>;

    /// What the next body of a feed may be packed against: the body of its last capture, or the one that this is packed
    /// against itself. `None` before it has captures.
    async fn newest_base(&self, feed: FeedId) -> Result<Option<PackedBody>>;

    /// How much is kept.
    async fn capture_figures(&self) -> Result<CaptureFigures>;

    /// Forgets captures for ever, and the bodies that no capture names then and no other body is packed against. A name
    /// that is not held is passed over.
    async fn forget(&self, captures: &[CaptureName]) -> Result<Forgotten>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_packing_is_read_back_from_its_word_and_its_base() {
        let base = ContentHash::of(b"base");
        for packing in [Packing::Plain, Packing::Zstd, Packing::ZstdAgainst(base)] {
            assert_eq!(Packing::from_parts(packing.as_str(), packing.base()), Some(packing));
        }
        for (word, with) in [("plain", Some(base)), ("zstd", Some(base)), ("zstd_against", None), ("gzip", None)] {
            assert_eq!(Packing::from_parts(word, with), None, "{word}");
        }
    }

    #[test]
    fn a_body_is_packed_against_one_that_is_held_and_packed_by_itself() {
        let base = ContentHash::of(b"base");
        let against = Packing::ZstdAgainst(base);
        for (packing, held, answer) in [
            (Packing::Plain, None, None),
            (Packing::Zstd, None, None),
            (against, Some(Packing::Plain), None),
            (against, Some(Packing::Zstd), None),
            (against, None, Some(ErrorKind::Conflict)),
            (against, Some(against), Some(ErrorKind::Invalid)),
        ] {
            assert_eq!(packing.check_base(held).err().map(|error| error.kind()), answer, "{packing:?} on {held:?}");
        }
    }
}
