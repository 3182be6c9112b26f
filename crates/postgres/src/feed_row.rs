//! A feed's header: its cursor, and its manifest in brief.

use feedspine_core::ingest::{FeedState, Manifest, ManifestDigest};
use feedspine_core::{Content, FeedId, FetchId, HashRuleId, Timestamp};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::bind::bind;
use crate::error::Outcome;
use crate::rows::{self, Columns};
use crate::session::Session;
use crate::writes::Writes;

/// What is held of a feed; the default of one that was never ingested into.
#[derive(Debug, Default)]
pub(crate) struct FeedRow {
    pub(crate) state: FeedState,
    /// How many rows of the ledger it has.
    pub(crate) observations: i64,
    /// How many rows of the quarantine it has.
    pub(crate) rejects: i64,
    /// When its last round read it.
    pub(crate) observed_at: Option<Timestamp>,
}

impl FeedRow {
    pub(crate) async fn load(session: &Session, feed: FeedId) -> Outcome<Self> {
        let statement = format!("SELECT {FEED} FROM feeds WHERE id = $1");
        let found = session.query_opt(&statement, &bind![rows::feed_uuid(feed)]).await?;
        let read = |row: &Row| Self::read(Columns::of(row));
        found.as_ref().map(read).transpose().map(Option::unwrap_or_default)
    }

    /// Reads [`FEED`].
    pub(crate) fn read(mut columns: Columns<'_>) -> Outcome<Self> {
        let revision = columns.unsigned()?;
        let cursor = columns.take::<Option<&str>>()?.map(Content::from_canonical);
        let round = columns.optional_round()?;
        let (observations, rejects) = (columns.take()?, columns.take()?);
        let observed_at = columns.optional_instant()?;
        let manifest = read_manifest(columns)?;
        let state = FeedState { revision, cursor, round, manifest };
        Ok(Self { state, observations, rejects, observed_at })
    }

    /// Writes what a plan left of the feed.
    pub(crate) fn store<'a>(&'a self, writes: &mut Writes<'a>, feed: FeedId) {
        let manifest = self.state.manifest.as_ref();
        let statement = "INSERT INTO feeds (id, revision, cursor, round, observations, rejects, observed_at,
                                            told_by, told_in, digest, size, rule)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (id) DO UPDATE SET revision = $2, cursor = $3, round = $4, observations = $5, rejects = $6,
                 observed_at = $7, told_by = $8, told_in = $9, digest = $10, size = $11, rule = $12";
        let values = bind![
            rows::feed_uuid(feed),
            self.state.revision.cast_signed(),
            self.state.cursor.as_ref().map(Content::as_str),
            self.state.round.map(rows::round_number),
            self.observations,
            self.rejects,
            rows::micros(self.observed_at),
            manifest.map(|manifest| rows::fetch_uuid(manifest.told_by)),
            manifest.map(|manifest| rows::round_number(manifest.told_in)),
            manifest.and_then(|manifest| Some(manifest.digest.as_ref()?.0.as_slice())),
            manifest.map(|manifest| manifest.size.cast_signed()),
            manifest.map(|manifest| manifest.hash_rule.as_str()),
        ];
        writes.add(statement, values);
    }
}

/// The columns of a feed.
pub(crate) const FEED: &str =
    "revision, cursor, round, observations, rejects, observed_at, told_by, told_in, digest, size, rule";

fn read_manifest(mut columns: Columns<'_>) -> Outcome<Option<Manifest>> {
    let Some(told_by) = columns.take::<Option<Uuid>>()? else { return Ok(None) };
    Ok(Some(Manifest {
        told_by: FetchId::new(told_by),
        told_in: columns.round()?,
        digest: columns.optional_digest()?.map(ManifestDigest),
        size: columns.unsigned()?,
        hash_rule: HashRuleId::from_stored(columns.take()?),
    }))
}
