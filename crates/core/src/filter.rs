//! [`Filter`]: a tree of typed conditions. It has no room for SQL text, so there is nothing to inject into.

use crate::json::Json;
use crate::{JsonPath, Layer, Record, StorageError, Timestamp};

/// What a condition or an order looks at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Field {
    /// The record's id, as text.
    Id,
    /// The namespace.
    Namespace,
    /// The key within the namespace.
    Key,
    /// The key rule's word.
    KeyRule,
    /// The layer's word.
    Layer,
    /// The version's number.
    Version,
    /// When the publisher says it was published; null when it does not.
    Published,
    /// When the publisher says it was last updated; null when it does not.
    Updated,
    /// When the record was first captured.
    FirstSeen,
    /// When the current version was recorded.
    RecordedAt,
    /// Not a stored field: conditions and orders on it are `Unsupported`.
    LastSeen,
    /// Not a stored field: conditions and orders on it are `Unsupported`.
    SeenCount,
    /// A path into the content.
    Content(JsonPath),
    /// A path into the metadata.
    Metadata(JsonPath),
}

impl Field {
    /// The stored fields that are not paths.
    pub const STORED: [Self; 10] = [
        Self::Id,
        Self::Namespace,
        Self::Key,
        Self::KeyRule,
        Self::Layer,
        Self::Version,
        Self::Published,
        Self::Updated,
        Self::FirstSeen,
        Self::RecordedAt,
    ];

    /// Reads a field's name: `key`, `published`, …, `content.a.b`, `metadata.a`.
    ///
    /// # Errors
    /// `Invalid`, naming the fields that exist.
    pub fn parse(name: &str) -> Result<Self, StorageError> {
        let path = |text: &str| JsonPath::parse(text).map_err(StorageError::invalid);
        if let Some(rest) = name.strip_prefix("content.") {
            return path(rest).map(Self::Content);
        }
        if let Some(rest) = name.strip_prefix("metadata.") {
            return path(rest).map(Self::Metadata);
        }
        let known = Self::STORED.into_iter().chain([Self::LastSeen, Self::SeenCount]);
        known.clone().find(|field| field.name() == name).ok_or_else(|| {
            let names: Vec<String> = known.map(|field| field.name()).collect();
            StorageError::invalid(format!("no field is called {name:?}"))
                .with_hint(format!("use one of {}, content.PATH or metadata.PATH", names.join(", ")))
        })
    }

    /// The field's name, as [`Field::parse`] reads it.
    pub fn name(&self) -> String {
        match self {
            Self::Id => "id".into(),
            Self::Namespace => "namespace".into(),
            Self::Key => "key".into(),
            Self::KeyRule => "key_rule".into(),
            Self::Layer => "layer".into(),
            Self::Version => "version".into(),
            Self::Published => "published".into(),
            Self::Updated => "updated".into(),
            Self::FirstSeen => "first_seen".into(),
            Self::RecordedAt => "recorded_at".into(),
            Self::LastSeen => "last_seen".into(),
            Self::SeenCount => "seen_count".into(),
            Self::Content(path) => format!("content.{path}"),
            Self::Metadata(path) => format!("metadata.{path}"),
        }
    }

    /// The field's value as JSON: instants in microseconds, words as text; `None` when a path is missing.
    pub fn value(&self, record: &Record) -> Option<Json> {
        let instant = |at: Option<Timestamp>| Some(Json::from(at.map(Timestamp::as_micros)));
        match self {
            Self::Id => Some(record.id.to_string().into()),
            Self::Namespace => Some(record.key.namespace().as_str().into()),
            Self::Key => Some(record.key.key().into()),
            Self::KeyRule => Some(record.key_rule.as_str().into()),
            Self::Layer => Some(record.layer.as_str().into()),
            Self::Version => Some(i64::from(record.version.get()).into()),
            Self::Published => instant(record.published),
            Self::Updated => instant(record.updated),
            Self::FirstSeen => instant(Some(record.first_seen)),
            Self::RecordedAt => instant(Some(record.recorded_at)),
            Self::LastSeen | Self::SeenCount => None,
            Self::Content(path) => path.find(&record.content.to_json()).cloned(),
            Self::Metadata(path) => path.find(&record.metadata.to_json()).cloned(),
        }
    }

    /// Whether a store keeps this field with the record.
    ///
    /// # Errors
    /// `Unsupported` for what is arithmetic over spans.
    pub fn check_stored(&self) -> Result<(), StorageError> {
        match self {
            Self::LastSeen | Self::SeenCount => {
                let message = format!("records cannot be filtered or ordered by {}", self.name());
                Err(StorageError::unsupported(message).with_hint("it follows from the sightings: ask for one key's"))
            }
            _ => Ok(()),
        }
    }
}

/// How a value is compared. Values of another type never match: `"5"` is not `5`, null is not missing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Test {
    /// Equal.
    Equal(Json),
    /// One of these.
    In(Vec<Json>),
    /// Of the same type and smaller.
    Less(Json),
    /// Of the same type and smaller or equal.
    AtMost(Json),
    /// Of the same type and greater.
    Greater(Json),
    /// Of the same type and greater or equal.
    AtLeast(Json),
    /// Text that begins so.
    Prefix(String),
    /// Text that holds this, byte for byte.
    Contains(String),
    /// There, null included.
    Present,
}

impl Test {
    /// Whether a value passes; `None` is a path that is missing.
    pub fn passes(&self, value: Option<&Json>) -> bool {
        let Some(value) = value else { return false };
        let same_type = |operand: &Json| std::mem::discriminant(operand) == std::mem::discriminant(value);
        match self {
            Self::Equal(operand) => value == operand,
            Self::In(operands) => operands.contains(value),
            Self::Less(operand) => same_type(operand) && value < operand,
            Self::AtMost(operand) => same_type(operand) && value <= operand,
            Self::Greater(operand) => same_type(operand) && value > operand,
            Self::AtLeast(operand) => same_type(operand) && value >= operand,
            Self::Prefix(prefix) => value.as_str().is_some_and(|text| text.starts_with(prefix.as_str())),
            Self::Contains(part) => value.as_str().is_some_and(|text| text.contains(part.as_str())),
            Self::Present => true,
        }
    }
}

/// A condition on records.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Filter {
    /// All of these; no condition at all when empty.
    All(Vec<Filter>),
    /// At least one of these; none passes when empty.
    Any(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// A test of one field.
    Field(Field, Test),
}

impl Filter {
    /// Every record.
    pub const fn everything() -> Self {
        Self::All(Vec::new())
    }

    /// The meaning that every backend agrees with.
    pub fn matches(&self, record: &Record) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.matches(record)),
            Self::Any(filters) => filters.iter().any(|filter| filter.matches(record)),
            Self::Not(filter) => !filter.matches(record),
            Self::Field(field, test) => test.passes(field.value(record).as_ref()),
        }
    }

    /// Whether every field is one that stores keep.
    ///
    /// # Errors
    /// `Unsupported`, naming the first that is not.
    pub fn check(&self) -> Result<(), StorageError> {
        match self {
            Self::All(filters) | Self::Any(filters) => filters.iter().try_for_each(Self::check),
            Self::Not(filter) => filter.check(),
            Self::Field(field, _) => field.check_stored(),
        }
    }

    /// Reads the seed's form: an object of field names, a scalar for "equal", a list for "in".
    ///
    /// Instants are given as RFC 3339 text.
    ///
    /// # Errors
    /// `Invalid`: not an object, an unknown field, a value that no field can have.
    pub fn from_json(filters: &Json) -> Result<Self, StorageError> {
        let Json::Object(members) = filters else {
            return Err(StorageError::invalid("filters must be a JSON object of field names and values"));
        };
        let conditions = members.iter().map(|(name, value)| {
            let field = Field::parse(name)?;
            let test = match value {
                Json::Array(values) => {
                    Test::In(values.iter().map(|value| field.operand(value)).collect::<Result<_, _>>()?)
                }
                value => Test::Equal(field.operand(value)?),
            };
            Ok(Self::Field(field, test))
        });
        conditions.collect::<Result<_, _>>().map(Self::All)
    }
}

impl Field {
    /// What a caller may compare this field with, in the form that [`Field::value`] gives: instants are RFC 3339.
    ///
    /// # Errors
    /// `Invalid`: an unreadable instant, an unknown layer.
    pub fn operand(&self, given: &Json) -> Result<Json, StorageError> {
        let invalid = |error: &dyn std::fmt::Display| StorageError::invalid(format!("{}: {error}", self.name()));
        match (self, given) {
            (Self::Published | Self::Updated | Self::FirstSeen | Self::RecordedAt, Json::String(text)) => {
                let instant: Timestamp = text.parse().map_err(|error| invalid(&error))?;
                Ok(instant.as_micros().into())
            }
            (Self::Layer, Json::String(word)) => {
                let layer: Layer = word.parse().map_err(|error: String| invalid(&error))?;
                Ok(layer.as_str().into())
            }
            _ => Ok(given.clone()),
        }
    }
}
