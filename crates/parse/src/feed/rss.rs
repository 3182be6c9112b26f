//! What RSS writes in a way of its own: `guid` and `enclosure`.

use super::Walk;
use crate::error::ParseError;
use crate::model::{Enclosure, Item, Link};

impl Walk<'_, '_> {
    /// `guid`; `isPermaLink` is true unless it says otherwise (RSS 2.0).
    pub(super) fn guid(&mut self, item: &mut Item) -> Result<(), ParseError> {
        let flag = self.attribute("ispermalink");
        let Some(guid) = self.plain_if_any()? else { return Ok(()) };
        item.is_permalink = flag.map(|flag| flag.eq_ignore_ascii_case("true"));
        item.id = Some(guid);
        Ok(())
    }

    /// `enclosure`, and whatever is one: by its `url` or `href`, or as some write it by its text.
    pub(super) fn enclosure(&mut self) -> Result<Option<Enclosure>, ParseError> {
        let [url, href] = ["url", "href"].map(|name| self.attribute(name));
        let [media_type, length, title, duration] =
            ["type", "length", "title", "duration"].map(|name| self.attribute(name));
        let text = self.plain_if_any()?;
        let link = url.or(href).or(text).map(|url| self.link_to(&url));
        let href = link.and_then(|link| link.href.or(link.raw));
        Ok(href.map(|href| Enclosure { href, media_type, length, title, duration }))
    }

    /// An item without a link whose guid is its address.
    pub(super) fn link_by_guid(item: &mut Item) {
        let says_so = item.is_permalink.unwrap_or(true);
        let of_the_web = |id: &str| id.starts_with("http://") || id.starts_with("https://");
        if let Some(id) = item.id.as_deref().filter(|id| says_so && of_the_web(id))
            && item.link().is_none()
        {
            item.links.push(Link { href: Some(id.to_owned()), ..Link::default() });
        }
    }
}
