//! Rows that every store keeps in one form or another: versions with the hash that decides, parts, the ledger.

use super::{
    Begun, Committed, Counts, Header, IngestReport, KEY_COLLISION, NewVersion, Observation, Prepared, Shown, WritePlan,
};
use crate::{Content, ContentHash, KeyHash, KeyHashMap, Layer, Origin, Version, VersionNo};

/// A version as it is kept: with the hash that decides.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StoredVersion {
    /// The version.
    pub version: Version,
    /// Its hash under its own rule.
    pub hash: ContentHash,
}

impl StoredVersion {
    /// A version that was not captured: all of its content counts.
    pub fn whole(version: Version) -> Self {
        Self { hash: version.content.hash(), version }
    }
}

/// A row of the ledger as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LedgerRow {
    /// The observation so far.
    pub observation: Observation,
    /// The fetch's last part was committed.
    pub ended: bool,
}

impl LedgerRow {
    /// What [`super::Header::begun`] wants to know.
    pub fn begun(&self) -> Begun {
        let Observation { observed_at, coverage, .. } = self.observation;
        Begun { observed_at, coverage, ended: self.ended }
    }
}

/// A committed part of a fetch: what its replay answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PartRow {
    /// What [`super::Header::committed`] wants to know.
    pub committed: Committed,
    /// The versions that it appended.
    pub made: Vec<(KeyHash, VersionNo)>,
    /// The ordinals of items that it quarantined as [`KEY_COLLISION`].
    pub collided: Vec<u32>,
    /// The keys of items that it quarantined: what [`super::Loaded::rejected`] wants to know.
    pub rejected: Vec<KeyHash>,
}

impl Prepared {
    /// A version to be appended, as it is to be kept.
    pub fn stored(&self, new: &NewVersion) -> StoredVersion {
        let (batch, item) = (self.batch(), self.item(new.item));
        StoredVersion {
            hash: new.hash,
            version: Version {
                record: new.record,
                layer: Layer::Bronze,
                number: new.number,
                content: item.content.clone(),
                hash_rule: self.rule.clone(),
                metadata: Content::empty(),
                published: item.published,
                updated: item.updated,
                recorded_at: batch.recorded_at,
                origin: Some(Origin { feed: batch.feed, fetch: batch.fetch }),
                derived_from: None,
            },
        }
    }

    /// Whether the hashes of the feed's open spans were made under another rule than the batch's: then what each shows
    /// has to be made again by [`Prepared::shown`] before it goes into [`super::Loaded::present`].
    pub fn changes_rule(&self, header: &Header) -> bool {
        header.feed.manifest.as_ref().is_some_and(|manifest| manifest.hash_rule != self.rule)
    }

    /// A stored version with its hash under the batch's rule, made again when it was stored under another.
    pub fn shown(&self, stored: &StoredVersion) -> Shown {
        let StoredVersion { version, hash } = stored;
        let hash = if version.hash_rule == self.rule { *hash } else { self.batch().hash_rule.hash(&version.content) };
        Shown { version: version.number, hash }
    }

    /// The ledger's row of this fetch after this part; `before` is what earlier parts left of it.
    pub fn ledger_row(&self, before: Option<&LedgerRow>, plan: &WritePlan) -> LedgerRow {
        let batch = self.batch();
        let mut counts = before.map_or_else(Counts::default, |before| before.observation.counts);
        counts += plan.report.counts;
        let observation = Observation {
            feed: batch.feed,
            fetch: batch.fetch,
            round: plan.report.round,
            coverage: batch.coverage,
            observed_at: batch.observed_at,
            recorded_at: batch.recorded_at,
            counts,
        };
        LedgerRow { observation, ended: batch.part.last }
    }

    /// What is to be kept of this part for its replay.
    pub fn part_row(&self, plan: &WritePlan) -> PartRow {
        let report = &plan.report;
        let made = plan.versions.iter().map(|version| (version.key_hash, version.number));
        let collided = plan.rejects.iter().filter(|reject| reject.code == KEY_COLLISION);
        PartRow {
            committed: Committed {
                digest: self.digest(),
                round: report.round,
                revision: report.revision,
                counts: report.counts,
                retold: plan.retold.clone(),
            },
            made: made.collect(),
            collided: collided.map(|reject| reject.ordinal).collect(),
            rejected: plan.rejects.iter().filter_map(|reject| Some(reject.key.as_ref()?.hash())).collect(),
        }
    }

    /// Answers a part that was committed before from its row.
    pub fn replay_part(&self, row: &PartRow) -> IngestReport {
        let made: KeyHashMap<VersionNo> = row.made.iter().copied().collect();
        self.replay(&row.committed, &made, &row.collided)
    }
}
