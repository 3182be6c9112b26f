//! What is kept of lists, and how it is read again.

use feedspine_core::{Candidate, Feed, Json, Reject};
use feedspine_parse::{EdgarCurrent, EdgarIndex, EdgarPage, Input, Limits, read_edgar_submissions};

use super::{Edgar, EdgarList};
use crate::OpError;
use crate::archive::KeptBody;
use crate::collect::document::unreadable;

/// So many bytes of pages of the current filings are held while they are read; of more nothing is kept.
const MOST_BYTES: usize = 32 * 1024 * 1024;

impl Edgar {
    /// Reads a list again that was kept: its filings, and what is still rejected.
    ///
    /// # Errors
    /// It is no such list.
    pub(in crate::adapters) fn read_again(
        &self,
        feed: &Feed,
        body: &KeptBody,
    ) -> Result<(Vec<Candidate>, Vec<Reject>), OpError> {
        let content_type = body.content_type.as_deref();
        let base = body.url.as_deref().or(Some(&feed.address));
        let input = Input { bytes: &body.bytes, content_type, base };
        let page = match self.list {
            EdgarList::Current => self.read_pages_again(&input),
            EdgarList::Daily | EdgarList::Index => EdgarIndex::read(&input, body.first_ordinal)
                .map(|mut index| index.next_page(&self.namespace, usize::MAX).0)
                .map_err(|error| unreadable(&feed.address, &error)),
            EdgarList::Submissions => {
                read_edgar_submissions(&input, &self.namespace, None, body.first_ordinal, &Limits::default())
                    .map(|read| read.page)
                    .map_err(|error| unreadable(&feed.address, &error))
            }
        };
        page.map(|EdgarPage { candidates, rejects, .. }| (candidates, rejects))
    }

    /// The documents in a body that was kept.
    pub(in crate::adapters) fn documents<'b>(&self, body: &'b KeptBody) -> Vec<&'b [u8]> {
        let pages = if self.list == EdgarList::Current { unpack(&body.bytes) } else { None };
        pages.map_or_else(|| vec![body.bytes.as_slice()], |(pages, _)| pages)
    }

    fn read_pages_again(&self, input: &Input<'_>) -> Result<EdgarPage, OpError> {
        let (pages, goes_on) = unpack(input.bytes)
            .ok_or_else(|| OpError::failed("archive.damaged", "the pages that were kept are damaged".to_owned()))?;
        let mut filings = EdgarCurrent::default();
        for bytes in pages {
            let added = filings.add(&Input { bytes, ..*input }, &Limits::default());
            added.map_err(|error| unreadable(input.base.unwrap_or_default(), &error))?;
        }
        Ok(filings.finish(&self.namespace, goes_on))
    }
}

/// The pages of the current filings, held until all are read: they are kept as one body.
#[derive(Debug, Default)]
pub(super) struct HeldPages {
    bytes: Vec<u8>,
    lengths: Vec<u64>,
    /// They are too many to be held.
    overflows: bool,
}

impl HeldPages {
    pub(super) fn add(&mut self, page: &[u8]) {
        self.overflows |= self.bytes.len() + page.len() > MOST_BYTES;
        if self.overflows {
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(page);
            self.lengths.push(page.len() as u64);
        }
    }

    /// Them as one body: a line that says how long each is and whether the list went on, and they.
    pub(super) fn pack(self, goes_on: bool) -> Option<Vec<u8>> {
        let lengths = self.lengths.into_iter().map(Json::from).collect();
        let header = Json::object([("goes_on", goes_on.into()), ("lengths", Json::Array(lengths))]);
        let packed = [header.to_canonical().as_bytes(), b"\n", &self.bytes].concat();
        (!self.overflows).then_some(packed)
    }
}

fn unpack(packed: &[u8]) -> Option<(Vec<&[u8]>, bool)> {
    let (header, mut rest) = packed.split_at_checked(packed.iter().position(|byte| *byte == b'\n')?)?;
    rest = &rest[1..];
    let header = Json::parse(std::str::from_utf8(header).ok()?).ok()?;
    let (Some(Json::Bool(goes_on)), Some(Json::Array(lengths))) = (header.get("goes_on"), header.get("lengths")) else {
        return None;
    };
    let mut pages = Vec::with_capacity(lengths.len());
    for length in lengths {
        let page;
        (page, rest) = rest.split_at_checked(length.to_string().parse().ok()?)?;
        pages.push(page);
    }
    Some((pages, *goes_on))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_held_together_as_long_as_they_are_not_too_many() {
        let mut held = HeldPages::default();
        for page in [&b"a\nb"[..], b"", b"\xFF"] {
            held.add(page);
        }
        let packed = held.pack(true).unwrap();
        assert_eq!(unpack(&packed), Some((vec![&b"a\nb"[..], b"", b"\xFF"], true)));
        assert_eq!(unpack(&packed[..packed.len() - 1]), None);
        let mut held = HeldPages::default();
        held.add(&vec![0; MOST_BYTES]);
        held.add(b"x");
        held.add(b"y");
        assert_eq!(held.pack(false), None);
    }
}
