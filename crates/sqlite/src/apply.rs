//! Applies a plan: records, versions, spans, points, rejects, changes, ledger, feed.

use std::collections::HashMap;

use feedspine_core::ingest::{OpenSpan, Prepared, WritePlan};
use feedspine_core::{Layer, NaturalKey, Part, RecordId, SpanEnd, Timestamp, VersionNo};

use rusqlite::Connection;

use crate::changes;
use crate::error::Outcome;
use crate::feed_row::FeedRow;
use crate::ledger::{Entry, LedgerRow};
use crate::manifest::OpenSpans;
use crate::rows;
use crate::session::Session;
use crate::versions;

/// Where a plan is applied.
pub(crate) struct Target {
    /// `None` when the feed is new.
    pub(crate) feed: Option<FeedRow>,
    /// `None` when this is the fetch's first part.
    pub(crate) entry: Option<Entry>,
    /// The feed's open spans, when they were looked at.
    pub(crate) open: Option<OpenSpans>,
    /// For Unchanged: the place of the observation that it names.
    pub(crate) of_place: Option<i64>,
    /// The numbers of records that were asked for already.
    pub(crate) records: HashMap<RecordId, i64>,
}

impl Target {
    /// Writes what the plan says.
    pub(crate) fn apply(self, session: &mut Session<'_>, prepared: &Prepared, plan: &WritePlan) -> Outcome<()> {
        let batch = prepared.batch();
        let feed = match self.feed {
            Some(feed) => FeedRow { state: plan.feed.clone(), ..feed },
            None => FeedRow {
                no: session.feed(batch.feed)?,
                state: plan.feed.clone(),
                observations: 0,
                rejects: 0,
                last_round: None,
            },
        };
        let fetch = session.fetch(batch.fetch)?;
        let open = self.open.unwrap_or_else(|| OpenSpans::none(feed.no));
        let (entry, records, first_made) = (self.entry, self.records, None);
        let mut applying = Applying { session, prepared, plan, feed, fetch, entry, open, records, first_made };
        applying.records()?;
        applying.versions()?;
        applying.close_spans()?;
        applying.open_spans()?;
        applying.rehash()?;
        applying.points()?;
        applying.open.store(applying.session.conn)?;
        applying.rejects()?;
        let first_change = applying.changes()?;
        applying.ledger(first_change, self.of_place)?;
        applying.feed.store(applying.session)
    }
}

struct Applying<'a, 's> {
    session: &'a mut Session<'s>,
    prepared: &'a Prepared,
    plan: &'a WritePlan,
    feed: FeedRow,
    fetch: i64,
    entry: Option<Entry>,
    open: OpenSpans,
    /// The numbers of records that were asked for or made.
    records: HashMap<RecordId, i64>,
    /// The number of the first record that the plan makes; no other record has a greater one.
    first_made: Option<i64>,
}

impl Applying<'_, '_> {
    fn number_of(&mut self, record: RecordId) -> Outcome<i64> {
        if let Some(number) = self.records.get(&record) {
            return Ok(*number);
        }
        let number = self.session.record(record)?;
        self.records.insert(record, number);
        Ok(number)
    }

    fn records(&mut self) -> Outcome<()> {
        if self.plan.records.is_empty() {
            return Ok(());
        }
        let conn = self.session.conn;
        let mut insert = conn.prepare_cached(
            "INSERT INTO records (no, id, space, key, key_rule, first_seen, published, feed, since)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        let mut name = conn.prepare_cached("INSERT INTO keys (space, hash, record) VALUES (?, ?, ?)")?;
        let first_seen = self.prepared.batch().observed_at.as_micros();
        // A document that takes a round opens a span of every record that it makes.
        let since = self.plan.report.round.map(rows::round_number);
        let feed = since.map(|_| self.feed.no);
        self.records.reserve(self.plan.records.len());
        for record in &self.plan.records {
            let item = self.prepared.item(record.item);
            let number = self.session.new_record_number()?;
            let space = self.session.space(item.key.namespace())?;
            insert.execute((
                number,
                record.id.as_bytes(),
                space,
                item.key.key(),
                item.key_rule.as_str(),
                first_seen,
                item.published.map(Timestamp::as_micros),
                feed,
                since,
            ))?;
            self.first_made.get_or_insert(number);
            name.execute((space, record.key_hash.as_bytes(), number))?;
            self.records.insert(record.id, number);
        }
        Ok(())
    }

    fn versions(&mut self) -> Outcome<()> {
        if self.plan.versions.is_empty() {
            return Ok(());
        }
        let conn = self.session.conn;
        let batch = self.prepared.batch();
        let rule = self.session.rule(&batch.hash_rule.id())?;
        let mut insert = conn.prepare_cached(
            "INSERT INTO contents (no, hash, rule, rule_hash, published, updated, recorded_at, feed, fetch, content)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?;
        for version in &self.plan.versions {
            let item = self.prepared.item(version.item);
            let record = self.number_of(version.record)?;
            let row = rows::version_row(record, Layer::Bronze, version.number)?;
            let whole = item.content.hash();
            let published = item.published.map(Timestamp::as_micros);
            insert.execute((
                versions::place(self.session, row)?,
                whole.as_bytes(),
                rule,
                Some(version.hash.as_bytes()).filter(|_| version.hash != whole),
                published,
                item.updated.map(Timestamp::as_micros),
                batch.recorded_at.as_micros(),
                self.feed.no,
                self.fetch,
                item.content.as_str(),
            ))?;
            if version.number != VersionNo::FIRST || !self.is_new(version.item) {
                versions::show(conn, record, row, published)?;
            }
        }
        Ok(())
    }

    /// Whether the plan makes a record for that item; its row holds its first version already.
    fn is_new(&self, item: usize) -> bool {
        // Both lists are in the order of the document.
        self.plan.records.binary_search_by_key(&item, |record| record.item).is_ok()
    }

    fn close_spans(&mut self) -> Outcome<()> {
        let (conn, feed) = (self.session.conn, self.feed.no);
        if self.plan.absorb_points {
            // What earlier parts told is present now, whatever it was before.
            conn.prepare_cached(
                "DELETE FROM absent WHERE feed = ?2 AND record IN (SELECT record FROM points WHERE fetch = ?1 AND feed = ?2)",
            )?
            .execute((self.fetch, feed))?;
            conn.prepare_cached("DELETE FROM points WHERE fetch = ? AND feed = ?")?.execute((self.fetch, feed))?;
        }
        for closed in &self.plan.closed {
            let record = self.number_of(closed.record)?;
            self.open.remove(&closed.key_hash);
            let (since, until) = (rows::round_number(closed.since), rows::round_number(closed.until));
            close_span(conn, (record, feed, since), until, closed.version)?;
            if closed.end != SpanEnd::Changed {
                let shown = closed.shown;
                conn.prepare_cached(
                    "INSERT OR REPLACE INTO absent (record, feed, shown_version, shown_hash, ended)
                     VALUES (?, ?, ?, ?, ?)",
                )?
                .execute((
                    record,
                    feed,
                    shown.version.get(),
                    shown.hash.as_bytes(),
                    closed.end.as_str(),
                ))?;
            }
        }
        Ok(())
    }

    fn open_spans(&mut self) -> Outcome<()> {
        if self.plan.opened.is_empty() {
            return Ok(());
        }
        let (conn, feed) = (self.session.conn, self.feed.no);
        let mut forget = conn.prepare_cached("DELETE FROM absent WHERE record = ? AND feed = ?")?;
        let mut open = conn.prepare_cached("INSERT INTO spans (record, feed, since, version) VALUES (?, ?, ?, ?)")?;
        for opened in &self.plan.opened {
            let record = self.number_of(opened.record)?;
            // A record that this plan makes was never absent, and its row says where its first span begins.
            if self.first_made.is_none_or(|first| record < first) {
                // What was told by earlier parts is forgotten at once, see above.
                if self.prepared.key_of(&opened.key_hash).is_some() {
                    forget.execute((record, feed))?;
                }
                open.execute((record, feed, rows::round_number(opened.since), opened.shown.version.get()))?;
            }
        }
        let mut by_key: Vec<&OpenSpan> = self.plan.opened.iter().collect();
        by_key.sort_unstable_by_key(|opened| opened.key_hash);
        for opened in by_key {
            self.open.set(&opened.key_hash, &opened.to_present());
        }
        Ok(())
    }

    fn rehash(&mut self) -> Outcome<()> {
        self.plan.rehashed.iter().try_for_each(|(key_hash, shown)| self.open.show(key_hash, *shown))
    }

    fn points(&mut self) -> Outcome<()> {
        let (conn, feed) = (self.session.conn, self.feed.no);
        let observed_at = self.prepared.batch().observed_at.as_micros();
        for point in &self.plan.points {
            let record = self.number_of(point.record)?;
            let (version, hash) = (point.shown.version.get(), point.shown.hash);
            conn.prepare_cached(
                "INSERT INTO points (record, observed_at, feed, fetch, shown_version, shown_hash, age, ordinal)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            )?
            .execute((
                record,
                observed_at,
                feed,
                self.fetch,
                version,
                hash.as_bytes(),
                point.age.as_micros(),
                point.ordinal,
            ))?;
            if point.present {
                self.open.show(&point.key_hash, point.shown)?;
            } else {
                conn.prepare_cached(
                    "INSERT INTO absent (record, feed, shown_version, shown_hash) VALUES (?1, ?2, ?3, ?4)
                     ON CONFLICT DO UPDATE SET shown_version = ?3, shown_hash = ?4",
                )?
                .execute((record, feed, version, hash.as_bytes()))?;
            }
        }
        Ok(())
    }

    fn rejects(&mut self) -> Outcome<()> {
        let batch = self.prepared.batch();
        for reject in &self.plan.rejects {
            self.feed.rejects += 1;
            let key = reject.key.as_ref();
            let mut insert = self.session.conn.prepare_cached(
                "INSERT INTO rejects (feed, place, fetch, part, recorded_at, ordinal, namespace, key, code, reason, excerpt)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?;
            insert.execute((
                self.feed.no,
                self.feed.rejects,
                self.fetch,
                batch.part.index,
                batch.recorded_at.as_micros(),
                reject.ordinal,
                key.map(|key| key.namespace().as_str()),
                key.map(NaturalKey::key),
                &reject.code,
                &reject.reason,
                &reject.excerpt,
            ))?;
        }
        Ok(())
    }

    /// Logs the plan's events and gives the number of the first.
    fn changes(&mut self) -> Outcome<Option<i64>> {
        let mut entries = Vec::with_capacity(self.plan.events.len());
        for event in &self.plan.events {
            let record = event.subject.as_ref().map(|subject| self.number_of(subject.record)).transpose()?;
            let witness = event.witness.map(|witness| self.number_of(witness)).transpose()?;
            entries.push(changes::Entry::of(event, record, witness));
        }
        let recorded_at = self.prepared.batch().recorded_at;
        changes::append(self.session.conn, &entries, Some((self.feed.no, self.fetch)), recorded_at)
    }

    /// Writes the fetch's row of the ledger and, when the fetch comes in several parts, the part's.
    fn ledger(&mut self, first_change: Option<i64>, of_place: Option<i64>) -> Outcome<()> {
        let (batch, report) = (self.prepared.batch(), &self.plan.report);
        let place_in_time = (batch.observed_at, batch.fetch);
        let setback = report.round.is_some() && self.feed.last_round.is_some_and(|last| place_in_time <= last);
        if report.round.is_some() {
            self.feed.last_round = Some(place_in_time);
        }
        let row = LedgerRow {
            feed: self.feed.no,
            batch,
            digest: self.prepared.digest(),
            report,
            retold: &self.plan.retold,
            first_change,
            setback,
        };
        let conn = self.session.conn;
        if let Some(entry) = &self.entry {
            row.add_to(conn, entry.place)?;
            return row.insert_part(conn, entry.place);
        }
        self.feed.observations += 1;
        row.insert(conn, self.feed.observations, self.fetch, of_place)?;
        if batch.part == Part::ONLY { Ok(()) } else { row.insert_part(conn, self.feed.observations) }
    }
}

/// Ends a span: one of `spans`, or a record's first, which is put there now.
pub(crate) fn close_span(
    conn: &Connection,
    (record, feed, since): (i64, i64, i64),
    until: i64,
    version: VersionNo,
) -> Outcome<()> {
    conn.prepare_cached(
        "INSERT INTO spans (record, feed, since, until, version) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET until = excluded.until",
    )?
    .execute((record, feed, since, until, version.get()))?;
    Ok(())
}
