//! HTML that is safe to show: a byte that chooses what becomes of pictures and whether there is a base, then HTML.

use feedspine_parse::{Images, safe_html};
use url::Url;

pub(crate) fn run(bytes: &[u8]) {
    let [choice, html @ ..] = bytes else { return };
    let html = String::from_utf8_lossy(html);
    let images = if choice % 2 == 0 { Images::Hidden } else { Images::Shown };
    let base = Url::parse("https://a.example/news/1").expect("it is an address");
    let base = Some(&base).filter(|_| choice % 4 < 2);
    let safe = safe_html(&html, base, images);
    assert_eq!(safe_html(&safe, base, images), safe, "what is safe was changed");
    let mut rest = safe.as_str();
    while let Some(at) = rest.find('<') {
        assert!(!rest[..at].contains('>'), "a > stands outside of a tag in {safe}");
        rest = behind_tag(&rest[at + 1..], images).unwrap_or_else(|| panic!("{} in {safe}", &rest[at..]));
    }
}

/// What follows a tag that may be shown, written as strictly as can be.
fn behind_tag(tag: &str, images: Images) -> Option<&str> {
    let tag = tag.strip_prefix('/').unwrap_or(tag);
    let (name, mut rest) = tag.split_at(tag.find(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit())?);
    let acts =
        ["script", "style", "svg", "math", "iframe", "object", "embed", "form", "base", "meta", "link", "template"];
    if name.is_empty() || acts.contains(&name) || name == "img" && images == Images::Hidden {
        return None;
    }
    while let Some(attribute) = rest.strip_prefix(' ') {
        let (attribute, value) = attribute.split_once("=\"")?;
        let (value, behind) = value.split_once('"')?;
        let leads = |schemes: &[&str]| schemes.iter().any(|scheme| value.starts_with(scheme));
        let may_be = match attribute {
            "href" => name == "a" && leads(&["http://", "https://", "mailto:"]),
            "src" => name == "img" && leads(&["http://", "https://"]),
            "rel" => value == "noopener noreferrer nofollow",
            "alt" | "colspan" | "dir" | "lang" | "rowspan" | "start" | "title" => true,
            _ => false,
        };
        if !may_be {
            return None;
        }
        rest = behind;
    }
    rest.strip_prefix('>')
}
