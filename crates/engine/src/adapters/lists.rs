//! Lists of addresses: sitemaps, with the indexes that lead to them, and manifests.

use std::collections::{BTreeMap, HashSet, VecDeque};

use async_trait::async_trait;
use feedspine_core::{Candidate, ContentHash, Feed, Json, Namespace, Reject, Timestamp};
use feedspine_parse::{
    FurtherList, Input, ItemKey, ItemRules, JsonQuery, ListPage, Warning, read_date, read_manifest, read_sitemap,
};
use sha2::{Digest, Sha256};

use super::asking::Asking;
use super::documents::{Document, Documents, Got};
use super::identity::{Identity, Naming};
use super::options::{Options, place};
use super::{Cost, Covers, End, Ground, Page, Pages, RawBody, Then, Told, gather};
use crate::archive::KeptBody;
use crate::collect::cursor::{Memory, Source};
use crate::collect::document::{cut_off, last_ordinal, reading, unreadable};
use crate::fetch::{FetchFailure, Validators};
use crate::{Address, OpError};

/// How many sitemaps one fetch reads, unless it is said otherwise.
const MAX_SITEMAPS: u64 = 100;
/// Microseconds from the beginning of a day in UTC until it has ended everywhere.
const DAY: i64 = 36 * 3_600 * 1_000_000;
/// Microseconds within which what is dated to the second, or the minute, may change again under that date.
const MINUTE: i64 = 60 * 1_000_000;

/// What a list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListKind {
    Sitemap,
    Manifest,
}

impl ListKind {
    fn read(
        self,
        input: &Input<'_>,
        rules: &ItemRules,
        first_ordinal: u32,
        address: &str,
    ) -> Result<ListPage, OpError> {
        let limits = feedspine_parse::Limits::default();
        let read = match self {
            Self::Sitemap => read_sitemap(input, rules, first_ordinal, &limits),
            Self::Manifest => read_manifest(input, rules, first_ordinal, &limits),
        };
        let page = read.map_err(|error| unreadable(address, &error))?;
        if page.truncated { Err(cut_off(address, "xml.truncated")) } else { Ok(page) }
    }
}

/// The options of these adapters.
#[derive(Debug)]
pub(crate) struct List {
    pub(super) identity: Identity,
    kind: ListKind,
    rules: ItemRules,
    asking: Asking,
    covers: Covers,
    max_sitemaps: u64,
}

impl List {
    /// Reads a list again that was kept: its items, and what is still rejected.
    pub(super) fn read_again(&self, feed: &Feed, body: &KeptBody) -> Result<(Vec<Candidate>, Vec<Reject>), OpError> {
        let input = Input { bytes: &body.bytes, content_type: body.content_type.as_deref(), base: body.url.as_deref() };
        let page = self.kind.read(&input, &self.rules, body.first_ordinal, &feed.address)?;
        Ok((page.candidates, page.rejects))
    }

    pub(super) fn read(kind: ListKind, options: &mut Options, namespace: &Namespace) -> Result<Self, OpError> {
        let identity = Identity::read(options, Naming::Paths)?;
        let mut rules = identity.item_rules(namespace, options)?;
        let (key, members): (&str, &[(&str, &str)]) = match kind {
            ListKind::Sitemap => (
                "loc",
                &[
                    ("link", "loc"),
                    ("title", "news.title"),
                    ("published", "news.publication_date"),
                    ("updated", "lastmod"),
                ],
            ),
            ListKind::Manifest => ("url", &[("link", "url"), ("title", "name")]),
        };
        if rules.key == ItemKey::Unsaid {
            rules.key = ItemKey::Places(vec![JsonQuery::member(key)]);
        }
        for (name, from) in members {
            if !rules.members.iter().any(|(said, _)| said == name) {
                rules.members.push(((*name).to_owned(), place(name, from)?));
            }
        }
        let (fallback, max_sitemaps) = match kind {
            ListKind::Sitemap => (Covers::Some, options.number("max_sitemaps", 1..=50_000)?),
            ListKind::Manifest => (Covers::All, Some(1)),
        };
        Ok(Self {
            identity,
            kind,
            rules,
            asking: Asking::read(options)?,
            covers: options.coverage()?.unwrap_or(fallback),
            max_sitemaps: max_sitemaps.unwrap_or(MAX_SITEMAPS),
        })
    }
}

/// One fetch under way.
pub(super) struct ListPages<'a> {
    list: &'a List,
    documents: Documents<'a>,
    queue: VecDeque<Next>,
    /// The addresses that were ever in the queue: an index that leads in a circle is not followed.
    seen: HashSet<String>,
    /// Lists that were read.
    read: u64,
    ordinal: u32,
    first: Option<(Source, Option<Validators>, ContentHash)>,
    bodies: Sha256,
    complete: bool,
    /// When the sitemaps of an index were changed last, by their address: as the last fetch read them, and this one.
    held: BTreeMap<String, Json>,
    changed: BTreeMap<String, Json>,
    /// Sitemaps of an index that were not read, since they are as the last fetch read them.
    left_out: u64,
    /// Why a sitemap could not be read.
    failure: Option<FetchFailure>,
    warnings: Vec<Warning>,
}

/// A list to be read.
struct Next {
    address: Address,
    /// What an index says of it: how it is called there, and when it was changed last.
    told: Option<(String, String)>,
}

impl<'a> ListPages<'a> {
    pub(super) fn begin(list: &'a List, ground: Ground<'a>) -> Result<Self, OpError> {
        let asked = list.asking.resolve()?;
        let mut address = ground.address.clone();
        if let Address::Http(url) = &mut address {
            asked.complete(url);
        }
        let held = ground.memory.as_ref().and_then(|memory| memory.state.get("sitemaps"));
        let held = match held {
            Some(Json::Object(held)) => held.clone(),
            _ => BTreeMap::new(),
        };
        Ok(Self {
            list,
            documents: Documents { ground, asked, most_bytes: None },
            seen: HashSet::from([address.to_string()]),
            queue: VecDeque::from([Next { address, told: None }]),
            read: 0,
            ordinal: 0,
            first: None,
            bodies: Sha256::new(),
            complete: true,
            held,
            changed: BTreeMap::new(),
            left_out: 0,
            failure: None,
            warnings: Vec::new(),
        })
    }

    /// The last fetch, when it read one list and that says all.
    fn alone(&self) -> Option<&Memory> {
        let ground = &self.documents.ground;
        let known = self.list.covers == Covers::Some || ground.manifest.is_some();
        let memory = ground.memory.as_ref().filter(|_| known && self.read == 0);
        memory.filter(|memory| memory.state == self.state(true))
    }

    fn state(&self, alone: bool) -> Json {
        let covers = ("covers", self.list.covers.as_str().into());
        let told = if alone { ("alone", true.into()) } else { ("sitemaps", Json::Object(self.changed.clone())) };
        Json::object([covers, told])
    }

    async fn page(&mut self, address: &Address) -> Result<Told<'a>, FetchFailure> {
        let document = match self.documents.get(address, self.alone()).await? {
            Got::Same { cost, memory } => return Ok(Told::Same { cost, memory }),
            Got::Document(document) => document,
        };
        let Document { bytes, hash, source, headers, validators, cost, warning, room } = document;
        let (kind, rules, ordinal) = (self.list.kind, self.list.rules.clone(), self.ordinal);
        let (named, shown) = (source.clone(), address.to_string());
        let read = move || {
            let base = named.url.as_deref();
            let input = Input { bytes: &bytes, content_type: named.content_type.as_deref(), base };
            let page = kind.read(&input, &rules, ordinal, &shown)?;
            Ok((page, bytes))
        };
        let patience = self.documents.ground.engine.settings().limits.parse;
        let read = reading(&address.to_string(), patience, read).await;
        let Cost { http_status, wire_bytes, .. } = cost;
        let (page, bytes) = read.map_err(|error| FetchFailure {
            error: self.documents.asked.secrets.hide(error),
            http_status,
            wire_bytes,
        })?;
        let ListPage { candidates, rejects, further, warnings, .. } = page;
        let last_ordinal = last_ordinal(&candidates, &rejects);
        let body = RawBody { first_ordinal: ordinal, last_ordinal, source: source.clone(), headers, bytes };
        self.read += 1;
        self.bodies.update(hash.as_bytes());
        self.first.get_or_insert((source, validators, hash));
        let count = u32::try_from(candidates.len() + rejects.len()).unwrap_or(u32::MAX);
        self.ordinal = self.ordinal.saturating_add(count);
        gather(&mut self.warnings, warning.into_iter().chain(warnings).collect());
        self.follow(further);
        Ok(Told::Page(Page { candidates, rejects, body: Some(body), cost, then: Then::More, room: Some(room) }))
    }

    /// Puts further sitemaps into the queue; one that was not changed since it was read is left out, when nothing is said
    /// of what is not listed.
    fn follow(&mut self, further: Vec<FurtherList>) {
        for FurtherList { address, changed } in further {
            let Ok(Address::Http(mut url)) = address.parse() else {
                self.warn("sitemap.location", format!("{address} is no address of the web"));
                continue;
            };
            let read_at = self.documents.ground.memory.as_ref().map(|memory| memory.read_at);
            let known = changed
                .as_deref()
                .zip(read_at)
                .is_some_and(|(at, read_at)| self.held.get(&address) == Some(&at.into()) && is_over(at, read_at));
            if known && self.list.covers == Covers::Some {
                self.left_out += 1;
                self.changed.extend(self.held.get_key_value(&address).map(|(key, at)| (key.clone(), at.clone())));
                continue;
            }
            if matches!(&self.documents.ground.address, Address::Http(home) if home.origin() == url.origin()) {
                self.documents.asked.complete(&mut url);
            }
            let asked = Address::Http(url);
            if !self.seen.insert(asked.to_string()) {
                continue;
            }
            // The first of them is the index.
            if self.seen.len() as u64 > self.list.max_sitemaps + 1 {
                self.complete = false;
                let most = self.list.max_sitemaps;
                self.warn("pages.limit", format!("only {most} sitemaps were read; there are more"));
                return;
            }
            self.queue.push_back(Next { address: asked, told: changed.map(|at| (address, at)) });
        }
    }

    fn warn(&mut self, code: &'static str, first: String) {
        gather(&mut self.warnings, vec![Warning { code, count: 1, first }]);
    }

    fn end(&mut self) -> End {
        let (source, validators, hash) = self.first.take().expect("a list was read");
        let alone = self.read == 1 && self.seen.len() == 1 && self.complete && self.changed.is_empty();
        let body = if alone { hash } else { ContentHash::from_bytes(self.bodies.clone().finalize().into()) };
        let memory = Memory {
            validators: validators.filter(|_| alone),
            body,
            source,
            read_at: self.documents.ground.observed_at,
            state: self.state(alone),
        };
        End { complete: self.complete, memory, warnings: std::mem::take(&mut self.warnings) }
    }

    /// A sitemap of an index that cannot be read costs itself only, unless its host wants no more questions.
    fn give_up(&mut self, address: &Address, failure: FetchFailure) -> Result<(), FetchFailure> {
        if self.read == 0 || self.documents.ground.engine.fetcher().rests(address) {
            return Err(failure);
        }
        self.complete = false;
        self.warn("sitemap.unread", failure.error.message().to_owned());
        self.failure = Some(failure);
        Ok(())
    }
}

/// Whether what changes after it was read cannot have this date any more. One that is no date, or a month, tells nothing.
fn is_over(date: &str, read_at: Timestamp) -> bool {
    read_date(date).is_ok_and(|read| {
        let has_time = date.contains(':') && !read.zone_assumed;
        let within = if has_time { MINUTE } else { DAY };
        date.trim().len() >= "2026-11-24".len() && read_at.micros_since(read.at) >= within
    })
}

#[async_trait]
impl<'a> Pages<'a> for ListPages<'a> {
    fn covers(&self) -> Covers {
        self.list.covers
    }

    async fn next(&mut self) -> Result<Told<'a>, FetchFailure> {
        while let Some(Next { address, told }) = self.queue.pop_front() {
            match self.page(&address).await {
                Ok(Told::Page(page)) => {
                    self.changed.extend(told.map(|(named, at)| (named, at.into())));
                    let then = if self.queue.is_empty() { Then::End(Box::new(self.end())) } else { Then::More };
                    return Ok(Told::Page(Page { then, ..page }));
                }
                Ok(same) => return Ok(same),
                Err(failure) => self.give_up(&address, failure)?,
            }
        }
        // What was left were sitemaps that cannot be read.
        match self.failure.take() {
            Some(failure) if self.read <= 1 && self.left_out == 0 => Err(failure),
            _ => {
                let then = Then::End(Box::new(self.end()));
                let (candidates, rejects) = (Vec::new(), Vec::new());
                Ok(Told::Page(Page { candidates, rejects, body: None, cost: Cost::default(), then, room: None }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_over_when_nothing_later_can_have_it() {
        let read_at = "2026-11-24T12:00:00Z".parse().unwrap();
        for (date, over) in [
            ("2026-11-23", true),
            ("2026-11-24", false),
            ("2026-11-25", false),
            ("2026-11-24T11:59:00Z", true),
            ("2026-11-24T11:59:01Z", false),
            ("2026-11-24T13:59+02:00", true),
            ("2026-11-24T11:00:00", false),
            ("2026-11", false),
            ("yesterday", false),
        ] {
            assert_eq!(is_over(date, read_at), over, "{date}");
        }
    }
}
