//! [`Asking`]: what an adapter sends with its requests: headers and query parameters, secrets among them.

use std::collections::BTreeMap;

use feedspine_core::Json;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::options::Options;
use super::secrets::{Secrets, Template, check_references};
use crate::shown::is_secret;
use crate::{Address, OpError};

/// The options of adapters that may refer to secrets.
const REFERRING: [&str; 3] = [HEADER, "query", "env"];
const HEADER: &str = "header";

/// The options `header` and `query`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asking {
    headers: Vec<(HeaderName, Template)>,
    query: Vec<(String, Template)>,
}

/// The same with its secrets, for one fetch.
pub(crate) struct Asked {
    /// Sent to the feed's own origin only.
    pub(crate) headers: HeaderMap,
    query: Vec<(String, String)>,
    pub(crate) secrets: Secrets,
}

impl Asking {
    pub(crate) fn read(options: &mut Options) -> Result<Self, OpError> {
        let mut headers = Vec::new();
        for text in options.texts(HEADER)? {
            let (name, value) = text
                .split_once(':')
                .and_then(|(name, value)| Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value.trim())))
                .ok_or_else(|| options.wrong(HEADER, "is NAME: VALUE"))?;
            headers.push((name.clone(), template(name.as_str(), value)?));
        }
        let mut query = Vec::new();
        for text in options.texts("query")? {
            let (name, value) = text.split_once('=').ok_or_else(|| options.wrong("query", "is NAME=VALUE"))?;
            query.push((name.to_owned(), template(name, value)?));
        }
        Ok(Self { headers, query })
    }

    /// Resolves the secrets.
    ///
    /// # Errors
    /// `Usage`: one is missing, or no header can hold it.
    pub(crate) fn resolve(&self) -> Result<Asked, OpError> {
        let mut asked = Asked { headers: HeaderMap::new(), query: Vec::new(), secrets: Secrets::default() };
        for (name, template) in &self.headers {
            let text = template.resolve(&mut asked.secrets)?;
            let mut value = HeaderValue::from_str(&text).map_err(|_| {
                OpError::usage("adapter.option", format!("the value of the header {name} cannot be sent"))
                    .with_hint("use visible ASCII characters")
            })?;
            value.set_sensitive(template.is_secret());
            asked.headers.append(name, value);
        }
        for (name, template) in &self.query {
            let text = template.resolve(&mut asked.secrets)?;
            asked.query.push((name.clone(), text));
        }
        Ok(asked)
    }
}

impl Asked {
    /// Gives an address the query parameters.
    pub(crate) fn complete(&self, url: &mut Url) {
        for (name, value) in &self.query {
            set_parameter(url, name, value);
        }
    }
}

/// Sets a query parameter; one of that name that is there already is replaced.
pub(crate) fn set_parameter(url: &mut Url, name: &str, value: &str) {
    let kept: Vec<(String, String)> =
        url.query_pairs().filter(|(held, _)| held != name).map(|(held, value)| (held.into(), value.into())).collect();
    url.query_pairs_mut().clear().extend_pairs(kept).append_pair(name, value);
}

/// Whether two addresses are of one server.
pub(super) fn same_origin(one: &Address, other: &Address) -> bool {
    matches!((one, other), (Address::Http(one), Address::Http(other)) if one.origin() == other.origin())
}

/// Sees that what is said now as that option refers to secrets in a way that can be followed, where it may refer to any.
///
/// # Errors
/// `Usage`: it does not.
pub(crate) fn check_option(name: &str, value: &Json) -> Result<(), OpError> {
    for text in texts(value).filter(|_| REFERRING.contains(&name)) {
        check_references(text).map_err(|reason| {
            OpError::usage("adapter.secret", format!("{name}: {reason}"))
                .with_hint("a reference is {env:NAME} or {file:/WHOLE/PATH}")
        })?;
    }
    Ok(())
}

/// How many of the headers in an adapter's options are logins.
pub(crate) fn logins(options: &BTreeMap<String, Json>) -> usize {
    options.get(HEADER).map_or(0, |value| texts(value).filter(|text| is_login(text)).count())
}

/// Whether a header, `NAME: VALUE`, says who asks (RFC 9110 section 11.6.2).
pub(crate) fn is_login(text: &str) -> bool {
    let name = text.split(':').next().unwrap_or_default().trim();
    name.eq_ignore_ascii_case(header::AUTHORIZATION.as_str())
}

fn texts(value: &Json) -> impl Iterator<Item = &str> {
    let (list, one) = match value {
        Json::Array(list) => (list.as_slice(), None),
        one => (&[][..], one.as_str()),
    };
    list.iter().filter_map(Json::as_str).chain(one)
}

/// Reads the value of a header, a parameter or a variable. A secret that stands in the settings would be stored and shown.
pub(crate) fn template(name: &str, value: &str) -> Result<Template, OpError> {
    let template = Template::parse(value);
    if !template.is_secret() && is_secret(name) {
        return Err(OpError::usage(
            "adapter.secret",
            format!("the value of {name} looks like a secret and would be stored"),
        )
        .with_hint("refer to it: {env:NAME} or {file:PATH}"));
    }
    Ok(template)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_replaces_its_namesake() {
        let mut url = Url::parse("http://a.example/x?page=1&q=a%20b").unwrap();
        set_parameter(&mut url, "page", "2&3");
        assert_eq!(url.as_str(), "http://a.example/x?q=a+b&page=2%263");
    }

    #[test]
    fn a_secret_is_referred_to_and_never_written_down() {
        for name in ["Authorization", "X-Api-Key", "access_token", "apiKey"] {
            assert_eq!(template(name, "abc").unwrap_err().code(), "adapter.secret", "{name}");
            assert!(template(name, "Bearer {env:TOKEN}").is_ok(), "{name}");
        }
        for name in ["keywords", "Accept", "author"] {
            assert!(template(name, "abc").is_ok(), "{name}");
        }
    }
}
