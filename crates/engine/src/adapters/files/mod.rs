//! Files: a folder, or what a pattern means in it, as a feed. Each file is an item, or holds items in lines or rows.

mod inbox;
mod listing;
mod pages;
mod pattern;
mod reading;

use std::path::Path;

use feedspine_core::{Candidate, JsonPath, Namespace, Reject};
use feedspine_parse::{ItemKey, ItemRules, JsonQuery, LineForm, Scrap, TableForm, read_line_again, read_row_again};

pub(super) use pages::FilePages;

use super::Covers;
use super::identity::{Identity, Naming};
use super::options::Options;
use super::table::table_form;
use crate::OpError;
use inbox::Inbox;
use listing::{Links, Search, unreadable_folder};
use pattern::Pattern;

/// As much of a text file is kept with its record, unless it is said otherwise.
const TEXT_BYTES: u64 = 64 * 1024;
/// The most that can be asked for.
const MOST_TEXT_BYTES: u64 = 16 * 1024 * 1024;

/// The options of this adapter.
#[derive(Debug)]
pub(crate) struct Files {
    pub(super) identity: Identity,
    rules: ItemRules,
    each: Each,
    patterns: Vec<Pattern>,
    links: Links,
    inbox: Option<Inbox>,
    covers: Option<Covers>,
}

/// What an item is.
#[derive(Debug, Clone)]
enum Each {
    /// A file. A text of at most so many bytes is kept with it.
    File { text_bytes: u64 },
    /// A line of JSON.
    Line,
    /// A row of a table.
    Row(TableForm),
}

impl Files {
    pub(super) fn read(options: &mut Options, namespace: &Namespace) -> Result<Self, OpError> {
        let meaning = "is file, line or row";
        let each =
            options.read("each", meaning, |word| matches!(word, "file" | "line" | "row").then(|| word.to_owned()))?;
        let each = each.unwrap_or_else(|| "file".to_owned());
        let naming = if each == "row" { Naming::Columns } else { Naming::Paths };
        // A file that is copied back from a backup is the same file.
        let unversioned = if each == "file" { vec![JsonPath::of(["modified"])] } else { Vec::new() };
        let identity = Identity::read_with(options, naming, unversioned)?;
        let mut rules = identity.item_rules(namespace, options)?;
        let each = match each.as_str() {
            "line" => Each::Line,
            "row" => Each::Row(table_form(options)?),
            _ => {
                if matches!(rules.key, ItemKey::Unsaid) {
                    rules.key = ItemKey::Places(vec![JsonQuery::member("path")]);
                }
                let text_bytes = options.number("text_bytes", 0..=MOST_TEXT_BYTES)?.unwrap_or(TEXT_BYTES);
                Each::File { text_bytes }
            }
        };
        let patterns = options.texts("match")?.iter().map(|text| Pattern::parse(text)).collect();
        let links = options.read("links", "is reject or follow", |word| match word {
            "reject" => Some(Links::Reject),
            "follow" => Some(Links::Follow),
            _ => None,
        })?;
        let (inbox, covers) = (Inbox::read(options)?, options.coverage()?);
        if inbox.is_some() && covers == Some(Covers::All) {
            return Err(options.wrong("coverage", "is delta for an inbox: its files are put away"));
        }
        let links = links.unwrap_or(Links::Reject);
        Ok(Self { identity, rules, each, patterns, links, inbox, covers })
    }

    /// Reads a line or a row again that was rejected.
    pub(super) fn read_again(&self, scrap: &Scrap) -> Option<Result<Candidate, Reject>> {
        match &self.each {
            Each::File { .. } => None,
            Each::Line => read_line_again(&LineForm::Json, &self.rules, scrap),
            Each::Row(form) => read_row_again(form, &self.rules, scrap),
        }
    }

    /// What is looked for at a path.
    fn search(&self, path: &Path) -> Search {
        let (folder, pattern) = pattern::split(path);
        let mut patterns = self.patterns.clone();
        patterns.extend(pattern);
        if patterns.is_empty() {
            patterns.push(Pattern::parse("*"));
        }
        let without = self.inbox.iter().flat_map(|inbox| [inbox.done.clone(), inbox.failed.clone()]).collect();
        Search { folder, patterns, links: self.links, without }
    }
}

/// Sees that a path leads to a folder, whatever is wild of it.
///
/// # Errors
/// `NotFound`: it leads nowhere. `Usage`: to something else.
pub(crate) async fn check_folder(path: &Path) -> Result<(), OpError> {
    let (folder, _) = pattern::split(path);
    match tokio::fs::metadata(&folder).await {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(OpError::usage("files.folder", format!("{} is no folder", folder.display()))
            .with_hint("give a folder, or a pattern such as 'inbox/*.json'; a file is read by another adapter")),
        Err(error) => {
            let failed = unreadable_folder(&folder, error);
            Err(OpError::not_found(failed.code(), failed.message())
                .with_hint("check the path: it is a folder, or a pattern such as 'inbox/*.json'"))
        }
    }
}
