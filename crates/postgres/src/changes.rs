//! The change log: written in runs, read by `(epoch, transaction id, ordinal)` up to the oldest transaction that still
//! runs.
//!
//! The upper bits of an epoch are the store's line of history, which a new store and one that is imported into begin: a
//! position of another line is refused. The lower bits grow when the store comes to another cluster, or to another
//! timeline of its own, where transaction ids begin anew: positions from before go on there.
//!
//! A sequence alone would skip: a transaction with a small number may commit after one with a greater. So a reader sees
//! no transaction at or beyond `pg_snapshot_xmin`: below it every transaction is over, and none can follow.

use std::num::NonZeroUsize;
use std::time::Duration;

use feedspine_core::{Change, Event, FeedId, FetchId, RecordId, Result, Seq, Subject, Timestamp};
use tokio::time::Instant;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::bind::bind;
use crate::error::Outcome;
use crate::rows::{self, Columns, corrupt};
use crate::session::{Session, both};
use crate::writes::Writes;

/// The most events that one row holds, so that no page has to read much more than it shows.
const RUN: usize = 1_000;

/// How long a reader waits for transactions that began before what is there: one that stays open elsewhere delays nobody
/// for longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What all events of a row have in common.
type Source = (Option<FeedId>, Option<FetchId>, Timestamp);

fn source(event: &Event) -> Source {
    (event.feed, event.fetch, event.recorded_at)
}

/// Appends events, in order. Called once in a transaction at most.
pub(crate) fn append<'a>(writes: &mut Writes<'a>, events: &'a [Event]) {
    let mut first = 1;
    for alike in events.chunk_by(|a, b| source(a) == source(b)) {
        for run in alike.chunks(RUN) {
            append_run(writes, run, first);
            first += i32::try_from(run.len()).expect("a run is short");
        }
    }
}

fn append_run<'a>(writes: &mut Writes<'a>, run: &'a [Event], first: i32) {
    let (feed, fetch, recorded_at) = source(&run[0]);
    let subjects = || run.iter().map(|event| event.subject.as_ref());
    let statement = "INSERT INTO changes (epoch, first, size, feed, fetch_id, recorded_at,
                                          kinds, records, namespaces, keys, layers, versions, witnesses)
         SELECT epoch, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM store";
    let values = bind![
        first,
        i32::try_from(run.len()).expect("a run is short"),
        feed.map(rows::feed_uuid),
        fetch.map(rows::fetch_uuid),
        recorded_at.as_micros(),
        run.iter().map(|event| rows::change_kind_number(event.kind)).collect::<Vec<_>>(),
        subjects().map(|subject| Some(rows::record_uuid(subject?.record))).collect::<Vec<_>>(),
        subjects().map(|subject| Some(subject?.key.namespace().as_str())).collect::<Vec<_>>(),
        subjects().map(|subject| Some(subject?.key.key())).collect::<Vec<_>>(),
        subjects().map(|subject| Some(rows::layer_rank(subject?.layer?))).collect::<Vec<_>>(),
        subjects().map(|subject| Some(rows::version_number(subject?.version?))).collect::<Vec<_>>(),
        run.iter().map(|event| event.witness.map(rows::record_uuid)).collect::<Vec<_>>(),
    ];
    writes.add(statement, values);
}

/// How many bits of an epoch are the turns on one line of history.
const TURN_BITS: u32 = 12;

/// Another line of history, as SQL: positions that were given out before are no longer of its log. 19 bits, and not zero,
/// which is the line of stores that are older than lines.
fn new_line() -> String {
    format!("(1 + floor(random() * 524287))::int << {TURN_BITS}")
}

/// A later epoch of the same line, as SQL. How much later is left to chance, so that what is restored twice from one
/// backup hardly ever takes the positions of the other for its own.
fn next_turn() -> String {
    let turns = 1 << TURN_BITS;
    format!(
        "CASE WHEN epoch % {turns} < {turns} - 64 THEN epoch + 1 + floor(random() * 63)::int ELSE {} END",
        new_line()
    )
}

/// Begins another line of history.
pub(crate) async fn begin_history(session: &Session) -> Outcome<()> {
    session.execute(&format!("UPDATE store SET epoch = {}", new_line()), &[]).await
}

/// Begins an epoch when this is not the cluster, or not the line of its history, that the change log was written in:
/// positions stay in order although transaction ids begin anew.
pub(crate) async fn enter_epoch(session: &Session) -> Outcome<()> {
    let here =
        "(SELECT s.system_identifier || '/' || c.timeline_id FROM pg_control_system() s, pg_control_checkpoint() c)";
    let next = next_turn();
    let statement = format!(
        "UPDATE store SET epoch = CASE WHEN cluster = '' THEN epoch ELSE {next} END, cluster = {here}
         WHERE cluster <> {here}"
    );
    session.execute(&statement, &[]).await
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    epoch: u32,
    xid: u64,
    ordinal: u32,
}

impl Position {
    /// Before all changes.
    pub(crate) const START: Self = Self { epoch: 0, xid: 0, ordinal: 0 };

    /// Reads a position; the beginning is before all.
    ///
    /// # Errors
    /// `Invalid`: a position of another log.
    pub(crate) fn read(seq: &Seq) -> Result<Self> {
        let bytes = seq.as_bytes();
        if bytes.is_empty() {
            return Ok(Self::START);
        }
        let parts = || {
            let (epoch, rest) = bytes.split_first_chunk()?;
            let (xid, ordinal) = rest.split_first_chunk()?;
            let ordinal = ordinal.try_into().ok()?;
            let (epoch, ordinal) = (u32::from_be_bytes(*epoch), u32::from_be_bytes(ordinal));
            // Both are kept as signed numbers.
            let fits = |number| i32::try_from(number).is_ok();
            (fits(epoch) && fits(ordinal)).then_some(Self { epoch, xid: u64::from_be_bytes(*xid), ordinal })
        };
        // Those of SQLite are shorter.
        let other = || if matches!(bytes.len(), 8 | 12) { Seq::of_another_log() } else { Seq::unreadable() };
        parts().ok_or_else(other)
    }

    /// Whether it can be one of a log that is in that epoch, and knows no transaction from `end` on.
    fn is_of(self, epoch: u32, end: u64) -> bool {
        let same_line = self.epoch >> TURN_BITS == epoch >> TURN_BITS;
        self == Self::START || same_line && (self.epoch < epoch || self.epoch == epoch && self.xid < end)
    }

    /// The bytes order as the positions do.
    fn to_seq(self) -> Seq {
        let bytes = [&self.epoch.to_be_bytes()[..], &self.xid.to_be_bytes(), &self.ordinal.to_be_bytes()].concat();
        Seq::from_bytes(bytes)
    }
}

/// What a look at the log gave.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) changes: Vec<Change>,
    /// The first and the last that are there already, and cannot be told yet.
    hidden: Option<(Position, Position)>,
}

impl Look {
    /// Notes a run that cannot be told yet.
    fn hide(&mut self, position: Position) {
        self.hidden = Some((self.hidden.map_or(position, |(first, _)| first), position));
    }
}

/// Reads on behalf of one call: whoever has just committed finds its changes.
#[derive(Debug)]
pub(crate) struct Reader {
    most: NonZeroUsize,
    /// Since when it waits.
    began: Option<Instant>,
    /// What was there when the call began.
    until: Option<Position>,
}

impl Reader {
    pub(crate) fn new(most: NonZeroUsize) -> Self {
        Self { most, began: None, until: None }
    }

    /// Whether to look again, after a while: something that was there from the beginning cannot be told yet, because a
    /// transaction that began before it still runs.
    pub(crate) async fn waits(&mut self, look: &Look) -> bool {
        let Some((first, last)) = look.hidden else { return false };
        let until = *self.until.get_or_insert(last);
        let elapsed = self.began.get_or_insert_with(Instant::now).elapsed();
        let waits = look.changes.len() < self.most.get() && first <= until && elapsed < PATIENCE;
        if waits {
            tokio::time::sleep((elapsed / 4).clamp(Duration::from_millis(1), Duration::from_millis(50))).await;
        }
        waits
    }
}

/// Up to `most` changes after a position, and whether there are others that cannot be told yet.
pub(crate) async fn look(session: &Session, after: Position, most: NonZeroUsize) -> Outcome<Look> {
    let (epoch, ordinal) = (after.epoch.cast_signed(), after.ordinal.cast_signed());
    let xid = after.xid.to_string();
    let limit = i64::try_from(most.get()).unwrap_or(i64::MAX);
    // As many rows as there are changes wanted suffice; only those whose events are wanted are read wholly.
    let statement = "
        WITH ahead AS (
            SELECT c.epoch, c.xid, c.first, c.size, c.epoch = s.epoch AND c.xid >= pg_snapshot_xmin(pg_current_snapshot())
                   AS hidden
            FROM changes c, store s
            WHERE (c.epoch, c.xid) >= ($1, $2::text::xid8)
              AND ((c.epoch, c.xid) > ($1, $2::text::xid8) OR c.first + c.size - 1 > $3)
            ORDER BY c.epoch, c.xid, c.first LIMIT $4
        ), counted AS (
            SELECT *, sum(size) OVER (ORDER BY epoch, xid, first) - size AS before FROM ahead
        )
        SELECT c.epoch, c.xid::text, c.first, c.feed, c.fetch_id, c.recorded_at,
               c.kinds, c.records, c.namespaces, c.keys, c.layers, c.versions, c.witnesses, t.hidden, s.epoch AS now,
               pg_snapshot_xmax(pg_current_snapshot())::text AS end
        FROM store s
        LEFT JOIN counted t ON t.before - 1000 < $4
        LEFT JOIN changes c ON c.epoch = t.epoch AND c.xid = t.xid AND c.first = t.first
        ORDER BY c.epoch, c.xid, c.first";
    let found = session.query(statement, &bind![epoch, xid, ordinal, limit]).await?;
    let mut look = Look { changes: Vec::new(), hidden: None };
    for row in &found {
        let end = row.try_get::<_, &str>("end")?.parse().map_err(|_| corrupt("the server's snapshot"))?;
        if !after.is_of(row.try_get::<_, i32>("now")?.cast_unsigned(), end) {
            return Err(Seq::of_another_log().into());
        }
        // Null where there are no changes to tell.
        match row.try_get("hidden")? {
            Some(true) => {
                look.hide(read_position(row)?);
            }
            Some(false) if look.changes.len() < most.get() => read_run(row, after, most.get(), &mut look.changes)?,
            Some(false) | None => {}
        }
    }
    Ok(look)
}

/// What happened to one record from a place on, oldest first, and the place up to which that is all: what another look
/// has to begin at. The server looks through the log, and sends the runs that name the record.
///
/// No more is told than a follower is: from a position that was given out, `changes` goes on.
pub(crate) async fn look_for(session: &Session, record: RecordId, from: Position) -> Outcome<(Look, Position)> {
    let statement = format!(
        "SELECT {RUN_COLUMNS} FROM changes WHERE (epoch, xid) >= ($2, $3::text::xid8) AND $1 = ANY (records)
         ORDER BY changes.epoch, changes.xid, changes.first"
    );
    let values = bind![rows::record_uuid(record), from.epoch.cast_signed(), from.xid.to_string()];
    let asked = "SELECT epoch, pg_snapshot_xmin(pg_current_snapshot())::text FROM store";
    let (end, found) = both(session.query_opt(asked, &[]), session.query(&statement, &values)).await?;
    let end = end.ok_or_else(|| corrupt("the store's own row"))?;
    let mut columns = Columns::of(&end);
    let end = Position { epoch: columns.take::<i32>()?.cast_unsigned(), xid: columns.word()?, ordinal: 0 };
    let mut look = Look { changes: Vec::new(), hidden: None };
    for row in &found {
        let position = read_position(row)?;
        if position < end {
            read_run(row, Position::START, usize::MAX, &mut look.changes)?;
        } else {
            look.hide(position);
        }
    }
    look.changes.retain(|change| change.event.subject.as_ref().is_some_and(|subject| subject.record == record));
    Ok((look, end))
}

/// The position of the first event of a run.
fn read_position(row: &Row) -> Outcome<Position> {
    let mut columns = Columns::of(row);
    let epoch = columns.take::<i32>()?.cast_unsigned();
    let xid = columns.word()?;
    Ok(Position { epoch, xid, ordinal: columns.take::<i32>()?.cast_unsigned() })
}

/// The columns of a run of events.
pub(crate) const RUN_COLUMNS: &str = "epoch, xid::text, first, feed, fetch_id, recorded_at,
    kinds, records, namespaces, keys, layers, versions, witnesses";

/// The transaction that logged a run, and its events.
pub(crate) fn read_whole_run(row: &Row) -> Outcome<(u64, Vec<Event>)> {
    let xid = read_position(row)?.xid;
    let mut changes = Vec::new();
    read_run(row, Position::START, usize::MAX, &mut changes)?;
    Ok((xid, changes.into_iter().map(|change| change.event).collect()))
}

fn read_run(row: &Row, after: Position, most: usize, changes: &mut Vec<Change>) -> Outcome<()> {
    let mut columns = Columns::of(row);
    let (epoch, xid) = (columns.take::<i32>()?.cast_unsigned(), columns.word::<u64>()?);
    let first = columns.take::<i32>()?.cast_unsigned();
    let (feed, fetch) = (columns.optional_feed()?, columns.optional_fetch()?);
    let recorded_at = columns.instant()?;
    let kinds: Vec<i16> = columns.take()?;
    let records: Vec<Option<Uuid>> = columns.take()?;
    let namespaces: Vec<Option<&str>> = columns.take()?;
    let keys: Vec<Option<&str>> = columns.take()?;
    let layers: Vec<Option<i16>> = columns.take()?;
    let versions: Vec<Option<i32>> = columns.take()?;
    let witnesses: Vec<Option<Uuid>> = columns.take()?;
    let whole = [records.len(), namespaces.len(), keys.len(), layers.len(), versions.len(), witnesses.len()];
    if whole != [kinds.len(); 6] {
        return Err(corrupt("a run of changes"));
    }
    for (at, kind) in (0_u32..).zip(&kinds) {
        let position = Position { epoch, xid, ordinal: first + at };
        if position <= after {
            continue;
        }
        if changes.len() == most {
            break;
        }
        let at = at as usize;
        let subject = match (records[at], namespaces[at], keys[at]) {
            (Some(record), Some(namespace), Some(key)) => Some(Subject {
                record: RecordId::new(record),
                key: rows::key(namespace, key)?,
                layer: layers[at].map(rows::layer).transpose()?,
                version: versions[at].map(rows::version).transpose()?,
            }),
            _ => None,
        };
        let witness = witnesses[at].map(RecordId::new);
        let event = Event { kind: rows::change_kind(*kind)?, subject, feed, fetch, witness, recorded_at };
        changes.push(Change { seq: position.to_seq(), event });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_back_and_order_as_their_bytes() {
        let positions = [(0, 1, 1), (0, 1, 2), (0, 255, 1), (0, 256, 1), (0, u64::MAX, 9), (1, 3, 1)];
        let positions = positions.map(|(epoch, xid, ordinal)| Position { epoch, xid, ordinal });
        for position in positions {
            assert_eq!(Position::read(&position.to_seq()).unwrap(), position);
        }
        assert!(positions.is_sorted() && positions.map(Position::to_seq).is_sorted());
    }

    #[test]
    fn a_position_is_of_the_epochs_of_its_line_from_its_own_on() {
        let at = |epoch| Position { epoch, xid: 7, ordinal: 1 };
        let line = 5 << TURN_BITS;
        let is_of = |position: Position, epoch| position.is_of(epoch, 8);
        assert!(is_of(at(0), 0) && is_of(at(0), 1) && is_of(at(line), line) && is_of(at(line), line + 2));
        assert!(!is_of(at(1), 0) && !is_of(at(line + 1), line) && !is_of(at(0), line) && !is_of(at(line), 0));
        assert!(!is_of(at(line), line + (1 << TURN_BITS)));
        assert!(is_of(Position::START, line));
        // Another cluster may be behind the one that gave the position out.
        assert!(!at(line).is_of(line, 7) && at(line).is_of(line + 1, 7));
    }

    #[test]
    fn a_position_of_another_log_is_refused() {
        for bytes in [vec![1], vec![0; 8], vec![0; 15], vec![0; 17], vec![0xFF; 16]] {
            assert!(Position::read(&Seq::from_bytes(bytes)).is_err());
        }
        assert_eq!(Position::read(&Seq::start()).unwrap(), Position::START);
    }
}
