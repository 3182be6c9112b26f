//! The engine from outside: its operations, its fetcher and its collects, against servers on loopback.
#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

mod bent;
mod beside;
mod captures;
mod changing;
mod collecting;
mod copying;
mod diagnosing;
mod discovery;
mod edgar;
mod feeds;
mod fetching;
mod folders;
mod honesty;
mod hubs;
mod identity;
mod json_api;
mod lists;
mod moving;
mod origin;
mod polls;
mod presets;
mod programs;
mod proxy;
mod pushing;
mod rejects;
mod replaying;
mod requests;
mod retrying;
mod retrying_lines;
mod scenarios;
mod sitemaps;
mod support;
mod tables;
mod warc;
mod watching;
