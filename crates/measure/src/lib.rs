//! Measurements behind `cargo xtask bench`: generated work, peers and limits timed in the same run, one table of ratios.

pub mod bare;
pub mod bare_postgres;
pub mod candidates;
pub mod corpus;
pub mod fetching;
pub mod ingest;
pub mod million;
pub mod parsing;
pub mod peer;
pub mod postgres;
pub mod random;
pub mod table;
