//! [`Options`]: what an adapter's options are read from. Each is asked for by its name; what nobody asked for is unknown.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use feedspine_core::Json;
use feedspine_parse::JsonQuery;

use super::Covers;
use crate::schedule::RhythmChoice;
use crate::{OpError, RequestChoice};

/// Where it is said how long a feed's bodies are kept, which is no option of it.
pub(crate) const KEEP_HINT: &str =
    "how long bodies are kept is said in the configuration, which counts as it is: keep = \"90d\" under [feeds.NAME]";

/// The options of one feed, as they were given.
#[derive(Debug)]
pub(crate) struct Options {
    adapter: &'static str,
    held: BTreeMap<String, Json>,
    known: Vec<&'static str>,
}

impl Options {
    pub(crate) fn new(adapter: &'static str, held: BTreeMap<String, Json>) -> Self {
        Self { adapter, held, known: Vec::new() }
    }

    /// A text; `None` when it was not given.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<String>, OpError> {
        match self.take(name) {
            None => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(Json::Number(number)) => Ok(Some(number.to_string())),
            Some(Json::Bool(truth)) => Ok(Some(truth.to_string())),
            Some(_) => Err(self.wrong(name, "is one text")),
        }
    }

    /// A list of texts, which may be given as one; empty when it was not given.
    pub(crate) fn texts(&mut self, name: &'static str) -> Result<Vec<String>, OpError> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Json::String(text)) => Ok(vec![text]),
            Some(Json::Array(elements)) => {
                let texts: Option<Vec<String>> =
                    elements.iter().map(|element| element.as_str().map(str::to_owned)).collect();
                texts.ok_or_else(|| self.wrong(name, "is a list of texts"))
            }
            Some(_) => Err(self.wrong(name, "is a text, or a list of them")),
        }
    }

    /// Something made of a text; `meaning` goes on after "`name`".
    pub(crate) fn read<T>(
        &mut self,
        name: &'static str,
        meaning: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, OpError> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) => read(&text).map(Some).ok_or_else(|| self.wrong(name, &format!("{meaning}, not {text:?}"))),
        }
    }

    /// A whole number.
    pub(crate) fn number(&mut self, name: &'static str, range: RangeInclusive<u64>) -> Result<Option<u64>, OpError> {
        let meaning = format!("is a whole number from {} to {}", range.start(), range.end());
        self.read(name, &meaning, |text| text.parse().ok().filter(|number| range.contains(number)))
    }

    /// `true` or `false`; false when it was not given.
    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, OpError> {
        Ok(self.read(name, "is true or false", |text| text.parse().ok())?.unwrap_or(false))
    }

    /// What a fetch says of items that it does not list; `None` when nobody said.
    pub(crate) fn coverage(&mut self) -> Result<Option<Covers>, OpError> {
        self.read("coverage", "is snapshot or delta", |word| {
            [Covers::All, Covers::Some].into_iter().find(|covers| covers.as_str() == word)
        })
    }

    /// A place in a JSON document.
    pub(crate) fn place(&mut self, name: &'static str) -> Result<Option<JsonQuery>, OpError> {
        self.text(name)?.map(|text| place(name, &text)).transpose()
    }

    /// The end of reading.
    ///
    /// # Errors
    /// `Usage`: an option that this adapter does not have.
    pub(crate) fn finish(self) -> Result<(), OpError> {
        self.refuse_unknown()
    }

    /// The same before the end, where something else is wrong that an option of another name may be about.
    pub(crate) fn refuse_unknown(&self) -> Result<(), OpError> {
        let Some(unknown) = self.held.keys().next() else { return Ok(()) };
        let message = format!("the adapter {} has no option {unknown}", self.adapter);
        let error = OpError::usage("adapter.option", message);
        if unknown == "keep" {
            return Err(error.with_hint(KEEP_HINT));
        }
        let of_every_feed = [&RhythmChoice::NAMES[..], &RequestChoice::NAMES].concat();
        let all: Vec<&str> = self.known.iter().chain(&of_every_feed).copied().collect();
        if let Some(near) = nearest(unknown, &all) {
            return Err(error.with_hint(format!("did you mean {near}?")));
        }
        let (own, others) = (self.known.join(", "), of_every_feed.join(", "));
        Err(error.with_hint(format!("it has {own}; every feed has {others} (docs/guides/fetching.md)")))
    }

    /// An option whose value is not what it must be; `meaning` goes on after "`name`".
    pub(crate) fn wrong(&self, name: &str, meaning: &str) -> OpError {
        wrong(name, meaning).with_hint(format!("docs/guides/adapters.md has the options of {}", self.adapter))
    }

    fn take(&mut self, name: &'static str) -> Option<Json> {
        self.known.push(name);
        self.held.remove(name)
    }
}

/// Reads a place in a JSON document, given as that option.
pub(crate) fn place(name: &str, text: &str) -> Result<JsonQuery, OpError> {
    JsonQuery::read_place(text).map_err(|error| {
        wrong(name, &format!("is {error}"))
            .with_hint("write names with dots, data.items, or a JSONPath, $.data.items[*]")
    })
}

fn wrong(name: &str, meaning: &str) -> OpError {
    OpError::usage("adapter.option", format!("the option {name} {meaning}"))
}

/// The name that somebody meant who wrote another.
pub(crate) fn nearest<'a>(written: &str, names: &[&'a str]) -> Option<&'a str> {
    let likeness = names.iter().map(|name| (strsim::jaro_winkler(name, written), *name));
    likeness.filter(|(likeness, _)| *likeness > 0.8).max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, name)| name)
}
