//! Chapters of an episode: Podlove Simple Chapters 1.x.

use crate::extension::named;
use crate::model::Item;

/// A chapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chapter {
    /// When it begins, in milliseconds from the beginning of the episode.
    pub start_ms: u64,
    /// Its title.
    pub title: Option<String>,
    /// Where it leads.
    pub link: Option<String>,
    /// The address of its picture.
    pub image: Option<String>,
}

impl Item {
    /// Its chapters in the order of the document; those whose beginning cannot be read are left out.
    pub fn chapters(&self) -> Vec<Chapter> {
        let Some(list) = named(&self.extensions, "psc", "chapters").next() else { return Vec::new() };
        let chapters = list.children("psc", "chapter").filter_map(|chapter| {
            let text = |name| chapter.attribute(name).map(str::to_owned);
            let start_ms = normal_play_time(chapter.attribute("start")?)?;
            Some(Chapter { start_ms, title: text("title"), link: text("href"), image: text("image") })
        });
        chapters.collect()
    }
}

/// Normal Play Time (RFC 2326, section 3.6): `hours:minutes:seconds.fraction`, where hours and minutes may be missing.
fn normal_play_time(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds = super::seconds(whole)?;
    let thousandths = fraction
        .bytes()
        .chain(std::iter::repeat(b'0'))
        .take(3)
        .try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + u64::from(digit - b'0')))?;
    seconds.checked_mul(1_000)?.checked_add(thousandths)
}
