//! The story of the store. It may grow; what it tells already stays, since older stores are asked for it.

use feedspine_core::{
    Candidate, Capture, Coverage, Feed, FeedId, FeedStatus, FetchDetail, FetchStatus, HashRule, HolderId, IngestBatch,
    JsonPath, KeyRule, Layer, LeaseRequest, Lineage, NaturalKey, Record, RecordName, RecordRef, RecordWrite, Result,
    Schedule, Sighting, Slot, StateStore, StorageBackend, StorageError, StorageExt,
};

use crate::script::{
    advancing, at, content, dated, delta, feed, item, item_of, key, key_in, part, reject, snapshot, titled, told,
    unchanged, write,
};
use crate::state::{a_feed, against, capture, detail, intent, plain, schedule};

/// The first fetch of feed 1 that the story does not tell.
pub(super) const NEXT_FETCH: u32 = 100;
/// An item that feed 1 listed last.
pub(super) const LISTED_LAST: &str = "anew";

/// Feeds that are captured.
pub(super) const FEEDS: [u128; 5] = [1, 2, 3, 4, 5];

/// Keys that were sighted and have no record: no store lists them.
pub(super) fn told_keys() -> [NaturalKey; 2] {
    [key("only told"), key_in("elsewhere", "only told")]
}

/// What feed 1 was captured from first.
pub(super) fn first_document() -> IngestBatch {
    let items = [("e", 50), ("d", 40), ("c", 30), ("b", 20), ("a", 10)];
    advancing(0, "1", snapshot(1, items.map(|(name, age)| dated(name, "x", age)).to_vec()))
}

/// Feeds of each status, fetches that ended in each way, schedules, captures.
pub(super) async fn control_plane(store: &impl StateStore) -> Result<()> {
    let path = "/path with blanks/\u{1F4F0}/'quoted'.xml".to_owned();
    let feeds = [
        Feed { key_rule: Some(KeyRule::Id), ..a_feed(1, "news") },
        Feed { namespace: key("a").namespace().clone(), status: FeedStatus::Paused, ..a_feed(2, "news-copy") },
        Feed { address: path, allow_private: true, ..a_feed(3, "\u{e9}t\u{e9}-2026:%_") },
        Feed { status: FeedStatus::Removed, ..a_feed(4, "old") },
        a_feed(5, "old"),
        Feed { settings: content(r#"{"tags":["wires"]}"#), ..a_feed(6, "tagged") },
    ];
    for feed in &feeds {
        store.add_feed(feed).await?;
    }
    store.settle_key_rule(feed(3), KeyRule::LinkDate).await?;
    let moved = Feed { address: "https://example.org/moved".to_owned(), ..a_feed(5, "new-name") };
    store.replace_feed(&a_feed(5, "old"), &moved).await?;
    let failed = FetchDetail {
        http_status: Some(503),
        body_bytes: 0,
        code: Some("http.status".to_owned()),
        reason: Some("the server said 503: \u{201C}later\u{201D}".to_owned()),
        ..detail(FetchStatus::Failed, 23)
    };
    let warned = FetchDetail { reason: Some("3 dates are unreadable".to_owned()), ..detail(FetchStatus::Captured, 21) };
    let file = FetchDetail { http_status: None, ..detail(FetchStatus::Captured, 25) };
    let ended = [
        (1, warned),
        (1, detail(FetchStatus::Unchanged, 22)),
        (1, failed),
        (1, detail(FetchStatus::Superseded, 24)),
        (3, file),
    ];
    for (number, (of, detail)) in (21..).zip(ended) {
        let begun = intent(of, number);
        store.begin_fetch(&begun, None).await?;
        store.finish_fetch(begun.fetch, &detail, None).await?;
    }
    // The second marks the first as interrupted, and runs on. No document is of either: none would be taken of the first.
    store.begin_fetch(&intent(2, 91), None).await?;
    store.begin_fetch(&intent(2, 92), None).await?;
    schedules(store).await?;
    bodies(store).await
}

/// Captures of two feeds: a body of its own, one packed against it, and one that both have.
async fn bodies(store: &impl StateStore) -> Result<()> {
    let Some(captures) = store.captures() else { return Ok(()) };
    let base = plain("a document");
    let nameless =
        Capture { url: None, content_type: None, http_status: None, headers: Vec::new(), ..capture((3, 25), 0, &base) };
    for (capture, body) in [
        (capture((1, 21), 0, &base), base.clone()),
        (
            capture((1, 22), 0, &against("a document, edited", "a document")),
            against("a document, edited", "a document"),
        ),
        (capture((1, 22), 40, &plain("its second page")), plain("its second page")),
        (nameless, base),
    ] {
        captures.keep(capture, body).await?;
    }
    Ok(())
}

/// A feed that was fetched in its turn, one that is due, and one that is not fetched by itself.
async fn schedules(store: &impl StateStore) -> Result<()> {
    let by_hand = Schedule { due_at: None, ..schedule(2, 0) };
    store.set_schedules(&[schedule(1, 700), by_hand, schedule(6, 710)]).await?;
    let hosts = vec!["example.org".to_owned()];
    let request = LeaseRequest { holder: HolderId("the kit".to_owned()), hosts, now: at(700), micros: 60_000_000 };
    let lease = store.lease_hosts(&request).await?.remove(0);
    let begun = intent(1, 93);
    store.begin_fetch(&begun, Some(&Slot { lease: lease.token, due_at: at(700) })).await?;
    let noted = FetchDetail { notes: content(r#"{"requests":2}"#), ..detail(FetchStatus::Unchanged, 93) };
    store.finish_fetch(begun.fetch, &noted, Some(&schedule(1, 1_700))).await
}

/// Captures, writes, deletes and told sightings.
pub(super) async fn captures(store: &impl StorageBackend) -> Result<()> {
    spans_of_each_end(store).await?;
    parts_points_and_quarantine(store).await?;
    other_feeds(store).await?;
    layers(store).await?;
    let elsewhere = Sighting { key: key_in("elsewhere", "only told"), ..told("only told", 8, 9_003, 8) };
    let seen = [told("only told", 7, 9_001, 5), told("a", 7, 9_002, 6), told("a", 1, 1, 7), elsewhere];
    store.observe_many(seen.to_vec()).await?;
    deletes(store).await?;
    advance(store, snapshot(61, vec![dated(LISTED_LAST, "x", 80), dated("deleted", "again", 70)])).await
}

/// Feed 1, until its spans have ended as withdrawn, scrolled off, changed and unknown.
async fn spans_of_each_end(store: &impl StorageBackend) -> Result<()> {
    store.ingest(first_document()).await?;
    advance(store, unchanged(2, 1)).await?;
    let edited = vec![dated("e", "x", 50), dated("d", "y", 40), dated("c", "x", 30), dated("a", "x", 10)];
    advance(store, snapshot(3, edited)).await?;
    let returned = vec![dated("e", "x", 50), dated("d", "y", 40), dated("c", "x", 30), dated("b", "x", 20)];
    advance(store, snapshot(4, returned.clone())).await?;
    let again = vec![dated("e", "x", 50), dated("d", "x", 40), dated("c", "x", 30), dated("b", "x", 20)];
    advance(store, snapshot(5, again)).await?;
    let incomplete = IngestBatch {
        coverage: Coverage::Snapshot { complete: false },
        rejects: vec![reject(2, None)],
        ..snapshot(6, vec![dated("e", "x", 50), dated("c", "x", 30)])
    };
    advance(store, incomplete).await?;
    advance(store, snapshot(7, vec![dated("e", "x", 50), dated("c", "x", 30), dated("b", "x", 20)])).await
}

async fn parts_points_and_quarantine(store: &impl StorageBackend) -> Result<()> {
    let head = part(0, false, 0, snapshot(8, vec![dated("f", "x", 60), dated("e", "x", 50)]));
    let tail = vec![dated("c", "x", 30), dated("e", "x", 50), dated("c", "another", 30)];
    let tail = IngestBatch { rejects: vec![reject(5, Some("g"))], ..part(1, true, 2, snapshot(8, tail)) };
    advance(store, head).await?;
    advance(store, tail).await?;
    // Its last part never comes.
    advance(store, part(0, false, 0, snapshot(9, vec![dated("h", "x", 65), dated("f", "x", 60)]))).await?;
    store.ingest(delta(10, vec![dated("e", "edited in a delta", 50), dated("i", "x", 5)])).await?;
    advance(store, snapshot(11, Vec::new())).await?;
    advance(store, snapshot(12, vec![dated("f", "x", 60), dated("e", "x", 50)])).await?;
    // Shares nothing with the document before it.
    advance(store, snapshot(13, vec![dated("z", "x", 90), dated("y", "x", 85)])).await?;
    advance(store, unchanged(14, 13)).await
}

/// Feed 2 shares its keys with feed 1; feed 3 looks past views and holds what is hard to keep; feed 4 only tells points;
/// feed 5 holds more items than a row of open spans.
async fn other_feeds(store: &impl StorageBackend) -> Result<()> {
    let shared = vec![dated("deleted", "x", 55), dated("e", "in other words", 50), dated("c", "x", 30)];
    advance(store, of(2, snapshot(21, shared))).await?;
    advance(store, of(2, unchanged(22, 21))).await?;

    let rule = HashRule::without(vec![JsonPath::of(["stats", "views"]), JsonPath::of(["a.b"])]);
    let hard = |title: &str, views: u32| {
        let title = format!(r#"{{"title":"{title}","stats":{{"views":{views}}},"a.b":{views}}}"#);
        let numbers = r#"{"big":123456789012345678901234567890.5,"tiny":1e-400,"huge":-9007199254740993}"#;
        let texts = r#"{"nul":"a\u0000b","paper":"\ud83d\uddde","sep":"\u2028","blank":" \t","null":null}"#;
        let long = format!(r#"{{"text":"{}"}}"#, "quiet signal ".repeat(720));
        let items = [("hard", title.as_str()), ("n", numbers), ("\u{e9}\u{1F4F0}'%_\\", texts), ("long", &long)];
        items.map(|(name, json)| Candidate { key: key_in("\u{e9}t\u{e9}", name), ..item_of(name, json) }).to_vec()
    };
    let third =
        |number, title, views| of(3, IngestBatch { hash_rule: rule.clone(), ..snapshot(number, hard(title, views)) });
    advance(store, third(31, "x", 1)).await?;
    advance(store, third(32, "x", 2)).await?;
    advance(store, third(33, "y", 3)).await?;

    for (number, names) in [(41, ["e", "pushed"]), (42, ["pushed", "only told by deltas"])] {
        let items = names.map(|name| item(name, "x")).to_vec();
        store.ingest(of(4, delta(number, items))).await?;
    }

    let wide = |number, edited: u32| {
        let item = |place: u32| {
            let title = if place == edited { "edited" } else { "x" };
            let published = Some(at(10_000 - i64::from(place)));
            let key = key_in("wide", &format!("{place:02}"));
            Candidate { key, key_rule: KeyRule::LinkDate, content: titled(title), published, ..item("a", "") }
        };
        of(5, snapshot(number, (0..42).filter(|place| *place != edited + 1).map(item).collect()))
    };
    advance(store, wide(51, 90)).await?;
    advance(store, wide(52, 7)).await
}

/// Silver and gold, fresh, stale and by hand.
async fn layers(store: &impl StorageBackend) -> Result<()> {
    let promoted = |from: &Record, layer, title: &str, second| RecordWrite {
        id: from.id,
        key: from.key.clone(),
        layer,
        content: titled(title),
        derived_from: Some(Lineage {
            layer: from.layer,
            version: from.version,
            hash: from.content.hash(),
            source_deleted: false,
        }),
        recorded_at: at(second),
        ..write(0, "a", "")
    };
    for name in ["c", "d", "e", "f"] {
        let bronze = held(store, &key(name)).await?;
        let silver = promoted(&bronze, Layer::Silver, "cleaned", 5_000_000);
        let noted = RecordWrite {
            metadata: content(r#"{"by":"the kit","score":0.75}"#),
            recorded_at: at(5_000_001),
            published: Some(at(31)),
            updated: Some(at(32)),
            ..silver.clone()
        };
        store.put_many(vec![silver, noted]).await?;
        let silver = held(store, &key(name)).await?;
        store.put_many(vec![promoted(&silver, Layer::Gold, "enriched", 5_000_002)]).await?;
    }
    let imported = RecordWrite { layer: Layer::Silver, ..write(1, "imported", "by a call") };
    store.put_many(vec![imported, write(2, "stored", "x"), write(2, "stored", "y")]).await?;
    Ok(())
}

async fn deletes(store: &impl StorageBackend) -> Result<()> {
    let doomed = |name: &str, layer| RecordRef { name: RecordName::Key(key(name)), layer };
    let all = [
        doomed("deleted", None),
        doomed("d", Some(Layer::Gold)),
        doomed("e", Some(Layer::Bronze)),
        doomed("f", Some(Layer::Silver)),
        doomed("never was", None),
    ];
    store.delete_many(&all, at(5_000_100)).await?;
    Ok(())
}

/// The same batch, read in another feed.
fn of(number: u128, batch: IngestBatch) -> IngestBatch {
    IngestBatch { feed: feed(number), ..batch }
}

/// Ingests a batch that moves its feed's cursor.
async fn advance(store: &impl StorageBackend, batch: IngestBatch) -> Result<()> {
    let revision = revision(store, batch.feed).await?;
    let etag = batch.fetch.to_string();
    store.ingest(advancing(revision, &etag, batch)).await?;
    Ok(())
}

async fn revision(store: &impl StorageBackend, feed: FeedId) -> Result<u64> {
    Ok(store.cursor(feed).await?.map_or(0, |cursor| cursor.revision))
}

async fn held(store: &impl StorageBackend, key: &NaturalKey) -> Result<Record> {
    let found = store.get_by_natural_key(key).await?;
    found.ok_or_else(|| StorageError::internal(format!("the story has no record of {key}")))
}
