//! Fetches: written down before the request, and what came of them.

use feedspine_core::{Cursor, ErrorKind, Fetch, FetchDetail, FetchIntent, FetchStatus, PageRequest};

use super::Subject;
use super::subject::{a_feed, detail, intent};
use crate::check::{checks, ensure, ensure_eq, refused};
use crate::script::{at, content, feed, fetch};
use crate::{Failure, Verdict};

checks! { Subject, "fetches":
    a_begun_fetch_is_running: "Control plane", "A fetch is listed from the moment it is begun, without a detail.";
    what_came_of_a_fetch_is_read_back: "Control plane", "Every status and every field of a detail is read back as it was given.";
    a_known_fetch_is_a_conflict: "Control plane", "Beginning a fetch twice is Conflict, of another feed too.";
    finishing_an_unknown_fetch_is_invalid: "Control plane", "A fetch that was never begun cannot end.";
    beginning_interrupts_what_still_runs: "P7", "A feed's running fetches are marked interrupted when the next begins.";
    an_interrupted_fetch_may_still_end: "P7", "A fetch that was thought dead may say what came of it.";
    fetches_are_listed_newest_first: "Control plane", "The fetch begun last comes first, whatever the clocks said.";
    fetches_are_paged: "Paging", "Pages of any size make the whole, and go on while fetches are begun.";
    a_cursor_of_another_list_is_invalid: "Paging", "Another feed's cursor, or text that is none, is Invalid.";
    all_fetches_are_listed_by_descending_id: "Control plane", "The fetches of all feeds come by descending id, whenever they began.";
    all_fetches_are_paged: "Paging", "Pages of all fetches, of any size, make the whole, and their cursors fit no other list.";
    one_fetch_of_many_begun_at_once_runs: "P7", "Of fetches of one feed begun at once, all but one are interrupted.";
    fetches_of_a_removed_feed_stay: "P11", "Removing a feed removes none of its fetches.";
    fetches_outlive_the_process: "P1", "Begun and ended fetches are there when the store is opened again.";
    a_fetch_that_a_dead_process_left_is_interrupted: "P7",
        "A fetch found running after a restart is marked interrupted when its feed is next fetched.";
}

async fn a_begun_fetch_is_running(store: Subject) -> Verdict {
    store.add_feed(&a_feed(1, "a")).await?;
    store.begin_fetch(&intent(1, 1), None).await?;
    ensure_eq!(store.fetches(1).await?, [Fetch { intent: intent(1, 1), detail: None }], "fetches");
    ensure_eq!(store.fetches(2).await?, [], "fetches of another feed");
    Ok(())
}

async fn what_came_of_a_fetch_is_read_back(store: Subject) -> Verdict {
    let failed = FetchDetail {
        http_status: Some(503),
        code: Some("http.status".to_owned()),
        reason: Some("the server said 503: \u{1F525}\0 'busy'".to_owned()),
        ..detail(FetchStatus::Failed, 2)
    };
    let file = FetchDetail {
        http_status: None,
        wire_bytes: 0,
        body_bytes: 0,
        duration_ms: 0,
        ..detail(FetchStatus::Captured, 3)
    };
    let large = FetchDetail {
        wire_bytes: (1 << 53) + 1,
        body_bytes: 1 << 62,
        duration_ms: 1 << 40,
        notes: content(
            r#"{"next":{"at":"2026-01-02T00:00:00Z","n":12345678901234567890.5,"nul":"\u0000"},"requests":3}"#,
        ),
        ..detail(FetchStatus::Captured, 4)
    };
    let others = [FetchStatus::Unchanged, FetchStatus::Superseded, FetchStatus::Interrupted];
    let details = [failed, file, large].into_iter().chain(others.map(|status| detail(status, 5)));
    for (number, given) in (1..).zip(details) {
        store.begin_fetch(&intent(1, number), None).await?;
        store.finish_fetch(fetch(number), &given, None).await?;
        ensure_eq!(store.fetches(1).await?[0], Fetch { intent: intent(1, number), detail: Some(given) }, "the fetch");
    }
    Ok(())
}

async fn a_known_fetch_is_a_conflict(store: Subject) -> Verdict {
    store.begin_fetch(&intent(1, 1), None).await?;
    refused(store.begin_fetch(&intent(1, 1), None).await, ErrorKind::Conflict)?;
    refused(store.begin_fetch(&intent(2, 1), None).await, ErrorKind::Conflict)?;
    store.finish_fetch(fetch(1), &detail(FetchStatus::Captured, 1), None).await?;
    refused(store.begin_fetch(&intent(1, 1), None).await, ErrorKind::Conflict)?;
    ensure_eq!(store.statuses(1).await?, [Some(FetchStatus::Captured)], "how the fetches ended");
    ensure_eq!(store.statuses(2).await?, [], "fetches of the other feed");
    Ok(())
}

async fn finishing_an_unknown_fetch_is_invalid(store: Subject) -> Verdict {
    refused(store.finish_fetch(fetch(9), &detail(FetchStatus::Captured, 1), None).await, ErrorKind::Invalid)?;
    ensure_eq!(store.statuses(1).await?, [], "fetches");
    Ok(())
}

async fn beginning_interrupts_what_still_runs(store: Subject) -> Verdict {
    store.begin_fetch(&intent(1, 1), None).await?;
    store.finish_fetch(fetch(1), &detail(FetchStatus::Captured, 1), None).await?;
    store.begin_fetch(&intent(1, 2), None).await?;
    store.begin_fetch(&intent(2, 3), None).await?;
    store.begin_fetch(&intent(1, 4), None).await?;
    let right = [None, Some(FetchStatus::Interrupted), Some(FetchStatus::Captured)];
    ensure_eq!(store.statuses(1).await?, right, "how the fetches ended");
    ensure_eq!(store.statuses(2).await?, [None], "how the other feed's ended");
    let interrupted = store.fetches(1).await?.swap_remove(1).detail;
    let Some(interrupted) = interrupted else { return Err(Failure::broken("an interrupted fetch has no detail")) };
    ensure_eq!(interrupted.finished_at, intent(1, 4).started_at, "when it was found to be dead");
    let numbers = (interrupted.http_status, interrupted.wire_bytes, interrupted.body_bytes, interrupted.duration_ms);
    ensure_eq!(numbers, (None, 0, 0, 0), "what is known of it");
    Ok(())
}

async fn an_interrupted_fetch_may_still_end(store: Subject) -> Verdict {
    store.begin_fetch(&intent(1, 1), None).await?;
    store.begin_fetch(&intent(1, 2), None).await?;
    let late = detail(FetchStatus::Superseded, 9);
    store.finish_fetch(fetch(1), &late, None).await?;
    ensure_eq!(store.fetches(1).await?[1].detail, Some(late), "what came of the first");
    ensure_eq!(store.statuses(1).await?, [None, Some(FetchStatus::Superseded)], "how the fetches ended");
    Ok(())
}

async fn fetches_are_listed_newest_first(store: Subject) -> Verdict {
    let times = [50, 40, 60, 10];
    for (number, second) in (1..).zip(times) {
        let begun = FetchIntent { started_at: at(second), ..intent(1, 10 - number) };
        store.begin_fetch(&begun, None).await?;
    }
    let found: Vec<_> = store.fetches(1).await?.into_iter().map(|fetch| fetch.intent.started_at).collect();
    ensure_eq!(found, [10, 60, 40, 50].map(at), "when the fetches began");
    Ok(())
}

async fn fetches_are_paged(store: Subject) -> Verdict {
    for number in 1..=9 {
        store.begin_fetch(&intent(1, number), None).await?;
    }
    let whole = store.fetches(1).await?;
    for size in [1, 2, 8, 9, 10] {
        let mut page = PageRequest::first(size);
        let mut all = Vec::new();
        loop {
            let found = store.fetches_page(feed(1), &page).await?;
            ensure!(found.items.len() <= size, "a page of {size} holds {}", found.items.len());
            all.extend(found.items);
            let Some(next) = found.next else { break };
            page.after = Some(next);
        }
        ensure_eq!(all, whole, "fetches in pages of {size}");
    }
    let first = store.fetches_page(feed(1), &PageRequest::first(4)).await?;
    store.begin_fetch(&intent(1, 10), None).await?;
    let page = PageRequest { after: first.next, ..PageRequest::first(4) };
    ensure_eq!(
        store.fetches_page(feed(1), &page).await?.items,
        whole[4..8],
        "the second page, after one more was begun"
    );
    Ok(())
}

async fn a_cursor_of_another_list_is_invalid(store: Subject) -> Verdict {
    for number in 1..=4 {
        store.begin_fetch(&intent(1 + number % 2, number), None).await?;
    }
    let after = store.fetches_page(feed(1), &PageRequest::first(1)).await?.next;
    ensure!(after.is_some(), "a page of 1 of 2 has no cursor");
    let page = PageRequest { after, ..PageRequest::first(1) };
    refused(store.fetches_page(feed(2), &page).await, ErrorKind::Invalid)?;
    for text in ["", "x", "5b5d", "\u{1F5DE}"] {
        let page = PageRequest { after: Some(Cursor::from_text(text)), ..PageRequest::first(1) };
        refused(store.fetches_page(feed(1), &page).await, ErrorKind::Invalid)?;
    }
    Ok(())
}

async fn all_fetches_are_listed_by_descending_id(store: Subject) -> Verdict {
    ensure_eq!(store.all_fetches_page(&PageRequest::first(10)).await?.items, [], "fetches of a fresh store");
    for (of, number) in [(1, 5), (2, 9), (1, 2), (3, 7)] {
        store.begin_fetch(&intent(of, number), None).await?;
    }
    let ended = detail(FetchStatus::Failed, 9);
    store.finish_fetch(fetch(9), &ended, None).await?;
    let found = store.all_fetches_page(&PageRequest::first(10)).await?;
    let interrupted = store.fetches(1).await?.swap_remove(1);
    let runs = |of, number| Fetch { intent: intent(of, number), detail: None };
    let right = [Fetch { intent: intent(2, 9), detail: Some(ended) }, runs(3, 7), interrupted, runs(1, 2)];
    ensure_eq!(found.items, right, "fetches");
    ensure_eq!(found.next, None, "what comes after all of them");
    Ok(())
}

async fn all_fetches_are_paged(store: Subject) -> Verdict {
    for number in 1..=9 {
        store.begin_fetch(&intent(1 + number % 3, number), None).await?;
    }
    let whole = store.all_fetches_page(&PageRequest::first(100)).await?.items;
    ensure_eq!(whole.len(), 9, "fetches");
    for size in [1, 2, 8, 9, 10] {
        let mut page = PageRequest::first(size);
        let mut all = Vec::new();
        loop {
            let found = store.all_fetches_page(&page).await?;
            ensure!(found.items.len() <= size, "a page of {size} holds {}", found.items.len());
            all.extend(found.items);
            let Some(next) = found.next else { break };
            page.after = Some(next);
        }
        ensure_eq!(all, whole, "fetches in pages of {size}");
    }
    let of_one =
        PageRequest { after: store.fetches_page(feed(1), &PageRequest::first(1)).await?.next, ..PageRequest::first(1) };
    let of_all =
        PageRequest { after: store.all_fetches_page(&PageRequest::first(1)).await?.next, ..PageRequest::first(1) };
    ensure!(of_one.after.is_some() && of_all.after.is_some(), "a page of 1 of several has no cursor");
    refused(store.all_fetches_page(&of_one).await, ErrorKind::Invalid)?;
    refused(store.fetches_page(feed(1), &of_all).await, ErrorKind::Invalid)?;
    Ok(())
}

async fn one_fetch_of_many_begun_at_once_runs(store: Subject) -> Verdict {
    let beginning: Vec<_> = (1..=12)
        .map(|number| {
            let store = store.handle();
            tokio::spawn(async move { store.begin_fetch(&intent(1, number), None).await })
        })
        .collect();
    for beginning in beginning {
        beginning.await.map_err(Failure::broken)??;
    }
    let statuses = store.statuses(1).await?;
    ensure_eq!(statuses.len(), 12, "fetches");
    ensure_eq!(statuses[0], None, "how the newest ended");
    ensure!(statuses[1..].iter().all(|status| *status == Some(FetchStatus::Interrupted)), "others run: {statuses:?}");
    Ok(())
}

async fn fetches_of_a_removed_feed_stay(store: Subject) -> Verdict {
    store.add_feed(&a_feed(1, "a")).await?;
    store.begin_fetch(&intent(1, 1), None).await?;
    store.finish_fetch(fetch(1), &detail(FetchStatus::Captured, 1), None).await?;
    let removed = feedspine_core::Feed { status: feedspine_core::FeedStatus::Removed, ..a_feed(1, "a") };
    store.update_feed(&removed).await?;
    ensure_eq!(store.statuses(1).await?, [Some(FetchStatus::Captured)], "how the fetches ended");
    Ok(())
}

async fn fetches_outlive_the_process(store: Subject) -> Verdict {
    for number in 1..=3 {
        store.begin_fetch(&intent(1, number), None).await?;
    }
    store.finish_fetch(fetch(2), &detail(FetchStatus::Failed, 2), None).await?;
    let before = store.fetches(1).await?;
    let store = store.reopened().await?;
    ensure_eq!(store.fetches(1).await?, before, "fetches");
    Ok(())
}

async fn a_fetch_that_a_dead_process_left_is_interrupted(store: Subject) -> Verdict {
    store.begin_fetch(&intent(1, 1), None).await?;
    let store = store.reopened().await?;
    ensure_eq!(store.statuses(1).await?, [None], "how the fetch ended, before the next");
    store.begin_fetch(&intent(1, 2), None).await?;
    ensure_eq!(store.statuses(1).await?, [None, Some(FetchStatus::Interrupted)], "how the fetches ended");
    Ok(())
}
