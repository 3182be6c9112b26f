//! No request leaves for a private address unless it is allowed: the real binary in a network of its own, where canaries
//! stand at private addresses and count who comes.

mod names;
mod world;

use std::fmt::Write;

use world::{World, feed, ways};

use crate::site::{Asked, Reply, Site};
use crate::support::Ran;

/// The full name of a test here.
macro_rules! name {
    ($test:ident) => {
        concat!("canaries::", stringify!($test))
    };
}

fn nothing(_: &Asked) -> Reply {
    Reply::status(404)
}

/// The number at the end of a path.
fn number(asked: &Asked) -> usize {
    asked.path.rsplit('/').next().and_then(|number| number.parse().ok()).expect("the path ends in a number")
}

fn refused(ran: &Ran, what: &str) {
    assert_eq!(ran.code, 1, "{what}: {ran:?}");
    assert!(ran.stderr.contains("private address"), "{what}: {}", ran.stderr);
}

#[test]
fn every_canary_is_reached_where_it_is_allowed_by_a_flag_or_by_the_list_and_there_alone() {
    let test = name!(every_canary_is_reached_where_it_is_allowed_by_a_flag_or_by_the_list_and_there_alone);
    let Some(world) = World::of_test(test, &[], nothing) else { return };
    let ways = ways();
    for (at, way) in ways.iter().enumerate() {
        // Two ways may be one address.
        world.add(&format!("way-{at}"), &format!("http://{}/{at}", way.host), &[]);
    }
    world.assert_refused(ways.len());
    let addresses: std::collections::BTreeSet<_> = ways.iter().map(|way| way.leads_to).collect();
    for (visited, address) in addresses.iter().enumerate() {
        for (feed, code) in world.collect(&address.to_string()) {
            let at: usize = feed.trim_start_matches("way-").parse().expect("the feed is one of ours");
            let allowed = ways[at].leads_to == *address;
            assert_eq!(code, if allowed { "ok" } else { "net.private" }, "{:?} with {address} allowed", ways[at]);
        }
        assert_eq!(world.visits().len(), visited + 1, "{:?} with {address} allowed", world.visits());
    }
    let ran = world.user.run(&["collect", "--all", "--allow-private"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn no_canary_is_reached_by_what_is_added_diagnosed_or_imported() {
    let test = name!(no_canary_is_reached_by_what_is_added_diagnosed_or_imported);
    let Some(world) = World::of_test(test, &[], nothing) else { return };
    let ways = ways();
    let mut outlines = String::new();
    for way in &ways {
        // The first asks the site for its feeds; the second takes the address as that of a feed.
        let site = format!("http://{}/", way.host);
        refused(&world.user.run(&["add", &site]), &site);
        refused(&world.user.run(&["diagnose", &format!("{site}feed.xml")]), &site);
        write!(outlines, "<outline type='rss' xmlUrl='{site}feed.xml'/>").expect("a string takes all");
    }
    let list = format!("<opml version='2.0'><body>{outlines}</body></opml>");
    let list = world.user.file("list.opml", list);
    world.user.run(&["opml", "import", &list.display().to_string()]);
    let by_name = ways.iter().filter(|way| way.host.ends_with(".example"));
    world.assert_refused(by_name.count());
}

#[test]
fn no_canary_is_reached_by_a_redirect_at_any_hop() {
    let Some(world) = World::of_test(name!(no_canary_is_reached_by_a_redirect_at_any_hop), &[], nothing) else {
        return;
    };
    let ways = ways();
    for at in 0..ways.len() {
        world.add(&format!("to-{at}"), &format!("http://public.example/to/{at}"), &[]);
        world.add(&format!("by-{at}"), &format!("http://public.example/by/{at}"), &[]);
    }
    world.assert_refused(2 * ways.len());
}

#[test]
fn no_canary_is_reached_by_what_a_page_or_a_document_names() {
    let answer = |asked: &Asked| {
        let target = format!("http://{}/feed.xml", ways()[number(asked)].host);
        match asked.path.split('/').nth(1) {
            Some("page") => Reply::ok(format!(
                "<html><head><link rel='alternate' type='application/rss+xml' href='{target}'><link rel='canonical' \
                 href='{target}'><meta http-equiv='refresh' content='0; url={target}'></head><body><a href='{target}'>\
                 RSS</a></body></html>"
            ))
            .with("Content-Type", "text/html"),
            Some("next") => Reply::ok(format!(r#"{{"data":[{{"id":"1"}}],"next":"{target}"}}"#)),
            Some("link") => Reply::ok(r#"{"data":[{"id":"1"}]}"#).with("Link", format!("<{target}>; rel=\"next\"")),
            _ => Reply::ok(format!("<sitemapindex><sitemap><loc>{target}</loc></sitemap></sitemapindex>")),
        }
    };
    let Some(world) = World::of_test(name!(no_canary_is_reached_by_what_a_page_or_a_document_names), &[], answer)
    else {
        return;
    };
    let mut feeds = 0;
    for (at, way) in ways().iter().enumerate() {
        let page = format!("http://public.example/page/{at}");
        let found = world.user.run(&["add", &page, "--first", "--name", &format!("page-{at}")]);
        if found.code == 0 {
            // A name is looked up when the feed is fetched.
            assert!(way.host.ends_with(".example"), "{way:?}: {found:?}");
            feeds += 1;
        }
        let adapters: [(&str, &[&str]); 3] = [
            ("next", &["--adapter", "json", "-o", "items=$.data[*]", "-o", "key=id", "-o", "next=$.next"]),
            ("link", &["--adapter", "json", "-o", "items=$.data[*]", "-o", "key=id", "-o", "link_header=true"]),
            ("index", &["--adapter", "sitemap"]),
        ];
        for (kind, words) in adapters {
            world.add(&format!("{kind}-{at}"), &format!("http://public.example/{kind}/{at}"), words);
            feeds += 1;
        }
    }
    world.assert_refused(feeds);
}

#[test]
fn no_canary_is_reached_by_an_enclosure_a_picture_or_a_link_of_an_item() {
    let answer = |_: &Asked| {
        let mut items = String::new();
        for way in ways() {
            let url = format!("http://{}/a.mp3", way.host);
            write!(
                items,
                "<item><guid>{url}</guid><link>{url}</link><comments>{url}</comments><enclosure url='{url}' length='1' \
                 type='audio/mpeg'/><media:content url='{url}'/><media:thumbnail url='{url}'/><source url='{url}'/>\
                 <description>&lt;img src='{url}'&gt;</description></item>"
            )
            .expect("a string takes all");
        }
        let url = "http://10.1.2.3/";
        Reply::ok(format!(
            "<rss version='2.0' xmlns:media='http://search.yahoo.com/mrss/' xmlns:atom='http://www.w3.org/2005/Atom'>\
             <channel><title>t</title><link>{url}</link><image><url>{url}</url></image><atom:link rel='hub' href='{url}'/>\
             <atom:link rel='self' href='{url}'/><atom:link rel='next' href='{url}'/><cloud domain='10.1.2.3' port='80' \
             path='/' protocol='http-post'/>{items}</channel></rss>"
        ))
    };
    let test = name!(no_canary_is_reached_by_an_enclosure_a_picture_or_a_link_of_an_item);
    let Some(world) = World::of_test(test, &[], answer) else { return };
    world.add("news", "http://public.example/feed", &[]);
    assert_eq!(world.collect(""), [("news".to_owned(), "ok".to_owned())]);
    world.assert_unvisited();
}

#[test]
fn no_canary_is_reached_by_a_name_that_leads_elsewhere_the_next_time() {
    let public = "93.184.216.34";
    let names: [(&str, &[&[&str]]); 4] = [
        ("turning.example", &[&[public], &["10.1.2.3"]]),
        ("again.example", &[&[public], &["169.254.169.254"]]),
        ("mixed.example", &[&[public, "10.1.2.3"]]),
        ("mixed-6.example", &[&[public, "::1"]]),
    ];
    let answer = |asked: &Asked| match asked.path.as_str() {
        // To itself, over a connection of its own.
        "/around" => Reply::status(302).with("Location", "/feed").with("Connection", "close"),
        _ => feed(),
    };
    let test = name!(no_canary_is_reached_by_a_name_that_leads_elsewhere_the_next_time);
    let Some(world) = World::of_test(test, &names, answer) else { return };
    world.add("turning", "http://turning.example/feed", &[]);
    // What was looked up once is what is connected to.
    assert_eq!(world.collect(""), [("turning".to_owned(), "ok".to_owned())]);
    assert_eq!(world.names.lookups("turning.example"), 1);
    world.add("again", "http://again.example/around", &[]);
    world.add("mixed", "http://mixed.example/feed", &[]);
    world.add("mixed-6", "http://mixed-6.example/feed", &[]);
    world.assert_refused(4);
    assert_eq!([2, 2], ["turning.example", "again.example"].map(|name| world.names.lookups(name)));
}

#[test]
fn an_allowed_host_leads_where_its_name_does_at_its_port_and_no_further() {
    let names: [(&str, &[&[&str]]); 2] = [("nas.lan", &[&["192.168.0.1"]]), ("other.lan", &[&["192.168.0.1"]])];
    let test = name!(an_allowed_host_leads_where_its_name_does_at_its_port_and_no_further);
    let Some(world) = World::of_test(test, &names, nothing) else { return };
    let nas = Site::start_at(([192, 168, 0, 1], 8081).into(), |asked| match asked.path.as_str() {
        "/feed" => feed(),
        path => Reply::status(302).with("Location", format!("http:/{path}")),
    });
    let feeds = [
        ("nas", "nas.lan:8081/feed", "ok"),
        ("back", "nas.lan:8081/nas.lan:8081/feed", "ok"),
        ("away", "nas.lan:8081/10.1.2.3/feed", "net.private"),
        ("port", "nas.lan:8081/nas.lan/feed", "net.private"),
        ("other", "other.lan:8081/feed", "net.private"),
        ("literal", "192.168.0.1:8081/feed", "net.private"),
    ];
    for (name, address, _) in feeds {
        world.add(name, &format!("http://{address}"), &[]);
    }
    let mut told = world.collect("nas.lan:8081");
    told.sort();
    let mut expected = feeds.map(|(name, _, code)| (name.to_owned(), code.to_owned()));
    expected.sort();
    assert_eq!(told, expected);
    assert!(nas.connections() > 0);
    world.assert_unvisited();
}
