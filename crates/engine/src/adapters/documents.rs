//! [`Documents`]: whole documents of a source, asked for with what they told last time.

use feedspine_core::ContentHash;
use feedspine_parse::Warning;
use tokio::sync::SemaphorePermit;

use super::asking::{Asked, same_origin};
use super::{Cost, Ground};
use crate::Address;
use crate::collect::cursor::{Memory, Source};
use crate::collect::document::reading;
use crate::fetch::{Body, Coding, FetchFailure, Fetched, Received, Request, Validators};

/// How every gzip file begins (RFC 1952 section 2.3.1).
const GZIP: [u8; 2] = [0x1F, 0x8B];

/// Asks for documents during one fetch.
pub(super) struct Documents<'a> {
    pub(super) ground: Ground<'a>,
    pub(super) asked: Asked,
    /// The most bytes of a document, where that is more than for feeds.
    pub(super) most_bytes: Option<u64>,
}

/// What was got.
pub(super) enum Got<'a> {
    /// What the last fetch read; what to remember of this one.
    Same {
        cost: Cost,
        memory: Memory,
    },
    Document(Document<'a>),
}

/// A document, decoded; one that is a gzip file is what is in it.
pub(super) struct Document<'a> {
    pub(super) bytes: Vec<u8>,
    pub(super) hash: ContentHash,
    pub(super) source: Source,
    /// The fields of the header that are kept with it.
    pub(super) headers: Vec<(String, String)>,
    pub(super) validators: Option<Validators>,
    pub(super) cost: Cost,
    /// What was odd about its coding.
    pub(super) warning: Option<Warning>,
    /// The room that it takes.
    pub(super) room: SemaphorePermit<'a>,
}

impl<'a> Documents<'a> {
    /// Asks for a document. `held` is the last fetch, where the same document would say the same now.
    pub(super) async fn get(&self, address: &Address, held: Option<&Memory>) -> Result<Got<'a>, FetchFailure> {
        let got = self.get_openly(address, held).await;
        got.map_err(|failure| FetchFailure { error: self.asked.secrets.hide(failure.error), ..failure })
    }

    async fn get_openly(&self, address: &Address, held: Option<&Memory>) -> Result<Got<'a>, FetchFailure> {
        let Ground { engine, reach, manner, observed_at, trace, .. } = &self.ground;
        let validators = held.and_then(|held| held.validators_at(*observed_at));
        // Secrets are for the feed's own origin; what it leads to elsewhere is asked without.
        let headers = Some(&self.asked.headers).filter(|_| same_origin(address, &self.ground.address));
        let request = Request {
            address,
            reach: *reach,
            manner,
            validators,
            headers,
            most_bytes: self.most_bytes,
            trace: Some(trace),
        };
        let Fetched { http_status, url, validators, content_type, headers, body, .. } =
            engine.fetcher().fetch(request).await?;
        let hidden = |url: String| self.asked.secrets.hidden(&url);
        // Validators are bound to their URL: one that holds a secret is not kept.
        let validators = validators.filter(|validators| hidden(validators.url.clone()) == validators.url);
        let Some(received) = body else {
            let held = held.expect("only a request with validators is answered without a body").clone();
            let cost = Cost { http_status, ..Cost::default() };
            return Ok(Got::Same { cost, memory: Memory { validators, ..held } });
        };
        let wire_bytes = received.wire.len() as u64;
        let mut limits = engine.settings().limits;
        limits.body_bytes = self.most_bytes.unwrap_or(limits.body_bytes);
        let room = engine.room_for(received.coding.most_decoded(wire_bytes, &limits)).await;
        let shown = address.to_string();
        let decode = move || {
            let mut body = received.decoded(&shown, &limits)?;
            if body.bytes.starts_with(&GZIP) {
                let file = Received { wire: body.bytes, coding: Coding::Gzip }.decoded(&shown, &limits)?;
                body = Body { warning: body.warning.or(file.warning), ..file };
            }
            Ok((ContentHash::of(&body.bytes), body))
        };
        let decoded = reading(&address.to_string(), limits.parse, decode).await;
        let (hash, Body { bytes, warning }) =
            decoded.map_err(|error| FetchFailure { error, http_status, wire_bytes })?;
        let cost = Cost { http_status, wire_bytes, body_bytes: bytes.len() as u64 };
        let source = Source { url: url.map(hidden), content_type };
        match held.filter(|held| held.body == hash && held.source == source) {
            Some(held) => Ok(Got::Same { cost, memory: Memory { validators, ..held.clone() } }),
            None => Ok(Got::Document(Document { bytes, hash, source, headers, validators, cost, warning, room })),
        }
    }
}
