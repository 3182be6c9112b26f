//! [`Part`]: a file under way, which is there under its name whole and on the disk, or not at all.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::ops::OpError;

/// How the name of a file under way ends; before that stand the name that it will have, and random letters.
const ENDING: &str = ".feedspine-part";
/// How many random letters: two machines that share a directory do not meet.
const RANDOM_LETTERS: usize = 12;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As it is.
    Plain,
    /// Compressed by zstd.
    Zstd,
}

/// What becomes of a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and nothing is written.
    Kept,
    /// It is there until the new one is whole and on the disk, and is replaced then.
    Replaced,
}

impl Existing {
    /// From a flag that lets it be replaced.
    pub const fn when(replace: bool) -> Self {
        if replace { Self::Replaced } else { Self::Kept }
    }
}

enum Packer {
    Plain(BufWriter<NamedTempFile>),
    Zstd(zstd::stream::write::Encoder<'static, BufWriter<NamedTempFile>>),
}

/// A file under way. It is gone if it is dropped before it is finished; what a killed process left is removed by the next
/// one that writes a file of that name.
pub(in crate::ops) struct Part {
    file: PathBuf,
    existing: Existing,
    packer: Packer,
}

impl Part {
    pub(in crate::ops) fn begin(file: &Path, packing: Packing, existing: Existing) -> Result<Self, OpError> {
        if file.is_dir() || file.file_name().is_none() {
            let message = format!("{} is a directory", file.display());
            return Err(OpError::usage("export.unwritable", message).with_hint("name a file in it"));
        }
        if existing == Existing::Kept && file.symlink_metadata().is_ok() {
            return Err(exists(file));
        }
        remove_dead(file);
        let packer = made(file).and_then(|made| {
            let made = BufWriter::new(made);
            Ok(match packing {
                Packing::Plain => Packer::Plain(made),
                Packing::Zstd => Packer::Zstd(zstd::stream::write::Encoder::new(made, 0)?),
            })
        });
        let packer = packer.map_err(|error| unwritable(file, &error))?;
        Ok(Self { file: file.to_owned(), existing, packer })
    }

    /// Gives the file its name once it is on the disk.
    pub(in crate::ops) fn finish(self) -> Result<(), OpError> {
        let Self { file, existing, packer } = self;
        let part = on_disk(packer).map_err(|error| unwritable(&file, &error))?;
        let named = match existing {
            Existing::Kept => part.persist_noclobber(&file),
            Existing::Replaced => part.persist(&file),
        };
        match named.map_err(|refused| refused.error) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(exists(&file)),
            Err(error) => return Err(unwritable(&file, &error)),
        }
        // The name itself is on the disk when its directory is.
        File::open(directory_of(&file)).and_then(|it| it.sync_all()).map_err(|error| unwritable(&file, &error))
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.packer {
            Packer::Plain(buffer) => buffer.write(bytes),
            Packer::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.packer {
            Packer::Plain(buffer) => buffer.flush(),
            Packer::Zstd(encoder) => encoder.flush(),
        }
    }
}

/// A new file beside that one which nobody else may read, locked as long as it is being written.
fn made(file: &Path) -> io::Result<NamedTempFile> {
    let prefix = format!("{}.", name_of(file));
    // Opened here: an error of `tempfile`'s own opening would name the part, which nobody asked for.
    let open = |path: &Path| OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    loop {
        let part = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(ENDING)
            .rand_bytes(RANDOM_LETTERS)
            .make_in(directory_of(file), open)?;
        // Where there are no locks, no part is taken for a dead one either.
        let _unlocked = part.as_file().lock();
        // Another process may have taken it for a dead one before it was locked.
        if part.as_file().metadata()?.nlink() > 0 {
            return Ok(part);
        }
    }
}

/// Removes what killed processes left of files of this name: parts that nobody has locked.
fn remove_dead(file: &Path) {
    let Ok(entries) = std::fs::read_dir(directory_of(file)) else { return };
    let name = name_of(file);
    for entry in entries.flatten() {
        if !is_part_of(&name, &entry.file_name().to_string_lossy()) {
            continue;
        }
        let Ok(part) = File::open(entry.path()) else { continue };
        match part.try_lock() {
            Ok(()) => drop(std::fs::remove_file(entry.path())),
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {}
        }
    }
}

fn is_part_of(name: &str, entry: &str) -> bool {
    let letters = entry.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')?.strip_suffix(ENDING));
    letters.is_some_and(|it| it.len() == RANDOM_LETTERS && it.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn on_disk(packer: Packer) -> io::Result<NamedTempFile> {
    let buffer = match packer {
        Packer::Plain(buffer) => buffer,
        Packer::Zstd(encoder) => encoder.finish()?,
    };
    let part = buffer.into_inner().map_err(io::IntoInnerError::into_error)?;
    part.as_file().sync_all()?;
    Ok(part)
}

fn name_of(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn exists(file: &Path) -> OpError {
    OpError::usage("export.exists", format!("there is a file {} already", file.display()))
        .with_hint("choose another name, or say --replace")
}

/// Why the file under way cannot be written.
pub(in crate::ops) fn unwritable(file: &Path, error: &io::Error) -> OpError {
    OpError::failed("export.unwritable", format!("cannot write {}: {error}", file.display()))
        .with_hint("choose a file in a directory that may be written and has room")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn begun(file: &Path, existing: Existing) -> Part {
        let mut part = Part::begin(file, Packing::Plain, existing).unwrap();
        part.write_all(b"new").unwrap();
        part
    }

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn a_file_that_appeared_meanwhile_is_not_replaced_unless_that_was_said() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("a.backup");
        let part = begun(&file, Existing::Kept);
        fs::write(&file, "theirs").unwrap();
        assert_eq!(part.finish().unwrap_err().code(), "export.exists");
        assert_eq!(
            (fs::read_to_string(&file).unwrap(), names(home.path())),
            ("theirs".into(), vec!["a.backup".into()])
        );
        begun(&file, Existing::Replaced).finish().unwrap();
        assert_eq!((fs::read_to_string(&file).unwrap(), names(home.path())), ("new".into(), vec!["a.backup".into()]));
    }

    #[test]
    fn a_file_that_is_not_finished_leaves_nothing_and_the_old_one_as_it_was() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("a.backup");
        fs::write(&file, "old").unwrap();
        drop(begun(&file, Existing::Replaced));
        assert_eq!((fs::read_to_string(&file).unwrap(), names(home.path())), ("old".into(), vec!["a.backup".into()]));
    }

    #[test]
    fn two_that_write_the_same_file_do_not_meet() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("a.backup");
        let (first, second) = (begun(&file, Existing::Kept), begun(&file, Existing::Kept));
        assert_eq!(names(home.path()).len(), 2, "the second takes the first for a dead one");
        first.finish().unwrap();
        assert_eq!(second.finish().unwrap_err().code(), "export.exists");
    }

    #[test]
    fn what_a_killed_process_left_is_removed_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let dead = home.path().join("a.backup.abcdefGHI123.feedspine-part");
        let others = ["a.backup.notes", "a.backup.short.feedspine-part", "b.backup.abcdefGHI123.feedspine-part"];
        for name in others {
            fs::write(home.path().join(name), "").unwrap();
        }
        fs::write(dead, "half").unwrap();
        begun(&home.path().join("a.backup"), Existing::Kept).finish().unwrap();
        assert_eq!(names(home.path()), [&["a.backup"], &others[..]].concat());
    }

    #[test]
    fn a_directory_is_no_file() {
        let home = tempfile::tempdir().unwrap();
        for existing in [Existing::Kept, Existing::Replaced] {
            let refused = Part::begin(home.path(), Packing::Plain, existing).err().unwrap();
            assert!(refused.message().ends_with("is a directory"), "{refused}");
        }
    }

    #[test]
    fn where_nothing_can_be_written_the_file_is_named_and_not_its_part() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("nowhere").join("a.backup");
        let refused = Part::begin(&file, Packing::Plain, Existing::Kept).err().unwrap();
        assert!(refused.message().starts_with(&format!("cannot write {}: No such file", file.display())), "{refused}");
        assert!(!refused.message().contains("feedspine-part"), "{refused}");
    }
}
