//! Records of a WARC file (ISO 28500:2017, WARC 1.1), each a gzip member of its own (section 6 and annex A there).

use std::io::{self, Write};

use feedspine_core::{ContentHash, Timestamp};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid, Variant, Version};

/// What the first record says of those behind it.
const INFO: &str = "software: feedspine\r\nformat: WARC File Format 1.1\r\n\
                    conformsTo: http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/\r\n";

/// A resource as it was fetched: what it said, without how it was transferred.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resource<'a> {
    /// What tells it apart from all others: the same resource has the same id in each file.
    pub(crate) name: &'a [u8],
    pub(crate) uri: &'a str,
    pub(crate) date: Timestamp,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) bytes: &'a [u8],
}

/// A file under way.
pub(crate) struct WarcWriter<W> {
    out: W,
    info: Uuid,
}

impl<W: Write> WarcWriter<W> {
    /// Begins a file of that name with the record that says what it is.
    pub(crate) fn begin(mut out: W, file_name: &str, date: Timestamp) -> io::Result<Self> {
        let info = id_of(&[file_name.as_bytes(), date.to_string().as_bytes()]);
        let head = [
            ("WARC-Type", "warcinfo".to_owned()),
            ("WARC-Record-ID", urn(info)),
            ("WARC-Date", date.to_string()),
            ("WARC-Filename", in_a_line(file_name)),
            ("Content-Type", "application/warc-fields".to_owned()),
        ];
        write_member(&mut out, &head, INFO.as_bytes())?;
        Ok(Self { out, info })
    }

    /// Adds a resource.
    pub(crate) fn add(&mut self, resource: &Resource<'_>) -> io::Result<()> {
        let Resource { name, uri, date, content_type, bytes } = *resource;
        let digest = format!("sha256:{}", ContentHash::of(bytes));
        let head = [
            ("WARC-Type", "resource".to_owned()),
            ("WARC-Record-ID", urn(id_of(&[name]))),
            ("WARC-Warcinfo-ID", urn(self.info)),
            ("WARC-Date", date.to_string()),
            ("WARC-Target-URI", in_a_line(uri)),
            ("WARC-Block-Digest", digest.clone()),
            ("WARC-Payload-Digest", digest),
            ("Content-Type", in_a_line(content_type.unwrap_or("application/octet-stream"))),
        ];
        write_member(&mut self.out, &head, bytes)
    }

    /// The whole file.
    pub(crate) fn into_inner(self) -> W {
        self.out
    }
}

fn write_member(out: &mut impl Write, head: &[(&str, String)], block: &[u8]) -> io::Result<()> {
    let mut member = GzEncoder::new(out, Compression::default());
    member.write_all(b"WARC/1.1\r\n")?;
    for (name, value) in head {
        write!(member, "{name}: {value}\r\n")?;
    }
    write!(member, "Content-Length: {}\r\n\r\n", block.len())?;
    member.write_all(block)?;
    member.write_all(b"\r\n\r\n")?;
    member.finish()?;
    Ok(())
}

/// What a server or a name says in a header's line: it ends none.
fn in_a_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A UUID (version 8, RFC 9562 section 5.8) that says no more than what it is made of.
fn id_of(parts: &[&[u8]]) -> Uuid {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let digest: [u8; 32] = digest.finalize().into();
    let (head, _) = digest.split_first_chunk().expect("32 bytes begin with 16");
    Builder::from_bytes(*head).with_variant(Variant::RFC4122).with_version(Version::Custom).into_uuid()
}

fn urn(id: Uuid) -> String {
    format!("<urn:uuid:{id}>")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use flate2::bufread::GzDecoder;

    use super::*;

    type Parsed = (BTreeMap<String, String>, Vec<u8>);

    /// Reads a file as strictly as it is written: one record in each member, nothing before, between or behind them.
    fn read(mut file: &[u8]) -> Vec<Parsed> {
        let mut records = Vec::new();
        while !file.is_empty() {
            let mut text = Vec::new();
            let mut member = GzDecoder::new(file);
            member.read_to_end(&mut text).unwrap();
            file = member.into_inner();
            let end = text.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
            let head = std::str::from_utf8(&text[..end]).unwrap();
            let mut lines = head.split("\r\n");
            assert_eq!(lines.next(), Some("WARC/1.1"));
            let mut fields = BTreeMap::new();
            for line in lines {
                let (name, value) = line.split_once(": ").unwrap();
                assert!(fields.insert(name.to_owned(), value.to_owned()).is_none(), "{name} twice");
            }
            let length: usize = fields["Content-Length"].parse().unwrap();
            let block = text[end + 4..end + 4 + length].to_vec();
            assert_eq!(&text[end + 4 + length..], b"\r\n\r\n");
            records.push((fields, block));
        }
        records
    }

    #[test]
    fn a_file_is_a_record_that_says_what_it_is_and_one_for_each_resource_as_members_of_their_own() {
        let date: Timestamp = "2026-11-27T10:00:00.000001Z".parse().unwrap();
        let resource = |name, bytes| Resource {
            name,
            uri: "https://a.example/feed\r\nX: y",
            date,
            content_type: Some("application/rss+xml"),
            bytes,
        };
        let mut writer = WarcWriter::begin(Vec::new(), "a.warc.gz", date).unwrap();
        writer.add(&resource(b"one", b"<rss>\r\n\r\n\0\xFF")).unwrap();
        writer.add(&Resource { content_type: None, ..resource(b"two", b"") }).unwrap();
        let records = read(&writer.into_inner());
        let of =
            |name: &str| records.iter().map(|(fields, _)| fields.get(name).map(String::as_str)).collect::<Vec<_>>();
        assert_eq!(of("WARC-Type"), [Some("warcinfo"), Some("resource"), Some("resource")]);
        assert_eq!(of("WARC-Date"), [Some("2026-11-27T10:00:00.000001Z"); 3]);
        assert_eq!(of("WARC-Target-URI")[1], Some("https://a.example/feed  X: y"));
        let types = ["application/warc-fields", "application/rss+xml", "application/octet-stream"];
        assert_eq!(of("Content-Type"), types.map(Some));
        assert_eq!(of("WARC-Warcinfo-ID")[1..], [of("WARC-Record-ID")[0]; 2]);
        assert_eq!(records[1].1, b"<rss>\r\n\r\n\0\xFF");
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!((of("WARC-Block-Digest")[2], of("WARC-Payload-Digest")[2]), (Some(empty), Some(empty)));
    }

    #[test]
    fn the_same_resource_has_the_same_id_in_each_file_and_no_other_has_it() {
        assert_eq!(id_of(&[b"one"]), id_of(&[b"one"]));
        assert_ne!(id_of(&[b"one"]), id_of(&[b"two"]));
        assert_ne!(id_of(&[b"a", b"b"]), id_of(&[b"ab", b""]));
        assert_eq!(urn(id_of(&[b"one"])).len(), "<urn:uuid:00000000-0000-8000-8000-000000000000>".len());
    }
}
