//! The promise of the wire format, over generated values: exactly as it went, or a typed error at the caller.
//!
//! [`Value`] has a variant for each kind of value that formats are known to lose. Every kind must have come back at the
//! end, and every kind that has a reason to be refused must have been refused, or the generator is not worth its name.

#![expect(clippy::option_option, reason = "what is tested")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use faast_core::{ErrorKind, wire};
use proptest::collection::{btree_map, hash_map, hash_set, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::{Deserialize, Serialize};

/// Equal when the bits are.
#[derive(Serialize, Deserialize, Debug, Clone, Copy)]
struct F32(f32);

impl PartialEq for F32 {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

/// Equal when the bits are.
#[derive(Serialize, Deserialize, Debug, Clone, Copy)]
struct F64(f64);

impl PartialEq for F64 {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
struct UnitStruct;

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Key {
    name: String,
    part: Option<Option<u8>>,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Default)]
struct Empty {
    list: Vec<u64>,
    bytes: Vec<u8>,
    map: BTreeMap<u8, u8>,
    text: String,
    array: [u8; 0],
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
struct Fields {
    ip: IpAddr,
    bytes: Vec<u8>,
    nothing: Option<Option<()>>,
    float: F32,
    letter: char,
}

/// The same shapes in each of serde's representations; two of them hold what serde's buffers can't.
macro_rules! representation {
    ($name:ident $(, $($attribute:tt)+)?) => {
        #[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
        $(#[serde($($attribute)+)])?
        enum $name {
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

            fn any() -> impl Strategy<Value = Self> {
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
struct Flat {
    direct: u128,
    #[serde(flatten)]
    fields: Fields,
    #[serde(flatten)]
    more: BTreeMap<String, Option<Option<u64>>>,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
struct FlatWide {
    direct: u8,
    #[serde(flatten)]
    adjacent: Adjacent,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
enum Value {
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
const KINDS: &[&str] = &[
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
const REFUSED: &[&str] = &["Internal", "Untagged", "FlatWide", "Time", "Path", "List", "Boxed", "Named", "Map"];

impl Value {
    fn kind(&self) -> String {
        format!("{self:?}").split(['(', ' ']).next().unwrap_or_default().to_owned()
    }

    /// Whether there is a reason to refuse it; `buffered` when serde buffers it as a whole.
    fn may_be_refused(&self, buffered: bool) -> bool {
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

fn wide() -> impl Strategy<Value = u128> {
    prop_oneof![Just(0), Just(u128::MAX), Just(u128::from(u64::MAX)), Just(1 << 64), any::<u128>()]
}

fn ip() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<u32>().prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        any::<u128>().prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
    ]
}

fn float32() -> impl Strategy<Value = F32> {
    let bits = prop_oneof![
        any::<u32>(),
        (0_u32..1 << 23).prop_map(|payload| 0x7f80_0000 | payload), // infinity and NaNs, signaling ones too
        Just((-0.0_f32).to_bits()),
    ];
    bits.prop_map(|bits| F32(f32::from_bits(bits)))
}

fn float64() -> impl Strategy<Value = F64> {
    let bits = prop_oneof![
        any::<u64>(),
        (0_u64..1 << 52).prop_map(|payload| 0xfff0_0000_0000_0000 | payload),
        Just((-0.0_f64).to_bits()),
        Just(f64::INFINITY.to_bits()),
    ];
    bits.prop_map(|bits| F64(f64::from_bits(bits)))
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "\\PC{0,40}",
        8 => "[äß漢🦀]{1,20}",
        2 => Just(String::new()),
        1 => Just("x".repeat(70_000)),
    ]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        16 => vec(any::<u8>(), 0..40),
        2 => vec(any::<u8>(), 300),
        1 => any::<u8>().prop_map(|byte| vec![byte; 70_000]),
    ]
}

fn nested() -> impl Strategy<Value = Option<Option<u8>>> {
    prop::option::of(prop::option::of(any::<u8>()))
}

fn nothing() -> impl Strategy<Value = Option<Option<()>>> {
    prop::option::of(prop::option::of(Just(())))
}

fn key() -> impl Strategy<Value = Key> {
    ("\\PC{0,5}", nested()).prop_map(|(name, part)| Key { name, part })
}

fn fields() -> impl Strategy<Value = Fields> {
    (ip(), vec(any::<u8>(), 0..10), nothing(), float32(), any::<char>())
        .prop_map(|(ip, bytes, nothing, float, letter)| Fields { ip, bytes, nothing, float, letter })
}

fn flat() -> impl Strategy<Value = Flat> {
    // Prefixed, so that no key is a field's name.
    let more = btree_map("x[a-z]{0,3}", prop::option::of(prop::option::of(any::<u64>())), 0..3);
    (wide(), fields(), more).prop_map(|(direct, fields, more)| Flat { direct, fields, more })
}

fn time() -> impl Strategy<Value = SystemTime> {
    (any::<i32>(), 0_u32..1_000_000_000).prop_map(|(seconds, nanos)| {
        let distance = Duration::new(seconds.unsigned_abs().into(), nanos);
        if seconds < 0 { SystemTime::UNIX_EPOCH - distance } else { SystemTime::UNIX_EPOCH + distance }
    })
}

/// Some that are not UTF-8.
#[cfg(unix)]
fn path() -> impl Strategy<Value = PathBuf> {
    use std::os::unix::ffi::OsStringExt;
    let odd = vec(any::<u8>(), 1..10).prop_map(|bytes| PathBuf::from(std::ffi::OsString::from_vec(bytes)));
    prop_oneof![odd, "[a-zäö/]{0,20}".prop_map(PathBuf::from)]
}

// Boxed, because strategies lie on the stack and a test's thread has little of it.
fn scalar() -> impl Strategy<Value = Value> {
    use Value as V;
    prop_oneof![
        prop_oneof![
            any::<i8>().prop_map(V::I8),
            any::<i16>().prop_map(V::I16),
            any::<i32>().prop_map(V::I32),
            prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), -200_i64..200].prop_map(V::I64),
            prop_oneof![any::<i128>(), Just(i128::MIN), Just(i128::MAX), -5_i128..5].prop_map(V::I128),
        ]
        .boxed(),
        prop_oneof![
            any::<u8>().prop_map(V::U8),
            any::<u16>().prop_map(V::U16),
            any::<u32>().prop_map(V::U32),
            prop_oneof![any::<u64>(), Just(u64::MAX), 0_u64..300].prop_map(V::U64),
            wide().prop_map(V::U128),
            any::<usize>().prop_map(V::Size),
        ]
        .boxed(),
        prop_oneof![
            float32().prop_map(V::F32),
            float64().prop_map(V::F64),
            any::<bool>().prop_map(V::Bool),
            any::<char>().prop_map(V::Char),
            text().prop_map(V::Text),
            any::<(u64, u32)>().prop_map(|(secs, nanos)| V::Duration(Duration::new(secs, nanos % 1_000_000_000))),
            time().prop_map(V::Time),
            path().prop_map(V::Path),
        ]
        .boxed(),
        prop_oneof![
            bytes().prop_map(V::Bytes),
            bytes().prop_map(|bytes| V::Slice(bytes.into())),
            any::<[u8; 5]>().prop_map(V::Array),
            any::<(u8, u8)>().prop_map(|(a, b)| V::Pair(a, b)),
            (any::<u8>(), text(), any::<(u8, u8, Option<u8>, i8)>()).prop_map(|(a, b, (c, d, e, f))| V::Tuple(
                a,
                b,
                c,
                (d, e, f)
            )),
        ]
        .boxed(),
    ]
}

fn shape() -> impl Strategy<Value = Value> {
    use Value as V;
    prop_oneof![
        prop_oneof![
            Just(V::Unit),
            Just(V::Nil(())),
            Just(V::UnitStruct(UnitStruct)),
            any::<Option<u8>>().prop_map(V::MaybeU8),
            nested().prop_map(V::SomeNone),
            prop::option::of(Just(())).prop_map(V::SomeUnit),
            prop::option::of(prop::option::of(prop::option::of(Just(UnitStruct)))).prop_map(V::SomeSomeNone),
            vec(nested(), 0..5).prop_map(V::Options),
        ]
        .boxed(),
        prop_oneof![
            hash_map(key(), any::<u32>(), 0..5).prop_map(V::StructKeys),
            btree_map(any::<Option<i64>>(), bytes(), 0..4).prop_map(V::Ordered),
            hash_set(any::<(u8, u8)>(), 0..5).prop_map(V::Set),
            Just(V::Empty(Empty::default())),
            prop::result::maybe_ok(bytes(), text()).prop_map(V::Outcome),
        ]
        .boxed(),
        prop_oneof![
            External::any().prop_map(V::External),
            Internal::any().prop_map(V::Internal),
            Adjacent::any().prop_map(V::Adjacent),
            Untagged::any().prop_map(V::Untagged),
            flat().prop_map(V::Flat),
            (any::<u8>(), Adjacent::any()).prop_map(|(direct, adjacent)| V::FlatWide(FlatWide { direct, adjacent })),
        ]
        .boxed(),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![scalar().boxed(), shape().boxed()].prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            3 => inner.clone(),
            1 => vec(inner.clone(), 0..5).prop_map(Value::List),
            1 => prop::option::of(inner.clone()).prop_map(|value| Value::Boxed(value.map(Box::new))),
            1 => (inner.clone(), any::<u8>()).prop_map(|(inner, after)| Value::Named { inner: Box::new(inner), after }),
            1 => btree_map("\\PC{0,5}", inner, 0..4).prop_map(Value::Map),
        ]
    })
}

/// What serde reads through its buffers as a whole.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(untagged)]
enum Buffered {
    It(Value),
}

/// Whether the value came back; `false` when it was refused with a reason.
fn promise<T>(value: &T, may_be_refused: bool) -> Result<bool, TestCaseError>
where
    T: wire::Wire + PartialEq + std::fmt::Debug + 'static,
{
    let mut out = b"before".to_vec();
    match wire::encode_value(value, &mut out) {
        Ok(()) => {
            let mut input = &out[6..];
            let back = wire::decode_next::<T>(&mut input).map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
            prop_assert_eq!(&back, value);
            prop_assert!(input.is_empty());
            Ok(true)
        }
        Err(error) => {
            prop_assert_eq!(error.kind(), ErrorKind::Encode);
            prop_assert!(error.hint().is_some());
            prop_assert!(may_be_refused, "{:?}", error);
            prop_assert_eq!(&out[..], b"before");
            Ok(false)
        }
    }
}

fn run<S: Strategy>(
    cases: u32,
    strategy: &S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) -> Result<(), String> {
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    runner.run(strategy, test).map_err(|error| error.to_string())
}

#[test]
fn a_value_comes_back_exactly_or_is_refused_at_the_caller() {
    let counters = std::cell::RefCell::new((BTreeMap::<String, u32>::new(), BTreeMap::<String, u32>::new()));
    run(5_000, &value(), |value| {
        let came = promise(&value, value.may_be_refused(false))?;
        {
            let (back, refused) = &mut *counters.borrow_mut();
            *if came { back } else { refused }.entry(value.kind()).or_default() += 1;
        }
        let may_be_refused = value.may_be_refused(true);
        promise(&Buffered::It(value), may_be_refused)?;
        Ok(())
    })
    .unwrap();
    let (back, refused) = counters.into_inner();
    for kind in KINDS {
        assert!(back.contains_key(*kind), "no `{kind}` came back: {back:?}");
    }
    for kind in REFUSED {
        assert!(refused.contains_key(*kind), "no `{kind}` was refused: {refused:?}");
    }
    assert_eq!(back.len(), KINDS.len(), "a kind is missing in KINDS: {back:?}");
}

#[test]
fn the_deepest_value_fits_on_the_stack_of_a_thread() {
    let deep = |depth| (0..depth).fold(Value::Unit, |value, _| Value::List(vec![value]));
    // A variant and its list are two levels.
    let most = wire::MAX_DEPTH / 2;
    assert!(promise(&deep(most), false).unwrap());
    assert!(promise(&Buffered::It(deep(most)), false).unwrap());
    assert!(!promise(&deep(most + 1), true).unwrap());
}

#[test]
fn hostile_values_never_panic() {
    run(300, &(value(), any::<prop::sample::Index>(), any::<u8>()), |(value, at, byte)| {
        let mut out = Vec::new();
        if wire::encode_value(&value, &mut out).is_err() || out.len() > 2_000 {
            return Ok(());
        }
        for end in 0..out.len() {
            prop_assert!(wire::decode_next::<Value>(&mut &out[..end]).is_err());
            let _ = wire::decode_next::<Buffered>(&mut &out[..end]).is_ok();
        }
        let at = at.index(out.len());
        out[at] = byte;
        let _ = wire::decode_next::<Value>(&mut &out[..]).is_ok();
        let _ = wire::decode_next::<Buffered>(&mut &out[..]).is_ok();
        Ok(())
    })
    .unwrap();
}

#[test]
fn random_bytes_never_panic() {
    run(3_000, &vec(any::<u8>(), 0..60), |bytes| {
        let _ = wire::decode_next::<Value>(&mut &bytes[..]).is_ok();
        let _ = wire::decode_next::<Buffered>(&mut &bytes[..]).is_ok();
        let _ = wire::decode_next::<Vec<u8>>(&mut &bytes[..]).is_ok();
        let _ = wire::decode_next::<serde_json::Value>(&mut &bytes[..]).is_ok();
        Ok(())
    })
    .unwrap();
}
