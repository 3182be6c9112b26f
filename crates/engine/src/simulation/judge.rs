//! What must hold of every world, judged by the log of its hosts and by the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use feedspine_core::{
    FeedId, Fetch, FetchStatus, Json, MAX_PAGE, MemoryStore, PageRequest, Schedule, Selection, StateStore,
    StorageBackend,
};

use super::TICK;
use super::world::{Manner, Request, World};
use crate::Clock;
use crate::ledger::{asked_by, next_of};
use crate::ops::StoreCare;
use crate::schedule::slowed_by;

/// The least time between two requests to a host, and the most at once.
const RATE: (Duration, usize) = (Duration::from_secs(1), 2);

/// However often a host refused, it is asked as often as this.
const SLOWEST: Duration = Duration::from_mins(1);

/// # Errors
/// What does not hold.
pub(super) async fn judge(world: &World, store: &Arc<MemoryStore>) -> Result<(), String> {
    let log = world.log();
    for host in 0..world.hosts.len() {
        let asked: Vec<&Request> = log.iter().filter(|request| request.host == host).collect();
        spared(host, &asked)?;
    }
    one_at_a_time(&log)?;
    let ledger_requests = ledger(world, store, &log).await?;
    on_time(world, store).await?;
    // What was under way when a daemon died, or when the store was told in vain, is not in the ledger; the rest is.
    let answered = log.iter().filter(|request| request.status.is_some()).count();
    if ledger_requests < answered * 3 / 4 || ledger_requests > log.len() {
        return Err(format!("the ledger has {ledger_requests} requests; {answered} of {} were answered", log.len()));
    }
    verified(store).await
}

/// No host is asked sooner than its rate allows, nor by more than its rate allows at once, whoever asks.
fn spared(host: usize, asked: &[&Request]) -> Result<(), String> {
    let (interval, at_once) = RATE;
    for pair in asked.windows(2) {
        let gap = pair[1].began - pair[0].began;
        if gap < interval {
            return Err(format!("host{host} was asked twice within {gap:?}: {:?} and {:?}", pair[0], pair[1]));
        }
    }
    for (place, request) in asked.iter().enumerate() {
        let under_way = |earlier: &&&Request| earlier.ended.is_none_or(|ended| ended > request.began);
        let others: Vec<&&Request> = asked[..place].iter().filter(under_way).collect();
        if others.len() >= at_once {
            return Err(format!("host{host} was asked too often at once: {request:?} beside {others:?}"));
        }
    }
    Ok(())
}

/// No feed is asked for by two at once.
fn one_at_a_time(log: &[Request]) -> Result<(), String> {
    let mut last: BTreeMap<(usize, &str), &Request> = BTreeMap::new();
    for request in log {
        if let Some(before) = last.insert((request.host, &request.path), request)
            && before.ended.is_none_or(|ended| ended > request.began)
        {
            return Err(format!("a feed was asked for twice at once: {before:?} and {request:?}"));
        }
    }
    Ok(())
}

/// What the ledger says was asked was asked, then; how many requests that is. And, where nobody sets the clock: no feed is
/// asked before its turn, and no fetch commits after it was marked interrupted.
async fn ledger(world: &World, store: &Arc<MemoryStore>, log: &[Request]) -> Result<usize, String> {
    let seen: BTreeSet<(String, i64)> =
        log.iter().map(|request| (format!("host{}.example", request.host), request.at.as_micros())).collect();
    let mut requests = 0;
    for feed in store.feeds().await.map_err(|error| error.to_string())? {
        let fetches = fetches(store, feed.id).await?;
        let running = fetches.iter().filter(|fetch| fetch.detail.is_none()).count();
        if running > 1 {
            return Err(format!("{} has {running} fetches that run", feed.name));
        }
        for asked in fetches.iter().flat_map(asked_by) {
            requests += 1;
            if !seen.contains(&(asked.host.clone(), asked.at.as_micros())) {
                return Err(format!("the ledger tells of a request that no host saw: {asked:?}"));
            }
        }
        if !world.jumps {
            in_turn(&fetches)?;
            committed_in_time(store, feed.id, &fetches).await?;
        }
    }
    Ok(requests)
}

/// The fetches of a feed, the earliest first.
async fn fetches(store: &Arc<MemoryStore>, feed: FeedId) -> Result<Vec<Fetch>, String> {
    let mut all = Vec::new();
    let mut page = PageRequest::first(MAX_PAGE);
    loop {
        let read = store.fetches_page(feed, &page).await.map_err(|error| error.to_string())?;
        all.extend(read.items);
        match read.next {
            Some(next) => page.after = Some(next),
            None => break,
        }
    }
    all.reverse();
    Ok(all)
}

/// No turn is filled twice, one right after the other. A fetch that took long may have lost its host to another daemon, which
/// decides by itself.
fn in_turn(fetches: &[Fetch]) -> Result<(), String> {
    const SOON_US: i64 = 30_000_000;
    for pair in fetches.windows(2) {
        let (began, Some(ended)) = (pair[1].intent.started_at, &pair[0].detail) else { continue };
        let went_well = matches!(ended.status, FetchStatus::Captured | FetchStatus::Unchanged);
        let was_quick = ended.finished_at.micros_since(pair[0].intent.started_at) < SOON_US;
        let next = next_of(&pair[0]).and_then(|next| next.at).filter(|_| went_well && was_quick);
        if next.is_some_and(|next| began < next) && began.micros_since(ended.finished_at) < SOON_US {
            return Err(format!("a turn was filled twice: {:?} and then {:?}", pair[0], pair[1]));
        }
    }
    Ok(())
}

/// A fetch that was marked interrupted had committed before, or never does.
async fn committed_in_time(store: &Arc<MemoryStore>, feed: FeedId, fetches: &[Fetch]) -> Result<(), String> {
    for fetch in fetches {
        let Some(detail) = fetch.detail.as_ref().filter(|detail| detail.status == FetchStatus::Interrupted) else {
            continue;
        };
        let committed = store.observation(feed, fetch.intent.fetch).await.map_err(|error| error.to_string())?;
        if committed.as_ref().is_some_and(|committed| committed.recorded_at > detail.finished_at) {
            return Err(format!("a fetch committed after it was marked interrupted: {fetch:?}: {committed:?}"));
        }
    }
    Ok(())
}

/// When all was well for a while, no feed waits for longer than it should, and hosts that were always well were read. At a
/// host that is asked more rarely, since it refused, a feed may wait for the turns of all feeds there besides.
async fn on_time(world: &World, store: &Arc<MemoryStore>) -> Result<(), String> {
    let (mut feeds, mut turns) = (Vec::new(), BTreeMap::<usize, (u32, Duration)>::new());
    for feed in store.feeds().await.map_err(|error| error.to_string())? {
        let host = feed.address.trim_start_matches("http://host").split('.').next().unwrap_or_default();
        let host: usize = host.parse().map_err(|_| format!("{} is at no host", feed.address))?;
        let schedule = store.schedule_of(feed.id).await.map_err(|error| error.to_string())?;
        let schedule = schedule.ok_or_else(|| format!("{} was never scheduled", feed.name))?;
        let (count, gap) = turns.entry(host).or_default();
        (*count, *gap) = (*count + 1, learned_gap(&schedule).max(*gap));
        feeds.push((feed, host, schedule));
    }
    for (feed, host, schedule) in feeds {
        if world.hosts[host] == Manner::Gone {
            continue;
        }
        let (count, gap) = turns[&host];
        let late = 10 * TICK + count * gap;
        let late = world.now().saturating_add_micros(-i64::try_from(late.as_micros()).expect("some minutes"));
        let Some(due_at) = schedule.due_at else { return Err(format!("{} is not fetched any more", feed.name)) };
        if due_at < late {
            return Err(format!("{} is due since {due_at}: {}", feed.name, schedule.state.as_str()));
        }
        // One that was hit by each outage, of the store and of the network, waits for hours.
        let is_failing = schedule.state.to_json().get("failing") != Some(&Json::Null);
        if world.hosts[host] != Manner::Well || is_failing {
            continue;
        }
        let last = store.observations_page(feed.id, &PageRequest::first(MAX_PAGE)).await;
        if last.map_err(|error| error.to_string())?.items.is_empty() {
            return Err(format!("nothing was ever read of {}: {}", feed.name, schedule.state.as_str()));
        }
    }
    let records = store.count(&Selection::everything()).await.map_err(|error| error.to_string())?;
    if records == 0 { Err("nothing was captured".to_owned()) } else { Ok(()) }
}

/// How far apart requests at a feed's host are, as far as it refused them.
fn learned_gap(schedule: &Schedule) -> Duration {
    let doublings = slowed_by(&schedule.state).map_or(0, |slowed| slowed.doublings);
    if doublings == 0 { Duration::ZERO } else { RATE.0.saturating_mul(1 << doublings).min(SLOWEST) }
}

/// The store is whole: contents, versions, sightings, counts, keys.
async fn verified(store: &Arc<MemoryStore>) -> Result<(), String> {
    let verified = StoreCare::new(store.clone(), store.clone()).verify().await.map_err(|error| error.to_string())?;
    if verified.faults.is_empty() { Ok(()) } else { Err(format!("the store is not whole: {:?}", verified.faults)) }
}
