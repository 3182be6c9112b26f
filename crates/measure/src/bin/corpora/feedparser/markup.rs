//! Whether two pieces of HTML are the same but for their writing: feedparser writes HTML anew, we keep it.

use std::collections::BTreeMap;

use feedspine_parse::plain_text;

/// A piece of HTML without its writing.
#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Tag(String, BTreeMap<String, String>),
}

/// The same texts and tags in the same order, whatever quotes, references and order of attributes they are written with.
pub(super) fn is_same(ours: &str, wanted: &str) -> bool {
    let marked = |html: &str| html.contains(['<', '&']);
    (marked(ours) || marked(wanted)) && pieces(ours) == pieces(wanted)
}

fn pieces(html: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        push_text(&mut pieces, &rest[..at]);
        rest = &rest[at + 1..];
        let end = end_of_tag(rest);
        push_tag(&mut pieces, rest[..end].trim_end_matches(['/', ' ']));
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    push_text(&mut pieces, rest);
    pieces
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    let text = plain_text(text);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
}

fn push_tag(pieces: &mut Vec<Piece>, source: &str) {
    let (name, mut rest) = source.split_once(char::is_whitespace).unwrap_or((source, ""));
    let mut attributes = BTreeMap::new();
    while let Some((name, after)) = rest.split_once('=') {
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (value, next) = match quote {
            Some(quote) => after[1..].split_once(quote).unwrap_or((&after[1..], "")),
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        // A `<` in a value is no tag to a reader of attributes.
        attributes.insert(name.trim().to_lowercase(), plain_text(&value.replace('<', "&lt;")));
        rest = next;
    }
    pieces.push(Piece::Tag(name.to_lowercase(), attributes));
}

fn end_of_tag(rest: &str) -> usize {
    let mut quote = None;
    for (at, c) in rest.char_indices() {
        match (quote, c) {
            (None, '>') => return at,
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
    }
    rest.len()
}
