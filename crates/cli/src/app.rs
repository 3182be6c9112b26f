//! [`App`]: the whole command line, open to backends of your own.

use std::ffi::OsString;
use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use clap::error::ErrorKind;
use feedspine::core::StorageError;
use feedspine::{Ending, OpError};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::arguments::Arguments;
use crate::commands;
use crate::config::Config;
use crate::log;
use crate::printer::{ColorChoice, Format, Manner, Printer, Verbosity};
use crate::stores::{Backends, Stores};

/// How long what was begun may take to finish after an interruption.
const GRACE: Duration = Duration::from_secs(10);

/// The command line with its backends.
///
/// A binary of your own, with a backend of your own:
///
/// ```no_run
/// use std::process::ExitCode;
/// use feedspine::core::MemoryStore; // yours instead
/// use feedspine_cli::{App, Stores};
///
/// fn main() -> ExitCode {
///     App::new().with_backend("mine", |_rest_of_url| Ok(Stores::records(MemoryStore::new()))).run()
/// }
/// ```
///
/// `--db mine:whatever` then chooses it, for every command.
#[derive(Debug, Default)]
pub struct App {
    backends: Backends,
}

impl App {
    /// With the built-in backends: `sqlite:PATH`, `memory:`, and with the feature `postgres`, which is on by default,
    /// `postgres://USER@HOST/DATABASE`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the backend that URLs beginning with `scheme:` name, or replaces it.
    ///
    /// `factory` is given what stands after the colon. It need not open anything: `initialize` is called before first use.
    #[must_use]
    pub fn with_backend(
        mut self,
        scheme: &str,
        factory: impl Fn(&str) -> Result<Stores, StorageError> + Send + Sync + 'static,
    ) -> Self {
        self.backends.insert(scheme, Arc::new(factory));
        self
    }

    /// Says where `storage check` may make fresh stores of a backend of yours, one for each check.
    ///
    /// `beside` is given what stands after the colon in the URL, and a suffix that no other store has; it answers what
    /// stands after the colon for the fresh one. `remove` is given that when the check is over, and removes what is there.
    ///
    /// ```no_run
    /// # use feedspine::core::MemoryStore;
    /// # use feedspine_cli::{App, Stores};
    /// let app = App::new()
    ///     .with_backend("mine", |_path| Ok(Stores::records(MemoryStore::new())))
    ///     .with_places("mine", |path, suffix| format!("{path}{suffix}"), |path| drop(std::fs::remove_file(path)));
    /// ```
    #[cfg(feature = "kit")]
    #[must_use]
    pub fn with_places(
        mut self,
        scheme: &str,
        beside: impl Fn(&str, &str) -> String + Send + Sync + 'static,
        remove: impl Fn(&str) + Send + Sync + 'static,
    ) -> Self {
        self.backends.place(scheme, crate::stores::Places { beside: Arc::new(beside), remove: Arc::new(remove) });
        self
    }

    /// Runs the command that this process was started with.
    pub fn run(self) -> ExitCode {
        self.run_with(&std::env::args_os().collect::<Vec<_>>())
    }

    fn run_with(self, words: &[OsString]) -> ExitCode {
        let as_json = words.iter().take_while(|word| *word != "--").any(|word| word == "--json");
        let format = if as_json { Format::Json } else { Format::Text };
        let arguments = match Arguments::try_parse_from(words) {
            Ok(arguments) => arguments,
            // Help and versions are no errors; help is also what no command at all is answered with.
            Err(error)
                if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand =>
            {
                error.exit()
            }
            Err(error) => return misused(&error, format),
        };
        let config = match Config::read(&arguments.global) {
            Ok(config) => config,
            Err(error) => return failed(&Printer::new(arguments.global.manner(ColorChoice::Auto)), &error),
        };
        let printer = Printer::new(arguments.global.manner(config.color));
        log::begin(&arguments.global, printer.format(), printer.notes_are_coloured());
        let runtime = match Runtime::new() {
            Ok(runtime) => runtime,
            Err(error) => return failed(&printer, &OpError::failed("runtime", format!("cannot start: {error}"))),
        };
        let (kept, hears_signals) = (arguments.command.when_interrupted(), arguments.command.hears_signals());
        let context = commands::Context { config: &config, backends: &self.backends, printer: &printer };
        let command = Box::pin(commands::run(arguments, context));
        let ended = runtime.block_on(async {
            if hears_signals { unless_interrupted_twice(command).await } else { unless_interrupted(command).await }
        });
        let at_once = hears_signals && matches!(ended, Ended::Interrupted { .. });
        runtime.shutdown_timeout(if at_once { Duration::ZERO } else { GRACE });
        let code = match ended {
            Ended::By(Ok(ending)) => match printer.finish() {
                Ok(()) => ending.code(),
                Err(error) => return failed(&printer, &error),
            },
            Ended::By(Err(error)) => return failed(&printer, &error),
            Ended::Interrupted { code } => {
                printer.progress_ends();
                printer.note(format!("interrupted: {kept}"));
                code
            }
        };
        ExitCode::from(code)
    }
}

enum Ended {
    By(Result<Ending, OpError>),
    /// By a signal; the code is 128 and its number, as shells have it.
    Interrupted {
        code: u8,
    },
}

/// Drops the command when the user or the system asks for an end.
async fn unless_interrupted(command: impl Future<Output = Result<Ending, OpError>>) -> Ended {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return Ended::By(command.await);
    };
    tokio::select! {
        ended = command => Ended::By(ended),
        _ = interrupt.recv() => Ended::Interrupted { code: 130 },
        _ = terminate.recv() => Ended::Interrupted { code: 143 },
    }
}

/// The same for a command that hears of the first signal itself, and ends in its own time.
async fn unless_interrupted_twice(command: impl Future<Output = Result<Ending, OpError>>) -> Ended {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return Ended::By(command.await);
    };
    let second = async {
        let mut heard = 0;
        loop {
            let code = tokio::select! {
                _ = interrupt.recv() => 130,
                _ = terminate.recv() => 143,
            };
            heard += 1;
            if heard == 2 {
                return code;
            }
        }
    };
    tokio::select! {
        ended = command => Ended::By(ended),
        code = second => Ended::Interrupted { code },
    }
}

fn failed(printer: &Printer, error: &OpError) -> ExitCode {
    printer.progress_ends();
    printer.error(None, error);
    ExitCode::from(error.kind().ending().code())
}

/// Wrong arguments, told as every other error is.
fn misused(error: &clap::Error, format: Format) -> ExitCode {
    let text = error.render().to_string();
    let mut paragraphs = text.trim().split("\n\n").map(str::trim);
    let message = paragraphs.next().unwrap_or_default().trim_start_matches("error: ");
    let message = message.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let rest: Vec<&str> = paragraphs.collect();
    let tip = rest.iter().find_map(|paragraph| paragraph.strip_prefix("tip: ")).map(str::to_owned);
    let usage = || rest.iter().find_map(|paragraph| paragraph.strip_prefix("Usage: "));
    let usage = || usage().map(|usage| format!("say {}", usage.lines().next().unwrap_or_default()));
    let hint = tip.or_else(usage).unwrap_or_else(|| "see --help".to_owned());
    let manner = Manner { format, verbosity: Verbosity::Normal, color: ColorChoice::Auto };
    failed(&Printer::new(manner), &OpError::usage("usage.arguments", message).with_hint(hint))
}
