//! Places: `GeoRSS` simple and GML, and the W3C's basic geo vocabulary.

use feedspine_core::Json;
use feedspine_core::json::Number;

use crate::extension::{Element, named};
use crate::model::Item;

/// A place of more numbers is none: no map is drawn from a feed.
const MAX_NUMBERS: usize = 20_000;

/// Where something is: longitude, latitude and at times height, as `GeoJSON` has them (RFC 7946, section 3.1.1), in the
/// digits that were published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A position.
    Point(Vec<Number>),
    /// Positions one after the other.
    Line(Vec<Vec<Number>>),
    /// An area with its border, which ends where it began.
    Polygon(Vec<Vec<Number>>),
}

impl Place {
    /// Its geometry as `GeoJSON` (RFC 7946, section 3.1).
    pub fn to_geojson(&self) -> Json {
        let position = |position: &Vec<Number>| Json::Array(position.iter().cloned().map(Json::Number).collect());
        let positions = |all: &Vec<Vec<Number>>| Json::Array(all.iter().map(position).collect());
        let (kind, coordinates) = match self {
            Self::Point(point) => ("Point", position(point)),
            Self::Line(line) => ("LineString", positions(line)),
            Self::Polygon(border) => ("Polygon", Json::Array(vec![positions(border)])),
        };
        Json::object([("type", Json::from(kind)), ("coordinates", coordinates)])
    }
}

impl Item {
    /// Where it is: the first place that it names.
    pub fn place(&self) -> Option<Place> {
        place_in(&self.extensions).or_else(|| {
            let text = |name| named(&self.extensions, "geo", name).find_map(Element::text);
            let point = named(&self.extensions, "geo", "Point").next();
            let inner = |name| point.and_then(|point| point.children("geo", name).find_map(Element::text));
            let of = |name| text(name).or_else(|| inner(name));
            Some(Place::Point(vec![number(of("long").or_else(|| of("lon"))?)?, number(of("lat")?)?]))
        })
    }
}

fn place_in(elements: &[Element]) -> Option<Place> {
    elements.iter().find_map(|element| match (&*element.namespace, &*element.name) {
        ("georss", "where") => place_in(&element.children),
        ("georss", "point") => point(positions(&element.text, 2)?),
        ("georss", "line") => line(positions(&element.text, 2)?),
        ("georss", "polygon") => polygon(positions(&element.text, 2)?),
        ("georss", "box") => box_of(&positions(&element.text, 2)?),
        ("gml", "Point") if is_geographic(element) => point(gml(element, "pos")?),
        ("gml", "LineString") if is_geographic(element) => line(gml(element, "posList")?),
        ("gml", "Polygon") if is_geographic(element) => {
            let exterior = element.children("gml", "exterior").next()?.children("gml", "LinearRing").next()?;
            polygon(gml(exterior, "posList")?)
        }
        ("gml", "Envelope") if is_geographic(element) => {
            let corner = |name: &str| gml(element, name)?.into_iter().next();
            box_of(&[corner("lowerCorner")?, corner("upperCorner")?])
        }
        _ => None,
    })
}

/// Whether positions are latitude and longitude: those of EPSG's systems from 4000 to 4999 are. `GeoRSS` means WGS 84
/// where none is named; of a projected position no place on the globe is made.
fn is_geographic(element: &Element) -> bool {
    let code = |name: &str| name.rsplit([':', '#', '/']).next().and_then(|code| code.parse::<u32>().ok());
    element.attribute("srsName").is_none_or(|name| code(name).is_some_and(|code| (4_000..5_000).contains(&code)))
}

fn gml(element: &Element, name: &str) -> Option<Vec<Vec<Number>>> {
    let list = element.children("gml", name).next()?;
    let dimensions = |of: &Element| of.attribute("srsDimension")?.parse().ok();
    let dimensions: usize = dimensions(list).or_else(|| dimensions(element)).unwrap_or(2);
    positions(&list.text, dimensions)
}

/// Reads latitude, longitude and perhaps more, again and again; gives longitude first.
fn positions(text: &str, dimensions: usize) -> Option<Vec<Vec<Number>>> {
    let words = text.split(|c: char| c.is_ascii_whitespace() || c == ',').filter(|word| !word.is_empty());
    let numbers: Vec<Number> = words.take(MAX_NUMBERS + 1).map(number).collect::<Option<_>>()?;
    if numbers.is_empty() || numbers.len() > MAX_NUMBERS {
        return None;
    }
    if !(2..=3).contains(&dimensions) || !numbers.len().is_multiple_of(dimensions) {
        return None;
    }
    let positions = numbers.chunks_exact(dimensions).map(|position| {
        let mut position = position.to_vec();
        position.swap(0, 1);
        position
    });
    Some(positions.collect())
}

fn number(text: &str) -> Option<Number> {
    let text = text.trim();
    let text = text.strip_prefix('+').unwrap_or(text);
    Number::parse(text)
}

fn point(positions: Vec<Vec<Number>>) -> Option<Place> {
    positions.into_iter().next().map(Place::Point)
}

fn line(positions: Vec<Vec<Number>>) -> Option<Place> {
    (positions.len() >= 2).then_some(Place::Line(positions))
}

fn polygon(positions: Vec<Vec<Number>>) -> Option<Place> {
    (positions.len() >= 4).then_some(Place::Polygon(positions))
}

/// The border of a box, given by its lower and upper corner.
fn box_of(corners: &[Vec<Number>]) -> Option<Place> {
    let [low, high] = corners else { return None };
    let corner = |longitude: &[Number], latitude: &[Number]| vec![longitude[0].clone(), latitude[1].clone()];
    let border = vec![corner(low, low), corner(high, low), corner(high, high), corner(low, high), corner(low, low)];
    Some(Place::Polygon(border))
}
