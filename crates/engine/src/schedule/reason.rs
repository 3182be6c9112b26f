//! [`Reason`]: why a feed is fetched when it is, as it is kept and as it is told.

use std::fmt;
use std::time::Duration;

use feedspine_core::{Json, Timestamp};

use super::failure::Failure;
use super::interval::told;
use super::json;

/// Why a feed is fetched when it is: what says so, and what moved it from there, in that order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reason {
    /// What says so.
    pub(crate) base: Base,
    /// What moved it.
    pub(crate) steps: Vec<Step>,
}

/// What says when a feed is fetched. Lengths are whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Base {
    /// Nobody said anything: as all feeds.
    Default { every: Duration },
    /// The operator said so.
    Every { every: Duration },
    /// The operator gave a pattern.
    Cron { pattern: String },
    /// New items come so far apart on average.
    Brings { every: Duration, gap: Duration },
    /// Nothing new came for so long.
    Quiet { every: Duration, quiet: Duration },
    /// It failed so often in a row, the last time so.
    Backoff { wait: Duration, count: u32, failure: Failure },
    /// It said so often that it is gone, first then: it is asked no more.
    Gone { answers: u32, since: Timestamp },
    /// The network is down, which is charged to no feed.
    NetworkDown { wait: Duration },
    /// The store could not take what was fetched, which is charged to no feed.
    StoreDown { wait: Duration },
    /// It was never fetched.
    New,
    /// The operator changed that since its last fetch: the next one decides anew.
    Changed { what: Subject },
    /// Its hub told that there is something new, and not what.
    Pinged,
    /// A hub told of it until now.
    Untold,
    /// It was due before the program began.
    Overdue { wait: Duration },
    /// It is due as was decided before, for reasons that are not known.
    Due,
    /// What a newer program knows.
    Unknown,
}

/// What an operator changes of a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Subject {
    /// Where it is.
    Address,
    /// When it is fetched.
    Rhythm,
    /// How its server is asked.
    Requests,
    /// What may be asked.
    Reach,
    /// How it is read.
    Options,
}

/// What moves the time of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// What it is.
    pub(crate) by: By,
    /// How long it asks for, or by how much it moves; whole seconds.
    pub(crate) length: Duration,
}

/// What can move the time of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum By {
    /// Items may have been missed between two documents: it is asked sooner.
    Gap,
    /// A hub tells of what is new: it is asked as a backup alone.
    Hub,
    /// The answer stays fresh for longer.
    MaxAge,
    /// The answer expires later.
    Expires,
    /// The document may be kept for longer.
    Ttl,
    /// The document is updated more rarely.
    Syndication,
    /// None of these may ask for more.
    Ceiling,
    /// The server wants to be left alone.
    RetryAfter,
    /// The host of the feed is left alone for so long.
    HostRests,
    /// It need not be read in these hours.
    SkipHours,
    /// It need not be read on these days.
    SkipDays,
    /// No feed waits longer.
    Limit,
    /// A random part, so that not all feeds come at once.
    Jitter,
}

impl Reason {
    pub(super) fn of(base: Base) -> Self {
        Self { base, steps: Vec::new() }
    }

    /// Whether another says the same, but for how long chance made it wait.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        let chosen =
            |reason: &Self| reason.steps.iter().filter(|step| step.by != By::Jitter).copied().collect::<Vec<_>>();
        self.base == other.base && chosen(self) == chosen(other)
    }

    pub(super) fn step(&mut self, by: By, length: Duration) {
        self.steps.push(Step { by, length });
    }

    /// As it is kept.
    pub(crate) fn to_json(&self) -> Json {
        let steps = self.steps.iter();
        let steps =
            steps.map(|step| Json::object([("by", step.by.as_str().into()), ("s", step.length.as_secs().into())]));
        Json::object(self.base.members().into_iter().chain([("steps", Json::Array(steps.collect()))]))
    }

    /// What is kept, as far as this program knows it; `None` when that is no reason.
    pub(crate) fn from_json(kept: &Json) -> Option<Self> {
        let base = Base::from_json(kept)?;
        let steps = match kept.get("steps") {
            Some(Json::Array(steps)) => steps.as_slice(),
            _ => &[],
        };
        let step =
            |step: &Json| Some(Step { by: By::named(step.get("by")?.as_str()?)?, length: json::seconds(step, "s")? });
        Some(Self { base, steps: steps.iter().filter_map(step).collect() })
    }
}

/// In words: `every 60 min by default; the server's max-age of 2 h is longer; 4 min of jitter`.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.base)?;
        self.steps.iter().try_for_each(|step| write!(f, "; {step}"))
    }
}

impl Base {
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Default { .. } => "default",
            Self::Every { .. } => "every",
            Self::Cron { .. } => "cron",
            Self::Brings { .. } => "brings",
            Self::Quiet { .. } => "quiet",
            Self::Backoff { .. } => "backoff",
            Self::Gone { .. } => "gone",
            Self::NetworkDown { .. } => "network_down",
            Self::StoreDown { .. } => "store_down",
            Self::New => "new",
            Self::Changed { .. } => "changed",
            Self::Pinged => "pinged",
            Self::Untold => "untold",
            Self::Overdue { .. } => "overdue",
            Self::Due => "due",
            Self::Unknown => "unknown",
        }
    }

    fn members(&self) -> Vec<(&'static str, Json)> {
        let seconds = |name: &'static str, length: &Duration| (name, Json::from(length.as_secs()));
        let mut members = vec![("by", Json::from(self.as_str()))];
        match self {
            Self::Default { every } | Self::Every { every } => members.push(seconds("every_s", every)),
            Self::Cron { pattern } => members.push(("pattern", pattern.as_str().into())),
            Self::Brings { every, gap } => members.extend([seconds("every_s", every), seconds("gap_s", gap)]),
            Self::Quiet { every, quiet } => members.extend([seconds("every_s", every), seconds("quiet_s", quiet)]),
            Self::Backoff { wait, count, failure } => members.extend([
                seconds("wait_s", wait),
                ("count", u64::from(*count).into()),
                ("failure", failure.as_str().into()),
            ]),
            Self::Gone { answers, since } => {
                members.extend([("answers", u64::from(*answers).into()), ("since", since.to_string().into())]);
            }
            Self::NetworkDown { wait } | Self::StoreDown { wait } | Self::Overdue { wait } => {
                members.push(seconds("wait_s", wait));
            }
            Self::Changed { what } => members.push(("what", what.as_str().into())),
            Self::New | Self::Pinged | Self::Untold | Self::Due | Self::Unknown => {}
        }
        members
    }

    fn from_json(kept: &Json) -> Option<Self> {
        let seconds = |name: &str| json::seconds(kept, name).unwrap_or_default();
        let (every, wait) = (seconds("every_s"), seconds("wait_s"));
        Some(match kept.get("by")?.as_str()? {
            "default" => Self::Default { every },
            "every" => Self::Every { every },
            "cron" => Self::Cron { pattern: kept.get("pattern")?.as_str()?.to_owned() },
            "brings" => Self::Brings { every, gap: seconds("gap_s") },
            "quiet" => Self::Quiet { every, quiet: seconds("quiet_s") },
            "backoff" => {
                let failure = Failure::named(kept.get("failure").and_then(Json::as_str).unwrap_or_default());
                Self::Backoff { wait, count: json::count(kept, "count"), failure }
            }
            "gone" => Self::Gone { answers: json::count(kept, "answers"), since: json::instant(kept, "since")? },
            "network_down" => Self::NetworkDown { wait },
            "store_down" => Self::StoreDown { wait },
            "new" => Self::New,
            "changed" => Self::Changed { what: Subject::named(kept.get("what")?.as_str()?)? },
            "pinged" => Self::Pinged,
            "untold" => Self::Untold,
            "overdue" => Self::Overdue { wait },
            "due" => Self::Due,
            _ => Self::Unknown,
        })
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default { every } => write!(f, "every {} by default", told(*every)),
            Self::Every { every } => write!(f, "every {}, as you said", told(*every)),
            Self::Cron { pattern } => write!(f, "the next time of the cron pattern {pattern}, in UTC"),
            Self::Brings { every, gap } => {
                write!(f, "every {}: what brings new items comes {} apart on average", told(*every), told(*gap))
            }
            Self::Quiet { every, quiet } => write!(f, "every {}: nothing new for {}", told(*every), told(*quiet)),
            Self::Backoff { wait, count: 0 | 1, failure } => {
                write!(f, "{} after a failure: {}", told(*wait), failure.words())
            }
            Self::Backoff { wait, count, failure } => {
                write!(f, "{} after {count} failures in a row, the last: {}", told(*wait), failure.words())
            }
            Self::Gone { answers, since } => {
                write!(
                    f,
                    "not again: it said {answers} times since {since} that it is gone; resuming it asks once more"
                )
            }
            Self::NetworkDown { wait } => {
                write!(f, "in {}: the network is down, which is charged to no feed", told(*wait))
            }
            Self::StoreDown { wait } => {
                write!(f, "in {}: the store could not take it, which is charged to no feed", told(*wait))
            }
            Self::New => f.write_str("at once: it was never fetched"),
            Self::Changed { what } => {
                write!(f, "at once: {} was changed since its last fetch; the next one decides anew", what.words())
            }
            Self::Pinged => f.write_str("at once, once a minute at most: its hub told that there is something new"),
            Self::Untold => f.write_str("at once: no hub tells of it any more"),
            Self::Overdue { wait } => {
                write!(f, "in {}: it was due before the start, and what was is spread", told(*wait))
            }
            Self::Due => f.write_str("as was decided before"),
            Self::Unknown => f.write_str("as a newer feedspine decided"),
        }
    }
}

impl Subject {
    const ALL: [Self; 5] = [Self::Address, Self::Rhythm, Self::Requests, Self::Reach, Self::Options];

    /// Whether a feed that is well is fetched anew when that is changed; one that fails is, whatever it is.
    pub(crate) const fn concerns_healthy(self) -> bool {
        matches!(self, Self::Address | Self::Rhythm)
    }

    /// The word used in JSON.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Rhythm => "rhythm",
            Self::Requests => "requests",
            Self::Reach => "reach",
            Self::Options => "options",
        }
    }

    fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|subject| subject.as_str() == word)
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Address => "where it is",
            Self::Rhythm => "when it is fetched",
            Self::Requests => "how its server is asked",
            Self::Reach => "what may be asked",
            Self::Options => "how it is read",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = told(self.length);
        match self.by {
            By::Gap => write!(f, "{length}, since items may have been missed between two documents"),
            By::Hub => write!(f, "a hub tells of what is new: it is asked after {length}, as a backup"),
            By::MaxAge => write!(f, "the server's max-age of {length} is longer"),
            By::Expires => write!(f, "the server's Expires is {length} away, which is longer"),
            By::Ttl => write!(f, "the feed's ttl of {length} is longer"),
            By::Syndication => write!(f, "the feed says that it is updated every {length}, which is longer"),
            By::Ceiling => write!(f, "at most {length}"),
            By::RetryAfter => write!(f, "the server wants to be left alone for {length}"),
            By::HostRests => write!(f, "the host is left alone for another {length}"),
            By::SkipHours => write!(f, "its skipHours put it off by {length}"),
            By::SkipDays => write!(f, "its skipDays put it off by {length}"),
            By::Limit => write!(f, "no feed waits longer than {length}"),
            By::Jitter => write!(f, "{length} of jitter"),
        }
    }
}

impl By {
    const ALL: [Self; 13] = [
        Self::Gap,
        Self::Hub,
        Self::MaxAge,
        Self::Expires,
        Self::Ttl,
        Self::Syndication,
        Self::Ceiling,
        Self::RetryAfter,
        Self::HostRests,
        Self::SkipHours,
        Self::SkipDays,
        Self::Limit,
        Self::Jitter,
    ];

    /// The word used in JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Hub => "hub",
            Self::MaxAge => "max_age",
            Self::Expires => "expires",
            Self::Ttl => "ttl",
            Self::Syndication => "syndication",
            Self::Ceiling => "ceiling",
            Self::RetryAfter => "retry_after",
            Self::HostRests => "host_rests",
            Self::SkipHours => "skip_hours",
            Self::SkipDays => "skip_days",
            Self::Limit => "limit",
            Self::Jitter => "jitter",
        }
    }

    fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_in_plain_words_and_reads_back() {
        let minutes = Duration::from_mins;
        let since = "2026-11-27T00:00:00Z".parse().unwrap();
        for (base, words) in [
            (Base::Default { every: minutes(60) }, "every 60 min by default"),
            (Base::Every { every: minutes(15) }, "every 15 min, as you said"),
            (Base::Cron { pattern: "@daily".to_owned() }, "the next time of the cron pattern @daily, in UTC"),
            (
                Base::Brings { every: minutes(180), gap: minutes(360) },
                "every 3 h: what brings new items comes 6 h apart on average",
            ),
            (Base::Quiet { every: minutes(720), quiet: minutes(21_600) }, "every 12 h: nothing new for 15 d"),
            (
                Base::Backoff { wait: minutes(30), count: 1, failure: Failure::Timeout },
                "30 min after a failure: no answer in time",
            ),
            (
                Base::Backoff { wait: minutes(120), count: 3, failure: Failure::RateLimited },
                "2 h after 3 failures in a row, the last: asked too often",
            ),
            (
                Base::Gone { answers: 3, since },
                "not again: it said 3 times since 2026-11-27T00:00:00Z that it is gone; resuming it asks once more",
            ),
            (Base::NetworkDown { wait: minutes(5) }, "in 5 min: the network is down, which is charged to no feed"),
            (
                Base::StoreDown { wait: minutes(5) },
                "in 5 min: the store could not take it, which is charged to no feed",
            ),
            (Base::New, "at once: it was never fetched"),
            (
                Base::Changed { what: Subject::Rhythm },
                "at once: when it is fetched was changed since its last fetch; the next one decides anew",
            ),
            (Base::Pinged, "at once, once a minute at most: its hub told that there is something new"),
            (Base::Untold, "at once: no hub tells of it any more"),
            (Base::Overdue { wait: minutes(4) }, "in 4 min: it was due before the start, and what was is spread"),
            (Base::Due, "as was decided before"),
            (Base::Unknown, "as a newer feedspine decided"),
        ] {
            let reason = Reason::of(base);
            assert_eq!(reason.to_string(), words);
            assert_eq!(Reason::from_json(&reason.to_json()), Some(reason), "{words}");
        }
    }

    #[test]
    fn what_moved_it_follows_in_that_order() {
        let mut reason = Reason::of(Base::Default { every: Duration::from_hours(1) });
        reason.step(By::MaxAge, Duration::from_hours(2));
        reason.step(By::Jitter, Duration::from_mins(4));
        let words = "every 60 min by default; the server's max-age of 2 h is longer; 4 min of jitter";
        assert_eq!(reason.to_string(), words);
        for by in By::ALL {
            reason.step(by, Duration::from_mins(10));
            assert!(reason.to_string().ends_with(&Step { by, length: Duration::from_mins(10) }.to_string()));
        }
        assert_eq!(Reason::from_json(&reason.to_json()), Some(reason));
    }

    #[test]
    fn what_a_newer_program_keeps_is_read_as_far_as_it_is_known() {
        let kept = Json::parse(r#"{"by":"tides","steps":[{"by":"moon","s":3},{"by":"jitter","s":3},7],"more":[]}"#);
        let reason = Reason::from_json(&kept.unwrap()).unwrap();
        assert_eq!(reason.to_string(), "as a newer feedspine decided; 3 s of jitter");
        for odd in ["null", "3", "{}", r#"{"by":3}"#, r#"{"by":"gone"}"#, r#"{"by":"cron"}"#, r#"{"by":"changed"}"#] {
            assert_eq!(Reason::from_json(&Json::parse(odd).unwrap()), None, "{odd}");
        }
    }
}
