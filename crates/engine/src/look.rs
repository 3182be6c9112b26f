//! Looking at an address once: fetched, decoded, and read as what it is. Nothing is stored.

use feedspine_parse::{Document, HtmlPage, Input, ParseError, parse, read_page};

use crate::collect::document::reading;
use crate::fetch::{Body, Coding, FetchFailure, Manner, Reach, Request};
use crate::{Address, Engine};

/// What was seen at an address.
#[derive(Debug)]
pub(crate) struct Look {
    /// The status of the answer; `None` for a file.
    pub(crate) http_status: Option<u16>,
    /// The URL that answered, after redirects; `None` for a file.
    pub(crate) url: Option<String>,
    pub(crate) content_type: Option<String>,
    pub(crate) coding: Coding,
    /// Bytes received, before decoding.
    pub(crate) wire_bytes: u64,
    /// Bytes after decoding.
    pub(crate) body_bytes: u64,
    pub(crate) seen: Seen,
}

/// What a body is.
#[derive(Debug)]
pub(crate) enum Seen {
    Feed(Box<Document>),
    /// No feed; as a page it may name some.
    Page(HtmlPage, ParseError),
    /// Neither; why it is no feed.
    Neither(ParseError),
}

impl Engine {
    /// Fetches an address and reads what it gives.
    pub(crate) async fn look(&self, address: &Address, reach: Reach, manner: &Manner) -> Result<Look, FetchFailure> {
        self.recall_rests([address.to_string().as_str()]).await?;
        let fetched = self
            .fetcher()
            .fetch(Request { address, reach, manner, validators: None, headers: None, most_bytes: None, trace: None })
            .await?;
        let received = fetched.body.expect("only a request with validators is answered without a body");
        let (coding, wire_bytes) = (received.coding, received.wire.len() as u64);
        let limits = self.settings().limits;
        let _room = self.room_for(coding.most_decoded(wire_bytes, &limits)).await;
        let shown = address.to_string();
        let (url, content_type) = (fetched.url, fetched.content_type);
        let (base, named) = (url.clone(), content_type.clone());
        let read = move || {
            let Body { bytes, warning } = received.decoded(&shown, &limits)?;
            let input = Input { bytes: &bytes, content_type: named.as_deref(), base: base.as_deref() };
            let mut seen = seen(&input);
            if let Seen::Feed(document) = &mut seen {
                document.warnings.extend(warning);
            }
            Ok((bytes.len() as u64, seen))
        };
        let read = reading(&address.to_string(), limits.parse, read).await;
        let http_status = fetched.http_status;
        let (body_bytes, seen) = read.map_err(|error| FetchFailure { error, http_status, wire_bytes })?;
        Ok(Look { http_status, url, content_type, coding, wire_bytes, body_bytes, seen })
    }
}

fn seen(input: &Input<'_>) -> Seen {
    let limits = feedspine_parse::Limits::default();
    match parse(input, &limits) {
        Ok(document) => Seen::Feed(Box::new(document)),
        Err(error @ ParseError::NotAFeed { .. }) => match read_page(input, &limits) {
            Ok(page) => Seen::Page(page, error),
            Err(_) => Seen::Neither(error),
        },
        Err(error) => Seen::Neither(error),
    }
}
