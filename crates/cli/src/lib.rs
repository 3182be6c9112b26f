//! The command line of FeedSpine: the binary `feedspine`, and [`App`] for a binary of your own.

mod app;
mod arguments;
mod bodies;
mod commands;
mod config;
mod demo;
mod feeds_file;
#[cfg(feature = "kit")]
mod kit;
mod log;
mod notify;
mod own_files;
mod places;
mod printer;
mod secrets;
mod shell;
mod stores;

pub use app::App;
pub use stores::Stores;
