//! Sightings of a key: points, a row for each round of each span, and those told by a call.

use std::collections::{HashMap, HashSet};

use duckdb::Connection;
use feedspine_core::{FeedId, FetchId, KeyHash, NaturalKey, Page, PageRequest, Seen, Sighting, Timestamp};

use crate::error::Outcome;
use crate::rows::{self, Among};

/// What observations have captured of some keys. Their condition stands in the SQL of each table, since none is pushed down
/// from above: they are bound three times.
fn captured(keys: &Among) -> String {
    // One join for spans that ended and spans that are open: it is most of the work.
    format!(
        "SELECT s.key_hash, s.feed, l.fetch_id, l.observed_at, s.version
         FROM (SELECT key_hash, feed, version, since, until FROM _spans WHERE key_hash {keys}
               UNION ALL
               SELECT key_hash, feed, version, since, NULL FROM _standings WHERE is_open AND key_hash {keys}) s
         JOIN _ledger l ON l.feed = s.feed AND l.round >= s.since AND (s.until IS NULL OR l.round <= s.until)
         UNION ALL
         SELECT key_hash, feed, fetch_id, observed_at, version FROM _points WHERE key_hash {keys}"
    )
}

/// Which of these keys, feeds and fetches are sightings that an observation has captured.
pub(crate) fn captured_among(
    conn: &Connection,
    keys: &Among,
    fetches: impl IntoIterator<Item = FetchId>,
) -> Outcome<HashSet<(KeyHash, FeedId, FetchId)>> {
    let fetches = Among::ids(fetches);
    let known = format!("SELECT 1 FROM _ledger WHERE fetch_id {fetches} LIMIT 1");
    if !rows::any(conn, &known, &[&fetches])? {
        return Ok(HashSet::new());
    }
    let captured = captured(keys);
    let sql = format!("SELECT key_hash, feed, fetch_id FROM ({captured}) WHERE fetch_id {fetches}");
    let found = rows::all(conn, &sql, &[keys, keys, keys, &fetches], |columns| {
        Ok((columns.key_hash()?, columns.word()?, columns.word()?))
    })?;
    Ok(found.into_iter().collect())
}

/// A page of a key's sightings.
pub(crate) fn sightings_page(conn: &Connection, key: &NaturalKey, page: &PageRequest) -> Outcome<Page<Sighting>> {
    let one = &Among::hashes([&key.hash()]);
    let sql = format!(
        "SELECT feed, fetch_id, observed_at, version, FALSE FROM ({}) UNION ALL
         SELECT feed, fetch_id, observed_at, NULL, TRUE FROM _told WHERE key_hash {one}",
        captured(one)
    );
    let all = rows::all(conn, &sql, &[one, one, one, one], |columns| {
        let sighting = Sighting {
            key: key.clone(),
            feed: columns.word()?,
            fetch: columns.word()?,
            observed_at: columns.instant()?,
            version: columns.optional_version()?,
        };
        Ok((sighting, columns.take::<bool>()?))
    })?;
    let (told, mut all): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, was_told)| *was_told);
    let captured: HashSet<(FeedId, FetchId)> =
        all.iter().map(|(sighting, _)| (sighting.feed, sighting.fetch)).collect();
    all.extend(told.into_iter().filter(|(sighting, _)| !captured.contains(&(sighting.feed, sighting.fetch))));
    Ok(page.cut_sightings(key, all.into_iter().map(|(sighting, _)| sighting).collect())?)
}

/// The sightings of each key in figures.
pub(crate) fn seen_many(conn: &Connection, keys: &[NaturalKey]) -> Outcome<Vec<Option<Seen>>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let hashes: Vec<KeyHash> = keys.iter().map(NaturalKey::hash).collect();
    let list = &Among::hashes(&hashes);
    // A row of nulls says that something was told of one of them.
    let sql = format!(
        "SELECT key_hash, count(*), min(observed_at), max(observed_at) FROM ({}) GROUP BY key_hash UNION ALL
         (SELECT NULL, NULL, NULL, NULL FROM _told WHERE key_hash {list} LIMIT 1)",
        captured(list)
    );
    let figures = rows::all(conn, &sql, &[list, list, list, list], |columns| {
        let Some(key_hash) = columns.optional_key_hash()? else { return Ok(None) };
        let seen = Seen { count: columns.take()?, earliest: columns.instant()?, latest: columns.instant()? };
        Ok(Some((key_hash, seen)))
    })?;
    let told = if figures.iter().any(Option::is_none) { only_told(conn, list)? } else { Vec::new() };
    let mut figures: HashMap<KeyHash, Seen> = figures.into_iter().flatten().collect();
    for (key_hash, at) in told {
        let seen = figures.entry(key_hash).or_insert(Seen { count: 0, earliest: at, latest: at });
        *seen = Seen { count: seen.count + 1, earliest: seen.earliest.min(at), latest: seen.latest.max(at) };
    }
    Ok(hashes.iter().map(|hash| figures.get(hash).copied()).collect())
}

/// When what was told of some keys and not captured was observed.
fn only_told(conn: &Connection, keys: &Among) -> Outcome<Vec<(KeyHash, Timestamp)>> {
    let sql = format!("SELECT key_hash, feed, fetch_id, observed_at FROM _told WHERE key_hash {keys}");
    let told: Vec<(_, Timestamp)> = rows::all(conn, &sql, &[keys], |columns| {
        Ok(((columns.key_hash()?, columns.word()?, columns.word()?), columns.instant()?))
    })?;
    let captured = captured_among(conn, keys, told.iter().map(|((_, _, fetch), _)| *fetch))?;
    let only = told.into_iter().filter(|(sighting, _)| !captured.contains(sighting));
    Ok(only.map(|((key_hash, ..), at)| (key_hash, at)).collect())
}
