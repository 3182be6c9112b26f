//! [`Inbox`]: files that are taken once, and put away when what they hold is stored.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use feedspine_core::Timestamp;

use super::listing::{Found, is_same_file};
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
    /// overwritten, and a file that was put away halfway is only taken from where it came.
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
            match move_to(&found.path, &target) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                ended => return ended,
            }
        }
        Err(io::Error::new(ErrorKind::AlreadyExists, format!("{MOST_OF_ONE_NAME} files of its name are there")))
    }
}

/// Moves a file to a place that is free, or where it is already. A second name for it is refused where something is,
/// which a rename is not.
fn move_to(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::hard_link(from, to) {
        Ok(()) => std::fs::remove_file(from),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            if is_same_file(from, to)? {
                std::fs::remove_file(from)
            } else {
                Err(error)
            }
        }
        // Others took it away.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        // File systems without second names, and files of others.
        Err(_) if std::fs::symlink_metadata(to).is_ok() => Err(ErrorKind::AlreadyExists.into()),
        Err(_) => std::fs::rename(from, to),
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

    #[test]
    fn nothing_is_overwritten_and_what_was_halfway_is_ended() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a.json");
        let put = |text: &str| {
            std::fs::write(&path, text).unwrap();
            let stamp = Stamp::of(&std::fs::metadata(&path).unwrap());
            let found = Found { path: path.clone(), name: "a.json".to_owned(), stamp };
            inbox(0).put_away(root.path(), &found, Fate::Done)
        };
        put("one").unwrap();
        put("two").unwrap();
        let text = |name: &str| std::fs::read_to_string(root.path().join("done").join(name)).unwrap();
        assert_eq!((text("a.json"), text("a.json.2"), path.exists()), ("one".into(), "two".into(), false));
        // The process ended between the second name and the removal of the first.
        std::fs::hard_link(root.path().join("done/a.json"), &path).unwrap();
        let stamp = Stamp::of(&std::fs::metadata(&path).unwrap());
        let found = Found { path: path.clone(), name: "a.json".to_owned(), stamp };
        inbox(0).put_away(root.path(), &found, Fate::Done).unwrap();
        assert!(!path.exists() && !root.path().join("done/a.json.3").exists());
        // Somebody took it: that is as good.
        inbox(0).put_away(root.path(), &found, Fate::Failed).unwrap();
    }
}
