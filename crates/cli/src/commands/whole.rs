//! `feedspine export`, `import`, `db backup`, `restore`, `copy` and `verify`: all that a store holds.

use std::io::{self, BufWriter};
use std::path::Path;

use feedspine::core::{Json, Standing};
use feedspine::ops::{Contents, CopyError, Existing, Packing, StoreCare, ToJson, Verified, WriteOutcome, Written};
use feedspine::{Ending, OpError};
use tempfile::NamedTempFile;

use super::Context;
use super::db::{Missing, with_care};
use super::words::counted;
use crate::arguments;
use crate::printer::{Line, Style};
use crate::secrets::without_password;
use crate::stores::{Found, named};

pub(super) async fn export(arguments: arguments::Export, context: Context<'_>) -> Result<Ending, OpError> {
    if let Some(file) = arguments.file {
        write_file(&file, (Packing::Plain, Existing::when(arguments.replace)), context).await?;
        return Ok(Ending::Done);
    }
    let printer = context.printer;
    let mut out = BufWriter::with_capacity(1 << 16, printer.raw());
    let ask = async |care: &StoreCare| Ok((care.export(&mut out).await?, care.captures().await?));
    match with_care(context, &context.config.db, Missing::Refused, ask).await {
        Ok((contents, captures)) => {
            printer.note(format!("exported: {}", held(contents)));
            warn_of_captures(captures, context);
            warn_without_feeds(contents, &context.config.db, context);
        }
        // A reader that went away has had what it wanted.
        Err(error) if error.code() == "export.unwritable" => printer.finish()?,
        Err(error) => return Err(error),
    }
    Ok(Ending::Done)
}

pub(super) async fn import(arguments: arguments::Import, context: Context<'_>) -> Result<Ending, OpError> {
    match arguments.file {
        Some(file) if file != Path::new("-") => restore(&file, context).await?,
        _ => {
            let spool = spooled()?;
            restore(spool.path(), context).await.map_err(|error| about_stdin(&error, spool.path()))?;
        }
    }
    Ok(Ending::Done)
}

/// An error of reading what stood on stdin: nobody knows the file that it was kept in.
fn about_stdin(error: &OpError, spool: &Path) -> OpError {
    let spool = spool.display().to_string();
    let told = OpError::new(error.kind(), error.code(), error.message().replace(&spool, "what stands on stdin"));
    error.hint().map(|hint| hint.replace(&spool, "what stands on stdin")).into_iter().fold(told, OpError::with_hint)
}

/// What stands on stdin as a file: it is read twice, the first time to check it.
fn spooled() -> Result<NamedTempFile, OpError> {
    let spool = NamedTempFile::with_prefix("feedspine-import-").and_then(|mut spool| {
        io::copy(&mut io::stdin().lock(), &mut spool)?;
        Ok(spool)
    });
    spool.map_err(|error| {
        OpError::failed("import.unreadable", format!("cannot keep what stands on stdin: {error}"))
            .with_hint("name a file instead")
    })
}

pub(super) async fn backup(file: &Path, existing: Existing, context: Context<'_>) -> Result<(), OpError> {
    write_file(file, (Packing::Zstd, existing), context).await
}

async fn write_file(
    file: &Path,
    (packing, existing): (Packing, Existing),
    context: Context<'_>,
) -> Result<(), OpError> {
    context.backends.find(&context.config.db)?.own_files().refuse_to_write(file)?;
    let ask = async |care: &StoreCare| Ok((care.export_file(file, packing, existing).await?, care.captures().await?));
    let (contents, captures) = with_care(context, &context.config.db, Missing::Refused, ask).await?;
    warn_of_captures(captures, context);
    warn_without_feeds(contents, &context.config.db, context);
    let exported = Exported { file: file.display().to_string(), contents };
    context.printer.answer(&exported, || {
        let line = Line::of(Style::Good, "written").plain(": ").then(Style::Strong, &exported.file);
        vec![line.plain(format!("  {}", held(contents)))]
    });
    Ok(())
}

pub(super) async fn restore(file: &Path, context: Context<'_>) -> Result<(), OpError> {
    context.backends.find(&context.config.db)?.own_files().refuse_to_read(file)?;
    let ask = async |care: &StoreCare| care.import_file(file).await;
    let written = with_care(context, &context.config.db, Missing::Told, ask).await?;
    told(&written, &without_password(&context.config.db), context);
    Ok(())
}

pub(super) async fn copy(from: &str, to: &str, context: Context<'_>) -> Result<(), OpError> {
    let (source, target) = (context.find(from)?, context.find(to)?);
    refuse_one_store(&source, &target)?;
    if context.standing(&source).await? == Some(Standing::Nothing) {
        return Err(source.missing());
    }
    let (reads, fills) = (source.care(), target.care());
    let copy = async {
        let written = reads.copy_to(&fills).await?;
        Ok((written, reads.copy_captures_to(&fills).await?))
    };
    let copied = copy.await.map_err(|error| match error {
        CopyError::From(error) => named(&source.shown, error),
        CopyError::To(error) => named(&target.shown, error),
    });
    let read = reads.close().await.map_err(|error| named(&source.shown, error));
    let filled = fills.close().await.map_err(|error| named(&target.shown, error));
    let (written, captures) = copied?;
    read.and(filled)?;
    if captures > 0 {
        context.printer.note(format!("copied too: {}", counted(captures, "capture")));
    }
    warn_without_feeds(written.contents, from, context);
    told(&written, &target.shown, context);
    Ok(())
}

/// A copy of a store into itself, or into a file that it is made of, would be none.
fn refuse_one_store(source: &Found, target: &Found) -> Result<(), OpError> {
    const HINT: &str = "nothing was written; name another store to fill";
    if source.is_the_same_as(target) {
        let message = format!("{} and {}: both are the same store", source.shown, target.shown);
        return Err(OpError::usage("copy.same_store", message).with_hint(HINT));
    }
    for (of, other) in [(source, target), (target, source)] {
        if other.file.as_ref().is_some_and(|file| of.own_files().hold(file)) {
            let message = format!("{} is a file of the store {}", other.shown, of.shown);
            return Err(OpError::usage("copy.same_store", message).with_hint(HINT));
        }
    }
    Ok(())
}

pub(super) async fn verify(context: Context<'_>) -> Result<Ending, OpError> {
    let verified = with_care(context, &context.config.db, Missing::Refused, async |care| care.verify().await).await?;
    context.printer.answer(&verified, || findings(&verified));
    Ok(verified.ending())
}

fn findings(verified: &Verified) -> Vec<Line> {
    let fault = |fault: &String| Line::of(Style::Bad, "fault").plain(format!(": {fault}"));
    let mut lines: Vec<Line> = verified.faults.iter().map(fault).collect();
    let rows = counted(verified.rows, "row");
    lines.push(match verified.faults.len() as u64 + verified.more {
        0 => Line::of(Style::Good, "sound").plain(format!(": {rows}")),
        faults => Line::of(Style::Bad, format!("{} found", counted(faults, "fault"))).plain(format!(" in {rows}")),
    });
    lines
}

/// Warns where records were written without a feed: those of a store that keeps records alone may be elsewhere.
fn warn_without_feeds(contents: Contents, store: &str, context: Context<'_>) {
    if contents.feeds > 0 || contents.rows == 0 {
        return;
    }
    let file = context.backends.find(store).ok().and_then(|found| Some(found.feeds?.path));
    let place = file.map(|file| format!(" in {}", file.display())).unwrap_or_default();
    context
        .printer
        .warning(format!("there is no feed{place}: only the records of {} are written", without_password(store)));
}

/// What an export leaves out is told.
fn warn_of_captures(captures: u64, context: Context<'_>) {
    if captures == 0 {
        return;
    }
    let left_out = format!("{} left out: the bytes that fetches brought", counted(captures, "capture"));
    context.printer.warning(format!("{left_out}; `feedspine db copy` takes them along"));
}

fn told(written: &Written, place: &str, context: Context<'_>) {
    let verb = match written.outcome {
        WriteOutcome::Written => "written and compared",
        WriteOutcome::Resumed => "gone on with, and compared",
        WriteOutcome::Already => "the same was there already",
    };
    context.printer.answer(written, || {
        let line = Line::of(Style::Good, verb).plain(": ").then(Style::Strong, place);
        vec![line.plain(format!("  {}", held(written.contents)))]
    });
}

fn held(contents: Contents) -> String {
    // Schedules are told in JSON: of people's feeds every one has one.
    let Contents { feeds, fetches, rows, .. } = contents;
    let fetches = if fetches == 1 { "1 fetch".to_owned() } else { format!("{fetches} fetches") };
    format!("{}, {fetches}, {}", counted(feeds, "feed"), counted(rows, "row"))
}

/// What was written into a file.
struct Exported {
    file: String,
    contents: Contents,
}

impl ToJson for Exported {
    fn to_json(&self) -> Json {
        Json::object([("file", self.file.as_str().into()), ("contents", self.contents.to_json())])
    }
}
