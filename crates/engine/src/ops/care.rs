//! Looking after a store as a whole: what stands there, migrating, checking, compacting.

use std::sync::Arc;

use feedspine_core::{
    BackendInfo, Care, CheckReport, Compaction, Json, Standing, StateStore, StorageBackend, StorageError, StoreSize,
    TableSize,
};

use super::json::array;
use super::{Ending, OpError, ToJson};

/// Whether something is done, or only told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DryRun {
    /// It is done.
    #[default]
    No,
    /// It is told what would be done.
    Yes,
}

/// A store that is looked after. Nothing is initialised unless it is asked for, so this also serves stores that cannot
/// be opened.
#[derive(Debug, Clone)]
pub struct StoreCare {
    storage: Arc<dyn StorageBackend>,
    state: Arc<dyn StateStore>,
}

/// What a store is.
#[derive(Debug, Clone)]
pub struct StoreInfo {
    /// The backend.
    pub backend: BackendInfo,
    /// What is at the store's place; `None` where the backend cannot tell.
    pub standing: Option<Standing>,
    /// How large it is; `None` where there is nothing, or the backend cannot tell.
    pub size: Option<StoreSize>,
}

/// What was migrated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// What was done, or would be.
    pub outcome: MigrateOutcome,
    /// The schema version before; `None` where there was no store, or the backend cannot tell.
    pub from: Option<u32>,
    /// The schema version of this program.
    pub to: u32,
    /// Nothing was done, only told.
    pub dry_run: DryRun,
}

/// What a migration did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrateOutcome {
    /// A store was begun.
    Begun,
    /// An older schema was brought up to date.
    Migrated,
    /// The schema was the newest already.
    Already,
    /// The backend was asked to initialise, and does not tell what it did.
    Initialised,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreCheck {
    /// What was looked at and what is wrong.
    pub report: CheckReport,
}

/// What compacting gave back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// The bytes that the store took before.
    pub bytes_before: u64,
    /// The bytes that it takes now; when nothing was done, about what it would take.
    pub bytes_after: u64,
    /// Nothing was done, only told.
    pub dry_run: DryRun,
}

impl StoreCare {
    /// Looks after a store of records and a control plane, which may be one and the same.
    pub fn new(storage: Arc<dyn StorageBackend>, state: Arc<dyn StateStore>) -> Self {
        Self { storage, state }
    }

    /// The store of what is captured.
    pub fn storage(&self) -> &dyn StorageBackend {
        &*self.storage
    }

    /// The control plane.
    pub fn state(&self) -> &dyn StateStore {
        &*self.state
    }

    pub(super) fn shared_state(&self) -> Arc<dyn StateStore> {
        Arc::clone(&self.state)
    }

    /// What is at the store's place; `None` where the backend cannot tell.
    ///
    /// # Errors
    /// `Failed`, when the place cannot be looked at or is another program's.
    pub async fn standing(&self) -> Result<Option<Standing>, OpError> {
        match self.storage.care() {
            Some(care) => Ok(Some(care.standing().await?)),
            None => Ok(None),
        }
    }

    /// What the store is, how large, and what it holds. Creates nothing.
    ///
    /// # Errors
    /// What the store says.
    pub async fn info(&self) -> Result<StoreInfo, OpError> {
        let standing = self.standing().await?;
        let size = match (self.storage.care(), standing) {
            (Some(care), Some(Standing::Store { .. })) => known(care.size().await)?,
            _ => None,
        };
        Ok(StoreInfo { backend: self.storage.info(), standing, size })
    }

    /// Begins the store or brings its schema up to date, where that is needed.
    ///
    /// # Errors
    /// `Usage` when the schema is newer than this program; what the store says.
    pub async fn migrate(&self, dry_run: DryRun) -> Result<Migrated, OpError> {
        let to = self.storage.info().schema_version;
        let standing = self.standing().await?;
        if dry_run == DryRun::No || matches!(standing, Some(Standing::Store { schema_version }) if schema_version > to)
        {
            self.storage.initialize().await?;
            self.state.prepare().await?;
        }
        let (outcome, from) = match standing {
            None => (MigrateOutcome::Initialised, None),
            Some(Standing::Nothing) => (MigrateOutcome::Begun, None),
            Some(Standing::Store { schema_version }) if schema_version < to => {
                (MigrateOutcome::Migrated, Some(schema_version))
            }
            Some(Standing::Store { schema_version }) => (MigrateOutcome::Already, Some(schema_version)),
        };
        Ok(Migrated { outcome, from, to, dry_run })
    }

    /// Lets the backend check the store by its own means.
    ///
    /// # Errors
    /// `Usage` where the backend has no check; what the store says.
    pub async fn check(&self) -> Result<StoreCheck, OpError> {
        Ok(StoreCheck { report: self.care()?.check().await? })
    }

    /// Gives room back that nothing uses any more.
    ///
    /// # Errors
    /// `Usage` where the backend has nothing to compact; what the store says.
    pub async fn compact(&self, dry_run: DryRun) -> Result<Compacted, OpError> {
        let care = self.care()?;
        let Compaction { bytes_before, bytes_after } = match dry_run {
            DryRun::No => care.compact().await?,
            DryRun::Yes => {
                let size = care.size().await?;
                let left = size.bytes.saturating_sub(size.reclaimable_bytes.unwrap_or(0));
                Compaction { bytes_before: size.bytes, bytes_after: left }
            }
        };
        Ok(Compacted { bytes_before, bytes_after, dry_run })
    }

    /// Lets go of the store.
    ///
    /// # Errors
    /// What the store says.
    pub async fn close(&self) -> Result<(), OpError> {
        let closed = self.storage.close().await;
        // It is let go of whatever became of the other.
        let released = self.state.release().await;
        Ok(closed.and(released)?)
    }

    fn care(&self) -> Result<&dyn Care, OpError> {
        self.storage.care().ok_or_else(|| {
            let name = self.storage.info().name;
            OpError::usage("storage.no_care", format!("the backend {name} does not look after its stores"))
                .with_hint("its own tools may")
        })
    }
}

/// The answer, or `None` where the backend has none.
fn known<T>(answer: Result<T, StorageError>) -> Result<Option<T>, OpError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == feedspine_core::ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl StoreCheck {
    /// How a command that reports this ends.
    pub fn ending(&self) -> Ending {
        if self.report.faults.is_empty() { Ending::Done } else { Ending::Failed }
    }
}

impl MigrateOutcome {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Migrated => "migrated",
            Self::Already => "already",
            Self::Initialised => "initialised",
        }
    }
}

impl DryRun {
    /// From a flag.
    pub const fn when(flag: bool) -> Self {
        if flag { Self::Yes } else { Self::No }
    }
}

impl ToJson for DryRun {
    fn to_json(&self) -> Json {
        (*self == Self::Yes).into()
    }
}

impl ToJson for StoreInfo {
    fn to_json(&self) -> Json {
        let capabilities = self.backend.capabilities;
        let schema_version = match self.standing {
            Some(Standing::Store { schema_version }) => Some(u64::from(schema_version)),
            Some(Standing::Nothing) | None => None,
        };
        let standing = self.standing.map(|standing| match standing {
            Standing::Nothing => "nothing",
            Standing::Store { .. } => "store",
        });
        Json::object([
            ("backend", self.backend.name.as_str().into()),
            ("newest_schema_version", u64::from(self.backend.schema_version).into()),
            ("schema_version", schema_version.into()),
            ("standing", standing.into()),
            (
                "capabilities",
                Json::object([
                    ("durable", capabilities.durable.into()),
                    ("multi_process", capabilities.multi_process.into()),
                    ("max_batch", (capabilities.max_batch as u64).into()),
                ]),
            ),
            ("size", self.size.as_ref().map(ToJson::to_json).into()),
        ])
    }
}

impl ToJson for StoreSize {
    fn to_json(&self) -> Json {
        Json::object([
            ("bytes", self.bytes.into()),
            ("reclaimable_bytes", self.reclaimable_bytes.into()),
            ("epoch", self.epoch.into()),
            ("tables", array(&self.tables)),
        ])
    }
}

impl ToJson for TableSize {
    fn to_json(&self) -> Json {
        Json::object([("name", self.name.as_str().into()), ("rows", self.rows.into()), ("bytes", self.bytes.into())])
    }
}

impl ToJson for Migrated {
    fn to_json(&self) -> Json {
        Json::object([
            ("outcome", self.outcome.as_str().into()),
            ("from", self.from.map(u64::from).into()),
            ("to", u64::from(self.to).into()),
            ("dry_run", self.dry_run.to_json()),
        ])
    }
}

impl ToJson for StoreCheck {
    fn to_json(&self) -> Json {
        let CheckReport { examined, faults, notes } = &self.report;
        Json::object([
            ("sound", faults.is_empty().into()),
            ("examined", examined.clone().into()),
            ("faults", faults.clone().into()),
            ("notes", notes.clone().into()),
        ])
    }
}

impl ToJson for Compacted {
    fn to_json(&self) -> Json {
        Json::object([
            ("bytes_before", self.bytes_before.into()),
            ("bytes_after", self.bytes_after.into()),
            ("dry_run", self.dry_run.to_json()),
        ])
    }
}
