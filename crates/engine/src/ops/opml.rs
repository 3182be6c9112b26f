//! Lists of feeds: taken in from other readers, and given to them.

use std::collections::{HashMap, HashSet};

use feedspine_core::{Feed, FeedId, FeedName, FeedStatus, Json};
use feedspine_parse::{
    Input, ListedFeed, ListedPlace, Opml, OpmlError, OutlineToWrite, ParseError, parse_opml, write_opml,
};

use super::add::{FreeNames, with_declared, with_declared_requests, with_declared_rhythm};
use super::json::array;
use super::moving::moved_away;
use super::tags::retagged;
use super::unfinished::refuse_unfinished_import;
use super::{Ending, OpError, OpErrorKind, ToJson};
use crate::adapters::{Adapter, AdapterChoice};
use crate::address::{clean_name, without_login};
use crate::collect::document::{reading, told_warning};
use crate::feed_settings::{FeedSettings, Tag};
use crate::fetch::Between;
use crate::schedule::RhythmChoice;
use crate::{Address, DeclaredFeed, Engine, RequestChoice};

/// A list of feeds to be taken in.
#[derive(Debug, Clone)]
pub struct ImportOpml {
    /// The bytes of the file.
    pub bytes: Vec<u8>,
    /// What it is called in messages.
    pub name: String,
    /// All feeds are filed under these as well.
    pub tags: Vec<Tag>,
    /// The feeds may be at private addresses.
    pub allow_private: bool,
}

/// What came of taking in a list.
#[derive(Debug, Clone)]
pub struct OpmlImport {
    /// The list's title.
    pub title: Option<String>,
    /// Every entry that names a feed, in the order of the list; a further entry follows the first of its feed.
    pub entries: Vec<ImportedEntry>,
    /// Other lists that it refers to: they are not followed.
    pub lists: Vec<ListedPlace>,
    /// Sites that it names without a feed: `feedspine add` finds theirs.
    pub sites: Vec<ListedPlace>,
    /// What was mended on the way.
    pub warnings: Vec<String>,
}

/// An entry of a list, and what was done with it.
#[derive(Debug, Clone)]
pub struct ImportedEntry {
    /// The address as it stands in the list.
    pub address: String,
    /// What was done.
    pub outcome: EntryOutcome,
    /// The feed; `None` when it was refused.
    pub feed: Option<FeedName>,
    /// The tags that it brought to the feed.
    pub tags: Vec<Tag>,
    /// Why it was refused.
    pub error: Option<OpError>,
}

/// What was done with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryOutcome {
    /// It is a new feed.
    Added,
    /// A feed had its address already; that has the entry's tags now.
    Already,
    /// An earlier entry has its address: both are one feed.
    Repeated,
    /// Nothing was added.
    Refused,
}

impl EntryOutcome {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Already => "already",
            Self::Repeated => "repeated",
            Self::Refused => "refused",
        }
    }
}

impl OpmlImport {
    /// How many entries ended so.
    pub fn count(&self, outcome: EntryOutcome) -> usize {
        self.entries.iter().filter(|entry| entry.outcome == outcome).count()
    }

    /// How a command that reports this ends.
    pub fn ending(&self) -> Ending {
        if self.count(EntryOutcome::Refused) > 0 { Ending::SomeFeedsFailed } else { Ending::Done }
    }
}

/// A list of our feeds.
#[derive(Debug, Clone)]
pub struct OpmlExport {
    /// OPML 2.0.
    pub text: String,
    /// How many feeds it names.
    pub feeds: usize,
    /// Feeds that no other reader could fetch or read.
    pub left_out: Vec<LeftOut>,
}

/// A feed that a list for other readers leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The feed.
    pub feed: FeedName,
    /// What it is, which they could not read.
    pub reason: String,
}

impl ToJson for OpmlImport {
    fn to_json(&self) -> Json {
        let count = |outcome| Json::from(self.count(outcome) as u64);
        Json::object([
            ("title", self.title.as_deref().into()),
            ("added", count(EntryOutcome::Added)),
            ("already", count(EntryOutcome::Already)),
            ("repeated", count(EntryOutcome::Repeated)),
            ("refused", count(EntryOutcome::Refused)),
            ("entries", array(&self.entries)),
            ("lists", Json::Array(self.lists.iter().map(place).collect())),
            ("sites", Json::Array(self.sites.iter().map(place).collect())),
            ("warnings", self.warnings.clone().into()),
        ])
    }
}

fn place(place: &ListedPlace) -> Json {
    Json::object([("address", place.address.as_str().into()), ("title", place.title.as_deref().into())])
}

impl ToJson for ImportedEntry {
    fn to_json(&self) -> Json {
        Json::object([
            ("address", self.address.as_str().into()),
            ("outcome", self.outcome.as_str().into()),
            ("feed", self.feed.as_ref().map(FeedName::as_str).into()),
            ("tags", Json::Array(self.tags.iter().map(|tag| tag.as_str().into()).collect())),
            ("error", self.error.as_ref().map(ToJson::to_json).into()),
        ])
    }
}

impl ToJson for OpmlExport {
    fn to_json(&self) -> Json {
        Json::object([
            ("feeds", (self.feeds as u64).into()),
            ("left_out", array(&self.left_out)),
            ("opml", self.text.as_str().into()),
        ])
    }
}

impl ToJson for LeftOut {
    fn to_json(&self) -> Json {
        Json::object([("feed", self.feed.as_str().into()), ("reason", self.reason.as_str().into())])
    }
}

/// Why no other reader could take the feed over; `None` for one that is a document in a format of feeds, on the web.
fn unreadable_elsewhere(feed: &Feed) -> Option<String> {
    let choice = AdapterChoice::of(feed);
    match feed.address.parse() {
        Ok(Address::Http(_)) if choice.name() == Adapter::FEED => None,
        Ok(Address::Http(_)) => Some(format!("is no feed to other readers: the adapter {} reads it", choice.name())),
        Ok(Address::File(_)) if choice.name() == Adapter::FILES => Some("is a folder of this machine".to_owned()),
        Ok(Address::File(_)) => Some("is a file of this machine".to_owned()),
        Ok(Address::Command(_)) => Some("is what a program of this machine prints".to_owned()),
        Ok(Address::Push(_)) => Some("is handed over by `feedspine ingest`, not fetched".to_owned()),
        Err(_) => Some("has an address that other readers do not know".to_owned()),
    }
}

impl Engine {
    /// Adds the feeds of a list. Folders and categories become tags; a feed that is there already is not added again
    /// but gets them too. Nothing is fetched, and lists that this one refers to are not followed.
    ///
    /// Addresses that are not of the web, and private ones unless they are allowed, are refused one by one.
    ///
    /// # Errors
    /// `Failed`: it is no list, or names too many feeds, or an import into the store is unfinished: nothing was added.
    /// What the control plane's store says.
    pub async fn import_opml(&self, request: ImportOpml) -> Result<OpmlImport, OpError> {
        refuse_unfinished_import(self.storage()).await?;
        let ImportOpml { bytes, name, tags, allow_private } = request;
        let shown = name.clone();
        let read = move || {
            let input = Input { bytes: &bytes, content_type: None, base: None };
            parse_opml(&input, &feedspine_parse::Limits::default()).map_err(|error| {
                // What is said of feeds on the web helps nobody with a file.
                let hint = match &error {
                    OpmlError::NotAList { .. } | OpmlError::Unreadable(ParseError::Empty { .. }) => {
                        "give the list of feeds that another reader exported, in OPML; nothing was added"
                    }
                    OpmlError::Unreadable(_) => "nothing was added; export the list anew",
                    OpmlError::TooMany { .. } => error.hint().unwrap_or("nothing was added"),
                };
                OpError::failed(error.code(), format!("{shown}: {error}")).with_hint(hint)
            })
        };
        let list = reading(&name, self.settings().limits.parse, read).await?;
        let mut import = Import::new(self, self.state().feeds().await?, tags, allow_private);
        for feed in &list.feeds {
            import.take(feed).await?;
        }
        Ok(import.finish(list))
    }

    /// A list of all feeds that were not removed, or of those under a tag, for other readers. What these could not read is
    /// left out, and told with the reason.
    ///
    /// # Errors
    /// What the control plane's store says.
    pub async fn export_opml(&self, tag: Option<&Tag>) -> Result<OpmlExport, OpError> {
        let feeds = match tag {
            Some(tag) => self.feeds_tagged(tag).await?.items,
            None => self.feeds().await?.items,
        };
        let (mut listed, mut left_out) = (Vec::new(), Vec::new());
        for feed in feeds {
            match unreadable_elsewhere(&feed) {
                None => listed.push(feed),
                Some(reason) => left_out.push(LeftOut { feed: feed.name, reason }),
            }
        }
        let tags = |feed: &Feed| FeedSettings::of(feed).tags().iter().map(Tag::to_string).collect::<Vec<_>>();
        let tags: Vec<Vec<String>> = listed.iter().map(tags).collect();
        let outlines: Vec<OutlineToWrite<'_>> = listed
            .iter()
            .zip(&tags)
            .map(|(feed, tags)| OutlineToWrite { title: feed.name.as_str(), address: &feed.address, tags })
            .collect();
        Ok(OpmlExport { text: write_opml("FeedSpine", self.now(), &outlines), feeds: listed.len(), left_out })
    }
}

/// A list that is being taken in.
struct Import<'a> {
    engine: &'a Engine,
    /// The feeds by their address.
    feeds: HashMap<String, Feed>,
    names: FreeNames,
    tags: Vec<Tag>,
    allow_private: bool,
    entries: Vec<ImportedEntry>,
    /// Categories that are no tags of ours.
    unfit_tags: HashSet<String>,
}

impl<'a> Import<'a> {
    fn new(engine: &'a Engine, feeds: Vec<Feed>, tags: Vec<Tag>, allow_private: bool) -> Self {
        let names = FreeNames::new(&feeds);
        let polled = feeds.into_iter().filter(|feed| feed.status != FeedStatus::Removed);
        let polled: Vec<Feed> = polled.collect();
        // A feed that moved is what its former addresses stand for, unless another one is there.
        let formerly = polled.iter().flat_map(|feed| moved_away(feed).map(move |address| (address, feed.clone())));
        let feeds = formerly.chain(polled.iter().map(|feed| (feed.address.clone(), feed.clone()))).collect();
        let (entries, unfit_tags) = (Vec::new(), HashSet::new());
        Self { engine, feeds, names, tags, allow_private, entries, unfit_tags }
    }

    async fn take(&mut self, listed: &ListedFeed) -> Result<(), OpError> {
        let tags = self.tags_of(listed);
        let entry = match self.judged(&listed.address) {
            Err(error) => ImportedEntry {
                address: without_login(&listed.address),
                outcome: EntryOutcome::Refused,
                feed: None,
                tags: Vec::new(),
                error: Some(error),
            },
            Ok(address) => self.kept(listed, &address, tags).await?,
        };
        let repeated = |address: &String| {
            let outcome = if entry.feed.is_some() { EntryOutcome::Repeated } else { EntryOutcome::Refused };
            ImportedEntry { address: without_login(address), outcome, tags: Vec::new(), ..entry.clone() }
        };
        let repeats: Vec<ImportedEntry> = listed.repeats.iter().map(repeated).collect();
        self.entries.push(entry);
        self.entries.extend(repeats);
        Ok(())
    }

    fn tags_of(&mut self, listed: &ListedFeed) -> Vec<Tag> {
        let mut tags: Vec<Tag> = Vec::new();
        for path in listed.categories.iter().map(|path| path.join("/")) {
            match Tag::new(&path) {
                Ok(tag) => tags.push(tag),
                Err(_) => drop(self.unfit_tags.insert(path)),
            }
        }
        tags.extend(self.tags.iter().cloned());
        tags
    }

    /// The address of an entry, if that may be fetched at all. A list is a stranger's: it names no files.
    fn judged(&self, text: &str) -> Result<Address, OpError> {
        let not_of_the_web = || {
            OpError::usage("address.scheme", format!("not an address of the web: {}", without_login(text)))
                .with_hint("`feedspine add` takes files and addresses by hand")
        };
        let url = url::Url::parse(text).map_err(|_| not_of_the_web())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(not_of_the_web());
        }
        let address: Address = text.parse()?;
        self.engine.fetcher().check(&address, self.engine.reach(self.allow_private), Between::Nothing)?;
        Ok(address)
    }

    async fn kept(&mut self, listed: &ListedFeed, address: &Address, tags: Vec<Tag>) -> Result<ImportedEntry, OpError> {
        let stored = address.to_string();
        let (outcome, feed) = if let Some(held) = self.feeds.get(&stored) {
            (EntryOutcome::Already, self.retag_now(held, &tags).await?)
        } else {
            let wanted = listed.title.as_deref().and_then(clean_name).unwrap_or_else(|| address.suggested_name());
            let name = self.names.take(&wanted)?;
            let feed = self.new_feed(name, stored.clone(), &tags)?;
            self.engine.state().add_feed(&feed).await.map_err(super::add::name_taken)?;
            (EntryOutcome::Added, feed)
        };
        let name = feed.name.clone();
        self.feeds.insert(stored, feed);
        Ok(ImportedEntry { address: without_login(&listed.address), outcome, feed: Some(name), tags, error: None })
    }

    /// A feed with these tags as well, as it is now: it may have been paused or renamed since the import began, and one
    /// that was removed stays so.
    async fn retag_now(&self, held: &Feed, tags: &[Tag]) -> Result<Feed, OpError> {
        match self.engine.change_feed(held.clone(), |feed| retagged(feed, tags, &[])).await {
            Err(error) if error.kind() == OpErrorKind::NotFound => Ok(held.clone()),
            changed => changed,
        }
    }

    fn new_feed(&self, name: FeedName, address: String, tags: &[Tag]) -> Result<Feed, OpError> {
        let added_at = self.engine.now();
        let declared = self.engine.settings().declared.get(&name);
        let namespace = match declared.and_then(DeclaredFeed::namespace) {
            Some(namespace) => namespace.clone(),
            None => name.as_str().parse()?,
        };
        let choice = with_declared(AdapterChoice::default(), declared);
        let key_rule = Adapter::read(&choice, &namespace)?.key_rule();
        let mut settings = FeedSettings::default();
        settings.set_tags(tags.iter().cloned());
        settings.set_adapter(&choice);
        settings.set_rhythm(&with_declared_rhythm(RhythmChoice::default(), declared));
        settings.set_requests(&with_declared_requests(RequestChoice::default(), declared));
        Ok(Feed {
            id: FeedId::new(self.engine.new_uuid(added_at)),
            namespace,
            name,
            address,
            status: FeedStatus::Active,
            key_rule,
            allow_private: self.allow_private,
            settings: settings.to_content(),
            added_at,
        })
    }

    fn finish(self, list: Opml) -> OpmlImport {
        let mut warnings: Vec<String> = list.warnings.iter().map(told_warning).collect();
        if list.truncated {
            warnings.push("xml.truncated: the list ends in the middle; feeds may be missing".to_owned());
        }
        if !self.unfit_tags.is_empty() {
            warnings.push(format!("tag.invalid: {} folders are no tags and were left out", self.unfit_tags.len()));
        }
        let shown = |places: Vec<ListedPlace>| {
            let place = |place: ListedPlace| ListedPlace { address: without_login(&place.address), ..place };
            places.into_iter().map(place).collect()
        };
        let (lists, sites) = (shown(list.lists), shown(list.sites));
        OpmlImport { title: list.title, entries: self.entries, lists, sites, warnings }
    }
}
