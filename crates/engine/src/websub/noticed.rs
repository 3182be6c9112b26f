//! [`Noticed`]: which hubs a document names, and under which address they know it (section 4).

use feedspine_core::Json;
use feedspine_parse::{Document, Format};
use url::Url;

use crate::fetch::targets;
use crate::shown_address;

/// So many hubs of a feed are kept: one is asked after the other until one answers.
const MOST_HUBS: usize = 5;
/// The longest address of a hub or a topic that is kept, in bytes.
const LONGEST: usize = 2_048;

/// The hubs that a document names, and the address that they know it by. Of a document without hubs it is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Noticed {
    /// In the order in which they are asked.
    pub(crate) hubs: Vec<String>,
    pub(crate) topic: String,
}

/// What a document itself says of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Named {
    hubs: Vec<String>,
    own: Option<String>,
}

impl Named {
    /// What a document names: links of RSS and Atom, `hubs` and `feed_url` of JSON Feed, whose hubs may speak something else.
    pub(crate) fn by(document: &Document) -> Self {
        let is_hub = |title: Option<&str>| document.format != Format::JsonFeed || title.is_none_or(is_websub);
        let hubs = document.feed.links.iter().filter(|link| {
            link.rel.as_deref().is_some_and(|rel| rel.eq_ignore_ascii_case("hub")) && is_hub(link.title.as_deref())
        });
        let hubs = hubs.filter_map(|link| link.href.clone()).filter(|hub| hub.len() <= LONGEST).take(MOST_HUBS);
        Self { hubs: hubs.collect(), own: document.feed.self_link().map(str::to_owned) }
    }
}

fn is_websub(protocol: &str) -> bool {
    protocol.eq_ignore_ascii_case("websub")
}

impl Noticed {
    /// What an answer names: its header `Link` goes before its document. `answered` is the URL that gave it.
    pub(crate) fn of(link: Option<&str>, named: &Named, answered: &str) -> Self {
        let Ok(base) = Url::parse(answered) else { return Self::default() };
        let link = link.unwrap_or_default();
        let all = targets(link, "hub").chain(named.hubs.iter().map(String::as_str));
        let mut hubs: Vec<String> = Vec::new();
        for hub in all.filter_map(|hub| usable(&base, hub)) {
            if hubs.len() < MOST_HUBS && !hubs.contains(&hub) {
                hubs.push(hub);
            }
        }
        if hubs.is_empty() {
            return Self::default();
        }
        let own = targets(link, "self").chain(named.own.as_deref()).find_map(|own| usable(&base, own));
        // An address with a secret in it is for its own server, unless that names it to its hubs.
        let answered = usable(&base, answered).filter(|address| shown_address(address) == *address);
        match own.or(answered) {
            Some(topic) => Self { hubs, topic },
            None => Self::default(),
        }
    }

    pub(super) fn to_json(&self) -> Json {
        Json::object([("hubs", self.hubs.clone().into()), ("topic", self.topic.as_str().into())])
    }

    pub(super) fn from_json(kept: &Json) -> Option<Self> {
        let Json::Array(hubs) = kept.get("hubs")? else { return None };
        let hubs = hubs.iter().filter_map(|hub| hub.as_str().map(str::to_owned)).collect();
        Some(Self { hubs, topic: kept.get("topic")?.as_str()?.to_owned() })
    }
}

/// An address that can be asked, without fragment; `None` of one that cannot, or holds a login.
fn usable(base: &Url, address: &str) -> Option<String> {
    if address.len() > LONGEST {
        return None;
    }
    let mut url = base.join(address.trim()).ok()?;
    url.set_fragment(None);
    let is_plain = url.username().is_empty() && url.password().is_none();
    let fits = matches!(url.scheme(), "http" | "https") && url.host_str().is_some() && url.as_str().len() <= LONGEST;
    (fits && is_plain).then(|| url.into())
}

#[cfg(test)]
mod tests {
    use feedspine_parse::{Input, Limits, parse};
    use proptest::prelude::*;

    use super::*;

    const HERE: &str = "https://a.example/feed";

    fn named(document: &str) -> Named {
        let input = Input { bytes: document.as_bytes(), content_type: None, base: Some(HERE) };
        Named::by(&parse(&input, &Limits::default()).unwrap())
    }

    fn noticed(hubs: &[&str], topic: &str) -> Noticed {
        Noticed { hubs: hubs.iter().map(|hub| (*hub).to_owned()).collect(), topic: topic.to_owned() }
    }

    #[test]
    fn documents_of_every_format_name_their_hubs() {
        let rss = "<rss xmlns:atom='http://www.w3.org/2005/Atom'><channel><title>T</title>\
                   <atom:link rel='hub' href='https://h.example/'/><atom:link rel='self' href='/own'/></channel></rss>";
        let atom = "<feed xmlns='http://www.w3.org/2005/Atom'><title>T</title><link rel='hub' href='https://h.example/'/>\
                    <link rel='HUB' href='https://i.example/' title='rssCloud'/><link rel='self' href='/own'/></feed>";
        let json = r#"{"version":"https://jsonfeed.org/version/1.1","title":"T","feed_url":"/own","items":[],
                       "hubs":[{"type":"rssCloud","url":"https://c.example/"},{"type":"WebSub","url":"https://h.example/"},
                               {"type":"websub","url":"https://i.example/"},{"type":"websub"},7]}"#;
        let (one, two) = (&["https://h.example/"][..], &["https://h.example/", "https://i.example/"][..]);
        for (document, hubs) in [(rss, one), (atom, two), (json, two)] {
            let found = Noticed::of(None, &named(document), HERE);
            assert_eq!(found, noticed(hubs, "https://a.example/own"), "{document}");
        }
        let none = "<rss><channel><title>T</title></channel></rss>";
        assert_eq!(Noticed::of(None, &named(none), HERE), Noticed::default());
    }

    proptest! {
        #[test]
        fn whatever_an_answer_says_only_what_can_be_asked_is_kept(
            link in "[ -~ü]{0,40}|([<>;,=\" ]|rel=hub|rel=self|https://h\\.example/|\\.\\./x|#){0,30}",
            own in proptest::option::of("[ -~ü]{0,40}"),
        ) {
            let named = Named { hubs: vec![link.clone()], own };
            let Noticed { hubs, topic } = Noticed::of(Some(&link), &named, HERE);
            prop_assert!(hubs.len() <= MOST_HUBS && hubs.is_empty() == topic.is_empty());
            for address in hubs.iter().chain(Some(&topic).filter(|topic| !topic.is_empty())) {
                let url = Url::parse(address).unwrap();
                prop_assert!(matches!(url.scheme(), "http" | "https") && url.host_str().is_some());
                prop_assert!(url.username().is_empty() && url.fragment().is_none() && address.len() <= LONGEST);
            }
        }
    }

    #[test]
    fn the_header_goes_before_the_document_and_what_cannot_be_asked_is_left_out() {
        let own = Named { hubs: vec!["https://d.example/".into()], own: Some("https://a.example/own".into()) };
        let long = format!("<https://h.example/{}>; rel=hub", "x".repeat(LONGEST));
        let many: Vec<String> = (0..9).map(|hub| format!("<https://h{hub}.example/>;rel=hub")).collect();
        let many = many.join(",");
        let first: Vec<String> = (0..5).map(|hub| format!("https://h{hub}.example/")).collect();
        let first: Vec<&str> = first.iter().map(String::as_str).collect();
        for (link, named, expected) in [
            ("", &Named::default(), Noticed::default()),
            ("<https://a.example/x>; rel=self", &Named::default(), Noticed::default()),
            ("", &own, noticed(&["https://d.example/"], "https://a.example/own")),
            ("<https://h.example>; rel=hub", &Named::default(), noticed(&["https://h.example/"], HERE)),
            (
                "</hub#x>; rel=\"hub\", <https://a.example/self>; rel=self",
                &own,
                noticed(&["https://a.example/hub", "https://d.example/"], "https://a.example/self"),
            ),
            ("<https://d.example/>; rel=hub", &own, noticed(&["https://d.example/"], "https://a.example/own")),
            (
                "<ftp://h.example/>; rel=hub, <https://me:pw@h.example/>; rel=hub, <http://>; rel=hub",
                &Named::default(),
                Noticed::default(),
            ),
            (&long, &Named::default(), Noticed::default()),
            (&many, &own, noticed(&first, "https://a.example/own")),
        ] {
            assert_eq!(Noticed::of(Some(link), named, HERE), expected, "{link}");
        }
        let hub = Some("<https://h.example/>; rel=hub");
        assert_eq!(Noticed::of(hub, &own, "no address"), Noticed::default());
        assert_eq!(Noticed::of(hub, &Named::default(), "https://a.example/feed?token=abc"), Noticed::default());
    }
}
