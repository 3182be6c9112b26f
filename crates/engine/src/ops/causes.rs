//! Which versions were stored without asking: when a body was read again, or because a hub told them.

use std::collections::{HashMap, HashSet};

use feedspine_core::{
    ChangeKind, Event, FeedId, Fetch, FetchId, Layer, MAX_PAGE, Origin, PageRequest, Record, Timestamp,
};

use super::OpError;
use crate::Engine;
use crate::ledger::{Again, HubTold, again_of, pushed_of};

/// Why a fetch that asked nobody stored something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Occasion {
    /// What an earlier one had brought was read again.
    Again(Again),
    /// A hub told it.
    Pushed(HubTold),
}

impl Occasion {
    /// Why what an earlier fetch had brought was read again.
    pub fn again(&self) -> Option<&Again> {
        match self {
            Self::Again(again) => Some(again),
            Self::Pushed(_) => None,
        }
    }

    /// The hub that told it.
    pub fn pushed(&self) -> Option<&HubTold> {
        match self {
            Self::Pushed(told) => Some(told),
            Self::Again(_) => None,
        }
    }

    fn of(fetch: &Fetch) -> Option<Self> {
        again_of(fetch).map(Self::Again).or_else(|| pushed_of(fetch).map(Self::Pushed))
    }
}

impl Engine {
    /// Of these fetches, those that asked nobody, and why.
    pub(super) async fn occasions_of(
        &self,
        origins: impl Iterator<Item = Origin>,
    ) -> Result<HashMap<FetchId, Occasion>, OpError> {
        let mut wanted: HashMap<FeedId, HashSet<FetchId>> = HashMap::new();
        for origin in origins {
            // A source is read after the fetch begins: only what was at hand was read before, and is looked for.
            let observed = self.storage().observation(origin.feed, origin.fetch).await?;
            if observed.is_some_and(|observed| observed.observed_at <= began(origin.fetch)) {
                wanted.entry(origin.feed).or_default().insert(origin.fetch);
            }
        }
        let mut occasions = HashMap::new();
        for (feed, mut fetches) in wanted {
            let mut page = PageRequest::first(MAX_PAGE);
            while !fetches.is_empty() {
                let read = self.state().fetches_page(feed, &page).await?;
                for fetch in read.items.iter().filter(|fetch| fetches.remove(&fetch.intent.fetch)) {
                    occasions.extend(Occasion::of(fetch).map(|occasion| (fetch.intent.fetch, occasion)));
                }
                page.after = read.next;
                if page.after.is_none() {
                    break;
                }
            }
        }
        Ok(occasions)
    }
}

/// The fetch that brought a record's version, as the record's events tell it; `None` when a call wrote it.
pub(super) fn origin_of(record: &Record, events: &[Event]) -> Option<Origin> {
    let tells = |event: &&Event| {
        let subject = event.subject.as_ref().map(|subject| (subject.layer, subject.version));
        matches!(event.kind, ChangeKind::New | ChangeKind::Changed)
            && subject == Some((Some(record.layer), Some(record.version)))
    };
    let event = events.iter().rev().find(tells).filter(|_| record.layer == Layer::Bronze)?;
    Some(Origin { feed: event.feed?, fetch: event.fetch? })
}

/// When a fetch began, by its id, to the millisecond (RFC 9562 section 5.7).
fn began(fetch: FetchId) -> Timestamp {
    let mut millis = [0; 8];
    millis[2..].copy_from_slice(&fetch.as_bytes()[..6]);
    let micros = i64::from_be_bytes(millis).saturating_mul(1_000);
    Timestamp::UNIX_EPOCH.saturating_add_micros(micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_when_its_fetch_began() {
        let fetch: FetchId = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f".parse().unwrap();
        assert_eq!(began(fetch).to_string(), "2022-02-22T19:22:22Z");
    }
}
