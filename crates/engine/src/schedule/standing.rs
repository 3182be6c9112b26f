//! [`Standing`]: what is known of a feed between two decisions.

use std::time::Duration;

use feedspine_core::{Json, Timestamp};

use super::failure::Failure;
use super::hints::DocumentHints;
use super::json;
use super::reason::{Base, Reason, Subject};
use crate::moving::Pointing;

/// How many answers that say "gone" are believed, each so long after the one before it.
pub(super) const GONE: (usize, i64) = (3, 24 * 3_600 * 1_000_000);
/// Gaps that are longer are all the same: a feed that is quiet for so long is as rare as it can be.
const LONGEST_GAP: Duration = Duration::from_hours(30 * 24);
/// Of how many gaps the mean tells, about: older ones fade.
const GAPS_HELD: u32 = 8;

/// What is known of a feed between two decisions. Times are when we saw something, never when it was published.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Standing {
    /// Fetches in a row that failed; those that its proxy let nobody through, and those whose body could not be read, are not
    /// among them.
    pub(crate) failures: u32,
    /// How the last one failed of those that are charged; `None` when it did not.
    pub(crate) failing: Option<Failure>,
    /// Fetches in a row whose body could not be read.
    pub(crate) unreadable: u32,
    /// Fetches in a row that its proxy let nobody through.
    pub(crate) at_proxy: u32,
    /// When it said that it is gone, at most three times, each a day after the one before.
    pub(crate) gone: Vec<Timestamp>,
    /// When the first fetch succeeded.
    pub(crate) since: Option<Timestamp>,
    /// When the last one did.
    pub(crate) answered_at: Option<Timestamp>,
    /// How old its answer was, where the server said so (`Age`: a cache gave it).
    pub(crate) age: Option<Duration>,
    /// Until when its host wants to be left alone, by its last answer: whoever asks it next is to know.
    pub(crate) rest: Option<Rest>,
    /// How much more rarely its host is asked, by its last answer: whoever asks it next is to know. `None` while it is asked as
    /// often as its rate allows.
    pub(crate) slowed: Option<Slowed>,
    /// When items may have been missed, the last time; `None` when that never was.
    pub(crate) missed: Option<Missed>,
    /// When a fetch last brought an item that we had not seen.
    pub(crate) last_new: Option<Timestamp>,
    /// How many gaps there were between fetches that brought new items, counted as far as the mean needs it.
    pub(crate) gaps: u32,
    /// Their running mean, in whole seconds.
    pub(crate) mean_gap: Option<Duration>,
    /// What the last document that was read asks for.
    pub(crate) document: DocumentHints,
    /// Where permanent redirects lead, while that is not its address. It is kept here and not in the cursor because it is
    /// known only once the items are stored, and a step of it that is lost with a process costs one more fetch.
    pub(crate) pointing: Option<Pointing>,
    /// Why the feed is fetched when it is.
    pub(crate) reason: Option<Reason>,
}

/// A host wants to be left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    /// Until when.
    pub until: Timestamp,
    /// The HTTP status of the answer by which it said so; `None` where that is not known.
    pub http_status: Option<u16>,
}

impl Rest {
    /// Why, in words.
    pub fn why(&self) -> String {
        match self.http_status {
            Some(status) => format!("since it answered {status}"),
            None => "since it asked for that".to_owned(),
        }
    }
}

/// A host said that it was asked too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slowed {
    /// How often the time between two requests was doubled.
    pub(crate) doublings: u32,
    /// When it said so last.
    pub(crate) at: Timestamp,
}

impl Slowed {
    fn to_json(self) -> Json {
        Json::object([("doublings", u64::from(self.doublings).into()), ("at", self.at.to_string().into())])
    }

    fn from_json(kept: &Json) -> Option<Self> {
        Some(Self { doublings: json::count(kept, "doublings"), at: json::instant(kept, "at")? })
    }
}

/// Two documents in a row shared no item: what was listed between them was never seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missed {
    /// When the feed had answered before; `None` when that is not known any more.
    pub(crate) from: Option<Timestamp>,
    /// When the later document was read.
    pub(crate) to: Timestamp,
    /// How often that came to pass, each time soon after the one before.
    pub(crate) times: u32,
}

/// A feed that goes so long without missing items is as any other.
const RECENT: Duration = Duration::from_hours(14 * 24);

impl Missed {
    /// Whether that was lately.
    pub(crate) fn is_recent(&self, at: Timestamp) -> bool {
        since(self.to, at).is_none_or(|ago| ago <= RECENT)
    }

    fn to_json(&self) -> Json {
        Json::object([
            ("from", self.from.map(|at| at.to_string()).into()),
            ("to", self.to.to_string().into()),
            ("times", u64::from(self.times).into()),
        ])
    }

    fn from_json(kept: &Json) -> Option<Self> {
        let to = json::instant(kept, "to")?;
        Some(Self { from: json::instant(kept, "from"), to, times: json::count(kept, "times") })
    }
}

impl Standing {
    /// A document shares no item with the one before it; to be said before that it succeeded.
    pub(super) fn missed_some(&mut self, at: Timestamp) {
        let before = self.missed.as_ref().filter(|missed| missed.is_recent(at));
        let times = before.map_or(0, |missed| missed.times).saturating_add(1);
        self.missed = Some(Missed { from: self.answered_at, to: at, times });
    }

    /// A fetch succeeded, with so many new items, and an answer that a cache had kept for so long.
    pub(super) fn succeeded(&mut self, at: Timestamp, new: u64, age: Option<Duration>) {
        self.age = age.map(|age| Duration::from_secs(age.min(LONGEST_GAP).as_secs()));
        self.begin_streaks_anew();
        self.failing = None;
        self.gone.clear();
        // A clock that was ahead is no reason to wait for it.
        self.since = Some(self.since.map_or(at, |since| since.min(at)));
        self.answered_at = Some(at);
        if new > 0 {
            self.brought_new(at);
        } else {
            self.last_new = self.last_new.map(|last| last.min(at));
        }
    }

    /// New items came, be it that a hub told of them.
    pub(crate) fn brought_new(&mut self, at: Timestamp) {
        if let Some(gap) = self.last_new.and_then(|last| since(last, at)) {
            self.add_gap(gap);
        }
        self.last_new = Some(at);
    }

    /// A fetch failed, which is charged to the feed.
    pub(super) fn failed(&mut self, at: Timestamp, failure: Failure) {
        self.failing = Some(failure);
        if failure == Failure::Proxy {
            // That says nothing of its server, which was not asked.
            self.at_proxy = self.at_proxy.saturating_add(1);
            return;
        }
        self.at_proxy = 0;
        if failure == Failure::Unreadable {
            self.unreadable = self.unreadable.saturating_add(1);
            // Something is there.
            self.gone.clear();
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if failure == Failure::Gone {
            let (most, apart) = GONE;
            self.gone.retain(|told| *told <= at);
            if self.gone.last().is_none_or(|last| at.micros_since(*last) >= apart) {
                self.gone.push(at);
            }
            let surplus = self.gone.len().saturating_sub(most);
            self.gone.drain(..surplus);
        }
    }

    /// The operator changed that: the reasons of before hold no longer. What was asked then failed so often, and said that it
    /// is gone.
    pub(super) fn changed(&mut self, what: Subject) {
        if what != Subject::Rhythm {
            self.begin_streaks_anew();
            self.gone.clear();
        }
        self.reason = Some(Reason::of(Base::Changed { what }));
    }

    fn begin_streaks_anew(&mut self) {
        (self.failures, self.unreadable, self.at_proxy) = (0, 0, 0);
    }

    /// Failures in a row of the kind that came last, and that kind.
    pub(crate) fn in_a_row(&self) -> Option<(Failure, u32)> {
        let failure = self.failing?;
        let count = match failure {
            Failure::Unreadable => self.unreadable,
            Failure::Proxy => self.at_proxy,
            _ => self.failures,
        };
        Some((failure, count.max(1)))
    }

    /// Since when it is known to be gone.
    pub(crate) fn gone_since(&self) -> Option<Timestamp> {
        let is_told = self.failing == Some(Failure::Gone) && self.gone.len() >= GONE.0;
        self.gone.first().copied().filter(|_| is_told)
    }

    /// How long nothing new came.
    pub(crate) fn quiet_for(&self, at: Timestamp) -> Option<Duration> {
        since(self.last_new.or(self.since)?, at)
    }

    fn add_gap(&mut self, gap: Duration) {
        let gap = gap.min(LONGEST_GAP).as_secs();
        let held = u64::from(self.gaps.min(GAPS_HELD - 1));
        let mean = self.mean_gap.unwrap_or_default().min(LONGEST_GAP).as_secs();
        self.mean_gap = Some(Duration::from_secs((mean * held + gap) / (held + 1)));
        self.gaps = self.gaps.saturating_add(1).min(GAPS_HELD);
    }

    /// As it is kept.
    pub(crate) fn to_json(&self) -> Json {
        let instant = |at: &Timestamp| Json::from(at.to_string());
        Json::object([
            ("failures", u64::from(self.failures).into()),
            ("failing", self.failing.map(Failure::as_str).into()),
            ("unreadable", u64::from(self.unreadable).into()),
            ("at_proxy", u64::from(self.at_proxy).into()),
            ("gone", Json::Array(self.gone.iter().map(instant).collect())),
            ("since", self.since.as_ref().map(instant).into()),
            ("answered_at", self.answered_at.as_ref().map(instant).into()),
            ("age_s", self.age.map(|age| age.as_secs()).into()),
            ("rests_until", self.rest.as_ref().map(|rest| instant(&rest.until)).into()),
            ("rests_by", self.rest.and_then(|rest| rest.http_status).map(u64::from).into()),
            ("slowed", self.slowed.map(Slowed::to_json).into()),
            ("missed", self.missed.as_ref().map(Missed::to_json).into()),
            ("last_new", self.last_new.as_ref().map(instant).into()),
            ("gaps", u64::from(self.gaps).into()),
            ("mean_gap_s", self.mean_gap.map(|gap| gap.as_secs()).into()),
            ("document", self.document.to_json()),
            ("pointing", self.pointing.as_ref().map(Pointing::to_json).into()),
            ("reason", self.reason.as_ref().map(Reason::to_json).into()),
        ])
    }

    /// What is kept, as far as this program knows it: what it does not know, or cannot be, is left out.
    pub(crate) fn from_json(kept: &Json) -> Self {
        let mut gone: Vec<Timestamp> = match kept.get("gone") {
            Some(Json::Array(told)) => told.iter().filter_map(|at| at.as_str()?.parse().ok()).collect(),
            _ => Vec::new(),
        };
        gone.sort_unstable();
        gone.drain(..gone.len().saturating_sub(GONE.0));
        let failing = kept.get("failing").and_then(Json::as_str).map(Failure::named);
        let (mut failures, mut at_proxy) = (json::count(kept, "failures"), json::count(kept, "at_proxy"));
        // Programs before counted both as one.
        if failing == Some(Failure::Proxy) && kept.get("at_proxy").is_none() {
            (failures, at_proxy) = (0, failures);
        }
        Self {
            failures,
            failing,
            unreadable: json::count(kept, "unreadable"),
            at_proxy,
            gone,
            since: json::instant(kept, "since"),
            answered_at: json::instant(kept, "answered_at"),
            age: json::seconds(kept, "age_s").map(|age| age.min(LONGEST_GAP)),
            rest: json::instant(kept, "rests_until").map(|until| Rest { until, http_status: rests_by(kept) }),
            slowed: kept.get("slowed").and_then(Slowed::from_json),
            missed: kept.get("missed").and_then(Missed::from_json),
            last_new: json::instant(kept, "last_new"),
            gaps: json::count(kept, "gaps").min(GAPS_HELD),
            mean_gap: json::seconds(kept, "mean_gap_s").map(|gap| gap.min(LONGEST_GAP)),
            document: kept.get("document").map(DocumentHints::from_json).unwrap_or_default(),
            pointing: kept.get("pointing").and_then(Pointing::from_json),
            reason: kept.get("reason").and_then(Reason::from_json),
        }
    }
}

fn rests_by(kept: &Json) -> Option<u16> {
    u16::try_from(json::count(kept, "rests_by")).ok().filter(|status| *status > 0)
}

/// The time from an instant to a later one.
pub(crate) fn since(from: Timestamp, to: Timestamp) -> Option<Duration> {
    u64::try_from(to.micros_since(from)).ok().map(Duration::from_micros)
}
