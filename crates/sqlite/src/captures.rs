//! The bytes that fetches brought: captures, and each body once.

use std::collections::BTreeSet;

use feedspine_core::{
    Capture, CaptureFigures, CaptureName, ContentHash, FeedCaptures, FeedId, FetchId, Forgotten, HeldBody, HeldCapture,
    PackedBody, Packing, Page, PageRequest,
};
use rusqlite::{Connection, OptionalExtension, Params, Row};

use crate::error::Outcome;
use crate::history::limit;
use crate::rows::{self, corrupt};
use crate::session::Session;
use crate::state::address;

const CAPTURES: &str = "SELECT c.feed, c.fetch, c.first_ordinal, c.last_ordinal, c.observed_at, a.text, c.content_type,
        c.http_status, c.headers, b.hash, b.length, length(b.packed)
    FROM captures c JOIN capture_bodies b ON b.no = c.body LEFT JOIN addresses a ON a.no = c.url";

const BODIES: &str = "SELECT b.hash, b.length, b.packing, o.hash, b.packed
    FROM capture_bodies b LEFT JOIN capture_bodies o ON o.no = b.base";

/// Keeps a capture, and its body unless that is held.
pub(crate) fn keep(session: &mut Session<'_>, capture: &Capture, body: &PackedBody) -> Outcome<()> {
    let conn = session.conn;
    let CaptureName { feed, fetch, first_ordinal } = capture.name;
    let name = (feed.as_bytes(), fetch.as_bytes(), first_ordinal);
    let held = load(conn, &format!("{CAPTURES} WHERE c.feed = ? AND c.fetch = ? AND c.first_ordinal = ?"), name)?.pop();
    if let Some(held) = held {
        return Ok(capture.check_same(&held.capture)?);
    }
    let body = match place_of(conn, body.hash)? {
        Some((number, _)) => number,
        None => insert_body(conn, body)?,
    };
    let url = capture.url.as_deref().map(|url| address(session, url)).transpose()?;
    conn.prepare_cached(
        "INSERT INTO captures (feed, fetch, first_ordinal, last_ordinal, observed_at, url, content_type, http_status,
            headers, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .execute((
        feed.as_bytes(),
        fetch.as_bytes(),
        first_ordinal,
        capture.last_ordinal,
        capture.observed_at.as_micros(),
        url,
        &capture.content_type,
        capture.http_status,
        capture.headers_as_text(),
        body,
    ))?;
    Ok(())
}

fn insert_body(conn: &Connection, body: &PackedBody) -> Outcome<i64> {
    let base = body.packing.base().map(|base| place_of(conn, base)).transpose()?.flatten();
    body.packing.check_base(base.map(|(_, packing)| packing))?;
    let mut insert =
        conn.prepare_cached("INSERT INTO capture_bodies (hash, length, packing, base, packed) VALUES (?, ?, ?, ?, ?)")?;
    let (length, base) = (body.length.cast_signed(), base.map(|(number, _)| number));
    Ok(insert.insert((body.hash.as_bytes(), length, body.packing.as_str(), base, &body.packed))?)
}

/// The number of a body that is held, and how it is packed.
fn place_of(conn: &Connection, hash: ContentHash) -> Outcome<Option<(i64, Packing)>> {
    let mut find = conn.prepare_cached(
        "SELECT b.no, b.packing, o.hash FROM capture_bodies b LEFT JOIN capture_bodies o ON o.no = b.base
         WHERE b.hash = ?",
    )?;
    let mut found = find.query([hash.as_bytes()])?;
    found.next()?.map(|row| Ok((row.get(0)?, read_packing(row, 1)?))).transpose()
}

/// The captures of a feed, by fetch and first ordinal.
pub(crate) fn captures_page(conn: &Connection, feed: FeedId, page: &PageRequest) -> Outcome<Page<HeldCapture>> {
    let before = CaptureName::before(feed, page)?;
    // No bytes come before all.
    let fetch: &[u8] = before.as_ref().map_or(&[], |before| before.fetch.as_bytes());
    let ordinal = before.map_or(0, |before| before.first_ordinal);
    let sql = format!(
        "{CAPTURES} WHERE c.feed = ? AND (c.fetch, c.first_ordinal) > (?, ?) ORDER BY c.fetch, c.first_ordinal LIMIT ?"
    );
    let found = load(conn, &sql, (feed.as_bytes(), fetch, ordinal, limit(page.size() + 1)))?;
    Ok(HeldCapture::cut(page, found))
}

/// Those of a fetch, by first ordinal.
pub(crate) fn captures_of(conn: &Connection, feed: FeedId, fetch: FetchId) -> Outcome<Vec<Capture>> {
    let sql = format!("{CAPTURES} WHERE c.feed = ? AND c.fetch = ? ORDER BY c.first_ordinal");
    let found = load(conn, &sql, (feed.as_bytes(), fetch.as_bytes()))?;
    Ok(found.into_iter().map(|held| held.capture).collect())
}

/// A body, and what it is packed against.
pub(crate) fn body(conn: &Connection, hash: ContentHash) -> Outcome<Option<HeldBody>> {
    let Some(body) = load_body(conn, "b.hash = ?", [hash.as_bytes()])? else { return Ok(None) };
    let base = match body.packing.base() {
        Some(base) => load_body(conn, "b.hash = ?", [base.as_bytes()])?,
        None => None,
    };
    Ok(Some(HeldBody { body, base }))
}

/// What the next body of a feed may be packed against.
pub(crate) fn newest_base(conn: &Connection, feed: FeedId) -> Outcome<Option<PackedBody>> {
    let condition = "b.no = (SELECT coalesce(l.base, l.no) FROM captures c JOIN capture_bodies l ON l.no = c.body
        WHERE c.feed = ? ORDER BY c.fetch DESC, c.first_ordinal DESC LIMIT 1)";
    load_body(conn, condition, [feed.as_bytes()])
}

/// How much is kept, by feed and in all.
pub(crate) fn figures(conn: &Connection) -> Outcome<CaptureFigures> {
    let mut load = conn.prepare_cached(
        "SELECT c.feed, sum(c.captures), count(*), sum(b.length), sum(length(b.packed))
         FROM (SELECT feed, body, count(*) AS captures FROM captures GROUP BY feed, body) c
         JOIN capture_bodies b ON b.no = c.body GROUP BY c.feed ORDER BY c.feed",
    )?;
    let number = |row: &Row<'_>, at: usize| row.get::<_, i64>(at).map(i64::cast_unsigned);
    let feeds = load.query_map([], |row| {
        Ok(FeedCaptures {
            feed: FeedId::from_bytes(row.get(0)?),
            captures: number(row, 1)?,
            bodies: number(row, 2)?,
            bytes: number(row, 3)?,
            packed_bytes: number(row, 4)?,
        })
    })?;
    let feeds = feeds.collect::<Result<_, _>>()?;
    let all = "SELECT count(*), ifnull(sum(length(packed)), 0) FROM capture_bodies";
    let (bodies, packed_bytes) =
        conn.prepare_cached(all)?.query_row([], |row| Ok((number(row, 0)?, number(row, 1)?)))?;
    Ok(CaptureFigures { feeds, bodies, packed_bytes })
}

/// Forgets captures, and the bodies that nothing needs then.
pub(crate) fn forget(session: &mut Session<'_>, captures: &[CaptureName]) -> Outcome<Forgotten> {
    let conn = session.conn;
    let mut remove = conn.prepare_cached(
        "DELETE FROM captures WHERE feed = ? AND fetch = ? AND first_ordinal = ?
         RETURNING body, (SELECT base FROM capture_bodies WHERE no = body)",
    )?;
    let mut forgotten = Forgotten::default();
    let mut loose = BTreeSet::new();
    for CaptureName { feed, fetch, first_ordinal } in captures {
        let removed = remove.query_row((feed.as_bytes(), fetch.as_bytes(), first_ordinal), |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
        });
        if let Some((body, base)) = removed.optional()? {
            forgotten.captures += 1;
            loose.insert(body);
            loose.extend(base);
        }
    }
    let mut remove = conn.prepare_cached(
        "DELETE FROM capture_bodies WHERE no = ?1 AND NOT EXISTS (SELECT 1 FROM captures WHERE body = ?1)
         AND NOT EXISTS (SELECT 1 FROM capture_bodies WHERE base = ?1) RETURNING length(packed)",
    )?;
    // What is packed against another goes first: that one may be needed by nothing else.
    for _ in 0..2 {
        for body in &loose {
            if let Some(packed) = remove.query_row([body], |row| row.get::<_, i64>(0)).optional()? {
                forgotten.bodies += 1;
                forgotten.packed_bytes += packed.cast_unsigned();
            }
        }
    }
    Ok(forgotten)
}

fn load(conn: &Connection, sql: &str, values: impl Params) -> Outcome<Vec<HeldCapture>> {
    let mut load = conn.prepare_cached(sql)?;
    let mut found = load.query(values)?;
    let mut captures = Vec::new();
    while let Some(row) = found.next()? {
        captures.push(read(row)?);
    }
    Ok(captures)
}

fn read(row: &Row<'_>) -> Outcome<HeldCapture> {
    let headers = row.get_ref(8)?.as_str_or_null().map_err(rusqlite::Error::from)?;
    let capture = Capture {
        name: CaptureName {
            feed: FeedId::from_bytes(row.get(0)?),
            fetch: FetchId::from_bytes(row.get(1)?),
            first_ordinal: row.get(2)?,
        },
        last_ordinal: row.get(3)?,
        observed_at: rows::instant(row.get(4)?)?,
        url: row.get(5)?,
        content_type: row.get(6)?,
        http_status: row.get(7)?,
        headers: Capture::headers_of_text(headers).ok_or_else(|| corrupt("the header of an answer"))?,
        body: ContentHash::from_bytes(row.get(9)?),
    };
    let [bytes, packed_bytes] = [row.get::<_, i64>(10)?, row.get(11)?].map(i64::cast_unsigned);
    Ok(HeldCapture { capture, bytes, packed_bytes })
}

fn load_body(conn: &Connection, condition: &str, values: impl Params) -> Outcome<Option<PackedBody>> {
    let mut load = conn.prepare_cached(&format!("{BODIES} WHERE {condition}"))?;
    let mut found = load.query(values)?;
    let Some(row) = found.next()? else { return Ok(None) };
    Ok(Some(PackedBody {
        hash: ContentHash::from_bytes(row.get(0)?),
        length: row.get::<_, i64>(1)?.cast_unsigned(),
        packing: read_packing(row, 2)?,
        packed: row.get(4)?,
    }))
}

/// Reads how a body is packed from two columns: the word, and the hash of what it is packed against.
fn read_packing(row: &Row<'_>, at: usize) -> Outcome<Packing> {
    let word = row.get_ref(at)?.as_str().map_err(rusqlite::Error::from)?;
    let base = row.get::<_, Option<[u8; 32]>>(at + 1)?.map(ContentHash::from_bytes);
    Packing::from_parts(word, base).ok_or_else(|| corrupt("how a body is packed"))
}
