//! [`JsonPages`]: one fetch of a JSON source, page by page.

use std::collections::HashSet;

use async_trait::async_trait;
use feedspine_core::{ContentHash, Json};
use feedspine_parse::{Input, JsonPage, Warning, read_json_page};
use reqwest::header::{ACCEPT, HeaderValue};
use sha2::{Digest, Sha256};
use url::Url;

use super::paging::{Paging, Read};
use super::{JsonApi, SinceFrom};
use crate::adapters::asking::{Asked, same_origin, set_parameter};
use crate::adapters::{Cost, Covers, End, Ground, Page, Pages, RawBody, Then, Told, gather};
use crate::collect::cursor::{Memory, Source};
use crate::collect::document::{last_ordinal, reading, unreadable};
use crate::fetch::{Body, FetchFailure, Fetched, Request, Validators};
use crate::{Address, OpError};

/// One fetch under way.
pub(in crate::adapters) struct JsonPages<'a> {
    api: &'a JsonApi,
    ground: Ground<'a>,
    asked: Asked,
    next: Next,
    /// The addresses that were asked, and what they gave: a source that leads in a circle is not followed.
    seen: HashSet<String>,
    bodies: HashSet<ContentHash>,
    /// Pages and items until now.
    pages: u64,
    items: u64,
    since: Option<Json>,
    first: Option<First>,
    bodies_together: Sha256,
    warnings: Vec<Warning>,
}

/// What is asked next.
enum Next {
    Page(Address),
    /// There are more pages than may be read.
    TooMany,
    Nothing,
}

/// What is remembered of the first page: it is the whole document, when there is only one.
struct First {
    source: Source,
    validators: Option<Validators>,
    body: ContentHash,
}

/// A page as it was received and read.
struct Arrived {
    hash: ContentHash,
    body_bytes: u64,
    /// What it says, and its bytes; `None` for the very bytes of the last fetch.
    page: Option<(JsonPage, Vec<u8>)>,
}

impl<'a> JsonPages<'a> {
    /// Resolves secrets and makes the first address; asks nothing yet.
    pub(in crate::adapters) fn begin(api: &'a JsonApi, ground: Ground<'a>) -> Result<Self, OpError> {
        let mut asked = api.asking.resolve()?;
        asked.headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json, */*;q=0.1"));
        let since = ground.memory.as_ref().and_then(|memory| memory.state.get("since").cloned());
        let address = match &ground.address {
            Address::Http(url) => {
                let mut url = url.clone();
                asked.complete(&mut url);
                if let Some(wanted) = &api.since {
                    let value = since.as_ref().map(text_of).or_else(|| wanted.start.clone());
                    if let Some(value) = value {
                        set_parameter(&mut url, &wanted.param, &value);
                    }
                }
                api.paging.begin(&mut url);
                Address::Http(url)
            }
            file if api.paging == Paging::One && api.since.is_none() => file.clone(),
            Address::File(path) => {
                let message = format!("{} is a file: it has no further pages", path.display());
                return Err(
                    OpError::usage("adapter.option", message).with_hint("leave out the options of pages and since")
                );
            }
            other => return Err(OpError::usage("adapter.address", format!("{other} is no JSON document"))),
        };
        Ok(Self {
            api,
            ground,
            asked,
            next: Next::Page(address),
            seen: HashSet::new(),
            bodies: HashSet::new(),
            pages: 0,
            items: 0,
            since,
            first: None,
            bodies_together: Sha256::new(),
            warnings: Vec::new(),
        })
    }

    /// The last fetch, when it read one page and nothing more: only then does a 304 of that page say all.
    fn held(&self) -> Option<&Memory> {
        let known = self.api.covers == Covers::Some || self.ground.manifest.is_some();
        let memory = self.ground.memory.as_ref().filter(|_| known && self.pages == 0);
        memory.filter(|memory| memory.state.get("pages") == Some(&Json::from(1_u64)))
    }

    async fn page(&mut self, address: Address) -> Result<Told<'a>, FetchFailure> {
        self.seen.insert(address.to_string());
        let fetched = self.fetch(&address).await?;
        let http_status = fetched.http_status;
        let Fetched { url, validators, content_type, link, headers, body, .. } = fetched;
        let Some(received) = body else {
            let held = self.held().expect("only a request with validators is answered without a body");
            let cost = Cost { http_status, ..Cost::default() };
            return Ok(Told::Same { cost, memory: Memory { validators, ..held.clone() } });
        };
        let wire_bytes = received.wire.len() as u64;
        let failed = |error| FetchFailure { error, http_status, wire_bytes };
        let engine = self.ground.engine;
        let limits = engine.settings().limits;
        let room = engine.room_for(received.coding.most_decoded(wire_bytes, &limits)).await;
        let answered = url.as_deref().and_then(|url| Url::parse(url).ok());
        let source = Source { url: url.map(|url| self.asked.secrets.hidden(&url)), content_type };
        let known = self.held().filter(|held| held.source == source).map(|held| held.body);
        let (layout, named, base) = (self.api.layout.clone(), source.clone(), address.to_string());
        let first_ordinal = u32::try_from(self.items).unwrap_or(u32::MAX);
        let read = move || {
            let Body { bytes: body, warning } = received.decoded(&base, &limits)?;
            let hash = ContentHash::of(&body);
            let body_bytes = body.len() as u64;
            if known == Some(hash) {
                return Ok(Arrived { hash, body_bytes, page: None });
            }
            let input = Input { bytes: &body, content_type: named.content_type.as_deref(), base: None };
            let page = read_json_page(&input, &layout, first_ordinal, &feedspine_parse::Limits::default());
            let mut page = page.map_err(|error| unreadable(&base, &error))?;
            page.warnings.extend(warning);
            Ok(Arrived { hash, body_bytes, page: Some((page, body)) })
        };
        let arrived = reading(&address.to_string(), limits.parse, read).await;
        let Arrived { hash, body_bytes, page } = arrived.map_err(|error| failed(self.asked.secrets.hide(error)))?;
        let cost = Cost { http_status, wire_bytes, body_bytes };
        let Some((page, bytes)) = page else {
            let held = self.held().expect("only its bytes are known").clone();
            return Ok(Told::Same { cost, memory: Memory { validators: self.kept(validators), ..held } });
        };
        let has_items = !page.candidates.is_empty() || !page.rejects.is_empty();
        let again = !self.bodies.insert(hash) && has_items;
        self.bodies_together.update(hash.as_bytes());
        let validators = self.kept(validators);
        let last_ordinal = last_ordinal(&page.candidates, &page.rejects);
        let body = Some(RawBody { first_ordinal, last_ordinal, source: source.clone(), headers, bytes });
        self.first.get_or_insert(First { source, validators, body: hash });
        if again {
            return Ok(self.end_in_a_circle(&address, cost));
        }
        let then = self
            .go_on(&address, answered.as_ref(), &page, link.as_deref())
            .map_err(|reason| failed(self.no_next(&reason)))?;
        gather(&mut self.warnings, page.warnings);
        let then = if then { Then::More } else { Then::End(Box::new(self.end(true))) };
        let JsonPage { candidates, rejects, .. } = page;
        Ok(Told::Page(Page { candidates, rejects, body, cost, then, room: Some(room) }))
    }

    async fn fetch(&self, address: &Address) -> Result<Fetched, FetchFailure> {
        let validators = self.held().and_then(|held| held.validators_at(self.ground.observed_at));
        // Secrets are for the feed's own origin; a page elsewhere is asked without.
        let headers = Some(&self.asked.headers).filter(|_| same_origin(address, &self.ground.address));
        let request = Request {
            address,
            reach: self.ground.reach,
            manner: &self.ground.manner,
            validators,
            headers,
            most_bytes: None,
            trace: Some(&self.ground.trace),
        };
        let fetched = self.ground.engine.fetcher().fetch(request).await;
        fetched.map_err(|failure| FetchFailure { error: self.asked.secrets.hide(failure.error), ..failure })
    }

    /// Whether there is a page after this one; it is asked next.
    fn go_on(
        &mut self,
        address: &Address,
        answered: Option<&Url>,
        page: &JsonPage,
        link: Option<&str>,
    ) -> Result<bool, String> {
        let items = (page.candidates.len() + page.rejects.len()) as u64;
        let (number, before) = (self.pages, self.items);
        self.pages += 1;
        self.items += items;
        if let Some(wanted) = &self.api.since {
            let found = match &wanted.from {
                SinceFrom::Items => page.greatest.clone().max(self.since.take()),
                SinceFrom::Document(at) => at.first(&page.document).filter(|value| **value != Json::Null).cloned(),
            };
            self.since = found.or(self.since.take());
        }
        let Address::Http(url) = address else { return Ok(false) };
        let answered = answered.unwrap_or(url);
        let read = Read { asked: url, answered, number, items, before, document: &page.document, link };
        let Some(mut next) = self.api.paging.after(&read)? else { return Ok(false) };
        if matches!(&self.ground.address, Address::Http(home) if next.origin() == home.origin()) {
            self.asked.complete(&mut next);
        }
        let next = Address::Http(next);
        if self.seen.contains(&next.to_string()) {
            self.warn("pages.loop", format!("page {} leads back to a page that was read", self.pages));
            return Ok(false);
        }
        if self.pages < self.api.max_pages {
            self.next = Next::Page(next);
            return Ok(true);
        }
        if self.api.since.is_some() {
            self.next = Next::TooMany;
            return Ok(true);
        }
        self.warn("pages.limit", format!("only {} pages were read; there are more", self.pages));
        Ok(false)
    }

    fn warn(&mut self, code: &'static str, first: String) {
        gather(&mut self.warnings, vec![Warning { code, count: 1, first }]);
    }

    /// The same page again under another address: pages are counted by us, and the source does not know of them.
    fn end_in_a_circle(&mut self, address: &Address, cost: Cost) -> Told<'a> {
        let shown = self.asked.secrets.hidden(&address.to_string());
        self.warn("pages.loop", format!("{shown} is a page that was read before"));
        let then = Then::End(Box::new(self.end(false)));
        Told::Page(Page { candidates: Vec::new(), rejects: Vec::new(), body: None, cost, then, room: None })
    }

    fn end(&mut self, read_to_the_end: bool) -> End {
        let cut_short = |warning: &Warning| warning.code.starts_with("pages.");
        let complete = read_to_the_end && !self.warnings.iter().any(cut_short);
        let first = self.first.take().expect("a page was read");
        let one_page = self.pages == 1 && complete;
        let body = if one_page { first.body } else { together(&self.bodies_together) };
        let mut state = vec![("pages", Json::from(if one_page { 1 } else { self.pages.max(2) }))];
        state.extend(self.since.take().map(|since| ("since", since)));
        let memory = Memory {
            validators: first.validators.filter(|_| one_page),
            body,
            source: first.source,
            read_at: self.ground.observed_at,
            state: Json::object(state),
        };
        End { complete, memory, warnings: std::mem::take(&mut self.warnings) }
    }

    /// Validators are bound to their URL: one that holds a secret is not kept.
    fn kept(&self, validators: Option<Validators>) -> Option<Validators> {
        validators.filter(|validators| self.asked.secrets.hidden(&validators.url) == validators.url)
    }

    fn no_next(&self, reason: &str) -> OpError {
        let message = format!("page {} of {} leads to no page: {reason}", self.pages, self.ground.address);
        let hint = "look at the document: the options say where its next page is; the pages before it are stored";
        self.asked.secrets.hide(OpError::failed("adapter.next", message).with_hint(hint))
    }
}

#[async_trait]
impl<'a> Pages<'a> for JsonPages<'a> {
    fn covers(&self) -> Covers {
        self.api.covers
    }

    async fn next(&mut self) -> Result<Told<'a>, FetchFailure> {
        match std::mem::replace(&mut self.next, Next::Nothing) {
            Next::Page(address) => self.page(address).await,
            Next::TooMany => {
                let message = format!("{} has more than {} pages of what is new", self.ground.address, self.pages);
                let hint =
                    "what was read is stored; give it a greater max_pages: the next fetch begins where this one did";
                Err(OpError::failed("pages.limit", message).with_hint(hint).into())
            }
            Next::Nothing => Err(OpError::failed("internal.pages", "there is no further page").into()),
        }
    }
}

/// A value as a query parameter.
fn text_of(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn together(bodies: &Sha256) -> ContentHash {
    ContentHash::from_bytes(bodies.clone().finalize().into())
}
