//! Adding a feed.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use feedspine_core::{Feed, FeedId, FeedName, FeedStatus, Json, Namespace};

use super::changing::changed_meanwhile;
use super::moving::moved_from;
use super::unfinished::refuse_unfinished_import;
use super::{OpError, ToJson};
use crate::adapters::{Adapter, AdapterChoice, check_folder};
use crate::declared::contradiction;
use crate::feed_settings::{FeedSettings, Tag};
use crate::requests::check_logins;
use crate::schedule::{RhythmChoice, Subject};
use crate::{Address, DeclaredFeed, Engine, RequestChoice};

/// A feed to be added.
#[derive(Debug, Clone)]
pub struct AddFeed {
    /// A URL, or the path of a file: absolute, or from the working directory.
    pub address: String,
    /// What to call it; else it is called after its host or file.
    pub name: Option<FeedName>,
    /// The space of its keys; else what [`Settings::declared`](crate::Settings::declared) says, else its name. Feeds that
    /// share one share records.
    pub namespace: Option<Namespace>,
    /// It may be at a private address.
    pub allow_private: bool,
    /// What it is filed under.
    pub tags: Vec<Tag>,
    /// How it is read. What is not given comes from [`Settings::declared`](crate::Settings::declared).
    pub adapter: AdapterChoice,
    /// When it is fetched. What is not given comes from [`Settings::declared`](crate::Settings::declared).
    pub rhythm: RhythmChoice,
    /// How its server is asked. What is not given comes from [`Settings::declared`](crate::Settings::declared).
    pub requests: RequestChoice,
}

impl AddFeed {
    /// A feed at that address, named after it.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            name: None,
            namespace: None,
            allow_private: false,
            tags: Vec::new(),
            adapter: AdapterChoice::default(),
            rhythm: RhythmChoice::default(),
            requests: RequestChoice::default(),
        }
    }
}

/// What came of adding a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddOutcome {
    /// It is new.
    Added,
    /// A feed has that address already: nothing was done.
    Already,
    /// A feed has that address already; it may be at a private address from now on.
    NowAllowed,
}

impl AddOutcome {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Already => "already",
            Self::NowAllowed => "now_allowed",
        }
    }
}

/// The feed that has the address now.
#[derive(Debug, Clone)]
pub struct Added {
    /// What was done.
    pub outcome: AddOutcome,
    /// The feed.
    pub feed: Feed,
}

impl ToJson for Added {
    fn to_json(&self) -> Json {
        Json::object([("outcome", self.outcome.as_str().into()), ("feed", self.feed.to_json())])
    }
}

impl Engine {
    /// Adds a feed; nothing is fetched yet.
    ///
    /// # Errors
    /// `Usage`: an address that cannot be fetched, a name that is taken, a namespace that another feed uses and that
    /// was not named, another name, namespace or adapter for an address that is there already, an adapter or an option
    /// that is not known, a path that leads to nothing that the adapter reads, a rhythm that cannot be kept, several
    /// logins. `NotFound`: nothing is at the path.
    /// `Failed`: a private address, or a port, that is not allowed; an import into the store is unfinished.
    pub async fn add(&self, request: AddFeed) -> Result<Added, OpError> {
        let address = parse_address(&request.address)?;
        check_rhythm(&request.rhythm, &address)?;
        refuse_unfinished_import(self.storage()).await?;
        let feeds = self.state().feeds().await?;
        let stored = address.to_string();
        let held = feeds.iter().find(|feed| feed.status != FeedStatus::Removed && feed.address == stored);
        let held = held.or_else(|| moved_from(&feeds, &stored));
        if let Some(held) = held {
            check_path(&address, AdapterChoice::of(held).name()).await?;
            return self.add_again(held.clone(), &request, &address).await;
        }
        let (name, choice) = self.named_and_read(&request, &address, &feeds)?;
        let rhythm = with_declared_rhythm(request.rhythm.clone(), self.settings().declared.get(&name));
        check_path(&address, choice.name()).await?;
        let declared = self.settings().declared.get(&name);
        let namespace = match request.namespace.or_else(|| declared.and_then(DeclaredFeed::namespace).cloned()) {
            Some(namespace) => namespace,
            None => match Adapter::shared_namespace(choice.name()) {
                Some(shared) => shared_namespace(shared, choice.name(), &feeds)?,
                None => default_namespace(&name, &feeds)?,
            },
        };
        let adapter = Adapter::read(&choice, &namespace)?;
        adapter.suits(&address)?;
        // What a collect would refuse is refused now.
        let requests = with_declared_requests(request.requests, declared);
        check_logins(choice.options(), &requests)?;
        self.fetcher().check(&address, self.reach(request.allow_private), requests.between())?;
        let added_at = self.now();
        let mut settings = FeedSettings::default();
        settings.set_tags(request.tags);
        settings.set_adapter(&choice);
        settings.set_rhythm(&rhythm);
        settings.set_requests(&requests);
        let feed = Feed {
            id: FeedId::new(self.new_uuid(added_at)),
            name,
            address: stored,
            namespace,
            status: FeedStatus::Active,
            key_rule: adapter.key_rule(),
            allow_private: request.allow_private,
            settings: settings.to_content(),
            added_at,
        };
        self.state().add_feed(&feed).await.map_err(name_taken)?;
        Ok(Added { outcome: AddOutcome::Added, feed })
    }

    /// What a feed of that address would be called, and how it would be read.
    pub(super) fn named_and_read(
        &self,
        request: &AddFeed,
        address: &Address,
        feeds: &[Feed],
    ) -> Result<(FeedName, AdapterChoice), OpError> {
        let name = if let Some(name) = &request.name {
            name.clone()
        } else {
            let choice = request.adapter.clone().at(address);
            let suggested = choice.suggested_name(address).unwrap_or_else(|| address.suggested_name());
            FreeNames::new(feeds).take(&suggested)?
        };
        let choice = with_declared(request.adapter.clone(), self.settings().declared.get(&name)).at(address);
        Ok((name, choice))
    }

    async fn add_again(&self, held: Feed, request: &AddFeed, address: &Address) -> Result<Added, OpError> {
        if let Some(wanted) = request.namespace.as_ref().filter(|wanted| **wanted != held.namespace) {
            let Feed { name, namespace, address, .. } = &held;
            return Err(OpError::usage(
                "feed.namespace_fixed",
                format!("{address} is there as {name}, with the namespace {namespace} for good, not {wanted}"),
            )
            .with_hint(format!("`feedspine feed rm {name}` frees the address to be added anew")));
        }
        if let Some(wanted) = request.name.as_ref().filter(|wanted| **wanted != held.name) {
            let Feed { name, address, .. } = &held;
            return Err(OpError::usage("feed.named_otherwise", format!("{address} is there as {name}, not {wanted}"))
                .with_hint(format!("`feedspine feed rename {name} {wanted}` calls it so")));
        }
        let declared = self.settings().declared.get(&held.name);
        let asked_for = request.adapter.clone().at(address);
        let wanted = with_declared(request.adapter.clone(), declared).at(address);
        if !asked_for.is_default() && ![&asked_for, &wanted].contains(&&AdapterChoice::of(&held)) {
            let Feed { name, address, namespace, .. } = &held;
            return Err(OpError::usage(
                "feed.adapter_fixed",
                format!("{address} is there as {name}, with other options"),
            )
            .with_hint(format!(
                "`feedspine feed show {name}` shows them; `feedspine feed set {name}` changes key, fold_case and \
                 volatile; `feedspine feed rm {name}` frees the address, and --namespace {namespace} \
                 goes on with its records"
            )));
        }
        let rhythm = with_declared_rhythm(request.rhythm.clone(), declared);
        if !request.rhythm.is_default() && ![&request.rhythm, &rhythm].contains(&&RhythmChoice::of(&held)) {
            let Feed { name, address, .. } = &held;
            let message = format!("{address} is there as {name}, fetched {}", RhythmChoice::of(&held).rhythm());
            let said = request.rhythm.said();
            let words = said.iter().map(|(name, value)| match value.as_str() {
                Some(text) if text.contains(' ') => format!(" '{name}={text}'"),
                Some(text) => format!(" {name}={text}"),
                None => format!(" {name}={value}"),
            });
            let words: String = words.collect();
            return Err(OpError::usage("feed.rhythm_otherwise", message)
                .with_hint(format!("`feedspine feed set {name}{words}` changes that")));
        }
        let requests = with_declared_requests(request.requests.clone(), declared);
        if !request.requests.is_default() && ![&request.requests, &requests].contains(&&RequestChoice::of(&held)) {
            let Feed { name, address, .. } = &held;
            let message = format!("{address} is there as {name}, and asked otherwise");
            return Err(OpError::usage("feed.requests_otherwise", message)
                .with_hint(format!("`feedspine feed set {name} NAME=VALUE` changes how")));
        }
        if !request.allow_private || held.allow_private {
            return Ok(Added { outcome: AddOutcome::Already, feed: held });
        }
        let feed = Feed { allow_private: true, ..held.clone() };
        // Once alone: it may be elsewhere now, which nobody allowed.
        if !self.state().replace_feed(&held, &feed).await? {
            return Err(changed_meanwhile(&held.name));
        }
        self.fetch_soon(&feed, Subject::Reach).await?;
        Ok(Added { outcome: AddOutcome::NowAllowed, feed })
    }
}

/// What was chosen, with what the configuration says where nothing was.
pub(super) fn with_declared(choice: AdapterChoice, declared: Option<&DeclaredFeed>) -> AdapterChoice {
    match declared {
        Some(declared) => declared.complete(choice),
        None => choice,
    }
}

/// The same for when it is fetched.
pub(super) fn with_declared_rhythm(choice: RhythmChoice, declared: Option<&DeclaredFeed>) -> RhythmChoice {
    match declared {
        Some(declared) => choice.or(declared.rhythm()),
        None => choice,
    }
}

/// The same for how its server is asked.
pub(super) fn with_declared_requests(choice: RequestChoice, declared: Option<&DeclaredFeed>) -> RequestChoice {
    match declared {
        Some(declared) => choice.or(declared.requests()),
        None => choice,
    }
}

/// Sees that a rhythm can be kept, and that there is something to fetch.
fn check_rhythm(rhythm: &RhythmChoice, address: &Address) -> Result<(), OpError> {
    rhythm.check().map_err(contradiction)?;
    if matches!(address, Address::Push(_)) && !rhythm.is_default() {
        let message = format!("{address} is handed over, never fetched: it has no rhythm");
        return Err(OpError::usage("feed.pushed", message).with_hint("leave out --every, --cron and --fixed"));
    }
    Ok(())
}

/// A conflict of the control plane at this point is a name that another feed has.
pub(super) fn name_taken(error: feedspine_core::StorageError) -> OpError {
    if error.kind() == feedspine_core::ErrorKind::Conflict {
        let hint = error.hint().unwrap_or("choose another name").to_owned();
        return OpError::usage("feed.name_taken", error.to_string()).with_hint(hint);
    }
    error.into()
}

/// Reads an address, from the working directory.
pub(super) fn parse_address(text: &str) -> Result<Address, OpError> {
    let base = std::env::current_dir()
        .map_err(|error| OpError::failed("file.unreadable", format!("no working directory: {error}")))?;
    let address = Address::parse(text, &base)?;
    Ok(match address {
        Address::File(path) => Address::File(without_steps_back(path)),
        address => address,
    })
}

/// A path without `..`, as far as that leads to the same place: a file has one address, wherever it is named from.
fn without_steps_back(path: PathBuf) -> PathBuf {
    if !path.components().any(|part| part == Component::ParentDir) {
        return path;
    }
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    // A link on the way may lead back to somewhere else.
    let place = |path: &Path| path.parent().and_then(|folder| folder.canonicalize().ok());
    if place(&plain).is_some() && place(&plain) == place(&path) { plain } else { path }
}

/// Sees that an address of this machine leads to what such an adapter reads.
pub(super) async fn check_path(address: &Address, adapter: &str) -> Result<(), OpError> {
    let Address::File(path) = address else { return Ok(()) };
    if path.to_str().is_none() {
        return Err(OpError::usage("address.malformed", format!("the path is not UTF-8: {}", path.display())));
    }
    if adapter == Adapter::FILES {
        return check_folder(path).await;
    }
    let found = tokio::fs::metadata(path).await.map_err(|error| {
        OpError::not_found("file.unreadable", format!("cannot read {}: {error}", path.display()))
            .with_hint("check the path; a URL begins with https:// or http://")
    })?;
    if !found.is_file() {
        return Err(OpError::usage("file.not_regular", format!("{} is not a regular file", path.display()))
            .with_hint("give the path of a feed document; --adapter files reads a folder"));
    }
    Ok(())
}

/// The names that no feed has and no feed's keys are under.
pub(super) struct FreeNames(HashSet<String>);

impl FreeNames {
    pub(super) fn new(feeds: &[Feed]) -> Self {
        let names = feeds.iter().filter(|feed| feed.status != FeedStatus::Removed).map(|feed| feed.name.as_str());
        let namespaces = feeds.iter().map(|feed| feed.namespace.as_str());
        Self(names.chain(namespaces).map(str::to_owned).collect())
    }

    /// That name, or the first of `name-2`, `name-3` … that is free; it is no longer.
    pub(super) fn take(&mut self, wanted: &str) -> Result<FeedName, OpError> {
        let numbered = (2_u64..).map(|number| format!("{wanted}-{number}"));
        let free = std::iter::once(wanted.to_owned()).chain(numbered).find(|name| !self.0.contains(name));
        let free = free.expect("the numbers do not run out");
        let name = FeedName::new(&free)?;
        self.0.insert(free);
        Ok(name)
    }
}

/// The namespace of all feeds that an adapter reads, unless one that is read otherwise has it.
fn shared_namespace(shared: &str, adapter: &str, feeds: &[Feed]) -> Result<Namespace, OpError> {
    let other =
        feeds.iter().find(|feed| feed.namespace.as_str() == shared && AdapterChoice::of(feed).name() != adapter);
    match other {
        None => Ok(Namespace::new(shared)?),
        Some(user) => {
            let message = format!("the namespace {shared} of {adapter} is used by feed {} already", user.name);
            let hint = format!("--namespace {shared} shares its records; another --namespace keeps them apart");
            Err(OpError::usage("feed.namespace_taken", message).with_hint(hint))
        }
    }
}

/// Keys that meet by accident would merge records for ever: sharing a namespace has to be said.
fn default_namespace(name: &FeedName, feeds: &[Feed]) -> Result<Namespace, OpError> {
    match feeds.iter().find(|feed| feed.namespace.as_str() == name.as_str()) {
        None => Ok(Namespace::new(name.as_str())?),
        Some(user) => {
            let removed = if user.status == FeedStatus::Removed { "the removed feed" } else { "feed" };
            let message = format!("the namespace {name} is used by {removed} {} already", user.name);
            let hint = format!("--namespace {name} shares its records; another --name or --namespace keeps them apart");
            Err(OpError::usage("feed.namespace_taken", message).with_hint(hint))
        }
    }
}
