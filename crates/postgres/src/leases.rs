//! Which daemon asks which host, by the server's clock.
//!
//! Rows are locked in one order: leases by host, ascending, and then fetches. So daemons that ask at once wait for each
//! other, and never in a circle.

use feedspine_core::{HolderId, Lease, LeaseRequest, LeaseToken};

use crate::bind::bind;
use crate::error::Outcome;
use crate::history::read_all;
use crate::rows::Columns;
use crate::session::Session;
use crate::state::INTERRUPT;

const COLUMNS: &str = "host, token, holder, until";

/// Whether that is the host's lease still; it stays so until the transaction ends.
pub(crate) async fn keep(session: &Session, lease: &LeaseToken) -> Outcome<bool> {
    let statement = "SELECT 1 FROM control_leases WHERE host = $1 AND token = $2 FOR SHARE";
    let found = session.query_opt(statement, &bind![lease.host.as_str(), lease.token.cast_signed()]).await?;
    Ok(found.is_some())
}

/// Grants what may be granted, by host, and interrupts what still runs under earlier leases.
pub(crate) async fn lease(session: &Session, request: &LeaseRequest) -> Outcome<Vec<Lease>> {
    let hosts: Vec<&str> = request.hosts.iter().map(String::as_str).collect();
    // As `LeaseRequest::grant` has it, by this clock.
    let statement = format!(
        "WITH clock AS (SELECT floor(extract(epoch FROM now()) * 1000000)::bigint AS now)
         INSERT INTO control_leases AS held (host, token, holder, until)
         SELECT host, 1, $2, least(clock.now::numeric + $3, $4)::bigint
         FROM clock, (SELECT DISTINCT host COLLATE \"C\" AS host FROM unnest($1) AS t (host)) asked ORDER BY host
         ON CONFLICT (host) DO UPDATE SET holder = excluded.holder, until = excluded.until,
             token = held.token + CASE WHEN held.holder = excluded.holder THEN 0 ELSE 1 END
         WHERE held.holder IS NULL OR held.holder = excluded.holder OR held.until <= (SELECT now FROM clock)
         RETURNING {COLUMNS}, (SELECT now FROM clock)"
    );
    let latest = feedspine_core::Timestamp::MAX.as_micros();
    let values = &bind![hosts, request.holder.0.as_str(), request.micros, latest];
    let found = session.query(&statement, values).await?;
    let mut granted = read_all(&found, |columns| Ok((read(columns)?, columns.take::<i64>()?)))?;
    granted.sort_unstable_by(|(one, _), (other, _)| one.token.host.cmp(&other.token.host));
    let Some((_, now)) = granted.first() else { return Ok(Vec::new()) };
    // A statement of its own: the one before may have waited for somebody who began a fetch, which it does not see.
    let interrupt = format!(
        "{INTERRUPT} FROM unnest($2, $3) AS t (host, token) WHERE lease_host = t.host AND lease_token < t.token"
    );
    let hosts: Vec<&str> = granted.iter().map(|(lease, _)| lease.token.host.as_str()).collect();
    let tokens: Vec<i64> = granted.iter().map(|(lease, _)| lease.token.token.cast_signed()).collect();
    session.execute(&interrupt, &bind![*now, hosts, tokens]).await?;
    Ok(granted.into_iter().map(|(lease, _)| lease).collect())
}

/// Gives back those of the hosts that the holder has.
pub(crate) async fn release(session: &Session, holder: &HolderId, hosts: &[String]) -> Outcome<()> {
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let statement = "UPDATE control_leases l SET holder = NULL
        FROM (SELECT host FROM control_leases WHERE host = ANY($1) AND holder = $2 ORDER BY host FOR UPDATE) held
        WHERE l.host = held.host AND l.holder = $2";
    session.execute(statement, &bind![hosts, holder.0.as_str()]).await
}

/// All that there are, by host.
pub(crate) async fn all(session: &Session) -> Outcome<Vec<Lease>> {
    let statement = format!("SELECT {COLUMNS} FROM control_leases ORDER BY host");
    read_all(&session.query(&statement, &[]).await?, read)
}

fn read(columns: &mut Columns<'_>) -> Outcome<Lease> {
    let token = LeaseToken { host: columns.take()?, token: columns.unsigned()? };
    let holder: Option<String> = columns.take()?;
    Ok(Lease { token, holder: holder.map(HolderId), until: columns.instant()? })
}
