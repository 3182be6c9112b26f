//! The care of a schema: what stands there, how large it is, whether it is sound, tidying it up.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use feedspine_core::{Care, CheckReport, Compaction, Result, Standing, StorageError, StoreSize, TableSize};

use crate::bind::bind;
use crate::error::{Fault, Outcome};
use crate::schema::{self, Found};
use crate::session::Session;
use crate::store::PostgresStore;
use crate::verify;

/// The tables of a schema, by name, with what they take on disk and how much of that is left by rows that are gone.
const TABLES: &str = "SELECT c.relname::text, quote_ident(c.relname), pg_total_relation_size(c.oid),
        coalesce((pg_total_relation_size(c.oid) * (s.n_dead_tup::numeric / nullif(s.n_live_tup + s.n_dead_tup, 0)))::bigint, 0)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
    WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'm') ORDER BY 1";

/// Every column, index, constraint and view in words; those of the pattern read the same.
const SHAPE: &str = "SELECT format('column %s.%s %s%s%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END,
        coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), ''))
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relnamespace = $1::text::regnamespace AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
SELECT 'index ' || regexp_replace(pg_get_indexdef(i.indexrelid), ' ON (ONLY )?[^ ]+\\.', ' ON ')
        || CASE WHEN i.indisvalid THEN '' ELSE ' (invalid)' END
    FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = $1::text::regnamespace
        AND c.relkind IN ('r', 'p')
UNION ALL
SELECT format('constraint %s.%s %s', c.relname, k.conname, pg_get_constraintdef(k.oid))
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE c.relnamespace = $1::text::regnamespace
        AND k.contype IN ('p', 'u', 'c')
UNION ALL
SELECT format('view %s %s', c.relname, pg_get_viewdef(c.oid)) FROM pg_class c
    WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'v'";

/// The indexes of a schema by which amcheck walks.
const INDEXES: &str = "SELECT i.indexrelid::regclass::text, c.relname::text FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
    WHERE c.relnamespace = $1::text::regnamespace AND m.amname = 'btree' AND i.indisvalid ORDER BY 2";

#[async_trait]
impl Care for PostgresStore {
    async fn standing(&self) -> Result<Standing> {
        match self.found().await? {
            Found::Nothing => Ok(Standing::Nothing),
            Found::Ours(schema_version) => Ok(Standing::Store { schema_version }),
            Found::Foreign => Err(schema::foreign(&self.settings.schema)),
        }
    }

    async fn size(&self) -> Result<StoreSize> {
        self.version().await?;
        self.cared_for(async |session| size(session, self.settings.schema.as_str()).await).await
    }

    async fn check(&self) -> Result<CheckReport> {
        let version = self.version().await?;
        schema::check_version(version)?;
        self.cared_for(async |session| check(session, self.settings.schema.as_str(), version).await).await
    }

    async fn verify(&self) -> Result<Vec<String>> {
        schema::check_version(self.version().await?)?;
        let pool = self.any_pool()?;
        let done = async {
            // One moment is compared, whatever is written meanwhile.
            let session = pool.exporting().await?;
            let faults = verify::verify(&session).await;
            session.end();
            faults
        };
        done.await.map_err(Fault::into_error)
    }

    async fn compact(&self) -> Result<Compaction> {
        schema::check_version(self.version().await?)?;
        let schema = self.settings.schema.as_str();
        let bytes_before = self.cared_for(async |session| bytes(session, schema).await).await?;
        let names = self.cared_for(async |session| tables(session, schema).await).await?;
        let pool = self.any_pool()?;
        let tidy = async {
            let connection = pool.apart().await?;
            for Table { quoted, .. } in names {
                connection.batch_execute(&format!("VACUUM (ANALYZE) {schema}.{quoted}")).await?;
            }
            Ok(())
        };
        tidy.await.map_err(Fault::into_error)?;
        let bytes_after = self.cared_for(async |session| bytes(session, schema).await).await?;
        Ok(Compaction { bytes_before, bytes_after })
    }

    async fn destroy(&self) -> Result<()> {
        if self.standing().await? == Standing::Nothing {
            return Ok(());
        }
        let pool = self.any_pool()?;
        let removal = async {
            let session = pool.migrating().await?;
            match session.batch(&format!("DROP SCHEMA {} CASCADE", self.settings.schema.as_str())).await {
                Ok(()) => session.commit(PATIENCE).await,
                Err(fault) => {
                    session.end();
                    Err(fault)
                }
            }
        };
        removal.await.map_err(Fault::into_error)
    }
}

/// How long the answer to a COMMIT is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

impl PostgresStore {
    /// Does something in a transaction that leaves no trace.
    async fn cared_for<T>(&self, work: impl AsyncFnOnce(&Session) -> Outcome<T>) -> Result<T> {
        let pool = self.any_pool()?;
        let done = async {
            let session = pool.caring().await?;
            let done = work(&session).await;
            session.end();
            done
        };
        done.await.map_err(Fault::into_error)
    }

    async fn found(&self) -> Result<Found> {
        self.cared_for(async |session| schema::look(session, &self.settings.schema).await).await
    }

    /// The schema version of a store of ours.
    async fn version(&self) -> Result<u32> {
        let schema = &self.settings.schema;
        match self.found().await? {
            Found::Ours(version) => Ok(version),
            Found::Nothing => Err(StorageError::invalid(format!("the schema {} holds no store yet", schema.as_str()))),
            Found::Foreign => Err(schema::foreign(schema)),
        }
    }
}

struct Table {
    name: String,
    /// The name as SQL takes it.
    quoted: String,
    bytes: u64,
    dead_bytes: u64,
}

async fn tables(session: &Session, schema: &str) -> Outcome<Vec<Table>> {
    let rows = session.query(TABLES, &bind![schema]).await?;
    let table = |row: &tokio_postgres::Row| {
        let (bytes, dead): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
        let (bytes, dead_bytes) = (bytes.cast_unsigned(), dead.cast_unsigned());
        Ok(Table { name: row.try_get(0)?, quoted: row.try_get(1)?, bytes, dead_bytes })
    };
    rows.iter().map(table).collect()
}

async fn bytes(session: &Session, schema: &str) -> Outcome<u64> {
    Ok(tables(session, schema).await?.iter().map(|table| table.bytes).sum())
}

async fn size(session: &Session, schema: &str) -> Outcome<StoreSize> {
    let epoch = session.query_opt("SELECT epoch FROM store", &[]).await?.ok_or(Fault::Outdated)?;
    let epoch: i32 = epoch.try_get(0)?;
    let found = tables(session, schema).await?;
    let bytes = found.iter().map(|table| table.bytes).sum();
    let reclaimable_bytes = Some(found.iter().map(|table| table.dead_bytes).sum());
    let mut tables = Vec::with_capacity(found.len());
    for Table { name, quoted, bytes, .. } in found {
        let rows = session.query_opt(&format!("SELECT count(*) FROM {schema}.{quoted}"), &[]).await?;
        let rows: i64 = rows.ok_or(Fault::Outdated)?.try_get(0)?;
        tables.push(TableSize { name, rows: rows.cast_unsigned(), bytes: Some(bytes) });
    }
    Ok(StoreSize { bytes, reclaimable_bytes, epoch: Some(u64::from(epoch.cast_unsigned())), tables })
}

async fn check(session: &Session, schema: &str, version: u32) -> Outcome<CheckReport> {
    let mut report = CheckReport::default();
    check_shape(session, schema, version, &mut report).await?;
    let names = tables(session, schema).await?;
    report.examined.push("every row of every table, read to its last byte".to_owned());
    for Table { name, quoted, .. } in &names {
        // The text of a row has all of its values, also those that are stored apart from it.
        let read = format!("SELECT coalesce(sum(length(t::text)), 0) FROM {schema}.{quoted} t");
        if let Err(fault) = attempt(session, async || session.query(&read, &[]).await).await? {
            report.faults.push(format!("table {name}: {fault}"));
        }
    }
    check_structure(session, schema, &names, &mut report).await?;
    Ok(report)
}

/// Compares what is there with what the steps to that version make.
async fn check_shape(session: &Session, schema: &str, version: u32, report: &mut CheckReport) -> Outcome<()> {
    let mut found = shape(session, schema).await?;
    session.batch("SAVEPOINT pattern").await?;
    let made = attempt(session, async || {
        schema::make_pattern(session, version).await?;
        let named = "SELECT nspname::text FROM pg_namespace WHERE oid = pg_my_temp_schema()";
        let name = session.query_opt(named, &[]).await?.ok_or(Fault::Outdated)?;
        shape(session, name.try_get(0)?).await
    });
    let made = made.await?;
    session.batch("ROLLBACK TO pattern").await?;
    match made {
        Ok(expected) => {
            report.examined.push(format!("the columns, indexes, constraints and views of schema version {version}"));
            for part in expected {
                if !found.remove(&part) {
                    report.faults.push(format!("missing, or not as feedspine made it: {part}"));
                }
            }
            report.notes.extend(found.into_iter().map(|part| format!("not as feedspine makes it: {part}")));
        }
        Err(why) => {
            let note = "the shape of the tables was not compared: the role may not make temporary ones";
            report.notes.push(format!("{note} ({why})"));
        }
    }
    Ok(())
}

async fn shape(session: &Session, schema: &str) -> Outcome<BTreeSet<String>> {
    let rows = session.query(SHAPE, &bind![schema]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Walks indexes, and tables where the server can, with the extension amcheck. It is used where it is installed, else
/// created for the time of this transaction, which takes a superuser.
async fn check_structure(session: &Session, schema: &str, names: &[Table], report: &mut CheckReport) -> Outcome<()> {
    let place = "SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'amcheck'";
    let installed = session.query_opt(place, &[]).await?;
    if installed.is_none()
        && let Err(why) = attempt(session, async || session.batch("CREATE EXTENSION amcheck").await).await?
    {
        report.notes.push(format!("the order inside indexes was not checked: amcheck is not there ({why})"));
        return Ok(());
    }
    let place = session.query_opt(place, &[]).await?.ok_or(Fault::Outdated)?;
    let place: &str = place.try_get(0)?;
    let indexes = session.query(INDEXES, &bind![schema]).await?;
    let denied = |fault: &str| fault.contains("42501");
    for row in &indexes {
        let (index, name): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let walk = format!("SELECT {place}.bt_index_check($1::text::regclass, true)");
        match attempt(session, async || session.query(&walk, &bind![index]).await).await? {
            Ok(_) => {}
            Err(why) if denied(&why) => {
                report.notes.push(format!("the order inside indexes was not checked: amcheck is not for us ({why})"));
                return Ok(());
            }
            Err(fault) => report.faults.push(format!("index {name}: {fault}")),
        }
    }
    report.examined.push(format!("the order inside {} indexes, and that no row is missing (amcheck)", indexes.len()));
    for Table { name, quoted, .. } in names {
        let walk = format!("SELECT blkno, msg FROM {place}.verify_heapam($1::text::regclass)");
        let table = format!("{schema}.{quoted}");
        match attempt(session, async || session.query(&walk, &bind![table.as_str()]).await).await? {
            Ok(rows) => {
                for row in rows {
                    let (block, message): (i64, &str) = (row.try_get(0)?, row.try_get(1)?);
                    report.faults.push(format!("table {name}, block {block}: {message}"));
                }
            }
            // PostgreSQL 13 has no such function.
            Err(why) => {
                report.notes.push(format!("the structure of tables was not checked ({why})"));
                return Ok(());
            }
        }
    }
    report.examined.push(format!("the structure of {} tables (amcheck)", names.len()));
    Ok(())
}

/// Tries something that may fail without harm to the transaction; the inner error is what it failed with.
async fn attempt<T>(
    session: &Session,
    work: impl AsyncFnOnce() -> Outcome<T>,
) -> Outcome<std::result::Result<T, String>> {
    session.batch("SAVEPOINT attempt").await?;
    match work().await {
        Ok(done) => Ok(Ok(done)),
        Err(fault @ Fault::Postgres(_)) => {
            session.batch("ROLLBACK TO attempt").await?;
            Ok(Err(fault.into_error().to_string()))
        }
        Err(fault) => Err(fault),
    }
}
