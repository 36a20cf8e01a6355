//! Generators give their items as they make them, and stop when nobody listens.

use futures_util::{Stream, stream};

use crate::support::{self, items, items_until};

#[faast::function]
fn count(to: u32) -> impl Iterator<Item = u32> {
    0..to
}

#[faast::function]
fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(' ').map(str::to_owned)
}

#[faast::function]
fn words_of<'a>(text: &'a str) -> impl Iterator<Item = String> + use<'a> {
    text.split(' ').map(str::to_owned)
}

#[faast::function]
fn streamed(to: u32) -> impl Stream<Item = u32> {
    stream::iter(0..to)
}

#[faast::function]
async fn streamed_later(words: &[String]) -> impl Stream<Item = usize> {
    tokio::task::yield_now().await;
    stream::iter(words.iter().map(String::len))
}

#[faast::function]
async fn counted_later(to: u8) -> impl Iterator<Item = u8> + Send {
    0..to
}

#[faast::function]
fn fallible(to: i32) -> Result<impl Iterator<Item = i32>, String> {
    if to < 0 { Err(format!("{to} is negative")) } else { Ok(0..to) }
}

#[faast::function]
async fn fallible_stream(to: i32) -> anyhow::Result<impl Stream<Item = Result<i32, String>>> {
    anyhow::ensure!(to >= 0, "negative");
    Ok(stream::iter((0..to).map(Ok)))
}

#[test]
fn generators_give_their_items() {
    assert_eq!(items(count::call(3)), Ok(vec![0, 1, 2]));
    assert_eq!(items(count::call(0)), Ok(vec![]));
    assert_eq!(items(words::call("a b")), Ok(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(items(words_of::call("a b")), Ok(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(items(streamed::call(2)), Ok(vec![0, 1]));
    assert_eq!(items(streamed_later::call(&["a".to_owned(), "bc".to_owned()])), Ok(vec![1, 2]));
    assert_eq!(items(counted_later::call(2)), Ok(vec![0, 1]));
    assert_eq!(items(fallible::call(2)), Ok(vec![0, 1]));
    assert_eq!(items(fallible_stream::call(2)), Ok(vec![Ok(0), Ok(1)]));
}

#[test]
fn a_generator_can_fail_before_its_first_item() {
    let failure = items(fallible::call(-1)).unwrap_err();
    assert_eq!(failure.message, "-1 is negative");
    assert_eq!(fallible::error(&support::error(&failure)), Some("-1 is negative".to_owned()));
    assert_eq!(items(fallible_stream::call(-1)).unwrap_err().message, "negative");
}

#[faast::function]
fn endless() -> impl Iterator<Item = u64> {
    0..
}

#[test]
fn a_generator_stops_when_nobody_listens() {
    assert_eq!(items_until(endless::call(), 3), Ok(vec![0, 1, 2]));
}
