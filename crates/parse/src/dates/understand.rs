//! Understands the pieces of a date by their place.

use feedspine_core::Timestamp;

use super::names::{self, Zone};
use super::tokens::Token;
use super::{DateError, Reading};

/// Korean pages name no zone; their words say which it is.
const KOREA: i32 = 540;

/// What has been gathered.
#[derive(Debug, Default)]
struct Parts {
    /// The numbers of the date, in their order, with the mark before each.
    numbers: [Field; 3],
    count: usize,
    month: Option<u32>,
    /// The month's name came before any number: in some languages it may yet turn out to be a weekday.
    month_came_first: bool,
    time: Option<Time>,
    half: Option<u32>,
    zone: Option<Zone>,
    korean: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Field {
    value: u32,
    digits: usize,
    mark: Option<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Time {
    hour: u32,
    minute: u32,
    second: u32,
    micros: u32,
}

pub(super) fn understand(tokens: &[Token<'_>]) -> Result<Reading, DateError> {
    let parts = gather(tokens).ok_or(DateError::Unreadable)?;
    let (year, month, day) = parts.date().ok_or(DateError::Unreadable)?;
    let time = parts.clock().ok_or(DateError::Unreadable)?;
    let (offset, zone_assumed) = match parts.zone {
        Some(Zone::Offset(minutes)) => (minutes, false),
        None if parts.korean => (KOREA, true),
        Some(Zone::Unknown) | None => (0, true),
    };
    let days = Timestamp::days_from_civil(year.into(), month.into(), day.into()).ok_or(DateError::Range)?;
    let minutes = i64::from(time.hour) * 60 + i64::from(time.minute) - i64::from(offset);
    let seconds = days * 86_400 + minutes * 60 + i64::from(time.second);
    let at = Timestamp::from_micros(seconds * 1_000_000 + i64::from(time.micros)).map_err(|_| DateError::Range)?;
    Ok(Reading { at, zone_assumed })
}

/// Goes over the pieces once; `None` when one has no meaning in its place.
fn gather(tokens: &[Token<'_>]) -> Option<Parts> {
    let mut parts = Parts::default();
    let mut rest = tokens;
    let mut mark = None;
    // What stands before is a number of the date: a sign and two digits go on with it.
    let mut in_date = false;
    while let Some((first, after)) = rest.split_first() {
        let mut next = after;
        match *first {
            Token::Number { .. } if parts.time.is_none() && is_mark(after, b':') => next = parts.read_time(rest)?,
            Token::Number { value, digits } => parts.number(Field { value, digits, mark })?,
            Token::Word(word) => next = parts.word(word, after)?,
            Token::Mark(b'+' | b'-')
                if parts.time.is_some() && parts.zone_can_follow() && !(in_date && is_short_number(after)) =>
            {
                next = parts.read_offset(rest)?;
            }
            Token::Mark(sign @ (b'-' | b'/' | b'.')) => {
                mark = Some(sign);
                rest = next;
                continue;
            }
            Token::Mark(b',') => {}
            Token::Mark(_) | Token::Long { .. } => return None,
        }
        mark = None;
        in_date = matches!(first, Token::Number { .. }) && std::ptr::eq(next, after);
        rest = next;
    }
    // A mark at the end belongs to something that is missing.
    if matches!(tokens.last(), Some(Token::Mark(b'-' | b'+' | b'/' | b':'))) { None } else { Some(parts) }
}

fn is_mark(tokens: &[Token<'_>], wanted: u8) -> bool {
    tokens.first() == Some(&Token::Mark(wanted))
}

/// One or two digits that are not the hours of `hours:minutes`.
fn is_short_number(tokens: &[Token<'_>]) -> bool {
    matches!(tokens.first(), Some(Token::Number { digits: 1 | 2, .. })) && !is_mark(&tokens[1..], b':')
}

impl Parts {
    fn number(&mut self, field: Field) -> Option<()> {
        if self.count == 0 && field.mark.is_some() {
            return None;
        }
        *self.numbers.get_mut(self.count)? = field;
        self.count += 1;
        Some(())
    }

    /// A zone may follow the time once, and a number after it: `GMT-01:00`.
    fn zone_can_follow(&self) -> bool {
        matches!(self.zone, None | Some(Zone::Offset(0) | Zone::Unknown))
    }

    fn word<'t, 'a>(&mut self, word: &str, after: &'t [Token<'a>]) -> Option<&'t [Token<'a>]> {
        if word.eq_ignore_ascii_case("t") && self.count > 0 && self.time.is_none() {
            return self.time_after_t(after);
        }
        if let Some(half) = names::half_of_day(word) {
            self.half = Some(half);
            self.korean |= matches!(word, "오전" | "오후");
        } else if names::is_counter(word) {
            self.korean |= matches!(word, "년" | "월" | "일");
        } else if self.time.is_some() {
            return Some(self.zone_name(word, after));
        } else if names::is_filler(word) {
            return Some(after);
        } else if let Some(month) = names::month(word) {
            if self.month.is_some() && !self.month_came_first {
                return None;
            }
            self.month_came_first = self.count == 0;
            self.month = Some(month);
        } else if self.count > 0 || self.month.is_some() {
            return None;
        }
        // Whatever stands before the first number and is no month is a weekday in some language.
        Some(after)
    }

    /// After `T`: a time with colons is read as any other, one without has two, four or six digits.
    fn time_after_t<'t, 'a>(&mut self, after: &'t [Token<'a>]) -> Option<&'t [Token<'a>]> {
        match *after.first()? {
            Token::Number { .. } if is_mark(&after[1..], b':') => Some(after),
            Token::Number { value, digits } if matches!(digits, 2 | 4 | 6) => {
                let padded = value * 10_u32.pow(6 - u32::try_from(digits).ok()?);
                let time = Time { hour: padded / 10_000, minute: padded / 100 % 100, second: padded % 100, micros: 0 };
                self.time = Some(time);
                self.fraction(&after[1..])
            }
            _ => None,
        }
    }

    /// `hour:minute[:second[.fraction]]`
    fn read_time<'t, 'a>(&mut self, tokens: &'t [Token<'a>]) -> Option<&'t [Token<'a>]> {
        let (hour, rest) = clock_number(tokens)?;
        let (minute, rest) = clock_number(&rest[1..])?;
        let mut time = Time { hour, minute, second: 0, micros: 0 };
        let mut rest = rest;
        if is_mark(rest, b':') {
            (time.second, rest) = clock_number(&rest[1..])?;
        }
        self.time = Some(time);
        if is_mark(rest, b':') { None } else { self.fraction(rest) }
    }

    /// `.123` after the seconds, cut to microseconds.
    fn fraction<'t, 'a>(&mut self, tokens: &'t [Token<'a>]) -> Option<&'t [Token<'a>]> {
        let (Some(Token::Mark(b'.' | b',')), Some(number)) = (tokens.first(), tokens.get(1)) else {
            return Some(tokens);
        };
        let micros = match *number {
            Token::Number { value, digits } if digits <= 6 => value * 10_u32.pow(6 - u32::try_from(digits).ok()?),
            Token::Number { value, digits } => value / 10_u32.pow(u32::try_from(digits).ok()? - 6),
            Token::Long { first_six, .. } => first_six,
            _ => return Some(tokens),
        };
        self.time.as_mut()?.micros = micros;
        Some(&tokens[2..])
    }

    /// `+0200`, `+02:00`, `+2`
    fn read_offset<'t, 'a>(&mut self, tokens: &'t [Token<'a>]) -> Option<&'t [Token<'a>]> {
        let sign = if is_mark(tokens, b'-') { -1 } else { 1 };
        let Some(Token::Number { value, digits }) = tokens.get(1).copied() else { return None };
        let (hours, minutes, rest) = match (digits, tokens.get(2), tokens.get(3)) {
            (1 | 2, Some(Token::Mark(b':')), Some(Token::Number { value: minutes, digits: 1 | 2 })) => {
                (value, *minutes, &tokens[4..])
            }
            (1 | 2, Some(Token::Mark(b':')), _) => return None,
            (1 | 2, ..) => (value, 0, &tokens[2..]),
            (3 | 4, ..) => (value / 100, value % 100, &tokens[2..]),
            _ => return None,
        };
        if hours > 23 || minutes > 59 {
            return None;
        }
        self.zone = Some(Zone::Offset(sign * i32::try_from(hours * 60 + minutes).ok()?));
        Some(rest)
    }

    /// A name after the time. One after an offset explains it; a path such as `Etc/GMT` is one name.
    fn zone_name<'t, 'a>(&mut self, word: &str, after: &'t [Token<'a>]) -> &'t [Token<'a>] {
        let (mut zone, mut rest) = (names::zone(word), after);
        while let [Token::Mark(b'/'), Token::Word(part), beyond @ ..] = rest {
            zone = if zone == Zone::Offset(0) { names::zone(part) } else { Zone::Unknown };
            rest = beyond;
        }
        if self.zone.is_none() {
            self.zone = Some(zone);
        }
        rest
    }

    fn clock(&self) -> Option<Time> {
        let Some(mut time) = self.time else {
            return self.half.is_none().then_some(Time { hour: 0, minute: 0, second: 0, micros: 0 });
        };
        if let Some(half) = self.half
            && time.hour <= 12
        {
            time.hour = time.hour % 12 + half;
        }
        let midnight = time.hour == 24 && time.minute == 0 && time.second == 0;
        // A leap second counts as the second after it.
        ((time.hour <= 23 || midnight) && time.minute <= 59 && time.second <= 60).then_some(time)
    }

    /// Year, month and day.
    fn date(&self) -> Option<(u32, u32, u32)> {
        let [a, b, c] = self.numbers;
        match (self.month, self.count) {
            (Some(month), 2) if a.digits >= 3 => Some((year(a)?, month, b.value)),
            (Some(month), 2) => Some((year(b)?, month, a.value)),
            (None, 3) => three(a, b, c),
            (None, 2) if a.digits == 4 && b.digits == 3 => day_of_year(a.value, b.value),
            (None, 2) if a.digits == 4 && b.mark == Some(b'-') => Some((a.value, b.value, 1)),
            (None, 1) => one(a, self.time.is_some()),
            _ => None,
        }
    }
}

fn clock_number<'t, 'a>(tokens: &'t [Token<'a>]) -> Option<(u32, &'t [Token<'a>])> {
    match tokens.first()? {
        Token::Number { value, digits: 1 | 2 } => Some((*value, &tokens[1..])),
        _ => None,
    }
}

/// Two digits are 1950 to 2049 (RFC 2822, section 4.3); three are no year.
fn year(field: Field) -> Option<u32> {
    match field.digits {
        2 => Some(field.value + if field.value < 50 { 2000 } else { 1900 }),
        4.. => Some(field.value),
        _ => None,
    }
}

/// Three numbers: the year comes first, or else last. With the year last, `.` puts the day first; after `/` and `-`, which
/// Americans write too, it is told by being more than 12, and where both could be months there is no date.
fn three(a: Field, b: Field, c: Field) -> Option<(u32, u32, u32)> {
    if a.digits >= 4 || (a.digits == 2 && c.digits == 2 && a.mark.is_none() && b.mark == Some(b'-')) {
        return Some((year(a)?, b.value, c.value));
    }
    let year = if c.digits >= 4 { year(c)? } else { return None };
    match b.mark {
        Some(b'.') => Some((year, b.value, a.value)),
        Some(b'/' | b'-') if a.value <= 12 && b.value > 12 => Some((year, a.value, b.value)),
        Some(b'/' | b'-') if b.value <= 12 && (a.value > 12 || a.value == b.value) => Some((year, b.value, a.value)),
        _ => None,
    }
}

/// One number: `2003`, `20031231`, `2003365`, and without a time `031231` (ISO 8601:1988, section 5.2). Five digits are
/// sooner something else.
fn one(a: Field, has_time: bool) -> Option<(u32, u32, u32)> {
    match a.digits {
        4 if !has_time => Some((a.value, 1, 1)),
        8 => Some((a.value / 10_000, a.value / 100 % 100, a.value % 100)),
        7 => day_of_year(a.value / 1_000, a.value % 1_000),
        6 if !has_time => {
            Some((year(Field { value: a.value / 10_000, digits: 2, mark: None })?, a.value / 100 % 100, a.value % 100))
        }
        _ => None,
    }
}

fn day_of_year(year: u32, day: u32) -> Option<(u32, u32, u32)> {
    let new_year = Timestamp::days_from_civil(year.into(), 1, 1)?;
    let in_month =
        |month: u32| Some(new_year + i64::from(day) - Timestamp::days_from_civil(year.into(), month.into(), 1)?);
    let month = (1..=12).rev().find(|month| in_month(*month).is_some_and(|day| day >= 1))?;
    Some((year, month, u32::try_from(in_month(month)?).ok()?))
}
