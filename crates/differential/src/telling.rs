//! [`Story`]: documents that are told in many ways, all of which have to leave the same behind.
//!
//! A [`Manner`] lists a document's items in another order and hands them over in parts. What a store then holds may
//! differ from the plain telling in what the document itself says, its order, and in what is kept of the parts; see
//! [`without_order`] and [`without_parts`]. All else is equal, and on every backend everything is.

use feedspine_core::ingest::BatchDigest;
use feedspine_core::transfer::Row;
use feedspine_core::{
    Candidate, Content, Coverage, CursorStep, FeedId, FetchId, HashRule, IngestBatch, Json, JsonPath, Namespace,
    NaturalKey, Part, Reject, StorageBackend, Timestamp,
};
use feedspine_testkit::storage::calls::{exported, first_difference};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::contestant::{Arena, Reference};
use crate::operation::{self, Instant, Item, START};

const HOUR: i64 = 3_600_000_000;

/// What a feed shows: a first document, and further ones that list all that it did, so that nothing leaves. Why an item
/// left is told by the order of the document, which is the publisher's word.
#[derive(Debug, Clone)]
pub struct Story {
    coverage: Coverage,
    volatile: bool,
    first: Vec<Item>,
    further: Vec<Further>,
}

/// A document that follows another.
#[derive(Debug, Clone)]
struct Further {
    /// What becomes of the items of the document before, again from the beginning where these are fewer.
    edits: Vec<Option<Item>>,
    added: Vec<Item>,
}

/// How each document of a story is told.
#[derive(Debug, Clone)]
pub struct Manner {
    /// Items are sorted by these, again from the beginning where these are fewer: all equal is the document's own order.
    places: Vec<u8>,
    /// Whether a part ends behind an item.
    cuts: Vec<bool>,
}

/// Stories, from pools of tame and hostile texts that are small enough for many items of one key.
pub fn stories() -> impl Strategy<Value = Story> {
    let coverage = prop_oneof![
        4 => Just(Coverage::Snapshot { complete: true }),
        1 => Just(Coverage::Snapshot { complete: false }),
        2 => Just(Coverage::Delta),
    ];
    let edit = prop_oneof![2 => Just(None), 1 => operation::item().prop_map(Some)];
    let further = (vec(edit, 1..6), vec(operation::item(), 0..4)).prop_map(|(edits, added)| Further { edits, added });
    (coverage, any::<bool>(), vec(operation::item(), 1..12), vec(further, 0..3))
        .prop_map(|(coverage, volatile, first, further)| Story { coverage, volatile, first, further })
}

/// Ways to tell a story.
pub fn manners() -> impl Strategy<Value = Manner> {
    (vec(any::<u8>(), 1..24), vec(any::<bool>(), 1..24)).prop_map(|(places, cuts)| Manner { places, cuts })
}

/// Tells a story plainly to the reference, and in the given manner to the reference and to each of the arenas.
///
/// # Errors
/// What differs, and between which of them.
pub async fn tell(story: &Story, manner: &Manner, arenas: &[Box<dyn Arena>]) -> Result<(), String> {
    let plain = Manner { places: vec![0], cuts: vec![false] };
    let in_order = Manner { places: vec![0], cuts: manner.cuts.clone() };
    let at_once = Manner { cuts: vec![false], ..manner.clone() };
    let expected = by_reference(story, &plain).await?;
    let reordered = by_reference(story, &at_once).await?;
    differ("another order", &without_order(reordered.clone()), &without_order(expected.clone()))?;
    let parted = by_reference(story, &in_order).await?;
    let expected = without_parts(without_order(expected));
    differ("parts", &without_parts(without_order(parted)), &expected)?;
    let told = by_reference(story, manner).await?;
    differ("parts in another order", &without_parts(without_order(told.clone())), &expected)?;
    for arena in arenas {
        for (manner, right) in [(&at_once, &reordered), (manner, &told)] {
            arena.clear().await.map_err(|error| error.to_string())?;
            let handle = arena.open().await.map_err(|error| error.to_string())?;
            let found = dump(&*handle, story, manner).await?;
            handle.close().await.map_err(|error| error.to_string())?;
            differ(arena.name(), &found, right)?;
        }
    }
    Ok(())
}

async fn by_reference(story: &Story, manner: &Manner) -> Result<Vec<Row>, String> {
    let reference = Reference::new().await.map_err(|error| error.to_string())?;
    dump(&reference.store, story, manner).await
}

fn differ(what: &str, found: &[Row], right: &[Row]) -> Result<(), String> {
    first_difference("exported rows", found, right).map_or(Ok(()), |difference| Err(format!("{what}: {difference}")))
}

/// All that a store holds once it was told a story.
async fn dump(backend: &dyn StorageBackend, story: &Story, manner: &Manner) -> Result<Vec<Row>, String> {
    backend.initialize().await.map_err(|error| error.to_string())?;
    for batch in story.told(manner) {
        backend.ingest(batch).await.map_err(|error| error.to_string())?;
    }
    let rows = exported(backend).await.map_err(|failure| failure.to_string())?;
    rows.ok_or_else(|| "the store exports nothing".to_owned())
}

/// A dump without what only tells the order of the document: ordinals, and which of its rejects and its items came first.
///
/// The digest of a part is made of the batch as it was handed over, to know it again.
fn without_order(mut rows: Vec<Row>) -> Vec<Row> {
    for row in &mut rows {
        match row {
            Row::Point(point) => point.ordinal = 0,
            Row::Reject(row) => row.quarantined.reject.ordinal = 0,
            Row::Observation(row) => {
                for (_, part) in &mut row.parts {
                    part.committed.digest = BatchDigest([0; 32]);
                    part.committed.retold.fill(0);
                    part.collided.fill(0);
                }
            }
            _ => {}
        }
    }
    // Rejects and events have no order but that of the document. All other rows have one of their own, which stays.
    let free = |row: &Row| matches!(row, Row::Reject(_) | Row::Event(_));
    let mut sorted = Vec::with_capacity(rows.len());
    for same in rows.chunk_by(|a, b| free(a) && std::mem::discriminant(a) == std::mem::discriminant(b)) {
        let mut same = same.to_vec();
        same.sort_by_cached_key(|row| format!("{row:?}"));
        sorted.extend(same);
    }
    sorted
}

/// A dump without what is kept of the parts that a fetch came in: what each was answered, and the digest of the whole,
/// by which only a document in one part is known again at once.
fn without_parts(mut rows: Vec<Row>) -> Vec<Row> {
    for row in &mut rows {
        match row {
            Row::Observation(row) => row.parts.clear(),
            Row::Feed(row) => {
                if let Some(manifest) = &mut row.state.manifest {
                    manifest.digest = None;
                }
            }
            _ => {}
        }
    }
    rows
}

/// An item, or what could not be one.
#[derive(Debug, Clone)]
enum Listed {
    Item(Candidate),
    Reject(Reject),
}

impl Story {
    /// The batches, all parts of the first document first.
    fn told(&self, manner: &Manner) -> Vec<IngestBatch> {
        let mut batches = Vec::new();
        for (number, document) in (0..).zip(self.documents()) {
            let parts = manner.parts(&document);
            let count = parts.len();
            let mut ordinals = 0..;
            for (index, part) in (0..).zip(parts) {
                let last = index as usize + 1 == count;
                let mut batch = self.batch(number, Part { index, last });
                for (listed, ordinal) in part.into_iter().zip(&mut ordinals) {
                    match listed {
                        Listed::Item(item) => batch.items.push(Candidate { ordinal, ..item }),
                        Listed::Reject(reject) => batch.rejects.push(Reject { ordinal, ..reject }),
                    }
                }
                batches.push(batch);
            }
        }
        batches
    }

    fn documents(&self) -> Vec<Vec<Listed>> {
        let mut documents = vec![self.first.clone()];
        for further in &self.further {
            let before = documents.last().expect("there is a first");
            let edited = before.iter().zip(further.edits.iter().cycle()).map(|(item, edit)| match edit {
                Some(edit) => Item { content: edit.content, updated: edit.updated, ..item.clone() },
                None => item.clone(),
            });
            documents.push(edited.chain(further.added.iter().cloned()).collect());
        }
        documents.iter().map(|document| document.iter().map(listed).collect()).collect()
    }

    fn batch(&self, number: u64, part: Part) -> IngestBatch {
        let hours = i64::try_from(number + 1).expect("a few documents");
        let observed_at = Timestamp::UNIX_EPOCH.saturating_add_micros(START + hours * HOUR);
        IngestBatch {
            feed: FeedId::from_u128(1),
            fetch: FetchId::from_u128(u128::from(number) + 1),
            part,
            observed_at,
            recorded_at: observed_at,
            coverage: self.coverage,
            hash_rule: if self.volatile { HashRule::without(vec![JsonPath::of(["views"])]) } else { HashRule::whole() },
            items: Vec::new(),
            rejects: Vec::new(),
            step: CursorStep::Advance { expected: number, next: Json::from(number) },
        }
    }
}

impl Manner {
    /// The document in another order, in parts.
    ///
    /// Items of one key that differ come in one part: what a part has told of a key is committed and cannot be taken
    /// back, so a later part's other word for it is a collision, whichever would have won in one part.
    fn parts(&self, document: &[Listed]) -> Vec<Vec<Listed>> {
        let mut ordered: Vec<(u8, &Listed)> = self.places.iter().copied().cycle().zip(document).collect();
        ordered.sort_by_key(|(place, _)| *place);
        let mut groups: Vec<Vec<Listed>> = Vec::new();
        for (_, listed) in ordered {
            let rivals = contested(document, listed);
            let group = groups.iter_mut().find(|held| rivals && held.iter().any(|held| held.key() == listed.key()));
            match group {
                Some(group) => group.push(listed.clone()),
                None => groups.push(vec![listed.clone()]),
            }
        }
        let mut parts = vec![Vec::new()];
        for (group, cut) in groups.into_iter().zip(self.cuts.iter().cycle()) {
            parts.last_mut().expect("there is a part").extend(group);
            if *cut {
                parts.push(Vec::new());
            }
        }
        parts
    }
}

impl Listed {
    fn key(&self) -> Option<&NaturalKey> {
        match self {
            Self::Item(item) => Some(&item.key),
            Self::Reject(_) => None,
        }
    }
}

/// Whether another item of the document has the key of this one, and says something else.
fn contested(document: &[Listed], listed: &Listed) -> bool {
    let Listed::Item(item) = listed else { return false };
    document.iter().any(|other| matches!(other, Listed::Item(other) if other.key == item.key && other != item))
}

/// What cannot be an item is a reject. With its key, where it has one: so it counts as present.
fn listed(told: &Item) -> Listed {
    let space = Namespace::new(&told.space.get()).expect("a namespace of the pool");
    let key = NaturalKey::new(space, &told.key.get()).ok();
    let (published, updated) = (told.published.map(Instant::get), told.updated.map(Instant::get));
    match (key, Content::parse(&told.content.get())) {
        (Some(key), Ok(content)) => {
            Listed::Item(Candidate { key, key_rule: told.rule, ordinal: 0, content, published, updated })
        }
        (key, _) => {
            let (code, reason) = ("item.invalid".to_owned(), "not an item".to_owned());
            Listed::Reject(Reject { ordinal: 0, key, code, reason, excerpt: format!("{:?}", told.content) })
        }
    }
}
