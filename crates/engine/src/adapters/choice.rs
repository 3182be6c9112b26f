//! [`AdapterChoice`]: which adapter the operator chose for a feed, with its options, as settings keep them.

use std::collections::BTreeMap;

use feedspine_core::{ContentHash, Feed, Json};

use super::Adapter;
use super::asking::check_option;
use super::edgar::EdgarList;
use crate::{Address, OpError};

/// An adapter by its name, and its options by theirs. The default is `feed` without options.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AdapterChoice {
    name: Option<String>,
    options: BTreeMap<String, Json>,
}

impl AdapterChoice {
    /// An adapter with options written `NAME=VALUE`; one that is given several times is a list.
    ///
    /// # Errors
    /// `Usage`: an option without `=`, or one that refers to a secret in a way that cannot be followed.
    pub fn new<'a>(name: Option<&str>, options: impl IntoIterator<Item = &'a str>) -> Result<Self, OpError> {
        let mut choice = Self { name: name.map(str::to_owned), options: BTreeMap::new() };
        for option in options {
            let (name, value) =
                option.split_once('=').filter(|(name, _)| !name.trim().is_empty()).ok_or_else(|| {
                    OpError::usage("adapter.option", format!("an option is NAME=VALUE, not {option:?}"))
                        .with_hint("as in --option key=id")
                })?;
            let name = name.trim().to_owned();
            let value = Json::from(value);
            check_option(&name, &value)?;
            let list = match choice.options.remove(&name) {
                None => value,
                Some(Json::Array(mut held)) => {
                    held.push(value);
                    Json::Array(held)
                }
                Some(held) => Json::Array(vec![held, value]),
            };
            choice.options.insert(name, list);
        }
        Ok(choice)
    }

    /// The same, where nothing was chosen by what the address says.
    pub(crate) fn at(self, address: &Address) -> Self {
        let said = match address {
            Address::Push(_) => Some(Adapter::PUSH),
            Address::Command(_) => Some(Adapter::COMMAND),
            Address::Http(_) | Address::File(_) => None,
        };
        let mut choice = Self { name: self.name.or(said.map(str::to_owned)), ..self };
        if choice.name() == Adapter::EDGAR
            && let Some(list) = EdgarList::at(address)
        {
            choice.options.entry(EdgarList::OPTION.to_owned()).or_insert_with(|| list.as_str().into());
        }
        choice
    }

    /// A name for a feed that is read so, where its host's would say little.
    pub(crate) fn suggested_name(&self, address: &Address) -> Option<String> {
        let list = self.options.get(EdgarList::OPTION).filter(|_| self.name() == Adapter::EDGAR)?;
        EdgarList::named(list.as_str()?).map(|list| list.suggested_name(address))
    }

    /// What a feed's settings hold.
    pub fn of(feed: &Feed) -> Self {
        let settings = feed.settings.to_json();
        let options = match settings.get("options") {
            Some(Json::Object(options)) => options.clone(),
            _ => BTreeMap::new(),
        };
        Self { name: settings.get("adapter").and_then(Json::as_str).map(str::to_owned), options }
    }

    /// The adapter's name.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(Adapter::FEED)
    }

    /// The options, as they were given: no secret is among them.
    pub fn options(&self) -> &BTreeMap<String, Json> {
        &self.options
    }

    /// The same adapter with these options.
    pub(crate) fn with_options(self, options: BTreeMap<String, Json>) -> Self {
        Self { options, ..self }
    }

    /// The same, with that adapter where none was named.
    pub(crate) fn or_adapter(self, name: Option<&str>) -> Self {
        Self { name: self.name.or_else(|| name.map(str::to_owned)), ..self }
    }

    /// The same, with these options where they were not given.
    pub(crate) fn or_options<'a>(mut self, further: impl IntoIterator<Item = (&'a String, &'a Json)>) -> Self {
        for (name, value) in further {
            self.options.entry(name.clone()).or_insert_with(|| value.clone());
        }
        self
    }

    /// Whether nothing was chosen.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The members of a feed's settings that hold it.
    pub(crate) const MEMBERS: [&str; 2] = ["adapter", "options"];

    /// The same with their values; none for the default.
    pub(crate) fn to_members(&self) -> BTreeMap<String, Json> {
        let [adapter, options] = Self::MEMBERS;
        let mut members = BTreeMap::new();
        members.extend(self.name.as_ref().map(|name| (adapter.to_owned(), name.as_str().into())));
        if !self.options.is_empty() {
            members.insert(options.to_owned(), Json::Object(self.options.clone()));
        }
        members
    }

    /// What a cursor is bound to: null for the default, so that cursors of earlier versions go on.
    pub(crate) fn fingerprint(&self) -> Json {
        if self.is_default() {
            Json::Null
        } else {
            ContentHash::of(Json::Object(self.to_members()).to_canonical().as_bytes()).to_string().into()
        }
    }
}
