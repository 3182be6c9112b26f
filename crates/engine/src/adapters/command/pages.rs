//! [`CommandPages`]: one run of a program.

use std::io::{self, ErrorKind, Write};
use std::process::Command as StdCommand;
use std::time::Duration;

use async_trait::async_trait;
use feedspine_core::{ContentHash, Json};
use feedspine_parse::{LineForm, LinePage, LineReader, Warning};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::time::{Instant, timeout_at};

use super::program::{Ended, Program};
use super::{Command, RunBy};
use crate::OpError;
use crate::adapters::secrets::Secrets;
use crate::adapters::{Cost, Covers, End, Ground, Page, Pages, Then, Told, scraps_body};
use crate::collect::cursor::{Memory, Source};
use crate::collect::document::reading;
use crate::fetch::FetchFailure;

/// Bytes of one page, and how long it waits for them: what a program has printed is not left waiting.
const PAGE: (usize, Duration) = (1024 * 1024, Duration::from_secs(2));
/// As much of what it said on stderr is told with a fault.
const TOLD: usize = 1_000;
/// Where a shell finds the state of the last run.
const STATE: &str = "FEEDSPINE_STATE";

/// One run of a program.
pub(in crate::adapters) struct CommandPages<'a> {
    command: &'a Command,
    ground: Ground<'a>,
    /// How it is called in messages.
    name: String,
    secrets: Secrets,
    stage: Stage,
    deadline: Instant,
    bytes: u64,
    sha: Sha256,
    /// The tap's state as it is known: that of the last run, or what it told in this one.
    state: Option<Json>,
    told_state: bool,
    /// Why the run failed, told once all that it had printed is stored.
    failed: Option<OpError>,
    /// There as long as the program may read it.
    _state_file: Option<NamedTempFile>,
}

enum Stage {
    Begin(StdCommand),
    Runs(Box<(Program, LineReader)>),
    Done,
}

/// How reading came to an end.
enum Stop {
    Closed,
    Broken(OpError),
}

impl<'a> CommandPages<'a> {
    pub(in crate::adapters) fn begin(command: &'a Command, ground: Ground<'a>) -> Result<Self, OpError> {
        let words = command.words_at(&ground.address)?;
        let mut secrets = Secrets::default();
        let mut program = StdCommand::new(&words[0]);
        program.args(&words[1..]);
        for (name, template) in &command.environment {
            program.env(name, template.resolve(&mut secrets)?);
        }
        if let Some(folder) = &command.folder {
            program.current_dir(folder);
        }
        let state = ground.memory.as_ref().and_then(|memory| memory.state.get("singer").cloned());
        let file = state.as_ref().map(state_file).transpose()?;
        if let Some(file) = &file {
            match command.run_by {
                RunBy::Us => drop(program.arg("--state").arg(file.path())),
                RunBy::Shell => drop(program.env(STATE, file.path())),
            }
        }
        let name = ground.address.suggested_name();
        Ok(Self {
            command,
            ground,
            name,
            secrets,
            stage: Stage::Begin(program),
            deadline: Instant::now() + command.timeout,
            bytes: 0,
            sha: Sha256::new(),
            state,
            told_state: false,
            failed: None,
            _state_file: file,
        })
    }

    fn start(&self, command: StdCommand) -> Result<Box<(Program, LineReader)>, OpError> {
        let program = Program::start(command.into()).map_err(|error| {
            OpError::failed("command.not_started", format!("cannot start {}: {error}", self.name))
                .with_hint("give its whole path, or see that it is in PATH and may be run")
                .with_source(error)
        })?;
        Ok(Box::new((program, LineReader::new(&self.command.form, self.command.rules.clone(), 0))))
    }

    /// Reads what is printed, until it is a page, or nothing came for a while.
    async fn gather(&mut self, program: &mut Program) -> (Vec<u8>, Option<Stop>) {
        let mut page = Vec::new();
        let mut piece = vec![0; 64 * 1024];
        let mut until = self.deadline;
        while page.len() < PAGE.0 {
            match timeout_at(until, program.read(&mut piece)).await {
                Ok(Ok(0)) => return (page, Some(Stop::Closed)),
                Ok(Ok(read)) => {
                    if page.is_empty() {
                        until = self.deadline.min(Instant::now() + PAGE.1);
                    }
                    self.bytes += read as u64;
                    self.sha.update(&piece[..read]);
                    page.extend_from_slice(&piece[..read]);
                    if self.bytes > self.command.most_bytes {
                        return (page, Some(Stop::Broken(self.too_much())));
                    }
                }
                Ok(Err(error)) => return (page, Some(Stop::Broken(self.unreadable(error)))),
                Err(_) if Instant::now() < self.deadline => return (page, None),
                Err(_) => return (page, Some(Stop::Broken(self.too_long()))),
            }
        }
        (page, None)
    }

    /// How the program ended, once it had nothing more to print.
    async fn ended(&self, program: Program) -> Result<Ended, OpError> {
        // A program that is dropped is ended, with all that it started.
        let ended = timeout_at(self.deadline, program.wait()).await.map_err(|_| self.too_long())?;
        let ended = ended.map_err(|error| self.unreadable(error))?;
        match &ended.fault {
            None => Ok(ended),
            Some(fault) => {
                let error =
                    OpError::failed("command.failed", format!("{} {fault}{}", self.name, self.told(&ended.said)));
                Err(error.with_hint("what it had printed is stored; run it by hand to see what is wrong"))
            }
        }
    }

    fn told(&self, said: &str) -> String {
        let said = self.secrets.hidden(said).lines().map(str::trim).collect::<Vec<_>>().join("; ");
        let from = said.ceil_char_boundary(said.len().saturating_sub(TOLD));
        if said.is_empty() { ", and said nothing".to_owned() } else { format!(": {}", &said[from..]) }
    }

    fn too_much(&self) -> OpError {
        let mib = self.command.most_bytes / (1024 * 1024);
        OpError::failed("command.too_much", format!("{} printed more than {mib} MiB and was ended", self.name))
            .with_hint("the option max_mib allows more")
    }

    fn too_long(&self) -> OpError {
        let seconds = self.command.timeout.as_secs();
        OpError::failed("command.timeout", format!("{} ran longer than {seconds} s and was ended", self.name))
            .with_hint("the option timeout_s gives it longer")
    }

    fn unreadable(&self, error: io::Error) -> OpError {
        OpError::failed("command.unreadable", format!("what {} prints cannot be read: {error}", self.name))
            .with_hint("collect again")
            .with_source(error)
    }

    /// The end of a run: a tap that failed after it told a state has told all that comes before that state.
    fn finish(&mut self, ended: Result<Ended, OpError>, warnings: Vec<Warning>) -> Then {
        let mut end = End { complete: true, memory: self.memory(), warnings };
        match ended {
            Ok(ended) if ended.said.is_empty() => {}
            Ok(ended) => {
                let first = self.told(&ended.said).trim_start_matches(": ").to_owned();
                end.warnings.push(Warning { code: "command.stderr", count: 1, first });
            }
            Err(error) => {
                self.failed = Some(error);
                if !self.told_state {
                    return Then::More;
                }
            }
        }
        Then::End(Box::new(end))
    }

    fn memory(&self) -> Memory {
        Memory {
            validators: None,
            body: ContentHash::from_bytes(self.sha.clone().finalize().into()),
            source: Source { url: None, content_type: None },
            read_at: self.ground.observed_at,
            state: self.state.clone().map_or(Json::Null, |state| Json::object([("singer", state)])),
        }
    }
}

#[async_trait]
impl<'a> Pages<'a> for CommandPages<'a> {
    fn covers(&self) -> Covers {
        self.command.covers
    }

    async fn next(&mut self) -> Result<Told<'a>, FetchFailure> {
        if let Some(error) = self.failed.take() {
            return Err(error.into());
        }
        let runs = match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Begin(command) => self.start(command)?,
            Stage::Runs(runs) => runs,
            Stage::Done => return Err(OpError::failed("internal.pages", "there is no further page").into()),
        };
        let (mut program, mut reader) = *runs;
        let (printed, stop) = self.gather(&mut program).await;
        let bytes = printed.len() as u64;
        let room = self.ground.engine.room_for(bytes).await;
        let closed = matches!(stop, Some(Stop::Closed));
        let read = move || {
            reader.push(&printed);
            if closed {
                reader.end();
            }
            Ok((reader.take_page(), reader))
        };
        let patience = self.ground.engine.settings().limits.parse;
        let (page, mut reader) = reading(&self.ground.address.to_string(), patience, read).await?;
        let LinePage { candidates, rejects, scraps, state, .. } = page;
        if self.command.form == LineForm::Singer && state.is_some() {
            self.state = state;
            self.told_state = true;
        }
        let then = match stop {
            None => {
                self.stage = Stage::Runs(Box::new((program, reader)));
                Then::More
            }
            Some(Stop::Closed) => {
                let ended = self.ended(program).await;
                self.finish(ended, reader.take_warnings())
            }
            Some(Stop::Broken(error)) => {
                let said = self.told(&program.end());
                let broken = OpError::new(error.kind(), error.code(), format!("{}{said}", error.message()));
                let broken = broken.with_hint(error.hint().unwrap_or_default());
                self.finish(Err(broken), reader.take_warnings())
            }
        };
        let cost = Cost { http_status: None, wire_bytes: bytes, body_bytes: bytes };
        let body = scraps_body(&scraps);
        Ok(Told::Page(Page { candidates, rejects, body, cost, then, room: Some(room) }))
    }

    async fn settle(&mut self) -> Result<Vec<Warning>, OpError> {
        self.failed.take().map_or(Ok(Vec::new()), Err)
    }
}

/// The state of the last run, where only we and the program can read it.
fn state_file(state: &Json) -> Result<NamedTempFile, OpError> {
    let written = NamedTempFile::with_prefix("feedspine-state-").and_then(|mut file| {
        file.write_all(state.to_canonical().as_bytes())?;
        file.flush()?;
        Ok(file)
    });
    written.map_err(|error: io::Error| {
        let hint = if error.kind() == ErrorKind::StorageFull { "make room" } else { "see that TMPDIR can be written" };
        OpError::failed("command.state", format!("the state for the program cannot be written: {error}"))
            .with_hint(hint)
            .with_source(error)
    })
}
