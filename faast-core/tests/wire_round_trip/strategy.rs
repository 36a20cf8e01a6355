//! How values are drawn: extremes on purpose, the rest by chance.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use proptest::collection::{btree_map, hash_map, hash_set, vec};
use proptest::prelude::*;

use super::value::{
    Adjacent, Empty, External, F32, F64, Fields, Flat, FlatWide, Internal, Key, UnitStruct, Untagged, Value,
};

pub(crate) fn wide() -> impl Strategy<Value = u128> {
    prop_oneof![Just(0), Just(u128::MAX), Just(u128::from(u64::MAX)), Just(1 << 64), any::<u128>()]
}

pub(crate) fn ip() -> impl Strategy<Value = IpAddr> {
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

pub(crate) fn fields() -> impl Strategy<Value = Fields> {
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

pub(crate) fn value() -> impl Strategy<Value = Value> {
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
