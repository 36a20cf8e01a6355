//! What values promise: exactly as they went, or refused with the way out.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::*;
use crate::error::ErrorKind;

fn bytes_of<T: Wire + 'static>(value: &T) -> Vec<u8> {
    let mut out = vec![9];
    encode_value(value, &mut out).unwrap();
    out.split_off(1)
}

/// What serde reads through its buffers.
#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Buffered<T> {
    It(T),
}

fn comes_back<T: Wire + PartialEq + Debug + 'static>(value: T) {
    assert_eq!(decode_all::<T>(&bytes_of(&value).into()).unwrap(), value);
    let buffered = Buffered::It(value);
    assert_eq!(decode_all::<Buffered<T>>(&bytes_of(&buffered).into()).unwrap(), buffered);
}

fn refused<T: Wire + 'static>(value: &T) -> crate::Error {
    let mut out = vec![1, 2, 3];
    let error = encode_value(value, &mut out).unwrap_err();
    assert_eq!((error.kind(), &out[..]), (ErrorKind::Encode, &[1, 2, 3][..]));
    error
}

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
struct Unit;

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
enum External {
    Unit,
    New(Option<()>),
    Tuple(u8, u8),
    Struct { a: Vec<u8> },
}

#[test]
fn options_of_nothing_come_back() {
    comes_back(None::<Option<Option<()>>>);
    comes_back(Some(None::<Option<()>>));
    comes_back(Some(Some(None::<()>)));
    comes_back(Some(Some(Some(()))));
    comes_back((Some(Unit), None::<Unit>, Some(()), vec![Some(None), Some(Some(5_u8)), None]));
    comes_back(Some(External::New(Some(()))));
}

#[test]
fn sequences_of_u8_are_packed_and_come_back() {
    assert_eq!(bytes_of(&(vec![200_u8; 100], 1)).len(), 1 + 3 + 100 + 1);
    comes_back(vec![255_u8, 0, 128]);
    comes_back(Vec::<u8>::new());
    comes_back([255_u8; 3]);
    comes_back((200_u8, 7_u8));
    comes_back((200_u8, 130_u8, "text".to_owned(), 3_u8));
    comes_back((1_u8, 200_u8, External::Struct { a: vec![200, 1] }, (3_u8, 4_u8), Some(200_u8), 7_u8));
    comes_back((200_u8, (200_u8, 192_u8), Some(192_u8), BTreeMap::from([(1_u8, 2_u8)])));
    comes_back(vec![Some(200_u8), Some(3), None, Some(255)]);
    comes_back(vec![Some(200_u8), Some(3)]);
    comes_back(vec![vec![200_u8; 300], vec![], vec![1]]);
    comes_back([External::Unit, External::Tuple(255, 1), External::Struct { a: vec![255; 70_000] }].to_vec());
    comes_back(BTreeMap::from([((1_u8, 255_u8), vec![0_u8])]));
}

#[test]
fn bytes_have_one_form() {
    let mut out = Vec::new();
    encode_bytes(&[1, 200], &mut out).unwrap();
    assert_eq!(out, bytes_of(&vec![1_u8, 200]));
    assert_eq!(out, bytes_of(&[1_u8, 200]));
    let mut borrowed = Vec::new();
    encode(&[1_u8, 200][..], &mut borrowed).unwrap();
    assert_eq!(out, borrowed);
    let mut input = &out[..];
    assert_eq!(decode_next::<Vec<u8>>(&mut input).unwrap(), [1, 200]);
    assert!(input.is_empty());
}

struct NoLength(std::ops::Range<u64>);

impl Serialize for NoLength {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone().filter(|_| true))
    }
}

#[test]
fn sequences_without_a_length_come_back() {
    let mut out = Vec::new();
    encode(&NoLength(0..70_000), &mut out).unwrap();
    assert_eq!(decode_all::<Vec<u64>>(&out.into()).unwrap(), (0..70_000).collect::<Vec<_>>());
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Untagged {
    Wide(i128),
    Narrow(u8),
}

#[test]
fn wide_integers_come_back_or_are_refused() {
    for value in [0, 5, -1, i128::MIN, i128::MAX] {
        assert_eq!(decode_all::<i128>(&bytes_of(&value).into()).unwrap(), value);
        // Even a small one: serde would make a `Narrow` of it.
        let error = refused(&Untagged::Wide(value));
        assert!(error.hint().unwrap().contains("send it as a string"), "{error:?}");
    }
    assert_eq!(decode_all::<u128>(&bytes_of(&u128::MAX).into()).unwrap(), u128::MAX);
    comes_back(Untagged::Narrow(5));
}

#[test]
fn limits_of_serde_are_typed_errors() {
    assert!(refused(&(SystemTime::UNIX_EPOCH - Duration::from_secs(1))).hint().unwrap().contains("signed seconds"));
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt;
        let path = std::ffi::OsString::from_vec(vec![0xff]);
        assert!(refused(&std::path::PathBuf::from(path.clone())).hint().unwrap().contains("OsString"));
        comes_back(path);
    }
}

#[derive(Serialize, Deserialize, PartialEq, Debug)]
struct List(Option<Box<List>>);

#[derive(Serialize, Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Tree {
    Node(Vec<Tree>),
    Leaf(String),
}

fn tree(depth: u16) -> Tree {
    (0..depth).fold(Tree::Leaf("x".into()), |tree, _| Tree::Node(vec![tree]))
}

#[test]
fn depth_is_bounded_at_the_caller() {
    let list = |depth| (0..depth).fold(List(None), |list, _| List(Some(Box::new(list))));
    comes_back(list(250));
    assert!(refused(&list(300)).to_string().contains("deep"));
    let bytes = bytes_of(&tree(MAX_DEPTH));
    assert_eq!(decode_all::<Tree>(&bytes.into()).unwrap(), tree(MAX_DEPTH));
    refused(&tree(MAX_DEPTH + 1));
}

#[test]
fn hostile_depth_is_an_error() {
    let deep = Bytes::from(vec![0x91; 100_000]);
    assert_eq!(decode_all::<Tree>(&deep).unwrap_err().kind(), ErrorKind::Decode);
    assert_eq!(decode_all::<serde_json::Value>(&deep).unwrap_err().kind(), ErrorKind::Decode);
    assert!(serde::de::IgnoredAny::deserialize(&mut Deserializer::new(&deep)).is_err());
    // A type that asks for options without end, and a value that is none.
    for bytes in [&[5][..], &[0xd4, 2, 5], &[0x91, 5]] {
        assert!(decode_all::<List>(&Bytes::copy_from_slice(bytes)).is_err());
        assert!(decode_all::<Vec<List>>(&Bytes::copy_from_slice(bytes)).is_err());
    }
}

#[test]
fn hostile_lengths_reserve_nothing() {
    for head in [0xdd, 0xdf, 0xc6, 0xdb, 0xc9] {
        let bytes = Bytes::from(vec![head, 0xff, 0xff, 0xff, 0xff, 2]);
        assert!(decode_all::<Vec<u64>>(&bytes).is_err());
        assert!(decode_all::<Vec<u8>>(&bytes).is_err());
        assert!(decode_all::<BTreeMap<u8, [u64; 4]>>(&bytes).is_err());
        assert!(decode_all::<Tree>(&bytes).is_err());
    }
}

#[test]
fn what_follows_a_value_is_an_error() {
    assert_eq!(decode_all::<u8>(&Bytes::from_static(&[1, 2])).unwrap_err().kind(), ErrorKind::Decode);
    assert!(decode_all::<(u8, u8)>(&Bytes::from_static(&[0x93, 1, 2, 3])).is_err());
    let mut input = &[1, 2][..];
    assert_eq!((decode_next::<u8>(&mut input).unwrap(), decode_next::<u8>(&mut input).unwrap()), (1, 2));
}
