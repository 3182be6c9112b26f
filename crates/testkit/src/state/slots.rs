//! Slots: the turns of feeds, each filled once, however many daemons there are.

use feedspine_core::{ErrorKind, FetchStatus, HolderId, Schedule, Slot};

use super::Subject;
use super::subject::{LONG, detail, intent, schedule, slot, token};
use crate::check::{checks, ensure, ensure_eq, refused};
use crate::script::{at, feed, fetch};
use crate::{Failure, Verdict};

checks! { Subject, "slots":
    a_slot_is_filled_once: "Scheduling", "Once a feed was fetched in its turn, nobody fills that turn again.";
    a_slot_under_another_lease_is_refused: "Leases", "A turn is not filled under a lease that changed hands, nor under one never granted.";
    a_slot_at_another_time_is_refused: "Scheduling", "A turn is not filled at a time that the feed's schedule does not say.";
    a_refused_slot_changes_nothing: "P6", "A fetch that is refused its turn is not begun, and interrupts nothing.";
    a_known_fetch_fills_no_slot: "Control plane", "Beginning a fetch twice is Conflict, in an open turn too.";
    of_many_who_fill_a_slot_at_once_one_moves_the_schedule: "P3", "However many fill a turn at once, one of them moves the schedule.";
    a_slot_is_filled_by_the_one_who_holds_the_host: "P3", "Of daemons that take a host from each other at once, none fills a turn that another has filled.";
}

async fn a_slot_is_filled_once(store: Subject) -> Verdict {
    store.scheduled(&[(1, 10)]).await?;
    let lease = store.lease("a", &["one"], LONG).await?.remove(0);
    store.begin_fetch(&intent(1, 1), Some(&slot(&lease, 10))).await?;
    ensure_eq!(store.statuses(1).await?, [None], "how the fetch ended, while it runs");
    store.finish_fetch(fetch(1), &detail(FetchStatus::Captured, 1), Some(&schedule(1, 20))).await?;
    refused(store.begin_fetch(&intent(1, 2), Some(&slot(&lease, 10))).await, ErrorKind::Conflict)?;
    ensure_eq!(store.statuses(1).await?, [Some(FetchStatus::Captured)], "how the fetches ended");
    store.begin_fetch(&intent(1, 2), Some(&slot(&lease, 20))).await?;
    ensure_eq!(
        store.statuses(1).await?,
        [None, Some(FetchStatus::Captured)],
        "how the fetches ended, in the next turn"
    );
    Ok(())
}

async fn a_slot_under_another_lease_is_refused(store: Subject) -> Verdict {
    store.scheduled(&[(1, 10)]).await?;
    let earlier = store.lease("a", &["one", "two"], 0).await?.remove(0);
    let later = store.lease("b", &["one"], LONG).await?.remove(0);
    for other in [earlier, token("one", 3), token("two", 2), token("ONE", 2), token("never leased", 1)] {
        refused(store.begin_fetch(&intent(1, 1), Some(&slot(&other, 10))).await, ErrorKind::Conflict)?;
    }
    ensure_eq!(store.statuses(1).await?, [], "fetches");
    store.begin_fetch(&intent(1, 1), Some(&slot(&later, 10))).await?;
    Ok(())
}

async fn a_slot_at_another_time_is_refused(store: Subject) -> Verdict {
    store.scheduled(&[(1, 10), (2, 20)]).await?;
    let lease = store.lease("a", &["one"], LONG).await?.remove(0);
    for second in [9, 11, 20] {
        refused(store.begin_fetch(&intent(1, 1), Some(&slot(&lease, second))).await, ErrorKind::Conflict)?;
    }
    let nearly = Slot { due_at: at(10).saturating_add_micros(1), ..slot(&lease, 10) };
    refused(store.begin_fetch(&intent(1, 1), Some(&nearly)).await, ErrorKind::Conflict)?;
    refused(store.begin_fetch(&intent(3, 1), Some(&slot(&lease, 10))).await, ErrorKind::Conflict)?;
    store.set_schedules(&[Schedule { due_at: None, ..schedule(1, 10) }]).await?;
    refused(store.begin_fetch(&intent(1, 1), Some(&slot(&lease, 10))).await, ErrorKind::Conflict)?;
    ensure_eq!(store.statuses(1).await?, [], "fetches");
    Ok(())
}

async fn a_refused_slot_changes_nothing(store: Subject) -> Verdict {
    store.scheduled(&[(1, 10)]).await?;
    let lease = store.lease("a", &["one"], LONG).await?.remove(0);
    store.begin_fetch(&intent(1, 1), None).await?;
    refused(store.begin_fetch(&intent(1, 2), Some(&slot(&lease, 11))).await, ErrorKind::Conflict)?;
    refused(store.begin_fetch(&intent(1, 2), Some(&slot(&token("one", 9), 10))).await, ErrorKind::Conflict)?;
    ensure_eq!(store.statuses(1).await?, [None], "how the fetches ended");
    refused(store.finish_fetch(fetch(2), &detail(FetchStatus::Captured, 1), None).await, ErrorKind::Invalid)?;
    store.finish_fetch(fetch(1), &detail(FetchStatus::Captured, 1), Some(&schedule(1, 20))).await?;
    ensure_eq!(store.schedules().await?, [schedule(1, 20)], "schedules");
    Ok(())
}

async fn a_known_fetch_fills_no_slot(store: Subject) -> Verdict {
    store.scheduled(&[(1, 10), (2, 10)]).await?;
    let lease = store.lease("a", &["one"], LONG).await?.remove(0);
    store.begin_fetch(&intent(1, 1), None).await?;
    refused(store.begin_fetch(&intent(1, 1), Some(&slot(&lease, 10))).await, ErrorKind::Conflict)?;
    refused(store.begin_fetch(&intent(2, 1), Some(&slot(&lease, 10))).await, ErrorKind::Conflict)?;
    ensure_eq!(store.statuses(1).await?, [None], "how the fetches ended");
    ensure_eq!(store.statuses(2).await?, [], "fetches of the other feed");
    Ok(())
}

async fn of_many_who_fill_a_slot_at_once_one_moves_the_schedule(store: Subject) -> Verdict {
    store.scheduled(&[(1, 10)]).await?;
    let lease = store.lease("a", &["one"], LONG).await?.remove(0);
    let beginning: Vec<_> = (1..=8)
        .map(|number| {
            let (store, slot) = (store.handle(), slot(&lease, 10));
            tokio::spawn(async move { store.begin_fetch(&intent(1, number), Some(&slot)).await })
        })
        .collect();
    for beginning in beginning {
        beginning.await.map_err(Failure::broken)??;
    }
    let running: Vec<_> =
        store.fetches(1).await?.into_iter().filter(|fetch| fetch.detail.is_none()).map(|it| it.intent.fetch).collect();
    ensure_eq!(running.len(), 1, "fetches that run");
    let ended = detail(FetchStatus::Captured, 1);
    store.finish_fetch(running[0], &ended, Some(&schedule(1, 99))).await?;
    let ending: Vec<_> = (1..=8)
        .filter(|number| fetch(*number) != running[0])
        .map(|number| {
            let (store, ended) = (store.handle(), ended.clone());
            tokio::spawn(async move { store.finish_fetch(fetch(number), &ended, Some(&schedule(1, 100))).await })
        })
        .collect();
    for ending in ending {
        ending.await.map_err(Failure::broken)??;
    }
    ensure_eq!(store.schedules().await?, [schedule(1, 99)], "schedules");
    refused(store.begin_fetch(&intent(1, 9), Some(&slot(&lease, 10))).await, ErrorKind::Conflict)?;
    Ok(())
}

async fn a_slot_is_filled_by_the_one_who_holds_the_host(store: Subject) -> Verdict {
    const DAEMONS: u128 = 6;
    store.scheduled(&(1..=8).map(|number| (number, 10)).collect::<Vec<_>>()).await?;
    for of in 1..=8 {
        let filling: Vec<_> = (1..=DAEMONS)
            .map(|daemon| {
                let store = store.clone();
                tokio::spawn(async move { fills(&store, of, 100 * of + daemon).await })
            })
            .collect();
        let mut begun = 0;
        for filling in filling {
            begun += u64::from(filling.await.map_err(Failure::broken)??);
        }
        ensure!(begun > 0, "no daemon filled the turn of feed {of}");
        let runs = store.statuses(of).await?.into_iter().filter(Option::is_none).count();
        ensure_eq!(runs, 0, "fetches of feed {of} that run when all daemons have ended");
        let held = store.schedule_of(feed(of)).await?;
        let Some(held) = held else { return Err(Failure::broken("a schedule is gone")) };
        if held.due_at == Some(at(10)) {
            // Each was overtaken by the next before it had ended: the turn is still to be filled.
            continue;
        }
        let lease = store.lease("last", &["one"], 0).await?.remove(0);
        refused(store.begin_fetch(&intent(of, 100 * of), Some(&slot(&lease, 10))).await, ErrorKind::Conflict)?;
        store.release_hosts(&HolderId("last".to_owned()), &["one".to_owned()]).await?;
    }
    Ok(())
}

/// A daemon's try to fill the turn: takes the host, begins, ends. Whether it began. By a clock of the store's own, one that
/// asked earlier and is heard later is not granted the host.
async fn fills(store: &Subject, of: u128, number: u128) -> Verdict<bool> {
    let Some(lease) = store.lease(&format!("holder {number}"), &["one"], 0).await?.pop() else { return Ok(false) };
    let begun = store.begin_fetch(&intent(of, number), Some(&slot(&lease, 10))).await;
    if begun.is_err() {
        refused(begun, ErrorKind::Conflict)?;
        return Ok(false);
    }
    let next = schedule(of, 1_000 + i64::try_from(number).unwrap_or_default());
    store.finish_fetch(fetch(number), &detail(FetchStatus::Captured, 1), Some(&next)).await?;
    Ok(true)
}
