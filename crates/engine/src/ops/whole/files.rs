//! Files of lines, read with suspicion.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use feedspine_core::transfer::Batches;
use feedspine_core::{FeedId, Fetch, Schedule};
use sha2::{Digest, Sha256};

use super::lines::{End, FORMAT, LONGEST_LINE, Line, Own, hexadecimal, read};
use super::{Contents, Piece, SCHEDULES_AT_ONCE, Source};
use crate::ops::OpError;

/// A first line that is longer is none of ours.
const LONGEST_HEADER: u64 = 64 << 10;

/// How every zstd frame begins (RFC 8878 section 3.1.1).
const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];

/// A file being read: it must begin with our header, hold lines of ours, and end with counts and a digest that are right.
pub(super) struct Reading {
    file: PathBuf,
    lines: Box<dyn BufRead + Send>,
    number: u64,
    digest: Sha256,
    contents: Contents,
    longest: u64,
    /// Read ahead: it belongs to the next piece.
    ahead: Option<Line>,
    ended: bool,
}

impl Reading {
    pub(super) fn open(file: &Path) -> Result<Self, OpError> {
        Self::open_within(file, LONGEST_LINE)
    }

    fn open_within(file: &Path, longest: u64) -> Result<Self, OpError> {
        let unreadable = |error: io::Error| {
            let message = format!("cannot read {}: {error}", file.display());
            match error.kind() {
                io::ErrorKind::NotFound => OpError::not_found("import.missing", message),
                _ => OpError::failed("import.unreadable", message),
            }
            .with_hint("name a file that `feedspine export` or `feedspine db backup` wrote")
        };
        let mut buffer = BufReader::new(File::open(file).map_err(unreadable)?);
        let is_packed = buffer.fill_buf().map_err(unreadable)?.starts_with(&ZSTD);
        let lines: Box<dyn BufRead + Send> = if is_packed {
            let unpacked = zstd::stream::read::Decoder::with_buffer(buffer).map_err(unreadable)?;
            Box::new(BufReader::new(unpacked))
        } else {
            Box::new(buffer)
        };
        let mut reading = Self {
            file: file.to_owned(),
            lines,
            number: 0,
            digest: Sha256::new(),
            contents: Contents::default(),
            longest,
            ahead: None,
            ended: false,
        };
        reading.header()?;
        Ok(reading)
    }

    fn header(&mut self) -> Result<(), OpError> {
        let line = self.text(LONGEST_HEADER)?;
        let header = match read(&line) {
            Ok(Line::Own(Own::Header(header))) if header.feedspine == "export" => Some(header.format),
            // A newer header may have another form, but says its format.
            _ => serde_json::from_slice::<serde_json::Value>(&line).ok().and_then(|line| {
                let ours = line.get("feedspine")?.as_str()? == "export";
                let format = line.get("format")?.as_u64().filter(|_| ours)?;
                u32::try_from(format).ok()
            }),
        };
        match header {
            Some(format) if format <= FORMAT => {
                self.digest.update(&line);
                Ok(())
            }
            Some(format) => {
                let message = format!("{} has format {format}; this program reads up to {FORMAT}", self.file.display());
                Err(OpError::usage("import.newer", message).with_hint("use a newer feedspine"))
            }
            None => {
                let message = format!("{} was not written by `feedspine export` or `db backup`", self.file.display());
                Err(OpError::usage("import.not_ours", message).with_hint("nothing was written; name another file"))
            }
        }
    }

    /// The next line with its end, or so much of it; empty at the end of the file.
    fn text(&mut self, most: u64) -> Result<Vec<u8>, OpError> {
        self.number += 1;
        let mut line = Vec::new();
        let read = (&mut self.lines).take(most).read_until(b'\n', &mut line);
        read.map_err(|error| self.damaged(&format!("line {}: {error}", self.number)))?;
        Ok(line)
    }

    /// The next line that is no end.
    fn line(&mut self) -> Result<Option<Line>, OpError> {
        if let Some(line) = self.ahead.take() {
            return Ok(Some(line));
        }
        if self.ended {
            return Ok(None);
        }
        let text = self.text(self.longest)?;
        if text.len() as u64 == self.longest && !text.ends_with(b"\n") {
            return Err(self.damaged(&format!("line {} is longer than {} bytes", self.number, self.longest)));
        }
        if !text.ends_with(b"\n") {
            return Err(self.damaged(&format!("it breaks off at line {}", self.number)));
        }
        match read(&text) {
            Ok(Line::Own(Own::End(end))) => {
                self.check_end(&end)?;
                Ok(None)
            }
            Ok(Line::Own(Own::Header(_))) => Err(self.damaged(&format!("line {} is another header", self.number))),
            Ok(line) => {
                self.digest.update(&text);
                match &line {
                    Line::Row(_) => self.contents.rows += 1,
                    Line::Own(Own::ControlFeed(_)) => self.contents.feeds += 1,
                    Line::Own(Own::Schedule(_)) => self.contents.schedules += 1,
                    Line::Own(_) => self.contents.fetches += 1,
                }
                Ok(Some(line))
            }
            Err(error) => Err(self.damaged(&format!("line {}: {error}", self.number))),
        }
    }

    fn check_end(&mut self, end: &End) -> Result<(), OpError> {
        self.ended = true;
        if end.sha256 != hexadecimal(&self.digest.clone().finalize()) {
            return Err(self.damaged("it is not as it was written: its SHA-256 is another"));
        }
        let said = Contents { feeds: end.feeds, schedules: end.schedules, fetches: end.fetches, rows: end.rows };
        if said != self.contents {
            return Err(self.damaged("it holds not as many lines as it says"));
        }
        if !self.text(1)?.is_empty() {
            return Err(self.damaged("it goes on after its end"));
        }
        Ok(())
    }

    fn damaged(&self, why: &str) -> OpError {
        OpError::failed("import.damaged", format!("{} is damaged: {why}", self.file.display()))
            .with_hint("nothing was written; take another copy of the file")
    }

    /// Schedules that follow one.
    fn schedules(&mut self, first: Schedule) -> Result<Piece, OpError> {
        let mut schedules = vec![first];
        while schedules.len() < SCHEDULES_AT_ONCE {
            match self.line()? {
                Some(Line::Own(Own::Schedule(schedule))) => schedules.push(schedule),
                other => {
                    self.ahead = other;
                    break;
                }
            }
        }
        Ok(Piece::Schedules(schedules))
    }

    /// Fetches that follow one of the same feed.
    fn fetches(&mut self, first: Fetch) -> Result<Piece, OpError> {
        let feed: FeedId = first.intent.feed;
        let mut fetches = vec![first];
        loop {
            match self.line()? {
                Some(Line::Own(Own::Fetch(fetch))) if fetch.intent.feed == feed => fetches.push(fetch),
                other => {
                    self.ahead = other;
                    return Ok(Piece::Fetches(fetches));
                }
            }
        }
    }
}

#[async_trait]
impl Source for Reading {
    async fn next(&mut self) -> Result<Option<Piece>, OpError> {
        let mut batches = Batches::default();
        loop {
            let rows = match self.line()? {
                Some(Line::Row(row)) => match batches.push(row) {
                    Some(rows) => rows,
                    None => continue,
                },
                other => {
                    let rows = batches.take();
                    if rows.is_empty() {
                        return self.other(other);
                    }
                    self.ahead = other;
                    rows
                }
            };
            return Ok(Some(Piece::Rows(rows)));
        }
    }
}

impl Reading {
    fn other(&mut self, line: Option<Line>) -> Result<Option<Piece>, OpError> {
        match line {
            Some(Line::Own(Own::ControlFeed(feed))) => Ok(Some(Piece::Feed(feed))),
            Some(Line::Own(Own::Schedule(schedule))) => self.schedules(schedule).map(Some),
            Some(Line::Own(Own::Fetch(fetch))) => self.fetches(fetch).map(Some),
            Some(_) | None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn a_line_that_unpacks_to_more_than_any_of_ours_is_refused_before_it_is_read() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("bomb");
        let mut packed = zstd::stream::write::Encoder::new(File::create(&file).unwrap(), 0).unwrap();
        let header = br#"{"row":"header","feedspine":"export","format":1,"program":"0","backend":"x"}"#;
        packed.write_all(header).unwrap();
        packed.write_all(b"\n").unwrap();
        packed.write_all(&vec![b'x'; 10_000_000]).unwrap();
        packed.finish().unwrap();
        let mut reading = Reading::open_within(&file, 1_000_000).unwrap();
        let refused = reading.next().await.unwrap_err();
        assert_eq!(refused.code(), "import.damaged");
        assert!(refused.message().ends_with("line 2 is longer than 1000000 bytes"), "{refused}");
    }
}
