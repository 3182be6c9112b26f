//! Ingesting: lines of JSON that arrive by other ways than a collect.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use feedspine_core::{Candidate, ContentHash, Counts, Feed, FeedName, FeedStatus, Json, KeyHash, Reject};
use feedspine_parse::{LineForm, LinePage, LineReader, Scrap, Warning};
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout};

use super::unfinished::refuse_unfinished_import;
use super::{OpError, ToJson};
use crate::adapters::{Adapter, Push, gather, scraps_body};
use crate::collect::ahead::dates_ahead;
use crate::collect::document::{reading, told_warning};
use crate::collect::{Pushed, millis, push};
use crate::{Address, Engine};

/// The most items that are stored together, and bytes of their lines: what stands in memory, some ten times over.
const BATCH: (usize, u64) = (5_000, 4 * 1024 * 1024);
/// How long lines wait for others to be stored with.
const PATIENCE: Duration = Duration::from_millis(200);

/// What is told whenever lines are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinesStored {
    /// All lines as far as this one are, counted from 1.
    pub line: u64,
    /// How many of what until now.
    pub counts: Counts,
}

/// What came of lines. What it reports is stored.
#[derive(Debug, Clone)]
pub struct LinesIngested {
    /// The feed.
    pub feed: FeedName,
    /// How many lines there were.
    pub lines: u64,
    /// How many batches they made, each a fetch of its own.
    pub batches: u64,
    /// How many of what.
    pub counts: Counts,
    /// Milliseconds from the first line to the last commit.
    pub duration_ms: u64,
    /// What was odd.
    pub warnings: Vec<String>,
}

impl ToJson for LinesIngested {
    fn to_json(&self) -> Json {
        Json::object([
            ("feed", self.feed.as_str().into()),
            ("lines", self.lines.into()),
            ("batches", self.batches.into()),
            ("counts", self.counts.to_json()),
            ("duration_ms", self.duration_ms.into()),
            ("warnings", self.warnings.clone().into()),
        ])
    }
}

impl Engine {
    /// Stores lines of JSON, each an item of a feed that is pushed, in the order in which they come and in bounded memory.
    /// A line with a key that came before is a further version, if it says something else; a line that is no item is
    /// rejected with its number. What lines do not name stays as it is.
    ///
    /// `pieces` are cut anywhere. `tell` hears how far lines are stored; the same lines again change
    /// nothing, unless a key stands in several of them.
    ///
    /// # Errors
    /// `NotFound`: there is no such feed. `Usage`: it is paused, or collected. What stood in the way of reading or storing
    /// a line: the message says how far lines are stored.
    pub async fn ingest_lines(
        &self,
        feed: &FeedName,
        pieces: impl Stream<Item = io::Result<Vec<u8>>> + Unpin + Send,
        tell: &(dyn Fn(LinesStored) + Send + Sync),
    ) -> Result<LinesIngested, OpError> {
        refuse_unfinished_import(self.storage()).await?;
        let feed = self.named(feed).await?;
        let push = pushed_to(&feed)?;
        Lines::new(self, &feed, &push).take(pieces, tell).await
    }
}

fn pushed_to(feed: &Feed) -> Result<Box<Push>, OpError> {
    let name = &feed.name;
    refuse_stopped(feed)?;
    match (Adapter::of(feed)?, feed.address.parse()) {
        (Adapter::Push(push), Ok(Address::Push(_))) => Ok(push),
        _ => Err(OpError::usage("feed.not_pushed", format!("the feed {name} is collected from {}", feed.address))
            .with_hint("`feedspine add push:NAME` adds one that lines can be handed to")),
    }
}

/// Whether a feed may be written: it is neither paused nor removed.
fn refuse_stopped(feed: &Feed) -> Result<(), OpError> {
    let name = &feed.name;
    match feed.status {
        FeedStatus::Active => Ok(()),
        FeedStatus::Paused => Err(OpError::usage("feed.paused", format!("the feed {name} is paused"))
            .with_hint(format!("`feedspine feed resume {name}` lets it be written"))),
        FeedStatus::Removed => Err(OpError::not_found("feed.unknown", format!("the feed {name} was removed"))
            .with_hint("`feedspine feed list` names those that are there")),
    }
}

/// Lines under way.
struct Lines<'a> {
    engine: &'a Engine,
    feed: &'a Feed,
    push: &'a Push,
    started: Instant,
    batch: Batch,
    /// All lines as far as this one are read, and as far as that one stored.
    read: u64,
    stored: u64,
    batches: u64,
    counts: Counts,
    /// What is to be told of dates that lie ahead.
    ahead: Vec<Warning>,
}

/// What is stored next.
#[derive(Default)]
struct Batch {
    items: Vec<Candidate>,
    rejects: Vec<Reject>,
    /// The lines of these, as far as they can be read again.
    scraps: Vec<Scrap>,
    /// What its items say, by their keys.
    keys: HashMap<KeyHash, ContentHash>,
    bytes: u64,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.items.is_empty() && self.rejects.is_empty()
    }

    fn is_full(&self, most: usize) -> bool {
        self.items.len() + self.rejects.len() >= most || self.bytes >= BATCH.1
    }

    /// Whether an item says otherwise than one before it of the same key: then it is the later version, not a rival.
    fn contradicts(&self, item: &Candidate) -> bool {
        self.keys.get(&item.key.hash()).is_some_and(|held| *held != item.content.hash())
    }
}

impl<'a> Lines<'a> {
    fn new(engine: &'a Engine, feed: &'a Feed, push: &'a Push) -> Self {
        let (batch, counts, ahead) = (Batch::default(), Counts::default(), Vec::new());
        Self { engine, feed, push, started: Instant::now(), batch, read: 0, stored: 0, batches: 0, counts, ahead }
    }

    async fn take(
        mut self,
        mut pieces: impl Stream<Item = io::Result<Vec<u8>>> + Unpin + Send,
        tell: &(dyn Fn(LinesStored) + Send + Sync),
    ) -> Result<LinesIngested, OpError> {
        let mut reader = LineReader::new(&LineForm::Json, self.push.rules.clone(), 0);
        loop {
            let piece = if let Ok(piece) = timeout(PATIENCE, pieces.next()).await {
                piece.transpose()
            } else {
                // Nothing comes for a while: what came is not left waiting.
                self.store(tell).await?;
                pieces.next().await.transpose()
            };
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    self.store(tell).await?;
                    return Err(self.broken_off("lines.unreadable", "the lines cannot be read on", error));
                }
            };
            let (ends, bytes) = (piece.is_none(), piece.as_ref().map_or(0, |piece| piece.len() as u64));
            let read = move || {
                match piece {
                    Some(piece) => reader.push(&piece),
                    None => reader.end(),
                }
                Ok((reader.take_page(), reader))
            };
            let page;
            (page, reader) = reading(&self.feed.address, self.engine.settings().limits.parse, read).await?;
            self.batch.bytes += bytes;
            self.gather(page, tell).await?;
            if ends {
                self.store(tell).await?;
                return Ok(self.report(&mut reader));
            }
        }
    }

    async fn gather(&mut self, page: LinePage, tell: &(dyn Fn(LinesStored) + Send + Sync)) -> Result<(), OpError> {
        let most = self.engine.storage().info().capabilities.max_batch.clamp(1, BATCH.0);
        let mut rejects = page.rejects.into_iter().peekable();
        let mut scraps = page.scraps.into_iter().peekable();
        for item in page.candidates {
            while let Some(reject) = rejects.next_if(|reject| reject.ordinal < item.ordinal) {
                self.batch.rejects.push(reject);
            }
            while let Some(scrap) = scraps.next_if(|scrap| scrap.ordinal < item.ordinal) {
                self.batch.scraps.push(scrap);
            }
            if self.batch.contradicts(&item) || self.batch.is_full(most) {
                self.store(tell).await?;
            }
            self.batch.keys.insert(item.key.hash(), item.content.hash());
            self.batch.items.push(item);
        }
        self.batch.rejects.extend(rejects);
        self.batch.scraps.extend(scraps);
        self.read = page.line;
        if self.batch.is_full(most) { self.store(tell).await } else { Ok(()) }
    }

    /// Stores what was gathered. The lines of a piece count as stored when all of them are.
    async fn store(&mut self, tell: &(dyn Fn(LinesStored) + Send + Sync)) -> Result<(), OpError> {
        if !self.batch.is_empty() {
            let Batch { items, rejects, scraps, bytes, .. } = std::mem::take(&mut self.batch);
            let body = scraps_body(&scraps);
            let _room = self.engine.room_for(bytes).await;
            self.refuse_stopped_meanwhile().await.map_err(|error| self.not_stored(error))?;
            gather(&mut self.ahead, dates_ahead(&items, self.engine.now()).into_iter().collect());
            let hash_rule = &self.push.identity.hash_rule;
            let report = push(self.engine, self.feed, hash_rule, Pushed { items, rejects, body, bytes }).await;
            if let Some(error) = report.error {
                return Err(self.not_stored(error));
            }
            self.batches += 1;
            self.counts += report.counts;
        }
        self.stored = self.read;
        tell(LinesStored { line: self.stored, counts: self.counts });
        Ok(())
    }

    /// Lines may come for days, and the feed be paused or removed while they do.
    async fn refuse_stopped_meanwhile(&self) -> Result<(), OpError> {
        let now = self.engine.as_it_is_now(self.feed).await?;
        refuse_stopped(&now.unwrap_or_else(|| Feed { status: FeedStatus::Removed, ..self.feed.clone() }))
    }

    fn not_stored(&self, error: OpError) -> OpError {
        let message = format!("lines behind {} were not stored: {error}", self.stored);
        let hint = error.hint().map_or_else(|| self.next_step(), str::to_owned);
        OpError::new(error.kind(), error.code(), message).with_hint(hint).with_source(error)
    }

    fn broken_off(&self, code: &'static str, what: &str, error: io::Error) -> OpError {
        let message = format!("{what} behind line {}: {error}", self.stored);
        OpError::failed(code, message).with_hint(self.next_step()).with_source(error)
    }

    fn next_step(&self) -> String {
        format!("{} lines are stored; send those behind them", self.stored)
    }

    fn report(self, reader: &mut LineReader) -> LinesIngested {
        LinesIngested {
            feed: self.feed.name.clone(),
            lines: self.read,
            batches: self.batches,
            counts: self.counts,
            duration_ms: millis(self.started.elapsed()),
            warnings: reader.take_warnings().iter().chain(&self.ahead).map(told_warning).collect(),
        }
    }
}
