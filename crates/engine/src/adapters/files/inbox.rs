//! [`Inbox`]: files that are taken once, and put away when what they hold is stored.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use feedspine_core::Timestamp;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::listing::{Found, Stamp};
use crate::OpError;
use crate::adapters::options::Options;

/// How long a file must not have changed, in seconds, unless it is said otherwise.
const QUIET: u64 = 5;
/// How many files of one name are put away.
const MOST_OF_ONE_NAME: u32 = 100_000;

/// Where files go.
#[derive(Debug, Clone)]
pub(super) struct Inbox {
    pub(super) done: String,
    pub(super) failed: String,
    quiet_micros: u64,
}

/// What becomes of a file that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    /// It could not be read to its end, or nothing of it is an item.
    Failed,
    /// It changed meanwhile, or is gone: it is taken again when it is there.
    Stays,
}

impl Inbox {
    /// Reads the options; `None` where files stay where they are.
    pub(super) fn read(options: &mut Options) -> Result<Option<Self>, OpError> {
        let is_inbox = options.flag("inbox")?;
        let meaning = "is the name of a folder in the inbox";
        let folder = |text: &str| (!text.is_empty() && !text.contains('/') && text != "..").then(|| text.to_owned());
        let (done, failed) = (options.read("done", meaning, folder)?, options.read("failed", meaning, folder)?);
        let quiet = options.number("quiet_s", 0..=86_400)?;
        if !is_inbox {
            let given = [("done", done.is_some()), ("failed", failed.is_some()), ("quiet_s", quiet.is_some())];
            return match given.into_iter().find(|(_, given)| *given) {
                Some((name, _)) => Err(options.wrong(name, "goes with inbox=true")),
                None => Ok(None),
            };
        }
        let done = done.unwrap_or_else(|| "done".to_owned());
        let failed = failed.unwrap_or_else(|| "failed".to_owned());
        if done == failed {
            return Err(options.wrong("failed", "and done are two folders"));
        }
        Ok(Some(Self { done, failed, quiet_micros: quiet.unwrap_or(QUIET) * 1_000_000 }))
    }

    /// Whether nobody writes a file any more, as far as can be seen: it was not changed for a while. One that is dated in
    /// the future was not changed now.
    pub(super) fn is_quiet(&self, modified: Timestamp, now: Timestamp) -> bool {
        now.micros_since(modified).unsigned_abs() >= self.quiet_micros
    }

    /// Puts a file away under its name, or under that with a number when there is one of that name already. Nothing is
    /// overwritten, and a file that was changed or replaced after it was read stays where it is, to be taken next time.
    pub(super) fn put_away(&self, root: &Path, found: &Found, fate: Fate) -> io::Result<()> {
        let folder = match fate {
            Fate::Done => &self.done,
            Fate::Failed => &self.failed,
            Fate::Stays => return Ok(()),
        };
        let wanted = root.join(folder).join(&found.name);
        if let Some(parent) = wanted.parent() {
            std::fs::create_dir_all(parent)?;
        }
        for number in 1..=MOST_OF_ONE_NAME {
            let target = if number == 1 { wanted.clone() } else { numbered(&wanted, number) };
            match move_unchanged(found, &target) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                // Others took it away.
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                ended => return ended,
            }
        }
        Err(io::Error::new(ErrorKind::AlreadyExists, format!("{MOST_OF_ONE_NAME} files of its name are there")))
    }
}

/// Moves a file to a place that is free, if it is what was read: another of its name may come at any moment, even just
/// before it is moved. That one is given back.
fn move_unchanged(found: &Found, to: &Path) -> io::Result<()> {
    let lay = stamp(&found.path)?;
    if !found.is_as_it_was() {
        return Ok(());
    }
    rename_to_free(&found.path, to)?;
    if stamp(to)?.is_same_but_moved(&lay) {
        return Ok(());
    }
    rename_to_free(to, &found.path).map_err(|error| {
        io::Error::other(format!("a file that came under its name lies unread at {}: {error}", to.display()))
    })
}

/// The stamp of a file, or of the link that it is.
fn stamp(path: &Path) -> io::Result<Stamp> {
    std::fs::symlink_metadata(path).map(|found| Stamp::of(&found))
}

/// Renames a file, unless something is there.
fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // File systems that cannot do it in one step.
        Err(Errno::INVAL | Errno::NOSYS) if std::fs::symlink_metadata(to).is_ok() => {
            Err(ErrorKind::AlreadyExists.into())
        }
        Err(Errno::INVAL | Errno::NOSYS) => std::fs::rename(from, to),
        renamed => Ok(renamed?),
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{number}"));
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::files::listing::Stamp;

    fn inbox(quiet_s: u64) -> Inbox {
        Inbox { done: "done".to_owned(), failed: "failed".to_owned(), quiet_micros: quiet_s * 1_000_000 }
    }

    #[test]
    fn a_file_is_quiet_when_it_was_not_changed_for_a_while() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000).unwrap();
        for (modified, quiet) in [(90, true), (95, true), (96, false), (100, false), (104, false), (105, true)] {
            assert_eq!(inbox(5).is_quiet(at(modified), at(100)), quiet, "{modified}");
        }
        assert!(inbox(0).is_quiet(at(100), at(100)));
    }

    fn found(root: &Path, text: &str) -> Found {
        let path = root.join("a.json");
        std::fs::write(&path, text).unwrap();
        let stamp = Stamp::of(&std::fs::metadata(&path).unwrap());
        Found { path, name: "a.json".to_owned(), stamp }
    }

    #[test]
    fn nothing_is_overwritten_and_what_others_took_is_as_good() {
        let root = tempfile::tempdir().unwrap();
        for text in ["one", "two"] {
            inbox(0).put_away(root.path(), &found(root.path(), text), Fate::Done).unwrap();
        }
        let text = |name: &str| std::fs::read_to_string(root.path().join("done").join(name)).unwrap();
        assert_eq!((text("a.json"), text("a.json.2")), ("one".into(), "two".into()));
        let found = found(root.path(), "three");
        std::fs::remove_file(&found.path).unwrap();
        inbox(0).put_away(root.path(), &found, Fate::Failed).unwrap();
        assert!(!root.path().join("failed/a.json").exists());
    }

    #[test]
    fn a_file_that_came_under_a_name_that_was_read_is_not_put_away() {
        let root = tempfile::tempdir().unwrap();
        let found = found(root.path(), "one");
        // As producers do: written elsewhere, then renamed into place; the same size, and the same date.
        let other = root.path().join(".a.json");
        std::fs::write(&other, "two").unwrap();
        let dated = std::fs::metadata(&found.path).unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(&other).unwrap().set_modified(dated).unwrap();
        std::fs::rename(&other, &found.path).unwrap();
        inbox(0).put_away(root.path(), &found, Fate::Done).unwrap();
        assert_eq!(std::fs::read_to_string(&found.path).unwrap(), "two");
        assert!(!root.path().join("done/a.json").exists());
    }

    #[test]
    fn a_file_is_never_renamed_over_another() {
        let root = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| root.path().join(name));
        std::fs::write(&from, "one").unwrap();
        std::fs::write(&to, "two").unwrap();
        assert_eq!(rename_to_free(&from, &to).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&to).unwrap(), "two");
    }
}
