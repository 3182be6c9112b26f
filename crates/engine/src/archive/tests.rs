use std::io::Write;

use feedspine_core::{Json, MemoryStore, PackedBody};
use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

async fn archive() -> Archive {
    let store = Arc::new(MemoryStore::new());
    store.prepare().await.unwrap();
    Archive::of(store)
}

fn body(text: &str) -> KeptBody {
    KeptBody {
        first_ordinal: 0,
        last_ordinal: 9,
        observed_at: Timestamp::UNIX_EPOCH,
        url: Some("https://a.example/x?y=ü".to_owned()),
        content_type: None,
        http_status: Some(200),
        headers: vec![("etag".to_owned(), "\"1\"".to_owned())],
        bytes: text.as_bytes().to_vec(),
    }
}

/// Text that packs to about its size.
pub(super) fn noise(seed: u64, bytes: usize) -> String {
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
async fn a_body_is_read_back_as_it_was() {
    let (archive, (feed, fetch)) = (archive().await, id(7));
    let second = KeptBody { first_ordinal: 300, content_type: Some("text/xml".to_owned()), ..body("two") };
    let third = KeptBody { first_ordinal: 4_000, url: None, headers: Vec::new(), ..body(&noise(1, 9_000)) };
    for body in [&third, &second, &body("one")] {
        let kept = archive.keep(Keep::All, feed, fetch, body.clone()).await.unwrap();
        assert_eq!(kept, Keeping::Kept(ContentHash::of(&body.bytes)));
    }
    assert_eq!(archive.bodies(feed, fetch).await.unwrap(), [0, 300, 4_000]);
    assert_eq!(bodies(&archive, feed, fetch).await.unwrap(), [body("one"), second, third]);
    assert!(archive.bodies(feed, id(8).1).await.unwrap().is_empty());
    assert!(archive.bodies(FeedId::from_u128(2), fetch).await.unwrap().is_empty());
    let missing = BodyName { feed, fetch, first_ordinal: 7 };
    assert_eq!(archive.body(missing).await.unwrap(), None);
}

#[tokio::test]
async fn the_bodies_of_a_feed_are_listed_page_by_page_the_oldest_fetch_first() {
    let archive = archive().await;
    let (feed, other) = (FeedId::from_u128(2), FeedId::from_u128(3));
    let name = |fetch, first_ordinal| BodyName { feed, fetch: FetchId::from_u128(fetch), first_ordinal };
    let kept = [name(3, 0), name(3, 12), name(5, 0), name(11, 0), name(11, 1_000)];
    for BodyName { fetch, first_ordinal, .. } in kept.iter().rev().copied() {
        for feed in [feed, other, FeedId::from_u128(1)] {
            archive.keep(Keep::All, feed, fetch, KeptBody { first_ordinal, ..body("x") }).await.unwrap();
        }
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

#[tokio::test]
async fn what_a_feed_serves_again_with_few_changes_takes_little() {
    let archive = archive().await;
    for number in 1..=20 {
        let (feed, fetch) = id(number.into());
        let text = format!("{}{}", noise(number, 200), noise(0, 30_000));
        archive.keep(Keep::All, feed, fetch, body(&text)).await.unwrap();
        assert_eq!(bodies(&archive, feed, fetch).await.unwrap(), [body(&text)]);
    }
    let figures = archive.store().unwrap().capture_figures().await.unwrap();
    assert!(figures.packed_bytes < 40_000, "{figures:?}");
}

#[tokio::test]
async fn a_body_that_comes_again_after_another_is_kept_once() {
    let archive = archive().await;
    let (one, two) = (noise(1, 9_000), format!("{}{}", noise(2, 100), noise(1, 9_000)));
    for (number, text) in (1..).zip([&one, &two, &one, &two, &one]) {
        let (feed, fetch) = id(number);
        archive.keep(Keep::All, feed, fetch, body(text)).await.unwrap();
        assert_eq!(bodies(&archive, feed, fetch).await.unwrap(), [body(text)]);
    }
    let figures = archive.store().unwrap().capture_figures().await.unwrap();
    assert_eq!((figures.feeds[0].captures, figures.bodies), (5, 2));
}

#[tokio::test]
async fn what_is_too_large_for_a_policy_is_told_and_what_is_not_to_be_kept_is_not() {
    let (archive, (feed, fetch)) = (archive().await, id(1));
    let large = archive.keep(Keep::Bytes(10_000), feed, fetch, body(&noise(8, 40_000))).await.unwrap();
    assert!(matches!(large, Keeping::TooLarge(30_000..)), "{large:?}");
    assert_eq!(archive.keep(Keep::Nothing, feed, fetch, body("x")).await.unwrap(), Keeping::Off);
    assert!(archive.bodies(feed, fetch).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_damaged_body_is_an_error_that_names_it() {
    let (archive, (feed, fetch)) = (archive().await, id(1));
    let text = noise(1, 2_000);
    let hash = ContentHash::of(text.as_bytes());
    let packed = packed::pack(text.as_bytes(), hash, None).unwrap();
    let damaged = PackedBody { packed: packed.packed[1..].to_vec(), ..packed };
    let capture = Capture {
        name: BodyName { feed, fetch, first_ordinal: 0 },
        last_ordinal: 0,
        observed_at: Timestamp::UNIX_EPOCH,
        url: None,
        content_type: None,
        http_status: None,
        headers: Vec::new(),
        body: hash,
    };
    archive.store().unwrap().keep(capture, damaged).await.unwrap();
    let error = bodies(&archive, feed, fetch).await.unwrap_err();
    assert_eq!(error.code(), "archive.damaged");
    assert!(error.message().contains(&hash.to_string()), "{error}");
}

/// A body as programs before this one wrote it.
fn former(body: &KeptBody) -> Vec<u8> {
    let header = Json::object([
        ("first_ordinal", u64::from(body.first_ordinal).into()),
        ("last_ordinal", u64::from(body.last_ordinal).into()),
        ("observed_at", body.observed_at.to_string().into()),
        ("url", body.url.as_deref().into()),
        ("content_type", body.content_type.as_deref().into()),
        ("bytes", (body.bytes.len() as u64).into()),
    ]);
    let mut gzip = GzEncoder::new((header.to_canonical() + "\n").into_bytes(), Compression::default());
    gzip.write_all(&body.bytes).unwrap();
    gzip.finish().unwrap()
}

#[tokio::test]
async fn what_was_kept_in_a_folder_is_taken_over_and_what_is_damaged_stays_there() {
    let (archive, (feed, fetch)) = (archive().await, id(7));
    let home = tempfile::tempdir().unwrap();
    let root = home.path().join("x.db.bodies");
    assert_eq!(archive.take_over(&root).await.unwrap(), TakenOver::default());
    let folder = root.join(feed.to_string());
    std::fs::create_dir_all(&folder).unwrap();
    let plain = |text: &str| KeptBody { http_status: None, headers: Vec::new(), ..body(text) };
    let (one, two) = (plain("one"), KeptBody { first_ordinal: 300, ..plain(&noise(1, 5_000)) });
    for body in [&one, &two] {
        std::fs::write(folder.join(format!("{fetch}-{:010}.body", body.first_ordinal)), former(body)).unwrap();
    }
    let damaged = folder.join(format!("{}-0000000000.body", id(8).1));
    std::fs::write(&damaged, &former(&one)[..40]).unwrap();
    std::fs::write(folder.join("x.part"), "begun").unwrap();

    let taken = archive.take_over(&root).await.unwrap();
    assert_eq!((taken.bodies, taken.left), (2, vec![format!("{} is damaged", damaged.display())]));
    assert_eq!(bodies(&archive, feed, fetch).await.unwrap(), [one, two]);
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(left.contains(&damaged) && left.len() == 2, "{left:?}");

    std::fs::remove_file(damaged).unwrap();
    assert_eq!(archive.take_over(&root).await.unwrap(), TakenOver::default());
    assert!(!root.exists());
}
