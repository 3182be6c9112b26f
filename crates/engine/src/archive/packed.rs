//! A body as it is kept: a line of JSON that says how it is read, and the body itself, packed by gzip.

use std::io::{self, Read, Write};

use feedspine_core::Json;
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use super::KeptBody;

pub(super) fn pack(body: &KeptBody) -> io::Result<Vec<u8>> {
    let header = Json::object([
        ("first_ordinal", u64::from(body.first_ordinal).into()),
        ("last_ordinal", u64::from(body.last_ordinal).into()),
        ("observed_at", body.observed_at.to_string().into()),
        ("url", body.url.as_deref().into()),
        ("content_type", body.content_type.as_deref().into()),
        ("bytes", (body.bytes.len() as u64).into()),
    ]);
    let mut packed = header.to_canonical().into_bytes();
    packed.push(b'\n');
    let mut gzip = GzEncoder::new(packed, Compression::default());
    gzip.write_all(&body.bytes)?;
    gzip.finish()
}

/// The body; `None` when it is not as it was written. It is never larger than its header says.
pub(super) fn unpack(packed: &[u8]) -> Option<KeptBody> {
    let end = packed.iter().position(|byte| *byte == b'\n')?;
    let header = Json::parse(std::str::from_utf8(&packed[..end]).ok()?).ok()?;
    let number = |name| header.get(name).and_then(|value| value.to_string().parse::<u64>().ok());
    let text = |name| header.get(name).and_then(Json::as_str).map(str::to_owned);
    let length = number("bytes")?;
    let mut bytes = Vec::new();
    GzDecoder::new(&packed[end + 1..]).take(length + 1).read_to_end(&mut bytes).ok()?;
    if bytes.len() as u64 != length {
        return None;
    }
    let ordinal = |name| number(name).and_then(|number| u32::try_from(number).ok());
    Some(KeptBody {
        first_ordinal: ordinal("first_ordinal")?,
        // One that was kept before this was written down reaches as far as the next.
        last_ordinal: ordinal("last_ordinal").unwrap_or(u32::MAX),
        observed_at: text("observed_at")?.parse().ok()?,
        url: text("url"),
        content_type: text("content_type"),
        bytes,
    })
}
