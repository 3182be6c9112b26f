//! [`parse`]: from bytes to a document, whatever the format.

use feedspine_core::Json;

use crate::charset;
use crate::error::ParseError;
use crate::json_feed;
use crate::limits::Limits;
use crate::model::{Document, FeedMeta, Format, Item, RejectedItem};
use crate::warning::Warnings;

/// A body, and what came with it.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The bytes, as decoded from their transfer and content encodings.
    pub bytes: &'a [u8],
    /// The `Content-Type` header; only its charset is used.
    pub content_type: Option<&'a str>,
    /// The address that the body came from, against which relative links are resolved.
    pub base: Option<&'a str>,
}

/// What a format's reader found.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) format: Format,
    pub(crate) feed: FeedMeta,
    pub(crate) items: Vec<Item>,
    pub(crate) rejects: Vec<RejectedItem>,
    pub(crate) recovered: bool,
    pub(crate) truncated: bool,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            format: Format::Rss,
            feed: FeedMeta::default(),
            items: Vec::new(),
            rejects: Vec::new(),
            recovered: false,
            truncated: false,
        }
    }
}

/// Reads a feed in any format that is known.
///
/// What can be read of a broken document is read, and flagged: see [`Document::recovered`] and [`Document::truncated`].
/// What to make of a flag is the caller's decision.
///
/// # Errors
/// There is no document at all, or one beyond a limit; see [`ParseError`].
///
/// ```
/// use feedspine_parse::{Input, Limits, parse};
///
/// let bytes = b"<rss version='2.0'><channel><item><guid>1</guid><title>One</title></item></channel></rss>";
/// let document = parse(&Input { bytes, content_type: None, base: None }, &Limits::default()).unwrap();
/// assert_eq!(document.items[0].id.as_deref(), Some("1"));
/// ```
pub fn parse(input: &Input<'_>, limits: &Limits) -> Result<Document, ParseError> {
    let mut warnings = Warnings::default();
    let decoded = charset::decode(input.bytes, input.content_type, &mut warnings)?;
    let text = decoded.text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{FEFF}' || c == '\0');
    let parts = match text.as_bytes().first() {
        None => return Err(ParseError::Empty { found: "there is no text in it" }),
        Some(b'{') => json_feed::read(text, input, limits, &mut warnings)?,
        Some(b'[') if Json::parse(text.trim_end()).is_ok() => {
            return Err(ParseError::JsonNotAFeed { found: "a list" });
        }
        Some(b'[') => return Err(ParseError::NotAFeed { found: "text that begins like a JSON list".to_owned() }),
        Some(_) => crate::feed::read(text, input, limits, &mut warnings)?,
    };
    Ok(Document {
        format: parts.format,
        feed: parts.feed,
        items: parts.items,
        rejects: parts.rejects,
        encoding: decoded.encoding,
        recovered: decoded.recovered || parts.recovered,
        truncated: parts.truncated,
        warnings: warnings.into_vec(),
    })
}
