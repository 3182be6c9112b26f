//! How a feed is: a colour, with reasons; and how fresh what is held of it is. A pure function of what is written down.

use std::fmt;
use std::time::Duration;

use feedspine_core::Timestamp;

use crate::schedule::{Failure, Missed, Standing, since, told};

const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A fetch is late after so long: a busy host has its rate.
const LATE: Duration = Duration::from_mins(10);
/// When it is so late nobody fetches.
const VERY_LATE: Duration = Duration::from_hours(2);
/// A feed that failed for so long will not mend by itself.
const LASTING: Duration = DAY;
/// One that failed for so long is dead, whatever it says.
const DEAD: Duration = Duration::from_hours(7 * 24);
/// An answer that a cache kept for so long is old news.
const STUCK: Duration = DAY;
/// A publisher is quiet that tells nothing new for so long, and for so many times as long as usual.
const QUIET: (Duration, u32) = (Duration::from_hours(7 * 24), 4);

/// How a feed is, in a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Light {
    /// All is well.
    Green,
    /// Somebody should look at it some day.
    Amber,
    /// What it publishes is not captured.
    Red,
}

impl Light {
    /// The word used in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Green => "green",
            Self::Amber => "amber",
            Self::Red => "red",
        }
    }
}

/// How fresh what is held of a feed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Freshness {
    /// It answers, and new items come as usual.
    Fresh,
    /// It answers, and its publisher tells nothing new.
    QuietPublisher,
    /// It is due, and nobody fetched it.
    LateFetch,
    /// A cache answers in its place, with what is old.
    StuckCache,
    /// It fails.
    Failing,
    /// It does not answer any more.
    DeadFeed,
    /// Nothing is known yet, or it is not fetched.
    Unknown,
}

impl Freshness {
    /// The word used in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::QuietPublisher => "quiet_publisher",
            Self::LateFetch => "late_fetch",
            Self::StuckCache => "stuck_cache",
            Self::Failing => "failing",
            Self::DeadFeed => "dead_feed",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether a feed is asked at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// When it is due.
    Yes,
    /// It is paused.
    Paused,
    /// Its items are handed over.
    Pushed,
}

/// What is known of a feed.
#[derive(Debug, Clone)]
pub(crate) struct Known<'a> {
    pub(crate) now: Timestamp,
    pub(crate) asked: Asked,
    pub(crate) added_at: Timestamp,
    /// When it is fetched next; `None` when it is not by itself.
    pub(crate) due_at: Option<Timestamp>,
    /// `None` when it was never scheduled.
    pub(crate) standing: Option<&'a Standing>,
    /// What is wrong with its items' keys, where something is.
    pub(crate) unstable_keys: Option<&'a str>,
}

/// What was found of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) light: Light,
    pub(crate) freshness: Freshness,
    pub(crate) reasons: Vec<Reason>,
}

/// Why a feed has its colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    Paused,
    Pushed,
    NeverFetched,
    Gone { since: Timestamp },
    Failing { failure: Failure, count: u32, lasting: Duration, answered: bool },
    Late { by: Duration },
    Stuck { age: Duration, quiet: Duration },
    Quiet { lasting: Duration, usual: Option<Duration> },
    Missed(Missed),
    UnstableKeys(String),
}

impl Reason {
    /// The word used in JSON.
    pub(crate) const fn as_str(&self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Pushed => "pushed",
            Self::NeverFetched => "never_fetched",
            Self::Gone { .. } => "gone",
            Self::Failing { .. } => "failing",
            Self::Late { .. } => "late",
            Self::Stuck { .. } => "stuck",
            Self::Quiet { .. } => "quiet",
            Self::Missed(_) => "gap",
            Self::UnstableKeys(_) => "unstable_keys",
        }
    }

    /// How bad it is.
    fn light(&self) -> Light {
        match self {
            Self::Paused | Self::Pushed | Self::NeverFetched | Self::Quiet { .. } => Light::Green,
            Self::Gone { .. } => Light::Red,
            Self::Failing { lasting, .. } if *lasting >= LASTING => Light::Red,
            Self::Late { by } if *by >= VERY_LATE => Light::Red,
            Self::Failing { .. } | Self::Late { .. } | Self::Stuck { .. } | Self::Missed(_) | Self::UnstableKeys(_) => {
                Light::Amber
            }
        }
    }

    /// What it says of how fresh the feed is; `None` where that is another matter.
    fn freshness(&self) -> Option<Freshness> {
        Some(match self {
            Self::Paused | Self::Pushed | Self::NeverFetched => Freshness::Unknown,
            Self::Gone { .. } => Freshness::DeadFeed,
            Self::Failing { lasting, .. } if *lasting >= DEAD => Freshness::DeadFeed,
            Self::Failing { .. } => Freshness::Failing,
            Self::Late { .. } => Freshness::LateFetch,
            Self::Stuck { .. } => Freshness::StuckCache,
            Self::Quiet { .. } => Freshness::QuietPublisher,
            Self::Missed(_) | Self::UnstableKeys(_) => return None,
        })
    }
}

/// In words: `failing for 3 d, 12 times in a row: no connection`.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused => f.write_str("it is paused"),
            Self::Pushed => f.write_str("its items are handed over by `ingest`"),
            Self::NeverFetched => f.write_str("it was never fetched"),
            Self::Gone { since } => write!(f, "it says since {since} that it is gone, and is asked no more"),
            Self::Failing { failure, count, lasting, answered } => {
                let never = if *answered { "" } else { "; it never answered" };
                let times = if *count == 1 { "once".to_owned() } else { format!("{count} times in a row") };
                write!(f, "failing for {}, {times}: {}{never}", told(*lasting), failure.words())
            }
            Self::Late { by } => {
                write!(f, "due for {}, and nobody fetched it: is `feedspine watch` running?", told(*by))
            }
            Self::Stuck { age, quiet } => {
                write!(f, "a cache answers with what is {} old, and nothing new came for {}", told(*age), told(*quiet))
            }
            Self::Quiet { lasting, usual: Some(usual) } => {
                write!(
                    f,
                    "its publisher told nothing new for {}; usually something comes within {}",
                    told(*lasting),
                    told(*usual)
                )
            }
            Self::Quiet { lasting, usual: None } => write!(f, "its publisher told nothing new for {}", told(*lasting)),
            Self::Missed(Missed { from: Some(from), to, .. }) => {
                write!(f, "items may have been missed between {from} and {to}: the documents share none")
            }
            Self::Missed(Missed { from: None, to, .. }) => {
                write!(f, "items may have been missed before {to}: the document shares none with the one before it")
            }
            Self::UnstableKeys(what) => f.write_str(what),
        }
    }
}

/// Judges a feed by what is known of it. The worst reason gives the colour, the first that tells of it the freshness.
pub(crate) fn judge(known: &Known<'_>) -> Found {
    let mut reasons = match known.asked {
        Asked::Paused => vec![Reason::Paused],
        Asked::Pushed => vec![Reason::Pushed],
        Asked::Yes => asked(known),
    };
    if let Some(standing) = known.standing
        && let Some(missed) = standing.missed.as_ref().filter(|missed| missed.is_recent(known.now))
    {
        reasons.push(Reason::Missed(missed.clone()));
    }
    reasons.extend(known.unstable_keys.map(|what| Reason::UnstableKeys(what.to_owned())));
    let light = reasons.iter().map(Reason::light).max().unwrap_or(Light::Green);
    let freshness = reasons.iter().find_map(Reason::freshness).unwrap_or(Freshness::Fresh);
    Found { light, freshness, reasons }
}

/// What is to be said of a feed that is asked when it is due, the gravest first.
fn asked(known: &Known<'_>) -> Vec<Reason> {
    let Known { now, standing, .. } = *known;
    let late = known.due_at.and_then(|due_at| since(due_at, now)).filter(|by| *by >= LATE);
    let late = late.map(|by| Reason::Late { by });
    let Some(standing) = standing else { return late.into_iter().chain([Reason::NeverFetched]).collect() };
    if let Some(since) = standing.gone_since() {
        return vec![Reason::Gone { since }];
    }
    if let Some((failure, count)) = standing.in_a_row() {
        let lasting = since(standing.answered_at.unwrap_or(known.added_at), now).unwrap_or_default();
        let failing = Reason::Failing { failure, count, lasting, answered: standing.answered_at.is_some() };
        return [failing].into_iter().chain(late).collect();
    }
    if standing.since.is_none() {
        return late.into_iter().chain([Reason::NeverFetched]).collect();
    }
    late.into_iter().chain(still(standing, now)).collect()
}

/// Why nothing new comes from a feed that answers, where that is so.
fn still(standing: &Standing, now: Timestamp) -> Option<Reason> {
    let quiet = standing.quiet_for(now)?;
    if let Some(age) = standing.age.filter(|age| *age >= STUCK && quiet >= STUCK) {
        return Some(Reason::Stuck { age, quiet });
    }
    let (least, times) = QUIET;
    let usual = standing.mean_gap.map(|gap| gap.max(HOUR));
    let longest = usual.map_or(least, |usual| least.max(usual * times));
    (quiet >= longest).then_some(Reason::Quiet { lasting: quiet, usual })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-27T12:00:00Z".parse().unwrap()
    }

    fn ago(hours: i64) -> Timestamp {
        now().saturating_add_micros(-hours * 3_600_000_000)
    }

    /// One that answered an hour ago and brings something every few hours.
    fn well() -> Standing {
        Standing {
            since: Some(ago(900)),
            answered_at: Some(ago(1)),
            last_new: Some(ago(2)),
            mean_gap: Some(Duration::from_hours(3)),
            ..Standing::default()
        }
    }

    fn failing(failure: Failure, hours: i64) -> Standing {
        Standing { failing: Some(failure), failures: 3, answered_at: Some(ago(hours)), ..well() }
    }

    fn judged(standing: Option<&Standing>, due_at: Option<Timestamp>) -> (Light, Freshness, Vec<&'static str>) {
        let known =
            Known { now: now(), asked: Asked::Yes, added_at: ago(1_000), due_at, standing, unstable_keys: None };
        let found = judge(&known);
        (found.light, found.freshness, found.reasons.iter().map(Reason::as_str).collect())
    }

    #[test]
    fn quiet_publishers_late_fetches_stuck_caches_and_dead_feeds_are_told_apart() {
        use Freshness::{DeadFeed, Failing, Fresh, LateFetch, QuietPublisher, StuckCache, Unknown};
        let soon = Some(ago(-1));
        let quiet = |hours| Standing { last_new: Some(ago(hours)), ..well() };
        let cached = |hours| Standing { age: Some(Duration::from_hours(30)), ..quiet(hours) };
        let gone = Standing { gone: vec![ago(72), ago(48), ago(24)], ..failing(Failure::Gone, 80) };
        let never = Standing { failing: Some(Failure::NotFound), failures: 1, ..Standing::default() };
        for (standing, due_at, expected) in [
            (Some(well()), soon, (Light::Green, Fresh, vec![])),
            (None, None, (Light::Green, Unknown, vec!["never_fetched"])),
            (Some(Standing::default()), soon, (Light::Green, Unknown, vec!["never_fetched"])),
            (None, Some(ago(3)), (Light::Red, LateFetch, vec!["late", "never_fetched"])),
            (Some(well()), Some(now().saturating_add_micros(-599_000_000)), (Light::Green, Fresh, vec![])),
            (Some(well()), Some(ago(1)), (Light::Amber, LateFetch, vec!["late"])),
            (Some(well()), Some(ago(2)), (Light::Red, LateFetch, vec!["late"])),
            (Some(quiet(167)), soon, (Light::Green, Fresh, vec![])),
            (Some(quiet(168)), soon, (Light::Green, QuietPublisher, vec!["quiet"])),
            (
                Some(Standing { mean_gap: Some(Duration::from_hours(100)), ..quiet(168) }),
                soon,
                (Light::Green, Fresh, vec![]),
            ),
            (Some(cached(23)), soon, (Light::Green, Fresh, vec![])),
            (Some(cached(24)), soon, (Light::Amber, StuckCache, vec!["stuck"])),
            (Some(cached(24)), Some(ago(1)), (Light::Amber, LateFetch, vec!["late", "stuck"])),
            (Some(failing(Failure::Server, 23)), soon, (Light::Amber, Failing, vec!["failing"])),
            (Some(failing(Failure::Server, 24)), soon, (Light::Red, Failing, vec!["failing"])),
            (Some(failing(Failure::Network, 168)), soon, (Light::Red, DeadFeed, vec!["failing"])),
            (Some(never), soon, (Light::Red, DeadFeed, vec!["failing"])),
            (Some(gone), None, (Light::Red, DeadFeed, vec!["gone"])),
        ] {
            assert_eq!(judged(standing.as_ref(), due_at), expected, "{standing:?} {due_at:?}");
        }
    }

    #[test]
    fn what_was_missed_and_keys_that_do_not_hold_are_amber_whatever_else_is_said() {
        let missed = |hours| Standing {
            missed: Some(Missed { from: Some(ago(hours + 1)), to: ago(hours), times: 1 }),
            ..well()
        };
        let soon = Some(ago(-1));
        assert_eq!(judged(Some(&missed(300)), soon), (Light::Amber, Freshness::Fresh, vec!["gap"]));
        assert_eq!(judged(Some(&missed(340)), soon), (Light::Green, Freshness::Fresh, vec![]));
        let known = Known {
            now: now(),
            asked: Asked::Paused,
            added_at: ago(1_000),
            due_at: None,
            standing: Some(&well()),
            unstable_keys: Some("3 of 9 items have no id of their own"),
        };
        let found = judge(&known);
        assert_eq!((found.light, found.freshness), (Light::Amber, Freshness::Unknown));
        assert_eq!(found.reasons[1].to_string(), "3 of 9 items have no id of their own");
    }
}
