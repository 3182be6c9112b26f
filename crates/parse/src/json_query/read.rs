//! The grammar of RFC 9535, read by descent; what is well-formed and ill-typed is refused too.

use feedspine_core::{Json, Number};

use super::functions::{Expression, Function, compile};
use super::{Comparison, Condition, Inner, JsonQueryError, Operand, Segment, Selector, is_singular};

/// The largest index, by magnitude: 2^53 - 1 (RFC 9535, section 2.1).
const MOST_INDEX: i64 = (1 << 53) - 1;
/// Parentheses and filters within one another.
const MOST_DEPTH: usize = 32;

pub(super) fn read(text: &str) -> Result<Vec<Segment>, JsonQueryError> {
    let mut reader = Reader { text, at: 0, depth: 0 };
    if !reader.take("$") {
        return Err(reader.expected("`$`"));
    }
    let segments = reader.segments()?;
    if reader.at < text.len() { Err(reader.expected("`.`, `[` or the end")) } else { Ok(segments) }
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    depth: usize,
}

type Read<T> = Result<T, JsonQueryError>;

/// Something that may stand in a condition alone, or be compared.
enum Term {
    Literal(Json),
    Query(Inner),
    Function(Function),
}

impl Reader<'_> {
    fn segments(&mut self) -> Read<Vec<Segment>> {
        let mut segments = Vec::new();
        loop {
            let before = self.at;
            self.blanks();
            let descendant = self.take("..");
            if !descendant && !matches!(self.peek(), Some('.' | '[')) {
                self.at = before;
                return Ok(segments);
            }
            let selectors = if self.take("[") {
                self.bracketed()?
            } else {
                if !descendant && !self.take(".") {
                    return Err(self.expected("`.`"));
                }
                if self.take("*") { vec![Selector::Wildcard] } else { vec![Selector::Name(self.shorthand()?)] }
            };
            segments.push(Segment { descendant, selectors });
        }
    }

    fn bracketed(&mut self) -> Read<Vec<Selector>> {
        let mut selectors = Vec::new();
        loop {
            self.blanks();
            selectors.push(self.selector()?);
            self.blanks();
            if self.take("]") {
                return Ok(selectors);
            }
            if !self.take(",") {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }

    fn selector(&mut self) -> Read<Selector> {
        match self.peek() {
            Some('*') => {
                self.at += 1;
                Ok(Selector::Wildcard)
            }
            Some('\'' | '"') => self.quoted().map(Selector::Name),
            Some('?') => {
                self.at += 1;
                self.blanks();
                self.condition().map(Selector::Filter)
            }
            _ => self.index_or_slice(),
        }
    }

    fn index_or_slice(&mut self) -> Read<Selector> {
        let start = self.integer()?;
        let before = self.at;
        self.blanks();
        if !self.take(":") {
            self.at = before;
            return start.map(Selector::Index).ok_or_else(|| self.expected("a name, an index, `*` or `?`"));
        }
        self.blanks();
        let end = self.integer()?;
        self.blanks();
        let mut step = 1;
        if self.take(":") {
            self.blanks();
            step = self.integer()?.unwrap_or(1);
        }
        Ok(Selector::Slice { start, end, step })
    }

    fn integer(&mut self) -> Read<Option<i64>> {
        let rest = &self.text[self.at..];
        let signs = usize::from(rest.starts_with('-'));
        let digits = rest[signs..].bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return if signs == 0 { Ok(None) } else { Err(self.expected("a number")) };
        }
        let literal = &rest[..signs + digits];
        let zero_first = digits > 1 && literal[signs..].starts_with('0');
        let number = literal.parse::<i64>().ok().filter(|number| number.abs() <= MOST_INDEX);
        match number.filter(|_| !zero_first && literal != "-0") {
            Some(number) => {
                self.at += literal.len();
                Ok(Some(number))
            }
            None => Err(self.expected("a whole number that JSON can exchange")),
        }
    }

    fn condition(&mut self) -> Read<Condition> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(self.expected("fewer conditions within one another"));
        }
        let any = self.joined("||", |reader| reader.joined("&&", Self::single).map(|all| one_or(all, Condition::All)));
        self.depth -= 1;
        any.map(|any| one_or(any, Condition::Any))
    }

    fn joined(&mut self, sign: &str, mut read: impl FnMut(&mut Self) -> Read<Condition>) -> Read<Vec<Condition>> {
        let mut conditions = vec![read(self)?];
        loop {
            let before = self.at;
            self.blanks();
            if !self.take(sign) {
                self.at = before;
                return Ok(conditions);
            }
            self.blanks();
            conditions.push(read(self)?);
        }
    }

    fn single(&mut self) -> Read<Condition> {
        if self.take("!") {
            self.blanks();
            let negated = if self.peek() == Some('(') { self.parenthesised()? } else { self.test()? };
            return Ok(Condition::Not(Box::new(negated)));
        }
        if self.peek() == Some('(') {
            return self.parenthesised();
        }
        let start = self.at;
        let left = self.term()?;
        let before = self.at;
        self.blanks();
        let Some(comparison) = self.comparison() else {
            self.at = before;
            return self.alone(left, start);
        };
        self.blanks();
        let left = self.comparable(left, start)?;
        let start = self.at;
        let right = self.term()?;
        let right = self.comparable(right, start)?;
        Ok(Condition::Compare(left, comparison, right))
    }

    fn parenthesised(&mut self) -> Read<Condition> {
        self.at += 1;
        self.blanks();
        let condition = self.condition()?;
        self.blanks();
        if self.take(")") { Ok(condition) } else { Err(self.expected("`)`")) }
    }

    fn test(&mut self) -> Read<Condition> {
        let start = self.at;
        let term = self.term()?;
        self.alone(term, start)
    }

    fn alone(&self, term: Term, start: usize) -> Read<Condition> {
        match term {
            Term::Query(inner) => Ok(Condition::Exists(inner)),
            Term::Function(function) if function.is_logical() => Ok(Condition::Holds(function)),
            Term::Function(_) => Err(self.expected_at("a comparison of the function's value", start)),
            Term::Literal(_) => Err(self.expected_at("a comparison of the literal", start)),
        }
    }

    fn comparable(&self, term: Term, start: usize) -> Read<Operand> {
        match term {
            Term::Literal(literal) => Ok(Operand::Literal(literal)),
            Term::Query(inner) if is_singular(&inner.segments) => Ok(Operand::Singular(inner)),
            Term::Function(function) if !function.is_logical() => Ok(Operand::Function(Box::new(function))),
            Term::Query(_) => Err(self.expected_at("a query for one value, for it is compared", start)),
            Term::Function(_) => Err(self.expected_at("a function that gives a value, for it is compared", start)),
        }
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let signs = [
            ("==", Comparison::Equal),
            ("!=", Comparison::Unequal),
            ("<=", Comparison::AtMost),
            (">=", Comparison::AtLeast),
            ("<", Comparison::Less),
            (">", Comparison::Greater),
        ];
        signs.into_iter().find(|(sign, _)| self.take(sign)).map(|(_, comparison)| comparison)
    }

    fn term(&mut self) -> Read<Term> {
        match self.peek() {
            Some('@' | '$') => self.inner().map(Term::Query),
            Some('\'' | '"') => self.quoted().map(|text| Term::Literal(text.into())),
            Some('-' | '0'..='9') => self.number().map(Term::Literal),
            Some('a'..='z') => self.word(),
            _ => Err(self.expected("a query, a literal or a function")),
        }
    }

    fn inner(&mut self) -> Read<Inner> {
        let from_root = self.take("$");
        if !from_root && !self.take("@") {
            return Err(self.expected("`@` or `$`"));
        }
        Ok(Inner { from_root, segments: self.segments()? })
    }

    fn number(&mut self) -> Read<Json> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !matches!(c, '0'..='9' | '-' | '+' | '.' | 'e' | 'E')).unwrap_or(rest.len());
        let number = Number::parse(&rest[..end]).ok_or_else(|| self.expected("a number"))?;
        self.at += end;
        Ok(Json::Number(number))
    }

    /// `true`, `false`, `null`, or a function.
    fn word(&mut self) -> Read<Term> {
        let start = self.at;
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !matches!(c, 'a'..='z' | '0'..='9' | '_')).unwrap_or(rest.len());
        let word = &rest[..end];
        self.at += end;
        if !self.take("(") {
            let literal = match word {
                "true" => Json::Bool(true),
                "false" => Json::Bool(false),
                "null" => Json::Null,
                _ => return Err(self.expected_at("true, false, null or a function", start)),
            };
            return Ok(Term::Literal(literal));
        }
        self.blanks();
        let function = match word {
            "length" => Function::Length(self.value_argument()?),
            "count" => Function::Count(self.inner()?),
            "value" => Function::ValueOf(self.inner()?),
            "match" | "search" => self.matching(word == "match")?,
            _ => return Err(self.expected_at("length, count, match, search or value", start)),
        };
        self.blanks();
        if self.take(")") { Ok(Term::Function(function)) } else { Err(self.expected("`)`")) }
    }

    fn matching(&mut self, whole: bool) -> Read<Function> {
        let text = self.value_argument()?;
        self.blanks();
        if !self.take(",") {
            return Err(self.expected("`,`"));
        }
        self.blanks();
        let expression = match self.value_argument()? {
            Operand::Literal(literal) => {
                Expression::Fixed(literal.as_str().and_then(|expression| compile(expression, whole)))
            }
            found => Expression::Found(found),
        };
        Ok(Function::Matches { text, expression, whole })
    }

    fn value_argument(&mut self) -> Read<Operand> {
        self.depth += 1;
        if self.depth > MOST_DEPTH {
            return Err(self.expected("fewer functions within one another"));
        }
        let start = self.at;
        let term = self.term()?;
        self.depth -= 1;
        self.comparable(term, start)
    }

    fn shorthand(&mut self) -> Read<String> {
        let rest = &self.text[self.at..];
        let first = |c: char| c.is_ascii_alphabetic() || c == '_' || !c.is_ascii();
        let end = rest.find(|c: char| !first(c) && !c.is_ascii_digit()).unwrap_or(rest.len());
        if !rest.starts_with(first) {
            return Err(self.expected("a name; others are written in brackets and quotes"));
        }
        self.at += end;
        Ok(rest[..end].to_owned())
    }

    /// A string in either kind of quotes: JSON's escapes, and the quote it stands in.
    fn quoted(&mut self) -> Read<String> {
        let start = self.at;
        let quote = self.text.as_bytes()[self.at];
        let mut json = String::from('"');
        self.at += 1;
        loop {
            let Some(c) = self.peek() else { return Err(self.expected("the end of the string")) };
            match c {
                '\\' => {
                    let escaped = self.text[self.at + 1..].chars().next();
                    match escaped {
                        Some('\'') if quote == b'\'' => json.push('\''),
                        Some('"') if quote == b'\'' => return Err(self.expected("an escape of JSON")),
                        Some(c) => json.extend(['\\', c]),
                        None => return Err(self.expected("the end of the string")),
                    }
                    self.at += 1 + escaped.map_or(0, char::len_utf8);
                    continue;
                }
                _ if c as u32 == u32::from(quote) => break,
                '"' => json.push_str("\\\""),
                c => json.push(c),
            }
            self.at += c.len_utf8();
        }
        self.at += 1;
        json.push('"');
        match Json::parse(&json) {
            Ok(Json::String(text)) => Ok(text),
            _ => Err(self.expected_at("a string with the escapes of JSON", start)),
        }
    }

    fn blanks(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, sign: &str) -> bool {
        let there = self.text[self.at..].starts_with(sign);
        self.at += if there { sign.len() } else { 0 };
        there
    }

    fn expected(&self, wanted: &'static str) -> JsonQueryError {
        self.expected_at(wanted, self.at)
    }

    fn expected_at(&self, wanted: &'static str, offset: usize) -> JsonQueryError {
        JsonQueryError { text: self.text.to_owned(), wanted, offset }
    }
}

fn one_or(mut conditions: Vec<Condition>, many: fn(Vec<Condition>) -> Condition) -> Condition {
    match conditions.pop() {
        Some(only) if conditions.is_empty() => only,
        last => {
            conditions.extend(last);
            many(conditions)
        }
    }
}
