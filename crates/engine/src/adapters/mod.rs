//! Adapters: how what is at a feed's address becomes pages of items.
//!
//! To add one: a module with its options ([`options::Options`] reads each by its name) and a type that implements
//! [`Pages`]; a variant of [`Adapter`] and its row in [`Adapter::read`]; a pure reader in `crates/parse`; its section in
//! `docs/guides/adapters.md`, its sample in `examples/feeds`, its tests against the loopback server. The journey of a fetch
//! (`collect/one/paged.rs`) commits what it gives: nothing here knows of batches, parts and stores.

mod asking;
mod choice;
mod command;
mod documents;
mod edgar;
mod files;
mod identity;
mod json;
mod lists;
mod options;
mod presets;
mod push;
mod scraps;
mod secrets;
mod table;

use std::ops::AddAssign;
use std::sync::Arc;

use async_trait::async_trait;
use feedspine_core::{Candidate, Feed, FetchId, Json, KeyRule, Namespace, Reject, Timestamp};
use feedspine_parse::Warning;
use tokio::sync::SemaphorePermit;

pub(crate) use asking::{check_option, is_login, logins, template};
pub use choice::AdapterChoice;
pub(crate) use identity::Identity;
use presets::{PRESETS, Preset};
pub(crate) use push::{Push, not_fetched};
pub(crate) use scraps::scraps_body;
pub(crate) use secrets::{Secrets, Template, check_references};

use crate::archive::KeptBody;
use crate::collect::cursor::{Memory, Source};
use crate::collect::document::read_again;
use crate::fetch::{FetchFailure, Manner, Reach, Trace};
use crate::{Address, Engine, OpError};
use command::{Command, CommandPages};
use edgar::{Edgar, EdgarList};
pub(crate) use files::check_folder;
use files::{FilePages, Files};
use identity::Naming;
use json::{JsonApi, JsonPages};
use lists::{List, ListKind, ListPages};
use options::Options;
pub(crate) use options::{KEEP_HINT, nearest};
use table::{Table, TablePages};

/// How a feed is read, its options parsed.
#[derive(Debug)]
pub(crate) enum Adapter {
    /// One document in a format of feeds.
    Feed(Identity),
    /// Pages of JSON.
    Json(Box<JsonApi>),
    /// Rows of a table.
    Csv(Box<Table>),
    /// A sitemap, or a manifest.
    List(Box<List>),
    /// A list of what is filed with the SEC.
    Edgar(Box<Edgar>),
    /// What a program prints.
    Command(Box<Command>),
    /// Files of a folder.
    Files(Box<Files>),
    /// Lines that are handed to us.
    Push(Box<Push>),
}

impl Adapter {
    /// The adapter of feeds for which none was chosen.
    pub(crate) const FEED: &str = "feed";
    const NAMES: [&str; 9] =
        [Self::FEED, "json", "csv", "sitemap", "manifest", Self::EDGAR, Self::FILES, Self::COMMAND, Self::PUSH];
    /// That of programs.
    pub(crate) const COMMAND: &str = "command";
    /// That of the lists of EDGAR.
    pub(crate) const EDGAR: &str = "edgar";
    /// That of folders.
    pub(crate) const FILES: &str = "files";
    /// Never collected.
    pub(crate) const PUSH: &str = "push";

    /// That of a feed.
    ///
    /// # Errors
    /// `Usage`: its settings were written by a version that knew more, or by hand.
    pub(crate) fn of(feed: &Feed) -> Result<Self, OpError> {
        Self::read(&AdapterChoice::of(feed), &feed.namespace)
    }

    /// Parses what was chosen.
    ///
    /// # Errors
    /// `Usage`: an adapter or an option that is not known, a value that an option cannot have.
    pub(crate) fn read(choice: &AdapterChoice, namespace: &Namespace) -> Result<Self, OpError> {
        if let Some(preset) = Preset::named(choice.name()) {
            let mut options = Options::new(preset.name, preset.complete(choice.options()));
            let api = JsonApi::read(&mut options, namespace)?;
            options.finish()?;
            return Ok(Self::Json(Box::new(api)));
        }
        let known = names().find(|name| *name == choice.name()).ok_or_else(|| unknown(choice.name()))?;
        let mut options = Options::new(known, choice.options().clone());
        let adapter = match known {
            "csv" => Self::Csv(Box::new(Table::read(&mut options, namespace)?)),
            "json" => Self::Json(Box::new(JsonApi::read(&mut options, namespace)?)),
            "manifest" => Self::List(Box::new(List::read(ListKind::Manifest, &mut options, namespace)?)),
            "sitemap" => Self::List(Box::new(List::read(ListKind::Sitemap, &mut options, namespace)?)),
            Self::EDGAR => Self::Edgar(Box::new(Edgar::read(&mut options, namespace)?)),
            Self::COMMAND => Self::Command(Box::new(Command::read(&mut options, namespace)?)),
            Self::FILES => Self::Files(Box::new(Files::read(&mut options, namespace)?)),
            Self::PUSH => Self::Push(Box::new(Push::read(&mut options, namespace)?)),
            _ => {
                let identity = Identity::read(&mut options, Naming::Paths)?;
                identity.places()?;
                Self::Feed(identity)
            }
        };
        options.finish()?;
        Ok(adapter)
    }

    /// Parses what was chosen for a feed whose address is not known yet, which may tell what was not said.
    ///
    /// # Errors
    /// As [`Adapter::read`].
    pub(crate) fn read_anywhere(choice: &AdapterChoice, namespace: &Namespace) -> Result<Self, OpError> {
        let is_told = choice.name() != Self::EDGAR || choice.options().contains_key(EdgarList::OPTION);
        if is_told {
            return Self::read(choice, namespace);
        }
        let of_list = |list: EdgarList| {
            let option = (EdgarList::OPTION.to_owned(), Json::from(list.as_str()));
            Self::read(&choice.clone().or_options([(&option.0, &option.1)]), namespace)
        };
        let read = EdgarList::ALL.map(of_list);
        // The daily index has all options that others have.
        let mut read = read.into_iter();
        let first = read.next().expect("there are lists");
        read.fold(first, Result::or)
    }

    /// Begins a fetch of a source that comes in pages.
    ///
    /// # Errors
    /// What is wrong before anything is asked, such as a secret that is missing.
    pub(crate) fn begin<'a>(&'a self, ground: Ground<'a>) -> Result<Box<dyn Pages<'a> + 'a>, OpError> {
        match self {
            Self::Json(api) => Ok(Box::new(JsonPages::begin(api, ground)?)),
            Self::Csv(table) => Ok(Box::new(TablePages::begin(table, ground)?)),
            Self::List(list) => Ok(Box::new(ListPages::begin(list, ground)?)),
            Self::Edgar(edgar) => edgar.begin(ground),
            Self::Command(command) => Ok(Box::new(CommandPages::begin(command, ground)?)),
            Self::Files(files) => Ok(Box::new(FilePages::begin(files, ground)?)),
            Self::Feed(_) | Self::Push(_) => {
                Err(OpError::failed("adapter.unknown", format!("{} does not come in pages", ground.address)))
            }
        }
    }

    /// Whether an adapter reads what is at such an address.
    ///
    /// # Errors
    /// `Usage`: it does not.
    pub(crate) fn suits(&self, address: &Address) -> Result<(), OpError> {
        let suits = match (self, address) {
            (Self::Command(command), address) => return command.words_at(address).map(drop),
            (Self::Edgar(edgar), address) => edgar.suits(address),
            (Self::Push(_), address) => matches!(address, Address::Push(_)),
            (Self::Files(_), address) => matches!(address, Address::File(_)),
            (_, address) => matches!(address, Address::Http(_) | Address::File(_)),
        };
        if suits {
            return Ok(());
        }
        let hint = match (self, address) {
            (Self::Push(_), _) => "an address for it is push:NAME",
            (Self::Edgar(_), _) => "the daily index is a folder at www.sec.gov; a file of a day is list=index",
            (Self::Files(_), _) => "give a folder, or a pattern such as 'inbox/*.json'",
            _ => "leave out --adapter: the address says how it is read",
        };
        Err(OpError::usage("adapter.address", format!("this adapter does not read {address}")).with_hint(hint))
    }

    /// The namespace that all feeds of an adapter share unless it is said otherwise: one filing is one record, whichever
    /// list shows it.
    pub(crate) fn shared_namespace(name: &str) -> Option<&'static str> {
        (name == Self::EDGAR).then_some("sec")
    }

    /// Whether of what it reads only the lines are kept that were rejected, and no documents.
    pub(crate) const fn keeps_lines(&self) -> bool {
        matches!(self, Self::Csv(_) | Self::Command(_) | Self::Files(_) | Self::Push(_))
    }

    /// Reads a body again that was kept, by what is chosen for the feed now: its items, and what is still rejected. To be
    /// called on a thread that may be busy.
    ///
    /// # Errors
    /// It is no longer read at all.
    pub(crate) fn read_again(&self, feed: &Feed, body: &KeptBody) -> Result<(Vec<Candidate>, Vec<Reject>), OpError> {
        if self.keeps_lines() != scraps::are_scraps(body) {
            let message = format!("this was kept when another adapter read {}", feed.name);
            return Err(OpError::failed("adapter.body", message)
                .with_hint(format!("`feedspine collect {}` reads what is there now", feed.name)));
        }
        match self {
            Self::Feed(identity) => read_again(feed, identity, body),
            Self::Json(api) => api.read_again(feed, body),
            Self::List(list) => list.read_again(feed, body),
            Self::Edgar(edgar) => edgar.read_again(feed, body),
            Self::Csv(table) => scraps::read_again(feed, body, |scrap| table.read_again(scrap)),
            Self::Command(command) => scraps::read_again(feed, body, |scrap| command.read_again(scrap)),
            Self::Files(files) => scraps::read_again(feed, body, |scrap| files.read_again(scrap)),
            Self::Push(push) => scraps::read_again(feed, body, |scrap| push.read_again(scrap)),
        }
    }

    /// The documents in a body that was kept, which is one but where pages had to be read together.
    pub(crate) fn documents<'b>(&self, body: &'b KeptBody) -> Vec<&'b [u8]> {
        match self {
            Self::Edgar(edgar) => edgar.documents(body),
            _ => vec![&body.bytes],
        }
    }

    /// What the operator says of its items' identity.
    pub(crate) fn identity(&self) -> &Identity {
        match self {
            Self::Feed(identity) => identity,
            Self::Json(api) => &api.identity,
            Self::Csv(table) => &table.identity,
            Self::List(list) => &list.identity,
            Self::Edgar(edgar) => &edgar.identity,
            Self::Command(command) => &command.identity,
            Self::Files(files) => &files.identity,
            Self::Push(push) => &push.identity,
        }
    }

    /// The key rule that a feed has from the start; `None` when its first items choose it.
    pub(crate) fn key_rule(&self) -> Option<KeyRule> {
        let words: Vec<&str> = self.identity().key.iter().map(String::as_str).collect();
        match (self, words.as_slice()) {
            (_, ["content"]) => Some(KeyRule::Content),
            (Self::Feed(_), []) => None,
            (Self::Feed(_), ["id"]) => Some(KeyRule::Id),
            (Self::Feed(_), ["link"]) => Some(KeyRule::Link),
            _ => Some(KeyRule::Given),
        }
    }
}

/// What adapters are called, presets included.
fn names() -> impl Iterator<Item = &'static str> {
    Adapter::NAMES.into_iter().chain(PRESETS.iter().map(|preset| preset.name))
}

fn unknown(name: &str) -> OpError {
    let error = OpError::usage("adapter.unknown", format!("there is no adapter {name:?}"));
    let known: Vec<&str> = names().collect();
    match nearest(name, &known) {
        Some(near) => error.with_hint(format!("did you mean {near}?")),
        None => error.with_hint(format!("there are {}", known.join(", "))),
    }
}

/// What an adapter works with during one fetch.
pub(crate) struct Ground<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) address: Address,
    pub(crate) reach: Reach,
    /// How the feed's server is asked.
    pub(crate) manner: Arc<Manner>,
    /// What the last committed fetch left; `None` when nothing can be built on it.
    pub(crate) memory: Option<Memory>,
    /// The observation that told what the feed holds.
    pub(crate) manifest: Option<FetchId>,
    /// When this fetch reads the feed.
    pub(crate) observed_at: Timestamp,
    /// When the feed was added; now, for one that was not.
    pub(crate) added_at: Timestamp,
    /// Where the requests are noted that the fetch takes.
    pub(crate) trace: Arc<Trace>,
}

/// What a fetch says of the items that it does not list; the same for all its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Covers {
    /// They are not there.
    All,
    /// Nothing.
    Some,
}

impl Covers {
    /// The word of the option `coverage`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::All => "snapshot",
            Self::Some => "delta",
        }
    }
}

/// A source under way: one page after the other, each read when it is asked for, so that one is in memory at a time.
#[async_trait]
pub(crate) trait Pages<'a>: Send {
    /// What the fetch says of other items; asked once the first page is there.
    fn covers(&self) -> Covers;

    /// The next page. Never asked again after the last one, or after an error.
    ///
    /// An error ends the fetch as failed: pages before it stay stored, and the cursor stays where it was.
    async fn next(&mut self) -> Result<Told<'a>, FetchFailure>;

    /// Does what may be done only once the last page is stored; what is to be told of it. An error makes the fetch a
    /// failed one, of which everything is stored.
    async fn settle(&mut self) -> Result<Vec<Warning>, OpError> {
        Ok(Vec::new())
    }
}

/// What a source told.
pub(crate) enum Told<'a> {
    /// The same as at the last fetch. Only instead of a first page; for [`Covers::All`] only on a [`Ground::manifest`].
    Same {
        cost: Cost,
        memory: Memory,
    },
    Page(Page<'a>),
}

/// One page.
pub(crate) struct Page<'a> {
    /// Ordinals ascend over all pages of a fetch.
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) rejects: Vec<Reject>,
    /// What it was read from, where that can be read again: it is kept.
    pub(crate) body: Option<RawBody>,
    pub(crate) cost: Cost,
    pub(crate) then: Then,
    /// The room that it takes, given back when it is stored.
    pub(crate) room: Option<SemaphorePermit<'a>>,
}

/// A body, decoded, as it was read.
#[derive(Debug)]
pub(crate) struct RawBody {
    /// The ordinal of its first item.
    pub(crate) first_ordinal: u32,
    /// That of its last one.
    pub(crate) last_ordinal: u32,
    pub(crate) source: Source,
    /// The fields of the answer's header that are kept with it.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) bytes: Vec<u8>,
}

/// What a page cost.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) http_status: Option<u16>,
    pub(crate) wire_bytes: u64,
    pub(crate) body_bytes: u64,
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.http_status = other.http_status.or(self.http_status);
        self.wire_bytes += other.wire_bytes;
        self.body_bytes += other.body_bytes;
    }
}

/// What comes after a page.
pub(crate) enum Then {
    More,
    End(Box<End>),
}

/// The end of a fetch.
pub(crate) struct End {
    /// Every page was read to its end.
    pub(crate) complete: bool,
    /// What is remembered for the next fetch.
    pub(crate) memory: Memory,
    pub(crate) warnings: Vec<Warning>,
}

/// Warnings of many pages, one for each code.
pub(crate) fn gather(held: &mut Vec<Warning>, further: Vec<Warning>) {
    for warning in further {
        match held.iter_mut().find(|held| held.code == warning.code) {
            Some(held) => held.count = held.count.saturating_add(warning.count),
            None => held.push(warning),
        }
    }
}

#[cfg(test)]
mod tests;
