//! What an ingest has to know before anything else, in one row.

use std::sync::LazyLock;

use feedspine_core::ingest::{Committed, Header, Prepared};
use feedspine_core::transfer::import_unfinished;
use feedspine_core::{Coverage, CursorStep, Round};

use crate::bind::bind;
use crate::error::Outcome;
use crate::feed_row::{FEED, FeedRow};
use crate::import;
use crate::ledger::{ENTRY, Entry, PART, Told, UNLESS_DELTA};
use crate::rows::{self, Columns, corrupt};
use crate::session::Session;

/// What is held of a feed, and of the fetch and the part that a batch is of.
pub(crate) struct Head {
    pub(crate) feed: FeedRow,
    entry: Option<Entry>,
    part: Option<Told>,
    of_round: Option<Round>,
    interrupted: bool,
}

static STATEMENT: LazyLock<String> = LazyLock::new(|| {
    let of = |table: &str, columns: &str| {
        let qualified: Vec<String> = columns.split(',').map(|column| format!("{table}.{}", column.trim())).collect();
        qualified.join(", ")
    };
    format!(
        "SELECT {}, f.id IS NOT NULL, l.feed IS NOT NULL, p.feed IS NOT NULL, o.round,
                coalesce(CASE WHEN $5 THEN (SELECT t.status FROM fetches t WHERE t.id = $2 FOR SHARE) END
                             = 'interrupted', false), {}, {}, {}
         FROM (SELECT) AS one LEFT JOIN feeds f ON f.id = $1
         LEFT JOIN ledger l ON l.feed = $1 AND l.fetch_id = $2
         LEFT JOIN parts p ON p.feed = $1 AND p.fetch_id = $2 AND p.part = $3
         LEFT JOIN ledger o ON o.feed = $1 AND o.fetch_id = $4 AND o.round IS NOT NULL AND o.{UNLESS_DELTA}",
        import::IS_UNFINISHED,
        of("f", FEED),
        of("l", &ENTRY),
        of("p", &PART),
    )
});

impl Head {
    /// Reads it; no batch is taken while an import is unfinished.
    ///
    /// Of a batch that moves the cursor, the fetch's row is locked, shared: whoever marks it as interrupted updates it, and
    /// so waits for this transaction, or this one for theirs, and is told.
    pub(crate) async fn load(session: &Session, prepared: &Prepared) -> Outcome<Self> {
        let batch = prepared.batch();
        let named = match batch.coverage {
            Coverage::Unchanged { of } => Some(rows::fetch_uuid(of)),
            _ => None,
        };
        let (feed, fetch) = (rows::feed_uuid(batch.feed), rows::fetch_uuid(batch.fetch));
        let advances = matches!(batch.step, CursorStep::Advance { .. });
        let values = &bind![feed, fetch, i64::from(batch.part.index), named, advances];
        let row = session.query_opt(&STATEMENT, values).await?.ok_or_else(|| corrupt("a header that is no row"))?;
        let mut columns = Columns::of(&row);
        if columns.take()? {
            return Err(import_unfinished().into());
        }
        let (has_feed, has_entry, has_part): (bool, bool, bool) = (columns.take()?, columns.take()?, columns.take()?);
        let of_round = columns.optional_round()?;
        let interrupted = columns.take()?;
        let after = |columns: &mut Columns<'_>, names: &str| columns.skip(names.split(',').count());
        let feed = if has_feed { FeedRow::read(columns.clone())? } else { FeedRow::default() };
        after(&mut columns, FEED);
        let entry = has_entry.then(|| Entry::read(columns.clone())).transpose()?;
        after(&mut columns, &ENTRY);
        let part = has_part.then(|| Told::read(columns)).transpose()?;
        Ok(Self { feed, entry, part, of_round, interrupted })
    }

    /// What of the batch was committed before.
    pub(crate) fn told(&self, prepared: &Prepared) -> Option<&Told> {
        match &self.entry {
            Some(Entry { alone: Some(alone), .. }) if prepared.batch().part.index == 0 => Some(alone),
            _ => self.part.as_ref(),
        }
    }

    /// Parts of the fetch were committed before.
    pub(crate) fn is_begun(&self) -> bool {
        self.entry.is_some()
    }

    /// The header as the plan takes it.
    pub(crate) fn to_header(&self, prepared: &Prepared) -> Header {
        let committed: Option<&Committed> = self.told(prepared).map(|told| &told.committed);
        Header {
            feed: self.feed.state.clone(),
            committed: committed.cloned(),
            begun: self.entry.as_ref().map(|entry| entry.begun),
            of_round: self.of_round,
            interrupted: self.interrupted,
        }
    }
}
