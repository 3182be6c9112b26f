//! Extensions as feeds have them, and what they mean.

use super::*;
use crate::{Input, Limits, parse};

fn item(extensions: &str) -> Item {
    let text = format!(
        "<rss xmlns:i='http://www.itunes.com/dtds/podcast-1.0.dtd' xmlns:m='http://search.yahoo.com/mrss/'
          xmlns:g='http://www.georss.org/georss' xmlns:l='http://www.opengis.net/gml'
          xmlns:w='http://www.w3.org/2003/01/geo/wgs84_pos#' xmlns:p='http://podlove.org/simple-chapters'>
          <channel><item>{extensions}</item></channel></rss>"
    );
    let input = Input { bytes: text.as_bytes(), content_type: None, base: None };
    parse(&input, &Limits::default()).unwrap().items.remove(0)
}

#[test]
fn places_are_read_in_every_vocabulary() {
    for (extensions, geojson) in [
        ("<g:point>45.256 -71.92</g:point>", r#"{"coordinates":[-71.92,45.256],"type":"Point"}"#),
        ("<g:point>45.5,-7.25</g:point>", r#"{"coordinates":[-7.25,45.5],"type":"Point"}"#),
        ("<g:line>1 2 3 4</g:line>", r#"{"coordinates":[[2,1],[4,3]],"type":"LineString"}"#),
        (
            "<g:where><l:Polygon><l:exterior><l:LinearRing><l:posList>0 0 0 1 1 1 0 0</l:posList></l:LinearRing></l:exterior></l:Polygon></g:where>",
            r#"{"coordinates":[[[0,0],[1,0],[1,1],[0,0]]],"type":"Polygon"}"#,
        ),
        (
            "<g:where><l:Point srsDimension='3'><l:pos>1 2 3</l:pos></l:Point></g:where>",
            r#"{"coordinates":[2,1,3],"type":"Point"}"#,
        ),
        (
            "<g:where><l:Point srsName='urn:ogc:def:crs:EPSG:6.6:4979' srsDimension='3'><l:pos>1 2 3</l:pos></l:Point></g:where>",
            r#"{"coordinates":[2,1,3],"type":"Point"}"#,
        ),
        ("<g:box>1 2 3 4</g:box>", r#"{"coordinates":[[[2,1],[4,1],[4,3],[2,3],[2,1]]],"type":"Polygon"}"#),
        ("<w:lat>1.50</w:lat><w:long>-2</w:long>", r#"{"coordinates":[-2,1.5],"type":"Point"}"#),
        ("<w:Point><w:lat>1</w:lat><w:long>2</w:long></w:Point>", r#"{"coordinates":[2,1],"type":"Point"}"#),
    ] {
        let place = item(extensions).place().map(|place| place.to_geojson().to_canonical());
        assert_eq!(place.as_deref(), Some(geojson), "{extensions}");
    }
}

#[test]
fn what_is_no_place_is_none() {
    for extensions in [
        "",
        "<g:point>here</g:point>",
        "<g:point>1</g:point>",
        "<g:line>1 2</g:line>",
        "<w:lat>1</w:lat>",
        // Metres of a map.
        "<g:where><l:Point srsName='EPSG:26913'><l:pos>500000 4000000</l:pos></l:Point></g:where>",
    ] {
        assert_eq!(item(extensions).place(), None, "{extensions}");
    }
}

#[test]
fn chapters_are_read() {
    let chapters = item(
        "<p:chapters version='1.2'><p:chapter start='00:00:00.000' title='Low'/><p:chapter start='3:07.25' title='High'
         href='http://a.example/' image='i.png'/><p:chapter start='soon' title='x'/></p:chapters>",
    )
    .chapters();
    assert_eq!(chapters.iter().map(|chapter| chapter.start_ms).collect::<Vec<_>>(), [0, 187_250]);
    assert_eq!(chapters[1].title.as_deref(), Some("High"));
    assert_eq!((chapters[1].link.as_deref(), chapters[1].image.as_deref()), (Some("http://a.example/"), Some("i.png")));
}

#[test]
fn durations_and_pictures_are_found() {
    for (extensions, seconds, image) in [
        ("<i:duration>1:02:03</i:duration><i:image href='a'/>", Some(3_723), Some("a")),
        ("<i:duration>90</i:duration>", Some(90), None),
        ("<i:duration>soon</i:duration>", None, None),
        ("<i:duration>1:2:3:4</i:duration>", None, None),
        (
            "<m:group><m:content duration='12.5' url='v'><m:thumbnail url='t'/></m:content></m:group>",
            Some(12),
            Some("t"),
        ),
        ("<m:content medium='image' url='p'/>", None, Some("p")),
        ("<enclosure url='http://a.example/p.png' type='image/png'/>", None, Some("http://a.example/p.png")),
    ] {
        let item = item(extensions);
        assert_eq!((item.duration_seconds(), item.image()), (seconds, image), "{extensions}");
    }
}
