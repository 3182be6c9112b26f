//! Faults in what becomes of a batch.

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use feedspine_core::{
    Content, Coverage, CursorStep, FeedId, FetchId, HashRule, IngestBatch, IngestReport, Json, MemoryStore, NaturalKey,
    Page, PageRequest, Quarantined, Result, StorageBackend, Timestamp,
};
use feedspine_testkit::storage::faulty::Faulty;

use crate::mutants;

mutants! {
    a_replay_is_stored_again: Bent(as_another_fetch) => "ingest::a_batch_that_comes_again_is_answered_with_its_first_report";
    the_compare_and_set_is_left_out: AnyRevision => "ingest::a_cursor_that_moved_on_is_a_conflict";
    the_cursor_is_not_moved: Bent(keeping) => "ingest::the_cursor_commits_with_the_items";
    rejects_are_thrown_away: Bent(without_rejects) => "ingest::rejects_are_quarantined_as_they_came";
    a_missing_date_is_now: Bent(dated_now) => "values::instants_are_kept_to_the_microsecond";
    instants_are_cut_to_milliseconds: Bent(to_milliseconds) => "values::instants_are_kept_to_the_microsecond";
    keys_are_folded: Bent(lower_case) => "keys::keys_that_only_look_alike_are_different";
    text_is_cut_at_nul: Bent(cut_at_nul) => "values::text_keeps_nul_and_every_plane";
    numbers_go_through_floats: Bent(through_floats) => "values::numbers_are_exact";
    the_first_of_equal_keys_wins: Bent(first_of_equal_keys) => "keys::the_winner_does_not_depend_on_the_order";
    the_hash_rule_is_ignored: Bent(whole_rule) => "versions::volatile_fields_make_no_version";
    an_incomplete_document_counts_as_complete: Bent(always_complete) => "leaving::an_incomplete_document_tells_nothing";
    a_delta_counts_as_a_document: Bent(delta_as_snapshot) => "sightings::a_delta_opens_and_closes_no_span";
    documents_are_told_as_deltas: Bent(snapshot_as_delta) => "ingest::rounds_are_dense";
    ties_are_broken_by_place: Bent(older_by_place) => "leaving::a_tie_is_no_witness";
    unchanged_may_name_anything: NamesAnything => "unchanged::naming_the_past_is_a_conflict";
    unchanged_is_answered_and_not_stored: ForgetsUnchanged => "sightings::unchanged_sights_what_the_feed_holds";
    rejects_of_other_feeds_are_shown: AllRejects => "ingest::rejects_are_quarantined_as_they_came";
    an_early_part_ends_the_document: Bent(every_part_the_last) => "parts::an_early_part_ends_no_span_and_moves_no_cursor";
    a_keyed_reject_counts_as_gone: Bent(rejects_without_keys) => "leaving::a_keyed_reject_counts_as_present";
    every_day_is_another: Bent(recorded_days_apart) => "churn::of_a_record_that_churns_one_minor_version_a_day_is_kept";
    no_day_is_ever_over: Bent(recorded_at_once) => "churn::what_stays_is_kept_after_a_day";
    what_differs_in_markup_is_the_same: Bent(without_comments) => "churn::minor_versions_are_kept_as_any_other";
    what_is_held_back_is_not_counted: CountsKeptOnly => "churn::what_is_held_back_is_counted_each_time";
    what_a_part_tells_again_is_told_otherwise: Bent(spaced_apart) => "churn::parts_hold_back_alike";
    feeds_share_one_history: Bent(one_feed) => "stories::two_feeds_agree_with_a_row_for_each_sighting";
}

/// Batches are bent before they are taken.
#[derive(Debug, Clone)]
struct Bent(fn(&mut IngestBatch));

#[async_trait]
impl Faulty for Bent {
    async fn ingest(&self, store: &MemoryStore, mut batch: IngestBatch) -> Result<IngestReport> {
        (self.0)(&mut batch);
        store.ingest(batch).await
    }
}

/// Every submission gets an id of its own, so that none is known for a replay.
fn as_another_fetch(batch: &mut IngestBatch) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    batch.fetch = FetchId::from_u128(NEXT.fetch_add(1, Ordering::Relaxed).into());
}

/// Batches are recorded thirty times as far apart as they are read.
fn recorded_days_apart(batch: &mut IngestBatch) {
    let begin = 1_767_225_600_000_000;
    let micros = begin + (batch.observed_at.as_micros() - begin) * 30;
    batch.recorded_at = Timestamp::from_micros(micros).expect("an instant");
}

fn recorded_at_once(batch: &mut IngestBatch) {
    batch.recorded_at = Timestamp::UNIX_EPOCH;
}

fn without_comments(batch: &mut IngestBatch) {
    for item in &mut batch.items {
        let text =
            item.content.as_str().replace("<b>", "").replace("</b>", "").replace("  ", " ").replace("&amp;", "&");
        item.content = Content::from_canonical(text);
    }
}

fn spaced_apart(batch: &mut IngestBatch) {
    for item in batch.items.iter_mut().filter(|_| batch.part.index > 1) {
        item.content = Content::from_canonical(item.content.as_str().replace("Fish", "Fi sh"));
    }
}

fn keeping(batch: &mut IngestBatch) {
    batch.step = CursorStep::Keep;
}

fn without_rejects(batch: &mut IngestBatch) {
    batch.rejects.clear();
}

fn dated_now(batch: &mut IngestBatch) {
    for item in &mut batch.items {
        item.published.get_or_insert(batch.observed_at);
    }
}

fn to_milliseconds(batch: &mut IngestBatch) {
    for item in &mut batch.items {
        item.published = item.published.map(|at| {
            let micros = at.as_micros();
            Timestamp::from_micros(micros - micros.rem_euclid(1_000)).expect("an instant")
        });
    }
}

fn lower_case(batch: &mut IngestBatch) {
    for item in &mut batch.items {
        item.key = NaturalKey::new(item.key.namespace().clone(), &item.key.key().to_lowercase()).expect("a key");
    }
}

fn map_strings(value: &Json, to: &impl Fn(&str) -> String) -> Json {
    match value {
        Json::String(text) => Json::String(to(text)),
        Json::Array(elements) => Json::Array(elements.iter().map(|element| map_strings(element, to)).collect()),
        Json::Object(members) => {
            Json::object(members.iter().map(|(name, member)| (name.as_str(), map_strings(member, to))))
        }
        other => other.clone(),
    }
}

fn cut_at_nul(batch: &mut IngestBatch) {
    for item in &mut batch.items {
        let cut = |text: &str| text.split('\0').next().unwrap_or_default().to_owned();
        item.content = Content::new(&map_strings(&item.content.to_json(), &cut));
    }
}

fn through_floats(batch: &mut IngestBatch) {
    fn bend(value: &Json) -> Json {
        match value {
            Json::Number(number) => {
                let float: f64 = number.as_str().parse().expect("a float");
                Json::parse(&format!("{:e}", if float.is_finite() { float } else { f64::MAX })).expect("a number")
            }
            Json::Array(elements) => Json::Array(elements.iter().map(bend).collect()),
            Json::Object(members) => Json::object(members.iter().map(|(name, member)| (name.as_str(), bend(member)))),
            other => other.clone(),
        }
    }
    for item in &mut batch.items {
        item.content = Content::new(&bend(&item.content.to_json()));
    }
}

fn first_of_equal_keys(batch: &mut IngestBatch) {
    let mut seen = Vec::new();
    batch.items.retain(|item| {
        let first = !seen.contains(&item.key);
        seen.push(item.key.clone());
        first
    });
}

fn whole_rule(batch: &mut IngestBatch) {
    batch.hash_rule = HashRule::whole();
}

fn always_complete(batch: &mut IngestBatch) {
    if let Coverage::Snapshot { complete } = &mut batch.coverage {
        *complete = true;
    }
}

fn delta_as_snapshot(batch: &mut IngestBatch) {
    if batch.coverage == Coverage::Delta {
        batch.coverage = Coverage::Snapshot { complete: true };
    }
}

fn snapshot_as_delta(batch: &mut IngestBatch) {
    if matches!(batch.coverage, Coverage::Snapshot { .. }) {
        batch.coverage = Coverage::Delta;
    }
}

/// The item at the end of the story is made a microsecond older.
fn older_by_place(batch: &mut IngestBatch) {
    for item in &mut batch.items {
        let tail = i64::from(item.key.key() == "a");
        item.published = item.published.map(|at| at.saturating_add_micros(-tail));
    }
}

fn every_part_the_last(batch: &mut IngestBatch) {
    batch.part.last = true;
}

fn rejects_without_keys(batch: &mut IngestBatch) {
    for reject in &mut batch.rejects {
        reject.key = None;
    }
}

/// What one feed showed last is taken for what any feed showed last.
fn one_feed(batch: &mut IngestBatch) {
    batch.feed = FeedId::from_u128(0xFEED_0000);
}

/// The revision expected is always the one there is.
#[derive(Debug, Clone)]
struct AnyRevision;

#[async_trait]
impl Faulty for AnyRevision {
    async fn ingest(&self, store: &MemoryStore, mut batch: IngestBatch) -> Result<IngestReport> {
        if let CursorStep::Advance { expected, .. } = &mut batch.step {
            *expected = store.cursor(batch.feed).await?.map_or(0, |cursor| cursor.revision);
        }
        store.ingest(batch).await
    }
}

/// An Unchanged batch is taken to name the manifest there is.
#[derive(Debug, Clone)]
struct NamesAnything;

#[async_trait]
impl Faulty for NamesAnything {
    async fn ingest(&self, store: &MemoryStore, mut batch: IngestBatch) -> Result<IngestReport> {
        if let Coverage::Unchanged { of } = &mut batch.coverage {
            let ledger = store.observations_page(batch.feed, &PageRequest::first(1_000)).await?.items;
            *of = ledger.iter().rev().find(|row| row.round.is_some()).map_or(*of, |row| row.fetch);
        }
        store.ingest(batch).await
    }
}

/// A 304 is answered from what is known, and leaves no trace.
#[derive(Debug, Clone)]
struct ForgetsUnchanged;

#[async_trait]
impl Faulty for ForgetsUnchanged {
    async fn ingest(&self, store: &MemoryStore, batch: IngestBatch) -> Result<IngestReport> {
        if matches!(batch.coverage, Coverage::Unchanged { .. }) {
            let ledger = store.observations_page(batch.feed, &PageRequest::first(1_000)).await?.items;
            let seen = ledger.last().map_or(0, |row| row.counts.seen);
            let counts = feedspine_core::Counts { seen, unchanged: seen, ..feedspine_core::Counts::default() };
            return Ok(IngestReport { counts, ..IngestReport::default() });
        }
        store.ingest(batch).await
    }
}

/// Contents that were held back are unchanged, and nothing else is said of them.
#[derive(Debug, Clone)]
struct CountsKeptOnly;

#[async_trait]
impl Faulty for CountsKeptOnly {
    async fn ingest(&self, store: &MemoryStore, batch: IngestBatch) -> Result<IngestReport> {
        let mut report = store.ingest(batch).await?;
        report.counts.held_back = 0;
        Ok(report)
    }
}

/// The quarantine of feed 1 is shown for every feed.
#[derive(Debug, Clone)]
struct AllRejects;

#[async_trait]
impl Faulty for AllRejects {
    async fn rejects_page(&self, store: &MemoryStore, _: FeedId, page: &PageRequest) -> Result<Page<Quarantined>> {
        store.rejects_page(FeedId::from_u128(0xFEED_0001), page).await
    }
}
