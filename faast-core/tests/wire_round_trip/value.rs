//! Values of each kind that formats are known to lose, and which of them may be refused.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::strategy::{fields, ip, wide};

/// Equal when the bits are.
#[derive(Serialize, Deserialize, Debug, Clone, Copy)]
pub(crate) struct F32(pub(crate) f32);

impl PartialEq for F32 {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

/// Equal when the bits are.
#[derive(Serialize, Deserialize, Debug, Clone, Copy)]
pub(crate) struct F64(pub(crate) f64);

impl PartialEq for F64 {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) struct UnitStruct;

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) part: Option<Option<u8>>,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
pub(crate) struct Empty {
    list: Vec<u64>,
    bytes: Vec<u8>,
    map: BTreeMap<u8, u8>,
    text: String,
    array: [u8; 0],
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) struct Fields {
    pub(crate) ip: IpAddr,
    pub(crate) bytes: Vec<u8>,
    pub(crate) nothing: Option<Option<()>>,
    pub(crate) float: F32,
    pub(crate) letter: char,
}

/// The same shapes in each of serde's representations; two of them hold what serde's buffers can't.
macro_rules! representation {
    ($name:ident $(, $($attribute:tt)+)?) => {
        #[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
        $(#[serde($($attribute)+)])?
        pub(crate) enum $name {
            Wide { wide: u128, ip: IpAddr },
            Narrow { signed: i128, other: u8 },
            Plain(Fields),
            Struct { pair: (u8, u8), deep: Option<Box<Fields>> },
            Unit,
        }

        impl $name {
            fn is_wide(&self) -> bool {
                matches!(self, Self::Wide { .. } | Self::Narrow { .. })
            }

            pub(crate) fn any() -> impl Strategy<Value = Self> {
                prop_oneof![
                    (wide(), ip()).prop_map(|(wide, ip)| Self::Wide { wide, ip }),
                    (-5_i128..5, any::<u8>()).prop_map(|(signed, other)| Self::Narrow { signed, other }),
                    fields().prop_map(Self::Plain),
                    (any::<(u8, u8)>(), prop::option::of(fields()))
                        .prop_map(|(pair, deep)| Self::Struct { pair, deep: deep.map(Box::new) }),
                    Just(Self::Unit),
                ]
                .boxed()
            }
        }
    };
}

representation!(External);
representation!(Internal, tag = "kind");
representation!(Adjacent, tag = "kind", content = "content");
representation!(Untagged, untagged);

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) struct Flat {
    pub(crate) direct: u128,
    #[serde(flatten)]
    pub(crate) fields: Fields,
    #[serde(flatten)]
    pub(crate) more: BTreeMap<String, Option<Option<u64>>>,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) struct FlatWide {
    pub(crate) direct: u8,
    #[serde(flatten)]
    pub(crate) adjacent: Adjacent,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub(crate) enum Value {
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    I128(i128),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    U128(u128),
    Size(usize),
    F32(F32),
    F64(F64),
    Bool(bool),
    Char(char),
    Text(String),
    Bytes(Vec<u8>),
    Slice(Box<[u8]>),
    Array([u8; 5]),
    Unit,
    Nil(()),
    UnitStruct(UnitStruct),
    MaybeU8(Option<u8>),
    SomeNone(Option<Option<u8>>),
    SomeUnit(Option<()>),
    SomeSomeNone(Option<Option<Option<UnitStruct>>>),
    Options(Vec<Option<Option<u8>>>),
    StructKeys(HashMap<Key, u32>),
    Ordered(BTreeMap<Option<i64>, Vec<u8>>),
    Set(HashSet<(u8, u8)>),
    Empty(Empty),
    Pair(u8, u8),
    Tuple(u8, String, u8, (u8, Option<u8>, i8)),
    External(External),
    Internal(Internal),
    Adjacent(Adjacent),
    Untagged(Untagged),
    Flat(Flat),
    FlatWide(FlatWide),
    Outcome(Result<Vec<u8>, String>),
    Duration(Duration),
    Time(SystemTime),
    Path(PathBuf),
    List(Vec<Value>),
    Boxed(Option<Box<Value>>),
    Named { inner: Box<Value>, after: u8 },
    Map(BTreeMap<String, Value>),
}

/// Every variant of [`Value`].
pub(crate) const KINDS: &[&str] = &[
    "I8",
    "I16",
    "I32",
    "I64",
    "I128",
    "U8",
    "U16",
    "U32",
    "U64",
    "U128",
    "Size",
    "F32",
    "F64",
    "Bool",
    "Char",
    "Text",
    "Bytes",
    "Slice",
    "Array",
    "Unit",
    "Nil",
    "UnitStruct",
    "MaybeU8",
    "SomeNone",
    "SomeUnit",
    "SomeSomeNone",
    "Options",
    "StructKeys",
    "Ordered",
    "Set",
    "Empty",
    "Pair",
    "Tuple",
    "External",
    "Internal",
    "Adjacent",
    "Untagged",
    "Flat",
    "FlatWide",
    "Outcome",
    "Duration",
    "Time",
    "Path",
    "List",
    "Boxed",
    "Named",
    "Map",
];

/// Those that may be refused.
pub(crate) const REFUSED: &[&str] =
    &["Internal", "Untagged", "FlatWide", "Time", "Path", "List", "Boxed", "Named", "Map"];

impl Value {
    pub(crate) fn kind(&self) -> String {
        format!("{self:?}").split(['(', ' ']).next().unwrap_or_default().to_owned()
    }

    /// Whether there is a reason to refuse it; `buffered` when serde buffers it as a whole.
    pub(crate) fn may_be_refused(&self, buffered: bool) -> bool {
        match self {
            Self::I128(_) | Self::U128(_) | Self::Flat(_) => buffered,
            Self::External(value) => buffered && value.is_wide(),
            Self::Adjacent(value) => buffered && value.is_wide(),
            Self::Internal(value) => value.is_wide(),
            Self::Untagged(value) => value.is_wide(),
            Self::FlatWide(value) => value.adjacent.is_wide(),
            Self::Time(time) => *time < SystemTime::UNIX_EPOCH,
            Self::Path(path) => path.to_str().is_none(),
            Self::List(values) => values.iter().any(|value| value.may_be_refused(buffered)),
            Self::Map(values) => values.values().any(|value| value.may_be_refused(buffered)),
            Self::Boxed(value) => value.as_ref().is_some_and(|value| value.may_be_refused(buffered)),
            Self::Named { inner, .. } => inner.may_be_refused(buffered),
            _ => false,
        }
    }
}
