//! [`Pattern`]: which files of a folder are meant.

use std::path::{Path, PathBuf};

/// A pattern of paths: `*`, `?` and `[a-z]` within a name, `**` for any folders.
///
/// No wildcard stands for a dot at the beginning of a name: such files are hidden, or not finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Segment>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Folders,
    Name(Vec<char>),
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Self {
        let segment = |name: &str| if name == "**" { Segment::Folders } else { Segment::Name(name.chars().collect()) };
        Self(text.split('/').filter(|name| !name.is_empty() && *name != ".").map(segment).collect())
    }

    /// Whether that path, with slashes between its names, is meant.
    pub(super) fn matches(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        matches(&self.0, &names)
    }

    /// Whether anything below that folder may be meant.
    pub(super) fn reaches_into(&self, folder: &str) -> bool {
        let (mut segments, names) = (self.0.as_slice(), folder.split('/'));
        for name in names {
            match segments.split_first() {
                Some((Segment::Folders, _)) => return !is_hidden(name),
                Some((Segment::Name(pattern), rest)) if is_named(pattern, name) => segments = rest,
                _ => return false,
            }
        }
        !segments.is_empty()
    }
}

/// A path as it was given: the folder, and the pattern when some of it is one.
pub(super) fn split(path: &Path) -> (PathBuf, Option<Pattern>) {
    let is_wild = |name: &str| name.contains(['*', '?', '[']);
    let text = path.to_string_lossy();
    if !is_wild(&text) || path.exists() {
        return (path.to_path_buf(), None);
    }
    let names: Vec<&str> = text.split('/').collect();
    let first = names.iter().position(|name| is_wild(name)).unwrap_or(names.len());
    let folder = names[..first].join("/");
    let folder = if folder.is_empty() { "/".to_owned() } else { folder };
    (folder.into(), Some(Pattern::parse(&names[first..].join("/"))))
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.')
}

fn matches(segments: &[Segment], names: &[&str]) -> bool {
    match (segments.split_first(), names.split_first()) {
        (None, None) => true,
        (Some((Segment::Folders, rest)), _) => {
            let visible = names.iter().take_while(|name| !is_hidden(name)).count();
            (0..=visible).any(|folders| matches(rest, &names[folders..]))
        }
        (Some((Segment::Name(pattern), rest)), Some((name, others))) => {
            is_named(pattern, name) && matches(rest, others)
        }
        _ => false,
    }
}

fn is_named(pattern: &[char], name: &str) -> bool {
    if is_hidden(name) && pattern.first() != Some(&'.') {
        return false;
    }
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut of) = (0, 0);
    // Where to go on when what follows the last star does not fit.
    let mut star: Option<(usize, usize)> = None;
    while of < name.len() {
        if pattern.get(at) == Some(&'*') {
            star = Some((at + 1, of));
            at += 1;
        } else if let Some(next) = one(pattern, at, name[of]) {
            (at, of) = (next, of + 1);
        } else if let Some((after, from)) = star {
            star = Some((after, from + 1));
            (at, of) = (after, from + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|sign| *sign == '*')
}

/// Where the pattern goes on after this character, if that fits.
fn one(pattern: &[char], at: usize, character: char) -> Option<usize> {
    match pattern.get(at)? {
        '?' => Some(at + 1),
        '[' => match class(&pattern[at + 1..], character) {
            Some((length, fits)) => fits.then_some(at + 1 + length),
            None => (character == '[').then_some(at + 1),
        },
        sign => (*sign == character).then_some(at + 1),
    }
}

/// The length of a class behind its bracket, and whether that character is in it; `None` where it is not closed.
fn class(pattern: &[char], character: char) -> Option<(usize, bool)> {
    let negated = matches!(pattern.first(), Some('!' | '^'));
    let start = usize::from(negated);
    // A bracket right at the beginning stands for itself.
    let end = start + 1 + pattern.get(start + 1..)?.iter().position(|sign| *sign == ']')?;
    let (mut at, mut fits) = (start, false);
    while at < end {
        if at + 2 < end && pattern[at + 1] == '-' {
            fits |= (pattern[at]..=pattern[at + 2]).contains(&character);
            at += 3;
        } else {
            fits |= pattern[at] == character;
            at += 1;
        }
    }
    Some((end + 1, fits != negated))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_these_paths_and_not_those() {
        for (pattern, meant, not_meant) in [
            ("*", &["a", "a.b", "ü"] as &[&str], &["a/b", ".a"] as &[&str]),
            ("*.json", &["a.json", "a.b.json"], &["a.jsonl", "json", ".json"]),
            ("a*b*c", &["abc", "a1b2b3c"], &["acb", "abcd"]),
            ("?.txt", &["a.txt", "ü.txt"], &["ab.txt", ".txt"]),
            ("[a-c]?", &["ax", "cx"], &["dx", "a"]),
            ("[!a-c]", &["d"], &["a", ".a"]),
            ("[]]x", &["]x"], &["x"]),
            ("[x", &["[x"], &["x"]),
            ("2026/*/a", &["2026/11/a"], &["2026/a", "2026/1/2/a"]),
            ("**/*.csv", &["a.csv", "x/a.csv", "x/y/a.csv"], &[".x/a.csv", "x/.a.csv", "a.txt"]),
            ("x/**", &["x"], &["y/x"]),
            (".a*", &[".ab"], &["ab"]),
            ("./a", &["a"], &["b"]),
        ] {
            let pattern_ = Pattern::parse(pattern);
            for path in meant {
                assert!(pattern_.matches(path), "{pattern} {path}");
            }
            for path in not_meant {
                assert!(!pattern_.matches(path), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn only_folders_that_may_hold_something_are_looked_into() {
        for (pattern, folder, reaches) in [
            ("*", "a", false),
            ("*/b", "a", true),
            ("x/*/b", "y", false),
            ("**/*", "a/b", true),
            ("**/*", ".git", false),
        ] {
            assert_eq!(Pattern::parse(pattern).reaches_into(folder), reaches, "{pattern} {folder}");
        }
    }

    #[test]
    fn a_path_is_a_folder_and_what_is_wild_of_it() {
        let pattern = |text| Some(Pattern::parse(text));
        assert_eq!(split(Path::new("/in/box")), ("/in/box".into(), None));
        assert_eq!(split(Path::new("/in/*/a?.json")), ("/in".into(), pattern("*/a?.json")));
        assert_eq!(split(Path::new("/*.json")), ("/".into(), pattern("*.json")));
    }
}
