//! HTML of strangers made safe to show.

use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};
use url::Url;

use super::tame::{names, push_escaped, push_text, tamed};
use super::{looks_like_html, plain_text, tidy};
use crate::model::{Text, TextKind};

/// The longest text that is parsed as HTML: the longest field there is (`Limits`).
const LONGEST: usize = 4 << 20;
/// How often a text is cleaned until cleaning it changes nothing. Two do, the second to find that out.
const MOST_ROUNDS: usize = 4;

/// What becomes of pictures: to show one, a browser asks a stranger's server for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Images {
    /// They are links, or text, that say what they show.
    #[default]
    Hidden,
    /// They are shown.
    Shown,
}

impl Text {
    /// What a reader sees of it, as HTML that is safe to show, links in it resolved against a base. It is read as what
    /// [`Text::plain`] takes it for.
    pub fn safe_html(&self, base: Option<&Url>, images: Images) -> String {
        match &self.kind {
            TextKind::Html | TextKind::Xhtml => safe_html(&self.value, base, images),
            TextKind::Unsaid if looks_like_html(&self.value) => safe_html(&self.value, base, images),
            TextKind::Media(media) if media.contains("html") => safe_html(&self.value, base, images),
            TextKind::Media(media) if !media.starts_with("text/") && media.contains('/') => String::new(),
            _ => escaped_html(&tidy(&self.value)).replace('\n', "<br>"),
        }
    }
}

/// HTML that is safe to show in a page of one's own: the elements of running text and of tables, addresses of http, https
/// and mailto that were resolved against the base, and no attribute that does anything. A link without a usable address
/// is text.
///
/// What is safe already stays as it is. What is too much to be parsed (4 MiB, or 200 000 tags and references) is shown as the plain text
/// of it. A base that is no address of the web counts as none.
///
/// ```
/// use feedspine_parse::{Images, safe_html};
///
/// let html = "<p onclick=x()>Tides<script>x()</script> <a href='javascript:x()'>and</a> <img src=//a.example/1 alt=moons>";
/// let base = "https://b.example/".parse()?;
/// let safe = "<p>Tides and <a href=\"https://a.example/1\" rel=\"noopener noreferrer nofollow\">moons</a></p>";
/// assert_eq!(safe_html(html, Some(&base), Images::Hidden), safe);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn safe_html(html: &str, base: Option<&Url>, images: Images) -> String {
    let base = base.filter(|base| ["http", "https"].contains(&base.scheme()));
    let mut safe = match html.len() {
        0..=LONGEST => cleaned(html, base, images),
        _ => None,
    };
    for _ in 1..MOST_ROUNDS {
        let Some(before) = safe else { break };
        let after = cleaned(&before, base, images);
        if after.as_ref() == Some(&before) {
            return before;
        }
        safe = after;
    }
    let mut shown = "<pre>".to_owned();
    push_text(&mut shown, &plain_text(html));
    shown + "</pre>"
}

/// Text as HTML, safe within an element and within a quoted value.
pub fn escaped_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    push_escaped(&mut out, text);
    out
}

/// Written anew, so that parsing it is cheap, then parsed as a browser does, with an allow list.
fn cleaned(html: &str, base: Option<&Url>, images: Images) -> Option<String> {
    tamed(html, base, images).map(|tamed| ALLOWED.clean(&tamed).to_string())
}

static ALLOWED: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut allowed = Builder::empty();
    allowed
        .tags(names().collect())
        .generic_attributes(["dir", "lang", "title"].into())
        .tag_attributes(
            [
                ("a", ["href"].into()),
                ("img", ["alt", "src"].into()),
                ("ol", ["start"].into()),
                ("td", ["colspan", "rowspan"].into()),
                ("th", ["colspan", "rowspan"].into()),
            ]
            .into(),
        )
        .url_schemes(["http", "https", "mailto"].into())
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"));
    allowed
});

#[cfg(test)]
mod tests;
