//! Values to be bound, each with its PostgreSQL type, so that statements need no name and no preparation.

use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// A value and its type.
pub(crate) type Param<'a> = (Box<dyn ToSql + Sync + Send + 'a>, Type);

/// A Rust type that is bound as one PostgreSQL type.
pub(crate) trait Bound: ToSql + Sync + Send {
    fn kind() -> Type;
}

/// Each type alone, optional, and in arrays of both.
macro_rules! bound {
    ($($rust:ty: $one:ident, $many:ident;)+) => {
        bound! { @each $($rust: $one, Option<$rust>: $one, Vec<$rust>: $many, &[$rust]: $many,
                         Vec<Option<$rust>>: $many, &[Option<$rust>]: $many;)+ }
    };
    (@each $($($type:ty: $kind:ident),+;)+) => {$($(
        impl Bound for $type {
            fn kind() -> Type {
                Type::$kind
            }
        }
    )+)+};
}

bound! {
    bool: BOOL, BOOL_ARRAY;
    i16: INT2, INT2_ARRAY;
    i32: INT4, INT4_ARRAY;
    i64: INT8, INT8_ARRAY;
    &str: TEXT, TEXT_ARRAY;
    String: TEXT, TEXT_ARRAY;
    &[u8]: BYTEA, BYTEA_ARRAY;
    Uuid: UUID, UUID_ARRAY;
}

impl Bound for Vec<u8> {
    fn kind() -> Type {
        Type::BYTEA
    }
}

impl Bound for Option<Vec<u8>> {
    fn kind() -> Type {
        Type::BYTEA
    }
}

/// The value with its type.
pub(crate) fn bound<'a, T: Bound + 'a>(value: T) -> Param<'a> {
    (Box::new(value), T::kind())
}

/// A statement's values in the order of their placeholders.
macro_rules! bind {
    ($($value:expr),* $(,)?) => { [$(crate::bind::bound($value)),*] };
}

pub(crate) use bind;
