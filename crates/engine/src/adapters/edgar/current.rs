//! The current filings: pages of entries, each filing's as many as it has parties. They are read to their end, or as far as
//! is said, before the filings are given: the entries of one may lie on two pages.

use async_trait::async_trait;
use feedspine_core::ContentHash;
use feedspine_parse::{EdgarCurrent, EdgarPage, Input, Limits};
use sha2::{Digest, Sha256};
use url::Url;

use super::again::HeldPages;
use super::reading::{Read, Reading};
use crate::adapters::asking::set_parameter;
use crate::adapters::documents::Got;
use crate::adapters::{Cost, Covers, End, Page, Pages, RawBody, Then, Told, gather};
use crate::collect::cursor::Source;
use crate::collect::document::{cut_off, last_ordinal, unreadable};
use crate::fetch::FetchFailure;
use crate::{Address, OpError};

/// How many entries a page may be asked to have; of any other number EDGAR knows nothing.
const COUNTS: [u64; 5] = [10, 20, 40, 80, 100];

/// One fetch under way.
pub(super) struct CurrentPages<'a> {
    reading: Reading<'a>,
    /// How many entries a page has but the last.
    count: u64,
    stage: Stage,
}

enum Stage {
    Begin,
    /// What was read before is given; now this is told.
    Failed(FetchFailure),
    Done,
}

/// The pages of one fetch together.
#[derive(Default)]
struct Gathered {
    filings: EdgarCurrent,
    pages: u64,
    bodies: Vec<ContentHash>,
    held: HeldPages,
    source: Option<Source>,
    cost: Cost,
    /// There is more than was read.
    goes_on: bool,
    /// Nobody knows whether there is.
    uncertain: bool,
    failure: Option<FetchFailure>,
}

impl<'a> CurrentPages<'a> {
    pub(super) fn begin(reading: Reading<'a>) -> Result<Self, OpError> {
        let said = match &reading.documents.ground.address {
            Address::Http(url) => {
                url.query_pairs().find(|(name, _)| name == "count").map(|(_, count)| count.into_owned())
            }
            _ => None,
        };
        let count = match said {
            None => COUNTS[4],
            Some(text) => text.parse().ok().filter(|count| COUNTS.contains(count)).ok_or_else(|| {
                let message = format!("the address asks for {text:?} entries on a page");
                OpError::usage("adapter.address", message)
                    .with_hint("a page has 10, 20, 40, 80 or 100; leave out count")
            })?,
        };
        Ok(Self { reading, count, stage: Stage::Begin })
    }

    fn page_address(&self, number: u64) -> Address {
        let mut address = self.reading.address();
        if let Address::Http(url) = &mut address {
            let has = |url: &Url, wanted: &str| url.query_pairs().any(|(name, _)| name == wanted);
            if !has(url, "output") {
                set_parameter(url, "output", "atom");
            }
            set_parameter(url, "count", &self.count.to_string());
            set_parameter(url, "start", &(number * self.count).to_string());
        }
        address
    }

    async fn gather(&mut self) -> Result<Gathered, FetchFailure> {
        let mut gathered = Gathered::default();
        loop {
            let read = self.page(&mut gathered).await;
            match read {
                Ok(is_full) if is_full && !gathered.uncertain => {}
                Ok(_) => break,
                // A page behind the end answers 503 with a page for people (edgartools relies on it): no outage, unless it
                // says when to come back.
                Err(failure) if gathered.pages > 0 && failure.http_status == Some(503) && !self.rests() => {
                    let told = format!("page {} answered 503: taken for the end", gathered.pages + 1);
                    self.reading.warn("pages.uncertain", told);
                    gathered.uncertain = true;
                    break;
                }
                Err(failure) if gathered.pages > 0 => {
                    gathered.goes_on = true;
                    gathered.failure = Some(failure);
                    break;
                }
                Err(failure) => return Err(failure),
            }
            if gathered.pages == self.reading.edgar.max_pages {
                gathered.goes_on = true;
                break;
            }
        }
        Ok(gathered)
    }

    fn rests(&self) -> bool {
        let ground = &self.reading.documents.ground;
        ground.engine.fetcher().rests(&ground.address)
    }

    /// Reads one page; whether it is full.
    async fn page(&mut self, gathered: &mut Gathered) -> Result<bool, FetchFailure> {
        let address = self.page_address(gathered.pages);
        let Got::Document(document) = self.reading.documents.get(&address, None).await? else {
            return Err(OpError::failed("internal.pages", "a page was not sent that nobody has").into());
        };
        if gathered.bodies.contains(&document.hash) {
            let shown = self.reading.documents.asked.secrets.hidden(&address.to_string());
            self.reading.warn("pages.loop", format!("{shown} is a page that was read before"));
            gathered.uncertain = true;
            return Ok(false);
        }
        let mut filings = std::mem::take(&mut gathered.filings);
        let read = move |input: &Input<'_>| {
            let entries = filings.add(input, &Limits::default());
            Ok((filings, entries))
        };
        let read = self.reading.read(&address, document, read).await?;
        let Read { value: (filings, entries), bytes, hash, source, cost, .. } = read;
        // What the pages before told is kept, whatever this one is.
        gathered.filings = filings;
        let entries = entries.map_err(|error| unreadable(&address.to_string(), &error))?;
        if entries.truncated {
            return Err(cut_off(&address.to_string(), "xml.truncated").into());
        }
        gathered.bodies.push(hash);
        gathered.held.add(&bytes);
        gathered.source.get_or_insert(source);
        gathered.cost += cost;
        gathered.pages += 1;
        Ok(entries.count as u64 >= self.count && matches!(address, Address::Http(_)))
    }
}

#[async_trait]
impl<'a> Pages<'a> for CurrentPages<'a> {
    fn covers(&self) -> Covers {
        self.reading.edgar.covers.unwrap_or(Covers::All)
    }

    async fn next(&mut self) -> Result<Told<'a>, FetchFailure> {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Begin => {}
            Stage::Failed(failure) => return Err(failure),
            Stage::Done => return Err(OpError::failed("internal.pages", "there is no further page").into()),
        }
        let Gathered { filings, bodies, held, source, cost, goes_on, uncertain, failure, .. } = self.gather().await?;
        let EdgarPage { candidates, rejects, warnings } = filings.finish(&self.reading.edgar.namespace, goes_on);
        gather(&mut self.reading.warnings, warnings);
        let source = source.expect("a page was read");
        let last_ordinal = last_ordinal(&candidates, &rejects);
        let body =
            // Of several answers together no header is kept.
            held.pack(goes_on).map(|bytes| RawBody { first_ordinal: 0, last_ordinal, source: source.clone(), headers: Vec::new(), bytes });
        let then = if let Some(failure) = failure {
            self.stage = Stage::Failed(failure);
            Then::More
        } else {
            let mut together = Sha256::new();
            for body in &bodies {
                together.update(body.as_bytes());
            }
            let body = ContentHash::from_bytes(together.finalize().into());
            let memory = self.reading.remembered(body, source, None, Vec::new());
            // What lies behind the pages that are read is what has scrolled off.
            let complete = !uncertain;
            Then::End(Box::new(End { complete, memory, warnings: std::mem::take(&mut self.reading.warnings) }))
        };
        Ok(Told::Page(Page { candidates, rejects, body, cost, then, room: None }))
    }
}
