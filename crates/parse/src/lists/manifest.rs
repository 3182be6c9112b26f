//! Manifests: files with their checksums and sizes, one on each line. `sha256sum` and its relatives write them, in GNU's
//! and in BSD's form; GDELT's `lastupdate.txt` has size, MD5 and URL.

use feedspine_core::Json;

use super::{ListPage, Taker};
use crate::address::resolve;
use crate::charset;
use crate::document::Input;
use crate::error::ParseError;
use crate::item::ItemRules;
use crate::limits::Limits;

/// Hash functions by the number of their hexadecimal digits.
const ALGORITHMS: [(usize, &str); 6] =
    [(32, "md5"), (40, "sha1"), (56, "sha224"), (64, "sha256"), (96, "sha384"), (128, "sha512")];

/// Reads a manifest: an entry is its `url`, its `name` as it stands, and what is said of it: `checksum`, `algorithm`,
/// `size`.
///
/// # Errors
/// No line of it names a file.
pub fn read_manifest(
    input: &Input<'_>,
    rules: &ItemRules,
    first_ordinal: u32,
    limits: &Limits,
) -> Result<ListPage, ParseError> {
    let mut taker = Taker::new(rules, limits, first_ordinal);
    let decoded = charset::decode(input.bytes, input.content_type, &mut taker.warnings)?;
    for (number, line) in (1..).zip(decoded.text.lines()) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        match entry(trimmed) {
            Some(entry) => taker.entry(entry.to_json(input.base))?,
            None => taker.wrong_line("manifest.line", number, "it names no file with a checksum or a size", line)?,
        }
    }
    if taker.is_empty() && taker.page.rejects.is_empty() {
        return Err(ParseError::Empty { found: "there is no line in it" });
    }
    let nothing = taker.page.rejects.iter().all(|reject| reject.code == "manifest.line");
    if taker.is_empty() && nothing {
        return Err(ParseError::NotAList { wanted: "manifest", found: "no line names a file".to_owned() });
    }
    Ok(taker.finish())
}

#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    name: &'a str,
    checksum: Option<(&'static str, String)>,
    size: Option<u64>,
}

impl Entry<'_> {
    fn to_json(&self, base: Option<&str>) -> Json {
        let url = resolve(self.name, base).unwrap_or_else(|| self.name.to_owned());
        let mut members = vec![("url", Json::from(url)), ("name", self.name.into())];
        if let Some((algorithm, checksum)) = &self.checksum {
            members.extend([("algorithm", Json::from(*algorithm)), ("checksum", checksum.as_str().into())]);
        }
        members.extend(self.size.map(|size| ("size", size.into())));
        Json::object(members)
    }
}

/// An entry says something of a file, or is a URL.
fn entry(line: &str) -> Option<Entry<'_>> {
    named_last(line).or_else(|| bsd(line)).or_else(|| fields(line))
}

/// `CHECKSUM  NAME`, a star before the name where it was read as bytes.
fn named_last(line: &str) -> Option<Entry<'_>> {
    let (first, rest) = line.split_once(' ')?;
    let name = rest.strip_prefix([' ', '*'])?.trim();
    let checksum = checksum(first)?;
    // What has further fields is no name with blanks.
    let is_name = !name.is_empty() && !name.contains("://");
    is_name.then_some(Entry { name, checksum: Some(checksum), size: None })
}

/// `SHA256 (NAME) = CHECKSUM`
fn bsd(line: &str) -> Option<Entry<'_>> {
    let (algorithm, rest) = line.split_once(" (")?;
    let (name, sum) = rest.rsplit_once(") = ")?;
    let (known, sum) = checksum(sum.trim())?;
    let is_that = algorithm.replace('-', "").eq_ignore_ascii_case(known);
    (is_that && !name.is_empty()).then_some(Entry { name, checksum: Some((known, sum)), size: None })
}

/// A URL or a name, a checksum and a size in any order, with white space between.
fn fields(line: &str) -> Option<Entry<'_>> {
    let (mut url, mut names, mut sum, mut size) = (None, Vec::new(), None, None);
    for field in line.split_whitespace() {
        if field.contains("://") {
            url = url.or(Some(field));
        } else if let (None, Some(found)) = (&sum, checksum(field)) {
            sum = Some(found);
        } else if let (None, Ok(found)) = (size, field.parse()) {
            size = Some(found);
        } else {
            names.push(field);
        }
    }
    let name = match (url, names.as_slice()) {
        (Some(url), _) => url,
        // Of several words nobody knows which is the name.
        (None, [name]) if sum.is_some() || size.is_some() => name,
        _ => return None,
    };
    Some(Entry { name, checksum: sum, size })
}

fn checksum(text: &str) -> Option<(&'static str, String)> {
    let (_, algorithm) = ALGORITHMS.into_iter().find(|(digits, _)| *digits == text.len())?;
    text.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| (algorithm, text.to_ascii_lowercase()))
}
