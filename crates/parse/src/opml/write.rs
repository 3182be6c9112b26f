//! [`write_opml`]: a list of feeds for other readers.

use std::collections::BTreeMap;

use feedspine_core::Timestamp;

/// A feed to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlineToWrite<'a> {
    /// What it is called.
    pub title: &'a str,
    /// Its address.
    pub address: &'a str,
    /// Its tags; one with slashes is a path of folders.
    pub tags: &'a [String],
}

/// Names without a place of their own stand here.
#[derive(Default)]
struct Folder<'a> {
    folders: BTreeMap<&'a str, Folder<'a>>,
    feeds: Vec<(&'a OutlineToWrite<'a>, String)>,
}

/// Writes OPML 2.0. What is read again by [`parse_opml`](super::parse_opml) names the same feeds with the same tags.
///
/// A feed stands in the folder of its first tag and names the others as categories, so that readers that know folders
/// only keep it once. A tag with a comma can be no category (they are separated by commas): it is a folder always.
/// Folders and feeds come in the order of their names.
pub fn write_opml(title: &str, created: Timestamp, feeds: &[OutlineToWrite<'_>]) -> String {
    let mut root = Folder::default();
    for feed in feeds {
        let (with_comma, plain): (Vec<&String>, Vec<&String>) = feed.tags.iter().partition(|tag| tag.contains(','));
        let mut folders: Vec<&str> = plain.first().into_iter().chain(&with_comma).map(|tag| tag.as_str()).collect();
        if folders.is_empty() {
            folders.push("");
        }
        let categories: Vec<String> = plain.iter().skip(1).map(|tag| category(tag)).collect();
        for (place, folder) in folders.into_iter().enumerate() {
            let categories = if place == 0 { categories.join(",") } else { String::new() };
            root.at(folder).feeds.push((feed, categories));
        }
    }
    let mut out =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<opml version=\"2.0\">\n  <head>\n    <title>");
    escape_into(title, &mut out);
    out.push_str("</title>\n    <dateCreated>");
    out.push_str(&rfc822(created));
    out.push_str("</dateCreated>\n  </head>\n  <body>\n");
    root.write(2, &mut out);
    out.push_str("  </body>\n</opml>\n");
    out
}

/// A path begins with a slash; a single word is a tag.
fn category(tag: &str) -> String {
    if tag.contains('/') { format!("/{tag}") } else { tag.to_owned() }
}

impl<'a> Folder<'a> {
    /// The folder of that path.
    fn at(&mut self, path: &'a str) -> &mut Self {
        let names = path.split('/').filter(|name| !name.is_empty());
        names.fold(self, |folder, name| folder.folders.entry(name).or_default())
    }

    fn write(&mut self, depth: usize, out: &mut String) {
        let indent = "  ".repeat(depth);
        for (name, folder) in &mut self.folders {
            out.push_str(&indent);
            out.push_str("<outline");
            attribute("text", name, out);
            out.push_str(">\n");
            folder.write(depth + 1, out);
            out.push_str(&indent);
            out.push_str("</outline>\n");
        }
        self.feeds.sort_by_key(|(feed, _)| (feed.title, feed.address));
        for (feed, categories) in &self.feeds {
            out.push_str(&indent);
            out.push_str("<outline type=\"rss\"");
            attribute("text", feed.title, out);
            attribute("xmlUrl", feed.address, out);
            if !categories.is_empty() {
                attribute("category", categories, out);
            }
            out.push_str("/>\n");
        }
    }
}

fn attribute(name: &str, value: &str, out: &mut String) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape_into(value, out);
    out.push('"');
}

/// Writes a text as XML; characters that no document may hold are left out (XML 1.0, section 2.2).
fn escape_into(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\0'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => {}
            c => out.push(c),
        }
    }
}

/// A date as OPML has them (RFC 822, with the year in four digits).
fn rfc822(at: Timestamp) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = at.to_string();
    let month: usize = text[5..7].parse().expect("an instant names its month in two digits");
    format!("{} {} {} {} GMT", &text[8..10], MONTHS[month - 1], &text[..4], &text[11..19])
}
