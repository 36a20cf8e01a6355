//! Values cross both ways exactly as they are, through real workers, or are refused before anything is sent.

#![expect(clippy::unwrap_used, clippy::type_complexity, reason = "functions and helpers of tests fail as tests do")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsStr;
use std::fmt::Debug;
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use faast::prelude::*;
use faast::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

faast::test_worker!();

type Integers = (u8, u16, u32, u64, u128, i8, i16, i32, i64, i128);
type Lists = (Vec<i8>, Vec<u8>, Vec<i16>, Vec<u16>, Vec<i32>, Vec<u32>, Vec<i64>, Vec<u64>, Vec<f32>, Vec<f64>);
type Nested = Option<Option<Option<u8>>>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Key {
    name: String,
    number: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum External {
    Unit,
    New(u128),
    Tuple(i8, String),
    Struct { address: IpAddr, nested: Option<Option<()>> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Internal {
    Unit,
    Struct { address: IpAddr, number: u64 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "content")]
enum Adjacent {
    Unit,
    Tuple(u128, IpAddr),
    Struct { nested: Option<Option<u8>> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Address(IpAddr),
    Small(u64),
    Text(String),
    Large { large: i128 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Flat {
    id: u32,
    #[serde(flatten)]
    rest: Rest,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Rest {
    address: IpAddr,
    large: u128,
}

macro_rules! echoes {
    ($($name:ident: $type:ty;)+) => {
        $(#[faast::function]
        fn $name(value: $type) -> $type {
            value
        })+
    };
}

echoes! {
    boolean: bool;
    integers: Integers;
    lists: Lists;
    texts: Vec<String>;
    text: (String, char);
    bytes: Vec<u8>;
    map: HashMap<Key, BTreeMap<i32, HashSet<String>>>;
    nested: Nested;
    maybe_unit: Option<()>;
    unit: ();
    empty: (Vec<u8>, String, HashMap<u8, u8>, Option<Vec<()>>, [u8; 0]);
    external: External;
    internal: Internal;
    adjacent: Adjacent;
    untagged: Untagged;
    flat: Flat;
    times: (Duration, SystemTime);
    path: PathBuf;
    results: Vec<Result<u8, String>>;
}

#[faast::function]
fn float_bits(single: f32, double: f64) -> (f32, f64, u32, u64) {
    (single, double, single.to_bits(), double.to_bits())
}

#[faast::function]
fn lent(text: &str, bytes: &[u8], path: &Path, maybe: Option<&str>) -> (String, Vec<u8>, PathBuf, Option<String>) {
    (text.into(), bytes.into(), path.into(), maybe.map(Into::into))
}

async fn cloud() -> Cloud {
    faast::local().concurrency(1).deploy().await.unwrap()
}

async fn check<T: Clone + Debug + PartialEq>(
    cloud: &Cloud,
    call: fn(T) -> Call<T>,
    values: impl IntoIterator<Item = T>,
) {
    for value in values {
        assert_eq!(cloud.run(call(value.clone())).await.unwrap(), value);
    }
}

#[tokio::test]
async fn numbers_texts_and_bytes_come_back_exactly() {
    let cloud = cloud().await;
    let least = (u8::MIN, u16::MIN, u32::MIN, u64::MIN, u128::MIN, i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN);
    let most = (u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX, i8::MAX, i16::MAX, i32::MAX, i64::MAX, i128::MAX);
    check(&cloud, integers::call, [least, most]).await;
    check(&cloud, text::call, [("Grüße, 世界 🦀\0".into(), '🦀'), (String::new(), char::MAX)]).await;
    check(&cloud, bytes::call, [(0..=255).collect(), vec![0xff; 300_000]]).await;
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn lists_of_every_number_come_back_with_their_type() {
    let cloud = cloud().await;
    let floats = (vec![0.0, 0.3, 100.042, -1.0], vec![0.0, 0.3, 100.042, f64::INFINITY, f64::NEG_INFINITY]);
    let lists = (
        vec![0, -8, 42, i8::MIN],
        vec![0, 8, 42, u8::MAX],
        vec![0, 8, 42, -1, i16::MIN],
        vec![0, 8, 42, u16::MAX],
        vec![0, 8, 42, -1, i32::MIN],
        vec![0, 8, 42, u32::MAX],
        vec![0, 8, 42, -1, i64::MIN],
        vec![0, 8, 42, u64::MAX],
        floats.0,
        floats.1,
    );
    check(&cloud, lists::call, [lists, Lists::default()]).await;
    check(&cloud, texts::call, [vec!["a".into(), "there".into()], vec![]]).await;
    check(&cloud, boolean::call, [true, false]).await;
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn floats_come_back_to_the_bit() {
    let cloud = cloud().await;
    for bits in
        [0x7ff8_dead_beef_0001, 0xfff8_0000_0000_0000, 1 << 63, 0x7ff0 << 48, 0xfff0 << 48, 1, f64::MAX.to_bits()]
    {
        let (double, single) = (f64::from_bits(bits), f32::from_bits((bits >> 32) as u32));
        let (single_back, double_back, single_seen, double_seen) =
            cloud.run(float_bits::call(single, double)).await.unwrap();
        assert_eq!((double_back.to_bits(), double_seen), (bits, bits));
        assert_eq!((single_back.to_bits(), single_seen), (single.to_bits(), single.to_bits()));
    }
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn collections_and_options_come_back_exactly() {
    let cloud = cloud().await;
    let key = |number| Key { name: format!("key {number}"), number };
    let inner = || BTreeMap::from([(-1, HashSet::from(["a".to_owned(), String::new()])), (7, HashSet::new())]);
    check(&cloud, map::call, [HashMap::new(), HashMap::from([(key(i64::MIN), inner()), (key(0), BTreeMap::new())])])
        .await;
    check(&cloud, nested::call, [None, Some(None), Some(Some(None)), Some(Some(Some(0)))]).await;
    check(&cloud, maybe_unit::call, [None, Some(())]).await;
    check(&cloud, unit::call, [()]).await;
    check(
        &cloud,
        empty::call,
        [(vec![], String::new(), HashMap::new(), None, []), (vec![], String::new(), HashMap::new(), Some(vec![]), [])],
    )
    .await;
    check(&cloud, results::call, [vec![Ok(1), Err("no".into())]]).await;
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn every_enum_representation_comes_back_exactly() {
    let cloud = cloud().await;
    let (v4, v6) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from(Ipv6Addr::LOCALHOST));
    let structs = [None, Some(None), Some(Some(()))].map(|nested| External::Struct { address: v4, nested });
    check(&cloud, external::call, [External::Unit, External::New(u128::MAX), External::Tuple(-1, "x".into())]).await;
    check(&cloud, external::call, structs).await;
    check(&cloud, internal::call, [Internal::Unit, Internal::Struct { address: v6, number: u64::MAX }]).await;
    check(
        &cloud,
        adjacent::call,
        [Adjacent::Unit, Adjacent::Tuple(u128::MAX, v6), Adjacent::Struct { nested: Some(None) }],
    )
    .await;
    check(&cloud, untagged::call, [Untagged::Address(v4), Untagged::Small(u64::MAX), Untagged::Text("127".into())])
        .await;
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn times_and_paths_come_back_exactly() {
    let cloud = cloud().await;
    let time = SystemTime::UNIX_EPOCH + Duration::new(1 << 33, 999_999_999);
    check(&cloud, times::call, [(Duration::MAX, time), (Duration::from_nanos(1), SystemTime::UNIX_EPOCH)]).await;
    check(&cloud, path::call, [PathBuf::new(), PathBuf::from("/a/ü/../b ")]).await;
    cloud.cleanup().await.unwrap();
}

#[tokio::test]
async fn borrowed_arguments_arrive_as_they_are() {
    let cloud = cloud().await;
    let back = cloud.run(lent::call("ü", &[0, 255], Path::new("/a"), Some(""))).await.unwrap();
    assert_eq!(back, ("ü".into(), vec![0, 255], PathBuf::from("/a"), Some(String::new())));
    assert_eq!(cloud.run(lent::call("", &[], Path::new(""), None)).await.unwrap().3, None);
    cloud.cleanup().await.unwrap();
}

/// What serde itself can't carry comes back exactly, or not at all: never as something else.
#[tokio::test]
async fn what_can_not_cross_is_refused_before_it_is_sent_and_says_so() {
    let cloud = cloud().await;
    let before_1970 = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    let refused = |error: Error| {
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Encode, 0), "{error:?}");
        assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "{error:?}");
    };
    refused(cloud.run(path::call(OsStr::from_bytes(b"/\xff").into())).await.unwrap_err());
    refused(cloud.run(times::call((Duration::ZERO, before_1970))).await.unwrap_err());
    let large = Untagged::Large { large: i128::MIN };
    match cloud.run(untagged::call(large.clone())).await {
        Ok(back) => assert_eq!(back, large),
        Err(error) => refused(error),
    }
    let flat = Flat { id: 1, rest: Rest { address: IpAddr::from([1, 2, 3, 4]), large: u128::MAX } };
    match cloud.run(flat::call(flat.clone())).await {
        Ok(back) => assert_eq!(back, flat),
        Err(error) => refused(error),
    }
    cloud.cleanup().await.unwrap();
}
