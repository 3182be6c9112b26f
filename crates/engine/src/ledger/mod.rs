//! What is written down of a fetch beside its outcome, and what can be told from it: how polite it was.
//!
//! A fetch that finds nothing new is a row of the ledger and nothing else, so its notes are short: requests by their time
//! since the fetch began, with the host where it is not the address's own.

mod politeness;

use feedspine_core::{Content, ContentHash, Fetch, FetchId, FetchIntent, Json};

pub use politeness::HostFigures;
pub(crate) use politeness::Politeness;

use crate::collect::honesty::Checked;
use crate::collect::host_of;
use crate::fetch::{Asked, Traced};
use crate::ops::{Alike, NextFetch};

/// The requests: `[microseconds since the fetch began, status or null, host where it is another]`.
const ASKED: &str = "asked";
/// How many requests it took, where that is more than are listed.
const REQUESTS: &str = "requests";
/// When its feed is fetched next, in microseconds since the fetch began or null, and why, in words; these are left out when
/// the decision before was made for the same reasons.
const NEXT: &str = "next";

/// The hash of the body that is kept of it; of several, that of the first and how many there are.
const CAPTURED: &str = "captured";
/// Why what an earlier fetch brought was stored, and that fetch; left out of one that read a source.
const AGAIN: &str = "again";
/// What came of asking without validators though there were some: `same`, `changed` or `stale`.
const CHECKED: &str = "checked";
/// The hub that told it, how many items were new, and of how many it was late by little.
const PUSHED: &str = "pushed";
/// How many new items a fetch found of a feed that a hub was to tell of; left out where there are none.
const BACKUP: &str = "backup";

/// What is told of a decision that was made for the reasons of the one before.
const AS_BEFORE: &str = "as the time before";

/// The bodies that are kept of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Captured {
    /// The hash of the first one.
    pub first: Option<ContentHash>,
    /// How many there are.
    pub bodies: u64,
}

impl Captured {
    /// One more is kept.
    pub(crate) fn add(&mut self, hash: ContentHash) {
        self.first.get_or_insert(hash);
        self.bodies += 1;
    }
}

/// Why a body that was kept was read again, and what of it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Items of it had been rejected.
    Rejects,
    /// Parser or settings had changed.
    Parser,
}

impl Cause {
    /// The word used in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rejects => "rejects",
            Self::Parser => "parser",
        }
    }
}

/// Of a fetch that asked nobody, and stored what an earlier one had brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Again {
    /// Why.
    pub cause: Cause,
    /// The earlier one.
    pub of: FetchId,
}

/// Of a fetch that asked nobody, because a hub told what it stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubTold {
    /// The hub, as it is shown.
    pub hub: String,
    /// How many items were new.
    pub new: u64,
    /// How many were known for some minutes only, and not from the hub.
    pub near_misses: u64,
}

/// What is noted of a fetch.
#[derive(Debug, Clone)]
pub(crate) struct Account<'a> {
    /// What it asked for.
    pub(crate) traced: &'a Traced,
    /// The bodies that are kept of it.
    pub(crate) captured: Captured,
    /// What came of asking without validators though there were some.
    pub(crate) checked: Option<Checked>,
    /// When its feed is fetched next.
    pub(crate) next: Option<&'a NextFetch>,
    /// Whose items it stored again.
    pub(crate) again: Option<Again>,
    /// The hub that told it.
    pub(crate) pushed: Option<HubTold>,
    /// How many new items it found that a hub was to tell of.
    pub(crate) backup: u64,
}

impl<'a> Account<'a> {
    /// That of a fetch of which nothing is to be noted but what it asked for.
    pub(crate) fn of(traced: &'a Traced) -> Self {
        let captured = Captured::default();
        Self { traced, captured, checked: None, next: None, again: None, pushed: None, backup: 0 }
    }
}

/// The notes of a fetch.
pub(crate) fn notes(intent: &FetchIntent, account: &Account<'_>) -> Content {
    let Account { traced, captured, checked, next, again, pushed, backup } = account;
    let own = host_of(&intent.address);
    let asked = |asked: &Asked| {
        let since = asked.at.micros_since(intent.started_at);
        let mut told = vec![since.into(), asked.http_status.map(u64::from).into()];
        if own.as_ref() != Some(&asked.host) {
            told.push(asked.host.as_str().into());
        }
        Json::Array(told)
    };
    let mut members = Vec::new();
    if !traced.asked.is_empty() {
        members.push((ASKED, Json::Array(traced.asked.iter().map(asked).collect())));
    }
    if traced.requests > traced.asked.len() as u64 {
        members.push((REQUESTS, traced.requests.into()));
    }
    if let Some(first) = captured.first {
        let several = (captured.bodies > 1).then_some(captured.bodies);
        let told = [Json::from(first.to_string())].into_iter().chain(several.map(Json::from));
        members.push((CAPTURED, Json::Array(told.collect())));
    }
    if let Some(NextFetch { at, why, alike }) = next {
        let mut told = vec![at.map(|at| at.micros_since(intent.started_at)).into()];
        if *alike == Alike::No {
            told.push(why.as_str().into());
        }
        members.push((NEXT, Json::Array(told)));
    }
    if let Some(Again { cause, of }) = again {
        members.push((AGAIN, vec![cause.as_str().to_owned(), of.to_string()].into()));
    }
    if let Some(HubTold { hub, new, near_misses }) = pushed {
        members.push((PUSHED, Json::Array(vec![hub.as_str().into(), (*new).into(), (*near_misses).into()])));
    }
    if *backup > 0 {
        members.push((BACKUP, (*backup).into()));
    }
    members.extend(checked.map(|checked| (CHECKED, checked.as_str().into())));
    Content::new(&Json::object(members))
}

/// How many requests a fetch took, as far as that was written down.
pub(crate) fn requests_of(fetch: &Fetch) -> u64 {
    let Some(notes) = noted(fetch) else { return 0 };
    let listed = match notes.get(ASKED) {
        Some(Json::Array(asked)) => asked.len() as u64,
        _ => 0,
    };
    notes.get(REQUESTS).and_then(number).and_then(|requests| u64::try_from(requests).ok()).unwrap_or(listed)
}

/// The bodies that were kept of it.
pub(crate) fn captured_by(fetch: &Fetch) -> Captured {
    let Some(Json::Array(told)) = noted(fetch).and_then(|notes| notes.get(CAPTURED).cloned()) else {
        return Captured::default();
    };
    let first = told.first().and_then(Json::as_str).and_then(ContentHash::from_hex);
    let several = told.get(1).and_then(number).and_then(|bodies| u64::try_from(bodies).ok());
    Captured { first, bodies: several.unwrap_or(first.is_some().into()) }
}

/// What was decided at its end of the next fetch.
pub(crate) fn next_of(fetch: &Fetch) -> Option<NextFetch> {
    let notes = noted(fetch)?;
    let Json::Array(next) = notes.get(NEXT)? else { return None };
    let since = number(next.first()?);
    let at = since.map(|micros| fetch.intent.started_at.saturating_add_micros(micros));
    Some(match next.get(1).and_then(Json::as_str) {
        Some(why) => NextFetch { at, why: why.to_owned(), alike: Alike::No },
        None => NextFetch { at, why: AS_BEFORE.to_owned(), alike: Alike::Yes },
    })
}

/// Whose items a fetch stored again, and why; `None` of one that read a source.
pub(crate) fn again_of(fetch: &Fetch) -> Option<Again> {
    let notes = noted(fetch)?;
    let Json::Array(again) = notes.get(AGAIN)? else { return None };
    let text = |at: usize| again.get(at).and_then(Json::as_str);
    let cause = [Cause::Rejects, Cause::Parser].into_iter().find(|cause| text(0) == Some(cause.as_str()))?;
    Some(Again { cause, of: text(1)?.parse().ok()? })
}

/// The hub that told what a fetch stored; `None` of one that a hub did not tell.
pub(crate) fn pushed_of(fetch: &Fetch) -> Option<HubTold> {
    let notes = noted(fetch)?;
    let Json::Array(told) = notes.get(PUSHED)? else { return None };
    let count = |at: usize| told.get(at).and_then(number).and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
    Some(HubTold { hub: told.first()?.as_str()?.to_owned(), new: count(1), near_misses: count(2) })
}

/// How many new items a fetch found that a hub was to tell of.
pub(crate) fn backup_of(fetch: &Fetch) -> u64 {
    let found = noted(fetch).and_then(|notes| notes.get(BACKUP).and_then(number));
    found.and_then(|found| u64::try_from(found).ok()).unwrap_or(0)
}

/// The requests that a fetch took.
pub(crate) fn asked_by(fetch: &Fetch) -> Vec<Asked> {
    let own = host_of(&fetch.intent.address);
    let Some(Json::Array(all)) = noted(fetch).and_then(|notes| notes.get(ASKED).cloned()) else {
        return Vec::new();
    };
    let read = |asked: &Json| {
        let Json::Array(members) = asked else { return None };
        let (since, status) = (number(members.first()?)?, members.get(1)?);
        let host = members.get(2).and_then(Json::as_str).map(str::to_owned).or_else(|| own.clone())?;
        let http_status = number(status).and_then(|status| u16::try_from(status).ok());
        Some(Asked { host, at: fetch.intent.started_at.saturating_add_micros(since), http_status })
    };
    all.iter().filter_map(read).collect()
}

fn number(json: &Json) -> Option<i64> {
    match json {
        Json::Number(number) => number.as_i64(),
        _ => None,
    }
}

fn noted(fetch: &Fetch) -> Option<Json> {
    fetch.detail.as_ref().map(|detail| detail.notes.to_json())
}

#[cfg(test)]
mod tests {
    use feedspine_core::{FeedId, FetchDetail, FetchId, Timestamp};

    use super::*;

    #[test]
    fn whose_items_were_stored_again_reads_back() {
        let started_at: Timestamp = "2026-11-27T10:00:00Z".parse().unwrap();
        let (fetch, feed) = (FetchId::from_u128(2), FeedId::from_u128(1));
        let intent = FetchIntent { fetch, feed, started_at, address: "https://a.example/feed".into() };
        for again in [None, Some(Cause::Parser), Some(Cause::Rejects)] {
            let again = again.map(|cause| Again { cause, of: FetchId::from_u128(1) });
            let notes = notes(&intent, &Account { again, ..Account::of(&Traced::default()) });
            let detail = FetchDetail { notes, ..FetchDetail::interrupted(started_at) };
            assert_eq!(again_of(&Fetch { intent: intent.clone(), detail: Some(detail) }), again);
        }
    }

    #[test]
    fn what_a_hub_told_reads_back_and_so_does_what_it_did_not() {
        let started_at: Timestamp = "2026-11-27T10:00:00Z".parse().unwrap();
        let (fetch, feed) = (FetchId::from_u128(2), FeedId::from_u128(1));
        let intent = FetchIntent { fetch, feed, started_at, address: "https://a.example/feed".into() };
        let told = HubTold { hub: "https://h.example/".into(), new: 3, near_misses: 1 };
        for (pushed, backup) in [(None, 0), (Some(told), 0), (None, 7)] {
            let traced = Traced::default();
            let account = Account { pushed: pushed.clone(), backup, ..Account::of(&traced) };
            let detail = FetchDetail { notes: notes(&intent, &account), ..FetchDetail::interrupted(started_at) };
            let fetch = Fetch { intent: intent.clone(), detail: Some(detail) };
            assert_eq!((pushed_of(&fetch), backup_of(&fetch)), (pushed, backup));
        }
    }

    #[test]
    fn notes_read_back_and_are_short_where_one_request_found_nothing_new() {
        let started_at: Timestamp = "2026-11-27T10:00:00Z".parse().unwrap();
        let intent = FetchIntent {
            fetch: FetchId::from_u128(1),
            feed: FeedId::from_u128(1),
            started_at,
            address: "https://a.example/feed".into(),
        };
        let asked = |host: &str, micros, http_status| Asked {
            host: host.to_owned(),
            at: started_at.saturating_add_micros(micros),
            http_status,
        };
        let at = Some(started_at.saturating_add_micros(3_600_000_000));
        let next = NextFetch { at, why: "every 60 min".into(), alike: Alike::No };
        let told = |traced: &Traced, next: Option<&NextFetch>| {
            let account = Account { next, ..Account::of(traced) };
            let detail = FetchDetail { notes: notes(&intent, &account), ..FetchDetail::interrupted(started_at) };
            Fetch { intent: intent.clone(), detail: Some(detail) }
        };
        let one = Traced { asked: vec![asked("a.example", 250, Some(304))], requests: 1, ..Traced::default() };
        let fetch = told(&one, Some(&next));
        let text = fetch.detail.as_ref().unwrap().notes.as_str().to_owned();
        assert_eq!(text, r#"{"asked":[[250,304]],"next":[3600000000,"every 60 min"]}"#);
        assert_eq!(
            (asked_by(&fetch), requests_of(&fetch), next_of(&fetch)),
            (one.asked.clone(), 1, Some(next.clone()))
        );
        let fetch = told(&one, Some(&NextFetch { alike: Alike::Yes, ..next }));
        assert_eq!(fetch.detail.as_ref().unwrap().notes.as_str(), r#"{"asked":[[250,304]],"next":[3600000000]}"#);
        assert_eq!(next_of(&fetch), Some(NextFetch { at, why: AS_BEFORE.to_owned(), alike: Alike::Yes }));

        let many = vec![asked("a.example", 0, Some(301)), asked("b.example", 9, None)];
        let many = Traced { asked: many, requests: 500, ..Traced::default() };
        let fetch = told(&many, None);
        assert_eq!((asked_by(&fetch), requests_of(&fetch), next_of(&fetch)), (many.asked, 500, None));
        assert_eq!(captured_by(&fetch), Captured::default());
    }

    #[test]
    fn notes_name_the_first_body_that_is_kept_and_how_many_there_are() {
        let intent = FetchIntent {
            fetch: FetchId::from_u128(1),
            feed: FeedId::from_u128(1),
            started_at: Timestamp::UNIX_EPOCH,
            address: "/a".into(),
        };
        let mut captured = Captured::default();
        for bodies in 1..=3 {
            captured.add(ContentHash::of(format!("{bodies}").as_bytes()));
            let notes = notes(&intent, &Account { captured, ..Account::of(&Traced::default()) });
            let detail = FetchDetail { notes, ..FetchDetail::interrupted(Timestamp::UNIX_EPOCH) };
            let read = captured_by(&Fetch { intent: intent.clone(), detail: Some(detail) });
            assert_eq!(read, Captured { first: Some(ContentHash::of(b"1")), bodies });
        }
    }
}
