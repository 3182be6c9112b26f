//! The real binary, run as people and programs run it.

mod bad_input;
mod commands;
mod demo;
mod interrupt;
mod kill;
mod site;
mod support;
