//! What the kit cannot know of: files, processes, processes that are killed, questions in SQL.

mod file;
mod kill;
mod sql;
mod support;
