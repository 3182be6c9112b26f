//! Whose word a name is: prefixes, the vocabularies that we know, and others by number.

use std::sync::Arc;

/// Whose word an element's name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vocabulary {
    /// RSS and whatever has no namespace: the format's own words.
    Plain,
    /// Atom 1.0.
    Atom,
    /// Atom 0.3.
    Atom03,
    /// RDF syntax.
    Rdf,
    /// Dublin Core elements.
    DublinCore,
    /// Dublin Core terms.
    DublinTerms,
    /// The RSS content module.
    Content,
    /// The RSS syndication module.
    Syndication,
    /// XHTML.
    Xhtml,
    /// Some other; its number is the reader's.
    Other(u16),
}

impl Vocabulary {
    /// Words of the formats themselves.
    pub(crate) fn is_core(self) -> bool {
        matches!(self, Self::Plain | Self::Atom | Self::Atom03)
    }
}

/// Declarations in force at once, and namespaces of one document that are told apart: both are searched one by one. No
/// feed has thirty; what is beyond is kept under no namespace.
const MAX_NAMESPACES: usize = 256;

/// A URI longer than this is kept as no namespace: every item that uses it holds a copy.
const MAX_URI_BYTES: usize = 1_024;

#[derive(Debug)]
struct Binding<'a> {
    /// With the colon before it as in `xmlns:dc`; empty for the default namespace.
    prefix: &'a str,
    vocabulary: Vocabulary,
}

/// The namespaces in force.
#[derive(Debug, Default)]
pub(super) struct Namespaces<'a> {
    bindings: Vec<Binding<'a>>,
    others: Vec<Other>,
}

#[derive(Debug)]
struct Other {
    name: Arc<str>,
    adopted: bool,
}

/// Namespaces whose words are kept as extensions under the prefix that everybody uses, each by its URI as
/// [`Namespaces::vocabulary`] folds it.
const KNOWN: [(&str, &str); 39] = [
    ("a9.com/-/spec/opensearch/1.1", "opensearch"),
    ("a9.com/-/spec/opensearchrss/1.0", "opensearch"),
    ("activitystrea.ms/spec/1.0", "activity"),
    ("backend.userland.com/blogchannelmodule", "blogChannel"),
    ("backend.userland.com/creativecommonsrssmodule", "creativeCommons"),
    ("cyber.law.harvard.edu/rss/creativecommonsrssmodule.html", "creativeCommons"),
    ("creativecommons.org/ns", "cc"),
    ("example.com/dtds/podcast-1.0.dtd", "itunes"),
    ("georss.org/georss", "georss"),
    ("georss.org/georss/10", "georss"),
    ("georss.org/georss/11", "georss"),
    ("github.com/podcastindex-org/podcast-namespace/blob/main/docs/1.0.md", "podcast"),
    ("google.com/schemas/play-podcasts/1.0", "googleplay"),
    ("itunes.com/dtds/podcast-1.0.dtd", "itunes"),
    ("itunes.com/dtds/podcast-1.0", "itunes"),
    ("madskills.com/public/xml/rss/module/trackback", "trackback"),
    ("opengis.net/gml", "gml"),
    ("podcastindex.org/namespace/1.0", "podcast"),
    ("podlove.org/simple-chapters", "psc"),
    ("purl.org/rss/1.0/modules/slash", "slash"),
    ("purl.org/syndication/history/1.0", "fh"),
    ("purl.org/syndication/thread/1.0", "thr"),
    ("rssboard.org/media-rss", "media"),
    ("rssnamespace.org/feedburner/ext/1.0", "feedburner"),
    ("schemas.google.com/g/2005", "gd"),
    ("search.yahoo.com/mrss", "media"),
    ("tools.search.yahoo.com/mrss", "media"),
    ("video.search.yahoo.com/mrss", "media"),
    ("w3.org/1999/xlink", "xlink"),
    ("w3.org/2000/01/rdf-schema", "rdfs"),
    ("w3.org/2000/svg", "svg"),
    ("w3.org/2003/01/geo/wgs84_pos", "geo"),
    ("w3.org/2005/11/its", "its"),
    ("w3.org/2007/app", "app"),
    ("web.resource.org/cc", "cc"),
    ("webns.net/mvcb", "admin"),
    ("wellformedweb.org/commentapi", "wfw"),
    ("xmlns.com/foaf/0.1", "foaf"),
    ("youtube.com/xml/schemas/2015", "yt"),
];

impl<'a> Namespaces<'a> {
    pub(super) fn len(&self) -> usize {
        self.bindings.len()
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.bindings.truncate(len);
    }

    /// Binds what follows `xmlns` in an attribute's name.
    pub(super) fn bind(&mut self, prefix: &'a str, uri: &str) {
        if (prefix.is_empty() || prefix.starts_with(':')) && self.bindings.len() < MAX_NAMESPACES {
            let vocabulary = self.vocabulary(uri.trim_ascii(), prefix.is_empty());
            self.bindings.push(Binding { prefix, vocabulary });
        }
    }

    /// Splits a qualified name; true when nothing declares its prefix.
    pub(super) fn resolve(&mut self, name: &'a str) -> (Vocabulary, &'a str, bool) {
        let (prefix, local) = match memchr::memchr(b':', name.as_bytes()) {
            Some(0) | None => ("", name.trim_start_matches(':')),
            Some(colon) => (&name[..colon], &name[colon + 1..]),
        };
        let mut innermost = self.bindings.iter().rev();
        let bound = if prefix.is_empty() {
            innermost.find(|binding| binding.prefix.is_empty())
        } else {
            innermost.find(|binding| binding.prefix.get(1..) == Some(prefix))
        };
        match bound {
            Some(binding) => (self.current(binding.vocabulary), local, false),
            None if prefix.is_empty() => (Vocabulary::Plain, local, false),
            None => (self.undeclared(prefix), local, prefix != "xml"),
        }
    }

    /// Whether a name has a prefix that nothing declares.
    pub(super) fn is_undeclared(&self, name: &str) -> bool {
        let Some((prefix, _)) = name.split_once(':').filter(|(prefix, _)| !prefix.is_empty()) else { return false };
        let is_bound = || self.bindings.iter().any(|binding| binding.prefix.get(1..) == Some(prefix));
        !matches!(prefix, "xml" | "xmlns") && !is_bound()
    }

    fn current(&self, vocabulary: Vocabulary) -> Vocabulary {
        match vocabulary {
            Vocabulary::Other(number) if self.others.get(usize::from(number)).is_some_and(|other| other.adopted) => {
                Vocabulary::Plain
            }
            other => other,
        }
    }

    /// A prefix that nothing declares means what everybody means by it.
    fn undeclared(&mut self, prefix: &str) -> Vocabulary {
        let known = match prefix {
            "atom" => Some(Vocabulary::Atom),
            "rss" => Some(Vocabulary::Plain),
            "rdf" => Some(Vocabulary::Rdf),
            "dc" => Some(Vocabulary::DublinCore),
            "dcterms" => Some(Vocabulary::DublinTerms),
            "content" => Some(Vocabulary::Content),
            "sy" => Some(Vocabulary::Syndication),
            "xhtml" => Some(Vocabulary::Xhtml),
            _ => None,
        };
        known.unwrap_or_else(|| self.other(prefix))
    }

    pub(super) fn adopt(&mut self, vocabulary: Vocabulary) {
        if let Vocabulary::Other(number) = vocabulary
            && let Some(other) = self.others.get_mut(usize::from(number))
        {
            other.adopted = true;
        }
    }

    /// The name under which its words are kept; the prefix itself when nothing declares it.
    pub(super) fn name(&self, vocabulary: Vocabulary) -> Arc<str> {
        let known = match vocabulary {
            Vocabulary::Plain => "",
            Vocabulary::Atom | Vocabulary::Atom03 => "atom",
            Vocabulary::Rdf => "rdf",
            Vocabulary::DublinCore => "dc",
            Vocabulary::DublinTerms => "dcterms",
            Vocabulary::Content => "content",
            Vocabulary::Syndication => "sy",
            Vocabulary::Xhtml => "xhtml",
            Vocabulary::Other(number) => {
                return self.others.get(usize::from(number)).map(|other| other.name.clone()).unwrap_or_default();
            }
        };
        known.into()
    }

    /// The vocabulary of a namespace URI. Publishers write these with another case, without the last mark, over https.
    fn vocabulary(&mut self, uri: &str, is_default: bool) -> Vocabulary {
        let folded = uri.trim_end_matches(['/', '#']).to_ascii_lowercase();
        let path = folded.strip_prefix("https://").or_else(|| folded.strip_prefix("http://")).unwrap_or(&folded);
        match path.strip_prefix("www.").unwrap_or(path) {
            ""
            | "backend.userland.com/rss"
            | "backend.userland.com/rss2"
            | "blogs.law.harvard.edu/tech/rss"
            | "purl.org/rss/1.0"
            | "my.netscape.com/rdf/simple/0.9"
            | "channel.netscape.com/rdf/simple/0.9"
            | "my.netscape.com/publish/formats/rss-0.91.dtd"
            | "purl.org/net/rss1.1" => Vocabulary::Plain,
            "w3.org/2005/atom" => Vocabulary::Atom,
            "purl.org/atom/ns" => Vocabulary::Atom03,
            "w3.org/1999/02/22-rdf-syntax-ns" => Vocabulary::Rdf,
            "purl.org/dc/elements/1.1" | "purl.org/dc/elements/1.0" => Vocabulary::DublinCore,
            "purl.org/dc/terms" => Vocabulary::DublinTerms,
            "purl.org/rss/1.0/modules/content" => Vocabulary::Content,
            "purl.org/rss/1.0/modules/syndication" => Vocabulary::Syndication,
            "w3.org/1999/xhtml" => Vocabulary::Xhtml,
            other if other.starts_with("purl.org/atom/ns") => Vocabulary::Atom03,
            other if is_default && other.contains("rss") => Vocabulary::Plain,
            other => {
                let known = KNOWN.iter().find(|(path, _)| *path == other);
                self.other(known.map_or(uri, |(_, prefix)| prefix))
            }
        }
    }

    fn other(&mut self, name: &str) -> Vocabulary {
        if name.len() > MAX_URI_BYTES {
            return Vocabulary::Other(u16::MAX);
        }
        let known = self.others.iter().position(|other| &*other.name == name);
        let number = known.unwrap_or(self.others.len());
        if number == self.others.len() && number < MAX_NAMESPACES {
            self.others.push(Other { name: name.into(), adopted: false });
        }
        Vocabulary::Other(u16::try_from(number).expect("at most MAX_NAMESPACES are kept"))
    }
}
