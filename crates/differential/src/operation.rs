//! [`Operation`]: what is done to all stores at once. Each makes sense in any place of any sequence: names are small
//! numbers and texts of small pools, and what does not exist is answered, not assumed.

use feedspine_core::{Filter, KeyRule, Layer, Order, Timestamp};
use proptest::collection::vec;
use proptest::option::{self, of};
use proptest::prelude::*;
use proptest::sample::select;

use crate::question;
use crate::text::{self, Text};

/// Feeds are numbered from 0.
pub(crate) const FEEDS: u8 = 3;

/// An operation, and by which of two handles on each store it is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Which handle.
    pub hand: Hand,
    /// What is done.
    pub operation: Operation,
}

/// One of two handles on the same place: two writers, which know nothing of one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hand {
    /// The handle that is there from the beginning.
    First,
    /// A handle opened when it is first needed.
    Second,
}

/// What is done.
#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    /// A fetch, or its first part.
    Fetch(Fetch),
    /// The next part of a fetch that was begun.
    Continue(Continuation),
    /// A batch that was submitted before, the newest first, perhaps with other items.
    Replay {
        /// How far back.
        back: u8,
        /// Other items under the same name.
        altered: bool,
    },
    /// Writes by a call.
    Put(Vec<Write>),
    /// Deletes by a call.
    Delete(Vec<Doomed>, Instant),
    /// Sightings told by a call.
    Observe(Vec<Told>),
    /// A question, and the first page of its answer.
    Ask(Question),
    /// The next page of the last question.
    NextPage,
    /// The handle is let go, and another opened at the same place.
    Reopen(Farewell),
}

/// How a handle is let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// `close`
    Close,
    /// Dropped as it is.
    Drop,
}

/// A batch to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Fetch {
    /// Which feed.
    pub feed: u8,
    /// When it is read.
    pub clock: Clock,
    /// What it covers.
    pub cover: Cover,
    /// Whether `views` counts as volatile.
    pub volatile: bool,
    /// What it lists.
    pub items: Vec<Item>,
    /// What it brings that cannot be taken.
    pub rejects: Vec<Rejected>,
    /// What becomes of the cursor.
    pub step: CursorMove,
    /// Further parts follow.
    pub begun: bool,
}

/// A further part to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Continuation {
    /// Which of the fetches that were begun.
    pub of: u8,
    /// What it lists.
    pub items: Vec<Item>,
    /// No part follows.
    pub last: bool,
}

/// When a feed is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// An hour after the fetch before it.
    Next,
    /// So many hours earlier than that.
    Back(u8),
    /// At that instant.
    At(Instant),
}

/// What a batch says of items that it does not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    /// They are not there.
    Complete,
    /// They may be there.
    Incomplete,
    /// Nothing.
    Delta,
    /// The feed is as its newest observation said.
    Unchanged,
    /// The feed is as fetch number so and so said, whatever that was.
    UnchangedSince(u8),
}

/// What becomes of the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorMove {
    /// Nothing.
    Keep,
    /// It is advanced from where it is.
    Advance,
    /// It is advanced from where it is not.
    AdvanceAhead,
}

/// An instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instant {
    /// So many seconds into 2026.
    Second(u8),
    /// Year 1.
    Min,
    /// Year 9999.
    Max,
    /// The last microsecond before 1970.
    BeforeEpoch,
}

/// An item as it is published: key and content may be none.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its namespace.
    pub space: Text,
    /// Its key.
    pub key: Text,
    /// Where the key is said to come from.
    pub rule: KeyRule,
    /// Its content.
    pub content: Text,
    /// When it says it was published.
    pub published: Option<Instant>,
    /// When it says it was updated.
    pub updated: Option<Instant>,
}

/// An item that is told as a reject.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected {
    /// Its namespace and key, when it has one.
    pub key: Option<(Text, Text)>,
    /// What is wrong.
    pub code: Text,
    /// Why.
    pub reason: Text,
    /// How it begins.
    pub excerpt: Text,
}

/// A write by a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    /// Its namespace.
    pub space: Text,
    /// Its key.
    pub key: Text,
    /// The id: that of the key's record when there is one, or this.
    pub id: Option<u8>,
    /// At which layer.
    pub layer: Layer,
    /// What.
    pub content: Text,
    /// What is known of it.
    pub metadata: Text,
    /// When it says it was published.
    pub published: Option<Instant>,
    /// Derived from the first bronze version.
    pub derived: bool,
    /// When it is written.
    pub at: Instant,
}

/// A delete.
#[derive(Debug, Clone, PartialEq)]
pub struct Doomed {
    /// The namespace of the record's key.
    pub space: Text,
    /// The record's key.
    pub key: Text,
    /// The record is named by its id.
    pub by_id: bool,
    /// Only that layer.
    pub layer: Option<Layer>,
}

/// A sighting told by a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The namespace of its key.
    pub space: Text,
    /// Its key.
    pub key: Text,
    /// Where.
    pub feed: u8,
    /// Under which id: of fetch number so and so, or one of its own.
    pub fetch: Result<u8, u8>,
    /// When.
    pub at: Instant,
}

/// A question.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// At which layer.
    pub layer: Option<Layer>,
    /// Which rows.
    pub filter: Filter,
    /// In which order.
    pub order: Vec<Order>,
    /// How many on a page.
    pub size: usize,
}

impl Instant {
    /// The instant.
    pub fn get(self) -> Timestamp {
        match self {
            Self::Second(second) => Timestamp::UNIX_EPOCH.saturating_add_micros(START + i64::from(second) * 1_000_000),
            Self::Min => Timestamp::MIN,
            Self::Max => Timestamp::MAX,
            Self::BeforeEpoch => Timestamp::UNIX_EPOCH.saturating_add_micros(-1),
        }
    }
}

/// 2026-01-01T00:00:00Z in microseconds since 1970.
pub(crate) const START: i64 = 1_767_225_600_000_000;

/// Any step.
pub(crate) fn step() -> impl Strategy<Value = Step> {
    let hand = prop_oneof![3 => Just(Hand::First), 1 => Just(Hand::Second)];
    (operation(), hand).prop_map(|(operation, hand)| Step { hand, operation })
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        20 => fetch().prop_map(Operation::Fetch),
        5 => continuation().prop_map(Operation::Continue),
        5 => (0..4_u8, option::weighted(0.2, Just(()))).prop_map(|(back, altered)| {
            Operation::Replay { back, altered: altered.is_some() }
        }),
        8 => vec(write(), 1..4).prop_map(Operation::Put),
        5 => (vec(doomed(), 1..3), instant()).prop_map(|(doomed, at)| Operation::Delete(doomed, at)),
        4 => vec(told(), 1..4).prop_map(Operation::Observe),
        8 => question().prop_map(Operation::Ask),
        6 => Just(Operation::NextPage),
        2 => prop_oneof![Just(Farewell::Close), Just(Farewell::Drop)].prop_map(Operation::Reopen),
    ]
}

fn fetch() -> impl Strategy<Value = Fetch> {
    let cover = prop_oneof![
        5 => Just(Cover::Complete),
        1 => Just(Cover::Incomplete),
        2 => Just(Cover::Delta),
        2 => Just(Cover::Unchanged),
        1 => (0..40_u8).prop_map(Cover::UnchangedSince),
    ];
    let step =
        prop_oneof![4 => Just(CursorMove::Keep), 4 => Just(CursorMove::Advance), 1 => Just(CursorMove::AdvanceAhead)];
    let clock =
        prop_oneof![10 => Just(Clock::Next), 2 => (1..5_u8).prop_map(Clock::Back), 1 => instant().prop_map(Clock::At)];
    let rejects = prop_oneof![4 => Just(Vec::new()), 1 => vec(rejected(), 1..3)];
    (0..FEEDS, clock, cover, rarely(5), vec(item(), 0..7), rejects, step, rarely(6)).prop_map(
        |(feed, clock, cover, volatile, items, rejects, step, begun)| Fetch {
            feed,
            clock,
            cover,
            volatile,
            items,
            rejects,
            step,
            begun,
        },
    )
}

fn continuation() -> impl Strategy<Value = Continuation> {
    (0..3_u8, vec(item(), 0..5), any::<bool>()).prop_map(|(of, items, last)| Continuation { of, items, last })
}

pub(crate) fn item() -> impl Strategy<Value = Item> {
    let rule = select(&[KeyRule::Id, KeyRule::Link, KeyRule::Content][..]);
    let updated = option::weighted(0.25, instant());
    (text::spaces(), text::keys(), rule, text::contents(), of(instant()), updated).prop_map(
        |(space, key, rule, content, published, updated)| Item { space, key, rule, content, published, updated },
    )
}

fn rejected() -> impl Strategy<Value = Rejected> {
    (of((text::spaces(), text::keys())), text::words(), text::words(), text::words())
        .prop_map(|(key, code, reason, excerpt)| Rejected { key, code, reason, excerpt })
}

fn write() -> impl Strategy<Value = Write> {
    let id = option::weighted(0.2, 0..8_u8);
    let layer = select(&Layer::ALL[..]);
    let when = (option::weighted(0.4, instant()), instant());
    (text::spaces(), text::keys(), id, layer, text::contents(), text::metadata(), rarely(3), when).prop_map(
        |(space, key, id, layer, content, metadata, derived, (published, at))| Write {
            space,
            key,
            id,
            layer,
            content,
            metadata,
            published,
            derived,
            at,
        },
    )
}

fn doomed() -> impl Strategy<Value = Doomed> {
    (text::spaces(), text::keys(), any::<bool>(), of(select(&Layer::ALL[..])))
        .prop_map(|(space, key, by_id, layer)| Doomed { space, key, by_id, layer })
}

fn told() -> impl Strategy<Value = Told> {
    let fetch = prop_oneof![2 => (0..20_u8).prop_map(Err), 1 => (1..40_u8).prop_map(Ok)];
    (text::spaces(), text::keys(), 0..FEEDS, fetch, instant()).prop_map(|(space, key, feed, fetch, at)| Told {
        space,
        key,
        feed,
        fetch,
        at,
    })
}

fn question() -> impl Strategy<Value = Question> {
    let layer = prop_oneof![2 => Just(None), 1 => select(&Layer::ALL[..]).prop_map(Some)];
    (layer, question::filters(), question::orders(), 1..5_usize).prop_map(|(layer, filter, order, size)| Question {
        layer,
        filter,
        order,
        size,
    })
}

fn instant() -> impl Strategy<Value = Instant> {
    prop_oneof![
        12 => (0..6_u8).prop_map(|second| Instant::Second(10 * second)),
        1 => Just(Instant::Min),
        1 => Just(Instant::Max),
        1 => Just(Instant::BeforeEpoch),
    ]
}

/// True once in `n` times.
fn rarely(n: u32) -> impl Strategy<Value = bool> {
    proptest::bool::weighted(1.0 / f64::from(n))
}
