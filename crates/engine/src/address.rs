//! [`Address`]: where a feed is: an HTTP URL, a file, a command, or a name under which it is pushed to us.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use url::Url;

/// Why a text is not an address that can be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// A scheme that is not fetched.
    #[error("cannot fetch {address}: unknown scheme {scheme:?}")]
    Scheme {
        /// What was given.
        address: String,
        /// Its scheme.
        scheme: String,
    },
    /// Not a URL, or one that names nothing to ask.
    #[error("not a usable address: {address}: {reason}")]
    Malformed {
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A user name or a password in the URL: it would be stored and shown.
    #[error("the address of {host} holds a user name or a password")]
    Credentials {
        /// The host.
        host: String,
    },
}

impl AddressError {
    /// The next step.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Scheme { .. } => "give an http or https URL, a file URL or a path, command:PROGRAM or push:NAME",
            Self::Malformed { address, .. } if address.starts_with("push:") => {
                "say push:NAME, where NAME holds no white space, such as push:orders"
            }
            Self::Malformed { address, .. } if address.starts_with("command:") => {
                "say 'command:PROGRAM ARGUMENTS' in one line, such as 'command:tap-rates --config rates.json'"
            }
            Self::Malformed { .. } => "give a URL such as https://example.org/feed.xml, or the path of a file",
            Self::Credentials { .. } => {
                "leave it out, and say -o 'basic=NAME:{env:PASSWORD}' besides: docs/guides/fetching.md tells how servers \
                 are asked"
            }
        }
    }
}

/// Where a feed is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// Over HTTP or HTTPS; has a host, no credentials and no fragment.
    Http(Url),
    /// A file; the path is absolute.
    File(PathBuf),
    /// What a program prints: its command line.
    Command(String),
    /// Nothing is fetched: its items are handed to us. A name for it.
    Push(String),
}

impl Address {
    /// Reads what a person typed: a URL, or the path of a file, which is made absolute by `base`.
    ///
    /// # Errors
    /// A scheme that is not fetched, a URL without a host, credentials, a path that is not UTF-8.
    pub fn parse(text: &str, base: &Path) -> Result<Self, AddressError> {
        let text = text.trim();
        let malformed =
            |reason: &str| AddressError::Malformed { address: without_login(text), reason: reason.to_owned() };
        if text.is_empty() {
            return Err(malformed("it is empty"));
        }
        if let Some(line) = text.strip_prefix("command:").map(str::trim) {
            let fits = !line.is_empty() && !line.chars().any(char::is_control);
            return if fits { Ok(Self::Command(line.to_owned())) } else { Err(malformed("it is no command line")) };
        }
        if let Some(name) = text.strip_prefix("push:") {
            let fits = clean_name(name).as_deref() == Some(name);
            return if fits {
                Ok(Self::Push(name.to_owned()))
            } else {
                Err(malformed("what is pushed has no such name"))
            };
        }
        match Url::parse(text) {
            Ok(url) => Self::from_url(url),
            Err(_) if text.contains("://") => Err(malformed("it is no URL")),
            Err(_) => Ok(Self::File(base.join(text).components().collect())),
        }
    }

    fn from_url(mut url: Url) -> Result<Self, AddressError> {
        let malformed = |url: &Url, reason: &str| AddressError::Malformed {
            address: url.as_str().to_owned(),
            reason: reason.to_owned(),
        };
        match url.scheme() {
            "http" | "https" => {
                let host = url.host_str().unwrap_or_default().to_owned();
                if !url.username().is_empty() || url.password().is_some() {
                    return Err(AddressError::Credentials { host });
                }
                url.set_fragment(None);
                Ok(Self::Http(url))
            }
            "file" => url.to_file_path().map(Self::File).map_err(|()| malformed(&url, "it names no local file")),
            scheme => Err(AddressError::Scheme { address: without_login(url.as_str()), scheme: scheme.to_owned() }),
        }
    }

    /// A name to call the feed by: the host, or the file's name without its ending.
    pub fn suggested_name(&self) -> String {
        let name = match self {
            Self::Http(url) => {
                let host = url.host_str().unwrap_or_default();
                host.strip_prefix("www.").unwrap_or(host).to_owned()
            }
            Self::File(path) => {
                // A pattern is called after the folder that it is looked for in.
                let is_plain = |path: &&Path| !path.file_name().is_some_and(is_wild);
                let named = path.ancestors().find(is_plain).unwrap_or(path);
                named.file_stem().unwrap_or_default().to_string_lossy().into_owned()
            }
            Self::Command(line) => {
                let program = line.split_whitespace().next().unwrap_or_default();
                program.rsplit('/').next().unwrap_or_default().trim_matches(['"', '\'']).to_owned()
            }
            Self::Push(name) => name.clone(),
        };
        clean_name(&name).unwrap_or_else(|| "feed".to_owned())
    }
}

/// Whether a name of a path is a pattern.
fn is_wild(name: &OsStr) -> bool {
    name.to_string_lossy().contains(['*', '?', '['])
}

/// A text as a feed's name: without white space and control characters, at most 100 bytes of it; `None` when nothing is
/// left.
pub(crate) fn clean_name(text: &str) -> Option<String> {
    let clean: String = text.chars().map(|c| if c.is_whitespace() || c.is_control() { '-' } else { c }).collect();
    let clean = clean.trim_matches('-');
    let clean = clean[..clean.floor_char_boundary(100)].trim_end_matches('-');
    (!clean.is_empty()).then(|| clean.to_owned())
}

/// What was typed, without a user name and a password: it is going to be shown.
pub(crate) fn without_login(text: &str) -> String {
    let hidden = text.split_once("://").and_then(|(scheme, rest)| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let host = rest[..end].rfind('@')? + 1;
        Some(format!("{scheme}://***@{}", &rest[host..]))
    });
    hidden.unwrap_or_else(|| text.to_owned())
}

/// As it is stored: the URL, the absolute path, `command:` and the command line, `push:` and the name.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => f.write_str(url.as_str()),
            Self::File(path) => fmt::Display::fmt(&path.display(), f),
            Self::Command(line) => write!(f, "command:{line}"),
            Self::Push(name) => write!(f, "push:{name}"),
        }
    }
}

/// Reads what was stored.
impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text, Path::new("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, AddressError> {
        Address::parse(text, Path::new("/base"))
    }

    #[test]
    fn reads_urls_and_paths() {
        for (text, stored) in [
            ("HTTPS://Example.org/a?b#c", "https://example.org/a?b"),
            ("http://example.org", "http://example.org/"),
            ("file:///tmp/a%20b.xml", "/tmp/a b.xml"),
            ("/tmp/feed.xml", "/tmp/feed.xml"),
            ("./feeds/a.xml", "/base/feeds/a.xml"),
            ("http://0x7f.1/", "http://127.0.0.1/"),
            ("command: tap-rates --config 'a b.json' ", "command:tap-rates --config 'a b.json'"),
            ("push:orders", "push:orders"),
        ] {
            let address = parse(text).unwrap();
            assert_eq!(address.to_string(), stored, "{text}");
            assert_eq!(stored.parse::<Address>().unwrap(), address, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_fetched() {
        assert!(matches!(parse("ftp://example.org/a"), Err(AddressError::Scheme { .. })));
        assert!(matches!(parse("gopher:x"), Err(AddressError::Scheme { .. })));
        assert!(matches!(parse("http://"), Err(AddressError::Malformed { .. })));
        assert!(matches!(parse("http://exa mple/"), Err(AddressError::Malformed { .. })));
        for text in [" ", "command:", "command: \t", "command:a\nb", "push:", "push:a b", "push:-a"] {
            assert!(matches!(parse(text), Err(AddressError::Malformed { .. })), "{text:?}");
        }
        for text in ["https://me:secret@example.org/", "https://me:secret@exa mple/", "ftp://me:secret@example.org/"] {
            let refused = parse(text).unwrap_err();
            assert!(!refused.to_string().contains("secret"), "{refused}");
        }
        let refused = parse("https://me:secret@example.org/").unwrap_err();
        assert!(refused.hint().contains("basic=NAME:{env:PASSWORD}"), "{}", refused.hint());
    }

    #[test]
    fn suggests_a_name_from_the_host_or_the_file() {
        for (text, name) in [
            ("https://www.example.org/feed", "example.org"),
            ("http://127.0.0.1:8000/x", "127.0.0.1"),
            ("/tmp/my feed.atom.xml", "my-feed.atom"),
            ("/", "feed"),
            ("/in/box/*.json", "box"),
            ("/in/*/[ab].json", "in"),
            ("command:'/opt/taps/tap-rates' --all", "tap-rates"),
            ("push:orders", "orders"),
        ] {
            assert_eq!(parse(text).unwrap().suggested_name(), name, "{text}");
        }
    }
}
