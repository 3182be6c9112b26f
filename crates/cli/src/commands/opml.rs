//! `feedspine opml`: lists of feeds from other readers, and for them.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use feedspine::core::FeedName;
use feedspine::ops::{EntryOutcome, ImportOpml, ImportedEntry, LeftOut, OpmlImport};
use feedspine::{Ending, OpError};

use super::Context;
use super::words::{SHORT, counted};
use crate::arguments;
use crate::printer::{Format, Line, Set, Style, Table, excerpt};
use crate::stores::Wanted;

/// No list is larger: 5 000 entries are at most some megabytes.
const MOST_BYTES: u64 = 20 * 1024 * 1024;

pub(super) async fn run(command: arguments::Opml, context: Context<'_>) -> Result<Ending, OpError> {
    match command {
        arguments::Opml::Import(import) => take_in(import, context).await,
        arguments::Opml::Export(export) => give_out(export, context).await,
    }
}

async fn take_in(arguments: arguments::OpmlImport, context: Context<'_>) -> Result<Ending, OpError> {
    let name = if arguments.file == Path::new("-") { "stdin".to_owned() } else { arguments.file.display().to_string() };
    let request = ImportOpml {
        bytes: read(&arguments.file, &name)?,
        name,
        tags: arguments.tags,
        allow_private: arguments.allow_private,
    };
    let ask = context.with_engine(Wanted::ExistingOrNew, async |engine| engine.import_opml(request).await);
    let import = ask.await?;
    let printer = context.printer;
    printer.answer(&import, || told(&import, printer.width()));
    for warning in &import.warnings {
        printer.warning(warning);
    }
    let mut hints: Vec<&str> =
        import.entries.iter().filter_map(|entry| entry.error.as_ref()).filter_map(OpError::hint).collect();
    hints.sort_unstable();
    hints.dedup();
    for hint in hints {
        printer.note(Line::of(Style::Faint, "hint").plain(format!(": {hint}")));
    }
    for list in &import.lists {
        printer.note(format!("not followed: the list {}", list.address));
    }
    for site in &import.sites {
        let next = context.same_store(&format!("feedspine add {}", crate::shell::quoted(&site.address)));
        printer.note(format!("a site without a feed: {next}"));
    }
    Ok(import.ending())
}

fn read(file: &Path, name: &str) -> Result<Vec<u8>, OpError> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().take(MOST_BYTES + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
    };
    match read {
        Ok(_) if bytes.len() as u64 > MOST_BYTES => {
            Err(OpError::failed("file.too_large", format!("{name} is larger than 20 MiB"))
                .with_hint("is it a list of feeds?"))
        }
        Ok(_) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(OpError::not_found("file.missing", format!("there is no file {name}"))
                .with_hint("- reads the list from stdin"))
        }
        Err(error) => Err(OpError::failed("file.unreadable", format!("cannot read {name}: {error}"))
            .with_hint("check that the file may be read")
            .with_source(error)),
    }
}

fn told(import: &OpmlImport, width: Option<usize>) -> Vec<Line> {
    let mut columns =
        vec![("outcome", Set::Left), ("feed", Set::Flexible), ("address", Set::Flexible), ("tags", Set::Flexible)];
    let refused = import.count(EntryOutcome::Refused) > 0;
    columns.extend(refused.then_some(("reason", Set::Flexible)));
    let mut table = Table::new(&columns);
    for entry in &import.entries {
        let reason = entry.error.as_ref().map_or("", OpError::message);
        let reason = refused.then(|| Line::of(Style::Faint, excerpt(reason, SHORT)));
        table.row(row(entry).into_iter().chain(reason));
    }
    let mut lines = if import.entries.is_empty() { Vec::new() } else { table.lines(width) };
    let counts = [EntryOutcome::Added, EntryOutcome::Already, EntryOutcome::Repeated, EntryOutcome::Refused];
    let counts: Vec<String> =
        counts.into_iter().map(|outcome| format!("{} {}", import.count(outcome), outcome.as_str())).collect();
    let entries = match import.entries.len() {
        1 => "1 entry".to_owned(),
        count => format!("{count} entries"),
    };
    lines.push(Line::of(Style::Faint, format!("{entries}: {}", counts.join(", "))));
    lines
}

fn row(entry: &ImportedEntry) -> [Line; 4] {
    let style = match entry.outcome {
        EntryOutcome::Added => Style::Good,
        EntryOutcome::Already | EntryOutcome::Repeated => Style::Faint,
        EntryOutcome::Refused => Style::Bad,
    };
    let tags: Vec<&str> = entry.tags.iter().map(feedspine::Tag::as_str).collect();
    [
        Line::of(style, entry.outcome.as_str()),
        entry.feed.as_ref().map_or("", FeedName::as_str).into(),
        excerpt(&entry.address, SHORT).into(),
        Line::of(Style::Faint, tags.join(", ")),
    ]
}

async fn give_out(arguments: arguments::OpmlExport, context: Context<'_>) -> Result<Ending, OpError> {
    if let Some(file) = &arguments.file {
        context.backends.find(&context.config.db)?.own_files().refuse_to_write(file)?;
    }
    let tag = arguments.tag.as_ref();
    let ask = context.with_engine(Wanted::Existing, async |engine| engine.export_opml(tag).await);
    let export = ask.await?;
    let printer = context.printer;
    for LeftOut { feed, reason } in &export.left_out {
        printer.note(format!("left out: {feed} {reason}"));
    }
    if !export.left_out.is_empty() {
        let whole = context.same_store("feedspine export");
        printer.note(Line::of(Style::Faint, "hint").plain(format!(": `{whole}` keeps every feed, however it is read")));
    }
    match &arguments.file {
        Some(file) => {
            write(file, &export.text)?;
            let feeds = counted(export.feeds as u64, "feed");
            let line = Line::of(Style::Good, "written").plain(": ").then(Style::Strong, file.display().to_string());
            printer.answer(&export, || vec![line.plain(format!("  {feeds}"))]);
        }
        None if printer.format() == Format::Json => printer.json(&feedspine::ToJson::to_json(&export)),
        // Data for other programs: not a byte of it is changed for a terminal. What cannot be written is told at the end.
        None => drop(printer.raw().write_all(export.text.as_bytes())),
    }
    Ok(Ending::Done)
}

/// Writes a new file that only its owner can read: addresses of feeds may hold secrets.
fn write(file: &Path, text: &str) -> Result<(), OpError> {
    let shown = file.display();
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return OpError::usage("file.exists", format!("{shown} is there already"))
                .with_hint("choose another name, or remove it first");
        }
        OpError::failed("file.unwritable", format!("cannot write {shown}: {error}"))
            .with_hint("check that the directory is there and may be written")
    })?;
    new.write_all(text.as_bytes()).and_then(|()| new.sync_all()).map_err(|error| {
        // Half a list is none.
        let _ = std::fs::remove_file(file);
        OpError::failed("file.unwritable", format!("cannot write {shown}: {error}")).with_source(error)
    })
}
