//! The members of an item's content in `show`: all that has no line of its own, in one line each.

use feedspine::core::{Json, Record, Timestamp};
use feedspine::ops::is_date_of;

use super::words::{SHORT, field};
use crate::printer::{Line, excerpt};

/// How much of a member is shown, as of an item's text; `--json` gives all.
pub(super) const LONG: usize = 2_000;

/// What `show` calls what is not the content's: a member of such a name is told apart by its path.
const HEADINGS: [&str; 10] =
    ["key", "namespace", "id", "link", "published", "updated", "version", "seen", "feed", "feeds"];

/// An object as the parser makes it.
struct Made {
    /// What it is called by, or says: the first of these that it has.
    says: &'static [&'static str],
    /// What it may have beside.
    beside: &'static [&'static str],
}

const PERSON: Made = Made { says: &["name", "email", "uri"], beside: &["avatar"] };
const TAG: Made = Made { says: &["label", "term"], beside: &["scheme"] };
const ENCLOSURE: Made = Made { says: &["href"], beside: &["duration", "length", "title", "type"] };
const LINK: Made = Made { says: &["href", "raw"], beside: &["language", "length", "rel", "title", "type"] };
const TEXT: Made = Made { says: &["value"], beside: &["base", "language", "src", "type"] };
const ELEMENT: Made = Made { says: &["text"], beside: &["attributes"] };

impl Made {
    /// What the parser makes under that name.
    fn under(name: &str) -> Option<&'static Self> {
        match name {
            "authors" | "contributors" => Some(&PERSON),
            "tags" => Some(&TAG),
            "enclosures" => Some(&ENCLOSURE),
            "links" => Some(&LINK),
            "content" => Some(&TEXT),
            _ => None,
        }
    }

    /// What such an object says; `None` for one that has other members too, or says nothing.
    fn said<'a>(&self, value: &'a Json) -> Option<&'a str> {
        let Json::Object(members) = value else { return None };
        let is_known = |name: &String| self.says.iter().chain(self.beside).any(|known| known == name);
        let is_made = members.keys().all(is_known);
        self.says.iter().filter(|_| is_made).find_map(|name| value.get(name)?.as_str())
    }
}

/// The item's text: the first of its contents, else its summary.
pub(super) fn text(content: &Json) -> &str {
    first_of_contents(content).or_else(|| content.get("summary")?.as_str()).unwrap_or_default()
}

fn first_of_contents(content: &Json) -> Option<&str> {
    match content.get("content")? {
        Json::Array(texts) => texts.first().and_then(|text| TEXT.said(text)),
        _ => None,
    }
}

/// A line for each member that is not shown under another heading.
pub(super) fn lines(record: &Record, content: &Json) -> Vec<Line> {
    let Json::Object(members) = content else { return vec![field("content", brief(content, None))] };
    let mut lines = Vec::new();
    for (name, value) in members {
        match value {
            _ if is_shown(record, content, name, value) => {}
            Json::Object(spaces) if name == "extensions" && spaces.values().all(are_elements) => {
                let elements = spaces.values().filter_map(|space| match space {
                    Json::Object(elements) => Some(elements),
                    _ => None,
                });
                lines.extend(elements.flatten().map(|(name, value)| line(name, brief(value, Some(&ELEMENT)))));
            }
            // The first one is the item's text.
            Json::Array(texts) if name == "content" && first_of_contents(content).is_some() => {
                lines.extend(texts.iter().skip(1).map(|text| line(name, brief(text, Some(&TEXT)))));
            }
            _ => lines.push(line(name, brief(value, Made::under(name)))),
        }
    }
    lines
}

fn is_shown(record: &Record, content: &Json, name: &str, value: &Json) -> bool {
    let is_date = |at: Option<Timestamp>| value.as_str().zip(at).is_some_and(|(text, at)| is_date_of(text, at));
    match name {
        "title" | "link" => value.as_str().is_some(),
        "id" => value.as_str().map_or_else(|| value.to_string(), str::to_owned) == record.key.key(),
        "published" => is_date(record.published),
        "updated" => is_date(record.updated),
        "summary" => value.as_str().is_some() && first_of_contents(content).is_none(),
        _ => false,
    }
}

/// Whether it is an object of lists of elements, as the parser makes one of each namespace.
fn are_elements(space: &Json) -> bool {
    matches!(space, Json::Object(elements) if elements.values().all(|of_a_name| matches!(of_a_name, Json::Array(_))))
}

fn line(name: &str, value: String) -> Line {
    if HEADINGS.contains(&name) { field(&format!("content.{name}"), value) } else { field(name, value) }
}

/// A value in one line: texts as they are, what the parser made by what it says, any other object as JSON.
fn brief(value: &Json, made: Option<&Made>) -> String {
    let one = |value: &Json| match value {
        Json::String(text) => excerpt(text, SHORT),
        other => match made.and_then(|made| made.said(other)) {
            Some(said) => excerpt(said, SHORT),
            None => other.to_string(),
        },
    };
    let all = match value {
        Json::Array(values) => values.iter().map(one).collect::<Vec<_>>().join(", "),
        other => one(other),
    };
    excerpt(&all, LONG)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_other_members_than_the_parser_makes_is_json() {
        for (name, value, shown) in [
            ("authors", r#"[{"email":"a@b","name":"Ada"},"Bob"]"#, "Ada, Bob"),
            ("authors", r#"[{"name":"Ada","role":"editor"}]"#, r#"{"name":"Ada","role":"editor"}"#),
            ("tags", r#"[{"label":"World","term":"w"},{"term":"v"}]"#, "World, v"),
            ("nested", r#"{"other":42,"text":"a"}"#, r#"{"other":42,"text":"a"}"#),
            ("nested", r#"[{"text":"a"},[1,2]]"#, r#"{"text":"a"}, [1,2]"#),
            ("flag", "false", "false"),
        ] {
            assert_eq!(brief(&Json::parse(value).unwrap(), Made::under(name)), shown, "{name}");
        }
        let element = Json::parse(r#"["a",{"attributes":{"x":"y"},"text":"b"},{"attributes":{"x":"y"}}]"#).unwrap();
        assert_eq!(brief(&element, Some(&ELEMENT)), r#"a, b, {"attributes":{"x":"y"}}"#);
    }

    #[test]
    fn the_text_is_the_first_content_that_the_parser_made_else_the_summary() {
        for (content, told) in [
            (r#"{"content":[{"type":"html","value":"a"},{"value":"b"}],"summary":"s"}"#, "a"),
            (r#"{"content":[{"value":"a","more":1}],"summary":"s"}"#, "s"),
            (r#"{"content":"a","summary":"s"}"#, "s"),
            (r#"{"content":"a"}"#, ""),
        ] {
            assert_eq!(text(&Json::parse(content).unwrap()), told, "{content}");
        }
    }
}
