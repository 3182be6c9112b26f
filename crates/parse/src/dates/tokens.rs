//! Cuts a date's text into numbers, words and marks.

/// No date that is understood has more.
const MAX_TOKENS: usize = 24;

/// A piece of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A run of ASCII digits: its value, and how many digits. Leading zeros count.
    Number { value: u32, digits: usize },
    /// More digits than any field of a date has, such as a long fraction: its first six as a number.
    Long { first_six: u32, digits: usize },
    /// A run of letters.
    Word(&'a str),
    /// One of `- + : . / ,`
    Mark(u8),
}

/// The pieces of a date.
#[derive(Debug)]
pub(super) struct Tokens<'a> {
    all: [Token<'a>; MAX_TOKENS],
    count: usize,
}

impl<'a> Tokens<'a> {
    pub(super) fn as_slice(&self) -> &[Token<'a>] {
        &self.all[..self.count]
    }

    fn push(&mut self, token: Token<'a>) -> Option<()> {
        *self.all.get_mut(self.count)? = token;
        self.count += 1;
        Some(())
    }
}

/// Cuts; `None` when there is a character that no date has, or too many pieces. Comments in parentheses are left out
/// (RFC 2822, section 3.2.3); one may hold others.
pub(super) fn split(text: &str) -> Option<Tokens<'_>> {
    let mut tokens = Tokens { all: [Token::Mark(b' '); MAX_TOKENS], count: 0 };
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '0'..='9' => {
                let length = run(rest, |c| c.is_ascii_digit());
                tokens.push(number(&rest[..length]))?;
                length
            }
            '-' | '+' | ':' | '.' | '/' | ',' => {
                tokens.push(Token::Mark(rest.as_bytes()[0]))?;
                1
            }
            '(' => comment(rest),
            c if c.is_whitespace() => c.len_utf8(),
            c if is_letter(c) => {
                let length = run(rest, is_letter);
                tokens.push(Token::Word(&rest[..length]))?;
                length
            }
            _ => return None,
        };
        rest = &rest[length..];
    }
    Some(tokens)
}

fn is_letter(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn run(text: &str, belongs: fn(char) -> bool) -> usize {
    text.find(|c| !belongs(c)).unwrap_or(text.len())
}

fn number(digits: &str) -> Token<'static> {
    let value = |digits: &str| digits.bytes().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
    if digits.len() <= 8 {
        Token::Number { value: value(digits), digits: digits.len() }
    } else {
        Token::Long { first_six: value(&digits[..6]), digits: digits.len() }
    }
}

/// How long the comment is that begins here; one that is never closed goes to the end.
fn comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + c.len_utf8();
        }
    }
    text.len()
}
