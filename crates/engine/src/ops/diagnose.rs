//! What would come of an address: fetched, decoded, parsed, keyed. Nothing is stored.

mod judged;
mod page;

use feedspine_core::{ContentHash, Feed, FeedName, FeedStatus, Json, KeyRule, Namespace, Reject, Timestamp};
use feedspine_parse::{Document, Identified, Warning, choose_rule, identify, rekey};

use super::add::{check_path, parse_address};
use super::discover::{FoundFeed, unseen};
use super::json::{array, instant};
use super::{AdapterChoice, Ending, OpError, ToJson};
use crate::adapters::{Adapter, Identity};
use crate::collect::document::{cut, reading, unreadable};
use crate::look::{Look, Seen};
use crate::policy::rule_in_force;
use crate::requests::check_logins;
use crate::shown::shown_text;
use crate::{Address, Engine, RequestChoice, shown_address};
pub use page::ReadPage;

/// An address to be looked at closely.
#[derive(Debug, Clone)]
pub struct Diagnose {
    /// A URL, or the path of a file.
    pub address: String,
    /// It may be at a private address.
    pub allow_private: bool,
    /// How it is read; the default is as the feed is that has the address, else as a feed.
    pub adapter: AdapterChoice,
    /// How its server is asked, where it is said; else as that of the feed that has the address.
    pub requests: RequestChoice,
}

/// What would come of an address.
#[derive(Debug, Clone)]
pub struct Diagnosis {
    /// The address, as it would be stored.
    pub address: String,
    /// The feed that has it; its adapter, its key rule and its namespace are used.
    pub feed: Option<FeedName>,
    /// What was received; `None` when nothing was.
    pub received: Option<ReceivedBody>,
    /// What the body is as a document; `None` when it is none.
    pub document: Option<ReadBody>,
    /// What an adapter read that is not that of feeds; then nothing was received, and there is no document.
    pub page: Option<ReadPage>,
    /// By what its items would be told from each other; `None` when there are no items.
    pub keys: Option<Keying>,
    /// What would become of each item, in the order of the document.
    pub items: Vec<DiagnosedItem>,
    /// Feeds that it names, when it is a page.
    pub page_feeds: Vec<FoundFeed>,
    /// Why nothing of it would be stored.
    pub error: Option<OpError>,
}

/// A body as it was received.
#[derive(Debug, Clone)]
pub struct ReceivedBody {
    /// The HTTP status; `None` for a file.
    pub http_status: Option<u16>,
    /// The URL that answered, after redirects; `None` for a file.
    pub url: Option<String>,
    /// What the server says that it is.
    pub content_type: Option<String>,
    /// Its content coding; `identity` when there is none.
    pub coding: &'static str,
    /// Bytes received, before decoding.
    pub wire_bytes: u64,
    /// Bytes after decoding.
    pub body_bytes: u64,
}

/// A body as it was read.
#[derive(Debug, Clone)]
pub struct ReadBody {
    /// Its format.
    pub format: &'static str,
    /// The version that it names.
    pub version: Option<String>,
    /// The encoding that was used.
    pub encoding: &'static str,
    /// Its title.
    pub title: Option<String>,
    /// The address of its site.
    pub site: Option<String>,
    /// It was not well-formed, or not in the encoding it names.
    pub recovered: bool,
    /// It ends in the middle.
    pub truncated: bool,
    /// Every recovery and everything odd, by code.
    pub warnings: Vec<Warning>,
}

/// By what items would be told from each other.
#[derive(Debug, Clone)]
pub struct Keying {
    /// The rule.
    pub rule: KeyRule,
    /// The feed has it already; else this document would choose it for good.
    pub settled: bool,
    /// How each rule would do, the first that fits being chosen.
    pub evidence: Vec<RuleEvidence>,
}

/// How a rule would do with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleEvidence {
    /// The rule.
    pub rule: KeyRule,
    /// Items that have a key by it.
    pub keyed: u64,
    /// Different keys among these.
    pub distinct: u64,
}

/// What would become of an item.
#[derive(Debug, Clone)]
pub struct DiagnosedItem {
    /// Its place in the document, from 0.
    pub ordinal: u32,
    /// What would become of it.
    pub outcome: ItemOutcome,
    /// Its key, when it has one.
    pub key: Option<String>,
    /// Where that was taken from; `None` for what has no key by a rule.
    pub key_rule: Option<KeyRule>,
    /// Its title; for a reject the beginning of it as it came.
    pub title: Option<String>,
    /// When it was published, as we read it.
    pub published: Option<Timestamp>,
    /// When it was updated, as we read it.
    pub updated: Option<Timestamp>,
    /// The hash of its content; `None` for what could not be read.
    pub content_hash: Option<ContentHash>,
    /// Why it would be rejected: a code and a sentence.
    pub reject: Option<(String, String)>,
}

/// What would become of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ItemOutcome {
    /// No record has its key.
    New,
    /// A record has its key and another content now.
    Changed,
    /// A record has its key and this content now.
    Unchanged,
    /// An earlier item has its key and this content.
    Repeated,
    /// It would be kept in quarantine.
    Rejected,
}

impl ItemOutcome {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Repeated => "repeated",
            Self::Rejected => "rejected",
        }
    }
}

impl Diagnosis {
    /// How many items would end so.
    pub fn count(&self, outcome: ItemOutcome) -> usize {
        self.items.iter().filter(|item| item.outcome == outcome).count()
    }

    /// How a command that reports this ends.
    pub fn ending(&self) -> Ending {
        self.error.as_ref().map_or(Ending::Done, |error| error.kind().ending())
    }
}

impl ToJson for Diagnosis {
    fn to_json(&self) -> Json {
        let count = |outcome| Json::from(self.count(outcome) as u64);
        let would_store = Json::object([
            ("new", count(ItemOutcome::New)),
            ("changed", count(ItemOutcome::Changed)),
            ("unchanged", count(ItemOutcome::Unchanged)),
            ("repeated", count(ItemOutcome::Repeated)),
            ("rejected", count(ItemOutcome::Rejected)),
        ]);
        Json::object([
            ("address", shown_address(&self.address).into()),
            ("feed", self.feed.as_ref().map(FeedName::as_str).into()),
            ("received", self.received.as_ref().map(ToJson::to_json).into()),
            ("document", self.document.as_ref().map(ToJson::to_json).into()),
            ("page", self.page.as_ref().map(ToJson::to_json).into()),
            ("keys", self.keys.as_ref().map(ToJson::to_json).into()),
            ("would_store", would_store),
            ("items", array(&self.items)),
            ("page_feeds", array(&self.page_feeds)),
            ("error", self.error.as_ref().map(ToJson::to_json).into()),
        ])
    }
}

impl ToJson for ReceivedBody {
    fn to_json(&self) -> Json {
        Json::object([
            ("http_status", self.http_status.map(u64::from).into()),
            ("url", self.url.as_deref().map(shown_address).into()),
            ("content_type", self.content_type.as_deref().into()),
            ("coding", self.coding.into()),
            ("wire_bytes", self.wire_bytes.into()),
            ("body_bytes", self.body_bytes.into()),
        ])
    }
}

impl ToJson for ReadBody {
    fn to_json(&self) -> Json {
        Json::object([
            ("format", self.format.into()),
            ("version", self.version.as_deref().into()),
            ("encoding", self.encoding.into()),
            ("title", self.title.as_deref().into()),
            ("site", self.site.as_deref().into()),
            ("recovered", self.recovered.into()),
            ("truncated", self.truncated.into()),
            ("warnings", warnings(&self.warnings)),
        ])
    }
}

fn warnings(warnings: &[Warning]) -> Json {
    let told = |warning: &Warning| {
        Json::object([
            ("code", warning.code.into()),
            ("count", u64::from(warning.count).into()),
            ("first", shown_text(&warning.first).into()),
        ])
    };
    Json::Array(warnings.iter().map(told).collect())
}

impl ToJson for Keying {
    fn to_json(&self) -> Json {
        Json::object([
            ("rule", self.rule.as_str().into()),
            ("settled", self.settled.into()),
            ("evidence", array(&self.evidence)),
        ])
    }
}

impl ToJson for RuleEvidence {
    fn to_json(&self) -> Json {
        Json::object([
            ("rule", self.rule.as_str().into()),
            ("keyed", self.keyed.into()),
            ("distinct", self.distinct.into()),
        ])
    }
}

impl ToJson for DiagnosedItem {
    fn to_json(&self) -> Json {
        let (code, reason) = self.reject.as_ref().map(|(code, reason)| (code.as_str(), reason.as_str())).unzip();
        Json::object([
            ("ordinal", u64::from(self.ordinal).into()),
            ("outcome", self.outcome.as_str().into()),
            ("key", self.key.as_deref().into()),
            ("key_rule", self.key_rule.map(KeyRule::as_str).into()),
            ("title", self.title.as_deref().into()),
            ("published", self.published.map(instant).into()),
            ("updated", self.updated.map(instant).into()),
            ("content_hash", self.content_hash.map(|hash| hash.to_string()).into()),
            ("code", code.into()),
            ("reason", reason.into()),
        ])
    }
}

impl Engine {
    /// Looks at an address as a collect would, without the validators of an earlier fetch, and says what would come of
    /// it; of a source in pages the first one. Nothing is stored: neither the items nor the fetch. What stands in the way
    /// is part of the answer.
    ///
    /// # Errors
    /// An address that cannot be fetched at all, an adapter or an option that is not known; what the stores say.
    pub async fn diagnose(&self, request: &Diagnose) -> Result<Diagnosis, OpError> {
        let address = parse_address(&request.address)?;
        check_logins(request.adapter.options(), &request.requests)?;
        let feed = self.feed_at(&address).await?;
        let choice = match &feed {
            Some(feed) if request.adapter.is_default() => AdapterChoice::of(feed),
            _ => request.adapter.clone(),
        };
        check_path(&address, choice.name()).await?;
        let choice = choice.at(&address);
        let namespace = match &feed {
            Some(feed) => feed.namespace.clone(),
            None => Namespace::new(&address.suggested_name())?,
        };
        let adapter = Adapter::read(&choice, &namespace)?;
        adapter.suits(&address)?;
        let mut diagnosis = Diagnosis {
            address: address.to_string(),
            feed: feed.as_ref().map(|feed| feed.name.clone()),
            received: None,
            document: None,
            page: None,
            keys: None,
            items: Vec::new(),
            page_feeds: Vec::new(),
            error: None,
        };
        let allowed = request.allow_private || feed.as_ref().is_some_and(|feed| feed.allow_private);
        let reach = self.reach(allowed);
        let requests = match &feed {
            Some(feed) => request.requests.clone().or(&RequestChoice::of(feed)),
            None => request.requests.clone(),
        };
        let manner = requests.manner(&address)?;
        let Adapter::Feed(identity) = &adapter else {
            self.diagnose_page(&mut diagnosis, (&adapter, choice.name()), (address, reach, manner), feed.as_ref())
                .await?;
            return Ok(diagnosis);
        };
        let look = match self.look(&address, reach, &manner).await {
            Ok(look) => look,
            Err(failure) => return Ok(Diagnosis { error: Some(failure.error), ..diagnosis }),
        };
        diagnosis.received = Some(received(&look));
        match look.seen {
            Seen::Neither(error) => diagnosis.error = Some(unreadable(&diagnosis.address, &error)),
            Seen::Page(page, error) => {
                diagnosis.page_feeds = page.feeds.iter().map(unseen).collect();
                diagnosis.error = Some(unreadable(&diagnosis.address, &error));
            }
            Seen::Feed(document) => {
                diagnosis.document = Some(read_body(&document));
                diagnosis.error = document.truncated.then(|| cut(&diagnosis.address, document.format));
                let settled = feed.as_ref().map_or_else(|| adapter.key_rule(), rule_in_force);
                self.diagnose_items(&mut diagnosis, *document, (identity, settled), &namespace, feed.as_ref()).await?;
            }
        }
        Ok(diagnosis)
    }

    async fn feed_at(&self, address: &Address) -> Result<Option<Feed>, OpError> {
        let stored = address.to_string();
        let feeds = self.state().feeds().await?;
        Ok(feeds.into_iter().find(|feed| feed.status != FeedStatus::Removed && feed.address == stored))
    }

    async fn diagnose_items(
        &self,
        diagnosis: &mut Diagnosis,
        document: Document,
        (identity, settled): (&Identity, Option<KeyRule>),
        namespace: &Namespace,
        feed: Option<&Feed>,
    ) -> Result<(), OpError> {
        let (space, places, fold_case) = (namespace.clone(), identity.places()?, identity.fold_case);
        let patience = self.settings().limits.parse;
        let (keys, identified) = reading(&diagnosis.address, patience, move || {
            let (keys, mut identified) = keyed(document, &space, settled);
            if !places.is_empty() || fold_case {
                identified = rekey(identified, &places, fold_case);
            }
            Ok((keys, identified))
        })
        .await?;
        diagnosis.keys = keys;
        diagnosis.items = self.judged(feed, &identified.candidates, &identity.hash_rule).await?;
        diagnosis.items.extend(identified.rejects.into_iter().map(rejected));
        diagnosis.items.sort_by_key(|item| item.ordinal);
        Ok(())
    }
}

fn received(look: &Look) -> ReceivedBody {
    ReceivedBody {
        http_status: look.http_status,
        url: look.url.clone(),
        content_type: look.content_type.clone(),
        coding: look.coding.as_str(),
        wire_bytes: look.wire_bytes,
        body_bytes: look.body_bytes,
    }
}

fn read_body(document: &Document) -> ReadBody {
    ReadBody {
        format: document.format.as_str(),
        version: document.feed.version.clone(),
        encoding: document.encoding,
        title: document.feed.title.as_ref().map(|title| title.value.clone()),
        site: document.feed.link().map(str::to_owned),
        recovered: document.recovered,
        truncated: document.truncated,
        warnings: document.warnings.clone(),
    }
}

fn keyed(document: Document, namespace: &Namespace, settled: Option<KeyRule>) -> (Option<Keying>, Identified) {
    let rule = settled.or_else(|| choose_rule(&document));
    let evidence = evidence(&document, namespace);
    let keys = rule.map(|rule| Keying { rule, settled: settled.is_some(), evidence });
    (keys, identify(document, namespace, rule.unwrap_or(KeyRule::Id)))
}

fn evidence(document: &Document, namespace: &Namespace) -> Vec<RuleEvidence> {
    let of = |rule| {
        let identified = identify(document.clone(), namespace, rule);
        let mut keys: Vec<&str> =
            identified.candidates.iter().filter(|item| item.key_rule == rule).map(|item| item.key.key()).collect();
        let keyed = keys.len() as u64;
        keys.sort_unstable();
        keys.dedup();
        RuleEvidence { rule, keyed, distinct: keys.len() as u64 }
    };
    [KeyRule::Id, KeyRule::Link, KeyRule::LinkDate, KeyRule::Content].into_iter().map(of).collect()
}

fn rejected(reject: Reject) -> DiagnosedItem {
    DiagnosedItem {
        ordinal: reject.ordinal,
        outcome: ItemOutcome::Rejected,
        key: reject.key.map(|key| key.key().to_owned()),
        key_rule: None,
        title: Some(reject.excerpt),
        published: None,
        updated: None,
        content_hash: None,
        reject: Some((reject.code, reject.reason)),
    }
}
