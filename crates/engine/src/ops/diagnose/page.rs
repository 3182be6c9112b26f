//! What would come of an address that is no feed's: the first page that its adapter reads.

use std::sync::Arc;

use feedspine_core::{Feed, Json};
use feedspine_parse::Warning;

use super::{Diagnosis, Keying, rejected};
use crate::adapters::{Adapter, Ground, Page, Then, Told};
use crate::fetch::{Manner, Reach};
use crate::ops::{OpError, ToJson};
use crate::{Address, Engine};

/// The first page of a source that is read by an adapter.
#[derive(Debug, Clone)]
pub struct ReadPage {
    /// The adapter.
    pub adapter: String,
    /// The HTTP status; `None` for what is read on this machine.
    pub http_status: Option<u16>,
    /// Bytes received, before decoding.
    pub wire_bytes: u64,
    /// Bytes after decoding.
    pub body_bytes: u64,
    /// There is more behind it, which a collect reads as well.
    pub more: bool,
    /// What was odd.
    pub warnings: Vec<Warning>,
}

impl ToJson for ReadPage {
    fn to_json(&self) -> Json {
        Json::object([
            ("adapter", self.adapter.as_str().into()),
            ("http_status", self.http_status.map(u64::from).into()),
            ("wire_bytes", self.wire_bytes.into()),
            ("body_bytes", self.body_bytes.into()),
            ("more", self.more.into()),
            ("warnings", super::warnings(&self.warnings)),
        ])
    }
}

impl Engine {
    /// Reads the first page as a first fetch would. What an adapter does once its last page is stored, such as putting
    /// files away, is not done.
    pub(super) async fn diagnose_page(
        &self,
        diagnosis: &mut Diagnosis,
        (adapter, name): (&Adapter, &str),
        (address, reach, manner): (Address, Reach, Manner),
        feed: Option<&Feed>,
    ) -> Result<(), OpError> {
        if let Adapter::Push(_) = adapter {
            let why = OpError::usage("address.not_fetched", format!("nothing is asked for {address}: it is pushed"));
            diagnosis.error =
                Some(why.with_hint("`feedspine ingest NAME FILE` stores lines and says which are no items"));
            return Ok(());
        }
        self.recall_rests([address.to_string().as_str()]).await?;
        let observed_at = self.now();
        let ground = Ground {
            engine: self,
            address,
            reach,
            manner: Arc::new(manner),
            memory: None,
            manifest: None,
            observed_at,
            added_at: observed_at,
            trace: Arc::default(),
        };
        let mut pages = match adapter.begin(ground) {
            Ok(pages) => pages,
            Err(error) => {
                diagnosis.error = Some(error);
                return Ok(());
            }
        };
        let page = match pages.next().await {
            Ok(Told::Page(page)) => page,
            // Nothing was remembered that it could be the same as.
            Ok(Told::Same { .. }) => return Ok(()),
            Err(failure) => {
                diagnosis.error = Some(failure.error);
                return Ok(());
            }
        };
        let Page { candidates, rejects, cost, then, .. } = page;
        let (more, warnings) = match then {
            Then::More => (true, Vec::new()),
            Then::End(end) => (false, end.warnings),
        };
        diagnosis.page = Some(ReadPage {
            adapter: name.to_owned(),
            http_status: cost.http_status,
            wire_bytes: cost.wire_bytes,
            body_bytes: cost.body_bytes,
            more,
            warnings,
        });
        let rule = adapter.key_rule();
        diagnosis.keys = rule.map(|rule| Keying { rule, settled: diagnosis.feed.is_some(), evidence: Vec::new() });
        diagnosis.items = self.judged(feed, &candidates, &adapter.identity().hash_rule).await?;
        diagnosis.items.extend(rejects.into_iter().map(rejected));
        diagnosis.items.sort_by_key(|item| item.ordinal);
        Ok(())
    }
}
