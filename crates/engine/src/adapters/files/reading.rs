//! [`Reading`]: the files of a listing read one after the other, page by page, on a thread that may be busy.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read};

use feedspine_core::{Candidate, ContentHash, Json, NaturalKey, Reject};
use feedspine_parse::{ItemRules, LineForm, LineReader, Scrap, TableError, Warning, as_text, media_type, read_item};
use sha2::{Digest, Sha256};

use super::Each;
use super::inbox::Fate;
use super::listing::{Fault, Found, Stamp};
use crate::adapters::gather;
use crate::adapters::table::{Reader as Rows, open_table};

/// Items of one page, and bytes of text: what stands in memory, some ten times over.
pub(super) const PAGE: (usize, usize) = (5_000, 1024 * 1024);
/// As many bytes are read before a page is handed over, whatever was found in them.
const READ_AT_ONCE: u64 = 256 * 1024 * 1024;
/// How often a file that changes while it is read is read again.
const TRIES: usize = 3;
/// What a media type is judged by.
const BEGINNING: usize = 512;

/// Files under way.
pub(super) struct Reading {
    each: Each,
    rules: ItemRules,
    files: VecDeque<Found>,
    open: Option<Open>,
    ordinal: u32,
    page: FilePage,
    warnings: Vec<Warning>,
    /// Something could not be read that may be readable next time, though nothing has changed.
    pub(super) broke: bool,
}

/// What was read.
#[derive(Default)]
pub(super) struct FilePage {
    pub(super) candidates: Vec<Candidate>,
    pub(super) rejects: Vec<Reject>,
    /// The lines and rows that were rejected.
    pub(super) scraps: Vec<Scrap>,
    /// The files that ended in this page.
    pub(super) ended: Vec<(Found, Fate)>,
    /// Bytes that were read for it.
    pub(super) bytes: u64,
    /// Bytes of its items.
    held: usize,
}

/// A file of which a part was read.
struct Open {
    found: Found,
    items: Items,
    /// Something of it was rejected.
    rejected: bool,
}

enum Items {
    Lines(File, Box<LineReader>),
    Rows(Box<Rows>),
}

impl Reading {
    pub(super) fn new(each: Each, rules: ItemRules, files: Vec<Found>, faults: &[Fault]) -> Self {
        let mut reading = Self {
            each,
            rules,
            files: files.into(),
            open: None,
            ordinal: 0,
            page: FilePage::default(),
            warnings: Vec::new(),
            broke: faults.iter().any(|fault| fault.code == "file.unreadable"),
        };
        for fault in faults {
            // What a folder holds is not known: a reject without a key says that something may be missing.
            let key = if fault.is_folder { None } else { reading.key_of(&fault.name) };
            reading.reject(key, &fault.name, fault.code, &fault.reason);
        }
        reading
    }

    /// The next page, and whether it is the last.
    pub(super) fn read_page(&mut self) -> (FilePage, bool) {
        while !self.page_is_full() {
            match self.open.take() {
                Some(open) => self.read_on(open),
                None => match self.files.pop_front() {
                    Some(found) => self.begin(found),
                    None => break,
                },
            }
        }
        (std::mem::take(&mut self.page), self.open.is_none() && self.files.is_empty())
    }

    pub(super) fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.warnings)
    }

    fn page_is_full(&self) -> bool {
        let FilePage { candidates, rejects, bytes, held, .. } = &self.page;
        candidates.len() + rejects.len() >= PAGE.0 || *held >= PAGE.1 || *bytes >= READ_AT_ONCE
    }

    fn begin(&mut self, found: Found) {
        let file = match File::open(&found.path) {
            Ok(file) => file,
            Err(error) => return self.unreadable(found, &error),
        };
        let items = match &self.each {
            Each::File { text_bytes } => return self.whole(found, *text_bytes),
            Each::Line => {
                Ok(Items::Lines(file, Box::new(LineReader::new(&LineForm::Json, self.rules.clone(), self.ordinal))))
            }
            Each::Row(form) => open_table(form, &self.rules, Box::new(file)).map(|mut rows| {
                rows.number_from(self.ordinal);
                Items::Rows(Box::new(rows))
            }),
        };
        self.page.bytes += found.stamp.bytes.min(READ_AT_ONCE);
        match items {
            Ok(items) => self.open = Some(Open { found, items, rejected: false }),
            // A file without rows holds nothing, and that is no fault of it.
            Err(TableError::Empty) => self.end(found, Fate::Done),
            Err(error) => self.broken(found, &error),
        }
    }

    fn read_on(&mut self, mut open: Open) {
        let read = match &mut open.items {
            Items::Lines(file, lines) => read_lines(file, lines).map_err(TableError::from).map(|last| {
                let page = lines.take_page();
                (page.candidates, (page.rejects, page.scraps), last, lines.next_ordinal(), lines.take_warnings())
            }),
            Items::Rows(rows) => rows.read_rows(&self.rules, PAGE.0, PAGE.1).map(|page| {
                let rejects = (page.rejects, page.scraps);
                (page.candidates, rejects, page.last, rows.next_ordinal(), rows.take_warnings())
            }),
        };
        let (candidates, (rejects, scraps), last, ordinal, warnings) = match read {
            Ok(read) => read,
            Err(error) => return self.broken(open.found, &error),
        };
        self.ordinal = ordinal;
        gather(&mut self.warnings, warnings);
        open.rejected |= !rejects.is_empty();
        self.page.held += candidates.iter().map(|item| item.content.as_str().len()).sum::<usize>();
        self.page.candidates.extend(candidates);
        let name = &open.found.name;
        let of_file = |reject: Reject| Reject { reason: format!("{name}, {}", reject.reason), ..reject };
        self.page.rejects.extend(rejects.into_iter().map(of_file));
        self.page.scraps.extend(scraps);
        if !last {
            self.open = Some(open);
            return;
        }
        let fate = if !open.found.is_as_it_was() {
            Fate::Stays
        } else if open.rejected {
            Fate::Failed
        } else {
            Fate::Done
        };
        self.end(open.found, fate);
    }

    /// A file as one item.
    fn whole(&mut self, mut found: Found, text_bytes: u64) {
        for _ in 0..TRIES {
            let read = match read_whole(&found, text_bytes) {
                Ok(read) => read,
                Err(error) => return self.unreadable(found, &error),
            };
            self.page.bytes += read.bytes;
            match std::fs::metadata(&found.path).map(|now| Stamp::of(&now)) {
                Ok(now) if now == found.stamp && now.bytes == read.bytes => return self.take_whole(found, &read),
                Ok(now) => found.stamp = now,
                Err(error) => return self.unreadable(found, &error),
            }
        }
        self.broke = true;
        self.reject_file(&found.name, "file.changing", "it changes while it is read; it is read again next time");
        self.end(found, Fate::Stays);
    }

    fn take_whole(&mut self, found: Found, read: &Whole) {
        let modified = found.stamp.modified();
        let name = found.name.rsplit('/').next().unwrap_or_default();
        let mut members = vec![
            ("path", Json::from(found.name.as_str())),
            ("name", name.into()),
            ("size", read.bytes.into()),
            ("modified", modified.to_string().into()),
            ("sha256", read.hash.to_string().into()),
            ("media_type", media_type(name, &read.beginning).into()),
        ];
        members.extend(read.text.as_deref().map(|text| ("text", text.into())));
        let (made, warnings) = read_item(&self.rules, self.ordinal, Json::object(members));
        gather(&mut self.warnings, warnings);
        self.ordinal = self.ordinal.saturating_add(1);
        let fate = match made {
            Ok(item) => {
                self.page.held += item.content.as_str().len();
                let updated = item.updated.or(Some(modified));
                self.page.candidates.push(Candidate { updated, ..item });
                Fate::Done
            }
            Err(reject) => {
                self.page.rejects.push(Reject { reason: format!("{}: {}", found.name, reject.reason), ..reject });
                Fate::Failed
            }
        };
        self.end(found, fate);
    }

    /// The rest of a file cannot be read; what was read of it stays.
    fn broken(&mut self, found: Found, error: &TableError) {
        if let TableError::Unreadable(error) = error {
            return self.unreadable(found, error);
        }
        self.reject_file(&found.name, error.code(), &error.to_string());
        let fate = if found.is_as_it_was() { Fate::Failed } else { Fate::Stays };
        self.end(found, fate);
    }

    fn unreadable(&mut self, found: Found, error: &io::Error) {
        if error.kind() == ErrorKind::NotFound {
            self.reject_file(&found.name, "file.vanished", "it was there, and is gone before it was read");
            return self.end(found, Fate::Stays);
        }
        self.broke = true;
        self.reject_file(&found.name, "file.unreadable", &format!("it cannot be read: {error}"));
        self.end(found, Fate::Failed);
    }

    fn end(&mut self, found: Found, fate: Fate) {
        self.page.ended.push((found, fate));
    }

    /// A file that cannot be taken. Where a file is an item, it is still there.
    fn reject_file(&mut self, name: &str, code: &str, reason: &str) {
        self.reject(self.key_of(name), name, code, reason);
    }

    /// The key of a file of which only the name is known, where a file is an item.
    fn key_of(&self, name: &str) -> Option<NaturalKey> {
        if !matches!(self.each, Each::File { .. }) {
            return None;
        }
        let (made, _) = read_item(&self.rules, 0, Json::object([("path", Json::from(name))]));
        made.ok().map(|item| item.key).filter(|key| key.key().eq_ignore_ascii_case(name))
    }

    fn reject(&mut self, key: Option<NaturalKey>, name: &str, code: &str, reason: &str) {
        let (code, reason) = (code.to_owned(), format!("{name}: {reason}"));
        self.page.rejects.push(Reject { ordinal: self.ordinal, key, code, reason, excerpt: name.to_owned() });
        self.ordinal = self.ordinal.saturating_add(1);
    }
}

struct Whole {
    bytes: u64,
    hash: ContentHash,
    beginning: Vec<u8>,
    /// What it says, where that is text and short.
    text: Option<String>,
}

fn read_whole(found: &Found, text_bytes: u64) -> io::Result<Whole> {
    let mut file = File::open(&found.path)?;
    let (mut sha, mut bytes, mut piece) = (Sha256::new(), 0, vec![0; 64 * 1024]);
    let (mut beginning, mut text) = (Vec::new(), Vec::new());
    loop {
        let read = match file.read(&mut piece) {
            Ok(0) => break,
            Ok(read) => &piece[..read],
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        sha.update(read);
        bytes += read.len() as u64;
        beginning.extend_from_slice(&read[..read.len().min(BEGINNING.saturating_sub(beginning.len()))]);
        if bytes <= text_bytes {
            text.extend_from_slice(read);
        }
    }
    let text = if bytes <= text_bytes { as_text(text) } else { None };
    Ok(Whole { bytes, hash: ContentHash::from_bytes(sha.finalize().into()), beginning, text })
}

/// Reads on until there are enough lines; whether they were the last.
fn read_lines(file: &mut File, lines: &mut LineReader) -> io::Result<bool> {
    let (mut piece, mut bytes) = (vec![0; 64 * 1024], 0);
    while lines.waiting() < PAGE.0 && bytes < PAGE.1 {
        let read = match file.read(&mut piece) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read?,
        };
        if read == 0 {
            lines.end();
            return Ok(true);
        }
        bytes += read;
        lines.push(&piece[..read]);
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::adapters::files::listing::{Links, Listing, Search};
    use crate::adapters::files::pattern::Pattern;

    /// What is read of a folder that was changed after it was listed.
    fn read(each: Each, names: &[&str], change: impl FnOnce(&Path)) -> FilePage {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(folder.path().join(name), format!("{{\"id\":\"{name}\"}}\n")).unwrap();
        }
        let patterns = vec![Pattern::parse("*")];
        let search =
            Search { folder: folder.path().to_path_buf(), patterns, links: Links::Reject, without: Vec::new() };
        let listing = Listing::of(&search).unwrap();
        change(folder.path());
        let rules = ItemRules {
            namespace: "a".parse().unwrap(),
            key: feedspine_parse::ItemKey::Places(vec![feedspine_parse::JsonQuery::member(match each {
                Each::File { .. } => "path",
                _ => "id",
            })]),
            fold_case: false,
            members: Vec::new(),
            dates: feedspine_parse::DateForm::Text,
        };
        let (page, last) = Reading::new(each, rules, listing.files, &listing.faults).read_page();
        assert!(last);
        page
    }

    fn told(page: &FilePage) -> (Vec<&str>, Vec<(&str, bool)>, Vec<Fate>) {
        let keys = page.candidates.iter().map(|item| item.key.key()).collect();
        let rejects = page.rejects.iter().map(|reject| (reject.code.as_str(), reject.key.is_some())).collect();
        (keys, rejects, page.ended.iter().map(|(_, fate)| *fate).collect())
    }

    #[test]
    fn a_file_that_vanishes_before_it_is_read_is_named() {
        let vanish = |folder: &Path| std::fs::remove_file(folder.join("b")).unwrap();
        let page = read(Each::File { text_bytes: 9 }, &["a", "b", "c"], vanish);
        // It was there when the folder was looked at: it has not left yet.
        assert_eq!(
            told(&page),
            (vec!["a", "c"], vec![("file.vanished", true)], vec![Fate::Done, Fate::Stays, Fate::Done])
        );
        let page = read(Each::Line, &["a", "b", "c"], vanish);
        assert_eq!(told(&page).1, [("file.vanished", false)]);
    }

    #[test]
    fn a_file_that_grows_after_it_was_listed_is_read_whole_or_taken_again() {
        let grow = |folder: &Path| std::fs::write(folder.join("a"), "{\"id\":1}\n{\"id\":2}\n").unwrap();
        let page = read(Each::File { text_bytes: 100 }, &["a"], grow);
        assert_eq!(page.candidates[0].content.to_json().get("size"), Some(&Json::from(18_u64)));
        let page = read(Each::Line, &["a"], grow);
        assert_eq!(told(&page), (vec!["1", "2"], Vec::new(), vec![Fate::Stays]));
    }
}
