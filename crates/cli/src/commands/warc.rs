//! `feedspine warc`: what feeds brought, for other programs.

use feedspine::ops::{Existing, ExportWarc, WarcExported};
use feedspine::{Ending, OpError};

use super::Context;
use super::words::{bytes, counted};
use crate::arguments;
use crate::printer::{Line, Style};
use crate::stores::Wanted;

pub(super) async fn run(arguments: arguments::Warc, context: Context<'_>) -> Result<Ending, OpError> {
    context.backends.find(&context.config.db)?.own_files().refuse_to_write(&arguments.file)?;
    let request = ExportWarc {
        file: arguments.file,
        feeds: arguments.feeds,
        since: arguments.since.map(arguments::Since::begin),
        existing: Existing::when(arguments.replace),
    };
    let written = context.with_engine(Wanted::Existing, async |engine| engine.export_warc(&request).await).await?;
    let printer = context.printer;
    printer.answer(&written, || vec![told(&written)]);
    if let Some(error) = &written.error {
        printer.warning(format!("{} could not be read: {error}", written.unread));
    }
    Ok(written.ending())
}

fn told(written: &WarcExported) -> Line {
    let line = Line::of(Style::Good, "written").plain(": ").then(Style::Strong, written.file.display().to_string());
    line.plain(format!("  {}, {}", counted(written.records, "resource"), bytes(written.bytes)))
}
