//! The sample feeds, and what each of them shows in which round. All are fictional and written for this demo.

/// How many rounds there is something to show.
pub(super) const ROUNDS: usize = 4;

/// What a server tells to ask with next time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validator {
    /// Nothing: every request gets the whole document.
    None,
    /// An `ETag`.
    ETag,
    /// A `Last-Modified` date only.
    LastModified,
}

/// What a server answers in one round.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    /// A document.
    Document(&'static [u8]),
    /// A status without one.
    Status(u16),
}

/// One sample feed.
#[derive(Debug)]
pub(super) struct Sample {
    /// Its name, and its path on the server.
    pub(super) name: &'static str,
    pub(super) content_type: &'static str,
    /// The namespace that it shares with another; else its own.
    pub(super) shares: Option<&'static str>,
    pub(super) validator: Validator,
    pub(super) answers: [Answer; ROUNDS],
    /// What is to be noted in each round, if anything.
    pub(super) notes: [&'static str; ROUNDS],
}

macro_rules! document {
    ($path:literal) => {
        Answer::Document(include_bytes!(concat!("../../samples/", $path)))
    };
}

const RSS: &str = "application/rss+xml";
const ATOM: &str = "application/atom+xml";
const JSON: &str = "application/feed+json";

/// The samples, by name: that is the order in which they are collected.
pub(super) const SAMPLES: [Sample; 12] = [
    Sample {
        name: "cafe-miroir",
        content_type: "text/xml",
        shares: None,
        validator: Validator::None,
        answers: [
            document!("cafe-miroir/1.xml"),
            document!("cafe-miroir/1.xml"),
            document!("cafe-miroir/2.xml"),
            document!("cafe-miroir/2.xml"),
        ],
        notes: ["RSS in windows-1252", "", "a new price, the same date", ""],
    },
    Sample {
        name: "ferry-times",
        content_type: ATOM,
        shares: None,
        validator: Validator::ETag,
        answers: [
            document!("ferry-times/1.xml"),
            document!("ferry-times/1.xml"),
            document!("ferry-times/2.xml"),
            document!("ferry-times/2.xml"),
        ],
        notes: ["Atom with an ETag", "", "", ""],
    },
    Sample {
        name: "ghost-ship",
        content_type: RSS,
        shares: None,
        validator: Validator::None,
        answers: [
            document!("ghost-ship/1.xml"),
            Answer::Status(500),
            Answer::Status(404),
            document!("ghost-ship/1.xml"),
        ],
        notes: ["RSS, about to fail", "", "", "back; nothing was lost"],
    },
    Sample {
        name: "harbour-log",
        content_type: RSS,
        shares: None,
        validator: Validator::None,
        answers: [
            document!("harbour-log/1.xml"),
            document!("harbour-log/2.xml"),
            document!("harbour-log/3.xml"),
            document!("harbour-log/3.xml"),
        ],
        notes: ["RSS 2.0", "", "the oldest scrolls off", ""],
    },
    Sample {
        name: "lighthouse",
        content_type: ATOM,
        shares: None,
        validator: Validator::None,
        answers: [
            document!("lighthouse/1.xml"),
            document!("lighthouse/2.xml"),
            document!("lighthouse/1.xml"),
            document!("lighthouse/1.xml"),
        ],
        notes: ["Atom 1.0", "a silent edit", "silently edited back", ""],
    },
    Sample {
        name: "mill-notes",
        content_type: "text/xml",
        shares: None,
        validator: Validator::None,
        answers: [
            document!("mill-notes/1.xml"),
            document!("mill-notes/2.xml"),
            document!("mill-notes/2.xml"),
            document!("mill-notes/2.xml"),
        ],
        notes: ["malformed RSS, still read", "", "", ""],
    },
    Sample {
        name: "observatory",
        content_type: JSON,
        shares: None,
        validator: Validator::ETag,
        answers: [
            document!("observatory/1.json"),
            document!("observatory/2.json"),
            document!("observatory/3.json"),
            document!("observatory/3.json"),
        ],
        notes: ["JSON Feed, huge integers", "a bad item costs itself", "the bad item is mended", ""],
    },
    Sample {
        name: "quarry-gazette",
        content_type: "application/rdf+xml",
        shares: None,
        validator: Validator::None,
        answers: [document!("quarry-gazette/1.rdf"); ROUNDS],
        notes: ["RSS 1.0 in RDF", "", "", ""],
    },
    Sample {
        name: "town-council",
        content_type: RSS,
        shares: None,
        validator: Validator::ETag,
        answers: [
            document!("town-council/1.xml"),
            document!("town-council/1.xml"),
            document!("town-council/2.xml"),
            document!("town-council/3.xml"),
        ],
        notes: ["RSS 2.0 with an ETag", "", "an item is taken down", "it returns in other words"],
    },
    Sample {
        name: "weather-mast",
        content_type: JSON,
        shares: None,
        validator: Validator::LastModified,
        answers: [
            document!("weather-mast/1.json"),
            document!("weather-mast/1.json"),
            document!("weather-mast/1.json"),
            document!("weather-mast/2.json"),
        ],
        notes: ["JSON with Last-Modified", "", "", "an edit that says so"],
    },
    Sample {
        name: "wire-north",
        content_type: RSS,
        shares: Some("wire"),
        validator: Validator::ETag,
        answers: [
            document!("wire-north/1.xml"),
            document!("wire-north/2.xml"),
            document!("wire-north/2.xml"),
            document!("wire-north/3.xml"),
        ],
        notes: ["shares the namespace wire", "", "", "a duplicate of the south"],
    },
    Sample {
        name: "wire-south",
        content_type: RSS,
        shares: Some("wire"),
        validator: Validator::ETag,
        answers: [
            document!("wire-south/1.xml"),
            document!("wire-south/2.xml"),
            document!("wire-south/3.xml"),
            document!("wire-south/3.xml"),
        ],
        notes: ["the same item: one record", "2 duplicates of the north", "the south is first", ""],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stand_in_the_order_of_their_names() {
        assert!(SAMPLES.is_sorted_by_key(|sample| sample.name));
    }
}
