//! The arguments of statements. The columns of every engine are texts, 64-bit integers and bytes.

use uuid::Uuid;
use vaultterm_reconcile::{RecordId, RecordType, Revision, SecretPath, UnixNanos, Version};
use vaultterm_sync::{CollectionId, ConflictId, ConnectionId, PlanId, RunId};

/// An argument of a statement. NULL also has the type of its column, because PostgreSQL cannot infer it.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    Text(Option<String>),
    Int(Option<i64>),
    Bytes(Option<Vec<u8>>),
}

impl Arg {
    /// Returns NULL of the same type.
    pub(crate) const fn null(&self) -> Self {
        match self {
            Self::Text(_) => Self::Text(None),
            Self::Int(_) => Self::Int(None),
            Self::Bytes(_) => Self::Bytes(None),
        }
    }
}

macro_rules! into_arg {
    ($($type:ty => |$value:ident| $variant:ident($arg:expr)),+ $(,)?) => {$(
        impl From<$type> for Arg {
            fn from($value: $type) -> Self {
                Self::$variant(Some($arg))
            }
        }

        impl From<Option<$type>> for Arg {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value.map(|$value| $arg))
            }
        }
    )+};
}

into_arg!(
    &str => |text| Text(text.to_owned()),
    String => |text| Text(text),
    &SecretPath => |path| Text(path.as_str().to_owned()),
    RecordType => |kind| Text(kind.as_str().to_owned()),
    Uuid => |id| Text(id.to_string()),
    RecordId => |id| Text(id.0.to_string()),
    CollectionId => |id| Text(id.to_string()),
    ConnectionId => |id| Text(id.to_string()),
    ConflictId => |id| Text(id.to_string()),
    PlanId => |id| Text(id.to_string()),
    RunId => |id| Text(id.to_string()),
    i64 => |number| Int(number),
    u32 => |number| Int(number.into()),
    u64 => |number| Int(stored(number)),
    Revision => |revision| Int(stored(revision.0)),
    Version => |version| Int(stored(version.0)),
    UnixNanos => |moment| Int(moment.0),
    bool => |flag| Int(flag.into()),
    Vec<u8> => |bytes| Bytes(bytes),
    [u8; 32] => |bytes| Bytes(bytes.to_vec()),
);

/// Converts an unsigned number. Counts, versions and revisions are far below 2⁶³. A larger number was
/// invented by a client, becomes `i64::MAX`, and matches no row.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Makes the arguments, in the order of the placeholders.
macro_rules! args {
    ($($value:expr),* $(,)?) => { vec![$($crate::arguments::Arg::from($value)),*] };
}
pub(crate) use args;

/// A statement with its arguments.
pub(crate) struct Statement<'a> {
    pub(crate) sql: &'a str,
    pub(crate) args: Vec<Arg>,
}
