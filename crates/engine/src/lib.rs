//! FeedSpine as a library: capture feeds, keep the whole truth about them, ask.
//!
//! An [`Engine`] stands on a [`core::StorageBackend`] and a [`core::StateStore`] and offers operations ([`ops`]). The
//! command line is one rendering of them; a program of yours may be another.
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! use std::sync::Arc;
//! use feedspine::core::MemoryStore;
//! use feedspine::{Engine, Settings, ops::AddFeed};
//!
//! let store = Arc::new(MemoryStore::new());
//! let engine = Engine::open(store.clone(), store, Settings::default()).await?;
//! let added = engine.add(AddFeed::new("https://example.org/feed.xml")).await?;
//! assert_eq!(added.feed.name.as_str(), "example.org");
//! # Ok::<(), feedspine::OpError>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adapters;
mod address;
mod allow;
mod archive;
mod clock;
mod collect;
mod declared;
mod engine;
mod feed_settings;
mod fetch;
mod health;
mod ledger;
mod look;
mod moving;
pub mod ops;
mod policy;
mod render;
mod requests;
#[cfg(test)]
mod sample;
mod schedule;
mod settings;
mod shown;
#[cfg(test)]
mod simulation;
mod warc;
mod watch;
mod websub;

pub use feedspine_core as core;
pub use feedspine_parse::{Images, safe_html};

pub use address::{Address, AddressError};
pub use allow::{Allow, AllowError, AllowedHost};
pub use archive::{Keep, TakenOver};
pub use clock::{Chance, Clock, SimulatedClock, SystemChance, SystemClock};
pub use declared::DeclaredFeed;
pub use engine::Engine;
pub use feed_settings::{FeedSettings, Tag, TagError};
pub use moving::{Familiar, Former, Pointing, WhyLeft};
pub use ops::{Ending, OpError, OpErrorKind, ToJson};
pub use render::record_page;
pub use requests::RequestChoice;
pub use schedule::{Bounds, Cron, CronError, Interval, IntervalError, Pace, Rhythm, RhythmChoice};
pub use settings::{HostRate, Limits, Settings};
pub use shown::shown_address;
pub use websub::{CallbackBase, CallbackBaseError, Delivered, Delivery, HubAnswer, Tally};
