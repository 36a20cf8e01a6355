//! Looking into calls and failures, for tests that run the bodies of functions without a cloud.

use bytes::Bytes;

use crate::call::{Call, StreamCall};
use crate::error::{Error, Result};
use crate::function::FunctionEntry;
use crate::provider::Failure;

/// The function of a call and its arguments, encoded; the error that the call would give if they can't be.
///
/// # Errors
///
/// What the arguments gave, as a kind and a message.
pub fn arguments<T>(call: &Call<T>) -> Result<(&'static FunctionEntry, Bytes)> {
    of_raw(call.raw.entry, &call.raw.args)
}

/// The same for a generator.
///
/// # Errors
///
/// What the arguments gave, as a kind and a message.
pub fn stream_arguments<T>(call: &StreamCall<T>) -> Result<(&'static FunctionEntry, Bytes)> {
    of_raw(call.raw.entry, &call.raw.args)
}

fn of_raw(entry: &'static FunctionEntry, encoded: &Result<Bytes>) -> Result<(&'static FunctionEntry, Bytes)> {
    encoded.as_ref().map(|bytes| (entry, bytes.clone())).map_err(|error| Error::new(error.kind(), error.message()))
}

/// Decodes the result of a call.
///
/// # Errors
///
/// The bytes are no result of it.
pub fn decode<T>(call: Call<T>, result: &Bytes) -> Result<T> {
    call.decoder.decode(result)
}

/// The error that a caller sees for what a worker reported.
pub fn error(failure: Failure) -> Error {
    Error::from_failure(failure)
}
