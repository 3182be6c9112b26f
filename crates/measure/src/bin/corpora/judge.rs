//! What a collect would make of an answer: the engine's policy, in brief.

use std::collections::BTreeMap;

use feedspine_core::{Candidate, Content, Namespace, Reject};
use feedspine_parse::{
    DateForm, Format, Input, ItemKey, ItemRules, ItemsAt, JsonLayout, JsonQuery, Limits, TableError, TableForm,
    TableReader, choose_rule, identify, read_json_page,
};
use serde_json::Value;

use crate::read::{self, Answer};

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

/// How a collect of a table ends; `tab` where the case says that its delimiter is that.
pub(crate) fn of_table(bytes: &[u8], tab: bool) -> Outcome {
    let form = TableForm { delimiter: tab.then_some(b'\t'), ..TableForm::default() };
    let read = || {
        let mut reader = TableReader::begin(bytes, &form)?;
        let page = reader.read_rows(&item_rules(), usize::MAX, usize::MAX)?;
        Ok::<_, TableError>((page, reader.take_warnings()))
    };
    match read::guarded(read) {
        Err(message) => Outcome { run: "panic", class: message, ..Outcome::default() },
        Ok(Err(error)) => Outcome { run: "reject", class: error.code().to_owned(), ..Outcome::default() },
        // Nothing of it is taken, by that name.
        Ok(Ok((page, _))) if page.candidates.is_empty() && page.rejects.len() == 1 => {
            Outcome { run: "reject", class: page.rejects[0].code.clone(), ..Outcome::default() }
        }
        Ok(Ok((page, warnings))) => of_items(&page.candidates, &page.rejects, !warnings.is_empty()),
    }
}

/// How a collect of a JSON document ends whose items are at that place.
pub(crate) fn of_json(bytes: &[u8], place: &str) -> Outcome {
    let items = JsonQuery::read_place(place).expect("the case names a place");
    let layout = JsonLayout { items: ItemsAt::Query(items), rules: item_rules(), greatest: None };
    let input = Input { bytes, content_type: None, base: None };
    match read::guarded(|| read_json_page(&input, &layout, 0, &Limits::default())) {
        Err(message) => Outcome { run: "panic", class: message, ..Outcome::default() },
        Ok(Err(error)) => Outcome { run: "reject", class: error.code().to_owned(), ..Outcome::default() },
        Ok(Ok(page)) => of_items(&page.candidates, &page.rejects, !page.warnings.is_empty()),
    }
}

fn of_items(candidates: &[Candidate], rejects: &[Reject], warned: bool) -> Outcome {
    Outcome {
        run: if rejects.is_empty() { "ok" } else { "partial" },
        records: candidates.len(),
        rejected: rejects.len(),
        reasons: rejects.iter().map(|reject| reject.code.clone()).collect(),
        warned,
        ..Outcome::default()
    }
}

fn item_rules() -> ItemRules {
    let namespace = Namespace::new("hostile").expect("a plain word is a namespace");
    ItemRules { namespace, key: ItemKey::Unsaid, fold_case: false, members: Vec::new(), dates: DateForm::Text }
}
