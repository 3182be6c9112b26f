//! Where feeds are known to be, or usually are.

use url::Url;

use super::{Clue, FeedLink};

/// Names under which sites have their feed, the likeliest first.
const USUAL_NAMES: [&str; 8] =
    ["feed", "feed.xml", "rss.xml", "atom.xml", "index.xml", "rss", "feed.json", "feed.atom"];

/// Names that are tried beside a page that is not the site's first.
const USUAL_NAMES_BESIDE: usize = 5;

/// Where a site usually has its feed, the likeliest first: beside the page, then at the root. At most 13 addresses.
pub fn usual_places(page: &str) -> Vec<FeedLink> {
    let Ok(page) = Url::parse(page) else { return Vec::new() };
    let (Ok(beside), Ok(root)) = (page.join("."), page.join("/")) else { return Vec::new() };
    let names_beside = if beside == root { &[] } else { &USUAL_NAMES[..USUAL_NAMES_BESIDE] };
    let beside = names_beside.iter().filter_map(|name| beside.join(name).ok());
    let at_root = USUAL_NAMES.iter().filter_map(|name| root.join(name).ok());
    beside.chain(at_root).map(|url| link(url.into(), None, Clue::UsualPlace)).collect()
}

/// The feeds of a page on a site whose addresses are known by rule; none for any other.
pub fn known_places(page: &str) -> Vec<FeedLink> {
    let Ok(url) = Url::parse(page) else { return Vec::new() };
    let host = url.host_str().unwrap_or_default();
    let host = host.strip_prefix("www.").or_else(|| host.strip_prefix("m.")).unwrap_or(host);
    let path: Vec<&str> = url.path_segments().into_iter().flatten().filter(|segment| !segment.is_empty()).collect();
    let places = match host {
        "youtube.com" => youtube(&url, &path),
        "github.com" => github(&path),
        "gitlab.com" => gitlab(&path),
        "reddit.com" | "old.reddit.com" => reddit(host, &path),
        "medium.com" => medium(&path),
        "pypi.org" => pypi(&path),
        "arxiv.org" => arxiv(&path),
        "bsky.app" => bluesky(&path),
        "stackoverflow.com" => tagged("stackoverflow.com", &path),
        host if host.ends_with(".stackexchange.com") => tagged(host, &path),
        _ => Vec::new(),
    };
    places.into_iter().map(|(address, title)| link(address, Some(title), Clue::KnownSite)).collect()
}

type Places = Vec<(String, &'static str)>;

fn link(address: String, title: Option<&str>, clue: Clue) -> FeedLink {
    FeedLink { address, title: title.map(str::to_owned), media_type: None, clue }
}

/// A channel by its id, a user, a list. The page of an `@handle` names its feed itself.
fn youtube(url: &Url, path: &[&str]) -> Places {
    let feed = |by: &str, id: &str| format!("https://www.youtube.com/feeds/videos.xml?{by}={id}");
    let list = url.query_pairs().find(|(name, _)| name == "list").map(|(_, id)| id.into_owned());
    match path {
        ["channel", id, ..] => vec![(feed("channel_id", id), "videos")],
        ["user", name, ..] => vec![(feed("user", name), "videos")],
        ["playlist" | "watch"] => {
            let list = list.filter(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            list.map(|id| (feed("playlist_id", &id), "playlist")).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn github(path: &[&str]) -> Places {
    // Pages of the site itself, which look like those of owners.
    const OWN: [&str; 9] =
        ["features", "topics", "search", "orgs", "sponsors", "settings", "explore", "marketplace", "collections"];
    let at = |rest: &str| format!("https://github.com/{rest}");
    match path {
        [own, ..] if OWN.contains(own) => Vec::new(),
        [owner] if !owner.contains('.') => vec![(at(&format!("{owner}.atom")), "activity")],
        [owner, repository] if !is_atom(repository) => ["releases", "tags", "commits"]
            .into_iter()
            .map(|what| (at(&format!("{owner}/{repository}/{what}.atom")), what))
            .collect(),
        [owner, repository, "releases"] => vec![(at(&format!("{owner}/{repository}/releases.atom")), "releases")],
        [owner, repository, "tags"] => vec![(at(&format!("{owner}/{repository}/tags.atom")), "tags")],
        [owner, repository, "commits", branch @ ..]
            if !branch.is_empty() && !branch.last().is_some_and(|last| is_atom(last)) =>
        {
            vec![(at(&format!("{owner}/{repository}/commits/{}.atom", branch.join("/"))), "commits")]
        }
        _ => Vec::new(),
    }
}

/// Whether the page is a feed of these sites already.
fn is_atom(segment: &str) -> bool {
    segment.rsplit_once('.').is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("atom"))
}

fn gitlab(path: &[&str]) -> Places {
    match path {
        [owner, project] if !is_atom(project) => {
            vec![(format!("https://gitlab.com/{owner}/{project}/-/tags?format=atom"), "tags")]
        }
        _ => Vec::new(),
    }
}

fn reddit(host: &str, path: &[&str]) -> Places {
    let host = if host == "reddit.com" { "www.reddit.com" } else { host };
    match path {
        [kind @ ("r" | "user" | "u"), name] => vec![(format!("https://{host}/{kind}/{name}/.rss"), "posts")],
        _ => Vec::new(),
    }
}

fn medium(path: &[&str]) -> Places {
    match path {
        [name] if *name != "feed" => vec![(format!("https://medium.com/feed/{name}"), "stories")],
        _ => Vec::new(),
    }
}

fn pypi(path: &[&str]) -> Places {
    match path {
        ["project", name, ..] => vec![(format!("https://pypi.org/rss/project/{name}/releases.xml"), "releases")],
        _ => Vec::new(),
    }
}

fn arxiv(path: &[&str]) -> Places {
    match path {
        ["list", archive, ..] => vec![(format!("https://rss.arxiv.org/rss/{archive}"), "new papers")],
        _ => Vec::new(),
    }
}

fn bluesky(path: &[&str]) -> Places {
    match path {
        ["profile", name] => vec![(format!("https://bsky.app/profile/{name}/rss"), "posts")],
        _ => Vec::new(),
    }
}

fn tagged(host: &str, path: &[&str]) -> Places {
    match path {
        ["questions", "tagged", tag] => vec![(format!("https://{host}/feeds/tag/{tag}"), "questions")],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(links: &[FeedLink]) -> Vec<&str> {
        links.iter().map(|link| link.address.as_str()).collect()
    }

    #[test]
    fn usual_places_are_beside_the_page_and_then_at_the_root() {
        let places = usual_places("https://a.example/blog/2026/post.html?x=1");
        let places = addresses(&places);
        assert_eq!(places[..2], ["https://a.example/blog/2026/feed", "https://a.example/blog/2026/feed.xml"]);
        assert_eq!(places[USUAL_NAMES_BESIDE], "https://a.example/feed");
        assert_eq!(places.len(), 13);
        assert_eq!(usual_places("https://a.example/index.html").len(), USUAL_NAMES.len());
        assert_eq!(usual_places("no address").len(), 0);
    }

    #[test]
    fn known_sites_have_their_feeds_where_they_say() {
        let youtube = "https://www.youtube.com/feeds/videos.xml";
        let only = |text: String| vec![text];
        for (page, feeds) in [
            ("https://www.youtube.com/channel/UC_x-1/videos", only(format!("{youtube}?channel_id=UC_x-1"))),
            ("https://m.youtube.com/user/someone", only(format!("{youtube}?user=someone"))),
            ("https://www.youtube.com/playlist?list=PL-1", only(format!("{youtube}?playlist_id=PL-1"))),
            ("https://www.youtube.com/playlist?list=a%26b", vec![]),
            ("https://www.youtube.com/@someone", vec![]),
            ("https://www.youtube.com/feeds/videos.xml?channel_id=UC1", vec![]),
            ("https://github.com/someone", only("https://github.com/someone.atom".into())),
            ("https://github.com/someone.atom", vec![]),
            (
                "https://github.com/a/b/",
                ["releases", "tags", "commits"].map(|what| format!("https://github.com/a/b/{what}.atom")).to_vec(),
            ),
            ("https://github.com/a/b/releases", only("https://github.com/a/b/releases.atom".into())),
            ("https://github.com/a/b/commits/x/y", only("https://github.com/a/b/commits/x/y.atom".into())),
            ("https://github.com/a/b/releases.atom", vec![]),
            ("https://github.com/topics/rust", vec![]),
            ("https://gitlab.com/a/b", only("https://gitlab.com/a/b/-/tags?format=atom".into())),
            ("https://reddit.com/r/rust/", only("https://www.reddit.com/r/rust/.rss".into())),
            ("https://medium.com/@someone", only("https://medium.com/feed/@someone".into())),
            ("https://pypi.org/project/x/#history", only("https://pypi.org/rss/project/x/releases.xml".into())),
            ("https://arxiv.org/list/cs.AI/recent", only("https://rss.arxiv.org/rss/cs.AI".into())),
            ("https://bsky.app/profile/a.example", only("https://bsky.app/profile/a.example/rss".into())),
            (
                "https://stackoverflow.com/questions/tagged/rust",
                only("https://stackoverflow.com/feeds/tag/rust".into()),
            ),
            ("https://a.example/channel/x", vec![]),
            ("no address", vec![]),
        ] {
            assert_eq!(addresses(&known_places(page)), feeds, "{page}");
        }
    }
}
