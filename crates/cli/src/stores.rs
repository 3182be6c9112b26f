//! Which store a URL names, and how it is opened.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use feedspine::core::{MemoryStore, StateStore, StorageBackend, StorageError};
use feedspine::ops::StoreCare;
use feedspine::{OpError, OpErrorKind};
use feedspine_sqlite::SqliteStore;

use crate::bodies;
use crate::feeds_file::{self, FeedsFile, same_store};
use crate::own_files::{OwnFiles, same_file};
use crate::places;
use crate::secrets::without_password;
use crate::shell::quoted;

/// What a backend's factory gives: where records are kept, and feeds and fetches, if it keeps these too.
#[derive(Debug, Clone)]
pub struct Stores {
    pub(crate) storage: Arc<dyn StorageBackend>,
    pub(crate) state: Option<Arc<dyn StateStore>>,
    pub(crate) file: Option<PathBuf>,
}

impl Stores {
    /// A store of records alone: feeds and fetches are then kept in a SQLite file under the user's data directory, named
    /// after the URL. What stands behind `//` is taken for a host, which is the same from every directory; a backend
    /// whose stores are files says so by [`Stores::in_file`].
    pub fn records(storage: impl StorageBackend) -> Self {
        Self { storage: Arc::new(storage), state: None, file: None }
    }

    /// One store that keeps everything.
    pub fn everything(store: impl StorageBackend + StateStore) -> Self {
        let store = Arc::new(store);
        Self { storage: store.clone(), state: Some(store), file: None }
    }

    /// Says that a store of records alone lies in this file: feeds and fetches are then kept beside it, in `FILE.state`,
    /// so that both are found however the URL is written, and can be moved together.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }
}

/// Makes the stores that a URL names; it is given what stands after `scheme:`. Nothing is opened yet.
pub(crate) type Factory = Arc<dyn Fn(&str) -> Result<Stores, StorageError> + Send + Sync>;

/// The scheme of DuckDB files, where feedspine was built with them.
pub(crate) const DUCKDB: &str = "duckdb";

/// PostgreSQL's own names for its URLs.
pub(crate) const POSTGRES: [&str; 2] = ["postgres", "postgresql"];

/// Whether what stands behind that scheme is the path of a file.
pub(crate) fn is_file(scheme: &str) -> bool {
    ["sqlite", DUCKDB].iter().any(|file| file.eq_ignore_ascii_case(scheme))
}

/// Makes, of what stands behind the scheme and a suffix that no other store has, what stands there for a fresh store.
#[cfg(feature = "kit")]
type Beside = Arc<dyn Fn(&str, &str) -> String + Send + Sync>;

/// How fresh stores of a backend are made beside one of its stores, and removed; see [`crate::App::with_places`].
#[cfg(feature = "kit")]
#[derive(Clone)]
pub(crate) struct Places {
    pub(crate) beside: Beside,
    pub(crate) remove: Arc<dyn Fn(&str) + Send + Sync>,
}

/// The backends that are known, by scheme.
pub(crate) struct Backends {
    factories: BTreeMap<String, Factory>,
    #[cfg(feature = "kit")]
    places: BTreeMap<String, Places>,
}

impl fmt::Debug for Backends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.factories.keys()).finish()
    }
}

impl Default for Backends {
    fn default() -> Self {
        let mut backends = Self {
            factories: BTreeMap::new(),
            #[cfg(feature = "kit")]
            places: BTreeMap::new(),
        };
        backends.insert("memory", Arc::new(|_| Ok(Stores::everything(MemoryStore::new()))));
        backends
            .insert("sqlite", Arc::new(|rest| Ok(Stores::everything(SqliteStore::new(file_path("sqlite", rest)?)))));
        #[cfg(feature = "duckdb")]
        backends.insert(
            DUCKDB,
            Arc::new(|rest| {
                let file = file_path(DUCKDB, rest)?;
                Ok(Stores::records(feedspine_duckdb::DuckDbStore::new(&file)).in_file(file))
            }),
        );
        #[cfg(feature = "postgres")]
        for scheme in POSTGRES {
            let open = move |rest: &str| feedspine_postgres::PostgresStore::from_url(&format!("{scheme}:{rest}"));
            backends.insert(scheme, Arc::new(move |rest| Ok(Stores::everything(open(rest)?))));
        }
        backends
    }
}

/// Whether a command may begin a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The store that is there.
    Existing,
    /// The store that is there, or a new one.
    ExistingOrNew,
}

/// The stores of a URL, not yet initialised.
#[derive(Debug)]
pub(crate) struct Found {
    /// The URL, without its password.
    pub(crate) shown: String,
    /// What stands there, as people know it: a file, or the URL.
    pub(crate) place: String,
    /// The file that it lies in, where it lies in one.
    pub(crate) file: Option<PathBuf>,
    pub(crate) storage: Arc<dyn StorageBackend>,
    pub(crate) state: Arc<dyn StateStore>,
    /// The file of the feeds, where the store keeps records alone.
    pub(crate) feeds: Option<FeedsFile>,
    /// Where an earlier feedspine kept bodies; `None` where it kept none.
    pub(crate) bodies: Option<PathBuf>,
    /// What is kept is gone when the process ends.
    pub(crate) fleeting: bool,
}

impl Found {
    /// The upkeep of the store.
    pub(crate) fn care(&self) -> StoreCare {
        StoreCare::new(Arc::clone(&self.storage), Arc::clone(&self.state))
    }

    /// The files that it is made of.
    pub(crate) fn own_files(&self) -> OwnFiles {
        OwnFiles::of(self)
    }

    /// Whether that one is the same store, by whatever name.
    pub(crate) fn is_the_same_as(&self, other: &Self) -> bool {
        match (&self.file, &other.file) {
            (Some(one), Some(other)) => same_file(one, other),
            (None, None) if !self.fleeting && !other.fleeting => {
                let here = std::env::current_dir().unwrap_or_default();
                let name = |found: &Self| {
                    let name = same_store(&found.shown, &here);
                    // PostgreSQL's two names are one.
                    match name.strip_prefix("postgresql:") {
                        Some(rest) => format!("postgres:{rest}"),
                        None => name,
                    }
                };
                name(self) == name(other)
            }
            _ => false,
        }
    }

    /// The error for a store that had to be there.
    pub(crate) fn missing(&self) -> OpError {
        OpError::not_found("db.missing", format!("there is no store at {}", self.place))
            .with_hint(format!("`feedspine --db {} add URL` begins one", quoted(&self.shown)))
    }
}

impl Backends {
    pub(crate) fn insert(&mut self, scheme: &str, factory: Factory) {
        self.factories.insert(scheme.to_owned(), factory);
    }

    /// Says where fresh stores of a backend may be.
    #[cfg(feature = "kit")]
    pub(crate) fn place(&mut self, scheme: &str, places: Places) {
        self.places.insert(scheme.to_owned(), places);
    }

    /// Where fresh stores of a backend may be, if that was said.
    #[cfg(feature = "kit")]
    pub(crate) fn places(&self, scheme: &str) -> Option<&Places> {
        self.places.get(scheme)
    }

    /// The backend of a URL, and what the URL says behind the scheme.
    pub(crate) fn factory<'a>(&'a self, url: &'a str) -> Result<(&'a Factory, &'a str, &'a str), OpError> {
        let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
        // Schemes are the same in capitals (RFC 3986 section 3.1).
        let known = self.factories.iter().find(|(known, _)| known.eq_ignore_ascii_case(scheme));
        let (scheme, factory) = known.ok_or_else(|| self.unknown(url, scheme, &without_password(url)))?;
        Ok((factory, scheme, rest))
    }

    /// The stores that a URL names.
    pub(crate) fn find(&self, url: &str) -> Result<Found, OpError> {
        let (factory, scheme, rest) = self.factory(url)?;
        let shown = without_password(url);
        let place = if is_file(scheme) {
            file_path(scheme, rest).map(|path| path.display().to_string()).unwrap_or_default()
        } else {
            shown.clone()
        };
        let own = is_file(scheme).then(|| file_path(scheme, rest).ok()).flatten();
        if let Some(folder) = own.as_ref().filter(|path| path.is_dir()) {
            let within = format!("{scheme}:{}", folder.join("feedspine.db").display());
            return Err(OpError::usage("db.url", format!("not a store: {} is a folder", folder.display()))
                .with_hint(format!("name a file, there or not: {}", quoted(&within))));
        }
        let Stores { storage, state, file } = factory(rest).map_err(|error| misnamed(&shown, error))?;
        let file = file.or(own);
        let fleeting = !storage.info().capabilities.durable;
        // Without a home directory there was no place for those of a server.
        let bodies = if fleeting { None } else { bodies::folder(url, file.as_deref()).ok() };
        let (state, feeds) = if let Some(state) = state {
            (state, None)
        } else {
            let feeds = feeds_file::find(url, file.as_deref())?;
            (Arc::new(SqliteStore::new(&feeds.path)) as Arc<dyn StateStore>, Some(feeds))
        };
        Ok(Found { shown, place, file, storage, state, feeds, bodies, fleeting })
    }

    fn unknown(&self, url: &str, scheme: &str, shown: &str) -> OpError {
        let known: Vec<String> = self.factories.keys().map(|scheme| format!("{scheme}:")).collect();
        let message = if url.contains(':') {
            format!("cannot open {shown}: no backend is called {scheme:?}")
        } else {
            format!("not a store: {url:?} names no backend")
        };
        let hint = if POSTGRES.contains(&scheme) {
            "this feedspine was built without PostgreSQL: build it with `--features postgres`".to_owned()
        } else if scheme == DUCKDB {
            "this feedspine was built without DuckDB: build it with `--features duckdb`, see `cargo xtask test --duckdb`"
                .to_owned()
        } else if url.contains("://") || !url.contains(['/', '.']) {
            format!("a store's URL begins with one of {}", known.join(", "))
        } else {
            format!("for a file, say sqlite:{shown}")
        };
        OpError::usage("db.scheme", message).with_hint(hint)
    }
}

/// An error of making a store of its URL: there is something wrong with the URL.
pub(crate) fn misnamed(shown: &str, error: StorageError) -> OpError {
    let hint = error.hint().unwrap_or("--db URL chooses another store").to_owned();
    OpError::usage("db.url", format!("not a store: {shown}: {error}")).with_hint(hint).with_source(error)
}

/// An error of opening a store, with the store's name.
pub(crate) fn unopened(shown: &str, error: &OpError) -> OpError {
    let place = shown.split_once(':').map_or(shown, |(_, rest)| rest);
    let message = if place.is_empty() || !error.message().contains(place) {
        format!("cannot open {shown}: {}", error.message())
    } else {
        error.message().to_owned()
    };
    // The URL was well formed: what is wrong is the store behind it, unless it asks for more than this program can do.
    let kind = if error.code() == "storage.unsupported" { error.kind() } else { OpErrorKind::Failed };
    let named = OpError::new(kind, error.code(), message);
    named.with_hint(error.hint().unwrap_or("--db URL chooses another store"))
}

/// An error that is about a store, with the store's name.
pub(crate) fn named(shown: &str, error: OpError) -> OpError {
    let place = shown.split_once(':').map_or(shown, |(_, rest)| rest);
    let about_store = error.code().starts_with("storage.") || ABOUT_STORES.contains(&error.code());
    if !about_store || (!place.is_empty() && error.message().contains(place)) {
        return error;
    }
    let message = format!("{}: {}", shown.trim_end_matches(':'), error.message());
    let named = OpError::new(error.kind(), error.code(), message);
    error.hint().map(str::to_owned).into_iter().fold(named, OpError::with_hint)
}

/// Errors of what is written into a store that are about the store and not about what is read.
const ABOUT_STORES: [&str; 3] = ["import.not_empty", "import.differs", "import.changed"];

/// `PATH`, `//PATH` as other programs write it, `~/PATH`.
pub(crate) fn file_path(scheme: &str, rest: &str) -> Result<PathBuf, StorageError> {
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    if rest.is_empty() {
        return Err(StorageError::invalid("it names no file").with_hint(format!("say {scheme}:PATH")));
    }
    match rest.strip_prefix("~/") {
        Some(below) => {
            places::home().map(|home| home.join(below)).map_err(|error| StorageError::invalid(error.message()))
        }
        None => Ok(Path::new(rest).to_path_buf()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_sqlite_url_is_a_path_however_it_is_written() {
        for (rest, path) in [("a.db", "a.db"), ("/x/a.db", "/x/a.db"), ("///x/a.db", "/x/a.db"), ("//a.db", "a.db")] {
            assert_eq!(file_path("sqlite", rest).unwrap(), Path::new(path), "{rest}");
        }
        assert!(file_path("sqlite", "//").is_err());
    }

    #[test]
    fn an_unknown_scheme_names_those_that_are_known_and_a_bare_path_says_how_to_write_it() {
        let hint = |url: &str| {
            let error = Backends::default().find(url).unwrap_err();
            assert_eq!(error.kind(), OpErrorKind::Usage);
            error.hint().unwrap().to_owned()
        };
        let known = hint("mysql://db");
        let known = known.strip_prefix("a store's URL begins with one of ").unwrap();
        for (scheme, built) in [("memory:", true), ("sqlite:", true), ("postgres:", cfg!(feature = "postgres"))] {
            assert_eq!(known.split(", ").any(|named| named == scheme), built, "{scheme} in {known}");
        }
        assert_eq!(hint("./feeds.db"), "for a file, say sqlite:./feeds.db");
        #[cfg(not(feature = "postgres"))]
        assert!(hint("postgres://h/x").contains("--features postgres"));
        #[cfg(not(feature = "duckdb"))]
        assert!(hint("duckdb:x").contains("--features duckdb"));
    }
}
