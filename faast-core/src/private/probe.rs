//! What a type can do, found out without asking the user: an associated constant is the inherent one where its bounds
//! hold, and [`Unknown`]'s where they do not.
//!
//! Works on concrete types only, which is why the constants are looked up in generated code and nowhere else.

use std::error::Error as StdError;
use std::fmt::{Debug, Display};
use std::marker::PhantomData;

use bytes::Bytes;
use serde::Serialize;

use crate::error::Result;
use crate::wire::{self, Wire};

/// Says whether two values are equal.
pub type Equal<T> = fn(&T, &T) -> bool;

/// Encodes a value.
pub type Encode<T> = fn(&T, &mut Vec<u8>) -> Result<()>;

/// Gives the words of an error, outermost first.
pub type Describe<E> = fn(&E) -> Vec<String>;

/// Looks at the type `T`: `<Probe<T>>::EQUAL`.
#[derive(Debug)]
pub struct Probe<T: ?Sized>(PhantomData<fn(&T)>);

impl<T: ?Sized + PartialEq> Probe<T> {
    /// `==`, where there is one.
    pub const EQUAL: Option<Equal<T>> = Some(|left, right| left == right);
}

impl<E: Wire + 'static> Probe<E> {
    /// Encodes an error that crosses the wire.
    pub const ENCODE: Option<fn(&E) -> Option<Bytes>> = Some(|error| {
        let mut bytes = Vec::new();
        wire::encode_value(error, &mut bytes).ok().map(|()| bytes.into())
    });

    /// Decodes it.
    pub const DECODE: Option<fn(&Bytes) -> Option<E>> = Some(|bytes| wire::decode_all(bytes).ok());
}

impl<E: StdError> Probe<E> {
    /// Words of a proper error, with those of its sources.
    pub const ERROR: Option<Describe<E>> = Some(|error| {
        let mut words = vec![error.to_string()];
        words.extend(sources(error.source()));
        words
    });
}

impl<E: AsRef<dyn StdError>> Probe<E> {
    /// Words of a wrapper such as `anyhow::Error` or `Box<dyn Error>`.
    pub const WRAPPER: Option<Describe<E>> = Some(|error| sources(Some(error.as_ref())).collect());
}

impl<E: AsRef<dyn StdError + Send + Sync>> Probe<E> {
    /// Words of a wrapper such as `Box<dyn Error + Send + Sync>`.
    pub const SEND_WRAPPER: Option<Describe<E>> = Some(|error| sources(Some(error.as_ref())).collect());
}

impl<E: Display> Probe<E> {
    /// Words of what can be shown.
    pub const DISPLAY: Option<Describe<E>> = Some(|error| vec![error.to_string()]);
}

impl<E: Debug> Probe<E> {
    /// Words of what can be printed for programmers.
    pub const DEBUG: Option<Describe<E>> = Some(|error| vec![format!("{error:?}")]);
}

fn sources<'a>(first: Option<&'a (dyn StdError + 'static)>) -> impl Iterator<Item = String> + 'a {
    std::iter::successors(first, |&error| error.source()).map(ToString::to_string)
}

/// Looks at a type `B` that borrows, and at `T`, which is `B` with `'static` in the place of its lifetimes.
#[derive(Debug)]
pub struct Pair<T, B>(PhantomData<fn(&T, &B)>);

impl<T: Wire, B: Serialize> Pair<T, B> {
    /// Encodes a `B` that will be decoded as a `T`.
    pub const ENCODE: Option<Encode<B>> = Some(wire::encode_as::<T, B>);
}

/// What [`Probe`] says where a bound does not hold. Must be in scope where the constants are looked up.
pub trait Unknown<T: ?Sized> {
    /// There is no `==`.
    const EQUAL: Option<Equal<T>> = None;
}

impl<T: ?Sized> Unknown<T> for Probe<T> {}

/// The same for errors.
pub trait UnknownError<E> {
    /// Does not cross the wire.
    const ENCODE: Option<fn(&E) -> Option<Bytes>> = None;
    /// Does not cross the wire.
    const DECODE: Option<fn(&Bytes) -> Option<E>> = None;
    /// Is no error.
    const ERROR: Option<Describe<E>> = None;
    /// Wraps no error.
    const WRAPPER: Option<Describe<E>> = None;
    /// Wraps no error that may change threads.
    const SEND_WRAPPER: Option<Describe<E>> = None;
    /// Can't be shown.
    const DISPLAY: Option<Describe<E>> = None;
    /// Can't be printed.
    const DEBUG: Option<Describe<E>> = None;
}

impl<E> UnknownError<E> for Probe<E> {}

/// The same for what borrows.
pub trait UnknownPair<B> {
    /// Does not cross the wire.
    const ENCODE: Option<Encode<B>> = None;
}

impl<T, B> UnknownPair<B> for Pair<T, B> {}
