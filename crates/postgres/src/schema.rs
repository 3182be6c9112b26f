//! The tables, and how a schema comes to have them.
//!
//! Content is kept as the text that was hashed, instants as microseconds, text in the order of its bytes. No JSON
//! function of the server decides anything. What is asked at every poll is narrow; what is large is written once.

use feedspine_core::StorageError;

use crate::bind::bind;
use crate::changes;
use crate::error::{Fault, Outcome};
use crate::pool::Pool;
use crate::session::{Sees, Session};
use crate::settings::SchemaName;

/// The schema version that this program writes.
pub(crate) const SCHEMA_VERSION: u32 = 9;

/// The steps from an empty schema to the newest one; a store's version is how many of them were taken.
const MIGRATIONS: [&str; SCHEMA_VERSION as usize] =
    [VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6, VERSION_7, VERSION_8, VERSION_9];

/// PostgreSQL 13: the first with 64-bit transaction ids.
const OLDEST_SERVER: i32 = 130_000;

/// How often a migration may lose its connection or a race before it is given up.
const MOST_TRIES: u32 = 5;

const VERSION_1: &str = r#"
-- One row: what this schema is. The epoch grows when transaction ids begin anew, as after a restore.
CREATE TABLE store (
    alone boolean PRIMARY KEY DEFAULT true CHECK (alone),
    program text NOT NULL,
    version int NOT NULL,
    epoch int NOT NULL,
    cluster text NOT NULL
);
INSERT INTO store (program, version, epoch, cluster) VALUES ('feedspine', 0, 0, '');

-- What is held of each feed: its cursor and its manifest in brief.
CREATE TABLE feeds (
    id uuid PRIMARY KEY,
    revision bigint NOT NULL,
    cursor text,
    round bigint,
    told_by uuid,
    told_in bigint,
    digest bytea,
    size bigint,
    rule text,
    -- How many rows of the ledger and of the quarantine it has.
    observations bigint NOT NULL,
    rejects bigint NOT NULL,
    -- When its last round read it.
    observed_at bigint
);

-- The ledger: one row for each observation. `place` counts a feed's observations in the order of commits.
CREATE TABLE ledger (
    feed uuid NOT NULL,
    place bigint NOT NULL,
    fetch_id uuid NOT NULL,
    coverage smallint NOT NULL,
    -- For Unchanged: the fetch that it names.
    of uuid,
    observed_at bigint NOT NULL,
    recorded_at bigint NOT NULL,
    round bigint,
    -- This round was observed before the one before it.
    setback boolean NOT NULL,
    -- Its last part came.
    ended boolean NOT NULL,
    -- Null is none: most rows count two things.
    seen bigint, new bigint, changed bigint, unchanged bigint, rejected bigint, repeated bigint, withdrawn bigint,
    scrolled_off bigint, returned bigint, gaps bigint,
    -- Of a fetch that came in one part, what `parts` keeps of the others; else null.
    digest bytea,
    revision bigint,
    outcomes bytea,
    PRIMARY KEY (feed, place)
);
CREATE UNIQUE INDEX ledger_by_fetch ON ledger (feed, fetch_id);
CREATE UNIQUE INDEX ledger_by_round ON ledger (feed, round) WHERE round IS NOT NULL;
CREATE INDEX ledger_setbacks ON ledger (feed, round) WHERE setback;

-- The committed parts of fetches that came in several.
CREATE TABLE parts (
    feed uuid NOT NULL,
    fetch_id uuid NOT NULL,
    part bigint NOT NULL,
    round bigint,
    seen bigint, new bigint, changed bigint, unchanged bigint, rejected bigint, repeated bigint, withdrawn bigint,
    scrolled_off bigint, returned bigint, gaps bigint,
    digest bytea NOT NULL,
    revision bigint NOT NULL,
    outcomes bytea NOT NULL,
    PRIMARY KEY (feed, fetch_id, part)
);

-- Records, narrow: what lists are filtered and ordered by. `top_…` is the version shown when no layer is asked.
CREATE TABLE records (
    id uuid PRIMARY KEY,
    namespace text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    -- SHA-256 over the namespace and the key: a fixed width, whatever the key's length.
    key_hash bytea NOT NULL UNIQUE,
    key_rule text COLLATE "C" NOT NULL,
    first_seen bigint NOT NULL,
    published bigint,
    top_layer smallint NOT NULL,
    top_version int NOT NULL
);

CREATE TABLE versions (
    record uuid NOT NULL,
    layer smallint NOT NULL,
    number int NOT NULL,
    hash bytea NOT NULL,
    rule text NOT NULL,
    -- The hash under that rule, where it differs from the whole content's.
    rule_hash bytea,
    published bigint,
    updated bigint,
    recorded_at bigint NOT NULL,
    feed uuid,
    fetch_id uuid,
    from_layer smallint,
    from_version int,
    from_hash bytea,
    from_deleted boolean,
    -- Null for an empty object.
    metadata text,
    content text NOT NULL,
    PRIMARY KEY (record, layer, number)
);

-- Open spans: what a document is compared with.
CREATE TABLE present (
    record uuid NOT NULL,
    feed uuid NOT NULL,
    key_hash bytea NOT NULL,
    version int NOT NULL,
    since bigint NOT NULL,
    shown_version int NOT NULL,
    shown_hash bytea NOT NULL,
    age bigint NOT NULL,
    PRIMARY KEY (record, feed)
);
CREATE INDEX present_in ON present (feed);
-- What a feed showed last of a record that it no longer holds; nulls when that version was deleted.
CREATE TABLE absent (
    record uuid NOT NULL,
    feed uuid NOT NULL,
    shown_version int,
    shown_hash bytea,
    ended text,
    PRIMARY KEY (record, feed)
);
-- Closed spans.
CREATE TABLE spans (
    record uuid NOT NULL,
    feed uuid NOT NULL,
    since bigint NOT NULL,
    until bigint NOT NULL,
    version int NOT NULL,
    PRIMARY KEY (record, feed, since)
);
-- Point sightings.
CREATE TABLE points (
    record uuid NOT NULL,
    feed uuid NOT NULL,
    fetch_id uuid NOT NULL,
    observed_at bigint NOT NULL,
    shown_version int NOT NULL,
    shown_hash bytea NOT NULL,
    age bigint NOT NULL,
    ordinal bigint NOT NULL,
    PRIMARY KEY (record, feed, fetch_id)
);
CREATE INDEX points_by_fetch ON points (fetch_id, feed);
-- Sightings told by a caller, of keys that may have no record.
CREATE TABLE told (
    key_hash bytea NOT NULL,
    feed uuid NOT NULL,
    fetch_id uuid NOT NULL,
    observed_at bigint NOT NULL,
    first boolean NOT NULL,
    PRIMARY KEY (key_hash, feed, fetch_id)
);

-- The quarantine. Texts that may hold NUL are kept as JSON strings.
CREATE TABLE rejects (
    feed uuid NOT NULL,
    place bigint NOT NULL,
    fetch_id uuid NOT NULL,
    recorded_at bigint NOT NULL,
    ordinal bigint NOT NULL,
    namespace text,
    key text,
    code text NOT NULL,
    reason text NOT NULL,
    excerpt text NOT NULL,
    PRIMARY KEY (feed, place)
);
CREATE INDEX rejects_by_fetch ON rejects (fetch_id, feed);

-- The change log: one row for a run of events of one commit, numbered from `first`.
CREATE TABLE changes (
    epoch int NOT NULL,
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    first int NOT NULL,
    size int NOT NULL,
    feed uuid,
    fetch_id uuid,
    recorded_at bigint NOT NULL,
    -- One element for each event. Keys stand here because rows outlive their records.
    kinds smallint[] NOT NULL,
    records uuid[] NOT NULL,
    namespaces text[] NOT NULL,
    keys text[] NOT NULL,
    layers smallint[] NOT NULL,
    versions int[] NOT NULL,
    witnesses uuid[] NOT NULL,
    PRIMARY KEY (epoch, xid, first)
);

-- The marks by which transactions that no fetch names are recognised when the answer to their COMMIT was lost.
CREATE TABLE receipts (token uuid PRIMARY KEY, made_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX receipts_by_age ON receipts (made_at);

-- The control plane: feeds as people know them, and what became of each fetch.
CREATE TABLE control_feeds (
    id uuid PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    address text NOT NULL,
    namespace text NOT NULL,
    status text NOT NULL,
    key_rule text,
    allow_private boolean NOT NULL,
    added_at bigint NOT NULL
);
CREATE UNIQUE INDEX control_feed_names ON control_feeds (name) WHERE status <> 'removed';
CREATE TABLE fetches (
    id uuid PRIMARY KEY,
    feed uuid NOT NULL,
    -- Counts a feed's fetches in the order in which they were begun.
    begun bigint NOT NULL,
    address text NOT NULL,
    started_at bigint NOT NULL,
    finished_at bigint,
    status text,
    http_status int,
    wire_bytes bigint,
    body_bytes bigint,
    duration_ms bigint,
    code text,
    reason text
);
CREATE UNIQUE INDEX fetches_begun ON fetches (feed, begun);
"#;

/// What the operator chose for a feed.
const VERSION_2: &str = "ALTER TABLE control_feeds ADD COLUMN settings text NOT NULL DEFAULT '{}'";

/// A row and two index entries for each open span were a quarter of what a new item cost.
const VERSION_3: &str = r"
-- Open spans packed by feed (see manifest.rs): what a document is compared with.
CREATE TABLE manifests (feed uuid NOT NULL, chunk int NOT NULL, entries bytea NOT NULL, PRIMARY KEY (feed, chunk));
INSERT INTO manifests (feed, chunk, entries)
    SELECT feed, (place - 1) / 19, string_agg(
        key_hash || uuid_send(record) || int4send(version) || int8send(since) || int4send(shown_version) || shown_hash
            || int8send(age), ''::bytea ORDER BY key_hash)
    FROM (SELECT *, row_number() OVER (PARTITION BY feed ORDER BY key_hash) AS place FROM present) t
    GROUP BY feed, (place - 1) / 19;
-- Spans by record, the first ones only once they ended; `until` is null while one is open.
ALTER TABLE spans ALTER COLUMN until DROP NOT NULL;
INSERT INTO spans (record, feed, since, version) SELECT record, feed, since, version FROM present;
DROP TABLE present;
-- The feed whose document captured a record, and the round: its first span, which shows version 1 and is open as long as
-- `spans` holds none that begins so. Null for records that were first captured or written otherwise.
ALTER TABLE records ADD COLUMN feed uuid, ADD COLUMN since bigint;
CREATE VIEW all_spans AS
    SELECT record, feed, since, until, version FROM spans
    UNION ALL
    SELECT r.id, r.feed, r.since, NULL, 1 FROM records r
    WHERE r.feed IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM spans s WHERE s.record = r.id AND s.feed = r.feed AND s.since = r.since);
";

/// What an export has to know of a fetch that came in several parts, and what was imported of a part for its replay.
const VERSION_4: &str = "
-- As JSON; null for what was captured here, whose replay its outcomes tell.
ALTER TABLE ledger ADD COLUMN imported text;
-- `retold`: ordinals, four bytes each, most significant first. `xid`: the transaction whose changes are the part's.
ALTER TABLE parts ADD COLUMN imported text, ADD COLUMN retold bytea, ADD COLUMN xid xid8;
ALTER TABLE parts ALTER COLUMN xid SET DEFAULT pg_current_xact_id();
-- Null for those that came before this column, and for what was imported.
ALTER TABLE rejects ADD COLUMN part bigint;
";

/// How far an import came is a row of a table that is always there, so that every transaction can ask for it; it was a
/// table as long as an import was unfinished.
const VERSION_5: &str = "CREATE TABLE IF NOT EXISTS importing (rows bigint NOT NULL, digest bytea NOT NULL);";

/// Epochs have tokens (see changes.rs). Before, an epoch was a line of history, drawn by chance, and turns on it; after some
/// 126 turns another line was drawn, which could sort before what was there: such a log goes on behind it.
const VERSION_6: &str = "
CREATE TABLE epochs (number int PRIMARY KEY, token bigint NOT NULL);
-- Positions that were given out name no token: it is 0.
INSERT INTO epochs (number, token) SELECT epoch, 0 FROM store UNION SELECT epoch, 0 FROM changes;
UPDATE store SET epoch = last.epoch + 1 FROM (SELECT max(epoch) AS epoch FROM changes) last
    WHERE last.epoch > store.epoch;
";

/// How many contents were not kept, since their records churn.
const VERSION_7: &str = "
ALTER TABLE ledger ADD COLUMN held_back bigint;
ALTER TABLE parts ADD COLUMN held_back bigint;";

/// When feeds are fetched next, by which daemon, and what else is written down of a fetch.
const VERSION_8: &str = r#"
CREATE TABLE control_schedules (
    feed uuid PRIMARY KEY,
    -- Null while the feed is not fetched by itself.
    due_at bigint,
    state text NOT NULL
);
CREATE INDEX control_schedules_due ON control_schedules (due_at, feed) WHERE due_at IS NOT NULL;
CREATE TABLE control_leases (
    host text COLLATE "C" PRIMARY KEY,
    token bigint NOT NULL,
    -- Null when it was given back.
    holder text COLLATE "C",
    until bigint NOT NULL
);
-- `notes`: null for an empty object. The lease that a fetch was begun under, as long as it runs: of a fetch without one
-- nothing that is indexed changes when it ends.
ALTER TABLE fetches ADD COLUMN notes text, ADD COLUMN lease_host text COLLATE "C", ADD COLUMN lease_token bigint;
CREATE INDEX fetches_leased ON fetches (lease_host) WHERE lease_host IS NOT NULL;
"#;

/// The bytes that fetches brought.
const VERSION_9: &str = r#"
-- Each body once. `base`: the one that it is packed against.
CREATE TABLE capture_bodies (
    hash bytea PRIMARY KEY,
    length bigint NOT NULL,
    packing text COLLATE "C" NOT NULL,
    base bytea,
    packed bytea NOT NULL
);
-- They are packed already.
ALTER TABLE capture_bodies ALTER COLUMN packed SET STORAGE EXTERNAL;
CREATE INDEX capture_bodies_by_base ON capture_bodies (base) WHERE base IS NOT NULL;
-- `url`, `content_type`: as JSON strings.
CREATE TABLE captures (
    feed uuid NOT NULL,
    fetch_id uuid NOT NULL,
    first_ordinal bigint NOT NULL,
    last_ordinal bigint NOT NULL,
    observed_at bigint NOT NULL,
    url text COLLATE "C",
    content_type text COLLATE "C",
    http_status int,
    -- Null where no fields are kept.
    headers text COLLATE "C",
    body bytea NOT NULL,
    PRIMARY KEY (feed, fetch_id, first_ordinal)
);
CREATE INDEX captures_by_body ON captures (body);
"#;

/// Creates or migrates the store; of two processes at once, the second finds nothing to do.
pub(crate) async fn migrate(pool: &Pool, schema: &SchemaName) -> Result<(), StorageError> {
    let mut tried = 1;
    loop {
        let fault = match migrate_once(pool, schema).await {
            Ok(()) => return Ok(()),
            Err(fault) => fault,
        };
        // Taking the steps that are missing is safe to repeat, also after a COMMIT that was not answered.
        let lost = matches!(fault, Fault::Unanswered(_)) || fault.again() == crate::error::Again::Lost;
        if !lost || tried == MOST_TRIES {
            return Err(fault.into_error());
        }
        tried += 1;
    }
}

async fn migrate_once(pool: &Pool, schema: &SchemaName) -> Outcome<()> {
    let session = pool.migrating().await?;
    match take_steps(&session, schema).await {
        Ok(()) => session.commit(std::time::Duration::from_secs(30)).await,
        Err(fault) => {
            session.end();
            Err(fault)
        }
    }
}

async fn take_steps(session: &Session, schema: &SchemaName) -> Outcome<()> {
    check_server(session).await?;
    let taken = match look(session, schema).await? {
        Found::Nothing => {
            session.batch(&format!("CREATE SCHEMA IF NOT EXISTS {}", schema.as_str())).await?;
            0
        }
        Found::Ours(version) => version,
        Found::Foreign => return Err(foreign(schema).into()),
    };
    check_version(taken)?;
    for step in MIGRATIONS.iter().skip(taken as usize) {
        session.batch(step).await?;
    }
    if taken == 0 {
        changes::begin_history(session).await?;
    }
    if taken < SCHEMA_VERSION {
        session.execute("UPDATE store SET version = $1", &bind![SCHEMA_VERSION.cast_signed()]).await?;
    }
    changes::enter_epoch(session).await
}

/// The tables of an empty store of that schema version, as temporary ones of this session.
pub(crate) async fn make_pattern(session: &Session, version: u32) -> Outcome<()> {
    session.batch("SET LOCAL search_path TO pg_temp").await?;
    for step in MIGRATIONS.iter().take(version as usize) {
        session.batch(step).await?;
    }
    Ok(())
}

/// Refuses a schema that this program does not know.
pub(crate) fn check_version(version: u32) -> Result<(), StorageError> {
    if version <= SCHEMA_VERSION {
        return Ok(());
    }
    let message = format!("the store has schema version {version}; this program knows up to {SCHEMA_VERSION}");
    Err(StorageError::unsupported(message).with_hint("use a newer feedspine"))
}

/// A fault as callers see it. The tables may not be as this program takes them because a newer one has migrated the store
/// meanwhile: then the store is sound, and it is the program that has to be another.
pub(crate) async fn explain(pool: &Pool, fault: Fault) -> StorageError {
    let newer = if fault.is_of_schema() { outgrown(pool).await } else { None };
    match newer {
        Some(error) => error.with_source(fault.into_error()),
        None => fault.into_error(),
    }
}

/// The error for a store whose schema is newer than this program; `None` where it is not, or does not say.
async fn outgrown(pool: &Pool) -> Option<StorageError> {
    let session = pool.reading(Sees::All).await.ok()?;
    let said = session.query_opt("SELECT version FROM store WHERE program = 'feedspine'", &[]).await;
    session.end();
    let version: i32 = said.ok()??.try_get(0).ok()?;
    check_version(version.cast_unsigned()).err()
}

/// The error for a schema of somebody else's.
pub(crate) fn foreign(schema: &SchemaName) -> StorageError {
    StorageError::corrupt(format!("the schema {} holds tables of another program", schema.as_str()))
        .with_hint("choose another with ?schema=NAME in the address: feedspine makes its own")
}

async fn check_server(session: &Session) -> Outcome<()> {
    let asked = "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')";
    let row = session.query_opt(asked, &[]).await?.ok_or(Fault::Outdated)?;
    let (version, encoding): (i32, &str) = (row.try_get(0)?, row.try_get(1)?);
    if version < OLDEST_SERVER {
        let message = format!("the server is PostgreSQL {}", version / 10_000);
        return Err(StorageError::unsupported(message).with_hint("feedspine needs PostgreSQL 13 or newer").into());
    }
    if encoding != "UTF8" {
        let message = format!("the database's encoding is {encoding}");
        return Err(StorageError::unsupported(message).with_hint("create a database with ENCODING 'UTF8'").into());
    }
    Ok(())
}

/// What a schema is, before it is written to.
pub(crate) enum Found {
    /// None, or an empty one.
    Nothing,
    /// A store of ours with that schema version.
    Ours(u32),
    /// Somebody else's tables.
    Foreign,
}

/// Looks at a schema, and writes nothing.
pub(crate) async fn look(session: &Session, schema: &SchemaName) -> Outcome<Found> {
    let asked = "SELECT count(*), count(*) FILTER (WHERE c.relname = 'store' AND EXISTS (
            SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'program'))
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')";
    let row = session.query_opt(asked, &bind![schema.as_str()]).await?.ok_or(Fault::Outdated)?;
    let (tables, ours): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
    match (tables, ours) {
        (0, _) => return Ok(Found::Nothing),
        (_, 0) => return Ok(Found::Foreign),
        _ => {}
    }
    // By its whole name: a schema that we may not use is not on the search path, but is there all the same.
    let statement = format!("SELECT version FROM {}.store WHERE program = 'feedspine'", schema.as_str());
    let said = session.query_opt(&statement, &[]).await?;
    let Some(row) = said else { return Ok(Found::Foreign) };
    let version: i32 = row.try_get(0)?;
    Ok(Found::Ours(version.cast_unsigned()))
}
