//! Lines and rows that were rejected, as a body that is kept: of what comes line by line, nothing else has to be.

use feedspine_core::{Candidate, Feed, Reject};
use feedspine_parse::{Scrap, read_scraps, write_scraps};

use super::RawBody;
use crate::OpError;
use crate::archive::KeptBody;
use crate::collect::cursor::Source;

/// What such a body is called, where a document has its media type.
const SCRAPS: &str = "application/vnd.feedspine.scraps";

/// What is kept of lines that were rejected; `None` of none.
pub(crate) fn scraps_body(scraps: &[Scrap]) -> Option<RawBody> {
    let (first, last) = (scraps.first()?, scraps.last()?);
    Some(RawBody {
        first_ordinal: first.ordinal,
        last_ordinal: last.ordinal,
        source: Source { url: None, content_type: Some(SCRAPS.to_owned()) },
        headers: Vec::new(),
        bytes: write_scraps(scraps),
    })
}

/// Whether a body holds lines that were rejected, and no document.
pub(super) fn are_scraps(body: &KeptBody) -> bool {
    body.content_type.as_deref() == Some(SCRAPS)
}

/// Reads them again, each by itself.
///
/// # Errors
/// They are damaged.
pub(super) fn read_again(
    feed: &Feed,
    body: &KeptBody,
    read: impl Fn(&Scrap) -> Option<Result<Candidate, Reject>>,
) -> Result<(Vec<Candidate>, Vec<Reject>), OpError> {
    let scraps = read_scraps(&body.bytes).ok_or_else(|| {
        OpError::failed("archive.damaged", format!("what was kept of {} is damaged", feed.name))
            .with_hint("the rejects stay, and are not read again")
    })?;
    let (mut candidates, mut rejects) = (Vec::new(), Vec::new());
    for made in scraps.iter().filter_map(read) {
        match made {
            Ok(item) => candidates.push(item),
            Err(reject) => rejects.push(reject),
        }
    }
    Ok((candidates, rejects))
}
