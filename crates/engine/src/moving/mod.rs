//! Whether a feed has moved for good: a pure function of what is known and of how its last answer was reached.
//!
//! [`judge`] takes an address over when every redirect on the way to it was permanent (301, 308), it was the same for at
//! least seven days and three fetches, and what is there was the feed: it listed an item that was known before it ever led
//! there. From http to https with nothing else changed it is taken over at once. What an operator left is never gone back to.

mod former;

use feedspine_core::{Json, Timestamp};
use url::Url;

use crate::fetch::Route;
use crate::requests::Moves;
pub use former::{Former, WhyLeft};

/// How long permanent redirects must lead to one address, in microseconds, and in how many fetches.
const AGREEMENT: (i64, u32) = (7 * 24 * 3_600 * 1_000_000, 3);

/// Where permanent redirects lead a feed, as its schedule keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointing {
    /// The address at their end.
    pub to: String,
    /// When they first led there, without a fetch since that they led elsewhere.
    pub since: Timestamp,
    /// How many fetches they led there.
    pub fetches: u32,
    /// Whether what is there is the feed as it was known.
    pub content: Familiar,
}

/// Whether a document is that of a feed as it was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Familiar {
    /// It listed an item that the feed had listed before, or nothing was known of the feed.
    Yes,
    /// It listed strange items only: somebody else may be there.
    No,
}

/// How a document was reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival<'a> {
    pub(crate) at: Timestamp,
    /// The feed's address.
    pub(crate) address: &'a str,
    /// The one that answered.
    pub(crate) answered: &'a str,
    pub(crate) route: Route,
    /// Items that were known.
    pub(crate) known: u64,
    /// Whether the feed was ever fetched before.
    pub(crate) feed: Acquaintance,
    /// What the operator said of moves.
    pub(crate) moves: Moves,
    /// Where the feed was before.
    pub(crate) formerly: &'a [Former],
}

/// Whether a feed was ever fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acquaintance {
    New,
    Old,
}

/// What is made of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The feed is where it is.
    Stays,
    /// Permanent redirects lead elsewhere, which is not yet its address.
    Points(Pointing),
    /// It is there from now on, for this reason.
    Moves(String, WhyLeft),
}

/// Whether nothing is made of how a document was reached.
pub(crate) fn stays(address: &str, answered: &str, route: Route) -> bool {
    route != Route::Permanent || answered == address
}

/// Judges an answer, by what was held until then.
pub(crate) fn judge(held: Option<Pointing>, arrival: &Arrival<'_>) -> Verdict {
    if stays(arrival.address, arrival.answered, arrival.route) {
        return Verdict::Stays;
    }
    let to = arrival.answered.to_owned();
    let left = |former: &Former| former.why == WhyLeft::Operator && former.address == to;
    let was_left = arrival.formerly.iter().any(left);
    if arrival.moves != Moves::Ignored && !was_left && is_secured(arrival.address, &to) {
        return Verdict::Moves(to, WhyLeft::Secured);
    }
    let begins = || {
        let familiar = arrival.known > 0 || arrival.feed == Acquaintance::New;
        let content = if familiar { Familiar::Yes } else { Familiar::No };
        Pointing { to: to.clone(), since: arrival.at, fetches: 0, content }
    };
    let mut pointing = held.filter(|held| held.to == to && held.since <= arrival.at).unwrap_or_else(begins);
    pointing.fetches = pointing.fetches.saturating_add(1);
    let (apart, fetches) = AGREEMENT;
    let agreed = arrival.at.micros_since(pointing.since) >= apart && pointing.fetches >= fetches;
    let may_move = arrival.moves == Moves::Followed && !was_left;
    if may_move && agreed && pointing.content == Familiar::Yes && arrival.known > 0 {
        return Verdict::Moves(pointing.to, WhyLeft::Moved { since: pointing.since, fetches: pointing.fetches });
    }
    Verdict::Points(pointing)
}

/// Whether an address is another one with https in place of http, and nothing else changed. Whoever stands between may
/// choose another path of the host: that waits like any other.
fn is_secured(from: &str, to: &str) -> bool {
    let (Ok(from), Ok(to)) = (Url::parse(from), Url::parse(to)) else { return false };
    let same = from.host() == to.host() && from.path() == to.path() && from.query() == to.query();
    let usual_ports = from.port().is_none() && to.port().is_none();
    from.scheme() == "http" && to.scheme() == "https" && same && usual_ports
}

impl Pointing {
    /// As it is kept.
    pub(crate) fn to_json(&self) -> Json {
        Json::object([
            ("to", self.to.as_str().into()),
            ("since", self.since.to_string().into()),
            ("fetches", u64::from(self.fetches).into()),
            ("familiar", Json::Bool(self.content == Familiar::Yes)),
        ])
    }

    /// What is kept; `None` of what this program cannot read.
    pub(crate) fn from_json(kept: &Json) -> Option<Self> {
        let fetches = match kept.get("fetches")? {
            Json::Number(number) => u32::try_from(number.as_i64()?).ok()?,
            _ => return None,
        };
        let content = if *kept.get("familiar")? == Json::Bool(true) { Familiar::Yes } else { Familiar::No };
        let since = kept.get("since")?.as_str()?.parse().ok()?;
        Some(Self { to: kept.get("to")?.as_str()?.to_owned(), since, fetches, content })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 3_600 * 1_000_000;

    fn day(number: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH.saturating_add_micros(number * DAY)
    }

    fn arrival(at: i64, route: Route, answered: &str) -> Arrival<'_> {
        Arrival {
            at: day(at),
            address: "http://a.example/feed",
            answered,
            route,
            known: 5,
            feed: Acquaintance::Old,
            moves: Moves::Followed,
            formerly: &[],
        }
    }

    /// What a story of answers ends with, each the day, the route, where it led and how many items were known.
    fn story(answers: &[(i64, Route, &str, u64)], feed: Acquaintance, formerly: &[Former]) -> Verdict {
        let mut held = None;
        let mut verdict = Verdict::Stays;
        for (number, (at, route, answered, known)) in answers.iter().enumerate() {
            let feed = if number == 0 { feed } else { Acquaintance::Old };
            verdict = judge(held, &Arrival { known: *known, feed, formerly, ..arrival(*at, *route, answered) });
            held = match &verdict {
                Verdict::Points(pointing) => Some(pointing.clone()),
                Verdict::Stays | Verdict::Moves(..) => None,
            };
        }
        verdict
    }

    #[test]
    fn an_address_is_taken_over_after_seven_days_and_three_fetches_that_agree() {
        use Route::{Direct, Permanent, Temporary};
        let (b, c) = ("http://b.example/", "http://c.example/");
        let moved = |since, fetches| Some(WhyLeft::Moved { since: day(since), fetches });
        for (answers, expected) in [
            (&[(0, Permanent, b, 5), (1, Permanent, b, 5), (6, Permanent, b, 5)][..], None),
            (&[(0, Permanent, b, 5), (7, Permanent, b, 5)], None),
            (&[(0, Permanent, b, 5), (1, Permanent, b, 5), (7, Permanent, b, 5)], moved(0, 3)),
            (&[(0, Permanent, b, 5), (1, Permanent, b, 0), (7, Permanent, b, 1)], moved(0, 3)),
            // Nothing that is known is there now.
            (&[(0, Permanent, b, 5), (1, Permanent, b, 5), (7, Permanent, b, 0)], None),
            // Nothing that was known was there when it first led there; what came from there is known ever after.
            (&[(0, Permanent, b, 0), (1, Permanent, b, 5), (7, Permanent, b, 5)], None),
            // One temporary hop, one direct answer, or another target begins the count anew.
            (&[(0, Permanent, b, 5), (6, Temporary, b, 5), (7, Permanent, b, 5), (8, Permanent, b, 5)], None),
            (&[(0, Permanent, b, 5), (6, Direct, "http://a.example/feed", 5), (7, Permanent, b, 5)], None),
            (&[(0, Permanent, b, 5), (1, Permanent, c, 5), (7, Permanent, b, 5), (8, Permanent, b, 5)], None),
            (&[(0, Permanent, c, 5), (1, Permanent, b, 5), (2, Permanent, b, 5), (8, Permanent, b, 5)], moved(1, 3)),
            // A clock that went back begins it anew.
            (&[(9, Permanent, b, 5), (0, Permanent, b, 5), (1, Permanent, b, 5), (7, Permanent, b, 5)], moved(0, 3)),
            (&[(0, Temporary, b, 5), (7, Temporary, b, 5), (14, Temporary, b, 5)], None),
        ] {
            let told = match story(answers, Acquaintance::Old, &[]) {
                Verdict::Moves(to, why) => {
                    assert_eq!(to, b);
                    Some(why)
                }
                Verdict::Stays | Verdict::Points(_) => None,
            };
            assert_eq!(told, expected, "{answers:?}");
        }
        // Of a feed that always led there nothing else was ever known.
        let always = [(0, Permanent, b, 0), (1, Permanent, b, 5), (7, Permanent, b, 5)];
        assert_eq!(
            story(&always, Acquaintance::New, &[]),
            Verdict::Moves(b.to_owned(), WhyLeft::Moved { since: day(0), fetches: 3 })
        );
    }

    #[test]
    fn https_at_the_same_place_is_taken_over_at_once() {
        for (to, route, at_once) in [
            ("https://a.example/feed", Route::Permanent, true),
            ("https://a.example/feed", Route::Temporary, false),
            ("https://a.example/feed?x", Route::Permanent, false),
            ("https://a.example/other", Route::Permanent, false),
            ("https://www.a.example/feed", Route::Permanent, false),
            ("https://a.example:8443/feed", Route::Permanent, false),
        ] {
            let verdict = judge(None, &arrival(0, route, to));
            assert_eq!(verdict == Verdict::Moves(to.to_owned(), WhyLeft::Secured), at_once, "{to} {route:?}");
        }
    }

    #[test]
    fn what_the_operator_left_is_not_gone_back_to() {
        let former = |address: &str, why| Former { address: address.to_owned(), until: day(0), why };
        let (b, s) = ("http://b.example/", "https://a.example/feed");
        let answers = |to| [(0, Route::Permanent, to, 5), (1, Route::Permanent, to, 5), (9, Route::Permanent, to, 5)];
        for (to, why, moves) in [
            (b, WhyLeft::Operator, false),
            (b, WhyLeft::Moved { since: day(0), fetches: 3 }, true),
            (s, WhyLeft::Operator, false),
            (s, WhyLeft::Secured, true),
        ] {
            let verdict = story(&answers(to), Acquaintance::Old, &[former(to, why.clone())]);
            assert_eq!(matches!(verdict, Verdict::Moves(..)), moves, "{to} {why:?}");
        }
    }

    #[test]
    fn where_moves_are_not_followed_it_is_known_where_they_lead() {
        let secured = "https://a.example/feed";
        let of_scheme = Arrival { moves: Moves::OfScheme, ..arrival(9, Route::Permanent, secured) };
        assert_eq!(judge(None, &of_scheme), Verdict::Moves(secured.to_owned(), WhyLeft::Secured));
        for (to, moves) in
            [(secured, Moves::Ignored), ("http://b.example/", Moves::Ignored), ("http://b.example/", Moves::OfScheme)]
        {
            let held = Pointing { to: to.to_owned(), since: day(0), fetches: 5, content: Familiar::Yes };
            let ignored = Arrival { moves, ..arrival(9, Route::Permanent, to) };
            assert_eq!(judge(Some(held.clone()), &ignored), Verdict::Points(Pointing { fetches: 6, ..held }));
        }
    }

    #[test]
    fn what_is_kept_reads_back() {
        for content in [Familiar::Yes, Familiar::No] {
            let pointing = Pointing { to: "http://b.example/".into(), since: day(3), fetches: 2, content };
            assert_eq!(Pointing::from_json(&pointing.to_json()), Some(pointing));
        }
        assert_eq!(Pointing::from_json(&Json::Null), None);
    }
}
