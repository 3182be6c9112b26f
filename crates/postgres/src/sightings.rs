//! Sightings: told by callers, and spans over ledger rows and points, merged by `(observed_at, feed, fetch)`.

use std::collections::{HashMap, HashSet};

use feedspine_core::{
    Cursor, FeedId, FetchId, Json, KeyHash, NaturalKey, Page, PageRequest, Seen, Sighting, StorageError, Timestamp,
};
use uuid::Uuid;

use crate::bind::bind;
use crate::error::Outcome;
use crate::history::limit;
use crate::rows::{self, Columns};
use crate::session::{Session, both};

/// Whether an observation has captured what `t` names by `key_hash`, `feed` and `fetch_id`.
const CAPTURED: &str = "EXISTS (
    SELECT 1 FROM records r LEFT JOIN ledger l ON l.feed = t.feed AND l.fetch_id = t.fetch_id
    WHERE r.key_hash = t.key_hash AND (
        EXISTS (SELECT 1 FROM points p WHERE p.record = r.id AND p.feed = t.feed AND p.fetch_id = t.fetch_id)
        OR EXISTS (SELECT 1 FROM all_spans s WHERE s.record = r.id AND s.feed = t.feed
                   AND l.round >= s.since AND (s.until IS NULL OR l.round <= s.until))))";

/// A page of all sightings of a key. What was told and is captured too is one sighting, the captured one.
pub(crate) async fn sightings_page(session: &Session, key: &NaturalKey, page: &PageRequest) -> Outcome<Page<Sighting>> {
    let of = format!("sightings {key:?}");
    let after = page.after.as_ref().map(|cursor| place_of(&cursor.position(&of)?)).transpose()?;
    let (at, feed, fetch) = after.unwrap_or((Timestamp::MIN, FeedId::from_u128(0), FetchId::from_u128(0)));
    let statement = format!(
        "SELECT t.* FROM (
            SELECT t.observed_at, t.feed, t.fetch_id, NULL::int AS version FROM told t
            WHERE t.key_hash = $1 AND t.observed_at >= $2 AND NOT {CAPTURED}
            UNION ALL
            SELECT p.observed_at, p.feed, p.fetch_id, p.shown_version FROM records r JOIN points p ON p.record = r.id
            WHERE r.key_hash = $1 AND p.observed_at >= $2
            UNION ALL
            SELECT l.observed_at, l.feed, l.fetch_id, s.version
            FROM records r JOIN all_spans s ON s.record = r.id JOIN feeds f ON f.id = s.feed
            JOIN ledger l ON l.feed = s.feed AND l.round BETWEEN s.since AND coalesce(s.until, f.round)
                AND l.observed_at >= $2
            WHERE r.key_hash = $1
        ) t
        WHERE NOT $5 OR (t.observed_at, t.feed, t.fetch_id) > ($2, $3, $4)
        ORDER BY t.observed_at, t.feed, t.fetch_id LIMIT $6"
    );
    let key_hash = key.hash();
    let values = &bind![
        key_hash.as_bytes().as_slice(),
        at.as_micros(),
        rows::feed_uuid(feed),
        rows::fetch_uuid(fetch),
        after.is_some(),
        limit(page),
    ];
    let found = session.query(&statement, values).await?;
    let read = |row| {
        let mut columns = Columns::of(row);
        let observed_at = columns.instant()?;
        let (feed, fetch, version) = (columns.feed()?, columns.fetch()?, columns.optional_version()?);
        Ok(Sighting { key: key.clone(), feed, fetch, observed_at, version })
    };
    let items = found.iter().take(page.size()).map(read).collect::<Outcome<Vec<Sighting>>>()?;
    let next = items.last().filter(|_| found.len() > page.size()).map(|last| {
        let place = [last.observed_at.as_micros().into(), last.feed.to_string().into(), last.fetch.to_string().into()];
        Cursor::new(&of, &place)
    });
    Ok(Page { items, next })
}

fn place_of(position: &[Json]) -> Result<(Timestamp, FeedId, FetchId), StorageError> {
    let read = || match position {
        [Json::Number(at), Json::String(feed), Json::String(fetch)] => {
            Some((Timestamp::from_micros(at.as_i64()?).ok()?, feed.parse().ok()?, fetch.parse().ok()?))
        }
        _ => None,
    };
    read().ok_or_else(|| StorageError::invalid("the cursor does not fit the list of sightings"))
}

/// The sightings of each key in figures, by arithmetic over spans.
///
/// Within a span `observed_at` ascends but where a clock went back. So the earliest and the latest are at the edges of
/// the span and of the stretches that those setbacks divide it into.
pub(crate) async fn seen_many(session: &Session, keys: &[NaturalKey]) -> Outcome<Vec<Option<Seen>>> {
    let hashes: Vec<KeyHash> = keys.iter().map(NaturalKey::hash).collect();
    let hashes: Vec<&[u8]> = hashes.iter().map(|hash| hash.as_bytes().as_slice()).collect();
    let statement = format!(
        "WITH wanted AS (SELECT DISTINCT key_hash FROM unnest($1) AS t (key_hash)),
        held AS (SELECT w.key_hash, r.id FROM wanted w JOIN records r ON r.key_hash = w.key_hash),
        span AS (
            SELECT h.key_hash, s.feed, s.since, coalesce(s.until, f.round) AS until
            FROM held h JOIN all_spans s ON s.record = h.id JOIN feeds f ON f.id = s.feed
        ),
        edge AS (
            SELECT key_hash, feed, since AS round FROM span
            UNION ALL SELECT key_hash, feed, until FROM span
            UNION ALL
            SELECT s.key_hash, s.feed, l.round - back FROM span s
            JOIN ledger l ON l.feed = s.feed AND l.setback AND l.round > s.since AND l.round <= s.until,
            (VALUES (0), (1)) AS t (back)
        ),
        figure AS (
            SELECT key_hash, sum(until - since + 1)::bigint AS count, NULL::bigint AS earliest, NULL::bigint AS latest
            FROM span GROUP BY key_hash
            UNION ALL
            SELECT e.key_hash, 0, min(l.observed_at), max(l.observed_at)
            FROM edge e JOIN ledger l ON l.feed = e.feed AND l.round = e.round GROUP BY e.key_hash
            UNION ALL
            SELECT h.key_hash, count(*), min(p.observed_at), max(p.observed_at)
            FROM held h JOIN points p ON p.record = h.id GROUP BY h.key_hash
            UNION ALL
            SELECT w.key_hash, count(*), min(t.observed_at), max(t.observed_at)
            FROM wanted w JOIN told t ON t.key_hash = w.key_hash AND NOT {CAPTURED} GROUP BY w.key_hash
        )
        SELECT key_hash, sum(count)::bigint, min(earliest), max(latest) FROM figure GROUP BY key_hash"
    );
    let mut seen = HashMap::new();
    for row in &session.query(&statement, &bind![hashes]).await? {
        let mut columns = Columns::of(row);
        let key_hash = columns.digest()?;
        let count = columns.unsigned()?;
        if let (Some(earliest), Some(latest)) = (columns.optional_instant()?, columns.optional_instant()?) {
            seen.insert(key_hash, Seen { count, earliest, latest });
        }
    }
    Ok(keys.iter().map(|key| seen.get(key.hash().as_bytes()).copied()).collect())
}

/// A sighting by what makes it that sighting.
type Name = (KeyHash, FeedId, FetchId);

/// Records sightings told by a caller. The session holds the locks of their namespaces.
pub(crate) async fn observe_many(session: &Session, seen: &[Sighting]) -> Outcome<Vec<bool>> {
    let hashes: Vec<KeyHash> = seen.iter().map(|sighting| sighting.key.hash()).collect();
    let bytes: Vec<&[u8]> = hashes.iter().map(|hash| hash.as_bytes().as_slice()).collect();
    let feeds: Vec<Uuid> = seen.iter().map(|sighting| rows::feed_uuid(sighting.feed)).collect();
    let fetches: Vec<Uuid> = seen.iter().map(|sighting| rows::fetch_uuid(sighting.fetch)).collect();
    let told = "SELECT key_hash, feed, fetch_id, first FROM told WHERE key_hash = ANY($1)";
    let captured = "SELECT r.key_hash FROM records r WHERE r.key_hash = ANY($1) AND (
        EXISTS (SELECT 1 FROM all_spans s WHERE s.record = r.id)
        OR EXISTS (SELECT 1 FROM absent a WHERE a.record = r.id))";
    let shown = format!(
        "SELECT t.key_hash, t.feed, t.fetch_id FROM unnest($1, $2, $3) AS t (key_hash, feed, fetch_id) WHERE {CAPTURED}"
    );
    let (told_values, captured_values) = (bind![bytes.as_slice()], bind![bytes.as_slice()]);
    let known = both(session.query(told, &told_values), session.query(captured, &captured_values));
    let shown_values = bind![bytes.as_slice(), feeds, fetches];
    let ((told, captured), shown) = both(known, session.query(&shown, &shown_values)).await?;
    let mut answers: HashMap<Name, bool> = HashMap::new();
    let mut sighted: HashSet<KeyHash> = HashSet::new();
    for row in &told {
        let mut columns = Columns::of(row);
        let name = read_name(&mut columns)?;
        answers.insert(name, columns.take()?);
        sighted.insert(name.0);
    }
    for row in &captured {
        sighted.insert(KeyHash::from_bytes(Columns::of(row).digest()?));
    }
    let shown = shown.iter().map(|row| read_name(&mut Columns::of(row))).collect::<Outcome<HashSet<Name>>>()?;
    let mut given = Vec::with_capacity(seen.len());
    let mut new = Vec::new();
    for (sighting, key_hash) in seen.iter().zip(&hashes) {
        let name = (*key_hash, sighting.feed, sighting.fetch);
        let answer = match answers.get(&name) {
            Some(answer) => *answer,
            None if shown.contains(&name) => false,
            None => {
                let first = sighted.insert(*key_hash);
                answers.insert(name, first);
                new.push((name, sighting.observed_at, first));
                first
            }
        };
        given.push(answer);
    }
    insert_told(session, &new).await?;
    Ok(given)
}

fn read_name(columns: &mut Columns<'_>) -> Outcome<Name> {
    Ok((KeyHash::from_bytes(columns.digest()?), columns.feed()?, columns.fetch()?))
}

async fn insert_told(session: &Session, new: &[(Name, Timestamp, bool)]) -> Outcome<()> {
    if new.is_empty() {
        return Ok(());
    }
    let statement = "INSERT INTO told (key_hash, feed, fetch_id, observed_at, first)
                     SELECT * FROM unnest($1, $2, $3, $4, $5)";
    let values = &bind![
        new.iter().map(|((key_hash, _, _), _, _)| key_hash.as_bytes().as_slice()).collect::<Vec<_>>(),
        new.iter().map(|((_, feed, _), _, _)| rows::feed_uuid(*feed)).collect::<Vec<_>>(),
        new.iter().map(|((_, _, fetch), _, _)| rows::fetch_uuid(*fetch)).collect::<Vec<_>>(),
        new.iter().map(|(_, at, _)| at.as_micros()).collect::<Vec<_>>(),
        new.iter().map(|(_, _, first)| *first).collect::<Vec<_>>(),
    ];
    session.execute(statement, values).await
}
