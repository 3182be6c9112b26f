//! Finding the feeds of a site, and adding the one that is meant.

use std::num::NonZeroUsize;

use feedspine_core::{FeedStatus, Json};
use feedspine_parse::{Document, FeedLink, HtmlPage, known_places, looks_like_feed, usual_places};

use super::add::{AddFeed, Added, check_path, parse_address, with_declared_requests};
use super::json::array;
use super::unfinished::refuse_unfinished_import;
use super::{OpError, ToJson};
use crate::adapters::Adapter;
use crate::collect::document::unreadable;
use crate::fetch::{Manner, Reach};
use crate::look::{Look, Seen};
use crate::requests::check_logins;
use crate::{Address, Engine};

/// How many of the addresses that a page merely leads to are looked at.
const MOST_GUESSES: usize = 4;

/// A site, a page or a feed to be looked at.
#[derive(Debug, Clone)]
pub struct Discover {
    /// Its URL, or the path of a file.
    pub address: String,
    /// It and what it names may be at private addresses.
    pub allow_private: bool,
}

/// The feeds of a site.
#[derive(Debug, Clone)]
pub struct Discovery {
    /// The address that was looked at.
    pub address: String,
    /// The title of the page there, when it is one.
    pub title: Option<String>,
    /// The feeds, the likeliest first; at least one.
    pub feeds: Vec<FoundFeed>,
    /// Every address that was asked, one after the other.
    pub asked: Vec<AskedPlace>,
}

/// A feed that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFeed {
    /// Its address.
    pub address: String,
    /// Its title, or what it is called where it was found.
    pub title: Option<String>,
    /// By what it was found: `itself`, `link`, `anchor`, `known_site`, `usual_place`.
    pub clue: &'static str,
    /// Its media type as it is said to be, or its format as it was read.
    pub format: Option<String>,
    /// How many items it holds; `None` when it was not looked at.
    pub items: Option<u64>,
}

/// An address that was asked.
#[derive(Debug, Clone)]
pub struct AskedPlace {
    /// The address.
    pub address: String,
    /// What it gave: `feed`, `page` or `nothing`.
    pub gave: &'static str,
    /// Why it gave nothing.
    pub error: Option<OpError>,
}

/// Which of several feeds is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pick {
    /// The only one; of several none.
    #[default]
    TheOnly,
    /// The likeliest.
    First,
    /// That one, counted from 1.
    Number(NonZeroUsize),
}

/// A site whose feed is to be added.
#[derive(Debug, Clone)]
pub struct AddSite {
    /// The feed; its address may be that of a site.
    pub feed: AddFeed,
    /// Which, when there are several.
    pub pick: Pick,
}

/// What came of adding a site's feed.
#[derive(Debug, Clone)]
pub enum SiteAdded {
    /// A feed has the address now.
    Added {
        /// The feed.
        added: Added,
        /// How it was found; `None` when its address was taken as it stands.
        found: Option<Discovery>,
    },
    /// Nothing was added: it must be said which of these is meant.
    Several(Discovery),
}

impl ToJson for Discovery {
    fn to_json(&self) -> Json {
        Json::object([
            ("address", self.address.as_str().into()),
            ("title", self.title.as_deref().into()),
            ("feeds", array(&self.feeds)),
            ("asked", array(&self.asked)),
        ])
    }
}

impl ToJson for FoundFeed {
    fn to_json(&self) -> Json {
        Json::object([
            ("address", self.address.as_str().into()),
            ("title", self.title.as_deref().into()),
            ("clue", self.clue.into()),
            ("format", self.format.as_deref().into()),
            ("items", self.items.into()),
        ])
    }
}

impl ToJson for AskedPlace {
    fn to_json(&self) -> Json {
        Json::object([
            ("address", self.address.as_str().into()),
            ("gave", self.gave.into()),
            ("error", self.error.as_ref().map(ToJson::to_json).into()),
        ])
    }
}

/// As [`Added`], with `discovery`: how it was found, or null.
impl ToJson for SiteAdded {
    fn to_json(&self) -> Json {
        let (outcome, feed, discovery) = match self {
            Self::Added { added, found } => {
                (added.outcome.as_str().into(), added.feed.to_json(), found.as_ref().map(ToJson::to_json))
            }
            Self::Several(found) => ("choose".into(), Json::Null, Some(found.to_json())),
        };
        Json::object([("outcome", outcome), ("feed", feed), ("discovery", discovery.into())])
    }
}

impl Engine {
    /// Finds the feeds of a site: the address itself, what is known of the site, what its page names in `link`
    /// elements, else where it leads, else where feeds usually are. Each address is asked after the one before it, and
    /// none twice; what is fetched is read at once. What a page names is not asked before it is added.
    ///
    /// # Errors
    /// `NotFound`: there is none. What stood in the way of looking at the address itself.
    pub async fn discover(&self, request: &Discover) -> Result<Discovery, OpError> {
        let address = parse_address(&request.address)?;
        check_path(&address, Adapter::FEED).await?;
        Search::new(self, &address, request.allow_private, Manner::at(&address)).run(&address).await
    }

    /// Adds a feed by its address or by that of its site. An address that is there already, or whose name is that of a
    /// feed, is taken as it stands and is not asked; so is a file.
    ///
    /// # Errors
    /// As [`Engine::discover`] and [`Engine::add`]; `Usage` for a number that no feed has.
    pub async fn add_site(&self, request: AddSite) -> Result<SiteAdded, OpError> {
        let AddSite { feed, pick } = request;
        let address = parse_address(&feed.address)?;
        // Before anybody is asked.
        refuse_unfinished_import(self.storage()).await?;
        if !self.is_to_be_found(&feed, &address).await? {
            return Ok(SiteAdded::Added { added: self.add(feed).await?, found: None });
        }
        let declared = feed.name.as_ref().and_then(|name| self.settings().declared.get(name));
        let requests = with_declared_requests(feed.requests.clone(), declared);
        check_logins(feed.adapter.options(), &requests)?;
        let manner = requests.manner(&address)?;
        let found = Search::new(self, &address, feed.allow_private, manner).run(&address).await?;
        let Some(chosen) = chosen(&found, pick)? else { return Ok(SiteAdded::Several(found)) };
        let added = self.add(AddFeed { address: chosen.address.clone(), ..feed }).await?;
        Ok(SiteAdded::Added { added, found: Some(found) })
    }

    /// Whether an address must be looked at to know the feed that is meant.
    async fn is_to_be_found(&self, feed: &AddFeed, address: &Address) -> Result<bool, OpError> {
        let Address::Http(url) = address else { return Ok(false) };
        if looks_like_feed(url.as_str()) {
            return Ok(false);
        }
        let stored = address.to_string();
        let feeds = self.state().feeds().await?;
        // What another adapter reads is no feed.
        if self.named_and_read(feed, address, &feeds)?.1.name() != Adapter::FEED {
            return Ok(false);
        }
        // A name that is taken is refused before anybody is asked.
        let is_there = feeds.iter().filter(|held| held.status != FeedStatus::Removed);
        Ok(!is_there.into_iter().any(|held| held.address == stored || feed.name.as_ref() == Some(&held.name)))
    }
}

fn chosen(found: &Discovery, pick: Pick) -> Result<Option<&FoundFeed>, OpError> {
    match (pick, found.feeds.as_slice()) {
        (Pick::TheOnly, [only]) => Ok(Some(only)),
        (Pick::TheOnly, _) => Ok(None),
        (Pick::First, feeds) => Ok(feeds.first()),
        (Pick::Number(number), feeds) => feeds.get(number.get() - 1).map(Some).ok_or_else(|| {
            let message = format!("{} has {} feeds; there is no number {number}", found.address, feeds.len());
            OpError::usage("feed.no_such_number", message).with_hint("without a number they are listed")
        }),
    }
}

/// A search for the feeds of one site.
struct Search<'a> {
    engine: &'a Engine,
    reach: Reach,
    manner: Manner,
    found: Discovery,
}

impl<'a> Search<'a> {
    fn new(engine: &'a Engine, address: &Address, allow_private: bool, manner: Manner) -> Self {
        let found = Discovery { address: address.to_string(), title: None, feeds: Vec::new(), asked: Vec::new() };
        Self { engine, reach: engine.reach(allow_private), manner, found }
    }

    async fn run(mut self, address: &Address) -> Result<Discovery, OpError> {
        let known = if let Address::Http(url) = address { known_places(url.as_str()) } else { Vec::new() };
        match known.as_slice() {
            [] => {}
            [place] => self.take_if_feed(place).await.map_or((), drop),
            _ => self.found.feeds = known.iter().map(unseen).collect(),
        }
        if self.found.feeds.is_empty() {
            self.look_at(address).await?;
        }
        if self.found.feeds.is_empty() { Err(self.none_found()) } else { Ok(self.found) }
    }

    /// Looks at the address itself and, when it is a page, where that leads.
    async fn look_at(&mut self, address: &Address) -> Result<(), OpError> {
        let Look { url, seen, .. } = self.ask(address).await?;
        match seen {
            Seen::Feed(document) => self.found.feeds.push(read(&address.to_string(), "itself", &document)),
            Seen::Neither(error) => return Err(unreadable(&address.to_string(), &error)),
            Seen::Page(page, error) => {
                // A file has no address that others could be resolved against.
                let Some(url) = url else { return Err(unreadable(&address.to_string(), &error)) };
                self.follow(page, &url).await;
            }
        }
        Ok(())
    }

    async fn follow(&mut self, page: HtmlPage, url: &str) {
        self.found.title = page.title;
        let (certain, guesses): (Vec<_>, Vec<_>) = page.feeds.into_iter().partition(|feed| feed.clue.is_certain());
        self.found.feeds = certain.iter().filter(|feed| self.may_be_asked(feed)).map(unseen).collect();
        if !self.found.feeds.is_empty() {
            return;
        }
        for place in guesses.iter().take(MOST_GUESSES) {
            if self.take_if_feed(place).await.is_err() {
                return;
            }
        }
        for place in usual_places(url) {
            if !self.found.feeds.is_empty() || self.take_if_feed(&place).await.is_err() {
                return;
            }
        }
    }

    fn may_be_asked(&self, link: &FeedLink) -> bool {
        let address = link.address.parse::<Address>();
        let between = self.manner.between();
        address.is_ok_and(|address| self.engine.fetcher().check(&address, self.reach, between).is_ok())
    }

    /// Asks a place and keeps it if it is a feed. `Err`: the host gives no answers, or wants no more questions.
    async fn take_if_feed(&mut self, place: &FeedLink) -> Result<(), OpError> {
        let Ok(address) = place.address.parse::<Address>() else { return Ok(()) };
        if self.found.asked.iter().any(|asked| asked.address == place.address) {
            return Ok(());
        }
        match self.ask(&address).await {
            Ok(Look { seen: Seen::Feed(document), .. }) => {
                self.found.feeds.push(read(&place.address, place.clue.as_str(), &document));
                Ok(())
            }
            Ok(_) => Ok(()),
            Err(error) if error.code() == "http.status" || error.code() == "http.gone" => {
                if self.engine.fetcher().rests(&address) { Err(error) } else { Ok(()) }
            }
            Err(error) => Err(error),
        }
    }

    async fn ask(&mut self, address: &Address) -> Result<Look, OpError> {
        let looked = self.engine.look(address, self.reach, &self.manner).await.map_err(|failure| failure.error);
        let (gave, error) = match &looked {
            Ok(Look { seen: Seen::Feed(_), .. }) => ("feed", None),
            Ok(Look { seen: Seen::Page(..), .. }) => ("page", None),
            Ok(Look { seen: Seen::Neither(error), .. }) => ("nothing", Some(unreadable(&address.to_string(), error))),
            Err(error) => ("nothing", Some(error.clone())),
        };
        self.found.asked.push(AskedPlace { address: address.to_string(), gave, error });
        looked
    }

    fn none_found(&self) -> OpError {
        let others = self.found.asked.len().saturating_sub(1);
        let address = &self.found.address;
        let message = format!("no feed was found at {address}, nor at {others} other places of the site");
        OpError::not_found("feed.none_found", message)
            .with_hint("give the address of the feed itself; `feedspine add --as-is` adds an address unseen")
    }
}

pub(super) fn unseen(link: &FeedLink) -> FoundFeed {
    FoundFeed {
        address: link.address.clone(),
        title: link.title.clone(),
        clue: link.clue.as_str(),
        format: link.media_type.clone(),
        items: None,
    }
}

fn read(address: &str, clue: &'static str, document: &Document) -> FoundFeed {
    FoundFeed {
        address: address.to_owned(),
        title: document.feed.title.as_ref().map(|title| title.value.clone()).filter(|title| !title.is_empty()),
        clue,
        format: Some(document.format.as_str().to_owned()),
        items: Some((document.items.len() + document.rejects.len()) as u64),
    }
}
