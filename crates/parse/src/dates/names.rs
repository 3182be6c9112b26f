//! Words in dates: months, halves of the day, zones.

/// The month that a word names, 1 to 12, in the languages of the tables.
pub(crate) fn month(word: &str) -> Option<u32> {
    if let [a, b, c] = *word.as_bytes() {
        // Nearly every date has these, and the table is long.
        let folded = [a | 0x20, b | 0x20, c | 0x20];
        if WEEKDAYS.contains(&folded) {
            return None;
        }
        if let Some(at) = ENGLISH.iter().position(|month| *month == folded) {
            return u32::try_from(at + 1).ok();
        }
    }
    let lower;
    let folded = if word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        word
    } else {
        lower = word.to_lowercase();
        &lower
    };
    let found = MONTHS.iter().find(|(beginning, _)| folded.starts_with(beginning));
    found.map(|(_, month)| *month)
}

const WEEKDAYS: [[u8; 3]; 7] = [*b"mon", *b"tue", *b"wed", *b"thu", *b"fri", *b"sat", *b"sun"];
const ENGLISH: [[u8; 3]; 12] =
    [*b"jan", *b"feb", *b"mar", *b"apr", *b"may", *b"jun", *b"jul", *b"aug", *b"sep", *b"oct", *b"nov", *b"dec"];

/// How months' names begin, each once; none means two months.
const MONTHS: [(&str, u32); 84] = [
    // English, and what it shares with others.
    ("jan", 1),
    ("feb", 2),
    ("mar", 3),
    ("apr", 4),
    ("may", 5),
    ("jun", 6),
    ("jul", 7),
    ("aug", 8),
    ("sep", 9),
    ("oct", 10),
    ("nov", 11),
    ("dec", 12),
    // German, Dutch, Scandinavian.
    ("mär", 3),
    ("mrz", 3),
    ("mrt", 3),
    ("maart", 3),
    ("mai", 5),
    ("mei", 5),
    ("maj", 5),
    ("okt", 10),
    ("dez", 12),
    ("des", 12),
    // French.
    ("fév", 2),
    ("fev", 2),
    ("avr", 4),
    ("juin", 6),
    ("juil", 7),
    ("aoû", 8),
    ("aou", 8),
    ("déc", 12),
    // Spanish, Portuguese, Italian.
    ("ene", 1),
    ("gen", 1),
    ("abr", 4),
    ("mag", 5),
    ("giu", 6),
    ("lug", 7),
    ("ago", 8),
    ("set", 9),
    ("ott", 10),
    ("out", 10),
    ("dic", 12),
    // Hungarian.
    ("márc", 3),
    ("ápr", 4),
    ("máj", 5),
    ("máu", 5),
    ("jún", 6),
    ("júl", 7),
    ("szept", 9),
    // Greek.
    ("ιαν", 1),
    ("φεβ", 2),
    ("μαρ", 3),
    ("μάρ", 3),
    ("μάώ", 3),
    ("μαώ", 3),
    ("απρ", 4),
    ("μαι", 5),
    ("μαϊ", 5),
    ("μάι", 5),
    ("ιούν", 6),
    ("ιον", 6),
    ("ιουν", 6),
    ("ιούλ", 7),
    ("ιολ", 7),
    ("ιουλ", 7),
    ("αυγ", 8),
    ("αύγ", 8),
    ("σεπ", 9),
    ("οκτ", 10),
    ("νοε", 11),
    ("νοέ", 11),
    ("δεκ", 12),
    // Russian.
    ("янв", 1),
    ("фев", 2),
    ("мар", 3),
    ("апр", 4),
    ("май", 5),
    ("мая", 5),
    ("июн", 6),
    ("июл", 7),
    ("авг", 8),
    ("сен", 9),
    ("окт", 10),
    ("ноя", 11),
    ("дек", 12),
];

/// The half of the day that a word names: 0 before noon, 12 after.
pub(super) fn half_of_day(word: &str) -> Option<u32> {
    match word {
        "오전" | "上午" => Some(0),
        "오후" | "下午" => Some(12),
        _ if word.eq_ignore_ascii_case("am") => Some(0),
        _ if word.eq_ignore_ascii_case("pm") => Some(12),
        _ => None,
    }
}

/// Words that stand after the year, the month and the day, and say no more than a mark.
pub(super) fn is_counter(word: &str) -> bool {
    matches!(word, "년" | "월" | "일" | "年" | "月" | "日")
}

/// Words that say nothing.
pub(super) fn is_filler(word: &str) -> bool {
    ["st", "nd", "rd", "th", "of", "de", "del", "at"].iter().any(|filler| word.eq_ignore_ascii_case(filler))
}

/// A zone by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Zone {
    /// Minutes east of UTC.
    Offset(i32),
    /// A name that is not in the table: UTC is assumed. RFC 2822, section 4.3, says so of the military letters, which
    /// were once defined with the wrong sign.
    Unknown,
}

/// The zone that a word names.
pub(super) fn zone(word: &str) -> Zone {
    let mut upper = [0_u8; 5];
    let Some(buffer) = upper.get_mut(..word.len()) else { return Zone::Unknown };
    buffer.copy_from_slice(word.as_bytes());
    buffer.make_ascii_uppercase();
    let minutes = match &*buffer {
        b"Z" | b"UT" | b"UTC" | b"GMT" | b"WET" | b"ETC" => 0,
        b"BST" | b"CET" | b"MET" | b"MEZ" | b"WEST" => 60,
        b"CEST" | b"MEST" | b"MESZ" | b"EET" | b"SAST" => 120,
        b"EEST" | b"MSK" => 180,
        b"MSD" => 240,
        b"HKT" | b"SGT" | b"AWST" => 480,
        b"JST" | b"KST" => 540,
        b"ACST" => 570,
        b"AEST" => 600,
        b"ACDT" => 630,
        b"AEDT" => 660,
        b"NZST" => 720,
        b"NZDT" => 780,
        b"NDT" => -150,
        b"ADT" | b"BRT" | b"ART" => -180,
        b"NST" => -210,
        b"AST" | b"AT" | b"EDT" => -240,
        b"EST" | b"ET" | b"CDT" => -300,
        b"CST" | b"CT" | b"MDT" => -360,
        b"MST" | b"MT" | b"PDT" => -420,
        b"PST" | b"PT" | b"AKDT" => -480,
        b"AKST" => -540,
        b"HST" => -600,
        _ => return Zone::Unknown,
    };
    Zone::Offset(minutes)
}
