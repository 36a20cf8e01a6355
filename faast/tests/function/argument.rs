//! Arguments reach the function as they were given, borrowed ones too.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use faast::ErrorKind;
use serde::{Deserialize, Serialize};

use crate::support::{self, failure, result, value};

/// A type of the user's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    x: f64,
    y: f64,
}

#[faast::function]
fn nothing() {}

/// Documented as one.
#[faast::function]
#[must_use]
pub(crate) fn add(a: u32, b: u32) -> u32 {
    a + b
}

#[faast::function]
async fn hello(name: &str) -> String {
    tokio::task::yield_now().await;
    format!("hello {name}!")
}

#[faast::function]
fn lent(bytes: &[u8], words: &[String], path: &Path, point: &Point, map: &HashMap<String, u8>) -> String {
    format!("{} {} {} {} {}", bytes.len(), words.join("+"), path.display(), point.x + point.y, map["a"])
}

#[faast::function]
fn optional(owned: Option<u8>, text: Option<&str>, bytes: Option<&[u8]>) -> (Option<u8>, usize) {
    (owned, text.map_or(0, str::len) + bytes.map_or(0, <[u8]>::len))
}

#[faast::function]
fn patterns((a, b): (u8, u8), Point { x, .. }: Point, _: u8, mut list: Vec<u8>, [first, ..]: [u8; 3]) -> Vec<u8> {
    list.push(a + b + first);
    list.push(u8::from(x > 0.0));
    list
}

#[faast::function]
fn named_like_generated_code(out: u8, input: u8, arguments: u8, argument_0: u8, value: u8, error: u8) -> u8 {
    out + input + arguments + argument_0 + value + error
}

#[faast::function]
fn named_like_itself(named_like_itself: u8) -> u8 {
    named_like_itself
}

#[faast::function]
#[deny(single_use_lifetimes)]
fn explicit<'a>(first: &'a str, second: &'a str) -> bool {
    first == second
}

#[faast::function]
fn cow<'a>(text: Cow<'a, str>, other: Cow<'_, [u8]>) -> Cow<'static, str> {
    Cow::Owned(format!("{text}{}", other.len()))
}

#[faast::function]
fn r#type(r#fn: u8) -> u8 {
    r#fn
}

#[faast::function]
#[expect(clippy::many_single_char_names, clippy::too_many_arguments, reason = "that is what is tried")]
fn many(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8, m: u8) -> u8 {
    a + b + c + d + e + f + g + h + i + j + k + l + m
}

#[test]
fn a_function_stays_what_it_is() {
    assert_eq!(add(1, 2), 3);
    assert_eq!(r#type(1), 1);
}

#[test]
fn arguments_reach_the_function() {
    assert_eq!(value(nothing::call()), ());
    assert_eq!(value(add::call(1, 2)), 3);
    assert_eq!(value(hello::call("world")), "hello world!");
    let point = Point { x: 1.5, y: 2.0 };
    let map = HashMap::from([("a".to_owned(), 7)]);
    let words = ["a".to_owned(), "b".to_owned()];
    assert_eq!(value(lent::call(b"abc", &words, Path::new("/tmp"), &point, &map)), "3 a+b /tmp 3.5 7");
    assert_eq!(value(optional::call(Some(1), Some("four"), None)), (Some(1), 4));
    assert_eq!(value(optional::call(None, None, Some(&[1, 2]))), (None, 2));
    assert_eq!(value(patterns::call((1, 2), point, 0, vec![9], [1, 0, 0])), [9, 4, 1]);
    assert_eq!(value(named_like_generated_code::call(1, 2, 3, 4, 5, 6)), 21);
    assert_eq!(value(named_like_itself::call(1)), 1);
    assert!(value(explicit::call("a", "a")));
    let text = String::from("x");
    assert_eq!(value(cow::call(Cow::Borrowed(&text), Cow::Borrowed(&[1, 2]))), "x2");
    assert_eq!(value(r#type::call(3)), 3);
    assert_eq!(value(many::call(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)), 13);
}

#[test]
fn bytes_that_are_no_arguments_are_a_typed_failure() {
    let entry = support::entry("function::argument::add");
    let short = result(entry, &[]).unwrap_err();
    assert_eq!(short.kind, ErrorKind::Decode);
    assert!(short.message.contains("`a`"), "{}", short.message);
    let mut long = support::arguments(&add::call(1, 2));
    long.push(0);
    assert!(result(entry, &long).unwrap_err().message.contains("after the last argument"));
}

/// Writes itself, and cannot be read.
#[derive(Debug, PartialEq)]
pub(crate) struct OneWay;

impl Serialize for OneWay {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("never")
    }
}

impl<'de> Deserialize<'de> for OneWay {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("not this way"))
    }
}

#[faast::function]
fn one_way(_value: OneWay) {}

#[faast::function]
fn one_way_result() -> OneWay {
    OneWay
}

#[test]
fn what_cannot_be_read_back_is_an_error_before_anything_is_sent() {
    let error = support::encoding_error(&one_way::call(OneWay));
    assert_eq!(error, ErrorKind::Encode);
    assert_eq!(failure(one_way_result::call()).kind, ErrorKind::Encode);
}
