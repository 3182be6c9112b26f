use feedspine_core::{FeedId, Json};
use feedspine_parse::Weekday;
use proptest::prelude::*;
use std::time::Duration;

use super::hints::DocumentHints;
use super::reason::{Base, By};
use super::*;

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const SECOND: i64 = 1_000_000;

/// A Friday.
fn noon() -> Timestamp {
    "2026-11-27T12:00:00Z".parse().unwrap()
}

fn later(at: Timestamp, seconds: u64) -> Timestamp {
    at.saturating_add_micros(i64::try_from(seconds).unwrap() * SECOND)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn fixed() -> Rhythm {
    Rhythm { pace: Pace::Fixed, ..Rhythm::default() }
}

fn every(length: u64) -> Rhythm {
    Rhythm { every: Some(seconds(length)), ..fixed() }
}

fn cron(pattern: &str) -> Rhythm {
    Rhythm { cron: Some(pattern.parse().unwrap()), ..fixed() }
}

fn captured(new: u64) -> Came {
    Came::Captured { new, changed: 0, gaps: 0 }
}

fn answer(came: Came, hints: Hints) -> Answer {
    Answer { at: noon(), due_at: None, came, hints }
}

/// What is decided without jitter, of a host of which nothing is known.
fn plain(rhythm: &Rhythm, standing: Standing, answer: &Answer) -> Decision {
    decide(rhythm, &Bounds::default(), standing, answer, &Host::default(), 0)
}

/// How many seconds a decision is from the answer.
fn wait(decision: &Decision, answer: &Answer) -> u64 {
    u64::try_from(decision.at.expect("it is asked again").micros_since(answer.at) / SECOND).unwrap()
}

fn steps(decision: &Decision) -> Vec<By> {
    decision.reason.steps.iter().map(|step| step.by).collect()
}

fn rest(until: Timestamp) -> Rest {
    Rest { until, http_status: Some(429) }
}

fn document(document: DocumentHints) -> Hints {
    Hints { document: Some(document), ..Hints::default() }
}

/// A feed that failed so often in a row, an hour apart each, without jitter.
fn failing(failure: Failure, times: u32) -> (Decision, Answer) {
    let mut standing = Standing::default();
    for turn in 0.. {
        let at = later(noon(), u64::from(turn) * HOUR);
        let answer = Answer { at, ..answer(Came::Failed(failure), Hints::default()) };
        let decision = plain(&fixed(), standing, &answer);
        if turn + 1 == times {
            return (decision, answer);
        }
        standing = decision.standing;
    }
    unreachable!("the turns do not run out")
}

#[test]
fn a_feed_that_answers_waits_for_what_was_said_or_for_longer_when_it_is_asked_to() {
    let age = |max_age| Hints { max_age: Some(seconds(max_age)), ..Hints::default() };
    let ttl = |ttl| document(DocumentHints { ttl: Some(seconds(ttl)), ..DocumentHints::default() });
    let period = |period| document(DocumentHints { syndication: Some(seconds(period)), ..DocumentHints::default() });
    let expires = Hints { expires: Some(seconds(3 * HOUR)), ..Hints::default() };
    for (rhythm, hints, expected, by) in [
        (fixed(), Hints::default(), HOUR, &[][..]),
        (every(900), Hints::default(), 900, &[]),
        (every(2 * DAY), Hints::default(), 2 * DAY, &[]),
        (every(1), Hints::default(), 60, &[]),
        (fixed(), age(60), HOUR, &[]),
        (fixed(), age(2 * HOUR), 2 * HOUR, &[By::MaxAge]),
        (every(900), age(2 * HOUR), 2 * HOUR, &[By::MaxAge]),
        (fixed(), Hints { no_cache: true, ..age(2 * HOUR) }, HOUR, &[]),
        (fixed(), expires.clone(), 3 * HOUR, &[By::Expires]),
        (fixed(), Hints { no_cache: true, ..expires }, HOUR, &[]),
        (fixed(), ttl(4 * HOUR), 4 * HOUR, &[By::Ttl]),
        (fixed(), period(5 * HOUR), 5 * HOUR, &[By::Syndication]),
        (fixed(), Hints { max_age: Some(seconds(6 * HOUR)), ..ttl(4 * HOUR) }, 6 * HOUR, &[By::MaxAge]),
        (fixed(), age(30 * DAY), DAY, &[By::MaxAge, By::Ceiling]),
        (every(2 * DAY), age(30 * DAY), 2 * DAY, &[By::MaxAge, By::Ceiling]),
        (every(2 * DAY), age(DAY), 2 * DAY, &[]),
        (fixed(), Hints { retry_after: Some(seconds(9 * HOUR)), ..Hints::default() }, HOUR, &[]),
    ] {
        let answer = answer(captured(1), hints);
        let decision = plain(&rhythm, Standing::default(), &answer);
        assert_eq!((wait(&decision, &answer), steps(&decision).as_slice()), (expected, by), "{rhythm:?} {answer:?}");
    }
}

#[test]
fn what_the_document_asked_for_holds_until_the_next_one_is_read() {
    let ttl = document(DocumentHints { ttl: Some(seconds(4 * HOUR)), ..DocumentHints::default() });
    let read = plain(&fixed(), Standing::default(), &answer(captured(1), ttl));
    let same = answer(Came::Unchanged, Hints::default());
    let held = plain(&fixed(), read.standing, &same);
    assert_eq!(wait(&held, &same), 4 * HOUR);
    let other = answer(captured(0), document(DocumentHints::default()));
    assert_eq!(wait(&plain(&fixed(), held.standing, &other), &other), HOUR);
}

#[test]
fn a_feed_that_a_hub_tells_of_is_asked_as_a_backup_while_its_lease_lasts() {
    let adaptive = Rhythm::default();
    let brings = Standing { mean_gap: Some(seconds(6 * HOUR)), last_new: Some(noon()), ..Standing::default() };
    let missed = Standing {
        missed: Some(Missed { from: None, to: noon(), times: 1 }),
        mean_gap: Some(seconds(6 * HOUR)),
        last_new: Some(noon()),
        ..Standing::default()
    };
    for (rhythm, standing, lease, expected, by) in [
        (&adaptive, Standing::default(), 10 * DAY, DAY, &[By::Hub][..]),
        (&adaptive, brings.clone(), 10 * DAY, DAY, &[By::Hub]),
        (&adaptive, brings.clone(), 5 * HOUR, 5 * HOUR, &[By::Hub]),
        // The lease ends before it is due by itself, or has ended.
        (&adaptive, brings.clone(), 2 * HOUR, 3 * HOUR, &[]),
        (&adaptive, brings, 0, 3 * HOUR, &[]),
        // Something was missed although a hub tells.
        (&adaptive, missed, 10 * DAY, 3 * HOUR / 2, &[By::Gap]),
        // What the operator said stays.
        (&every(900), Standing::default(), 10 * DAY, 900, &[]),
        (&fixed(), Standing::default(), 10 * DAY, HOUR, &[]),
        (&cron("0 13 * * *"), Standing::default(), 10 * DAY, HOUR, &[]),
    ] {
        let answer = answer(captured(0), Hints::default());
        let host = Host { told_until: Some(later(noon(), lease)), ..Host::default() };
        let decision = decide(rhythm, &Bounds::default(), standing, &answer, &host, 0);
        assert_eq!((wait(&decision, &answer), steps(&decision).as_slice()), (expected, by), "{rhythm:?} {lease}");
    }
    let host = Host { told_until: Some(later(noon(), 10 * DAY)), ..Host::default() };
    let failed = answer(Came::Failed(Failure::Server), Hints::default());
    let decision = decide(&adaptive, &Bounds::default(), Standing::default(), &failed, &host, 0);
    assert_eq!(wait(&decision, &failed), HOUR / 2);
}

#[test]
fn an_adaptive_feed_follows_what_it_brings() {
    let brings = |gap: u64| Standing { mean_gap: Some(seconds(gap)), last_new: Some(noon()), ..Standing::default() };
    let quiet = |for_s: i64| Standing {
        last_new: Some(noon().saturating_add_micros(-for_s * SECOND)),
        mean_gap: Some(seconds(1)),
        ..Standing::default()
    };
    let days = |days: i64| days * 24 * 3_600;
    let never = Standing { since: Some(noon().saturating_add_micros(-days(40) * SECOND)), ..Standing::default() };
    for (standing, expected) in [
        (Standing::default(), HOUR),
        (brings(4 * HOUR), 2 * HOUR),
        (brings(600), HOUR),
        (brings(3 * DAY), 6 * HOUR),
        (quiet(days(7) - 1), HOUR),
        (quiet(days(7)), 6 * HOUR),
        (quiet(days(14)), 12 * HOUR),
        (quiet(days(30)), DAY),
        (never, DAY),
    ] {
        let answer = answer(Came::Unchanged, Hints::default());
        let decision = plain(&Rhythm::default(), standing.clone(), &answer);
        assert_eq!(wait(&decision, &answer), expected, "{standing:?}");
    }
}

#[test]
fn a_feed_between_whose_documents_items_may_have_been_missed_is_asked_sooner_for_a_while() {
    let missed = |times, days_ago: i64| Standing {
        missed: Some(Missed { from: None, to: noon().saturating_add_micros(-days_ago * 24 * 3_600 * SECOND), times }),
        ..Standing::default()
    };
    let said = Rhythm { every: Some(seconds(HOUR)), ..Rhythm::default() };
    for (rhythm, standing, expected, by) in [
        (&Rhythm::default(), missed(1, 0), 1_800, &[By::Gap][..]),
        (&Rhythm::default(), missed(2, 13), 900, &[By::Gap]),
        (&Rhythm::default(), missed(9, 0), 600, &[By::Gap]),
        (&Rhythm::default(), missed(1, 15), HOUR, &[]),
        (&said, missed(1, 0), HOUR, &[]),
        (&fixed(), missed(1, 0), HOUR, &[]),
        (&Rhythm::default(), Standing { mean_gap: Some(seconds(8 * HOUR)), ..missed(1, 0) }, 2 * HOUR, &[By::Gap]),
    ] {
        let answer = answer(Came::Unchanged, Hints::default());
        let decision = plain(rhythm, Standing { last_new: Some(noon()), ..standing.clone() }, &answer);
        assert_eq!((wait(&decision, &answer), steps(&decision).as_slice()), (expected, by), "{rhythm:?} {standing:?}");
    }
    let gap = |at| Answer { at, ..answer(Came::Captured { new: 3, changed: 0, gaps: 1 }, Hints::default()) };
    let read = plain(&Rhythm::default(), Standing::default(), &answer(captured(3), Hints::default()));
    let (first, second) = (later(noon(), HOUR), later(noon(), 2 * HOUR));
    let once = plain(&Rhythm::default(), read.standing, &gap(first)).standing;
    assert_eq!(once.missed, Some(Missed { from: Some(noon()), to: first, times: 1 }));
    let twice = plain(&Rhythm::default(), once, &gap(second)).standing;
    assert_eq!(twice.missed, Some(Missed { from: Some(first), to: second, times: 2 }));
}

#[test]
fn how_long_a_host_wants_to_be_left_alone_is_kept_until_it_is_over() {
    let (later_on, host) = (later(noon(), 600), |until| Host { rest: Some(rest(until)), ..Host::default() });
    let limited = answer(Came::Failed(Failure::RateLimited), Hints::default());
    for (until, kept) in [(later_on, Some(rest(later_on))), (noon(), None)] {
        let decision = decide(&fixed(), &Bounds::default(), Standing::default(), &limited, &host(until), 0);
        assert_eq!(decision.standing.rest, kept);
        assert_eq!(rest_of(&Content::new(&decision.standing.to_json())), kept);
    }
}

#[test]
fn a_server_that_gives_a_shorter_max_age_is_asked_sooner_by_an_adaptive_feed_alone() {
    let adaptive = Rhythm::default();
    let said = Rhythm { every: Some(seconds(2 * HOUR)), ..adaptive.clone() };
    for (rhythm, max_age, no_cache, expected) in [
        (&adaptive, 1_200, false, 1_200),
        (&adaptive, 5, false, 600),
        (&adaptive, 0, true, HOUR),
        (&adaptive, 2 * HOUR, false, 2 * HOUR),
        (&said, 5, false, 2 * HOUR),
        (&fixed(), 5, false, HOUR),
    ] {
        let hints = Hints { max_age: Some(seconds(max_age)), no_cache, ..Hints::default() };
        let standing = Standing { mean_gap: Some(seconds(60)), last_new: Some(noon()), ..Standing::default() };
        let answer = answer(Came::Unchanged, hints);
        assert_eq!(wait(&plain(rhythm, standing, &answer), &answer), expected, "{rhythm:?} {max_age}");
    }
}

#[test]
fn the_mean_gap_is_between_fetches_that_brought_new_items_and_old_ones_fade() {
    let mut standing = Standing::default();
    let mut at = noon();
    for (gap, new) in [(0, 20), (HOUR, 0), (HOUR, 3), (4 * HOUR, 1)] {
        at = later(at, gap);
        standing = plain(&fixed(), standing, &Answer { at, ..answer(captured(new), Hints::default()) }).standing;
    }
    assert_eq!((standing.gaps, standing.mean_gap), (2, Some(seconds(3 * HOUR))));
    assert_eq!((standing.since, standing.last_new), (Some(noon()), Some(at)));
    for _ in 0..60 {
        at = later(at, 10 * HOUR);
        standing = plain(&fixed(), standing, &Answer { at, ..answer(captured(1), Hints::default()) }).standing;
    }
    assert_eq!(standing.mean_gap.unwrap().as_secs() / HOUR, 9, "within an hour of what it is now");
}

#[test]
fn a_failing_feed_is_tried_again_after_twice_as_long_each_time() {
    for (failure, times, expected) in [
        (Failure::Network, 1, 1_800),
        (Failure::Timeout, 2, HOUR),
        (Failure::NotFound, 3, 2 * HOUR),
        (Failure::Server, 8, 64 * HOUR),
        (Failure::Other, 9, 128 * HOUR),
        (Failure::Client, 12, 7 * DAY),
        (Failure::Refused, 40, 7 * DAY),
        (Failure::Unreadable, 2, HOUR),
        (Failure::RateLimited, 1, 1_800),
        (Failure::RateLimited, 5, 6 * HOUR),
        (Failure::Forbidden, 1, 4 * HOUR),
        (Failure::Forbidden, 2, 8 * HOUR),
        (Failure::Proxy, 1, 300),
        (Failure::Proxy, 9, HOUR),
    ] {
        let (decision, answer) = failing(failure, times);
        let spread = if expected == 7 * DAY { 1_800 } else { 0 };
        assert_eq!(wait(&decision, &answer), expected - spread, "{failure:?} {times}");
    }
}

#[test]
fn bodies_that_cannot_be_read_are_counted_by_themselves_and_one_success_resets_all() {
    let mut standing = Standing::default();
    for failure in [Failure::Network, Failure::Unreadable, Failure::Timeout, Failure::Unreadable, Failure::Gone] {
        standing = plain(&fixed(), standing, &answer(Came::Failed(failure), Hints::default())).standing;
    }
    assert_eq!((standing.failures, standing.unreadable, standing.gone.len()), (3, 2, 1));
    let decision = plain(&fixed(), standing, &answer(Came::Unchanged, Hints::default()));
    let after = decision.standing;
    assert_eq!((after.failures, after.unreadable, after.failing, after.gone.len()), (0, 0, None, 0));
}

#[test]
fn a_proxy_that_fails_and_a_server_that_does_are_waited_for_each_by_itself() {
    use Failure::{Proxy, Server, Unreadable};
    for (story, expected) in [
        (&[Proxy, Proxy, Proxy, Server][..], 1_800),
        (&[Proxy, Proxy, Proxy, Unreadable], 1_800),
        (&[Server, Server, Server, Proxy], 300),
        // The server failed as before once it was asked again; the proxy had let somebody through in between.
        (&[Server, Server, Proxy, Server], 2 * HOUR),
        (&[Proxy, Proxy, Server, Proxy], 300),
    ] {
        let mut standing = Standing::default();
        let mut waited = 0;
        for failure in story {
            let failed = answer(Came::Failed(*failure), Hints::default());
            let decision = plain(&fixed(), standing, &failed);
            waited = wait(&decision, &failed);
            standing = decision.standing;
        }
        assert_eq!(waited, expected, "{story:?}");
    }
}

#[test]
fn a_feed_of_which_something_was_changed_that_it_may_have_failed_by_is_waited_for_as_after_its_first_failure() {
    for (what, expected) in [(Subject::Requests, 1_800), (Subject::Options, 1_800), (Subject::Rhythm, 16 * HOUR)] {
        let (failed, _) = failing(Failure::Server, 5);
        let set = changed(what, failed.at, failed.standing, noon()).expect("it fails");
        let again = answer(Came::Failed(Failure::Server), Hints::default());
        assert_eq!(wait(&plain(&fixed(), set.standing, &again), &again), expected, "{what:?}");
    }
}

#[test]
fn what_is_no_fault_of_the_feed_is_not_charged_to_it() {
    let down = Host { network: Network::Down, ..Host::default() };
    let (failed, _) = failing(Failure::Server, 4);
    for (came, host, expected) in [
        (Came::Failed(Failure::Network), down, 300),
        (Came::Failed(Failure::Timeout), down, 300),
        (Came::Failed(Failure::Store), Host::default(), 1_800),
        (Came::GivenUp, Host::default(), 4 * HOUR),
    ] {
        let answer = answer(came, Hints::default());
        let decision = decide(&fixed(), &Bounds::default(), failed.standing.clone(), &answer, &host, 0);
        let (before, after) = (&failed.standing, &decision.standing);
        assert_eq!((before.failures, before.failing), (after.failures, after.failing), "{came:?}");
        assert_eq!(wait(&decision, &answer), expected, "{came:?}");
    }
    let answered = answer(Came::Failed(Failure::Server), Hints::default());
    let charged = decide(&fixed(), &Bounds::default(), failed.standing, &answered, &down, 0).standing;
    assert_eq!(charged.failures, 5, "it was reached");
    let healthy = answer(Came::GivenUp, Hints::default());
    assert_eq!(wait(&plain(&fixed(), Standing::default(), &healthy), &healthy), HOUR);
}

#[test]
fn a_403_is_a_rate_limit_while_other_feeds_of_the_host_succeed() {
    let forbidden = answer(Came::Failed(Failure::Forbidden), Hints::default());
    let host = Host { others: Others::Succeed, ..Host::default() };
    let decision = decide(&fixed(), &Bounds::default(), Standing::default(), &forbidden, &host, 0);
    assert_eq!((wait(&decision, &forbidden), decision.standing.failing), (1_800, Some(Failure::RateLimited)));
}

#[test]
fn retry_after_and_the_rest_of_a_host_are_floors() {
    let after = |seconds| Hints { retry_after: Some(Duration::from_secs(seconds)), ..Hints::default() };
    let resting = |until| Host { rest: Some(rest(later(noon(), until))), ..Host::default() };
    for (came, hints, host, expected) in [
        (Came::Failed(Failure::RateLimited), after(2 * HOUR), Host::default(), 2 * HOUR),
        (Came::Failed(Failure::Server), after(2 * HOUR), Host::default(), 2 * HOUR),
        (Came::Failed(Failure::Server), after(0), Host::default(), 1_800),
        (Came::Failed(Failure::Server), after(30 * DAY), Host::default(), DAY),
        (Came::Failed(Failure::NotFound), after(2 * HOUR), Host::default(), 1_800),
        (captured(1), Hints::default(), resting(2 * HOUR), 2 * HOUR + 1),
        (captured(1), Hints::default(), resting(HOUR / 2), HOUR),
        (captured(1), Hints::default(), resting(30 * DAY), DAY),
        (Came::GivenUp, Hints::default(), resting(3 * HOUR), 3 * HOUR + 1),
    ] {
        let answer = answer(came, hints);
        let decision = decide(&fixed(), &Bounds::default(), Standing::default(), &answer, &host, 0);
        assert_eq!(wait(&decision, &answer), expected, "{answer:?} {host:?}");
    }
}

#[test]
fn a_turn_that_was_given_up_brings_nothing_forward() {
    let resting = |until| Host { rest: Some(rest(later(noon(), until))), ..Host::default() };
    let said = Base::Every { every: seconds(DAY) };
    let standing = Standing { reason: Some(Reason::of(said.clone())), ..Standing::default() };
    for (came, due, host, expected, base) in [
        (Came::GivenUp, Some(5 * HOUR), resting(2 * HOUR), 5 * HOUR, said.clone()),
        (Came::GivenUp, Some(HOUR), resting(2 * HOUR), 2 * HOUR + 1, Base::Due),
        (Came::GivenUp, None, resting(2 * HOUR), 2 * HOUR + 1, Base::Due),
        (Came::GivenUp, Some(5 * HOUR), Host::default(), 5 * HOUR, said.clone()),
        // A clock was wrong when that was said.
        (Came::GivenUp, Some(400 * DAY), resting(2 * HOUR), 7 * DAY, said),
        (Came::Unchanged, Some(5 * HOUR), Host::default(), HOUR, Base::Default { every: seconds(HOUR) }),
    ] {
        let due_at = due.map(|due| later(noon(), due));
        let answer = Answer { due_at, ..answer(came, Hints::default()) };
        let decision = decide(&fixed(), &Bounds::default(), standing.clone(), &answer, &host, 0);
        assert_eq!((wait(&decision, &answer), &decision.reason.base), (expected, &base), "{came:?} {due:?}");
        assert_eq!(decision.standing.reason, Some(decision.reason));
    }
}

#[test]
fn a_feed_is_gone_after_three_answers_a_day_apart_each_and_not_before() {
    let gone_at = |hours: &[u64]| {
        let mut standing = Standing::default();
        let mut last = None;
        for hour in hours {
            let at = later(noon(), hour * HOUR);
            let gone = Answer { at, ..answer(Came::Failed(Failure::Gone), Hints::default()) };
            let decision = plain(&cron("@hourly"), standing, &gone);
            standing = decision.standing.clone();
            last = Some(decision);
        }
        last.unwrap()
    };
    let gone = gone_at(&[0, 24, 48]);
    assert_eq!((gone.at, &gone.reason.base), (None, &Base::Gone { answers: 3, since: noon() }));
    for hours in [&[0, 24][..], &[0, 1, 2, 3], &[0, 23, 47], &[48, 24, 0]] {
        assert!(gone_at(hours).at.is_some(), "{hours:?}");
    }
    let given_up = plain(&fixed(), gone.standing.clone(), &answer(Came::GivenUp, Hints::default()));
    assert_eq!((given_up.at, &given_up.reason), (None, &gone.reason), "it says nothing else since");
    let ours = Host { network: Network::Down, ..Host::default() };
    for (failure, host) in [(Failure::Network, &ours), (Failure::Store, &Host::default())] {
        let failed = answer(Came::Failed(failure), Hints::default());
        let decision = decide(&fixed(), &Bounds::default(), gone.standing.clone(), &failed, host, 0);
        assert_eq!((decision.at, &decision.reason), (None, &gone.reason), "{failure:?} says nothing of the server");
    }
    let resumed = answer(Came::Unchanged, Hints::default());
    assert!(plain(&fixed(), gone.standing, &resumed).standing.gone.is_empty());
}

#[test]
fn hours_and_days_that_are_skipped_put_a_fetch_off_by_a_day_at_most() {
    use Weekday::{Friday, Saturday, Sunday};
    for (skip_hours, skip_days, expected, by) in [
        (vec![3], vec![], "2026-11-27T13:30:00Z", &[][..]),
        (vec![13], vec![], "2026-11-27T14:00:00Z", &[By::SkipHours]),
        (vec![13, 14, 16], vec![], "2026-11-27T15:00:00Z", &[By::SkipHours]),
        ((0..24).collect(), vec![], "2026-11-28T13:30:00Z", &[By::SkipHours]),
        (vec![], vec![Sunday], "2026-11-27T13:30:00Z", &[]),
        (vec![], vec![Friday], "2026-11-28T00:00:00Z", &[By::SkipDays]),
        (vec![], vec![Friday, Saturday, Sunday], "2026-11-28T13:30:00Z", &[By::SkipDays]),
        (vec![0], vec![Friday], "2026-11-28T01:00:00Z", &[By::SkipDays]),
    ] {
        let hints = document(DocumentHints { skip_hours, skip_days, ..DocumentHints::default() });
        let decision = plain(&every(5_400), Standing::default(), &answer(captured(1), hints.clone()));
        assert_eq!(decision.at.unwrap().to_string(), expected, "{hints:?}");
        assert_eq!(steps(&decision), by, "{hints:?}");
    }
}

#[test]
fn a_cron_feed_keeps_to_its_pattern_and_to_what_it_may_not_be_asked_before() {
    let after = |seconds| Hints { retry_after: Some(Duration::from_secs(seconds)), ..Hints::default() };
    let age = Hints { max_age: Some(seconds(9 * HOUR)), ..Hints::default() };
    let down = Host { network: Network::Down, ..Host::default() };
    for (pattern, came, hints, host, expected) in [
        ("0 */2 * * *", captured(1), Hints::default(), Host::default(), "2026-11-27T14:00:00Z"),
        ("0 */2 * * *", captured(1), age, Host::default(), "2026-11-27T14:00:00Z"),
        ("*/5 * * * *", Came::Failed(Failure::Server), Hints::default(), Host::default(), "2026-11-27T12:35:00Z"),
        ("*/5 * * * *", Came::Failed(Failure::Server), after(HOUR), Host::default(), "2026-11-27T13:05:00Z"),
        ("0 6 * * *", Came::Failed(Failure::Network), Hints::default(), down, "2026-11-27T12:05:00Z"),
    ] {
        let answer = answer(came, hints);
        let decision = decide(&cron(pattern), &Bounds::default(), Standing::default(), &answer, &host, 0);
        assert_eq!(decision.at.unwrap().to_string(), expected, "{pattern} {answer:?}");
    }
    let (failed, _) = failing(Failure::Server, 30);
    let sunday = Answer { at: "2026-11-29T00:00:05Z".parse().unwrap(), ..answer(Came::GivenUp, Hints::default()) };
    let weekly = plain(&cron("@weekly"), failed.standing, &sunday);
    assert_eq!(weekly.at.unwrap().to_string(), "2026-12-06T00:00:00Z");
}

#[test]
fn a_decision_says_in_plain_words_what_it_rests_on() {
    let hints = Hints { max_age: Some(seconds(2 * HOUR)), ..Hints::default() };
    let answer = answer(captured(3), hints);
    let decision = decide(&fixed(), &Bounds::default(), Standing::default(), &answer, &Host::default(), u64::MAX / 3);
    let words = "every 60 min by default; the server's max-age of 2 h is longer; 3 min of jitter";
    assert_eq!(decision.reason.to_string(), words);
    assert_eq!(decision.standing.reason, Some(decision.reason));
}

#[test]
fn a_clock_that_was_wrong_does_no_harm() {
    let ahead = later(noon(), 400 * DAY);
    let wrong = Answer { at: ahead, ..answer(captured(1), Hints::default()) };
    let decision = plain(&Rhythm::default(), Standing::default(), &wrong);
    let first_again = first(FeedId::from_u128(1), decision.at, decision.standing.clone(), noon(), 0);
    assert_eq!(first_again.at, Some(later(noon(), 7 * DAY)));
    let right = answer(Came::Unchanged, Hints::default());
    let healed = plain(&Rhythm::default(), decision.standing, &right);
    assert_eq!((wait(&healed, &right), healed.standing.last_new), (HOUR, Some(noon())));
    let next = Answer { at: later(noon(), 2 * HOUR), ..answer(captured(1), Hints::default()) };
    assert_eq!(plain(&Rhythm::default(), healed.standing, &next).standing.mean_gap, Some(seconds(2 * HOUR)));
}

#[test]
fn new_feeds_are_fetched_at_once_and_overdue_ones_are_spread_over_ten_minutes() {
    let at = |number, due| first(FeedId::from_u128(number), due, Standing::default(), noon(), 7);
    assert_eq!((at(1, None).at, at(1, None).reason.base), (Some(noon()), Base::New));
    let due = later(noon(), HOUR);
    assert_eq!((at(1, Some(due)).at, at(1, Some(due)).reason.base), (Some(due), Base::Due));
    let mut of_each_minute = [0; 10];
    for number in 0..1_000 {
        let wait = wait(&at(number, Some(Timestamp::MIN)), &answer(captured(1), Hints::default()));
        assert!(wait < 600, "{wait}");
        of_each_minute[usize::try_from(wait / 60).unwrap()] += 1;
        assert_eq!(at(number, Some(noon())), at(number, Some(noon())));
    }
    assert!(of_each_minute.iter().all(|feeds| (50..200).contains(feeds)), "{of_each_minute:?}");
}

#[test]
fn a_standing_of_another_program_is_read_as_far_as_it_is_known() {
    for odd in [
        "null",
        "[]",
        r#"{"failures":-1,"failing":7,"gone":"x","gaps":1e400,"mean_gap_s":0.5,"since":"soon","reason":{}}"#,
        r#"{"document":{"skip_hours":[99,-1,"x"],"skip_days":["Funday",3],"ttl_s":null}}"#,
    ] {
        assert_eq!(Standing::from_json(&Json::parse(odd).unwrap()), Standing::default(), "{odd}");
    }
    let newer = r#"{"failures":99999999999,"failing":"eclipse","gaps":99,"mean_gap_s":9999999999,"phase":"moon"}"#;
    let read = Standing::from_json(&Json::parse(newer).unwrap());
    assert_eq!((read.failures, read.failing, read.gaps), (u32::MAX, Some(Failure::Other), 8));
    assert_eq!(read.mean_gap, Some(seconds(30 * DAY)));
    // Before proxies had a count of their own.
    for (older, counts) in [
        (r#"{"failing":"proxy","failures":12}"#, (0, 12)),
        (r#"{"failing":"server","failures":12}"#, (12, 0)),
        (r#"{"failing":"proxy","failures":12,"at_proxy":0}"#, (12, 0)),
    ] {
        let read = Standing::from_json(&Json::parse(older).unwrap());
        assert_eq!((read.failures, read.at_proxy), counts, "{older}");
    }
}

fn instants() -> impl Strategy<Value = Timestamp> {
    let near = (noon().as_micros() - 90 * 86_400 * SECOND)..(noon().as_micros() + 90 * 86_400 * SECOND);
    let all = Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros();
    prop_oneof![8 => near, 1 => all, 1 => Just(Timestamp::MAX.as_micros()), 1 => Just(Timestamp::MIN.as_micros())]
        .prop_map(|micros| Timestamp::from_micros(micros).unwrap())
}

fn lengths() -> impl Strategy<Value = Duration> {
    prop_oneof![4 => 0..100_000_u64, 1 => any::<u64>(), 1 => Just(u64::MAX)].prop_map(Duration::from_secs)
}

fn failures() -> impl Strategy<Value = Failure> {
    prop_oneof![
        Just(Failure::Network),
        Just(Failure::Timeout),
        Just(Failure::RateLimited),
        Just(Failure::Forbidden),
        Just(Failure::NotFound),
        Just(Failure::Gone),
        Just(Failure::Server),
        Just(Failure::Client),
        Just(Failure::Unreadable),
        Just(Failure::Refused),
        Just(Failure::Proxy),
        Just(Failure::Store),
        Just(Failure::Other),
    ]
}

fn rhythms() -> impl Strategy<Value = Rhythm> {
    let patterns = prop_oneof![Just("* * * * *"), Just("0 */2 * * *"), Just("30 6 * * MON"), Just("@weekly")];
    let cron = proptest::option::weighted(0.2, patterns.prop_map(|pattern| pattern.parse().unwrap()));
    let pace = prop_oneof![Just(Pace::Adaptive), Just(Pace::Fixed)];
    (proptest::option::of(lengths()), cron, pace).prop_map(|(every, cron, pace)| Rhythm { every, cron, pace })
}

fn bounds() -> impl Strategy<Value = Bounds> {
    (lengths(), lengths(), lengths()).prop_map(|(default_every, floor, ceiling)| Bounds {
        default_every: Interval::nearest(default_every),
        floor: Interval::nearest(floor),
        ceiling: Interval::nearest(ceiling),
    })
}

fn documents() -> impl Strategy<Value = DocumentHints> {
    let hours = proptest::collection::vec(0..24_u8, 0..24);
    let days = proptest::sample::subsequence(super::hints::WEEK.to_vec(), 0..=7);
    // What is kept of a document is bounded where it is read.
    let length = || proptest::option::of((0..30_000_000_u64).prop_map(Duration::from_secs));
    (length(), length(), hours, days).prop_map(|(ttl, syndication, skip_hours, skip_days)| DocumentHints {
        ttl,
        syndication,
        skip_hours,
        skip_days,
    })
}

fn answers() -> impl Strategy<Value = Answer> {
    let came = prop_oneof![
        3 => (0..3_u64, 0..3_u64, 0..2_u64).prop_map(|(new, changed, gaps)| Came::Captured { new, changed, gaps }),
        1 => Just(Came::Unchanged),
        4 => failures().prop_map(Came::Failed),
        1 => Just(Came::GivenUp),
    ];
    let length = || proptest::option::of(lengths());
    let hints = (length(), length(), any::<bool>(), length(), length(), proptest::option::of(documents())).prop_map(
        |(age, max_age, no_cache, expires, retry_after, document)| Hints {
            max_age,
            no_cache,
            expires,
            age,
            retry_after,
            document,
        },
    );
    let due_at = proptest::option::of(instants());
    (instants(), due_at, came, hints).prop_map(|(at, due_at, came, hints)| Answer { at, due_at, came, hints })
}

fn hosts() -> impl Strategy<Value = Host> {
    let others = prop_oneof![Just(Others::Unknown), Just(Others::Succeed)];
    let network = prop_oneof![4 => Just(Network::Up), 1 => Just(Network::Down)];
    let slowed = proptest::option::of((1_u32..16, instants()).prop_map(|(doublings, at)| Slowed { doublings, at }));
    let instant = || proptest::option::of(instants());
    let rest = (instants(), proptest::option::of(100_u16..600));
    let rest = proptest::option::of(rest.prop_map(|(until, http_status)| Rest { until, http_status }));
    (others, rest, slowed, network, instant()).prop_map(|(others, rest, slowed, network, told_until)| Host {
        others,
        rest,
        slowed,
        network,
        told_until,
    })
}

proptest! {
    #[test]
    fn whatever_comes_nothing_is_in_the_past_nor_beyond_seven_days_and_all_of_it_reads_back(
        rhythm in rhythms(),
        bounds in bounds(),
        story in proptest::collection::vec((answers(), hosts(), any::<u64>()), 1..12),
    ) {
        let mut standing = Standing::default();
        for (answer, host, chance) in story {
            let decision = decide(&rhythm, &bounds, standing, &answer, &host, chance);
            match decision.at {
                Some(at) => {
                    prop_assert!(at >= answer.at, "{decision:?}");
                    prop_assert!(at.micros_since(answer.at) <= 7 * 24 * 3_600 * SECOND, "{decision:?}");
                }
                None => prop_assert!(matches!(decision.reason.base, Base::Gone { .. }), "{decision:?}"),
            }
            prop_assert_eq!(Reason::from_json(&decision.reason.to_json()), Some(decision.reason.clone()));
            let kept = Json::parse(&decision.standing.to_json().to_canonical()).unwrap();
            prop_assert_eq!(&Standing::from_json(&kept), &decision.standing);
            prop_assert!(!decision.reason.to_string().is_empty());
            standing = decision.standing;
        }
    }

    #[test]
    fn a_feed_waits_longer_with_each_failure_in_a_row(failure in failures(), chance in any::<u64>()) {
        let waits: Vec<u64> = (1..=14)
            .map(|times| {
                let (before, _) = failing(failure, times);
                let standing = Standing { gone: Vec::new(), ..before.standing };
                let given_up = answer(Came::GivenUp, Hints::default());
                wait(&decide(&fixed(), &Bounds::default(), standing, &given_up, &Host::default(), chance), &given_up)
            })
            .collect();
        prop_assert!(waits.is_sorted(), "{waits:?}");
    }

    #[test]
    fn jitter_is_at_most_a_tenth_and_half_an_hour(length in 60..7 * DAY, chance in any::<u64>()) {
        let answer = answer(captured(1), Hints::default());
        let at = |chance| {
            let decision = decide(&every(length), &Bounds::default(), Standing::default(), &answer, &Host::default(), chance);
            wait(&decision, &answer)
        };
        let most = (length / 10).min(1_800);
        let (least, jitter) = (at(0), at(chance) - at(0));
        prop_assert!(least == length.min(7 * DAY - most) && jitter <= most, "{least} {jitter}");
    }

    #[test]
    fn a_start_puts_every_feed_between_now_and_seven_days(
        feed in any::<u128>(),
        due in proptest::option::of(instants()),
        now in instants(),
        chance in any::<u64>(),
    ) {
        let at = first(FeedId::from_u128(feed), due, Standing::default(), now, chance).at.unwrap();
        prop_assert!(at >= now && at.micros_since(now) <= 7 * 24 * 3_600 * SECOND);
    }

    #[test]
    fn any_json_is_some_standing(text in "[\\[\\]{}:,\"a-z0-9_.-]{0,60}") {
        if let Ok(kept) = Json::parse(&text) {
            let _ = Standing::from_json(&kept);
        }
    }

    #[test]
    fn any_header_is_some_hints(lines in proptest::collection::vec("[ -~]{0,40}", 0..4)) {
        let mut headers = reqwest::header::HeaderMap::new();
        for line in &lines {
            for name in ["cache-control", "expires", "date", "retry-after"] {
                headers.append(name, line.parse().unwrap());
            }
        }
        let _ = Hints::of_headers(&headers, noon());
    }

    #[test]
    fn any_text_is_a_pattern_or_is_refused(text in "[0-9*/,@#?LW A-Z-]{0,24}") {
        let _ = text.parse::<Cron>();
    }
}
