//! Where a feed is: another address for it, and the feeds that are in one place.

use feedspine_core::{Feed, FeedName, FeedStatus, Json};

use super::add::{check_path, parse_address};
use super::changing::{Attempts, is_polled};
use super::unfinished::refuse_unfinished_import;
use super::{OpError, ToJson};
use crate::adapters::{Adapter, AdapterChoice};
use crate::collect::host_of;
use crate::feed_settings::FeedSettings;
use crate::moving::{Former, WhyLeft};
use crate::schedule::Subject;
use crate::shown::shown_address;
use crate::{Address, Engine, RequestChoice};

/// A feed that is elsewhere from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAddress {
    /// The feed.
    pub feed: FeedName,
    /// Its address: a URL.
    pub address: String,
    /// Whether it may be at a private address, and at any port. What was allowed before holds on at the same host alone.
    pub allow_private: bool,
}

/// Where a feed is now.
#[derive(Debug, Clone)]
pub struct AddressSet {
    /// What was done.
    pub outcome: AddressOutcome,
    /// The feed.
    pub feed: Feed,
    /// The other feeds that are there.
    pub linked: Vec<FeedName>,
    /// What it lost with its address.
    pub warnings: Vec<String>,
    /// It is due now.
    pub due_now: bool,
}

/// What came of another address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressOutcome {
    /// It was there already.
    Already,
    /// It was there already; it may be at a private address from now on.
    NowAllowed,
    /// It is there now; what it captured stays its own.
    Moved,
}

/// Whether a feed is where permanent redirects lead.
pub(crate) enum TakenOver {
    /// It is, with what is to be told of it.
    Moved(String),
    /// It is where it was, or where somebody else moved it; with what is to be told, if it is a fault.
    Stays(Option<String>),
}

impl AddressOutcome {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Already => "already",
            Self::NowAllowed => "now_allowed",
            Self::Moved => "moved",
        }
    }
}

impl ToJson for AddressSet {
    fn to_json(&self) -> Json {
        Json::object([
            ("outcome", self.outcome.as_str().into()),
            ("feed", self.feed.to_json()),
            ("linked", self.linked.iter().map(FeedName::as_str).collect::<Vec<_>>().into()),
            ("warnings", self.warnings.clone().into()),
            ("due_now", self.due_now.into()),
        ])
    }
}

impl Engine {
    /// Lets a feed be elsewhere. It keeps its name, namespace, key rule and all that it captured; the next fetch reads what is
    /// there. It never goes back by itself to the address that it leaves. That it may be at a private address has to be said
    /// anew for another host.
    ///
    /// # Errors
    /// `NotFound`; `Usage`: the feed, or the address, is not of the web, or its adapter cannot read it. `Failed`: a private
    /// address, or a port, that is not allowed; an import into the store is unfinished.
    pub async fn set_address(&self, request: &SetAddress) -> Result<AddressSet, OpError> {
        refuse_unfinished_import(self.storage()).await?;
        let address = parse_address(&request.address)?;
        let mut feed = self.named(&request.feed).await?;
        let mut attempts = Attempts::default();
        loop {
            if let Some(set) = self.address_set(request, &feed, &address).await? {
                return Ok(set);
            }
            feed = attempts.missed(self, &feed).await?;
        }
    }

    /// Lets a feed that is as it is held be elsewhere; `None` when it is not.
    async fn address_set(
        &self,
        request: &SetAddress,
        held: &Feed,
        address: &Address,
    ) -> Result<Option<AddressSet>, OpError> {
        let of_the_web = |address: &Address| matches!(address, Address::Http(_));
        if !of_the_web(address) || !of_the_web(&held.address.parse()?) {
            let message = format!("{} is at {}, and cannot move to {address}", held.name, held.address);
            return Err(OpError::usage("feed.address_kind", message)
                .with_hint("a feed moves from one URL to another; add what is elsewhere as a feed of its own"));
        }
        check_path(address, AdapterChoice::of(held).name()).await?;
        Adapter::of(held)?.suits(address)?;
        let before = held.allow_private;
        let to = address.to_string();
        let stays_allowed = before && host_of(&held.address) == host_of(&to);
        let allow_private = request.allow_private || stays_allowed;
        let feed = Feed { address: to, allow_private, ..held.clone() };
        self.fetcher().check(address, self.reach(feed.allow_private), RequestChoice::of(&feed).between())?;
        let outcome = match (feed.address == held.address, feed.allow_private == before) {
            (true, true) => AddressOutcome::Already,
            (true, false) => AddressOutcome::NowAllowed,
            (false, _) => AddressOutcome::Moved,
        };
        let warnings = (before && !feed.allow_private).then(|| no_longer_private(held)).into_iter().collect();
        let (feed, due_now) = match outcome {
            AddressOutcome::Already => (feed, false),
            AddressOutcome::NowAllowed => {
                if !self.state().replace_feed(held, &feed).await? {
                    return Ok(None);
                }
                let due_now = self.fetch_soon(&feed, Subject::Reach).await?;
                (feed, due_now)
            }
            AddressOutcome::Moved => {
                let Some(moved) = self.moved(held, feed, WhyLeft::Operator).await? else { return Ok(None) };
                let due_now = self.fetch_soon(&moved, Subject::Address).await?;
                (moved, due_now)
            }
        };
        let linked = self.linked(&feed).await?;
        Ok(Some(AddressSet { outcome, feed, linked, warnings, due_now }))
    }

    /// Takes over where permanent redirects lead a feed, unless anybody changes it meanwhile: who does goes before.
    pub(crate) async fn take_over(&self, feed: &Feed, to: &str, why: &WhyLeft) -> TakenOver {
        let taken = async {
            let now = self.as_it_is_now(feed).await?;
            match now.filter(|now| is_polled(now) && now.address == feed.address) {
                Some(now) => self.moved(&now, Feed { address: to.to_owned(), ..now.clone() }, why.clone()).await,
                None => Ok(None),
            }
        };
        let (name, from, shown) = (&feed.name, shown_address(&feed.address), shown_address(to));
        match taken.await {
            Ok(None) => TakenOver::Stays(None),
            Ok(Some(_)) => TakenOver::Moved(format!(
                "feed.moved: {name} is at {shown} from now on, and no longer at {from}: {why}; `feedspine feed set {name} \
                 --url {from}` takes it back"
            )),
            Err(error) => TakenOver::Stays(Some(format!(
                "feed.moved: {name} moved to {shown}, which could not be written down: {error}"
            ))),
        }
    }

    /// The other feeds that are where a feed is, by name. They stay feeds of their own: each has its records and its keys.
    pub(super) async fn linked(&self, feed: &Feed) -> Result<Vec<FeedName>, OpError> {
        let is_there =
            |other: &Feed| other.id != feed.id && other.status != FeedStatus::Removed && other.address == feed.address;
        Ok(self.state().feeds().await?.into_iter().filter(is_there).map(|other| other.name).collect())
    }

    /// The feed at its other address; `None` when it is not as it is held any more, and nothing was done.
    async fn moved(&self, held: &Feed, there: Feed, why: WhyLeft) -> Result<Option<Feed>, OpError> {
        let mut settings = FeedSettings::of(held);
        settings.add_former(&Former { address: held.address.clone(), until: self.now(), why });
        let feed = Feed { settings: settings.to_content(), ..there };
        Ok(self.state().replace_feed(held, &feed).await?.then_some(feed))
    }
}

fn no_longer_private(feed: &Feed) -> String {
    let host = host_of(&feed.address).unwrap_or_default();
    format!("feed.private: private addresses were allowed for {host}: say --allow-private to allow them here as well")
}

/// The feed that was at that address until it moved; `None` when none was.
pub(super) fn moved_from<'a>(feeds: &'a [Feed], address: &str) -> Option<&'a Feed> {
    let polled = feeds.iter().filter(|feed| feed.status != FeedStatus::Removed);
    polled.into_iter().find(|feed| moved_away(feed).any(|left| left == address))
}

/// The addresses that a feed left because they lead to where it is.
pub(super) fn moved_away(feed: &Feed) -> impl Iterator<Item = String> {
    let formerly = FeedSettings::of(feed).formerly().into_iter();
    formerly.filter(|former| former.why != WhyLeft::Operator).map(|former| former.address)
}

/// What is shown of where a feed was.
pub(super) fn shown_formerly(feed: &Feed) -> Json {
    Json::Array(FeedSettings::of(feed).formerly().iter().map(Former::shown).collect())
}

/// What is shown of where permanent redirects lead.
pub(super) fn shown_pointing(pointing: &crate::Pointing) -> Json {
    crate::Pointing { to: shown_address(&pointing.to), ..pointing.clone() }.to_json()
}
