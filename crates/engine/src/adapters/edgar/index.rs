//! One index, of a quarter or of a day, given some thousand filings at a time.

use async_trait::async_trait;
use feedspine_parse::{EdgarIndex, EdgarPage};
use tokio::sync::SemaphorePermit;

use super::reading::{Read, Reading};
use crate::adapters::documents::{Document, Got};
use crate::adapters::{Cost, Covers, End, Page, Pages, RawBody, Then, Told, gather};
use crate::collect::cursor::Memory;
use crate::collect::document::reading;
use crate::fetch::FetchFailure;
use crate::{Address, OpError};

/// How many filings are given at once.
const PAGE: usize = 5_000;
/// An index of more bytes says nothing of filings that it does not list, unless it is said otherwise: what a feed holds is
/// in memory while it is compared.
const LARGEST_SNAPSHOT: u64 = 64 * 1024 * 1024;

/// One fetch under way.
pub(super) struct IndexPages<'a> {
    reading: Reading<'a>,
    covers: Covers,
    stage: Stage<'a>,
}

enum Stage<'a> {
    Begin,
    Filings(Box<Rest<'a>>),
    Done,
}

/// What is not given yet.
struct Rest<'a> {
    index: EdgarIndex,
    memory: Memory,
    room: SemaphorePermit<'a>,
    cost: Cost,
    /// The index itself, until it is given with the first of them.
    body: Option<RawBody>,
}

impl<'a> IndexPages<'a> {
    pub(super) fn begin(reading: Reading<'a>) -> Self {
        Self { reading, covers: Covers::Some, stage: Stage::Begin }
    }

    /// The last fetch, when the same bytes would say the same now.
    fn held(&self) -> Option<(Covers, &Memory)> {
        let memory = self.reading.memory()?;
        let said = memory.state.get("covers")?;
        let covers = [Covers::All, Covers::Some].into_iter().find(|covers| *said == covers.as_str().into())?;
        let is_known = covers == Covers::Some || self.reading.documents.ground.manifest.is_some();
        is_known.then_some((covers, memory))
    }

    /// The file of the quarter that is not over is another list from the next quarter on: nothing of it leaves.
    fn covers_of(&self, bytes: u64) -> Covers {
        let is_rolling = matches!(&self.reading.documents.ground.address, Address::Http(url)
            if url.path_segments().and_then(|names| names.rev().nth(1)) == Some("full-index"));
        let usual = if is_rolling || bytes > LARGEST_SNAPSHOT { Covers::Some } else { Covers::All };
        self.reading.edgar.covers.unwrap_or(usual)
    }

    async fn find(&mut self) -> Result<Result<Box<Rest<'a>>, Told<'a>>, FetchFailure> {
        let address = self.reading.address();
        let held = self.held().map(|(covers, memory)| (covers, memory.clone()));
        let memory = held.as_ref().map(|(_, memory)| memory);
        let document: Document<'a> = match self.reading.documents.get(&address, memory).await? {
            Got::Same { cost, memory } => {
                self.covers = held.map_or(Covers::Some, |(covers, _)| covers);
                return Ok(Err(Told::Same { cost, memory }));
            }
            Got::Document(document) => document,
        };
        self.covers = self.covers_of(document.cost.body_bytes);
        let read = self.reading.read(&address, document, |input| EdgarIndex::read(input, 0)).await?;
        let Read { value: index, bytes, hash, source, headers, validators, cost, room } = read;
        let body = Some(RawBody {
            first_ordinal: 0,
            last_ordinal: u32::try_from(index.count()).unwrap_or(u32::MAX).saturating_sub(1),
            source: source.clone(),
            headers,
            bytes,
        });
        let state = vec![("covers", self.covers.as_str().into())];
        let memory = self.reading.remembered(hash, source, validators, state);
        Ok(Ok(Box::new(Rest { index, memory, room, cost, body })))
    }
}

#[async_trait]
impl<'a> Pages<'a> for IndexPages<'a> {
    fn covers(&self) -> Covers {
        self.covers
    }

    async fn next(&mut self) -> Result<Told<'a>, FetchFailure> {
        let rest = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Begin => match self.find().await? {
                Ok(rest) => rest,
                Err(same) => return Ok(same),
            },
            Stage::Filings(rest) => rest,
            Stage::Done => return Err(OpError::failed("internal.pages", "there is no further page").into()),
        };
        let Rest { mut index, memory, room, cost, body } = *rest;
        let namespace = self.reading.edgar.namespace.clone();
        let patience = self.reading.documents.ground.engine.settings().limits.parse;
        let take = move || {
            let (page, last) = index.next_page(&namespace, PAGE);
            Ok((page, last, index))
        };
        let (page, last, index) = reading(&self.reading.documents.ground.address.to_string(), patience, take).await?;
        let EdgarPage { candidates, rejects, warnings } = page;
        gather(&mut self.reading.warnings, warnings);
        if last {
            let warnings = std::mem::take(&mut self.reading.warnings);
            let then = Then::End(Box::new(End { complete: true, memory, warnings }));
            return Ok(Told::Page(Page { candidates, rejects, body, cost, then, room: Some(room) }));
        }
        self.stage = Stage::Filings(Box::new(Rest { index, memory, room, cost: Cost::default(), body: None }));
        Ok(Told::Page(Page { candidates, rejects, body, cost, then: Then::More, room: None }))
    }
}
