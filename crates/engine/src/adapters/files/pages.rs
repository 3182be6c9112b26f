//! [`FilePages`]: one fetch of a folder.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use feedspine_core::{ContentHash, Json};
use feedspine_parse::Warning;

use super::inbox::Fate;
use super::listing::{Found, Listing};
use super::reading::{FilePage, PAGE, Reading};
use super::{Each, Files};
use crate::adapters::{Cost, Covers, End, Ground, Page, Pages, Then, Told, gather, scraps_body};
use crate::collect::cursor::{Memory, Source};
use crate::collect::document::reading;
use crate::fetch::FetchFailure;
use crate::{Address, OpError};

/// Lines and rows of more bytes than this say nothing of others, unless it is said otherwise: what a feed holds is kept in
/// memory while it is compared.
const LARGEST_SNAPSHOT: u64 = 64 * 1024 * 1024;
/// How long a folder may take to be listed, and the files of a page to be read.
const PATIENCE: Duration = Duration::from_mins(10);

/// One fetch under way.
pub(in crate::adapters) struct FilePages<'a> {
    files: &'a Files,
    ground: Ground<'a>,
    path: PathBuf,
    /// Known once the folder was looked at.
    covers: Covers,
    stage: Stage,
    /// Files that ended in the last page: they are put away once it is stored.
    ended: Vec<(Found, Fate)>,
    warnings: Vec<Warning>,
}

enum Stage {
    Begin,
    Files(Box<Reading>, Option<ContentHash>),
    Done,
}

impl<'a> FilePages<'a> {
    pub(in crate::adapters) fn begin(files: &'a Files, ground: Ground<'a>) -> Result<Self, OpError> {
        let Address::File(path) = &ground.address else {
            return Err(OpError::usage("adapter.address", format!("{} is no folder", ground.address)));
        };
        let (path, covers) = (path.clone(), if files.inbox.is_some() { Covers::Some } else { Covers::All });
        let (ended, warnings) = (Vec::new(), Vec::new());
        Ok(Self { files, ground, path, covers, stage: Stage::Begin, ended, warnings })
    }

    fn shown(&self) -> String {
        self.ground.address.to_string()
    }

    /// Looks at the folder; what is to be read of it, or that it is as it was.
    async fn look(&mut self) -> Result<Result<(Box<Reading>, Option<ContentHash>), Told<'a>>, OpError> {
        let search = self.files.search(&self.path);
        let mut listing = reading(&self.shown(), PATIENCE, move || Listing::of(&search)).await?;
        if let Some(inbox) = &self.files.inbox {
            let listed = listing.files.len();
            let now = self.ground.observed_at;
            listing.files.retain(|found| inbox.is_quiet(found.stamp.modified(), now));
            self.warn("inbox.not_quiet", listed - listing.files.len(), || {
                "files that changed just now are left for the next time".to_owned()
            });
        } else {
            let large = !matches!(self.files.each, Each::File { .. }) && listing.bytes() > LARGEST_SNAPSHOT;
            self.covers = self.files.covers.unwrap_or(if large { Covers::Some } else { Covers::All });
        }
        self.warn("files.special", listing.special as usize, || "pipes, sockets and devices are left out".to_owned());
        // A file that lies in an inbox is taken, though it was there at the last fetch: that may have ended before it was
        // put away.
        let digest = listing.digest().filter(|_| self.files.inbox.is_none() || listing.files.is_empty());
        let is_empty = listing.files.is_empty() && listing.faults.is_empty();
        if let Some(same) = self.same(digest, is_empty) {
            return Ok(Err(same));
        }
        let Listing { files, faults, .. } = listing;
        let reading = Reading::new(self.files.each.clone(), self.files.rules.clone(), files, &faults);
        Ok(Ok((Box::new(reading), digest)))
    }

    /// What is told when the files are those of the last fetch, or when none came.
    fn same(&self, digest: Option<ContentHash>, is_empty: bool) -> Option<Told<'a>> {
        if self.files.inbox.is_some() && is_empty && self.warnings.is_empty() {
            return Some(Told::Same { cost: Cost::default(), memory: self.memory(digest) });
        }
        let digest = digest?;
        let known = self.covers == Covers::Some || self.ground.manifest.is_some();
        let held = self.ground.memory.as_ref().filter(|_| known)?;
        let is_same = held.body == digest && held.state == self.state(Some(digest)) && self.warnings.is_empty();
        is_same.then(|| Told::Same { cost: Cost::default(), memory: self.memory(Some(digest)) })
    }

    fn memory(&self, digest: Option<ContentHash>) -> Memory {
        Memory {
            validators: None,
            body: digest.unwrap_or_else(|| ContentHash::of(b"")),
            source: Source { url: None, content_type: None },
            read_at: self.ground.observed_at,
            state: self.state(digest),
        }
    }

    fn state(&self, digest: Option<ContentHash>) -> Json {
        let listing = digest.map(|digest| digest.to_string());
        Json::object([("covers", self.covers.as_str().into()), ("listing", listing.into())])
    }

    fn warn(&mut self, code: &'static str, count: usize, first: impl FnOnce() -> String) {
        if count > 0 {
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            gather(&mut self.warnings, vec![Warning { code, count, first: first() }]);
        }
    }

    /// Puts away the files whose items are stored.
    async fn put_away(&mut self) -> Result<Vec<Warning>, OpError> {
        let ended = std::mem::take(&mut self.ended);
        let Some(inbox) = self.files.inbox.clone().filter(|_| !ended.is_empty()) else { return Ok(Vec::new()) };
        let folder = self.files.search(&self.path).folder;
        let moved = move || {
            let mut warnings = Vec::new();
            for (found, fate) in &ended {
                if let Err(error) = inbox.put_away(&folder, found, *fate) {
                    let first = format!("{} is stored but cannot be put away: {error}", found.name);
                    gather(&mut warnings, vec![Warning { code: "inbox.not_moved", count: 1, first }]);
                }
            }
            Ok(warnings)
        };
        reading(&self.shown(), PATIENCE, moved).await
    }
}

#[async_trait]
impl<'a> Pages<'a> for FilePages<'a> {
    fn covers(&self) -> Covers {
        self.covers
    }

    async fn next(&mut self) -> Result<Told<'a>, FetchFailure> {
        let warnings = self.put_away().await?;
        gather(&mut self.warnings, warnings);
        let (mut files, digest) = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Begin => match self.look().await? {
                Ok(found) => found,
                Err(same) => return Ok(same),
            },
            Stage::Files(files, digest) => (files, digest),
            Stage::Done => return Err(OpError::failed("internal.pages", "there is no further page").into()),
        };
        let room = self.ground.engine.room_for(PAGE.1 as u64).await;
        let read = move || {
            let (page, last) = files.read_page();
            Ok((page, last, files))
        };
        let (page, last, mut files) = reading(&self.shown(), PATIENCE, read).await?;
        let FilePage { candidates, rejects, scraps, ended, bytes, .. } = page;
        self.ended = ended;
        let then = if last {
            gather(&mut self.warnings, files.take_warnings());
            // What could not be read is tried again, though nothing changes.
            let memory = self.memory(digest.filter(|_| !files.broke));
            Then::End(Box::new(End { complete: true, memory, warnings: std::mem::take(&mut self.warnings) }))
        } else {
            self.stage = Stage::Files(files, digest);
            Then::More
        };
        let cost = Cost { http_status: None, wire_bytes: bytes, body_bytes: bytes };
        let body = scraps_body(&scraps);
        Ok(Told::Page(Page { candidates, rejects, body, cost, then, room: Some(room) }))
    }

    async fn settle(&mut self) -> Result<Vec<Warning>, OpError> {
        self.put_away().await
    }
}
