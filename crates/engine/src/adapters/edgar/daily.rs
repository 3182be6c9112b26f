//! The daily index: a folder for each quarter, a file for each day, written in the evening. Each is read once, and again when
//! it was changed; the oldest first, so that a fetch that may not read all goes on where the last one stopped.

use std::collections::{BTreeMap, VecDeque};

use async_trait::async_trait;
use feedspine_core::{ContentHash, Json, Timestamp};
use feedspine_parse::{EdgarDay, EdgarIndex, EdgarPage, Input, read_edgar_days};
use sha2::{Digest, Sha256};
use url::Url;

use super::reading::{Read, Reading};
use crate::adapters::documents::Got;
use crate::adapters::{Cost, Covers, End, Page, Pages, RawBody, Then, Told, gather};
use crate::collect::cursor::{Memory, Source};
use crate::collect::document::last_ordinal;
use crate::fetch::{FetchFailure, RATE_EXCEEDED};
use crate::{Address, OpError};

/// How many days before it was added a feed begins, unless it is said otherwise; and how long after it was read a day's file is
/// still looked at, since the SEC mends some.
const DAYS_BACK: i64 = 7;
/// Before it nothing was filed by wire.
const FIRST_DAY: &str = "1993-01-01";
/// Microseconds of a day.
const DAY: i64 = 24 * 3_600 * 1_000_000;

/// One fetch under way.
pub(super) struct DailyPages<'a> {
    reading: Reading<'a>,
    /// No day before it is read.
    since: String,
    folders: VecDeque<Folder>,
    files: VecDeque<File>,
    /// How each file of the folders was when it was read, by its path.
    held: BTreeMap<String, Json>,
    read: u64,
    ordinal: u32,
    cost: Cost,
    source: Option<Source>,
    bodies: Sha256,
    /// The newest day that is listed, and the oldest that is and could not be read.
    newest: Option<String>,
    unread: Option<String>,
    failure: Option<FetchFailure>,
}

/// The folder of a quarter.
#[derive(Debug, PartialEq, Eq)]
struct Folder {
    /// Its address, with a slash at the end.
    url: Url,
    /// How it is called from the top: `2026/QTR4`.
    name: String,
    first_day: String,
}

#[derive(Debug)]
struct File {
    address: Address,
    path: String,
    day: EdgarDay,
}

impl<'a> DailyPages<'a> {
    pub(super) fn begin(reading: Reading<'a>) -> Result<Self, OpError> {
        let Address::Http(url) = &reading.documents.ground.address else {
            let address = &reading.documents.ground.address;
            return Err(OpError::usage("adapter.address", format!("{address} is no folder of the daily index"))
                .with_hint("a file of a day is list=index"));
        };
        let (top, fixed) = top_of(url);
        let today = day_of(reading.documents.ground.observed_at);
        let state = |name| {
            let text = reading.memory().and_then(|memory| memory.state.get(name)).and_then(Json::as_str);
            text.map(str::to_owned)
        };
        // Whatever was remembered may be set aside, and each fetch until now may have failed: no day may hang on either.
        let usual = match &fixed {
            Some((year, quarter)) => first_day(*year, *quarter),
            None => days_before(&day_of(reading.documents.ground.added_at), DAYS_BACK),
        };
        let since = reading.edgar.since.clone().or_else(|| state("since")).unwrap_or(usual);
        let from = state("upto").map(|upto| days_before(&upto, DAYS_BACK)).filter(|from| *from > since);
        let quarters = match fixed {
            Some(quarter) => vec![quarter],
            None => quarters(from.as_ref().unwrap_or(&since).as_str().max(FIRST_DAY), &today),
        };
        let folder = |(year, quarter): (i64, i64)| {
            let name = format!("{year}/QTR{quarter}");
            let url = top.join(&format!("{name}/")).ok()?;
            Some(Folder { url, name, first_day: first_day(year, quarter) })
        };
        let folders: VecDeque<Folder> = quarters.into_iter().filter_map(folder).collect();
        let is_looked_at = |path: &str| folders.front().is_some_and(|first| path >= first.name.as_str());
        let held = match reading.memory().and_then(|memory| memory.state.get("files")) {
            Some(Json::Object(held)) => held.clone(),
            _ => BTreeMap::new(),
        };
        let held = held.into_iter().filter(|(path, _)| is_looked_at(path)).collect();
        Ok(Self {
            reading,
            since,
            folders,
            files: VecDeque::new(),
            held,
            read: 0,
            ordinal: 0,
            cost: Cost::default(),
            source: None,
            bodies: Sha256::new(),
            newest: None,
            unread: None,
            failure: None,
        })
    }

    /// Looks which days a folder has; those that are not read as they are now come next.
    async fn list(&mut self, folder: &Folder) -> Result<(), FetchFailure> {
        let address = self.complete(folder, "index.json")?;
        let Got::Document(document) = self.reading.documents.get(&address, None).await? else {
            return Err(OpError::failed("internal.pages", "a folder was not sent that nobody has").into());
        };
        let read = self.reading.read(&address, document, read_edgar_days).await?;
        let Read { value: days, source, cost, .. } = read;
        self.cost += cost;
        self.source.get_or_insert(source);
        for day in days.into_iter().filter(|day| day.day >= self.since) {
            self.newest = self.newest.take().max(Some(day.day.clone()));
            let path = format!("{}/{}", folder.name, day.name);
            if self.held.get(&path) != Some(&day.changed.as_str().into()) {
                self.files.push_back(File { address: self.complete(folder, &day.name)?, path, day });
            }
        }
        Ok(())
    }

    fn complete(&self, folder: &Folder, name: &str) -> Result<Address, OpError> {
        let mut url = folder.url.join(name).map_err(|error| {
            OpError::failed("adapter.document", format!("the file {name:?} has no address: {error}"))
        })?;
        self.reading.documents.asked.complete(&mut url);
        Ok(Address::Http(url))
    }

    async fn file(&mut self, file: &File) -> Result<Page<'a>, FetchFailure> {
        let Got::Document(document) = self.reading.documents.get(&file.address, None).await? else {
            return Err(OpError::failed("internal.pages", "a file was not sent that nobody has").into());
        };
        let (ordinal, namespace) = (self.ordinal, self.reading.edgar.namespace.clone());
        let read = move |input: &Input<'_>| {
            let mut index = EdgarIndex::read(input, ordinal)?;
            Ok((index.count(), index.next_page(&namespace, usize::MAX).0))
        };
        let read = self.reading.read(&file.address, document, read).await?;
        let Read { value: (count, page), bytes, hash, source, headers, cost, room, .. } = read;
        let EdgarPage { candidates, rejects, warnings } = page;
        gather(&mut self.reading.warnings, warnings);
        let last_ordinal = last_ordinal(&candidates, &rejects);
        let body = Some(RawBody { first_ordinal: ordinal, last_ordinal, source, headers, bytes });
        self.ordinal = self.ordinal.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        self.bodies.update(hash.as_bytes());
        self.held.insert(file.path.clone(), file.day.changed.as_str().into());
        self.read += 1;
        Ok(Page { candidates, rejects, body, cost, then: Then::More, room: Some(room) })
    }

    /// What cannot be read is asked for again by the next fetch; what was read is not.
    fn give_up(&mut self, day: &str, what: &str, failure: FetchFailure) {
        self.leave(day);
        self.reading.unread(what, &failure);
        self.failure.get_or_insert(failure);
        let ground = &self.reading.documents.ground;
        if ground.engine.fetcher().rests(&ground.address) {
            self.folders.clear();
            self.files.clear();
        }
    }

    fn leave(&mut self, day: &str) {
        let earlier = self.unread.take().filter(|held| held.as_str() < day);
        self.unread = Some(earlier.unwrap_or_else(|| day.to_owned()));
    }

    /// A folder that is not there is that of a quarter of which no day is over yet. EDGAR answers so in either way.
    fn is_not_there_yet(&self, failure: &FetchFailure) -> bool {
        let missing = matches!(failure.http_status, Some(403 | 404)) && failure.error.code() != RATE_EXCEEDED;
        missing && self.folders.is_empty() && self.source.is_some()
    }

    fn memory(&mut self) -> Memory {
        let before = self.reading.memory().and_then(|memory| memory.state.get("upto")).and_then(Json::as_str);
        let upto = self.unread.clone().or_else(|| self.newest.clone()).or_else(|| before.map(str::to_owned));
        let state = vec![
            ("files", Json::Object(std::mem::take(&mut self.held))),
            ("since", self.since.as_str().into()),
            ("upto", upto.into()),
        ];
        let body = ContentHash::from_bytes(self.bodies.clone().finalize().into());
        let source = self.source.take().unwrap_or(Source { url: None, content_type: None });
        self.reading.remembered(body, source, None, state)
    }

    fn end(&mut self) -> Then {
        let memory = self.memory();
        let warnings = std::mem::take(&mut self.reading.warnings);
        Then::End(Box::new(End { complete: true, memory, warnings }))
    }
}

#[async_trait]
impl<'a> Pages<'a> for DailyPages<'a> {
    fn covers(&self) -> Covers {
        Covers::Some
    }

    async fn next(&mut self) -> Result<Told<'a>, FetchFailure> {
        loop {
            if let Some(file) = self.files.pop_front() {
                if self.read == self.reading.edgar.max_pages {
                    self.leave(&file.day.day);
                    let told =
                        format!("only {} days were read; the next fetch goes on with {}", self.read, file.day.day);
                    self.reading.warn("pages.limit", told);
                    self.folders.clear();
                    self.files.clear();
                    continue;
                }
                match self.file(&file).await {
                    Ok(mut page) => {
                        page.cost += std::mem::take(&mut self.cost);
                        if self.files.is_empty() && self.folders.is_empty() {
                            page.then = self.end();
                        }
                        return Ok(Told::Page(page));
                    }
                    Err(failure) => self.give_up(&file.day.day, &file.path, failure),
                }
                continue;
            }
            let Some(folder) = self.folders.pop_front() else { break };
            if let Err(failure) = self.list(&folder).await
                && !self.is_not_there_yet(&failure)
            {
                self.give_up(&folder.first_day, &folder.name, failure);
                self.folders.clear();
            }
        }
        let cost = std::mem::take(&mut self.cost);
        if self.read == 0 {
            return match self.failure.take() {
                Some(failure) => Err(failure),
                None => Ok(Told::Same { cost, memory: self.memory() }),
            };
        }
        let then = self.end();
        Ok(Told::Page(Page { candidates: Vec::new(), rejects: Vec::new(), body: None, cost, then, room: None }))
    }
}

/// The folder of all years, and the quarter when the address is that of one.
fn top_of(url: &Url) -> (Url, Option<(i64, i64)>) {
    let mut top = url.clone();
    top.set_query(None);
    let mut names: Vec<&str> = url.path().split('/').filter(|name| !name.is_empty()).collect();
    if names.last() == Some(&"index.json") {
        names.pop();
    }
    let quarter = match names.as_slice() {
        [.., year, quarter] => quarter.strip_prefix("QTR").and_then(|number| {
            let (year, number) = (year.parse::<i64>().ok()?, number.parse::<i64>().ok()?);
            ((1_000..10_000).contains(&year) && (1..=4).contains(&number)).then_some((year, number))
        }),
        _ => None,
    };
    if quarter.is_some() {
        names.truncate(names.len() - 2);
    }
    top.set_path(&format!("/{}/", names.join("/")).replace("//", "/"));
    (top, quarter)
}

/// The quarters from that of one day to that of another.
fn quarters(from: &str, to: &str) -> Vec<(i64, i64)> {
    let number = |day: &str| {
        let (year, month) = (day[..4].parse::<i64>().unwrap_or(0), day[5..7].parse::<i64>().unwrap_or(1));
        year * 4 + (month - 1) / 3
    };
    (number(from)..=number(to)).map(|number| (number / 4, number % 4 + 1)).collect()
}

fn first_day(year: i64, quarter: i64) -> String {
    format!("{year:04}-{:02}-01", quarter * 3 - 2)
}

/// Whether a text is a day, `2026-11-01`.
pub(super) fn is_day(text: &str) -> bool {
    text.len() == 10 && instant(text).is_some()
}

fn instant(day: &str) -> Option<Timestamp> {
    format!("{day}T00:00:00Z").parse().ok()
}

fn day_of(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

fn days_before(day: &str, days: i64) -> String {
    instant(day).map_or_else(|| day.to_owned(), |at| day_of(at.saturating_add_micros(-days * DAY)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_quarter_is_read_alone_and_that_of_all_from_its_top() {
        for (address, top, quarter) in [
            ("https://www.sec.gov/Archives/edgar/daily-index", "https://www.sec.gov/Archives/edgar/daily-index/", None),
            ("https://a.example/daily-index/index.json", "https://a.example/daily-index/", None),
            ("https://a.example/daily-index/2026/QTR4/", "https://a.example/daily-index/", Some((2026, 4))),
            ("https://a.example/daily-index/2026/QTR5/", "https://a.example/daily-index/2026/QTR5/", None),
        ] {
            let (found, fixed) = top_of(&Url::parse(address).unwrap());
            assert_eq!((found.as_str(), fixed), (top, quarter), "{address}");
        }
    }

    #[test]
    fn days_lie_in_quarters() {
        assert_eq!(quarters("2025-12-31", "2026-04-01"), [(2025, 4), (2026, 1), (2026, 2)]);
        assert_eq!(quarters("2026-11-26", "2026-11-26"), [(2026, 4)]);
        assert_eq!(first_day(2026, 4), "2026-10-01");
        assert_eq!(days_before("2026-10-03", DAYS_BACK), "2026-09-26");
        assert!(is_day("2026-02-28") && !is_day("2026-02-30") && !is_day("26-02-28"));
    }
}
