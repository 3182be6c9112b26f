//! Faults in answers: filters, orders, pages, lists, the change log.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use feedspine_core::{
    Change, ChangeKind, Cursor, Direction, ErrorKind, FeedId, Field, Filter, Json, MemoryStore, NaturalKey,
    Observation, Page, PageRequest, Query, Record, RecordId, Result, Seen, Selection, Seq, Sighting, StorageBackend,
    StorageError, Test, VersionNo, sort_value,
};
use feedspine_testkit::storage::faulty::Faulty;

use crate::mutants;

mutants! {
    only_first_and_last_sighting_are_kept: FirstAndLastOnly => "sightings::every_poll_is_one_sighting_of_each_item";
    points_are_not_counted: CountsOneLess => "sightings::figures_equal_the_list";
    filters_are_ignored_by_count: CountsAll => "query::every_test_of_every_field_means_what_matches_says";
    five_is_also_text: Bent(five_as_text) => "query::numbers_and_texts_never_match_each_other";
    missing_is_null: Bent(missing_as_null) => "query::missing_is_not_null";
    like_has_wildcards: Bent(wildcards) => "query::text_tests_take_every_character_as_it_is";
    not_is_dropped: Bent(without_not) => "query::random_filters_mean_what_matches_says";
    a_bound_is_taken_with_it: Bent(bounds_included) => "query::every_test_of_every_field_means_what_matches_says";
    order_ignores_case: CaseFolded => "query::text_is_ordered_by_utf8_bytes";
    descending_is_ignored: Bent(ascending) => "query::every_order_is_total";
    pages_go_by_offset: ByOffset(Arc::default()) => "paging::a_cursor_outlives_its_row";
    ties_are_skipped_at_a_page_s_end: SkipsTies => "paging::rows_that_tie_are_neither_skipped_nor_repeated";
    any_cursor_will_do: AnyCursor => "paging::a_cursor_of_another_question_is_invalid";
    pages_stop_at_a_hundred: AHundred => "seed::query_without_a_limit_gives_all";
    what_is_not_stored_is_null: Bent(seen_as_version) => "query::what_is_not_stored_is_unsupported";
    the_log_skips_an_entry: SkipsOne => "changes::a_follower_reads_on_from_its_position";
    what_happened_before_a_delete_is_lost: SinceTheDelete => "changes::what_happened_to_a_record_is_what_the_log_says_of_it";
    what_happened_last_is_lost: AllButTheLast => "changes::what_happened_to_a_record_is_what_the_log_says_of_it";
    nothing_happened_while_an_import_is_unfinished: NothingOfAnImport => "transfer::an_unfinished_import_lets_nobody_in";
    gaps_are_not_logged: WithoutGaps => "leaving::a_document_that_shares_nothing_is_a_gap";
    witnesses_are_not_named: WithoutWitness => "leaving::an_item_gone_while_an_older_one_stays_is_withdrawn";
    the_ledger_has_no_unchanged: WithoutUnchanged => "ingest::the_ledger_has_one_row_for_each_observation";
    versions_are_renumbered: Renumbered => "versions::versions_are_numbered_without_gaps";
}

/// Questions are bent before they are asked.
#[derive(Debug, Clone)]
struct Bent(fn(&mut Query));

#[async_trait]
impl Faulty for Bent {
    async fn query_page(&self, store: &MemoryStore, query: &Query) -> Result<Page<Record>> {
        let mut query = query.clone();
        (self.0)(&mut query);
        store.query_page(&query).await
    }

    async fn count(&self, store: &MemoryStore, selection: &Selection) -> Result<u64> {
        let mut query = Query::new(selection.clone(), 1);
        (self.0)(&mut query);
        store.count(&query.selection).await
    }
}

/// Bends every condition of a tree, the inner ones first.
fn each_condition(filter: &mut Filter, bend: fn(&mut Filter)) {
    match filter {
        Filter::All(filters) | Filter::Any(filters) => {
            for filter in filters {
                each_condition(filter, bend);
            }
        }
        Filter::Not(filter) => each_condition(filter, bend),
        Filter::Field(..) => {}
    }
    bend(filter);
}

fn five_as_text(query: &mut Query) {
    each_condition(&mut query.selection.filter, |leaf| {
        if let Filter::Field(_, test) = leaf
            && let Test::Equal(Json::Number(number)) = &*test
        {
            *test = Test::In(vec![Json::Number(number.clone()), Json::from(number.as_str())]);
        }
    });
}

fn missing_as_null(query: &mut Query) {
    each_condition(&mut query.selection.filter, |leaf| {
        if let Filter::Field(field, Test::Equal(Json::Null)) = leaf {
            let present = Filter::Field(field.clone(), Test::Present);
            *leaf = Filter::Any(vec![leaf.clone(), Filter::Not(Box::new(present))]);
        }
    });
}

fn wildcards(query: &mut Query) {
    each_condition(&mut query.selection.filter, |leaf| {
        if let Filter::Field(_, Test::Contains(part)) = leaf {
            *part = part.replace(['_', '%'], "");
        }
    });
}

fn without_not(query: &mut Query) {
    each_condition(&mut query.selection.filter, |condition| {
        if let Filter::Not(inner) = condition {
            *condition = (**inner).clone();
        }
    });
}

fn bounds_included(query: &mut Query) {
    each_condition(&mut query.selection.filter, |leaf| {
        if let Filter::Field(_, test) = leaf
            && let Test::Less(operand) = &*test
        {
            *test = Test::AtMost(operand.clone());
        }
    });
}

fn ascending(query: &mut Query) {
    for term in &mut query.order {
        term.direction = Direction::Ascending;
    }
}

fn seen_as_version(query: &mut Query) {
    each_condition(&mut query.selection.filter, |leaf| {
        if let Filter::Field(field @ (Field::LastSeen | Field::SeenCount), _) = leaf {
            *field = Field::Version;
        }
    });
    query.order.retain(|term| term.field.check_stored().is_ok());
}

/// Only the first and the last sighting are listed, as stores do that keep two dates.
#[derive(Debug, Clone)]
struct FirstAndLastOnly;

#[async_trait]
impl Faulty for FirstAndLastOnly {
    async fn sightings_page(
        &self,
        store: &MemoryStore,
        key: &NaturalKey,
        page: &PageRequest,
    ) -> Result<Page<Sighting>> {
        let mut found = store.sightings_page(key, page).await?;
        if found.items.len() > 2 {
            let last = found.items.len() - 1;
            found.items.drain(1..last);
        }
        Ok(found)
    }
}

#[derive(Debug, Clone)]
struct CountsOneLess;

#[async_trait]
impl Faulty for CountsOneLess {
    async fn seen_many(&self, store: &MemoryStore, keys: &[NaturalKey]) -> Result<Vec<Option<Seen>>> {
        let figures = store.seen_many(keys).await?;
        Ok(figures.into_iter().map(|seen| seen.map(|seen| Seen { count: seen.count.max(4) - 1, ..seen })).collect())
    }
}

#[derive(Debug, Clone)]
struct CountsAll;

#[async_trait]
impl Faulty for CountsAll {
    async fn count(&self, store: &MemoryStore, _: &Selection) -> Result<u64> {
        store.count(&Selection::everything()).await
    }
}

#[derive(Debug, Clone)]
struct CaseFolded;

#[async_trait]
impl Faulty for CaseFolded {
    async fn query_page(&self, store: &MemoryStore, query: &Query) -> Result<Page<Record>> {
        let mut page = store.query_page(query).await?;
        page.items.sort_by_key(|row| row.key.key().to_lowercase());
        Ok(page)
    }
}

/// The cursor is a number of rows to skip, as it was counted when the page was given.
#[derive(Debug, Clone)]
struct ByOffset(Arc<Mutex<Vec<(Cursor, usize)>>>);

#[async_trait]
impl Faulty for ByOffset {
    async fn query_page(&self, store: &MemoryStore, query: &Query) -> Result<Page<Record>> {
        let known = |cursor: &Cursor| {
            self.0.lock().expect("no test panics with it").iter().find(|(held, _)| held == cursor).map(|(_, n)| *n)
        };
        let offset = query.page.after.as_ref().and_then(known).unwrap_or(0);
        let whole = Query { page: PageRequest::first(1_000), ..query.clone() };
        let rows = store.query_page(&whole).await?.items;
        let items: Vec<Record> = rows.iter().skip(offset).take(query.page.size()).cloned().collect();
        let end = offset + items.len();
        let next = items.last().filter(|_| end < rows.len()).map(|last| query.cursor_after(last));
        if let Some(next) = &next {
            self.0.lock().expect("no test panics with it").push((next.clone(), end));
        }
        Ok(Page { items, next })
    }
}

/// A page begins after the value that the one before ended with, not after its row.
#[derive(Debug, Clone)]
struct SkipsTies;

#[async_trait]
impl Faulty for SkipsTies {
    async fn query_page(&self, store: &MemoryStore, query: &Query) -> Result<Page<Record>> {
        let mut page = store.query_page(query).await?;
        if let (Some(position), Some(term)) = (query.position()?, query.order.first()) {
            page.items.retain(|row| sort_value(&term.field, row) != position[0]);
        }
        Ok(page)
    }
}

#[derive(Debug, Clone)]
struct AnyCursor;

#[async_trait]
impl Faulty for AnyCursor {
    async fn query_page(&self, store: &MemoryStore, query: &Query) -> Result<Page<Record>> {
        if query.position().is_err() {
            return store.query_page(&Query { page: PageRequest::first(query.page.size()), ..query.clone() }).await;
        }
        store.query_page(query).await
    }
}

#[derive(Debug, Clone)]
struct AHundred;

#[async_trait]
impl Faulty for AHundred {
    async fn query_page(&self, store: &MemoryStore, query: &Query) -> Result<Page<Record>> {
        let mut page = store.query_page(query).await?;
        if page.items.len() > 100 {
            page.items.truncate(100);
            page.next = None;
        }
        Ok(page)
    }
}

#[derive(Debug, Clone)]
struct SkipsOne;

#[async_trait]
impl Faulty for SkipsOne {
    async fn changes(&self, store: &MemoryStore, after: &Seq, limit: NonZeroUsize) -> Result<Vec<Change>> {
        let number = after.as_number().ok_or_else(|| StorageError::invalid("not a position"))?;
        let after = if number == 4 { Seq::from_number(5) } else { after.clone() };
        store.changes(&after, limit).await
    }
}

/// A record that was deleted and made again has happened since then only, as where the log is found by the record's row.
#[derive(Debug, Clone)]
struct SinceTheDelete;

#[async_trait]
impl Faulty for SinceTheDelete {
    async fn changes_of(&self, store: &MemoryStore, record: RecordId) -> Result<Vec<Change>> {
        let mut found = store.changes_of(record).await?;
        let deleted = found.iter().rposition(|change| change.event.kind == ChangeKind::Deleted);
        found.drain(..deleted.unwrap_or(0));
        Ok(found)
    }
}

#[derive(Debug, Clone)]
struct AllButTheLast;

#[async_trait]
impl Faulty for AllButTheLast {
    async fn changes_of(&self, store: &MemoryStore, record: RecordId) -> Result<Vec<Change>> {
        let mut found = store.changes_of(record).await?;
        found.pop();
        Ok(found)
    }
}

/// It does not ask whether an import is unfinished.
#[derive(Debug, Clone)]
struct NothingOfAnImport;

#[async_trait]
impl Faulty for NothingOfAnImport {
    async fn changes_of(&self, store: &MemoryStore, record: RecordId) -> Result<Vec<Change>> {
        match store.changes_of(record).await {
            Err(error) if error.kind() == ErrorKind::Unavailable => Ok(Vec::new()),
            answer => answer,
        }
    }
}

#[derive(Debug, Clone)]
struct WithoutGaps;

#[async_trait]
impl Faulty for WithoutGaps {
    async fn changes(&self, store: &MemoryStore, after: &Seq, limit: NonZeroUsize) -> Result<Vec<Change>> {
        let changes = store.changes(after, limit).await?;
        Ok(changes.into_iter().filter(|change| change.event.kind != ChangeKind::Gap).collect())
    }
}

#[derive(Debug, Clone)]
struct WithoutWitness;

#[async_trait]
impl Faulty for WithoutWitness {
    async fn changes(&self, store: &MemoryStore, after: &Seq, limit: NonZeroUsize) -> Result<Vec<Change>> {
        let mut changes = store.changes(after, limit).await?;
        for change in &mut changes {
            change.event.witness = None;
        }
        Ok(changes)
    }
}

#[derive(Debug, Clone)]
struct WithoutUnchanged;

#[async_trait]
impl Faulty for WithoutUnchanged {
    async fn observations_page(
        &self,
        store: &MemoryStore,
        feed: FeedId,
        page: &PageRequest,
    ) -> Result<Page<Observation>> {
        let mut found = store.observations_page(feed, page).await?;
        found.items.retain(|row| row.counts.new + row.counts.changed > 0);
        Ok(found)
    }
}

#[derive(Debug, Clone)]
struct Renumbered;

#[async_trait]
impl Faulty for Renumbered {
    async fn versions_page(
        &self,
        store: &MemoryStore,
        (record, layer): (RecordId, feedspine_core::Layer),
        page: &PageRequest,
    ) -> Result<Page<feedspine_core::Version>> {
        let mut found = store.versions_page(record, layer, page).await?;
        for version in found.items.iter_mut().skip(3) {
            version.number = VersionNo::next(version.number);
        }
        Ok(found)
    }
}
