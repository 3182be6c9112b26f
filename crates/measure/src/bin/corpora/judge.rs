//! What a collect would make of an answer: the engine's policy, in brief.

use std::collections::BTreeMap;

use feedspine_core::{Content, Namespace};
use feedspine_parse::{Format, choose_rule, identify};
use serde_json::Value;

use crate::read::Answer;

/// How a collect ends.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// `ok`, `partial`, `reject` or `panic`.
    pub(crate) run: &'static str,
    class: String,
    records: usize,
    rejected: usize,
    reasons: Vec<String>,
    pub(crate) warned: bool,
    pub(crate) titles: Vec<Option<String>>,
    pub(crate) links: Vec<Option<String>>,
    pub(crate) ids: Vec<Option<String>>,
    pub(crate) published: Vec<Option<String>>,
    pub(crate) updated: Vec<Option<String>>,
    /// Content hash by key: what a store would hold.
    pub(crate) shown: BTreeMap<String, String>,
}

impl Outcome {
    /// Whether this is the outcome that a case describes.
    pub(crate) fn is(&self, wanted: &Value) -> bool {
        let number = |name: &str, ours: usize| wanted[name].as_u64().is_none_or(|wanted| wanted == ours as u64);
        let reason = wanted["reason"].as_str();
        wanted["run"] == self.run
            && wanted["class"].as_str().is_none_or(|class| class == self.class)
            && (self.run == "reject" || (number("records", self.records) && number("rejected", self.rejected)))
            && reason.is_none_or(|reason| self.reasons.iter().all(|ours| ours == reason))
    }

    pub(crate) fn describe(&self) -> String {
        match self.run {
            "reject" | "panic" => format!("{} {}", self.run, self.class),
            run => format!("{run} with {} records, {} rejected {:?}", self.records, self.rejected, self.reasons),
        }
    }
}

/// A cut document is a failed fetch; rejected items make it partial.
pub(crate) fn outcome(answer: &Answer) -> Outcome {
    let failed = |run, class: String| Outcome { run, class, ..Outcome::default() };
    let document = match answer {
        Answer::Panicked(message) => return failed("panic", message.clone()),
        Answer::Read(Err(error)) => return failed("reject", error.code().to_owned()),
        Answer::Read(Ok(document)) => document.as_ref().clone(),
    };
    if document.truncated {
        let class = if document.format == Format::JsonFeed { "json.truncated" } else { "xml.truncated" };
        return failed("reject", class.to_owned());
    }
    let mut outcome = Outcome { warned: document.recovered || !document.warnings.is_empty(), ..Outcome::default() };
    for item in &document.items {
        outcome.titles.push(item.title.as_ref().map(|title| title.value.clone()));
        outcome.links.push(item.link().map(str::to_owned));
        outcome.ids.push(item.id.clone());
        for (dates, date) in [(&mut outcome.published, &item.published), (&mut outcome.updated, &item.updated)] {
            dates.push(date.as_ref().and_then(|date| date.at).map(|at| at.to_string()));
        }
    }
    let namespace = Namespace::new("hostile").expect("a plain word is a namespace");
    let rule = choose_rule(&document).unwrap_or(feedspine_core::KeyRule::Id);
    let identified = identify(document, &namespace, rule);
    for candidate in &identified.candidates {
        outcome.shown.insert(candidate.key.key().to_owned(), candidate.content.hash().to_string());
    }
    outcome.records = outcome.shown.len();
    outcome.rejected = identified.rejects.len();
    outcome.reasons = identified.rejects.iter().map(|reject| reject.code.clone()).collect();
    outcome.run = if outcome.rejected == 0 { "ok" } else { "partial" };
    outcome
}

/// Numbers keep every digit, and have one spelling.
pub(crate) fn exact_numbers(body: &[u8], values: &[Value]) -> Result<(), String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let content = Content::parse(text).map_err(|error| error.to_string())?;
    let wanted = values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",");
    if content.as_str() == format!("[{wanted}]") { Ok(()) } else { Err(format!("became {}", content.as_str())) }
}
