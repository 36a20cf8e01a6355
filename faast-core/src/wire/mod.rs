//! The wire format: how values cross to a worker and back, and how requests and events are framed.
//!
//! MessagePack with names for fields and variants, in serde's human-readable mode, and with markers of faast's own for
//! what either would lose. The promise: a value arrives exactly as it went, or encoding it fails at the caller, typed
//! and before anything is sent. What serde itself can't see (`#[serde(skip)]`, an untagged enum of which an earlier
//! variant accepts the value too) no format can promise. This module moves no bytes anywhere; see [`frame`].

mod canonical;
mod compound;
mod de;
mod element;
mod error;
pub mod frame;
mod json;
mod marker;
mod reader;
#[cfg(feature = "zstd")]
pub mod sealed;
mod ser;
#[cfg(feature = "zstd")]
mod zip;

use std::any::Any;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::de::Deserializer;
use self::error::WireError;
use self::reader::{Head, Reader};
use self::ser::Serializer;
use crate::error::Result;

/// The version of values and frames; goes up whenever either changes.
pub const VERSION: u8 = 1;

/// Levels of collections, variants and options that a value may have within each other.
pub const MAX_DEPTH: u16 = 256;

/// What can cross to a worker and back: everything that serde writes and reads back as an owned value.
///
/// ```
/// # use faast_core::wire;
/// let mut bytes = Vec::new();
/// wire::encode_value(&(7_u64, Some(Some(()))), &mut bytes)?;
/// assert_eq!(wire::decode_all::<(u64, Option<Option<()>>)>(&bytes.into())?, (7, Some(Some(()))));
/// # Ok::<(), faast_core::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't cross to a worker",
    label = "is no `faast::Wire`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it, or pass something that does"
)]
pub trait Wire: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Wire for T {}

/// Appends a value that may be borrowed, such as `&str` or `&[T]`.
///
/// Without an owned type it can't be tried whether serde's buffers hold the 128-bit integers in the value; where there
/// is one, [`encode_value`] tries.
///
/// # Errors
///
/// [`Encode`](crate::ErrorKind::Encode) when the value can't be sent exactly; `out` is then as it was.
pub fn encode<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<()> {
    write(value, out).map(drop).map_err(WireError::encoding::<T>)
}

/// Appends a value that will be decoded as an `Owned`, and makes sure that it can be.
///
/// # Errors
///
/// [`Encode`](crate::ErrorKind::Encode) when the value can't be sent exactly; `out` is then as it was.
pub(crate) fn encode_as<Owned: Wire, T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<()> {
    let start = out.len();
    let result = write(value, out).and_then(|risky| if risky { verify::<Owned>(&out[start..]) } else { Ok(()) });
    result.map_err(|error| {
        out.truncate(start);
        error.encoding::<T>()
    })
}

/// Appends an owned value. A `Vec<u8>` is copied as a whole.
///
/// # Errors
///
/// [`Encode`](crate::ErrorKind::Encode) when the value can't be sent exactly; `out` is then as it was.
#[inline]
pub fn encode_value<T: Wire + 'static>(value: &T, out: &mut Vec<u8>) -> Result<()> {
    match (value as &dyn Any).downcast_ref::<Vec<u8>>() {
        Some(bytes) => encode_bytes(bytes, out),
        None => encode_as::<T, T>(value, out),
    }
}

/// Appends bytes in the form that a `Vec<u8>` has, copied as a whole.
///
/// # Errors
///
/// [`Encode`](crate::ErrorKind::Encode) for 4 GiB or more.
pub(crate) fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) -> Result<()> {
    with_serializer(out, |ser| ser.u8_seq(bytes)).map_err(WireError::encoding::<[u8]>)
}

/// Decodes the value at the start of `input` and moves `input` behind it.
///
/// ```
/// # use faast_core::wire;
/// let mut bytes = Vec::new();
/// wire::encode("borrowed", &mut bytes)?;
/// wire::encode(&[1, 2][..], &mut bytes)?;
///
/// let mut input = &bytes[..];
/// assert_eq!(wire::decode_next::<String>(&mut input)?, "borrowed");
/// assert_eq!(wire::decode_next::<Vec<i32>>(&mut input)?, [1, 2]);
/// assert!(input.is_empty());
/// # Ok::<(), faast_core::Error>(())
/// ```
///
/// # Errors
///
/// [`Decode`](crate::ErrorKind::Decode) when there is no such value; `input` is then anywhere.
#[inline]
pub fn decode_next<T: Wire + 'static>(input: &mut &[u8]) -> Result<T> {
    read(input).map_err(WireError::decoding::<T>)
}

/// Decodes a value that fills all of `bytes`.
///
/// # Errors
///
/// [`Decode`](crate::ErrorKind::Decode) when there is no such value or something follows it.
#[inline]
pub fn decode_all<T: Wire + 'static>(bytes: &Bytes) -> Result<T> {
    let mut input = &bytes[..];
    let value = decode_next(&mut input)?;
    if input.is_empty() { Ok(value) } else { Err(WireError::Malformed("something follows the value").decoding::<T>()) }
}

/// Encoded values in the one form that all their encodings share: entries of maps are sorted.
///
/// # Errors
///
/// [`Decode`](crate::ErrorKind::Decode) for bytes that are no values.
pub(crate) fn canonical(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    canonical::write(bytes, &mut out).map_err(WireError::decoding::<[u8]>)?;
    Ok(out)
}

/// Encoded values as JSON, which people read and nothing is decoded from.
///
/// # Errors
///
/// [`Decode`](crate::ErrorKind::Decode) for bytes that are no values.
pub(crate) fn to_json(bytes: &[u8]) -> Result<Vec<serde_json::Value>> {
    json::values(bytes).map_err(WireError::decoding::<[u8]>)
}

/// Appends to `out` or leaves it as it was.
#[inline]
fn with_serializer<R>(
    out: &mut Vec<u8>,
    run: impl FnOnce(&mut Serializer) -> Result<R, WireError>,
) -> Result<R, WireError> {
    let start = out.len();
    let mut ser = Serializer::new(std::mem::take(out));
    let result = run(&mut ser);
    *out = ser.into_vec();
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Appends a value and says whether it should be verified.
#[inline]
fn write<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<bool, WireError> {
    with_serializer(out, |ser| value.serialize(&mut *ser).map(|()| ser.risky))
}

#[cold]
fn verify<T: Wire>(bytes: &[u8]) -> Result<(), WireError> {
    let mut de = Deserializer::new(bytes);
    match T::deserialize(&mut de) {
        Ok(_) if de.reader.rest.is_empty() => Ok(()),
        Ok(_) => Err(WireError::Malformed("decoding it leaves something over")),
        Err(error) => Err(WireError::Buffered128(error.to_string().into())),
    }
}

#[inline]
fn read<T: Wire + 'static>(input: &mut &[u8]) -> Result<T, WireError> {
    let mut slot = None::<T>;
    if let Some(bytes) = (&mut slot as &mut dyn Any).downcast_mut::<Option<Vec<u8>>>() {
        let mut reader = Reader { rest: input };
        if let Head::Bin(found) | Head::Ext(marker::U8_SEQ, found) = reader.head()? {
            *bytes = Some(found.to_vec());
            *input = reader.rest;
        }
    }
    if let Some(value) = slot {
        return Ok(value);
    }
    let mut de = Deserializer::new(input);
    let value = T::deserialize(&mut de)?;
    *input = de.reader.rest;
    Ok(value)
}

#[cfg(test)]
mod tests;
