//! Which records may be one item under two keys: worked out from what is held whenever it is asked, never stored, and
//! nothing follows from it.

use std::collections::BTreeMap;

use feedspine_core::{
    Direction, Field, Filter, Json, NaturalKey, Order, PageRequest, Query, Record, RecordId, Selection, Test,
};
use feedspine_parse::{Alias, AliasReason, Face, aliases};

use super::json::{array, text};
use super::{OpError, ToJson};
use crate::Engine;

/// Records captured just before, just after, and together with it, that one is compared with: copies of an item under
/// another key come soon after it, and what it shares with those of its document tells nothing.
const NEIGHBOURS: usize = 256;
/// Records of whatever time that share its path or its instant.
const RELATED: usize = 128;
/// The most aliases that are told.
const TOLD: usize = 20;

/// Another record that may be the same item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasLink {
    /// The other's id.
    pub id: RecordId,
    /// The other's key.
    pub key: NaturalKey,
    /// How sure that is, and why.
    pub alias: Alias,
}

/// The records that may be the same item as one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aliases {
    /// The likeliest first.
    pub links: Vec<AliasLink>,
    /// How many records of its namespace it was compared with.
    pub compared: usize,
}

impl ToJson for Aliases {
    fn to_json(&self) -> Json {
        Json::object([("items", array(&self.links)), ("compared", (self.compared as u64).into())])
    }
}

impl ToJson for AliasLink {
    fn to_json(&self) -> Json {
        let reasons = &self.alias.reasons;
        Json::object([
            ("id", text(&self.id)),
            ("namespace", self.key.namespace().as_str().into()),
            ("key", self.key.key().into()),
            ("score", u64::from(self.alias.score).into()),
            ("reasons", reasons.iter().map(AliasReason::as_str).collect::<Vec<_>>().into()),
            ("words", reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ").into()),
        ])
    }
}

impl Engine {
    /// The records of its namespace that may be the same item as this one, with a score and reasons. They are looked for
    /// among those captured just before and after it, and those of the same path or instant.
    ///
    /// # Errors
    /// What the store says.
    pub async fn aliases(&self, record: &Record) -> Result<Aliases, OpError> {
        let face = Face::of(record);
        let mut others: BTreeMap<RecordId, Record> = BTreeMap::new();
        for query in questions(record, &face) {
            let found = self.storage().query_page(&query).await?.items;
            others.extend(found.into_iter().map(|other| (other.id, other)));
        }
        others.remove(&record.id);
        let others: Vec<Record> = others.into_values().collect();
        let faces: Vec<Face> = others.iter().map(Face::of).collect();
        let link = |(place, alias): (usize, Alias)| {
            let Record { id, key, .. } = &others[place];
            AliasLink { id: *id, key: key.clone(), alias }
        };
        let links = aliases(&face, &faces).into_iter().take(TOLD).map(link).collect();
        Ok(Aliases { links, compared: others.len() })
    }
}

/// Whom to compare a record with. All look at what stores have in narrow tables, at no content.
fn questions(record: &Record, face: &Face) -> Vec<Query> {
    let captured = record.first_seen.as_micros();
    let by_capture = |direction| vec![Order { field: Field::FirstSeen, direction }];
    let captured = |test: fn(Json) -> Test| Filter::Field(Field::FirstSeen, test(captured.into()));
    let path = face.path().map(|path| Filter::Field(Field::Key, Test::Contains(path)));
    let instant = record.published.map(|at| Filter::Field(Field::Published, Test::Equal(at.as_micros().into())));
    let related: Vec<Filter> = path.into_iter().chain(instant).collect();
    let mut questions = vec![
        question(record, captured(Test::Less), by_capture(Direction::Descending), NEIGHBOURS),
        question(record, captured(Test::Equal), Vec::new(), NEIGHBOURS),
        question(record, captured(Test::Greater), by_capture(Direction::Ascending), NEIGHBOURS),
    ];
    if !related.is_empty() {
        questions.push(question(record, Filter::Any(related), Vec::new(), RELATED));
    }
    questions
}

fn question(record: &Record, condition: Filter, order: Vec<Order>, most: usize) -> Query {
    let namespace = record.key.namespace().as_str();
    let namespace = Filter::Field(Field::Namespace, Test::Equal(namespace.into()));
    let selection = Selection { layer: None, filter: Filter::All(vec![namespace, condition]) };
    Query { selection, order, page: PageRequest::first(most) }
}
