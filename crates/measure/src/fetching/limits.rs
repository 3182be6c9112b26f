//! What a collect is held against: the same requests by a bare client, and the same writes without any request.

use std::sync::Arc;
use std::time::Duration;

use feedspine_core::{
    Conclusion, Content, Coverage, CursorStep, Feed, FetchDetail, FetchId, FetchStatus, HashRule, IngestBatch,
    Joint as _, Json, Landing, Part, Timestamp,
};
use feedspine_sqlite::SqliteStore;
use futures_util::{StreamExt as _, stream};

use super::IN_FLIGHT;
use super::origin::Origin;

/// Asks for all feeds once, as a loop of a few lines would; with the validators of that version, if there is one.
pub(super) async fn bare_round(
    client: &reqwest::Client,
    origin: &Origin,
    feeds: usize,
    version: Option<usize>,
) -> Duration {
    let began = std::time::Instant::now();
    let mut answered = stream::iter(0..feeds)
        .map(|feed| {
            let mut asked = client.get(origin.url(feed));
            if let Some(version) = version {
                asked = asked.header("if-none-match", format!("\"{version}-{feed}\""));
            }
            tokio::spawn(async move { asked.send().await?.bytes().await })
        })
        .buffer_unordered(IN_FLIGHT);
    while let Some(body) = answered.next().await {
        body.expect("no panic").expect("the origin answers");
    }
    began.elapsed()
}

/// Writes down for all feeds what a fetch writes that found nothing new: its intent, as its feed is looked up; its row of the
/// ledger with the cursor, what came of it and the next turn.
pub(super) async fn write_round(store: &Arc<SqliteStore>, feeds: &[Feed], at: Timestamp, round: u128) -> Duration {
    let began = std::time::Instant::now();
    let mut written = stream::iter(feeds.iter().cloned().enumerate())
        .map(|(number, feed)| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let fetch = FetchId::from_u128((round << 64) + number as u128);
                write_one(&store, &feed, fetch, at).await;
            })
        })
        .buffer_unordered(IN_FLIGHT);
    while let Some(done) = written.next().await {
        done.expect("no panic");
    }
    began.elapsed()
}

async fn write_one(store: &SqliteStore, feed: &Feed, fetch: FetchId, at: Timestamp) {
    let begun = store.begin_turn(feed.id, fetch, at, None).await.expect("the store takes it");
    let outset = begun.expect("the feed is polled");
    let cursor = outset.cursor.expect("it was collected");
    let batch = IngestBatch {
        feed: feed.id,
        fetch,
        part: Part::ONLY,
        observed_at: at,
        recorded_at: at,
        coverage: Coverage::Unchanged { of: cursor.manifest.expect("a document was told") },
        hash_rule: HashRule::whole(),
        items: Vec::new(),
        rejects: Vec::new(),
        step: CursorStep::Advance { expected: cursor.revision, next: cursor.value },
    };
    let notes = Json::object([("asked", Json::Array(vec![Json::Array(vec![250_u64.into(), 304_u64.into()])]))]);
    let detail = FetchDetail {
        status: FetchStatus::Unchanged,
        http_status: Some(304),
        duration_ms: 1,
        notes: Content::new(&notes),
        ..FetchDetail::interrupted(at)
    };
    let conclusion = Conclusion { detail, schedule: outset.schedule };
    store.land(Landing::of(batch), Arc::new(move |_| conclusion.clone())).await.expect("the store takes it");
}
