//! What can be asked of an [`Engine`](crate::Engine): each operation is a request, an answer with [`ToJson`], a method.
//!
//! | operation | request | answer |
//! |---|---|---|
//! | [`add`](crate::Engine::add) | [`AddFeed`] | [`Added`] |
//! | [`add_site`](crate::Engine::add_site) | [`AddSite`] | [`SiteAdded`] |
//! | [`discover`](crate::Engine::discover) | [`Discover`] | [`Discovery`] |
//! | [`diagnose`](crate::Engine::diagnose) | [`Diagnose`] | [`Diagnosis`] |
//! | [`collect`](crate::Engine::collect) | [`Collect`] | [`CollectReport`] |
//! | [`ingest_lines`](crate::Engine::ingest_lines) | a name, pieces of lines | [`LinesIngested`] |
//! | [`feeds`](crate::Engine::feeds), [`feed`](crate::Engine::feed) | a name | a page of feeds, [`FeedView`] |
//! | [`rename`](crate::Engine::rename), [`pause`](crate::Engine::pause), [`resume`](crate::Engine::resume), [`remove`](crate::Engine::remove) | a name | the feed |
//! | [`set_policy`](crate::Engine::set_policy) | [`SetPolicy`] | [`PolicySet`] |
//! | [`set_address`](crate::Engine::set_address) | [`SetAddress`] | [`AddressSet`] |
//! | [`retag`](crate::Engine::retag), [`feeds_tagged`](crate::Engine::feeds_tagged) | tags | the feed, a page of feeds |
//! | [`import_opml`](crate::Engine::import_opml), [`export_opml`](crate::Engine::export_opml) | [`ImportOpml`], a tag | [`OpmlImport`], [`OpmlExport`] |
//! | [`list`](crate::Engine::list) | [`ListRecords`] | a page of records |
//! | [`show`](crate::Engine::show) | an id or a key | [`RecordView`] |
//! | [`aliases`](crate::Engine::aliases) | a record | [`Aliases`] |
//! | [`history`](crate::Engine::history) | [`RecordHistory`] | [`HistoryView`] |
//! | [`sightings`](crate::Engine::sightings) | [`RecordSightings`] | [`SightingsView`] |
//! | [`rejects`](crate::Engine::rejects) | [`ListRejects`] | [`RejectList`] |
//! | [`retry_rejects`](crate::Engine::retry_rejects) | [`RetryRejects`] | [`RetriedRejects`] |
//! | [`replay`](crate::Engine::replay) | [`Replay`] | [`Replayed`] |
//! | [`export_warc`](crate::Engine::export_warc) | [`ExportWarc`] | [`WarcExported`] |
//! | [`status`](crate::Engine::status) | | [`Status`] |
//! | [`explain`](crate::Engine::explain) | a name | [`Explanation`] |
//! | [`health`](crate::Engine::health), [`gaps`](crate::Engine::gaps) | a name, or nothing | [`HealthReport`], [`GapList`] |
//! | [`runs`](crate::Engine::runs) | [`ListRuns`] | [`RunList`] |
//! | [`capture_overview`](crate::Engine::capture_overview) | | [`CaptureOverview`] |
//! | [`captures`](crate::Engine::captures), [`capture_bytes`](crate::Engine::capture_bytes) | [`ListCaptures`], [`CaptureOf`] | [`CaptureList`], bytes |
//! | [`prune_captures`](crate::Engine::prune_captures) | [`PruneCaptures`] | [`PrunedCaptures`] |
//! | [`politeness`](crate::Engine::politeness) | [`PolitenessOf`] | [`Politeness`] |
//! | [`watch`](crate::Engine::watch) | [`Watch`], when to stop | [`WatchReport`] |
//! | [`subscriptions`](crate::Engine::subscriptions) | a name, or nothing | [`SubscriptionList`] |
//! | [`keep_subscriptions`](crate::Engine::keep_subscriptions) | when to stop | |
//! | [`hub_asks`](crate::Engine::hub_asks), [`hub_tells`](crate::Engine::hub_tells) | what a hub sends | [`HubAnswer`](crate::HubAnswer), [`Delivered`](crate::Delivered) |
//!
//! A store as a whole is looked after by [`StoreCare`], which opens nothing:
//!
//! | operation | request | answer |
//! |---|---|---|
//! | [`info`](StoreCare::info) | | [`StoreInfo`] |
//! | [`migrate`](StoreCare::migrate), [`compact`](StoreCare::compact) | [`DryRun`] | [`Migrated`], [`Compacted`] |
//! | [`check`](StoreCare::check) | | [`StoreCheck`] |
//! | [`verify`](StoreCare::verify) | | [`Verified`] |
//! | [`export`](StoreCare::export), [`export_file`](StoreCare::export_file) | where to, [`Packing`], [`Existing`] | [`Contents`] |
//! | [`import_file`](StoreCare::import_file), [`copy_to`](StoreCare::copy_to) | a file, a store | [`Written`] |
//! | [`captures`](StoreCare::captures), [`copy_captures_to`](StoreCare::copy_captures_to) | a store | how many captures |

mod add;
mod again;
mod aliases;
mod captures;
mod care;
mod causes;
mod changing;
mod collect;
mod condition;
mod diagnose;
mod discover;
mod error;
mod explain;
mod feeds;
mod fields;
mod gaps;
mod health;
mod held;
mod ingest;
mod json;
mod lookup;
mod moving;
mod opml;
mod outcome;
mod policy;
mod politeness;
mod records;
mod rejects;
mod replay;
mod retry;
mod runs;
mod sql;
mod status;
mod tags;
mod unfinished;
mod warc;
mod watch;
mod websub;
mod whole;

pub use crate::adapters::AdapterChoice;
pub use crate::health::{Freshness, Light};
pub use crate::ledger::{Again, Captured, Cause, HostFigures, HubTold};
pub use crate::policy::{Degraded, Evidence, Health, Learned, PolicyView, RuleOrigin};
pub use crate::schedule::Rest;
pub use add::{AddFeed, AddOutcome, Added};
pub use aliases::{AliasLink, Aliases};
pub use captures::{CaptureList, CaptureOf, CaptureOverview, KeptOfFeed, ListCaptures, PruneCaptures, PrunedCaptures};
pub use care::{Compacted, DryRun, MigrateOutcome, Migrated, StoreCare, StoreCheck, StoreInfo};
pub use causes::Occasion;
pub use collect::{Alike, Collect, CollectEvent, CollectReport, FeedReport, NextFetch, Which};
pub use condition::{parse_condition, parse_order};
pub use diagnose::{
    Diagnose, DiagnosedItem, Diagnosis, ItemOutcome, Keying, ReadBody, ReadPage, ReceivedBody, RuleEvidence,
};
pub use discover::{AddSite, AskedPlace, Discover, Discovery, FoundFeed, Pick, SiteAdded};
pub use error::{Ending, OpError, OpErrorKind};
pub use explain::{Explanation, HostLease};
pub use feeds::{FeedView, LedgerFigures};
pub use fields::{FieldChange, field_changes};
pub use gaps::{Gap, GapList};
pub use health::{FeedHealth, HealthReport};
pub use ingest::{LinesIngested, LinesStored};
pub use json::ToJson;
pub use lookup::FoundBy;
pub(crate) use moving::TakenOver;
pub use moving::{AddressOutcome, AddressSet, SetAddress};
pub use opml::{EntryOutcome, ImportOpml, ImportedEntry, LeftOut, OpmlExport, OpmlImport};
pub use outcome::FetchOutcome;
pub use policy::{PolicyOutcome, PolicySays, PolicySet, Rekey, SetPolicy};
pub use politeness::{Politeness, PolitenessOf};
pub use records::{
    Departure, HistoryView, ListRecords, RecordHistory, RecordSightings, RecordView, SightingView, SightingsView,
    is_date_of,
};
pub use rejects::{FeedReject, ListRejects, RejectList};
pub use replay::{Difference, Differences, FeedReplayed, Replay, ReplayKind, Replayed};
pub use retry::{Fate, RetriedReject, RetriedRejects, RetryRejects};
pub use runs::{ListRuns, Run, RunKind, RunList};
pub use sql::AskInSql;
pub use status::{FeedState, Status};
pub(crate) use unfinished::refuse_unfinished_import;
pub use warc::{ExportWarc, WarcExported};
pub use watch::{Watch, WatchEvent, WatchReport};
pub use websub::{FeedSubscription, SubscriptionList, SubscriptionState};
pub use whole::{Contents, CopyError, Existing, Packing, Verified, WriteOutcome, Written};
