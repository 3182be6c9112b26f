//! [`Line`]: text that may be printed. Feeds and servers are strangers: what they say must not drive the terminal, so a
//! line can only be made of text that was cleaned.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How a piece of a line looks where colours are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Style {
    /// As the terminal does it.
    #[default]
    Plain,
    /// Headings and names.
    Strong,
    /// What matters less.
    Faint,
    /// What was gained.
    Good,
    /// What deserves a look.
    Notable,
    /// What is wrong.
    Bad,
}

impl Style {
    /// The parameters of the SGR sequence (ECMA-48 section 8.3.117); the first eight colours, which every theme sets.
    const fn parameters(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Strong => "1",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Notable => "33",
            Self::Bad => "1;31",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    style: Style,
    text: String,
}

/// One line, made of cleaned pieces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Line(Vec<Piece>);

impl Line {
    /// An empty line.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A line of one piece.
    pub(crate) fn of(style: Style, text: impl AsRef<str>) -> Self {
        Self::new().then(style, text)
    }

    /// Adds a piece.
    pub(crate) fn then(mut self, style: Style, text: impl AsRef<str>) -> Self {
        let text = clean(text.as_ref());
        if !text.is_empty() {
            self.0.push(Piece { style, text });
        }
        self
    }

    /// Adds plain text.
    pub(crate) fn plain(self, text: impl AsRef<str>) -> Self {
        self.then(Style::Plain, text)
    }

    /// Adds another line's pieces.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The columns it takes.
    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|piece| piece.text.width()).sum()
    }

    /// Adds blanks until it takes so many columns.
    pub(crate) fn pad_to(self, columns: usize) -> Self {
        let missing = columns.saturating_sub(self.width());
        self.plain(" ".repeat(missing))
    }

    /// Cuts it to so many columns; a cut is marked by `…`.
    pub(crate) fn cut_to(mut self, columns: usize) -> Self {
        if self.width() <= columns {
            return self;
        }
        let mut left = columns.saturating_sub(1);
        for at in 0..self.0.len() {
            let piece = &mut self.0[at];
            let width = piece.text.width();
            if width <= left {
                left -= width;
                continue;
            }
            let end = fitting(&piece.text, left);
            piece.text.truncate(end);
            piece.text.push('…');
            self.0.truncate(at + 1);
            break;
        }
        self
    }

    /// The text to write, with colours or without.
    pub(super) fn render(&self, coloured: bool) -> String {
        let mut text = String::new();
        for piece in &self.0 {
            if coloured && piece.style != Style::Plain {
                text.extend(["\u{1b}[", piece.style.parameters(), "m", &piece.text, "\u{1b}[0m"]);
            } else {
                text.push_str(&piece.text);
            }
        }
        text.truncate(text.trim_end_matches(' ').len());
        text
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        Self::of(Style::Plain, text)
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self::of(Style::Plain, text)
    }
}

/// Where the text must end to take at most so many columns.
fn fitting(text: &str, columns: usize) -> usize {
    let mut taken = 0;
    for (at, c) in text.char_indices() {
        taken += c.width().unwrap_or(0);
        if taken > columns {
            return at;
        }
    }
    text.len()
}

/// The beginning of a text, at most so many characters, on one line: a title may be megabytes long.
pub(crate) fn excerpt(text: &str, characters: usize) -> String {
    let mut short = String::new();
    let mut taken = 0;
    for c in text.trim().chars() {
        let c = if c.is_whitespace() { ' ' } else { c };
        if c == ' ' && short.ends_with(' ') {
            continue;
        }
        if taken == characters {
            return format!("{}…", short.trim_end());
        }
        short.push(c);
        taken += 1;
    }
    short
}

/// Lines of at most so many columns, broken at white space where there is some.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut push = |word: &str| {
        let last = lines.last_mut().expect("there is a line");
        if last.is_empty() {
            last.push_str(word);
        } else if last.width() + 1 + word.width() <= columns {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    };
    for mut word in text.split_whitespace() {
        while !word.is_empty() {
            let (head, tail) = word.split_at(fitting(word, columns.max(2)));
            push(head);
            word = tail;
        }
    }
    lines
}

/// The text without anything that a terminal obeys: white space becomes a blank; control characters, marks that turn the
/// direction of writing, and marks that show nothing become visible escapes such as `\u{9b}`.
fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}' => cleaned.push(' '),
            c if c.is_control() || turns_direction(c) || shows_nothing(c) => cleaned.extend(c.escape_unicode()),
            c => cleaned.push(c),
        }
    }
    cleaned
}

/// JSON text in which the same characters are written as JSON's own escapes: as data it is the same.
pub(crate) fn clean_json(document: &str) -> String {
    let mut cleaned = String::with_capacity(document.len());
    for c in document.chars() {
        if c.is_control() || turns_direction(c) || shows_nothing(c) {
            cleaned.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            cleaned.push(c);
        }
    }
    cleaned
}

/// The characters of Unicode's property `Bidi_Control` (UAX #9 section 2).
const fn turns_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Invisible characters by which two texts look alike. The joiners stay: scripts and emoji need them.
const fn shows_nothing(c: char) -> bool {
    matches!(c, '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use feedspine::core::Json;

    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_shown_not_done() {
        for (text, shown) in [
            ("\u{1b}[31mred", "\\u{1b}[31mred"),
            ("\u{9b}31mred", "\\u{9b}31mred"),
            ("\u{1b}]0;pwn\u{7}", "\\u{1b}]0;pwn\\u{7}"),
            ("gpj.\u{202e}exe", "gpj.\\u{202e}exe"),
            ("a\u{200b}b", "a\\u{200b}b"),
            ("a\tb\r\nc", "a b  c"),
            ("café 👩\u{200d}🚀 日本", "café 👩\u{200d}🚀 日本"),
        ] {
            assert_eq!(Line::from(text).render(true), shown);
        }
    }

    #[test]
    fn json_says_the_same_in_escapes() {
        let document = Json::from("a\u{9b}b\u{202e}c\u{e0041}d\ne");
        let cleaned = clean_json(&document.to_string());
        assert_eq!(cleaned, "\"a\\u009bb\\u202ec\\udb40\\udc41d\\ne\"");
        assert_eq!(Json::parse(&cleaned).unwrap(), document);
    }

    #[test]
    fn a_line_is_cut_at_the_columns_it_takes_not_at_its_characters() {
        let line = Line::of(Style::Strong, "日本語").plain(" news");
        assert_eq!(line.width(), 11);
        assert_eq!(line.clone().cut_to(11), line);
        assert_eq!(line.clone().cut_to(8).render(false), "日本語 …");
        assert_eq!(line.clone().cut_to(6).render(false), "日本…");
        assert_eq!(line.cut_to(0).render(false), "…");
    }

    #[test]
    fn colours_are_left_out_where_they_are_not_wanted() {
        let line = Line::of(Style::Bad, "no").plain("  ");
        assert_eq!(line.render(true), "\u{1b}[1;31mno\u{1b}[0m");
        assert_eq!(line.render(false), "no");
    }

    #[test]
    fn an_excerpt_is_short_however_long_the_text_is() {
        assert_eq!(excerpt(" a \n b ", 10), "a b");
        assert_eq!(excerpt("abcdef", 3), "abc…");
        assert_eq!(excerpt(&"日".repeat(1_000_000), 2), "日日…");
        assert_eq!(excerpt("", 3), "");
    }

    #[test]
    fn wraps_at_blanks_and_breaks_words_that_are_too_long() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 3), [""]);
    }
}
