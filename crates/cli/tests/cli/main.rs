//! The real binary, run as people and programs run it.

mod demo;
mod support;
