//! Hashed candidates of about one kilobyte, in snapshots.

use feedspine_core::{
    Candidate, Content, Coverage, CursorStep, FeedId, FetchId, HashRule, IngestBatch, Json, KeyRule, Namespace,
    NaturalKey, Part, Timestamp,
};

use crate::random::Random;

/// Items in a common feed document.
pub const SNAPSHOT: usize = 100;
/// About the bytes of one candidate's canonical content.
pub const CONTENT_BYTES: usize = 1_000;

/// What one feed shows at one time.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The feed's number.
    pub feed: usize,
    /// Its items, newest first.
    pub items: Vec<Candidate>,
}

/// `count` candidates in snapshots of `size`, one for each feed.
pub fn all_new(count: usize, size: usize) -> Vec<Snapshot> {
    let mut random = Random::new(7);
    (0..count / size)
        .map(|feed| {
            let items = (0..size).map(|item| candidate(feed, item, &mut random)).collect();
            Snapshot { feed, items }
        })
        .collect()
}

/// `count` items of the feed 0 from that place in its document on: a part of one that is too large to be held. Each item
/// is made for itself.
pub fn part(from: usize, count: usize) -> Vec<Candidate> {
    (from..from + count).map(|item| candidate(0, item, &mut Random::new(item as u64))).collect()
}

/// The same items in another order, with `edited` of each snapshot's changed.
pub fn shuffled(snapshots: &[Snapshot], edited: usize, seed: u64) -> Vec<Snapshot> {
    let mut random = Random::new(seed);
    let one = |snapshot: &Snapshot| {
        let mut items = snapshot.items.clone();
        for item in 0..edited {
            let at = item * items.len() / edited;
            items[at].content = content(&format!("edited {seed}"), &mut random);
        }
        random.shuffle(&mut items);
        for (ordinal, item) in (0..).zip(&mut items) {
            item.ordinal = ordinal;
        }
        Snapshot { feed: snapshot.feed, items }
    };
    snapshots.iter().map(one).collect()
}

/// The batch that hands a snapshot over; `round` tells one reading of a feed from the next.
pub fn batch(snapshot: &Snapshot, round: u64) -> IngestBatch {
    let feed = u128::try_from(snapshot.feed).expect("a feed's number fits");
    let seconds = i64::try_from(round).expect("few rounds") * 3_600 + 1_790_000_000;
    // Feeds are read one after the other.
    let since = i64::try_from(snapshot.feed).expect("few feeds") * 10_000;
    let now = Timestamp::from_micros(seconds * 1_000_000 + since).expect("a year of this century");
    IngestBatch {
        feed: FeedId::from_u128(feed + 1),
        fetch: FetchId::from_u128((u128::from(round) << 64) | (feed + 1)),
        part: Part::ONLY,
        observed_at: now,
        recorded_at: now,
        coverage: Coverage::Snapshot { complete: true },
        hash_rule: HashRule::whole(),
        items: snapshot.items.clone(),
        rejects: Vec::new(),
        step: CursorStep::Advance { expected: round, next: Json::from("validators") },
    }
}

fn candidate(feed: usize, item: usize, random: &mut Random) -> Candidate {
    let namespace = Namespace::new(&format!("feed-{feed}")).expect("a short name");
    let published = 1_780_000_000 - i64::try_from(item).expect("few items") * 600;
    Candidate {
        key: NaturalKey::new(namespace, &format!("https://example.org/{feed}/articles/{item}")).expect("a short key"),
        key_rule: KeyRule::Id,
        ordinal: u32::try_from(item).expect("few items"),
        content: content(&random.prose(60), random),
        published: Some(Timestamp::from_micros(published * 1_000_000).expect("a year of this century")),
        updated: None,
    }
}

fn content(title: &str, random: &mut Random) -> Content {
    Content::new(&Json::object([
        ("content", Json::from(random.prose(CONTENT_BYTES - 160))),
        ("link", Json::from("https://example.org/articles/")),
        ("title", Json::from(title)),
    ]))
}
