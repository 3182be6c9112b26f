//! [`Scrap`]: what a reject was read from, so that it can be read again without all that stood beside it.

use std::sync::Arc;

use feedspine_core::Json;

/// A line, or a row, that was rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scrap {
    /// The ordinal of its reject.
    pub ordinal: u32,
    /// The line that it begins in, from 1.
    pub line: u64,
    /// What it cannot be read without.
    pub context: Context,
    /// All of it.
    pub text: String,
}

/// What a scrap cannot be read without; many share one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context {
    /// The first row of its table, or what a tap said of its stream; `None` where nothing came before it.
    pub before: Option<Arc<str>>,
    /// The byte between the fields of a row.
    pub delimiter: Option<u8>,
}

/// Writes scraps as bytes: a line of JSON for those that share a context and stand together.
pub fn write_scraps(scraps: &[Scrap]) -> Vec<u8> {
    let mut written = Vec::new();
    for together in scraps.chunk_by(|a, b| a.context == b.context) {
        let pieces = together.iter().map(|scrap| {
            Json::Array(vec![u64::from(scrap.ordinal).into(), scrap.line.into(), scrap.text.as_str().into()])
        });
        let Context { before, delimiter } = &together[0].context;
        let line = Json::object([
            ("before", before.as_deref().into()),
            ("delimiter", delimiter.map(|byte| char::from(byte).to_string()).into()),
            ("pieces", Json::Array(pieces.collect())),
        ]);
        written.extend_from_slice(line.to_canonical().as_bytes());
        written.push(b'\n');
    }
    written
}

/// Reads them; `None` when the bytes are nothing that [`write_scraps`] wrote.
pub fn read_scraps(bytes: &[u8]) -> Option<Vec<Scrap>> {
    let mut scraps = Vec::new();
    for line in std::str::from_utf8(bytes).ok()?.lines() {
        let line = Json::parse(line).ok()?;
        let text = |name| line.get(name).and_then(Json::as_str);
        let delimiter = text("delimiter").and_then(|text| text.as_bytes().first().copied());
        let context = Context { before: text("before").map(Arc::from), delimiter };
        let Json::Array(pieces) = line.get("pieces")? else { return None };
        for piece in pieces {
            let Json::Array(parts) = piece else { return None };
            let [ordinal, line, text] = parts.as_slice() else { return None };
            scraps.push(Scrap {
                ordinal: ordinal.to_string().parse().ok()?,
                line: line.to_string().parse().ok()?,
                context: context.clone(),
                text: text.as_str()?.to_owned(),
            });
        }
    }
    Some(scraps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scraps_are_read_back_as_they_were_written() {
        let header = Context { before: Some("id;\"a\nb\"\r\n".into()), delimiter: Some(b';') };
        let scrap = |ordinal, line, context: &Context, text: &str| Scrap {
            ordinal,
            line,
            context: context.clone(),
            text: text.to_owned(),
        };
        let scraps = [
            scrap(3, 5, &header, "1;\"\u{0}é\r"),
            scrap(4, 7, &header, ""),
            scrap(9, u64::from(u32::MAX) + 1, &Context::default(), "{\"id\":\"\\ud800\"}"),
        ];
        let written = write_scraps(&scraps);
        assert_eq!(written.split(|byte| *byte == b'\n').count(), 3);
        assert_eq!(read_scraps(&written).unwrap(), scraps);
        assert_eq!(read_scraps(b""), Some(Vec::new()));
        for damaged in [&b"{}"[..], b"[1]\n", b"\xFF", b"{\"pieces\":[[1,2]]}"] {
            assert_eq!(read_scraps(damaged), None);
        }
    }
}
