//! Every file of the corpora, whatever it is: no panic, and quickly.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use feedspine_core::Namespace;
use feedspine_parse::{choose_rule, identify};

use crate::report::Report;
use crate::{discovery, opml, read};

/// No file of the corpora is big enough to need more.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn run(dir: &Path, report: &mut Report) -> Result<(), String> {
    let feeds = dir.join("feeds");
    for path in files(&feeds)? {
        let name = path.strip_prefix(&feeds).unwrap_or(&path).display().to_string();
        let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        report.measure("no panic").row(&name, whole_way(&bytes));
    }
    Ok(())
}

/// Parses, chooses, identifies; the second reading must give the same.
pub(crate) fn whole_way(bytes: &[u8]) -> Result<(), String> {
    let began = Instant::now();
    let namespace = Namespace::new("corpora").map_err(|error| error.to_string())?;
    let once = || match read::parsed(bytes, None, Some("http://feed.example/")) {
        read::Answer::Read(Ok(document)) => {
            let namespace = namespace.clone();
            read::guarded(move || choose_rule(&document).map(|rule| identify(*document, &namespace, rule)))
        }
        read::Answer::Read(Err(_)) => Ok(None),
        read::Answer::Panicked(message) => Err(message),
    };
    let first = once().map_err(|message| format!("panicked: {message}"))?;
    if began.elapsed() > PATIENCE {
        return Err("took more than 2 s".to_owned());
    }
    if once().ok() != Some(first) {
        return Err("the second reading differs from the first".to_owned());
    }
    as_list_and_page(bytes)
}

/// Whatever it is, it may be given as a list of feeds, and a site may answer it as its page.
fn as_list_and_page(bytes: &[u8]) -> Result<(), String> {
    let began = Instant::now();
    let list = opml::listed(bytes).map(drop);
    let page = discovery::page(bytes, Some("http://feed.example/")).map(drop);
    list.and(page).map_err(|message| format!("panicked as a list or a page: {message}"))?;
    if began.elapsed() > PATIENCE { Err("took more than 2 s as a list and a page".to_owned()) } else { Ok(()) }
}

fn files(dir: &Path) -> Result<Vec<PathBuf>, String> {
    let (mut found, mut folders) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    Ok(found)
}
