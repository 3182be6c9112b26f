//! A feed's header: its cursor, and its manifest in brief.

use feedspine_core::ingest::{FeedState, Manifest, ManifestDigest};
use feedspine_core::{Content, FeedId, FetchId, HashRuleId, Timestamp};
use rusqlite::{Connection, Row};

use crate::error::Outcome;
use crate::rows;
use crate::session::Session;

/// What is held of a feed.
#[derive(Debug)]
pub(crate) struct FeedRow {
    pub(crate) no: i64,
    pub(crate) state: FeedState,
    /// How many rows of the ledger it has.
    pub(crate) observations: i64,
    /// How many rows of the quarantine it has.
    pub(crate) rejects: i64,
    /// The last round's place in the order of sightings.
    pub(crate) last_round: Option<(Timestamp, FetchId)>,
}

impl FeedRow {
    pub(crate) fn load(conn: &Connection, feed: FeedId) -> Outcome<Option<Self>> {
        let mut load = conn.prepare_cached(&format!("{FEEDS} WHERE f.id = ?"))?;
        let mut found = load.query([feed.as_bytes()])?;
        found.next()?.map(Self::read).transpose()
    }

    fn read(row: &Row<'_>) -> Outcome<Self> {
        let cursor = row.get_ref(2)?.as_str_or_null().map_err(rusqlite::Error::from)?.map(Content::from_canonical);
        let last_round = match (rows::optional_instant(row.get(11)?)?, row.get::<_, Option<[u8; 16]>>(12)?) {
            (Some(at), Some(fetch)) => Some((at, FetchId::from_bytes(fetch))),
            _ => None,
        };
        let state = FeedState {
            revision: row.get::<_, i64>(1)?.cast_unsigned(),
            cursor,
            round: rows::optional_round(row.get(3)?)?,
            manifest: read_manifest(row)?,
        };
        Ok(Self { no: row.get(0)?, state, observations: row.get(9)?, rejects: row.get(10)?, last_round })
    }

    /// Writes what a plan left of the feed.
    pub(crate) fn store(&self, session: &mut Session<'_>) -> Outcome<()> {
        let manifest = self.state.manifest.as_ref();
        let rule = manifest.map(|manifest| session.rule(&manifest.hash_rule)).transpose()?;
        let cursor = self.state.cursor.as_ref().map(Content::as_str);
        let mut update = session.conn.prepare_cached(
            "UPDATE feeds SET revision = ?, cursor = ?, round = ?, told_by = ?, told_in = ?, digest = ?, size = ?,
                    rule = ?, observations = ?, rejects = ?, observed_at = ?, last_fetch = ? WHERE no = ?",
        )?;
        update.execute((
            self.state.revision.cast_signed(),
            cursor,
            self.state.round.map_or(0, rows::round_number),
            manifest.map(|manifest| manifest.told_by.as_bytes()),
            manifest.map(|manifest| rows::round_number(manifest.told_in)),
            manifest.and_then(|manifest| manifest.digest.as_ref().map(|digest| &digest.0)),
            manifest.map(|manifest| manifest.size.cast_signed()),
            rule,
            self.observations,
            self.rejects,
            self.last_round.map(|(at, _)| at.as_micros()),
            self.last_round.as_ref().map(|(_, fetch)| fetch.as_bytes()),
            self.no,
        ))?;
        Ok(())
    }
}

const FEEDS: &str = "SELECT f.no, f.revision, f.cursor, f.round, f.told_by, f.told_in, f.digest, f.size, r.id,
           f.observations, f.rejects, f.observed_at, f.last_fetch, f.id
    FROM feeds f LEFT JOIN rules r ON r.no = f.rule";

/// All feeds that have a ledger, by id.
pub(crate) fn load_all(conn: &Connection) -> Outcome<Vec<(FeedId, FeedRow)>> {
    let mut load = conn.prepare_cached(&format!("{FEEDS} WHERE f.observations > 0 ORDER BY f.id"))?;
    let mut found = load.query([])?;
    let mut all = Vec::new();
    while let Some(row) = found.next()? {
        let feed = FeedRow::read(row)?;
        // One that is damaged is found.
        feed.state.to_cursor()?;
        all.push((FeedId::from_bytes(row.get(13)?), feed));
    }
    Ok(all)
}

fn read_manifest(row: &Row<'_>) -> Outcome<Option<Manifest>> {
    let Some(told_by) = row.get::<_, Option<[u8; 16]>>(4)? else { return Ok(None) };
    Ok(Some(Manifest {
        told_by: FetchId::from_bytes(told_by),
        told_in: rows::round(row.get(5)?)?,
        digest: row.get::<_, Option<[u8; 32]>>(6)?.map(ManifestDigest),
        size: row.get::<_, i64>(7)?.cast_unsigned(),
        hash_rule: HashRuleId::from_stored(row.get_ref(8)?.as_str().map_err(rusqlite::Error::from)?),
    }))
}
