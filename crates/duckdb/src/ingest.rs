//! Ingest: load, plan, apply. What is new, changed or gone is `plan`'s to say, never ours.

use duckdb::Connection;
use feedspine_core::ingest::{
    Absent, Begin, Earlier, FeedState, Header, IngestBatch, IngestReport, Loaded, Prepared, Present, Shown, Standing,
};
use feedspine_core::{Content, Coverage, KeyHash, KeyHashMap, Layer, SpanEnd};

use crate::apply::{self, Fixed};
use crate::error::{Outcome, corrupt};
use crate::ledger;
use crate::rows::{self, Among, Columns, HeldVersion, VERSION};

/// One unit of work: the caller commits the transaction, or rolls it back when this fails.
pub(crate) fn ingest(conn: &Connection, prepared: &Prepared) -> Outcome<IngestReport> {
    let batch = prepared.batch();
    let told = ledger::find(conn, batch.feed, batch.fetch)?;
    let part = match told {
        Some(_) => ledger::part(conn, batch.feed, batch.fetch, batch.part.index)?,
        None => None,
    };
    let of_round = match batch.coverage {
        Coverage::Unchanged { of } => ledger::find(conn, batch.feed, of)?.and_then(|(_, row)| row.observation.round),
        _ => None,
    };
    let header = Header {
        feed: ledger::feed(conn, batch.feed)?.unwrap_or_else(FeedState::default),
        committed: part.as_ref().map(|part| part.committed.clone()),
        begun: told.as_ref().map(|(_, row)| row.begun()),
        of_round,
        // The ledger of fetches lies in another store.
        interrupted: false,
    };
    let (mut loaded, mut fixed) = (Loaded::default(), KeyHashMap::default());
    let plan = match (prepared.begin(&header)?, part) {
        (Begin::Replay(_), Some(part)) => return Ok(prepared.replay_part(&part)),
        (Begin::Settled(plan), _) => *plan,
        _ => {
            loaded = load(conn, prepared, &header, &mut fixed)?;
            prepared.plan(&header, &loaded)
        }
    };
    apply::apply(conn, prepared, &loaded, &fixed, &plan)?;
    let row = prepared.ledger_row(told.as_ref().map(|(_, row)| row), &plan);
    ledger::put(conn, told.map(|(number, _)| number), &row)?;
    let part = prepared.part_row(&plan);
    ledger::append_parts(conn, [(batch.feed, batch.fetch, batch.part.index, &part)])?;
    ledger::put_feed(conn, batch.feed, &plan.feed)?;
    Ok(plan.report)
}

fn load(conn: &Connection, prepared: &Prepared, header: &Header, fixed: &mut KeyHashMap<Fixed>) -> Outcome<Loaded> {
    let batch = prepared.batch();
    let mut loaded = Loaded { present: present(conn, batch)?, ..Loaded::default() };
    if prepared.changes_rule(header) {
        for (key_hash, shown) in shown_by_feed(conn, prepared)? {
            if let Some(present) = loaded.present.get_mut(&key_hash) {
                present.shown = shown;
            }
        }
    }
    if header.begun.is_some() {
        loaded.earlier = earlier(conn, prepared)?;
        if prepared.closes_document() {
            let parts = ledger::parts(conn, batch.feed, batch.fetch)?;
            loaded.rejected = parts.into_iter().flat_map(|part| part.rejected).collect();
        }
    }
    let unsettled = prepared.unsettled(&loaded);
    if !unsettled.is_empty() {
        load_known(conn, prepared, &unsettled, &mut loaded, fixed)?;
    }
    let unnamed = prepared.unnamed(&loaded);
    if !unnamed.is_empty() {
        let unnamed = Among::ids(unnamed);
        let sql = format!("SELECT record, namespace, key FROM _versions WHERE is_top AND record {unnamed}");
        let keys = rows::all(conn, &sql, &[&unnamed], |columns| Ok((columns.word()?, columns.key()?)))?;
        loaded.keys = keys.into_iter().collect();
    }
    Ok(loaded)
}

/// The feed's open spans.
fn present(conn: &Connection, batch: &IngestBatch) -> Outcome<KeyHashMap<Present>> {
    let sql = "SELECT key_hash, record, version, since, shown, shown_hash, age FROM _standings
               WHERE feed = ? AND is_open";
    let spans =
        rows::all(conn, sql, &[&batch.feed.to_string()], |columns| Ok((columns.key_hash()?, read_present(columns)?)))?;
    Ok(spans.into_iter().collect())
}

/// Reads the columns from `record` on of an open standing.
pub(crate) fn read_present(columns: &mut Columns<'_>) -> Outcome<Present> {
    Ok(Present {
        record: columns.word()?,
        version: columns.version()?,
        since: columns.round()?,
        shown: columns.shown()?,
        age: columns.instant()?,
    })
}

/// The content of a version that was shown, where its hash has to be made again under the rule bound.
const REHASHED: &str = "CASE WHEN v.hash_rule <> ? THEN v.content END";

fn read_shown(columns: &mut Columns<'_>, prepared: &Prepared) -> Outcome<Shown> {
    let shown = columns.shown()?;
    let hash = match columns.text()? {
        Some(content) => prepared.batch().hash_rule.hash(&Content::from_canonical(content)),
        None => shown.hash,
    };
    Ok(Shown { hash, ..shown })
}

/// What the feed's open spans show, hashed under the batch's rule; those whose version is gone are left out.
fn shown_by_feed(conn: &Connection, prepared: &Prepared) -> Outcome<Vec<(KeyHash, Shown)>> {
    let batch = prepared.batch();
    let sql = format!(
        "SELECT s.key_hash, v.number, v.hash, {REHASHED} FROM _standings s
         JOIN _versions v ON v.record = s.record AND v.layer = 0 AND v.number = s.shown
         WHERE s.feed = ? AND s.is_open"
    );
    rows::all(conn, &sql, &[&batch.hash_rule.id().as_str(), &batch.feed.to_string()], |columns| {
        Ok((columns.key_hash()?, read_shown(columns, prepared)?))
    })
}

/// What earlier parts of the fetch have shown. All of it is read, whichever part asks: it is one scan.
fn earlier(conn: &Connection, prepared: &Prepared) -> Outcome<KeyHashMap<Earlier>> {
    let batch = prepared.batch();
    let sql = format!(
        "SELECT p.key_hash, p.record, p.age, p.ordinal, p.version, coalesce(v.hash, p.hash), {REHASHED}
         FROM _points p LEFT JOIN _versions v ON v.record = p.record AND v.layer = 0 AND v.number = p.version
         WHERE p.feed = ? AND p.fetch_id = ?"
    );
    let (rule, feed, fetch) = (batch.hash_rule.id(), batch.feed.to_string(), batch.fetch.to_string());
    let points = rows::all(conn, &sql, &[&rule.as_str(), &feed, &fetch], |columns| {
        let (key_hash, record) = (columns.key_hash()?, columns.word()?);
        let (age, ordinal) = (columns.instant()?, columns.take()?);
        Ok((key_hash, Earlier { record, age, ordinal, shown: read_shown(columns, prepared)?, left: None }))
    })?;
    let mut earlier: KeyHashMap<Earlier> = points.into_iter().collect();
    // Only the last part brings keys back.
    if prepared.closes_document() && !earlier.is_empty() {
        let told: Vec<KeyHash> = earlier.keys().copied().collect();
        for (key_hash, standing) in standings(conn, prepared, &Among::hashes(&told))? {
            if let (Some(told), Standing::Left(absent)) = (earlier.get_mut(&key_hash), standing) {
                told.left = absent.left;
            }
        }
    }
    Ok(earlier)
}

/// What is known of keys that the open spans do not settle.
fn load_known(
    conn: &Connection,
    prepared: &Prepared,
    unsettled: &[KeyHash],
    loaded: &mut Loaded,
    fixed: &mut KeyHashMap<Fixed>,
) -> Outcome<()> {
    let hashes = Among::hashes(unsettled);
    // Of the other layers one row is enough: it says what never changes of the record.
    let sql = format!(
        "SELECT {VERSION} FROM _versions WHERE key_hash {hashes} AND (layer = 0 OR is_top)
         ORDER BY record, layer, number"
    );
    let standings = standings(conn, prepared, &hashes)?;
    let mut know = |versions: Vec<HeldVersion>| {
        let Some(HeldVersion { key, key_rule, first_seen, stored }) = versions.first() else { return };
        let (key_hash, record) = (key.hash(), (stored.version.record, *first_seen));
        fixed.insert(key_hash, Fixed { key_rule: *key_rule, first_seen: *first_seen });
        let bronze = versions.into_iter().map(|held| held.stored);
        let bronze: Vec<_> = bronze.filter(|stored| stored.version.layer == Layer::Bronze).collect();
        loaded.known.insert(key_hash, prepared.known(&key_hash, record, &bronze, standings.get(&key_hash)));
    };
    // The versions of a record come one after the other: they are let go before those of the next are read.
    let mut versions: Vec<HeldVersion> = Vec::new();
    rows::all(conn, &sql, &[&hashes], |columns| {
        let version = rows::held_version(columns)?;
        if versions.first().is_some_and(|first| first.stored.version.record != version.stored.version.record) {
            know(std::mem::take(&mut versions));
        }
        versions.push(version);
        Ok(())
    })?;
    know(versions);
    Ok(())
}

/// How keys that are not held stand with the feed.
fn standings(conn: &Connection, prepared: &Prepared, hashes: &Among) -> Outcome<KeyHashMap<Standing>> {
    let sql =
        format!("SELECT key_hash, shown, left_as FROM _standings WHERE feed = ? AND NOT is_open AND key_hash {hashes}");
    let feed = prepared.batch().feed.to_string();
    let found = rows::all(conn, &sql, &[&feed, hashes], |columns| {
        Ok((columns.key_hash()?, Standing::Left(read_absent(columns)?)))
    })?;
    Ok(found.into_iter().collect())
}

/// Reads the columns `shown` and `left_as` of a standing that is not open.
pub(crate) fn read_absent(columns: &mut Columns<'_>) -> Outcome<Absent> {
    let shown = columns.optional_version()?;
    let word = columns.text()?;
    let left = word.map(|word| SpanEnd::from_word(word).ok_or_else(|| corrupt("why a span ended"))).transpose()?;
    Ok(Absent { shown, left })
}
