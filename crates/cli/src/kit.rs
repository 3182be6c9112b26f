//! The conformance kit on the stores of a URL's backend: each check in stores of its own.

use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use feedspine::OpError;
use feedspine::core::{Result, StateStore, StorageBackend, StorageError};
use feedspine_testkit::state::{self, StateProvider};
use feedspine_testkit::storage::{self, StorageProvider};
use feedspine_testkit::{Failure, Verdict};

use crate::stores::{self, Backends, DUCKDB, Factory, POSTGRES, Stores, file_path, misnamed};

/// What names a schema in the URLs of PostgreSQL, and the schema of those that name none.
const SCHEMA: (&str, &str) = ("schema", "feedspine");
/// PostgreSQL's names have 63 bytes: so many are left for the name that the URL gives.
const SCHEMA_BYTES: usize = 36;

/// Where fresh stores are.
#[derive(Clone)]
enum Beside {
    /// In this process.
    Memory,
    /// Files beside this one.
    File(PathBuf),
    /// Schemas beside this one: the URL before and after its name.
    Schema { before: String, name: String, after: String },
    /// Where the binary's own backend says, for that place.
    Own { places: stores::Places, rest: String },
}

/// Makes fresh stores of one backend.
#[derive(Clone)]
pub(crate) struct Bench {
    factory: Factory,
    beside: Beside,
    is_durable: bool,
    keeps_state: bool,
}

/// One check.
#[derive(Debug, Clone)]
pub(crate) struct Check {
    contract: Contract,
    name: String,
    /// What it proves.
    pub(crate) promise: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Contract {
    Storage,
    State,
}

impl Check {
    /// The contract and the check's name: `storage::ingest::a_new_item_becomes_a_record`.
    pub(crate) fn full_name(&self) -> String {
        let contract = match self.contract {
            Contract::Storage => "storage",
            Contract::State => "state",
        };
        format!("{contract}::{}", self.name)
    }
}

impl Bench {
    /// For the backend that a URL names.
    ///
    /// # Errors
    /// `Usage`: no backend is called so, or it is not known where fresh stores of it could be.
    pub(crate) fn new(backends: &Backends, url: &str, shown: &str) -> std::result::Result<Self, OpError> {
        let (factory, scheme, rest) = backends.factory(url)?;
        let Stores { storage, state, .. } = factory(rest).map_err(|error| misnamed(shown, error))?;
        let is_durable = storage.info().capabilities.durable;
        let own = backends.places(scheme).map(|places| Beside::Own { places: places.clone(), rest: rest.to_owned() });
        let beside = match (own, scheme) {
            (Some(own), _) => own,
            (None, "sqlite" | DUCKDB) => Beside::File(file_path(scheme, rest).map_err(|error| misnamed(shown, error))?),
            (None, scheme) if POSTGRES.contains(&scheme) => beside_schema(rest),
            (None, _) if !is_durable => Beside::Memory,
            (None, scheme) => {
                let message = format!("it is not known where fresh stores of {scheme}: could be made and removed");
                return Err(OpError::usage("storage.no_places", message)
                    .with_hint("say it with App::with_places, or run the kit in the backend's own tests"));
            }
        };
        Ok(Self { factory: Arc::clone(factory), beside, is_durable, keeps_state: state.is_some() })
    }

    /// The checks of all contracts that the backend fulfils.
    pub(crate) fn checks(&self) -> Vec<Check> {
        let check = |contract, name, promise| Check { contract, name, promise };
        let storage = storage::checks().map(|found| check(Contract::Storage, found.full_name(), found.promise));
        let state = state::checks().map(|found| check(Contract::State, found.full_name(), found.promise));
        storage.chain(state.filter(|_| self.keeps_state)).collect()
    }

    /// Runs a check to its verdict and removes its stores. Blocks.
    pub(crate) fn judge(&self, check: &Check) -> Verdict {
        let places = Places { bench: self.clone(), made: Arc::default() };
        let verdict = match check.contract {
            Contract::Storage => storage::judge(places.clone(), &check.name),
            Contract::State => state::judge(places.clone(), &check.name),
        };
        let cleared = places.clear();
        verdict.and(cleared.map_err(|error| Failure::broken(format!("its store cannot be removed: {error}"))))
    }

    /// What stands behind the scheme for a store that nobody else uses.
    fn fresh(&self) -> String {
        // By chance: others may check the same server from other machines.
        let number = format!("{:016x}", RandomState::new().hash_one(0));
        match &self.beside {
            Beside::Memory => String::new(),
            Beside::File(path) => format!("{}.check_{number}", path.display()),
            Beside::Schema { before, name, after } => format!("{before}{name}_check_{number}{after}"),
            Beside::Own { places, rest } => (places.beside)(rest, &format!("_check_{number}")),
        }
    }
}

/// The stores of one check.
#[derive(Clone)]
struct Places {
    bench: Bench,
    made: Arc<Mutex<Vec<String>>>,
}

impl Places {
    fn make(&self) -> String {
        let place = self.bench.fresh();
        self.made.lock().unwrap_or_else(PoisonError::into_inner).push(place.clone());
        place
    }

    /// Removes them all.
    fn clear(&self) -> Result<()> {
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        match &self.bench.beside {
            Beside::Memory => Ok(()),
            Beside::File(_) => {
                for place in made {
                    remove_file(&place);
                }
                Ok(())
            }
            Beside::Own { places, .. } => {
                for place in made {
                    (places.remove)(&place);
                }
                Ok(())
            }
            Beside::Schema { .. } => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.map_err(|error| StorageError::internal("no runtime").with_source(error))?;
                runtime.block_on(async {
                    for place in made {
                        let storage = (self.bench.factory)(&place)?.storage;
                        if let Some(care) = storage.care() {
                            care.destroy().await?;
                        }
                        storage.close().await?;
                    }
                    Ok(())
                })
            }
        }
    }
}

/// Removes a file of ours with what backends keep beside it. What is not there need not be removed.
fn remove_file(path: &str) {
    for ending in ["", "-wal", "-shm", ".wal"] {
        let _gone = std::fs::remove_file(Path::new(&format!("{path}{ending}")));
    }
}

#[async_trait]
impl StorageProvider for Places {
    type Place = String;

    async fn place(&self) -> Result<String> {
        Ok(self.make())
    }

    async fn open(&self, place: &String) -> Result<Arc<dyn StorageBackend>> {
        Ok((self.bench.factory)(place)?.storage)
    }
}

#[async_trait]
impl StateProvider for Places {
    type Place = String;

    async fn place(&self) -> Result<String> {
        Ok(self.make())
    }

    async fn open(&self, place: &String) -> Result<Arc<dyn StateStore>> {
        let state = (self.bench.factory)(place)?.state;
        state.ok_or_else(|| StorageError::internal("a backend keeps state for one URL and not for another"))
    }

    async fn storage(&self, place: &String) -> Result<Option<Arc<dyn StorageBackend>>> {
        if !self.bench.is_durable {
            // What is opened again is another store.
            return Ok(None);
        }
        StorageProvider::open(self, place).await.map(Some)
    }

    fn is_durable(&self) -> bool {
        self.bench.is_durable
    }
}

/// The place of the schema's name in a URL of PostgreSQL.
fn beside_schema(rest: &str) -> Beside {
    let (place, settings) = rest.split_once('?').unwrap_or((rest, ""));
    let is_schema = |pair: &&str| pair.split_once('=').is_some_and(|(name, _)| name == SCHEMA.0);
    let name = settings.split('&').rfind(is_schema).and_then(|pair| pair.split_once('=')).map_or(SCHEMA.1, |(_, n)| n);
    let name = name.get(..SCHEMA_BYTES).unwrap_or(name).to_owned();
    let others: Vec<&str> = settings.split('&').filter(|pair| !pair.is_empty() && !is_schema(pair)).collect();
    let after = others.iter().flat_map(|pair| ["&", pair]).collect();
    Beside::Schema { before: format!("{place}?{}=", SCHEMA.0), name, after }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_of_ones_own_is_checked_where_it_says_and_only_then() {
        let directory = tempfile::tempdir().unwrap();
        let mut backends = Backends::default();
        backends.insert("mine", Arc::new(|rest| Ok(Stores::everything(feedspine_sqlite::SqliteStore::new(rest)))));
        let url = format!("mine:{}", directory.path().join("store").display());
        let error = Bench::new(&backends, &url, &url).err().unwrap();
        assert_eq!(error.code(), "storage.no_places");
        let beside = |rest: &str, suffix: &str| format!("{rest}{suffix}");
        backends.place("mine", stores::Places { beside: Arc::new(beside), remove: Arc::new(remove_file) });
        let bench = Bench::new(&backends, &url, &url).unwrap();
        let check = bench.checks().into_iter().find(|check| check.full_name().contains("durability::")).unwrap();
        bench.judge(&check).unwrap();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_fresh_schema_lies_beside_the_one_that_is_named() {
        let long = "a".repeat(63);
        for (rest, expected) in [
            ("//me@h/x", ("//me@h/x?schema=", "feedspine", "")),
            ("//h/x?schema=mine", ("//h/x?schema=", "mine", "")),
            (
                "//h/x?pool_size=3&schema=mine&sslmode=disable",
                ("//h/x?schema=", "mine", "&pool_size=3&sslmode=disable"),
            ),
            (&format!("//h/x?schema={long}"), ("//h/x?schema=", &long[..SCHEMA_BYTES], "")),
        ] {
            let Beside::Schema { before, name, after } = beside_schema(rest) else { panic!("{rest}") };
            assert_eq!((before.as_str(), name.as_str(), after.as_str()), expected);
        }
    }
}
