//! What a schema keeps twice for its own sake, compared: rows do not show it, and questions are answered by it.

use std::collections::HashMap;

use feedspine_core::{FeedId, KeyHash, RecordId};
use uuid::Uuid;

use crate::bind::bind;
use crate::error::Outcome;
use crate::manifest;
use crate::rows::{Columns, corrupt, feed_uuid, record_uuid, round_number, version_number};
use crate::session::Session;

/// Records that are read at once.
const AT_ONCE: usize = 2_000;

/// Compares everything in a session that sees one moment; what is wrong, a sentence each.
pub(crate) async fn verify(session: &Session) -> Outcome<Vec<String>> {
    let mut faults = Vec::new();
    records(session, &mut faults).await?;
    let mut open = 0;
    let feeds = "SELECT f.id, f.observations, f.rejects, (SELECT count(*) FROM ledger l WHERE l.feed = f.id),
                        (SELECT count(*) FROM rejects r WHERE r.feed = f.id)
                 FROM feeds f ORDER BY f.id";
    for row in session.query(feeds, &[]).await? {
        let mut columns = Columns::of(&row);
        let feed = columns.feed()?;
        let (ledger, rejects) = (columns.take::<i64>()?, columns.take::<i64>()?);
        for (table, counted) in [("ledger", ledger), ("rejects", rejects)] {
            let there: i64 = columns.take()?;
            if there != counted {
                faults.push(format!("feed {feed}: it counts {counted} rows of {table}, but there are {there}"));
            }
        }
        open += held(session, feed, &mut faults).await?;
    }
    let shown = "SELECT count(*) FROM all_spans WHERE until IS NULL";
    let shown: i64 = session.query_opt(shown, &[]).await?.ok_or_else(|| corrupt("a count"))?.try_get(0)?;
    if shown.cast_unsigned() != open {
        faults.push(format!("manifests hold {open} open spans, and sightings show {shown}"));
    }
    for (problem, statement) in NONE_OF {
        let there: i64 = session.query_opt(statement, &[]).await?.ok_or_else(|| corrupt("a count"))?.try_get(0)?;
        if there != 0 {
            faults.push(format!("{problem}: {there}"));
        }
    }
    Ok(faults)
}

/// What there is none of in a sound store.
const NONE_OF: [(&str, &str); 3] = [
    (
        "captures whose body is not there",
        "SELECT count(*) FROM captures c WHERE NOT EXISTS (SELECT 1 FROM capture_bodies b WHERE b.hash = c.body)",
    ),
    (
        "bodies of captures that are packed against one that is not there, or that is packed so itself",
        "SELECT count(*) FROM capture_bodies b WHERE b.base IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM capture_bodies o WHERE o.hash = b.base AND o.base IS NULL)",
    ),
    (
        "bodies that no capture needs",
        "SELECT count(*) FROM capture_bodies b WHERE NOT EXISTS (SELECT 1 FROM captures c WHERE c.body = b.hash)
         AND NOT EXISTS (SELECT 1 FROM capture_bodies o WHERE o.base = b.hash)",
    ),
];

/// Compares each record with what it is found and listed by.
async fn records(session: &Session, faults: &mut Vec<String>) -> Outcome<()> {
    let statement = "SELECT r.id, r.namespace, r.key, r.key_hash, r.published IS NOT DISTINCT FROM v.published
                     FROM records r LEFT JOIN versions v
                         ON v.record = r.id AND v.layer = r.top_layer AND v.number = r.top_version
                     WHERE r.id > $1 ORDER BY r.id LIMIT $2";
    let mut after = Uuid::nil();
    loop {
        let most = i64::try_from(AT_ONCE).expect("a few thousand");
        let found = session.query(statement, &bind![after, most]).await?;
        for row in &found {
            let mut columns = Columns::of(row);
            let id = columns.record()?;
            after = record_uuid(id);
            let key = columns.key()?;
            if key.hash() != KeyHash::from_bytes(columns.digest()?) {
                faults.push(format!("record {id}: it is not found by its key {key}"));
            }
            if !columns.take::<bool>()? {
                let problem = "it is listed by another date than its current version was published";
                faults.push(format!("record {id}: {problem}"));
            }
        }
        if found.len() < AT_ONCE {
            return Ok(());
        }
    }
}

/// Compares a feed's packed spans with its records and their sightings; how many there are.
async fn held(session: &Session, feed: FeedId, faults: &mut Vec<String>) -> Outcome<u64> {
    let packed =
        manifest::load(session, feed_uuid(feed)).await?.to_map().ok_or_else(|| corrupt("a manifest's numbers"))?;
    let mut held: Vec<_> = packed.into_iter().collect();
    held.sort_unstable_by_key(|(_, present)| present.record);
    let statement = "SELECT r.id, r.namespace, r.key, s.since, s.version
                     FROM records r LEFT JOIN all_spans s ON s.record = r.id AND s.feed = $2 AND s.until IS NULL
                     WHERE r.id = ANY($1) ORDER BY r.id";
    for some in held.chunks(AT_ONCE) {
        let ids: Vec<Uuid> = some.iter().map(|(_, present)| record_uuid(present.record)).collect();
        let found = session.query(statement, &bind![ids, feed_uuid(feed)]).await?;
        let mut rows = HashMap::<RecordId, _>::new();
        for row in &found {
            let mut columns = Columns::of(row);
            let (id, key) = (columns.record()?, columns.key()?);
            let span = (columns.take::<Option<i64>>()?, columns.take::<Option<i32>>()?);
            rows.insert(id, (key.hash(), span));
        }
        for (key_hash, present) in some {
            let problem = match rows.get(&present.record) {
                None => "its manifest holds it, and the record is not there",
                Some((right, _)) if right != key_hash => "its manifest holds it under another key",
                Some((_, span))
                    if *span != (Some(round_number(present.since)), Some(version_number(present.version))) =>
                {
                    "its manifest and its sightings disagree on its open span"
                }
                Some(_) => continue,
            };
            faults.push(format!("feed {feed}: record {}: {problem}", present.record));
        }
    }
    Ok(held.len() as u64)
}
