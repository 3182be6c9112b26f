//! The journey of a fetch that comes in pages: each is committed as parts of it before the next is asked for.

use std::sync::Arc;

use feedspine_core::{Coverage, CursorStep, FeedCursor, FetchId, FetchStatus, IngestBatch, Json, Part};
use feedspine_parse::Warning;

use super::{Anew, Arrived, Basis, Journey};
use crate::OpError;
use crate::adapters::{Adapter, Cost, Covers, Ground, Page, Then, Told, gather};
use crate::collect::ahead::dates_ahead;
use crate::collect::cursor::{Memory, naming, remember, told_by};
use crate::collect::document::told_warning;
use crate::collect::parts::parts as cut;
use crate::fetch::Reach;
use crate::policy::{Tally, rule_in_force};

impl Journey<'_> {
    pub(super) async fn run_pages(
        &mut self,
        reach: Reach,
        cursor: Option<FeedCursor>,
        anew: Anew,
        adapter: &Adapter,
    ) -> Result<Arrived, OpError> {
        let basis =
            Basis { revision: cursor.as_ref().map_or(0, |cursor| cursor.revision), observed_at: self.engine.now() };
        let memory = cursor.as_ref().and_then(|cursor| remember(cursor, self.feed));
        let told_before = cursor.as_ref().and_then(told_by);
        let ground = Ground {
            engine: self.engine,
            address: self.feed.address.parse()?,
            reach,
            manner: Arc::clone(&self.manner),
            memory: if anew == Anew::Yes { memory.map(Memory::unread) } else { memory },
            manifest: cursor.and_then(|cursor| cursor.manifest),
            observed_at: basis.observed_at,
            added_at: self.feed.added_at,
            trace: Arc::clone(&self.trace),
        };
        let manifest = ground.manifest;
        let mut pages = adapter.begin(ground)?;
        let mut parts = Parts { complete: true, ..Parts::default() };
        loop {
            let told = pages.next().await.map_err(|failure| {
                let cost = Cost { http_status: failure.http_status, wire_bytes: failure.wire_bytes, body_bytes: 0 };
                self.note(cost);
                failure.error
            })?;
            let covers = pages.covers();
            match told {
                Told::Same { cost, memory } => {
                    self.note(cost);
                    return match (covers, manifest) {
                        (Covers::All, Some(of)) => self.commit_unchanged(&basis, of, &memory).await,
                        _ => self.commit_nothing_new(&basis, &memory, told_before).await,
                    };
                }
                Told::Page(page) => {
                    if let Some(mut arrived) = self.commit_page(&basis, covers, &mut parts, page).await? {
                        if arrived.outcome == FetchStatus::Captured {
                            arrived.warnings.extend(pages.settle().await?.iter().map(told_warning));
                        }
                        return Ok(arrived);
                    }
                }
            }
        }
    }

    fn note(&mut self, cost: Cost) {
        self.figures.http_status = cost.http_status.or(self.figures.http_status);
        self.figures.wire_bytes += cost.wire_bytes;
        self.figures.body_bytes += cost.body_bytes;
    }

    /// A source of which only what is new is asked for had nothing new, and says nothing of what it told before.
    async fn commit_nothing_new(
        &mut self,
        basis: &Basis,
        memory: &Memory,
        told_before: Option<FetchId>,
    ) -> Result<Arrived, OpError> {
        let mut next = memory.to_json(self.feed, rule_in_force(self.feed), self.evidence.clone());
        if let Some(fetch) = told_before {
            next = naming(next, fetch);
        }
        let batch = self.part(basis, Coverage::Delta, Part::ONLY, next);
        if self.submit(batch).await? {
            Ok(Arrived::with(FetchStatus::Unchanged, Vec::new()))
        } else {
            Ok(self.superseded())
        }
    }

    /// Commits a page in as many parts as the store needs; how the journey ended, when this was the last page.
    async fn commit_page(
        &mut self,
        basis: &Basis,
        covers: Covers,
        parts: &mut Parts,
        page: Page<'_>,
    ) -> Result<Option<Arrived>, OpError> {
        let Page { candidates, mut rejects, body, cost, then, room } = page;
        self.note(cost);
        // A body is named by its first item: a page without any would have the name of the next one.
        let is_alone = parts.index == 0 && matches!(then, Then::End(_));
        let has_items = !candidates.is_empty() || !rejects.is_empty();
        if let Some(body) = body.filter(|_| has_items || is_alone) {
            parts.warnings.extend(self.keep(basis, body).await);
        }
        parts.complete &= rejects.iter().all(|reject| reject.key.is_some());
        parts.tally.take(&candidates, &rejects, &self.hash_rule);
        let (next, end) = match then {
            Then::More => (Json::Null, None),
            Then::End(end) => {
                parts.complete &= end.complete;
                let reading = rule_in_force(self.feed).map(|rule| parts.tally.reading(rule));
                parts.warnings.extend(reading.and_then(|reading| self.take_evidence(basis, reading)));
                let next = end.memory.to_json(self.feed, rule_in_force(self.feed), self.evidence.clone());
                // A Delta tells no manifest, which else names the fetch.
                let next = if covers == Covers::Some { naming(next, self.fetch) } else { next };
                (next, Some(end.warnings))
            }
        };
        let most = self.engine.storage().info().capabilities.max_batch.max(1);
        parts.ahead(dates_ahead(&candidates, basis.observed_at));
        let mut rest = cut(candidates, most).into_iter().peekable();
        while let Some(items) = rest.next() {
            let page_ends = rest.peek().is_none();
            let last = page_ends && end.is_some();
            let part = Part { index: parts.index, last };
            let mut batch = self.part(basis, coverage(covers, parts.complete), part, next.clone());
            batch.items = items;
            batch.rejects = if page_ends { std::mem::take(&mut rejects) } else { Vec::new() };
            // A page without items that is not the last tells nothing.
            if last || !batch.items.is_empty() || !batch.rejects.is_empty() {
                if !self.submit(batch).await? {
                    return Ok(Some(self.superseded()));
                }
                parts.index += 1;
            }
        }
        drop(room);
        Ok(end.map(|warnings| {
            let told = warnings.iter().chain(&parts.ahead).map(told_warning);
            Arrived::with(FetchStatus::Captured, told.chain(std::mem::take(&mut parts.warnings)).collect())
        }))
    }

    fn part(&self, basis: &Basis, coverage: Coverage, part: Part, next: Json) -> IngestBatch {
        let step = CursorStep::Advance { expected: basis.revision, next };
        IngestBatch { part, coverage, step, ..self.batch(basis) }
    }
}

/// How far a fetch has been committed.
#[derive(Default)]
struct Parts {
    index: u32,
    complete: bool,
    /// What is to be told of dates that lie ahead.
    ahead: Vec<Warning>,
    /// How its keys do.
    tally: Tally,
    /// What is to be told of keys, and of bodies that were to be kept.
    warnings: Vec<String>,
}

impl Parts {
    fn ahead(&mut self, further: Option<Warning>) {
        gather(&mut self.ahead, further.into_iter().collect());
    }
}

fn coverage(covers: Covers, complete: bool) -> Coverage {
    match covers {
        Covers::All => Coverage::Snapshot { complete },
        Covers::Some => Coverage::Delta,
    }
}
