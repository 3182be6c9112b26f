//! The canonical text, written straight into one buffer.

use std::fmt::Write as _;

use super::Json;

/// Writes canonical JSON: the caller gives members in byte order of their names, the writer does the rest.
#[derive(Debug, Default)]
pub struct CanonicalWriter {
    out: String,
    #[cfg(debug_assertions)]
    open: Vec<Option<String>>,
}

impl CanonicalWriter {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty writer with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: String::with_capacity(bytes), ..Self::default() }
    }

    /// Begins an object.
    pub fn begin_object(&mut self) {
        self.out.push('{');
        #[cfg(debug_assertions)]
        self.open.push(None);
    }

    /// Ends the innermost object.
    pub fn end_object(&mut self) {
        self.out.push('}');
        #[cfg(debug_assertions)]
        self.open.pop();
    }

    /// Begins an array.
    pub fn begin_array(&mut self) {
        self.out.push('[');
    }

    /// Ends the innermost array.
    pub fn end_array(&mut self) {
        self.out.push(']');
    }

    /// Writes a member's name; names of one object come in ascending byte order.
    pub fn name(&mut self, name: &str) {
        #[cfg(debug_assertions)]
        if let Some(last) = self.open.last_mut() {
            assert!(last.as_deref().is_none_or(|last| last < name), "member {name:?} is out of order");
            *last = Some(name.to_owned());
        }
        self.separate();
        self.quoted(name);
        self.out.push(':');
    }

    /// Writes a string value.
    pub fn string(&mut self, text: &str) {
        self.separate();
        self.quoted(text);
    }

    /// Starts an element of an array that is itself an object or array.
    pub fn element(&mut self) {
        self.separate();
    }

    /// Writes any value.
    pub fn value(&mut self, value: &Json) {
        match value {
            Json::Null => self.bare("null"),
            Json::Bool(true) => self.bare("true"),
            Json::Bool(false) => self.bare("false"),
            Json::Number(number) => self.bare(number.as_str()),
            Json::String(text) => self.string(text),
            Json::Array(elements) => {
                self.separate();
                self.begin_array();
                for element in elements {
                    self.value(element);
                }
                self.end_array();
            }
            Json::Object(members) => {
                self.separate();
                self.begin_object();
                for (name, member) in members {
                    self.name(name);
                    self.value(member);
                }
                self.end_object();
            }
        }
    }

    /// The text written.
    pub fn finish(self) -> String {
        self.out
    }

    fn bare(&mut self, word: &str) {
        self.separate();
        self.out.push_str(word);
    }

    /// A comma goes between two values: after anything but an opening bracket, a colon or another comma.
    fn separate(&mut self) {
        if !matches!(self.out.as_bytes().last(), None | Some(b'{' | b'[' | b':' | b',')) {
            self.out.push(',');
        }
    }

    fn quoted(&mut self, text: &str) {
        self.out.reserve(text.len() + text.len() / 16 + 2);
        self.out.push('"');
        let bytes = text.as_bytes();
        let mut plain_from = 0;
        while let Some(at) = next_escaped(bytes, plain_from) {
            self.out.push_str(&text[plain_from..at]);
            self.escape(bytes[at]);
            plain_from = at + 1;
        }
        self.out.push_str(&text[plain_from..]);
        self.out.push('"');
    }

    fn escape(&mut self, byte: u8) {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            _ => {
                write!(self.out, "\\u{byte:04x}").expect("writing to a string cannot fail");
                return;
            }
        };
        self.out.push_str(escape);
    }
}

/// Where the next byte stands, from `from` on, that a string must escape: eight bytes are looked at together.
fn next_escaped(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    while let Some(eight) = bytes.get(at..at + 8) {
        let word = u64::from_le_bytes(eight.try_into().expect("eight bytes were taken"));
        let escaped = escaped_in(word);
        if escaped != 0 {
            return Some(at + escaped.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes[at..].iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
    rest.map(|rest| at + rest)
}

/// Marks, by the highest bit of a byte, those below a blank and those that are `"` or `\`. A borrow may mark further
/// bytes above the first that is marked rightly, so only the lowest mark counts.
fn escaped_in(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let below = |limit: u8, word: u64| word.wrapping_sub(ONES * u64::from(limit)) & !word & HIGH;
    let is = |byte: u8| below(1, word ^ (ONES * u64::from(byte)));
    below(0x20, word) | is(b'"') | is(b'\\')
}
