//! Pieces into a store: wholly, or to be gone on with.

use std::collections::HashMap;

use feedspine_core::transfer::{Batches, Progress, Row, Transfer};
use feedspine_core::{ErrorKind, Feed, FeedId, Fetch, FetchId, Schedule, StateStore};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::print::Print;
use super::stored::{self, Stored};
use super::{Piece, Source, WriteOutcome, Written};
use crate::ops::{OpError, StoreCare};

/// The fetches of so many feeds are written at once: a store commits what it is asked together.
const FEEDS_AT_ONCE: usize = 32;

impl StoreCare {
    /// Fills this store with pieces, and compares what it holds then with what was read.
    pub(super) async fn fill_from(&self, source: &mut dyn Source) -> Result<Written, OpError> {
        self.open().await?;
        let mut print = Print::default();
        let outcome = if let Some(filling) = self.begin_filling().await? {
            filling.run(source, &mut print).await?
        } else {
            while let Some(piece) = source.next().await? {
                print.piece(&piece);
            }
            WriteOutcome::Already
        };
        if print.equals(&Stored::print(self).await?) {
            return Ok(Written { outcome, contents: print.contents() });
        }
        Err(match outcome {
            WriteOutcome::Already => {
                OpError::failed("import.not_empty", "the store holds data already, and other data")
                    .with_hint("choose a new store")
            }
            _ => OpError::failed("import.differs", "what was written is not what was read")
                .with_hint("was it written to meanwhile? else do not trust the new store, and report this"),
        })
    }

    /// `None` when the store holds something already.
    async fn begin_filling(&self) -> Result<Option<Filling<'_>>, OpError> {
        let transfer = self.transfer()?;
        // Feeds of a store that answers are its own. No import may be begun over them, not even to be ended at once: whoever
        // is killed in between leaves a store that refuses every call.
        if let Some(feed) = self.state().feeds().await?.first()
            && self.answers(feed.id).await?
        {
            return Ok(None);
        }
        let begun = match transfer.begin_import().await {
            Ok(begun) => begun,
            Err(error) if error.kind() == ErrorKind::Conflict => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let held = self.state().feeds().await?;
        if begun.is_none() && !held.is_empty() {
            // Added by another process since.
            transfer.finish_import().await?;
            return Ok(None);
        }
        let feeds = held.into_iter().map(|feed| (feed.id, feed)).collect();
        let schedules = self.state().schedules().await?;
        let schedules = schedules.into_iter().map(|schedule| (schedule.feed, schedule)).collect();
        Ok(Some(Filling { transfer, state: self.state(), begun, feeds, schedules }))
    }

    /// Whether the storage answers, as it does not while an import is unfinished.
    async fn answers(&self, feed: FeedId) -> Result<bool, OpError> {
        match self.storage().cursor(feed).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Unavailable => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// A store being filled.
struct Filling<'a> {
    transfer: &'a dyn Transfer,
    state: &'a dyn StateStore,
    /// How far an earlier run came.
    begun: Option<Progress>,
    /// What an earlier run wrote of the control plane.
    feeds: HashMap<FeedId, Feed>,
    schedules: HashMap<FeedId, Schedule>,
}

impl Filling<'_> {
    async fn run(self, source: &mut dyn Source, print: &mut Print) -> Result<WriteOutcome, OpError> {
        let mut feeds = Vec::new();
        let mut fetches = Vec::new();
        let mut batches = Batches::default();
        let mut next = source.next().await?;
        while let Some(Piece::Feed(feed)) = next {
            feeds.push(feed);
            next = source.next().await?;
        }
        self.judge(&feeds)?;
        for feed in feeds {
            self.feed(feed, print).await?;
        }
        while let Some(piece) = next {
            match piece {
                Piece::Feed(feed) => self.feed(feed, print).await?,
                Piece::Schedules(schedules) => self.schedules(schedules, print).await?,
                Piece::Fetches(of_one_feed) => {
                    for fetch in &of_one_feed {
                        print.fetch(fetch);
                    }
                    fetches.push(of_one_feed);
                    if fetches.len() == FEEDS_AT_ONCE {
                        self.fetches(std::mem::take(&mut fetches)).await?;
                    }
                }
                Piece::Rows(rows) => {
                    self.fetches(std::mem::take(&mut fetches)).await?;
                    for row in rows {
                        self.row(row, print, &mut batches).await?;
                    }
                }
            }
            next = source.next().await?;
        }
        self.fetches(fetches).await?;
        if self.begun.is_some_and(|begun| print.contents().rows < begun.rows) {
            return Err(changed());
        }
        let rest = batches.take();
        if !rest.is_empty() {
            self.transfer.import(rest, print.progress()).await?;
        }
        self.transfer.finish_import().await?;
        Ok(if self.begun.is_some() { WriteOutcome::Resumed } else { WriteOutcome::Written })
    }

    async fn row(&self, row: Row, print: &mut Print, batches: &mut Batches) -> Result<(), OpError> {
        print.row(&row);
        if let Some(begun) = &self.begun
            && print.contents().rows <= begun.rows
        {
            let is_last = print.contents().rows == begun.rows;
            return if is_last && print.progress() != *begun { Err(changed()) } else { Ok(()) };
        }
        if let Some(batch) = batches.push(row) {
            self.transfer.import(batch, print.progress()).await?;
        }
        Ok(())
    }

    /// Refuses feeds that are not those that an earlier run began to write, before any is added to them: nothing could go
    /// on from a mixture. An earlier run wrote them in the order in which they come, and all of them before any row.
    fn judge(&self, coming: &[Feed]) -> Result<(), OpError> {
        let written = coming.iter().take_while(|feed| self.feeds.get(&feed.id) == Some(*feed)).count();
        let goes_on = written == self.feeds.len() && (!self.has_rows() || written == coming.len());
        if goes_on { Ok(()) } else { Err(changed()) }
    }

    /// Whether an earlier run came to the rows: it had written all of the control plane then.
    fn has_rows(&self) -> bool {
        self.begun.is_some_and(|begun| begun.rows > 0)
    }

    async fn feed(&self, feed: Feed, print: &mut Print) -> Result<(), OpError> {
        print.feed(&feed);
        match self.feeds.get(&feed.id) {
            None => Ok(self.state.add_feed(&feed).await?),
            Some(held) if *held == feed => Ok(()),
            Some(_) => Err(changed()),
        }
    }

    async fn schedules(&self, mut schedules: Vec<Schedule>, print: &mut Print) -> Result<(), OpError> {
        for schedule in &schedules {
            print.schedule(schedule);
        }
        schedules.retain(|schedule| self.schedules.get(&schedule.feed) != Some(schedule));
        if schedules.is_empty() {
            return Ok(());
        }
        if self.has_rows() { Err(changed()) } else { Ok(self.state.set_schedules(&schedules).await?) }
    }

    async fn fetches(&self, of_feeds: Vec<Vec<Fetch>>) -> Result<(), OpError> {
        let written = stream::iter(of_feeds).map(|fetches| self.fetches_of_one(fetches));
        written.buffer_unordered(FEEDS_AT_ONCE).try_collect::<()>().await
    }

    /// A feed's fetches, in their order.
    async fn fetches_of_one(&self, fetches: Vec<Fetch>) -> Result<(), OpError> {
        let Some(first) = fetches.first() else { return Ok(()) };
        let held = match self.begun {
            Some(_) => stored::fetches(self.state, first.intent.feed).await?,
            None => Vec::new(),
        };
        let held: HashMap<FetchId, Fetch> = held.into_iter().map(|fetch| (fetch.intent.fetch, fetch)).collect();
        for fetch in fetches {
            let known = held.get(&fetch.intent.fetch);
            if known == Some(&fetch) {
                continue;
            }
            if self.has_rows() {
                return Err(changed());
            }
            let Fetch { intent, detail } = fetch;
            if known.is_none() {
                self.state.begin_fetch(&intent, None).await?;
            }
            if let Some(detail) = detail {
                self.state.finish_fetch(intent.fetch, &detail, None).await?;
            }
        }
        Ok(())
    }
}

fn changed() -> OpError {
    let message = "what is read now is not what an earlier run began to write";
    OpError::failed("import.changed", message).with_hint("go on with what it was begun with, or choose a new store")
}
