use super::*;
use crate::document::Input;
use crate::item::{DateForm, ItemKey};
use crate::json_query::JsonQuery;

type Read = fn(&Input<'_>, &ItemRules, u32, &Limits) -> Result<ListPage, ParseError>;

fn read(read: Read, key: &str, body: &str) -> Result<ListPage, ParseError> {
    let rules = ItemRules {
        namespace: "a".parse().unwrap(),
        key: ItemKey::Places(vec![JsonQuery::member(key)]),
        fold_case: false,
        members: Vec::new(),
        dates: DateForm::Text,
    };
    let input = Input { bytes: body.as_bytes(), content_type: None, base: Some("https://a.example/x/list") };
    read(&input, &rules, 0, &Limits::default())
}

fn contents(page: &ListPage) -> Vec<&str> {
    page.candidates.iter().map(|candidate| candidate.content.as_str()).collect()
}

#[test]
fn a_manifest_is_read_in_every_form_that_is_written() {
    let md5 = "297a16b493de7cf6ca809a7cc31d0b93";
    let sha = "a".repeat(64);
    for (line, expected) in [
        (
            format!("150383 {md5} http://data.example/1.export.CSV.zip"),
            format!(
                r#"{{"algorithm":"md5","checksum":"{md5}","name":"http://data.example/1.export.CSV.zip","size":150383,"url":"http://data.example/1.export.CSV.zip"}}"#
            ),
        ),
        (
            format!("{}  a b.tar.gz", sha.to_uppercase()),
            format!(
                r#"{{"algorithm":"sha256","checksum":"{sha}","name":"a b.tar.gz","url":"https://a.example/x/a%20b.tar.gz"}}"#
            ),
        ),
        (
            format!("{md5} *../b"),
            format!(r#"{{"algorithm":"md5","checksum":"{md5}","name":"../b","url":"https://a.example/b"}}"#),
        ),
        (
            format!("SHA256 (c (1).txt) = {sha}"),
            format!(
                r#"{{"algorithm":"sha256","checksum":"{sha}","name":"c (1).txt","url":"https://a.example/x/c%20(1).txt"}}"#
            ),
        ),
        ("d.txt 17".to_owned(), r#"{"name":"d.txt","size":17,"url":"https://a.example/x/d.txt"}"#.to_owned()),
        ("https://b.example/e".to_owned(), r#"{"name":"https://b.example/e","url":"https://b.example/e"}"#.to_owned()),
    ] {
        let page = read(read_manifest, "url", &format!("# list\n\n{line}\n")).unwrap();
        assert_eq!(contents(&page), [expected], "{line}");
    }
}

#[test]
fn a_line_of_a_manifest_that_names_nothing_costs_itself() {
    let page = read(read_manifest, "url", "a.txt 17\nsome words here\nSHA1 (x) = 12\n").unwrap();
    let reasons: Vec<&str> = page.rejects.iter().map(|reject| reject.reason.as_str()).collect();
    assert_eq!((page.candidates.len(), reasons[0].starts_with("line 2: "), reasons.len()), (1, true, 2));
    for (body, code) in [("<html>\n<p>no</p>\n", "adapter.document"), ("# nothing\n", "feed.empty")] {
        assert_eq!(read(read_manifest, "url", body).unwrap_err().code(), code, "{body}");
    }
}

const NEWS: &str = r#"<?xml version="1.0"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"
  xmlns:image="http://www.google.com/schemas/sitemap-image/1.1" xmlns:xhtml="http://www.w3.org/1999/xhtml">
 <url><loc> https://a.example/1?a&amp;b </loc><lastmod>2026-11-24</lastmod>
  <news:news><news:publication><news:name>A</news:name><news:language>en</news:language></news:publication>
   <news:publication_date>2026-11-24T09:00:00+01:00</news:publication_date><news:title><![CDATA[One & only]]></news:title>
  </news:news>
  <image:image><image:loc>https://a.example/1.png</image:loc></image:image>
  <image:image><image:loc>https://a.example/2.png</image:loc></image:image>
  <xhtml:link rel="alternate" hreflang="de" href="https://a.example/de/1"/></url>
 <url><priority>0.5</priority></url>
</urlset>"#;

#[test]
fn entries_of_a_sitemap_have_the_members_of_their_elements() {
    let page = read(read_sitemap, "loc", NEWS).unwrap();
    assert_eq!(
        contents(&page),
        [
            r#"{"image":[{"loc":"https://a.example/1.png"},{"loc":"https://a.example/2.png"}],"lastmod":"2026-11-24","link":{"href":"https://a.example/de/1","hreflang":"de","rel":"alternate"},"loc":"https://a.example/1?a&b","news":{"publication":{"language":"en","name":"A"},"publication_date":"2026-11-24T09:00:00+01:00","title":"One & only"}}"#
        ]
    );
    assert_eq!((page.rejects[0].code.as_str(), page.truncated), ("key.missing", false));
}

#[test]
fn an_index_leads_to_further_sitemaps() {
    let index = "<sitemapindex><sitemap><loc>https://a.example/1.xml.gz</loc><lastmod>2026-11-24</lastmod></sitemap>\
                 <sitemap><loc>2.xml</loc></sitemap><sitemap/></sitemapindex>";
    let page = read(read_sitemap, "loc", index).unwrap();
    let further = |address: &str, changed: Option<&str>| FurtherList {
        address: address.to_owned(),
        changed: changed.map(str::to_owned),
    };
    assert_eq!(
        page.further,
        [further("https://a.example/1.xml.gz", Some("2026-11-24")), further("https://a.example/x/2.xml", None)]
    );
    assert_eq!(page.warnings[0].code, "sitemap.location");
}

#[test]
fn addresses_on_lines_are_a_sitemap_and_other_things_are_none() {
    let page = read(read_sitemap, "loc", "https://a.example/1\n\nno address\nhttps://a.example/2\n").unwrap();
    assert_eq!((page.candidates.len(), page.rejects[0].reason.as_str()), (2, "line 3: it is no address"));
    for (body, code) in [
        ("<rss><channel/></rss>", "adapter.document"),
        ("Not found", "adapter.document"),
        (" ", "feed.empty"),
        ("<!-- -->", "feed.empty"),
    ] {
        assert_eq!(read(read_sitemap, "loc", body).unwrap_err().code(), code, "{body}");
    }
    assert!(read(read_sitemap, "loc", &NEWS[..NEWS.len() - 40]).unwrap().truncated);
}
