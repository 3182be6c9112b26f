//! From bytes as received to candidates: decoded, hashed, read and keyed on a blocking thread, bounded in time.

use std::time::Duration;

use feedspine_core::{Candidate, ContentHash, Feed, FetchId, KeyRule, Namespace, Reject};
use feedspine_parse::{Document, Format, Input, ParseError, Warning, identify, learn_rule, looks, parse, rekey};
use tokio::time::timeout;

use super::cursor::Source;
use crate::adapters::Identity;
use crate::archive::KeptBody;
use crate::fetch::{Body, Received};
use crate::policy::{Reading, rule_in_force};
use crate::shown::shown_text;
use crate::websub::Named;
use crate::{Address, Limits, OpError};

/// What is to be read, and how.
pub(super) struct Task {
    pub(super) namespace: Namespace,
    /// The feed's rule; `None` until its first document that holds items.
    pub(super) key_rule: Option<KeyRule>,
    /// What its operator says of its items' keys.
    pub(super) identity: Identity,
    /// The document that the feed is known to hold, and the observation that told it; `None` where the same bytes
    /// would not be the same document.
    pub(super) known: Option<(ContentHash, FetchId)>,
    pub(super) received: Received,
    /// Where the feed is, for messages.
    pub(super) address: String,
    pub(super) source: Source,
    pub(super) limits: Limits,
}

/// A document that was read.
pub(super) struct ReadDocument {
    pub(super) body_bytes: u64,
    /// SHA-256 of the decoded bytes.
    pub(super) hash: ContentHash,
    pub(super) told: Told,
}

/// What a document told.
pub(super) enum Told {
    /// The very bytes that this observation told.
    Known(FetchId),
    /// Nothing: it is no document, or ends in the middle. The bytes are those that say so.
    Unreadable {
        error: OpError,
        body: Vec<u8>,
    },
    Items(Box<Items>),
}

/// The items of a document, keyed.
pub(super) struct Items {
    /// The feed's rule, chosen by this document if it had none.
    pub(super) key_rule: Option<KeyRule>,
    /// What the document shows of it; `None` without items.
    pub(super) reading: Option<Reading>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) rejects: Vec<Reject>,
    pub(super) complete: bool,
    pub(super) warnings: Vec<String>,
    /// When it asks to be read again.
    pub(super) asks: feedspine_parse::Schedule,
    /// Which hubs it names.
    pub(super) named: Named,
    /// The document itself.
    pub(super) body: Vec<u8>,
}

/// Reads a document.
pub(super) async fn read(task: Task) -> Result<ReadDocument, OpError> {
    let (address, patience) = (task.address.clone(), task.limits.parse);
    reading(&address, patience, move || task.read()).await
}

/// The hash of a document's bytes, of which nothing stays.
pub(super) async fn hash(received: Received, address: &str, limits: Limits) -> Result<ContentHash, OpError> {
    let of = address.to_owned();
    reading(address, limits.parse, move || Ok(ContentHash::of(&received.decoded(&of, &limits)?.bytes))).await
}

/// Time is counted in so many slices: while the process stands still no more than one of them goes by, and nobody is charged
/// for it.
const SLICES: u32 = 10;

/// Reads something on a blocking thread, bounded in time. A panic of the parser is a failure of this document only.
pub(crate) async fn reading<T: Send + 'static>(
    address: &str,
    patience: Duration,
    read: impl FnOnce() -> Result<T, OpError> + Send + 'static,
) -> Result<T, OpError> {
    let failed = |code, message| {
        OpError::failed(code, message).with_hint("this is a fault of FeedSpine: please report it, with the document")
    };
    // Threads of the machine have no place in a simulated world.
    #[cfg(test)]
    if crate::simulation::is_here() {
        return read();
    }
    let mut task = tokio::task::spawn_blocking(read);
    for _ in 0..SLICES {
        match timeout(patience / SLICES, &mut task).await {
            Ok(Ok(read)) => return read,
            Ok(Err(panicked)) => {
                return Err(failed("parse.panic", format!("reading {address} broke off: {panicked}")));
            }
            Err(_) => {}
        }
    }
    Err(failed("parse.timeout", format!("{address} was not read within {patience:?}")))
}

/// Why a body is no document, told of its address.
pub(crate) fn unreadable(address: &str, error: &ParseError) -> OpError {
    let failed = OpError::failed(error.code(), format!("{address}: {error}"));
    let is_local = !matches!(address.parse(), Ok(Address::Http(_)));
    failed.with_hint(match error {
        ParseError::NotAFeed { .. } if is_local => "give the path of a feed document; --adapter reads what is no feed",
        ParseError::Empty { .. } if is_local => "look at the file; nothing was stored of it",
        _ => error.hint().unwrap_or(if is_local {
            "look at the file; nothing was stored of it"
        } else {
            "the publisher is at fault; nothing was stored of it"
        }),
    })
}

impl Task {
    fn read(self) -> Result<ReadDocument, OpError> {
        let keys = Keys { namespace: self.namespace, key_rule: self.key_rule, identity: self.identity };
        let Body { bytes: body, warning } = self.received.decoded(&self.address, &self.limits)?;
        let (body_bytes, hash) = (body.len() as u64, ContentHash::of(&body));
        if let Some((_, manifest)) = self.known.filter(|(known, _)| *known == hash) {
            return Ok(ReadDocument { body_bytes, hash, told: Told::Known(manifest) });
        }
        let input =
            Input { bytes: &body, content_type: self.source.content_type.as_deref(), base: self.source.url.as_deref() };
        let document = parse(&input, &feedspine_parse::Limits::default());
        let document = match document.map_err(|error| unreadable(&self.address, &error)) {
            Ok(document) if !document.truncated => document,
            refused => {
                let error = refused.map_or_else(|error| error, |document| cut(&self.address, document.format));
                return Ok(ReadDocument { body_bytes, hash, told: Told::Unreadable { error, body } });
            }
        };
        let warnings = warning.iter().chain(&document.warnings).map(told_warning).collect();
        let items = Items { body, ..keyed(document, &keys, warnings)? };
        Ok(ReadDocument { body_bytes, hash, told: Told::Items(Box::new(items)) })
    }
}

/// Reads a body of a feed again that was kept: its items, and what is still rejected.
pub(crate) fn read_again(
    feed: &Feed,
    identity: &Identity,
    body: &KeptBody,
) -> Result<(Vec<Candidate>, Vec<Reject>), OpError> {
    let keys = Keys { namespace: feed.namespace.clone(), key_rule: rule_in_force(feed), identity: identity.clone() };
    let input = Input { bytes: &body.bytes, content_type: body.content_type.as_deref(), base: body.url.as_deref() };
    let document = parse(&input, &feedspine_parse::Limits::default());
    let document = document.map_err(|error| unreadable(&feed.address, &error))?;
    let items = keyed(document, &keys, Vec::new())?;
    Ok((items.candidates, items.rejects))
}

/// How items get their keys.
struct Keys {
    namespace: Namespace,
    key_rule: Option<KeyRule>,
    identity: Identity,
}

fn keyed(document: Document, keys: &Keys, warnings: Vec<String>) -> Result<Items, OpError> {
    let learned = if keys.key_rule.is_none() { learn_rule(&document) } else { None };
    let key_rule = keys.key_rule.or_else(|| learned.as_ref().map(|learned| learned.rule));
    let looks = looks(&document);
    let (asks, named) = (document.feed.schedule.clone(), Named::by(&document));
    // A document without items needs no rule, but may hold rejects.
    let mut identified = identify(document, &keys.namespace, key_rule.unwrap_or(KeyRule::Id));
    let places = keys.identity.places()?;
    if !places.is_empty() || keys.identity.fold_case {
        identified = rekey(identified, &places, keys.identity.fold_case);
    }
    let reading = key_rule.map(|rule| Reading::of(rule, learned, &looks, &identified.candidates));
    Ok(Items {
        key_rule,
        reading,
        candidates: identified.candidates,
        rejects: identified.rejects,
        complete: identified.complete,
        warnings,
        asks,
        named,
        body: Vec::new(),
    })
}

/// A document that was cut tells nothing of what was cut off: nothing of it is taken.
pub(crate) fn cut(address: &str, format: Format) -> OpError {
    cut_off(address, if format == Format::JsonFeed { "json.truncated" } else { "xml.truncated" })
}

/// The same of a document that is no feed's.
pub(crate) fn cut_off(address: &str, code: &'static str) -> OpError {
    OpError::failed(code, format!("{address}: the document ends in the middle"))
        .with_hint("nothing was stored of it; collect again")
}

/// The place of the last item, taken or not; 0 where there is none.
pub(crate) fn last_ordinal(candidates: &[Candidate], rejects: &[Reject]) -> u32 {
    let ordinals = candidates.iter().map(|item| item.ordinal).chain(rejects.iter().map(|reject| reject.ordinal));
    ordinals.max().unwrap_or(0)
}

/// A warning in a line, without the secrets of addresses.
pub(crate) fn told_warning(warning: &Warning) -> String {
    let first = shown_text(&warning.first);
    match warning.count {
        1 => format!("{}: {first}", warning.code),
        count => format!("{} ({count} times): {first}", warning.code),
    }
}
