//! [`CallbackBase`]: where hubs reach us.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// The public address of a server, under which hubs reach it: an http or https URL without query and login. The path of
/// a callback is `BASE/websub/TOKEN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackBase(Url);

/// Why a text is no base of callbacks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a URL such as https://feeds.example.org/base, {reason}")]
pub struct CallbackBaseError {
    reason: &'static str,
}

impl FromStr for CallbackBase {
    type Err = CallbackBaseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |reason| CallbackBaseError { reason };
        let mut url = Url::parse(text.trim()).map_err(|_| wrong("found none"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(wrong("found another scheme"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("found one with a login"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("found one with a query or a fragment"));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }
}

impl CallbackBase {
    /// The path of the base, without a slash at its end: what a proxy may leave in front of the path of a callback.
    pub fn path(&self) -> &str {
        self.0.path().trim_end_matches('/')
    }
}

/// Without a slash at its end.
impl fmt::Display for CallbackBase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_a_url_without_query_and_login() {
        for (text, read) in [
            ("https://feeds.example.org", Ok(("https://feeds.example.org", ""))),
            (" https://feeds.example.org/base/ ", Ok(("https://feeds.example.org/base", "/base"))),
            ("http://127.0.0.1:8400", Ok(("http://127.0.0.1:8400", ""))),
            ("feeds.example.org", Err("found none")),
            ("ftp://feeds.example.org/", Err("found another scheme")),
            ("https://me:pw@feeds.example.org/", Err("found one with a login")),
            ("https://feeds.example.org/?a=b", Err("found one with a query or a fragment")),
        ] {
            let base = text.parse::<CallbackBase>();
            match (&base, read) {
                (Ok(base), Ok((shown, path))) => assert_eq!((base.to_string().as_str(), base.path()), (shown, path)),
                (Err(error), Err(reason)) => assert!(error.to_string().ends_with(reason), "{error}"),
                _ => panic!("{text}: {base:?}"),
            }
        }
    }
}
