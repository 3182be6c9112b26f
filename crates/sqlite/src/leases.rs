//! Which daemon asks which host, and which turns of feeds are still to be filled.

use std::collections::BTreeSet;

use feedspine_core::{FeedId, HolderId, Lease, LeaseRequest, LeaseToken, Slot, Timestamp};
use rusqlite::{Connection, Row};

use crate::error::Outcome;
use crate::rows;
use crate::session::Session;
use crate::state::INTERRUPT;

const COLUMNS: &str = "host, token, holder, until";

/// Whether a slot is still to be filled: nobody was granted the host since, and the feed was not fetched.
pub(crate) fn is_open(conn: &Connection, feed: FeedId, slot: &Slot) -> Outcome<bool> {
    let sql = "SELECT 1 FROM control_leases l JOIN control_schedules s ON s.feed = ?3 AND s.due_at = ?4
               WHERE l.host = ?1 AND l.token = ?2";
    let LeaseToken { host, token } = &slot.lease;
    let values = (host, token.cast_signed(), feed.as_bytes(), slot.due_at.as_micros());
    Ok(conn.prepare_cached(sql)?.exists(values)?)
}

/// Grants what may be granted, by host, and interrupts what still runs under earlier leases.
pub(crate) fn lease(session: &mut Session<'_>, request: &LeaseRequest) -> Outcome<Vec<Lease>> {
    let hosts: BTreeSet<&String> = request.hosts.iter().collect();
    let mut granted = Vec::new();
    for host in hosts {
        if let Some(lease) = request.grant(host, find(session.conn, host)?.as_ref()) {
            write(session.conn, &lease, request.now)?;
            granted.push(lease);
        }
    }
    Ok(granted)
}

fn find(conn: &Connection, host: &str) -> Outcome<Option<Lease>> {
    let mut load = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM control_leases WHERE host = ?"))?;
    let mut found = load.query([host])?;
    found.next()?.map(read).transpose()
}

fn write(conn: &Connection, lease: &Lease, now: Timestamp) -> Outcome<()> {
    let LeaseToken { host, token } = &lease.token;
    let holder = lease.holder.as_ref().map(|holder| &holder.0);
    conn.prepare_cached(
        "INSERT INTO control_leases (host, token, holder, until) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (host) DO UPDATE SET token = excluded.token, holder = excluded.holder, until = excluded.until",
    )?
    .execute((host, token.cast_signed(), holder, lease.until.as_micros()))?;
    conn.prepare_cached(&format!("{INTERRUPT} WHERE lease_host = ?2 AND lease_token < ?3"))?.execute((
        now.as_micros(),
        host,
        token.cast_signed(),
    ))?;
    Ok(())
}

/// Gives back those of the hosts that the holder has.
pub(crate) fn release(session: &mut Session<'_>, holder: &HolderId, hosts: &[String]) -> Outcome<()> {
    let sql = "UPDATE control_leases SET holder = NULL WHERE host = ? AND holder = ?";
    let mut release = session.conn.prepare_cached(sql)?;
    for host in hosts {
        release.execute((host, &holder.0))?;
    }
    Ok(())
}

/// All that there are, by host.
pub(crate) fn all(conn: &Connection) -> Outcome<Vec<Lease>> {
    let mut load = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM control_leases ORDER BY host"))?;
    let mut found = load.query([])?;
    let mut leases = Vec::new();
    while let Some(row) = found.next()? {
        leases.push(read(row)?);
    }
    Ok(leases)
}

fn read(row: &Row<'_>) -> Outcome<Lease> {
    let token = LeaseToken { host: row.get(0)?, token: row.get::<_, i64>(1)?.cast_unsigned() };
    let holder: Option<String> = row.get(2)?;
    Ok(Lease { token, holder: holder.map(HolderId), until: rows::instant(row.get(3)?)? })
}
