//! A record as a page for a browser. What feeds say is made safe here, when it is shown, and is stored as it was published.

use feedspine_core::{Json, Record, Timestamp};
use feedspine_parse::{Images, Text, TextKind, escaped_html, plain_text};
use url::Url;

/// One record as a page of HTML that stands by itself and asks nobody for anything, but for pictures when they are to be
/// shown.
///
/// Which members hold HTML is what the parser said of them; a text of which nobody said what it is is taken for HTML when
/// it looks like it. All else is escaped. Relative links lead from the text's own base, else from the record's link.
pub fn record_page(record: &Record, images: Images) -> String {
    let content = record.content.to_json();
    let member = |name: &str| content.get(name).and_then(Json::as_str);
    let mut page = head(&title(&content), images);
    push_field(&mut page, "link", member("link").map(link));
    push_field(&mut page, "author", people(&content));
    push_field(&mut page, "published", date(record.published, member("published")));
    push_field(&mut page, "updated", date(record.updated, member("updated")));
    page.push_str("</dl>\n");
    page.push_str(&body(&content, images));
    push_enclosures(&mut page, &content);
    let key = escaped_html(record.key.key());
    let namespace = escaped_html(record.key.namespace().as_str());
    let (version, layer, since) = (record.version, record.layer, record.recorded_at);
    page + &format!(
        "</article>\n<footer><p>{namespace} {key}, version {version}, {layer}, since {since}</p></footer>\n\
         </body>\n</html>\n"
    )
}

/// All up to the first field. No script, style or form of anybody's runs in the page, whatever else went wrong.
fn head(title: &str, images: Images) -> String {
    let pictures = if images == Images::Shown { " img-src http: https:;" } else { "" };
    format!(
        "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none';{pictures} base-uri 'none'; \
         form-action 'none'\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{title}</title>\n</head>\n<body>\n<article>\n<h1 dir=\"auto\">{title}</h1>\n<dl>\n"
    )
}

/// What a reader sees of the title; as it stands when that is nothing.
fn title(content: &Json) -> String {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let title = text_of(content, ["title", "title_base", "title_type"]);
    let said = title.map(|title| [words(&title.plain()), words(&title.value)]).unwrap_or_default();
    let title = said.into_iter().find(|said| !said.is_empty());
    title.map_or_else(|| "(untitled)".to_owned(), |title| escaped_html(&title))
}

/// The contents of an item, or its summary when a reader sees nothing of them.
fn body(content: &Json, images: Images) -> String {
    let item_link = content.get("link").and_then(Json::as_str).and_then(address);
    let show = |text: &Text| shown(text, item_link.as_ref(), images);
    let body: String = contents(content).iter().map(show).collect();
    if !body.is_empty() {
        return body;
    }
    text_of(content, ["summary", "summary_base", "summary_type"]).as_ref().map(show).unwrap_or_default()
}

/// A text and where more of it is; nothing when a reader sees nothing of it.
fn shown(text: &Text, item_link: Option<&Url>, images: Images) -> String {
    let base = text.base.as_deref().and_then(address);
    let html = text.safe_html(base.as_ref().or(item_link), images);
    let mut out = String::new();
    if html.contains("<img ") || !plain_text(&html).is_empty() {
        out.extend(["<div dir=\"auto\">\n", &html, "\n</div>\n"]);
    }
    if let Some(elsewhere) = &text.src {
        out.extend(["<p>", &link(elsewhere), "</p>\n"]);
    }
    out
}

fn contents(content: &Json) -> Vec<Text> {
    let text = |one: &Json| {
        let src = one.get("src").and_then(Json::as_str).map(str::to_owned);
        Some(Text { src, ..text_of(one, ["value", "base", "type"])? })
    };
    match content.get("content") {
        Some(Json::Array(contents)) => contents.iter().filter_map(text).collect(),
        Some(Json::String(value)) => vec![Text { value: value.clone(), ..Text::default() }],
        _ => Vec::new(),
    }
}

/// The text whose value, base and kind are members of those names.
fn text_of(object: &Json, [value, base, kind]: [&str; 3]) -> Option<Text> {
    let member = |name: &str| object.get(name).and_then(Json::as_str).map(str::to_owned);
    let kind = TextKind::from_word(object.get(kind).and_then(Json::as_str));
    Some(Text { value: member(value)?, kind, base: member(base), ..Text::default() })
}

fn people(content: &Json) -> Option<String> {
    let Json::Array(authors) = content.get("authors")? else { return None };
    let said = |author: &Json| {
        let words = ["name", "email", "uri"].iter().find_map(|name| author.get(name)?.as_str());
        author.as_str().or(words).map(escaped_html)
    };
    Some(authors.iter().filter_map(said).collect::<Vec<_>>().join(", ")).filter(|authors| !authors.is_empty())
}

/// The instant, else the date as it stood.
fn date(at: Option<Timestamp>, said: Option<&str>) -> Option<String> {
    at.map(|at| format!("<time>{at}</time>")).or_else(|| said.map(escaped_html))
}

fn push_field(page: &mut String, name: &str, value: Option<String>) {
    if let Some(value) = value {
        page.extend(["<dt>", name, "</dt><dd>", &value, "</dd>\n"]);
    }
}

fn push_enclosures(page: &mut String, content: &Json) {
    let Some(Json::Array(enclosures)) = content.get("enclosures") else { return };
    let mut items = String::new();
    for enclosure in enclosures {
        let member = |name: &str| enclosure.get(name).and_then(Json::as_str);
        let Some(href) = member("href") else { continue };
        let bytes = member("length").map(|length| format!("{length} bytes"));
        let details = [member("title"), member("type"), bytes.as_deref()].into_iter().flatten();
        items.extend(["<li>", &link(href)]);
        for detail in details {
            items.extend([", ", &escaped_html(detail)]);
        }
        items.push_str("</li>\n");
    }
    if !items.is_empty() {
        page.extend(["<h2>Enclosures</h2>\n<ul>\n", &items, "</ul>\n"]);
    }
}

/// A link to an address of the web; any other is text.
fn link(said: &str) -> String {
    let words = escaped_html(said);
    match address(said) {
        Some(url) => {
            let href = escaped_html(url.as_str());
            format!("<a href=\"{href}\" rel=\"noopener noreferrer nofollow\">{words}</a>")
        }
        None => words,
    }
}

fn address(said: &str) -> Option<Url> {
    Url::parse(said).ok().filter(|url| ["http", "https"].contains(&url.scheme()))
}

#[cfg(test)]
mod tests;
