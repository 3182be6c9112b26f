//! Where the feeds and fetches of a store are kept that keeps records alone: in a SQLite file of their own.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use feedspine::OpError;
use feedspine::core::ContentHash;

use crate::places;
use crate::secrets::without_password;

/// What is added to the name of a store's file.
const SUFFIX: &str = ".state";

/// The file of a store's feeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeedsFile {
    /// Where it is, or will be.
    pub(crate) path: PathBuf,
    /// Another one that an earlier feedspine made for the same store, written otherwise, and that is not used.
    pub(crate) unused: Option<PathBuf>,
}

/// The file of the feeds of the store that a URL names, which lies in a file of its own if that is told. One that an
/// earlier feedspine made elsewhere is moved to its place; it stays where it is as long as others use it.
pub(crate) fn find(url: &str, file: Option<&Path>) -> Result<FeedsFile, OpError> {
    let here = std::env::current_dir().unwrap_or_default();
    let place = match file {
        Some(file) => beside(file),
        None => named(&same_store(url, &here))?,
    };
    // Earlier the URL was taken as it was written, and a relative one for another store in another directory.
    let rest = url.split_once(':').map_or("", |(_, rest)| rest);
    let there = if rest.starts_with('/') { Path::new("") } else { here.as_path() };
    Ok(match named(&format!("{}\n{url}", there.display())) {
        Ok(earlier) => settled(earlier, place),
        // Without a home directory there is none.
        Err(_) => FeedsFile { path: place, unused: None },
    })
}

/// Beside the file itself, by whichever link it was named.
fn beside(file: &Path) -> PathBuf {
    let mut path: OsString = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned()).into();
    path.push(SUFFIX);
    path.into()
}

fn named(text: &str) -> Result<PathBuf, OpError> {
    let name = ContentHash::of(text.as_bytes()).to_string();
    Ok(places::data_dir()?.join("state").join(format!("{}.db", &name[..16])))
}

/// The URL such that a store has one name, from whichever directory it is asked: behind `//` stands a host, in small
/// letters and without a password; what stands behind the scheme alone is a path, here from the root.
pub(crate) fn same_store(url: &str, here: &Path) -> String {
    let shown = without_password(url);
    let (scheme, rest) = shown.split_once(':').unwrap_or((&shown, ""));
    let scheme = scheme.to_ascii_lowercase();
    let below = rest.strip_prefix("//").filter(|below| !below.starts_with('/'));
    let Some(below) = below else {
        let path: PathBuf = here.join(rest).components().collect();
        return format!("{scheme}:{}", path.display());
    };
    let (authority, path) = below.split_at(below.find(['/', '?']).unwrap_or(below.len()));
    let (login, host) = authority.rsplit_once('@').map_or((None, authority), |(login, host)| (Some(login), host));
    let user = login.map(|login| login.split(':').next().unwrap_or_default().to_owned() + "@").unwrap_or_default();
    format!("{scheme}://{user}{}{}", host.to_ascii_lowercase(), path.trim_end_matches('/'))
}

/// Moves the earlier file to its place, if it can be.
fn settled(earlier: PathBuf, place: PathBuf) -> FeedsFile {
    if earlier == place || !earlier.exists() {
        return FeedsFile { path: place, unused: None };
    }
    if place.exists() {
        return FeedsFile { path: place, unused: Some(earlier) };
    }
    // A log beside it: another process has it open, or one was killed, whose work the next one to open it finishes.
    let log = |ending: &str| {
        let mut log = OsString::from(earlier.clone());
        log.push(ending);
        Path::new(&log).exists()
    };
    let is_free = !log("-wal") && !log("-shm");
    let directory = place.parent().filter(|directory| !directory.as_os_str().is_empty());
    let moved = is_free
        && directory.is_none_or(|directory| fs::create_dir_all(directory).is_ok())
        && fs::rename(&earlier, &place).is_ok();
    FeedsFile { path: if moved { place } else { earlier }, unused: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_the_url_of_a_store_is_written_it_has_one_name() {
        let here = Path::new("/home/me");
        for (name, urls) in [
            (
                "mine:/home/me/x.db",
                &["mine:x.db", "mine:./x.db", "mine:/home/me/x.db", "mine:///home/me/x.db", "MINE:././x.db"][..],
            ),
            (
                "mine://db.example:99/news",
                &["mine://db.example:99/news", "mine://DB.example:99/news/", "Mine://db.Example:99/news"],
            ),
            (
                "mine://db.example/news",
                &["mine://db.example/news", "mine://db.example/news/", "mine://DB.example/news"],
            ),
            (
                "mine://me@db.example/News",
                &["mine://me@db.example/News", "mine://me:hidden@db.example/News/", "mine://me:other@DB.example/News"],
            ),
        ] {
            for url in urls {
                assert_eq!(same_store(url, here), name, "{url}");
            }
        }
        let elsewhere = Path::new("/tmp");
        for host in ["mine://db.example/news", "mine://db.example:99/news", "mine:///home/me/x.db"] {
            assert_eq!(same_store(host, here), same_store(host, elsewhere), "{host}");
        }
        assert_ne!(same_store("mine:x.db", here), same_store("mine:x.db", elsewhere));
        for (one, other) in [
            ("mine:x.db", "mine:X.db"),
            ("mine://x.db", "mine:x.db"),
            ("mine:x.db", "yours:x.db"),
            ("mine://me@h/x", "mine://you@h/x"),
            ("mine://h:1/x", "mine://h:2/x"),
            ("mine://h:1/x", "mine://h:1/X"),
        ] {
            assert_ne!(same_store(one, here), same_store(other, here));
        }
    }

    #[test]
    fn the_file_lies_beside_the_store_s_own_whatever_links_lead_there() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let (store, link) = (home.join("x.db"), home.join("link.db"));
        assert_eq!(beside(&store), home.join("x.db.state"));
        fs::write(&store, "").unwrap();
        std::os::unix::fs::symlink(&store, &link).unwrap();
        assert_eq!(beside(&link), home.join("x.db.state"));
    }

    #[test]
    fn an_earlier_file_is_moved_unless_it_is_used_or_another_is_there() {
        let home = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = home.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        let place = home.path().join("new").join("x.db.state");
        let at = |path: &Path, unused: Option<&Path>| FeedsFile {
            path: path.to_owned(),
            unused: unused.map(Path::to_owned),
        };
        assert_eq!(settled(home.path().join("none.db"), place.clone()), at(&place, None));
        let earlier = file("earlier.db", "feeds");
        let log = file("earlier.db-wal", "");
        assert_eq!(settled(earlier.clone(), place.clone()), at(&earlier, None));
        fs::remove_file(log).unwrap();
        assert_eq!(settled(earlier.clone(), place.clone()), at(&place, None));
        assert_eq!((fs::read_to_string(&place).unwrap().as_str(), earlier.exists()), ("feeds", false));
        let other = file("other.db", "other feeds");
        assert_eq!(settled(other.clone(), place.clone()), at(&place, Some(&other)));
        assert_eq!(fs::read_to_string(&place).unwrap(), "feeds");
    }
}
