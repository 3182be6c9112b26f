//! What was captured, as a WARC file that other programs read.

use std::io;
use std::path::PathBuf;

use feedspine_core::{Feed, FeedName, Json, Timestamp};
use url::Url;

use super::replay::Captures;
use super::whole::{Existing, Packing, Part, unwritable};
use super::{Ending, OpError, ToJson};
use crate::adapters::Adapter;
use crate::archive::{BodyName, KeptBody};
use crate::warc::{Resource, WarcWriter};
use crate::{Address, Engine, shown_address};

/// Which captures are written, and where to.
#[derive(Debug, Clone)]
pub struct ExportWarc {
    /// The file: gzip, `.warc.gz` by custom.
    pub file: PathBuf,
    /// Those of these feeds; of all that were not removed, when there are none.
    pub feeds: Vec<FeedName>,
    /// Those that were read then or later.
    pub since: Option<Timestamp>,
    /// What becomes of a file that has the name already.
    pub existing: Existing,
}

/// What was written.
#[derive(Debug, Clone)]
pub struct WarcExported {
    /// The file.
    pub file: PathBuf,
    /// How many resources.
    pub records: u64,
    /// Their bytes, unpacked.
    pub bytes: u64,
    /// How many bodies could not be read, and are not in it.
    pub unread: u64,
    /// Why not, of the first.
    pub error: Option<OpError>,
}

impl WarcExported {
    /// How a command that reports this ends.
    pub fn ending(&self) -> Ending {
        if self.unread > 0 { Ending::SomeFeedsFailed } else { Ending::Done }
    }
}

impl ToJson for WarcExported {
    fn to_json(&self) -> Json {
        Json::object([
            ("file", self.file.display().to_string().into()),
            ("records", self.records.into()),
            ("bytes", self.bytes.into()),
            ("unread", self.unread.into()),
            ("error", self.error.as_ref().map(ToJson::to_json).into()),
        ])
    }
}

impl Engine {
    /// Writes the bodies that are kept as resources of a WARC 1.1 file, feed by feed and the oldest first; one at a time is
    /// in memory. The file is there under its name when it is whole and on the disk, and nobody else may read it. Secrets in
    /// addresses are left out.
    ///
    /// # Errors
    /// `NotFound`: there is no such feed. `Usage`: there is a file of that name that is to be kept. `Failed`: it cannot be
    /// written. A body that cannot be read is told of.
    pub async fn export_warc(&self, request: &ExportWarc) -> Result<WarcExported, OpError> {
        let mut feeds = Vec::with_capacity(request.feeds.len());
        for name in &request.feeds {
            feeds.extend(self.ever_named(name).await?);
        }
        if request.feeds.is_empty() {
            // What removed feeds brought is kept as well.
            feeds = self.state().feeds().await?;
        }
        let mut exported = WarcExported { file: request.file.clone(), records: 0, bytes: 0, unread: 0, error: None };
        let failed = |error: io::Error| unwritable(&request.file, &error);
        let part = Part::begin(&request.file, Packing::Plain, request.existing)?;
        let name = request.file.file_name().unwrap_or_default().to_string_lossy();
        let mut writer = WarcWriter::begin(part, &name, self.now()).map_err(failed)?;
        for feed in &feeds {
            let mut captures = Captures::of(self, feed.id);
            while let Some(bodies) = captures.next_fetch().await? {
                for name in bodies {
                    let body = match self.archive().body(name).await {
                        Ok(Some(body)) => body,
                        // It had to make room meanwhile.
                        Ok(None) => continue,
                        Err(error) => {
                            exported.unread += 1;
                            exported.error.get_or_insert(error);
                            continue;
                        }
                    };
                    if request.since.is_none_or(|since| body.observed_at >= since) {
                        add(&mut writer, feed, name, &body, &mut exported).map_err(failed)?;
                    }
                }
            }
        }
        writer.into_inner().finish()?;
        Ok(exported)
    }
}

/// Adds a body, each document in it by itself.
fn add(
    writer: &mut WarcWriter<Part>,
    feed: &Feed,
    of: BodyName,
    body: &KeptBody,
    exported: &mut WarcExported,
) -> io::Result<()> {
    let uri = body.url.as_deref().map_or_else(|| uri_of(feed), shown_address);
    let documents = Adapter::of(feed).map_or_else(|_| vec![body.bytes.as_slice()], |adapter| adapter.documents(body));
    for (place, bytes) in documents.into_iter().enumerate() {
        let name = format!("{} {} {} {place}", of.feed, of.fetch, of.first_ordinal);
        let content_type = body.content_type.as_deref();
        writer.add(&Resource { name: name.as_bytes(), uri: &uri, date: body.observed_at, content_type, bytes })?;
        exported.records += 1;
        exported.bytes += bytes.len() as u64;
    }
    Ok(())
}

/// That of a file; a name of our own for what has no address that others could use, or that may hold a secret.
fn uri_of(feed: &Feed) -> String {
    let file = match feed.address.parse() {
        Ok(Address::File(path)) => Url::from_file_path(path).ok(),
        _ => None,
    };
    file.map_or_else(|| format!("urn:uuid:{}", feed.id), String::from)
}
