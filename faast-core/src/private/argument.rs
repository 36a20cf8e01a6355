//! Arguments on their way: encoded from what the caller lends, decoded into what the worker can lend in turn.
//!
//! A parameter `T` is decoded as `T` ([`Argument`]), a parameter `&X` as `Box<X>` ([`Lent`]), a parameter `Option<&X>` as
//! `Option<Box<X>>` ([`LentOption`]). Encoder and decoder of a parameter are made together, so that they fit.

use std::fmt;

use super::probe::{Encode, Equal};
use super::validate::{Checking, LossCheck};
use crate::error::{Error, ErrorKind, Result};
use crate::function::{Ended, FunctionEntry};
use crate::provider::Failure;
use crate::wire::{self, Wire};

type Decode<T> = fn(&mut &[u8]) -> Result<T>;

/// The type of a parameter that is passed by value.
#[diagnostic::on_unimplemented(
    message = "an argument of type `{Self}` can't be sent to a worker",
    label = "needs `serde::Serialize` and `serde::Deserialize`, for itself and for everything in it",
    note = "write `#[derive(serde::Serialize, serde::Deserialize)]` on the types of this crate",
    note = "for types that can't have it (files, connections, locks, closures): send what the worker needs to make one"
)]
pub trait ArgumentType: Wire {}

#[diagnostic::do_not_recommend]
impl<T: Wire> ArgumentType for T {}

/// The type behind the `&` of a parameter.
#[diagnostic::on_unimplemented(
    message = "an argument of type `&{Self}` can't be sent to a worker",
    label = "`{Self}` needs `serde::Serialize`, and `Box<{Self}>` needs `serde::Deserialize`",
    note = "write `#[derive(serde::Serialize, serde::Deserialize)]` on the types of this crate",
    note = "for types that can't have it (files, connections, locks, closures): send what the worker needs to make one"
)]
pub trait Lendable: 'static {
    /// Encodes it.
    ///
    /// # Errors
    ///
    /// It does not survive the wire.
    fn encode(&self, bytes: &mut Vec<u8>) -> Result<()>;

    /// Decodes what can lend it.
    ///
    /// # Errors
    ///
    /// The bytes are no `Self`.
    fn decode(bytes: &mut &[u8]) -> Result<Box<Self>>;
}

#[diagnostic::do_not_recommend]
impl<X: ?Sized + serde::Serialize + 'static> Lendable for X
where
    Box<X>: Wire,
{
    fn encode(&self, bytes: &mut Vec<u8>) -> Result<()> {
        wire::encode_as::<Box<X>, X>(self, bytes)
    }

    fn decode(bytes: &mut &[u8]) -> Result<Box<X>> {
        wire::decode_next(bytes)
    }
}

/// A parameter that is passed by value.
pub struct Argument<T> {
    name: &'static str,
    encode: Encode<T>,
    decode: Decode<T>,
    equal: Option<Equal<T>>,
}

/// The parameter of that name.
///
/// A function and not a method, like those below: there the compiler says what the bound says, and not that a method is
/// missing.
pub const fn argument<T: ArgumentType + 'static>(name: &'static str, equal: Option<Equal<T>>) -> Argument<T> {
    Argument { name, encode: wire::encode_value::<T>, decode: wire::decode_next::<T>, equal }
}

impl<T> Argument<T> {
    /// Encodes it.
    pub fn put(&self, value: &T, arguments: &mut Arguments) {
        let back = arguments.encode(self.name, |bytes| (self.encode)(value, bytes), self.decode);
        if let Some(back) = back {
            arguments.compare(self.name, self.equal, value, &back);
        }
    }

    /// Decodes it.
    ///
    /// # Errors
    ///
    /// The bytes are no `T`.
    pub fn take(&self, input: &mut Input<'_>) -> Result<T, Box<Failure>> {
        input.decode(self.name, self.decode)
    }
}

/// A parameter that is passed by value and borrows from the caller, such as `Cow<'_, str>`; `T` is the type with
/// `'static` in the place of its lifetimes.
pub struct Borrowing<T> {
    name: &'static str,
    decode: Decode<T>,
}

/// The parameter of that name.
pub const fn borrowing<T: ArgumentType + 'static>(name: &'static str) -> Borrowing<T> {
    Borrowing { name, decode: wire::decode_next::<T> }
}

impl<T> Borrowing<T> {
    /// Encodes it.
    ///
    /// Its round trip is not compared, because the two types are not the same. There is always an `encode` where there
    /// is a `Borrowing`; it comes without a bound, so that a type that has none is reported once.
    pub fn put<B>(&self, value: &B, encode: Option<Encode<B>>, arguments: &mut Arguments) {
        if let Some(encode) = encode {
            arguments.encode(self.name, |bytes| encode(value, bytes), self.decode);
        }
    }

    /// Decodes it.
    ///
    /// # Errors
    ///
    /// The bytes are no `T`.
    pub fn take(&self, input: &mut Input<'_>) -> Result<T, Box<Failure>> {
        input.decode(self.name, self.decode)
    }
}

/// A parameter `&X`.
pub struct Lent<X: ?Sized> {
    name: &'static str,
    encode: Encode<X>,
    decode: Decode<Box<X>>,
    equal: Option<Equal<X>>,
}

/// The parameter of that name.
pub const fn lent<X: ?Sized + Lendable>(name: &'static str, equal: Option<Equal<X>>) -> Lent<X> {
    Lent { name, encode: X::encode, decode: X::decode, equal }
}

/// The parameter of that name, of bytes: a slice of numbers would take more time.
pub const fn lent_bytes(name: &'static str, equal: Option<Equal<[u8]>>) -> Lent<[u8]> {
    let decode: Decode<Box<[u8]>> = |bytes| wire::decode_next::<Vec<u8>>(bytes).map(Vec::into_boxed_slice);
    Lent { name, encode: wire::encode_bytes, decode, equal }
}

impl<X: ?Sized> Lent<X> {
    /// Encodes it.
    pub fn put(&self, value: &X, arguments: &mut Arguments) {
        let back = arguments.encode(self.name, |bytes| (self.encode)(value, bytes), self.decode);
        if let Some(back) = back {
            arguments.compare(self.name, self.equal, value, &back);
        }
    }

    /// Decodes it.
    ///
    /// # Errors
    ///
    /// The bytes are no `X`.
    pub fn take(&self, input: &mut Input<'_>) -> Result<Box<X>, Box<Failure>> {
        input.decode(self.name, self.decode)
    }
}

/// A parameter `Option<&X>`: on the wire, whether there is one, and then the one.
pub struct LentOption<X: ?Sized>(Lent<X>);

/// The parameter `Option<&X>`, like a parameter `&X`.
pub const fn lent_option<X: ?Sized>(lent: Lent<X>) -> LentOption<X> {
    LentOption(lent)
}

impl<X: ?Sized> LentOption<X> {
    /// Encodes it.
    pub fn put(&self, value: Option<&X>, arguments: &mut Arguments) {
        arguments.encode(self.0.name, |bytes| wire::encode_value(&value.is_some(), bytes), wire::decode_next::<bool>);
        if let Some(value) = value {
            self.0.put(value, arguments);
        }
    }

    /// Decodes it.
    ///
    /// # Errors
    ///
    /// The bytes are no `Option<X>`.
    pub fn take(&self, input: &mut Input<'_>) -> Result<Option<Box<X>>, Box<Failure>> {
        let present = input.decode(self.0.name, wire::decode_next::<bool>)?;
        if present { self.0.take(input).map(Some) } else { Ok(None) }
    }
}

/// The arguments of one call while they are encoded.
///
/// After the first that fails, nothing is done any more.
#[derive(Debug)]
pub struct Arguments {
    entry: &'static FunctionEntry,
    encoded: Result<Vec<u8>>,
    checking: Checking,
}

impl Arguments {
    /// None yet.
    pub fn new(entry: &'static FunctionEntry, check: &LossCheck) -> Self {
        Self { entry, encoded: Ok(Vec::new()), checking: check.begin() }
    }

    /// The function, and its arguments or the error that the call will give.
    pub(super) fn finish(self) -> (&'static FunctionEntry, Result<Vec<u8>>) {
        (self.entry, self.encoded)
    }

    /// Encodes one, and gives back its round trip if this call is checked.
    fn encode<D>(
        &mut self,
        name: &str,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<()>,
        decode: impl FnOnce(&mut &[u8]) -> Result<D>,
    ) -> Option<D> {
        let bytes = self.encoded.as_mut().ok()?;
        let start = bytes.len();
        let back = encode(bytes).and_then(|()| {
            let mut rest = &bytes[start..];
            self.checking.wanted().then(|| decode(&mut rest)).transpose()
        });
        match back {
            Ok(back) => back,
            Err(error) => {
                self.encoded = Err(not_sent(name, &error));
                None
            }
        }
    }

    fn compare<T: ?Sized>(&self, name: &str, equal: Option<Equal<T>>, value: &T, back: &T) {
        self.checking.compare(self.entry, &format!("argument `{name}`"), equal, value, back);
    }
}

/// An argument does not survive the wire; whether its encoder or its decoder says so, nothing was sent.
fn not_sent(name: &str, error: &Error) -> Error {
    let named = Error::new(ErrorKind::Encode, format!("argument `{name}`: {}", error.message()));
    match error.hint() {
        Some(hint) => named.with_hint(hint),
        None => named,
    }
}

/// The arguments of one call while they are decoded.
#[derive(Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of them.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    ///
    /// There are more bytes than arguments.
    pub fn end(&self) -> Ended {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Box::new(Failure::new(ErrorKind::Decode, format!("{} bytes after the last argument", self.0.len()))))
    }

    fn decode<D>(&mut self, name: &str, decode: impl FnOnce(&mut &'a [u8]) -> Result<D>) -> Result<D, Box<Failure>> {
        decode(&mut self.0).map_err(|error| {
            Box::new(Failure::new(ErrorKind::Decode, format!("argument `{name}`: {}", error.message())))
        })
    }
}

macro_rules! debug_by_name {
    ($($codec:ident $(: $unsized:tt Sized)?),*) => {$(
        impl<T $(: $unsized Sized)?> fmt::Debug for $codec<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($codec)).field("name", &self.name).finish_non_exhaustive()
            }
        }
    )*};
}

debug_by_name!(Argument, Borrowing, Lent: ?Sized);

impl<X: ?Sized> fmt::Debug for LentOption<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LentOption").field(&self.0).finish()
    }
}
