//! [`Reading`]: what the lists of EDGAR are read with: documents, and what was odd about them.

use feedspine_core::{ContentHash, Json};
use feedspine_parse::{Input, ParseError, Warning};
use tokio::sync::SemaphorePermit;

use super::{Edgar, EdgarList};
use crate::Address;
use crate::adapters::documents::{Document, Documents};
use crate::adapters::{Cost, gather};
use crate::collect::cursor::{Memory, Source};
use crate::collect::document::{reading, unreadable};
use crate::fetch::{FetchFailure, RATE_EXCEEDED, Validators};

/// One fetch under way.
pub(super) struct Reading<'a> {
    pub(super) edgar: &'a Edgar,
    pub(super) documents: Documents<'a>,
    pub(super) warnings: Vec<Warning>,
}

/// A document that was read.
pub(super) struct Read<'a, T> {
    pub(super) value: T,
    /// The document itself.
    pub(super) bytes: Vec<u8>,
    pub(super) hash: ContentHash,
    pub(super) source: Source,
    pub(super) headers: Vec<(String, String)>,
    pub(super) validators: Option<Validators>,
    pub(super) cost: Cost,
    pub(super) room: SemaphorePermit<'a>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(edgar: &'a Edgar, documents: Documents<'a>) -> Self {
        Self { edgar, documents, warnings: Vec::new() }
    }

    /// The feed's address, with the query parameters that go with each request.
    pub(super) fn address(&self) -> Address {
        let mut address = self.documents.ground.address.clone();
        if let Address::Http(url) = &mut address {
            self.documents.asked.complete(url);
        }
        address
    }

    /// What the last fetch of this list left.
    pub(super) fn memory(&self) -> Option<&Memory> {
        let memory = self.documents.ground.memory.as_ref();
        memory.filter(|memory| memory.state.get(EdgarList::OPTION) == Some(&self.edgar.list.as_str().into()))
    }

    /// What is remembered of this one, besides what the list needs itself.
    pub(super) fn remembered(
        &self,
        body: ContentHash,
        source: Source,
        validators: Option<Validators>,
        state: Vec<(&'static str, Json)>,
    ) -> Memory {
        let named = (EdgarList::OPTION, self.edgar.list.as_str().into());
        let state = Json::object(std::iter::once(named).chain(state));
        Memory { validators, body, source, read_at: self.documents.ground.observed_at, state }
    }

    /// Reads a document on a blocking thread.
    pub(super) async fn read<T: Send + 'static>(
        &mut self,
        address: &Address,
        document: Document<'a>,
        read: impl FnOnce(&Input<'_>) -> Result<T, ParseError> + Send + 'static,
    ) -> Result<Read<'a, T>, FetchFailure> {
        let Document { bytes, hash, source, headers, validators, cost, warning, room } = document;
        let (shown, named) = (address.to_string(), source.clone());
        let base = named.url.clone().unwrap_or_else(|| shown.clone());
        let read = move || {
            let input = Input { bytes: &bytes, content_type: named.content_type.as_deref(), base: Some(&base) };
            let value = read(&input).map_err(|error| unreadable(&shown, &error))?;
            Ok((value, bytes))
        };
        let patience = self.documents.ground.engine.settings().limits.parse;
        let (value, bytes) = reading(&address.to_string(), patience, read).await.map_err(|error| FetchFailure {
            error: self.documents.asked.secrets.hide(error),
            http_status: cost.http_status,
            wire_bytes: cost.wire_bytes,
        })?;
        gather(&mut self.warnings, warning.into_iter().collect());
        Ok(Read { value, bytes, hash, source, headers, validators, cost, room })
    }

    /// Tells of a document that could not be read and costs itself only. One that was not given because too much was asked
    /// is told by that code, which whoever asks next looks for.
    pub(super) fn unread(&mut self, what: &str, failure: &FetchFailure) {
        let (code, message) = (failure.error.code(), failure.error.message());
        if code == RATE_EXCEEDED {
            self.warn(RATE_EXCEEDED, format!("{what}: {message}"));
        } else {
            self.warn("edgar.unread", format!("{what}: {code}: {message}"));
        }
    }

    pub(super) fn warn(&mut self, code: &'static str, first: String) {
        gather(&mut self.warnings, vec![Warning { code, count: 1, first }]);
    }
}
