//! Whether a server's 304s can be believed. Once a week a feed is asked without validators; when its document has changed
//! by then, the server is asked once more, with what it had told of the one before: a 304 is a lie. Such a feed is asked
//! without validators from then on, until the server tells a later change from what was before.

use feedspine_core::{Feed, Json, Timestamp};

use super::cursor::{Memory, came_from};
use crate::fetch::Validators;

/// So long after it was found out a server that lied is asked whether it still does. A week, in microseconds.
const ASKED_AGAIN: i64 = 7 * 24 * 3_600 * 1_000_000;

/// The member of a cursor's value that holds them.
const MEMBER: &str = "lies";

/// What a server is known by that said 304 of a document that had changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lies {
    /// When it was found out last.
    last: Timestamp,
    /// How often.
    times: u32,
}

/// How a feed is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asking<'a> {
    /// With what was told of the document that is held.
    With(&'a Validators),
    /// For the document, whatever is held.
    Without,
    /// The same, to see whether what was told would have been answered truly.
    Checking(&'a Validators),
}

/// What came of asking without validators though there were some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checked {
    /// The very bytes that are held: a 304 would have been true.
    Same,
    /// Others, and nobody who asks with validators is told otherwise.
    Changed,
    /// Others, of which the server says 304.
    Stale,
}

impl Checked {
    /// The word used in the notes of a fetch.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Changed => "changed",
            Self::Stale => "stale",
        }
    }
}

/// How to ask at that time, by what is held.
pub(crate) fn asking<'a>(memory: Option<&'a Memory>, lies: Option<&Lies>, now: Timestamp) -> Asking<'a> {
    let Some((memory, validators)) = memory.and_then(|memory| Some((memory, memory.validators.as_ref()?))) else {
        return Asking::Without;
    };
    match (lies, memory.validators_at(now)) {
        (Some(lies), _) if now.micros_since(lies.last) < ASKED_AGAIN => Asking::Without,
        (None, Some(validators)) => Asking::With(validators),
        (Some(_), _) | (None, None) => Asking::Checking(validators),
    }
}

impl Lies {
    /// Those that a cursor remembers of the server that the feed is at. What another one said is not held against it.
    pub(crate) fn in_cursor(value: &Json, feed: &Feed) -> Option<Self> {
        let lies = value.get(MEMBER).filter(|_| came_from(value, feed))?;
        let Json::Number(times) = lies.get("times")? else { return None };
        let times = times.as_i64().and_then(|times| u32::try_from(times).ok())?;
        Some(Self { last: lies.get("last")?.as_str()?.parse().ok()?, times })
    }

    /// What is held against the server after a check. A document that is the same proves nothing.
    pub(crate) fn after(held: Option<Self>, checked: Checked, at: Timestamp) -> Option<Self> {
        match checked {
            Checked::Same => held,
            Checked::Changed => None,
            Checked::Stale => Some(Self { last: at, times: held.map_or(0, |held| held.times).saturating_add(1) }),
        }
    }

    /// A cursor's value with them.
    pub(crate) fn added_to(held: Option<&Self>, mut value: Json) -> Json {
        if let (Some(Self { last, times }), Json::Object(members)) = (held, &mut value) {
            let lies = Json::object([("last", last.to_string().into()), ("times", u64::from(*times).into())]);
            members.insert(MEMBER.to_owned(), lies);
        }
        value
    }

    /// What is told of them.
    pub(crate) fn warning(&self) -> String {
        let times = match self.times {
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        format!(
            "http.stale_validators: the server said that nothing had changed when it had, {times} by now: it is asked \
             without validators until it tells a change"
        )
    }
}

#[cfg(test)]
mod tests {
    use feedspine_core::ContentHash;

    use super::*;
    use crate::collect::cursor::Source;

    const DAY: i64 = 24 * 3_600 * 1_000_000;

    fn day(number: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH.saturating_add_micros(number * DAY)
    }

    fn memory(validators: Option<Validators>) -> Memory {
        Memory {
            validators,
            body: ContentHash::of(b"body"),
            source: Source { url: None, content_type: None },
            read_at: day(0),
            state: Json::Null,
        }
    }

    #[test]
    fn a_server_is_believed_for_a_week_and_one_that_lied_is_not() {
        let validators = Validators { url: "http://a.example/".into(), etag: Some("a".into()), last_modified: None };
        let held = memory(Some(validators.clone()));
        let lied = |last| Some(Lies { last: day(last), times: 1 });
        for (lies, now, expected) in [
            (None, 6, Asking::With(&validators)),
            (None, 7, Asking::Checking(&validators)),
            (lied(0), 0, Asking::Without),
            (lied(0), 6, Asking::Without),
            (lied(0), 7, Asking::Checking(&validators)),
            (lied(3), 9, Asking::Without),
        ] {
            assert_eq!(asking(Some(&held), lies.as_ref(), day(now)), expected, "{lies:?} {now}");
        }
        assert_eq!(asking(Some(&memory(None)), None, day(9)), Asking::Without);
        assert_eq!(asking(None, None, day(9)), Asking::Without);
    }

    #[test]
    fn a_lie_is_counted_and_forgotten_once_a_change_is_told() {
        let lies = Lies::after(None, Checked::Stale, day(1));
        assert_eq!(lies, Some(Lies { last: day(1), times: 1 }));
        assert_eq!(Lies::after(lies.clone(), Checked::Same, day(2)), lies);
        assert_eq!(Lies::after(lies.clone(), Checked::Stale, day(8)), Some(Lies { last: day(8), times: 2 }));
        assert_eq!(Lies::after(lies.clone(), Checked::Changed, day(8)), None);
    }

    #[test]
    fn a_lie_is_held_against_the_server_that_said_it_and_no_other() {
        let feed = crate::sample::feed("{}", None);
        let lies = Some(Lies { last: day(1), times: 1 });
        let cursor = Lies::added_to(lies.as_ref(), memory(None).to_json(&feed, None, None));
        assert_eq!(Lies::in_cursor(&cursor, &feed), lies);
        let moved = Feed { address: "https://example.org/elsewhere".into(), ..feed };
        assert_eq!(Lies::in_cursor(&cursor, &moved), None);
    }
}
