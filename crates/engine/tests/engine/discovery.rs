//! Finding feeds on a site: what is asked, in which order, and what is added.

use std::num::NonZeroUsize;

use crate::origin::{Answer, Origin, rss};
use crate::support::{engine, name};
use feedspine::ops::{AddFeed, AddOutcome, AddSite, Discover, Discovery, Pick, SiteAdded};
use feedspine::{Ending, Engine, OpError};

/// A site of these paths; all others are not found.
async fn site(pages: &'static [(&'static str, &'static str)]) -> Origin {
    Origin::start(move |asked| match pages.iter().find(|(path, _)| *path == asked.path) {
        Some((_, "RSS")) => Answer::ok(rss(&[("1", "One"), ("2", "Two")])),
        Some((_, page)) => Answer::ok(*page).with("content-type", "text/html"),
        None => Answer::status(404),
    })
    .await
}

async fn discover(engine: &Engine, address: String) -> Result<Discovery, OpError> {
    engine.discover(&Discover { address, allow_private: false }).await
}

fn paths(origin: &Origin) -> Vec<String> {
    origin.log().into_iter().map(|asked| asked.path).collect()
}

/// `clue path` of each feed that was found.
fn found(origin: &Origin, discovery: &Discovery) -> Vec<String> {
    let root = origin.url("");
    let told = |feed: &feedspine::ops::FoundFeed| format!("{} {}", feed.clue, feed.address.replace(&root, ""));
    discovery.feeds.iter().map(told).collect()
}

fn add_site(address: String, pick: Pick) -> AddSite {
    AddSite { feed: AddFeed::new(address), pick }
}

#[tokio::test]
async fn a_feed_is_found_at_its_own_address_by_one_request() {
    let (engine, origin) = (engine().await, site(&[("/blog.php", "RSS")]).await);
    let discovery = discover(&engine, origin.url("/blog.php")).await.unwrap();
    assert_eq!(found(&origin, &discovery), ["itself /blog.php"]);
    assert_eq!((discovery.feeds[0].title.as_deref(), discovery.feeds[0].items), (Some("Sample"), Some(2)));
    assert_eq!(paths(&origin), ["/blog.php"]);
}

const LINKS: &str = "<title>Blog</title><link rel=alternate type=application/rss+xml title=All href=/all>
     <link rel=alternate type=application/atom+xml href=/atom><link rel=alternate type=application/rss+xml
     href=http://10.0.0.1/feed><a href=/feed.xml>RSS</a>";

#[tokio::test]
async fn what_a_page_names_is_found_without_asking_it_and_never_at_private_addresses() {
    let (engine, origin) = (engine().await, site(&[("/", LINKS)]).await);
    let discovery = discover(&engine, origin.url("/")).await.unwrap();
    assert_eq!(found(&origin, &discovery), ["link /all", "link /atom"]);
    assert_eq!((discovery.title.as_deref(), discovery.feeds[0].title.as_deref()), (Some("Blog"), Some("All")));
    assert_eq!(paths(&origin), ["/"]);
}

#[tokio::test]
async fn where_a_page_merely_leads_is_asked_one_address_after_the_other() {
    let pages = &[("/", "<a href=/gone.rss>RSS</a><a href=/news>RSS feed</a>"), ("/news", "RSS")];
    let (engine, origin) = (engine().await, site(pages).await);
    let discovery = discover(&engine, origin.url("/")).await.unwrap();
    assert_eq!(found(&origin, &discovery), ["anchor /news"]);
    assert_eq!(paths(&origin), ["/", "/gone.rss", "/news"]);
    assert!(origin.log().iter().all(|asked| asked.under_way == 1));
}

#[tokio::test]
async fn usual_places_are_asked_until_one_is_a_feed() {
    let (engine, origin) = (engine().await, site(&[("/blog/post", "<p>hello"), ("/blog/rss.xml", "RSS")]).await);
    let discovery = discover(&engine, origin.url("/blog/post")).await.unwrap();
    assert_eq!(found(&origin, &discovery), ["usual_place /blog/rss.xml"]);
    assert_eq!(paths(&origin), ["/blog/post", "/blog/feed", "/blog/feed.xml", "/blog/rss.xml"]);
}

#[tokio::test]
async fn a_site_without_a_feed_says_how_far_it_was_looked_at_and_nothing_is_added() {
    let (engine, origin) = (engine().await, site(&[("/", "<p>hello")]).await);
    let error = engine.add_site(add_site(origin.url("/"), Pick::First)).await.unwrap_err();
    assert_eq!((error.code(), error.kind().ending()), ("feed.none_found", Ending::NotFound));
    assert!(error.message().contains("8 other places") && error.hint().unwrap().contains("--as-is"), "{error}");
    assert!(engine.feeds().await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_host_that_wants_no_more_questions_is_asked_none() {
    let origin = Origin::start(|asked| match asked.number {
        0 => Answer::ok("<p>hello"),
        _ => Answer::status(429),
    })
    .await;
    let error = discover(&engine().await, origin.url("/")).await.unwrap_err();
    assert_eq!((error.code(), origin.asked()), ("feed.none_found", 2));
}

#[tokio::test]
async fn one_feed_is_added_and_of_several_the_one_that_is_meant() {
    let (engine, origin) = (engine().await, site(&[("/", LINKS), ("/one", "RSS")]).await);
    let several = engine.add_site(add_site(origin.url("/"), Pick::TheOnly)).await.unwrap();
    assert!(matches!(&several, SiteAdded::Several(found) if found.feeds.len() == 2), "{several:?}");
    for (path, pick, address) in [
        ("/", Pick::First, "/all"),
        ("/", Pick::Number(NonZeroUsize::new(2).unwrap()), "/atom"),
        ("/one", Pick::TheOnly, "/one"),
    ] {
        let added = engine.add_site(add_site(origin.url(path), pick)).await.unwrap();
        let SiteAdded::Added { added, found: Some(_) } = added else { panic!("{added:?}") };
        assert_eq!((added.outcome, added.feed.address), (AddOutcome::Added, origin.url(address)));
    }
    let number = Pick::Number(NonZeroUsize::new(3).unwrap());
    let error = engine.add_site(add_site(origin.url("/"), number)).await.unwrap_err();
    assert_eq!((error.code(), error.kind().ending()), ("feed.no_such_number", Ending::Usage));
}

#[tokio::test]
async fn an_address_that_looks_like_a_feeds_or_is_known_is_not_asked() {
    let (engine, origin) = (engine().await, site(&[("/one", "RSS")]).await);
    engine.add_site(add_site(origin.url("/feed.xml"), Pick::TheOnly)).await.unwrap();
    assert_eq!(origin.asked(), 0);
    engine.add_site(add_site(origin.url("/one"), Pick::TheOnly)).await.unwrap();
    let again = engine.add_site(add_site(origin.url("/one"), Pick::TheOnly)).await.unwrap();
    assert!(matches!(again, SiteAdded::Added { added, found: None } if added.outcome == AddOutcome::Already));
    let taken = AddFeed { name: Some(name("127.0.0.1")), ..AddFeed::new(origin.url("/two")) };
    let error = engine.add_site(AddSite { feed: taken, pick: Pick::TheOnly }).await.unwrap_err();
    assert_eq!(error.kind().ending(), Ending::Usage);
    assert_eq!(origin.asked(), 1);
}
