//! Schedules: when feeds are fetched next, and who moves that on.

use std::num::NonZeroUsize;

use feedspine_core::{
    Content, ErrorKind, Feed, FeedId, FeedStatus, FetchStatus, Reschedule, Result, Schedule, Timestamp,
};

use super::Subject;
use super::subject::{a_feed, detail, intent, schedule};
use crate::Verdict;
use crate::check::{checks, ensure_eq, refused};
use crate::script::{at, content, feed, fetch};

checks! { Subject, "schedules":
    a_feed_that_was_never_scheduled_has_none: "Scheduling", "A feed that was added is not scheduled by that, and not due.";
    a_schedule_is_read_back: "P10", "Every field of a schedule is read back as it was given, its state byte for byte.";
    a_schedule_is_replaced: "Scheduling", "The schedule that was written last stands, of one call too.";
    schedules_are_listed_by_feed: "Scheduling", "All schedules come by feed, those of removed feeds and without a time included.";
    a_schedule_of_an_unknown_feed_is_invalid: "Scheduling", "A schedule of an id that was never added is Invalid, and none of its call is written.";
    a_schedule_changes_only_where_it_is_as_known: "Scheduling", "A schedule is changed only where its feed is due as the caller knows it, and each answer says whether it was.";
    the_longest_overdue_comes_first: "Scheduling", "Due feeds come by time and then by feed, at most so many, the very instant included.";
    feeds_that_are_not_active_are_not_due: "Scheduling", "Paused and removed feeds are not due, and are again once they are active.";
    finishing_moves_the_schedule: "P6", "A fetch that ends moves its feed's schedule, and no other.";
    finishing_without_a_schedule_leaves_it: "Scheduling", "A fetch that ends without a schedule leaves it as it is.";
    an_interrupted_fetch_moves_no_schedule: "P7", "A fetch that was marked interrupted may end, and moves no schedule.";
    an_unknown_fetch_moves_no_schedule: "P6", "A fetch that was never begun cannot end, and moves no schedule.";
    schedules_outlive_the_process: "P1", "Schedules are there when the store is opened again.";
}

async fn a_feed_that_was_never_scheduled_has_none(store: Subject) -> Verdict {
    store.add_feed(&a_feed(1, "a")).await?;
    ensure_eq!(store.schedules().await?, [], "schedules");
    ensure_eq!(store.schedule_of(feed(1)).await?, None, "the schedule of a feed that has none");
    ensure_eq!(store.schedule_of(feed(9)).await?, None, "the schedule of a feed never added");
    ensure_eq!(due(&store, Timestamp::MAX, 10).await?, [], "due feeds");
    Ok(())
}

async fn a_schedule_is_read_back(store: Subject) -> Verdict {
    store.add_feed(&a_feed(1, "a")).await?;
    let state = content(r#"{"n":12345678901234567890.5,"nul":"\u0000","paper":"🗞","why":["304","a \"rest\""]}"#);
    let times = [Some(at(0).saturating_add_micros(123_456)), None, Some(Timestamp::MIN), Some(Timestamp::MAX)];
    for due_at in times {
        for state in [state.clone(), Content::empty()] {
            let given = Schedule { feed: feed(1), due_at, state };
            store.set_schedules(std::slice::from_ref(&given)).await?;
            let found = store.schedule_of(feed(1)).await?;
            ensure_eq!(found.as_ref().map(|found| found.state.as_str()), Some(given.state.as_str()), "the state");
            ensure_eq!(found, Some(given), "the schedule");
        }
    }
    Ok(())
}

async fn a_schedule_is_replaced(store: Subject) -> Verdict {
    store.scheduled(&[(1, 10), (2, 20)]).await?;
    store.set_schedules(&[]).await?;
    store.set_schedules(&[schedule(1, 30), schedule(1, 5)]).await?;
    ensure_eq!(store.schedules().await?, [schedule(1, 5), schedule(2, 20)], "schedules");
    Ok(())
}

async fn schedules_are_listed_by_feed(store: Subject) -> Verdict {
    store.scheduled(&[(3, 10), (1, 20), (2, 5), (4, 1)]).await?;
    let by_hand = Schedule { due_at: None, ..schedule(2, 5) };
    store.set_schedules(std::slice::from_ref(&by_hand)).await?;
    store.update_feed(&Feed { status: FeedStatus::Removed, ..a_feed(4, "feed-4") }).await?;
    ensure_eq!(store.schedules().await?, [schedule(1, 20), by_hand, schedule(3, 10), schedule(4, 1)], "schedules");
    Ok(())
}

async fn a_schedule_of_an_unknown_feed_is_invalid(store: Subject) -> Verdict {
    store.scheduled(&[(1, 10)]).await?;
    for refused_ones in
        [vec![schedule(9, 1)], vec![schedule(1, 1), schedule(9, 1)], vec![schedule(9, 1), schedule(1, 1)]]
    {
        refused(store.set_schedules(&refused_ones).await, ErrorKind::Invalid)?;
    }
    ensure_eq!(store.schedules().await?, [schedule(1, 10)], "schedules");
    Ok(())
}

async fn a_schedule_changes_only_where_it_is_as_known(store: Subject) -> Verdict {
    store.scheduled(&[(1, 10), (2, 20), (3, 30)]).await?;
    store.add_feed(&a_feed(4, "four")).await?;
    store.add_feed(&a_feed(5, "five")).await?;
    let change = |held: Option<i64>, schedule: Schedule| Reschedule { held: held.map(at), schedule };
    let never = Schedule { due_at: None, ..schedule(3, 30) };
    let changes = [
        change(Some(20), schedule(2, 25)),
        change(Some(11), schedule(1, 15)),
        change(Some(30), never.clone()),
        change(None, schedule(4, 40)),
        change(Some(1), schedule(5, 50)),
    ];
    ensure_eq!(store.reschedule(&changes).await?, [true, false, true, true, false], "what was written");
    let right = [schedule(1, 10), schedule(2, 25), never, schedule(4, 40)];
    ensure_eq!(store.schedules().await?, right, "schedules");
    // One without a time is as one that was never scheduled.
    let again = [change(None, schedule(3, 33)), change(None, schedule(4, 44))];
    ensure_eq!(store.reschedule(&again).await?, [true, false], "what was written after that");
    ensure_eq!(store.schedule_of(feed(3)).await?, Some(schedule(3, 33)), "the schedule that had no time");
    refused(
        store.reschedule(&[change(Some(10), schedule(1, 1)), change(None, schedule(9, 1))]).await,
        ErrorKind::Invalid,
    )?;
    ensure_eq!(store.schedule_of(feed(1)).await?, Some(schedule(1, 10)), "the schedule beside an unknown feed's");
    ensure_eq!(store.reschedule(&[]).await?, Vec::<bool>::new(), "no changes");
    Ok(())
}

/// The feeds that are due by then.
async fn due(store: &Subject, by: Timestamp, limit: usize) -> Result<Vec<FeedId>> {
    let limit = NonZeroUsize::new(limit).unwrap_or(NonZeroUsize::MIN);
    Ok(store.due(by, limit).await?.into_iter().map(|schedule| schedule.feed).collect())
}

async fn the_longest_overdue_comes_first(store: Subject) -> Verdict {
    store.scheduled(&[(4, 20), (2, 20), (3, 10), (1, 30), (5, 31), (6, 5)]).await?;
    store.set_schedules(&[Schedule { due_at: None, ..schedule(6, 5) }]).await?;
    let right = [3, 2, 4, 1].map(feed);
    for limit in [1, 2, 4, 5, usize::MAX] {
        let so_many = &right[..limit.min(right.len())];
        ensure_eq!(due(&store, at(30), limit).await?, so_many, "the first {limit} due feeds");
    }
    ensure_eq!(due(&store, at(30).saturating_add_micros(-1), 9).await?, right[..3], "due feeds, an instant earlier");
    ensure_eq!(due(&store, at(9), 9).await?, [], "due feeds, before any is");
    let whole = store.due(at(10), NonZeroUsize::MIN).await?;
    ensure_eq!(whole, [schedule(3, 10)], "the schedule of a due feed");
    Ok(())
}

async fn feeds_that_are_not_active_are_not_due(store: Subject) -> Verdict {
    store.scheduled(&[(1, 10), (2, 20), (3, 30)]).await?;
    store.update_feed(&Feed { status: FeedStatus::Paused, ..a_feed(1, "feed-1") }).await?;
    store.update_feed(&Feed { status: FeedStatus::Removed, ..a_feed(2, "feed-2") }).await?;
    ensure_eq!(due(&store, at(99), 1).await?, [feed(3)], "due feeds");
    store.update_feed(&a_feed(1, "feed-1")).await?;
    ensure_eq!(due(&store, at(99), 9).await?, [feed(1), feed(3)], "due feeds, one of them active again");
    Ok(())
}

async fn finishing_moves_the_schedule(store: Subject) -> Verdict {
    store.scheduled(&[(1, 10), (2, 20)]).await?;
    store.add_feed(&a_feed(3, "never-scheduled")).await?;
    let by_hand = Schedule { due_at: None, ..schedule(1, 2_000) };
    for (number, given) in [(1, schedule(1, 1_000)), (2, by_hand.clone()), (3, schedule(3, 30))] {
        let of = if number == 3 { 3 } else { 1 };
        store.begin_fetch(&intent(of, number), None).await?;
        ensure_eq!(store.schedule_of(feed(2)).await?, Some(schedule(2, 20)), "the other feed's schedule");
        store.finish_fetch(fetch(number), &detail(FetchStatus::Captured, 1), Some(&given)).await?;
        ensure_eq!(store.schedule_of(given.feed).await?, Some(given), "the schedule");
    }
    ensure_eq!(store.statuses(1).await?, [Some(FetchStatus::Captured); 2], "how the fetches ended");
    ensure_eq!(store.schedules().await?, [by_hand, schedule(2, 20), schedule(3, 30)], "schedules");
    Ok(())
}

async fn finishing_without_a_schedule_leaves_it(store: Subject) -> Verdict {
    store.scheduled(&[(1, 10)]).await?;
    store.begin_fetch(&intent(1, 1), None).await?;
    store.finish_fetch(fetch(1), &detail(FetchStatus::Failed, 1), None).await?;
    ensure_eq!(store.schedules().await?, [schedule(1, 10)], "schedules");
    Ok(())
}

async fn an_interrupted_fetch_moves_no_schedule(store: Subject) -> Verdict {
    store.scheduled(&[(1, 10)]).await?;
    store.begin_fetch(&intent(1, 1), None).await?;
    store.begin_fetch(&intent(1, 2), None).await?;
    store.finish_fetch(fetch(1), &detail(FetchStatus::Superseded, 1), Some(&schedule(1, 1_000))).await?;
    ensure_eq!(store.schedules().await?, [schedule(1, 10)], "schedules");
    ensure_eq!(store.statuses(1).await?, [None, Some(FetchStatus::Superseded)], "how the fetches ended");
    store.finish_fetch(fetch(2), &detail(FetchStatus::Captured, 2), Some(&schedule(1, 2_000))).await?;
    ensure_eq!(store.schedules().await?, [schedule(1, 2_000)], "schedules, once the other has ended");
    Ok(())
}

async fn an_unknown_fetch_moves_no_schedule(store: Subject) -> Verdict {
    store.scheduled(&[(1, 10)]).await?;
    let late = detail(FetchStatus::Captured, 1);
    refused(store.finish_fetch(fetch(9), &late, Some(&schedule(1, 1_000))).await, ErrorKind::Invalid)?;
    ensure_eq!(store.schedules().await?, [schedule(1, 10)], "schedules");
    Ok(())
}

async fn schedules_outlive_the_process(store: Subject) -> Verdict {
    store.scheduled(&[(1, 10), (2, 20)]).await?;
    store.begin_fetch(&intent(1, 1), None).await?;
    store.finish_fetch(fetch(1), &detail(FetchStatus::Captured, 1), Some(&schedule(1, 1_000))).await?;
    let store = store.reopened().await?;
    ensure_eq!(store.schedules().await?, [schedule(1, 1_000), schedule(2, 20)], "schedules");
    Ok(())
}
