//! Fuzz targets for all that reads untrusted bytes.
//!
//! A target takes bytes and panics when a promise is broken: more is asserted than that nothing panics by itself.
//! `cargo xtask fuzz` drives each by libFuzzer, guided by what the code under test does; the test `targets` runs them on
//! seeds, on kept cases, and on some thousand changes of the seeds.

mod canonical;
mod charset;
mod csv;
mod dates;
mod discovery;
mod edgar;
mod extensions;
mod feeds;
mod html;
mod json_feed;
mod json_items;
mod json_query;
mod lines;
mod lists;
mod opml;
mod safe_html;
mod xml;

use std::path::{Path, PathBuf};

/// One way in for untrusted bytes.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of the folders with its seeds and its cases.
    pub name: &'static str,
    /// Takes any bytes; panics when a promise is broken.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 17] = [
    Target { name: "canonical", run: canonical::run },
    Target { name: "charset", run: charset::run },
    Target { name: "csv", run: csv::run },
    Target { name: "dates", run: dates::run },
    Target { name: "discovery", run: discovery::run },
    Target { name: "edgar", run: edgar::run },
    Target { name: "extensions", run: extensions::run },
    Target { name: "html", run: html::run },
    Target { name: "json_feed", run: json_feed::run },
    Target { name: "json_items", run: json_items::run },
    Target { name: "json_query", run: json_query::run },
    Target { name: "lines", run: lines::run },
    Target { name: "manifest", run: lists::manifest },
    Target { name: "opml", run: opml::run },
    Target { name: "safe_html", run: safe_html::run },
    Target { name: "sitemap", run: lists::sitemap },
    Target { name: "xml", run: xml::run },
];

impl Target {
    /// The target of that name.
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.into_iter().find(|target| target.name == name)
    }

    /// The folder with inputs to begin with, in our own words.
    pub fn seeds(&self) -> PathBuf {
        room().join("seeds").join(self.name)
    }

    /// The folder with inputs that once broke something; it may be absent.
    pub fn cases(&self) -> PathBuf {
        room().join("cases").join(self.name)
    }
}

fn room() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text before a line feed, and the bytes behind it: for targets that take two things.
fn two_parts(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let at = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((std::str::from_utf8(&bytes[..at]).ok()?, &bytes[at + 1..]))
}
