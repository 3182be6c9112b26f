//! Pages: what they name as feeds.

use feedspine_parse::{Input, Limits, known_places, looks_like_feed, read_page, usual_places};
use url::Url;

pub(crate) fn run(bytes: &[u8]) {
    let input = Input { bytes, content_type: None, base: Some("https://site.example/blog/page.html") };
    let read = || read_page(&input, &Limits::default());
    let first = read();
    assert_eq!(first, read(), "the second reading differs from the first");
    let Ok(page) = first else { return };
    assert!(page.feeds.len() <= 100, "a page names {} feeds", page.feeds.len());
    for feed in &page.feeds {
        let url = Url::parse(&feed.address).expect("an address is absolute");
        assert!(matches!(url.scheme(), "http" | "https"), "{url} is no address of the web");
        assert!(url.fragment().is_none(), "{url} has a fragment");
        assert_eq!(url.as_str(), feed.address, "an address is in one form");
        let places = known_places(&feed.address).len() + usual_places(&feed.address).len();
        assert!(places < 100, "{url} has {places} places");
        let _ = looks_like_feed(&feed.address);
    }
    let mut addresses: Vec<&str> = page.feeds.iter().map(|feed| feed.address.as_str()).collect();
    addresses.sort_unstable();
    assert!(addresses.is_sorted_by(|a, b| a != b), "an address is named twice: {addresses:?}");
}
