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
        self.out.push('"');
        let mut plain_from = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escape = match byte {
                b'"' => "\\\"",
                b'\\' => "\\\\",
                b'\n' => "\\n",
                b'\r' => "\\r",
                b'\t' => "\\t",
                0x08 => "\\b",
                0x0c => "\\f",
                0x00..=0x1f => "",
                _ => continue,
            };
            self.out.push_str(&text[plain_from..at]);
            plain_from = at + 1;
            if escape.is_empty() {
                write!(self.out, "\\u{byte:04x}").expect("writing to a string cannot fail");
            } else {
                self.out.push_str(escape);
            }
        }
        self.out.push_str(&text[plain_from..]);
        self.out.push('"');
    }
}
