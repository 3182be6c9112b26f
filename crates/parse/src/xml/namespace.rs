//! Whose word a name is: prefixes, the vocabularies that we know, and others by number.

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
    uri: String,
    adopted: bool,
}

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

    pub(super) fn uri(&self, vocabulary: Vocabulary) -> &str {
        match vocabulary {
            Vocabulary::Plain => "",
            Vocabulary::Atom => "http://www.w3.org/2005/Atom",
            Vocabulary::Atom03 => "http://purl.org/atom/ns#",
            Vocabulary::Rdf => "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
            Vocabulary::DublinCore => "http://purl.org/dc/elements/1.1/",
            Vocabulary::DublinTerms => "http://purl.org/dc/terms/",
            Vocabulary::Content => "http://purl.org/rss/1.0/modules/content/",
            Vocabulary::Xhtml => "http://www.w3.org/1999/xhtml",
            Vocabulary::Other(number) => self.others.get(usize::from(number)).map_or("", |other| &other.uri),
        }
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
            "w3.org/1999/xhtml" => Vocabulary::Xhtml,
            other if other.starts_with("purl.org/atom/ns") => Vocabulary::Atom03,
            other if is_default && other.contains("rss") => Vocabulary::Plain,
            _ => self.other(uri),
        }
    }

    fn other(&mut self, uri: &str) -> Vocabulary {
        if uri.len() > MAX_URI_BYTES {
            return Vocabulary::Other(u16::MAX);
        }
        let known = self.others.iter().position(|other| other.uri == uri);
        let number = known.unwrap_or(self.others.len());
        if number == self.others.len() && number < MAX_NAMESPACES {
            self.others.push(Other { uri: uri.to_owned(), adopted: false });
        }
        Vocabulary::Other(u16::try_from(number).expect("at most MAX_NAMESPACES are kept"))
    }
}
