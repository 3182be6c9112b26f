//! Captures: the bytes that fetches brought, each body once, until somebody asks to forget them.

use std::ops::Deref;

use feedspine_core::{
    Capture, CaptureFigures, CaptureName, CaptureStore, ContentHash, ErrorKind, FeedCaptures, FeedId, Forgotten,
    HeldBody, HeldCapture, PackedBody, Packing, PageRequest, Result, Timestamp,
};

use super::Subject;
use crate::check::{checks, ensure, ensure_eq, refused};
use crate::script::{PAGE, at, feed, fetch};
use crate::{Failure, Verdict};

checks! { Subject, "captures":
    a_capture_is_read_back: "P10", "Every field of a capture is read back as it was given, its body byte for byte.";
    captures_are_listed_by_fetch_and_ordinal: "Captures", "The captures of a feed come by fetch and then by first ordinal, whatever the order in which they came, each with the size of its body.";
    captures_are_paged: "Captures", "Pages of any size glue to the whole list, and a cursor belongs to its feed.";
    captures_of_a_fetch_come_by_ordinal: "Captures", "Asked by its fetch, a feed's captures come by first ordinal, and those of no other fetch or feed.";
    the_same_capture_again_changes_nothing: "P5", "A capture that comes again is held once, also when its body comes packed otherwise.";
    another_capture_of_the_same_name_is_a_conflict: "P11", "A capture that says something else of the same place of a fetch is a Conflict, and what was held stays.";
    a_body_is_held_once: "Captures", "The same body of several captures, of several feeds too, is held once, as it was packed first.";
    a_body_comes_with_what_it_is_packed_against: "Captures", "A body that is packed against another is answered with that one.";
    a_body_is_packed_against_what_is_held: "Captures", "A body packed against one that is not held is a Conflict, against one that is packed against another itself Invalid, and nothing is kept.";
    a_capture_names_its_body: "Captures", "A capture that comes with another body than it names, or with one packed against itself, is Invalid.";
    the_newest_base_is_that_of_the_last_capture: "Captures", "What the next body may be packed against is the last capture's body, or the one that this is packed against.";
    figures_are_counts_of_what_is_held: "P2", "Captures, bodies and bytes are told by feed, a body once for each feed, and once in all.";
    captures_outlive_the_process: "P1", "Captures and bodies are there when the store is opened again.";
    captures_are_kept_by_many_at_once: "P3", "Many captures of one body that are kept at once are all held, and the body once.";
    forgotten_captures_are_gone: "Retention", "Captures that are forgotten are gone with the bodies that nothing else needs; what went is told, and a name that is not held is passed over.";
    a_body_that_is_needed_stays: "P11", "A body stays as long as a capture of any feed names it, or another body is packed against it.";
    what_was_forgotten_may_be_kept_again: "Retention", "A capture and a body that were forgotten are kept as new ones are.";
    nothing_is_forgotten_under_what_is_kept: "P6", "A body is never forgotten under a capture that names it, or one that is packed against it, whoever keeps and forgets at once.";
}

/// The captures of a store that has some.
struct Kept(Subject);

impl Kept {
    fn of(store: Subject) -> Verdict<Self> {
        let keeps = store.deref().captures().is_some();
        if keeps { Ok(Self(store)) } else { Err(Failure::does_not_apply("the store keeps no captures")) }
    }

    fn held(&self) -> &dyn CaptureStore {
        self.0.deref().captures().expect("it was asked before")
    }

    async fn list(&self, of: FeedId) -> Result<Vec<HeldCapture>> {
        Ok(self.held().captures_page(of, &PageRequest::first(PAGE)).await?.items)
    }

    /// The packed bytes of a body, where it is held.
    async fn packed(&self, text: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.held().body(hash(text)).await?.map(|held| held.body.packed))
    }

    async fn keep_plain(&self, of: (u128, u128), text: &str) -> Result<()> {
        let body = plain(text);
        self.held().keep(capture(of, 0, &body), body).await
    }

    async fn keep_against(&self, of: (u128, u128), text: &str, base: &str) -> Result<()> {
        let body = against(text, base);
        self.held().keep(capture(of, 0, &body), body).await
    }
}

fn hash(text: &str) -> ContentHash {
    ContentHash::of(text.as_bytes())
}

/// The body of a text, as it is.
pub(crate) fn plain(text: &str) -> PackedBody {
    PackedBody {
        hash: hash(text),
        length: text.len() as u64,
        packing: Packing::Plain,
        packed: text.as_bytes().to_vec(),
    }
}

/// The same, said to be packed against another: a store does not unpack it.
pub(crate) fn against(text: &str, base: &str) -> PackedBody {
    let packed = format!("{text} against {base}").into_bytes();
    PackedBody { packing: Packing::ZstdAgainst(hash(base)), packed, ..plain(text) }
}

fn name((feed_number, fetch_number): (u128, u128), first_ordinal: u32) -> CaptureName {
    CaptureName { feed: feed(feed_number), fetch: fetch(fetch_number), first_ordinal }
}

/// That of a fetch of a feed.
pub(crate) fn capture(of: (u128, u128), first_ordinal: u32, body: &PackedBody) -> Capture {
    Capture {
        name: name(of, first_ordinal),
        last_ordinal: first_ordinal + 9,
        observed_at: at(i64::try_from(of.1).expect("a small number")),
        url: Some(format!("https://example.org/{}?a=1&b=\u{1F4F0}", of.0)),
        content_type: Some("application/rss+xml; charset=utf-8".to_owned()),
        http_status: Some(200),
        headers: vec![("etag".to_owned(), "\"x\"".to_owned()), ("link".to_owned(), "<a>, <b>".to_owned())],
        body: body.hash,
    }
}

async fn a_capture_is_read_back(store: Subject) -> Verdict {
    let store = Kept::of(store)?;
    let bytes: Vec<u8> = (0..=u8::MAX).rev().cycle().take(1_000_000).collect();
    let bodies = [
        PackedBody { hash: hash("none"), length: 0, packing: Packing::Plain, packed: Vec::new() },
        PackedBody { hash: hash("one"), length: u64::from(u32::MAX) + 1, packing: Packing::Zstd, packed: bytes },
        against("two", "one"),
    ];
    for (place, body) in (0..).zip(&bodies) {
        let common = capture((1, 1), place * 10, body);
        let given = match place {
            0 => common,
            1 => Capture {
                url: None,
                content_type: None,
                http_status: None,
                headers: Vec::new(),
                observed_at: Timestamp::MIN,
                ..common
            },
            _ => Capture {
                last_ordinal: u32::MAX,
                observed_at: at(0).saturating_add_micros(123_456),
                headers: vec![("x".to_owned(), "a\u{0}\"\\\u{1F5DE}".to_owned()), ("x".to_owned(), String::new())],
                url: Some("nul \u{0} and \u{1F5DE}".to_owned()),
                content_type: Some("a\u{0}b".to_owned()),
                http_status: Some(u16::MAX),
                ..common
            },
        };
        store.held().keep(given.clone(), body.clone()).await?;
        let found = store.held().captures_of(feed(1), fetch(1)).await?.pop();
        ensure_eq!(found, Some(given), "the capture");
        let held = store.held().body(body.hash).await?;
        ensure_eq!(held.as_ref().map(|held| &held.body), Some(body), "its body");
    }
    ensure_eq!(store.held().body(hash("never kept")).await?, None, "a body that was never kept");
    Ok(())
}

async fn captures_are_listed_by_fetch_and_ordinal(store: Subject) -> Verdict {
    let store = Kept::of(store)?;
    let body = plain("the body");
    for (of, ordinal) in [((1, 3), 0), ((1, 1), 20), ((2, 2), 0), ((1, 1), 0), ((1, 1), 100), ((1, 2), 7)] {
        store.held().keep(capture(of, ordinal, &body), body.clone()).await?;
    }
    let found = store.list(feed(1)).await?;
    let right = [(1, 0), (1, 20), (1, 100), (2, 7), (3, 0)];
    ensure_eq!(
        found.iter().map(|held| held.capture.name).collect::<Vec<_>>(),
        right.map(|(number, ordinal)| name((1, number), ordinal)),
        "captures"
    );
    for held in &found {
        ensure_eq!((held.bytes, held.packed_bytes), (8, 8), "the size of the body of {:?}", held.capture.name);
    }
    let packed = against("and another", "the body");
    store.held().keep(capture((3, 1), 0, &packed), packed.clone()).await?;
    let sizes = store.list(feed(3)).await?.pop().map(|held| (held.bytes, held.packed_bytes));
    ensure_eq!(sizes, Some((11, packed.packed.len() as u64)), "the size of a packed body");
    ensure_eq!(store.list(feed(9)).await?, [], "captures of a feed without");
    Ok(())
}

async fn captures_are_paged(store: Subject) -> Verdict {
    let store = Kept::of(store)?;
    for (fetch_number, ordinal) in [(1, 0), (1, 5), (1, 1_000_000), (2, 0), (3, 0), (3, 11), (4, 0)] {
        let body = plain("x");
        store.held().keep(capture((1, fetch_number), ordinal, &body), body).await?;
    }
    store.keep_plain((2, 1), "x").await?;
    let whole = store.list(feed(1)).await?;
    ensure_eq!(whole.len(), 7, "captures");
    for size in [1, 2, 6, 7, 8] {
        let mut page = PageRequest::first(size);
        let mut all = Vec::new();
        loop {
            let found = store.held().captures_page(feed(1), &page).await?;
            ensure!(found.items.len() <= size, "a page of {size} holds {}", found.items.len());
            all.extend(found.items);
            page.after = found.next;
            if page.after.is_none() {
                break;
            }
        }
        ensure_eq!(all, whole, "captures by pages of {size}");
    }
    let first = store.held().captures_page(feed(1), &PageRequest::first(1)).await?;
    let of_another = PageRequest { after: first.next, ..PageRequest::first(1) };
    refused(store.held().captures_page(feed(2), &of_another).await, ErrorKind::Invalid)?;
    Ok(())
}

async fn captures_of_a_fetch_come_by_ordinal(store: Subject) -> Verdict {
    let store = Kept::of(store)?;
    let body = plain("x");
    for (of, ordinal) in [((1, 1), 9), ((1, 1), 2), ((1, 2), 3), ((2, 1), 4), ((1, 1), u32::MAX - 9)] {
        store.held().keep(capture(of, ordinal, &body), body.clone()).await?;
    }
    let found = store.held().captures_of(feed(1), fetch(1)).await?;
    let right = [2, 9, u32::MAX - 9].map(|ordinal| capture((1, 1), ordinal, &body));
    ensure_eq!(found, right, "captures of the fetch");
    ensure_eq!(store.held().captures_of(feed(1), fetch(9)).await?, [], "captures of a fetch without");
    Ok(())
}

async fn the_same_capture_again_changes_nothing(store: Subject) -> Verdict {
    let store = Kept::of(store)?;
    store.keep_plain((1, 1), "base").await?;
    store.keep_plain((1, 2), "body").await?;
    let before = (store.list(feed(1)).await?, store.held().capture_figures().await?);
    store.keep_plain((1, 2), "body").await?;
    for otherwise in [against("body", "base"), against("body", "never kept")] {
        store.held().keep(capture((1, 2), 0, &otherwise), otherwise).await?;
    }
    ensure_eq!((store.list(feed(1)).await?, store.held().capture_figures().await?), before, "what is held");
    ensure_eq!(store.packed("body").await?, Some(b"body".to_vec()), "the body");
    Ok(())
}

async fn another_capture_of_the_same_name_is_a_conflict(store: Subject) -> Verdict {
    let store = Kept::of(store)?;
    store.keep_plain((1, 1), "body").await?;
    let before = (store.list(feed(1)).await?, store.held().capture_figures().await?);
    let (body, other) = (plain("body"), plain("another body"));
    refused(store.held().keep(capture((1, 1), 0, &other), other).await, ErrorKind::Conflict)?;
    let elsewhere = Capture { url: None, ..capture((1, 1), 0, &body) };
    refused(store.held().keep(elsewhere, body.clone()).await, ErrorKind::Conflict)?;
    let shorter = Capture { last_ordinal: 3, ..capture((1, 1), 0, &body) };
    refused(store.held().keep(shorter, body).await, ErrorKind::Conflict)?;
    ensure_eq!((store.list(feed(1)).await?, store.held().capture_figures().await?), before, "what is held");
    Ok(())
}

async fn a_body_is_held_once(store: Subject) -> Verdict {
    let store = Kept::of(store)?;
    store.keep_plain((1, 1), "body").await?;
    let otherwise = PackedBody { packing: Packing::Zstd, packed: b"otherwise".to_vec(), ..plain("body") };
    for of in [(1, 2), (2, 3)] {
        store.held().keep(capture(of, 0, &otherwise), otherwise.clone()).await?;
    }
    ensure_eq!(store.held().body(hash("body")).await?, Some(HeldBody { body: plain("body"), base: None }), "the body");
    let figures = store.held().capture_figures().await?;
    ensure_eq!((figures.bodies, figures.packed_bytes), (1, 4), "bodies and their bytes");
    ensure_eq!(store.list(feed(1)).await?.len() + store.list(feed(2)).await?.len(), 3, "captures");
    Ok(())
}

async fn a_body_comes_with_what_it_is_packed_against(store: Subject) -> Verdict {
    let store = Kept::of(store)?;
    store.keep_plain((1, 1), "base").await?;
    store.keep_against((1, 2), "body", "base").await?;
    let right = HeldBody { body: against("body", "base"), base: Some(plain("base")) };
    ensure_eq!(store.held().body(hash("body")).await?, Some(right), "the body");
    Ok(())
}

async fn a_body_is_packed_against_what_is_held(store: Subject) -> Verdict {
    let store = Kept::of(store)?;
    refused(store.keep_against((1, 1), "body", "base").await, ErrorKind::Conflict)?;
    ensure_eq!(store.held().capture_figures().await?, CaptureFigures::default(), "what is held");
    store.keep_plain((1, 1), "base").await?;
    store.keep_against((1, 2), "body", "base").await?;
    let before = store.held().capture_figures().await?;
    refused(store.keep_against((1, 3), "next", "body").await, ErrorKind::Invalid)?;
    ensure_eq!(store.held().capture_figures().await?, before, "what is held");
    ensure_eq!(store.packed("next").await?, None, "the body that was refused");
    Ok(())
}

async fn a_capture_names_its_body(store: Subject) -> Verdict {
    let store = Kept::of(store)?;
    refused(store.held().keep(capture((1, 1), 0, &plain("one")), plain("two")).await, ErrorKind::Invalid)?;
    refused(store.keep_against((1, 1), "one", "one").await, ErrorKind::Invalid)?;
    ensure_eq!(store.held().capture_figures().await?, CaptureFigures::default(), "what is held");
    Ok(())
}

async fn the_newest_base_is_that_of_the_last_capture(store: Subject) -> Verdict {
    let store = Kept::of(store)?;
    ensure_eq!(store.held().newest_base(feed(1)).await?, None, "the base of a feed without captures");
    store.keep_plain((1, 1), "first").await?;
    ensure_eq!(store.held().newest_base(feed(1)).await?, Some(plain("first")), "the base after the first");
    store.keep_against((1, 2), "second", "first").await?;
    ensure_eq!(store.held().newest_base(feed(1)).await?, Some(plain("first")), "the base after one packed against it");
    let of_a_page = plain("third");
    store.held().keep(capture((1, 2), 50, &of_a_page), of_a_page).await?;
    store.keep_plain((2, 9), "of another feed").await?;
    ensure_eq!(store.held().newest_base(feed(1)).await?, Some(plain("third")), "the base after a further page");
    // The fetches' order counts, not that in which they were kept.
    store.keep_plain((1, 1), "first").await?;
    let late = plain("late");
    store.held().keep(capture((1, 1), 7, &late), late).await?;
    ensure_eq!(store.held().newest_base(feed(1)).await?, Some(plain("third")), "the base after an earlier fetch");
    Ok(())
}

async fn figures_are_counts_of_what_is_held(store: Subject) -> Verdict {
    let store = Kept::of(store)?;
    store.keep_plain((2, 1), "shared").await?;
    store.keep_plain((1, 2), "shared").await?;
    store.keep_plain((1, 3), "shared").await?;
    store.keep_against((1, 4), "next", "shared").await?;
    let packed = against("next", "shared").packed.len() as u64;
    let right = CaptureFigures {
        feeds: vec![
            FeedCaptures { feed: feed(1), captures: 3, bodies: 2, bytes: 10, packed_bytes: 6 + packed },
            FeedCaptures { feed: feed(2), captures: 1, bodies: 1, bytes: 6, packed_bytes: 6 },
        ],
        bodies: 2,
        packed_bytes: 6 + packed,
    };
    ensure_eq!(store.held().capture_figures().await?, right, "figures");
    Ok(())
}

async fn captures_outlive_the_process(store: Subject) -> Verdict {
    let store = Kept::of(store)?;
    store.keep_plain((1, 1), "base").await?;
    store.keep_against((1, 2), "body", "base").await?;
    let before =
        (store.list(feed(1)).await?, store.held().body(hash("body")).await?, store.held().capture_figures().await?);
    let store = Kept::of(store.0.reopened().await?)?;
    let after =
        (store.list(feed(1)).await?, store.held().body(hash("body")).await?, store.held().capture_figures().await?);
    ensure_eq!(after, before, "what is held");
    Ok(())
}

async fn captures_are_kept_by_many_at_once(store: Subject) -> Verdict {
    let mut keeping = Vec::new();
    for number in 1..=16 {
        let store = Kept::of(store.clone())?;
        keeping.push(tokio::spawn(async move { store.keep_plain((number % 4, number), "body").await }));
    }
    for kept in keeping {
        kept.await.map_err(Failure::broken)??;
    }
    let figures = Kept::of(store)?.held().capture_figures().await?;
    ensure_eq!(figures.feeds.iter().map(|of_feed| of_feed.captures).sum::<u64>(), 16, "captures");
    ensure_eq!(figures.bodies, 1, "bodies");
    Ok(())
}

async fn forgotten_captures_are_gone(store: Subject) -> Verdict {
    let store = Kept::of(store)?;
    store.keep_plain((1, 1), "base").await?;
    store.keep_against((1, 2), "body", "base").await?;
    store.keep_plain((1, 3), "alone").await?;
    store.keep_plain((2, 1), "of another feed").await?;
    ensure_eq!(store.held().forget(&[]).await?, Forgotten::default(), "what goes of nothing");
    let unknown = [name((1, 1), 7), name((2, 2), 0), name((9, 1), 0)];
    ensure_eq!(store.held().forget(&unknown).await?, Forgotten::default(), "what goes of what is not held");
    let packed = against("body", "base").packed.len() as u64;
    let went = store.held().forget(&[name((1, 1), 0), name((1, 2), 0), name((9, 9), 0)]).await?;
    ensure_eq!(went, Forgotten { captures: 2, bodies: 2, packed_bytes: 4 + packed }, "what went");
    ensure_eq!((store.packed("base").await?, store.packed("body").await?), (None, None), "the bodies");
    let left: Vec<_> = store.list(feed(1)).await?.into_iter().map(|held| held.capture.name).collect();
    ensure_eq!(left, [name((1, 3), 0)], "the captures that are left");
    ensure_eq!(store.packed("of another feed").await?, Some(b"of another feed".to_vec()), "another feed's body");
    Ok(())
}

async fn a_body_that_is_needed_stays(store: Subject) -> Verdict {
    let store = Kept::of(store)?;
    store.keep_plain((1, 1), "base").await?;
    store.keep_against((1, 2), "body", "base").await?;
    store.keep_plain((1, 3), "shared").await?;
    store.keep_plain((2, 1), "shared").await?;
    let went = store.held().forget(&[name((1, 1), 0), name((1, 3), 0)]).await?;
    ensure_eq!(went, Forgotten { captures: 2, bodies: 0, packed_bytes: 0 }, "what went");
    let held = store.held().body(hash("body")).await?.and_then(|held| held.base);
    ensure_eq!(held, Some(plain("base")), "what a body is packed against");
    ensure_eq!(store.packed("shared").await?, Some(b"shared".to_vec()), "the body that another feed names");
    ensure_eq!(store.held().newest_base(feed(1)).await?, Some(plain("base")), "what the next may be packed against");
    let packed = against("body", "base").packed.len() as u64;
    let went = store.held().forget(&[name((1, 2), 0)]).await?;
    ensure_eq!(went, Forgotten { captures: 1, bodies: 2, packed_bytes: 4 + packed }, "what went with the last");
    ensure_eq!(store.held().capture_figures().await?.bodies, 1, "bodies that are left");
    Ok(())
}

async fn what_was_forgotten_may_be_kept_again(store: Subject) -> Verdict {
    let store = Kept::of(store)?;
    store.keep_plain((1, 1), "base").await?;
    store.keep_against((1, 2), "body", "base").await?;
    let before = (store.list(feed(1)).await?, store.held().capture_figures().await?);
    store.held().forget(&[name((1, 1), 0), name((1, 2), 0)]).await?;
    ensure_eq!(store.held().capture_figures().await?, CaptureFigures::default(), "what is held");
    refused(store.keep_against((1, 2), "body", "base").await, ErrorKind::Conflict)?;
    store.keep_plain((1, 1), "base").await?;
    store.keep_against((1, 2), "body", "base").await?;
    ensure_eq!((store.list(feed(1)).await?, store.held().capture_figures().await?), before, "what is held again");
    Ok(())
}

async fn nothing_is_forgotten_under_what_is_kept(store: Subject) -> Verdict {
    let kept = Kept::of(store.clone())?;
    for number in 1..=20_u128 {
        let (base, body) = (format!("base {number}"), format!("body {number}"));
        kept.keep_plain((1, number), &base).await?;
        let keeping = {
            let (store, base) = (Kept::of(store.clone())?, base.clone());
            tokio::spawn(async move { store.keep_against((2, number), &body, &base).await })
        };
        // Later from round to round, so that some meet the other half-way.
        for _ in 0..number / 4 {
            kept.packed(&base).await?;
        }
        kept.held().forget(&[name((1, number), 0)]).await?;
        let is_kept = match keeping.await.map_err(Failure::broken)? {
            Ok(()) => true,
            refusal => {
                refused(refusal, ErrorKind::Conflict)?;
                false
            }
        };
        let held = kept.held().captures_of(feed(2), fetch(number)).await?;
        ensure_eq!(!held.is_empty(), is_kept, "whether the capture of round {number} is held");
        ensure_eq!(kept.packed(&base).await?.is_some(), is_kept, "whether the base of round {number} is held");
    }
    Ok(())
}
