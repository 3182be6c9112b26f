//! What addresses, media types and texts say of being a feed.

/// Media types of feeds, and of what feeds are often called.
const FEED_TYPES: [&str; 13] = [
    "application/rss+xml",
    "application/atom+xml",
    "application/feed+json",
    "application/rdf+xml",
    "application/json",
    "application/xml",
    "text/xml",
    "application/x-rss+xml",
    "application/x.atom+xml",
    "application/x-atom+xml",
    "application/x-atom",
    "text/rss+xml",
    "text/rss",
];

/// A media type in lower case and without parameters.
pub(super) fn media_type(text: &str) -> Option<String> {
    let name = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    (!name.is_empty()).then_some(name)
}

/// Whether a `link` of that media type to that address leads to a feed. JSON is also what sites of
/// `WordPress` call their pages' data.
pub(super) fn is_feed_type(media_type: &str, address: &str) -> bool {
    FEED_TYPES.contains(&media_type) && (media_type != "application/json" || !address.contains("/wp-json"))
}

/// Whether an address looks like a feed's and not like a page's: `/feed.xml`, `/blog/feed/`, `?format=rss`.
pub fn looks_like_feed(address: &str) -> bool {
    likeness(address) > 0
}

/// How much an address looks like a feed's; 0 is not at all.
pub(super) fn likeness(address: &str) -> u32 {
    let address = address.split('#').next().unwrap_or_default().to_ascii_lowercase();
    let (path, query) = address.split_once('?').unwrap_or((&address, ""));
    let path = path.trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or_default();
    let ending = last.rsplit_once('.').map_or("", |(_, ending)| ending);
    let names_feed = |part: &str| words(part).any(is_feed_word);
    if matches!(ending, "rss" | "atom" | "rdf") || (matches!(ending, "xml" | "json") && names_feed(last)) {
        3
    } else {
        let in_path = last == "index.xml" || (names_feed(last) && matches!(ending, "" | "php" | "aspx" | "cgi"));
        let asked = |pair: &str| pair.split_once('=').is_some_and(|(name, value)| asks_feed(name, value));
        if in_path || query.split('&').any(asked) { 2 } else { 0 }
    }
}

/// `?feed=rss2`, `?format=feed`, `?type=atom`
fn asks_feed(name: &str, value: &str) -> bool {
    is_feed_word(value) || (is_feed_word(name) && matches!(value, "1" | "true" | "yes"))
}

/// Whether a text for people says that it leads to a feed: "RSS", "Atom feed", "Subscribe (RSS)".
pub(super) fn text_names_feed(text: &str) -> bool {
    text.len() <= 40 && words(&text.to_ascii_lowercase()).any(is_feed_word)
}

/// Whether it is a feed of what readers wrote under the items: wanted less often than the items.
pub(super) fn is_about_comments(address: &str, title: Option<&str>) -> bool {
    let says = |text: &str| words(&text.to_ascii_lowercase()).any(|word| matches!(word, "comment" | "comments"));
    says(address) || title.is_some_and(says)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}

fn is_feed_word(word: &str) -> bool {
    matches!(word, "rss" | "rss2" | "rss20" | "rdf" | "atom" | "atom10" | "feed" | "feeds" | "jsonfeed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_feeds_are_told_from_those_of_pages() {
        for (address, likely) in [
            ("/feed.xml", true),
            ("http://a.example/blog/feed/", true),
            ("/index.xml", true),
            ("/news.rss", true),
            ("/?feed=rss2", true),
            ("/index.php?format=feed&type=rss", true),
            ("/backend.php?atom=1", true),
            ("/feed.json#top", true),
            ("/feedback", false),
            ("/feedback/", false),
            ("/sitemap.xml", false),
            ("/about-rss.html", false),
            ("/atomic-habits", false),
            ("/feed.png", false),
            ("/", false),
            ("", false),
        ] {
            assert_eq!(looks_like_feed(address), likely, "{address}");
        }
    }

    #[test]
    fn a_media_type_is_a_feeds_only_as_a_whole() {
        let is = |text: &str| is_feed_type(&media_type(text).unwrap_or_default(), "http://a.example/x");
        for text in ["application/rss+xml", " Application/Atom+XML ; charset=utf-8", "application/json"] {
            assert!(is(text), "{text}");
        }
        for text in ["application/ rss+xml", "application/json+oembed", "text/xml+oembed", "text/html", ""] {
            assert!(!is(text), "{text}");
        }
        assert!(!is_feed_type("application/json", "http://a.example/wp-json/wp/v2/pages/1"));
    }
}
