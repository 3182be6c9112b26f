//! What the extensions of an item mean, in one shape whatever vocabulary says it. Pure, and never stored in their place.

mod chapters;
mod person;
mod place;

pub use chapters::Chapter;
pub use place::Place;

use crate::extension::{Element, named};
use crate::model::Item;

impl Item {
    /// The address of its picture: of iTunes, Google Play, Media RSS or JSON Feed, or an enclosure that is one.
    pub fn image(&self) -> Option<&str> {
        let linked = || {
            let pictures = ["image", "banner_image"].into_iter();
            let mut links = pictures.filter_map(|rel| self.links.iter().find(|link| link.rel.as_deref() == Some(rel)));
            links.find_map(|link| link.href.as_deref())
        };
        let enclosed = || {
            let is_picture = |kind: &str| kind.starts_with("image/");
            let file = self.enclosures.iter().find(|file| file.media_type.as_deref().is_some_and(is_picture));
            file.map(|file| file.href.as_str())
        };
        linked()
            .or_else(|| podcast_picture(&self.extensions))
            .or_else(|| media_picture(&self.extensions))
            .or_else(enclosed)
    }

    /// How long it plays, in seconds: of iTunes, of the first file of Media RSS or of an enclosure.
    pub fn duration_seconds(&self) -> Option<u64> {
        let podcast = named(&self.extensions, "itunes", "duration").find_map(Element::text).and_then(seconds);
        let media = || media_contents(&self.extensions).find_map(|content| seconds(content.attribute("duration")?));
        let enclosed = || self.enclosures.iter().find_map(|file| seconds(file.duration.as_deref()?));
        podcast.or_else(media).or_else(enclosed)
    }
}

/// `image` of iTunes or Google Play: its `href`, or as some write it its `url`; or a link that says it is one.
pub(crate) fn podcast_picture(extensions: &[Element]) -> Option<&str> {
    let image = ["itunes", "googleplay"].iter().find_map(|space| {
        let mut images = named(extensions, space, "image");
        images.find_map(|image| image.attribute("href").or_else(|| image.attribute("url")))
    });
    let is_image = |link: &&Element| link.attribute("rel") == Some("image");
    image.or_else(|| named(extensions, "itunes", "link").find(is_image)?.attribute("href"))
}

/// `media:thumbnail`, else a `media:content` that is a picture.
pub(crate) fn media_picture(extensions: &[Element]) -> Option<&str> {
    let thumbnail = in_media(extensions).find(|element| &*element.name == "thumbnail");
    let thumbnail = thumbnail.and_then(|element| element.attribute("url"));
    thumbnail.or_else(|| {
        let is_picture = |content: &&Element| {
            content.attribute("medium") == Some("image")
                || content.attribute("type").is_some_and(|kind| kind.starts_with("image/"))
        };
        media_contents(extensions).find(is_picture).and_then(|content| content.attribute("url"))
    })
}

fn media_contents(extensions: &[Element]) -> impl Iterator<Item = &Element> {
    in_media(extensions).filter(|element| &*element.name == "content")
}

/// Elements of Media RSS, and those within its groups and contents.
fn in_media(extensions: &[Element]) -> impl Iterator<Item = &Element> {
    let media = |element: &&Element| &*element.namespace == "media";
    let within = extensions.iter().filter(media).flat_map(|element| &element.children);
    let deeper = within.clone().flat_map(|element| &element.children);
    extensions.iter().chain(within).chain(deeper).filter(media)
}

/// `seconds`, `minutes:seconds` or `hours:minutes:seconds`; a fraction is left out.
fn seconds(text: &str) -> Option<u64> {
    let whole = text.trim().split('.').next()?;
    let fields: Vec<u64> = whole.split(':').map(|field| field.trim().parse().ok()).collect::<Option<_>>()?;
    if fields.len() > 3 {
        return None;
    }
    fields.into_iter().try_fold(0_u64, |total, field| total.checked_mul(60)?.checked_add(field))
}

#[cfg(test)]
mod tests;
