//! Records: listing, showing, their versions and their sightings.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use feedspine_core::{
    ChangeKind, Cursor, Event, FeedId, FeedName, FetchId, Filter, Json, Layer, NaturalKey, Order, Page, PageRequest,
    Query, Record, RecordId, Seen, Selection, Sighting, Timestamp, Version, VersionNo,
};
use feedspine_parse::read_date;

use super::causes::{Occasion, origin_of};
use super::json::{array, instant, text};
use super::{Aliases, FoundBy, OpError, ToJson};
use crate::Engine;

/// Whether a date as it stood in a document says that instant.
pub fn is_date_of(text: &str, at: Timestamp) -> bool {
    read_date(text).is_ok_and(|read| read.at == at)
}

/// Which records are wanted.
#[derive(Debug, Clone)]
pub struct ListRecords {
    /// The condition.
    pub filter: Filter,
    /// By what they are ordered; by first capture when empty.
    pub order: Vec<Order>,
    /// `None`: each record once, at its highest layer.
    pub layer: Option<Layer>,
    /// How many at most.
    pub limit: NonZeroUsize,
    /// The `next` of the list that this one goes on from.
    pub cursor: Option<Cursor>,
}

/// Which versions of which record are wanted.
#[derive(Debug, Clone)]
pub struct RecordHistory {
    /// An id, a key, or a namespace and a key.
    pub record: String,
    /// Bronze when `None`.
    pub layer: Option<Layer>,
    /// How many at most.
    pub limit: NonZeroUsize,
    /// The `next` of the list that this one goes on from.
    pub cursor: Option<Cursor>,
}

/// Which sightings of which record are wanted.
#[derive(Debug, Clone)]
pub struct RecordSightings {
    /// An id, a key, or a namespace and a key.
    pub record: String,
    /// How many at most.
    pub limit: NonZeroUsize,
    /// The `next` of the list that this one goes on from.
    pub cursor: Option<Cursor>,
}

/// A record as it is now.
#[derive(Debug, Clone)]
pub struct RecordView {
    /// What the request was taken for.
    pub found_by: FoundBy,
    /// The record.
    pub record: Record,
    /// Why its version was stored though nobody was asked; `None` when its source was.
    pub occasion: Option<Occasion>,
    /// Its sightings in figures; `None` when it was written by a call and never sighted.
    pub seen: Option<Seen>,
    /// The feeds that share its namespace, removed ones included.
    pub feeds: Vec<FeedName>,
    /// When it left a feed, and returned, oldest first.
    pub departures: Vec<Departure>,
    /// Other records that may be the same item.
    pub aliases: Aliases,
    /// What could not be told of it.
    pub warnings: Vec<String>,
}

/// The versions a record had, from the first.
#[derive(Debug, Clone)]
pub struct HistoryView {
    /// What the request was taken for.
    pub found_by: FoundBy,
    /// The record.
    pub record: Record,
    /// Its versions.
    pub versions: Page<Version>,
    /// Of the fetches that brought them, those that asked nobody, and why.
    pub occasions: HashMap<FetchId, Occasion>,
    /// When it left a feed, and returned, oldest first.
    pub departures: Vec<Departure>,
    /// What could not be told of it.
    pub warnings: Vec<String>,
}

/// When and where a record was seen, oldest first.
#[derive(Debug, Clone)]
pub struct SightingsView {
    /// What the request was taken for.
    pub found_by: FoundBy,
    /// The record's key: sightings belong to it.
    pub key: NaturalKey,
    /// How many sightings there are in all, with the first and the last.
    pub seen: Option<Seen>,
    /// The sightings.
    pub sightings: Page<SightingView>,
    /// When it left a feed, and returned, oldest first.
    pub departures: Vec<Departure>,
    /// What could not be told of it.
    pub warnings: Vec<String>,
}

/// A record left a feed, or returned to it.
#[derive(Debug, Clone)]
pub struct Departure {
    /// `withdrawn`, `scrolled_off` or `returned`.
    pub kind: ChangeKind,
    /// What its feed is called now; `None` when the control plane does not know it.
    pub feed: Option<FeedName>,
    /// The fetch that told it.
    pub fetch: Option<FetchId>,
    /// When that was recorded.
    pub recorded_at: Timestamp,
    /// Of what was withdrawn: a strictly older item that is still listed.
    pub witness: Option<RecordId>,
}

/// A sighting, with its feed's name.
#[derive(Debug, Clone)]
pub struct SightingView {
    /// The sighting.
    pub sighting: Sighting,
    /// What its feed is called now; `None` when the control plane does not know it.
    pub feed: Option<FeedName>,
}

impl ToJson for RecordView {
    fn to_json(&self) -> Json {
        let feeds = self.feeds.iter().map(FeedName::as_str).collect::<Vec<_>>();
        Json::object([
            ("found_by", self.found_by.as_str().into()),
            ("record", self.record.to_json()),
            ("again", self.occasion.as_ref().and_then(Occasion::again).map(ToJson::to_json).into()),
            ("pushed", self.occasion.as_ref().and_then(Occasion::pushed).map(ToJson::to_json).into()),
            ("seen", self.seen.as_ref().map(ToJson::to_json).into()),
            ("feeds", feeds.into()),
            ("departures", array(&self.departures)),
            ("aliases", self.aliases.to_json()),
            ("warnings", self.warnings.clone().into()),
        ])
    }
}

impl ToJson for HistoryView {
    fn to_json(&self) -> Json {
        Json::object([
            ("found_by", self.found_by.as_str().into()),
            ("record", identity(&self.record)),
            ("departures", array(&self.departures)),
            ("items", Json::Array((0..self.versions.items.len()).map(|at| self.version(at)).collect())),
            ("next", self.versions.next.as_ref().map(Cursor::as_str).into()),
            ("warnings", self.warnings.clone().into()),
        ])
    }
}

impl HistoryView {
    /// Whether the version at that place of the page [is minor](Version::is_minor); `None` when the page goes on behind the
    /// version before it.
    pub fn is_minor(&self, at: usize) -> Option<bool> {
        let version = self.versions.items.get(at)?;
        if version.number == VersionNo::FIRST {
            return Some(false);
        }
        Some(version.is_minor(self.versions.items.get(at.checked_sub(1)?)?))
    }

    /// Why the version at that place of the page was stored though nobody was asked; `None` when its source was.
    pub fn occasion(&self, at: usize) -> Option<&Occasion> {
        self.occasions.get(&self.versions.items.get(at)?.origin?.fetch)
    }

    fn version(&self, at: usize) -> Json {
        let mut version = self.versions.items[at].to_json();
        if let Json::Object(members) = &mut version {
            let occasion = self.occasion(at);
            members.insert("again".to_owned(), occasion.and_then(Occasion::again).map(ToJson::to_json).into());
            members.insert("pushed".to_owned(), occasion.and_then(Occasion::pushed).map(ToJson::to_json).into());
            members.insert("minor".to_owned(), self.is_minor(at).into());
        }
        version
    }
}

impl ToJson for SightingsView {
    fn to_json(&self) -> Json {
        Json::object([
            ("found_by", self.found_by.as_str().into()),
            ("namespace", self.key.namespace().as_str().into()),
            ("key", self.key.key().into()),
            ("seen", self.seen.as_ref().map(ToJson::to_json).into()),
            ("departures", array(&self.departures)),
            ("items", array(&self.sightings.items)),
            ("next", self.sightings.next.as_ref().map(Cursor::as_str).into()),
            ("warnings", self.warnings.clone().into()),
        ])
    }
}

impl ToJson for SightingView {
    fn to_json(&self) -> Json {
        Json::object([
            ("observed_at", instant(self.sighting.observed_at)),
            ("feed", self.feed.as_ref().map(FeedName::as_str).into()),
            ("fetch", text(&self.sighting.fetch)),
            ("version", self.sighting.version.map(|version| u64::from(version.get())).into()),
        ])
    }
}

impl ToJson for Departure {
    fn to_json(&self) -> Json {
        Json::object([
            ("kind", self.kind.as_str().into()),
            ("feed", self.feed.as_ref().map(FeedName::as_str).into()),
            ("fetch", self.fetch.map(|fetch| text(&fetch)).into()),
            ("recorded_at", instant(self.recorded_at)),
            ("witness", self.witness.map(|witness| text(&witness)).into()),
        ])
    }
}

fn identity(record: &Record) -> Json {
    Json::object([
        ("id", text(&record.id)),
        ("namespace", record.key.namespace().as_str().into()),
        ("key", record.key.key().into()),
    ])
}

impl Engine {
    /// Records that fulfil a condition, in order.
    ///
    /// # Errors
    /// `Usage`: a field that cannot be asked for, a cursor of another list.
    pub async fn list(&self, request: &ListRecords) -> Result<Page<Record>, OpError> {
        let selection = Selection { layer: request.layer, filter: request.filter.clone() };
        let mut list = Gathering::new(request.limit, request.cursor.clone());
        while let Some(page) = list.next_page() {
            let query = Query { selection: selection.clone(), order: request.order.clone(), page };
            list.add(self.storage().query_page(&query).await?);
        }
        Ok(list.into_page())
    }

    /// A record as it is now, by id, key, or namespace and key, with its aliases.
    ///
    /// # Errors
    /// `NotFound`; `Usage` when several records have the key: the hint names them.
    pub async fn show(&self, record: &str, layer: Option<Layer>) -> Result<RecordView, OpError> {
        let (record, found_by) = self.find(record, layer).await?;
        let seen = self.seen(&record.key).await?;
        let feeds = self.state().feeds().await?.into_iter();
        let feeds = feeds.filter(|feed| feed.namespace == *record.key.namespace()).map(|feed| feed.name).collect();
        let (events, warnings) = self.events_of(record.id).await;
        let origin = origin_of(&record, &events);
        let occasion = self.occasions_of(origin.into_iter()).await?.into_values().next();
        let departures = self.departures(events).await?;
        let aliases = self.aliases(&record).await?;
        Ok(RecordView { found_by, record, occasion, seen, feeds, departures, aliases, warnings })
    }

    /// The versions that a record had.
    ///
    /// # Errors
    /// `NotFound`; `Usage` when several records have the key, or the cursor is one of another list.
    pub async fn history(&self, request: &RecordHistory) -> Result<HistoryView, OpError> {
        let (record, found_by) = self.find(&request.record, None).await?;
        let layer = request.layer.unwrap_or(Layer::Bronze);
        let mut versions = Gathering::new(request.limit, request.cursor.clone());
        while let Some(page) = versions.next_page() {
            versions.add(self.storage().versions_page(record.id, layer, &page).await?);
        }
        let versions = versions.into_page();
        let origins = versions.items.iter().filter_map(|version: &Version| version.origin);
        let occasions = self.occasions_of(origins).await?;
        let (events, warnings) = self.events_of(record.id).await;
        let departures = self.departures(events).await?;
        Ok(HistoryView { found_by, record, versions, occasions, departures, warnings })
    }

    /// The sightings of a record.
    ///
    /// # Errors
    /// `NotFound`; `Usage` when several records have the key, or the cursor is one of another list.
    pub async fn sightings(&self, request: &RecordSightings) -> Result<SightingsView, OpError> {
        let (record, found_by) = self.find(&request.record, None).await?;
        let (events, warnings) = self.events_of(record.id).await;
        let departures = self.departures(events).await?;
        let key = record.key;
        let mut sightings = Gathering::new(request.limit, request.cursor.clone());
        while let Some(page) = sightings.next_page() {
            sightings.add(self.storage().sightings_page(&key, &page).await?);
        }
        let Page { items, next } = sightings.into_page();
        let names = self.names_of_feeds().await?;
        let with_feed = |sighting: Sighting| SightingView { feed: names.get(&sighting.feed).cloned(), sighting };
        let sightings = Page { items: items.into_iter().map(with_feed).collect(), next };
        let seen = self.seen(&key).await?;
        Ok(SightingsView { found_by, key, seen, sightings, departures, warnings })
    }

    /// What happened to a record, or the warning that this cannot be told: what is known of the record is shown all the
    /// same.
    async fn events_of(&self, record: RecordId) -> (Vec<Event>, Vec<String>) {
        match self.storage().changes_of(record).await {
            Ok(changes) => (changes.into_iter().map(|change| change.event).collect(), Vec::new()),
            Err(error) => {
                let warning = format!("record.departures: when it left a feed, and returned, cannot be told: {error}");
                (Vec::new(), vec![warning])
            }
        }
    }

    /// When a record left a feed, and returned. That it is no longer listed for a reason that cannot be told is none.
    async fn departures(&self, mut events: Vec<Event>) -> Result<Vec<Departure>, OpError> {
        let tells = |kind| matches!(kind, ChangeKind::Withdrawn | ChangeKind::ScrolledOff | ChangeKind::Returned);
        events.retain(|event| tells(event.kind));
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let names = self.names_of_feeds().await?;
        let departure = |event: Event| Departure {
            kind: event.kind,
            feed: event.feed.and_then(|feed| names.get(&feed).cloned()),
            fetch: event.fetch,
            recorded_at: event.recorded_at,
            witness: event.witness,
        };
        Ok(events.into_iter().map(departure).collect())
    }

    async fn names_of_feeds(&self) -> Result<HashMap<FeedId, FeedName>, OpError> {
        Ok(self.state().feeds().await?.into_iter().map(|feed| (feed.id, feed.name)).collect())
    }

    async fn seen(&self, key: &NaturalKey) -> Result<Option<Seen>, OpError> {
        Ok(self.storage().seen_many(std::slice::from_ref(key)).await?.into_iter().next().flatten())
    }
}

/// As many entries as asked for, in as many pages as that takes.
struct Gathering<T> {
    limit: usize,
    items: Vec<T>,
    after: Option<Cursor>,
    /// No page was given yet.
    begins: bool,
}

impl<T> Gathering<T> {
    fn new(limit: NonZeroUsize, after: Option<Cursor>) -> Self {
        Self { limit: limit.get(), items: Vec::new(), after, begins: true }
    }

    /// What to ask for next; `None` when there is enough, or no more.
    fn next_page(&mut self) -> Option<PageRequest> {
        if !std::mem::take(&mut self.begins) && self.after.is_none() {
            return None;
        }
        let limit = NonZeroUsize::new(self.limit - self.items.len())?;
        Some(PageRequest { limit, after: self.after.take() })
    }

    fn add(&mut self, page: Page<T>) {
        self.items.extend(page.items);
        self.after = page.next;
    }

    fn into_page(self) -> Page<T> {
        Page { items: self.items, next: self.after }
    }
}
