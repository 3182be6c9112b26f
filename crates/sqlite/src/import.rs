//! Rows of an export, written as what this store keeps of them.
//!
//! The table `importing` is there as long as an import is not finished; beside it lies what rows to come need to know of
//! those before them.

use std::collections::btree_map::{self, BTreeMap};

use feedspine_core::ingest::{KEY_COLLISION, LedgerRow, Present, Standing, StoredVersion};
use feedspine_core::transfer::{
    FeedRow, ObservationRow, PointRow, Progress, RecordRow, RejectRow, Row, SpanRow, StandingRow, ToldRow,
    import_unfinished, no_import, not_empty, unfounded,
};
use feedspine_core::{
    Coverage, Event, FeedId, FetchId, KeyHash, Layer, NaturalKey, RecordId, Reject, SpanEnd, Subject, Timestamp,
    VersionNo,
};
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension};

use crate::apply::close_span;
use crate::changes::{self, Entry};
use crate::error::Outcome;
use crate::manifest::OpenSpans;
use crate::rows;
use crate::session::{Session, find_feed, find_fetch, find_record};
use crate::{feed_row, ledger, versions};

const BEGIN: &str = "
CREATE TABLE importing (rows INTEGER NOT NULL, digest BLOB NOT NULL) STRICT;
-- Of fetches that came in several parts: which part made a version (key hash and number), quarantined an item as a
-- collision (ordinal) or by its key (key hash; several may have the same).
CREATE TABLE importing_parts (
    feed INTEGER NOT NULL, fetch INTEGER NOT NULL, what BLOB NOT NULL, part INTEGER NOT NULL, copy INTEGER NOT NULL,
    PRIMARY KEY (feed, fetch, what, part, copy)
) STRICT, WITHOUT ROWID;
CREATE INDEX importing_graves ON graves (id);";

// The mark goes last. What lies beside it may be gone: a feedspine that failed here once could leave half of it.
const FINISH: &str =
    "DROP INDEX IF EXISTS importing_graves; DROP TABLE IF EXISTS importing_parts; DROP TABLE importing;";

/// What is made above, as a check of the schema calls it.
pub(crate) const OF_IMPORTS: [&str; 3] = ["table importing", "table importing_parts", "index importing_graves"];

/// Whether an import was begun and not finished.
pub(crate) fn is_unfinished(conn: &Connection) -> Outcome<bool> {
    Ok(conn.prepare_cached("SELECT 1 FROM sqlite_schema WHERE name = 'importing'")?.exists([])?)
}

/// Fails while an import is not finished.
pub(crate) fn refuse_unfinished(conn: &Connection) -> Outcome<()> {
    if is_unfinished(conn)? { Err(import_unfinished().into()) } else { Ok(()) }
}

/// Begins an import, or says how far one came.
pub(crate) fn begin(session: &mut Session<'_>) -> Outcome<Option<Progress>> {
    let conn = session.conn;
    if let Some(progress) = read_progress(conn)? {
        return Ok(Some(progress));
    }
    for table in ["ledger", "records", "told", "changes"] {
        if conn.prepare(&format!("SELECT 1 FROM {table}"))?.exists([])? {
            return Err(not_empty().into());
        }
    }
    session.change_schema(BEGIN)?;
    conn.execute_batch(crate::schema::NEW_EPOCH)?;
    write_progress(conn, Progress::default())?;
    Ok(None)
}

/// Ends an import.
pub(crate) fn finish(session: &mut Session<'_>) -> Outcome<()> {
    if !is_unfinished(session.conn)? {
        return Err(no_import().into());
    }
    session.change_schema(FINISH)
}

/// Writes rows, and how far the import is with them.
pub(crate) fn import(session: &mut Session<'_>, rows: &[Row], progress: Progress) -> Outcome<()> {
    read_progress(session.conn)?.ok_or_else(no_import)?.check_next(rows.len(), &progress)?;
    let mut import = Import { session, open: BTreeMap::new(), run: None };
    for row in rows {
        import.row(row)?;
    }
    for spans in import.open.values() {
        spans.store(import.session.conn)?;
    }
    import.end_run()?;
    import.session.conn.execute("DELETE FROM importing", [])?;
    write_progress(import.session.conn, progress)
}

/// How far an import came that was not finished.
fn read_progress(conn: &Connection) -> Outcome<Option<Progress>> {
    if !is_unfinished(conn)? {
        return Ok(None);
    }
    let told = conn.query_row("SELECT rows, digest FROM importing", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (rows, digest): (i64, [u8; 32]) = told;
    Ok(Some(Progress { rows: rows.cast_unsigned(), digest }))
}

fn write_progress(conn: &Connection, progress: Progress) -> Outcome<()> {
    let Progress { rows, digest } = progress;
    conn.execute("INSERT INTO importing (rows, digest) VALUES (?, ?)", (rows.cast_signed(), digest))?;
    Ok(())
}

/// One batch on its way into the store.
struct Import<'a, 'b> {
    session: &'a mut Session<'b>,
    /// Manifests that rows of this batch were put into.
    open: BTreeMap<i64, OpenSpans>,
    run: Option<Run>,
}

/// Events that happened together: one row of the change log.
struct Run {
    first: i64,
    source: Option<(i64, i64)>,
    recorded_at: Timestamp,
    /// The part that made them, where the fetch came in several.
    part: Option<u32>,
    entries: Vec<Entry>,
}

/// Events of calls may be kept apart or together: this many at most.
const LONGEST_RUN: usize = 1_000;

impl Import<'_, '_> {
    fn row(&mut self, row: &Row) -> Outcome<()> {
        match row {
            Row::Feed(row) => self.feed(row),
            Row::Observation(row) => self.observation(row),
            Row::Reject(row) => self.reject(row),
            Row::Record(row) => self.record(row),
            Row::Version(row) => self.version(row),
            Row::Span(row) => self.span(row),
            Row::Point(row) => self.point(row),
            Row::Standing(row) => self.standing(row),
            Row::Told(row) => self.told(row),
            Row::Event(event) => self.event(event),
        }
    }

    fn feed(&mut self, row: &FeedRow) -> Outcome<()> {
        let no = self.session.feed(row.feed)?;
        let state = row.state.clone();
        feed_row::FeedRow { no, state, observations: 0, rejects: 0, last_round: None }.store(self.session)
    }

    fn observation(&mut self, row: &ObservationRow) -> Outcome<()> {
        let LedgerRow { observation, ended } = &row.ledger;
        let conn = self.session.conn;
        let Some(mut feed) = feed_row::FeedRow::load(conn, observation.feed)? else {
            return Err(unfounded("observation", format!("feed {}", observation.feed)).into());
        };
        let of = match observation.coverage {
            Coverage::Unchanged { of } => match ledger::find_observation(conn, feed.no, of)? {
                Some((place, _)) => Some(place),
                None => return Err(unfounded("observation", format!("fetch {of}")).into()),
            },
            _ => None,
        };
        let fetch = self.session.fetch(observation.fetch)?;
        feed.observations += 1;
        let place_in_time = (observation.observed_at, observation.fetch);
        let setback = observation.round.is_some() && feed.last_round.is_some_and(|last| place_in_time <= last);
        if observation.round.is_some() {
            feed.last_round = Some(place_in_time);
        }
        let alone = match row.parts.as_slice() {
            [(0, part)] if *ended => Some(part),
            _ => None,
        };
        let own: [&dyn ToSql; 12] = [
            &feed.no,
            &feed.observations,
            &fetch,
            &ledger::coverage_number(observation.coverage),
            &of,
            &observation.observed_at.as_micros(),
            &observation.recorded_at.micros_since(observation.observed_at),
            &observation.round.map(rows::round_number),
            &setback,
            ended,
            &alone.map(|part| part.committed.digest.0),
            &alone.map(|part| part.committed.revision.cast_signed()),
        ];
        let sql = "INSERT INTO ledger
            (feed, place, fetch, coverage, of, observed_at, recorded_after, round, setback, ended, digest, revision,
             seen, new, changed, unchanged, rejected, repeated, withdrawn, scrolled_off, returned, gaps, held_back)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        ledger::execute(self.session.conn, sql, &own, &observation.counts)?;
        if alone.is_none() {
            self.parts(row, feed.no, feed.observations, fetch)?;
        }
        feed.store(self.session)
    }

    fn parts(&mut self, row: &ObservationRow, feed: i64, place: i64, fetch: i64) -> Outcome<()> {
        let conn = self.session.conn;
        let mut note = conn.prepare_cached(
            "INSERT INTO importing_parts (feed, fetch, what, part, copy) VALUES (?1, ?2, ?3, ?4,
                (SELECT count(*) FROM importing_parts WHERE feed = ?1 AND fetch = ?2 AND what = ?3 AND part = ?4))",
        )?;
        for (index, part) in &row.parts {
            let committed = &part.committed;
            let retold: Vec<u8> = committed.retold.iter().flat_map(|ordinal| ordinal.to_be_bytes()).collect();
            let own: [&dyn ToSql; 7] = [
                &feed,
                &place,
                index,
                &committed.digest.0,
                &committed.round.map(rows::round_number),
                &committed.revision.cast_signed(),
                &retold,
            ];
            let sql = "INSERT INTO parts
                (feed, place, part, digest, round, revision, retold,
                 seen, new, changed, unchanged, rejected, repeated, withdrawn, scrolled_off, returned, gaps, held_back)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
            ledger::execute(conn, sql, &own, &committed.counts)?;
            for (key_hash, version) in &part.made {
                note.execute((feed, fetch, version_made(key_hash, *version), index))?;
            }
            for ordinal in &part.collided {
                note.execute((feed, fetch, ordinal.to_be_bytes(), index))?;
            }
            for key_hash in &part.rejected {
                note.execute((feed, fetch, key_hash.as_bytes(), index))?;
            }
        }
        Ok(())
    }

    fn reject(&mut self, row: &RejectRow) -> Outcome<()> {
        let (feed, fetch) = self.observed("reject", row.feed, row.quarantined.fetch)?;
        let reject = &row.quarantined.reject;
        let conn = self.session.conn;
        let part = self.part_of_reject(feed, fetch, reject)?.unwrap_or(0);
        let place: i64 = conn
            .prepare_cached("UPDATE feeds SET rejects = rejects + 1 WHERE no = ? RETURNING rejects")?
            .query_row([feed], |row| row.get(0))?;
        conn.prepare_cached(
            "INSERT INTO rejects (feed, place, fetch, part, recorded_at, ordinal, namespace, key, code, reason, excerpt)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute((
            feed,
            place,
            fetch,
            part,
            row.quarantined.recorded_at.as_micros(),
            reject.ordinal,
            reject.key.as_ref().map(|key| key.namespace().as_str()),
            reject.key.as_ref().map(NaturalKey::key),
            &reject.code,
            &reject.reason,
            &reject.excerpt,
        ))?;
        Ok(())
    }

    /// The part that quarantined an item with a key; nothing for a fetch that came in one.
    fn part_of_reject(&self, feed: i64, fetch: i64, reject: &Reject) -> Outcome<Option<u32>> {
        let Some(key) = &reject.key else { return Ok(None) };
        let collided = reject.code == KEY_COLLISION;
        let by_ordinal = if collided { self.part_of(feed, fetch, &reject.ordinal.to_be_bytes())? } else { None };
        let part = match by_ordinal {
            Some(part) => Some(part),
            None => self.part_of(feed, fetch, key.hash().as_bytes())?,
        };
        // Each note stands for one reject.
        self.session
            .conn
            .prepare_cached(
                "DELETE FROM importing_parts WHERE feed = ?1 AND fetch = ?2 AND what = ?3 AND part = ?4 AND copy =
                 (SELECT max(copy) FROM importing_parts WHERE feed = ?1 AND fetch = ?2 AND what = ?3 AND part = ?4)",
            )?
            .execute((feed, fetch, key.hash().as_bytes(), part))?;
        Ok(part)
    }

    fn part_of(&self, feed: i64, fetch: i64, what: &[u8]) -> Outcome<Option<u32>> {
        let mut find = self
            .session
            .conn
            .prepare_cached("SELECT min(part) FROM importing_parts WHERE feed = ? AND fetch = ? AND what = ?")?;
        Ok(find.query_row((feed, fetch, what), |row| row.get(0))?)
    }

    fn record(&mut self, row: &RecordRow) -> Outcome<()> {
        let space = self.session.space(row.key.namespace())?;
        let number = self.session.new_record_number()?;
        let conn = self.session.conn;
        conn.prepare_cached(
            "INSERT INTO records (no, id, space, key, key_rule, first_seen) VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute((
            number,
            row.id.as_bytes(),
            space,
            row.key.key(),
            row.key_rule.as_str(),
            row.first_seen.as_micros(),
        ))?;
        conn.prepare_cached("INSERT INTO keys (space, hash, record) VALUES (?, ?, ?)")?.execute((
            space,
            row.key.hash().as_bytes(),
            number,
        ))?;
        Ok(())
    }

    fn version(&mut self, stored: &StoredVersion) -> Outcome<()> {
        let version = &stored.version;
        let record = self.held("version", version.record)?;
        let row = rows::version_row(record, version.layer, version.number)?;
        let rule = self.session.rule(&version.hash_rule)?;
        let feed = version.origin.as_ref().map(|origin| self.session.feed(origin.feed)).transpose()?;
        let fetch = version.origin.as_ref().map(|origin| self.session.fetch(origin.fetch)).transpose()?;
        let content = versions::place(self.session, row)?;
        let hash = version.content.hash();
        let source = version.derived_from.as_ref();
        let published = version.published.map(Timestamp::as_micros);
        let values: [&dyn ToSql; 15] = [
            &content,
            hash.as_bytes(),
            &rule,
            &Some(*stored.hash.as_bytes()).filter(|_| stored.hash != hash),
            &published,
            &version.updated.map(Timestamp::as_micros),
            &version.recorded_at.as_micros(),
            &feed,
            &fetch,
            &source.map(|source| source.layer.rank()),
            &source.map(|source| source.version.get()),
            &source.map(|source| *source.hash.as_bytes()),
            &source.map(|source| source.source_deleted),
            &rows::stored_metadata(&version.metadata),
            &version.content.as_str(),
        ];
        let conn = self.session.conn;
        conn.prepare_cached(
            "INSERT INTO contents (no, hash, rule, rule_hash, published, updated, recorded_at, feed, fetch,
                                   from_layer, from_version, from_hash, from_deleted, metadata, content)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(values.as_slice())?;
        versions::show(conn, record, row, published)
    }

    fn span(&mut self, row: &SpanRow) -> Outcome<()> {
        let record = self.held("span", row.record)?;
        let feed = self.known_feed("span", row.feed)?;
        let (since, until) = (rows::round_number(row.since), rows::round_number(row.until));
        close_span(self.session.conn, (record, feed, since), until, row.version)
    }

    fn point(&mut self, row: &PointRow) -> Outcome<()> {
        let record = self.held("point", row.record)?;
        let (feed, fetch) = self.observed("point", row.feed, row.fetch)?;
        let conn = self.session.conn;
        conn.prepare_cached(
            "INSERT INTO points (record, observed_at, feed, fetch, shown_version, shown_hash, age, ordinal)
             SELECT ?1, observed_at, ?2, ?3, ?4, ?5, ?6, ?7 FROM ledger WHERE fetch = ?3 AND feed = ?2",
        )?
        .execute((
            record,
            feed,
            fetch,
            row.shown.version.get(),
            row.shown.hash.as_bytes(),
            row.age.as_micros(),
            row.ordinal,
        ))?;
        Ok(())
    }

    fn standing(&mut self, row: &StandingRow) -> Outcome<()> {
        let record = self.held("standing", row.record)?;
        let feed = self.known_feed("standing", row.feed)?;
        let conn = self.session.conn;
        match &row.standing {
            Standing::Open(present) => self.open_span(record, feed, present),
            Standing::Left(absent) => {
                let hash = absent.shown.map(|version| shown_hash(conn, record, version)).transpose()?;
                conn.prepare_cached(
                    "INSERT INTO absent (record, feed, shown_version, shown_hash, ended) VALUES (?, ?, ?, ?, ?)",
                )?
                .execute((
                    record,
                    feed,
                    absent.shown.map(VersionNo::get),
                    hash,
                    absent.left.map(SpanEnd::as_str),
                ))?;
                Ok(())
            }
        }
    }

    fn open_span(&mut self, record: i64, feed: i64, present: &Present) -> Outcome<()> {
        let conn = self.session.conn;
        let since = rows::round_number(present.since);
        // A span that shows the first version needs no row where the record itself can say so.
        let said = present.version == VersionNo::FIRST
            && conn
                .prepare_cached("UPDATE records SET feed = ?2, since = ?3 WHERE no = ?1 AND feed IS NULL")?
                .execute((record, feed, since))?
                == 1;
        if !said {
            conn.prepare_cached("INSERT INTO spans (record, feed, since, version) VALUES (?, ?, ?, ?)")?.execute((
                record,
                feed,
                since,
                present.version.get(),
            ))?;
        }
        let key = conn
            .prepare_cached("SELECT s.name, r.key FROM records r JOIN spaces s ON s.no = r.space WHERE r.no = ?")?
            .query_row([record], |row| Ok(rows::key(row, 0)))??;
        let open = match self.open.entry(feed) {
            btree_map::Entry::Occupied(held) => held.into_mut(),
            btree_map::Entry::Vacant(place) => place.insert(OpenSpans::load(conn, feed)?),
        };
        open.set(&key.hash(), present);
        Ok(())
    }

    fn told(&mut self, row: &ToldRow) -> Outcome<()> {
        self.session
            .conn
            .prepare_cached("INSERT INTO told (key_hash, feed, fetch, observed_at, first) VALUES (?, ?, ?, ?, ?)")?
            .execute((
                row.key_hash.as_bytes(),
                row.feed.as_bytes(),
                row.fetch.as_bytes(),
                row.observed_at.as_micros(),
                row.first,
            ))?;
        Ok(())
    }

    fn event(&mut self, event: &Event) -> Outcome<()> {
        let record = event.subject.as_ref().map(|subject| self.number_of(subject)).transpose()?;
        let witness = event.witness.map(|witness| self.number_of_witness(witness)).transpose()?;
        let source = match (event.feed, event.fetch) {
            (Some(feed), Some(fetch)) => Some(self.observed("event", feed, fetch)?),
            _ => None,
        };
        let part = match (source, event.subject.as_ref().and_then(|it| Some((it.key.hash(), it.version?)))) {
            (Some((feed, fetch)), Some((key_hash, version))) => {
                self.part_of(feed, fetch, &version_made(&key_hash, version))?
            }
            _ => None,
        };
        let entry = Entry::of(event, record, witness);
        if self.run.is_none() {
            self.run = self.last_run()?;
        }
        let next = match &mut self.run {
            Some(run) if run.goes_on(source, event.recorded_at, part) => {
                run.part = run.part.or(part);
                run.entries.push(entry);
                return Ok(());
            }
            Some(run) => run.next(),
            None => 1,
        };
        self.end_run()?;
        let recorded_at = event.recorded_at;
        self.run = Some(Run { first: next, source, recorded_at, part, entries: vec![entry] });
        Ok(())
    }

    /// The run that the batch before this one ended with: it may go on.
    fn last_run(&self) -> Outcome<Option<Run>> {
        let Some((first, source, recorded_at, entries)) = changes::last(self.session.conn)? else { return Ok(None) };
        let part = match source {
            Some((feed, _)) => self
                .session
                .conn
                .prepare_cached("SELECT part FROM parts WHERE feed = ? AND first_change = ?")?
                .query_row((feed, first), |row| row.get(0))
                .optional()?,
            None => None,
        };
        Ok(Some(Run { first, source, recorded_at, part, entries }))
    }

    /// Writes the run under way, and where its part finds it.
    fn end_run(&mut self) -> Outcome<()> {
        let Some(run) = self.run.take() else { return Ok(()) };
        let conn = self.session.conn;
        changes::replace(conn, run.first, &run.entries, run.source, run.recorded_at)?;
        let Some((feed, fetch)) = run.source else { return Ok(()) };
        match run.part {
            Some(part) => conn
                .prepare_cached(
                    "UPDATE parts SET first_change = ?4 WHERE feed = ?1 AND part = ?3 AND first_change IS NULL
                     AND place = (SELECT place FROM ledger WHERE feed = ?1 AND fetch = ?2)",
                )?
                .execute((feed, fetch, part, run.first))?,
            None => conn
                .prepare_cached(
                    "UPDATE ledger SET first_change = ?3
                     WHERE feed = ?1 AND fetch = ?2 AND digest IS NOT NULL AND first_change IS NULL",
                )?
                .execute((feed, fetch, run.first))?,
        };
        Ok(())
    }

    /// The number of the record that an event speaks of, which may have been deleted.
    fn number_of(&mut self, subject: &Subject) -> Outcome<i64> {
        let Subject { record, key, .. } = subject;
        let space = self.session.space(key.namespace())?;
        let conn = self.session.conn;
        let found = conn
            .prepare_cached(
                "SELECT no FROM records WHERE id = ?1 AND space = ?2 AND key = ?3
                 UNION ALL SELECT no FROM graves WHERE id = ?1 AND space = ?2 AND key = ?3",
            )?
            .query_row((record.as_bytes(), space, key.key()), |row| row.get(0))
            .optional()?;
        if let Some(number) = found {
            return Ok(number);
        }
        let number = self.session.new_record_number()?;
        conn.prepare_cached("INSERT INTO graves (no, id, space, key) VALUES (?, ?, ?, ?)")?.execute((
            number,
            record.as_bytes(),
            space,
            key.key(),
        ))?;
        Ok(number)
    }

    /// A witness was captured by an event before, whether it is held still or not.
    fn number_of_witness(&self, witness: RecordId) -> Outcome<i64> {
        let mut find = self.session.conn.prepare_cached(
            "SELECT no FROM records WHERE id = ?1 UNION ALL SELECT no FROM graves WHERE id = ?1 LIMIT 1",
        )?;
        let found = find.query_row([witness.as_bytes()], |row| row.get(0)).optional()?;
        found.ok_or_else(|| unfounded("event", format!("record {witness}")).into())
    }

    fn held(&self, row: &str, record: RecordId) -> Outcome<i64> {
        find_record(self.session.conn, record)?.ok_or_else(|| unfounded(row, format!("record {record}")).into())
    }

    fn known_feed(&self, row: &str, feed: FeedId) -> Outcome<i64> {
        find_feed(self.session.conn, feed)?.ok_or_else(|| unfounded(row, format!("feed {feed}")).into())
    }

    /// The numbers of an observation's feed and fetch.
    fn observed(&self, row: &str, feed: FeedId, fetch: FetchId) -> Outcome<(i64, i64)> {
        let conn = self.session.conn;
        let number = self.known_feed(row, feed)?;
        let unknown = || unfounded(row, format!("fetch {fetch}"));
        let fetch = find_fetch(conn, fetch)?.ok_or_else(unknown)?;
        let mut find = conn.prepare_cached("SELECT 1 FROM ledger WHERE fetch = ? AND feed = ?")?;
        if find.exists((fetch, number))? { Ok((number, fetch)) } else { Err(unknown().into()) }
    }
}

impl Run {
    fn goes_on(&self, source: Option<(i64, i64)>, recorded_at: Timestamp, part: Option<u32>) -> bool {
        let same_part = self.part.is_none() || part.is_none() || self.part == part;
        let short = source.is_some() || self.entries.len() < LONGEST_RUN;
        self.source == source && self.recorded_at == recorded_at && same_part && short
    }

    fn next(&self) -> i64 {
        self.first + i64::try_from(self.entries.len()).expect("a run is in memory")
    }
}

fn version_made(key_hash: &KeyHash, version: VersionNo) -> Vec<u8> {
    [key_hash.as_bytes().as_slice(), &version.get().to_be_bytes()].concat()
}

/// The hash that decides of a bronze version.
fn shown_hash(conn: &Connection, record: i64, version: VersionNo) -> Outcome<[u8; 32]> {
    let row = rows::version_row(record, Layer::Bronze, version)?;
    let Some(held) = versions::find(conn, row)? else {
        return Err(unfounded("standing", format!("version {version} of a record")).into());
    };
    let mut load = conn.prepare_cached("SELECT ifnull(rule_hash, hash) FROM contents WHERE no = ?")?;
    Ok(load.query_row([held.content], |row| row.get(0))?)
}
