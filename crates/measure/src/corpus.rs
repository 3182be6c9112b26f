//! Generated feed documents in the mix that is met in the wild: RSS 2.0, Atom, RDF and JSON Feed; CDATA, escaped HTML and
//! XHTML; items of one to three kilobytes.

use std::fmt::Write as _;

use crate::random::Random;

/// One document, as a server would send it.
#[derive(Debug, Clone)]
pub struct FeedFile {
    /// The `Content-Type` it comes with.
    pub content_type: &'static str,
    /// Its body.
    pub bytes: Vec<u8>,
    /// How many items it holds.
    pub items: usize,
}

impl FeedFile {
    /// Whether the document is XML, that is, not JSON Feed.
    pub fn is_xml(&self) -> bool {
        self.content_type != "application/feed+json"
    }
}

/// `count` documents. Of ten: five RSS 2.0, three Atom, one RDF, one JSON Feed.
pub fn documents(count: usize) -> Vec<FeedFile> {
    let mut random = Random::new(2_026);
    let one = |number: usize| {
        let items = 20 + random.below(160);
        let (content_type, text) = match number % 10 {
            0..=4 => ("application/rss+xml", rss(number, items, &mut random)),
            5..=7 => ("application/atom+xml", atom(number, items, &mut random)),
            8 => ("application/rdf+xml", rdf(number, items, &mut random)),
            _ => ("application/feed+json", json_feed(number, items, &mut random)),
        };
        FeedFile { content_type, bytes: text.into_bytes(), items }
    };
    (0..count).map(one).collect()
}

fn html(random: &mut Random) -> String {
    let bytes = 300 + random.below(900);
    let (first, second) = (random.prose(bytes / 2), random.prose(bytes / 2));
    format!("<p>{first} <a href=\"https://example.org/more?a=1&amp;b=2\">more</a></p>\n<p><em>{second}</em></p>")
}

fn escaped(html: &str) -> String {
    html.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn day_of(item: usize) -> (usize, usize) {
    (1 + item % 28, item % 24)
}

fn rss(number: usize, items: usize, random: &mut Random) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\" \
         xmlns:content=\"http://purl.org/rss/1.0/modules/content/\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\">\n\
         <channel>\n<title>Feed {number}</title>\n<link>https://example.org/{number}/</link>\n\
         <description>Generated</description>\n<language>en</language>\n"
    );
    for item in 0..items {
        let (day, hour) = day_of(item);
        let (title, summary, content) = (random.prose(50), random.prose(200), html(random));
        let body = if item % 2 == 0 { format!("<![CDATA[{content}]]>") } else { escaped(&content) };
        writeln!(
            out,
            "<item>\n<title>{title}</title>\n<link>https://example.org/{number}/{item}</link>\n\
             <guid isPermaLink=\"false\">tag:example.org,2026:{number}-{item}</guid>\n<dc:creator>{}</dc:creator>\n\
             <category>one</category>\n<category>two</category>\n\
             <pubDate>Tue, {day:02} Sep 2026 {hour:02}:15:00 +0200</pubDate>\n<description>{summary}</description>\n\
             <content:encoded>{body}</content:encoded>\n</item>",
            random.prose(12),
        )
        .expect("writing to a string cannot fail");
    }
    out + "</channel>\n</rss>\n"
}

fn atom(number: usize, items: usize, random: &mut Random) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n\
         <title>Feed {number}</title>\n<id>urn:example:{number}</id>\n<updated>2026-09-30T00:00:00Z</updated>\n\
         <link rel=\"self\" href=\"https://example.org/{number}/atom\"/>\n"
    );
    for item in 0..items {
        let (day, hour) = day_of(item);
        let (title, content) = (random.prose(50), html(random));
        let body = if item % 3 == 0 {
            format!("<content type=\"xhtml\"><div xmlns=\"http://www.w3.org/1999/xhtml\">{content}</div></content>")
        } else {
            format!("<content type=\"html\">{}</content>", escaped(&content))
        };
        writeln!(
            out,
            "<entry>\n<title>{title}</title>\n<id>urn:example:{number}:{item}</id>\n\
             <link rel=\"alternate\" href=\"https://example.org/{number}/{item}\"/>\n\
             <author><name>{}</name></author>\n<category term=\"one\"/>\n\
             <published>2026-09-{day:02}T{hour:02}:15:00Z</published>\n\
             <updated>2026-09-{day:02}T{hour:02}:45:00Z</updated>\n<summary>{}</summary>\n{body}\n</entry>",
            random.prose(12),
            random.prose(200),
        )
        .expect("writing to a string cannot fail");
    }
    out + "</feed>\n"
}

fn rdf(number: usize, items: usize, random: &mut Random) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\"?>\n<rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" \
         xmlns=\"http://purl.org/rss/1.0/\" xmlns:dc=\"http://purl.org/dc/elements/1.1/\">\n\
         <channel rdf:about=\"https://example.org/{number}/\">\n<title>Feed {number}</title>\n\
         <link>https://example.org/{number}/</link>\n<description>Generated</description>\n</channel>\n"
    );
    for item in 0..items {
        let (day, hour) = day_of(item);
        writeln!(
            out,
            "<item rdf:about=\"https://example.org/{number}/{item}\">\n<title>{}</title>\n\
             <link>https://example.org/{number}/{item}</link>\n<dc:date>2026-09-{day:02}T{hour:02}:15:00+02:00</dc:date>\n\
             <description>{}</description>\n</item>",
            random.prose(50),
            escaped(&html(random)),
        )
        .expect("writing to a string cannot fail");
    }
    out + "</rdf:RDF>\n"
}

fn json_feed(number: usize, items: usize, random: &mut Random) -> String {
    let mut list = Vec::with_capacity(items);
    for item in 0..items {
        let (day, hour) = day_of(item);
        list.push(serde_json::json!({
            "id": format!("https://example.org/{number}/{item}"),
            "url": format!("https://example.org/{number}/{item}"),
            "title": random.prose(50),
            "summary": random.prose(200),
            "content_html": html(random),
            "date_published": format!("2026-09-{day:02}T{hour:02}:15:00+02:00"),
            "authors": [{ "name": random.prose(12) }],
            "tags": ["one", "two"],
        }));
    }
    serde_json::json!({
        "version": "https://jsonfeed.org/version/1.1",
        "title": format!("Feed {number}"),
        "home_page_url": format!("https://example.org/{number}/"),
        "items": list,
    })
    .to_string()
}
