//! Configuration: flags over environment over the file over defaults. Every key is one row of [`keys::KEYS`].

mod feeds;
mod file;
mod keys;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use feedspine::core::Json;
use feedspine::ops::{ToJson, Watch};
use feedspine::{OpError, Settings};

use crate::arguments::Global;
use crate::places;
use crate::printer::ColorChoice;
use keys::{FORMER, Former, KEYS, Key};

/// What is in force.
#[derive(Debug)]
pub(crate) struct Config {
    /// The store's URL.
    pub(crate) db: String,
    /// When to use colours.
    pub(crate) color: ColorChoice,
    /// How the engine behaves.
    pub(crate) engine: Settings,
    /// For how long a daemon leases hosts.
    pub(crate) lease: Duration,
    /// How long its fetches may take to end when it is stopped.
    pub(crate) grace: Duration,
    /// The configuration file, whether there is one or not.
    pub(crate) file: PathBuf,
    /// Where each key's value comes from, in the order of the keys.
    origins: Vec<Origin>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody said.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(&'static str),
    /// A flag of this command.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Environment(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One key with its value.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) value: Json,
    pub(crate) origin: Origin,
    /// Its environment variable, if it has one.
    pub(crate) env: Option<&'static str>,
}

impl ToJson for Setting {
    fn to_json(&self) -> Json {
        Json::object([
            ("key", self.key.as_str().into()),
            ("value", self.value.clone()),
            ("origin", self.origin.to_string().into()),
            ("env", self.env.into()),
        ])
    }
}

impl Config {
    /// Reads the configuration for these flags.
    ///
    /// # Errors
    /// `Usage`: an unknown key, a value that a key cannot have, a file named that is not there.
    pub(crate) fn read(flags: &Global) -> Result<Self, OpError> {
        let environment = |name: &str| match std::env::var(name) {
            Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => {
                Err(OpError::usage("config.value", format!("the environment variable {name} is not UTF-8")))
            }
        };
        let named = match &flags.config {
            Some(path) => Some(path.clone()),
            None => environment("FEEDSPINE_CONFIG")?.map(PathBuf::from),
        };
        let path = match &named {
            Some(path) => path.clone(),
            None => places::config_file()?,
        };
        let mut config = Self {
            db: String::new(),
            color: ColorChoice::default(),
            engine: Settings::default(),
            lease: Watch::LEASE,
            grace: Watch::GRACE,
            origins: vec![Origin::Default; KEYS.len()],
            file: path.clone(),
        };
        if let Some(text) = file::text(&path, named.is_some())? {
            config.take_file(&path, &text)?;
        }
        for (at, key) in KEYS.iter().enumerate() {
            if let Some(text) = environment(key.env)? {
                let value = key.value_of(&text).and_then(|value| key.apply(&mut config, &value));
                value.map_err(|reason| bad_value(key.env, &reason, key))?;
                config.origins[at] = Origin::Environment(key.env);
            }
        }
        for former in FORMER {
            if environment(former.env)?.is_some() {
                return Err(replaced(former, former.env));
            }
        }
        config.take_flags(flags)?;
        if config.db.is_empty() {
            config.db = format!("sqlite:{}", places::data_dir()?.join("feedspine.db").display());
        }
        Ok(config)
    }

    /// Every key with its value; a password is hidden.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let setting = |(key, origin): (&Key, &Origin)| Setting {
            key: key.name.to_owned(),
            value: (key.show)(self),
            origin: origin.clone(),
            env: Some(key.env),
        };
        let of_feeds = feeds::said(&self.engine.declared).into_iter().map(|(key, value)| Setting {
            key,
            value,
            origin: Origin::File(self.file.clone()),
            env: None,
        });
        KEYS.iter().zip(&self.origins).map(setting).chain(of_feeds).collect()
    }

    /// Whether somebody chose the store.
    pub(crate) fn db_is_default(&self) -> bool {
        self.origins[keys::index("db")] == Origin::Default
    }

    /// The store's URL, when a flag of this command chose it.
    pub(crate) fn db_by_flag(&self) -> Option<&str> {
        matches!(self.origins[keys::index("db")], Origin::Flag(_)).then_some(self.db.as_str())
    }

    fn take_file(&mut self, path: &Path, text: &str) -> Result<(), OpError> {
        let mut table = file::table(path, text)?;
        if let Some(feeds) = table.remove(feeds::TABLE) {
            self.engine.declared = feeds::declared(path, feeds)?;
        }
        for (name, value) in file::entries(table) {
            let at = KEYS.iter().position(|key| key.name == name).ok_or_else(|| unknown_key(path, &name))?;
            KEYS[at]
                .apply(self, &value)
                .map_err(|reason| bad_value(&format!("{name} in {}", path.display()), &reason, &KEYS[at]))?;
            self.origins[at] = Origin::File(path.to_owned());
        }
        Ok(())
    }

    fn take_flags(&mut self, flags: &Global) -> Result<(), OpError> {
        if let Some(db) = &flags.db {
            let key = &KEYS[keys::index("db")];
            key.apply(self, &toml::Value::from(db.as_str())).map_err(|reason| bad_value("--db", &reason, key))?;
            self.origins[keys::index("db")] = Origin::Flag("--db");
        }
        if let Some(color) = flags.color {
            self.color = color;
            self.origins[keys::index("output.color")] = Origin::Flag("--color");
        }
        Ok(())
    }
}

fn unknown_key(path: &Path, name: &str) -> OpError {
    if let Some(former) = FORMER.iter().find(|former| former.name == name) {
        return replaced(former, &format!("{name} in {}", path.display()));
    }
    let error = OpError::usage("config.unknown_key", format!("{} has an unknown key: {name}", path.display()));
    let closest = KEYS
        .iter()
        .map(|key| (strsim::jaro_winkler(key.name, name), key.name))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .filter(|(likeness, _)| *likeness > 0.8);
    match closest {
        Some((_, key)) => error.with_hint(format!("did you mean {key}?")),
        None => error.with_hint("`feedspine config show` lists the keys"),
    }
}

/// The error for a key that was replaced by another one.
fn replaced(former: &Former, what: &str) -> OpError {
    OpError::usage("config.replaced_key", format!("{what} is no key any more: it is {} now", former.now))
        .with_hint(former.hint)
}

fn bad_value(what: &str, reason: &str, key: &Key) -> OpError {
    OpError::usage("config.value", format!("{what}: {reason}")).with_hint(format!("{} is {}", key.name, key.meaning))
}
