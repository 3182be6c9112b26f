//! [`Paging`]: where the next page is.

use feedspine_core::Json;
use feedspine_parse::JsonQuery;
use url::Url;

use crate::OpError;
use crate::adapters::asking::set_parameter;
use crate::adapters::options::Options;
use crate::fetch::targets;

/// How a source is paged.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Paging {
    /// One page.
    One,
    /// The document names the next one's address.
    Next(JsonQuery),
    /// The header `Link` does (RFC 8288).
    LinkHeader,
    /// Pages are numbered.
    Number { param: String, start: u64, size: Option<u64> },
    /// By how many items come before.
    Offset { param: String, start: u64, size: Option<u64> },
    /// The document has a token for the next one.
    Token { param: String, at: JsonQuery },
}

/// A page that was read.
pub(super) struct Read<'a> {
    /// Where it was asked for.
    pub(super) asked: &'a Url,
    /// The URL that answered.
    pub(super) answered: &'a Url,
    /// Which it was, from 0.
    pub(super) number: u64,
    /// How many items it had, rejects included.
    pub(super) items: u64,
    /// How many the pages before it had.
    pub(super) before: u64,
    pub(super) document: &'a Json,
    /// The header `Link`.
    pub(super) link: Option<&'a str>,
}

impl Paging {
    pub(super) fn read(options: &mut Options) -> Result<Self, OpError> {
        let size = options.number("page_size", 1..=1_000_000)?;
        let start = options.number("page_start", 0..=1_000_000)?;
        let token_at = options.place("cursor")?;
        let mut ways = Vec::new();
        if let Some(at) = options.place("next")? {
            ways.push(("next", Self::Next(at)));
        }
        if options.flag("link_header")? {
            ways.push(("link_header", Self::LinkHeader));
        }
        if let Some(param) = options.text("page_param")? {
            ways.push(("page_param", Self::Number { param, start: start.unwrap_or(1), size }));
        }
        if let Some(param) = options.text("offset_param")? {
            ways.push(("offset_param", Self::Offset { param, start: start.unwrap_or(0), size }));
        }
        match (options.text("cursor_param")?, token_at) {
            (Some(param), Some(at)) => ways.push(("cursor_param", Self::Token { param, at })),
            (None, None) => {}
            _ => return Err(options.wrong("cursor_param", "goes with cursor, which says where its value is")),
        }
        if ways.len() > 1 {
            let named: Vec<&str> = ways.iter().map(|(name, _)| *name).collect();
            let message = format!("the options {} are given", named.join(" and "));
            return Err(OpError::usage("adapter.option", message).with_hint("choose one way to the next page"));
        }
        Ok(ways.pop().map_or(Self::One, |(_, way)| way))
    }

    /// Gives the first page's address what it needs.
    pub(super) fn begin(&self, url: &mut Url) {
        if let Self::Number { param, start, .. } | Self::Offset { param, start, .. } = self {
            set_parameter(url, param, &start.to_string());
        }
    }

    /// The address of the page after this one; `None` after the last.
    ///
    /// # Errors
    /// What should be an address is none.
    pub(super) fn after(&self, page: &Read<'_>) -> Result<Option<Url>, String> {
        let full = |size: &Option<u64>| page.items > 0 && size.is_none_or(|size| page.items >= size);
        match self {
            Self::One => Ok(None),
            Self::Next(at) => match at.first(page.document) {
                None | Some(Json::Null | Json::Bool(false)) => Ok(None),
                Some(Json::String(address)) if address.trim().is_empty() => Ok(None),
                Some(Json::String(address)) => resolved(page.answered, address).map(Some),
                Some(other) => Err(format!("{at} is {other}")),
            },
            Self::LinkHeader => match page.link.and_then(|link| targets(link, "next").next()) {
                None => Ok(None),
                Some(address) => resolved(page.answered, address).map(Some),
            },
            Self::Number { param, start, size } => {
                let next = start + page.number + 1;
                Ok(full(size).then(|| with(page.asked, param, &next.to_string())))
            }
            Self::Offset { param, start, size } => {
                let next = start + page.before + page.items;
                Ok(full(size).then(|| with(page.asked, param, &next.to_string())))
            }
            Self::Token { param, at } => match at.first(page.document) {
                None | Some(Json::Null | Json::Bool(false)) => Ok(None),
                Some(Json::String(token)) if token.is_empty() => Ok(None),
                Some(Json::String(token)) => Ok(Some(with(page.asked, param, token))),
                Some(Json::Number(token)) => Ok(Some(with(page.asked, param, token.as_str()))),
                Some(other) => Err(format!("{at} is {other}")),
            },
        }
    }
}

fn with(url: &Url, param: &str, value: &str) -> Url {
    let mut url = url.clone();
    set_parameter(&mut url, param, value);
    url
}

fn resolved(base: &Url, address: &str) -> Result<Url, String> {
    let mut url = base.join(address.trim()).map_err(|error| format!("{address:?}: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(format!("{address:?} is not fetched"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it has a user name or a password".to_owned());
    }
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_follows_from_this_one() {
        let asked = Url::parse("http://a.example/x?page=1&q=z").unwrap();
        let document =
            Json::parse(r#"{"next":"/y?t=1#f","token":"a b","none":null,"wrong":7,"evil":"http://me@b/"}"#).unwrap();
        let after = |paging: &Paging, number, items| {
            let read =
                Read { asked: &asked, answered: &asked, number, items, before: 20, document: &document, link: None };
            paging.after(&read).map(|url| url.map(|url| url.to_string()))
        };
        let place = |text: &str| JsonQuery::read_place(text).unwrap();
        let number = |size| Paging::Number { param: "page".into(), start: 1, size };
        let token = |at: &str| Paging::Token { param: "c".into(), at: place(at) };
        assert_eq!(after(&number(None), 0, 3), Ok(Some("http://a.example/x?q=z&page=2".into())));
        assert_eq!(after(&number(None), 0, 0), Ok(None));
        assert_eq!(after(&number(Some(10)), 0, 9), Ok(None));
        let offset = Paging::Offset { param: "from".into(), start: 0, size: None };
        assert_eq!(after(&offset, 2, 10), Ok(Some("http://a.example/x?page=1&q=z&from=30".into())));
        assert_eq!(after(&Paging::Next(place("next")), 0, 1), Ok(Some("http://a.example/y?t=1".into())));
        assert_eq!(after(&Paging::Next(place("none")), 0, 1), Ok(None));
        assert_eq!(after(&Paging::Next(place("missing")), 0, 1), Ok(None));
        assert!(after(&Paging::Next(place("wrong")), 0, 1).is_err());
        assert!(after(&Paging::Next(place("evil")), 0, 1).is_err());
        assert_eq!(after(&token("token"), 0, 1), Ok(Some("http://a.example/x?page=1&q=z&c=a+b".into())));
        assert_eq!(after(&token("none"), 0, 1), Ok(None));
        assert_eq!(after(&Paging::One, 0, 1), Ok(None));
    }
}
