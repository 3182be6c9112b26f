//! Lists in the order of commits: versions, ledger, quarantine.

use feedspine_core::ingest::{Observation, Reject};
use feedspine_core::{
    Cursor, FeedId, FetchId, HashRuleId, Json, Layer, Origin, Page, PageRequest, Quarantined, RecordId, StorageError,
    Version,
};
use tokio_postgres::Row;

use crate::bind::{Param, bind, bound};
use crate::error::Outcome;
use crate::ledger;
use crate::rows::{self, COUNTS, Columns};
use crate::session::Session;

/// A page of a list whose entries are numbered: the statement gives the number first, takes the number to begin after
/// and the limit last, and the rest of each row is for `read`.
async fn numbered_page<T>(
    session: &Session,
    (page, of): (&PageRequest, &str),
    (statement, values): (&str, Vec<Param<'_>>),
    read: impl Fn(&mut Columns<'_>) -> Outcome<T>,
) -> Outcome<Page<T>> {
    let after = page.after.as_ref().map(|cursor| number_of(&cursor.position(of)?)).transpose()?.unwrap_or(0);
    let limit = limit(page);
    let values: Vec<Param<'_>> = values.into_iter().chain([bound(after), bound(limit)]).collect();
    let found = session.query(statement, &values).await?;
    let mut items = Vec::with_capacity(found.len());
    let mut last = 0_i64;
    for row in found.iter().take(page.size()) {
        let mut columns = Columns::of(row);
        last = columns.take()?;
        items.push(read(&mut columns)?);
    }
    let next = (found.len() > page.size()).then(|| Cursor::new(of, &[Json::from(last)]));
    Ok(Page { items, next })
}

/// One more than the page holds, to know whether there is a next one.
pub(crate) fn limit(page: &PageRequest) -> i64 {
    i64::try_from(page.size() + 1).unwrap_or(i64::MAX)
}

/// The number that a cursor of a numbered list holds.
pub(crate) fn number_of(position: &[Json]) -> Result<i64, StorageError> {
    let number = match position {
        [Json::Number(number)] => number.as_i64(),
        _ => None,
    };
    number.ok_or_else(|| StorageError::invalid("the cursor does not fit the list"))
}

/// The versions of a record at a layer, from the first.
pub(crate) async fn versions_page(
    session: &Session,
    record: RecordId,
    layer: Layer,
    page: &PageRequest,
) -> Outcome<Page<Version>> {
    let of = format!("versions {record} {layer}");
    let statement = format!(
        "SELECT number::bigint AS place, {VERSION} FROM versions
         WHERE record = $1 AND layer = $2 AND number > $3 ORDER BY versions.number LIMIT $4"
    );
    let values = bind![rows::record_uuid(record), rows::layer_rank(layer)].into();
    numbered_page(session, (page, &of), (&statement, values), |columns| read_version(columns, record, layer)).await
}

/// The columns of a version, in the order that [`read_version`] takes them.
pub(crate) const VERSION: &str =
    "number, hash, content, rule, metadata, published, updated, recorded_at, feed, fetch_id,
     from_layer, from_version, from_hash, from_deleted";

pub(crate) fn read_version(columns: &mut Columns<'_>, record: RecordId, layer: Layer) -> Outcome<Version> {
    Ok(Version {
        record,
        layer,
        number: columns.version()?,
        content: columns.content()?,
        hash_rule: HashRuleId::from_stored(columns.take()?),
        metadata: columns.metadata()?,
        published: columns.optional_instant()?,
        updated: columns.optional_instant()?,
        recorded_at: columns.instant()?,
        origin: read_origin(columns)?,
        derived_from: columns.lineage()?,
    })
}

fn read_origin(columns: &mut Columns<'_>) -> Outcome<Option<Origin>> {
    let (feed, fetch) = (columns.optional_feed()?, columns.optional_fetch()?);
    Ok(feed.zip(fetch).map(|(feed, fetch)| Origin { feed, fetch }))
}

/// The feed's ledger.
pub(crate) async fn observations_page(
    session: &Session,
    feed: FeedId,
    page: &PageRequest,
) -> Outcome<Page<Observation>> {
    let of = format!("observations {feed}");
    let statement = format!(
        "SELECT place, {}, {COUNTS} FROM ledger WHERE feed = $1 AND place > $2 ORDER BY place LIMIT $3",
        ledger::OBSERVATION
    );
    let values = bind![rows::feed_uuid(feed)].into();
    let read = |columns: &mut Columns<'_>| ledger::read_observation(columns, feed);
    numbered_page(session, (page, &of), (&statement, values), read).await
}

/// The row that a fetch has in the feed's ledger.
pub(crate) async fn observation(session: &Session, feed: FeedId, fetch: FetchId) -> Outcome<Option<Observation>> {
    let statement = format!("SELECT {}, {COUNTS} FROM ledger WHERE feed = $1 AND fetch_id = $2", ledger::OBSERVATION);
    let found = session.query(&statement, &bind![rows::feed_uuid(feed), rows::fetch_uuid(fetch)]).await?;
    found.first().map(|row| ledger::read_observation(&mut Columns::of(row), feed)).transpose()
}

/// The feed's quarantine.
pub(crate) async fn rejects_page(session: &Session, feed: FeedId, page: &PageRequest) -> Outcome<Page<Quarantined>> {
    let of = format!("rejects {feed}");
    let statement = "SELECT place, fetch_id, recorded_at, ordinal, namespace, key, code, reason, excerpt
         FROM rejects WHERE feed = $1 AND place > $2 ORDER BY place LIMIT $3";
    let values = bind![rows::feed_uuid(feed)].into();
    numbered_page(session, (page, &of), (statement, values), read_reject).await
}

/// Reads fetch, when it was recorded, ordinal, namespace, key, code, reason and excerpt.
pub(crate) fn read_reject(columns: &mut Columns<'_>) -> Outcome<Quarantined> {
    let (fetch, recorded_at, ordinal) = (columns.fetch()?, columns.instant()?, columns.ordinal()?);
    let (namespace, key): (Option<&str>, Option<&str>) = (columns.take()?, columns.take()?);
    let key = namespace.zip(key).map(|(namespace, key)| rows::key(namespace, key)).transpose()?;
    let (code, reason, excerpt) = (columns.unquoted()?, columns.unquoted()?, columns.unquoted()?);
    Ok(Quarantined { fetch, recorded_at, reject: Reject { ordinal, key, code, reason, excerpt } })
}

/// Rows of a statement, each read.
pub(crate) fn read_all<T>(found: &[Row], read: impl Fn(&mut Columns<'_>) -> Outcome<T>) -> Outcome<Vec<T>> {
    found.iter().map(|row| read(&mut Columns::of(row))).collect()
}
