//! JSON over HTTP, or in a file: items by a query, page by page, whole or since the last time.

mod pages;
mod paging;

use feedspine_core::{Candidate, Feed, Namespace, Reject};
use feedspine_parse::{Input, ItemsAt, JsonLayout, JsonQuery, read_json_page};

pub(super) use pages::JsonPages;

use super::Covers;
use super::asking::Asking;
use super::identity::{Identity, Naming};
use super::options::Options;
use crate::OpError;
use crate::archive::KeptBody;
use crate::collect::document::unreadable;
use paging::Paging;

/// How many pages one fetch reads, unless it is said otherwise.
const MAX_PAGES: u64 = 100;

/// The options of this adapter.
#[derive(Debug)]
pub(crate) struct JsonApi {
    pub(super) identity: Identity,
    layout: JsonLayout,
    asking: Asking,
    paging: Paging,
    max_pages: u64,
    since: Option<Since>,
    covers: Covers,
}

/// Asking only for what is new.
#[derive(Debug, PartialEq, Eq)]
struct Since {
    /// The query parameter.
    param: String,
    /// Where its next value is.
    from: SinceFrom,
    /// Its first value; without one the first fetch asks for everything.
    start: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum SinceFrom {
    /// The greatest value of the items.
    Items,
    /// What the last page says.
    Document(JsonQuery),
}

impl JsonApi {
    pub(super) fn read(options: &mut Options, namespace: &Namespace) -> Result<Self, OpError> {
        let identity = Identity::read(options, Naming::Paths)?;
        let rules = identity.item_rules(namespace, options)?;
        let items = match (options.place("items")?, options.flag("lines")?) {
            (Some(_), true) => return Err(options.wrong("lines", "and items cannot both be given")),
            (None, true) => ItemsAt::Lines,
            (Some(query), false) => ItemsAt::Query(query),
            (None, false) => ItemsAt::Query(super::options::place("items", "$")?),
        };
        let greatest = options.place("since")?;
        let since = read_since(options, greatest.is_some())?;
        let paging = Paging::read(options)?;
        let covers = options.coverage()?;
        if since.is_some() && covers == Some(Covers::All) {
            return Err(options.wrong("coverage", "is delta where only what is new is asked for"));
        }
        let fallback = if since.is_some() { Covers::Some } else { Covers::All };
        Ok(Self {
            identity,
            layout: JsonLayout { items, rules, greatest },
            asking: Asking::read(options)?,
            paging,
            max_pages: options.number("max_pages", 1..=100_000)?.unwrap_or(MAX_PAGES),
            since,
            covers: covers.unwrap_or(fallback),
        })
    }
}

impl JsonApi {
    /// Reads a page again that was kept: its items, and what is still rejected.
    pub(super) fn read_again(&self, feed: &Feed, body: &KeptBody) -> Result<(Vec<Candidate>, Vec<Reject>), OpError> {
        let input = Input { bytes: &body.bytes, content_type: body.content_type.as_deref(), base: None };
        let page = read_json_page(&input, &self.layout, body.first_ordinal, &feedspine_parse::Limits::default());
        let page = page.map_err(|error| unreadable(&feed.address, &error))?;
        Ok((page.candidates, page.rejects))
    }
}

fn read_since(options: &mut Options, of_items: bool) -> Result<Option<Since>, OpError> {
    let (param, resume) = (options.text("since_param")?, options.place("resume")?);
    let start = options.text("since_start")?;
    let from = match (of_items, resume) {
        (true, Some(_)) => return Err(options.wrong("since", "and resume cannot both be given")),
        (true, None) => Some(SinceFrom::Items),
        (false, resume) => resume.map(SinceFrom::Document),
    };
    match (param, from) {
        (Some(param), Some(from)) => Ok(Some(Since { param, from, start })),
        (None, None) if start.is_none() => Ok(None),
        _ => Err(options.wrong("since_param", "goes with since or resume, which says where its value is")),
    }
}
