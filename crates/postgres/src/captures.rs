//! The bytes that fetches brought: captures, and each body once.
//!
//! Whoever forgets has the store for itself: no body goes while a capture is kept that names it, or one that is packed
//! against it.

use feedspine_core::{
    Capture, CaptureFigures, CaptureName, ContentHash, FeedCaptures, FeedId, FetchId, Forgotten, HeldBody, HeldCapture,
    PackedBody, Packing, Page, PageRequest,
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::bind::{Param, bind, bound};
use crate::error::{Fault, Outcome};
use crate::history::{limit, read_all};
use crate::rows::{self, Columns, corrupt};
use crate::session::Session;

const CAPTURES: &str =
    "SELECT c.feed, c.fetch_id, c.first_ordinal, c.last_ordinal, c.observed_at, c.url, c.content_type,
        c.http_status, c.headers, c.body, b.length, octet_length(b.packed)::bigint
    FROM captures c JOIN capture_bodies b ON b.hash = c.body";

const INSERT_CAPTURE: &str = "INSERT INTO captures (feed, fetch_id, first_ordinal, last_ordinal, observed_at, url,
        content_type, http_status, headers, body) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    ON CONFLICT DO NOTHING RETURNING 1";

/// Keeps a capture, and its body unless that is held.
pub(crate) async fn keep(session: &Session, capture: &Capture, body: &PackedBody) -> Outcome<()> {
    let asked = "SELECT EXISTS (SELECT 1 FROM captures WHERE feed = $1 AND fetch_id = $2 AND first_ordinal = $3),
        EXISTS (SELECT 1 FROM capture_bodies WHERE hash = $4), b.packing, b.base
        FROM (SELECT $5 AS hash) asked LEFT JOIN capture_bodies b ON b.hash = asked.hash";
    let base = body.packing.base();
    let base = base.as_ref().map(|base| base.as_bytes().to_vec());
    let mut values = name_values(capture.name);
    values.extend([bound(&body.hash.as_bytes()[..]), bound(base.clone())]);
    let found = session.query_opt(asked, &values).await?.ok_or(Fault::Outdated)?;
    let mut columns = Columns::of(&found);
    let (is_known, is_held): (bool, bool) = (columns.take()?, columns.take()?);
    if !is_known {
        let mut values = capture_values(capture);
        let statement = if is_held {
            INSERT_CAPTURE.to_owned()
        } else {
            body.packing.check_base(read_held_packing(&mut columns)?)?;
            let of_body: [Param<'_>; 4] =
                bind![body.length.cast_signed(), body.packing.as_str(), base, body.packed.as_slice(),];
            values.extend(of_body);
            format!(
                "WITH body AS (INSERT INTO capture_bodies (hash, length, packing, base, packed)
                    VALUES ($10, $11, $12, $13, $14) ON CONFLICT DO NOTHING) {INSERT_CAPTURE}"
            )
        };
        if session.query_opt(&statement, &values).await?.is_some() {
            return Ok(());
        }
    }
    // It is held, or somebody else kept it just now.
    let statement = format!("{CAPTURES} WHERE c.feed = $1 AND c.fetch_id = $2 AND c.first_ordinal = $3");
    let held = session.query_opt(&statement, &name_values(capture.name)).await?.ok_or(Fault::Outdated)?;
    Ok(capture.check_same(&read(&mut Columns::of(&held))?.capture)?)
}

fn name_values(name: CaptureName) -> Vec<Param<'static>> {
    let CaptureName { feed, fetch, first_ordinal } = name;
    vec![bound(rows::feed_uuid(feed)), bound(rows::fetch_uuid(fetch)), bound(i64::from(first_ordinal))]
}

/// The values of [`INSERT_CAPTURE`].
fn capture_values(capture: &Capture) -> Vec<Param<'_>> {
    let mut values = name_values(capture.name);
    values.extend(bind![
        i64::from(capture.last_ordinal),
        capture.observed_at.as_micros(),
        capture.url.as_deref().map(rows::quoted),
        capture.content_type.as_deref().map(rows::quoted),
        capture.http_status.map(i32::from),
        capture.headers_as_text(),
        &capture.body.as_bytes()[..],
    ]);
    values
}

/// The captures of a feed, by fetch and first ordinal.
pub(crate) async fn captures_page(session: &Session, feed: FeedId, page: &PageRequest) -> Outcome<Page<HeldCapture>> {
    let first = CaptureName { feed, fetch: FetchId::from_bytes([0; 16]), first_ordinal: 0 };
    let before = CaptureName::before(feed, page)?;
    let mut values = name_values(before.unwrap_or(first));
    values.push(bound(limit(page)));
    // The first of all may be the very first name that there is.
    let behind = if before.is_some() { ">" } else { ">=" };
    let statement = format!(
        "{CAPTURES} WHERE c.feed = $1 AND (c.fetch_id, c.first_ordinal) {behind} ($2, $3)
         ORDER BY c.fetch_id, c.first_ordinal LIMIT $4"
    );
    Ok(HeldCapture::cut(page, read_all(&session.query(&statement, &values).await?, read)?))
}

/// Those of a fetch, by first ordinal.
pub(crate) async fn captures_of(session: &Session, feed: FeedId, fetch: FetchId) -> Outcome<Vec<Capture>> {
    let statement = format!("{CAPTURES} WHERE c.feed = $1 AND c.fetch_id = $2 ORDER BY c.first_ordinal");
    let found = session.query(&statement, &bind![rows::feed_uuid(feed), rows::fetch_uuid(fetch)]).await?;
    read_all(&found, |columns| Ok(read(columns)?.capture))
}

/// A body, and what it is packed against.
pub(crate) async fn body(session: &Session, hash: ContentHash) -> Outcome<Option<HeldBody>> {
    let statement = "SELECT b.hash, b.length, b.packed, b.packing, b.base FROM capture_bodies b WHERE b.hash = $1
        UNION ALL SELECT o.hash, o.length, o.packed, o.packing, o.base
        FROM capture_bodies b JOIN capture_bodies o ON o.hash = b.base WHERE b.hash = $1";
    let found = session.query(statement, &bind![&hash.as_bytes()[..]]).await?;
    let mut bodies = read_all(&found, read_body)?;
    let Some(place) = bodies.iter().position(|body| body.hash == hash) else { return Ok(None) };
    let body = bodies.swap_remove(place);
    Ok(Some(HeldBody { body, base: bodies.pop() }))
}

/// What the next body of a feed may be packed against.
pub(crate) async fn newest_base(session: &Session, feed: FeedId) -> Outcome<Option<PackedBody>> {
    let statement = "SELECT b.hash, b.length, b.packed, b.packing, b.base FROM capture_bodies b
        WHERE b.hash = (SELECT coalesce(l.base, l.hash) FROM captures c JOIN capture_bodies l ON l.hash = c.body
            WHERE c.feed = $1 ORDER BY c.fetch_id DESC, c.first_ordinal DESC LIMIT 1)";
    let found = session.query_opt(statement, &bind![rows::feed_uuid(feed)]).await?;
    found.map(|row: Row| read_body(&mut Columns::of(&row))).transpose()
}

/// How much is kept, by feed and in all.
pub(crate) async fn figures(session: &Session) -> Outcome<CaptureFigures> {
    let of_feeds = "SELECT c.feed, sum(c.captures)::bigint, count(*), sum(b.length)::bigint,
            sum(octet_length(b.packed))::bigint
        FROM (SELECT feed, body, count(*) AS captures FROM captures GROUP BY feed, body) c
        JOIN capture_bodies b ON b.hash = c.body GROUP BY c.feed ORDER BY c.feed";
    let feeds = read_all(&session.query(of_feeds, &[]).await?, |columns| {
        Ok(FeedCaptures {
            feed: columns.feed()?,
            captures: columns.unsigned()?,
            bodies: columns.unsigned()?,
            bytes: columns.unsigned()?,
            packed_bytes: columns.unsigned()?,
        })
    })?;
    let of_all = "SELECT count(*), coalesce(sum(octet_length(packed)), 0)::bigint FROM capture_bodies";
    let all = session.query_opt(of_all, &[]).await?.ok_or(Fault::Outdated)?;
    let mut columns = Columns::of(&all);
    Ok(CaptureFigures { feeds, bodies: columns.unsigned()?, packed_bytes: columns.unsigned()? })
}

/// Forgets captures, and the bodies that nothing needs then. The session holds the store.
pub(crate) async fn forget(session: &Session, captures: &[CaptureName]) -> Outcome<Forgotten> {
    let feeds: Vec<Uuid> = captures.iter().map(|name| rows::feed_uuid(name.feed)).collect();
    let fetches: Vec<Uuid> = captures.iter().map(|name| rows::fetch_uuid(name.fetch)).collect();
    let ordinals: Vec<i64> = captures.iter().map(|name| name.first_ordinal.into()).collect();
    let remove =
        "DELETE FROM captures c USING unnest($1, $2, $3) AS t (feed, fetch_id, first_ordinal), capture_bodies b
        WHERE (c.feed, c.fetch_id, c.first_ordinal) = (t.feed, t.fetch_id, t.first_ordinal) AND b.hash = c.body
        RETURNING c.body, b.base";
    let removed = session.query(remove, &bind![feeds, fetches, ordinals]).await?;
    let mut loose: Vec<Vec<u8>> = Vec::new();
    for row in &removed {
        let mut columns = Columns::of(row);
        loose.push(columns.digest()?.to_vec());
        loose.extend(columns.optional_digest()?.map(Vec::from));
    }
    let mut forgotten = Forgotten { captures: removed.len() as u64, ..Forgotten::default() };
    let remove = "DELETE FROM capture_bodies b WHERE hash = ANY($1)
        AND NOT EXISTS (SELECT 1 FROM captures c WHERE c.body = b.hash)
        AND NOT EXISTS (SELECT 1 FROM capture_bodies d WHERE d.base = b.hash)
        RETURNING octet_length(b.packed)::bigint";
    // What is packed against another goes first: that one may be needed by nothing else.
    for _ in 0..2 {
        let hashes: Vec<&[u8]> = loose.iter().map(Vec::as_slice).collect();
        for row in &session.query(remove, &bind![hashes]).await? {
            forgotten.bodies += 1;
            forgotten.packed_bytes += Columns::of(row).unsigned()?;
        }
    }
    Ok(forgotten)
}

fn read(columns: &mut Columns<'_>) -> Outcome<HeldCapture> {
    let capture = Capture {
        name: CaptureName { feed: columns.feed()?, fetch: columns.fetch()?, first_ordinal: columns.ordinal()? },
        last_ordinal: columns.ordinal()?,
        observed_at: columns.instant()?,
        url: columns.optional_unquoted()?,
        content_type: columns.optional_unquoted()?,
        http_status: columns.take::<Option<i32>>()?.and_then(|status| u16::try_from(status).ok()),
        headers: Capture::headers_of_text(columns.take()?).ok_or_else(|| corrupt("the header of an answer"))?,
        body: ContentHash::from_bytes(columns.digest()?),
    };
    Ok(HeldCapture { capture, bytes: columns.unsigned()?, packed_bytes: columns.unsigned()? })
}

fn read_body(columns: &mut Columns<'_>) -> Outcome<PackedBody> {
    let (hash, length) = (ContentHash::from_bytes(columns.digest()?), columns.unsigned()?);
    let packed = columns.take::<&[u8]>()?.to_vec();
    let packing = read_held_packing(columns)?.ok_or_else(|| corrupt("how a body is packed"))?;
    Ok(PackedBody { hash, length, packing, packed })
}

/// How a body is packed, from the word and the hash of what it is packed against; `None` of one that is not held.
fn read_held_packing(columns: &mut Columns<'_>) -> Outcome<Option<Packing>> {
    let word: Option<&str> = columns.take()?;
    let base = columns.optional_digest()?.map(ContentHash::from_bytes);
    let packing = word.map(|word| Packing::from_parts(word, base).ok_or_else(|| corrupt("how a body is packed")));
    packing.transpose()
}
