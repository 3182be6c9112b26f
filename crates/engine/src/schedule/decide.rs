//! The decision: when, and why.

use std::time::Duration;

use feedspine_core::{FeedId, Timestamp};

use super::failure::Failure;
use super::hints::{DocumentHints, Hints, WEEK};
use super::interval::Interval;
use super::reason::{Base, By, Reason, Subject};
use super::rhythm::{Bounds, Pace, Rhythm};
use super::standing::Standing;
use super::{Answer, Came, Decision, Host, Network, Others};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const MICROS_PER_HOUR: i64 = 3_600_000_000;

/// No feed waits longer, healthy or not.
const LIMIT: Duration = Interval::LONGEST.duration();
/// After the first failure; after the next one twice as long, and so on.
const FIRST_BACKOFF: Duration = Duration::from_mins(30);
/// After the first refusal: whoever refuses does not change its mind soon.
const FIRST_REFUSAL: Duration = Duration::from_hours(4);
/// The longest backoff of a feed that is merely asked too often.
const LONGEST_RATE_LIMIT: Duration = Duration::from_hours(6);
/// The longest backoff of a feed whose proxy is at fault: a proxy is somebody's near by, and no server is asked.
const LONGEST_PROXY: Duration = HOUR;
/// How long a server may ask to be left alone: at least, and at most (RFC 9110 section 10.2.3 sets no bounds).
const RETRY_AFTER: (Duration, Duration) = (Duration::from_mins(1), DAY);
/// More than this is not told of what a server asks for; the ceiling stands far below it.
const MOST_ASKED: Duration = Duration::from_secs(1 << 31);
/// How soon a feed is tried again that could not be reached because nobody can be.
const NETWORK_DOWN: Duration = Duration::from_mins(5);
/// How soon one is tried again that the store could not take.
const STORE_DOWN: Duration = Duration::from_mins(30);
/// The random part of a wait: at most a tenth of it, and never longer than this.
const MOST_JITTER: Duration = Duration::from_mins(30);
/// How long one waits of which a hub tells: hubs forget, and some never tell.
const BACKUP: Duration = DAY;
/// A feed of which a hub says no more than that there is something new is asked once in so long at most.
const PINGED_EVERY: Duration = Duration::from_mins(1);
/// Over how long the feeds are spread that are overdue when a program begins.
const SPREAD: Duration = Duration::from_mins(10);
/// Each time that items may have been missed a feed is asked twice as often, at most so many times over.
const MOST_HASTE: u32 = 3;
/// A feed that brought nothing for so long is asked at this part of the longest interval.
const QUIET: [(Duration, u32); 3] =
    [(Duration::from_hours(30 * 24), 1), (Duration::from_hours(14 * 24), 2), (Duration::from_hours(7 * 24), 4)];

/// Decides when a feed is fetched after the fetch that `answer` tells of. `chance` is any number; it makes the jitter.
pub(crate) fn decide(
    rhythm: &Rhythm,
    bounds: &Bounds,
    standing: Standing,
    answer: &Answer,
    host: &Host,
    chance: u64,
) -> Decision {
    let said_before = answer.due_at.zip(standing.reason.clone()).filter(|_| answer.came == Came::GivenUp);
    let anew = decide_anew(rhythm, bounds, standing, answer, host, chance);
    match said_before {
        // Whoever asks twice while the host rests brings nothing forward.
        Some((due_at, mut reason)) if anew.at.is_some_and(|at| at < due_at) => {
            let at = limited(answer.at, due_at, &mut reason);
            decision(Some(at), reason, anew.standing)
        }
        _ => anew,
    }
}

/// The same, whatever was said before.
fn decide_anew(
    rhythm: &Rhythm,
    bounds: &Bounds,
    standing: Standing,
    answer: &Answer,
    host: &Host,
    chance: u64,
) -> Decision {
    let mut standing = standing;
    let verdict = Verdict::of(answer.came, host);
    verdict.enter(&mut standing, answer);
    standing.slowed = host.slowed;
    standing.rest = host.rest.filter(|rest| rest.until > answer.at);
    if let Some(since) = standing.gone_since() {
        let answers = u32::try_from(standing.gone.len()).unwrap_or(u32::MAX);
        return decision(None, Reason::of(Base::Gone { answers, since }), standing);
    }
    let (mut reason, mut wait) = match (verdict, standing.in_a_row()) {
        (Verdict::NetworkDown, _) => (Reason::of(Base::NetworkDown { wait: NETWORK_DOWN }), NETWORK_DOWN),
        (Verdict::StoreDown, _) => (Reason::of(Base::StoreDown { wait: STORE_DOWN }), STORE_DOWN),
        // One that was given up while it failed goes on failing.
        // Its turn is when the host may be asked again.
        (Verdict::GivenUp, _) if host.rest.is_some() => (Reason::of(Base::Due), Duration::ZERO),
        (Verdict::Charged(_) | Verdict::GivenUp, Some((failure, count))) => {
            let wait = backoff(failure, count);
            (Reason::of(Base::Backoff { wait, count, failure }), wait)
        }
        _ => ordinary(rhythm, bounds, &standing, answer, host),
    };
    for (by, rest) in rests(verdict, answer, host) {
        if rest > wait {
            wait = rest;
            reason.step(by, rest);
        }
    }
    let is_ours = matches!(verdict, Verdict::NetworkDown | Verdict::StoreDown);
    if let Some(cron) = rhythm.cron.as_ref().filter(|_| !is_ours) {
        // What it may not be asked before still holds, up to a day: longer is the operator's to say.
        let earliest = moved(answer.at, wait.min(DAY));
        let next = cron.next_after(earliest).unwrap_or(earliest);
        return decision(Some(limited(answer.at, next, &mut reason)), reason, standing);
    }
    let (wait, jitter) = jittered(wait, chance);
    let due = moved(answer.at, wait + jitter);
    let is_healthy = matches!(verdict, Verdict::Well { .. } | Verdict::GivenUp);
    let postponed = postponed(&standing.document, due).filter(|_| is_healthy);
    let at = match postponed {
        None => due,
        Some((by, until)) => {
            let at = moved(until, jitter).min(moved(due, DAY));
            reason.step(by, whole_seconds(until, due));
            at
        }
    };
    let at = limited(answer.at, at, &mut reason);
    if !jitter.is_zero() {
        reason.step(By::Jitter, jitter);
    }
    decision(Some(at), reason, standing)
}

/// Decides when a feed is fetched that was not since the program began: at once when it never was (`due` is `None`), when it
/// is due, or soon when that is over; those that are overdue are spread by their ids and `chance`.
pub(crate) fn first(feed: FeedId, due: Option<Timestamp>, standing: Standing, now: Timestamp, chance: u64) -> Decision {
    match due {
        None => decision(Some(now), Reason::of(Base::New), standing),
        Some(due) if due <= now => {
            let wait = share(SPREAD, hash(feed).wrapping_add(chance));
            decision(Some(moved(now, wait)), Reason::of(Base::Overdue { wait }), standing)
        }
        Some(due) => {
            let mut reason = standing.reason.clone().unwrap_or(Reason::of(Base::Due));
            // The clock may have been wrong when that was decided.
            let at = limited(now, due, &mut reason);
            decision(Some(at), reason, standing)
        }
    }
}

/// When a feed is fetched of which the operator changed that since its last fetch: at once, when that may mend what it fails by,
/// or what it lists is another. `None` when it stays as it was decided. `due` is when that was to be.
pub(crate) fn changed(what: Subject, due: Option<Timestamp>, standing: Standing, now: Timestamp) -> Option<Decision> {
    let may_mend = standing.failing.is_some() && (due.is_some() || what != Subject::Rhythm);
    let is_another = what.concerns_healthy() && due.is_some();
    if !may_mend && !is_another {
        return None;
    }
    let mut standing = standing;
    standing.changed(what);
    let reason = Reason::of(Base::Changed { what });
    Some(decision(Some(due.map_or(now, |due| due.min(now))), reason, standing))
}

/// When a feed is fetched of which a hub said no more than that there is something new: at once, a minute after its last fetch
/// `began` at the earliest. `None` when that changes nothing: it is due before, fails, or its host wants to be left alone.
pub(crate) fn pinged(
    due: Option<Timestamp>,
    standing: Standing,
    began: Option<Timestamp>,
    now: Timestamp,
) -> Option<Decision> {
    let rests = standing.rest.is_some_and(|rest| rest.until > now);
    if rests || standing.failing.is_some() {
        return None;
    }
    let earliest = began.map_or(now, |began| moved(began, PINGED_EVERY).max(now));
    // A clock that was ahead is no reason to wait for it.
    let earliest = earliest.min(moved(now, PINGED_EVERY));
    due.filter(|due| *due > earliest)?;
    Some(decision(Some(earliest), Reason::of(Base::Pinged), standing))
}

/// When a feed is fetched of which no hub tells any more: at once. `None` when it is due already, or not fetched by itself.
pub(crate) fn untold(due: Option<Timestamp>, standing: Standing, now: Timestamp) -> Option<Decision> {
    due.filter(|due| *due > now)?;
    Some(decision(Some(now), Reason::of(Base::Untold), standing))
}

/// What a fetch says of the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Well { new: u64, gaps: u64 },
    Charged(Failure),
    NetworkDown,
    StoreDown,
    GivenUp,
}

impl Verdict {
    fn of(came: Came, host: &Host) -> Self {
        match (came, host.network, host.others) {
            (Came::Captured { new, gaps, .. }, ..) => Self::Well { new, gaps },
            (Came::Unchanged, ..) => Self::Well { new: 0, gaps: 0 },
            (Came::GivenUp, ..) => Self::GivenUp,
            (Came::Failed(Failure::Network | Failure::Timeout), Network::Down, _) => Self::NetworkDown,
            (Came::Failed(Failure::Store), ..) => Self::StoreDown,
            // Some hosts say 403 to whoever asks too often, and to one feed after the other.
            (Came::Failed(Failure::Forbidden), _, Others::Succeed) => Self::Charged(Failure::RateLimited),
            (Came::Failed(failure), ..) => Self::Charged(failure),
        }
    }

    fn enter(self, standing: &mut Standing, answer: &Answer) {
        match self {
            Self::Well { new, gaps } => {
                if gaps > 0 {
                    standing.missed_some(answer.at);
                }
                standing.succeeded(answer.at, new, answer.hints.age);
            }
            Self::Charged(failure) => standing.failed(answer.at, failure),
            Self::NetworkDown | Self::StoreDown | Self::GivenUp => {}
        }
        if let Some(document) = &answer.hints.document {
            standing.document = document.clone();
        }
    }
}

/// How long a feed waits that answers, before jitter.
fn ordinary(rhythm: &Rhythm, bounds: &Bounds, standing: &Standing, answer: &Answer, host: &Host) -> (Reason, Duration) {
    if let Some(cron) = &rhythm.cron {
        return (Reason::of(Base::Cron { pattern: cron.as_str().to_owned() }), Duration::ZERO);
    }
    let (base, mut own) = own(rhythm, bounds, standing, answer);
    let mut reason = Reason::of(base);
    if let Some(sooner) = hastened(rhythm, bounds, standing, answer.at, own) {
        own = sooner;
        reason.step(By::Gap, own);
    } else if let Some(rarely) = told(rhythm, answer.at, host).filter(|rarely| *rarely > own) {
        own = rarely;
        reason.step(By::Hub, own);
    }
    let ceiling = bounds.ceiling.duration();
    let asked = longest_asked(&answer.hints, &standing.document);
    let Some((by, asked)) = asked.filter(|(_, asked)| *asked > own) else { return (reason, own) };
    reason.step(by, asked);
    if asked > ceiling {
        reason.step(By::Ceiling, ceiling.max(own));
    }
    (reason, asked.min(ceiling).max(own))
}

/// How long a feed waits by itself: what the operator says, or what it brings.
fn own(rhythm: &Rhythm, bounds: &Bounds, standing: &Standing, answer: &Answer) -> (Base, Duration) {
    let said = rhythm.every.map(|every| Interval::nearest(every).duration());
    let every = said.unwrap_or(bounds.default_every.duration());
    let plain = if said.is_some() { Base::Every { every } } else { Base::Default { every } };
    if rhythm.pace == Pace::Fixed {
        return (plain, every);
    }
    // A server that says that its answer is stale sooner may be asked sooner.
    let fresh_for = answer.hints.fresh_for().filter(|fresh| said.is_none() && *fresh < every);
    let shortest = fresh_for.map_or(every, |fresh| fresh.max(bounds.floor.duration()).min(every));
    let longest = bounds.ceiling.duration().max(shortest);
    let quiet = standing.quiet_for(answer.at).unwrap_or_default();
    if let Some((_, part)) = QUIET.into_iter().find(|(least, _)| quiet >= *least) {
        let every = whole(longest / part).max(shortest);
        return (Base::Quiet { every, quiet: whole(quiet) }, every);
    }
    match standing.mean_gap {
        None => (plain, every),
        Some(gap) => {
            let every = whole(gap / 2).min(whole(longest / 4)).max(shortest);
            (Base::Brings { every, gap }, every)
        }
    }
}

/// How long a feed waits between whose documents items may have been missed lately, where that is less than `own`. What the
/// operator said is not undercut.
fn hastened(rhythm: &Rhythm, bounds: &Bounds, standing: &Standing, at: Timestamp, own: Duration) -> Option<Duration> {
    let missed = standing.missed.as_ref().filter(|missed| missed.is_recent(at))?;
    if rhythm.pace == Pace::Fixed {
        return None;
    }
    let shortest = rhythm.every.map_or(bounds.floor, Interval::nearest).duration();
    let sooner = whole(own / (1 << missed.times.min(MOST_HASTE))).max(shortest);
    (sooner < own).then_some(sooner)
}

/// How long a feed waits of whose new items a hub tells, while it does: nothing is known to be missed, and what the operator
/// said stays.
fn told(rhythm: &Rhythm, at: Timestamp, host: &Host) -> Option<Duration> {
    let lease = whole_seconds(host.told_until?, at);
    (rhythm.every.is_none() && rhythm.pace == Pace::Adaptive).then_some(lease.min(BACKUP))
}

/// The longest time that a server or a document asks for.
fn longest_asked(hints: &Hints, document: &DocumentHints) -> Option<(By, Duration)> {
    let asked = [
        (By::MaxAge, hints.fresh_for()),
        (By::Expires, hints.expires_in()),
        (By::Ttl, document.ttl),
        (By::Syndication, document.syndication),
    ];
    let asked = asked.into_iter().filter_map(|(by, length)| Some((by, whole(length?).min(MOST_ASKED))));
    asked.reduce(|longest, next| if next.1 > longest.1 { next } else { longest })
}

/// How long a feed waits that failed so often in a row.
fn backoff(failure: Failure, count: u32) -> Duration {
    let (first, longest) = match failure {
        Failure::RateLimited => (FIRST_BACKOFF, LONGEST_RATE_LIMIT),
        Failure::Forbidden => (FIRST_REFUSAL, LIMIT),
        Failure::Proxy => (NETWORK_DOWN, LONGEST_PROXY),
        _ => (FIRST_BACKOFF, LIMIT),
    };
    let doublings = count.saturating_sub(1).min(31);
    first.saturating_mul(1 << doublings).min(longest)
}

/// What a feed may not be asked before, counted from the answer.
fn rests(verdict: Verdict, answer: &Answer, host: &Host) -> Vec<(By, Duration)> {
    let (least, most) = RETRY_AFTER;
    let may_ask = matches!(verdict, Verdict::Charged(Failure::RateLimited | Failure::Server));
    let asked = answer.hints.retry_after.filter(|_| may_ask).map(|asked| whole(asked).clamp(least, most));
    // A second more than the rest has whole ones.
    let rest = |until: Timestamp| {
        (until > answer.at).then(|| (whole_seconds(until, answer.at) + Duration::from_secs(1)).min(most))
    };
    let host = host.rest.and_then(|held| rest(held.until));
    [(By::RetryAfter, asked), (By::HostRests, host)]
        .into_iter()
        .filter_map(|(by, length)| Some((by, length?)))
        .collect()
}

/// A wait with its random part. One that would be too long with it is cut, so that feeds at the limit are spread as well.
fn jittered(wait: Duration, chance: u64) -> (Duration, Duration) {
    let most = (wait / 10).min(MOST_JITTER);
    (wait.min(LIMIT.saturating_sub(most)), share(most, chance))
}

/// The part of a length that `chance` is of all numbers; whole seconds.
fn share(length: Duration, chance: u64) -> Duration {
    let part = (u128::from(length.as_secs()) * u128::from(chance)) >> 64;
    Duration::from_secs(u64::try_from(part).unwrap_or(0))
}

/// Until when a fetch is put off that falls into hours or days in which the feed need not be read: at most 24 hours.
fn postponed(document: &DocumentHints, due: Timestamp) -> Option<(By, Timestamp)> {
    let by = skipped(document, due)?;
    let into_hour = due.as_micros().rem_euclid(MICROS_PER_HOUR);
    let mut until = due.saturating_add_micros(MICROS_PER_HOUR - into_hour);
    for _ in 0..24 {
        if skipped(document, until).is_none() {
            break;
        }
        until = moved(until, HOUR);
    }
    Some((by, until.min(moved(due, DAY))))
}

fn skipped(document: &DocumentHints, at: Timestamp) -> Option<By> {
    let hours = at.as_micros().div_euclid(MICROS_PER_HOUR);
    let (hour, days) = (hours.rem_euclid(24), hours.div_euclid(24));
    // 1 January 1970 was a Thursday, the fourth day of the week.
    let day = usize::try_from((days + 3).rem_euclid(7)).ok().and_then(|day| WEEK.get(day));
    if day.is_some_and(|day| document.skip_days.contains(day)) {
        return Some(By::SkipDays);
    }
    document.skip_hours.iter().any(|skipped| i64::from(*skipped) == hour).then_some(By::SkipHours)
}

/// A time that is neither before `now` nor beyond the limit.
fn limited(now: Timestamp, at: Timestamp, reason: &mut Reason) -> Timestamp {
    let latest = moved(now, LIMIT);
    if at > latest {
        reason.step(By::Limit, LIMIT);
    }
    at.clamp(now, latest)
}

fn decision(at: Option<Timestamp>, reason: Reason, standing: Standing) -> Decision {
    let standing = Standing { reason: Some(reason.clone()), ..standing };
    Decision { at, reason, standing }
}

fn moved(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add_micros(i64::try_from(by.as_micros()).unwrap_or(i64::MAX))
}

fn whole(length: Duration) -> Duration {
    Duration::from_secs(length.as_secs())
}

fn whole_seconds(later: Timestamp, earlier: Timestamp) -> Duration {
    whole(Duration::from_micros(u64::try_from(later.micros_since(earlier)).unwrap_or(0)))
}

/// A number that follows from a feed's id, and that ids in a row do not have in a row (2^64 by the golden ratio).
fn hash(feed: FeedId) -> u64 {
    let number = u128::from_be_bytes(*feed.as_bytes());
    let folded = u64::try_from(number >> 64).unwrap_or(0) ^ u64::try_from(number & u128::from(u64::MAX)).unwrap_or(0);
    folded.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use super::super::Rest;
    use super::*;

    #[test]
    fn what_was_changed_of_a_feed_makes_it_due_where_that_may_mend_it_or_makes_it_another() {
        use Subject::{Address, Options, Reach, Requests, Rhythm};
        let now: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
        let hour = |hours: i64| now.saturating_add_micros(hours * MICROS_PER_HOUR);
        let (well, later, earlier) = (Standing::default(), Some(hour(5)), Some(hour(-1)));
        let failing = Standing { failing: Some(Failure::Forbidden), failures: 3, ..Standing::default() };
        let gone = vec![hour(-72), hour(-48), hour(-24)];
        let gone = Standing { failing: Some(Failure::Gone), gone, ..Standing::default() };
        for (what, standing, due, at) in [
            (Address, &well, later, Some(now)),
            (Rhythm, &well, later, Some(now)),
            (Requests, &well, later, None),
            (Reach, &well, later, None),
            (Options, &well, later, None),
            (Address, &failing, later, Some(now)),
            (Rhythm, &failing, later, Some(now)),
            (Requests, &failing, later, Some(now)),
            (Reach, &failing, later, Some(now)),
            (Options, &failing, later, Some(now)),
            (Requests, &failing, earlier, earlier),
            (Address, &gone, None, Some(now)),
            (Requests, &gone, None, Some(now)),
            (Rhythm, &gone, None, None),
        ] {
            let decision = changed(what, due, standing.clone(), now);
            assert_eq!(decision.as_ref().and_then(|decision| decision.at), at, "{what:?} {standing:?} {due:?}");
            if let Some(Decision { standing: held, reason, .. }) = decision {
                let kept = if what == Rhythm { standing.failures } else { 0 };
                assert_eq!((held.reason, held.failures), (Some(reason), kept), "{what:?} {standing:?}");
                assert_eq!(held.failing, standing.failing);
                assert!(held.gone.is_empty());
            }
        }
    }

    #[test]
    fn a_feed_is_asked_at_once_when_it_is_pinged_and_once_a_minute_at_most() {
        let noon: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
        let at = |seconds: i64| noon.saturating_add_micros(seconds * 1_000_000);
        let well = Standing::default();
        let failing = Standing { failing: Some(Failure::Server), ..Standing::default() };
        let rest = |until| Rest { until: at(until), http_status: Some(429) };
        let rests = |until| Standing { rest: Some(rest(until)), ..Standing::default() };
        for (due, standing, began, expected) in [
            (Some(3_600), &well, Some(-3_600), Some(0)),
            (Some(3_600), &well, None, Some(0)),
            (Some(3_600), &well, Some(-20), Some(40)),
            (Some(3_600), &well, Some(9_999), Some(60)),
            (Some(30), &well, Some(-20), None),
            (Some(-5), &well, Some(-3_600), None),
            (None, &well, Some(-3_600), None),
            (Some(3_600), &failing, Some(-3_600), None),
            (Some(3_600), &rests(5), Some(-3_600), None),
            (Some(3_600), &rests(-5), Some(-3_600), Some(0)),
        ] {
            let decision = pinged(due.map(at), standing.clone(), began.map(at), at(0));
            let told = decision.map(|decision| (decision.at, decision.standing.reason.map(|reason| reason.base)));
            assert_eq!(told, expected.map(|due| (Some(at(due)), Some(Base::Pinged))), "{standing:?} {began:?}");
        }
    }

    #[test]
    fn a_feed_that_no_hub_tells_of_any_more_is_due_at_once() {
        let now: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
        let hour = |hours: i64| now.saturating_add_micros(hours * MICROS_PER_HOUR);
        for (due, expected) in [(Some(hour(5)), Some(now)), (Some(hour(-1)), None), (None, None)] {
            let decision = untold(due, Standing::default(), now);
            assert_eq!(decision.and_then(|decision| decision.at), expected, "{due:?}");
        }
    }
}
