//! Measurements behind `cargo xtask bench`: generated work, peers and limits timed in the same run, one table of ratios.

pub mod bare;
pub mod candidates;
pub mod corpus;
pub mod ingest;
pub mod parsing;
pub mod peer;
pub mod random;
pub mod table;
