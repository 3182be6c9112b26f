//! From bytes as received to candidates: decoded, hashed, read and keyed on a blocking thread, bounded in time.

use feedspine_core::{Candidate, ContentHash, FetchId, KeyRule, Namespace, Reject};
use feedspine_parse::{Document, Format, Input, Warning, choose_rule, identify, parse};
use tokio::time::timeout;

use super::cursor::Source;
use crate::fetch::{Received, undecodable};
use crate::{Limits, OpError};

/// What is to be read, and how.
pub(super) struct Task {
    pub(super) namespace: Namespace,
    /// The feed's rule; `None` until its first document that holds items.
    pub(super) key_rule: Option<KeyRule>,
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
    Items(Items),
}

/// The items of a document, keyed.
pub(super) struct Items {
    /// The feed's rule, chosen by this document if it had none.
    pub(super) key_rule: Option<KeyRule>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) rejects: Vec<Reject>,
    pub(super) complete: bool,
    pub(super) warnings: Vec<String>,
}

/// Reads a document. A panic of the parser is a failure of this feed only.
pub(super) async fn read(task: Task) -> Result<ReadDocument, OpError> {
    let (address, patience) = (task.address.clone(), task.limits.parse);
    let failed = |code, message| {
        OpError::failed(code, message).with_hint("this is a fault of FeedSpine: please report it, with the document")
    };
    match timeout(patience, tokio::task::spawn_blocking(move || task.read())).await {
        Ok(Ok(read)) => read,
        Ok(Err(panicked)) => Err(failed("parse.panic", format!("reading {address} broke off: {panicked}"))),
        Err(_) => Err(failed("parse.timeout", format!("{address} was not read within {patience:?}"))),
    }
}

impl Task {
    fn read(self) -> Result<ReadDocument, OpError> {
        let Received { wire, coding } = self.received;
        let decoded = if wire.is_empty() { Ok(wire) } else { coding.decode(wire, &self.limits) };
        let body = decoded.map_err(|error| undecodable(&self.address, error, &self.limits))?;
        let (body_bytes, hash) = (body.len() as u64, ContentHash::of(&body));
        if let Some((_, manifest)) = self.known.filter(|(known, _)| *known == hash) {
            return Ok(ReadDocument { body_bytes, hash, told: Told::Known(manifest) });
        }
        let input =
            Input { bytes: &body, content_type: self.source.content_type.as_deref(), base: self.source.url.as_deref() };
        let document = parse(&input, &feedspine_parse::Limits::default()).map_err(|error| {
            let failed = OpError::failed(error.code(), format!("{}: {error}", self.address));
            match error.hint() {
                Some(hint) => failed.with_hint(hint),
                None => failed.with_hint("the publisher is at fault; nothing was stored of it"),
            }
        })?;
        if document.truncated {
            return Err(cut(&self.address, document.format));
        }
        let warnings = document.warnings.iter().map(told_warning).collect();
        let items = keyed(document, &self.namespace, self.key_rule, warnings);
        Ok(ReadDocument { body_bytes, hash, told: Told::Items(items) })
    }
}

fn keyed(document: Document, namespace: &Namespace, rule: Option<KeyRule>, warnings: Vec<String>) -> Items {
    let key_rule = rule.or_else(|| choose_rule(&document));
    // A document without items needs no rule, but may hold rejects.
    let identified = identify(document, namespace, key_rule.unwrap_or(KeyRule::Id));
    Items {
        key_rule,
        candidates: identified.candidates,
        rejects: identified.rejects,
        complete: identified.complete,
        warnings,
    }
}

/// A document that was cut tells nothing of what was cut off: nothing of it is taken.
fn cut(address: &str, format: Format) -> OpError {
    let code = if format == Format::JsonFeed { "json.truncated" } else { "xml.truncated" };
    OpError::failed(code, format!("{address}: the document ends in the middle"))
        .with_hint("nothing was stored of it; collect again")
}

fn told_warning(warning: &Warning) -> String {
    match warning.count {
        1 => format!("{}: {}", warning.code, warning.first),
        count => format!("{} ({count} times): {}", warning.code, warning.first),
    }
}
