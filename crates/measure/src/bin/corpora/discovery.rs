//! Pages that name feeds: the same addresses in the same order, and none of the decoys.

use std::path::Path;

use feedspine_parse::{Clue, HtmlPage, Input, Limits, ParseError, read_page};
use serde_json::Value;

use crate::read;
use crate::report::Report;

pub(crate) fn run(dir: &Path, report: &mut Report) -> Result<(), String> {
    for row in read::rows(dir, "discovery.jsonl")? {
        let body = read::body(dir, &row)?;
        let page = page(&body, row["base_url"].as_str()).map_err(|message| format!("panicked: {message}"));
        let outcome =
            page.and_then(|page| page.map_err(|error| error.to_string())).and_then(|page| judged(&row, &page));
        report.measure("discovery").row(read::path_of(&row), outcome);
    }
    Ok(())
}

/// Reads a page; `Err` is a panic.
pub(crate) fn page(bytes: &[u8], base: Option<&str>) -> Result<Result<HtmlPage, ParseError>, String> {
    let input = Input { bytes, content_type: None, base };
    read::guarded(|| read_page(&input, &Limits::default()))
}

fn judged(row: &Value, page: &HtmlPage) -> Result<(), String> {
    let list = |name: &str| -> Vec<&str> {
        row[name].as_array().map_or(&[][..], Vec::as_slice).iter().filter_map(Value::as_str).collect()
    };
    let found: Vec<&str> = page.feeds.iter().map(|feed| feed.address.as_str()).collect();
    if let Some(decoy) = list("decoys").into_iter().find(|decoy| found.iter().any(|found| found.contains(decoy))) {
        return Err(format!("{decoy} is a decoy"));
    }
    // The address check is the engine's: here they are only found.
    let refused = list("refused");
    let mut kept = found.clone();
    kept.retain(|address| !refused.contains(address));
    if kept.len() + refused.len() != found.len() {
        return Err(format!("{found:?} are not those to be refused"));
    }
    if kept.len() > 100 {
        return Err(format!("{} addresses, without bound", kept.len()));
    }
    let (expect, also) = (list("expect"), list("also"));
    let first_only = row["first_only"] == true && kept.starts_with(&expect);
    let none = row["optional"] == true && kept.is_empty();
    if kept != expect && !first_only && !none && (also.is_empty() || kept != also) {
        return Err(format!("{kept:?}, not {expect:?}"));
    }
    let titles: Vec<&str> = page.feeds.iter().filter_map(|feed| feed.title.as_deref()).collect();
    if row["titles"].is_array() && titles != list("titles") {
        return Err(format!("titles {titles:?}"));
    }
    if row["heuristic"] == true && page.feeds.iter().any(|feed| feed.clue != Clue::Anchor) {
        return Err("an anchor was taken for a link element".to_owned());
    }
    Ok(())
}
