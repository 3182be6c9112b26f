//! Which records may be one item under two keys: told with a score and reasons, never acted on.
//!
//! Two records are compared by what they share: an id, an address in one of its forms, a title with a date, a text. What
//! two records share that were captured together tells nothing: their publisher showed them side by side, as two items.

mod alternate;
mod face;
mod likeness;

use std::collections::{HashMap, HashSet};
use std::fmt;

use feedspine_core::Timestamp;

use alternate::Alternate;
pub(crate) use alternate::path_of;
pub use face::Face;

/// Below this nothing is told.
const LEAST_SCORE: u8 = 60;

/// Why two records may be one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AliasReason {
    /// The publisher gave both the same id.
    Id,
    /// The same address, but for these: scheme, www, trailing slash, tracking parameters.
    Address(Vec<&'static str>),
    /// The same path and query at another host.
    Path,
    /// The same title.
    Title,
    /// Published at the same instant.
    Published,
    /// Texts that are alike, in percent.
    Text(u8),
}

impl AliasReason {
    /// The word used in JSON.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Address(_) => "address",
            Self::Path => "path",
            Self::Title => "title",
            Self::Published => "published",
            Self::Text(_) => "text",
        }
    }
}

/// In words, to go on after "it has".
impl fmt::Display for AliasReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id => f.write_str("the same id"),
            Self::Address(but) if but.is_empty() => f.write_str("the same address"),
            Self::Address(but) => write!(f, "the same address but for {}", but.join(", ")),
            Self::Path => f.write_str("the same path at another host"),
            Self::Title => f.write_str("the same title"),
            Self::Published => f.write_str("the same date"),
            Self::Text(percent) => write!(f, "a text that is {percent} % alike"),
        }
    }
}

/// How likely another record is the same item, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    /// From 60 to 100.
    pub score: u8,
    /// What both share.
    pub reasons: Vec<AliasReason>,
}

/// The others that may be the same item as `one`, by their places, the likeliest first.
pub fn aliases(one: &Face, others: &[Face]) -> Vec<(usize, Alias)> {
    let telling = Telling::of(one, others);
    let judge = |(place, other): (usize, &Face)| Some((place, telling.judge(one, other)?));
    let mut found: Vec<(usize, Alias)> = others.iter().enumerate().filter_map(judge).collect();
    found.sort_by_key(|(place, alias)| (std::cmp::Reverse(alias.score), *place));
    found
}

/// What a record shares with another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Mark {
    Id(String),
    Address(String),
    Path(String),
    Title(String),
    Published(Timestamp),
}

/// The marks of one record that no two records have which were captured together.
struct Telling(Vec<Mark>);

impl Telling {
    fn of(one: &Face, others: &[Face]) -> Self {
        let mut captured: HashMap<Mark, Vec<Timestamp>> =
            marks(one).into_iter().map(|mark| (mark, vec![one.first_seen])).collect();
        let mut void = Vec::new();
        for other in others {
            for mark in marks(other) {
                let Some(times) = captured.get_mut(&mark) else { continue };
                if times.contains(&other.first_seen) {
                    void.push(mark);
                } else {
                    times.push(other.first_seen);
                }
            }
        }
        Self(captured.into_keys().filter(|mark| !void.contains(mark)).collect())
    }

    fn judge(&self, one: &Face, other: &Face) -> Option<Alias> {
        let theirs = marks(other);
        let shared: Vec<&Mark> = self.0.iter().filter(|mark| theirs.contains(*mark)).collect();
        let has = |kind: fn(&Mark) -> bool| shared.iter().any(|mark| kind(mark));
        let id = has(|mark| matches!(mark, Mark::Id(_)));
        let address = has(|mark| matches!(mark, Mark::Address(_)));
        let path = has(|mark| matches!(mark, Mark::Path(_)));
        let title = has(|mark| matches!(mark, Mark::Title(_)));
        let published = has(|mark| matches!(mark, Mark::Published(_)));
        let text = if shared.is_empty() { None } else { likeness::alike(&one.text(), &other.text()) };
        // Where both have addresses and none is shared, title and date are that much weaker.
        let elsewhere = !one.addresses.is_empty() && !other.addresses.is_empty() && !address && !path;
        let supported = title || published || id;
        let score = [
            (id, 95),
            (address, if supported { 95 } else { 60 }),
            (path, if supported { 85 } else { 0 }),
            (title && published, if elsewhere { 60 } else { 85 }),
        ];
        let score = score.into_iter().filter(|(holds, _)| *holds).map(|(_, score)| score).max().unwrap_or(0);
        let score = score.max(text.unwrap_or(0));
        if score < LEAST_SCORE {
            return None;
        }
        let reasons = [
            id.then_some(AliasReason::Id),
            address.then(|| AliasReason::Address(differences(one, other))),
            (path && !address).then_some(AliasReason::Path),
            title.then_some(AliasReason::Title),
            published.then_some(AliasReason::Published),
            text.map(AliasReason::Text),
        ];
        Some(Alias { score, reasons: reasons.into_iter().flatten().collect() })
    }
}

/// What is compared of a record, each once: key, id and link may be forms of one address.
fn marks(face: &Face) -> HashSet<Mark> {
    let mut marks: HashSet<Mark> = HashSet::new();
    marks.extend(face.id.clone().map(Mark::Id));
    marks.extend(face.addresses.iter().map(|address| Mark::Address(address.whole())));
    marks.extend(face.addresses.iter().filter_map(Alternate::beyond_host).map(Mark::Path));
    marks.extend(face.title.clone().map(Mark::Title));
    marks.extend(face.published.map(Mark::Published));
    marks
}

/// In what the addresses differ that both share.
fn differences(one: &Face, other: &Face) -> Vec<&'static str> {
    let pairs = one.addresses.iter().flat_map(|mine| other.addresses.iter().map(move |theirs| (mine, theirs)));
    let same = pairs.filter(|(mine, theirs)| mine.whole() == theirs.whole());
    same.map(|(mine, theirs)| mine.differences(theirs)).min_by_key(Vec::len).unwrap_or_default()
}

#[cfg(test)]
mod tests;
