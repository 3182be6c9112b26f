//! Differential testing: random sequences of operations on all backends at once, which have to agree with the memory
//! backend on every answer and, after every step, on all they hold.
//!
//! A [`Contest`] draws sequences from a seed. A sequence that finds a disagreement is shrunk to the few steps that show
//! it. The teller turns operations into calls; texts and questions come from small pools, tame and hostile. A [`Story`]
//! is told in any order and in any parts, which has to leave the same. Nothing depends on this crate.

mod arenas;
mod contest;
mod contestant;
mod operation;
mod question;
mod sequence;
mod stage;
mod teller;
mod telling;
mod text;

#[cfg(feature = "duckdb")]
pub use arenas::duckdb;
pub use arenas::{PostgresArena, sqlite};
pub use contest::{Contest, Disagreement, play};
pub use contestant::{Arena, Provided};
pub use operation::{
    Clock, Continuation, Cover, CursorMove, Doomed, Farewell, Fetch, Hand, Instant, Item, Operation, Question,
    Rejected, Step, Told, Write,
};
pub use stage::Pace;
pub use telling::{Manner, Story, manners, stories, tell};
pub use text::Text;
