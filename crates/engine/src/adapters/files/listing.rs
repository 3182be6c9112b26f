//! [`Listing`]: the files of a folder at one moment, each with what tells whether it is still the same.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{FileType, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use feedspine_core::{ContentHash, Timestamp};
use sha2::{Digest, Sha256};

use super::pattern::Pattern;
use crate::OpError;

/// More files are no feed.
const MOST_FILES: usize = 1_000_000;
/// A file that changed so shortly before it was listed may change again without a sign: clocks of file systems are coarse.
const COARSE: Duration = Duration::from_secs(2);

/// What is looked for, and where.
#[derive(Debug, Clone)]
pub(super) struct Search {
    pub(super) folder: PathBuf,
    pub(super) patterns: Vec<Pattern>,
    pub(super) links: Links,
    /// Folders beneath it that are left out.
    pub(super) without: Vec<String>,
}

/// What is done with symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// Each is a reject: whoever may write into the folder must not decide what else is read.
    Reject,
    /// What they lead to is read under their names.
    Follow,
}

/// A file that was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    /// Its path from the folder on, with slashes.
    pub(super) name: String,
    pub(super) stamp: Stamp,
}

/// What tells whether a file is still the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) bytes: u64,
    device: u64,
    inode: u64,
    /// Seconds and nanoseconds since 1970.
    modified: (i64, i64),
    /// The same of its last change of whatever kind; nobody can set it back.
    changed: (i64, i64),
}

/// Something that is there and cannot be read.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    /// Its path from the folder on, as far as that is text.
    pub(super) name: String,
    pub(super) code: &'static str,
    pub(super) reason: String,
    /// It is a folder, or may lead to one: what is in it is not known.
    pub(super) is_folder: bool,
}

/// The files of a folder, by name.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) files: Vec<Found>,
    pub(super) faults: Vec<Fault>,
    /// Pipes, sockets and devices, which were left out.
    pub(super) special: u32,
    /// When it was begun.
    begun: SystemTime,
}

impl Stamp {
    pub(super) fn of(found: &Metadata) -> Self {
        Self {
            bytes: found.len(),
            device: found.dev(),
            inode: found.ino(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    pub(super) fn modified(&self) -> Timestamp {
        let (seconds, nanos) = self.modified;
        let micros = seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000);
        Timestamp::UNIX_EPOCH.saturating_add_micros(micros)
    }

    /// Whether it is the same file with the same in it, which may have been moved: that changes a file too.
    pub(super) fn is_same_but_moved(&self, other: &Self) -> bool {
        Self { changed: other.changed, ..*self } == *other
    }

    /// Whether a later change is sure to be seen, for a look that began then.
    fn is_settled(&self, looked: SystemTime) -> bool {
        let since = looked.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().saturating_sub(COARSE);
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        self.changed.0.max(self.modified.0) < seconds
    }
}

impl Found {
    /// Whether it is still what was listed.
    pub(super) fn is_as_it_was(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|now| Stamp::of(&now) == self.stamp)
    }
}

impl Listing {
    /// Looks at a folder, on a thread that may be busy.
    ///
    /// # Errors
    /// The folder itself cannot be read, or holds too much.
    pub(super) fn of(search: &Search) -> Result<Self, OpError> {
        let begun = SystemTime::now();
        let mut listing = Self { files: Vec::new(), faults: Vec::new(), special: 0, begun };
        let mut visited = HashSet::new();
        let mut folders = vec![(search.folder.clone(), String::new())];
        while let Some((folder, name)) = folders.pop() {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if name.is_empty() => return Err(unreadable_folder(&folder, error)),
                Err(error) => {
                    listing.folder_fault(&name, &format!("the folder cannot be read: {error}"));
                    continue;
                }
            };
            for entry in entries {
                let looked = entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?, entry.path())));
                match looked {
                    Ok((file, kind, path)) => {
                        let entry = Entry { path, name: joined(&name, &file), is_text: file.to_str().is_some(), kind };
                        folders.extend(listing.take(search, entry, &mut visited));
                    }
                    Err(error) => {
                        listing.folder_fault(&name, &format!("the folder cannot be read on: {error}"));
                    }
                }
            }
            if listing.files.len() > MOST_FILES {
                let message = format!("{} holds more than {MOST_FILES} files", search.folder.display());
                return Err(OpError::failed("files.too_many", message).with_hint("name fewer by the option match"));
            }
        }
        listing.files.sort_by(|one, other| one.name.cmp(&other.name));
        listing.faults.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(listing)
    }

    /// Takes an entry of a folder; the folder that it is, if that is to be looked into.
    fn take(&mut self, search: &Search, entry: Entry, visited: &mut HashSet<(u64, u64)>) -> Option<(PathBuf, String)> {
        let Entry { path, name, is_text, kind } = entry;
        let is_meant = search.patterns.iter().any(|pattern| pattern.matches(&name));
        let is_way = search.patterns.iter().any(|pattern| pattern.reaches_into(&name));
        if !(is_meant || is_way) || search.without.contains(&name) {
            return None;
        }
        if !is_text && (is_meant || kind.is_dir()) {
            self.fault(&name, "file.name", "its name is not in UTF-8: rename it");
            return None;
        }
        if kind.is_symlink() && search.links == Links::Reject {
            if is_meant {
                let reason = "it is a symbolic link; the option links=follow reads what it leads to";
                self.fault(&name, "file.symlink", reason);
            }
            return None;
        }
        let found = match std::fs::metadata(&path) {
            Ok(found) => found,
            // It left while the folder was looked at; a link that leads nowhere is still there.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !kind.is_symlink() => return None,
            Err(error) => {
                let leads_nowhere = error.kind() == io::ErrorKind::NotFound;
                let reason = format!("it cannot be read: {error}");
                if is_way && (kind.is_dir() || kind.is_symlink() && !leads_nowhere) {
                    self.folder_fault(&name, &reason);
                } else if is_meant {
                    self.fault(&name, "file.unreadable", &reason);
                }
                return None;
            }
        };
        if found.is_dir() {
            // A link may lead to where we are.
            let is_new = !kind.is_symlink() || visited.insert((found.dev(), found.ino()));
            return (is_way && is_new).then_some((path, name));
        }
        if is_meant && found.is_file() {
            self.files.push(Found { path, name, stamp: Stamp::of(&found) });
        } else if is_meant {
            self.special += 1;
        }
        None
    }

    fn fault(&mut self, name: &str, code: &'static str, reason: &str) {
        self.faults.push(Fault { name: name.to_owned(), code, reason: reason.to_owned(), is_folder: false });
    }

    fn folder_fault(&mut self, name: &str, reason: &str) {
        let (name, reason) = (name.to_owned(), reason.to_owned());
        self.faults.push(Fault { name, code: "file.unreadable", reason, is_folder: true });
    }

    /// Tells this listing from others of the same folder; `None` while a change might not be seen.
    pub(super) fn digest(&self) -> Option<ContentHash> {
        if !self.files.iter().all(|found| found.stamp.is_settled(self.begun)) {
            return None;
        }
        let mut sha = Sha256::new();
        for found in &self.files {
            sha.update(format!("{:?} {:?}\n", found.name, found.stamp));
        }
        for fault in &self.faults {
            sha.update(format!("{:?} {}\n", fault.name, fault.code));
        }
        Some(ContentHash::from_bytes(sha.finalize().into()))
    }

    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|found| found.stamp.bytes).sum()
    }
}

struct Entry {
    path: PathBuf,
    name: String,
    /// Its name is.
    is_text: bool,
    kind: FileType,
}

fn joined(folder: &str, name: &OsStr) -> String {
    let name = name.to_string_lossy();
    if folder.is_empty() { name.into_owned() } else { format!("{folder}/{name}") }
}

pub(super) fn unreadable_folder(folder: &Path, error: io::Error) -> OpError {
    OpError::failed("files.folder", format!("cannot read the folder {}: {error}", folder.display()))
        .with_hint("check that it is there and may be read; nothing was told of its files")
        .with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(folder: &Path, pattern: &str, links: Links) -> Search {
        let patterns = vec![Pattern::parse(pattern)];
        Search { folder: folder.to_path_buf(), patterns, links, without: vec!["done".to_owned()] }
    }

    fn names(listing: &Listing) -> Vec<&str> {
        listing.files.iter().map(|found| found.name.as_str()).collect()
    }

    fn faults(listing: &Listing) -> Vec<(&str, &str)> {
        listing.faults.iter().map(|fault| (fault.name.as_str(), fault.code)).collect()
    }

    #[test]
    fn files_are_found_by_name_and_what_cannot_be_read_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["b.txt", "a.txt", "a.bin", ".hidden.txt", "x/y/c.txt", "done/d.txt"] {
            std::fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            std::fs::write(at(name), name).unwrap();
        }
        std::os::unix::fs::symlink(at("a.txt"), at("link.txt")).unwrap();
        std::os::unix::fs::symlink(folder.path(), at("x/loop")).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at("lost.txt")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("pipe.txt")).status().unwrap().success());
        let listed = |pattern, links| Listing::of(&search(folder.path(), pattern, links)).unwrap();

        let flat = listed("*.txt", Links::Reject);
        assert_eq!((names(&flat), flat.special), (vec!["a.txt", "b.txt"], 1));
        assert_eq!(faults(&flat), [("link.txt", "file.symlink"), ("lost.txt", "file.symlink")]);

        let deep = listed("**/*.txt", Links::Follow);
        assert_eq!(names(&deep)[..4], ["a.txt", "b.txt", "link.txt", "x/loop/a.txt"]);
        assert_eq!(*names(&deep).last().unwrap(), "x/y/c.txt");
        assert_eq!(deep.files.iter().filter(|found| found.name.ends_with("c.txt")).count(), 2, "a loop is walked once");
        assert!(faults(&deep).contains(&("lost.txt", "file.unreadable")));
        let nowhere = Listing::of(&search(&at("none"), "*", Links::Reject)).unwrap_err();
        assert_eq!(nowhere.code(), "files.folder");
    }

    #[test]
    fn a_name_that_is_no_text_is_named_as_far_as_it_is() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(OsStr::from_bytes(b"a\xFF.txt")), "x").unwrap();
        let listing = Listing::of(&search(folder.path(), "*", Links::Reject)).unwrap();
        assert_eq!((names(&listing).len(), faults(&listing)), (0, vec![("a\u{FFFD}.txt", "file.name")]));
    }

    #[test]
    fn a_file_that_has_just_changed_may_change_again_unseen() {
        let stamp =
            |modified, changed| Stamp { bytes: 1, device: 1, inode: 1, modified: (modified, 0), changed: (changed, 0) };
        let looked = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        for (modified, changed, settled) in [(500, 997, true), (500, 998, false), (999, 500, false), (2_000, 1, false)]
        {
            assert_eq!(stamp(modified, changed).is_settled(looked), settled, "{modified} {changed}");
        }
    }
}
