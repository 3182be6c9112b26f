//! `feedspine db …`: the store as a whole.

use feedspine::core::{Json, Standing};
use feedspine::ops::{Compacted, DryRun, Existing, MigrateOutcome, Migrated, StoreCare, StoreCheck, StoreInfo, ToJson};
use feedspine::{Ending, OpError};

use super::words::{bytes, counted, field};
use super::{Context, whole};
use crate::arguments;
use crate::printer::{Line, Set, Style, Table};
use crate::stores::named;

pub(super) async fn run(command: arguments::Db, context: Context<'_>) -> Result<Ending, OpError> {
    use arguments::Db as Command;
    let (printer, url) = (context.printer, context.config.db.as_str());
    match command {
        Command::Info => {
            let place = context.backends.find(url)?.shown;
            let info = with_care(context, url, Missing::Told, async |care| care.info().await).await?;
            let info = Placed { place, info };
            printer.answer(&info, || told(&info, printer.width()));
            if info.info.standing == Some(Standing::Nothing) {
                printer.note("there is no store yet");
                let begin = format!(": `feedspine db migrate --db {}` begins one", info.place);
                printer.note(Line::of(Style::Faint, "hint").plain(begin));
            }
        }
        Command::Migrate(arguments) => {
            let dry_run = DryRun::when(arguments.dry_run);
            let migrated = with_care(context, url, Missing::Told, async |care| care.migrate(dry_run).await).await?;
            printer.answer(&migrated, || vec![migration(&migrated)]);
        }
        Command::Check => {
            let check = with_care(context, url, Missing::Refused, async |care| care.check().await).await?;
            printer.answer(&check, || findings(&check));
            if !check.report.faults.is_empty() {
                let hint = ": nothing was changed. A backup is restored into another store: `feedspine --db URL db restore FILE`; \
                            without one, `feedspine db backup FILE` may still save what can be read";
                printer.note(Line::of(Style::Faint, "hint").plain(hint));
            }
            return Ok(check.ending());
        }
        Command::Verify => return whole::verify(context).await,
        Command::Backup { file, replace } => whole::backup(&file, Existing::when(replace), context).await?,
        Command::Restore { file } => whole::restore(&file, context).await?,
        Command::Copy { from, to } => whole::copy(&from, &to, context).await?,
        Command::Compact(arguments) => {
            let dry_run = DryRun::when(arguments.dry_run);
            let compacted = with_care(context, url, Missing::Refused, async |care| care.compact(dry_run).await).await?;
            printer.answer(&compacted, || vec![compaction(&compacted)]);
        }
    }
    Ok(Ending::Done)
}

/// What is done where there is no store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// That is an answer.
    Told,
    /// There has to be one.
    Refused,
}

/// Looks after the store at that URL, and lets go of it whatever the answer is.
pub(super) async fn with_care<T>(
    context: Context<'_>,
    url: &str,
    missing: Missing,
    ask: impl AsyncFnOnce(&StoreCare) -> Result<T, OpError>,
) -> Result<T, OpError> {
    let found = context.find(url)?;
    let care = found.care();
    if missing == Missing::Refused && context.standing(&found).await? == Some(Standing::Nothing) {
        return Err(found.missing());
    }
    let answer = ask(&care).await.map_err(|error| named(&found.shown, error));
    let closed = care.close().await.map_err(|error| named(&found.shown, error));
    let answer = answer?;
    closed?;
    Ok(answer)
}

/// What a store is, and where.
struct Placed {
    place: String,
    info: StoreInfo,
}

impl ToJson for Placed {
    fn to_json(&self) -> Json {
        let mut document = self.info.to_json();
        if let Json::Object(members) = &mut document {
            members.insert("place".into(), self.place.as_str().into());
        }
        document
    }
}

fn told(placed: &Placed, width: Option<usize>) -> Vec<Line> {
    let Placed { place, info: StoreInfo { backend, standing, size } } = placed;
    let newest = backend.schema_version;
    let schema = match standing {
        Some(Standing::Nothing) => Line::of(Style::Notable, "no store yet"),
        Some(Standing::Store { schema_version }) if *schema_version == newest => schema_version.to_string().into(),
        Some(Standing::Store { schema_version }) => {
            let line = Line::from(schema_version.to_string());
            line.then(Style::Notable, format!(", this feedspine writes {newest}"))
        }
        None => Line::from(newest.to_string()).then(Style::Faint, ", as this feedspine writes it"),
    };
    let able = |able: bool, word: &str| if able { word.to_owned() } else { format!("not {word}") };
    let capabilities = backend.capabilities;
    let mut lines = vec![
        field("store", place.as_str()),
        field("backend", backend.name.as_str()),
        field("schema", schema),
        field(
            "can do",
            format!(
                "{}, {}, {} items a batch",
                able(capabilities.durable, "durable"),
                able(capabilities.multi_process, "for several processes"),
                capabilities.max_batch
            ),
        ),
    ];
    let Some(size) = size else { return lines };
    let mut line = Line::of(Style::Strong, bytes(size.bytes));
    if let Some(free) = size.reclaimable_bytes.filter(|free| *free > 0) {
        line = line.plain(format!(", about {} of it unused", bytes(free)));
    }
    lines.push(field("size", line));
    lines.extend(size.epoch.map(|epoch| field("epoch", epoch.to_string())));
    let with_bytes = size.tables.iter().any(|table| table.bytes.is_some());
    let mut columns = vec![("table", Set::Left), ("rows", Set::Right)];
    columns.extend(with_bytes.then_some(("size", Set::Right)));
    let mut table = Table::new(&columns);
    for part in &size.tables {
        let mut cells: Vec<Line> = vec![part.name.as_str().into(), part.rows.to_string().into()];
        cells.extend(with_bytes.then(|| part.bytes.map_or_else(Line::new, |size| bytes(size).into())));
        table.row(cells);
    }
    lines.push(Line::new());
    lines.extend(table.lines(width));
    lines
}

fn migration(migrated: &Migrated) -> Line {
    let Migrated { outcome, from, to, dry_run } = migrated;
    let would = *dry_run == DryRun::Yes;
    match outcome {
        MigrateOutcome::Begun if would => Line::from(format!("a store of schema version {to} would be begun")),
        MigrateOutcome::Begun => Line::of(Style::Good, "begun").plain(format!(": a store of schema version {to}")),
        MigrateOutcome::Migrated => {
            let from = from.map_or_else(String::new, |from| format!(" from schema version {from}"));
            let verb = if would { "would be migrated" } else { "migrated" };
            Line::of(Style::Good, verb).plain(format!("{from} to {to}"))
        }
        MigrateOutcome::Already => Line::from(format!("already at schema version {to}: nothing to do")),
        MigrateOutcome::Initialised if would => {
            Line::from("the backend would be asked to initialise; it does not tell what that does")
        }
        MigrateOutcome::Initialised => Line::from(format!("initialised, at schema version {to}")),
    }
}

fn findings(check: &StoreCheck) -> Vec<Line> {
    let report = &check.report;
    let mut lines: Vec<Line> =
        report.examined.iter().map(|what| Line::of(Style::Faint, "examined").plain(format!(": {what}"))).collect();
    lines.extend(report.notes.iter().map(|note| Line::of(Style::Notable, "note").plain(format!(": {note}"))));
    lines.extend(report.faults.iter().map(|fault| Line::of(Style::Bad, "fault").plain(format!(": {fault}"))));
    lines.push(match report.faults.len() {
        0 => Line::of(Style::Good, "sound"),
        faults => Line::of(Style::Bad, format!("{} found", counted(faults as u64, "fault"))),
    });
    lines
}

fn compaction(compacted: &Compacted) -> Line {
    let Compacted { bytes_before, bytes_after, dry_run } = compacted;
    let (before, after) = (bytes(*bytes_before), bytes(*bytes_after));
    match dry_run {
        DryRun::Yes => Line::from(format!("takes {before}; compacted it would take about {after}")),
        DryRun::No => Line::of(Style::Good, "compacted").plain(format!(": {before} before, {after} now")),
    }
}
