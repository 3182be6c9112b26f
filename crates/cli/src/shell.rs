//! Commands that can be pasted into a shell.

use std::env;
use std::path::{Path, PathBuf};

/// This program as a shell finds it: by its name when it was found so, else by its path, short where that works.
pub(crate) fn this_program() -> String {
    let called = env::args_os().next().map(PathBuf::from);
    if let Some(called) = &called
        && called.components().count() == 1
    {
        return called.display().to_string();
    }
    let path = env::current_exe().ok().or(called).unwrap_or_else(|| Path::new("feedspine").to_owned());
    let here = env::current_dir().ok();
    let below = here.as_deref().and_then(|here| path.strip_prefix(here).ok());
    match below {
        // A bare name would be looked for elsewhere.
        Some(below) if below.components().count() == 1 => format!("./{}", below.display()),
        Some(below) => below.display().to_string(),
        None => path.display().to_string(),
    }
}

/// One word for a POSIX shell.
pub(crate) fn quoted(word: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(safe) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_read_them() {
        for (word, written) in [
            ("tag:a.example,2026:1", "tag:a.example,2026:1"),
            ("version>1", "'version>1'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(word), written);
        }
    }
}
