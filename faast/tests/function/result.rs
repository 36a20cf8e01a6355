//! Results and errors come back, each as far as its type allows.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::{fmt, io};

use faast::ErrorKind;
use serde::{Deserialize, Serialize};

use crate::support::{self, failure, value};

/// An error that crosses the wire.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum OrderError {
    /// Too many.
    SoldOut {
        /// What is left.
        left: u32,
    },
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SoldOut { left } => write!(f, "only {left} left"),
        }
    }
}

impl StdError for OrderError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&fmt::Error)
    }
}

/// An error that can do nothing.
pub(crate) struct Mute;

/// An error that only crosses the wire.
#[derive(PartialEq, Serialize, Deserialize)]
pub(crate) struct Code(u8);

#[faast::function]
fn order(count: u32) -> Result<u32, OrderError> {
    if count > 3 { Err(OrderError::SoldOut { left: 3 }) } else { Ok(count) }
}

#[faast::function]
async fn read(path: PathBuf) -> io::Result<String> {
    std::fs::read_to_string(path)
}

#[faast::function]
fn chained() -> anyhow::Result<()> {
    Err(anyhow::Error::new(OrderError::SoldOut { left: 1 }).context("ordering"))
}

#[faast::function]
fn boxed(text: &str) -> Result<u8, Box<dyn StdError>> {
    Ok(text.parse()?)
}

#[faast::function]
fn boxed_send(text: &str) -> Result<u8, Box<dyn StdError + Send + Sync>> {
    Ok(text.parse()?)
}

#[faast::function]
fn mute() -> Result<u8, Mute> {
    Err(Mute)
}

#[faast::function]
fn coded() -> Result<u8, Code> {
    Err(Code(7))
}

#[faast::function]
fn static_text() -> Result<u8, &'static str> {
    Err("no")
}

#[faast::function]
fn of_faast(text: &str) -> faast::Result<u8> {
    text.parse().map_err(|_| faast::Error::new(ErrorKind::Config, "no number"))
}

#[faast::function]
fn nothing_open() -> fmt::Result {
    Err(fmt::Error)
}

#[test]
fn results_come_back() {
    assert_eq!(value(order::call(2)), 2);
    assert_eq!(value(boxed::call("7")), 7);
    assert_eq!(value(of_faast::call("7")), 7);
}

#[test]
fn an_error_that_crosses_the_wire_comes_back_as_itself() {
    let failure = failure(order::call(4));
    assert_eq!((failure.kind, &*failure.message), (ErrorKind::User, "only 3 left"));
    assert_eq!(failure.chain, [fmt::Error.to_string()]);
    assert_eq!(order::error(&support::error(&failure)), Some(OrderError::SoldOut { left: 3 }));
}

#[test]
fn other_failures_are_no_error_of_the_function() {
    assert_eq!(order::error(&faast::Error::new(ErrorKind::Timeout, "late")), None);
    assert!(chained::error(&faast::Error::new(ErrorKind::User, "x")).is_none());
}

#[test]
fn an_error_that_does_not_cross_comes_back_as_its_words() {
    let missing = failure(read::call("/does/not/exist".into()));
    assert!(missing.message.contains("No such file"), "{missing:?}");
    assert_eq!(missing.value, None);
    let chained = failure(chained::call());
    assert_eq!((&*chained.message, &chained.chain[0]), ("ordering", &"only 1 left".to_owned()));
    assert_eq!(failure(boxed::call("x")).message, "invalid digit found in string");
    assert_eq!(failure(boxed_send::call("x")).message, "invalid digit found in string");
    assert_eq!(failure(static_text::call()).message, "no");
    assert_eq!(failure(of_faast::call("x")).message, "no number");
    assert_eq!(failure(nothing_open::call()).message, fmt::Error.to_string());
}

#[test]
fn an_error_without_words_says_its_type() {
    assert!(failure(mute::call()).message.contains("Mute"));
    let coded = failure(coded::call());
    assert!(coded.message.contains("Code"));
    assert!(coded::error(&support::error(&coded)) == Some(Code(7)));
}
