//! What a company submitted: the document has the newest filings and names archives with the older ones.

use std::collections::{BTreeMap, VecDeque};

use async_trait::async_trait;
use feedspine_core::Json;
use feedspine_parse::{EdgarArchive, EdgarCompany, EdgarPage, EdgarSubmissions, Input, Limits, read_edgar_submissions};
use tokio::sync::SemaphorePermit;

use super::reading::{Read, Reading};
use crate::adapters::documents::{Document, Got};
use crate::adapters::{Cost, Covers, End, Page, Pages, RawBody, Then, Told, gather};
use crate::collect::cursor::{Memory, Source};
use crate::collect::document::last_ordinal;
use crate::fetch::FetchFailure;
use crate::{Address, OpError};

/// One fetch under way.
pub(super) struct SubmissionsPages<'a> {
    reading: Reading<'a>,
    company: Option<EdgarCompany>,
    ordinal: u32,
    archives: VecDeque<EdgarArchive>,
    /// What is told of the archives whose filings are stored, by name.
    held: BTreeMap<String, Json>,
    complete: bool,
    /// An archive could not be read: it is asked for again, whatever the document says.
    unread: bool,
    /// Of the document; there once that was read.
    memory: Option<Memory>,
}

impl<'a> SubmissionsPages<'a> {
    pub(super) fn begin(reading: Reading<'a>) -> Self {
        let held = match reading.memory().and_then(|memory| memory.state.get("archives")) {
            Some(Json::Object(held)) => held.clone(),
            _ => BTreeMap::new(),
        };
        let (archives, complete, unread) = (VecDeque::new(), true, false);
        Self { reading, company: None, ordinal: 0, archives, held, complete, unread, memory: None }
    }

    /// The last fetch, when the same document would say the same now.
    fn same(&self) -> Option<&Memory> {
        let memory = self.reading.memory()?;
        let is_known = self.covers() == Covers::Some || self.reading.documents.ground.manifest.is_some();
        let says = |name, value: Json| memory.state.get(name) == Some(&value);
        (is_known && says("covers", self.covers().as_str().into()) && says("unread", false.into())).then_some(memory)
    }

    async fn begin_with_document(&mut self) -> Result<Told<'a>, FetchFailure> {
        let address = self.reading.address();
        let document = match self.reading.documents.get(&address, self.same()).await? {
            Got::Same { cost, memory } => return Ok(Told::Same { cost, memory }),
            Got::Document(document) => document,
        };
        let (read, body) = self.read(&address, document).await?;
        let Read { value, hash, source, validators, cost, room, .. } = read;
        let EdgarSubmissions { page, company, archives } = value;
        self.memory = Some(self.reading.remembered(hash, source, validators, Vec::new()));
        self.company = company;
        self.choose(archives);
        Ok(self.given(page, Some(body), cost, Some(room)))
    }

    /// Which archives are read: where what is not listed has left, all.
    fn choose(&mut self, archives: Vec<EdgarArchive>) {
        let all = self.covers() == Covers::All;
        let is_news = |archive: &EdgarArchive| self.held.get(&archive.name) != Some(&archive.told.as_str().into());
        let mut wanted: Vec<EdgarArchive> = archives.into_iter().filter(|archive| all || is_news(archive)).collect();
        let most = usize::try_from(self.reading.edgar.max_pages).unwrap_or(usize::MAX);
        if wanted.len() > most {
            self.complete = false;
            self.unread = !all;
            self.reading.warn("pages.limit", format!("only {most} of {} archives were read", wanted.len()));
            wanted.truncate(most);
        }
        self.archives = wanted.into();
    }

    async fn archive(&mut self, archive: &EdgarArchive) -> Result<Told<'a>, FetchFailure> {
        let address = beside(&self.reading.address(), &archive.name)?;
        let Got::Document(document) = self.reading.documents.get(&address, None).await? else {
            return Err(OpError::failed("internal.pages", "an archive was not sent that nobody has").into());
        };
        let (Read { value, cost, room, .. }, body) = self.read(&address, document).await?;
        self.held.insert(archive.name.clone(), archive.told.as_str().into());
        Ok(self.given(value.page, Some(body), cost, Some(room)))
    }

    async fn read(
        &mut self,
        address: &Address,
        document: Document<'a>,
    ) -> Result<(Read<'a, EdgarSubmissions>, RawBody), FetchFailure> {
        let (namespace, company) = (self.reading.edgar.namespace.clone(), self.company.clone());
        let ordinal = self.ordinal;
        let read = move |input: &Input<'_>| {
            read_edgar_submissions(input, &namespace, company.as_ref(), ordinal, &Limits::default())
        };
        let mut read = self.reading.read(address, document, read).await?;
        let EdgarPage { candidates, rejects, .. } = &read.value.page;
        let count = candidates.len() + rejects.len();
        self.ordinal = self.ordinal.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        let last_ordinal = last_ordinal(candidates, rejects);
        // Whose submissions they are, the name of the document may tell alone.
        let url = read.source.url.clone().or_else(|| Some(address.to_string()));
        let source = Source { url, ..read.source.clone() };
        let (headers, bytes) = (std::mem::take(&mut read.headers), std::mem::take(&mut read.bytes));
        let body = RawBody { first_ordinal: ordinal, last_ordinal, source, headers, bytes };
        Ok((read, body))
    }

    fn given(
        &mut self,
        page: EdgarPage,
        body: Option<RawBody>,
        cost: Cost,
        room: Option<SemaphorePermit<'a>>,
    ) -> Told<'a> {
        let EdgarPage { candidates, rejects, warnings } = page;
        gather(&mut self.reading.warnings, warnings);
        let then = if self.archives.is_empty() { Then::End(Box::new(self.end())) } else { Then::More };
        Told::Page(Page { candidates, rejects, body, cost, then, room })
    }

    fn end(&mut self) -> End {
        let mut memory = self.memory.take().expect("the document was read");
        let archives = std::mem::take(&mut self.held);
        let state = [
            ("archives", Json::Object(archives)),
            ("covers", self.covers().as_str().into()),
            ("unread", self.unread.into()),
        ];
        if let Json::Object(members) = &mut memory.state {
            members.extend(state.into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
        End { complete: self.complete, memory, warnings: std::mem::take(&mut self.reading.warnings) }
    }

    /// Of a feed that says nothing of what it does not list, an archive that cannot be read costs itself.
    fn give_up(&mut self, address: &EdgarArchive, failure: FetchFailure) -> Result<(), FetchFailure> {
        if self.covers() == Covers::All {
            return Err(failure);
        }
        self.unread = true;
        self.reading.unread(&address.name, &failure);
        let ground = &self.reading.documents.ground;
        if ground.engine.fetcher().rests(&ground.address) {
            self.archives.clear();
        }
        Ok(())
    }
}

/// The address of a file beside a document.
fn beside(document: &Address, name: &str) -> Result<Address, OpError> {
    match document {
        Address::Http(url) => {
            let mut beside = url.join(name).map_err(|error| {
                OpError::failed("adapter.document", format!("the archive {name:?} has no address: {error}"))
            })?;
            beside.set_query(url.query());
            Ok(Address::Http(beside))
        }
        Address::File(path) => Ok(Address::File(path.with_file_name(name))),
        other => Err(OpError::usage("adapter.address", format!("{other} is no document"))),
    }
}

#[async_trait]
impl<'a> Pages<'a> for SubmissionsPages<'a> {
    fn covers(&self) -> Covers {
        self.reading.edgar.covers.unwrap_or(Covers::All)
    }

    async fn next(&mut self) -> Result<Told<'a>, FetchFailure> {
        if self.memory.is_none() {
            return self.begin_with_document().await;
        }
        while let Some(archive) = self.archives.pop_front() {
            match self.archive(&archive).await {
                Ok(told) => return Ok(told),
                Err(failure) => self.give_up(&archive, failure)?,
            }
        }
        Ok(self.given(EdgarPage::default(), None, Cost::default(), None))
    }
}
